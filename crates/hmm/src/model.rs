//! The model.
//!
//! **Invariants:** the same lessons in the same order give the same bits, whatever their sequence numbers and times;
//! features of another extractor are neither scored nor learned; scores are finite.
//! **Absent on purpose:** texts. Words are known by their keyed hashes only.
//!
//! **Same bits** means on one machine with one build: exponentials, logarithms and powers come from the platform's own
//! library of mathematics, and another one may differ in the last bit. A saved model is loaded as it is anywhere.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use gatepost_core::kept::Label;
use gatepost_core::{BadModel, Clue, Domain, Features, Learner, LogOdds, Message, Sample, Seed};
use gatepost_tokens::{Document, File, Key};

use crate::counts::{Counts, Entry, UNITS};
use crate::explain;
use crate::lanes::{Entries, LANES, Lanes};
use crate::odds::{self, Curve, Evidence, Met, ODDS_MAX, Sum};
use crate::states::{self, EXTRACTOR, ORDERS, STREAMS, Step, Walk};

/// The name in the model file.
const NAME: &str = "hmm";
/// The form of the model file and the extractor of its features.
const FORM: u32 = 3 << 16 | EXTRACTOR;
/// A mail that was known for what it is with such odds teaches nothing new: its words are counted already.
const KNOWN: f32 = 8.0;
/// The most units that a sample counts with.
const UNITS_MAX: u32 = 5 * UNITS;
/// What sets the words of a domain apart from those of all.
const OWN: u8 = 9;

/// The model.
pub struct Model {
    key: [AtomicU64; 2],
    counts: Counts,
    /// Units of words by stream and class.
    streams: Vec<[AtomicU64; 2]>,
    /// Learned messages: ham, spam.
    learned: [AtomicU32; 2],
    /// Slope and offset of the curve, as bits of `f32`.
    curve: [AtomicU32; 2],
}

impl Model {
    /// An empty model whose key is derived from an installation's secret.
    pub fn new(seed: Seed) -> Model {
        let half = |part: &[u8]| AtomicU64::new(seed.hash(&[b"hmm", part]));
        let curve = Curve::default();
        Model {
            key: [half(b"0"), half(b"1")],
            counts: Counts::default(),
            streams: (0..STREAMS).map(|_| Default::default()).collect(),
            learned: Default::default(),
            curve: [curve.slope, curve.offset].map(|number| AtomicU32::new(number.to_bits())),
        }
    }

    pub(crate) fn key(&self) -> Key {
        let mut key = [0; 16];
        key[..8].copy_from_slice(&self.key[0].load(Ordering::Relaxed).to_le_bytes());
        key[8..].copy_from_slice(&self.key[1].load(Ordering::Relaxed).to_le_bytes());
        Key::new(key)
    }

    pub(crate) fn curve(&self) -> Curve {
        let [slope, offset] = [0, 1].map(|at: usize| f32::from_bits(self.curve[at].load(Ordering::Relaxed)));
        Curve { slope, offset }
    }

    fn learned(&self) -> [u32; 2] {
        [0, 1].map(|class: usize| self.learned[class].load(Ordering::Relaxed))
    }

    /// What a domain's own words are told apart by.
    pub(crate) fn own(key: &Key, domain: Option<&str>) -> Option<u64> {
        domain.map(|domain| key.word(u8::MAX - 1, domain.as_bytes()))
    }

    /// Adds up the evidence of features, and hands each word that counts to `each`, with its place. A sequence that comes
    /// again in the same mail does not count again.
    pub(crate) fn weigh(
        &self,
        key: &Key,
        features: &[u64],
        own: Option<u64>,
        mut each: impl FnMut(usize, Evidence),
    ) -> Sum {
        let mut sum = Sum::default();
        let mut met = states::Met::new(features.len().min(states::WORDS_MAX));
        let mut steps = [Step::default(); LANES];
        let mut entries = [[Entry::default(); LANES]; ORDERS];
        let mut lanes = Lanes::default();
        let mut walk = Walk::new(*key, features);
        let mut stream = [0.0; 2];
        let mut own_stream = [0.0; 2];
        for first in (0..features.len()).step_by(LANES) {
            let mut count = 0;
            for (place, step) in steps.iter_mut().zip(&mut walk) {
                *place = step;
                count += 1;
            }
            let steps = &steps[..count];
            self.look_up(key, steps, own, &mut entries);
            lanes.take(&entries, count);
            for (lane, step) in steps.iter().enumerate() {
                if step.first {
                    lanes.begin(lane, self.counts.look(step.states[1]).told().followed);
                    stream = self.stream(step.stream);
                }
                lanes.stream(lane, stream);
            }
            lanes.reckon();
            for (lane, step) in steps.iter().enumerate() {
                if let Some(own) = own.filter(|_| step.first) {
                    let start = key.pair(states::start(key, step.stream), own, OWN);
                    own_stream = self.counts.look(start).told().followed;
                }
                if !met.first(step.sequences[step.orders - 1]) {
                    continue;
                }
                let own = own.and_then(|own| self.counts.entry(key.pair(step.sequences[0], own, OWN)));
                let evidence = match own {
                    None => lanes.evidence(lane),
                    Some(own) => {
                        let own = Met {
                            sequence: own.told().met,
                            state: own_stream,
                        };
                        odds::evidence(&lanes.met(lane)[..step.orders], Some(&own))
                    }
                };
                sum.add(evidence);
                each(first + lane, evidence);
            }
        }
        sum
    }

