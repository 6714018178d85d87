//! The words of our letters: templates, in files, in the languages that there are.
//!
//! A letter is `templates/<language>/<name>.txt`: a line `Subject:`, a blank line, the text ([`template`]). Sentences that
//! letters are put together from are in `phrases.txt`, a line `name: text` each. An operator's folder of the same form
//! replaces single files and single phrases, and may bring further languages; what it leaves out is as shipped, and where
//! nothing is shipped in that language, English.
//!
//! **Invariant:** each letter and phrase is there in each shipped language (a test), and every mistake of an operator's file
//! is told with file and line when it is read.

pub mod shown;
pub mod template;

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use gatepost_core::message::Headers;
use template::{FILE_MAX, Mistake, Places, Template};

/// The language that all others fall back on.
pub const FALLBACK: &str = "en";
/// The most languages, shipped ones and an operator's.
pub const LANGUAGES_MAX: usize = 100;
/// Octets of a field that names languages that are looked at.
const FIELD_MAX: usize = 500;

/// Each letter, and the places that its template may have.
pub const LETTERS: &[(&str, &[&str])] = &[
    ("analyse", &["person", "mails", "unreadable"]),
    (
        "blocked",
        &[
            "person", "whose", "count", "since", "rows", "more", "left", "ends", "note",
        ],
    ),
    ("blocked-end", &["whose", "had"]),
    ("entries", &["person", "entries", "remove", "more"]),
    ("failed", &["person", "why"]),
    ("help", &["person", "domain", "addresses"]),
    ("list", &["person", "title", "done", "left", "cut"]),
    ("notspam", &["person", "mails", "unreadable"]),
    ("spam", &["person", "mails", "unreadable"]),
];

/// Each phrase, and the places that it may have.
pub const PHRASES: &[(&str, &[&str])] = &[
    ("title.white", &[]),
    ("title.notwhite", &[]),
    ("title.persblack", &[]),
    ("title.notpersblack", &[]),
    ("title.black", &[]),
    ("title.notblack", &[]),
    ("title.red", &[]),
    ("title.notred", &[]),
    ("done.white", &["entry"]),
    ("done.notwhite", &["entry"]),
    ("done.persblack", &["entry"]),
    ("done.notpersblack", &["entry"]),
    ("done.black", &["entry"]),
    ("done.notblack", &["entry"]),
    ("done.red", &["entry"]),
    ("done.notred", &["entry"]),
    ("same.white", &["entry"]),
    ("same.notwhite", &["entry"]),
    ("same.persblack", &["entry"]),
    ("same.notpersblack", &["entry"]),
    ("same.black", &["entry"]),
    ("same.notblack", &["entry"]),
    ("same.red", &["entry"]),
    ("same.notred", &["entry"]),
    ("refused", &["entry", "why"]),
    ("ours", &["entry"]),
    ("unread", &["entry"]),
    ("not-yours", &[]),
    ("administrators", &[]),
    ("too-often", &[]),
    ("later", &[]),
    ("no-such-mail", &[]),
    ("delivered-already", &[]),
    ("no-subject", &[]),
    ("reported.spam", &["subject"]),
    ("reported.notspam", &["subject"]),
    ("reported.same", &["subject"]),
    ("reported.refused", &["subject", "why"]),
    ("analysed.subject", &["subject"]),
    ("analysed.spam", &[]),
    ("analysed.likely-spam", &[]),
    ("analysed.open", &[]),
    ("analysed.likely-wanted", &[]),
    ("analysed.wanted", &[]),
    ("analysed.unknown", &[]),
    ("analysed.points", &["points", "level"]),
    ("analysed.because", &["what"]),
    ("analysed.stopped", &["from"]),
    ("analysed.passed", &["from", "missing"]),
    ("analysed.never-stopped", &[]),
    ("analysed.words-spam", &["words"]),
    ("analysed.words-wanted", &["words"]),
    ("analysed.without", &["filter"]),
    ("analysed.little", &[]),
    ("analysed.details", &[]),
    ("level.none", &[]),
    ("level.low", &[]),
    ("level.medium", &[]),
    ("level.high", &[]),
    ("help.spam", &[]),
    ("help.notspam", &[]),
    ("help.white", &[]),
    ("help.notwhite", &[]),
    ("help.persblack", &[]),
    ("help.notpersblack", &[]),
    ("help.black", &[]),
    ("help.notblack", &[]),
    ("help.red", &[]),
    ("help.notred", &[]),
    ("help.analyse", &[]),
    ("help.blockreport", &[]),
    ("help.release", &[]),
    ("help.help", &[]),
    ("blocked.subject", &[]),
    ("blocked.reason", &[]),
    ("blocked.points", &[]),
    ("blocked.to", &[]),
    ("blocked.null", &[]),
    ("blocked.unseen", &[]),
    ("blocked.release", &[]),
    ("blocked.welcome", &[]),
    ("blocked.delete", &[]),
    ("blocked.usual", &["count"]),
    ("blocked.fitting", &["count"]),
    ("blocked.daily", &["whose"]),
    ("blocked.line", &["line"]),
    ("blocked.pattern", &["why"]),
    ("blocked.refused", &["whose", "why"]),
    ("blocked.not-local", &["whose"]),
    ("blocked.too-many", &["most"]),
    ("why.danger", &[]),
    ("why.attachment", &[]),
    ("why.unchecked", &[]),
    ("why.denied", &[]),
    ("why.listed", &[]),
    ("why.forged", &[]),
    ("why.content", &[]),
    ("why.manners", &[]),
    ("why.server", &[]),
    ("why.nobody", &[]),
    ("why.rule", &[]),
];

