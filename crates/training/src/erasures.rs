//! Erasures that are still to be done: which kept mails are gone while learning may be busy, or down.
//!
//! ```text
//! <folder>/erasures     for each: hash of the kept mail u64  checksum of that u64      (little endian)
//! ```
//!
//! **Invariant:** what [`Erasures::remember`] returned for is found at the next start, until [`Erasures::done`] was told
//! that it is done. No text stands here.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use xxhash_rust::xxh3::xxh3_64;

use crate::segment;

/// The most that wait.
const WAITING_MAX: usize = 1_000_000;
/// Octets of one.
const ONE: usize = 16;

/// The erasures that are still to be done.
pub struct Erasures {
    path: PathBuf,
    /// Each, and whether nobody waits for it: then it is done as soon as somebody looks.
    waiting: Mutex<Vec<(u64, bool)>>,
}

fn octets(kept: u64) -> [u8; ONE] {
    let hash = kept.to_le_bytes();
    let mut all = [0; ONE];
    let both = hash.into_iter().chain(xxh3_64(&hash).to_le_bytes());
    all.iter_mut().zip(both).for_each(|(to, octet)| *to = octet);
    all
}

impl Erasures {
    /// Those that were left in a folder. What is torn or damaged was never answered for, and is passed over.
    pub fn open(folder: &Path) -> io::Result<Erasures> {
        let path = folder.join("erasures");
        let read = match std::fs::read(&path) {
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let whole = read.chunks_exact(ONE).filter_map(|one| {
            let kept = u64::from_le_bytes(*one.first_chunk()?);
            (octets(kept) == one).then_some((kept, true))
        });
        let waiting: Vec<(u64, bool)> = whole.take(WAITING_MAX).collect();
        let erasures = Erasures {
            path,
            waiting: Mutex::new(waiting),
        };
        // What follows must not begin in the midst of what is torn.
        if read.len() % ONE != 0 {
            erasures.done(&[])?;
        }
        Ok(erasures)
    }

    /// Remembers a kept mail until what was learned from it is forgotten; returns when that survives a power cut.
    pub fn remember(&self, kept: u64) -> io::Result<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() >= WAITING_MAX {
            return Err(io::Error::other("too many erasures wait"));
        }
        let new = !self.path.exists();
        let mut options = OpenOptions::new();
        let mut file = options.append(true).create(true).mode(0o600).open(&self.path)?;
        let len = file.metadata()?.len();
        if let Err(error) = file.write_all(&octets(kept)).and_then(|()| file.sync_data()) {
            // What cannot be cut off again is passed over at the next start.
            let _ = file.set_len(len);
            return Err(error);
        }
        if let (true, Some(folder)) = (new, self.path.parent()) {
            segment::sync_folder(folder)?;
        }
        waiting.push((kept, false));
        Ok(())
    }

    /// Nobody waits for it any more.
    pub fn abandon(&self, kept: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let all = waiting.iter_mut().filter(|(other, _)| *other == kept);
        all.for_each(|(_, abandoned)| *abandoned = true);
    }

    /// Those for which nobody waits.
    pub fn abandoned(&self) -> Vec<u64> {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let all = waiting.iter().filter(|(_, abandoned)| *abandoned);
        all.map(|(kept, _)| *kept).collect()
    }

    /// These are done.
    pub fn done(&self, which: &[u64]) -> io::Result<()> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.retain(|(kept, _)| !which.contains(kept));
        match waiting.is_empty() {
            true => match std::fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
            false => {
                let left: Vec<u8> = waiting.iter().flat_map(|(kept, _)| octets(*kept)).collect();
                segment::replace(&self.path, &left)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_found_at_the_next_start_until_it_is_done() {
        let dir = tempfile::tempdir().unwrap();
        let erasures = Erasures::open(dir.path()).unwrap();
        (1..=3).for_each(|kept| erasures.remember(kept).unwrap());
        assert_eq!(erasures.abandoned(), Vec::<u64>::new());
        erasures.abandon(2);
        assert_eq!(erasures.abandoned(), [2]);
        erasures.done(&[2]).unwrap();
        assert_eq!(Erasures::open(dir.path()).unwrap().abandoned(), [1, 3]);
        erasures.done(&[1, 3]).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_torn_end_is_passed_over_and_what_follows_it_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let erasures = Erasures::open(dir.path()).unwrap();
        erasures.remember(7).unwrap();
        let mut torn = std::fs::read(dir.path().join("erasures")).unwrap();
        torn.extend_from_slice(&[1, 2, 3]);
        std::fs::write(dir.path().join("erasures"), torn).unwrap();
        Erasures::open(dir.path()).unwrap().remember(8).unwrap();
        assert_eq!(Erasures::open(dir.path()).unwrap().abandoned(), [7, 8]);
    }
}
