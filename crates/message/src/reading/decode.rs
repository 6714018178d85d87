//! From transfer encodings and charsets to text, forgiving as mail readers are.
//!
//! A reader shows what it can of a broken encoding; a filter that gave up there would see nothing (a single foreign octet
//! in base64 is an old way past filters). So nothing here fails: what is wrong is left out and noted.

use std::borrow::Cow;

use encoding_rs::{Encoding, ISO_2022_JP, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::base64::base64;
use super::host::hex;
use super::{Anomalies, utf7, uu};

/// How the octets of a part are encoded for transfer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Transfer {
    Plain,
    Base64,
    QuotedPrintable,
    Uuencode,
}

impl Transfer {
    /// Reads the value of Content-Transfer-Encoding.
    pub(super) fn of(value: &[u8], anomalies: &mut Anomalies) -> Transfer {
        let value = without_comments(value);
        let word = value.trim_ascii();
        let word = word
            .split(|b| matches!(b, b';' | b' ' | b'\t'))
            .next()
            .unwrap_or_default();
        let word = word
            .strip_prefix(b"\"")
            .and_then(|word| word.strip_suffix(b"\""))
            .unwrap_or(word);
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        if is("base64") {
            Transfer::Base64
        } else if is("quoted-printable") {
            Transfer::QuotedPrintable
        } else if ["x-uuencode", "uuencode", "x-uue", "uue"].into_iter().any(is) {
            anomalies.uuencode = true;
            Transfer::Uuencode
        } else {
            anomalies.yenc |= is("x-yenc") || is("yenc");
            let nothing = word.is_empty() && value.trim_ascii().is_empty();
            anomalies.transfer |= !(is("7bit") || is("8bit") || is("binary") || nothing);
            Transfer::Plain
        }
    }

    pub(super) fn decode<'a>(self, raw: &'a [u8], anomalies: &mut Anomalies) -> Cow<'a, [u8]> {
        match self {
            Transfer::Plain => Cow::Borrowed(raw),
            Transfer::Base64 => Cow::Owned(base64(raw, anomalies)),
            Transfer::QuotedPrintable => Cow::Owned(quoted_printable(raw, anomalies)),
            Transfer::Uuencode => uu::decode(raw).map_or(Cow::Borrowed(raw), Cow::Owned),
        }
    }
}

/// A field without its comments, which may stand within each other; of one that is left open nothing is a comment.
pub(super) fn without_comments(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.contains(&b'(') {
        return Cow::Borrowed(value);
    }
    let mut out = Vec::with_capacity(value.len());
    let (mut depth, mut opened, mut escaped) = (0_usize, 0, false);
    for (at, octet) in value.iter().enumerate() {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if depth > 0 => escaped = true,
            b'(' => {
                if depth == 0 {
                    opened = at;
                    out.push(b' ');
                }
                depth += 1;
            }
            b')' if depth > 0 => depth -= 1,
            _ if depth == 0 => out.push(*octet),
            _ => {}
        }
    }
    if depth > 0 {
        out.extend_from_slice(value.get(opened..).unwrap_or_default());
    }
    Cow::Owned(out)
}

/// Decodes quoted-printable: an `=` that begins nothing stays as it is.
pub(super) fn quoted_printable(raw: &[u8], anomalies: &mut Anomalies) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'=', rest) {
        out.extend_from_slice(rest.get(..at).unwrap_or_default());
        let after = rest.get(at + 1..).unwrap_or_default();
        rest = match after {
            [high, low, tail @ ..] if let (Some(high), Some(low)) = (hex(*high), hex(*low)) => {
                out.push(high << 4 | low);
                tail
            }
            [] => after,
            _ => {
                let blank = after
                    .iter()
                    .take_while(|b| matches!(b, b' ' | b'\t'))
                    .take(1_000)
                    .count();
                match after.get(blank..).unwrap_or_default() {
                    [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => tail,
                    [] => &[],
                    _ => {
                        anomalies.quoted_printable = true;
                        out.push(b'=');
                        after
                    }
                }
            }
        };
    }
    out.extend_from_slice(rest);
    out
}

