//! Numbers and texts as octets.
//!
//! **Invariant:** there is one form of each number, so that what is read can be written again as it was; reading never goes
//! beyond what there is.

/// A text, cut to so many octets between two characters.
pub fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// How many octets a number needs.
pub fn octets(number: u64) -> usize {
    (8 - number.leading_zeros() as usize / 8).max(1)
}

/// Writes a text and its length.
pub fn text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Reads a text of at most so many octets.
pub fn take_text(rest: &mut &[u8], most: usize) -> Option<Box<str>> {
    let len = usize::try_from(get(rest)?).ok().filter(|len| *len <= most)?;
    std::str::from_utf8(take(rest, len)?).ok().map(Into::into)
}

/// Seven bits an octet, the lowest first.
pub fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads a number that [`put`] wrote, and no other form of it.
pub fn get(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let octet = take_one(rest)?;
        let bits = u64::from(octet & 0x7f);
        // What does not fit, or is written longer than it must be, was not written here.
        if bits << shift >> shift != bits || (octet == 0 && shift > 0) {
            return None;
        }
        number |= bits << shift;
        if octet < 0x80 {
            return Some(number);
        }
    }
    None
}

/// The first octets of what is left.
pub fn take<'a>(rest: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(n)?;
    *rest = left;
    Some(taken)
}

/// The first octet of what is left.
pub fn take_one(rest: &mut &[u8]) -> Option<u8> {
    let (one, left) = rest.split_first()?;
    *rest = left;
    Some(*one)
}

/// The first eight octets of what is left, as a number.
pub fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take(rest, 8)?.try_into().ok().map(u64::from_le_bytes)
}
