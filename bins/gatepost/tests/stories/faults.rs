//! A mail server that dies or falls silent at each point: the client is told to come again, and nothing is lost (P-22, P-40).

use crate::house::{Act, Gatepost, Script, Setup, Upstream, mail};

/// Where it happens, and whether it is the dot's reply that tells of it (or that of RCPT).
const POINTS: [(&str, bool); 7] = [
    ("<connect>", false),
    ("EHLO", false),
    ("MAIL", false),
    ("RCPT", false),
    ("DATA", true),
    ("<body>", true),
    ("<dot>", true),
];

/// One mail, the fault, the same mail again.
#[track_caller]
fn story(upstream: &Upstream, gatepost: &Gatepost, what: &str, fault: Script, at_dot: bool) {
    let (complete, taken) = (upstream.complete().len(), upstream.taken().len());
    upstream.now(fault);
    let mut client = gatepost.client();
    let content = [
        &mail("fault")[..],
        &b"A line of a body that is long enough for several blocks.\r\n".repeat(10_000),
    ]
    .concat();
    client.ask("MAIL FROM:<ann@there.example>").is(250);
    let reply = client.ask("RCPT TO:<bob@example.org>");
    let reply = if at_dot {
        assert_eq!(reply.code, 250, "{what}: {reply}");
        client.data();
        client.content(&content)
    } else {
        reply
    };
    assert_eq!(reply.code, 451, "{what}: {reply}");
    assert_eq!(upstream.taken().len(), taken, "{what}: nothing was granted");
    assert!(
        upstream.complete().len() <= complete + usize::from(what.contains("<dot>")),
        "{what}"
    );
    // The session goes on, and the sender's second try succeeds.
    upstream.now(Script::new());
    if !at_dot {
        client.ask("RSET").is(250);
    }
    let reply = client.mail("ann@there.example", &["bob@example.org"], &content);
    assert_eq!(reply.code, 250, "{what}, again: {reply}");
    client.quit();
    assert_eq!(upstream.taken().len(), taken + 1, "{what}, again");
    assert!(
        upstream.taken().last().expect("a mail").content().ends_with(&content),
        "{what}, again"
    );
}

#[test]
fn a_server_that_dies_at_any_point_loses_nothing() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    for (point, at_dot) in POINTS {
        story(
            &upstream,
            &gatepost,
            &format!("dies at {point}"),
            Script::new().on(point, Act::Close),
            at_dot,
        );
        let half = Act::Last(b"25".to_vec());
        if point != "<body>" {
            story(
                &upstream,
                &gatepost,
                &format!("dies within its reply to {point}"),
                Script::new().on(point, half),
                at_dot,
            );
        }
    }
}

#[test]
fn a_server_that_falls_silent_at_any_point_loses_nothing() {
    let upstream = Upstream::start(Script::new());
    let mut setup = Setup::before(upstream.address);
    for step in ["connect", "greeting", "command", "data", "block", "dot"] {
        setup = setup.set(&format!("route.default.timeouts.{step}"), "'700ms'");
    }
    let gatepost = Gatepost::start(&setup);
    for (point, at_dot) in POINTS {
        story(
            &upstream,
            &gatepost,
            &format!("silent at {point}"),
            Script::new().on(point, Act::Silence),
            at_dot,
        );
    }
}

#[test]
fn a_server_that_refuses_us_is_not_the_clients_fault() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    for (point, reply) in [
        ("<connect>", "554 5.7.1 Go away"),
        ("<connect>", "421 4.3.2 Stopping"),
        ("EHLO", "421 4.3.2 Stopping"),
    ] {
        let refusal = Script::new().on(point, Act::Last(format!("{reply}\r\n").into_bytes()));
        story(&upstream, &gatepost, &format!("{reply} at {point}"), refusal, false);
    }
}

#[test]
fn a_server_that_dies_right_after_it_took_the_message_has_taken_it() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    upstream.now(Script::new().on("<dot>", Act::Last(b"250 2.0.0 Taken\r\n".to_vec())));
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("last"))
        .is(250);
    upstream.now(Script::new());
    client
        .mail("ann@there.example", &["bob@example.org"], &mail("next"))
        .is(250);
    client.quit();
    let subjects: Vec<_> = upstream
        .taken()
        .iter()
        .filter_map(|mail| mail.field("Subject"))
        .collect();
    assert_eq!(subjects, ["last", "next"]);
}

#[test]
fn recipients_that_were_granted_before_the_loss_are_not_forgotten_in_silence() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    upstream.now(Script::new().on("RCPT TO:<carl@", Act::Close));
    let mut client = gatepost.client();
    client.envelope("ann@there.example", &["bob@example.org"]);
    client.ask("RCPT TO:<carl@example.org>").is(451);
    // Whatever is said from here on: a 250 at the dot means that everybody has it who was granted.
    let dave = client.ask("RCPT TO:<dave@example.org>").code == 250;
    let data = client.ask("DATA");
    let granted = data.code == 354 && client.content(&mail("half")).code == 250;
    client.vanish();
    upstream.quiet();
    let to = |who: &str| {
        upstream
            .taken()
            .iter()
            .any(|mail| mail.to.iter().any(|to| to.contains(who)))
    };
    assert_eq!(to("bob"), granted);
    assert_eq!(to("dave"), granted && dave);
    assert!(!to("carl"));
}
