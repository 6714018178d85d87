//! Files that stand in text in an encoding from before MIME: uuencode, yEnc, BinHex 4.0.
//!
//! Readers decode them wherever they stand. The encodings are as the POSIX `uuencode` utility, the yEnc draft 1.3 and
//! RFC 1741 describe them; checksums are not looked at, for a reader shows a file all the same.

use std::borrow::Cow;

use memchr::memmem;

use crate::reading::{decode, uu};

/// What a file in BinHex begins with.
const BINHEX: &[u8] = b"(This file must be converted with BinHex";
/// The digits of BinHex in the order of their values (RFC 1741 section 5).
const BINHEX_DIGITS: &[u8; 64] = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
/// What each octet stands for in BinHex.
const BINHEX_VALUES: [Option<u8>; 256] = {
    let mut values = [None; 256];
    let mut at = 0;
    while at < BINHEX_DIGITS.len() {
        values[BINHEX_DIGITS[at] as usize] = Some(at as u8);
        at += 1;
    }
    values
};
/// Octets of a first line of yEnc that are looked at.
const LINE_MAX: usize = 1_024;

/// Gives each file with its name, of one so many octets at most and of all in BinHex, which grow by their runs, together;
/// the last argument says whether it is whole. Tells whether there is uuencode, and yEnc.
pub(super) fn files(text: &[u8], most: usize, each: &mut dyn FnMut(String, Vec<u8>, bool)) -> (bool, bool) {
    // Either begins so, and most text has no such word.
    let begins = memmem::find(text, b"begin").is_some();
    let (uuencode, yenc) = if begins { uu::inline(text) } else { (false, false) };
    if begins {
        uu::files(text, most, &mut |name, octets| {
            let whole = octets.len() < most;
            each(named(name), octets, whole);
        });
    }
    if yenc {
        yenc_files(text, most, &mut |name, octets| {
            let whole = octets.len() < most;
            each(name, octets, whole);
        });
    }
    let mut left = most;
    for at in memmem::find_iter(text, BINHEX) {
        let rest = text.get(at..).unwrap_or_default();
        // One begins where the one before is over.
        let rest = rest.get(..next(rest, BINHEX)).unwrap_or_default();
        if let Some((name, octets, whole)) = binhex(rest, left) {
            left = left.saturating_sub(octets.len());
            each(name, octets, whole);
        }
    }
    (uuencode, yenc)
}

/// Where the next file begins.
fn next(rest: &[u8], begins: &[u8]) -> usize {
    let after = rest.get(begins.len()..).unwrap_or_default();
    memmem::find(after, begins).map_or(rest.len(), |at| at + begins.len())
}

fn named(name: &[u8]) -> String {
    let name = name
        .strip_prefix(b"\"")
        .and_then(|name| name.strip_suffix(b"\""))
        .unwrap_or(name);
    decode::text(name, None, &mut Default::default()).into_owned()
}

fn yenc_files(text: &[u8], most: usize, each: &mut dyn FnMut(String, Vec<u8>)) {
    let mut open: Option<(String, Vec<u8>)> = None;
    for line in text.split_inclusive(|b| *b == b'\n') {
        if let Some(head) = line.strip_prefix(b"=ybegin ") {
            if let Some((name, octets)) = open.take() {
                each(name, octets);
            }
            let head = head.get(..LINE_MAX).unwrap_or(head).trim_ascii_end();
            let name = memmem::find(head, b"name=").and_then(|at| head.get(at + 5..));
            open = Some((named(name.unwrap_or_default()), Vec::new()));
        } else if line.starts_with(b"=yend") {
            if let Some((name, octets)) = open.take() {
                each(name, octets);
            }
        } else if let Some((_, octets)) = &mut open
            && !line.starts_with(b"=ypart ")
        {
            let mut escaped = false;
            for octet in line.iter().filter(|b| !matches!(b, b'\r' | b'\n')) {
                match octet {
                    b'=' if !escaped => escaped = true,
                    _ if octets.len() >= most => break,
                    _ => {
                        octets.push(octet.wrapping_sub(if escaped { 64 + 42 } else { 42 }));
                        escaped = false;
                    }
                }
            }
        }
    }
    if let Some((name, octets)) = open {
        each(name, octets);
    }
}

