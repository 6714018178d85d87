//! UTF-7 (RFC 2152), which browsers gave up and some mail readers still show.

use std::borrow::Cow;

/// Whether a label of a charset means UTF-7.
pub(super) fn is_label(label: &str) -> bool {
    [
        "utf-7",
        "utf7",
        "unicode-1-1-utf-7",
        "x-unicode-1-1-utf-7",
        "unicode-2-0-utf-7",
        "csutf7",
        "csunicode11utf7",
    ]
    .iter()
    .any(|name| label.trim().eq_ignore_ascii_case(name))
}

/// Decodes UTF-7. What is no UTF-7 stays as it is; the second is true where there was some.
pub(super) fn decode(octets: &[u8]) -> (Cow<'_, str>, bool) {
    if octets.is_ascii() && !octets.contains(&b'+') {
        return (String::from_utf8_lossy(octets), false);
    }
    let mut out = String::with_capacity(octets.len());
    let mut broken = false;
    let mut rest = octets;
    while let Some(at) = memchr::memchr(b'+', rest) {
        broken |= push(&mut out, rest.get(..at).unwrap_or_default());
        let after = rest.get(at + 1..).unwrap_or_default();
        let len = after.iter().take_while(|&&b| digit(b).is_some()).count();
        let (run, tail) = after.split_at_checked(len).unwrap_or((after, &[]));
        if run.is_empty() {
            out.push('+');
        } else {
            broken |= shifted(run, &mut out);
        }
        rest = tail.strip_prefix(b"-").unwrap_or(tail);
    }
    broken |= push(&mut out, rest);
    (Cow::Owned(out), broken)
}

fn push(out: &mut String, octets: &[u8]) -> bool {
    let text = String::from_utf8_lossy(octets);
    out.push_str(&text);
    !octets.is_ascii()
}

fn digit(octet: u8) -> Option<u8> {
    match octet {
        b'A'..=b'Z' => Some(octet - b'A'),
        b'a'..=b'z' => Some(octet - b'a' + 26),
        b'0'..=b'9' => Some(octet - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// A run of base64 that holds UTF-16.
fn shifted(run: &[u8], out: &mut String) -> bool {
    let (mut bits, mut count) = (0_u32, 0_u32);
    let units = run.iter().filter_map(|&b| digit(b)).filter_map(|value| {
        bits = bits << 6 | u32::from(value);
        count += 6;
        (count >= 16).then(|| {
            count -= 16;
            let unit = (bits >> count) as u16;
            bits &= (1 << count) - 1;
            unit
        })
    });
    let mut broken = false;
    out.extend(char::decode_utf16(units).map(|unit| {
        unit.unwrap_or_else(|_| {
            broken = true;
            char::REPLACEMENT_CHARACTER
        })
    }));
    broken
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifted_runs_are_utf_16_and_the_rest_is_ascii() {
        for (octets, text, broken) in [
            ("plain", "plain", false),
            ("Hi Mom -+Jjo--!", "Hi Mom -\u{263a}-!", false),
            ("A+ImIDkQ.", "A\u{2262}\u{391}.", false),
            ("1 +- 1", "1 + 1", false),
            ("+2D3cqQ-", "\u{1f4a9}", false),
            ("+2D0-x", "\u{fffd}x", true),
            ("x+", "x+", false),
        ] {
            assert_eq!(decode(octets.as_bytes()), (Cow::Borrowed(text), broken), "{octets}");
        }
    }
}
