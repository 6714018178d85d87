//! What is done with mail that is accepted: kept, handed over, delivered, and rescued where that fails too late.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::message::{Edit, Edits, Message};
use gatepost_core::smtp::relay::{Loss, What, Whose};
use gatepost_core::{Consignment, Context, Delivery, Direction, Envelope, Filter, Keeping, KeptId, Reply, Terms};
use tokio::time::Instant;

use super::{Class, Transaction};
use crate::refusal::{self, Places, relayed, worded};
use crate::run::{Deadline, guarded, ticks};
use crate::scene::Scene;
use crate::settle::{Batch, Copy};
use crate::stamp::Stamp;
use crate::ways::Ways;

/// How long the archive or the queue may take for one mail.
pub(super) const KEEPING: Duration = Duration::from_secs(30);

/// How long mail that nobody asked about may wait for what stands on it.
const PROVING: Duration = Duration::from_secs(15);

/// How long deliveries to recipients with other marks may go on after the first one: the client waits for the reply, and whoever
/// gives up brings the mail once more, to all of them (P-23).
pub(super) const LATER: Duration = Duration::from_secs(30);

/// The last look: whether the client has hung up.
pub(super) type Gone<'a> = &'a (dyn Fn() -> bool + Send + Sync);

/// How a delivery ended.
pub(super) struct Went {
    /// The mail server's word.
    pub(super) reply: Reply,
    /// Recipients about whom it said something else; they have nothing.
    pub(super) refused: Vec<(usize, Reply)>,
}

/// What [`Transaction::accept`] does.
pub(super) struct Acceptance {
    pub(super) held: Vec<Copy>,
    pub(super) taken: Vec<(usize, Option<Arc<str>>)>,
    pub(super) batches: Vec<Batch>,
}

/// Whether a tag goes before the subject, which signatures nearly always cover.
fn breaks_signature(batch: &Batch) -> bool {
    batch.marks.edits.iter().any(|edit| matches!(edit, Edit::Subject(_)))
}

impl Transaction {
    /// Keeps, hands over and delivers, in this order. The first that fails decides the answer, and what was kept before is
    /// taken back.
    pub(super) async fn accept(
        &mut self,
        scene: &Scene<'_>,
        ways: &mut Ways,
        message: &Arc<Message>,
        gone: Gone<'_>,
        deadline: Deadline,
        acceptance: Acceptance,
    ) -> Reply {
        let mut kept = Vec::new();
        let held: Vec<usize> = acceptance.held.iter().flat_map(|copy| copy.who.clone()).collect();
        let done = self
            .accept_all(scene, ways, message, gone, deadline, acceptance, &mut kept)
            .await;
        let reply = match done {
            Ok(reply) => return reply,
            Err(reply) => reply,
        };
        self.withdraw(scene, kept).await;
        if !self.unsaved.is_empty() {
            self.half_done(&held);
            return reply;
        }
        self.withhold(ways, if reply.is_permanent() { "refuse" } else { "defer" })
            .await;
        reply
    }

    /// Some have their copies, and the mail comes again for the others: what became of it for each of these.
    fn half_done(&mut self, held: &[usize]) {
        let again: Vec<usize> = self.unsaved.iter().chain(held).copied().collect();
        for n in again {
            self.write(self.row(n), |row| {
                row.fate = "defer".into();
                row.went = None;
            });
        }
        let (lost, all) = (self.unsaved.len(), self.guests.len());
        let note =
            format!("{lost} of {all} copies could be saved nowhere: the mail comes again, and others get it once more");
        self.record.notes.push(note);
    }

