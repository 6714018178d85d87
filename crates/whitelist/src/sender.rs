//! Who a sender is behind the tags that mail systems put on it, and the names by which lists may know them.
//!
//! BATV (`prvs=tag=ann@`), Momentum's and Barracuda's kind of it, and SRS (`SRS0=..`, `SRS1=..`) are taken off: they stand
//! for the very same mailbox. VERP (`list-bounce+carl=d.example@`, `bounce-17-4711@`) is made anew for each mail; such a
//! sender is known by its stem, too (`list-bounce@`, `bounce@`). `+tag` stays: whether it is the same mailbox only the
//! sender's own mail server knows.
//!
//! **Invariant:** pure, total, and an address comes out of an address. **Absent on purpose:** proof. Anybody can write
//! `SRS0=x=y=b.example=ann@elsewhere.example`; SPF then speaks of `elsewhere.example`, so who relies on a name that was
//! taken out of a tag knows no more than that somebody claims it. So a claim is asked about for denial only ([`Who`]).

use gatepost_core::Address;
use gatepost_core::tagged::{self, original};

use crate::entry::{address_key, domain_key};

/// The most labels of a domain whose parents are asked for, from the top.
const PARENTS_MAX: usize = crate::entry::LABELS_MAX;

/// A sender, by all names under which lists may know them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name {
    /// The address and, where VERP made it, its stem; in lower case with A-labels.
    pub addresses: Vec<String>,
    /// The domain.
    pub domain: String,
}

impl Name {
    /// The names of an address; none where its domain has no form that a list could hold.
    pub fn of(address: &Address) -> Option<Name> {
        Name::plain(original(address))
    }

    fn plain(address: Address) -> Option<Name> {
        let mut addresses = vec![address_key(&address)?];
        addresses.extend(stem(&address));
        Some(Name {
            addresses,
            domain: domain_key(address.domain())?,
        })
    }

    /// The domains above this one's, the nearest first, each with how many labels it has; at most eight of them.
    pub fn parents(&self) -> impl Iterator<Item = (usize, &str)> {
        let labels = match self.domain.starts_with('[') {
            true => 0,
            false => self.domain.split('.').count(),
        };
        let all = self.domain.match_indices('.').map(|(dot, _)| dot + 1).enumerate();
        all.filter_map(move |(n, at)| Some((labels.checked_sub(n + 1)?, self.domain.get(at..)?)))
            .filter(|(labels, _)| *labels <= PARENTS_MAX)
    }
}

/// Who an address says it is. A tag of SRS puts another domain into its mouth, and anybody can write one: what stands in
/// it counts against a sender and never for one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Who {
    /// Who it is, as far as its own domain can vouch for it.
    pub name: Name,
    /// Who it claims to be behind the tag of another domain.
    pub claimed: Option<Name>,
}

impl Who {
    /// Of an address.
    pub fn of(address: &Address) -> Option<Who> {
        let behind = original(address);
        if behind.domain().key() == address.domain().key() {
            return Some(Who {
                name: Name::plain(behind)?,
                claimed: None,
            });
        }
        Some(Who {
            name: Name::plain(address.clone())?,
            claimed: Name::plain(behind),
        })
    }
}

/// The stem of an address that VERP made ([`tagged::stem`]), as lists know it.
pub fn stem(address: &Address) -> Option<String> {
    address_key(&tagged::stem(address)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        let address = Address::parse(text, true).unwrap_or_else(|bad| panic!("{text}: {bad:?}"));
        Name::of(&address).unwrap_or_else(|| panic!("{text}: a name"))
    }

    #[test]
    fn the_tags_of_batv_and_srs_are_taken_off() {
        for (tagged, plain) in [
            ("prvs=1234abcdef=ann@b.example", "ann@b.example"),
            ("PRVS=0123456789=Ann@b.example", "ann@b.example"),
            ("prvs=ann=1234abcdef@b.example", "ann@b.example"),
            ("msprvs1=17000xyz=ann@b.example", "ann@b.example"),
            ("btv1==0123456789a==ann@b.example", "ann@b.example"),
            ("SRS0=hash=tt=b.example=ann@fwd.example", "ann@b.example"),
            ("srs0+hash=tt=b.example=ann@fwd.example", "ann@b.example"),
            (
                "SRS1=hash=first.example==h=tt=b.example=ann@fwd.example",
                "ann@b.example",
            ),
            ("SRS0=h=tt=b.example=prvs=1234abcdef=ann@fwd.example", "ann@b.example"),
            // No tag: nothing is taken off.
            ("prvs=nonsense=ann@b.example", "prvs=nonsense=ann@b.example"),
            ("prvs=@b.example", "prvs=@b.example"),
            ("srs0@b.example", "srs0@b.example"),
            (
                "SRS0=hash=tt=-b.example=ann@fwd.example",
                "srs0=hash=tt=-b.example=ann@fwd.example",
            ),
            ("ann+tag@b.example", "ann+tag@b.example"),
        ] {
            assert_eq!(
                name(tagged).addresses.first().map(String::as_str),
                Some(plain),
                "{tagged}"
            );
        }
    }

    #[test]
    fn what_verp_made_has_a_stem_and_people_have_none() {
        for (verp, stem) in [
            ("list-bounce+carl=d.example@b.example", "list-bounce@b.example"),
            ("list-bounces-carl=d.example@b.example", "list-bounces@b.example"),
            ("bounces+123-ab12-carl=d.example@b.example", "bounces@b.example"),
            ("bounce-17-4711@b.example", "bounce@b.example"),
            ("news-bounce-17@b.example", "news-bounce@b.example"),
        ] {
            assert_eq!(name(verp).addresses.get(1).map(String::as_str), Some(stem), "{verp}");
        }
        for person in [
            "john-1985@b.example",
            "ann+news@b.example",
            "bounce@b.example",
            "list-bounces@b.example",
            "a=b@c.example",
            "=d.example@b.example",
            "-x=d.example@b.example",
        ] {
            assert_eq!(name(person).addresses.len(), 1, "{person}");
        }
    }

    #[test]
    fn the_domains_above_are_named_nearest_first_and_are_few() {
        let parents = |text: &str| name(text).parents().map(|(n, p)| (n, p.to_owned())).collect::<Vec<_>>();
        assert_eq!(
            parents("a@x.b.example"),
            [(2, "b.example".into()), (1, "example".into())]
        );
        assert_eq!(parents("a@localhost"), []);
        assert_eq!(parents("a@[192.0.2.1]"), []);
        let deep = format!("a@{}example", "x.".repeat(100));
        assert_eq!(parents(&deep).len(), 8);
    }

    proptest! {
        #[test]
        fn any_sender_has_a_name_that_is_short_enough_for_a_key(
            local in "(prvs=|srs0=|SRS1-|btv1==|bounce-)?[a-z0-9=+._-]{1,40}", domain in "[a-z]{1,10}(\\.[a-z]{1,10}){0,5}"
        ) {
            if let Ok(address) = Address::parse(&format!("{local}@{domain}"), true)
                && let Some(name) = Name::of(&address)
            {
                prop_assert!(name.addresses.iter().all(|address| address.len() <= 400));
                prop_assert_eq!(&Name::of(&original(&address)), &Some(name));
            }
        }
    }
}
