//! The ledger: nothing lost, nothing doubled, whoever is killed and whenever.
//!
//! Twenty clients send distinct mails while Gatepost is killed with SIGKILL and started again on the same folder, and the
//! mail server, too. Each attempt at a mail has a number that stands in its header, so each delivery and each kept
//! copy is traced to one attempt, and to what the client heard of that one. [`audit`] compares: what was answered with
//! 250 is at the mail server or in the archive; what was answered with 4xx or 5xx is at neither; and a recipient has a mail
//! twice only where the connection of the first attempt died between the mail server's 250 and ours, by a kill of
//! Gatepost, which is shown for each. Some mails are refused or put off by the mail server, at RCPT, DATA and the dot,
//! and some kept or refused by policy, so that there are 4xx and 5xx of all sorts.
//!
//! The mail server lives in the test's process; [`receiver`] says why. [`killer`] tells how kills are brought into all
//! phases, and [`phase`] how it is found out afterwards into which they fell.
//!
//! [`five`] is the same over five mail servers, where mail may wait; [`full`] is a queue whose disk is full.
//!
//! `make test` runs short forms. `make ledger` runs the long ones: 10,000 mails in less than ten minutes, 5,000 in six.
#![allow(
    clippy::disallowed_types,
    reason = "both sides of the proxy are played here, on real sockets"
)]
#![allow(clippy::disallowed_macros, reason = "a run ends with a report, for whoever reads it")]
#![allow(
    clippy::disallowed_methods,
    reason = "whoever plays with real sockets must know when to give up"
)]

mod audit;
mod books;
mod chance;
mod chaos;
mod disks;
mod five;
mod full;
#[path = "../stories/house/mod.rs"]
#[allow(dead_code, unused_imports, reason = "the stories use more of their house")]
mod house;
mod killer;
mod phase;
mod plan;
mod receiver;
mod sender;
mod stage;

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use audit::{Evidence, Report, audit};
use house::{Gatepost, eventually};
use killer::Orders;
use phase::{Phase, Victim};
use plan::Mail;
use serde_json::Value;
use stage::{Open, Stage};

/// How many clients send at the same time.
const CLIENTS: usize = 20;

/// A seed that nobody chose; it is printed, and a run with the same one chooses the same.
fn any_seed() -> u64 {
    let now = SystemTime::UNIX_EPOCH.elapsed().expect("a clock");
    u64::from(now.subsec_nanos()) ^ now.as_secs()
}

/// The mails, dealt out to the clients.
fn dealt(mails: &[Mail]) -> Vec<Vec<Mail>> {
    (0..CLIENTS)
        .map(|who| mails.iter().skip(who).step_by(CLIENTS).cloned().collect())
        .collect()
}

/// What the archive has: the attempt that stands in each subject, and whose copy it is.
fn kept(gatepost: &Gatepost) -> Vec<(u32, String)> {
    let mut kept = Vec::new();
    let mut last: Option<String> = None;
    loop {
        let mut verb = vec!["kept", "list", "--json", "--limit", "1000"];
        verb.extend(last.iter().flat_map(|last| ["--after", last]));
        // Where there is more than a page, or nothing, it says so.
        let (lines, complaint, content) = gatepost.command(&verb);
        assert!(content, "{complaint}");
        last = None;
        for line in lines.lines() {
            let mail: Value = serde_json::from_str(line).expect("JSON");
            let subject = mail["subject"].as_str().expect("a subject");
            let attempt = subject.trim_start_matches('a').parse().expect("a number");
            for to in mail["recipients"].as_array().expect("recipients") {
                kept.push((attempt, to.as_str().expect("an address").to_owned()));
            }
            last = mail["id"].as_str().map(str::to_owned);
        }
        if last.is_none() {
            return kept;
        }
    }
}

/// Both ledgers, compared after everybody has ended.
fn compare(stage: &Open, mails: &[Mail], kept: &[(u32, String)]) -> Report {
    stage.gatepost().stop();
    eventually("the end of the mail server's connections", || {
        stage.receiver.is_quiet().then_some(())
    });
    let (sent, sessions, marks) = (
        stage.books.sent.lock().expect("a lock"),
        stage.books.sessions.lock().expect("a lock"),
        stage.books.marks.lock().expect("a lock"),
    );
    audit(&Evidence {
        mails,
        sent: &sent,
        sessions: &sessions,
        marks: &marks,
        kept,
        kills: &stage.kills.lock().expect("a lock"),
    })
}

/// Sends so many mails under so many kills. Each phase must have met so many kills of each victim.
#[track_caller]
fn run(seed: u64, orders: Orders, least: usize, at_most: Duration) {
    println!("seed {seed}");
    let began = Instant::now();
    let numbers = 1..=u32::try_from(orders.mails).expect("a number");
    let mails: Vec<Mail> = numbers.map(|number| Mail::new(seed, number)).collect();
    let stage = Stage::open(seed, at_most, false, |setup| Gatepost::start(&setup));
    thread::scope(|scope| {
        for (who, mails) in dealt(&mails).into_iter().enumerate() {
            let stage: &Stage = &stage;
            scope.spawn(move || sender::send(stage, who as u64, mails));
        }
        killer::kill(&stage, orders);
    });
    let sent = began.elapsed();
    let kept = kept(&stage.gatepost());
    let report = compare(&stage, &mails, &kept);
    println!(
        "{} mails, {CLIENTS} clients, {:.0} s\n{report}",
        mails.len(),
        sent.as_secs_f64()
    );
    let wrongs = report.wrongs();
    assert!(wrongs.is_empty(), "seed {seed}: {wrongs:#?}");
    for victim in [Victim::Gatepost, Victim::Upstream] {
        for phase in Phase::ALL {
            let fell = report.fell(victim, phase);
            assert!(fell >= least, "seed {seed}: {fell} kills of {victim:?} in {phase:?}");
        }
    }
}

#[test]
fn some_hundred_mails_survive_kills() {
    let orders = Orders {
        steered: 1,
        anywhere: 4,
        mails: 500,
    };
    run(any_seed(), orders, 1, Duration::from_secs(60));
}

#[test]
#[ignore = "minutes: make ledger"]
fn ten_thousand_mails_survive_kills() {
    let orders = Orders {
        steered: 25,
        anywhere: 60,
        mails: 10_000,
    };
    run(any_seed(), orders, 20, Duration::from_secs(570));
}

/// Brings trouble over the proxy, so often, for so many attempts each time.
#[track_caller]
fn suffer(rounds: usize, each: usize) {
    let seed = any_seed();
    println!("seed {seed}");
    if let Some(report) = chaos::run(seed, rounds, each) {
        println!("{report}");
        let wrongs = report.wrongs();
        assert!(wrongs.is_empty(), "seed {seed}: {wrongs:#?}");
        assert!(
            report.delivered > 0 && report.kept > 0 && report.refused > 0,
            "{report}"
        );
    }
}

#[test]
fn no_trouble_costs_mail_and_each_raises_an_alarm() {
    suffer(1, 30);
}

#[test]
#[ignore = "minutes: make ledger"]
fn much_trouble_costs_no_mail_and_each_raises_an_alarm() {
    suffer(3, 400);
}

#[test]
fn some_hundred_letters_reach_four_customers_over_five_servers() {
    let orders = five::Orders { letters: 500, kills: 5 };
    five::run(any_seed(), orders);
}

#[test]
#[ignore = "minutes: make ledger"]
fn five_thousand_letters_reach_four_customers_over_five_servers() {
    let orders = five::Orders {
        letters: 5_000,
        kills: 60,
    };
    five::run(any_seed(), orders);
}
