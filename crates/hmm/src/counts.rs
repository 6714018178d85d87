//! Counts of sequences in fixed memory.
//!
//! An entry is 64 bits: sixteen of its sequence's hash, so that another sequence in the same place is known for what it is;
//! how often the sequence was met in ham and in spam; and how often another word followed it there. Eight entries are a
//! bucket of one cache line, and a sequence lives in one bucket. **When the bucket is full, the entry that was met least
//! gives way**; where all were met in more than one message, all counts of the bucket are halved first, so that what was
//! frequent once does not stay for ever.
//!
//! Readers on other threads see each entry as it was before or after a lesson, never half of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// Buckets: 22 MB.
pub const BUCKETS: usize = 344_064;
/// Entries of a bucket.
const WAYS: usize = 8;
/// What a message of ordinary weight adds to a count.
pub const UNITS: u32 = 8;

const CODE_BITS: u32 = 12;
const CODE_MASK: u64 = (1 << CODE_BITS) - 1;
const TAG_MASK: u64 = 0xffff;
/// Bits of a code that tell its place between two powers of two.
const FRACTION_BITS: u32 = 8;

/// The exponent of 1 / [`UNITS`] in an `f32`.
const EXPONENT_OF_UNIT: u32 = 127 - UNITS.trailing_zeros();
const _: () = assert!(UNITS.is_power_of_two());

/// The number that a code of twelve bits stands for: exact to 511, then in steps of at most a 256th.
fn decode(code: u64) -> u32 {
    let (power, fraction) = (code >> FRACTION_BITS, code & 0xff);
    match power {
        0 => fraction as u32,
        _ => ((0x100 | fraction) << (power - 1)) as u32,
    }
}

/// The code of the number, or of the next smaller that has one.
fn encode(number: u32) -> u64 {
    let bits = 32 - number.leading_zeros();
    match bits.saturating_sub(FRACTION_BITS) {
        0 => u64::from(number),
        power if power > 0xf => CODE_MASK,
        power => u64::from(power) << FRACTION_BITS | u64::from(number >> (power - 1)) & 0xff,
    }
}

/// A count with so many units more. What lies between two steps goes up or down as `chance` says, so that small additions
/// to a large count are not lost.
fn add(code: u64, units: u32, chance: u64) -> u64 {
    let sum = decode(code).saturating_add(units);
    let down = encode(sum);
    let over = u64::from(sum - decode(down));
    let step = 1 << (down >> FRACTION_BITS).saturating_sub(1);
    match over > chance % step {
        true => (down + 1).min(CODE_MASK),
        false => down,
    }
}

/// What is known of a sequence.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Entry(u64);

/// What an entry tells, in messages of ordinary weight.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Told {
    /// In how many messages it was met: ham, spam.
    pub met: [f32; 2],
    /// How often another word followed it: in ham, in spam.
    pub followed: [f32; 2],
}

impl Entry {
    /// Whether there is such a sequence: one that is known has a tag.
    #[inline]
    pub fn is_known(self) -> bool {
        self.0 != 0
    }

    /// This one, or nothing if the other is nothing.
    #[inline]
    pub fn if_known(self, other: Entry) -> Entry {
        Entry(if other.is_known() { self.0 } else { 0 })
    }

    #[inline]
    fn code(self, place: u32) -> u64 {
        self.0 >> (16 + place * CODE_BITS) & CODE_MASK
    }

    fn set(&mut self, place: u32, code: u64) {
        let shift = 16 + place * CODE_BITS;
        self.0 = self.0 & !(CODE_MASK << shift) | code << shift;
    }

    /// What it tells.
    #[inline]
    pub fn told(self) -> Told {
        let [ham, spam, ham_followed, spam_followed] = [
            number(self.code(0) as u32),
            number(self.code(1) as u32),
            number(self.code(2) as u32),
            number(self.code(3) as u32),
        ];
        Told {
            met: [ham, spam],
            followed: [ham_followed, spam_followed],
        }
    }

    /// One of the numbers of [`told`](Entry::told), counted from nought, for each of some entries.
    #[inline]
    pub fn counts<const N: usize>(entries: &[Entry; N], place: u32, counts: &mut [f32; N]) {
        for (count, entry) in counts.iter_mut().zip(entries) {
            *count = number(entry.code(place) as u32);
        }
    }

    /// Units in which it was met in both classes.
    pub fn total(self) -> u32 {
        decode(self.code(0)) + decode(self.code(1))
    }

    fn halve(&mut self) {
        for place in 0..4 {
            self.set(place, encode(decode(self.code(place)) / 2));
        }
    }
}

