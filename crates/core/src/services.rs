//! What filters may use.

use std::sync::Arc;

use crate::alarms::Alarms;
use crate::clock::{Clock, Seed};
use crate::compute::Compute;
use crate::desk::Desk;
use crate::dns::Dns;
use crate::identity::Identify;
use crate::kept::Kept;
use crate::learner::{Learning, Models};
use crate::null;
use crate::post::Post;
use crate::queue::Queue;
use crate::site::Site;
use crate::store::Store;

/// The services of this installation. Cheap to clone.
#[derive(Clone)]
#[non_exhaustive]
pub struct Services {
    /// What is ours.
    pub site: Arc<Site>,
    /// DNS.
    pub dns: Arc<dyn Dns>,
    /// What is remembered; a filter sees only its own part.
    pub store: Store,
    /// Names and identities; filters ask them through [`Context`](crate::Context).
    pub identify: Arc<dyn Identify>,
    /// Kept mail and records.
    pub kept: Arc<dyn Kept>,
    /// The models of classifiers.
    pub models: Arc<dyn Models>,
    /// Teaching them.
    pub learning: Arc<dyn Learning>,
    /// The door for human acts.
    pub desk: Arc<dyn Desk>,
    /// Mail of our own.
    pub post: Arc<dyn Post>,
    /// The queue, where there is one.
    pub queue: Option<Arc<dyn Queue>>,
    /// Who is told what an operator should look at.
    pub alarms: Arc<dyn Alarms>,
    /// Threads for work.
    pub compute: Compute,
    /// The clock. During a check use [`Context::now`](crate::Context::now).
    pub clock: Arc<dyn Clock>,
    /// The installation's secret number.
    pub seed: Seed,
}

impl Services {
    /// Services that do nothing: each says that it is not there, or that there is nothing. Set the fields that you have.
    pub fn null(clock: Arc<dyn Clock>, seed: Seed) -> Services {
        Services {
            site: Arc::default(),
            dns: Arc::new(null::NoDns),
            store: Store::new(Arc::new(null::NoStore)),
            identify: Arc::new(null::NoIdentify),
            kept: Arc::new(null::NoKept),
            models: Arc::new(null::NoModels),
            learning: Arc::new(null::NoLearning),
            desk: Arc::new(null::NoDesk),
            post: Arc::new(null::NoPost),
            queue: None,
            alarms: Arc::new(null::NoAlarms),
            compute: Compute::new(Arc::new(null::NoThreads)),
            clock,
            seed,
        }
    }

    /// The same with the store narrowed to the keys of one filter.
    #[must_use]
    pub fn within(&self, name: &str) -> Services {
        Services {
            store: self.store.within(name),
            ..self.clone()
        }
    }
}
