//! The figures of merit of a column of scores.
//!
//! **1-ROCA %**: the area above the ROC curve in per cent, which is how often a ham message scores higher than a spam
//! message, of all pairs; equal scores count half. **Missed at a share**: the spam, in per cent, that scores no higher than
//! the threshold which at most this share of the ham passes; so what is equal to the threshold counts as missed. **lam %**:
//! the mean of both error rates on the logistic scale; an error count of none is taken for a half.

use super::chance::Chance;

/// A score and whether the mail is spam.
pub type Point = (f32, bool);

/// Scores in order, the equal ones together.
#[derive(Clone, Debug, Default)]
pub struct Ranked {
    points: Vec<Point>,
    ham: usize,
}

impl Ranked {
    /// Scores brought into order; what is no number counts as nothing said.
    pub fn of(points: impl IntoIterator<Item = Point>) -> Ranked {
        let mut points: Vec<Point> = points
            .into_iter()
            // The sum makes one nought of two.
            .map(|(score, spam)| (if score.is_nan() { 0.0 } else { score + 0.0 }, spam))
            .collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        let ham = points.iter().filter(|(_, spam)| !spam).count();
        Ranked { points, ham }
    }

    /// Ham and spam.
    pub fn counts(&self) -> (usize, usize) {
        (self.ham, self.points.len() - self.ham)
    }

    /// The area above the ROC curve in per cent; nothing where a class is missing.
    pub fn area(&self) -> Option<f64> {
        self.area_of(|_| 1)
    }

    /// The same where the point at each place counts so many times.
    fn area_of(&self, times: impl Fn(usize) -> u32) -> Option<f64> {
        let (mut ham, mut spam, mut twice) = (0u64, 0u64, 0u128);
        let mut at = 0;
        while at < self.points.len() {
            let score = self.points[at].0;
            let (mut equal_ham, mut equal_spam) = (0u64, 0u64);
            while let Some((_, is_spam)) = self.points.get(at).filter(|point| point.0 == score) {
                *(if *is_spam { &mut equal_spam } else { &mut equal_ham }) += u64::from(times(at));
                at += 1;
            }
            // Each ham here lies above the spam before it, and beside the spam here.
            twice += u128::from(equal_ham) * u128::from(2 * spam + equal_spam);
            ham += equal_ham;
            spam += equal_spam;
        }
        (ham > 0 && spam > 0).then(|| 50.0 * twice as f64 / (ham as f64 * spam as f64))
    }

    /// The interval in which the area lies in 95 % of so many samples drawn from these points, each as many as these and
    /// with repetition.
    pub fn interval(&self, samples: usize, seed: u64) -> Option<(f64, f64)> {
        let mut chance = Chance::new(seed);
        let mut times = vec![0u32; self.points.len()];
        let mut areas: Vec<f64> = (0..samples)
            .filter_map(|_| {
                times.fill(0);
                for _ in 0..self.points.len() {
                    times[chance.below(self.points.len())] += 1;
                }
                self.area_of(|at| times[at])
            })
            .collect();
        areas.sort_by(f64::total_cmp);
        let at = |share: f64| {
            areas
                .get(((areas.len() as f64 - 1.0) * share).round() as usize)
                .copied()
        };
        Some((at(0.025)?, at(0.975)?))
    }

    /// The spam in per cent that is missed where at most this share of the ham is called spam.
    pub fn missed(&self, share: f64) -> Option<f64> {
        let (ham, spam) = self.counts();
        if ham == 0 || spam == 0 {
            return None;
        }
        let passing = (share * ham as f64).floor() as usize;
        let (threshold, _) = self
            .points
            .iter()
            .rev()
            .filter(|(_, spam)| !spam)
            .nth(passing.min(ham - 1))?;
        let missed = self.points.iter().filter(|(score, spam)| *spam && score <= threshold);
        Some(100.0 * missed.count() as f64 / spam as f64)
    }
}

/// Mistakes at a threshold.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Errors {
    /// Ham messages.
    pub ham: usize,
    /// Spam messages.
    pub spam: usize,
    /// Ham that was called spam.
    pub ham_called_spam: usize,
    /// Spam that was called ham.
    pub spam_called_ham: usize,
}

impl Errors {
    /// The mistakes in verdicts: what was said, and what is true; spam where true.
    pub fn of(verdicts: impl IntoIterator<Item = (bool, bool)>) -> Errors {
        let mut errors = Errors::default();
        for (said, spam) in verdicts {
            let (all, wrong) = match spam {
                true => (&mut errors.spam, &mut errors.spam_called_ham),
                false => (&mut errors.ham, &mut errors.ham_called_spam),
            };
            *all += 1;
            *wrong += usize::from(said != spam);
        }
        errors
    }

    /// Both rates in per cent; nothing where a class is missing.
    pub fn rates(&self) -> (Option<f64>, Option<f64>) {
        let rate = |wrong: usize, all: usize| (all > 0).then(|| 100.0 * wrong as f64 / all as f64);
        (
            rate(self.ham_called_spam, self.ham),
            rate(self.spam_called_ham, self.spam),
        )
    }

