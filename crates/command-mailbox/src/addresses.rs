//! The mailboxes by their names: both generations of them, and whatever an operator adds.
//!
//! **Invariant:** a name means one thing, in any letter case, at every local domain and at those that the operator adds; a
//! tag behind `+` does not count. **Absent on purpose:** who may write to them.

use std::collections::BTreeMap;

use gatepost_core::prelude::*;
use gatepost_core::{List, Site};

/// The most names of one mailbox.
pub const NAMES_MAX: usize = 100;

/// What a mail to one of the mailboxes asks for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Act {
    /// The mails in it are spam.
    Spam,
    /// The mails in it are wanted.
    NotSpam,
    /// Put senders onto a list, or take them off it.
    Entries(Change),
    /// Show whom the writer refuses.
    ShowPersBlack,
    /// Tell what the filters make of the mails in it.
    Analyse,
    /// Tell what was kept from the writer.
    BlockReport,
    /// Deliver a kept mail.
    Release,
    /// Tell which mailboxes there are.
    Help,
}

/// A change of a list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Change {
    /// Welcome somebody.
    White,
    /// No longer.
    NotWhite,
    /// Refuse somebody's mail to the writer.
    PersBlack,
    /// No longer.
    NotPersBlack,
    /// Refuse somebody's mail to everybody.
    Black,
    /// No longer.
    NotBlack,
    /// Learn nothing from whom the writer writes to.
    Red,
    /// Learn from it again.
    NotRed,
}

impl Change {
    /// Which list it changes, and whether it adds.
    pub fn list(self) -> (List, bool) {
        match self {
            Change::White => (List::Allow, true),
            Change::NotWhite => (List::Allow, false),
            Change::PersBlack | Change::Black => (List::Deny, true),
            Change::NotPersBlack | Change::NotBlack => (List::Deny, false),
            Change::Red => (List::Red, true),
            Change::NotRed => (List::Red, false),
        }
    }

    /// Its name in the names of phrases.
    pub fn name(self) -> &'static str {
        match self {
            Change::White => "white",
            Change::NotWhite => "notwhite",
            Change::PersBlack => "persblack",
            Change::NotPersBlack => "notpersblack",
            Change::Black => "black",
            Change::NotBlack => "notblack",
            Change::Red => "red",
            Change::NotRed => "notred",
        }
    }
}

impl Act {
    /// All of them, in the order in which a list of them is read.
    pub const ALL: [Act; 15] = [
        Act::Spam,
        Act::NotSpam,
        Act::Entries(Change::White),
        Act::Entries(Change::NotWhite),
        Act::Entries(Change::PersBlack),
        Act::Entries(Change::NotPersBlack),
        Act::ShowPersBlack,
        Act::Entries(Change::Black),
        Act::Entries(Change::NotBlack),
        Act::Entries(Change::Red),
        Act::Entries(Change::NotRed),
        Act::Analyse,
        Act::BlockReport,
        Act::Release,
        Act::Help,
    ];

    /// Its name in configuration, in the record, and in the names of phrases.
    pub fn name(self) -> &'static str {
        match self {
            Act::Spam => "spam",
            Act::NotSpam => "notspam",
            Act::Entries(change) => change.name(),
            Act::ShowPersBlack => "showpersblack",
            Act::Analyse => "analyse",
            Act::BlockReport => "blockreport",
            Act::Release => "release",
            Act::Help => "help",
        }
    }

    /// The names that it has where nobody says another: those of ASSP 2, then those of ASSP 1.
    fn usual(self) -> &'static [&'static str] {
        match self {
            Act::Spam => &["asspspam", "assp-spam"],
            Act::NotSpam => &["asspnotspam", "assp-notspam"],
            Act::Entries(Change::White) => &["asspwhite", "assp-white"],
            Act::Entries(Change::NotWhite) => &["asspnotwhite", "assp-notwhite"],
            Act::Entries(Change::PersBlack) => &["assp-persblack"],
            Act::Entries(Change::NotPersBlack) => &["assp-persnotblack", "assp-notpersblack"],
            Act::ShowPersBlack => &["reportpersblack"],
            Act::Entries(Change::Black) => &["assp-black"],
            Act::Entries(Change::NotBlack) => &["assp-notblack"],
            Act::Entries(Change::Red) => &["asspred", "assp-red"],
            Act::Entries(Change::NotRed) => &["asspnotred", "assp-notred"],
            Act::Analyse => &["asspanalyze", "assp-analyze", "assp-analyse"],
            Act::BlockReport => &["asspblock", "assp-blockreport"],
            Act::Release => &["assp-release"],
            Act::Help => &["assphelp", "assp-help"],
        }
    }

    /// The short name, where short names are wanted.
    fn short(self) -> Option<&'static str> {
        match self {
            Act::Spam => Some("spam"),
            Act::NotSpam => Some("notspam"),
            _ => None,
        }
    }
}

