//! What every classifier does alike: hold its model across reloads, and testify by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use gatepost_message::Message;
use gatepost_smtp::Domain;

use crate::context::Context;
use crate::fault::Fault;
use crate::learner::{BadModel, Features, Learner, LogOdds, ModelSlot};
use crate::opinion::{Evidence, Finding, Opinion, Tag};
use crate::services::Services;

/// A mail of more octets is read on a thread of its own.
const LARGE: u64 = 32 * 1024;
/// For so many domains of recipients a mail is judged each on its own; all others are judged alike, as mail to nobody.
const DOMAINS_MAX: usize = 8;

/// Models whose features are kept with a message.
const KEPT_MAX: usize = 16;

/// A model and what it made of a message.
type Made = (Arc<dyn Learner>, Arc<Features>);

/// What models made of one message.
#[derive(Default)]
struct Kept(Mutex<Vec<Made>>);

/// What a model makes of a message. It is kept with the message: who learns it afterwards has it at hand.
pub fn features(model: &Arc<dyn Learner>, message: &Message) -> Arc<Features> {
    let kept = message.derived(|_| Kept::default());
    let all = || kept.0.lock().unwrap_or_else(PoisonError::into_inner);
    let known = all()
        .iter()
        .find(|(made_by, _)| Arc::ptr_eq(made_by, model))
        .map(|(_, features)| Arc::clone(features));
    known.unwrap_or_else(|| {
        let features = Arc::new(model.features(message));
        let mut all = all();
        if all.len() < KEPT_MAX {
            all.push((Arc::clone(model), Arc::clone(&features)));
        }
        features
    })
}

/// What a model says, by domains of recipients.
struct Said {
    by_domain: BTreeMap<String, LogOdds>,
    /// Of mail to any domain beyond these, where there is one.
    others: Option<LogOdds>,
}

