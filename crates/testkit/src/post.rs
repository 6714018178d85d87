//! A post that remembers what was sent.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use gatepost_core::{Address, Fault, KeptId, Letter, Login, Post, Released};

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
    /// What is found in all that is to be released; nothing where this is not set.
    pub dangerous: Mutex<Option<String>>,
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

    async fn release(&self, id: &KeptId, recipient: &Address, _: &Login) -> Result<Released, Fault> {
        if let Some(why) = &*self.dangerous.lock().unwrap_or_else(PoisonError::into_inner) {
            return Ok(Released::Dangerous(why.clone()));
        }
        self.released.enter((id.clone(), recipient.clone()))?;
        Ok(Released::Delivered)
    }

    async fn copy(&self, id: &KeptId, meant_for: &Address, to: &Address) -> Result<(), Fault> {
        self.copied.enter((id.clone(), meant_for.clone(), to.clone()))
    }
}
