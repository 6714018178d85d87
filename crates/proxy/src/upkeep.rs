//! All that is stored, as a whole: the store, the kept mail and what the classifiers learned, checked, compacted, copied and put back together.
//!
//! **Invariants:** a backup is complete or is not there under its name; restoring deletes nothing (what was there stands
//! beside it under another name) and touches nothing while a daemon runs.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use gatepost_archive::Archive;
use gatepost_core::{Clock, Fault, Upkeep, async_trait};
use gatepost_queue::MailQueue;
use gatepost_store_rocksdb::RocksDb;

use crate::learned;
use crate::lock::DataLock;
use crate::school::FOLDER as LEARNED;
use crate::services::QUEUE;
use crate::wiring::private;

/// The store's folder within data folder and backup.
pub const STORE: &str = "store";
/// The kept mail's folder within data folder and backup.
pub const KEPT: &str = "kept";

/// All of it together.
pub struct Whole {
    store: Arc<RocksDb>,
    archive: Arc<Archive>,
    queue: MailQueue,
    learned: PathBuf,
    clock: Arc<dyn Clock>,
    /// One copy at a time.
    one: tokio::sync::Mutex<()>,
}

impl Whole {
    /// That of this installation, with the folder of what the classifiers learned.
    pub fn new(
        store: Arc<RocksDb>,
        archive: Arc<Archive>,
        queue: MailQueue,
        learned: PathBuf,
        clock: Arc<dyn Clock>,
    ) -> Whole {
        Whole {
            store,
            archive,
            queue,
            learned,
            clock,
            one: tokio::sync::Mutex::new(()),
        }
    }
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
        let _one = self.one.lock().await;
        if to.symlink_metadata().is_ok() {
            return Err(Fault::Broken(format!(
                "{} is there already: name a folder that is not",
                to.display()
            )));
        }
        // Made beside it, under a name of its own that only we may enter; it goes again unless all is well.
        let target = to.to_owned();
        let nursery = tokio::task::spawn_blocking(move || nursery(&target)).await;
        let nursery = nursery.map_err(|error| Fault::Broken(error.to_string()))??;
        let whole = nursery.path().join("backup");
        private(&whole).map_err(|error| broken(&whole, error))?;
        // The store first: a mail kept meanwhile is then a file that its index does not know, which is mended at start.
        self.store.backup(&whole.join(STORE)).await?;
        self.archive.backup(&whole.join(KEPT)).await?;
        self.queue.backup(&whole.join(QUEUE)).await?;
        let (from, into) = (self.learned.clone(), whole.join(LEARNED));
        let copied = tokio::task::spawn_blocking(move || learned::copy(&from, &into)).await;
        let copied = copied.map_err(|error| Fault::Broken(error.to_string()))?;
        copied.map_err(|error| broken(&self.learned, error))?;
        std::fs::rename(&whole, to).map_err(|error| broken(to, error))?;
        Ok(vec![
            format!(
                "the store, kept mail, waiting mail and what the classifiers learned are copied to {}",
                to.display()
            ),
            "to put it back, stop gatepost and say `gatepost store restore` with this folder".into(),
            "mail that is deleted later stays in this copy until you delete the copy".into(),
        ])
    }
}

/// A folder of our own beside a path, whose parents are made where they are missing.
fn nursery(beside: &Path) -> Result<tempfile::TempDir, Fault> {
    let parent = match beside.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    private(parent).map_err(|error| broken(parent, error))?;
    let mut builder = tempfile::Builder::new();
    builder
        .prefix(".gatepost-")
        .permissions(std::os::unix::fs::PermissionsExt::from_mode(0o700));
    builder.tempdir_in(parent).map_err(|error| broken(parent, error))
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
    // Nobody else may begin anything below the data folder until all is in its place.
    let _lock = DataLock::take(data, Duration::ZERO)?;
    let wrong = |error: io::Error| format!("{}: {error}", data.display());
    // Copied whole before anything is moved; it goes again if anything fails.
    let nursery = nursery(&data.join(KEPT)).map_err(|fault| fault.to_string())?;
    let coming = nursery.path().join(KEPT);
    let mails = copy_mails(&from.join(KEPT), &coming).map_err(wrong)?;
    // Older backups have none; then what is there stays.
    let taught = nursery.path().join(LEARNED);
    let has_learned = from.join(LEARNED).is_dir();
    if has_learned {
        learned::copy(&from.join(LEARNED), &taught).map_err(wrong)?;
    }
    // Mail that waits now came after that copy, or is in it: it must not make room for what may be delivered long since.
    let waits = has_mail(&data.join(QUEUE)).map_err(wrong)?;
    let waiting = nursery.path().join(QUEUE);
    let mut back = 0;
    if !waits && from.join(QUEUE).is_dir() {
        private(&waiting).map_err(wrong)?;
        for part in ["mail", "damaged"] {
            if from.join(QUEUE).join(part).is_dir() {
                back += copy_mails(&from.join(QUEUE).join(part), &waiting.join(part)).map_err(wrong)?;
            }
        }
    }
    let mut lines = RocksDb::restore(&from.join(STORE), &data.join(STORE)).map_err(|error| error.to_string())?;
    let mut replace = |name: &str, what: &str, coming: &Path| -> Result<(), String> {
        let place = data.join(name);
        if place.exists() {
            let aside =
                free(data, name).ok_or("too many earlier restores stand aside in the data folder: remove some")?;
            std::fs::rename(&place, &aside).map_err(wrong)?;
            lines.push(format!("{what} that was there is now {}", aside.display()));
        }
        std::fs::rename(coming, &place).map_err(wrong)
    };
    replace(KEPT, "the kept mail", &coming)?;
    if has_learned {
        replace(LEARNED, "what the classifiers learned", &taught)?;
    }
    if waits {
        lines.push("mail waits in the queue: it stays, and that of the backup was not put back".into());
    } else if waiting.is_dir() {
        replace(QUEUE, "the empty queue", &waiting)?;
        lines.push(format!(
            "{back} files of waiting mail are back: what was delivered since the backup is delivered again"
        ));
    }
    std::fs::File::open(data)
        .and_then(|folder| folder.sync_all())
        .map_err(wrong)?;
    lines.push(format!("{mails} kept mails are back"));
    lines.push("what stands aside is yours to delete; mail that was deleted here may still be in the backup".into());
    Ok(lines)
}

/// Whether a folder is a queue in which anything waits.
fn has_mail(queue: &Path) -> io::Result<bool> {
    let folders = match std::fs::read_dir(queue.join("mail")) {
        Ok(folders) => folders,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    for folder in folders {
        let folder = folder?;
        if folder.file_type()?.is_dir() && std::fs::read_dir(folder.path())?.next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A name for what a restore moves aside.
fn free(data: &Path, name: &str) -> Option<PathBuf> {
    (1..10_000)
        .map(|n| data.join(format!("{name}.before-restore-{n}")))
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
