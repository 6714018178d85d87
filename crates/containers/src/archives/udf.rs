//! Images of UDF (ECMA-167, OSTA UDF 1.02 to 2.01): one partition that lies on the disc as it is.
//!
//! Partitions with a map of their own (of discs that are written once, and of UDF 2.50) are [`Mark::Unread`].

use std::collections::BTreeSet;

use super::iso::Pieces;
use super::octets::{Checked, le16, le32, le64, piece, size};
use crate::{File, Flow, Mark, Role, Visit, names};

const SECTOR: usize = 2_048;
/// Descriptors of the volume that are looked at.
const DESCRIPTORS_MAX: usize = 64;
/// Folders and files that are followed, and pieces of one.
const FOLDERS_MAX: usize = 4_096;
const FILES_MAX: usize = 65_536;
const PIECES_MAX: usize = 65_536;

/// Tags of descriptors (ECMA-167 3/7.2.1, 4/7.2.1).
const ANCHOR: u16 = 2;
const PARTITION: u16 = 5;
const LOGICAL: u16 = 6;
const END: u16 = 8;
const FILE_SET: u16 = 256;
const IDENTIFIER: u16 = 257;
const ENTRY: u16 = 261;
const EXTENDED: u16 = 266;

/// A partition, and where the set of its files is described.
struct Volume<'a> {
    octets: &'a [u8],
    begin: usize,
    block: usize,
    set: u32,
}

/// Content of a file: pieces of the image, or octets within its entry.
struct Content {
    folder: bool,
    link: bool,
    /// Octets by its entry; of what is not recorded, or listed elsewhere, there are no pieces.
    size: usize,
    pieces: Vec<(usize, usize)>,
}

/// Gives the files of an image, which may be ISO 9660 too: systems choose either.
pub(super) fn read(octets: &[u8], visit: &mut dyn Visit) {
    match Volume::find(octets) {
        Some(volume) => {
            volume.files(visit);
        }
        None => visit.mark(Mark::Unread, "a UDF volume of a form that we do not read"),
    }
}

