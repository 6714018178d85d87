//! A queue that remembers what it accepted.

use std::sync::Arc;

use async_trait::async_trait;
use gatepost_core::{
    Depth, Fault, Holding, Message, NotTaken, Queue, Queued, Waiting, WaitingId, WaitingMail, WaitingOrder,
};

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
    fn holds(&self, _: &str) -> Holding {
        Holding::Never
    }

    async fn accept(&self, mails: Vec<Queued>) -> Result<(), NotTaken> {
        self.book.check().map_err(NotTaken::Fault)?;
        for mail in mails {
            self.book.enter(mail).map_err(NotTaken::Fault)?;
        }
        Ok(())
    }

    async fn depth(&self, _: Option<&str>) -> Result<Depth, Fault> {
        self.book.check()?;
        let mut depth = Depth::default();
        depth.mails = self.book.len() as u64;
        Ok(depth)
    }

    async fn list(&self, _: &Waiting) -> Result<Vec<WaitingMail>, Fault> {
        Ok(Vec::new())
    }

    async fn show(&self, _: &WaitingId) -> Result<Option<(WaitingMail, Arc<Message>)>, Fault> {
        Ok(None)
    }

    async fn order(&self, _: &Waiting, _: WaitingOrder) -> Result<u64, Fault> {
        Ok(0)
    }
}
