//! The entries of lists that somebody writes in a mail, in whatever form people write them.
//!
//! `ann@b.example`, `Ann <ann@b.example>`, `mailto:ann@b.example`, `@b.example`, `*@b.example`, `_ALL_@b.example` and
//! `@*.b.example`, one on each line or many on one; a line that is nothing but a network, `192.0.2.0/24`. What an
//! administrator writes as `entry,*` or `entry,@d.example` is for everybody, or for a domain.
//!
//! What the writer only quotes does not count: lines with `>`, what stands below a line that begins a forwarded or answered
//! mail, the subject of such a mail, and the signature.
//!
//! **Bounds:** [`TEXT_MAX`], [`LINES_MAX`], [`ENTRIES_MAX`], [`UNREAD_MAX`]. **Absent on purpose:** whose addresses they are.

use std::collections::BTreeSet;
use std::net::IpAddr;

use gatepost_core::{Address, Domain};

use crate::quoted::{is_anothers, own_lines};

/// Octets of a text that are looked at.
pub const TEXT_MAX: usize = 262_144;
/// Lines that are looked at.
pub const LINES_MAX: usize = 10_000;
/// The most entries of a mail.
pub const ENTRIES_MAX: usize = 1_000;
/// The most words that are told as not understood.
pub const UNREAD_MAX: usize = 20;
/// Octets of the longest entry.
const ENTRY_MAX: usize = 400;
/// Octets of the longest word that is looked at.
const WORD_MAX: usize = 1_000;

/// For whom an administrator means an entry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum For {
    /// For everybody.
    Everybody,
    /// For a domain.
    Domain(String),
}

/// An entry as it was written, without what stood around it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Entry {
    /// The address, domain or network.
    pub text: String,
    /// For whom, where somebody said so.
    pub reach: Option<For>,
}

/// What was found, each once, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Found {
    /// The entries.
    pub entries: Vec<Entry>,
    /// What looks as if an entry was meant, and is none.
    pub unread: Vec<String>,
    /// There are more entries than are taken.
    pub cut: bool,
    seen: BTreeSet<Entry>,
}

impl Found {
    fn take(&mut self, text: &str, reach: Option<For>) {
        let key = Entry {
            text: text.to_lowercase(),
            reach: reach.clone(),
        };
        if self.seen.contains(&key) {
            return;
        }
        if self.entries.len() >= ENTRIES_MAX {
            self.cut = true;
            return;
        }
        self.seen.insert(key);
        self.entries.push(Entry {
            text: text.into(),
            reach,
        });
    }

    fn leave(&mut self, word: &str) {
        let room = self.unread.len() < UNREAD_MAX && word.len() <= ENTRY_MAX;
        if room && !self.unread.iter().any(|known| known == word) {
            self.unread.push(word.into());
        }
    }

    /// Takes entries that were found elsewhere.
    pub fn take_all(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            self.take(&entry.text, entry.reach);
        }
    }

    /// Takes what a line of the writer's own says.
    pub fn read_line(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() {
            return;
        }
        if is_network(line) {
            return self.take(line, None);
        }
        if let Some((entry, reach)) = for_somebody(line) {
            return self.take(entry, Some(reach));
        }
        if !line.contains('@') {
            // Somebody who writes a domain alone means everybody there, and is told how to write it.
            let alone = !line.contains(char::is_whitespace) && line.trim_matches('.').contains('.');
            if alone && Domain::parse(line, true).is_ok() {
                self.leave(line);
            }
            return;
        }
        for word in words(line) {
            match entry(word) {
                Some(entry) => self.take(entry, None),
                None => self.leave(word),
            }
        }
    }
}

/// Finds the entries in a subject and a text.
pub fn find(subject: &str, text: &str) -> Found {
    let mut found = Found::default();
    if !is_anothers(subject) {
        found.read_line(subject);
    }
    for line in own_lines(head(text)) {
        found.read_line(line);
    }
    found
}

/// The beginning of a text that is looked at.
fn head(text: &str) -> &str {
    let cut = (0..=TEXT_MAX.min(text.len()))
        .rev()
        .find(|at| text.is_char_boundary(*at));
    text.get(..cut.unwrap_or(0)).unwrap_or_default()
}

