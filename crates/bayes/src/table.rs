//! What is known of each feature, in fixed memory.
//!
//! An entry is 32 bits: a weight, how much was learned of the feature, and eleven bits of its hash, so that another feature
//! in the same place is known for what it is. Four entries are a bucket, and a feature lives in one bucket. **When the
//! bucket is full, the entry of which least was learned gives way**, the first of several: words that were met once go,
//! words that decided often stay.
//!
//! Readers on other threads see each entry as it was before or after a lesson, never half of it.

use std::sync::atomic::{AtomicU32, Ordering};

/// Entries.
pub const ENTRIES: usize = 1 << 22;
/// Entries of a bucket.
const WAYS: usize = 4;
/// How far the upper bits of a hash are shifted to name a bucket.
const SHIFT: u32 = 64 - (ENTRIES / WAYS).trailing_zeros();

const TAG_BITS: u32 = 11;
const HEAT_BITS: u32 = 7;
const TAG_MASK: u32 = (1 << TAG_BITS) - 1;
const HEAT_MASK: u32 = (1 << HEAT_BITS) - 1;

/// Features whose buckets are read ahead: so many lie in the nearest cache, and their memory answers at the same time.
const AHEAD: usize = 128;

/// Steps of a weight in a unit.
const WEIGHT_STEPS: f32 = 1024.0;
/// The largest weight.
pub const WEIGHT_MAX: f32 = 7.99;
/// Steps in which heat doubles, and the heat of the first.
const HEAT_STEPS: f32 = 8.0;
const HEAT_UNIT: f32 = 0.01;

/// What is known of a feature.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Entry {
    /// The log-odds it adds.
    pub weight: f32,
    /// How much was learned of it: the sum of the squares of what the lessons asked of it.
    pub heat: f32,
}

/// Entries that lie in one cache line.
#[repr(align(16))]
#[derive(Default)]
struct Bucket([AtomicU32; WAYS]);

/// The entries.
pub struct Table {
    buckets: Vec<Bucket>,
    heats: [f32; 1 << HEAT_BITS],
}

/// Where a feature has its entry.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    bucket: usize,
    way: usize,
    tag: u32,
}

impl Default for Table {
    fn default() -> Table {
        let mut heats = [0.0; 1 << HEAT_BITS];
        for (step, heat) in heats.iter_mut().enumerate() {
            *heat = HEAT_UNIT * ((step as f32 / HEAT_STEPS).exp2() - 1.0);
        }
        Table {
            buckets: (0..ENTRIES / WAYS).map(|_| Bucket::default()).collect(),
            heats,
        }
    }
}

/// How much was learned of a feature, in steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HeatStep(u8);

/// What a lesson makes of each heat, reckoned once for all features of a mail.
pub struct After {
    moves: [f32; 1 << HEAT_BITS],
    levels: [f32; 1 << HEAT_BITS],
}

impl After {
    /// By how much a feature of this heat moves.
    #[inline]
    pub fn moves(&self, heat: HeatStep) -> f32 {
        self.moves[usize::from(heat.0) & HEAT_MASK as usize]
    }

    /// The level of its heat after that, in steps and parts of them.
    #[inline]
    pub fn level(&self, heat: HeatStep) -> f32 {
        self.levels[usize::from(heat.0) & HEAT_MASK as usize]
    }
}

/// Heat in steps and parts of them.
fn level(heat: f32) -> f32 {
    (heat / HEAT_UNIT + 1.0).log2() * HEAT_STEPS
}

/// The largest whole number that is not above this; for what is far within an `i32`, and without a call.
#[inline]
fn floor(number: f32) -> i32 {
    let whole = number as i32;
    whole - i32::from(whole as f32 > number)
}

fn tag(feature: u64) -> u32 {
    // The lowest three bits tell words from pairs and vary little.
    (feature >> 3) as u32 & TAG_MASK
}

fn heat_of(entry: u32) -> u32 {
    entry >> TAG_BITS & HEAT_MASK
}

fn weight_of(entry: u32) -> i32 {
    entry as i32 >> (TAG_BITS + HEAT_BITS)
}

/// Whether this is an entry as [`Table::put`] writes it, or none.
fn is_sound(entry: u32) -> bool {
    let most = (WEIGHT_MAX * WEIGHT_STEPS) as i32 + 1;
    entry == 0 || heat_of(entry) != 0 && weight_of(entry).abs() <= most
}

impl Table {
    fn bucket(&self, feature: u64) -> (usize, &[AtomicU32; WAYS]) {
        let at = (feature >> SHIFT) as usize;
        (at, &self.buckets[at].0)
    }

