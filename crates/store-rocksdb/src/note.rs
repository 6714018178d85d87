//! What a store's files must at least be, noted beside them: RocksDB takes a list of its files that was cut short for one
//! that ends there, opens without the files that it then does not know of, and removes them.
//!
//! **Invariant:** a note tells of nothing that is not on the disk itself, so that no power cut makes it wrong. A note that
//! is not there, or was itself cut short, tells nothing and is no reason to refuse a store.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Where a store's note is: of the one file that lists the others. It only grows, until another takes its place.
const STORE: &str = "gatepost.note";
/// Where a backup's is: of all its files.
const BACKUP: &str = "gatepost.backup";

/// A file's name and octets.
type Size = (String, u64);

fn parse(note: &str) -> Vec<Size> {
    let size = |line: &str| {
        let (name, octets) = line.split_once(' ')?;
        Some((name.to_owned(), octets.parse().ok()?))
    };
    // Without its end a number may be another one.
    let whole = note.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
    whole.filter_map(size).collect()
}

fn write(folder: &Path, name: &str, sizes: &[Size]) -> io::Result<()> {
    let lines: String = sizes
        .iter()
        .map(|(name, octets)| format!("{name} {octets}\n"))
        .collect();
    let coming = folder.join(format!("{name}.coming"));
    fs::write(&coming, lines)?;
    fs::rename(coming, folder.join(name))
}

/// The file that lists the files of a store.
fn list(folder: &Path) -> io::Result<Size> {
    let name = fs::read_to_string(folder.join("CURRENT"))?.trim_end().to_owned();
    let octets = fs::metadata(folder.join(&name))?.len();
    Ok((name, octets))
}

/// What is wrong with a file that should have so many octets.
fn short(folder: &Path, (name, noted): &Size) -> Option<String> {
    match fs::metadata(folder.join(name)) {
        Ok(file) if file.len() >= *noted => None,
        Ok(file) => Some(format!("its file {name} has {} octets and had {noted}", file.len())),
        Err(error) => Some(format!("its file {name}: {error}")),
    }
}

/// The note of an open store, kept up to date.
#[derive(Default)]
pub struct Note(Mutex<Option<Size>>);

impl Note {
    /// Notes what the store is by now; blocks.
    pub fn take(&self, folder: &Path) -> io::Result<()> {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = list(folder)?;
        if noted.as_ref() != Some(&now) {
            File::open(folder.join(&now.0))?.sync_all()?;
            write(folder, STORE, std::slice::from_ref(&now))?;
            *noted = Some(now);
        }
        Ok(())
    }
}

/// What is wrong with a store by its note.
pub fn wrong(folder: &Path) -> Option<String> {
    let noted = parse(&fs::read_to_string(folder.join(STORE)).ok()?);
    let current = fs::read_to_string(folder.join("CURRENT")).ok()?;
    // Another list took the place of the noted one, which then may be gone.
    let mut lists = noted.iter().filter(|(name, _)| *name == current.trim_end());
    lists.find_map(|size| short(folder, size))
}

/// Notes what a backup is, which never changes.
pub fn take_of_backup(folder: &Path) -> io::Result<()> {
    let mut sizes = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        sizes.push((file.file_name().to_string_lossy().into_owned(), file.metadata()?.len()));
    }
    write(folder, BACKUP, &sizes)?;
    File::open(folder.join(BACKUP))?.sync_all()
}

/// What is wrong with a backup by its note.
pub fn wrong_with_backup(folder: &Path) -> Option<String> {
    let noted = parse(&fs::read_to_string(folder.join(BACKUP)).ok()?);
    noted.iter().find_map(|size| short(folder, size))
}

/// Whether a file is a note of a backup, which is not a part of the store in it.
pub fn is_of_backup(name: &std::ffi::OsStr) -> bool {
    name == BACKUP
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_shrank_is_told_and_one_that_grew_or_was_replaced_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, note) = (dir.path(), Note::default());
        assert!(
            note.take(folder).is_err() && wrong(folder).is_none(),
            "there is nothing yet"
        );
        let put = |name: &str, text: &str| fs::write(folder.join(name), text).unwrap();
        put("CURRENT", "MANIFEST-000005\n");
        put("MANIFEST-000005", "0123456789");
        note.take(folder).unwrap();
        assert_eq!(wrong(folder), None);
        put("MANIFEST-000005", "012345678");
        let why = wrong(folder).unwrap();
        assert_eq!(why, "its file MANIFEST-000005 has 9 octets and had 10");
        put("MANIFEST-000005", "0123456789ab");
        assert_eq!(wrong(folder), None);
        put("CURRENT", "MANIFEST-000009\n");
        assert_eq!(wrong(folder), None);
        for cut in [
            "",
            "MANIFEST-000009",
            "MANIFEST-000009 99",
            "MANIFEST-000009 x\n",
            "\u{0}\u{0}\n",
        ] {
            put(STORE, cut);
            assert_eq!(wrong(folder), None, "{cut:?}");
        }
        put(STORE, "MANIFEST-000009 99\n");
        assert!(wrong(folder).is_some(), "the list itself is gone");
    }
}
