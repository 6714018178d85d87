//! What of a mail is scanned: one stream after another, each of which must be clean.
//!
//! The whole mail as it came, always: clamd takes it apart itself. Of a mail that its readers take apart in several ways
//! each file in each of their readings is a further stream, since clamd's own reading is only one of them.
//! **Invariant:** a stream is read in windows of a bound, and one that turns out shorter than it says is an error, never a
//! shorter mail; what of the readings lies behind a bound is told.

use std::io;
use std::sync::Arc;

use gatepost_core::{Bytes, Message};

/// The most octets of one window that is read from a spool file.
pub const WINDOW: usize = 256 * 1024;

/// Octets that are scanned as one.
#[derive(Clone, Debug)]
pub enum Stream {
    /// The mail as it came.
    Mail(Arc<Message>),
    /// Decoded octets of one of its parts.
    Part(Bytes),
}

/// Files of all readings of one mail that are scanned beside it.
const FILES_MAX: usize = 64;
/// A mail of so many octets is taken apart where the session is; a larger one on a thread.
pub const SMALL: u64 = 16 * 1024;

/// The streams of a mail.
#[derive(Clone, Debug)]
pub struct Streams {
    /// In the order in which they are scanned.
    pub all: Vec<Stream>,
    /// Whether there were more files in its readings than are scanned.
    pub cut: bool,
}

/// The streams of a mail: of files in several readings at most `most` octets together, and those that are found before
/// `spent` says that the time is over.
pub fn streams(message: &Arc<Message>, most: u64, spent: &dyn Fn() -> bool) -> Streams {
    let mut all = vec![Stream::Mail(Arc::clone(message))];
    let (mut left, mut cut) = (most, false);
    let room = usize::try_from(most).unwrap_or(usize::MAX);
    let survey = message.enclosed(room, spent, &mut |file| {
        if file.shown || file.octets.is_empty() {
            return;
        }
        cut |= !file.whole;
        match left.checked_sub(file.octets.len() as u64) {
            Some(rest) if all.len() <= FILES_MAX => {
                left = rest;
                all.push(Stream::Part(Bytes::copy_from_slice(file.octets)));
            }
            _ => cut = true,
        }
    });
    if !survey.ambiguity.any() {
        all.truncate(1);
        cut = false;
    }
    Streams { all, cut }
}

impl Stream {
    /// How many octets it has.
    pub fn len(&self) -> u64 {
        match self {
            Stream::Mail(message) => message.len(),
            Stream::Part(octets) => octets.len() as u64,
        }
    }

    /// Whether it has none, which clamd calls clean.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it, where it lies in memory: two pieces, of which each may be empty.
    pub fn in_memory(&self) -> Option<[&[u8]; 2]> {
        match self {
            Stream::Mail(message) => Some([message.head(), message.body().whole()?]),
            Stream::Part(octets) => Some([octets, &[]]),
        }
    }

    /// The octets from `at` on, at most [`WINDOW`] of them; none only at the end. Reads a file where the mail lies in one:
    /// not for a thread that must not wait.
    pub fn window(&self, at: u64) -> io::Result<Vec<u8>> {
        let left = usize::try_from(self.len().saturating_sub(at)).unwrap_or(WINDOW);
        let mut window = vec![0; left.min(WINDOW)];
        let mut full = 0;
        while let Some(room) = window.get_mut(full..).filter(|room| !room.is_empty()) {
            match self.read_at(at.saturating_add(full as u64), room)? {
                0 => {
                    let why = "the spooled mail is shorter than it was when it was received";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                }
                n => full = full.saturating_add(n),
            }
        }
        Ok(window)
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let from = |octets: &[u8], out: &mut [u8]| {
            let rest = usize::try_from(at)
                .ok()
                .and_then(|at| octets.get(at..))
                .unwrap_or_default();
            let n = rest.len().min(out.len());
            if let (Some(to), Some(from)) = (out.get_mut(..n), rest.get(..n)) {
                to.copy_from_slice(from);
            }
            n
        };
        match self {
            Stream::Part(octets) => Ok(from(octets, out)),
            Stream::Mail(message) => {
                let head = message.head();
                match at.checked_sub(head.len() as u64) {
                    Some(at) => message.body().read_at(at, out),
                    None => Ok(from(head, out)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::message::Content;

    /// A body that lies elsewhere, and gives little at a time.
    #[derive(Debug)]
    struct Spooled(Vec<u8>, u64);

    impl Content for Spooled {
        fn len(&self) -> u64 {
            self.1
        }
        fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
            let few = out.len().min(1_000);
            Bytes::from(self.0.clone()).read_at(at, &mut out[..few])
        }
    }

    fn mail(body: usize, length: u64) -> Stream {
        let body: Vec<u8> = (0..body).map(|n| n as u8).collect();
        Stream::Mail(Arc::new(Message::new(
            Bytes::from_static(b"A: b\r\n\r\n"),
            Arc::new(Spooled(body, length)),
        )))
    }

    fn streams_of(text: &str, most: u64) -> (Vec<u64>, bool) {
        let message = Arc::new(Message::from_bytes(text.replace('\n', "\r\n")));
        let streams = streams(&message, most, &|| false);
        (streams.all.iter().map(Stream::len).collect(), streams.cut)
    }

    #[test]
    fn a_mail_with_one_reading_is_one_stream() {
        let text = "Content-Type: application/x; name=a\nContent-Transfer-Encoding: base64\n\nQUJDREVGR0hJSg==\n";
        let (streams, cut) = streams_of(text, 1_000);
        assert_eq!((streams.len(), cut), (1, false));
    }

    #[test]
    fn each_reading_of_an_ambiguous_mail_is_scanned_beside_it() {
        let text = "Content-Type: application/x; name=a.exe\nContent-Transfer-Encoding: 7bit\n\
                    Content-Transfer-Encoding: base64\n\nQUJDREVGR0hJSg==\n";
        let (streams, cut) = streams_of(text, 1_000);
        assert!(streams.len() > 2 && streams.contains(&10) && !cut, "{streams:?}");
        let (streams, cut) = streams_of(text, 5);
        assert!(cut && streams[1..].iter().sum::<u64>() <= 5, "{streams:?}");
    }

    #[test]
    fn windows_of_a_spooled_mail_are_the_mail() {
        let length = WINDOW + 5_000;
        let stream = mail(length, length as u64);
        assert!(stream.in_memory().is_none());
        let (mut whole, mut windows) = (Vec::new(), 0);
        while (whole.len() as u64) < stream.len() {
            let window = stream.window(whole.len() as u64).expect("a window");
            assert!(!window.is_empty() && window.len() <= WINDOW);
            whole.extend(window);
            windows += 1;
        }
        let body: Vec<u8> = (0..length).map(|n| n as u8).collect();
        assert_eq!((windows, whole), (2, [b"A: b\r\n\r\n", &body[..]].concat()));
        assert!(stream.window(stream.len()).expect("the end").is_empty());
        assert!(stream.window(u64::MAX).expect("past the end").is_empty());
    }

    #[test]
    fn a_spool_that_was_cut_is_an_error() {
        let error = mail(100, 200).window(0).expect_err("it is cut");
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