impl Said {
    fn of(&self, domain: &str) -> LogOdds {
        let said = self.by_domain.get(domain).copied().or(self.others);
        said.unwrap_or_default()
    }
}

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
    let mut more = false;
    let recipients = cx
        .envelope()
        .map(|envelope| envelope.recipients.as_slice())
        .unwrap_or_default();
    for recipient in recipients {
        let domain = recipient.domain().cloned();
        let key = domain.as_ref().map(Domain::key).unwrap_or_default();
        if domains.len() < DOMAINS_MAX || domains.contains_key(&key) {
            domains.insert(key, domain);
        } else {
            more = true;
        }
    }
    if domains.is_empty() {
        domains.insert(String::new(), None);
    }
    let score = {
        let message = Arc::clone(message);
        move |is_over: &dyn Fn() -> bool| -> Said {
            // Who reads first decides for all how long it may take; what was not read to its end has no features.
            message.reading(is_over);
            let features = features(&live, &message);
            Said {
                by_domain: domains
                    .into_iter()
                    .map(|(key, domain)| (key, live.score(&features, domain.as_ref())))
                    .collect(),
                others: more.then(|| live.score(&features, None)),
            }
        }
    };
    let said = if message.len() > LARGE {
        services.compute.run(move |budget| score(&|| budget.is_spent())).await?
    } else {
        score(&|| false)
    };
    let finding = |odds: LogOdds| {
        let evidence = Evidence::LogOdds {
            value: odds.value,
            support: odds.support,
        };
        Finding::new(Tag::new(tag), evidence, "")
    };
    let mut all = said.by_domain.values().chain(&said.others);
    let first = all.next().copied().unwrap_or_default();
    if all.all(|odds| *odds == first) {
        return Ok(match first.support {
            0 => Opinion::none(),
            _ => Opinion::none().with(finding(first)),
        });
    }
    Ok(recipients.iter().fold(Opinion::none(), |opinion, recipient| {
        let odds = said.of(&recipient.domain().map(Domain::key).unwrap_or_default());
        match odds.support {
            0 => opinion,
            _ => opinion.with(finding(odds).only(recipient.id)),
        }
    }))
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::FutureExt;
    use gatepost_smtp::{MailParams, Path, RcptParams, Time};

    use super::*;
    use crate::clock::{Clock, Seed};
    use crate::context::{Memo, Visit};
    use crate::envelope::{Client, Direction, Envelope, Recipient, RecipientId};
    use crate::learner::{Clue, Sample};
    use crate::opinion::Scope;

    /// Says 5 of mail to `d0.example`, and 1 of all other.
    struct Partial;

    impl Learner for Partial {
        fn features(&self, message: &Message) -> Features {
            match message.reading(&|| false).excess().time {
                true => Features::none(),
                false => Features::default(),
            }
        }

        fn score(&self, features: &Features, domain: Option<&Domain>) -> LogOdds {
            let differs = domain.is_some_and(|domain| domain.key() == "d0.example");
            LogOdds {
                value: if differs { 5.0 } else { 1.0 },
                support: if features.are_none() { 0 } else { 9 },
            }
        }

        fn learn(&self, _: &Features, _: &Sample) {}

        fn explain(&self, _: &Message, _: Option<&Domain>) -> Vec<Clue> {
            Vec::new()
        }

        fn save(&self) -> Vec<u8> {
            Vec::new()
        }

        fn load(&self, _: &[u8]) -> Result<(), BadModel> {
            Ok(())
        }
    }

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Time {
            Time::from_millis(0)
        }
    }

    fn path(text: &str) -> Path {
        Path::forward(text, false).expect("an address")
    }

    /// What is said of a mail to somebody in each of these domains, by recipients.
    fn said(message: Message, domains: impl Iterator<Item = u16>) -> Vec<(Option<u16>, f32)> {
        let services = Services::null(Arc::new(Still), Seed::new([0; 16]));
        let visit = Visit::new(
            Direction::Inbound,
            "mx".into(),
            Client::new(IpAddr::from([192, 0, 2, 1]), 25),
        );
        let memo = Memo::new(services.identify.clone());
        let mut envelope = Envelope::new(path("ann@a.example"), MailParams::default());
        envelope.recipients = domains
            .map(|n| {
                Recipient::new(
                    RecipientId(n),
                    path(&format!("carl@d{n}.example")),
                    RcptParams::default(),
                )
            })
            .collect();
        let cx = Context::new(Time::from_millis(0), &visit, &memo).with_envelope(&envelope);
        let slot: Arc<dyn ModelSlot> = Arc::new(Shelf::new(|| Arc::new(Partial)));
        let opinion = testify(&slot, &services, "test.odds", &cx, &Arc::new(message)).now_or_never();
        let opinion = opinion.expect("nothing to wait for").expect("no fault");
        let findings = opinion.findings().iter();
        findings
            .map(|finding| match (&finding.evidence, finding.scope) {
                (Evidence::LogOdds { value, .. }, Scope::Everyone) => (None, *value),
                (Evidence::LogOdds { value, .. }, Scope::Only(id)) => (Some(id.0), *value),
                _ => panic!("{finding:?}"),
            })
            .collect()
    }

    fn mail() -> Message {
        Message::from_bytes(&b"Subject: x\r\n\r\ntext\r\n"[..])
    }

    #[test]
    fn recipients_of_a_ninth_domain_are_judged_too() {
        let all: Vec<_> = (0..12).map(|n| (Some(n), if n == 0 { 5.0 } else { 1.0 })).collect();
        assert_eq!(said(mail(), 0..9), all[..9]);
        assert_eq!(said(mail(), 0..12), all);
        assert_eq!(said(mail(), 1..12), [(None, 1.0)]);
        // The one that differs is beyond the eight: it is judged as mail to nobody.
        assert_eq!(said(mail(), (1..12).chain([0])), [(None, 1.0)]);
    }

    /// Counts how often it is asked for features.
    #[derive(Default)]
    struct Counting(AtomicU32);

    impl Learner for Counting {
        fn features(&self, _: &Message) -> Features {
            self.0.fetch_add(1, Ordering::Relaxed);
            Features::default()
        }

        fn score(&self, _: &Features, _: Option<&Domain>) -> LogOdds {
            LogOdds::default()
        }

        fn learn(&self, _: &Features, _: &Sample) {}

        fn explain(&self, _: &Message, _: Option<&Domain>) -> Vec<Clue> {
            Vec::new()
        }

        fn save(&self) -> Vec<u8> {
            Vec::new()
        }

        fn load(&self, _: &[u8]) -> Result<(), BadModel> {
            Ok(())
        }
    }

    #[test]
    fn a_model_makes_the_features_of_a_message_once() {
        let message = mail();
        let counting: Vec<Arc<Counting>> = (0..KEPT_MAX + 1).map(|_| Arc::default()).collect();
        let models: Vec<Arc<dyn Learner>> = counting.iter().map(|one| Arc::clone(one) as Arc<dyn Learner>).collect();
        for _ in 0..3 {
            for model in &models {
                features(model, &message);
            }
        }
        let asked: Vec<u32> = counting.iter().map(|one| one.0.load(Ordering::Relaxed)).collect();
        assert_eq!(asked[..KEPT_MAX], [1; KEPT_MAX]);
        assert_eq!(asked[KEPT_MAX], 3, "there is no room for more");
    }

    #[test]
    fn of_a_mail_that_was_not_read_to_its_end_nothing_is_said() {
        let body = "<b>text</b>".repeat(500);
        let cut = Message::from_bytes(format!("Content-Type: text/html\r\n\r\n{body}\r\n"));
        cut.reading(&|| true);
        assert_eq!(said(cut, 0..9), []);
    }
}
