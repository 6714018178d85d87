//! LHA archives, headers of the levels 0 to 2: names, and the content of stored members.

use super::behind;
use super::octets::{Checked, Cursor, le16, le32};
use crate::{File, Flow, Mark, Role, Visit, names};

/// Headers that follow the one of a member.
const EXTRA_MAX: usize = 64;

/// A member: method, its octets packed and unpacked, folder and name.
#[derive(Default)]
struct Header {
    method: [u8; 5],
    packed: usize,
    unpacked: u32,
    folder: Vec<u8>,
    name: Vec<u8>,
}

/// Gives the members of an archive.
pub(super) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let mut cursor = Cursor::new(octets);
    while !visit.is_over() {
        let begin = octets.len() - cursor.rest.len();
        // An octet of nothing ends an archive.
        if matches!(cursor.rest.first(), None | Some(0)) {
            return behind::rest(octets, begin, visit);
        }
        let Some(header) = header(&mut cursor) else {
            visit.mark(Mark::Damaged, "no header where one should be");
            return behind::rest(octets, begin, visit);
        };
        if header.packed > cursor.rest.len() {
            visit.mark(Mark::Damaged, "it ends within a member");
        }
        let data = cursor.take(header.packed.min(cursor.rest.len())).unwrap_or_default();
        let mut name = [header.folder, header.name].concat();
        for octet in &mut name {
            // Folders end with an octet that no name has.
            if *octet == 0xff {
                *octet = b'/';
            }
        }
        let role = if header.method == *b"-lhd-" {
            Role::Folder
        } else {
            Role::File
        };
        let file = File {
            name: names::text(&name),
            role,
            declared: None,
        };
        let flow = match &header.method {
            b"-lh0-" | b"-lz4-" | b"-lhd-" | b"-pm0-" => {
                visit.file(&file, &mut Checked::new(data, None, Some(u64::from(header.unpacked))))
            }
            _ => visit.closed(&file, Mark::Unread),
        };
        if flow == Flow::Stop {
            return;
        }
    }
}

fn header(cursor: &mut Cursor<'_>) -> Option<Header> {
    let all = cursor.rest;
    let level = *all.get(20)?;
    let mut header = Header {
        method: all.get(2..7)?.try_into().ok()?,
        packed: le32(all, 7)? as usize,
        unpacked: le32(all, 11)?,
        ..Header::default()
    };
    if !header.method.starts_with(b"-") || !header.method.ends_with(b"-") {
        return None;
    }
    match level {
        0 | 1 => {
            let len = usize::from(*all.first()?) + 2;
            let mut fixed = Cursor::new(cursor.take(len)?.get(21..)?);
            let name_len = fixed.u8()?;
            header.name = fixed.take(usize::from(name_len))?.to_vec();
            if level == 1 {
                // The size of the first further header ends this one, and their octets count as packed.
                let next = le16(fixed.rest, fixed.rest.len().checked_sub(2)?)?;
                let used = extras(cursor, next, &mut header)?;
                header.packed = header.packed.checked_sub(used)?;
            }
        }
        2 => {
            let len = usize::from(le16(all, 0)?);
            let mut own = Cursor::new(cursor.take(len)?.get(24..)?);
            let next = own.le16()?;
            extras(&mut own, next, &mut header)?;
        }
        _ => return None,
    }
    Some(header)
}

/// Headers behind one: each is a type, its content, and the size of the next. Tells how many octets they are.
fn extras(cursor: &mut Cursor<'_>, mut next: u16, header: &mut Header) -> Option<usize> {
    let mut used = 0;
    for _ in 0..EXTRA_MAX {
        if next == 0 {
            return Some(used);
        }
        let extra = cursor.take(usize::from(next))?;
        used += extra.len();
        let (kind, content) = extra.split_first()?;
        let content_len = content.len().checked_sub(2)?;
        let (content, size) = content.split_at_checked(content_len)?;
        match kind {
            1 => header.name = content.to_vec(),
            2 => header.folder = content.to_vec(),
            _ => {}
        }
        next = le16(size, 0)?;
    }
    None
}
