//! The arithmetic of a lesson: two logistic regressions side by side, a step of its own for each feature, doubt in labels.
//!
//! A view with n features of weights w says s = x * sum(w), with x = (5000 / max(n, 200))^0.7, so that a long mail does not
//! shout and a short one is heard. Both views together say S = s(head) + s(text), and the score is 0.7 * S: what one view
//! knows the other partly knows too.
//!
//! A label is wrong with some probability d. If what the label says has the probability q by what is known, it is wrong
//! with r = d (1 - q) / (d (1 - q) + (1 - d) q), and the mail counts as spam by t = 1 - r, or t = r if the label says ham.
//! d is the mean of the r of about the last 2,000 lessons: where labels are right it is below 1 in 1,000, and all of
//! this comes down to t = 1 and t = 0. Each view then learns from its own error e = (t - logistic(s)) * x, and never away from the
//! label: each weight moves by rate * e / sqrt(0.03 + squares), where squares is the sum of all its e^2, this included
//! (AdaGrad), and the rate is 0.006 / (1 + 10 d). Where all of a view's weights together would move what it says of the mail
//! by more than 20 / (1 + 100 d), each moves by so much less: a mail all of whose sequences are new would else be known by
//! heart after one label, with that label's error.

/// Features at which a view is neither raised nor lowered.
const LENGTH: f32 = 5_000.0;
/// Views of fewer features count as if they had so many.
const LENGTH_LEAST: f32 = 200.0;
/// How steeply length lowers a view.
const LENGTH_POWER: f32 = 0.7;
/// The furthest that one view goes.
const VIEW_MAX: f32 = 40.0;
/// What the sum of the views is worth.
const AGREEMENT: f32 = 0.7;
/// No score goes beyond.
pub const ODDS_MAX: f32 = 20.0;
/// How far a weight goes at first for an error.
const RATE: f32 = 0.006;
/// How doubt slows everything.
const RATE_DOUBT: f32 = 10.0;
/// The most that one lesson moves what a view says of its own mail, where every label is right.
const MOVE_MAX: f32 = 20.0;
/// How doubt lowers that.
const MOVE_DOUBT: f32 = 100.0;
/// The squares that every weight begins with.
const SQUARES_FIRST: f32 = 0.03;
/// However sure the model is: when a label is doubted, it counts as no surer than this.
const SURE: f32 = 4.0;
/// Messages of the rarer class at which the model is half believed against a label.
const BELIEVED: f32 = 50.0;
/// The most labels that are taken to be wrong.
const DOUBT_MOST: f64 = 0.2;
/// For so many lessons doubt is remembered.
const REMEMBERED: f64 = 2_000.0;

/// By how much a sum of so many weights is scaled.
pub fn scale(features: usize) -> f32 {
    (LENGTH / (features as f32).max(LENGTH_LEAST)).powf(LENGTH_POWER)
}

/// What a view says, from the sum of its weights.
pub fn view(sum: f64, scale: f32) -> f32 {
    (sum as f32 * scale).clamp(-VIEW_MAX, VIEW_MAX)
}

/// The score, from the sum of what was said.
pub fn score(sum: f32) -> f32 {
    (sum * AGREEMENT).clamp(-ODDS_MAX, ODDS_MAX)
}

/// 1 / (1 + exp(-x)).
pub fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Which share of labels is believed to be wrong.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Doubt {
    /// Wrong labels, each as probable as it was.
    pub wrong: f64,
    /// Labels.
    pub seen: f64,
}

impl Doubt {
    /// What is believed before the first lesson: one in a hundred, and not firmly.
    pub const FIRST: Doubt = Doubt {
        wrong: 1.0,
        seen: 100.0,
    };

    /// The share.
    pub fn share(self) -> f64 {
        (self.wrong / self.seen).min(DOUBT_MOST)
    }

    /// After one more label, wrong with this probability.
    pub fn after(self, wrong: f32) -> Doubt {
        let (wrong, seen) = (self.wrong + f64::from(wrong), self.seen + 1.0);
        let kept = (REMEMBERED / seen).min(1.0);
        Doubt {
            wrong: wrong * kept,
            seen: seen * kept,
        }
    }

    /// Whether lessons could have led here.
    pub fn is_sound(self) -> bool {
        (0.0..=REMEMBERED).contains(&self.wrong) && (Doubt::FIRST.seen..=REMEMBERED).contains(&self.seen)
    }
}

/// How probable it is that a label is wrong, where `sum` speaks for it by what was learned, of the rarer class from `rarer`
/// messages, and a share `doubt` of all labels is wrong.
pub fn wrong(sum: f32, rarer: u64, doubt: f64) -> f32 {
    let believed = rarer as f32 / (rarer as f32 + BELIEVED);
    let right = logistic((sum * believed).clamp(-SURE, SURE));
    let doubt = doubt as f32;
    doubt * (1.0 - right) / (doubt * (1.0 - right) + (1.0 - doubt) * right)
}

