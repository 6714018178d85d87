//! The filter `ngram`: the classifier by sequences of octets.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod explain;
mod grams;
mod odds;
mod order;
mod table;

pub mod model;

use gatepost_core::classifier::{Shelf, testify};
use gatepost_core::prelude::*;
use gatepost_core::{Learner, ModelSlot, inventory};
pub use model::Model;

/// The filter.
pub struct Ngram {
    slot: Arc<dyn ModelSlot>,
    services: Services,
}

/// Its options: there are none yet.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, crate = "gatepost_core::serde")]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {}

#[async_trait]
impl Filter for Ngram {
    async fn message(&self, cx: &Context<'_>, message: &Arc<Message>) -> Result<Opinion, Fault> {
        testify(&self.slot, &self.services, "ngram.odds", cx, message).await
    }

    fn learner(&self) -> Option<Arc<dyn ModelSlot>> {
        Some(Arc::clone(&self.slot))
    }
}

impl FilterKind for Ngram {
    const NAME: &'static str = "ngram";
    const ABOUT: &'static str =
        "Judges a mail by sequences of five octets of its beginning and its text, from what it learned of others.";
    const PHASES: Phases = Phases::MESSAGE;
    const MAY: Wishes = Wishes::NONE;
    type Config = Config;

    fn build(_: Config, services: &Services) -> Result<Ngram, BuildError> {
        let seed = services.seed;
        let make = move || -> Arc<dyn Learner> { Arc::new(Model::new(seed)) };
        Ok(Ngram {
            slot: services.models.slot(Self::NAME, &|| Arc::new(Shelf::new(make))),
            services: services.clone(),
        })
    }
}

inventory::submit! { Entry::of::<Ngram>() }