    /// Looks up the sequences of some steps. First it reads where they lie and nothing more, so that memory answers for many
    /// of them at the same time.
    fn look_up(&self, key: &Key, steps: &[Step], own: Option<u64>, [alone, two, three]: &mut Entries) {
        for order in 0..2 {
            self.counts.touch(steps.iter().map(|step| step.sequences[order]));
        }
        if let Some(own) = own {
            let own = |step: &Step| key.pair(step.sequences[0], own, OWN);
            self.counts.touch(steps.iter().map(own));
        }
        // Where the shorter sequence is not known, the longer one is not. Which one is cannot be foreseen, so there is no
        // branch on it: instead of what nobody knows, what was read already is read again.
        let mut thirds = [0; LANES];
        let places = alone.iter_mut().zip(two.iter_mut()).zip(&mut thirds);
        for (step, ((alone, two), third)) in steps.iter().zip(places) {
            *alone = self.counts.look(step.sequences[0]);
            *two = self.counts.look(step.sequences[1]).if_known(*alone);
            *third = step.sequences[if two.is_known() { 2 } else { 1 }];
        }
        let thirds = &thirds[..steps.len()];
        self.counts.touch(thirds.iter().copied());
        for ((step, third), (two, three)) in steps.iter().zip(thirds).zip(two.iter().zip(three)) {
            let is_there = step.orders == ORDERS;
            *three = self
                .counts
                .look(*third)
                .if_known(if is_there { *two } else { Entry::default() });
        }
    }

    /// The log-odds that evidence is worth by now.
    fn odds(&self, evidence: f32) -> LogOdds {
        let [ham, spam] = self.learned().map(u64::from);
        LogOdds {
            value: self.curve().odds(evidence).clamp(-ODDS_MAX, ODDS_MAX),
            support: LogOdds::support(ham, spam),
        }
    }

    /// Learns a sample that has this evidence.
    fn take_in(&self, key: &Key, features: &Features, sample: &Sample, own: Option<u64>, evidence: f32) {
        let spam = sample.label == Label::Spam;
        let class = usize::from(spam);
        let weight = sample.weight as f32 / 100.0;
        let curve = self.curve();
        let odds_for = match spam {
            true => curve.odds(evidence),
            false => -curve.odds(evidence),
        };
        let [ham_learned, spam_learned] = self.learned();
        let belief = odds::belief(odds_for, ham_learned.min(spam_learned), weight);
        let curve = curve.learn(evidence, spam, belief * weight.min(1.0));
        self.curve[0].store(curve.slope.to_bits(), Ordering::Relaxed);
        self.curve[1].store(curve.offset.to_bits(), Ordering::Relaxed);
        let learned = [ham_learned, spam_learned][class].saturating_add(1);
        self.learned[class].store(learned, Ordering::Relaxed);
        if odds_for > KNOWN {
            return;
        }
        let units = (UNITS as f32 * belief * weight).round() as u32;
        self.count(key, &features.hashes, own, class, units.clamp(1, UNITS_MAX));
    }

    fn stream(&self, stream: u8) -> [f32; 2] {
        let units = &self.streams[usize::from(stream)];
        [0, 1].map(|class: usize| units[class].load(Ordering::Relaxed) as f32 / UNITS as f32)
    }

    /// Counts the sequences of a mail, each once.
    fn count(&self, key: &Key, features: &[u64], own: Option<u64>, class: usize, units: u32) {
        let print = features.iter().fold(0u64, |all, feature| all.rotate_left(7) ^ feature);
        let mut met = states::Met::new(ORDERS * features.len().min(states::WORDS_MAX));
        for step in Walk::new(*key, features) {
            self.count_step(&step, &mut met, class, units, print);
            let Some(own) = own else { continue };
            let word = key.pair(step.sequences[0], own, OWN);
            if met.first(word) {
                let start = key.pair(states::start(key, step.stream), own, OWN);
                let chance = (print ^ word) >> 20;
                self.counts.follow(start, class, units, chance, true);
                self.counts.meet(word, class, units, chance);
            }
        }
    }

