//! A driver for session machines without sockets, which watches over their laws while it obeys them. The table tests,
//! the property tests and the fuzz target share it.
#![allow(dead_code)] // each of them uses its part

use std::sync::Arc;
use std::time::Duration;

use gatepost_smtp::session::{Answer, End, Input, Output, Question, Session, Settings, Tls};
use gatepost_smtp::{Etrn, Offer, Path, Reply, Time};

/// What a session may hold beyond the octets of the client that it remembers: a block of content, and replies up to
/// where they are written.
const SLACK: usize = 2 * 16 * 1024 + 4 + 32 * 1024;

/// A session, its driver and everything that was seen of them.
pub struct Run {
    pub session: Session,
    pub now: Time,
    /// All that was written to the client.
    pub said: Vec<u8>,
    /// How often something was written.
    pub writes: usize,
    /// All questions, and before each Message and Spoilt the content that was given out.
    pub asked: Vec<Question>,
    pub contents: Vec<Vec<u8>>,
    pub closed: bool,
    /// What the last Wait said.
    pub until: Time,
    pub open: Option<Question>,
    settings: Arc<Settings>,
    content: Vec<u8>,
    sender: String,
    /// Recipients granted in the open transaction.
    granted: Option<u32>,
    in_content: bool,
}

/// Settings that offer everything, with the limits that a test can reach.
pub fn generous() -> Settings {
    let mut settings = Settings::new("mx.example");
    settings.offer = Offer {
        size: Some(100_000),
        pipelining: true,
        eight_bit_mime: true,
        smtputf8: true,
        dsn: true,
        enhanced_status_codes: true,
        starttls: true,
        auth: vec!["PLAIN".into(), "LOGIN".into()],
        prdr: true,
        etrn: true,
        ..Offer::default()
    };
    settings
}

/// Limits that a short session reaches.
pub fn tight() -> Settings {
    let mut settings = generous();
    settings.limits.errors = 6;
    settings.limits.junk = 8;
    settings.limits.mails = 4;
    settings.limits.recipients = 3;
    settings.limits.auth_failures = 2;
    settings.limits.excess = 1000;
    settings.limits.message = 300;
    settings.limits.command_line = 600;
    settings.limits.auth_line = 700;
    settings.limits.remembered = 1000;
    settings
}

pub fn tls() -> Tls {
    Tls {
        version: "TLSv1.3".into(),
        cipher: "TLS13_AES_256_GCM_SHA384".into(),
        server_name: None,
    }
}

impl Run {
    pub fn new(settings: Settings, tls: Option<Tls>) -> Run {
        let now = Time::from_secs(1_000_000);
        let settings = Arc::new(settings);
        Run {
            session: Session::new(Arc::clone(&settings), tls, now),
            now,
            said: Vec::new(),
            writes: 0,
            asked: Vec::new(),
            contents: Vec::new(),
            closed: false,
            until: now,
            open: None,
            settings,
            content: Vec::new(),
            sender: String::new(),
            granted: None,
            in_content: false,
        }
    }

    /// A session whose client was greeted.
    pub fn greeted(settings: Settings, tls: Option<Tls>) -> Run {
        let mut run = Run::new(settings, tls);
        run.settle();
        run
    }

    /// Polls until the machine wants something.
    pub fn pump(&mut self) {
        for _ in 0..1_000_000 {
            self.check_bounds();
            match self.session.poll(self.now) {
                Output::Write(bytes) => {
                    assert!(!bytes.is_empty(), "an empty write");
                    self.said.extend_from_slice(bytes);
                    self.writes += 1;
                }
                Output::Body(content) => {
                    assert!(!content.is_empty(), "empty content");
                    assert!(self.in_content, "content outside of a message");
                    self.content.extend_from_slice(content);
                }
                Output::Ask(question) => {
                    self.watch(&question);
                    self.asked.push(question.clone());
                    self.open = Some(question);
                    return;
                }
                Output::Wait { until, read } => {
                    assert_eq!(read, self.session.wants_bytes());
                    match self.open {
                        Some(_) => assert_eq!(until, Time::FAR, "no patience with our own answers"),
                        None => assert!(until > self.now, "a wait that is over"),
                    }
                    self.until = until;
                    return;
                }
                Output::StartTls => {
                    assert!(self.session.tls().is_none(), "TLS within TLS");
                    assert_eq!(self.granted, None, "STARTTLS within a transaction");
                    self.session.give(self.now, Input::Secured(tls()));
                }
                Output::Close => {
                    assert!(self.session.facts().end.is_some(), "closed for no reason");
                    assert_eq!(self.session.poll(self.now), Output::Close, "a life after the end");
                    self.closed = true;
                    self.open = None;
                    self.granted = None;
                    return;
                }
            }
        }
        panic!("polling has no end");
    }

