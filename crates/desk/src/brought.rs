//! Which mail of ours somebody means: by our number, by the number of its transaction, or by what they bring of it (L-05).
//!
//! **Invariant:** a number that we sealed names one mail, and where that is somebody else's, nothing that is brought in its
//! place is looked at. Without a seal, only mail that came to the one who asks is looked through: at most [`RECORDS_MAX`]
//! records of the last [`DAYS`] days, and what fits to several mails that differ fits to none.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Author, Brought, Fault, KeptId, KeptMail, Message, Query, Record, Reference, Time};

use crate::desk::FrontDesk;
use crate::rights::Who;

/// Days back in which a mail is looked for that brings no number.
const DAYS: u64 = 14;
/// Records of one person that are looked through.
const RECORDS_MAX: usize = 1_000;
/// Kept copies of one transaction that are looked through.
const COPIES_MAX: usize = 100;
/// Octets of a subject that are compared.
const SUBJECT_MAX: usize = 1_000;

/// What we have of a mail.
pub(crate) enum Known {
    /// The mail itself.
    Kept(Box<KeptMail>, Arc<Message>),
    /// It was delivered: what they may see of its record.
    Delivered(Box<Record>),
    /// It is somebody else's.
    Foreign,
    /// Nothing, or nothing any more.
    Unknown,
}

/// A Message-ID without what stands around it.
fn bare(id: &str) -> &str {
    id.trim().trim_start_matches('<').trim_end_matches('>')
}

/// By what a mail that brings no number is known again.
struct Marks {
    message_id: Option<String>,
    /// Where the octets are the mail's own.
    hash: Option<String>,
    author: Option<String>,
    subject: String,
}

impl Marks {
    fn of(brought: &Brought, message: &Message) -> Marks {
        let subject = message.headers().get("Subject");
        Marks {
            message_id: brought.message_id.as_deref().map(|id| bare(id).to_owned()),
            hash: brought.whole.then(|| Record::hash_of(message)).flatten(),
            author: Author::of(message.headers()).one().map(|author| author.key()),
            subject: subject.map_or(String::new(), |subject| plain(&subject.decoded(SUBJECT_MAX))),
        }
    }

    /// Whether a record may be the mail's.
    fn fit(&self, record: &Record) -> bool {
        let named = match (&self.message_id, &record.message_id) {
            (Some(wanted), Some(is)) => Some(wanted == bare(is)),
            (Some(_), None) => Some(false),
            (None, _) => None,
        };
        let author = record.author.as_deref().and_then(|author| Author::read(author).one());
        let same_author = match (&self.author, author) {
            (Some(wanted), Some(is)) => Some(*wanted == is.key()),
            _ => None,
        };
        if let Some(hash) = &self.hash {
            // The hash is of the body alone, which another's mail may have as well, and an empty one does.
            return record.hash.as_ref() == Some(hash) && named != Some(false) && same_author != Some(false);
        }
        match named {
            // Whoever forwards may name another mail of the same thread.
            Some(named) => named && same_author != Some(false),
            None => same_author == Some(true) && record.subject.as_deref().is_none_or(|is| plain(is) == self.subject),
        }
    }
}

/// A subject without what differs from reader to reader.
fn plain(subject: &str) -> String {
    subject.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

impl FrontDesk {
    /// The mail of this number: that of a kept mail, or of a transaction.
    pub(crate) async fn of_number(&self, who: &Who<'_>, number: &str) -> Result<Known, Fault> {
        let kept = &self.means.kept;
        if let Some((mail, message)) = kept.get(&KeptId(number.into())).await? {
            return Ok(match who.view(&mail) {
                Some(_) => Known::Kept(Box::new(mail), message),
                None => Known::Foreign,
            });
        }
        let mut query = Query::default();
        query.transaction = Some(number.to_owned());
        query.limit = Some(COPIES_MAX);
        let copies = kept.list(&query).await?;
        for copy in &copies {
            if who.view(copy).is_some()
                && let Some((mail, message)) = kept.get(&copy.id).await?
            {
                return Ok(Known::Kept(Box::new(mail), message));
            }
        }
        query.limit = Some(1);
        let record = kept.records(&query).await?.into_iter().next();
        let there = record.is_some() || !copies.is_empty();
        Ok(match record.and_then(|record| who.view_record(record)) {
            Some(record) => Known::Delivered(Box::new(record)),
            None if there => Known::Foreign,
            None => Known::Unknown,
        })
    }

    /// The mail that somebody brings, as we have it.
    pub(crate) async fn brought(
        &self,
        who: &Who<'_>,
        brought: &Brought,
        message: &Message,
        now: Time,
    ) -> Result<Known, Fault> {
        let reference = brought.reference.as_deref();
        if let Some(Reference::Ours(id)) = reference.and_then(|text| Reference::read(&self.means.seed, text)) {
            return self.of_number(who, &id).await;
        }
        let Some(address) = who.address().filter(|_| !who.is_operator()) else {
            return Ok(Known::Unknown);
        };
        let mut query = Query::default();
        query.recipient = Some(address.to_string());
        query.since = Some(
            now.millis()
                .saturating_sub(Duration::from_hours(24 * DAYS).as_millis() as u64),
        );
        query.limit = Some(RECORDS_MAX);
        let marks = Marks::of(brought, message);
        let records = self.means.kept.records(&query).await?;
        let fit: Vec<&Record> = records.iter().filter(|record| marks.fit(record)).collect();
        match fit.first() {
            Some(first)
                if fit
                    .iter()
                    .all(|other| other.hash == first.hash && other.from == first.from) =>
            {
                self.of_number(who, &first.id).await
            }
            _ => Ok(Known::Unknown),
        }
    }
}