    /// Takes back what was kept of mail that is not accepted.
    pub(super) async fn withdraw(&mut self, scene: &Scene<'_>, kept: Vec<KeptId>) {
        for id in kept {
            let withdrawn = guarded(KEEPING, scene.pipeline.services().kept.withdraw(&id)).await;
            if let Err(fault) = withdrawn {
                tracing::error!(id = self.record.id, kept = %id, %fault, "a kept copy of mail that was not accepted stays");
                self.record.notes.push(format!("kept:{id} was not withdrawn: {fault}"));
            }
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one step of `accept`, which alone calls it")]
    async fn accept_all(
        &mut self,
        scene: &Scene<'_>,
        ways: &mut Ways,
        message: &Arc<Message>,
        gone: Gone<'_>,
        deadline: Deadline,
        acceptance: Acceptance,
        kept: &mut Vec<KeptId>,
    ) -> Result<Reply, Reply> {
        let Acceptance { held, taken, batches } = acceptance;
        for copy in &held {
            match self.keep(scene, message, &copy.who, &copy.terms).await {
                Some(id) => kept.push(id),
                None => return Err(worded(refusal::NOT_KEPT, Places::id(&self.record.id))),
            }
        }
        let mut answer = None;
        if let Some((_, taker)) = taken.first() {
            answer = Some(self.hand_over(scene, message, deadline, taker.as_deref()).await?);
            for (n, taker) in &taken {
                self.write(self.row(*n), |row| row.went = taker.as_deref().map(Into::into));
            }
        }
        if !batches.is_empty() {
            let edits = self.stamp(scene, message, &batches).await;
            answer = Some(self.send(scene, ways, message, gone, &edits, &batches).await?);
        } else if self.touched {
            ways.reset().await;
        }
        for copy in &held {
            for n in &copy.who {
                self.write(self.row(*n), |row| {
                    if row.fate == "refuse" {
                        row.fate = "hold".into();
                    }
                });
            }
        }
        Ok(answer.unwrap_or_else(|| worded(refusal::KEPT, Places::id(&self.record.id))))
    }

    /// Delivers in batches, or puts them into the queue while the mail server is away. The first one's fate is the answer.
    async fn send(
        &mut self,
        scene: &Scene<'_>,
        ways: &mut Ways,
        message: &Arc<Message>,
        gone: Gone<'_>,
        edits: &Edits,
        batches: &[Batch],
    ) -> Result<Reply, Reply> {
        let Some((first, rest)) = batches.split_first() else {
            return Err(worded(refusal::LOCAL, Places::id(&self.record.id)));
        };
        if !rest.is_empty() && !self.waits && scene.pipeline.services().queue.is_some() {
            // What fails after the first one goes to the queue, and nothing is asked then any more.
            self.prove(scene, message).await;
        }
        if !self.waits {
            match self.deliver(ways, message, gone, edits, first).await {
                Ok(Went { reply, refused }) if reply.is_done() => {
                    self.delivered = true;
                    self.rescue_refused(scene, message, edits, first, refused).await;
                    let until = ticks() + LATER;
                    for batch in rest {
                        match self.deliver_later(ways, message, edits, batch, until).await {
                            Ok(Went { reply, refused }) if reply.is_done() => {
                                self.rescue_refused(scene, message, edits, batch, refused).await;
                            }
                            Ok(Went { reply, .. }) => self.rescue(scene, message, edits, batch, &reply).await,
                            Err(loss) => {
                                self.rescue(scene, message, edits, batch, &relayed(loss.reply())).await;
                            }
                        }
                    }
                    return match self.unsaved.is_empty() {
                        true => Ok(reply),
                        false => Err(worded(refusal::NOT_KEPT, Places::id(&self.record.id))),
                    };
                }
                Ok(Went { reply, .. }) => return Err(reply),
                Err(loss) => self.may_wait(scene, &loss)?,
            }
            self.waits = true;
        }
        let reply = self.enqueue(scene, ways, message, gone, edits, batches).await?;
        self.delivered = true;
        Ok(reply)
    }

    /// Keeps a copy; its id, or nothing where that failed.
    pub(super) async fn keep(
        &mut self,
        scene: &Scene<'_>,
        message: &Arc<Message>,
        who: &[usize],
        terms: &Terms,
    ) -> Option<KeptId> {
        let Envelope { from, .. } = &self.envelope;
        let keeping = Keeping::new(&self.record.id, scene.now, from, self.paths(who), message, terms)
            .at_listener(&scene.visit.listener);
        match guarded(KEEPING, scene.pipeline.services().kept.keep(keeping)).await {
            Ok(id) => {
                for n in who {
                    self.write(self.row(*n), |row| row.went = Some(format!("kept:{id}")));
                }
                Some(id)
            }
            Err(fault) => {
                tracing::error!(id = self.record.id, reason = &*terms.reason, %fault, "mail could not be kept");
                self.record.notes.push(format!("not kept ({}): {fault}", terms.reason));
                None
            }
        }
    }

    /// Gives the mail to the filter that asked for its recipients.
    async fn hand_over(
        &mut self,
        scene: &Scene<'_>,
        message: &Arc<Message>,
        deadline: Deadline,
        taker: Option<&str>,
    ) -> Result<Reply, Reply> {
        let failed = || worded(refusal::NOT_TAKEN, Places::id(&self.record.id));
        let domain = self.guests.first().and_then(|guest| guest.domain.as_deref());
        let slot = taker.and_then(|name| scene.pipeline.slot(name)).ok_or_else(failed)?;
        let filter: &dyn Filter = match slot.speaking_for(&[domain]).into_iter().next() {
            Some((filter, _)) => &**filter,
            None => return Err(failed()),
        };
        let cx = Context::new(scene.now, scene.visit, &scene.names.memo).with_facts(scene.facts);
        let cx = cx.with_envelope(&self.envelope).with_message(message);
        let left = deadline.hard.saturating_duration_since(ticks());
        match guarded(left, filter.take(&cx, message)).await {
            Ok(reply) => {
                let reply = relayed(reply);
                if reply.is_done() { Ok(reply) } else { Err(reply) }
            }
            Err(fault) => {
                tracing::error!(id = self.record.id, filter = taker, %fault, "a filter could not handle the mail it took");
                let reply = failed();
                self.record.notes.push(format!(
                    "{} could not handle the mail: {fault}",
                    taker.unwrap_or_default()
                ));
                Err(reply)
            }
        }
    }

    /// The edits that every delivery gets. What is proven of a mail whose signature a tag will break stands on it in any
    /// case (P-54).
    pub(super) async fn stamp(&mut self, scene: &Scene<'_>, message: &Arc<Message>, batches: &[Batch]) -> Edits {
        let sender = scene.visit.sender(&self.envelope.from);
        let wanted = scene.pipeline.ours().results || batches.iter().any(breaks_signature);
        if wanted && scene.visit.direction == Direction::Inbound {
            // Asked for what becomes known by it; a fault is told by those who know nothing.
            let _ = guarded(PROVING, scene.names.memo.identity(sender.clone(), message)).await;
        }
        let known = scene.names.known();
        let spf = known.spf.filter(|(of, _)| *of == sender).map(|(_, spf)| spf);
        let identity = known
            .identity
            .filter(|(of, _)| *of == sender)
            .map(|(_, identity)| identity);
        let reverse = known
            .reverse
            .filter(|reverse| reverse.confirmed)
            .and_then(|reverse| reverse.name);
        let stamp = Stamp {
            ours: scene.pipeline.ours(),
            visit: scene.visit,
            envelope: &self.envelope,
            id: &self.record.id,
            seed: scene.pipeline.services().seed,
            at_millis: scene.now.millis(),
            reverse: reverse
                .as_deref()
                .filter(|_| scene.visit.origin == scene.visit.client.address),
            spf: spf.as_ref(),
            identity: identity.as_ref(),
        };
        let (edits, notes) = stamp.edits(scene.pipeline.policy().rules(None, None), message);
        self.record.notes.extend(notes);
        edits.into()
    }

    /// One delivery: what the mail server said.
    pub(super) async fn deliver(
        &mut self,
        ways: &mut Ways,
        message: &Arc<Message>,
        gone: Gone<'_>,
        stamp: &Edits,
        batch: &Batch,
    ) -> Result<Went, Loss> {
        let said = |reply| Went {
            reply,
            refused: Vec::new(),
        };
        let Some(upstream) = ways.current() else {
            return Ok(said(refusal::UPSTREAM_LOST));
        };
        let places: Vec<usize> = batch.who.iter().filter_map(|n| self.guests.get(*n)?.place).collect();
        if places.len() != batch.who.len() {
            return Ok(said(worded(refusal::LOCAL, Places::id(&self.record.id))));
        }
        let mut edits = stamp.clone();
        edits.extend(batch.marks.edits.iter().cloned());
        let consignment = Consignment {
            from: &self.envelope.from,
            params: &self.envelope.params,
            to: &places,
            message: edits.apply(message),
            gone,
        };
        let began = ticks();
        let delivery = upstream.deliver(consignment).await;
        self.touched = false;
        self.upstream_took += ticks().saturating_duration_since(began);
        let name = upstream.name().to_owned();
        match delivery {
            Ok(Delivery { reply, refused }) => {
                let reply = relayed(reply);
                if reply.is_done() {
                    for n in &batch.who {
                        self.write(self.row(*n), |row| row.went = Some(name.clone()));
                    }
                }
                let guest = |place| {
                    let is = |n: &&usize| self.guests.get(**n).is_some_and(|guest| guest.place == Some(place));
                    batch.who.iter().find(is).copied()
                };
                let refused = refused.into_iter();
                let refused = refused.filter_map(|(place, reply)| Some((guest(place)?, reply)));
                Ok(Went {
                    reply,
                    refused: refused.collect(),
                })
            }
            Err(loss) => {
                if loss.after_dot {
                    self.record
                        .notes
                        .push("the mail server was lost after the final dot and may have the mail".into());
                }
                Err(loss)
            }
        }
    }

    /// One delivery after another, which the client does not know of: begun until then, and not cut short.
    pub(super) async fn deliver_later(
        &mut self,
        ways: &mut Ways,
        message: &Arc<Message>,
        stamp: &Edits,
        batch: &Batch,
        until: Instant,
    ) -> Result<Went, Loss> {
        if ticks() >= until {
            return Err(Loss::new(Whose::Upstream, What::Silent));
        }
        self.deliver(ways, message, &|| false, stamp, batch).await
    }

    /// The same for those whom the mail server refused at the last.
    async fn rescue_refused(
        &mut self,
        scene: &Scene<'_>,
        message: &Arc<Message>,
        stamp: &Edits,
        batch: &Batch,
        refused: Vec<(usize, Reply)>,
    ) {
        for (who, reply) in refused {
            let rest = Batch {
                who: vec![who],
                marks: batch.marks.clone(),
            };
            self.rescue(scene, message, stamp, &rest, &reply).await;
        }
    }

    /// What some recipients could not get after others got theirs: it goes to the queue if it may yet be taken, else, or
    /// where there is no queue, it is kept. Nobody's copy is bounced. Where there is no archive either, the queue has it and
    /// sees to it that somebody learns of the refusal. What neither takes is the sender's still.
    async fn rescue(&mut self, scene: &Scene<'_>, message: &Arc<Message>, stamp: &Edits, batch: &Batch, reply: &Reply) {
        self.record.notes.push(format!(
            "{} recipients could not be delivered to: {reply}",
            batch.who.len()
        ));
        let may_be_taken = !reply.is_permanent();
        if may_be_taken && self.left_to_queue(scene, message, stamp, batch).await {
            return;
        }
        let kept = self
            .keep(scene, message, &batch.who, &Terms::durable("undelivered"))
            .await;
        if kept.is_none() {
            if !may_be_taken && self.left_to_queue(scene, message, stamp, batch).await {
                return;
            }
            tracing::error!(
                id = self.record.id,
                %reply,
                "neither queue nor archive takes some recipients' copies: the sender keeps the mail, and others get it once more"
            );
            self.unsaved.extend_from_slice(&batch.who);
            if let Some(Class::Route { route, .. }) = &self.class {
                let why = "neither queue nor archive takes copies of mail for this route: its senders hear 451, and each time that \
                           they come again those who have the mail get it once more; make room, or see why the disk fails";
                scene.pipeline.services().alarms.raise("unsaved", route, why);
            }
            return;
        }
        for n in &batch.who {
            self.write(self.row(*n), |row| row.fate = "hold".into());
        }
    }

    /// Puts a batch that could not be delivered into the queue, where there is one; whether it took it.
    async fn left_to_queue(&mut self, scene: &Scene<'_>, message: &Arc<Message>, stamp: &Edits, batch: &Batch) -> bool {
        if scene.pipeline.services().queue.is_none() {
            return false;
        }
        let Some(queued) = self.queued(scene, message, stamp, batch) else {
            return false;
        };
        let taken = self.put(scene, vec![queued]).await.is_ok();
        if taken {
            for n in &batch.who {
                self.write(self.row(*n), |row| row.went = Some("queue".into()));
            }
        }
        taken
    }
}
