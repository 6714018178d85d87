//! Sections of OneNote (MS-ONESTORE): the files in it stand whole behind a class of their own.

use memchr::memmem;

use super::field::{rest, slice};
use super::{budget, give};
use crate::kind::Class;
use crate::{Flow, Kind, Mark, Visit};

/// Begins an object of a file's data (MS-ONESTORE 2.6.13), as its octets lie.
const BEGIN: [u8; 16] = [
    0xe7, 0x16, 0xe3, 0xbd, 0x65, 0x26, 0x11, 0x45, 0xa4, 0xc4, 0x8d, 0x4d, 0x0b, 0x7a, 0x9e, 0xac,
];

/// Gives each file; pictures are files too, but nobody has to open them.
pub(crate) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let (mut number, mut left) = (0, budget(octets.len()));
    for at in memmem::find_iter(octets, &BEGIN) {
        let Some(size) = slice(octets, at + 16, 8).and_then(|eight| Some(u64::from_le_bytes(eight.try_into().ok()?)))
        else {
            visit.mark(Mark::Damaged, "file cut");
            return;
        };
        let all = rest(octets, at + 36);
        let whole = usize::try_from(size).ok().and_then(|size| all.get(..size));
        if whole.is_none() {
            visit.mark(Mark::Damaged, "file cut");
        }
        let inner = whole.unwrap_or(all);
        // A length may well lead over other files, so that what it spans is looked through as well.
        left = left.saturating_sub(inner.len());
        if left == 0 {
            visit.mark(Mark::Octets, "files over one another");
            return;
        }
        number += 1;
        let class = Kind::of(inner, "").class();
        if !matches!(class, Class::Picture | Class::Audio | Class::Video) {
            visit.mark(Mark::Embedded, "file in a notebook");
        }
        if give(visit, &format!("file {number}"), None, inner) == Flow::Stop {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::heard::Heard;
    use super::*;

    fn section(file: &[u8], size: u64) -> Vec<u8> {
        let mut octets = vec![0x11; 300];
        octets.extend_from_slice(&BEGIN);
        octets.extend_from_slice(&size.to_le_bytes());
        octets.extend_from_slice(&[0; 12]);
        octets.extend_from_slice(file);
        octets.extend_from_slice(&[0x22; 40]);
        octets
    }

    #[test]
    fn a_file_is_given_and_a_picture_is_no_embedded_one() {
        let mut heard = Heard::default();
        read(&section(b"@echo off\r\n", 11), &mut heard);
        assert_eq!(heard.file("file 1"), Some(&b"@echo off\r\n"[..]));
        assert_eq!(heard.marks(), [Mark::Embedded]);
        let mut heard = Heard::default();
        read(&section(b"\x89PNG\r\n\x1a\n", 8), &mut heard);
        assert_eq!(heard.marks(), []);
    }

    #[test]
    fn a_length_beyond_the_file_is_damage() {
        let mut heard = Heard::default();
        read(&section(b"MZ", u64::MAX), &mut heard);
        assert_eq!((heard.files.len(), heard.marks().contains(&Mark::Damaged)), (1, true));
    }
}
