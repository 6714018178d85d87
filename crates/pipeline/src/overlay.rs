//! A store on top of another: reads go through, writes stay in memory and vanish with it. For replays.
//!
//! **One thing differs:** a counter begins at nothing, since a store has no way to read a counter without making it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use gatepost_core::{Backend, Fault, Page, Store, Swap, Time, async_trait};

/// A store whose writes stay in memory.
pub struct Overlay {
    below: Store,
    above: Mutex<Above>,
}

type Key = Box<[u8]>;
/// A value and when it goes; no value where the key was deleted.
type Written = (Option<Bytes>, Option<Time>);

#[derive(Default)]
struct Above {
    keys: BTreeMap<Key, Written>,
    counters: BTreeMap<Key, (i64, Time)>,
    /// Entries by partition and order; `None` where one was removed.
    entries: BTreeMap<(Key, Key), Option<Bytes>>,
    /// Below which order a partition was trimmed.
    trimmed: BTreeMap<Key, Key>,
}

/// The most writes that an overlay holds; a replay that writes more has a fault of its own.
const WRITES_MAX: usize = 1_000_000;

impl Overlay {
    /// Over a store.
    pub fn new(below: Store) -> Overlay {
        Overlay {
            below,
            above: Mutex::default(),
        }
    }

    fn above(&self) -> Result<MutexGuard<'_, Above>, Fault> {
        let above = self.above.lock().unwrap_or_else(PoisonError::into_inner);
        let written = above.keys.len() + above.counters.len() + above.entries.len() + above.trimmed.len();
        if written > WRITES_MAX {
            Err(Fault::Broken("a replay wrote too much".into()))
        } else {
            Ok(above)
        }
    }

    /// What was written over a key, if anything was.
    fn written(&self, key: &[u8], now: Time) -> Result<Option<Option<Bytes>>, Fault> {
        let above = self.above()?;
        let living = |until: &Option<Time>| until.is_none_or(|until| now < until);
        Ok(above
            .keys
            .get(key)
            .map(|(value, until)| value.clone().filter(|_| living(until))))
    }
}

#[async_trait]
impl Backend for Overlay {
    async fn get(&self, key: &[u8], now: Time) -> Result<Option<Bytes>, Fault> {
        match self.written(key, now)? {
            Some(written) => Ok(written),
            None => self.below.get(key, now).await,
        }
    }

    async fn put(&self, key: &[u8], value: &[u8], until: Option<Time>) -> Result<(), Fault> {
        self.above()?
            .keys
            .insert(key.into(), (Some(Bytes::copy_from_slice(value)), until));
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
        let below = self.below.get(key, now).await?;
        let mut above = self.above()?;
        let is = match above.keys.get(key) {
            Some((value, until)) => value.clone().filter(|_| until.is_none_or(|until| now < until)),
            None => below,
        };
        if is.as_deref() != was {
            return Ok(Swap::Was(is));
        }
        above.keys.insert(key.into(), (new.map(Bytes::copy_from_slice), until));
        Ok(Swap::Done)
    }

    async fn add(&self, key: &[u8], by: i64, until: Time, now: Time) -> Result<i64, Fault> {
        let mut above = self.above()?;
        let counter = above.counters.entry(key.into()).or_insert((0, until));
        if now >= counter.1 {
            *counter = (0, until);
        }
        counter.0 = counter.0.saturating_add(by);
        Ok(counter.0)
    }

    async fn insert(&self, part: &[u8], order: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.above()?
            .entries
            .insert((part.into(), order.into()), Some(Bytes::copy_from_slice(value)));
        Ok(())
    }

    async fn remove(&self, part: &[u8], order: &[u8]) -> Result<(), Fault> {
        self.above()?.entries.insert((part.into(), order.into()), None);
        Ok(())
    }

    async fn range(&self, part: &[u8], range: Range<&[u8]>, newest: bool, limit: usize) -> Result<Page, Fault> {
        let in_range = |order: &[u8]| order >= range.start && (range.end.is_empty() || order < range.end);
        let (ours, trimmed) = {
            let above = self.above()?;
            let ours: BTreeMap<Bytes, Option<Bytes>> = above
                .entries
                .range((Key::from(part), Key::from(range.start))..)
                .take_while(|((of, _), _)| **of == *part)
                .filter(|((_, order), _)| in_range(order))
                .map(|((_, order), value)| (Bytes::copy_from_slice(order), value.clone()))
                .collect();
            (ours, above.trimmed.get(part).cloned().unwrap_or_default())
        };
        // Entries of the store below that are hidden must not starve the page.
        let start = range.start.max(&*trimmed);
        let mut page = self
            .below
            .range(part, start..range.end, newest, limit.saturating_add(ours.len()))
            .await?;
        page.entries.retain(|(order, _)| !ours.contains_key(order));
        page.entries
            .extend(ours.into_iter().filter_map(|(order, value)| Some((order, value?))));
        page.entries.sort_unstable();
        if newest {
            page.entries.reverse();
        }
        page.more |= page.entries.len() > limit;
        page.entries.truncate(limit);
        Ok(page)
    }

