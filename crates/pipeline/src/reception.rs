//! Who receives a client: answers every question of one session.
//!
//! **Invariants:** every question has an answer; what was said at connect and HELO counts for every transaction of the
//! session, what was said later only for its own; a login counts from 235 on, until TLS begins anew. Between transactions
//! little is held: see the test of its size.
//!
//! **How a session is closed.** Where a filter's [`Close`](gatepost_core::Wish::Close) was granted, the answer is
//! [`Answer::Close`]: it is said, and nothing is read after it.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::message::Message;
use gatepost_core::smtp::body::Notes;
use gatepost_core::smtp::session::{Answer, Question, Tls};
use gatepost_core::{
    End, Facts, Fate, Helo, Login, LoginBy, MailParams, Path, Phase, RcptParams, Reply, Time, Upstreams, Via, Visit,
};

use crate::auth::Exchange;
use crate::etrn;
use crate::followers::Finished;
use crate::judge::Rank;
use crate::ledger;
use crate::names::Names;
use crate::pipeline::Pipeline;
use crate::refusal::{self, Places, relayed, worded};
use crate::relays::trace;
use crate::run::{Asked, Run};
use crate::said::Said;
use crate::scene::{Dawdle, Scene};
use crate::transaction::{Spoken, Transaction};
use crate::ways::Ways;

/// Who receives a client.
pub struct Reception {
    pipeline: Arc<Pipeline>,
    visit: Visit,
    names: Arc<Names>,
    ways: Ways,
    /// What was said at connect and HELO.
    early: Vec<Arc<Said>>,
    /// What that cost, until a record takes it.
    early_run: Option<Box<Run>>,
    current: Option<Box<Transaction>>,
    /// A transaction that is answered, as soon as the driver has written the answer.
    finished: Option<Box<Finished>>,
    /// A transaction that is over and found no place among the followers.
    backlog: Option<Box<Finished>>,
    exchange: Option<Box<Exchange>>,
    /// As whom somebody failed to log in, until the driver asks.
    failed_login: Option<Box<str>>,
    dawdle: Dawdle,
    facts: Facts,
}

/// What comes with a question.
pub struct Seen<'a> {
    /// What the session saw so far.
    pub facts: Facts,
    /// The message, with [`Question::Message`] only.
    pub message: Option<Arc<Message>>,
    /// The last look: whether the client has hung up.
    pub gone: &'a (dyn Fn() -> bool + Send + Sync),
}

macro_rules! scene {
    ($self:ident, $now:expr) => {
        Scene {
            pipeline: &$self.pipeline,
            visit: &$self.visit,
            names: &$self.names,
            now: $now,
            facts: $self.facts,
        }
    };
}

impl Reception {
    /// Receives a client.
    pub fn new(pipeline: Arc<Pipeline>, mut visit: Visit, upstreams: Arc<dyn Upstreams>) -> Reception {
        if visit.login.is_none() && pipeline.is_relay(visit.client.address) {
            visit.relayed();
        }
        let names = Names::new(&pipeline.services().identify);
        Reception {
            pipeline,
            visit,
            names,
            ways: Ways::new(upstreams),
            early: Vec::new(),
            early_run: None,
            current: None,
            finished: None,
            backlog: None,
            exchange: None,
            failed_login: None,
            dawdle: Dawdle::default(),
            facts: Facts::default(),
        }
    }

    /// Who is there.
    pub fn visit(&self) -> &Visit {
        &self.visit
    }

    /// The id of the transaction that is open, for the driver's own log.
    pub fn transaction(&self) -> Option<&str> {
        self.current.as_ref().map(|transaction| transaction.id())
    }

