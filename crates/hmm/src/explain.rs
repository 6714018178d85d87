//! Why a mail has its score, in words.

use std::collections::BTreeMap;

use gatepost_core::{Clue, Domain, Message};
use gatepost_tokens::{Document, Field};

use crate::model::Model;
use crate::states;

/// Clues of each side.
pub const CLUES_MAX: usize = 15;

/// The sequences of words that moved the score most, each way, the weightiest first.
pub(crate) fn clues(model: &Model, message: &Message, domain: Option<&Domain>) -> Vec<Clue> {
    let document = Document::of(message);
    let key = model.key();
    let own = Model::own(&key, domain.map(Domain::key).as_deref());
    let words: Vec<_> = states::words(&key, &document).collect();
    let features = states::features(&key, &document);
    let mut found = Vec::new();
    let sum = model.weigh(&key, &features, own, |at, evidence| found.push((at, evidence)));
    let slope = model.curve().slope;
    let mut told: BTreeMap<String, Clue> = BTreeMap::new();
    for (at, evidence) in found {
        let value = slope * sum.told(evidence);
        if value == 0.0 || evidence.support <= 0.0 {
            continue;
        }
        let (stream, token, _) = words[at];
        let mut what = match token.field {
            Field::Header => format!("{}:", document.text_of(token).split(':').next().unwrap_or_default()),
            field => format!("{}:", field.as_str()),
        };
        let before = words[at.saturating_sub(evidence.order)..at].iter();
        for (_, _, word) in before.filter(|word| word.0 == stream).chain([&words[at]]) {
            what.push(' ');
            what.push_str(word);
        }
        let clue = told.entry(what).or_insert_with_key(|what| Clue {
            what: what.clone(),
            value: 0.0,
            support: 0,
        });
        clue.value += value;
        clue.support = clue.support.max(evidence.support.ceil() as u32);
    }
    let mut clues: Vec<Clue> = told.into_values().collect();
    // Equal ones stay in the order of their words.
    clues.sort_by(|one, other| one.value.total_cmp(&other.value));
    let ham = clues.iter().take(CLUES_MAX).filter(|clue| clue.value < 0.0);
    let spam = clues.iter().rev().take(CLUES_MAX).filter(|clue| clue.value > 0.0);
    let mut strongest: Vec<Clue> = ham.chain(spam).cloned().collect();
    strongest.sort_by(|one, other| other.value.abs().total_cmp(&one.value.abs()));
    strongest
}
