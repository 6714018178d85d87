//! The tag before a Subject (P-54). It breaks a DKIM signature that covers the Subject, which most do: verify first.

use std::fmt;

use crate::edit::lengthen;
use crate::field::{Field, Name, VALUE_MAX};
use crate::header::{Header, is_wsp};

/// Characters of a tag.
pub const TAG_MAX: usize = 64;

static SUBJECT: Name = Name::known("Subject");
static ORIGINAL: Name = Name::known("X-Original-Subject");

/// What is put before a Subject, like `[SPAM]`: 1 to [`TAG_MAX`] characters of printable ASCII, no space at its ends,
/// nothing that reads as an encoded word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubjectTag(Box<str>);

impl SubjectTag {
    /// Checks a tag.
    pub fn new(tag: &str) -> Result<SubjectTag, BadTag> {
        let good = (1..=TAG_MAX).contains(&tag.len())
            && tag.bytes().all(|b| matches!(b, b' '..=b'~'))
            && tag.trim() == tag
            && !tag.contains("=?");
        if good { Ok(SubjectTag(tag.into())) } else { Err(BadTag) }
    }

    /// The tag as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no tag. Whoever configured it must write 1 to 64 printable ASCII characters without spaces around.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadTag;

impl fmt::Display for BadTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a subject tag must be 1 to {TAG_MAX} printable ASCII characters without spaces around it and without \
             \"=?\", like [SPAM]"
        )
    }
}

impl std::error::Error for BadTag {}

/// A Subject with its tag.
pub(crate) struct Tagged {
    /// Fields to prepend: the kept original, or a Subject where there was none.
    pub(crate) prepend: Vec<u8>,
    /// What takes the place of the Subject that was there.
    pub(crate) replace: Option<Vec<u8>>,
}

/// Tags the Subject given; `None` if it carries all tags already or there are none. Several tags stand in their order.
pub(crate) fn tagged<'a>(subject: Option<Header<'_>>, tags: impl Iterator<Item = &'a SubjectTag>) -> Option<Tagged> {
    let value = subject.map(|subject| subject.unfolded()).unwrap_or_default();
    let mut seen: &[u8] = &value;
    let mut missing = String::new();
    for tag in tags {
        match seen.strip_prefix(tag.0.as_bytes()) {
            Some(rest) => seen = rest.trim_ascii_start(),
            None if missing.is_empty() => missing.push_str(&tag.0),
            None => {
                missing.push(' ');
                missing.push_str(&tag.0);
            }
        }
    }
    if missing.is_empty() {
        return None;
    }
    let Some(subject) = subject else {
        let field = Field::structured(&SUBJECT, &missing);
        return Some(Tagged {
            prepend: field.as_bytes().to_vec(),
            replace: None,
        });
    };

    let mut start = subject.lead().to_vec();
    start.push(b' ');
    start.extend_from_slice(missing.as_bytes());
    let tail = subject.tail().get(1..).unwrap_or_default();
    // A value that touches its colon must not touch the tag.
    let gap = if subject
        .value()
        .first()
        .is_some_and(|&b| !is_wsp(b) && b != b'\r' && b != b'\n')
    {
        b" ".as_slice()
    } else {
        b""
    };
    let mut replace = Vec::with_capacity(start.len() + tail.len() + 3);
    lengthen(&mut replace, &start, b"", &[gap, tail].concat());
    Some(Tagged {
        prepend: original(&subject),
        replace: Some(replace),
    })
}

