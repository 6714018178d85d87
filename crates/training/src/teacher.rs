//! The teacher: takes lessons from whoever has them, and answers when they are durable and learned.
//!
//! **Invariants:** features are made on threads for work, learning is done by one thread of its own ([`crate::writer`]), and
//! no session waits for either. What does not fit into the queue is refused in words; of finished transactions that could
//! not be learned from the operator is told how many there were.

mod pupils;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread::JoinHandle;

use futures_util::{StreamExt as _, stream};
use gatepost_core::{
    Alarms, Author, Clock, Compute, Fault, Features, Ground, KeptId, Label, Learning, Lesson, Message, Models, Rebuilt,
    Seed, Time, Unlearn, Version, async_trait, classifier,
};
use gatepost_pipeline::Fusion;
use tokio::sync::oneshot;

use crate::entry::{self, Head, Named, SKETCH, Sources};
use crate::erasures::Erasures;
use crate::grounds::{self, House, Taught};
use crate::lessons::Ready;
use crate::settings::{Settings, WEIGHT_MAX};
use crate::writer::{ALARM, Answer, Begin, Fate, Task, Writer, reference};

const FULL: Fault = Fault::Unavailable("learning: too many lessons wait already");
/// Lessons of a collection whose features are made at the same time.
const TOGETHER: usize = 16;
/// What could not be done at once, but was noted down.
const LATER: Fault =
    Fault::Unavailable("learning: what was learned from it is forgotten as soon as learning can do so");
const ENDED: Fault = Fault::Unavailable("learning: it has ended");
/// What was made of the first part of a mail depends on how fast a machine was: it must not be learned.
const UNREAD: Fault = Fault::Unavailable("learning: the time was over before the mail was read to its end");

/// What a teacher works with.
pub struct Means {
    /// The folder of the sample log, the versions and the features of delivered mail; it belongs to the teacher alone.
    pub folder: PathBuf,
    /// The models. All classifiers that there are must have their slot by now.
    pub models: Arc<dyn Models>,
    /// Threads that make features of messages.
    pub compute: Compute,
    /// When versions are written.
    pub clock: Arc<dyn Clock>,
    /// By which sources are hashed.
    pub seed: Seed,
    /// What is ours, and what is done with mail here.
    pub house: House,
    /// Who is told of what an operator should look at.
    pub alarms: Arc<dyn Alarms>,
    /// Who takes the fusion that follows from what was learned; called once before `open` returns and then after each
    /// batch, from the teacher's thread.
    pub publish: Box<dyn Fn(Fusion) + Send + Sync>,
}

/// What was found when a teacher began.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// The version that the models began from; none where they began from the base or from nothing.
    pub version: Option<u64>,
    /// Samples in the log.
    pub samples: u64,
    /// Samples that were learned again, because they are younger than the version.
    pub replayed: u64,
    /// What an operator should know: damage, a version that was refused. Empty when all is well.
    pub notes: Vec<String>,
}

/// Why a teacher cannot begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpenError(pub String);

impl std::fmt::Display for OpenError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for OpenError {}

/// The one who teaches the models.
pub struct Teacher {
    found: Found,
    models: Arc<dyn Models>,
    compute: Compute,
    seed: Seed,
    alarms: Arc<dyn Alarms>,
    settings: RwLock<Arc<Settings>>,
    house: RwLock<Arc<House>>,
    tasks: SyncSender<Task>,
    erasures: Arc<Erasures>,
    /// Finished transactions that could not be learned from.
    missed: AtomicU64,
    writer: RwLock<Option<JoinHandle<()>>>,
}

impl Teacher {
    /// Opens the log and the versions in the folder, or makes them; puts the models into use as they follow from them.
    /// Blocks, for as long as it takes to learn what is younger than the newest version.
    pub fn open(means: Means, settings: Settings) -> Result<Teacher, OpenError> {
        let settings = Arc::new(settings);
        let (tasks, queue) = sync_channel(settings.queue.max(1) as usize);
        let begin = Begin {
            models: Arc::clone(&means.models),
            clock: means.clock,
            alarms: Arc::clone(&means.alarms),
            seed: means.seed,
            publish: means.publish,
            tasks: queue,
        };
        let (writer, found) = Writer::open(&means.folder, begin, Arc::clone(&settings))?;
        for note in &found.notes {
            tracing::warn!("{note}");
        }
        let erasures = Arc::clone(&writer.erasures);
        let thread = std::thread::Builder::new().name("gatepost-learning".into());
        let thread = thread.spawn(move || writer.run());
        let thread = thread.map_err(|error| OpenError(format!("no thread for learning: {error}")))?;
        Ok(Teacher {
            found,
            models: means.models,
            compute: means.compute,
            seed: means.seed,
            alarms: means.alarms,
            settings: RwLock::new(settings),
            house: RwLock::new(Arc::new(means.house)),
            tasks,
            erasures,
            missed: AtomicU64::new(0),
            writer: RwLock::new(Some(thread)),
        })
    }

