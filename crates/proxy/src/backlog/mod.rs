//! The queue as this configuration has it: by which routes its mail leaves, on which terms, and who hears what becomes of it.
//!
//! **Invariant:** mail that waits goes as the same mail would go that came now to the listener that it came to.

mod chronicle;
mod depths;
mod tables;

use std::sync::Arc;

use gatepost_core::queue::Caller;
use gatepost_core::{Path, Upstream, Upstreams};
use gatepost_pipeline::ByDomain;
use gatepost_pipeline::routes::Routes;
use gatepost_queue::spool::Quota;
use gatepost_queue::{DomainTerms, Roads};

use crate::config::Config;
use crate::post::Outlet;

pub use chronicle::{Chronicle, DELETED, RETURNED, SET_ASIDE, describe, pair};
pub use depths::depth_rows;
pub use tables::Tables;

/// Where waiting mail goes.
pub struct Outward {
    outlet: Arc<Outlet>,
    terms: ByDomain<DomainTerms>,
    /// Of domains of which nothing is written.
    otherwise: DomainTerms,
    notices: Option<Arc<str>>,
}

impl Outward {
    /// As a configuration says.
    pub fn new(config: &Config, outlet: Arc<Outlet>) -> Outward {
        let quota = |octets: Option<u64>| Quota {
            octets: octets.unwrap_or(config.queue.domain_size.0),
            ..Quota::NONE
        };
        let said = config
            .domain
            .iter()
            .filter(|(_, domain)| domain.hold.is_some() || domain.queue_size.is_some());
        let said = said.map(|(name, domain)| {
            let terms = DomainTerms {
                hold: domain.hold.map(|hold| *hold),
                quota: quota(domain.queue_size.map(|size| size.0)),
            };
            (name.to_string(), terms)
        });
        Outward {
            outlet,
            terms: said.collect(),
            otherwise: DomainTerms {
                quota: quota(None),
                ..DomainTerms::NONE
            },
            notices: config.queue.notices.as_deref().map(Arc::from),
        }
    }

    /// The routes of the listener that a mail came to; if it is not there any more, of one for mail of the same direction.
    fn routes(&self, caller: &Caller) -> &Routes {
        let listeners = &self.outlet.listeners;
        let same = || listeners.values().find(|(direction, _)| *direction == caller.direction);
        let found = listeners.get(&caller.listener).or_else(same);
        found.map_or(&self.outlet.otherwise, |(_, routes)| routes)
    }
}

impl Roads for Outward {
    fn route(&self, caller: &Caller, to: &Path) -> Option<Arc<str>> {
        self.routes(caller).route(to).ok().cloned()
    }

    fn terms(&self, domain: &str) -> DomainTerms {
        self.terms.get(domain).copied().unwrap_or(self.otherwise)
    }

    fn upstreams(&self) -> &dyn Upstreams {
        &*self.outlet.ways
    }

    fn notices(&self) -> Option<Arc<str>> {
        self.notices.clone()
    }

    fn home(&self, to: &Path) -> Option<Arc<str>> {
        self.outlet.otherwise.route(to).ok().cloned()
    }

    fn hostname(&self) -> &str {
        &self.outlet.ours.hostname
    }
}

/// Before a configuration is in service, and where none ever is: no mail may wait, and none is delivered.
pub struct Nowhere;

impl Upstreams for Nowhere {
    fn upstream(&self, _: &str) -> Option<Box<dyn Upstream>> {
        None
    }

    fn is_up(&self, _: &str) -> bool {
        false
    }
}

impl Roads for Nowhere {
    fn route(&self, _: &Caller, _: &Path) -> Option<Arc<str>> {
        None
    }

    fn terms(&self, _: &str) -> DomainTerms {
        DomainTerms::NONE
    }

    fn upstreams(&self) -> &dyn Upstreams {
        self
    }

    fn notices(&self) -> Option<Arc<str>> {
        None
    }

    fn hostname(&self) -> &str {
        "localhost"
    }
}

#[cfg(test)]
mod tests;
