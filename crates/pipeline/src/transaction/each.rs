//! Mail whose sender hears about each recipient (PRDR, P-31).
//!
//! **Invariants:** nobody's fate is another's: who is refused or deferred hears that, and the others get the mail all the
//! same; a recipient's 250 is said only once the mail server, the queue or the archive (durably) has that copy, and the last
//! word is 2xx as soon as there is one of them, since a sender takes any other last word for the fate of all; a client that
//! was gone before anything was delivered has got nothing delivered and nothing kept.

use std::sync::Arc;

use gatepost_core::message::{Edits, Message};
use gatepost_core::smtp::relay::Whose;
use gatepost_core::{Direction, Fate, KeptId, Reply, Verdict};

use super::accept::{Gone, LATER, Went};
use super::{Spoken, Transaction};
use crate::judge::Judgement;
use crate::refusal::{self, Places, relayed, worded};
use crate::run::ticks;
use crate::scene::Scene;
use crate::settle::{Apart, Batch, Copy, Settlement, settle_apart};
use crate::ways::Ways;

/// What is said about each recipient, as far as it is known.
type Said = Vec<Option<Reply>>;

impl Transaction {
    /// Whether the client asked for a word on each recipient, and there are several.
    pub(super) fn hears_each(&self) -> bool {
        self.envelope.params.prdr && self.guests.len() > 1
    }

    /// Answers the end of the message, recipient by recipient.
    pub(super) async fn answer_each(
        &mut self,
        scene: &Scene<'_>,
        ways: &mut Ways,
        message: &Arc<Message>,
        gone: Gone<'_>,
        judgements: &[Judgement],
    ) -> Spoken {
        let verdicts: Vec<Verdict> = judgements.iter().map(|judgement| judgement.verdict.clone()).collect();
        let close = judgements.iter().any(|judgement| judgement.close);
        let Apart { said, copies, rest } = settle_apart(&verdicts, self.may_separate(scene));
        // Copies of what is refused are for recipients of ours, who may ask for them.
        let inbound = scene.visit.direction == Direction::Inbound;
        let mut copies = if inbound { copies } else { Vec::new() };
        let mut said: Said = self.worded_each(scene, judgements, said);
        for n in 0..said.len() {
            if let Some(reply) = said.get(n).cloned().flatten() {
                self.tell(&mut said, &[n], &reply);
            }
        }
        match rest {
            Some(Settlement::Accept {
                held,
                batches,
                copies: beside,
                ..
            }) => {
                let mut kept = Vec::new();
                let done = self
                    .accept_each(scene, ways, message, gone, held, batches, &mut said, &mut kept)
                    .await;
                if let Err(reply) = done {
                    self.withdraw(scene, kept).await;
                    self.withhold(ways, "defer").await;
                    return reply.into();
                }
                copies.extend(self.of_accepted(beside, &said));
            }
            _ => self.let_go(ways).await,
        }
        self.copies = self.addressed(copies);
        let local = || worded(refusal::LOCAL, Places::id(&self.record.id));
        let each: Vec<Reply> = said.into_iter().map(|said| said.unwrap_or_else(local)).collect();
        let reply = worded_last(&each, &self.record.id);
        self.each.clone_from(&each);
        Spoken {
            close: close && !reply.is_done(),
            reply,
            each,
        }
    }

    /// The words of refusals and deferrals that are settled.
    fn worded_each(&self, scene: &Scene<'_>, judgements: &[Judgement], said: Said) -> Said {
        let worded = |(n, reply): (usize, Option<Reply>)| {
            let refused = matches!(judgements.get(n)?.verdict.fate, Fate::Refuse(_));
            Some(match reply? {
                reply if refused => self.refused(scene, judgements, &[n], reply),
                reply => self.worded(scene, None, reply),
            })
        };
        said.into_iter().enumerate().map(worded).collect()
    }

