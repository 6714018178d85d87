//! One transaction, one record: what the log, the metrics, the archive, reports and observers read.

use std::hash::Hasher;
use std::net::IpAddr;

use gatepost_message::Message;
use serde::{Deserialize, Serialize};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::envelope::{Direction, Facts, Login, RecipientId};
use crate::identity::{Chain, DmarcPolicy, DmarcResult, Published, Signature, SpfResult, SpfScope};
use crate::opinion::{Evidence, Scope, Tag};
use crate::phase::Phase;
use crate::score::Score;
use crate::verdict::Level;

/// What all classifiers together say of a mail, for one recipient.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Fused {
    /// Their log-odds as one; higher is spam.
    pub odds: f32,
    /// The log-odds at which the operator's risk is reached.
    pub threshold: f32,
    /// The points that they gave.
    pub points: Score,
}

impl Fused {
    /// What they say.
    pub fn new(odds: f32, threshold: f32, points: Score) -> Fused {
        Fused {
            odds,
            threshold,
            points,
        }
    }
}

/// What happened to one recipient.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct RecipientRecord {
    /// Its number.
    pub id: RecipientId,
    /// The address.
    pub to: String,
    /// How likely the mail was unwanted, for this recipient.
    pub level: Level,
    /// The sum of points, for this recipient.
    pub score: Score,
    /// What all classifiers together say of it, where any said something: their points are in the sum.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fused: Option<Fused>,
    /// What became of it: `deliver`, `hold`, `defer`, `refuse`, `discard`, `divert`; `none` where the session ended first.
    pub fate: String,
    /// What would have become of it, where `dry_run` overruled the verdict.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub would: Option<String>,
    /// The reply that the client got about it: at RCPT if it was refused there, at the end of the message otherwise.
    pub reply: String,
    /// Where it went: `host:port` of the mail server, `queue`, `kept:ID`, a filter's name; of mail that waited `deleted`, or
    /// `returned` where its sender was told that it failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub went: Option<String>,
    /// When it was delivered from what was kept, in milliseconds since the epoch; the last time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub released: Option<u64>,
    /// The findings and rules that decided.
    pub because: Vec<Tag>,
}

impl RecipientRecord {
    /// The record of a recipient about whom nothing is decided yet.
    pub fn new(id: RecipientId, to: String) -> RecipientRecord {
        RecipientRecord {
            id,
            to,
            level: Level::None,
            score: Score::ZERO,
            fused: None,
            fate: "none".into(),
            would: None,
            reply: String::new(),
            went: None,
            released: None,
            because: Vec::new(),
        }
    }
}

/// One finding, with who said it, when, and how long it took.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FindingRecord {
    /// The filter.
    pub filter: String,
    /// The phase.
    pub phase: Phase,
    /// The finding's name.
    pub tag: Tag,
    /// Its weight.
    pub evidence: Evidence,
    /// Whom it concerns.
    pub scope: Scope,
    /// Whether it counted: not so in mode `monitor`.
    pub counts: bool,
    /// What exactly was seen.
    pub note: String,
}

impl FindingRecord {
    /// A finding of a filter at a phase.
    pub fn new(filter: &str, phase: Phase, finding: &crate::Finding, counts: bool) -> FindingRecord {
        FindingRecord {
            filter: filter.into(),
            phase,
            tag: finding.tag.clone(),
            evidence: finding.evidence,
            scope: finding.scope,
            counts,
            note: finding.note.clone(),
        }
    }
}

/// What one filter cost at one phase, and whether it failed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CallRecord {
    /// The filter.
    pub filter: String,
    /// The phase.
    pub phase: Phase,
    /// How long it took, in microseconds.
    pub micros: u64,
    /// Why it formed no opinion: `unavailable: ..`, `broken: ..`, `patience`, `panic`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub fault: Option<String>,
}

impl CallRecord {
    /// A call.
    pub fn new(filter: &str, phase: Phase, micros: u64, fault: Option<String>) -> CallRecord {
        CallRecord {
            filter: filter.into(),
            phase,
            micros,
            fault,
        }
    }
}

