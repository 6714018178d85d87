//! What becomes of a mail, for one recipient.

use std::fmt;

use gatepost_message::Edit;
use gatepost_smtp::Reply;
use serde::{Deserialize, Serialize};

use crate::opinion::Tag;

/// How likely a mail is unwanted, in the operator's four steps.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Below every threshold.
    #[default]
    None,
    /// Slightly suspicious.
    Low,
    /// Probably unwanted.
    Medium,
    /// Certainly unwanted.
    High,
}

impl Level {
    /// All of them, rising.
    pub const ALL: [Level; 4] = [Level::None, Level::Low, Level::Medium, Level::High];

    /// Its name, as configuration and headers spell it.
    pub const fn name(self) -> &'static str {
        match self {
            Level::None => "none",
            Level::Low => "low",
            Level::Medium => "medium",
            Level::High => "high",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What becomes of a mail.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fate {
    /// It goes to the mail server.
    Deliver,
    /// It is accepted, kept and not delivered.
    Hold,
    /// 4xx.
    Defer(Reply),
    /// 5xx.
    Refuse(Reply),
    /// It is accepted and not delivered; a copy is kept.
    Discard,
    /// It goes to the filter that asked for it.
    Divert,
}

impl Fate {
    /// Its name, as records spell it.
    pub const fn name(&self) -> &'static str {
        match self {
            Fate::Deliver => "deliver",
            Fate::Hold => "hold",
            Fate::Defer(_) => "defer",
            Fate::Refuse(_) => "refuse",
            Fate::Discard => "discard",
            Fate::Divert => "divert",
        }
    }
}

/// What is written on a mail that is delivered. Recipients with equal marks share one delivery.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// Changes of the header section, in order.
    pub edits: Vec<Edit>,
}

/// On what terms a copy is kept.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Terms {
    /// Why it is kept: `held`, `discarded`, `refused`, `denied`, [`Terms::DANGEROUS`] and the like.
    pub reason: Box<str>,
    /// Whether it must be on disk before we answer: yes wherever we accept mail on its strength.
    pub durable: bool,
    /// After how many days it goes; the archive's own rule where none is given.
    pub days: Option<u32>,
}

impl Terms {
    /// The reason of what is kept because of danger, whatever else became of it: for administrators only, since nobody
    /// shall be talked into releasing it.
    pub const DANGEROUS: &str = "dangerous";

    /// The same for so many days.
    #[must_use]
    pub fn for_days(mut self, days: Option<u32>) -> Terms {
        self.days = days;
        self
    }

    /// Terms for mail that is ours because we keep it.
    pub fn durable(reason: impl Into<Box<str>>) -> Terms {
        Terms {
            reason: reason.into(),
            durable: true,
            days: None,
        }
    }

    /// Terms for a copy of mail that is not ours.
    pub fn copy(reason: impl Into<Box<str>>) -> Terms {
        Terms {
            reason: reason.into(),
            durable: false,
            days: None,
        }
    }
}

/// What policy makes of all opinions, for one recipient.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Verdict {
    /// How likely the mail is unwanted.
    pub level: Level,
    /// What becomes of it.
    pub fate: Fate,
    /// What is written on it.
    pub marks: Marks,
    /// Whether a copy is kept.
    pub keep: Option<Terms>,
    /// After how many days goes what is kept of it, for whatever reason; the archive's own rule where none is given.
    pub days: Option<u32>,
    /// Whether a wish about danger decided, or that nobody could look for it: what is kept then is not for everybody.
    pub danger: bool,
    /// The findings and rules that led there, the weightiest first.
    pub because: Vec<Tag>,
}

impl Verdict {
    /// A verdict without marks, copy or reasons.
    pub fn new(level: Level, fate: Fate) -> Verdict {
        Verdict {
            level,
            fate,
            marks: Marks::default(),
            keep: None,
            days: None,
            danger: false,
            because: Vec::new(),
        }
    }
}
