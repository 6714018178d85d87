//! Archives of `ar`, as libraries and Debian packages are: the common form, with long names of GNU and BSD.

use super::behind;
use super::octets::piece;
use crate::{File, Flow, Mark, Role, Visit, names};

const MAGIC: usize = 8;
const HEADER: usize = 60;

/// Gives the members of an archive.
pub(super) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let (mut at, mut long): (usize, &[u8]) = (MAGIC, &[]);
    while at < octets.len() && !visit.is_over() {
        let Some(header) = piece(octets, at, HEADER).filter(|header| header.ends_with(b"`\n")) else {
            if octets
                .get(at..)
                .is_some_and(|rest| rest.iter().any(|octet| *octet != 0 && *octet != b'\n'))
            {
                visit.mark(Mark::Damaged, "no header where one should be");
            }
            return behind::rest(octets, at, visit);
        };
        let name = header.get(..16).unwrap_or_default().trim_ascii_end();
        let Some(size) = header.get(48..58).and_then(number) else {
            visit.mark(Mark::Damaged, "a size that is no number");
            return behind::rest(octets, at, visit);
        };
        let data = octets.get(at + HEADER..).unwrap_or_default();
        if size > data.len() {
            visit.mark(Mark::Damaged, "it ends within a member");
        }
        let mut content = data.get(..size).unwrap_or(data);
        if name == b"//" {
            long = content;
        } else if name != b"/" && name != b"/SYM64/" {
            let mut own = name.strip_suffix(b"/").unwrap_or(name);
            if let Some(place) = name.strip_prefix(b"/").and_then(number) {
                let text = long.get(place..).unwrap_or_default();
                // Microsoft ends them with a NUL.
                own = text
                    .split(|octet| matches!(octet, b'\n' | 0))
                    .next()
                    .unwrap_or_default();
                own = own.strip_suffix(b"/").unwrap_or(own);
            } else if let Some(len) = name.strip_prefix(b"#1/").and_then(number)
                && let Some((first, rest)) = content.split_at_checked(len)
            {
                own = first.split(|octet| *octet == 0).next().unwrap_or_default();
                content = rest;
            }
            let file = File {
                name: names::text(own),
                role: Role::File,
                declared: None,
            };
            if visit.file(&file, &mut &*content) == Flow::Stop {
                return;
            }
        }
        at = at.saturating_add(HEADER).saturating_add(size).saturating_add(size & 1);
    }
}

fn number(field: &[u8]) -> Option<usize> {
    std::str::from_utf8(field).ok()?.trim().parse().ok()
}
