//! ARJ archives (its `technote`): names, and the content of stored members.

use super::behind;
use super::octets::{Checked, Cursor, le16, le32};
use crate::{File, Flow, Mark, Role, Visit, names};

const MAGIC: &[u8] = b"\x60\xea";
/// Octets of a header, as the format bounds them.
const HEADER_MAX: u16 = 2_600;

/// Gives the members of an archive.
pub(super) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let mut cursor = Cursor::new(octets);
    let mut main = true;
    while !cursor.rest.is_empty() && !visit.is_over() {
        let begin = octets.len() - cursor.rest.len();
        let Some(header) = header(&mut cursor) else {
            visit.mark(Mark::Damaged, "no header where one should be");
            return behind::rest(octets, begin, visit);
        };
        if header.is_empty() {
            return behind::rest(octets, octets.len() - cursor.rest.len(), visit);
        }
        // The first header is of the archive.
        if std::mem::take(&mut main) {
            continue;
        }
        let Some(flow) = member(header, &mut cursor, visit) else {
            visit.mark(Mark::Damaged, "a header that is too short");
            return;
        };
        if flow == Flow::Stop {
            return;
        }
    }
}

/// The next header; an empty one ends the archive.
fn header<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    if cursor.take(2)? != MAGIC {
        return None;
    }
    let len = cursor.le16().filter(|len| *len <= HEADER_MAX)?;
    let header = cursor.take(usize::from(len))?;
    if len > 0 {
        let crc = cursor.le32()?;
        if crc != crc32fast::hash(header) {
            return None;
        }
        // More headers, each with a checksum.
        while let more @ 1.. = cursor.le16()? {
            cursor.take(usize::from(more))?;
            cursor.take(4)?;
        }
    }
    Some(header)
}

fn member(header: &[u8], cursor: &mut Cursor<'_>, visit: &mut dyn Visit) -> Option<Flow> {
    let (first, flags, method, kind) = (*header.first()?, *header.get(4)?, *header.get(5)?, *header.get(6)?);
    let (packed, unpacked, crc) = (le32(header, 12)? as usize, le32(header, 16)?, le32(header, 20)?);
    le16(header, 24)?;
    let name = Cursor::new(header.get(usize::from(first)..)?).until_nul()?;
    if packed > cursor.rest.len() {
        visit.mark(Mark::Damaged, "it ends within a member");
    }
    let data = cursor.take(packed.min(cursor.rest.len()))?;
    let role = if kind == 3 { Role::Folder } else { Role::File };
    let file = File {
        name: names::text(name),
        role,
        declared: None,
    };
    Some(if flags & 1 != 0 {
        visit.closed(&file, Mark::Encrypted)
    } else if method == 0 && flags & 0x0c == 0 {
        visit.file(&file, &mut Checked::new(data, Some(crc), Some(u64::from(unpacked))))
    } else {
        visit.closed(&file, Mark::Unread)
    })
}
