//! What the mail server says is what the client hears (P-07, P-20 to P-22).

use std::time::Duration;

use crate::house::{Act, Gatepost, Postfix, Script, Setup, Upstream, mail, say, stuffed};

#[test]
fn postfix_refuses_one_recipient_and_the_client_hears_it() {
    let postfix = Postfix::start(
        "smtpd_recipient_restrictions = check_recipient_access inline:{ { alice@example.org = 451 4.2.0 not now } }, permit",
    );
    let gatepost = Gatepost::start(&Setup::before(postfix.address));
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    client.ask("RCPT TO:<bob@example.org>").begins("250 2.1.5");
    client.ask("RCPT TO:<nobody@example.org>").begins("550 5.1.1");
    client.ask("RCPT TO:<alice@example.org>").begins("451 4.2.0");
    client.data();
    client.content(&mail("fates")).is(250);
    client.quit();
    let delivered = postfix.settled();
    assert_eq!(delivered.iter().map(|mail| &*mail.to).collect::<Vec<_>>(), ["bob"]);
}

#[test]
fn each_recipient_hears_the_servers_own_word() {
    let script = Script::new()
        .on("RCPT TO:<b@", say("550 5.1.1 No such user"))
        .on("RCPT TO:<c@", say("451 4.2.1 Mailbox locked"))
        .on("RCPT TO:<d@", say("452 4.2.2 Full"))
        .on("RCPT TO:<e@", say("250 Fine"));
    let upstream = Upstream::start(script);
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    for (who, reply) in [
        ("a", "250 2.1.5"),
        ("b", "550 5.1.1"),
        ("c", "451 4.2.1"),
        ("d", "452 4.2.2"),
        ("e", "250 2."),
    ] {
        client.ask(&format!("RCPT TO:<{who}@example.org>")).begins(reply);
    }
    client.data();
    client.content(&mail("mix")).begins("250 2.0.0");
    client.quit();
    let mails = upstream.taken();
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, ["RCPT TO:<a@example.org>", "RCPT TO:<e@example.org>"]);
}

#[test]
fn without_a_granted_recipient_there_is_no_data() {
    let upstream = Upstream::start(Script::new().on("RCPT", say("550 5.1.1 No such user")));
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    client.ask("RCPT TO:<bob@example.org>").is(550);
    let code = client.ask("DATA").code;
    assert!(matches!(code, 503 | 554), "{code}");
    client.quit();
    assert!(upstream.quiet().iter().all(|session| !session.has("DATA")));
}

#[test]
fn a_refused_sender_is_told_at_the_first_recipient() {
    let upstream = Upstream::start(Script::new().on("MAIL FROM:<bad@", say("553 5.1.8 We do not know you")));
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<bad@there.example>").is(250);
    client.ask("RCPT TO:<bob@example.org>").begins("553 5.1.8");
    client.ask("RSET").is(250);
    client
        .mail("good@there.example", &["bob@example.org"], &mail("good"))
        .is(250);
    client.quit();
    assert_eq!(upstream.taken().len(), 1);
}

#[test]
fn what_the_server_says_at_the_dot_is_what_the_client_hears_and_it_comes_no_second_time() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    for (server, client_hears) in [
        ("452 4.3.1 Full", "452 4.3.1"),
        ("450 Later", "450 4."),
        ("552 5.3.4 Too large", "552 5.3.4"),
        ("554 No", "554 5."),
        ("250 Taken", "250 2."),
    ] {
        upstream.now(Script::new().on("<dot>", say(server)));
        let (complete, taken) = (upstream.complete().len(), upstream.taken().len());
        let mut client = gatepost.client();
        client
            .mail("ann@there.example", &["bob@example.org"], &mail("dot"))
            .begins(client_hears);
        // The state is clean: the next command of that mail has none to belong to.
        client.ask("RCPT TO:<bob@example.org>").is(503);
        client.ask("DATA").is(503);
        client.quit();
        upstream.quiet();
        assert_eq!(upstream.complete().len(), complete + 1, "{server}");
        assert_eq!(
            upstream.taken().len(),
            taken + usize::from(server.starts_with("250")),
            "{server}"
        );
    }
}

#[test]
fn a_refusal_of_data_is_told_at_the_dot() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    for (server, hears) in [("451 4.3.2 Not now", "451 4.3.2"), ("554 5.7.1 Never", "554 5.7.1")] {
        upstream.now(Script::new().on("DATA", say(server)));
        let mut client = gatepost.client();
        client
            .mail("ann@there.example", &["bob@example.org"], &mail("data"))
            .begins(hears);
        client.quit();
    }
    upstream.quiet();
    assert!(upstream.complete().is_empty());
}

