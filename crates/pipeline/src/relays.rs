//! Mail that comes through a trusted relay: a forwarder, a secondary mail server.
//!
//! **Invariants:** such mail is judged by the address that handed it to the relay, or to the first of several, and never
//! by the relay's; what a stranger wrote into the header changes nothing of that ([`trail`]). Where the header does not
//! tell, nobody is judged by an address.
//!
//! **How.** Whom the relay got a mail from is known only when the header is there. So filters are asked nothing at connect,
//! HELO, MAIL and RCPT, and everything at the dot: first those moments in their order, with the origin, what it called
//! itself and nothing of the relay's own manners, and then the message. What they wish is then heard as at the dot,
//! but for two things: that the mail be deferred, with or without the end of the session, since the relay comes again
//! whoever the origin is, and that it be diverted, since the mail server has granted the recipients.

use std::sync::Arc;

use gatepost_core::message::{Message, trail, trail::Trail};
use gatepost_core::{Envelope, Evidence, Finding, FindingRecord, Helo, Phase, Record, Score, Tag, Visit};

use crate::judge::{Openness, openness};
use crate::ledger;
use crate::pipeline::Pipeline;
use crate::run::{Asked, Deadline};
use crate::scene::Scene;
use crate::transaction::Transaction;

const ORIGIN_UNKNOWN: Tag = Tag::new("policy.origin_unknown");

/// Finds where a mail comes from that a trusted relay brings; why it is not known.
pub fn trace(pipeline: &Pipeline, visit: &mut Visit, message: &Message) -> Option<&'static str> {
    let peer = visit.client.address;
    let helo = |name| Helo { name, extended: true };
    match trail::follow(message.headers(), peer, |address| pipeline.is_relay(address)) {
        Trail::Stranger { address, helo: name } => visit.traced(address, name.map(helo)),
        // What the relay itself wrote is judged by its own address.
        Trail::Own(host) => {
            let own = visit.helo.clone().filter(|_| host == peer);
            visit.traced(host, own);
        }
        Trail::Lost(why) => return Some(why),
    }
    None
}

impl Transaction {
    /// Tells in the record that nobody can be judged by an address: it weighs nothing, but is seen and counted.
    pub(crate) fn origin_unknown(&mut self, why: &str) {
        let note = format!("behind a trusted relay, and from whom is not known: {why}");
        if self.record.findings.len() < Record::FINDINGS_MAX {
            let finding = Finding::new(ORIGIN_UNKNOWN, Evidence::Points(Score::ZERO), note.clone());
            let row = FindingRecord::new("policy", Phase::Message, &finding, false);
            self.record.findings.push(row);
        }
        if self.record.notes.len() < ledger::NOTES_MAX {
            self.record.notes.push(note);
        }
    }

    /// Asks about every moment before the message what could not be asked then.
    pub(crate) async fn ask_late(&mut self, scene: &Scene<'_>, deadline: Deadline) {
        let Transaction {
            envelope,
            guests,
            said,
            record,
            ..
        } = self;
        let mut so_far = Envelope::new(envelope.from.clone(), envelope.params.clone());
        let helo = scene.visit.helo_to_judge().map(Asked::Helo);
        let early = [
            (Some(Asked::Connect), None),
            (helo, None),
            (Some(Asked::Mail(&envelope.from)), Some(&so_far)),
        ];
        for (asked, envelope) in early {
            let Some(asked) = asked else { continue };
            let open = |_: &[Arc<_>]| vec![Openness::Open];
            let run = scene.run(asked, envelope, &[], Some(deadline), said, open).await;
            ledger::add_run(record, run);
        }
        for (recipient, guest) in envelope.recipients.iter().zip(guests.iter()) {
            let domain = guest.domain.as_deref();
            let rules = guest.rules(scene.pipeline.policy());
            let open = |said: &[Arc<_>]| vec![openness(rules, said, guest.whom())];
            let asked = Asked::Rcpt(recipient);
            let run = scene
                .run(asked, Some(&so_far), &[domain], Some(deadline), said, open)
                .await;
            ledger::add_run(record, run);
            so_far.recipients.push(recipient.clone());
        }
    }
}
