//! The weights: a table of fixed size, read from many threads while one writes.
//!
//! **Invariant:** a slot is one word, so nobody ever reads a weight with the squares of another moment.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::grams::SLOT_BITS;

/// What a slot holds.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Slot {
    /// What the sequences of this slot say of a mail, before its length is allowed for.
    pub weight: f32,
    /// The sum of the squares of all errors that moved it: the more, the less it moves.
    pub squares: f32,
}

impl Slot {
    const fn from_bits(bits: u64) -> Slot {
        Slot {
            weight: f32::from_bits((bits >> 32) as u32),
            squares: f32::from_bits(bits as u32),
        }
    }

    const fn to_bits(self) -> u64 {
        (self.weight.to_bits() as u64) << 32 | self.squares.to_bits() as u64
    }

    fn is_sound(self) -> bool {
        self.weight.abs() <= WEIGHT_MAX && (0.0..=f32::MAX).contains(&self.squares)
    }
}

/// Slots of a table.
const SLOTS: usize = 1 << SLOT_BITS;
/// The furthest that a weight goes.
pub const WEIGHT_MAX: f32 = 20.0;
/// Slots whose presence one octet of a saved table tells.
const GROUP: usize = 8;

/// A table.
pub struct Table(Box<[AtomicU64]>);

impl Default for Table {
    fn default() -> Table {
        Table((0..SLOTS).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Table {
    /// The slot of a number; numbers beyond the table begin again at its start.
    #[inline]
    pub fn slot(&self, at: u64) -> Slot {
        Slot::from_bits(self.0[at as usize % SLOTS].load(Ordering::Relaxed))
    }

    /// Changes a slot. Only one thread does.
    #[inline]
    pub fn set(&self, at: u64, slot: Slot) {
        self.0[at as usize % SLOTS].store(slot.to_bits(), Ordering::Relaxed);
    }

    /// The table as two sections of a model file: one bit for each slot that is in use, and these slots.
    pub fn save(&self) -> [Vec<u8>; 2] {
        let mut used = Vec::with_capacity(SLOTS / GROUP);
        let mut slots = Vec::new();
        for group in self.0.chunks(GROUP) {
            let mut bits = 0u8;
            for (at, slot) in group.iter().enumerate() {
                let slot = slot.load(Ordering::Relaxed);
                if slot != 0 {
                    bits |= 1 << at;
                    slots.extend_from_slice(&slot.to_le_bytes());
                }
            }
            used.push(bits);
        }
        [used, slots]
    }

    /// Fills an empty table from these sections. All of them is looked at first: what is not sound leaves it empty.
    pub fn load(&self, used: &[u8], slots: &[u8]) -> Result<(), String> {
        let count: usize = used.iter().map(|bits| bits.count_ones() as usize).sum();
        if used.len() != SLOTS / GROUP || slots.len() != count * size_of::<u64>() {
            return Err(format!(
                "the model file tells of {count} of {} sequences and holds {} octets of weights; {} and {} were expected",
                used.len() * GROUP,
                slots.len(),
                SLOTS,
                count * size_of::<u64>()
            ));
        }
        let (slots, _) = slots.as_chunks::<8>();
        let mut saved = slots.iter().map(|octets| u64::from_le_bytes(*octets));
        if let Some(bits) = saved.clone().find(|bits| !Slot::from_bits(*bits).is_sound()) {
            return Err(format!(
                "the model file holds a weight that no learning gives ({bits:#x})"
            ));
        }
        for (group, bits) in self.0.chunks(GROUP).zip(used) {
            for (_, slot) in group.iter().enumerate().filter(|(at, _)| bits & 1 << at != 0) {
                slot.store(saved.next().unwrap_or_default(), Ordering::Relaxed);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_table_comes_back() {
        let table = Table::default();
        let slot = Slot {
            weight: -0.25,
            squares: 1.5,
        };
        table.set(7, slot);
        table.set(SLOTS as u64 - 1, slot);
        let [used, slots] = table.save();
        assert_eq!((used.len(), slots.len()), (SLOTS / 8, 16));
        let other = Table::default();
        other.load(&used, &slots).unwrap();
        assert_eq!(other.slot(7), slot);
        assert_eq!(other.slot(SLOTS as u64 - 1), slot);
        assert_eq!(other.slot(8), Slot::default());
        assert_eq!(other.save(), [used, slots]);
    }

    #[test]
    fn sections_that_do_not_fit_are_refused() {
        let table = Table::default();
        table.set(
            7,
            Slot {
                weight: 1.0,
                squares: 1.0,
            },
        );
        let [used, slots] = table.save();
        let load = |used: &[u8], slots: &[u8]| Table::default().load(used, slots);
        assert!(load(&used, &slots[..7]).is_err());
        assert!(load(&used[1..], &slots).is_err());
        assert!(load(&used, &[0xff; 8]).unwrap_err().contains("weight"));
        table.set(8, table.slot(7));
        let [both, _] = table.save();
        let fresh = Table::default();
        assert!(fresh.load(&both, &[&slots[..], &[0xff; 8]].concat()).is_err());
        assert_eq!(
            fresh.slot(7),
            Slot::default(),
            "the sound one before it is not taken over"
        );
        for bad in [f32::NAN, f32::INFINITY, -21.0] {
            let slot = Slot {
                weight: bad,
                squares: 0.0,
            };
            assert!(load(&used, &slot.to_bits().to_le_bytes()).is_err());
        }
    }
}
