//! The folder of kept mail: where files lie, how they come there and how they go. Everything here blocks.
//!
//! ```text
//! <folder>/lock            held while an archive is open
//! <folder>/clean           the last close was clean; its content is also in the store
//! <folder>/tmp/<id>        being written; removed at the next start
//! <folder>/<shard>/<id>    one kept mail; a shard is nine hours and a quarter
//! ```
//!
//! **Invariant:** folders are 0700 and files 0600. What bears its own name is whole: a file is written as `tmp/<id>` and
//! then renamed, and never changed where it lies, so hard links to it are safe. Only checked ids become paths.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gatepost_core::{KeptId, Message};
use gatepost_folder::{Folder, OpenError, PIECE, absent, make_folder, new_file, sync_folder};

use crate::{form, id};

/// What it is, for people.
const WHAT: &str = "archive";
/// The most folders of which is remembered that their own names survive a power cut.
const DURABLE_MAX: usize = 64;
/// How often a folder is made again that a sweep has just removed as empty.
const FOLDER_TRIES: usize = 3;

/// The folder of kept mail.
#[derive(Debug)]
pub struct Place {
    folder: Folder,
    /// Folders of mails whose own names survive a power cut: those of the last days.
    durable: Mutex<BTreeSet<PathBuf>>,
}

/// What was found when a folder was opened.
#[derive(Debug)]
pub struct Found {
    /// What the last clean close left.
    pub token: Option<String>,
    /// Files that were being written when the last process ended; they are removed.
    pub temporary: u64,
}

/// Names in a folder, sorted.
#[derive(Default, Debug)]
pub struct Names {
    /// Those that are ours.
    pub ours: Vec<String>,
    /// Others, as paths.
    pub strange: Vec<PathBuf>,
}

impl Place {
    /// Opens the folder, or makes it, and removes what was being written when the last process ended.
    pub fn open(root: &Path) -> Result<(Place, Found), OpenError> {
        let bad = |path: &Path| OpenError::of(WHAT, path);
        let place = Place {
            folder: Folder::open(root, WHAT)?,
            durable: Mutex::default(),
        };
        let tmp = place.tmp();
        make_folder(&tmp).map_err(bad(&tmp))?;
        let temporary = place.empty_tmp().map_err(bad(&tmp))?;
        let token = place.take_token().map_err(bad(root))?;
        sync_folder(root).map_err(bad(root))?;
        Ok((place, Found { token, temporary }))
    }

    /// The folder.
    pub fn root(&self) -> &Path {
        self.folder.root()
    }

    fn tmp(&self) -> PathBuf {
        self.root().join("tmp")
    }

    /// The folder of a mail. The id is a checked one.
    pub fn folder(&self, id: &KeptId) -> PathBuf {
        self.root().join(id::shard(&id.0))
    }

    /// The file of a mail. The id is a checked one.
    pub fn file(&self, id: &KeptId) -> PathBuf {
        self.folder(id).join(&*id.0)
    }

