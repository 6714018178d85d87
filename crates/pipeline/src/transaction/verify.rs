//! Whether the recipient exists, before filters and the mail server are asked (G-13).
//!
//! **Invariants:** a client that is refused already hears that for every recipient alike, so that a blocked harvester
//! learns nothing here; filters are not asked about a recipient that does not exist, and so remember nothing of it; in a
//! dry run of the whole site nobody is refused here. That of a domain is about spam, not about who exists.

use gatepost_core::smtp::relay::{Loss, What};
use gatepost_core::{Fate, Phase, Recipient, Reply};

use super::Transaction;
use crate::judge::{Whom, judge};
use crate::ledger;
use crate::policy::Rules;
use crate::recipients::{Known, Looked, Recipients};
use crate::refusal::unverified;
use crate::scene::Scene;

impl Transaction {
    /// What is known of a recipient; `None` where nobody looks it up.
    pub(super) async fn look_up(&self, scene: &Scene<'_>, recipient: &Recipient, route: &str) -> Option<Looked> {
        let to = recipient.path.mailbox()?;
        Some(scene.pipeline.recipients()?.look_up(to, route, scene.now).await)
    }

    /// In a dry run of the whole site a recipient that is not known is noted, and the mail server is asked.
    pub(super) fn only_notes(&mut self, rules: &Rules, recipient: &Recipient, rule: &str) -> bool {
        if rules.is_dry_for_danger() && self.record.notes.len() < ledger::NOTES_MAX {
            let note = format!("{rule} would refuse {}", recipient.path);
            self.record.notes.push(note);
        }
        rules.is_dry_for_danger()
    }

    /// Whether the client is refused for what was said before it named the recipient, or would be but for a dry run.
    pub(super) fn is_refused(&self, scene: &Scene<'_>, rules: &Rules, whom: Whom<'_>) -> bool {
        let judgement = judge(rules, &scene.pipeline.fusion(), &self.said, whom, Phase::Rcpt);
        matches!(judgement.would.unwrap_or(judgement.verdict.fate), Fate::Refuse(_))
    }

    /// Remembers what the mail server's answer says of the recipient. Only an answer to RCPT itself says that it does not
    /// exist: a refusal of MAIL answers the first recipient, whoever that is.
    pub(super) async fn learn(
        &self,
        scene: &Scene<'_>,
        recipient: &Recipient,
        looked: Option<&Looked>,
        answer: &Reply,
        to_rcpt: bool,
    ) {
        let said = Known::of(answer).filter(|said| *said == Known::Yes || to_rcpt);
        if let (Some(recipients), Some(looked), Some(said), Some(to)) =
            (scene.pipeline.recipients(), looked, said, recipient.path.mailbox())
        {
            recipients.learn(to, said, looked, scene.now).await;
        }
    }

    /// What the client hears when the mail server gave no answer: that it may come again. While the server is away, the
    /// code tells whether the recipient is known to exist (451) or cannot be verified (450); a server that is there and is
    /// lost on the way is 451 for all (P-22).
    pub(super) fn unheard(&self, scene: &Scene<'_>, looked: Option<&Looked>, loss: &Loss) -> Reply {
        let remembers = scene.pipeline.recipients().is_some_and(Recipients::remembers);
        match looked {
            Some(looked) if remembers && loss.what == What::Unreachable && looked.known != Some(Known::Yes) => {
                unverified(loss.reply())
            }
            _ => loss.reply(),
        }
    }
}
