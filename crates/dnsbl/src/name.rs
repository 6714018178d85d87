//! The names under which lists are asked (RFC 5782 §2).
//!
//! **Invariant:** pure, and a name that DNS would not take is no question. **Absent on purpose:** the zone's key, which is
//! a part of the zone that it is given, and is hidden by whoever prints one.

use std::fmt::Write as _;
use std::net::IpAddr;

use gatepost_core::message::reading;

/// The longest name of DNS in text.
const NAME_MAX: usize = 253;
/// The longest label.
const LABEL_MAX: usize = 63;

/// How many nibbles of an IPv6 address a list wants to know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Nibbles {
    /// All 32.
    Whole,
    /// The 16 of its /64.
    Network,
}

/// The question about an address: its octets or nibbles from the last to the first. A v4-mapped address is IPv4.
pub fn of_address(address: IpAddr, nibbles: Nibbles, zone: &str) -> String {
    let mut name = String::with_capacity(zone.len() + 64);
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().iter().rev().for_each(|octet| {
            let _ = write!(name, "{octet}.");
        }),
        IpAddr::V6(v6) => {
            let octets = v6.octets();
            let known = match nibbles {
                Nibbles::Whole => octets.len(),
                Nibbles::Network => octets.len() / 2,
            };
            octets.iter().take(known).rev().for_each(|octet| {
                let _ = write!(name, "{:x}.{:x}.", octet & 15, octet >> 4);
            });
        }
    }
    name.push_str(zone);
    name
}

/// The IPv4-mapped IPv6 address as IPv6 lists want to be asked for it in their checks: RFC 5782 §5 has them list
/// `::FFFF:7F00:2`, which [`of_address`] would ask for as IPv4.
pub fn of_mapped(address: [u8; 4], nibbles: Nibbles, zone: &str) -> String {
    let mapped = std::net::Ipv4Addr::from(address).to_ipv6_mapped().octets();
    let known = match nibbles {
        Nibbles::Whole => mapped.len(),
        Nibbles::Network => mapped.len() / 2,
    };
    let mut name = String::with_capacity(zone.len() + 64);
    mapped.iter().take(known).rev().for_each(|octet| {
        let _ = write!(name, "{:x}.{:x}.", octet & 15, octet >> 4);
    });
    name.push_str(zone);
    name
}

/// The question about a domain; `None` where it would be no name.
pub fn of_domain(domain: &str, zone: &str) -> Option<String> {
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    let sound = !domain.is_empty() && domain.split('.').all(is_label);
    (sound && domain.len() + 1 + zone.len() <= NAME_MAX).then(|| format!("{domain}.{zone}"))
}

fn is_label(label: &str) -> bool {
    (1..=LABEL_MAX).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

/// A host as A-labels in lower case, without trailing dot; `None` where it is no host name of two labels or more.
pub fn host(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    if text.len() > NAME_MAX {
        return None;
    }
    let name = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(text).ok()?
    };
    let sound = name.len() <= NAME_MAX && name.contains('.') && name.split('.').all(is_label);
    // What ends in digits is an address, or nothing.
    let last = name.rsplit('.').next()?;
    (sound && !last.bytes().all(|b| b.is_ascii_digit())).then_some(name)
}

/// What lists have an entry for: the registrable domain of a host by the public suffix list, or a public suffix itself.
pub fn registrable(host: &str) -> &str {
    reading::registrable(host).unwrap_or(host)
}

/// Whether `host` is `domain` or lies below it. Both in lower case.
pub fn is_within(host: &str, domain: &str) -> bool {
    host.strip_suffix(domain)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    fn asked(address: &str) -> String {
        of_address(address.parse().expect(address), Nibbles::Whole, "l.example")
    }

    #[test]
    fn addresses_are_asked_for_backwards() {
        assert_eq!(asked("192.0.2.99"), "99.2.0.192.l.example");
        assert_eq!(
            asked("2001:db8::1"),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.l.example"
        );
        assert_eq!(asked("::ffff:192.0.2.99"), "99.2.0.192.l.example", "mapped is IPv4");
        assert_eq!(
            of_address("2001:db8:1:2::1".parse().unwrap(), Nibbles::Network, "l.example"),
            "2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.l.example"
        );
        assert_eq!(
            of_mapped([127, 0, 0, 2], Nibbles::Whole, "l.example"),
            "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.l.example"
        );
    }

    #[test]
    fn a_domain_that_is_no_name_is_no_question() {
        assert_eq!(
            of_domain("a.example.", "l.example").as_deref(),
            Some("a.example.l.example")
        );
        let long = "a.".repeat(125);
        for domain in [
            "",
            ".",
            "a..b",
            "a b.example",
            "a\r\n.example",
            "\u{e4}.example",
            &long,
            &"a".repeat(64),
        ] {
            assert_eq!(of_domain(domain, "l.example"), None, "{domain}");
        }
    }

    #[test]
    fn hosts_are_in_a_labels_and_lower_case() {
        assert_eq!(
            host("MAIL.B\u{fc}cher.example.").as_deref(),
            Some("mail.xn--bcher-kva.example")
        );
        for text in [
            "localhost",
            "192.0.2.1",
            "1.2",
            "",
            "a..example",
            "[192.0.2.1]",
            "a b.example",
        ] {
            assert_eq!(host(text), None, "{text}");
        }
        assert_eq!(registrable("mail.b.co.uk"), "b.co.uk");
        assert_eq!(registrable("a.b.example"), "b.example");
        assert_eq!(registrable("co.uk"), "co.uk");
    }

    #[test]
    fn a_domain_holds_itself_and_what_lies_below() {
        assert!(is_within("b.example", "b.example") && is_within("a.b.example", "b.example"));
        assert!(!is_within("ab.example", "b.example") && !is_within("example", "b.example"));
    }

    proptest! {
        #[test]
        fn an_address_can_be_read_out_of_its_question(octets in any::<[u8; 16]>()) {
            let address = Ipv6Addr::from(octets);
            prop_assume!(address.to_ipv4_mapped().is_none());
            let name = of_address(address.into(), Nibbles::Whole, "l.example");
            let nibbles: Vec<_> = name.split('.').take(32).collect();
            prop_assert!(name.len() <= NAME_MAX && name.ends_with(".l.example"));
            let read: String = nibbles.iter().rev().copied().collect();
            prop_assert_eq!(u128::from_str_radix(&read, 16).ok(), Some(u128::from(address)));
        }

        #[test]
        fn an_old_address_can_be_read_out_of_its_question(octets in any::<[u8; 4]>()) {
            let name = of_address(Ipv4Addr::from(octets).into(), Nibbles::Whole, "l.example");
            let mut read: Vec<u8> = name.split('.').take(4).filter_map(|octet| octet.parse().ok()).collect();
            read.reverse();
            prop_assert_eq!(read, octets.to_vec());
        }

        #[test]
        fn whatever_a_stranger_calls_a_domain_the_question_is_a_name(text in "\\PC{0,80}") {
            let of_host = host(&text).and_then(|host| of_domain(registrable(&host), "l.example"));
            for name in [of_domain(&text, "l.example"), of_host].into_iter().flatten() {
                prop_assert!(name.is_ascii() && name.len() <= NAME_MAX && name.split('.').all(is_label));
            }
        }
    }
}
