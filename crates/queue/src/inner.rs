//! What all parts of the queue share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use gatepost_core::message::Edited;
use gatepost_core::{Clock, Fault, Kept, NotTaken, Path, Reply, Seed};
use tokio::sync::Notify;

use crate::giveup::{NOTICES, waited};
use crate::schedule::{Item, Schedule};
use crate::spool::{Entry, Head, Id, Line, Mail, New, Progress, Quota, Spool};
use crate::terms::Published;
use crate::told::{Event, Follower, What, Word};
use crate::ways::Resting;

/// The queue, behind its handles.
pub(crate) struct Inner {
    pub spool: Spool,
    schedule: Mutex<Schedule>,
    published: RwLock<Arc<Published>>,
    pub resting: Resting,
    pub kept: Arc<dyn Kept>,
    pub clock: Arc<dyn Clock>,
    pub seed: Seed,
    pub follower: Arc<dyn Follower>,
    /// Rung when there may be something to do.
    pub bell: Notify,
    count: AtomicU64,
    /// What became of recipients and could not be written: as long as we live, nobody gets it twice for that.
    unwritten: Mutex<BTreeMap<Id, Progress>>,
}

impl Inner {
    pub fn new(
        spool: Spool,
        published: Published,
        kept: Arc<dyn Kept>,
        clock: Arc<dyn Clock>,
        seed: Seed,
        follower: Arc<dyn Follower>,
    ) -> Inner {
        Inner {
            spool,
            schedule: Mutex::new(Schedule::new(published.settings.pace.clone())),
            published: RwLock::new(Arc::new(published)),
            resting: Resting::default(),
            kept,
            clock,
            seed,
            follower,
            bell: Notify::new(),
            count: AtomicU64::new(0),
            unwritten: Mutex::default(),
        }
    }

    pub fn schedule(&self) -> MutexGuard<'_, Schedule> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn published(&self) -> Arc<Published> {
        Arc::clone(&self.published.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn unwritten(&self) -> MutexGuard<'_, BTreeMap<Id, Progress>> {
        self.unwritten.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down what became of a mail's recipients. Where that fails it is remembered here, and holds all the same.
    pub async fn write_progress(&self, entry: &Entry, progress: &Progress) -> Result<(), String> {
        match self.spool.settle(entry, progress).await {
            Ok(()) => {
                self.unwritten().remove(&entry.id);
                Ok(())
            }
            Err(error) => {
                self.unwritten().insert(entry.id, progress.clone());
                Err(format!("what became of its recipients cannot be written: {error}"))
            }
        }
    }

    /// What became of a mail's recipients, where that could not be written.
    pub fn remembered(&self, id: Id) -> Option<Progress> {
        self.unwritten().get(&id).cloned()
    }

    /// Removes a mail; whether there was one.
    pub async fn let_go(&self, entry: &Entry) -> Result<bool, Fault> {
        let mut there = self.spool.remove(entry).await?;
        if !there {
            // A change of its marks that failed half-way may have left it under another name.
            match self.spool.find(entry).await? {
                Some(found) => there = self.spool.remove(&found).await?,
                None => self.spool.forget(entry),
            }
        }
        self.unwritten().remove(&entry.id);
        Ok(there)
    }

    /// Another configuration, from now on.
    pub fn publish(&self, published: Published) {
        let published = Arc::new(published);
        *self.published.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&published);
        let mut schedule = self.schedule();
        schedule.set_pace(published.pace());
        schedule.set_hold(&|domain| published.hold(domain));
        schedule.renew();
        drop(schedule);
        self.bell.notify_one();
    }

    /// Enters what was found in the spool, a domain after the other, and lets go of it: there may be much.
    pub fn enter_found(&self, lines: Vec<Line>) {
        let published = self.published();
        let mut schedule = self.schedule();
        for Line { domain, mails } in lines {
            let hold = published.hold(&domain);
            let item = |mail: Mail| (mail.id, Item::of(&mail.of(&domain), hold));
            schedule.enter(&domain, mails.into_iter().map(item));
        }
        drop(schedule);
        self.bell.notify_one();
    }

