//! By what the same mail, and nearly the same mail, is known again: from its features, which are keyed hashes.
//!
//! **Absent on purpose:** text. Two mails that no classifier can tell apart are the same mail here.

use gatepost_core::Seed;

use crate::entry::{Named, SKETCH};

/// How many parts of two sketches must be equal in nearly the same mail: about half of their features are the same then.
pub const ALIKE: usize = 4;

/// What the same mail has again.
pub fn identity(seed: Seed, features: &Named) -> u64 {
    let mut octets = Vec::with_capacity(features.iter().map(|(_, one)| 8 + one.hashes.len() * 8).sum());
    for (name, features) in features {
        octets.extend_from_slice(name.as_bytes());
        octets.extend_from_slice(&features.extractor.to_le_bytes());
        for hash in &features.hashes {
            octets.extend_from_slice(&hash.to_le_bytes());
        }
    }
    seed.hash(&[b"identity", &octets])
}

/// What nearly the same mail has nearly the same: of each eighth of all hashes the smallest that occurs.
pub fn sketch(features: &Named) -> [u32; SKETCH] {
    let mut least = [u32::MAX; SKETCH];
    for hash in features.iter().flat_map(|(_, features)| &features.hashes) {
        // Some classifiers use few bits of their hashes: spread them.
        let spread = (hash ^ hash >> 32).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let part = (spread >> 61) as usize;
        if let Some(least) = least.get_mut(part) {
            *least = (*least).min((spread >> 16) as u32);
        }
    }
    least
}

/// Whether two sketches are of nearly the same mail. Of a part in which neither has a feature nothing is known.
pub fn alike(one: &[u32; SKETCH], other: &[u32; SKETCH]) -> bool {
    let same = |(one, other): &(&u32, &u32)| one == other && **one != u32::MAX;
    one.iter().zip(other).filter(same).count() >= ALIKE
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::Features;

    fn mail(hashes: impl Iterator<Item = u64>) -> Named {
        let hashes = hashes.map(|n| n.wrapping_mul(0xd6e8_feb8_6659_fd93)).collect();
        vec![("one".into(), Features { extractor: 1, hashes })]
    }

    #[test]
    fn a_mail_with_a_few_other_words_is_alike_and_another_mail_is_not() {
        let first = sketch(&mail(0..1_000));
        let changed = sketch(&mail((0..950).chain(5_000..5_050)));
        let other = sketch(&mail(20_000..21_000));
        assert!(alike(&first, &changed) && alike(&first, &first));
        assert!(!alike(&first, &other));
        assert!(
            !alike(&sketch(&mail(0..0)), &sketch(&mail(0..0))),
            "of nothing nothing is known"
        );
    }

    #[test]
    fn the_same_features_are_the_same_mail_for_this_installation() {
        let (one, other) = (Seed::new([1; 16]), Seed::new([2; 16]));
        assert_eq!(identity(one, &mail(0..9)), identity(one, &mail(0..9)));
        assert_ne!(identity(one, &mail(0..9)), identity(one, &mail(0..8)));
        assert_ne!(identity(one, &mail(0..9)), identity(other, &mail(0..9)));
    }
}
