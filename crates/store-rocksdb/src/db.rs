//! The database as reads and writes use it: where they stand, and where they go when they would have to wait.
//!
//! **Invariant:** on a thread of the runtime nothing waits for the disk, and nothing takes long. A read is answered from
//! memory, and a write goes to the log's page in memory; or it is done again on a thread that may block: a read because its
//! block is on disk or it asks for much, a write because RocksDB holds writers back while it catches up, either because the
//! database is just being opened anew.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};

use gatepost_core::{Clock, Fault, Time};
use rocksdb::{ColumnFamily, DB, Error, ErrorKind, ReadOptions, ReadTier, WriteBatch, WriteOptions};

use crate::RocksDb;
use crate::lock::Lock;
use crate::note::Note;
use crate::stripes::Stripes;
use crate::tuning::Settings;

/// Keys with values, counters among them.
pub const KEYS: &str = "keys";
/// Entries of ordered partitions.
pub const ORDERED: &str = "ordered";
/// So many removed entries are stepped over where a read must not take long.
const SKIPPED: u64 = 1_000;

/// What an open store is made of.
pub struct Inner {
    /// Nothing only while, or because, it could not be opened anew.
    pub(crate) db: RwLock<Option<DB>>,
    /// Held by what works long on the whole of the database, which then is not opened anew.
    pub(crate) upkeep: RwLock<()>,
    /// When it was last tried to open it anew.
    pub(crate) tried: Mutex<Option<Time>>,
    pub(crate) path: PathBuf,
    pub(crate) settings: Settings,
    pub(crate) clock: Arc<dyn Clock>,
    stripes: Stripes,
    note: Note,
    /// Something was written that may not be on the disk itself.
    written: AtomicBool,
    _lock: Lock,
}

/// What RocksDB's trouble is to others.
fn fault(error: &Error) -> Fault {
    match error.kind() {
        ErrorKind::IOError => Fault::Unavailable("the store's disk"),
        ErrorKind::Busy | ErrorKind::TryAgain | ErrorKind::TimedOut | ErrorKind::Aborted | ErrorKind::Incomplete => {
            Fault::Unavailable("the store")
        }
        ErrorKind::Corruption => Fault::Broken(format!(
            "store: {error}: see `gatepost store check`, and restore a backup"
        )),
        _ => Fault::Broken(format!("store: {error}")),
    }
}

/// Where something is done: here, if it need not wait, or on a thread that may block.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stand {
    /// On this thread, which must not wait.
    Here,
    /// On one that may.
    Aside,
}

impl Stand {
    /// How to read here or there.
    pub fn reading(self) -> ReadOptions {
        let mut options = ReadOptions::default();
        if self == Stand::Here {
            options.set_read_tier(ReadTier::BlockCache);
            options.set_max_skippable_internal_keys(SKIPPED);
        }
        options
    }

    fn writing(self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_no_slowdown(self == Stand::Here);
        options
    }
}

/// What is done with the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    Read,
    Write,
}

/// What shall be at a key.
pub enum Change {
    Put(Vec<u8>),
    Delete,
}

/// One of several writes, as it goes into the database.
pub enum Prepared {
    /// A key and its entry.
    Key(Vec<u8>, Vec<u8>),
    /// A place in a partition and its value.
    Place(Vec<u8>, Vec<u8>),
}

/// Is told what is at a key, and says what to tell and what shall be there.
type Changing<T> = dyn Fn(Option<Vec<u8>>) -> Result<(T, Option<Change>), Fault> + Send + Sync;

/// Why something was not done.
#[derive(Debug)]
pub enum Undone {
    /// Not here: it would have to wait.
    Waits,
    /// The database could not be opened anew.
    Closed,
    /// Because of this.
    By(Fault),
}

impl Undone {
    fn fault(self) -> Fault {
        match self {
            Undone::By(fault) => fault,
            Undone::Waits => Fault::Unavailable("the store"),
            Undone::Closed => Fault::Unavailable("the store, which could not be opened anew"),
        }
    }
}

/// A column family.
pub fn family<'a>(db: &'a DB, name: &str) -> &'a ColumnFamily {
    match db.cf_handle(name) {
        Some(family) => family,
        // Both were named when it was opened, and none is ever dropped.
        None => unreachable!("the column family `{name}` was opened"),
    }
}

impl Inner {
    /// Around an open database, whose folder's lock is kept as long.
    pub fn new(db: DB, lock: Lock, path: PathBuf, settings: Settings, clock: Arc<dyn Clock>) -> Inner {
        Inner {
            db: RwLock::new(Some(db)),
            upkeep: RwLock::new(()),
            tried: Mutex::new(None),
            path,
            settings,
            clock,
            stripes: Stripes::new(),
            note: Note::default(),
            written: AtomicBool::new(false),
            _lock: lock,
        }
    }

