//! What is remembered: keys, counters, and ordered partitions.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gatepost_smtp::Time;

use crate::fault::Fault;

/// How a [`Backend::swap`] went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Swap {
    /// It was as expected and is now as wished.
    Done,
    /// It was something else, which is told and left alone.
    Was(Option<Bytes>),
}

/// A piece of a partition.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Page {
    /// Order and value of each entry.
    pub entries: Vec<(Bytes, Bytes)>,
    /// There are more in the range.
    pub more: bool,
}

/// One of several writes that are done together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Write {
    /// [`Backend::put`].
    Put {
        /// The key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// When it goes.
        until: Option<Time>,
    },
    /// [`Backend::insert`].
    Insert {
        /// The partition.
        part: Vec<u8>,
        /// The entry's place in it.
        order: Vec<u8>,
        /// The entry.
        value: Vec<u8>,
    },
}

/// A store, as a crate behind this trait implements it. It offers only what an embedded store and a shared one both do
/// atomically.
///
/// Laws (`testkit::laws::store`): an entry whose `until` has come is not there, on every read, whatever is on disk;
/// `swap` and `add` are atomic; an entry of the ordered part has no expiry and is trimmed; the two parts do not mix.
/// Keys and values are at most [`KEY_MAX`](Store::KEY_MAX) and [`VALUE_MAX`](Store::VALUE_MAX) octets, which the store
/// in front of it checks.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The value of a key.
    async fn get(&self, key: &[u8], now: Time) -> Result<Option<Bytes>, Fault>;
    /// Sets a key; `until` is when it goes, `None` never.
    async fn put(&self, key: &[u8], value: &[u8], until: Option<Time>) -> Result<(), Fault>;
    /// Sets a key to `new` (`None` deletes) if it was `was` (`None`: absent).
    async fn swap(
        &self,
        key: &[u8],
        was: Option<&[u8]>,
        new: Option<&[u8]>,
        until: Option<Time>,
        now: Time,
    ) -> Result<Swap, Fault>;
    /// Adds to a counter and tells the new total. A counter that is not there, or whose time has come, begins at zero and
    /// lives until `until`; a living one keeps its own expiry.
    async fn add(&self, key: &[u8], by: i64, until: Time, now: Time) -> Result<i64, Fault>;
    /// Inserts or replaces an entry of a partition.
    async fn insert(&self, part: &[u8], order: &[u8], value: &[u8]) -> Result<(), Fault>;
    /// Removes an entry of a partition.
    async fn remove(&self, part: &[u8], order: &[u8]) -> Result<(), Fault>;
    /// At most `limit` entries of a partition whose order lies in the range, ascending, or descending when `newest`.
    /// An empty upper end stands for "to the last".
    async fn range(&self, part: &[u8], range: Range<&[u8]>, newest: bool, limit: usize) -> Result<Page, Fault>;
    /// Removes all entries of a partition whose order is below `before`, and tells how many.
    async fn trim(&self, part: &[u8], before: &[u8]) -> Result<u64, Fault>;
    /// Does several writes, in this order where one would see another. It may be much cheaper than one after the other,
    /// and promises no more: after a fault, or a crash, none may be done, all, or some of the first.
    async fn write(&self, writes: Vec<Write>) -> Result<(), Fault> {
        for write in writes {
            match write {
                Write::Put { key, value, until } => self.put(&key, &value, until).await?,
                Write::Insert { part, order, value } => self.insert(&part, &order, &value).await?,
            }
        }
        Ok(())
    }
}

/// A store as filters and services hold it: a [`Backend`] narrowed to keys below a prefix, with bounded keys and values.
#[derive(Clone)]
pub struct Store {
    backend: Arc<dyn Backend>,
    prefix: Arc<[u8]>,
}

impl Store {
    /// The most octets of a key or of partition and order together, prefix not counted.
    pub const KEY_MAX: usize = 1_024;
    /// The most octets of a value.
    pub const VALUE_MAX: usize = 1 << 20;
    /// The most entries that one [`range`](Store::range) returns.
    pub const PAGE_MAX: usize = 10_000;

    /// The whole of a backend.
    pub fn new(backend: Arc<dyn Backend>) -> Store {
        Store {
            backend,
            prefix: Arc::from([]),
        }
    }

