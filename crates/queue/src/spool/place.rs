//! The folder of waiting mail: where files lie, how they come there and how they go. Everything here blocks.
//!
//! ```text
//! <folder>/lock                  held while the spool is open
//! <folder>/tmp/<id>              being written; removed at the next start
//! <folder>/mail/<domain>/<mail>  mail that waits, see `name.rs`
//! <folder>/damaged/<domain>/..   mail that was set aside, and beside it why
//! ```
//!
//! **Invariant:** folders are 0700 and files 0600. A mail's file is written as `tmp/<id>` and gets its name when it is
//! whole, so a killed process leaves no part of one under a name; its content is never changed afterwards, so hard links to
//! it are safe. The name comes before the content is synced, which saves one of two turns of the disk: after a power cut a
//! name may lead to a part of a mail, but only of one that nobody was told of, and its checksum tells.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatepost_core::Edited;
use gatepost_folder::{Folder, OpenError, PIECE, TRAILER, absent, behind, make_folder, new_file, sync_folder};

use super::form;
use super::name::{self, Entry};
use super::settings::{Step, Steps};

/// What it is, for people.
pub const WHAT: &str = "queue";

/// The folder of waiting mail.
pub struct Place {
    folder: Folder,
    steps: Option<Steps>,
    /// Folders of domains whose own name survives a power cut; as many as had waiting mail since the start.
    durable: Mutex<HashSet<PathBuf>>,
}

impl Place {
    /// Opens the folder, or makes it.
    pub fn open(root: &Path, steps: Option<Steps>) -> Result<Place, OpenError> {
        let bad = |path: &Path| OpenError::of(WHAT, path);
        let place = Place {
            folder: Folder::open(root, WHAT)?,
            steps,
            durable: Mutex::default(),
        };
        for folder in [place.tmp(), place.mails(), place.damaged()] {
            make_folder(&folder).map_err(bad(&folder))?;
        }
        place.sync_folder(root).map_err(bad(root))?;
        // The folder's own name. Where we may not read the folder above, somebody else made this one.
        let whole = root.canonicalize().map_err(bad(root))?;
        match whole.parent().map_or(Ok(()), |above| place.sync_folder(above)) {
            Err(error) if error.kind() != ErrorKind::PermissionDenied => return Err(bad(root)(error)),
            _ => {}
        }
        Ok(place)
    }

    /// Lets another process have the folder.
    pub fn unlock(&self) {
        self.folder.unlock();
    }

    fn step(&self, step: Step, path: &Path) -> io::Result<()> {
        self.steps.as_ref().map_or(Ok(()), |steps| steps(step, path))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.folder.root()
    }

    /// Where files are written.
    pub fn tmp(&self) -> PathBuf {
        self.root().join("tmp")
    }

    /// Where the folders of domains lie.
    pub fn mails(&self) -> PathBuf {
        self.root().join("mail")
    }

    /// Where mail lies that was set aside.
    pub fn damaged(&self) -> PathBuf {
        self.root().join("damaged")
    }

    /// The folder of a domain below another one.
    pub fn folder_in(&self, parent: &Path, domain: &str) -> io::Result<PathBuf> {
        let name = name::folder(domain).ok_or(ErrorKind::InvalidFilename)?;
        Ok(parent.join(name))
    }

    /// The folder of the mails of a domain.
    pub fn folder(&self, domain: &str) -> io::Result<PathBuf> {
        self.folder_in(&self.mails(), domain)
    }

    /// The file of a mail.
    pub fn file(&self, entry: &Entry) -> io::Result<PathBuf> {
        Ok(self.folder(&entry.domain)?.join(entry.name()))
    }

    /// The file that tells which recipients of a mail are done.
    pub fn state(&self, entry: &Entry) -> io::Result<PathBuf> {
        Ok(self.folder(&entry.domain)?.join(entry.state()))
    }

    /// Octets of the disk that are free for us.
    pub fn free(&self) -> io::Result<u64> {
        let disk = rustix::fs::statvfs(self.root())?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }

    fn new_file(&self, path: &Path) -> io::Result<File> {
        self.step(Step::Write, path)?;
        new_file(path)
    }

    /// Where a mail is written.
    pub fn written(&self, entry: &Entry) -> PathBuf {
        self.tmp().join(entry.id.to_string())
    }

