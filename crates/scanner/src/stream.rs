//! What of a mail is scanned: one stream after another, each of which must be clean.
//!
//! The whole mail as it came, and its files, decoded, each in each of its readings. **Invariant:** a stream is read in windows of
//! a bound, and one that turns out shorter than it says is an error, never a shorter mail; what of the files lies behind a
//! bound is told.

use std::io;
use std::sync::Arc;

use gatepost_core::message::enclosed::Enclosed;
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

/// Files of one mail that are scanned beside it, all readings counted.
const FILES_MAX: usize = 64;
/// A mail of so many octets is taken apart where the session is; a larger one on a thread.
pub const SMALL: u64 = 16 * 1024;

/// The files of a mail.
#[derive(Clone, Debug)]
pub struct Files {
    /// Each in each of its readings, in the order in which they are scanned.
    pub all: Vec<Stream>,
    /// Whether there are more than are scanned, or some that are longer.
    pub cut: bool,
}

impl Files {
    /// None, and nothing left out.
    pub fn none() -> Files {
        Files {
            all: Vec::new(),
            cut: false,
        }
    }
}

/// Whether readers of a mail see different files in it, as far as that is seen before `spent` says that the time is over.
/// Of nearly every mail this is all that is to be known, so nothing is copied for it.
pub fn is_ambiguous(message: &Message, most: u64, spent: &dyn Fn() -> bool) -> bool {
    let room = usize::try_from(most).unwrap_or(usize::MAX);
    message.enclosed(room, spent, &mut |_| {}).ambiguity.any()
}

/// The files of a mail that are `wanted`: at most `most` octets together, and those that are found before `spent` says that the
/// time is over.
pub fn files(
    message: &Arc<Message>,
    most: u64,
    spent: &dyn Fn() -> bool,
    wanted: impl Fn(&Enclosed<'_>) -> bool,
) -> Files {
    let mut all = Vec::new();
    let (mut left, mut cut) = (most, false);
    let room = usize::try_from(most).unwrap_or(usize::MAX);
    let survey = message.enclosed(room, spent, &mut |file| {
        if file.octets.is_empty() || !wanted(file) {
            return;
        }
        cut |= !file.whole;
        match left.checked_sub(file.octets.len() as u64) {
            Some(rest) if all.len() < FILES_MAX => {
                left = rest;
                all.push(Stream::Part(Bytes::copy_from_slice(file.octets)));
            }
            _ => cut = true,
        }
    });
    Files {
        all,
        cut: cut || survey.excess.any(),
    }
}

impl Stream {
    /// How many octets it has.
    pub fn len(&self) -> u64 {
        match self {
            Stream::Mail(message) => message.len(),
            Stream::Part(octets) => octets.len() as u64,
        }
    }

    /// Whether it has none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether these are its octets from `at` on, where it lies in memory; none where it does not.
    pub fn holds(&self, at: u64, octets: &[u8]) -> Option<bool> {
        let [head, body] = self.in_memory()?;
        let at = usize::try_from(at).ok()?;
        // What of them is the head's, and what is the body's.
        let rest = head.get(at..).unwrap_or_default();
        let (first, second) = octets.split_at_checked(rest.len()).unwrap_or((octets, &[]));
        let from = at.saturating_sub(head.len());
        Some(rest.starts_with(first) && body.get(from..).is_some_and(|body| body.starts_with(second)))
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
        self.octets(at, left.min(WINDOW))
    }

    /// So many octets from `at` on.
    pub fn octets(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut octets = vec![0; length];
        let mut full = 0;
        while let Some(room) = octets.get_mut(full..).filter(|room| !room.is_empty()) {
            match self.read_at(at.saturating_add(full as u64), room)? {
                0 => {
                    let why = "the spooled mail is shorter than it was when it was received";
                    return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
                }
                n => full = full.saturating_add(n),
            }
        }
        Ok(octets)
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

    fn files_of(text: &str, most: u64) -> (Vec<u64>, bool, bool) {
        let message = Arc::new(Message::from_bytes(text.replace('\n', "\r\n")));
        let files = files(&message, most, &|| false, |_| true);
        let ambiguous = is_ambiguous(&message, most, &|| false);
        (files.all.iter().map(Stream::len).collect(), ambiguous, files.cut)
    }

    #[test]
    fn a_file_with_one_reading_is_one_stream() {
        let text = "Content-Type: application/x; name=a\nContent-Transfer-Encoding: base64\n\nQUJDREVGR0hJSg==\n";
        assert_eq!(files_of(text, 1_000), (vec![10], false, false));
    }

    #[test]
    fn what_is_declared_as_text_in_two_encodings_is_scanned_in_both() {
        let text = "Content-Type: text/plain\nContent-Transfer-Encoding: 7bit\n\
                    Content-Transfer-Encoding: base64\n\nTVqQAAMAAAAEAAAA\n";
        let (streams, ambiguous, _) = files_of(text, 1_000);
        assert!(ambiguous && streams.contains(&12), "{streams:?}");
    }

    #[test]
    fn more_files_than_are_scanned_are_told() {
        let part = |n: usize| format!("--b\nContent-Type: application/x; name=a{n}\n\nfile {n}\n");
        let mail = |parts: usize| {
            let parts: String = (0..parts).map(part).collect();
            format!("Content-Type: multipart/mixed; boundary=b\n\n{parts}--b--\n")
        };
        let (streams, _, cut) = files_of(&mail(FILES_MAX), 1_000_000);
        assert_eq!((streams.len(), cut), (FILES_MAX, false));
        let (streams, _, cut) = files_of(&mail(FILES_MAX + 1), 1_000_000);
        assert_eq!((streams.len(), cut), (FILES_MAX, true));
    }

    #[test]
    fn each_reading_of_an_ambiguous_mail_is_a_stream() {
        let text = "Content-Type: application/x; name=a.exe\nContent-Transfer-Encoding: 7bit\n\
                    Content-Transfer-Encoding: base64\n\nQUJDREVGR0hJSg==\n";
        let (streams, ambiguous, cut) = files_of(text, 1_000);
        assert!(streams.len() > 1 && streams.contains(&10), "{streams:?}");
        assert!(ambiguous && !cut);
        let (streams, _, cut) = files_of(text, 5);
        assert!(cut && streams.iter().sum::<u64>() <= 5, "{streams:?}");
    }

    #[test]
    fn what_is_not_wanted_is_no_stream_and_not_missed() {
        let message = Arc::new(Message::from_bytes(&b"Subject: hi\r\n\r\nwords\r\n"[..]));
        let files = |wanted: bool| files(&message, 1_000, &|| false, |_| wanted);
        assert_eq!((files(true).all.len(), files(true).cut), (1, false));
        assert_eq!((files(false).all.len(), files(false).cut), (0, false));
    }

    #[test]
    fn what_comes_back_is_held_against_what_lies_in_memory() {
        let stream = Stream::Mail(Arc::new(Message::from_bytes(&b"A: b\r\n\r\nbody"[..])));
        for (at, octets, same) in [
            (0, &b"A: b\r\n\r\nbody"[..], true),
            (6, b"\r\nbo", true),
            (8, b"body", true),
            (9, b"ody!", false),
            (12, b"", true),
            (12, b"x", false),
            (99, b"x", false),
            (2, b"B", false),
        ] {
            assert_eq!(stream.holds(at, octets), Some(same), "{at} {octets:?}");
        }
        assert_eq!(mail(10, 10).holds(0, b"A"), None);
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
