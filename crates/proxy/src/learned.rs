//! Copying what the classifiers learned: the versions of the models and the sample log, also while they learn.
//!
//! **Invariant:** of the log a copy has at least what its versions stand on: versions first, and all of it again where a file
//! came, went or was replaced meanwhile. What grew at its end meanwhile may be cut off anywhere, as after a power cut.
//! **Absent on purpose:** what is remembered of delivered mail, which is of use for a week.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::wiring::private;

/// What is copied, in this order.
const PARTS: [&str; 2] = ["versions", "samples"];
/// How often it is tried.
const TRIES: usize = 10;

/// Which files there are: each with its part and its number on the disk.
type Files = BTreeSet<(&'static str, OsString, u64)>;

fn files(folder: &Path) -> io::Result<Files> {
    let mut files = Files::new();
    for part in PARTS {
        let entries = match std::fs::read_dir(folder.join(part)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            match entry.metadata() {
                Ok(about) if about.is_file() => drop(files.insert((part, entry.file_name(), about.ino()))),
                Ok(_) => {}
                // Gone since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(files)
}

fn copy_once(from: &Path, to: &Path, files: &Files) -> io::Result<()> {
    for part in PARTS {
        let into = to.join(part);
        private(&into)?;
        for (_, name, _) in files.iter().filter(|(of, ..)| *of == part) {
            let target = into.join(name);
            std::fs::copy(from.join(part).join(name), &target)?;
            std::fs::File::open(&target)?.sync_all()?;
        }
        std::fs::File::open(&into)?.sync_all()?;
    }
    std::fs::File::open(to)?.sync_all()
}

/// Copies all of it into a folder that is not there yet; tells how many files.
pub fn copy(from: &Path, to: &Path) -> io::Result<usize> {
    for _ in 0..TRIES {
        let before = files(from)?;
        private(to)?;
        match copy_once(from, to, &before) {
            Ok(()) if files(from)? == before => return Ok(before.len()),
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        std::fs::remove_dir_all(to)?;
    }
    Err(io::Error::other(
        "what the classifiers learned changes too fast to be copied; try again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_samples_are_copied_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        for (part, name) in [("versions", "1.models"), ("samples", "1.log"), ("recent", "1.log")] {
            std::fs::create_dir_all(from.join(part)).expect("a folder");
            std::fs::write(from.join(part).join(name), name).expect("a file");
        }
        std::fs::write(from.join("lock"), "").expect("a file");
        assert_eq!(copy(&from, &to).expect("a copy"), 2);
        assert_eq!(std::fs::read(to.join("samples/1.log")).expect("a file"), b"1.log");
        assert!(to.join("versions/1.models").exists() && !to.join("recent").exists() && !to.join("lock").exists());
    }

    #[test]
    fn nothing_learned_is_an_empty_copy() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(
            copy(&folder.path().join("none"), &folder.path().join("to")).expect("a copy"),
            0
        );
    }
}
