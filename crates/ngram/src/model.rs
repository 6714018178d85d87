//! The model.
//!
//! **Invariants:** the same lessons in the same order give the same bits, whatever their sequence numbers and times;
//! features of another extractor, or that no message gives, are neither scored nor learned; scores are finite; a message
//! learned once more as spam is not less spam for it, nor less ham as ham. What is resident is 16 MB of weights and 32 kB
//! of counts, however much is learned and for however many domains.
//!
//! A domain's own weights lie in the same table, for one feature in four and under a salt of the domain. They learn only
//! what the weights of all leave open, and count as far as the domain taught both ham and spam.
//!
//! **Same bits** means on one machine with one build: exponentials, logarithms and powers come from the platform's own
//! library of mathematics, and another one may differ in the last bit. A saved model is loaded as it is anywhere.

use std::sync::atomic::{AtomicU64, Ordering};

use gatepost_core::kept::Label;
use gatepost_core::{BadModel, Clue, Domain, Features, Learner, LogOdds, Message, Sample, Seed};
use gatepost_tokens::{Document, File, Key};

use crate::explain;
use crate::grams::{Cutter, EXTRACTOR, FEATURES, View};
use crate::odds::{self, Doubt};
use crate::table::{Slot, Table, WEIGHT_MAX};

/// The name in the model file.
const NAME: &str = "ngram";
/// The form of the model file and the extractor of its features.
const FORM: u32 = 2 << 16 | EXTRACTOR;
/// Counts of messages by domain. Two domains may share one: it only says how far a domain's own weights are believed.
const DOMAINS: usize = 4_096;
/// Messages of a domain, of its rarer class, at which its own weights count half.
const DOMAIN_HALF: f32 = 30.0;
/// One feature in so many has a weight for each domain.
const DOMAIN_SHARE: u64 = 4;
/// Where weights of samples begin and end to count, in hundredths.
const SAMPLE_WEIGHTS: (u32, u32) = (1, 500);
/// Octets of the counts in a model file: ham, spam, wrong labels, labels.
const COUNTS: usize = 32;

/// The model.
pub struct Model {
    key: [AtomicU64; 2],
    table: Table,
    /// Learned messages of each domain: ham in the lower half, spam in the upper.
    domains: Box<[AtomicU64]>,
    /// Learned messages: ham, spam.
    learned: [AtomicU64; 2],
    /// [`Doubt`], as bits of its two numbers.
    doubt: [AtomicU64; 2],
}

/// What was said of a mail, before it is one score.
pub(crate) struct Said {
    views: [f32; 2],
    scales: [f32; 2],
    own: Option<Own>,
}

/// What a domain's own weights say.
struct Own {
    salt: u64,
    scale: f32,
    said: f32,
    trust: f32,
}

impl Said {
    fn sum(&self) -> f32 {
        let own = self.own.as_ref().map_or(0.0, |own| own.trust * own.said);
        self.views[0] + self.views[1] + own
    }

    /// By how much the weights of a view are scaled.
    pub(crate) fn scale(&self, view: View) -> f32 {
        self.scales[view as usize]
    }

    /// What the domain's own weights add.
    pub(crate) fn own(&self) -> f32 {
        self.own.as_ref().map_or(0.0, |own| own.trust * own.said)
    }
}

/// The features that a domain has weights for.
fn shared_out(features: &[u64]) -> impl Iterator<Item = u64> + Clone {
    features.iter().copied().filter(|feature| feature % DOMAIN_SHARE == 0)
}

/// The features if this extractor can have made them.
fn sound(features: &Features) -> Option<&[u64]> {
    let hashes = &features.hashes[..];
    let fits = features.extractor == EXTRACTOR
        && hashes.len() <= Features::MAX
        && hashes.is_sorted_by(|one, next| one < next)
        && hashes.last().is_none_or(|last| *last < FEATURES);
    fits.then_some(hashes)
}

impl Model {
    /// An empty model whose key is derived from an installation's secret.
    pub fn new(seed: Seed) -> Model {
        let half = |part: &[u8]| AtomicU64::new(seed.hash(&[NAME.as_bytes(), part]));
        Model {
            key: [half(b"0"), half(b"1")],
            table: Table::default(),
            domains: (0..DOMAINS).map(|_| AtomicU64::new(0)).collect(),
            learned: [AtomicU64::new(0), AtomicU64::new(0)],
            doubt: [Doubt::FIRST.wrong, Doubt::FIRST.seen].map(|number| AtomicU64::new(number.to_bits())),
        }
    }

