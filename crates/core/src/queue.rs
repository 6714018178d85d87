//! Mail that is ours until a mail server has it.
//!
//! **Invariants:** what [`Queue::accept`] took is on disk, its name included, before it returns, all of it or nothing; from
//! then on each recipient's copy ends in one of four ways: a mail server said yes to it, a person deleted it, its sender was
//! told that it failed, or it went to the archive. **Absent on purpose:** rights (the desk's), copies of refused mail (the
//! archive's), and which mail may wait (the transaction's: only mail that all filters have seen, for recipients that are known
//! to exist).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatepost_message::{Edited, Message};
use gatepost_smtp::{Helo, MailParams, Path, RcptParams, Time};
use serde::{Deserialize, Serialize};

use crate::context::Visit;
use crate::envelope::{Client, Direction, Login, LoginBy};
use crate::fault::Fault;

/// Who brought a mail, as far as a mail server that gets it later is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Caller {
    /// Which way mail flowed where it came.
    pub direction: Direction,
    /// The listener it came to.
    pub listener: String,
    /// The client's address.
    pub address: IpAddr,
    /// The client's port.
    pub port: u16,
    /// What it called itself.
    pub helo: Option<String>,
    /// Whether that was with EHLO.
    pub extended: bool,
    /// The forward-confirmed reverse name of its address, where somebody looked it up.
    pub reverse: Option<String>,
    /// Who authenticated to us.
    pub login: Option<String>,
}

impl Caller {
    /// Whoever is here now.
    pub fn of(visit: &Visit) -> Caller {
        Caller {
            direction: visit.direction,
            listener: visit.listener.to_string(),
            address: visit.client.address,
            port: visit.client.port,
            helo: visit.helo.as_ref().map(|helo| helo.name.to_string()),
            extended: visit.helo.as_ref().is_none_or(|helo| helo.extended),
            reverse: visit.reverse.as_deref().map(Into::into),
            login: visit.login.as_ref().map(|login| login.name.to_string()),
        }
    }

    /// As a mail server is told who was there. Nobody gets rights by it: how the login came about is not known any more.
    pub fn visit(&self) -> Visit {
        let client = Client::new(self.address, self.port);
        let mut visit = Visit::new(self.direction, self.listener.as_str().into(), client);
        visit.helo = self.helo.as_deref().map(|name| Helo {
            name: name.into(),
            extended: self.extended,
        });
        visit.reverse = self.reverse.as_deref().map(Into::into);
        visit.login = self.login.as_deref().map(|name| Login::new(name, LoginBy::Vouched));
        visit
    }
}

/// Mail for the queue: one set of marks, one route.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Queued {
    /// The transaction it came in.
    pub transaction: String,
    /// When.
    pub at: Time,
    /// The route by which it would have gone. Where it goes is looked up again when it goes.
    pub route: String,
    /// Who brought it.
    pub caller: Caller,
    /// The envelope sender.
    pub from: Path,
    /// Its parameters.
    pub params: MailParams,
    /// The recipients; they are known to exist.
    pub recipients: Vec<(Path, RcptParams)>,
    /// The message with its marks.
    pub message: Arc<Edited>,
    /// SPF or DKIM prove that it is from the domain of the envelope sender: then, and only then, that one may be told what
    /// became of it.
    pub proven: bool,
}

impl Queued {
    /// Mail of a transaction, of whose sender nothing is proven.
    #[expect(
        clippy::too_many_arguments,
        reason = "each is another thing, and a mail without one of them is none"
    )]
    pub fn new(
        transaction: String,
        at: Time,
        route: String,
        caller: Caller,
        from: Path,
        params: MailParams,
        recipients: Vec<(Path, RcptParams)>,
        message: Arc<Edited>,
    ) -> Queued {
        Queued {
            transaction,
            at,
            route,
            caller,
            from,
            params,
            recipients,
            message,
            proven: false,
        }
    }

    /// The same, and whether its sender is proven.
    #[must_use]
    pub fn proven(self, proven: bool) -> Queued {
        Queued { proven, ..self }
    }
}

/// Why the queue did not take mail. Nothing of it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum NotTaken {
    /// There is no room, for this domain or at all, or on the disk: 452 4.3.1.
    Full(String),
    /// Something else: 451.
    Fault(Fault),
}

impl std::fmt::Display for NotTaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            NotTaken::Full(what) => write!(f, "no room: {what}"),
            NotTaken::Fault(fault) => write!(f, "{fault}"),
        }
    }
}

