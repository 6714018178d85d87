//! One moment of a session: what filters are asked with, and how long they may hold it up.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Context, Envelope, Facts, Phase, Reply, Time, Via, Visit, Wish};

use crate::judge::{Judgement, Openness, Whom, judge, openness};
use crate::names::Names;
use crate::pipeline::Pipeline;
use crate::policy::{Policy, Rules};
use crate::refusal::{Places, worded};
use crate::run::{Asked, Deadline, Run, Runner};
use crate::said::Said;

/// How long filters may hold up one session in all.
pub const DELAY_MAX: Duration = Duration::from_secs(30);

/// How long a mail server that wants to know the client's name waits for DNS.
const NAME_PATIENCE: Duration = Duration::from_secs(2);

/// What no filter can wish behind a trusted relay about what came before the message: that it come later, since it comes
/// again whoever the origin is, and keeps its other mail meanwhile; nor a recipient of its own, since the relay has them
/// already.
fn unheard_of_relays(wish: &Wish) -> bool {
    match wish {
        Wish::Defer(_) | Wish::Divert => true,
        Wish::Close(reply) | Wish::Reject(reply) | Wish::Deny(reply) => !reply.is_permanent(),
        _ => false,
    }
}

/// What a moment is made of.
pub struct Scene<'a> {
    /// What the session runs under.
    pub pipeline: &'a Arc<Pipeline>,
    /// Who is there.
    pub visit: &'a Visit,
    /// Names and identities.
    pub names: &'a Arc<Names>,
    /// When.
    pub now: Time,
    /// What the session saw.
    pub facts: Facts,
}

impl Scene<'_> {
    /// The visit with the client's forward-confirmed reverse name, for a mail server that is told it; none where DNS has
    /// none in time.
    pub async fn named(&self) -> Option<Visit> {
        let asked = self.names.memo.reverse(self.visit.client.address);
        let reverse = tokio::time::timeout(NAME_PATIENCE, asked).await.ok()?.ok()?;
        let name = reverse.name.filter(|_| reverse.confirmed)?;
        let mut visit = self.visit.clone();
        visit.reverse = Some(name);
        Some(visit)
    }

    /// Runs a phase. Behind a trusted relay nobody is asked before the message: there is nobody to judge yet. How long
    /// filters wish the client to wait is in what it brings.
    pub async fn run(
        &self,
        asked: Asked<'_>,
        envelope: Option<&Envelope>,
        domains: &[Option<&str>],
        deadline: Option<Deadline>,
        said: &mut Vec<Arc<Said>>,
        open: impl Fn(&[Arc<Said>]) -> Vec<Openness>,
    ) -> Run {
        let (phase, via) = (asked.phase(), self.visit.via);
        if !self.pipeline.asks_at(phase) || (via == Via::Relay && phase != Phase::Message) {
            return Run::default();
        }
        // How the relay behaves says nothing of the origin.
        let facts = match via {
            Via::Nobody => self.facts,
            _ => self.facts.of_message(),
        };
        let deaf: fn(&Wish) -> bool = match via {
            Via::Traced if phase != Phase::Message => unheard_of_relays,
            _ => |_| false,
        };
        let mut cx = Context::new(self.now, self.visit, &self.names.memo).with_facts(facts);
        if let Some(envelope) = envelope {
            cx = cx.with_envelope(envelope);
        }
        if let Asked::Message(message) = asked {
            cx = cx.with_message(message);
        }
        Runner {
            tiers: self.pipeline.tiers(),
            cx: &cx,
            asked,
            domains,
            deadline,
            deaf,
        }
        .run(said, open)
        .await
    }

    /// Whom a refusal names: for mail to a domain of ours its contact, else the one of this host.
    pub fn contact(&self, domain: Option<&str>) -> String {
        let ours = domain.filter(|domain| domain.is_ascii() && self.pipeline.routes().is_local_name(domain));
        let rules = self.pipeline.policy().rules(ours, None);
        rules.contact.at(ours.unwrap_or(&self.pipeline.ours().hostname))
    }

    /// A reply of ours with the id of a transaction, and a refusal with the contact for mail to a domain.
    pub fn worded(&self, id: &str, domain: Option<&str>, reply: Reply) -> Reply {
        let contact = match reply.is_permanent() {
            true => self.contact(domain),
            false => String::new(),
        };
        let places = Places {
            contact: &contact,
            ..Places::id(id)
        };
        worded(reply, places)
    }

    /// The judgement before there is a recipient.
    pub fn judge_early(&self, said: &[Arc<Said>], at: Phase) -> Judgement {
        judge(
            self.pipeline.policy().early(),
            &self.pipeline.fusion(),
            said,
            Whom::default(),
            at,
        )
    }

    /// What is open before there is a recipient: exemptions may differ by domain, and refusals close only if spoken now.
    pub fn open_early(&self, said: &[Arc<Said>], at: Phase) -> Vec<Openness> {
        let rules = self.pipeline.policy().early();
        let spoken = at >= rules.speak_from.phase();
        vec![match openness(rules, said, Whom::default()) {
            Openness::Closed | Openness::Refused if spoken => Openness::Refused,
            _ => Openness::Open,
        }]
    }
}

/// How long filters hold up one session. Nobody waits here: whoever drives the session takes what it owes and holds
/// back the reply, so that a session that waits holds nothing but itself. For a recipient in a dry run nobody waits.
#[derive(Default)]
pub struct Dawdle {
    granted: Duration,
    owed: Duration,
    put_off: Duration,
}

impl Dawdle {
    /// A filter wishes it before a recipient is known: granted at once, or put off until it is known whose mail it is.
    pub fn wish_early(&mut self, policy: &Policy, wished: Duration) {
        if policy.waits_for_rcpt() || policy.early().dry_run {
            self.put_off = self.put_off.saturating_add(wished).min(DELAY_MAX);
        } else {
            self.wish(wished);
        }
    }

    /// A filter wishes it at a recipient under these rules; what was put off comes due as well.
    pub fn wish_under(&mut self, rules: &Rules, wished: Duration) {
        if !rules.dry_run {
            let put_off = std::mem::take(&mut self.put_off);
            self.wish(wished.saturating_add(put_off));
        }
    }

    /// A filter wishes that the client waits; granted within what the session has left.
    fn wish(&mut self, wished: Duration) {
        let delay = wished.min(DELAY_MAX.saturating_sub(self.granted));
        self.granted += delay;
        self.owed += delay;
    }

    /// How long the reply to what was just asked is held back; once.
    pub fn take(&mut self) -> Duration {
        std::mem::take(&mut self.owed)
    }
}
