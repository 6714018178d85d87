//! Locks by key, a fixed number of them.

use std::collections::BTreeSet;
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

    fn place(&self, key: &[u8]) -> usize {
        self.hash.hash_one(key) as usize % self.locks.len()
    }

    fn of(&self, key: &[u8]) -> &Mutex<()> {
        &self.locks[self.place(key)]
    }

    /// The stripes of some keys, each once, in the order in which all who need several lock them.
    fn of_all<'a>(&'a self, keys: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a Mutex<()>> {
        let places: BTreeSet<usize> = keys.map(|key| self.place(key)).collect();
        places.into_iter().map(|place| &self.locks[place])
    }

    /// Locks the stripes of some keys.
    pub fn lock_all<'a>(&'a self, keys: impl Iterator<Item = &'a [u8]>) -> Vec<MutexGuard<'a, ()>> {
        let lock = |stripe: &'a Mutex<()>| stripe.lock().unwrap_or_else(PoisonError::into_inner);
        self.of_all(keys).map(lock).collect()
    }

    /// Locks them unless somebody has one of them.
    pub fn try_lock_all<'a>(&'a self, keys: impl Iterator<Item = &'a [u8]>) -> Option<Vec<MutexGuard<'a, ()>>> {
        self.of_all(keys).map(try_lock).collect()
    }

    /// Locks a key's stripe.
    pub fn lock(&self, key: &[u8]) -> MutexGuard<'_, ()> {
        self.of(key).lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks it unless somebody has.
    pub fn try_lock(&self, key: &[u8]) -> Option<MutexGuard<'_, ()>> {
        try_lock(self.of(key))
    }
}

fn try_lock(stripe: &Mutex<()>) -> Option<MutexGuard<'_, ()>> {
    match stripe.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}
