//! One mail and all servers: which is asked, for how long, and who is asked next when it fails.
//!
//! **Invariants:** so many scans at once as there may be, and who waits for one waits within the mail's own deadline; a
//! server that is not there is left out for a moment; a mail that two servers did not survive is given to no third.
//! **Absent on purpose:** what of a mail is sent in which order, and an opinion.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_core::prelude::*;
use gatepost_core::{Budget, Compute};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use crate::health::{Health, Server};
use crate::options::{Bounds, Order};
use crate::stream::{SMALL, Stream};
use crate::{Answer, Voice};

/// How long a server may take to accept a connection: it does nothing but that.
pub const CONNECT: Duration = Duration::from_secs(2);
/// A mail with which so many servers were lost is given to no other.
const LOST_MAX: usize = 2;

/// How one server fared with one stream.
#[derive(Debug)]
pub enum Tried {
    /// It answered; never that it did not scan.
    Answered(Answer),
    /// It gave no answer, and this is what to say of it.
    Failed(Fault),
    /// It was lost with the mail in its hands.
    Lost(Fault),
}

/// How the servers of an engine are asked.
pub trait Engine: Sync {
    /// Where one is.
    type Place: Send + Sync;

    /// Has one server scan a stream within `share`. A fault is our own.
    fn ask(
        &self,
        server: &Server<Self::Place>,
        stream: &Stream,
        share: Duration,
        now: Time,
    ) -> impl Future<Output = Result<Tried, Fault>> + Send;
}

/// What servers said of a whole mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scanned {
    /// Their answers to each stream that was not clean, each once: never [`Answer::Unscanned`].
    pub answers: Vec<Answer>,
    /// Whose answer it is, and what that one says of itself where it is known.
    pub by: String,
}

/// All servers, and how they are asked.
pub struct Round<P> {
    voice: &'static Voice,
    servers: Vec<Server<P>>,
    bounds: Bounds,
    scans: Semaphore,
    next: AtomicUsize,
    /// What is remembered of them.
    pub health: Health,
    /// Where work is done that takes time.
    pub compute: Compute,
}

/// A moment of the clock by which deadlines sleep.
#[expect(clippy::disallowed_methods, reason = "a wait is measured, no time of day is taken")]
pub fn instant() -> Instant {
    Instant::now()
}

impl<P: Send + Sync> Round<P> {
    /// The servers of an engine.
    pub fn new(voice: &'static Voice, servers: Vec<Server<P>>, bounds: Bounds, services: &Services) -> Round<P> {
        Round {
            voice,
            servers,
            bounds,
            scans: Semaphore::new(usize::from(bounds.scans)),
            next: AtomicUsize::new(0),
            health: Health::new(voice, services),
            compute: services.compute.clone(),
        }
    }

    /// All of them.
    pub fn servers(&self) -> &[Server<P>] {
        &self.servers
    }

    /// Waits until a mail may be scanned: as long as the permit is held, and until then.
    pub async fn begin(&self) -> Result<(SemaphorePermit<'_>, Instant), Fault> {
        let until = instant() + self.bounds.deadline.0;
        match timeout_at(until, self.scans.acquire()).await {
            Ok(Ok(permit)) => Ok((permit, until)),
            Ok(Err(_)) | Err(_) => Err(self.voice.full.clone()),
        }
    }

    /// Walks over a mail, of which so many octets may be taken, before `until`: where the session is if that takes no time.
    pub async fn walk<T: Send + 'static>(
        &self,
        message: &Arc<Message>,
        until: Instant,
        with: impl FnOnce(&Arc<Message>, u64, &dyn Fn() -> bool) -> T + Send + 'static,
    ) -> Result<T, Fault> {
        let most = self.bounds.max_size;
        if message.len() <= SMALL {
            return Ok(with(message, most, &|| false));
        }
        let message = Arc::clone(message);
        let work = move |budget: &Budget| with(&message, most, &|| budget.is_spent());
        let walked = timeout_at(until, self.compute.run(work)).await;
        walked.map_err(|_| self.voice.late.clone())?
    }

    /// The servers in the order in which they are asked about this mail.
    fn order(&self) -> impl Iterator<Item = &Server<P>> {
        let first = match self.bounds.order {
            Order::Given => 0,
            Order::RoundRobin => self.next.fetch_add(1, Ordering::Relaxed) % self.servers.len().max(1),
        };
        let (before, after) = self.servers.split_at(first);
        after.iter().chain(before)
    }

    /// Has one stream scanned before `until`; `lost` counts the servers that were lost with this mail.
    pub async fn ask<E: Engine<Place = P>>(
        &self,
        engine: &E,
        stream: &Stream,
        until: Instant,
        now: Time,
        lost: &mut usize,
    ) -> Result<(Answer, &Server<P>), Fault> {
        let mut there = Vec::new();
        for server in self.order() {
            if !self.health.is_out(server, now).await {
                there.push(server);
            }
        }
        let (mut fault, mut small) = (self.voice.absent.clone(), None);
        let mut left = there.len();
        for server in there {
            left = left.saturating_sub(1);
            let rest = until.saturating_duration_since(instant());
            let share = if left > 0 { rest / 2 } else { rest };
            match engine.ask(server, stream, share, now).await? {
                // Another one may take more.
                Tried::Answered(Answer::TooLarge) => drop(small.get_or_insert(server)),
                Tried::Answered(answer) => {
                    self.health.is_there(server);
                    return Ok((answer, server));
                }
                Tried::Failed(why) => fault = why,
                Tried::Lost(why) => {
                    fault = why;
                    *lost = lost.saturating_add(1);
                    if *lost >= LOST_MAX {
                        break;
                    }
                }
            }
        }
        small.map(|server| (Answer::TooLarge, server)).ok_or(fault)
    }

    /// A server is not there.
    pub async fn absent(&self, server: &Server<P>, why: &str, now: Time) -> Tried {
        self.health.is_gone(server, why, now).await;
        Tried::Failed(self.voice.absent.clone())
    }
}
