//! A corpus in memory, written by `gatepost_testkit::letters`, and the members that are learned from it.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::collections::BTreeMap;

// Linked, so that they are in the registry.
use gatepost_bayes as _;
use gatepost_core::kept::Label;
use gatepost_hmm as _;
use gatepost_ngram as _;
use gatepost_testkit::letters::Letter;
use gatepost_training::Trainer;
use gatepost_training::evaluate::index::{Entry, Turn};
use gatepost_training::evaluate::report::{Cost, Report};
use gatepost_training::evaluate::{self, Index, Plan, Run, Surroundings};

/// Mails by the names of their files, and an index of them.
#[derive(Clone, Default)]
pub struct Corpus {
    pub files: BTreeMap<String, Vec<u8>>,
    pub index: Index,
}

impl Corpus {
    pub fn of(letters: Vec<Letter>) -> Corpus {
        let mut corpus = Corpus::default();
        for letter in letters {
            let label = if letter.spam { Label::Spam } else { Label::Ham };
            corpus.add(label, letter.octets);
        }
        corpus
    }

    pub fn add(&mut self, label: Label, octets: Vec<u8>) {
        let file = format!("{:05}.eml", self.files.len());
        self.files.insert(file.clone(), octets);
        self.index.entries.push(Entry {
            file,
            label,
            turn: Turn::Both,
        });
    }

    pub fn run_with(&self, trainer: &mut Trainer, plan: &Plan) -> Run {
        let around = Surroundings {
            read: &|file| {
                self.files
                    .get(file)
                    .cloned()
                    .ok_or_else(|| format!("{file} is not there"))
            },
            cpu: &|| 0,
            progress: &|_| {},
        };
        evaluate::run(trainer, &self.index, plan, &around).expect("a corpus without a gap")
    }

    /// Evaluated by new members.
    pub fn run(&self, plan: &Plan) -> Run {
        self.run_with(&mut trainer(), plan)
    }
}

/// Members that have learned nothing.
pub fn trainer() -> Trainer {
    evaluate::trainer(&gatepost_core::registry().expect("a registry without mistakes"), &[]).expect("members")
}

pub fn report(run: &Run, plan: &Plan) -> Report {
    Report::of(run, plan, Cost::default())
}

/// 1-ROCA in per cent of the fused scores.
pub fn fused_area(run: &Run) -> f64 {
    report(run, &Plan::default())
        .fused()
        .and_then(|fused| fused.area)
        .expect("both classes")
}
