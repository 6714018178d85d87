//! The lock on the data folder: one process at a time, be it the daemon, the command line without one, or a restore.
//!
//! **Invariant:** whoever reads or writes below the data folder without being asked by the daemon holds this; it ends with
//! the process, however that ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use crate::wiring::private;

/// How often a lock that somebody has is tried again.
const STEP: Duration = Duration::from_millis(100);

/// The lock, held.
pub struct DataLock {
    _file: File,
}

impl DataLock {
    /// Takes the lock, waiting at most so long for whoever has it: a command of the command line is soon done.
    pub fn take(data: &Path, patience: Duration) -> Result<DataLock, String> {
        let wrong = |error: std::io::Error| format!("data_dir {}: {error}", data.display());
        private(data).map_err(wrong)?;
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(data.join("lock"))
            .map_err(wrong)?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(DataLock { _file: file }),
                Err(TryLockError::Error(error)) => return Err(wrong(error)),
                Err(TryLockError::WouldBlock) if waited < patience => {
                    std::thread::sleep(STEP);
                    waited += STEP;
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(format!(
                        "{}: another process has this store open; is gatepost running?",
                        data.display()
                    ));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_until_the_first_is_gone() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = DataLock::take(folder.path(), Duration::ZERO).expect("the lock");
        let refused = DataLock::take(folder.path(), Duration::ZERO).err().expect("a refusal");
        assert!(refused.contains("is gatepost running?"), "{refused}");
        drop(first);
        assert!(DataLock::take(folder.path(), Duration::ZERO).is_ok());
    }
}
