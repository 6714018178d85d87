//! The one door for human acts.
//!
//! Command mailboxes, the command line and the panel submit a [`Request`]; none of them touches lists or kept mail
//! itself.

use async_trait::async_trait;
use gatepost_smtp::Time;
use serde::{Deserialize, Serialize};

use crate::domains::{DomainAct, DomainRow};
use crate::envelope::Login;
use crate::explain::{Came, Explanation};
use crate::fault::Fault;
use crate::kept::{KeptId, KeptMail, Label, Query};
use crate::learner::{Taught, Unlearn, Version};
use crate::queue::{Depth, Waiting, WaitingId, WaitingMail, WaitingOrder};
use crate::record::Record;

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

/// How an entry came onto a list.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Source {
    /// Somebody put it there.
    Added,
    /// Mail of our own people taught it.
    Learned,
    /// Somebody took it off: no entry any more, but a mark that nothing may teach it again.
    Removed,
}

/// An entry of a list, as it is shown, exported and imported.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Listed {
    /// Which list.
    pub list: List,
    /// For whom.
    pub reach: Reach,
    /// The address, domain or network, in the form in which it is kept.
    pub entry: String,
    /// How it came there.
    pub source: Source,
    /// Since when, in milliseconds since the epoch.
    pub since: u64,
    /// When it goes, in milliseconds since the epoch; never where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub until: Option<u64>,
    /// Who put it there: a login, or the transaction that taught it.
    #[serde(default)]
    pub by: String,
}

impl Listed {
    /// An entry that somebody adds and that stays.
    pub fn new(list: List, reach: Reach, entry: impl Into<String>, since: Time, by: impl Into<String>) -> Listed {
        Listed {
            list,
            reach,
            entry: entry.into(),
            source: Source::Added,
            since: since.millis(),
            until: None,
            by: by.into(),
        }
    }
}

/// Octets that cross the control socket in JSON: each is the character of its number, so that mail stays readable and
/// grows by little.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Octets(pub Vec<u8>);

impl std::fmt::Debug for Octets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Octets({})", self.0.len())
    }
}

impl Serialize for Octets {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0.iter().map(|octet| char::from(*octet)).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Octets {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Octets, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        let octets: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
        octets
            .map(Octets)
            .map_err(|_| serde::de::Error::custom("expected characters up to U+00FF, each of which is an octet"))
    }
}

/// A mail that a request speaks of.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mail {
    /// A kept one.
    Kept(KeptId),
    /// One that somebody sends along.
    Bytes(Octets),
    /// One that somebody has from us, as their mail client gives it out: what we have of it ourselves is meant, and what
    /// is sent along stands for it only where we have nothing.
    Brought(Brought),
}

/// A mail as a mail client gives it out, and by what we may know it (L-05).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Brought {
    /// Its octets, as near to the mail as they could be had.
    pub octets: Octets,
    /// Our number with its seal, as the mail has it.
    #[serde(default)]
    pub reference: Option<String>,
    /// Its Message-ID, by the mail itself or by what forwards it.
    #[serde(default)]
    pub message_id: Option<String>,
    /// Whether the octets are the mail's own, not a text that was made of it.
    #[serde(default)]
    pub whole: bool,
}

impl Brought {
    /// A mail that has nothing by which we may know it.
    pub fn new(octets: Vec<u8>, whole: bool) -> Brought {
        Brought {
            octets: Octets(octets),
            reference: None,
            message_id: None,
            whole,
        }
    }
}

/// A mail of a collection, with what it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Labelled {
    /// The mail.
    pub mail: Octets,
    /// What it is.
    pub label: Label,
    /// How much it counts, in hundredths; as much as mail of a collection does where nothing is said.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub weight: Option<u32>,
}

impl Labelled {
    /// The most of one request.
    pub const MAX: usize = 1_024;

