//! The members: the filters that are linked and learn, each with an empty model.

use std::collections::BTreeMap;
use std::sync::Arc;

use gatepost_core::registry::Options;
use gatepost_core::{Clock, Entry, Learner, Seed, Services, Time};

use crate::fit::Fit;
use crate::trainer::Trainer;

/// The filters of a binary.
pub type Registry = BTreeMap<&'static str, &'static Entry>;
/// Members by the names of their filters, in the order of these.
pub type Members = Vec<(&'static str, Arc<dyn Learner>)>;

/// Nobody's time.
struct Still;

impl Clock for Still {
    fn now(&self) -> Time {
        Time::from_millis(0)
    }
}

/// The members with their default options and empty models; of all, or of those named. The key of their hashes is the same
/// each time, so that everybody sees the same figures.
pub fn members(registry: &Registry, only: &[String]) -> Result<Members, String> {
    let services = Services::null(Arc::new(Still), Seed::new([0; 16]));
    let mut members = Members::new();
    for (name, entry) in registry {
        // Filters whose default options do not build need what a model does not.
        let Ok(filter) = entry.build(Options::default(), &services) else {
            continue;
        };
        if let Some(slot) = filter.learner() {
            members.push((name, slot.fresh()));
        }
    }
    let there = names(&members);
    if let Some(other) = only.iter().find(|only| !there.contains(&only.as_str())) {
        return Err(format!(
            "there is no classifier `{other}`; expected some of: {}",
            there.join(", ")
        ));
    }
    if !only.is_empty() {
        members.retain(|(name, _)| only.iter().any(|only| only == name));
    }
    if members.is_empty() {
        return Err("no classifier is linked".into());
    }
    Ok(members)
}

fn names(members: &Members) -> Vec<&'static str> {
    members.iter().map(|(name, _)| *name).collect()
}

/// A trainer that has learned nothing.
pub fn trainer(registry: &Registry, only: &[String]) -> Result<Trainer, String> {
    Ok(Trainer::new(members(registry, only)?, Fit::default()))
}
