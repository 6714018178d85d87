//! The features of mail that was delivered, for some days, so that a report by reference can be learned without the mail.
//!
//! ```text
//! <folder>/<day since the epoch>-<part>.recent     frames of one day, in parts
//! ```
//!
//! **Invariants:** files of a day go when the day is over the age, and the oldest go when there are too many octets; what
//! is gone is gone from the disk. Nothing here is the only copy of anything: what a power cut takes is not missed, and a
//! damaged frame is as if it had never been. No text of a mail stands here.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::entry::{self, Head, Line, Named};
use crate::segment;
use crate::settings::DAY;

/// A part of a day that has grown beyond this is followed by another.
const PART: u64 = 32 << 20;
/// The most ids that are known, whatever the octets are.
const IDS: usize = 4_000_000;

/// Day, and part of the day.
type Name = (u64, u32);

/// What is remembered of delivered mail.
pub struct Recent {
    folder: PathBuf,
    files: BTreeMap<Name, u64>,
    open: Option<(Name, File)>,
    /// Where the mail with an id lies.
    places: HashMap<u64, (Name, u64, u32)>,
}

impl Recent {
    /// What is remembered in a folder.
    pub fn open(folder: &Path) -> io::Result<Recent> {
        segment::make_folder(folder)?;
        segment::remove_unfinished(folder)?;
        let mut recent = Recent {
            folder: folder.into(),
            files: BTreeMap::new(),
            open: None,
            places: HashMap::new(),
        };
        let mut names = Vec::new();
        for found in std::fs::read_dir(folder)? {
            let name = found?.file_name();
            let name = name.to_str().and_then(|name| {
                let (day, part) = name.strip_suffix(".recent")?.split_once('-')?;
                Some((day.parse().ok()?, part.parse().ok()?))
            });
            names.extend(name);
        }
        names.sort_unstable();
        for name in names {
            let bytes = std::fs::read(recent.path(name))?;
            let contents = segment::read(&bytes);
            if contents.end < bytes.len() {
                let file = OpenOptions::new().write(true).open(recent.path(name))?;
                file.set_len(contents.end as u64)?;
            }
            recent.files.insert(name, contents.end as u64);
            for placed in contents.lines {
                if let Line::Remembered(_, ids) = placed.line {
                    recent.place(&ids, (name, placed.at as u64, placed.len as u32));
                }
            }
        }
        Ok(recent)
    }

    fn path(&self, (day, part): Name) -> PathBuf {
        self.folder.join(format!("{day}-{part}.recent"))
    }

    fn place(&mut self, ids: &[u64], at: (Name, u64, u32)) {
        for id in ids {
            if self.places.len() < IDS || self.places.contains_key(id) {
                self.places.insert(*id, at);
            }
        }
    }

    /// Remembers a mail by some ids. What it said of the sequence does not matter.
    pub fn add(&mut self, head: Head, ids: Vec<u64>, body: &[u8]) -> io::Result<()> {
        let day = head.at / DAY;
        let newest = self.files.range((day, 0)..=(day, u32::MAX)).next_back();
        let name = match newest {
            Some(((_, part), len)) if *len >= PART => (day, part + 1),
            Some((name, _)) => *name,
            None => (day, 0),
        };
        let mut out = Vec::with_capacity(body.len() + 256);
        let line = Line::Remembered(head, ids);
        entry::write(&mut out, &line, body);
        let at = self.files.get(&name).copied().unwrap_or_default();
        let open = self.open.take().filter(|(open, _)| *open == name);
        let mut file = match open {
            Some((_, file)) => file,
            None => {
                let mut options = OpenOptions::new();
                options.append(true).create(true).mode(0o600).open(self.path(name))?
            }
        };
        if let Err(error) = file.write_all(&out) {
            // A torn frame would hide nothing, but what follows it would lie elsewhere than is thought.
            file.set_len(at)?;
            return Err(error);
        }
        self.open = Some((name, file));
        self.files.insert(name, at + out.len() as u64);
        if let Line::Remembered(_, ids) = &line {
            self.place(ids, (name, at, out.len() as u32));
        }
        Ok(())
    }

    /// What is remembered of the mail with an id.
    pub fn find(&self, id: u64) -> io::Result<Option<(Head, Named)>> {
        let Some((name, at, len)) = self.places.get(&id) else {
            return Ok(None);
        };
        let mut bytes = vec![0; *len as usize];
        File::open(self.path(*name))?.read_exact_at(&mut bytes, *at)?;
        let Some(framed) = entry::read(&bytes) else {
            return Ok(None);
        };
        let features = entry::read_features(framed.body);
        Ok(match (framed.line, features) {
            (Line::Remembered(head, ids), Some(features)) if ids.contains(&id) => Some((head, features)),
            _ => None,
        })
    }

