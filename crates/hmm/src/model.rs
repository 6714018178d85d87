//! The model.

use std::sync::atomic::{AtomicU32, Ordering};

use gatepost_core::kept::Label;
use gatepost_core::{BadModel, Clue, Domain, Features, Learner, LogOdds, Message, Sample, Seed};
use gatepost_tokens::{Document, Key};

const BITS: u32 = 22;
const RATE: f32 = 0.004;

/// The model.
pub struct Model {
    key: Key,
    weights: Vec<AtomicU32>,
    learned: AtomicU32,
}

impl Model {
    /// An empty model whose key is derived from an installation's secret.
    pub fn new(seed: Seed) -> Model {
        let half = |part: &[u8]| seed.hash(&[b"hmm", part]).to_le_bytes();
        let mut key = [0; 16];
        key[..8].copy_from_slice(&half(b"0"));
        key[8..].copy_from_slice(&half(b"1"));
        Model {
            key: Key::new(key),
            weights: (0..1 << BITS).map(|_| AtomicU32::new(0)).collect(),
            learned: AtomicU32::new(0),
        }
    }

    fn slot(&self, hash: u64) -> &AtomicU32 {
        &self.weights[(hash >> (64 - BITS)) as usize]
    }

    fn odds(&self, features: &Features) -> f32 {
        features
            .hashes
            .iter()
            .map(|hash| f32::from_bits(self.slot(*hash).load(Ordering::Relaxed)))
            .sum()
    }
}

impl Learner for Model {
    fn features(&self, message: &Message) -> Features {
        let document = Document::of(message);
        let words: Vec<u64> = document
            .tokens()
            .iter()
            .map(|token| self.key.word(token.field as u8, document.text_of(token).as_bytes()))
            .collect();
        let mut hashes: Vec<u64> = words
            .windows(3)
            .map(|three| self.key.pair(self.key.pair(three[0], three[1], 1), three[2], 1))
            .collect();
        hashes.sort_unstable();
        hashes.dedup();
        hashes.truncate(Features::MAX);
        Features { extractor: 1, hashes }
    }

    fn score(&self, features: &Features, _: Option<&Domain>) -> LogOdds {
        LogOdds {
            value: self.odds(features),
            support: self.learned.load(Ordering::Relaxed),
        }
    }

    fn learn(&self, features: &Features, sample: &Sample) {
        let y = if sample.label == Label::Spam { 1.0 } else { 0.0 };
        let p = 1.0 / (1.0 + (-self.odds(features)).exp());
        let step = RATE * (y - p);
        for hash in &features.hashes {
            let slot = self.slot(*hash);
            let weight = f32::from_bits(slot.load(Ordering::Relaxed)) + step;
            slot.store(weight.to_bits(), Ordering::Relaxed);
        }
        self.learned.fetch_add(1, Ordering::Relaxed);
    }

    fn explain(&self, _: &Message, _: Option<&Domain>) -> Vec<Clue> {
        Vec::new()
    }

    fn save(&self) -> Vec<u8> {
        Vec::new()
    }

    fn load(&self, _: &[u8]) -> Result<(), BadModel> {
        Err(BadModel("not yet".into()))
    }
}
