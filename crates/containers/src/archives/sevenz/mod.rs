//! 7-Zip archives (its `7zFormat.txt`).
//!
//! The directory stands at the end and may be packed or encrypted itself. Files lie one behind another in folders, each
//! of which is packed as one.

mod coders;
mod directory;

use std::io::{self, Read};

use self::directory::{Directory, Entry, Trouble};
use super::behind;
use super::octets::{Checked, damage, le32, le64, piece, size};
use crate::{File, Flow, Mark, Role, Visit};

/// Octets of the head.
const HEAD: usize = 32;
/// How often a directory may be packed in another.
const PACKED_MAX: usize = 4;
/// Octets of a directory unpacked.
const DIRECTORY_MAX: u64 = 8 * 1_024 * 1_024;

/// Whether a head is one: its checksum is right.
pub(super) fn is_head(octets: &[u8]) -> bool {
    let summed = piece(octets, 12, 20);
    summed.is_some_and(|summed| le32(octets, 8) == Some(crc32fast::hash(summed)))
}

/// Gives the files of an archive.
pub(super) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let (directory, end) = match directory(octets) {
        Ok(found) => found,
        Err(Trouble::Damaged(note)) => return visit.mark(Mark::Damaged, note),
        Err(Trouble::Encrypted) => return visit.mark(Mark::Encrypted, "the names in it too"),
        Err(Trouble::Many) => return visit.mark(Mark::Files, "more files than are followed"),
        Err(Trouble::Unread) => {
            return visit.mark(Mark::Unread, "its directory is packed in a way that we do not read");
        }
    };
    if files(octets, &directory, visit) == Flow::On {
        behind::rest(octets, end, visit);
    }
}

/// The directory, unpacked, and where the archive ends.
fn directory(octets: &[u8]) -> Result<(Directory, usize), Trouble> {
    if !is_head(octets) {
        return Err(Trouble::Damaged("the checksum of its head is wrong"));
    }
    let numbers = (le64(octets, 12), le64(octets, 20), le32(octets, 28));
    let (Some(at), Some(len), Some(crc)) = numbers else {
        return Err(Trouble::Damaged("its head is cut short"));
    };
    if len == 0 {
        return Ok((Directory::default(), HEAD));
    }
    let begin = HEAD.saturating_add(size(at));
    let mut bytes = piece(octets, begin, size(len))
        .ok_or(Trouble::Damaged("its directory is missing"))?
        .to_vec();
    if crc32fast::hash(&bytes) != crc {
        return Err(Trouble::Damaged("the checksum of its directory is wrong"));
    }
    for _ in 0..PACKED_MAX {
        match Directory::read(&bytes)? {
            (directory, true) => return Ok((directory, begin.saturating_add(size(len)))),
            (packed, false) => {
                let folder = packed
                    .folders
                    .first()
                    .ok_or(Trouble::Damaged("its directory is missing"))?;
                let mut reader = coders::open(octets, &packed, folder)?.take(DIRECTORY_MAX.min(folder.size()));
                bytes.clear();
                reader
                    .read_to_end(&mut bytes)
                    .map_err(|_| Trouble::Damaged("its directory cannot be unpacked"))?;
                if bytes.len() as u64 != folder.size() {
                    return Err(Trouble::Damaged("its directory is not as long as it says"));
                }
            }
        }
    }
    Err(Trouble::Damaged("its directory is packed too often"))
}

fn files(octets: &[u8], directory: &Directory, visit: &mut dyn Visit) -> Flow {
    let mut contents = directory
        .folders
        .iter()
        .flat_map(|folder| {
            folder
                .files
                .iter()
                .enumerate()
                .map(move |(number, content)| (folder, number, content))
        })
        .peekable();
    let mut open: Option<Result<Box<dyn Read + '_>, Trouble>> = None;
    for Entry { name, role, empty } in &directory.files {
        if visit.is_over() {
            return Flow::Stop;
        }
        let file = File {
            name: name.clone(),
            role: *role,
            declared: None,
        };
        if *empty {
            if visit.file(&file, &mut io::empty()) == Flow::Stop {
                return Flow::Stop;
            }
            continue;
        }
        let Some((folder, number, content)) = contents.next() else {
            visit.mark(Mark::Damaged, "more files than contents");
            if visit.closed(&file, Mark::Damaged) == Flow::Stop {
                return Flow::Stop;
            }
            continue;
        };
        if number == 0 {
            open = Some(coders::open(octets, directory, folder));
        }
        let flow = match &mut open {
            Some(Ok(reader)) => {
                let mut part = Checked::new(
                    Part {
                        reader,
                        left: content.size,
                    },
                    content.crc,
                    None,
                );
                visit.file(&file, &mut part)
            }
            Some(Err(Trouble::Encrypted)) => visit.closed(&file, Mark::Encrypted),
            Some(Err(Trouble::Unread | Trouble::Many)) => visit.closed(&file, Mark::Unread),
            Some(Err(Trouble::Damaged(_))) | None => visit.closed(&file, Mark::Damaged),
        };
        if flow == Flow::Stop {
            return Flow::Stop;
        }
    }
    if contents.peek().is_some() {
        visit.mark(Mark::Ambiguous, "contents without a name");
        // They are files all the same.
        for (number, (folder, within, content)) in contents.enumerate() {
            if within == 0 && visit.is_over() {
                return Flow::Stop;
            }
            let file = File {
                name: format!("unnamed{number}"),
                role: Role::File,
                declared: None,
            };
            let flow = match coders::open(octets, directory, folder) {
                Ok(mut reader) if within == 0 => visit.file(&file, &mut (&mut reader).take(content.size)),
                _ => visit.closed(&file, Mark::Unread),
            };
            if flow == Flow::Stop {
                return Flow::Stop;
            }
        }
    }
    Flow::On
}

/// A file of the stream of a folder.
struct Part<'s, 'a> {
    reader: &'s mut Box<dyn Read + 'a>,
    left: u64,
}

impl Read for Part<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(size(self.left));
        let n = self.reader.read(into.get_mut(..most).unwrap_or_default())?;
        self.left -= n as u64;
        if n == 0 && most > 0 {
            Err(damage("its data is cut short"))
        } else {
            Ok(n)
        }
    }
}
