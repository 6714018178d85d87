//! What the filter says, in clamd's words.

use gatepost_core::prelude::*;
use gatepost_scanner::{Speaker, Terms, Voice};

use crate::health::GONE;
use crate::name::{LIMITS, bare};
use crate::options::Config;

/// The words.
pub static VOICE: Voice = Voice {
    name: "clamav",
    at: "clamd at ",
    gone: GONE,
    found: Tag::new("clamav.found"),
    heuristic: Tag::new("clamav.heuristic"),
    unscanned: Tag::new("clamav.unscanned"),
    too_large: Tag::new("clamav.too_large"),
    cut: "clamd did not take all of a mail of this size",
    bare,
    limits: Some(LIMITS),
    late: Fault::Unavailable("clamd did not answer in time"),
    full: Fault::Unavailable("clamd: too many scans under way"),
    absent: Fault::Unavailable("no clamd answers"),
    closed: Fault::Unavailable("clamd closed the connection without an answer"),
};

/// Says it by these options.
pub fn speaker(config: &Config) -> Speaker<'_> {
    Speaker {
        voice: &VOICE,
        terms: Terms {
            action: config.action,
            found_points: config.found_points,
            too_large: config.too_large,
            heuristics: &config.heuristics,
            heuristic_points: config.heuristic_points,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_scanner::Answer;
    use gatepost_scanner::options::{Action, TooLarge};

    /// Tag, points in hundredths, kinds of wishes.
    fn said(config: &Config, answer: Answer) -> (String, i32, Vec<&'static str>) {
        let opinion = speaker(config).of(&[answer], "/run/clamd, ClamAV 1");
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
        assert!(speaker(&config).of(&[], "").is_none());
        for answer in [
            find("Worm"),
            find("PUA.x"),
            Answer::TooLarge,
            Answer::Unscanned("it is silent".into()),
        ] {
            assert!(
                !speaker(&config).of(std::slice::from_ref(&answer), "").is_none(),
                "{answer:?}"
            );
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
        let opinion = speaker(&Config::default()).of(&[find("Ei\"car\" <x>(44:68)")], "");
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
            let opinion = speaker(&config).of(answers, "");
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
        assert!(speaker(&config).settles(&worm));
        assert!(
            ![weak, beyond, Answer::TooLarge, Answer::Clean]
                .iter()
                .any(|answer| speaker(&config).settles(answer))
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
