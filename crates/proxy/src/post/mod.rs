//! Mail that leaves from here: letters of ours, copies for those who gather what was refused, and kept mail that somebody
//! releases.
//!
//! **Invariants:** a letter or a copy goes to one address of ours, with the null sender; a release has the original sender
//! and one of the original recipients, and nobody else. Each is one delivery by the route of its recipient, past our own
//! filters, and what the mail server says of it is what is told. Nothing is tried again here: whoever asked may ask again.

mod letter;
mod look;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use gatepost_core::message::{Edit, Edits};
use gatepost_core::smtp::command::{BodyType, Notify};
use gatepost_core::{
    Address, Client, Clock, Consignment, Direction, Envelope, Fault, Helo, Kept, KeptId, KeptMail, Letter, Level,
    Login, MailParams, Message, Path, Post, Query, RcptParams, Recipient, RecipientId, RecipientRecord, Record,
    Released, Reply, Seed, Tag, Upstream, Upstreams, Visit, async_trait,
};
use gatepost_pipeline::danger::Found;
use gatepost_pipeline::stamp::Stamp;
use gatepost_pipeline::{Ours, Routes, Rules};

use crate::ways::Ways;
use letter::Paper;
pub use look::Sentry;

/// The most findings that are named to whoever may not have a mail.
const NAMED: usize = 3;

/// By what mail leaves: the routes of our own domains.
pub struct Outlet {
    /// Where mail goes that came to a listener, by its name, and which way it flows there.
    pub listeners: BTreeMap<String, (Direction, Routes)>,
    /// Where mail goes whose listener is not there any more, and our own: as from the world.
    pub otherwise: Routes,
    /// The mail servers.
    pub ways: Arc<Ways>,
    /// Who we say we are.
    pub ours: Ours,
    /// The name beside the address of our own letters.
    pub name: String,
    /// What is taken off external mail.
    pub rules: Arc<Rules>,
    /// Who looks at a mail before it is released.
    pub sentry: Sentry,
}

/// Delivers letters, copies and kept mail by the outlet of the configuration in service.
pub struct Courier {
    kept: Arc<dyn Kept>,
    clock: Arc<dyn Clock>,
    seed: Seed,
    /// How many letters were written since the start.
    letters: AtomicU64,
    outlet: ArcSwapOption<Outlet>,
}

impl Courier {
    /// A courier who knows no way yet.
    pub fn new(kept: Arc<dyn Kept>, clock: Arc<dyn Clock>, seed: Seed) -> Courier {
        Courier {
            kept,
            clock,
            seed,
            letters: AtomicU64::new(0),
            outlet: ArcSwapOption::empty(),
        }
    }

    /// Shows the ways of a configuration.
    pub fn publish(&self, outlet: Arc<Outlet>) {
        self.outlet.store(Some(outlet));
    }

    fn outlet(&self) -> Result<Arc<Outlet>, Fault> {
        self.outlet.load_full().ok_or(Fault::Unavailable("no route yet"))
    }

    /// A number that no other letter has.
    fn number(&self) -> u64 {
        let count = self.letters.fetch_add(1, Ordering::Relaxed);
        let now = self.clock.now().millis();
        self.seed.hash(&[b"letter", &now.to_be_bytes(), &count.to_be_bytes()])
    }

    /// How a kept mail came, where that is still known.
    async fn record(&self, mail: &KeptMail) -> Option<Record> {
        let mut query = Query::default();
        query.transaction = Some(mail.transaction.clone());
        query.limit = Some(1);
        let found = self.kept.records(&query).await.ok()?;
        found.into_iter().find(|record| record.id == mail.transaction)
    }

    /// The trace of a kept mail that leaves now: who had it, and its number; and what passes for ours comes off it.
    fn trace(
        &self,
        outlet: &Outlet,
        envelope: &Envelope,
        direction: Direction,
        mail: &KeptMail,
        message: &Message,
    ) -> Vec<Edit> {
        let visit = ourselves(outlet, direction);
        let stamp = Stamp {
            ours: &outlet.ours,
            visit: &visit,
            envelope,
            id: &mail.transaction,
            seed: self.seed,
            at_millis: self.clock.now().millis(),
            reverse: None,
            spf: None,
            identity: None,
        };
        stamp.edits(&outlet.rules, message).0
    }
}

/// We are the client: the one who sent it is long gone, and stands in the Received field below ours.
fn ourselves(outlet: &Outlet, direction: Direction) -> Visit {
    let mut visit = Visit::new(direction, "desk".into(), Client::new(Ipv4Addr::LOCALHOST.into(), 0));
    visit.helo = Some(Helo {
        name: outlet.ours.hostname.clone(),
        extended: true,
    });
    visit
}

