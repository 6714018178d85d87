//! XCLIENT and XFORWARD.

use super::*;

const XCLIENT: &str = "250-mx.example\r\n250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n";
const TOLD: &str =
    "> XCLIENT HELO=helo.example NAME=client.example PORT=4711 PROTO=ESMTP LOGIN=[UNAVAILABLE] ADDR=192.0.2.7";

fn with_client(client: ClientMode, fall_back: FallBack) -> Talk {
    let mut talk = Talk::new(RelaySettings {
        client,
        fall_back,
        ..settings()
    });
    talk.server(GREETING, &[EHLO]);
    talk
}

#[test]
fn after_xclient_the_server_is_greeted_again_as_the_client() {
    let mut talk = with_client(ClientMode::XClient, FallBack::Refuse);
    talk.server(XCLIENT, &[TOLD]);
    talk.server("220 mx.example ESMTP\r\n", &["> EHLO helo.example"]);
    talk.server(LOCKSTEP, &["ready"]);
    assert_eq!(talk.relay.missing(), None);
    assert_eq!(talk.relay.offer().size, Some(1000));
}

#[test]
fn xclient_comes_after_tls() {
    let mut talk = Talk::new(RelaySettings {
        client: ClientMode::XClient,
        tls: TlsMode::Required,
        ..settings()
    });
    talk.server(GREETING, &[EHLO]);
    talk.server(
        "250-mx.example\r\n250-XCLIENT ADDR\r\n250 STARTTLS\r\n",
        &["> STARTTLS"],
    );
    talk.server("220 go\r\n", &["starttls"]);
    talk.give(Input::Secured, &[EHLO]);
    talk.server("250-mx.example\r\n250 XCLIENT ADDR\r\n", &["> XCLIENT ADDR=192.0.2.7"]);
    talk.server("220 go\r\n", &["> EHLO helo.example"]);
    talk.server("250-mx.example\r\n250 XCLIENT ADDR\r\n", &["ready"]);
}

#[test]
fn a_client_without_a_usable_helo_is_greeted_for_by_us() {
    let odd = Client {
        helo: Some(Helo {
            name: "ex\u{e4}mple>".into(),
            extended: true,
        }),
        ..client()
    };
    let settings = RelaySettings {
        client: ClientMode::XClient,
        ..settings()
    };
    let mut talk = Talk {
        relay: Relay::new(Arc::new(settings), odd, Time::ZERO),
        now: Time::ZERO,
    };
    talk.server(GREETING, &[EHLO]);
    talk.server(
        "250-mx.example\r\n250 XCLIENT ADDR HELO\r\n",
        &["> XCLIENT HELO=[UNAVAILABLE] ADDR=192.0.2.7"],
    );
    talk.server("220 go\r\n", &[EHLO]);
}

#[test]
fn long_xclient_goes_command_by_command() {
    let name: Box<str> = (["a"; 120].join(".") + ".example").into();
    let long = Client {
        name: Some(name.clone()),
        helo: Some(Helo {
            name: name.clone(),
            extended: true,
        }),
        ..client()
    };
    let settings = RelaySettings {
        client: ClientMode::XClient,
        ..settings()
    };
    let mut talk = Talk {
        relay: Relay::new(Arc::new(settings), long, Time::ZERO),
        now: Time::ZERO,
    };
    talk.server(GREETING, &[EHLO]);
    talk.server(XCLIENT, &[&format!("> XCLIENT HELO={name}")]);
    talk.server(
        "220 go\r\n",
        &[&format!(
            "> XCLIENT NAME={name} PORT=4711 PROTO=ESMTP LOGIN=[UNAVAILABLE] ADDR=192.0.2.7"
        )],
    );
    talk.server("220 go\r\n", &[&format!("> EHLO {name}")]);
}

