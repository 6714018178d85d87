//! The machine towards the mail server: one upstream connection that serves all transactions of one client session, and
//! afterwards perhaps those of another one ([`Relay::reuse`]).
//!
//! Poll until it says [`Output::Wait`] or [`Output::Done`]; then give it exactly one thing, or order the next thing when
//! it is idle; then poll again. Whatever is called after an [`Output::Write`] says that all of it was written, except
//! [`Input::Tick`], [`Input::Eof`] and [`Relay::abort`].
//!
//! **Invariants:** every command is one line made from values. Only a reply that came after its command was handed out
//! answers it. Once something was lost nothing more is written, so a message is never ended by an accident.
//! [`Outcome::Lost`] is never good news: it is worded as 4xx unless the fault is the client's. Memory is bounded by what
//! [`ReplyReader`] keeps and by what the driver itself puts in.
//!
//! **Absent on purpose:** the socket, the handshake, the PROXY header, a queue and CHUNKING.

mod answers;
mod introduce;
mod loss;
mod opening;
mod words;
mod writing;

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use crate::body::BodyWriter;
use crate::command::rcpt_line;
use crate::offer::Offer;
use crate::reply::{Reply, ReplyReader};
use crate::time::Time;

use writing::{NO_UTF8, is_base64};

pub use introduce::{Client, MAX_COMMAND, MAX_VALUE};
pub use loss::{Loss, What, Whose};
pub use words::{
    ClientMode, FallBack, Input, MARK, MAX_AUTH_LINE, MAX_PIPELINED, Order, Outcome, Output, RelaySettings, Timeouts,
    TlsMode,
};

/// The largest output buffer that is kept between commands, octets.
const KEPT: usize = 4096;

enum State {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    Handshake {
        asked: bool,
    },
    XClient,
    Idle,
    /// A 334 waits for its answer.
    Challenged,
    Envelope(Envelope),
    Rcpt,
    Data,
    Reset,
    Quit,
    Noop,
    Auth,
    Body(BodyWriter),
    Dot,
    /// Behind 353: the replies so far, one for each recipient, before the last word.
    Each(Vec<Reply>),
    Closed,
}

/// Where in a group of commands the replies are.
struct Envelope {
    /// RSET is not answered yet.
    reset: bool,
    /// So many XFORWARD are not.
    forward: u8,
    mail: Mail,
    /// So many RCPT are not.
    left: usize,
    /// For each recipient of a replay; `None` for a first recipient.
    replies: Option<Vec<Reply>>,
}

enum Mail {
    Asked,
    Taken,
    Refused(Reply),
}

/// The machine; see the module.
pub struct Relay {
    settings: Arc<RelaySettings>,
    client: Box<Client>,
    reader: ReplyReader,
    offer: Offer,
    state: State,
    /// What is to be written next.
    out: Vec<u8>,
    /// Commands of a group that are not in `out` yet, from `next` on `later_lines` of them.
    later: Vec<u8>,
    next: usize,
    later_lines: usize,
    /// So many commands are not answered.
    sent: usize,
    /// Recipients of the open transaction that the server accepted.
    granted: usize,
    outcome: Option<Outcome>,
    until: Time,
    missing: Option<&'static str>,
    /// `until` is the deadline of this step.
    armed: bool,
    /// The driver holds `out`.
    writing: bool,
    /// `out` holds credentials.
    secret: bool,
    secured: bool,
    tried_tls: bool,
    tried_xclient: bool,
    /// XCLIENT was accepted: EHLO is the client's.
    as_client: bool,
    /// AUTH was tried.
    logged_in: bool,
    in_transaction: bool,
    /// Its MAIL asked for PRDR.
    prdr: bool,
    /// It served another client before: the next transaction begins with RSET, and goes on only if that is taken.
    used: bool,
}