fn envelope(from: Path, to: Path, message: &Message) -> Envelope {
    let params = MailParams {
        body: is_eight_bit(message).then_some(BodyType::EightBitMime),
        smtputf8: [from.mailbox(), to.mailbox()]
            .into_iter()
            .flatten()
            .any(Address::needs_utf8),
        ..MailParams::default()
    };
    let mut envelope = Envelope::new(from, params);
    envelope
        .recipients
        .push(Recipient::new(RecipientId(0), to, RcptParams::default()));
    envelope
}

/// Asks that no bounce be made (RFC 3461 section 4.1), as far as the mail server knows that: whoever sent it was told long ago
/// that it was refused, or never wrote it.
fn never_notify(envelope: &mut Envelope) {
    for to in &mut envelope.recipients {
        to.params.notify = Some(Notify::default());
    }
}

/// Whether an octet of a message has its eighth bit set: the mail server is then told BODY=8BITMIME (RFC 6152).
fn is_eight_bit(message: &Message) -> bool {
    let (mut reader, mut block) = (message.read(), vec![0; 64 << 10]);
    loop {
        match std::io::Read::read(&mut reader, &mut block) {
            Ok(0) | Err(_) => return false,
            Ok(n) if block.get(..n).is_some_and(|part| !part.is_ascii()) => return true,
            Ok(_) => {}
        }
    }
}

/// What became of one order to the mail server, in words for the one who asked.
fn refused(reply: &Reply) -> Fault {
    Fault::Broken(format!("the mail server said {reply}"))
}

/// The recipient of a kept mail with this address.
fn recipient(mail: &KeptMail, address: &Address) -> Result<Path, Fault> {
    let paths = mail.recipients.iter().filter_map(|to| Path::forward(to, true).ok());
    let found = paths
        .into_iter()
        .find(|to| to.mailbox().is_some_and(|own| own.key() == address.key()));
    found.ok_or_else(|| Fault::Broken(format!("{} was not sent to {address}", mail.id)))
}

/// An address of ours, by the route of whose domain mail of our own goes.
fn local(outlet: &Outlet, to: &Address) -> Result<Path, Fault> {
    if !outlet.otherwise.is_local(to.domain()) {
        return Err(Fault::Broken(format!(
            "{to} is in none of our domains: no mail of ours goes there"
        )));
    }
    Ok(Path::Mailbox(to.clone()))
}

/// A field of ours; none for a name that is no name, which ours are not.
fn field(name: &'static str, value: &str) -> Option<Edit> {
    Edit::prepend(name, value).ok()
}

/// What was found, for the one who may not have the mail.
fn dangerous(because: &[Tag], reply: Option<&Reply>) -> String {
    let words = reply.map(Reply::text).filter(|text| !text.contains('{'));
    let names: Vec<String> = because.iter().take(NAMED).map(ToString::to_string).collect();
    let what = words.map_or_else(|| names.join(", "), str::to_owned);
    format!("it is not delivered, because it was looked at once more and is dangerous: {what}")
}

#[async_trait]
impl Post for Courier {
    async fn send(&self, letter: Letter) -> Result<(), Fault> {
        let outlet = self.outlet()?;
        let to = local(&outlet, &letter.to)?;
        let paper = Paper {
            name: &outlet.name,
            hostname: &outlet.ours.hostname,
            number: self.number(),
            at_millis: self.clock.now().millis(),
        };
        let message = Arc::new(letter::compose(&letter, &paper)?);
        let envelope = envelope(Path::Null, to, &message);
        deliver(
            &outlet,
            Direction::Inbound,
            &outlet.otherwise,
            &envelope,
            &message,
            Edits::new(),
        )
        .await
    }

    async fn release(&self, id: &KeptId, recipient: &Address, by: &Login) -> Result<Released, Fault> {
        let outlet = self.outlet()?;
        let (mail, message) = self.kept.get(id).await?.ok_or(Fault::Unavailable("the kept mail"))?;
        let to = self::recipient(&mail, recipient)?;
        let from = Path::reverse(&mail.from, true)
            .map_err(|_| Fault::Broken(format!("the sender of {id} cannot be read: {}", mail.from)))?;
        // As it would have gone when it came: by the routes of its listener.
        let (direction, routes) = match outlet.listeners.get(&mail.listener) {
            Some((direction, routes)) => (*direction, routes),
            None => (Direction::Inbound, &outlet.otherwise),
        };
        let mut envelope = envelope(from, to, &message);
        if direction == Direction::Inbound {
            never_notify(&mut envelope);
        }
        let record = self.record(&mail).await;
        let taken_out = match outlet.sentry.look(&mail, record.as_ref(), &message, &envelope).await? {
            Found::Nothing(edits) => edits,
            Found::Danger { because, reply } => {
                return Ok(Released::Dangerous(dangerous(&because, reply.as_ref())));
            }
        };
        let mut edits = self.trace(&outlet, &envelope, direction, &mail, &message);
        edits.extend(taken_out);
        // The topmost word about it is ours: it is filed with what is junk no more.
        edits.extend(field("X-Gatepost-Level", "none"));
        edits.extend(field("X-Gatepost-Released", &format!("by {}", by.name)));
        deliver(&outlet, direction, routes, &envelope, &message, edits.into()).await?;
        Ok(Released::Delivered)
    }

