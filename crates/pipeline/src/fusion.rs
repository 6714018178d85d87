//! Several classifiers' log-odds become one, and that becomes points.
//!
//! **Invariants:** more log-odds of spam from any member never make fewer points; no member, whatever it says, makes
//! more than [`Fusion::MOST`]; and the less is known of ham, the further spam must lie from it, and the less sure anybody is
//! that a mail is ham. **Absent on purpose:** learning the weights, and what lies in a mail.

use std::collections::BTreeMap;

use gatepost_core::{LogOdds, Score};

/// How the words of several classifiers are weighed together, and what risk the operator takes.
#[derive(Clone, PartialEq, Debug)]
pub struct Fusion {
    /// The weight of a member by its filter's name. Members see much the same, so their sum would count it twice.
    weights: BTreeMap<Box<str>, f32>,
    /// The weight of a member that is not named.
    other: f32,
    /// How ham lies, as far as it is known.
    ham: Ham,
    /// The share of ham that may be called spam.
    risk: f64,
    /// How far every member leans to spam because more of it was learned.
    lean: f32,
}

/// Where the fused log-odds of confirmed ham lie, each taken before that ham was learned.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Ham {
    /// How many ham messages.
    pub count: f64,
    /// The log-odds that one in [`Ham::ONE_IN`] of them passes.
    pub level: f32,
    /// By how much those pass it, on average.
    pub excess: f32,
}

impl Ham {
    /// One in so many lies beyond the level from which on the tail is told by its mean.
    pub const ONE_IN: f64 = 50.0;
    /// Ham messages that must be known for each one that may be called spam: none in so many is what a share of one in a
    /// third of it makes likely (the rule of three).
    pub const FOR_ONE: f64 = 3.0;
    /// With so many ham messages known, spam must lie twice as far away as what is known of them asks.
    pub const TO_KNOW: f64 = 10.0;
    /// However ham lies, spam that lies further than this is called so.
    const FURTHEST: f64 = 12.0;
}

impl Default for Fusion {
    /// The same weight for all members: nobody has compared them.
    fn default() -> Fusion {
        Fusion {
            weights: BTreeMap::new(),
            other: Fusion::OTHER,
            ham: Ham::default(),
            risk: Fusion::RISK,
            lean: 0.0,
        }
    }
}

impl Fusion {
    /// The furthest that one member's log-odds go.
    pub const FAR: f32 = 20.0;
    /// The most points that the curve may be asked for.
    pub const MOST: Score = Score::points(10_000);
    /// The risk where none is chosen.
    pub const RISK: f64 = 0.001;
    /// The smallest and the largest risk that can be chosen.
    pub const RISKS: (f64, f64) = (1e-6, 0.1);
    /// The support at which a member counts half; below it less, above it more, without a step.
    pub const HALF: f32 = 3.0;
    /// By how much all together say more for each member more that speaks.
    const ONE_MORE: f32 = 0.2;
    /// The weight of a member that nobody has compared with others.
    pub const OTHER: f32 = 0.5;
    /// How sure of ham the confirmed ham makes, at the most, for each power of e of it: a few messages, of which one may be
    /// told wrong, are no ground for certainty, and what was said early compares with what is said later.
    const SURE_OF_HAM: f32 = 1.5;
    /// Members that learned hundreds of spam and hardly any ham take most mail for spam: part of what they say is only that
    /// there was more of it. This share of the log-odds of what there was is taken off what each of them says.
    const LEAN: f32 = 0.5;
    /// Messages of each class that are supposed before any is known.
    const LEAN_SUPPOSED: f32 = 20.0;
    /// The most that is taken off: how many were learned is not how many the members remember.
    const LEAN_MAX: f32 = 2.0;
    /// The share of the points for spam that ham gets at the same distance: words make no mail welcome.
    const FOR_HAM: f32 = 0.4;

    /// The same with a weight for one member; nonsense counts as none.
    #[must_use]
    pub fn weighing(mut self, filter: &str, weight: f32) -> Fusion {
        self.weights.insert(filter.into(), sane(weight, 0.0, 10.0));
        self
    }

    /// The same with what is known of ham.
    #[must_use]
    pub fn knowing(mut self, ham: Ham) -> Fusion {
        self.ham = ham;
        self
    }

    /// The same for members that learned so many of each class. Where there was more ham nothing changes: nobody's mail
    /// becomes spam for lack of spam to compare it with.
    #[must_use]
    pub fn having_learned(mut self, ham: u64, spam: u64) -> Fusion {
        let [ham, spam] = [ham, spam].map(|count| count as f32 + Fusion::LEAN_SUPPOSED);
        self.lean = (Fusion::LEAN * (spam / ham).ln()).clamp(0.0, Fusion::LEAN_MAX);
        self
    }

