//! DNS from the text of a zone.
//!
//! ```text
//! # name [ttl] TYPE data        the ttl in seconds, 300 where none is given
//! d.example        MX   10 mail.d.example
//! mail.d.example   60   A  192.0.2.1
//! 192.0.2.1        PTR  mail.d.example      an address stands for its name in in-addr.arpa or ip6.arpa
//! www.d.example    CNAME mail.d.example
//! d.example        TXT  "v=spf1 mx" " -all"
//! *.list.example   A    127.0.0.2           every name below that is not there itself
//! 192.0.2.2        PTR  odd\013\010name.example   octets of a name as RFC 1035 §5.1 writes them
//! SERVFAIL broken.example
//! TIMEOUT  slow.example                     a fault after 5 seconds
//! GONE     www.d.example                    takes back what was said of a name
//! ```

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gatepost_core::{Dns, Fault, Lookup, Mx};

/// How long a record holds where its line does not say so, and how long a name's absence holds.
pub(crate) const TTL: Duration = Duration::from_secs(300);
/// How long a name that times out takes to do so.
const TIMEOUT: Duration = Duration::from_secs(5);
/// The most CNAMEs that are followed.
pub(crate) const CNAMES_MAX: usize = 8;

#[derive(Clone, Debug)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Ptr(Box<str>),
    Txt(Box<[u8]>),
    Mx(Mx),
    Ns(Box<str>),
    Cname(String),
}

#[derive(Clone, Debug)]
pub(crate) enum Name {
    Records(Vec<(Duration, Data)>),
    ServFail,
    Timeout,
}

/// DNS from the text of a zone. Counts what it is asked.
#[derive(Debug, Default)]
pub struct Zone {
    names: Mutex<BTreeMap<String, Name>>,
    asked: Mutex<BTreeMap<String, usize>>,
}

/// A line that is no record, with its number from 1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadZone {
    /// The number of the line.
    pub line: usize,
    /// What was expected.
    pub expected: String,
}

impl std::fmt::Display for BadZone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}: {}", self.line, self.expected)
    }
}

impl std::error::Error for BadZone {}

/// The name under which the reverse name of an address is found (RFC 1035 §3.5, RFC 3596 §2.5).
pub fn reverse_name(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, d] = v4.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(v6) => {
            let mut name: String = v6
                .octets()
                .iter()
                .rev()
                .flat_map(|o| [o & 15, o >> 4])
                .map(|n| format!("{n:x}."))
                .collect();
            name.push_str("ip6.arpa");
            name
        }
    }
}

