//! Whether a mail was written by one of our own people, and to people (L-01): pure functions of the record.
//!
//! **Absent on purpose:** what cannot be seen. A mail that answers the `mailto:` of a List-Unsubscribe looks like any other.

use gatepost_message::Headers;

use crate::record::{End, RecipientRecord, Record};

/// Why a mail teaches nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Excluded {
    /// It was not outbound.
    NotOutbound,
    /// Nobody authenticated.
    NoLogin,
    /// The login is of another domain than the sender.
    NotTheirDomain,
    /// It has no sender: a bounce, a report.
    NoSender,
    /// A machine wrote it.
    Machine,
    /// It is bulk mail.
    Bulk,
    /// It went through a list.
    List,
    /// It went to too many at once.
    ManyRecipients,
    /// It was not accepted.
    NotAccepted,
}

/// Whether a mail looks like a person's and was accepted; `most` recipients are not too many. Who sent it is another
/// question.
pub fn from_a_person(record: &Record, headers: Option<&Headers>, most: u32) -> Result<(), Excluded> {
    if record.auto_submitted || headers.is_some_and(is_machines) {
        return Err(Excluded::Machine);
    }
    if record.bulk {
        return Err(Excluded::Bulk);
    }
    if record.list {
        return Err(Excluded::List);
    }
    let recipients = u32::try_from(record.recipients.len()).unwrap_or(u32::MAX);
    if recipients.saturating_add(record.recipients_dropped) > most {
        return Err(Excluded::ManyRecipients);
    }
    match record.end {
        End::Answered | End::DeliveredUnacked => Ok(()),
        _ => Err(Excluded::NotAccepted),
    }
}

/// Whether the mail server took it for a recipient. Where the client was gone, nobody was answered.
pub fn was_delivered(row: &RecipientRecord, end: End) -> bool {
    let done = row.reply.starts_with('2') || (end == End::DeliveredUnacked && row.reply.is_empty());
    row.fate == "deliver" && done
}

/// Marks of answering machines that are older than Auto-Submitted (RFC 3834) and that the record does not know.
pub fn is_machines(headers: &Headers) -> bool {
    let there = |name: &str| headers.get(name).is_some();
    let auto = |name: &str| {
        headers.get(name).is_some_and(|field| {
            let value = String::from_utf8_lossy(&field.unfolded()).trim().to_lowercase();
            matches!(value.as_str(), "auto_reply" | "auto-reply" | "autoreply")
        })
    };
    ["X-Autoreply", "X-Autorespond", "X-Auto-Reply", "X-Vacation"]
        .into_iter()
        .any(there)
        || auto("Precedence")
}
