//! The fusion that is in use, where it changes while mail is judged.

use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::fusion::Fusion;

/// A fusion that whoever teaches publishes and all pipelines read, those of a reload too.
#[derive(Debug, Default)]
pub struct CurrentFusion(ArcSwap<Fusion>);

impl CurrentFusion {
    /// Begins with one.
    pub fn new(fusion: Fusion) -> CurrentFusion {
        CurrentFusion(ArcSwap::from_pointee(fusion))
    }

    /// What is in use at this moment.
    pub fn get(&self) -> Arc<Fusion> {
        self.0.load_full()
    }

    /// Puts another into use, for every mail that is judged from now on.
    pub fn publish(&self, fusion: Fusion) {
        self.0.store(Arc::new(fusion));
    }
}
