//! Laws of the machine towards the mail server, against a small honest server, a dying one and a lying one.

mod lying_upstream;

use std::sync::Arc;

use gatepost_smtp::relay::{
    Client, ClientMode, FallBack, Input, Order, Outcome, Output, Relay, RelaySettings, Timeouts, TlsMode, What, Whose,
};
use gatepost_smtp::{Address, Helo, MailParams, Path, RcptParams, Reply, Time};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use lying_upstream::{check_loss, lies};

const CASES: u32 = 20_000;
const NOW: Time = Time::from_secs(1_000_000);

/// What a server took.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Message {
    from: String,
    to: Vec<String>,
    content: Vec<u8>,
}

/// A strict SMTP server: anything but whole lines ended by CR LF, in their proper order, fails the test.
#[derive(Default)]
struct Server {
    pipelining: bool,
    starttls: bool,
    xclient: bool,
    xforward: bool,
    prdr: bool,
    /// How it answers, one after another and then from the beginning.
    moods: Vec<u8>,
    mood: usize,
    input: Vec<u8>,
    greeted: bool,
    in_data: bool,
    from: Option<String>,
    /// MAIL asked for a reply to each.
    each: bool,
    to: Vec<String>,
    opened: Vec<String>,
    taken: Vec<Message>,
    closed: bool,
}

impl Server {
    fn reply(&mut self, good: &str, bad: u16) -> (bool, String) {
        let mood = self
            .moods
            .get(self.mood % self.moods.len().max(1))
            .copied()
            .unwrap_or(0);
        self.mood += 1;
        match mood % 8 {
            0 => (false, format!("{bad} 5.0.0 no\r\n")),
            1 => (false, "451 4.0.0 not\r\n451 4.0.0 now\r\n".replacen("451 ", "451-", 1)),
            2 => (true, format!("{}-first\r\n{good}", &good[..3])),
            _ => (true, good.to_owned()),
        }
    }

    /// Takes octets, gives the answers.
    fn hear(&mut self, bytes: &[u8]) -> Vec<u8> {
        assert!(!self.closed, "nothing is written to a server that said goodbye");
        self.input.extend_from_slice(bytes);
        let mut out = String::new();
        loop {
            if self.in_data {
                let Some(end) = find(&[b"\r\n", self.input.as_slice()].concat(), b"\r\n.\r\n") else {
                    break;
                };
                let raw: Vec<u8> = self.input.drain(..end + 3).collect();
                let text = &raw[..raw.len() - 3];
                assert!(
                    !raw.contains(&0)
                        && raw.iter().filter(|b| **b == b'\r').count()
                            == raw.windows(2).filter(|w| w == b"\r\n").count()
                );
                assert!(raw.iter().filter(|b| **b == b'\n').count() == raw.windows(2).filter(|w| w == b"\r\n").count());
                let content = text
                    .split_inclusive(|b| *b == b'\n')
                    .flat_map(|line| line.strip_prefix(b".").unwrap_or(line))
                    .copied()
                    .collect();
                self.in_data = false;
                let mut message = Message {
                    from: self.from.take().expect("a sender"),
                    to: std::mem::take(&mut self.to),
                    content,
                };
                if std::mem::take(&mut self.each) && message.to.len() > 1 {
                    out.push_str("353 one by one\r\n");
                    let (mut some, all) = (Vec::new(), message.to);
                    for to in all {
                        let (good, answer) = self.reply("250 2.0.0 yours\r\n", 550);
                        if good {
                            some.push(to);
                        }
                        out.push_str(&answer);
                    }
                    message.to = some;
                }
                let (good, answer) = self.reply("250 2.0.0 queued\r\n", 552);
                if good && !message.to.is_empty() {
                    self.taken.push(message);
                }
                out.push_str(&answer);
                continue;
            }
            let Some(end) = find(&self.input, b"\r\n") else { break };
            let line: Vec<u8> = self.input.drain(..end + 2).collect();
            let line = String::from_utf8(line)
                .expect("UTF-8")
                .trim_end_matches("\r\n")
                .to_owned();
            assert!(line.len() <= 510 && !line.contains(char::is_control), "{line:?}");
            let answer = self.command(&line);
            if !self.pipelining {
                assert!(self.input.is_empty(), "one command at a time without PIPELINING");
            }
            out.push_str(&answer);
        }
        out.into_bytes()
    }

