//! The directory at the end of a zip archive (APPNOTE 4.3.12 to 4.3.16).

use std::collections::HashSet;

use memchr::memmem;

use super::super::octets::{Cursor, le16, le32, le64, piece, size};
use super::member::{Extra, Member};

const END: &[u8] = b"PK\x05\x06";
const END64: &[u8] = b"PK\x06\x06";
const LOCATOR64: &[u8] = b"PK\x06\x07";
const ENTRY: &[u8] = b"PK\x01\x02";
const MORE: &[u8] = b"PK\x06\x08";
/// Octets at the end of a file in which the end record is looked for: the longest comment, and as much behind it.
const TAIL: usize = 2 * 65_536;
/// Directories that are read.
const DIRECTORIES_MAX: usize = 8;
/// Octets before the locator of Zip64 in which its end record is looked for where it is not in the place that is named.
const END64_TAIL: usize = 4_096;

/// A directory.
pub(super) struct Directory {
    /// Where its end record is.
    pub(super) at: usize,
    /// Where the archive ends, comment included.
    pub(super) end: usize,
    /// What is to be added to places that it names, since something stands before the archive.
    pub(super) base: usize,
    /// How many members it says there are.
    pub(super) count: u64,
    /// Whether other pieces of the archive are elsewhere.
    pub(super) pieces: bool,
    /// Whether it is encrypted itself.
    pub(super) encrypted: bool,
    begin: usize,
}

/// A member as the directory describes it.
pub(super) struct Entry<'a> {
    pub(super) member: Member<'a>,
    /// Where its header is, before [`Directory::base`] is added.
    pub(super) offset: usize,
    /// Its name by the extra field 0x7075.
    pub(super) unicode: Option<&'a [u8]>,
}

impl Entry<'_> {
    /// Whether its two names end in different ways.
    pub(super) fn names_differ(&self) -> bool {
        let end = |name: &[u8]| crate::names::extension(&crate::names::text(name));
        self.unicode
            .is_some_and(|unicode| end(unicode) != end(self.member.name))
    }
}

impl Directory {
    /// All directories of a file, the last first.
    pub(super) fn find(octets: &[u8]) -> impl Iterator<Item = Directory> {
        let from = octets.len().saturating_sub(TAIL);
        // Forwards is the faster way to see that there is none, as in nearly every file.
        let tail = octets.get(from..).filter(|tail| memmem::find(tail, END).is_some());
        let tail = tail.unwrap_or_default();
        let mut seen = HashSet::new();
        memmem::rfind_iter(tail, END)
            .flat_map(move |at| Directory::read(octets, from + at))
            .filter(move |directory| seen.insert(directory.begin))
            .take(DIRECTORIES_MAX)
    }

    /// The directories to which an end record leads: the one that lies before it, and the one in the place that it names.
    /// Where nothing stands before the archive the two are the same; programs go by either.
    fn read(octets: &[u8], at: usize) -> impl Iterator<Item = Directory> + use<> {
        let (near, named) = Directory::both(octets, at).unwrap_or_default();
        near.into_iter().chain(named)
    }

    fn both(octets: &[u8], at: usize) -> Option<(Option<Directory>, Option<Directory>)> {
        let end = octets.get(at..)?;
        let (disk, first) = (le16(end, 4)?, le16(end, 6)?);
        let (mut count, mut length, mut offset) = (
            u64::from(le16(end, 10)?),
            u64::from(le32(end, 12)?),
            u64::from(le32(end, 16)?),
        );
        let comment = usize::from(le16(end, 20)?);
        let mut top = at;
        let mut pieces = (disk != 0 && disk != u16::MAX) || (first != 0 && first != u16::MAX);
        // Zip64: a locator before the end record names the place of a larger one.
        if let Some(locator) = at.checked_sub(20).and_then(|at| piece(octets, at, 20))
            && locator.starts_with(LOCATOR64)
        {
            let named = size(le64(locator, 8)?);
            let from = at.saturating_sub(20 + END64_TAIL);
            let near = octets
                .get(from..at - 20)
                .and_then(|before| memmem::rfind(before, END64))
                .map(|place| from + place);
            for place in [Some(named), near].into_iter().flatten() {
                let Some(large) = octets.get(place..).filter(|large| large.starts_with(END64)) else {
                    continue;
                };
                pieces = le32(large, 16)? != 0;
                (count, length, offset) = (le64(large, 32)?, le64(large, 40)?, le64(large, 48)?);
                top = place;
                break;
            }
        }
        let (length, offset) = (size(length), size(offset));
        let is =
            |begin: usize| begin == top || piece(octets, begin, 4).is_some_and(|head| head == ENTRY || head == MORE);
        let directory = |begin: usize| Directory {
            at,
            end: at.saturating_add(22).saturating_add(comment).min(octets.len()),
            base: begin.saturating_sub(offset),
            count,
            pieces,
            encrypted: piece(octets, begin, 4) == Some(MORE),
            begin,
        };
        let near = top.checked_sub(length).filter(|begin| is(*begin)).map(directory);
        let named = Some(offset).filter(|begin| *begin < top && is(*begin)).map(directory);
        Some((near, named))
    }

    /// Its members, whatever number it says.
    pub(super) fn entries<'a>(&self, octets: &'a [u8]) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let mut cursor = Cursor::new(octets.get(self.begin..self.at).unwrap_or_default());
        std::iter::from_fn(move || {
            let fixed = cursor.take(46)?;
            if !fixed.starts_with(ENTRY) {
                return None;
            }
            let name = cursor.take(usize::from(le16(fixed, 28)?))?;
            let extra = cursor.take(usize::from(le16(fixed, 30)?))?;
            cursor.take(usize::from(le16(fixed, 32)?))?;
            let (mut packed, mut unpacked) = (u64::from(le32(fixed, 20)?), u64::from(le32(fixed, 24)?));
            let mut offset = u64::from(le32(fixed, 42)?);
            let extra = Extra::read(extra, name);
            extra.widen([Some(&mut unpacked), Some(&mut packed), Some(&mut offset)]);
            // The upper half of the attributes is a mode of Unix where the system says so; 0o120000 is a link.
            let unix = fixed.get(5) == Some(&3);
            Some(Entry {
                member: Member {
                    name,
                    flags: le16(fixed, 8)?,
                    method: le16(fixed, 10)?,
                    crc: Some(le32(fixed, 16)?),
                    packed: Some(size(packed)),
                    unpacked: Some(unpacked),
                    link: unix && (le32(fixed, 38)? >> 16) & 0o170_000 == 0o120_000,
                },
                offset: size(offset),
                unicode: extra.unicode,
            })
        })
    }
}
