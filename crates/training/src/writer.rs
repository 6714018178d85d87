//! The one who writes: one thread that has the log, the versions and the right to teach.
//!
//! **Invariants:** a lesson is in the log, synced, before it is answered, and in the models that are in use before that.
//! What replays the log does so beside the models in use, in slices, between which lessons go on being learned. Whenever
//! nothing waits, the models in use are those that follow from the base and the log: [`Writer::is_exact`].

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use gatepost_core::{Alarms, Clock, Fault, KeptId, Label, Models, Rebuilt, Seed, Unlearn, Version};
use gatepost_pipeline::Fusion;
use tokio::sync::oneshot;

use crate::admit::{Admission, Refused};
use crate::course::{Course, EMPTY, Kind, link};
use crate::entry::{self, Head};
use crate::erasures::Erasures;
use crate::lessons::Ready;
use crate::log::{Log, within};
use crate::member;
use crate::recent::Recent;
use crate::settings::Settings;
use crate::teacher::{Found, OpenError};
use crate::turns::Turns;
use crate::versions::{Header, Versions};

/// The most that waits while something takes long.
const WAITING_MAX: usize = 64;
/// Batches of lessons after which what is not exact is made so, even if more are waiting.
const PATIENCE: u32 = 32;
/// Who is told when learning does not go as it should.
pub const ALARM: &str = "learning";

/// An answer to whoever asked.
pub type Answer<T> = oneshot::Sender<Result<T, Fault>>;

/// What became of a lesson.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is this sample.
    Learned(u64),
    /// It was this sample before.
    Known(u64),
    /// It is none.
    Refused(Refused),
}

impl Fate {
    /// The sample that it is, or why it is none.
    pub fn sequence(self) -> Result<u64, Fault> {
        match self {
            Fate::Learned(sequence) | Fate::Known(sequence) => Ok(sequence),
            Fate::Refused(refused) => Err(Fault::Unavailable(refused.why())),
        }
    }

    /// The same, for whoever is told of it.
    pub fn told(self) -> gatepost_core::Taught {
        match self {
            Fate::Learned(sequence) => gatepost_core::Taught::Learned(sequence),
            Fate::Known(sequence) => gatepost_core::Taught::Known(sequence),
            Fate::Refused(refused) => gatepost_core::Taught::Refused(refused.why().into()),
        }
    }
}

/// What the writer is asked.
pub enum Task {
    /// Learn this.
    Learn(Box<Ready>, Answer<Fate>),
    /// Remember this delivered mail, its features as they stand in the log, by these ids.
    Remember(Box<(Head, Vec<u8>)>, Vec<u64>),
    /// Learn what is remembered by this id.
    Refer(u64, Box<Head>, Answer<Fate>),
    /// Forget what was learned from the kept mail of this hash; the models follow later.
    Erase(u64, Answer<u64>),
    /// Forget.
    Unlearn(Unlearn, Answer<u64>),
    /// Count what would be forgotten.
    Concerned(Unlearn, Answer<u64>),
    /// Which versions there are.
    Versions(Answer<Vec<Version>>),
    /// Go back.
    Rollback(Option<u64>, Answer<Version>),
    /// Make the models anew.
    Rebuild(Answer<Rebuilt>),
    /// Other settings; look for other classifiers.
    Settings(Arc<Settings>),
    /// Remove what is too old; write down what was learned.
    Sweep(Answer<()>),
    /// Write down what was learned and end.
    Close(Answer<()>),
}

/// The writer.
pub struct Writer {
    pub(crate) models: Arc<dyn Models>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) alarms: Arc<dyn Alarms>,
    pub(crate) seed: Seed,
    publish: Box<dyn Fn(Fusion) + Send + Sync>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) kinds: Vec<Kind>,
    pub(crate) log: Log,
    pub(crate) versions: Versions,
    pub(crate) recent: Recent,
    /// Kept mails that are still to be forgotten.
    pub(crate) erasures: Arc<Erasures>,
    pub(crate) admission: Admission,
    /// How spam and ham of collections take turns.
    pub(crate) turns: Turns,
    /// The models in use.
    pub(crate) live: Course,
    /// The chain that they should have.
    pub(crate) wanted: u64,
    /// Samples that were forgotten because a classifier panicked at them.
    pub(crate) failing: u64,
    /// Samples that no version has yet.
    pub(crate) young: u32,
    /// When the last version was written.
    pub(crate) written: u64,
    pub(crate) tasks: Receiver<Task>,
    /// What came while something took long.
    pub(crate) waiting: VecDeque<Task>,
    _lock: std::fs::File,
}

