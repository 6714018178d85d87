//! Command mailboxes on real sockets: people of ours keep their lists by mail and are answered, strangers find nothing there,
//! and no two of them talk to each other.

use crate::house::{Client, Gatepost, Reply, Script, Setup, Upstream, eventually, upstream};

/// Every usual name, and one more for each kind of spelling.
const NAMES: [&str; 26] = [
    "asspspam",
    "assp-spam",
    "asspnotspam",
    "assp-notspam",
    "asspwhite",
    "assp-white",
    "asspnotwhite",
    "assp-notwhite",
    "asspred",
    "assp-red",
    "asspnotred",
    "assp-notred",
    "assp-persblack",
    "assp-notpersblack",
    "assp-persnotblack",
    "reportpersblack",
    "assp-black",
    "assp-notblack",
    "asspanalyze",
    "assp-analyze",
    "asspblock",
    "assp-blockreport",
    "assphelp",
    "AsspHelp",
    "assp-help+x",
    "assp-release",
];

fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream.address)
        .set("pipeline.inbound.tiers", "[['command_mailbox'], ['whitelist']]")
        .set("pipeline.outbound.tiers", "[['command_mailbox'], ['whitelist']]")
        .submission()
}

fn letter(to: &str, id: &str, subject: &str, text: &str) -> Vec<u8> {
    format!(
        "From: Bob <bob@example.org>\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{id}@example.org>\r\n\
         Content-Language: de-DE\r\n\r\n{text}\r\n"
    )
    .into_bytes()
}

#[track_caller]
fn writes(gatepost: &Gatepost, from: &str, to: &str, content: &[u8]) -> Reply {
    let mut client = Client::introduced(gatepost.address("submission"));
    let reply = client.mail(from, &[to], content);
    client.quit();
    reply
}

/// The letters of ours that the mail server took.
fn answers(upstream: &Upstream) -> Vec<upstream::Mail> {
    let own = |mail: &upstream::Mail| mail.field("X-Gatepost-Report").is_some();
    upstream.taken().into_iter().filter(own).collect()
}

#[track_caller]
fn answer(upstream: &Upstream, count: usize) -> upstream::Mail {
    let all = eventually("an answer", || {
        let all = answers(upstream);
        (all.len() >= count).then_some(all)
    });
    assert_eq!(all.len(), count);
    all.into_iter().next_back().expect("an answer")
}

#[test]
fn a_stranger_finds_no_mailbox_whatever_the_mail_server_says() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&setup(&upstream).set("limits.errors", "1000"));
    let mut client = gatepost.client();
    client.ask("EHLO client.there.example").is(250);
    for from in ["ann@there.example", "bob@example.org"] {
        client.ask(&format!("MAIL FROM:<{from}>")).is(250);
        for name in NAMES {
            let reply = client.ask(&format!("RCPT TO:<{name}@example.org>"));
            assert!(
                reply.text().starts_with("550 5.1.1 No such recipient here"),
                "{name}: {reply}"
            );
        }
        client.ask("RSET").is(250);
    }
    client.quit();
    // Nor does a bounce of ours.
    let mut client = Client::introduced(gatepost.address("submission"));
    client.ask("MAIL FROM:<>").is(250);
    client.ask("RCPT TO:<asspspam@example.org>").begins("550 5.1.1");
    client.quit();
    assert!(upstream.complete().is_empty());
}

