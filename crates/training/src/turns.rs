//! How spam and ham take turns where a collection of one class comes after one of the other.
//!
//! Who hands over a folder of ham and then one of spam would have models that learned the ham while all was ham, when there
//! was nothing to tell it from, and then only spam: such models call most mail spam. So between the mails of a collection
//! samples of the other class are learned once more where that is rare by now (a reservoir, as the log is one).
//!
//! **Invariant:** what is learned once more is written into the log as that, and then no choice any more. **Absent on
//! purpose:** what people say one by one; that comes mixed, and five hundred of one class in a row change little.

use gatepost_core::{Ground, Label};

use crate::log::Entry;

/// The last samples of collections count, each a little less than the one behind it: as much as so many of the same weight.
const LAST: u32 = 64;
/// The other class is rare where it has less of its share among them than this; then it is learned once more until it has
/// all of its share.
const ENOUGH: f64 = 0.7;
/// So many, at most, are learned once more behind one mail.
pub const AT_ONCE: usize = 3;
/// Fewer of one class are no reason.
const FEW: u32 = 10;

/// What was learned of collections, and what is learned once more next.
#[derive(Default)]
pub struct Turns {
    /// Ham and spam that were told.
    told: [u32; 2],
    /// How many were learned so far, at most [`LAST`], and how much of the last ones is spam; those that were learned once
    /// more included.
    learned: u32,
    spam: f64,
    /// Whether ham, and whether spam, was rare and has not all of its share yet.
    rare: [bool; 2],
    /// The last of each class that was learned once more.
    last: [u64; 2],
}

fn class(label: Label) -> usize {
    usize::from(label == Label::Spam)
}

impl Turns {
    /// As they follow from what the log has.
    pub fn of<'a>(entries: impl Iterator<Item = &'a Entry>) -> Turns {
        let mut turns = Turns::default();
        for entry in entries.filter(|entry| entry.head.ground == Ground::Corpus) {
            match entry.again {
                Some(of) => turns.again(entry.head.label, of),
                None => turns.told(entry.head.label),
            }
        }
        turns
    }

    /// Counts a new sample of a collection.
    pub fn told(&mut self, label: Label) {
        if let Some(told) = self.told.get_mut(class(label)) {
            *told = told.saturating_add(1);
        }
        self.count(label);
    }

    /// The class other than this one, where one of it is to be learned once more.
    pub fn rare_beside(&mut self, label: Label) -> Option<Label> {
        let (other, there) = match label {
            Label::Ham => (Label::Spam, self.spam),
            Label::Spam => (Label::Ham, 1.0 - self.spam),
        };
        let of = |label| self.told.get(class(label)).copied().unwrap_or_default();
        let (mine, others) = (of(label), of(other));
        if mine < FEW || others == 0 {
            return None;
        }
        let share = f64::from(others) / (f64::from(mine) + f64::from(others));
        let rare = self.rare.get_mut(class(other))?;
        *rare = there < share * if *rare { 1.0 } else { ENOUGH };
        rare.then_some(other)
    }

    /// Counts one that was learned once more, and which it was.
    pub fn again(&mut self, label: Label, of: u64) {
        if let Some(last) = self.last.get_mut(class(label)) {
            *last = of;
        }
        self.count(label);
    }

    /// The last of a class that was learned once more.
    pub fn last(&self, label: Label) -> u64 {
        self.last.get(class(label)).copied().unwrap_or_default()
    }

    fn count(&mut self, label: Label) {
        self.learned = (self.learned + 1).min(LAST);
        self.spam += (class(label) as f64 - self.spam) / f64::from(self.learned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many are learned once more where these are told, in runs.
    fn again(runs: &[(Label, usize)]) -> Vec<usize> {
        let mut turns = Turns::default();
        let mut of_run = |(label, len): &(Label, usize)| {
            let mut again = 0;
            for n in 0..*len {
                turns.told(*label);
                for _ in 0..AT_ONCE {
                    if let Some(other) = turns.rare_beside(*label) {
                        turns.again(other, n as u64);
                        again += 1;
                    }
                }
            }
            again
        };
        runs.iter().map(&mut of_run).collect()
    }

    #[test]
    fn a_class_that_comes_after_the_other_meets_it_again_and_again() {
        let all = again(&[(Label::Ham, 4_000), (Label::Spam, 2_000)]);
        assert_eq!(all[0], 0, "there is no other yet");
        assert!((2_000..=5_500).contains(&all[1]), "{all:?}");
        let all = again(&[(Label::Spam, 2_000), (Label::Ham, 4_000)]);
        assert!((1_000..=5_000).contains(&all[1]), "{all:?}");
        let all = again(&[(Label::Ham, 200), (Label::Spam, 200)]);
        assert!((50..=400).contains(&all[1]), "{all:?}");
    }

    #[test]
    fn what_comes_mixed_is_learned_once() {
        let mixed = [(Label::Ham, 2), (Label::Spam, 1)].repeat(1_000);
        assert_eq!(again(&mixed).iter().sum::<usize>(), 0);
    }
}
