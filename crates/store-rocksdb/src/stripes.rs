//! Locks by key, a fixed number of them.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

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

    fn of(&self, key: &[u8]) -> &Mutex<()> {
        &self.locks[self.hash.hash_one(key) as usize % self.locks.len()]
    }

    /// Locks a key's stripe.
    pub fn lock(&self, key: &[u8]) -> MutexGuard<'_, ()> {
        self.of(key).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks it unless somebody has.
    pub fn try_lock(&self, key: &[u8]) -> Option<MutexGuard<'_, ()>> {
        match self.of(key).try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
