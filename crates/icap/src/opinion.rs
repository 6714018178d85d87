//! What the filter says, in the words of ICAP.

use gatepost_core::prelude::*;
use gatepost_scanner::{Speaker, Terms, Voice};

use crate::health::GONE;
use crate::options::Config;

/// The words.
pub static VOICE: Voice = Voice {
    name: "icap",
    at: "",
    gone: GONE,
    found: Tag::new("icap.found"),
    heuristic: Tag::new("icap.heuristic"),
    unscanned: Tag::new("icap.unscanned"),
    too_large: Tag::new("icap.too_large"),
    cut: "not all of a mail of this size was taken",
    bare: |name| name,
    limits: None,
    late: Fault::Unavailable("the ICAP server did not answer in time"),
    full: Fault::Unavailable("ICAP: too many scans under way"),
    absent: Fault::Unavailable("no ICAP server answers"),
    closed: Fault::Unavailable("the ICAP server closed the connection without an answer"),
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

    fn find(name: &str) -> Answer {
        Answer::Found(name.into())
    }

    /// Tags and kinds of wishes.
    fn said(config: &Config, answers: &[Answer]) -> String {
        let opinion = speaker(config).of(answers, "icap://127.0.0.1:1344/avscan");
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
        let opinion = speaker(&Config::default()).of(&[find("Ei\"car\" <x>")], "");
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
        let settles = |answer| speaker(&config).settles(answer);
        assert!(settles(&worm) && !settles(&weak) && !settles(&Answer::TooLarge));
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
