//! The reasons for a score: the passages that say most, each way.
//!
//! A sequence of five octets says nothing to a reader, so sequences that overlap and pull the same way are shown as the one
//! passage that they cover, with the rest of its words around it.
//!
//! **Invariants:** a sequence counts once, as it does in the score; at most [`EACH_WAY`] passages each way; what is shown is
//! short, of one line, and holds no control characters.

use std::collections::{BTreeMap, HashSet};

use gatepost_core::{Clue, Domain, Message};
use gatepost_tokens::Document;

use crate::grams::{LENGTH, View};
use crate::model::Model;
use crate::odds;

/// Passages each way.
pub const EACH_WAY: usize = 12;
/// A sequence is shown if it says at least this share of what the strongest says.
const STRONG: f32 = 0.125;
/// Octets of a passage, and of the words around it on each side.
const PASSAGE_MAX: usize = 60;
const AROUND_MAX: usize = 12;

/// The reasons, the weightiest first.
pub(crate) fn clues(model: &Model, message: &Message, domain: Option<&Domain>) -> Vec<Clue> {
    let document = Document::of(message);
    let cutter = model.cutter();
    let Some(said) = model.said(&cutter.cut(&document), domain) else {
        return Vec::new();
    };
    let support = model.support();
    let mut told: BTreeMap<String, f32> = BTreeMap::new();
    for view in View::ALL {
        let octets = view.octets(&document);
        let mut seen = HashSet::new();
        let values: Vec<f32> = cutter
            .features(view, octets)
            .map(|feature| match feature.filter(|feature| seen.insert(*feature)) {
                Some(feature) => odds::score(model.weight(feature) * said.scale(view)),
                None => 0.0,
            })
            .collect();
        for (start, end, value) in passages(&values) {
            *told
                .entry(format!("{}: {}", view.name(), shown(octets, start, end)))
                .or_default() += value;
        }
    }
    if said.own() != 0.0 {
        let domain = domain.map(Domain::key).unwrap_or_default();
        told.insert(format!("learned from mail to {domain} alone"), odds::score(said.own()));
    }
    let mut clues: Vec<Clue> = told
        .into_iter()
        .filter(|(_, value)| *value != 0.0)
        .map(|(what, value)| Clue { what, value, support })
        .collect();
    // Stable: those that say the same stay in the order of their words.
    clues.sort_by(|one, other| other.value.abs().total_cmp(&one.value.abs()));
    let mut left = [EACH_WAY; 2];
    clues.retain(|clue| {
        let left = &mut left[usize::from(clue.value > 0.0)];
        *left > 0 && {
            *left -= 1;
            true
        }
    });
    clues
}

/// Where strong sequences overlap and pull the same way: from, to, and what all of them say.
fn passages(values: &[f32]) -> Vec<(usize, usize, f32)> {
    let most = values.iter().fold(0.0, |most: f32, value| most.max(value.abs()));
    let mut passages: Vec<(usize, usize, f32)> = Vec::new();
    for (at, value) in values.iter().enumerate() {
        if *value == 0.0 || value.abs() < most * STRONG {
            continue;
        }
        match passages.last_mut() {
            Some((start, end, sum))
                if at < *end && sum.signum() == value.signum() && at + LENGTH - *start <= PASSAGE_MAX =>
            {
                *end = at + LENGTH;
                *sum += value;
            }
            _ => passages.push((at, at + LENGTH, *value)),
        }
    }
    passages
}

/// Some octets as one line, with the rest of the words that they cut.
fn shown(octets: &[u8], start: usize, end: usize) -> String {
    let is_space = |octet: &u8| octet.is_ascii_whitespace();
    let before = &octets[start.saturating_sub(AROUND_MAX)..start];
    let behind = &octets[end..octets.len().min(end + AROUND_MAX)];
    let mut start = start - before.iter().rev().take_while(|octet| !is_space(octet)).count();
    let mut end = end + behind.iter().take_while(|octet| !is_space(octet)).count();
    // No character is cut in two.
    let is_within = |at: usize| octets.get(at).is_some_and(|octet| octet & 0xC0 == 0x80);
    while start > 0 && is_within(start) {
        start -= 1;
    }
    while is_within(end) {
        end += 1;
    }
    let text = String::from_utf8_lossy(&octets[start..end]);
    let words: Vec<&str> = text.split(|c: char| c.is_whitespace() || c.is_control()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// Explained through the contract, since that is how others ask.
#[cfg(test)]
mod tests {
    use gatepost_core::kept::Label;
    use gatepost_core::{Learner, Sample, Seed, Time};

    use super::*;

    #[test]
    fn passages_join_what_overlaps_and_agrees() {
        let values = [1.0, 2.0, 0.0, -4.0, -4.0, 0.1, 0.0, 0.0, 0.0, 0.0, 3.0];
        assert_eq!(passages(&values), [(0, 6, 3.0), (3, 9, -8.0), (10, 15, 3.0)]);
        assert!(passages(&[]).is_empty());
        assert!(passages(&[0.0; 9]).is_empty());
    }

    #[test]
    fn a_passage_is_bounded() {
        let long = passages(&[1.0; 500]);
        assert!(long.len() > 1);
        assert!(long.iter().all(|(start, end, _)| end - start <= PASSAGE_MAX));
    }

    #[test]
    fn what_is_shown_ends_with_its_words_and_holds_no_controls() {
        assert_eq!(shown(b"buy cheap\r\n pills now", 6, 14), "cheap pills");
        let text = "grüße".repeat(30);
        for start in 0..text.len() - LENGTH {
            let shown = shown(text.as_bytes(), start, start + LENGTH);
            assert!(!shown.contains('\u{fffd}'), "{shown}");
        }
    }

    #[test]
    fn a_model_tells_which_passages_speak_for_what() {
        let model = Model::new(Seed::new([7; 16]));
        let mail = |text: &str| Message::from_bytes(format!("Subject: note\r\n\r\n{text}\r\n").into_bytes());
        for n in 0..40 {
            let (label, text) = match n % 2 {
                0 => (Label::Spam, "Order miracle pills today"),
                _ => (Label::Ham, "Minutes of the meeting"),
            };
            let sample = Sample::new(n, Time::from_millis(0), label, None);
            model.learn(&model.features(&mail(text)), &sample);
        }
        let clues = model.explain(&mail("Minutes of the meeting: Order miracle pills today"), None);
        let about = |word: &str| {
            clues
                .iter()
                .find(|clue| clue.what.starts_with("text: ") && clue.what.contains(word))
        };
        assert!(about("miracle").unwrap().value > 0.0);
        assert!(about("meeting").unwrap().value < 0.0);
        assert!(clues.iter().all(|clue| clue.support == 40 && clue.value.is_finite()));
        assert!(clues.windows(2).all(|two| two[0].value.abs() >= two[1].value.abs()));
    }
}