/// What a writer begins with.
pub struct Begin {
    /// The models.
    pub models: Arc<dyn Models>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The operator's bells.
    pub alarms: Arc<dyn Alarms>,
    /// The key of hashes.
    pub seed: Seed,
    /// Who takes the fusion.
    pub publish: Box<dyn Fn(Fusion) + Send + Sync>,
    /// What is asked.
    pub tasks: Receiver<Task>,
}

/// The classifiers that there are.
fn kinds(models: &dyn Models) -> Vec<Kind> {
    let all = models.all().into_iter().map(|(name, slot)| Kind {
        name,
        extractor: member::extractor(&*slot),
        slot,
    });
    all.take(entry::MEMBERS_MAX).collect()
}

impl Writer {
    /// Opens what lies in a folder and puts the models into use as they follow from it.
    pub fn open(folder: &Path, begin: Begin, settings: Arc<Settings>) -> Result<(Writer, Found), OpenError> {
        let bad = |error: std::io::Error| {
            OpenError(format!(
                "{}: the folder of the sample log cannot be used: {error}; it must belong to the user that gatepost runs as",
                folder.display()
            ))
        };
        crate::segment::make_folder(folder).map_err(bad)?;
        let lock = std::fs::File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(folder.join("lock"))
            .map_err(bad)?;
        lock.try_lock().map_err(|_| {
            let folder = folder.display();
            OpenError(format!(
                "{folder}: another process has this sample log open; is gatepost running?"
            ))
        })?;
        let (versions, mut notes) = Versions::open(&folder.join("versions")).map_err(bad)?;
        let base = versions.base();
        let (through, aside) = base.map_or((0, Vec::new()), |base| (base.version.through, base.aside.clone()));
        let (mut log, found) = Log::open(&folder.join("samples"), through, aside).map_err(bad)?;
        log.bounded(settings.log_bytes());
        let lost = !found.is_empty();
        notes.extend(found);
        let recent = Recent::open(&folder.join("recent")).map_err(bad)?;
        let erasures = Arc::new(Erasures::open(folder).map_err(bad)?);
        let kinds = kinds(&*begin.models);
        let mut writer = Writer {
            models: begin.models,
            written: begin.clock.now().millis(),
            clock: begin.clock,
            alarms: begin.alarms,
            seed: begin.seed,
            publish: begin.publish,
            settings,
            live: Course::fresh(&kinds),
            kinds,
            log,
            versions,
            recent,
            erasures,
            admission: Admission::default(),
            turns: Turns::default(),
            wanted: EMPTY,
            failing: 0,
            young: 0,
            tasks: begin.tasks,
            waiting: VecDeque::new(),
            _lock: lock,
        };
        writer.drop_tainted().map_err(bad)?;
        let newest = writer.versions.all().map(|one| one.version.through).max();
        writer.log.beyond(newest.unwrap_or_default());
        // First: what shall be forgotten must not become part of a base.
        let left = writer.erasures.abandoned();
        writer
            .forget_kept(&left)
            .map_err(|fault| OpenError(fault.to_string()))?;
        if let Some(note) = writer.settle_base().map_err(|fault| OpenError(fault.to_string()))? {
            writer.alarms.raise(ALARM, "base", &note);
            notes.push(note);
        }
        let base = writer.versions.base().map_or(0, |base| base.version.through);
        let gaps = writer.log.gaps(base);
        notes.extend(gaps.iter().map(|(first, last)| {
            let samples = folder.join("samples");
            format!(
                "{}: samples {first} to {last} are missing, as if a file of the log were lost; the others are used",
                samples.display()
            )
        }));
        if let Some(note) = writer
            .adopt(lost, &gaps)
            .map_err(|fault| OpenError(fault.to_string()))?
        {
            notes.push(note);
        }
        writer.recount();
        let broken = |fault: Fault| OpenError(format!("{}: {fault}", folder.display()));
        let (version, replayed) = writer.begin(&mut notes).map_err(broken)?;
        while writer.log.erase().map_err(bad)? {}
        let found = Found {
            version,
            samples: writer.log.len() as u64,
            replayed,
            notes,
        };
        Ok((writer, found))
    }