/// Names of the mailboxes: local parts, the first of each is the one that letters name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Addresses {
    acts: BTreeMap<Box<str>, Act>,
    first: BTreeMap<Act, Box<str>>,
    domains: Vec<Domain>,
}

fn wrong(act: &str, why: String) -> BuildError {
    BuildError::at(format!("addresses.{act}"), why)
}

impl Addresses {
    /// The usual names, and for each act that is named the operator's in their place. An empty list takes a mailbox away.
    /// `domains` are more than the local ones.
    pub fn new(
        named: &BTreeMap<String, Vec<String>>,
        short_names: bool,
        domains: &[String],
    ) -> Result<Addresses, BuildError> {
        let mut addresses = Addresses {
            acts: BTreeMap::new(),
            first: BTreeMap::new(),
            domains: Vec::new(),
        };
        if let Some(unknown) = named
            .keys()
            .find(|name| Act::ALL.iter().all(|act| act.name() != **name))
        {
            let names: Vec<&str> = Act::ALL.iter().map(|act| act.name()).collect();
            return Err(wrong(
                unknown,
                format!("no mailbox is called so; there are {}", names.join(", ")),
            ));
        }
        for act in Act::ALL {
            match named.get(act.name()) {
                Some(names) if names.len() > NAMES_MAX => {
                    return Err(wrong(act.name(), format!("expected at most {NAMES_MAX} names")));
                }
                Some(names) => names.iter().try_for_each(|name| addresses.add(act, name))?,
                None => act.usual().iter().try_for_each(|name| addresses.add(act, name))?,
            }
        }
        if short_names {
            let shorts = Act::ALL.into_iter().filter_map(|act| Some((act, act.short()?)));
            shorts
                .into_iter()
                .try_for_each(|(act, name)| addresses.add(act, name))?;
        }
        for (n, name) in domains.iter().enumerate() {
            let domain = Domain::parse(name, true)
                .ok()
                .filter(|domain| matches!(domain, Domain::Name(_)));
            addresses.domains.push(domain.ok_or_else(|| {
                BuildError::at(
                    format!("domains[{n}]"),
                    format!("expected a domain such as assp.local, found {name:?}"),
                )
            })?);
        }
        Ok(addresses)
    }

    fn add(&mut self, act: Act, name: &str) -> Result<(), BuildError> {
        let fits = |local: &str| !local.contains('+') && Address::parse(&format!("{local}@d.example"), true).is_ok();
        if name.contains('@') || !fits(name) {
            return Err(wrong(
                act.name(),
                format!("expected what stands before the @, such as assp-spam, found {name:?}"),
            ));
        }
        let key: Box<str> = name.to_lowercase().into();
        if let Some(other) = self.acts.insert(key.clone(), act).filter(|other| *other != act) {
            return Err(wrong(
                act.name(),
                format!("{name:?} is a name of `{}` already", other.name()),
            ));
        }
        self.first.entry(act).or_insert(key);
        Ok(())
    }

    /// What a mail to an address asks for; nothing where it is none of the mailboxes.
    pub fn act(&self, to: &Address, site: &Site) -> Option<Act> {
        if !site.is_local(to.domain()) && !self.domains.contains(to.domain()) {
            return None;
        }
        let local = to.local().to_lowercase();
        let bare = local.split_once('+').map_or(local.as_str(), |(bare, _)| bare);
        self.acts.get(bare).copied()
    }

    /// The name that letters give a mailbox; nothing where it was taken away.
    pub fn name(&self, act: Act) -> Option<&str> {
        self.first.get(&act).map(|name| &**name)
    }

