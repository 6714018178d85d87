//! Objects of OLE 1: the packager's stream, and the objects in RTF (MS-OLEDS).

use super::field::{narrow, rest, size_at, slice, u32_at, until_zero, wide};
use super::give;
use crate::{Flow, Mark, Visit, claimed};

/// A file in a package, under the names that it has there.
pub(crate) struct Package<'a> {
    /// What is shown.
    pub(crate) label: String,
    /// The last component of the path that it is written to when it is opened.
    pub(crate) name: String,
    /// The same two as newer packagers write them behind the file, in letters of two octets each.
    pub(crate) wide: Vec<String>,
    /// There is no file, but a path or a command to be started.
    pub(crate) starts: Option<String>,
    /// Its octets.
    pub(crate) octets: &'a [u8],
    /// Fewer octets than were declared.
    pub(crate) cut: bool,
}

/// The last component of a path of Windows or Unix.
fn last(path: String) -> String {
    path.rsplit(['\\', '/']).next().unwrap_or(&path).to_owned()
}

/// Two names, each with its length in letters: the path that it is written to, and what is shown.
fn wide_names(octets: &[u8]) -> Vec<String> {
    let (mut at, mut found) = (0usize, Vec::new());
    for _ in 0..2 {
        let text = size_at(octets, at).and_then(|count| slice(octets, at.checked_add(4)?, count.checked_mul(2)?));
        let Some(text) = text else { break };
        found.push(last(wide(text)));
        at = at.saturating_add(4).saturating_add(text.len());
    }
    found
}

/// A package as the packager writes it, without the length before it.
pub(crate) fn package(octets: &[u8]) -> Option<Package<'_>> {
    if octets.get(..2)? != [2, 0] {
        return None;
    }
    let (label, at) = until_zero(octets, 2)?;
    // Where its icon is from, and which one.
    let (_, at) = until_zero(octets, at)?;
    // What it is: 3 for a file within, 1 for one elsewhere; then a path with its length.
    let form = super::field::u16_at(octets, at.checked_add(2)?)?;
    if form == 1 {
        // What stands before the path differs; none of it is text.
        let path = rest(octets, at.checked_add(4)?);
        let begin = path.iter().position(|octet| *octet >= b' ').unwrap_or(path.len());
        let path = narrow(rest(path, begin));
        return Some(Package {
            label: narrow(label),
            name: String::new(),
            wide: Vec::new(),
            starts: Some(path),
            octets: &[],
            cut: false,
        });
    }
    let length = size_at(octets, at.checked_add(4)?)?;
    let path = slice(octets, at.checked_add(8)?, length)?;
    let at = at.checked_add(8)?.checked_add(length)?;
    let size = size_at(octets, at)?;
    let all = rest(octets, at.checked_add(4)?);
    let inner = all.get(..size.min(all.len()))?;
    Some(Package {
        label: narrow(label),
        name: last(narrow(path)),
        wide: wide_names(rest(octets, at.checked_add(4)?.saturating_add(size))),
        starts: None,
        octets: inner,
        cut: inner.len() < size,
    })
}

/// Gives the file in a stream `\1Ole10Native`: a length, then a package or the octets themselves.
pub(crate) fn native(stream: &[u8], visit: &mut dyn Visit) -> Flow {
    let inner = rest(stream, 4);
    match package(inner) {
        Some(one) => give_package(&one, visit),
        None => {
            let size = size_at(stream, 0).unwrap_or(0).min(inner.len());
            give(visit, "object", None, inner.get(..size).unwrap_or_default())
        }
    }
}

/// Gives a packaged file, under each of its names that claims another thing.
pub(crate) fn give_package(one: &Package<'_>, visit: &mut dyn Visit) -> Flow {
    if let Some(path) = &one.starts {
        visit.mark(Mark::Fetches, &super::field::short(&format!("package {path}")));
        return Flow::On;
    }
    let first = if one.name.is_empty() { &one.label } else { &one.name };
    visit.mark(Mark::Embedded, &super::field::short(first));
    if one.cut {
        visit.mark(Mark::Damaged, "package cut");
    }
    if give(visit, first, None, one.octets) == Flow::Stop {
        return Flow::Stop;
    }
    let mut given = vec![first];
    for name in [&one.label].into_iter().chain(&one.wide) {
        let claims = claimed(name).is_some() && given.iter().all(|other| claimed(other) != claimed(name));
        if !claims {
            continue;
        }
        visit.mark(Mark::Ambiguous, &super::field::short(name));
        if give(visit, name, None, one.octets) == Flow::Stop {
            return Flow::Stop;
        }
        given.push(name);
    }
    Flow::On
}

/// Gives an object as RTF holds it: a version, linked or embedded, its class, and what the class writes.
pub(crate) fn object(octets: &[u8], visit: &mut dyn Visit) -> Flow {
    let Some((form, class, at)) = header(octets) else {
        if octets.is_empty() {
            return Flow::On;
        }
        visit.mark(Mark::Damaged, "object");
        return give(visit, "object", None, octets);
    };
    if form == 1 {
        let topic = slice(octets, at.saturating_add(4), size_at(octets, at).unwrap_or(0)).unwrap_or_default();
        visit.mark(
            Mark::Fetches,
            &super::field::short(&format!("link of {class} to {}", narrow(topic))),
        );
        return Flow::On;
    }
    if class.to_ascii_lowercase().starts_with("equation") {
        visit.mark(Mark::Embedded, "equation");
    }
    // Topic and item, then the length of the data.
    let mut at = at;
    for _ in 0..2 {
        at = at.saturating_add(4).saturating_add(size_at(octets, at).unwrap_or(0));
    }
    let size = size_at(octets, at).unwrap_or(0);
    let all = rest(octets, at.saturating_add(4));
    if size > all.len() || all.is_empty() {
        visit.mark(Mark::Damaged, "object cut");
    }
    let inner = all.get(..size).unwrap_or(all);
    match package(inner) {
        Some(one) => give_package(&one, visit),
        None => {
            visit.mark(Mark::Embedded, &super::field::short(&class));
            give(visit, "object", None, inner)
        }
    }
}

fn header(octets: &[u8]) -> Option<(u32, String, usize)> {
    let form = u32_at(octets, 4).filter(|form| (1..=3).contains(form))?;
    let length = size_at(octets, 8).filter(|length| *length <= 256)?;
    Some((form, narrow(slice(octets, 12, length)?), 12 + length))
}
