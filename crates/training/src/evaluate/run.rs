//! The protocol: score first, then train, in the order of the index.
//!
//! **Invariant:** before a mail is scored, members and fusion have seen of it its octets and nothing else: not its file's
//! name, not its place, not its label. A file that cannot be read is left out and told of: it ends no run.

use std::collections::BTreeMap;

use gatepost_core::kept::Label;
use gatepost_core::{Features, LogOdds, Message, Sample, Time};
use gatepost_pipeline::Fusion;

use super::chance::Chance;
use super::feedback::{Feedback, Schedule, is_wrong};
use super::index::{Index, Turn};
use super::wire::{self, Without};
use crate::fit::Fit;
use crate::trainer::Trainer;

/// How a run is made.
#[derive(Clone, PartialEq, Debug)]
pub struct Plan {
    /// When labels are told, where the index does not say it itself.
    pub feedback: Feedback,
    /// The share of labels that are told wrong.
    pub noise: f64,
    /// Labels are dealt out anew among all mails: what is learned then must be worth nothing.
    pub shuffled: bool,
    /// What is left out of the mails.
    pub without: Without,
    /// The number from which all chance comes.
    pub seed: u64,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan {
            feedback: Feedback::Immediate,
            noise: 0.0,
            shuffled: false,
            without: Without::default(),
            seed: 1,
        }
    }
}

/// What was said of one mail.
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    /// The file as the index names it.
    pub file: String,
    /// What it is.
    pub label: Label,
    /// The members' log-odds, in the order of [`Run::members`].
    pub odds: Vec<f32>,
    /// What each member would have called it alone, with a threshold from its own odds: spam where true.
    pub alone: Vec<bool>,
    /// The fused log-odds.
    pub fused: f32,
    /// What it was called: spam where true.
    pub spam: bool,
}

/// What all of them were said to be, in the order scored.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Run {
    /// The members' names.
    pub members: Vec<&'static str>,
    /// A row for each mail that was scored.
    pub rows: Vec<Row>,
    /// Files that could not be read, each with the reason: neither scored nor learned.
    pub unread: BTreeMap<String, String>,
    /// Labels that were told.
    pub learned: usize,
    /// Labels that were told wrong.
    pub wrong: usize,
    /// Octets of the mails that were scored.
    pub octets: u64,
    /// Where the time went.
    pub spent: Spent,
}

/// Processor time in nanoseconds; [`Spent::learning`] for the labels told, the others for the mails scored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Spent {
    /// Parsing and features.
    pub features: u64,
    /// Scores of all members and their fusion.
    pub scoring: u64,
    /// Learning from features.
    pub learning: u64,
}

/// How the files are read, the time is told, and who hears how far it is.
pub struct Surroundings<'a> {
    /// The octets of a file that the index names.
    pub read: &'a dyn Fn(&str) -> Result<Vec<u8>, String>,
    /// Processor time so far, in nanoseconds.
    pub cpu: &'a dyn Fn() -> u64,
    /// Is told how many lines of the index are done.
    pub progress: &'a dyn Fn(usize),
}

/// What was made of a file.
struct Sight {
    features: Vec<Features>,
    octets: u64,
    /// Whose mail it is, as a number.
    whose: u64,
}

/// A member as if it were the only one: what it is worth, and how far its spam lies from its ham, by its own odds.
#[derive(Default)]
struct Alone {
    fit: Fit,
    fusion: Fusion,
}

