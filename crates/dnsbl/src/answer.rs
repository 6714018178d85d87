//! What the answer of a list means: listed, not listed, or unusable.
//!
//! **Invariant:** only an answer that the list documents makes anything of a mail. An address outside 127.0.0.0/8 comes
//! from a domain that was sold or from a resolver that invents answers, 127.0.0.1 and 127.255.255.0/24 say that the list
//! does not answer this resolver, and each list has such answers of its own: all of these are unusable, whatever stands
//! beside them. **Absent on purpose:** TXT. Its text is for people.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use gatepost_core::Score;

/// One octet of a [`Pattern`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// From, to.
    Span(u8, u8),
    /// These bits are set.
    Bits(u8),
}

/// Which answers are meant: `127.0.0.2`, `127.0.0.4-7`, `127.0.*.3`, `127.0.0.&64`, or short for the latter `&64`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pattern([Part; 4]);

impl Pattern {
    /// Every answer that a list may give.
    pub const ANY: Pattern = Pattern([
        Part::Span(127, 127),
        Part::Span(0, 255),
        Part::Span(0, 255),
        Part::Span(0, 255),
    ]);

    /// Whether an answer is meant.
    pub fn matches(&self, answer: Ipv4Addr) -> bool {
        self.0.iter().zip(answer.octets()).all(|(part, octet)| match *part {
            Part::Span(from, to) => (from..=to).contains(&octet),
            Part::Bits(bits) => octet & bits == bits,
        })
    }
}

/// A text that is no [`Pattern`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadPattern;

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected an answer such as \"127.0.0.2\", \"127.0.0.4-7\", \"127.0.*.3\" or \"&64\"")
    }
}

fn part(text: &str) -> Option<Part> {
    if text == "*" {
        return Some(Part::Span(0, 255));
    }
    if let Some(bits) = text.strip_prefix('&') {
        return bits.parse().ok().filter(|bits| *bits > 0).map(Part::Bits);
    }
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    let (from, to) = (from.parse().ok()?, to.parse().ok()?);
    (from <= to).then_some(Part::Span(from, to))
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Pattern, BadPattern> {
        let text = text.trim();
        let whole;
        let text = match text.strip_prefix('&') {
            Some(bits) => {
                whole = format!("127.0.0.&{bits}");
                &whole
            }
            None => text,
        };
        let mut parts = text.split('.').map(part);
        let mut next = || parts.next().flatten().ok_or(BadPattern);
        let pattern = Pattern([next()?, next()?, next()?, next()?]);
        let loopback = matches!(pattern.0.first(), Some(Part::Span(127, 127)));
        if parts.next().is_some() || !loopback {
            return Err(BadPattern);
        }
        Ok(pattern)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, part) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str(".")?;
            }
            match *part {
                Part::Span(0, 255) => f.write_str("*")?,
                Part::Span(from, to) if from == to => write!(f, "{from}")?,
                Part::Span(from, to) => write!(f, "{from}-{to}")?,
                Part::Bits(bits) => write!(f, "&{bits}")?,
            }
        }
        Ok(())
    }
}

/// What an answer of a list means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meaning {
    /// Which answers.
    pub pattern: Pattern,
    /// What they weigh.
    pub points: Score,
    /// What they say, in a word or two.
    pub about: Box<str>,
    /// Whether they say something only about a client that connects to us itself: that it is no mail server, say.
    pub connecting_only: bool,
}

/// Why an answer is of no use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unusable {
    /// The list does not answer this resolver.
    Refused(Ipv4Addr),
    /// No list gives such an answer.
    Foreign(Ipv4Addr),
    /// The list does not document this answer.
    Undocumented(Ipv4Addr),
    /// DNS had a fault.
    Fault(&'static str),
    /// It was not asked, for a reason that is ours or our resolver's.
    Ours(&'static str),
    /// There was no answer in time.
    Late,
}

impl Unusable {
    /// Whether the list as a whole is of no use then, and not only this answer.
    pub fn condemns(self) -> bool {
        matches!(self, Unusable::Refused(_) | Unusable::Foreign(_))
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unusable::Refused(code) => write!(f, "refuses this resolver: {code} {}", refusal(*code)),
            Unusable::Foreign(code) => write!(f, "answers {code}, which no list does"),
            Unusable::Undocumented(code) => write!(f, "answers {code}, which it does not document"),
            Unusable::Fault(what) | Unusable::Ours(what) => f.write_str(what),
            Unusable::Late => f.write_str("no answer in time"),
        }
    }
}

