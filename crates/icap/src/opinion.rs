//! What the filter says, by what a server said: a pure function.

use gatepost_core::message::Edit;
use gatepost_core::prelude::*;

use crate::answer::Answer;
use crate::options::{Action, Config, TooLarge};
use crate::words::{is_like, told};

const FOUND: Tag = Tag::new("icap.found");
const HEURISTIC: Tag = Tag::new("icap.heuristic");
const UNSCANNED: Tag = Tag::new("icap.unscanned");
const TOO_LARGE: Tag = Tag::new("icap.too_large");

/// The field that policy writes on mail which a filter that failed did not look at; here for the same reason.
const MARK: &str = "X-Gatepost-Unchecked";

/// Whether an answer settles what becomes of the mail, whatever else is in it: something was found that does not only weigh.
pub fn settles(config: &Config, answer: &Answer) -> bool {
    matches!(answer, Answer::Found(name) if !weighs(config, name))
}

fn weighs(config: &Config, name: &str) -> bool {
    config.heuristics.iter().any(|pattern| is_like(name, pattern))
}

/// What is said of a mail by the answers of a server; `by` says which. None of them: all of it is clean.
pub fn of(config: &Config, answers: &[Answer], by: &str) -> Opinion {
    let name = |answer: &'_ Answer| match answer {
        Answer::Found(name) => Some(name.clone()),
        _ => None,
    };
    if let Some(name) = answers.iter().find(|answer| settles(config, answer)).and_then(name) {
        return found(config, &name, by);
    }
    // The round gives a fault instead, which is the operator's to decide on; should it not, the mail is not clean.
    let unread = answers.iter().find_map(|answer| match answer {
        Answer::Unscanned(why) => Some(why.to_string()),
        Answer::Early => Some("it did not look at all of it".into()),
        _ => None,
    });
    let opinion = match unread {
        _ if answers.contains(&Answer::TooLarge) => {
            too_large(config, format!("not all of a mail of this size was taken ({by})"))
        }
        Some(why) => unscanned(why),
        None => Opinion::none(),
    };
    match answers.iter().find_map(name) {
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
    match Edit::prepend(MARK, "icap") {
        Ok(edit) => opinion.wish(Wish::Edit(edit)),
        Err(_) => opinion,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answer::Why;

    fn find(name: &str) -> Answer {
        Answer::Found(name.into())
    }

    /// Tags and kinds of wishes.
    fn said(config: &Config, answers: &[Answer]) -> String {
        let opinion = of(config, answers, "icap://127.0.0.1:1344/avscan");
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
    }

    #[test]
    fn only_clean_is_clean() {
        let config = Config::default();
        assert!(of(&config, &[], "").is_none());
        for answer in [
            find("Worm"),
            find("PUA.x"),
            Answer::TooLarge,
            Answer::Early,
            Answer::Unscanned(Why::Closed),
        ] {
            assert!(!of(&config, std::slice::from_ref(&answer), "").is_none(), "{answer:?}");
        }
    }

    #[test]
    fn what_is_found_is_refused_with_its_name_held_or_discarded() {
        for (action, wish) in [
            (Action::Reject, "reject"),
            (Action::Hold, "hold"),
            (Action::Discard, "discard"),
        ] {
            let config = Config {
                action,
                ..Config::default()
            };
            assert_eq!(said(&config, &[find("Eicar")]), format!("icap.found / {wish}"));
        }
        let opinion = of(&Config::default(), &[find("Ei\"car\" <x>")], "");
        let Some((_, _, Wish::Reject(reply))) = opinion.wishes().first() else {
            panic!("no refusal")
        };
        assert_eq!(
            reply,
            &Reply::new(550, Some(Enhanced(5, 7, 1)), "Refused: the message carries Ei_car___x_")
        );
    }

    #[test]
    fn what_only_weighs_hides_neither_a_find_nor_that_not_all_was_scanned() {
        let mut config = Config::default();
        let (weak, worm) = (find("Heuristics.Phishing.Email"), find("Worm"));
        assert_eq!(said(&config, std::slice::from_ref(&weak)), "icap.heuristic / ");
        assert_eq!(
            said(&config, &[weak.clone(), Answer::TooLarge, worm.clone()]),
            "icap.found / reject"
        );
        assert_eq!(
            said(&config, &[weak.clone(), Answer::TooLarge]),
            "icap.too_large icap.heuristic / edit"
        );
        assert!(settles(&config, &worm) && !settles(&config, &weak) && !settles(&config, &Answer::TooLarge));
        config.heuristics = vec!["Modified".into()];
        assert_eq!(said(&config, &[find("Modified")]), "icap.heuristic / ");
        assert_eq!(said(&config, &[weak]), "icap.found / reject");
    }

    #[test]
    fn what_is_too_large_is_never_clean() {
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
            assert_eq!(said(&config, &[Answer::TooLarge]), format!("icap.too_large / {wish}"));
        }
    }
}
