//! An mbox, cut into its mails.
//!
//! **The rule.** A mail begins behind a line `From sender date`, the date in the form of asctime or of mail, with a weekday,
//! a month, a time and a year; the line counts only where the file begins or behind a blank line, which then belongs to
//! the mbox and to no mail. Of a line that begins with `>From `, however many `>` stand there, one is taken off: so mboxrd
//! comes back as it was, and mboxo as well as it can. `Content-Length` is not trusted: it is wrong wherever line ends were
//! changed. Lines end in CR LF in the mail, whatever they ended in before.
//!
//! **Bounds:** a mail that is longer than allowed is read over, not kept; a line needs no memory but its mail's.

use std::io::{self, BufRead, Read as _};

/// The most octets of a line that are looked at in one piece.
const PIECE: u64 = 64 << 10;
/// The longest `From ` line.
const FROM_MAX: usize = 1_000;

/// A mail out of an mbox, or why there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cut {
    /// The mail, with CR LF line ends.
    Mail(Vec<u8>),
    /// It has so many octets, which are too many.
    TooLong(u64),
}

/// Cuts an mbox into mails. What it reads from is given at each call, and must be the same each time.
#[derive(Debug)]
pub struct Splitter {
    max: usize,
    /// The line that opens the next mail was read.
    open: bool,
    begun: bool,
    line: Vec<u8>,
}

impl Splitter {
    /// For mails of at most `max` octets.
    pub fn new(max: usize) -> Splitter {
        Splitter {
            max,
            open: false,
            begun: false,
            line: Vec::new(),
        }
    }

    /// The next mail; nothing where the mbox ends. What stands before the first `From ` line is a mail, too.
    pub fn next(&mut self, from: &mut dyn BufRead) -> io::Result<Option<Cut>> {
        let mut mail = Growing::new(self.max);
        let mut whole = true;
        loop {
            self.line.clear();
            let read = (&mut *from).take(PIECE).read_until(b'\n', &mut self.line)?;
            if read == 0 {
                let open = std::mem::take(&mut self.open);
                return Ok((open || !mail.is_empty()).then(|| mail.cut()));
            }
            let first = whole && (mail.blank || !self.begun);
            if first && is_from_line(&self.line) {
                let ready = self.begun && (self.open || !mail.is_empty());
                (self.open, self.begun) = (true, true);
                if ready {
                    return Ok(Some(mail.cut()));
                }
                mail = Growing::new(self.max);
                continue;
            }
            // Blank lines above the first mail are nobody's.
            if self.begun || !is_blank(&self.line) {
                self.begun = true;
                mail.push(&self.line, whole);
            }
            whole = self.line.ends_with(b"\n");
        }
    }
}

/// A mail that grows line by line. A blank line at its end waits until something follows it.
struct Growing {
    octets: Vec<u8>,
    max: usize,
    over: u64,
    blank: bool,
}

impl Growing {
    fn new(max: usize) -> Growing {
        Growing {
            octets: Vec::new(),
            max,
            over: 0,
            blank: false,
        }
    }

    fn is_empty(&self) -> bool {
        self.octets.is_empty() && self.over == 0
    }

    /// Puts a line to it, or a piece of one; `start` where a line begins with it.
    fn push(&mut self, line: &[u8], start: bool) {
        if std::mem::take(&mut self.blank) {
            self.octets.extend_from_slice(b"\r\n");
        }
        self.blank = start && is_blank(line);
        if !self.blank {
            // The CR of a line end may be the last octet of the piece before.
            if !start && line == b"\n" && self.octets.last() == Some(&b'\r') {
                self.octets.pop();
            }
            push_line(&mut self.octets, if start { unquoted(line) } else { line });
        }
        if self.over > 0 || self.octets.len() > self.max {
            self.over += self.octets.len() as u64;
            self.octets = Vec::new();
        }
    }

    fn cut(self) -> Cut {
        if self.over > 0 {
            Cut::TooLong(self.over)
        } else {
            Cut::Mail(self.octets)
        }
    }
}

fn is_blank(line: &[u8]) -> bool {
    matches!(line, b"\n" | b"\r\n")
}

/// The line without one `>` where it says `From ` behind several or one.
fn unquoted(line: &[u8]) -> &[u8] {
    let quotes = line.iter().take_while(|octet| **octet == b'>').count();
    match line.get(1..) {
        Some(rest) if quotes > 0 && line.get(quotes..).is_some_and(|line| line.starts_with(b"From ")) => rest,
        _ => line,
    }
}

