//! Mail for a mail server that is away (P-41): who is granted all the same, and what goes into the queue.
//!
//! **Invariants:** mail waits only where each recipient's domain asked for that and each is known to exist, by a list or by
//! the mail server's own answer; it has been seen by all filters; it is in the queue, all of it, before the client hears 250,
//! and none of it otherwise. What a server says that is there is the answer, and a server that was lost after the dot may
//! have the mail: neither goes to the queue. **Absent on purpose:** mail to the world, which waits with whoever sent it.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::message::reading::registrable;
use gatepost_core::message::{Edits, Message};
use gatepost_core::smtp::relay::{Loss, What, Whose};
use gatepost_core::{Caller, Direction, Domain, Holding, NotTaken, Proof, Queued, Reply, SpfResult, SpfScope};

use super::accept::{Gone, KEEPING};
use super::{Class, Guest, Transaction};
use crate::ledger;
use crate::recipients::{Known, Looked};
use crate::refusal::{self, Places, relayed, worded};
use crate::run::guarded;
use crate::scene::Scene;
use crate::settle::Batch;
use crate::ways::Ways;

/// How long mail that is to wait may wait for a proof of its sender.
const PROVING: Duration = Duration::from_secs(15);

/// The word on a recipient.
pub(super) enum Word {
    /// The mail server's.
    Said(Reply),
    /// Ours, since the mail server says none.
    Ours(Reply),
    /// The mail server is away: the recipient's mail waits.
    Waits,
}

/// Whether a mail server that was lost so has not got the mail, and another try may find it well.
pub(super) fn is_away(loss: &Loss) -> bool {
    loss.whose == Whose::Upstream && !loss.after_dot
}

fn exists(guest: &Guest, looked: Option<&Looked>) -> bool {
    guest.role || looked.is_some_and(|looked| looked.known == Some(Known::Yes))
}

/// Whether mail to all these domains may wait.
fn holding<'g>(scene: &Scene<'_>, guests: impl IntoIterator<Item = &'g Guest>) -> Holding {
    let queue = scene.pipeline.services().queue.as_ref();
    let Some(queue) = queue.filter(|_| scene.pipeline.routes().is_inbound()) else {
        return Holding::Never;
    };
    let mut all = Holding::Yes;
    for guest in guests {
        match guest
            .domain
            .as_deref()
            .map_or(Holding::Never, |domain| queue.holds(domain))
        {
            Holding::Never => return Holding::Never,
            Holding::Full => all = Holding::Full,
            Holding::Yes => {}
        }
    }
    all
}

impl Transaction {
    /// Whether the mail server need not be asked about a recipient: mail of this transaction waits already, or may, and the
    /// server is believed to be away.
    pub(super) fn need_not_ask(
        &self,
        scene: &Scene<'_>,
        ways: &Ways,
        route: &str,
        guest: &Guest,
        looked: Option<&Looked>,
    ) -> bool {
        let may = || exists(guest, looked) && holding(scene, [guest]) == Holding::Yes;
        self.waits || (self.accepted == 0 && may() && ways.is_away(route))
    }

    /// The word on a recipient about whom the mail server gave no answer.
    pub(super) fn unanswered(
        &mut self,
        scene: &Scene<'_>,
        guest: &Guest,
        looked: Option<&Looked>,
        loss: &Loss,
    ) -> Word {
        if self.accepted > 0 {
            // Those whom it accepted before are known by that very answer.
            self.waits = is_away(loss) && holding(scene, &self.guests) == Holding::Yes;
            self.lost = !self.waits;
        }
        if self.lost || !is_away(loss) {
            return Word::Ours(relayed(self.unheard(scene, looked, loss)));
        }
        self.while_away(scene, guest, looked, loss)
    }

    /// The word on a recipient whose mail server is away.
    fn while_away(&mut self, scene: &Scene<'_>, guest: &Guest, looked: Option<&Looked>, loss: &Loss) -> Word {
        match holding(scene, [guest]) {
            Holding::Yes if exists(guest, looked) => {
                self.waits = true;
                Word::Waits
            }
            Holding::Full if exists(guest, looked) => Word::Ours(self.worded(scene, None, refusal::NO_ROOM)),
            _ => Word::Ours(relayed(self.unheard(scene, looked, loss))),
        }
    }

    /// The same where it was not asked.
    pub(super) fn unasked(&mut self, scene: &Scene<'_>, guest: &Guest, looked: Option<&Looked>) -> Word {
        self.while_away(scene, guest, looked, &Loss::new(Whose::Upstream, What::Unreachable))
    }

    /// Whether the mail may wait whose server was lost before it had it; otherwise what the client hears.
    pub(super) fn may_wait(&self, scene: &Scene<'_>, loss: &Loss) -> Result<(), Reply> {
        let may = match is_away(loss) {
            true => holding(scene, &self.guests),
            false => Holding::Never,
        };
        match may {
            Holding::Yes => Ok(()),
            Holding::Full => Err(worded(refusal::NO_ROOM, Places::id(&self.record.id))),
            Holding::Never => Err(relayed(loss.reply())),
        }
    }

