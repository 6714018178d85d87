//! What outbound mail teaches, and what it must not teach (L-01): pure functions of the record.
//!
//! **Invariant:** only single addresses are taught, never a domain; only by mail that a login of ours sent, that looks
//! like a person's, and that the mail server accepted for that recipient. **Absent on purpose:** what cannot be seen. A
//! mail that answers the `mailto:` of a List-Unsubscribe looks like any other, so addresses whose local part is a
//! machine's (`unsubscribe`, `noreply`, `bounce`) are passed over; and which domains are ours the filter does not know,
//! so an entry is taught for the sender's domain, and where a person logged in, that must be the login's.

use gatepost_core::human;
use gatepost_core::message::Headers;
use gatepost_core::{Address, Direction, End, Level, LoginBy, RecipientRecord, Record};

use crate::entry::{Pattern, address_key, domain_key};
use crate::sender::{self, Name};

pub use gatepost_core::human::{Excluded, was_delivered};

/// Why a recipient is passed over.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum PassedOver {
    /// The mail server did not take it for this one.
    NotAccepted,
    /// The mail looked unwanted.
    Suspicious,
    /// It was delivered because nothing is done in a dry run.
    DryRun,
    /// It is of the sender's own domain.
    OwnDomain,
    /// It is the address of a machine.
    Machine,
    /// It is no address that a list could hold.
    NoAddress,
}

/// What a mail teaches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lesson {
    /// The sender, of our own people.
    pub sender: Name,
    /// Who is a contact of theirs.
    pub contacts: Vec<Pattern>,
    /// Who is not, and why.
    pub passed_over: Vec<(String, PassedOver)>,
}

/// What an outbound mail teaches; `most` recipients are not too many.
pub fn lesson(record: &Record, headers: Option<&Headers>, most: u32) -> Result<Lesson, Excluded> {
    if record.direction != Direction::Outbound {
        return Err(Excluded::NotOutbound);
    }
    let login = record.login.as_ref().ok_or(Excluded::NoLogin)?;
    let from = record.from.as_deref().unwrap_or_default();
    let sender = Address::parse(from, true).ok().and_then(|address| Name::of(&address));
    let sender = sender.ok_or(Excluded::NoSender)?;
    if login.by == LoginBy::Auth {
        let theirs = login.name.rsplit_once('@').map(|(_, domain)| domain);
        let other = |domain: &str| crate::entry::read_domain(domain).is_ok_and(|domain| domain != sender.domain);
        if theirs.is_some_and(other) {
            return Err(Excluded::NotTheirDomain);
        }
    }
    human::from_a_person(record, headers, most)?;
    let mut lesson = Lesson {
        sender,
        contacts: Vec::new(),
        passed_over: Vec::new(),
    };
    for row in &record.recipients {
        match contact(row, record.end, &lesson.sender) {
            Ok(contact) if lesson.contacts.contains(&contact) => {}
            Ok(contact) => lesson.contacts.push(contact),
            Err(why) => lesson.passed_over.push((row.to.clone(), why)),
        }
    }
    Ok(lesson)
}

fn contact(row: &RecipientRecord, end: End, sender: &Name) -> Result<Pattern, PassedOver> {
    if row.would.is_some() {
        return Err(PassedOver::DryRun);
    }
    if !was_delivered(row, end) {
        return Err(PassedOver::NotAccepted);
    }
    if row.level > Level::None {
        return Err(PassedOver::Suspicious);
    }
    let address = Address::parse(&row.to, true).map_err(|_| PassedOver::NoAddress)?;
    let address = gatepost_core::tagged::original(&address);
    if domain_key(address.domain()).is_some_and(|domain| domain == sender.domain) {
        return Err(PassedOver::OwnDomain);
    }
    if sender::stem(&address).is_some() || is_a_machines(address.local()) {
        return Err(PassedOver::Machine);
    }
    let key = address_key(&address).ok_or(PassedOver::NoAddress)?;
    match Pattern::parse(&key) {
        Ok(pattern @ Pattern::Address(_)) => Ok(pattern),
        _ => Err(PassedOver::NoAddress),
    }
}

/// Words of local parts behind which there is no person to be a contact.
const MACHINES: [&str; 14] = [
    "unsubscribe",
    "unsub",
    "optout",
    "subscribe",
    "signoff",
    "leave",
    "bounce",
    "bounces",
    "noreply",
    "donotreply",
    "mailer-daemon",
    "listserv",
    "majordomo",
    "autoreply",
];

/// Whether a local part is a machine's: `no-reply`, `list-unsubscribe`, `leave-17@`, `unsubscribe+tag`.
fn is_a_machines(local: &str) -> bool {
    let local = local.to_lowercase();
    let bare: String = local.chars().filter(|c| !matches!(c, '-' | '_' | '.')).collect();
    let begins = ["noreply", "donotreply", "mailerdaemon", "unsubscribe", "optout"];
    let word = |word: &str| MACHINES.contains(&word);
    begins.iter().any(|begin| bare.starts_with(begin)) || local.split(['-', '_', '.', '+', '=']).any(word)
}
