//! The pipeline over one message without a client and without a mail server: what would have become of it?
//!
//! **Invariants:** a replay says nothing to anybody and changes nothing. It takes a pipeline that was built on
//! [`services`], whose store keeps writes to itself and whose archive, post, desk and queue are not there; filters are
//! not told of its outcome. The filters' own part of that bargain is to write only through their services.
//!
//! Refusals are spoken at the end only, so that every filter is heard; each recipient's fate is what it would have been.

use std::sync::{Arc, Mutex, PoisonError};

use gatepost_core::smtp::relay::Loss;
use gatepost_core::smtp::session::{Answer, Question};
use gatepost_core::{
    Consignment, Delivery, End, Facts, Fault, Helo, Keeping, Kept, KeptId, KeptMail, Label, Login, MailParams, Message,
    Observer, Path, Query, RcptParams, Record, Reply, Services, Store, Time, Upstream, Upstreams, Visit, async_trait,
    null,
};

use crate::followers::Followers;
use crate::overlay::Overlay;
use crate::pipeline::Pipeline;
use crate::reception::{Reception, Seen};
use crate::refusal;

/// A message and how it came.
pub struct Replay {
    /// When.
    pub now: Time,
    /// From where; its `helo` is said again.
    pub visit: Visit,
    /// The reverse path.
    pub from: Path,
    /// The forward paths.
    pub to: Vec<Path>,
    /// The message.
    pub message: Arc<Message>,
    /// What the session saw.
    pub facts: Facts,
}

/// Services that change nothing, over real ones. The models and DNS are the real ones.
pub fn services(real: &Services) -> Services {
    let mut services = real.clone();
    services.store = Store::new(Arc::new(Overlay::new(real.store.clone())));
    // What the proxy could not keep is not kept here either: the answer is the same.
    services.kept = if real.kept.keeps() {
        Arc::new(Pretence)
    } else {
        Arc::new(null::NoKept)
    };
    services.learning = Arc::new(null::NoLearning);
    services.desk = Arc::new(null::NoDesk);
    services.post = Arc::new(null::NoPost);
    services.queue = None;
    services
}

impl Pipeline {
    /// Replays a message and returns its record. The pipeline is one that was built for it, on [`services`].
    pub async fn replay(self, replay: Replay) -> Record {
        let kept = Arc::new(Witness(Mutex::new(None)));
        let followers = Followers::new(vec![Arc::clone(&kept) as Arc<dyn Observer>], 1).without_filters();
        let pipeline = Arc::new(self.for_replay(followers.clone()));
        let Replay {
            now,
            mut visit,
            from,
            to,
            message,
            facts,
        } = replay;
        let helo = visit.helo.take().unwrap_or(Helo {
            name: "unknown".into(),
            extended: true,
        });
        let seen = |message| Seen {
            facts,
            message,
            gone: &|| false,
        };
        let mut reception = Reception::new(pipeline, visit, Arc::new(Nowhere));
        let mut questions = vec![Question::Connect, Question::Helo(helo)];
        questions.push(Question::Mail {
            from,
            params: MailParams::default(),
        });
        questions.extend(to.into_iter().map(|to| Question::Rcpt {
            to,
            params: RcptParams::default(),
        }));
        let mut granted = false;
        for question in questions {
            let is_rcpt = matches!(question, Question::Rcpt { .. });
            let answer = reception.answer(now, question, seen(None)).await;
            granted |= is_rcpt && matches!(answer, Answer::Reply(reply) if reply.is_done());
        }
        if granted {
            let question = Question::Message {
                size: message.len(),
                notes: Default::default(),
            };
            reception.answer(now, question, seen(Some(message))).await;
            reception.answered(now, true);
        }
        let visit = reception.visit().clone();
        reception.end(now, End::Reset).await;
        followers.drained().await;
        let record = kept.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // There is always one: if MAIL was answered, and if it was refused. Were there none, nothing was said.
        record.unwrap_or_else(|| crate::ledger::begin(String::new(), now, &visit))
    }
}

struct Witness(Mutex<Option<Record>>);

#[async_trait]
impl Observer for Witness {
    async fn observe(&self, record: &Record, _: Option<&Arc<Message>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(record.clone());
    }
}

/// A mail server that takes everything and has nothing.
struct Nowhere;

#[async_trait]
impl Upstream for Nowhere {
    async fn rcpt(&mut self, _: &Visit, _: &Path, _: &MailParams, _: &Path, _: &RcptParams) -> Result<Reply, Loss> {
        Ok(refusal::RECIPIENT_OK)
    }
    async fn deliver(&mut self, _: Consignment<'_>) -> Result<Delivery, Loss> {
        Ok(Delivery {
            reply: refusal::OK,
            refused: Vec::new(),
        })
    }
    async fn reset(&mut self) {}
    async fn auth(&mut self, _: &Visit, _: &str, _: Option<&str>) -> Result<Reply, Loss> {
        Ok(refusal::NO_AUTH)
    }
    async fn auth_line(&mut self, _: &str) -> Result<Reply, Loss> {
        Ok(refusal::NO_AUTH)
    }
    async fn close(&mut self) {}
    fn name(&self) -> &str {
        "replay"
    }
}

impl Upstreams for Nowhere {
    fn upstream(&self, _: &str) -> Option<Box<dyn Upstream>> {
        Some(Box::new(Nowhere))
    }
}

/// An archive that says it has kept what it was given, so that a replay shows `hold` where mail would be held.
pub struct Pretence;
const NOT_HERE: Fault = Fault::Unavailable("a replay has no archive");

#[async_trait]
impl Kept for Pretence {
    async fn keep(&self, _: Keeping<'_>) -> Result<KeptId, Fault> {
        Ok(KeptId("replay".into()))
    }
    async fn withdraw(&self, _: &KeptId) -> Result<(), Fault> {
        Ok(())
    }
    async fn get(&self, _: &KeptId) -> Result<Option<(KeptMail, Arc<Message>)>, Fault> {
        Err(NOT_HERE)
    }
    async fn label(&self, _: &KeptId, _: Label, _: &Login) -> Result<(), Fault> {
        Err(NOT_HERE)
    }
    async fn list(&self, _: &Query) -> Result<Vec<KeptMail>, Fault> {
        Ok(Vec::new())
    }
    async fn delete(&self, _: &KeptId) -> Result<bool, Fault> {
        Err(NOT_HERE)
    }
    async fn record(&self, _: &Record) -> Result<(), Fault> {
        Ok(())
    }
    async fn records(&self, _: &Query) -> Result<Vec<Record>, Fault> {
        Ok(Vec::new())
    }
}
