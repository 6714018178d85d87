//! Alarms that are remembered.

use std::sync::Arc;

use gatepost_core::Alarms;

use crate::book::Book;

/// An alarm as it was raised, or as it was over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Alarm {
    /// Kind, about what, why.
    Raised(&'static str, String, String),
    /// Kind, about what.
    Over(&'static str, String),
}

/// Tells nobody and remembers everything, each time it is said.
#[derive(Default)]
pub struct MemoryAlarms {
    /// What was said.
    pub book: Book<Alarm>,
}

impl MemoryAlarms {
    /// Nothing was said yet.
    pub fn new() -> Arc<MemoryAlarms> {
        Arc::default()
    }
}

impl Alarms for MemoryAlarms {
    fn raise(&self, kind: &'static str, about: &str, why: &str) {
        // The book fails only when it is told to.
        let _ = self.book.enter(Alarm::Raised(kind, about.into(), why.into()));
    }

    fn over(&self, kind: &'static str, about: &str) {
        let _ = self.book.enter(Alarm::Over(kind, about.into()));
    }
}
