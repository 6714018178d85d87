//! Names between text and the octets that DNS has.
//!
//! **Invariants:** in a question each character of a label stands for itself, a backslash and a space, too, so whoever made
//! a name of a stranger's words (a macro of SPF, say) asks for that name and no other. In an answer a label of visible ASCII
//! without dots is given as it is, so the name can be asked for again; any other octet, a line end above all, and a dot
//! within a label, is `\DDD` in decimal (RFC 1035 §5.1): such a name holds nothing that does harm, and is no name that
//! anybody could have asked for.

use std::fmt::Write as _;

use hickory_resolver::proto::rr::Name;

/// The most octets of a name in text (RFC 1035 §2.3.4, without the first length and the root).
const NAME_MAX: usize = 253;
/// The most octets of a label.
const LABEL_MAX: usize = 63;

/// The name that a text means; none where it is no name of DNS.
pub fn absolute(text: &str) -> Option<Name> {
    if text == "." {
        return Some(Name::root());
    }
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > NAME_MAX {
        return None;
    }
    if !text.is_ascii() {
        // U-labels are asked for as A-labels (RFC 5891 §5).
        let mut name = Name::from_utf8(text).ok()?;
        name.set_fqdn(true);
        return Some(name);
    }
    if text.split('.').any(|label| label.is_empty() || label.len() > LABEL_MAX) {
        return None;
    }
    Name::from_labels(text.split('.').map(str::as_bytes)).ok()
}

/// A name in text, without trailing dot; the root is empty.
pub fn text(name: &Name) -> Box<str> {
    let mut out = String::with_capacity(name.len());
    for label in name.iter() {
        if !out.is_empty() {
            out.push('.');
        }
        for &octet in label {
            if octet.is_ascii_graphic() && octet != b'.' {
                out.push(char::from(octet));
            } else {
                // Infallible: it is a string.
                let _ = write!(out, "\\{octet:03}");
            }
        }
    }
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn octets(text: &str) -> Option<Vec<Vec<u8>>> {
        absolute(text).map(|name| name.iter().map(<[u8]>::to_vec).collect())
    }

    #[test]
    fn ordinary_names_stand_as_they_are() {
        for name in [
            "a.example",
            "xn--mnchen-3ya.example",
            "_dmarc.a.example",
            r"a-b\c.c_d",
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
    fn a_question_takes_each_character_as_it_is_and_an_answer_shows_odd_ones_in_numbers() {
        assert_eq!(octets("a\r\n b.x").unwrap(), [&b"a\r\n b"[..], b"x"]);
        assert_eq!(octets(r"a\046b.x").unwrap(), [&br"a\046b"[..], b"x"]);
        let odd: [&[u8]; 3] = [b"a\r\nX: b", br"dot.and\back", b"\x00\xff\x7f "];
        let shown = text(&Name::from_labels(odd).unwrap());
        assert_eq!(&*shown, r"a\013\010X:\032b.dot\046and\back.\000\255\127\032");
    }

    #[test]
    fn what_is_no_name_is_none() {
        let label = "x".repeat(64);
        let long = format!("{}.example", vec!["y".repeat(60); 5].join("."));
        for text in ["", "..", "a..b", ".a", "a.b..", &label, &long, &"x".repeat(5_000)] {
            assert_eq!(octets(text), None, "{text}");
        }
    }

    proptest! {
        /// Whatever octets a stranger's name has, as text they are harmless; and where all can be seen, the text asks about
        /// the same octets.
        #[test]
        fn any_name_is_harmless_as_text(
            odd in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 1..6),
            plain in prop::collection::vec("[!-~]{1,40}", 1..6),
        ) {
            let name = Name::from_labels(odd.iter().map(Vec::as_slice)).unwrap();
            let shown = text(&name);
            prop_assert!(shown.bytes().all(|octet| octet.is_ascii_graphic()), "{}", shown);
            let plain: Vec<String> = plain.iter().map(|label| label.replace('.', "-")).collect();
            let name = Name::from_labels(plain.iter().map(|label| label.as_bytes())).unwrap();
            prop_assert_eq!(absolute(&text(&name)), Some(name));
        }

        /// Any text is a name or none.
        #[test]
        fn any_text_is_a_name_or_none(text in any::<String>()) {
            absolute(&text);
        }
    }
}
