//! The fit of the fusion: which member is worth how much, and how far spam lies from ham.
//!
//! Weights are those of an online logistic regression over what the members said of each mail before they learned it,
//! with a rate for each weight that falls as evidence grows (Duchi, Hazan, Singer 2011). It begins near the plain sum, to
//! which averaging log-odds comes down (Lynam, Cormack 2006). What ham looked like is kept as a histogram.
//!
//! **Invariant:** a function of the words and labels in the order of learning, bit for bit.

use std::collections::BTreeMap;

use gatepost_core::kept::Label;
use gatepost_core::{BadModel, LogOdds, Sample};
use gatepost_pipeline::Fusion;
use gatepost_pipeline::fusion::Ham;

/// Steps of the histogram for one log-odds.
const FINE: f32 = 8.0;
/// The furthest that it reaches, each way.
const REACH: f32 = 30.0;
/// The weights from which members begin, as they did best together (benches/accuracy); others begin at the middle.
const FIRST: [(&str, f32); 3] = [("bayes", 0.4), ("hmm", 0.4), ("ngram", 0.8)];
/// How far a weight goes at first for an error.
const RATE: f32 = 0.01;
/// Log-odds from which on a label that says the other is doubted.
const DOUBT: f32 = 4.0;
/// The share of labels that are supposed to be wrong.
const WRONG: f32 = 0.005;
/// The bounds of a weight: no member is silenced, none speaks for all.
const WEIGHTS: (f32, f32) = (0.05, 3.0);
/// What is supposed of the tail of ham before it is known, in hundredths of a message, and by how much such ham passes.
const SUPPOSED: (f64, f64) = (300.0, 1.5);
/// The form in which it is saved.
const FORM: u8 = 3;
const BINS: usize = (2.0 * REACH * FINE) as usize + 1;
/// Where the histogram holds more ham than this, in hundredths, all of it counts half: mail changes, and the models do,
/// which knew little when they judged the first of it.
const AGED: u64 = 100_000;

/// What was learned of the members' words, each before the mail was learned.
#[derive(Clone, PartialEq, Debug)]
pub struct Fit {
    weights: BTreeMap<Box<str>, Weight>,
    /// Fused log-odds of ham, in hundredths of a message.
    ham: Vec<u64>,
    /// Ham and spam that was seen.
    seen: [u64; 2],
    /// Ham that was seen, in hundredths of a message: what counts less vouches for less.
    confirmed: u64,
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Weight {
    value: f32,
    /// Squares of the gradients so far.
    steep: f32,
}

impl Weight {
    const fn at(value: f32) -> Weight {
        Weight { value, steep: 1.0 }
    }

    fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.value.to_bits().to_le_bytes());
        out.extend_from_slice(&self.steep.to_bits().to_le_bytes());
    }

    fn step(&mut self, gradient: f32, rate: f32, (least, most): (f32, f32)) {
        self.steep += gradient * gradient;
        self.value = (self.value + rate * gradient / self.steep.sqrt()).clamp(least, most);
    }
}

impl Default for Fit {
    fn default() -> Fit {
        Fit {
            weights: BTreeMap::new(),
            ham: vec![0; BINS],
            seen: [0; 2],
            confirmed: 0,
        }
    }
}