/// What a label says about octets.
enum Charset {
    Known(&'static Encoding),
    Utf7,
    /// Nothing is said about octets above 127.
    Plain,
    /// A label that nobody knows.
    Unknown,
}

impl Charset {
    fn of(label: &str) -> Charset {
        let label = label.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
        let plain = ["us-ascii", "ascii", "ansi_x3.4-1968", "7bit", "8bit"];
        if label.is_empty() || plain.iter().any(|name| label.eq_ignore_ascii_case(name)) {
            return Charset::Plain;
        }
        if utf7::is_label(label) {
            return Charset::Utf7;
        }
        Encoding::for_label_no_replacement(label.as_bytes()).map_or(Charset::Unknown, Charset::Known)
    }
}

/// Makes text of octets. Where the charset is not named, is us-ascii or is unknown, octets above 127 are UTF-8 if they can
/// be, and windows-1252 if not.
pub(super) fn text<'a>(octets: &'a [u8], charset: Option<&str>, anomalies: &mut Anomalies) -> Cow<'a, str> {
    readings(octets, charset, anomalies).0
}

/// The second reading of octets whose charset is none in which ASCII stands for itself.
pub(super) struct Bare<'a> {
    pub(super) text: Cow<'a, str>,
    /// Whether honest text has letters of ASCII in it that mean others.
    pub(super) mixed: bool,
}

/// The text of octets by their charset, and what a reader sees who does not know it.
pub(super) fn readings<'a>(
    octets: &'a [u8],
    charset: Option<&str>,
    anomalies: &mut Anomalies,
) -> (Cow<'a, str>, Option<Bare<'a>>) {
    let charset = charset.map_or(Charset::Plain, Charset::of);
    let guessed = if std::str::from_utf8(octets).is_ok() {
        UTF_8
    } else {
        WINDOWS_1252
    };
    let bare = |mixed| Bare {
        text: guessed.decode_without_bom_handling(octets).0,
        mixed,
    };
    let chosen = match charset {
        Charset::Known(encoding) => encoding,
        Charset::Utf7 => {
            let (text, broken) = utf7::decode(octets);
            anomalies.charset |= broken;
            let differs = matches!(text, Cow::Owned(_));
            return (text, differs.then(|| bare(false)));
        }
        Charset::Plain | Charset::Unknown => {
            anomalies.charset |= matches!(charset, Charset::Unknown) || !octets.is_ascii();
            guessed
        }
    };
    // A mark at the beginning goes before what is named, as in browsers.
    let (text, used, broken) = chosen.decode(octets);
    anomalies.charset |= broken;
    let second = (!used.is_ascii_compatible()).then(|| bare(used == ISO_2022_JP));
    (text, second)
}

/// Octets of HTML in which it may name its charset.
const PRESCAN_MAX: usize = 1_024;

/// The charset that HTML names in a `<meta>` among its first octets. Octets in which that was to be read are not UTF-16,
/// so where it says so they are UTF-8 (WHATWG).
pub(super) fn named_in_html(octets: &[u8]) -> Option<String> {
    let head = octets.get(..PRESCAN_MAX).unwrap_or(octets).to_ascii_lowercase();
    let mut rest = head.as_slice();
    while let Some(at) = memchr::memchr(b'<', rest) {
        rest = rest.get(at..)?;
        if rest.starts_with(b"<!--") {
            let end = memchr::memmem::find(rest.get(2..)?, b"-->")?;
            rest = rest.get(2 + end + 3..)?;
            continue;
        }
        let Some(tag) = rest
            .strip_prefix(b"<meta")
            .filter(|tag| tag.first().is_some_and(|b| b.is_ascii_whitespace() || *b == b'/'))
        else {
            rest = rest.get(1..)?;
            continue;
        };
        let end = memchr::memchr(b'>', tag).unwrap_or(tag.len());
        let (tag, after) = tag.split_at_checked(end)?;
        if let Some(name) = named_in_tag(tag) {
            let wide = Encoding::for_label(name.as_bytes()).is_some_and(|named| named == UTF_16LE || named == UTF_16BE);
            return Some(if wide { "utf-8".to_owned() } else { name });
        }
        rest = after;
    }
    None
}

