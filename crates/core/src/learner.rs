//! Models that learn: what they are asked, and where they live.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use gatepost_message::Message;
use gatepost_smtp::{Domain, Time};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::kept::{KeptId, Label};

/// What a classifier makes of a message: hashed features, bounded.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Features {
    /// The version of the extractor that made them. Features of another version are not comparable.
    pub extractor: u32,
    /// Keyed hashes, in the order in which they stand in the message; at most [`Features::MAX`].
    pub hashes: Vec<u64>,
}

impl Features {
    /// The most features of a message.
    pub const MAX: usize = 20_000;
    /// The extractor of features that are not there: no model has it, so none scores or learns them.
    pub const NONE: u32 = u32::MAX;

    /// What stands for features that cannot be had, as of a mail that was not read to its end.
    pub fn none() -> Features {
        Features {
            extractor: Features::NONE,
            hashes: Vec::new(),
        }
    }

    /// Whether these stand for features that cannot be had.
    pub fn are_none(&self) -> bool {
        self.extractor == Features::NONE
    }
}

/// Log-odds of spam, with how much stands behind it.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct LogOdds {
    /// Natural logarithm of P(spam) / P(ham).
    pub value: f32,
    /// How many learned messages stand behind it.
    pub support: u32,
}

impl LogOdds {
    /// Messages of one class that stand behind a score where none of the other is known.
    const ONE_SIDED: u64 = 10;

    /// What stands behind a model that learned so many messages of each class: as many, but where one class is rare,
    /// little more than of that. Who knows only spam knows little of either.
    pub fn support(ham: u64, spam: u64) -> u32 {
        let (rarer, other) = (ham.min(spam), ham.max(spam));
        let surplus = (other - rarer).min(rarer.saturating_mul(2).saturating_add(LogOdds::ONE_SIDED));
        u32::try_from(rarer.saturating_mul(2).saturating_add(surplus)).unwrap_or(u32::MAX)
    }
}

/// One labelled message, as the sample log holds it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Sample {
    /// Its place in the log. Nothing that a model learns depends on it: forgetting leaves gaps.
    pub sequence: u64,
    /// When it was recorded.
    pub at: u64,
    /// What it is.
    pub label: Label,
    /// On what that stands.
    pub ground: Ground,
    /// Whose mail it was.
    pub domain: Option<String>,
    /// How much it counts; a correction counts more. In hundredths.
    pub weight: u32,
}

impl Sample {
    /// A sample of ordinary weight, on a person's word.
    pub fn new(sequence: u64, at: Time, label: Label, domain: Option<String>) -> Sample {
        Sample {
            sequence,
            at: at.millis(),
            label,
            ground: Ground::Person,
            domain,
            weight: 100,
        }
    }
}

/// One reason for a score, in words.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Clue {
    /// What was seen: a word, a pair of words, a header.
    pub what: String,
    /// What it says, as log-odds.
    pub value: f32,
    /// How many learned messages stand behind it.
    pub support: u32,
}

/// Why a saved model cannot be loaded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadModel(pub String);

impl std::fmt::Display for BadModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadModel {}

/// A model. Reading is from many threads; [`learn`](Learner::learn) is called from one, in log order, and the same log
/// gives the same model, bit for bit, on one machine with one build.
pub trait Learner: Send + Sync {
    /// The features of a message: versioned, bounded; [`Features::none`] of one that was not read to its end.
    fn features(&self, message: &Message) -> Features;
    /// What the model says of them, for mail to a domain.
    fn score(&self, features: &Features, domain: Option<&Domain>) -> LogOdds;
    /// Learns one sample.
    fn learn(&self, features: &Features, sample: &Sample);
    /// What [`score`](Learner::score) says, and then what [`learn`](Learner::learn) does: a model may look up once what
    /// both need, but says and learns the same bits.
    fn score_then_learn(&self, features: &Features, domain: Option<&Domain>, sample: &Sample) -> LogOdds {
        let said = self.score(features, domain);
        self.learn(features, sample);
        said
    }
    /// The reasons for a score, the weightiest first.
    fn explain(&self, message: &Message, domain: Option<&Domain>) -> Vec<Clue>;
    /// The model as bytes, its hashing key included.
    fn save(&self) -> Vec<u8>;
    /// Loads what was saved; only into a fresh model.
    fn load(&self, saved: &[u8]) -> Result<(), BadModel>;
}

/// Where the model of one kind of classifier lives, across reloads.
pub trait ModelSlot: Send + Sync {
    /// The model that is in use.
    fn live(&self) -> Arc<dyn Learner>;
    /// An empty one of the same kind.
    fn fresh(&self) -> Arc<dyn Learner>;
    /// Puts a saved model into use.
    fn publish(&self, saved: &[u8]) -> Result<(), BadModel>;
}

/// All models, by the name of their filter.
pub trait Models: Send + Sync {
    /// The slot of a filter; made by `make` when it is asked for the first time.
    fn slot(&self, name: &'static str, make: &dyn Fn() -> Arc<dyn ModelSlot>) -> Arc<dyn ModelSlot>;
    /// All slots there are.
    fn all(&self) -> BTreeMap<&'static str, Arc<dyn ModelSlot>>;
}

/// On what a label stands. Never on what a classifier said.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ground {
    /// A person said so.
    Person,
    /// A person said so of mail that was learned as the other before.
    Correction,
    /// A collection that an administrator handed over.
    Corpus,
    /// It came to an address that nobody uses.
    Trap,
    /// Evidence that no classifier gave: a virus, lists that agree.
    Evidence,
    /// Our own people sent it and the mail server took it.
    Outbound,
    /// Its sender is proven and on the allow list.
    Welcome,
}

