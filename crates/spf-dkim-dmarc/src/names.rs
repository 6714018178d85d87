//! Names that DNS is asked about: a stranger's text, made into a question that is worth asking or into none.

use gatepost_core::Domain;

/// The most octets of a name (RFC 1035 §2.3.4, without the lengths of its labels).
pub const NAME_MAX: usize = 253;
/// The most octets of a label.
const LABEL_MAX: usize = 63;

/// Whether a text may be called a name: letters, digits, hyphens and underscores between dots. What comes from PTR or a
/// signature is a stranger's (CVE-2026-28753).
pub fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= NAME_MAX
        && text.split('.').all(|label| {
            (1..=LABEL_MAX).contains(&label.len())
                && label
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

/// A domain as DNS and records of others spell it: small letters, A-labels, no dot at its end. `None` where it is no
/// name, as an address literal.
pub fn plain(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let name = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(text).ok()?
    };
    is_name(&name).then_some(name)
}

/// The same of a parsed domain.
pub fn of(domain: &Domain) -> Option<String> {
    match domain {
        Domain::Name(name) => plain(name),
        _ => None,
    }
}

/// Whether `name` is `above` or lies below it.
pub fn is_within(name: &str, above: &str) -> bool {
    name.strip_suffix(above)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_are_names() {
        for name in ["mail.example.org", "a-b.c_d.e", "localhost", "xn--mnchen-3ya.example"] {
            assert!(is_name(name), "{name}");
        }
        let long = format!("{}.example", "a".repeat(300));
        for text in [
            "",
            ".",
            "a..b",
            "a\r\nRCPT TO:<x@y>",
            "a b",
            "-a.example",
            "a-.example",
            "\u{e4}.example",
            &long,
        ] {
            assert!(!is_name(text), "{text}");
        }
    }

    #[test]
    fn a_domain_is_asked_about_in_one_spelling() {
        assert_eq!(plain("B.Example.").as_deref(), Some("b.example"));
        assert_eq!(plain("M\u{fc}nchen.example").as_deref(), Some("xn--mnchen-3ya.example"));
        assert_eq!(plain("a..b"), None);
        assert_eq!(of(&Domain::parse("[192.0.2.1]", false).expect("a literal")), None);
    }

    #[test]
    fn a_name_lies_below_another_by_labels() {
        assert!(is_within("a.b.example", "b.example") && is_within("b.example", "b.example"));
        assert!(!is_within("ab.example", "b.example") && !is_within("b.example", "a.b.example"));
    }
}
