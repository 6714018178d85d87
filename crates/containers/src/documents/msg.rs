//! Mails of Outlook in compound files (MS-OXMSG): attachments, bodies, and mails within.
//!
//! A mail within is a storage, not a stream, so that it has no octets of its own: what is in it is given with its name
//! before it. **Bounds:** [`DEPTH_MAX`] mails within mails, followed by a list.

use super::compound::Compound;
use super::field::{narrow, wide};
use super::mapi::{Attachment, give_rtf, id};
use super::{give, ole};
use crate::{Flow, Mark, Visit};

/// Mails within mails that are followed.
const DEPTH_MAX: usize = 8;
/// Octets of a property that are read.
const PROPERTY_MAX: usize = 64 << 20;
/// Octets of a name.
const NAME_MAX: usize = 2_048;

/// What holds a property of this identifier: its type, and the entry.
fn property(name: &str) -> Option<(u16, u16)> {
    let rest = name
        .get(..12)
        .filter(|begin| begin.eq_ignore_ascii_case("__substg1.0_"))
        .and(name.get(12..20))?;
    let number = u32::from_str_radix(rest, 16).ok()?;
    Some(((number >> 16) as u16, number as u16))
}

/// Looks into a mail of Outlook.
pub(crate) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let Some(mut file) = Compound::open(octets) else {
        visit.mark(Mark::Damaged, "compound file");
        return;
    };
    // Objects of other programs hang in storages of their own; streams of mails bear none of their names.
    if ole::look(&mut file, visit) == Flow::On {
        let _ = mails(&mut file, visit);
    }
    if file.damaged {
        visit.mark(Mark::Damaged, "compound file");
    }
}

fn mails(file: &mut Compound<'_>, visit: &mut dyn Visit) -> Flow {
    let mut open = vec![(0usize, String::new(), 0usize)];
    while let Some((storage, prefix, depth)) = open.pop() {
        if visit.is_over() {
            return Flow::Stop;
        }
        if body(file, storage, &prefix, visit) == Flow::Stop {
            return Flow::Stop;
        }
        let inside: Vec<usize> = file.within(storage).collect();
        for at in inside {
            let Some(entry) = file.entries.get(at).filter(|one| !one.is_stream) else {
                continue;
            };
            if !entry.name.to_ascii_lowercase().starts_with("__attach_version1.0_") {
                continue;
            }
            match attachment(file, at, &prefix, visit) {
                Found::Given(Flow::Stop) => return Flow::Stop,
                Found::Given(Flow::On) => {}
                Found::Mail(..) if depth >= DEPTH_MAX => visit.mark(Mark::Depth, "mails within mails"),
                Found::Mail(inner, name) => {
                    open.push((inner, super::field::short(&format!("{prefix}{name}/")), depth + 1))
                }
            }
        }
    }
    Flow::On
}

/// What an attachment came to.
enum Found {
    Given(Flow),
    /// A mail within: its storage and its name.
    Mail(usize, String),
}

fn text(file: &mut Compound<'_>, at: usize, kind: u16, most: usize) -> String {
    let octets = file.read(at, most);
    if kind == 0x001f { wide(&octets) } else { narrow(&octets) }
}

fn attachment(file: &mut Compound<'_>, storage: usize, prefix: &str, visit: &mut dyn Visit) -> Found {
    let (mut one, mut data, mut inner) = (Attachment::default(), Vec::new(), None);
    let inside: Vec<usize> = file.within(storage).collect();
    for at in inside {
        let Some(entry) = file.entries.get(at) else { continue };
        let (is_stream, Some((id, kind))) = (entry.is_stream, property(&entry.name)) else {
            continue;
        };
        match (id, kind) {
            (id::DATA, _) if is_stream => data.push(at),
            (id::DATA, _) => inner = inner.or(Some(at)),
            (_, 0x001e | 0x001f) if is_stream => {
                let text = text(file, at, kind, NAME_MAX);
                one.note(id, text);
            }
            _ => {}
        }
    }
    // Two contents of one attachment: each reader takes its own.
    if data.len() > 1 || !data.is_empty() && inner.is_some() {
        visit.mark(Mark::Ambiguous, "two contents of an attachment");
    }
    for at in &data {
        let octets = file.read(*at, PROPERTY_MAX);
        if one.give(prefix, &octets, visit) == Flow::Stop {
            return Found::Given(Flow::Stop);
        }
    }
    match inner {
        Some(at)
            if file
                .within(at)
                .any(|one| file.entries.get(one).is_some_and(|one| property(&one.name).is_some())) =>
        {
            Found::Mail(at, one.name("mail").to_owned())
        }
        // An object of another program, which has been looked at with all the others.
        Some(_) => {
            visit.mark(Mark::Embedded, "object");
            Found::Given(Flow::On)
        }
        None if data.is_empty() => Found::Given(one.give(prefix, &[], visit)),
        None => Found::Given(Flow::On),
    }
}

fn body(file: &mut Compound<'_>, storage: usize, prefix: &str, visit: &mut dyn Visit) -> Flow {
    let inside: Vec<usize> = file.within(storage).collect();
    for at in inside {
        let Some(entry) = file.entries.get(at).filter(|one| one.is_stream) else {
            continue;
        };
        let Some((id, kind)) = property(&entry.name) else {
            continue;
        };
        let flow = match id {
            id::HEADERS | id::BODY if matches!(kind, 0x001e | 0x001f) => {
                let name = if id == id::HEADERS { "headers.txt" } else { "body.txt" };
                let text = text(file, at, kind, PROPERTY_MAX);
                give(visit, &format!("{prefix}{name}"), None, text.as_bytes())
            }
            id::HTML => {
                let octets = file.read(at, PROPERTY_MAX);
                let octets = if kind == 0x001f {
                    wide(&octets).into_bytes()
                } else {
                    octets
                };
                give(visit, &format!("{prefix}body.html"), None, &octets)
            }
            id::RTF => {
                let octets = file.read(at, PROPERTY_MAX);
                give_rtf(prefix, &octets, visit)
            }
            _ => Flow::On,
        };
        if flow == Flow::Stop {
            return Flow::Stop;
        }
    }
    Flow::On
}
