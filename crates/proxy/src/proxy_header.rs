//! The PROXY protocol (HAProxy's specification): read from a trusted load balancer, written to a mail server.

use std::io;
use std::net::{IpAddr, SocketAddr};

use ppp::v2::{Addresses, Builder, Command, IPv4, IPv6, Protocol, Version};
use ppp::{HeaderResult, PartialResult, v1};

use crate::wire::Wire;

/// The longest header that is read; a version 1 line has at most 107 octets.
const MAX: usize = 2048;

/// What a header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// The load balancer itself calls: a health check.
    Local,
    /// It calls for this client.
    Client(SocketAddr),
}

/// What the octets so far amount to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Reading {
    More,
    Bad,
    Done { header: Header, used: usize },
}

fn parse(octets: &[u8]) -> Reading {
    const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    const V1: &[u8] = b"PROXY ";
    let begins = |with: &[u8]| octets.iter().zip(with).all(|(a, b)| a == b);
    if octets.is_empty() {
        return Reading::More;
    }
    if begins(V1) && octets.len() <= 107 && !octets.contains(&b'\n') {
        return if octets.len() == 107 {
            Reading::Bad
        } else {
            Reading::More
        };
    }
    if !begins(V1) && !begins(V2) {
        return Reading::Bad;
    }
    let result = HeaderResult::parse(octets);
    if result.is_incomplete() {
        return if octets.len() >= MAX {
            Reading::Bad
        } else {
            Reading::More
        };
    }
    let (header, used) = match result {
        HeaderResult::V1(Ok(header)) => {
            let client = match header.addresses {
                v1::Addresses::Tcp4(a) => Header::Client(SocketAddr::new(a.source_address.into(), a.source_port)),
                v1::Addresses::Tcp6(a) => Header::Client(SocketAddr::new(a.source_address.into(), a.source_port)),
                v1::Addresses::Unknown => Header::Local,
            };
            (client, header.header.len())
        }
        HeaderResult::V2(Ok(header)) => {
            let client = match (header.command, header.addresses) {
                (Command::Proxy, Addresses::IPv4(a)) => {
                    Header::Client(SocketAddr::new(a.source_address.into(), a.source_port))
                }
                (Command::Proxy, Addresses::IPv6(a)) => {
                    Header::Client(SocketAddr::new(a.source_address.into(), a.source_port))
                }
                (Command::Proxy, Addresses::Unix(_)) => return Reading::Bad,
                _ => Header::Local,
            };
            (client, header.len())
        }
        _ => return Reading::Bad,
    };
    let header = match header {
        Header::Client(client) => Header::Client(SocketAddr::new(client.ip().to_canonical(), client.port())),
        local => local,
    };
    if used > MAX {
        Reading::Bad
    } else {
        Reading::Done { header, used }
    }
}

/// How many octets are certainly still part of the header.
fn wanting(octets: &[u8]) -> usize {
    match octets {
        // The shorter of both forms.
        _ if octets.len() < 12 => 12 - octets.len(),
        // A line ends where it ends.
        [b'P', ..] => 1,
        // A version 2 header says its length.
        _ if octets.len() < 16 => 16 - octets.len(),
        _ => (16 + usize::from(u16::from_be_bytes([octets[14], octets[15]])))
            .saturating_sub(octets.len())
            .max(1),
    }
}

/// Reads the header that a trusted load balancer must send first, and not an octet more: what follows is the client's
/// own, and may be a TLS handshake.
pub async fn read(wire: &mut Wire) -> io::Result<Header> {
    let mut octets = Vec::new();
    loop {
        let more = wire
            .read(wanting(&octets).min(MAX), |read| {
                octets.extend_from_slice(read);
                !read.is_empty()
            })
            .await?;
        match parse(&octets) {
            Reading::Done { header, used } if used == octets.len() => return Ok(header),
            Reading::More if more && octets.len() < MAX => {}
            Reading::More => return Err(io::ErrorKind::UnexpectedEof.into()),
            Reading::Done { .. } | Reading::Bad => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no PROXY header"));
            }
        }
    }
}

