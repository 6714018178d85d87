//! Who writes to whom, from where: the key under which somebody waits.
//!
//! **Invariants:** pure; the key is a keyed hash, so the store holds no address; an address made anew for each mail (BATV,
//! SRS, VERP, numbers) gives the same key each time. **Absent on purpose:** time, and whether anybody waits.

use std::net::IpAddr;

use gatepost_core::{Address, Domain, Path, Seed, tagged};

/// The octets of a key.
pub const KEY: usize = 16;
/// A word of a sender's local part with a digit in it is a serial number from so many characters on.
const SERIAL: usize = 8;

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
        match address.to_canonical() {
            IpAddr::V4(address) => {
                let v4 = v4.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(v4)).unwrap_or(0);
                Origin::Network(IpAddr::V4((u32::from(address) & mask).into()), v4)
            }
            IpAddr::V6(address) => {
                let v6 = v6.min(128);
                let mask = u128::MAX.checked_shl(128 - u32::from(v6)).unwrap_or(0);
                Origin::Network(IpAddr::V6((u128::from(address) & mask).into()), v6)
            }
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

/// How often a sender is folded, so that what comes out stays as it is. Each time but the last makes it shorter or takes a
/// number out of it.
const FOLDS_MAX: usize = 64;

/// A sender as it stays the same from mail to mail: tags taken off, `+tag` cut, serial numbers folded, lower case.
pub fn sender(from: &Path) -> String {
    let Some(address) = from.mailbox() else {
        return String::new();
    };
    let mut address = address.clone();
    for _ in 0..FOLDS_MAX {
        let next = fold(&address);
        match Address::parse(&next, true) {
            Ok(next) if next != address => address = next,
            _ => return next,
        }
    }
    address.key()
}

fn fold(address: &Address) -> String {
    let address = tagged::original(address);
    let address = tagged::stem(&address).unwrap_or(address);
    let local = address.local().to_lowercase();
    let local = match local.find('+') {
        None | Some(0) => local.as_str(),
        Some(plus) => local.get(..plus).unwrap_or(&local),
    };
    format!("{}@{}", folded(local), address.domain().key())
}

/// Numbers, and long words with a digit in them, as `#`: what programs count up in.
fn folded(local: &str) -> String {
    let mut out = String::with_capacity(local.len());
    for word in local.split_inclusive(['-', '_', '.', '=']) {
        let bare = word.trim_end_matches(['-', '_', '.', '=']);
        let digits = bare.bytes().filter(u8::is_ascii_digit).count();
        let serial = digits > 0 && (digits == bare.len() || bare.len() >= SERIAL);
        out.push_str(if serial { "#" } else { bare });
        out.push_str(word.get(bare.len()..).unwrap_or_default());
    }
    out
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
    use proptest::prelude::*;

    use super::*;

    fn from(text: &str) -> String {
        sender(&Path::reverse(text, true).unwrap_or_else(|bad| panic!("{text}: {bad:?}")))
    }

    #[test]
    fn a_sender_that_is_made_anew_for_each_mail_is_one_sender() {
        for (one, other) in [
            ("prvs=1234abcdef=ann@b.example", "prvs=5678fedcba=Ann@B.example"),
            ("prvs=1234abcdef=ann@b.example", "ann@b.example"),
            (
                "SRS0=aaaa=b1=b.example=ann@fwd.example",
                "SRS0=cccc=d2=b.example=ann@other.example",
            ),
            (
                "bounce-4711-carl=d.example@b.example",
                "bounce-4712-eva=e.example@b.example",
            ),
            ("0100018b3f2a-1111@b.example", "0100018b77aa-2222@b.example"),
            ("news+17@b.example", "news+18@b.example"),
            ("m-20261125@b.example", "m-20261126@b.example"),
        ] {
            assert_eq!(from(one), from(other), "{one} and {other}");
        }
        for (one, other) in [
            ("ann@b.example", "bob@b.example"),
            ("ann@b.example", "ann@c.example"),
            ("a1@b.example", "a2@b.example"),
            ("", "ann@b.example"),
        ] {
            assert_ne!(from(one), from(other), "{one} and {other}");
        }
        assert_eq!(from("+tag@b.example"), "+tag@b.example", "nothing would be left of it");
    }

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
        assert_ne!(
            one.origin(&net),
            one.origin(&Origin::network("192.0.2.1".parse().expect("one"), 24, 64))
        );
    }

    proptest! {
        #[test]
        fn folding_is_total_and_stays_as_it_is(local in "[a-z0-9+=._-]{1,40}", domain in "[a-z]{1,9}\\.example") {
            if let Ok(path) = Path::reverse(&format!("{local}@{domain}"), true) {
                let once = sender(&path);
                prop_assert!(once.len() <= local.len() + domain.len() + 64);
                if let Ok(again) = Path::reverse(&once, true) {
                    prop_assert_eq!(sender(&again), once);
                }
            }
        }
    }
}
