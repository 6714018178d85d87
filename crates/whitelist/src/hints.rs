//! Which kinds of entries an owner may have: four octets that spare most reads.
//!
//! ```text
//! hints   1 kinds lists below
//! ```

use gatepost_core::List;

use crate::entry::Pattern;

/// The version that is written.
const VERSION: u8 = 1;

/// What kinds of entries a reach may have, so that nobody asks for the others. Set before the first entry of a kind is
/// there and never taken back.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hints {
    /// Addresses: 1, domains: 2, networks: 4.
    kinds: u8,
    /// Allow: 1, deny: 2, red: 4.
    lists: u8,
    /// The bit `n` stands for a domain of `n + 1` labels in `@*.domain`.
    below: u8,
}

impl Hints {
    /// What an entry adds.
    pub fn of(list: List, pattern: &Pattern) -> Hints {
        let (kinds, below) = match pattern {
            Pattern::Address(_) => (1, 0),
            Pattern::Domain(_) => (2, 0),
            Pattern::Network(_) => (4, 0),
            Pattern::Below(parent) => (0, 1_u8.checked_shl(parent.matches('.').count() as u32).unwrap_or(0)),
        };
        let lists = match list {
            List::Allow => 1,
            List::Deny => 2,
            _ => 4,
        };
        Hints { kinds, lists, below }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Hints) -> Hints {
        Hints {
            kinds: self.kinds | other.kinds,
            lists: self.lists | other.lists,
            below: self.below | other.below,
        }
    }

    /// Whether there may be addresses.
    pub fn addresses(self) -> bool {
        self.kinds & 1 != 0
    }

    /// Whether there may be domains.
    pub fn domains(self) -> bool {
        self.kinds & 2 != 0
    }

    /// Whether there may be networks.
    pub fn networks(self) -> bool {
        self.kinds & 4 != 0
    }

    /// Whether there may be a `@*.domain` of so many labels.
    pub fn below(self, labels: usize) -> bool {
        (1..=8).contains(&labels) && self.below & (1 << (labels - 1)) != 0
    }

    /// Its octets.
    pub fn encode(self) -> [u8; 4] {
        [VERSION, self.kinds, self.lists, self.below]
    }

    /// Reads octets; none where they are nothing of ours.
    pub fn decode(octets: &[u8]) -> Option<Hints> {
        match *octets {
            [VERSION, kinds, lists, below] => Some(Hints { kinds, lists, below }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_version_1_wrote_stays_readable() {
        let hints = Hints::decode(b"\x01\x05\x03\x82").expect("hints");
        assert!(hints.addresses() && !hints.domains() && hints.networks() && hints.below(2) && hints.below(8));
        assert!(!hints.below(0) && !hints.below(1) && !hints.below(9));
        assert_eq!(hints.encode(), *b"\x01\x05\x03\x82");
        for octets in [&b""[..], b"\x02\x05\x03\x82", b"\x01\x05\x03", b"\x01\x05\x03\x82\0"] {
            assert_eq!(Hints::decode(octets), None, "{octets:?}");
        }
    }

    #[test]
    fn an_entry_is_hinted_at_and_nothing_else_is() {
        let of = |text: &str| Hints::of(List::Deny, &Pattern::parse(text).expect("an entry"));
        let kinds = |hints: Hints| (hints.addresses(), hints.domains(), hints.networks(), hints.below(2));
        assert_eq!(kinds(of("a@b.example")), (true, false, false, false));
        assert_eq!(kinds(of("@b.example")), (false, true, false, false));
        assert_eq!(kinds(of("192.0.2.0/24")), (false, false, true, false));
        assert_eq!(kinds(of("@*.b.example")), (false, false, false, true));
        assert!(of("@*.example").below(1) && of("@*.a.b.c.d.e.f.g.h").below(8));
        assert_eq!(
            kinds(of("a@b.example").and(of("@*.b.example"))),
            (true, false, false, true)
        );
    }
}
