//! One script, played.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::smtp::body::Notes;
use gatepost_core::smtp::session::{Answer, Input, Output, Question, Session, Tls};
use gatepost_core::{Client, Facts, Kept, Message, Query, Visit};
use gatepost_pipeline::{Reception, Seen};

use super::codes::Codes;
use super::house::House;
use super::script::{self, BadScript, Line, bad, span, unquote, word};
use super::{Brought, Failure};

/// The most lines of a transcript that a failure shows, the last ones.
const TRANSCRIPT: usize = 60;

/// When a client leaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaves {
    BeforeDot,
    BeforeReply,
}

/// A session that is going on.
struct Call {
    session: Session,
    reception: Reception,
    /// Octets written and not yet read as replies.
    wire: Vec<u8>,
    /// Whole replies, each a code and its text, that the script has not read.
    replies: VecDeque<(u16, String)>,
    body: Vec<u8>,
    /// A message was answered and the answer not yet written.
    owed: bool,
    handshake: bool,
    over: bool,
    ended: bool,
    leaves: Option<Leaves>,
}

/// A script that is being played.
pub(super) struct Talk {
    pub(super) house: House,
    client: Option<(IpAddr, u16)>,
    call: Option<Call>,
    early: Vec<u8>,
    transcript: Vec<String>,
    took: Duration,
    codes: Codes,
}

/// What a statement came to when it did not go as written: what was expected, what happened.
pub(super) enum Trouble {
    Script(BadScript),
    Other { expected: String, got: String },
}

impl From<BadScript> for Trouble {
    fn from(bad: BadScript) -> Trouble {
        Trouble::Script(bad)
    }
}

pub(super) fn differs<T>(expected: impl Into<String>, got: impl Into<String>) -> Result<T, Trouble> {
    Err(Trouble::Other {
        expected: expected.into(),
        got: got.into(),
    })
}

pub(super) fn same(what: &str, expected: &str, got: usize) -> Result<(), Trouble> {
    match expected.trim().parse::<usize>() {
        Ok(number) if number == got => Ok(()),
        Ok(number) => differs(format!("{number} {what}"), got.to_string()),
        Err(_) => Ok(bad("a number")?),
    }
}

/// Plays a script to its end.
pub(super) async fn play(name: &str, text: &str, folder: &Path, brought: Brought) -> Result<(), Box<Failure>> {
    let fail = |line: usize, text: &str, trouble: Trouble, transcript: String| {
        let (expected, got) = match trouble {
            Trouble::Script(BadScript(expected)) => (expected, "no such statement".into()),
            Trouble::Other { expected, got } => (expected, got),
        };
        Box::new(Failure {
            file: name.into(),
            line,
            text: text.into(),
            expected,
            got,
            transcript,
        })
    };
    let lines = script::lines(text).map_err(|(line, text, bad)| fail(line, &text, bad.into(), String::new()))?;
    let mut talk = Talk {
        house: House::new(folder, brought),
        client: None,
        call: None,
        early: Vec::new(),
        transcript: Vec::new(),
        took: Duration::ZERO,
        codes: Codes::default(),
    };
    for line in &lines {
        let outcome = talk.line(line).await;
        outcome.map_err(|trouble| fail(line.number, &line.text, trouble, talk.transcript()))?;
    }
    let last = lines.last().map_or((0, ""), |line| (line.number, line.text.as_str()));
    talk.no_reply_is_left()
        .map_err(|trouble| fail(last.0, last.1, trouble, talk.transcript()))?;
    talk.hang_up().await;
    if !lines.iter().any(|line| line.parts.iter().any(|(word, _)| word == "S")) {
        return Err(fail(
            last.0,
            last.1,
            Trouble::Script(BadScript("at least one `S`, else nothing is tested".into())),
            String::new(),
        ));
    }
    Ok(())
}

impl Talk {
    fn transcript(&self) -> String {
        let skipped = self.transcript.len().saturating_sub(TRANSCRIPT);
        self.transcript
            .iter()
            .skip(skipped)
            .map(|line| format!("    {line}\n"))
            .collect()
    }