    /// Answers what is open and polls, until the machine waits for the client or closes.
    pub fn settle(&mut self) {
        self.pump();
        while !self.closed && self.open.is_some() {
            self.answer();
            self.pump();
        }
    }

    /// Answers the open question as [`fate`] says.
    pub fn answer(&mut self) {
        let Some(question) = &self.open else { return };
        let answer = fate(question, &self.sender, &self.content);
        self.answer_with(answer);
    }

    /// Answers the open question.
    pub fn answer_with(&mut self, answer: Answer) {
        let question = self.open.take().expect("a question is open");
        let done = matches!(&answer, Answer::Reply(reply) if reply.is_done());
        match &question {
            Question::Mail { from, .. } if done => {
                self.sender = from.to_string();
                self.granted = Some(0);
            }
            Question::Rcpt { .. } if done => {
                self.granted = self.granted.map(|n| n + 1);
            }
            Question::Data => match &answer {
                Answer::Reply(reply) if reply.code() == 354 => self.in_content = true,
                _ => self.granted = None,
            },
            Question::Message { .. } | Question::Spoilt { .. } => {
                self.granted = None;
                self.in_content = false;
                let content = std::mem::take(&mut self.content);
                self.contents.push(content);
            }
            Question::Reset(_) => self.granted = None,
            _ => {}
        }
        self.session.give(self.now, Input::Answer(answer));
    }

    /// Gives bytes as far as there is room, answering for more room, and polls; what is open then stays open.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && !self.closed {
            let room = self.session.room();
            if room == 0 {
                assert!(self.open.is_some(), "no room and no question: nothing will ever change");
                self.answer();
                self.pump();
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.session.give(self.now, Input::Bytes(now));
            self.pump();
            bytes = later;
        }
    }

    /// Says something and hears what comes back.
    pub fn say(&mut self, text: impl AsRef<[u8]>) -> String {
        let from = self.said.len();
        self.feed(text.as_ref());
        self.settle();
        String::from_utf8_lossy(&self.said[from..]).into_owned()
    }

    /// Says something; the codes of the replies to it.
    pub fn codes(&mut self, text: impl AsRef<[u8]>) -> Vec<u16> {
        let from = self.said.len();
        self.feed(text.as_ref());
        self.settle();
        codes(&self.said[from..])
    }

    /// The client closes.
    pub fn eof(&mut self) {
        self.session.give(self.now, Input::Eof);
        self.settle();
    }

    /// The server begins to stop.
    pub fn drain(&mut self) {
        self.session.give(self.now, Input::Drain);
        self.settle();
    }

    /// Time passes.
    pub fn later(&mut self, by: Duration) {
        self.now = self.now + by;
        self.session.give(self.now, Input::Tick);
        self.settle();
    }

    pub fn end(&self) -> Option<End> {
        self.session.facts().end
    }

    fn watch(&mut self, question: &Question) {
        assert!(self.open.is_none(), "{question:?} while {:?} is open", self.open);
        assert!(!self.session.facts().early_data, "{question:?} after early data");
        match question {
            Question::Mail { .. } => assert_eq!(self.granted, None, "MAIL within a transaction"),
            Question::Rcpt { .. } => assert!(self.granted.is_some(), "RCPT without a transaction"),
            Question::Data | Question::Message { .. } | Question::Spoilt { .. } => {
                assert!(self.granted > Some(0), "{question:?} without a recipient");
            }
            Question::Reset(_) => assert!(self.granted.is_some(), "Reset without a transaction"),
            Question::Helo(_) | Question::Auth { .. } | Question::AuthLine(_) | Question::Etrn(_) => {
                assert_eq!(self.granted, None, "{question:?} within a transaction");
            }
            Question::Connect | Question::AuthCancelled => {}
        }
        if let Question::Message { size, .. } = question {
            assert_eq!(*size, self.content.len() as u64, "all of the content was given out");
            assert!(*size <= self.settings.max_message(), "no message over the limit");
        }
        if let Question::Auth { .. } | Question::AuthLine(_) = question {
            assert!(self.session.tls().is_some(), "credentials in plain text");
        }
        if let Some(granted) = self.granted {
            assert!(
                granted <= self.settings.limits.recipients,
                "too many recipients granted"
            );
        }
    }

    fn check_bounds(&self) {
        let limits = &self.settings.limits;
        let remembered = limits.remembered.max(limits.command_line + 2).max(limits.auth_line + 2);
        assert!(
            self.session.held() <= remembered + SLACK,
            "{} octets held",
            self.session.held()
        );
        if self.session.is_parked() {
            assert_eq!(self.session.held(), 0);
        }
    }
}