/// Decodes a file in BinHex: its name, its data fork, and whether that is whole.
fn binhex(text: &[u8], most: usize) -> Option<(String, Vec<u8>, bool)> {
    let line = memchr::memchr(b'\n', text)?;
    let body = text.get(line..)?;
    let body = body.get(memchr::memchr(b':', body)? + 1..)?;
    let end = memchr::memchr(b':', body).unwrap_or(body.len());
    let packed = unpacked(body.get(..end)?);
    let octets = expanded(&packed, most.saturating_add(1_024));
    let (length, rest) = octets.split_first()?;
    let name = rest.get(..usize::from(*length))?;
    // A version, type and creator of four octets each, two of flags.
    let rest = rest.get(usize::from(*length) + 1 + 4 + 4 + 2..)?;
    let (data, rest) = rest.split_at_checked(4)?;
    let data = u32::from_be_bytes(data.try_into().ok()?) as usize;
    // The length of the other fork, and a checksum.
    let rest = rest.get(4 + 2..)?;
    let kept = rest.get(..data.min(most)).unwrap_or(rest);
    (data > 0).then(|| (named(name), kept.to_vec(), kept.len() == data))
}

/// Six bits a digit.
fn unpacked(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    for octet in text {
        let Some(value) = BINHEX_VALUES.get(usize::from(*octet)).copied().flatten() else {
            continue;
        };
        bits = (bits << 6 | u32::from(value)) & 0xffff;
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

/// Runs are an octet, 0x90 and how often it stands there; 0x90 and zero is 0x90 itself.
fn expanded(packed: &[u8], most: usize) -> Cow<'_, [u8]> {
    if memchr::memchr(0x90, packed).is_none() {
        return Cow::Borrowed(packed);
    }
    let mut out: Vec<u8> = Vec::with_capacity(packed.len().min(most));
    let mut octets = packed.iter();
    while let Some(octet) = octets.next() {
        if out.len() >= most {
            break;
        }
        match octet {
            0x90 => match octets.next() {
                Some(0) | None => out.push(0x90),
                Some(times) => {
                    let last = out.last().copied().unwrap_or(0);
                    out.extend(std::iter::repeat_n(last, usize::from(*times) - 1));
                }
            },
            _ => out.push(*octet),
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut found = Vec::new();
        files(text, 1_000, &mut |name, octets, _| found.push((name, octets)));
        found
    }

    /// A file in BinHex with these octets of a data fork, packed already.
    fn binhexed(packed: &[u8], len: u32) -> Vec<u8> {
        let mut octets = [b"\x05a.exe\0APPLdosx\0\0".as_slice(), &len.to_be_bytes(), &[0; 6]].concat();
        octets.extend_from_slice(packed);
        octets.extend_from_slice(&[0; 4]);
        let mut text = b"(This file must be converted with BinHex 4.0)\r\n\r\n:".to_vec();
        for three in octets.chunks(3) {
            let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            text.extend((0..4).map(|n| BINHEX_DIGITS[(bits >> (18 - 6 * n) & 63) as usize]));
        }
        text.extend_from_slice(b":\r\n");
        text
    }

    #[test]
    fn yenc_is_decoded_with_its_escapes() {
        let text = b"x\r\n=ybegin line=128 size=4 name=a b.exe\r\n=ypart begin=1 end=4\r\nwz=n=}\r\n=yend size=4\r\ny";
        assert_eq!(all(text), [("a b.exe".to_owned(), vec![b'M', b'P', 4, 19])]);
    }

    #[test]
    fn binhex_is_decoded_with_its_runs() {
        let file = |octets: &[u8]| ("a.exe".to_owned(), octets.to_vec());
        assert_eq!(all(&binhexed(b"MZ!", 3)), [file(b"MZ!")]);
        assert_eq!(all(&binhexed(b"M\x90\x04\x90\0", 5)), [file(b"MMMM\x90")]);
        assert_eq!(all(&binhexed(b"M\x90\xff\x90\xff", 509)), [file(&[b'M'; 509])]);
        assert_eq!(
            all(&[binhexed(b"1", 1), binhexed(b"2", 1)].concat()),
            [file(b"1"), file(b"2")]
        );
    }

    #[test]
    fn runs_do_not_grow_beyond_what_is_kept() {
        let text = binhexed(b"M\x90\xff\x90\xff", 509).repeat(50);
        let (mut sum, mut last) = (0, true);
        files(&text, 1_000, &mut |_, octets, whole| {
            sum += octets.len();
            last = whole;
        });
        assert_eq!((sum, last), (1_000, false));
    }

    #[test]
    fn a_file_that_is_cut_gives_what_there_is() {
        let text = binhexed(b"MZ!MZ!", 6);
        for cut in 0..text.len() {
            assert!(
                all(&text[..cut])
                    .iter()
                    .all(|(_, octets)| b"MZ!MZ!".starts_with(octets) || octets.len() > 6)
            );
        }
    }
}
