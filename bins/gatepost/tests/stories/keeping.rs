//! Connections to the mail server that serve one client after another (P-43).

use crate::house::{Act, Gatepost, Script, Setup, Upstream, mail, say};

fn keeping(upstream: &Upstream) -> Setup {
    Setup::before(upstream.address).set("route.default.keep.idle", "'10s'")
}

/// One client's whole session: a mail, and goodbye.
#[track_caller]
fn one_mail(gatepost: &Gatepost, subject: &str) {
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["bob@example.org"], &mail(subject))
        .is(250);
    client.quit();
}

#[test]
fn one_connection_serves_one_client_after_another_and_each_mail_once() {
    let upstream = Upstream::start(Script::new());
    let mut gatepost = Gatepost::start(&keeping(&upstream));
    for n in 0..5 {
        one_mail(&gatepost, &format!("n{n}"));
    }
    assert_eq!(upstream.visits().len(), 1);
    let subjects: Vec<_> = upstream
        .taken()
        .iter()
        .filter_map(|mail| mail.field("Subject"))
        .collect();
    assert_eq!(subjects, ["n0", "n1", "n2", "n3", "n4"]);
    // Nothing of the one before is left when the next one begins.
    let resets = upstream.visits()[0]
        .commands
        .iter()
        .filter(|command| *command == "RSET")
        .count();
    assert_eq!(resets, 4);
    gatepost.signal("TERM");
    gatepost.ends_within(std::time::Duration::from_secs(10));
    assert!(upstream.quiet().iter().all(|session| session.has("QUIT")));
}

#[test]
fn a_connection_waits_no_longer_than_it_may_and_ends_with_a_goodbye() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&keeping(&upstream).set("route.default.keep.idle", "'300ms'"));
    one_mail(&gatepost, "first");
    assert!(upstream.quiet().iter().all(|session| session.has("QUIT")));
    one_mail(&gatepost, "second");
    assert_eq!(upstream.visits().len(), 2);
}

#[test]
fn a_connection_serves_no_more_clients_than_it_may() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&keeping(&upstream).set("route.default.keep.sessions", "2"));
    for n in 0..4 {
        one_mail(&gatepost, &format!("n{n}"));
    }
    assert_eq!(upstream.visits().len(), 2);
}

#[test]
fn no_more_connections_wait_than_may() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&keeping(&upstream).set("route.default.keep.connections", "1"));
    let mut clients: Vec<_> = (0..3).map(|_| gatepost.client()).collect();
    for client in &mut clients {
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        client.ask("RCPT TO:<bob@example.org>").is(250);
    }
    for client in clients {
        client.quit();
    }
    let ended = || upstream.visits().iter().filter(|session| session.ended).count();
    crate::house::eventually("the end of two of three", || (ended() == 2).then_some(()));
    one_mail(&gatepost, "next");
    assert_eq!(upstream.visits().len(), 3);
}

#[test]
fn where_the_server_refused_something_the_next_client_has_a_connection_of_its_own() {
    for (at, said) in [
        ("RCPT TO:<x@", "550 5.1.1 No such user"),
        ("DATA", "451 4.3.0 Later"),
        ("<dot>", "554 5.7.1 No"),
        ("MAIL", "451 4.3.2 Enough"),
    ] {
        let upstream = Upstream::start(Script::new().times(1, at, say(said)));
        let gatepost = Gatepost::start(&keeping(&upstream));
        let mut client = gatepost.client();
        client.ask("MAIL FROM:<ann@there.example>").is(250);
        client.ask("RCPT TO:<x@example.org>");
        client.ask("RCPT TO:<bob@example.org>").is(250);
        client.data();
        client.content(&mail("refused"));
        client.quit();
        one_mail(&gatepost, "next");
        assert_eq!(upstream.visits().len(), 2, "{at}");
    }
}

#[test]
fn a_connection_that_broke_while_it_waited_costs_the_next_client_nothing() {
    for (at, act) in [
        ("RSET", Act::Close),
        ("RSET", Act::Last(b"421 4.4.2 Idle too long\r\n".to_vec())),
        ("RSET", say("502 5.5.1 Not here")),
        ("RSET", say("who are you")),
        ("RSET", Act::Last(b"25".to_vec())),
        // Said while nobody asks.
        (
            "<dot>",
            Act::Last(b"250 2.0.0 Taken\r\n421 4.4.2 Idle too long\r\n".to_vec()),
        ),
        (
            "<dot>",
            Act::Say(b"250 2.0.0 Taken\r\n250 2.0.0 And another\r\n".to_vec()),
        ),
        ("<dot>", Act::Last(b"250 2.0.0 Taken\r\n".to_vec())),
    ] {
        let upstream = Upstream::start(Script::new().times(1, at, act.clone()));
        let gatepost = Gatepost::start(&keeping(&upstream));
        one_mail(&gatepost, "first");
        one_mail(&gatepost, "second");
        assert_eq!(upstream.visits().len(), 2, "{at} {act:?}");
        let taken: Vec<_> = upstream
            .taken()
            .iter()
            .filter_map(|mail| mail.field("Subject"))
            .collect();
        assert_eq!(taken, ["first", "second"], "{at} {act:?}");
    }
}

#[test]
fn a_server_that_is_told_who_the_client_is_is_told_on_a_connection_for_each() {
    let upstream = Upstream::start(Script::new().and("XCLIENT NAME ADDR PORT PROTO HELO"));
    let gatepost = Gatepost::start(&keeping(&upstream).set("route.default.client_address", "'xclient'"));
    one_mail(&gatepost, "first");
    one_mail(&gatepost, "second");
    assert_eq!(upstream.visits().len(), 2);
}