/// Appends a line with CR LF in place of its LF or CR LF; what has no line end gets none.
fn push_line(to: &mut Vec<u8>, line: &[u8]) {
    match line.strip_suffix(b"\n") {
        Some(text) => {
            to.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
            to.extend_from_slice(b"\r\n");
        }
        None => to.extend_from_slice(line),
    }
}

/// The octets with CR LF line ends, as they would be after DATA.
pub fn with_crlf(octets: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(octets.len() + octets.len() / 32);
    let mut rest = octets;
    while let Some(at) = memchr::memchr(b'\n', rest) {
        let (line, more) = rest.split_at(at + 1);
        push_line(&mut out, line);
        rest = more;
    }
    out.extend_from_slice(rest);
    out
}

/// Whether this line opens a mail of an mbox: `From`, a sender or none, and a date.
pub fn is_from_line(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else {
        return false;
    };
    if line.len() > FROM_MAX {
        return false;
    }
    let mut words = rest
        .split(|octet| octet.is_ascii_whitespace())
        .filter(|word| !word.is_empty())
        .map(|word| word.strip_suffix(b",").unwrap_or(word));
    if !words.any(|word| is_one_of(word, b"MonTueWedThuFriSatSun")) {
        return false;
    }
    let (mut month, mut time, mut year) = (false, false, false);
    for word in words {
        month |= is_one_of(word, b"JanFebMarAprMayJunJulAugSepOctNovDec");
        time |= is_time(word);
        year |= matches!(word, [b'1', b'9', ..] | [b'2', b'0', ..]) && is_digits(word, 4..=4);
    }
    month && time && year
}

fn is_one_of(word: &[u8], names: &[u8]) -> bool {
    word.len() == 3 && names.chunks(3).any(|name| name.eq_ignore_ascii_case(word))
}

fn is_digits(word: &[u8], long: std::ops::RangeInclusive<usize>) -> bool {
    long.contains(&word.len()) && word.iter().all(u8::is_ascii_digit)
}

