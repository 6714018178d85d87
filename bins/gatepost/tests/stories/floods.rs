//! Clients that send too much, too long or too slowly (P-05, P-45 to P-47).

use std::thread;
use std::time::{Duration, Instant};

use crate::house::{Client, Gatepost, Reply, Script, Setup, Upstream, eventually, mail, say, stuffed};

fn stage(setup: impl FnOnce(Setup) -> Setup) -> (Upstream, Gatepost) {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&setup(Setup::before(upstream.address)));
    (upstream, gatepost)
}

/// Sends it again and again until the server has had enough, or so many times.
fn pour(client: &mut Client, line: &str, times: usize) -> usize {
    let chunk = line.repeat(100);
    (0..times / 100).take_while(|_| client.try_send(&chunk)).count() * 100
}

/// Names so many recipients that do not exist; whether the last was answered 421 and the next session, too.
fn harvest(gatepost: &Gatepost, allowed: usize) -> bool {
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    for n in 1..allowed {
        client.ask(&format!("RCPT TO:<guess{n}@example.org>")).is(550);
    }
    let last = client.ask("RCPT TO:<guess@example.org>").code;
    last == 421 && Client::connect(gatepost.address("mx")).reply().code == 421
}

#[test]
fn who_guesses_addresses_is_shown_the_door_and_not_let_in_again_at_once() {
    let upstream = Upstream::start(Script::new().on("RCPT TO:<guess", say("550 5.1.1 No such user")));
    let setup = Setup::before(upstream.address).set("limits.unknown_recipients_per_minute", "4");
    // A new minute may begin within a try, and forgets.
    let shown = (0..3).any(|_| {
        let gatepost = Gatepost::start(&setup);
        harvest(&gatepost, 4)
    });
    assert!(shown);
}

#[test]
fn only_no_such_mailbox_is_a_guess() {
    for answer in [
        "550 No",
        "550 5.0.0 No",
        "550 5.1.8 The domain of the sender does not exist",
    ] {
        let upstream = Upstream::start(Script::new().on("RCPT TO:<guess", say(answer)));
        let setup = Setup::before(upstream.address).set("limits.unknown_recipients_per_minute", "4");
        let gatepost = Gatepost::start(&setup);
        let mut client = gatepost.client();
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        for n in 0..12 {
            client.ask(&format!("RCPT TO:<guess{n}@example.org>")).is(550);
        }
        Client::connect(gatepost.address("mx")).reply().is(220);
    }
}

#[test]
fn a_million_noops_end_at_421() {
    let (_upstream, gatepost) = stage(|setup| setup);
    for line in [
        "NOOP\r\n",
        "RSET\r\n",
        "EHLO x.example\r\n",
        "VRFY x\r\n",
        "HELP\r\n",
        "FOO\r\n",
    ] {
        let mut client = gatepost.client();
        pour(&mut client, line, 1_000_000);
        let mut last = None;
        let mut count = 0;
        while let Some(reply) = client.try_reply() {
            count += 1;
            last = Some(reply);
        }
        assert!(count <= 102, "{line:?}: {count} replies");
        // A reset by the peer may swallow the last words of one that is still being spoken to.
        if let Some(reply) = last.filter(|_| count > 100) {
            reply.begins("421 4.7.0");
        }
    }
    let mut client = gatepost.client();
    // EHLO was the first of the hundred.
    for _ in 0..99 {
        client.ask("NOOP").is(250);
    }
    client.ask("NOOP").begins("421 4.7.0");
    client.ends();
}

/// Names so many recipients, a hundred at a time. Says how many were granted and how many were too many, and the reply
/// that was neither.
fn name(client: &mut Client, count: usize) -> (usize, usize, Option<Reply>) {
    let (mut granted, mut refused) = (0, 0);
    for batch in 0..count / 100 {
        let lines: String = (0..100)
            .map(|n| format!("RCPT TO:<u{batch}.{n}@example.org>\r\n"))
            .collect();
        client.send(lines);
        for _ in 0..100 {
            let reply = client.reply();
            match reply.code {
                250 => granted += 1,
                452 => refused += 1,
                _ => return (granted, refused, Some(reply)),
            }
        }
    }
    (granted, refused, None)
}

