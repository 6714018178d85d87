//! What every classifier does alike: hold its model across reloads, and testify by it.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use gatepost_message::Message;
use gatepost_smtp::Domain;

use crate::context::Context;
use crate::fault::Fault;
use crate::learner::{BadModel, Learner, LogOdds, ModelSlot};
use crate::opinion::{Evidence, Finding, Opinion, Tag};
use crate::services::Services;

/// A mail of more octets is read on a thread of its own.
const LARGE: u64 = 32 * 1024;
/// For so many domains of recipients a mail is judged each on its own; the others are judged as by nobody's model.
const DOMAINS_MAX: usize = 8;

/// A place for one model. What is live changes under whoever reads it: take it once and use it to the end.
pub struct Shelf {
    make: Box<dyn Fn() -> Arc<dyn Learner> + Send + Sync>,
    live: RwLock<Arc<dyn Learner>>,
}

impl Shelf {
    /// A place with an empty model on it.
    pub fn new(make: impl Fn() -> Arc<dyn Learner> + Send + Sync + 'static) -> Shelf {
        Shelf {
            live: RwLock::new(make()),
            make: Box::new(make),
        }
    }
}

impl ModelSlot for Shelf {
    fn live(&self) -> Arc<dyn Learner> {
        Arc::clone(&self.live.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn fresh(&self) -> Arc<dyn Learner> {
        (self.make)()
    }

    fn publish(&self, saved: &[u8]) -> Result<(), BadModel> {
        let fresh = self.fresh();
        fresh.load(saved)?;
        *self.live.write().unwrap_or_else(PoisonError::into_inner) = fresh;
        Ok(())
    }
}

/// What a model says of a mail: one finding for everybody, or one for each recipient where their domains have models
/// that differ. `tag` is the finding's name.
pub async fn testify(
    slot: &Arc<dyn ModelSlot>,
    services: &Services,
    tag: &'static str,
    cx: &Context<'_>,
    message: &Arc<Message>,
) -> Result<Opinion, Fault> {
    let live = slot.live();
    let mut domains: BTreeMap<String, Option<Domain>> = BTreeMap::new();
    let recipients = cx
        .envelope()
        .map(|envelope| envelope.recipients.as_slice())
        .unwrap_or_default();
    for recipient in recipients {
        let domain = recipient.domain().cloned();
        let key = domain.as_ref().map(Domain::key).unwrap_or_default();
        if domains.len() < DOMAINS_MAX || domains.contains_key(&key) {
            domains.insert(key, domain);
        }
    }
    if domains.is_empty() {
        domains.insert(String::new(), None);
    }
    let score = {
        let (message, domains) = (Arc::clone(message), domains.clone());
        move || -> BTreeMap<String, LogOdds> {
            let features = live.features(&message);
            domains
                .into_iter()
                .map(|(key, domain)| (key, live.score(&features, domain.as_ref())))
                .collect()
        }
    };
    let said = if message.len() > LARGE {
        services.compute.run(move |_| score()).await?
    } else {
        score()
    };
    let finding = |odds: LogOdds| {
        let evidence = Evidence::LogOdds {
            value: odds.value,
            support: odds.support,
        };
        Finding::new(Tag::new(tag), evidence, "")
    };
    let mut all = said.values();
    let first = all.next().copied().unwrap_or_default();
    if all.all(|odds| *odds == first) {
        return Ok(match first.support {
            0 => Opinion::none(),
            _ => Opinion::none().with(finding(first)),
        });
    }
    Ok(recipients.iter().fold(Opinion::none(), |opinion, recipient| {
        let key = recipient.domain().map(Domain::key);
        match said.get(&key.unwrap_or_default()) {
            Some(odds) if odds.support > 0 => opinion.with(finding(*odds).only(recipient.id)),
            _ => opinion,
        }
    }))
}
