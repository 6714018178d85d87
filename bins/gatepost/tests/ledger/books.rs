//! The two ledgers: what the clients sent and heard, and what the mail server took.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

/// Something that a client did or heard; the number is the attempt's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It began to connect.
    Opened,
    /// It heard 220.
    Greeted,
    /// It heard the answer to EHLO.
    Introduced,
    /// It is about to say MAIL.
    Named(u32),
    /// It heard 354.
    GoOn(u32),
    /// It is about to send the end of the message.
    Dot(u32),
    /// It heard the last answer to the attempt.
    Answered(u32),
}

impl Event {
    /// Whether it was said by the other side.
    pub fn is_heard(&self) -> bool {
        !matches!(self, Event::Opened | Event::Named(_) | Event::Dot(_))
    }
}

/// What happened in a session, in order.
pub type Events = Vec<(Instant, Event)>;

/// A client's session.
#[derive(Clone, Debug)]
pub struct Session {
    pub opened: Instant,
    /// When the client saw its end.
    pub closed: Option<Instant>,
    /// The end came by itself, without QUIT.
    pub broken: bool,
    pub events: Events,
}

/// One try to send a mail.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub number: u32,
    pub mail: u32,
    /// The recipients, and with which code each was answered.
    pub to: Vec<(String, Option<u16>)>,
    /// The answer to the message, or to DATA where that was the last; none where nobody was granted, or nothing came.
    pub answer: Option<u16>,
    /// The connection ended before the last answer: when.
    pub broken: Option<Instant>,
}

impl Attempt {
    /// The last word that was heard about a recipient.
    pub fn heard(&self, to: &str) -> Option<u16> {
        let (_, code) = self.to.iter().find(|(one, _)| one == to)?;
        match code {
            Some(250) => self.answer,
            code => *code,
        }
    }
}

/// A message that the mail server took.
#[derive(Clone, Debug)]
pub struct Grant {
    /// When it was written down; its 250 was sent right behind.
    pub at: Instant,
    pub to: Vec<String>,
    /// Whether every octet was there.
    pub whole: bool,
}

/// What the mail server saw of an attempt.
#[derive(Clone, Debug, Default)]
pub struct Mark {
    /// When the end of the message came, the last time.
    pub dot: Option<Instant>,
    pub granted: Vec<Grant>,
}

/// What the mail server saw, by attempt.
pub type Marks = BTreeMap<u32, Mark>;

/// Both ledgers.
#[derive(Default)]
pub struct Books {
    attempts: AtomicU32,
    pub sent: Mutex<Vec<Attempt>>,
    pub sessions: Mutex<Vec<Session>>,
    pub marks: Mutex<Marks>,
}

impl Books {
    /// The number of a new attempt.
    pub fn attempt(&self) -> u32 {
        self.attempts.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// Writes down what the mail server saw of an attempt.
    pub fn mark(&self, attempt: u32, write: impl FnOnce(&mut Mark)) {
        write(self.marks.lock().expect("a lock").entry(attempt).or_default());
    }
}
