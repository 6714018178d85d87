//! Where scripts stand in a page, as browsers find them.

use memchr::memmem;

use super::super::field::rest;

/// Octets of a script in an attribute; all of them together are no longer than the page.
const HANDLER_MAX: usize = 64 * 1_024;

/// Scripts: elements, and what handlers and links say. Data in scripts' clothes (JSON) is left out.
pub(super) fn scripts<'a>(octets: &'a [u8], lower: &[u8]) -> Vec<&'a [u8]> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(on) = memmem::find(rest(lower, at), b"<script") {
        let from = at + on + 7;
        let (open, kind) = tag(rest(lower, from));
        let open = from + open;
        if open >= lower.len() {
            break;
        }
        let end = memmem::find(rest(lower, open), b"</script").map_or(octets.len(), |on| open + on);
        if memmem::find(kind, b"json").is_none() {
            found.extend(octets.get(open + 1..end));
        }
        at = end.max(open + 1);
    }
    let mut left = octets.len();
    for word in [
        &b"javascript:"[..],
        b"onload=",
        b"onerror=",
        b"onclick=",
        b"onmouseover=",
        b"onfocus=",
    ] {
        for at in memmem::find_iter(lower, word) {
            let inner = rest(octets, at + word.len());
            let inner = inner.get(..inner.len().min(left).min(HANDLER_MAX)).unwrap_or_default();
            let quote = inner.first().filter(|quote| matches!(**quote, b'"' | b'\''));
            let end = match quote {
                Some(quote) => memchr::memchr(*quote, rest(inner, 1)).map(|end| end + 1),
                None => memchr::memchr2(b'<', b'>', inner),
            };
            let inner = inner.get(..end.unwrap_or(inner.len())).unwrap_or_default();
            left = left.saturating_sub(inner.len());
            found.push(inner);
        }
    }
    found
}

/// Where a tag ends, and the value of its first attribute `type`, as browsers read it: what is in quotes ends no tag.
fn tag(inner: &[u8]) -> (usize, &[u8]) {
    let (mut at, mut kind) = (0, None);
    let skip = |at: usize, test: &dyn Fn(u8) -> bool| {
        let inner = rest(inner, at);
        at + inner.iter().position(|octet| !test(*octet)).unwrap_or(inner.len())
    };
    let space = |octet: u8| octet.is_ascii_whitespace();
    loop {
        at = skip(at, &|octet| space(octet) || octet == b'/');
        if inner.get(at).is_none_or(|octet| *octet == b'>') {
            return (at, kind.unwrap_or_default());
        }
        let from = at;
        // A name may begin with anything.
        at = skip(at + 1, &|octet| !space(octet) && !matches!(octet, b'/' | b'>' | b'='));
        let name = inner.get(from..at).unwrap_or_default();
        let equals = skip(at, &space);
        if inner.get(equals) != Some(&b'=') {
            continue;
        }
        at = skip(equals + 1, &space);
        let value = match inner.get(at) {
            Some(quote @ (b'"' | b'\'')) => {
                let from = at + 1;
                let end = skip(from, &|octet| octet != *quote);
                at = end + 1;
                inner.get(from..end)
            }
            _ => {
                let from = at;
                at = skip(at, &|octet| !space(octet) && octet != b'>');
                inner.get(from..at)
            }
        };
        if name == b"type" && kind.is_none() {
            kind = value;
        }
    }
}
