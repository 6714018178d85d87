//! Replies out of a stream of bytes.

use memchr::memchr;

use super::{Enhanced, Reply};
use crate::offer::Offer;

/// Why what came from an upstream is no reply. Nothing more can be understood of that connection: close it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadReply {
    /// A line does not begin with three digits and space, hyphen or line end, or the code is not 200 to 599.
    Malformed,
    /// The lines of one reply have different codes.
    MixedCodes,
    /// More than [`ReplyReader::MAX_LINES`] lines.
    TooLong,
}

/// Reads replies out of a stream of bytes, however it is cut, within bounds.
#[derive(Debug, Default)]
pub struct ReplyReader {
    buffer: Vec<u8>,
    /// Where the unread bytes begin.
    start: usize,
    /// Up to where they hold no LF.
    scanned: usize,
    /// The line at `start` is so long that its rest is of no interest.
    skipping: bool,
    /// After a [`BadReply`]: nothing is read any more.
    broken: bool,
    /// The code of the reply that is being read, and its lines so far: text between LFs.
    code: Option<u16>,
    lines: usize,
    text: String,
}

impl ReplyReader {
    /// The most octets of one line that are kept; the rest of it is skipped.
    pub const MAX_LINE: usize = 2048;
    /// The most lines of one reply.
    pub const MAX_LINES: usize = 200;
    /// The most octets of text that are kept of one reply; a line that would pass it is checked, not kept.
    pub const MAX_KEPT: usize = 64 * 1024;

    /// A reader that holds nothing.
    pub fn new() -> ReplyReader {
        ReplyReader::default()
    }

