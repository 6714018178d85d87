//! Macros in VBA (MS-OVBA): their source, unpacked, and the names under which Office runs them by itself.

use memchr::memmem;

use super::field::{size_at, slice, u16_at, u32_at};

/// Octets of source that are unpacked of one module.
pub(crate) const SOURCE_MAX: usize = 4 << 20;
/// Modules that a directory names.
const MODULES_MAX: usize = 4_096;
/// Octets of a chunk, unpacked (MS-OVBA 2.4.1.3.1).
const CHUNK: usize = 4_096;

/// Names that Office runs when a document is opened, closed or begun.
const AUTO: &[&str] = &[
    "autoexec",
    "autoopen",
    "auto_open",
    "autonew",
    "autoclose",
    "auto_close",
    "autoexit",
    "document_open",
    "documentopen",
    "document_close",
    "document_new",
    "document_beforeclose",
    "document_contentcontrolonenter",
    "workbook_open",
    "workbook_activate",
    "workbook_beforeclose",
    "workbook_close",
    "workbook_windowactivate",
    "presentation_open",
    "slideshow_open",
    "onslideshowpagechange",
    "auto_activate",
    "auto_deactivate",
    "auto_add",
    "auto_remove",
    "application_startup",
    "autoplay",
];

/// Ends of names of controls' events that come without anybody's act.
const EVENTS: &[&str] = &[
    "_layout",
    "_painted",
    "_painting",
    "_documentcomplete",
    "_onconnecting",
    "_oncalculate",
];

/// Unpacks a compressed container; what is there of a broken one. `None` if it does not begin as one.
pub(crate) fn unpack(octets: &[u8], most: usize) -> Option<Vec<u8>> {
    let (1, mut rest) = octets.split_first().map(|(first, rest)| (*first, rest))? else {
        return None;
    };
    let mut found = Vec::new();
    while let Some(header) = u16_at(rest, 0) {
        // Bits 12 to 14 are always 0b011.
        if header & 0x7000 != 0x3000 || found.len() >= most {
            break;
        }
        let size = usize::from(header & 0x0fff) + 1;
        let chunk = slice(rest, 2, size).unwrap_or(rest.get(2..).unwrap_or_default());
        if header & 0x8000 == 0 {
            found.extend_from_slice(chunk);
        } else {
            chunk_into(chunk, &mut found);
        }
        rest = rest.get(2 + size..).unwrap_or_default();
    }
    found.truncate(most);
    Some(found)
}

/// Tokens: a flag octet, and eight literals or copies (MS-OVBA 2.4.1.3.2 to 2.4.1.3.19).
fn chunk_into(chunk: &[u8], found: &mut Vec<u8>) {
    let start = found.len();
    let mut at = 0;
    while let Some(flags) = chunk.get(at) {
        at += 1;
        for bit in 0..8 {
            let done = found.len() - start;
            if done >= CHUNK {
                return;
            }
            if flags >> bit & 1 == 0 {
                let Some(octet) = chunk.get(at) else { return };
                found.push(*octet);
                at += 1;
                continue;
            }
            let Some(token) = u16_at(chunk, at) else { return };
            at += 2;
            // As many bits for the distance as the octets so far need, at least four.
            let bits = (usize::BITS - done.saturating_sub(1).leading_zeros()).clamp(4, 12);
            let length = usize::from(token & (0xffff >> bits)) + 3;
            let distance = usize::from(token >> (16 - bits)) + 1;
            let Some(from) = found.len().checked_sub(distance).filter(|from| *from >= start) else {
                return;
            };
            for offset in 0..length.min(CHUNK - done) {
                let Some(octet) = found.get(from + offset).copied() else {
                    return;
                };
                found.push(octet);
            }
        }
    }
}

/// The modules that the stream `dir` names: the name of their stream and where in it the source begins.
pub(crate) fn modules(dir: &[u8]) -> Vec<(String, usize)> {
    let Some(records) = unpack(dir, SOURCE_MAX) else {
        return Vec::new();
    };
    let (mut at, mut found, mut stream) = (0, Vec::new(), String::new());
    while let (Some(id), Some(size)) = (u16_at(&records, at), size_at(&records, at + 2))
        && found.len() < MODULES_MAX
    {
        // PROJECTVERSION says 4 and has 6 (MS-OVBA 2.3.4.2.1.11).
        let size = if id == 0x0009 { 6 } else { size };
        let Some(data) = slice(&records, at + 6, size) else {
            break;
        };
        match id {
            0x001a => stream = super::field::narrow(data),
            0x0031 => found.push((std::mem::take(&mut stream), u32_at(data, 0).unwrap_or(0) as usize)),
            _ => {}
        }
        at += 6 + size;
    }
    found
}

