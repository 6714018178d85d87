//! One INSTREAM session with clamd (clamd(8)) as a value without I/O: what is sent, and what the answer means.
//!
//! **Invariant:** total and bounded. `stream: OK`, alone and complete, after all octets were sent, is the only answer that
//! means clean; all else is a find or means that the mail was not scanned. **Absent on purpose:** IDSESSION, since a
//! connection for each mail lets a scanner that is lost take one mail with it and no other.

use std::fmt;

use gatepost_scanner::name::NAME_MAX;

/// What begins the session, in the form that ends with NUL.
pub const INSTREAM: &[u8] = b"zINSTREAM\0";
/// What asks clamd for its version.
pub const VERSION: &[u8] = b"zVERSION\0";
/// What asks clamd whether it is there.
pub const PING: &[u8] = b"zPING\0";
/// What clamd answers to [`PING`].
pub const PONG: &[u8] = b"PONG";
/// What ends the stream: a chunk of no octets.
pub const END: [u8; 4] = [0; 4];
/// The most octets of one chunk.
pub const CHUNK: usize = 64 * 1024;
/// The most octets of an answer; real ones have less than two hundred.
pub const ANSWER_MAX: usize = 1024;
/// The most octets of an answer that are shown to the operator.
const WORDS_MAX: usize = 120;

/// The chunks of some octets, each with the four octets of its length that go before it (big endian). None of them is
/// empty, for that would be the end.
pub fn chunks(octets: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    octets.chunks(CHUNK).map(|chunk| (announced(chunk.len() as u64), chunk))
}

/// The length of a chunk as it is announced; more than four octets can say is as much as they can.
pub fn announced(length: u64) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes()
}

/// What clamd says of a mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It looked at all of it and found nothing.
    Clean,
    /// It found something of this name: printable ASCII, at most [`NAME_MAX`] octets. Never empty.
    Found(String),
    /// The stream is longer than its StreamMaxLength.
    TooLarge,
    /// It did not look at all of it, or nobody knows what it says.
    Unscanned(Why),
}

/// Why an answer says nothing of the mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Why {
    /// The connection ended without a whole answer.
    Closed,
    /// It said that the mail is clean before it had all of it.
    Early,
    /// It found something without a name.
    Nameless,
    /// It waited too long for us.
    TimedOut,
    /// It does not know the command.
    Unknown,
    /// The answer does not end.
    Endless,
    /// An error, in its words.
    Error(String),
    /// What no clamd says.
    Nonsense(String),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Why::Closed => f.write_str("it closed the connection without an answer"),
            Why::Early => f.write_str("it said OK before it had the whole mail"),
            Why::Nameless => f.write_str("it found something without a name"),
            Why::TimedOut => f.write_str("it waited too long for us: COMMAND READ TIMED OUT"),
            Why::Unknown => f.write_str("it does not know INSTREAM"),
            Why::Endless => f.write_str("its answer does not end"),
            Why::Error(words) => write!(f, "it said: {words}"),
            Why::Nonsense(words) => write!(f, "it said what no clamd says: {words}"),
        }
    }
}

/// A session: what was heard so far, and whether all was sent.
#[derive(Clone, Debug, Default)]
pub struct Session {
    heard: Vec<u8>,
    sent: bool,
}

impl Session {
    /// Nothing sent, nothing heard.
    pub fn new() -> Session {
        Session::default()
    }

    /// Notes that the whole stream and its end were sent.
    pub fn sent(&mut self) {
        self.sent = true;
    }

    /// Takes octets that came; the answer as soon as it is whole. It ends with NUL or LF.
    pub fn hear(&mut self, octets: &[u8]) -> Option<Answer> {
        let room = ANSWER_MAX.saturating_sub(self.heard.len());
        let ends = |octet: &u8| matches!(octet, 0 | b'\n');
        self.heard.extend(octets.iter().take(room));
        let Some(at) = self.heard.iter().position(ends) else {
            return (octets.len() > room || self.heard.len() >= ANSWER_MAX).then_some(Answer::Unscanned(Why::Endless));
        };
        let (line, rest) = self.heard.split_at(at);
        let answer = meaning(line, self.sent);
        // Who says more than one thing is not believed when it says that all is well.
        let more = octets.len() > room || !rest.iter().all(ends);
        Some(match answer {
            Answer::Clean if more => Answer::Unscanned(Why::Nonsense(words(&self.heard))),
            answer => answer,
        })
    }

