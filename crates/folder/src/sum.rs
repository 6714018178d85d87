//! Checksums, as they stand in files.

use std::hash::Hasher;

use siphasher::sip::SipHasher24;

/// Octets behind a message.
pub const TRAILER: usize = 18;

/// A checksum over octets that come in pieces. It is against disks and not against forgers, who could as well write a file of
/// their own.
pub struct Sum(SipHasher24);

impl Sum {
    /// Of nothing yet; the key tells kinds of files apart.
    pub fn new(key: &[u8; 16]) -> Sum {
        Sum(SipHasher24::new_with_key(key))
    }

    /// Adds a piece. Where pieces end makes no difference.
    pub fn add(&mut self, piece: &[u8]) {
        self.0.write(piece);
    }

    /// Of everything so far.
    pub fn get(&self) -> u64 {
        self.0.finish()
    }

    /// Of everything so far and some more.
    pub fn of(mut self, octets: &[u8]) -> u64 {
        self.add(octets);
        self.get()
    }
}

/// What stands behind a message with this checksum.
pub fn behind(sum: u64) -> [u8; TRAILER] {
    let mut trailer = [b'\n'; TRAILER];
    let text = format!("{sum:016x}");
    if let Some(digits) = trailer.get_mut(1..TRAILER - 1) {
        digits.copy_from_slice(text.as_bytes());
    }
    trailer
}

/// The checksum in what stands behind a message.
pub fn read_behind(trailer: &[u8]) -> Option<u64> {
    let digits = trailer.strip_prefix(b"\n")?.strip_suffix(b"\n")?;
    hex(digits, 16)
}

/// A number in so many hexadecimal digits, in lower case and nothing else.
pub fn hex(digits: &[u8], len: usize) -> Option<u64> {
    let plain = digits.len() == len && digits.iter().all(|octet| matches!(octet, b'0'..=b'9' | b'a'..=b'f'));
    let text = std::str::from_utf8(digits).ok().filter(|_| plain)?;
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_checksum_has_one_writing_and_no_other_reading(sum: u64, other: Vec<u8>) {
            prop_assert_eq!(read_behind(&behind(sum)), Some(sum));
            if let Some(read) = read_behind(&other) {
                prop_assert_eq!(&behind(read)[..], &other[..]);
            }
        }
    }
}
