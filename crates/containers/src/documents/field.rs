//! Numbers and texts as they stand in binary forms.

use std::borrow::Cow;

/// Longest name or note that is given out, in octets.
pub(crate) const SHORT: usize = 200;

/// Two octets, little endian.
pub(crate) fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(octets.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

/// Four octets, little endian.
pub(crate) fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

/// A length of four octets, little endian.
pub(crate) fn size_at(octets: &[u8], at: usize) -> Option<usize> {
    usize::try_from(u32_at(octets, at)?).ok()
}

/// `length` octets at `at`.
pub(crate) fn slice(octets: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    octets.get(at..at.checked_add(length)?)
}

/// All there is from `at`.
pub(crate) fn rest(octets: &[u8], at: usize) -> &[u8] {
    octets.get(at..).unwrap_or_default()
}

/// Up to the first zero octet, and where the next field begins.
pub(crate) fn until_zero(octets: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = octets.get(at..)?;
    let end = memchr::memchr(0, rest)?;
    Some((rest.get(..end)?, at.checked_add(end)?.checked_add(1)?))
}

/// Text of octets in UTF-8 or, failing that, one character each; up to the first zero.
pub(crate) fn narrow(octets: &[u8]) -> String {
    let text = octets.split(|octet| *octet == 0).next().unwrap_or_default();
    match std::str::from_utf8(text) {
        Ok(text) => text.to_owned(),
        Err(_) => text.iter().map(|octet| char::from(*octet)).collect(),
    }
}

/// Text of two octets each, up to the first zero.
pub(crate) fn wide(octets: &[u8]) -> String {
    let units = octets.chunks_exact(2).map(|two| u16::from_le_bytes([two[0], two[1]]));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

/// A text by its letters, one octet each: UTF-16 by its mark or its zeros, else as it is without
/// zeros, which browsers and Office pass over.
pub(crate) fn letters(octets: &[u8]) -> Cow<'_, [u8]> {
    let halves = |from: usize| Cow::Owned(rest(octets, from).iter().step_by(2).copied().collect());
    let zeros = |from: usize| {
        octets
            .iter()
            .take(256)
            .skip(from)
            .step_by(2)
            .filter(|octet| **octet == 0)
            .count()
    };
    let half = octets.len().min(256) / 2;
    if octets.starts_with(b"\xff\xfe") || half > 8 && zeros(1) * 10 > half * 8 {
        halves(0)
    } else if octets.starts_with(b"\xfe\xff") || half > 8 && zeros(0) * 10 > half * 8 {
        halves(1)
    } else if memchr::memchr(0, octets).is_some() {
        Cow::Owned(octets.iter().copied().filter(|octet| *octet != 0).collect())
    } else {
        Cow::Borrowed(octets)
    }
}

/// The [`letters`], all small.
pub(crate) fn lower(octets: &[u8]) -> Vec<u8> {
    letters(octets).to_ascii_lowercase()
}

/// The begin of a text, at most [`SHORT`] octets, without controls.
pub(crate) fn short(text: &str) -> String {
    let mut found = String::new();
    for one in text.chars() {
        if found.len() + one.len_utf8() > SHORT {
            break;
        }
        found.push(if one.is_control() { ' ' } else { one });
    }
    found
}

/// A name as [`short`], but a long one keeps its end, where the extension is.
pub(crate) fn name(text: &str) -> String {
    if text.len() <= SHORT {
        return short(text);
    }
    let end: Vec<char> = text.chars().rev().take(24).collect();
    let begin: String = text.chars().take((SHORT - 96) / 4).collect();
    short(&(begin + "…" + &end.into_iter().rev().collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_extension() {
        let long = "ä".repeat(400) + ".pdf.exe";
        assert!(name(&long).ends_with(".pdf.exe") && name(&long).len() <= SHORT);
    }

    #[test]
    fn letters_are_seen_in_both_orders_of_octets() {
        let text = "<Relationships xmlns='x'>";
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(
            (lower(&big), lower(&little)),
            (lower(text.as_bytes()), lower(text.as_bytes()))
        );
    }
}