    /// The weight of a feature in steps, nought where it is not known.
    #[inline]
    fn steps(&self, feature: u64) -> i32 {
        let tag = tag(feature);
        let (_, bucket) = self.bucket(feature);
        // Which of the four it is cannot be foreseen, so all are looked at without a branch, and the processor goes on to
        // the next features while memory answers.
        let mut found = 0;
        for slot in bucket.iter().rev() {
            let entry = slot.load(Ordering::Relaxed);
            let is = (entry & TAG_MASK == tag) & (heat_of(entry) != 0);
            found = if is { entry } else { found };
        }
        weight_of(found)
    }

    /// The sum of the weights of some features. It is made of whole steps, so their order does not matter.
    pub fn sum(&self, mut features: impl Iterator<Item = u64>) -> f32 {
        let mut steps = 0i64;
        let mut ahead = [0; AHEAD];
        loop {
            // Reads where the next few lie and nothing more: what is done with an entry would keep others from being asked for.
            let (mut count, mut touched) = (0, 0);
            for (place, feature) in ahead.iter_mut().zip(&mut features) {
                *place = feature;
                count += 1;
                touched ^= self.bucket(feature).1[0].load(Ordering::Relaxed);
            }
            std::hint::black_box(touched);
            for feature in &ahead[..count] {
                steps += i64::from(self.steps(*feature));
            }
            if count < AHEAD {
                return steps as f32 / WEIGHT_STEPS;
            }
        }
    }

    /// The entry of a feature, if it has one.
    pub fn entry(&self, feature: u64) -> Option<Entry> {
        let tag = tag(feature);
        let (_, bucket) = self.bucket(feature);
        bucket.iter().find_map(|slot| {
            let entry = slot.load(Ordering::Relaxed);
            (entry & TAG_MASK == tag && heat_of(entry) != 0).then(|| Entry {
                weight: weight_of(entry) as f32 / WEIGHT_STEPS,
                heat: self.heats[heat_of(entry) as usize],
            })
        })
    }

    /// The step of heat that a feature has; nought where it is not known.
    #[inline]
    pub fn heat_step(&self, feature: u64) -> HeatStep {
        let tag = tag(feature);
        let (_, bucket) = self.bucket(feature);
        let mut found = 0;
        for slot in bucket.iter().rev() {
            let entry = slot.load(Ordering::Relaxed);
            found = if (entry & TAG_MASK == tag) & (heat_of(entry) != 0) {
                entry
            } else {
                found
            };
        }
        HeatStep(heat_of(found) as u8)
    }

    /// What becomes of each step of heat as this number, its square, is added to what was asked before.
    pub fn after(&self, gradient: f32, step: impl Fn(f32, f32) -> f32) -> After {
        let heats = self.heats.map(|heat| heat + gradient * gradient);
        After {
            moves: heats.map(|heat| step(gradient, heat)),
            levels: heats.map(level),
        }
    }

    /// The place where a feature has its entry or would get one, and the weight and the heat that are there of it.
    #[inline]
    pub fn find(&self, feature: u64) -> (Place, f32, HeatStep) {
        let tag = tag(feature);
        let (at, bucket) = self.bucket(feature);
        let mut coldest = (u32::MAX, 0);
        let mut found = None;
        for (way, slot) in bucket.iter().enumerate().rev() {
            let entry = slot.load(Ordering::Relaxed);
            let heat = heat_of(entry);
            found = if entry & TAG_MASK == tag && heat != 0 {
                Some((way, entry))
            } else {
                found
            };
            coldest = coldest.min((heat, way));
        }
        let (way, entry) = found.unwrap_or((coldest.1, 0));
        let weight = weight_of(entry) as f32 / WEIGHT_STEPS;
        (Place { bucket: at, way, tag }, weight, HeatStep(heat_of(entry) as u8))
    }

    /// Writes what is known of a feature into its place: its weight, and the level of its heat, in steps. What lies between
    /// two steps is rounded up or down as `chance` says, a number from nought to one that comes from what is learned, so
    /// that many small lessons are not lost and the same lessons give the same bits.
    #[inline]
    pub fn put(&self, place: Place, weight: f32, level: f32, chance: f32) {
        let weight = weight.clamp(-WEIGHT_MAX, WEIGHT_MAX) * WEIGHT_STEPS;
        let weight = floor(weight + chance);
        let heat = (floor(level + (1.0 - chance)) as u32).clamp(1, HEAT_MASK);
        let entry = (weight << (TAG_BITS + HEAT_BITS)) as u32 | heat << TAG_BITS | place.tag;
        self.buckets[place.bucket].0[place.way].store(entry, Ordering::Relaxed);
    }