/// What is shipped: language, file, text.
macro_rules! shipped {
    ($($language:literal: $($file:literal)*;)*) => {
        &[$($(($language, $file, include_str!(concat!("../templates/", $language, "/", $file, ".txt"))),)*)*]
    };
}

const SHIPPED: &[(&str, &str, &str)] = shipped! {
    "en": "analyse" "blocked" "blocked-end" "entries" "failed" "help" "list" "notspam" "phrases" "spam";
    "de": "analyse" "blocked" "blocked-end" "entries" "failed" "help" "list" "notspam" "phrases" "spam";
    "fr": "analyse" "blocked" "blocked-end" "entries" "failed" "help" "list" "notspam" "phrases" "spam";
    "es": "analyse" "blocked" "blocked-end" "entries" "failed" "help" "list" "notspam" "phrases" "spam";
};

/// A letter's two templates.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Form {
    subject: Template,
    text: Template,
}

/// All that is said in one language.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Language {
    letters: BTreeMap<&'static str, Form>,
    phrases: BTreeMap<&'static str, Template>,
}

/// The words of our letters.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words(BTreeMap<Box<str>, Language>);

fn listed(
    kinds: &'static [(&'static str, &'static [&'static str])],
    name: &str,
) -> Option<(&'static str, &'static [&'static str])> {
    kinds.iter().copied().find(|(known, _)| *known == name)
}

fn form(text: &str, places: &'static [&'static str]) -> Result<Form, Mistake> {
    let wrong = |line, why: &str| Mistake { line, why: why.into() };
    let (head, rest) = text.split_once('\n').unwrap_or((text, ""));
    let Some(subject) = head.trim_end().strip_prefix("Subject:") else {
        return Err(wrong(1, "a letter begins with a line `Subject: ..`"));
    };
    let (blank, rest) = rest.split_once('\n').unwrap_or((rest, ""));
    if !blank.trim().is_empty() {
        return Err(wrong(
            2,
            "behind the line `Subject:` stands a blank line, then the text",
        ));
    }
    let form = Form {
        subject: Template::parse(subject.trim(), 1, places)?,
        text: Template::parse(rest, 3, places)?,
    };
    match form.text == Template::default() {
        true => Err(wrong(3, "a letter without a text")),
        false => Ok(form),
    }
}

impl Language {
    fn read(&mut self, file: &str, text: &str) -> Result<(), Mistake> {
        let text = text.trim_start_matches('\u{feff}');
        if file == "phrases" {
            return self.read_phrases(text);
        }
        let Some((name, places)) = listed(LETTERS, file) else {
            let names: Vec<&str> = LETTERS.iter().map(|(name, _)| *name).collect();
            return Err(Mistake {
                line: 1,
                why: format!("no letter is called `{file}`; there are phrases, {}", names.join(", ")),
            });
        };
        self.letters.insert(name, form(text, places)?);
        Ok(())
    }

    fn read_phrases(&mut self, text: &str) -> Result<(), Mistake> {
        for (n, line) in text.lines().enumerate() {
            let number = n.saturating_add(1);
            let wrong = |why| Mistake { line: number, why };
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((name, phrase)) = line.split_once(':') else {
                return Err(wrong("a line is `name: text`, a comment begins with #".into()));
            };
            let Some((name, places)) = listed(PHRASES, name.trim()) else {
                return Err(wrong(format!("no phrase is called `{}`", name.trim())));
            };
            self.phrases
                .insert(name, Template::parse(phrase.trim(), number, places)?);
        }
        Ok(())
    }
}

