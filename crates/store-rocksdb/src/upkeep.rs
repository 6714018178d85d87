//! The store as a whole: checked, compacted, copied, put back.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost_core::Fault;
use rocksdb::checkpoint::Checkpoint;
use rocksdb::{IteratorMode, ReadOptions};

use crate::{KEYS, ORDERED, OpenError, RocksDb, broken, entry};

impl RocksDb {
    /// Reads every entry, checksums verified, and tells what there is.
    pub async fn check(&self) -> Result<Vec<String>, Fault> {
        let inner = Arc::clone(&self.inner);
        let check = move || {
            let mut lines = Vec::new();
            for name in [KEYS, ORDERED] {
                let mut options = ReadOptions::default();
                options.fill_cache(false);
                options.set_verify_checksums(true);
                let (mut count, mut octets) = (0_u64, 0_u64);
                for entry in inner.db.iterator_cf_opt(inner.family(name), options, IteratorMode::Start) {
                    let (key, value) = entry.map_err(|error| broken(&error))?;
                    if name == KEYS {
                        entry::until(&value)?;
                    }
                    count += 1;
                    octets += (key.len() + value.len()) as u64;
                }
                lines.push(format!("store, {name}: {count} entries, {octets} octets, all readable"));
            }
            Ok(lines)
        };
        tokio::task::spawn_blocking(check).await.map_err(|error| Fault::Broken(error.to_string()))?
    }

    /// Rewrites all files without what has expired or was removed.
    pub async fn compact(&self) -> Result<Vec<String>, Fault> {
        let inner = Arc::clone(&self.inner);
        let compact = move || {
            for name in [KEYS, ORDERED] {
                inner.db.compact_range_cf(inner.family(name), None::<&[u8]>, None::<&[u8]>);
            }
            vec!["the store is compacted".to_owned()]
        };
        tokio::task::spawn_blocking(compact).await.map_err(|error| Fault::Broken(error.to_string()))
    }

    /// Copies the store, as it is at this moment, into a folder that is not there yet.
    pub async fn backup(&self, to: &Path) -> Result<Vec<String>, Fault> {
        let (inner, to) = (Arc::clone(&self.inner), to.to_owned());
        let copy = move || {
            let checkpoint = Checkpoint::new(&inner.db).map_err(|error| broken(&error))?;
            checkpoint.create_checkpoint(&to).map_err(|error| Fault::Broken(format!("{}: {error}", to.display())))?;
            Ok(vec![format!("the store is copied to {}", to.display())])
        };
        tokio::task::spawn_blocking(copy).await.map_err(|error| Fault::Broken(error.to_string()))?
    }

    /// Puts a backup where a store was, which is moved aside.
    pub fn restore(from: &Path, to: &Path) -> Result<Vec<String>, OpenError> {
        let wrong = |path: &Path, error: std::io::Error| OpenError::Directory(path.into(), error.to_string());
        let coming: PathBuf = to.with_extension("restoring");
        let _ = std::fs::remove_dir_all(&coming);
        std::fs::create_dir_all(&coming).map_err(|error| wrong(&coming, error))?;
        for file in std::fs::read_dir(from).map_err(|error| wrong(from, error))? {
            let file = file.map_err(|error| wrong(from, error))?;
            std::fs::copy(file.path(), coming.join(file.file_name())).map_err(|error| wrong(&coming, error))?;
        }
        let mut lines = Vec::new();
        if to.exists() {
            let aside = (1..10_000)
                .map(|n| to.with_extension(format!("before-restore-{n}")))
                .find(|path| !path.exists())
                .ok_or_else(|| OpenError::Directory(to.into(), "too many earlier restores".into()))?;
            std::fs::rename(to, &aside).map_err(|error| wrong(to, error))?;
            lines.push(format!("the store that was there is now {}", aside.display()));
        }
        std::fs::rename(&coming, to).map_err(|error| wrong(to, error))?;
        lines.push("the store is back".into());
        Ok(lines)
    }
}
