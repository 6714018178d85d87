//! `gatepost evaluate`: how well the classifiers of this binary do on a corpus. Nothing is configured, asked or kept, so
//! that everybody who has the corpus sees the same figures.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gatepost_training::evaluate::report::{Cost, Report};
use gatepost_training::evaluate::{Feedback, Plan, Surroundings, Without, run, scores, trainer};

use super::corpus::Corpus;
use crate::clock::ticks;
use crate::config::Registry;

/// Lines of the index between two notes on how far it is.
const NOTE_EVERY: usize = 500;

/// What is evaluated, and how.
#[derive(Args, Debug)]
pub(super) struct Asked {
    /// An index (TREC's, or an index.tsv with the columns label and file), a folder with one, or a folder with ham/ and
    /// spam/: each by name, evenly between one another.
    #[arg(value_name = "INDEX_OR_DIR")]
    corpus: PathBuf,
    /// When labels are told; an index with marks of its own (Ham, SPAM) is followed instead.
    #[arg(long, value_enum, default_value_t = When::Immediate)]
    feedback: When,
    /// Delayed feedback: each label after so many further messages; without it in batches, at their ends, of lengths from
    /// an exponential distribution with a mean of 500.
    #[arg(long, value_name = "N")]
    delay: Option<usize>,
    /// Partial feedback: the share of the recipients (first address of To, else of Cc) who ever tell.
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "40%")]
    share: f64,
    /// The share of labels that are told wrong.
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "0%")]
    noise: f64,
    /// Only these classifiers.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    only: Vec<String>,
    /// Leaves out header fields besides those that give the label away: what lists write, where dates stand.
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',')]
    without: Vec<Left>,
    /// Leaves out the header section, but for what says how the body is to be read.
    #[arg(long)]
    body_only: bool,
    /// Deals the labels out anew among all messages: then nothing can be learned, and 1-ROCA is about 50 %.
    #[arg(long)]
    shuffle_labels: bool,
    /// The number from which all chance comes: noise, batches, recipients, the bootstrap.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Writes the scores there: a heading line, then for each message file, label, log-odds of each member and fused,
    /// verdict.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Prints the figures as JSON, one line.
    #[arg(long)]
    json: bool,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    Immediate,
    Delayed,
    Partial,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
enum Left {
    Lists,
    Dates,
}

/// A share from `5%`, `5` or `0.5%`.
fn percent(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    match number.parse::<f64>() {
        Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("expected a share from 0% to 100%, such as 5%".into()),
    }
}

impl Asked {
    fn plan(&self) -> Result<Plan, String> {
        let feedback = match (self.feedback, self.delay) {
            (When::Delayed, Some(n)) => Feedback::After(n),
            (When::Delayed, None) => Feedback::Batches(Feedback::BATCH),
            (_, Some(_)) => return Err("--delay is of use with --feedback delayed only".into()),
            (When::Immediate, None) => Feedback::Immediate,
            (When::Partial, None) => Feedback::Partial(self.share),
        };
        Ok(Plan {
            feedback,
            noise: self.noise,
            shuffled: self.shuffle_labels,
            without: Without {
                lists: self.without.contains(&Left::Lists),
                dates: self.without.contains(&Left::Dates),
                header: self.body_only,
            },
            seed: self.seed,
        })
    }
}

/// Evaluates, and gives the figures as they are to be printed.
pub(super) fn run_it(registry: &Registry, asked: &Asked) -> Result<String, String> {
    let plan = asked.plan()?;
    let corpus = Corpus::open(&asked.corpus)?;
    if corpus.index.tells() && asked.feedback != When::Immediate {
        return Err("the index says itself when labels are told; leave out --feedback, or give its full/index".into());
    }
    let mut trainer = trainer(registry, &asked.only)?;
    let all = corpus.index.entries.len();
    let shown = std::io::stderr().is_terminal();
    let around = Surroundings {
        read: &|file| corpus.read(file),
        cpu: &cpu,
        progress: &|done| {
            if shown && (done % NOTE_EVERY == 0 || done == all) {
                let _ = write!(
                    std::io::stderr().lock(),
                    "\r{done} of {all}{}",
                    if done == all { "\n" } else { "" }
                );
            }
        },
    };
    if let Some(out) = &asked.out {
        // Before the work: what cannot be written is told now.
        let opened = std::fs::File::options().create(true).append(true).open(out);
        opened.map_err(|error| format!("{}: cannot be written: {error}", out.display()))?;
    }
    let begun = ticks();
    let done = run(&mut trainer, &corpus.index, &plan, &around)?;
    let seconds = ticks().since(begun).as_secs_f64();
    if let Some(out) = &asked.out {
        std::fs::write(out, scores::table(&done))
            .map_err(|error| format!("{}: cannot be written: {error}", out.display()))?;
    }
    let mut cost = Cost::of(&done, seconds);
    cost.resident_kib = resident();
    cost.models = trainer
        .members()
        .iter()
        .map(|(name, learner)| (*name, learner.save().len()))
        .collect();
    let mut report = Report::of(&done, &plan, cost);
    if corpus.index.tells() {
        report.feedback = "as the index has it".into();
    }
    if asked.json {
        serde_json::to_string(&report).map_err(|error| error.to_string())
    } else {
        Ok(report.table())
    }
}

/// Processor time of this thread in nanoseconds.
fn cpu() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// Resident memory in KiB, now and at most, where the system tells.
fn resident() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse().ok()
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(more: &[&str]) -> Asked {
        use clap::Parser;
        #[derive(Parser)]
        struct Line {
            #[command(flatten)]
            asked: Asked,
        }
        let line = ["evaluate", "corpus"].iter().chain(more);
        Line::try_parse_from(line).unwrap().asked
    }

    #[test]
    fn the_line_says_what_is_to_be_done() {
        let plan = asked(&[
            "--feedback",
            "delayed",
            "--noise",
            "5%",
            "--without",
            "lists,dates",
            "--body-only",
        ])
        .plan();
        let plan = plan.unwrap();
        assert_eq!((plan.feedback, plan.noise), (Feedback::Batches(500), 0.05));
        assert_eq!(plan.without.names(), ["lists", "dates", "header"]);
        let plan = asked(&["--feedback", "delayed", "--delay", "9"]).plan().unwrap();
        assert_eq!(plan.feedback, Feedback::After(9));
        let plan = asked(&["--feedback", "partial", "--share", "25"]).plan().unwrap();
        assert_eq!(plan.feedback, Feedback::Partial(0.25));
        assert!(asked(&["--delay", "9"]).plan().is_err());
        assert_eq!(asked(&["--only", "bayes,hmm"]).only, ["bayes", "hmm"]);
    }

    #[test]
    fn a_share_is_one() {
        assert_eq!(
            [percent("5%"), percent("0.5"), percent("100 %")],
            [Ok(0.05), Ok(0.005), Ok(1.0)]
        );
        assert!(percent("101%").is_err() && percent("-1").is_err() && percent("x").is_err());
    }
}
