//! What a run comes to: figures of merit for each member and for all of them fused, and what they cost.

use std::collections::BTreeMap;
use std::fmt::Write;

use gatepost_core::kept::Label;
use serde::Serialize;

use super::roc::{Errors, Ranked};
use super::run::{Plan, Run};

/// Samples of the bootstrap.
pub const SAMPLES: usize = 1_000;
/// The shares of ham, in per cent, at which missed spam is told.
pub const SHARES: [f64; 3] = [0.1, 0.5, 1.0];
/// The most unread files that are named; the others are counted.
const NAMED: usize = 20;
/// Parts of the learning curve.
const PARTS: usize = 10;

/// All figures of a run.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    /// When labels were told.
    pub feedback: String,
    /// The share of labels told wrong, in per cent.
    pub noise: f64,
    /// Whether the labels were dealt out anew.
    pub shuffled: bool,
    /// What was left out of the mails besides what gives the label away.
    pub without: Vec<&'static str>,
    /// The number from which all chance came.
    pub seed: u64,
    /// Ham that was scored.
    pub ham: usize,
    /// Spam that was scored.
    pub spam: usize,
    /// Files that could not be read, and so are in no figure.
    pub unread: usize,
    /// The first of them, each with the reason.
    pub unread_named: Vec<String>,
    /// Labels that were told.
    pub learned: usize,
    /// Labels that were told wrong.
    pub wrong: usize,
    /// The members in their order, then `fused`.
    pub columns: Vec<Column>,
    /// What it cost.
    pub cost: Cost,
}

/// The figures of one column of scores.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Column {
    /// The member, or `fused`.
    pub name: String,
    /// 1-ROCA in per cent; nothing where a class is missing, as everywhere below.
    pub area: Option<f64>,
    /// Its interval of 95 %.
    pub interval: Option<(f64, f64)>,
    /// Spam missed in per cent at each of [`SHARES`].
    pub missed: [Option<f64>; 3],
    /// Mistakes at the default threshold; of a member those that it would make alone.
    pub errors: Mistakes,
    /// The same over each tenth of the mails.
    pub curve: Vec<Part>,
}

/// Mistakes, counted and as rates.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Mistakes {
    /// Ham that was called spam.
    pub ham_called_spam: usize,
    /// In per cent of the ham.
    pub ham_rate: Option<f64>,
    /// Spam that was called ham.
    pub spam_called_ham: usize,
    /// In per cent of the spam.
    pub spam_rate: Option<f64>,
    /// The logistic average of both rates in per cent.
    pub lam: Option<f64>,
}

/// A part of the learning curve.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Part {
    /// Ham in it.
    pub ham: usize,
    /// Spam in it.
    pub spam: usize,
    /// 1-ROCA in per cent.
    pub area: Option<f64>,
    /// Ham that was called spam.
    pub ham_called_spam: usize,
    /// Spam that was called ham.
    pub spam_called_ham: usize,
}

/// What a run cost.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Cost {
    /// Seconds from begin to end, reading of files included.
    pub seconds: f64,
    /// Mails scored in a second of these.
    pub messages_per_second: f64,
    /// Octets of a mail on average.
    pub octets: f64,
    /// Microseconds of processor time for a mail scored: parsing and features of all members.
    pub features_us: f64,
    /// The same: scores and fusion.
    pub scoring_us: f64,
    /// The same for a label told, features at hand: score, fit and learning of all members.
    pub learning_us: f64,
    /// Resident memory of the process at the end, in KiB, and the most that it was.
    pub resident_kib: Option<(u64, u64)>,
    /// Octets of each saved model.
    pub models: BTreeMap<&'static str, usize>,
}

impl Cost {
    /// The cost of a run that took so many seconds.
    pub fn of(run: &Run, seconds: f64) -> Cost {
        let scored = run.rows.len().max(1) as f64;
        let each = |nanoseconds: u64, n: f64| nanoseconds as f64 / 1_000.0 / n;
        Cost {
            seconds,
            messages_per_second: if seconds > 0.0 {
                run.rows.len() as f64 / seconds
            } else {
                0.0
            },
            octets: run.octets as f64 / scored,
            features_us: each(run.spent.features, scored),
            scoring_us: each(run.spent.scoring, scored),
            learning_us: each(run.spent.learning, run.learned.max(1) as f64),
            resident_kib: None,
            models: BTreeMap::new(),
        }
    }
}

/// One column: name, and for each row score, verdict, truth.
type Cells = Vec<(f32, bool, bool)>;

