//! The arithmetic of a lesson: logistic regression with a step of its own for each feature, and with doubt in labels.
//!
//! A mail with n features of weights w has the log-odds s = v * sum(w), v = 1 / sqrt(1 + n / 1000), so that a long mail does
//! not shout. A label is wrong with the probability e, so that a label is met with p = e + (1 - 2e) q, where q is what the
//! model thinks of it. A lesson asks g = d ln(p) / ds = (1 - 2e) q (1 - q) / p of the score: most where the model was
//! undecided, little where it knew, and little, too, where the label contradicts everything, in the measure in which labels
//! proved wrong before. Each feature moves by rate * g * v / (0.1 + heat)^(3/4), and its heat, the sum of (g v)^2 over
//! its lessons, makes it firm: that is the confidence. With e = 0 this is the usual g = 1 - q.

/// Features at which the scale is 1 / sqrt(2).
const LENGTH: f32 = 1_000.0;
/// How far a feature moves that was never met.
const RATE: f32 = 0.03;
/// The heat that every feature begins with.
const HEAT_FIRST: f32 = 0.1;
/// What asks less than this of the score is known already: it is not learned (train on error and near error).
pub const NEAR: f32 = 0.01;
/// The most that one lesson moves the score of its own mail, where every label is right.
const MOVE_MAX: f32 = 30.0;
/// How the share of wrong labels lowers that.
const MOVE_DOUBT: f32 = 100.0;
/// The share of wrong labels that is believed at the beginning, the least, the most, and how fast the belief changes.
pub const DOUBT_FIRST: f32 = 0.02;
const DOUBT_LEAST: f32 = 0.000_5;
const DOUBT_MOST: f32 = 0.2;
const DOUBT_RATE: f32 = 0.003;

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

/// By how much a feature moves of which so much was learned, this lesson included.
pub fn step(gradient: f32, heat: f32) -> f32 {
    let root = (HEAT_FIRST + heat).sqrt();
    RATE * gradient / (root * root.sqrt())
}

/// The most that a lesson moves its own mail.
pub fn move_max(doubt: f32) -> f32 {
    MOVE_MAX / (1.0 + MOVE_DOUBT * doubt)
}