#[test]
fn after_a_refusal_of_data_the_next_mail_goes_to_its_own_recipients_only() {
    let upstream = Upstream::start(Script::new().times(1, "DATA", say("451 4.3.2 Not now")));
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["alice@example.org"], &mail("for alice"))
        .begins("451");
    client
        .mail("ben@there.example", &["bob@example.org"], &mail("for bob"))
        .is(250);
    client.quit();
    let taken = upstream.taken();
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].field("Subject").as_deref(), Some("for bob"));
    assert!(
        taken[0].from.contains("ben@") && taken[0].to.len() == 1 && taken[0].to[0].contains("bob@"),
        "{taken:?}"
    );
}

#[test]
fn a_connection_that_ends_between_two_recipients_loses_nobody_silently() {
    let upstream =
        Upstream::start(Script::new().times(1, "RCPT TO:<two@", Act::Last(b"421 4.4.2 Timeout\r\n".to_vec())));
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    client.ask("RCPT TO:<one@example.org>").is(250);
    client.ask("RCPT TO:<two@example.org>").begins("451");
    // Nobody is added whom the first would be forgotten for, and the message is not even asked for.
    client.ask("RCPT TO:<three@example.org>").begins("451");
    client.ask("DATA").begins("451");
    client.quit();
    assert!(upstream.taken().is_empty());
}

#[test]
fn the_answer_to_a_mail_does_not_wait_for_the_next_command() {
    let upstream = Upstream::start(Script::new().on("RCPT TO:<silent@", Act::Silence));
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.data();
    let next = b".\r\nMAIL FROM:<ann@there.example>\r\nRCPT TO:<silent@example.org>\r\n";
    client.send([&stuffed(&mail("first"))[..], next].concat());
    // The server never answers the second of what came with it.
    client.reply().begins("250 2.0.0");
}

#[test]
fn a_server_that_lies_is_never_repeated() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address);
    let setup = setup
        .set("route.default.timeouts.command", "'1s'")
        .set("route.default.timeouts.dot", "'1s'")
        // Some of the lies say that there is no such recipient, and the next one shall be heard all the same.
        .set("recipients.unknown", "'0s'");
    let gatepost = Gatepost::start(&setup);
    let many = |code: &str, last: &str| {
        let line = format!("{code}-{}\r\n", "x".repeat(5000));
        Act::Say([line.repeat(200), format!("{last} end\r\n")].concat().into_bytes())
    };
    let raw = |octets: &[u8]| Act::Say(octets.to_vec());
    // What may be heard of each; the client itself checks that it is one legal reply.
    let lies: Vec<(&str, Act, &[u16])> = vec![
        ("200 lines of 5 kB that grant", many("250", "250"), &[250, 451]),
        ("200 lines of 5 kB that refuse", many("550", "550"), &[550, 451]),
        ("two codes in one reply", raw(b"250-fine\r\n550 no\r\n"), &[451]),
        ("two codes the other way round", raw(b"550-no\r\n250 fine\r\n"), &[451]),
        ("no text", raw(b"250\r\n"), &[250]),
        (
            "escape sequences",
            raw(b"550 5.1.1 \x1b[31mred\x07\x1b]0;title\x07\r\n"),
            &[550, 451],
        ),
        ("8 bit", raw("550 5.1.1 Gr\u{fc}\u{df}e\r\n".as_bytes()), &[550, 451]),
        ("an odd code of success", raw(b"299 odd\r\n"), &[250, 299, 451]),
        ("a code that leads on", raw(b"354 go on\r\n"), &[451]),
        ("a code that is none", raw(b"999 what\r\n"), &[451]),
        ("no code", raw(b"abc\r\n"), &[451]),
        ("a code of four digits", raw(b"2500 ok\r\n"), &[451]),
        ("an empty line", raw(b"\r\n"), &[451]),
        ("a reply without an end", raw(b"250-and"), &[451]),
        ("a hyphen and nothing more", raw(b"250-\r\n"), &[451]),
        ("a CR within", raw(b"550 5.1.1 a\r550 b\r\n"), &[550, 451]),
        ("NUL", raw(b"550 5.1.1 a\0b\r\n"), &[550, 451]),
        ("421", raw(b"421 4.3.2 Bye\r\n"), &[421, 451]),
    ];
    for (what, act, hears) in lies {
        for point in ["RCPT", "<dot>"] {
            upstream.now(Script::new().on(point, act.clone()));
            let mut client = gatepost.client();
            client.ask("MAIL FROM:<ann@there.example>").is(250);
            let mut reply = client.ask("RCPT TO:<bob@example.org>");
            if point == "<dot>" {
                client.data();
                reply = client.content(&mail("lies"));
            }
            assert!(hears.contains(&reply.code), "{what} at {point}: {reply}");
            assert!(
                reply.lines.len() <= 100,
                "{what} at {point}: {} lines",
                reply.lines.len()
            );
            let enhanced = format!("{} {}.", reply.code, reply.code / 100);
            assert!(reply.text().starts_with(&enhanced), "{what} at {point}: {reply}");
            client.vanish();
        }
    }
}

