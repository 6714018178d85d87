//! The greeting, EHLO, STARTTLS.

use super::*;

#[test]
fn a_greeting_and_an_answer_to_ehlo_make_it_ready() {
    let mut talk = Talk::ready(PIPELINING);
    assert!(talk.relay.offer().pipelining && talk.relay.offer().size == Some(1000));
    assert!(talk.relay.is_open() && !talk.relay.in_transaction() && talk.relay.missing().is_none());
    talk.give(Input::Tick, &[]);
}

#[test]
fn a_server_that_does_not_greet_with_220_is_lost_whatever_it_says() {
    for (greeting, said) in [
        ("421 busy\r\n", "lost Upstream Refused 421 busy"),
        ("554 5.7.1 no\r\n", "lost Upstream Refused 554 5.7.1 no"),
        ("250 hello\r\n", "lost Upstream Refused 250 hello"),
        ("SSH-2.0-OpenSSH\r\n", "lost Upstream Malformed"),
        ("\0\r\n", "lost Upstream Malformed"),
        ("220-a\r\n250 b\r\n", "lost Upstream Malformed"),
    ] {
        Talk::new(settings()).server(greeting, &[said, "close"]);
    }
}

#[test]
fn a_server_without_ehlo_is_asked_with_helo() {
    for code in ["500", "502", "504"] {
        let mut talk = Talk::new(settings());
        talk.server(GREETING, &[EHLO]);
        talk.server(&format!("{code} what\r\n"), &["> HELO proxy.example"]);
        talk.server("250 PIPELINING\r\n", &["ready"]);
        assert_eq!(*talk.relay.offer(), Offer::default());
    }
}

#[test]
fn a_refused_ehlo_or_helo_is_a_loss() {
    for (reply, said) in [
        ("550 no\r\n", "550 no"),
        ("421 no\r\n", "421 no"),
        ("451 no\r\n", "451 no"),
        ("354 no\r\n", "354 no"),
    ] {
        let said = format!("lost Upstream Refused {said}");
        let mut talk = Talk::new(settings());
        talk.server(GREETING, &[EHLO]);
        talk.server(reply, &[&said, "close"]);
        let mut talk = Talk::new(settings());
        talk.server(GREETING, &[EHLO]);
        talk.server("502 what\r\n", &["> HELO proxy.example"]);
        talk.server(reply, &[&said, "close"]);
    }
}

#[test]
fn our_own_greeting_is_a_loop_and_our_neighbours_is_none() {
    let lost = ["lost Us Loop", "close"];
    Talk::new(settings()).server("220 PROXY.example ESMTP gatepost\r\n", &lost);
    Talk::new(settings()).server("220 proxy.example ESMTP Postfix\r\n", &[EHLO]);
    Talk::new(settings()).server("220 other.example ESMTP Gatepost\r\n", &[EHLO]);
    let mut talk = Talk::new(settings());
    talk.server(GREETING, &[EHLO]);
    talk.server("250-proxy.example Gatepost at your service\r\n250 SIZE\r\n", &lost);
}

#[test]
fn what_is_said_before_it_is_asked_is_malformed() {
    Talk::new(settings()).server(
        "220 mx.example\r\n250 mx.example\r\n",
        &["lost Upstream Malformed", "close"],
    );
}

#[test]
fn an_idle_server_that_speaks_or_leaves_is_noticed_and_the_next_order_is_lost() {
    for input in [Input::Bytes(b"421 bye\r\n"), Input::Bytes(b"4"), Input::Eof] {
        let mut talk = Talk::ready(PIPELINING);
        talk.give(input, &["close"]);
        assert!(!talk.relay.is_open());
        talk.envelope("a@b.example", "c@d.example", &["lost Upstream Gone", "close"]);
    }
    // The same in one read with the last answer.
    let mut talk = Talk::new(settings());
    talk.server(GREETING, &[EHLO]);
    talk.server("250 mx.example\r\n421 bye\r\n", &["ready", "close"]);
}

const STARTTLS: &str = "250-mx.example\r\n250 STARTTLS\r\n";

fn with_tls(tls: TlsMode) -> Talk {
    let mut talk = Talk::new(RelaySettings { tls, ..settings() });
    talk.server(GREETING, &[EHLO]);
    talk
}

#[test]
fn tls_is_used_where_it_is_offered_and_wanted_and_everything_is_asked_again() {
    for tls in [TlsMode::Opportunistic, TlsMode::Required, TlsMode::Verified] {
        let mut talk = with_tls(tls);
        talk.server(STARTTLS, &["> STARTTLS"]);
        talk.server("220 go\r\n", &["starttls"]);
        assert!(matches!(talk.relay.poll(talk.now), Output::Wait { read: false, .. }));
        assert!(!talk.relay.is_secured());
        talk.give(Input::Secured, &[EHLO]);
        assert!(!talk.relay.offer().starttls && talk.relay.is_secured());
        talk.server(STARTTLS, &["ready"]);
    }
    with_tls(TlsMode::None).server(STARTTLS, &["ready"]);
}

#[test]
fn a_server_without_tls_serves_only_where_tls_may_be_missing() {
    with_tls(TlsMode::Opportunistic).server(LOCKSTEP, &["ready"]);
    for tls in [TlsMode::Required, TlsMode::Verified] {
        with_tls(tls).server(LOCKSTEP, &["lost Upstream Missing(\"STARTTLS\")", "close"]);
        let mut talk = with_tls(tls);
        talk.server("502 what\r\n", &["> HELO proxy.example"]);
        talk.server("250 x\r\n", &["lost Upstream Missing(\"STARTTLS\")", "close"]);
    }
}

#[test]
fn a_refused_starttls_goes_on_in_plaintext_only_where_that_is_allowed() {
    let mut talk = with_tls(TlsMode::Opportunistic);
    talk.server(STARTTLS, &["> STARTTLS"]);
    talk.server("454 no\r\n", &["ready"]);
    for (tls, reply) in [
        (TlsMode::Required, "454 no"),
        (TlsMode::Opportunistic, "421 no"),
        (TlsMode::Opportunistic, "250 ok"),
    ] {
        let mut talk = with_tls(tls);
        talk.server(STARTTLS, &["> STARTTLS"]);
        talk.server(
            &format!("{reply}\r\n"),
            &[&format!("lost Upstream Refused {reply}"), "close"],
        );
    }
}

#[test]
fn octets_behind_the_220_to_starttls_lose_the_connection() {
    let mut talk = with_tls(TlsMode::Opportunistic);
    talk.server(STARTTLS, &["> STARTTLS"]);
    talk.server("220 ok\r\n250-AUTH PLAIN\r\n", &["lost Upstream Injected", "close"]);
    let mut talk = with_tls(TlsMode::Opportunistic);
    talk.server(STARTTLS, &["> STARTTLS"]);
    talk.server("220 ok\r\n", &["starttls"]);
    talk.server("250 mx\r\n", &["lost Upstream Injected", "close"]);
}

#[test]
fn a_failed_handshake_is_a_loss_never_plaintext() {
    let mut talk = with_tls(TlsMode::Opportunistic);
    talk.server(STARTTLS, &["> STARTTLS"]);
    talk.server("220 ok\r\n", &["starttls"]);
    talk.give(Input::Eof, &["lost Upstream Handshake", "close"]);
}

#[test]
fn secured_is_believed_only_when_it_was_asked_for() {
    let mut talk = Talk::ready(LOCKSTEP);
    talk.give(Input::Secured, &[]);
    assert!(!talk.relay.is_secured());
}
