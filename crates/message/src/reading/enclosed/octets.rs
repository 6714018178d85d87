//! The octets of a part, decoded as each reader would do it.

use std::borrow::Cow;

use crate::reading::base64::{is_digit, plain};
use crate::reading::decode::Transfer;
use crate::reading::{Anomalies, base64};

use super::said::{Said, Type};

/// Octets at the beginning by which it is told whether something is base64.
const LOOK_MAX: usize = 4_096;
/// Digits of base64 that a line has at least which is no word.
const DIGITS_MIN: usize = 16;

/// A way to read the octets of a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Way {
    Said(Transfer),
    /// Base64 up to its first foreign octet.
    ToForeign,
    /// Base64 up to its first padding.
    ToPadding,
    /// Base64 in which padding is as foreign as other octets.
    Unpadded,
}

impl Way {
    pub(super) fn decode<'a>(self, raw: &'a [u8], anomalies: &mut Anomalies) -> Cow<'a, [u8]> {
        let base64 = |raw: &[u8]| Cow::Owned(base64::base64(raw, &mut Anomalies::default()));
        match self {
            Way::Said(transfer) => transfer.decode(raw, anomalies),
            Way::ToForeign => base64(to(raw, |b| !is_digit(b) && !b.is_ascii_whitespace() && b != b'=')),
            Way::ToPadding => base64(to(raw, |b| b == b'=')),
            Way::Unpadded => {
                let digits: Vec<u8> = raw.iter().copied().filter(|b| is_digit(*b)).collect();
                base64(&digits)
            }
        }
    }
}

fn to(raw: &[u8], ends: impl Fn(u8) -> bool) -> &[u8] {
    let end = raw.iter().position(|b| ends(*b)).unwrap_or(raw.len());
    raw.get(..end).unwrap_or_default()
}

/// The ways to read a part.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ways {
    pub(super) all: Vec<Way>,
    /// Whether the base64 goes on where some readers stop, with more than what is put below a mail in passing.
    pub(super) breaks: bool,
}

/// How the octets of a part that says this may be read, the usual way first.
pub(super) fn ways(said: &Said, raw: &[u8]) -> Ways {
    let mut all: Vec<Way> = said.transfers.iter().copied().map(Way::Said).collect();
    let base64 = Way::Said(Transfer::Base64);
    // No encoding is allowed there (RFC 2046 section 5.2.1), so some readers do not decode.
    if said.types.iter().any(Type::is_message) && !all.contains(&Way::Said(Transfer::Plain)) {
        all.push(Way::Said(Transfer::Plain));
    }
    let is_text = said.types.iter().all(|one| one.mime.starts_with("text/"));
    let may_guess = said.guesses || !(is_text || all.contains(&Way::Said(Transfer::QuotedPrintable)));
    if may_guess && !all.contains(&base64) && looks_like_base64(raw) {
        all.push(base64);
    }
    let mut breaks = false;
    if all.contains(&base64) {
        let end = raw.trim_ascii_end();
        let from = plain(end);
        let foreign = end
            .iter()
            .skip(from)
            .position(|b| !is_digit(*b) && !b.is_ascii_whitespace() && *b != b'=')
            .map(|at| from + at);
        let padding = memchr::memchr(b'=', end).filter(|at| {
            let after = end.get(*at..).unwrap_or_default();
            after.iter().any(|b| is_digit(*b))
        });
        all.extend(foreign.map(|_| Way::ToForeign));
        if padding.is_some() {
            all.extend([Way::ToPadding, Way::Unpadded]);
        }
        breaks = padding.is_some_and(|at| goes_on(end, at)) || foreign.is_some_and(|at| goes_on(end, at));
    }
    Ways { all, breaks }
}

/// Whether there is base64 behind the octet that breaks it. A footer in words that a list put below is none.
fn goes_on(raw: &[u8], at: usize) -> bool {
    let (before, after) = raw.split_at_checked(at).unwrap_or((raw, &[]));
    let mut lines = after.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let rest = lines.next().unwrap_or_default();
    let in_line = before.last().is_some_and(|b| is_digit(*b))
        && !rest.contains(&b' ')
        && rest.iter().filter(|b| is_digit(**b)).count() >= DIGITS_MIN;
    in_line || lines.any(|line| line.len() >= DIGITS_MIN && line.iter().all(|b| is_digit(*b) || *b == b'='))
}

/// Whether octets begin as base64 does: lines of digits alone, whole quanta each but the last.
pub(super) fn looks_like_base64(raw: &[u8]) -> bool {
    let cut = raw.len() > LOOK_MAX;
    let look = raw.get(..LOOK_MAX).unwrap_or(raw);
    let mut lines: Vec<&[u8]> = look.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).collect();
    if cut {
        lines.pop();
    }
    lines.retain(|line| !line.is_empty());
    let Some((last, above)) = lines.split_last() else {
        return false;
    };
    let digits = |line: &[u8]| line.iter().all(|b| is_digit(*b));
    let whole = above.iter().all(|line| line.len().is_multiple_of(4) && digits(line));
    let end = last.iter().rposition(|b| *b != b'=').map_or(0, |at| at + 1);
    let count: usize = lines.iter().map(|line| line.len()).sum();
    whole && count >= DIGITS_MIN && digits(last.get(..end).unwrap_or_default())
}

/// Octets that are looked at to tell text from what is none.
const TEXT_LOOK: usize = 1_024;
/// Octets that a file has at least.
const FILE_MIN: usize = 8;

/// Whether octets are no text: control characters that no text has, in the charsets in which ASCII stands for itself.
pub(super) fn is_binary(octets: &[u8]) -> bool {
    let look = octets.get(..TEXT_LOOK).unwrap_or(octets);
    let is_control = |b: &u8| matches!(b, 0..=6 | 0x0e..=0x1a | 0x1c..=0x1f);
    let begins = [&b"%PDF-"[..], b"{\\rtf"].iter().any(|magic| look.starts_with(magic));
    octets.len() >= FILE_MIN && (begins || look.iter().any(is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_broken_where_it_goes_on_and_not_by_a_footer() {
        let broken = |raw: &[u8]| {
            let foreign = raw.iter().position(|b| !is_digit(*b) && !b.is_ascii_whitespace());
            goes_on(raw, foreign.unwrap_or_default())
        };
        assert!(broken(b"QUJD!QUJDQUJDQUJDQUJD"));
        assert!(broken(b"QUJD\r\n!\r\nQUJDQUJDQUJDQUJD\r\n"));
        assert!(broken(b"QUI=\r\nQUJDQUJDQUJDQUJD\r\n"));
        assert!(!broken(
            b"QUJDQUJDQUJDQUJDQUI=\r\n_______________________\r\nSome list at https://lists.example.org/listinfo/some\r\n"
        ));
    }

    #[test]
    fn base64_is_told_from_words() {
        assert!(looks_like_base64(b"QUJDQUJDQUJDQUJD\r\nQUI=\r\n\r\n"));
        assert!(looks_like_base64(&b"QUJDQUJDQUJDQUJDQUJDQUJDQUJD\r\n".repeat(1_000)));
        for text in [
            &b"Hello, world and all\r\n"[..],
            b"QUJD",
            b"",
            b"abcdefghijklm\r\nabcdefghijk\r\n",
        ] {
            assert!(!looks_like_base64(text), "{text:?}");
        }
    }
}
