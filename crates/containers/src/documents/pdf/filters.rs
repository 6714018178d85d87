//! How streams are packed (ISO 32000-1, 7.4).

use std::borrow::Cow;
use std::io::Read;

use flate2::read::{DeflateDecoder, ZlibDecoder};

/// Filters one after another that are undone.
pub(super) const FILTERS_MAX: usize = 4;

/// Undoes the filters, to at most `most` octets; `None` for one that is not known, or for what is no packed stream at all.
pub(super) fn unpack(octets: &[u8], filters: &[String], most: usize) -> Option<Vec<u8>> {
    if filters.len() > FILTERS_MAX {
        return None;
    }
    let mut found = Cow::Borrowed(octets);
    for filter in filters {
        found = Cow::Owned(match filter.as_str() {
            "FlateDecode" | "Fl" => inflate(&found, most)?,
            "ASCIIHexDecode" | "AHx" => hexadecimal(&found),
            "ASCII85Decode" | "A85" => ascii85(&found),
            _ => return None,
        });
    }
    let mut found = found.into_owned();
    found.truncate(most);
    Some(found)
}

/// What is there of a broken stream, as readers show it; without its header if need be.
fn inflate(octets: &[u8], most: usize) -> Option<Vec<u8>> {
    let mut found = Vec::new();
    let _ = ZlibDecoder::new(octets).take(most as u64).read_to_end(&mut found);
    if found.is_empty() {
        let _ = DeflateDecoder::new(octets).take(most as u64).read_to_end(&mut found);
    }
    (!found.is_empty() || octets.len() <= 8).then_some(found)
}

fn hexadecimal(octets: &[u8]) -> Vec<u8> {
    let digits = octets
        .iter()
        .take_while(|octet| **octet != b'>')
        .filter_map(|octet| char::from(*octet).to_digit(16));
    let mut digits: Vec<u8> = digits.map(|digit| digit as u8).collect();
    if digits.len() % 2 == 1 {
        digits.push(0);
    }
    digits.chunks_exact(2).map(|two| two[0] << 4 | two[1]).collect()
}

fn ascii85(octets: &[u8]) -> Vec<u8> {
    let (mut found, mut group, mut count) = (Vec::new(), 0u32, 0usize);
    for octet in octets {
        match octet {
            b'z' if count == 0 => found.extend_from_slice(&[0; 4]),
            b'!'..=b'u' => {
                group = group.wrapping_mul(85).wrapping_add(u32::from(octet - b'!'));
                count += 1;
                if count == 5 {
                    found.extend_from_slice(&group.to_be_bytes());
                    (group, count) = (0, 0);
                }
            }
            b'~' => break,
            _ => {}
        }
    }
    if count > 1 {
        // As if the group went on with the last letter.
        for _ in count..5 {
            group = group.wrapping_mul(85).wrapping_add(84);
        }
        found.extend_from_slice(group.to_be_bytes().get(..count - 1).unwrap_or_default());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_octets_again() {
        assert_eq!(ascii85(b"9jqo^BlbD-BleB1DJ+*+F(f,q~>"), b"Man is distinguished");
        assert_eq!(ascii85(b"z9jqo~>"), b"\0\0\0\0Man");
        assert_eq!(hexadecimal(b"4D 5a 9>00"), b"MZ\x90");
    }

    #[test]
    fn no_more_is_unpacked_than_is_asked_for() {
        // A stored block says its length; the bound is ours.
        let stored = [&[0x01, 0xff, 0x00, 0x00, 0xff][..], &[b'x'; 255]].concat();
        assert_eq!(
            unpack(&stored, &["Fl".to_owned()], 10).map(|found| found.len()),
            Some(10)
        );
    }
}
