//! RAR of the versions 1.5 to 4 (its `technote.txt`): blocks of a checksum, type, flags and size, and data behind some.

use super::behind;
use super::octets::{Checked, Cursor, le16, le32, piece, size};
use crate::{File, Flow, Mark, Role, Visit, names};

const ARCHIVE: u8 = 0x73;
const MEMBER: u8 = 0x74;
const SERVICE: u8 = 0x7a;
const END: u8 = 0x7b;

/// The block at a place: type, flags, its header and the octets of data behind it, which are declared only.
struct Block<'a> {
    kind: u8,
    flags: u16,
    header: &'a [u8],
    data: u64,
}

impl<'a> Block<'a> {
    fn read(octets: &'a [u8], at: usize) -> Option<Block<'a>> {
        let len = usize::from(le16(octets, at.checked_add(5)?)?);
        let header = piece(octets, at, len.max(7))?;
        let (kind, flags) = (*header.get(2)?, le16(header, 3)?);
        let long = flags & 0x8000 != 0 || matches!(kind, MEMBER | SERVICE);
        let mut data = if long { u64::from(le32(header, 7)?) } else { 0 };
        if matches!(kind, MEMBER | SERVICE) && flags & 0x100 != 0 {
            data |= u64::from(le32(header, 32)?) << 32;
        }
        Some(Block {
            kind,
            flags,
            header,
            data,
        })
    }

    fn is_whole(&self) -> bool {
        let sum = crc32fast::hash(self.header.get(2..).unwrap_or_default());
        le16(self.header, 0) == Some((sum & 0xffff) as u16)
    }
}

/// Whether the header of an archive begins here.
pub(super) fn is_begin(octets: &[u8]) -> bool {
    Block::read(octets, 0).is_some_and(|block| block.kind == ARCHIVE && block.is_whole())
}

/// Gives the members, the first block being at `at`.
pub(super) fn read(octets: &[u8], mut at: usize, visit: &mut dyn Visit) {
    while at < octets.len() && !visit.is_over() {
        let Some(block) = Block::read(octets, at) else {
            visit.mark(Mark::Damaged, "it ends within a block");
            return;
        };
        if !block.is_whole() {
            visit.mark(Mark::Damaged, "the checksum of a block is wrong");
            // Without a type that there is, nothing of it can be believed.
            if !(0x72..=END).contains(&block.kind) {
                return behind::rest(octets, at, visit);
            }
        }
        let begin = at + block.header.len();
        let end = begin.saturating_add(size(block.data));
        match block.kind {
            ARCHIVE => {
                if block.flags & 0x80 != 0 {
                    visit.mark(Mark::Encrypted, "the names in it too");
                    return;
                }
                if block.flags & 1 != 0 {
                    visit.mark(Mark::Unread, "one piece of an archive that is cut in several");
                }
            }
            MEMBER => {
                let data = octets
                    .get(begin..end)
                    .or_else(|| octets.get(begin..))
                    .unwrap_or_default();
                if member(&block, data, visit) == Flow::Stop {
                    return;
                }
            }
            END => return behind::rest(octets, end, visit),
            _ => {}
        }
        at = end;
    }
    if at > octets.len() {
        visit.mark(Mark::Damaged, "it ends within a member");
    }
}

fn member(block: &Block<'_>, data: &[u8], visit: &mut dyn Visit) -> Flow {
    let Some(fields) = Fields::read(block) else {
        visit.mark(Mark::Damaged, "a header that is too short");
        return Flow::On;
    };
    let folder = block.flags & 0xe0 == 0xe0;
    // Made on Unix, a link is a mode.
    let link = fields.system == 3 && fields.attributes & 0o170_000 == 0o120_000;
    let role = if folder {
        Role::Folder
    } else if link {
        Role::Link
    } else {
        Role::File
    };
    let plain = names::text(fields.name);
    let file = File {
        name: fields.wide.clone().unwrap_or_else(|| plain.clone()),
        role,
        declared: None,
    };
    if fields
        .wide
        .is_some_and(|wide| names::extension(&wide) != names::extension(&plain))
    {
        visit.mark(Mark::Ambiguous, "a member has two names");
        if visit.closed(
            &File {
                name: plain,
                ..file.clone()
            },
            Mark::Ambiguous,
        ) == Flow::Stop
        {
            return Flow::Stop;
        }
    }
    if block.flags & 4 != 0 {
        return visit.closed(&file, Mark::Encrypted);
    }
    if folder {
        return visit.file(&file, &mut std::io::empty());
    }
    // Cut: goes on from, or in, another piece of the archive.
    if fields.method != 0x30 || block.flags & 3 != 0 {
        return visit.closed(&file, Mark::Unread);
    }
    visit.file(&file, &mut Checked::new(data, Some(fields.crc), Some(fields.unpacked)))
}

/// The fields of a member's header.
struct Fields<'a> {
    unpacked: u64,
    system: u8,
    crc: u32,
    method: u8,
    attributes: u32,
    name: &'a [u8],
    /// Its name in Unicode, where it has one.
    wide: Option<String>,
}

impl<'a> Fields<'a> {
    fn read(block: &Block<'a>) -> Option<Fields<'a>> {
        let mut cursor = Cursor::new(block.header.get(11..)?);
        let mut unpacked = u64::from(cursor.le32()?);
        let (system, crc) = (cursor.u8()?, cursor.le32()?);
        cursor.take(5)?;
        let (method, len, attributes) = (cursor.u8()?, usize::from(cursor.le16()?), cursor.le32()?);
        if block.flags & 0x100 != 0 {
            cursor.le32()?;
            unpacked |= u64::from(cursor.le32()?) << 32;
        }
        let all = cursor.take(len)?;
        let mut name = all;
        let mut wide = None;
        if block.flags & 0x200 != 0
            && let Some(end) = memchr::memchr(0, all)
        {
            name = all.get(..end)?;
            wide = Some(unicode(name, all.get(end + 1..)?));
        }
        Some(Fields {
            unpacked,
            system,
            crc,
            method,
            attributes,
            name,
            wide,
        })
    }
}

/// The name in Unicode, which is written as how it differs from the plain one: pairs of bits say how each character is to
/// be had.
fn unicode(plain: &[u8], coded: &[u8]) -> String {
    let mut cursor = Cursor::new(coded);
    let high = u16::from(cursor.u8().unwrap_or_default()) << 8;
    let (mut flags, mut bits) = (0_u8, 0_u8);
    let mut units: Vec<u16> = Vec::new();
    // A name is as long as its header has room for: a run repeats no more than there is of the plain one.
    loop {
        if bits == 0 {
            let Some(next) = cursor.u8() else { break };
            (flags, bits) = (next, 8);
        }
        let how = flags >> 6;
        flags <<= 2;
        bits -= 2;
        let Some(octet) = cursor.u8() else { break };
        match how {
            0 => units.push(u16::from(octet)),
            1 => units.push(u16::from(octet) | high),
            2 => {
                let Some(upper) = cursor.u8() else { break };
                units.push(u16::from(octet) | u16::from(upper) << 8);
            }
            _ => {
                let (add, high) = if octet & 0x80 != 0 {
                    (cursor.u8().unwrap_or_default(), high)
                } else {
                    (0, 0)
                };
                for _ in 0..usize::from(octet & 0x7f) + 2 {
                    let Some(same) = plain.get(units.len()) else { break };
                    units.push(u16::from(same.wrapping_add(add)) | high);
                }
            }
        }
    }
    names::bounded(&String::from_utf16_lossy(&units))
}