    /// The same for another risk: the share of ham that may be called spam.
    #[must_use]
    pub fn with_risk(mut self, risk: f64) -> Fusion {
        self.risk = if risk.is_finite() { risk } else { Fusion::RISK }.clamp(Fusion::RISKS.0, Fusion::RISKS.1);
        self
    }

    /// The risk that was chosen.
    pub fn risk(&self) -> f64 {
        self.risk
    }

    /// The smallest risk that the confirmed ham can vouch for; nothing where there is too little of it for any.
    pub fn vouched(&self) -> Option<f64> {
        let risk = Ham::FOR_ONE / self.ham.count;
        (risk <= Fusion::RISKS.1).then_some(risk)
    }

    /// Confirmed ham that this stands on.
    pub fn ham(&self) -> Ham {
        self.ham
    }

    /// Whether the confirmed ham vouches for the risk that was chosen. Until it does, spam must lie the further away.
    pub fn is_vouched(&self) -> bool {
        self.vouched().is_some_and(|vouched| vouched <= self.risk)
    }

    /// The weight of a member.
    pub fn weight(&self, filter: &str) -> f32 {
        self.weights.get(filter).copied().unwrap_or(self.other)
    }

    /// How much of a member's words counts with such support.
    pub fn trust(support: u32) -> f32 {
        let support = support as f32;
        support / (support + Fusion::HALF)
    }