/// What SPF said, as an aggregate report tells it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SpfRecord {
    /// The domain that was checked.
    pub domain: String,
    /// Which name of the client it is.
    pub scope: SpfScope,
    /// The result.
    pub result: SpfResult,
    /// Why, in a few words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// It passes, and its domain is aligned with the author's.
    pub aligned: bool,
}

/// What was proven of a mail: all that an aggregate report of DMARC needs, beside the client's address.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct AuthRecord {
    /// The domain of the author in the From header; none where there is not one author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_from: Option<String>,
    /// The domain of the envelope sender; none for the null sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope_from: Option<String>,
    /// SPF, where somebody asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spf: Option<SpfRecord>,
    /// The signatures that were looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dkim: Vec<Signature>,
    /// How many more there are.
    pub dkim_left: u32,
    /// The chain of ARC, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arc: Option<Chain>,
    /// What DMARC said.
    pub dmarc: DmarcResult,
    /// Why, in a few words.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What is published, and where.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<Published>,
    /// The policy in it that applies to this author.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub policy: Option<DmarcPolicy>,
    /// What was done in its name: a mail that fails and was refused is `reject`, one that was kept back or marked
    /// `quarantine`.
    pub disposition: DmarcPolicy,
}

/// How a transaction ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum End {
    /// It was answered at the end of the message.
    Answered,
    /// The mail server took it and the client was gone before our answer: it will come again.
    DeliveredUnacked,
    /// RSET, EHLO, QUIT or STARTTLS came before a message.
    #[default]
    Reset,
    /// The client or its connection was gone.
    Lost,
    /// The session was closed by us: too many errors, too slow, draining.
    Closed,
    /// The client was refused before it sent MAIL.
    Refused,
}

/// One transaction, from MAIL to its end; or one session that never came to MAIL and was refused.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Record {
    /// The version of this form.
    pub version: u32,
    /// The transaction's id, as it stands in `Received` and in the log.
    pub id: String,
    /// When it began, in milliseconds since the epoch.
    pub began: u64,
    /// How long it took in all, in milliseconds.
    pub took: u64,
    /// How long the mail server took of that, in milliseconds.
    pub upstream_took: u64,
    /// Which way mail flows here.
    pub direction: Direction,
    /// The listener's name.
    pub listener: String,
    /// The peer's address.
    pub client: IpAddr,
    /// The peer's port.
    pub port: u16,
    /// The address that was judged, where it is not the peer's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<IpAddr>,
    /// What that one called itself, as the trusted relay wrote it down.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin_helo: Option<String>,
    /// The reverse name, where somebody asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reverse: Option<String>,
    /// What the client calls itself.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub helo: Option<String>,
    /// The TLS version and cipher.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub tls: Option<String>,
    /// Who authenticated to us.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub login: Option<Login>,
    /// The envelope sender, empty for the null sender; none where MAIL never came.
    pub from: Option<String>,
    /// The recipients, in the order of RCPT.
    pub recipients: Vec<RecipientRecord>,
    /// How many recipients came beyond those that are listed.
    pub recipients_dropped: u32,
    /// Octets of the message.
    pub size: u64,
    /// Its Message-ID.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub message_id: Option<String>,
    /// Its subject, where the operator lets it be logged.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub subject: Option<String>,
    /// A hash of its content, for finding the same mail again.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub hash: Option<String>,
    /// The From header.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub author: Option<String>,
    /// A machine answered (RFC 3834).
    pub auto_submitted: bool,
    /// `Precedence: bulk` or `junk`.
    pub bulk: bool,
    /// A List-Id or `Precedence: list`.
    pub list: bool,
    /// What the session saw.
    pub facts: Facts,
    /// What SPF said, where somebody asked.
    #[serde(default)]
    pub spf: SpfResult,
    /// What DMARC said, where somebody asked.
    #[serde(default)]
    pub dmarc: DmarcResult,
    /// The domain that the mail is proven to be from, aligned with its author.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub proven: Option<String>,
    /// What proves it, and what does not, where somebody asked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub auth: Option<Box<AuthRecord>>,
    /// Each finding.
    pub findings: Vec<FindingRecord>,
    /// Each call of a filter.
    pub calls: Vec<CallRecord>,
    /// How it ended.
    pub end: End,
    /// The last reply of the transaction, as the client got it.
    pub reply: String,
    /// What else there is to say: opinions that were cut, an upstream without XCLIENT.
    pub notes: Vec<String>,
}

