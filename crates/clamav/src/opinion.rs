//! What the filter says, by what clamd said: a pure function.

use gatepost_core::message::Edit;
use gatepost_core::prelude::*;

use crate::name::{LIMITS, bare, is_like, told};
use crate::options::{Action, Config, TooLarge};
use crate::session::Answer;

const FOUND: Tag = Tag::new("clamav.found");
const HEURISTIC: Tag = Tag::new("clamav.heuristic");
const UNSCANNED: Tag = Tag::new("clamav.unscanned");
const TOO_LARGE: Tag = Tag::new("clamav.too_large");

/// The field that policy writes on mail which a filter that failed did not look at; here for the same reason.
const MARK: &str = "X-Gatepost-Unchecked";

/// Whether an answer settles what becomes of the mail, whatever else is in it: something was found that does not only weigh.
pub fn settles(config: &Config, answer: &Answer) -> bool {
    matches!(answer, Answer::Found(name) if !is_beyond(name) && !weighs(config, name))
}

/// A find that says that clamd did not look at all of it.
fn is_beyond(name: &str) -> bool {
    is_like(bare(name), LIMITS)
}

fn weighs(config: &Config, name: &str) -> bool {
    config.heuristics.iter().any(|pattern| is_like(bare(name), pattern))
}

/// What is said of a mail by the answers of a clamd; `by` says which. None of them: all of it is clean.
pub fn of(config: &Config, answers: &[Answer], by: &str) -> Opinion {
    let finds = || {
        answers.iter().filter_map(|answer| match answer {
            Answer::Found(name) => Some(name.as_str()),
            _ => None,
        })
    };
    if let Some(Answer::Found(name)) = answers.iter().find(|answer| settles(config, answer)) {
        return found(config, name, by);
    }
    let beyond = finds().find(|name| is_beyond(name));
    // The round gives a fault instead, which is the operator's to decide on; should it not, the mail is not clean.
    let unread = answers.iter().find_map(|answer| match answer {
        Answer::Unscanned(why) => Some(why.to_string()),
        _ => None,
    });
    let opinion = match (beyond, unread) {
        (Some(name), _) => too_large(config, format!("{name} ({by})")),
        _ if answers.contains(&Answer::TooLarge) => {
            too_large(config, format!("clamd did not take all of a mail of this size ({by})"))
        }
        (None, Some(why)) => unscanned(why),
        (None, None) => Opinion::none(),
    };
    match finds().find(|name| !is_beyond(name)) {
        Some(name) => {
            let note = format!("{name} ({by})");
            opinion.with(Finding::new(HEURISTIC, Evidence::Points(config.heuristic_points), note))
        }
        None => opinion,
    }
}

fn found(config: &Config, name: &str, by: &str) -> Opinion {
    let note = format!("{name} ({by})");
    let wish = match config.action {
        Action::Reject => {
            let text = format!("Refused: the message carries {}", told(name));
            Wish::Reject(Reply::new(550, Some(Enhanced(5, 7, 1)), text))
        }
        Action::Hold => Wish::Hold,
        Action::Discard => Wish::Discard,
    };
    Opinion::points(FOUND, config.found_points, note).wish(wish)
}

/// What is said of a mail that is too large to be scanned.
pub fn too_large(config: &Config, note: String) -> Opinion {
    let opinion = Opinion::points(TOO_LARGE, Score::ZERO, note);
    match config.too_large {
        TooLarge::Mark => mark(opinion),
        TooLarge::Defer => opinion.wish(Wish::Defer(Reply::fixed(
            451,
            Enhanced(4, 3, 4),
            "The message is too large to be scanned now, try again later",
        ))),
        TooLarge::Hold => opinion.wish(Wish::Hold),
        TooLarge::Reject => opinion.wish(Wish::Reject(Reply::fixed(
            552,
            Enhanced(5, 3, 4),
            "Refused: the message is too large to be scanned",
        ))),
    }
}

/// What is said of a mail that nobody is there to scan.
pub fn unscanned(note: String) -> Opinion {
    mark(Opinion::points(UNSCANNED, Score::ZERO, note))
}

