//! Office documents in compound files: macros, fields that fetch, objects, passwords.

use super::compound::Compound;
use super::field::{self, rest, size_at, slice, u16_at, wide};
use super::{biff, budget, give, ole1, ppt, vba};
use crate::{Flow, Mark, Visit};

/// Octets of a stream that are looked at; the length of a file bounds them too.
const STREAM_MAX: usize = 64 << 20;
/// Class of Equation Editor 3, as its octets lie.
const EQUATION: [u8; 16] = [0x02, 0xce, 0x02, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];

/// Looks into a compound file.
pub(crate) fn read(octets: &[u8], visit: &mut dyn Visit) {
    // Older sheets of Excel stand alone.
    if octets.first() == Some(&9) {
        biff::read(octets, visit);
        return;
    }
    let Some(mut file) = Compound::open(octets) else {
        visit.mark(Mark::Damaged, "compound file");
        return;
    };
    let _ = look(&mut file, visit);
    if file.damaged {
        visit.mark(Mark::Damaged, "compound file");
    }
}

/// Looks at each entry, wherever it hangs: a document within a document is looked at as the document itself.
pub(crate) fn look(file: &mut Compound<'_>, visit: &mut dyn Visit) -> Flow {
    macros(file, visit);
    for at in 0..file.entries.len() {
        if visit.is_over() {
            return Flow::Stop;
        }
        let Some(entry) = file.entries.get(at).cloned() else {
            break;
        };
        if entry.class == EQUATION {
            visit.mark(Mark::Embedded, "equation");
        }
        let name = entry.name.to_ascii_lowercase();
        if !entry.is_stream {
            if name == "objectpool" && file.within(at).next().is_some() {
                visit.mark(Mark::Embedded, "objects");
            }
            continue;
        }
        let flow = match name.as_str() {
            "encryptedpackage" | "encryptioninfo" => {
                visit.mark(Mark::Encrypted, "package");
                Flow::On
            }
            "equation native" => {
                visit.mark(Mark::Embedded, "equation");
                Flow::On
            }
            "\u{1}ole10native" => ole1::native(&file.read(at, STREAM_MAX), visit),
            "package" | "contents" if entry.parent != 0 || name == "package" => {
                let inner = file.read(at, STREAM_MAX);
                give(visit, "package", None, &inner)
            }
            "workbook" | "book" => {
                biff::read(&file.read(at, STREAM_MAX), visit);
                Flow::On
            }
            "worddocument" => {
                word(file, at, visit);
                Flow::On
            }
            "powerpoint document" => ppt::read(&file.read(at, STREAM_MAX), visit),
            "current user" => {
                // MS-PPT 2.3.2: the token says whether the slides are scrambled.
                if size_at(&file.read(at, 64), 12) == Some(0xf3d1_c4df) {
                    visit.mark(Mark::Encrypted, "slides");
                }
                Flow::On
            }
            _ => Flow::On,
        };
        if flow == Flow::Stop {
            return Flow::Stop;
        }
    }
    Flow::On
}

/// Macros: a storage `VBA`, its directory and the source of each module.
fn macros(file: &mut Compound<'_>, visit: &mut dyn Visit) {
    let storages: Vec<usize> = file
        .entries
        .iter()
        .enumerate()
        .filter(|(_, one)| !one.is_stream && one.name.eq_ignore_ascii_case("VBA"))
        .map(|(at, _)| at)
        .collect();
    let other = ["_VBA_PROJECT", "_VBA_PROJECT_CUR", "Macros"]
        .iter()
        .any(|name| file.has(name));
    if storages.is_empty() && !other {
        return;
    }
    visit.mark(Mark::Macro, "VBA");
    let (mut sources, mut modules, mut left) = (0, 0, budget(file.length()));
    for storage in storages {
        let dir = file
            .find(storage, "dir")
            .map(|at| file.read(at, STREAM_MAX))
            .unwrap_or_default();
        let places = vba::modules(&dir);
        let inside: Vec<usize> = file.within(storage).collect();
        for at in inside {
            if visit.is_over() {
                return;
            }
            let Some(entry) = file.entries.get(at).filter(|one| one.is_stream).cloned() else {
                continue;
            };
            let lower = entry.name.to_ascii_lowercase();
            if lower == "dir" || lower == "_vba_project" || lower.starts_with("__srp_") {
                continue;
            }
            modules += 1;
            let stream = file.read(at, STREAM_MAX);
            let place = places
                .iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(&entry.name))
                .map(|(_, place)| *place);
            let most = left.min(vba::SOURCE_MAX);
            let Some(source) = vba::source(&stream, place, most) else {
                continue;
            };
            if source.len() >= most {
                visit.mark(Mark::Octets, "macro cut");
            }
            left = left.saturating_sub(source.len());
            if left == 0 {
                visit.mark(Mark::Octets, "macros");
                return;
            }
            sources += 1;
            if let Some(name) = vba::runs_by_itself(&source) {
                visit.mark(Mark::AutoMacro, &name);
            }
        }
    }
    // Byte code without its source runs all the same in the Office that wrote it.
    if sources < modules {
        visit.mark(Mark::Unread, "macro without its source");
    }
}

/// Word: the header's flags, fields, and the template (MS-DOC 2.5).
fn word(file: &mut Compound<'_>, at: usize, visit: &mut dyn Visit) {
    let stream = file.read(at, STREAM_MAX);
    let flags = u16_at(&stream, 10).unwrap_or(0);
    if flags & 0x0100 != 0 {
        visit.mark(Mark::Encrypted, "text");
        return;
    }
    if fetches(&stream) {
        visit.mark(Mark::Fetches, "DDE");
    }
    let parent = file.entries.get(at).map_or(0, |one| one.parent);
    let table = if flags & 0x0200 != 0 { "1Table" } else { "0Table" };
    let (Some(from), Some(length)) = (size_at(&stream, 0x19a), size_at(&stream, 0x19e)) else {
        return;
    };
    let Some(table) = file.find(parent, table) else { return };
    let table = file.read(table, STREAM_MAX);
    let Some(template) = slice(&table, from, length).and_then(template) else {
        return;
    };
    if super::ooxml::is_elsewhere(&template) {
        visit.mark(Mark::Fetches, &field::short(&format!("template {template}")));
    }
}

/// The template in the table of associated texts: the second of them.
fn template(table: &[u8]) -> Option<String> {
    if u16_at(table, 0)? != 0xffff {
        return None;
    }
    let first = usize::from(u16_at(table, 6)?).checked_mul(2)?;
    let at = 8usize.checked_add(first)?;
    let length = usize::from(u16_at(table, at)?).checked_mul(2)?;
    Some(wide(slice(table, at + 2, length)?))
}

/// Whether a field begins with DDE, in letters of one octet or of two.
fn fetches(stream: &[u8]) -> bool {
    memchr::memchr_iter(0x13, stream).any(|at| {
        let letters = rest(stream, at + 1).iter().take(64).filter(|octet| **octet != 0);
        let word = letters.skip_while(|octet| matches!(**octet, b' ' | b'"' | b'\t'));
        let begins = |what: &[u8]| {
            word.clone()
                .take(what.len())
                .map(u8::to_ascii_lowercase)
                .eq(what.iter().copied())
        };
        begins(b"ddeauto") || begins(b"dde ")
    })
}
