//! What is asked, and what an answer holds, whatever its type.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use gatepost_core::message::reading::registrable;
use gatepost_core::{Lookup, Mx, Time};
use hickory_resolver::proto::rr::{RData, RecordType};

use crate::name;

/// The types that mail asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    A,
    Aaaa,
    Ptr,
    Txt,
    Mx,
    Ns,
}

impl Kind {
    pub fn record_type(self) -> RecordType {
        match self {
            Kind::A => RecordType::A,
            Kind::Aaaa => RecordType::AAAA,
            Kind::Ptr => RecordType::PTR,
            Kind::Txt => RecordType::TXT,
            Kind::Mx => RecordType::MX,
            Kind::Ns => RecordType::NS,
        }
    }
}

/// One question: equal ones are asked once and share an answer.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key(Box<[u8]>);

impl Key {
    /// A question about a name, whatever the case of its letters.
    pub fn name(kind: Kind, name: &str) -> Key {
        let name = name.strip_suffix('.').unwrap_or(name);
        let mut key = Vec::with_capacity(1 + name.len());
        key.push(kind as u8);
        key.extend(name.bytes().map(|octet| octet.to_ascii_lowercase()));
        Key(key.into())
    }

    /// A question for the names of an address.
    pub fn address(address: IpAddr) -> Key {
        let mut key = vec![Kind::Ptr as u8];
        match address {
            IpAddr::V4(v4) => key.extend(v4.octets()),
            IpAddr::V6(v6) => key.extend(v6.octets()),
        }
        Key(key.into())
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whose name servers it is about, as far as can be seen: the registrable domain of a name, the network of an address.
    pub fn domain(&self) -> Key {
        let (&[kind, ref rest @ ..], ptr) = (&*self.0, Kind::Ptr as u8) else {
            return self.clone();
        };
        let domain: &[u8] = match (kind == ptr, rest.len()) {
            (true, 4) => rest.get(..2).unwrap_or(rest),
            (true, _) => rest.get(..4).unwrap_or(rest),
            (false, _) => {
                let name = std::str::from_utf8(rest).ok();
                name.and_then(registrable).map_or(rest, str::as_bytes)
            }
        };
        Key([&[u8::from(kind == ptr)], domain].concat().into())
    }
}

/// One record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Datum {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Name(Box<str>),
    Txt(Box<[u8]>),
    Mx(Mx),
}

impl Datum {
    /// The record of this type; none for another, an alias on the way, say.
    pub fn read(kind: Kind, data: &RData) -> Option<Datum> {
        Some(match (kind, data) {
            (Kind::A, RData::A(a)) => Datum::A(a.0),
            (Kind::Aaaa, RData::AAAA(a)) => Datum::Aaaa(a.0),
            (Kind::Ptr, RData::PTR(ptr)) => Datum::Name(name::text(&ptr.0)),
            (Kind::Ns, RData::NS(ns)) => Datum::Name(name::text(&ns.0)),
            (Kind::Txt, RData::TXT(txt)) => Datum::Txt(txt.txt_data.concat().into()),
            (Kind::Mx, RData::MX(mx)) => Datum::Mx(Mx {
                preference: mx.preference,
                host: name::text(&mx.exchange),
            }),
            _ => return None,
        })
    }

    fn octets(&self) -> usize {
        size_of::<Datum>()
            + match self {
                Datum::A(_) | Datum::Aaaa(_) => 0,
                Datum::Name(name) => name.len(),
                Datum::Txt(text) => text.len(),
                Datum::Mx(mx) => mx.host.len(),
            }
    }
}

/// An answer, and until when it holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    pub lookup: Lookup<Datum>,
    pub until: Time,
}

impl Answer {
    /// About how much memory it takes.
    pub fn octets(&self) -> usize {
        size_of::<Answer>() + self.lookup.records().iter().map(Datum::octets).sum::<usize>()
    }

    /// The same in the caller's type, with the time that is left to it.
    pub fn tell<T>(&self, now: Time, pick: impl Fn(&Datum) -> Option<T>) -> Lookup<T> {
        let ttl = self.until.since(now);
        match &self.lookup {
            Lookup::Found { records, .. } => Lookup::Found {
                records: records.iter().filter_map(pick).collect(),
                ttl,
            },
            Lookup::NoData { .. } => Lookup::NoData { ttl },
            Lookup::NxDomain { .. } => Lookup::NxDomain { ttl },
        }
    }
}

/// An answer holds at least so long, however short its TTL: mail that comes within a minute belongs together.
const SHORTEST: Duration = Duration::from_secs(60);
/// An answer holds at most so long, so that who changes a list or a record is heard within the hour. The resolver behind
/// us, which keeps it for its whole TTL, answers the next question from memory.
const LONGEST: Duration = Duration::from_secs(3_600);

/// How long records hold.
pub fn records_hold(ttl: u32) -> Duration {
    Duration::from_secs(ttl.into()).clamp(SHORTEST, LONGEST)
}

/// How long holds that there is nothing: as the zone's SOA says, which a list that lists quickly sets low on purpose; a
/// minute where there is none.
pub fn absence_holds(ttl: Option<u32>) -> Duration {
    ttl.map_or(SHORTEST, |ttl| Duration::from_secs(ttl.into())).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_hold_a_minute_to_an_hour_and_absence_as_long_as_the_zone_says() {
        let seconds = |span: Duration| span.as_secs();
        assert_eq!(
            [0, 59, 61, 90_000].map(|ttl| seconds(records_hold(ttl))),
            [60, 60, 61, 3_600]
        );
        let absences = [None, Some(0), Some(30), Some(90_000)];
        assert_eq!(absences.map(|ttl| seconds(absence_holds(ttl))), [60, 0, 30, 3_600]);
    }

    #[test]
    fn questions_to_the_same_servers_are_of_one_domain() {
        let of = |name| Key::name(Kind::A, name).domain();
        assert_eq!(of("a.b.stranger.example"), of("C.Stranger.Example."));
        assert_eq!(of("a.one.co.uk"), of("one.co.uk"));
        assert_eq!(of("one.co.uk"), Key::name(Kind::Txt, "b.one.co.uk").domain());
        assert_ne!(of("one.co.uk"), of("two.co.uk"));
        let network = |address: &str| Key::address(address.parse().expect(address)).domain();
        assert_eq!(network("192.0.2.1"), network("192.0.99.7"));
        assert_ne!(network("192.0.2.1"), network("198.51.100.1"));
        assert_eq!(network("2001:db8::1"), network("2001:db8:1::"));
        assert_ne!(network("2001:db8::1"), network("2001:db9::1"));
    }

    #[test]
    fn equal_questions_have_equal_keys() {
        assert_eq!(Key::name(Kind::A, "A.example."), Key::name(Kind::A, "a.EXAMPLE"));
        assert_ne!(Key::name(Kind::A, "a.example"), Key::name(Kind::Txt, "a.example"));
        assert_ne!(Key::name(Kind::Ptr, "abcd"), Key::address([1, 2, 3, 4].into()));
    }
}
