//! Gatepost's embedded store: [`Backend`](gatepost_core::Backend) on RocksDB, which hides here.
//!
//! **Invariants:** an entry whose time has come is not there on any read, though it stays on disk until a compaction
//! drops it; what was written survives the end of the process, however it ends (it is in the operating system's hands
//! before the call returns); of a power cut, all survives up to some moment, which lies at most
//! [`Settings::sync_after`] and one wait for the disk before it; a directory that cannot be opened is left as it is.
//!
//! A compaction drops what had expired by the clock's own time. Should the clock go back after that, what was dropped stays
//! dropped; a living entry is never dropped early, and reads judge by the time that they are given.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod backend;
mod db;
mod entry;
mod heal;
mod lock;
mod note;
mod open;
mod restore;
mod room;
mod stripes;
mod sync;
mod tuning;
mod upkeep;
mod wal;

use std::sync::Arc;

pub use crate::open::OpenError;
pub use crate::tuning::Settings;

/// The embedded store. One process at a time.
pub struct RocksDb {
    // Dropped first: it has the inner part, too.
    #[expect(dead_code, reason = "it works as long as it is there")]
    syncing: sync::Syncing,
    inner: Arc<db::Inner>,
}
