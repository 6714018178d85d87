//! An entry of a list, as people write it and as it is kept.
//!
//! `ann@b.example` is one address; `@b.example`, `*@b.example` and `_ALL_@b.example` are every address of that domain;
//! `@*.b.example` is every address of the domains below it, and not of itself; `192.0.2.0/24`, `2001:db8::/32` and
//! single addresses are networks.
//!
//! **Invariant:** the canonical text ([`Pattern`]'s `Display`) reads as an equal pattern, is in lower case with A-labels,
//! holds no control character and has at most [`TEXT_MAX`] octets, so it is a key. **Absent on purpose:** wildcards within
//! a local part, and networks so wide that nobody means them.

use std::fmt;
use std::net::IpAddr;

use gatepost_core::smtp::address::BadAddress;
use gatepost_core::{Address, Domain};
use ipnet::{IpNet, Ipv4Net};

use crate::sender;

/// The most octets of an entry, as written and as kept.
pub const TEXT_MAX: usize = 400;
/// The widest IPv4 network that an entry may name, `/8`.
pub const WIDEST_V4: u8 = 8;
/// The widest IPv6 network that an entry may name, `/16`.
pub const WIDEST_V6: u8 = 16;
/// The most labels of the domain in `@*.domain`, so that a lookup asks for few.
pub const LABELS_MAX: usize = 8;

/// Whom an entry names.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Pattern {
    /// One address, in lower case.
    Address(Box<str>),
    /// Every address of a domain.
    Domain(Box<str>),
    /// Every address of the domains below one.
    Below(Box<str>),
    /// Every client in a network.
    Network(IpNet),
}

/// Why a text is no entry: what was expected, and what to write instead.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadEntry(pub String);

impl fmt::Display for BadEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn bad<T>(why: impl Into<String>) -> Result<T, BadEntry> {
    Err(BadEntry(why.into()))
}

const EXPECTED: &str = "expected an address (a@b.example), a domain (@b.example), the domains below one \
                        (@*.b.example) or a network (192.0.2.0/24)";

const ONE_FOR_ALL: &str = "`*` and `_all_` stand for every address of a domain and for nothing less; write *@b.example";

/// The domain of which a text means every address.
fn everybody_of(text: &str) -> Option<&str> {
    let (local, domain) = text.split_once('@')?;
    let everybody = matches!(local, "" | "*") || local.eq_ignore_ascii_case("_all_");
    everybody.then_some(domain)
}

/// A domain as keys have it: lower case, A-labels (RFC 5890); nothing where a U-label has none.
pub fn domain_key(domain: &Domain) -> Option<String> {
    let key = match domain {
        Domain::Name(name) if !name.is_ascii() => {
            let key = idna::domain_to_ascii(name).ok()?;
            // Some characters stand for others that no name has, such as a semicolon or a slash.
            matches!(Domain::parse(&key, false), Ok(Domain::Name(_))).then_some(key)?
        }
        domain => domain.key(),
    };
    (!key.is_empty() && key.len() <= 255).then_some(key)
}

/// An address as keys have it: lower case, the domain with A-labels.
pub fn address_key(address: &Address) -> Option<String> {
    let whole = address.to_string();
    let (local, _) = whole.rsplit_once('@')?;
    let key = format!("{}@{}", local.to_lowercase(), domain_key(address.domain())?);
    (key.len() <= TEXT_MAX).then_some(key)
}

/// A domain as a person writes it, a full stop at the end or not.
pub fn read_domain(text: &str) -> Result<String, BadEntry> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let domain = match Domain::parse(text, true) {
        Ok(domain) => domain,
        Err(BadAddress::TooLong) => return bad("its domain is longer than 255 octets"),
        Err(_) => return bad("its domain is no domain name"),
    };
    match domain_key(&domain).filter(|key| Domain::parse(key, false).is_ok()) {
        Some(key) => Ok(key),
        None => bad("its domain has no form that DNS knows (RFC 5890)"),
    }
}

/// An address as a person writes it, in angle brackets or not.
pub fn read_address(text: &str) -> Result<String, BadEntry> {
    let text = text.trim();
    let bare = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    let address = match Address::parse(bare.unwrap_or(text), true) {
        Ok(address) => address,
        Err(BadAddress::TooLong) => return bad("it is longer than an address may be (RFC 5321)"),
        Err(BadAddress::Control) => return bad("it holds a control character"),
        Err(_) => return bad(EXPECTED),
    };
    // What has grown past the limits while it was brought into its form would not be read again.
    match address_key(&address).filter(|key| Address::parse(key, true).is_ok()) {
        Some(key) => Ok(key),
        None => bad("its domain has no form that DNS knows (RFC 5890)"),
    }
}

