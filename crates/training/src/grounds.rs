//! What a finished transaction teaches without anybody's word: pure functions of its record.
//!
//! **Invariant:** no ground is what a classifier said. Its log-odds never count here, and neither do the level and the
//! score that came of them, save that mail of our own people that looks unwanted teaches nothing. Findings that do not
//! count (mode `monitor`) teach nothing either: the operator does not trust them yet. Where two grounds contradict each
//! other, nothing is learned.

use gatepost_core::human::{from_a_person, was_delivered};
use gatepost_core::{
    Address, Direction, Evidence, FindingRecord, Ground, Label, Level, LoginBy, Record, Seed, network,
};

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

/// What a transaction teaches; `headers` are the message's.
pub fn of(record: &Record, headers: &gatepost_core::message::Headers, settings: &Settings) -> Option<Taught> {
    let taught = |label, ground, by: &str| Taught {
        label,
        ground,
        by: by.to_owned(),
    };
    if record.direction == Direction::Outbound {
        let by = settings.outbound.learn.then(|| sender(record, headers)).flatten()?;
        return Some(taught(Label::Ham, Ground::Outbound, by));
    }
    // Our own people may write to a trap by mistake.
    if record.login.is_some() || record.from.as_deref().is_none_or(str::is_empty) {
        return None;
    }
    let welcome = is_welcome(record, settings);
    let trap = has(record, &settings.trap.tags);
    let evident = settings.evidence.rules.iter().any(|rule| agrees(record, rule));
    match (welcome, trap, evident) {
        (true, false, false) => (settings.welcome.learn && is_delivered_to_all(record))
            .then(|| taught(Label::Ham, Ground::Welcome, "welcome")),
        (false, true, _) => settings.trap.learn.then(|| taught(Label::Spam, Ground::Trap, "trap")),
        (false, false, true) => {
            (settings.evidence.learn && is_kept_out(record)).then(|| taught(Label::Spam, Ground::Evidence, "evidence"))
        }
        _ => None,
    }
}

/// Who of our own people sent a mail that is a person's and was accepted.
fn sender<'a>(record: &'a Record, headers: &gatepost_core::message::Headers) -> Option<&'a str> {
    let login = record.login.as_ref()?;
    let from = Address::parse(record.from.as_deref()?, true).ok()?;
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

fn has(record: &Record, tags: &[String]) -> bool {
    let found = |finding: &FindingRecord| {
        finding.counts && !matches!(finding.evidence, Evidence::LogOdds { .. }) && matches(finding, tags)
    };
    record.findings.iter().any(found)
}

fn is_welcome(record: &Record, settings: &Settings) -> bool {
    record.proven.is_some() && has(record, &settings.welcome.tags)
}

fn agrees(record: &Record, rule: &Rule) -> bool {
    let speaks = |finding: &&FindingRecord| {
        let points = matches!(finding.evidence, Evidence::Points(points) if points > gatepost_core::Score::ZERO);
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

/// Whether a mail was kept from all of its recipients, or would have been had the policy been in force.
fn is_kept_out(record: &Record) -> bool {
    let rows = &record.recipients;
    let out = |fate: &str| matches!(fate, "refuse" | "discard" | "hold");
    !rows.is_empty() && rows.iter().all(|row| out(row.would.as_deref().unwrap_or(&row.fate)))
}

fn domain_of(address: &str) -> Option<String> {
    Address::parse(address, true).ok().map(|address| address.domain().key())
}

/// Where a mail came from, for caps. Mail of our own people comes from the one who sent it.
pub fn sources(record: &Record, seed: Seed) -> Sources {
    if record.direction == Direction::Outbound {
        let name = record.login.as_ref().map_or("", |login| &*login.name);
        return Sources {
            sender: seed.hash(&[b"login", name.as_bytes()]),
            network: 0,
        };
    }
    let author = || {
        record
            .author
            .as_deref()
            .and_then(|author| gatepost_core::Author::read(author).one())
    };
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
    use gatepost_core::message::Headers;
    use gatepost_core::{End, Finding, Login, Phase, RecipientId, RecipientRecord, Score, Tag};
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
        taught_with(record, "\r\n")
    }

    fn taught_with(record: &Record, head: &'static str) -> Option<Ground> {
        let headers = Headers::parse(head.as_bytes().into());
        of(record, &headers, &Settings::default()).map(|taught| taught.ground)
    }

    #[test]
    fn mail_of_our_own_people_that_was_accepted_is_ham_by_its_login() {
        let mut sent = record(Direction::Outbound, "deliver");
        assert_eq!(taught(&sent), None, "nobody logged in");
        sent.login = Some(Login::new("ann@b.example", LoginBy::Auth));
        assert_eq!(taught(&sent), Some(Ground::Outbound));
        assert_eq!(taught_with(&sent, "X-Autoreply: yes\r\n\r\n"), None, "a machine's");
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
