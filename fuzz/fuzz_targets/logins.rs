//! The name in an AUTH exchange is the one that a slow reader of base64 finds by the mechanism's own grammar, from the
//! first line and no other; a name that is put into each mechanism comes out of it.
//!
//! The input: one octet for the mechanism, then the client's lines.
#![no_main]

use gatepost_pipeline::auth::Exchange;

const MECHANISMS: [&str; 8] = [
    "PLAIN",
    "LOGIN",
    "CRAM-MD5",
    "XOAUTH2",
    "OAUTHBEARER",
    "SCRAM-SHA-256",
    "NTLM",
    "",
];
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648 §4, bit by bit.
fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bits = Vec::new();
    for letter in text.trim_end_matches('=').bytes() {
        let value = ALPHABET.iter().position(|known| *known == letter)?;
        bits.extend((0..6).rev().map(|n| value >> n & 1 == 1));
    }
    let octet = |bits: &[bool]| bits.iter().fold(0_u8, |octet, bit| octet << 1 | u8::from(*bit));
    Some(bits.chunks_exact(8).map(octet).collect())
}

fn encode(octets: &[u8]) -> String {
    let bits: Vec<bool> = octets
        .iter()
        .flat_map(|octet| (0..8).rev().map(move |n| octet >> n & 1 == 1))
        .collect();
    bits.chunks(6)
        .map(|six| {
            let value = (0..6).fold(0, |value, n| {
                value << 1 | usize::from(six.get(n).copied().unwrap_or(false))
            });
            char::from(ALPHABET[value])
        })
        .collect()
}

/// The name in what the first line says.
fn name(mechanism: &str, said: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(said).into_owned();
    let found = match mechanism {
        "PLAIN" => text.split('\0').nth(1)?.to_owned(),
        "LOGIN" => text,
        "CRAM-MD5" => text.rsplit_once(' ')?.0.to_owned(),
        "XOAUTH2" => text.split('\u{1}').find(|part| part.starts_with("user="))?[5..].to_owned(),
        "OAUTHBEARER" | "SCRAM-SHA-256" => {
            let parts: Vec<&str> = text.split([',', '\u{1}']).collect();
            match (parts.get(1), parts.get(2)) {
                (_, Some(who)) if who.starts_with("n=") => who[2..].to_owned(),
                (Some(whom), _) if whom.starts_with("a=") => whom[2..].to_owned(),
                _ => return None,
            }
        }
        _ => return None,
    };
    let good = !found.is_empty() && found.len() <= 255 && !found.chars().any(char::is_control);
    good.then_some(found)
}

fn heard(mechanism: &str, lines: &[&str]) -> Option<String> {
    let mut exchange = Exchange::new(mechanism);
    lines.iter().for_each(|line| exchange.hear(line));
    exchange.into_name().map(String::from)
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((which, rest)) = data.split_first() else {
        return;
    };
    let mechanism = MECHANISMS[usize::from(*which) % MECHANISMS.len()];
    let lines = String::from_utf8_lossy(rest);
    let lines: Vec<&str> = lines.split("\r\n").collect();
    let told = heard(mechanism, &lines);
    assert_eq!(told, heard(mechanism, &lines[..1]), "a later line changes the name");
    let said = decode(lines[0]);
    let expected = said.as_deref().and_then(|said| name(mechanism, said));
    // A replacement character stands for octets that are no text, which no name has.
    let odd = said.as_deref().is_some_and(|said| str::from_utf8(said).is_err());
    assert!(told == expected || odd, "{told:?} {expected:?}");
    if let Some(told) = &told {
        assert!((1..=Exchange::NAME_MAX).contains(&told.len()) && !told.contains(char::is_control));
        let said = String::from_utf8_lossy(said.as_deref().unwrap_or_default()).into_owned();
        assert!(said.contains(told.as_str()));
    }
    // What a client of each mechanism writes for this name.
    let user: String = lines[0]
        .chars()
        .filter(|c| !c.is_control() && *c != ',')
        .take(60)
        .collect();
    if !user.is_empty() {
        for (mechanism, said) in [
            ("PLAIN", format!("boss\0{user}\0secret")),
            ("LOGIN", user.clone()),
            ("CRAM-MD5", format!("{user} b913a602c7eda7a495b4e6e7334d3890")),
            ("XOAUTH2", format!("user={user}\u{1}auth=Bearer x\u{1}\u{1}")),
            ("OAUTHBEARER", format!("n,a={user},\u{1}auth=Bearer x\u{1}\u{1}")),
            ("SCRAM-SHA-1", format!("n,,n={user},r=nonce")),
        ] {
            for padded in ["", "="] {
                let line = format!("{}{padded}", encode(said.as_bytes()));
                assert_eq!(
                    heard(mechanism, &[&line, "c2VjcmV0"]).as_ref(),
                    Some(&user),
                    "{mechanism}"
                );
            }
        }
        assert_eq!(heard("NTLM", &[&encode(user.as_bytes())]), None);
    }
});