    /// Keeps and delivers. An error is said about the whole mail: the client was gone before anything was delivered.
    #[allow(
        clippy::too_many_arguments,
        reason = "one step of `answer_each`, which alone calls it"
    )]
    async fn accept_each(
        &mut self,
        scene: &Scene<'_>,
        ways: &mut Ways,
        message: &Arc<Message>,
        gone: Gone<'_>,
        held: Vec<Copy>,
        batches: Vec<Batch>,
        said: &mut Said,
        kept: &mut Vec<KeptId>,
    ) -> Result<(), Reply> {
        for copy in held {
            let reply = match self.keep(scene, message, &copy.who, &copy.terms).await {
                Some(id) => {
                    kept.push(id);
                    refusal::KEPT
                }
                None => refusal::NOT_KEPT,
            };
            self.tell(said, &copy.who, &worded(reply, Places::id(&self.record.id)));
        }
        if batches.is_empty() {
            self.let_go(ways).await;
            return Ok(());
        }
        let edits = self.stamp(scene, message, &batches).await;
        let (mut delivered, mut waiting, mut until) = (false, Vec::new(), None);
        for batch in batches {
            if self.waits {
                waiting.push(batch);
                continue;
            }
            let done = match until {
                Some(until) => self.deliver_later(ways, message, &edits, &batch, until).await,
                None => self.deliver(ways, message, gone, &edits, &batch).await,
            };
            match done {
                Ok(went) => {
                    delivered |= self.tell_delivery(said, &batch, went);
                    until = until.or_else(|| delivered.then(|| ticks() + LATER));
                }
                Err(loss) if loss.whose == Whose::Client && !delivered => return Err(refusal::CLIENT_GONE),
                Err(loss) => match self.may_wait(scene, &loss) {
                    Ok(()) => {
                        self.waits = true;
                        waiting.push(batch);
                    }
                    Err(reply) => self.tell(said, &batch.who, &reply),
                },
            }
        }
        self.delivered |= delivered;
        if !waiting.is_empty() {
            self.wait_each(scene, ways, message, (gone, delivered), &edits, &waiting, said)
                .await?;
        }
        Ok(())
    }

    /// Puts into the queue what the mail server that is away did not get.
    #[allow(
        clippy::too_many_arguments,
        reason = "one step of `accept_each`, which alone calls it"
    )]
    async fn wait_each(
        &mut self,
        scene: &Scene<'_>,
        ways: &mut Ways,
        message: &Arc<Message>,
        (gone, delivered): (Gone<'_>, bool),
        edits: &Edits,
        waiting: &[Batch],
        said: &mut Said,
    ) -> Result<(), Reply> {
        let stays = || false;
        let look: Gone<'_> = if delivered { &stays } else { gone };
        let reply = match self.enqueue(scene, ways, message, look, edits, waiting).await {
            Ok(reply) => {
                self.delivered = true;
                reply
            }
            Err(reply) if reply == refusal::CLIENT_GONE => return Err(reply),
            Err(reply) => reply,
        };
        for batch in waiting {
            self.tell(said, &batch.who, &reply);
        }
        Ok(())
    }

    /// What the mail server said of a batch; whether anybody of it has the mail.
    fn tell_delivery(&mut self, said: &mut Said, batch: &Batch, went: Went) -> bool {
        let Went { reply, refused } = went;
        let mut any = false;
        for n in &batch.who {
            let own = refused
                .iter()
                .find(|(who, _)| who == n)
                .map(|(_, reply)| relayed(reply.clone()));
            let word = own.unwrap_or_else(|| reply.clone());
            any |= word.is_done();
            self.tell(said, &[*n], &word);
        }
        any
    }

    /// Says something about recipients, and writes down what follows from it.
    fn tell(&mut self, said: &mut Said, who: &[usize], reply: &Reply) {
        for n in who {
            if let Some(said) = said.get_mut(*n) {
                *said = Some(reply.clone());
            }
            if !reply.is_done() {
                let fate = if reply.is_permanent() { "refuse" } else { "defer" };
                self.write(self.row(*n), |row| {
                    row.fate = fate.into();
                    row.went = None;
                });
            }
        }
    }

    /// Of copies beside delivered mail those whose recipients have it.
    fn of_accepted(&self, copies: Vec<Copy>, said: &Said) -> Vec<Copy> {
        let has = |n: &usize| {
            said.get(*n)
                .is_some_and(|said| said.as_ref().is_some_and(Reply::is_done))
        };
        let some = copies.into_iter().map(|copy| Copy {
            who: copy.who.into_iter().filter(has).collect(),
            ..copy
        });
        some.filter(|copy| !copy.who.is_empty()).collect()
    }

    /// The mail server forgets a mail of which it gets nothing.
    async fn let_go(&mut self, ways: &mut Ways) {
        if std::mem::take(&mut self.touched) {
            ways.reset().await;
        }
    }
}

/// The last word: 2xx where anybody gets the mail, 5xx where all are refused, else 4xx.
fn worded_last(each: &[Reply], id: &str) -> Reply {
    let find = |fits: fn(&Reply) -> bool| each.iter().find(|reply| fits(reply)).cloned();
    let all = each.iter().all(Reply::is_done);
    match find(Reply::is_done) {
        Some(reply) if all => reply,
        Some(_) => worded(refusal::FOR_SOME, Places::id(id)),
        None => find(Reply::is_transient)
            .or_else(|| each.first().cloned())
            .unwrap_or_else(|| worded(refusal::LOCAL, Places::id(id))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_fits_those_that_went_before() {
        for (codes, last) in [
            (&[250, 250][..], "250 2.0.0 word 250"),
            (&[250, 550], "250 2.0.0 Accepted for some recipients (id abc)"),
            (&[451, 250], "250 2.0.0 Accepted for some recipients (id abc)"),
            (&[550, 554], "550 5.0.0 word 550"),
            (&[550, 451], "451 4.0.0 word 451"),
            (&[], "451 4.3.0 Local error, try again later (id abc)"),
        ] {
            let each: Vec<Reply> = codes
                .iter()
                .map(|code| Reply::new(*code, None, format!("word {code}")).coded())
                .collect();
            assert_eq!(worded_last(&each, "abc").to_string(), last, "{codes:?}");
        }
    }
}