    fn command(&mut self, line: &str) -> String {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb {
            "EHLO" => {
                assert!(rest == "proxy.example" || rest == "client.example");
                self.greeted = true;
                let mut answer = String::from("250-mx.example\r\n");
                for (on, word) in [
                    (self.pipelining, "PIPELINING"),
                    (self.starttls, "STARTTLS"),
                    (self.xclient, "XCLIENT NAME ADDR HELO"),
                    (self.xforward, "XFORWARD NAME ADDR SOURCE"),
                    (self.prdr, "PRDR"),
                ] {
                    if on {
                        answer.push_str(&format!("250-{word}\r\n"));
                    }
                }
                answer + "250 SIZE 1000000\r\n"
            }
            "STARTTLS" => {
                assert!(self.starttls && self.input.is_empty());
                self.starttls = false;
                self.greeted = false;
                "220 go\r\n".into()
            }
            "XCLIENT" => {
                assert!(self.xclient && rest == "HELO=client.example NAME=[UNAVAILABLE] ADDR=IPv6:2001:db8::1");
                self.xclient = false;
                self.greeted = false;
                "220 mx.example ESMTP\r\n".into()
            }
            _ if !self.greeted => panic!("not greeted: {line}"),
            "XFORWARD" => {
                assert!(self.xforward && self.from.is_none());
                assert_eq!(rest, "SOURCE=REMOTE NAME=[UNAVAILABLE] ADDR=IPv6:2001:db8::1");
                "250 ok\r\n".into()
            }
            "MAIL" => {
                assert!(self.from.is_none(), "nested MAIL");
                let plain = rest.strip_suffix(" PRDR");
                assert_eq!(plain.is_some(), self.prdr, "asked for where it is offered");
                let from = plain
                    .unwrap_or(rest)
                    .strip_prefix("FROM:<")
                    .and_then(|rest| rest.strip_suffix('>'))
                    .expect("a path")
                    .to_owned();
                self.opened.push(from.clone());
                let (good, answer) = self.reply("250 2.1.0 ok\r\n", 550);
                if good {
                    self.from = Some(from);
                    self.each = self.prdr;
                }
                answer
            }
            "RCPT" => {
                if self.from.is_none() {
                    return "503 5.5.1 MAIL first\r\n".into();
                }
                let to = rest
                    .strip_prefix("TO:<")
                    .and_then(|rest| rest.strip_suffix('>'))
                    .expect("a path")
                    .to_owned();
                let (good, answer) = self.reply("250 2.1.5 ok\r\n", 550);
                if good {
                    self.to.push(to);
                }
                answer
            }
            "DATA" => {
                assert!(!self.to.is_empty());
                let (good, answer) = self.reply("354 go\r\n", 554);
                self.in_data = good;
                answer
            }
            "RSET" => {
                self.from = None;
                self.to.clear();
                "250 2.0.0 ok\r\n".into()
            }
            "NOOP" => "250 ok\r\n".into(),
            "QUIT" => {
                self.closed = true;
                "221 bye\r\n".into()
            }
            _ => panic!("unknown command {line:?}"),
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|part| part == needle)
}

/// What a driver wants of one transaction.
#[derive(Clone, Debug)]
struct Wish {
    recipients: usize,
    /// These of them are named again before DATA.
    replay: Option<u8>,
    body: Vec<u8>,
    chunk: usize,
    end: End,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum End {
    Dot,
    Reset,
    Abort,
}

#[derive(Clone, Copy, Debug)]
struct Terms {
    pipelining: bool,
    starttls: bool,
    prdr: bool,
    client: ClientMode,
}

/// One run: the driver, the machine, the wire and the server.
struct Run {
    relay: Relay,
    server: Server,
    /// What the server said and the machine did not hear yet.
    wire: Vec<u8>,
    cuts: Vec<usize>,
    cut: usize,
    /// The server dies when it has said so much.
    life: usize,
    said: usize,
    outcomes: Vec<Outcome>,
    ended: bool,
    /// For each message that the machine reported as taken.
    reported: Vec<Message>,
    ordered: Vec<String>,
}

enum Pause {
    Done(Outcome),
    /// It waits and nobody has anything to say: in the middle of a message.
    Quiet,
    Closed,
}

impl Run {
    fn new(terms: Terms, moods: Vec<u8>, cuts: Vec<usize>, life: usize) -> Run {
        let settings = RelaySettings {
            hostname: "proxy.example".into(),
            own_name: "proxy.example".into(),
            tls: TlsMode::Opportunistic,
            client: terms.client,
            fall_back: FallBack::Refuse,
            timeouts: Timeouts::default(),
        };
        let client = Client {
            ip: "2001:db8::1".parse().expect("an address"),
            port: 0,
            name: None,
            helo: Some(Helo {
                name: "client.example".into(),
                extended: true,
            }),
            tls: false,
            login: None,
        };
        let server = Server {
            pipelining: terms.pipelining,
            starttls: terms.starttls,
            prdr: terms.prdr,
            xclient: terms.client == ClientMode::XClient,
            xforward: terms.client == ClientMode::XForward,
            moods,
            ..Server::default()
        };
        Run {
            relay: Relay::new(Arc::new(settings), client, NOW),
            server,
            wire: b"220-mx.example\r\n220 ESMTP\r\n".to_vec(),
            cuts,
            cut: 0,
            life,
            said: 0,
            outcomes: Vec::new(),
            ended: false,
            reported: Vec::new(),
            ordered: Vec::new(),
        }
    }