    fn count_step(&self, step: &Step, met: &mut states::Met, class: usize, units: u32, print: u64) {
        for order in 0..step.orders {
            let sequence = step.sequences[order];
            let chance = (print ^ sequence) >> 20;
            let total = if !met.first(sequence) {
                self.counts.entry(sequence).map_or(0, Entry::total)
            } else {
                if order == 0 {
                    let stream = &self.streams[usize::from(step.stream)][class];
                    let sum = stream.load(Ordering::Relaxed).saturating_add(units.into());
                    stream.store(sum, Ordering::Relaxed);
                } else if !self.counts.follow(step.states[order], class, units, chance, step.first) {
                    return;
                }
                self.counts.meet(sequence, class, units, chance)
            };
            // A longer sequence is worth its place only where the shorter one was met before: most of what is met once is
            // never met again.
            if total * 2 < units * 3 {
                return;
            }
        }
    }
}

impl Learner for Model {
    fn features(&self, message: &Message) -> Features {
        let document = Document::of(message);
        if document.is_cut() {
            return Features::none();
        }
        Features {
            extractor: EXTRACTOR,
            hashes: states::features(&self.key(), &document),
        }
    }

    fn score(&self, features: &Features, domain: Option<&Domain>) -> LogOdds {
        if features.extractor != EXTRACTOR {
            return LogOdds::default();
        }
        let key = self.key();
        let own = Model::own(&key, domain.map(Domain::key).as_deref());
        self.odds(self.weigh(&key, &features.hashes, own, |_, _| {}).value())
    }

    fn learn(&self, features: &Features, sample: &Sample) {
        if features.extractor != EXTRACTOR {
            return;
        }
        let key = self.key();
        let own = Model::own(&key, sample.domain.as_deref());
        let evidence = self.weigh(&key, &features.hashes, own, |_, _| {}).value();
        self.take_in(&key, features, sample, own, evidence);
    }

    fn score_then_learn(&self, features: &Features, domain: Option<&Domain>, sample: &Sample) -> LogOdds {
        if features.extractor != EXTRACTOR {
            return LogOdds::default();
        }
        let key = self.key();
        let asked = domain.map(Domain::key);
        let own = Model::own(&key, sample.domain.as_deref());
        let evidence = self.weigh(&key, &features.hashes, own, |_, _| {}).value();
        let scored = match asked.as_deref() == sample.domain.as_deref() {
            true => self.odds(evidence),
            false => self.score(features, domain),
        };
        self.take_in(&key, features, sample, own, evidence);
        scored
    }

    fn explain(&self, message: &Message, domain: Option<&Domain>) -> Vec<Clue> {
        explain::clues(self, message, domain)
    }

    fn save(&self) -> Vec<u8> {
        let [ham, spam] = self.learned();
        let curve = self.curve();
        let mut state = Vec::with_capacity(16);
        for number in [ham, spam, curve.slope.to_bits(), curve.offset.to_bits()] {
            state.extend_from_slice(&number.to_le_bytes());
        }
        let streams: Vec<u8> = self
            .streams
            .iter()
            .flatten()
            .flat_map(|units| units.load(Ordering::Relaxed).to_le_bytes())
            .collect();
        let counts = self.counts.save();
        File {
            name: NAME,
            version: FORM,
            key: self.key(),
            sections: vec![&state, &streams, &counts],
        }
        .write()
    }

    fn load(&self, saved: &[u8]) -> Result<(), BadModel> {
        let bad = |what: &str| {
            BadModel(format!(
                "the model file of `{NAME}` {what}; take an earlier one, or rebuild it"
            ))
        };
        if self.learned() != [0, 0] {
            return Err(BadModel(
                "a model can only be loaded before it has learned anything".into(),
            ));
        }
        let file = File::read(saved, NAME, FORM).map_err(BadModel)?;
        let [state, streams, counts] = file.sections[..] else {
            return Err(bad("has not its three parts"));
        };
        let ([ham, spam, slope, offset], []) = state.as_chunks::<4>() else {
            return Err(bad("has a head of another length"));
        };
        let curve = Curve {
            slope: f32::from_le_bytes(*slope),
            offset: f32::from_le_bytes(*offset),
        };
        let (streams, rest) = streams.as_chunks::<8>();
        if !curve.is_sound() || streams.len() != STREAMS * 2 || !rest.is_empty() || !self.counts.load(counts) {
            return Err(bad("holds other numbers than this classifier writes"));
        }
        for (units, saved) in self.streams.iter().flatten().zip(streams) {
            units.store(u64::from_le_bytes(*saved), Ordering::Relaxed);
        }
        self.learned[0].store(u32::from_le_bytes(*ham), Ordering::Relaxed);
        self.learned[1].store(u32::from_le_bytes(*spam), Ordering::Relaxed);
        self.curve[0].store(curve.slope.to_bits(), Ordering::Relaxed);
        self.curve[1].store(curve.offset.to_bits(), Ordering::Relaxed);
        let (halves, _) = file.key.bytes().as_chunks::<8>();
        for (part, half) in self.key.iter().zip(halves) {
            part.store(u64::from_le_bytes(*half), Ordering::Relaxed);
        }
        Ok(())
    }
}
