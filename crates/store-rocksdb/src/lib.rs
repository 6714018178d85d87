//! Gatepost's embedded store: [`Backend`] on RocksDB, which hides here.
//!
//! **Invariants:** an entry whose time has come is not there on any read, though it stays on disk until a compaction
//! drops it; what was written survives the end of the process (it is in the operating system's hands before the call
//! returns), and all of it up to some moment survives a power cut; a directory that cannot be opened is left as it is.
//!
//! A read is tried where it stands when the answer is in memory, and handed to a blocking thread when it needs the
//! disk; writes go to the log and memory, which is microseconds, and stand where they are.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod entry;
mod stripes;
mod upkeep;

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use gatepost_core::{Backend, Fault, Page, Swap, Time, async_trait};
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, Direction, Error, ErrorKind,
    IteratorMode, Options, ReadOptions, ReadTier, WriteBatch,
};

use crate::stripes::Stripes;

/// Keys with values, counters among them.
const KEYS: &str = "keys";
/// Entries of ordered partitions.
const ORDERED: &str = "ordered";
/// Where the form of this store is written.
const FORM: &[u8] = b"form";
/// The form that this crate writes; it reads this and earlier ones.
const FORM_VERSION: u8 = 1;

/// Why a store cannot be opened. Nothing was changed or deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it.
    Locked(PathBuf),
    /// It was written by a newer Gatepost.
    Newer(PathBuf, u8),
    /// Its files are damaged.
    Corrupt(PathBuf, String),
    /// The directory cannot be used.
    Directory(PathBuf, String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked(path) => write!(
                f,
                "{}: another process has this store open; is gatepost running?",
                path.display()
            ),
            OpenError::Newer(path, form) => write!(
                f,
                "{}: this store has form {form}, and this gatepost knows forms up to {FORM_VERSION}; run the newer one",
                path.display()
            ),
            OpenError::Corrupt(path, why) => {
                write!(
                    f,
                    "{}: this store is damaged ({why}); restore a backup, or move it away to begin anew",
                    path.display()
                )
            }
            OpenError::Directory(path, why) => {
                write!(f, "{}: the store's directory cannot be used: {why}", path.display())
            }
        }
    }
}

impl std::error::Error for OpenError {}

/// How much the store takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Octets of memory for blocks of files.
    pub cache: usize,
    /// Octets of memory for what was just written, at most, for each of the two parts.
    pub write_buffer: usize,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            cache: 8 << 20,
            write_buffer: 4 << 20,
        }
    }
}

/// The embedded store. One process at a time.
pub struct RocksDb {
    inner: Arc<Inner>,
}

struct Inner {
    db: DB,
    stripes: Stripes,
}

fn broken(error: &Error) -> Fault {
    match error.kind() {
        ErrorKind::IOError => Fault::Unavailable("the store's disk"),
        ErrorKind::Busy | ErrorKind::TryAgain | ErrorKind::TimedOut | ErrorKind::Aborted => {
            Fault::Unavailable("the store")
        }
        _ => Fault::Broken(format!("store: {error}")),
    }
}

