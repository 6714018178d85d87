//! Chance that is the same each time: a number decides all of it.

/// A generator (SplitMix64, Steele, Lea, Flood 2014): every seed is good, and it is the same on every machine.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Begins at a seed.
    pub const fn new(seed: u64) -> Chance {
        Chance(seed)
    }

    /// One that belongs to a seed, to a purpose and to a place, whatever was drawn elsewhere.
    pub fn at(seed: u64, purpose: u64, place: u64) -> Chance {
        let purpose = Chance(purpose).draw();
        Chance(Chance(seed ^ purpose).draw() ^ place.wrapping_mul(0xd134_2543_de82_ef95))
    }

    /// The next number.
    pub const fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `n`; 0 where there is none.
    pub const fn below(&mut self, n: usize) -> usize {
        ((self.draw() as u128 * n as u128) >> 64) as usize
    }

    /// A share: at least 0, below 1.
    pub fn share(&mut self) -> f64 {
        (self.draw() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A length from an exponential distribution, at least 1, at most ten times its mean.
    pub fn length(&mut self, mean: usize) -> usize {
        let drawn = -(1.0 - self.share()).ln() * mean as f64;
        (drawn.round() as usize).clamp(1, mean.saturating_mul(10).max(1))
    }

    /// Puts things into an order of its own.
    pub fn shuffle<T>(&mut self, things: &mut [T]) {
        for at in (1..things.len()).rev() {
            let other = self.below(at + 1);
            things.swap(at, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_was_published() {
        // The first numbers of the reference implementation from the seed 1234567.
        let mut chance = Chance::new(1_234_567);
        assert_eq!(chance.draw(), 6_457_827_717_110_365_317);
        assert_eq!(chance.draw(), 3_203_168_211_198_807_973);
    }

    #[test]
    fn shares_and_lengths_are_as_often_as_they_should() {
        let mut chance = Chance::new(1);
        let below = (0..10_000).filter(|_| chance.share() < 0.1).count();
        assert!((900..1_100).contains(&below), "{below}");
        let sum: usize = (0..10_000).map(|_| chance.length(500)).sum();
        assert!((480..520).contains(&(sum / 10_000)), "{sum}");
        let mut seen = [0; 7];
        for _ in 0..7_000 {
            seen[chance.below(7)] += 1;
        }
        assert!(seen.iter().all(|n| (850..1_150).contains(n)), "{seen:?}");
        assert_eq!((chance.below(0), chance.below(1)), (0, 0));
    }

    #[test]
    fn a_place_has_its_own_whatever_was_drawn_elsewhere() {
        let at = |seed, purpose, place| Chance::at(seed, purpose, place).draw();
        assert_eq!(at(1, 2, 3), at(1, 2, 3));
        assert_ne!(at(1, 2, 3), at(1, 2, 4));
        assert_ne!(at(1, 2, 3), at(1, 3, 3));
        assert_ne!(at(1, 2, 3), at(2, 2, 3));
    }

    #[test]
    fn shuffling_keeps_all_and_moves_them() {
        let mut things: Vec<_> = (0..100).collect();
        Chance::new(5).shuffle(&mut things);
        assert_ne!(things, (0..100).collect::<Vec<_>>());
        things.sort_unstable();
        assert_eq!(things, (0..100).collect::<Vec<_>>());
    }
}