    async fn line(&mut self, line: &Line) -> Result<(), Trouble> {
        for _ in 0..line.times {
            for (word, rest) in &line.parts {
                self.statement(word, rest, line.block.as_deref()).await?;
            }
        }
        Ok(())
    }

    async fn statement(&mut self, what: &str, rest: &str, block: Option<&str>) -> Result<(), Trouble> {
        let rest = &*self.codes.fill(rest);
        match what {
            "client" => {
                self.hang_up().await;
                let (address, port) = word(rest);
                let Ok(address) = address.parse() else {
                    return Ok(bad("`client ADDRESS [PORT]`")?);
                };
                self.client = Some((address, port.trim().parse().unwrap_or(25_000)));
            }
            "new" => self.hang_up().await,
            "early" => {
                self.early.extend_from_slice(rest.as_bytes());
                self.early.extend_from_slice(b"\r\n");
            }
            "C" => {
                self.no_reply_is_left()?;
                self.send(format!("{rest}\r\n").as_bytes(), "C").await?;
            }
            "D" => self.send(format!("{rest}\r\n").as_bytes(), "D").await?,
            "file" => {
                let bytes = self.house.file(rest)?;
                self.send(&bytes, "D").await?;
            }
            "." => self.send(b".\r\n", "D").await?,
            "raw" => {
                let bytes = unquote(rest)?;
                self.send(&bytes, "raw").await?;
            }
            "S" => self.expect(rest).await?,
            "closed" => {
                self.no_reply_is_left()?;
                if !self.call().await?.over {
                    return differs("the connection is closed", "it is open");
                }
            }
            "close" => {
                self.no_reply_is_left()?;
                self.hang_up().await;
            }
            "tls" => {
                let now = self.house.now();
                let call = self.call().await?;
                if !std::mem::take(&mut call.handshake) {
                    return differs("a handshake after 220", "none was asked for");
                }
                let tls = Tls {
                    version: "TLSv1.3".into(),
                    cipher: "TLS13_AES_256_GCM_SHA384".into(),
                    server_name: None,
                };
                call.reception.secured(Arc::new(tls.clone()));
                call.session.give(now, Input::Secured(tls));
                self.go_on().await;
            }
            "drain" => {
                let now = self.house.now();
                self.call().await?.session.give(now, Input::Drain);
                self.go_on().await;
            }
            "leaves" => {
                let when = match rest.trim() {
                    "before the dot" => Leaves::BeforeDot,
                    "before the reply" => Leaves::BeforeReply,
                    _ => return Ok(bad("`leaves before the dot` or `leaves before the reply`")?),
                };
                self.call().await?.leaves = Some(when);
            }
            "later" => {
                self.house.fakes.clock.pass(span(rest)?).await;
                let now = self.house.now();
                if let Some(call) = &mut self.call {
                    call.session.give(now, Input::Tick);
                    self.go_on().await;
                }
            }
            "took" => {
                let expected = span(rest)?;
                if self.took != expected {
                    return differs(format!("{expected:?}"), format!("{:?}", self.took));
                }
            }
            "upstream" => self.upstream(rest)?,
            "forget" => self.house.forget(rest).await?,
            "desk" => self.desk(rest, block).await?,
            "receipt" => self.receipt(rest)?,
            "submitted" => self.submitted(rest)?,
            "letter" => self.letter(rest)?,
            "spf" => self.spf(rest)?,
            "identity" => self.identity(rest)?,
            "restart" => {
                self.no_reply_is_left()?;
                self.hang_up().await;
                self.house.restart().await?;
            }
            "delivered" => self.delivered(rest)?,
            "kept" if rest.starts_with("reason ") => {
                let all = self.house.fakes.kept.list(&Query::default()).await.unwrap_or_default();
                let reasons: Vec<_> = all.iter().map(|mail| format!("reason {}", mail.reason)).collect();
                if reasons != [rest] {
                    return differs(rest, reasons.join(", "));
                }
            }
            "kept" => same(
                "kept",
                rest,
                self.house
                    .fakes
                    .kept
                    .list(&Query::default())
                    .await
                    .map_or(0, |kept| kept.len()),
            )?,
            "withdrawn" => same("withdrawn", rest, self.house.fakes.kept.withdrawn.len())?,
            "queued" => self.queued(rest)?,
            "queue" if !rest.trim().is_empty() => self.queue(rest.trim())?,
            "records" => {
                let records = self.house.records().await;
                same("records", rest, records.len())?;
            }
            "record" => self.record(rest).await?,
            "asked" => self.asked(rest)?,
            "alarm" => self.alarm(rest)?,
            "zone" => self.house.set(what, rest, block)?,
            _ if self.house.is_open() => {
                return Ok(bad(format!(
                    "a statement of a dialogue, not `{what}`; the house is set up before the first session"
                ))?);
            }
            _ => self.house.set(what, rest, block)?,
        }
        Ok(())
    }