impl Ground {
    /// Whether it tells of mail that came from outside and that nobody had made welcome: only such mail is what the
    /// classifiers have to tell apart. Our own people's mail, and that of their friends, is easy ham.
    pub fn is_of_strangers(self) -> bool {
        !matches!(self, Ground::Outbound | Ground::Welcome)
    }
}

/// A message to be learned.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Lesson {
    /// The message.
    pub message: Arc<Message>,
    /// The kept mail it is, where it is one.
    pub kept: Option<KeptId>,
    /// What it is.
    pub label: Label,
    /// On what that stands.
    pub ground: Ground,
    /// Who says so; also the key by which it is unlearned.
    pub by: String,
    /// Whose mail it was.
    pub domain: Option<String>,
    /// When.
    pub at: Time,
    /// How much it counts, in hundredths; as much as its ground does where nothing is said.
    pub weight: Option<u32>,
}

impl Lesson {
    /// A lesson.
    pub fn new(message: Arc<Message>, label: Label, by: impl Into<String>, at: Time) -> Lesson {
        Lesson {
            message,
            kept: None,
            label,
            ground: Ground::Person,
            by: by.into(),
            domain: None,
            at,
            weight: None,
        }
    }
}

/// What became of a lesson.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Taught {
    /// It is learned, as this sample.
    Learned(u64),
    /// It had been learned before, as this sample.
    Known(u64),
    /// It is not learned, for this reason; others may be.
    Refused(String),
}

/// What shall be forgotten.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Unlearn {
    /// One sample.
    Sample(u64),
    /// All that somebody taught.
    By(String),
    /// All since a moment, in milliseconds since the epoch.
    Since(u64),
    /// All that was learned of a kept mail, and what is remembered of it.
    Kept(KeptId),
}

/// Teaching the models.
#[async_trait]
pub trait Learning: Send + Sync {
    /// Learns a message and tells its place in the sample log.
    async fn label(&self, lesson: Lesson) -> Result<u64, Fault>;
    /// Learns messages in this order and tells of each what became of it. A fault ends it: some may be learned by then, and
    /// are known when they come again.
    async fn label_all(&self, lessons: Vec<Lesson>) -> Result<Vec<Taught>, Fault> {
        let mut all = Vec::with_capacity(lessons.len());
        for lesson in lessons {
            all.push(Taught::Learned(self.label(lesson).await?));
        }
        Ok(all)
    }
    /// Learns a report about delivered mail, by the number of its transaction, from what is remembered of it for some days;
    /// [`Fault::Unavailable`] where nothing is.
    async fn label_by_reference(
        &self,
        id: &str,
        label: Label,
        ground: Ground,
        by: &str,
        at: Time,
    ) -> Result<Taught, Fault> {
        let _ = (id, label, ground, by, at);
        Err(Fault::Unavailable("nothing is remembered of delivered mail"))
    }
    /// Forgets all that was learned from a mail that is deleted, and what is remembered of it. Tells how many samples went.
    async fn erase(&self, kept: &KeptId) -> Result<u64, Fault> {
        let _ = kept;
        Ok(0)
    }
    /// How many samples [`unlearn`](Learning::unlearn) would forget; nothing is changed.
    async fn concerned(&self, what: &Unlearn) -> Result<u64, Fault> {
        let _ = what;
        Err(Fault::Unavailable("samples are not counted here"))
    }
    /// Forgets, exactly: the models are then what they would be had they never seen it. Tells how many samples went.
    async fn unlearn(&self, what: &Unlearn) -> Result<u64, Fault>;
    /// The versions of the models that are kept, the newest first; the first is in use.
    async fn versions(&self) -> Result<Vec<Version>, Fault>;
    /// Goes back to a kept version, the one before the one in use where none is named, and stays there: samples that are
    /// younger are no longer in the models, and are learned again only by a rebuild.
    async fn rollback(&self, to: Option<u64>) -> Result<Version, Fault>;
    /// Makes the models anew from all samples, beside those in use, and puts them into use if they are no worse for
    /// confirmed ham that they have not learned.
    async fn rebuild(&self) -> Result<Rebuilt, Fault>;
}

/// A version of all models together.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Version {
    /// Its number.
    pub number: u64,
    /// When it was written, in milliseconds since the epoch.
    pub at: u64,
    /// The last sample that is in it.
    pub through: u64,
    /// Learned ham messages.
    pub ham: u64,
    /// Learned spam messages.
    pub spam: u64,
    /// Why it was written: `learned`, `unlearned`, `rebuilt`, `rolled back to version N`.
    pub why: String,
}

/// What became of a rebuild.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Rebuilt {
    /// The version in use now.
    pub version: Version,
    /// Whether that is the rebuilt one.
    pub taken: bool,
    /// Held-out ham that was looked at.
    pub held_out: u64,
    /// How many of it the models before called spam.
    pub before: u64,
    /// How many of it the rebuilt ones call spam.
    pub after: u64,
}