    /// Forgets the mail with an id; its features are gone from the disk. Whether there was one.
    pub fn forget(&mut self, id: u64) -> io::Result<bool> {
        let Some((name, at, len)) = self.places.get(&id).copied() else {
            return Ok(false);
        };
        let path = self.path(name);
        let bytes = std::fs::read(&path)?;
        let (start, end) = (at as usize, at as usize + len as usize);
        let mut kept = bytes.get(..start).unwrap_or_default().to_vec();
        kept.extend_from_slice(bytes.get(end..).unwrap_or_default());
        self.open.take_if(|(open, _)| *open == name);
        segment::replace(&path, &kept)?;
        self.files.insert(name, kept.len() as u64);
        self.places.retain(|_, (file, place, _)| *file != name || *place != at);
        for (file, place, _) in self.places.values_mut() {
            if *file == name && *place > at {
                *place -= u64::from(len);
            }
        }
        Ok(true)
    }

    /// Removes what is older than so many days, and the oldest beyond so many octets. What is dated further in the future
    /// than that goes, too: it would stay for longer than anybody was told.
    pub fn sweep(&mut self, now: u64, days: u32, bytes: u64) -> io::Result<()> {
        let oldest = (now / DAY).saturating_sub(days.into());
        let youngest = (now / DAY).saturating_add(days.into());
        let ahead = (
            std::ops::Bound::Excluded((youngest, u32::MAX)),
            std::ops::Bound::Unbounded,
        );
        let ahead: Vec<Name> = self.files.range(ahead).map(|(name, _)| *name).collect();
        for name in ahead {
            self.remove(name)?;
        }
        let mut total: u64 = self.files.values().sum();
        while let Some((name, len)) = self.files.first_key_value() {
            let (name, len) = (*name, *len);
            if name.0 >= oldest && total <= bytes && days > 0 {
                break;
            }
            self.remove(name)?;
            total -= len;
        }
        Ok(())
    }

    fn remove(&mut self, name: Name) -> io::Result<()> {
        self.open.take_if(|(open, _)| *open == name);
        std::fs::remove_file(self.path(name))?;
        self.files.remove(&name);
        self.places.retain(|_, (file, ..)| *file != name);
        Ok(())
    }

    /// Octets on the disk.
    pub fn bytes(&self) -> u64 {
        self.files.values().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{SKETCH, Sources, write_features};
    use gatepost_core::{Features, Ground, Label};

    fn head(at: u64, identity: u64) -> Head {
        Head {
            sequence: 0,
            at,
            label: Label::Ham,
            ground: Ground::Person,
            by: "".into(),
            domain: Some("d.example".into()),
            weight: 0,
            identity,
            kept: 0,
            sources: Sources::default(),
            sketch: [0; SKETCH],
        }
    }

    fn named(n: u64) -> Named {
        let hashes = (0..200).map(|k| k * n).collect();
        vec![("one".into(), Features { extractor: 1, hashes })]
    }

    fn add(recent: &mut Recent, day: u64, n: u64) {
        let body = write_features(&named(n));
        recent.add(head(day * DAY, n), vec![n, n + 1_000], &body).unwrap();
    }

    fn found(recent: &Recent, id: u64) -> Option<Named> {
        recent.find(id).unwrap().map(|(_, features)| features)
    }

    #[test]
    fn a_mail_is_found_by_each_of_its_ids_also_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut recent = Recent::open(dir.path()).unwrap();
        (1..9).for_each(|n| add(&mut recent, n / 3, n));
        assert_eq!(found(&recent, 5), Some(named(5)));
        drop(recent);
        let recent = Recent::open(dir.path()).unwrap();
        assert_eq!(found(&recent, 1_008), Some(named(8)));
        assert_eq!(found(&recent, 99), None);
    }

    #[test]
    fn what_is_too_old_or_too_much_is_gone_from_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let mut recent = Recent::open(dir.path()).unwrap();
        (1..=10).for_each(|n| add(&mut recent, n, n));
        recent.sweep(10 * DAY + 5, 7, u64::MAX).unwrap();
        assert_eq!((found(&recent, 2), found(&recent, 3)), (None, Some(named(3))));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 8);
        let half = recent.bytes() / 2;
        recent.sweep(10 * DAY, 7, half).unwrap();
        assert!(recent.bytes() <= half);
        assert_eq!((found(&recent, 4), found(&recent, 10)), (None, Some(named(10))));
        recent.sweep(10 * DAY, 0, u64::MAX).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_is_dated_far_in_the_future_goes_and_nothing_else_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut recent = Recent::open(dir.path()).unwrap();
        (1..=3).for_each(|n| add(&mut recent, 10, n));
        add(&mut recent, 9_000, 4);
        recent.sweep(10 * DAY, 7, u64::MAX).unwrap();
        assert_eq!((found(&recent, 3), found(&recent, 4)), (Some(named(3)), None));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_erased_mail_is_gone_and_the_others_are_found_where_they_lie_then() {
        let dir = tempfile::tempdir().unwrap();
        let mut recent = Recent::open(dir.path()).unwrap();
        (1..=5).for_each(|n| add(&mut recent, 1, n));
        assert!(recent.forget(1_003).unwrap() && !recent.forget(3).unwrap());
        add(&mut recent, 1, 6);
        for recent in [&recent, &Recent::open(dir.path()).unwrap()] {
            let found: Vec<u64> = (1..=6).filter(|n| found(recent, *n) == Some(named(*n))).collect();
            assert_eq!(found, [1, 2, 4, 5, 6]);
        }
    }
}
