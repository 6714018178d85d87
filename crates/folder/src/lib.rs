//! A folder in which mails lie, one a file: what the archive and the queue have in common. Everything here blocks.
//!
//! **Invariant:** folders are 0700 and files 0600, and one process at a time has a folder open. **Absent on purpose:** names,
//! what stands before a message, and what is synced when: that is each one's own.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod body;
mod sum;

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

pub use body::{PIECE, fill, is_bad_block, message, verify};
pub use sum::{Sum, TRAILER, behind, hex, read_behind};

/// Why a folder cannot be opened. Nothing was changed or deleted.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has it: what it is, and where.
    Locked(&'static str, PathBuf),
    /// The folder cannot be used: what it is, where, and why.
    Folder(&'static str, PathBuf, String),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            OpenError::Locked(what, path) => write!(
                f,
                "{}: another process has this {what} open; is gatepost running?",
                path.display()
            ),
            OpenError::Folder(what, path, why) => write!(
                f,
                "{}: the {what}'s folder cannot be used: {why}; it must belong to the user that gatepost runs as",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}

impl OpenError {
    /// What an error of the disk at a path means.
    pub fn of(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> OpenError + use<> {
        let path = path.to_path_buf();
        move |error| OpenError::Folder(what, path, error.to_string())
    }
}

/// A folder that this process has open.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    lock: File,
}

impl Folder {
    /// Opens a folder, or makes it; `what` it is, for people.
    pub fn open(root: &Path, what: &'static str) -> Result<Folder, OpenError> {
        let bad = |path: &Path| OpenError::of(what, path);
        let made = DirBuilder::new().mode(0o700).recursive(true).create(root);
        made.map_err(bad(root))?;
        let mode = std::fs::metadata(root).map_err(bad(root))?.permissions().mode();
        if mode & 0o077 != 0 {
            tracing::warn!(folder = %root.display(), "the {what}'s folder was open to others; now it is not");
            std::fs::set_permissions(root, Permissions::from_mode(0o700)).map_err(bad(root))?;
        }
        let path = root.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(bad(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(std::fs::TryLockError::WouldBlock) => return Err(OpenError::Locked(what, root.into())),
            Err(std::fs::TryLockError::Error(error)) => return Err(bad(&path)(error)),
        }
        let root = root.into();
        Ok(Folder { root, lock })
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Lets another process have it.
    pub fn unlock(&self) {
        // It goes with the process at the latest.
        let _ = self.lock.unlock();
    }
}

/// Makes a folder where there is none.
pub fn make_folder(path: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

/// Makes a file that was not there.
pub fn new_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// Makes what happened to the names in a folder survive a power cut.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Whether there was what something was done with.
pub fn absent(result: io::Result<()>) -> io::Result<bool> {
    match result {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// How a file came into a backup.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Copied {
    /// By a second name: whoever does so must never change what is in it.
    Linked,
    /// By a copy of its own, which is synced.
    Whole,
    /// Not at all: it is gone.
    Gone,
}

/// Puts a file into a backup: by a link where the target is on the same filesystem, else by a copy.
pub fn copy(from: &Path, to: &Path) -> io::Result<Copied> {
    match std::fs::hard_link(from, to) {
        Ok(()) => return Ok(Copied::Linked),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Copied::Gone),
        // Another filesystem, too many links, a filesystem without links, or a rule of the kernel against them.
        Err(_) => {}
    }
    let mut source = match File::open(from) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Copied::Gone),
        Err(error) => return Err(error),
    };
    let mut target = new_file(to)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()?;
    Ok(Copied::Whole)
}

/// Makes the folder of a backup, which must be new or empty, and lie elsewhere than `what` it is of.
pub fn begin_backup(root: &Path, to: &Path, what: &str) -> io::Result<()> {
    let made = DirBuilder::new().mode(0o700).recursive(true).create(to);
    made.map_err(|error| io::Error::new(error.kind(), format!("it cannot be made: {error}")))?;
    if to.canonicalize()?.starts_with(root.canonicalize()?) {
        return Err(io::Error::other(format!("it lies within the {what} itself")));
    }
    if std::fs::read_dir(to)?.next().is_some() {
        return Err(io::Error::other("it is not empty; name a new folder"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_its_owners_and_one_process_has_it() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = dir.path().join("a/b");
        std::fs::create_dir_all(&root).expect("it");
        std::fs::set_permissions(&root, Permissions::from_mode(0o755)).expect("open to all");
        let folder = Folder::open(&root, "shelf").expect("it opens");
        let mode = std::fs::metadata(&root).expect("it").permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        let refused = Folder::open(&root, "shelf").expect_err("it is open already");
        assert_eq!(refused, OpenError::Locked("shelf", root.clone()));
        assert!(refused.to_string().contains("another process has this shelf open"));
        folder.unlock();
        assert!(Folder::open(&root, "shelf").is_ok());
    }

    #[test]
    fn a_backup_has_a_folder_of_its_own_and_what_is_gone_is_no_mistake() {
        let dir = tempfile::tempdir().expect("a folder");
        let (root, to) = (dir.path().join("root"), dir.path().join("to"));
        make_folder(&root).expect("it");
        make_folder(&root).expect("it is there already");
        let within = begin_backup(&root, &root.join("x"), "shelf").expect_err("within");
        assert_eq!(within.to_string(), "it lies within the shelf itself");
        begin_backup(&root, &to, "shelf").expect("a new one");
        std::fs::write(root.join("mail"), b"mail").expect("a file");
        assert_eq!(
            copy(&root.join("mail"), &to.join("mail")).expect("a copy"),
            Copied::Linked
        );
        assert_eq!(copy(&root.join("none"), &to.join("none")).expect("none"), Copied::Gone);
        assert_eq!(std::fs::read(to.join("mail")).expect("it"), b"mail");
        assert!(begin_backup(&root, &to, "shelf").is_err(), "it is not empty");
    }
}