    async fn copy(&self, id: &KeptId, meant_for: &Address, to: &Address) -> Result<(), Fault> {
        let outlet = self.outlet()?;
        let (mail, message) = self.kept.get(id).await?.ok_or(Fault::Unavailable("the kept mail"))?;
        if mail.is_dangerous() {
            return Err(Fault::Broken(format!("{id} is dangerous: no copies of it are sent")));
        }
        let theirs = recipient(&mail, meant_for)?.to_string();
        let envelope = envelope(Path::Null, local(&outlet, to)?, &message);
        let record = self.record(&mail).await;
        let row = record
            .iter()
            .flat_map(|record| &record.recipients)
            .find(|row| row.to == theirs);
        let mut edits = self.trace(&outlet, &envelope, Direction::Inbound, &mail, &message);
        edits.extend(copied(row, meant_for));
        deliver(
            &outlet,
            Direction::Inbound,
            &outlet.otherwise,
            &envelope,
            &message,
            edits.into(),
        )
        .await
    }
}

/// What is written on a copy: whose it is, and what was thought of it. Where the record is gone, or where the mail was refused
/// whatever its points were, its level is the highest: whoever files mail by its level files this one, too.
fn copied(row: Option<&RecipientRecord>, meant_for: &Address) -> Vec<Edit> {
    let level = row.map(|row| row.level).filter(|level| *level >= Level::Medium);
    let level = level.unwrap_or(Level::High).name();
    let score = row.and_then(|row| field("X-Gatepost-Score", &row.score.to_string()));
    let fields = [
        field("X-Gatepost-Level", level),
        score,
        field("X-Gatepost-Spam", "yes"),
        field("X-Gatepost-Copy-For", &format!("<{meant_for}>")),
    ];
    fields.into_iter().flatten().collect()
}

async fn deliver(
    outlet: &Outlet,
    direction: Direction,
    routes: &Routes,
    envelope: &Envelope,
    message: &Arc<Message>,
    edits: Edits,
) -> Result<(), Fault> {
    let Some(to) = envelope.recipients.first() else {
        return Err(Fault::Broken("a mail for nobody".into()));
    };
    let route = routes.route(&to.path).map_err(|reply| refused(&reply))?;
    let mut upstream = outlet
        .ways
        .upstream(route)
        .ok_or(Fault::Unavailable("the route of the recipient"))?;
    let visit = ourselves(outlet, direction);
    let done = hand_over(&mut *upstream, &visit, envelope, to, message, edits).await;
    upstream.close().await;
    done
}

async fn hand_over(
    upstream: &mut (dyn Upstream + 'static),
    visit: &Visit,
    envelope: &Envelope,
    to: &Recipient,
    message: &Arc<Message>,
    edits: Edits,
) -> Result<(), Fault> {
    let lost =
        |loss: gatepost_core::smtp::relay::Loss| Fault::Broken(format!("the mail server was lost: {}", loss.reply()));
    let reply = upstream
        .rcpt(visit, &envelope.from, &envelope.params, &to.path, &to.params)
        .await
        .map_err(lost)?;
    if !reply.is_done() {
        return Err(refused(&reply));
    }
    let consignment = Consignment {
        from: &envelope.from,
        params: &envelope.params,
        to: &[0],
        message: edits.apply(message),
        gone: &|| false,
    };
    let delivery = upstream
        .deliver(consignment)
        .await
        .map_err(|loss| match loss.after_dot {
            true => Fault::Unsure(format!(
                "the mail server was lost after it had the mail: {}",
                loss.reply()
            )),
            false => lost(loss),
        })?;
    match delivery.refused.first() {
        Some((_, reply)) => Err(refused(reply)),
        None if delivery.reply.is_done() => Ok(()),
        None => Err(refused(&delivery.reply)),
    }
}

#[cfg(test)]
mod tests;
