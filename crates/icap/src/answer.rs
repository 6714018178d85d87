//! What an ICAP server answers, as a value without I/O.
//!
//! **Invariant:** total and bounded. Clean is `204` and nothing behind it, or a `200` whose body is the very octets that were
//! sent, and either only after all of them were: nothing else is. **Absent on purpose:** what a server puts in the place of a
//! mail; that it does says enough. Nothing is kept of a body: each piece is held against what was sent as it comes.

use std::fmt;

use crate::head::Head;
use crate::words::{Find, find, words};

/// The most octets of a head of ICAP, of a line of a chunk, and of what is behind a body.
pub const HEAD_MAX: usize = 16 * 1024;
/// The most octets of the HTTP before a body.
pub const HTTP_MAX: usize = 64 * 1024;
/// The name of a find where another body came back, and no name.
pub const MODIFIED: &str = "Modified";
/// How such a name begins where the HTTP within refuses it; its status follows.
pub const BLOCKED: &str = "Blocked.HTTP.";

/// What a server says of a mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It had all of it and leaves it as it is.
    Clean,
    /// It found something of this name: printable ASCII, of bounded length, never empty.
    Found(String),
    /// It takes no mail of this size.
    TooLarge,
    /// It leaves it as it is by its first octets, and has not seen the others.
    Early,
    /// It did not look at all of it, or nobody knows what it says.
    Unscanned(Why),
}

/// Why an answer says nothing of the mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// The connection ended without a whole answer.
    Closed,
    /// It found something without a name.
    Nameless,
    /// The answer does not end.
    Endless,
    /// A refusal: its status, and its words.
    Status(u16, String),
    /// What no ICAP server says.
    Nonsense(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Closed => f.write_str("it closed the connection without an answer"),
            Why::Nameless => f.write_str("it found something without a name"),
            Why::Endless => f.write_str("its answer does not end"),
            Why::Status(404, words) => write!(f, "it has no such service: 404 {words}"),
            Why::Status(status, words) => write!(f, "it said {status} {words}"),
            Why::Nonsense(words) => write!(f, "it said what no ICAP server says: {words}"),
        }
    }
}

/// What there is to do next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// Nothing before more is heard.
    More,
    /// It wants what is behind the preview.
    Continue,
    /// This came back: hold it against what was sent, from where the last one ended, and say [`Reader::differs`] if it is
    /// not the same.
    Body(Vec<u8>),
    /// That is all.
    Done(Answer),
}

#[derive(Debug)]
enum At {
    /// The head of ICAP.
    Head,
    /// The heads within: octets of all, and where the one of the answer begins.
    Within {
        body: usize,
        answer: Option<usize>,
        empty: bool,
    },
    /// The line before a chunk.
    Size,
    /// Octets of a chunk.
    Chunk(u64),
    /// The end of the line behind it.
    ChunkEnd,
    /// What follows the last one.
    Trailer,
}

/// An answer as far as it was heard.
#[derive(Debug)]
pub struct Reader {
    heard: Vec<u8>,
    at: At,
    /// Octets of the body that came back, and that were to be sent.
    back: u64,
    length: u64,
    sent: bool,
    differs: bool,
}

fn nonsense(octets: &[u8]) -> Answer {
    Answer::Unscanned(Why::Nonsense(words(&String::from_utf8_lossy(
        octets.get(..1_000).unwrap_or(octets),
    ))))
}

impl Reader {
    /// Nothing heard, where so many octets are to be scanned.
    pub fn new(length: u64) -> Reader {
        Reader {
            heard: Vec::new(),
            at: At::Head,
            back: 0,
            length,
            sent: false,
            differs: false,
        }
    }

    /// Notes that all was sent, its end included.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// Notes that what came back is not what was sent.
    pub fn differs(&mut self) {
        self.differs = true;
    }

    /// Takes octets that came. Ask for all steps before the next ones are taken: that bounds what is held.
    pub fn hear(&mut self, octets: &[u8]) {
        self.heard.extend_from_slice(octets);
    }

    /// The connection ended without a whole answer: what was heard of one counts for nothing.
    pub fn ended(&self) -> Answer {
        match self.differs {
            true => Answer::Found(MODIFIED.into()),
            false => Answer::Unscanned(Why::Closed),
        }
    }

    /// What there is to do.
    pub fn step(&mut self) -> Step {
        loop {
            if self.differs {
                return Step::Done(Answer::Found(MODIFIED.into()));
            }
            let step = match self.at {
                At::Head => self.head(),
                At::Within { body, answer, empty } => self.within(body, answer, empty),
                At::Size => self.size(),
                At::Chunk(left) => self.chunk(left),
                At::ChunkEnd => self.chunk_end(),
                At::Trailer => self.trailer(),
            };
            if let Some(step) = step {
                return step;
            }
        }
    }

    fn take(&mut self, length: usize) -> Vec<u8> {
        self.heard.drain(..length.min(self.heard.len())).collect()
    }

    /// What comes up to this mark, and the mark; else whether there is to be more.
    fn until(&mut self, mark: &[u8]) -> Result<Vec<u8>, Step> {
        let found = self.heard.windows(mark.len()).position(|octets| octets == mark);
        match found {
            Some(at) if at <= HEAD_MAX => Ok(self.take(at.saturating_add(mark.len()))),
            None if self.heard.len() <= HEAD_MAX => Err(Step::More),
            _ => Err(Step::Done(Answer::Unscanned(Why::Endless))),
        }
    }

