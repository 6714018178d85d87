//! What the desk says, in the words of letters.
//!
//! The desk speaks English, to logs and administrators. Its lines about entries begin with what was done, one for each entry
//! in their order; what is not known here is told as it stands.

use crate::words::Words;
use crate::words::shown::harmless;

/// The most characters of the desk's own words that are told.
const WHY_MAX: usize = 200;

/// How it went with one entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is as wished, now.
    Done,
    /// It was so before.
    Same,
    /// It was not done, and why.
    Refused(String),
}

impl Outcome {
    /// What a line of the desk says.
    pub fn of(line: &str) -> Outcome {
        let same = ["already ", "was not on ", "not on "];
        match line.strip_prefix("refused: ") {
            // Behind the entry stands why.
            Some(why) => Outcome::Refused(why.split_once(": ").map_or(why, |(_, why)| why).into()),
            None if same.iter().any(|start| line.starts_with(start)) => Outcome::Same,
            None => Outcome::Done,
        }
    }
}

/// Why something was refused, in the user's language where that is known.
pub fn why(words: &Words, language: &str, desk: &str) -> String {
    let known = [
        ("only administrators", "administrators"),
        ("only the operator", "administrators"),
        ("you may do that for your own", "not-yours"),
        ("you asked more than", "too-often"),
        ("there is no such mail", "no-such-mail"),
        ("it was not sent to", "no-such-mail"),
        ("it was delivered to", "delivered-already"),
    ];
    match known.iter().find(|(start, _)| desk.starts_with(start)) {
        Some((_, phrase)) => words.phrase(language, phrase, &[]),
        None => harmless(desk, WHY_MAX),
    }
}

/// What a report did to lists: the name of a phrase's end, and the entry.
pub fn effect(line: &str) -> Option<(&'static str, &str)> {
    let (head, entry) = line.rsplit_once(": ")?;
    let entry = entry.split(" (").next().unwrap_or_default();
    let (act, list) = head.split_once(" the ")?;
    let adds = matches!(act, "added to" | "stays on") || act.starts_with("moved from");
    // Of a move the list that it went to is named last.
    let list = list.rsplit(" the ").next().unwrap_or_default();
    let name = match (list.split_once(" list")?.0, adds, act) {
        ("deny", true, _) => "done.persblack",
        ("allow", true, _) => "done.white",
        ("deny", _, "removed from") => "done.notpersblack",
        ("allow", _, "removed from") => "done.notwhite",
        _ => return None,
    };
    Some((name, entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_desk_are_understood() {
        for (line, want) in [
            (
                "added to the allow list of carl@d.example: ann@b.example",
                Outcome::Done,
            ),
            (
                "moved from the deny list to the allow list of the site: ann@b.example",
                Outcome::Done,
            ),
            ("already on the allow list of the site: ann@b.example", Outcome::Same),
            ("was not on the deny list of the site: ann@b.example", Outcome::Same),
            ("removed from the deny list of the site: ann@b.example", Outcome::Done),
            ("refused: `x`: it is empty", Outcome::Refused("it is empty".into())),
            ("refused: full", Outcome::Refused("full".into())),
        ] {
            assert_eq!(Outcome::of(line), want, "{line}");
        }
    }

    #[test]
    fn what_a_report_did_to_lists_is_understood() {
        for (line, want) in [
            (
                "added to the deny list of carl@d.example: ann@b.example",
                Some(("done.persblack", "ann@b.example")),
            ),
            (
                "moved from the allow list to the deny list of carl@d.example: ann@b.example",
                Some(("done.persblack", "ann@b.example")),
            ),
            (
                "added to the allow list of carl@d.example: ann@b.example (it had been removed)",
                Some(("done.white", "ann@b.example")),
            ),
            (
                "removed from the allow list of carl@d.example: ann@b.example",
                Some(("done.notwhite", "ann@b.example")),
            ),
            ("already on the deny list of carl@d.example: ann@b.example", None),
            ("it is learned, as sample 7", None),
            ("", None),
        ] {
            assert_eq!(effect(line), want, "{line}");
        }
    }

    #[test]
    fn why_is_told_in_the_users_language_where_that_is_known() {
        let words = Words::shipped().expect("words");
        assert_eq!(
            why(&words, "de", "only administrators may do that"),
            "Das dürfen nur Administratoren."
        );
        assert_eq!(why(&words, "de", "see www.b.example"), "see www[.]b[.]example");
    }
}