/// A file of at most [`FILE_MAX`] octets.
fn slurp(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    let most = FILE_MAX as u64;
    file.take(most + 1)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    match text.len() > FILE_MAX {
        true => Err(format!("a file of templates has at most {FILE_MAX} octets")),
        false => Ok(text),
    }
}

/// The names in a folder, sorted; hidden ones left out.
fn names(folder: &Path) -> Result<Vec<String>, String> {
    let wrong = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let name = entry.map_err(wrong)?.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            names.push(name);
        }
        if names.len() > 1_000 {
            return Err(format!("{}: more than 1000 files", folder.display()));
        }
    }
    names.sort();
    Ok(names)
}

/// A language as it is written in a field, in the form of a folder's name: `de` of `de-DE`.
fn primary(tag: &str) -> String {
    let tag = tag.split(';').next().unwrap_or_default().trim();
    tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase()
}

impl Words {
    /// What is shipped.
    pub fn shipped() -> Result<Words, String> {
        let mut words = Words(BTreeMap::new());
        for (language, file, text) in SHIPPED {
            let into = words.0.entry((*language).into()).or_default();
            into.read(file, text)
                .map_err(|mistake| format!("templates/{language}/{file}.txt:{mistake}"))?;
        }
        Ok(words)
    }

    /// The same with an operator's folder over it. A mistake is told with file and line.
    pub fn with_folder(mut self, folder: &Path) -> Result<Words, String> {
        for language in names(folder)? {
            let inner = folder.join(&language);
            let fits = (2..=8).contains(&language.len()) && language.bytes().all(|octet| octet.is_ascii_lowercase());
            if !fits || !inner.is_dir() {
                return Err(format!(
                    "{}: expected a folder for a language, such as `de`, with files such as `spam.txt` in it",
                    inner.display()
                ));
            }
            let shipped = self.0.len();
            let into = match self.0.entry(language.as_str().into()) {
                std::collections::btree_map::Entry::Vacant(_) if shipped >= LANGUAGES_MAX => {
                    return Err(format!("{}: more than {LANGUAGES_MAX} languages", folder.display()));
                }
                entry => entry.or_default(),
            };
            for file in names(&inner)? {
                let path = inner.join(&file);
                let Some(name) = file.strip_suffix(".txt") else {
                    return Err(format!("{}: expected a file `.txt`", path.display()));
                };
                let text = slurp(&path).map_err(|why| format!("{}: {why}", path.display()))?;
                into.read(name, &text)
                    .map_err(|mistake| format!("{}:{mistake}", path.display()))?;
            }
        }
        Ok(self)
    }

    /// Whether anything is said in a language.
    pub fn has(&self, language: &str) -> bool {
        self.0.contains_key(language)
    }

    /// The languages, sorted.
    pub fn languages(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(|language| &**language)
    }

    /// The language of whoever wrote a mail with these fields, or the usual one, or English: the first that is named and
    /// that we have.
    pub fn language(&self, headers: &Headers, usual: &str) -> &str {
        let named = ["Content-Language", "Accept-Language", "X-Language"]
            .into_iter()
            .filter_map(|name| headers.get(name))
            .flat_map(|field| {
                let value = field.decoded(FIELD_MAX);
                value.split(',').map(primary).take(20).collect::<Vec<_>>()
            })
            .chain([primary(usual)]);
        let mut ours = named.filter_map(|tag| self.0.get_key_value(tag.as_str()));
        ours.next().map_or(FALLBACK, |(language, _)| language)
    }

    fn found<'a, T>(&'a self, language: &str, of: impl Fn(&'a Language) -> Option<&'a T>) -> Option<&'a T> {
        let own = self.0.get(language).and_then(&of);
        own.or_else(|| self.0.get(FALLBACK).and_then(&of))
    }

    /// A letter: subject and text. `name` is one of [`LETTERS`]; nothing of another.
    pub fn letter(&self, language: &str, name: &str, places: &Places<'_>) -> (String, String) {
        let form = self.found(language, |words| words.letters.get(name));
        form.map_or_else(Default::default, |form| {
            (form.subject.line(places), form.text.fill(places))
        })
    }

    /// A sentence. `name` is one of [`PHRASES`]; nothing of another.
    pub fn phrase(&self, language: &str, name: &str, places: &Places<'_>) -> String {
        let phrase = self.found(language, |words| words.phrases.get(name));
        phrase.map_or_else(String::new, |phrase| phrase.line(places))
    }
}

#[cfg(test)]
mod tests;
