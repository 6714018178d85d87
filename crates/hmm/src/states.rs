//! A message as words that follow each other.
//!
//! The words of a mail stand in streams: those of the text, of the Subject, of each field of the header section. What
//! follows what is asked within a stream only; each stream begins with a state of its own. A feature is the keyed hash of a
//! word, the number of its stream in the lowest octet, so that the features in their order are all that a model needs.

use gatepost_tokens::{Document, Field, Key, Token};

/// The version of what follows here.
pub const EXTRACTOR: u32 = 2;
/// Words of the text that count, seen and hidden together: a mail says early what it wants.
pub const TEXT_MAX: usize = 800;
/// Words of all streams that count.
pub const WORDS_MAX: usize = 2_400;
/// How many lengths of sequences there are: a word alone, behind one other, behind two others.
pub const ORDERS: usize = 3;
/// How many streams there are. Fields of the header section share the numbers above [`STREAMS_NAMED`].
pub const STREAMS: usize = 256;
/// The numbers below belong to streams that have a [`Field`] of their own.
const STREAMS_NAMED: u64 = 16;

/// The words that count, each with the number of its stream, in their order.
pub fn words<'d>(key: &Key, document: &'d Document) -> impl Iterator<Item = (u8, &'d Token, &'d str)> {
    let mut text = 0;
    let (mut last, mut number) = ("", 0);
    let key = *key;
    document
        .tokens()
        .iter()
        .filter(move |token| {
            let of_text = matches!(token.field, Field::Text | Field::Hidden);
            text += usize::from(of_text);
            !of_text || text <= TEXT_MAX
        })
        .take(WORDS_MAX)
        .map(move |token| {
            let word = document.text_of(token);
            if token.field != Field::Header {
                return (token.field as u8, token, word);
            }
            let (name, word) = word.split_once(':').unwrap_or((word, ""));
            if name != last {
                let places = STREAMS as u64 - STREAMS_NAMED;
                number = (STREAMS_NAMED + key.word(u8::MAX, name.as_bytes()) % places) as u8;
                last = name;
            }
            (number, token, word)
        })
}

/// The features of a document.
pub fn features(key: &Key, document: &Document) -> Vec<u64> {
    words(key, document)
        .map(|(stream, token, word)| {
            let name = document.text_of(token).len() - word.len();
            feature(stream, document.hash(key, stream, token, name))
        })
        .collect()
}

/// The feature that is a word of a stream, given its hash.
fn feature(stream: u8, hash: u64) -> u64 {
    hash & !0xff | u64::from(stream)
}

/// The state in which a stream begins.
pub fn start(key: &Key, stream: u8) -> u64 {
    key.pair(u64::from(stream), u64::MAX, ORDERS as u8)
}

/// A word with what stands before it.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Step {
    /// The number of its stream.
    pub stream: u8,
    /// Whether it is the first of its stream.
    pub first: bool,
    /// How many lengths of sequences end here: fewer at the beginning of a stream.
    pub orders: usize,
    /// The sequences that end with the word, by how many others stand before it.
    pub sequences: [u64; ORDERS],
    /// The states in which the word came: the sequences of the words before it. The state of a word alone is its stream,
    /// and it stands here as nought.
    pub states: [u64; ORDERS],
}

/// Goes along features, step by step.
pub struct Walk<'a> {
    key: Key,
    features: std::slice::Iter<'a, u64>,
    last: Option<Step>,
}

impl<'a> Walk<'a> {
    /// A walk along some features, of which [`WORDS_MAX`] count.
    pub fn new(key: Key, features: &'a [u64]) -> Walk<'a> {
        Walk {
            key,
            features: features[..features.len().min(WORDS_MAX)].iter(),
            last: None,
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let feature = *self.features.next()?;
        let stream = feature as u8;
        let before = self.last.filter(|last| last.stream == stream);
        let mut step = Step {
            stream,
            first: before.is_none(),
            orders: before.map_or(2, |before| (before.orders + 1).min(ORDERS)),
            ..Step::default()
        };
        step.sequences[0] = self.key.pair(feature, 0, 0);
        step.states[1] = before.map_or_else(|| start(&self.key, stream), |before| before.sequences[0]);
        for order in 1..step.orders {
            if order > 1 {
                step.states[order] = before.map_or(0, |before| before.sequences[order - 1]);
            }
            step.sequences[order] = self.key.pair(step.states[order], feature, order as u8);
        }
        self.last = Some(step);
        Some(step)
    }
}

/// Sequences of one message that were met already.
pub struct Met {
    slots: Vec<u64>,
}

impl Met {
    /// Room for so many.
    pub fn new(most: usize) -> Met {
        Met {
            slots: vec![0; (most * 2).next_power_of_two().max(16)],
        }
    }

    /// Whether a sequence is met for the first time.
    pub fn first(&mut self, sequence: u64) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = sequence as usize & mask;
        for _ in 0..=mask {
            match self.slots[at] {
                0 => {
                    self.slots[at] = sequence;
                    return true;
                }
                found if found == sequence => return false,
                _ => at = (at + 1) & mask,
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> Key {
        Key::new([3; 16])
    }

    #[test]
    fn a_word_is_asked_for_with_at_most_two_before_it_and_none_of_another_stream() {
        let key = key();
        let word = |stream, text: &str| feature(stream, key.word(stream, text.as_bytes()));
        let features = [word(0, "a"), word(0, "b"), word(0, "c"), word(0, "d"), word(2, "d")];
        let steps: Vec<Step> = Walk::new(key, &features).collect();
        assert_eq!(
            steps.iter().map(|step| step.orders).collect::<Vec<_>>(),
            [2, 3, 3, 3, 2]
        );
        assert_eq!(steps[0].states[1], start(&key, 0));
        assert_eq!(steps[3].states[1], steps[2].sequences[0]);
        assert_eq!(steps[3].states[2], steps[2].sequences[1]);
        assert_eq!(steps[4].states[1], start(&key, 2));
        assert!(steps[4].first && !steps[3].first);
        assert_ne!(steps[4].sequences[0], steps[3].sequences[0]);
    }

    #[test]
    fn the_same_words_behind_the_same_words_are_the_same_sequence() {
        let key = key();
        let features: Vec<u64> = ["a", "b", "c", "x", "a", "b", "c"]
            .iter()
            .map(|text| feature(0, key.word(0, text.as_bytes())))
            .collect();
        let steps: Vec<Step> = Walk::new(key, &features).collect();
        assert_eq!(steps[2].sequences, steps[6].sequences);
        assert_ne!(steps[1].sequences[2], steps[5].sequences[2]);
    }

    #[test]
    fn what_was_met_is_met_once_even_when_there_is_no_room() {
        let mut met = Met::new(4);
        for sequence in 1..=16 {
            assert!(met.first(sequence), "{sequence}");
        }
        assert!(!met.first(3));
        assert!(!met.first(99), "there is no room for it");
    }
}