    /// The connection ended without a whole answer: what was heard of one counts for nothing.
    pub fn ended(&self) -> Answer {
        Answer::Unscanned(Why::Closed)
    }
}

/// What one line means; `sent` says whether clamd had the whole stream by then.
fn meaning(line: &[u8], sent: bool) -> Answer {
    let line = line.trim_ascii_end();
    if line == b"stream: OK" {
        return match sent {
            true => Answer::Clean,
            false => Answer::Unscanned(Why::Early),
        };
    }
    if let Some(found) = line.strip_suffix(b" FOUND") {
        let name = found.strip_prefix(b"stream:").unwrap_or(found).trim_ascii();
        return match shown(name, NAME_MAX) {
            name if name.is_empty() || name == "(null)" => Answer::Unscanned(Why::Nameless),
            name => Answer::Found(name),
        };
    }
    let words = words(line);
    let says = words.to_ascii_lowercase();
    if says.ends_with("error") && says.contains("size limit exceeded") {
        return Answer::TooLarge;
    }
    Answer::Unscanned(match line {
        b"COMMAND READ TIMED OUT" => Why::TimedOut,
        b"UNKNOWN COMMAND" => Why::Unknown,
        _ if line.ends_with(b"ERROR") => Why::Error(words),
        _ => Why::Nonsense(words),
    })
}

/// Octets of a stranger as printable ASCII: what is not becomes `?`; so many octets at most.
pub fn shown(octets: &[u8], most: usize) -> String {
    let plain = |octet: &u8| match octet {
        b' '..=b'~' => char::from(*octet),
        _ => '?',
    };
    octets.iter().take(most).map(plain).collect()
}

