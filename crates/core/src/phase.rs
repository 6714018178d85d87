//! The moments of a session at which filters are asked.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One moment, in the order of life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A client has connected; nothing is said yet.
    Connect,
    /// It said HELO or EHLO.
    Helo,
    /// It said MAIL.
    Mail,
    /// It said RCPT; once for each recipient.
    Rcpt,
    /// The whole message is there.
    Message,
}

impl Phase {
    /// All of them, in order.
    pub const ALL: [Phase; 5] = [Phase::Connect, Phase::Helo, Phase::Mail, Phase::Rcpt, Phase::Message];

    /// Its name, as configuration and records spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Phase::Connect => "connect",
            Phase::Helo => "helo",
            Phase::Mail => "mail",
            Phase::Rcpt => "rcpt",
            Phase::Message => "message",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A set of phases: when a filter is asked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Phases(u8);

impl Phases {
    /// None: the filter is only told ([`observe`](crate::Filter::observe)) or acted upon.
    pub const NONE: Phases = Phases(0);
    /// [`Phase::Connect`].
    pub const CONNECT: Phases = Phases(1);
    /// [`Phase::Helo`].
    pub const HELO: Phases = Phases(1 << 1);
    /// [`Phase::Mail`].
    pub const MAIL: Phases = Phases(1 << 2);
    /// [`Phase::Rcpt`].
    pub const RCPT: Phases = Phases(1 << 3);
    /// [`Phase::Message`].
    pub const MESSAGE: Phases = Phases(1 << 4);

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Phases) -> Phases {
        Phases(self.0 | other.0)
    }

    /// Whether `phase` is in it.
    pub const fn has(self, phase: Phase) -> bool {
        self.0 & (1 << phase as u8) != 0
    }

    /// The phases in it, in order.
    pub fn iter(self) -> impl Iterator<Item = Phase> {
        Phase::ALL.into_iter().filter(move |phase| self.has(*phase))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_phases_lists_what_is_in_it_in_order() {
        let set = Phases::MESSAGE.and(Phases::CONNECT);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Phase::Connect, Phase::Message]);
        assert!(!set.has(Phase::Rcpt));
    }
}
