//! The model.
//!
//! **Invariants:** the same lessons in the same order give the same bits, whatever their sequence numbers and times;
//! features of another extractor are neither scored nor learned; scores are finite.
//!
//! **Same bits** means on one machine with one build: exponentials, logarithms and powers come from the platform's own
//! library of mathematics, and another one may differ in the last bit. A saved model is loaded as it is anywhere.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use gatepost_core::kept::Label;
use gatepost_core::{BadModel, Clue, Domain, Features, Learner, LogOdds, Message, Sample, Seed};
use gatepost_tokens::{Document, File, Key};

use crate::table::{After, Entry, Table};
use crate::{explain, odds, pairs};

/// The name in the model file.
const NAME: &str = "bayes";
/// The form of the model file and the extractor of its features.
const FORM: u32 = 3 << 16 | pairs::EXTRACTOR;
/// Counts of messages by domain. Two domains may share one: it only says how far a domain's own weights are believed.
const DOMAINS: usize = 4_096;
/// Messages of a domain, of its rarer class, at which its own weights count half: who knows one class only knows nothing
/// of the difference.
const DOMAIN_HALF: f32 = 30.0;
/// No score goes beyond.
pub const ODDS_MAX: f32 = 20.0;
/// Where weights of samples begin and end to count, in units.
const SAMPLE_WEIGHTS: (f32, f32) = (0.05, 5.0);

/// The model.
pub struct Model {
    key: [AtomicU64; 2],
    table: Table,
    /// Learned messages of each domain: ham, spam.
    domains: Vec<[AtomicU32; 2]>,
    /// Learned messages: ham, spam.
    learned: [AtomicU32; 2],
    /// The share of labels that is believed to be wrong, as bits of an `f32`.
    doubt: AtomicU32,
}

/// A domain's own part of the model.
#[derive(Clone, Copy)]
pub(crate) struct Own {
    hash: u64,
    /// How far it is believed, from nought to one.
    pub(crate) trust: f32,
}

impl Own {
    /// The feature as this domain has it.
    pub(crate) fn feature(self, key: &Key, feature: u64) -> u64 {
        key.pair(feature, self.hash, 0)
    }
}

impl Model {
    /// An empty model whose key is derived from an installation's secret.
    pub fn new(seed: Seed) -> Model {
        let half = |part: &[u8]| AtomicU64::new(seed.hash(&[b"bayes", part]));
        Model {
            key: [half(b"0"), half(b"1")],
            table: Table::default(),
            domains: (0..DOMAINS).map(|_| Default::default()).collect(),
            learned: [AtomicU32::new(0), AtomicU32::new(0)],
            doubt: AtomicU32::new(odds::DOUBT_FIRST.to_bits()),
        }
    }

    pub(crate) fn key(&self) -> Key {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.key[0].load(Ordering::Relaxed).to_le_bytes());
        key[8..].copy_from_slice(&self.key[1].load(Ordering::Relaxed).to_le_bytes());
        Key::new(key)
    }

    fn count(&self, hash: u64) -> &[AtomicU32; 2] {
        &self.domains[hash as usize % DOMAINS]
    }

    pub(crate) fn own(&self, key: &Key, domain: Option<&str>) -> Option<Own> {
        let hash = key.word(u8::MAX, domain?.to_lowercase().as_bytes());
        let [ham, spam] = self.count(hash).each_ref().map(|count| count.load(Ordering::Relaxed));
        let rarer = ham.min(spam) as f32;
        Some(Own {
            hash,
            trust: rarer / (rarer + DOMAIN_HALF),
        })
    }

    pub(crate) fn entry(&self, feature: u64) -> Option<Entry> {
        self.table.entry(feature)
    }

    /// The score before it is bounded.
    fn raw(&self, key: &Key, features: &Features, own: Option<Own>) -> f32 {
        let sum = self.table.sum(features.hashes.iter().copied());
        let own = own.filter(|own| own.trust > 0.0).map_or(0.0, |own| {
            let words = features.hashes.iter().filter(|feature| pairs::is_word(**feature));
            own.trust * self.table.sum(words.map(|word| own.feature(key, *word)))
        });
        odds::scale(features.hashes.len()) * (sum + own)
    }

    fn odds(&self, value: f32) -> LogOdds {
        let [ham, spam] = [0, 1].map(|class| u64::from(self.learned[class].load(Ordering::Relaxed)));
        LogOdds {
            value: value.clamp(-ODDS_MAX, ODDS_MAX),
            support: LogOdds::support(ham, spam),
        }
    }
}

