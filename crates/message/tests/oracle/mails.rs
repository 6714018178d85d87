//! Mails that hide a file, and what is given of them.

use gatepost_message::Message;
use gatepost_message::enclosed::{Origin, Survey};

/// A file that nobody takes for text.
pub const EVIL: &[u8] =
    b"MZ\x90\0\x03\0evil: this program cannot be run in any mode, for it is none at all\0\x01\x02\x03";

pub fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for three in octets.chunks(3) {
        let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * n) & 63) as usize] as char;
            out.push(if n > three.len() { '=' } else { digit });
        }
    }
    out.as_bytes()
        .chunks(76)
        .map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n")
        .collect()
}

pub fn evil() -> String {
    base64(EVIL)
}

/// What the tests look at of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct File {
    pub names: Vec<String>,
    pub mimes: Vec<String>,
    pub octets: Vec<u8>,
    pub shown: bool,
    pub message: bool,
    pub whole: bool,
    pub origin: Origin,
    pub part: usize,
    pub depth: usize,
    pub range: std::ops::Range<u64>,
}

pub fn all(mail: &[u8]) -> (Vec<File>, Survey) {
    let message = Message::from_bytes(mail.to_vec());
    let mut files = Vec::new();
    let survey = message.enclosed(1 << 20, &|| false, &mut |file| {
        files.push(File {
            names: file.names.to_vec(),
            mimes: file.mimes.to_vec(),
            octets: file.octets.to_vec(),
            shown: file.shown,
            message: file.message,
            whole: file.whole,
            origin: file.origin,
            part: file.part,
            depth: file.depth,
            range: file.stretch.range(),
        });
    });
    (files, survey)
}

/// What is said of a mail in which the file is found.
pub fn said(mail: &str) -> Vec<&'static str> {
    let (files, survey) = all(mail.as_bytes());
    assert!(
        files.iter().any(|file| file.octets.starts_with(EVIL)),
        "{mail}\n{files:#?}"
    );
    assert!(!survey.excess.any());
    survey.ambiguity.names().collect()
}

pub const PLAIN: &str = "Content-Type: text/plain\r\n\r\nHello\r\n";

/// The part that has the file.
pub fn part() -> String {
    format!(
        "Content-Type: application/octet-stream; name=a.exe\r\nContent-Disposition: attachment; filename=a.exe\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}",
        evil()
    )
}

/// A mail with the file as its second part.
pub fn mixed(part: &str) -> String {
    format!(
        "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n\
         --b\r\n{PLAIN}--b\r\n{part}--b--\r\n"
    )
}
