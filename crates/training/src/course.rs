//! Models on their way through the log: beside those in use, or those in use themselves.
//!
//! **Invariant:** [`Course::chain`] is a hash over exactly the samples that the models have learned, in order. Two courses
//! with the same chain and the same classifiers have the same models, bit for bit; so a version is known to fit, or not to
//! fit, the log as it is now, whatever happened in between.

use std::sync::Arc;

use gatepost_core::{BadModel, Features, Learner, ModelSlot, Sample, Time};
use xxhash_rust::xxh3::xxh3_64;

use crate::entry::{Head, Named};
use crate::fit::Fit;
use crate::member::{self, Member};
use crate::trainer::{Scored, Trainer};
use crate::versions::Loaded;

/// The chain of no samples.
pub const EMPTY: u64 = 0;

/// The chain with one sample more, by the checksum of its frame.
pub fn link(chain: u64, check: u64) -> u64 {
    let mut octets = chain.to_le_bytes().to_vec();
    octets.extend_from_slice(&check.to_le_bytes());
    xxh3_64(&octets)
}

/// One classifier: its name, its slot, the version of its extractor.
#[derive(Clone)]
pub struct Kind {
    /// Its filter's name.
    pub name: &'static str,
    /// Where its model lives.
    pub slot: Arc<dyn ModelSlot>,
    /// The version of its extractor.
    pub extractor: u32,
}

/// Models and how far they have come.
pub struct Course {
    /// The models and the fit.
    pub trainer: Trainer,
    /// The last sample that they learned, or were past.
    pub through: u64,
    /// A hash over the samples that they learned.
    pub chain: u64,
}

impl Course {
    /// Empty models.
    pub fn fresh(kinds: &[Kind]) -> Course {
        let members = kinds.iter().map(|kind| (kind.name, guarded(kind.slot.fresh(), kind)));
        Course {
            trainer: Trainer::new(members.collect(), Fit::default()),
            through: 0,
            chain: EMPTY,
        }
    }

    /// The models of a version. A classifier that it does not know, or that it knows with another extractor, is empty.
    pub fn of(kinds: &[Kind], loaded: &Loaded) -> Result<Course, String> {
        let mut members: Vec<(&'static str, Arc<dyn Learner>)> = Vec::with_capacity(kinds.len());
        for kind in kinds {
            let model = kind.slot.fresh();
            let known = loaded.header.members.iter().zip(&loaded.models);
            let known = known
                .filter(|((name, extractor), _)| name == kind.name && *extractor == kind.extractor)
                .map(|(_, saved)| saved);
            for saved in known {
                model.load(saved).map_err(|bad| format!("{}: {bad}", kind.name))?;
            }
            members.push((kind.name, guarded(model, kind)));
        }
        let fit = Fit::load(&loaded.fit).map_err(|bad| format!("the fit of the fusion cannot be read: {bad}"))?;
        Ok(Course {
            trainer: Trainer::new(members, fit),
            through: loaded.header.version.through,
            chain: loaded.header.chain,
        })
    }

    /// The models that are in use, with this one's fit.
    pub fn in_use(self, kinds: &[Kind]) -> Course {
        let members = kinds.iter().map(|kind| (kind.name, guarded(kind.slot.live(), kind)));
        Course {
            trainer: Trainer::new(members.collect(), self.trainer.fit().clone()),
            ..self
        }
    }

    /// Learns a sample, for the first time or once more, and tells what was said of it before.
    pub fn learn(&mut self, head: &Head, check: u64, again: bool, features: Named) -> Scored {
        let features = self.ordered(features);
        let domain = head.domain.as_deref().map(str::to_owned);
        let mut sample = Sample::new(head.sequence, Time::from_millis(head.at), head.label, domain);
        sample.ground = head.ground;
        sample.weight = head.weight;
        let scored = match again {
            true => self.trainer.learn_once_more(&features, &sample),
            false => self.trainer.learn(&features, &sample),
        };
        self.chain = link(self.chain, check);
        self.through = self.through.max(head.sequence);
        scored
    }

    /// Learns a sample; whether nothing panicked. Where something did, the models are not what the chain says, nor what any
    /// chain says: they must not be used any further.
    pub fn try_learn(&mut self, head: &Head, check: u64, again: bool, features: Named) -> bool {
        let learn = std::panic::AssertUnwindSafe(|| drop(self.learn(head, check, again, features)));
        let done = std::panic::catch_unwind(learn).is_ok();
        if !done {
            // No chain of samples leads here.
            self.chain = link(link(self.chain, check), u64::MAX);
        }
        done
    }

    /// What is said of a sample's features.
    pub fn score(&self, head: &Head, features: Named) -> Scored {
        let domain = head.domain.as_deref();
        let domain = domain.and_then(|domain| gatepost_core::Domain::parse(domain, true).ok());
        self.trainer.score(&self.ordered(features), domain.as_ref())
    }

    /// Features in the order of the members.
    fn ordered(&self, mut features: Named) -> Vec<Features> {
        let mut of = |name: &str| {
            let found = features.iter_mut().find(|(other, _)| **other == *name);
            found.map_or_else(member::missing, |(_, features)| std::mem::take(features))
        };
        self.trainer.members().iter().map(|(name, _)| of(name)).collect()
    }

    /// What its models save, in their order.
    pub fn save(&self) -> Vec<Vec<u8>> {
        self.trainer.members().iter().map(|(_, model)| model.save()).collect()
    }

    /// The same once more, on its own.
    pub fn fork(&self, kinds: &[Kind]) -> Result<Course, BadModel> {
        let mut members: Vec<(&'static str, Arc<dyn Learner>)> = Vec::with_capacity(kinds.len());
        for (kind, saved) in kinds.iter().zip(self.save()) {
            let model = kind.slot.fresh();
            model.load(&saved)?;
            members.push((kind.name, guarded(model, kind)));
        }
        Ok(Course {
            trainer: Trainer::new(members, self.trainer.fit().clone()),
            through: self.through,
            chain: self.chain,
        })
    }
}

fn guarded(model: Arc<dyn Learner>, kind: &Kind) -> Arc<dyn Learner> {
    Arc::new(Member::new(model, kind.extractor))
}
