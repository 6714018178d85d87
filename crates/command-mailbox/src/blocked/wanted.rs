//! What somebody asks for: in the subject of their mail for themselves, in the lines of its text for others.
//!
//! **Invariant:** pure, bounded and total. A subject that says nothing asks for the usual report; a line that cannot be read
//! is told back and asks for nothing.

use gatepost_core::{Address, Domain};

/// What somebody asks for, in the subject of their mail: `N [regex]`, `+N`, `-`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Wanted {
    /// Days back from now; from 1 to [`Wanted::DAYS_MAX`].
    pub days: u16,
    /// What is left out, in place of the usual (viruses, denied senders): a pattern.
    pub without: Option<String>,
    /// From now on each day (`+`), or no longer (`-`).
    pub daily: Option<bool>,
}

impl Wanted {
    /// Days where nobody says how many.
    pub const DAYS: u16 = 5;
    /// Days of a daily report where nobody says how many.
    pub const DAILY: u16 = 1;
    /// The most days. Who asks for more gets these.
    pub const DAYS_MAX: u16 = 60;

    /// Reads a subject. One that begins with neither a number nor a sign is no wish, but what people and their mail clients
    /// write there, and so is what stands in it.
    pub fn parse(subject: &str) -> Wanted {
        let subject = subject.trim();
        let (daily, rest) = match subject.chars().next() {
            Some('+') => (Some(true), subject.get(1..).unwrap_or_default()),
            // What editors make of a minus.
            Some(sign @ ('-' | '\u{2013}' | '\u{2014}' | '\u{2212}')) => {
                (Some(false), subject.get(sign.len_utf8()..).unwrap_or_default())
            }
            _ => (None, subject),
        };
        let usual = if daily == Some(true) {
            Wanted::DAILY
        } else {
            Wanted::DAYS
        };
        let (days, without) = numbered(rest);
        Wanted {
            days: days.unwrap_or(usual),
            without: without.filter(|_| days.is_some()),
            daily,
        }
    }
}

/// Words that people write behind a number of days, and that are no pattern.
const DAYS: [&str; 10] = [
    "day", "days", "tag", "tage", "tagen", "jour", "jours", "día", "días", "dias",
];

/// A number of days and what stands behind it.
fn numbered(text: &str) -> (Option<u16>, Option<String>) {
    let text = text.trim_start();
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    if digits.is_empty() {
        return (None, None);
    }
    // More digits than fit are more days than there are.
    let days = digits.parse().unwrap_or(Wanted::DAYS_MAX).clamp(1, Wanted::DAYS_MAX);
    let rest = rest.trim();
    let rest = match rest.split_once(char::is_whitespace) {
        Some((word, behind)) if is_days(word) => behind.trim(),
        None if is_days(rest) => "",
        _ => rest,
    };
    (Some(days), (!rest.is_empty()).then(|| rest.to_owned()))
}

fn is_days(word: &str) -> bool {
    let word = word.to_lowercase();
    DAYS.contains(&word.as_str())
}

/// Whose mail a report is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whose {
    /// One person's.
    Person(Address),
    /// Everybody's in a domain.
    Domain(Domain),
}

impl Whose {
    /// As it is shown, and written in keys: in lower case.
    pub fn key(&self) -> String {
        match self {
            Whose::Person(address) => address.key(),
            Whose::Domain(domain) => format!("*@{}", domain.key()),
        }
    }

    /// Reads `addr` or `*@domain`.
    pub fn read(text: &str) -> Option<Whose> {
        let text = text.trim().trim_start_matches('<').trim_end_matches('>');
        match text.strip_prefix("*@") {
            Some(domain) => Domain::parse(domain, true).ok().map(Whose::Domain),
            None => Address::parse(text, true).ok().map(Whose::Person),
        }
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        match self {
            Whose::Person(address) => address.domain(),
            Whose::Domain(domain) => domain,
        }
    }
}

/// Who gets a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ToWhom {
    /// The one who asks.
    Asker,
    /// Somebody else.
    This(Address),
    /// Everybody of a domain, each their own.
    Each,
}

/// A line of a mail's text: `addr=>recipient=>days=>regex`, `*@domain`, `*@domain=>*`. All but the first are optional.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Line {
    /// Whose mail.
    pub whose: Whose,
    /// To whom.
    pub to: ToWhom,
    /// Days, where the line says.
    pub days: Option<u16>,
    /// What is left out, where the line says.
    pub without: Option<String>,
}

/// All lines of a mail's text that ask for a report.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lines {
    /// What is asked for.
    pub asked: Vec<Line>,
    /// Lines that look like it and cannot be read.
    pub unclear: Vec<String>,
}

impl Lines {
    /// The most lines that are heeded.
    pub const MAX: usize = 50;
    /// The most lines that are looked at.
    const LOOKED_AT: usize = 2_000;
    /// The most octets of a line.
    const LONG: usize = 1_000;

    /// Reads a text. Quoted lines and a signature ask for nothing.
    pub fn read(text: &str) -> Lines {
        let mut lines = Lines::default();
        for line in text.lines().take(Lines::LOOKED_AT) {
            if line.trim_end() == "--" {
                break;
            }
            let line = line.trim();
            let asks = line.starts_with("*@") || line.contains("=>");
            if !asks || line.starts_with('>') {
                continue;
            }
            if lines.asked.len() + lines.unclear.len() == Lines::MAX {
                break;
            }
            match Some(line).filter(|line| line.len() <= Lines::LONG).and_then(Line::read) {
                Some(line) => lines.asked.push(line),
                None => lines.unclear.push(line.chars().take(100).collect()),
            }
        }
        lines
    }
}

