//! One filter's place in a pipeline, and what the operator wrote beside it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Concern, Entry, Filter, Phase, Phases, Wishes};
use serde::{Deserialize, Serialize};

use crate::by_domain::ByDomain;

/// How much the word of a filter counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// It is not asked.
    Off,
    /// It is asked, and what it says is only logged.
    Monitor,
    /// Its findings count, its wishes do not.
    Score,
    /// Its findings and its wishes count.
    Enforce,
}

/// What happens to mail about which a filter could form no opinion: it failed, panicked or took too long. It counts in
/// the modes `score` and `enforce`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFault {
    /// As if the filter had nothing to say.
    Ignore,
    /// The mail is delivered with a header field that tells which filter did not look at it.
    Mark,
    /// The client is told to come again (451).
    Defer,
    /// The mail is kept and not delivered.
    Hold,
}

/// A filter in a tier.
#[derive(Clone)]
pub struct Slot {
    /// Its name, as configuration and tags spell it.
    pub name: Arc<str>,
    /// How much its word counts.
    pub mode: Mode,
    /// What happens when it fails.
    pub on_fault: OnFault,
    /// How long one call may take.
    pub patience: Duration,
    /// When it is asked.
    pub phases: Phases,
    /// Which mail it is asked about.
    pub concern: Concern,
    /// Which wishes it may voice; others are dropped, and the record says so.
    pub may: Wishes,
    /// The filter, with the general options.
    pub filter: Arc<dyn Filter>,
    /// What is different for mail to some domains.
    pub domains: Arc<Exceptions>,
}

/// What is different for mail to some domains; `.example.org` stands for all below that one.
#[derive(Clone, Default)]
pub struct Exceptions {
    table: ByDomain<Exception>,
    /// Whether the filter is asked in some of them, whatever its general mode.
    asked: bool,
    /// The weakest mode in any of them.
    weakest: Option<Mode>,
}

impl Exceptions {
    /// What is different for a domain, from now on.
    pub fn insert(&mut self, domain: &str, exception: Exception) {
        self.asked |= exception.mode.is_some_and(|mode| mode != Mode::Off);
        self.weakest = self.weakest.into_iter().chain(exception.mode).min();
        self.table.insert(domain, exception);
    }

    /// What is different for a domain, and the name under which it is written.
    pub fn entry(&self, domain: &str) -> Option<(&str, &Exception)> {
        self.table.entry(domain)
    }

    /// What is different for a domain.
    pub fn get(&self, domain: &str) -> Option<&Exception> {
        self.table.get(domain)
    }

    /// Whether nothing is different anywhere.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }
}

impl<N: AsRef<str>> FromIterator<(N, Exception)> for Exceptions {
    fn from_iter<I: IntoIterator<Item = (N, Exception)>>(exceptions: I) -> Exceptions {
        let mut all = Exceptions::default();
        for (domain, exception) in exceptions {
            all.insert(domain.as_ref(), exception);
        }
        all
    }
}

/// What is different for mail to one domain. What is not given is as it is for all.
///
/// Before RCPT no domain is known: at connect, HELO and MAIL the filter with the general options is asked for everybody,
/// and an instance of its own speaks for its domain from RCPT on. Modes differ at every phase.
#[derive(Clone, Default)]
pub struct Exception {
    /// Its mode there.
    pub mode: Option<Mode>,
    /// What happens there when it fails.
    pub on_fault: Option<OnFault>,
    /// The filter with other options.
    pub filter: Option<Arc<dyn Filter>>,
}

/// For whom an instance of a filter speaks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Audience {
    /// For everybody.
    Everyone,
    /// For one domain, or for all below one, as its exception is named.
    Domain(Box<str>),
    /// For all domains that have no instance of their own.
    Others,
}

impl Slot {
    /// The longest that a call may take unless configuration says otherwise.
    pub const PATIENCE: Duration = Duration::from_secs(10);

    /// A filter of a registered kind, in mode `enforce`, whose faults are ignored.
    pub fn of(entry: &Entry, filter: Arc<dyn Filter>) -> Slot {
        Slot {
            name: entry.name.into(),
            mode: Mode::Enforce,
            on_fault: OnFault::Ignore,
            patience: Slot::PATIENCE,
            phases: entry.phases,
            concern: entry.concern,
            may: entry.may,
            filter,
            domains: Arc::default(),
        }
    }

    /// Whether it may speak before RCPT, and is not obeyed for mail to some domain: then nobody knows yet whom it meets.
    pub fn spares_before_rcpt(&self) -> bool {
        let early = [Phase::Connect, Phase::Helo, Phase::Mail];
        self.mode == Mode::Enforce
            && self.domains.weakest.is_some_and(|mode| mode < Mode::Enforce)
            && early.into_iter().any(|phase| self.phases.has(phase))
    }

    /// The mode for mail to a domain; for mail of which no domain is known the general one.
    pub fn mode_for(&self, domain: Option<&str>) -> Mode {
        let exception = domain.and_then(|domain| self.domains.get(domain));
        exception.and_then(|exception| exception.mode).unwrap_or(self.mode)
    }

