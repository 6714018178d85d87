//! What a finished transaction teaches without anybody's word: pure functions of its record.
//!
//! **Invariant:** no ground is what a classifier said. Its log-odds never count here, and neither do the level and the
//! score that came of them, save that mail of our own people that looks unwanted teaches nothing. Findings that do not
//! count (mode `monitor`) teach nothing either: the operator does not trust them yet. Where two grounds contradict each
//! other, nothing is learned.

use std::sync::Arc;

use gatepost_core::human::{from_a_person, was_delivered};
use gatepost_core::message::Headers;
use gatepost_core::{
    Address, Author, Direction, Evidence, FindingRecord, Ground, Label, Level, Login, LoginBy, Phase, RecipientRecord,
    Record, Scope, Score, Seed, Site, Tag, network,
};
use gatepost_pipeline::policy::{Action, Policy};

use crate::entry::Sources;
use crate::settings::{Rule, Settings};

/// The most recipients of a mail of our own people that is a person's (L-01).
const RECIPIENTS_MAX: u32 = 20;
/// The networks that are one source: of IPv4 and of IPv6.
const NETWORK: (u8, u8) = (24, 48);

/// What a transaction teaches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taught {
    /// What the mail is.
    pub label: Label,
    /// On what that stands.
    pub ground: Ground,
    /// By whom it is unlearned: the login that sent it; else the ground's name.
    pub by: String,
}

/// What is ours, and what is done with mail here.
#[derive(Clone, Debug, Default)]
pub struct House {
    /// Our domains.
    pub site: Arc<Site>,
    /// What becomes of mail by its points.
    pub policy: Policy,
}

/// What a transaction teaches; `headers` are the message's.
pub fn of(record: &Record, headers: &Headers, settings: &Settings, house: &House) -> Option<Taught> {
    let taught = |label, ground, by: &str| Taught {
        label,
        ground,
        by: by.to_owned(),
    };
    if record.direction == Direction::Outbound {
        let by = settings
            .outbound
            .learn
            .then(|| sender(record, headers, &house.site))
            .flatten()?;
        return Some(taught(Label::Ham, Ground::Outbound, by));
    }
    // Our own people may write to a trap by mistake.
    if record.login.is_some() || record.from.as_deref().is_none_or(str::is_empty) {
        return None;
    }
    // A word for one recipient is enough to contradict, and not enough to teach.
    let welcome = record.proven.is_some() && has(record, &settings.welcome.tags);
    let trap = has(record, &settings.trap.tags);
    let evident = settings.evidence.rules.iter().any(|rule| agrees(record, rule));
    match (welcome, trap, evident) {
        (true, false, false) => {
            let all = of_all(record, &settings.welcome.tags, |_| false) && is_delivered_to_all(record);
            (settings.welcome.learn && all).then(|| taught(Label::Ham, Ground::Welcome, "welcome"))
        }
        (false, true, _) => {
            let all = of_all(record, &settings.trap.tags, is_nobody);
            (settings.trap.learn && all).then(|| taught(Label::Spam, Ground::Trap, "trap"))
        }
        (false, false, true) => (settings.evidence.learn && is_kept_out(record, &house.policy))
            .then(|| taught(Label::Spam, Ground::Evidence, "evidence")),
        _ => None,
    }
}

/// Who of our own people sent a mail that is a person's and was accepted.
///
/// What our own server passes on for strangers has a sender or an author who is not ours.
fn sender<'a>(record: &'a Record, headers: &Headers, site: &Site) -> Option<&'a str> {
    let login = record.login.as_ref()?;
    let from = Address::parse(record.from.as_deref()?, true).ok()?;
    let author = Author::of(headers).one()?;
    if !site.is_local(from.domain()) || !site.is_local(author.domain()) {
        return None;
    }
    let theirs = login.name.rsplit_once('@').map(|(_, domain)| domain);
    let own = theirs.is_none_or(|domain| domain.eq_ignore_ascii_case(&from.domain().key()));
    if login.by == LoginBy::Auth && !own {
        return None;
    }
    from_a_person(record, Some(headers), RECIPIENTS_MAX).ok()?;
    let good = record
        .recipients
        .iter()
        .all(|row| row.would.is_none() && row.level == Level::None);
    let taken = record.recipients.iter().any(|row| was_delivered(row, record.end));
    (good && taken).then_some(&*login.name)
}