    /// A mail that counts as much as those of collections do.
    pub fn new(mail: Vec<u8>, label: Label) -> Labelled {
        Labelled {
            mail: Octets(mail),
            label,
            weight: None,
        }
    }
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
    /// Show a list, a page at a time.
    Show {
        /// Which list.
        list: List,
        /// For whom; all of it where nobody is named.
        reach: Option<Reach>,
        /// The page behind this one: what [`Change::next`] said of the page before.
        after: Option<String>,
        /// At most so many.
        limit: Option<usize>,
    },
    /// Put entries on lists as they were exported, with how they came there, since when and until when.
    Import {
        /// The entries.
        entries: Vec<Listed>,
    },
    /// Say what a mail is: learned, and listed as settings say. Who says the opposite later corrects it.
    Report {
        /// The mail; one that was delivered may be named by the number of its transaction.
        mail: Mail,
        /// What it is.
        label: Label,
        /// Whose mail it is, a domain of ours; without this as the mail's recipients or the reporter's address say.
        #[serde(default)]
        domain: Option<String>,
    },
    /// Learn mails of a collection, in this order. What was learned before is learned once.
    Train {
        /// The mails, at most [`Labelled::MAX`].
        mails: Vec<Labelled>,
        /// The name by which all of it can be unlearned.
        by: String,
        /// Whose mail it was, a domain of ours; everybody's without this.
        #[serde(default)]
        domain: Option<String>,
    },
    /// Deliver a kept mail to one of its recipients.
    Release {
        /// The mail.
        id: KeptId,
        /// To whom; the one who asks where none is named.
        recipient: Option<String>,
        /// Even if it was delivered within the last day, or perhaps was.
        #[serde(default)]
        again: bool,
        /// And put its sender on the recipient's list of welcome ones.
        #[serde(default)]
        welcome: bool,
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
    /// Read a kept mail. Whoever reads another's says why.
    Read {
        /// The mail.
        id: KeptId,
        /// Why, for the audit; required of whoever is no recipient of it.
        why: Option<String>,
    },
    /// List records of transactions.
    Records {
        /// Which.
        query: Query,
    },
    /// List what was done at the desk, the newest first.
    Audit {
        /// Older than this, in milliseconds since the epoch.
        before: Option<u64>,
        /// At most so many.
        limit: Option<usize>,
    },
    /// Forget what the mail server said about recipients.
    ForgetRecipients {
        /// Of this one; of all where none is named.
        recipient: Option<String>,
    },
    /// Read all that is stored and tell what is damaged.
    CheckStore,
    /// Give room back to the disk.
    CompactStore,
    /// Copy all that is stored into a new folder, as it is at this moment.
    Backup {
        /// The folder; it must not be there yet.
        to: String,
    },
    /// Explain why a mail is judged as it is.
    Explain {
        /// The mail.
        mail: Mail,
        /// How it came, where it is not kept.
        #[serde(default)]
        came: Option<Came>,
        /// Whose mail it is; without this as its recipients say.
        #[serde(default)]
        domain: Option<String>,
    },
    /// Forget what was learned.
    Unlearn(Unlearn),
    /// Count what would be forgotten, and forget nothing.
    CountSamples(Unlearn),
    /// List the versions of the classifiers' models.
    Models,
    /// Go back to an earlier version of the models.
    Rollback {
        /// Its number; the one before the one in use where none is named.
        #[serde(default)]
        to: Option<u64>,
    },
    /// Make the models anew from all that was learned.
    Rebuild,
    /// List, show or change the domains of customers.
    Domain(DomainAct),
    /// Tell how much mail waits in the queue.
    CountWaiting {
        /// For this domain; for all where none is named.
        domain: Option<String>,
    },
    /// List mail that waits, the oldest first, a page at a time.
    Waiting {
        /// Which.
        which: Waiting,
    },
    /// Tell what is known of a mail that waits, and read it where a reason is given.
    ShowWaiting {
        /// The mail.
        id: WaitingId,
        /// Why, for the audit; without it the mail itself is not told.
        why: Option<String>,
    },
    /// Do something with mails that wait: with all that are meant, not a page of them.
    OrderWaiting {
        /// Which.
        which: Waiting,
        /// What.
        order: WaitingOrder,
    },
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
    /// The entries that were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub listed: Vec<Listed>,
    /// There are more entries: ask for those behind this.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub next: Option<String>,
}

impl Change {
    /// Something is different now.
    pub fn done(line: impl Into<String>) -> Change {
        Change {
            lines: vec![line.into()],
            changed: true,
            ..Change::default()
        }
    }

    /// Nothing is different.
    pub fn shown(lines: Vec<String>) -> Change {
        Change {
            lines,
            ..Change::default()
        }
    }

    /// A page of a list.
    pub fn page(listed: Vec<Listed>, next: Option<String>) -> Change {
        Change {
            listed,
            next,
            ..Change::default()
        }
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
    /// Here is the mail that was asked for.
    Mail(KeptMail, Octets),
    /// Here are the records that were asked for.
    Records(Vec<Record>),
    /// Here is what was done at the desk.
    Audit(Vec<Audited>),
    /// Here is what became of each mail that was to be learned, in their order.
    Trained(Vec<Taught>),
    /// So many samples are meant.
    Counted(u64),
    /// Here is why the mail is judged as it is.
    Explained(Box<Explanation>),
    /// Here are the versions of the models, the newest first, and what there is to say about them.
    Models(Vec<Version>, Vec<String>),
    /// Here are the domains that were asked for.
    Domains(Vec<DomainRow>),
    /// So much waits.
    Depth(Depth),
    /// Here are mails that wait, and where there are more: ask for those behind this id.
    Waiting(Vec<WaitingMail>, Option<String>),
    /// Here is what is known of the mail that waits, and the mail where a reason was given.
    WaitingMail(Box<WaitingMail>, Option<Octets>),
    /// It may not be done: rights, limits, nonsense. In words for the one who asked.
    Refused(String),
    /// It could not be done now.
    Failed(String),
}

/// One line of the audit: who did what, when, and how it went.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Audited {
    /// When, in milliseconds since the epoch.
    pub at: u64,
    /// Who.
    pub by: Login,
    /// What, in words.
    pub what: String,
    /// How it went: `done`, `unchanged`, `found N`, `refused: ..`, `failed: ..`.
    pub outcome: String,
}

impl Audited {
    /// A line of the audit.
    pub fn new(at: Time, by: Login, what: String, outcome: String) -> Audited {
        Audited {
            at: at.millis(),
            by,
            what,
            outcome,
        }
    }
}

/// What an operator does to all that is stored, as a whole. The lines are for the operator.
#[async_trait]
pub trait Upkeep: Send + Sync {
    /// Reads all of it. A [`Fault::Broken`] names what is damaged.
    async fn check(&self) -> Result<Vec<String>, Fault>;
    /// Gives room back to the disk.
    async fn compact(&self) -> Result<Vec<String>, Fault>;
    /// Copies all of it, as it is at one moment, into a folder that is not there yet.
    async fn backup(&self, to: &std::path::Path) -> Result<Vec<String>, Fault>;
}

/// The desk.
#[async_trait]
pub trait Desk: Send + Sync {
    /// Submits a request of somebody who authenticated to us.
    async fn submit(&self, by: &Login, request: Request) -> Result<Receipt, Fault>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_cross_json_unchanged() {
        let all = Octets((0..=255).collect());
        let json = serde_json::to_string(&all).expect("a text");
        assert_eq!(serde_json::from_str::<Octets>(&json).expect("octets"), all);
        assert!(serde_json::from_str::<Octets>("\"\u{20ac}\"").is_err());
    }
}
