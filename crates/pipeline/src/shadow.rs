//! What a policy did with mail, or would have done in a dry run: counted from records.
//!
//! **Invariant:** each recipient counts once, with the fate that the policy in force would have given it; so a report about a
//! dry run and one about the same mail under the same policy in force count alike. **Bounds:** what is held does not grow
//! with the number of records: reasons are words of ours, senders at most [`SENDERS_MAX`], examples [`EXAMPLES_MAX`] of a
//! fate. **Absent on purpose:** where records come from, and for whom.

use std::collections::{BTreeMap, HashMap};

use gatepost_core::{Address, RecipientRecord, Record, Score};
use serde::Serialize;

use crate::reasons;

/// The most senders that are counted at a time; beyond that the rarest are forgotten, and the report says so.
pub const SENDERS_MAX: usize = 10_000;
/// The most senders that a report names.
pub const TOP_MAX: usize = 10;
/// The most examples of a fate.
pub const EXAMPLES_MAX: usize = 5;
/// The most characters of an address in it.
const ADDRESS_MAX: usize = 320;

/// What happens to mail, or would, at the mail server's word and not by ours.
const BY_SERVER: &str = "refused_by_server";

/// A report.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Mails with a recipient that is asked about.
    pub mails: u64,
    /// Such recipients.
    pub recipients: u64,
    /// Those of them for whom a dry run overruled the policy.
    pub overruled: u64,
    /// Recipients by what the policy in force does: `deliver`, `defer`, `hold`, `refuse`, `discard`, `divert`; and
    /// `refused_by_server` for those whom the mail server did not take.
    pub fates: BTreeMap<String, u64>,
    /// Recipients by level, and in each by fate. The level is by all that was found, also where the mail would have been
    /// turned away before.
    pub levels: BTreeMap<&'static str, BTreeMap<String, u64>>,
    /// Why mail is not delivered, in plain words, the most frequent first.
    pub reasons: Vec<Counted>,
    /// Whose mail is not delivered: domains of senders, the most frequent first.
    pub senders: Vec<Counted>,
    /// So many senders wrote that the rare ones were forgotten: the counts of the others may be too low.
    pub senders_forgotten: bool,
    /// The newest of each fate but `deliver`.
    pub examples: Vec<Example>,
}

/// Something and how often it is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Counted {
    /// It.
    pub what: String,
    /// How many recipients.
    pub recipients: u64,
}

/// One recipient of a mail.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[non_exhaustive]
pub struct Example {
    /// The transaction's number.
    pub id: String,
    /// When it began, in milliseconds since the epoch.
    pub at: u64,
    /// What the policy in force does with it.
    pub fate: String,
    /// What became of it.
    pub became: String,
    /// The sender; empty for the null sender.
    pub from: String,
    /// The recipient.
    pub to: String,
    /// The points.
    pub score: Score,
    /// Why, in plain words.
    pub why: &'static str,
}

/// Counts records.
#[derive(Debug, Default)]
pub struct Tally {
    report: Report,
    reasons: BTreeMap<&'static str, u64>,
    senders: HashMap<Box<str>, u64>,
}

/// What the policy in force makes of a recipient; none where no message came, or where the recipient was only to come in a
/// transaction of its own, in which it counts.
fn fate(row: &RecipientRecord) -> Option<&str> {
    let by = |rule: &str| row.because.iter().any(|tag| tag.as_str() == rule);
    let by_server = || by("upstream.rcpt");
    match (row.would.as_deref(), row.fate.as_str()) {
        (Some(would), _) => Some(would),
        (None, "none") => None,
        (None, _) if by("policy.other_route") || by("policy.other_class") => None,
        (None, _) if by_server() => Some(BY_SERVER),
        (None, fate) => Some(fate),
    }
}

/// Whether mail of this fate comes to its reader.
fn comes_in(fate: &str) -> bool {
    matches!(fate, "deliver" | "divert")
}

fn cut(text: &str) -> String {
    text.chars().take(ADDRESS_MAX).collect()
}

impl Tally {
    /// Counts a record: those of its recipients that are asked about. The newest come first.
    pub fn add(&mut self, record: &Record, concerns: impl Fn(&RecipientRecord) -> bool) {
        let mut any = false;
        for row in record.recipients.iter().filter(|row| concerns(row)) {
            if let Some(fate) = fate(row) {
                any = true;
                self.count(record, row, fate);
            }
        }
        self.report.mails += u64::from(any);
    }

    fn count(&mut self, record: &Record, row: &RecipientRecord, fate: &str) {
        let report = &mut self.report;
        report.recipients += 1;
        report.overruled += u64::from(row.would.is_some());
        *report.fates.entry(fate.into()).or_default() += 1;
        let of_level = report.levels.entry(row.level.name()).or_default();
        *of_level.entry(fate.into()).or_default() += 1;
        if comes_in(fate) {
            return;
        }
        let why = reasons::first(&row.because);
        *self.reasons.entry(why).or_default() += 1;
        let from = record.from.as_deref().unwrap_or_default();
        let same = report.examples.iter().filter(|example| example.fate == fate);
        if same.count() < EXAMPLES_MAX {
            report.examples.push(Example {
                id: record.id.clone(),
                at: record.began,
                fate: fate.into(),
                became: row.fate.clone(),
                from: cut(from),
                to: cut(&row.to),
                score: row.score,
                why,
            });
        }
        let domain = Address::parse(from, true).map_or_else(|_| "<>".into(), |from| from.domain().key());
        *self.senders.entry(domain.into()).or_default() += 1;
        if self.senders.len() > SENDERS_MAX {
            self.forget_rare();
        }
    }

