//! A mistake in the configuration: where it stands, what was expected, what was found.

use std::fmt::{self, Write};
use std::sync::Arc;

/// Where something is written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Place {
    /// In a file, or in the embedded defaults.
    Text {
        /// The file as it was named.
        name: Arc<str>,
        /// Its line, from 1.
        line: usize,
        /// The character in it, from 1.
        column: usize,
    },
    /// In an environment variable.
    Variable(String),
}

impl Place {
    /// What stands for the name of a file where there is none.
    pub const EMBEDDED: &'static str = "embedded defaults";
    /// What stands before the name of a domain for what the store has of it.
    pub const STORE: &'static str = "store: ";

    /// The domain in the store where it is written.
    pub fn stored(&self) -> Option<&str> {
        match self {
            Place::Text { name, .. } => name.strip_prefix(Place::STORE),
            Place::Variable(_) => None,
        }
    }

    /// Whether it is in a text beside the main file: in a file of the folder, or in the store.
    pub fn is_beside(&self, main: Option<&str>) -> bool {
        matches!(self, Place::Text { name, .. } if Some(&**name) != main) && !self.is_embedded()
    }

    /// Whether it is in the embedded defaults, where nobody of the site wrote it.
    pub fn is_embedded(&self) -> bool {
        matches!(self, Place::Text { name, .. } if &**name == Place::EMBEDDED)
    }
}

impl Place {
    /// The place of an octet offset in a text.
    pub fn at(name: &Arc<str>, text: &str, offset: usize) -> Place {
        let before = text.get(..offset.min(text.len())).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        Place::Text {
            name: name.clone(),
            line,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Text { name, line, column } => write!(f, "{name}:{line}:{column}"),
            Place::Variable(name) => write!(f, "environment variable {name}"),
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Gravity {
    /// The configuration cannot be used.
    Error,
    /// It can, but is hardly what was meant.
    Warning,
}

/// A mistake.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Mistake {
    /// Where it stands.
    pub place: Place,
    /// The key, dotted; empty for the whole.
    pub key: String,
    /// How bad it is.
    pub gravity: Gravity,
    /// What was expected, what was found, what to do.
    pub message: String,
}

impl Mistake {
    /// Whether it is about the value at `key`, or about something in it.
    pub(super) fn inside(&self, key: &str) -> bool {
        self.key
            .strip_prefix(key)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    }
}

/// In one line, whatever stands in names and values.
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut told = format!("{}: ", self.place);
        if self.gravity == Gravity::Warning {
            told += "warning: ";
        }
        if !self.key.is_empty() {
            told += &format!("{}: ", self.key);
        }
        told += &self.message;
        for c in told.chars() {
            match c.is_control() {
                true => write!(f, "{}", c.escape_default())?,
                false => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

/// All mistakes of a configuration that cannot be used, by place; never empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistakes(pub Vec<Mistake>);

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, mistake) in self.0.iter().enumerate() {
            write!(f, "{}{mistake}", if n == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for Mistakes {}

/// The known name that was most likely meant by `word`.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = word.chars().count().div_ceil(3).max(1);
    known
        .into_iter()
        .map(|name| (distance(word, name), name))
        .filter(|(steps, _)| *steps <= far)
        .min()
        .map(|(_, name)| name)
}

/// How many letters must be put in, left out, changed or swapped with their neighbour to turn one word into the other.
fn distance(one: &str, other: &str) -> usize {
    /// Longer words are not compared; no key is as long.
    const LONGEST: usize = 64;
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    if one.len().max(other.len()) > LONGEST {
        return LONGEST;
    }
    let mut rows = vec![vec![0; other.len() + 1]; one.len() + 1];
    for i in 0..=one.len() {
        for j in 0..=other.len() {
            rows[i][j] = if i == 0 || j == 0 {
                i + j
            } else {
                let change = usize::from(one[i - 1] != other[j - 1]);
                let steps = (rows[i - 1][j - 1] + change)
                    .min(rows[i - 1][j] + 1)
                    .min(rows[i][j - 1] + 1);
                let swapped = i > 1 && j > 1 && one[i - 1] == other[j - 2] && one[i - 2] == other[j - 1];
                if swapped {
                    steps.min(rows[i - 2][j - 2] + 1)
                } else {
                    steps
                }
            };
        }
    }
    rows[one.len()][other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_counts_lines_and_characters_from_one() {
        let name = "a.toml".into();
        let at = |offset| Place::at(&name, "x = 1\n\u{fc} = 2\n", offset).to_string();
        assert_eq!(
            [at(0), at(4), at(6), at(9), at(99)],
            ["a.toml:1:1", "a.toml:1:5", "a.toml:2:1", "a.toml:2:3", "a.toml:3:1"]
        );
    }

    #[test]
    fn a_mistake_is_told_in_one_line() {
        let mistake = Mistake {
            place: Place::Variable("GATEPOST_A\nB".into()),
            key: "\"a\\n\"".into(),
            gravity: Gravity::Error,
            message: "there is another `a\r\nb\u{1b}[0m`".into(),
        };
        assert_eq!(
            mistake.to_string(),
            r#"environment variable GATEPOST_A\nB: "a\n": there is another `a\r\nb\u{1b}[0m`"#
        );
    }

    #[test]
    fn the_nearest_name_is_near() {
        let known = ["patience", "mode", "on_fault", "options"];
        for (word, meant) in [
            ("patienec", Some("patience")),
            ("on_falt", Some("on_fault")),
            ("modes", Some("mode")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, known), meant, "{word}");
        }
    }
}
