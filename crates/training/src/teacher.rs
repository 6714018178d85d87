//! The teacher: takes lessons from whoever has them, and answers when they are durable.

use std::path::PathBuf;
use std::sync::Arc;

use gatepost_core::{
    Alarms, Clock, Compute, Fault, Ground, KeptId, Label, Learning, Lesson, Message, Models, Observer, Rebuilt, Record,
    Seed, Time, Unlearn, Version, async_trait,
};
use gatepost_pipeline::Fusion;

use crate::settings::Settings;

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
}

impl Teacher {
    /// Opens the log and the versions in the folder, or makes them; puts the models into use as they follow from them.
    /// Blocks, for as long as it takes to learn what is younger than the newest version.
    pub fn open(_means: Means, _settings: Settings) -> Result<Teacher, OpenError> {
        Ok(Teacher {
            found: Found::default(),
        })
    }

    /// What was found when it began.
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Other settings, from now on. Call it after a reload, too, when there may be other classifiers than before.
    pub fn settings(&self, _new: Settings) {}

    /// Learns a report about delivered mail by the id of its transaction or of the kept copy, from the features that are
    /// remembered of it; [`Fault::Unavailable`] where none are.
    pub async fn label_by_reference(
        &self,
        _id: &str,
        _label: Label,
        _ground: Ground,
        _by: &str,
        _at: Time,
    ) -> Result<u64, Fault> {
        Err(Fault::Unavailable("learning: not there yet"))
    }

    /// Forgets all that was learned from a kept mail, and what is remembered of it.
    pub async fn erase(&self, _kept: &KeptId) -> Result<u64, Fault> {
        Err(Fault::Unavailable("learning: not there yet"))
    }

    /// Removes the features of delivered mail that have become too old. Call it now and then.
    pub async fn sweep(&self) -> Result<(), Fault> {
        Ok(())
    }

    /// Learns what waits, and writes the models down. Nothing is learned afterwards.
    pub async fn close(&self) {}
}

#[async_trait]
impl Learning for Teacher {
    async fn label(&self, _lesson: Lesson) -> Result<u64, Fault> {
        Err(Fault::Unavailable("learning: not there yet"))
    }
    async fn unlearn(&self, _what: &Unlearn) -> Result<u64, Fault> {
        Err(Fault::Unavailable("learning: not there yet"))
    }
    async fn versions(&self) -> Result<Vec<Version>, Fault> {
        Err(Fault::Unavailable("learning: not there yet"))
    }
    async fn rollback(&self, _to: Option<u64>) -> Result<Version, Fault> {
        Err(Fault::Unavailable("learning: not there yet"))
    }
    async fn rebuild(&self) -> Result<Rebuilt, Fault> {
        Err(Fault::Unavailable("learning: not there yet"))
    }
}

#[async_trait]
impl Observer for Teacher {
    async fn observe(&self, _record: &Record, _message: Option<&Arc<Message>>) {}
}
