//! A template: text with places, and lines that stand there only where a place is filled.
//!
//! `{place}` is replaced by what is brought for it. Lines between `{?place}` and `{/place}`, each alone on its line, are there
//! only where something is brought for the place; those between `{!place}` and `{/place}` only where nothing is. Any other
//! brace is a mistake.
//!
//! **Invariant:** what is brought is never read as a template. **Absent on purpose:** loops, and sections within sections.

use std::fmt;

/// The most octets of a file of templates.
pub const FILE_MAX: usize = 65_536;

/// Why a text is no template.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mistake {
    /// The number of the line, from 1.
    pub line: usize,
    /// What was expected, and what to do.
    pub why: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.why)
    }
}

/// Text, or a place.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Piece {
    Text(Box<str>),
    Place(&'static str),
}

/// When a line is there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum When {
    Always,
    Filled(&'static str),
    Empty(&'static str),
}

/// Text with places.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Template(Vec<(When, Vec<Piece>)>);

/// What is brought for places; what is not named is empty.
pub type Places<'a> = [(&'a str, &'a str)];

fn brought<'a>(places: &Places<'a>, name: &str) -> &'a str {
    places
        .iter()
        .find(|(place, _)| *place == name)
        .map_or("", |(_, value)| value)
}

fn known(name: &str, places: &[&'static str]) -> Result<&'static str, String> {
    let found = places.iter().find(|place| **place == name);
    found.copied().ok_or_else(|| {
        let there: Vec<String> = places.iter().map(|place| format!("{{{place}}}")).collect();
        match there.is_empty() {
            true => format!("there is no place `{{{name}}}` here, nor any other; write the text without braces"),
            false => format!("there is no place `{{{name}}}` here; there are {}", there.join(", ")),
        }
    })
}

fn pieces(line: &str, places: &[&'static str]) -> Result<Vec<Piece>, String> {
    let (mut found, mut rest) = (Vec::new(), line);
    while let Some(at) = rest.find(['{', '}']) {
        let (before, braced) = rest.split_at(at);
        let named = braced.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        let Some((name, behind)) = named else {
            return Err("a brace that begins or ends nothing; braces stand only around places, as in {person}".into());
        };
        if name.starts_with(['?', '!', '/']) {
            return Err(format!("`{{{name}}}` stands alone on its line"));
        }
        if !before.is_empty() {
            found.push(Piece::Text(before.into()));
        }
        found.push(Piece::Place(known(name, places)?));
        rest = behind;
    }
    if !rest.is_empty() {
        found.push(Piece::Text(rest.into()));
    }
    Ok(found)
}

impl Template {
    /// Reads a text in which these places may be used. `first` is the number of its first line.
    pub fn parse(text: &str, first: usize, places: &[&'static str]) -> Result<Template, Mistake> {
        let (mut lines, mut when, mut opened) = (Vec::new(), When::Always, first);
        for (n, line) in text.lines().enumerate() {
            let line = line.trim_end();
            let number = first.saturating_add(n);
            let wrong = |why| Mistake { line: number, why };
            let mark = line.strip_prefix('{').and_then(|line| line.strip_suffix('}'));
            match mark.and_then(|mark| mark.split_at_checked(1)) {
                Some((kind @ ("?" | "!"), name)) => {
                    if when != When::Always {
                        return Err(wrong(
                            "sections do not stand within each other: end the one before first".into(),
                        ));
                    }
                    let place = known(name, places).map_err(wrong)?;
                    when = if kind == "?" {
                        When::Filled(place)
                    } else {
                        When::Empty(place)
                    };
                    opened = number;
                }
                Some(("/", name)) => match when {
                    When::Filled(place) | When::Empty(place) if place == name => when = When::Always,
                    _ => return Err(wrong(format!("`{{/{name}}}` ends no section"))),
                },
                _ => lines.push((when, pieces(line, places).map_err(wrong)?)),
            }
        }
        match when {
            When::Always => Ok(Template(lines)),
            When::Filled(place) | When::Empty(place) => Err(Mistake {
                line: opened,
                why: format!("the section of `{place}` has no end: write {{/{place}}} alone on a line"),
            }),
        }
    }

    /// The text with what is brought, its lines ended by LF; no blank lines at its end.
    pub fn fill(&self, places: &Places<'_>) -> String {
        let mut out = String::new();
        for (when, pieces) in &self.0 {
            let there = match when {
                When::Always => true,
                When::Filled(place) => !brought(places, place).is_empty(),
                When::Empty(place) => brought(places, place).is_empty(),
            };
            if !there {
                continue;
            }
            for piece in pieces {
                match piece {
                    Piece::Text(text) => out.push_str(text),
                    Piece::Place(place) => out.push_str(brought(places, place).trim_end_matches('\n')),
                }
            }
            out.push('\n');
        }
        out.truncate(out.trim_end().len());
        if !out.is_empty() {
            out.push('\n');
        }
        out
    }

    /// The same in one line.
    pub fn line(&self, places: &Places<'_>) -> String {
        let text = self.fill(places);
        let words = text.split(char::is_whitespace).filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sections_stand_where_their_place_is_filled_or_empty() {
        let text = "Hello {who},\n{?list}\nthere are:\n{list}\n{/list}\n{!list}\nthere is nothing.\n{/list}\nBye\n\n";
        let template = Template::parse(text, 1, &["who", "list"]).expect("a template");
        assert_eq!(
            template.fill(&[("who", "Carl"), ("list", "- a\n- {who}\n")]),
            "Hello Carl,\nthere are:\n- a\n- {who}\nBye\n"
        );
        assert_eq!(
            template.fill(&[("who", "Carl")]),
            "Hello Carl,\nthere is nothing.\nBye\n"
        );
        assert_eq!(template.line(&[]), "Hello , there is nothing. Bye");
    }

    #[test]
    fn a_mistake_names_its_line() {
        for (text, line, words) in [
            ("a\n{whom}", 8, "there are {who}, {list}"),
            ("a {who", 7, "a brace that begins"),
            ("a }", 7, "a brace that begins"),
            ("x {?who}", 7, "stands alone"),
            ("\n{?who}\nx", 8, "has no end"),
            ("{?who}\n{!list}\n{/who}", 8, "within each other"),
            ("{?who}\n{/list}", 8, "ends no section"),
            ("{/who}", 7, "ends no section"),
        ] {
            let mistake = Template::parse(text, 7, &["who", "list"]).expect_err(text);
            assert_eq!(mistake.line, line, "{text}: {mistake}");
            assert!(mistake.why.contains(words), "{text}: {mistake}");
        }
        assert!(Template::parse("{x}", 1, &[]).is_err_and(|mistake| mistake.why.contains("nor any other")));
    }

    proptest! {
        #[test]
        fn what_is_brought_is_never_read(value in "\\PC{0,40}", text in "[a-z{}?!/\\n ]{0,60}") {
            let whole = format!("<{{who}}>\n{text}");
            if let Ok(template) = Template::parse(&whole, 1, &["who"]) {
                let filled = template.fill(&[("who", &value)]);
                let open = format!("<{}>", value.trim_end_matches('\n'));
                prop_assert!(filled.starts_with(&open), "{filled:?}");
            }
        }
    }
}