/// The value as it was under the other name: octet for octet where it is plain ASCII in decent lines, else encoded.
fn original(subject: &Header<'_>) -> Vec<u8> {
    let value = subject.value();
    let plain = value.len() <= VALUE_MAX
        && value.split_inclusive(|&b| b == b'\n').enumerate().all(|(n, line)| {
            let ended = line.strip_suffix(b"\r\n");
            let text = ended.unwrap_or(line);
            (n == 0 || !text.trim_ascii().is_empty())
                && text.iter().all(|b| matches!(b, b' '..=b'~' | b'\t'))
                && text.len() + ORIGINAL.as_str().len() < crate::field::LINE_MAX
        });
    if !plain {
        return Field::encoded(&ORIGINAL, &subject.unfolded()).as_bytes().to_vec();
    }
    [ORIGINAL.as_str().as_bytes(), b":", value, b"\r\n"].concat()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::{Edit, Edits, Message};

    fn tag_with(tags: &[&str], mail: &[u8]) -> Vec<u8> {
        let edits: Edits = tags
            .iter()
            .map(|tag| Edit::Subject(SubjectTag::new(tag).unwrap()))
            .collect();
        let mut out = Vec::new();
        edits
            .apply(&Message::from_bytes(mail.to_vec()))
            .read()
            .read_to_end(&mut out)
            .unwrap();
        out
    }

    fn tag(mail: &str) -> String {
        String::from_utf8(tag_with(&["[SPAM]"], mail.as_bytes())).unwrap()
    }

    #[test]
    fn a_plain_subject_is_tagged_in_its_place_and_kept() {
        assert_eq!(
            tag("From: a\r\nSubject: hello\r\nTo: b\r\n\r\nSubject: x\r\n"),
            "X-Original-Subject: hello\r\nFrom: a\r\nSubject: [SPAM] hello\r\nTo: b\r\n\r\nSubject: x\r\n"
        );
    }

    #[test]
    fn encoded_words_stay_octet_for_octet() {
        assert_eq!(
            tag("Subject: =?iso-8859-1?Q?Gr=FC=DFe?= =?utf-8?b?w6Q=?=\r\n\r\n"),
            "X-Original-Subject: =?iso-8859-1?Q?Gr=FC=DFe?= =?utf-8?b?w6Q=?=\r\n\
             Subject: [SPAM] =?iso-8859-1?Q?Gr=FC=DFe?= =?utf-8?b?w6Q=?=\r\n\r\n"
        );
    }

    #[test]
    fn folds_stay_where_they_are() {
        assert_eq!(
            tag("Subject: one\r\n\ttwo\r\n  three\r\n\r\n"),
            "X-Original-Subject: one\r\n\ttwo\r\n  three\r\nSubject: [SPAM] one\r\n\ttwo\r\n  three\r\n\r\n"
        );
        assert_eq!(
            tag("Subject:\r\n one\r\n\r\n"),
            "X-Original-Subject:\r\n one\r\nSubject: [SPAM]\r\n one\r\n\r\n"
        );
    }

    #[test]
    fn an_empty_subject_is_tagged() {
        assert_eq!(
            tag("Subject:\r\n\r\n"),
            "X-Original-Subject:\r\nSubject: [SPAM]\r\n\r\n"
        );
        assert_eq!(
            tag("Subject: \r\n\r\n"),
            "X-Original-Subject: \r\nSubject: [SPAM] \r\n\r\n"
        );
    }

    #[test]
    fn a_value_that_touches_its_colon_does_not_touch_the_tag() {
        assert_eq!(
            tag("subject:hi\r\n\r\n"),
            "X-Original-Subject:hi\r\nsubject: [SPAM] hi\r\n\r\n"
        );
    }

    #[test]
    fn a_missing_subject_is_added() {
        assert_eq!(tag("From: a\r\n\r\nb"), "Subject: [SPAM]\r\nFrom: a\r\n\r\nb");
        assert_eq!(tag("no header\r\n"), "Subject: [SPAM]\r\n\r\nno header\r\n");
        assert_eq!(tag(""), "Subject: [SPAM]\r\n");
    }

    #[test]
    fn of_two_subjects_the_first_is_tagged() {
        assert_eq!(
            tag("Subject: a\r\nSubject: b\r\n\r\n"),
            "X-Original-Subject: a\r\nSubject: [SPAM] a\r\nSubject: b\r\n\r\n"
        );
    }

    #[test]
    fn a_tag_is_never_put_twice() {
        for mail in [
            "Subject: [SPAM] hi\r\n\r\n",
            "Subject:\r\n [SPAM]\r\n\r\n",
            "SUBJECT:[SPAM]hi\r\n\r\n",
        ] {
            assert_eq!(tag(mail), mail);
        }
        let once = tag("Subject: hi\r\n\r\n");
        assert_eq!(tag(&once), once);
        let once = tag("A: b\r\n\r\n");
        assert_eq!(tag(&once), once);
        assert_eq!(
            tag("Subject: Re: [SPAM]\r\n\r\n").lines().nth(1),
            Some("Subject: [SPAM] Re: [SPAM]")
        );
    }

    #[test]
    fn several_tags_stand_in_their_order() {
        let both = tag_with(&["[A]", "[B]"], b"Subject: [B] x\r\n\r\n");
        assert_eq!(both, b"X-Original-Subject: [B] x\r\nSubject: [A] [B] x\r\n\r\n");
        let both = tag_with(&["[A]", "[B]"], b"Subject: x\r\n\r\n");
        assert_eq!(tag_with(&["[A]", "[B]"], &both), both);
    }

    #[test]
    fn an_eight_bit_subject_stays_and_its_copy_is_ascii() {
        let out = tag_with(&["[SPAM]"], b"Subject: Gr\xfc\xdfe\r\n\r\n");
        assert_eq!(
            out,
            b"X-Original-Subject: =?unknown-8bit?q?Gr=FC=DFe?=\r\nSubject: [SPAM] Gr\xfc\xdfe\r\n\r\n"
        );
    }

    #[test]
    fn a_copy_of_an_indecent_subject_is_one_decent_field() {
        for value in [
            "a\r\n \r\n b",
            "a\rX: b",
            "a\n b",
            "a\0b",
            &"x".repeat(985),
            &"x y ".repeat(9_000),
        ] {
            let out = tag(&format!("Subject: {value}\r\n\r\nbody"));
            let end = out.find("\nSubject: [SPAM]").unwrap() + 1;
            let copy = &out[..end];
            assert!(
                copy.lines().all(|line| line.len() <= 998 && !line.trim().is_empty()),
                "{copy:?}"
            );
            assert!(
                copy.bytes().all(|b| matches!(b, b' '..=b'~' | b'\r' | b'\n')),
                "{copy:?}"
            );
        }
    }

    #[test]
    fn a_tagged_line_never_passes_998() {
        let value = "x".repeat(985);
        let out = tag(&format!("Subject: {value}\r\n\r\n"));
        assert!(out.ends_with(&format!("Subject: [SPAM]\r\n {value}\r\n\r\n")));
    }

    #[test]
    fn a_last_line_without_end_gets_none() {
        assert_eq!(tag("Subject: x"), "X-Original-Subject: x\r\nSubject: [SPAM] x");
    }

    #[test]
    fn tags_are_printable_ascii() {
        for bad in [
            "",
            " a",
            "a ",
            "a\r\nb",
            "\u{e4}",
            "=?utf-8?q?a?=",
            &"x".repeat(TAG_MAX + 1),
        ] {
            assert_eq!(SubjectTag::new(bad), Err(BadTag), "{bad:?}");
        }
        assert_eq!(SubjectTag::new("*** SPAM ***").unwrap().as_str(), "*** SPAM ***");
    }
}
