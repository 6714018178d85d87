//! The subject of a mail as people read it: RFC 2047 words decoded.
//!
//! **Invariant:** the result is bounded and has no control character, whatever the mail says. A word in a character set
//! that is not known here stays as it is written.

/// The most characters of a subject that are kept.
pub const MAX: usize = 500;

/// A subject, decoded.
pub fn decode(raw: &[u8]) -> String {
    let text = String::from_utf8_lossy(raw.get(..8_192).unwrap_or(raw)).into_owned();
    let mut out = String::new();
    let (mut rest, mut after_word) = (text.as_str(), false);
    // Octets of words that follow one another: a character may be cut between two of them.
    let mut pending: (String, Vec<u8>) = Default::default();
    while let Some(at) = rest.find("=?") {
        let (between, from) = rest.split_at(at);
        match word(from) {
            Some((charset, octets, behind)) => {
                let blank = between.chars().all(char::is_whitespace);
                if !(after_word && blank) {
                    flush(&mut pending, &mut out);
                    out.push_str(between);
                }
                if pending.0 != charset {
                    flush(&mut pending, &mut out);
                    pending.0 = charset;
                }
                pending.1.extend_from_slice(&octets);
                (rest, after_word) = (behind, true);
            }
            None => {
                flush(&mut pending, &mut out);
                out.push_str(between);
                out.push_str("=?");
                (rest, after_word) = (from.get(2..).unwrap_or_default(), false);
            }
        }
    }
    flush(&mut pending, &mut out);
    out.push_str(rest);
    let flat = out.chars().map(|c| if c.is_control() { ' ' } else { c });
    flat.take(MAX).collect::<String>().trim().to_owned()
}

fn flush((charset, octets): &mut (String, Vec<u8>), out: &mut String) {
    match charset.as_str() {
        "iso-8859-1" | "latin1" => out.extend(octets.iter().map(|octet| char::from(*octet))),
        _ => out.push_str(&String::from_utf8_lossy(octets)),
    }
    octets.clear();
}

/// An encoded word at the beginning of a text: its character set, its octets, and what follows.
fn word(text: &str) -> Option<(String, Vec<u8>, &str)> {
    let (charset, rest) = text.strip_prefix("=?")?.split_once('?')?;
    let (encoding, rest) = rest.split_once('?')?;
    let (coded, behind) = rest.split_once("?=")?;
    // RFC 2231 lets a language follow.
    let charset = charset.split('*').next().unwrap_or_default().to_ascii_lowercase();
    if !matches!(charset.as_str(), "utf-8" | "us-ascii" | "iso-8859-1" | "latin1") {
        return None;
    }
    let octets = match encoding {
        "q" | "Q" => quoted(coded.as_bytes()),
        "b" | "B" => base64(coded.as_bytes())?,
        _ => return None,
    };
    Some((charset, octets, behind))
}

fn quoted(coded: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(coded.len());
    let mut rest = coded;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        let hex = |octet: &u8| char::from(*octet).to_digit(16);
        match (first, behind) {
            (b'=', [a, b, ..]) if hex(a).is_some() && hex(b).is_some() => {
                let value = hex(a).unwrap_or_default() * 16 + hex(b).unwrap_or_default();
                out.extend(u8::try_from(value));
                rest = behind.get(2..).unwrap_or_default();
            }
            (b'_', _) => out.push(b' '),
            (octet, _) => out.push(*octet),
        }
    }
    out
}

fn base64(coded: &[u8]) -> Option<Vec<u8>> {
    let (mut out, mut bits, mut have) = (Vec::with_capacity(coded.len()), 0u32, 0);
    for octet in coded.iter().take_while(|octet| **octet != b'=') {
        let value = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b' ' => continue,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        have += 6;
        if have >= 8 {
            have -= 8;
            out.push((bits >> have) as u8);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_decoded_and_what_is_none_stays() {
        let cases = [
            ("hello", "hello"),
            ("=?UTF-8?Q?Gr=C3=BC=C3=9Fe_an?= alle", "Grüße an alle"),
            ("=?utf-8?B?R3LDvMOfZQ==?=", "Grüße"),
            ("=?iso-8859-1?q?Gr=FC=DFe?=", "Grüße"),
            ("=?utf-8?q?a?= =?utf-8?q?b?= c", "ab c"),
            ("=?utf-8?b?w4M=?=\t=?utf-8?q?x?=", "Ãx"),
            ("=?utf-8?q?Gr=C3?= =?utf-8?q?=BC?=", "Grü"),
            ("=?koi8-r?q?=C1?= x", "=?koi8-r?q?=C1?= x"),
            ("=?utf-8?b?$$?= =? =?", "=?utf-8?b?$$?= =? =?"),
            ("a\u{7}b=?utf-8?q?=0D=0A?=", "a b"),
        ];
        for (raw, decoded) in cases {
            assert_eq!(decode(raw.as_bytes()), decoded, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn any_octets_have_a_bounded_subject(raw in prop::collection::vec(any::<u8>(), 0..600)) {
            let subject = decode(&raw);
            prop_assert!(subject.chars().count() <= MAX && !subject.chars().any(char::is_control));
        }
    }
}
