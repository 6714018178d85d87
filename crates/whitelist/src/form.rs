//! How entries stand in the store: octets and nothing else.
//!
//! ```text
//! entry   1 list source since(8) until(8, 0: never) edition(4) locked(8, 0: not) by
//! row     1 class until(8, 0: never)
//! lock    0 until(8)
//! ```
//!
//! **Invariant:** any octets decode or are told to be none of ours; what was encoded decodes as itself. A form that
//! changes gets another number in front, and the old one stays readable.

use std::time::Duration;

use gatepost_core::{List, Source, Time};
use ipnet::IpNet;

/// The version that is written.
const VERSION: u8 = 1;
/// The version octet of a lock where there is no entry.
const LOCK: u8 = 0;
/// How long a lock holds where the one who set it was killed.
pub const LOCKED: Duration = Duration::from_secs(10);
/// The most octets that are kept of who put an entry there.
pub const BY_MAX: usize = 200;

/// Which lists share a slot: nobody is on `Allow` and `Deny` of the same reach at once.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Shelf {
    /// Senders: allow and deny.
    Senders,
    /// Our own people: red.
    Own,
}

impl Shelf {
    /// The shelf of a list; none for a list that is newer than this filter.
    pub fn of(list: List) -> Option<Shelf> {
        match list {
            List::Allow | List::Deny => Some(Shelf::Senders),
            List::Red => Some(Shelf::Own),
            _ => None,
        }
    }

    /// Its octet in keys.
    pub fn octet(self) -> u8 {
        match self {
            Shelf::Senders => b'e',
            Shelf::Own => b'r',
        }
    }
}

/// A list's octet in keys and entries.
pub fn letter(list: List) -> u8 {
    match list {
        List::Allow => b'a',
        List::Deny => b'd',
        _ => b'r',
    }
}

fn list_of(letter: u8) -> Option<List> {
    match letter {
        b'a' => Some(List::Allow),
        b'd' => Some(List::Deny),
        b'r' => Some(List::Red),
        _ => None,
    }
}

fn millis(octets: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(octets.try_into().ok()?))
}

fn until_of(octets: &[u8]) -> Option<Option<Time>> {
    Some(match millis(octets)? {
        0 => None,
        until => Some(Time::from_millis(until)),
    })
}

/// Zero stands for never; an entry that went at the epoch is as good as gone a millisecond later.
fn until_octets(until: Option<Time>) -> [u8; 8] {
    until.map_or(0, |until| until.millis().max(1)).to_be_bytes()
}

/// What stands behind an address, domain or network.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slot {
    /// On which list it is.
    pub list: List,
    /// How it came there.
    pub source: Source,
    /// Since when.
    pub since: Time,
    /// When it goes.
    pub until: Option<Time>,
    /// Who put it there.
    pub by: String,
}

/// What a key of an entry holds.
///
/// Rows that lead to an entry are taken away only under a lock, and every change counts the edition up: so whoever wrote
/// a row and then finds the key as it was knows that the row is still there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The entry, in force whether locked or not.
    pub slot: Option<Slot>,
    /// How often it was changed; it turns over.
    pub edition: u32,
    /// Until then nobody but the one who locked it changes it.
    pub locked: Option<Time>,
}

impl Slot {
    /// Whether it is in force: no mark.
    pub fn holds(&self) -> bool {
        self.source != Source::Removed
    }
}

impl Kept {
    /// Nothing, locked.
    pub fn lock(until: Time) -> Kept {
        Kept {
            slot: None,
            edition: 0,
            locked: Some(until),
        }
    }

    /// Whether it may be changed. A lock from a time that has not come was set by a clock that went back since.
    pub fn is_free(&self, now: Time) -> bool {
        self.locked.is_none_or(|until| until <= now || until > now + LOCKED)
    }

    /// Its octets.
    pub fn encode(&self) -> Vec<u8> {
        let Some(slot) = &self.slot else {
            return [&[LOCK][..], &until_octets(self.locked)].concat();
        };
        let source = match slot.source {
            Source::Learned => b'l',
            Source::Removed => b'x',
            _ => b'a',
        };
        let mut out = vec![VERSION, letter(slot.list), source];
        out.extend(slot.since.millis().to_be_bytes());
        out.extend(until_octets(slot.until));
        out.extend(self.edition.to_be_bytes());
        out.extend(until_octets(self.locked));
        out.extend(cut(&slot.by, BY_MAX).as_bytes());
        out
    }

    /// Reads octets; none where they are nothing of ours.
    pub fn decode(octets: &[u8]) -> Option<Kept> {
        let (version, rest) = octets.split_first()?;
        match *version {
            LOCK => Some(Kept::lock(until_of(rest)??)),
            VERSION => {
                let (head, by) = rest.split_at_checked(30)?;
                let source = match head.get(1)? {
                    b'a' => Source::Added,
                    b'l' => Source::Learned,
                    b'x' => Source::Removed,
                    _ => return None,
                };
                let slot = Slot {
                    list: list_of(*head.first()?)?,
                    source,
                    since: Time::from_millis(millis(head.get(2..10)?)?),
                    until: until_of(head.get(10..18)?)?,
                    by: String::from_utf8(by.to_vec()).ok()?,
                };
                Some(Kept {
                    slot: Some(slot),
                    edition: u32::from_be_bytes(head.get(18..22)?.try_into().ok()?),
                    locked: until_of(head.get(22..30)?)?,
                })
            }
            _ => None,
        }
    }
}