fn options(settings: Settings, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_bloom_filter(10.0, false);
    blocks.set_cache_index_and_filter_blocks(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(settings.write_buffer);
    // What nobody touches is looked at once a day, so that what has expired goes.
    options.set_periodic_compaction_seconds(24 * 3600);
    options
}

impl RocksDb {
    /// Opens the store in a directory, and makes it when it is not there. `now` is what the compaction judges age by.
    pub fn open(path: &Path, settings: Settings, clock: Arc<dyn gatepost_core::Clock>) -> Result<RocksDb, OpenError> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|error| OpenError::Directory(path.into(), error.to_string()))?;
        }
        let cache = Cache::new_lru_cache(settings.cache);
        let mut whole = Options::default();
        whole.create_if_missing(true);
        whole.create_missing_column_families(true);
        whole.set_max_open_files(256);
        whole.set_keep_log_file_num(4);
        whole.set_max_total_wal_size(64 << 20);
        whole.set_max_background_jobs(2);
        let mut keys = options(settings, &cache);
        keys.set_compaction_filter("expiry", move |_, _, value: &[u8]| {
            if entry::is_over(value, clock.now()) {
                rocksdb::CompactionDecision::Remove
            } else {
                rocksdb::CompactionDecision::Keep
            }
        });
        let families = [
            ColumnFamilyDescriptor::new(KEYS, keys),
            ColumnFamilyDescriptor::new(ORDERED, options(settings, &cache)),
        ];
        let db = DB::open_cf_descriptors(&whole, path, families).map_err(|error| {
            let why = error.to_string();
            match error.kind() {
                ErrorKind::IOError if why.contains("lock") || why.contains("LOCK") => OpenError::Locked(path.into()),
                ErrorKind::Corruption => OpenError::Corrupt(path.into(), why),
                _ => OpenError::Directory(path.into(), why),
            }
        })?;
        let unreadable = |error: Error| OpenError::Corrupt(path.into(), error.to_string());
        match db.get(FORM).map_err(unreadable)?.as_deref() {
            None => db.put(FORM, [FORM_VERSION]).map_err(unreadable)?,
            Some([form]) if *form <= FORM_VERSION => {}
            Some([form]) => return Err(OpenError::Newer(path.into(), *form)),
            Some(other) => return Err(OpenError::Corrupt(path.into(), format!("its form is {other:?}"))),
        }
        Ok(RocksDb {
            inner: Arc::new(Inner {
                db,
                stripes: Stripes::new(),
            }),
        })
    }

    /// Reads on this thread if the answer is in memory, else on one that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&Inner, ReadTier) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Fault> {
        match read(&self.inner, ReadTier::BlockCache) {
            Ok(found) => Ok(found),
            Err(error) if error.kind() == ErrorKind::Incomplete => {
                let inner = Arc::clone(&self.inner);
                let found = tokio::task::spawn_blocking(move || read(&inner, ReadTier::All)).await;
                found
                    .map_err(|error| Fault::Broken(error.to_string()))?
                    .map_err(|error| broken(&error))
            }
            Err(error) => Err(broken(&error)),
        }
    }

    /// Changes a key under its stripe's lock: `change` is told what is there and says what shall be.
    async fn change<T: Send + 'static>(
        &self,
        key: &[u8],
        change: impl Fn(Option<Vec<u8>>) -> Result<(T, Option<Change>), Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let key = key.to_vec();
        // A counter that is in use is in memory; the first try holds the lock for microseconds only.
        match self.inner.change(&key, ReadTier::BlockCache, &change) {
            Some(done) => done,
            None => {
                let inner = Arc::clone(&self.inner);
                let blocking = move || inner.change(&key, ReadTier::All, &change);
                let done = tokio::task::spawn_blocking(blocking)
                    .await
                    .map_err(|error| Fault::Broken(error.to_string()))?;
                done.unwrap_or(Err(Fault::Unavailable("the store")))
            }
        }
    }
}

/// What shall be at a key.
enum Change {
    Put(Vec<u8>),
    Delete,
}

fn tier(tier: ReadTier) -> ReadOptions {
    let mut options = ReadOptions::default();
    options.set_read_tier(tier);
    options
}

impl Inner {
    fn family(&self, name: &str) -> &ColumnFamily {
        match self.db.cf_handle(name) {
            Some(family) => family,
            // Both were named when it was opened, and none is ever dropped.
            None => unreachable!("the column family `{name}` was opened"),
        }
    }

    /// `None` if the answer is not in memory.
    fn change<T>(
        &self,
        key: &[u8],
        from: ReadTier,
        change: impl Fn(Option<Vec<u8>>) -> Result<(T, Option<Change>), Fault>,
    ) -> Option<Result<T, Fault>> {
        let keys = self.family(KEYS);
        let _lock = self.stripes.lock(key);
        let found = match self.db.get_cf_opt(keys, key, &tier(from)) {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::Incomplete => return None,
            Err(error) => return Some(Err(broken(&error))),
        };
        Some(change(found).and_then(|(told, change)| {
            match change {
                Some(Change::Put(value)) => self.db.put_cf(keys, key, value),
                Some(Change::Delete) => self.db.delete_cf(keys, key),
                None => Ok(()),
            }
            .map(|()| told)
            .map_err(|error| broken(&error))
        }))
    }
}

/// Partition and order as one key: the partition's length comes first, so that partitions do not mix.
fn place(part: &[u8], order: &[u8]) -> Vec<u8> {
    let mut place = Vec::with_capacity(2 + part.len() + order.len());
    place.extend_from_slice(&(part.len() as u16).to_be_bytes());
    place.extend_from_slice(part);
    place.extend_from_slice(order);
    place
}

