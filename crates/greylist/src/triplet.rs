//! Who writes to whom, from where: the key under which somebody waits.
//!
//! **Invariants:** pure; the key is a keyed hash, so the store holds no address. **Absent on purpose:** time, and whether
//! anybody waits.

use std::net::IpAddr;

use gatepost_core::network::masked;
use gatepost_core::{Address, Domain, Path, Seed};

/// The octets of a key.
pub const KEY: usize = 16;

/// Where a client belongs: the clients of one origin wait together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// Its network.
    Network(IpAddr, u8),
    /// A domain that is proven to send by it: whose SPF record authorised it, or below which its confirmed name lies.
    Domain(String),
}

impl Origin {
    /// The network of an address: so many bits of it, by its kind.
    pub fn network(address: IpAddr, v4: u8, v6: u8) -> Origin {
        match masked(address, v4, v6) {
            network @ IpAddr::V4(_) => Origin::Network(network, v4.min(32)),
            network @ IpAddr::V6(_) => Origin::Network(network, v6.min(128)),
        }
    }

    /// A domain, in lower case.
    pub fn domain(domain: &Domain) -> Origin {
        Origin::Domain(domain.key())
    }

    /// In words, for a note.
    pub fn shown(&self) -> String {
        match self {
            Origin::Network(address, bits) => format!("{address}/{bits}"),
            Origin::Domain(domain) => domain.clone(),
        }
    }

    fn bytes(&self) -> Vec<u8> {
        match self {
            Origin::Network(IpAddr::V4(address), bits) => [b"4".as_slice(), &address.octets(), &[*bits]].concat(),
            Origin::Network(IpAddr::V6(address), bits) => [b"6".as_slice(), &address.octets(), &[*bits]].concat(),
            Origin::Domain(domain) => [b"d".as_slice(), domain.as_bytes()].concat(),
        }
    }
}

/// The recipient, in lower case.
pub fn recipient(to: &Path) -> String {
    to.mailbox().map_or_else(|| "postmaster".into(), Address::key)
}

/// Hashes that lead to what is remembered, as one installation makes them.
#[derive(Clone, Copy, Debug)]
pub struct Keys(Seed);

impl Keys {
    /// By the installation's secret.
    pub fn new(seed: Seed) -> Keys {
        Keys(seed)
    }

    fn hash(self, parts: &[&[u8]]) -> [u8; KEY] {
        let half = |which: &[u8]| {
            let mut all = vec![b"greylist".as_slice(), which];
            all.extend_from_slice(parts);
            self.0.hash(&all).to_be_bytes()
        };
        let mut key = [0; KEY];
        key[..8].copy_from_slice(&half(b"1"));
        key[8..].copy_from_slice(&half(b"2"));
        key
    }

    /// Of a triplet.
    pub fn triplet(self, origin: &Origin, sender: &str, recipient: &str) -> [u8; KEY] {
        self.hash(&[b"triplet", &origin.bytes(), sender.as_bytes(), recipient.as_bytes()])
    }

    /// Of an origin.
    pub fn origin(self, origin: &Origin) -> [u8; KEY] {
        self.hash(&[b"origin", &origin.bytes()])
    }

    /// A number that stays the same for a triplet: from it comes how much longer than the delay it waits.
    pub fn jitter(self, triplet: &[u8; KEY]) -> u64 {
        self.0.hash(&[b"greylist jitter", triplet])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_its_first_bits() {
        let network = |text: &str, v4, v6| Origin::network(text.parse().expect("an address"), v4, v6).shown();
        assert_eq!(network("192.0.2.77", 24, 64), "192.0.2.0/24");
        assert_eq!(network("::ffff:192.0.2.77", 24, 64), "192.0.2.0/24");
        assert_eq!(network("2001:db8:1:2:3:4:5:6", 24, 64), "2001:db8:1:2::/64");
        assert_eq!(network("192.0.2.77", 0, 0), "0.0.0.0/0");
        assert_eq!(network("192.0.2.77", 99, 255), "192.0.2.77/32");
        assert_eq!(network("2001:db8::1", 24, 0), "::/0");
    }

    #[test]
    fn keys_differ_by_every_part_and_by_the_installation() {
        let (one, other) = (Keys::new(Seed::new([1; 16])), Keys::new(Seed::new([2; 16])));
        let net = Origin::Domain("b.example".into());
        let key = one.triplet(&net, "ann@b.example", "carl@d.example");
        assert_eq!(key, one.triplet(&net, "ann@b.example", "carl@d.example"));
        assert_ne!(key, other.triplet(&net, "ann@b.example", "carl@d.example"));
        assert_ne!(key, one.triplet(&net, "ann@b.examplec", "arl@d.example"));
        assert_eq!(one.jitter(&key), one.jitter(&key));
        assert_ne!(one.jitter(&key), other.jitter(&key));
        assert_ne!(one.jitter(&key), one.jitter(&[0; KEY]));
        assert_ne!(
            one.origin(&net),
            one.origin(&Origin::network("192.0.2.1".parse().expect("one"), 24, 64))
        );
    }
}