    /// What a member adds among all that speak, as a part of [`fuse`](Fusion::fuse).
    pub fn share<'a, V>(&self, filter: &str, odds: LogOdds, among: V) -> f32
    where
        V: IntoIterator<Item = (&'a str, LogOdds), IntoIter: Clone>,
    {
        let among = among.into_iter();
        let sum = self.sum(among.clone());
        let left = if sum == 0.0 { 1.0 } else { self.bounded(sum) / sum };
        self.part(filter, odds, among) * left
    }

    /// What a member says among all that speak: its words by its part of their weights, and all together a little more
    /// for each that speaks, since what they see overlaps.
    fn part<'a, V>(&self, filter: &str, odds: LogOdds, among: V) -> f32
    where
        V: IntoIterator<Item = (&'a str, LogOdds)>,
    {
        let speaking = among.into_iter().filter(|(_, odds)| odds.support > 0);
        let (mut weights, mut members) = (0.0, 0u16);
        for (name, _) in speaking {
            weights += self.weight(name);
            members = members.saturating_add(1);
        }
        if weights <= 0.0 || odds.support == 0 || odds.value.is_nan() {
            return 0.0;
        }
        let value = odds.value.clamp(-Fusion::FAR, Fusion::FAR) - self.lean;
        let all = 1.0 + Fusion::ONE_MORE * f32::from(members.saturating_sub(1));
        value * Fusion::trust(odds.support) * self.weight(filter) / weights * all
    }

    /// The members' log-odds as one.
    pub fn fuse<'a, V>(&self, votes: V) -> f32
    where
        V: IntoIterator<Item = (&'a str, LogOdds), IntoIter: Clone>,
    {
        self.bounded(self.sum(votes.into_iter()))
    }

    fn sum<'a, V>(&self, votes: V) -> f32
    where
        V: Iterator<Item = (&'a str, LogOdds)> + Clone,
    {
        let parts = votes
            .clone()
            .map(|(filter, odds)| self.part(filter, odds, votes.clone()));
        parts.sum()
    }

    /// Log-odds that are no surer of ham than what is known of it allows; those of spam as they are.
    fn bounded(&self, odds: f32) -> f32 {
        let most = Fusion::SURE_OF_HAM * (2.0 + self.ham.count as f32).ln();
        if odds < 0.0 { most * (odds / most).tanh() } else { odds }
    }

    /// The fused log-odds from which on a mail is called spam at the risk that was chosen.
    ///
    /// It is where odds of spam are as the risk asks, or where no more ham than that is to be expected by what is known
    /// of ham (an exponential tail), whichever is further; and further again as long as little ham is known.
    pub fn threshold(&self) -> f32 {
        let odds = 0.5 * ((1.0 - self.risk) / self.risk).ln();
        let beyond = (1.0 / (Ham::ONE_IN * self.risk)).ln().max(0.0);
        let tail = f64::from(self.ham.level) + f64::from(self.ham.excess) * beyond;
        let unknown = (1.0 + 1.0 / (self.risk * self.ham.count.max(1.0))).ln();
        // Who knows no ham of strangers takes everybody's mail for spam.
        let known = self.ham.count / (self.ham.count + Ham::TO_KNOW);
        ((odds.max(tail.min(Ham::FURTHEST)) + unknown) / known.max(1e-3)) as f32
    }

    /// Points for fused log-odds: none at even odds, `most` from the threshold on; for ham the other way, and fewer.
    pub fn points(&self, odds: f32, most: Score) -> Score {
        let most = most.max(Score::ZERO).min(Fusion::MOST).as_hundredths() as f32;
        let way = (odds / self.threshold()).clamp(-1.0, 1.0);
        let points = if way < 0.0 {
            way * Fusion::FOR_HAM * most
        } else {
            way * most
        };
        Score::hundredths(points.round() as i32)
    }
}

fn sane(value: f32, least: f32, most: f32) -> f32 {
    if value.is_finite() {
        value.clamp(least, most)
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn odds(value: f32, support: u32) -> LogOdds {
        LogOdds { value, support }
    }

    fn ham(count: f64, level: f32, excess: f32) -> Ham {
        Ham { count, level, excess }
    }

    /// A fusion that knows much ham, all of it far from spam.
    fn known() -> Fusion {
        Fusion::default().knowing(ham(100_000.0, -3.0, 1.0))
    }

    fn points(votes: &[(&str, LogOdds)]) -> i32 {
        let fusion = known();
        fusion
            .points(fusion.fuse(votes.iter().copied()), Score::points(10))
            .as_hundredths()
    }

    #[test]
    fn even_odds_and_nobody_make_no_points() {
        assert_eq!(points(&[]), 0);
        assert_eq!(points(&[("bayes", odds(0.0, 5_000))]), 0);
    }

    #[test]
    fn little_support_weighs_less_and_there_is_no_step() {
        let at = |support| points(&[("bayes", odds(3.0, support))]);
        assert_eq!(at(0), 0);
        for support in 1..2_000 {
            let gained = at(support) - at(support - 1);
            assert!((0..=250).contains(&gained), "{support}: {gained}");
        }
    }

    #[test]
    fn members_that_agree_say_more_and_members_that_differ_say_less() {
        let (one, other) = (("bayes", odds(2.0, 1_000)), ("hmm", odds(2.0, 1_000)));
        let against = ("hmm", odds(-2.0, 1_000));
        assert!(points(&[one, other]) > points(&[one]));
        assert!(points(&[one, against]) == 0);
    }

    #[test]
    fn nobody_is_surer_of_ham_than_what_is_known_of_it_allows() {
        let at = |count: f64, value: f32| {
            let fusion = Fusion::default().knowing(ham(count, 0.0, 1.0));
            fusion.fuse([("bayes", odds(value, 997))])
        };
        // Trust 997/1000. No ham: 1.5 ln 2 = 1.039721; 1.039721 * tanh(-0.997 * 4 / 1.039721 = -3.835645) = -1.038752.
        assert!((at(0.0, -4.0) + 1.038_752).abs() < 1e-4, "{}", at(0.0, -4.0));
        // 98: 1.5 ln 100 = 6.907755; 6.907755 * tanh(-3.988 / 6.907755 = -0.577322) = -3.596981.
        assert!((at(98.0, -4.0) + 3.596_981).abs() < 1e-4, "{}", at(98.0, -4.0));
        assert_eq!(at(0.0, 4.0), at(1e6, 4.0), "spam needs no ham to be spam");
        assert!(at(1e6, -4.0) < at(1e3, -4.0) && at(1e3, -4.0) < at(10.0, -4.0));
        let said: Vec<f32> = (-200..=200).map(|value| at(3.0, value as f32 / 10.0)).collect();
        assert!(said.is_sorted(), "more log-odds never become fewer");
    }

    #[test]
    fn where_much_spam_and_little_ham_was_learned_all_say_spam_with_less_conviction() {
        let at = |ham: u64, spam: u64| known().having_learned(ham, spam).fuse([("bayes", odds(4.0, 997))]);
        // 0.5 ln(620 / 20) = 1.716994; 0.997 * (4 - 1.716994) = 2.276157.
        assert!((at(0, 600) - 2.276_157).abs() < 1e-4, "{}", at(0, 600));
        // 0.5 ln(620 / 620) = 0.
        assert!((at(600, 600) - 3.988).abs() < 1e-4, "{}", at(600, 600));
        let said: Vec<f32> = (0..700).map(|ham| at(ham, 600)).collect();
        assert!(said.is_sorted(), "as ham is learned, spam is spam again");
        assert_eq!(at(5_000, 0), at(0, 0), "lack of spam makes nobody's mail spam");
        // 0.5 ln(100020 / 20) = 4.258693, and no more than 2: 0.997 * (4 - 2) = 1.994.
        assert!((at(0, 100_000) - 1.994).abs() < 1e-4, "{}", at(0, 100_000));
        let silent = known().having_learned(0, 600).fuse([("bayes", odds(4.0, 0))]);
        assert_eq!(silent, 0.0, "who learned nothing leans nowhere");
    }

    #[test]
    fn what_members_add_is_the_word_of_all_also_where_it_is_bounded() {
        let fusion = Fusion::default()
            .knowing(ham(5.0, 0.0, 1.0))
            .having_learned(5, 300)
            .weighing("hmm", 0.2);
        let votes = [
            ("bayes", odds(-9.0, 50)),
            ("hmm", odds(3.0, 50)),
            ("ngram", odds(-2.0, 50)),
        ];
        let shares = votes.map(|(name, odds)| fusion.share(name, odds, votes));
        let fused = fusion.fuse(votes);
        assert!((shares.iter().sum::<f32>() - fused).abs() < 1e-5, "{shares:?} {fused}");
        assert!(
            shares[0] < shares[2] && shares[2] < 0.0 && shares[1] > 0.0,
            "{shares:?}"
        );
    }

    #[test]
    fn words_speak_less_for_ham_than_against_spam() {
        let fusion = known();
        let far = fusion.threshold();
        assert_eq!(fusion.points(far, Score::points(10)), Score::points(10));
        assert_eq!(fusion.points(9.0 * far, Score::points(10)), Score::points(10));
        assert_eq!(fusion.points(-9.0 * far, Score::points(10)), Score::points(-4));
    }

    #[test]
    fn no_member_can_break_the_sum() {
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX] {
            let points = points(&[("bayes", odds(value, u32::MAX))]);
            assert!(points.abs() <= 1_000, "{value}: {points}");
        }
        let nonsense = Fusion::default().weighing("bayes", f32::NAN).with_risk(f64::NAN);
        assert_eq!(nonsense.fuse([("bayes", odds(9.0, 1_000))]), 0.0);
        assert_eq!(nonsense.risk(), Fusion::RISK);
    }

    #[test]
    fn a_weight_of_nothing_silences_a_member() {
        let fusion = Fusion::default().weighing("bayes", 0.0);
        assert_eq!(fusion.fuse([("bayes", odds(9.0, 1_000))]), 0.0);
    }

    #[test]
    fn the_threshold_falls_as_ham_is_known_and_without_a_step() {
        let at = |count| Fusion::default().knowing(ham(count, 1.0, 0.5));
        for count in 0..5_000 {
            let (before, after) = (at(f64::from(count)), at(f64::from(count + 1)));
            assert!(after.threshold() <= before.threshold(), "{count}");
            let points = |fusion: &Fusion| fusion.points(6.0, Score::points(10)).as_hundredths();
            assert!((0..=70).contains(&(points(&after) - points(&before))), "{count}");
        }
    }

    #[test]
    fn who_knows_no_ham_makes_no_points() {
        let ignorant = Fusion::default();
        assert_eq!(ignorant.points(15.0, Score::points(10)).as_hundredths() / 100, 0);
    }

    #[test]
    fn no_ham_makes_all_spam_pass() {
        assert!(Fusion::default().knowing(ham(10_000.0, 19.0, 9.0)).threshold() < 13.0);
    }

    #[test]
    fn the_threshold_follows_the_tail_of_ham_and_the_risk() {
        let at = |level, risk| {
            let fusion = Fusion::default().knowing(ham(10_000.0, level, 2.0)).with_risk(risk);
            fusion.threshold()
        };
        assert!(at(6.0, 0.001) > at(2.0, 0.001));
        assert!(at(2.0, 0.0001) > at(2.0, 0.001));
        assert!(at(2.0, 0.001) > at(2.0, 0.01));
        // One in 50 passes 6; one in 1,000 is 20 times as rare: 6 + 2 ln 20, and ln 1.1 for what is not known.
        // A thousandth of it for ten of 10,000 with which one begins to know.
        let asked = (6.0 + 2.0 * 20f32.ln() + 1.1f32.ln()) * 1.001;
        assert!((at(6.0, 0.001) - asked).abs() < 1e-3, "{} {asked}", at(6.0, 0.001));
    }

    #[test]
    fn a_risk_is_vouched_for_by_three_times_as_much_ham() {
        let with = |count| Fusion::default().knowing(ham(count, 0.0, 1.0));
        assert_eq!(with(0.0).vouched(), None);
        assert!(!with(2_999.0).is_vouched());
        assert!(with(3_000.0).is_vouched());
        assert_eq!(with(300.0).vouched(), Some(0.01));
    }
}
