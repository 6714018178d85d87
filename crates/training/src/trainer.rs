//! One step of learning: score, fit the fusion, learn. The same for the running proxy, a rebuild, and an evaluation.

use std::sync::Arc;

use gatepost_core::{Domain, Features, Learner, LogOdds, Message, Sample};
use gatepost_pipeline::Fusion;

use crate::fit::Fit;

/// The members and their fit.
pub struct Trainer {
    members: Vec<(&'static str, Arc<dyn Learner>)>,
    fit: Fit,
    fusion: Fusion,
}

/// What the members and the fusion say of a mail.
#[derive(Clone, PartialEq, Debug)]
pub struct Scored {
    /// The members' words.
    pub votes: Vec<(&'static str, LogOdds)>,
    /// All of them as one: log-odds of spam.
    pub fused: f32,
    /// Whether that is beyond the risk that the operator chose.
    pub spam: bool,
}

impl Trainer {
    /// A trainer of these members, with what was fitted before.
    pub fn new(members: Vec<(&'static str, Arc<dyn Learner>)>, fit: Fit) -> Trainer {
        let fusion = fit.fusion();
        Trainer { members, fit, fusion }
    }

    /// The members.
    pub fn members(&self) -> &[(&'static str, Arc<dyn Learner>)] {
        &self.members
    }

    /// The fit.
    pub fn fit(&self) -> &Fit {
        &self.fit
    }

    /// The fusion as it follows from what was learned.
    pub fn fusion(&self) -> &Fusion {
        &self.fusion
    }

    /// The features of a message, one for each member, in their order.
    pub fn features(&self, message: &Message) -> Vec<Features> {
        self.members
            .iter()
            .map(|(_, learner)| learner.features(message))
            .collect()
    }

    /// What is said of such features.
    pub fn score(&self, features: &[Features], domain: Option<&Domain>) -> Scored {
        let votes: Vec<(&'static str, LogOdds)> = self
            .members
            .iter()
            .zip(features)
            .map(|((name, learner), features)| (*name, learner.score(features, domain)))
            .collect();
        self.fused(votes)
    }

    /// The members' words with their sum.
    fn fused(&self, votes: Vec<(&'static str, LogOdds)>) -> Scored {
        let fused = self.fusion.fuse(votes.iter().copied());
        Scored {
            spam: fused > self.fusion.threshold(),
            votes,
            fused,
        }
    }

    /// Learns a sample, and tells what was said of it before.
    pub fn learn(&mut self, features: &[Features], sample: &Sample) -> Scored {
        let scored = self.score_then_learn(features, sample);
        self.fit.learn(&scored.votes, sample);
        self.fusion = self.fit.fusion();
        scored
    }

    /// The same with a sample that was learned before.
    pub fn learn_once_more(&mut self, features: &[Features], sample: &Sample) -> Scored {
        let scored = self.score_then_learn(features, sample);
        self.fit.learn_once_more(&scored.votes, sample);
        self.fusion = self.fit.fusion();
        scored
    }

    fn score_then_learn(&self, features: &[Features], sample: &Sample) -> Scored {
        let domain = sample
            .domain
            .as_deref()
            .and_then(|domain| Domain::parse(domain, true).ok());
        let votes: Vec<(&'static str, LogOdds)> = self
            .members
            .iter()
            .zip(features)
            .map(|((name, learner), features)| (*name, learner.score_then_learn(features, domain.as_ref(), sample)))
            .collect();
        self.fused(votes)
    }
}
