//! Small values as people write them: durations, sizes, networks, addresses, domains.
//!
//! Each is a text in the file, is read by [`FromStr`], and says in its schema (`x-expected`) what is expected.

use std::fmt;
use std::marker::PhantomData;
use std::net::{IpAddr, SocketAddr};
use std::ops::Deref;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::StrDeserializer;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! text {
    ($type:ty, $name:literal, $expected:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<$type, D::Error> {
                let text = String::deserialize(from)?;
                text.parse().map_err(|why: &str| D::Error::custom(format!("expected {}, found {text:?}{}{why}", $expected, if why.is_empty() { "" } else { ": " })))
            }
        }
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "x-expected": $expected })
            }
        }
    };
}

/// A length of time, `"5m"`; at most [`Timespan::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Timespan(Duration);

impl Timespan {
    /// The longest: 366 days, so that no sum with a clock's time overflows.
    pub const MAX: Duration = Duration::from_hours(366 * 24);

    /// So many seconds.
    pub const fn secs(secs: u64) -> Timespan {
        Timespan(Duration::from_secs(secs))
    }
}

impl Deref for Timespan {
    type Target = Duration;
    fn deref(&self) -> &Duration {
        &self.0
    }
}

impl FromStr for Timespan {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Timespan, &'static str> {
        match humantime::parse_duration(text) {
            Ok(time) if time > Timespan::MAX => Err("that is more than 366 days"),
            Ok(time) => Ok(Timespan(time)),
            Err(_) => Err(""),
        }
    }
}

impl fmt::Display for Timespan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

text!(Timespan, "Timespan", "a duration such as \"5m\"");

/// A number of octets, `"25 MiB"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Size(pub u64);

impl Size {
    const UNITS: [(&str, u64); 9] = [
        ("TiB", 1 << 40),
        ("TB", 1_000_000_000_000),
        ("GiB", 1 << 30),
        ("GB", 1_000_000_000),
        ("MiB", 1 << 20),
        ("MB", 1_000_000),
        ("KiB", 1 << 10),
        ("kB", 1_000),
        ("B", 1),
    ];

    /// So many KiB.
    pub const fn kib(kib: u64) -> Size {
        Size(kib << 10)
    }

    /// So many MiB.
    pub const fn mib(mib: u64) -> Size {
        Size(mib << 20)
    }

    /// The same as a count for memory; the largest there is where this machine cannot address as much.
    pub fn octets(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for Size {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Size, &'static str> {
        let text = text.trim();
        let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
        let number: u64 = number.parse().map_err(|_| "")?;
        let (_, factor) = Size::UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit.trim()))
            .ok_or("a whole number and one of B, kB, KiB, MB, MiB, GB, GiB, TB, TiB")?;
        number.checked_mul(*factor).map(Size).ok_or("too large")
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Size::UNITS
            .iter()
            .find(|(_, factor)| self.0 >= *factor && self.0.is_multiple_of(*factor))
        {
            Some((unit, factor)) => write!(f, "{} {unit}", self.0 / factor),
            None => write!(f, "{} B", self.0),
        }
    }
}

text!(Size, "Size", "a size such as \"25 MiB\"");

/// A network in CIDR notation, or one address. A v4-mapped network is the IPv4 network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network(IpNet);

impl Network {
    /// Whether `address` is in it.
    pub fn has(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether it is the whole Internet.
    pub fn is_everyone(&self) -> bool {
        self.0.prefix_len() == 0
    }
}

impl Deref for Network {
    type Target = IpNet;
    fn deref(&self) -> &IpNet {
        &self.0
    }
}

impl FromStr for Network {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Network, &'static str> {
        let net: IpNet = match text.parse::<IpAddr>() {
            Ok(address) => address.into(),
            Err(_) => text.parse().map_err(|_| "")?,
        };
        let net = match (net, net.addr().to_canonical()) {
            (IpNet::V6(net), IpAddr::V4(address)) => IpNet::new(
                address.into(),
                net.prefix_len()
                    .checked_sub(96)
                    .ok_or("a prefix below 96 of a v4-mapped address")?,
            )
            .map_err(|_| "")?,
            _ => net,
        };
        if net.trunc() == net {
            Ok(Network(net))
        } else {
            Err("there are bits set behind the prefix")
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text!(
    Network,
    "Network",
    "a network such as \"192.0.2.0/24\" or \"2001:db8::/32\""
);

/// An address and port to listen on, or to ask.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Bind(pub SocketAddr);

impl FromStr for Bind {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Bind, &'static str> {
        text.parse().map(Bind).map_err(|_| "")
    }
}

impl fmt::Display for Bind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text!(
    Bind,
    "Bind",
    "an address and port such as \"0.0.0.0:25\" or \"[::]:25\""
);

/// The address of a DNS server; port 53 where none is given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Nameserver(pub SocketAddr);

impl FromStr for Nameserver {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Nameserver, &'static str> {
        text.parse()
            .or_else(|_| text.parse::<IpAddr>().map(|address| SocketAddr::new(address, 53)))
            .map(Nameserver)
            .map_err(|_| "")
    }
}

impl fmt::Display for Nameserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

text!(
    Nameserver,
    "Nameserver",
    "the address of a DNS server such as \"127.0.0.1\" or \"[::1]:53\""
);

/// A host name, lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct HostName(Box<str>);

impl Deref for HostName {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl FromStr for HostName {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<HostName, &'static str> {
        let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
        if is_name(&name) {
            Ok(HostName(name.into()))
        } else {
            Err("")
        }
    }
}

impl fmt::Display for HostName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

text!(HostName, "HostName", "a host name such as \"mx.example.org\"");

/// Labels of letters, digits, hyphen and underscore (RFC 1035 §2.3.1, and what is seen), not a mere IPv4 address.
fn is_name(name: &str) -> bool {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253
        && name.split('.').all(is_label)
        && !name
            .rsplit('.')
            .next()
            .is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()))
}