impl Record {
    /// The version of this form that this crate writes.
    pub const VERSION: u32 = 1;
    /// The most recipients that a record lists.
    pub const RECIPIENTS_MAX: usize = 1_000;
    /// The most findings that a record lists.
    pub const FINDINGS_MAX: usize = 500;
    /// The most calls that a record lists.
    pub const CALLS_MAX: usize = 2_000;

    /// A hash of a mail's body, the same in every version; `None` where it cannot be read. Fields are left out: servers
    /// behind us add some.
    pub fn hash_of(message: &Message) -> Option<String> {
        let mut hasher = SipHasher13::new();
        match message.body().whole() {
            Some(whole) => hasher.write(whole),
            None => {
                let (mut buffer, mut at) = (vec![0; 64 * 1024], 0_u64);
                while at < message.body().len() {
                    let n = message.body().read_at(at, &mut buffer).ok().filter(|n| *n > 0)?;
                    hasher.write(buffer.get(..n)?);
                    at += n as u64;
                }
            }
        }
        Some(format!("{:032x}", hasher.finish128().as_u128()))
    }

    /// A record that has just begun.
    pub fn new(id: String, began: u64, direction: Direction, listener: String, client: IpAddr, port: u16) -> Record {
        Record {
            version: Record::VERSION,
            id,
            began,
            took: 0,
            upstream_took: 0,
            direction,
            listener,
            client,
            port,
            origin: None,
            origin_helo: None,
            reverse: None,
            helo: None,
            tls: None,
            login: None,
            from: None,
            recipients: Vec::new(),
            recipients_dropped: 0,
            size: 0,
            message_id: None,
            subject: None,
            hash: None,
            author: None,
            auto_submitted: false,
            bulk: false,
            list: false,
            facts: Facts::default(),
            spf: SpfResult::Unknown,
            dmarc: DmarcResult::Unknown,
            proven: None,
            auth: None,
            findings: Vec::new(),
            calls: Vec::new(),
            end: End::Reset,
            reply: String::new(),
            notes: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_a_body_never_changes() {
        let hash = |mail: &'static str| Record::hash_of(&Message::from_bytes(mail.as_bytes())).expect("in memory");
        assert_eq!(hash("A: 1\r\n\r\nbody\r\n"), hash("A: 2\r\n\r\nbody\r\n"));
        assert_ne!(hash("A: 1\r\n\r\nbody\r\n"), hash("A: 1\r\n\r\nbodies\r\n"));
        assert_eq!(hash("A: 1\r\n\r\n").len(), 32);
    }

    #[test]
    fn a_record_of_before_there_were_proofs_is_read() {
        let client = IpAddr::from([192, 0, 2, 1]);
        let record = Record::new("1".into(), 0, Direction::Inbound, "mx".into(), client, 1);
        let old = serde_json::to_string(&record).expect("JSON");
        assert!(!old.contains("auth\""));
        assert_eq!(serde_json::from_str::<Record>(&old).ok(), Some(record.clone()));
        let mut new = record;
        new.auth = Some(Box::new(AuthRecord {
            dkim: vec![Signature::default()],
            arc: Some(Chain::default()),
            published: Some(Published::default()),
            ..AuthRecord::default()
        }));
        let json = serde_json::to_string(&new).expect("JSON");
        assert_eq!(serde_json::from_str::<Record>(&json).ok(), Some(new));
        let sparse = old.replace(
            "\"findings\"",
            "\"auth\":{\"dmarc\":\"fail\",\"dkim\":[{}]},\"findings\"",
        );
        let read = serde_json::from_str::<Record>(&sparse).expect("a record");
        assert_eq!(read.auth.map(|auth| auth.dmarc), Some(DmarcResult::Fail));
    }
}
