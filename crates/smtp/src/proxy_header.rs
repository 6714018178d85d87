//! The PROXY protocol, versions 1 and 2 (HAProxy's specification): what a load balancer says of the client before the
//! client speaks.
//!
//! **Invariants:** what is read depends on the header's own octets alone, however they come and whatever follows; of
//! octets that read as [`Reading::More`] none is the client's, nor of as many more as it says; what was written is read
//! as itself.
//! **Absent on purpose:** the extensions (TLVs) of version 2, which are skipped, and whom to believe.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// How a version 1 header begins.
const V1: &[u8] = b"PROXY ";
/// How a version 2 header begins.
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
/// The octets of a version 2 header before its addresses.
const V2_FIXED: usize = 16;
/// The shortest header there is: `PROXY UNKNOWN` and its end of line.
const SHORTEST: usize = 15;
/// The longest line of version 1, its end included.
const LINE_MAX: usize = 107;

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// The load balancer itself calls (a health check), or does not say for whom.
    Local,
    /// It calls for this client; an IPv4 address in IPv6's clothes is the IPv4 address.
    Client(SocketAddr),
}

/// What the octets so far amount to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// A header may begin so, and so many octets of it at least are still to come.
    More(usize),
    /// No header begins so.
    Bad,
    /// A whole header, of so many octets.
    Done {
        /// What it says.
        header: Header,
        /// How many octets are its own.
        used: usize,
    },
}

impl Header {
    /// The longest header that is taken, extensions included.
    pub const MAX: usize = 2048;

    /// Reads a header from the beginning of what came.
    pub fn read(octets: &[u8]) -> Reading {
        let begins = |with: &[u8]| octets.iter().zip(with).all(|(octet, wanted)| octet == wanted);
        match octets.first() {
            None => Reading::More(SHORTEST),
            Some(_) if begins(V1) => line(octets),
            Some(_) if begins(V2) => binary(octets),
            Some(_) => Reading::Bad,
        }
    }

    fn client(ip: impl Into<IpAddr>, port: u16) -> Header {
        Header::Client(SocketAddr::new(ip.into().to_canonical(), port))
    }
}

/// Version 1: a line.
fn line(octets: &[u8]) -> Reading {
    let seen = octets.get(..LINE_MAX).unwrap_or(octets);
    let Some(end) = seen.iter().position(|octet| *octet == b'\n') else {
        return match octets.len() {
            LINE_MAX.. => Reading::Bad,
            // Nothing but its LF is certain behind a CR.
            length => Reading::More(
                SHORTEST
                    .saturating_sub(length)
                    .max(if octets.ends_with(b"\r") { 1 } else { 2 }),
            ),
        };
    };
    let text = octets.get(V1.len()..end).and_then(|text| text.strip_suffix(b"\r"));
    match text.and_then(said) {
        Some(header) => Reading::Done { header, used: end + 1 },
        None => Reading::Bad,
    }
}

/// What stands behind `PROXY ` in a line.
fn said(text: &[u8]) -> Option<Header> {
    // Whatever follows is to be ignored.
    if text == b"UNKNOWN" || text.starts_with(b"UNKNOWN ") {
        return Some(Header::Local);
    }
    let words: Vec<&str> = str::from_utf8(text).ok()?.split(' ').collect();
    let [family, from, to, from_port, to_port] = words.try_into().ok()?;
    let (port, _) = (port(from_port)?, port(to_port)?);
    match family {
        "TCP4" => Some(Header::client(both::<Ipv4Addr>(from, to)?, port)),
        "TCP6" => Some(Header::client(both::<Ipv6Addr>(from, to)?, port)),
        _ => None,
    }
}

/// The first of two addresses of a family.
fn both<A: FromStr>(from: &str, to: &str) -> Option<A> {
    to.parse::<A>().ok()?;
    from.parse().ok()
}

/// A port: digits, without a sign or zeros in front.
fn port(text: &str) -> Option<u16> {
    let plain = text == "0" || text.starts_with(|first: char| matches!(first, '1'..='9'));
    text.parse().ok().filter(|_| plain)
}