    /// What was found when it began.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// How many finished transactions could not be learned from, because too many waited.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }

    /// Other settings, from now on; the length of the queue stays as it was. Call it after a reload, too, when there may be
    /// other classifiers than before.
    pub async fn settings(&self, new: Settings) {
        let new = Arc::new(new);
        *self.settings.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&new);
        self.insist(Task::Settings(new)).await;
    }

    /// What is ours, and what is done with mail here, from now on.
    pub fn house(&self, new: House) {
        *self.house.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(new);
    }

    fn set(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Learns a report about delivered mail by the id of its transaction or of the kept copy, from the features that are
    /// remembered of it; [`Fault::Unavailable`] where none are.
    pub async fn label_by_reference(
        &self,
        id: &str,
        label: Label,
        ground: Ground,
        by: &str,
        at: Time,
    ) -> Result<u64, Fault> {
        self.refer(id, label, ground, by, at).await?.sequence()
    }

    async fn refer(&self, id: &str, label: Label, ground: Ground, by: &str, at: Time) -> Result<Fate, Fault> {
        let told = Taught {
            label,
            ground,
            by: by.to_owned(),
        };
        let head = head(told, at.millis(), None, Sources::default(), 0);
        let id = reference(self.seed, id);
        self.ask(|answer| Task::Refer(id, Box::new(head), answer)).await
    }

    /// Forgets all that was learned from a kept mail, and what is remembered of it: answers when that is durably marked, and
    /// the models follow. [`Fault::Unavailable`] says that it is noted down and done later, also after a restart.
    pub async fn erase(&self, kept: &KeptId) -> Result<u64, Fault> {
        let id = reference(self.seed, &kept.0);
        let erasures = Arc::clone(&self.erasures);
        let noted = tokio::task::spawn_blocking(move || erasures.remember(id)).await;
        let (answer, done) = oneshot::channel();
        if self.tasks.try_send(Task::Erase(id, answer)).is_ok()
            && let Ok(answer) = done.await
            && let Ok(count) = answer
        {
            return Ok(count);
        }
        let why = match noted {
            Ok(Ok(())) => {
                self.erasures.abandon(id);
                return Err(LATER);
            }
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        Err(Fault::Broken(format!(
            "what was learned from it is not forgotten: {why}"
        )))
    }

    /// Removes the features of delivered mail that have become too old, writes the models down when it is time, and makes
    /// the oldest samples part of the base when there are too many. Call it now and then.
    pub async fn sweep(&self) -> Result<(), Fault> {
        self.ask(Task::Sweep).await
    }

    /// Learns what waits, and writes the models down. Nothing is learned afterwards.
    pub async fn close(&self) {
        let (answer, done) = oneshot::channel();
        self.insist(Task::Close(answer)).await;
        let _ = done.await;
        let writer = self.writer.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            // It has answered as its last act.
            let _ = writer.join();
        }
    }

    /// Gives the writer a task that must not be lost; waits for a place in the queue.
    async fn insist(&self, task: Task) {
        let tasks = self.tasks.clone();
        // The writer may have ended: then nothing is lost.
        let _ = tokio::task::spawn_blocking(move || tasks.send(task)).await;
    }

    async fn ask<T>(&self, task: impl FnOnce(Answer<T>) -> Task) -> Result<T, Fault> {
        let (answer, done) = oneshot::channel();
        self.tasks.try_send(task(answer)).map_err(|error| match error {
            TrySendError::Full(_) => FULL,
            TrySendError::Disconnected(_) => ENDED,
        })?;
        done.await.unwrap_or(Err(ENDED))
    }

    /// Lessons of the features of some messages, by the names of the classifiers, made one after the other on one thread for
    /// work. The error is that of all of them.
    async fn ready_all(&self, of: Vec<(Arc<Message>, Head)>) -> Result<Vec<Result<Ready, Fault>>, Fault> {
        let (models, seed) = (self.models.all(), self.seed);
        let made = self.compute.run(move |budget| {
            let ready = |(message, head): (Arc<Message>, Head)| {
                message.reading(&|| budget.is_spent());
                let all = models.iter().take(entry::MEMBERS_MAX);
                let features = all.map(|(name, slot)| {
                    let mut features = Features::clone(&classifier::features(&slot.live(), &message));
                    // What the log cannot hold must not be learned either.
                    features.hashes.truncate(Features::MAX);
                    ((*name).into(), features)
                });
                let features: Named = features.collect();
                match features.iter().any(|(_, one)| one.are_none()) {
                    true => Err(UNREAD),
                    false => Ok(Ready::new(head, features, seed)),
                }
            };
            of.into_iter().map(ready).collect()
        });
        made.await
    }

    /// The same of one.
    async fn ready(&self, message: &Arc<Message>, head: Head) -> Result<Ready, Fault> {
        let made = self.ready_all(vec![(Arc::clone(message), head)]).await?.pop();
        made.unwrap_or(Err(ENDED))
    }

    /// A lesson with all that the writer needs.
    async fn prepare(&self, lesson: Lesson) -> Result<Box<Ready>, Fault> {
        let author = Author::of(lesson.message.headers()).one();
        let sources = Sources {
            sender: author.map_or(0, |author| grounds::of_domain(&author.domain().key(), self.seed)),
            network: 0,
        };
        let kept = lesson.kept.map_or(0, |kept| reference(self.seed, &kept.0));
        let taught = Taught {
            label: lesson.label,
            ground: lesson.ground,
            by: lesson.by,
        };
        let mut head = head(taught, lesson.at.millis(), lesson.domain, sources, kept);
        head.weight = lesson.weight.unwrap_or_default().min(WEIGHT_MAX);
        self.ready(&lesson.message, head).await.map(Box::new)
    }

    /// A transaction could not be learned from.
    fn miss(&self) {
        let missed = self.missed.fetch_add(1, Ordering::Relaxed) + 1;
        let why = format!("{missed} finished transactions could not be learned from: too many were waiting");
        self.alarms.raise(ALARM, "queue", &why);
    }

    fn give(&self, task: Task) {
        match self.tasks.try_send(task) {
            Ok(()) => self.alarms.over(ALARM, "queue"),
            Err(TrySendError::Full(_)) => self.miss(),
            Err(TrySendError::Disconnected(_)) => {
                self.missed.fetch_add(1, Ordering::Relaxed);
                let why = "learning has ended: nothing is learned until gatepost is started again";
                self.alarms.raise(ALARM, "ended", why);
            }
        }
    }
}

