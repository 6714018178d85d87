//! All that is stored, as a whole: the store and the kept mail, checked, compacted, copied and put back together.
//!
//! **Invariants:** a backup is complete or is not there under its name; restoring deletes nothing (what was there stands
//! beside it under another name) and touches nothing while a daemon runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost_archive::Archive;
use gatepost_core::{Clock, Fault, Upkeep, async_trait};
use gatepost_store_rocksdb::RocksDb;

use crate::wiring::private;

/// The store's folder within data folder and backup.
pub const STORE: &str = "store";
/// The kept mail's folder within data folder and backup.
pub const KEPT: &str = "kept";

/// The store and the archive together.
pub struct Whole {
    store: Arc<RocksDb>,
    archive: Arc<Archive>,
    clock: Arc<dyn Clock>,
}

impl Whole {
    /// Both of this installation.
    pub fn new(store: Arc<RocksDb>, archive: Arc<Archive>, clock: Arc<dyn Clock>) -> Whole {
        Whole { store, archive, clock }
    }
}

impl Whole {
    async fn copy(&self, to: &Path) -> Result<(), Fault> {
        self.store.backup(&to.join(STORE)).await?;
        self.archive.backup(&to.join(KEPT)).await?;
        Ok(())
    }
}

fn sibling(of: &Path, ending: &str) -> PathBuf {
    let mut name = of.file_name().unwrap_or_default().to_owned();
    name.push(ending);
    of.with_file_name(name)
}

fn broken(path: &Path, error: io::Error) -> Fault {
    let who = match error.kind() {
        io::ErrorKind::PermissionDenied => "; the daemon writes it, as the user that it runs as",
        _ => "",
    };
    Fault::Broken(format!("{}: {error}{who}", path.display()))
}

#[async_trait]
impl Upkeep for Whole {
    async fn check(&self) -> Result<Vec<String>, Fault> {
        // Both are looked at, even where the first is damaged.
        let (store, archive) = (self.store.check(self.clock.now()).await, self.archive.check().await);
        match (store, archive) {
            (Ok(mut lines), Ok(found)) => {
                lines.extend(found.lines);
                match found.wrong {
                    0 => Ok(lines),
                    // Not an answer that a nightly job takes for a good one.
                    n => Err(Fault::Broken(format!(
                        "{n} things are not as they should be:\n{}",
                        lines.join("\n")
                    ))),
                }
            }
            (Err(one), Err(other)) => Err(Fault::Broken(format!("{one}\n{other}"))),
            (Err(fault), Ok(found)) => Err(Fault::Broken(format!("{fault}\n{}", found.lines.join("\n")))),
            (Ok(lines), Err(fault)) => Err(Fault::Broken(format!("{fault}\n{}", lines.join("\n")))),
        }
    }

    async fn compact(&self) -> Result<Vec<String>, Fault> {
        self.store.compact().await
    }

    async fn backup(&self, to: &Path) -> Result<Vec<String>, Fault> {
        if to.symlink_metadata().is_ok() {
            return Err(Fault::Broken(format!(
                "{} is there already: name a folder that is not",
                to.display()
            )));
        }
        let partial = sibling(to, ".part");
        let folder = partial.clone();
        let made = tokio::task::spawn_blocking(move || {
            // What an earlier try left: nobody else makes folders of this name.
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(broken(&folder, error)),
                _ => private(&folder).map_err(|error| broken(&folder, error)),
            }
        });
        made.await.map_err(|error| Fault::Broken(error.to_string()))??;
        // The store first: a mail kept meanwhile is then a file that its index does not know, which is mended at start.
        if let Err(fault) = self.copy(&partial).await {
            let _ = std::fs::remove_dir_all(&partial);
            return Err(fault);
        }
        std::fs::rename(&partial, to).map_err(|error| broken(to, error))?;
        Ok(vec![
            format!("store and kept mail are copied to {}", to.display()),
            "to put it back, stop gatepost and say `gatepost store restore` with this folder".into(),
            "mail that is deleted later stays in this copy until you delete the copy".into(),
        ])
    }
}

/// Puts a backup in the place of what a data folder holds. No daemon may run; what was there is moved aside.
pub fn restore(data: &Path, from: &Path) -> Result<Vec<String>, String> {
    for part in [STORE, KEPT] {
        if !from.join(part).is_dir() {
            return Err(format!(
                "{}: this is no backup: it has no folder `{part}`",
                from.display()
            ));
        }
    }
    if let (Ok(from), Ok(data)) = (from.canonicalize(), data.canonicalize())
        && from == data
    {
        return Err(format!(
            "{}: this is the data folder itself, and no backup",
            from.display()
        ));
    }
    private(data).map_err(|error| format!("data_dir {}: {error}", data.display()))?;
    // All of it is copied before anything is moved, and the store, which knows whether a daemon runs, comes first.
    let coming = data.join(format!("{KEPT}.restoring"));
    let wrong = |error: io::Error| format!("{}: {error}", coming.display());
    match std::fs::remove_dir_all(&coming) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrong(error)),
        _ => {}
    }
    let mails = copy_mails(&from.join(KEPT), &coming).map_err(wrong)?;
    let mut lines = RocksDb::restore(&from.join(STORE), &data.join(STORE)).map_err(|error| error.to_string())?;
    let kept = data.join(KEPT);
    if kept.exists() {
        let aside = free(data).ok_or("too many earlier restores stand beside the kept mail: remove some")?;
        std::fs::rename(&kept, &aside).map_err(wrong)?;
        lines.push(format!("the kept mail that was there is now {}", aside.display()));
    }
    std::fs::rename(&coming, &kept).map_err(wrong)?;
    std::fs::File::open(data)
        .and_then(|folder| folder.sync_all())
        .map_err(wrong)?;
    lines.push(format!("{mails} kept mails are back"));
    lines.push("what stands aside is yours to delete; mail that was deleted here may still be in the backup".into());
    Ok(lines)
}

/// A name for what a restore moves aside.
fn free(data: &Path) -> Option<PathBuf> {
    (1..10_000)
        .map(|n| data.join(format!("{KEPT}.before-restore-{n}")))
        .find(|path| !path.exists())
}

/// Copies kept mail, folders of files and nothing deeper; durably. The archive's own marks stay behind, so that it looks
/// the mail through at its next start.
fn copy_mails(from: &Path, to: &Path) -> io::Result<u64> {
    private(to)?;
    let mut mails = 0;
    for folder in std::fs::read_dir(from)? {
        let folder = folder?;
        if !folder.file_type()?.is_dir() {
            continue;
        }
        let into = to.join(folder.file_name());
        private(&into)?;
        for file in std::fs::read_dir(folder.path())? {
            let file = file?;
            if !file.file_type()?.is_file() {
                continue;
            }
            let target = into.join(file.file_name());
            std::fs::copy(file.path(), &target)?;
            std::fs::File::open(&target)?.sync_all()?;
            mails += 1;
        }
        std::fs::File::open(&into)?.sync_all()?;
    }
    std::fs::File::open(to)?.sync_all()?;
    Ok(mails)
}
