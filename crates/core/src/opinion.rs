//! What a filter says: findings, and perhaps a wish.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use gatepost_message::Edit;
use gatepost_smtp::Reply;
use serde::{Deserialize, Serialize};

use crate::envelope::RecipientId;
use crate::score::Score;

/// The name of a finding, `filter.what`: `dnsbl.listed`, `greylist.new`. Stable: operators, logs and reports know it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tag(Cow<'static, str>);

impl Tag {
    /// A tag of a filter's own source code.
    pub const fn new(name: &'static str) -> Tag {
        Tag(Cow::Borrowed(name))
    }

    /// A tag that was made at run time, from the name of a configured list, say.
    pub fn owned(name: String) -> Tag {
        Tag(Cow::Owned(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whom a finding or a wish concerns.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Every recipient of the transaction, those to come included.
    Everyone,
    /// One recipient.
    Only(RecipientId),
}

impl Scope {
    /// Whether it concerns `who`.
    pub fn covers(self, who: RecipientId) -> bool {
        match self {
            Scope::Everyone => true,
            Scope::Only(only) => only == who,
        }
    }
}

/// For which mail a finding or a wish was made. Filters do not see one another, so a rule "for mail that nobody exempted" is
/// said as such and resolved where all opinions meet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// For any mail.
    #[default]
    Any,
    /// Only for mail that is exempt.
    Exempt,
    /// Only for mail that is not exempt.
    NotExempt,
}

/// What a finding weighs.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// Points. They add up.
    Points(Score),
    /// Log-odds of spam from a classifier, with how much it has seen of what it judges by. They are fused with those
    /// of the other classifiers before they become points.
    LogOdds {
        /// Natural logarithm of P(spam) / P(ham).
        value: f32,
        /// How many learned messages stand behind it.
        support: u32,
    },
}

/// One thing that a filter noticed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Finding {
    /// Its name.
    pub tag: Tag,
    /// Its weight.
    pub evidence: Evidence,
    /// Whom it concerns.
    pub scope: Scope,
    /// For which mail it counts.
    #[serde(default)]
    pub standing: Standing,
    /// Whether it weighs only where the wishes of its filter do not count (mode `score`): what a wish takes care of.
    #[serde(default)]
    pub instead: bool,
    /// What exactly was seen, in words for the log; at most [`Finding::NOTE_MAX`] octets. May quote the mail: readers
    /// escape it.
    pub note: String,
}

impl Finding {
    /// The most octets that a note keeps.
    pub const NOTE_MAX: usize = 500;

    /// A finding about the whole mail.
    pub fn new(tag: Tag, evidence: Evidence, note: impl Into<String>) -> Finding {
        let mut note = note.into();
        if note.len() > Finding::NOTE_MAX {
            let cut = (0..=Finding::NOTE_MAX)
                .rev()
                .find(|&i| note.is_char_boundary(i))
                .unwrap_or(0);
            note.truncate(cut);
        }
        Finding {
            tag,
            evidence,
            scope: Scope::Everyone,
            standing: Standing::Any,
            instead: false,
            note,
        }
    }

    /// The same for one recipient only.
    #[must_use]
    pub fn only(mut self, who: RecipientId) -> Finding {
        self.scope = Scope::Only(who);
        self
    }

    /// The same, weighing only where the wishes of its filter do not count.
    #[must_use]
    pub fn instead_of_wishes(mut self) -> Finding {
        self.instead = true;
        self
    }

    /// The same, counting for mail of a standing only.
    #[must_use]
    pub fn counting_for(mut self, standing: Standing) -> Finding {
        self.standing = standing;
        self
    }
}

/// What a filter would like to happen. Policy decides; a wish counts only in mode `enforce`.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Wish {
    /// Nothing about spam shall count against this mail. Never silences danger.
    Exempt,
    /// Nobody shall defer this mail (a greylist's 451).
    Spare,
    /// The client shall wait this long for its reply. Acts at once.
    Delay(Duration),
    /// Say 4xx: come again.
    Defer(Reply),
    /// One person's own refusal, said at RCPT.
    Deny(Reply),
    /// Say 5xx.
    Reject(Reply),
    /// Say it and close the connection.
    Close(Reply),
    /// Accept, keep, do not deliver.
    Hold,
    /// Accept and do not deliver; a copy is always kept.
    Discard,
    /// Change the header section of what is delivered.
    Edit(Edit),
    /// This recipient is mine: the mail goes to my [`take`](crate::Filter::take), not upstream. Said at RCPT.
    Divert,
}

impl Wish {
    /// The power that voicing it takes.
    pub const fn kind(&self) -> Wishes {
        match self {
            Wish::Exempt => Wishes::EXEMPT,
            Wish::Spare => Wishes::SPARE,
            Wish::Delay(_) => Wishes::DELAY,
            Wish::Defer(_) => Wishes::DEFER,
            Wish::Deny(_) => Wishes::DENY,
            Wish::Reject(_) => Wishes::REJECT,
            Wish::Close(_) => Wishes::CLOSE,
            Wish::Hold => Wishes::HOLD,
            Wish::Discard => Wishes::DISCARD,
            Wish::Edit(_) => Wishes::EDIT,
            Wish::Divert => Wishes::DIVERT,
        }
    }
}

/// A set of kinds of wishes: the powers of a filter.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Wishes(u16);