    fn pause(&mut self) -> Pause {
        loop {
            match self.relay.poll(NOW) {
                Output::Write(bytes) => {
                    if self.said < self.life {
                        self.wire.extend(self.server.hear(bytes));
                    }
                }
                Output::StartTls => self.relay.give(NOW, Input::Secured),
                Output::Done(outcome) => return Pause::Done(outcome),
                Output::Close => return Pause::Closed,
                Output::Wait { .. } if self.said == self.life => self.relay.give(NOW, Input::Eof),
                Output::Wait { .. } if self.wire.is_empty() => return Pause::Quiet,
                Output::Wait { .. } => {
                    let cut = self
                        .cuts
                        .get(self.cut % self.cuts.len().max(1))
                        .copied()
                        .unwrap_or(usize::MAX);
                    self.cut += 1;
                    let count = cut.max(1).min(self.wire.len()).min(self.life - self.said);
                    let bytes: Vec<u8> = self.wire.drain(..count).collect();
                    self.said += count;
                    self.relay.give(NOW, Input::Bytes(&bytes));
                }
            }
        }
    }

    /// The outcome of what was ordered; `None` when the connection is lost.
    fn outcome(&mut self) -> Option<Outcome> {
        let Pause::Done(outcome) = self.pause() else {
            panic!("an order has an outcome")
        };
        self.outcomes.push(outcome.clone());
        (!matches!(outcome, Outcome::Lost(_))).then_some(outcome)
    }

    fn order(&mut self, order: Order<'_>) -> Option<Outcome> {
        self.relay.order(order);
        self.outcome()
    }

