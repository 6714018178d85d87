//! Gatepost's embedded store: [`Backend`](gatepost_core::Backend) on RocksDB, which hides here.
//!
//! **Invariants:** an entry whose time has come is not there on any read, though it stays on disk until a compaction
//! drops it; what was written survives the end of the process (it is in the operating system's hands before the call
//! returns), and all of it up to some moment survives a power cut; a directory that cannot be opened is left as it is.
//!
//! A compaction drops what had expired by the clock's own time. Should the clock go back after that, what was dropped stays
//! dropped; a living entry is never dropped early, and reads judge by the time that they are given.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod backend;
mod db;
mod entry;
mod open;
mod restore;
mod stripes;
mod upkeep;

use std::sync::Arc;

pub use crate::open::{OpenError, Settings};

/// The embedded store. One process at a time.
pub struct RocksDb {
    inner: Arc<db::Inner>,
}