fn words(octets: &[u8]) -> String {
    shown(octets, WORDS_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn error(words: &str) -> Answer {
        Answer::Unscanned(Why::Error(words.into()))
    }

    /// Every answer that is known of clamd, and some that are of nobody.
    fn answers() -> Vec<(&'static [u8], Answer)> {
        let found = |name: &str| Answer::Found(name.into());
        let nonsense = |words: &str| Answer::Unscanned(Why::Nonsense(words.into()));
        vec![
            (b"stream: OK\0", Answer::Clean),
            (b"stream: OK\n", Answer::Clean),
            (b"stream: OK\r\n", Answer::Clean),
            (b"stream: Eicar-Test-Signature FOUND\0", found("Eicar-Test-Signature")),
            (b"stream: Eicar-Test-Signature FOUND\n", found("Eicar-Test-Signature")),
            (b"stream: Eicar(44d8:68) FOUND\0", found("Eicar(44d8:68)")),
            (b"stream: a FOUND FOUND\0", found("a FOUND")),
            (b"stream: \xffodd\r\x01name FOUND\0", found("?odd??name")),
            (b"elsewhere: Worm FOUND\0", found("elsewhere: Worm")),
            (b"stream: OK FOUND\0", found("OK")),
            (b"stream: (null) FOUND\0", Answer::Unscanned(Why::Nameless)),
            (b"stream:  FOUND\0", Answer::Unscanned(Why::Nameless)),
            (b"INSTREAM size limit exceeded. ERROR\0", Answer::TooLarge),
            (b"stream: INSTREAM: Size limit exceeded. ERROR\n", Answer::TooLarge),
            (b"COMMAND READ TIMED OUT\0", Answer::Unscanned(Why::TimedOut)),
            (b"UNKNOWN COMMAND\0", Answer::Unscanned(Why::Unknown)),
            (
                b"stream: Can't allocate memory ERROR\0",
                error("stream: Can't allocate memory ERROR"),
            ),
            (b"\0", nonsense("")),
            (b"OK\0", nonsense("OK")),
            (b"stream: ok\0", nonsense("stream: ok")),
            (b"stream: NOT OK\0", nonsense("stream: NOT OK")),
            (b"1: stream: OK\0", nonsense("1: stream: OK")),
            (b"220 mail.example ESMTP\r\n", nonsense("220 mail.example ESMTP")),
        ]
    }

    fn after_all(octets: &[&[u8]]) -> Option<Answer> {
        let mut session = Session::new();
        session.sent();
        octets.iter().find_map(|octets| session.hear(octets))
    }

    #[test]
    fn every_answer_means_what_it_says_however_it_is_cut() {
        for (octets, meaning) in answers() {
            for cut in 0..octets.len() {
                let (one, two) = octets.split_at(cut);
                assert_eq!(after_all(&[one, two]), Some(meaning.clone()), "{octets:?} at {cut}");
                let mut session = Session::new();
                session.sent();
                if session.hear(one).is_none() {
                    assert_eq!(session.ended(), Answer::Unscanned(Why::Closed), "{octets:?} at {cut}");
                }
            }
            let each: Vec<_> = octets.chunks(1).collect();
            assert_eq!(after_all(&each), Some(meaning), "{octets:?}");
        }
    }

    #[test]
    fn what_is_found_early_is_found_and_what_is_clean_early_is_not() {
        let early = |octets: &[u8]| Session::new().hear(octets);
        assert_eq!(early(b"stream: Worm FOUND\0"), Some(Answer::Found("Worm".into())));
        assert_eq!(early(b"stream: OK\0"), Some(Answer::Unscanned(Why::Early)));
        assert_eq!(early(b"INSTREAM size limit exceeded. ERROR\0"), Some(Answer::TooLarge));
    }

    #[test]
    fn who_goes_on_after_ok_is_not_believed() {
        let two = after_all(&[b"stream: OK\0stream: Worm FOUND\0"]);
        assert!(matches!(two, Some(Answer::Unscanned(Why::Nonsense(_)))), "{two:?}");
        assert_eq!(after_all(&[b"stream: OK\n\0"]), Some(Answer::Clean));
        let found = after_all(&[b"stream: Worm FOUND\0stream: OK\0"]);
        assert_eq!(found, Some(Answer::Found("Worm".into())));
    }

    #[test]
    fn an_answer_without_end_is_given_up() {
        let piece: &[u8] = b"stream: OK ";
        let many = [piece].repeat(200);
        assert_eq!(after_all(&many), Some(Answer::Unscanned(Why::Endless)));
        let at_once = [&[b'x'; ANSWER_MAX + 1][..], b"\0"].concat();
        assert_eq!(after_all(&[&at_once]), Some(Answer::Unscanned(Why::Endless)));
    }

    proptest! {
        #[test]
        fn nothing_but_the_one_answer_means_clean(octets: Vec<u8>, cut: prop::sample::Index, sent: bool) {
            let cut = cut.index(octets.len() + 1);
            let (one, two) = octets.split_at(cut);
            let mut session = Session::new();
            if sent {
                session.sent();
            }
            let answer = session.hear(one).or_else(|| session.hear(two));
            let plain = octets.starts_with(b"stream: OK");
            prop_assert!(answer != Some(Answer::Clean) || (sent && plain));
        }

        #[test]
        fn near_misses_of_an_answer_are_no_answer(at in 0..10_usize, octet: u8) {
            let mut octets = *b"stream: OK\0";
            octets[at] = octet;
            let answer = after_all(&[&octets]);
            prop_assert!((answer == Some(Answer::Clean)) == (octets == *b"stream: OK\0"), "{answer:?}");
        }

        #[test]
        fn chunks_are_the_octets_with_their_lengths_and_none_is_empty(length in 0..3 * CHUNK) {
            let octets: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let mut whole = Vec::new();
            for (header, chunk) in chunks(&octets) {
                prop_assert!(header != END && u32::from_be_bytes(header) as usize == chunk.len());
                whole.extend_from_slice(chunk);
            }
            prop_assert_eq!(whole, octets);
        }
    }
}