fn matches(finding: &FindingRecord, tags: &[String]) -> bool {
    let tag = finding.tag.as_str();
    tags.iter().any(|wanted| match wanted.strip_suffix('*') {
        Some(begin) => tag.starts_with(begin),
        None => tag == wanted,
    })
}

fn says(finding: &FindingRecord, tags: &[String]) -> bool {
    finding.counts && !is_classifiers(finding) && matches(finding, tags)
}

fn is_classifiers(finding: &FindingRecord) -> bool {
    matches!(finding.evidence, Evidence::LogOdds { .. })
}

/// Whether one of these was found, for anybody.
fn has(record: &Record, tags: &[String]) -> bool {
    record.findings.iter().any(|finding| says(finding, tags))
}

/// Whether one of these was found for each recipient, but for those that do not matter.
fn of_all(record: &Record, tags: &[String], apart: impl Fn(&RecipientRecord) -> bool) -> bool {
    let found = |row: &RecipientRecord| {
        record.findings.iter().any(|finding| {
            let concerns = match finding.scope {
                // What is said of one who is named is kept with no scope; which one it was stands last in the note.
                Scope::Everyone if finding.phase == Phase::Rcpt && record.recipients.len() > 1 => {
                    finding.note.rsplit(' ').next() == Some(&*row.to)
                }
                Scope::Everyone => true,
                Scope::Only(who) => who == row.id,
            };
            concerns && says(finding, tags)
        })
    };
    record.recipients_dropped == 0 && record.recipients.iter().all(|row| apart(row) || found(row))
}

/// Whether there is no such recipient.
fn is_nobody(row: &RecipientRecord) -> bool {
    let says_so = || row.reply.starts_with('5') && row.reply.get(4..).is_some_and(|why| why.starts_with("5.1.1"));
    row.fate == "refuse"
        && row.because.iter().any(|tag| match tag.as_str() {
            "policy.unknown_recipient" | "policy.known_unknown" => true,
            "upstream.rcpt" => says_so(),
            _ => false,
        })
}

fn agrees(record: &Record, rule: &Rule) -> bool {
    let speaks = |finding: &&FindingRecord| {
        let points = matches!(finding.evidence, Evidence::Points(points) if points > Score::ZERO);
        finding.counts && points && matches(finding, &rule.tags) && !matches(finding, &rule.except)
    };
    let mut tags: Vec<&str> = record
        .findings
        .iter()
        .filter(speaks)
        .map(|one| one.tag.as_str())
        .collect();
    tags.sort_unstable();
    tags.dedup();
    rule.at_least > 0 && tags.len() >= rule.at_least as usize
}

/// Whether a mail was delivered to all of its recipients, and would have been.
fn is_delivered_to_all(record: &Record) -> bool {
    let rows = &record.recipients;
    !rows.is_empty()
        && rows
            .iter()
            .all(|row| row.would.is_none() && was_delivered(row, record.end))
}

/// Whether a mail was delivered to anybody.
pub fn is_delivered(record: &Record) -> bool {
    record.recipients.iter().any(|row| was_delivered(row, record.end))
}

/// Whether a mail was kept from all of its recipients, or would have been had the policy been in force, and would have
/// been without any classifier.
fn is_kept_out(record: &Record, policy: &Policy) -> bool {
    let rows = &record.recipients;
    let out = |fate: &str| matches!(fate, "refuse" | "discard" | "hold");
    !rows.is_empty()
        && rows
            .iter()
            .all(|row| out(row.would.as_deref().unwrap_or(&row.fate)) && is_out_anyway(record, row, policy))
}

