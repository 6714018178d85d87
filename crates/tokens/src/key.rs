//! The keyed hash of features. Whoever does not know the key cannot make words that fall together.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

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

    /// The hash of a word of a kind (SipHash-1-3): the same on every machine and in every version.
    pub fn word(&self, kind: u8, word: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        hasher.write(word);
        hasher.write_u8(kind);
        hasher.finish()
    }

    /// The hash of two hashes at a distance. The two are unforeseeable already, so mixing them is enough.
    pub const fn pair(&self, one: u64, other: u64, distance: u8) -> u64 {
        let left = one ^ 0x9e37_79b9_7f4a_7c15;
        let right = other.rotate_left(distance as u32 * 7 + 1) ^ 0xe703_7ed1_a0b4_28db;
        let product = (left as u128).wrapping_mul(right as u128);
        (product as u64) ^ ((product >> 64) as u64) ^ one.rotate_left(23)
    }
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(..)")
    }
}
