//! The lists that are shipped: public ones that answer, with what they document and on which terms.
//!
//! **Absent on purpose:** lists that list whole networks to punish them, those that want money for taking an entry off, and
//! those that are gone and answer for everything some day.

use std::collections::BTreeMap;

use gatepost_core::Score;

use crate::options::{AnswerOptions, Check, Ipv6, Kind, ListOptions, Of};

const SPAMHAUS: &str =
    "free for small, non-commercial sites that ask through a resolver of their own; else with a key (DQS), see README";

fn answer(answer: &str, points: i32, about: &str) -> AnswerOptions {
    AnswerOptions {
        answer: answer.into(),
        points: Some(Score::hundredths(points)),
        about: about.into(),
        connecting_only: false,
    }
}

fn list(zone: &str, kinds: &[Kind], answers: Vec<AnswerOptions>, see: &str, terms: &str) -> ListOptions {
    ListOptions {
        zone: Some(zone.into()),
        kinds: Some(kinds.to_vec()),
        answers: Some(answers),
        see: Some(see.into()),
        terms: Some(terms.into()),
        ..ListOptions::default()
    }
}

/// The shipped lists, by name.
pub fn lists() -> BTreeMap<String, ListOptions> {
    let refusals = |all: &[&str]| Some(all.iter().map(|one| (*one).to_owned()).collect());
    let zen = list(
        "zen.spamhaus.org",
        &[Kind::Address],
        vec![
            answer("127.0.0.2", 400, "SBL, source of spam"),
            answer("127.0.0.3", 350, "CSS, source of spam"),
            answer("127.0.0.4-7", 450, "XBL, hijacked machine"),
            answer("127.0.0.9", 600, "DROP, hijacked network"),
            AnswerOptions {
                connecting_only: true,
                ..answer("127.0.0.10-11", 350, "PBL, should send no mail directly")
            },
        ],
        "https://check.spamhaus.org/",
        SPAMHAUS,
    );
    let dbl = list(
        "dbl.spamhaus.org",
        &[Kind::Domain],
        vec![
            answer("127.0.1.2", 450, "spam"),
            answer("127.0.1.4", 600, "phishing"),
            answer("127.0.1.5", 600, "malware"),
            answer("127.0.1.6", 600, "botnet"),
            answer("127.0.1.102", 150, "abused, spam"),
            answer("127.0.1.103", 150, "abused redirector"),
            answer("127.0.1.104", 250, "abused, phishing"),
            answer("127.0.1.105", 250, "abused, malware"),
            answer("127.0.1.106", 250, "abused, botnet"),
        ],
        "https://check.spamhaus.org/",
        SPAMHAUS,
    );
    let sbl = list(
        "sbl.spamhaus.org",
        &[Kind::NameServer],
        vec![
            answer("127.0.0.2", 200, "SBL, name server at a source of spam"),
            answer("127.0.0.3", 100, "CSS, name server at a source of spam"),
            answer("127.0.0.9", 300, "DROP, name server in a hijacked network"),
        ],
        "https://check.spamhaus.org/",
        SPAMHAUS,
    );
    let zrd = list(
        "{key}.zrd.dq.spamhaus.net",
        &[Kind::Domain],
        vec![answer("127.0.2.2-24", 200, "first seen within a day")],
        "https://check.spamhaus.org/",
        "with a key (DQS) only",
    );
    let spamcop = list(
        "bl.spamcop.net",
        &[Kind::Address],
        vec![answer("127.0.0.2", 300, "reported as a source of spam")],
        "https://www.spamcop.net/bl.shtml",
        "free",
    );
    let psbl = list(
        "psbl.surriel.com",
        &[Kind::Address],
        vec![answer("127.0.0.2", 250, "sent to a spam trap")],
        "https://psbl.org/",
        "free",
    );
    let barracuda = list(
        "b.barracudacentral.org",
        &[Kind::Address],
        vec![answer("127.0.0.2", 250, "poor reputation")],
        "https://www.barracudacentral.org/rbl/removal-request",
        "free once the address of your resolver is registered there; off until you turn it on",
    );
    let dnswl = list(
        "list.dnswl.org",
        &[Kind::Address],
        vec![
            answer("127.0.*.0", 0, "known, no trust"),
            answer("127.0.*.1", -100, "low trust"),
            answer("127.0.*.2", -300, "medium trust"),
            answer("127.0.*.3", -500, "high trust"),
        ],
        "https://www.dnswl.org/",
        "free below 100,000 questions a day, not for sellers of filters",
    );
    let surbl = list(
        "multi.surbl.org",
        &[Kind::Domain, Kind::LinkAddress],
        vec![
            answer("&4", 0, "disposable addresses"),
            answer("&8", 550, "phishing"),
            answer("&16", 550, "malware"),
            answer("&32", 0, "counts clicks"),
            answer("&64", 400, "spam"),
            answer("&128", 200, "cracked site"),
        ],
        "https://surbl.org/surbl-analysis",
        "free for small sites that ask through a resolver of their own",
    );
    let uribl = list(
        "multi.uribl.com",
        &[Kind::Domain, Kind::LinkAddress],
        vec![
            answer("&2", 400, "black"),
            answer("&4", 50, "grey"),
            answer("&8", 150, "red"),
        ],
        "https://admin.uribl.com/",
        "free for small sites that ask through a resolver of their own",
    );
    let named = [
        (
            "barracuda",
            ListOptions {
                enabled: Some(false),
                ..barracuda
            },
        ),
        (
            "dnswl",
            ListOptions {
                ipv6: Some(Ipv6::Whole),
                refusals: refusals(&["127.0.0.255", "127.0.10.*", "127.0.*.255"]),
                // Its test entry is one of those answers.
                check: Some(Check::Clean),
                ..dnswl
            },
        ),
        ("psbl", psbl),
        (
            "spamhaus_dbl",
            ListOptions {
                of: Some(vec![Of::Helo, Of::Reverse, Of::Sender, Of::Author, Of::Link]),
                refusals: refusals(&["127.0.1.255"]),
                test_entry: Some("dbltest.com".into()),
                ..dbl
            },
        ),
        ("spamhaus_sbl", sbl),
        (
            "spamhaus_zen",
            ListOptions {
                ipv6: Some(Ipv6::Whole),
                ..zen
            },
        ),
        (
            "spamhaus_zrd",
            ListOptions {
                of: Some(vec![Of::Sender, Of::Author, Of::Link]),
                refusals: refusals(&["127.0.2.255"]),
                check: Some(Check::Clean),
                ..zrd
            },
        ),
        ("spamcop", spamcop),
        (
            "surbl",
            ListOptions {
                refusals: refusals(&["&1"]),
                test_entry: Some("surbl-org-permanent-test-point.com".into()),
                ..surbl
            },
        ),
        (
            "uribl",
            ListOptions {
                refusals: refusals(&["&1"]),
                test_entry: Some("test.uribl.com".into()),
                ..uribl
            },
        ),
    ];
    named.into_iter().map(|(name, list)| (name.to_owned(), list)).collect()
}