    /// Counts all samples anew: what is known of them, and which chain the models should have.
    pub(crate) fn recount(&mut self) {
        self.admission = Admission::default();
        self.admission.at(self.clock.now().millis());
        for entry in self.log.told() {
            let learned = !within(self.log.aside(), entry.head.sequence);
            self.admission.recall(&entry.head, learned);
        }
        self.count_turns();
        self.wanted = self.target();
    }

    /// Counts anew what was learned of collections.
    pub(crate) fn count_turns(&mut self) {
        let aside = self.log.aside();
        let learned = self.log.entries();
        self.turns = Turns::of(learned.filter(|entry| !within(aside, entry.head.sequence)));
    }

    /// The chain that follows from the base and the log.
    pub(crate) fn target(&self) -> u64 {
        let base = self.versions.base().map_or(EMPTY, |base| base.chain);
        let aside = self.log.aside();
        let all = self.log.entries().filter(|entry| !within(aside, entry.head.sequence));
        all.fold(base, |chain, entry| link(chain, entry.check))
    }

    /// Whether the models in use are those that follow from the base and the log.
    pub fn is_exact(&self) -> bool {
        self.live.chain == self.wanted
    }

    /// Publishes the fusion that follows from what was learned.
    pub(crate) fn announce(&self) {
        (self.publish)(self.live.trainer.fusion().clone());
    }

    /// Works until it is told to close, or nobody can ask any more.
    pub fn run(mut self) {
        let (mut batches, mut stuck) = (0, false);
        loop {
            // What could not be made exact is tried again when somebody comes, not in a circle.
            let first = match ((self.is_exact() && self.log.is_clean()) || stuck) && self.waiting.is_empty() {
                true => match self.tasks.recv() {
                    Ok(task) => Some(task),
                    Err(_) => break,
                },
                false => self.tasks.try_recv().ok(),
            };
            batches = if first.is_none() { PATIENCE } else { batches + 1 };
            self.take_batch(first);
            self.write_down_in_time();
            if batches < PATIENCE && self.waiting.is_empty() {
                continue;
            }
            batches = 0;
            let exact = self.make_exact("corrected");
            stuck = exact.is_err();
            if let Err(fault) = exact {
                self.complain(&fault);
            }
            while let Some(task) = self.waiting.pop_front() {
                if let Task::Close(answer) = task {
                    self.settle();
                    let _ = answer.send(Ok(()));
                    return;
                }
                self.long(task);
            }
        }
        self.settle();
    }

    /// Learns what can be learned at once of what waits, and puts the rest by. Called between slices of long work, too.
    pub(crate) fn serve(&mut self) {
        // What takes long must wait; when too much does, the queue fills, and whoever comes is told.
        while self.waiting.len() < WAITING_MAX
            && let Ok(task) = self.tasks.try_recv()
        {
            self.take_batch(Some(task));
        }
    }

    pub(crate) fn list(&mut self) -> Vec<Version> {
        self.settle_versions();
        let mut all: Vec<Version> = self.versions.all().map(|header| header.version.clone()).collect();
        all.extend(self.versions.base().map(|base| base.version.clone()));
        all
    }

    pub(crate) fn complain(&self, fault: &Fault) {
        tracing::error!(%fault, "learning does not go as it should");
        self.alarms.raise(ALARM, "log", &fault.to_string());
    }

