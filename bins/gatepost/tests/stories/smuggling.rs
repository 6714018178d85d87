//! One message stays one message, whatever stands in it (P-01, P-02, P-03).

use crate::house::upstream::messages_seen_laxly;
use crate::house::{Client, Gatepost, Postfix, Script, Setup, Upstream, holds};

/// What some server somewhere takes for the end of a message, and is none.
const SEQUENCES: [(&str, &str); 13] = [
    ("LF.LF", "\n.\n"),
    ("LF.CRLF", "\n.\r\n"),
    ("CRLF.LF", "\r\n.\n"),
    ("CR.CR", "\r.\r"),
    ("CR.CRLF", "\r.\r\n"),
    ("CRLF.CR", "\r\n.\r"),
    ("CR.LF", "\r.\n"),
    ("LF.CR", "\n.\r"),
    ("CRLF.CRCRLF", "\r\n.\r\r\n"),
    ("LF.CRCRLF", "\n.\r\r\n"),
    ("CRLF NUL.CRLF", "\r\n\0.\r\n"),
    ("CRLF.NUL CRLF", "\r\n.\0\r\n"),
    ("CRLF..CRLF", "\r\n..\r\n"),
];

/// Content with a whole second mail behind the sequence, and the true end.
fn two_in_one(name: &str, sequence: &str) -> Vec<u8> {
    format!(
        "From: ann@there.example\r\nSubject: one {name}\r\n\r\nfirst{sequence}MAIL FROM:<evil@there.example>\r\n\
         RCPT TO:<bob@example.org>\r\nDATA\r\nFrom: boss@example.org\r\nSubject: smuggled\r\n\r\nhidden\r\n.\r\n"
    )
    .into_bytes()
}

/// Sends one message and leaves; says how many replies came to it.
fn send(client: &mut Client, message: &[u8]) -> Vec<u16> {
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.data();
    client.send(message);
    client.send("QUIT\r\n");
    client.until_the_end().iter().map(|reply| reply.code).collect()
}

/// How many of the files began as a mail of their own called `smuggled`.
fn smuggled(postfix: &Postfix) -> usize {
    let is_smuggled = |file: &[u8]| {
        let head = String::from_utf8_lossy(file);
        head.split("\n\n")
            .next()
            .is_some_and(|head| head.lines().any(|line| line == "Subject: smuggled"))
    };
    postfix.settled().iter().filter(|mail| is_smuggled(&mail.file)).count()
}

#[test]
fn postfix_shows_two_messages_where_it_is_hit_directly_and_one_through_gatepost() {
    // The proxy is in mynetworks, so that Postfix's own defence does not hold for it.
    let postfix =
        Postfix::start("smtpd_forbid_bare_newline = normalize\nsmtpd_forbid_bare_newline_exclusions = $mynetworks");
    let mut two = Vec::new();
    for (name, sequence) in SEQUENCES {
        let before = smuggled(&postfix);
        send(&mut Client::introduced(postfix.address), &two_in_one(name, sequence));
        if smuggled(&postfix) > before {
            two.push(name);
        }
    }
    assert!(
        !two.is_empty(),
        "the control failed: Postfix itself cannot be smuggled through, so this story shows nothing"
    );

    // Where Gatepost is in between, this server sees none of it.
    let direct = (smuggled(&postfix), postfix.settled().len());
    let setup = Setup::before(postfix.address).set("limits.message_size", "'1 MiB'");
    let strict = Gatepost::start(&setup);
    let lenient = Gatepost::start(&setup.at("mx", "odd_line_ends", "'normalise'"));
    let mut granted = 0;
    for (name, sequence) in SEQUENCES {
        for gatepost in [&strict, &lenient] {
            let codes = send(&mut gatepost.client(), &two_in_one(name, sequence));
            assert!(matches!(codes[..], [250 | 550, 221]), "{name}: {codes:?}");
            granted += usize::from(codes[0] == 250);
        }
    }
    assert_eq!(
        smuggled(&postfix),
        direct.0,
        "smuggled through Gatepost; directly these did it: {two:?}"
    );
    assert_eq!(
        postfix.settled().len(),
        direct.1 + granted,
        "each granted message is one, each refused one is none"
    );
    assert!(
        granted >= SEQUENCES.len(),
        "where odd line ends are normalised, all of them pass as one message each"
    );
}

#[test]
fn the_fake_server_hit_directly_records_two_messages_for_the_laxest_reader() {
    let upstream = Upstream::start(Script::new());
    let mut two = 0;
    for (name, sequence) in SEQUENCES {
        send(&mut Client::introduced(upstream.address), &two_in_one(name, sequence));
        let session = upstream.quiet().pop().expect("a session");
        assert_eq!(session.mails.len(), 1, "{name}: it reads strictly itself");
        two += usize::from(messages_seen_laxly(&session.heard) == 2);
    }
    assert!(two >= 10, "the control failed: {two}");
}

