//! Whose rules apply to a recipient: the site's, its domain's, or its own.
//!
//! **Invariant:** the rules of a user are those of the domain under one more layer, and those of a domain the site's under
//! one more; a layer that a customer wrote does not lower what the operator's do with danger. **Cost:** a look-up hashes two
//! names and allocates nothing; places where nothing else is said share one copy of the rules, so that ten thousand of them
//! weigh little.

use std::collections::HashMap;
use std::sync::Arc;

use gatepost_core::{Address, Domain};

use super::{Layer, Rules, SpeakFrom};
use crate::by_domain::ByDomain;
use crate::recipients::{self, BadEntry, List};

/// How many layers that differ are remembered while a table is built, so that places that say the same share their rules.
const SHARED_MAX: usize = 32;

/// The rules of one pipeline: those for all, and those of each domain and user that has its own.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    general: Arc<Rules>,
    /// Those for all as they hold before a recipient is known.
    early: Arc<Rules>,
    /// By name; `.example.org` stands for all domains below that one.
    domains: ByDomain<Own>,
    /// Somebody is to be spared what is said or done before RCPT.
    is_patient: bool,
}

/// What a domain has of its own.
#[derive(Clone, Debug)]
struct Own {
    rules: Arc<Rules>,
    /// By local part, in lower case.
    users: HashMap<Box<str>, Arc<Rules>>,
    by: Author,
}

/// Who wrote a layer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Author {
    Operator,
    Customer,
}

/// Folds layers over the same rules, those that are alike once.
struct Folding<'a> {
    above: Arc<Rules>,
    by: Author,
    done: Vec<(&'a Layer, Arc<Rules>)>,
}

impl<'a> Folding<'a> {
    fn over(above: &Arc<Rules>, by: Author) -> Folding<'a> {
        Folding {
            above: Arc::clone(above),
            by,
            done: Vec::new(),
        }
    }

    fn fold(&mut self, layer: &'a Layer) -> Arc<Rules> {
        let is_guarded = self.by == Author::Operator || self.above.operators.is_some();
        if is_guarded && *layer == Layer::default() {
            return Arc::clone(&self.above);
        }
        if let Some((_, rules)) = self.done.iter().find(|(other, _)| *other == layer) {
            return Arc::clone(rules);
        }
        let above = Rules::clone(&self.above);
        let rules = Arc::new(match self.by {
            Author::Operator => above.for_some(layer),
            Author::Customer => above.for_customer(layer),
        });
        if self.done.len() < SHARED_MAX {
            self.done.push((layer, Arc::clone(&rules)));
        }
        rules
    }
}