impl Fit {
    /// Learns from what the members said of a mail that turned out to be what the sample says. In the order of learning.
    pub fn learn(&mut self, votes: &[(&'static str, LogOdds)], sample: &Sample) {
        self.learn_once_more(votes, sample);
        if sample.label == Label::Ham && sample.ground.is_of_strangers() {
            self.confirmed += u64::from(sample.weight.min(100));
        }
    }

    /// The same from a sample that was learned before: it is no further ham that vouches for a risk.
    pub fn learn_once_more(&mut self, votes: &[(&'static str, LogOdds)], sample: &Sample) {
        let spam = sample.label == Label::Spam;
        for (name, _) in votes {
            self.weights.entry((*name).into()).or_insert(Weight::at(first(name)));
        }
        let fused = self.fusion().fuse(votes.iter().copied());
        let certain = 1.0 / (1.0 + (-fused).exp());
        let mut error = (if spam { 1.0 } else { 0.0 }) - certain;
        // Far on the other side: more likely a wrong label than a wrong weight.
        if fused.abs() > DOUBT && (fused > 0.0) != spam {
            error *= (DOUBT / fused.abs()).powi(2);
        }
        error *= sample.weight.min(400) as f32 / 100.0;
        // Of z = k (w1 t1 x1 + w2 t2 x2 + ..) / (w1 + w2 + ..) the slope by w1 is k (t1 x1 - z / k) / (w1 + w2 + ..): only
        // the part of each is learned, not how loud all are together. Where labels are wrong, all would grow timid. Where
        // little ham is known and z is bounded, all slopes are smaller by the same share.
        let fusion = self.fusion();
        let among = || votes.iter().copied().filter(|(_, odds)| odds.support > 0);
        let weights: f32 = among().map(|(name, _)| fusion.weight(name)).sum();
        for (name, odds) in among() {
            let share = fusion.share(name, odds, among());
            let Some(held) = self.weights.get_mut(name) else {
                continue;
            };
            let slope = share / held.value - fused / weights;
            held.step(error * slope, RATE, WEIGHTS);
        }
        self.seen[usize::from(spam)] += 1;
        if !spam && sample.ground.is_of_strangers() {
            let weight = sample.weight.min(100);
            // The further it lies on the other side, the likelier the label is wrong: few such must not make all spam
            // pass, and none must not be told.
            let odds_wrong = WRONG / (1.0 - WRONG) * fused.exp();
            let counts = weight as f32 / (1.0 + odds_wrong);
            self.ham[bin(fused)] += counts.round() as u64;
            if self.ham.iter().sum::<u64>() > AGED {
                self.ham.iter_mut().for_each(|count| *count /= 2);
            }
        }
    }

    /// The fusion that follows.
    pub fn fusion(&self) -> Fusion {
        let (ham, spam) = self.seen();
        let fusion = Fusion::default().knowing(self.tail()).having_learned(ham, spam);
        self.weights
            .iter()
            .fold(fusion, |fusion, (name, weight)| fusion.weighing(name, weight.value))
    }

    fn tail(&self) -> Ham {
        let count: u64 = self.ham.iter().sum();
        let most = count as f64 / Ham::ONE_IN;
        let (mut beyond, mut level) = (0.0, REACH);
        let mut sum = 0.0;
        for (at, n) in self.ham.iter().enumerate().rev() {
            level = at as f32 / FINE - REACH;
            if beyond + *n as f64 > most {
                break;
            }
            beyond += *n as f64;
            sum += *n as f64 * f64::from(level);
        }
        let (supposed, passes) = SUPPOSED;
        let excess = (sum - beyond * f64::from(level) + supposed * passes) / (beyond + supposed);
        Ham {
            count: self.confirmed as f64 / 100.0,
            level: if count == 0 { 0.0 } else { level },
            excess: excess as f32,
        }
    }

    /// Ham and spam that it stands on.
    pub fn seen(&self) -> (u64, u64) {
        (self.seen[0], self.seen[1])
    }

    /// As octets.
    pub fn save(&self) -> Vec<u8> {
        let mut out = vec![FORM, self.weights.len() as u8];
        for (name, weight) in &self.weights {
            out.push(name.len() as u8);
            out.extend_from_slice(name.as_bytes());
            weight.write(&mut out);
        }
        for count in self.seen.iter().chain([&self.confirmed]).chain(&self.ham) {
            out.extend_from_slice(&count.to_le_bytes());
        }
        out
    }

    /// What was saved. Whoever keeps it sees to it that it was not changed.
    pub fn load(saved: &[u8]) -> Result<Fit, BadModel> {
        let mut rest = Rest(saved);
        let form = rest.octet()?;
        if form != FORM {
            return Err(BadModel(format!(
                "the fit has form {form}, and this version of Gatepost reads form {FORM}"
            )));
        }
        let mut fit = Fit::default();
        for _ in 0..rest.octet()? {
            let length = rest.octet()?;
            let name = std::str::from_utf8(rest.take(length.into())?).map_err(|_| cut())?;
            fit.weights.insert(name.into(), rest.weight()?);
        }
        for count in fit.seen.iter_mut().chain([&mut fit.confirmed]).chain(&mut fit.ham) {
            *count = rest.number()?;
        }
        if fit.ham.iter().any(|count| *count > AGED) {
            return Err(BadModel("the fit holds more ham than is kept".into()));
        }
        if rest.0.is_empty() {
            Ok(fit)
        } else {
            Err(BadModel("the fit goes on behind its end".into()))
        }
    }
}

/// What is left to be read of a saved fit.
struct Rest<'a>(&'a [u8]);

fn cut() -> BadModel {
    BadModel("the fit ends too early".into())
}

impl<'a> Rest<'a> {
    fn take(&mut self, n: usize) -> Result<&'a [u8], BadModel> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or_else(cut)?;
        self.0 = rest;
        Ok(taken)
    }

    fn octet(&mut self) -> Result<u8, BadModel> {
        Ok(self.take(1)?[0])
    }

    fn number(&mut self) -> Result<u64, BadModel> {
        let (taken, rest) = self.0.split_first_chunk::<8>().ok_or_else(cut)?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*taken))
    }