/// What a code of refusal says, where all lists mean the same by it.
pub fn refusal(code: Ipv4Addr) -> &'static str {
    match code.octets() {
        [127, 255, 255, 252] => "misspelt zone",
        [127, 255, 255, 254] => "open resolver",
        [127, 255, 255, 255] => "too many queries",
        _ => "no service",
    }
}

/// What the answer to one question comes to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer<'a> {
    /// It is on the list, and this is what the list says of it; at least one.
    Listed(Vec<(&'a Meaning, Ipv4Addr)>),
    /// It is not on the list.
    Clear,
    /// Nothing may be concluded.
    Unusable(Unusable),
}

/// What the answers of one list mean.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Code {
    /// The documented answers; never empty.
    pub meanings: Vec<Meaning>,
    /// What this list answers where it does not answer.
    pub refusals: Vec<Pattern>,
}

impl Code {
    /// What the records of an answer come to; none where there is no such name.
    pub fn read(&self, records: &[Ipv4Addr]) -> Answer<'_> {
        let unusable = |code: Ipv4Addr| match code.octets() {
            [127, 0, 0, 1] | [127, 255, 255, _] => Some(Unusable::Refused(code)),
            [127, ..] if self.refusals.iter().any(|refusal| refusal.matches(code)) => Some(Unusable::Refused(code)),
            [127, ..] => None,
            _ => Some(Unusable::Foreign(code)),
        };
        if let Some(why) = records.iter().copied().find_map(unusable) {
            return Answer::Unusable(why);
        }
        let listed: Vec<_> = records
            .iter()
            .flat_map(|code| {
                let meant = self.meanings.iter().filter(|meaning| meaning.pattern.matches(*code));
                meant.map(|meaning| (meaning, *code))
            })
            .collect();
        match records.first() {
            None => Answer::Clear,
            Some(code) if listed.is_empty() => Answer::Unusable(Unusable::Undocumented(*code)),
            Some(_) => Answer::Listed(listed),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pattern(text: &str) -> Pattern {
        text.parse().expect(text)
    }

    fn code(answers: &[&str], refusals: &[&str]) -> Code {
        let meaning = |text: &&str| Meaning {
            pattern: pattern(text),
            points: Score::points(1),
            about: (*text).into(),
            connecting_only: false,
        };
        Code {
            meanings: answers.iter().map(meaning).collect(),
            refusals: refusals.iter().map(|text| pattern(text)).collect(),
        }
    }

    fn ip(text: &str) -> Ipv4Addr {
        text.parse().expect(text)
    }

    /// The table of D-01: which answers of the lists score, and which say that the list does not answer.
    #[test]
    fn only_documented_answers_are_listings() {
        let zen = code(&["127.0.0.2-4", "127.0.0.9-11"], &[]);
        let dbl = code(&["127.0.1.2-6", "127.0.1.102-106"], &["127.0.1.255"]);
        let surbl = code(&["&8", "&16", "&64", "&128"], &["&1"]);
        let dnswl = code(
            &["127.0.*.0", "127.0.*.1", "127.0.*.2", "127.0.*.3"],
            &["127.0.0.255", "127.0.10.*", "127.0.*.255"],
        );
        let score = code(&["127.0.4.0-100"], &[]);
        for (list, answer, expected) in [
            (&zen, "127.0.0.2", "listed"),
            (&zen, "127.0.0.10", "listed"),
            (&zen, "127.0.0.5", "undocumented"),
            (&zen, "127.0.0.1", "refused"),
            (&zen, "127.255.255.252", "refused"),
            (&zen, "127.255.255.254", "refused"),
            (&zen, "127.255.255.255", "refused"),
            (&zen, "127.255.255.0", "refused"),
            (&zen, "91.195.240.117", "foreign"),
            (&zen, "0.0.0.0", "foreign"),
            (&zen, "10.0.0.2", "foreign"),
            (&dbl, "127.0.1.2", "listed"),
            (&dbl, "127.0.1.103", "listed"),
            (&dbl, "127.0.1.255", "refused"),
            (&surbl, "127.0.0.1", "refused"),
            (&surbl, "127.0.0.65", "refused"),
            (&surbl, "127.0.0.80", "listed"),
            (&surbl, "127.0.0.4", "undocumented"),
            (&dnswl, "127.0.5.3", "listed"),
            (&dnswl, "127.0.0.255", "refused"),
            (&dnswl, "127.0.10.2", "refused"),
            (&dnswl, "127.0.5.255", "refused"),
            (&score, "127.0.4.20", "listed"),
            (&score, "127.255.255.255", "refused"),
        ] {
            let got = match list.read(&[ip(answer)]) {
                Answer::Listed(_) => "listed",
                Answer::Clear => "clear",
                Answer::Unusable(Unusable::Refused(_)) => "refused",
                Answer::Unusable(Unusable::Foreign(_)) => "foreign",
                Answer::Unusable(_) => "undocumented",
            };
            assert_eq!(got, expected, "{answer}");
        }
        assert_eq!(zen.read(&[]), Answer::Clear);
    }

    #[test]
    fn one_refusal_among_listings_makes_all_of_them_unusable() {
        let zen = code(&["127.0.0.2-11"], &[]);
        let both = [ip("127.0.0.2"), ip("127.255.255.254")];
        assert_eq!(zen.read(&both), Answer::Unusable(Unusable::Refused(both[1])));
        let wild = [ip("127.0.0.2"), ip("192.0.2.1")];
        assert_eq!(zen.read(&wild), Answer::Unusable(Unusable::Foreign(wild[1])));
    }

    #[test]
    fn a_sum_of_bits_has_each_of_its_meanings() {
        let surbl = code(&["&8", "&16", "&64"], &["&1"]);
        let Answer::Listed(listed) = surbl.read(&[ip("127.0.0.80")]) else {
            panic!("it is listed")
        };
        let about: Vec<_> = listed.iter().map(|(meaning, _)| &*meaning.about).collect();
        assert_eq!(about, ["&16", "&64"]);
    }

    #[test]
    fn what_is_no_pattern_is_told() {
        for text in [
            "",
            "127",
            "127.0.0",
            "127.0.0.",
            "127.0.0.2.3",
            "127.0.0.256",
            "127.0.0.7-4",
            "127.0.0.&0",
            "&",
            "&x",
            "10.0.0.2",
            "*.0.0.2",
            "127.0.0.x",
            "127.0.0.2-",
            "&2.3",
        ] {
            assert!(text.parse::<Pattern>().is_err(), "{text}");
        }
        for text in ["127.0.0.2", "127.0.0.4-7", "127.0.*.3", "127.0.0.&64"] {
            assert_eq!(pattern(text).to_string(), text);
        }
        assert_eq!(pattern("&64"), pattern("127.0.0.&64"));
    }

    proptest! {
        #[test]
        fn no_text_is_read_with_a_panic_and_what_is_written_reads_back(text in "[0-9.&*x-]{0,20}") {
            if let Ok(pattern) = text.parse::<Pattern>() {
                prop_assert_eq!(pattern.to_string().parse::<Pattern>(), Ok(pattern));
            }
        }

        #[test]
        fn whatever_a_zone_answers_only_127_is_ever_listed(records in prop::collection::vec(any::<[u8; 4]>(), 0..5)) {
            let records: Vec<_> = records.into_iter().map(Ipv4Addr::from).collect();
            let code = Code { meanings: code(&["127.*.*.*"], &[]).meanings, refusals: vec![] };
            let usual = records.iter().all(|code| {
                let [first, second, third, last] = code.octets();
                first == 127 && (second, third) != (255, 255) && (second, third, last) != (0, 0, 1)
            });
            match code.read(&records) {
                Answer::Listed(_) => prop_assert!(usual && !records.is_empty()),
                Answer::Clear => prop_assert!(records.is_empty()),
                Answer::Unusable(why) => prop_assert!(!usual && why.condemns()),
            }
        }
    }
}
