//! Octets as a page writes them: base64, hexadecimal, numbers, percent.

use memchr::memmem;

use super::LITERAL_MIN;
use crate::Kind;
use crate::documents::field::rest;
use crate::kind::Class;

/// Octets of base64 in either alphabet; what is none of it is passed over.
pub(crate) fn base64(text: &[u8]) -> Vec<u8> {
    let mut found = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0u32, 0u32);
    for octet in text {
        let value = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            // What is padded may go on: pieces that were packed one by one.
            b'=' => {
                (bits, count) = (0, 0);
                continue;
            }
            _ => continue,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            found.push((bits >> count) as u8);
        }
    }
    found
}

fn hexadecimal(text: &[u8]) -> Vec<u8> {
    let digits: Vec<u8> = text
        .iter()
        .filter_map(|octet| char::from(*octet).to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits.chunks_exact(2).map(|two| two[0] << 4 | two[1]).collect()
}

fn percent(text: &[u8]) -> Vec<u8> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(octet) = text.get(at) {
        let hex = |from: usize, to: usize| {
            let digits = text.get(at + from..at + to)?;
            u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
        };
        let wide = text.get(at + 1) == Some(&b'u');
        match (octet, if wide { hex(2, 6) } else { hex(1, 3) }) {
            (b'%', Some(value)) => {
                let mut place = [0; 4];
                match char::from_u32(value).filter(|_| wide) {
                    Some(one) => found.extend_from_slice(one.encode_utf8(&mut place).as_bytes()),
                    None => found.push(value as u8),
                }
                at += if wide { 6 } else { 3 };
            }
            _ => {
                found.push(*octet);
                at += 1;
            }
        }
    }
    found
}

/// A literal that was read.
pub(super) struct Literal {
    pub(super) kind: Kind,
    pub(super) octets: Vec<u8>,
}

pub(super) fn is_file(kind: Kind) -> bool {
    match kind.class() {
        Class::Executable | Class::Shortcut | Class::Image | Class::Archive | Class::Script | Class::Mail => true,
        Class::Document => kind != Kind::Svg && kind != Kind::Xml,
        _ => false,
    }
}

/// What a literal says, in the first way in which it says a file.
pub(super) fn literal(text: &[u8]) -> Option<Literal> {
    if text.len() < LITERAL_MIN {
        return None;
    }
    let text = match memmem::find(text.get(..text.len().min(120))?, b";base64,") {
        Some(at) if text.starts_with(b"data:") => rest(text, at + 8),
        _ => text,
    };
    let of = |octets: Vec<u8>| Literal {
        kind: Kind::of(&octets, ""),
        octets,
    };
    let alphabet =
        |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'-' | b'_' | b'=' | b'\r' | b'\n');
    if text
        .iter()
        .all(|octet| octet.is_ascii_hexdigit() || octet.is_ascii_whitespace())
    {
        return Some(of(hexadecimal(text)));
    }
    if memmem::find_iter(text, b"\\x").count() * 5 > text.len() {
        return Some(of(hexadecimal(
            &text.iter().copied().filter(|octet| *octet != b'x').collect::<Vec<u8>>(),
        )));
    }
    if text.iter().filter(|octet| **octet == b'%').count() * 6 > text.len() {
        return Some(of(percent(text)));
    }
    if text.iter().all(alphabet) {
        let straight = of(base64(text));
        if is_file(straight.kind) || straight.kind.class() == Class::Picture {
            return Some(straight);
        }
        let back: Vec<u8> = text.iter().rev().copied().filter(|octet| *octet != b'=').collect();
        let back = of(base64(&back));
        return Some(if is_file(back.kind) { back } else { straight });
    }
    None
}

/// Literals of a script, those joined by `+` or listed by commas as one.
pub(super) fn literals(script: &[u8]) -> Vec<Vec<u8>> {
    let (mut found, mut joined, mut end, mut at): (Vec<Vec<u8>>, Vec<u8>, usize, usize) =
        (Vec::new(), Vec::new(), 0, 0);
    while let Some(on) = memchr::memchr3(b'"', b'\'', b'`', rest(script, at)) {
        let from = at + on;
        let Some(quote) = script.get(from) else { break };
        let mut to = from + 1;
        while let Some(octet) = script.get(to) {
            match octet {
                b'\\' => to += 1,
                b'\n' if *quote != b'`' => break,
                octet if octet == quote => break,
                _ => {}
            }
            to += 1;
        }
        let inner = script.get(from + 1..to.min(script.len())).unwrap_or_default();
        let between = script.get(end..from).unwrap_or_default();
        let joins = |octet: &u8| octet.is_ascii_whitespace() || matches!(octet, b'+' | b',' | b'\\');
        if !between.iter().all(joins) {
            found.push(std::mem::take(&mut joined));
        }
        joined.extend_from_slice(inner);
        end = (to + 1).min(script.len());
        at = to + 1;
    }
    found.push(joined);
    found.retain(|one| one.len() >= LITERAL_MIN);
    found
}