impl Alone {
    fn says_spam(&self, vote: (&'static str, LogOdds)) -> bool {
        self.fusion.fuse([vote]) > self.fusion.threshold()
    }

    fn learn(&mut self, vote: (&'static str, LogOdds), sample: &Sample) {
        self.fit.learn(&[vote], sample);
        self.fusion = self.fit.fusion();
    }
}

/// Runs an index past a trainer. It fails where not one file can be read.
pub fn run(trainer: &mut Trainer, index: &Index, plan: &Plan, around: &Surroundings<'_>) -> Result<Run, String> {
    let mut labels: Vec<Label> = index.entries.iter().map(|entry| entry.label).collect();
    if plan.shuffled {
        Chance::at(plan.seed, SHUFFLE, 0).shuffle(&mut labels);
    }
    let mut run = Run {
        members: trainer.members().iter().map(|(name, _)| *name).collect(),
        ..Run::default()
    };
    let mut alone: Vec<Alone> = run.members.iter().map(|_| Alone::default()).collect();
    let mut schedule = Schedule::new(plan.feedback, plan.seed);
    let follows = index.tells();
    for (n, entry) in index.entries.iter().enumerate() {
        let seen = match see(trainer, plan, around, &entry.file, &mut run.spent) {
            Ok(seen) => seen,
            Err(why) => {
                run.unread.insert(entry.file.clone(), why);
                (around.progress)(n + 1);
                continue;
            }
        };
        let due = if entry.turn == Turn::Learn {
            vec![n]
        } else {
            let row = scored(trainer, &alone, &seen, &mut run.spent, around);
            run.octets += seen.octets;
            run.rows.push(Row {
                file: entry.file.clone(),
                label: labels[n],
                ..row
            });
            match entry.turn {
                Turn::Both if !follows => schedule.scored(n, || seen.whose),
                Turn::Both => vec![n],
                Turn::Score | Turn::Learn => Vec::new(),
            }
        };
        for m in due {
            // What was scored long ago is read once more: keeping its features would take memory without a bound.
            let file = &index.entries[m].file;
            let again = (m != n).then(|| see(trainer, plan, around, file, &mut run.spent));
            let again = match again.transpose() {
                Ok(again) => again,
                Err(why) => {
                    run.unread.insert(file.clone(), why);
                    continue;
                }
            };
            let features = &again.as_ref().unwrap_or(&seen).features;
            let wrong = is_wrong(plan.seed, plan.noise, m);
            let label = match (labels[m], wrong) {
                (Label::Spam, false) | (Label::Ham, true) => Label::Spam,
                _ => Label::Ham,
            };
            run.learned += 1;
            run.wrong += usize::from(wrong);
            let sample = Sample::new(run.learned as u64, Time::from_millis(run.learned as u64), label, None);
            let begun = (around.cpu)();
            let said = trainer.learn(features, &sample);
            run.spent.learning += (around.cpu)() - begun;
            for (alone, vote) in alone.iter_mut().zip(&said.votes) {
                alone.learn(*vote, &sample);
            }
        }
        (around.progress)(n + 1);
    }
    match run.unread.values().next() {
        Some(why) if run.rows.is_empty() => Err(format!("no file of the index can be read; the first of them: {why}")),
        _ => Ok(run),
    }
}

/// A purpose of chance; a number without a meaning.
const SHUFFLE: u64 = 4;

fn see(
    trainer: &Trainer,
    plan: &Plan,
    around: &Surroundings<'_>,
    file: &str,
    spent: &mut Spent,
) -> Result<Sight, String> {
    let found = (around.read)(file)?;
    let whose = match plan.feedback {
        Feedback::Partial(_) => number(wire::recipient(&found).as_deref().map_or(&found, str::as_bytes)),
        _ => 0,
    };
    let octets = wire::wire(&found, plan.without);
    let length = octets.len() as u64;
    let begun = (around.cpu)();
    let features = trainer.features(&Message::from_bytes(octets));
    spent.features += (around.cpu)() - begun;
    Ok(Sight {
        features,
        octets: length,
        whose,
    })
}

/// A number for some octets (FNV-1a): only to tell people apart.
fn number(octets: &[u8]) -> u64 {
    octets.iter().fold(0xcbf2_9ce4_8422_2325, |hash, octet| {
        (hash ^ u64::from(*octet)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn scored(trainer: &Trainer, alone: &[Alone], seen: &Sight, spent: &mut Spent, around: &Surroundings<'_>) -> Row {
    let begun = (around.cpu)();
    let said = trainer.score(&seen.features, None);
    spent.scoring += (around.cpu)() - begun;
    let alone = alone
        .iter()
        .zip(&said.votes)
        .map(|(alone, vote)| alone.says_spam(*vote));
    Row {
        file: String::new(),
        label: Label::Ham,
        odds: said.votes.iter().map(|(_, odds)| odds.value).collect(),
        alone: alone.collect(),
        fused: said.fused,
        spam: said.spam,
    }
}