    fn empty_tmp(&self) -> io::Result<u64> {
        let mut removed = 0;
        for entry in std::fs::read_dir(self.tmp())? {
            let entry = entry?;
            // Only what is named as we name things: what somebody put there is not ours to delete.
            if entry.file_name().to_str().is_some_and(id::valid) {
                std::fs::remove_file(entry.path())?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    fn take_token(&self) -> io::Result<Option<String>> {
        let path = self.root().join("clean");
        let token = match File::open(&path) {
            Ok(file) => {
                let mut token = String::new();
                // What is no text is no token.
                let read = file.take(100).read_to_string(&mut token);
                read.is_ok().then_some(token)
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        std::fs::remove_file(path)?;
        Ok(token)
    }

    /// Says that the folder is left in order.
    pub fn put_token(&self, token: &str) -> io::Result<()> {
        let tmp = self.tmp().join("clean");
        absent(std::fs::remove_file(&tmp))?;
        let mut file = new_file(&tmp)?;
        file.write_all(token.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(tmp, self.root().join("clean"))?;
        sync_folder(self.root())
    }

    /// Writes a mail as `tmp/<id>`; on an error nothing is left of it.
    pub fn write(&self, id: &KeptId, before: &[u8], message: &Message, durable: bool) -> io::Result<()> {
        self.write_with(id, durable, |out| {
            out.write_all(before)?;
            let mut sum = form::new_sum();
            let mut reader = message.read();
            let (mut piece, mut left) = (vec![0; PIECE], message.len());
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
            out.write_all(&gatepost_folder::behind(sum.get()))
        })
    }

    /// Writes a mail anew as `tmp/<id>`, with another head and the octets from `start` on of the file that there is.
    pub fn rewrite(&self, id: &KeptId, before: &[u8], mut old: File, start: u64) -> io::Result<()> {
        io::Seek::seek(&mut old, io::SeekFrom::Start(start))?;
        self.write_with(id, true, |out| {
            out.write_all(before)?;
            io::copy(&mut old, out).map(drop)
        })
    }

    fn write_with(
        &self,
        id: &KeptId,
        durable: bool,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> io::Result<()> {
        let path = self.tmp().join(&*id.0);
        let mut out = BufWriter::with_capacity(PIECE, new_file(&path)?);
        let written = write(&mut out).and_then(|()| out.flush());
        // Whatever is still in the buffer is not written by dropping it.
        let (file, _) = out.into_parts();
        let synced = written.and_then(|()| if durable { file.sync_data() } else { Ok(()) });
        if synced.is_err() {
            self.drop_tmp(id);
        }
        synced
    }

    /// Removes `tmp/<id>`.
    pub fn drop_tmp(&self, id: &KeptId) {
        if let Err(error) = absent(std::fs::remove_file(self.tmp().join(&*id.0))) {
            tracing::warn!(%id, %error, "a temporary file of the archive stays until the next start");
        }
    }

    /// Gives `tmp/<id>` its own name; a mail that is there already is only replaced if `replace` says so.
    pub fn settle(&self, id: &KeptId, replace: bool) -> io::Result<()> {
        let (tmp, file) = (self.tmp().join(&*id.0), self.file(id));
        if !replace && file.symlink_metadata().is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        for _ in 0..FOLDER_TRIES {
            match std::fs::rename(&tmp, &file) {
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    let folder = self.folder(id);
                    self.durable().remove(&folder);
                    make_folder(&folder)?;
                }
                renamed => return renamed,
            }
        }
        Err(ErrorKind::NotFound.into())
    }

    fn durable(&self) -> std::sync::MutexGuard<'_, BTreeSet<PathBuf>> {
        self.durable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the names in a folder of mails survive a power cut, and its own name, whoever made it.
    pub fn sync(&self, folder: &Path) -> io::Result<()> {
        sync_folder(folder)?;
        if self.durable().contains(folder) {
            return Ok(());
        }
        sync_folder(self.root())?;
        let mut durable = self.durable();
        if durable.len() >= DURABLE_MAX {
            durable.clear();
        }
        durable.insert(folder.into());
        Ok(())
    }

    /// Removes the file of a mail; whether there was one.
    pub fn unlink(&self, id: &KeptId) -> io::Result<bool> {
        absent(std::fs::remove_file(self.file(id)))
    }

    /// Whether there is a file of a mail.
    pub fn is_there(&self, id: &KeptId) -> bool {
        self.file(id).symlink_metadata().is_ok()
    }

    /// The folders of mails, and what else lies beside them.
    pub fn shards(&self) -> io::Result<Names> {
        let mut names = Names::default();
        for entry in std::fs::read_dir(self.root())? {
            let entry = entry?;
            match entry.file_name().to_str() {
                Some("lock" | "clean" | "tmp") => {}
                Some(name) if id::valid_shard(name) && entry.file_type()?.is_dir() => names.ours.push(name.into()),
                _ => names.strange.push(entry.path()),
            }
        }
        names.ours.sort_unstable();
        Ok(names)
    }

    /// The mails of a folder, and what else lies there.
    pub fn mails(&self, shard: &str) -> io::Result<Names> {
        let mut names = Names::default();
        let entries = match std::fs::read_dir(self.root().join(shard)) {
            Ok(entries) => entries,
            // A sweep has just removed it.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(names),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            match entry.file_name().to_str() {
                Some(name) if id::valid(name) && id::shard(name) == shard && entry.file_type()?.is_file() => {
                    names.ours.push(name.into());
                }
                _ => names.strange.push(entry.path()),
            }
        }
        names.ours.sort_unstable();
        Ok(names)
    }

    /// Removes the folders before `shard` in which nothing lies any more.
    pub fn drop_empty_before(&self, shard: &str) -> io::Result<()> {
        for name in self.shards()?.ours {
            if name.as_str() < shard {
                // What is not empty stays: that is the answer, not a mistake.
                let _ = std::fs::remove_dir(self.root().join(name));
            }
        }
        Ok(())
    }
}
