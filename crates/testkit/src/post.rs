//! A post that remembers what was sent.

use std::sync::Arc;

use async_trait::async_trait;
use gatepost_core::{Address, Fault, KeptId, Letter, Post};

use crate::book::Book;

/// A post that delivers nothing and remembers everything.
#[derive(Default)]
pub struct MemoryPost {
    /// Letters of ours.
    pub letters: Book<Letter>,
    /// Kept mail that was released, and to whom.
    pub released: Book<(KeptId, Address)>,
    /// Kept mail that was copied, whose it was, and to whom.
    pub copied: Book<(KeptId, Address, Address)>,
}

impl MemoryPost {
    /// A post with an empty book.
    pub fn new() -> Arc<MemoryPost> {
        Arc::default()
    }
}

#[async_trait]
impl Post for MemoryPost {
    async fn send(&self, letter: Letter) -> Result<(), Fault> {
        self.letters.enter(letter)
    }

    async fn release(&self, id: &KeptId, recipient: &Address) -> Result<(), Fault> {
        self.released.enter((id.clone(), recipient.clone()))
    }

    async fn copy(&self, id: &KeptId, meant_for: &Address, to: &Address) -> Result<(), Fault> {
        self.copied.enter((id.clone(), meant_for.clone(), to.clone()))
    }
}