    /// Answers a question.
    pub async fn answer(&mut self, now: Time, question: Question, seen: Seen<'_>) -> Answer {
        self.facts = seen.facts;
        if let Some(finished) = self.finished.take() {
            self.follow(finished);
        }
        if let Some(finished) = self.backlog.take() {
            self.pipeline.followers().tell(finished).await;
        }
        let spoken: Spoken = match question {
            Question::Connect => self.connect(now).await,
            Question::Helo(helo) => self.helo(now, helo).await,
            Question::Auth { mechanism, initial } => return self.auth(&mechanism, initial.as_deref()).await,
            Question::AuthLine(line) => return self.auth_line(&line).await,
            Question::AuthCancelled => {
                self.exchange = None;
                if let Some(upstream) = self.ways.current() {
                    // The server's word on it does not matter: the session words the reply.
                    let _ = upstream.auth_line("*").await;
                }
                refusal::OK.into()
            }
            Question::Mail { from, params } => self.mail(now, from, params).await,
            Question::Rcpt { to, params } => self.rcpt(now, to, params).await,
            Question::Data => self.data(now).await.into(),
            Question::Message { size, notes } => {
                self.note(notes);
                self.message(now, size, seen.message, seen.gone).await
            }
            Question::Spoilt { reply, size, notes } => {
                self.note(notes);
                if let Some(mut transaction) = self.current.take() {
                    transaction.spoilt(&mut self.ways, size, &reply).await;
                    self.finished = Some(self.finish(now, transaction, End::Answered, Some(&reply)).await);
                }
                reply.into()
            }
            Question::Etrn(whose) => etrn::answer(&self.pipeline, self.visit.client.address, &whose)
                .await
                .into(),
            Question::Reset(_) => {
                self.drop_transaction(now, End::Reset).await;
                refusal::OK.into()
            }
        };
        if spoken.close && (spoken.reply.is_transient() || spoken.reply.is_permanent()) {
            return Answer::Close(spoken.reply);
        }
        match spoken.each.is_empty() {
            true => Answer::Reply(spoken.reply),
            false => Answer::Each(spoken.each, spoken.reply),
        }
    }

    fn note(&mut self, notes: Notes) {
        let facts = &mut self.facts;
        facts.bare_lf |= notes.bare_lf;
        facts.bare_cr |= notes.bare_cr;
        facts.nul |= notes.nul;
        facts.near_miss |= notes.near_miss;
        facts.long_line |= notes.long_line;
    }

    async fn connect(&mut self, now: Time) -> Spoken {
        if let Some(refused) = self.hear_early(now, Asked::Connect).await {
            return refused;
        }
        let ours = self.pipeline.ours();
        let gap = if ours.product.is_empty() { "" } else { " " };
        Reply::new(220, None, format!("{} ESMTP{gap}{}", ours.hostname, ours.product)).into()
    }

    async fn helo(&mut self, now: Time, helo: Helo) -> Spoken {
        let before = self.visit.helo.replace(helo.clone());
        let held: Vec<Arc<Said>> = self.early.extract_if(.., |said| said.phase == Phase::Helo).collect();
        if let Some(refused) = self.hear_early(now, Asked::Helo(&helo)).await {
            // What held before holds still.
            self.visit.helo = before;
            self.early.retain(|said| said.phase != Phase::Helo);
            self.early.extend(held);
            return refused;
        }
        refusal::OK.into()
    }

    /// Runs connect or HELO; a refusal that is spoken now, and its record.
    async fn hear_early(&mut self, now: Time, asked: Asked<'_>) -> Option<Spoken> {
        let phase = asked.phase();
        if !self.pipeline.asks_at(phase) {
            return None;
        }
        let scene = scene!(self, now);
        let open = |said: &[Arc<Said>]| scene.open_early(said, phase);
        let run = scene.run(asked, None, &[], None, &mut self.early, open).await;
        let judgement = scene.judge_early(&self.early, phase);
        if judgement.rank != Rank::Exempt {
            self.dawdle.wish_early(self.pipeline.policy(), run.delay);
        }
        let kept = self.early_run.get_or_insert_default();
        // A client that greets again and again adds no more than a record would keep.
        if kept.calls.len() < gatepost_core::Record::CALLS_MAX && kept.notes.len() < ledger::NOTES_MAX {
            kept.calls.extend(run.calls);
            kept.notes.extend(run.notes);
        }
        let (Fate::Defer(reply) | Fate::Refuse(reply)) = judgement.verdict.fate else {
            return None;
        };
        let id = self
            .pipeline
            .new_id(now, self.visit.client.address, self.visit.client.port);
        let reply = scene.worded(&id, None, reply);
        let mut record = ledger::begin(id, now, &self.visit);
        ledger::add_run(&mut record, self.early_run.take().map(|run| *run).unwrap_or_default());
        record.end = End::Refused;
        record.reply = reply.to_string();
        record.facts = self.facts;
        ledger::close(&mut record, now, &self.visit, self.names.known(), None, &self.early);
        let finished = Finished {
            pipeline: Arc::clone(&self.pipeline),
            record,
            visit: self.visit.clone(),
            names: Arc::clone(&self.names),
            envelope: None,
            facts: self.facts,
            message: None,
            copies: Vec::new(),
            at: now,
            delivered: false,
        };
        self.follow(Box::new(finished));
        Some(Spoken::new(reply, judgement.close))
    }

