//! What one filter said at one moment, and how much it counts for whom.

use std::fmt;
use std::sync::Arc;

use gatepost_core::{Concern, Opinion, Phase, RecipientId, Scope};

use crate::slot::{Audience, Exceptions, Mode, OnFault, Slot};

/// What one filter said at one moment.
#[derive(Clone)]
pub struct Said {
    /// Who.
    pub filter: Arc<str>,
    /// When.
    pub phase: Phase,
    /// Which mail it is asked about.
    pub concern: Concern,
    /// What it said; nothing where it failed.
    pub opinion: Opinion,
    /// Why it said nothing, for the log.
    pub fault: Option<Box<str>>,
    /// At RCPT, the recipient it was asked about.
    pub about: Option<RecipientId>,
    mode: Mode,
    on_fault: OnFault,
    audience: Audience,
    domains: Arc<Exceptions>,
}

impl Said {
    /// What the filter of a slot said, speaking for `audience`.
    pub fn new(slot: &Slot, phase: Phase, audience: Audience, opinion: Opinion, fault: Option<Box<str>>) -> Said {
        Said {
            filter: Arc::clone(&slot.name),
            phase,
            concern: slot.concern,
            opinion,
            fault,
            about: None,
            mode: slot.mode,
            on_fault: slot.on_fault,
            audience,
            domains: Arc::clone(&slot.domains),
        }
    }

    /// How much it counts for mail to a domain: [`Mode::Off`] where it does not speak for it.
    pub fn mode_for(&self, domain: Option<&str>) -> Mode {
        let exception = domain.and_then(|domain| self.domains.entry(domain));
        match (&self.audience, exception) {
            (Audience::Domain(own), exception) if exception.is_none_or(|(name, _)| *name != **own) => Mode::Off,
            (Audience::Others, Some((_, exception))) if exception.filter.is_some() => Mode::Off,
            (_, exception) => exception.and_then(|(_, exception)| exception.mode).unwrap_or(self.mode),
        }
    }

    /// What its fault does to mail to a domain; `None` where it had none.
    pub fn fault_for(&self, domain: Option<&str>) -> Option<OnFault> {
        self.fault.as_ref()?;
        let exception = domain.and_then(|domain| self.domains.get(domain));
        Some(
            exception
                .and_then(|exception| exception.on_fault)
                .unwrap_or(self.on_fault),
        )
    }

    /// Whether a fault or a `personal` wish of it (Divert, Deny) concerns a recipient: what is said at RCPT about one
    /// is not about another, however wide its scope.
    pub fn is_about(&self, who: Option<RecipientId>) -> bool {
        self.about.is_none() || self.about == who
    }

    /// Whether anything of it can count for a recipient. Of a mail with very many recipients most was said about single other
    /// ones, and nobody looks up how much that counts.
    pub fn concerns(&self, who: Option<RecipientId>) -> bool {
        let covered = |scope: &Scope| Said::covers(*scope, who);
        self.is_about(who)
            || self.opinion.findings().iter().any(|finding| covered(&finding.scope))
            || self.opinion.wishes().iter().any(|(scope, _, _)| covered(scope))
    }

    /// Whether a scope covers a recipient; of nobody yet, what is said of everyone.
    pub fn covers(scope: Scope, who: Option<RecipientId>) -> bool {
        match who {
            Some(who) => scope.covers(who),
            None => scope == Scope::Everyone,
        }
    }
}

impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Said");
        out.field("filter", &self.filter)
            .field("phase", &self.phase)
            .field("concern", &self.concern);
        out.field("mode", &self.mode)
            .field("opinion", &self.opinion)
            .field("fault", &self.fault);
        out.field("about", &self.about)
            .field("audience", &self.audience)
            .finish_non_exhaustive()
    }
}
