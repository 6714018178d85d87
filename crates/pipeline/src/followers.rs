//! Who is told of finished transactions, after the answer: the archive's copies, filters' `observe`, then the observers.
//!
//! **Invariants:** nothing here can change an answer; at most [`Followers::BOUND`] (or what it was made with) tellings go
//! on at once, and a session whose telling finds no place waits before its next answer, so none is dropped; each listener
//! has a time limit, so a drain ends.
//!
//! **How.** What ends within a moment is told at once, by one task that lives as long as there is something to tell: so a
//! loaded proxy writes one batch of lines and records for dozens of mails, and wakes one task for them. A mail whose
//! copies or filters have to wait for something is finished by a task of its own, and nobody else's line waits for it. An
//! observer that waits keeps the others' later mails waiting, within its time limit.

use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use gatepost_core::{Context, Ended, Envelope, Facts, Keeping, Message, Observer, Path, Record, Terms, Time, Visit};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::names::Names;
use crate::pipeline::Pipeline;
use crate::run::guarded;

/// How long one listener may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long what has ended may wait for more that ends.
const MOMENT: Duration = Duration::from_millis(10);
/// So many mails are told of together, at most.
const SOME: usize = 64;
/// A body of more octets is hashed on a thread for work; this much takes a fraction of a millisecond.
const HASHED_HERE: usize = 256 * 1024;

/// The queue behind the answers. Cheap to clone; one for all pipelines, old ones and new.
#[derive(Clone)]
pub struct Followers {
    line: Arc<Line>,
    observers: Arc<[Arc<dyn Observer>]>,
    places: Arc<Semaphore>,
    bound: u32,
    filters: bool,
}

/// Those that are to be told.
#[derive(Default)]
struct Line {
    waiting: Mutex<Waiting>,
    /// Somebody waits for the end of it.
    hurry: Notify,
}

#[derive(Default)]
struct Waiting {
    finished: Vec<(Box<Finished>, OwnedSemaphorePermit)>,
    /// Copies, hash and filters are done, elsewhere.
    ended: Vec<(Ended, OwnedSemaphorePermit)>,
    /// There is a task that will look here.
    tended: bool,
}

impl Line {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A transaction that is over, with all that listeners may want to see.
pub struct Finished {
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) record: Record,
    pub(crate) visit: Visit,
    pub(crate) names: Arc<Names>,
    pub(crate) envelope: Option<Envelope>,
    pub(crate) facts: Facts,
    pub(crate) message: Option<Arc<Message>>,
    pub(crate) copies: Vec<(Terms, Vec<Path>)>,
    pub(crate) at: Time,
    /// The mail server took it, so if the client did not hear so it will come again.
    pub(crate) delivered: bool,
}

impl Followers {
    /// How many tellings go on at once unless said otherwise.
    pub const BOUND: u32 = 1_000;

    /// Observers, and how many tellings may go on at once (at least one).
    pub fn new(observers: Vec<Arc<dyn Observer>>, bound: u32) -> Followers {
        let bound = bound.clamp(1, 1 << 20);
        Followers {
            line: Arc::default(),
            observers: observers.into(),
            places: Arc::new(Semaphore::new(bound as usize)),
            bound,
            filters: true,
        }
    }

    /// The same without telling filters: for a replay, which must not teach them.
    #[must_use]
    pub fn without_filters(mut self) -> Followers {
        self.filters = false;
        self
    }

    /// How many tellings have not ended yet.
    pub fn waiting(&self) -> usize {
        (self.bound as usize).saturating_sub(self.places.available_permits())
    }

    /// Waits until all tellings so far have ended.
    pub async fn drained(&self) {
        self.line.hurry.notify_one();
        // All places at once are free only when nobody has one; they are given back at once.
        drop(self.places.acquire_many(self.bound).await);
    }

