//! The mails: to whom each goes, and what is meant to become of it.
//!
//! What the mail server says to a recipient stands in the recipient's name, and what policy does in the domain, so both
//! ledgers can be read without knowing how the other side behaved.

use crate::chance::Chance;

/// The domain whose mail is delivered.
pub const OURS: &str = "example.org";
/// The domain whose mail is kept, when the client's HELO is odd.
pub const HELD: &str = "hold.example";
/// The domain whose mail is refused, when the client's HELO is odd.
pub const REFUSED: &str = "no.example";

/// What the mail server says to a recipient, and where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Word {
    /// It is granted.
    Yes,
    /// 451 the first time.
    Later(Point),
    /// 5xx each time.
    Never(Point),
}

/// Where the mail server says it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Point {
    Rcpt,
    Data,
    Dot,
}

const WORDS: [(&str, Word); 6] = [
    ("rcpt-later", Word::Later(Point::Rcpt)),
    ("data-later", Word::Later(Point::Data)),
    ("dot-later", Word::Later(Point::Dot)),
    ("rcpt-never", Word::Never(Point::Rcpt)),
    ("data-never", Word::Never(Point::Data)),
    ("dot-never", Word::Never(Point::Dot)),
];

/// What the mail server says to this address, and which mail it belongs to.
pub fn word(address: &str) -> (Word, u32) {
    let (name, rest) = address.split_once('.').expect("a word, a dot and a number");
    let number = rest.split('@').next().and_then(|n| n.parse().ok()).expect("a number");
    let word = WORDS.iter().find(|(start, _)| *start == name);
    (word.map_or(Word::Yes, |(_, word)| *word), number)
}

/// What shall become of one recipient's copy.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// The mail server has it.
    Delivered,
    /// The archive has it.
    Kept,
    /// Nobody has it, and the sender knows.
    Refused,
}

/// The fate that is meant for an address.
pub fn fate(address: &str) -> Fate {
    match address.split_once('@') {
        Some((_, HELD)) => Fate::Kept,
        Some((_, REFUSED)) => Fate::Refused,
        _ if matches!(word(address).0, Word::Never(_)) => Fate::Refused,
        _ => Fate::Delivered,
    }
}

/// One mail.
#[derive(Clone, Debug)]
pub struct Mail {
    pub number: u32,
    /// Said with a HELO that is worth points.
    pub odd: bool,
    /// It was tried.
    pub begun: bool,
    /// Who has not heard yes or no.
    pub pending: Vec<String>,
    /// Octets of its body, about.
    size: u64,
}

impl Mail {
    /// The mail of this number. One in eight comes with an odd HELO, and of the others one in four meets a refusal.
    pub fn new(seed: u64, number: u32) -> Mail {
        let mut chance = Chance::new(seed, u64::from(number) << 20);
        let odd = chance.one_in(8);
        let to = |names: &[(&str, &str)]| -> Vec<String> {
            names
                .iter()
                .map(|(name, domain)| format!("{name}.{number}@{domain}"))
                .collect()
        };
        let pending = match (odd, chance.below(40)) {
            (true, 0..16) => to(&[("carl", HELD)]),
            (true, 16..32) => to(&[("bob", OURS), ("carl", HELD)]),
            (true, _) => to(&[("dora", REFUSED)]),
            (false, 0..6) => {
                let (name, _) = WORDS[usize::try_from(chance.below(6)).expect("an index")];
                to(&[(name, OURS)])
            }
            (false, 6..8) => to(&[("bob", OURS), ("rcpt-never", OURS)]),
            (false, 8..10) => to(&[("bob", OURS), ("rcpt-later", OURS), ("eve", OURS)]),
            (false, _) => to(&[("bob", OURS)]),
        };
        // Some are larger than what the proxy holds in memory.
        let size = match chance.below(20) {
            0 => 80_000 + chance.below(120_000),
            _ => 200 + chance.below(4_000),
        };
        Mail {
            number,
            odd,
            begun: false,
            pending,
            size,
        }
    }

    /// What an attempt at it sends. Each has a number of its own, so that whatever arrives anywhere can be traced to it.
    pub fn content(&self, attempt: u32) -> Vec<u8> {
        let mut chance = Chance::new(u64::from(self.number), u64::from(attempt));
        let mut text = format!(
            "X-Attempt: {attempt}\r\nX-Mail: {}\r\nSubject: a{attempt}\r\nFrom: Ann <ann@there.example>\r\n\
             To: you@example.org\r\nMessage-ID: <{}@there.example>\r\nDate: Mon, 1 Jun 2026 10:00:00 +0000\r\n\r\n",
            self.number, self.number,
        );
        let end = text.len() + usize::try_from(self.size).expect("a size");
        while text.len() < end {
            text.push_str(match chance.below(8) {
                0 => ".\r\n",
                1 => "..\r\n",
                2 => "\r\n",
                _ => "A line of a body, as long as most are in letters that people write.\r\n",
            });
        }
        text.into_bytes()
    }
}
