//! What is done when a write failed, most likely for a full disk.
//!
//! RocksDB takes no more writes after one has failed until it is opened anew: its log may end within an entry. So it is, at
//! the next write for which there is room; until then reads are answered as ever. What was acknowledged lies whole before
//! the place where the log was torn, and is read from there.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use crate::db::Inner;
use crate::{open, room};

/// How soon again the database may be opened anew.
const PAUSE: Duration = Duration::from_secs(1);

impl Inner {
    /// Opens the database anew, if there is room for what it will write and nobody works long on it. Tells whether it did.
    pub(crate) fn heal(&self) -> bool {
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
        if let Err(error) = room::take(&self.path, room::needed(&self.path, self.settings.write_buffer)) {
            tracing::error!(%path, %error, "the store's disk takes no writes: make room; reads are answered, and it is tried again");
            return false;
        }
        // Else everybody would have to wait until a check or a backup is done.
        let Ok(_upkeep) = self.upkeep.try_write() else {
            tracing::error!(%path, "a write to the store had failed; it goes on when its check, compaction or backup is done");
            return false;
        };
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // Closed first: RocksDB has a lock of its own on the directory. Ours stays.
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
}