impl Wishes {
    /// No power but to testify.
    pub const NONE: Wishes = Wishes(0);
    /// May wish [`Wish::Exempt`].
    pub const EXEMPT: Wishes = Wishes(1);
    /// May wish [`Wish::Spare`].
    pub const SPARE: Wishes = Wishes(1 << 1);
    /// May wish [`Wish::Delay`].
    pub const DELAY: Wishes = Wishes(1 << 2);
    /// May wish [`Wish::Defer`].
    pub const DEFER: Wishes = Wishes(1 << 3);
    /// May wish [`Wish::Deny`].
    pub const DENY: Wishes = Wishes(1 << 4);
    /// May wish [`Wish::Reject`].
    pub const REJECT: Wishes = Wishes(1 << 5);
    /// May wish [`Wish::Close`].
    pub const CLOSE: Wishes = Wishes(1 << 6);
    /// May wish [`Wish::Hold`].
    pub const HOLD: Wishes = Wishes(1 << 7);
    /// May wish [`Wish::Discard`].
    pub const DISCARD: Wishes = Wishes(1 << 8);
    /// May wish [`Wish::Edit`].
    pub const EDIT: Wishes = Wishes(1 << 9);
    /// May wish [`Wish::Divert`].
    pub const DIVERT: Wishes = Wishes(1 << 10);

    const NAMES: [(Wishes, &'static str); 11] = [
        (Wishes::EXEMPT, "exempt"),
        (Wishes::SPARE, "spare"),
        (Wishes::DELAY, "delay"),
        (Wishes::DEFER, "defer"),
        (Wishes::DENY, "deny"),
        (Wishes::REJECT, "reject"),
        (Wishes::CLOSE, "close"),
        (Wishes::HOLD, "hold"),
        (Wishes::DISCARD, "discard"),
        (Wishes::EDIT, "edit"),
        (Wishes::DIVERT, "divert"),
    ];

    /// Both sets together.
    #[must_use]
    pub const fn and(self, other: Wishes) -> Wishes {
        Wishes(self.0 | other.0)
    }

    /// Whether all of `other` are in it.
    pub const fn has(self, other: Wishes) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether some of `other` are in it.
    pub const fn meets(self, other: Wishes) -> bool {
        self.0 & other.0 != 0
    }

    /// The names of the wishes in it, as the operator reads them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES
            .into_iter()
            .filter(move |(wish, _)| self.has(*wish))
            .map(|(_, name)| name)
    }
}

/// Most opinions are of one finding or one wish, and those of connect and HELO last as long as the session: a list that
/// made room for four at once would hold three times too much for as long as somebody waits.
fn one_at_first<T>(list: &mut Vec<T>) {
    if list.is_empty() {
        list.reserve_exact(1);
    }
}

/// What one filter says at one moment.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Opinion {
    findings: Vec<Finding>,
    wishes: Vec<(Scope, Standing, Wish)>,
}

impl Opinion {
    /// The most findings that one opinion keeps; later ones are dropped, the pipeline says so in the record.
    pub const FINDINGS_MAX: usize = 100;
    /// The most wishes that one opinion keeps.
    pub const WISHES_MAX: usize = 2_000;

    /// Nothing to say.
    pub const fn none() -> Opinion {
        Opinion {
            findings: Vec::new(),
            wishes: Vec::new(),
        }
    }

    /// An opinion of one finding that weighs points.
    pub fn points(tag: Tag, points: Score, note: impl Into<String>) -> Opinion {
        Opinion::none().with(Finding::new(tag, Evidence::Points(points), note))
    }

    /// Adds a finding.
    #[must_use]
    pub fn with(mut self, finding: Finding) -> Opinion {
        if self.findings.len() < Opinion::FINDINGS_MAX {
            one_at_first(&mut self.findings);
            self.findings.push(finding);
        }
        self
    }

    /// Adds a wish for every recipient and any standing.
    #[must_use]
    pub fn wish(self, wish: Wish) -> Opinion {
        self.wish_for(Scope::Everyone, Standing::Any, wish)
    }

    /// Adds a wish for some.
    #[must_use]
    pub fn wish_for(mut self, scope: Scope, standing: Standing, wish: Wish) -> Opinion {
        if self.wishes.len() < Opinion::WISHES_MAX {
            one_at_first(&mut self.wishes);
            self.wishes.push((scope, standing, wish));
        }
        self
    }

    /// What was found.
    pub fn findings(&self) -> &[Finding] {
        &self.findings
    }

    /// What is wished, for whom.
    pub fn wishes(&self) -> &[(Scope, Standing, Wish)] {
        &self.wishes
    }

    /// Whether there is nothing in it.
    pub fn is_none(&self) -> bool {
        self.findings.is_empty() && self.wishes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_note_is_cut_between_characters() {
        let finding = Finding::new(Tag::new("x.y"), Evidence::Points(Score::ZERO), "ä".repeat(400));
        assert_eq!(finding.note.len(), 500);
        let odd = Finding::new(
            Tag::new("x.y"),
            Evidence::Points(Score::ZERO),
            format!("a{}", "ä".repeat(400)),
        );
        assert_eq!(odd.note.len(), 499);
    }

    #[test]
    fn each_wish_has_a_power_of_its_own() {
        let all = Wishes::NAMES.iter().fold(Wishes::NONE, |all, (wish, _)| {
            assert!(!all.meets(*wish));
            all.and(*wish)
        });
        assert_eq!(all.names().count(), 11);
        assert!(all.has(Wish::Divert.kind()));
        assert!(!Wishes::DEFER.and(Wishes::SPARE).has(Wish::Hold.kind()));
    }
}
