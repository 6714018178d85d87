//! Hosts as strangers write them, and the host that a browser makes of them.
//!
//! The order is a browser's: percent-decoding, characters without width, IDNA (which also makes plain dots and letters of
//! wide ones), then the question whether it is a number. What no browser would find is no host.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use psl::Psl;

use super::link::{Host, Trick};

/// Octets of a host as it is written, above which it is none: a name of 253 letters, each percent-encoded twice.
const WRITTEN_MAX: usize = 2_048;
/// Octets of a name in DNS.
const NAME_MAX: usize = 253;
/// Octets of a label in DNS.
const LABEL_MAX: usize = 63;
/// Characters of a label before it is in A-labels, letters and their accents counted apart.
const SHOWN_LABEL_MAX: usize = 2 * LABEL_MAX;
/// How often a percent-encoded host is decoded.
const DECODED_MAX: usize = 3;

/// The registrable domain of a name by the public suffix list: one label more than the public suffix. None for a public
/// suffix itself, for one label, and for what is no name. Letters may be of any case, labels of either form; the answer
/// is a part of what was given.
///
/// ```
/// use gatepost_message::reading::registrable;
/// assert_eq!(registrable("www.example.co.uk"), Some("example.co.uk"));
/// assert_eq!(registrable("co.uk"), None);
/// ```
pub fn registrable(name: &str) -> Option<&str> {
    if name.is_empty() || name.len() > WRITTEN_MAX || name.starts_with('.') {
        return None;
    }
    let mut lower = Cow::Borrowed(name);
    if name.bytes().any(|b| b.is_ascii_uppercase()) || !name.is_ascii() {
        lower = Cow::Owned(name.to_lowercase());
    }
    // The list has the labels of other scripts as they are read.
    if has_a_labels(&lower) {
        lower = Cow::Owned(idna::domain_to_unicode(&lower).0);
    }
    let domain = psl::domain(lower.as_bytes())?.trim();
    if matches!(lower, Cow::Borrowed(_)) && !name.ends_with('.') {
        // The end of the name itself.
        return name.get(name.len().checked_sub(domain.as_bytes().len())?..);
    }
    let labels = domain.as_bytes().split(|&b| b == b'.').count();
    last_labels(name, labels)
}

/// Whether octets stand in a text. Names are short: looking at one octet after the other takes less time than to prepare for
/// more.
#[inline]
fn has<const N: usize>(text: &str, octets: &[u8; N]) -> bool {
    text.as_bytes().array_windows().any(|window| window == octets)
}

/// Whether a name may have labels in the form of DNS for other scripts.
fn has_a_labels(name: &str) -> bool {
    has(name, b"xn--")
}

/// Whether the name ends in a public suffix that somebody entered into the list.
pub(super) fn has_known_suffix(name: &str) -> bool {
    let shown = if has_a_labels(name) {
        Cow::Owned(idna::domain_to_unicode(name).0)
    } else {
        Cow::Borrowed(name)
    };
    psl::suffix(shown.as_bytes()).is_some_and(|suffix| suffix.is_known() && suffix.as_bytes().len() < shown.len())
}

/// Whether names may end in this label, in lower case and as it is read: whether the list has a rule for it.
pub(super) fn is_known_top(label: &str) -> bool {
    let labels = [label.as_bytes(), b"b", b"a"];
    psl::List.find(labels.into_iter()).typ.is_some()
}

fn last_labels(name: &str, labels: usize) -> Option<&str> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let dot = name.rmatch_indices('.').nth(labels.checked_sub(1)?);
    dot.map_or(Some(name), |(dot, _)| name.get(dot + 1..))
}

/// Characters that show nothing: of no width, soft hyphens, direction marks, variation selectors.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{e0000}'..='\u{e0fff}')
}

