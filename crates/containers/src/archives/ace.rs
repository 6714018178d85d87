//! ACE archives: names, and the content of stored members.

use super::behind;
use super::octets::{Checked, Cursor, le16, le32};
use crate::{File, Flow, Mark, Role, Visit, names};

const MEMBER: u8 = 1;

/// Gives the members of an archive. A header is its checksum, its size, type and flags, and perhaps a size of data.
pub(super) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let mut cursor = Cursor::new(octets);
    while !cursor.rest.is_empty() && !visit.is_over() {
        let begin = octets.len() - cursor.rest.len();
        let Some((header, kind, flags)) = header(&mut cursor) else {
            visit.mark(Mark::Damaged, "no header where one should be");
            return behind::rest(octets, begin, visit);
        };
        let size = if flags & 1 != 0 {
            le32(header, 3).unwrap_or_default() as usize
        } else {
            0
        };
        if size > cursor.rest.len() {
            visit.mark(Mark::Damaged, "it ends within a member");
        }
        let data = cursor.take(size.min(cursor.rest.len())).unwrap_or_default();
        if kind == MEMBER && member(header, flags, data, visit) == Some(Flow::Stop) {
            return;
        }
    }
}

fn header<'a>(cursor: &mut Cursor<'a>) -> Option<(&'a [u8], u8, u16)> {
    let crc = cursor.le16()?;
    let len = cursor.le16()?;
    let header = cursor.take(usize::from(len))?;
    // ACE does not invert the sum at the end.
    if (!crc32fast::hash(header) & 0xffff) as u16 != crc {
        return None;
    }
    Some((header, *header.first()?, le16(header, 1)?))
}

fn member(header: &[u8], flags: u16, data: &[u8], visit: &mut dyn Visit) -> Option<Flow> {
    let mut cursor = Cursor::new(header.get(7..)?);
    let unpacked = cursor.le32()?;
    cursor.le32()?;
    let attributes = cursor.le32()?;
    let crc = cursor.le32()?;
    let method = cursor.u8()?;
    cursor.take(5)?;
    let len = cursor.le16()?;
    let name = cursor.take(usize::from(len))?;
    let role = if attributes & 0x10 != 0 {
        Role::Folder
    } else {
        Role::File
    };
    let file = File {
        name: names::text(name),
        role,
        declared: None,
    };
    Some(if flags & 0x4000 != 0 {
        visit.closed(&file, Mark::Encrypted)
    } else if method == 0 && flags & 0x3000 == 0 {
        visit.file(&file, &mut Checked::new(data, Some(!crc), Some(u64::from(unpacked))))
    } else {
        visit.closed(&file, Mark::Unread)
    })
}