    /// Works with the database.
    fn with<T>(&self, stand: Stand, kind: Work, work: impl FnOnce(&DB) -> Result<T, Error>) -> Result<T, Undone> {
        let db = match stand {
            Stand::Here => match self.db.try_read() {
                Ok(db) => db,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Err(Undone::Waits),
            },
            Stand::Aside => self.db.read().unwrap_or_else(PoisonError::into_inner),
        };
        let done = match (db.as_ref(), stand) {
            (Some(db), _) => work(db),
            (None, Stand::Here) => return Err(Undone::Waits),
            (None, Stand::Aside) => return Err(Undone::Closed),
        };
        if kind == Work::Write {
            self.written.store(true, Ordering::Release);
        }
        done.map_err(|error| match (stand, error.kind()) {
            // What failed for the disk is done again where the database may be opened anew.
            (Stand::Here, ErrorKind::Incomplete | ErrorKind::IOError) => Undone::Waits,
            _ => Undone::By(fault(&error)),
        })
    }

    /// Does something, and once more if the database had failed and could be opened anew. A read that fails is no reason
    /// to do that.
    fn twice<T>(&self, kind: Work, work: impl Fn() -> Result<T, Undone>) -> Result<T, Fault> {
        let done = work();
        let failed = match &done {
            Err(Undone::Closed) => true,
            Err(Undone::By(Fault::Unavailable(_))) => kind == Work::Write,
            _ => false,
        };
        let done = if failed && self.heal() { work() } else { done };
        done.map_err(Undone::fault)
    }

    /// Works with the database on a thread that may block.
    pub fn aside<T>(&self, kind: Work, work: impl Fn(&DB) -> Result<T, Error>) -> Result<T, Fault> {
        self.twice(kind, || self.with(Stand::Aside, kind, &work))
    }

    /// Works long, and with all of it; blocks.
    pub fn at_length<T>(&self, work: impl FnOnce(&DB) -> Result<T, Error>) -> Result<T, Fault> {
        let _upkeep = self.upkeep.read().unwrap_or_else(PoisonError::into_inner);
        self.with(Stand::Aside, Work::Read, work).map_err(Undone::fault)
    }

    /// Sees to it that what was written so far is on the disk itself; blocks.
    pub fn sync(&self) {
        let noted = self.with(Stand::Aside, Work::Read, |_| Ok(self.note.take(&self.path)));
        if let Ok(Err(error)) = noted {
            tracing::debug!(path = %self.path.display(), %error, "no note of the store");
        }
        if !self.written.swap(false, Ordering::AcqRel) {
            return;
        }
        if let Err(undone) = self.with(Stand::Aside, Work::Read, |db| db.flush_wal(true)) {
            let (path, fault) = (self.path.display(), undone.fault());
            tracing::error!(%path, %fault, "what was written to the store may not survive a power cut");
            // What it reads from its log as it opens is written to files, and these are synced.
            self.heal();
        }
    }

    /// Does something to a key under its stripe's lock; `None` if that would have to wait.
    fn under_lock<T>(
        &self,
        key: &[u8],
        stand: Stand,
        work: impl Fn() -> Result<T, Undone>,
    ) -> Option<Result<T, Fault>> {
        if stand == Stand::Aside {
            let _lock = self.stripes.lock(key);
            return Some(self.twice(Work::Write, work));
        }
        // Whoever holds it may be waiting for the disk.
        let _lock = self.stripes.try_lock(key)?;
        match work() {
            Err(Undone::Waits | Undone::Closed) => None,
            done => Some(done.map_err(Undone::fault)),
        }
    }

    /// Puts an entry, whatever was there.
    fn put(&self, key: &[u8], entry: &[u8], stand: Stand) -> Option<Result<(), Fault>> {
        self.under_lock(key, stand, || {
            self.with(stand, Work::Write, |db| {
                db.put_cf_opt(family(db, KEYS), key, entry, &stand.writing())
            })
        })
    }

    /// Does several writes at once; `None` if they would have to wait.
    fn write_all(&self, writes: &[Prepared], stand: Stand) -> Option<Result<(), Fault>> {
        let keys = writes.iter().filter_map(|write| match write {
            Prepared::Key(key, _) => Some(&**key),
            Prepared::Place(..) => None,
        });
        let work = || {
            self.with(stand, Work::Write, |db| {
                let mut batch = WriteBatch::default();
                for write in writes {
                    match write {
                        Prepared::Key(key, entry) => batch.put_cf(family(db, KEYS), key, entry),
                        Prepared::Place(place, value) => batch.put_cf(family(db, ORDERED), place, value),
                    }
                }
                db.write_opt(batch, &stand.writing())
            })
        };
        if stand == Stand::Aside {
            let _locks = self.stripes.lock_all(keys);
            return Some(self.twice(Work::Write, work));
        }
        let _locks = self.stripes.try_lock_all(keys)?;
        match work() {
            Err(Undone::Waits | Undone::Closed) => None,
            done => Some(done.map_err(Undone::fault)),
        }
    }

