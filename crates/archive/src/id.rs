//! Ids of kept mail: nine characters that rise with time, then 21 that nobody outside can guess.
//!
//! **Invariant:** the order of ids is the order of time, so an id is its own place in every partition of the index.
//! What comes from outside is checked by [`valid`] before it comes near a path.

use gatepost_core::{KeptId, Seed};

/// Characters of an id.
pub const LEN: usize = 30;
/// Characters of the time, in milliseconds since the epoch: enough until the year 3084.
const TIME: usize = 9;
/// Characters that name the folder of a mail: one for each nine hours and a quarter.
pub const SHARD: usize = 4;
/// The latest time that an id can tell; a later one is written as this.
const TIME_MAX: u64 = (1 << (5 * TIME)) - 1;
/// Base 32 without letters that look alike, in the order of ASCII.
const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

fn digits(number: u64, count: usize, out: &mut String) {
    for n in (0..count).rev() {
        let digit = (number >> (5 * n)) & 31;
        out.extend(DIGITS.get(digit as usize).copied().map(char::from));
    }
}

/// The time, and 105 bits of what is known.
fn made(seed: &Seed, at: u64, known: &[&[u8]; 4]) -> KeptId {
    let mut id = String::with_capacity(LEN);
    digits(at.min(TIME_MAX), TIME, &mut id);
    for (half, places) in [(0u8, 11), (1, 10)] {
        let [kind, now, count, name] = known;
        let parts: [&[u8]; 6] = [kind, &[half], &at.to_be_bytes(), now, count, name];
        digits(seed.hash(&parts), places, &mut id);
    }
    KeptId(id.into())
}

/// A new id: 105 bits of it come from the seed, the count of this process and what is known of the mail.
pub fn new(seed: &Seed, at: u64, now: u64, count: u64, transaction: &str) -> KeptId {
    let known: [&[u8]; 4] = [
        b"kept",
        &now.to_be_bytes(),
        &count.to_be_bytes(),
        transaction.as_bytes(),
    ];
    made(seed, at, &known)
}

/// The one id of this key and time.
pub fn once(seed: &Seed, at: u64, key: &str) -> KeptId {
    made(seed, at, &[b"once", b"", b"", key.as_bytes()])
}

/// Whether this may be an id of ours.
pub fn valid(id: &str) -> bool {
    id.len() == LEN && id.bytes().all(|octet| DIGITS.contains(&octet))
}

/// Whether this may be the name of a folder of mails.
pub fn valid_shard(name: &str) -> bool {
    name.len() == SHARD && name.bytes().all(|octet| DIGITS.contains(&octet))
}

/// The folder of a mail.
pub fn shard(id: &str) -> &str {
    id.get(..SHARD).unwrap_or_default()
}

/// The first of all ids of mail that was kept at `millis` or later.
pub fn from_time(millis: u64) -> Vec<u8> {
    let mut id = String::with_capacity(TIME);
    digits(millis.min(TIME_MAX), TIME, &mut id);
    id.into_bytes()
}

/// The first of all ids of mail that was kept at `millis` or later, as an upper end; empty ("no end") beyond the last
/// time that an id can tell.
pub fn before_time(millis: u64) -> Vec<u8> {
    if millis > TIME_MAX {
        Vec::new()
    } else {
        from_time(millis)
    }
}

/// When the mail of a valid id was kept, in milliseconds since the epoch.
#[cfg(test)]
fn time(id: &str) -> u64 {
    id.bytes().take(TIME).fold(0, |time, octet| {
        let digit = DIGITS.iter().position(|digit| *digit == octet).unwrap_or_default();
        (time << 5) | digit as u64
    })
}

/// The folder in which mail that is kept at `millis` lies.
pub fn shard_at(millis: u64) -> String {
    let mut all = String::with_capacity(TIME);
    digits(millis.min(TIME_MAX), TIME, &mut all);
    all.truncate(SHARD);
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SEED: Seed = Seed::new([7; 16]);

    #[test]
    fn what_is_no_id_is_refused() {
        let id = new(&SEED, 1_767_614_400_000, 5, 1, "t");
        assert!(valid(&id.0), "{id}");
        let long = format!("{id}0");
        let upper = id.0.to_uppercase();
        let hostile = [
            "",
            "../../etc/passwd",
            "../../../../../../../etc/passw",
            "1",
            &long,
            &upper,
            "\0\0",
        ];
        for id in hostile {
            assert!(!valid(id), "{id:?}");
        }
    }

    #[test]
    fn ids_of_one_moment_differ_and_tell_their_time() {
        let (one, two) = (new(&SEED, 9, 9, 1, "t"), new(&SEED, 9, 9, 2, "t"));
        assert_ne!(one, two);
        assert_ne!(
            one,
            new(&Seed::new([8; 16]), 9, 9, 1, "t"),
            "without the seed nobody knows it"
        );
        assert_eq!(time(&one.0), 9);
        assert_eq!(shard(&one.0), shard_at(9));
        assert!(valid_shard(shard(&one.0)));
    }

    proptest! {
        #[test]
        fn the_order_of_ids_is_the_order_of_time(a in 0..TIME_MAX, b in 0..TIME_MAX) {
            let (one, two) = (new(&SEED, a, 0, 1, "t"), new(&SEED, b, 0, 2, "t"));
            if a != b {
                prop_assert_eq!(one.0 < two.0, a < b);
            }
            prop_assert!(one.0.as_bytes() >= from_time(a).as_slice());
            prop_assert!(one.0.as_bytes() < from_time(a + 1).as_slice());
            prop_assert_eq!(time(&one.0), a);
        }
    }
}