/// Whether a recipient's mail was kept out by wish, or for points that reach far enough without those of classifiers.
fn is_out_anyway(record: &Record, row: &RecipientRecord, policy: &Policy) -> bool {
    let by_level = format!("policy.{}", row.level);
    let by_points = row.because.is_empty() || row.because.iter().any(|tag| tag.as_str() == by_level);
    if !by_points {
        let classifiers = |tag: &Tag| {
            let mut findings = record.findings.iter();
            findings.any(|finding| finding.tag == *tag && is_classifiers(finding))
        };
        return !row.because.iter().all(classifiers);
    }
    let score = row.score - row.fused.map_or(Score::ZERO, |fused| fused.points);
    let to = Address::parse(&row.to, true).ok();
    let rules = to.map_or_else(|| policy.rules(None, None), |to| policy.of(&to));
    matches!(
        rules.grade(rules.level(score)).action,
        Action::Reject | Action::Discard | Action::Hold
    )
}

fn domain_of(address: &str) -> Option<String> {
    Address::parse(address, true).ok().map(|address| address.domain().key())
}

/// The one name of a teacher, however it was typed.
pub fn teacher(by: &str) -> String {
    crate::octets::cut(&by.to_lowercase(), crate::entry::BY_MAX).to_owned()
}

/// Whether a teacher is meant by a name. What was written before there was one name for each may have others, and whoever
/// teaches through the control socket is called by their user, too: `operator` means `operator (uid 0)`.
pub fn is_called(by: &str, name: &str) -> bool {
    let (by, name) = (teacher(by), teacher(name));
    by == name || by.split_once(" (uid ").is_some_and(|(user, _)| user == name)
}

/// Where a mail of our own people came from: a sender behind a login, and the login, where that is one person's.
fn own_sources(login: &Login, from: &str, seed: Seed) -> Sources {
    let (name, from) = (login.name.to_lowercase(), from.to_lowercase());
    Sources {
        sender: seed.hash(&[b"login", name.as_bytes(), from.as_bytes()]),
        network: match login.by {
            LoginBy::Network => 0,
            _ => seed.hash(&[b"login", name.as_bytes()]),
        },
    }
}

/// Where a mail came from, for caps. Mail of our own people comes from the one who sent it.
pub fn sources(record: &Record, seed: Seed) -> Sources {
    if record.direction == Direction::Outbound {
        let from = record.from.as_deref().unwrap_or_default();
        return match &record.login {
            Some(login) => own_sources(login, from, seed),
            None => Sources::default(),
        };
    }
    let author = || record.author.as_deref().and_then(|author| Author::read(author).one());
    let sender = record.from.as_deref().and_then(domain_of);
    let sender = sender.or_else(|| author().map(|author| author.domain().key()));
    let client = network::masked(record.origin.unwrap_or(record.client), NETWORK.0, NETWORK.1);
    Sources {
        sender: sender.map_or(0, |domain| of_domain(&domain, seed)),
        network: seed.hash(&[b"network", client.to_string().as_bytes()]),
    }
}

/// A sender's domain as a source.
pub fn of_domain(domain: &str, seed: Seed) -> u64 {
    seed.hash(&[b"sender", domain.as_bytes()])
}

/// Whose mail it was: the domain of all recipients, where it is one; of mail of our own people the sender's.
pub fn domain(record: &Record) -> Option<String> {
    if record.direction == Direction::Outbound {
        return record.from.as_deref().and_then(domain_of);
    }
    let mut domains = record.recipients.iter().map(|row| domain_of(&row.to));
    let first = domains.next()??;
    domains.all(|other| other.as_deref() == Some(&*first)).then_some(first)
}