    /// Forgets senders of few mails until half of the places are free.
    fn forget_rare(&mut self) {
        self.report.senders_forgotten = true;
        let mut counts: Vec<u64> = self.senders.values().copied().collect();
        counts.sort_unstable();
        let median = counts.get(counts.len() / 2).copied().unwrap_or_default();
        self.senders.retain(|_, count| *count > median);
    }

    /// The report.
    pub fn report(self) -> Report {
        let mut report = self.report;
        report.reasons = top(self.reasons.into_iter().map(|(what, count)| (what.into(), count)));
        report.senders = top(self.senders.into_iter().map(|(what, count)| (what.into(), count)));
        report.senders.truncate(TOP_MAX);
        report
    }
}

/// The most frequent first, and of equals by name.
fn top(counts: impl Iterator<Item = (String, u64)>) -> Vec<Counted> {
    let mut counts: Vec<Counted> = counts.map(|(what, recipients)| Counted { what, recipients }).collect();
    counts.sort_by(|a, b| b.recipients.cmp(&a.recipients).then_with(|| a.what.cmp(&b.what)));
    counts
}

#[cfg(test)]
mod tests {
    use gatepost_core::{Direction, Level, RecipientId, Tag};

    use super::*;

    fn record(id: &str, from: &str, rows: &[(&str, Option<&str>, &'static str)]) -> Record {
        let client = "192.0.2.1".parse().expect("an address");
        let mut record = Record::new(id.into(), 7, Direction::Inbound, "mx".into(), client, 1);
        record.from = Some(from.into());
        for (n, (fate, would, because)) in (0..).zip(rows) {
            let mut row = RecipientRecord::new(RecipientId(n), format!("r{n}@d.example"));
            (row.fate, row.would) = ((*fate).into(), would.map(Into::into));
            row.because = vec![Tag::new(because)];
            row.level = if would.is_some() { Level::High } else { Level::None };
            record.recipients.push(row);
        }
        record
    }

    #[test]
    fn each_recipient_counts_once_with_the_fate_that_would_have_been() {
        let mut tally = Tally::default();
        let spam = "bayes.odds";
        tally.add(
            &record(
                "1",
                "a@x.example",
                &[("deliver", Some("refuse"), spam), ("deliver", None, "policy.none")],
            ),
            |_| true,
        );
        tally.add(
            &record("2", "b@x.example", &[("refuse", None, "upstream.rcpt")]),
            |_| true,
        );
        tally.add(&record("3", "", &[("none", None, "policy.none")]), |_| true);
        // Those two come again, each in a mail of its own.
        for apart in ["policy.other_route", "policy.other_class"] {
            tally.add(&record("3", "", &[("defer", None, apart)]), |_| true);
        }
        tally.add(&record("4", "", &[("none", Some("defer"), "greylist.first")]), |_| true);
        tally.add(
            &record(
                "5",
                "c@y.example",
                &[("deliver", Some("hold"), spam), ("deliver", Some("hold"), spam)],
            ),
            |row| row.id == RecipientId(0),
        );
        let report = tally.report();
        assert_eq!((report.mails, report.recipients, report.overruled), (4, 5, 3));
        let fates: Vec<(&str, u64)> = report
            .fates
            .iter()
            .map(|(fate, count)| (fate.as_str(), *count))
            .collect();
        assert_eq!(
            fates,
            [("defer", 1), ("deliver", 1), ("hold", 1), ("refuse", 1), (BY_SERVER, 1)]
        );
        assert_eq!(report.levels["high"].values().sum::<u64>(), 3);
        assert_eq!(
            (report.reasons[0].what.as_str(), report.reasons[0].recipients),
            ("Its content looks like spam", 2)
        );
        let senders: Vec<(&str, u64)> = report
            .senders
            .iter()
            .map(|one| (one.what.as_str(), one.recipients))
            .collect();
        assert_eq!(senders, [("x.example", 2), ("<>", 1), ("y.example", 1)]);
        let examples: Vec<(&str, &str)> = report
            .examples
            .iter()
            .map(|one| (one.id.as_str(), one.fate.as_str()))
            .collect();
        assert_eq!(
            examples,
            [("1", "refuse"), ("2", BY_SERVER), ("4", "defer"), ("5", "hold")]
        );
    }

    #[test]
    fn what_is_held_does_not_grow_with_the_records() {
        let mut tally = Tally::default();
        let rows = [("deliver", Some("refuse"), "bayes.odds")];
        for n in 0..3 * SENDERS_MAX {
            tally.add(&record(&n.to_string(), &format!("a@x{n}.example"), &rows), |_| true);
            tally.add(&record(&n.to_string(), "a@often.example", &rows), |_| true);
            assert!(tally.senders.len() <= SENDERS_MAX);
        }
        let report = tally.report();
        assert!(report.senders_forgotten);
        assert_eq!(report.senders[0].what, "often.example");
        assert_eq!(report.senders[0].recipients, 3 * SENDERS_MAX as u64);
        assert!(report.senders.len() <= TOP_MAX);
        assert_eq!(report.examples.len(), EXAMPLES_MAX);
    }
}
