//! Mail for tests: ordinary, broken, and hostile. All of it is ours.

use std::sync::Arc;

use gatepost_core::Message;

macro_rules! broken {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../../fixtures/mail/", $name, ".eml")).as_slice())),*]
    };
}

/// The broken mails of `fixtures/mail`, by name.
pub const BROKEN: &[(&str, &[u8])] = broken![
    "attachment-name-with-path-and-controls",
    "base64-of-nothing-legal",
    "body-without-header",
    "boundary-never-closed",
    "boundary-of-parent-in-child",
    "boundary-empty",
    "charset-unknown",
    "content-type-twice",
    "encoded-word-broken",
    "eight-bit-header",
    "field-name-with-space",
    "field-without-name",
    "field-without-value",
    "folded-blank-line",
    "from-twice",
    "from-with-group-and-comments",
    "header-only",
    "html-unclosed",
    "mbox-line-first",
    "nothing",
    "only-a-blank-line",
    "only-a-dot",
    "quoted-printable-truncated",
    "received-forged",
    "starts-with-blank-line",
    "starts-with-fold",
    "subject-twice",
];

/// An ordinary small mail.
pub const HAM: &[u8] = b"From: Ann <ann@b.example>\r\nTo: <carl@d.example>\r\nSubject: Lunch\r\nDate: Mon, 05 Jan 2026 12:00:00 +0000\r\nMessage-ID: <1@b.example>\r\n\r\nAt noon?\r\n";

/// Mail that is too large or too deep to be a file: long lines, many fields, deep nesting, every octet.
pub fn hostile() -> Vec<(String, Vec<u8>)> {
    let mut all: Vec<(String, Vec<u8>)> = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>| all.push((name.into(), bytes));
    add(
        "ten-thousand-fields",
        [b"X-A: b\r\n".repeat(10_000), b"\r\nbody\r\n".to_vec()].concat(),
    );
    add(
        "field-of-a-megabyte",
        [
            b"Subject: ".to_vec(),
            b"a".repeat(1 << 20),
            b"\r\n\r\nbody\r\n".to_vec(),
        ]
        .concat(),
    );
    add(
        "folds-without-end",
        [b"Subject: a\r\n".to_vec(), b" b\r\n".repeat(20_000), b"\r\n".to_vec()].concat(),
    );
    add(
        "line-of-a-megabyte",
        [b"Subject: a\r\n\r\n".to_vec(), b"b".repeat(1 << 20), b"\r\n".to_vec()].concat(),
    );
    let mut nested = Vec::new();
    for depth in 0..500 {
        nested.extend_from_slice(
            format!("Content-Type: multipart/mixed; boundary=b{depth}\r\n\r\n--b{depth}\r\n").as_bytes(),
        );
    }
    add("parts-five-hundred-deep", nested);
    add("mails-in-mails", b"Content-Type: message/rfc822\r\n\r\n".repeat(500));
    add(
        "ten-thousand-parts",
        [
            b"Content-Type: multipart/mixed; boundary=x\r\n\r\n".to_vec(),
            b"--x\r\n\r\na\r\n".repeat(10_000),
        ]
        .concat(),
    );
    add(
        "comments-in-comments",
        [b"From: ".to_vec(), b"(".repeat(10_000), b"a@b.example\r\n\r\n".to_vec()].concat(),
    );
    add(
        "tags-in-tags",
        [b"Content-Type: text/html\r\n\r\n".to_vec(), b"<div>".repeat(20_000)].concat(),
    );
    // Every octet but those that SMTP has made canonical or refused: NUL, CR and LF.
    let octets: Vec<u8> = (1..=255).filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    add(
        "every-octet",
        [b"Subject: ".as_slice(), &octets, b"\r\n\r\n", &octets, b"\r\n"].concat(),
    );
    all
}

/// [`HAM`], [`BROKEN`] and [`hostile`], as messages.
pub fn all() -> Vec<(String, Arc<Message>)> {
    let fixed = std::iter::once(("ham", HAM))
        .chain(BROKEN.iter().copied())
        .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()));
    fixed
        .chain(hostile())
        .map(|(name, bytes)| (name, Arc::new(Message::from_bytes(bytes))))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fixtures_are_canonical_lines_as_smtp_leaves_them() {
        for (name, bytes) in BROKEN {
            let text = String::from_utf8_lossy(bytes).replace("\r\n", "");
            assert!(
                !text.contains(['\r', '\n', '\0']),
                "{name} must have CR LF line ends and no NUL"
            );
        }
    }

    #[test]
    fn every_file_of_the_folder_is_listed() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/mail");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "eml"))
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        files.sort();
        let mut listed: Vec<_> = BROKEN.iter().map(|(name, _)| (*name).to_owned()).collect();
        listed.sort();
        assert_eq!(files, listed);
    }
}