/// The ids by which a mail is asked for: its transaction's, and those of its kept copies.
pub fn ids(record: &Record) -> Vec<&str> {
    let kept = record
        .recipients
        .iter()
        .filter_map(|row| row.went.as_deref()?.strip_prefix("kept:"));
    let mut ids: Vec<&str> = kept.chain([&*record.id]).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_teaches_at_the_control_socket_is_called_with_or_without_their_user() {
        for name in ["operator", "Operator", "operator (uid 0)"] {
            assert!(is_called("operator (uid 0)", name), "{name}");
        }
        for name in ["oper", "operator (uid 1)", "operator (uid", ""] {
            assert!(!is_called("operator (uid 0)", name), "{name}");
        }
        assert!(!is_called("operator", "operator (uid 0)"));
    }
    use gatepost_core::{End, Finding, Fused, RecipientId};
    use std::net::IpAddr;

    fn record(direction: Direction, fate: &str) -> Record {
        let client = IpAddr::from([192, 0, 2, 1]);
        let mut record = Record::new("t1".into(), 0, direction, "mx".into(), client, 1);
        record.from = Some("ann@b.example".into());
        record.end = End::Answered;
        let mut row = RecipientRecord::new(RecipientId(0), "carl@d.example".into());
        row.fate = fate.into();
        row.reply = if fate == "deliver" { "250 OK" } else { "550 no" }.into();
        record.recipients = vec![row];
        record
    }

    fn find(record: &mut Record, tag: &'static str, points: i32, counts: bool) {
        let finding = Finding::new(Tag::new(tag), Evidence::Points(Score::points(points)), "");
        record
            .findings
            .push(FindingRecord::new("x", Phase::Message, &finding, counts));
    }

    fn taught(record: &Record) -> Option<Ground> {
        taught_with(record, "From: ann@b.example\r\n\r\n")
    }

    fn taught_with(record: &Record, head: &'static str) -> Option<Ground> {
        let headers = Headers::parse(head.as_bytes().into());
        let house = House {
            site: Arc::new(Site::new("mx.b.example").with_domains(["b.example", "d.example"])),
            policy: Policy::default(),
        };
        of(record, &headers, &Settings::default(), &house).map(|taught| taught.ground)
    }

    #[test]
    fn mail_of_our_own_people_that_was_accepted_is_ham_by_its_login() {
        let mut sent = record(Direction::Outbound, "deliver");
        assert_eq!(taught(&sent), None, "nobody logged in");
        sent.login = Some(Login::new("ann@b.example", LoginBy::Auth));
        assert_eq!(taught(&sent), Some(Ground::Outbound));
        assert_eq!(
            taught_with(&sent, "From: ann@b.example\r\nX-Autoreply: yes\r\n\r\n"),
            None,
            "a machine's"
        );
        for spoil in [
            |record: &mut Record| record.from = Some("ann@other.example".into()),
            |record: &mut Record| record.from = Some(String::new()),
            |record: &mut Record| record.auto_submitted = true,
            |record: &mut Record| record.bulk = true,
            |record: &mut Record| record.list = true,
            |record: &mut Record| record.recipients_dropped = 20,
            |record: &mut Record| record.recipients[0].level = Level::Low,
            |record: &mut Record| record.recipients[0].would = Some("hold".into()),
            |record: &mut Record| record.recipients[0].reply = "550 no".into(),
            |record: &mut Record| record.end = End::Lost,
        ] {
            let mut other = sent.clone();
            spoil(&mut other);
            assert_eq!(taught(&other), None, "{other:?}");
        }
    }

    #[test]
    fn welcome_mail_is_ham_only_where_its_sender_is_proven_and_it_was_delivered() {
        let mut mail = record(Direction::Inbound, "deliver");
        find(&mut mail, "whitelist.proven", 0, true);
        assert_eq!(taught(&mail), None, "not proven");
        mail.proven = Some("b.example".into());
        assert_eq!(taught(&mail), Some(Ground::Welcome));
        find(&mut mail, "conduct.trap", 3, true);
        assert_eq!(taught(&mail), None, "a contradiction");
        let mut refused = record(Direction::Inbound, "refuse");
        refused.proven = Some("b.example".into());
        find(&mut refused, "whitelist.proven", 0, true);
        assert_eq!(taught(&refused), None);
    }

    #[test]
    fn lists_that_agree_teach_only_of_mail_that_was_kept_out() {
        let mut mail = record(Direction::Inbound, "refuse");
        find(&mut mail, "dnsbl.one", 3, true);
        find(&mut mail, "dnsbl.two", 3, true);
        find(&mut mail, "dnsbl.two", 3, true);
        find(&mut mail, "dnsbl.disguised_link", 3, true);
        find(&mut mail, "dnsbl.friendly", -3, true);
        find(&mut mail, "dnsbl.watched", 3, false);
        mail.recipients[0].score = Score::points(10);
        assert_eq!(taught(&mail), None, "two lists");
        find(&mut mail, "dnsbl.three", 1, true);
        assert_eq!(taught(&mail), Some(Ground::Evidence));
        mail.recipients[0].fate = "deliver".into();
        assert_eq!(taught(&mail), None);
        mail.recipients[0].would = Some("refuse".into());
        assert_eq!(taught(&mail), Some(Ground::Evidence), "a dry run");
    }

    #[test]
    fn a_trap_teaches_spam_and_neither_bounces_nor_our_own_people_do() {
        let mut mail = record(Direction::Inbound, "refuse");
        find(&mut mail, "conduct.trap", 3, true);
        assert_eq!(taught(&mail), Some(Ground::Trap));
        let mut bounce = mail.clone();
        bounce.from = Some(String::new());
        assert_eq!(taught(&bounce), None);
        mail.login = Some(Login::new("lan", LoginBy::Network));
        assert_eq!(taught(&mail), None);
    }

    #[test]
    fn what_a_classifier_says_is_no_ground() {
        let mut mail = record(Direction::Inbound, "refuse");
        for tag in ["bayes.odds", "conduct.trap", "dnsbl.one", "dnsbl.two", "dnsbl.three"] {
            let evidence = Evidence::LogOdds {
                value: 20.0,
                support: 9_999,
            };
            let finding = Finding::new(Tag::new(tag), evidence, "");
            mail.findings
                .push(FindingRecord::new("bayes", Phase::Message, &finding, true));
        }
        mail.recipients[0].level = Level::High;
        assert_eq!(taught(&mail), None);
    }

    #[test]
    fn what_our_own_server_passes_on_for_strangers_teaches_nothing() {
        let mut sent = record(Direction::Outbound, "deliver");
        for by in [LoginBy::Network, LoginBy::Auth] {
            sent.login = Some(Login::new("192.0.2.0/24", by));
            assert_eq!(taught(&sent), Some(Ground::Outbound), "{by:?}");
            for head in ["From: eve@other.example\r\n\r\n", "Subject: no author\r\n\r\n"] {
                assert_eq!(taught_with(&sent, head), None, "{by:?}: {head}");
            }
            for from in ["eve@other.example", ""] {
                let mut passed = sent.clone();
                passed.from = Some(from.into());
                assert_eq!(taught(&passed), None, "{by:?}: {from}");
            }
        }
    }

    #[test]
    fn each_sender_behind_a_network_has_a_share_and_a_login_has_one_whatever_it_sends_as() {
        let seed = Seed::new([7; 16]);
        let of = |name: &str, by, from: &str| own_sources(&Login::new(name, by), from, seed);
        let network = |from| of("192.0.2.0/24", LoginBy::Network, from);
        assert_ne!(network("ann@b.example").sender, network("carl@b.example").sender);
        assert_eq!(network("ann@b.example"), network("Ann@B.example"));
        assert_eq!(network("ann@b.example").network, 0);
        let (one, other) = (
            of("ann@b.example", LoginBy::Auth, "ann@b.example"),
            of("ANN@b.example", LoginBy::Auth, "x1@b.example"),
        );
        assert_eq!(one.network, other.network);
        assert_ne!(one.network, 0);
    }

    /// The same mail to one more.
    fn to_another(record: &mut Record) {
        let mut row = record.recipients[0].clone();
        (row.id, row.to) = (RecipientId(1), "eve@d.example".into());
        record.recipients.push(row);
    }

    #[test]
    fn what_one_recipient_welcomes_is_welcome_to_all_only_where_each_does() {
        let mut mail = record(Direction::Inbound, "deliver");
        mail.proven = Some("b.example".into());
        to_another(&mut mail);
        find(&mut mail, "whitelist.proven", 0, true);
        assert_eq!(taught(&mail), Some(Ground::Welcome), "said of everyone");
        mail.findings[0].scope = Scope::Only(RecipientId(0));
        assert_eq!(taught(&mail), None, "said for one of two");
        find(&mut mail, "whitelist.proven", 0, true);
        mail.findings[1].scope = Scope::Only(RecipientId(1));
        assert_eq!(taught(&mail), Some(Ground::Welcome), "said for each");
        mail.recipients_dropped = 1;
        assert_eq!(taught(&mail), None, "not all recipients are known");
    }

    #[test]
    fn a_trap_teaches_nothing_of_mail_that_came_to_people_too_or_from_whom_somebody_welcomes() {
        let mut mail = record(Direction::Inbound, "refuse");
        find(&mut mail, "conduct.trap", 3, true);
        mail.findings[0].phase = Phase::Rcpt;
        mail.findings[0].note = "a trap: carl@d.example".into();
        assert_eq!(taught(&mail), Some(Ground::Trap));
        let mut traps = mail.clone();
        to_another(&mut traps);
        traps.findings.push(traps.findings[0].clone());
        traps.findings[1].note = "a trap: eve@d.example".into();
        assert_eq!(taught(&traps), Some(Ground::Trap), "two traps");
        let mut both = mail.clone();
        to_another(&mut both);
        assert_eq!(taught(&both), None, "a person got it, too");
        both.recipients[1].because = vec![Tag::new("policy.unknown_recipient")];
        assert_eq!(taught(&both), Some(Ground::Trap), "the other does not exist");
        mail.proven = Some("b.example".into());
        find(&mut mail, "whitelist.proven", 0, true);
        assert_eq!(taught(&mail), None, "somebody welcomes the sender");
    }

    #[test]
    fn labels_never_come_from_a_classifier() {
        let mut mail = record(Direction::Inbound, "refuse");
        for tag in ["dnsbl.one", "dnsbl.two", "dnsbl.three"] {
            find(&mut mail, tag, 2, true);
        }
        let odds = Evidence::LogOdds {
            value: 9.0,
            support: 9_999,
        };
        let finding = Finding::new(Tag::new("bayes.odds"), odds, "");
        mail.findings
            .push(FindingRecord::new("bayes", Phase::Message, &finding, true));
        let row = &mut mail.recipients[0];
        row.level = Level::High;
        row.because = vec![Tag::new("dnsbl.one"), Tag::new("policy.high")];
        row.score = Score::points(12);
        row.fused = Some(Fused::new(9.0, 5.0, Score::points(11)));
        assert_eq!(taught(&mail), None, "only the classifiers' points kept it out");
        mail.recipients[0].because = vec![Tag::new("bayes.odds")];
        assert_eq!(taught(&mail), None, "a classifier's wish");
        mail.recipients[0].because = vec![Tag::new("dnsbl.one")];
        assert_eq!(taught(&mail), Some(Ground::Evidence), "a wish that is no classifier's");
        let row = &mut mail.recipients[0];
        row.because = vec![Tag::new("dnsbl.one"), Tag::new("policy.high")];
        row.score = Score::points(21);
        assert_eq!(taught(&mail), Some(Ground::Evidence), "far enough without them");
    }

    #[test]
    fn a_mail_is_of_the_domain_of_all_its_recipients_and_asked_for_by_each_id() {
        let mut mail = record(Direction::Inbound, "deliver");
        mail.recipients[0].went = Some("kept:k1".into());
        assert_eq!(domain(&mail).as_deref(), Some("d.example"));
        assert_eq!(ids(&mail), ["k1", "t1"]);
        mail.recipients
            .push(RecipientRecord::new(RecipientId(1), "eve@f.example".into()));
        assert_eq!(domain(&mail), None);
    }
}
