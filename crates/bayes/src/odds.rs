//! The arithmetic of a lesson: logistic regression with a step of its own for each feature, and with doubt in labels.
//!
//! A mail with n features of weights w has the log-odds s = v * sum(w), v = 1 / sqrt(1 + n / 1000), so that a long mail does
//! not shout. A label is wrong with the probability e, so that a label is met with p = e + (1 - 2e) q, where q is what the
//! model thinks of it. A lesson asks g = d ln(p) / ds = (1 - 2e) q (1 - q) / p of the score: most where the model was
//! undecided, little where it knew, and little, too, where the label contradicts everything, in the measure in which labels
//! proved wrong before. Each feature moves by rate * g * v / (0.1 + 30 e + heat)^(3/4), and its heat, the sum of (g v)^2 over
//! its lessons, makes it firm: that is the confidence. The more labels are wrong, the less the first lessons of a feature
//! move it, while one that was learned often moves nearly as ever: a word that one mail taught is worth what one label is worth.
//! With e = 0 this is the usual g = 1 - q.

/// Features at which the scale is 1 / sqrt(2).
const LENGTH: f32 = 1_000.0;
/// How far a feature moves that was never met.
const RATE: f32 = 0.06;
/// The heat that every feature begins with where every label is right, and how the share of wrong labels raises it.
const HEAT_FIRST: f32 = 0.1;
const HEAT_DOUBT: f32 = 30.0;
/// What asks less than this of the score is known already: it is not learned (train on error and near error).
pub const NEAR: f32 = 0.01;
/// The most that one lesson moves the score of its own mail, where every label is right.
const MOVE_MAX: f32 = 30.0;
/// How the share of wrong labels lowers that.
const MOVE_DOUBT: f32 = 100.0;
/// How far that may be raised for what counts more: one lesson that went too far would make the next, against it, a label
/// against everything.
const MOVE_RAISED: f32 = 10.0;
/// The share of wrong labels that is believed at the beginning, the least, the most, and how fast the belief changes.
pub const DOUBT_FIRST: f32 = 0.03;
const DOUBT_LEAST: f32 = 0.000_5;
const DOUBT_MOST: f32 = 0.2;
const DOUBT_RATE: f32 = 0.006;

/// By how much the sum of the weights of so many features is scaled.
pub fn scale(features: usize) -> f32 {
    1.0 / (1.0 + features as f32 / LENGTH).sqrt()
}

/// 1 / (1 + exp(-x)).
pub fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// What a lesson asks.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Ask {
    /// Of the score, towards the label; never negative.
    pub pull: f32,
    /// How probable it is that the label is wrong.
    pub wrong: f32,
}

/// What a label asks of a score, when a share `doubt` of all labels is wrong. `margin` is the score towards the label.
pub fn ask(margin: f32, doubt: f32) -> Ask {
    let q = logistic(margin);
    let p = doubt + (1.0 - 2.0 * doubt) * q;
    Ask {
        pull: (1.0 - 2.0 * doubt) * q * (1.0 - q) / p.max(f32::MIN_POSITIVE),
        wrong: doubt * (1.0 - q) / p.max(f32::MIN_POSITIVE),
    }
}

/// The share of wrong labels that is believed after one that is wrong with some probability.
pub fn doubt(before: f32, wrong: f32) -> f32 {
    (before + DOUBT_RATE * (wrong - before)).clamp(DOUBT_LEAST, DOUBT_MOST)
}

/// Whether lessons could have led to this belief.
pub fn is_doubt(doubt: f32) -> bool {
    (DOUBT_LEAST..=DOUBT_MOST).contains(&doubt)
}

/// By how much a feature moves of which so much was learned, this lesson included, when a share `doubt` of all labels is
/// wrong.
pub fn step(gradient: f32, heat: f32, doubt: f32) -> f32 {
    let root = (HEAT_FIRST + HEAT_DOUBT * doubt + heat).sqrt();
    RATE * gradient / (root * root.sqrt())
}

