//! Who may do what, and how much of a mail somebody sees: pure functions of the login and what the operator wrote.
//!
//! **Invariant:** the same words answer a mail that is not there and one that is somebody else's.

use std::collections::{BTreeMap, BTreeSet};

use gatepost_core::{
    Address, Came, Domain, DomainAct, KeptMail, List, Login, LoginBy, Mail, Query, Reach, RecipientRecord, Record,
    Request, Scope,
};
use gatepost_pipeline::Routes;

use crate::users::Users;

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

    /// The query, narrowed to what is theirs.
    pub fn narrowed(&self, query: &Query) -> Result<Query, &'static str> {
        if self.is_admin() {
            return Ok(query.clone());
        }
        let mut query = query.clone();
        match (&query.recipient, &query.domain) {
            (Some(recipient), _) if self.sees(recipient) => Ok(query),
            (Some(_), _) => Err(NOT_YOURS),
            (None, Some(domain)) => match domain_of(domain) {
                Some(domain) if self.runs(&domain) => Ok(query),
                _ => Err(ADMINS),
            },
            (None, None) => match (&self.name, self.address()) {
                // An address that cannot be read is nobody's, and finds nothing.
                (Some(name), None) if name.contains('@') => {
                    query.recipient = Some(name.clone());
                    Ok(query)
                }
                (_, Some(address)) => {
                    query.recipient = Some(address.key());
                    Ok(query)
                }
                _ => Err(NAME_A_DOMAIN),
            },
        }
    }

    /// What they see of a kept mail: their own recipients, and where they look after no domain not who of the others says
    /// what it is; nothing where none is theirs. Of a dangerous one only those in domains that they look after.
    pub fn view(&self, mail: &KeptMail) -> Option<KeptMail> {
        let mut view = mail.clone();
        let runs = |to: &str| address(to).is_some_and(|address| self.runs(&address.domain().key()));
        let dangerous = mail.is_dangerous();
        view.recipients.retain(|recipient| {
            if dangerous {
                runs(recipient)
            } else {
                self.sees(recipient)
            }
        });
        let others = |by: &str| self.name.as_deref() != Some(&*by.to_lowercase());
        let plain = !self.is_admin() && self.domains.is_empty();
        if let Some((_, by)) = view.label.as_mut().filter(|(_, by)| plain && others(by)) {
            by.clear();
        }
        (self.is_admin() || !view.recipients.is_empty()).then_some(view)
    }

    /// Whether all of a kept mail is theirs, so that they may delete it.
    pub fn owns(&self, mail: &KeptMail) -> bool {
        self.is_admin() || (!mail.recipients.is_empty() && mail.recipients.iter().all(|to| self.sees(to)))
    }

    /// Whether a kept mail came to themselves, so that they need no reason to read it.
    pub fn received(&self, mail: &KeptMail) -> bool {
        let own = |to: &String| address(to).is_some_and(|address| self.is(&address));
        mail.recipients.iter().any(own)
    }

    /// Whose mail it is that they report, as models tell domains apart: what they named; else the one domain of ours that
    /// its recipients are in, or their own where it came to several; else that of their own address.
    pub fn teaches(&self, kept: Option<&KeptMail>, named: Option<&str>) -> Option<String> {
        let ours = |address: &Address| {
            let domain = address.domain();
            self.staff.local.is_local(domain).then(|| domain.key())
        };
        let own = |address: &&Address| self.is(address);
        let to: Vec<Address> = kept
            .iter()
            .flat_map(|mail| mail.recipients.iter().filter_map(|to| address(to)))
            .collect();
        let domains: BTreeSet<String> = to.iter().filter_map(ours).collect();
        match (named, kept.is_some(), domains.len()) {
            (Some(named), ..) => domain_of(named),
            (None, true, 1) => domains.into_iter().next(),
            (None, true, _) => to.iter().find(own).and_then(ours),
            (None, false, _) => self.address().as_ref().and_then(ours),
        }
    }

    /// Why a domain that they name as that of some mail is none of ours; nothing where it is.
    pub fn is_not_ours(&self, named: &str) -> Option<String> {
        match Domain::parse(named.trim(), true) {
            Ok(domain) if self.staff.local.is_local(&domain) => None,
            Ok(_) => Some(format!(
                "`{named}` is not among your domains, so no mail would be judged by what is learned for it: expected one of \
                 local_domains"
            )),
            Err(_) => Some(format!("`{named}` is no domain")),
        }
    }

    /// What they see of a record.
    pub fn view_record(&self, mut record: Record) -> Option<Record> {
        if self.is_admin() {
            return Some(record);
        }
        let theirs = |row: &RecipientRecord| self.sees(&row.to);
        record.recipients.retain(theirs);
        // Findings about the others tell of their lists; replies, notes and costs may name them.
        let ids: BTreeSet<_> = record.recipients.iter().map(|row| row.id).collect();
        record.findings.retain(|finding| match finding.scope {
            Scope::Everyone => true,
            Scope::Only(who) => ids.contains(&who),
        });
        record.notes.clear();
        record.calls.clear();
        record.reply.clear();
        (!record.recipients.is_empty()).then_some(record)
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

    fn mail(recipients: &[&str]) -> KeptMail {
        serde_json::from_value(serde_json::json!({
            "id": KeptId("1".into()), "transaction": "t", "at": 0, "until": null, "reason": "held", "from": "x@y.example",
            "recipients": recipients, "subject": "s", "size": 1, "label": null,
        }))
        .expect("a kept mail")
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
    fn what_is_dangerous_is_for_administrators_only() {
        let staff = staff();
        let mut mail = mail(&["carl@d.example", "eva@e.example"]);
        mail.reason = "dangerous".into();
        let seen = |name: &str| staff.who(&login(name)).view(&mail).map(|mail| mail.recipients);
        assert_eq!(seen("carl@d.example"), None, "not even their own");
        assert_eq!(
            seen("eva@e.example"),
            Some(vec!["eva@e.example".to_owned()]),
            "of her domain"
        );
        assert_eq!(seen("root@d.example"), Some(mail.recipients.clone()));
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
    fn a_person_sees_their_own_recipients_and_no_others() {
        let (staff, carl) = (staff(), login("carl@d.example"));
        let who = staff.who(&carl);
        let both = mail(&["<carl@d.example>", "eva@e.example"]);
        assert_eq!(
            who.view(&both).map(|mail| mail.recipients),
            Some(vec!["<carl@d.example>".into()])
        );
        assert!(who.received(&both) && !who.owns(&both) && who.owns(&mail(&["carl@d.example"])));
        let mut labelled = both.clone();
        for (by, seen) in [("eva@e.example", ""), ("Carl@d.example", "Carl@d.example")] {
            labelled.label = Some((Label::Spam, by.into()));
            let view = who.view(&labelled).expect("theirs");
            assert_eq!(view.label, Some((Label::Spam, seen.into())));
        }
        assert_eq!(who.view(&mail(&["eva@e.example"])), None);
        assert!(!who.owns(&mail(&[])), "a mail without recipients is nobody's");
        let eva = login("eva@e.example");
        assert!(
            !staff.who(&eva).received(&mail(&["anna@e.example"])) && staff.who(&eva).owns(&mail(&["anna@e.example"]))
        );
    }

    #[test]
    fn a_login_without_a_domain_is_an_address_where_there_is_but_one() {
        let carl = login("Carl");
        let own = |domains: &[(&'static str, &'static str)]| {
            let staff = Staff::new([], [], Routes::inbound(domains.iter().copied()));
            let who = staff.who(&carl);
            let narrowed = who.narrowed(&Query::default()).ok().and_then(|query| query.recipient);
            assert_eq!(who.address().map(|address| address.key()), narrowed);
            assert_eq!(who.teaches(None, None).is_some(), narrowed.is_some());
            narrowed
        };
        assert_eq!(own(&[("d.example", "default")]).as_deref(), Some("carl@d.example"));
        for domains in [
            &[("d.example", "default"), ("e.example", "default")][..],
            &[(".d.example", "default")],
            &[],
        ] {
            assert_eq!(own(domains), None);
        }
    }

    #[test]
    fn a_query_is_narrowed_to_what_is_theirs() {
        let staff = staff();
        let ask = |name: &str, recipient: Option<&str>, domain: Option<&str>| {
            let mut query = Query::default();
            (query.recipient, query.domain) = (recipient.map(Into::into), domain.map(Into::into));
            staff.who(&login(name)).narrowed(&query).map(|query| query.recipient)
        };
        assert_eq!(ask("carl@d.example", None, None), Ok(Some("carl@d.example".into())));
        assert_eq!(ask("carl", None, None), Err(NAME_A_DOMAIN));
        assert_eq!(ask("carl", Some("eva@e.example"), None), Err(NOT_YOURS));
        assert_eq!(ask("carl", None, Some("d.example")), Err(ADMINS));
        assert_eq!(ask("eva@e.example", None, Some("e.example")), Ok(None));
        assert_eq!(ask("root@d.example", None, None), Ok(None));
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
    fn the_lesson_of_a_mail_is_its_own_domains() {
        let staff = staff();
        let of = |name: &str, kept: Option<&KeptMail>| staff.who(&login(name)).teaches(kept, None);
        let (one, two) = (
            mail(&["carl@d.example", "<ann@D.example>"]),
            mail(&["carl@d.example", "eva@e.example"]),
        );
        assert_eq!(of("root@d.example", Some(&one)), Some("d.example".into()));
        assert_eq!(
            of("root@d.example", Some(&two)),
            None,
            "it is of two domains, so of none"
        );
        assert_eq!(
            of("carl@d.example", Some(&two)),
            Some("d.example".into()),
            "the one who says so got it"
        );
        assert_eq!(
            of("root@d.example", Some(&mail(&["x@elsewhere.example"]))),
            None,
            "not ours"
        );
        assert_eq!(of("carl@d.example", None), Some("d.example".into()));
        assert_eq!(of("carl", None), None);
        assert_eq!(
            staff
                .who(&login("root@d.example"))
                .teaches(Some(&one), Some("E.Example")),
            Some("e.example".into())
        );
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