    fn weight(&mut self) -> Result<Weight, BadModel> {
        let both = self.number()?;
        let (value, steep) = (f32::from_bits(both as u32), f32::from_bits((both >> 32) as u32));
        // Only what a step can leave: a weight of nothing would be divided by.
        if (WEIGHTS.0..=WEIGHTS.1).contains(&value) && steep.is_finite() && steep >= 1.0 {
            Ok(Weight { value, steep })
        } else {
            Err(BadModel("the fit holds a weight that cannot be learned".into()))
        }
    }
}

fn first(name: &str) -> f32 {
    let known = FIRST.iter().find(|(known, _)| *known == name);
    known.map_or(Fusion::OTHER, |(_, weight)| *weight)
}

fn bin(fused: f32) -> usize {
    let at = (fused.clamp(-REACH, REACH) + REACH) * FINE;
    at as usize
}

#[cfg(test)]
mod tests {
    use gatepost_core::{Ground, Time};

    use super::*;

    fn sample(label: Label) -> Sample {
        Sample::new(1, Time::from_millis(1), label, None)
    }

    fn votes(one: f32, other: f32) -> Vec<(&'static str, LogOdds)> {
        let odds = |value| LogOdds { value, support: 997 };
        vec![("one", odds(one)), ("other", odds(other))]
    }

    #[test]
    fn a_member_that_errs_loses_weight_to_one_that_does_not() {
        let mut fit = Fit::default();
        for n in 0..2_000 {
            let (label, right) = if n % 2 == 0 {
                (Label::Spam, 1.0)
            } else {
                (Label::Ham, -1.0)
            };
            let wrong = if n % 3 == 0 { -right } else { right };
            fit.learn(&votes(right, wrong), &sample(label));
        }
        let fusion = fit.fusion();
        assert!(fusion.weight("one") > Fusion::OTHER, "{}", fusion.weight("one"));
        assert!(
            fusion.weight("other") < fusion.weight("one") / 2.0,
            "{}",
            fusion.weight("other")
        );
        assert_eq!(fit.seen(), (1_000, 1_000));
    }

    #[test]
    fn members_that_agree_keep_their_weights() {
        let mut fit = Fit::default();
        for _ in 0..100 {
            fit.learn(&votes(1.0, 1.0), &sample(Label::Ham));
        }
        assert!((fit.fusion().weight("one") - Fusion::OTHER).abs() < 1e-6);
    }

    #[test]
    fn what_is_learned_once_more_vouches_for_no_risk() {
        let learned = |again: usize| {
            let mut fit = Fit::default();
            (0..100).for_each(|_| fit.learn(&votes(-6.0, -6.0), &sample(Label::Ham)));
            (0..again).for_each(|_| fit.learn_once_more(&votes(-6.0, -6.0), &sample(Label::Ham)));
            fit
        };
        assert_eq!(learned(0).tail().count, 100.0);
        assert_eq!(learned(5_000).tail().count, 100.0);
        assert!(!learned(5_000).fusion().with_risk(0.001).is_vouched());
    }

