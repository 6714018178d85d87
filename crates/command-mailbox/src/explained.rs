//! Why a mail is judged as it is, in plain words first and then in detail: what `gatepost explain` tells, for its reader.
//!
//! **Invariant:** what is quoted of the mail is short and links nowhere.

use std::fmt::Write as _;

use gatepost_core::{Clue, Evidence, Explanation, FindingRecord, Level, RecipientRecord, Score};

use crate::words::Words;
use crate::words::shown::harmless;

/// Words that are named, each way.
const WORDS: usize = 5;
/// Clues of one classifier in the details, each way.
const CLUES: usize = 8;
/// Findings that are named as what decided.
const BECAUSE: usize = 3;
/// Findings in the details.
const FINDINGS: usize = 40;
/// The most characters of a quotation.
const QUOTED: usize = 60;
/// Log-odds that are shown as nothing.
const NOTHING: f32 = 0.005;
/// Log-odds from which on a side is taken, and from which on it is sure.
const LEANS: f32 = 0.5;
const SURE: f32 = 5.0;

/// Tells it, about a mail with this subject.
pub fn tell(words: &Words, language: &str, subject: &str, told: &Explanation) -> String {
    let say = |name: &str, places: &[(&str, &str)]| words.phrase(language, name, places);
    let mut out = vec![say("analysed.subject", &[("subject", subject)]), String::new()];
    out.push(say(opinion(told), &[]));
    let row = told.record.as_ref().and_then(|record| record.recipients.first());
    let score = row.map(|row| row.score).or(told.fused.map(|fused| fused.points));
    if let Some(row) = row {
        out.push(points(words, language, row));
        let because = because(told);
        if !because.is_empty() {
            out.push(say("analysed.because", &[("what", &because)]));
        }
    }
    if let Some(score) = score {
        out.push(match told.stopped_from {
            None => say("analysed.never-stopped", &[]),
            Some(from) if score >= from => say("analysed.stopped", &[("from", &from.to_string())]),
            Some(from) => {
                let missing = (from - score).to_string();
                say("analysed.passed", &[("from", &from.to_string()), ("missing", &missing)])
            }
        });
    }
    for (spam, phrase) in [(true, "analysed.words-spam"), (false, "analysed.words-wanted")] {
        let strongest = strongest(told, spam);
        if !strongest.is_empty() {
            out.push(say(phrase, &[("words", &strongest)]));
        }
    }
    for filter in turning(told) {
        out.push(say("analysed.without", &[("filter", filter)]));
    }
    if !told.vouched && told.fused.is_some() {
        out.push(say("analysed.little", &[]));
    }
    let details = details(told);
    if !details.is_empty() {
        out.extend([String::new(), say("analysed.details", &[]), String::new(), details]);
    }
    out.join("\n")
}

/// The phrase of what the classifiers say together.
fn opinion(told: &Explanation) -> &'static str {
    match told.fused.map(|fused| fused.odds) {
        None => "analysed.unknown",
        Some(odds) if odds >= SURE => "analysed.spam",
        Some(odds) if odds >= LEANS => "analysed.likely-spam",
        Some(odds) if odds > -LEANS => "analysed.open",
        Some(odds) if odds > -SURE => "analysed.likely-wanted",
        Some(_) => "analysed.wanted",
    }
}

fn points(words: &Words, language: &str, row: &RecipientRecord) -> String {
    let level = match row.level {
        Level::None => "level.none",
        Level::Low => "level.low",
        Level::Medium => "level.medium",
        Level::High => "level.high",
    };
    let level = words.phrase(language, level, &[]);
    words.phrase(
        language,
        "analysed.points",
        &[("points", &row.score.to_string()), ("level", &level)],
    )
}

/// The points of a finding that counted.
fn weight(finding: &FindingRecord) -> Score {
    match finding.evidence {
        Evidence::Points(points) if finding.counts => points,
        _ => Score::ZERO,
    }
}

/// The weightiest findings against the mail, as they were noted.
fn because(told: &Explanation) -> String {
    let Some(record) = &told.record else {
        return String::new();
    };
    let mut against: Vec<&FindingRecord> = record
        .findings
        .iter()
        .filter(|finding| weight(finding) > Score::ZERO)
        .collect();
    against.sort_by_key(|finding| std::cmp::Reverse(weight(finding)));
    let named = against.iter().take(BECAUSE).map(|finding| match finding.note.trim() {
        "" => finding.tag.to_string(),
        note => format!("{} ({})", harmless(note, QUOTED), finding.tag),
    });
    named.collect::<Vec<_>>().join("; ")
}

fn clues(told: &Explanation, spam: bool) -> Vec<&Clue> {
    let all = told.witnesses.iter().filter(|witness| witness.counts);
    let mut clues: Vec<&Clue> = all
        .flat_map(|witness| &witness.clues)
        .filter(|clue| clue.value.is_finite() && clue.value.abs() >= NOTHING && (clue.value > 0.0) == spam)
        .collect();
    clues.sort_by(|one, other| other.value.abs().total_cmp(&one.value.abs()));
    clues
}