    /// Puts the batches of a mail into the queue, all of them or none; the answer.
    pub(super) async fn enqueue(
        &mut self,
        scene: &Scene<'_>,
        ways: &mut Ways,
        message: &Arc<Message>,
        gone: Gone<'_>,
        stamp: &Edits,
        batches: &[Batch],
    ) -> Result<Reply, Reply> {
        if std::mem::take(&mut self.touched) {
            ways.reset().await;
        }
        if let Some(Class::Route { route, .. }) = &self.class
            && ways.to(route).await.is_some_and(|upstream| upstream.wants_name())
        {
            // Whoever delivers it will want to know; it is remembered for him.
            scene.named().await;
        }
        self.prove(scene, message).await;
        if gone() {
            return Err(refusal::CLIENT_GONE);
        }
        let mails = batches.iter().map(|batch| self.queued(scene, message, stamp, batch));
        let taken = match mails.collect::<Option<Vec<Queued>>>() {
            Some(mails) => self.put(scene, mails).await,
            None => return Err(worded(refusal::LOCAL, Places::id(&self.record.id))),
        };
        let reply = match taken {
            Ok(()) => {
                for n in batches.iter().flat_map(|batch| &batch.who) {
                    self.write(self.row(*n), |row| row.went = Some("queue".into()));
                }
                return Ok(worded(refusal::QUEUED, Places::id(&self.record.id)));
            }
            Err(NotTaken::Full(_)) => refusal::NO_ROOM,
            Err(_) => refusal::NOT_KEPT,
        };
        Err(worded(reply, Places::id(&self.record.id)))
    }

    /// A batch as the queue gets it.
    pub(super) fn queued(
        &self,
        scene: &Scene<'_>,
        message: &Arc<Message>,
        stamp: &Edits,
        batch: &Batch,
    ) -> Option<Queued> {
        let Some(Class::Route { route, .. }) = &self.class else {
            return None;
        };
        let recipients = batch.who.iter().filter_map(|n| self.envelope.recipients.get(*n));
        let mut edits = stamp.clone();
        edits.extend(batch.marks.edits.iter().cloned());
        // Nobody waits for a word on each any more.
        let mut params = self.envelope.params.clone();
        params.prdr = false;
        let mut caller = Caller::of(scene.visit);
        if caller.reverse.is_none() && scene.visit.origin == scene.visit.client.address {
            let reverse = scene.names.known().reverse.filter(|reverse| reverse.confirmed);
            caller.reverse = reverse.and_then(|reverse| reverse.name).map(Into::into);
        }
        let queued = Queued::new(
            self.record.id.clone(),
            scene.now,
            route.to_string(),
            caller,
            self.envelope.from.clone(),
            params,
            recipients
                .map(|recipient| (recipient.path.clone(), recipient.params.clone()))
                .collect(),
            Arc::new(edits.apply(message)),
        );
        Some(queued.proven(self.is_proven(scene)))
    }

    /// Gives mails to the queue.
    pub(super) async fn put(&mut self, scene: &Scene<'_>, mails: Vec<Queued>) -> Result<(), NotTaken> {
        let Some(queue) = &scene.pipeline.services().queue else {
            return Err(NotTaken::Fault(gatepost_core::Fault::Unavailable("queue")));
        };
        let taken = guarded(KEEPING, async { Ok(queue.accept(mails).await) }).await;
        let taken = taken.unwrap_or_else(|fault| Err(NotTaken::Fault(fault)));
        if let Err(why) = &taken {
            tracing::error!(id = self.record.id, %why, "the queue did not take mail");
            if self.record.notes.len() < ledger::NOTES_MAX {
                self.record.notes.push(format!("the queue did not take it: {why}"));
            }
        }
        taken
    }

    /// Finds out what proves the envelope sender, where nobody did so far.
    pub(super) async fn prove(&self, scene: &Scene<'_>, message: &Arc<Message>) {
        if scene.visit.direction == Direction::Inbound && !self.envelope.from.is_null() {
            let sender = scene.visit.sender(&self.envelope.from);
            // What becomes known by it is remembered; a fault proves nothing.
            let _ = guarded(PROVING, scene.names.memo.identity(sender, message)).await;
        }
    }

    /// Whether the envelope sender may be told what becomes of the mail: what is known proves that it is from that domain, or
    /// from another one of the same organisation. Of our own people it is proven by their login.
    fn is_proven(&self, scene: &Scene<'_>) -> bool {
        let Some(from) = self.envelope.from.mailbox().map(|from| from.domain()) else {
            return false;
        };
        if scene.visit.direction == Direction::Outbound {
            return scene.visit.login.is_some() && scene.pipeline.routes().is_local(from);
        }
        let sender = scene.visit.sender(&self.envelope.from);
        let known = scene.names.known();
        let spf = known.spf.filter(|(of, _)| *of == sender).map(|(_, spf)| spf);
        let identity = known.identity.filter(|(of, _)| *of == sender);
        let by_spf = spf.is_some_and(|spf| {
            let passes = spf.result == SpfResult::Pass && spf.scope == SpfScope::Mfrom;
            passes && spf.domain.is_some_and(|domain| are_aligned(&domain, from))
        });
        // What a forwarder vouches for is no proof.
        let by_signature = |(domain, proof): &(Domain, Proof)| *proof == Proof::Dkim && are_aligned(domain, from);
        by_spf || identity.is_some_and(|(_, identity)| identity.proven.iter().any(by_signature))
    }
}

/// Whether two domains are of one organisation.
fn are_aligned(one: &Domain, other: &Domain) -> bool {
    let (Domain::Name(a), Domain::Name(b)) = (one, other) else {
        return false;
    };
    let organisation = |name| registrable(name).unwrap_or(name);
    a.eq_ignore_ascii_case(b) || organisation(a).eq_ignore_ascii_case(organisation(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_of_one_organisation_are_aligned() {
        let domain = |text| Domain::parse(text, false).expect("a domain");
        for (one, other, want) in [
            ("b.example", "B.example", true),
            ("mail.b.co.uk", "news.B.co.uk", true),
            ("b.co.uk", "c.co.uk", false),
            ("co.uk", "b.co.uk", false),
            ("b.example", "b.example.org", false),
            ("[192.0.2.1]", "[192.0.2.1]", false),
        ] {
            assert_eq!(are_aligned(&domain(one), &domain(other)), want, "{one} {other}");
        }
    }
}
