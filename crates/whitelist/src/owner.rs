//! Whose list it is, in the form in which keys have it.
//!
//! **Invariant:** the key begins with `s`, `d` or `p`, holds no control character and has at most 401 octets.

use gatepost_core::{Path, Reach, Recipient};

use crate::entry::{BadEntry, address_key, domain_key, read_address, read_domain};

/// The one whose list it is: the site, a domain, a person.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Owner(String);

impl Owner {
    /// The site.
    pub fn site() -> Owner {
        Owner("s".into())
    }

    /// A domain, in lower case with A-labels.
    pub fn domain(key: &str) -> Owner {
        Owner(format!("d{key}"))
    }

    /// A person, by the address in lower case with A-labels.
    pub fn person(key: &str) -> Owner {
        Owner(format!("p{key}"))
    }

    /// The owner that somebody names.
    pub fn of(reach: &Reach) -> Result<Owner, BadEntry> {
        Ok(match reach {
            Reach::Site => Owner::site(),
            Reach::Domain(domain) => Owner::domain(&read_domain(domain.trim())?),
            Reach::Person(person) => Owner::person(&read_address(person)?),
        })
    }

    /// The owner whose key this is; none where it is no key.
    pub fn from_key(key: &str) -> Option<Owner> {
        let (kind, rest) = key.split_at_checked(1)?;
        let right = match kind {
            "s" => rest.is_empty(),
            "d" => read_domain(rest).is_ok_and(|domain| domain == rest),
            "p" => read_address(rest).is_ok_and(|address| address == rest),
            _ => false,
        };
        right.then(|| Owner(key.into()))
    }

    /// Everybody whose lists hold for a recipient, the widest first: the site, the domain, the person. Mail to
    /// `carl+tag@` is mail to `carl@`, too.
    pub fn all_of(recipient: &Recipient) -> Vec<Owner> {
        let mut all = vec![Owner::site()];
        let Path::Mailbox(address) = &recipient.path else {
            return all;
        };
        all.extend(domain_key(address.domain()).map(|domain| Owner::domain(&domain)));
        if let Some(person) = address_key(address) {
            let tagged = person.split_once('+').zip(person.rsplit_once('@'));
            if let Some(((local, _), (_, domain))) = tagged.filter(|((local, _), _)| !local.is_empty()) {
                all.push(Owner::person(&format!("{local}@{domain}")));
            }
            all.push(Owner::person(&person));
        }
        all
    }

    /// The key.
    pub fn key(&self) -> &str {
        &self.0
    }

    /// Whether it is a person.
    pub fn is_person(&self) -> bool {
        self.0.starts_with('p')
    }

    /// Whether it is the site.
    pub fn is_site(&self) -> bool {
        self.0.starts_with('s')
    }

    /// The same in the words of the desk.
    pub fn reach(&self) -> Reach {
        let rest = || self.0.get(1..).unwrap_or_default().to_owned();
        match self.0.as_bytes().first() {
            Some(b'd') => Reach::Domain(rest()),
            Some(b'p') => Reach::Person(rest()),
            _ => Reach::Site,
        }
    }
}

impl std::fmt::Display for Owner {
    /// As a sentence has it: `the site`, `d.example`, `carl@d.example`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.is_site() {
            true => f.write_str("the site"),
            false => f.write_str(self.0.get(1..).unwrap_or_default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::{RcptParams, RecipientId};

    use super::*;

    fn all_of(to: &str) -> Vec<String> {
        let path = Path::forward(to, true).unwrap_or_else(|bad| panic!("{to}: {bad:?}"));
        let recipient = Recipient::new(RecipientId(0), path, RcptParams::default());
        Owner::all_of(&recipient)
            .iter()
            .map(|owner| owner.key().to_owned())
            .collect()
    }

    #[test]
    fn the_lists_of_site_domain_and_person_hold_for_a_recipient() {
        assert_eq!(all_of("Carl@D.example"), ["s", "dd.example", "pcarl@d.example"]);
        assert_eq!(
            all_of("carl+shop@d.example"),
            ["s", "dd.example", "pcarl@d.example", "pcarl+shop@d.example"]
        );
        assert_eq!(all_of("+shop@d.example"), ["s", "dd.example", "p+shop@d.example"]);
        assert_eq!(all_of("postmaster"), ["s"]);
    }

    #[test]
    fn an_owner_survives_as_a_key_and_as_a_reach() {
        for reach in [
            Reach::Site,
            Reach::Domain("D.example".into()),
            Reach::Person("<Carl@D.example>".into()),
        ] {
            let owner = Owner::of(&reach).expect("an owner");
            assert_eq!(Owner::from_key(owner.key()), Some(owner.clone()));
            assert_eq!(Owner::of(&owner.reach()), Ok(owner));
        }
        for key in ["", "x", "sx", "d", "dD.example", "pcarl", "p\u{0}"] {
            assert_eq!(Owner::from_key(key), None, "{key:?}");
        }
        assert!(Owner::of(&Reach::Person("carl".into())).is_err());
    }
}
