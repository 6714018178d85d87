//! Replies: the ones that Gatepost gives, and the ones it is given.
//!
//! **Invariant:** a [`Reply`] is legal whatever it was made from, so what is written of it is one reply to every
//! reader: one code, printable ASCII, lines of at most 512 octets.

mod reader;

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

pub use reader::{BadReply, ReplyReader};

/// The first digit of a reply code, the only part a peer must understand (RFC 5321 §4.2.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Class {
    /// 2xx.
    Done,
    /// 3xx.
    GoOn,
    /// 4xx: try again later.
    Transient,
    /// 5xx: do not try again.
    Permanent,
}

/// An enhanced status code, `5.7.1` (RFC 3463).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Enhanced(pub u8, pub u16, pub u16);

impl Enhanced {
    /// Reads `class.subject.detail`: a class of 2, 4 or 5, the others at most three digits.
    pub fn parse(text: &str) -> Option<Enhanced> {
        let mut parts = text.split('.');
        let mut number = || {
            let digits = parts.next()?;
            let legal = (1..=3).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
            legal.then(|| digits.parse::<u16>().ok()).flatten()
        };
        let (class, subject, detail) = (number()?, number()?, number()?);
        let class = u8::try_from(class).ok().filter(|c| matches!(c, 2 | 4 | 5))?;
        parts.next().is_none().then_some(Enhanced(class, subject, detail))
    }

    /// Whether it may stand beside `code`.
    const fn fits(self, code: u16) -> bool {
        matches!(self.0, 2 | 4 | 5) && self.0 as u16 == code / 100 && self.1 <= 999 && self.2 <= 999
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// One reply: a code from 200 to 599, perhaps an enhanced code, and printable text.
///
/// Whatever it is made from, it holds no control character, at most [`Reply::MAX_LINES`] lines of at most
/// [`Reply::MAX_TEXT`] octets, and its enhanced code is of the class of its code.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Reply {
    code: u16,
    enhanced: Option<Enhanced>,
    /// Lines separated by LF.
    text: Cow<'static, str>,
}

impl Reply {
    /// The most lines that a reply keeps; the rest of a longer one is dropped.
    pub const MAX_LINES: usize = 20;
    /// The most octets of text that a line keeps, so that the line with its codes stays within 512 (RFC 5321 §4.5.3.1.5).
    pub const MAX_TEXT: usize = 480;

    /// A reply of ours with a fixed text, which must be printable ASCII without line ends; in a constant a text that
    /// is not does not compile. An enhanced code of another class than `code` is dropped.
    pub const fn fixed(code: u16, enhanced: Enhanced, text: &'static str) -> Reply {
        let enhanced = if enhanced.fits(code) { Some(enhanced) } else { None };
        Reply::checked(code, enhanced, text)
    }

    /// A fixed reply without an enhanced code: a greeting, 354, 334, the answer to HELO.
    pub const fn plain(code: u16, text: &'static str) -> Reply {
        Reply::checked(code, None, text)
    }

    const fn checked(code: u16, enhanced: Option<Enhanced>, text: &'static str) -> Reply {
        assert!(code >= 200 && code <= 599, "a reply code is 200 to 599");
        assert!(
            is_printable(text.as_bytes()),
            "a fixed text is at most 480 octets of printable ASCII"
        );
        Reply {
            code,
            enhanced,
            text: Cow::Borrowed(text),
        }
    }

    /// A reply with a text of any origin: control characters become spaces, what is not ASCII becomes `?`, too long
    /// lines and too many of them are cut, LF separates lines. A code outside 200..=599 becomes 451 4.3.0, an
    /// enhanced code of another class is dropped.
    pub fn new(code: u16, enhanced: Option<Enhanced>, text: impl Into<String>) -> Reply {
        let text = text.into();
        let text = if is_printable(text.as_bytes()) {
            text
        } else {
            sanitised(&text)
        };
        let (code, enhanced) = match code {
            200..=599 => (code, enhanced.filter(|e| e.fits(code))),
            _ => (451, Some(Enhanced(4, 3, 0))),
        };
        Reply {
            code,
            enhanced,
            text: Cow::Owned(text),
        }
    }

    /// The same with an enhanced code, x.0.0 where it had none: every reply of ours carries one, those of an upstream
    /// without included (RFC 2034 §4). A 3xx stays without.
    pub fn coded(mut self) -> Reply {
        let class = match self.class() {
            Class::Done => 2,
            Class::GoOn => return self,
            Class::Transient => 4,
            Class::Permanent => 5,
        };
        self.enhanced.get_or_insert(Enhanced(class, 0, 0));
        self
    }

    /// The three digits.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code, where there is one.
    pub fn enhanced(&self) -> Option<Enhanced> {
        self.enhanced
    }

    /// The text, lines separated by LF.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the first digit says.
    pub fn class(&self) -> Class {
        match self.code / 100 {
            2 => Class::Done,
            3 => Class::GoOn,
            5 => Class::Permanent,
            _ => Class::Transient,
        }
    }

    /// Whether it is a 2xx.
    pub fn is_done(&self) -> bool {
        self.class() == Class::Done
    }
    /// Whether it is a 4xx.
    pub fn is_transient(&self) -> bool {
        self.class() == Class::Transient
    }
    /// Whether it is a 5xx.
    pub fn is_permanent(&self) -> bool {
        self.class() == Class::Permanent
    }

