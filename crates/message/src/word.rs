//! A word that is taken out of a Subject: the code that somebody wrote behind it for us alone.
//!
//! **Invariants:** one word goes, the last that is the same octet for octet, with the white space on one side of it; nothing
//! else is refolded or re-encoded, no line becomes longer, none becomes empty. A word within an encoded word stays. Taking it
//! out breaks a DKIM signature that covers the Subject: look first ([`SignedNames`](crate::SignedNames)).

use std::fmt;

use crate::header::Header;

/// The most octets of a word.
pub const WORD_MAX: usize = 64;

/// A word of a Subject: 1 to [`WORD_MAX`] visible ASCII characters, nothing that reads as an encoded word.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubjectWord(Box<str>);

impl SubjectWord {
    /// Checks a word.
    pub fn new(word: &str) -> Result<SubjectWord, BadWord> {
        let good = (1..=WORD_MAX).contains(&word.len())
            && word.bytes().all(|b| matches!(b, b'!'..=b'~'))
            && !word.contains("=?");
        if good {
            Ok(SubjectWord(word.into()))
        } else {
            Err(BadWord)
        }
    }

    /// The word as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The text is no word of a Subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadWord;

impl fmt::Display for BadWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a word must be 1 to {WORD_MAX} visible ASCII characters without \"=?\""
        )
    }
}

impl std::error::Error for BadWord {}

/// A Subject field without these words; `None` where none of them is in it. `replaced` is what has taken its place already.
pub(crate) fn without<'a>(
    subject: &Header<'_>,
    replaced: Option<&[u8]>,
    words: impl Iterator<Item = &'a SubjectWord>,
) -> Option<Vec<u8>> {
    // What precedes the value stays as it is, whatever else was done to the field.
    let lead = subject.lead().len();
    let mut now: Option<Vec<u8>> = None;
    for word in words {
        let field = now.as_deref().or(replaced).unwrap_or(subject.raw());
        let (lead, value) = field.split_at_checked(lead)?;
        if let Some((before, after)) = parted(value, word.0.as_bytes()) {
            now = Some([lead, before, after].concat());
        }
    }
    now
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t' | b'\r' | b'\n')
}

/// What stays of a value on both sides of the last such word.
fn parted<'a>(value: &'a [u8], word: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut end = value.len();
    loop {
        let rest = value.get(..end)?;
        let last = rest.iter().rposition(|&b| !is_space(b))? + 1;
        let begin = rest
            .get(..last)?
            .iter()
            .rposition(|&b| is_space(b))
            .map_or(0, |at| at + 1);
        if rest.get(begin..last)? == word {
            return Some(trimmed(value.get(..begin)?, value.get(last..)?));
        }
        end = begin;
    }
}