impl Line {
    fn read(line: &str) -> Option<Line> {
        let mut parts = line.splitn(4, "=>").map(str::trim);
        let whose = Whose::read(parts.next()?)?;
        let to = match (parts.next().unwrap_or_default(), &whose) {
            ("", _) => ToWhom::Asker,
            ("*", Whose::Domain(_)) => ToWhom::Each,
            ("*", Whose::Person(address)) => ToWhom::This(address.clone()),
            (text, _) => match Whose::read(text)? {
                Whose::Person(address) => ToWhom::This(address),
                Whose::Domain(_) => return None,
            },
        };
        let days = match parts.next().unwrap_or_default() {
            "" => None,
            text => match numbered(text) {
                (Some(days), None) => Some(days),
                _ => return None,
            },
        };
        let without = parts.next().filter(|text| !text.is_empty()).map(str::to_owned);
        Some(Line {
            whose,
            to,
            days,
            without,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wanted(days: u16, without: Option<&str>, daily: Option<bool>) -> Wanted {
        Wanted {
            days,
            without: without.map(Into::into),
            daily,
        }
    }

    #[test]
    fn a_subject_says_how_many_days_what_to_leave_out_and_how_often() {
        for (subject, expected) in [
            ("", wanted(5, None, None)),
            ("7", wanted(7, None, None)),
            (" 14  news|offer ", wanted(14, Some("news|offer"), None)),
            ("7 Tage", wanted(7, None, None)),
            ("7 days ^win", wanted(7, Some("^win"), None)),
            ("3days", wanted(3, None, None)),
            ("0", wanted(1, None, None)),
            ("61", wanted(60, None, None)),
            ("99999999999999999999", wanted(60, None, None)),
            ("+", wanted(1, None, Some(true))),
            ("+3", wanted(3, None, Some(true))),
            ("+ 3 news", wanted(3, Some("news"), Some(true))),
            ("-", wanted(5, None, Some(false))),
            ("\u{2013}", wanted(5, None, Some(false))),
            ("my report please", wanted(5, None, None)),
            ("Re: Block report, 7 days", wanted(5, None, None)),
            ("+ please", wanted(1, None, Some(true))),
        ] {
            assert_eq!(Wanted::parse(subject), expected, "{subject:?}");
        }
    }

    #[test]
    fn a_line_says_whose_to_whom_how_many_days_and_what_to_leave_out() {
        let read = |line: &str| Lines::read(line).asked.into_iter().next();
        let person = |text: &str| Address::parse(text, true).unwrap();
        let line = read("ann@d.example=>carl@d.example=>7=>news=>more").expect("a line");
        assert_eq!(line.whose, Whose::Person(person("ann@d.example")));
        assert_eq!(line.to, ToWhom::This(person("carl@d.example")));
        assert_eq!((line.days, line.without.as_deref()), (Some(7), Some("news=>more")));
        let line = read("*@D.example").expect("a line");
        assert_eq!((line.whose.key().as_str(), line.to), ("*@d.example", ToWhom::Asker));
        assert_eq!(read("*@d.example => *").map(|line| line.to), Some(ToWhom::Each));
        assert_eq!(read("ann@d.example=>").map(|line| line.to), Some(ToWhom::Asker));
        let line = read("<ann@d.example>=>*=>=>x").expect("a line");
        assert_eq!((line.to, line.days), (ToWhom::This(person("ann@d.example")), None));
    }

    #[test]
    fn what_cannot_be_read_is_told_and_what_is_no_request_is_not() {
        let text = "Hello,\nann@d.example\n> eva@e.example=>\nnobody=>\nx@y.example=>*@z.example\n*@\na@b.example=>c@d.example=>soon\n-- \n*@d.example";
        let lines = Lines::read(text);
        assert_eq!(lines.asked, []);
        assert_eq!(
            lines.unclear,
            [
                "nobody=>",
                "x@y.example=>*@z.example",
                "*@",
                "a@b.example=>c@d.example=>soon"
            ]
        );
        let many = Lines::read(&"*@d.example\n".repeat(10_000));
        assert_eq!(many.asked.len(), Lines::MAX);
    }

    proptest! {
        #[test]
        fn any_subject_and_text_is_read_within_bounds(subject in any::<String>(), text in "(?s).{0,400}", line in "[*a@.<>= 0-9\n-]{0,200}") {
            let wanted = Wanted::parse(&subject);
            prop_assert!((1..=Wanted::DAYS_MAX).contains(&wanted.days));
            for text in [text, line] {
                let lines = Lines::read(&text);
                prop_assert!(lines.asked.len() + lines.unclear.len() <= Lines::MAX);
                for line in lines.asked {
                    prop_assert!(line.days.is_none_or(|days| (1..=Wanted::DAYS_MAX).contains(&days)));
                    prop_assert_eq!(Whose::read(&line.whose.key()).map(|whose| whose.key()), Some(line.whose.key()));
                }
            }
        }
    }
}
