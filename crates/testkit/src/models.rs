//! Models that outlive the filters that use them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use gatepost_core::{ModelSlot, Models};

/// Models in memory, by the name of their filter, shared across rebuilds.
#[derive(Default)]
pub struct MemoryModels(Mutex<BTreeMap<&'static str, Arc<dyn ModelSlot>>>);

impl MemoryModels {
    /// No model yet.
    pub fn new() -> Arc<MemoryModels> {
        Arc::default()
    }
}

impl Models for MemoryModels {
    fn slot(&self, name: &'static str, make: &dyn Fn() -> Arc<dyn ModelSlot>) -> Arc<dyn ModelSlot> {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(slots.entry(name).or_insert_with(make))
    }

    fn all(&self) -> BTreeMap<&'static str, Arc<dyn ModelSlot>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