/// The error of something that said `said` of a mail of the label, if the label is wrong with some probability: positive
/// towards spam, and never away from the label.
pub fn error(said: f32, spam: bool, wrong: f32) -> f32 {
    if spam {
        (1.0 - wrong - logistic(said)).max(0.0)
    } else {
        (wrong - logistic(said)).min(0.0)
    }
}

/// How fast weights move under such doubt.
pub fn rate(doubt: f64) -> f32 {
    RATE / (1.0 + RATE_DOUBT * doubt as f32)
}

/// The most that a lesson moves what a view says of its own mail, under such doubt.
pub fn move_max(doubt: f64) -> f32 {
    MOVE_MAX / (1.0 + MOVE_DOUBT * doubt as f32)
}

/// By how much a weight moves for an error, when its squares, this one's included, are so many.
pub fn step(error: f32, squares: f32, rate: f32) -> f32 {
    rate * error / (SQUARES_FIRST + squares).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f32, other: f32) -> bool {
        (one - other).abs() <= 1e-4 * other.abs().max(1e-3)
    }

    #[test]
    fn lengths_scale_as_worked_by_hand() {
        assert!(near(scale(5_000), 1.0));
        // (5000 / 200)^0.7 = e^(0.7 * ln 25) = e^2.25321 = 9.5182.
        assert!(near(scale(200), 9.5182));
        assert_eq!(scale(0), scale(200));
        // (5000 / 10000)^0.7 = e^(-0.7 * 0.693147) = 0.61557.
        assert!(near(scale(10_000), 0.615_57));
    }

    #[test]
    fn a_score_is_seven_tenths_of_the_sum_and_bounded() {
        assert!(near(score(view(2.0, 1.5) + view(-1.0, 1.0)), 1.4));
        assert_eq!(score(view(1e30, 9.0)), ODDS_MAX);
        assert_eq!(score(view(f64::MIN, 9.0)), -ODDS_MAX);
    }

    #[test]
    fn a_label_is_doubted_as_worked_by_hand() {
        // Half of labels wrong and nothing known: a half. Nothing is known before both classes are.
        assert!(near(wrong(9.0, 0, 0.5), 0.5));
        assert!(near(wrong(-9.0, 0, 0.01), 0.01));
        // 50 messages: half believed. -8 / 2 = -4, right = 0.017986; 0.1 * 0.982014 / (0.0982014 + 0.9 * 0.017986).
        assert!(near(wrong(-8.0, 50, 0.1), 0.858_49));
        // No surer than 4, however sure.
        assert!(near(wrong(-80.0, 50, 0.1), 0.858_49));
        // What the label says is likely: 0.1 * 0.017986 / (0.0017986 + 0.9 * 0.982014).
        assert!(near(wrong(8.0, 50, 0.1), 0.002_030_9));
    }

    #[test]
    fn an_error_is_never_away_from_the_label() {
        assert!(near(error(0.0, true, 0.0), 0.5));
        assert!(near(error(0.0, true, 0.1), 0.4));
        assert!(near(error(0.0, false, 0.1), -0.4));
        assert_eq!(error(9.0, true, 0.1), 0.0);
        assert_eq!(error(-9.0, false, 0.1), 0.0);
    }

    #[test]
    fn steps_shrink_with_squares_and_with_doubt() {
        assert!(near(rate(0.0), 0.006));
        assert!(near(rate(0.1), 0.003));
        assert!(near(move_max(0.0), 20.0));
        // 20 / (1 + 100 * 0.1).
        assert!(near(move_max(0.1), 1.818_18));
        // 0.006 * 0.5 / sqrt(0.03 + 0.25) = 0.003 / 0.529150.
        assert!(near(step(0.5, 0.25, 0.006), 0.005_669_5));
        assert!(step(0.5, 2.5, 0.006) < step(0.5, 0.25, 0.006));
    }

    #[test]
    fn doubt_follows_the_labels() {
        assert!((Doubt::FIRST.share() - 0.01).abs() < 1e-9);
        let right = (0..10_000).fold(Doubt::FIRST, |doubt, _| doubt.after(0.0));
        assert!(right.share() < 1e-4 && right.is_sound());
        let wrong = (0..10_000).fold(Doubt::FIRST, |doubt, n| {
            doubt.after(if n % 10 == 0 { 1.0 } else { 0.0 })
        });
        assert!((wrong.share() - 0.1).abs() < 0.001, "{}", wrong.share());
        let all = (0..10_000).fold(Doubt::FIRST, |doubt, _| doubt.after(1.0));
        assert_eq!(all.share(), DOUBT_MOST);
        assert!(all.is_sound());
    }
}