#[test]
fn a_hundred_thousand_recipients_are_counted_and_not_kept() {
    let (upstream, gatepost) = stage(|setup| setup.set("limits.recipients", "1000"));
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    let before = gatepost.peak_memory();
    // One who has more than there may be sends to the others another time.
    let (granted, refused, _) = name(&mut client, 1500);
    assert_eq!((granted, refused), (1000, 500));
    client.data();
    client.content(&mail("many")).is(250);
    assert_eq!(upstream.taken()[0].to.len(), 1000);
    // One who never stops is stopped.
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    let (granted, refused, last) = name(&mut client, 100_000);
    assert_eq!(granted, 1000);
    assert!(refused < 5000, "{refused}");
    last.expect("a last word").begins("421 4.7.0");
    client.ends();
    assert!(
        gatepost.peak_memory() < before + 32 * 1024,
        "{before} KiB, then {} KiB",
        gatepost.peak_memory()
    );
    upstream.quiet();
    assert_eq!(upstream.complete().len(), 1);
}

#[test]
fn a_command_that_is_too_long_is_one_command() {
    let (upstream, gatepost) = stage(|setup| setup);
    let mut client = gatepost.client();
    client.send(format!(
        "MAIL FROM:<{}@there.example>\r\nRCPT TO:<bob@example.org>\r\n",
        "a".repeat(10_000)
    ));
    client.reply().begins("500 5.5.2");
    client.reply().is(503);
    client.send([&b"NOOP "[..], &vec![b'x'; 1_000_000], b"\r\n"].concat());
    client.reply().is(500);
    // One that is long, and not too long.
    let long = format!("{}example", "x.".repeat(60));
    client.ask(&format!("MAIL FROM:<ann@{long}>")).is(250);
    client.quit();
    assert!(upstream.quiet().iter().all(|session| !session.is_about_mail()));
}

#[test]
fn a_line_of_100_mb_takes_no_memory_and_gets_552() {
    let (upstream, gatepost) = stage(|setup| setup.set("limits.message_size", "'10 MiB'"));
    let before = gatepost.peak_memory();
    let mut client = gatepost.client();
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.data();
    let block = vec![b'x'; 1 << 20];
    for _ in 0..100 {
        if !client.try_send(&block) {
            break;
        }
    }
    client.try_send("\r\n.\r\n");
    client.reply().begins("552 5.3.4");
    assert!(
        gatepost.peak_memory() < before + 32 * 1024,
        "{before} KiB, then {} KiB",
        gatepost.peak_memory()
    );
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("after"))
        .is(250);
    client.quit();
    assert_eq!(upstream.complete().len(), 1);
}

#[test]
fn a_message_without_an_end_is_cut() {
    let (upstream, gatepost) = stage(|setup| setup.set("limits.message_size", "'64 KiB'"));
    let before = gatepost.peak_memory();
    let mut client = gatepost.client();
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.data();
    let block = b"A line without an end of the message behind it.\r\n".repeat(20_000);
    let sent = (0..1000).take_while(|_| client.try_send(&block)).count();
    assert!(sent < 1000, "a gigabyte was taken");
    assert!(gatepost.peak_memory() < before + 32 * 1024);
    assert!(upstream.quiet().iter().all(|session| !session.has("DATA")));
}

#[test]
fn who_drips_is_shown_the_door_in_each_phase() {
    let (upstream, gatepost) = stage(|setup| {
        setup
            .set("timeouts.command", "'1s'")
            .set("timeouts.busy_command", "'1s'")
            .set("timeouts.data", "'1s'")
            .set("timeouts.data_grace", "'1s'")
            .set("timeouts.data_rate", "1000")
    });
    let address = gatepost.address("mx");
    // What is said at once, and what then drips, an octet in 100 ms.
    let phases: [(&[&str], &str); 6] = [
        (&[], ""),
        (&[], "EHLO client.there.example"),
        (&["EHLO x.example"], "NOOPNOOPNOOPNOOPNOOPNOOPNOOP"),
        (
            &["EHLO x.example", "MAIL FROM:<a@b.example>"],
            "RCPT TO:<bob@example.org>",
        ),
        (
            &[
                "EHLO x.example",
                "MAIL FROM:<a@b.example>",
                "RCPT TO:<bob@example.org>",
                "DATA",
            ],
            "",
        ),
        (
            &[
                "EHLO x.example",
                "MAIL FROM:<a@b.example>",
                "RCPT TO:<bob@example.org>",
                "DATA",
            ],
            "Subject: drip drip drip drip",
        ),
    ];
    thread::scope(|scope| {
        for (said, drips) in phases {
            scope.spawn(move || {
                let mut client = Client::greeted(address);
                for line in said {
                    client.ask(line);
                }
                let began = Instant::now();
                for octet in drips.bytes() {
                    thread::sleep(Duration::from_millis(100));
                    if !client.try_send([octet]) {
                        break;
                    }
                }
                let replies = client.until_the_end();
                let took = began.elapsed();
                assert!(took < Duration::from_secs(8), "{said:?} {drips:?}: {took:?}");
                if let Some(reply) = replies.first() {
                    reply.clone().begins("421 4.4.2");
                } else {
                    assert!(!drips.is_empty(), "{said:?}: no word");
                }
            });
        }
    });
    upstream.quiet();
    assert!(upstream.complete().is_empty());
}

