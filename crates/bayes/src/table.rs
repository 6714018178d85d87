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

/// The entries.
pub struct Table {
    entries: Vec<AtomicU32>,
    heats: [f32; 1 << HEAT_BITS],
}

/// Where a feature has its entry.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    at: usize,
    tag: u32,
}

impl Default for Table {
    fn default() -> Table {
        let mut heats = [0.0; 1 << HEAT_BITS];
        for (step, heat) in heats.iter_mut().enumerate() {
            *heat = HEAT_UNIT * ((step as f32 / HEAT_STEPS).exp2() - 1.0);
        }
        Table {
            entries: (0..ENTRIES).map(|_| AtomicU32::new(0)).collect(),
            heats,
        }
    }
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
    fn bucket(&self, feature: u64) -> (usize, &[AtomicU32]) {
        let at = (feature >> SHIFT) as usize * WAYS;
        (at, &self.entries[at..at + WAYS])
    }

    /// The weight of a feature, nought where it is not known.
    pub fn weight(&self, feature: u64) -> f32 {
        let tag = tag(feature);
        let (_, bucket) = self.bucket(feature);
        for slot in bucket {
            let entry = slot.load(Ordering::Relaxed);
            if entry & TAG_MASK == tag && heat_of(entry) != 0 {
                return weight_of(entry) as f32 / WEIGHT_STEPS;
            }
        }
        0.0
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

    /// The place where a feature has its entry or would get one, and what is there of it.
    pub fn find(&self, feature: u64) -> (Place, Entry) {
        let tag = tag(feature);
        let (first, bucket) = self.bucket(feature);
        let mut coldest = (u32::MAX, 0);
        for (way, slot) in bucket.iter().enumerate() {
            let entry = slot.load(Ordering::Relaxed);
            let heat = heat_of(entry);
            if entry & TAG_MASK == tag && heat != 0 {
                let known = Entry {
                    weight: weight_of(entry) as f32 / WEIGHT_STEPS,
                    heat: self.heats[heat as usize],
                };
                return (Place { at: first + way, tag }, known);
            }
            coldest = coldest.min((heat, way));
        }
        let place = Place {
            at: first + coldest.1,
            tag,
        };
        (place, Entry::default())
    }

    /// Writes what is known of a feature into its place. What lies between two steps is rounded up or down as `chance`
    /// says, a number from nought to one that comes from what is learned, so that many small lessons are not lost and the
    /// same lessons give the same bits.
    pub fn put(&self, place: Place, known: Entry, chance: f32) {
        let weight = known.weight.clamp(-WEIGHT_MAX, WEIGHT_MAX) * WEIGHT_STEPS;
        let weight = (weight + chance).floor() as i32;
        let heat = (known.heat / HEAT_UNIT + 1.0).log2() * HEAT_STEPS;
        let heat = ((heat + (1.0 - chance)).floor() as u32).clamp(1, HEAT_MASK);
        let entry = (weight << (TAG_BITS + HEAT_BITS)) as u32 | heat << TAG_BITS | place.tag;
        self.entries[place.at].store(entry, Ordering::Relaxed);
    }

    /// The table as octets.
    pub fn save(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(ENTRIES * 4);
        for entry in &self.entries {
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
        for (entry, word) in self.entries.iter().zip(words) {
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
        let (place, _) = table.find(feature);
        table.put(place, Entry { weight, heat }, 0.5);
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
            assert_eq!(table.weight(feature(n)), entry.weight);
        }
        assert_eq!(table.entry(feature(4)), None);
        assert_eq!(table.weight(feature(4)), 0.0);
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
            let (place, _) = table.find(feature(7));
            table.put(
                place,
                Entry {
                    weight: step,
                    heat: 0.1,
                },
                n as f32 / 100.0,
            );
            up += i32::from(table.weight(feature(7)) > 0.0);
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