    /// The instances to ask at a phase about mail to these domains, and for whom each speaks. None where its mode is
    /// `off` for all of them, or the phase is not among its own.
    pub fn instances(&self, phase: Phase, domains: &[Option<&str>]) -> Vec<(&Arc<dyn Filter>, Audience)> {
        if !self.phases.has(phase) {
            return Vec::new();
        }
        if phase < Phase::Rcpt {
            return if self.mode != Mode::Off || self.domains.asked {
                vec![(&self.filter, Audience::Everyone)]
            } else {
                Vec::new()
            };
        }
        self.speaking_for(domains)
    }

    /// The instances that speak for mail to these domains, and each for whom, whatever its phases.
    pub fn speaking_for(&self, domains: &[Option<&str>]) -> Vec<(&Arc<dyn Filter>, Audience)> {
        if self.domains.is_empty() {
            return if self.mode == Mode::Off {
                Vec::new()
            } else {
                vec![(&self.filter, Audience::Everyone)]
            };
        }
        let mut instances: Vec<(&Arc<dyn Filter>, Audience)> = Vec::new();
        for domain in domains
            .iter()
            .copied()
            .filter(|domain| self.mode_for(*domain) != Mode::Off)
        {
            let own = domain.and_then(|domain| {
                let (name, exception) = self.domains.entry(domain)?;
                Some((name, exception.filter.as_ref()?))
            });
            let (filter, audience) = match own {
                Some((name, filter)) => (filter, Audience::Domain(name.into())),
                None => (&self.filter, Audience::Others),
            };
            if instances.iter().all(|(_, known)| *known != audience) {
                instances.push((filter, audience));
            }
        }
        instances
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Slot");
        out.field("name", &self.name)
            .field("mode", &self.mode)
            .field("on_fault", &self.on_fault);
        out.field("patience", &self.patience).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Mute;
    impl Filter for Mute {}

    fn slot(mode: Mode, domains: Exceptions) -> Slot {
        Slot {
            name: "mute".into(),
            mode,
            on_fault: OnFault::Ignore,
            patience: Slot::PATIENCE,
            phases: Phases::RCPT.and(Phases::CONNECT),
            concern: Concern::Spam,
            may: Wishes::NONE,
            filter: Arc::new(Mute),
            domains: Arc::new(domains),
        }
    }

    fn audiences(slot: &Slot, phase: Phase, domains: &[Option<&str>]) -> Vec<Audience> {
        slot.instances(phase, domains)
            .into_iter()
            .map(|(_, audience)| audience)
            .collect()
    }

    #[test]
    fn a_filter_without_exceptions_is_asked_once_for_all() {
        let slot = slot(Mode::Enforce, Exceptions::default());
        assert_eq!(
            audiences(&slot, Phase::Rcpt, &[Some("a.example")]),
            [Audience::Everyone]
        );
        assert_eq!(
            audiences(&slot, Phase::Message, &[Some("a.example")]),
            [],
            "not among its phases"
        );
    }

    #[test]
    fn off_for_one_domain_is_off_for_that_domain_only() {
        let off = Exception {
            mode: Some(Mode::Off),
            ..Exception::default()
        };
        let slot = slot(Mode::Enforce, Exceptions::from_iter([("off.example", off)]));
        assert_eq!(audiences(&slot, Phase::Rcpt, &[Some("off.example")]), []);
        assert_eq!(
            audiences(&slot, Phase::Rcpt, &[Some("on.example"), Some("off.example")]),
            [Audience::Others]
        );
        assert_eq!(audiences(&slot, Phase::Connect, &[]), [Audience::Everyone]);
    }

    #[test]
    fn on_for_one_domain_alone_is_asked_before_the_domain_is_known() {
        let on = Exception {
            mode: Some(Mode::Score),
            ..Exception::default()
        };
        let slot = slot(Mode::Off, Exceptions::from_iter([("on.example", on)]));
        assert_eq!(audiences(&slot, Phase::Connect, &[]), [Audience::Everyone]);
        assert_eq!(audiences(&slot, Phase::Rcpt, &[Some("other.example")]), []);
        assert_eq!(audiences(&slot, Phase::Rcpt, &[Some("on.example")]), [Audience::Others]);
    }

    #[test]
    fn a_domain_with_an_instance_of_its_own_is_spoken_for_by_it_alone() {
        let own = Exception {
            filter: Some(Arc::new(Mute)),
            ..Exception::default()
        };
        let slot = slot(Mode::Enforce, Exceptions::from_iter([("own.example", own)]));
        let domains = [Some("own.example"), Some("a.example"), None, Some("own.example")];
        assert_eq!(
            audiences(&slot, Phase::Rcpt, &domains),
            [Audience::Domain("own.example".into()), Audience::Others]
        );
    }

    #[test]
    fn an_instance_for_all_below_a_domain_speaks_once_for_all_of_them() {
        let own = Exception {
            filter: Some(Arc::new(Mute)),
            ..Exception::default()
        };
        let slot = slot(Mode::Enforce, Exceptions::from_iter([(".own.example", own)]));
        let domains = [Some("a.own.example"), Some("b.own.example"), Some("own.example")];
        assert_eq!(
            audiences(&slot, Phase::Rcpt, &domains),
            [Audience::Domain(".own.example".into()), Audience::Others]
        );
    }
}
