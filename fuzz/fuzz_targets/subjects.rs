//! A Subject is read as what it was written from, in whatever encoded words (RFC 2047); any other octets become bounded
//! text without control characters.
#![no_main]

#[path = "../../crates/archive/src/subject.rs"]
mod subject;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

fn base64(octets: &[u8]) -> String {
    let mut out = String::new();
    for group in octets.chunks(3) {
        let mut bits = 0_u32;
        for n in 0..3 {
            bits = bits << 8 | u32::from(group.get(n).copied().unwrap_or(0));
        }
        for n in 0..4 {
            out.push(if n > group.len() {
                '='
            } else {
                char::from(ALPHABET[(bits >> (18 - 6 * n) & 63) as usize])
            });
        }
    }
    out
}

/// Encoded words of these octets; each says by an octet of `how` how many it takes and in which encoding.
fn words(octets: &[u8], how: &[u8], charset: &str) -> String {
    let (mut out, mut rest, mut turn) = (Vec::new(), octets, how.iter().cycle());
    while !rest.is_empty() {
        let how = turn.next().copied().unwrap_or(0);
        let (now, later) = rest.split_at((usize::from(how >> 1) % 32 + 1).min(rest.len()));
        out.push(match how & 1 {
            0 => format!("=?{charset}?B?{}?=", base64(now)),
            _ => format!(
                "=?{charset}?q?{}?=",
                now.iter().map(|octet| format!("={octet:02X}")).collect::<String>()
            ),
        });
        rest = later;
    }
    out.join("\r\n ")
}

/// What is shown of a text.
fn shown(text: &str) -> String {
    let flat = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    flat.take(subject::MAX).collect::<String>().trim().to_owned()
}

/// The octets of a Subject that are looked at.
const LOOKED_AT: usize = 8_192;

fn comes_back(octets: &[u8], how: &[u8], charset: &str, meant: &str) {
    let words = words(octets, how, charset);
    if words.len() <= LOOKED_AT {
        assert_eq!(subject::decode(words.as_bytes()), shown(meant), "{words}");
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let any = subject::decode(data);
    assert!(any.chars().count() <= subject::MAX && !any.chars().any(char::is_control));
    assert_eq!(any, any.trim());
    let (how, rest) = data.split_at(data.len().min(4));
    let text = String::from_utf8_lossy(rest.get(..400).unwrap_or(rest)).into_owned();
    comes_back(text.as_bytes(), how, "utf-8", &text);
    comes_back(text.as_bytes(), how, "US-ASCII*en", &text);
    let latin: Vec<u8> = rest.iter().copied().take(400).collect();
    let meant: String = latin.iter().copied().map(char::from).collect();
    comes_back(&latin, how, "ISO-8859-1", &meant);
    // What has no encoded word in it stays as it is.
    if !text.contains("=?") {
        assert_eq!(subject::decode(text.as_bytes()), shown(&text));
    }
});
