//! One file of frames: what is in it, what of it is damaged, where it ends.
//!
//! **Invariant:** every frame that is whole is found, whatever lies before it, and nothing else is.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::ops::Range;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::entry::{self, Line};

/// A frame and where it lies.
#[derive(Clone, PartialEq, Debug)]
pub struct Placed {
    /// What it says.
    pub line: Line,
    /// Its checksum.
    pub check: u64,
    /// Its first octet.
    pub at: usize,
    /// Its octets.
    pub len: usize,
}

/// What is in a file.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Contents {
    /// The frames, in order.
    pub lines: Vec<Placed>,
    /// What lies between them and is none.
    pub damaged: Vec<Range<usize>>,
    /// The end of the last frame; what lies behind it is torn.
    pub end: usize,
}

/// The frames of some octets.
pub fn read(bytes: &[u8]) -> Contents {
    let mut contents = Contents::default();
    let mut at = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(framed) = entry::read(rest) {
            if at > contents.end {
                contents.damaged.push(contents.end..at);
            }
            let len = framed.len;
            contents.lines.push(Placed {
                line: framed.line,
                check: framed.check,
                at,
                len,
            });
            at += len;
            contents.end = at;
        } else {
            match entry::next(rest) {
                Some(further) => at += further,
                None => break,
            }
        }
    }
    contents
}

/// Writes a file so that either all of it is there or nothing is new, whenever the power goes.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".new");
    let new = folder.join(name);
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written.and_then(|()| std::fs::rename(&new, path)) {
        // What is left of it is removed at the next start, too.
        let _ = std::fs::remove_file(&new);
        return Err(error);
    }
    sync_folder(folder)
}

/// Makes what happened to the names in a folder survive a power cut.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Removes what was being written when the last process ended.
pub fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|end| end == "new") {
            std::fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// Makes a folder that only we can read.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(n: u64) -> (Vec<u8>, Vec<usize>) {
        let (mut out, mut ends) = (Vec::new(), vec![0]);
        for sequence in 1..=n {
            let which = vec![sequence; 5];
            entry::write(&mut out, &Line::Forgotten { sequence, which }, &[]);
            ends.push(out.len());
        }
        (out, ends)
    }

    fn sequences(contents: &Contents) -> Vec<u64> {
        contents.lines.iter().map(|placed| placed.line.sequence()).collect()
    }

    #[test]
    fn a_file_that_was_cut_anywhere_has_the_frames_before_the_cut() {
        let (bytes, ends) = frames(4);
        for cut in 0..=bytes.len() {
            let contents = read(&bytes[..cut]);
            let whole = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(sequences(&contents), (1..=whole as u64).collect::<Vec<_>>());
            assert_eq!(contents.end, ends[whole]);
            assert_eq!(contents.damaged, []);
        }
    }

    #[test]
    fn a_damaged_frame_is_told_and_those_around_it_are_read() {
        let (bytes, ends) = frames(4);
        for at in ends[1]..ends[2] {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x10;
            let contents = read(&bytes);
            assert_eq!(sequences(&contents), [1, 3, 4], "{at}");
            assert_eq!(
                contents.damaged,
                vec![Range {
                    start: ends[1],
                    end: ends[2]
                }]
            );
        }
    }
}