    /// Begins to tell, or gives back what finds no place now.
    pub(crate) fn offer(&self, finished: Box<Finished>) -> Result<(), Box<Finished>> {
        match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => {
                self.begin(finished, place);
                Ok(())
            }
            Err(_) => Err(finished),
        }
    }

    /// Waits for a place and begins to tell.
    pub(crate) async fn tell(&self, finished: Box<Finished>) {
        // The semaphore is never closed.
        if let Ok(place) = Arc::clone(&self.places).acquire_owned().await {
            self.begin(finished, place);
        }
    }

    fn begin(&self, finished: Box<Finished>, place: OwnedSemaphorePermit) {
        self.line_up(|waiting| waiting.finished.push((finished, place)));
    }

    fn line_up(&self, add: impl FnOnce(&mut Waiting)) {
        let mut waiting = self.line.waiting();
        add(&mut waiting);
        if !std::mem::replace(&mut waiting.tended, true) {
            tokio::spawn(self.clone().tend());
        }
    }

    /// Tells until there is nobody left to be told of.
    async fn tend(self) {
        loop {
            self.pause().await;
            let (finished, ended) = {
                let mut waiting = self.line.waiting();
                if waiting.finished.is_empty() && waiting.ended.is_empty() {
                    waiting.tended = false;
                    return;
                }
                (
                    std::mem::take(&mut waiting.finished),
                    std::mem::take(&mut waiting.ended),
                )
            };
            // Should this panic, the next are told all the same.
            let _ = AssertUnwindSafe(self.tell_all(finished, ended)).catch_unwind().await;
        }
    }

    /// Waits a moment for more, unless half of the places are taken already or somebody waits for the end.
    async fn pause(&self) {
        if self.waiting() * 2 >= self.bound as usize {
            return;
        }
        tokio::select! {
            () = tokio::time::sleep(MOMENT) => {}
            () = self.line.hurry.notified() => {}
        }
    }

    async fn tell_all(
        &self,
        finished: Vec<(Box<Finished>, OwnedSemaphorePermit)>,
        ended: Vec<(Ended, OwnedSemaphorePermit)>,
    ) {
        let (mut ended, mut places): (Vec<_>, Vec<_>) = ended.into_iter().unzip();
        for (n, (finished, place)) in finished.into_iter().enumerate() {
            if n % SOME == SOME - 1 {
                tokio::task::yield_now().await;
            }
            let id = finished.record.id.clone();
            let mut conclude = Box::pin(AssertUnwindSafe(finished.conclude(self.filters)).catch_unwind());
            match poll_fn(|cx| Poll::Ready(conclude.as_mut().poll(cx))).await {
                Poll::Ready(Ok(one)) => {
                    ended.push(one);
                    places.push(place);
                }
                Poll::Ready(Err(_)) => tracing::error!(id, "a panic: nobody is told of this mail"),
                Poll::Pending => {
                    let followers = self.clone();
                    tokio::spawn(async move {
                        match conclude.await {
                            Ok(one) => followers.line_up(|waiting| waiting.ended.push((one, place))),
                            Err(_) => tracing::error!(id, "a panic: nobody is told of this mail"),
                        }
                    });
                }
            }
        }
        for observer in self.observers.iter() {
            for some in ended.chunks(SOME) {
                let told = async {
                    observer.observe_all(some).await;
                    Ok(())
                };
                if let Err(fault) = guarded(PATIENCE, told).await {
                    let ids: Vec<&str> = some.iter().map(|one| &*one.record.id).collect();
                    tracing::warn!(ids = ids.join(" "), %fault, "an observer failed to take note of these mails");
                }
            }
        }
    }
}

impl Finished {
    /// Copies, hash, and filters that take note.
    async fn conclude(mut self: Box<Self>, filters: bool) -> Ended {
        self.keep_copies().await;
        self.record.hash = self.hash().await;
        let Finished {
            pipeline,
            record,
            visit,
            names,
            envelope,
            facts,
            message,
            at,
            ..
        } = &*self;
        if filters && pipeline.tiers().iter().flatten().next().is_some() {
            let mut cx = Context::new(*at, visit, &names.memo).with_facts(*facts);
            cx = envelope.iter().fold(cx, Context::with_envelope);
            cx = message.iter().fold(cx, Context::with_message);
            let domains = domains(envelope.as_ref());
            let domains: Vec<Option<&str>> = domains.iter().map(|domain| domain.as_deref()).collect();
            for slot in pipeline.tiers().iter().flatten() {
                for (filter, _) in slot.speaking_for(&domains) {
                    let told = async {
                        filter.observe(&cx, record, message.as_ref()).await;
                        Ok(())
                    };
                    if let Err(fault) = guarded(PATIENCE, told).await {
                        tracing::warn!(filter = &*slot.name, id = record.id, %fault, "a filter failed to take note of a mail");
                    }
                }
            }
        }
        Ended {
            record: self.record,
            message: self.message,
        }
    }

    async fn hash(&self) -> Option<String> {
        let message = self.message.as_ref()?;
        if message.body().whole().is_some_and(|body| body.len() <= HASHED_HERE) {
            return Record::hash_of(message);
        }
        let message = Arc::clone(message);
        let hashed = self
            .pipeline
            .services()
            .compute
            .run(move |_| Record::hash_of(&message))
            .await;
        hashed.ok().flatten()
    }

    /// Keeps the copies that nobody's answer rests on, and writes down where they are for whom the mail went nowhere else:
    /// what was learned from a copy goes with it.
    async fn keep_copies(&mut self) {
        let (Some(message), Some(envelope)) = (&self.message, &self.envelope) else {
            return;
        };
        for (terms, who) in std::mem::take(&mut self.copies) {
            let keeping = Keeping::new(
                &self.record.id,
                self.at,
                &envelope.from,
                who.iter().collect(),
                message,
                &terms,
            )
            .at_listener(&self.visit.listener);
            let kept = async { self.pipeline.services().kept.keep(keeping).await };
            let note = match guarded(PATIENCE, kept).await {
                Ok(id) => {
                    for row in self.record.recipients.iter_mut().filter(|row| row.went.is_none()) {
                        if who.iter().any(|path| path.to_string() == row.to) {
                            row.went = Some(format!("kept:{id}"));
                        }
                    }
                    format!("a copy is kept ({}): {id}", terms.reason)
                }
                Err(fault) => format!("no copy is kept ({}): {fault}", terms.reason),
            };
            self.record.notes.push(note);
        }
    }
}

fn domains(envelope: Option<&Envelope>) -> Vec<Option<Box<str>>> {
    let recipients = envelope.map_or(&[][..], |envelope| &envelope.recipients);
    let mut domains: Vec<_> = recipients
        .iter()
        .map(|to| to.domain().map(|domain| domain.key().into()))
        .collect();
    domains.sort();
    domains.dedup();
    if domains.is_empty() {
        domains.push(None);
    }
    domains
}
