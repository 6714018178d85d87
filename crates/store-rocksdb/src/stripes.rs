//! Locks by key, a fixed number of them.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many keys can be changed at once.
const COUNT: usize = 256;

/// One lock for every key that hashes alike; the hash is keyed, so nobody chooses keys that collide.
pub struct Stripes {
    locks: Vec<Mutex<()>>,
    hash: RandomState,
}

impl Stripes {
    /// Unlocked stripes.
    pub fn new() -> Stripes {
        Stripes {
            locks: (0..COUNT).map(|_| Mutex::new(())).collect(),
            hash: RandomState::new(),
        }
    }

    /// Locks a key's stripe.
    pub fn lock(&self, key: &[u8]) -> MutexGuard<'_, ()> {
        let at = self.hash.hash_one(key) as usize % self.locks.len();
        self.locks[at].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
