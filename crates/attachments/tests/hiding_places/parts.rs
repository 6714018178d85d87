//! Parts of mails: a file in each encoding.

use crate::packed::Packed;
use crate::packed::encoded::{base64, binhex, quoted, uuencoded, yenc};

/// A part of a mail before it is written.
#[derive(Clone)]
pub struct Part {
    /// The value of its Content-Type, without a name; none where it has no such field.
    pub mime: String,
    /// What stands behind the media type.
    pub typed: String,
    /// The value of its Content-Disposition.
    pub disposition: String,
    /// Values of its Content-Transfer-Encoding.
    pub encodings: Vec<&'static str>,
    pub body: Vec<u8>,
}

impl Part {
    /// It is text with a file in it, which is no attachment.
    pub fn is_text(&self) -> bool {
        self.disposition.is_empty()
    }

    /// Its fields, the empty line and its octets.
    pub fn written(&self) -> Vec<u8> {
        let mut out = format!("Content-Type: {}{}\r\n", self.mime, self.typed);
        for encoding in &self.encodings {
            out += &format!("Content-Transfer-Encoding: {encoding}\r\n");
        }
        if !self.disposition.is_empty() {
            out += &format!("Content-Disposition: {}\r\n", self.disposition);
        }
        let mut out = out.into_bytes();
        out.extend(b"\r\n");
        out.extend(&self.body);
        if !out.ends_with(b"\r\n") {
            out.extend(b"\r\n");
        }
        out
    }
}

/// A way to write octets into a mail.
pub struct Encoding {
    pub what: &'static str,
    /// Readers may take it in two ways, so that it is a finding whatever is in it.
    pub doubtful: bool,
    pub encode: fn(&Packed) -> Part,
}

fn attached(file: &Packed, encodings: &[&'static str], body: impl Into<Vec<u8>>) -> Part {
    Part {
        mime: file.mime.into(),
        typed: format!("; name=\"{}\"", file.name),
        disposition: format!("attachment; filename=\"{}\"", file.name),
        encodings: encodings.to_vec(),
        body: body.into(),
    }
}

/// Text with a file in it, which is no attachment by its fields.
fn in_text(body: Vec<u8>) -> Part {
    Part {
        mime: "text/plain".into(),
        typed: String::new(),
        disposition: String::new(),
        encodings: vec!["8bit"],
        body: [&b"See below.\r\n\r\n"[..], &body].concat(),
    }
}

/// Base64 with something between its digits.
fn between(octets: &[u8], what: &str, every: usize) -> String {
    let digits = base64(octets);
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at % every == every - 1 && digit.is_ascii_alphanumeric() {
            out += what;
        }
        out.push(digit);
    }
    out
}

/// Pieces of base64, each with its end.
fn pieces(octets: &[u8]) -> String {
    octets.chunks(40).map(base64).collect()
}

macro_rules! encoding {
    ($what:literal, $doubtful:literal, $encode:expr) => {
        Encoding {
            what: $what,
            doubtful: $doubtful,
            encode: $encode,
        }
    };
}

/// All of them.
pub const ENCODINGS: &[Encoding] = &[
    encoding!("base64", false, |file| attached(
        file,
        &["base64"],
        base64(&file.octets)
    )),
    encoding!("BASE64 with a comment", false, |file| attached(
        file,
        &["BASE64 (of the usual kind)"],
        base64(&file.octets)
    )),
    encoding!("base64 with foreign octets", true, |file| attached(
        file,
        &["base64"],
        between(&file.octets, "!*\x01", 11)
    )),
    encoding!("base64 in pieces", true, |file| attached(
        file,
        &["base64"],
        pieces(&file.octets)
    )),
    encoding!("base64 and words behind it", true, |file| attached(
        file,
        &["base64"],
        base64(&file.octets) + "\r\n-- \r\nA list: how to leave it.\r\n"
    )),
    encoding!("quoted-printable", false, |file| attached(
        file,
        &["quoted-printable"],
        quoted(&file.octets)
    )),
    encoding!("x-uuencode", false, |file| attached(
        file,
        &["x-uuencode"],
        uuencoded(&file.name, &file.octets)
    )),
    encoding!("uuencode in text", false, |file| in_text(uuencoded(
        &file.name,
        &file.octets
    ))),
    encoding!("yEnc in text", false, |file| in_text(yenc(&file.name, &file.octets))),
    encoding!("BinHex in text", false, |file| in_text(
        binhex(&file.name, &file.octets).into_bytes()
    )),
    encoding!("binary", false, |file| attached(
        file,
        &["binary"],
        [&file.octets[..], b"\r\n"].concat()
    )),
    encoding!("base64 that is called 7bit", true, |file| attached(
        file,
        &["7bit"],
        base64(&file.octets)
    )),
    encoding!("base64 that is called nothing", true, |file| attached(
        file,
        &[],
        base64(&file.octets)
    )),
    encoding!("7bit, then base64", true, |file| attached(
        file,
        &["7bit", "base64"],
        base64(&file.octets)
    )),
    encoding!("base64, then 7bit", true, |file| attached(
        file,
        &["base64", "7bit"],
        base64(&file.octets)
    )),
    encoding!("base64, then quoted-printable", true, |file| attached(
        file,
        &["base64", "quoted-printable"],
        base64(&file.octets)
    )),
];
