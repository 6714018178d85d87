//! A report as a letter: text, and HTML with the same words.
//!
//! **Invariant (L-07):** what strangers wrote stands there short, escaped and without a live link; the only links are those
//! that open a mail to the mailbox that releases. Nothing is fetched from anywhere.

use gatepost_core::{Address, Letter};

use super::hour::Hour;
use super::link::{Act, Order};
use super::row::Row;
use super::wanted::Whose;
use super::why::Why;
use crate::words::Words;
use crate::words::shown::{self, escaped, harmless, short};

/// The most rows of a report; it says how many more there are.
pub const ROWS_MAX: usize = 500;
/// The most characters of a subject.
const SUBJECT_MAX: usize = 120;
/// The most characters of an address.
const ADDRESS_MAX: usize = 100;
/// Stands in the filled template where the table comes, in HTML.
const TABLE: &str = "\u{1}";

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// Whose mail it is about.
    pub whose: &'a Whose,
    /// To whom it goes.
    pub to: &'a Address,
    /// Since when, in milliseconds since the epoch.
    pub since: u64,
    /// What it tells of, the newest first; at most [`ROWS_MAX`] of them are told.
    pub rows: &'a [Row],
    /// There may be more than was looked at.
    pub cut: bool,
    /// How many were left out.
    pub left_out: usize,
    /// By somebody's pattern, and not as usual.
    pub by_pattern: bool,
    /// It comes each day.
    pub daily: bool,
    /// What else there is to say, first of all.
    pub note: &'a str,
}

/// With what all letters are written.
#[derive(Clone, Copy, Debug)]
pub struct Pen<'a> {
    /// The words.
    pub words: &'a Words,
    /// The language.
    pub language: &'a str,
    /// In which zone times are told.
    pub hour: Hour,
    /// The local part of the mailbox that asks for reports.
    pub mailbox: &'a str,
    /// The local part of the mailbox that releases; no links where there is none.
    pub release: Option<&'a str>,
}

