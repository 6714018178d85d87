//! What is scored, and in which order: TREC's `full/index`, an `index.tsv`, or two folders.
//!
//! A line of TREC's index is a label, white space and a file; what follows is not looked at. `ham` and `spam`: the mail is
//! scored, then learned. `Ham` and `Spam`: it is scored, and its label is never told (TREC's partial feedback). `HAM` and
//! `SPAM`: it was scored before, and its label comes now (TREC's delayed feedback).
//!
//! An `index.tsv` has a heading line that names its columns; `label` and `file` are read, wherever they stand.

use gatepost_core::kept::Label;

/// What happens at one line of an index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// The mail is scored; its label comes as the kind of feedback has it.
    Both,
    /// The mail is scored; its label is never told.
    Score,
    /// The label of a mail that was scored before is told.
    Learn,
}

/// A line of an index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The file as the index names it, relative to the folder of the index.
    pub file: String,
    /// What it is.
    pub label: Label,
    /// What happens with it.
    pub turn: Turn,
}

/// Lines in the order in which the mail came.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Index {
    /// The lines.
    pub entries: Vec<Entry>,
}

impl Index {
    /// The most lines.
    pub const MAX: usize = 10_000_000;

    /// An index from its text: which of the two forms it has is told by its first line.
    pub fn read(text: &str) -> Result<Index, String> {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(n, line)| (n + 1, line.trim_end()))
            .filter(|(_, line)| !line.is_empty())
            .peekable();
        let Some((_, first)) = lines.peek() else {
            return Err("the index is empty; expected lines such as `spam ../data/inmail.1`".into());
        };
        let heading: Vec<&str> = first.split('\t').collect();
        let column = |name| heading.iter().position(|column| *column == name);
        let columns = match (column("label"), column("file")) {
            (Some(label), Some(file)) => {
                lines.next();
                Some((label, file))
            }
            _ => None,
        };
        let mut entries = Vec::new();
        for (n, line) in lines {
            if entries.len() == Index::MAX {
                return Err(format!("the index has more than {} lines", Index::MAX));
            }
            let (label, file) = match columns {
                Some((label, file)) => {
                    let cells: Vec<&str> = line.split('\t').collect();
                    (cells.get(label).copied(), cells.get(file).copied())
                }
                None => {
                    let mut words = line.split_ascii_whitespace();
                    (words.next(), words.next())
                }
            };
            let (label, turn) = label
                .and_then(meaning)
                .ok_or_else(|| format!("line {n} of the index has no label; expected ham or spam"))?;
            let file = file
                .filter(|file| !file.is_empty())
                .ok_or_else(|| format!("line {n} of the index names no file"))?;
            entries.push(Entry {
                file: file.to_owned(),
                label,
                turn,
            });
        }
        Ok(Index { entries })
    }

    /// An index of two folders: each by name, and evenly between one another, so that neither comes first.
    pub fn of_folders(mut ham: Vec<String>, mut spam: Vec<String>) -> Index {
        ham.sort_unstable();
        spam.sort_unstable();
        let (all_ham, all_spam) = (ham.len() as u128, spam.len() as u128);
        let ham = ham
            .into_iter()
            .zip(0u128..)
            .map(|(file, n)| ((2 * n + 1) * all_spam, Label::Ham, file));
        let spam = spam
            .into_iter()
            .zip(0u128..)
            .map(|(file, n)| ((2 * n + 1) * all_ham, Label::Spam, file));
        let mut both: Vec<_> = ham.chain(spam).collect();
        both.sort_by_key(|(place, label, _)| (*place, *label == Label::Spam));
        let entries = both.into_iter().map(|(_, label, file)| Entry {
            file,
            label,
            turn: Turn::Both,
        });
        Index {
            entries: entries.collect(),
        }
    }

    /// Whether it says itself when labels are told.
    pub fn tells(&self) -> bool {
        self.entries.iter().any(|entry| entry.turn != Turn::Both)
    }
}

fn meaning(label: &str) -> Option<(Label, Turn)> {
    Some(match label {
        "ham" => (Label::Ham, Turn::Both),
        "spam" => (Label::Spam, Turn::Both),
        "Ham" => (Label::Ham, Turn::Score),
        "Spam" => (Label::Spam, Turn::Score),
        "HAM" => (Label::Ham, Turn::Learn),
        "SPAM" => (Label::Spam, Turn::Learn),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(file: &str, label: Label, turn: Turn) -> Entry {
        Entry {
            file: file.into(),
            label,
            turn,
        }
    }

    #[test]
    fn trecs_index_is_read_with_what_it_says_of_feedback() {
        let index = Index::read("spam ../data/inmail.1\nHam ../data/inmail.2 user genre\r\n\nSPAM ../data/inmail.1\n");
        let index = index.unwrap();
        assert_eq!(
            index.entries,
            [
                entry("../data/inmail.1", Label::Spam, Turn::Both),
                entry("../data/inmail.2", Label::Ham, Turn::Score),
                entry("../data/inmail.1", Label::Spam, Turn::Learn),
            ]
        );
        assert!(index.tells() && !Index::read("ham a").unwrap().tells());
    }

    #[test]
    fn a_table_is_read_by_the_names_of_its_columns() {
        let index =
            Index::read("order\tlabel\tx\tfile\n1\tham\t-\tham/a b.eml\n2\tspam\t\tspam/c.eml\textra\n").unwrap();
        assert_eq!(
            index.entries,
            [
                entry("ham/a b.eml", Label::Ham, Turn::Both),
                entry("spam/c.eml", Label::Spam, Turn::Both)
            ]
        );
    }

    #[test]
    fn what_is_no_index_is_refused_with_the_line() {
        assert!(Index::read("\n").unwrap_err().contains("empty"));
        assert!(Index::read("ham a\neggs b").unwrap_err().contains("line 2"));
        assert!(Index::read("ham a\nspam").unwrap_err().contains("names no file"));
        assert!(Index::read("file\tlabel\nx\n").unwrap_err().contains("line 2"));
    }

    #[test]
    fn two_folders_are_taken_by_name_and_evenly() {
        let names = |all: &[&str]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        let index = Index::of_folders(names(&["b", "a", "d", "c"]), names(&["y", "x"]));
        let files: Vec<_> = index.entries.iter().map(|entry| entry.file.as_str()).collect();
        assert_eq!(files, ["a", "x", "b", "c", "y", "d"]);
        assert_eq!(Index::of_folders(names(&["a"]), vec![]).entries.len(), 1);
    }
}