#[test]
fn a_user_keeps_their_lists_by_mail_and_is_answered_once() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&setup(&upstream));
    let person = ["--person", "bob@example.org"];
    let listed = |more: &[&str]| gatepost.tells(&[&["whitelist", "list"], &person[..], more].concat());

    let white = letter(
        "assp-white@example.org",
        "1",
        "",
        "Ann <ann@there.example>\r\n@partner.example\r\n",
    );
    writes(&gatepost, "bob@example.org", "assp-white@example.org", &white).begins("250 2.0.0 Done");
    let list = listed(&[]);
    assert!(
        list.contains("ann@there.example") && list.contains("@partner.example"),
        "{list}"
    );
    let told = answer(&upstream, 1);
    assert!(
        told.from.starts_with("FROM:<>") && told.to == ["TO:<bob@example.org>"],
        "{told:?}"
    );
    for (field, value) in [
        ("Auto-Submitted", "auto-replied"),
        ("X-Auto-Response-Suppress", "All"),
        ("In-Reply-To", "<1@example.org>"),
        ("Subject", "Willkommene Absender"),
    ] {
        assert_eq!(told.field(field).as_deref(), Some(value), "{field}");
    }
    // The same mail again, as a server sends it that missed our word: obeyed, and not answered.
    writes(&gatepost, "bob@example.org", "assp-white@example.org", &white).begins("250 2.0.0 Done");

    let black = letter("assp-persblack@example.org", "2", "", "eve@there.example");
    writes(&gatepost, "bob@example.org", "assp-persblack@example.org", &black).is(250);
    assert!(listed(&["--deny"]).contains("eve@there.example"));
    answer(&upstream, 2);
    // It holds at once: for bob, and for nobody else.
    let mut client = gatepost.client();
    client.ask("EHLO client.there.example").is(250);
    client.ask("MAIL FROM:<eve@there.example>").is(250);
    client.ask("RCPT TO:<bob@example.org>").is(550);
    client.ask("RCPT TO:<alice@example.org>").is(250);
    client.quit();

    let empty = letter("assp-persblack@example.org", "3", "", "");
    writes(&gatepost, "bob@example.org", "assp-persblack@example.org", &empty).is(250);
    let shown = answer(&upstream, 3);
    assert!(crate::house::holds(&shown.content(), b"eve@there.example"), "{shown:?}");

    // Nobody's list but their own, and none of everybody's.
    let black = letter("assp-black@example.org", "4", "", "@there.example");
    writes(&gatepost, "bob@example.org", "assp-black@example.org", &black).is(250);
    answer(&upstream, 4);
    assert!(
        !gatepost
            .tells(&["whitelist", "list", "--deny"])
            .contains("@there.example\n")
    );
    // Each act is in the audit, in bob's name; nothing but answers went to the mail server.
    let audit = gatepost.tells(&["audit"]);
    assert!(
        audit.contains("bob@example.org") && audit.contains("refused: only administrators"),
        "{audit}"
    );
    assert_eq!(upstream.taken().len(), 4);
    let record = gatepost.record("a mail that was taken", |record| {
        record.to_string().contains("\"divert\"")
    });
    assert!(record.to_string().contains("command_mailbox."), "{record}");
}

#[test]
fn two_of_them_and_an_answering_machine_make_at_most_one_reply() {
    let (first, second) = (Upstream::start(Script::new()), Upstream::start(Script::new()));
    let here = Gatepost::start(&setup(&first));
    let there = Gatepost::start(&setup(&second));
    writes(
        &here,
        "bob@example.org",
        "assp-help@example.org",
        &letter("assp-help@example.org", "1", "", ""),
    )
    .is(250);
    let told = answer(&first, 1).content();
    // Bob's mail server sends on what he gets to the other's mailbox, as it came, and with him as the sender.
    for to in [
        "assp-help@example.org",
        "asspspam@example.org",
        "assp-white@example.org",
    ] {
        let mut client = Client::introduced(there.address("submission"));
        client.ask("MAIL FROM:<>").is(250);
        client.ask(&format!("RCPT TO:<{to}>")).begins("550 5.1.1");
        client.quit();
        writes(&there, "bob@example.org", to, &told).begins("250 2.0.0");
    }
    // And bob is on holiday.
    let away =
        b"From: Bob <bob@example.org>\r\nTo: assphelp@example.org\r\nSubject: Away\r\nAuto-Submitted: auto-replied\r\n\
                 Message-ID: <2@example.org>\r\n\r\nI am away. Write to alice@there.example.\r\n";
    for to in ["assphelp@example.org", "asspspam@example.org", "assp-white@example.org"] {
        writes(&here, "bob@example.org", to, away).begins("250 2.0.0");
    }
    let none = here.tells(&["whitelist", "list", "--person", "bob@example.org"]);
    assert!(!none.contains("alice@there.example"), "{none}");
    assert_eq!((first.taken().len(), second.taken().len()), (1, 0));
}
