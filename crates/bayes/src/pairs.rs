//! Words and pairs of words as hashed features.
//!
//! A word stands for itself and, with each of the next few of its field, for a pair at a distance (orthogonal sparse
//! bigrams). Pairs never reach from one field into another.

use gatepost_core::Features;
use gatepost_tokens::{Document, Field, Key, Token};

/// The version of this extractor together with that of [`gatepost_tokens`].
pub const EXTRACTOR: u32 = 2;
/// How far apart the words of a pair may stand in text that people write.
pub const REACH_TEXT: usize = 2;
/// The same in the header section and in whatever else has few words and a fixed order.
pub const REACH_HEADER: usize = 4;
/// The bits of a feature that hold the distance; nought for a word alone.
const DISTANCE: u64 = 7;

/// How far a pair that begins in a field may reach. Words that are not seen make none: filler has no order.
pub fn reach(field: Field) -> usize {
    match field {
        Field::Text | Field::Subject => REACH_TEXT,
        Field::Hidden => 0,
        _ => REACH_HEADER,
    }
}

/// Whether a feature is a word and no pair.
pub fn is_word(feature: u64) -> bool {
    feature & DISTANCE == 0
}

/// The feature that is a word of a document.
pub fn word(key: &Key, document: &Document, token: &Token) -> u64 {
    document.hash(key, token.field as u8, token, 0) & !DISTANCE
}

/// The feature that two words are at a distance.
pub fn pair(key: &Key, one: u64, other: u64, distance: usize) -> u64 {
    key.pair(one, other, distance as u8) & !DISTANCE | distance as u64 & DISTANCE
}

/// The features of a document in the order in which they stand there, each once; [`Features::MAX`] at the most.
pub fn features(key: &Key, document: &Document) -> Features {
    let tokens = document.tokens();
    let words = words(tokens.iter().map(|token| word(key, document, token)));
    let again = words.iter().filter(|word| !word.alone).count();
    let mut met = Once::new(again);
    let mut hashes = Vec::with_capacity((words.len() * (1 + REACH_TEXT)).min(Features::MAX));
    'all: for (at, (token, one)) in tokens.iter().zip(&words).enumerate() {
        if hashes.len() == Features::MAX {
            break;
        }
        keep(&mut hashes, one.feature, one.first);
        let next = at + 1..(at + 1 + reach(token.field)).min(words.len());
        for (distance, (other, two)) in (1..).zip(tokens[next.clone()].iter().zip(&words[next])) {
            if other.field != token.field {
                break;
            }
            if hashes.len() == Features::MAX {
                break 'all;
            }
            let pair = pair(key, one.feature, two.feature, distance);
            // Only where both words come again, the pair may come again.
            let is_new = one.alone || two.alone || met.take(pair);
            keep(&mut hashes, pair, is_new);
        }
    }
    Features {
        extractor: EXTRACTOR,
        hashes,
    }
}

/// Appends a feature if it is new. Whether it is cannot be foreseen, so there is no branch on it.
#[inline]
fn keep(hashes: &mut Vec<u64>, feature: u64, is_new: bool) {
    let kept = hashes.len() + usize::from(is_new);
    hashes.push(feature);
    hashes.truncate(kept);
}

/// A word of a document.
struct Word {
    feature: u64,
    /// Whether it is the first of its kind.
    first: bool,
    /// Whether there is no other of its kind.
    alone: bool,
}

/// Where a feature stands first in a table of so many places, a power of two of at least two: its upper bits are as good as
/// any.
fn home(feature: u64, places: usize) -> usize {
    (feature >> (64 - places.trailing_zeros())) as usize
}

