//! Opening the store, and why that may not be possible.

use std::fmt;
use std::io::{ErrorKind as IoKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost_core::Clock;
use rocksdb::{BlockBasedOptions, Cache, ColumnFamilyDescriptor, DB, DBCompressionType, Error, ErrorKind, Options};

use crate::db::{Inner, KEYS, ORDERED};
use crate::{RocksDb, entry};

/// Where the form of this store is written.
const FORM: &[u8] = b"form";
/// The form that this crate writes; it reads this and earlier ones.
pub const FORM_VERSION: u8 = 1;

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
            OpenError::Directory(path, why) => write!(
                f,
                "{}: the store's directory cannot be used: {why}; it must belong to the user that gatepost runs as, \
                 on a disk that has room",
                path.display()
            ),
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
            cache: 32 << 20,
            write_buffer: 4 << 20,
        }
    }
}

fn options(settings: Settings, cache: &Cache) -> Options {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(cache);
    blocks.set_bloom_filter(10.0, false);
    blocks.set_cache_index_and_filter_blocks(true);
    // A file that was just written is asked for every key: its index and filter shall not have to be read first.
    blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
    let mut options = Options::default();
    options.set_block_based_table_factory(&blocks);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(settings.write_buffer);
    // What nobody touches is looked at once a day, so that what has expired goes.
    options.set_periodic_compaction_seconds(24 * 3600);
    options
}

/// Whether a directory takes a file of so many octets, found out by writing one: RocksDB would name the first file that it
/// failed at, and after a failed write it takes no more.
pub fn room(path: &Path, octets: usize) -> std::io::Result<()> {
    let probe = path.join(".room");
    let written = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .open(&probe)
        .and_then(|mut file| {
            file.write_all(&vec![b'?'; octets])?;
            file.sync_data()
        });
    match std::fs::remove_file(&probe) {
        // Two who open at the same time made it together.
        Err(error) if error.kind() != IoKind::NotFound => written.and(Err(error)),
        _ => written,
    }
}

/// Opens the database in a directory.
pub fn database(path: &Path, settings: Settings, clock: Arc<dyn Clock>) -> Result<DB, OpenError> {
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
    Ok(db)
}

impl RocksDb {
    /// Opens the store in a directory, and makes it when it is not there. By `clock` compactions judge what has expired.
    pub fn open(path: &Path, settings: Settings, clock: Arc<dyn Clock>) -> Result<RocksDb, OpenError> {
        std::fs::create_dir_all(path).map_err(|error| OpenError::Directory(path.into(), error.to_string()))?;
        room(path, 1).map_err(|error| OpenError::Directory(path.into(), error.to_string()))?;
        let db = database(path, settings, Arc::clone(&clock))?;
        Ok(RocksDb {
            inner: Arc::new(Inner::new(db, path.into(), settings, clock)),
        })
    }
}
