//! Names of files and folders: what scheduling needs stands in them, so that a start reads folders and no file.
//!
//! ```text
//! example.org/                                  a domain, in lower case
//! 0k5m2r9hq0000.4123                            a mail: its id, the octets of its message
//! 0k5m2r9hq0000.4123.a1767614400000.h.w         .. which came then, where the id tells another time; held; warned about
//! 0k5m2r9hq0000.4123.u1767700800000             .. which stays until then, where somebody ordered that
//! 0k5m2r9hq0000.state                           which of its recipients are done
//! ```
//!
//! **Invariant:** each name has one reading and each value one name: whatever reads otherwise is not ours and stays
//! untouched.

use std::sync::Arc;

use gatepost_core::Time;

use super::id::Id;

/// The most octets of the name of a folder: what file systems take.
const FOLDER_MAX: usize = 255;
/// What the file ends in that tells which recipients are done.
pub const STATE: &str = ".state";
/// What the file ends in that tells why a mail was set aside.
pub const WHY: &str = ".why";

/// What may change of a mail while it waits, and what scheduling must know of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// Until when it stays, where somebody ordered that.
    pub until: Option<Time>,
    /// Somebody ordered that it stays.
    pub held: bool,
    /// Its sender was told that it waits, or nobody may be told.
    pub warned: bool,
}

/// A mail that waits, as far as scheduling must know it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// Its id.
    pub id: Id,
    /// The domain in whose order it waits, in lower case.
    pub domain: Arc<str>,
    /// When it came.
    pub at: Time,
    /// The octets of its message.
    pub size: u64,
    /// What changes.
    pub marks: Marks,
}

impl Entry {
    /// The name of its file.
    pub fn name(&self) -> String {
        name(self.id, self.size, self.at, &self.marks)
    }

    /// The name of the file that tells which of its recipients are done.
    pub fn state(&self) -> String {
        format!("{}{STATE}", self.id)
    }
}

/// What the name of a file tells of a mail: an [`Entry`] but for its domain, and as small as can be, since at a start there
/// are as many as mails wait.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mail {
    /// Its id.
    pub id: Id,
    /// The octets of its message.
    pub size: u64,
    lag: u32,
    held: bool,
    warned: bool,
    /// When it came, where its lag does not tell, and until when it stays, where somebody ordered that.
    more: Option<Box<(Time, Option<Time>)>>,
}

impl Mail {
    /// The mail whose file has this name.
    pub fn parse(text: &str) -> Option<Mail> {
        let mut words = text.split('.');
        let id = Id::parse(words.next()?)?;
        let size = words.next()?.parse().ok()?;
        let (mut at, mut marks) = (id.time(), Marks::default());
        for word in words {
            let time = |digits: &str| digits.parse().ok().map(Time::from_millis);
            match word.split_at_checked(1)? {
                ("a", digits) => at = time(digits)?,
                ("u", digits) => marks.until = Some(time(digits)?),
                ("h", "") => marks.held = true,
                ("w", "") => marks.warned = true,
                _ => return None,
            }
        }
        // Another order, a sign, a zero in front, the same twice: not written by us.
        if name(id, size, at, &marks) != text {
            return None;
        }
        let Marks { until, held, warned } = marks;
        let lag = id.lag(at).filter(|_| until.is_none());
        Some(Mail {
            id,
            size,
            lag: lag.unwrap_or_default(),
            held,
            warned,
            more: lag.is_none().then(|| Box::new((at, until))),
        })
    }

    /// The same, of a domain.
    pub fn of(&self, domain: &Arc<str>) -> Entry {
        let more = self.more.as_deref().copied();
        let (at, until) = more.unwrap_or_else(|| (self.id.at(self.lag), None));
        let &Mail {
            id, size, held, warned, ..
        } = self;
        Entry {
            id,
            domain: Arc::clone(domain),
            at,
            size,
            marks: Marks { until, held, warned },
        }
    }
}

fn name(id: Id, size: u64, at: Time, marks: &Marks) -> String {
    let mut name = format!("{id}.{size}");
    if at != id.time() {
        name.push_str(&format!(".a{}", at.millis()));
    }
    if let Some(until) = marks.until {
        name.push_str(&format!(".u{}", until.millis()));
    }
    if marks.held {
        name.push_str(".h");
    }
    if marks.warned {
        name.push_str(".w");
    }
    name
}

/// Whether a character of a domain stands for itself in the name of its folder.
fn is_plain(c: char) -> bool {
    match c {
        'a'..='z' | '0'..='9' | '.' | '-' | '_' | '[' | ']' | ':' => true,
        c if c.is_ascii() => false,
        c => !c.is_control() && !c.is_whitespace(),
    }
}

