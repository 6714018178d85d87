//! The laws of the session machine. Those that hold at every step (no question while one is open, no message without
//! a granted recipient, nothing held beyond its limit, no credentials in plain text) are watched by
//! [`session_run::Run`] in each of these, and sought out by `nothing_breaks_the_laws`.

mod session_run;

use gatepost_smtp::session::{End, Question};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use session_run::{Cut, Deed, Run, chaos, codes, cuts_change_nothing, generous, tight};

fn many() -> ProptestConfig {
    ProptestConfig {
        cases: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

const LINES: &[&str] = &[
    "EHLO c.example",
    "HELO c.example",
    "EHLO no.example",
    "EHLO",
    "MAIL FROM:<a@b.example>",
    "MAIL FROM:<>",
    "MAIL FROM:<mute@b.example> BODY=8BITMIME",
    "MAIL FROM:<no@b.example>",
    "MAIL FROM:<a@b.example> SIZE=999999",
    "MAIL FROM:<\u{e4}@b.example> SMTPUTF8",
    "RCPT TO:<c@d.example>",
    "RCPT TO:<c@d.example>",
    "RCPT TO:<no@d.example>",
    "RCPT TO:<later@d.example>",
    "RCPT TO:<\u{e4}@d.example>",
    "RCPT TO:<>",
    "RSET",
    "NOOP",
    "VRFY x",
    "HELP",
    "ETRN c.example",
    "ETRN #c",
    "BDAT",
    "what",
    "",
    ".",
    "tab\there",
    "bare\rcr",
    "nul\0",
    "*",
    "Z29vZA==",
];

/// Commands after which the client waits.
const LAST: &[&str] = &[
    "DATA",
    "data ",
    "DATA",
    "DATA",
    "STARTTLS",
    "AUTH LOGIN",
    "AUTH PLAIN Z29vZA==",
    "AUTH PLAIN YmFk",
    "QUIT",
];

const TEXT: &[&str] = &[
    "\r\n",
    "\n",
    "\r",
    ".",
    "\0",
    "\r\n.\r\n",
    "\r\n.\n",
    "\n.\r\n",
    "x",
    "..",
    "refuse me",
    "defer me",
    "Subject: x\r\n\r\n",
    "a line of some length, so that limits can be reached within a few of them\r\n",
];

fn line() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => select(LINES).prop_map(|line| format!("{line}\r\n").into_bytes()),
        1 => select(LINES).prop_map(|line| format!("{line}\n").into_bytes()),
        1 => (500usize..1500).prop_map(|n| [vec![b'x'; n], b"\r\n".to_vec()].concat()),
        1 => vec(any::<u8>(), 0..20).prop_map(|bytes| [bytes, b"\r\n".to_vec()].concat()),
    ]
}

fn text() -> impl Strategy<Value = Vec<u8>> {
    (vec(select(TEXT), 0..8), any::<bool>()).prop_map(|(mut pieces, ended)| {
        if ended {
            pieces.push("\r\n.\r\n");
        }
        pieces.concat().into_bytes()
    })
}

/// What a client sends before it waits for all replies.
fn segment() -> impl Strategy<Value = Vec<u8>> {
    let group = (vec(line(), 0..6), select(LAST))
        .prop_map(|(lines, last)| [lines.concat(), format!("{last}\r\n").into_bytes()].concat());
    prop_oneof![
        3 => group,
        2 => vec(line(), 1..6).prop_map(|lines| lines.concat()),
        2 => (text(), vec(line(), 0..3)).prop_map(|(text, lines)| [text, lines.concat()].concat()),
        2 => Just(b"EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n".to_vec()),
    ]
}

fn cut() -> impl Strategy<Value = Cut> {
    let size = || prop_oneof![3 => 1usize..8, 1 => 1usize..400];
    (size(), size(), size(), size(), any::<bool>()).prop_map(|(a, b, c, d, late)| Cut {
        sizes: [a, b, c, d],
        late,
    })
}

