//! Kept mail and the records of all mail.

use std::sync::Arc;

use async_trait::async_trait;
use gatepost_message::Message;
use gatepost_smtp::{Path, Time};
use serde::{Deserialize, Serialize};

use crate::envelope::Login;
use crate::fault::Fault;
use crate::record::Record;
use crate::verdict::Terms;

/// The id of a kept mail: random, so that nobody guesses another's.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeptId(pub Box<str>);

impl std::fmt::Display for KeptId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// What somebody says a mail is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    /// Unwanted.
    Spam,
    /// Wanted.
    Ham,
}

/// A mail to be kept.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Keeping<'a> {
    /// The transaction it came in.
    pub transaction: &'a str,
    /// The listener it came to: by its routes it leaves again when it is released. Empty where that is not known.
    pub listener: &'a str,
    /// When.
    pub at: Time,
    /// The envelope sender.
    pub from: &'a Path,
    /// Those recipients whose copy this is.
    pub recipients: Vec<&'a Path>,
    /// The message as it came, before any mark.
    pub message: &'a Arc<Message>,
    /// On what terms.
    pub terms: &'a Terms,
    /// Whoever comes again with the same key and the same time is given the id of what is kept already: after a crash
    /// nobody knows whether it was.
    pub once: Option<String>,
}

impl<'a> Keeping<'a> {
    /// A mail to be kept.
    pub fn new(
        transaction: &'a str,
        at: Time,
        from: &'a Path,
        recipients: Vec<&'a Path>,
        message: &'a Arc<Message>,
        terms: &'a Terms,
    ) -> Keeping<'a> {
        Keeping {
            transaction,
            listener: "",
            at,
            from,
            recipients,
            message,
            terms,
            once: None,
        }
    }

    /// The same, once: see [`Keeping::once`].
    #[must_use]
    pub fn once(mut self, key: String) -> Keeping<'a> {
        self.once = Some(key);
        self
    }

    /// The same, and the listener it came to.
    #[must_use]
    pub fn at_listener(mut self, listener: &'a str) -> Keeping<'a> {
        self.listener = listener;
        self
    }
}

/// What is known of a kept mail without reading it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeptMail {
    /// Its id.
    pub id: KeptId,
    /// The transaction it came in.
    pub transaction: String,
    /// The listener it came to; empty where that is not known.
    #[serde(default)]
    pub listener: String,
    /// When it was kept, in milliseconds since the epoch.
    pub at: u64,
    /// When it goes, in milliseconds since the epoch.
    pub until: Option<u64>,
    /// Why it is kept.
    pub reason: String,
    /// The envelope sender.
    pub from: String,
    /// Whose copy it is.
    pub recipients: Vec<String>,
    /// Its subject, decoded.
    pub subject: String,
    /// Octets.
    pub size: u64,
    /// What somebody says it is, and who.
    pub label: Option<(Label, String)>,
}

impl KeptMail {
    /// What is known of a mail that is just being kept.
    pub fn new(id: KeptId, keeping: &Keeping<'_>, until: Option<Time>, subject: String) -> KeptMail {
        KeptMail {
            id,
            transaction: keeping.transaction.to_owned(),
            listener: keeping.listener.to_owned(),
            at: keeping.at.millis(),
            until: until.map(Time::millis),
            reason: keeping.terms.reason.to_string(),
            from: keeping.from.to_string(),
            recipients: keeping.recipients.iter().map(ToString::to_string).collect(),
            subject,
            size: keeping.message.len(),
            label: None,
        }
    }

    /// Whether it is kept because of danger, and so for administrators only.
    pub fn is_dangerous(&self) -> bool {
        self.reason == Terms::DANGEROUS
    }
}

/// Which kept mail, or which records, are asked for. Every part that is given must hold.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Query {
    /// Of this recipient.
    pub recipient: Option<String>,
    /// Of recipients in this domain.
    pub domain: Option<String>,
    /// From this sender.
    pub sender: Option<String>,
    /// Kept for this reason; of records: of this fate.
    pub reason: Option<String>,
    /// Of the transaction with this id, the number that a client reads in our reply.
    pub transaction: Option<String>,
    /// Not before, in milliseconds since the epoch.
    pub since: Option<u64>,
    /// Before, in milliseconds since the epoch.
    pub before: Option<u64>,
    /// Said to be this. Records have no label.
    pub label: Option<Label>,
    /// Older than the one with this id: the last of the page before.
    pub after: Option<String>,
    /// At most so many, the newest first.
    pub limit: Option<usize>,
}

/// Mail that is kept, and the records of all mail.
#[async_trait]
pub trait Kept: Send + Sync {
    /// Whether there is an archive at all. Without one, recipients who may have to be judged apart are told at RCPT to
    /// come apart, since nobody could keep the copy of the one who may not have the mail.
    fn keeps(&self) -> bool {
        true
    }
    /// Whether a mail of so many octets could ever be kept, however much room is made for it.
    fn could_keep(&self, octets: u64) -> bool {
        let _ = octets;
        true
    }
    /// Keeps a mail. On durable terms it is on disk before this returns.
    async fn keep(&self, keeping: Keeping<'_>) -> Result<KeptId, Fault>;
    /// Takes back what was just kept, because the mail was not accepted after all.
    async fn withdraw(&self, id: &KeptId) -> Result<(), Fault>;
    /// A kept mail and its bytes.
    async fn get(&self, id: &KeptId) -> Result<Option<(KeptMail, Arc<Message>)>, Fault>;
    /// Says what it is, and who says so.
    async fn label(&self, id: &KeptId, label: Label, by: &Login) -> Result<(), Fault>;
    /// Kept mail, the newest first.
    async fn list(&self, query: &Query) -> Result<Vec<KeptMail>, Fault>;
    /// Deletes it: bytes, index and all.
    async fn delete(&self, id: &KeptId) -> Result<bool, Fault>;
    /// Adds a record.
    async fn record(&self, record: &Record) -> Result<(), Fault>;
    /// Adds some. After a fault some may be there.
    async fn record_all(&self, records: &[&Record]) -> Result<(), Fault> {
        for record in records {
            self.record(record).await?;
        }
        Ok(())
    }
    /// Records, the newest first.
    async fn records(&self, query: &Query) -> Result<Vec<Record>, Fault>;
}