impl<'a> Volume<'a> {
    fn find(octets: &'a [u8]) -> Option<Volume<'a>> {
        let last = (octets.len() / SECTOR).checked_sub(1)?;
        let anchors = [Some(256), Some(last), last.checked_sub(256)];
        let anchor = anchors
            .into_iter()
            .flatten()
            .find_map(|sector| tagged(octets, sector.checked_mul(SECTOR)?, ANCHOR))?;
        let (len, at) = (le32(anchor, 16)? as usize, le32(anchor, 20)? as usize);
        let (mut partition, mut logical) = (None, None);
        for number in 0..(len / SECTOR).min(DESCRIPTORS_MAX) {
            let descriptor = piece(octets, at.checked_add(number)?.checked_mul(SECTOR)?, SECTOR)?;
            match le16(descriptor, 0)? {
                PARTITION => partition = Some(le32(descriptor, 188)? as usize),
                LOGICAL => logical = Some(descriptor),
                END => break,
                _ => {}
            }
        }
        let (partition, logical) = (partition?, logical?);
        let block = le32(logical, 212)? as usize;
        // One map of type 1: the partition as it is.
        let plain = le32(logical, 268) == Some(1) && logical.get(440) == Some(&1);
        if !plain || !block.is_power_of_two() || block < 512 {
            return None;
        }
        Some(Volume {
            octets,
            begin: partition.checked_mul(SECTOR)?,
            block,
            set: le32(logical, 252)?,
        })
    }

    fn at(&self, block: u32) -> Option<usize> {
        (block as usize).checked_mul(self.block)?.checked_add(self.begin)
    }

    /// Gives the files, folder by folder.
    fn files(&self, visit: &mut dyn Visit) -> Flow {
        let root = self
            .at(self.set)
            .and_then(|at| tagged(self.octets, at, FILE_SET))
            .and_then(|set| le32(set, 404));
        let Some(root) = root else {
            visit.mark(Mark::Damaged, "it has no tree of folders");
            return Flow::On;
        };
        let (mut folders, mut seen, mut count) = (vec![root], BTreeSet::new(), 0);
        let mut next = 0;
        while let Some(block) = folders.get(next).copied() {
            next += 1;
            // Each folder may be as large as the image.
            if visit.is_over() {
                return Flow::Stop;
            }
            if !seen.insert(block) {
                continue;
            }
            let Some(folder) = self.content(block).filter(|content| content.folder) else {
                visit.mark(Mark::Damaged, "a folder that is none");
                continue;
            };
            let all = self.joined(&folder);
            if all.len() < folder.size {
                visit.mark(Mark::Damaged, "a folder of which not all is in the image");
            }
            let mut rest: &[u8] = &all;
            while let Some((name, flags, block, after)) = identifier(rest) {
                rest = after;
                count += 1;
                if count > FILES_MAX || folders.len() > FOLDERS_MAX {
                    visit.mark(Mark::Files, "more files than are followed");
                    return Flow::On;
                }
                // Bit 3 is the folder above; bit 2 a file that is deleted.
                if flags & 8 != 0 {
                    continue;
                }
                if flags & 2 != 0 {
                    folders.push(block);
                    continue;
                }
                if visit.is_over() || self.file(name, block, visit) == Flow::Stop {
                    return Flow::Stop;
                }
            }
            if rest.iter().any(|octet| *octet != 0) {
                visit.mark(Mark::Damaged, "a folder that holds what is no file");
            }
        }
        Flow::On
    }

    fn file(&self, name: String, block: u32, visit: &mut dyn Visit) -> Flow {
        let Some(content) = self.content(block) else {
            visit.mark(Mark::Damaged, "a file that lies outside the image");
            return visit.closed(
                &File {
                    name,
                    role: Role::File,
                    declared: None,
                },
                Mark::Damaged,
            );
        };
        let role = if content.link { Role::Link } else { Role::File };
        visit.file(
            &File {
                name,
                role,
                declared: None,
            },
            &mut Checked::new(
                Pieces::new(self.octets, &content.pieces),
                None,
                Some(content.size as u64),
            ),
        )
    }

    /// Where the content lies that an entry describes.
    fn content(&self, block: u32) -> Option<Content> {
        let at = self.at(block)?;
        let (entry, fixed) = tagged(self.octets, at, ENTRY)
            .map(|entry| (entry, 176))
            .or_else(|| tagged(self.octets, at, EXTENDED).map(|entry| (entry, 216)))?;
        let kind = *entry.get(27)?;
        let how = le16(entry, 34)? & 7;
        let size = size(le64(entry, 56)?);
        let mut left = size;
        let (attributes, len) = (le32(entry, fixed - 8)? as usize, le32(entry, fixed - 4)? as usize);
        let begin = fixed.checked_add(attributes)?;
        let described = piece(entry, begin, len)?;
        let mut pieces = Vec::new();
        match how {
            // The content itself.
            3 => pieces.push((at.checked_add(begin)?, left.min(len))),
            0 | 1 => {
                for one in described.chunks_exact(if how == 0 { 8 } else { 16 }).take(PIECES_MAX) {
                    let (long, block) = (le32(one, 0)?, le32(one, 4)?);
                    let len = ((long & 0x3fff_ffff) as usize).min(left);
                    left -= len;
                    // What is not recorded is zeros; where the list goes on elsewhere, the size will not be reached.
                    if long >> 30 == 0 && len > 0 {
                        pieces.push((self.at(block)?, len));
                    }
                }
            }
            _ => return None,
        }
        Some(Content {
            folder: kind == 4,
            link: !matches!(kind, 4 | 5 | 249 | 0),
            size,
            pieces,
        })
    }

    /// Pieces of a folder as one, no more than the image holds.
    fn joined(&self, content: &Content) -> Vec<u8> {
        let mut all = Vec::new();
        for (at, len) in &content.pieces {
            let piece = piece(self.octets, *at, *len).unwrap_or_default();
            if all.len() + piece.len() > self.octets.len() {
                break;
            }
            all.extend_from_slice(piece);
        }
        all
    }
}

/// The descriptor at a place if it has this tag, and all that follows it.
fn tagged(octets: &[u8], at: usize, tag: u16) -> Option<&[u8]> {
    let descriptor = octets.get(at..)?;
    let place = descriptor.get(..SECTOR).or_else(|| descriptor.get(..512))?;
    let sum = place
        .iter()
        .take(16)
        .enumerate()
        .filter(|(at, _)| *at != 4)
        .fold(0_u8, |sum, (_, octet)| sum.wrapping_add(*octet));
    (le16(place, 0) == Some(tag) && place.get(4) == Some(&sum)).then_some(descriptor)
}

/// The next file of a folder (ECMA-167 4/14.4): name, flags, the block of its entry, and what follows.
fn identifier(octets: &[u8]) -> Option<(String, u8, u32, &[u8])> {
    if le16(octets, 0)? != IDENTIFIER {
        return None;
    }
    let (flags, len, used) = (
        *octets.get(18)?,
        usize::from(*octets.get(19)?),
        usize::from(le16(octets, 36)?),
    );
    let block = le32(octets, 24)?;
    let name = match piece(octets, 38 + used, len)?.split_first() {
        Some((16, name)) => names::utf16(name, true),
        // Of Latin-1, whose numbers are those of Unicode.
        Some((_, name)) => names::bounded(&name.iter().map(|octet| char::from(*octet)).collect::<String>()),
        None => String::new(),
    };
    let whole = (38 + used + len).next_multiple_of(4);
    Some((name, flags, block, octets.get(whole..).unwrap_or_default()))
}
