//! Names between text and the octets that DNS has.
//!
//! **Invariant:** a name that came from DNS, given back as a question, asks about the same octets. In text, letters, digits
//! and all other printable ASCII stand for themselves; a dot or a backslash within a label is `\.` or `\\`, and any other
//! octet is `\DDD` in decimal (RFC 1035 §5.1). So what a stranger put into a name has no control character, no space and
//! no octet above 126 in text. In a question such octets may also stand for themselves.

use std::fmt::Write as _;

use hickory_resolver::proto::rr::Name;

/// The most characters of a name in text: 253 octets, each of them escaped.
const TEXT_MAX: usize = 4 * 253;
/// The most octets of a label (RFC 1035 §2.3.4).
const LABEL_MAX: usize = 63;

/// The name that a text means; none where it is no name of DNS.
pub fn absolute(text: &str) -> Option<Name> {
    if text.len() > TEXT_MAX {
        return None;
    }
    if !text.is_ascii() {
        // U-labels are asked for as A-labels (RFC 5891 §5).
        let mut name = Name::from_utf8(text).ok()?;
        name.set_fqdn(true);
        return Some(name);
    }
    let mut labels: Vec<Vec<u8>> = Vec::new();
    let mut label = Vec::new();
    let mut rest = text.strip_suffix('.').unwrap_or(text).as_bytes();
    // A backslash before the last dot makes it part of the label.
    if text.ends_with("\\.") && escaped(text.strip_suffix("\\.").unwrap_or_default()) {
        rest = text.as_bytes();
    }
    if rest.is_empty() {
        return (text == ".").then(Name::root);
    }
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        match octet {
            b'.' => labels.push(std::mem::take(&mut label)),
            b'\\' => {
                let (octet, after) = unescape(after)?;
                rest = after;
                label.push(octet);
            }
            octet => label.push(octet),
        }
    }
    labels.push(label);
    if labels.iter().any(|label| label.is_empty() || label.len() > LABEL_MAX) {
        return None;
    }
    Name::from_labels(labels.iter().map(Vec::as_slice)).ok()
}

/// Whether what follows this text is escaped by a backslash that comes next: the backslashes before it are in pairs.
fn escaped(before: &str) -> bool {
    before.bytes().rev().take_while(|octet| *octet == b'\\').count() % 2 == 0
}

/// What stands behind a backslash, and what follows it.
fn unescape(text: &[u8]) -> Option<(u8, &[u8])> {
    match text {
        [a, b, c, rest @ ..] if a.is_ascii_digit() => {
            if !b.is_ascii_digit() || !c.is_ascii_digit() {
                return None;
            }
            let [a, b, c] = [*a, *b, *c].map(|digit| u16::from(digit - b'0'));
            Some((u8::try_from(100 * a + 10 * b + c).ok()?, rest))
        }
        [octet, rest @ ..] if !octet.is_ascii_digit() => Some((*octet, rest)),
        _ => None,
    }
}

/// A name in text, without trailing dot; the root is empty.
pub fn text(name: &Name) -> Box<str> {
    let mut out = String::with_capacity(name.len());
    for label in name.iter() {
        if !out.is_empty() {
            out.push('.');
        }
        for &octet in label {
            match octet {
                b'.' | b'\\' => {
                    out.push('\\');
                    out.push(char::from(octet));
                }
                b'!'..=b'~' => out.push(char::from(octet)),
                // Infallible: it is a string.
                _ => drop(write!(out, "\\{octet:03}")),
            }
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn octets(text: &str) -> Option<Vec<Vec<u8>>> {
        absolute(text).map(|name| name.iter().map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn ordinary_names_stand_as_they_are() {
        for name in [
            "a.example",
            "xn--mnchen-3ya.example",
            "_dmarc.a.example",
            "a-b.c_d",
            "a*b.x",
            "*.x",
        ] {
            assert_eq!(&*text(&absolute(name).unwrap()), name);
            assert_eq!(absolute(&format!("{name}.")), absolute(name));
        }
        assert_eq!(octets("m\u{fc}nchen.example"), octets("xn--mnchen-3ya.example"));
        assert_eq!(&*text(&Name::root()), "");
        assert_eq!(absolute("."), Some(Name::root()));
    }

    #[test]
    fn odd_octets_are_escaped_in_text_and_come_through_a_question() {
        let odd: [&[u8]; 3] = [b"a\r\nX: b", b"dot.and\\back", b"\x00\xff\x7f "];
        let name = Name::from_labels(odd).unwrap();
        let shown = text(&name);
        assert_eq!(&*shown, r"a\013\010X:\032b.dot\.and\\back.\000\255\127\032");
        assert_eq!(octets(&shown).unwrap(), odd);
        assert_eq!(octets("a\r\nX: b.x").unwrap(), [&b"a\r\nX: b"[..], b"x"]);
        assert_eq!(octets(r"a\.").unwrap(), [b"a."]);
        assert_eq!(octets(r"a\\.").unwrap(), [br"a\"]);
    }

    #[test]
    fn what_is_no_name_is_none() {
        let label = "x".repeat(64);
        let long = format!("{}.example", vec!["y".repeat(60); 5].join("."));
        for text in [
            "",
            "..",
            "a..b",
            ".a",
            "a.b..",
            r"a\",
            r"a\1",
            r"a\12x",
            r"a\256",
            &label,
            &long,
            &"x".repeat(5_000),
        ] {
            assert_eq!(octets(text), None, "{text}");
        }
    }
}