    async fn mail(&mut self, now: Time, from: Path, params: MailParams) -> Spoken {
        self.drop_transaction(now, End::Reset).await;
        let id = self
            .pipeline
            .new_id(now, self.visit.client.address, self.visit.client.port);
        let scene = scene!(self, now);
        let early = self.early_run.take().map(|run| *run).unwrap_or_default();
        let mut transaction = Box::new(Transaction::new(&scene, id, from, params, self.early.clone(), early));
        match transaction.mail(&scene, &mut self.dawdle).await {
            Ok(reply) => {
                self.current = Some(transaction);
                reply.into()
            }
            Err(refused) => {
                let finished = self.finish(now, transaction, End::Refused, Some(&refused.reply)).await;
                self.follow(finished);
                refused
            }
        }
    }

    async fn rcpt(&mut self, now: Time, to: Path, params: RcptParams) -> Spoken {
        let scene = scene!(self, now);
        match &mut self.current {
            Some(transaction) => {
                transaction
                    .rcpt(&scene, &mut self.ways, &mut self.dawdle, to, params)
                    .await
            }
            None => refusal::LOCAL.into(),
        }
    }

    async fn data(&mut self, now: Time) -> Reply {
        let reply = self
            .current
            .as_ref()
            .map_or(refusal::LOCAL, |transaction| transaction.data());
        if reply.code() != 354
            && let Some(transaction) = self.current.take()
        {
            let finished = self.finish(now, transaction, End::Answered, Some(&reply)).await;
            self.follow(finished);
        }
        reply
    }

    async fn message(
        &mut self,
        now: Time,
        size: u64,
        message: Option<Arc<Message>>,
        gone: &(dyn Fn() -> bool + Send + Sync),
    ) -> Spoken {
        let Some(mut transaction) = self.current.take() else {
            return refusal::LOCAL.into();
        };
        let spoken = match &message {
            Some(message) => {
                if self.visit.via == Via::Relay
                    && let Some(why) = trace(&self.pipeline, &mut self.visit, message)
                {
                    transaction.origin_unknown(why);
                }
                let scene = scene!(self, now);
                transaction.message(&scene, &mut self.ways, message, gone).await
            }
            None => {
                transaction.spoilt(&mut self.ways, size, &refusal::LOCAL).await;
                worded(refusal::LOCAL, Places::id(transaction.id())).into()
            }
        };
        self.finished = Some(self.finish(now, transaction, End::Answered, Some(&spoken.reply)).await);
        if self.visit.via == Via::Traced {
            // The next mail comes from somebody else.
            self.visit.relayed();
        }
        spoken
    }

    async fn finish(
        &mut self,
        now: Time,
        transaction: Box<Transaction>,
        end: End,
        reply: Option<&Reply>,
    ) -> Box<Finished> {
        let scene = scene!(self, now);
        let finished = transaction.end(&scene, &mut self.ways, end, reply).await;
        if finished.message.is_some() {
            // What was asked about this message goes with it to the followers.
            self.names = Names::new(&self.pipeline.services().identify);
        }
        finished
    }

    async fn drop_transaction(&mut self, now: Time, end: End) {
        if let Some(transaction) = self.current.take() {
            let finished = self.finish(now, transaction, end, None).await;
            self.follow(finished);
        }
    }

