//! Reads a record by the grammar (RFC 7208 section 12), and nothing but by the grammar: whatever is wrong anywhere makes the
//! whole record an error.
//!
//! **Invariant:** reading takes time and room in proportion to the record, which has at most [`RECORD_MAX`] octets.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::macros::{self, Place};
use super::record::{Directive, DomainSpec, Mechanism, Prefixes, Qualifier, Record, VERSION};

/// The most octets of a record; real ones have a tenth of it.
pub const RECORD_MAX: usize = 16_384;
/// The most characters of a term that are shown.
const SHOWN_MAX: usize = 60;

/// Why a text is no record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadRecord {
    /// The term that is wrong, cut where it is long; empty where it is the whole.
    pub term: String,
    /// What is wrong with it.
    pub fault: &'static str,
}

impl fmt::Display for BadRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.term.is_empty() {
            f.write_str(self.fault)
        } else {
            write!(f, "'{}': {}", self.term, self.fault)
        }
    }
}

impl std::error::Error for BadRecord {}

impl Record {
    /// Reads a record.
    pub fn parse(text: &[u8]) -> Result<Record, BadRecord> {
        let whole = |fault| BadRecord {
            term: String::new(),
            fault,
        };
        if text.len() > RECORD_MAX {
            return Err(whole("the record is longer than 16384 octets"));
        }
        if !text.iter().all(|b| matches!(b, b' '..=b'~')) {
            return Err(whole("the record holds an octet that is no visible ASCII character"));
        }
        let text = str::from_utf8(text).map_err(|_| whole("the record is no text"))?;
        let mut terms = text.split(' ');
        if !terms.next().is_some_and(|v| v.as_bytes().eq_ignore_ascii_case(VERSION)) {
            return Err(whole("the record does not begin with v=spf1"));
        }
        let mut record = Record::default();
        for term in terms.filter(|term| !term.is_empty()) {
            record.add(term).map_err(|fault| BadRecord {
                term: term.chars().take(SHOWN_MAX).collect(),
                fault,
            })?;
        }
        Ok(record)
    }

    fn add(&mut self, term: &str) -> Result<(), &'static str> {
        // The first of these characters says what kind of term it is.
        let end = term.find([':', '/', '=']).unwrap_or(term.len());
        let (name, rest) = term.split_at_checked(end).unwrap_or((term, ""));
        match rest.strip_prefix('=') {
            Some(value) => self.modifier(name, value),
            None => {
                self.directives.push(directive(name, rest)?);
                Ok(())
            }
        }
    }

    fn modifier(&mut self, name: &str, value: &str) -> Result<(), &'static str> {
        let known = if name.eq_ignore_ascii_case("redirect") {
            &mut self.redirect
        } else if name.eq_ignore_ascii_case("exp") {
            &mut self.explanation
        } else {
            let legal = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.bytes().all(legal) {
                return Err("no name of a modifier");
            }
            return macros::check(value, Place::Unknown);
        };
        if known.is_some() {
            return Err("this modifier is there twice");
        }
        *known = Some(domain(value)?);
        Ok(())
    }
}