pub(crate) fn key(name: &str) -> String {
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

/// The strings of a TXT record, joined: quoted ones with `\"`, `\\` and `\DDD`, or bare words.
fn strings(mut text: &str) -> Option<Box<[u8]>> {
    let mut whole = Vec::new();
    loop {
        text = text.trim_start();
        if text.is_empty() {
            return Some(whole.into());
        }
        let Some(quoted) = text.strip_prefix('"') else {
            let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            whole.extend_from_slice(word.as_bytes());
            text = rest;
            continue;
        };
        let mut chars = quoted.char_indices();
        let end = loop {
            match chars.next()? {
                (at, '"') => break at,
                (at, '\\') => match quoted.get(at + 1..at + 4).and_then(|digits| digits.parse().ok()) {
                    Some(octet) => {
                        whole.push(octet);
                        chars.nth(2)?;
                    }
                    None => whole.extend_from_slice(chars.next()?.1.to_string().as_bytes()),
                },
                (_, c) => whole.extend_from_slice(c.to_string().as_bytes()),
            }
        };
        text = quoted.get(end + 1..)?;
    }
}

fn data(kind: &str, text: &str) -> Option<Data> {
    Some(match kind {
        "A" => Data::A(text.parse().ok()?),
        "AAAA" => Data::Aaaa(text.parse().ok()?),
        "PTR" => Data::Ptr(key(text).into()),
        "NS" => Data::Ns(key(text).into()),
        "CNAME" => Data::Cname(key(text)),
        "TXT" => Data::Txt(strings(text)?),
        "MX" => {
            let (preference, host) = text.split_once(char::is_whitespace)?;
            Data::Mx(Mx {
                preference: preference.parse().ok()?,
                host: key(host.trim()).into(),
            })
        }
        _ => return None,
    })
}

impl Zone {
    /// A zone without a name.
    pub fn empty() -> Zone {
        Zone::default()
    }

    /// A zone from its text.
    pub fn parse(text: &str) -> Result<Zone, BadZone> {
        let zone = Zone::empty();
        zone.add(text)?;
        Ok(zone)
    }

    /// Adds the records of a text; a name that failed so far and gets a record works again.
    pub fn add(&self, text: &str) -> Result<(), BadZone> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        for (n, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            let bad = || BadZone {
                line: n + 1,
                expected: format!(
                    "`name [ttl] TYPE data`, `SERVFAIL name`, `TIMEOUT name` or `GONE name`, not `{line}`"
                ),
            };
            let (first, rest) = line.split_once(char::is_whitespace).ok_or_else(bad)?;
            let rest = rest.trim_start();
            match first {
                "SERVFAIL" => drop(names.insert(key(rest), Name::ServFail)),
                "TIMEOUT" => drop(names.insert(key(rest), Name::Timeout)),
                "GONE" => drop(names.remove(&key(rest))),
                _ => {
                    let name = first.parse().map_or_else(|_| key(first), reverse_name);
                    let (second, after) = rest.split_once(char::is_whitespace).ok_or_else(bad)?;
                    let (ttl, kind, text) = match second.parse() {
                        Ok(seconds) => {
                            let (kind, text) = after.trim_start().split_once(char::is_whitespace).ok_or_else(bad)?;
                            (Duration::from_secs(seconds), kind, text)
                        }
                        Err(_) => (TTL, second, after),
                    };
                    let record = (ttl, data(kind, text.trim()).ok_or_else(bad)?);
                    match names.entry(name).or_insert(Name::Records(Vec::new())) {
                        Name::Records(records) => records.push(record),
                        failing => *failing = Name::Records(vec![record]),
                    }
                }
            }
        }
        Ok(())
    }

    /// How many queries there were in all.
    pub fn asked(&self) -> usize {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
    }

    /// How many queries there were for one name, of any type.
    pub fn asked_for(&self, name: &str) -> usize {
        self.asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&key(name))
            .copied()
            .unwrap_or(0)
    }

    /// How many queries there were for a name and all that lies below it, of any type.
    pub fn asked_below(&self, name: &str) -> usize {
        let (name, below) = (key(name), format!(".{}", key(name)));
        let asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let within = asked
            .iter()
            .filter(|(known, _)| **known == name || known.ends_with(&below));
        within.map(|(_, count)| count).sum()
    }

    async fn find<T>(&self, name: &str, pick: impl Fn(&Data) -> Option<T> + Send) -> Result<Lookup<T>, Fault> {
        let mut name = key(name);
        *self
            .asked
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(name.clone())
            .or_default() += 1;
        let mut ttl = TTL;
        for _ in 0..=CNAMES_MAX {
            let records = match self.named(&name) {
                Some(Name::ServFail) => return Err(Fault::Unavailable("DNS: SERVFAIL")),
                Some(Name::Timeout) => {
                    tokio::time::sleep(TIMEOUT).await;
                    return Err(Fault::Unavailable("DNS: timeout"));
                }
                Some(Name::Records(records)) => records,
                None => {
                    return Ok(if self.has_below(&name) {
                        Lookup::NoData { ttl }
                    } else {
                        Lookup::NxDomain { ttl }
                    });
                }
            };
            let picked: Vec<_> = records
                .iter()
                .filter_map(|(ttl, data)| Some((*ttl, pick(data)?)))
                .collect();
            if let Some(least) = picked.iter().map(|(ttl, _)| *ttl).min() {
                return Ok(Lookup::Found {
                    records: picked.into_iter().map(|(_, data)| data).collect(),
                    ttl: least.min(ttl),
                });
            }
            let Some((alias_ttl, alias)) = records.iter().find_map(|(ttl, data)| match data {
                Data::Cname(alias) => Some((*ttl, alias.clone())),
                _ => None,
            }) else {
                return Ok(Lookup::NoData { ttl });
            };
            ttl = ttl.min(alias_ttl);
            name = alias;
        }
        Err(Fault::Unavailable("DNS: too many aliases"))
    }

    /// What stands for a name: its own entry, or that of the nearest `*` above it with no other name in between.
    pub(crate) fn named(&self, name: &str) -> Option<Name> {
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = names.get(name) {
            return Some(own.clone());
        }
        let above = |name: &str| name.split_once('.').map(|(_, above)| above.to_owned());
        let mut next = above(name);
        while let Some(name) = next {
            if let Some(all) = names.get(&format!("*.{name}")) {
                return Some(all.clone());
            }
            if names.contains_key(&name) {
                return None;
            }
            next = above(&name);
        }
        None
    }

    /// Whether a name exists because one below it does.
    pub(crate) fn has_below(&self, name: &str) -> bool {
        let below = format!(".{name}");
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .keys()
            .any(|known| known.ends_with(&below))
    }
}

macro_rules! pick {
    ($($variant:ident),*) => { |data: &Data| match data { $(Data::$variant(it) => Some(it.clone()),)* _ => None } };
}

