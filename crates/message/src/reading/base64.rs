//! Base64, forgiving as mail readers are.
//!
//! **Invariant:** whole quanta are read four digits at a time, everything else octet by octet, and the result is the same.

use super::Anomalies;

/// What is no digit of base64.
const NO_DIGIT: u8 = 0x80;

/// The value of each octet as a digit of base64 (RFC 4648 section 4).
const DIGITS: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < alphabet.len() {
        digits[alphabet[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

fn digit(octet: u8) -> u8 {
    DIGITS.get(usize::from(octet)).copied().unwrap_or(NO_DIGIT)
}

/// Whether an octet is a digit of base64.
pub(super) fn is_digit(octet: u8) -> bool {
    digit(octet) != NO_DIGIT
}

/// Quanta that are decoded before there is made room for more: a usual line has 19.
const QUANTA: usize = 32;

/// Decodes the whole quanta that raw octets begin with; what is left begins with something else.
fn quanta<'a>(raw: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    let mut rest = raw;
    loop {
        let (groups, _) = rest.get(..QUANTA * 4).unwrap_or(rest).as_chunks::<4>();
        let mut room = [[0; 3]; QUANTA];
        let mut read = 0;
        for ([a, b, c, d], three) in groups.iter().zip(&mut room) {
            let (a, b, c, d) = (digit(*a), digit(*b), digit(*c), digit(*d));
            if (a | b | c | d) & NO_DIGIT != 0 {
                break;
            }
            *three = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
            read += 1;
        }
        out.extend_from_slice(room.get(..read).unwrap_or_default().as_flattened());
        rest = rest.get(read * 4..).unwrap_or_default();
        if read < QUANTA {
            return rest;
        }
    }
}

/// Octets that are looked at together in [`plain`].
const ABREAST: usize = 64;

/// How many octets there are at least before the first that is neither a digit nor a blank: it tells whether one is worth
/// looking for, many octets at a time.
pub(super) fn plain(raw: &[u8]) -> usize {
    let is_plain = |octet: &u8| {
        let letter = (*octet | 0x20).wrapping_sub(b'a') < 26;
        let number = octet.wrapping_sub(b'0') < 10;
        letter | number | (*octet == b'+') | (*octet == b'/') | (*octet == b'\r') | (*octet == b'\n') | (*octet == b' ')
    };
    // No early end within a chunk, so that the compiler takes its octets abreast.
    let all = |chunk: &&[u8; ABREAST]| chunk.iter().fold(true, |all, octet| all & is_plain(octet));
    let (chunks, _) = raw.as_chunks::<ABREAST>();
    chunks.iter().take_while(all).count() * ABREAST
}

/// Decodes base64: octets outside the alphabet are left out, padding may miss or stand in the middle, bits may trail.
pub(super) fn base64(raw: &[u8], anomalies: &mut Anomalies) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    let mut padded = false;
    let mut rest = raw;
    loop {
        if count == 0 && !padded {
            rest = quanta(rest, &mut out);
        }
        let Some((octet, after)) = rest.split_first() else {
            break;
        };
        rest = after;
        let value = match (octet, digit(*octet)) {
            (b'\r' | b'\n' | b' ' | b'\t', _) => continue,
            (b'=', _) => {
                // What follows a padding begins a quantum of its own: encoders that stick pieces together do so.
                (bits, count) = (0, 0);
                padded = true;
                continue;
            }
            (_, NO_DIGIT) => {
                anomalies.base64 = true;
                continue;
            }
            (_, value) => value,
        };
        anomalies.base64 |= padded;
        padded = false;
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    // Six bits alone are no octet; whole octets want their padding.
    anomalies.base64 |= count != 0;
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Octet by octet, and nothing else.
    fn slowly(raw: &[u8]) -> (Vec<u8>, bool) {
        let (mut out, mut bits, mut count, mut padded, mut odd) = (Vec::new(), 0_u32, 0, false, false);
        for octet in raw {
            let value = match octet {
                b'A'..=b'Z' => octet - b'A',
                b'a'..=b'z' => octet - b'a' + 26,
                b'0'..=b'9' => octet - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'\r' | b'\n' | b' ' | b'\t' => continue,
                b'=' => {
                    (bits, count, padded) = (0, 0, true);
                    continue;
                }
                _ => {
                    odd = true;
                    continue;
                }
            };
            odd |= padded;
            padded = false;
            bits = bits << 6 | u32::from(value);
            count += 6;
            if count >= 8 {
                count -= 8;
                out.push((bits >> count) as u8);
                bits &= (1 << count) - 1;
            }
        }
        (out, odd || count != 0)
    }

    proptest! {
        #[test]
        fn four_digits_at_a_time_are_what_they_are_one_by_one(
            pieces in proptest::collection::vec(
                prop_oneof!["[A-Za-z0-9+/]{0,90}", "[A-Za-z0-9+/=\r\n \t]{0,12}", "[ -~\u{80}-\u{ff}]{0,4}"], 0..12)
        ) {
            let raw = pieces.concat();
            let mut anomalies = Anomalies::default();
            let out = base64(raw.as_bytes(), &mut anomalies);
            prop_assert_eq!((out, anomalies.base64), slowly(raw.as_bytes()));
        }

        #[test]
        fn what_is_plain_has_digits_and_blanks_and_nothing_else(raw in "[A-Za-z0-9+/\r\n ]{0,300}", at: proptest::sample::Index, octet: u8) {
            let mut raw = raw.into_bytes();
            prop_assert_eq!(plain(&raw), raw.len() / ABREAST * ABREAST);
            if !raw.is_empty() {
                let at = at.index(raw.len());
                raw[at] = octet;
            }
            let front = &raw[..plain(&raw)];
            prop_assert!(front.iter().all(|b| is_digit(*b) || b.is_ascii_whitespace()));
        }
    }
}