/// What a client does at a time, and what its script then expects.
#[derive(Clone, Copy, Debug)]
enum Act {
    Helo { extended: bool, name: &'static str },
    Mail { from: &'static str, params: bool },
    Rcpt { to: &'static str },
    Data,
    Text { text: &'static str, end: bool },
    Rset,
    Idle { line: &'static str, code: u16 },
    StartTls,
    Auth { initial: &'static str },
    AuthAsk,
    Bad { line: &'static str, code: u16 },
    Etrn { whose: &'static str },
    Quit,
}

fn act() -> impl Strategy<Value = Act> {
    use Act::{Auth, AuthAsk, Bad, Data, Etrn, Helo, Idle, Mail, Quit, Rcpt, Rset, StartTls, Text};
    let name = || select(&["c.example", "c.example", "c.example", "no.example", "lost.example"][..]);
    let path = || select(&["a", "a", "a", "a", "a", "no", "later", "lost", "mute"][..]);
    prop_oneof![
        4 => (any::<bool>(), name()).prop_map(|(extended, name)| Helo { extended, name }),
        8 => (path(), any::<bool>()).prop_map(|(from, params)| Mail { from, params }),
        8 => path().prop_map(|to| Rcpt { to }),
        6 => Just(Data),
        8 => (select(&["fine", "refuse me", "defer me", "lose me", "to each", "a\rb", "fine"][..]), any::<bool>())
            .prop_map(|(text, end)| Text { text, end }),
        2 => Just(Rset),
        2 => select(&[("NOOP", 250), ("VRFY x", 252), ("HELP", 214), ("EXPN x", 502)][..])
            .prop_map(|(line, code)| Idle { line, code }),
        2 => Just(StartTls),
        2 => select(&["Z29vZA==", "YmFk"][..]).prop_map(|initial| Auth { initial }),
        1 => Just(AuthAsk),
        1 => select(&[("what", 500), ("ETRN a b", 501), ("N\0OOP", 500), ("RSET x", 501), ("MAIL FROM:a b", 501)][..])
            .prop_map(|(line, code)| Bad { line, code }),
        1 => select(&["c.example", "no.example", "@c.example"][..]).prop_map(|whose| Etrn { whose }),
        1 => Just(Quit),
    ]
}

/// What the client may say next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Commands,
    Text,
    Credentials,
    Closed,
}

/// The states that a session is allowed to be in, by a machine too simple to be wrong.
struct Model {
    mode: Mode,
    greeted: Option<bool>,
    tls: bool,
    authenticated: bool,
    sender: Option<&'static str>,
    prdr: bool,
    granted: u32,
    asked: u32,
    text: String,
    errors: u32,
    junk: u32,
    mails: u32,
    auth_failures: u32,
}

impl Model {
    fn new() -> Model {
        Model {
            mode: Mode::Commands,
            greeted: None,
            tls: false,
            authenticated: false,
            sender: None,
            prdr: false,
            granted: 0,
            asked: 0,
            text: String::new(),
            errors: 0,
            junk: 0,
            mails: 0,
            auth_failures: 0,
        }
    }

    fn clean(&mut self) {
        (self.sender, self.granted, self.asked) = (None, 0, 0);
        self.text.clear();
    }

    /// A reply, counted and obeyed.
    fn heard(&mut self, code: u16) -> Vec<u16> {
        match code {
            421 => self.mode = Mode::Closed,
            500.. => self.errors += 1,
            _ => {}
        }
        vec![code]
    }

    fn junk(&mut self) -> bool {
        self.junk += 1;
        self.junk > 8
    }

    /// What the client writes, and the codes that it is answered; nothing where the act makes no sense.
    fn act(&mut self, act: Act) -> Option<(String, Vec<u16>)> {
        let by = |who: &str| match who {
            "no" | "no.example" => 550,
            "later" => 451,
            "lost" | "lost.example" => 421,
            _ => 250,
        };
        match (self.mode, act) {
            (Mode::Commands, Act::Text { .. }) | (Mode::Credentials, Act::Text { .. }) => return None,
            (Mode::Commands, _) => {}
            (Mode::Text, Act::Text { text, end }) => {
                self.text.push_str(text);
                let line = format!("{text}\r\n{}", if end { ".\r\n" } else { "" });
                if !end {
                    return Some((line, vec![]));
                }
                self.mode = Mode::Commands;
                let said = &self.text;
                if said.contains("to each") && !said.contains('\r') {
                    let each = self.prdr && self.granted == 2;
                    self.junk = 0;
                    self.clean();
                    return Some((line, if each { vec![353, 250, 550, 250] } else { vec![250] }));
                }
                let code = if said.contains('\r') {
                    550
                } else if said.contains("refuse me") {
                    554
                } else if said.contains("defer me") {
                    451
                } else if said.contains("lose me") {
                    self.mode = Mode::Closed;
                    421
                } else {
                    self.junk = 0;
                    250
                };
                self.clean();
                return Some((line, vec![code]));
            }
            (Mode::Credentials, Act::Auth { initial }) => {
                self.mode = Mode::Commands;
                if initial == "Z29vZA==" {
                    self.authenticated = true;
                    return Some((format!("{initial}\r\n"), vec![235]));
                }
                self.auth_failures += 1;
                return Some((format!("{initial}\r\n"), vec![535]));
            }
            (Mode::Credentials, Act::Quit) => {
                self.mode = Mode::Commands;
                return Some(("*\r\n".into(), self.heard(501)));
            }
            _ => return None,
        }
        let line = match act {
            Act::Helo { extended, name } => format!("{} {name}", if extended { "EHLO" } else { "HELO" }),
            Act::Mail { from, params } => {
                format!(
                    "MAIL FROM:<{from}@b.example>{}",
                    if params { " SIZE=10 PRDR" } else { "" }
                )
            }
            Act::Rcpt { to } => format!("RCPT TO:<{to}@d.example>"),
            Act::Data => "DATA".into(),
            Act::Rset => "RSET".into(),
            Act::Idle { line, .. } | Act::Bad { line, .. } => line.into(),
            Act::StartTls => "STARTTLS".into(),
            Act::Auth { initial } => format!("AUTH PLAIN {initial}"),
            Act::AuthAsk => "AUTH LOGIN".into(),
            Act::Etrn { whose } => format!("ETRN {whose}"),
            Act::Quit => "QUIT".into(),
            Act::Text { .. } => return None,
        };
        let exhausted = self.errors >= 6 || self.auth_failures >= 2;
        let codes = match act {
            Act::Quit => {
                self.mode = Mode::Closed;
                vec![221]
            }
            _ if exhausted => self.heard(421),
            Act::Helo { .. } | Act::Rset | Act::Idle { .. } if self.junk() => self.heard(421),
            Act::Idle { code, .. } => vec![code],
            Act::Rset => {
                self.clean();
                vec![250]
            }
            Act::Helo { extended, name } => {
                self.clean();
                if by(name) == 250 {
                    self.greeted = Some(extended);
                }
                self.heard(by(name))
            }
            Act::Mail { params: true, .. } if self.greeted == Some(false) => self.heard(555),
            Act::Mail { .. } if self.greeted.is_none() || self.sender.is_some() => self.heard(503),
            Act::Mail { .. } if self.mails >= 4 => self.heard(421),
            Act::Mail { from, params } => {
                self.mails += 1;
                if by(from) == 250 {
                    self.sender = Some(from);
                    self.prdr = params;
                }
                self.heard(by(from))
            }
            Act::Rcpt { .. } | Act::Data if self.sender.is_none() => self.heard(503),
            Act::Rcpt { to } => {
                self.asked += 1;
                match by(to) {
                    _ if self.asked > 6 => {
                        self.errors += 1;
                        vec![452]
                    }
                    _ if self.granted >= 3 => vec![452],
                    250 => {
                        self.granted += 1;
                        vec![250]
                    }
                    code => self.heard(code),
                }
            }
            Act::Data if self.granted == 0 => self.heard(554),
            Act::Data if self.sender == Some("mute") => {
                self.clean();
                vec![451]
            }
            Act::Data => {
                self.mode = Mode::Text;
                vec![354]
            }
            Act::StartTls if self.tls || self.greeted != Some(true) || self.sender.is_some() => self.heard(503),
            Act::StartTls => {
                (self.tls, self.greeted, self.authenticated) = (true, None, false);
                vec![220]
            }
            Act::Auth { .. } | Act::AuthAsk if !self.tls => self.heard(538),
            Act::Auth { .. } | Act::AuthAsk
                if self.greeted != Some(true) || self.authenticated || self.sender.is_some() =>
            {
                self.heard(503)
            }
            Act::Auth { initial: "Z29vZA==" } => {
                self.authenticated = true;
                vec![235]
            }
            Act::Auth { .. } => {
                self.auth_failures += 1;
                vec![535]
            }
            Act::AuthAsk => {
                self.mode = Mode::Credentials;
                vec![334]
            }
            // What an extension brings is not there after HELO.
            Act::Etrn { .. } | Act::Bad { line: "ETRN a b", .. } if self.greeted == Some(false) => self.heard(502),
            Act::Bad { code, .. } => self.heard(code),
            Act::Etrn { .. } if self.greeted.is_none() || self.sender.is_some() => self.heard(503),
            Act::Etrn { .. } if self.junk() => self.heard(421),
            Act::Etrn { whose } if whose.starts_with('@') => vec![459],
            Act::Etrn { whose } => self.heard(by(whose)),
            Act::Text { .. } => return None,
        };
        Some((format!("{line}\r\n"), codes))
    }
}

/// Leads a session that got this far with sensible acts, since few random ones do.
fn prelude() -> impl Strategy<Value = Vec<Act>> {
    use Act::{Data, Helo, Mail, Rcpt, StartTls};
    let helo = Helo {
        extended: true,
        name: "c.example",
    };
    let mail = Mail {
        from: "a",
        params: true,
    };
    select(vec![
        vec![],
        vec![helo],
        vec![helo, StartTls, helo],
        vec![helo, mail, Rcpt { to: "a" }],
        vec![helo, mail, Rcpt { to: "a" }, Data],
        vec![helo, StartTls, helo, mail, Rcpt { to: "a" }, Rcpt { to: "no" }],
    ])
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        8 => segment().prop_map(Deed::Say),
        4 => vec(any::<u8>(), 0..40).prop_map(Deed::Say),
        3 => select(&["EHLO c.example\r\nAUTH LOGIN\r\n", "*\r\n", "bW9yZQ==\r\n"][..])
            .prop_map(|said| Deed::Say(said.into())),
        1 => (0usize..3000).prop_map(Deed::Flood),
        24 => Just(Deed::Answer),
        3 => any::<u8>().prop_map(Deed::AnswerBy),
        1 => (0u16..400).prop_map(Deed::Later),
        1 => Just(Deed::Drain),
        1 => Just(Deed::Eof),
    ]
}

proptest! {
    #![proptest_config(many())]

    #[test]
    fn cutting_the_stream_changes_no_transcript(segments in vec(segment(), 1..6), cut in cut()) {
        cuts_change_nothing(&tight(), &segments, cut);
    }

    /// Whatever is said line by line: one reply to each, one to DATA and one to its end, until the session closes.
    #[test]
    fn every_command_has_one_reply(lines in vec(prop_oneof![line(), select(LAST).prop_map(|l| format!("{l}\r\n").into_bytes())], 0..30)) {
        let mut settings = generous();
        settings.limits.message = 300;
        let mut run = Run::greeted(settings, None);
        run.say("EHLO c.example\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n");
        let mut in_text = false;
        let mut behind_cr_lf = true;
        for line in lines.concat().split_inclusive(|b| *b == b'\n') {
            if run.closed {
                break;
            }
            let heard = run.codes(line);
            if in_text {
                prop_assert!(heard.len() <= 1, "{line:?}: {heard:?}");
                in_text = heard.is_empty();
                prop_assert_eq!(!in_text, behind_cr_lf && line == b".\r\n");
            } else {
                prop_assert_eq!(heard.len(), 1, "{:?}: {:?}", line, heard);
                in_text = heard == [354];
            }
            behind_cr_lf = line.ends_with(b"\r\n");
        }
    }

    /// The state is what it may be, and clean after RSET, HELO, EHLO, STARTTLS, and every end of a message.
    #[test]
    fn the_machine_is_the_model(prelude in prelude(), acts in vec(act(), 0..40)) {
        let mut run = Run::greeted(tight(), None);
        let mut model = Model::new();
        for act in prelude.into_iter().chain(acts) {
            if let Some((line, expected)) = model.act(act) {
                let heard = run.codes(&line);
                prop_assert_eq!(heard, expected, "{:?} in {:?}", act, model.mode);
                prop_assert_eq!(run.closed, model.mode == Mode::Closed, "{:?}", act);
                prop_assert_eq!(run.session.tls().is_some(), model.tls);
                prop_assert_eq!(run.session.is_authenticated(), model.authenticated);
            }
            if run.closed {
                break;
            }
        }
    }

    /// What came behind DATA, STARTTLS or AUTH before our reply is neither command nor text.
    #[test]
    fn what_comes_too_early_is_never_obeyed(
        prelude in prelude(),
        acts in vec(act(), 0..6),
        last in select(&["DATA", "STARTTLS", "AUTH PLAIN Z29vZA==", "AUTH LOGIN", "DATA x", "auth"][..]),
        evil in select(&["MAIL FROM:<evil@x.example>\r\nRSET\r\n", "RSET\r\nEHLO evil\r\n", "e", "evil\r\n.\r\nEHLO evil\r\n"][..]),
        with_it in any::<bool>(),
    ) {
        let mut run = Run::greeted(tight(), None);
        let mut model = Model::new();
        for act in prelude.into_iter().chain(acts) {
            if let Some((line, _)) = model.act(act) {
                run.say(line);
            }
        }
        if run.closed || model.mode != Mode::Commands {
            return Ok(());
        }
        let asked = run.asked.len();
        let said = run.said.len();
        if with_it {
            run.feed(format!("{last}\r\n{evil}").as_bytes());
        } else {
            run.feed(format!("{last}\r\n").as_bytes());
            if run.open.is_none() {
                return Ok(()); // refused on the spot: the client had its reply
            }
            run.feed(evil.as_bytes());
        }
        run.settle();
        prop_assert!(run.closed);
        let heard = codes(&run.said[said..]);
        prop_assert!(heard == [554] || heard == [421], "{:?}", heard);
        prop_assert_eq!(run.end(), Some(if heard == [554] { End::EarlyData } else { End::TooMany }));
        let only_asked = |q: &Question| matches!(q, Question::Data | Question::Auth { .. });
        prop_assert!(run.asked[asked..].iter().all(only_asked), "{:?}", run.asked);
        prop_assert!(!run.session.is_authenticated() || model.authenticated);
    }

    #[test]
    fn nothing_breaks_the_laws(secure in any::<bool>(), deeds in vec(deed(), 0..40)) {
        chaos(tight(), secure, &deeds);
    }
}

/// The random sessions above are of no use if they never get anywhere.
#[test]
fn the_random_sessions_reach_every_question() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::BTreeSet::new();
    let mut ends = std::collections::BTreeSet::new();
    for _ in 0..2000 {
        let deeds = vec(deed(), 0..40).new_tree(&mut runner).expect("deeds").current();
        let run = chaos(tight(), true, &deeds);
        let name = |text: String| text.split([' ', '(']).next().unwrap_or_default().to_owned();
        seen.extend(run.asked.iter().map(|q| name(format!("{q:?}"))));
        ends.extend(run.end().map(|end| format!("{end:?}")));
    }
    let all = [
        "Auth",
        "AuthCancelled",
        "AuthLine",
        "Connect",
        "Data",
        "Etrn",
        "Helo",
        "Mail",
        "Message",
        "Rcpt",
        "Reset",
        "Spoilt",
    ];
    assert!(seen.iter().eq(all), "{seen:?}");
    let all = [
        "Aborted",
        "Drained",
        "EarlyData",
        "Flooded",
        "Gone",
        "Quit",
        "Refused",
        "Timeout",
        "TooMany",
    ];
    assert!(all.iter().all(|end| ends.contains(*end)), "{ends:?}");
}

/// The room ends just behind a command that must come last, so only a cut session sees what came behind it.
#[test]
fn room_that_ends_behind_a_last_command_is_a_cut_like_any_other() {
    for length in 970..1000 {
        let segment = [vec![b'x'; length], b"\r\nBDAT\r\nDATA\r\n".to_vec()].concat();
        for size in 1..20 {
            let sizes = [1, size, 7, 2];
            cuts_change_nothing(&tight(), std::slice::from_ref(&segment), Cut { sizes, late: false });
        }
    }
}
