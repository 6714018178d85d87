//! Chance for whom unpredictable is more than is needed: shares of mail, and times that should not fall together.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// A sequence of numbers that look random (SplitMix64).
pub struct Dice(AtomicU64);

/// The distance of two steps: odd, and without pattern.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

impl Dice {
    /// One that begins where no other does.
    pub fn new() -> Dice {
        Dice(AtomicU64::new(RandomState::new().hash_one(STEP)))
    }

    /// The next number.
    pub fn roll(&self) -> u64 {
        mixed(self.0.fetch_add(STEP, Ordering::Relaxed))
    }
}

/// A number of which each bit depends on all of the given one's.
pub fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