impl Policy {
    /// A policy from what the operator wrote for all and for single domains (in any letter case).
    pub fn new<'a>(general: &Layer, domains: impl IntoIterator<Item = (&'a str, &'a Layer)>) -> Policy {
        Policy::from(Rules::fold([general])).with_domains(Author::Operator, domains)
    }

    /// The same with what customers wrote for their domains: what the operator's levels do with danger is done there, too.
    #[must_use]
    pub fn with_customers<'a>(self, domains: impl IntoIterator<Item = (&'a str, &'a Layer)>) -> Policy {
        self.with_domains(Author::Customer, domains)
    }

    fn with_domains<'a>(mut self, by: Author, domains: impl IntoIterator<Item = (&'a str, &'a Layer)>) -> Policy {
        let mut folding = Folding::over(&self.general, by);
        for (name, layer) in domains {
            let rules = folding.fold(layer);
            self.heed(&rules);
            let users = HashMap::new();
            self.domains.insert(name, Own { rules, users, by });
        }
        self
    }

    /// The same with what is written for single users of a domain: local parts or addresses, in any letter case. Others'
    /// addresses, and what is none, are passed over. Who wrote the domain's table wrote this.
    #[must_use]
    pub fn with_users<'a>(mut self, domain: &str, users: impl IntoIterator<Item = (&'a str, &'a Layer)>) -> Policy {
        let mut users = users.into_iter().peekable();
        if users.peek().is_none() {
            return self;
        }
        let there = self.domains.named(domain);
        let by = there.map_or(Author::Operator, |own| own.by);
        let above = Arc::clone(there.map_or(&self.general, |own| &own.rules));
        let mut folding = Folding::over(&above, by);
        let mut own = HashMap::new();
        for (user, layer) in users {
            if let Ok(user) = Policy::user(domain, user) {
                let rules = folding.fold(layer);
                self.heed(&rules);
                own.insert(user, rules);
            }
        }
        match self.domains.named_mut(domain) {
            Some(place) => place.users.extend(own),
            None => drop(self.domains.insert(
                domain,
                Own {
                    rules: above,
                    users: own,
                    by,
                },
            )),
        }
        self
    }

    /// Before RCPT it is not known whom a refusal meets: it waits where some recipients are to be spared it.
    fn heed(&mut self, rules: &Rules) {
        let general = &self.general;
        let spares = |rules: &Rules| (rules.dry_run, rules.spam_lover);
        let differs = spares(rules) != spares(general) || rules.speak_from > general.speak_from;
        if differs && !self.is_patient {
            self.is_patient = true;
            self.refuse_from_rcpt();
        }
    }

    /// Nobody is refused before RCPT, since some are to be spared it.
    pub fn refuse_from_rcpt(&mut self) {
        if self.early.speak_from < SpeakFrom::Rcpt {
            Arc::make_mut(&mut self.early).speak_from = SpeakFrom::Rcpt;
        }
    }

    /// The local part by which rules of a user of a domain are found, from a local part or an address; of `.example.org` the
    /// local part at every domain below.
    pub fn user(domain: &str, text: &str) -> Result<Box<str>, BadEntry> {
        List::entry(domain.strip_prefix('.').unwrap_or(domain), text)
    }

    /// The rules for mail to a user of a domain, its local part in lower case: its own, those of the domain where it has none, those
    /// for all where the domain has none, or is not known. `ann+tag` is `ann` where it has none of its own, and so
    /// is an address of BATV.
    pub fn rules(&self, domain: Option<&str>, user: Option<&str>) -> &Arc<Rules> {
        let Some(own) = domain.and_then(|domain| self.domains.get(domain)) else {
            return &self.general;
        };
        let user = user.filter(|_| !own.users.is_empty());
        user.and_then(|user| recipients::names(user).find_map(|name| own.users.get(name)))
            .unwrap_or(&own.rules)
    }

    /// The rules for mail to an address.
    pub fn of(&self, to: &Address) -> &Arc<Rules> {
        match to.domain() {
            Domain::Name(name) => self.rules(Some(name), Some(&to.local().to_lowercase())),
            _ => &self.general,
        }
    }

    /// The rules before a recipient is known: those for all, and refusals wait for RCPT where some recipients are in a dry
    /// run, love spam, hear of refusals later, or do not want a filter that may speak before.
    pub fn early(&self) -> &Arc<Rules> {
        &self.early
    }

    /// Whether what filters wish the client to wait before RCPT is put off until a recipient is named, since some are in a
    /// dry run and others are not.
    pub fn waits_for_rcpt(&self) -> bool {
        self.is_patient
    }

    /// The same policy with refusals spoken at the end of the message only.
    #[must_use]
    pub fn silent_until_message(mut self) -> Policy {
        let mut done: Vec<(Arc<Rules>, Arc<Rules>)> = Vec::new();
        let mut silent = |rules: &mut Arc<Rules>| {
            if rules.speak_from == SpeakFrom::Message {
                return;
            }
            if let Some((_, other)) = done.iter().find(|(before, _)| Arc::ptr_eq(before, rules)) {
                *rules = Arc::clone(other);
                return;
            }
            let before = Arc::clone(rules);
            Arc::make_mut(rules).speak_from = SpeakFrom::Message;
            if done.len() < SHARED_MAX {
                done.push((before, Arc::clone(rules)));
            }
        };
        silent(&mut self.general);
        silent(&mut self.early);
        for own in self.domains.values_mut() {
            silent(&mut own.rules);
            own.users.values_mut().for_each(&mut silent);
        }
        self
    }
}

