//! The table of scores: a heading line, and a line for each mail in the order scored, from which all figures follow.

use std::fmt::Write;

use gatepost_core::kept::Label;

use super::run::Run;

/// The columns for members; one that was not asked stays empty.
const MEMBERS: [&str; 3] = ["bayes", "hmm", "ngram"];

/// The table. Log-odds have all their digits; members that nobody knows stand after those that everybody does.
pub fn table(run: &Run) -> String {
    let others = run.members.iter().filter(|name| !MEMBERS.contains(name));
    let columns: Vec<&str> = MEMBERS.iter().chain(others).copied().collect();
    let mut out = format!("file\tlabel\t{}\tfused\tverdict\n", columns.join("\t"));
    for row in &run.rows {
        let name: String = row.file.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
        let _ = write!(out, "{name}\t{}", if row.label == Label::Spam { "spam" } else { "ham" });
        for column in &columns {
            let at = run.members.iter().position(|name| name == column);
            match at.and_then(|at| row.odds.get(at)) {
                Some(odds) => _ = write!(out, "\t{odds}"),
                None => out.push('\t'),
            }
        }
        let _ = writeln!(out, "\t{}\t{}", row.fused, if row.spam { "spam" } else { "ham" });
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::run::Row;

    #[test]
    fn a_line_holds_all_digits_and_a_member_that_was_not_asked_is_empty() {
        let row = Row {
            file: "a\tb".into(),
            label: Label::Spam,
            odds: vec![0.1 + 0.2, -1e-7],
            alone: vec![true, false],
            fused: f32::MIN_POSITIVE,
            spam: true,
        };
        let run = Run {
            members: vec!["bayes", "own"],
            rows: vec![row],
            ..Run::default()
        };
        let table = table(&run);
        let (heading, line) = table.trim_end().split_once('\n').unwrap();
        assert_eq!(heading, "file\tlabel\tbayes\thmm\tngram\town\tfused\tverdict");
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!(
            (cells[0], cells[1], cells[3], cells[4], cells[7]),
            ("a?b", "spam", "", "", "spam")
        );
        assert_eq!(cells[2].parse::<f32>().unwrap(), 0.1 + 0.2);
        assert_eq!(cells[5].parse::<f32>().unwrap(), -1e-7);
        assert_eq!(cells[6].parse::<f32>().unwrap(), f32::MIN_POSITIVE);
    }
}
