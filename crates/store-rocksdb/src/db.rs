//! The database as reads and writes use it: where they stand, where they go when they would have to wait, and what is done
//! when the disk was full.
//!
//! **Invariants:** on a thread of the runtime nothing waits for the disk. A read is answered from memory, and a write goes
//! to the log's page in memory; or it is done again on a thread that may block: a read because its block is on disk, a
//! write because RocksDB holds writers back while it catches up, either because the database is just being opened anew.
//!
//! After a failed write RocksDB takes no more until it is opened anew. So it is, at the next write for which there is room
//! on the disk; until then reads are answered as ever.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};
use std::time::Duration;

use gatepost_core::{Clock, Fault, Time};
use rocksdb::{ColumnFamily, DB, Error, ErrorKind, ReadOptions, ReadTier, WriteBatch, WriteOptions};

use crate::RocksDb;
use crate::open::{self, Settings};
use crate::stripes::Stripes;

/// Keys with values, counters among them.
pub const KEYS: &str = "keys";
/// Entries of ordered partitions.
pub const ORDERED: &str = "ordered";
/// How soon again the database may be opened anew.
const PAUSE: Duration = Duration::from_secs(1);

/// What an open store is made of.
pub struct Inner {
    /// Nothing only while, or because, it could not be opened anew.
    db: RwLock<Option<DB>>,
    stripes: Stripes,
    path: PathBuf,
    settings: Settings,
    clock: Arc<dyn Clock>,
    /// When it was last tried to open it anew.
    tried: Mutex<Option<Time>>,
}