impl From<Rules> for Policy {
    /// The same rules for all.
    fn from(rules: Rules) -> Policy {
        let general = Arc::new(rules);
        Policy {
            early: Arc::clone(&general),
            general,
            domains: ByDomain::default(),
            is_patient: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::{Level, Score};
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{Action, Key, Locks};

    fn layer(json: &str) -> Layer {
        serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
    }

    const DOMAIN: &str = "d.example";

    fn policy(site: &str, domain: &str, ann: &str) -> Policy {
        let (site, domain, ann) = (layer(site), layer(domain), layer(ann));
        Policy::new(&site, [("D.example", &domain)]).with_users("d.EXAMPLE", [("Ann", &ann)])
    }

    /// Site, domain and user each say something or nothing of `high.action`, with every lock above: whose word counts.
    #[test]
    fn the_last_word_that_is_not_locked_counts() {
        let said = |action: &str, locked: &str| match (action, locked) {
            ("", "") => "{}".to_owned(),
            ("", locked) => format!(r#"{{"locked": ["{locked}"]}}"#),
            (action, "") => format!(r#"{{"high": {{"action": "{action}"}}}}"#),
            (action, locked) => format!(r#"{{"high": {{"action": "{action}"}}, "locked": ["{locked}"]}}"#),
        };
        // What the site, the domain and Ann say; what the site and the domain lock; what holds for the domain and for Ann.
        for (site, domain, ann, by_site, by_domain, of_domain, of_ann) in [
            ("", "", "", "", "", "reject", "reject"),
            ("hold", "", "", "", "", "hold", "hold"),
            ("hold", "discard", "", "", "", "discard", "discard"),
            ("hold", "discard", "header", "", "", "discard", "header"),
            ("", "", "header", "", "", "reject", "header"),
            // The site locks: neither is heard.
            ("hold", "discard", "header", "high.action", "", "hold", "hold"),
            ("hold", "discard", "header", "high", "", "hold", "hold"),
            ("hold", "", "header", "high", "", "hold", "hold"),
            // Also where the site itself says nothing: the default is locked.
            ("", "discard", "header", "high.action", "", "reject", "reject"),
            // The domain locks against its users, and says the last word itself.
            ("hold", "discard", "header", "", "high.action", "discard", "discard"),
            ("hold", "", "header", "", "high", "hold", "hold"),
            // Both lock: the site's word.
            ("hold", "discard", "header", "high", "high.action", "hold", "hold"),
            // Something else is locked.
            ("hold", "discard", "header", "high.tag", "medium", "discard", "header"),
            (
                "hold",
                "discard",
                "header",
                "dry_run",
                "medium.action",
                "discard",
                "header",
            ),
        ] {
            let policy = policy(&said(site, by_site), &said(domain, by_domain), &said(ann, ""));
            let high = |rules: &Arc<Rules>| format!("{:?}", rules.grade(Level::High).action).to_lowercase();
            let told = format!("{site:?} {domain:?} {ann:?} {by_site:?} {by_domain:?}");
            assert_eq!(high(policy.rules(Some(DOMAIN), None)), of_domain, "{told}");
            assert_eq!(high(policy.rules(Some(DOMAIN), Some("bob"))), of_domain, "{told}");
            assert_eq!(high(policy.rules(Some(DOMAIN), Some("ann"))), of_ann, "{told}");
            let general = if site.is_empty() { "reject" } else { site };
            assert_eq!(high(policy.rules(Some("e.example"), Some("ann"))), general, "{told}");
        }
    }

    #[test]
    fn a_customers_table_carries_the_operators_levels_and_so_do_those_of_its_people() {
        let (site, none, lax) = (
            layer(r#"{"high": {"action": "hold"}}"#),
            layer("{}"),
            layer(r#"{"high": {"action": "none"}}"#),
        );
        let policy = Policy::new(&site, [("main.example", &lax)])
            .with_customers([("a.example", &none), ("b.example", &lax), ("c.example", &none)])
            .with_users("main.example", [("ann", &lax)])
            .with_users("b.example", [("ann", &lax)]);
        let least = |domain, user| {
            let rules = policy.rules(Some(domain), user);
            rules.by_operator(Score::points(10)).map(|(_, action)| action)
        };
        for (domain, user) in [("a.example", None), ("b.example", None), ("b.example", Some("ann"))] {
            assert_eq!(least(domain, user), Some(Action::Hold), "{domain} {user:?}");
        }
        for (domain, user) in [
            ("main.example", None),
            ("main.example", Some("ann")),
            ("other.example", None),
        ] {
            assert_eq!(least(domain, user), None, "{domain} {user:?}");
        }
        let of = |domain| policy.rules(Some(domain), None);
        assert!(
            Arc::ptr_eq(of("a.example"), of("c.example")),
            "who says nothing shares the rules"
        );
    }

    #[test]
    fn a_user_is_found_by_every_name_of_the_mailbox() {
        let site = layer(r#"{"high": {"threshold": 12}}"#);
        let (lover, strict) = (layer(r#"{"spam_lover": true}"#), layer(r#"{"high": {"threshold": 5}}"#));
        let users = [
            ("Ann@D.example", &lover),
            ("ann+lists", &strict),
            ("\u{c4}nne", &strict),
            ("bob@e.example", &strict),
            ("no address", &strict),
        ];
        let policy = Policy::new(&site, []).with_users(DOMAIN, users);
        let of = |to: &str| {
            let rules = policy.of(&Address::parse(to, true).unwrap_or_else(|bad| panic!("{to}: {bad:?}")));
            (rules.spam_lover, rules.grade(Level::High).threshold)
        };
        let (twelve, five) = (Score::points(12), Score::points(5));
        for (to, want) in [
            ("ann@d.example", (true, twelve)),
            ("ANN@D.EXAMPLE", (true, twelve)),
            ("\"ann\"@d.example", (true, twelve)),
            ("ann+shop@d.example", (true, twelve)),
            ("ann+lists@d.example", (false, five)),
            ("prvs=0123456789=ann@d.example", (true, twelve)),
            ("\u{e4}nne@d.example", (false, five)),
            ("anna@d.example", (false, twelve)),
            ("+ann@d.example", (false, twelve)),
            ("ann@e.example", (false, twelve)),
            ("bob@e.example", (false, twelve)),
            ("ann@[192.0.2.1]", (false, twelve)),
        ] {
            assert_eq!(of(to), want, "{to}");
        }
    }

    #[test]
    fn a_name_with_a_dot_before_it_stands_for_all_below() {
        let (site, below, own, ann) = (
            layer("{}"),
            layer(r#"{"keep_days": 3}"#),
            layer(r#"{"keep_days": 4}"#),
            layer(r#"{"spam_lover": true}"#),
        );
        let policy = Policy::new(&site, [(".d.example", &below), ("own.d.example", &own)])
            .with_users(".d.example", [("ann", &ann)]);
        let of = |to: &str| {
            let rules = policy.of(&Address::parse(to, true).expect(to));
            (rules.keep_days.0, rules.spam_lover)
        };
        assert_eq!(of("bob@x.D.example"), (Some(3), false));
        assert_eq!(of("Ann@y.x.d.example"), (Some(3), true));
        assert_eq!(of("ann@own.d.example"), (Some(4), false));
        assert_eq!(of("ann@d.example"), (None, false));
    }

    #[test]
    fn who_says_the_same_shares_the_same_rules() {
        let (site, same, other) = (layer("{}"), layer(r#"{"keep_days": 3}"#), layer(r#"{"keep_days": 4}"#));
        let domains = [
            ("a.example", &site),
            ("b.example", &same),
            ("c.example", &same),
            ("d.example", &other),
        ];
        let policy = Policy::new(&site, domains).with_users("a.example", [("ann", &same), ("bob", &same)]);
        for policy in [policy.clone(), policy.silent_until_message()] {
            let rules = |domain, user| policy.rules(Some(domain), user);
            assert!(Arc::ptr_eq(rules("a.example", None), policy.rules(None, None)));
            assert!(Arc::ptr_eq(rules("b.example", None), rules("c.example", Some("x"))));
            assert!(!Arc::ptr_eq(rules("b.example", None), rules("d.example", None)));
            assert!(Arc::ptr_eq(
                rules("a.example", Some("ann")),
                rules("a.example", Some("bob"))
            ));
        }
    }

    #[test]
    fn what_some_are_to_be_spared_waits_for_rcpt() {
        let early = |site: &str, domain: &str, ann: &str| {
            let policy = policy(site, domain, ann);
            (
                policy.early().speak_from,
                policy.early().dry_run,
                policy.waits_for_rcpt(),
            )
        };
        use SpeakFrom::{Connect, Message, Rcpt};
        let at_once = r#"{"speak_from": "connect"}"#;
        assert_eq!(early(at_once, "{}", "{}"), (Connect, false, false));
        assert_eq!(
            early(at_once, r#"{"keep_days": 3}"#, r#"{"high": {"action": "hold"}}"#).0,
            Connect
        );
        for (domain, ann) in [
            (r#"{"dry_run": true}"#, "{}"),
            ("{}", r#"{"dry_run": true}"#),
            ("{}", r#"{"spam_lover": true}"#),
            (r#"{"speak_from": "message"}"#, "{}"),
        ] {
            assert_eq!(early(at_once, domain, ann), (Rcpt, false, true), "{domain} {ann}");
        }
        assert_eq!(
            early(r#"{"speak_from": "message"}"#, r#"{"dry_run": true}"#, "{}"),
            (Message, false, true)
        );
        assert_eq!(early(r#"{"dry_run": true}"#, "{}", "{}"), (Rcpt, true, false));
        assert_eq!(
            early(r#"{"dry_run": true}"#, r#"{"dry_run": false}"#, "{}"),
            (Rcpt, true, true)
        );
    }

    fn layers() -> impl Strategy<Value = Layer> {
        let actions = prop::sample::select(vec!["none", "header", "subject", "hold", "reject", "discard"]);
        let json = (
            prop::option::of(actions),
            prop::option::of(0..20_i32),
            prop::option::of(any::<bool>()),
            prop::option::of(any::<bool>()),
        );
        json.prop_map(|(action, threshold, dry_run, lover)| {
            let mut layer = Layer {
                dry_run,
                spam_lover: lover,
                ..Layer::default()
            };
            let quoted = action.map(|action| format!("\"{action}\""));
            layer.medium.action = quoted.and_then(|text| serde_json::from_str::<Action>(&text).ok());
            layer.medium.threshold = threshold.map(Score::points);
            layer
        })
    }

    fn locks() -> impl Strategy<Value = Locks> {
        let keys = prop::sample::subsequence(
            vec!["medium", "medium.action", "medium.threshold", "dry_run", "spam_lover"],
            0..4,
        );
        keys.prop_map(|keys| keys.into_iter().filter_map(|key| Key::new(key).ok()).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

        /// Whatever a user says on what is locked, nothing changes by it; and what is not locked counts.
        #[test]
        fn a_locked_key_is_as_if_nothing_were_said(site in layers(), domain in layers(), user in layers(), a in locks(), b in locks()) {
            let (site, domain) = (Layer { locked: a.clone(), ..site }, Layer { locked: b.clone(), ..domain });
            let policy = Policy::new(&site, [(DOMAIN, &domain)]).with_users(DOMAIN, [("ann", &user)]);
            let locks = a.and(&b);
            let (above, own) = (policy.rules(Some(DOMAIN), None), policy.rules(Some(DOMAIN), Some("ann")));
            prop_assert_eq!(&own.locked, &locks);
            let held = |key: &str| locks.hold(Key::new(key).expect("a key"));
            let (medium, ours) = (above.grade(Level::Medium), own.grade(Level::Medium));
            prop_assert_eq!(ours.action, user.medium.action.filter(|_| !held("medium.action")).unwrap_or(medium.action));
            prop_assert_eq!(ours.threshold, user.medium.threshold.filter(|_| !held("medium.threshold")).unwrap_or(medium.threshold));
            prop_assert_eq!(own.dry_run, user.dry_run.filter(|_| !held("dry_run")).unwrap_or(above.dry_run));
            prop_assert_eq!(own.spam_lover, user.spam_lover.filter(|_| !held("spam_lover")).unwrap_or(above.spam_lover));
            let touching = user.touching(&locks);
            prop_assert!(touching.iter().all(|key| user.keys().contains(key) && locks.hold(*key)));
        }
    }
}
