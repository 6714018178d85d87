//! The machine towards the client.
//!
//! A session is a value without I/O. **Poll it until it says [`Output::Wait`] or [`Output::Ask`]; then give it exactly
//! one thing; then poll again.** While a question is open the driver may still give Eof, Tick, Drain, and as many
//! bytes as there is [`room`](Session::room) for: they are remembered, never parsed.
//!
//! **Invariants:** one reply for each command, two for DATA, in order; no question while one is open; no message
//! without a granted recipient; after RSET, EHLO, HELO, STARTTLS, and the end of a message, accepted or refused,
//! nothing of the transaction is left; bytes that came behind DATA, STARTTLS or AUTH before our reply are never obeyed
//! (they close the session); nobody who is gone is obeyed, but for a QUIT that is the last word; everything held has a bound, and between commands nothing
//! is held.
//!
//! **Absent on purpose:** policy. Whether a client, a sender, a recipient or a message is welcome is the driver's
//! answer; the machine refuses only what breaks the protocol or a limit.

mod content;
mod driver;
mod facts;
mod heed;
mod obey;
mod question;
mod says;
mod settings;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use driver::{Input, Output, Tls};
pub use facts::{End, Facts};
pub use question::{Answer, Question, Why};
pub use settings::{Limits, Patience, Settings};

use crate::command::Helo;
use crate::line::Lines;
use crate::reply::Reply;
use crate::time::Time;
use content::Content;

/// So many octets of replies are written before another command is read; about one segment.
const FLUSH_AT: usize = 1400;
/// A reply waits no longer than this, in milliseconds, for others to be written with it.
const FLUSH_AFTER: u64 = 500;

/// One client's session, from the greeting to the end.
pub struct Session {
    settings: Arc<Settings>,
    facts: Facts,
    tls: Option<Box<Tls>>,
    state: State,
    answer: Option<Answer>,
    transaction: Option<Transaction>,
    greeting: Greeting,
    authenticated: bool,
    trusted: bool,
    gone: bool,
    draining: bool,
    flooded: bool,
    /// The last poll lent a buffer, which is to be emptied.
    lent: bool,
    lines: Lines,
    /// Replies that were not written yet.
    out: Vec<u8>,
    /// When the first of them was added.
    out_since: Time,
    /// Since when the machine waits for what it waits for.
    waiting: Option<Time>,
    began: Time,
    now: Time,
}

/// Which HELO was answered well.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Greeting {
    None,
    Helo,
    Ehlo,
}

/// The machine's part of a transaction.
#[derive(Clone, Copy, Default)]
struct Transaction {
    smtputf8: bool,
    prdr: bool,
    granted: u32,
    asked: u32,
}

enum State {
    /// Nobody was told of the client yet.
    New,
    /// The greeting goes alone, so that it is certain who spoke before it.
    Greet,
    /// The answer to a message goes alone, before the next command is looked at.
    Told,
    /// Between commands, or within one.
    Command,
    /// A question is open.
    Open(Open),
    /// After 334.
    AuthLine,
    /// After 354.
    Content(Box<Content>),
    /// After the 220 to STARTTLS; whether the handshake was begun.
    Secure(bool),
    /// Nothing is read any more; what was said is still written.
    Closing,
}

/// Which question is open, and what must be known when its answer comes.
enum Open {
    Connect,
    Helo(Greeting),
    Auth,
    AuthCancelled(Reply),
    Mail(Transaction),
    Rcpt,
    Data,
    Message,
    Spoilt(Reply),
    Etrn,
    Rset,
    /// The transaction ends because of this HELO, which is asked next.
    ResetByHelo(Helo),
}

/// What one poll comes to, before it borrows.
enum Step {
    Write,
    Body,
    Ask(Question),
    Wait(Time),
    StartTls,
    Close,
}

impl Session {
    /// A session with a client that has connected just now; `tls` if the listener began with a handshake.
    pub fn new(settings: Arc<Settings>, tls: Option<Tls>, now: Time) -> Session {
        Session {
            settings,
            facts: Facts::default(),
            tls: tls.map(Box::new),
            state: State::New,
            answer: None,
            transaction: None,
            greeting: Greeting::None,
            authenticated: false,
            trusted: false,
            gone: false,
            draining: false,
            flooded: false,
            lent: false,
            lines: Lines::new(),
            out: Vec::new(),
            out_since: now,
            waiting: None,
            began: now,
            now,
        }
    }

    /// The client's network is trusted: [`Settings::require_auth`] does not concern it.
    pub fn trust(&mut self) {
        self.trusted = true;
    }

    /// Other settings hold from here on: those of the same listener with another patience. What was offered stays.
    pub fn settle(&mut self, settings: Arc<Settings>) {
        self.settings = settings;
    }