fn strongest(told: &Explanation, spam: bool) -> String {
    let mut named: Vec<String> = Vec::new();
    for clue in clues(told, spam) {
        let what = format!("\"{}\"", harmless(&clue.what, QUOTED));
        if !named.contains(&what) {
            named.push(what);
        }
        if named.len() >= WORDS {
            break;
        }
    }
    named.join(", ")
}

/// The classifiers without whose word the others would lean the other way.
fn turning(told: &Explanation) -> impl Iterator<Item = &str> {
    let odds = told.fused.map_or(0.0, |fused| fused.odds);
    told.witnesses.iter().filter_map(move |witness| {
        let without = witness.without.as_ref()?;
        let turns = (without.odds > LEANS && odds < -LEANS) || (without.odds < -LEANS && odds > LEANS);
        (witness.counts && turns).then_some(witness.filter.as_str())
    })
}

/// All of it, set in.
fn details(told: &Explanation) -> String {
    let mut out = String::new();
    if let Some(fused) = &told.fused {
        let _ = writeln!(
            out,
            "  classifiers: {:+.2} log-odds, {} points; all their points from {:+.2} on ({})",
            fused.odds, fused.points, fused.threshold, told.risk
        );
    }
    for witness in &told.witnesses {
        let mode = if witness.counts { "" } else { " (monitor)" };
        let _ = writeln!(
            out,
            "  {}{mode}: {:+.2} of {} learned, adds {:+.2}",
            witness.filter, witness.odds.value, witness.odds.support, witness.share
        );
        for spam in [true, false] {
            let sided = witness
                .clues
                .iter()
                .filter(|clue| clue.value.abs() >= NOTHING && (clue.value > 0.0) == spam);
            for clue in sided.take(CLUES) {
                let _ = writeln!(
                    out,
                    "    {:+7.2} {:>6}  {}",
                    clue.value,
                    clue.support,
                    harmless(&clue.what, QUOTED)
                );
            }
        }
    }
    if let Some(record) = &told.record {
        for finding in record.findings.iter().take(FINDINGS) {
            let counts = if finding.counts { "" } else { " (monitor)" };
            let points = match finding.evidence {
                Evidence::Points(points) => points.to_string(),
                Evidence::LogOdds { value, .. } => format!("{value:+.2} log-odds"),
                _ => String::new(),
            };
            let _ = writeln!(
                out,
                "  {}{counts}: {points}  {}",
                finding.tag,
                harmless(&finding.note, QUOTED)
            );
        }
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use gatepost_core::{Fused, LogOdds, Witness};

    use super::*;

    fn explanation() -> Explanation {
        let mut told = Explanation::new("1 in 1000");
        told.fused = Some(Fused::new(8.0, 6.9, Score::points(10)));
        told.stopped_from = Some(Score::points(10));
        let mut witness = Witness::new(
            "bayes",
            LogOdds {
                value: 9.0,
                support: 12,
            },
        );
        witness.without = Some(Fused::new(-1.5, 6.9, Score::points(-1)));
        let clue = |what: &str, value| Clue {
            what: what.into(),
            value,
            support: 3,
        };
        witness.clues = vec![
            clue("cheap\u{1b}[2J", 4.0),
            clue("http://b.example", 3.0),
            clue("meeting", -1.5),
        ];
        told.witnesses.push(witness);
        told
    }

    #[test]
    fn plain_words_come_first_and_details_below() {
        let words = Words::shipped().expect("words");
        let text = tell(&words, "en", "hello", &explanation());
        assert!(
            text.starts_with(
                "About \"hello\":\n\nThe filter is sure that this is spam.\n\
                 From 10 points on a mail does not reach you. This one was over that.\n\
                 Speaks most for spam: \"cheap[2J\", \"http[:]//b[.]example\".\n\
                 Speaks most for wanted mail: \"meeting\".\n\
                 Without what \"bayes\" says it would have come out the other way.\n\
                 Little mail is learned yet"
            ),
            "{text}"
        );
        assert!(
            text.contains("\n  bayes: +9.00 of 12 learned, adds +0.00\n      +4.00      3  cheap[2J\n"),
            "{text}"
        );
        let german = tell(&words, "de", "hallo", &explanation());
        assert!(german.contains("Der Filter ist sicher, dass das Spam ist."), "{german}");
    }

    #[test]
    fn who_knows_nothing_says_so_and_what_is_missing_is_told() {
        let words = Words::shipped().expect("words");
        let mut told = explanation();
        told.fused = Some(Fused::new(-7.0, 6.9, Score::points(-2)));
        let text = tell(&words, "en", "hello", &told);
        assert!(
            text.contains("sure that this is wanted mail") && text.contains("This one was 12 points below."),
            "{text}"
        );
        let text = tell(&words, "en", "hello", &Explanation::new("1 in 1000"));
        assert_eq!(
            text,
            "About \"hello\":\n\nThe filter has not learned enough yet to say anything about this mail."
        );
    }
}