/// What the driver of these tests answers: a function of what was said alone, so that cuts do not change it.
pub fn fate(question: &Question, sender: &str, content: &[u8]) -> Answer {
    let reply = |code, text: &str| Answer::Reply(Reply::new(code, None, text));
    let by_name = |name: &str| match name {
        _ if name.starts_with("no") => reply(550, "no"),
        _ if name.starts_with("later") => reply(451, "later"),
        _ if name.starts_with("lost") => reply(421, "lost"),
        _ => reply(250, "yes"),
    };
    let by_path = |path: &Path| by_name(&path.to_string());
    let says = |needle: &[u8]| content.windows(needle.len()).any(|w| w == needle);
    match question {
        Question::Connect => reply(220, "mx.example ESMTP"),
        Question::Helo(helo) => by_name(&helo.name),
        Question::Auth {
            initial: Some(line), ..
        }
        | Question::AuthLine(line) => match line.as_ref() {
            "Z29vZA==" => reply(235, "welcome"),
            "bW9yZQ==" => Answer::Challenge("VXNlcg==".into()),
            _ => reply(535, "no"),
        },
        Question::Auth { initial: None, .. } => Answer::Challenge("".into()),
        Question::AuthCancelled | Question::Spoilt { .. } | Question::Reset(_) => reply(250, "never heard"),
        Question::Mail { from, .. } => by_path(from),
        Question::Rcpt { to, .. } => by_path(to),
        Question::Data if sender.starts_with("mute") => reply(451, "no data"),
        Question::Data => reply(354, "go on"),
        Question::Etrn(Etrn::Domain(name)) => by_name(name),
        Question::Etrn(_) => reply(459, "not yours"),
        Question::Message { .. } if says(b"to each") => {
            let two = vec![Reply::new(250, None, "yes"), Reply::new(550, None, "no")];
            Answer::Each(two, Reply::new(250, None, "for some"))
        }
        Question::Message { .. } if says(b"refuse me") => reply(554, "no"),
        Question::Message { .. } if says(b"defer me") => reply(451, "later"),
        Question::Message { .. } if says(b"lose me") => reply(421, "lost"),
        Question::Message { .. } => reply(250, "yes"),
    }
}

/// The codes of the replies in `said`, by a reader that stands no nonsense.
pub fn codes(said: &[u8]) -> Vec<u16> {
    let text = std::str::from_utf8(said).expect("ASCII");
    let mut codes = Vec::new();
    let mut within = None;
    for line in text.split_inclusive("\r\n") {
        let line = line.strip_suffix("\r\n").expect("a whole line");
        assert!(line.len() <= 510 || line.starts_with("334 "), "a long line");
        assert!(line.bytes().all(|b| matches!(b, b' '..=b'~')), "{line:?}");
        let code: u16 = line[..3].parse().expect("three digits");
        assert!((200..600).contains(&code));
        assert!(within.is_none_or(|before| before == code), "mixed codes in {text:?}");
        match line.as_bytes()[3] {
            b'-' => within = Some(code),
            b' ' => {
                within = None;
                codes.push(code);
            }
            _ => panic!("neither space nor hyphen in {line:?}"),
        }
    }
    assert_eq!(within, None, "half a reply");
    codes
}

/// Everything that must not depend on how the client's octets were cut.
pub fn transcript(run: &Run) -> (String, Vec<String>, Vec<Vec<u8>>, Option<End>) {
    let asked = run.asked.iter().map(|question| match question {
        // Refused by the machine: how much content was given out before that is nobody's business.
        Question::Spoilt { reply, .. } => format!("Spoilt {reply}"),
        other => format!("{other:?}"),
    });
    let spoilt = |n: usize| {
        let mut ends = run
            .asked
            .iter()
            .filter(|q| matches!(q, Question::Message { .. } | Question::Spoilt { .. }));
        matches!(ends.nth(n), Some(Question::Spoilt { .. }))
    };
    let contents = run
        .contents
        .iter()
        .enumerate()
        .filter(|(n, _)| !spoilt(*n))
        .map(|(_, c)| c.clone());
    (
        String::from_utf8_lossy(&run.said).into_owned(),
        asked.collect(),
        contents.collect(),
        run.end(),
    )
}