    /// Gives one thing. An answer without an open question and Secured without StartTls are ignored.
    pub fn give(&mut self, now: Time, input: Input<'_>) {
        self.now = now;
        self.take_back();
        match input {
            Input::Bytes(bytes) => self.give_bytes(bytes),
            Input::Eof => self.gone = true,
            Input::Secured(tls) => self.secured(tls),
            Input::Answer(answer) => {
                if matches!(self.state, State::Open(_)) && self.answer.is_none() {
                    self.answer = Some(answer);
                }
            }
            Input::Tick => {}
            Input::Drain => self.draining = true,
        }
    }

    /// Says what to do next.
    pub fn poll(&mut self, now: Time) -> Output<'_> {
        self.now = now;
        self.take_back();
        match self.step() {
            Step::Write => {
                self.lent = true;
                Output::Write(&self.out)
            }
            Step::Body => {
                self.lent = true;
                match &self.state {
                    State::Content(content) => Output::Body(&content.out),
                    _ => Output::Body(&[]),
                }
            }
            Step::Ask(question) => Output::Ask(question),
            Step::Wait(until) => Output::Wait {
                until,
                read: self.wants_bytes(),
            },
            Step::StartTls => Output::StartTls,
            Step::Close => Output::Close,
        }
    }

    /// Whether the client has left without a goodbye: the last look before a message is passed on.
    ///
    /// A client that has nothing more to send says QUIT behind the dot, closes its side, and waits for the reply (Exim does):
    /// its end of the stream is the same as that of one that gave up, but for that word.
    pub fn gone(&self) -> bool {
        self.gone && !self.quits()
    }

    /// Whether QUIT is what the client has said and was not obeyed in yet, and nothing else.
    pub fn quits(&self) -> bool {
        let between = matches!(self.state, State::Told | State::Command | State::Open(_));
        let line = self.lines.unread().strip_suffix(b"\r\n");
        between && line.is_some_and(|line| line.trim_ascii_end().eq_ignore_ascii_case(b"QUIT"))
    }

    /// What the session saw of its client's manners.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// The TLS that is active.
    pub fn tls(&self) -> Option<&Tls> {
        self.tls.as_deref()
    }

    /// Whether 235 was said. Neither EHLO nor RSET takes it back.
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Whether it is idle between commands and holds no buffer.
    pub fn is_parked(&self) -> bool {
        matches!(self.state, State::Command) && self.lines.is_empty() && self.out.capacity() == 0
    }

    /// Whether there is room for bytes.
    pub fn wants_bytes(&self) -> bool {
        self.room() > 0
    }

    /// How many bytes it takes now. More than that at once closes the session with 421 4.3.0.
    pub fn room(&self) -> usize {
        match self.state {
            State::Secure(_) | State::Closing => 0,
            _ if self.gone || self.flooded => 0,
            _ => self.settings.limits.remembered().saturating_sub(self.lines.pending()),
        }
    }

    /// How many octets it holds in buffers now: the client's unread ones, unwritten replies, content not given out.
    pub fn held(&self) -> usize {
        let content = match &self.state {
            State::Content(content) => content.out.len(),
            _ => 0,
        };
        self.lines.pending() + self.out.len() + content
    }

    /// Empties the buffer that the last poll lent.
    fn take_back(&mut self) {
        if std::mem::take(&mut self.lent) {
            match &mut self.state {
                State::Content(content) if self.out.is_empty() => content.out.clear(),
                _ => self.out.clear(),
            }
        }
    }

    fn give_bytes(&mut self, bytes: &[u8]) {
        if bytes.is_empty() || self.gone {
            return;
        }
        let may_pipeline = self.may_pipeline();
        match &mut self.state {
            State::Closing => return,
            State::Secure(_) => {
                // Plain text where only a handshake may come: nothing more is said, for TLS was promised.
                self.facts.early_data = true;
                return self.end(End::EarlyData);
            }
            State::New | State::Open(Open::Connect) => self.facts.early_talk = true,
            State::Greet => self.facts.early_talk |= !self.out.is_empty(),
            State::Open(Open::Helo(_)) => self.facts.unasked_pipelining = true,
            State::Open(_) => self.facts.unasked_pipelining |= !may_pipeline,
            State::Content(content) => {
                if let Some(since) = self.waiting.take() {
                    content.waited(self.now.since(since));
                }
            }
            _ => {}
        }
        if bytes.len() > self.room() {
            // Octets cannot be dropped from within a stream, so none of the rest may be obeyed.
            self.flooded = true;
            self.lines.clear();
            self.lines.release();
        } else {
            self.lines.give(bytes);
        }
    }

    fn secured(&mut self, tls: Tls) {
        if let State::Secure(true) = self.state {
            self.tls = Some(Box::new(tls));
            self.greeting = Greeting::None;
            self.authenticated = false;
            self.transaction = None;
            self.lines.clear();
            self.go(State::Command);
        }
    }

    fn step(&mut self) -> Step {
        loop {
            if self.gone() && !matches!(self.state, State::Open(_) | State::Closing) {
                self.end(End::Gone);
            }
            if self.flooded && !matches!(self.state, State::Open(_) | State::Closing) {
                self.close_with(&says::FLOODED, End::Flooded);
            }
            match &mut self.state {
                State::New => return self.ask(Question::Connect, Open::Connect),
                State::Open(_) => {
                    let Some(answer) = self.answer.take() else {
                        return Step::Wait(Time::FAR);
                    };
                    if let Some(step) = self.heed(answer) {
                        return step;
                    }
                }
                State::Greet | State::Told if self.out.is_empty() => self.go(State::Command),
                State::Greet | State::Told => return Step::Write,
                State::Command => {
                    if let Some(step) = self.command() {
                        return step;
                    }
                }
                State::AuthLine => {
                    if let Some(step) = self.auth_line() {
                        return step;
                    }
                }
                State::Content(_) => {
                    if let Some(step) = self.content() {
                        return step;
                    }
                }
                State::Secure(begun) => {
                    if !self.out.is_empty() {
                        return Step::Write;
                    }
                    if !std::mem::replace(begun, true) {
                        return Step::StartTls;
                    }
                    match self.wait_until(self.settings.patience.handshake) {
                        Some(until) => return Step::Wait(until),
                        None => self.end(End::Timeout),
                    }
                }
                State::Closing if self.out.is_empty() => {
                    self.out = Vec::new();
                    return Step::Close;
                }
                State::Closing => return Step::Write,
            }
        }
    }

    /// Between 354 and the end of the message.
    fn content(&mut self) -> Option<Step> {
        if !self.out.is_empty() {
            return Some(Step::Write);
        }
        let State::Content(content) = &mut self.state else {
            return None;
        };
        while !content.ended() && !content.endless(&self.settings) && !self.lines.is_empty() {
            let used = content.read(self.lines.unread(), &self.settings);
            self.lines.consume(used);
            if !content.out.is_empty() {
                return Some(Step::Body);
            }
        }
        if content.ended() {
            let (size, notes) = (content.size, content.notes());
            return Some(match content.spoilt(&self.settings) {
                Some(reply) => self.ask(
                    Question::Spoilt {
                        reply: reply.clone(),
                        size,
                        notes,
                    },
                    Open::Spoilt(reply),
                ),
                None => self.ask(Question::Message { size, notes }, Open::Message),
            });
        }
        if content.endless(&self.settings) {
            self.close_with(&says::ENDLESS, End::TooLarge);
            return None;
        }
        self.lines.release();
        content.out = Vec::new();
        let patience = content.may_wait(&self.settings.patience);
        self.wait_or_time_out(patience)
    }

    /// Whether the client may send a command before it has read the reply to the one before (RFC 2920).
    fn may_pipeline(&self) -> bool {
        self.greeting == Greeting::Ehlo && self.settings.offer.pipelining
    }

    fn ask(&mut self, question: Question, open: Open) -> Step {
        // An answer may be long in coming, or held back: whoever waits for it holds no empty buffer.
        self.lines.release();
        self.go(State::Open(open));
        Step::Ask(question)
    }

    fn go(&mut self, state: State) {
        self.waiting = None;
        self.state = state;
    }

    /// Adds a reply to what will be written.
    fn say(&mut self, reply: &Reply) {
        if self.out.is_empty() {
            self.out_since = self.now;
        }
        reply.write(&mut self.out, self.settings.offer.enhanced_status_codes);
    }

    /// Adds a reply that never has an enhanced code: the greeting and the answers to HELO and EHLO (RFC 2034 §3).
    fn say_plain(&mut self, reply: &Reply) {
        if self.out.is_empty() {
            self.out_since = self.now;
        }
        reply.write(&mut self.out, false);
    }

    fn end(&mut self, end: End) {
        self.facts.end.get_or_insert(end);
        self.transaction = None;
        self.lines.clear();
        self.lines.release();
        self.go(State::Closing);
    }

    fn close_with(&mut self, reply: &Reply, end: End) {
        self.say(reply);
        self.end(end);
    }

    /// Until when to wait if all waiting for one thing may take `patience`; `None` if that is past.
    fn wait_until(&mut self, patience: Duration) -> Option<Time> {
        let until = *self.waiting.get_or_insert(self.now) + patience;
        (self.now < until).then_some(until)
    }

    fn wait_or_time_out(&mut self, patience: Duration) -> Option<Step> {
        let until = self.wait_until(patience).map(Step::Wait);
        if until.is_none() {
            self.close_with(&says::TIMEOUT, End::Timeout);
        }
        until
    }
}

impl fmt::Debug for Session {
    /// Without what it holds, which may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("facts", &self.facts)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}