/// The name of the folder of a domain: itself for every domain that SMTP knows; `None` where a text is too long for that.
pub fn folder(domain: &str) -> Option<String> {
    if domain.is_empty() {
        return Some("%".into());
    }
    let mut name = String::with_capacity(domain.len());
    for (at, c) in domain.char_indices() {
        if is_plain(c) && !(at == 0 && c == '.') {
            name.push(c);
        } else {
            let mut octets = [0; 4];
            for octet in c.encode_utf8(&mut octets).bytes() {
                name.push_str(&format!("%{octet:02X}"));
            }
        }
    }
    (name.len() <= FOLDER_MAX).then_some(name)
}

/// The domain whose folder has this name.
pub fn domain(name: &str) -> Option<String> {
    if name == "%" {
        return Some(String::new());
    }
    let mut octets = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, escaped)) = rest.split_once('%') {
        octets.extend_from_slice(before.as_bytes());
        let (digits, after) = escaped.split_at_checked(2)?;
        octets.push(u8::from_str_radix(digits, 16).ok()?);
        rest = after;
    }
    octets.extend_from_slice(rest.as_bytes());
    let domain = String::from_utf8(octets).ok()?;
    (folder(&domain).as_deref() == Some(name)).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::id::Ids;
    use proptest::prelude::*;

    #[test]
    fn a_domain_that_smtp_knows_is_the_name_of_its_folder() {
        let longest = format!("{}.example", "ü".repeat(123));
        assert_eq!(longest.len(), 254);
        for plain in [
            "example.org",
            "xn--bcher-kva.example",
            "bücher.example",
            "[192.0.2.1]",
            "[ipv6:2001:db8::1]",
            &longest,
        ] {
            assert_eq!(folder(plain).as_deref(), Some(plain));
        }
        for (domain, name) in [
            ("", "%"),
            (".", "%2E"),
            ("..", "%2E."),
            ("a/b", "a%2Fb"),
            ("A", "%41"),
            ("%", "%25"),
            ("\0", "%00"),
        ] {
            assert_eq!(folder(domain).as_deref(), Some(name));
        }
        assert_eq!(folder(&"x".repeat(256)), None);
        for strange in ["..", ".", "%2e", "A", "a b", "%4", "%zz", "a%61b", "%+4", ""] {
            assert_eq!(domain(strange), None, "{strange:?}");
        }
    }

    #[test]
    fn a_name_of_another_kind_is_not_ours() {
        let id = Id::FIRST;
        for strange in [
            "", "x", "1", "1.2", ".01", ".+1", ".1.w.h", ".1.h.h", ".1.a0", ".1.u01", ".1.x", ".1.", ".1.é",
        ] {
            assert_eq!(Mail::parse(&format!("{id}{strange}")), None, "{strange:?}");
        }
    }

    #[test]
    fn what_a_name_tells_takes_thirty_two_octets() {
        assert_eq!(size_of::<Mail>(), 32);
    }

    fn marks() -> impl Strategy<Value = Marks> {
        (any::<Option<u64>>(), any::<bool>(), any::<bool>()).prop_map(|(until, held, warned)| Marks {
            until: until.map(Time::from_millis),
            held,
            warned,
        })
    }

    proptest! {
        #[test]
        fn every_domain_has_a_folder_of_its_own(text in any::<String>()) {
            if let Some(name) = folder(&text) {
                prop_assert!(!name.contains(['/', '\0']) && !name.starts_with('.') && !name.is_empty());
                prop_assert_eq!(domain(&name), Some(text));
            }
        }

        #[test]
        fn every_entry_reads_back_from_its_name(at: u64, lag: Option<u16>, clock in 0..1u64 << 44, size: u64, marks in marks()) {
            let domain: Arc<str> = "a.example".into();
            let id = Ids::above(Id::FIRST).next(Time::from_millis(clock));
            let at = lag.map_or(Time::from_millis(at), |lag| id.at(lag.into()));
            let entry = Entry { id, domain, at, size, marks };
            let name = entry.name();
            prop_assert!(name.len() <= 100);
            prop_assert_eq!(Mail::parse(&name).map(|mail| mail.of(&entry.domain)), Some(entry));
        }

        #[test]
        fn any_name_has_one_reading_at_most(name in "[0-9a-z.]{0,40}") {
            if let Some(mail) = Mail::parse(&name) {
                prop_assert_eq!(mail.of(&"d".into()).name(), name);
            }
        }
    }
}
