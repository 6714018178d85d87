//! Fields that readers behind us believe to be ours, so that strangers must not send them (P-52).
//!
//! Whether the mail is a stranger's, and what is thought of a field that is signed and so stays, is the policy's word.
//! Note that nobody has verified the signature here: a stranger can name any field in an `h=` list. So a kept field is
//! a finding, and whoever trusts our fields must look at the topmost of a name only.

use std::collections::BTreeMap;
use std::fmt;

use crate::dkim_names::SignedNames;
use crate::edit::Edit;
use crate::field::Name;
use crate::header::{Header, Headers};

/// Field names: one name, or all that begin alike, as `X-Spam-*`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamePattern {
    start: Name,
    open: bool,
}

impl NamePattern {
    /// The fields that only Gatepost writes.
    pub const OURS: NamePattern = NamePattern {
        start: Name::known("X-Gatepost-"),
        open: true,
    };

    /// The field in which we say what was proven.
    pub const RESULTS: NamePattern = NamePattern {
        start: Name::known("Authentication-Results"),
        open: false,
    };

    /// The fields that describe what a mail or a part contains.
    pub(crate) const CONTENT: NamePattern = NamePattern {
        start: Name::known("Content-"),
        open: true,
    };

    /// Reads a pattern: a field name, perhaps with a `*` at its end.
    pub fn new(pattern: &str) -> Result<NamePattern, BadPattern> {
        let (start, open) = match pattern.strip_suffix('*') {
            Some(start) => (start, true),
            None => (pattern, false),
        };
        match Name::new(start.to_owned()) {
            Ok(start) if !start.as_str().contains('*') => Ok(NamePattern { start, open }),
            _ => Err(BadPattern),
        }
    }

    /// Whether the pattern means this name, whatever the case of its letters.
    pub fn means(&self, name: &[u8]) -> bool {
        let start = self.start.as_str().as_bytes();
        let same = name
            .get(..start.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(start));
        same && (self.open || name.len() == start.len())
    }
}

/// The text is no pattern of header names. Whoever configured it must write a name, perhaps with `*` at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadPattern;

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a pattern must be a header name, or the beginning of one followed by *, like X-Spam-*")
    }
}

impl std::error::Error for BadPattern {}

/// The fields that were found, by their places in the header section.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Stripped {
    /// Those that can go.
    pub removed: Vec<usize>,
    /// Those that a DKIM signature covers, so that removing them would break it.
    pub signed_kept: Vec<usize>,
}

impl Stripped {
    /// The edits that remove exactly the fields in `removed`.
    pub fn edits<'a>(&'a self, headers: &'a Headers) -> impl Iterator<Item = Edit> + 'a {
        let fields = self.removed.iter().filter_map(|&place| headers.at(place));
        fields.map(|field| Edit::remove_this(&field))
    }
}

/// Finds the fields that pass for ours: [`NamePattern::OURS`] and those of the patterns given.
///
/// A signature that names a field once covers the lowest of that name (RFC 6376 §5.4.2), so the ones above it can go.
pub fn forged(headers: &Headers, patterns: &[NamePattern], signed: &SignedNames) -> Stripped {
    let means = |field: &Header<'_>| {
        NamePattern::OURS.means(field.name()) || patterns.iter().any(|pattern| pattern.means(field.name()))
    };
    let mut stripped = Stripped::default();
    let mut below: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
    for field in headers.iter().rev().filter(means) {
        let rank = below.entry(field.name().to_ascii_lowercase()).or_default();
        let list = if signed.covers(field.name(), *rank) {
            &mut stripped.signed_kept
        } else {
            &mut stripped.removed
        };
        list.push(field.index());
        *rank += 1;
    }
    stripped.removed.reverse();
    stripped.signed_kept.reverse();
    stripped
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::{Edits, Message};

    fn run(mail: &str) -> (Stripped, String) {
        let message = Message::from_bytes(mail.as_bytes().to_vec());
        let headers = message.headers();
        let patterns = ["X-Spam-*", "X-Assp-*", "X-Exact"].map(|p| NamePattern::new(p).unwrap());
        let stripped = forged(headers, &patterns, &SignedNames::of(headers));
        let edits: Edits = stripped.edits(headers).collect();
        let mut out = String::new();
        edits.apply(&message).read().read_to_string(&mut out).unwrap();
        (stripped, out)
    }

    #[test]
    fn forged_fields_go_and_lookalikes_stay() {
        let mail = "X-Spam-Status: No\r\nX-Spam: y\r\nx-assp-score: 0\r\n\t1\r\nX-GATEPOST-Level : none\r\n\
            X-Exact: 1\r\nX-Exactly: 1\r\nSubject: X-Spam-Status: No\r\n\r\nX-Spam-Status: No\r\n";
        let (stripped, out) = run(mail);
        let rest = "X-Spam: y\r\nX-Exactly: 1\r\nSubject: X-Spam-Status: No\r\n\r\nX-Spam-Status: No\r\n";
        assert_eq!(out, rest);
        assert_eq!(
            stripped,
            Stripped {
                removed: vec![0, 2, 3, 4],
                signed_kept: vec![]
            }
        );
    }

    #[test]
    fn a_signed_field_stays_and_is_reported() {
        let mail = "DKIM-Signature: v=1; h=From:X-SPAM-status; b=x\r\nX-Spam-Status: No\r\nX-Spam-Flag: No\r\n\r\n";
        let (stripped, out) = run(mail);
        assert_eq!(
            stripped,
            Stripped {
                removed: vec![2],
                signed_kept: vec![1]
            }
        );
        assert_eq!(
            out,
            "DKIM-Signature: v=1; h=From:X-SPAM-status; b=x\r\nX-Spam-Status: No\r\n\r\n"
        );
    }

    #[test]
    fn a_signature_keeps_only_the_lowest_of_a_name() {
        let mail = "X-Exact: top\r\nDKIM-Signature: h=from:x-exact; b=x\r\nX-Exact: mid\r\nx-exact: low\r\n\r\n";
        let (stripped, _) = run(mail);
        assert_eq!(
            stripped,
            Stripped {
                removed: vec![0, 2],
                signed_kept: vec![3]
            }
        );
    }

    #[test]
    fn a_long_name_is_no_hiding_place() {
        let (_, out) = run(&format!("X-Spam-{}: No\r\nA: b\r\n\r\n", "x".repeat(2_000)));
        assert_eq!(out, "A: b\r\n\r\n");
    }

    #[test]
    fn patterns_have_their_star_at_the_end() {
        for bad in ["", "*", "X-*-Y", "*X", "X Y*", "X:", "X**"] {
            assert_eq!(NamePattern::new(bad), Err(BadPattern), "{bad}");
        }
        assert!(NamePattern::new("X-*").unwrap().means(b"x-"));
        assert!(!NamePattern::new("X-A").unwrap().means(b"X-"));
    }
}