/// A head that has still to be admitted.
fn head(taught: Taught, at: u64, domain: Option<String>, sources: Sources, kept: u64) -> Head {
    Head {
        sequence: 0,
        at,
        label: taught.label,
        ground: taught.ground,
        by: grounds::teacher(&taught.by).into(),
        domain: domain.map(Into::into),
        weight: 0,
        identity: 0,
        kept,
        sources,
        sketch: [0; SKETCH],
    }
}

#[async_trait]
impl Learning for Teacher {
    async fn label(&self, lesson: Lesson) -> Result<u64, Fault> {
        let lesson = self.prepare(lesson).await?;
        self.ask(|answer| Task::Learn(lesson, answer)).await?.sequence()
    }

    async fn label_all(&self, lessons: Vec<Lesson>) -> Result<Vec<gatepost_core::Taught>, Fault> {
        let mut answers = Vec::with_capacity(lessons.len());
        let mut prepared = stream::iter(lessons)
            .map(|lesson| self.prepare(lesson))
            .buffered(TOGETHER);
        while let Some(lesson) = prepared.next().await {
            let (answer, done) = oneshot::channel();
            // A collection can wait for a place in the queue.
            match self.tasks.try_send(Task::Learn(lesson?, answer)) {
                Ok(()) => {}
                Err(TrySendError::Full(task)) => self.insist(task).await,
                Err(TrySendError::Disconnected(_)) => return Err(ENDED),
            }
            answers.push(done);
        }
        let mut all = Vec::with_capacity(answers.len());
        for done in answers {
            all.push(done.await.unwrap_or(Err(ENDED))?.told());
        }
        Ok(all)
    }

    async fn label_by_reference(
        &self,
        id: &str,
        label: Label,
        ground: Ground,
        by: &str,
        at: Time,
    ) -> Result<gatepost_core::Taught, Fault> {
        self.refer(id, label, ground, by, at).await.map(Fate::told)
    }

    async fn erase(&self, kept: &KeptId) -> Result<u64, Fault> {
        Teacher::erase(self, kept).await
    }

    async fn concerned(&self, what: &Unlearn) -> Result<u64, Fault> {
        self.ask(|answer| Task::Concerned(what.clone(), answer)).await
    }

    async fn unlearn(&self, what: &Unlearn) -> Result<u64, Fault> {
        self.ask(|answer| Task::Unlearn(what.clone(), answer)).await
    }

    async fn versions(&self) -> Result<Vec<Version>, Fault> {
        self.ask(Task::Versions).await
    }

    async fn rollback(&self, to: Option<u64>) -> Result<Version, Fault> {
        self.ask(|answer| Task::Rollback(to, answer)).await
    }

    async fn rebuild(&self) -> Result<Rebuilt, Fault> {
        self.ask(Task::Rebuild).await
    }
}
