//! Which branch of a multipart/alternative a reader sees.
//!
//! **Invariant:** of the branches the last one that readers show stays in the text (RFC 2046, section 5.1.4). Of the others
//! only the words that this one has not are kept, as text that is not seen: mostly the branches say the same. Each octet is
//! moved at most once for each alternative around it, and no more than [`COMPARED_MAX`] are compared.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hasher};

use super::{HTML_MAX, TEXT_MAX};

/// Octets of a mail that are looked at to compare branches; what lies behind them counts as different.
const COMPARED_MAX: usize = TEXT_MAX + HTML_MAX;
/// Octets of a word that are compared.
const WORD_MAX: usize = 64;

/// How far the branches of the alternatives of a mail differ.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Alternatives {
    /// Words in branches that are not seen, links left out.
    pub words: usize,
    /// Those of them that the seen branch has not.
    pub unseen: usize,
    /// Whether plain text stands behind HTML, so that some readers show the one and some the other.
    pub reversed: bool,
}

/// How well a branch can be shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Rank {
    /// Nothing in it is seen.
    #[default]
    Nothing,
    /// Few readers show it.
    Rare,
    /// Readers show it.
    Shown,
}

/// An alternative that is open.
#[derive(Default)]
struct Choice {
    /// Whether it stands where any reader shows it.
    shown: bool,
    /// Where the seen branch begins in the text.
    begin: usize,
    seen: Rank,
    seen_html: bool,
    /// Where the branch begins that is open.
    branch: usize,
    rank: Rank,
    html: bool,
    /// The text of the other branches.
    others: String,
    reversed: bool,
}

/// The alternatives that are open, and what is told of those that are over.
#[derive(Default)]
pub(super) struct Choices {
    open: Vec<Choice>,
    told: Alternatives,
    compared: usize,
}

impl Choices {
    /// An alternative begins.
    pub(super) fn begin(&mut self, shown: bool, text: &mut String) {
        end_line(text);
        self.open.push(Choice {
            shown,
            begin: text.len(),
            branch: text.len(),
            ..Choice::default()
        });
    }

    /// Says of a text that is about to be appended whether readers show such a part, whether it is HTML, and whether
    /// something else than the text is seen of it.
    pub(super) fn text(&mut self, text: &str, shown: bool, html: bool, also: bool) {
        if let Some(choice) = self.open.last_mut()
            && (also || !text.trim_ascii().is_empty())
        {
            choice.rank = choice.rank.max(if shown { Rank::Shown } else { Rank::Rare });
            choice.html |= html && shown;
        }
    }

    /// A branch is over.
    pub(super) fn branch(&mut self, text: &mut String) {
        if let Some(choice) = self.open.last_mut() {
            choice.branch_over(text);
        }
    }

    /// The alternative is over: what is not seen of it moves from the text into the hidden one.
    pub(super) fn chosen(&mut self, text: &mut String, hidden: &mut String, compares: bool) {
        let Some(mut choice) = self.open.pop() else {
            return;
        };
        choice.branch_over(text);
        if let Some(around) = self.open.last_mut() {
            let rank = if choice.shown {
                choice.seen
            } else {
                choice.seen.min(Rank::Rare)
            };
            around.rank = around.rank.max(rank);
            around.html |= choice.seen_html && choice.shown;
        }
        self.told.reversed |= choice.reversed;
        if choice.others.is_empty() {
            return;
        }
        end_line(hidden);
        let seen = text.get(choice.begin..).unwrap_or_default();
        let cost = seen.len() + choice.others.len();
        if !compares || self.compared + cost > COMPARED_MAX {
            hidden.push_str(&choice.others);
            return;
        }
        self.compared += cost;
        let mut known = HashSet::new();
        each_word(seen, &mut |_, word| {
            known.insert(hash(word));
        });
        let mut end = 0;
        let begin = hidden.len();
        each_word(&choice.others, &mut |at, word| {
            self.told.words += 1;
            if known.contains(&hash(word)) {
                return;
            }
            self.told.unseen += 1;
            if at != end && hidden.len() > begin {
                hidden.push(' ');
            }
            hidden.push_str(word);
            end = at + word.len();
        });
    }

    /// What is told of them; nothing where no branch could be compared.
    pub(super) fn told(&self) -> Option<Alternatives> {
        (self.told.words > 0 || self.told.reversed).then_some(self.told)
    }
}

impl Choice {
    fn branch_over(&mut self, text: &mut String) {
        end_line(text);
        if self.rank > Rank::Nothing && self.rank >= self.seen {
            self.others
                .push_str(text.get(self.begin..self.branch).unwrap_or_default());
            text.drain(self.begin..self.branch);
            self.reversed |= self.seen_html && !self.html;
            (self.seen, self.seen_html) = (self.rank, self.html);
        } else if let Some(other) = text.get(self.branch..) {
            self.others.push_str(other);
            text.truncate(self.branch);
        }
        (self.rank, self.html, self.branch) = (Rank::Nothing, false, text.len());
    }
}

/// Ends the last line of a text.
fn end_line(text: &mut String) {
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// Whether it belongs to a script that writes no spaces, so that lines break anywhere.
fn is_dense(c: char) -> bool {
    matches!(u32::from(c), 0x2E80..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF | 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF)
}

/// Gives each word of a text and where it begins, but for those of links.
fn each_word<'t>(text: &'t str, take: &mut dyn FnMut(usize, &'t str)) {
    let base = text.as_ptr() as usize;
    for piece in text.split_whitespace().filter(|piece| !piece.contains("://")) {
        for run in piece
            .split(|c: char| !c.is_alphanumeric())
            .filter(|run| !run.is_empty())
        {
            let at = run.as_ptr() as usize - base;
            let mut from = 0;
            for (place, c) in run.char_indices().filter(|&(_, c)| is_dense(c)) {
                let end = place + c.len_utf8();
                for (from, to) in [(from, place), (place, end)] {
                    if let Some(word) = run.get(from..to).filter(|word| !word.is_empty()) {
                        take(at + from, word);
                    }
                }
                from = end;
            }
            if let Some(word) = run.get(from..).filter(|word| !word.is_empty()) {
                take(at + from, word);
            }
        }
    }
}

/// A word in small letters as a number.
fn hash(word: &str) -> u64 {
    let word = super::url::head(word, WORD_MAX);
    let mut hasher = DefaultHasher::new();
    if word.is_ascii() {
        let mut lower = [0; WORD_MAX];
        for (to, from) in lower.iter_mut().zip(word.bytes()) {
            *to = from.to_ascii_lowercase();
        }
        hasher.write(&lower);
    } else {
        hasher.write(word.to_lowercase().as_bytes());
    }
    hasher.finish()
}
