//! Why a mail has its score, in words.

use gatepost_core::{Clue, Domain, Message};
use gatepost_tokens::{Document, Token};

use crate::model::Model;
use crate::{odds, pairs};

/// Clues of each side.
pub const CLUES_MAX: usize = 15;

/// The words and pairs that moved the score most, each way, the weightiest first.
pub(crate) fn clues(model: &Model, message: &Message, domain: Option<&Domain>) -> Vec<Clue> {
    let document = Document::of(message);
    let key = model.key();
    let own = model.own(&key, domain.map(Domain::key).as_deref());
    let tokens = document.tokens();
    let features = pairs::features(&key, &document);
    let scale = odds::scale(features.hashes.len());
    let known: std::collections::BTreeSet<u64> = features.hashes.into_iter().collect();
    let mut told = std::collections::BTreeSet::new();
    let mut clues = Vec::new();
    let mut clue = |feature: u64, what: &dyn Fn() -> String| {
        if !known.contains(&feature) || !told.insert(feature) {
            return;
        }
        let common = model.entry(feature).unwrap_or_default();
        let own = own.filter(|_| pairs::is_word(feature));
        let special = own.map_or(0.0, |own| {
            let entry = model.entry(own.feature(&key, feature)).unwrap_or_default();
            entry.weight * own.trust
        });
        let value = scale * (common.weight + special);
        if value != 0.0 {
            clues.push(Clue {
                what: what(),
                value,
                support: common.heat.ceil().max(1.0) as u32,
            });
        }
    };
    let words: Vec<u64> = tokens.iter().map(|token| pairs::word(&key, &document, token)).collect();
    for (at, (token, one)) in tokens.iter().zip(&words).enumerate() {
        clue(*one, &|| word(&document, token));
        let next = tokens.iter().zip(&words).skip(at + 1).take(pairs::reach(token.field));
        for (distance, (other, two)) in (1..).zip(next) {
            if other.field != token.field {
                break;
            }
            clue(pairs::pair(&key, *one, *two, distance), &|| {
                let gap = if distance > 1 { " … " } else { " " };
                format!("{}{gap}{}", word(&document, token), document.text_of(other))
            });
        }
    }
    clues.sort_by(|one, other| {
        one.value
            .total_cmp(&other.value)
            .then_with(|| one.what.cmp(&other.what))
    });
    let ham = clues.iter().take(CLUES_MAX).filter(|clue| clue.value < 0.0);
    let spam = clues.iter().rev().take(CLUES_MAX).filter(|clue| clue.value > 0.0);
    let mut strongest: Vec<Clue> = ham.chain(spam).cloned().collect();
    strongest.sort_by(|one, other| other.value.abs().total_cmp(&one.value.abs()));
    strongest
}

/// A word with the field in which it stands.
fn word(document: &Document, token: &Token) -> String {
    format!("{}: {}", token.field.as_str(), document.text_of(token))
}
