//! A desk that remembers what was submitted.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gatepost_core::{Change, Desk, Fault, Login, Receipt, Request};

use crate::book::Book;

/// A desk that does nothing, remembers everything, and gives the receipt it was told to give.
#[derive(Default)]
pub struct MemoryDesk {
    /// What was submitted, and by whom.
    pub book: Book<(Login, Request)>,
    receipt: Mutex<Option<Receipt>>,
}

impl MemoryDesk {
    /// A desk whose receipt says that all is done.
    pub fn new() -> Arc<MemoryDesk> {
        Arc::default()
    }

    /// The receipt for all that follows.
    pub fn answer(&self, receipt: Receipt) {
        *self.receipt.lock().unwrap_or_else(PoisonError::into_inner) = Some(receipt);
    }
}

#[async_trait]
impl Desk for MemoryDesk {
    async fn submit(&self, by: &Login, request: Request) -> Result<Receipt, Fault> {
        self.book.enter((by.clone(), request))?;
        let receipt = self.receipt.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(receipt.unwrap_or_else(|| Receipt::Done(Change::done("noted"))))
    }
}
