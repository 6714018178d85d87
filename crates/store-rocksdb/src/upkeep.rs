//! The store as a whole, while it is open: checked, compacted, copied.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use gatepost_core::{Fault, Time};
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{DB, Error, IteratorMode, ReadOptions};

use crate::db::{Inner, KEYS, ORDERED, family};
use crate::{RocksDb, entry, note};

/// The most damaged entries that are told one by one.
const TOLD: usize = 20;
/// The most octets of a damaged entry's key that are told.
const TOLD_OCTETS: usize = 80;

/// What a look at one column family found.
#[derive(Default)]
struct Found {
    entries: u64,
    octets: u64,
    expired: u64,
    damaged: u64,
    told: Vec<String>,
    /// Why it did not come to the end.
    ended: Option<Error>,
}

fn look(db: &DB, name: &str, now: Time) -> Found {
    let mut options = ReadOptions::default();
    options.set_verify_checksums(true);
    // What is read once shall not push out what is read all the time.
    options.fill_cache(false);
    options.set_readahead_size(2 << 20);
    let mut found = Found::default();
    for entry in db.iterator_cf_opt(family(db, name), options, IteratorMode::Start) {
        let (key, value) = match entry {
            Ok(entry) => entry,
            // A block that cannot be read ends the iteration: what lies behind it is not known.
            Err(error) => {
                found.ended = Some(error);
                break;
            }
        };
        found.entries += 1;
        found.octets += (key.len() + value.len()) as u64;
        let why = match name {
            KEYS => entry::until(&value).err().map(|fault| fault.to_string()),
            _ => place_damage(&key),
        };
        found.expired += u64::from(name == KEYS && entry::is_over(&value, now));
        let Some(why) = why else { continue };
        found.damaged += 1;
        if found.told.len() < TOLD {
            let key = key.get(..TOLD_OCTETS).unwrap_or(&key).escape_ascii();
            found.told.push(format!("{name}: {key}: {why}"));
        }
    }
    found
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
    let (mut lines, mut damage) = (Vec::new(), Vec::new());
    // Both are looked at, even where the first is damaged.
    for name in [KEYS, ORDERED] {
        let found = inner.at_length(|db| Ok(look(db, name, now)))?;
        let expired = match found.expired {
            0 => String::new(),
            n => format!(", {n} of them expired and not yet dropped"),
        };
        lines.push(format!(
            "store, {name}: {} entries{expired}, {} octets",
            found.entries, found.octets
        ));
        if let Some(error) = found.ended {
            damage.push(format!("{name}: after {} entries: {error}", found.entries));
        }
        if found.damaged > 0 {
            damage.push(format!(
                "{name}: {} damaged entries: {}",
                found.damaged,
                found.told.join("; ")
            ));
        }
    }
    if damage.is_empty() {
        return Ok(lines);
    }
    lines.extend(damage);
    Err(Fault::Broken(format!(
        "the store is damaged, restore a backup: {}",
        lines.join("; ")
    )))
}

impl RocksDb {
    /// Reads every entry of every file, checksums verified, and tells in lines what there is; a fault names what is
    /// damaged. `now` tells what has expired. Nothing is changed.
    pub async fn check(&self, now: Time) -> Result<Vec<String>, Fault> {
        self.aside(move |inner| check(inner, now)).await
    }

    /// Rewrites the files without what has expired or was removed, and tells in lines how much is left.
    pub async fn compact(&self) -> Result<Vec<String>, Fault> {
        let compact = |db: &DB| {
            let (before, failed) = (size(db), failures(db));
            for name in [KEYS, ORDERED] {
                let family = family(db, name);
                db.flush_cf(family)?;
                db.compact_range_cf(family, None::<&[u8]>, None::<&[u8]>);
            }
            // Which does not say whether it could.
            Ok((before, size(db), failures(db) > failed))
        };
        self.aside(move |inner| {
            match inner.at_length(compact)? {
            (_, _, true) => Err(Fault::Broken(
                "the store's files could not all be rewritten: there must be room for them twice; nothing is lost, and \
                 why is told in the file LOG of the store's folder"
                    .into(),
            )),
            (before, after, false) => Ok(vec![format!("the store's files have {after} octets, and had {before}")]),
        }
        })
        .await
    }

    /// Writes what is in the log only into files: before an orderly end, so that the next start has little to read.
    pub async fn settle(&self) -> Result<(), Fault> {
        self.aside(|inner| {
            inner.at_length(|db| {
                [KEYS, ORDERED]
                    .iter()
                    .try_for_each(|name| db.flush_cf(family(db, name)))
            })
        })
        .await
    }

    /// Copies the store, as it is at this moment, into a folder that is not there yet, for its owner only. Others go on
    /// reading and writing. The folder is whole, or not there under its name. On the store's own file system the copy
    /// takes no room at first, and shares the files' fate on a bad disk.
    pub async fn backup(&self, to: &Path) -> Result<Vec<String>, Fault> {
        let to = to.to_owned();
        self.aside(move |inner| {
            let wrong = |why: String| Fault::Broken(format!("no backup into {}: {why}", to.display()));
            if to.symlink_metadata().is_ok() {
                return Err(wrong("it is there already; name a new folder".into()));
            }
            // Why it fails is told in the system's own words: most likely of the target's disk, not of ours.
            let copied = inner.at_length(|db| Ok(copy(db, &to)))?;
            copied.map_err(wrong)?;
            Ok(vec![format!("the store is copied to {}", to.display())])
        })
        .await
    }
}

/// Copies a database. RocksDB makes its folder readable to all: so that one is made within one that is not.
fn copy(db: &DB, to: &Path) -> Result<(), String> {
    let mut name = to.file_name().ok_or("a new folder must be named")?.to_owned();
    name.push(".coming");
    let coming = to.with_file_name(name);
    remove(&coming).map_err(|error| error.to_string())?;
    let copied = copy_within(db, &coming, to);
    if copied.is_err() {
        let _ = remove(&coming);
    }
    copied
}

fn copy_within(db: &DB, coming: &Path, to: &Path) -> Result<(), String> {
    let said = |error: io::Error| error.to_string();
    DirBuilder::new().mode(0o700).create(coming).map_err(said)?;
    let whole: PathBuf = coming.join("store");
    // What is in the log's page only would be missing after a power cut.
    db.flush_wal(true)
        .and_then(|()| Checkpoint::new(db)?.create_checkpoint(&whole))
        .map_err(|error| error.to_string())?;
    note::take_of_backup(&whole).map_err(said)?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&whole, mode).map_err(said)?;
    std::fs::rename(&whole, to).map_err(said)?;
    let _ = std::fs::remove_dir(coming);
    let parent = to.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    std::fs::File::open(parent)
        .and_then(|parent| parent.sync_all())
        .map_err(said)
}

/// Removes a folder that an earlier try may have left.
pub fn remove(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// How often something failed in the background.
fn failures(db: &DB) -> u64 {
    let failures = db.property_int_value_cf(family(db, KEYS), "rocksdb.background-errors");
    failures.ok().flatten().unwrap_or(0)
}

/// Octets of all files that hold entries.
fn size(db: &DB) -> u64 {
    let size = |name| {
        db.property_int_value_cf(family(db, name), "rocksdb.total-sst-files-size")
            .ok()?
    };
    [KEYS, ORDERED].into_iter().filter_map(size).sum()
}
