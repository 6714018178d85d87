//! A real clamd behind the proxy: what it finds reaches no mail server, and when it dies nothing is lost and nothing
//! passes as clean (S-11).

use std::thread;

use crate::house::{Clamd, Client, Gatepost, Reply, Script, Setup, Upstream, eventually, holds, mail};

/// The mark of mail that was not scanned.
const MARK: &[u8] = b"X-Gatepost-Unchecked: clamav\r\n";

/// The EICAR test file, put together here so that it lies in no file of ours.
fn eicar() -> Vec<u8> {
    let halves = [
        r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD",
        "-ANTIVIRUS-TEST-FILE!$H+H*",
    ];
    halves.concat().into_bytes()
}

fn base64(octets: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in octets.chunks(3) {
        let number = three.iter().fold(0_usize, |sum, octet| sum << 8 | usize::from(*octet)) << (8 * (3 - three.len()));
        for n in 0..4 {
            let letter = LETTERS[number >> (18 - 6 * n) & 63];
            out.push(if n <= three.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// A mail with a file in base64, behind so many lines of text.
fn with_file(subject: &str, file: &[u8], lines: usize) -> Vec<u8> {
    let text = "A line of words that nobody would mind.\r\n".repeat(lines);
    format!(
        "From: Ann <ann@there.example>\r\nTo: bob@example.org\r\nSubject: {subject}\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\n\
         Message-ID: <{subject}@there.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\n{text}\r\n--b\r\nContent-Type: application/octet-stream; name=a.bin\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n--b--\r\n",
        base64(file)
    )
    .into_bytes()
}

fn servers(setup: Setup, servers: &[String]) -> Setup {
    let list: Vec<_> = servers.iter().map(|server| format!("'{server}'")).collect();
    setup
        .set("pipeline.inbound.tiers", "[['whitelist'], ['clamav']]")
        .set("pipeline.outbound.tiers", "[['clamav']]")
        .set("filters.clamav.options.servers", format!("[{}]", list.join(", ")))
}

fn before(upstream: &Upstream, clamd: &Clamd) -> Setup {
    servers(Setup::before(upstream.address), &[clamd.socket().display().to_string()])
}

#[track_caller]
fn sends(gatepost: &Gatepost, to: &str, content: &[u8]) -> Reply {
    let mut client = gatepost.client();
    let reply = client.mail("ann@there.example", &[to], content);
    client.quit();
    reply
}

#[test]
fn what_clamd_finds_is_refused_by_name_and_reaches_no_mail_server() {
    let (upstream, clamd) = (Upstream::start(Script::new()), Clamd::start(""));
    let gatepost = Gatepost::start(
        &before(&upstream, &clamd)
            .set("filters.whitelist.options.unproven", "['ann@there.example']")
            .submission(),
    );
    let named = "550 5.7.1 Refused: the message carries Gatepost.Eicar.UNOFFICIAL";
    let plain = [&mail("plain")[..], &eicar(), b"\r\n"].concat();
    let file = with_file("file", &eicar(), 1);
    // Longer than what is kept in memory: it is scanned from its file.
    let long = with_file("long", &eicar(), 50_000);
    for content in [&plain, &file, &long] {
        sends(&gatepost, "bob@example.org", content).begins(named);
    }
    // Nobody is so welcome, and nobody so much one of ours, that what they send is not looked at.
    gatepost.tells(&["whitelist", "add", "ann@there.example"]);
    sends(&gatepost, "bob@example.org", &file).begins(named);
    let mut ours = Client::introduced(gatepost.address("submission"));
    ours.mail("bob@example.org", &["ann@there.example"], &file)
        .begins(named);
    ours.quit();
    assert!(upstream.complete().is_empty(), "nothing of it went on");
    let record = gatepost.record("a refused mail", |record| record["size"].as_u64() > Some(1_000_000));
    let line = record.to_string();
    for words in [
        "clamav.found",
        "Gatepost.Eicar.UNOFFICIAL (",
        "ClamAV ",
        "\"fate\":\"refuse\"",
    ] {
        assert!(line.contains(words), "{words}: {line}");
    }
    for content in [mail("clean"), with_file("clean", b"harmless", 50_000)] {
        sends(&gatepost, "bob@example.org", &content).is(250);
    }
    let taken = upstream.taken();
    assert_eq!(taken.len(), 2);
    assert!(taken.iter().all(|mail| !holds(&mail.wire, MARK)));
}

#[test]
fn what_is_found_may_be_kept_for_administrators_or_vanish_with_a_copy() {
    let (upstream, clamd) = (Upstream::start(Script::new()), Clamd::start(""));
    let setup = before(&upstream, &clamd)
        .set("local_domains", "['hold.example', 'discard.example']")
        .set("domain.'hold.example'.filters.clamav.options.action", "'hold'")
        .set("domain.'discard.example'.filters.clamav.options.action", "'discard'");
    let gatepost = Gatepost::start(&setup);
    for to in ["bob@hold.example", "bob@discard.example"] {
        sends(&gatepost, to, &with_file("found", &eicar(), 1)).is(250);
    }
    assert!(upstream.complete().is_empty());
    let kept = gatepost.tells(&["kept", "list", "--reason", "dangerous"]);
    assert!(
        kept.contains("bob@hold.example") && kept.contains("bob@discard.example"),
        "{kept}"
    );
    for fate in ["hold", "discard"] {
        gatepost.record(fate, |record| {
            record.to_string().contains(&format!("\"fate\":\"{fate}\""))
        });
    }
}

#[test]
fn a_clamd_that_is_killed_while_it_scans_loses_no_mail_and_lets_none_pass() {
    const EACH: usize = 12;
    const SCANS: usize = 10;
    let (upstream, mut clamd) = (Upstream::start(Script::new()), Clamd::start(""));
    let setup = before(&upstream, &clamd)
        .set("local_domains", "['defer.example', 'mark.example', 'hold.example']")
        .set("domain.'mark.example'.filters.clamav.on_fault", "'mark'")
        .set("domain.'hold.example'.filters.clamav.on_fault", "'hold'");
    let gatepost = Gatepost::start(&setup);
    let domains = ["defer", "mark", "hold"];
    let content = |domain: &str, n: usize| with_file(&format!("{domain}{n}"), &[0; 9_000], 1_000);

    clamd.freeze();
    let replies: Vec<(&str, Reply)> = thread::scope(|scope| {
        let clients: Vec<_> = domains
            .iter()
            .flat_map(|domain| (0..EACH).map(move |n| (*domain, n)))
            .map(|(domain, n)| {
                let gatepost = &gatepost;
                scope.spawn(move || {
                    let reply = sends(gatepost, &format!("bob@{domain}.example"), &content(domain, n));
                    (domain, reply)
                })
            })
            .collect();
        // As many as may are in its hands, and all others wait for their turn.
        eventually("scans under way", || (clamd.connections() >= SCANS).then_some(()));
        clamd.kill();
        clients
            .into_iter()
            .map(|client| client.join().expect("an answer for each client"))
            .collect()
    });
    for (domain, reply) in &replies {
        let expected = if *domain == "defer" { 451 } else { 250 };
        assert_eq!(reply.code, expected, "{domain}: {reply}");
    }
    let taken = upstream.taken();
    assert_eq!(taken.len(), EACH, "the marked ones, each once");
    for mail in &taken {
        assert_eq!(mail.to, ["RCPT TO:<bob@mark.example>"]);
        assert!(holds(&mail.wire, MARK), "and none as if it were clean");
    }
    let kept = gatepost.tells(&["kept", "list", "--domain", "hold.example", "--limit", "100"]);
    assert_eq!(kept.lines().count(), EACH, "{kept}");
    gatepost.logs(&["clamd_gone"]);

    // It is back, and so is its word.
    clamd.again();
    eventually("a mail that passes", || {
        (sends(&gatepost, "bob@defer.example", &mail("again")).code == 250).then_some(())
    });
    sends(&gatepost, "bob@mark.example", &with_file("again", &eicar(), 1)).begins("550 5.7.1");
    let taken = upstream.taken();
    assert_eq!(taken.len(), EACH + 1);
    assert!(!holds(&taken[EACH].wire, MARK));
}

#[test]
fn of_two_servers_one_is_enough() {
    let (upstream, clamd) = (Upstream::start(Script::new()), Clamd::start(""));
    let both = [
        "/nonexistent/clamd.ctl".to_owned(),
        clamd.socket().display().to_string(),
    ];
    let gatepost = Gatepost::start(&servers(Setup::before(upstream.address), &both));
    sends(&gatepost, "bob@example.org", &mail("clean")).is(250);
    sends(&gatepost, "bob@example.org", &with_file("found", &eicar(), 1)).begins("550 5.7.1");
    assert_eq!(upstream.taken().len(), 1);
    assert!(!holds(&upstream.taken()[0].wire, MARK));
    gatepost.logs(&["clamd_gone", "/nonexistent/clamd.ctl"]);
}

#[test]
fn a_stream_limit_below_ours_is_told_and_what_passes_it_is_marked() {
    let (upstream, clamd) = (Upstream::start(Script::new()), Clamd::start("StreamMaxLength 200000"));
    let gatepost = Gatepost::start(&before(&upstream, &clamd));
    sends(&gatepost, "bob@example.org", &mail("small")).is(250);
    gatepost.logs(&["clamd_stream_limit", "26214400"]);
    sends(&gatepost, "bob@example.org", &with_file("large", b"harmless", 20_000)).is(250);
    let taken = upstream.taken();
    assert!(!holds(&taken[0].wire, MARK) && holds(&taken[1].wire, MARK));
    let large = gatepost.record("a large mail", |record| record["size"].as_u64() > Some(500_000));
    assert!(large.to_string().contains("clamav.too_large"), "{large}");
}

#[test]
fn what_clamd_does_not_look_at_all_of_is_not_clean() {
    let (upstream, clamd) = (Upstream::start(Script::new()), Clamd::start("MaxFileSize 100000"));
    let gatepost = Gatepost::start(&before(&upstream, &clamd));
    sends(&gatepost, "bob@example.org", &with_file("large", b"harmless", 20_000)).is(250);
    assert!(holds(&upstream.taken()[0].wire, MARK));
    // What it can look at by itself, it does.
    sends(&gatepost, "bob@example.org", &with_file("large", &eicar(), 20_000)).begins("550 5.7.1");
}