/// Percent-decodes once; `None` where there is nothing to decode.
pub(super) fn percent_decoded(text: &str) -> Option<String> {
    memchr::memchr(b'%', text.as_bytes())?;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    let mut any = false;
    while let [first, tail @ ..] = rest {
        if *first == b'%'
            && let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            out.push(high << 4 | low);
            rest = after;
            any = true;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    any.then(|| String::from_utf8_lossy(&out).into_owned())
}

pub(super) fn hex(octet: u8) -> Option<u8> {
    match octet {
        b'0'..=b'9' => Some(octet - b'0'),
        b'a'..=b'f' => Some(octet - b'a' + 10),
        b'A'..=b'F' => Some(octet - b'A' + 10),
        _ => None,
    }
}

/// The host that is meant, and how it was disguised.
pub(super) fn host(written: &str, tricks: &mut Vec<Trick>) -> Option<Host> {
    if written.len() > WRITTEN_MAX {
        return None;
    }
    if let Some(inner) = written.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        let address = inner.split('%').next()?.parse::<Ipv6Addr>().ok()?;
        return Some(Host::V6(address));
    }
    let mut text = Cow::Borrowed(written);
    for _ in 0..DECODED_MAX {
        match percent_decoded(&text) {
            Some(decoded) => text = Cow::Owned(decoded),
            None => break,
        }
        tricks.push(Trick::EncodedHost);
    }
    if has(&text, b"&#") {
        text = Cow::Owned(references(&text)?);
        tricks.push(Trick::EncodedHost);
    }
    if !text.is_ascii() && text.chars().any(is_invisible) {
        text = Cow::Owned(text.chars().filter(|&c| !is_invisible(c)).collect());
        tricks.push(Trick::Invisible);
    }
    let name = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        if text.chars().any(is_wide) {
            tricks.push(Trick::WideLetters);
        }
        // No label of DNS comes from so many; and the time for one grows with the square of its length.
        if text
            .split(is_any_dot)
            .any(|label| label.chars().nth(SHOWN_LABEL_MAX).is_some())
        {
            return None;
        }
        idna::domain_to_ascii(&text).ok()?
    };
    // A name may end in one dot. More of them, or empty labels within, find nothing anywhere, but a reader who is told
    // to leave them out finds it.
    let name = if name.starts_with('.') || name.ends_with('.') || has(&name, b"..") {
        let labels: Vec<&str> = name.split('.').filter(|label| !label.is_empty()).collect();
        labels.join(".")
    } else {
        name
    };
    let last = name.rsplit('.').next()?;
    if is_number(last) {
        let address = number(&name)?;
        if address.to_string() != name {
            tricks.push(Trick::OddAddress);
        }
        return Some(Host::V4(address));
    }
    let is_name = !name.is_empty()
        && name.len() <= NAME_MAX
        && name
            .bytes()
            .all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
        && name.split('.').all(|label| label.len() <= LABEL_MAX)
        && name.bytes().any(|b| b.is_ascii_alphanumeric());
    if !is_name {
        return None;
    }
    if has_a_labels(&name) && mixes_scripts(&idna::domain_to_unicode(&name).0) {
        tricks.push(Trick::MixedScripts);
    }
    Some(Host::Name(name.into()))
}

/// Dots of all scripts.
pub(super) fn is_any_dot(c: char) -> bool {
    matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

/// Letters and dots in their wide or ideographic form.
pub(super) fn is_wide(c: char) -> bool {
    matches!(c, '\u{3002}' | '\u{ff01}'..='\u{ff5e}' | '\u{ff61}' | '\u{2460}'..='\u{24ff}' | '\u{1d400}'..='\u{1d7ff}')
}

/// Character references that stand in plain text, where no HTML reader took them away.
fn references(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("&#") {
        out.push_str(before);
        let (digits, radix) = match after.strip_prefix(['x', 'X']) {
            Some(digits) => (digits, 16),
            None => (after, 10),
        };
        let len = digits.bytes().take_while(|b| char::from(*b).is_digit(radix)).count();
        out.push(char::from_u32(u32::from_str_radix(digits.get(..len)?, radix).ok()?)?);
        rest = digits.get(len..)?;
        rest = rest.strip_prefix(';').unwrap_or(rest);
    }
    out.push_str(rest);
    Some(out)
}

/// Whether a last label makes a browser read the host as an IPv4 address.
fn is_number(label: &str) -> bool {
    if label.is_empty() {
        return false;
    }
    let hex = label.strip_prefix("0x");
    hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit())) || label.bytes().all(|b| b.is_ascii_digit())
}

/// One to four numbers, decimal, octal (`0`) or hexadecimal (`0x`), of which the last fills what is left.
fn number(name: &str) -> Option<Ipv4Addr> {
    let mut parts = [0_u64; 4];
    let mut count = 0;
    for part in name.split('.') {
        let value = match (part.strip_prefix("0x"), part.strip_prefix('0')) {
            (Some(""), _) => 0,
            (Some(digits), _) => u64::from_str_radix(digits, 16).ok()?,
            (None, Some(digits)) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok()?,
            _ => part.parse().ok()?,
        };
        *parts.get_mut(count)? = value;
        count += 1;
    }
    let (last, first) = parts.get(..count)?.split_last()?;
    let mut address = *last;
    if *last >= 1_u64 << (8 * (5 - count)) {
        return None;
    }
    for (part, shift) in first.iter().zip([24, 16, 8]) {
        if *part > 255 {
            return None;
        }
        address |= part << shift;
    }
    u32::try_from(address).ok().map(Ipv4Addr::from)
}

/// Whether a label has letters of scripts that no language writes together. Latin among Chinese, Japanese or Korean is
/// common.
fn mixes_scripts(name: &str) -> bool {
    name.split('.').any(|label| {
        let (mut seen, mut eastern) = (0_u8, false);
        for c in label.chars() {
            seen |= match c {
                'a'..='z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => 1,
                '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => 2,
                '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' => 4,
                '\u{530}'..='\u{58f}' => 8,
                '\u{590}'..='\u{5ff}' => 16,
                '\u{600}'..='\u{6ff}' => 32,
                '\u{e00}'..='\u{e7f}' => 64,
                '\u{13a0}'..='\u{13ff}' => 128,
                _ => 0,
            };
            eastern |= matches!(c, '\u{1100}'..='\u{11ff}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'
                | '\u{ac00}'..='\u{d7af}');
        }
        seen.count_ones() > 1 || (eastern && seen & !1 != 0)
    })
}
