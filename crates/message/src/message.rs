//! The message: a head in memory, a body somewhere, and views of them that are made when first asked for.

use std::any::Any;
use std::fmt;
use std::io::{self, Read};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::content::Content;
use crate::header::{self, Excess, Headers};
use crate::reading::Reading;

/// Kinds of things that are kept with a message.
const DERIVED: usize = 4;

/// A mail as its octets: CR LF line ends, no stuffed dots. Shared as `Arc<Message>`, parsed once for all.
#[derive(Clone)]
pub struct Message {
    head: Bytes,
    body: Arc<dyn Content>,
    headers: OnceLock<Headers>,
    pub(crate) reading: OnceLock<Reading>,
    derived: [OnceLock<Arc<dyn Any + Send + Sync>>; DERIVED],
}

impl Message {
    /// The message that these octets are; head and body share them.
    pub fn from_bytes(bytes: impl Into<Bytes>) -> Message {
        let mut head = bytes.into();
        let body = head.split_off(header::split(&head));
        Message::new(head, Arc::new(body))
    }

    /// A message from the head that [`split`](header::split) cuts off and the body that follows it.
    ///
    /// Whoever keeps only the first part of a large mail in memory gives `split` more than
    /// [`HEAD_MAX`](crate::HEAD_MAX) octets of it, so that a head that was cut is always seen to be too long.
    pub fn new(head: Bytes, body: Arc<dyn Content>) -> Message {
        Message {
            head,
            body,
            headers: OnceLock::new(),
            reading: OnceLock::new(),
            derived: Default::default(),
        }
    }

    /// The head as it came: everything through the blank line, or up to where the header section ends without one.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    pub(crate) fn head_bytes(&self) -> &Bytes {
        &self.head
    }

    /// The body: everything after the head.
    pub fn body(&self) -> &Arc<dyn Content> {
        &self.body
    }

    /// Octets in head and body together.
    pub fn len(&self) -> u64 {
        (self.head.len() as u64).saturating_add(self.body.len())
    }

    /// Whether the message has no octet at all, which SMTP allows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The fields of the head, parsed at the first call and within the bounds of S-08.
    pub fn headers(&self) -> &Headers {
        self.headers.get_or_init(|| Headers::parse(self.head.clone()))
    }

    /// What somebody makes of the message and several want: made at the first call and kept with the message. There is
    /// room for four kinds of things, the first that are asked for; others are made anew at each call. `make` must not
    /// ask for a kind itself.
    pub fn derived<T: Any + Send + Sync>(&self, make: impl Fn(&Message) -> T) -> Arc<T> {
        self.derived
            .iter()
            .find_map(|place| Arc::clone(place.get_or_init(|| Arc::new(make(self)))).downcast().ok())
            .unwrap_or_else(|| Arc::new(make(self)))
    }

    /// Which bounds of S-08 the head passes. Fields behind a bound were not looked at, so such a mail must not pass
    /// unmarked; that is the policy's business.
    pub fn excess(&self) -> Excess {
        self.headers().excess()
    }

    /// Whether a body follows the head without a blank line between them. Mail servers then begin the body at the
    /// first line that is no field; some mail readers look for fields beyond it (S-10).
    pub fn unseparated(&self) -> bool {
        !self.body.is_empty() && !header::ends_blank(&self.head)
    }

    /// Streams the whole message from its first octet.
    pub fn read(&self) -> Reader<'_> {
        Reader::new(&[], &self.head, &*self.body)
    }
}

impl fmt::Debug for Message {
    /// Sizes only: mail does not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Message");
        out.field("head", &self.head.len())
            .field("body", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Streams a message, plain or edited: what was prepended, the head, the body.
///
/// A body that ends before its length is an `UnexpectedEof` error, so a damaged spool never becomes a shorter mail.
#[derive(Debug)]
pub struct Reader<'a> {
    prefix: &'a [u8],
    head: &'a [u8],
    body: &'a dyn Content,
    at: u64,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(prefix: &'a [u8], head: &'a [u8], body: &'a dyn Content) -> Reader<'a> {
        Reader {
            prefix,
            head,
            body,
            at: 0,
        }
    }
}

impl Read for Reader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if out.is_empty() {
            return Ok(0);
        }
        for memory in [&mut self.prefix, &mut self.head] {
            if !memory.is_empty() {
                return memory.read(out);
            }
        }
        let n = self.body.read_at(self.at, out)?;
        self.at = self.at.saturating_add(n as u64);
        if n == 0 && self.at < self.body.len() {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the spooled body is shorter than it was when the message was received",
            ));
        }
        Ok(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(message: &Message) -> Vec<u8> {
        let mut out = Vec::new();
        message.read().read_to_end(&mut out).unwrap();
        out
    }

    #[test]
    fn a_message_reads_back_as_it_came() {
        let bytes = b"From: a@b.example\r\nSubject: hi\r\n\r\nbody\r\n";
        let message = Message::from_bytes(&bytes[..]);
        assert_eq!(message.headers().len(), 2);
        assert_eq!(message.body().whole(), Some(&b"body\r\n"[..]));
        assert_eq!(message.len(), bytes.len() as u64);
        assert!(!message.unseparated());
        assert_eq!(all(&message), bytes);
    }

    #[test]
    fn no_octets_are_a_message() {
        let message = Message::from_bytes(Bytes::new());
        assert!(message.is_empty() && message.headers().is_empty() && !message.unseparated());
        assert_eq!(all(&message), b"");
    }

    #[test]
    fn a_missing_blank_line_is_told() {
        assert!(Message::from_bytes(&b"A: b\r\ntext\r\n"[..]).unseparated());
        assert!(Message::from_bytes(&b".text\r\n"[..]).unseparated());
        assert!(!Message::from_bytes(&b"A: b\r\n"[..]).unseparated());
        assert!(!Message::from_bytes(&b"\r\nA: b\r\n"[..]).unseparated());
    }

    #[derive(Debug)]
    struct Torn;

    impl Content for Torn {
        fn len(&self) -> u64 {
            10
        }
        fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
            Bytes::from_static(b"torn").read_at(at, out)
        }
    }

    #[test]
    fn a_body_that_ends_early_is_an_error_and_no_shorter_mail() {
        let message = Message::new(Bytes::from_static(b"A: b\r\n\r\n"), Arc::new(Torn));
        let error = message.read().read_to_end(&mut Vec::new()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn debug_output_shows_no_mail() {
        let message = Message::from_bytes(&b"Subject: secret\r\n\r\nsecret"[..]);
        assert!(!format!("{message:?}").contains("secret"));
    }
}