    fn head(&mut self) -> Option<Step> {
        // It is seen at once where somebody else answers.
        const BEGINS: &[u8] = b"ICAP/";
        let begin = self.heard.get(..BEGINS.len().min(self.heard.len())).unwrap_or_default();
        if !BEGINS.starts_with(begin) {
            return Some(Step::Done(nonsense(&self.heard)));
        }
        let octets = match self.until(b"\r\n\r\n") {
            Ok(octets) => octets,
            Err(step) => return Some(step),
        };
        let Some(head) = Head::read(&octets, "ICAP/") else {
            return Some(Step::Done(nonsense(&octets)));
        };
        if head.status == 100 {
            return Some(Step::Continue);
        }
        if let Some(found) = find(&head) {
            return Some(Step::Done(of(found)));
        }
        match head.status {
            // Who says more than one thing is not believed when it says that all is well.
            204 if !self.heard.is_empty() => Some(Step::Done(nonsense(&self.heard))),
            204 => Some(Step::Done(if self.sent { Answer::Clean } else { Answer::Early })),
            200 => match encapsulated(head.field("encapsulated").unwrap_or_default()) {
                Some(at) => {
                    self.at = at;
                    None
                }
                None => Some(Step::Done(nonsense(&octets))),
            },
            413 => Some(Step::Done(Answer::TooLarge)),
            status => Some(Step::Done(Answer::Unscanned(Why::Status(status, words(&head.reason))))),
        }
    }

    fn within(&mut self, body: usize, answer: Option<usize>, empty: bool) -> Option<Step> {
        if self.heard.len() < body {
            return Some(Step::More);
        }
        let octets = self.take(body);
        if let Some(from) = answer {
            let Some(head) = octets.get(from..).and_then(|octets| Head::read(octets, "HTTP/")) else {
                return Some(Step::Done(nonsense(&octets)));
            };
            if let Some(found) = find(&head) {
                return Some(Step::Done(of(found)));
            }
            if head.status != 200 {
                return Some(Step::Done(Answer::Found(format!("{BLOCKED}{}", head.status))));
            }
        }
        if empty {
            // It has taken all of it away.
            return Some(Step::Done(Answer::Found(MODIFIED.into())));
        }
        self.at = At::Size;
        None
    }

    fn size(&mut self) -> Option<Step> {
        let line = match self.until(b"\r\n") {
            Ok(line) => line,
            Err(step) => return Some(step),
        };
        let text = String::from_utf8_lossy(&line);
        let digits = text.split(';').next().unwrap_or_default().trim();
        let plain = digits.bytes().all(|octet| octet.is_ascii_hexdigit());
        self.at = match u64::from_str_radix(digits, 16).ok().filter(|_| plain) {
            Some(0) => At::Trailer,
            Some(length) => At::Chunk(length),
            None => return Some(Step::Done(nonsense(&line))),
        };
        None
    }

    fn chunk(&mut self, left: u64) -> Option<Step> {
        if left == 0 {
            self.at = At::ChunkEnd;
            return None;
        }
        if self.heard.is_empty() {
            return Some(Step::More);
        }
        let body = self.take(usize::try_from(left).unwrap_or(usize::MAX));
        let count = body.len() as u64;
        self.at = At::Chunk(left.saturating_sub(count));
        self.back = self.back.saturating_add(count);
        if self.back > self.length {
            self.differs();
            return None;
        }
        Some(Step::Body(body))
    }

    fn chunk_end(&mut self) -> Option<Step> {
        if self.heard.len() < 2 {
            return Some(Step::More);
        }
        let end = self.take(2);
        if end != b"\r\n" {
            return Some(Step::Done(nonsense(&end)));
        }
        self.at = At::Size;
        None
    }

    /// Fields up to an empty line, mostly none: an engine that sends octets back while it scans tells here what it found.
    fn trailer(&mut self) -> Option<Step> {
        let octets = match self.heard.get(..2) {
            Some(b"\r\n") => self.take(2),
            Some(_) => match self.until(b"\r\n\r\n") {
                Ok(octets) => octets,
                Err(step) => return Some(step),
            },
            None => return Some(Step::More),
        };
        let Some(trailer) = Head::trailer(&octets) else {
            return Some(Step::Done(nonsense(&octets)));
        };
        Some(Step::Done(match find(&trailer) {
            Some(found) => of(found),
            None if self.back != self.length => Answer::Found(MODIFIED.into()),
            None if !self.heard.is_empty() => nonsense(&self.heard),
            None if self.sent => Answer::Clean,
            None => Answer::Early,
        }))
    }
}

fn of(found: Find) -> Answer {
    match found {
        Find::Named(name) => Answer::Found(name),
        Find::Nameless => Answer::Unscanned(Why::Nameless),
    }
}

/// Reads `res-hdr=0, res-body=122`: where the pieces of an answer begin.
fn encapsulated(value: &str) -> Option<At> {
    let (mut answer, mut end) = (None, None);
    for piece in value.split(',') {
        let (name, at) = piece.split_once('=')?;
        let at: usize = at.trim().parse().ok().filter(|at| *at <= HTTP_MAX)?;
        match name.trim().to_ascii_lowercase().as_str() {
            "req-hdr" => {}
            "res-hdr" => answer = Some(at),
            "req-body" | "res-body" => end = Some((at, false)),
            "null-body" => end = Some((at, true)),
            _ => return None,
        }
    }
    let (body, empty) = end?;
    answer
        .is_none_or(|at| at < body)
        .then_some(At::Within { body, answer, empty })
}

#[cfg(test)]
mod tests;
