//! Mail that cannot be read or can end nowhere: set aside with a note why, so that others flow. Everything here blocks.

use std::io::{self, Write};
use std::path::PathBuf;

use gatepost_folder::{absent, new_file};

use super::name::{Entry, WHY};
use super::place::Place;
use super::start::{Found, domains, list};

/// The most octets of a note that are read.
const NOTE_MAX: usize = 1_000;

/// A mail that was set aside.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damaged {
    /// What its name tells.
    pub entry: Entry,
    /// Why.
    pub why: String,
    /// Where it lies.
    pub path: PathBuf,
}

/// Sets a mail aside; whether there was one. The note comes first, then the mail, then what is known of its recipients: a
/// start after a crash finishes that.
pub fn set_aside(place: &Place, entry: &Entry, why: &str) -> io::Result<bool> {
    if place.file(entry)?.symlink_metadata().is_err() {
        return Ok(false);
    }
    let to = place.folder_in(&place.damaged(), &entry.domain)?;
    let note = format!("{}{WHY}", entry.id);
    let tmp = place.tmp().join(&note);
    absent(std::fs::remove_file(&tmp))?;
    let mut file = new_file(&tmp)?;
    writeln!(file, "{why}")?;
    place.sync_file(&file, &tmp)?;
    place.rename(&tmp, &to.join(&note))?;
    let from = place.folder(&entry.domain)?;
    let there = absent(place.rename(&from.join(entry.name()), &to.join(entry.name())))?;
    absent(place.rename(&from.join(entry.state()), &to.join(entry.state())))?;
    place.sync_folder(&to)?;
    place.sync_folder(&place.damaged())?;
    place.sync(&entry.domain)?;
    Ok(there)
}

fn note(path: &std::path::Path) -> String {
    let read = std::fs::File::open(path).and_then(|file| {
        let mut octets = Vec::new();
        io::Read::read_to_end(&mut io::Read::take(file, NOTE_MAX as u64), &mut octets)?;
        Ok(octets)
    });
    read.map_or_else(
        |_| "nobody noted why".into(),
        |octets| String::from_utf8_lossy(&octets).trim_end().to_owned(),
    )
}

/// The mails that were set aside, the oldest first.
pub fn damaged(place: &Place) -> io::Result<Vec<Damaged>> {
    let mut all = Vec::new();
    for (folder, domain) in domains(&place.damaged(), &mut Found::default())? {
        for mail in list(&folder)?.mails {
            let entry = mail.of(&domain);
            let why = note(&folder.join(format!("{}{WHY}", entry.id)));
            let path = folder.join(entry.name());
            all.push(Damaged { entry, why, path });
        }
    }
    all.sort_unstable_by_key(|damaged| damaged.entry.id);
    Ok(all)
}

/// Removes a mail that was set aside; whether there was one.
pub fn remove(place: &Place, entry: &Entry) -> io::Result<bool> {
    let folder = place.folder_in(&place.damaged(), &entry.domain)?;
    let there = place.remove(&folder.join(entry.name()))?;
    place.remove(&folder.join(entry.state()))?;
    place.remove(&folder.join(format!("{}{WHY}", entry.id)))?;
    if there {
        place.sync_folder(&folder)?;
    }
    Ok(there)
}

/// Puts a mail that was set aside back among those that wait; whether there was one.
pub fn put_back(place: &Place, entry: &Entry) -> io::Result<bool> {
    let folder = place.folder_in(&place.damaged(), &entry.domain)?;
    // What is known of its recipients comes first: a mail without that would be sent to all of them again.
    absent(place.rename(&folder.join(entry.state()), &place.state(entry)?))?;
    let there = absent(place.rename(&folder.join(entry.name()), &place.file(entry)?))?;
    place.remove(&folder.join(format!("{}{WHY}", entry.id)))?;
    if there {
        place.sync(&entry.domain)?;
        place.sync_folder(&folder)?;
    }
    Ok(there)
}