    fn key(&self) -> Key {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.key[0].load(Ordering::Relaxed).to_le_bytes());
        key[8..].copy_from_slice(&self.key[1].load(Ordering::Relaxed).to_le_bytes());
        Key::new(key)
    }

    pub(crate) fn cutter(&self) -> Cutter {
        Cutter::new(&self.key())
    }

    pub(crate) fn weight(&self, feature: u64) -> f32 {
        self.table.weight(place(feature))
    }

    fn learned(&self) -> [u64; 2] {
        [0, 1].map(|class| self.learned[class].load(Ordering::Relaxed))
    }

    fn doubt(&self) -> Doubt {
        let [wrong, seen] = [0, 1].map(|at| f64::from_bits(self.doubt[at].load(Ordering::Relaxed)));
        Doubt { wrong, seen }
    }

    fn doubt_is(&self, doubt: Doubt) {
        self.doubt[0].store(doubt.wrong.to_bits(), Ordering::Relaxed);
        self.doubt[1].store(doubt.seen.to_bits(), Ordering::Relaxed);
    }

    /// As many as were learned, but where one class is rare, little more than of that.
    pub(crate) fn support(&self) -> u32 {
        let [ham, spam] = self.learned();
        LogOdds::support(ham, spam)
    }

    /// What is said of features that are sound.
    fn say(&self, features: &[u64], domain: Option<&str>) -> Said {
        let (head, text) = features.split_at(features.partition_point(|feature| View::of(*feature) == View::Head));
        let scales = [head, text].map(|features| odds::scale(features.len()));
        let sum = |features: &[u64]| -> f64 { features.iter().map(|feature| f64::from(self.weight(*feature))).sum() };
        Said {
            views: [odds::view(sum(head), scales[0]), odds::view(sum(text), scales[1])],
            scales,
            own: domain.map(|domain| self.own(features, domain)),
        }
    }

    fn odds(&self, said: &Said) -> LogOdds {
        LogOdds {
            value: odds::score(said.sum()),
            support: self.support(),
        }
    }

    /// Learns a sample of which this was said.
    fn take_in(&self, features: &[u64], sample: &Sample, said: &Said) {
        if sample.weight == 0 {
            return;
        }
        let spam = sample.label == Label::Spam;
        let weight = sample.weight.clamp(SAMPLE_WEIGHTS.0, SAMPLE_WEIGHTS.1) as f32 / 100.0;
        let doubt = self.doubt();
        let share = doubt.share();
        let [ham, spams] = self.learned();
        let for_it = if spam { said.sum() } else { -said.sum() };
        // What counts double was looked at twice.
        let wrong = odds::wrong(for_it, ham.min(spams), share / f64::from((weight * weight).max(1.0)));
        self.doubt_is(doubt.after(wrong));
        let (rate, most) = (odds::rate(share), odds::move_max(share) * weight);
        let cut = features.partition_point(|feature| View::of(*feature) == View::Head);
        for (view, features) in View::ALL.into_iter().zip([&features[..cut], &features[cut..]]) {
            let error = odds::error(said.views[view as usize], spam, wrong) * weight * said.scale(view);
            let places = features.iter().map(|feature| place(*feature));
            self.step(places, error, rate, most / said.scale(view));
        }
        if let Some(own) = &said.own {
            let error = odds::error(said.sum(), spam, wrong) * weight * own.scale;
            let places = shared_out(features).map(|feature| salted(feature, own.salt));
            self.step(places, error, rate, most / own.scale);
            let count = &self.domains[own.salt as usize % DOMAINS];
            let (ham, spams) = halves(count.load(Ordering::Relaxed));
            let (ham, spams) = match spam {
                true => (ham, spams.saturating_add(1)),
                false => (ham.saturating_add(1), spams),
            };
            count.store(u64::from(spams) << 32 | u64::from(ham), Ordering::Relaxed);
        }
        self.learned[usize::from(spam)].fetch_add(1, Ordering::Relaxed);
    }

    fn own(&self, features: &[u64], domain: &str) -> Own {
        let key = self.key();
        let salt = key.word(u8::MAX, domain.to_ascii_lowercase().as_bytes());
        let (ham, spam) = halves(self.domains[salt as usize % DOMAINS].load(Ordering::Relaxed));
        let rarer = ham.min(spam) as f32;
        let scale = odds::scale(shared_out(features).count() * DOMAIN_SHARE as usize) * DOMAIN_SHARE as f32;
        let weights = shared_out(features).map(|feature| self.table.weight(salted(feature, salt)));
        Own {
            salt,
            scale,
            said: match rarer {
                0.0 => 0.0,
                _ => odds::view(weights.map(f64::from).sum(), scale),
            },
            trust: rarer / (rarer + DOMAIN_HALF),
        }
    }

    /// Moves the weights in some slots for an error, their sum by no more than `most`.
    fn step(&self, places: impl Iterator<Item = u64> + Clone, error: f32, rate: f32, most: f32) {
        if error == 0.0 {
            return;
        }
        let after = |squares: f32| (squares + error * error).min(f32::MAX);
        // What moves most was never moved before. Where even that much of all of them is allowed, as for nearly every mail
        // that is known already, nothing has to be looked up.
        let new = odds::step(error.abs(), error * error, rate) * places.clone().count() as f32;
        let brake = if new <= most {
            1.0
        } else {
            let moved = |place| odds::step(error.abs(), after(self.table.slot(place).squares), rate);
            let moved: f32 = places.clone().map(moved).sum();
            (most / moved.max(f32::MIN_POSITIVE)).min(1.0)
        };
        let rate = rate * brake;
        for place in places {
            let slot = self.table.slot(place);
            let squares = after(slot.squares);
            let weight = slot.weight + odds::step(error, squares, rate);
            self.table.set(
                place,
                Slot {
                    weight: weight.clamp(-WEIGHT_MAX, WEIGHT_MAX),
                    squares,
                },
            );
        }
    }

    pub(crate) fn said(&self, features: &Features, domain: Option<&Domain>) -> Option<Said> {
        sound(features).map(|features| self.say(features, domain.map(Domain::key).as_deref()))
    }
}

