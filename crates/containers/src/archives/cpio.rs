//! Archives of `cpio`: new ASCII, with and without checksums, old ASCII, and binary in both orders of octets.

use super::behind;
use super::octets::Cursor;
use crate::{File, Flow, Mark, Role, Visit, names};

/// The name of what ends an archive.
const TRAILER: &[u8] = b"TRAILER!!!";

/// A header: mode, octets of the name with its NUL, octets of the content, and to what both are padded.
struct Header {
    mode: u64,
    name: usize,
    size: usize,
    pad: usize,
    len: usize,
}

/// Gives the members of an archive.
pub(super) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let mut cursor = Cursor::new(octets);
    while !cursor.rest.is_empty() && !visit.is_over() {
        let Some((header, name)) = member(&mut cursor) else {
            visit.mark(Mark::Damaged, "no header where one should be");
            return behind::rest(octets, octets.len() - cursor.rest.len(), visit);
        };
        if name == TRAILER {
            return behind::rest(octets, octets.len() - cursor.rest.len(), visit);
        }
        let short = header.size > cursor.rest.len();
        let content = cursor.take(header.size.min(cursor.rest.len())).unwrap_or_default();
        skip(&mut cursor, header.size, header.pad);
        if short {
            visit.mark(Mark::Damaged, "it ends within a member");
        }
        let role = match header.mode & 0o170_000 {
            0o040_000 => Role::Folder,
            0o100_000 | 0 => Role::File,
            _ => Role::Link,
        };
        if visit.file(
            &File {
                name: names::text(name),
                role,
                declared: None,
            },
            &mut &*content,
        ) == Flow::Stop
        {
            return;
        }
    }
}

/// Reads a header and the name behind it; on none, nothing is taken.
fn member<'a>(cursor: &mut Cursor<'a>) -> Option<(Header, &'a [u8])> {
    let mut ahead = *cursor;
    let header = header(&mut ahead)?;
    let name = ahead.take(header.name)?;
    skip(&mut ahead, header.len + header.name, header.pad);
    *cursor = ahead;
    Some((header, name.strip_suffix(b"\0").unwrap_or(name)))
}

fn skip(cursor: &mut Cursor<'_>, len: usize, pad: usize) {
    let padding = len.checked_next_multiple_of(pad).map_or(0, |padded| padded - len);
    cursor.take(padding.min(cursor.rest.len()));
}

fn header(cursor: &mut Cursor<'_>) -> Option<Header> {
    let digits = |octets: &[u8], base| {
        std::str::from_utf8(octets)
            .ok()
            .and_then(|text| usize::from_str_radix(text, base).ok())
    };
    match cursor.rest.get(..6)? {
        b"070701" | b"070702" => {
            let fixed = cursor.take(110)?;
            let field = |number: usize| digits(fixed.get(6 + number * 8..14 + number * 8)?, 16);
            Some(Header {
                mode: field(1)? as u64,
                name: field(11)?,
                size: field(6)?,
                pad: 4,
                len: 110,
            })
        }
        b"070707" => {
            let fixed = cursor.take(76)?;
            let field = |from: usize, to: usize| digits(fixed.get(from..to)?, 8);
            Some(Header {
                mode: field(18, 24)? as u64,
                name: field(59, 65)?,
                size: field(65, 76)?,
                pad: 1,
                len: 76,
            })
        }
        [first, ..] => {
            let fixed = cursor.take(26)?;
            let big = *first == 0x71;
            let unit = |number: usize| match fixed.get(number * 2..number * 2 + 2)? {
                [a, b] if big => Some(u16::from_be_bytes([*a, *b])),
                [a, b] => Some(u16::from_le_bytes([*a, *b])),
                _ => None,
            };
            if unit(0)? != 0o070_707 {
                return None;
            }
            let size = u64::from(unit(11)?) << 16 | u64::from(unit(12)?);
            Some(Header {
                mode: u64::from(unit(3)?),
                name: usize::from(unit(10)?),
                size: super::octets::size(size),
                pad: 2,
                len: 26,
            })
        }
        [] => None,
    }
}