    /// The session that is going on; begins one where there is none.
    async fn call(&mut self) -> Result<&mut Call, Trouble> {
        if self.call.is_none() {
            let Some((address, port)) = self.client else {
                return Ok(bad("a `client ADDRESS` first")?);
            };
            self.house.open()?;
            let now = self.house.now();
            let mut visit = Visit::new(self.house.direction, "dialogue".into(), Client::new(address, port));
            visit.login = self.house.login.clone();
            let trusted = visit.login.is_some();
            let mut session = Session::new(self.house.settings(), None, now);
            if trusted {
                session.trust();
            }
            let early = std::mem::take(&mut self.early);
            session.give(now, Input::Bytes(&early));
            let reception = self.house.receive(visit)?;
            self.transcript.push(format!("-- {address} connects"));
            self.call = Some(Call {
                session,
                reception,
                wire: Vec::new(),
                replies: VecDeque::new(),
                body: Vec::new(),
                owed: false,
                handshake: false,
                over: false,
                ended: false,
                leaves: None,
            });
            self.go_on().await;
        }
        match &mut self.call {
            Some(call) => Ok(call),
            None => Ok(bad("a `client` first")?),
        }
    }

    async fn send(&mut self, bytes: &[u8], how: &str) -> Result<(), Trouble> {
        let now = self.house.now();
        let fresh = self.call.is_none();
        let call = self.call().await?;
        // The usual greeting need not be written into each script.
        if fresh && call.replies.front().is_some_and(|(code, _)| *code == 220) {
            call.replies.pop_front();
        }
        if call.over {
            return differs("an open connection", "it is closed");
        }
        if !call.session.wants_bytes() {
            return differs("a session that reads", "it does not");
        }
        call.session.give(now, Input::Bytes(bytes));
        let shown = if bytes.len() > 200 {
            format!("({} octets)", bytes.len())
        } else {
            bytes.trim_ascii_end().escape_ascii().to_string()
        };
        self.transcript.push(format!("{how}: {shown}"));
        self.go_on().await;
        Ok(())
    }

    /// Obeys the session until it waits for its client.
    async fn go_on(&mut self) {
        let before = tokio::time::Instant::now();
        let house = &self.house;
        let Some(call) = &mut self.call else { return };
        loop {
            let now = house.now();
            let began = tokio::time::Instant::now();
            match call.session.poll(now) {
                Output::Write(bytes) => {
                    call.wire.extend_from_slice(bytes);
                    read_replies(&mut call.wire, &mut call.replies, &mut self.transcript);
                    if std::mem::take(&mut call.owed) {
                        call.reception.answered(now, call.leaves.take().is_none());
                    }
                }
                Output::Body(bytes) => call.body.extend_from_slice(bytes),
                Output::Ask(question) => {
                    let answer = call.answer(now, question).await;
                    tokio::time::sleep(call.reception.delay()).await;
                    call.session.give(house.now(), Input::Answer(answer));
                }
                Output::Wait { .. } => break,
                Output::StartTls => {
                    call.handshake = true;
                    break;
                }
                Output::Close => {
                    if !std::mem::replace(&mut call.over, true) {
                        self.transcript.push("-- closed".into());
                    }
                    if std::mem::take(&mut call.owed) {
                        call.reception.answered(now, false);
                    }
                    break;
                }
            }
            // What the client had to wait for has passed for everybody.
            house.fakes.clock.forward(began.elapsed());
        }
        self.took = before.elapsed();
        if call.over && !std::mem::replace(&mut call.ended, true) {
            call.reception.end(house.now(), end_of(&call.session)).await;
        }
    }

