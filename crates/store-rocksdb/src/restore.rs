//! Putting a backup in the place of a store that nobody has open.
//!
//! **Invariants:** nothing is moved before the copy of the backup was opened and read whole; what was there stands aside
//! under another name; a crash leaves the old store, the old one aside and a whole new one beside it, or the new one.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost_core::{Clock, Time};
use rustix::fs::{FlockOperation, fcntl_lock};

use crate::open::{OpenError, Settings};
use crate::{RocksDb, upkeep};

/// A time before everything, so that looking at a backup drops nothing from it.
struct Never;

impl Clock for Never {
    fn now(&self) -> Time {
        Time::ZERO
    }
}

fn wrong(path: &Path) -> impl Fn(io::Error) -> OpenError + '_ {
    move |error| OpenError::Directory(path.into(), error.to_string())
}

/// A neighbour of a path: its name and something behind it.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// RocksDB's own lock on a store, held while it is moved; nothing where there is none to lock.
fn lock(store: &Path) -> Result<Option<File>, OpenError> {
    let path = store.join("LOCK");
    let file = match File::options().read(true).write(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(wrong(store)(error)),
    };
    match fcntl_lock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(_) => Err(OpenError::Locked(store.into())),
    }
}

/// Copies the files of a store, durably.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        // A store has no folders.
        if entry.file_type()?.is_file() && entry.file_name() != "LOCK" {
            let target = to.join(entry.file_name());
            std::fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    File::open(to)?.sync_all()
}

impl RocksDb {
    /// Puts the backup `from` in the place of the store `to`, which is moved aside if it is there. Tells in lines what was
    /// done. No process may have the store open.
    pub fn restore(from: &Path, to: &Path) -> Result<Vec<String>, OpenError> {
        if !from.join("CURRENT").is_file() {
            let why = "this is no backup of a store: it has no file CURRENT".to_owned();
            return Err(OpenError::Corrupt(from.into(), why));
        }
        let parent = to
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(wrong(parent))?;
        let _lock = lock(to)?;
        let coming = beside(to, ".restoring");
        // What an earlier try left.
        match std::fs::remove_dir_all(&coming) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrong(&coming)(error)),
            _ => {}
        }
        copy(from, &coming).map_err(wrong(&coming))?;
        let looked = RocksDb::open(&coming, Settings::default(), Arc::new(Never)).and_then(|store| {
            let found = upkeep::check(&store.inner, Time::ZERO);
            found.map_err(|fault| OpenError::Corrupt(from.into(), fault.to_string()))
        });
        let mut lines = match looked {
            Ok(lines) => lines,
            Err(error) => {
                let _ = std::fs::remove_dir_all(&coming);
                return Err(match error {
                    OpenError::Corrupt(_, why) => OpenError::Corrupt(from.into(), why),
                    OpenError::Newer(_, form) => OpenError::Newer(from.into(), form),
                    other => other,
                });
            }
        };
        if to.symlink_metadata().is_ok() {
            let aside = (1..10_000).map(|n| beside(to, &format!(".before-restore-{n}")));
            let aside = aside.into_iter().find(|path| path.symlink_metadata().is_err());
            let aside = aside.ok_or_else(|| {
                OpenError::Directory(to.into(), "too many earlier stores stand beside it; remove some".into())
            })?;
            std::fs::rename(to, &aside).map_err(wrong(to))?;
            lines.push(format!("the store that was there is now {}", aside.display()));
        }
        std::fs::rename(&coming, to).map_err(wrong(to))?;
        File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(wrong(parent))?;
        lines.push(format!("the store is back from {}", from.display()));
        Ok(lines)
    }
}