fn is_network(word: &str) -> bool {
    let bare = word
        .strip_prefix('[')
        .and_then(|word| word.strip_suffix(']'))
        .unwrap_or(word);
    let (address, bits) = bare.split_once('/').unwrap_or((bare, "0"));
    address.parse::<IpAddr>().is_ok() && !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit())
}

/// `entry,*`, `entry,@domain`: one entry and for whom.
fn for_somebody(line: &str) -> Option<(&str, For)> {
    let (left, right) = line.split_once(',')?;
    if right.contains(char::is_whitespace) || right.contains(',') {
        return None;
    }
    let left = entry(left.trim())?;
    match right {
        "*" => Some((left, For::Everybody)),
        _ => {
            let domain = right
                .strip_prefix('@')
                .filter(|domain| Domain::parse(domain, true).is_ok());
            domain.map(|domain| (left, For::Domain(domain.into())))
        }
    }
}

/// The words of a line that an address may be: those in angle brackets, and those outside names and quotes.
fn words(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = line;
    // Behind these nothing is closed any more: looked for once, not again for each that is opened.
    let (last_quote, last_angle) = (line.rfind('"'), line.rfind('>'));
    while let Some(at) = rest.find(['<', '"']) {
        let (before, behind) = rest.split_at(at);
        let quote = behind.starts_with('"');
        let inner = behind.get(1..).unwrap_or_default();
        let (closes, last) = if quote { ('"', last_quote) } else { ('>', last_angle) };
        let begin = line.len().saturating_sub(inner.len());
        let end = last.filter(|last| *last >= begin).and_then(|_| inner.find(closes));
        let Some((inside, after)) = end.and_then(|end| inner.split_at_checked(end)) else {
            // It is never closed: a character like any other.
            found.extend(bare(before, false));
            rest = inner;
            continue;
        };
        // An address that is the name of another is not meant.
        found.extend(bare(before, !quote && inside.contains('@')));
        if !quote {
            found.extend(bare(inside, false));
        }
        rest = after.get(1..).unwrap_or_default();
    }
    found.extend(bare(rest, false));
    found
}

/// The words with an @, the last left out where it is a name.
fn bare(text: &str, named: bool) -> impl Iterator<Item = &str> {
    let apart = |c: char| c.is_whitespace() || matches!(c, ',' | ';' | '|' | '<' | '>');
    let fits = |word: &&str| !word.is_empty() && word.len() <= WORD_MAX;
    let all: Vec<&str> = text.split(apart).filter(fits).collect();
    let names = usize::from(named && text.trim_end().ends_with(|c: char| !matches!(c, ',' | ';')));
    let count = all.len().saturating_sub(names);
    all.into_iter().take(count).map(clean).filter(|word| word.contains('@'))
}

/// A word without what people and programs put around it.
fn clean(word: &str) -> &str {
    let mut word = word;
    loop {
        let bare = peeled(word);
        if bare.len() == word.len() {
            return bare;
        }
        word = bare;
    }
}

/// One layer less.
fn peeled(word: &str) -> &str {
    let word = word.trim_start_matches([
        '\'', '"', '(', '[', '{', '\u{201e}', '\u{201c}', '\u{ab}', '\u{2022}', '`',
    ]);
    let mailto = word.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("mailto:"));
    let word = if mailto {
        word.get(7..).unwrap_or_default()
    } else {
        word
    };
    let word = word.split('?').next().unwrap_or_default();
    let word = word.trim_end_matches([
        '\'', '"', ')', '}', '.', ',', ';', ':', '!', '\u{201c}', '\u{201d}', '\u{bb}', '`',
    ]);
    match word.contains("@[") {
        true => word,
        false => word.trim_end_matches(']'),
    }
}

/// The word, if it is an entry.
fn entry(word: &str) -> Option<&str> {
    if word.len() > ENTRY_MAX || word.chars().any(char::is_control) {
        return None;
    }
    let (local, domain) = word.rsplit_once('@')?;
    let everybody = matches!(local, "" | "*") || local.eq_ignore_ascii_case("_all_");
    let fits = match everybody {
        true => Domain::parse(domain.strip_prefix("*.").unwrap_or(domain), true).is_ok(),
        false => !local.contains('*') && Address::parse(word, true).is_ok(),
    };
    fits.then_some(word)
}

#[cfg(test)]
mod tests;
