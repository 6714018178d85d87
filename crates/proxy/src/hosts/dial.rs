//! How a connection is made: a name's addresses, of the kind that is wanted, one after another.
//!
//! **Bound:** at most [`MOST`] addresses, all of them within one time limit, of which each has a fair part: a first one at
//! which nobody answers does not use up the time of those behind it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use gatepost_core::Time;
use tokio::net::{TcpStream, lookup_host};

use crate::clock::ticks;
use crate::config::AddressFamily;

/// The most addresses of one host that are tried.
const MOST: usize = 8;

/// Connects; otherwise why not, in words for the log.
pub async fn dial(host: &str, port: u16, family: AddressFamily, within: Duration) -> Result<TcpStream, String> {
    let until = ticks() + within;
    let addresses: Vec<SocketAddr> = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address, port)],
        Err(_) => match tokio::time::timeout(within, lookup_host((host, port))).await {
            Ok(Ok(found)) => tried(found, family),
            Ok(Err(error)) => return Err(format!("{host}: no address: {error}")),
            Err(_) => return Err(format!("{host}: no address within {within:?}")),
        },
    };
    if addresses.is_empty() {
        return Err(format!("{host}: no address of the route's `address_family`"));
    }
    let mut why = String::new();
    let count = addresses.len();
    for (n, address) in addresses.into_iter().enumerate() {
        let patience = share(until, ticks(), count - n);
        why = match tokio::time::timeout(patience, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => format!("{address}: {error}"),
            Err(_) => format!("{address}: no connection within {patience:?}"),
        };
    }
    Err(why)
}

/// What one of so many that are left may take of the time that is left.
fn share(until: Time, now: Time, left: usize) -> Duration {
    until.since(now) / u32::try_from(left.max(1)).unwrap_or(u32::MAX)
}

/// The addresses that are tried, each once, the kinds in turn: where one way is broken, the second try is by the other.
fn tried(found: impl IntoIterator<Item = SocketAddr>, family: AddressFamily) -> Vec<SocketAddr> {
    let mut kinds: [Vec<SocketAddr>; 2] = Default::default();
    let mut first = None;
    for address in found.into_iter().take(MOST * 4) {
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let kind = usize::from(address.is_ipv6());
        if family.has(address.ip()) && !kinds[kind].contains(&address) {
            first.get_or_insert(kind);
            kinds[kind].push(address);
        }
    }
    // The resolver has sorted them by what is likely to work (RFC 6724): its first comes first.
    if first == Some(1) {
        kinds.reverse();
    }
    let [one, other] = kinds;
    let longest = one.len().max(other.len());
    let turns = (0..longest).flat_map(|n| [one.get(n).copied(), other.get(n).copied()]);
    turns.flatten().take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn the_kinds_take_turns_and_the_resolvers_first_is_first() {
        let found = ["[2001:db8::1]:25", "[2001:db8::2]:25", "192.0.2.1:25", "192.0.2.1:25"];
        for (family, expected) in [
            (
                AddressFamily::Any,
                &["[2001:db8::1]:25", "192.0.2.1:25", "[2001:db8::2]:25"][..],
            ),
            (AddressFamily::Ipv4, &["192.0.2.1:25"]),
            (AddressFamily::Ipv6, &["[2001:db8::1]:25", "[2001:db8::2]:25"]),
        ] {
            assert_eq!(tried(addresses(&found), family), addresses(expected), "{family:?}");
        }
        assert_eq!(
            tried(addresses(&["192.0.2.1:25", "[2001:db8::1]:25"]), AddressFamily::Any),
            addresses(&["192.0.2.1:25", "[2001:db8::1]:25"])
        );
        assert!(tried(addresses(&["192.0.2.1:25"]), AddressFamily::Ipv6).is_empty());
    }

    #[test]
    fn a_mapped_address_is_one_of_ipv4() {
        let mapped = addresses(&["[::ffff:192.0.2.1]:25"]);
        assert_eq!(tried(mapped.clone(), AddressFamily::Ipv4), addresses(&["192.0.2.1:25"]));
        assert!(tried(mapped, AddressFamily::Ipv6).is_empty());
    }

    #[test]
    fn many_addresses_are_tried_to_a_bound_and_share_the_time() {
        let many: Vec<SocketAddr> = (1..200).map(|n| SocketAddr::new([192, 0, 2, n].into(), 25)).collect();
        assert_eq!(tried(many, AddressFamily::Any).len(), MOST);
        let (now, until) = (Time::from_secs(10), Time::from_secs(18));
        assert_eq!(share(until, now, 4), Duration::from_secs(2));
        assert_eq!(share(until, Time::from_secs(16), 1), Duration::from_secs(2));
        assert_eq!(share(until, Time::from_secs(20), 3), Duration::ZERO);
    }

    #[tokio::test]
    async fn an_address_at_which_nobody_listens_is_not_the_last_one() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        // `localhost` may have ::1 first, where nobody listens on this port.
        let stream = dial("localhost", port, AddressFamily::Any, Duration::from_secs(5)).await;
        assert!(stream.is_ok(), "{stream:?}");
        let none = dial("localhost", port, AddressFamily::Ipv6, Duration::from_secs(5)).await;
        assert!(none.is_err());
    }
}
