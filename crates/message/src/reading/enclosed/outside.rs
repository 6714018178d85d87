//! What stands before and after the parts of a multipart, or in one that has no boundary: most readers see nothing there,
//! some see parts.

use crate::header::Line;

use super::octets::looks_like_base64;

/// Boundaries that are guessed in one text; one more tells that there are more.
pub(super) const GUESSES_MAX: usize = 4;
/// Lines below a boundary in which a field of a part can stand.
const FIELDS_MAX: usize = 16;
/// Octets of a line by which it is told whether it is of a header.
const LINE_MAX: usize = 256;
/// Digits of a block of base64 that could be a file.
const BLOCK_MIN: usize = 64;

/// Boundaries that a text seems to have: lines that begin with `--` with a field of a part below.
pub(super) fn boundaries(text: &[u8]) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end);
    while let Some(line) = lines.next() {
        if let Some(boundary) = line.strip_prefix(b"--")
            && !boundary.is_empty()
            && has_part(lines.clone())
            && found.len() <= GUESSES_MAX
            && !found.iter().any(|known| known == boundary)
        {
            found.push(boundary.to_vec());
        }
    }
    found
}

/// Where a header of a part begins that no boundary stands above.
pub(super) fn head(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive(|b| *b == b'\n') {
        if begins_part(line) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// Whether a header that begins with these lines is one of a part.
fn has_part<'a>(lines: impl Iterator<Item = &'a [u8]>) -> bool {
    let mut open = false;
    for line in lines.take(FIELDS_MAX) {
        if begins_part(line) {
            return true;
        }
        let line = line.get(..LINE_MAX).unwrap_or(line);
        open = matches!(Line::of(line, false, open), Line::Field { .. } | Line::Fold);
        if !open || line.is_empty() {
            return false;
        }
    }
    false
}

fn begins_part(line: &[u8]) -> bool {
    line.get(..8)
        .is_some_and(|start| start.eq_ignore_ascii_case(b"content-"))
        && line.contains(&b':')
}

/// The longest block of lines that is base64 and long enough to be a file.
pub(super) fn block(text: &[u8]) -> Option<&[u8]> {
    let (mut best, mut from, mut at): (&[u8], usize, usize) = (&[], 0, 0);
    let is_digits = |line: &[u8]| {
        !line.is_empty()
            && line
                .iter()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'='))
    };
    for line in text.split_inclusive(|b| *b == b'\n').chain([&b"."[..]]) {
        if !is_digits(line.trim_ascii()) {
            let block = text.get(from..at).unwrap_or_default();
            if block.len() > best.len() {
                best = block;
            }
            from = at + line.len();
        }
        at += line.len();
    }
    (best.len() >= BLOCK_MIN && looks_like_base64(best)).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_are_guessed_by_the_fields_below_them() {
        assert_eq!(
            boundaries(b"a\r\n--x y \r\nContent-Type: a/b\r\n\r\n--\r\nContent-x:\r\n-- \r\nme\r\n--z\nCONTENT-ID: 1"),
            [b"x y".to_vec(), b"z".to_vec()]
        );
        assert_eq!(boundaries(b"--x\r\nHello\r\n"), [b""; 0]);
    }

    #[test]
    fn a_header_and_a_block_are_found_in_text() {
        assert_eq!(head(b"a\r\ncontent-type: b\r\n"), Some(3));
        assert_eq!(head(b"a\r\ncontent with it\r\n"), None);
        let line = "QUJD".repeat(19);
        let text = format!("Hello\r\n\r\n{line}\r\n{line}\r\nQUI=\r\n\r\nYours\r\n");
        assert_eq!(
            block(text.as_bytes()),
            Some(format!("{line}\r\n{line}\r\nQUI=\r\n").as_bytes())
        );
        assert_eq!(block(b"This is a multi-part message in MIME format.\r\n"), None);
    }
}