impl Pattern {
    /// Reads an entry.
    pub fn parse(text: &str) -> Result<Pattern, BadEntry> {
        let text = text.trim();
        let bare = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
        let text = bare.unwrap_or(text);
        if text.is_empty() {
            return bad(format!("it is empty; {EXPECTED}"));
        }
        if text.len() > TEXT_MAX {
            return bad(format!("it is longer than {TEXT_MAX} octets"));
        }
        if text.chars().any(char::is_control) {
            return bad("it holds a control character");
        }
        if let Some(domain) = everybody_of(text) {
            return Pattern::of_domain(domain);
        }
        if !text.contains('@') {
            return Pattern::network(text);
        }
        let address = read_address(text)?;
        if address.rsplit_once('@').is_some_and(|(local, _)| local.contains('*')) {
            return bad(ONE_FOR_ALL);
        }
        Pattern::of_address(address)
    }

    fn of_domain(text: &str) -> Result<Pattern, BadEntry> {
        let Some(parent) = text.strip_prefix("*.") else {
            return Ok(Pattern::Domain(read_domain(text)?.into()));
        };
        let parent = read_domain(parent)?;
        if parent.starts_with('[') {
            return bad("there are no domains below an address literal");
        }
        if parent.split('.').count() > LABELS_MAX {
            return bad(format!("`@*.` takes a domain of at most {LABELS_MAX} labels"));
        }
        Ok(Pattern::Below(parent.into()))
    }

    /// The pattern of an address in its form. The tags of BATV and SRS are taken off; what VERP makes anew for each mail
    /// is no entry, since it would never be met again.
    fn of_address(key: String) -> Result<Pattern, BadEntry> {
        let Ok(address) = Address::parse(&key, true) else {
            return bad(EXPECTED);
        };
        let address = gatepost_core::tagged::original(&address);
        if let Some(stem) = sender::stem(&address) {
            return bad(format!(
                "this sender is made anew for each mail; list `{stem}` for all mail of that kind, or the address in From"
            ));
        }
        match address_key(&address) {
            // In quotes, or behind a tag: written as a key it would be read as the whole domain.
            Some(key) if everybody_of(&key).is_some() => bad(ONE_FOR_ALL),
            // Who reads it again takes that off, and has another address.
            Some(key) if key.starts_with(char::is_whitespace) => bad("its local part begins with a space"),
            Some(key) => Ok(Pattern::Address(key.into())),
            None => bad(EXPECTED),
        }
    }

    fn network(text: &str) -> Result<Pattern, BadEntry> {
        let text = text
            .strip_prefix('[')
            .and_then(|text| text.strip_suffix(']'))
            .unwrap_or(text);
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Pattern::Network(IpNet::from(address.to_canonical())));
        }
        let Ok(written) = text.parse::<IpNet>() else {
            return bad(match text.strip_prefix("*.") {
                Some(parent) if Domain::parse(parent, true).is_ok() => format!("for a domain write @*.{parent}"),
                _ if text.contains('.') && Domain::parse(text, true).is_ok() => format!("for a domain write @{text}"),
                _ => EXPECTED.into(),
            });
        };
        let network = canonical(written);
        if network.trunc() != network {
            return bad(format!(
                "its address has bits behind /{}; the network is {}",
                network.prefix_len(),
                network.trunc()
            ));
        }
        let widest = match network {
            IpNet::V4(_) => WIDEST_V4,
            IpNet::V6(_) => WIDEST_V6,
        };
        if network.prefix_len() < widest {
            return bad(format!(
                "it is wider than /{widest}, which nobody knows enough of to list"
            ));
        }
        Ok(Pattern::Network(network))
    }
}