    /// The acts that have a name, in the order in which a list of them is read.
    pub fn acts(&self) -> impl Iterator<Item = (Act, &str)> {
        Act::ALL.into_iter().filter_map(|act| Some((act, self.name(act)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usual() -> Addresses {
        Addresses::new(&BTreeMap::new(), false, &["assp.local".into()]).expect("addresses")
    }

    fn act(addresses: &Addresses, text: &str) -> Option<Act> {
        let site = Site::new("mx.d.example").with_domains(["d.example", ".e.example"]);
        addresses.act(&Address::parse(text, true).expect(text), &site)
    }

    #[test]
    fn both_generations_are_known_at_every_domain_of_ours() {
        for (names, want) in [
            ("asspspam assp-spam", Act::Spam),
            ("asspnotspam assp-notspam", Act::NotSpam),
            ("asspwhite assp-white", Act::Entries(Change::White)),
            ("asspnotwhite assp-notwhite", Act::Entries(Change::NotWhite)),
            ("asspred assp-red", Act::Entries(Change::Red)),
            ("asspnotred assp-notred", Act::Entries(Change::NotRed)),
            ("assp-persblack", Act::Entries(Change::PersBlack)),
            (
                "assp-notpersblack assp-persnotblack",
                Act::Entries(Change::NotPersBlack),
            ),
            ("reportpersblack", Act::ShowPersBlack),
            ("assp-black", Act::Entries(Change::Black)),
            ("assp-notblack", Act::Entries(Change::NotBlack)),
            ("asspanalyze assp-analyze assp-analyse", Act::Analyse),
            ("asspblock assp-blockreport", Act::BlockReport),
            ("assphelp assp-help", Act::Help),
            ("assp-release", Act::Release),
        ] {
            for name in names.split(' ') {
                for domain in ["d.example", "x.e.example", "assp.local"] {
                    let address = format!("{name}@{domain}");
                    assert_eq!(act(&usual(), &address), Some(want), "{address}");
                    assert_eq!(act(&usual(), &address.to_uppercase()), Some(want), "{address}");
                }
                assert_eq!(act(&usual(), &format!("{name}@elsewhere.example")), None, "{name}");
            }
        }
        assert_eq!(act(&usual(), "asspspam+x@d.example"), Some(Act::Spam));
        for other in [
            "spam@d.example",
            "assp@d.example",
            "xasspspam@d.example",
            "asspspam@e.example",
        ] {
            assert_eq!(act(&usual(), other), None, "{other}");
        }
    }

    #[test]
    fn an_operator_names_them_and_takes_them_away() {
        let named = BTreeMap::from([("spam".to_owned(), vec!["Junk".to_owned()]), ("red".to_owned(), vec![])]);
        let addresses = Addresses::new(&named, true, &[]).expect("addresses");
        assert_eq!(act(&addresses, "junk@d.example"), Some(Act::Spam));
        assert_eq!(act(&addresses, "spam@d.example"), Some(Act::Spam));
        assert_eq!(act(&addresses, "notspam@d.example"), Some(Act::NotSpam));
        for gone in ["asspspam@d.example", "asspred@d.example", "asspnotspam@assp.local"] {
            assert_eq!(act(&addresses, gone), None, "{gone}");
        }
        assert_eq!(addresses.name(Act::Spam), Some("junk"));
        assert_eq!(addresses.name(Act::Entries(Change::Red)), None);
        assert!(addresses.acts().all(|(act, _)| act != Act::Entries(Change::Red)));
    }

    #[test]
    fn mistakes_are_named_by_their_key() {
        for (act, name, key) in [
            ("spma", "x", "addresses.spma"),
            ("spam", "x@d.example", "addresses.spam"),
            ("spam", "", "addresses.spam"),
            ("spam", "a+b", "addresses.spam"),
            ("spam", "assphelp", "addresses.help"),
        ] {
            let named = BTreeMap::from([(act.to_owned(), vec![name.to_owned()])]);
            let mistake = Addresses::new(&named, false, &[]).expect_err(name);
            assert_eq!(mistake.key, key, "{mistake}");
        }
        let mistake = Addresses::new(&BTreeMap::new(), false, &["[192.0.2.1]".into()]).expect_err("a literal");
        assert_eq!(mistake.key, "domains[0]");
    }
}
