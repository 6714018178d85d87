//! Which texts are names that DNS can be asked for.

use std::borrow::Cow;

/// The most octets of a name (RFC 1035 section 2.3.4).
const NAME_MAX: usize = 253;
/// The most octets of a label.
const LABEL_MAX: usize = 63;

/// Whether DNS can be asked for this name, without trailing dot. Labels may hold any ASCII character: records name such
/// things, and it is DNS that says whether they exist.
pub fn is_name(text: &str) -> bool {
    text.len() <= NAME_MAX && text.is_ascii() && text.split('.').all(|label| (1..=LABEL_MAX).contains(&label.len()))
}

/// The domain of a sender as it is asked for, in ASCII and without trailing dot; none where it can have no record (RFC
/// 7208 section 4.3): an address literal, a single label, an address, what is no name.
pub fn of_sender(text: &str) -> Option<Cow<'_, str>> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let name = if text.is_ascii() {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(idna::domain_to_ascii(text).ok()?)
    };
    let (_, top) = name.rsplit_once('.')?;
    let may = is_name(&name)
        && name.bytes().all(|b| b.is_ascii_graphic() && !b"[]<>@".contains(&b))
        && !top.bytes().all(|b| b.is_ascii_digit());
    may.then_some(name)
}

/// Makes a name of what a domain expanded to: no trailing dot, and labels taken off the left until it is short enough
/// (RFC 7208 section 7.3). None where it is no name even so.
pub fn of_expansion(text: &str) -> Option<&str> {
    let mut name = text.strip_suffix('.').unwrap_or(text);
    while name.len() > NAME_MAX {
        (_, name) = name.split_once('.')?;
    }
    is_name(name).then_some(name)
}

/// Whether a name is a domain or lies below it.
pub fn is_within(name: &str, domain: &str) -> bool {
    match name.len().checked_sub(domain.len()) {
        Some(0) => name.eq_ignore_ascii_case(domain),
        Some(before) => name
            .split_at_checked(before)
            .is_some_and(|(below, end)| below.ends_with('.') && end.eq_ignore_ascii_case(domain)),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sender_has_a_domain_of_several_labels() {
        for name in ["a.example", "A.Example.", "a_b.c-d.example", "xn--mnchen-3ya.example"] {
            assert_eq!(
                of_sender(name).as_deref(),
                name.strip_suffix('.').or(Some(name)),
                "{name}"
            );
        }
        assert_eq!(
            of_sender("m\u{fc}nchen.example").as_deref(),
            Some("xn--mnchen-3ya.example")
        );
        let long = format!("{}.example", "a".repeat(64));
        for text in [
            "",
            ".",
            "example",
            "a..example",
            ".example",
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
            "192.0.2.1",
            "a b.example",
            "a\r\n.example",
            "a\0.example",
            &long,
            &"a.".repeat(130),
        ] {
            assert_eq!(of_sender(text), None, "{text}");
        }
    }

    #[test]
    fn an_expansion_loses_labels_on_the_left_until_it_is_a_name() {
        assert_eq!(of_expansion("a b.%c/d.example."), Some("a b.%c/d.example"));
        assert_eq!(of_expansion("a..example"), None);
        assert_eq!(of_expansion("\u{e9}.example"), None);
        assert_eq!(of_expansion(&"a".repeat(300)), None);
        let long = "abcdefgh.".repeat(40) + "example";
        let name = of_expansion(&long).expect("a name");
        assert!(
            name.len() <= 253 && name.len() > 253 - 9 && long.ends_with(name),
            "{name}"
        );
    }

    #[test]
    fn a_domain_holds_itself_and_what_is_below() {
        assert!(is_within("a.Example", "A.example") && is_within("b.a.example", "a.EXAMPLE"));
        assert!(!is_within("ba.example", "a.example") && !is_within("example", "a.example"));
    }
}
