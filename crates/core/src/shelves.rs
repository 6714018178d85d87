//! All models of a process: made when a filter asks for the first time, kept however often filters are built anew.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::learner::{ModelSlot, Models};

/// The places of all models, by the name of their filter.
#[derive(Default)]
pub struct Shelves(Mutex<BTreeMap<&'static str, Arc<dyn ModelSlot>>>);

impl Shelves {
    /// No model yet.
    pub fn new() -> Arc<Shelves> {
        Arc::default()
    }
}

impl Models for Shelves {
    fn slot(&self, name: &'static str, make: &dyn Fn() -> Arc<dyn ModelSlot>) -> Arc<dyn ModelSlot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(name).or_insert_with(make))
    }

    fn all(&self) -> BTreeMap<&'static str, Arc<dyn ModelSlot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classifier::Shelf;
    use crate::learner::{BadModel, Clue, Features, Learner, LogOdds, Sample};

    struct Blank;

    impl Learner for Blank {
        fn features(&self, _: &gatepost_message::Message) -> Features {
            Features::default()
        }
        fn score(&self, _: &Features, _: Option<&gatepost_smtp::Domain>) -> LogOdds {
            LogOdds::default()
        }
        fn learn(&self, _: &Features, _: &Sample) {}
        fn explain(&self, _: &gatepost_message::Message, _: Option<&gatepost_smtp::Domain>) -> Vec<Clue> {
            Vec::new()
        }
        fn save(&self) -> Vec<u8> {
            Vec::new()
        }
        fn load(&self, _: &[u8]) -> Result<(), BadModel> {
            Ok(())
        }
    }

    #[test]
    fn a_filter_that_is_built_again_finds_the_model_it_had() {
        let shelves = Shelves::new();
        let make = || -> Arc<dyn ModelSlot> { Arc::new(Shelf::new(|| Arc::new(Blank) as Arc<dyn Learner>)) };
        let first = shelves.slot("bayes", &make);
        assert!(Arc::ptr_eq(&first, &shelves.slot("bayes", &make)));
        assert!(!Arc::ptr_eq(&first, &shelves.slot("hmm", &make)));
        assert_eq!(shelves.all().into_keys().collect::<Vec<_>>(), ["bayes", "hmm"]);
    }
}