impl fmt::Debug for Relay {
    /// Without buffers: they may hold credentials or mail.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay")
            .field("open", &self.is_open())
            .field("secured", &self.secured)
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// A machine for a connection that was made just now.
    pub fn new(settings: Arc<RelaySettings>, client: Client, now: Time) -> Relay {
        Relay {
            until: now + settings.timeouts.greeting,
            settings,
            client: Box::new(client),
            reader: ReplyReader::new(),
            offer: Offer::default(),
            state: State::Greeting,
            out: Vec::new(),
            later: Vec::new(),
            next: 0,
            later_lines: 0,
            sent: 1,
            granted: 0,
            outcome: None,
            missing: None,
            armed: true,
            writing: false,
            secret: false,
            secured: false,
            tried_tls: false,
            tried_xclient: false,
            as_client: false,
            logged_in: false,
            in_transaction: false,
            prdr: false,
            used: false,
        }
    }

    /// Makes a connection that has served one client ready for another. `false`: it is of no use to anybody else, since
    /// something is doubtful, or the server was told by XCLIENT, or by AUTH, who the client is.
    ///
    /// The next transaction begins with RSET; a server that does not take that loses the connection, and nothing else.
    pub fn reuse(&mut self, client: Client) -> bool {
        self.written();
        if !self.may_be_reused() {
            return false;
        }
        *self.client = client;
        self.used = true;
        true
    }

    /// Whether [`Relay::reuse`] would be granted now.
    pub fn may_be_reused(&self) -> bool {
        let idle = matches!(self.state, State::Idle) && self.outcome.is_none() && self.reader.pending() == 0;
        idle && !self.in_transaction && !self.tried_xclient && !self.logged_in
    }

    /// The login on this connection is our own, not a client's: so it may serve others.
    pub fn own_login(&mut self) {
        self.logged_in = false;
    }

    /// Whether the server was told by XCLIENT who the client is: what it refuses from then on, it may refuse to that one.
    pub fn introduced(&self) -> bool {
        self.tried_xclient
    }

    /// Whether it served another client, and has not taken the RSET that separates that one from this.
    pub fn is_used(&self) -> bool {
        self.used
    }

    /// What the server offers, from [`Outcome::Ready`] on.
    pub fn offer(&self) -> &Offer {
        &self.offer
    }

    /// Whether the connection can still serve; false too when an idle server said something unasked.
    pub fn is_open(&self) -> bool {
        match self.state {
            State::Closed => false,
            State::Idle | State::Challenged => self.reader.pending() == 0,
            _ => true,
        }
    }

    /// Whether STARTTLS was done.
    pub fn is_secured(&self) -> bool {
        self.secured
    }

