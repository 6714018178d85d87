//! Several classifiers' log-odds become one, and that becomes points.
//!
//! **Invariant:** more log-odds of spam from any member never make fewer points, and no member, whatever it says, makes
//! more than [`Fusion::MOST`]. **Absent on purpose:** learning the weights.

use std::collections::BTreeMap;

use gatepost_core::{LogOdds, Score};

/// How the words of several classifiers are weighed together.
#[derive(Clone, PartialEq, Debug)]
pub struct Fusion {
    /// The weight of a member by its filter's name. Members see much the same, so their sum would count it twice.
    weights: BTreeMap<Box<str>, f32>,
    /// The weight of a member that is not named.
    other: f32,
    /// The support at which a member counts half; below it less, above it more, without a step.
    half: f32,
    /// The log-odds at which the curve has made three quarters of its points.
    width: f32,
}

impl Default for Fusion {
    /// Fixed weights for members that nobody has compared: two that agree count as a little more than one.
    fn default() -> Fusion {
        Fusion {
            weights: BTreeMap::new(),
            other: 0.6,
            half: 100.0,
            width: 5.0,
        }
    }
}

impl Fusion {
    /// The furthest that one member's log-odds go.
    pub const FAR: f32 = 20.0;
    /// The most points that the curve may be asked for.
    pub const MOST: Score = Score::points(10_000);

    /// The same with a weight for one member; nonsense counts as none.
    #[must_use]
    pub fn weighing(mut self, filter: &str, weight: f32) -> Fusion {
        let weight = if weight.is_finite() {
            weight.clamp(0.0, 10.0)
        } else {
            0.0
        };
        self.weights.insert(filter.into(), weight);
        self
    }

    /// The members' log-odds as one.
    pub fn fuse<'a>(&self, votes: impl IntoIterator<Item = (&'a str, LogOdds)>) -> f32 {
        votes
            .into_iter()
            .map(|(filter, odds)| {
                let value = if odds.value.is_nan() {
                    0.0
                } else {
                    odds.value.clamp(-Fusion::FAR, Fusion::FAR)
                };
                let support = odds.support as f32;
                let trust = support / (support + self.half);
                value * trust * self.weights.get(filter).copied().unwrap_or(self.other)
            })
            .sum()
    }

    /// The fused log-odds beyond which a mail is called spam at the risk that the operator chose.
    pub fn threshold(&self) -> f32 {
        self.width
    }

    /// Points for fused log-odds: none at even odds, `most` or its negative far from them.
    pub fn points(&self, odds: f32, most: Score) -> Score {
        let most = most.max(Score::ZERO).min(Fusion::MOST);
        let points = (odds / self.width).tanh() * most.as_hundredths() as f32;
        Score::hundredths(points.round() as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odds(value: f32, support: u32) -> LogOdds {
        LogOdds { value, support }
    }

    fn points(votes: &[(&str, LogOdds)]) -> i32 {
        let fusion = Fusion::default();
        fusion
            .points(fusion.fuse(votes.iter().copied()), Score::points(6))
            .as_hundredths()
    }

    #[test]
    fn even_odds_and_nobody_make_no_points() {
        assert_eq!(points(&[]), 0);
        assert_eq!(points(&[("bayes", odds(0.0, 5_000))]), 0);
    }

    #[test]
    fn little_support_weighs_less_and_there_is_no_step() {
        let at = |support| points(&[("bayes", odds(8.0, support))]);
        assert_eq!(at(0), 0);
        for support in 1..2_000 {
            let gained = at(support) - at(support - 1);
            assert!((0..=6).contains(&gained), "{support}: {gained}");
        }
    }

    #[test]
    fn members_that_agree_say_more_and_members_that_differ_say_less() {
        let (one, other) = (("bayes", odds(6.0, 1_000)), ("hmm", odds(6.0, 1_000)));
        let against = ("hmm", odds(-6.0, 1_000));
        assert!(points(&[one, other]) > points(&[one]));
        assert!(points(&[one, against]) == 0);
        assert_eq!(points(&[against]), -points(&[one]));
    }

    #[test]
    fn no_member_can_break_the_sum() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            let points = points(&[("bayes", odds(value, u32::MAX))]);
            assert!(points.abs() <= 600, "{value}: {points}");
        }
    }

    #[test]
    fn a_weight_of_nothing_silences_a_member() {
        let fusion = Fusion::default().weighing("bayes", 0.0);
        assert_eq!(fusion.fuse([("bayes", odds(9.0, 1_000))]), 0.0);
        assert_eq!(
            Fusion::default()
                .weighing("bayes", f32::NAN)
                .fuse([("bayes", odds(9.0, 1_000))]),
            0.0
        );
    }
}
