//! Who does what the schedule says.
//!
//! **Invariants:** no more deliveries are under way than there may be; what fails, panics included, ends neither this nor the
//! mail; an end that is asked for lets what is under way come to its own end. A step can be done by hand, so that tests need
//! neither a timer nor a thread.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::Time;
use tokio::task::{JoinError, JoinHandle, JoinSet};

use crate::inner::Inner;
use crate::orders::GIVEN_UP;
use crate::schedule::{Due, Outcome, Turn};
use crate::spool::Entry;

/// How often it is looked whether servers are back.
const LOOK: Duration = Duration::from_secs(1);

/// Work on a mail that ends with whoever waits for it: a delivery that nobody waits for any more must not go on while the
/// queue is closed, or the server would have a mail that cannot be removed here.
struct Worker(JoinHandle<Outcome>);

impl Drop for Worker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Inner {
    /// Looks whether servers are back that were away, and closes connections that rested long enough.
    pub async fn look(&self) {
        let (road, now) = (self.published(), self.clock.now());
        let up = |route: &str| road.roads.upstreams().is_up(route);
        self.schedule().look(now, &up);
        self.resting.close(now, false).await;
    }

    /// Whose turn it is.
    fn next(&self) -> Option<Turn> {
        let (road, now) = (self.published(), self.clock.now());
        let up = |route: &str| road.roads.upstreams().is_up(route);
        self.schedule().next(now, &up)
    }

    /// Does what is due with one mail.
    async fn work(self: Arc<Inner>, turn: Turn) {
        let mut worker = Worker(tokio::spawn(Arc::clone(&self).work_on(turn.clone())));
        let outcome = (&mut worker.0).await.unwrap_or_else(|error| broken(&turn, &error));
        self.schedule().finish(&turn, outcome, self.clock.now());
        self.bell.notify_one();
    }

    async fn work_on(self: Arc<Inner>, turn: Turn) -> Outcome {
        let Some((mut entry, seen)) = self.entry_of(&turn) else {
            return Outcome::Gone { taken: false };
        };
        let said = seen.said.as_deref();
        match turn.due {
            Due::Deliver { forced } => self.deliver(&entry, forced).await,
            Due::Expire => self.last_try(&entry, said).await,
            Due::Warn => {
                let outcome = self.warn(&mut entry, said, seen.item.until).await;
                if entry.marks != seen.item.marks {
                    let mut item = seen.item;
                    item.marks = entry.marks;
                    self.schedule().set(&turn, item);
                }
                outcome
            }
            Due::Order => Outcome::Stays { warned: false },
        }
    }

    /// Gives a mail up whose time is over, unless its server takes it now: it may have come back while we were away
    /// ourselves, or while others were delivered. Whoever gave it up by hand wants no such thing.
    async fn last_try(self: &Arc<Inner>, entry: &Entry, said: Option<&str>) -> Outcome {
        if entry.marks.until == Some(GIVEN_UP) {
            return self.expire(entry, said).await;
        }
        match self.deliver(entry, false).await {
            gone @ Outcome::Gone { .. } => gone,
            Outcome::Deferred { said: last, .. } | Outcome::Away { said: last, .. } => {
                self.expire(entry, Some(said.unwrap_or(&last))).await
            }
            Outcome::Stays { .. } => self.expire(entry, said).await,
        }
    }

    /// Does one thing that is due, to its end. Whether there was one.
    pub async fn step(self: &Arc<Inner>) -> bool {
        let Some(turn) = self.next() else { return false };
        Arc::clone(self).work(turn).await;
        true
    }

    /// Does what is due, until `end`; then waits for what is under way.
    pub async fn run(self: Arc<Inner>, end: impl Future<Output = ()>) {
        let mut end = std::pin::pin!(end);
        let mut working = JoinSet::new();
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let most = self.published().settings.connections.max(1);
            while working.len() < most
                && let Some(turn) = self.next()
            {
                working.spawn(Arc::clone(&self).work(turn));
            }
            tokio::select! {
                biased;
                () = &mut end => break,
                Some(_) = working.join_next() => {}
                () = self.bell.notified() => {}
                _ = look.tick() => self.look().await,
            }
        }
        while working.join_next().await.is_some() {}
        self.resting.close(self.clock.now(), true).await;
    }

    /// When there is something to do next, as far as it is known now.
    pub fn wakes(&self) -> Option<Time> {
        self.schedule().wakes()
    }
}

fn broken(turn: &Turn, error: &JoinError) -> Outcome {
    tracing::error!(id = %turn.id, domain = &*turn.lane, %error, "a delivery broke down: the mail is tried again later");
    Outcome::Deferred {
        route: None,
        awaits: None,
        said: "our own delivery broke down".into(),
    }
}