/// A network of IPv4-mapped addresses is one of IPv4.
fn canonical(network: IpNet) -> IpNet {
    match network {
        IpNet::V6(v6) if v6.prefix_len() >= 96 => v6
            .addr()
            .to_ipv4_mapped()
            .and_then(|v4| Ipv4Net::new(v4, v6.prefix_len() - 96).ok())
            .map_or(network, IpNet::V4),
        _ => network,
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Address(address) => f.write_str(address),
            Pattern::Domain(domain) => write!(f, "@{domain}"),
            Pattern::Below(parent) => write!(f, "@*.{parent}"),
            Pattern::Network(network) if network.prefix_len() == network.max_prefix_len() => {
                write!(f, "{}", network.addr())
            }
            Pattern::Network(network) => write!(f, "{network}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(text: &str) -> String {
        match Pattern::parse(text) {
            Ok(pattern) => pattern.to_string(),
            Err(bad) => panic!("{text}: {bad}"),
        }
    }

    fn refused(text: &str) -> String {
        Pattern::parse(text).expect_err(text).0
    }

    #[test]
    fn an_entry_is_kept_in_one_form_however_it_is_written() {
        for (written, form) in [
            (" Ann@B.Example ", "ann@b.example"),
            ("<ann@b.example>", "ann@b.example"),
            ("ann+news@b.example", "ann+news@b.example"),
            ("\"a b\"@b.example", "\"a b\"@b.example"),
            ("\"ann\"@b.example", "ann@b.example"),
            ("ann@[IPv6:2001:DB8::1]", "ann@[ipv6:2001:db8::1]"),
            ("@B.example", "@b.example"),
            ("*@b.example.", "@b.example"),
            ("_ALL_@b.example", "@b.example"),
            ("_All_@b.example", "@b.example"),
            ("@*.b.example", "@*.b.example"),
            ("*@*.b.example", "@*.b.example"),
            ("ann@b\u{fc}cher.example", "ann@xn--bcher-kva.example"),
            ("@B\u{dc}CHER.example", "@xn--bcher-kva.example"),
            ("@XN--BCHER-KVA.example", "@xn--bcher-kva.example"),
            ("192.0.2.0/24", "192.0.2.0/24"),
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("[192.0.2.7]", "192.0.2.7"),
            ("2001:DB8::/32", "2001:db8::/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("prvs=1234abcdef=Ann@b.example", "ann@b.example"),
            ("SRS0=hash=tt=b.example=ann@forwarder.example", "ann@b.example"),
        ] {
            assert_eq!(kept(written), form, "{written}");
            assert_eq!(kept(form), form, "{form}");
        }
    }

    #[test]
    fn what_is_no_entry_is_refused_with_what_to_write_instead() {
        for (written, words) in [
            ("", "empty"),
            ("no address at all", "expected an address"),
            ("b.example", "write @b.example"),
            ("*.b.example", "write @*.b.example"),
            ("news*@b.example", "every address"),
            ("\"_all_\"@b.example", "every address"),
            ("prvs=1234abcdef=_ALL_@b.example", "every address"),
            ("msprvs1=x=\u{a0}ann@b.example", "begins with a space"),
            ("192.0.2.7/24", "the network is 192.0.2.0/24"),
            ("0.0.0.0/0", "wider than /8"),
            ("2000::/3", "wider than /16"),
            ("::ffff:0.0.0.0/96", "wider than /8"),
            ("192.0.2.0/33", "expected"),
            ("@", "no domain name"),
            ("@b..example", "no domain name"),
            ("@*.a.b.c.d.e.f.g.h.i", "at most 8 labels"),
            ("@*.[192.0.2.1]", "below an address literal"),
            ("ann@b.example\r\nbob@b.example", "control character"),
            ("ann\0@b.example", "control character"),
            ("bounce-17-4711@b.example", "list `bounce@b.example`"),
            ("list-bounce+carl=d.example@b.example", "list `list-bounce@b.example`"),
        ] {
            let why = refused(written);
            assert!(why.contains(words), "{written}: {why}");
        }
        assert!(refused(&format!("{}@b.example", "a".repeat(500))).contains("longer than 400"));
        assert!(refused(&format!("{}@b.example", "a".repeat(65))).contains("longer than an address"));
    }

    #[test]
    fn a_name_that_stands_for_none_has_no_key() {
        for domain in ["\u{37e}", "b\u{37e}c.example", "b\u{2100}.example"] {
            let domain = Domain::parse(domain, true).unwrap_or_else(|bad| panic!("{domain}: {bad:?}"));
            assert_eq!(domain_key(&domain), None, "{domain}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_entry_that_reads_as_itself_or_is_refused(text in "\\PC{0,60}|[a-zA-Z0-9@*._=+<>\\[\\]:/\"-]{0,60}|.{0,30}@.{0,30}") {
            if let Ok(pattern) = Pattern::parse(&text) {
                let form = pattern.to_string();
                prop_assert_eq!(Pattern::parse(&form), Ok(pattern));
                prop_assert!(form.len() <= TEXT_MAX && !form.chars().any(char::is_control));
            }
        }
    }
}
