//! Who looks for addresses: traps, and recipients that do not exist, as a record tells.

use std::collections::BTreeSet;

use gatepost_core::{Address, Path, RecipientRecord, Record};

/// Addresses that nobody honest writes to, by their key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Traps(BTreeSet<String>);

impl Traps {
    /// Those of the options that are addresses.
    pub fn new<'a>(addresses: impl IntoIterator<Item = &'a str>) -> Traps {
        let parsed = addresses.into_iter().filter_map(|text| Address::parse(text, true).ok());
        Traps(parsed.map(|address| address.key().to_string()).collect())
    }

    /// Whether a recipient is one.
    pub fn has(&self, to: &Path) -> bool {
        !self.0.is_empty() && to.mailbox().is_some_and(|mailbox| self.0.contains(&*mailbox.key()))
    }

    /// Whether a mail named one, granted or not.
    pub fn in_record(&self, record: &Record) -> bool {
        let is = |row: &RecipientRecord| Path::forward(&row.to, true).is_ok_and(|to| self.has(&to));
        !self.0.is_empty() && record.recipients.iter().any(is)
    }
}

/// How many recipients were refused because they do not exist.
pub fn unknown(record: &Record) -> u32 {
    let is = |row: &&RecipientRecord| {
        row.fate == "refuse"
            && row.because.iter().any(|tag| match tag.as_str() {
                "policy.unknown_recipient" | "policy.known_unknown" => true,
                // RFC 3463 §3.2: something is wrong with the address itself; or the server does not say what.
                "upstream.rcpt" => row.reply.starts_with('5') && subject(&row.reply).is_none_or(|n| n <= 1),
                _ => false,
            })
    };
    u32::try_from(record.recipients.iter().filter(is).count()).unwrap_or(u32::MAX)
}

/// The second number of an enhanced code: 1 of `550 5.1.1 no such user`.
fn subject(reply: &str) -> Option<u32> {
    let code = reply.get(4..)?.split(' ').next()?;
    let mut numbers = code.split('.');
    let (Some(_), Some(subject), Some(_), None) = (
        numbers.next().and_then(|class| class.parse::<u32>().ok()),
        numbers.next(),
        numbers.next(),
        numbers.next(),
    ) else {
        return None;
    };
    subject.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::{Direction, RecipientId, Tag};

    fn record(rows: &[(&str, &str, &'static str, &str)]) -> Record {
        let client = "192.0.2.1".parse().unwrap();
        let mut record = Record::new("id".into(), 0, Direction::Inbound, "mx".into(), client, 25);
        for (n, (to, fate, because, reply)) in rows.iter().enumerate() {
            let mut row = RecipientRecord::new(RecipientId(n as u16), (*to).into());
            (row.fate, row.reply) = ((*fate).into(), (*reply).into());
            row.because = vec![Tag::new(because)];
            record.recipients.push(row);
        }
        record
    }

    #[test]
    fn only_recipients_that_do_not_exist_are_unknown() {
        let record = record(&[
            ("a@d.example", "refuse", "policy.unknown_recipient", "550 5.1.1 no"),
            ("b@d.example", "refuse", "policy.known_unknown", "550 5.1.1 no"),
            ("c@d.example", "refuse", "upstream.rcpt", "550 5.1.1 no"),
            ("d@d.example", "refuse", "upstream.rcpt", "550 no such user"),
            ("e@d.example", "refuse", "upstream.rcpt", "550 5.7.1 not you"),
            ("f@d.example", "defer", "upstream.rcpt", "450 4.1.1 later"),
            ("g@d.example", "refuse", "dnsbl.listed", "550 5.7.1 listed"),
            ("h@d.example", "deliver", "policy.mark", "250 2.0.0 ok"),
        ]);
        assert_eq!(unknown(&record), 4);
    }

    #[test]
    fn a_trap_is_known_in_any_letter_case() {
        let traps = Traps::new(["Old@D.example", "nonsense"]);
        let names = |to| traps.in_record(&record(&[(to, "refuse", "policy.relay", "550 5.7.1 no")]));
        assert!(names("old@d.example") || names("Old@d.example"));
        assert!(names("Old@D.EXAMPLE") && !names("new@d.example"));
        assert!(!Traps::default().in_record(&record(&[("Old@d.example", "none", "a.b", "")])));
    }
}
