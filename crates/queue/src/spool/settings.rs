//! How much may wait, and what tests may do at each step on the disk.

use std::io;
use std::path::Path;
use std::sync::Arc;

/// How much may wait. It is asked again with each mail, so it may change at any time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The most octets of all mails; 16 GiB.
    pub octets: u64,
    /// The most mails; 1,000,000.
    pub mails: u64,
    /// Octets of the disk that stay free; 64 MiB.
    pub reserve: u64,
    /// Whether mails that come at the same time share the syncing of the disk; yes. Without it each syncs alone, which is
    /// never better: for measurements.
    pub group_commit: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            octets: 16 << 30,
            mails: 1_000_000,
            reserve: 64 << 20,
            group_commit: true,
        }
    }
}

/// How much of a domain may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quota {
    /// The most octets.
    pub octets: u64,
    /// The most mails.
    pub mails: u64,
}

impl Quota {
    /// Only the whole queue has a bound.
    pub const NONE: Quota = Quota {
        octets: u64::MAX,
        mails: u64::MAX,
    };
}

/// What is done with the disk next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A file is made and written.
    Write,
    /// The content of a file is synced.
    SyncFile,
    /// A file gets its name, or another one.
    Name,
    /// A folder is made.
    MakeFolder,
    /// The names in a folder are synced.
    SyncFolder,
    /// A file is removed.
    Remove,
}

/// Called before each step on the disk. An error is taken for the disk's. For tests, which end the process here or look
/// whether steps come in their order.
pub type Steps = Arc<dyn Fn(Step, &Path) -> io::Result<()> + Send + Sync>;
