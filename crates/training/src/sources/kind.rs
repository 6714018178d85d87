//! What a file is, by its first octets. Its name says nothing: collections are called as people like.

use super::{mbox, tar};

/// So many octets are looked at.
pub const LOOKED_AT: usize = 8 << 10;
/// The most lines of a header that are looked at.
const LINES: usize = 100;

/// What a file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A mail.
    Mail,
    /// Mails one behind another.
    Mbox,
    /// An archive of files.
    Tar,
}

/// What is said of a file that is none of these.
pub const LOOKED_FOR: &str = "neither a mail (a header with From, To, Subject, Date, Received or the like), nor an mbox (it \
    begins with `From sender date`), nor a tar archive, nor one of these packed with gzip or zstd";

/// Fields of which a mail has one at least, in lower case.
const FIELDS: [&[u8]; 16] = [
    b"from",
    b"to",
    b"cc",
    b"subject",
    b"date",
    b"received",
    b"return-path",
    b"delivered-to",
    b"message-id",
    b"sender",
    b"reply-to",
    b"mime-version",
    b"content-type",
    b"x-original-to",
    b"x-mailer",
    b"envelope-to",
];

/// What begins with these octets; nothing where it is nothing of this.
pub fn kind(head: &[u8]) -> Option<Kind> {
    if tar::is_header(head) {
        return Some(Kind::Tar);
    }
    let mut lines = head.split_inclusive(|octet| *octet == b'\n');
    let first = lines.by_ref().find(|line| !line.trim_ascii().is_empty())?;
    if mbox::is_from_line(first) {
        return Some(Kind::Mbox);
    }
    let header = std::iter::once(first).chain(lines).take(LINES);
    let mut header = header.take_while(|line| !line.trim_ascii().is_empty());
    header.any(is_field).then_some(Kind::Mail)
}

fn is_field(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|octet| *octet == b':') else {
        return false;
    };
    let name = line[..colon].trim_ascii_end();
    FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name))
        || name.len() > 2 && name[..2].eq_ignore_ascii_case(b"x-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_mboxes_and_archives_are_told_apart_by_what_stands_in_them() {
        for (head, is) in [
            ("Subject: x\r\n", Some(Kind::Mail)),
            ("Odd: y\n folded\nFROM : a@b.example\n", Some(Kind::Mail)),
            ("From a@b.example\nX-Spam: y\n\n", Some(Kind::Mail)),
            ("X-Assp-ID: 5\n", Some(Kind::Mail)),
            (
                "From a@b.example Thu Aug 22 13:17:22 2002\nSubject: x\n",
                Some(Kind::Mbox),
            ),
            ("\r\n\nFrom - Thu Aug 22 13:17:22 2002\n", Some(Kind::Mbox)),
            ("# a script\nfrom os import path\n\nSubject: x\n", None),
            ("{\"from\": 5}\n", None),
            ("label\tfile\n", None),
            ("", None),
            ("\n\n", None),
            ("no line end", None),
        ] {
            assert_eq!(kind(head.as_bytes()), is, "{head}");
        }
    }
}
