//! A classifier's model as the teacher sees it: it learns from features of its own extractor and from no others.
//!
//! A sample may lack a classifier that was not there when it was recorded, or have features of an older extractor, which
//! say nothing to a newer one. Such a sample is none for that classifier, and the others learn it.

use std::sync::Arc;

use gatepost_core::{BadModel, Clue, Domain, Features, Learner, LogOdds, Message, ModelSlot, Sample};

/// A model and the version of its extractor.
pub struct Member {
    model: Arc<dyn Learner>,
    extractor: u32,
}

impl Member {
    /// A model whose extractor is of this version.
    pub fn new(model: Arc<dyn Learner>, extractor: u32) -> Member {
        Member { model, extractor }
    }
}

/// The version of the extractor of a slot's models.
pub fn extractor(slot: &dyn ModelSlot) -> u32 {
    slot.live().features(&Message::from_bytes(&b"\r\n"[..])).extractor
}

/// Features that a sample does not have.
pub fn missing() -> Features {
    Features::none()
}

impl Learner for Member {
    fn features(&self, message: &Message) -> Features {
        self.model.features(message)
    }

    fn score(&self, features: &Features, domain: Option<&Domain>) -> LogOdds {
        match features.extractor == self.extractor {
            true => self.model.score(features, domain),
            false => LogOdds::default(),
        }
    }

    fn learn(&self, features: &Features, sample: &Sample) {
        if features.extractor == self.extractor {
            self.model.learn(features, sample);
        }
    }

    fn score_then_learn(&self, features: &Features, domain: Option<&Domain>, sample: &Sample) -> LogOdds {
        match features.extractor == self.extractor {
            true => self.model.score_then_learn(features, domain, sample),
            false => LogOdds::default(),
        }
    }

    fn explain(&self, message: &Message, domain: Option<&Domain>) -> Vec<Clue> {
        self.model.explain(message, domain)
    }

    fn save(&self) -> Vec<u8> {
        self.model.save()
    }

    fn load(&self, saved: &[u8]) -> Result<(), BadModel> {
        self.model.load(saved)
    }
}
