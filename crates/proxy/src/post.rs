//! Mail that leaves from here: kept mail that somebody releases, by the route of its recipient.
//!
//! **Invariants:** a release has the original sender and one of the original recipients, and nobody else; it is one
//! delivery, and what the mail server says of it is what is told. Nothing is tried again here: whoever asked may ask again.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use gatepost_core::message::Edits;
use gatepost_core::smtp::command::BodyType;
use gatepost_core::{
    Address, Client, Clock, Consignment, Direction, Envelope, Fault, Helo, Kept, KeptId, Letter, MailParams, Message,
    Path, Post, RcptParams, Recipient, RecipientId, Reply, Seed, Upstream, Upstreams, Visit, async_trait,
};
use gatepost_pipeline::stamp::Stamp;
use gatepost_pipeline::{Ours, Routes, Rules};

use crate::ways::Ways;

/// By what mail leaves: the routes of our own domains.
pub struct Outlet {
    /// Where mail goes that came to a listener, by its name, and which way it flows there.
    pub listeners: BTreeMap<String, (Direction, Routes)>,
    /// Where mail goes whose listener is not there any more: as from the world.
    pub otherwise: Routes,
    /// The mail servers.
    pub ways: Arc<Ways>,
    /// Who we say we are.
    pub ours: Ours,
    /// What is taken off external mail.
    pub rules: Arc<Rules>,
}

/// Delivers kept mail by the outlet of the configuration in service.
pub struct Courier {
    kept: Arc<dyn Kept>,
    clock: Arc<dyn Clock>,
    seed: Seed,
    outlet: ArcSwapOption<Outlet>,
}

impl Courier {
    /// A courier who knows no way yet.
    pub fn new(kept: Arc<dyn Kept>, clock: Arc<dyn Clock>, seed: Seed) -> Courier {
        Courier {
            kept,
            clock,
            seed,
            outlet: ArcSwapOption::empty(),
        }
    }

    /// Shows the ways of a configuration.
    pub fn publish(&self, outlet: Outlet) {
        self.outlet.store(Some(Arc::new(outlet)));
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

#[async_trait]
impl Post for Courier {
    async fn send(&self, _: Letter) -> Result<(), Fault> {
        Err(Fault::Unavailable("no letters are written by this version"))
    }

    async fn release(&self, id: &KeptId, recipient: &Address) -> Result<(), Fault> {
        let outlet = self.outlet.load_full().ok_or(Fault::Unavailable("no route yet"))?;
        let (mail, message) = self.kept.get(id).await?.ok_or(Fault::Unavailable("the kept mail"))?;
        let to = mail.recipients.iter().filter_map(|to| Path::forward(to, true).ok());
        let to = to
            .into_iter()
            .find(|to| to.mailbox().is_some_and(|address| address.key() == recipient.key()));
        let to = to.ok_or_else(|| Fault::Broken(format!("{id} was not sent to {recipient}")))?;
        let from = Path::reverse(&mail.from, true)
            .map_err(|_| Fault::Broken(format!("the sender of {id} cannot be read: {}", mail.from)))?;
        // As it would have gone when it came: by the routes of its listener.
        let (direction, routes) = match outlet.listeners.get(&mail.listener) {
            Some((direction, routes)) => (*direction, routes),
            None => (Direction::Inbound, &outlet.otherwise),
        };
        let route = routes.route(&to).map_err(|reply| refused(&reply))?;
        let mut upstream = outlet
            .ways
            .upstream(route)
            .ok_or(Fault::Unavailable("the route of the recipient"))?;

        // We are the client: the one who sent it is long gone, and stands in the Received field below ours.
        let here = Client::new(std::net::Ipv4Addr::LOCALHOST.into(), 0);
        let mut visit = Visit::new(direction, "desk".into(), here);
        visit.helo = Some(Helo {
            name: outlet.ours.hostname.clone(),
            extended: true,
        });
        let params = MailParams {
            body: is_eight_bit(&message).then_some(BodyType::EightBitMime),
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
        let stamp = Stamp {
            ours: &outlet.ours,
            visit: &visit,
            envelope: &envelope,
            id: &mail.transaction,
            seed: self.seed,
            at_millis: self.clock.now().millis(),
            reverse: None,
            spf: None,
            identity: None,
        };
        let edits: Edits = stamp.edits(&outlet.rules, &message).0.into();
        let done = deliver(&mut *upstream, &visit, &envelope, &message, edits).await;
        upstream.close().await;
        done
    }
}

async fn deliver(
    upstream: &mut (dyn Upstream + 'static),
    visit: &Visit,
    envelope: &Envelope,
    message: &Arc<Message>,
    edits: Edits,
) -> Result<(), Fault> {
    let lost =
        |loss: gatepost_core::smtp::relay::Loss| Fault::Broken(format!("the mail server was lost: {}", loss.reply()));
    for to in &envelope.recipients {
        let reply = upstream
            .rcpt(visit, &envelope.from, &envelope.params, &to.path, &to.params)
            .await
            .map_err(lost)?;
        if !reply.is_done() {
            return Err(refused(&reply));
        }
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