    /// Carries the wishes out as far as the server lets it.
    fn session(&mut self, wishes: &[Wish]) -> Option<()> {
        assert_eq!(self.outcome()?, Outcome::Ready);
        for (n, wish) in wishes.iter().enumerate() {
            self.transaction(n, wish)?;
        }
        self.order(Order::Quit)?;
        assert!(matches!(self.pause(), Pause::Closed));
        Some(())
    }

    fn transaction(&mut self, n: usize, wish: &Wish) -> Option<()> {
        let from = path(&format!("s{n}@b.example"));
        let rcpt = RcptParams::default();
        let params = MailParams {
            prdr: true,
            ..MailParams::default()
        };
        let mut granted = Vec::new();
        for r in 0..wish.recipients {
            let to = path(&format!("r{r}@d.example"));
            let outcome = if self.relay.in_transaction() {
                self.order(Order::Rcpt { to: &to, params: &rcpt })?
            } else {
                self.ordered.push(from.to_string());
                self.order(Order::Envelope {
                    from: &from,
                    params: &params,
                    to: &to,
                    rcpt: &rcpt,
                })?
            };
            let Outcome::Recipient(reply) = outcome else {
                panic!("{outcome:?}")
            };
            if reply.is_done() {
                granted.push(to);
            }
            assert_eq!(granted.len(), self.relay.granted());
        }
        if let Some(mask) = wish.replay.filter(|_| !granted.is_empty()) {
            let some: Vec<(Path, RcptParams)> = granted
                .drain(..)
                .enumerate()
                .filter(|(n, _)| n == &0 || mask & 1 << (n % 8) != 0)
                .map(|(_, to)| (to, rcpt.clone()))
                .collect();
            self.ordered.push(from.to_string());
            let outcome = self.order(Order::Replay {
                from: &from,
                params: &params,
                to: &some,
            })?;
            let Outcome::Recipients(replies) = outcome else {
                panic!("{outcome:?}")
            };
            assert_eq!(replies.len(), some.len());
            granted = some
                .into_iter()
                .zip(&replies)
                .filter(|(_, reply)| reply.is_done())
                .map(|((to, _), _)| to)
                .collect();
        }
        if granted.is_empty() || wish.end == End::Reset {
            return self.order(Order::Reset).map(drop);
        }
        let Outcome::Replied(reply) = self.order(Order::Data)? else {
            panic!("DATA is replied to")
        };
        if reply.code() != 354 {
            return self.order(Order::Reset).map(drop);
        }
        for chunk in wish.body.chunks(wish.chunk.max(1)) {
            self.relay.body(chunk);
            if self.relay.buffered() > 16 {
                match self.pause() {
                    Pause::Quiet => {}
                    Pause::Done(outcome) => {
                        self.outcomes.push(outcome);
                        return None;
                    }
                    Pause::Closed => panic!("closed without an outcome"),
                }
            }
        }
        if wish.end == End::Abort {
            self.relay.abort();
            assert!(matches!(self.pause(), Pause::Closed));
            return None;
        }
        self.relay.end();
        self.ended = true;
        let outcome = self.outcome()?;
        self.ended = false;
        let reply = match outcome {
            Outcome::Replied(reply) => reply,
            Outcome::Each(each, last) => {
                assert_eq!(each.len(), granted.len());
                let mut replies = each.iter();
                granted.retain(|_| replies.next().is_some_and(Reply::is_done));
                last
            }
            other => panic!("{other:?}"),
        };
        if reply.is_done() && !granted.is_empty() {
            let to = granted.iter().map(Path::to_string).collect();
            self.reported.push(Message {
                from: from.to_string(),
                to,
                content: canonical(&wish.body),
            });
        }
        Some(())
    }
}

fn path(text: &str) -> Path {
    Path::Mailbox(Address::parse(text, false).expect("an address"))
}

/// What a body is, said slowly: every line end is CR LF, no NUL, the last line ended.
fn canonical(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut n = 0;
    while n < body.len() {
        match body[n] {
            b'\r' => {
                out.extend(b"\r\n");
                n += usize::from(body.get(n + 1) == Some(&b'\n'));
            }
            b'\n' => out.extend(b"\r\n"),
            0 => {}
            byte => out.push(byte),
        }
        n += 1;
    }
    if !out.is_empty() && !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let pieces: Vec<&'static [u8]> = vec![
        b"\r\n",
        b".",
        b"\r\n.\r\n",
        b"\n.\n",
        b"\n",
        b"\r",
        b"\0",
        b"text",
        b"..",
        b"\r.\r",
        b"MAIL FROM:<x@y>\r\n",
    ];
    vec(select(pieces), 0..12).prop_map(|pieces| pieces.concat())
}

fn wish() -> impl Strategy<Value = Wish> {
    let end = prop_oneof![6 => Just(End::Dot), 1 => Just(End::Reset), 1 => Just(End::Abort)];
    (1..5_usize, proptest::option::of(any::<u8>()), body(), 1..40_usize, end).prop_map(
        |(recipients, replay, body, chunk, end)| Wish {
            recipients,
            replay,
            body,
            chunk,
            end,
        },
    )
}

fn terms() -> impl Strategy<Value = Terms> {
    let client = select(vec![ClientMode::None, ClientMode::XClient, ClientMode::XForward]);
    let flag = any::<bool>;
    (flag(), flag(), flag(), client).prop_map(|(pipelining, starttls, prdr, client)| Terms {
        pipelining,
        starttls,
        prdr,
        client,
    })
}

fn moods() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: CASES, failure_persistence: None, ..ProptestConfig::default() })]

    /// However the server's answers are cut, the outcomes are the same; and the server saw what was ordered, no more.
    #[test]
    fn cutting_changes_nothing_and_the_server_sees_what_was_ordered(
        terms in terms(), moods in moods(), wishes in vec(wish(), 1..4), cuts in vec(1..30_usize, 1..20),
    ) {
        let mut whole = Run::new(terms, moods.clone(), vec![], usize::MAX);
        whole.session(&wishes);
        prop_assert!(!whole.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Lost(_))), "{:?}", whole.outcomes);
        prop_assert_eq!(&whole.reported, &whole.server.taken);
        prop_assert_eq!(&whole.ordered, &whole.server.opened);
        let mut cut = Run::new(terms, moods, cuts, usize::MAX);
        cut.session(&wishes);
        prop_assert_eq!(&whole.outcomes, &cut.outcomes);
        prop_assert_eq!(&cut.reported, &cut.server.taken);
        prop_assert_eq!(&cut.ordered, &cut.server.opened);
    }

    /// A server that dies at any octet gives the outcomes so far and then a loss that knows whether the dot was sent.
    #[test]
    fn a_death_at_any_octet_is_a_loss_and_never_good_news(
        terms in terms(), moods in moods(), wishes in vec(wish(), 1..3), cuts in vec(1..30_usize, 0..5), when in any::<prop::sample::Index>(),
    ) {
        let mut whole = Run::new(terms, moods.clone(), vec![], usize::MAX);
        whole.session(&wishes);
        let mut dying = Run::new(terms, moods, cuts, when.index(whole.said));
        let completed = dying.session(&wishes);
        prop_assert!(completed.is_none());
        // Aborted by the driver itself before the death was of interest.
        let aborted = !dying.outcomes.last().is_some_and(|outcome| matches!(outcome, Outcome::Lost(_)));
        if aborted {
            prop_assert_eq!(&whole.outcomes, &dying.outcomes);
        } else {
            let Some(Outcome::Lost(loss)) = dying.outcomes.pop() else { unreachable!() };
            prop_assert_eq!(&whole.outcomes[..dying.outcomes.len()], &dying.outcomes[..]);
            prop_assert_eq!(loss.after_dot, dying.ended);
            prop_assert_eq!(loss.whose, Whose::Upstream);
            prop_assert!(matches!(loss.what, What::Gone | What::Handshake), "{:?}", loss);
            check_loss(&loss);
        }
        prop_assert!(!dying.relay.is_open());
        // What was reported as taken was taken; a message that was taken and not reported was lost after the dot.
        let reported = dying.reported.len();
        prop_assert_eq!(&dying.reported[..], &dying.server.taken[..reported]);
        prop_assert!(dying.server.taken.len() <= reported + usize::from(dying.ended));
    }

    /// Whatever a server says: no panic, each command one line, no message is reported as taken that was not ended, and
    /// after a loss nothing but Close.
    #[test]
    fn a_lying_server_gets_no_good_news_past(
        script in vec(lie(), 0..24), acts in vec(0..9_u8, 1..12), client in select(vec![ClientMode::None, ClientMode::XClient, ClientMode::XForward]),
        tls in select(vec![TlsMode::None, TlsMode::Opportunistic, TlsMode::Verified]), go_on in any::<bool>(),
    ) {
        lies(script, &acts, client, tls, go_on);
    }
}

