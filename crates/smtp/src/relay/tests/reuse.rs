//! One connection, another client.

use super::*;

fn other() -> Client {
    Client {
        ip: [198, 51, 100, 9].into(),
        port: 99,
        name: None,
        helo: None,
        tls: false,
        login: None,
    }
}

#[test]
fn the_next_clients_transaction_begins_with_rset_and_later_ones_do_not() {
    let mut talk = Talk::ready(PIPELINING);
    assert!(talk.relay.reuse(other()));
    talk.envelope(
        "a@b.example",
        "c@d.example",
        &["> RSET | MAIL FROM:<a@b.example> | RCPT TO:<c@d.example>"],
    );
    talk.server(
        "250 reset\r\n250 mail\r\n250 2.1.5 rcpt\r\n",
        &["recipient 250 2.1.5 rcpt"],
    );
    talk.order(Order::Reset, &["> RSET"]);
    talk.server("250 ok\r\n", &["replied 250 ok"]);
    talk.envelope(
        "a@b.example",
        "c@d.example",
        &["> MAIL FROM:<a@b.example> | RCPT TO:<c@d.example>"],
    );
}

#[test]
fn a_server_without_pipelining_sees_no_mail_before_it_took_rset() {
    let mut talk = Talk::ready(LOCKSTEP);
    assert!(talk.relay.reuse(other()));
    talk.envelope("a@b.example", "c@d.example", &["> RSET"]);
    talk.server("250 reset\r\n", &["> MAIL FROM:<a@b.example>"]);
}

#[test]
fn a_server_that_does_not_take_rset_serves_nobody_else() {
    for said in ["500 what\r\n", "451 later\r\n"] {
        let mut talk = Talk::ready(LOCKSTEP);
        assert!(talk.relay.reuse(other()));
        talk.envelope("a@b.example", "c@d.example", &["> RSET"]);
        let lost = format!("lost Upstream Refused {}", said.trim_end());
        talk.server(said, &[&lost, "close"]);
    }
}

#[test]
fn nobody_is_served_where_anything_is_doubtful() {
    let mut open = Talk::granted(LOCKSTEP);
    assert!(!open.relay.reuse(other()), "a transaction is open");
    let mut spoke = Talk::ready(LOCKSTEP);
    spoke.relay.give(spoke.now, Input::Bytes(b"421 bye\r\n"));
    assert!(!spoke.relay.reuse(other()), "the server spoke unasked");
    let mut hung_up = Talk::ready(LOCKSTEP);
    hung_up.relay.give(hung_up.now, Input::Eof);
    assert!(!hung_up.relay.reuse(other()), "the server hung up");
    let mut login = Talk::ready("250-mx.example\r\n250 AUTH PLAIN\r\n");
    login.order(
        Order::Auth {
            mechanism: "PLAIN",
            initial: Some("AGEAYg=="),
        },
        &["> AUTH PLAIN AGEAYg=="],
    );
    login.server("535 5.7.8 no\r\n", &["replied 535 5.7.8 no"]);
    assert!(!login.relay.reuse(other()), "somebody tried to log in");
}

#[test]
fn nobody_logs_in_on_a_connection_of_somebody_else() {
    let mut talk = Talk::ready("250-mx.example\r\n250 AUTH PLAIN\r\n");
    assert!(talk.relay.reuse(other()));
    let order = Order::Auth {
        mechanism: "PLAIN",
        initial: None,
    };
    talk.order(order, &["lost Us OutOfPlace", "close"]);
}

#[test]
fn xforward_tells_of_the_client_that_is_there_now() {
    let offer = "250-mx.example\r\n250-PIPELINING\r\n250 XFORWARD NAME ADDR HELO\r\n";
    let mut talk = Talk::new(RelaySettings {
        client: ClientMode::XForward,
        ..settings()
    });
    talk.server(GREETING, &[EHLO]);
    talk.server(offer, &["ready"]);
    assert!(talk.relay.reuse(other()));
    talk.relay.order(Order::Envelope {
        from: &path("a@b.example"),
        params: &MailParams::default(),
        to: &path("c@d.example"),
        rcpt: &RcptParams::default(),
    });
    let Output::Write(octets) = talk.relay.poll(talk.now) else {
        panic!("nothing is written")
    };
    let text = String::from_utf8_lossy(octets);
    assert!(text.starts_with("RSET\r\nXFORWARD "), "{text}");
    assert!(
        text.contains("198.51.100.9") && text.contains("NAME=[UNAVAILABLE]"),
        "{text}"
    );
    assert!(!text.contains("192.0.2.7") && !text.contains("helo.example"), "{text}");
}

#[test]
fn a_connection_as_whose_client_the_server_sees_somebody_serves_nobody_else() {
    let mut talk = Talk::new(RelaySettings {
        client: ClientMode::XClient,
        ..settings()
    });
    talk.server(GREETING, &[EHLO]);
    talk.relay
        .give(talk.now, Input::Bytes(b"250-mx.example\r\n250 XCLIENT NAME ADDR\r\n"));
    while let Output::Write(_) = talk.relay.poll(talk.now) {}
    talk.relay.give(talk.now, Input::Bytes(b"220 mx.example\r\n"));
    while let Output::Write(_) = talk.relay.poll(talk.now) {}
    talk.server(LOCKSTEP, &["ready"]);
    assert!(!talk.relay.reuse(other()));
}

#[test]
fn a_login_of_a_client_is_for_nobody_else_and_one_of_our_own_for_all() {
    let mut talk = Talk::ready(LOCKSTEP);
    let plain = Order::Auth {
        mechanism: "PLAIN",
        initial: Some("AGEAYg=="),
    };
    talk.order(plain, &["> AUTH PLAIN AGEAYg=="]);
    talk.server("235 2.7.0 ok\r\n", &["replied 235 2.7.0 ok"]);
    assert!(!talk.relay.may_be_reused() && !talk.relay.introduced());
    talk.relay.own_login();
    assert!(talk.relay.reuse(other()));
}
