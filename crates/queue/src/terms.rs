//! What the operator wrote about mail that waits, and where it goes now: what a reload changes.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::queue::Caller;
use gatepost_core::{Path, Upstreams};

use crate::schedule::Pace;
use crate::spool;

/// How mail waits.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// How fast it is tried.
    pub pace: Pace,
    /// How many deliveries may be under way at once, in all.
    pub connections: usize,
    /// How long mail waits whose domain does not say; five days.
    pub hold: Duration,
    /// How much may wait in all.
    pub spool: spool::Settings,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            pace: Pace {
                warn_after: Some(Duration::from_hours(4)),
                ..Pace::default()
            },
            connections: 20,
            hold: Duration::from_hours(5 * 24),
            spool: spool::Settings::default(),
        }
    }
}

/// What the operator wrote about a domain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DomainTerms {
    /// How long its mail may wait while all its mail servers are away; none where it may not.
    pub hold: Option<Duration>,
    /// How much of it.
    pub quota: spool::Quota,
}

impl DomainTerms {
    /// Nothing is written about it.
    pub const NONE: DomainTerms = DomainTerms {
        hold: None,
        quota: spool::Quota::NONE,
    };
}

/// Where mail goes, as the configuration in service has it.
pub trait Roads: Send + Sync {
    /// The route of a recipient to whom somebody brought mail; none where nobody knows one.
    fn route(&self, caller: &Caller, to: &Path) -> Option<Arc<str>>;
    /// What is written about a domain, in lower case. Blocks for nothing.
    fn terms(&self, domain: &str) -> DomainTerms;
    /// The mail servers.
    fn upstreams(&self) -> &dyn Upstreams;
    /// The route to the world, by which senders are told what became of their mail; without it nobody outside is told.
    fn notices(&self) -> Option<Arc<str>>;
    /// The route to an address of ours: people of our own are told by it.
    fn home(&self, to: &Path) -> Option<Arc<str>> {
        let _ = to;
        None
    }
    /// Our host name.
    fn hostname(&self) -> &str;
}

/// One configuration.
pub(crate) struct Published {
    pub settings: Settings,
    pub roads: Arc<dyn Roads>,
}

impl Published {
    /// The route by which a sender is told something.
    pub fn notice_route(&self, sender: &Path) -> Option<Arc<str>> {
        self.roads.home(sender).or_else(|| self.roads.notices())
    }
}
