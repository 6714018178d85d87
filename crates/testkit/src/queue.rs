//! A queue that remembers what it accepted.

use std::sync::Arc;

use async_trait::async_trait;
use gatepost_core::{Fault, Queue, Queued};

use crate::book::Book;

/// A queue that accepts everything and delivers nothing.
#[derive(Default)]
pub struct MemoryQueue {
    /// What was accepted.
    pub book: Book<Queued>,
}

impl MemoryQueue {
    /// An empty queue.
    pub fn new() -> Arc<MemoryQueue> {
        Arc::default()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn accept(&self, mail: Queued) -> Result<(), Fault> {
        self.book.enter(mail)
    }

    async fn waiting(&self) -> Result<u64, Fault> {
        self.book.check()?;
        Ok(self.book.len() as u64)
    }
}
