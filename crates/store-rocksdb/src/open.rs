//! Opening the store, and why that may not be possible.
//!
//! **Invariant:** a store is looked at before it is opened for writing: what a newer Gatepost or another program wrote, and
//! what has lost the file that says what belongs to it, is refused as it is. RocksDB itself would make a new database in
//! such a folder, and remove the files that this does not know.

use std::fmt;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost_core::Clock;
use rocksdb::{DB, DEFAULT_COLUMN_FAMILY_NAME, Error, ErrorKind, IteratorMode, Options};

use crate::db::{Inner, KEYS, ORDERED};
use crate::lock::Lock;
use crate::tuning::{self, Settings};
use crate::{RocksDb, note, room, sync, wal};

/// Where the form of this store is written.
const FORM: &[u8] = b"form";
/// The form that this crate writes; it reads this and earlier ones.
const FORM_VERSION: u8 = 1;

/// Why a store cannot be opened. Nothing in it was changed or deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it: this one, if it says so.
    Locked(PathBuf, Option<u32>),
    /// It was written by a newer Gatepost, which shows in this.
    Newer(PathBuf, String),
    /// Its files are damaged.
    Corrupt(PathBuf, String),
    /// The directory cannot be used.
    Directory(PathBuf, String),
}

impl OpenError {
    /// A folder that the system denies.
    pub(crate) fn of_disk(folder: &Path, error: &io::Error) -> OpenError {
        OpenError::Directory(folder.into(), error.to_string())
    }

    /// What RocksDB says when it does not open.
    fn of_database(path: &Path, error: &Error) -> OpenError {
        let (path, why) = (path.to_owned(), error.to_string());
        let begins = |words: &str| why.starts_with(&format!("IO error: {words}"));
        match error.kind() {
            // Some tool of RocksDB's has it: one of ours would have been told already.
            ErrorKind::IOError if begins("lock hold by") || begins("While lock file") => OpenError::Locked(path, None),
            // The folder was written to just now: what is missing is one of the store's files.
            ErrorKind::IOError if why.contains("No such file or directory") => OpenError::Corrupt(path, why),
            ErrorKind::IOError => OpenError::Directory(path, why),
            ErrorKind::NotSupported => OpenError::Newer(path, why),
            _ => OpenError::Corrupt(path, why),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked(path, holder) => {
                write!(f, "{}: another process has this store open", path.display())?;
                holder.map_or(Ok(()), |number| write!(f, ", number {number}"))?;
                f.write_str("; is gatepost running?")
            }
            OpenError::Newer(path, what) => write!(
                f,
                "{}: this store is of a newer gatepost ({what}), and this one knows forms up to {FORM_VERSION}; run the \
                 newer one; nothing was changed",
                path.display()
            ),
            OpenError::Corrupt(path, why) => write!(
                f,
                "{}: this store is damaged ({why}); restore a backup, or move it away to begin anew; nothing was deleted",
                path.display()
            ),
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

/// Looks whether what is in a folder is a store that can be opened here, or nothing; changes nothing. Tells what its log is
/// damaged by, if it is.
pub fn look(path: &Path) -> Result<Option<String>, OpenError> {
    let wrong = |error: &Error| OpenError::of_database(path, error);
    let damaged = |why: &str| Err(OpenError::Corrupt(path.into(), why.into()));
    if !path.join("CURRENT").is_file() {
        // A process that was killed as it made the store leaves less than that.
        let files = std::fs::read_dir(path).map_err(|error| OpenError::of_disk(path, &error))?;
        let orphaned = files.flatten().any(|file| {
            let file = PathBuf::from(file.file_name());
            file.extension().is_some_and(|end| end == "sst" || end == "log")
        });
        return if orphaned {
            damaged("its file CURRENT is gone")
        } else {
            Ok(None)
        };
    }
    if let Some(why) = note::wrong(path) {
        return damaged(&why);
    }
    let known = [DEFAULT_COLUMN_FAMILY_NAME, KEYS, ORDERED];
    let families = DB::list_cf(&Options::default(), path).map_err(|error| wrong(&error))?;
    let strange: Vec<String> = families
        .into_iter()
        .filter(|name| !known.contains(&name.as_str()))
        .collect();
    // Only what says the form is read.
    let (db, log) = wal::look(path).map_err(|error| wrong(&error))?;
    match db.get(FORM).map_err(|error| wrong(&error))?.as_deref() {
        Some([form]) if *form > FORM_VERSION => Err(OpenError::Newer(path.into(), format!("form {form}"))),
        Some([_]) if strange.is_empty() => Ok(log),
        Some([_]) => Err(OpenError::Newer(
            path.into(),
            format!("it has parts named {}", strange.join(", ")),
        )),
        Some(other) => damaged(&format!("its form is {}", other.escape_ascii())),
        // It was just being made when its process ended.
        None if strange.is_empty() && db.iterator(IteratorMode::Start).next().is_none() => Ok(log),
        None => damaged("it has no form: it is another program's"),
    }
}

/// Opens the database in a folder, whose lock the caller holds.
pub fn database(path: &Path, settings: Settings, clock: Arc<dyn Clock>) -> Result<DB, OpenError> {
    if let Some(why) = look(path)? {
        let (path, kept) = (path.display(), wal::keep(path)?);
        let kept = kept.display();
        tracing::error!(%path, %why, %kept, "the store's log is damaged: what was written last is lost; it is kept as it was");
    }
    let wrong = |error: Error| OpenError::of_database(path, &error);
    let db =
        DB::open_cf_descriptors(&tuning::whole(settings), path, tuning::families(settings, clock)).map_err(wrong)?;
    if db.get(FORM).map_err(wrong)?.is_none() {
        // To a file, since no log goes before what it holds has.
        db.put(FORM, [FORM_VERSION]).and_then(|()| db.flush()).map_err(wrong)?;
    }
    Ok(db)
}

/// Makes a folder for its owner only, if it is not there.
pub fn private(path: &Path) -> Result<(), OpenError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| OpenError::of_disk(path, &error))
}

impl RocksDb {
    /// Opens the store in a directory, and makes it when it is not there. By `clock` compactions judge what has expired,
    /// and a store whose disk failed how soon it tries again.
    pub fn open(path: &Path, settings: Settings, clock: Arc<dyn Clock>) -> Result<RocksDb, OpenError> {
        private(path)?;
        let lock = Lock::take(path)?;
        room::take(path, 1).map_err(|error| OpenError::of_disk(path, &error))?;
        let db = database(path, settings, Arc::clone(&clock))?;
        let inner = Arc::new(Inner::new(db, lock, path.into(), settings, clock));
        inner.sync();
        let syncing =
            sync::Syncing::begin(&inner, settings.sync_after).map_err(|error| OpenError::of_disk(path, &error))?;
        Ok(RocksDb { syncing, inner })
    }
}