/// Version 2: octets.
fn binary(octets: &[u8]) -> Reading {
    let Some(rest) = octets.get(V2.len()..V2_FIXED) else {
        return Reading::More(V2_FIXED - octets.len());
    };
    let [version, family, high, low] = *rest else {
        return Reading::Bad;
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let used = V2_FIXED + length;
    // Of the load balancer's own call the family means nothing. Unix sockets have no address to judge.
    let addresses = match (version, family) {
        (0x20, _) | (0x21, 0x00) => 0,
        (0x21, 0x11 | 0x12) => 12,
        (0x21, 0x21 | 0x22) => 36,
        _ => return Reading::Bad,
    };
    if length < addresses || used > Header::MAX {
        return Reading::Bad;
    }
    let Some(said) = octets.get(V2_FIXED..used) else {
        return Reading::More(used - octets.len());
    };
    let port = |at: usize| Some(u16::from_be_bytes(*said.get(at..)?.first_chunk()?));
    let header = match addresses {
        12 => said
            .first_chunk::<4>()
            .zip(port(8))
            .map(|(ip, port)| Header::client(*ip, port)),
        36 => said
            .first_chunk::<16>()
            .zip(port(32))
            .map(|(ip, port)| Header::client(*ip, port)),
        _ => Some(Header::Local),
    };
    header.map_or(Reading::Bad, |header| Reading::Done { header, used })
}

/// A version 2 header that tells a mail server who the client is, and to which address of it we speak.
pub fn write(client: SocketAddr, destination: Option<SocketAddr>) -> Vec<u8> {
    let to = destination.map(|to| (to.ip().to_canonical(), to.port()));
    let mut out = V2.to_vec();
    let ports = |to: u16| [client.port().to_be_bytes(), to.to_be_bytes()].concat();
    match client.ip() {
        IpAddr::V4(from) => {
            let (to, port) = match to {
                Some((IpAddr::V4(to), port)) => (to, port),
                _ => (Ipv4Addr::LOCALHOST, 25),
            };
            out.extend([0x21, 0x11, 0, 12]);
            out.extend([from.octets(), to.octets()].concat());
            out.extend(ports(port));
        }
        IpAddr::V6(from) => {
            let (to, port) = match to {
                Some((IpAddr::V6(to), port)) => (to, port),
                _ => (Ipv6Addr::LOCALHOST, 25),
            };
            out.extend([0x21, 0x21, 0, 36]);
            out.extend([from.octets(), to.octets()].concat());
            out.extend(ports(port));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"PROXY TCP4 192.0.2.1 198.51.100.1 4000 25\r\n";
    const LOCAL: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

    fn client(text: &str) -> Header {
        Header::Client(text.parse().unwrap())
    }

    fn v2(version: u8, family: u8, addresses: &[u8]) -> Vec<u8> {
        let length = u16::try_from(addresses.len()).unwrap().to_be_bytes();
        [V2, &[version, family], &length, addresses].concat()
    }

    #[test]
    fn both_versions_are_read_and_what_follows_is_left() {
        let two = write(
            "[2001:db8::1]:4000".parse().unwrap(),
            Some("[2001:db8::2]:25".parse().unwrap()),
        );
        for (octets, header) in [
            (LINE, client("192.0.2.1:4000")),
            (
                b"PROXY TCP6 2001:db8::1 2001:db8::2 4000 25\r\n",
                client("[2001:db8::1]:4000"),
            ),
            (&two, client("[2001:db8::1]:4000")),
            (b"PROXY UNKNOWN\r\n", Header::Local),
            (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Header::Local),
            (LOCAL, Header::Local),
            (&v2(0x21, 0, b"whatever"), Header::Local),
        ] {
            let used = octets.len();
            let text = String::from_utf8_lossy(octets);
            assert_eq!(
                Header::read(&[octets, b"EHLO"].concat()),
                Reading::Done { header, used },
                "{text}"
            );
        }
    }

    /// The specification: ignore anything presented before the CRLF is found.
    #[test]
    fn what_follows_unknown_is_ignored_however_long() {
        let line = b"PROXY UNKNOWN a b c d e f g h\r\n";
        assert_eq!(
            Header::read(line),
            Reading::Done {
                header: Header::Local,
                used: line.len()
            }
        );
    }

    /// The specification: discard the protocol block including the family, which is ignored.
    #[test]
    fn of_the_load_balancers_own_call_the_family_means_nothing() {
        for family in [0x00, 0x11, 0x21, 0x31, 0xff] {
            let octets = v2(0x20, family, b"abc");
            assert_eq!(
                Header::read(&octets),
                Reading::Done {
                    header: Header::Local,
                    used: 19
                },
                "{family:x}"
            );
        }
    }

    #[test]
    fn a_mapped_address_is_the_v4_one() {
        let header = write("[::ffff:192.0.2.1]:4000".parse().unwrap(), None);
        let line = b"PROXY TCP6 ::ffff:192.0.2.1 ::1 4000 25\r\n";
        for octets in [&header[..], line] {
            assert!(matches!(Header::read(octets), Reading::Done { header, .. } if header == client("192.0.2.1:4000")));
        }
    }

    #[test]
    fn not_an_octet_more_than_the_header_is_wanted() {
        let two = write("192.0.2.1:4000".parse().unwrap(), None);
        for header in [LINE, b"PROXY UNKNOWN\r\n", LOCAL, &two] {
            let mut read = 0;
            while let Reading::More(wanted) = Header::read(&header[..read]) {
                assert!(wanted > 0);
                read += wanted;
            }
            assert_eq!(read, header.len());
        }
    }

    #[test]
    fn what_is_no_header_is_bad_at_once_or_at_its_bound() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; LINE_MAX - 11]].concat();
        let mut huge = v2(0x21, 0x11, &[0; 12]);
        huge[14..16].copy_from_slice(&2033_u16.to_be_bytes());
        for octets in [
            b"E".as_slice(),
            b"\n",
            b"PROXY nonsense\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 4000 25\n",
            b"PROXY TCP4 192.0.2.1\n",
            b"PROXY UNKNOWN a\nb\r\n",
            b"PROXY UNKNOWNS\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 +4000 25\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 04000 25\r\n",
            b"PROXY TCP4 192.0.2.1 198.51.100.1 4000 65536\r\n",
            b"PROXY TCP4 192.0.2.1 2001:db8::1 4000 25\r\n",
            b"PROXY TCP4  192.0.2.1 198.51.100.1 4000 25\r\n",
            b"PROXY TCP6 192.0.2.1 198.51.100.1 4000 25\r\n",
            &long,
            &huge,
            &v2(0x21, 0x11, &[0; 11]),
            &v2(0x21, 0x21, &[0; 35]),
            &v2(0x21, 0x31, &[0; 216]),
            &v2(0x21, 0x10, &[0; 12]),
            &v2(0x22, 0, &[]),
            &v2(0x51, 0, &[]),
        ] {
            assert_eq!(
                Header::read(octets),
                Reading::Bad,
                "{}",
                String::from_utf8_lossy(octets)
            );
        }
    }
}
