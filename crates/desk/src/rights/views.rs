//! How much somebody sees of kept mail, records and mail that waits, and which part of what they ask for is theirs.
//!
//! **Invariant:** a query is narrowed before it is asked, and what is found is cut again to what they may see.

use std::collections::BTreeSet;

use gatepost_core::{Address, Domain, KeptMail, Query, RecipientRecord, Record, Scope, Waiting, WaitingMail};

use super::{ADMINS, NAME_A_DOMAIN, NOT_YOURS, Who, address, domain_of};

const NAME_YOUR_DOMAIN: &str = "name a domain of yours: you look after several";
const NO_DOMAIN: &str = "what you name as a domain is none";

impl Who<'_> {
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

    /// Which mails that wait they may ask for: administrators all, those of a domain its own, nobody else any. A recipient's
    /// mail that waits is no more theirs than what a mail server has not taken yet.
    pub fn narrowed_waiting(&self, which: &Waiting) -> Result<Waiting, &'static str> {
        let mut which = which.clone();
        if let Some(named) = &which.domain {
            which.domain = Some(domain_of(named).ok_or(NO_DOMAIN)?);
        }
        if self.is_admin() {
            return Ok(which);
        }
        if self.domains.is_empty() {
            return Err(ADMINS);
        }
        let of = |recipient: &String| address(recipient).map(|address| address.domain().key());
        let domain = match (
            &which.domain,
            which.recipient.as_ref().and_then(of),
            self.domains.first(),
        ) {
            (Some(domain), ..) => domain.clone(),
            (None, Some(domain), _) => domain,
            (None, None, Some(only)) if self.domains.len() == 1 => (*only).to_owned(),
            _ => return Err(NAME_YOUR_DOMAIN),
        };
        if !self.runs(&domain) {
            return Err(ADMINS);
        }
        which.domain = Some(domain);
        Ok(which)
    }

    /// Whether a mail that waits is their business: they look after the domain in whose order it waits.
    pub fn sees_waiting(&self, mail: &WaitingMail) -> bool {
        self.is_admin() || domain_of(&mail.domain).is_some_and(|domain| self.runs(&domain))
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
    use gatepost_core::{KeptId, Label, Login, LoginBy, WaitingId};
    use gatepost_pipeline::Routes;

    use super::super::Staff;
    use super::*;

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
    fn mail_that_waits_is_for_administrators_only() {
        let local = Routes::inbound([
            ("d.example", "default"),
            ("e.example", "default"),
            ("f.example", "default"),
        ]);
        let several = [
            ("E.example", vec!["eva@e.example", "sam@d.example"]),
            ("f.example", vec!["sam@d.example"]),
        ];
        let staff = Staff::new(["root@d.example"], several, local);
        let ask = |name: &str, domain: Option<&str>, recipient: Option<&str>| {
            let mut which = Waiting::default();
            (which.domain, which.recipient) = (domain.map(Into::into), recipient.map(Into::into));
            staff
                .who(&login(name))
                .narrowed_waiting(&which)
                .map(|which| which.domain)
        };
        let e = || Ok(Some("e.example".to_owned()));
        for (name, domain, recipient, is) in [
            ("carl@d.example", None, None, Err(ADMINS)),
            ("carl@d.example", None, Some("carl@d.example"), Err(ADMINS)),
            ("carl@d.example", Some("d.example"), None, Err(ADMINS)),
            ("root@d.example", None, None, Ok(None)),
            ("root@d.example", Some("E.Example"), None, e()),
            ("root@d.example", Some("no domain"), None, Err(NO_DOMAIN)),
            ("eva@e.example", None, None, e()),
            ("eva@e.example", Some("E.EXAMPLE"), None, e()),
            ("eva@e.example", Some("d.example"), None, Err(ADMINS)),
            ("eva@e.example", None, Some("carl@d.example"), Err(ADMINS)),
            // Mail for a domain that is named waits in that domain's order, whatever is said of its recipients.
            ("eva@e.example", Some("e.example"), Some("carl@d.example"), e()),
            ("sam@d.example", None, None, Err(NAME_YOUR_DOMAIN)),
            ("sam@d.example", None, Some("x@e.example"), e()),
        ] {
            assert_eq!(ask(name, domain, recipient), is, "{name} {domain:?} {recipient:?}");
        }
        let vouched = Login::new("eva@e.example", LoginBy::Vouched);
        assert!(
            staff.who(&vouched).narrowed_waiting(&Waiting::default()).is_err(),
            "on a network's word"
        );
        let waits = |domain: &str| WaitingMail::new(WaitingId("1".into()), domain, 0, 0);
        let sees = |name: &str, domain: &str| staff.who(&login(name)).sees_waiting(&waits(domain));
        assert!(sees("eva@e.example", "e.example") && !sees("eva@e.example", "f.example"));
        assert!(
            sees("root@d.example", "") && !sees("eva@e.example", ""),
            "of no domain that can be told"
        );
    }
}
