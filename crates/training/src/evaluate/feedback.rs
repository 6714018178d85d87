//! When the filter is told what a mail was, and whether it is told the truth.
//!
//! **Immediate:** right after the mail was scored. **Delayed:** as by people who read their mail now and then: mail is
//! scored in batches whose lengths are drawn from an exponential distribution, and the labels of a batch come together
//! when it ends, in order; or each label after a number of further mails. **Partial:** only some people ever tell: for
//! mail to the others no label comes.

use std::collections::VecDeque;

use super::chance::Chance;

/// The kinds of feedback.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Feedback {
    /// At once.
    Immediate,
    /// In batches of this mean length, at their ends.
    Batches(usize),
    /// After so many further mails have been scored.
    After(usize),
    /// At once, from this share of the recipients; never from the others.
    Partial(f64),
}

impl Feedback {
    /// The mean length of batches where none is said.
    pub const BATCH: usize = 500;
    /// The share of recipients who tell where none is said: that of the labels in TREC's partial feedback of 2007.
    pub const SHARE: f64 = 0.4;

    /// In words.
    pub fn words(self) -> String {
        match self {
            Feedback::Immediate => "immediate".into(),
            Feedback::Batches(mean) => format!("delayed, in batches of {mean} on average"),
            Feedback::After(n) => format!("delayed by {n} messages"),
            Feedback::Partial(share) => format!("partial, from {:.0} % of the recipients", share * 100.0),
        }
    }
}

/// Purposes of chance; numbers without a meaning.
const BATCHES: u64 = 1;
const NOISE: u64 = 2;
const PEOPLE: u64 = 3;

/// Labels that are on their way.
#[derive(Debug)]
pub struct Schedule {
    feedback: Feedback,
    seed: u64,
    chance: Chance,
    waiting: VecDeque<usize>,
    left: usize,
}

impl Schedule {
    /// Nothing was scored yet.
    pub fn new(feedback: Feedback, seed: u64) -> Schedule {
        let mut chance = Chance::at(seed, BATCHES, 0);
        let left = match feedback {
            Feedback::Batches(mean) => chance.length(mean),
            _ => 0,
        };
        Schedule {
            feedback,
            seed,
            chance,
            waiting: VecDeque::new(),
            left,
        }
    }

    /// The mail at place `n` was scored; `whose` tells whose mail it is. Which labels are told now, in order.
    pub fn scored(&mut self, n: usize, whose: impl FnOnce() -> u64) -> Vec<usize> {
        match self.feedback {
            Feedback::Immediate => vec![n],
            Feedback::Partial(share) if Chance::at(self.seed, PEOPLE, whose()).share() < share => vec![n],
            Feedback::Partial(_) => Vec::new(),
            Feedback::After(delay) => {
                self.waiting.push_back(n);
                let due = self.waiting.len().saturating_sub(delay);
                self.waiting.drain(..due).collect()
            }
            Feedback::Batches(mean) => {
                self.waiting.push_back(n);
                self.left = self.left.saturating_sub(1);
                if self.left > 0 {
                    return Vec::new();
                }
                self.left = self.chance.length(mean);
                self.waiting.drain(..).collect()
            }
        }
    }
}

/// Whether the label of the mail at place `n` is told wrong, where this share of them is.
pub fn is_wrong(seed: u64, noise: f64, n: usize) -> bool {
    noise > 0.0 && Chance::at(seed, NOISE, n as u64).share() < noise
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(feedback: Feedback, n: usize) -> Vec<Vec<usize>> {
        let mut schedule = Schedule::new(feedback, 1);
        (0..n).map(|n| schedule.scored(n, || n as u64)).collect()
    }

    #[test]
    fn immediate_labels_come_at_once_and_delayed_ones_after_so_many() {
        assert_eq!(told(Feedback::Immediate, 3), [[0], [1], [2]]);
        assert_eq!(told(Feedback::After(2), 4), [vec![], vec![], vec![0], vec![1]]);
        assert_eq!(told(Feedback::After(0), 2), [[0], [1]]);
    }

    #[test]
    fn batches_come_whole_and_in_order() {
        let told = told(Feedback::Batches(50), 5_000);
        let batches: Vec<&Vec<usize>> = told.iter().filter(|batch| !batch.is_empty()).collect();
        assert!((60..160).contains(&batches.len()), "{}", batches.len());
        let all: Vec<usize> = batches.into_iter().flatten().copied().collect();
        assert_eq!(all, (0..all.len()).collect::<Vec<_>>());
        // Nothing is told before it was scored, and a batch ends where its last mail is.
        for (n, batch) in told.iter().enumerate() {
            assert!(batch.last().is_none_or(|last| *last == n));
        }
    }

    #[test]
    fn of_partial_feedback_a_person_tells_always_or_never() {
        let mut schedule = Schedule::new(Feedback::Partial(0.4), 7);
        let tells: Vec<bool> = (0..1_000).map(|who| !schedule.scored(0, || who).is_empty()).collect();
        let again: Vec<bool> = (0..1_000).map(|who| !schedule.scored(9, || who).is_empty()).collect();
        assert_eq!(tells, again);
        let share = tells.iter().filter(|tells| **tells).count();
        assert!((340..460).contains(&share), "{share}");
    }

    #[test]
    fn so_many_labels_are_wrong_as_asked() {
        let wrong = (0..10_000).filter(|n| is_wrong(1, 0.05, *n)).count();
        assert!((430..570).contains(&wrong), "{wrong}");
        assert!(!(0..1_000).any(|n| is_wrong(1, 0.0, n)));
    }
}