impl Learner for Model {
    fn features(&self, message: &Message) -> Features {
        let document = Document::of(message);
        match document.is_cut() {
            true => Features::none(),
            false => pairs::features(&self.key(), &document),
        }
    }

    fn score(&self, features: &Features, domain: Option<&Domain>) -> LogOdds {
        if features.extractor != pairs::EXTRACTOR {
            return LogOdds::default();
        }
        let key = self.key();
        let own = self.own(&key, domain.map(Domain::key).as_deref());
        self.odds(self.raw(&key, features, own))
    }

    fn learn(&self, features: &Features, sample: &Sample) {
        if features.extractor != pairs::EXTRACTOR {
            return;
        }
        let key = self.key();
        let own = self.own(&key, sample.domain.as_deref());
        let said = self.raw(&key, features, own);
        self.take_in(&key, features, sample, own, said);
    }

    fn score_then_learn(&self, features: &Features, domain: Option<&Domain>, sample: &Sample) -> LogOdds {
        if features.extractor != pairs::EXTRACTOR {
            return LogOdds::default();
        }
        let key = self.key();
        let asked = domain.map(Domain::key);
        let own = self.own(&key, sample.domain.as_deref());
        let said = self.raw(&key, features, own);
        let scored = match asked.as_deref() == sample.domain.as_deref() {
            true => self.odds(said),
            false => self.score(features, domain),
        };
        self.take_in(&key, features, sample, own, said);
        scored
    }

    fn explain(&self, message: &Message, domain: Option<&Domain>) -> Vec<Clue> {
        explain::clues(self, message, domain)
    }

    fn save(&self) -> Vec<u8> {
        let mut state = Vec::with_capacity(12);
        for number in [&self.learned[0], &self.learned[1], &self.doubt] {
            state.extend_from_slice(&number.load(Ordering::Relaxed).to_le_bytes());
        }
        let domains: Vec<u8> = self
            .domains
            .iter()
            .flatten()
            .flat_map(|count| count.load(Ordering::Relaxed).to_le_bytes())
            .collect();
        let table = self.table.save();
        File {
            name: NAME,
            version: FORM,
            key: self.key(),
            sections: vec![&state, &domains, &table],
        }
        .write()
    }

    fn load(&self, saved: &[u8]) -> Result<(), BadModel> {
        if self.learned.iter().any(|count| count.load(Ordering::Relaxed) > 0) {
            return Err(BadModel(
                "a model is loaded only into one that has learned nothing yet".into(),
            ));
        }
        let file = File::read(saved, NAME, FORM).map_err(BadModel)?;
        let [state, domains, table] = file.sections[..] else {
            return Err(BadModel("the model file of `bayes` has not its three sections".into()));
        };
        let ([ham, spam, doubt], []) = state.as_chunks::<4>() else {
            return Err(BadModel(
                "the state in the model file of `bayes` has another length".into(),
            ));
        };
        let (counts, rest) = domains.as_chunks::<4>();
        let doubt = f32::from_le_bytes(*doubt);
        let fits = counts.len() == 2 * DOMAINS && rest.is_empty() && odds::is_doubt(doubt);
        if !fits || !self.table.load(table) {
            return Err(BadModel(
                "the tables in the model file of `bayes` are not as they must be".into(),
            ));
        }
        for (count, saved) in self.domains.iter().flatten().zip(counts) {
            count.store(u32::from_le_bytes(*saved), Ordering::Relaxed);
        }
        self.learned[0].store(u32::from_le_bytes(*ham), Ordering::Relaxed);
        self.learned[1].store(u32::from_le_bytes(*spam), Ordering::Relaxed);
        self.doubt.store(doubt.to_bits(), Ordering::Relaxed);
        let (halves, _) = file.key.bytes().as_chunks::<8>();
        for (half, saved) in self.key.iter().zip(halves) {
            half.store(u64::from_le_bytes(*saved), Ordering::Relaxed);
        }
        Ok(())
    }
}