/// The script without what joins one text to the next: the end of a quote, one of `signs`, and the begin of a quote.
pub(super) fn joined(script: &[u8], signs: &[u8]) -> Vec<u8> {
    let is_quote = |octet: &u8| matches!(octet, b'"' | b'\'' | b'`');
    let (mut found, mut at) = (Vec::with_capacity(script.len()), 0);
    while let Some(octet) = script.get(at) {
        at += 1;
        if is_quote(octet) {
            let after = rest(script, at);
            let inner = after.trim_ascii_start();
            let inner = inner.split_first().filter(|(sign, _)| signs.contains(sign));
            if let Some([first, next @ ..]) = inner.map(|(_, inner)| inner.trim_ascii_start())
                && is_quote(first)
            {
                at = script.len() - next.len();
                continue;
            }
        }
        found.push(*octet);
    }
    found
}

/// Lists of numbers below 256, decimal or hexadecimal, as octets.
pub(super) fn numbers(script: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for at in memchr::memchr2_iter(b'[', b'(', script) {
        let inner = rest(script, at + 1);
        let end = inner.iter().position(|octet| {
            !(octet.is_ascii_hexdigit() || octet.is_ascii_whitespace() || matches!(octet, b',' | b'x' | b'X'))
        });
        let inner = inner.get(..end.unwrap_or(inner.len())).unwrap_or_default();
        if inner.len() < LITERAL_MIN {
            continue;
        }
        let inner = inner.trim_ascii_end();
        let octets = inner
            .strip_suffix(b",")
            .unwrap_or(inner)
            .split(|octet| *octet == b',')
            .map(|one| {
                let one = std::str::from_utf8(one.trim_ascii()).ok()?;
                let hex = one.strip_prefix("0x").or(one.strip_prefix("0X"));
                hex.map_or_else(|| one.parse(), |hex| u8::from_str_radix(hex, 16)).ok()
            });
        found.extend(
            octets
                .collect::<Option<Vec<u8>>>()
                .filter(|octets| octets.len() >= LITERAL_MIN / 2),
        );
    }
    found
}

/// A run of base64 in the page.
pub(super) struct Run<'a> {
    pub(super) octets: &'a [u8],
    /// It is what a link, a frame or an object leads to.
    pub(super) is_link: bool,
}

/// Long runs of base64. Those that are declared to be pictures, fonts, sound or style are no links to files, whatever they
/// are; a script may fetch them all the same.
pub(super) fn runs(octets: &[u8]) -> Vec<Run<'_>> {
    let (mut found, mut at) = (Vec::new(), 0);
    let inside = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'+' | b'/' | b'=' | b'\r' | b'\n');
    while at < octets.len() {
        let here = rest(octets, at);
        let length = here.iter().position(|octet| !inside(octet)).unwrap_or(here.len());
        let before = octets.get(at.saturating_sub(120)..at).unwrap_or_default();
        // What is declared to be base64 may be shorter than what only looks so.
        if length >= LITERAL_MIN * 2 || length >= LITERAL_MIN && before.ends_with(b";base64,") {
            let data = memmem::rfind(before, b"data:")
                .map(|from| rest(before, from))
                .filter(|head| head.ends_with(b","));
            let harmless = data.is_some_and(|head| {
                [
                    &b"data:image/"[..],
                    b"data:font",
                    b"data:audio",
                    b"data:video",
                    b"data:text/css",
                ]
                .iter()
                .any(|one| head.starts_with(one))
            });
            let lead = before.to_ascii_lowercase();
            let is_link = data.is_some()
                && !harmless
                && [&b"href="[..], b"src=", b"data=", b"action="]
                    .iter()
                    .any(|one| memmem::rfind(&lead, one).is_some());
            found.extend(here.get(..length).map(|octets| Run { octets, is_link }));
        }
        at += length.max(1);
    }
    found
}

/// Data in addresses that is not in base64: text, percent and all. `lower` is the page in small letters.
pub(super) fn plain_data<'a>(octets: &'a [u8], lower: &'a [u8]) -> impl Iterator<Item = Literal> + 'a {
    let mut at = 0;
    std::iter::from_fn(move || {
        loop {
            at += memmem::find(rest(lower, at), b"data:")? + 5;
            let head = lower.get(at..lower.len().min(at + 120)).unwrap_or_default();
            let Some(comma) = memchr::memchr(b',', head) else {
                continue;
            };
            let kind = head.get(..comma).unwrap_or_default();
            // A type, and none that is only shown.
            let shown = [&b"image/"[..], b"font", b"audio", b"video", b"text/css"];
            if !kind.contains(&b'/') || kind.ends_with(b"base64") || shown.iter().any(|one| kind.starts_with(one)) {
                continue;
            }
            at += comma + 1;
            let inner = rest(octets, at);
            let end = inner
                .iter()
                .position(|octet| octet.is_ascii_whitespace() || matches!(octet, b'"' | b'\'' | b'>' | b'`'));
            let inner = inner.get(..end.unwrap_or(inner.len())).unwrap_or_default();
            at += inner.len();
            if inner.len() >= LITERAL_MIN {
                let octets = percent(inner);
                let kind = Kind::of(&octets, "");
                return Some(Literal { kind, octets });
            }
        }
    })
}