fn mark(opinion: Opinion) -> Opinion {
    match Edit::prepend(MARK, "clamav") {
        Ok(edit) => opinion.wish(Wish::Edit(edit)),
        Err(_) => opinion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::Why;

    /// Tag, points in hundredths, kinds of wishes.
    fn said(config: &Config, answer: Answer) -> (String, i32, Vec<&'static str>) {
        let opinion = of(config, &[answer], "/run/clamd, ClamAV 1");
        let finding = opinion.findings().first().expect("a finding");
        let Evidence::Points(points) = finding.evidence else {
            panic!("no points")
        };
        let wishes = opinion.wishes().iter().flat_map(|(_, _, wish)| wish.kind().names());
        (finding.tag.to_string(), points.as_hundredths(), wishes.collect())
    }

    fn find(name: &str) -> Answer {
        Answer::Found(name.into())
    }

    #[test]
    fn only_clean_is_clean() {
        let config = Config::default();
        assert!(of(&config, &[], "").is_none());
        for answer in [
            find("Worm"),
            find("PUA.x"),
            Answer::TooLarge,
            Answer::Unscanned(Why::Closed),
        ] {
            assert!(!of(&config, std::slice::from_ref(&answer), "").is_none(), "{answer:?}");
        }
    }

    #[test]
    fn what_is_found_is_refused_with_its_name_held_or_discarded() {
        let with = |action| Config {
            action,
            ..Config::default()
        };
        for (action, wish) in [
            (Action::Reject, "reject"),
            (Action::Hold, "hold"),
            (Action::Discard, "discard"),
        ] {
            let expected = ("clamav.found".into(), 2_000, vec![wish]);
            assert_eq!(said(&with(action), find("Eicar-Test-Signature")), expected);
        }
        let opinion = of(&Config::default(), &[find("Ei\"car\" <x>(44:68)")], "");
        let Some((_, _, Wish::Reject(reply))) = opinion.wishes().first() else {
            panic!("no refusal")
        };
        assert_eq!(
            reply,
            &Reply::new(550, Some(Enhanced(5, 7, 1)), "Refused: the message carries Ei_car___x_")
        );
    }

    #[test]
    fn what_only_looks_like_something_weighs_and_does_no_more() {
        let mut config = Config::default();
        for name in [
            "Heuristics.Phishing.Email",
            "PUA.Win.Tool",
            "Heuristics.Encrypted.Zip(44:68)",
        ] {
            assert_eq!(
                said(&config, find(name)),
                ("clamav.heuristic".into(), 400, vec![]),
                "{name}"
            );
        }
        assert_eq!(said(&config, find("My.Rule.UNOFFICIAL")).0, "clamav.found");
        config.heuristics = vec!["*.UNOFFICIAL".into()];
        assert_eq!(said(&config, find("My.Rule.UNOFFICIAL(1:2)")).0, "clamav.heuristic");
        assert_eq!(said(&config, find("Heuristics.Phishing.Email")).0, "clamav.found");
    }

    #[test]
    fn what_only_weighs_hides_neither_a_find_nor_that_not_all_was_scanned() {
        let config = Config::default();
        let said = |answers: &[Answer]| {
            let opinion = of(&config, answers, "");
            let tags: Vec<_> = opinion
                .findings()
                .iter()
                .map(|finding| finding.tag.to_string())
                .collect();
            let wishes: Vec<_> = opinion
                .wishes()
                .iter()
                .flat_map(|(_, _, wish)| wish.kind().names())
                .collect();
            format!("{} / {}", tags.join(" "), wishes.join(" "))
        };
        let (weak, worm) = (find("Heuristics.Phishing.Email"), find("Worm"));
        let beyond = find("Heuristics.Limits.Exceeded.MaxFileSize(44:68)");
        assert_eq!(said(&[weak.clone(), worm.clone()]), "clamav.found / reject");
        assert_eq!(
            said(&[beyond.clone(), Answer::TooLarge, worm.clone()]),
            "clamav.found / reject"
        );
        for beyond in [&beyond, &Answer::TooLarge] {
            assert_eq!(
                said(&[weak.clone(), beyond.clone()]),
                "clamav.too_large clamav.heuristic / edit"
            );
        }
        assert!(settles(&config, &worm));
        assert!(
            ![weak, beyond, Answer::TooLarge, Answer::Clean]
                .iter()
                .any(|answer| settles(&config, answer))
        );
    }

    #[test]
    fn what_is_too_large_is_told_by_whichever_bound_it_passes() {
        let limits = find("Heuristics.Limits.Exceeded.MaxFileSize");
        for (too_large, wish) in [
            (TooLarge::Mark, "edit"),
            (TooLarge::Defer, "defer"),
            (TooLarge::Hold, "hold"),
            (TooLarge::Reject, "reject"),
        ] {
            let config = Config {
                too_large,
                ..Config::default()
            };
            for answer in [Answer::TooLarge, limits.clone()] {
                assert_eq!(said(&config, answer), ("clamav.too_large".into(), 0, vec![wish]));
            }
        }
    }
}
