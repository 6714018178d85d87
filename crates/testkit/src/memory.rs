//! A store in memory.

use std::collections::{BTreeMap, btree_map};
use std::ops::{Bound, Range};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use gatepost_core::{Backend, Fault, Page, Store, Swap, Time};

#[derive(Default)]
struct State {
    keys: BTreeMap<Vec<u8>, (Bytes, Option<Time>)>,
    parts: BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Bytes>>,
}

impl State {
    fn living(&self, key: &[u8], now: Time) -> Option<(&Bytes, Option<Time>)> {
        let (value, until) = self.keys.get(key)?;
        until.is_none_or(|until| until > now).then_some((value, *until))
    }
}

/// A store in memory: both shapes, expiry on read, each call atomic. Nothing is ever swept.
#[derive(Default)]
pub struct MemoryStore(Mutex<State>);

impl MemoryStore {
    /// An empty store.
    pub fn new() -> Arc<MemoryStore> {
        Arc::default()
    }

    /// A store as filters hold it, over an empty one.
    pub fn store() -> Store {
        Store::new(MemoryStore::new())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for MemoryStore {
    async fn get(&self, key: &[u8], now: Time) -> Result<Option<Bytes>, Fault> {
        Ok(self.state().living(key, now).map(|(value, _)| value.clone()))
    }

    async fn put(&self, key: &[u8], value: &[u8], until: Option<Time>) -> Result<(), Fault> {
        self.state()
            .keys
            .insert(key.to_vec(), (Bytes::copy_from_slice(value), until));
        Ok(())
    }

    async fn swap(
        &self,
        key: &[u8],
        was: Option<&[u8]>,
        new: Option<&[u8]>,
        until: Option<Time>,
        now: Time,
    ) -> Result<Swap, Fault> {
        let mut state = self.state();
        let is = state.living(key, now).map(|(value, _)| value.clone());
        if is.as_deref() != was {
            return Ok(Swap::Was(is));
        }
        match new {
            Some(new) => drop(state.keys.insert(key.to_vec(), (Bytes::copy_from_slice(new), until))),
            None => drop(state.keys.remove(key)),
        }
        Ok(Swap::Done)
    }

    async fn add(&self, key: &[u8], by: i64, until: Time, now: Time) -> Result<i64, Fault> {
        let mut state = self.state();
        let (total, until) = match state.living(key, now) {
            None => (0, Some(until)),
            Some((value, until)) => {
                let total = <[u8; 8]>::try_from(value.as_ref())
                    .map_err(|_| Fault::Broken("a key that is added to holds no counter".into()))?;
                (i64::from_be_bytes(total), until)
            }
        };
        let total = total.saturating_add(by);
        state
            .keys
            .insert(key.to_vec(), (Bytes::copy_from_slice(&total.to_be_bytes()), until));
        Ok(total)
    }

    async fn insert(&self, part: &[u8], order: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.state()
            .parts
            .entry(part.to_vec())
            .or_default()
            .insert(order.to_vec(), Bytes::copy_from_slice(value));
        Ok(())
    }

    async fn remove(&self, part: &[u8], order: &[u8]) -> Result<(), Fault> {
        if let btree_map::Entry::Occupied(mut entries) = self.state().parts.entry(part.to_vec()) {
            entries.get_mut().remove(order);
            if entries.get().is_empty() {
                entries.remove();
            }
        }
        Ok(())
    }

    async fn range(&self, part: &[u8], range: Range<&[u8]>, newest: bool, limit: usize) -> Result<Page, Fault> {
        let state = self.state();
        let open = range.end.is_empty();
        if !open && range.start >= range.end {
            return Ok(Page::default());
        }
        let Some(entries) = state.parts.get(part) else {
            return Ok(Page::default());
        };
        let end = if open {
            Bound::Unbounded
        } else {
            Bound::Excluded(range.end)
        };
        let within = entries.range::<[u8], _>((Bound::Included(range.start), end));
        let page = |found: &mut dyn Iterator<Item = (&Vec<u8>, &Bytes)>| {
            let entries = found
                .take(limit)
                .map(|(order, value)| (Bytes::copy_from_slice(order), value.clone()))
                .collect();
            Page {
                entries,
                more: found.next().is_some(),
            }
        };
        Ok(if newest {
            page(&mut within.rev())
        } else {
            page(&mut within.into_iter())
        })
    }

    async fn trim(&self, part: &[u8], before: &[u8]) -> Result<u64, Fault> {
        let mut state = self.state();
        let Some(entries) = state.parts.get_mut(part) else {
            return Ok(0);
        };
        let kept = entries.split_off(before);
        let trimmed = entries.len() as u64;
        *entries = kept;
        if entries.is_empty() {
            state.parts.remove(part);
        }
        Ok(trimmed)
    }
}