impl Report {
    /// The figures of a run.
    pub fn of(run: &Run, plan: &Plan, cost: Cost) -> Report {
        let spam = |label| label == Label::Spam;
        let fused: Cells = run
            .rows
            .iter()
            .map(|row| (row.fused, row.spam, spam(row.label)))
            .collect();
        let members = run.members.iter().enumerate().map(|(at, name)| {
            let cells: Cells = run
                .rows
                .iter()
                .map(|row| (row.odds[at], row.alone[at], spam(row.label)))
                .collect();
            column(name, &cells, plan.seed)
        });
        let columns = members.chain([column("fused", &fused, plan.seed)]).collect();
        let spam = fused.iter().filter(|(_, _, spam)| *spam).count();
        Report {
            feedback: plan.feedback.words(),
            noise: plan.noise * 100.0,
            shuffled: plan.shuffled,
            without: plan.without.names(),
            seed: plan.seed,
            ham: fused.len() - spam,
            spam,
            unread: run.unread.len(),
            unread_named: run.unread.values().take(NAMED).map(|why| harmless(why)).collect(),
            learned: run.learned,
            wrong: run.wrong,
            columns,
            cost,
        }
    }

    /// The fused column.
    pub fn fused(&self) -> Option<&Column> {
        self.columns.last()
    }

    /// For people.
    pub fn table(&self) -> String {
        // Writing to a string never fails.
        let mut out = String::new();
        let _ = writeln!(
            out,
            "{} messages: {} ham, {} spam. Feedback: {}. {} labels were told{}.{}{}",
            self.ham + self.spam,
            self.ham,
            self.spam,
            self.feedback,
            self.learned,
            match self.wrong {
                0 => String::new(),
                wrong => format!(
                    ", {wrong} of them wrong (--noise {}%, --seed {})",
                    self.noise, self.seed
                ),
            },
            match &self.without[..] {
                [] => String::new(),
                without => format!(" Left out: {}.", without.join(", ")),
            },
            if self.shuffled {
                " The labels were shuffled."
            } else {
                ""
            },
        );
        if self.unread > 0 {
            let _ = writeln!(out, "\n{} files could not be read and are left out:", self.unread);
            for why in &self.unread_named {
                let _ = writeln!(out, "  {why}");
            }
            if self.unread > self.unread_named.len() {
                let _ = writeln!(out, "  and {} more", self.unread - self.unread_named.len());
            }
        }
        let _ = writeln!(
            out,
            "\n{:<8} {:>9} {:>19}   {:>8} {:>7} {:>7}   {:>15} {:>15} {:>7}",
            "", "1-ROCA %", "95 % interval", "at 0.1 %", "0.5 %", "1 %", "ham called spam", "spam called ham", "lam %"
        );
        for column in &self.columns {
            let interval = match column.interval {
                Some((low, high)) => format!("{low:.4} - {high:.4}"),
                None => "-".into(),
            };
            let [one, two, three] = column.missed.map(|missed| number(missed, 2));
            let errors = &column.errors;
            let mistakes = |n: usize, rate| format!("{n} ({} %)", number(rate, 2));
            let _ = writeln!(
                out,
                "{:<8} {:>9} {interval:>19}   {one:>8} {two:>7} {three:>7}   {:>15} {:>15} {:>7}",
                column.name,
                number(column.area, 4),
                mistakes(errors.ham_called_spam, errors.ham_rate),
                mistakes(errors.spam_called_ham, errors.spam_rate),
                number(errors.lam, 3),
            );
        }
        out += "1-ROCA is the area above the ROC curve; `at` is the spam in % that is missed where so much ham is called spam;\n\
                ham and spam called the other are counted at the default threshold, of a member as if it were alone.\n";
        if let Some(fused) = self.fused() {
            out += "\nLearning curve, fused, by tenths of the messages:\n";
            let _ = writeln!(
                out,
                "{:>6} {:>6} {:>6} {:>9}   {:>15} {:>15}",
                "to", "ham", "spam", "1-ROCA %", "ham called spam", "spam called ham"
            );
            let mut to = 0;
            for part in &fused.curve {
                to += part.ham + part.spam;
                let _ = writeln!(
                    out,
                    "{to:>6} {:>6} {:>6} {:>9}   {:>15} {:>15}",
                    part.ham,
                    part.spam,
                    number(part.area, 4),
                    part.ham_called_spam,
                    part.spam_called_ham,
                );
            }
        }
        let cost = &self.cost;
        let _ = writeln!(
            out,
            "\n{:.1} s, {:.0} messages/s of {:.0} octets. Processor time: parsing and features {:.0} us and scoring {:.0} us \
             a message, learning {:.0} us a label.",
            cost.seconds, cost.messages_per_second, cost.octets, cost.features_us, cost.scoring_us, cost.learning_us
        );
        if let Some((now, most)) = cost.resident_kib {
            let _ = writeln!(
                out,
                "Memory: {:.1} MiB resident at the end, {:.1} MiB at most.",
                now as f64 / 1024.0,
                most as f64 / 1024.0
            );
        }
        if !cost.models.is_empty() {
            let each = cost.models.iter();
            let each: Vec<_> = each
                .map(|(name, octets)| format!("{name} {:.1} MiB", *octets as f64 / 1_048_576.0))
                .collect();
            let _ = writeln!(out, "Models as saved: {}.", each.join(", "));
        }
        out
    }
}