    /// Whether MAIL was accepted and its transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.in_transaction
    }

    /// How many recipients of the open transaction the server accepted.
    pub fn granted(&self) -> usize {
        self.granted
    }

    /// `XCLIENT` or `XFORWARD` if it is configured and the server does not offer or accept it: worth an alarm.
    pub fn missing(&self) -> Option<&'static str> {
        self.missing
    }

    /// How many octets wait to be written: the driver stops giving content above a bound of its own.
    pub fn buffered(&self) -> usize {
        if self.writing { 0 } else { self.out.len() }
    }

    /// Orders the next thing; while another is not done, or out of place, that loses the connection.
    pub fn order(&mut self, order: Order<'_>) {
        self.written();
        match self.state {
            State::Closed if self.outcome.is_some() => return,
            State::Closed => return self.lose(Whose::Upstream, What::Gone),
            State::Idle | State::Challenged if self.outcome.is_none() && self.reader.pending() > 0 => {
                return self.lose(Whose::Upstream, What::Gone);
            }
            State::Challenged if matches!(order, Order::AuthLine(_) | Order::AuthCancel) => {}
            State::Idle if self.outcome.is_none() => {}
            _ => return self.lose(Whose::Us, What::OutOfPlace),
        }
        if !self.fits(&order) {
            return self.lose(Whose::Us, What::OutOfPlace);
        }
        match order {
            Order::Envelope { from, params, to, rcpt } => {
                if self.cannot_tell(params.smtputf8, [from, to]) {
                    return self.done(Outcome::Recipient(NO_UTF8));
                }
                self.envelope(self.used, from, params, [(to, rcpt)].into_iter(), None);
            }
            Order::Replay { from, params, to } => {
                if self.cannot_tell(params.smtputf8, to.iter().map(|(to, _)| to).chain([from])) {
                    return self.done(Outcome::Recipients(vec![NO_UTF8; to.len()]));
                }
                let replies = Vec::with_capacity(to.len());
                self.envelope(
                    true,
                    from,
                    params,
                    to.iter().map(|(to, rcpt)| (to, rcpt)),
                    Some(replies),
                );
            }
            Order::Rcpt { to, params } => {
                if self.cannot_tell(false, [to]) {
                    return self.done(Outcome::Recipient(NO_UTF8));
                }
                rcpt_line(to, params, &self.offer, &mut self.out);
                self.ask(State::Rcpt, &[]);
            }
            Order::Data => self.ask(State::Data, &[b"DATA"]),
            Order::Reset => self.ask(State::Reset, &[b"RSET"]),
            Order::Quit => self.ask(State::Quit, &[b"QUIT"]),
            Order::Noop => self.ask(State::Noop, &[b"NOOP"]),
            Order::Auth { mechanism, initial } => {
                self.logged_in = true;
                let is_name = (1..=Offer::MAX_WORD).contains(&mechanism.len())
                    && mechanism
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
                match initial {
                    _ if !is_name => self.lose(Whose::Client, What::BadText),
                    Some(text) if !is_base64(text) => self.lose(Whose::Client, What::BadText),
                    // An empty response (RFC 4954 §4).
                    Some("") => self.tell(&[b"AUTH ", mechanism.as_bytes(), b" ="]),
                    Some(text) => self.tell(&[b"AUTH ", mechanism.as_bytes(), b" ", text.as_bytes()]),
                    None => self.tell(&[b"AUTH ", mechanism.as_bytes()]),
                }
            }
            Order::AuthLine(text) if !is_base64(text) => self.lose(Whose::Client, What::BadText),
            Order::AuthLine(text) => self.tell(&[text.as_bytes()]),
            Order::AuthCancel => self.tell(&[b"*"]),
        }
    }

    /// Takes content octets of the message after 354; they are encoded into what is to be written.
    pub fn body(&mut self, content: &[u8]) {
        self.written();
        if let State::Body(writer) = &mut self.state {
            writer.write(content, &mut self.out);
        } else {
            self.not_in_body();
        }
    }

    /// Ends the message: what is buffered and the dot line leave in one write. From here on a loss is after the dot.
    pub fn end(&mut self) {
        self.written();
        // The server that said half a word in the middle of a message must not see its end.
        if matches!(self.state, State::Body(_)) && self.reader.pending() > 0 {
            return self.lose(Whose::Upstream, What::Malformed);
        }
        match mem::replace(&mut self.state, State::Dot) {
            State::Body(writer) => {
                writer.finish(&mut self.out);
                self.sent = 1;
                self.disarm();
            }
            other => {
                self.state = other;
                self.not_in_body();
            }
        }
    }

    /// Gives the message and the connection up: nothing more is written, no dot above all, and nothing is outstanding.
    pub fn abort(&mut self) {
        self.outcome = None;
        self.close();
    }

    /// Takes what happened while the machine waited.
    pub fn give(&mut self, now: Time, input: Input<'_>) {
        if matches!(self.state, State::Closed) {
            return;
        }
        match input {
            Input::Bytes(bytes) => {
                self.written();
                if matches!(self.state, State::Handshake { .. }) {
                    // The driver reads nothing while it shakes hands; what it read before was injected.
                    return self.lose(Whose::Upstream, What::Injected);
                }
                self.reader.give(bytes);
                self.read();
            }
            Input::Eof => match self.state {
                State::Idle | State::Challenged => self.close(),
                State::Handshake { .. } => self.lose(Whose::Upstream, What::Handshake),
                _ => self.lose(Whose::Upstream, What::Gone),
            },
            Input::Secured => {
                if matches!(self.state, State::Handshake { asked: true }) {
                    self.secured = true;
                    self.reader.clear();
                    self.offer = Offer::default();
                    self.greet(true);
                }
            }
            Input::Tick => {
                if self.writing || now >= self.until {
                    self.lose(Whose::Upstream, What::Silent);
                }
            }
        }
    }

    /// What is to be done next.
    pub fn poll(&mut self, now: Time) -> Output<'_> {
        self.written();
        self.read();
        if let Some(outcome) = self.outcome.take() {
            return Output::Done(outcome);
        }
        let timeouts = &self.settings.timeouts;
        match &mut self.state {
            State::Closed => return Output::Close,
            State::Handshake { asked } if !*asked => {
                *asked = true;
                self.armed = true;
                self.until = now + timeouts.command;
                return Output::StartTls;
            }
            _ => {}
        }
        self.refill();
        if !self.out.is_empty() {
            self.writing = true;
            self.armed = false;
            self.until = now + self.settings.timeouts.block;
            return Output::Write(&self.out);
        }
        if !self.armed {
            self.armed = true;
            self.until = self.patience().map_or(Time::FAR, |patience| now + patience);
        }
        Output::Wait {
            until: self.until,
            read: !matches!(self.state, State::Handshake { .. }),
        }
    }

    /// How long the reply that is awaited may take.
    fn patience(&self) -> Option<Duration> {
        let timeouts = &self.settings.timeouts;
        match self.state {
            State::Idle | State::Challenged | State::Body(_) | State::Closed => None,
            State::Greeting => Some(timeouts.greeting),
            State::Data => Some(timeouts.data),
            State::Dot | State::Each(_) => Some(timeouts.dot),
            _ => Some(timeouts.command),
        }
    }

    fn disarm(&mut self) {
        self.armed = false;
        self.until = Time::FAR;
    }

    /// Reads the replies that are there, up to the one that completes the order.
    fn read(&mut self) {
        while self.outcome.is_none() && self.reader.pending() > 0 {
            let read = match self.state {
                State::Closed => return,
                State::Idle | State::Challenged => return self.close(),
                State::Body(_) => self.reader.next().map(|read| read.map(|reply| (reply, None))),
                State::Handshake { .. } => return self.lose(Whose::Upstream, What::Injected),
                // It answers what it was not asked yet.
                _ if self.sent == 0 || !self.out.is_empty() => return self.lose(Whose::Upstream, What::Malformed),
                State::Ehlo => self
                    .reader
                    .next_offer()
                    .map(|read| read.map(|(reply, offer)| (reply, Some(offer)))),
                _ => self.reader.next().map(|read| read.map(|reply| (reply, None))),
            };
            match read {
                None => return,
                Some(Err(_)) => return self.lose(Whose::Upstream, What::Malformed),
                Some(Ok((reply, offer))) => {
                    self.sent = self.sent.saturating_sub(1);
                    // All the replies behind 353 have one deadline.
                    if !matches!(self.state, State::Each(_)) {
                        self.disarm();
                    }
                    self.answer(reply, offer);
                }
            }
        }
    }

    fn not_in_body(&mut self) {
        match self.state {
            State::Closed if self.outcome.is_some() => {}
            State::Closed => self.outcome = Some(Outcome::Lost(Loss::new(Whose::Upstream, What::Gone))),
            _ => self.lose(Whose::Us, What::OutOfPlace),
        }
    }

    /// The order is done, the connection idle.
    fn done(&mut self, outcome: Outcome) {
        self.outcome = Some(outcome);
        self.state = State::Idle;
        if self.reader.pending() == 0 {
            self.reader.clear();
        }
    }

    fn lose(&mut self, whose: Whose, what: What) {
        let after_dot = matches!(self.state, State::Dot | State::Each(_));
        self.outcome = Some(Outcome::Lost(Loss { whose, after_dot, what }));
        self.close();
    }

    /// Nothing more is written or read.
    fn close(&mut self) {
        self.empty();
        self.out = Vec::new();
        self.writing = false;
        self.forget_later();
        self.reader.clear();
        self.sent = 0;
        self.granted = 0;
        self.in_transaction = false;
        self.state = State::Closed;
        self.disarm();
    }
}

#[cfg(test)]
mod tests;