/// `13:17` or `13:17:22`.
fn is_time(word: &[u8]) -> bool {
    let parts: Vec<&[u8]> = word.split(|octet| *octet == b':').take(4).collect();
    (2..=3).contains(&parts.len()) && parts.iter().all(|part| is_digits(part, 1..=2))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FROM: &str = "From a@b.example Thu Aug 22 13:17:22 2002\n";

    fn cut(mbox: &[u8], max: usize) -> Vec<Cut> {
        let mut splitter = Splitter::new(max);
        let mut from = mbox;
        std::iter::from_fn(|| splitter.next(&mut from).expect("memory is readable")).collect()
    }

    fn mails(mbox: &str) -> Vec<String> {
        let told = |cut| match cut {
            Cut::Mail(mail) => String::from_utf8(mail).expect("text"),
            Cut::TooLong(long) => format!("too long: {long}"),
        };
        cut(mbox.as_bytes(), 1_000).into_iter().map(told).collect()
    }

    #[test]
    fn mails_end_at_a_from_line_behind_a_blank_line_and_nowhere_else() {
        let text = format!("{FROM}Subject: 1\n\nFrom here to Monday\n\n{FROM}Subject: 2\n\nat once:\n{FROM}end\n");
        assert_eq!(
            mails(&text),
            [
                "Subject: 1\r\n\r\nFrom here to Monday\r\n".to_owned(),
                format!("Subject: 2\r\n\r\nat once:\r\n{}end\r\n", FROM.replace('\n', "\r\n")),
            ]
        );
    }

    #[test]
    fn one_quote_is_taken_off_and_other_lines_keep_theirs() {
        let text = format!("{FROM}A: b\n\n>From x\n>>From y\n>from z\n> From w\n");
        assert_eq!(
            mails(&text),
            ["A: b\r\n\r\nFrom x\r\n>From y\r\n>from z\r\n> From w\r\n"]
        );
    }

    #[test]
    fn a_length_that_somebody_wrote_is_not_believed() {
        let text = format!("{FROM}Content-Length: 9999\n\nshort\n\n{FROM}A: b\n\n\n");
        assert_eq!(mails(&text), ["Content-Length: 9999\r\n\r\nshort\r\n", "A: b\r\n\r\n"]);
    }

    #[test]
    fn a_mail_that_is_too_long_is_passed_over_and_the_next_one_read() {
        let long = "x".repeat(70_000);
        let text = format!("{FROM}A: b\n\n{long}\n{long}\n\n{FROM}C: d\n\n");
        assert_eq!(mails(&text), ["too long: 140012", "C: d\r\n"]);
    }

    #[test]
    fn an_empty_mail_is_a_mail_and_an_empty_mbox_has_none() {
        assert_eq!(mails(&format!("\n\n{FROM}\n{FROM}A: b\n")), ["", "A: b\r\n"]);
        assert_eq!(mails(""), Vec::<String>::new());
        assert_eq!(mails("\n\n"), Vec::<String>::new());
        assert_eq!(mails("A: b\n\nno line above\n"), ["A: b\r\n\r\nno line above\r\n"]);
    }

    #[test]
    fn from_lines_are_told_from_sentences() {
        for line in [
            "From a@b.example Thu Aug 22 13:17:22 2002",
            "From a@b.example  Thu Aug  2 13:17:22 2002",
            "From - Sat Jan 01 00:00:00 2000\r\n",
            "From MAILER-DAEMON Fri Jul  8 12:08:34 2011\n",
            "From 1234567890@xxx Mon Jan 01 12:00:00 +0000 2020",
            "From a b@c Thu Aug 22 13:17 MET DST 2002",
            "From  Thu Aug 22 13:17:22 2002",
            "From a@b.example Thu, 22 Aug 2002 13:17:22 +0100",
        ] {
            assert!(is_from_line(line.as_bytes()), "{line}");
        }
        for line in [
            "From now on we meet on Thu at 13:17",
            "From Jan to Aug 2002, Thu 13:17",
            "From: a@b.example Thu Aug 22 13:17:22 2002",
            "from a@b.example Thu Aug 22 13:17:22 2002",
            " From a@b.example Thu Aug 22 13:17:22 2002",
            "From a@b.example Thu Aug 22 13:17:22:01 2002",
            "From a@b.example Thu Aug 22 131722 2002",
            "From ",
        ] {
            assert!(!is_from_line(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn a_line_end_that_two_pieces_share_is_one_line_end() {
        for long in PIECE - 2..PIECE + 2 {
            let text = "x".repeat(long as usize);
            let mut mail = cut(format!("{FROM}{text}\r\ny\r\n").as_bytes(), 1 << 20);
            assert_eq!(
                mail.pop(),
                Some(Cut::Mail(format!("{text}\r\ny\r\n").into_bytes())),
                "{long}"
            );
        }
    }

    /// An mbox as mboxrd has it.
    fn written(mails: &[Vec<u8>]) -> Vec<u8> {
        let mut out = Vec::new();
        for mail in mails {
            out.extend_from_slice(FROM.as_bytes());
            for line in mail.split_inclusive(|octet| *octet == b'\n') {
                let quotes = line.iter().take_while(|octet| **octet == b'>').count();
                if line[quotes..].starts_with(b"From ") {
                    out.push(b'>');
                }
                out.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
                out.push(b'\n');
            }
            out.push(b'\n');
        }
        out
    }

    /// Lines that a reader might trip over, among any others.
    fn lines() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just(Vec::new()),
            Just(FROM.trim_end().as_bytes().to_vec()),
            Just(b">From x".to_vec()),
            Just(b">>>From ".to_vec()),
            prop::collection::vec(
                any::<u8>().prop_filter("no line end", |b| !matches!(b, b'\n' | b'\r')),
                0..40
            ),
        ];
        prop::collection::vec(line, 0..12).prop_map(|lines| {
            let mut mail = lines.join(&b"\r\n"[..]);
            if !mail.is_empty() {
                mail.extend_from_slice(b"\r\n");
            }
            mail
        })
    }

    proptest! {
        #[test]
        fn every_mail_of_a_written_mbox_comes_back_octet_for_octet(mails in prop::collection::vec(lines(), 0..5)) {
            let back: Vec<Cut> = mails.iter().cloned().map(Cut::Mail).collect();
            prop_assert_eq!(cut(&written(&mails), 1 << 20), back);
        }

        #[test]
        fn any_octets_are_cut_into_mails_that_are_within_their_bound(
            octets in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b'>')], 0..600),
            max in 0_usize..80,
        ) {
            let mut text = FROM.as_bytes().to_vec();
            text.extend_from_slice(&octets);
            for mail in cut(&text, max) {
                match mail {
                    Cut::Mail(mail) => prop_assert!(mail.len() <= max),
                    Cut::TooLong(long) => prop_assert!(long as usize > max),
                }
            }
        }

        #[test]
        fn line_ends_are_made_crlf_once(octets in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'x')], 0..40)) {
            let once = with_crlf(&octets);
            prop_assert_eq!(with_crlf(&once), once.clone());
            prop_assert_eq!(once.iter().filter(|b| **b == b'\n').count(), octets.iter().filter(|b| **b == b'\n').count());
        }
    }
}
