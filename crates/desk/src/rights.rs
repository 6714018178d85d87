//! Who may do what: pure functions of the login and what the operator wrote. How much of it they see is in `views`.
//!
//! **Invariant:** the same words answer a mail that is not there and one that is somebody else's.

use std::collections::{BTreeMap, BTreeSet};

use gatepost_core::{Address, Came, Domain, DomainAct, List, Login, LoginBy, Mail, Reach, Request, Waiting};
use gatepost_pipeline::Routes;

use crate::users::Users;

mod views;

/// What is said of a mail that is not there, or not theirs.
pub const NO_SUCH_MAIL: &str = "there is no such mail, or it is not yours";

/// Whom the operator trusts with what, and which domains are ours.
#[derive(Clone, Debug)]
pub struct Staff {
    /// Logins that may do everything except what touches the store as a whole, in lower case.
    admins: BTreeSet<String>,
    /// By domain, in lower case: logins that may do everything within it.
    domain_admins: BTreeMap<String, BTreeSet<String>>,
    /// Ours.
    local: Routes,
    /// What every user may do.
    users: Users,
}

impl Staff {
    /// The staff of a site whose domains `local` knows.
    pub fn new<'a>(
        admins: impl IntoIterator<Item = &'a str>,
        domain_admins: impl IntoIterator<Item = (&'a str, Vec<&'a str>)>,
        local: Routes,
    ) -> Staff {
        let names = |names: Vec<&str>| names.into_iter().map(str::to_lowercase).collect();
        Staff {
            admins: names(admins.into_iter().collect()),
            domain_admins: domain_admins
                .into_iter()
                .map(|(domain, admins)| (domain.to_lowercase(), names(admins)))
                .collect(),
            local,
            users: Users::default(),
        }
    }

    /// The same where users may do more.
    #[must_use]
    pub fn with_users(self, users: Users) -> Staff {
        Staff { users, ..self }
    }

    /// What this login is here.
    pub fn who<'a>(&'a self, login: &'a Login) -> Who<'a> {
        let name = login.name.to_lowercase();
        let person = matches!(login.by, LoginBy::Auth | LoginBy::Vouched);
        // A network may say any name: nobody becomes an administrator by that.
        let proven = login.by == LoginBy::Auth;
        Who {
            operator: login.by == LoginBy::Operator,
            ourselves: login.by == LoginBy::Ourselves,
            admin: proven && self.admins.contains(&name),
            domains: self
                .domain_admins
                .iter()
                .filter(|(_, admins)| proven && admins.contains(&name))
                .map(|(domain, _)| domain.as_str())
                .collect(),
            name: person.then_some(name),
            staff: self,
        }
    }
}

/// One who asks, with what they are.
#[derive(Clone, Debug)]
pub struct Who<'a> {
    operator: bool,
    /// Gatepost itself, in a filter's name.
    ourselves: bool,
    admin: bool,
    domains: BTreeSet<&'a str>,
    /// The user name, in lower case; a trusted network has none, for it is no person.
    name: Option<String>,
    staff: &'a Staff,
}

/// Reads an address as people and records write it.
pub fn address(text: &str) -> Option<Address> {
    let text = text.trim();
    let bare = text.strip_prefix('<').and_then(|text| text.strip_suffix('>'));
    Address::parse(bare.unwrap_or(text), true).ok()
}

pub(crate) fn domain_of(text: &str) -> Option<String> {
    Domain::parse(text.trim(), true).ok().map(|domain| domain.key())
}

type Refusal = Result<(), &'static str>;

const NOT_YOURS: &str = "you may do that for your own address only";
const ADMINS: &str = "only administrators may do that";
const OPERATOR: &str = "only the operator may do that, at the machine itself";
const NAME_A_DOMAIN: &str = "name a recipient or a domain of yours";