/// One thing that a server may say.
fn lie() -> impl Strategy<Value = Vec<u8>> {
    let sayings: Vec<&'static [u8]> = vec![
        b"220 mx\r\n",
        b"250 ok\r\n",
        b"250-mx\r\n250-PIPELINING\r\n250-XCLIENT NAME ADDR\r\n250-XFORWARD ADDR\r\n250 STARTTLS\r\n",
        b"250-mx\r\n250 PIPELINING\r\n",
        b"250 ok\r\n250 ok\r\n",
        b"250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n",
        b"250-mx\r\n250 PRDR\r\n",
        b"353 each\r\n",
        b"353 each\r\n250 yes\r\n250 all\r\n",
        b"354 go\r\n",
        b"354 go\r\n250 queued\r\n",
        b"421 bye\r\n",
        b"451 later\r\n",
        b"550 no\r\n",
        b"334 \r\n",
        b"235 ok\r\n",
        b"250-",
        b"299 x\r\n",
        b"199 x\r\n",
        b"abc\r\n",
        b"250 a\n",
        b"\x1b[31m\r\n",
        b"250-a\r\n550 b\r\n",
    ];
    prop_oneof![
        12 => select(sayings).prop_map(<[u8]>::to_vec),
        1 => vec(any::<u8>(), 0..40),
        1 => (1..3000_usize).prop_map(|n| vec![b'2'; n]),
    ]
}

