//! What must hold whatever a mail server says: no panic, each command one line, no message reported as taken that was not
//! ended, nothing but Close after a loss.

use std::sync::Arc;

use gatepost_smtp::relay::{
    Client, ClientMode, FallBack, Input, Loss, Order, Outcome, Output, Relay, RelaySettings, Timeouts, TlsMode, Whose,
};
use gatepost_smtp::{Address, Helo, MailParams, Path, RcptParams, Time};

const NOW: Time = Time::from_secs(1_000_000);

/// A loss is worded as 4xx, or as 5xx where the fault is the client's.
pub fn check_loss(loss: &Loss) {
    let reply = loss.reply();
    assert!(
        reply.is_transient() || (reply.is_permanent() && loss.whose == Whose::Client),
        "{loss:?} says {reply}"
    );
}

fn path(text: &str) -> Path {
    Path::Mailbox(Address::parse(text, false).expect("an address"))
}

/// Drives a machine with orders taken from `acts` against a server that says `script`, whatever it is asked.
pub fn lies(script: Vec<Vec<u8>>, acts: &[u8], client: ClientMode, tls: TlsMode, go_on: bool) {
    let settings = RelaySettings {
        hostname: "proxy.example".into(),
        own_name: "mx".into(),
        tls,
        client,
        fall_back: if go_on { FallBack::GoOn } else { FallBack::Refuse },
        timeouts: Timeouts::default(),
    };
    let name: Option<Box<str>> = Some("evil\r\nDATA".into());
    let peer = Client {
        ip: [192, 0, 2, 1].into(),
        port: 1,
        helo: name.clone().map(|name| Helo { name, extended: true }),
        name,
        tls: true,
        login: Some("x\r\nQUIT".into()),
    };
    let mut relay = Relay::new(Arc::new(settings), peer, NOW);
    let mut script = script.into_iter();
    let mut acts = acts.iter();
    let (mut in_body, mut ending, mut dot_seen, mut lost) = (false, false, false, false);
    let mut granted = 0;
    let (from, to) = (path("a@b.example"), path("c@d.example"));
    let rcpt = RcptParams::default();
    let params = MailParams {
        prdr: true,
        ..MailParams::default()
    };
    let many = vec![(to.clone(), rcpt.clone()); 70];
    for _ in 0..400 {
        match relay.poll(NOW) {
            Output::Write(bytes) => {
                assert!(!lost && bytes.len() < 8192);
                assert!(bytes.is_empty() || in_body || bytes.ends_with(b"\r\n"));
                if in_body {
                    dot_seen |= ending && bytes.ends_with(b"\r\n.\r\n");
                } else {
                    for line in std::str::from_utf8(bytes).expect("UTF-8").split_terminator("\r\n") {
                        assert!(!line.contains(char::is_control) && line.len() <= 510, "{line:?}");
                        let verb = line.split(' ').next().unwrap_or_default();
                        let known = [
                            "EHLO", "HELO", "STARTTLS", "XCLIENT", "XFORWARD", "MAIL", "RCPT", "RSET", "DATA", "NOOP",
                            "QUIT", "AUTH",
                        ];
                        assert!(known.contains(&verb) || line == "AA==", "{line:?}");
                    }
                }
            }
            Output::StartTls => relay.give(NOW, Input::Secured),
            Output::Close => {
                assert!(!relay.is_open());
                return;
            }
            Output::Done(outcome) => {
                match &outcome {
                    Outcome::Lost(loss) => {
                        assert_eq!(loss.after_dot, ending, "{loss:?}");
                        check_loss(loss);
                        lost = true;
                    }
                    Outcome::Replied(reply) if in_body && reply.is_done() => assert!(ending && dot_seen, "{reply}"),
                    Outcome::Each(each, _) => assert!(ending && dot_seen && !each.is_empty() && each.len() <= granted),
                    Outcome::Recipients(replies) => assert_eq!(replies.len(), many.len()),
                    _ => {}
                }
                in_body = matches!(&outcome, Outcome::Replied(reply) if reply.code() == 354);
                (ending, dot_seen) = (false, false);
                if in_body || lost {
                    continue;
                }
                if matches!(outcome, Outcome::Challenge(_)) {
                    relay.order(Order::AuthLine("AA=="));
                    continue;
                }
                granted = relay.granted();
                let Some(act) = acts.next() else { return };
                let order = match act {
                    0 | 1 if relay.in_transaction() => Order::Rcpt { to: &to, params: &rcpt },
                    0 | 1 => Order::Envelope {
                        from: &from,
                        params: &params,
                        to: &to,
                        rcpt: &rcpt,
                    },
                    2 => Order::Replay {
                        from: &from,
                        params: &params,
                        to: &many,
                    },
                    3..=5 if relay.granted() > 0 => Order::Data,
                    6 => Order::Reset,
                    7 if !relay.in_transaction() => Order::Auth {
                        mechanism: "PLAIN",
                        initial: None,
                    },
                    8 => Order::Quit,
                    _ => Order::Noop,
                };
                relay.order(order);
            }
            Output::Wait { .. } => {
                if in_body && !ending {
                    relay.body(b"some text\r\n");
                    relay.end();
                    ending = relay.is_open();
                    continue;
                }
                match script.next() {
                    Some(bytes) => relay.give(NOW, Input::Bytes(&bytes)),
                    None => relay.give(NOW, Input::Eof),
                }
            }
        }
    }
    panic!("it does not end");
}
