//! Encodings of parts: those of MIME (RFC 2045), and those from before it.

/// A line of so many octets of base64 and quoted-printable.
const LINE: usize = 76;

pub fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in octets.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * n) & 63) as usize];
            out.push(if n > three.len() { '=' } else { digit.into() });
        }
    }
    lines(out.as_bytes())
}

fn lines(text: &[u8]) -> String {
    let line = |line: &[u8]| String::from_utf8_lossy(line).into_owned() + "\r\n";
    text.chunks(LINE).map(line).collect()
}

pub fn quoted(octets: &[u8]) -> String {
    let coded: Vec<String> = octets.iter().map(|octet| format!("={octet:02X}")).collect();
    let line = |line: &[String]| line.concat() + "=\r\n";
    coded.chunks(LINE / 3).map(line).collect::<String>() + "\r\n"
}

pub fn uuencoded(name: &str, octets: &[u8]) -> Vec<u8> {
    let digit = |bits: u32| if bits & 63 == 0 { b'`' } else { 32 + (bits & 63) as u8 };
    let mut out = format!("begin 644 {name}\r\n").into_bytes();
    for line in octets.chunks(45) {
        out.push(digit(line.len() as u32));
        for three in line.chunks(3) {
            let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            out.extend([18, 12, 6, 0].map(|shift| digit(bits >> shift)));
        }
        out.extend(b"\r\n");
    }
    out.extend(b"`\r\nend\r\n");
    out
}

pub fn yenc(name: &str, octets: &[u8]) -> Vec<u8> {
    let size = octets.len();
    let mut out = format!("=ybegin line=128 size={size} name={name}\r\n").into_bytes();
    for line in octets.chunks(128) {
        for octet in line {
            let coded = octet.wrapping_add(42);
            match coded {
                0 | b'\r' | b'\n' | b'=' | b'.' | b'\t' | b' ' => out.extend([b'=', coded.wrapping_add(64)]),
                _ => out.push(coded),
            }
        }
        out.extend(b"\r\n");
    }
    out.extend(format!("=yend size={size} crc32={:08x}\r\n", crc32fast::hash(octets)).bytes());
    out
}

/// The sum of BinHex: CRC-16/XMODEM of the octets, big end first.
fn sum(octets: &[u8]) -> [u8; 2] {
    let step = |sum: u16, _| if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x1021 };
    let all = octets
        .iter()
        .fold(0_u16, |sum, octet| (0..8).fold(sum ^ u16::from(*octet) << 8, step));
    all.to_be_bytes()
}

/// BinHex 4.0 (RFC 1741).
pub fn binhex(name: &str, octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
    let name = name.get(..name.len().min(63)).unwrap_or_default();
    let mut head = vec![name.len() as u8];
    head.extend(name.bytes());
    head.extend(b"\0????????\0\0");
    head.extend((octets.len() as u32).to_be_bytes());
    head.extend([0; 4]);
    let all = [&head, &sum(&head)[..], octets, &sum(octets), &[0; 2]].concat();
    // A run is written as the octet, 0x90 and its length; a single 0x90 as 0x90 0.
    let mut runs = Vec::new();
    for octet in all {
        runs.push(octet);
        if octet == 0x90 {
            runs.push(0);
        }
    }
    let mut text = b":".to_vec();
    for three in runs.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..=three.len() {
            text.push(DIGITS[(bits >> (18 - 6 * n) & 63) as usize]);
        }
    }
    text.push(b':');
    let coded: String = text
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n")
        .collect();
    format!("(This file must be converted with BinHex 4.0)\r\n\r\n{coded}")
}
