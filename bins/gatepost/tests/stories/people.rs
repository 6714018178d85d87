//! What people see of it: a real Postfix behind the proxy, a real Dovecot behind that, and the folders of their mailboxes.

use serde_json::Value;

use crate::house::dovecot::JUNK;
use crate::house::{Clamd, Client, Dovecot, Gatepost, Postfix, Script, Setup, Upstream, eventually, holds, mail};

/// Mail of whoever says a nonsensical HELO has eight points, and so the level medium.
fn setup(postfix: &Postfix) -> Setup {
    Setup::before(postfix.address).set("filters.conduct.options.helo_syntax_points", "8")
}

/// Sends a mail with that HELO, and these fields on top of it.
#[track_caller]
fn odd_mail(gatepost: &Gatepost, to: &str, fields: &str, subject: &str) -> crate::house::Reply {
    let mut client = Client::greeted(gatepost.address("mx"));
    client.ask("EHLO not_a..name").is(250);
    let reply = client.mail(
        "ann@there.example",
        &[to],
        &[fields.as_bytes(), &mail(subject)].concat(),
    );
    client.quit();
    reply
}

/// A stranger's word about the level, which a signature keeps in the mail.
fn signed(level: &str) -> String {
    format!("DKIM-Signature: v=1; h=from:x-gatepost-level; b=x\r\nX-Gatepost-Level: {level}\r\n")
}

#[test]
fn a_site_that_never_refuses_files_marked_mail_by_our_word_and_nobody_elses() {
    let dovecot = Dovecot::start();
    let postfix = Postfix::start(&dovecot.behind());
    let gatepost = Gatepost::start(&setup(&postfix).set("policy.medium.action", "'header'"));
    odd_mail(&gatepost, "bob@example.org", "", "junk").is(250);
    odd_mail(&gatepost, "bob@example.org", &signed("none"), "disguised").is(250);
    let mut client = Client::introduced(gatepost.address("mx"));
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("wanted"))
        .is(250);
    client.quit();

    dovecot.holds("bob", "INBOX", &["Subject: wanted"]);
    for subject in ["Subject: junk", "Subject: disguised"] {
        dovecot.holds("bob", JUNK, &[subject, "X-Gatepost-Level: medium"]);
    }
    let counts = ["INBOX", JUNK].map(|folder| dovecot.mails("bob", folder).len());
    assert_eq!(counts, [1, 2], "{}", dovecot.log());
}

/// What `gatepost kept list` shows, once there is something.
fn kept(gatepost: &Gatepost, more: &[&str]) -> Vec<Value> {
    let verb: Vec<&str> = ["quarantine", "list", "--json"].iter().chain(more).copied().collect();
    eventually("a kept mail", || {
        let (lines, _, content) = gatepost.command(&verb);
        assert!(content, "{lines}");
        let lines: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect();
        (!lines.is_empty()).then_some(lines)
    })
}

fn id(of: &Value) -> String {
    of["id"].as_str().expect("an id").to_owned()
}

#[test]
fn what_was_refused_is_gathered_found_and_had_back_once() {
    let dovecot = Dovecot::start();
    let postfix = Postfix::start(&dovecot.behind());
    let gatepost = Gatepost::start(
        &setup(&postfix)
            .set("pipeline.inbound.tiers", "[['conduct', 'whitelist']]")
            .set("policy.medium.action", "'reject'")
            .set("policy.spambox", "'spambox@{domain}'")
            .set("policy.medium.spambox", "'{user}+spam@{domain}'"),
    );
    odd_mail(&gatepost, "bob@example.org", &signed("high"), "mistaken").begins("550 5.7.1");

    // A copy under an envelope of its own, filed with what is junk like all that is marked so.
    let copy = dovecot.holds("bob", JUNK, &["Subject: mistaken", "X-Gatepost-Spam: yes"]);
    for words in [
        "Return-Path: <>",
        "X-Gatepost-Level: medium\n",
        "X-Gatepost-Copy-For: <bob@example.org>",
    ] {
        assert!(
            holds(&unix(&copy), words.as_bytes()),
            "{words}: {}",
            String::from_utf8_lossy(&copy)
        );
    }
    assert!(dovecot.mails("bob", "INBOX").is_empty());

    let mail = kept(
        &gatepost,
        &[
            "--to",
            "bob@example.org",
            "--from",
            "ann@there.example",
            "--reason",
            "refused",
        ],
    );
    let told = gatepost.tells(&["quarantine", "release", &id(&mail[0]), "--welcome"]);
    assert!(
        told.starts_with("delivered to bob@example.org\n") && told.contains("ann@there.example"),
        "{told}"
    );
    let again = gatepost.tells(&["quarantine", "release", &id(&mail[0])]);
    assert!(again.contains("within the last day"), "{again}");
    let released = dovecot.holds("bob", "INBOX", &["Subject: mistaken"]);
    let words = unix(&released);
    for field in [
        "Return-Path: <ann@there.example>",
        "\nX-Gatepost-Level: none\n",
        "\nX-Gatepost-Released: by operator",
    ] {
        assert!(
            holds(&words, field.as_bytes()),
            "{field}: {}",
            String::from_utf8_lossy(&released)
        );
    }
    let list = gatepost.tells(&["whitelist", "list", "--person", "bob@example.org"]);
    assert!(list.contains("ann@there.example"), "{list}");

    // What happened to this mail?
    let number = mail[0]["transaction"].as_str().expect("a number");
    let log = gatepost.tells(&["log", "--id", number]);
    for words in [
        "to <bob@example.org>",
        "refused, kept as",
        "8 points",
        "because conduct: ",
    ] {
        assert!(log.contains(words), "{words}: {log}");
    }
    assert_eq!(
        gatepost.tells(&["log", "--domain", "example.org", "--filter", "conduct", "--since", "1h"]),
        log
    );
    let (_, nothing, _) = gatepost.command(&["log", "--filter", "whitelist", "--since", "1h"]);
    assert_eq!(nothing, "nothing found\n");
    assert_eq!(dovecot.mails("bob", "INBOX").len(), 1, "{}", dovecot.log());
    assert_eq!(dovecot.mails("bob", JUNK).len(), 1, "{}", dovecot.log());
    assert!(
        dovecot.mails("spambox", "INBOX").is_empty(),
        "the level says where its copies go"
    );
}

