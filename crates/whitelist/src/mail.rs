//! What the lists are asked about one mail, and what one mail does to them.
//!
//! **Bounds:** of a mail, the lists of the site, and of each domain among its recipients, are asked once; those of a
//! person once a recipient. A mail renews entries of at most [`RENEWED_MAX`] owners.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use gatepost_core::message::Headers;
use gatepost_core::{
    Address, Author, Context, DmarcResult, End, Fault, Level, Message, Recipient, Record, SpfResult, Time,
};

use crate::change::Outcome;
use crate::entry::{Pattern, address_key, domain_key};
use crate::form::Shelf;
use crate::learn::{self, was_delivered};
use crate::lists::{Lists, Word};
use crate::opinion::{Row, Standpoint};
use crate::owner::Owner;
use crate::sender::Who;
use crate::{Config, Learn};

/// The most owners whose entries one mail renews.
const RENEWED_MAX: usize = 200;

/// The envelope sender; none for the null sender.
pub fn envelope_sender(cx: &Context<'_>) -> Option<Who> {
    Who::of(cx.envelope()?.from.mailbox()?)
}

/// The author in the From header, proven or not.
pub fn author(message: &Message) -> Option<Who> {
    Who::of(&Author::of(message.headers()).one()?)
}

/// What is said against whom a sender claims to be: nothing else of it counts.
fn against(word: Word) -> Word {
    Word {
        name: word.name.filter(|found| found.list == gatepost_core::List::Deny),
        ..Word::default()
    }
}

/// What the lists that hold for a recipient say, the widest first.
pub async fn words(
    lists: &Lists,
    to: &Recipient,
    who: Option<&Who>,
    client: Option<IpAddr>,
    now: Time,
) -> Result<Vec<Word>, Fault> {
    let (name, claimed) = (who.map(|who| &who.name), who.and_then(|who| who.claimed.as_ref()));
    let mut words = Vec::new();
    for owner in Owner::all_of(to) {
        words.push(lists.ask(Shelf::Senders, &owner, name, client, now).await?);
    }
    if claimed.is_some() {
        for owner in Owner::all_of(to) {
            words.push(against(lists.ask(Shelf::Senders, &owner, claimed, None, now).await?));
        }
    }
    Ok(words)
}

/// What was asked already about one name.
#[derive(Default)]
struct Asked(HashMap<(Owner, bool), Word>);

impl Asked {
    async fn standpoint(
        &mut self,
        lists: &Lists,
        to: &Recipient,
        who: Option<&Who>,
        client: Option<IpAddr>,
        now: Time,
    ) -> Result<Standpoint, Fault> {
        let (name, claimed) = (who.map(|who| &who.name), who.and_then(|who| who.claimed.as_ref()));
        let mut words = Vec::new();
        for (name, client, is_claim) in [(name, client, false), (claimed, None, true)] {
            if name.is_none() && client.is_none() {
                continue;
            }
            for owner in Owner::all_of(to) {
                let key = (owner, is_claim);
                let word = match self.0.get(&key) {
                    Some(word) => word.clone(),
                    None => {
                        let word = lists.ask(Shelf::Senders, &key.0, name, client, now).await?;
                        let word = if is_claim { against(word) } else { word };
                        self.0.insert(key, word.clone());
                        word
                    }
                };
                words.push(word);
            }
        }
        Ok(Standpoint::of(&words))
    }
}

/// What the lists say of a whole mail, for each recipient.
pub async fn rows(lists: &Lists, cx: &Context<'_>, author: Option<&Who>) -> Result<Vec<Row>, Fault> {
    let Some(envelope) = cx.envelope() else {
        return Ok(Vec::new());
    };
    let sender = envelope_sender(cx).filter(|sender| Some(sender) != author);
    // At RCPT the client's own address was asked about; behind a trusted relay another is known only now.
    let client = (cx.origin() != cx.client().address).then(|| cx.origin());
    let (mut of_author, mut of_sender) = (Asked::default(), Asked::default());
    let mut rows = Vec::new();
    for to in &envelope.recipients {
        rows.push(Row {
            who: to.id,
            author: of_author.standpoint(lists, to, author, client, cx.now()).await?,
            sender: of_sender.standpoint(lists, to, sender.as_ref(), None, cx.now()).await?,
        });
    }
    Ok(rows)
}