/// What RocksDB's trouble is to others.
pub fn broken(error: &Error) -> Fault {
    match error.kind() {
        ErrorKind::IOError => Fault::Unavailable("the store's disk"),
        ErrorKind::Busy | ErrorKind::TryAgain | ErrorKind::TimedOut | ErrorKind::Aborted | ErrorKind::Incomplete => {
            Fault::Unavailable("the store")
        }
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
    fn reading(self) -> ReadOptions {
        let mut options = ReadOptions::default();
        options.set_read_tier(match self {
            Stand::Here => ReadTier::BlockCache,
            Stand::Aside => ReadTier::All,
        });
        options
    }

    fn writing(self) -> WriteOptions {
        let mut options = WriteOptions::default();
        options.set_no_slowdown(self == Stand::Here);
        options
    }
}

/// What shall be at a key.
pub enum Change {
    Put(Vec<u8>),
    Delete,
}

/// Is told what is at a key, and says what to tell and what shall be there.
type Changing<T> = dyn Fn(Option<Vec<u8>>) -> Result<(T, Option<Change>), Fault> + Send + Sync;

/// Why something was not done.
enum Undone {
    /// Not here: it would have to wait.
    Waits,
    /// Because of this.
    By(Fault),
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
    /// Around an open database.
    pub fn new(db: DB, path: PathBuf, settings: Settings, clock: Arc<dyn Clock>) -> Inner {
        Inner {
            db: RwLock::new(Some(db)),
            stripes: Stripes::new(),
            path,
            settings,
            clock,
            tried: Mutex::new(None),
        }
    }

    /// Works with the database.
    fn with<T>(&self, stand: Stand, work: impl FnOnce(&DB) -> Result<T, Error>) -> Result<T, Undone> {
        let db = match stand {
            Stand::Here => match self.db.try_read() {
                Ok(db) => db,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return Err(Undone::Waits),
            },
            Stand::Aside => self.db.read().unwrap_or_else(PoisonError::into_inner),
        };
        let Some(db) = db.as_ref() else {
            return Err(match stand {
                Stand::Here => Undone::Waits,
                Stand::Aside => Undone::By(Fault::Unavailable("the store, which could not be opened anew")),
            });
        };
        work(db).map_err(|error| match (stand, error.kind()) {
            // A failed write is done again where the database may be opened anew.
            (Stand::Here, ErrorKind::Incomplete | ErrorKind::IOError) => Undone::Waits,
            _ => Undone::By(broken(&error)),
        })
    }

    /// Works with the database on a thread that may block.
    pub fn aside<T>(&self, work: impl Fn(&DB) -> Result<T, Error>) -> Result<T, Fault> {
        match self.with(Stand::Aside, &work) {
            Ok(done) => Ok(done),
            Err(Undone::By(Fault::Unavailable(_))) if self.heal() => {
                self.with(Stand::Aside, &work).map_err(|undone| match undone {
                    Undone::By(fault) => fault,
                    Undone::Waits => Fault::Unavailable("the store"),
                })
            }
            Err(Undone::By(fault)) => Err(fault),
            Err(Undone::Waits) => Err(Fault::Unavailable("the store")),
        }
    }

    /// Opens the database anew, if there is room for what it will write. Tells whether it did.
    fn heal(&self) -> bool {
        let now = self.clock.now();
        let Ok(mut tried) = self.tried.try_lock() else {
            return false;
        };
        // A clock that went back does not keep it waiting.
        if tried.is_some_and(|tried| tried <= now && now.since(tried) < PAUSE) {
            return false;
        }
        *tried = Some(now);
        let path = self.path.display();
        if let Err(error) = open::room(&self.path, 2 * self.settings.write_buffer) {
            tracing::error!(%path, %error, "the store's disk takes no writes; reads are answered, and it is tried again");
            return false;
        }
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: it has the lock of its directory.
        *db = None;
        match open::database(&self.path, self.settings, Arc::clone(&self.clock)) {
            Ok(anew) => {
                *db = Some(anew);
                tracing::warn!(%path, "a write to the store had failed; it is opened anew and goes on");
                true
            }
            Err(error) => {
                tracing::error!(%error, "the store had failed and cannot be opened anew; it is tried again");
                false
            }
        }
    }

    /// Does something to a key under its stripe's lock; `None` if that would have to wait.
    fn under_lock<T>(
        &self,
        key: &[u8],
        stand: Stand,
        work: impl Fn(Stand) -> Result<T, Undone>,
    ) -> Option<Result<T, Fault>> {
        let _lock = match stand {
            // Whoever holds it may be waiting for the disk.
            Stand::Here => self.stripes.try_lock(key)?,
            Stand::Aside => self.stripes.lock(key),
        };
        match work(stand) {
            Ok(done) => Some(Ok(done)),
            Err(Undone::Waits) => None,
            Err(Undone::By(Fault::Unavailable(_))) if stand == Stand::Aside && self.heal() => match work(stand) {
                Ok(done) => Some(Ok(done)),
                Err(Undone::By(fault)) => Some(Err(fault)),
                Err(Undone::Waits) => None,
            },
            Err(Undone::By(fault)) => Some(Err(fault)),
        }
    }

    /// Puts an entry, whatever was there.
    fn put(&self, key: &[u8], entry: &[u8], stand: Stand) -> Option<Result<(), Fault>> {
        self.under_lock(key, stand, |stand| {
            self.with(stand, |db| {
                db.put_cf_opt(family(db, KEYS), key, entry, &stand.writing())
            })
        })
    }

    fn change<T>(&self, key: &[u8], stand: Stand, change: &Changing<T>) -> Option<Result<T, Fault>> {
        self.under_lock(key, stand, |stand| {
            let found = self.with(stand, |db| db.get_cf_opt(family(db, KEYS), key, &stand.reading()))?;
            let (told, change) = change(found).map_err(Undone::By)?;
            self.with(stand, |db| match change {
                Some(Change::Put(value)) => db.put_cf_opt(family(db, KEYS), key, value, &stand.writing()),
                Some(Change::Delete) => db.delete_cf_opt(family(db, KEYS), key, &stand.writing()),
                None => Ok(()),
            })?;
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

    /// Reads, here if that need not wait.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        read: impl Fn(&DB, ReadOptions) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Fault> {
        match self.inner.with(Stand::Here, |db| read(db, Stand::Here.reading())) {
            Ok(found) => Ok(found),
            Err(Undone::Waits) => {
                self.aside(move |inner| inner.aside(|db| read(db, Stand::Aside.reading())))
                    .await
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
        match self.inner.with(Stand::Here, |db| write(db, &fill, Stand::Here)) {
            Ok(()) => Ok(()),
            Err(Undone::Waits) => {
                self.aside(move |inner| inner.aside(|db| write(db, &fill, Stand::Aside)))
                    .await
            }
            Err(Undone::By(fault)) => Err(fault),
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