#[async_trait]
impl Dns for Zone {
    async fn a(&self, name: &str) -> Result<Lookup<Ipv4Addr>, Fault> {
        self.find(name, pick!(A)).await
    }
    async fn aaaa(&self, name: &str) -> Result<Lookup<Ipv6Addr>, Fault> {
        self.find(name, pick!(Aaaa)).await
    }
    async fn ptr(&self, address: IpAddr) -> Result<Lookup<Box<str>>, Fault> {
        self.find(&reverse_name(address), pick!(Ptr)).await
    }
    async fn txt(&self, name: &str) -> Result<Lookup<Box<[u8]>>, Fault> {
        self.find(name, pick!(Txt)).await
    }
    async fn mx(&self, name: &str) -> Result<Lookup<Mx>, Fault> {
        self.find(name, pick!(Mx)).await
    }
    async fn ns(&self, name: &str) -> Result<Lookup<Box<str>>, Fault> {
        self.find(name, pick!(Ns)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        # a small zone
        d.example       MX    10 mail.d.example.
        d.example       TXT   "v=spf1 \"mx\"" " -all"
        mail.D.example  60 A  192.0.2.1
        mail.d.example  A     192.0.2.2
        192.0.2.1       PTR   mail.d.example
        2001:db8::1     PTR   six.d.example
        www.d.example   30 CNAME mail.d.example
        loop.example    CNAME loop.example
        deep.below.example A 192.0.2.3
        SERVFAIL broken.example
        TIMEOUT slow.example
    "#;

    #[tokio::test(start_paused = true)]
    async fn records_are_found_without_regard_to_case_and_the_least_ttl_holds() {
        let zone = Zone::parse(TEXT).unwrap();
        let found = zone.a("MAIL.d.example.").await.unwrap();
        assert_eq!(
            found.records(),
            [Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2)]
        );
        assert_eq!(found.ttl(), Duration::from_secs(60));
        assert_eq!(
            zone.mx("d.example").await.unwrap().records()[0].host.as_ref(),
            "mail.d.example"
        );
        assert_eq!(
            zone.txt("d.example").await.unwrap().records()[0].as_ref(),
            b"v=spf1 \"mx\" -all"
        );
        assert_eq!(
            zone.ptr("192.0.2.1".parse().unwrap()).await.unwrap().records()[0].as_ref(),
            "mail.d.example"
        );
        assert_eq!(
            zone.ptr("2001:db8::1".parse().unwrap()).await.unwrap().records()[0].as_ref(),
            "six.d.example"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn aliases_are_followed_and_a_circle_is_a_fault() {
        let zone = Zone::parse(TEXT).unwrap();
        let found = zone.a("www.d.example").await.unwrap();
        assert_eq!((found.records().len(), found.ttl()), (2, Duration::from_secs(30)));
        assert!(zone.a("loop.example").await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn absence_is_an_answer_and_trouble_a_fault() {
        let zone = Zone::parse(TEXT).unwrap();
        assert!(matches!(zone.a("no.example").await, Ok(Lookup::NxDomain { .. })));
        assert!(matches!(zone.aaaa("d.example").await, Ok(Lookup::NoData { .. })));
        assert!(matches!(zone.a("below.example").await, Ok(Lookup::NoData { .. })));
        assert!(zone.a("broken.example").await.is_err());
        let before = tokio::time::Instant::now();
        assert!(zone.a("slow.example").await.is_err());
        assert_eq!(before.elapsed(), TIMEOUT);
    }

    #[tokio::test(start_paused = true)]
    async fn a_star_stands_for_what_is_not_there_itself() {
        let zone = Zone::parse("*.list.example A 127.0.0.2\nown.list.example TXT x").unwrap();
        assert_eq!(zone.a("2.0.0.127.list.example").await.unwrap().records().len(), 1);
        for name in ["own.list.example", "a.own.list.example", "list.example"] {
            assert!(zone.a(name).await.unwrap().records().is_empty(), "{name}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn queries_are_counted_by_name() {
        let zone = Zone::parse(TEXT).unwrap();
        let _ = (
            zone.a("d.example").await,
            zone.mx("D.example").await,
            zone.a("www.d.example").await,
        );
        assert_eq!(
            (
                zone.asked(),
                zone.asked_for("d.example"),
                zone.asked_for("mail.d.example")
            ),
            (3, 2, 0)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_star_stands_for_what_has_no_line_of_its_own_until_it_is_gone() {
        let zone = Zone::parse("*.w.example A 192.0.2.9\nown.w.example A 192.0.2.1\nSERVFAIL *.bad.w.example").unwrap();
        assert_eq!(
            zone.a("a.b.w.example").await.unwrap().records(),
            [Ipv4Addr::new(192, 0, 2, 9)]
        );
        assert_eq!(
            zone.a("own.w.example").await.unwrap().records(),
            [Ipv4Addr::new(192, 0, 2, 1)]
        );
        assert!(zone.a("x.bad.w.example").await.is_err());
        assert!(matches!(zone.a("w.example").await, Ok(Lookup::NoData { .. })));
        zone.add("GONE *.w.example").unwrap();
        assert!(matches!(zone.a("a.b.w.example").await, Ok(Lookup::NxDomain { .. })));
        assert_eq!((zone.asked_below("w.example"), zone.asked_below("b.w.example")), (5, 2));
    }

    #[test]
    fn a_bad_line_is_named() {
        for text in [
            "\nd.example MX ten mail",
            "\nd.example A",
            "\nd.example A 1.2.3",
            "\nd.example XYZ a",
            "\nd.example TXT \"open",
        ] {
            assert_eq!(Zone::parse(text).unwrap_err().line, 2, "{text}");
        }
    }
}