    fn change<T>(&self, key: &[u8], stand: Stand, change: &Changing<T>) -> Option<Result<T, Fault>> {
        self.under_lock(key, stand, || {
            let found = self.with(stand, Work::Read, |db| {
                db.get_cf_opt(family(db, KEYS), key, &stand.reading())
            })?;
            let (told, change) = change(found).map_err(Undone::By)?;
            if let Some(change) = change {
                self.with(stand, Work::Write, |db| match change {
                    Change::Put(value) => db.put_cf_opt(family(db, KEYS), key, value, &stand.writing()),
                    Change::Delete => db.delete_cf_opt(family(db, KEYS), key, &stand.writing()),
                })?;
            }
            Ok(told)
        })
    }
}

impl RocksDb {
    /// Does something on a thread that may block.
    pub(crate) async fn aside<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || work(&inner)).await;
        done.map_err(|error| Fault::Broken(format!("store: {error}")))?
    }

    /// Reads, here if that need not wait. Where it must not take long, `read` may answer `None`, and is asked again where
    /// it may.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&DB, Stand) -> Result<Option<T>, Error> + Send + 'static,
    ) -> Result<T, Fault> {
        match self.inner.with(Stand::Here, Work::Read, |db| read(db, Stand::Here)) {
            Ok(Some(found)) => Ok(found),
            Ok(None) | Err(Undone::Waits | Undone::Closed) => {
                let found = self.aside(move |inner| inner.aside(Work::Read, |db| read(db, Stand::Aside)));
                found.await?.ok_or(Fault::Unavailable("the store"))
            }
            Err(Undone::By(fault)) => Err(fault),
        }
    }

    /// Writes what depends on nothing, here if that need not wait.
    pub(crate) async fn write(&self, fill: impl Fn(&DB, &mut WriteBatch) + Send + 'static) -> Result<(), Fault> {
        fn write(db: &DB, fill: &dyn Fn(&DB, &mut WriteBatch), stand: Stand) -> Result<(), Error> {
            let mut batch = WriteBatch::default();
            fill(db, &mut batch);
            db.write_opt(batch, &stand.writing())
        }
        match self
            .inner
            .with(Stand::Here, Work::Write, |db| write(db, &fill, Stand::Here))
        {
            Err(Undone::Waits | Undone::Closed) => {
                let written = move |inner: &Inner| inner.aside(Work::Write, |db| write(db, &fill, Stand::Aside));
                self.aside(written).await
            }
            done => done.map_err(Undone::fault),
        }
    }

    /// Puts an entry, here if that need not wait.
    pub(crate) async fn put_entry(&self, key: &[u8], entry: Vec<u8>) -> Result<(), Fault> {
        if let Some(done) = self.inner.put(key, &entry, Stand::Here) {
            return done;
        }
        let key = key.to_vec();
        self.aside(move |inner| {
            let done = inner.put(&key, &entry, Stand::Aside);
            done.unwrap_or(Err(Fault::Unavailable("the store")))
        })
        .await
    }

    /// Does several writes at once, here if that need not wait.
    pub(crate) async fn write_all(&self, writes: Vec<Prepared>) -> Result<(), Fault> {
        if let Some(done) = self.inner.write_all(&writes, Stand::Here) {
            return done;
        }
        self.aside(move |inner| {
            let done = inner.write_all(&writes, Stand::Aside);
            done.unwrap_or(Err(Fault::Unavailable("the store")))
        })
        .await
    }

    /// Changes a key, here if that need not wait. `change` is told what is there and says what shall be; it may be asked
    /// more than once.
    pub(crate) async fn change<T: Send + 'static>(
        &self,
        key: &[u8],
        change: impl Fn(Option<Vec<u8>>) -> Result<(T, Option<Change>), Fault> + Send + Sync + 'static,
    ) -> Result<T, Fault> {
        if let Some(done) = self.inner.change(key, Stand::Here, &change) {
            return done;
        }
        let key = key.to_vec();
        self.aside(move |inner| {
            let done = inner.change(&key, Stand::Aside, &change);
            done.unwrap_or(Err(Fault::Unavailable("the store")))
        })
        .await
    }
}

#[cfg(test)]
mod tests;