impl Pen<'_> {
    fn phrase(&self, name: &str) -> String {
        self.words.phrase(self.language, name, &[])
    }

    /// Why a mail was refused, in words.
    pub fn why(&self, why: Why) -> String {
        self.phrase(&format!("why.{}", why.name()))
    }

    /// A letter from this mailbox.
    pub fn letter(&self, to: &Address, (subject, text): (String, String)) -> Letter {
        let mut letter = Letter::new(to.clone(), subject, text);
        letter.from = self.mailbox.into();
        letter.language = Some(self.language.into());
        letter
    }

    /// Writes a report.
    pub fn report(&self, report: &Report<'_>) -> Letter {
        let shown = report.rows.get(..ROWS_MAX).unwrap_or(report.rows);
        let lines: Vec<Lines> = shown.iter().map(|row| self.lines(report, row)).collect();
        let more = report.rows.len() - shown.len();
        let more = match (more, report.cut) {
            (0, false) => String::new(),
            (more, false) => more.to_string(),
            (more, true) => format!("{more}+"),
        };
        let (count, since) = (shown.len().to_string(), self.hour.tell(report.since));
        let left = match (report.left_out, report.by_pattern) {
            (0, _) => String::new(),
            (left, true) => self
                .words
                .phrase(self.language, "blocked.fitting", &[("count", &left.to_string())]),
            (left, false) => self
                .words
                .phrase(self.language, "blocked.usual", &[("count", &left.to_string())]),
        };
        let ends = match report.daily {
            true => format!("{}@{}", self.mailbox, report.to.domain()),
            false => String::new(),
        };
        let whose = short(&report.whose.key(), ADDRESS_MAX);
        let person = short(&report.to.to_string(), ADDRESS_MAX);
        let fill = |rows: &str| {
            let places = [
                ("person", person.as_str()),
                ("whose", whose.as_str()),
                ("count", count.as_str()),
                ("since", since.as_str()),
                ("more", more.as_str()),
                ("left", left.as_str()),
                ("ends", ends.as_str()),
                ("note", report.note),
                ("rows", rows),
            ];
            self.words.letter(self.language, "blocked", &places)
        };
        let text: Vec<String> = lines.iter().map(Lines::text).collect();
        let mut letter = self.letter(report.to, fill(&text.join("\n")));
        if !lines.is_empty() {
            letter.html = Some(self.html(&fill(TABLE).1, &lines));
        }
        letter
    }

    fn lines(&self, report: &Report<'_>, row: &Row) -> Lines {
        let subject = match row.subject.as_deref().map(|subject| harmless(subject, SUBJECT_MAX)) {
            None => self.phrase("blocked.unseen"),
            Some(subject) if subject.is_empty() => self.phrase("no-subject"),
            Some(subject) => subject,
        };
        let own = matches!(report.whose, Whose::Person(person) if person.key() == report.to.key());
        let points = row.score.map_or_else(String::new, |score| score.to_string());
        let mut facts = vec![
            (self.phrase("blocked.subject"), subject),
            (self.phrase("blocked.reason"), self.why(row.why)),
        ];
        if matches!(report.whose, Whose::Domain(_)) {
            facts.insert(0, (self.phrase("blocked.to"), shown::address(&row.to, ADDRESS_MAX)));
        }
        facts.push((self.phrase("blocked.points"), points));
        facts.retain(|(_, value)| !value.is_empty());
        Lines {
            when: self.hour.tell(row.at),
            from: match row.from.as_str() {
                "" => self.phrase("blocked.null"),
                from => shown::address(from, ADDRESS_MAX),
            },
            facts,
            links: self.links(report, row, own),
        }
    }

    /// What may be done with what is kept; nothing where nothing is.
    fn links(&self, report: &Report<'_>, row: &Row, own: bool) -> Vec<(String, String)> {
        let (Some(id), Some(name)) = (&row.kept, self.release) else {
            return Vec::new();
        };
        let mailbox = format!("{name}@{}", report.to.domain());
        let Ok(mailbox) = Address::parse(&mailbox, true) else {
            return Vec::new();
        };
        let acts: &[(Act, &str)] = match own {
            true => &[
                (Act::Release, "blocked.release"),
                (Act::ReleaseAndWelcome, "blocked.welcome"),
            ],
            false => &[
                (Act::Release, "blocked.release"),
                (Act::ReleaseAndWelcome, "blocked.welcome"),
                (Act::Delete, "blocked.delete"),
            ],
        };
        let link = |(act, name): &(Act, &str)| {
            let order = Order {
                act: *act,
                id: id.clone(),
                recipient: row.recipient().filter(|_| !own),
            };
            (self.phrase(name), order.link(&mailbox))
        };
        acts.iter().map(link).collect()
    }

    fn html(&self, text: &str, lines: &[Lines]) -> String {
        let mut out = format!(
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<head><meta charset=\"utf-8\"></head>\n<body>\n",
            escaped(self.language)
        );
        for (n, piece) in text.split(TABLE).enumerate() {
            if n > 0 {
                out.push_str("<table cellpadding=\"4\">\n");
                lines.iter().for_each(|line| line.html(&mut out));
                out.push_str("</table>\n");
            }
            for paragraph in piece.split("\n\n").map(str::trim).filter(|text| !text.is_empty()) {
                let words: Vec<String> = paragraph.lines().map(escaped).collect();
                out.push_str(&format!("<p>{}</p>\n", words.join("<br>\n")));
            }
        }
        out.push_str("</body>\n</html>\n");
        out
    }
}

/// One mail, in words that may stand in a letter.
struct Lines {
    when: String,
    from: String,
    facts: Vec<(String, String)>,
    links: Vec<(String, String)>,
}

impl Lines {
    fn text(&self) -> String {
        let mut out = format!("{}  {}\n", self.when, self.from);
        for (name, value) in self.facts.iter().chain(&self.links) {
            out.push_str(&format!("    {name}: {value}\n"));
        }
        out
    }

    fn html(&self, out: &mut String) {
        let facts: Vec<String> = self
            .facts
            .iter()
            .map(|(name, value)| format!("{}: {}", escaped(name), escaped(value)))
            .collect();
        let links: Vec<String> = self
            .links
            .iter()
            .map(|(name, link)| format!("<a href=\"{}\">{}</a>", escaped(link), escaped(name)))
            .collect();
        out.push_str(&format!(
            "<tr valign=\"top\"><td>{}</td><td><b>{}</b><br>\n{}</td><td>{}</td></tr>\n",
            escaped(&self.when),
            escaped(&self.from),
            facts.join("<br>\n"),
            links.join("<br>\n")
        ));
    }
}
