//! A message as the sequences of five octets that stand in it.
//!
//! Two views are kept apart, the beginning of the header section as it came and the beginning of the text that is seen:
//! each has weights of its own and learns from its own errors, so that neither hides behind the other.
//!
//! **Invariants:** a feature is a slot of the table below its view, so features are below [`FEATURES`]; they are sorted and
//! distinct (which the sample log writes in about two octets each), and at most [`MOST`]; nobody who lacks the key can tell
//! which sequences fall together.
//! **Absent on purpose:** words, lower case, positions, and all but the beginning of long runs of letters and digits:
//! signatures and digests never come again, and a thousand of them would wear the table out.

use gatepost_core::Features;
use gatepost_tokens::{Document, Key};

use crate::order::distinct;

/// The version of this extractor.
pub const EXTRACTOR: u32 = 2;
/// Octets of a sequence.
pub const LENGTH: usize = 5;
/// The table has two to the power of this slots.
pub const SLOT_BITS: u32 = 21;
/// All features are below this.
pub const FEATURES: u64 = 2 << SLOT_BITS;
/// Octets of each view that are looked at.
const OCTETS: [usize; 2] = [5_000, 2_500];
/// Of a run of letters and digits so many octets are looked at.
const RUN_MAX: usize = 24;
/// The most features of a message.
pub const MOST: usize = OCTETS[0] + OCTETS[1];
const _: () = assert!(MOST <= Features::MAX && MOST < u16::MAX as usize);

/// What of a message is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// The beginning of the header section, as it came.
    Head = 0,
    /// The beginning of the text that is seen, decoded.
    Text = 1,
}

impl View {
    /// Both.
    pub const ALL: [View; 2] = [View::Head, View::Text];

    /// The view that a feature is of.
    pub const fn of(feature: u64) -> View {
        if feature >> SLOT_BITS == 0 {
            View::Head
        } else {
            View::Text
        }
    }

    /// The octets of a document that are looked at.
    pub fn octets(self, document: &Document) -> &[u8] {
        let all = match self {
            View::Head => document.head(),
            View::Text => document.text().as_bytes(),
        };
        &all[..all.len().min(OCTETS[self as usize])]
    }

    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            View::Head => "header",
            View::Text => "text",
        }
    }
}

/// The octets of a sequence, in a number.
const GRAM: u64 = (1 << (8 * LENGTH)) - 1;
/// Octets that a long run is made of.
const IN_RUN: [bool; 256] = {
    let mut is = [false; 256];
    let mut octet = 0;
    while octet < 256 {
        let at = octet as u8;
        is[octet] = at.is_ascii_alphanumeric() || matches!(at, b'+' | b'/' | b'=');
        octet += 1;
    }
    is
};

/// Makes features of sequences.
pub struct Cutter([(u64, u64); 2]);

impl Cutter {
    /// The cutter of a key.
    pub fn new(key: &Key) -> Cutter {
        Cutter([0, 1].map(|view| (key.word(view, b"mask"), key.word(view, b"factor") | 1)))
    }

    /// The features of the sequences of a view, in the order in which they stand there, repeated where they repeat; none
    /// for those that end deep in a long run.
    pub fn features(&self, view: View, octets: &[u8]) -> impl Iterator<Item = Option<u64>> {
        let (mask, factor) = self.0[view as usize];
        let (first, rest) = octets.split_at(octets.len().min(LENGTH - 1));
        let mut last = first.iter().fold(0, |all, octet| all << 8 | u64::from(*octet));
        let mut run = 0;
        rest.iter().map(move |octet| {
            last = (last << 8 | u64::from(*octet)) & GRAM;
            run = if IN_RUN[usize::from(*octet)] { run + 1 } else { 0 };
            if run > RUN_MAX {
                return None;
            }
            let gram = last;
            let wide = u128::from(gram ^ mask).wrapping_mul(u128::from(factor));
            let mixed = (wide as u64 ^ (wide >> 64) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Some(feature(view, mixed >> (64 - SLOT_BITS)))
        })
    }

    /// The features of a document.
    pub fn cut(&self, document: &Document) -> Features {
        let octets = View::ALL.map(|view| view.octets(document));
        let mut hashes = Vec::with_capacity(octets.iter().map(|octets| octets.len()).sum());
        let mut slots = Vec::with_capacity(OCTETS[0].max(OCTETS[1]));
        for (view, octets) in View::ALL.into_iter().zip(octets) {
            slots.clear();
            let found = self.features(view, octets).flatten();
            found.for_each(|feature| slots.push(slot(feature) as u32));
            distinct(&mut slots);
            hashes.extend(slots.iter().map(|slot| feature(view, u64::from(*slot))));
        }
        Features {
            extractor: EXTRACTOR,
            hashes,
        }
    }
}

/// The feature that is a slot of a view.
const fn feature(view: View, slot: u64) -> u64 {
    (view as u64) << SLOT_BITS | slot
}

/// The slot of a feature.
const fn slot(feature: u64) -> u64 {
    feature & ((1 << SLOT_BITS) - 1)
}

#[cfg(test)]
mod tests {
    use gatepost_core::Message;

