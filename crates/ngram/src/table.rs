//! The weights: a table of fixed size, read from many threads while one writes.
//!
//! **Invariant:** squares are read by the thread alone that writes them. Who scores reads weights, which lie apart, so that
//! half as much memory has to answer.

use std::sync::atomic::{AtomicU32, Ordering};

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
    /// The slot that a word of a saved table is.
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
pub struct Table {
    weights: Box<[AtomicU32]>,
    squares: Box<[AtomicU32]>,
}

impl Default for Table {
    fn default() -> Table {
        let empty = || (0..SLOTS).map(|_| AtomicU32::new(0)).collect();
        Table {
            weights: empty(),
            squares: empty(),
        }
    }
}

fn read(from: &[AtomicU32], at: usize) -> f32 {
    f32::from_bits(from[at].load(Ordering::Relaxed))
}

impl Table {
    /// The weight in the slot of a number; numbers beyond the table begin again at its start.
    #[inline]
    pub fn weight(&self, at: u64) -> f32 {
        read(&self.weights, at as usize % SLOTS)
    }

    /// The slot of a number. Only the thread that changes slots asks for it.
    #[inline]
    pub fn slot(&self, at: u64) -> Slot {
        let at = at as usize % SLOTS;
        Slot {
            weight: read(&self.weights, at),
            squares: read(&self.squares, at),
        }
    }

    /// Changes a slot. Only one thread does.
    #[inline]
    pub fn set(&self, at: u64, slot: Slot) {
        let at = at as usize % SLOTS;
        self.weights[at].store(slot.weight.to_bits(), Ordering::Relaxed);
        self.squares[at].store(slot.squares.to_bits(), Ordering::Relaxed);
    }

    /// The table as two sections of a model file: one bit for each slot that is in use, and these slots.
    pub fn save(&self) -> [Vec<u8>; 2] {
        let mut used = Vec::with_capacity(SLOTS / GROUP);
        let mut slots = Vec::new();
        for first in (0..SLOTS as u64).step_by(GROUP) {
            let mut bits = 0u8;
            for at in 0..GROUP as u64 {
                let slot = self.slot(first + at).to_bits();
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
        for (first, bits) in (0..).step_by(GROUP).zip(used) {
            for at in (0..GROUP as u64).filter(|at| bits & 1 << at != 0) {
                self.set(first + at, Slot::from_bits(saved.next().unwrap_or_default()));
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
