//! Packed RTF of Outlook (MS-OXRTFCP): copies out of a ring of 4096 octets that begins full of common words.

use super::field::{rest, size_at, u32_at};

/// Octets of the ring.
const RING: usize = 4_096;
/// A copy of two octets gives at most so many.
const COPY_MAX: usize = 17;

/// What the ring holds at first (MS-OXRTFCP 2.2.2).
const BEGIN: &[u8; 207] = b"{\\rtf1\\ansi\\mac\\deff0\\deftab720{\\fonttbl;}{\\f0\\fnil \\froman \\fswiss \\fmodern \\fscript \\fdecor \
MS Sans SerifSymbolArialTimes New RomanCourier{\\colortbl\\red0\\green0\\blue0\r\n\\par \\pard\\plain\\f0\\fs20\\b\\i\\u\\tab\\tx";

/// The RTF, and whether it is as long as it says. `None` without a header.
pub(crate) fn unpack(octets: &[u8]) -> Option<(Vec<u8>, bool)> {
    let (packed, said, form) = (size_at(octets, 0)?, size_at(octets, 4)?, u32_at(octets, 8)?);
    let body = rest(octets, 16);
    // The length counts what follows it.
    let body = body.get(..packed.saturating_sub(12).min(body.len()))?;
    match &form.to_le_bytes() {
        b"MELA" => return Some((body.get(..said.min(body.len()))?.to_vec(), said <= body.len())),
        b"LZFu" => {}
        _ => return None,
    }
    let mut ring = [b' '; RING];
    ring.get_mut(..BEGIN.len())?.copy_from_slice(BEGIN);
    let mut write = BEGIN.len();
    let mut found = Vec::with_capacity(said.min(body.len().saturating_mul(COPY_MAX)));
    let mut at = 0;
    while let Some(flags) = body.get(at) {
        at += 1;
        for bit in 0..8 {
            let Some(first) = body.get(at) else {
                return Some((found, false));
            };
            at += 1;
            if flags >> bit & 1 == 0 {
                put(&mut ring, &mut write, &mut found, *first);
                continue;
            }
            let Some(second) = body.get(at) else {
                return Some((found, false));
            };
            at += 1;
            let token = usize::from(*first) << 8 | usize::from(*second);
            let (from, length) = (token >> 4, (token & 0x0f) + 2);
            // A copy from where is written ends the text.
            if from == write {
                let whole = found.len() == said;
                return Some((found, whole));
            }
            for step in 0..length {
                let octet = ring.get((from + step) % RING).copied().unwrap_or(b' ');
                put(&mut ring, &mut write, &mut found, octet);
            }
        }
    }
    let whole = found.len() == said;
    Some((found, whole))
}

fn put(ring: &mut [u8; RING], write: &mut usize, found: &mut Vec<u8>, octet: u8) {
    if let Some(place) = ring.get_mut(*write) {
        *place = octet;
    }
    *write = (*write + 1) % RING;
    found.push(octet);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_specification_unpack() {
        // MS-OXRTFCP 3.1.1 and 3.1.2: one that repeats the ring's words, and one that crosses its own writing.
        let simple: &[u8] = &[
            0x2d, 0x00, 0x00, 0x00, 0x2b, 0x00, 0x00, 0x00, 0x4c, 0x5a, 0x46, 0x75, 0xf1, 0xc5, 0xc7, 0xa7, 0x03, 0x00,
            0x0a, 0x00, 0x72, 0x63, 0x70, 0x67, 0x31, 0x32, 0x35, 0x42, 0x32, 0x0a, 0xf3, 0x20, 0x68, 0x65, 0x6c, 0x09,
            0x00, 0x20, 0x62, 0x77, 0x05, 0xb0, 0x6c, 0x64, 0x7d, 0x0a, 0x80, 0x0f, 0xa0,
        ];
        let (text, whole) = unpack(simple).unwrap();
        assert_eq!(
            (String::from_utf8(text).unwrap().as_str(), whole),
            ("{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n", true)
        );
        let crossing: &[u8] = &[
            0x1a, 0x00, 0x00, 0x00, 0x1c, 0x00, 0x00, 0x00, 0x4c, 0x5a, 0x46, 0x75, 0xe2, 0xd4, 0x4b, 0x51, 0x41, 0x00,
            0x04, 0x20, 0x57, 0x58, 0x59, 0x5a, 0x0d, 0x6e, 0x7d, 0x01, 0x0e, 0xb0,
        ];
        let (text, whole) = unpack(crossing).unwrap();
        assert_eq!((text.as_slice(), whole), (&b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"[..], true));
    }

    #[test]
    fn a_declared_length_is_only_compared() {
        let huge = [&[0xff; 8][..], b"LZFu", &[0; 4], &[0, b'{']].concat();
        assert_eq!(unpack(&huge), Some((b"{".to_vec(), false)));
    }
}