    use super::*;

    fn cutter() -> Cutter {
        Cutter::new(&Key::new([3; 16]))
    }

    fn of(message: &str) -> Features {
        cutter().cut(&Document::of(&Message::from_bytes(message.as_bytes().to_vec())))
    }

    fn seen(text: &str) -> Vec<u64> {
        let mut features: Vec<u64> = cutter().features(View::Text, text.as_bytes()).flatten().collect();
        features.sort_unstable();
        features.dedup();
        features
    }

    fn text_of(message: &str) -> Vec<u64> {
        let all = of(message).hashes.into_iter();
        all.filter(|feature| View::of(*feature) == View::Text).collect()
    }

    #[test]
    fn a_sequence_has_a_feature_in_each_view_and_no_other_beside_it() {
        let cutter = cutter();
        let head: Vec<u64> = cutter.features(View::Head, b"abcdef").flatten().collect();
        let text: Vec<u64> = cutter.features(View::Text, b"abcdef").flatten().collect();
        assert_eq!((head.len(), text.len()), (2, 2));
        assert!(head.iter().all(|feature| View::of(*feature) == View::Head));
        assert!(text.iter().all(|feature| View::of(*feature) == View::Text));
        assert_eq!(cutter.features(View::Text, b"bcdef").next(), Some(Some(text[1])));
        assert_eq!(cutter.features(View::Text, b"abcd").count(), 0);
    }

    #[test]
    fn of_a_long_run_only_the_beginning_counts() {
        let run = |length: usize| "a".repeat(2) + &"4fG7+/k9Q2".repeat(10)[..length] + " and on";
        let count = |length| cutter().features(View::Head, run(length).as_bytes()).flatten().count();
        let (shorter, longer) = (count(20), count(90));
        assert!(
            shorter == 20 + 9 - LENGTH + 1 && longer < shorter + 10,
            "{shorter} {longer}"
        );
    }

    #[test]
    fn another_key_gives_other_features() {
        let one: Vec<u64> = cutter().features(View::Text, b"buy now").flatten().collect();
        let other: Vec<u64> = Cutter::new(&Key::new([4; 16]))
            .features(View::Text, b"buy now")
            .flatten()
            .collect();
        assert!(one.iter().zip(&other).all(|(one, other)| one != other));
    }

    #[test]
    fn features_are_sorted_distinct_and_bounded_however_long_the_message() {
        let mut long = String::from("Subject: long\r\n");
        // As many octets as a header section has that is no flood.
        for n in 0..24 {
            let value: String = (0..20).map(|m| format!("{} ", (n * 20 + m) * 7_919)).collect();
            long += &format!("X-{n}: {value}\r\n");
        }
        long += "\r\n";
        for n in 0..20_000 {
            long += &format!("{} ", n * 104_729);
        }
        let features = of(&long).hashes;
        assert!(
            features.len() > MOST / 2 && features.len() <= MOST,
            "{}",
            features.len()
        );
        assert!(features.is_sorted_by(|one, next| one < next));
        assert!(features.iter().all(|feature| *feature < FEATURES));
    }

    #[test]
    fn text_is_taken_as_a_reader_sees_it() {
        let plain = seen("Cheap pills for you");
        assert!(!plain.is_empty());
        for disguised in [
            "Content-Type: text/plain; charset=utf-8\r\n\r\nCh\u{200b}eap pi\u{200d}lls f\u{2060}or you",
            "Content-Type: text/html\r\n\r\n<p>Ch<!-- x -->eap pi<b></b>lls <span style=\"display:none\">lunch at noon</span>for&#32;you</p>",
            "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\nQ2hl*YXAgcG@lsbHMg!Zm9yIHlvdQ==",
            "Content-Type: text/plain\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nCh=65ap pi=\r\nlls for you",
        ] {
            let found = text_of(disguised);
            let missing = plain.iter().filter(|feature| !found.contains(feature)).count();
            assert_eq!(missing, 0, "{disguised}");
            assert!(found.len() <= plain.len() + LENGTH, "{disguised}");
        }
    }

    #[test]
    fn verdicts_of_other_filters_leave_no_trace() {
        let plain = "Subject: hello\r\n\r\nhello there";
        let judged = "X-Spam-Status: Yes\r\nSubject: hello\r\nX-Bogosity: Spam\r\nStatus: RO\r\n\r\nhello there";
        assert_eq!(of(plain), of(judged));
    }
}