    /// What takes long, one after the other.
    fn long(&mut self, task: Task) {
        self.settle_versions();
        match task {
            Task::Unlearn(what, answer) => drop(answer.send(self.unlearn(&what))),
            Task::Concerned(what, answer) => drop(answer.send(self.concerned(&what))),
            Task::Rollback(to, answer) => drop(answer.send(self.rollback(to))),
            Task::Rebuild(answer) => drop(answer.send(self.rebuild())),
            Task::Sweep(answer) => drop(answer.send(self.sweep())),
            Task::Settings(new) => {
                self.log.bounded(new.log_bytes());
                self.settings = new;
                if let Err(fault) = self.look_again() {
                    self.complain(&fault);
                }
            }
            other => self.take_batch(Some(other)),
        }
    }

    /// Whether there are other classifiers than before.
    fn look_again(&mut self) -> Result<(), Fault> {
        let now = kinds(&*self.models);
        let same = |(one, other): (&Kind, &Kind)| {
            one.name == other.name && one.extractor == other.extractor && Arc::ptr_eq(&one.slot, &other.slot)
        };
        if now.len() == self.kinds.len() && now.iter().zip(&self.kinds).all(same) {
            return Ok(());
        }
        self.kinds = now;
        let mut notes = Vec::new();
        self.begin(&mut notes)?;
        for note in notes {
            tracing::warn!("{note}");
        }
        Ok(())
    }

    fn sweep(&mut self) -> Result<(), Fault> {
        let now = self.clock.now().millis();
        let swept = self
            .recent
            .sweep(now, self.settings.recent_days, self.settings.recent_bytes());
        swept.map_err(|error| {
            Fault::Broken(format!(
                "what is remembered of delivered mail cannot be removed: {error}"
            ))
        })?;
        self.write_down_in_time();
        self.fold()
    }

    fn write_down_in_time(&mut self) {
        let age = self.clock.now().millis().saturating_sub(self.written);
        let old = age >= u64::from(self.settings.snapshot_minutes) * 60_000;
        let due = self.young >= self.settings.snapshot_samples || (self.young > 0 && old);
        if due && self.is_exact() {
            self.settle_versions();
            let done = self.write_down_soon("learned").and_then(|_| self.fold());
            if let Err(fault) = done {
                // Not at once again: the log has it all.
                (self.young, self.written) = (0, self.clock.now().millis());
                self.complain(&fault);
            }
        }
    }

    /// At the end.
    fn settle(&mut self) {
        self.serve();
        self.settle_versions();
        let done = self.make_exact("corrected").and_then(|()| match self.young {
            0 => Ok(()),
            _ => self.write_down("learned", None).map(drop),
        });
        if let Err(fault) = done {
            self.complain(&fault);
        }
    }

    /// Removes the versions that hold something forgotten.
    pub(crate) fn drop_tainted(&mut self) -> std::io::Result<()> {
        self.settle_versions();
        let log = &self.log;
        self.versions
            .remove(|header: &Header| log.tainted(header.version.through, &header.aside))
    }

    /// The hash by which a kept mail is known.
    pub(crate) fn kept(&self, id: &KeptId) -> u64 {
        reference(self.seed, &id.0)
    }

    /// How many samples the base and the log have up to this one.
    pub(crate) fn counted(&self, through: u64) -> u64 {
        let base = self
            .versions
            .base()
            .map_or(0, |base| base.version.ham + base.version.spam);
        let aside = self.log.aside();
        let mut upto = 0;
        for entry in self.log.told().take_while(|entry| entry.head.sequence <= through) {
            upto += u64::from(!within(aside, entry.head.sequence));
        }
        base + upto
    }

    /// Ham and spam in the models in use.
    pub(crate) fn counts(&self) -> (u64, u64) {
        let base = self
            .versions
            .base()
            .map_or((0, 0), |base| (base.version.ham, base.version.spam));
        let aside = self.log.aside();
        let all = self.log.told().filter(|entry| !within(aside, entry.head.sequence));
        all.fold(base, |(ham, spam), entry| match entry.head.label {
            Label::Ham => (ham + 1, spam),
            Label::Spam => (ham, spam + 1),
        })
    }
}

/// The hash by which a delivered mail is asked for: of the id of its transaction or of its kept copy.
pub fn reference(seed: Seed, id: &str) -> u64 {
    seed.hash(&[b"reference", id.as_bytes()])
}
