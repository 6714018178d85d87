//! The corpus folders of the original: which label a folder's name gives, what its files have that no mail has, and which
//! mails of `spam` and `notspam` are the same as one that somebody corrected.

use std::collections::HashSet;
use std::path::Path;

use gatepost_core::Label;
use gatepost_core::message::split;
use xxhash_rust::xxh3::xxh3_128;

/// So much of a body is compared, as the original does: it kept the first part of a mail only, where told to.
const COMPARED: usize = 4_000;

/// The folders that give a label, below the path that holds them. `ham` is not the original's, but meant by everybody.
pub const FOLDERS: [(&str, Label, bool); 5] = [
    ("errors/notspam", Label::Ham, true),
    ("errors/spam", Label::Spam, true),
    ("notspam", Label::Ham, false),
    ("ham", Label::Ham, false),
    ("spam", Label::Spam, false),
];

/// What a folder's own name says: its label, and whether its mails are corrections.
pub fn named(path: &Path) -> Option<(Label, bool)> {
    // `.` and `..` have other names where they lead to.
    let path = std::fs::canonicalize(path).ok()?;
    FOLDERS
        .iter()
        .find(|(name, ..)| path.ends_with(name))
        .map(|(_, label, correction)| (*label, *correction))
}

/// The mail without the fields that the original wrote into it, its verdict among them.
pub fn without_own_fields(mail: Vec<u8>) -> Vec<u8> {
    let head = split(&mail);
    let mut own = false;
    let mut fields = Vec::with_capacity(mail.len());
    let mut found = false;
    for line in mail
        .get(..head)
        .unwrap_or_default()
        .split_inclusive(|octet| *octet == b'\n')
    {
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        own = if folded {
            own
        } else {
            line.get(..7).is_some_and(|name| name.eq_ignore_ascii_case(b"X-Assp-"))
        };
        found |= own;
        if !own {
            fields.extend_from_slice(line);
        }
    }
    if !found {
        return mail;
    }
    fields.extend_from_slice(mail.get(head..).unwrap_or_default());
    fields
}

/// Mails that somebody corrected, by a hash of the beginning of the body. The body alone: the head of a reported copy differs.
#[derive(Debug, Default)]
pub struct Corrected(HashSet<u128>);

impl Corrected {
    fn key(mail: &[u8]) -> u128 {
        let body = mail.get(split(mail)..).unwrap_or_default();
        let compared = if body.is_empty() { mail } else { body };
        xxh3_128(compared.get(..COMPARED).unwrap_or(compared))
    }

    /// Remembers a corrected mail.
    pub fn insert(&mut self, mail: &[u8]) {
        self.0.insert(Corrected::key(mail));
    }

    /// Whether the same mail was corrected.
    pub fn has(&self, mail: &[u8]) -> bool {
        !self.0.is_empty() && self.0.contains(&Corrected::key(mail))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_own_fields_go_with_their_folds_and_others_stay() {
        let mail =
            b"X-Assp-Version: 2\r\n more\r\nSubject: x\r\n folded\r\nx-assp-spam: YES\r\n\r\nX-Assp-In: body\r\n";
        assert_eq!(
            without_own_fields(mail.to_vec()),
            b"Subject: x\r\n folded\r\n\r\nX-Assp-In: body\r\n"
        );
        let mail = b"Subject: x\r\n\r\nbody".to_vec();
        assert_eq!(without_own_fields(mail.clone()), mail);
        assert_eq!(without_own_fields(b"X-Assp-".to_vec()), b"X-Assp-");
    }

    #[test]
    fn mails_are_the_same_by_the_beginning_of_their_bodies() {
        let mut corrected = Corrected::default();
        assert!(!corrected.has(b"Subject: x\r\n\r\nbody\r\n"));
        corrected.insert(b"Subject: x\r\n\r\nbody\r\n");
        assert!(corrected.has(b"Subject: [SPAM] x\r\n\r\nbody\r\n"));
        assert!(!corrected.has(b"Subject: x\r\n\r\nbody 2\r\n"));
        let long = "x".repeat(COMPARED);
        corrected.insert(format!("A: b\r\n\r\n{long}y").as_bytes());
        assert!(
            corrected.has(format!("C: d\r\n\r\n{long}").as_bytes()),
            "the original may have kept so much only"
        );
        corrected.insert(b"Subject: nothing below\r\n\r\n");
        assert!(!corrected.has(b"Subject: nor below this\r\n\r\n"));
    }
}