/// Where a feature lies in the table. The views share the table, each with an order of its own.
fn place(feature: u64) -> u64 {
    match View::of(feature) {
        View::Head => feature,
        View::Text => !feature,
    }
}

/// Where a domain's own weight of a feature lies.
fn salted(feature: u64, salt: u64) -> u64 {
    (feature ^ salt).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32
}

/// Ham and spam of a domain.
fn halves(count: u64) -> (u32, u32) {
    (count as u32, (count >> 32) as u32)
}

impl Learner for Model {
    fn features(&self, message: &Message) -> Features {
        let document = Document::of(message);
        match document.is_cut() {
            true => Features::none(),
            false => self.cutter().cut(&document),
        }
    }

    fn score(&self, features: &Features, domain: Option<&Domain>) -> LogOdds {
        let Some(said) = self.said(features, domain) else {
            return LogOdds::default();
        };
        self.odds(&said)
    }

    fn learn(&self, features: &Features, sample: &Sample) {
        if let Some(features) = sound(features) {
            self.take_in(features, sample, &self.say(features, sample.domain.as_deref()));
        }
    }

    fn score_then_learn(&self, features: &Features, domain: Option<&Domain>, sample: &Sample) -> LogOdds {
        let Some(hashes) = sound(features) else {
            return LogOdds::default();
        };
        let asked = domain.map(Domain::key);
        let said = self.say(hashes, sample.domain.as_deref());
        let scored = match asked.as_deref() == sample.domain.as_deref() {
            true => self.odds(&said),
            false => self.score(features, domain),
        };
        self.take_in(hashes, sample, &said);
        scored
    }

    fn explain(&self, message: &Message, domain: Option<&Domain>) -> Vec<Clue> {
        explain::clues(self, message, domain)
    }

    fn save(&self) -> Vec<u8> {
        let all = |numbers: &[AtomicU64]| -> Vec<u8> {
            let octets = numbers
                .iter()
                .map(|number| number.load(Ordering::Relaxed).to_le_bytes());
            octets.flatten().collect()
        };
        let counts = [all(&self.learned), all(&self.doubt)].concat();
        let domains = all(&self.domains);
        let [used, slots] = self.table.save();
        File {
            name: NAME,
            version: FORM,
            key: self.key(),
            sections: vec![&counts, &domains, &used, &slots],
        }
        .write()
    }

    fn load(&self, saved: &[u8]) -> Result<(), BadModel> {
        self.adopt(saved).map_err(BadModel)
    }
}

impl Model {
    /// Takes over what was saved. What is not sound is refused before anything is taken over.
    fn adopt(&self, saved: &[u8]) -> Result<(), String> {
        if self.learned() != [0, 0] {
            return Err("a model is loaded only into one that has learned nothing yet".into());
        }
        let file = File::read(saved, NAME, FORM)?;
        let [counts, domains, used, slots] = file.sections[..] else {
            return Err(format!(
                "the model file has {} sections, 4 were expected",
                file.sections.len()
            ));
        };
        let (counts, domains) = (numbers(counts, COUNTS)?, numbers(domains, DOMAINS * 8)?);
        let doubt = Doubt {
            wrong: f64::from_bits(counts[2]),
            seen: f64::from_bits(counts[3]),
        };
        if !doubt.is_sound() {
            return Err("the model file holds a doubt in labels that no learning gives".into());
        }
        self.table.load(used, slots)?;
        for (own, saved) in self.domains.iter().zip(&domains) {
            own.store(*saved, Ordering::Relaxed);
        }
        for (own, saved) in self.learned.iter().zip(&counts) {
            own.store(*saved, Ordering::Relaxed);
        }
        self.doubt_is(doubt);
        for (own, half) in self.key.iter().zip(file.key.bytes().chunks(8)) {
            own.store(number(half), Ordering::Relaxed);
        }
        Ok(())
    }
}

fn number(octets: &[u8]) -> u64 {
    octets.iter().rev().fold(0, |all, octet| all << 8 | u64::from(*octet))
}

/// The numbers of a section that has so many octets.
fn numbers(section: &[u8], octets: usize) -> Result<Vec<u64>, String> {
    if section.len() != octets {
        return Err(format!(
            "a section of the model file has {} octets, {octets} were expected",
            section.len()
        ));
    }
    Ok(section.chunks(8).map(number).collect())
}