#[test]
fn a_server_without_xclient_or_xforward_is_used_only_where_that_is_allowed() {
    for (mode, word) in [(ClientMode::XClient, "XCLIENT"), (ClientMode::XForward, "XFORWARD")] {
        // Without ADDR it is of no use either.
        for offer in [LOCKSTEP.to_owned(), format!("250-mx.example\r\n250 {word} NAME\r\n")] {
            let said = format!("lost Upstream Missing(\"{word}\")");
            with_client(mode, FallBack::Refuse).server(&offer, &[&said, "close"]);
            let mut talk = with_client(mode, FallBack::GoOn);
            talk.server(&offer, &["ready"]);
            assert_eq!(talk.relay.missing(), Some(word));
            talk.envelope("a@b.example", "c@d.example", &["> MAIL FROM:<a@b.example>"]);
        }
    }
}

#[test]
fn a_refused_xclient_is_a_loss_or_goes_on_as_ourselves() {
    let mut talk = with_client(ClientMode::XClient, FallBack::Refuse);
    talk.server(XCLIENT, &[TOLD]);
    talk.server("550 5.7.0 no\r\n", &["lost Upstream Refused 550 5.7.0 no", "close"]);
    let mut talk = with_client(ClientMode::XClient, FallBack::GoOn);
    talk.server(XCLIENT, &[TOLD]);
    talk.server("550 5.7.0 no\r\n", &[EHLO]);
    talk.server(XCLIENT, &["ready"]);
    assert_eq!(talk.relay.missing(), Some("XCLIENT"));
    let mut talk = with_client(ClientMode::XClient, FallBack::GoOn);
    talk.server(XCLIENT, &[TOLD]);
    talk.server("421 no\r\n", &["lost Upstream Refused 421 no", "close"]);
}

#[test]
fn a_client_whom_the_server_refuses_by_name_hears_so() {
    let mut talk = with_client(ClientMode::XClient, FallBack::Refuse);
    talk.server(XCLIENT, &[TOLD]);
    talk.server("220 go\r\n", &["> EHLO helo.example"]);
    talk.server(
        "554 5.7.1 not you\r\n",
        &["lost Client Refused 554 5.7.1 not you", "close"],
    );
}

#[test]
fn xforward_is_told_before_each_mail_in_the_same_write() {
    let told = "XFORWARD SOURCE=REMOTE NAME=client.example ADDR=192.0.2.7";
    let mut talk = with_client(ClientMode::XForward, FallBack::Refuse);
    talk.server(
        "250-mx.example\r\n250-PIPELINING\r\n250 XFORWARD NAME ADDR SOURCE\r\n",
        &["ready"],
    );
    for _ in 0..2 {
        talk.envelope(
            "a@b.example",
            "c@d.example",
            &[&format!("> {told} | MAIL FROM:<a@b.example> | RCPT TO:<c@d.example>")],
        );
        talk.server("250 ok\r\n250 ok\r\n250 rcpt\r\n", &["recipient 250 rcpt"]);
        talk.replay(
            1,
            &[&format!(
                "> RSET | {told} | MAIL FROM:<a@b.example> | RCPT TO:<r0@d.example>"
            )],
        );
        talk.server("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n", &["recipients 250"]);
        talk.order(Order::Reset, &["> RSET"]);
        talk.server("250 ok\r\n", &["replied 250 ok"]);
    }
}

#[test]
fn a_refused_xforward_is_a_loss_or_goes_on() {
    let offer = "250-mx.example\r\n250 XFORWARD ADDR\r\n";
    let mut talk = with_client(ClientMode::XForward, FallBack::Refuse);
    talk.server(offer, &["ready"]);
    talk.envelope("a@b.example", "c@d.example", &["> XFORWARD ADDR=192.0.2.7"]);
    talk.server("550 no\r\n", &["lost Upstream Refused 550 no", "close"]);
    let mut talk = with_client(ClientMode::XForward, FallBack::GoOn);
    talk.server(offer, &["ready"]);
    talk.envelope("a@b.example", "c@d.example", &["> XFORWARD ADDR=192.0.2.7"]);
    talk.server("550 no\r\n", &["> MAIL FROM:<a@b.example>"]);
    assert_eq!(talk.relay.missing(), Some("XFORWARD"));
}