/// By what a lesson moves the features of its mail.
#[derive(Clone, Copy)]
struct Pull {
    ask: f32,
    /// The share of labels that is believed to be wrong.
    doubt: f32,
    /// How much the sample counts, below nought for ham. It lengthens the step and not the heat: what counts double does not
    /// make firm before it has moved.
    weight: f32,
    /// The most by which the score moves.
    most: f32,
}

impl Model {
    /// Learns a sample of which this was said.
    fn take_in(&self, key: &Key, features: &Features, sample: &Sample, own: Option<Own>, said: f32) {
        let (class, sign) = match sample.label {
            Label::Spam => (1, 1.0),
            _ => (0, -1.0),
        };
        let weight = (sample.weight as f32 / 100.0).clamp(SAMPLE_WEIGHTS.0, SAMPLE_WEIGHTS.1);
        // What counts double was looked at twice.
        let before = f32::from_bits(self.doubt.load(Ordering::Relaxed));
        let doubt = before / (weight * weight).max(1.0);
        let ask = odds::ask(sign * said, doubt);
        self.doubt
            .store(odds::doubt(before, ask.wrong).to_bits(), Ordering::Relaxed);
        let count = &self.learned[class];
        count.store(count.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        if let Some(own) = own {
            let count = &self.count(own.hash)[class];
            count.store(count.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        }
        if ask.pull < odds::NEAR {
            return;
        }
        let lesson = Pull {
            ask: ask.pull,
            doubt,
            weight: sign * weight,
            most: odds::move_max(before, weight),
        };
        self.pull(key, features, own, lesson);
    }

    /// Moves the features of a mail by what its label asks.
    fn pull(&self, key: &Key, features: &Features, own: Option<Own>, lesson: Pull) {
        let scale = odds::scale(features.hashes.len());
        let all = self.share(lesson, scale);
        // A domain of which nothing is known yet learns as fast as one that is known well.
        let theirs = own.map(|own| (own, self.share(lesson, own.trust.max(0.5) * scale)));
        let words = |own: Own| {
            let words = features.hashes.iter().filter(|word| pairs::is_word(**word));
            words.map(move |word| own.feature(key, *word))
        };
        let features = || features.hashes.iter().copied();
        let mut moved = 0.0;
        for feature in features() {
            moved += all.after.moves(self.table.heat_step(feature)) * all.share;
        }
        if let Some((own, theirs)) = &theirs {
            for feature in words(*own) {
                moved += theirs.after.moves(self.table.heat_step(feature)) * theirs.share;
            }
        }
        moved *= lesson.weight.abs();
        let brake = (lesson.most / moved.max(f32::MIN_POSITIVE)).min(1.0);
        let by = lesson.weight * brake;
        features().for_each(|feature| self.step(feature, &all, lesson, by));
        if let Some((own, theirs)) = &theirs {
            words(*own).for_each(|feature| self.step(feature, theirs, lesson, by));
        }
    }

    fn share(&self, lesson: Pull, share: f32) -> Share {
        Share {
            share,
            after: self.table.after(lesson.ask * share, |gradient, heat| {
                odds::step(gradient, heat, lesson.doubt)
            }),
        }
    }

    fn step(&self, feature: u64, share: &Share, lesson: Pull, by: f32) {
        let (place, weight, heat) = self.table.find(feature);
        let moved = weight + by * share.after.moves(heat);
        let chance = chance(feature, weight, lesson.ask);
        self.table.put(place, moved, share.after.level(heat), chance);
    }
}

/// Features whose weights count alike, and what the lesson makes of them.
struct Share {
    share: f32,
    after: After,
}

/// A number from nought to one that depends on what is learned and on nothing else.
fn chance(feature: u64, weight: f32, pull: f32) -> f32 {
    let state = u64::from(weight.to_bits()) << 32 | u64::from(pull.to_bits());
    let mixed = u128::from(feature ^ 0x9e37_79b9_7f4a_7c15) * u128::from(state ^ 0xe703_7ed1_a0b4_28db | 1);
    ((mixed >> 64) as u64 ^ mixed as u64) as u32 as f32 / 4_294_967_296.0
}