/// Whether mail for a domain may wait while all its mail servers are away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holding {
    /// Nobody asked for that: the sender's queue does the work (P-40).
    Never,
    /// It might, and there is no room.
    Full,
    /// It may.
    Yes,
}

/// The id of a mail that waits. It sorts by time.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WaitingId(pub Box<str>);

impl std::fmt::Display for WaitingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is known of a mail that waits.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct WaitingMail {
    /// Its id.
    pub id: WaitingId,
    /// The transaction it came in.
    pub transaction: String,
    /// The domain in whose order it waits.
    pub domain: String,
    /// The route by which it would go now; none where nobody knows one.
    pub route: Option<String>,
    /// When it came, in milliseconds since the epoch.
    pub at: u64,
    /// When it is given up, in milliseconds since the epoch.
    pub until: u64,
    /// When it is tried next, in milliseconds since the epoch; none while it is held by hand.
    pub next: Option<u64>,
    /// How often it was tried since the start of the proxy.
    pub tries: u32,
    /// What the mail server said last, or why it was not asked.
    pub said: String,
    /// The envelope sender.
    pub from: String,
    /// The recipients that wait.
    pub recipients: Vec<String>,
    /// Octets.
    pub size: u64,
    /// Somebody ordered that it stays.
    pub held: bool,
    /// It was set aside: it cannot be read, or can end nowhere.
    pub damaged: bool,
}

impl WaitingMail {
    /// What is known at least.
    pub fn new(id: WaitingId, domain: impl Into<String>, at: u64, until: u64) -> WaitingMail {
        WaitingMail {
            id,
            transaction: String::new(),
            domain: domain.into(),
            route: None,
            at,
            until,
            next: None,
            tries: 0,
            said: String::new(),
            from: String::new(),
            recipients: Vec::new(),
            size: 0,
            held: false,
            damaged: false,
        }
    }
}

/// Which mails that wait are meant. Every part that is given must hold.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Waiting {
    /// The one with this id, or those of the transaction with this number.
    pub id: Option<String>,
    /// Those for this domain.
    pub domain: Option<String>,
    /// Those for this recipient.
    pub recipient: Option<String>,
    /// Those from this sender.
    pub sender: Option<String>,
    /// Only those that were set aside.
    pub damaged: bool,
    /// Those behind this id: the last of the page before.
    pub after: Option<String>,
    /// At most so many, the oldest first.
    pub limit: Option<usize>,
}

impl Waiting {
    /// Whether it means all mail there is.
    pub fn is_all(&self) -> bool {
        self.id.is_none() && self.domain.is_none() && self.recipient.is_none() && self.sender.is_none() && !self.damaged
    }
}

/// What is to be done with mails that wait.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum WaitingOrder {
    /// Try them now.
    Flush,
    /// Let them stay, or go on.
    Hold(bool),
    /// Give them so much more time.
    Extend(Duration),
    /// Delete them; nobody is told.
    Delete,
    /// Give them up now: whoever may be told is told, the others' go to the archive.
    Bounce,
}

/// How much waits.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Depth {
    /// Mails.
    pub mails: u64,
    /// Octets.
    pub octets: u64,
    /// When the oldest came, in milliseconds since the epoch.
    pub oldest: Option<u64>,
    /// Mails that were set aside.
    pub damaged: u64,
}

/// Mail that is ours until it is delivered.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Whether mail for a domain (in lower case) may wait, by what the operator wrote and by the room there is. Asked at
    /// RCPT, so it blocks for nothing.
    fn holds(&self, domain: &str) -> Holding;
    /// Takes mails, those of one message, durably: all of them or none. Whoever stops waiting for the answer has told somebody
    /// that nothing was taken: then nothing stays.
    async fn accept(&self, mails: Vec<Queued>) -> Result<(), NotTaken>;
    /// The domains in whose order mail waits, in lower case. Blocks for nothing.
    fn domains(&self) -> Vec<String> {
        Vec::new()
    }
    /// How much waits, for a domain or for all.
    async fn depth(&self, domain: Option<&str>) -> Result<Depth, Fault>;
    /// Mails that wait, the oldest first.
    async fn list(&self, which: &Waiting) -> Result<Vec<WaitingMail>, Fault>;
    /// One of them with its octets.
    async fn show(&self, id: &WaitingId) -> Result<Option<(WaitingMail, Arc<Message>)>, Fault>;
    /// Does something with them; how many were meant. Mail that is just being delivered is not touched and not counted.
    async fn order(&self, which: &Waiting, order: WaitingOrder) -> Result<u64, Fault>;
}
