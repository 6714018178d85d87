//! What a filter says, by what an engine said: a pure function.

use gatepost_core::message::Edit;
use gatepost_core::prelude::*;

use crate::name::{is_like, told};
use crate::options::{Action, TooLarge};
use crate::{Answer, Voice};

/// The field that policy writes on mail which a filter that failed did not look at; here for the same reason.
const MARK: &str = "X-Gatepost-Unchecked";

/// What becomes of finds, as the operator wants it.
pub struct Terms<'a> {
    /// What becomes of mail in which something was found.
    pub action: Action,
    /// What a find weighs besides.
    pub found_points: Score,
    /// What becomes of mail that is too large to be scanned.
    pub too_large: TooLarge,
    /// Names of finds that only weigh.
    pub heuristics: &'a [String],
    /// Points for such a find.
    pub heuristic_points: Score,
}

/// Who says it: an engine by its words, on the operator's terms.
pub struct Speaker<'a> {
    /// The words.
    pub voice: &'static Voice,
    /// The terms.
    pub terms: Terms<'a>,
}

impl Speaker<'_> {
    /// Whether an answer settles what becomes of the mail, whatever else is in it: something was found that does not only
    /// weigh.
    pub fn settles(&self, answer: &Answer) -> bool {
        matches!(answer, Answer::Found(name) if !self.is_beyond(name) && !self.weighs(name))
    }

    /// A find that says that not all was looked at.
    fn is_beyond(&self, name: &str) -> bool {
        self.voice
            .limits
            .is_some_and(|limits| is_like((self.voice.bare)(name), limits))
    }

    fn weighs(&self, name: &str) -> bool {
        let name = (self.voice.bare)(name);
        self.terms.heuristics.iter().any(|pattern| is_like(name, pattern))
    }

    /// What is said of a mail by the answers of a server; `by` says which. None of them: all of it is clean.
    pub fn of(&self, answers: &[Answer], by: &str) -> Opinion {
        let finds = || {
            answers.iter().filter_map(|answer| match answer {
                Answer::Found(name) => Some(name.as_str()),
                _ => None,
            })
        };
        if let Some(Answer::Found(name)) = answers.iter().find(|answer| self.settles(answer)) {
            return self.found(name, by);
        }
        let beyond = finds().find(|name| self.is_beyond(name));
        // The round gives a fault instead, which is the operator's to decide on; should it not, the mail is not clean.
        let unread = answers.iter().find_map(|answer| match answer {
            Answer::Unscanned(why) => Some(why.clone()),
            _ => None,
        });
        let opinion = match (beyond, unread) {
            (Some(name), _) => self.too_large(format!("{name} ({by})")),
            _ if answers.contains(&Answer::TooLarge) => self.too_large(format!("{} ({by})", self.voice.cut)),
            (None, Some(why)) => self.unscanned(why),
            (None, None) => Opinion::none(),
        };
        match finds().find(|name| !self.is_beyond(name)) {
            Some(name) => {
                let points = Evidence::Points(self.terms.heuristic_points);
                opinion.with(Finding::new(
                    self.voice.heuristic.clone(),
                    points,
                    format!("{name} ({by})"),
                ))
            }
            None => opinion,
        }
    }

    fn found(&self, name: &str, by: &str) -> Opinion {
        let note = format!("{name} ({by})");
        let wish = match self.terms.action {
            Action::Reject => {
                let text = format!("Refused: the message carries {}", told((self.voice.bare)(name)));
                Wish::Reject(Reply::new(550, Some(Enhanced(5, 7, 1)), text))
            }
            Action::Hold => Wish::Hold,
            Action::Discard => Wish::Discard,
        };
        Opinion::points(self.voice.found.clone(), self.terms.found_points, note).wish(wish)
    }

    /// What is said of a mail that has more octets than are sent.
    pub fn too_long(&self, octets: u64, max_size: u64) -> Opinion {
        self.too_large(format!("{octets} octets, and max_size is {max_size}"))
    }

    fn too_large(&self, note: String) -> Opinion {
        let opinion = Opinion::points(self.voice.too_large.clone(), Score::ZERO, note);
        match self.terms.too_large {
            TooLarge::Mark => self.mark(opinion),
            TooLarge::Defer => opinion.wish(Wish::Defer(Reply::fixed(
                451,
                Enhanced(4, 3, 4),
                "The message is too large to be scanned now, try again later",
            ))),
            TooLarge::Hold => opinion.wish(Wish::Hold),
            TooLarge::Reject => opinion.wish(Wish::Reject(Reply::fixed(
                552,
                Enhanced(5, 3, 4),
                "Refused: the message is too large to be scanned",
            ))),
        }
    }

    /// What is said of a mail that nobody is there to scan.
    pub fn unscanned(&self, note: String) -> Opinion {
        self.mark(Opinion::points(self.voice.unscanned.clone(), Score::ZERO, note))
    }

    fn mark(&self, opinion: Opinion) -> Opinion {
        match Edit::prepend(MARK, self.voice.name) {
            Ok(edit) => opinion.wish(Wish::Edit(edit)),
            Err(_) => opinion,
        }
    }
}
