//! The names under which a monitoring system hears of domains.
//!
//! **Invariant:** each is that of a table of the configuration, or one for all others: below a customer's domain strangers
//! write what they like, and no name of theirs becomes a label.

use arc_swap::ArcSwap;
use gatepost_pipeline::ByDomain;
use gatepost_queue::NOTICES;

use super::depths::OTHERS;
use crate::config::Config;

/// The tables of the configuration in service.
pub struct Tables(ArcSwap<ByDomain<()>>);

impl Tables {
    /// Those of a configuration.
    pub fn new(config: &Config) -> Tables {
        Tables(ArcSwap::from_pointee(names(config)))
    }

    /// From now on those of another.
    pub fn publish(&self, config: &Config) {
        self.0.store(names(config).into());
    }

    /// The name of the table of a domain.
    pub fn name(&self, domain: &str) -> String {
        if domain == NOTICES {
            return NOTICES.into();
        }
        let tables = self.0.load();
        tables.entry(domain).map_or(OTHERS, |(name, ())| name).to_owned()
    }
}

fn names(config: &Config) -> ByDomain<()> {
    config.domain.keys().map(|name| (name, ())).collect()
}