/// A version 2 header that tells a mail server who the client is.
pub fn write(client: SocketAddr, destination: Option<SocketAddr>) -> Vec<u8> {
    let proxy = Version::Two | Command::Proxy;
    let addresses: Addresses = match (client.ip(), destination.map(|d| (d.ip().to_canonical(), d.port()))) {
        (IpAddr::V4(from), Some((IpAddr::V4(to), port))) => IPv4::new(from, to, client.port(), port).into(),
        (IpAddr::V4(from), _) => IPv4::new(from, std::net::Ipv4Addr::LOCALHOST, client.port(), 25).into(),
        (IpAddr::V6(from), Some((IpAddr::V6(to), port))) => IPv6::new(from, to, client.port(), port).into(),
        (IpAddr::V6(from), _) => IPv6::new(from, std::net::Ipv6Addr::LOCALHOST, client.port(), 25).into(),
    };
    // Sixteen octets and two addresses always fit into a header.
    Builder::with_addresses(proxy, Protocol::Stream, addresses)
        .build()
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(text: &str) -> Header {
        Header::Client(text.parse().unwrap())
    }

    #[test]
    fn both_versions_are_read_and_what_follows_is_left() {
        let one = b"PROXY TCP4 192.0.2.1 198.51.100.1 4000 25\r\nEHLO x\r\n";
        assert_eq!(
            parse(one),
            Reading::Done {
                header: client("192.0.2.1:4000"),
                used: 43
            }
        );
        let mut two = write(
            "[2001:db8::1]:4000".parse().unwrap(),
            Some("[2001:db8::2]:25".parse().unwrap()),
        );
        let used = two.len();
        two.extend(b"EHLO");
        assert_eq!(
            parse(&two),
            Reading::Done {
                header: client("[2001:db8::1]:4000"),
                used
            }
        );
        assert_eq!(
            parse(b"PROXY UNKNOWN\r\n"),
            Reading::Done {
                header: Header::Local,
                used: 15
            }
        );
        let local = Builder::new(Version::Two | Command::Local, 0).build().unwrap();
        assert_eq!(
            parse(&local),
            Reading::Done {
                header: Header::Local,
                used: 16
            }
        );
    }

    #[test]
    fn a_mapped_address_is_the_v4_one() {
        let header = write("[::ffff:192.0.2.1]:4000".parse().unwrap(), None);
        assert!(matches!(parse(&header), Reading::Done { header, .. } if header == client("192.0.2.1:4000")));
    }

    #[test]
    fn a_header_may_come_octet_by_octet() {
        let whole = write("192.0.2.1:4000".parse().unwrap(), None);
        for part in 0..whole.len() {
            assert_eq!(parse(&whole[..part]), Reading::More, "{part}");
        }
        let line = b"PROXY TCP4 192.0.2.1 198.51.100.1 4000 25\r\n";
        for part in 0..line.len() {
            assert_eq!(parse(&line[..part]), Reading::More, "{part}");
        }
    }

    #[test]
    fn not_an_octet_more_than_the_header_is_wanted() {
        let local = Builder::new(Version::Two | Command::Local, 0).build().unwrap();
        let two = write("192.0.2.1:4000".parse().unwrap(), None);
        for header in [
            &b"PROXY TCP4 192.0.2.1 198.51.100.1 4000 25\r\n"[..],
            b"PROXY UNKNOWN\r\n",
            &local,
            &two,
        ] {
            let mut read = 0;
            while parse(&header[..read]) == Reading::More {
                read += wanting(&header[..read]);
            }
            assert_eq!(read, header.len());
        }
    }

    #[test]
    fn what_is_no_header_is_bad_at_once_or_at_its_bound() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        let mut huge = write("192.0.2.1:4000".parse().unwrap(), None);
        huge[14..16].copy_from_slice(&[0xff, 0xff]);
        huge.resize(MAX, 0);
        for octets in [
            b"EHLO x\r\n".as_slice(),
            b"PROXY nonsense\r\n",
            &long,
            &huge,
            b"\r\n\r\n\0\r\nQUIT\n\x51",
        ] {
            let mut octets = octets.to_vec();
            octets.resize(octets.len().max(16), b' ');
            assert_eq!(parse(&octets), Reading::Bad, "{}", String::from_utf8_lossy(&octets));
        }
    }
}
