//! What becomes of mail that waits, as it happens: for the log, the metrics and the records.

use std::time::Duration;

/// What happened to a mail, for one recipient or for all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum What {
    /// It was accepted.
    Accepted,
    /// A mail server took it.
    Delivered,
    /// It is tried again: its mail server said so.
    Deferred,
    /// It is tried again: its mail server is away.
    Away,
    /// It is tried again, and may be there twice: the server was lost while it had the last word.
    Unsure,
    /// A mail server refused it for good.
    Failed,
    /// Its time was over, or somebody gave it up.
    Expired,
    /// Its sender was told that it waits.
    Delayed,
    /// Its sender was told that it did not arrive.
    Notified,
    /// It lies in the archive now, since nobody else could be told.
    Archived,
    /// It was a notice of our own, and nobody is told of it.
    GivenUp,
    /// Somebody deleted it.
    Deleted,
    /// It cannot be read, and was set aside.
    Damaged,
    /// Nobody took it, nobody may be told, and the archive cannot hold it: it was set aside, whole.
    SetAside,
}

impl What {
    /// As a word.
    pub fn name(self) -> &'static str {
        match self {
            What::Accepted => "accepted",
            What::Delivered => "delivered",
            What::Deferred => "deferred",
            What::Away => "away",
            What::Unsure => "unsure",
            What::Failed => "failed",
            What::Expired => "expired",
            What::Delayed => "delayed",
            What::Notified => "notified",
            What::Archived => "archived",
            What::GivenUp => "given_up",
            What::Deleted => "deleted",
            What::Damaged => "damaged",
            What::SetAside => "set_aside",
        }
    }

    /// Whether the recipient's copy has ended with it.
    pub fn is_end(self) -> bool {
        matches!(
            self,
            What::Delivered | What::Notified | What::Archived | What::GivenUp | What::Deleted | What::SetAside
        )
    }
}

/// What is said with it.
#[derive(Clone, Copy, Default)]
pub(crate) struct Word<'a> {
    pub route: Option<&'a str>,
    pub went: Option<&'a str>,
    pub said: &'a str,
}

impl<'a> Word<'a> {
    /// Only this.
    pub fn of(said: &'a str) -> Word<'a> {
        Word {
            said,
            ..Word::default()
        }
    }
}

/// One such thing.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Event {
    /// What happened.
    pub what: What,
    /// The mail's id.
    pub id: String,
    /// The transaction it came in.
    pub transaction: String,
    /// The domain in whose order it waits.
    pub domain: String,
    /// The envelope sender.
    pub from: String,
    /// The recipients whom it concerns.
    pub recipients: Vec<String>,
    /// The route, where one was taken.
    pub route: Option<String>,
    /// The mail server, `host:port`, where one was asked; for mail in the archive its id there.
    pub went: Option<String>,
    /// What it said, or what is known in its place.
    pub said: String,
    /// How long it had waited.
    pub waited: Duration,
    /// The octets of its message.
    pub size: u64,
}

impl Event {
    /// Of a mail, by its id, its transaction and its domain; the rest is filled in.
    pub fn new(what: What, id: impl Into<String>, transaction: impl Into<String>, domain: impl Into<String>) -> Event {
        Event {
            what,
            id: id.into(),
            transaction: transaction.into(),
            domain: domain.into(),
            from: String::new(),
            recipients: Vec::new(),
            route: None,
            went: None,
            said: String::new(),
            waited: Duration::ZERO,
            size: 0,
        }
    }
}

/// Who is told. Must not block, and must not call the queue.
pub trait Follower: Send + Sync {
    /// Something happened.
    fn told(&self, event: &Event);
}

/// Nobody is told.
pub struct Nobody;

impl Follower for Nobody {
    fn told(&self, _: &Event) {}
}
