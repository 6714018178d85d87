//! The evidence of many words side by side, so that the processor reckons several of them at a time.
//!
//! **Invariant:** the evidence of each word is, bit for bit, what [`evidence`](crate::odds::evidence) makes of it alone.

use crate::counts::Entry;
use crate::odds::{Evidence, Met, NOVELTY, SHORTER, UNKNOWN, WORD_MAX};
use crate::states::ORDERS;

/// Words that are reckoned together: so many lie in the nearest cache, and their memory answers at the same time.
pub const LANES: usize = 64;

/// A number of each word.
type Lane = [f32; LANES];
/// What is known of the sequences that end with each word, by order.
pub type Entries = [[Entry; LANES]; ORDERS];

/// Words that follow each other.
pub struct Lanes {
    /// In how many messages the sequences were met, by order and class.
    met: [[Lane; 2]; ORDERS],
    /// How often other words followed them.
    followed: [[Lane; 2]; ORDERS],
    /// How often a word followed the states.
    states: [[Lane; 2]; ORDERS],
    /// What of `followed` the last word before these has.
    before: [[f32; 2]; ORDERS],
    /// The ratio of the two classes' probabilities, and the messages that stand behind it, by order.
    ratios: [Lane; ORDERS],
    support: [Lane; ORDERS],
    novelty: Lane,
}

impl Default for Lanes {
    fn default() -> Lanes {
        Lanes {
            met: [[[0.0; LANES]; 2]; ORDERS],
            followed: [[[0.0; LANES]; 2]; ORDERS],
            states: [[[0.0; LANES]; 2]; ORDERS],
            before: [[0.0; 2]; ORDERS],
            ratios: [[1.0; LANES]; ORDERS],
            support: [[0.0; LANES]; ORDERS],
            novelty: [1.0; LANES],
        }
    }
}

impl Lanes {
    /// Takes so many words behind those that were taken before. Their states are the sequences of the word before each,
    /// until [`begin`](Lanes::begin) says that it begins a stream.
    pub fn take(&mut self, entries: &Entries, count: usize) {
        for (order, entries) in entries.iter().enumerate() {
            for class in 0..2 {
                Entry::counts(entries, class as u32, &mut self.met[order][class]);
                Entry::counts(entries, 2 + class as u32, &mut self.followed[order][class]);
            }
        }
        for order in 1..ORDERS {
            for class in 0..2 {
                let followed = &self.followed[order - 1][class];
                let states = &mut self.states[order][class];
                states[1..].copy_from_slice(&followed[..LANES - 1]);
                states[0] = self.before[order - 1][class];
                self.before[order - 1][class] = followed[count.clamp(1, LANES) - 1];
            }
        }
    }

    /// Says that a word is the first of its stream, and how often the beginning of the stream was followed.
    pub fn begin(&mut self, at: usize, followed: [f32; 2]) {
        for (class, followed) in followed.into_iter().enumerate() {
            self.states[1][class][at] = followed;
            self.states[2][class][at] = 0.0;
        }
    }

    /// Says how many words there are of the stream of a word.
    #[inline]
    pub fn stream(&mut self, at: usize, words: [f32; 2]) {
        for (states, words) in self.states[0].iter_mut().zip(words) {
            states[at] = words;
        }
    }

