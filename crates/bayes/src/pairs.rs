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
    key.word(token.field as u8, document.text_of(token).as_bytes()) & !DISTANCE
}

/// The feature that two words are at a distance.
pub fn pair(key: &Key, one: u64, other: u64, distance: usize) -> u64 {
    key.pair(one, other, distance as u8) & !DISTANCE | distance as u64 & DISTANCE
}

/// The features of a document in the order in which they stand there, each once; [`Features::MAX`] at the most.
pub fn features(key: &Key, document: &Document) -> Features {
    let tokens = document.tokens();
    let words: Vec<u64> = tokens.iter().map(|token| word(key, document, token)).collect();
    let mut once = Once::new(words.len() * (1 + REACH_TEXT));
    'all: for (at, (token, one)) in tokens.iter().zip(&words).enumerate() {
        if !once.take(*one) {
            break;
        }
        let next = tokens.iter().zip(&words).skip(at + 1).take(reach(token.field));
        for (distance, (other, two)) in (1..).zip(next) {
            if other.field != token.field {
                break;
            }
            if !once.take(pair(key, *one, *two, distance)) {
                break 'all;
            }
        }
    }
    Features {
        extractor: EXTRACTOR,
        hashes: once.kept,
    }
}

/// A list in which each stands once.
struct Once {
    kept: Vec<u64>,
    /// What is kept, by its upper bits, with open addressing; nought is free.
    places: Vec<u64>,
    shift: u32,
}

impl Once {
    fn new(expected: usize) -> Once {
        // As many as are expected fill three quarters at the most, and they repeat: small enough for the nearest cache.
        let size = (expected.clamp(64, 2 * Features::MAX) * 4 / 3).next_power_of_two();
        Once {
            kept: Vec::with_capacity(expected.min(Features::MAX)),
            places: vec![0; size],
            shift: 64 - size.trailing_zeros(),
        }
    }

    /// Keeps a feature that is not there yet; false when there is no room for more.
    fn take(&mut self, feature: u64) -> bool {
        // Nought marks a free place, so the one feature that is nought is another.
        let feature = feature.max(8);
        let mask = self.places.len() - 1;
        let mut at = (feature >> self.shift) as usize;
        loop {
            match self.places[at] {
                0 => break,
                there if there == feature => return true,
                _ => at = (at + 1) & mask,
            }
        }
        if self.kept.len() == Features::MAX || 4 * self.kept.len() > 3 * self.places.len() {
            return self.grow() && self.take(feature);
        }
        self.places[at] = feature;
        self.kept.push(feature);
        true
    }

    /// Makes more places; false when the most are kept already.
    fn grow(&mut self) -> bool {
        if self.kept.len() == Features::MAX {
            return false;
        }
        let size = 2 * self.places.len();
        self.places = vec![0; size];
        self.shift = 64 - size.trailing_zeros();
        for feature in &self.kept {
            let mut at = (feature >> self.shift) as usize;
            while self.places[at] != 0 {
                at = (at + 1) & (size - 1);
            }
            self.places[at] = *feature;
        }
        true
    }
}
