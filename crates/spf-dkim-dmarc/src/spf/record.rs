//! An SPF record as a value, and which of a domain's TXT records it is (RFC 7208 sections 3 to 6).
//!
//! **Invariant:** what [`Display`](fmt::Display) writes parses to an equal value. **Absent on purpose:** modifiers that
//! nobody knows; their syntax is checked, then they are forgotten.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use gatepost_core::SpfResult;

use super::macros;

/// A parsed record.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Record {
    /// The mechanisms with their qualifiers, in order.
    pub directives: Vec<Directive>,
    /// `redirect=`: whose record is read where nothing matches.
    pub redirect: Option<DomainSpec>,
    /// `exp=`: where a fail is explained.
    pub explanation: Option<DomainSpec>,
}

/// A mechanism, and what it means when it matches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directive {
    /// What a match means.
    pub qualifier: Qualifier,
    /// What is looked for.
    pub mechanism: Mechanism,
}

/// What a match means.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Qualifier {
    /// `+`, or nothing.
    #[default]
    Pass,
    /// `-`
    Fail,
    /// `~`
    SoftFail,
    /// `?`
    Neutral,
}

/// What is looked for (RFC 7208 section 5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mechanism {
    /// Matches always.
    All,
    /// Matches where another domain's record says pass.
    Include(DomainSpec),
    /// Matches the addresses of a domain, else of the record's own.
    A(Option<DomainSpec>, Prefixes),
    /// Matches the addresses of a domain's mail servers.
    Mx(Option<DomainSpec>, Prefixes),
    /// Matches a validated name of the client in a domain.
    Ptr(Option<DomainSpec>),
    /// Matches a network; the length of its prefix is at most 32.
    Ip4(Ipv4Addr, u8),
    /// Matches a network; the length of its prefix is at most 128.
    Ip6(Ipv6Addr, u8),
    /// Matches where a name has an IPv4 address, whatever that is.
    Exists(DomainSpec),
}

/// How much of an address counts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefixes {
    /// Of an IPv4 address, at most 32.
    pub v4: u8,
    /// Of an IPv6 address, at most 128.
    pub v6: u8,
}

/// A domain name, perhaps with macros in it; its syntax was checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DomainSpec(pub(super) Box<str>);

/// Which records a domain has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Selected<'a> {
    /// None that is of SPF.
    None,
    /// One.
    One(&'a [u8]),
    /// Several, which is an error.
    Several,
}

/// Selects the record among the TXT records of a domain (RFC 7208 section 4.5).
pub fn select<T: AsRef<[u8]>>(texts: &[T]) -> Selected<'_> {
    let mut found = texts.iter().map(AsRef::as_ref).filter(|text| is_spf(text));
    match (found.next(), found.next()) {
        (None, _) => Selected::None,
        (Some(text), None) => Selected::One(text),
        (Some(_), Some(_)) => Selected::Several,
    }
}

/// Whether a text begins with the version, and the version ends there.
fn is_spf(text: &[u8]) -> bool {
    match text.split_at_checked(VERSION.len()) {
        Some((version, rest)) => version.eq_ignore_ascii_case(VERSION) && matches!(rest.first(), None | Some(b' ')),
        None => false,
    }
}

/// What a record begins with.
pub(super) const VERSION: &[u8] = b"v=spf1";

impl Qualifier {
    /// The result of a match.
    pub fn result(self) -> SpfResult {
        match self {
            Qualifier::Pass => SpfResult::Pass,
            Qualifier::Fail => SpfResult::Fail,
            Qualifier::SoftFail => SpfResult::SoftFail,
            Qualifier::Neutral => SpfResult::Neutral,
        }
    }
}

impl Prefixes {
    /// The whole address counts.
    pub const WHOLE: Prefixes = Prefixes { v4: 32, v6: 128 };

    /// Whether two addresses are the same as far as it counts.
    pub fn match_v4(self, one: Ipv4Addr, other: Ipv4Addr) -> bool {
        (u32::from(one) ^ u32::from(other))
            .checked_shr(32 - u32::from(self.v4))
            .unwrap_or(0)
            == 0
    }

    /// Whether two addresses are the same as far as it counts.
    pub fn match_v6(self, one: Ipv6Addr, other: Ipv6Addr) -> bool {
        (u128::from(one) ^ u128::from(other))
            .checked_shr(128 - u32::from(self.v6))
            .unwrap_or(0)
            == 0
    }
}

impl DomainSpec {
    /// The text, macros and all.
    pub fn text(&self) -> &str {
        &self.0
    }

    /// The name itself where there is nothing to expand.
    pub fn plain(&self) -> Option<&str> {
        (!self.0.contains('%')).then_some(&self.0)
    }

    /// Whether the client's validated name is part of it.
    pub fn asks_for_names(&self) -> bool {
        macros::asks_for_names(&self.0)
    }
}

impl fmt::Display for Qualifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Qualifier::Pass => "",
            Qualifier::Fail => "-",
            Qualifier::SoftFail => "~",
            Qualifier::Neutral => "?",
        })
    }
}

impl fmt::Display for Prefixes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.v4 != Prefixes::WHOLE.v4 {
            write!(f, "/{}", self.v4)?;
        }
        if self.v6 != Prefixes::WHOLE.v6 {
            write!(f, "//{}", self.v6)?;
        }
        Ok(())
    }
}

/// A domain behind its colon, where there is one.
struct Behind<'a>(&'a Option<DomainSpec>);

impl fmt::Display for Behind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(domain) => write!(f, ":{}", domain.0),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Mechanism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Mechanism::All => f.write_str("all"),
            Mechanism::Include(domain) => write!(f, "include:{}", domain.0),
            Mechanism::A(domain, prefixes) => write!(f, "a{}{prefixes}", Behind(domain)),
            Mechanism::Mx(domain, prefixes) => write!(f, "mx{}{prefixes}", Behind(domain)),
            Mechanism::Ptr(domain) => write!(f, "ptr{}", Behind(domain)),
            Mechanism::Ip4(address, 32) => write!(f, "ip4:{address}"),
            Mechanism::Ip4(address, length) => write!(f, "ip4:{address}/{length}"),
            Mechanism::Ip6(address, 128) => write!(f, "ip6:{address}"),
            Mechanism::Ip6(address, length) => write!(f, "ip6:{address}/{length}"),
            Mechanism::Exists(domain) => write!(f, "exists:{}", domain.0),
        }
    }
}

impl fmt::Display for Directive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.qualifier, self.mechanism)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("v=spf1")?;
        for directive in &self.directives {
            write!(f, " {directive}")?;
        }
        if let Some(domain) = &self.redirect {
            write!(f, " redirect={}", domain.0)?;
        }
        if let Some(domain) = &self.explanation {
            write!(f, " exp={}", domain.0)?;
        }
        Ok(())
    }
}