/// Takes the white space off one side of what was taken out. A fold goes with a word that was alone on its line; it stays
/// where more follows, so that no line grows.
fn trimmed<'a>(before: &'a [u8], after: &'a [u8]) -> (&'a [u8], &'a [u8]) {
    let line = after.iter().position(|&b| b == b'\n').unwrap_or(after.len());
    let line = after.get(..line).unwrap_or_default();
    let line = match after.len() > line.len() {
        true => line.strip_suffix(b"\r").unwrap_or(line),
        false => line,
    };
    let ends = line.iter().all(|&b| is_space(b));
    let blanks = line.iter().take_while(|&&b| is_space(b)).count();
    let rest = after.get(blanks..).unwrap_or_default();
    let content = before.iter().rposition(|&b| !is_space(b)).map_or(0, |at| at + 1);
    let (content, space) = before.split_at_checked(content).unwrap_or((before, b""));
    match (ends, space.contains(&b'\n')) {
        (true, _) => (content, rest),
        (false, true) => (before, rest),
        (false, false) => (content, after),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::{Edit, Edits, Message, SubjectTag};

    fn edited(edits: Vec<Edit>, mail: &str) -> String {
        let mut out = Vec::new();
        let edited = Edits::from(edits).apply(&Message::from_bytes(mail.as_bytes().to_vec()));
        edited.read().read_to_end(&mut out).expect("octets in memory");
        String::from_utf8(out).expect("UTF-8")
    }

    fn word(word: &str) -> Edit {
        Edit::SubjectWithout(SubjectWord::new(word).expect("a word"))
    }

    fn cut(mail: &str) -> String {
        edited(vec![word("va9ytu5y")], mail)
    }

    #[test]
    fn a_word_goes_with_the_space_before_it() {
        for (value, left) in [
            (" Offer va9ytu5y", " Offer"),
            (" Offer va9ytu5y ", " Offer"),
            (" Offer va9ytu5y of today", " Offer of today"),
            (" va9ytu5y Offer", " Offer"),
            ("va9ytu5y Offer", " Offer"),
            ("va9ytu5y", ""),
            (" va9ytu5y va9ytu5y", " va9ytu5y"),
            (" one\r\n two va9ytu5y", " one\r\n two"),
            (" one\r\n va9ytu5y", " one"),
            (" one\r\n\tva9ytu5y \r\n two", " one\r\n two"),
            (" one\r\n va9ytu5y two", " one\r\n two"),
            ("\r\n va9ytu5y", ""),
            (" =?utf-8?q?a?= va9ytu5y", " =?utf-8?q?a?="),
        ] {
            let mail = |value| format!("From: a\r\nSubject:{value}\r\nTo: b\r\n\r\nva9ytu5y\r\n");
            assert_eq!(cut(&mail(value)), mail(left), "{value:?}");
        }
    }

    #[test]
    fn what_is_no_word_of_its_own_stays() {
        for value in [
            " Offer",
            "",
            " (va9ytu5y)",
            " va9ytu5y.",
            " VA9YTU5Y",
            " =?utf-8?q?Gr=C3=BC=C3=9Fe_va9ytu5y?=",
        ] {
            let mail = format!("From: va9ytu5y\r\nSubject:{value}\r\nSubject: va9ytu5y\r\n\r\nva9ytu5y\r\n");
            assert_eq!(cut(&mail), mail, "{value:?}");
        }
        assert_eq!(cut("From: a\r\n\r\nva9ytu5y"), "From: a\r\n\r\nva9ytu5y");
    }

    #[test]
    fn no_line_grows_where_a_fold_was() {
        let long = "x".repeat(990);
        let mail = format!("Subject: {long}\r\n va9ytu5y {long}\r\n\r\n");
        assert_eq!(cut(&mail), format!("Subject: {long}\r\n {long}\r\n\r\n"));
    }

    #[test]
    fn a_tag_and_a_word_are_independent() {
        let tag = || Edit::Subject(SubjectTag::new("[SPAM]").expect("a tag"));
        let mail = "Subject: Offer va9ytu5y\r\n\r\n";
        let want = "X-Original-Subject: Offer va9ytu5y\r\nSubject: [SPAM] Offer\r\n\r\n";
        assert_eq!(edited(vec![tag(), word("va9ytu5y")], mail), want);
        assert_eq!(edited(vec![word("va9ytu5y"), tag()], mail), want);
        assert_eq!(
            edited(vec![word("a"), word("b")], "Subject: b c a\r\n\r\n"),
            "Subject: c\r\n\r\n"
        );
    }

    #[test]
    fn a_head_without_an_end_keeps_its_fields_apart() {
        assert_eq!(cut("Subject: a va9ytu5y"), "Subject: a");
        assert_eq!(
            cut("Subject: a va9ytu5y\r\nno field\r\n"),
            "Subject: a\r\n\r\nno field\r\n"
        );
    }

    #[test]
    fn words_are_visible_ascii() {
        for bad in ["", "a b", "\u{e4}", "a\r\n", "=?utf-8?q?a?=", &"x".repeat(WORD_MAX + 1)] {
            assert_eq!(SubjectWord::new(bad), Err(BadWord), "{bad:?}");
        }
        assert_eq!(
            SubjectWord::new("(va9ytu5y)").map(|word| word.as_str().to_owned()),
            Ok("(va9ytu5y)".into())
        );
    }
}
