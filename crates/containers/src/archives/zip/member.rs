//! A member of a zip archive and its own header (APPNOTE 4.3.7).

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use memchr::memmem;

use super::super::octets::{Checked, Cursor, le16, le32, le64, piece, size};
use super::method;
use crate::{File, Flow, Mark, Role, Visit, names};

/// What a local header begins with.
pub(super) const LOCAL: &[u8] = b"PK\x03\x04";
const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// Flag: encrypted.
const ENCRYPTED: u16 = 1;
/// Flag: sizes and checksum stand behind the data.
const LATER: u16 = 1 << 3;
/// Flags: a patch; strong encryption; the header is masked.
const PATCH: u16 = 1 << 5;
const STRONG: u16 = 1 << 6 | 1 << 13;
/// The method of AES by WinZip.
const AES: u16 = 99;

/// How a member is to be read.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    pub(super) name: &'a [u8],
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) crc: Option<u32>,
    /// Octets packed; unknown where only its end tells.
    pub(super) packed: Option<usize>,
    pub(super) unpacked: Option<u64>,
    pub(super) link: bool,
}

impl Member<'_> {
    pub(super) fn file(&self) -> File {
        let folder = self.packed == Some(0) && matches!(self.name.last(), Some(b'/' | b'\\'));
        let role = if self.link {
            Role::Link
        } else if folder {
            Role::Folder
        } else {
            Role::File
        };
        File {
            name: names::text(self.name),
            role,
            declared: None,
        }
    }

    /// Gives it, and tells how many octets of `data` are its own.
    pub(super) fn give(&self, data: &[u8], visit: &mut dyn Visit) -> (Flow, usize) {
        let file = self.file();
        let all = data.len();
        let data = self.packed.and_then(|packed| data.get(..packed)).unwrap_or(data);
        let own = data.len();
        if self.flags & (ENCRYPTED | STRONG) != 0 || self.method == AES {
            return (visit.closed(&file, Mark::Encrypted), own);
        }
        if self.flags & PATCH != 0 {
            return (visit.closed(&file, Mark::Unread), own);
        }
        let left = Cell::new(own);
        let Some(opened) = method::open(
            self.method,
            self.flags,
            Counted {
                rest: data,
                left: &left,
            },
            self.unpacked,
        ) else {
            return (visit.closed(&file, Mark::Unread), own);
        };
        // Data that ends with the file before it should is damage even where the method finds an end.
        let short = self.packed.is_some_and(|packed| packed > all);
        let checked = Checked::new(opened, self.crc.filter(|_| !short), self.unpacked);
        let flow = if short {
            visit.file(&file, &mut checked.chain(Cut))
        } else {
            let mut checked = checked;
            visit.file(&file, &mut checked)
        };
        let used = own - left.get().min(own);
        (flow, if method::ends_itself(self.method) { used } else { own })
    }
}

/// The end of data that is not whole.
struct Cut;

impl Read for Cut {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        Err(super::super::octets::damage("its data is cut short"))
    }
}

/// Octets that tell how many of them are left.
pub(super) struct Counted<'a, 'c> {
    pub(super) rest: &'a [u8],
    left: &'c Cell<usize>,
}

impl Read for Counted<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.rest.read(into)?;
        self.left.set(self.rest.len());
        Ok(n)
    }
}

impl BufRead for Counted<'_, '_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Ok(self.rest)
    }

    fn consume(&mut self, amount: usize) {
        self.rest = self.rest.get(amount..).unwrap_or_default();
        self.left.set(self.rest.len());
    }
}

/// A local header.
pub(super) struct Local<'a> {
    name: &'a [u8],
    flags: u16,
    method: u16,
    crc: u32,
    packed: u64,
    unpacked: u64,
    /// Where its data begins.
    pub(super) data: usize,
}