/// The same as [`decode`], in messages of ordinary weight: a code is a number with an exponent, as floats are.
#[inline]
fn number(code: u32) -> f32 {
    let (power, fraction) = (code >> FRACTION_BITS, code & 0xff);
    let above = u32::from(power != 0);
    let step = f32::from_bits((power - above + EXPONENT_OF_UNIT) << (f32::MANTISSA_DIGITS - 1));
    (above << FRACTION_BITS | fraction) as i32 as f32 * step
}

#[repr(align(64))]
#[derive(Default)]
struct Bucket([AtomicU64; WAYS]);

/// The entries.
pub struct Counts {
    buckets: Vec<Bucket>,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            buckets: (0..BUCKETS).map(|_| Bucket::default()).collect(),
        }
    }
}

/// The tag of a sequence; never nought, which is a free place.
fn tag(sequence: u64) -> u64 {
    (sequence & TAG_MASK).max(1)
}

impl Counts {
    #[inline]
    fn bucket(&self, sequence: u64) -> &[AtomicU64; WAYS] {
        // The upper bits name the bucket, the lowest are the tag.
        &self.buckets[((u128::from(sequence) * BUCKETS as u128) >> 64) as usize].0
    }

    /// What is known of a sequence, if anything is.
    #[inline]
    pub fn entry(&self, sequence: u64) -> Option<Entry> {
        Some(self.look(sequence)).filter(|entry| entry.is_known())
    }

    /// What is known of a sequence: nothing but noughts where it is not known.
    #[inline]
    pub fn look(&self, sequence: u64) -> Entry {
        let tag = tag(sequence);
        // Which of the eight it is cannot be foreseen, so all are looked at without a branch.
        let mut found = 0;
        for slot in self.bucket(sequence) {
            let entry = slot.load(Ordering::Relaxed);
            found |= if entry & TAG_MASK == tag { entry } else { 0 };
        }
        Entry(found)
    }

    /// Reads where some sequences are counted, so that asking for them soon after does not wait for memory one by one.
    #[inline]
    pub fn touch(&self, sequences: impl Iterator<Item = u64>) {
        std::hint::black_box(sequences.fold(0, |all, sequence| {
            all ^ self.bucket(sequence)[0].load(Ordering::Relaxed)
        }));
    }

    /// Where a sequence is counted, if it is.
    #[inline]
    fn known(&self, sequence: u64) -> Option<&AtomicU64> {
        let tag = tag(sequence);
        let bucket = self.bucket(sequence);
        let mut at = WAYS;
        for (way, slot) in bucket.iter().enumerate().rev() {
            at = if slot.load(Ordering::Relaxed) & TAG_MASK == tag {
                way
            } else {
                at
            };
        }
        bucket.get(at)
    }

    fn place(&self, sequence: u64) -> &AtomicU64 {
        self.known(sequence).unwrap_or_else(|| self.make(sequence))
    }

    /// Makes a place for a sequence that has none.
    fn make(&self, sequence: u64) -> &AtomicU64 {
        let tag = tag(sequence);
        let bucket = self.bucket(sequence);
        let slot = bucket
            .iter()
            .enumerate()
            // Of several the one that the tag points at: else the same place would change over and over.
            .min_by_key(|(way, slot)| {
                let entry = slot.load(Ordering::Relaxed);
                (entry & TAG_MASK != 0, Entry(entry).total(), (way ^ tag as usize) % WAYS)
            })
            .map_or(&bucket[0], |(_, slot)| slot);
        if Entry(slot.load(Ordering::Relaxed)).total() > UNITS {
            for slot in bucket {
                let mut entry = Entry(slot.load(Ordering::Relaxed));
                entry.halve();
                slot.store(entry.0, Ordering::Relaxed);
            }
        }
        slot.store(tag, Ordering::Relaxed);
        slot
    }

    /// Counts a sequence of a class, 0 for ham and 1 for spam, and tells the units in both classes.
    pub fn meet(&self, sequence: u64, class: usize, units: u32, chance: u64) -> u32 {
        let slot = self.place(sequence);
        let mut entry = Entry(slot.load(Ordering::Relaxed));
        let place = class as u32 & 1;
        entry.set(place, add(entry.code(place), units, chance));
        slot.store(entry.0, Ordering::Relaxed);
        entry.total()
    }

    /// Counts that a word followed a sequence. False if the sequence is not known; with `make` it becomes known.
    pub fn follow(&self, sequence: u64, class: usize, units: u32, chance: u64, make: bool) -> bool {
        let slot = match self.known(sequence) {
            Some(slot) => slot,
            None if make => self.make(sequence),
            None => return false,
        };
        let mut entry = Entry(slot.load(Ordering::Relaxed));
        let place = 2 + (class as u32 & 1);
        entry.set(place, add(entry.code(place), units, chance));
        slot.store(entry.0, Ordering::Relaxed);
        true
    }

