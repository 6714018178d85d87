//! A log that is damaged in its middle: octets changed, or missing with others behind them.
//!
//! **Invariant:** what RocksDB cannot read of its log, and would remove as it opens, is kept. It takes what lies before the
//! damage and nothing behind it; that is right after a power cut, which may leave such a log, so the store is opened; but
//! what lay behind had been acknowledged, so it is not done in silence, and not for a backup.
//!
//! A log that merely ends early is no damage: nobody was told that what is missing was written.

use std::fs::{DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rocksdb::{DB, DBRecoveryMode, Error, ErrorKind, Options};

use crate::open::OpenError;

/// The most damaged logs that are kept beside a store.
const KEPT_MAX: u32 = 10;

/// Opens a database to look at its default family only; changes nothing. Tells, too, what its log is damaged by.
pub fn look(path: &Path) -> Result<(DB, Option<String>), Error> {
    let read = |mode| {
        let mut options = Options::default();
        options.set_wal_recovery_mode(mode);
        DB::open_for_read_only(&options, path, false)
    };
    match read(DBRecoveryMode::TolerateCorruptedTailRecords) {
        Ok(db) => Ok((db, None)),
        // Should it not be the log, this will not open either.
        Err(error) if error.kind() == ErrorKind::Corruption => {
            Ok((read(DBRecoveryMode::PointInTime)?, Some(error.to_string())))
        }
        Err(error) => Err(error),
    }
}

/// Copies the logs of a store, durably, to a new folder beside it; tells which.
pub fn keep(store: &Path) -> Result<PathBuf, OpenError> {
    let wrong = |error: io::Error| OpenError::of_disk(store, &error);
    let mut names = (1..=KEPT_MAX).map(|n| {
        let mut name = store.file_name().unwrap_or_default().to_owned();
        name.push(format!(".damaged-log-{n}"));
        store.with_file_name(name)
    });
    let kept = names.find(|path| path.symlink_metadata().is_err()).ok_or_else(|| {
        let why = format!(
            "its log is damaged, and {KEPT_MAX} earlier ones stand beside it as {}.damaged-log-*; remove some, and see \
             whether the disk is sound",
            store.display()
        );
        OpenError::Directory(store.into(), why)
    })?;
    let copied = copy(store, &kept);
    if copied.is_err() {
        let _ = std::fs::remove_dir_all(&kept);
    }
    copied.map_err(wrong)?;
    Ok(kept)
}

fn copy(store: &Path, kept: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(kept)?;
    for file in std::fs::read_dir(store)? {
        let from = file?.path();
        if let (Some("log"), Some(name)) = (from.extension().and_then(|end| end.to_str()), from.file_name()) {
            let to = kept.join(name);
            std::fs::copy(&from, &to)?;
            File::open(&to)?.sync_all()?;
        }
    }
    File::open(kept)?.sync_all()
}