    /// Enters mails that are in the spool.
    pub fn enter(&self, entries: &[Entry]) {
        let published = self.published();
        let mut schedule = self.schedule();
        for entry in entries {
            let item = Item::of(entry, published.hold(&entry.domain));
            schedule.add(&entry.domain, entry.id, item);
        }
        // Whoever waits for a server that is away wakes nobody: what is due later is seen then.
        let is_due = schedule.wakes().is_some_and(|time| time <= self.clock.now());
        drop(schedule);
        if is_due {
            self.bell.notify_one();
        }
    }

    /// Takes mails, all of them or none, and enters them.
    pub async fn take_in(&self, mails: Vec<(Head, Arc<Edited>)>) -> Result<(), NotTaken> {
        let published = self.published();
        let heads: Vec<Head> = mails.iter().map(|(head, _)| head.clone()).collect();
        let mails = mails.into_iter().map(|(head, message)| New {
            quota: published.quota(&head.domain),
            head,
            message,
        });
        let entries = self.spool.accept(mails.collect()).await?;
        self.enter(&entries);
        for (entry, head) in entries.iter().zip(&heads) {
            let to = head.recipients.iter().map(|(to, _)| to);
            let word = Word {
                route: Some(&head.route),
                ..Word::default()
            };
            self.note(entry, head, What::Accepted, word, to);
        }
        Ok(())
    }

    /// A number that nobody guesses and nothing else has.
    pub fn number(&self) -> u64 {
        let count = self.count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        self.seed
            .hash(&[b"notice", &self.clock.now().millis().to_be_bytes(), &count])
    }

    /// Tells what happened to some recipients.
    pub fn note<'a>(
        &self,
        entry: &Entry,
        head: &Head,
        what: What,
        word: Word<'_>,
        recipients: impl Iterator<Item = &'a Path>,
    ) {
        self.follower.told(&Event {
            what,
            id: entry.id.to_string(),
            transaction: head.transaction.clone(),
            domain: entry.domain.to_string(),
            from: head.from.to_string(),
            recipients: recipients.map(ToString::to_string).collect(),
            route: word.route.map(str::to_owned),
            went: word.went.map(str::to_owned),
            said: word.said.to_owned(),
            waited: waited(entry, self.clock.now()),
            size: entry.size,
        });
    }

    /// The same of recipients by their places, each with what its server said; those with the same word together.
    pub fn told(&self, entry: &Entry, head: &Head, what: What, word: Word<'_>, who: &[(usize, &Reply)]) {
        let mut left: Vec<(usize, &Reply)> = who.to_vec();
        while let Some((_, reply)) = left.first().copied() {
            let (same, other): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, said)| **said == *reply);
            let to = same
                .iter()
                .filter_map(|(n, _)| head.recipients.get(*n))
                .map(|(to, _)| to);
            let said = reply.to_string();
            self.note(entry, head, what, Word { said: &said, ..word }, to);
            left = other;
        }
    }

    /// The same with one word for all.
    pub fn told_all(&self, entry: &Entry, head: &Head, what: What, word: Word<'_>, who: &[usize]) {
        let to = who.iter().filter_map(|n| head.recipients.get(*n)).map(|(to, _)| to);
        self.note(entry, head, what, word, to);
    }

    /// Something happened to a mail of which nothing is known but its name.
    pub fn tell_of(&self, entry: &Entry, what: What, said: &str) {
        let mut event = Event::new(what, entry.id.to_string(), "", &*entry.domain);
        event.said = said.to_owned();
        event.waited = waited(entry, self.clock.now());
        event.size = entry.size;
        self.follower.told(&event);
    }
}

impl Published {
    /// How long mail for a domain may wait.
    pub fn hold(&self, domain: &str) -> std::time::Duration {
        self.roads.terms(domain).hold.unwrap_or(self.settings.hold)
    }

    /// How much mail for a domain may wait.
    pub fn quota(&self, domain: &str) -> Quota {
        match domain {
            NOTICES => Quota::NONE,
            _ => self.roads.terms(domain).quota,
        }
    }

    /// How fast mail is tried: where nobody can be told, nobody is warned either.
    pub fn pace(&self) -> crate::schedule::Pace {
        let mut pace = self.settings.pace.clone();
        if self.roads.notices().is_none() {
            pace.warn_after = None;
        }
        pace
    }
}
