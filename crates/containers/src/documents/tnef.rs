//! winmail.dat (MS-OXTNEF): attributes one after another, attachments among them.
//!
//! Sums are not compared: readers take what a broken sum stands behind.

use super::field::{narrow, rest, size_at, slice, u16_at, u32_at, wide};
use super::give;
use super::mapi::{Attachment, give_rtf, id};
use crate::{Flow, Mark, Visit};

/// Attributes that are looked at.
const ATTRIBUTES_MAX: usize = 20_000;
/// Properties of one attribute, and values of one property, that are looked at.
const PROPERTIES_MAX: usize = 4_096;

/// How a TNEF begins (MS-OXTNEF 2.1.3.1).
pub(super) const SIGNATURE: [u8; 4] = [0x78, 0x9f, 0x3e, 0x22];

/// Attributes (MS-OXTNEF 2.1.3.2), without their type in the upper half, which readers do not ask.
pub(super) mod attribute {
    pub(in super::super) const SUBJECT: u32 = 0x8004;
    pub(in super::super) const BODY: u32 = 0x800c;
    pub(in super::super) const PROPERTIES: u32 = 0x9003;
    pub(in super::super) const TITLE: u32 = 0x8010;
    pub(in super::super) const DATA: u32 = 0x800f;
    pub(in super::super) const RENDERING: u32 = 0x9002;
    pub(in super::super) const ATTACHMENT: u32 = 0x9005;
    pub(in super::super) const TRANSPORT: u32 = 0x9001;
}

/// A property that matters here.
pub(super) struct Property<'a> {
    pub(super) id: u16,
    pub(super) kind: u16,
    pub(super) value: &'a [u8],
}

impl Property<'_> {
    pub(super) fn text(&self) -> String {
        if self.kind == 0x001f {
            wide(self.value)
        } else {
            narrow(self.value)
        }
    }
}

/// An attachment as it is gathered.
#[derive(Default)]
struct Gathered<'a> {
    names: Attachment,
    contents: Vec<&'a [u8]>,
    /// A mail or an object of another program, beside which what is shown of it is usual.
    objects: Vec<&'a [u8]>,
}

impl<'a> Gathered<'a> {
    fn take(&mut self, property: &Property<'a>) {
        match (property.id, property.kind) {
            (id::DATA, 0x0102) => self.contents.push(property.value),
            // An object begins with the class of its interface.
            (id::DATA, 0x000d) => self.objects.push(rest(property.value, 16)),
            (_, 0x001e | 0x001f) => self.names.note(property.id, property.text()),
            _ => {}
        }
    }

    fn give(&self, visit: &mut dyn Visit) -> Flow {
        let mut contents: Vec<&[u8]> = self.contents.iter().copied().filter(|one| !one.is_empty()).collect();
        contents.dedup();
        if contents.len() > 1 {
            visit.mark(Mark::Ambiguous, "two contents of an attachment");
        }
        contents.extend(&self.objects);
        if contents.is_empty() {
            return self.names.give("", &[], visit);
        }
        for octets in contents {
            if self.names.give("", octets, visit) == Flow::Stop {
                return Flow::Stop;
            }
        }
        Flow::On
    }
}

/// Looks into a TNEF.
pub(crate) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let (mut open, mut turn): (Option<Gathered<'_>>, usize) = (None, 0);
    let mut stopped = false;
    let whole = attributes(octets, &mut |id, data| {
        turn += 1;
        let flow = attribute_of(id, data, &mut open, visit);
        stopped = flow == Flow::Stop || turn % 256 == 0 && visit.is_over();
        !stopped
    });
    if !whole {
        visit.mark(Mark::Damaged, "attributes");
    }
    if let Some(last) = open.filter(|_| !stopped) {
        let _ = last.give(visit);
    }
}

/// Walks the attributes until `take` says that it has enough: `false` where they do not come out even. Of an attribute
/// that is cut, what is there is given.
pub(super) fn attributes<'a>(octets: &'a [u8], take: &mut dyn FnMut(u32, &'a [u8]) -> bool) -> bool {
    let (mut at, mut whole) = (6, true);
    for turn in 0..=ATTRIBUTES_MAX {
        if at >= octets.len() {
            break;
        }
        let (Some(level), Some(id), Some(size)) = (
            octets.get(at),
            u32_at(octets, at.saturating_add(1)),
            size_at(octets, at.saturating_add(5)),
        ) else {
            return false;
        };
        if !matches!(level, 1 | 2) || turn == ATTRIBUTES_MAX {
            // Padding at the end is usual where it is zeros.
            return whole && rest(octets, at).iter().all(|octet| *octet == 0);
        }
        let from = at.saturating_add(9);
        let all = rest(octets, from);
        let data = all.get(..size).unwrap_or(all);
        whole &= data.len() == size;
        at = from.saturating_add(size).saturating_add(2);
        if !take(id, data) {
            break;
        }
    }
    whole
}