fn unix(mail: &[u8]) -> Vec<u8> {
    mail.iter().copied().filter(|octet| *octet != b'\r').collect()
}

#[test]
fn two_hundred_refusals_write_to_no_sender() {
    const MAILS: usize = 200;
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(
        &Setup::before(upstream.address)
            .set("filters.conduct.options.helo_syntax_points", "8")
            .set("policy.medium.action", "'reject'")
            .set("policy.spambox", "'spambox@{domain}'"),
    );
    for n in 0..MAILS {
        let mut client = Client::greeted(gatepost.address("mx"));
        client.ask("EHLO not_a..name").is(250);
        let forged = format!("forged{n}@victim.example");
        client
            .mail(&forged, &["bob@example.org"], &mail(&format!("n{n}")))
            .begins("550");
        client.quit();
    }
    eventually("a copy of each", || (upstream.taken().len() >= MAILS).then_some(()));
    gatepost.stop();
    gatepost.again();
    upstream.quiet();
    let taken = upstream.complete();
    assert_eq!(
        taken.len(),
        MAILS,
        "a copy each, and nothing else, not even after a restart"
    );
    for mail in &taken {
        assert!(mail.from.starts_with("MAIL FROM:<>"), "{}", mail.from);
        assert_eq!(mail.to, ["RCPT TO:<spambox@example.org>"]);
    }
}

#[test]
fn what_has_become_dangerous_is_not_released_and_a_scanner_that_is_silent_finds_nothing_clean() {
    let (upstream, mut clamd) = (Upstream::start(Script::new()), Clamd::start(""));
    let before = Setup::before(upstream.address)
        .set("filters.conduct.options.helo_syntax_points", "8")
        .set("policy.medium.action", "'reject'");
    let mut gatepost = Gatepost::start(&before);
    // Nobody looks at files yet.
    odd_mail(&gatepost, "bob@example.org", "", "harmless").begins("550");
    let file = "MIME-Version: 1.0\r\nContent-Type: application/octet-stream; name=\"a.exe\"\r\n";
    odd_mail(&gatepost, "bob@example.org", file, "program").begins("550");
    eventually("both", || (kept(&gatepost, &[]).len() == 2).then_some(()));
    let find = |subject: &str| {
        let found = kept(&gatepost, &[]);
        id(found.iter().find(|mail| mail["subject"] == subject).expect("a mail"))
    };
    let (harmless, program) = (find("harmless"), find("program"));

    let socket = clamd.socket().display().to_string();
    assert!(
        gatepost.reload(
            &before
                .set("pipeline.inbound.tiers", "[['conduct'], ['attachments', 'clamav']]")
                .set("filters.clamav.on_fault", "'ignore'")
                .set("filters.clamav.options.servers", format!("['{socket}']"))
        )
    );
    let (_, complaint, content) = gatepost.command(&["quarantine", "release", &program]);
    assert!(
        !content && complaint.starts_with("refused: it is not delivered"),
        "{complaint}"
    );
    assert!(complaint.contains("a.exe"), "{complaint}");
    clamd.kill();
    let (_, complaint, content) = gatepost.command(&["quarantine", "release", &harmless]);
    assert!(!content && complaint.starts_with("failed: unavailable"), "{complaint}");
    assert!(upstream.complete().is_empty(), "neither went out");
    clamd.again();
    eventually("a scanner that is asked again", || {
        let (out, _, content) = gatepost.command(&["quarantine", "release", &harmless]);
        (content && out == "delivered to bob@example.org\n").then_some(())
    });
    let taken = upstream.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].field("Subject").as_deref(), Some("harmless"));
}