    #[test]
    fn the_first_step_is_as_worked_by_hand() {
        let mut fit = Fit::default();
        fit.learn(&votes(2.0, 0.0), &sample(Label::Spam));
        // Trust 997/1000; fused 1.2 * (0.5 * 0.997 * 2 + 0) / 1 = 1.1964; p = 0.76787; error 0.23213.
        // Slope by the first weight 1.1964 / 0.5 - 1.1964 / 1 = 1.1964, by the second -1.1964.
        // Gradient 0.27772; steep 1 + 0.07713; step 0.01 * 0.27772 / 1.03785 = 0.002676.
        let fusion = fit.fusion();
        assert!(
            (fusion.weight("one") - 0.502_676).abs() < 1e-5,
            "{}",
            fusion.weight("one")
        );
        assert!(
            (fusion.weight("other") - 0.497_324).abs() < 1e-5,
            "{}",
            fusion.weight("other")
        );
    }

    #[test]
    fn a_label_that_all_contradict_moves_little() {
        let step = |said: f32| {
            let mut fit = Fit::default();
            fit.learn(&votes(said, said / 2.0), &sample(Label::Ham));
            (Fusion::OTHER - fit.fusion().weight("one")).abs()
        };
        assert!(step(20.0) < step(4.0), "{} {}", step(20.0), step(4.0));
    }

    #[test]
    fn the_tail_of_ham_is_told_by_its_level_and_its_mean() {
        let mut fit = Fit::default();
        for _ in 0..980 {
            fit.learn(&votes(-6.0, -6.0), &sample(Label::Ham));
        }
        let quiet = fit.fusion().threshold();
        for _ in 0..19 {
            fit.learn(&votes(3.0, 3.0), &sample(Label::Ham));
        }
        let ham = fit.fusion().ham();
        assert_eq!(ham.count, 999.0);
        assert!(ham.excess > 3.0 && ham.level < 0.0, "{ham:?}");
        assert!(fit.fusion().threshold() > quiet + 3.0);
    }

    #[test]
    fn our_own_peoples_mail_vouches_for_nothing() {
        let mut fit = Fit::default();
        for ground in [Ground::Outbound, Ground::Welcome] {
            let mut ours = sample(Label::Ham);
            ours.ground = ground;
            fit.learn(&votes(-6.0, -6.0), &ours);
        }
        assert_eq!(fit.fusion().ham().count, 0.0);
        assert_eq!(fit.seen(), (2, 0));
    }

    #[test]
    fn few_wrong_labels_do_not_let_all_spam_pass() {
        let threshold = |wrong: usize| {
            let mut fit = Fit::default();
            for n in 0..1_000 {
                let said = if n % 20 < wrong { 9.0 } else { -6.0 };
                fit.learn(&votes(said, said), &sample(Label::Ham));
            }
            fit.fusion().threshold()
        };
        assert!(threshold(1) < threshold(0) + 1.0, "{} {}", threshold(1), threshold(0));
    }

    #[test]
    fn old_ham_is_forgotten_in_time() {
        let mut fit = Fit::default();
        for _ in 0..500 {
            fit.learn(&votes(2.0, 2.0), &sample(Label::Ham));
        }
        let before = fit.fusion().threshold();
        for _ in 0..10_000 {
            fit.learn(&votes(-6.0, -6.0), &sample(Label::Ham));
        }
        assert!(fit.fusion().threshold() < before);
        assert!(fit.ham.iter().sum::<u64>() <= AGED);
        assert_eq!(fit.fusion().ham().count, 10_500.0);
    }

    #[test]
    fn a_saved_fit_comes_back_bit_for_bit_and_a_cut_one_is_refused() {
        let mut fit = Fit::default();
        for n in 0..300 {
            let (label, side) = if n % 3 == 0 {
                (Label::Spam, 1.0)
            } else {
                (Label::Ham, -1.0)
            };
            fit.learn(&votes(side * 2.5, side - 0.3), &sample(label));
        }
        let saved = fit.save();
        assert_eq!(Fit::load(&saved), Ok(fit));
        for end in 0..saved.len() {
            assert!(Fit::load(&saved[..end]).is_err(), "{end}");
        }
        let mut odd = saved.clone();
        odd[0] = 9;
        assert!(Fit::load(&odd).unwrap_err().0.contains("form 9"));
    }

    #[test]
    fn nonsense_from_a_member_harms_nothing() {
        let mut fit = Fit::default();
        for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut odd = sample(Label::Ham);
            odd.weight = u32::MAX;
            fit.learn(&votes(value, 1.0), &odd);
        }
        assert!(fit.fusion().weight("one").is_finite() && fit.fusion().threshold().is_finite());
    }
}
