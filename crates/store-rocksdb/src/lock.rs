//! Who has a store: one process, which holds the lock of a file in its folder for as long as it lives.
//!
//! **Invariant:** whoever is refused has changed nothing in the folder. RocksDB has a lock of its own, which other tools
//! heed; but before it tries for that it puts the log of the one who has the store aside, and any second opening of the
//! file in the same process gives that lock up.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use crate::open::OpenError;

/// The file that is locked; its holder's number is written in it.
pub const NAME: &str = "gatepost.lock";
/// The most octets of it that are read.
const NUMBER_MAX: u64 = 20;

/// The lock of a folder, until it is dropped or the process ends, however it ends.
pub struct Lock(#[expect(dead_code, reason = "it is held, not used")] File);

impl Lock {
    /// Takes the lock of a folder that is there.
    pub fn take(folder: &Path) -> Result<Lock, OpenError> {
        let path = folder.join(NAME);
        let wrong = |error: io::Error| OpenError::of_disk(folder, &error);
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(wrong)?;
        lock(&file, folder)?;
        // Only a hint for whoever comes: that it cannot be written is no reason not to go on, and a full disk will be told.
        let _ = file
            .set_len(0)
            .and_then(|()| file.write_all(std::process::id().to_string().as_bytes()));
        Ok(Lock(file))
    }

    /// Takes it where there is one to take; the folder may be one that cannot be written to.
    pub fn take_if_there(folder: &Path) -> Result<Option<Lock>, OpenError> {
        match File::open(folder.join(NAME)) {
            Ok(file) => lock(&file, folder).map(|()| Some(Lock(file))),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(error) => Err(OpenError::of_disk(folder, &error)),
        }
    }
}

fn lock(file: &File, folder: &Path) -> Result<(), OpenError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => {
            let mut number = String::new();
            let _ = file.take(NUMBER_MAX).read_to_string(&mut number);
            OpenError::Locked(folder.into(), number.parse().ok())
        }
        TryLockError::Error(error) => OpenError::of_disk(folder, &error),
    })
}