/// The same, fit for a terminal.
fn harmless(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".into(), |value| format!("{value:.digits$}"))
}

fn column(name: &str, cells: &[(f32, bool, bool)], seed: u64) -> Column {
    let ranked = Ranked::of(cells.iter().map(|(score, _, spam)| (*score, *spam)));
    let counted = |cells: &[(f32, bool, bool)]| Errors::of(cells.iter().map(|(_, said, spam)| (*said, *spam)));
    let errors = counted(cells);
    let (ham_rate, spam_rate) = errors.rates();
    let tenth = cells.len().div_ceil(PARTS).max(1);
    let curve = cells.chunks(tenth).map(|part| {
        let errors = counted(part);
        Part {
            ham: errors.ham,
            spam: errors.spam,
            area: Ranked::of(part.iter().map(|(score, _, spam)| (*score, *spam))).area(),
            ham_called_spam: errors.ham_called_spam,
            spam_called_ham: errors.spam_called_ham,
        }
    });
    Column {
        name: name.into(),
        area: ranked.area(),
        interval: ranked.interval(SAMPLES, seed),
        missed: SHARES.map(|share| ranked.missed(share / 100.0)),
        errors: Mistakes {
            ham_called_spam: errors.ham_called_spam,
            ham_rate,
            spam_called_ham: errors.spam_called_ham,
            spam_rate,
            lam: errors.lam(),
        },
        curve: curve.collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::run::Row;

    fn run() -> Run {
        let rows = (0..100).map(|n| {
            let spam = n % 4 == 0;
            let odds = if spam == (n < 80) { 4.0 } else { -4.0 } + n as f32 / 100.0;
            Row {
                file: n.to_string(),
                label: if spam { Label::Spam } else { Label::Ham },
                odds: vec![odds],
                alone: vec![odds > 0.0],
                fused: if spam { 2.0 } else { -2.0 },
                spam,
            }
        });
        Run {
            members: vec!["bayes"],
            rows: rows.collect(),
            learned: 100,
            ..Run::default()
        }
    }

    #[test]
    fn each_column_has_its_figures_and_the_curve_shows_when_they_change() {
        let report = Report::of(&run(), &Plan::default(), Cost::of(&run(), 2.0));
        assert_eq!(
            (report.ham, report.spam, report.cost.messages_per_second),
            (75, 25, 50.0)
        );
        let [bayes, fused] = &report.columns[..] else {
            panic!("two columns")
        };
        // The last fifth of the member's scores is the wrong way round: 15 ham messages, 5 spam.
        assert_eq!((bayes.errors.ham_called_spam, bayes.errors.spam_called_ham), (15, 5));
        let parts: Vec<_> = bayes
            .curve
            .iter()
            .map(|part| part.ham_called_spam + part.spam_called_ham)
            .collect();
        assert_eq!(parts, [0, 0, 0, 0, 0, 0, 0, 0, 10, 10]);
        assert_eq!(bayes.curve[9].area, Some(100.0));
        assert_eq!(
            (fused.area, fused.interval, fused.missed),
            (Some(0.0), Some((0.0, 0.0)), [Some(0.0); 3])
        );
    }

    #[test]
    fn the_table_and_the_json_tell_the_same() {
        let report = Report::of(&run(), &Plan::default(), Cost::of(&run(), 2.0));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["columns"][1]["name"], "fused");
        assert_eq!(json["columns"][0]["errors"]["ham_called_spam"], 15);
        let table = report.table();
        let line = table.lines().find(|line| line.starts_with("bayes")).unwrap();
        assert!(
            line.contains(" 15 (20.00 %)") && line.contains(" 5 (20.00 %)"),
            "{line}"
        );
        assert!(table.starts_with("100 messages: 75 ham, 25 spam. Feedback: immediate. 100 labels were told.\n"));
    }

    #[test]
    fn files_that_could_not_be_read_are_counted_and_the_first_are_named() {
        let mut run = run();
        for n in 10..35 {
            run.unread.insert(n.to_string(), format!("{n}\u{1b}: it is no file"));
        }
        let report = Report::of(&run, &Plan::default(), Cost::default());
        assert_eq!((report.unread, report.unread_named.len(), report.ham), (25, NAMED, 75));
        let table = report.table();
        assert!(
            table.contains("\n25 files could not be read and are left out:\n  10?: it is no file\n"),
            "{table}"
        );
        assert!(table.contains("\n  and 5 more\n"), "{table}");
    }

    #[test]
    fn one_class_alone_has_no_area_and_no_mail_no_figures() {
        let mut run = run();
        run.rows.retain(|row| row.label == Label::Ham);
        let report = Report::of(&run, &Plan::default(), Cost::default());
        assert_eq!((report.columns[0].area, report.columns[0].errors.lam), (None, None));
        run.rows.clear();
        assert!(
            Report::of(&run, &Plan::default(), Cost::of(&run, 0.0))
                .table()
                .contains(" - ")
        );
    }
}