#[test]
fn the_strictest_and_the_laxest_server_see_the_same_one_message() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address);
    for (ends, refused) in [("'refuse'", true), ("'normalise'", false)] {
        let gatepost = Gatepost::start(&setup.clone().at("mx", "odd_line_ends", ends));
        for (name, sequence) in SEQUENCES {
            let (before, visits) = (upstream.taken().len(), upstream.visits().len());
            let codes = send(&mut gatepost.client(), &two_in_one(name, sequence));
            upstream.quiet();
            let taken = upstream.taken().split_off(before);
            // A stuffed dot is no oddity.
            let expected = if refused && name != "CRLF..CRLF" { 550 } else { 250 };
            assert_eq!(codes, [expected, 221], "{name}, {ends}");
            assert_eq!(taken.len(), usize::from(expected == 250), "{name}, {ends}");
            for visit in upstream.visits().split_off(visits) {
                assert_eq!(visit.mails.len(), 1, "{name}, {ends}");
                assert_eq!(messages_seen_laxly(&visit.heard), taken.len(), "{name}, {ends}");
            }
            for mail in taken {
                let wire = mail.wire;
                assert!(!wire.contains(&0), "{name}: NUL");
                assert!(!holds(&wire, b"\r\n.\r\n"), "{name}: an end within");
                let bare = |at: usize| match wire[at] {
                    b'\n' => at == 0 || wire[at - 1] != b'\r',
                    b'\r' => wire.get(at + 1) != Some(&b'\n'),
                    _ => false,
                };
                assert!(!(0..wire.len()).any(bare), "{name}: a bare CR or LF");
            }
        }
    }
}

#[test]
fn a_bare_lf_is_normalised_or_refused_as_configured_and_noted() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address).listener("strict", "inbound", &[("bare_lf", "'refuse'")]);
    let gatepost = Gatepost::start(&setup);
    let message = b"Subject: lf\r\n\r\none\ntwo\r\n.\r\n";
    assert_eq!(send(&mut gatepost.client(), message), [250, 221]);
    upstream.quiet();
    assert!(upstream.taken()[0].wire.ends_with(b"\r\none\r\ntwo\r\n"));
    gatepost.record("bare LF", |record| record["facts"]["bare_lf"] == true);
    assert_eq!(
        send(&mut Client::introduced(gatepost.address("strict")), message),
        [550, 221]
    );
    upstream.quiet();
    assert_eq!(upstream.complete().len(), 1);
}

#[test]
fn an_empty_message_is_one() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    assert_eq!(send(&mut gatepost.client(), b".\r\n"), [250, 221]);
    assert_eq!(upstream.taken().len(), 1);
}

#[test]
fn content_that_does_not_wait_for_354_is_refused_and_the_session_closed() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.send("DATA\r\nSubject: early\r\n\r\nMAIL FROM:<evil@there.example>\r\n.\r\nNOOP\r\n");
    let codes: Vec<_> = client.until_the_end().iter().map(|reply| reply.code).collect();
    assert!(matches!(codes[..], [503 | 554]), "{codes:?}");
    let sessions = upstream.quiet();
    assert!(sessions.iter().all(|session| !session.has("DATA")), "{sessions:?}");
}

#[test]
fn control_characters_in_commands_reach_nobody() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    for line in [
        "EHLO a\rb",
        "MAIL FROM:<a\0b@c.example>",
        "MAIL FROM:<a@c.example>\rRSET",
    ] {
        let code = client.ask(line).code;
        assert!(matches!(code, 500 | 501), "{line:?}: {code}");
    }
    client.ask("MAIL FROM:<a@c.example>").is(250);
    for line in [
        "RCPT TO:<\"a\rQUIT\"@example.org>",
        "RCPT TO:<\"a\r\nQUIT",
        "RCPT TO:<a\0@example.org>",
    ] {
        let code = client.ask(line).code;
        assert!((500..=501).contains(&code), "{line:?}: {code}");
        if line.contains('\n') {
            assert_eq!(client.reply().code, 221, "the rest of the line is a command of its own");
            break;
        }
    }
    assert!(upstream.quiet().iter().all(|session| !session.is_about_mail()));
}

#[test]
fn upstream_commands_are_made_anew_and_keep_the_case_of_local_parts() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    client
        .ask("mail   from:<Ann.O'Neil@There.example>   body=8bitmime")
        .is(250);
    client.ask("rCPT to:<@relay.example:User@example.org>").is(250);
    client.ask("RCPT TO:<\"a b\"@example.org> NOTIFY=NEVER").is(250);
    client.data();
    client.content(b"Subject: x\r\n\r\n").is(250);
    client.quit();
    let mail = upstream.taken().remove(0);
    assert!(
        mail.from.starts_with("MAIL FROM:<Ann.O'Neil@There.example> "),
        "{}",
        mail.from
    );
    assert!(mail.from.contains("BODY=8BITMIME"), "{}", mail.from);
    assert_eq!(
        mail.to,
        [
            "RCPT TO:<User@example.org>",
            "RCPT TO:<\"a b\"@example.org> NOTIFY=NEVER"
        ]
    );
}