fn directive(name: &str, rest: &str) -> Result<Directive, &'static str> {
    let (qualifier, name) = match name.as_bytes().first() {
        Some(b'+') => (Qualifier::Pass, name.get(1..)),
        Some(b'-') => (Qualifier::Fail, name.get(1..)),
        Some(b'~') => (Qualifier::SoftFail, name.get(1..)),
        Some(b'?') => (Qualifier::Neutral, name.get(1..)),
        _ => (Qualifier::Pass, Some(name)),
    };
    let name = name.unwrap_or_default();
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    let wanted = || domain(rest.strip_prefix(':').ok_or("the domain is missing")?);
    let mechanism = if is("all") {
        if !rest.is_empty() {
            return Err("nothing may follow all");
        }
        Mechanism::All
    } else if is("include") {
        Mechanism::Include(wanted()?)
    } else if is("exists") {
        Mechanism::Exists(wanted()?)
    } else if is("ptr") {
        Mechanism::Ptr(optional(rest)?)
    } else if is("a") {
        let (domain, prefixes) = prefixed(rest)?;
        Mechanism::A(domain, prefixes)
    } else if is("mx") {
        let (domain, prefixes) = prefixed(rest)?;
        Mechanism::Mx(domain, prefixes)
    } else if is("ip4") {
        let (address, length) = network(rest, 32)?;
        let address: Ipv4Addr = address.parse().map_err(|_| "no IPv4 address")?;
        Mechanism::Ip4(address, length)
    } else if is("ip6") {
        let (address, length) = network(rest, 128)?;
        let address: Ipv6Addr = address.parse().map_err(|_| "no IPv6 address")?;
        Mechanism::Ip6(address, length)
    } else {
        return Err("no mechanism has this name");
    };
    Ok(Directive { qualifier, mechanism })
}

/// A domain behind a colon, or nothing.
fn optional(rest: &str) -> Result<Option<DomainSpec>, &'static str> {
    match rest.strip_prefix(':') {
        Some(text) => domain(text).map(Some),
        None if rest.is_empty() => Ok(None),
        None => Err("a colon and a domain are expected"),
    }
}

/// A domain behind a colon, or none, and the lengths of prefixes behind it.
fn prefixed(rest: &str) -> Result<(Option<DomainSpec>, Prefixes), &'static str> {
    let mut prefixes = Prefixes::WHOLE;
    let mut rest = rest;
    // A slash may be part of the domain: it begins a length where only digits follow.
    if let Some((before, length)) = behind_slash(rest) {
        match before.strip_suffix('/') {
            Some(before) => {
                prefixes.v6 = prefix(length, 128)?;
                rest = before;
                if let Some((before, length)) = behind_slash(rest) {
                    prefixes.v4 = prefix(length, 32)?;
                    rest = before;
                }
            }
            None => {
                prefixes.v4 = prefix(length, 32)?;
                rest = before;
            }
        }
    }
    Ok((optional(rest)?, prefixes))
}

/// The digits behind the last slash, and what is before it.
fn behind_slash(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once('/')
        .filter(|(_, digits)| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// The address behind the colon, and the length of its prefix.
fn network(rest: &str, most: u8) -> Result<(&str, u8), &'static str> {
    let text = rest.strip_prefix(':').ok_or("the address is missing")?;
    match text.split_once('/') {
        Some((address, length)) => Ok((address, prefix(length, most)?)),
        None => Ok((text, most)),
    }
}

/// A length without leading zeros.
fn prefix(digits: &str, most: u8) -> Result<u8, &'static str> {
    let length = digits.parse().ok().filter(|length| *length <= most);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) || (digits.starts_with('0') && digits.len() > 1)
    {
        return Err("no length of a prefix");
    }
    length.ok_or("the prefix is longer than the address")
}

/// A domain-spec.
fn domain(text: &str) -> Result<DomainSpec, &'static str> {
    if text.is_empty() {
        return Err("the domain is empty");
    }
    macros::check(text, Place::Term)?;
    if !macros::ends_in_macro(text) {
        let (_, top) = text
            .strip_suffix('.')
            .unwrap_or(text)
            .rsplit_once('.')
            .ok_or("the domain has only one label")?;
        top_label(top)?;
    }
    Ok(DomainSpec(text.into()))
}

fn top_label(label: &str) -> Result<(), &'static str> {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    if label.is_empty() || !label.bytes().all(legal) || label.starts_with('-') || label.ends_with('-') {
        return Err("the domain does not end in a top-level label or a macro");
    }
    if label.bytes().all(|b| b.is_ascii_digit()) {
        return Err("the domain ends in a number; an address wants ip4");
    }
    Ok(())
}