/// The first key behind a partition.
fn behind(part: &[u8]) -> Vec<u8> {
    let mut end = place(part, &[]);
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

#[async_trait]
impl Backend for RocksDb {
    async fn get(&self, key: &[u8], now: Time) -> Result<Option<Bytes>, Fault> {
        let key = key.to_vec();
        let found = self
            .read(move |inner, from| inner.db.get_cf_opt(inner.family(KEYS), &key, &tier(from)))
            .await?;
        found.map_or(Ok(None), |found| entry::read(found, now))
    }

    async fn put(&self, key: &[u8], value: &[u8], until: Option<Time>) -> Result<(), Fault> {
        let _lock = self.inner.stripes.lock(key);
        let entry = entry::write(value, until);
        self.inner
            .db
            .put_cf(self.inner.family(KEYS), key, entry)
            .map_err(|error| broken(&error))
    }

    async fn swap(
        &self,
        key: &[u8],
        was: Option<&[u8]>,
        new: Option<&[u8]>,
        until: Option<Time>,
        now: Time,
    ) -> Result<Swap, Fault> {
        let (was, new) = (was.map(<[u8]>::to_vec), new.map(|new| entry::write(new, until)));
        self.change(key, move |found| {
            let found = found.map_or(Ok(None), |found| entry::read(found, now))?;
            if found.as_deref() != was.as_deref() {
                return Ok((Swap::Was(found), None));
            }
            Ok((Swap::Done, Some(new.clone().map_or(Change::Delete, Change::Put))))
        })
        .await
    }

    async fn add(&self, key: &[u8], by: i64, until: Time, now: Time) -> Result<i64, Fault> {
        self.change(key, move |found| {
            let (total, until) = match found {
                Some(found) if !entry::is_over(&found, now) => {
                    let expiry = entry::until(&found)?;
                    (entry::count(&found)?.saturating_add(by), expiry)
                }
                _ => (by, Some(until)),
            };
            Ok((total, Some(Change::Put(entry::write(&total.to_be_bytes(), until)))))
        })
        .await
    }

    async fn insert(&self, part: &[u8], order: &[u8], value: &[u8]) -> Result<(), Fault> {
        let ordered = self.inner.family(ORDERED);
        self.inner
            .db
            .put_cf(ordered, place(part, order), value)
            .map_err(|error| broken(&error))
    }

    async fn remove(&self, part: &[u8], order: &[u8]) -> Result<(), Fault> {
        let ordered = self.inner.family(ORDERED);
        self.inner
            .db
            .delete_cf(ordered, place(part, order))
            .map_err(|error| broken(&error))
    }

    async fn range(&self, part: &[u8], range: Range<&[u8]>, newest: bool, limit: usize) -> Result<Page, Fault> {
        let from = place(part, range.start);
        let to = if range.end.is_empty() {
            behind(part)
        } else {
            place(part, range.end)
        };
        if from >= to {
            return Ok(Page::default());
        }
        let skip = 2 + part.len();
        self.read(move |inner, from_tier| {
            let mut bounds = tier(from_tier);
            bounds.set_iterate_lower_bound(from.clone());
            bounds.set_iterate_upper_bound(to.clone());
            let mode = if newest {
                IteratorMode::From(&to, Direction::Reverse)
            } else {
                IteratorMode::Start
            };
            let mut page = Page::default();
            for entry in inner.db.iterator_cf_opt(inner.family(ORDERED), bounds, mode) {
                let (key, value) = entry?;
                if page.entries.len() == limit {
                    page.more = true;
                    break;
                }
                let key = Bytes::from(key);
                page.entries
                    .push((key.slice(skip.min(key.len())..), Bytes::from(value)));
            }
            Ok(page)
        })
        .await
    }

    async fn trim(&self, part: &[u8], before: &[u8]) -> Result<u64, Fault> {
        let (from, to) = (place(part, &[]), place(part, before));
        let inner = Arc::clone(&self.inner);
        let trim = move || {
            let ordered = inner.family(ORDERED);
            let mut bounds = ReadOptions::default();
            bounds.set_iterate_lower_bound(from);
            bounds.set_iterate_upper_bound(to);
            let (mut batch, mut gone) = (WriteBatch::default(), 0);
            for entry in inner.db.iterator_cf_opt(ordered, bounds, IteratorMode::Start) {
                batch.delete_cf(ordered, entry?.0);
                gone += 1;
                if batch.len() == 10_000 {
                    inner.db.write(std::mem::take(&mut batch))?;
                }
            }
            inner.db.write(batch)?;
            Ok(gone)
        };
        let trimmed = tokio::task::spawn_blocking(trim)
            .await
            .map_err(|error| Fault::Broken(error.to_string()))?;
        trimmed.map_err(|error: Error| broken(&error))
    }
}