/// What an entry counts as: what mail teaches has a bound of its own, so that it never keeps people from adding.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// What people did.
    Set,
    /// What mail taught.
    Learned,
}

impl Class {
    /// The class of an entry.
    pub fn of(source: Source) -> Class {
        match source {
            Source::Learned => Class::Learned,
            _ => Class::Set,
        }
    }

    /// Its octet in keys and rows.
    pub fn octet(self) -> u8 {
        match self {
            Class::Set => b'a',
            Class::Learned => b'l',
        }
    }
}

/// What stands in the index of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Row {
    /// As what it was counted.
    pub class: Class,
    /// When the entry goes.
    pub until: Option<Time>,
}

impl Row {
    /// Its octets.
    pub fn encode(self) -> Vec<u8> {
        let mut out = vec![VERSION, self.class.octet()];
        out.extend(until_octets(self.until));
        out
    }

    /// Reads octets; none where they are nothing of ours.
    pub fn decode(octets: &[u8]) -> Option<Row> {
        let (head, until) = octets.split_at_checked(2)?;
        let class = match *head {
            [VERSION, b'a'] => Class::Set,
            [VERSION, b'l'] => Class::Learned,
            _ => return None,
        };
        Some(Row {
            class,
            until: until_of(until)?,
        })
    }
}

/// A network's place in the order by which it is found: family, address, prefix length.
pub fn network_order(network: IpNet) -> Vec<u8> {
    let mut order = match network {
        IpNet::V4(v4) => [&[4][..], &v4.addr().octets()].concat(),
        IpNet::V6(v6) => [&[6][..], &v6.addr().octets()].concat(),
    };
    order.push(network.prefix_len());
    order
}

/// The network at a place; none where it is none.
pub fn network_at(order: &[u8]) -> Option<IpNet> {
    let (prefix, rest) = order.split_last()?;
    let (family, address) = rest.split_first()?;
    let address: std::net::IpAddr = match family {
        4 => <[u8; 4]>::try_from(address).ok()?.into(),
        6 => <[u8; 16]>::try_from(address).ok()?.into(),
        _ => return None,
    };
    IpNet::new(address, *prefix).ok()
}

/// A text cut at so many octets, between characters.
pub fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_version_1_wrote_stays_readable() {
        let golden = b"\x01al\0\0\x01\x9b\x76\xda\x80\0\0\0\x01\xa2\x2b\xb2\x38\0\0\0\0\x07\0\0\0\0\0\0\0\0tr-17";
        let kept = Kept {
            slot: Some(Slot {
                list: List::Allow,
                source: Source::Learned,
                since: Time::from_millis(0x0000_019b_76da_8000),
                until: Some(Time::from_millis(0x0000_01a2_2bb2_3800)),
                by: "tr-17".into(),
            }),
            edition: 7,
            locked: None,
        };
        assert_eq!(Kept::decode(golden), Some(kept.clone()));
        assert_eq!(kept.encode(), golden);
        let never = b"\x01rx\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x09";
        let read = Kept::decode(never).expect("an entry");
        assert_eq!(read.locked, Some(Time::from_millis(9)));
        let slot = read.slot.expect("an entry");
        assert_eq!((slot.list, slot.source, slot.until), (List::Red, Source::Removed, None));
        let lock = Kept::decode(b"\0\0\0\0\0\0\0\0\x09").expect("a lock");
        assert_eq!((lock.slot.clone(), lock.locked), (None, Some(Time::from_millis(9))));
        assert_eq!(lock.encode(), b"\0\0\0\0\0\0\0\0\x09");
        assert_eq!(
            Row::decode(b"\x01l\0\0\0\0\0\0\0\x07"),
            Some(Row {
                class: Class::Learned,
                until: Some(Time::from_millis(7)),
            })
        );
    }

    #[test]
    fn what_a_newer_version_wrote_is_not_guessed_at() {
        for octets in [
            &b""[..],
            b"\x02al",
            b"\x01a",
            b"\x00x",
            b"\xff\0nonsense",
            b"\x01qa0123456789abcdef",
        ] {
            assert_eq!(Kept::decode(octets), None, "{octets:?}");
            assert_eq!(Row::decode(octets), None, "{octets:?}");
        }
    }

    #[test]
    fn networks_lie_in_the_order_of_their_addresses_and_the_narrower_behind_the_wider() {
        let order = |text: &str| network_order(text.parse().expect("a network"));
        let all = [
            "10.0.0.0/8",
            "10.0.0.0/24",
            "10.1.0.0/16",
            "2001:db8::/32",
            "2001:db8::/48",
        ]
        .map(order);
        assert!(all.is_sorted());
        assert!(
            all.iter()
                .all(|order| network_at(order).is_some_and(|n| network_order(n) == *order))
        );
        for order in [&b""[..], b"\x04", b"\x05abcd\x08", b"\x04abcd\x21", b"\x06abcd\x08"] {
            assert_eq!(network_at(order), None);
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_a_panic_and_read_as_they_were_written(octets in prop::collection::vec(any::<u8>(), 0..60)) {
            let framed = [&[1, b'd', b'a'][..], &octets].concat();
            for octets in [&octets, &framed] {
                if let Some(kept) = Kept::decode(octets) {
                    prop_assert_eq!(&kept.encode(), octets);
                }
                let _ = (Row::decode(octets), network_at(octets));
            }
        }
    }
}