    /// The part of it whose keys begin with `name` and a zero octet.
    #[must_use]
    pub fn within(&self, name: &str) -> Store {
        let mut prefix = self.prefix.to_vec();
        prefix.extend_from_slice(name.as_bytes());
        prefix.push(0);
        Store {
            backend: Arc::clone(&self.backend),
            prefix: prefix.into(),
        }
    }

    fn key(&self, key: &[u8]) -> Result<Vec<u8>, Fault> {
        if key.len() > Store::KEY_MAX {
            return Err(Fault::Broken(format!(
                "a key of {} octets; at most {} are allowed, hash it",
                key.len(),
                Store::KEY_MAX
            )));
        }
        let mut whole = Vec::with_capacity(self.prefix.len() + key.len());
        whole.extend_from_slice(&self.prefix);
        whole.extend_from_slice(key);
        Ok(whole)
    }

    fn check(value: &[u8]) -> Result<(), Fault> {
        if value.len() > Store::VALUE_MAX {
            return Err(Fault::Broken(format!(
                "a value of {} octets; at most {} are allowed",
                value.len(),
                Store::VALUE_MAX
            )));
        }
        Ok(())
    }

    /// [`Backend::get`].
    pub async fn get(&self, key: &[u8], now: Time) -> Result<Option<Bytes>, Fault> {
        self.backend.get(&self.key(key)?, now).await
    }

    /// [`Backend::put`].
    pub async fn put(&self, key: &[u8], value: &[u8], until: Option<Time>) -> Result<(), Fault> {
        Store::check(value)?;
        self.backend.put(&self.key(key)?, value, until).await
    }

    /// [`Backend::swap`].
    pub async fn swap(
        &self,
        key: &[u8],
        was: Option<&[u8]>,
        new: Option<&[u8]>,
        until: Option<Time>,
        now: Time,
    ) -> Result<Swap, Fault> {
        Store::check(new.unwrap_or_default())?;
        self.backend.swap(&self.key(key)?, was, new, until, now).await
    }

    /// [`Backend::add`].
    pub async fn add(&self, key: &[u8], by: i64, until: Time, now: Time) -> Result<i64, Fault> {
        self.backend.add(&self.key(key)?, by, until, now).await
    }

    /// [`Backend::insert`].
    pub async fn insert(&self, part: &[u8], order: &[u8], value: &[u8]) -> Result<(), Fault> {
        Store::check(value)?;
        self.check_order(part, order)?;
        self.backend.insert(&self.key(part)?, order, value).await
    }

    /// [`Backend::remove`].
    pub async fn remove(&self, part: &[u8], order: &[u8]) -> Result<(), Fault> {
        self.check_order(part, order)?;
        self.backend.remove(&self.key(part)?, order).await
    }

    /// [`Backend::range`]; at most [`Store::PAGE_MAX`] entries.
    pub async fn range(&self, part: &[u8], range: Range<&[u8]>, newest: bool, limit: usize) -> Result<Page, Fault> {
        self.backend
            .range(&self.key(part)?, range, newest, limit.min(Store::PAGE_MAX))
            .await
    }

    /// [`Backend::trim`].
    pub async fn trim(&self, part: &[u8], before: &[u8]) -> Result<u64, Fault> {
        self.backend.trim(&self.key(part)?, before).await
    }

    /// [`Backend::write`].
    pub async fn write(&self, mut writes: Vec<Write>) -> Result<(), Fault> {
        for write in &mut writes {
            match write {
                Write::Put { key, value, .. } => {
                    Store::check(value)?;
                    *key = self.key(key)?;
                }
                Write::Insert { part, order, value } => {
                    Store::check(value)?;
                    self.check_order(part, order)?;
                    *part = self.key(part)?;
                }
            }
        }
        self.backend.write(writes).await
    }

    fn check_order(&self, part: &[u8], order: &[u8]) -> Result<(), Fault> {
        if part.len() + order.len() > Store::KEY_MAX {
            return Err(Fault::Broken(format!(
                "partition and order of {} octets; at most {} are allowed",
                part.len() + order.len(),
                Store::KEY_MAX
            )));
        }
        Ok(())
    }
}
