//! Two customers, each with a mail server of their own: one goes away for the length of 2,000 messages, and Gatepost is
//! killed meanwhile; the other never notices.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::house::{Client, Gatepost, Postfix, Setup, mail, stuffed};

/// The customer whose server goes.
const AWAY: &str = "away.example";
/// Messages for it while it is gone.
const MESSAGES: usize = 2_000;
/// Who sends them.
const CLIENTS: usize = 4;
/// How often Gatepost is killed meanwhile.
const KILLS: usize = 3;
/// How long after its return the last one may come.
const RETURN: Duration = Duration::from_secs(60);

/// How an attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Heard {
    /// The answer to the dot, or to whatever came before it and was no yes.
    Code(u16),
    /// No answer to the dot: perhaps it is taken.
    NothingToTheDot,
    /// No answer to something before: it is not.
    Nothing,
}

/// One attempt at a mail with this subject, in a session of its own.
fn attempt(address: SocketAddr, to: &str, subject: &str) -> Heard {
    let Ok(mut client) = Client::try_connect(address) else {
        return Heard::Nothing;
    };
    match client.try_greeting() {
        Some(reply) if reply.code == 220 => {}
        Some(reply) => return Heard::Code(reply.code),
        None => return Heard::Nothing,
    }
    for (line, code) in [
        ("EHLO client.there.example".to_owned(), 250),
        ("MAIL FROM:<ann@there.example>".into(), 250),
        (format!("RCPT TO:<{to}>"), 250),
        ("DATA".into(), 354),
    ] {
        let said = client.try_send(format!("{line}\r\n")).then(|| client.try_reply());
        match said.flatten() {
            Some(reply) if reply.code == code => {}
            Some(reply) => return Heard::Code(reply.code),
            None => return Heard::Nothing,
        }
    }
    let mut content = stuffed(&mail(subject));
    content.extend_from_slice(b".\r\n");
    if !client.try_send(content) {
        return Heard::Nothing;
    }
    match client.try_reply() {
        Some(reply) => {
            client.try_send("QUIT\r\n");
            Heard::Code(reply.code)
        }
        None => Heard::NothingToTheDot,
    }
}

/// Sends a mail until it is taken. How many attempts ended without an answer to the dot, and what was said that was no yes.
fn send(address: SocketAddr, to: &str, subject: &str) -> (usize, Vec<u16>) {
    let (mut unsure, mut said) = (0, Vec::new());
    let began = Instant::now();
    loop {
        match attempt(address, to, subject) {
            Heard::Code(250) => return (unsure, said),
            Heard::Code(code) => said.push(code),
            Heard::NothingToTheDot => unsure += 1,
            Heard::Nothing => {}
        }
        assert!(began.elapsed() < RETURN, "{subject} is not taken: {said:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// How often each message is in the mailboxes.
fn arrived(postfix: &Postfix) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for delivered in postfix.delivered() {
        let text = String::from_utf8_lossy(&delivered.file);
        let id = text.lines().find_map(|line| line.strip_prefix("Message-ID: <"));
        let id = id.and_then(|id| id.split('@').next()).expect("a Message-ID");
        *counts.entry(id.to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn postfix_is_away_for_two_thousand_messages_and_its_neighbour_never_notices() {
    let (mut gone, neighbour) = (Postfix::of(AWAY, ""), Postfix::start(""));
    let customer = format!("domain.'{AWAY}'");
    let setup = Setup::before(neighbour.address)
        .set(&format!("{customer}.hold"), "'2d'")
        .set(&format!("{customer}.server.upstream"), format!("'{}'", gone.address))
        .set(&format!("{customer}.server.tls"), "'none'")
        .set("log.level", "'info'");
    let mut gatepost = Gatepost::start(&setup);
    let mx = gatepost.address("mx");
    // Who exists is known by what the server said while it was there.
    assert_eq!(send(mx, &format!("bob@{AWAY}"), "before"), (0, Vec::new()));
    gone.leaves();
    let (next, taken, over) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    let (unsure, neighbours) = thread::scope(|scope| {
        let senders: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let mut unsure = BTreeMap::new();
                    loop {
                        let number = next.fetch_add(1, Ordering::SeqCst);
                        if number >= MESSAGES {
                            return unsure;
                        }
                        let subject = format!("away{number}");
                        let (perhaps, _) = send(mx, &format!("bob@{AWAY}"), &subject);
                        taken.fetch_add(1, Ordering::SeqCst);
                        if perhaps > 0 {
                            unsure.insert(subject, perhaps);
                        }
                    }
                })
            })
            .collect();
        let other = scope.spawn(|| {
            let mut sent = Vec::new();
            while !over.load(Ordering::SeqCst) {
                let subject = format!("near{}", sent.len());
                let began = Instant::now();
                let (perhaps, said) = send(mx, "alice@example.org", &subject);
                sent.push((subject, perhaps, said, began.elapsed()));
                thread::sleep(Duration::from_millis(100));
            }
            sent
        });
        for kill in 1..=KILLS {
            while taken.load(Ordering::SeqCst) < kill * MESSAGES / (KILLS + 1) {
                thread::sleep(Duration::from_millis(1));
            }
            gatepost.kill();
            gatepost.again();
        }
        let mut unsure = BTreeMap::new();
        for sender in senders {
            unsure.extend(sender.join().expect("a sender"));
        }
        over.store(true, Ordering::SeqCst);
        (unsure, other.join().expect("a sender"))
    });
    let depth: serde_json::Value = serde_json::from_str(&gatepost.tells(&["queue", "--json"])).expect("JSON");
    let waiting = depth["mails"].as_u64().expect("a number");
    let most = MESSAGES + unsure.values().sum::<usize>();
    assert!(
        (MESSAGES as u64..=most as u64).contains(&waiting),
        "{waiting} wait, of {unsure:?} nobody knows"
    );
    gone.returns();
    let returned = Instant::now();
    let counts = loop {
        let counts = arrived(&gone);
        if counts.values().sum::<usize>() > waiting as usize {
            break counts;
        }
        assert!(
            returned.elapsed() < RETURN,
            "{} of {waiting} came within {RETURN:?}: {}",
            counts.len(),
            gatepost.tells(&["queue"])
        );
        thread::sleep(Duration::from_millis(100));
    };
    println!(
        "{waiting} messages came within {:?}; {} were sent again by clients that had heard nothing",
        returned.elapsed(),
        unsure.len()
    );
    for number in 0..MESSAGES {
        let subject = format!("away{number}");
        let times = counts.get(&subject).copied().unwrap_or(0);
        let most = 1 + unsure.get(&subject).copied().unwrap_or(0);
        // Once; one whose client heard nothing and sent it again is a mail of its own.
        assert!((1..=most).contains(&times), "{subject} is there {times} times");
    }
    assert_eq!(counts.get("before"), Some(&1));
    assert_eq!(gatepost.tells(&["queue"]).trim(), "no mail waits");
    let near = arrived(&neighbour);
    assert!(neighbours.len() > 10, "{neighbours:?}");
    for (subject, perhaps, said, took) in &neighbours {
        assert!(said.is_empty(), "{subject} was put off: {said:?}");
        let times = near.get(subject).copied().unwrap_or(0);
        assert!((1..=1 + perhaps).contains(&times), "{subject} is there {times} times");
        assert!(*took < Duration::from_secs(10), "{subject} took {took:?}");
    }
    gatepost.stop();
}