    /// Reckons what [`evidence`](Lanes::evidence) tells. Without branches, so that the compiler takes words abreast.
    pub fn reckon(&mut self) {
        let Lanes {
            met,
            states,
            ratios,
            support,
            novelty,
            ..
        } = self;
        let mut said = [[0.0; LANES]; 2];
        for at in 0..LANES {
            let [ham, spam] = [met[0][0][at], met[0][1][at]];
            let [ham_state, spam_state] = [states[0][0][at], states[0][1][at]];
            let least = ham_state.min(spam_state);
            let share = SHORTER[0] / (least + SHORTER[0]);
            let ham_said = (1.0 - share) * ham / ham_state.max(ham).max(1.0) + share * UNKNOWN;
            let spam_said = (1.0 - share) * spam / spam_state.max(spam).max(1.0) + share * UNKNOWN;
            said[0][at] = ham_said;
            said[1][at] = spam_said;
            ratios[0][at] = spam_said / ham_said;
            support[0][at] = ham + spam;
            novelty[at] = 1.0;
        }
        for order in 1..ORDERS {
            let shorter = SHORTER[order];
            for at in 0..LANES {
                let [ham, spam] = [met[order][0][at], met[order][1][at]];
                let [ham_state, spam_state] = [states[order][0][at], states[order][1][at]];
                let [ham_below, spam_below] = [said[0][at], said[1][at]];
                let all = ham + spam;
                let is_new = all == 0.0;
                let new = (ham_state + shorter) / (spam_state + shorter);
                novelty[at] *= if is_new { new } else { 1.0 };
                let ham_said = (ham + shorter * ham_below) / (ham_state.max(ham) + shorter);
                let spam_said = (spam + shorter * spam_below) / (spam_state.max(spam) + shorter);
                said[0][at] = if is_new { ham_below } else { ham_said };
                said[1][at] = if is_new { spam_below } else { spam_said };
                ratios[order][at] = spam_said / ham_said;
                support[order][at] = all;
            }
        }
    }

    /// The evidence of a word, where its domain has none of its own.
    #[inline]
    pub fn evidence(&self, at: usize) -> Evidence {
        let mut parts = [(0.0, 0.0); ORDERS];
        let (mut value, mut known) = (0.0, 0);
        for (order, part) in parts.iter_mut().enumerate() {
            let support = self.support[order][at];
            if support > 0.0 {
                let more = self.ratios[order][at].ln().clamp(-WORD_MAX, WORD_MAX);
                *part = (more - value, support);
                (value, known) = (more, order);
            }
        }
        let before = value;
        if self.novelty[at] != 1.0 {
            value += NOVELTY * self.novelty[at].ln();
        }
        let value = value.clamp(-WORD_MAX, WORD_MAX);
        parts[known].0 += value - before;
        Evidence {
            value,
            support: parts[known].1,
            parts,
            order: known,
        }
    }

    /// What the sequences of a word were met with.
    pub fn met(&self, at: usize) -> [Met; ORDERS] {
        let mut orders = [Met::default(); ORDERS];
        for (order, met) in orders.iter_mut().enumerate() {
            for class in 0..2 {
                met.sequence[class] = self.met[order][class][at];
                met.state[class] = self.states[order][class][at];
            }
        }
        orders
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::odds;

    fn count() -> impl Strategy<Value = f32> {
        prop_oneof![
            Just(0.0),
            (0u32..100).prop_map(|eighths| eighths as f32 / 8.0),
            (0u32..1 << 20).prop_map(|eighths| eighths as f32 / 8.0)
        ]
    }

    proptest! {
        #[test]
        fn words_side_by_side_have_the_evidence_that_each_has_alone(
            words in prop::collection::vec((prop::array::uniform12(count()), 2..=ORDERS), LANES..=LANES),
        ) {
            let mut lanes = Lanes::default();
            for (at, (counts, orders)) in words.iter().enumerate() {
                for order in 0..*orders {
                    for class in 0..2 {
                        lanes.met[order][class][at] = counts[order * 4 + class];
                        lanes.states[order][class][at] = counts[order * 4 + 2 + class];
                    }
                }
            }
            lanes.reckon();
            for (at, (_, orders)) in words.iter().enumerate() {
                let alone = odds::evidence(&lanes.met(at)[..*orders], None);
                let beside = lanes.evidence(at);
                let bits = |evidence: Evidence| {
                    let parts = evidence.parts.map(|(value, support)| (value.to_bits(), support.to_bits()));
                    (evidence.value.to_bits(), evidence.support.to_bits(), parts, evidence.order)
                };
                prop_assert_eq!(bits(alone), bits(beside));
            }
        }
    }
}