/// Learns whom an outbound mail went to.
pub async fn teach(
    lists: &Lists,
    config: &Config,
    life: Duration,
    record: &Record,
    headers: Option<&Headers>,
    now: Time,
) -> Result<(), Fault> {
    if config.learn == Learn::Off {
        return Ok(());
    }
    let Ok(lesson) = learn::lesson(record, headers, config.recipients_max) else {
        return Ok(());
    };
    let Some(person) = lesson.sender.addresses.first().filter(|_| !lesson.contacts.is_empty()) else {
        return Ok(());
    };
    let (domain, person) = (Owner::domain(&lesson.sender.domain), Owner::person(person));
    let site = Owner::site();
    for owner in [&site, &domain, &person] {
        let word = lists.ask(Shelf::Own, owner, Some(&lesson.sender), None, now).await?;
        if word.name.is_some() {
            return Ok(());
        }
    }
    let owner = if config.learn == Learn::Person {
        &person
    } else {
        &domain
    };
    for contact in &lesson.contacts {
        let address = contact.to_string();
        let mut known = false;
        // A mark of anybody concerned keeps it from being learned for them; so does what people said of it.
        for other in [&site, &domain, &person].into_iter().filter(|other| *other != owner) {
            let slot = lists.slot(Shelf::Senders, other, &address, now).await?;
            known |= slot.is_some_and(|slot| !slot.holds() || slot.list == gatepost_core::List::Deny);
        }
        if known {
            continue;
        }
        if let Outcome::Full(most) = lists.learn(owner, contact, life, &record.id, now).await? {
            tracing::warn!(
                id = record.id,
                owner = owner.key(),
                most,
                "whitelist: no room to learn a contact"
            );
        }
    }
    Ok(())
}

/// Renews what was learned of the sender of an inbound mail that was wanted and delivered.
pub async fn renew(lists: &Lists, life: Duration, record: &Record, now: Time) -> Result<(), Fault> {
    let forged = record.spf == SpfResult::Fail || record.dmarc == DmarcResult::Fail;
    if forged || record.login.is_some() || !matches!(record.end, End::Answered | End::DeliveredUnacked) {
        return Ok(());
    }
    let from = record.from.as_deref().and_then(|from| Address::parse(from, true).ok());
    // The author counts only where somebody proved it. The field in a record may be cut, and so name another domain.
    let author = record.author.as_deref().and_then(|author| Author::read(author).one());
    let author = author.filter(|author| record.proven.as_deref() == Some(&*author.domain().key()));
    let names = from.into_iter().chain(author);
    let mut patterns: Vec<Pattern> = names
        .filter_map(|address| address_key(&gatepost_core::tagged::original(&address)))
        .filter_map(|key| Pattern::parse(&key).ok())
        .collect();
    patterns.dedup();
    let mut owners: Vec<Owner> = Vec::new();
    for row in &record.recipients {
        if !was_delivered(row, record.end) || row.level > Level::None || row.would.is_some() {
            continue;
        }
        let Ok(to) = Address::parse(&row.to, true) else {
            continue;
        };
        owners.extend(domain_key(to.domain()).map(|domain| Owner::domain(&domain)));
        owners.extend(address_key(&to).map(|person| Owner::person(&person)));
    }
    owners.sort();
    owners.dedup();
    for owner in owners.iter().take(RENEWED_MAX) {
        for pattern in &patterns {
            lists.renew(owner, pattern, life, now).await?;
        }
    }
    Ok(())
}
