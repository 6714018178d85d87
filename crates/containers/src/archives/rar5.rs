//! RAR 5 (its `technote.txt`): headers of a checksum and of numbers of seven bits to the octet, data behind some.

use super::behind;
use super::octets::{Checked, Cursor, size};
use crate::{File, Flow, Mark, Role, Visit, names};

const MAIN: u64 = 1;
const MEMBER: u64 = 2;
const ENCRYPTION: u64 = 4;
const END: u64 = 5;
/// Octets of a header, as the format bounds them.
const HEADER_MAX: u64 = 2 * 1_024 * 1_024;

/// A number of seven bits to the octet, the least first; at most ten octets.
fn number(cursor: &mut Cursor<'_>) -> Option<u64> {
    let mut value = 0_u64;
    for place in 0..10 {
        let octet = cursor.u8()?;
        value |= u64::from(octet & 0x7f).checked_shl(7 * place)?;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A header: its type and flags, what follows these but the extra area, that area, and the octets of data behind it.
struct Header<'a> {
    kind: u64,
    flags: u64,
    fields: Cursor<'a>,
    extra: &'a [u8],
    data: u64,
    whole: bool,
}

impl<'a> Header<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Header<'a>> {
        let crc = cursor.le32()?;
        let summed = cursor.rest;
        let len = number(cursor).filter(|len| *len <= HEADER_MAX)?;
        let body = cursor.take(size(len))?;
        let summed = summed.get(..summed.len() - cursor.rest.len())?;
        let mut fields = Cursor::new(body);
        let (kind, flags) = (number(&mut fields)?, number(&mut fields)?);
        let extra_len = if flags & 1 != 0 { number(&mut fields)? } else { 0 };
        let data = if flags & 2 != 0 { number(&mut fields)? } else { 0 };
        let split = fields.rest.len().checked_sub(size(extra_len))?;
        let (rest, extra) = fields.rest.split_at_checked(split)?;
        Some(Header {
            kind,
            flags,
            fields: Cursor::new(rest),
            extra,
            data,
            whole: crc32fast::hash(summed) == crc,
        })
    }
}

/// Whether the header of an archive begins here.
pub(super) fn is_begin(octets: &[u8]) -> bool {
    Header::read(&mut Cursor::new(octets))
        .is_some_and(|header| header.whole && matches!(header.kind, MAIN | ENCRYPTION))
}

/// Gives the members, the first header being at `at`.
pub(super) fn read(octets: &[u8], at: usize, visit: &mut dyn Visit) {
    let mut cursor = Cursor::new(octets.get(at..).unwrap_or_default());
    while !cursor.rest.is_empty() && !visit.is_over() {
        let begin = octets.len() - cursor.rest.len();
        let Some(mut header) = Header::read(&mut cursor) else {
            visit.mark(Mark::Damaged, "it ends within a header");
            return behind::rest(octets, begin, visit);
        };
        if !header.whole {
            visit.mark(Mark::Damaged, "the checksum of a header is wrong");
        }
        let len = size(header.data);
        let short = len > cursor.rest.len();
        let data = cursor.take(len.min(cursor.rest.len())).unwrap_or_default();
        let mut flow = Flow::On;
        match header.kind {
            ENCRYPTION => {
                visit.mark(Mark::Encrypted, "the names in it too");
                return;
            }
            MAIN if number(&mut header.fields).is_some_and(|flags| flags & 1 != 0) => {
                visit.mark(Mark::Unread, "one piece of an archive that is cut in several");
            }
            MEMBER => flow = member(&mut header, data, visit),
            END => return behind::rest(octets, octets.len() - cursor.rest.len(), visit),
            _ => {}
        }
        if flow == Flow::Stop {
            return;
        }
        if short {
            visit.mark(Mark::Damaged, "it ends within a member");
        }
    }
}

fn member(header: &mut Header<'_>, data: &[u8], visit: &mut dyn Visit) -> Flow {
    let Some(fields) = Fields::read(&mut header.fields) else {
        visit.mark(Mark::Damaged, "a header that is too short");
        return Flow::On;
    };
    let (mut encrypted, mut link) = (false, false);
    let mut extra = Cursor::new(header.extra);
    while let Some(record) = number(&mut extra).and_then(|len| extra.take(size(len))) {
        match number(&mut Cursor::new(record)) {
            Some(1) => encrypted = true,
            Some(5) => link = true,
            _ => {}
        }
    }
    let folder = fields.flags & 1 != 0;
    let role = if folder {
        Role::Folder
    } else if link {
        Role::Link
    } else {
        Role::File
    };
    let file = File {
        name: names::text(fields.name),
        role,
        declared: None,
    };
    if encrypted {
        return visit.closed(&file, Mark::Encrypted);
    }
    if folder || link {
        return visit.file(&file, &mut std::io::empty());
    }
    // Method 0 is stored; cut: goes on from, or in, another piece of the archive.
    if fields.method >> 7 & 7 != 0 || header.flags & 0x18 != 0 {
        return visit.closed(&file, Mark::Unread);
    }
    visit.file(&file, &mut Checked::new(data, fields.crc, fields.unpacked))
}

/// The fields of a member's header.
struct Fields<'a> {
    flags: u64,
    unpacked: Option<u64>,
    crc: Option<u32>,
    method: u64,
    name: &'a [u8],
}

impl<'a> Fields<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Fields<'a>> {
        let flags = number(cursor)?;
        let unpacked = number(cursor)?;
        number(cursor)?;
        if flags & 2 != 0 {
            cursor.le32()?;
        }
        let crc = if flags & 4 != 0 { Some(cursor.le32()?) } else { None };
        let method = number(cursor)?;
        number(cursor)?;
        let len = number(cursor)?;
        let name = cursor.take(size(len))?;
        Some(Fields {
            flags,
            unpacked: (flags & 8 == 0).then_some(unpacked),
            crc,
            method,
            name,
        })
    }
}
