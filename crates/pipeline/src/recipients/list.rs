//! The operator's lists of mailboxes, one for each domain that has one.
//!
//! **Invariants:** a domain without a list is not decided here; what is on a list is found in whatever letter case it is
//! written, quoted or not. **Matching:** the local part as it stands; then without what follows its first `+`; each of
//! these also out of the envelope of BATV (`prvs=tag=local`), in which bounces come back. Bounces to an SRS address
//! (`SRS0=..`, `SRS1=..`), which only the mail server can take apart, are not decided here either. **Absent on purpose:**
//! patterns and catch-alls (leave the list out), Unicode normalisation (as everywhere, an address is compared as written).

use std::collections::BTreeMap;
use std::fmt;

use gatepost_core::{Address, Domain};

use super::Known;
use crate::routes::is_role_name;

/// Why a text is no entry of a domain's list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadEntry {
    /// It stands for more than one mailbox.
    Wide,
    /// It is an address of this other domain.
    OtherDomain(Box<str>),
    /// It is neither a local part nor an address.
    NoAddress,
}

impl fmt::Display for BadEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadEntry::Wide => f.write_str(
                "a list names mailboxes one by one; leave the list out, and the mail server is asked about each recipient",
            ),
            BadEntry::OtherDomain(domain) => {
                write!(f, "an address of another domain: it belongs to the list of `{domain}`")
            }
            BadEntry::NoAddress => {
                f.write_str("expected a local part or an address (RFC 5321 section 4.1.2), such as ann or ann@example.org")
            }
        }
    }
}

/// The mailboxes of one domain: local parts in lower case.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct List(Box<[Box<str>]>);

impl List {
    /// The most entries of a list.
    pub const MAX: usize = 1_000_000;

    /// One entry for the list of `domain`, from a local part or a whole address: what [`List::new`] takes.
    pub fn entry(domain: &str, text: &str) -> Result<Box<str>, BadEntry> {
        if text == "*" || text.starts_with('@') || text.starts_with("*@") {
            return Err(BadEntry::Wide);
        }
        let local = |address: &Address| address.local().to_lowercase().into_boxed_str();
        match Address::parse(text, true) {
            Ok(address) => match address.domain() {
                Domain::Name(name) if name.eq_ignore_ascii_case(domain) => Ok(local(&address)),
                other => Err(BadEntry::OtherDomain(other.to_string().into())),
            },
            Err(_) => Address::parse(&format!("{text}@{domain}"), true)
                .map(|address| local(&address))
                .map_err(|_| BadEntry::NoAddress),
        }
    }

    /// A list of entries; one that is there twice counts once.
    pub fn new(mut entries: Vec<Box<str>>) -> List {
        entries.sort_unstable();
        entries.dedup();
        List(entries.into())
    }

    /// How many mailboxes are on it.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nobody is on it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether mail for a local part has a mailbox, postmaster and abuse always; `None` where only the mail server knows.
    fn has(&self, local: &str) -> Option<bool> {
        let local = local.to_lowercase();
        let is_here = |name: &str| is_role_name(name) || self.0.binary_search_by(|entry| (**entry).cmp(name)).is_ok();
        match () {
            () if names(&local).any(is_here) => Some(true),
            () if is_srs(&local) => None,
            () => Some(false),
        }
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "List({})", self.0.len())
    }
}

/// The names by which a mailbox is looked for, given a local part in lower case: as it stands, and then without what
/// follows its first `+`; and both once more out of the envelope of BATV.
pub fn names(local: &str) -> impl Iterator<Item = &str> {
    let plain = [Some(local), before_tag(local)];
    let inner = in_batv(local);
    plain.into_iter().chain([inner, inner.and_then(before_tag)]).flatten()
}

/// What stands before the first `+`, if anything does.
fn before_tag(local: &str) -> Option<&str> {
    local
        .split_once('+')
        .map(|(name, _)| name)
        .filter(|name| !name.is_empty())
}

/// The local part in an envelope of BATV, `prvs=0123456789=ann` (draft-levine-smtp-batv).
fn in_batv(local: &str) -> Option<&str> {
    let (tag, name) = local.strip_prefix("prvs=")?.split_once('=')?;
    let is_tag = (1..=20).contains(&tag.len()) && tag.bytes().all(|b| b.is_ascii_alphanumeric());
    Some(name).filter(|name| is_tag && !name.is_empty())
}

/// Whether a server wrote it to forward mail under SPF.
fn is_srs(local: &str) -> bool {
    let rest = local.strip_prefix("srs0").or_else(|| local.strip_prefix("srs1"));
    rest.is_some_and(|rest| rest.len() > 1 && rest.starts_with(['=', '+', '-']))
}

/// The lists of all domains that have one, by the domain's name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lists(BTreeMap<Box<str>, List>);

impl Lists {
    /// Gives a domain its list.
    pub fn insert(&mut self, domain: &str, list: List) {
        self.0.insert(domain.to_ascii_lowercase().into(), list);
    }

    /// The list of a domain.
    pub fn of(&self, domain: &str) -> Option<&List> {
        self.0.get(&*domain.to_ascii_lowercase())
    }

