//! Who acts: a login, and the address of ours that is theirs (L-03). What a From header says does not count.

use gatepost_core::prelude::*;
use gatepost_core::{Login, LoginBy, Site};

/// To whoever may not know that there is such a mailbox: the words for a recipient that does not exist.
pub const UNKNOWN: Reply = Reply::fixed(550, Enhanced(5, 1, 1), "No such recipient here");
/// To a login that writes in the name of somebody else.
pub const NOT_YOURS: Reply = Reply::fixed(
    553,
    Enhanced(5, 7, 1),
    "Write to this mailbox from your own address here, the one that you log in with",
);
/// To a trusted network where only people count.
pub const LOG_IN: Reply = Reply::fixed(553, Enhanced(5, 7, 1), "Log in to write to this mailbox");

/// One who acts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Person {
    /// As the desk knows them.
    pub login: Login,
    /// Their address here: whose lists are meant, and where answers go.
    pub home: Address,
}

impl Person {
    /// Who acts, by login and envelope sender; else the refusal. With `trust_networks` the sender is believed to be who
    /// acts where a trusted network says so: as a person, never as an administrator.
    pub fn of(login: Option<&Login>, from: &Path, site: &Site, trust_networks: bool) -> Result<Person, Reply> {
        // The null sender is a machine's, and nobody is answered.
        let (Some(login), Some(sender)) = (login, from.mailbox()) else {
            return Err(UNKNOWN);
        };
        if !site.is_local(sender.domain()) {
            return Err(NOT_YOURS);
        }
        match login.by {
            LoginBy::Auth => Person::of_login(login, sender, site).ok_or(NOT_YOURS),
            LoginBy::Network if trust_networks => Ok(Person {
                login: Login::new(sender.key(), LoginBy::Vouched),
                home: sender.clone(),
            }),
            LoginBy::Network => Err(LOG_IN),
            _ => Err(UNKNOWN),
        }
    }

    fn of_login(login: &Login, sender: &Address, site: &Site) -> Option<Person> {
        let name = login.name.to_lowercase();
        let theirs = name == sender.key() || !name.contains('@') && name == sender.local().to_lowercase();
        let home = match theirs {
            true => Some(sender.clone()),
            // An alias of theirs, as far as we can tell: they act as who they are.
            false => Address::parse(&login.name, true)
                .ok()
                .filter(|own| site.is_local(own.domain())),
        };
        Some(Person {
            login: login.clone(),
            home: home?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_login_acts_and_only_as_who_they_are() {
        let site = Site::new("mx.d.example").with_domains(["d.example"]);
        let auth = |name: &str| Some(Login::new(name, LoginBy::Auth));
        let network = Some(Login::new("office", LoginBy::Network));
        let acts = |name: &str, home: &str| Ok((name.to_owned(), home.to_owned()));
        for (login, from, trust, want) in [
            (None, "carl@d.example", true, Err(550)),
            (auth("carl@d.example"), "", true, Err(550)),
            (network.clone(), "", true, Err(550)),
            (
                auth("Carl@d.example"),
                "carl@D.example",
                true,
                acts("Carl@d.example", "carl@D.example"),
            ),
            (auth("carl"), "Carl@d.example", true, acts("carl", "Carl@d.example")),
            (auth("carl"), "sales@d.example", true, Err(553)),
            (
                auth("carl@d.example"),
                "sales@d.example",
                true,
                acts("carl@d.example", "carl@d.example"),
            ),
            (auth("carl@d.example"), "carl@elsewhere.example", true, Err(553)),
            (auth("carl@elsewhere.example"), "carl@elsewhere.example", true, Err(553)),
            (auth("carl@elsewhere.example"), "carl@d.example", true, Err(553)),
            (
                network.clone(),
                "Carl@d.example",
                true,
                acts("carl@d.example", "Carl@d.example"),
            ),
            (network.clone(), "carl@elsewhere.example", true, Err(553)),
            (network, "carl@d.example", false, Err(553)),
            (
                Some(Login::new("x@d.example", LoginBy::Operator)),
                "x@d.example",
                true,
                Err(550),
            ),
        ] {
            let path = Path::reverse(from, true).expect(from);
            let got = Person::of(login.as_ref(), &path, &site, trust);
            let got = got.map(|person| (person.login.name.to_string(), person.home.to_string()));
            assert_eq!(got.map_err(|reply| reply.code()), want, "{login:?} {from}");
        }
    }

    #[test]
    fn a_network_vouches_for_a_person_and_for_no_more() {
        let site = Site::new("mx.d.example").with_domains(["d.example"]);
        let network = Login::new("office", LoginBy::Network);
        let path = Path::reverse("root@d.example", true).expect("a path");
        let person = Person::of(Some(&network), &path, &site, true).expect("a person");
        assert_eq!(person.login.by, LoginBy::Vouched);
    }
}