    /// Writes a mail where mails are written; nothing is synced.
    pub fn write(&self, entry: &Entry, before: &[u8], message: &Edited) -> io::Result<File> {
        // A small mail is written at once, from a place of its own size.
        let whole = usize::try_from(entry.size).map_or(PIECE, |size| size.saturating_add(before.len() + TRAILER));
        let mut out = BufWriter::with_capacity(whole.min(PIECE), self.new_file(&self.written(entry))?);
        out.write_all(before)?;
        let mut sum = form::new_sum();
        if let Some(body) = message.body().whole() {
            let pieces: [&[u8]; 3] = [message.prefix(), message.head(), body];
            for piece in pieces {
                sum.add(piece);
                out.write_all(piece)?;
            }
        } else {
            let mut reader = message.read();
            let (mut piece, mut left) = (vec![0; PIECE], entry.size);
            loop {
                let n = reader.read(&mut piece)?;
                let got = piece.get(..n).unwrap_or_default();
                if got.is_empty() {
                    break;
                }
                left = left.checked_sub(n as u64).ok_or(ErrorKind::InvalidData)?;
                sum.add(got);
                out.write_all(got)?;
            }
            if left > 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
        }
        out.write_all(&behind(sum.get()))?;
        out.flush()?;
        // Whatever is still in the buffer after an error is not written by dropping it.
        Ok(out.into_parts().0)
    }

    /// Writes which recipients are done where mails are written.
    pub fn write_state(&self, entry: &Entry, octets: &[u8]) -> io::Result<File> {
        let path = self.tmp().join(entry.state());
        absent(std::fs::remove_file(&path))?;
        let mut file = self.new_file(&path)?;
        file.write_all(octets)?;
        Ok(file)
    }

    /// Asks the disk to begin writing a file, without waiting for it: of several that are synced one after the other, the
    /// first then waits for all.
    pub fn begin(&self, file: &File) {
        // It writes dirty pages and then gives up clean ones; nobody reads this mail soon. A hint that is not taken costs
        // time only.
        let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    }

    /// Makes the content of a file survive a power cut.
    pub fn sync_file(&self, file: &File, path: &Path) -> io::Result<()> {
        self.step(Step::SyncFile, path)?;
        file.sync_data()
    }

    /// Makes the names in a folder survive a power cut.
    pub fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step(Step::SyncFolder, path)?;
        sync_folder(path)
    }

    /// Gives a file another name, and makes the folder for it where there is none.
    pub fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step(Step::Name, to)?;
        match std::fs::rename(from, to) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            renamed => return renamed,
        }
        let Some(folder) = to.parent().filter(|_| from.symlink_metadata().is_ok()) else {
            return Err(ErrorKind::NotFound.into());
        };
        self.step(Step::MakeFolder, folder)?;
        // Were it there once, somebody removed it.
        self.durable().remove(folder);
        make_folder(folder)?;
        std::fs::rename(from, to)
    }

    /// Gives a written mail its name.
    pub fn name(&self, entry: &Entry) -> io::Result<()> {
        self.rename(&self.written(entry), &self.file(entry)?)
    }

    /// Gives what was written about the recipients of a mail its name.
    pub fn name_state(&self, entry: &Entry) -> io::Result<()> {
        self.rename(&self.tmp().join(entry.state()), &self.state(entry)?)
    }

    /// Makes the names of the mails of a domain survive a power cut, and the name of its folder, whoever made it.
    pub fn sync(&self, domain: &str) -> io::Result<()> {
        let folder = self.folder(domain)?;
        self.sync_folder(&folder)?;
        if self.durable().contains(&folder) {
            return Ok(());
        }
        self.sync_folder(&self.mails())?;
        self.durable().insert(folder);
        Ok(())
    }

    fn durable(&self) -> MutexGuard<'_, HashSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes a file; whether there was one.
    pub fn remove(&self, path: &Path) -> io::Result<bool> {
        self.step(Step::Remove, path)?;
        absent(std::fs::remove_file(path))
    }

    /// Removes a mail; whether there was one. What tells of its recipients goes after it: a mail without that would be sent
    /// to all of them again.
    pub fn unlink(&self, entry: &Entry) -> io::Result<bool> {
        let there = self.remove(&self.file(entry)?)?;
        self.remove(&self.state(entry)?)?;
        Ok(there)
    }
}