    /// Takes bytes as they came.
    pub fn give(&mut self, bytes: &[u8]) {
        if self.broken {
            return;
        }
        if self.start == self.buffer.len() {
            self.buffer.clear();
            (self.start, self.scanned) = (0, 0);
        } else if self.start >= self.buffer.len() - self.start {
            self.buffer.drain(..self.start);
            self.scanned = self.scanned.saturating_sub(self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole reply; `None` until it is there. After an error it is `None` for ever.
    #[allow(clippy::should_implement_trait)] // one may give more after a None
    pub fn next(&mut self) -> Option<Result<Reply, BadReply>> {
        self.whole()
            .map(|whole| whole.map(|(code, text)| reply_of(code, &text)))
    }

    /// The next whole reply as the answer to EHLO: the reply (its text cut as every reply's) and what is offered.
    pub fn next_offer(&mut self) -> Option<Result<(Reply, Offer), BadReply>> {
        self.whole()
            .map(|whole| whole.map(|(code, text)| (reply_of(code, &text), Offer::parse(text.split('\n').skip(1)))))
    }

    /// How many bytes are held that belong to no whole reply yet: what an upstream said unasked.
    pub fn pending(&self) -> usize {
        (self.buffer.len() - self.start) + self.text.len() + usize::from(self.skipping || self.code.is_some())
    }

    /// Forgets everything, also that it was broken: for a new connection, or after STARTTLS.
    pub fn clear(&mut self) {
        *self = ReplyReader::default();
    }

    fn whole(&mut self) -> Option<Result<(u16, String), BadReply>> {
        while !self.broken {
            let from = self.scanned.max(self.start);
            let Some(found) = memchr(b'\n', self.buffer.get(from..)?) else {
                self.shorten();
                return None;
            };
            let skipped = std::mem::take(&mut self.skipping);
            let line = self.buffer.get(self.start..from + found).unwrap_or_default();
            let line = if skipped {
                line
            } else {
                line.strip_suffix(b"\r").unwrap_or(line)
            };
            let line = line.get(..Self::MAX_LINE).unwrap_or(line);
            let read = read_line(line, self.code).and_then(|(code, last, text)| {
                self.lines += 1;
                (self.lines <= Self::MAX_LINES)
                    .then_some((code, last, text))
                    .ok_or(BadReply::TooLong)
            });
            let result = match read {
                Ok((code, last, text)) => {
                    if self.text.len() + text.len() < Self::MAX_KEPT {
                        if self.lines > 1 {
                            self.text.push('\n');
                        }
                        self.text.push_str(&String::from_utf8_lossy(text));
                    }
                    self.code = Some(code);
                    last.then_some(Ok(code))
                }
                Err(bad) => Some(Err(bad)),
            };
            self.start = from + found + 1;
            self.scanned = self.start;
            match result {
                None => {}
                Some(Ok(code)) => {
                    self.code = None;
                    self.lines = 0;
                    return Some(Ok((code, std::mem::take(&mut self.text))));
                }
                Some(Err(bad)) => {
                    self.clear();
                    self.broken = true;
                    return Some(Err(bad));
                }
            }
        }
        None
    }

    /// Keeps of an unfinished line only what will be kept of it, and a CR that may be half its end.
    fn shorten(&mut self) {
        if self.buffer.len() - self.start > Self::MAX_LINE + 1 {
            self.buffer.truncate(self.start + Self::MAX_LINE);
            self.skipping = true;
        }
        self.scanned = self.buffer.len();
    }
}

/// Reads one line: its code, whether it is the last, its text.
fn read_line(line: &[u8], before: Option<u16>) -> Result<(u16, bool, &[u8]), BadReply> {
    let (digits, rest) = line.split_at_checked(3).ok_or(BadReply::Malformed)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return Err(BadReply::Malformed);
    }
    let code = digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0'));
    let (last, text) = match rest.split_first() {
        None => (true, rest),
        Some((b' ', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return Err(BadReply::Malformed),
    };
    match before {
        _ if !(200..=599).contains(&code) => Err(BadReply::Malformed),
        Some(before) if before != code => Err(BadReply::MixedCodes),
        _ => Ok((code, last, text)),
    }
}

/// Takes the enhanced code off the lines that begin with it.
fn reply_of(code: u16, text: &str) -> Reply {
    let split = |line: &str| {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let enhanced = Enhanced::parse(word).filter(|e| e.fits(code))?;
        Some((enhanced, rest.len()))
    };
    let first = text.split('\n').next().and_then(split);
    let Some((enhanced, _)) = first else {
        return Reply::new(code, None, text);
    };
    let mut bare = String::with_capacity(text.len());
    for (n, line) in text.split('\n').enumerate() {
        if n > 0 {
            bare.push('\n');
        }
        let rest = match split(line) {
            Some((same, rest)) if same == enhanced => line.get(line.len() - rest..).unwrap_or_default(),
            _ => line,
        };
        bare.push_str(rest);
    }
    Reply::new(code, Some(enhanced), bare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Vec<Result<Reply, BadReply>> {
        let mut reader = ReplyReader::new();
        reader.give(input);
        std::iter::from_fn(|| reader.next()).collect()
    }

    #[test]
    fn an_enhanced_code_is_read_off_the_text() {
        let input = b"250-2.1.5 Ok\r\n250 2.1.5\n250 5.1.5 odd\r\n250\r\n299 2.1.1234 x\r\n";
        assert_eq!(
            read(input),
            [
                Ok(Reply::new(250, Some(Enhanced(2, 1, 5)), "Ok")),
                Ok(Reply::new(250, None, "5.1.5 odd")),
                Ok(Reply::new(250, None, "")),
                Ok(Reply::new(299, None, "2.1.1234 x")),
            ]
        );
    }

    #[test]
    fn what_is_no_reply_ends_the_reading() {
        for (input, bad) in [
            (&b"abc\r\n250 x\r\n"[..], BadReply::Malformed),
            (b"\r\n", BadReply::Malformed),
            (b"25\r\n", BadReply::Malformed),
            (b"100 x\r\n", BadReply::Malformed),
            (b"600 x\r\n", BadReply::Malformed),
            (b"250x\r\n", BadReply::Malformed),
            (b"2500 x\r\n", BadReply::Malformed),
            (b" 250 x\r\n", BadReply::Malformed),
            (b"250-x\r\n251 y\r\n", BadReply::MixedCodes),
            (b"250-x\r\nfoo\r\n", BadReply::Malformed),
        ] {
            assert_eq!(read(input), [Err(bad)], "{input:?}");
        }
        assert_eq!(read("250-x\r\n".repeat(201).as_bytes()), [Err(BadReply::TooLong)]);
    }

    #[test]
    fn two_hundred_long_lines_are_one_reply_in_little_memory() {
        let mut reader = ReplyReader::new();
        let line = "x".repeat(5000);
        for n in 0..200 {
            reader.give(if n < 199 { b"250-" } else { b"250 " });
            for piece in line.as_bytes().chunks(700) {
                reader.give(piece);
                assert_eq!(reader.next(), None);
            }
            assert!(reader.pending() <= ReplyReader::MAX_KEPT + 2 * ReplyReader::MAX_LINE);
            reader.give(b"\r\n");
        }
        let reply = reader.next().expect("whole").expect("legal");
        assert_eq!(reply.text().lines().count(), Reply::MAX_LINES);
        assert_eq!(reader.pending(), 0);
    }

    #[test]
    fn what_was_said_unasked_is_seen() {
        let mut reader = ReplyReader::new();
        reader.give(b"220 ok\r\n250-AUTH PLAIN\r\n");
        assert!(reader.next().is_some_and(|reply| reply.is_ok()));
        assert!(reader.pending() > 0);
        assert_eq!(reader.next(), None);
        assert!(reader.pending() > 0);
        reader.clear();
        assert_eq!(reader.pending(), 0);
    }

    #[test]
    fn an_answer_to_ehlo_may_have_more_lines_than_a_reply_keeps() {
        let mut reader = ReplyReader::new();
        reader.give(b"250-mail.example greets you\r\n");
        for n in 0..50 {
            reader.give(format!("250-XFOO{n}\r\n").as_bytes());
        }
        reader.give(b"250 SIZE 7\r\n550 no\r\n");
        let (reply, offer) = reader.next_offer().expect("whole").expect("legal");
        assert!(reply.text().starts_with("mail.example greets you\n"));
        assert_eq!(
            offer,
            Offer {
                size: Some(7),
                ..Offer::default()
            }
        );
        assert!(reader.next_offer().expect("whole").expect("legal").0.is_permanent());
    }
}
