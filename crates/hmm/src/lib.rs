//! The filter `hmm`: the classifier by sequences of words.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod counts;
mod explain;
pub mod lanes;
pub mod model;
mod odds;
mod states;

use gatepost_core::classifier::{Shelf, testify};
use gatepost_core::prelude::*;
use gatepost_core::{Learner, ModelSlot, inventory};
pub use model::Model;

/// The filter.
pub struct Hmm {
    slot: Arc<dyn ModelSlot>,
    services: Services,
}

/// Its options: there are none yet.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, crate = "gatepost_core::serde")]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {}

#[async_trait]
impl Filter for Hmm {
    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        testify(&self.slot, &self.services, "hmm.odds", cx, message).await
    }

    fn learner(&self) -> Option<Arc<dyn ModelSlot>> {
        Some(Arc::clone(&self.slot))
    }
}

impl FilterKind for Hmm {
    const NAME: &'static str = "hmm";
    const ABOUT: &'static str = "Judges a mail by how its words follow each other, from what it learned of others.";
    const PHASES: Phases = Phases::MESSAGE;
    const MAY: Wishes = Wishes::NONE;
    type Config = Config;

    fn build(_: Config, services: &Services) -> Result<Hmm, BuildError> {
        let seed = services.seed;
        let make = move || -> Arc<dyn Learner> { Arc::new(Model::new(seed)) };
        Ok(Hmm {
            slot: services.models.slot(Self::NAME, &|| Arc::new(Shelf::new(make))),
            services: services.clone(),
        })
    }
}

inventory::submit! { Entry::of::<Hmm>() }