    fn entries(&self) -> impl Iterator<Item = &AtomicU32> {
        self.buckets.iter().flat_map(|bucket| &bucket.0)
    }

    /// The table as octets.
    pub fn save(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ENTRIES * 4);
        for entry in self.entries() {
            out.extend_from_slice(&entry.load(Ordering::Relaxed).to_le_bytes());
        }
        out
    }

    /// Takes over a saved table; false, and nothing is taken over, when it has another size or holds what no lesson gives.
    pub fn load(&self, saved: &[u8]) -> bool {
        let (words, rest) = saved.as_chunks::<4>();
        let sound = |word: &[u8; 4]| is_sound(u32::from_le_bytes(*word));
        if words.len() != ENTRIES || !rest.is_empty() || !words.iter().all(sound) {
            return false;
        }
        for (entry, word) in self.entries().zip(words) {
            entry.store(u32::from_le_bytes(*word), Ordering::Relaxed);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Features of one bucket with tags of their own.
    fn feature(n: u64) -> u64 {
        42 << SHIFT | n << 3
    }

    fn put(table: &Table, feature: u64, weight: f32, heat: f32) {
        let (place, ..) = table.find(feature);
        table.put(place, weight, level(heat), 0.5);
    }

    #[test]
    fn what_is_put_is_found_to_within_a_step() {
        let table = Table::default();
        for (n, weight, heat) in [(1, 0.25, 0.01), (2, -7.5, 3.0), (3, 20.0, 1e9)] {
            put(&table, feature(n), weight, heat);
            let entry = table.entry(feature(n)).unwrap();
            assert!(
                (entry.weight - f32::min(weight, WEIGHT_MAX)).abs() <= 1.0 / WEIGHT_STEPS,
                "{entry:?}"
            );
            assert!(heat > 1e6 || (entry.heat / heat - 1.0).abs() < 0.2, "{entry:?}");
            assert_eq!(table.sum([feature(n)].into_iter()), entry.weight);
        }
        assert_eq!(table.entry(feature(4)), None);
        assert_eq!(table.sum([feature(4)].into_iter()), 0.0);
    }

    #[test]
    fn the_coldest_of_a_full_bucket_gives_way() {
        let table = Table::default();
        for (n, heat) in [(1, 5.0), (2, 0.5), (3, 4.0), (4, 3.0)] {
            put(&table, feature(n), 1.0, heat);
        }
        put(&table, feature(5), -1.0, 1.0);
        assert_eq!(table.entry(feature(2)), None);
        for n in [1, 3, 4, 5] {
            assert!(table.entry(feature(n)).is_some(), "{n}");
        }
    }

    #[test]
    fn steps_that_are_too_small_add_up_in_the_mean() {
        let table = Table::default();
        let (mut up, step) = (0, 0.1 / WEIGHT_STEPS);
        for n in 0..100 {
            let (place, ..) = table.find(feature(7));
            table.put(place, step, level(0.1), n as f32 / 100.0);
            up += i32::from(table.sum([feature(7)].into_iter()) > 0.0);
        }
        assert_eq!(up, 10);
    }

    #[test]
    fn a_saved_table_is_loaded_and_one_of_another_size_is_not() {
        let (one, other) = (Table::default(), Table::default());
        put(&one, feature(1), 0.5, 1.0);
        let saved = one.save();
        assert!(other.load(&saved) && !other.load(&saved[4..]));
        assert_eq!(one.entry(feature(1)), other.entry(feature(1)));
    }

    #[test]
    fn a_table_with_an_entry_that_no_lesson_gives_is_refused_before_anything_is_taken_over() {
        let table = Table::default();
        put(&table, feature(1), -20.0, 1.0);
        put(&table, feature(2), 20.0, 1.0);
        assert!(Table::default().load(&table.save()), "the bounds are within");
        for bad in [8_191u32 << 18 | 1 << 11 | 5, (-8_192i32 << 18) as u32 | 1 << 11, 5] {
            let mut saved = table.save();
            let end = saved.len() - 4;
            saved[end..].copy_from_slice(&bad.to_le_bytes());
            let fresh = Table::default();
            assert!(!fresh.load(&saved), "{bad:#x}");
            assert_eq!(fresh.entry(feature(1)), None);
        }
    }
}