impl<'a> Local<'a> {
    /// The header at a place, if there is one.
    pub(super) fn read(octets: &'a [u8], at: usize) -> Option<Local<'a>> {
        let fixed = piece(octets, at, 30).filter(|fixed| fixed.starts_with(LOCAL))?;
        let (name_len, extra_len) = (usize::from(le16(fixed, 26)?), usize::from(le16(fixed, 28)?));
        let name = piece(octets, at + 30, name_len)?;
        let extra = piece(octets, at + 30 + name_len, extra_len)?;
        let (mut packed, mut unpacked) = (u64::from(le32(fixed, 18)?), u64::from(le32(fixed, 22)?));
        Extra::read(extra, name).widen([Some(&mut unpacked), Some(&mut packed), None]);
        Some(Local {
            name,
            flags: le16(fixed, 6)?,
            method: le16(fixed, 8)?,
            crc: le32(fixed, 14)?,
            packed,
            unpacked,
            data: at + 30 + name_len + extra_len,
        })
    }

    /// The header at a place that nothing names, if it is hardly there by chance. That is seen from its first octets:
    /// headers may stand so close that reading each to its end takes too long.
    pub(super) fn stray(octets: &'a [u8], at: usize) -> Option<Local<'a>> {
        let fixed = piece(octets, at, 30)?;
        let (method, name_len) = (le16(fixed, 8)?, usize::from(le16(fixed, 26)?));
        let plausible = *fixed.get(4)? <= 90
            && (method <= 20 || (93..=99).contains(&method))
            && (1..=1_024).contains(&name_len)
            && !piece(octets, at + 30, name_len)?.iter().any(|octet| *octet < b' ');
        plausible.then(|| Local::read(octets, at)).flatten()
    }

    /// In what it differs from what the directory says.
    pub(super) fn differs(&self, listed: &Member<'_>) -> Option<&'static str> {
        // Of a masked header nothing but its flags is true.
        let hidden = listed.flags & STRONG == STRONG;
        let same = |a: &u8, b: &u8| a == b || matches!((a, b), (b'/' | b'\\', b'/' | b'\\'));
        let names = self.name.len() == listed.name.len() && self.name.iter().zip(listed.name).all(|(a, b)| same(a, b));
        if !(hidden || names) {
            return Some("a member has two names");
        }
        if self.method != listed.method {
            return Some("a member is packed by two methods");
        }
        if (self.flags ^ listed.flags) & (ENCRYPTED | STRONG) != 0 {
            return Some("a member is encrypted and is not");
        }
        let sizes = Some(size(self.packed)) == listed.packed && Some(self.unpacked) == listed.unpacked;
        // The sizes may come later, and are then nothing here.
        let later = self.flags & LATER != 0 && matches!((self.packed, self.unpacked), (0, 0) | (0xffff_ffff, _));
        if !(hidden || sizes || later) {
            return Some("a member has two sizes");
        }
        None
    }

    /// The member as this header describes it; what it leaves open is said by the directory.
    pub(super) fn member(&self, listed: &Member<'a>) -> Member<'a> {
        let open = self.flags & LATER != 0 && self.packed == 0;
        Member {
            name: self.name,
            flags: self.flags,
            method: self.method,
            crc: listed.crc,
            packed: if open { listed.packed } else { Some(size(self.packed)) },
            unpacked: if open { listed.unpacked } else { Some(self.unpacked) },
            link: listed.link,
        }
    }

    /// The member as this header alone describes it, `data` being all that follows.
    pub(super) fn alone(&self, data: &[u8]) -> Member<'a> {
        let open = self.flags & LATER != 0 && self.packed == 0;
        let mut member = Member {
            name: self.name,
            flags: self.flags,
            method: self.method,
            crc: (!open).then_some(self.crc),
            packed: (!open).then_some(size(self.packed)),
            unpacked: (!open).then_some(self.unpacked),
            link: false,
        };
        if open && !method::ends_itself(self.method) {
            member.packed = Some(described(data));
        }
        member
    }
}

/// Octets up to the descriptor that counts them, or else to whatever header comes next.
fn described(data: &[u8]) -> usize {
    for at in memmem::find_iter(data, DESCRIPTOR).take(1_024) {
        let counts = |size: Option<usize>| size == Some(at);
        if counts(le32(data, at + 8).map(|n| n as usize)) || counts(le64(data, at + 8).map(size)) {
            return at;
        }
    }
    let next = [LOCAL, DESCRIPTOR, b"PK\x01\x02", b"PK\x05\x06"]
        .into_iter()
        .filter_map(|head| memmem::find(data, head))
        .min();
    next.unwrap_or(data.len())
}

/// What is of use in the extra field (APPNOTE 4.5, 4.6).
pub(super) struct Extra<'a> {
    large: &'a [u8],
    /// Another name, where its checksum says that it belongs to the one in the header (0x7075).
    pub(super) unicode: Option<&'a [u8]>,
}

impl<'a> Extra<'a> {
    pub(super) fn read(extra: &'a [u8], name: &[u8]) -> Extra<'a> {
        let mut found = Extra {
            large: &[],
            unicode: None,
        };
        // The sum is made once, however many fields ask for it.
        let mut sum = None;
        let mut cursor = Cursor::new(extra);
        while let (Some(id), Some(len)) = (cursor.le16(), cursor.le16()) {
            let Some(field) = cursor.take(usize::from(len)) else {
                break;
            };
            match id {
                0x0001 => found.large = field,
                0x7075 if le32(field, 1) == Some(*sum.get_or_insert_with(|| crc32fast::hash(name))) => {
                    found.unicode = field.get(5..);
                }
                _ => {}
            }
        }
        found
    }

    /// Puts 64-bit numbers (0x0001) where the header has only ones.
    pub(super) fn widen(&self, numbers: [Option<&mut u64>; 3]) {
        let mut cursor = Cursor::new(self.large);
        for number in numbers.into_iter().flatten() {
            if *number == u64::from(u32::MAX)
                && let Some(large) = cursor.le64()
            {
                *number = large;
            }
        }
    }
}