    async fn trim(&self, part: &[u8], before: &[u8]) -> Result<u64, Fault> {
        let gone = self
            .range(part, &[]..before, false, Store::PAGE_MAX)
            .await?
            .entries
            .len();
        let mut above = self.above()?;
        above
            .entries
            .retain(|(of, order), _| **of != *part || **order >= *before);
        let trimmed = above.trimmed.entry(part.into()).or_default();
        if **trimmed < *before {
            *trimmed = before.into();
        }
        Ok(gone as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    /// An overlay over an overlay over nothing: the lower one is a store like any other.
    fn two() -> (Store, Store) {
        let below = Store::new(Arc::new(Overlay::new(Store::new(Arc::new(Empty)))));
        (below.clone(), Store::new(Arc::new(Overlay::new(below))))
    }

    struct Empty;

    #[async_trait]
    impl Backend for Empty {
        async fn get(&self, _: &[u8], _: Time) -> Result<Option<Bytes>, Fault> {
            Ok(None)
        }
        async fn put(&self, _: &[u8], _: &[u8], _: Option<Time>) -> Result<(), Fault> {
            panic!("a write went through")
        }
        async fn swap(
            &self,
            _: &[u8],
            _: Option<&[u8]>,
            _: Option<&[u8]>,
            _: Option<Time>,
            _: Time,
        ) -> Result<Swap, Fault> {
            panic!("a write went through")
        }
        async fn add(&self, _: &[u8], _: i64, _: Time, _: Time) -> Result<i64, Fault> {
            panic!("a write went through")
        }
        async fn insert(&self, _: &[u8], _: &[u8], _: &[u8]) -> Result<(), Fault> {
            panic!("a write went through")
        }
        async fn remove(&self, _: &[u8], _: &[u8]) -> Result<(), Fault> {
            panic!("a write went through")
        }
        async fn range(&self, _: &[u8], _: Range<&[u8]>, _: bool, _: usize) -> Result<Page, Fault> {
            Ok(Page::default())
        }
        async fn trim(&self, _: &[u8], _: &[u8]) -> Result<u64, Fault> {
            panic!("a write went through")
        }
    }

    const NOW: Time = Time::from_secs(10);

    #[tokio::test]
    async fn reads_go_through_and_writes_stay() {
        let (below, above) = two();
        below.put(b"k", b"old", None).await.unwrap();
        assert_eq!(above.get(b"k", NOW).await.unwrap().as_deref(), Some(&b"old"[..]));
        assert_eq!(
            above.swap(b"k", Some(b"old"), Some(b"new"), None, NOW).await.unwrap(),
            Swap::Done
        );
        assert_eq!(
            above.swap(b"k", Some(b"old"), None, None, NOW).await.unwrap(),
            Swap::Was(Some("new".into()))
        );
        assert_eq!(above.get(b"k", NOW).await.unwrap().as_deref(), Some(&b"new"[..]));
        assert_eq!(below.get(b"k", NOW).await.unwrap().as_deref(), Some(&b"old"[..]));
        assert_eq!(
            above.swap(b"k", Some(b"new"), None, None, NOW).await.unwrap(),
            Swap::Done
        );
        assert_eq!(
            above.get(b"k", NOW).await.unwrap(),
            None,
            "deleted above, whatever is below"
        );
    }

    #[tokio::test]
    async fn what_has_expired_above_is_gone() {
        let (_, above) = two();
        above.put(b"k", b"v", Some(NOW)).await.unwrap();
        assert_eq!(above.get(b"k", NOW).await.unwrap(), None);
        let until = Time::from_secs(20);
        assert_eq!(above.add(b"c", 2, until, NOW).await.unwrap(), 2);
        assert_eq!(above.add(b"c", 2, until, NOW).await.unwrap(), 4);
        assert_eq!(above.add(b"c", 1, Time::from_secs(40), until).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_range_is_both_stores_together() {
        let (below, above) = two();
        for order in [b"1", b"3", b"5"] {
            below.insert(b"p", order, b"below").await.unwrap();
        }
        above.insert(b"p", b"2", b"above").await.unwrap();
        above.insert(b"p", b"3", b"above").await.unwrap();
        above.remove(b"p", b"1").await.unwrap();
        let orders = async |store: &Store, newest, limit| {
            let page = store.range(b"p", b""..b"", newest, limit).await.unwrap();
            (
                page.entries
                    .iter()
                    .map(|(order, _)| order.as_ref()[0] as char)
                    .collect::<String>(),
                page.more,
            )
        };
        assert_eq!(orders(&above, false, 9).await, ("235".into(), false));
        assert_eq!(orders(&above, true, 2).await, ("53".into(), true));
        assert_eq!(orders(&below, false, 9).await, ("135".into(), false));
        assert_eq!(above.trim(b"p", b"3").await.unwrap(), 1);
        assert_eq!(orders(&above, false, 9).await, ("35".into(), false));
    }
}