    /// The client hangs up; the session is let go.
    async fn hang_up(&mut self) {
        let now = self.house.now();
        if let Some(call) = &mut self.call {
            if !call.over {
                self.transcript.push("-- hangs up".into());
                call.session.give(now, Input::Eof);
            }
            self.go_on().await;
        }
        self.call = None;
    }

    fn no_reply_is_left(&self) -> Result<(), Trouble> {
        match self.call.as_ref().and_then(|call| call.replies.front()) {
            Some((code, text)) => differs("no other reply", format!("{code} {text}")),
            None => Ok(()),
        }
    }

    async fn expect(&mut self, expected: &str) -> Result<(), Trouble> {
        let Some((code, text)) = self.call().await?.replies.pop_front() else {
            return differs(expected, "no reply");
        };
        self.codes.hear(&text);
        let (wanted, words) = word(expected.trim());
        let Ok(wanted) = wanted.parse::<u16>() else {
            return Ok(bad("`S CODE words`")?);
        };
        let lower = text.to_lowercase();
        let missing = words
            .split_whitespace()
            .find(|word| !lower.contains(&word.to_lowercase()));
        if wanted != code || missing.is_some() {
            return differs(expected, format!("{code} {text}"));
        }
        Ok(())
    }
}

/// Cuts whole replies off what was written.
fn read_replies(wire: &mut Vec<u8>, replies: &mut VecDeque<(u16, String)>, transcript: &mut Vec<String>) {
    let mut text = String::new();
    let mut used = 0;
    for line in wire.split_inclusive(|byte| *byte == b'\n') {
        let Some(content) = line.strip_suffix(b"\r\n") else {
            break;
        };
        let content = String::from_utf8_lossy(content);
        transcript.push(format!("S: {content}"));
        let code = content.get(..3).and_then(|code| code.parse().ok()).unwrap_or(0);
        text.push_str(content.get(4..).unwrap_or_default());
        used += line.len();
        if content.as_bytes().get(3) == Some(&b'-') {
            text.push('\n');
        } else {
            replies.push_back((code, std::mem::take(&mut text)));
        }
    }
    // The machine writes whole replies, so nothing is shown twice.
    wire.drain(..used);
}

impl Call {
    async fn answer(&mut self, now: gatepost_core::Time, question: Question) -> Answer {
        let notes = match &question {
            Question::Message { notes, .. } | Question::Spoilt { notes, .. } => *notes,
            _ => Notes::default(),
        };
        let body = match &question {
            Question::Message { .. } | Question::Spoilt { .. } | Question::Data => std::mem::take(&mut self.body),
            _ => Vec::new(),
        };
        let ends = matches!(question, Question::Message { .. } | Question::Spoilt { .. });
        let message = matches!(question, Question::Message { .. }).then(|| Arc::new(Message::from_bytes(body)));
        if message.is_some() && self.leaves == Some(Leaves::BeforeDot) {
            self.session.give(now, Input::Eof);
        }
        let gone = self.session.gone();
        let look = move || gone;
        let seen = Seen {
            facts: facts(self.session.facts(), notes),
            message,
            gone: &look,
        };
        let answer = self.reception.answer(now, question, seen).await;
        self.owed = ends;
        answer
    }
}

/// What the session saw, in the words of the contract.
fn facts(session: &gatepost_core::smtp::session::Facts, notes: Notes) -> Facts {
    let mut facts = Facts::default();
    facts.early_talk = session.early_talk;
    facts.unasked_pipelining = session.unasked_pipelining;
    facts.bare_lf = notes.bare_lf;
    facts.bare_cr = notes.bare_cr;
    facts.nul = notes.nul;
    facts.near_miss = notes.near_miss;
    facts.long_line = notes.long_line;
    facts.errors = session.errors;
    facts.junk = session.junk;
    facts
}

fn end_of(session: &Session) -> gatepost_core::record::End {
    use gatepost_core::record::End as Told;
    use gatepost_core::smtp::session::End;
    match session.facts().end {
        Some(End::Quit) => Told::Reset,
        Some(End::Gone) | None => Told::Lost,
        Some(End::Refused) => Told::Refused,
        Some(_) => Told::Closed,
    }
}