    /// Whether a mailbox exists; `None` where its domain has no list, or where only the mail server knows.
    pub fn known(&self, to: &Address) -> Option<Known> {
        let Domain::Name(domain) = to.domain() else {
            return None;
        };
        Some(match self.of(domain)?.has(to.local())? {
            true => Known::Yes,
            false => Known::No,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOMAIN: &str = "example.org";

    fn lists(entries: &[&str]) -> Lists {
        let entries = entries
            .iter()
            .map(|text| List::entry(DOMAIN, text).unwrap_or_else(|bad| panic!("{text}: {bad}")));
        let mut lists = Lists::default();
        lists.insert("Example.ORG", List::new(entries.collect()));
        lists
    }

    fn known(lists: &Lists, to: &str) -> Option<Known> {
        lists.known(&Address::parse(to, true).unwrap_or_else(|bad| panic!("{to}: {bad:?}")))
    }

    #[test]
    fn a_list_finds_its_mailboxes_in_any_case_quoted_or_not_and_with_a_tag() {
        let lists = lists(&["Ann", "bob@Example.org", "\"odd one\"", "d+e", "m\u{fc}ller", "\"a@b\""]);
        for here in [
            "ann@example.org",
            "ANN@EXAMPLE.ORG",
            "\"ann\"@example.org",
            "\"A\\nn\"@example.org",
            "ann+news@example.org",
            "ann+a+b@example.org",
            "ann+@example.org",
            "Bob@example.org",
            "\"Odd One\"@example.org",
            "d+e@example.org",
            "M\u{dc}LLER@example.org",
            "\"A@B\"@example.org",
            "prvs=0123456789=ann@example.org",
            "PRVS=12ab=Ann+news@example.org",
            "postmaster@example.org",
            "Abuse+case17@example.org",
        ] {
            assert_eq!(known(&lists, here), Some(Known::Yes), "{here}");
        }
        for nobody in [
            "anna@example.org",
            "an@example.org",
            "ann-news@example.org",
            "+ann@example.org",
            "d@example.org",
            "d+f@example.org",
            "\" ann\"@example.org",
            "\"\"@example.org",
            "mu\u{308}ller@example.org",
            "prvs=0123456789=eve@example.org",
            "prvs==ann@example.org",
            "prvs=ann@example.org",
            "prvs=0123456789=@example.org",
            "postmasters@example.org",
            "srs0@example.org",
        ] {
            assert_eq!(known(&lists, nobody), Some(Known::No), "{nobody}");
        }
    }

    #[test]
    fn what_only_the_mail_server_can_know_is_not_decided() {
        let lists = lists(&["ann"]);
        for to in [
            "SRS0=ab=cd=there.example=user@example.org",
            "srs1+x@example.org",
            "ann@other.example",
            "ann@sub.example.org",
            "ann@[192.0.2.1]",
        ] {
            assert_eq!(known(&lists, to), None, "{to}");
        }
        let mut nobody = Lists::default();
        nobody.insert(DOMAIN, List::default());
        assert_eq!(known(&nobody, "ann@example.org"), Some(Known::No));
        assert_eq!(known(&nobody, "postmaster@example.org"), Some(Known::Yes));
    }

    #[test]
    fn what_is_no_mailbox_of_the_domain_is_no_entry() {
        let entry = |text: &str| List::entry(DOMAIN, text).expect_err(text);
        for wide in ["*", "@example.org", "*@example.org", "@"] {
            assert_eq!(entry(wide), BadEntry::Wide, "{wide}");
        }
        for other in ["ann@other.example", "ann@sub.example.org", "ann@[192.0.2.1]"] {
            assert!(matches!(entry(other), BadEntry::OtherDomain(_)), "{other}");
        }
        for bad in [
            "",
            " ",
            "ann smith",
            "Ann <ann@example.org>",
            "ann@",
            "ann@example.org,bob@example.org",
            ".ann",
            "ann..b",
            "\"ann",
            "ann\u{0}",
            "a\u{2028}b",
            &"x".repeat(65),
        ] {
            assert_eq!(entry(bad), BadEntry::NoAddress, "{bad:?}");
        }
    }

    #[test]
    fn an_entry_twice_is_one_mailbox() {
        assert_eq!(
            lists(&["ann", "ANN", "ann@example.org"]).of(DOMAIN).map(List::len),
            Some(1)
        );
    }

    proptest! {
        #[test]
        fn every_entry_is_found_and_nothing_else(entries in prop::collection::btree_set("[a-z]{1,3}", 0..20), other in "[a-z]{1,3}") {
            let all: Vec<&str> = entries.iter().map(String::as_str).collect();
            let lists = lists(&all);
            for entry in &entries {
                prop_assert_eq!(known(&lists, &format!("{}@example.org", entry.to_uppercase())), Some(Known::Yes));
                prop_assert_eq!(known(&lists, &format!("{entry}+{other}@example.org")), Some(Known::Yes));
            }
            let is = if entries.contains(&other) { Known::Yes } else { Known::No };
            prop_assert_eq!(known(&lists, &format!("{other}@example.org")), Some(is));
        }

        #[test]
        fn whatever_is_an_entry_is_found_as_the_address_it_means(text in "\\PC{0,40}") {
            if let Ok(entry) = List::entry(DOMAIN, &text) {
                let mut lists = Lists::default();
                lists.insert(DOMAIN, List::new(vec![entry]));
                let to = Address::parse(&text, true).or_else(|_| Address::parse(&format!("{text}@{DOMAIN}"), true));
                prop_assert_eq!(lists.known(&to.expect("an entry is an address")), Some(Known::Yes));
            }
        }
    }
}