fn attribute_of<'a>(id: u32, data: &'a [u8], open: &mut Option<Gathered<'a>>, visit: &mut dyn Visit) -> Flow {
    match id & 0xffff {
        attribute::RENDERING => {
            let before = open.replace(Gathered::default());
            before.map_or(Flow::On, |one| one.give(visit))
        }
        attribute::TITLE => {
            open.get_or_insert_default().names.title = narrow(data);
            Flow::On
        }
        attribute::TRANSPORT => {
            open.get_or_insert_default().names.transport = narrow(data);
            Flow::On
        }
        attribute::DATA => {
            open.get_or_insert_default().contents.push(data);
            Flow::On
        }
        attribute::ATTACHMENT => {
            let one = open.get_or_insert_default();
            if !properties(data, &mut |property| one.take(property)) {
                visit.mark(Mark::Damaged, "properties");
            }
            Flow::On
        }
        attribute::BODY => give(visit, "body.txt", None, data.strip_suffix(b"\0").unwrap_or(data)),
        attribute::PROPERTIES => {
            let mut found = Vec::new();
            let whole = properties(data, &mut |one| {
                if matches!(one.id, id::BODY | id::HTML | id::RTF | id::HEADERS) && found.len() < 64 {
                    found.push((one.id, one.kind, one.value));
                }
            });
            if !whole {
                visit.mark(Mark::Damaged, "properties");
            }
            for (id, kind, value) in found {
                if body(&Property { id, kind, value }, visit) == Flow::Stop {
                    return Flow::Stop;
                }
            }
            Flow::On
        }
        _ => Flow::On,
    }
}

fn body(property: &Property<'_>, visit: &mut dyn Visit) -> Flow {
    match property.id {
        id::RTF => give_rtf("", property.value, visit),
        id::HTML if property.kind == 0x0102 => give(visit, "body.html", None, property.value),
        id::HTML => give(visit, "body.html", None, property.text().as_bytes()),
        id::HEADERS => give(visit, "headers.txt", None, property.text().as_bytes()),
        _ => give(visit, "body.txt", None, property.text().as_bytes()),
    }
}

/// Walks a list of properties (MS-OXTNEF 2.1.3.4): `false` if it did not come out even.
pub(super) fn properties<'a>(data: &'a [u8], take: &mut dyn FnMut(&Property<'a>)) -> bool {
    let Some(count) = size_at(data, 0) else { return false };
    let mut at = 4;
    for _ in 0..count.min(PROPERTIES_MAX) {
        match property(data, at, take) {
            Some(next) => at = next,
            None => return false,
        }
    }
    count <= PROPERTIES_MAX
}

fn padded(size: usize) -> Option<usize> {
    size.checked_next_multiple_of(4)
}

fn property<'a>(data: &'a [u8], at: usize, take: &mut dyn FnMut(&Property<'a>)) -> Option<usize> {
    let (kind, id) = (u16_at(data, at)?, u16_at(data, at.checked_add(2)?)?);
    let mut at = at.checked_add(4)?;
    if id >= 0x8000 {
        // A name: a set, and in it a number or a text.
        at = at.checked_add(16)?;
        let text = u32_at(data, at)? == 1;
        at = at.checked_add(4)?;
        at = if text {
            at.checked_add(4)?.checked_add(padded(size_at(data, at)?)?)?
        } else {
            at.checked_add(4)?
        };
    }
    let form = kind & 0x0fff;
    let fixed = match form {
        0x0002..=0x0004 | 0x000a | 0x000b => Some(4),
        0x0005..=0x0007 | 0x0014 | 0x0040 => Some(8),
        0x0048 => Some(16),
        // Nothing, once: many of it would take no room, and are none that a mail has.
        0x0001 if kind & 0x1000 == 0 => Some(0),
        0x000d | 0x001e | 0x001f | 0x0102 => None,
        _ => return None,
    };
    let many = kind & 0x1000 != 0 || fixed.is_none();
    let count = if many { size_at(data, at)? } else { 1 };
    if many {
        at = at.checked_add(4)?;
    }
    if count > PROPERTIES_MAX {
        return None;
    }
    for _ in 0..count {
        let size = match fixed {
            Some(size) => size,
            None => {
                let size = size_at(data, at)?;
                at = at.checked_add(4)?;
                size
            }
        };
        let value = slice(data, at, size)?;
        take(&Property { id, kind: form, value });
        at = at.checked_add(padded(size)?)?;
    }
    Some(at)
}
