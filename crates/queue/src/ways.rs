//! Connections that serve more than one mail (P-43).
//!
//! **Invariants:** a way serves mail of the configuration by which it was opened and of no other, since a route of the same
//! name may lead elsewhere by then; one that told its server who its client is serves that client's mail and no other; one
//! that showed anything odd serves none; none rests longer than [`REST`], and no more of them than there may be deliveries.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use gatepost_core::{Time, Upstream};

use crate::terms::Published;

/// How long a way may rest before it is closed: servers that wait long for the next mail are short of connections.
const REST: Duration = Duration::from_secs(3);
/// So many mails go by one way at most; then a fresh one is taken, as servers like it.
const MAILS: u32 = 500;

/// A way that is open, or may be.
pub(crate) struct Open {
    pub way: Box<dyn Upstream>,
    /// By which configuration. It keeps none in memory.
    road: Weak<Published>,
    served: u32,
    since: Time,
}

impl Open {
    /// A fresh way.
    pub fn fresh(way: Box<dyn Upstream>, road: &Arc<Published>, now: Time) -> Open {
        Open {
            way,
            road: Arc::downgrade(road),
            served: 0,
            since: now,
        }
    }
}

/// Ways that rest, by route.
#[derive(Default)]
pub(crate) struct Resting {
    ways: Mutex<BTreeMap<Arc<str>, Vec<Open>>>,
}

impl Resting {
    fn ways(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Vec<Open>>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that rests on a route as this configuration has it.
    pub fn take(&self, route: &str, road: &Arc<Published>) -> Option<Open> {
        let mut ways = self.ways();
        let resting = ways.get_mut(route)?;
        let at = resting
            .iter()
            .rposition(|open| std::ptr::eq(open.road.as_ptr(), Arc::as_ptr(road)))?;
        Some(resting.remove(at))
    }

    /// Lets one rest that has served a mail without anything odd, if it may serve others; `most` rest in all. `is_current`
    /// says whether the configuration by which it was opened is still in service.
    pub async fn rest(
        &self,
        route: &Arc<str>,
        mut open: Open,
        now: Time,
        most: usize,
        is_current: impl FnOnce() -> bool,
    ) {
        open.served += 1;
        open.since = now;
        let worn = open.served >= MAILS || open.way.introduces();
        let worn = {
            let mut ways = self.ways();
            let resting: usize = ways.values().map(Vec::len).sum();
            // Asked while nobody can close what rests: a reload comes before this, or closes it.
            if worn || resting >= most || !is_current() {
                Some(open)
            } else {
                ways.entry(Arc::clone(route)).or_default().push(open);
                None
            }
        };
        if let Some(mut open) = worn {
            open.way.close().await;
        }
    }

    /// Closes those that rested long enough; all of them where `all`.
    pub async fn close(&self, now: Time, all: bool) {
        let mut over = Vec::new();
        self.ways().retain(|_, ways| {
            let (keep, close): (Vec<Open>, Vec<Open>) = ways
                .drain(..)
                .partition(|open| !all && open.since <= now && now.since(open.since) < REST);
            over.extend(close);
            *ways = keep;
            !ways.is_empty()
        });
        for mut open in over {
            open.way.close().await;
        }
    }
}