/// A domain of ours: `example.org` is that domain alone, `.example.org` or `*.example.org` are all below it, at any depth.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct LocalDomain {
    /// The name, lower case, without a leading dot.
    pub name: Box<str>,
    /// Whether the domains below it are meant, and not itself.
    pub below: bool,
}

impl FromStr for LocalDomain {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<LocalDomain, &'static str> {
        let lower = text.to_ascii_lowercase();
        let below = lower.strip_prefix("*.").or_else(|| lower.strip_prefix('.'));
        let name = below.unwrap_or(&lower);
        if !name.is_ascii() {
            return Err("write it in its ASCII form, xn--...");
        }
        if is_name(name) {
            Ok(LocalDomain {
                name: name.into(),
                below: below.is_some(),
            })
        } else {
            Err("")
        }
    }
}

impl fmt::Display for LocalDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "." } else { "" }, self.name)
    }
}

text!(
    LocalDomain,
    "LocalDomain",
    "a domain such as \"example.org\", or \".example.org\" for all below it"
);

/// Where a route leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Destination {
    /// A mail server.
    Smtp {
        /// Its address or name.
        host: Box<str>,
        /// Its port.
        port: u16,
    },
    /// A Maildir of our own.
    Maildir(PathBuf),
}

impl FromStr for Destination {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Destination, &'static str> {
        if let Some(path) = text.strip_prefix("maildir:") {
            return if path.is_empty() {
                Err("the path is missing")
            } else {
                Ok(Destination::Maildir(path.into()))
            };
        }
        let (host, port) = text.rsplit_once(':').ok_or("the port is missing")?;
        let port = port.parse().ok().filter(|port| *port != 0).ok_or("")?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(v6) => v6.parse::<std::net::Ipv6Addr>().map_err(|_| "")?.to_string(),
            None if host.contains(':') => return Err("an IPv6 address stands in [ ]"),
            None if host.parse::<std::net::Ipv4Addr>().is_ok() => host.to_owned(),
            None => host.parse::<HostName>()?.to_string(),
        };
        Ok(Destination::Smtp {
            host: host.into(),
            port,
        })
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Destination::Smtp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Destination::Smtp { host, port } => write!(f, "{host}:{port}"),
            Destination::Maildir(path) => write!(f, "maildir:{}", path.display()),
        }
    }
}

text!(Destination, "Destination", "\"host:port\" or \"maildir:PATH\"");

/// One value, or a list of them.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Several<T>(pub Vec<T>);

impl<T> Deref for Several<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Several<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Several<T>, D::Error> {
        struct Either<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = Several<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of them")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Several<T>, E> {
                T::deserialize(StrDeserializer::new(text)).map(|one| Several(vec![one]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Several<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = list.next_element()? {
                    all.push(one);
                }
                Ok(Several(all))
            }
        }
        from.deserialize_any(Either(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Several<T> {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Several_{}", T::schema_name()).into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one, { "type": "array", "items": one, "minItems": 1 }] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_written_with_a_unit() {
        for (text, octets, shown) in [
            ("25 MiB", 25 << 20, "25 MiB"),
            ("256kB", 256_000, "250 KiB"),
            ("7 B", 7, "7 B"),
            ("0 B", 0, "0 B"),
            ("2GB", 2_000_000_000, "2 GB"),
        ] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (octets, shown));
        }
        for bad in ["", "25", "MiB", "-1 B", "1.5 MiB", "99999999 TiB", "1 MIT"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn times_are_bounded() {
        assert_eq!(*"1h 30m".parse::<Timespan>().unwrap(), Duration::from_secs(5400));
        assert_eq!(Timespan::secs(300).to_string(), "5m");
        for bad in ["", "5", "m", "400days", "-1s", "99999999999999999999s"] {
            assert!(bad.parse::<Timespan>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_leading_dot_means_the_domains_below() {
        let (own, below): (LocalDomain, LocalDomain) =
            ("Example.ORG".parse().unwrap(), "*.example.org".parse().unwrap());
        assert_eq!((own.to_string().as_str(), own.below), ("example.org", false));
        assert_eq!(
            (below.to_string().as_str(), &*below.name, below.below),
            (".example.org", "example.org", true)
        );
        for bad in [
            "",
            ".",
            "*",
            "a..b",
            "-a.org",
            "b\u{fc}cher.example",
            "192.0.2.1",
            "a b",
            "*.*.org",
        ] {
            assert!(bad.parse::<LocalDomain>().is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_are_canonical() {
        for (text, shown) in [
            ("192.0.2.1", "192.0.2.1/32"),
            ("::ffff:192.0.2.0/120", "192.0.2.0/24"),
            ("2001:db8::/32", "2001:db8::/32"),
        ] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), shown);
        }
        assert!(
            "10.0.0.0/8"
                .parse::<Network>()
                .unwrap()
                .has("::ffff:10.1.2.3".parse().unwrap())
        );
        for bad in ["10.0.0.1/8", "::ffff:0.0.0.0/8", "10/8", "", "10.0.0.0/33"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_route_leads_to_a_port_or_to_a_maildir() {
        for good in ["127.0.0.1:10025", "[::1]:25", "mail.example.org:25", "maildir:./mail"] {
            assert_eq!(good.parse::<Destination>().unwrap().to_string(), good);
        }
        for bad in [
            "127.0.0.1",
            "::1:25",
            "[::1]",
            "a b:25",
            ":25",
            "mail:0",
            "mail:70000",
            "maildir:",
            "300.1.2.3:25",
        ] {
            assert!(bad.parse::<Destination>().is_err(), "{bad}");
        }
    }
}