    /// The logistic average of both rates in per cent.
    pub fn lam(&self) -> Option<f64> {
        let logit = |wrong: usize, all: usize| {
            let wrong = (wrong as f64).clamp(0.5, all as f64 - 0.5);
            (wrong / (all as f64 - wrong)).ln()
        };
        if self.ham == 0 || self.spam == 0 {
            return None;
        }
        let mean = (logit(self.ham_called_spam, self.ham) + logit(self.spam_called_ham, self.spam)) / 2.0;
        Some(100.0 / (1.0 + (-mean).exp()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ham and spam from two lists of scores.
    fn ranked(ham: &[f32], spam: &[f32]) -> Ranked {
        let ham = ham.iter().map(|score| (*score, false));
        Ranked::of(ham.chain(spam.iter().map(|score| (*score, true))))
    }

    #[test]
    fn the_area_is_the_share_of_pairs_in_the_wrong_order() {
        assert_eq!(ranked(&[1.0, 2.0], &[3.0, 4.0]).area(), Some(0.0));
        assert_eq!(ranked(&[3.0, 4.0], &[1.0, 2.0]).area(), Some(100.0));
        // Of six pairs one is wrong and one is equal.
        assert_eq!(ranked(&[1.0, 2.0, 5.0], &[2.0, 6.0]).area(), Some(25.0));
        assert_eq!(ranked(&[0.0; 3], &[-0.0; 2]).area(), Some(50.0));
        assert_eq!(ranked(&[f32::NAN], &[0.0]).area(), Some(50.0));
        assert_eq!(ranked(&[1.0], &[]).area(), None);
    }

    #[test]
    fn spam_is_missed_that_is_no_higher_than_the_threshold() {
        let ham: Vec<f32> = (0..1_000).map(|n| n as f32).collect();
        let ranked = ranked(&ham, &[998.0, 999.0, 999.5, 2_000.0]);
        // One of a thousand ham messages may pass: the threshold is the second highest ham.
        assert_eq!(ranked.missed(0.001), Some(25.0));
        assert_eq!(ranked.missed(0.0), Some(50.0));
        assert_eq!(ranked.missed(0.01), Some(0.0));
        assert_eq!(ranked.missed(1.0), Some(0.0));
    }

    #[test]
    fn the_interval_holds_the_area_and_is_the_same_each_time() {
        let mut chance = Chance::new(3);
        let points: Vec<Point> = (0..2_000)
            .map(|n| (chance.share() as f32 + if n % 3 == 0 { 0.7 } else { 0.0 }, n % 3 == 0))
            .collect();
        let ranked = Ranked::of(points.iter().copied());
        let area = ranked.area().unwrap();
        let (low, high) = ranked.interval(1_000, 1).unwrap();
        assert!(low < area && area < high, "{low} {area} {high}");
        // Its standard error after DeLong, DeLong and Clarke-Pearson (1988).
        let of = |wanted: bool| {
            points
                .iter()
                .filter(|point| point.1 == wanted)
                .map(|point| point.0)
                .collect::<Vec<_>>()
        };
        let (ham, spam) = (of(false), of(true));
        let variance = |own: &[f32], others: &[f32]| {
            let placed: Vec<f64> = own
                .iter()
                .map(|one| others.iter().filter(|other| one > other).count() as f64 / others.len() as f64)
                .collect();
            let mean = placed.iter().sum::<f64>() / placed.len() as f64;
            placed.iter().map(|place| (place - mean).powi(2)).sum::<f64>() / (placed.len() as f64).powi(2)
        };
        let expected = 2.0 * 196.0 * (variance(&ham, &spam) + variance(&spam, &ham)).sqrt();
        let ratio = (high - low) / expected;
        assert!((0.85..1.15).contains(&ratio), "{low} {high} {expected}");
        assert_eq!(ranked.interval(1_000, 1), Some((low, high)));
        assert_eq!(Ranked::of([]).interval(10, 1), None);
    }

    #[test]
    fn mistakes_are_counted_by_class_and_averaged_on_the_logistic_scale() {
        let ham = (0..100).map(|n| (n < 1, false));
        let spam = (0..100).map(|n| (n >= 1, true));
        let errors = Errors::of(ham.chain(spam));
        assert_eq!((errors.ham_called_spam, errors.spam_called_ham), (1, 1));
        assert_eq!(errors.rates(), (Some(1.0), Some(1.0)));
        assert!((errors.lam().unwrap() - 1.0).abs() < 1e-9);
        // 1 in 10 and 1 in 1,000: odds of 1/9 and 1/999, whose geometric mean is 1/94.8.
        let uneven = Errors {
            ham: 1_000,
            spam: 10,
            ham_called_spam: 1,
            spam_called_ham: 1,
        };
        assert!((uneven.lam().unwrap() - 100.0 / (1.0 + (9.0f64 * 999.0).sqrt())).abs() < 1e-9);
        let none = Errors {
            ham: 100,
            spam: 100,
            ..Errors::default()
        };
        assert!((none.lam().unwrap() - 0.5).abs() < 1e-9);
        assert_eq!(Errors::of([(true, true)]).lam(), None);
    }
}