    /// The counts as octets.
    pub fn save(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(BUCKETS * WAYS * 8);
        for slot in self.buckets.iter().flat_map(|bucket| &bucket.0) {
            out.extend_from_slice(&slot.load(Ordering::Relaxed).to_le_bytes());
        }
        out
    }

    /// Takes over saved counts; false, and nothing is taken over, if there are not as many as there must be, or where
    /// there are counts of no sequence.
    pub fn load(&self, saved: &[u8]) -> bool {
        let (saved, rest) = saved.as_chunks::<8>();
        let sound = |entry: &[u8; 8]| *entry == [0; 8] || u64::from_le_bytes(*entry) & TAG_MASK != 0;
        if saved.len() != BUCKETS * WAYS || !rest.is_empty() || !saved.iter().all(sound) {
            return false;
        }
        let slots = self.buckets.iter().flat_map(|bucket| &bucket.0);
        for (slot, saved) in slots.zip(saved) {
            slot.store(u64::from_le_bytes(*saved), Ordering::Relaxed);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_for_its_number_and_codes_grow_with_numbers() {
        for code in 0..=CODE_MASK {
            assert_eq!(encode(decode(code)), code);
        }
        let numbers: Vec<u32> = (0..=CODE_MASK).map(decode).collect();
        assert!(numbers.is_sorted_by(|one, other| one < other));
        assert_eq!(numbers[511], 511);
        assert_eq!(encode(u32::MAX), CODE_MASK);
    }

    #[test]
    fn what_an_entry_tells_are_the_numbers_of_its_codes() {
        for code in 0..=CODE_MASK {
            let other = CODE_MASK - code;
            let mut entry = Entry(1);
            for (place, code) in [(0, code), (1, other), (2, other / 2), (3, code / 3)] {
                entry.set(place, code);
            }
            let number = |code| decode(code) as f32 / UNITS as f32;
            let told = Told {
                met: [number(code), number(other)],
                followed: [number(other / 2), number(code / 3)],
            };
            assert_eq!(entry.told(), told);
        }
    }

    #[test]
    fn small_additions_to_a_large_count_are_not_lost() {
        let mut code = 0;
        for time in 0..100_000u64 {
            code = add(code, UNITS, time.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20);
        }
        let count = decode(code) as f32 / UNITS as f32;
        assert!((90_000.0..110_000.0).contains(&count), "{count}");
        assert_eq!(add(CODE_MASK, u32::MAX, 0), CODE_MASK);
    }

    #[test]
    fn a_sequence_is_counted_by_class_and_by_what_follows() {
        let counts = Counts::default();
        assert_eq!(counts.meet(7 << 40 | 5, 0, UNITS, 0), UNITS);
        assert_eq!(counts.meet(7 << 40 | 5, 1, 2 * UNITS, 0), 3 * UNITS);
        assert!(counts.follow(7 << 40 | 5, 1, UNITS, 0, false));
        assert!(!counts.follow(7 << 40 | 6, 1, UNITS, 0, false));
        let entry = counts.entry(7 << 40 | 5).unwrap();
        assert_eq!((entry.told().met, entry.told().followed), ([1.0, 2.0], [0.0, 1.0]));
        assert_eq!(counts.entry(7 << 40 | 6), None);
    }

    #[test]
    fn in_a_full_bucket_the_entry_that_was_met_least_gives_way() {
        let counts = Counts::default();
        for tag in 1..=8 {
            counts.meet(tag, 0, if tag == 5 { UNITS } else { 9 * UNITS }, 0);
        }
        counts.meet(100, 1, UNITS, 0);
        assert_eq!(counts.entry(5), None);
        assert_eq!(counts.entry(100).unwrap().told().met, [0.0, 1.0]);
        assert_eq!(counts.entry(4).unwrap().told().met, [9.0, 0.0]);
    }

    #[test]
    fn where_all_were_met_often_all_are_halved_first() {
        let counts = Counts::default();
        for tag in 1..=8 {
            counts.meet(tag, 0, 4 * UNITS, 0);
        }
        counts.meet(100, 1, UNITS, 0);
        let left = (1..=8)
            .filter_map(|tag| counts.entry(tag))
            .map(|entry| entry.told().met);
        let left: Vec<[f32; 2]> = left.collect();
        assert_eq!(left, vec![[2.0, 0.0]; 7]);
    }

    #[test]
    fn counts_of_another_size_are_refused() {
        let counts = Counts::default();
        assert!(!counts.load(&[0; 16]));
        let mut saved = counts.save();
        saved.push(0);
        assert!(!counts.load(&saved));
        saved.pop();
        saved[4] = 1;
        assert!(!counts.load(&saved), "counts of no sequence");
    }
}