    fn follow(&mut self, finished: Box<Finished>) {
        if let Err(finished) = self.pipeline.followers().offer(finished) {
            self.backlog = Some(finished);
        }
    }

    async fn auth(&mut self, mechanism: &str, initial: Option<&str>) -> Answer {
        let Some(route) = self.pipeline.routes().of_login() else {
            return Answer::Reply(refusal::NO_AUTH);
        };
        let Some(upstream) = self.ways.to(route).await else {
            return Answer::Reply(refusal::NO_AUTH);
        };
        let mut exchange = Exchange::new(mechanism);
        if let Some(initial) = initial {
            exchange.hear(initial);
        }
        let answer = upstream.auth(&self.visit, mechanism, initial).await;
        self.exchange = Some(Box::new(exchange));
        self.auth_answer(answer.unwrap_or_else(|loss| loss.reply()))
    }

    async fn auth_line(&mut self, line: &str) -> Answer {
        let (Some(exchange), Some(upstream)) = (&mut self.exchange, self.ways.current()) else {
            return Answer::Reply(refusal::NO_AUTH);
        };
        exchange.hear(line);
        let answer = upstream.auth_line(line).await;
        self.auth_answer(answer.unwrap_or_else(|loss| loss.reply()))
    }

    fn auth_answer(&mut self, reply: Reply) -> Answer {
        if reply.code() == 334 {
            return Answer::Challenge(reply.text().lines().next().unwrap_or_default().into());
        }
        let exchange = self.exchange.take();
        match reply.code() {
            235 => {
                let name = exchange.and_then(|exchange| exchange.into_name());
                self.visit.login = name.map(|name| Login::new(name, LoginBy::Auth));
                Answer::Reply(reply.coded())
            }
            // The session would take any 2xx for success.
            200..300 => Answer::Reply(refusal::UPSTREAM_ODD),
            _ => {
                self.failed_login = exchange
                    .filter(|_| reply.is_permanent())
                    .and_then(|exchange| exchange.into_name());
                Answer::Reply(relayed(reply))
            }
        }
    }

    /// How long the answer that was just given is to be held back, as filters wish; once. What the client sends
    /// meanwhile is given to the session as always, and whoever drives it may cut the time short.
    pub fn delay(&mut self) -> Duration {
        self.dawdle.take()
    }

    /// As whom the client failed to log in with what was just answered; once, so that the driver can count it.
    pub fn failed_login(&mut self) -> Option<Box<str>> {
        self.failed_login.take()
    }

    /// TLS is active. All that the client said before is forgotten (RFC 3207 §4.2), and so is the way to the mail server,
    /// which was told of another client.
    pub fn secured(&mut self, tls: Arc<Tls>) {
        self.visit.client.tls = Some(tls);
        self.visit.helo = None;
        if self.visit.login.as_ref().is_some_and(|login| login.by == LoginBy::Auth) {
            self.visit.login = None;
        }
        self.exchange = None;
        self.early.retain(|said| said.phase == Phase::Connect);
        self.ways.forget();
    }

    /// The driver has written the reply to a message, or failed to: the finished transaction goes to the followers.
    pub fn answered(&mut self, now: Time, written: bool) {
        if let Some(mut finished) = self.finished.take() {
            finished.record.took = now.millis().saturating_sub(finished.record.began);
            finished.record.end = match (written, finished.delivered) {
                (true, _) => End::Answered,
                (false, true) => End::DeliveredUnacked,
                (false, false) => End::Lost,
            };
            self.follow(finished);
        }
    }

    /// The session is over, however.
    pub async fn end(&mut self, now: Time, how: End) {
        self.answered(now, false);
        if let Some(transaction) = self.current.take() {
            let finished = self.finish(now, transaction, how, None).await;
            if let Some(earlier) = self.backlog.take() {
                self.pipeline.followers().tell(earlier).await;
            }
            self.follow(finished);
        }
        if let Some(finished) = self.backlog.take() {
            self.pipeline.followers().tell(finished).await;
        }
        self.ways.close().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parked_reception_is_small() {
        assert!(size_of::<Reception>() <= 1_024, "{} octets", size_of::<Reception>());
    }
}
