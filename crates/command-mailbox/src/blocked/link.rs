//! What the links of a report ask for: the subject of a mail to the mailbox that releases.
//!
//! `release ID`, `release ID welcome`, `delete ID`; each with ` for ADDRESS` behind it where it is not the reader's own mail.
//! A link alone changes nothing: it opens a mail, which the reader sends or does not (L-09).

use gatepost_core::{Address, KeptId};

/// What is to be done with a kept mail.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Act {
    /// Deliver it.
    Release,
    /// Deliver it, and put its sender on the list of welcome ones.
    ReleaseAndWelcome,
    /// Delete it.
    Delete,
}

/// What the subject of a mail to the mailbox that releases says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// What is to be done.
    pub act: Act,
    /// With which mail.
    pub id: KeptId,
    /// For which of its recipients, where it is named.
    pub recipient: Option<Address>,
}

/// The most octets of a subject that is read.
const SUBJECT_MAX: usize = 500;
/// The fewest octets of an id that stands alone.
const BARE_MIN: usize = 6;
/// The most octets of an id.
const ID_MAX: usize = 64;

impl Order {
    /// Reads a subject. Prefixes that mail clients write (`Re:`) are passed over; a bare id asks for its release.
    pub fn read(subject: &str) -> Option<Order> {
        let subject = subject.trim();
        if subject.len() > SUBJECT_MAX {
            return None;
        }
        let mut words = subject
            .split_whitespace()
            .skip_while(|word| word.ends_with(':'))
            .peekable();
        let act = match words.peek()?.to_ascii_lowercase().as_str() {
            "release" => Some(Act::Release),
            "delete" => Some(Act::Delete),
            _ => None,
        };
        if act.is_some() {
            words.next();
        }
        // Without a verb it must look like one, and not like any word.
        let looks = |id: &str| id.len() >= BARE_MIN && id.bytes().any(|b| b.is_ascii_digit());
        let id = words.next().filter(|id| is_id(id) && (act.is_some() || looks(id)))?;
        let mut order = Order {
            act: act.unwrap_or(Act::Release),
            id: KeptId(id.into()),
            recipient: None,
        };
        while let Some(word) = words.next() {
            match word.to_ascii_lowercase().as_str() {
                "welcome" if order.act == Act::Release => order.act = Act::ReleaseAndWelcome,
                "for" if order.recipient.is_none() => {
                    order.recipient = Some(Address::parse(words.next()?, true).ok()?);
                }
                _ => return None,
            }
        }
        Some(order)
    }

    /// As it is written.
    pub fn subject(&self) -> String {
        let (verb, behind) = match self.act {
            Act::Release => ("release", ""),
            Act::ReleaseAndWelcome => ("release", " welcome"),
            Act::Delete => ("delete", ""),
        };
        let whose = self.recipient.as_ref();
        // An address with a space in it cannot stand in a subject of words; the desk asks for a name then.
        let whose = whose
            .map(ToString::to_string)
            .filter(|to| !to.contains(char::is_whitespace));
        let whose = whose.map_or_else(String::new, |to| format!(" for {to}"));
        format!("{verb} {}{behind}{whose}", self.id)
    }

    /// The link that opens a mail with this subject (RFC 6068).
    pub fn link(&self, mailbox: &Address) -> String {
        format!(
            "mailto:{}?subject={}",
            escaped(&mailbox.to_string(), b"@"),
            escaped(&self.subject(), b"")
        )
    }
}

fn is_id(word: &str) -> bool {
    let octet = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    !word.is_empty() && word.len() <= ID_MAX && word.bytes().all(octet)
}

/// Everything but what needs no escape anywhere (RFC 3986 §2.3) and what is named.
fn escaped(text: &str, also: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~') || also.contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order(act: Act, recipient: Option<&str>) -> Order {
        Order {
            act,
            id: KeptId("0abc12".into()),
            recipient: recipient.map(|to| Address::parse(to, true).unwrap()),
        }
    }

    #[test]
    fn an_order_is_read_as_it_was_written_and_however_it_comes_back() {
        for act in [Act::Release, Act::ReleaseAndWelcome, Act::Delete] {
            for to in [None, Some("ann@d.example")] {
                let order = order(act, to);
                assert_eq!(Order::read(&order.subject()), Some(order));
            }
        }
        let plain = Some(order(Act::Release, None));
        for subject in ["release 0abc12", " Re: RELEASE  0abc12 ", "0abc12", "AW: 0abc12"] {
            assert_eq!(Order::read(subject), plain, "{subject}");
        }
        for subject in [
            "",
            "release",
            "release ../x",
            "release 0abc12 now",
            "hello",
            "delete 0abc12 welcome",
            "please release it",
            "release 0abc12 for",
        ] {
            assert_eq!(Order::read(subject), None, "{subject}");
        }
    }

    #[test]
    fn a_link_names_the_mailbox_and_the_mail() {
        let mailbox = Address::parse("assp-release@d.example", false).unwrap();
        assert_eq!(
            order(Act::Release, None).link(&mailbox),
            "mailto:assp-release@d.example?subject=release%200abc12"
        );
        assert_eq!(
            order(Act::ReleaseAndWelcome, Some("a&b@d.example")).link(&mailbox),
            "mailto:assp-release@d.example?subject=release%200abc12%20welcome%20for%20a%26b%40d.example"
        );
    }

    proptest! {
        #[test]
        fn any_subject_is_read_and_what_is_read_is_written_alike(subject in any::<String>(), words in "(release |delete |0abc12 |welcome |for |a@b.c |Re: ){0,6}") {
            for subject in [subject, words] {
                if let Some(order) = Order::read(&subject) {
                    prop_assert_eq!(Order::read(&order.subject()), Some(order));
                }
            }
        }
    }
}
