//! Putting a backup in the place of a store that nobody has open.
//!
//! **Invariants:** nothing is moved before the copy of the backup was opened and read whole; what was there stands aside
//! under another name, and nothing of it is changed; a crash at any moment leaves the old store or the new one in its
//! place, whole. Where the file system cannot exchange two folders at once, a crash between two renames may leave the place
//! empty, the old store aside and the new one, whole, under `.restoring`.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost_core::{Clock, Time};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use crate::RocksDb;
use crate::lock::{self, Lock};
use crate::note;
use crate::open::{self, OpenError, private};
use crate::tuning::Settings;
use crate::upkeep::{check, remove};

/// The most stores that earlier restores moved aside and nobody removed.
const ASIDE_MAX: u32 = 10_000;

/// A time before everything, so that looking at a backup drops nothing from it.
struct Never;

impl Clock for Never {
    fn now(&self) -> Time {
        Time::ZERO
    }
}

fn wrong(path: &Path) -> impl Fn(io::Error) -> OpenError + '_ {
    move |error| OpenError::of_disk(path, &error)
}

/// A neighbour of a path: its name and something behind it.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    path.with_file_name(name)
}

/// Copies the files of a store, durably.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        // A store has no folders, and whoever had it has it no more.
        if entry.file_type()?.is_file() && name != "LOCK" && name != lock::NAME && !note::is_of_backup(&name) {
            let target = to.join(name);
            std::fs::copy(entry.path(), &target)?;
            File::open(&target)?.sync_all()?;
        }
    }
    File::open(to)?.sync_all()
}

/// Opens a copy of the backup `from` as a store and reads all of it.
fn look(coming: &Path, from: &Path) -> Result<Vec<String>, OpenError> {
    let whole = open::look(coming).and_then(|log| match log {
        None => Ok(()),
        Some(why) => Err(OpenError::Corrupt(from.into(), format!("its log: {why}"))),
    });
    let opened = whole.and_then(|()| RocksDb::open(coming, Settings::default(), Arc::new(Never)));
    let looked = opened.and_then(|store| {
        let found = check(&store.inner, Time::ZERO);
        found.map_err(|fault| OpenError::Corrupt(from.into(), fault.to_string()))
    });
    // It is the backup that is at fault, not the copy.
    looked.map_err(|error| match error {
        OpenError::Corrupt(_, why) => OpenError::Corrupt(from.into(), why),
        OpenError::Newer(_, what) => OpenError::Newer(from.into(), what),
        other => other,
    })
}

/// Puts `coming` in the place of `to`, and what is there, if anything, where the answer says.
fn exchange(coming: &Path, to: &Path) -> Result<Option<PathBuf>, OpenError> {
    if to.symlink_metadata().is_err() {
        return std::fs::rename(coming, to).map(|()| None).map_err(wrong(to));
    }
    let mut names = (1..ASIDE_MAX).map(|n| beside(to, &format!(".before-restore-{n}")));
    let aside = names.find(|path| path.symlink_metadata().is_err()).ok_or_else(|| {
        let why = "too many earlier stores stand beside it; remove some";
        OpenError::Directory(to.into(), why.into())
    })?;
    // First the new one takes the name that the old one is to have, then they change places: at no moment is there none.
    std::fs::rename(coming, &aside).map_err(wrong(to))?;
    match renameat_with(CWD, &aside, CWD, to, RenameFlags::EXCHANGE) {
        Ok(()) => return Ok(Some(aside)),
        Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::XDEV) => {}
        Err(error) => {
            let _ = remove(&aside);
            return Err(wrong(to)(error.into()));
        }
    }
    std::fs::rename(&aside, coming)
        .and_then(|()| std::fs::rename(to, &aside))
        .map_err(wrong(to))?;
    match std::fs::rename(coming, to) {
        Ok(()) => Ok(Some(aside)),
        Err(error) => {
            let _ = std::fs::rename(&aside, to);
            Err(wrong(to)(error))
        }
    }
}

impl RocksDb {
    /// Puts the backup `from` in the place of the store `to`, which is moved aside to `<to>.before-restore-<n>` if it is
    /// there. Tells in lines what was done. No process may have the store open; blocks.
    pub fn restore(from: &Path, to: &Path) -> Result<Vec<String>, OpenError> {
        if !from.join("CURRENT").is_file() {
            let why = "this is no backup of a store: it has no file CURRENT".to_owned();
            return Err(OpenError::Corrupt(from.into(), why));
        }
        if let Some(why) = note::wrong_with_backup(from) {
            return Err(OpenError::Corrupt(from.into(), why));
        }
        if to.file_name().is_none() {
            return Err(OpenError::Directory(to.into(), "it has no name".into()));
        }
        let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        private(parent)?;
        // What is written to meanwhile is copied as of no moment.
        let _from = Lock::take_if_there(from)?;
        let _to = if to.is_dir() { Some(Lock::take(to)?) } else { None };
        let coming = beside(to, ".restoring");
        // Another restore may be at work.
        drop(Lock::take_if_there(&coming)?);
        remove(&coming).map_err(wrong(&coming))?;
        let done = copy(from, &coming)
            .map_err(wrong(&coming))
            .and_then(|()| look(&coming, from))
            .and_then(|lines| Ok((lines, exchange(&coming, to)?)));
        if done.is_err() {
            let _ = remove(&coming);
        }
        let (mut lines, aside) = done?;
        File::open(parent)
            .and_then(|folder| folder.sync_all())
            .map_err(wrong(parent))?;
        if let Some(aside) = aside {
            lines.push(format!("the store that was there is now {}", aside.display()));
        }
        lines.push(format!("the store is back from {}", from.display()));
        Ok(lines)
    }
}
