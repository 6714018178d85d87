//! What became of a collection, counted.

use std::collections::BTreeMap;
use std::time::Duration;

use gatepost_core::{Label, Taught};

use super::batches::Batch;
use super::progress::rate;
use crate::log::harmless;

/// The most bad files that are named; the rest is counted.
const NAMED: u64 = 1_000;
/// The most reasons that are told apart.
const REASONS: usize = 50;

/// The counts of a run.
#[derive(Default)]
pub struct Tally {
    files: usize,
    ham: u64,
    spam: u64,
    corrected: u64,
    bad: u64,
    learned: u64,
    known: u64,
    refused: BTreeMap<String, u64>,
}

impl Tally {
    /// Of so many files.
    pub fn new(files: usize) -> Tally {
        Tally {
            files,
            ..Tally::default()
        }
    }

    /// Counts what was read, and names what is bad, in lines that are fit for a terminal.
    pub fn read(&mut self, batch: &Batch) -> Vec<String> {
        let spam = batch.mails.iter().filter(|mail| mail.label == Label::Spam).count() as u64;
        self.spam += spam;
        self.ham += batch.mails.len() as u64 - spam;
        self.corrected += batch.corrected;
        let mut lines = Vec::new();
        for bad in &batch.bad {
            self.bad += 1;
            if self.bad <= NAMED {
                lines.push(harmless(&format!("skipped: {}: {}", bad.place, bad.why)));
            } else if self.bad == NAMED + 1 {
                lines.push(format!("more than {NAMED} are skipped: the others are only counted"));
            }
        }
        lines
    }

    /// Counts what became of mails.
    pub fn taught(&mut self, all: &[Taught]) {
        for one in all {
            match one {
                Taught::Learned(_) => self.learned += 1,
                Taught::Known(_) => self.known += 1,
                Taught::Refused(why) if self.refused.len() < REASONS || self.refused.contains_key(why) => {
                    *self.refused.entry(why.clone()).or_default() += 1;
                }
                _ => *self.refused.entry("for other reasons".into()).or_default() += 1,
            }
        }
    }

    /// The mails that were read.
    pub fn mails(&self) -> u64 {
        self.ham + self.spam
    }

    /// The counts as lines, aligned.
    pub fn table(&self, dry_run: bool, by: &str, took: Duration) -> Vec<String> {
        let mut rows = vec![
            ("files".to_owned(), self.files as u64),
            ("mails of ham".into(), self.ham),
            ("mails of spam".into(), self.spam),
        ];
        if self.corrected > 0 {
            rows.push(("left out, the same as a correction".into(), self.corrected));
        }
        rows.push(("skipped, no mail that can be read".into(), self.bad));
        if !dry_run {
            rows.push(("learned".into(), self.learned));
            rows.push(("learned before".into(), self.known));
            rows.push(("not learned".into(), self.refused.values().sum()));
            let reasons = self
                .refused
                .iter()
                .map(|(why, count)| (format!("  {}", harmless(why)), *count));
            rows.extend(reasons);
        }
        let wide = rows.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        let mut lines: Vec<String> = rows
            .iter()
            .map(|(what, count)| format!("{what:wide$}  {count:>9}"))
            .collect();
        let seconds = took.as_secs_f64();
        let rate = rate(self.mails(), took);
        lines.push(format!("{seconds:.1} seconds, {rate} mails a second"));
        if self.learned > 0 {
            lines.push(harmless(&format!(
                "taken back by: gatepost unlearn --by {}",
                quoted(by)
            )));
        }
        lines
    }
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    if word
        .bytes()
        .all(|octet| octet.is_ascii_alphanumeric() || b"-_.@+".contains(&octet))
    {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::Labelled;
    use gatepost_training::sources::Bad;

    use super::*;

    fn batch(bad: usize) -> Batch {
        let one = Bad {
            place: "a\u{1b}[2J".into(),
            why: "it is empty".into(),
        };
        Batch {
            mails: vec![
                Labelled::new(b"A: b\r\n".to_vec(), Label::Spam),
                Labelled::new(b"C: d\r\n".to_vec(), Label::Ham),
            ],
            bad: vec![one; bad],
            corrected: 1,
            ..Batch::default()
        }
    }

    #[test]
    fn a_table_tells_what_became_of_each_mail() {
        let mut tally = Tally::new(4);
        tally.read(&batch(1));
        tally.taught(&[Taught::Learned(7), Taught::Refused("too much\nof it".into())]);
        assert_eq!(
            tally.table(false, "last year", Duration::from_millis(500)),
            [
                "files                                       4",
                "mails of ham                                1",
                "mails of spam                               1",
                "left out, the same as a correction          1",
                "skipped, no mail that can be read           1",
                "learned                                     1",
                "learned before                              0",
                "not learned                                 1",
                "  too much\\u000aof it                       1",
                "0.5 seconds, 4 mails a second",
                "taken back by: gatepost unlearn --by 'last year'",
            ]
        );
        assert_eq!(tally.table(true, "x", Duration::ZERO).len(), 7);
    }

    #[test]
    fn bad_files_are_named_up_to_a_bound_and_cannot_paint_the_terminal() {
        let mut tally = Tally::default();
        assert_eq!(tally.read(&batch(1)), ["skipped: a\\u001b[2J: it is empty"]);
        let lines = tally.read(&batch(2_000));
        assert_eq!((lines.len(), tally.bad), (1_000, 2_001));
        assert!(lines[999].contains("only counted"));
        assert_eq!(tally.read(&batch(5)), Vec::<String>::new());
    }

    #[test]
    fn reasons_that_somebody_makes_up_are_bounded() {
        let mut tally = Tally::default();
        let all: Vec<Taught> = (0..1_000).map(|n| Taught::Refused(n.to_string())).collect();
        tally.taught(&all);
        assert_eq!(tally.refused.len(), REASONS + 1);
        assert_eq!(tally.refused.values().sum::<u64>(), 1_000);
    }
}
