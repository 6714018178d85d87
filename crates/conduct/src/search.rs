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

    /// Whether a mail named one, granted or refused. Who was told to come again is judged when he does: a ban that is
    /// answered with 421 must not be renewed by each try.
    pub fn in_record(&self, record: &Record) -> bool {
        let is =
            |row: &RecipientRecord| row.fate != "defer" && Path::forward(&row.to, true).is_ok_and(|to| self.has(&to));
        !self.0.is_empty() && !is_bounce(record) && record.recipients.iter().any(is)
    }
}

/// A bounce goes to whom somebody else named as the sender: its server looks for nobody.
fn is_bounce(record: &Record) -> bool {
    record.from.as_deref() == Some("")
}

/// How many recipients were refused because they do not exist.
pub fn unknown(record: &Record) -> u32 {
    if is_bounce(record) {
        return 0;
    }
    let is = |row: &&RecipientRecord| {
        row.fate == "refuse"
            && row.because.iter().any(|tag| match tag.as_str() {
                "policy.unknown_recipient" | "policy.known_unknown" => true,
                // Whatever else a server says may mean another thing: the sender, the client, a full mailbox.
                "upstream.rcpt" => says_no_such_mailbox(&row.reply),
                _ => false,
            })
    };
    u32::try_from(record.recipients.iter().filter(is).count()).unwrap_or(u32::MAX)
}

/// Whether a reply says that there is no such mailbox (RFC 3463 §3.2, RFC 7505): `550 5.1.1 no such user`.
fn says_no_such_mailbox(reply: &str) -> bool {
    let code = reply.get(4..).and_then(|rest| rest.split([' ', '\r', '\n']).next());
    reply.starts_with('5') && matches!(code, Some("5.1.1" | "5.1.10"))
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
            ("d@d.example", "refuse", "upstream.rcpt", "556 5.1.10 no mail here"),
            ("i@d.example", "refuse", "upstream.rcpt", "550 no such user"),
            ("j@d.example", "refuse", "upstream.rcpt", "550 5.0.0 no"),
            (
                "k@d.example",
                "refuse",
                "upstream.rcpt",
                "550 5.1.8 your domain does not exist",
            ),
            ("l@d.example", "refuse", "upstream.rcpt", "550 5.1.100 no"),
            ("m@d.example", "refuse", "upstream.rcpt", "550"),
            ("e@d.example", "refuse", "upstream.rcpt", "550 5.7.1 not you"),
            ("f@d.example", "defer", "upstream.rcpt", "450 4.1.1 later"),
            ("g@d.example", "refuse", "dnsbl.listed", "550 5.7.1 listed"),
            ("h@d.example", "deliver", "policy.mark", "250 2.0.0 ok"),
        ]);
        assert_eq!(unknown(&record), 4);
    }

    #[test]
    fn a_bounce_looks_for_nobody() {
        let mut record = record(&[
            ("a@d.example", "refuse", "policy.unknown_recipient", "550 5.1.1 no"),
            ("old@d.example", "deliver", "policy.mark", "250 2.0.0 ok"),
        ]);
        let traps = Traps::new(["old@d.example"]);
        record.from = Some("eve@e.example".into());
        assert!(unknown(&record) == 1 && traps.in_record(&record));
        record.from = Some(String::new());
        assert!(unknown(&record) == 0 && !traps.in_record(&record));
    }

    #[test]
    fn who_was_told_to_come_again_has_not_written_to_a_trap_yet() {
        let traps = Traps::new(["old@d.example"]);
        let named = |fate| traps.in_record(&record(&[("old@d.example", fate, "a.b", "")]));
        assert!(!named("defer") && named("refuse") && named("none") && named("deliver"));
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