    /// Appends it as it stands on the wire, with its enhanced code on each line if `enhanced` (not in a greeting or an
    /// answer to EHLO, RFC 2034 §4). A reply without text gets a word, since clients exist that want one.
    pub fn write(&self, out: &mut Vec<u8>, enhanced: bool) {
        let text = match (self.text.as_ref(), self.class()) {
            ("", Class::Done) => "Ok",
            ("", Class::GoOn) => "Go on",
            ("", Class::Transient) => "Try again later",
            ("", Class::Permanent) => "Refused",
            (text, _) => text,
        };
        let digits = [self.code / 100, self.code / 10 % 10, self.code % 10].map(|d| b'0' + d as u8);
        let status = self.enhanced.filter(|_| enhanced);
        let mut lines = text.split('\n').peekable();
        while let Some(line) = lines.next() {
            out.extend_from_slice(&digits);
            out.push(if lines.peek().is_some() { b'-' } else { b' ' });
            if let Some(status) = status {
                let _ = write!(out, "{status} "); // into a Vec: cannot fail
            }
            out.extend_from_slice(line.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

impl fmt::Display for Reply {
    /// For logs and scripts: code, enhanced code and text, the lines joined by ` / `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(enhanced) = self.enhanced {
            write!(f, " {enhanced}")?;
        }
        for (n, line) in self.text.split('\n').filter(|l| !l.is_empty()).enumerate() {
            write!(f, "{}{line}", if n == 0 { " " } else { " / " })?;
        }
        Ok(())
    }
}

/// One line that needs no change.
const fn is_printable(text: &[u8]) -> bool {
    let mut n = 0;
    while n < text.len() {
        if !matches!(text[n], b' '..=b'~') {
            return false;
        }
        n += 1;
    }
    n <= Reply::MAX_TEXT
}

fn sanitised(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(Reply::MAX_LINES * (Reply::MAX_TEXT + 1)));
    for (n, line) in text.split('\n').take(Reply::MAX_LINES).enumerate() {
        if n > 0 {
            clean.push('\n');
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        clean.extend(line.chars().take(Reply::MAX_TEXT).map(|c| match c {
            ' '..='~' => c,
            c if c.is_control() => ' ',
            _ => '?',
        }));
    }
    clean.truncate(clean.trim_end_matches('\n').len());
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(reply: &Reply, enhanced: bool) -> String {
        let mut out = Vec::new();
        reply.write(&mut out, enhanced);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn a_reply_is_written_with_its_code_on_each_line() {
        let reply = Reply::new(550, Some(Enhanced(5, 7, 1)), "No.\nReally\r\n\nno.\n");
        assert_eq!(
            written(&reply, true),
            "550-5.7.1 No.\r\n550-5.7.1 Really\r\n550-5.7.1 \r\n550 5.7.1 no.\r\n"
        );
        assert_eq!(written(&reply, false), "550-No.\r\n550-Really\r\n550-\r\n550 no.\r\n");
        assert_eq!(reply.to_string(), "550 5.7.1 No. / Really / no.");
    }

    #[test]
    fn a_text_of_any_origin_becomes_printable_ascii() {
        let reply = Reply::new(250, None, "a\u{1b}]0;b\u{7}\0c\rd\tä\u{85}\u{202e}e");
        assert_eq!(reply.text(), "a ]0;b  c d ? ?e");
        let long = Reply::new(250, Some(Enhanced(2, 999, 999)), vec!["ä".repeat(5000); 200].join("\n"));
        assert_eq!(long.text().lines().count(), Reply::MAX_LINES);
        assert!(
            written(&long, true)
                .split_inclusive("\r\n")
                .all(|line| line.len() <= 512)
        );
    }

    #[test]
    fn a_code_that_is_none_becomes_451() {
        for code in [0, 100, 199, 600, 9999] {
            let reply = Reply::new(code, Some(Enhanced(2, 0, 0)), "x");
            assert_eq!((reply.code(), reply.enhanced()), (451, Some(Enhanced(4, 3, 0))));
        }
        assert_eq!(Reply::new(299, None, "x").code(), 299);
    }

    #[test]
    fn an_enhanced_code_of_another_class_is_dropped() {
        assert_eq!(Reply::new(550, Some(Enhanced(2, 1, 0)), "x").enhanced(), None);
        assert_eq!(Reply::new(354, Some(Enhanced(3, 0, 0)), "x").enhanced(), None);
        assert_eq!(Reply::new(550, Some(Enhanced(5, 1000, 0)), "x").enhanced(), None);
        assert_eq!(Reply::fixed(250, Enhanced(5, 0, 0), "x").enhanced(), None);
    }

    #[test]
    fn a_reply_without_an_enhanced_code_can_be_given_one() {
        assert_eq!(Reply::plain(250, "x").coded().enhanced(), Some(Enhanced(2, 0, 0)));
        assert_eq!(Reply::plain(452, "x").coded().enhanced(), Some(Enhanced(4, 0, 0)));
        assert_eq!(Reply::plain(354, "x").coded().enhanced(), None);
        assert_eq!(
            Reply::fixed(550, Enhanced(5, 1, 1), "x").coded().enhanced(),
            Some(Enhanced(5, 1, 1))
        );
    }

    #[test]
    fn a_reply_without_text_is_written_with_a_word() {
        assert_eq!(written(&Reply::plain(250, ""), true), "250 Ok\r\n");
        assert_eq!(written(&Reply::new(550, None, "\n\r\n"), true), "550 Refused\r\n");
    }
}
