//! The four levels: where each begins, and what is done with mail of it.

use std::borrow::Cow;

use gatepost_core::Score;
use gatepost_core::message::SubjectTag;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

use super::locks::OF_LEVEL;
use crate::spambox::Spambox;

/// What is done with mail of a level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// It is delivered as it is.
    None,
    /// It is delivered with header fields that tell its level and score.
    Header,
    /// The same, and with a tag before its subject.
    Subject,
    /// It is accepted, kept and not delivered.
    Hold,
    /// It is refused.
    Reject,
    /// It is accepted and not delivered; a copy is kept.
    Discard,
}

/// A tag before a subject, as it is written. Spaces behind it say nothing: one always stands between tag and subject.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tag(pub SubjectTag);

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Tag, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        SubjectTag::new(text.trim_end_matches(' '))
            .map(Tag)
            .map_err(D::Error::custom)
    }
}

impl JsonSchema for Tag {
    fn schema_name() -> Cow<'static, str> {
        "Tag".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "1 to 64 printable ASCII characters." })
    }
}

/// What is said of one level.
#[derive(Clone, PartialEq, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Step {
    /// The score from which on mail is of this level. Level `none` has no threshold.
    pub threshold: Option<Score>,
    /// What is done with it.
    pub action: Option<Action>,
    /// The tag before the subject, where that is the action; a space stands between them. `[SPAM: low]`, `[SPAM: med]` and
    /// `[SPAM: high]` by default.
    pub tag: Option<Tag>,
    /// Keep a copy of it where it is refused for its content. As `keep_refused` says by default.
    pub keep: Option<bool>,
    /// Where marked copies of it go: as `spambox` beside the levels, and for what is held by this level's action, too.
    pub spambox: Option<Spambox>,
}

impl Step {
    /// What is said here.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        let said = [
            self.threshold.is_some(),
            self.action.is_some(),
            self.tag.is_some(),
            self.keep.is_some(),
            self.spambox.is_some(),
        ];
        OF_LEVEL
            .into_iter()
            .zip(said)
            .filter(|(_, is_said)| *is_said)
            .map(|(name, _)| name)
    }

    /// Takes out what is said here by this name.
    pub(super) fn forget(&mut self, name: &str) {
        match name {
            "threshold" => self.threshold = None,
            "action" => self.action = None,
            "tag" => self.tag = None,
            "keep" => self.keep = None,
            "spambox" => self.spambox = None,
            _ => {}
        }
    }
}

/// What applies to one level.
#[derive(Clone, PartialEq, Debug)]
pub struct Grade {
    /// The score from which on mail is of this level.
    pub threshold: Score,
    /// What is done with it.
    pub action: Action,
    /// The tag before the subject, where that is the action.
    pub tag: Option<SubjectTag>,
    /// Whether a copy is kept of what is refused; as for all levels where nothing is said.
    pub keep: Option<bool>,
    /// Where marked copies go of what is refused or held; as for all levels where nothing is said.
    pub spambox: Option<Spambox>,
}

/// From which score on something is done: what a grade says without how it is done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bar {
    /// The score.
    pub threshold: Score,
    /// What is done.
    pub action: Action,
}

impl Bar {
    /// The bar of a grade.
    pub(super) fn of(grade: &Grade) -> Bar {
        Bar {
            threshold: grade.threshold,
            action: grade.action,
        }
    }
}

/// The levels where nothing is said.
pub(super) fn defaults() -> [Grade; 4] {
    let grade = |threshold, action, tag| Grade {
        threshold,
        action,
        tag: SubjectTag::new(tag).ok(),
        keep: None,
        spambox: None,
    };
    [
        grade(Score::hundredths(i32::MIN), Action::None, "[SPAM?]"),
        grade(Score::points(3), Action::Header, "[SPAM: low]"),
        grade(Score::points(6), Action::Subject, "[SPAM: med]"),
        grade(Score::points(10), Action::Reject, "[SPAM: high]"),
    ]
}