impl Who<'_> {
    /// Whether nothing is counted and nothing hidden: the operator at the machine.
    pub fn is_operator(&self) -> bool {
        self.operator
    }

    /// Whether they may do everything, here or at the machine.
    pub(crate) fn is_admin(&self) -> bool {
        self.operator || self.admin
    }

    /// Their address: the login, or, where that has no domain, the login at our domain, if we have but one.
    pub fn address(&self) -> Option<Address> {
        let name = self.name.as_deref()?;
        match (name.contains('@'), self.staff.local.only()) {
            (true, _) => address(name),
            (false, Some(domain)) => address(&format!("{name}@{domain}")),
            (false, None) => None,
        }
    }

    /// Whether an address is in a domain of ours.
    pub fn is_ours(&self, address: &Address) -> bool {
        self.staff.local.is_local(address.domain())
    }

    /// Whether an address is theirs: the login itself, or, where that has no domain, the login at a domain of ours.
    pub fn is(&self, address: &Address) -> bool {
        self.name.as_ref().is_some_and(|name| {
            *name == address.key()
                || (!name.contains('@')
                    && *name == address.local().to_lowercase()
                    && self.staff.local.is_local(address.domain()))
        })
    }

    /// Whether they look after a domain.
    pub(crate) fn runs(&self, domain: &str) -> bool {
        let is_below = |own: &&str| own.starts_with('.') && domain.len() > own.len() && domain.ends_with(*own);
        self.is_admin() || self.domains.contains(domain) || self.domains.iter().any(is_below)
    }

    /// The domains that they look after, where those are not all: `.example.org` is all below it.
    pub(crate) fn only_these(&self) -> Option<Vec<String>> {
        (!self.is_admin()).then(|| self.domains.iter().map(ToString::to_string).collect())
    }

    /// Whether mail to this address is their business.
    pub fn sees(&self, recipient: &str) -> bool {
        self.is_admin()
            || address(recipient).is_some_and(|address| self.is(&address) || self.runs(&address.domain().key()))
    }

    fn reaches(&self, reach: &Reach) -> Refusal {
        match reach {
            _ if self.is_admin() => Ok(()),
            Reach::Site => Err(ADMINS),
            Reach::Domain(domain) => match domain_of(domain) {
                Some(domain) if self.runs(&domain) => Ok(()),
                _ => Err(ADMINS),
            },
            Reach::Person(person) if self.sees(person) => Ok(()),
            Reach::Person(_) => Err(NOT_YOURS),
        }
    }

    /// Whether the operator lets every user say who is welcome so far.
    fn welcomes(&self, reach: &Reach) -> bool {
        let staff = self.staff;
        let name = self.name.as_deref();
        name.is_some_and(|name| staff.users.may_welcome(name, &staff.local, reach))
    }

    /// Whether they may ask about a mail that they send along. Whoever may ask about mail of their own making finds out how
    /// to write what passes: of users it is only what they learned together.
    pub(crate) fn may_explain(&self, domain: Option<&str>, came: Option<&Came>) -> bool {
        let plain = domain.is_none() && came.is_none();
        self.is_admin() || (plain && self.staff.users.explain && self.name.is_some())
    }

    /// Whether they may submit this at all. What concerns a kept mail is decided again with [`Who::view`].
    pub fn may(&self, request: &Request) -> Refusal {
        let when = |may: bool, why| if may { Ok(()) } else { Err(why) };
        match request {
            // What nobody asked for at a login is as little as can be: somebody is made welcome to one person.
            Request::Add {
                list: List::Allow,
                reach: Reach::Person(_),
                ..
            } if self.ourselves => Ok(()),
            Request::Add {
                list: List::Allow,
                reach,
                ..
            }
            | Request::Remove {
                list: List::Allow,
                reach,
                ..
            } if self.welcomes(reach) => Ok(()),
            Request::Add { reach, .. } | Request::Remove { reach, .. } => self.reaches(reach),
            Request::Show { reach: Some(reach), .. } => self.reaches(reach),
            Request::Train { .. } => when(self.is_admin(), ADMINS),
            Request::Show { reach: None, .. } | Request::Audit { .. } | Request::Other { .. } => {
                when(self.is_admin(), ADMINS)
            }
            Request::Explain {
                mail: Mail::Bytes(_),
                came,
                domain,
            } => when(self.may_explain(domain.as_deref(), came.as_ref()), ADMINS),
            Request::Report {
                domain: Some(domain), ..
            }
            | Request::Explain {
                domain: Some(domain), ..
            } => match domain_of(domain) {
                Some(domain) if self.runs(&domain) => Ok(()),
                _ => Err(ADMINS),
            },
            Request::Import { entries } => entries.iter().try_for_each(|entry| self.reaches(&entry.reach)),
            Request::Report { .. }
            | Request::Release { .. }
            | Request::Delete { .. }
            | Request::Read { .. }
            | Request::Explain { .. } => when(self.operator || self.name.is_some(), NOT_YOURS),
            Request::Find { query } | Request::Records { query } => self.narrowed(query).map(|_| ()),
            Request::ForgetRecipients { recipient } => match recipient {
                None => when(self.is_admin(), ADMINS),
                Some(recipient) => {
                    let domain = address(recipient).map(|address| address.domain().key());
                    when(
                        self.is_admin() || domain.is_some_and(|domain| self.runs(&domain)),
                        ADMINS,
                    )
                }
            },
            Request::Domain(act) => when(self.may_change(act), ADMINS),
            Request::CountWaiting { domain } => {
                let mut which = Waiting::default();
                which.domain.clone_from(domain);
                self.narrowed_waiting(&which).map(|_| ())
            }
            Request::Waiting { which } | Request::OrderWaiting { which, .. } => {
                self.narrowed_waiting(which).map(|_| ())
            }
            // Of which domain it is, is seen when it is found.
            Request::ShowWaiting { .. } => when(self.is_admin() || !self.domains.is_empty(), ADMINS),
            Request::CheckStore | Request::CompactStore | Request::Backup { .. } => when(self.operator, OPERATOR),
            Request::Unlearn(_)
            | Request::CountSamples(_)
            | Request::Models
            | Request::Rollback { .. }
            | Request::Rebuild => when(self.operator, OPERATOR),
            // What this version does not know yet is nobody's right but the operator's.
            _ => when(self.operator, OPERATOR),
        }
    }

    /// Whether a domain of a customer is theirs to see or to change. Whoever looks after one says what becomes of its mail and
    /// that of its users, as far as it is not locked above; where it goes, who looks after it and what is asked about it is
    /// for those above.
    fn may_change(&self, act: &DomainAct) -> bool {
        const THEIRS: [&str; 2] = ["policy", "users"];
        let own =
            |domain: &str| domain_of(domain.trim_start_matches('.')).is_some() && self.runs(&domain.to_lowercase());
        self.is_admin()
            || match act {
                DomainAct::List => !self.domains.is_empty(),
                DomainAct::Show { domain } => own(domain),
                DomainAct::Set { domain, settings } => {
                    own(domain) && settings.iter().all(|setting| THEIRS.contains(&setting.table()))
                }
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::{KeptId, Label, Listed, Octets, Time, Unlearn};

    use super::*;
    use crate::users::Welcome;

    fn staff() -> Staff {
        let local = Routes::inbound([("d.example", "default"), ("e.example", "default")]);
        Staff::new(["Root@d.example"], [("E.example", vec!["eva@e.example"])], local)
    }

    fn login(name: &str) -> Login {
        Login::new(name, LoginBy::Auth)
    }

    fn add(reach: Reach) -> Request {
        Request::Add {
            list: List::Allow,
            reach,
            entries: vec!["a@b.example".into()],
        }
    }

    #[test]
    fn everybody_reaches_as_far_as_they_are_trusted() {
        let staff = staff();
        let operator = Login::new("operator", LoginBy::Operator);
        let network = Login::new("192.0.2.0/24", LoginBy::Network);
        let person = |a: &str| Reach::Person(a.into());
        let domain = |d: &str| Reach::Domain(d.into());
        for (login, reach, may) in [
            (&login("carl@d.example"), person("Carl@D.example"), true),
            (&login("carl"), person("carl@d.example"), true),
            (&login("carl"), person("carl@elsewhere.example"), false),
            (&login("carl@d.example"), person("eva@e.example"), false),
            (&login("carl@d.example"), domain("d.example"), false),
            (&login("carl@d.example"), Reach::Site, false),
            (&login("EVA@e.example"), person("carl@e.example"), true),
            (&login("eva@e.example"), domain("E.EXAMPLE"), true),
            (&login("eva@e.example"), domain("d.example"), false),
            (&login("eva@e.example"), Reach::Site, false),
            (&login("root@d.example"), Reach::Site, true),
            (&operator, Reach::Site, true),
            (&network, person("192.0.2.0/24"), false),
            (&network, Reach::Site, false),
        ] {
            assert_eq!(
                staff.who(login).may(&add(reach.clone())).is_ok(),
                may,
                "{login:?} {reach:?}"
            );
        }
    }

    #[test]
    fn users_do_more_where_the_operator_lets_them() {
        let local = || Routes::inbound([("d.example", "default"), ("e.example", "default")]);
        let may = |users, name: &str, by, request: &Request| {
            let staff = Staff::new([], [], local()).with_users(users);
            staff.who(&Login::new(name, by)).may(request).is_ok()
        };
        let domain = |domain: &str| add(Reach::Domain(domain.into()));
        for (welcome, of_own, of_other, of_site) in [
            (Welcome::Person, false, false, false),
            (Welcome::Domain, true, false, false),
            (Welcome::Site, true, false, true),
        ] {
            let users = Users {
                welcome,
                ..Users::default()
            };
            for by in [LoginBy::Auth, LoginBy::Vouched] {
                let may = |request: &Request| may(users, "carl@d.example", by, request);
                assert_eq!(may(&domain("D.example")), of_own, "{welcome:?}");
                assert_eq!(may(&domain("e.example")), of_other, "{welcome:?}");
                assert_eq!(may(&add(Reach::Site)), of_site, "{welcome:?}");
            }
            assert!(
                !may(users, "192.0.2.0/24", LoginBy::Network, &add(Reach::Site)),
                "no person"
            );
            assert!(
                !may(users, "carl", LoginBy::Auth, &domain("d.example")),
                "of whichever domain"
            );
            let deny = Request::Add {
                list: List::Deny,
                reach: Reach::Site,
                entries: Vec::new(),
            };
            assert!(!may(users, "carl@d.example", LoginBy::Auth, &deny));
        }
        let explain = |domain: Option<&str>| Request::Explain {
            mail: Mail::Bytes(Octets(Vec::new())),
            came: None,
            domain: domain.map(Into::into),
        };
        for explains in [false, true] {
            let users = Users {
                explain: explains,
                ..Users::default()
            };
            assert_eq!(may(users, "carl", LoginBy::Auth, &explain(None)), explains);
            assert!(!may(users, "carl", LoginBy::Auth, &explain(Some("d.example"))));
            assert!(!may(users, "192.0.2.0/24", LoginBy::Network, &explain(None)));
        }
    }

    #[test]
    fn one_foreign_entry_of_an_import_is_enough_to_refuse_it() {
        let (staff, login) = (staff(), login("carl@d.example"));
        let entry = |reach| Listed::new(List::Allow, reach, "a@b.example", Time::ZERO, "carl");
        let own = entry(Reach::Person("carl@d.example".into()));
        let may = |entries| staff.who(&login).may(&Request::Import { entries });
        assert!(may(vec![own.clone()]).is_ok());
        assert!(may(vec![own, entry(Reach::Site)]).is_err());
    }

    #[test]
    fn a_person_reports_mail_and_has_only_their_own_explained() {
        let staff = staff();
        let may = |name: &str, request: &Request| staff.who(&login(name)).may(request).is_ok();
        let bytes = || Mail::Bytes(Octets(b"A: b".to_vec()));
        let report = |domain: Option<&str>| Request::Report {
            mail: bytes(),
            label: Label::Spam,
            domain: domain.map(Into::into),
        };
        let explain = |mail| Request::Explain {
            mail,
            came: None,
            domain: None,
        };
        let kept = || explain(Mail::Kept(KeptId("1".into())));
        assert!(may("carl@d.example", &report(None)) && may("carl@d.example", &kept()));
        let about = |domain: &str| Request::Explain {
            mail: Mail::Kept(KeptId("1".into())),
            came: None,
            domain: Some(domain.into()),
        };
        assert!(!may("carl@d.example", &about("e.example")) && !may("eva@e.example", &about("d.example")));
        assert!(may("eva@e.example", &about("E.example")) && may("root@d.example", &about("d.example")));
        assert!(!may("carl@d.example", &report(Some("d.example"))) && !may("carl@d.example", &explain(bytes())));
        assert!(may("eva@e.example", &report(Some("E.example"))) && !may("eva@e.example", &report(Some("d.example"))));
        assert!(may("root@d.example", &explain(bytes())) && may("root@d.example", &report(Some("d.example"))));
    }

    #[test]
    fn on_a_networks_word_somebody_is_a_person_and_no_administrator() {
        let staff = staff();
        let vouched = |name: &str| Login::new(name, LoginBy::Vouched);
        let (carl, root) = (vouched("carl@d.example"), vouched("root@d.example"));
        assert!(
            staff
                .who(&carl)
                .may(&add(Reach::Person("carl@d.example".into())))
                .is_ok()
        );
        assert!(staff.who(&root).may(&add(Reach::Site)).is_err());
        assert!(
            staff
                .who(&vouched("eva@e.example"))
                .may(&add(Reach::Domain("e.example".into())))
                .is_err()
        );
    }

    #[test]
    fn a_filter_may_make_somebody_welcome_to_one_person_and_nothing_else() {
        let staff = staff();
        let ourselves = Login::new("resend", LoginBy::Ourselves);
        let who = staff.who(&ourselves);
        assert!(who.may(&add(Reach::Person("carl@d.example".into()))).is_ok());
        for reach in [Reach::Site, Reach::Domain("d.example".into())] {
            assert!(who.may(&add(reach)).is_err());
        }
        let deny = Request::Add {
            list: List::Deny,
            reach: Reach::Person("carl@d.example".into()),
            entries: vec!["x@y.example".into()],
        };
        assert!(who.may(&deny).is_err());
        assert!(
            who.may(&Request::Audit {
                before: None,
                limit: None
            })
            .is_err()
        );
    }

    #[test]
    fn whoever_looks_after_a_domain_says_what_becomes_of_its_mail_and_no_more() {
        let staff = staff();
        let may = |name: &str, act: DomainAct| staff.who(&login(name)).may(&Request::Domain(act)).is_ok();
        let set = |domain: &str, keys: &[&str]| DomainAct::Set {
            domain: domain.into(),
            settings: keys.iter().map(|key| gatepost_core::Setting::new(*key, "1")).collect(),
        };
        let show = |domain: &str| DomainAct::Show { domain: domain.into() };
        assert!(may(
            "eva@e.example",
            set("E.example", &["policy.high.threshold", "users.ann.dry_run"])
        ));
        for keys in [
            &["policy.dry_run", "admins"][..],
            &["server.upstream"],
            &["\"policy\".dry_run"],
            &["policyx"],
            &["spam"],
        ] {
            assert!(!may("eva@e.example", set("e.example", keys)), "{keys:?}");
        }
        assert!(may("eva@e.example", show("e.example")) && !may("eva@e.example", show("d.example")));
        assert!(!may("eva@e.example", set("d.example", &["policy.dry_run"])) && may("eva@e.example", DomainAct::List));
        assert!(!may("carl@e.example", DomainAct::List) && !may("carl@e.example", show("e.example")));
        let remove = || DomainAct::Remove {
            domain: "e.example".into(),
        };
        assert!(!may("eva@e.example", remove()) && may("root@d.example", remove()));
        assert!(may("root@d.example", set("e.example", &["server.upstream", "admins"])));
        let only = |name: &str| staff.who(&login(name)).only_these();
        assert_eq!(only("eva@e.example"), Some(vec!["e.example".to_owned()]));
        assert_eq!(only("root@d.example"), None);
    }

    #[test]
    fn what_touches_the_whole_store_is_the_operators() {
        let (staff, root) = (staff(), login("root@d.example"));
        for request in [
            Request::CheckStore,
            Request::Backup { to: "/tmp/x".into() },
            Request::Models,
            Request::Rollback { to: None },
            Request::Rebuild,
            Request::Unlearn(Unlearn::By("eva".into())),
            Request::CountSamples(Unlearn::Since(0)),
        ] {
            assert!(staff.who(&root).may(&request).is_err());
            let operator = Login::new("o", LoginBy::Operator);
            assert!(staff.who(&operator).may(&request).is_ok());
        }
    }
}
