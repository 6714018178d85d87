//! Mail that waits here until its mail server takes it.
//!
//! **Invariants:** mail that was accepted is on disk, its name included, before anybody is told; it is delivered in the order
//! of its arrival for each domain; after any crash at any moment it is there once, and what a mail server took is not sent to
//! it again, but for a mail whose answer was just being awaited. **Absent on purpose:** sockets (core's `Upstreams`), which
//! mail may wait (the transaction's affair), rights (the desk's).
//!
//! [`spool`] has the files, `schedule` the order, `deliver` and `giveup` what becomes of one mail, `notice` the words for its
//! sender, `runner` the hands; [`Roads`] is what the configuration says.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

mod deliver;
mod giveup;
mod inner;
mod notice;
mod orders;
mod runner;
mod schedule;
pub mod spool;
mod terms;
mod told;
mod ways;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use gatepost_core::{
    Clock, Depth, Fault, Holding, Kept, Message, NotTaken, Queue, Queued, Seed, Time, Waiting, WaitingId, WaitingMail,
    WaitingOrder,
};

use crate::inner::Inner;
use crate::spool::{Found, Head, Line, OpenError};
use crate::terms::Published;

pub use crate::giveup::{NOTICES, UNDELIVERED};
pub use crate::schedule::Pace;
pub use crate::spool::Spool;
pub use crate::terms::{DomainTerms, Roads, Settings};
pub use crate::told::{Event, Follower, Nobody, What};

/// What a queue stands on.
pub struct Means {
    /// The archive: it gets what nobody took and nobody can be told of.
    pub kept: Arc<dyn Kept>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The installation's secret number.
    pub seed: Seed,
    /// Who is told what becomes of mail.
    pub follower: Arc<dyn Follower>,
}

/// The queue. Cheap to clone.
#[derive(Clone)]
pub struct MailQueue {
    inner: Arc<Inner>,
}

impl MailQueue {
    /// Opens the queue in a folder, and makes it when it is not there. One process at a time. Nothing is delivered before
    /// [`run`](MailQueue::run) or [`step`](MailQueue::step). What was found is told without its
    /// [`lines`](Found::lines), which are in the queue from then on.
    pub fn open(
        folder: &Path,
        settings: Settings,
        roads: Arc<dyn Roads>,
        means: Means,
    ) -> Result<(MailQueue, Found), OpenError> {
        let (spool, mut found) = Spool::open(folder, settings.spool.clone())?;
        let lines = std::mem::take(&mut found.lines);
        Ok((MailQueue::on(spool, lines, settings, roads, means), found))
    }

    /// The same on a spool that was just opened, with what was found in it.
    pub fn on(spool: Spool, lines: Vec<Line>, settings: Settings, roads: Arc<dyn Roads>, means: Means) -> MailQueue {
        let Means {
            kept,
            clock,
            seed,
            follower,
        } = means;
        let published = Published { settings, roads };
        let queue = MailQueue {
            inner: Arc::new(Inner::new(spool, published, kept, clock, seed, follower)),
        };
        let pace = queue.inner.published().pace();
        queue.inner.schedule().set_pace(pace);
        queue.inner.enter_found(lines);
        queue
    }

    /// Another configuration, from now on: mail that waits goes by its routes and terms.
    pub async fn publish(&self, settings: Settings, roads: Arc<dyn Roads>) {
        self.inner.spool.set(settings.spool.clone());
        self.inner.publish(Published { settings, roads });
        // Connections by the old ways are of no more use.
        self.inner.resting.close(self.inner.clock.now(), true).await;
    }

    /// Delivers what is due, until `end`; then waits for what is under way.
    pub async fn run(&self, end: impl Future<Output = ()>) {
        Arc::clone(&self.inner).run(end).await;
    }

    /// Does one thing that is due, to its end; whether there was one.
    pub async fn step(&self) -> bool {
        self.inner.step().await
    }

    /// Looks whether servers that were away are back. [`run`](MailQueue::run) does so every second.
    pub async fn look(&self) {
        self.inner.look().await;
    }

    /// When there is something to do next, unless a server comes back or mail comes.
    pub fn wakes(&self) -> Option<Time> {
        self.inner.wakes()
    }

    /// Backs up all mail that waits into a new or empty folder. Lines for the operator.
    pub async fn backup(&self, to: &Path) -> Result<Vec<String>, Fault> {
        self.inner.spool.backup(to).await
    }

    /// Ends: nothing is taken or changed any more.
    pub async fn close(&self) -> Result<(), Fault> {
        self.inner.spool.close().await
    }

    /// The domains for which mail waits, and how much: mails and octets, in no order.
    pub fn depths(&self) -> Vec<(Arc<str>, spool::Totals)> {
        self.inner.spool.domains()
    }

    /// How much waits, without asking anybody.
    pub fn depth_now(&self) -> Depth {
        let totals = self.inner.spool.totals(None);
        let mut depth = Depth::default();
        depth.mails = totals.mails;
        depth.octets = totals.octets;
        depth.oldest = self.inner.schedule().oldest(None).map(Time::millis);
        depth.damaged = self.inner.spool.damaged_count();
        depth
    }
}

/// The lane of a recipient.
fn lane_of(to: &gatepost_core::Path, hostname: &str) -> String {
    match to.mailbox() {
        Some(mailbox) => mailbox.domain().key(),
        // `<postmaster>` without a domain is ours.
        None => hostname.to_ascii_lowercase(),
    }
}

#[async_trait]
impl Queue for MailQueue {
    fn holds(&self, domain: &str) -> Holding {
        let published = self.inner.published();
        let terms = published.roads.terms(domain);
        match terms.hold {
            None => Holding::Never,
            Some(_) if self.inner.spool.has_room(domain, &terms.quota) => Holding::Yes,
            Some(_) => Holding::Full,
        }
    }

    async fn accept(&self, mails: Vec<Queued>) -> Result<(), NotTaken> {
        let published = self.inner.published();
        let mut split: Vec<(Head, Arc<gatepost_core::Edited>)> = Vec::new();
        for queued in mails {
            let mut lanes: Vec<(String, Vec<_>)> = Vec::new();
            for recipient in &queued.recipients {
                let lane = lane_of(&recipient.0, published.roads.hostname());
                match lanes.iter_mut().find(|(name, _)| *name == lane) {
                    Some((_, recipients)) => recipients.push(recipient.clone()),
                    None => lanes.push((lane, vec![recipient.clone()])),
                }
            }
            for (lane, recipients) in lanes {
                split.push((Head::of(&queued, &lane, recipients), Arc::clone(&queued.message)));
            }
        }
        self.inner.take_in(split).await
    }

    fn domains(&self) -> Vec<String> {
        let domains = self.inner.spool.domains().into_iter();
        domains.map(|(domain, _)| domain.to_string()).collect()
    }

    async fn depth(&self, domain: Option<&str>) -> Result<Depth, Fault> {
        self.inner.depth(domain).await
    }

    async fn list(&self, which: &Waiting) -> Result<Vec<WaitingMail>, Fault> {
        self.inner.list(which).await
    }

    async fn show(&self, id: &WaitingId) -> Result<Option<(WaitingMail, Arc<Message>)>, Fault> {
        self.inner.show(id).await
    }

    async fn order(&self, which: &Waiting, order: WaitingOrder) -> Result<u64, Fault> {
        self.inner.order(which, order).await
    }
}