#[test]
fn a_reply_that_comes_before_its_command_answers_nothing() {
    // A server that promises to take the message together with 354, and dies at the dot.
    let early = Script::new()
        .on("DATA", Act::Say(b"354 go\r\n250 2.0.0 Taken\r\n".to_vec()))
        .on("<dot>", Act::Close);
    let upstream = Upstream::start(early);
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("early"))
        .is(451);
    // One that grants two recipients where it was asked about one.
    upstream.now(
        Script::new()
            .times(1, "RCPT", Act::Say(b"250 ok\r\n250 ok\r\n".to_vec()))
            .on("RCPT", say("550 5.1.1 No")),
    );
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    client.ask("RCPT TO:<bob@example.org>");
    let second = client.ask("RCPT TO:<nobody@example.org>").code;
    assert_ne!(second, 250, "the second grant was taken for the second recipient's");
    client.vanish();
    assert!(upstream.taken().is_empty());
}

#[test]
fn a_server_that_is_slow_within_reason_is_waited_for() {
    let mut script = Script::new();
    for (point, reply) in [
        ("MAIL", "250 2.1.0 ok"),
        ("RCPT", "250 2.1.5 ok"),
        ("DATA", "354 go"),
        ("<dot>", "250 2.0.0 Taken"),
        ("QUIT", "221 bye"),
    ] {
        script = script.on(point, Act::later(400, reply));
    }
    let upstream = Upstream::start(script);
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    client
        .mail(
            "ann@there.example",
            &["bob@example.org", "carl@example.org"],
            &mail("slow"),
        )
        .is(250);
    client.quit();
    assert_eq!(upstream.taken().len(), 1);
}

#[test]
fn who_names_no_recipient_of_ours_costs_the_server_nothing() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let before = upstream.sessions().len();
    for round in 0..50 {
        let mut client = gatepost.client();
        if round % 2 == 0 {
            client.ask("MAIL FROM:<ann@there.example>").is(250);
            client.ask("RCPT TO:<x@there.example>").begins("550 5.7.1");
        }
        client.quit();
    }
    assert_eq!(upstream.sessions().len(), before);
}

#[test]
fn all_mails_of_a_session_share_one_connection() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    for n in 0..5 {
        client
            .mail("ann@there.example", &["bob@example.org"], &mail(&format!("n{n}")))
            .is(250);
        client.ask("MAIL FROM:<other@there.example>").is(250);
        client.ask("RCPT TO:<carl@example.org>").is(250);
        client.ask("RSET").is(250);
    }
    client.quit();
    upstream.quiet();
    assert_eq!(upstream.visits().len(), 1);
    let taken = upstream.taken();
    assert_eq!(taken.len(), 5);
    assert!(
        taken.iter().all(|mail| mail.to == ["RCPT TO:<bob@example.org>"]),
        "{taken:?}"
    );
}

#[test]
fn two_routes_in_one_envelope_are_two_transactions() {
    let (one, two) = (Upstream::start(Script::new()), Upstream::start(Script::new()));
    let setup = Setup::before(one.address)
        .set("local_domains", "['example.org', 'other.example', '.below.example']")
        .set("route.second.upstream", format!("'{}'", two.address))
        .set("route.second.tls", "'none'")
        .set("route.second.domains", "['other.example']");
    let gatepost = Gatepost::start(&setup);
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    client.ask("RCPT TO:<bob@example.org>").is(250);
    client.ask("RCPT TO:<eve@Other.Example>").begins("451 4.3.2");
    client.ask("RCPT TO:<x@deep.below.example>").is(250);
    client.ask("RCPT TO:<x@below.example>").begins("550 5.7.1");
    client.data();
    client.content(&mail("first")).is(250);
    client
        .mail("ann@there.example", &["eve@other.example"], &mail("second"))
        .is(250);
    client.quit();
    assert_eq!((one.taken().len(), two.taken().len()), (1, 1));
    assert_eq!(one.taken()[0].to.len(), 2);
    assert_eq!(two.taken()[0].field("Subject").as_deref(), Some("second"));
}

#[test]
fn a_server_that_is_away_means_come_again_at_once_and_is_served_when_it_is_back() {
    let upstream = Upstream::start(Script::new());
    let address = upstream.address;
    let gatepost = Gatepost::start(&Setup::before(address));
    drop(upstream);
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    let (reply, took) = crate::house::timed(|| client.ask("RCPT TO:<bob@example.org>"));
    // Nobody knows whether there is such a recipient (G-13).
    reply.begins("450 4.4.1");
    assert!(took < Duration::from_secs(3), "{took:?}");
    client.ask("RSET").is(250);
    let upstream = Upstream::at(address, Script::new());
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("again"))
        .is(250);
    client.quit();
    assert_eq!(upstream.taken().len(), 1);
    drop(upstream);
    let mut client = gatepost.client();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    client.ask("RCPT TO:<bob@example.org>").begins("451 4.4.1");
    client.ask("RCPT TO:<whoever@example.org>").begins("450 4.4.1");
}
