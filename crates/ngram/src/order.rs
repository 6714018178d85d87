//! Puts numbers in order, each once.
//!
//! **Invariant:** the time depends on how many numbers there are, and not on which. Most are different, so that it is not
//! worth the while to look for the others first.

use crate::grams::SLOT_BITS;

/// Bits of the two digits by which it goes, the lower first.
const DIGITS: [u32; 2] = [SLOT_BITS / 2, SLOT_BITS.div_ceil(2)];

/// How often each value of a digit is there, then where the next number with it goes.
struct Places<const VALUES: usize>([u16; VALUES]);

impl<const VALUES: usize> Places<VALUES> {
    fn of(digit: usize) -> usize {
        digit & (VALUES - 1)
    }

    fn count(&mut self, digit: usize) {
        self.0[Self::of(digit)] += 1;
    }

    fn begin(&mut self) {
        let mut start = 0;
        for place in &mut self.0 {
            start += std::mem::replace(place, start);
        }
    }

    fn take(&mut self, digit: usize) -> usize {
        let place = &mut self.0[Self::of(digit)];
        let at = usize::from(*place);
        *place += 1;
        at
    }
}

/// Sorts numbers below 2 to the power of [`SLOT_BITS`], fewer than 2^16 of them, and leaves each once.
pub fn distinct(numbers: &mut Vec<u32>) {
    let mut low = Places([0; 1 << DIGITS[0]]);
    let mut high = Places([0; 1 << DIGITS[1]]);
    let digits = |number: u32| (number as usize, (number >> DIGITS[0]) as usize);
    for number in &*numbers {
        let (one, two) = digits(*number);
        low.count(one);
        high.count(two);
    }
    low.begin();
    high.begin();
    let mut between = vec![0; numbers.len()];
    for number in &*numbers {
        between[low.take(digits(*number).0)] = *number;
    }
    for number in &between {
        numbers[high.take(digits(*number).1)] = *number;
    }
    let (mut kept, mut last) = (0, u32::MAX);
    for at in 0..numbers.len() {
        // Which one comes again cannot be foreseen, so there is no branch on it: it is written, and the next one over it.
        let number = numbers[at];
        numbers[kept] = number;
        kept += usize::from(number != last);
        last = number;
    }
    numbers.truncate(kept);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_come_in_order_each_once(
            numbers in prop::collection::vec((0u32..1 << SLOT_BITS, 1usize..60), 0..200),
            few in any::<bool>(),
        ) {
            let low = if few { 0x1f_f00f } else { u32::MAX };
            let mut numbers: Vec<u32> =
                numbers.iter().flat_map(|(number, times)| vec![number & low; *times]).collect();
            let set: BTreeSet<u32> = numbers.iter().copied().collect();
            distinct(&mut numbers);
            prop_assert_eq!(numbers, set.into_iter().collect::<Vec<_>>());
        }
    }
}
