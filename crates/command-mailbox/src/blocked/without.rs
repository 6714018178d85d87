//! What a report leaves out: the usual, or what somebody's pattern fits.

use regex::{Regex, RegexBuilder};

use super::row::Row;
use super::why::Why;

/// What a report leaves out.
#[derive(Clone, Debug)]
pub enum Without {
    /// Viruses, forbidden files, denied senders.
    Usual,
    /// Whatever a pattern fits: sender, subject or reason.
    Fitting(Regex),
}

/// The most octets of a pattern.
pub const PATTERN_MAX: usize = 200;
/// The most octets that a pattern may take when it is read, and again when it is used.
const MEMORY: usize = 256 << 10;
/// How deep groups may lie within one another.
const DEPTH: u32 = 20;

impl Without {
    /// Reads what somebody wrote; nothing stands for the usual. The words of an error are of the pattern and for the one who
    /// wrote it.
    ///
    /// Letter case makes no difference, and `^` and `$` are the ends of sender, subject and reason. The engine takes time in
    /// proportion to the text, whatever the pattern.
    pub fn read(pattern: Option<&str>) -> Result<Without, String> {
        let Some(pattern) = pattern else {
            return Ok(Without::Usual);
        };
        if pattern.len() > PATTERN_MAX {
            return Err(format!("{} > {PATTERN_MAX}", pattern.len()));
        }
        let built = RegexBuilder::new(pattern)
            .case_insensitive(true)
            .multi_line(true)
            .size_limit(MEMORY)
            .dfa_size_limit(MEMORY)
            .nest_limit(DEPTH)
            .build();
        match built {
            Ok(regex) => Ok(Without::Fitting(regex)),
            Err(regex::Error::CompiledTooBig(most)) => Err(format!("> {most}")),
            // The last line says what is wrong; those before show where, for eyes that read columns.
            Err(error) => {
                let error = error.to_string();
                let last = error.lines().last().unwrap_or_default();
                Err(last.strip_prefix("error: ").unwrap_or(last).to_owned())
            }
        }
    }

    /// Whether a row is left out. `reason` is what the report would say of it.
    pub fn leaves_out(&self, row: &Row, reason: &str) -> bool {
        match self {
            Without::Usual => row.why.is_left_out(),
            Without::Fitting(regex) => {
                let tags: Vec<&str> = row.tags.iter().map(|tag| tag.as_str()).collect();
                // A line each, so that the ends of lines are theirs.
                let flat = |text: &str| text.replace(['\r', '\n'], " ");
                let text = format!(
                    "{}\n{}\n{reason}\n{}",
                    flat(&row.from),
                    flat(row.subject.as_deref().unwrap_or_default()),
                    tags.join("\n")
                );
                regex.is_match(&text)
            }
        }
    }
}

/// The rows that are told, each with its reason in words; mail to nobody is nobody's, and in no report. Where the time is
/// over the rest is left, since nobody waits for it.
pub fn left(rows: Vec<Row>, without: &Without, reasons: &[(Why, String)], spent: &dyn Fn() -> bool) -> Vec<Row> {
    let reason = |why: Why| reasons.iter().find(|(is, _)| *is == why).map_or("", |(_, words)| words);
    let is_told = |row: &Row| row.why != Why::Nobody && !without.leaves_out(row, reason(row.why));
    rows.into_iter().take_while(|_| !spent()).filter(is_told).collect()
}

#[cfg(test)]
mod tests {
    use gatepost_core::Tag;
    use proptest::prelude::*;

    use super::*;

    fn row(from: &str, subject: &str, why: Why) -> Row {
        Row {
            at: 0,
            transaction: "t".into(),
            to: "carl@d.example".into(),
            from: from.into(),
            subject: Some(subject.into()),
            why,
            tags: vec![Tag::new("dnsbl.one")],
            score: None,
            kept: None,
            dangerous: false,
        }
    }

    #[test]
    fn a_pattern_takes_the_place_of_the_usual() {
        let usual = Without::read(None).unwrap();
        assert!(usual.leaves_out(&row("a@b.example", "win", Why::Danger), ""));
        assert!(!usual.leaves_out(&row("a@b.example", "win", Why::Content), ""));
        let win = Without::read(Some("^WIN|@c\\.example$|spam list|dnsbl.two")).unwrap();
        assert!(win.leaves_out(&row("a@b.example", "win", Why::Content), ""));
        assert!(win.leaves_out(&row("a@C.example", "x", Why::Content), ""));
        assert!(win.leaves_out(&row("a@b.example", "x", Why::Listed), "It is on a spam list"));
        assert!(
            !win.leaves_out(&row("a@b.example", "no win", Why::Danger), ""),
            "viruses are told now"
        );
    }

    #[test]
    fn rows_are_told_by_their_reason_until_the_time_is_over() {
        let rows = || {
            vec![
                row("a@b.example", "x", Why::Listed),
                row("a@b.example", "x", Why::Content),
                row("", "", Why::Nobody),
            ]
        };
        let reasons = [(Why::Listed, "on a list".to_owned()), (Why::Content, "spam".to_owned())];
        let listed = Without::read(Some("a list$")).unwrap();
        let told = left(rows(), &listed, &reasons, &|| false);
        assert_eq!(told.iter().map(|row| row.why).collect::<Vec<_>>(), [Why::Content]);
        assert_eq!(left(rows(), &listed, &reasons, &|| true), []);
    }

    #[test]
    fn a_pattern_that_is_none_or_too_much_is_told() {
        for pattern in ["(", "a{1000}{1000}", &"x".repeat(201), &"(".repeat(100), "\\p{Greek"] {
            let told = Without::read(Some(pattern)).expect_err(pattern);
            assert!(!told.is_empty() && !told.contains('\n'), "{told}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_is_read_or_refused(pattern in any::<String>(), odd in "[(){}*+?|^$a0-9,\\\\]{0,40}") {
            for pattern in [pattern, odd] {
                if let Ok(without) = Without::read(Some(&pattern)) {
                    without.leaves_out(&row("a@b.example", &"win ".repeat(100), Why::Content), "x");
                }
            }
        }
    }
}
