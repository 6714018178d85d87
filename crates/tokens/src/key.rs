//! The keyed hash of features. Whoever does not know the key cannot make words that fall together.

/// A key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Key([u8; 16]);

impl Key {
    /// A key from an installation's secret.
    pub const fn new(bytes: [u8; 16]) -> Key {
        Key(bytes)
    }

    /// Its octets, as a model file carries them.
    pub const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// The hash of a word of a kind (SipHash-1-3 of the word and the kind behind it): the same on every machine and in
    /// every version. Words are short and come by the thousand, so it is written out for a whole word at once.
    pub fn word(&self, kind: u8, word: &[u8]) -> u64 {
        self.begin(kind, word, word.len())
    }

    /// The hash of the first so many octets of some. Where more octets follow, they are read, too, and left out: which
    /// takes less time than to find out how many there are to be read.
    pub fn begin(&self, kind: u8, octets: &[u8], length: usize) -> u64 {
        let length = length.min(octets.len());
        let [one, two] = self.halves();
        let mut state = State([
            one ^ 0x736f_6d65_7073_6575,
            two ^ 0x646f_7261_6e64_6f6d,
            one ^ 0x6c79_6765_6e65_7261,
            two ^ 0x7465_6462_7974_6573,
        ]);
        let (blocks, _) = octets.as_chunks::<8>();
        let (whole, left) = (length / 8, (length % 8) as u32);
        for block in &blocks[..whole] {
            state.take(u64::from_le_bytes(*block));
        }
        let rest = match blocks.get(whole) {
            Some(block) => u64::from_le_bytes(*block) & ((1 << (8 * left)) - 1),
            None => rest_of(&octets[..length], left),
        };
        let last = rest | u64::from(kind) << (8 * left);
        // With the kind behind it, the word has an octet more; its length stands in the highest octet of the last block.
        let length = (length as u64 + 1) << 56;
        if left == 7 {
            state.take(last);
            state.take(length);
        } else {
            state.take(last | length);
        }
        state.finish()
    }

    fn halves(&self) -> [u64; 2] {
        let half = |at: usize| {
            (0..8)
                .rev()
                .fold(0, |all, octet| all << 8 | u64::from(self.0[at + octet]))
        };
        [half(0), half(8)]
    }

    /// The hash of two hashes at a distance. The two are unforeseeable already, so mixing them is enough.
    pub const fn pair(&self, one: u64, other: u64, distance: u8) -> u64 {
        let left = one ^ 0x9e37_79b9_7f4a_7c15;
        let right = other.rotate_left(distance as u32 * 7 + 1) ^ 0xe703_7ed1_a0b4_28db;
        let product = (left as u128).wrapping_mul(right as u128);
        (product as u64) ^ ((product >> 64) as u64) ^ one.rotate_left(23)
    }
}

/// The last octets of a word, those behind its blocks of eight, the first lowest. Without a loop over them: how many they
/// are cannot be foreseen.
fn rest_of(word: &[u8], left: u32) -> u64 {
    if left == 0 {
        return 0;
    }
    if let Some(last) = word.last_chunk::<8>() {
        return u64::from_le_bytes(*last) >> (64 - 8 * left);
    }
    match (word.first_chunk::<4>(), word.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            let high = u64::from(u32::from_le_bytes(*last)) << (8 * (left - 4));
            u64::from(u32::from_le_bytes(*first)) | high
        }
        _ => word.iter().rev().fold(0, |all, octet| all << 8 | u64::from(*octet)),
    }
}

/// The state of a SipHash.
struct State([u64; 4]);

impl State {
    #[inline]
    fn round(&mut self) {
        let [a, b, c, d] = &mut self.0;
        *a = a.wrapping_add(*b);
        *b = b.rotate_left(13) ^ *a;
        *a = a.rotate_left(32);
        *c = c.wrapping_add(*d);
        *d = d.rotate_left(16) ^ *c;
        *a = a.wrapping_add(*d);
        *d = d.rotate_left(21) ^ *a;
        *c = c.wrapping_add(*b);
        *b = b.rotate_left(17) ^ *c;
        *c = c.rotate_left(32);
    }

    #[inline]
    fn take(&mut self, block: u64) {
        self.0[3] ^= block;
        self.round();
        self.0[0] ^= block;
    }

    fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        for _ in 0..3 {
            self.round();
        }
        self.0.iter().fold(0, |all, part| all ^ part)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}

#[cfg(test)]
mod tests {
    use std::hash::Hasher;

    use proptest::prelude::*;
    use siphasher::sip::SipHasher13;

    use super::*;

    proptest! {
        #[test]
        fn a_word_has_the_hash_that_siphash_gives_it(
            key in any::<[u8; 16]>(),
            kind in any::<u8>(),
            word in prop::collection::vec(any::<u8>(), 0..90),
            more in prop::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut hasher = SipHasher13::new_with_key(&key);
            hasher.write(&word);
            hasher.write(&[kind]);
            let hash = hasher.finish();
            prop_assert_eq!(Key::new(key).word(kind, &word), hash);
            let octets = [&word[..], &more].concat();
            prop_assert_eq!(Key::new(key).begin(kind, &octets, word.len()), hash);
        }
    }
}