/// How a client's octets reach the machine.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Octets of each piece, taken in turn.
    pub sizes: [usize; 4],
    /// Whether questions are answered only when the whole segment was given.
    pub late: bool,
}

/// Runs the segments; the client waits for all replies after each.
pub fn run_cut(settings: Settings, segments: &[Vec<u8>], cut: Option<Cut>) -> Run {
    let mut run = Run::greeted(settings, None);
    for segment in segments {
        let mut rest = segment.as_slice();
        let mut turn = 0;
        while !rest.is_empty() && !run.closed {
            let size = cut.map_or(rest.len(), |cut| cut.sizes[turn % 4].max(1)).min(rest.len());
            let (now, later) = rest.split_at(size);
            run.feed(now);
            if !cut.is_some_and(|cut| cut.late) {
                run.settle();
            }
            rest = later;
            turn += 1;
        }
        run.settle();
    }
    run
}

/// What a driver and a client may do to a session, in any order.
#[derive(Clone, Debug)]
pub enum Deed {
    /// The client says something; what is asked stays open.
    Say(Vec<u8>),
    /// The driver gives so many bytes at once, whatever room there is.
    Flood(usize),
    /// The answer to what is open, as [`fate`] says.
    Answer,
    /// Another answer to what is open, fitting or not.
    AnswerBy(u8),
    /// So many seconds pass.
    Later(u16),
    Drain,
    Eof,
}

/// Does all of it. The laws are watched by [`Run`]; in the end the client has heard whole replies, and the session ends.
pub fn chaos(settings: Settings, secure: bool, deeds: &[Deed]) -> Run {
    let mut run = Run::new(settings, secure.then(tls));
    run.pump();
    for deed in deeds {
        match deed {
            Deed::Say(bytes) => run.feed(bytes),
            Deed::Flood(count) => run.session.give(run.now, Input::Bytes(&vec![b'x'; *count])),
            Deed::Answer => run.answer(),
            Deed::AnswerBy(kind) => {
                if run.open.is_some() {
                    run.answer_with(any_answer(*kind));
                }
            }
            Deed::Later(seconds) => {
                run.now = run.now + Duration::from_secs(u64::from(*seconds));
                run.session.give(run.now, Input::Tick);
            }
            Deed::Drain => run.session.give(run.now, Input::Drain),
            Deed::Eof => run.session.give(run.now, Input::Eof),
        }
        run.check_bounds();
        run.pump();
    }
    run.eof();
    assert!(run.closed, "a session without a client");
    assert_eq!(run.session.held(), 0);
    codes(&run.said);
    run
}

fn any_answer(kind: u8) -> Answer {
    const CODES: [u16; 12] = [200, 220, 235, 250, 252, 334, 354, 421, 451, 503, 550, 554];
    match CODES.get(usize::from(kind)) {
        Some(code) => Answer::Reply(Reply::new(*code, None, "two\nlines")),
        None if kind.is_multiple_of(3) => Answer::Challenge("VXNlcg==".into()),
        None if kind % 3 == 1 => Answer::Each(vec![Reply::new(250, None, "a\nb"); 1], Reply::new(250, None, "all")),
        None => Answer::Abort,
    }
}

/// However the client's octets are cut, and whether they come before or after the answers, the session is the same;
/// unless they came before a reply that had to be awaited, of which the cut decides. What is longer than the session's
/// room comes in pieces even if nobody cuts it, and so a cut elsewhere may find octets behind such a command.
pub fn cuts_change_nothing(settings: &Settings, segments: &[Vec<u8>], cut: Cut) {
    let whole = run_cut(settings.clone(), segments, None);
    codes(&whole.said);
    if whole.session.facts().early_data {
        return;
    }
    let other = run_cut(settings.clone(), segments, Some(cut));
    let was_cut_anyhow = segments.iter().any(|s| s.len() > settings.limits.remembered);
    if !(was_cut_anyhow && other.session.facts().early_data) {
        assert_eq!(transcript(&other), transcript(&whole), "{cut:?}");
    }
}