#[test]
fn a_flood_of_any_kind_is_refused_within_bounds() {
    for piece in [&b"250-more\r\n"[..], b"2", b"\r\n", b"250 ok\r\n", b"\0"] {
        let settings = RelaySettings {
            hostname: "proxy.example".into(),
            own_name: "proxy.example".into(),
            tls: TlsMode::None,
            client: ClientMode::None,
            fall_back: FallBack::GoOn,
            timeouts: Timeouts::default(),
        };
        let client = Client {
            ip: [192, 0, 2, 1].into(),
            port: 1,
            name: None,
            helo: None,
            tls: false,
            login: None,
        };
        let mut relay = Relay::new(Arc::new(settings), client, NOW);
        relay.give(NOW, Input::Bytes(b"220 mx\r\n"));
        while matches!(relay.poll(NOW), Output::Write(_)) {}
        let flood = piece.repeat(64 * 1024 / piece.len());
        for _ in 0..200 {
            relay.give(NOW, Input::Bytes(&flood));
            assert_eq!(relay.buffered(), 0);
        }
        // What does not even end a line is left to the deadline.
        relay.give(NOW + Timeouts::default().command, Input::Tick);
        let Output::Done(outcome) = relay.poll(NOW) else {
            panic!("an outcome")
        };
        assert!(matches!(&outcome, Outcome::Lost(_) | Outcome::Ready), "{outcome:?}");
        assert!(matches!(relay.poll(NOW), Output::Close));
    }
}
