//! The store as a whole, while it is open: checked, compacted, copied.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gatepost_core::{Fault, Time};
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{DB, Error, IteratorMode, ReadOptions};

use crate::db::{Inner, KEYS, ORDERED, family};
use crate::{RocksDb, entry};

/// The most damaged entries that are told one by one.
const TOLD: usize = 20;

/// What a look at one column family found.
#[derive(Default)]
struct Found {
    entries: u64,
    octets: u64,
    expired: u64,
    damaged: Vec<String>,
}

fn look(db: &DB, name: &str, now: Time) -> Result<Found, Error> {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    // What is read once shall not push out what is read all the time.
    options.fill_cache(false);
    options.set_readahead_size(2 << 20);
    let mut found = Found::default();
    for entry in db.iterator_cf_opt(family(db, name), options, IteratorMode::Start) {
        // A block that cannot be read ends the iteration: what lies behind it is not known.
        let (key, value) = entry?;
        found.entries += 1;
        found.octets += (key.len() + value.len()) as u64;
        let why = match name {
            KEYS => entry::until(&value).err().map(|fault| fault.to_string()),
            _ => place_damage(&key),
        };
        found.expired += u64::from(name == KEYS && entry::is_over(&value, now));
        if let Some(why) = why.filter(|_| found.damaged.len() < TOLD) {
            found.damaged.push(format!("{name}: {}: {why}", key.escape_ascii()));
        }
    }
    Ok(found)
}

/// What is wrong with the key of an ordered entry.
fn place_damage(key: &[u8]) -> Option<String> {
    let length = key.first_chunk().map(|length| u16::from_be_bytes(*length));
    match length {
        Some(length) if key.len() >= 2 + usize::from(length) => None,
        _ => Some("it names no partition".into()),
    }
}

/// Reads every entry of every file; blocks.
pub fn check(inner: &Inner, now: Time) -> Result<Vec<String>, Fault> {
    let (mut lines, mut damaged) = (Vec::new(), Vec::new());
    for name in [KEYS, ORDERED] {
        let found = inner.aside(|db| look(db, name, now))?;
        let expired = match found.expired {
            0 => String::new(),
            n => format!(", {n} of them expired and not yet dropped"),
        };
        lines.push(format!(
            "store, {name}: {} entries{expired}, {} octets",
            found.entries, found.octets
        ));
        damaged.extend(found.damaged);
    }
    match damaged.as_slice() {
        [] => Ok(lines),
        damaged => Err(Fault::Broken(format!(
            "store: damaged entries, restore a backup: {}",
            damaged.join("; ")
        ))),
    }
}

impl RocksDb {
    /// Reads every entry of every file, checksums verified, and tells in lines what there is; a fault names what is
    /// damaged. `now` tells what has expired. Nothing is changed.
    pub async fn check(&self, now: Time) -> Result<Vec<String>, Fault> {
        self.aside(move |inner| check(inner, now)).await
    }

    /// Rewrites the files without what has expired or was removed, and tells in lines how much is left.
    pub async fn compact(&self) -> Result<Vec<String>, Fault> {
        self.aside(|inner| {
            inner.aside(|db| {
                let before = size(db);
                for name in [KEYS, ORDERED] {
                    let family = family(db, name);
                    db.flush_cf(family)?;
                    db.compact_range_cf(family, None::<&[u8]>, None::<&[u8]>);
                }
                let after = size(db);
                Ok(vec![format!("the store's files have {after} octets, and had {before}")])
            })
        })
        .await
    }

    /// Copies the store, as it is at this moment, into a folder that is not there yet. Others go on reading and writing.
    pub async fn backup(&self, to: &Path) -> Result<Vec<String>, Fault> {
        let to = to.to_owned();
        self.aside(move |inner| {
            let wrong = |why: String| Fault::Broken(format!("no backup into {}: {why}", to.display()));
            if to.symlink_metadata().is_ok() {
                return Err(wrong("it is there already; name a new folder".into()));
            }
            // Why it fails is told in RocksDB's own words: most likely of the target's disk, not of ours.
            let copied = inner.aside(|db| {
                let copy = || {
                    // What is in the log's page only would be missing after a power cut.
                    db.flush_wal(true)?;
                    Checkpoint::new(db)?.create_checkpoint(&to)
                };
                Ok(copy().map_err(|error| error.to_string()))
            })?;
            copied.map_err(wrong)?;
            std::fs::set_permissions(&to, PermissionsExt::from_mode(0o700))
                .map_err(|error| wrong(error.to_string()))?;
            Ok(vec![format!("the store is copied to {}", to.display())])
        })
        .await
    }
}

/// Octets of all files that hold entries.
fn size(db: &DB) -> u64 {
    let size = |name| {
        db.property_int_value_cf(family(db, name), "rocksdb.total-sst-files-size")
            .ok()?
    };
    [KEYS, ORDERED].into_iter().filter_map(size).sum()
}
