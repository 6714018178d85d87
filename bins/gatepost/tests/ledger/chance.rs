//! Chance that can be had again: the same seed, the same choices.

use std::thread;
use std::time::Duration;

/// A stream of numbers (splitmix64).
pub struct Chance(u64);

impl Chance {
    /// The stream of one of several who draw from one seed.
    pub fn new(seed: u64, who: u64) -> Chance {
        let mut chance = Chance(seed ^ who.wrapping_mul(0xa076_1d64_78bd_642f));
        chance.next();
        chance
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One below this.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    /// A time of less than so many microseconds.
    pub fn micros(&mut self, end: u64) -> Duration {
        Duration::from_micros(self.below(end))
    }

    /// Sleeps for less than so many milliseconds.
    pub fn pause(&mut self, millis: u64) {
        thread::sleep(self.micros(millis * 1_000));
    }

    /// In another order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for at in (1..all.len()).rev() {
            let other = self.below(at as u64 + 1);
            all.swap(at, usize::try_from(other).expect("an index"));
        }
    }
}