/// Words with what is known of each when all are seen. At most half of the places in the table are taken.
fn words(features: impl ExactSizeIterator<Item = u64>) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::with_capacity(features.len());
    let mut places = vec![0u32; (2 * features.len()).next_power_of_two().max(2)];
    let mask = places.len() - 1;
    for feature in features {
        words.push(Word {
            feature,
            first: true,
            alone: true,
        });
        let this = words.len() as u32;
        let mut at = home(feature, places.len());
        // The places hold the number of the first word of each kind, counted from one; nought is free. Whether a word was
        // there before cannot be foreseen, so there is no branch on it: one that was not stands for itself.
        loop {
            let first = match places[at] {
                0 => this,
                there => there,
            };
            let there = &mut words[first as usize - 1];
            if there.feature == feature {
                let is_first = first == this;
                there.alone &= is_first;
                places[at] = first;
                if let Some(word) = words.last_mut() {
                    (word.first, word.alone) = (is_first, word.alone & is_first);
                }
                break;
            }
            at = (at + 1) & mask;
        }
    }
    words
}

/// A set of pairs.
struct Once {
    /// The pairs by their upper bits, with open addressing; nought is free, which no pair is.
    places: Vec<u64>,
    taken: usize,
}

impl Once {
    fn new(expected: usize) -> Once {
        Once {
            places: vec![0; (2 * expected.clamp(64, Features::MAX)).next_power_of_two()],
            taken: 0,
        }
    }

    /// Takes a pair; false when it is there already.
    #[inline]
    fn take(&mut self, pair: u64) -> bool {
        let mask = self.places.len() - 1;
        let mut at = home(pair, self.places.len());
        // Whether it is there cannot be foreseen, so there is no branch on it: what is there is written once more.
        while (self.places[at] != 0) & (self.places[at] != pair) {
            at = (at + 1) & mask;
        }
        let is_new = self.places[at] == 0;
        self.places[at] = pair;
        self.taken += usize::from(is_new);
        if 4 * self.taken > 3 * self.places.len() {
            self.grow();
        }
        is_new
    }

    /// Makes more places. Nobody takes more than [`Features::MAX`] and one, so there is an end of it.
    fn grow(&mut self) {
        let more = vec![0; 2 * self.places.len()];
        let mask = more.len() - 1;
        for pair in std::mem::replace(&mut self.places, more) {
            let mut at = home(pair, mask + 1);
            while pair != 0 && self.places[at] != 0 {
                at = (at + 1) & mask;
            }
            if pair != 0 {
                self.places[at] = pair;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use gatepost_core::Message;
    use proptest::prelude::*;

    use super::*;

    /// The same, slowly.
    fn obvious(key: &Key, document: &Document) -> Vec<u64> {
        let tokens = document.tokens();
        let mut all = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            let one = word(key, document, token);
            all.push(one);
            for distance in 1..=reach(token.field) {
                match tokens.get(at + distance).filter(|other| other.field == token.field) {
                    Some(other) => all.push(pair(key, one, word(key, document, other), distance)),
                    None => break,
                }
            }
        }
        let mut met = HashSet::new();
        all.retain(|feature| met.insert(*feature));
        all.truncate(Features::MAX);
        all
    }

    proptest! {
        #[test]
        fn features_are_words_and_pairs_in_their_order_each_once(words in prop::collection::vec(0..60u32, 0..400)) {
            let text: String = words.iter().map(|word| format!("w{} ", word * word / 40)).collect();
            let message = format!("Subject: {}\r\nX-Other: a b a b\r\n\r\n{text}", &text[..text.len() / 9]);
            let document = Document::of(&Message::from_bytes(message.into_bytes()));
            let key = Key::new([5; 16]);
            prop_assert_eq!(features(&key, &document).hashes, obvious(&key, &document));
        }
    }

    #[test]
    fn of_a_long_mail_the_first_features_are_kept() {
        let text: String = (0..6_000).map(|n| format!("w{} ", n * n % 1_009)).collect();
        let fields: String = (0..1_000).map(|n| format!("X-{n}: a b c d {n}\r\n")).collect();
        let document = Document::of(&Message::from_bytes(format!("{fields}\r\n{text}").into_bytes()));
        let key = Key::new([5; 16]);
        assert_eq!(features(&key, &document).hashes, obvious(&key, &document));
    }
}