#[test]
fn a_full_spool_defers_and_recovers() {
    let (upstream, gatepost) = stage(|setup| {
        setup
            .set("capacity.spool", "'256 KiB'")
            .set("capacity.memory_per_message", "'16 KiB'")
            .set("limits.message_size", "'5 MiB'")
    });
    let large = [&mail("large")[..], &b"0123456789abcdef\r\n".repeat(60_000)].concat();
    let mut client = gatepost.client();
    client
        .ask("MAIL FROM:<ann@there.example> SIZE=1000000")
        .begins("452 4.3.1");
    let reply = client.mail("ann@there.example", &["bob@example.org"], &large);
    assert!(matches!(reply.code, 451 | 452), "{reply}");
    // Two that fit only one after the other.
    let half = [&mail("half")[..], &b"0123456789abcdef\r\n".repeat(9_000)].concat();
    let mut holder = gatepost.client();
    holder.envelope("ann@there.example", &["bob@example.org"]);
    holder.data();
    holder.send(stuffed(&half));
    eventually("a part of the message in the spool", || {
        (gatepost.metric("gatepost_spool_disk_bytes") > 100_000.0).then_some(())
    });
    let reply = client.mail("ann@there.example", &["bob@example.org"], &half);
    assert!(matches!(reply.code, 451 | 452), "{reply}");
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("small"))
        .is(250);
    holder.send(".\r\n");
    holder.reply().is(250);
    holder.quit();
    eventually("an empty spool", || {
        (gatepost.metric("gatepost_spool_disk_bytes") == 0.0).then_some(())
    });
    client.mail("ann@there.example", &["bob@example.org"], &half).is(250);
    client.quit();
    assert_eq!(upstream.taken().len(), 3);
    assert_eq!(upstream.complete().len(), 3);
}

#[test]
fn a_client_with_too_many_sessions_hears_421_and_others_go_on() {
    let (_upstream, gatepost) = stage(|setup| {
        setup.set("limits.sessions_per_client", "3").listener(
            "balanced",
            "inbound",
            &[("proxy_protocol_from", "['127.0.0.1']")],
        )
    });
    let address = gatepost.address("mx");
    eventually("no session", || {
        (gatepost.metric("gatepost_sessions") == 0.0).then_some(())
    });
    let mut three: Vec<_> = (0..3).map(|_| Client::introduced(address)).collect();
    let mut fourth = Client::connect(address);
    fourth.reply().begins("421 4.7.0");
    fourth.ends();
    let mut other = Client::connect(gatepost.address("balanced"));
    other.send("PROXY TCP4 203.0.113.5 192.0.2.1 40000 25\r\n");
    other.reply().is(220);
    three.pop().expect("three").quit();
    eventually("room for one more", || {
        let mut client = Client::connect(address);
        (client.reply().code == 220).then_some(())
    });
}

#[test]
fn errors_have_an_end() {
    let (_upstream, gatepost) = stage(|setup| setup.set("limits.errors", "5").set("limits.mails", "2"));
    let mut client = gatepost.client();
    for _ in 0..5 {
        let code = client.ask("FOO").code;
        assert!((500..=502).contains(&code), "{code}");
    }
    client.ask("NOOP").begins("421 4.7.0");
    client.ends();
    let mut client = gatepost.client();
    for n in 0..2 {
        client
            .mail("ann@there.example", &["bob@example.org"], &mail(&format!("n{n}")))
            .is(250);
    }
    client.ask("MAIL FROM:<ann@there.example>").begins("421 4.7.0");
    client.ends();
}