/// The most that a lesson of some weight moves its own mail.
pub fn move_max(doubt: f32, weight: f32) -> f32 {
    let most = MOVE_MAX / (1.0 + MOVE_DOUBT * doubt);
    (most * weight.max(1.0)).min(most.max(MOVE_RAISED))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(one: f32, other: f32) {
        assert!(
            (one - other).abs() < 1e-4 * other.abs().max(1.0),
            "{one} is not {other}"
        );
    }

    #[test]
    fn an_undecided_score_is_asked_for_half() {
        // q = 1/2, e = 0: g = 1 - q = 1/2.
        near(ask(0.0, 0.0).pull, 0.5);
        // e = 0.1: p = 0.1 + 0.8 / 2 = 0.5, g = 0.8 / 4 / 0.5 = 0.4, and wrong = 0.1 * 0.5 / 0.5.
        let asked = ask(0.0, 0.1);
        near(asked.pull, 0.4);
        near(asked.wrong, 0.1);
    }

    #[test]
    fn without_doubt_it_is_the_usual_logistic_regression() {
        for margin in [-8.0, -1.0, 0.3, 5.0] {
            near(ask(margin, 0.0).pull, 1.0 - logistic(margin));
        }
        // ln 3: q = 3/4.
        near(ask(3.0_f32.ln(), 0.0).pull, 0.25);
    }

    #[test]
    fn a_label_against_everything_is_doubted_instead_of_learned() {
        // q = 1e-4 about, e = 0.1: p is about 0.1, g about 0.8e-4 / 0.1.
        let asked = ask(-9.21024, 0.1);
        near(asked.pull, 8.0e-4);
        assert!(asked.wrong > 0.99);
        assert!(ask(-9.21024, 0.0).pull > 0.99);
    }

    #[test]
    fn doubt_goes_where_labels_prove_wrong_and_has_bounds() {
        near(doubt(0.02, 1.0), 0.02 + 0.006 * 0.98);
        near(doubt(0.02, 0.0), 0.02 - 0.006 * 0.02);
        let (mut low, mut high) = (0.02, 0.02);
        for _ in 0..10_000 {
            low = doubt(low, 0.0);
            high = doubt(high, 1.0);
        }
        near(low, 0.000_5);
        near(high, 0.2);
    }

    #[test]
    fn a_feature_gets_firm_as_more_is_learned_of_it() {
        // heat 0: 0.06 * 0.5 / 0.1^0.75 = 0.03 / 0.177828.
        near(step(0.5, 0.0, 0.0), 0.168_702);
        // heat 0.9: the root of the root of 1, to the third, is 1.
        near(step(0.5, 0.9, 0.0), 0.03);
        assert!(step(0.5, 10.0, 0.0) < step(0.5, 1.0, 0.0));
    }

    #[test]
    fn where_labels_are_wrong_the_first_lessons_of_a_feature_move_it_less_and_later_ones_hardly_less() {
        // One in ten wrong, heat 0: 0.1 + 30 * 0.1 = 3.1; 0.03 / 3.1^0.75 = 0.03 / 2.336253.
        near(step(0.5, 0.0, 0.1), 0.012_841);
        // Heat 12.9: 16^0.75 = 8 in doubt, 13^0.75 = 6.846325 without.
        near(step(0.5, 12.9, 0.1), 0.003_75);
        near(step(0.5, 12.9, 0.0), 0.004_381_9);
    }

    #[test]
    fn a_long_mail_is_scaled_down() {
        near(scale(0), 1.0);
        near(scale(1_000), std::f32::consts::FRAC_1_SQRT_2);
        near(scale(3_000), 0.5);
    }

    #[test]
    fn a_lesson_moves_its_mail_by_less_where_labels_are_wrong_and_by_more_where_it_counts_more() {
        near(move_max(0.0, 1.0), 30.0);
        near(move_max(0.1, 1.0), 30.0 / 11.0);
        near(move_max(0.1, 0.3), 30.0 / 11.0);
        near(move_max(0.1, 2.0), 60.0 / 11.0);
        // 5 * 30 / 11 = 13.6, and nothing is raised beyond 10.
        near(move_max(0.1, 5.0), 10.0);
        near(move_max(0.0, 5.0), 30.0);
    }

    #[test]
    fn what_is_asked_is_finite_at_any_margin() {
        for margin in [f32::MIN, -1e4, -100.0, 0.0, 100.0, 1e4, f32::MAX] {
            for share in [0.0, 0.000_5, 0.2] {
                let asked = ask(margin, share);
                assert!(
                    asked.pull.is_finite() && (0.0..=1.0).contains(&asked.pull),
                    "{margin} {share}"
                );
                assert!((0.0..=1.0).contains(&asked.wrong), "{margin} {share} {}", asked.wrong);
            }
        }
    }
}