fn named_in_tag(tag: &[u8]) -> Option<String> {
    let at = memchr::memmem::find(tag, b"charset")?;
    let value = tag.get(at + 7..)?.trim_ascii_start();
    let value = value.strip_prefix(b"=")?.trim_ascii_start();
    let value = value.strip_prefix(b"\"").or(value.strip_prefix(b"'")).unwrap_or(value);
    let value = value.trim_ascii_start();
    let len = value
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':' | b'.'))
        .count();
    let name = value.get(..len).filter(|name| !name.is_empty())?;
    String::from_utf8(name.to_vec()).ok()
}

/// Decodes the encoded words of a field (RFC 2047), white space between two of them taken out.
///
/// What is no word is in the charset `plain`. Each word is looked at once. A word that is broken or in an unknown charset is decoded as far as it goes.
pub(super) fn words(value: &[u8], plain: Option<&str>, anomalies: &mut Anomalies) -> String {
    let mut out = String::new();
    // Octets of words that follow each other in one charset are decoded together: encoders cut characters in two.
    let mut open: Option<(String, Vec<u8>)> = None;
    let mut rest = value;
    let mut plain_from = rest;
    fn close(out: &mut String, open: &mut Option<(String, Vec<u8>)>, anomalies: &mut Anomalies) {
        if let Some((charset, octets)) = open.take() {
            out.push_str(&text(&octets, Some(&charset), anomalies));
        }
    }
    while let Some(at) = memchr::memmem::find(rest, b"=?") {
        let begin = rest.get(at..).unwrap_or_default();
        let Some((charset, octets, after)) = word(begin, anomalies) else {
            rest = begin.get(2..).unwrap_or_default();
            continue;
        };
        let between = plain_from.get(..plain_from.len() - begin.len()).unwrap_or_default();
        let joined = open.is_some() && between.iter().all(|b| b.is_ascii_whitespace());
        match &mut open {
            Some((same, kept)) if joined && same.eq_ignore_ascii_case(&charset) => kept.extend_from_slice(&octets),
            _ => {
                close(&mut out, &mut open, anomalies);
                if !joined {
                    out.push_str(&text(between, plain, anomalies));
                }
                open = Some((charset, octets));
            }
        }
        rest = after;
        plain_from = after;
    }
    close(&mut out, &mut open, anomalies);
    out.push_str(&text(plain_from, plain, anomalies));
    out
}

/// Octets of a charset's name in an encoded word.
const CHARSET_MAX: usize = 64;

/// The encoded word at the start: its charset, its octets, and what follows.
fn word<'a>(text: &'a [u8], anomalies: &mut Anomalies) -> Option<(String, Vec<u8>, &'a [u8])> {
    let after = text.strip_prefix(b"=?")?;
    let named = after.get(..CHARSET_MAX).unwrap_or(after);
    let len = memchr::memchr(b'?', named)?;
    let charset = std::str::from_utf8(after.get(..len)?).ok()?;
    // RFC 2231 lets a language follow.
    let charset = charset.split('*').next()?;
    let [transfer, b'?', after @ ..] = after.get(len + 1..)? else {
        return None;
    };
    let len = memchr::memchr(b'?', after)?;
    let encoded = after.get(..len)?;
    let rest = after.get(len + 1..)?.strip_prefix(b"=")?;
    let octets = match transfer {
        b'B' | b'b' => base64(encoded, anomalies),
        b'Q' | b'q' => {
            let spaced: Vec<u8> = encoded.iter().map(|&b| if b == b'_' { b' ' } else { b }).collect();
            quoted_printable(&spaced, anomalies)
        }
        _ => return None,
    };
    Some((charset.to_owned(), octets, rest))
}
