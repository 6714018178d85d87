//! What a fake remembers of the calls that were made to it.

use std::sync::{Mutex, PoisonError};

use gatepost_core::Fault;

/// Entries in the order in which they were made, and whether the next ones shall fail.
#[derive(Debug)]
pub struct Book<T> {
    entries: Mutex<Vec<T>>,
    fault: Mutex<Option<Fault>>,
}

impl<T> Default for Book<T> {
    fn default() -> Book<T> {
        Book {
            entries: Mutex::new(Vec::new()),
            fault: Mutex::new(None),
        }
    }
}

impl<T> Book<T> {
    /// Enters something; fails, and enters nothing, while a fault is set.
    pub fn enter(&self, entry: T) -> Result<(), Fault> {
        self.check()?;
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).push(entry);
        Ok(())
    }

    /// The fault that is set, if any.
    pub fn check(&self) -> Result<(), Fault> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
            .map_or(Ok(()), Err)
    }

    /// From now on every call fails with this, or succeeds again.
    pub fn fail(&self, fault: Option<Fault>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, taken out.
    pub fn take(&self) -> Vec<T> {
        std::mem::take(&mut *self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T: Clone> Book<T> {
    /// All entries.
    pub fn all(&self) -> Vec<T> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last entry.
    pub fn last(&self) -> Option<T> {
        self.entries
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .last()
            .cloned()
    }
}