/// The source in a module's stream: at the place that `dir` says, or where one is seen to begin;
/// at most `most` octets of it.
pub(crate) fn source(stream: &[u8], place: Option<usize>, most: usize) -> Option<Vec<u8>> {
    let said = place
        .and_then(|at| unpack(stream.get(at..)?, most))
        .filter(|source| !source.is_empty());
    let seen = || {
        // The first words of each module, packed: eight literals, then the rest.
        let at = memmem::find(stream, b"\0Attribut")?.checked_sub(3)?;
        unpack(stream.get(at..)?, most)
    };
    said.or_else(seen)
}

/// The name under which the source runs by itself, if there is one.
pub(crate) fn runs_by_itself(source: &[u8]) -> Option<String> {
    let lower = source.to_ascii_lowercase();
    for word in [&b"sub"[..], b"function"] {
        for at in memmem::find_iter(&lower, word) {
            let before = at.checked_sub(1).and_then(|at| lower.get(at));
            let after = lower.get(at + word.len()..).unwrap_or_default();
            // A line goes on after an underscore.
            let skip = after
                .iter()
                .take_while(|octet| matches!(**octet, b' ' | b'\t' | b'\r' | b'\n' | b'_'))
                .count();
            if skip == 0 || before.is_some_and(|octet| octet.is_ascii_alphanumeric() || *octet == b'_') {
                continue;
            }
            let name = after.get(skip..).unwrap_or_default();
            let length = name
                .iter()
                .take_while(|octet| octet.is_ascii_alphanumeric() || **octet == b'_')
                .count();
            let Some(name) = name
                .get(..length.min(64))
                .and_then(|name| std::str::from_utf8(name).ok())
            else {
                continue;
            };
            if AUTO.contains(&name) || EVENTS.iter().any(|end| name.ends_with(end)) {
                return Some(name.to_owned());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification_unpack() {
        // MS-OVBA 3.2.1 to 3.2.3: none, some and much compression.
        let none: &[u8] = &[
            0x01, 0x19, 0xb0, 0x00, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x00, 0x69, 0x6a, 0x6b, 0x6c, 0x6d,
            0x6e, 0x6f, 0x70, 0x00, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x2e,
        ];
        assert_eq!(unpack(none, 100).unwrap(), b"abcdefghijklmnopqrstuv.");
        let some: &[u8] = &[
            0x01, 0x2f, 0xb0, 0x00, 0x23, 0x61, 0x61, 0x61, 0x62, 0x63, 0x64, 0x65, 0x82, 0x66, 0x00, 0x70, 0x61, 0x67,
            0x68, 0x69, 0x6a, 0x01, 0x38, 0x08, 0x61, 0x6b, 0x6c, 0x00, 0x30, 0x6d, 0x6e, 0x6f, 0x70, 0x06, 0x71, 0x02,
            0x70, 0x04, 0x10, 0x72, 0x73, 0x74, 0x75, 0x76, 0x10, 0x77, 0x78, 0x79, 0x7a, 0x00, 0x3c,
        ];
        assert_eq!(
            unpack(some, 100).unwrap(),
            b"#aaabcdefaaaaghijaaaaaklaaamnopqaaaaaaaaaaaarstuvwxyzaaa"
        );
        let much: &[u8] = &[0x01, 0x03, 0xb0, 0x02, 0x61, 0x45, 0x00];
        assert_eq!(unpack(much, 100).unwrap(), [b'a'; 73]);
    }

    #[test]
    fn a_name_counts_where_it_is_declared() {
        assert_eq!(
            runs_by_itself(b"Private Sub Document_Open()\r\n").as_deref(),
            Some("document_open")
        );
        assert_eq!(runs_by_itself(b"SUB _\r\n\tAutoOpen ()").as_deref(), Some("autoopen"));
        assert_eq!(
            runs_by_itself(b"x = \"autoopen\" : Sub Total() : Sub AutoOpened()"),
            None
        );
    }
}
