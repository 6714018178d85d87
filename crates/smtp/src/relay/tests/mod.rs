//! Tables of what the machine says to what it is given.

mod auth;
mod envelopes;
mod identity;
mod messages;
mod opening;
mod order;
mod reuse;

use super::*;
use crate::address::{Address, Path};
use crate::command::{Helo, MailParams, RcptParams};

const GREETING: &str = "220 mx.example ESMTP\r\n";
const EHLO: &str = "> EHLO proxy.example";
const PIPELINING: &str = "250-mx.example\r\n250-PIPELINING\r\n250 SIZE 1000\r\n";
const LOCKSTEP: &str = "250-mx.example\r\n250 SIZE 1000\r\n";

/// One connection, and what the machine said at each step.
struct Talk {
    relay: Relay,
    now: Time,
}

fn settings() -> RelaySettings {
    RelaySettings {
        hostname: "proxy.example".into(),
        own_name: "proxy.example".into(),
        tls: TlsMode::None,
        client: ClientMode::None,
        fall_back: FallBack::Refuse,
        timeouts: Timeouts::default(),
    }
}

fn client() -> Client {
    Client {
        ip: [192, 0, 2, 7].into(),
        port: 4711,
        name: Some("client.example".into()),
        helo: Some(Helo {
            name: "helo.example".into(),
            extended: true,
        }),
        tls: false,
        login: None,
    }
}

fn path(text: &str) -> Path {
    if text.is_empty() {
        Path::Null
    } else {
        Path::Mailbox(Address::parse(text, true).expect("an address"))
    }
}

fn told(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Ready => "ready".into(),
        Outcome::Replied(reply) => format!("replied {reply}"),
        Outcome::Recipient(reply) => format!("recipient {reply}"),
        Outcome::Recipients(replies) => {
            format!(
                "recipients {}",
                replies
                    .iter()
                    .map(|r| r.code().to_string())
                    .collect::<Vec<_>>()
                    .join(" ")
            )
        }
        Outcome::Each(each, last) => {
            let each: Vec<_> = each.iter().map(|r| r.code().to_string()).collect();
            format!("each {} and {last}", each.join(" "))
        }
        Outcome::Challenge(text) => format!("challenge {text}"),
        Outcome::Lost(Loss { whose, after_dot, what }) => {
            let what = match what {
                What::Refused(reply) => format!("Refused {reply}"),
                what => format!("{what:?}"),
            };
            format!(
                "lost {whose:?} {what}{}",
                if *after_dot { " after the dot" } else { "" }
            )
        }
    }
}

impl Talk {
    fn new(settings: RelaySettings) -> Talk {
        let now = Time::from_secs(1000);
        Talk {
            relay: Relay::new(Arc::new(settings), client(), now),
            now,
        }
    }

    /// A connection that is ready, with this answer to EHLO.
    fn ready(offer: &str) -> Talk {
        let mut talk = Talk::new(settings());
        talk.server(GREETING, &[EHLO]);
        talk.server(offer, &["ready"]);
        talk
    }

    /// One on which `c@d.example` was accepted, `after` it.
    fn granted(offer: &str) -> Talk {
        let mut talk = Talk::ready(offer);
        talk.relay.in_transaction = true;
        talk.relay.granted = 1;
        talk
    }

    /// One that is in the middle of a message.
    fn in_body() -> Talk {
        let mut talk = Talk::granted(LOCKSTEP);
        talk.order(Order::Data, &["> DATA"]);
        talk.server("354 go\r\n", &["replied 354 go"]);
        talk
    }

    fn until_wait(&mut self, expected: &[&str]) {
        let mut said = Vec::new();
        for _ in 0..100 {
            match self.relay.poll(self.now) {
                Output::Write(bytes) => {
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    said.push(format!(
                        "> {}",
                        text.strip_suffix("\r\n").unwrap_or(&text).replace("\r\n", " | ")
                    ));
                }
                Output::StartTls => said.push("starttls".into()),
                Output::Done(outcome) => said.push(told(&outcome)),
                Output::Close => {
                    said.push("close".into());
                    break;
                }
                Output::Wait { .. } => break,
            }
        }
        assert_eq!(said, expected);
    }

    fn server(&mut self, bytes: &str, expected: &[&str]) {
        self.relay.give(self.now, Input::Bytes(bytes.as_bytes()));
        self.until_wait(expected);
    }

    fn give(&mut self, input: Input<'_>, expected: &[&str]) {
        self.relay.give(self.now, input);
        self.until_wait(expected);
    }

    fn order(&mut self, order: Order<'_>, expected: &[&str]) {
        self.relay.order(order);
        self.until_wait(expected);
    }

    fn envelope(&mut self, from: &str, to: &str, expected: &[&str]) {
        let (params, rcpt) = (MailParams::default(), RcptParams::default());
        self.order(
            Order::Envelope {
                from: &path(from),
                params: &params,
                to: &path(to),
                rcpt: &rcpt,
            },
            expected,
        );
    }

    fn rcpt(&mut self, to: &str, expected: &[&str]) {
        self.order(
            Order::Rcpt {
                to: &path(to),
                params: &RcptParams::default(),
            },
            expected,
        );
    }

    fn replay(&mut self, count: usize, expected: &[&str]) {
        let to: Vec<_> = (0..count)
            .map(|n| (path(&format!("r{n}@d.example")), RcptParams::default()))
            .collect();
        let order = Order::Replay {
            from: &path("a@b.example"),
            params: &MailParams::default(),
            to: &to,
        };
        self.order(order, expected);
    }

    /// What it waits for, in seconds from now.
    fn patience(&mut self) -> Option<u64> {
        match self.relay.poll(self.now) {
            Output::Wait { until: Time::FAR, .. } => None,
            Output::Wait { until, .. } => Some(until.since(self.now).as_secs()),
            other => panic!("{other:?}"),
        }
    }
}
