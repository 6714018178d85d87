//! The one door for human acts.
//!
//! Command mailboxes, the command line and the panel submit a [`Request`]; none of them touches lists or kept mail
//! itself.

use async_trait::async_trait;
use gatepost_smtp::Time;
use serde::{Deserialize, Serialize};

use crate::envelope::Login;
use crate::fault::Fault;
use crate::kept::{KeptId, KeptMail, Label, Query};
use crate::learner::Unlearn;

/// For whom an entry of a list holds.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reach {
    /// For everybody here.
    Site,
    /// For one of our domains.
    Domain(String),
    /// For one person, by address.
    Person(String),
}

/// Which list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum List {
    /// Who is welcome.
    Allow,
    /// Who is not.
    Deny,
    /// Whose outbound mail teaches the allow list nothing.
    Red,
}

/// A mail that a request speaks of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mail {
    /// A kept one.
    Kept(KeptId),
    /// One that somebody sends along.
    Bytes(Vec<u8>),
}

/// One human act.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Request {
    /// Put entries on a list.
    Add {
        /// Which list.
        list: List,
        /// For whom.
        reach: Reach,
        /// Addresses, `@domain`, `*@domain`, networks.
        entries: Vec<String>,
    },
    /// Take entries off a list.
    Remove {
        /// Which list.
        list: List,
        /// For whom.
        reach: Reach,
        /// As they were added.
        entries: Vec<String>,
    },
    /// Show a list.
    Show {
        /// Which list.
        list: List,
        /// For whom.
        reach: Reach,
    },
    /// Say what a mail is: learned, and listed as settings say.
    Report {
        /// The mail.
        mail: Mail,
        /// What it is.
        label: Label,
    },
    /// Deliver a kept mail to one of its recipients.
    Release {
        /// The mail.
        id: KeptId,
        /// To whom; the one who asks where none is named.
        recipient: Option<String>,
    },
    /// Delete a kept mail.
    Delete {
        /// The mail.
        id: KeptId,
    },
    /// List kept mail.
    Find {
        /// Which.
        query: Query,
    },
    /// Explain what the filters make of a mail.
    Explain {
        /// The mail.
        mail: Mail,
    },
    /// Forget what was learned.
    Unlearn(Unlearn),
    /// An act of a third party's filter, in words that only it knows.
    Other {
        /// The filter's name.
        filter: String,
        /// What it shall do.
        words: Vec<String>,
    },
}

/// Who acts, as a filter's [`handle`](crate::Filter::handle) is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Acting<'a> {
    /// Who asks.
    pub login: &'a Login,
    /// When.
    pub at: Time,
}

impl<'a> Acting<'a> {
    /// An act of `login` at a time.
    pub fn new(login: &'a Login, at: Time) -> Acting<'a> {
        Acting { login, at }
    }
}

/// What a filter changed, in words for the audit line and the receipt; a line for each thing.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Change {
    /// What was done, or found when the request asks.
    pub lines: Vec<String>,
    /// Whether anything is different now; not so when it was done before, or only shown.
    pub changed: bool,
}

impl Change {
    /// Something is different now.
    pub fn done(line: impl Into<String>) -> Change {
        Change {
            lines: vec![line.into()],
            changed: true,
        }
    }

    /// Nothing is different.
    pub fn shown(lines: Vec<String>) -> Change {
        Change { lines, changed: false }
    }
}

/// How a request went.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Receipt {
    /// It is done, durably; or it had been done before.
    Done(Change),
    /// Here is what was asked for.
    Found(Vec<KeptMail>),
    /// It may not be done: rights, limits, nonsense. In words for the one who asked.
    Refused(String),
    /// It could not be done now.
    Failed(String),
}

/// The desk.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Submits a request of somebody who authenticated to us.
    async fn submit(&self, by: &Login, request: Request) -> Result<Receipt, Fault>;
}
