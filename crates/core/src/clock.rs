//! Time and chance, as services.

use gatepost_smtp::Time;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;

/// A clock. The proxy has the real one, tests one that moves when told.
pub trait Clock: Send + Sync {
    /// The time.
    fn now(&self) -> Time;
}

/// The secret number of this installation. Everything that must be unguessable outside and the same again inside is
/// derived from it: keys of hashes, jitter.
#[derive(Clone, Copy)]
pub struct Seed([u8; 16]);

impl Seed {
    /// A seed. Kept in the store from the first start on.
    pub const fn new(bytes: [u8; 16]) -> Seed {
        Seed(bytes)
    }

    /// A keyed hash (SipHash-2-4) of some parts, each with its length, the same on every machine and in every version.
    pub fn hash(&self, parts: &[&[u8]]) -> u64 {
        let mut hasher = SipHasher24::new_with_key(&self.0);
        for part in parts {
            hasher.write(&(part.len() as u64).to_le_bytes());
            hasher.write(part);
        }
        hasher.finish()
    }
}

impl std::fmt::Debug for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Seed(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_depends_on_the_seed_and_on_where_parts_end() {
        let (one, two) = (Seed::new([1; 16]), Seed::new([2; 16]));
        assert_ne!(one.hash(&[b"ab", b"c"]), one.hash(&[b"a", b"bc"]));
        assert_ne!(one.hash(&[b"ab"]), two.hash(&[b"ab"]));
    }
}
