//! What lies in the folder when a spool is opened. Folders are read and no file, so a hundred thousand mails are found in a
//! fraction of a second.
//!
//! **Invariant:** only what is named as we name things is taken for ours; whatever else lies there is told and left alone.

use std::fs::DirEntry;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::id::Id;
use super::name::{self, Entry, Mail, STATE, WHY};
use super::place::Place;

/// The most strange files that are told by name.
const STRANGE_MAX: usize = 100;

/// The mails that wait for a domain.
#[derive(Debug)]
pub struct Line {
    /// The domain, in lower case.
    pub domain: Arc<str>,
    /// The oldest first.
    pub mails: Vec<Mail>,
}

/// What was found when a spool was opened.
#[derive(Debug, Default)]
pub struct Found {
    /// Mails that wait, by their domains; the domain of the oldest mail first.
    pub lines: Vec<Line>,
    /// How many mails wait.
    pub mails: u64,
    /// How many were set aside before.
    pub damaged: u64,
    /// What is not ours, the first hundred; nothing of it was touched.
    pub strange: Vec<PathBuf>,
    /// How many things are not ours.
    pub strangers: u64,
    /// Files that were being written when the last process ended; they are removed.
    pub temporary: u64,
}

impl Found {
    /// All mails that wait, the oldest first. Of many this takes much memory.
    pub fn entries(&self) -> Vec<Entry> {
        let of = |line: &Line| -> Vec<Entry> { line.mails.iter().map(|mail| mail.of(&line.domain)).collect() };
        let mut entries: Vec<Entry> = self.lines.iter().flat_map(of).collect();
        entries.sort_unstable_by_key(|entry| entry.id);
        entries
    }

    fn strange(&mut self, path: PathBuf) {
        self.strangers += 1;
        if self.strange.len() < STRANGE_MAX {
            self.strange.push(path);
        }
    }
}

/// The id of a file that belongs to a mail.
fn beside(name: &str, end: &str) -> Option<Id> {
    name.strip_suffix(end).and_then(Id::parse)
}

/// The domain of a folder of mails.
fn domain_of(folder: &DirEntry) -> io::Result<Option<Arc<str>>> {
    let name = folder.file_name();
    let domain = name.to_str().and_then(name::domain);
    Ok(domain
        .filter(|_| folder.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(Arc::from))
}

/// What lies in the folder of a domain.
#[derive(Default)]
pub(super) struct Listed {
    pub mails: Vec<Mail>,
    pub states: Vec<Id>,
    pub whys: Vec<Id>,
    pub strange: Vec<PathBuf>,
}

/// Reads the folder of a domain. Its mails are sorted.
pub(super) fn list(folder: &Path) -> io::Result<Listed> {
    let mut listed = Listed::default();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let is_file = entry.file_type()?.is_file();
        let name = name.to_str().filter(|_| is_file).unwrap_or_default();
        if let Some(mail) = Mail::parse(name) {
            listed.mails.push(mail);
        } else if let Some(id) = beside(name, STATE) {
            listed.states.push(id);
        } else if let Some(id) = beside(name, WHY) {
            listed.whys.push(id);
        } else {
            listed.strange.push(entry.path());
        }
    }
    listed.mails.sort_unstable_by_key(|mail| mail.id);
    Ok(listed)
}

fn has(mails: &[Mail], id: Id) -> bool {
    mails.binary_search_by_key(&id, |mail| mail.id).is_ok()
}

/// Removes what was being written when the last process ended.
fn empty_tmp(place: &Place, found: &mut Found) -> io::Result<()> {
    for entry in std::fs::read_dir(place.tmp())? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_str().unwrap_or_default();
        // Only what is named as we name things: what somebody put there is not ours to delete.
        if Id::parse(name).or(beside(name, STATE)).or(beside(name, WHY)).is_some() {
            std::fs::remove_file(entry.path())?;
            found.temporary += 1;
        } else {
            found.strange(entry.path());
        }
    }
    Ok(())
}

/// The domains that have a folder below another one.
pub(super) fn domains(parent: &Path, found: &mut Found) -> io::Result<Vec<(PathBuf, Arc<str>)>> {
    let mut domains = Vec::new();
    for entry in std::fs::read_dir(parent)? {
        let entry = entry?;
        match domain_of(&entry)? {
            Some(domain) => domains.push((entry.path(), domain)),
            None => found.strange(entry.path()),
        }
    }
    Ok(domains)
}

/// Looks at everything, ends what a crash left half done, and tells the last id that there is.
pub fn start(place: &Place) -> io::Result<(Found, Id)> {
    let mut found = Found::default();
    let mut last = Id::FIRST;
    for entry in std::fs::read_dir(place.root())? {
        let entry = entry?;
        let known = ["lock", "tmp", "mail", "damaged"];
        if !known.iter().any(|name| entry.file_name() == *name) {
            found.strange(entry.path());
        }
    }
    empty_tmp(place, &mut found)?;
    for (folder, _) in domains(&place.damaged(), &mut found)? {
        let listed = list(&folder)?;
        last = listed.mails.last().map_or(last, |mail| mail.id.max(last));
        found.damaged += listed.mails.len() as u64;
        listed.strange.into_iter().for_each(|path| found.strange(path));
    }
    for (folder, domain) in domains(&place.mails(), &mut found)? {
        let mut listed = list(&folder)?;
        let damaged = place.folder_in(&place.damaged(), &domain)?;
        for id in &listed.states {
            if has(&listed.mails, *id) {
                continue;
            }
            // Its mail is gone, or was just being set aside.
            let name = format!("{id}{STATE}");
            let set_aside = damaged.is_dir() && has(&list(&damaged)?.mails, *id);
            if set_aside {
                std::fs::rename(folder.join(&name), damaged.join(&name))?;
            } else {
                std::fs::remove_file(folder.join(&name))?;
                found.temporary += 1;
            }
        }
        let strange = listed.whys.iter().map(|id| folder.join(format!("{id}{WHY}")));
        strange.chain(listed.strange).for_each(|path| found.strange(path));
        // Two names of one mail are nobody's doing here: one of them was put there.
        listed.mails.dedup_by(|twice, first| {
            let same = twice.id == first.id;
            if same {
                found.strange(folder.join(twice.of(&domain).name()));
            }
            same
        });
        last = listed.mails.last().map_or(last, |mail| mail.id.max(last));
        if listed.mails.is_empty() {
            // What is not empty stays: that is the answer, not a mistake.
            let _ = std::fs::remove_dir(&folder);
            continue;
        }
        found.mails += listed.mails.len() as u64;
        listed.mails.shrink_to_fit();
        let mails = listed.mails;
        found.lines.push(Line { domain, mails });
    }
    let oldest = |line: &Line| line.mails.first().map(|mail| mail.id);
    found.lines.sort_unstable_by_key(oldest);
    Ok((found, last))
}
