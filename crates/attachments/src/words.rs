//! What people read: names of files made harmless, refusals, notes in the place of files.

use gatepost_core::prelude::*;

use crate::hashes::hex;
use crate::kinds;
use crate::look::File;
use crate::policy::Hit;

/// Octets of a name in a refusal.
pub const NAME_MAX: usize = 80;
/// Octets of a path in a finding's note.
const PATH_MAX: usize = 200;
/// Files that a note in the place of a part tells of.
const TOLD: usize = 10;

/// A name in printable ASCII without quotes, braces and backslashes, at most so many octets: of a longer one begin and end.
pub fn harmless(name: &str, most: usize) -> String {
    let mut out = String::with_capacity(name.len().min(2 * most));
    for c in name.chars() {
        let c = match c {
            '"' | '\'' | '`' | '\\' | '<' | '>' | '{' | '}' | '%' => '_',
            ' '..='~' => c,
            _ => '_',
        };
        // A row of spaces would push the end of the name out of sight.
        if !(c == ' ' && out.ends_with(' ')) {
            out.push(c);
        }
    }
    if out.len() > most {
        let half = most.saturating_sub(2) / 2;
        let (head, tail) = (out.get(..half), out.get(out.len() - half..));
        out = format!("{}..{}", head.unwrap_or_default(), tail.unwrap_or_default());
    }
    out
}

/// The way to a file, `outer.zip > inner.exe`, at most so many octets.
pub fn path(file: &File, most: usize) -> String {
    let each = most.saturating_sub(3 * file.path.len()) / file.path.len().max(1);
    let name = |name: &str| match name.trim() {
        "" => "unnamed".into(),
        name => harmless(name, each.max(12)),
    };
    let names: Vec<_> = file.path.iter().map(|part| name(part)).collect();
    let mut whole = names.join(" > ");
    if whole.len() > most {
        // Deep ones lose what is in the middle: the file itself and what it came in are what matters.
        let (first, last) = (names.first(), names.last());
        whole = format!(
            "{} > .. > {}",
            first.map_or("", |name| name),
            last.map_or("", |name| name)
        );
    }
    harmless_path(whole, most)
}

fn harmless_path(mut path: String, most: usize) -> String {
    // All ASCII by now.
    path.truncate(most);
    path
}

/// A file and what was seen of it, for the log.
pub fn told(hit: &Hit<'_>) -> String {
    match hit.file {
        Some(file) => format!("{} ({}): {}", path(file, PATH_MAX), file.kind.name(), hit.why),
        None => hit.why.clone(),
    }
}

/// The operator's words.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Words {
    refusal: Box<str>,
    contact: Box<str>,
}

impl Words {
    /// The longest text, places not filled in.
    pub const MAX: usize = 300;
    const PLACES: [&str; 3] = ["{name}", "{why}", "{contact}"];

    /// The words of a configuration.
    pub fn new(refusal: &str, contact: &str) -> Result<Words, BuildError> {
        let bare = Words::PLACES
            .iter()
            .fold(refusal.to_owned(), |text, place| text.replace(place, ""));
        for (key, text, bare) in [("refusal", refusal, &*bare), ("contact", contact, contact)] {
            let printable = text.len() <= Words::MAX && text.bytes().all(|b| matches!(b, b' '..=b'~'));
            if !printable || bare.contains(['{', '}']) {
                let most = Words::MAX;
                let why = format!(
                    "expected one line of at most {most} printable ASCII characters, with braces only around name, why or contact"
                );
                return Err(BuildError::at(key, why));
            }
        }
        Ok(Words {
            refusal: refusal.into(),
            contact: contact.into(),
        })
    }

    /// The refusal for a file, or for the mail as a whole.
    pub fn refuse(&self, hit: &Hit<'_>) -> Reply {
        let name = hit
            .file
            .map_or_else(|| "the mail".to_owned(), |file| path(file, NAME_MAX));
        // One pass over the operator's words: what a stranger says is not filled in again.
        let (mut out, mut rest) = (String::new(), &*self.refusal);
        while let Some(at) = rest.find('{') {
            let (before, tail) = rest.split_at(at);
            out.push_str(before);
            let place = Words::PLACES.iter().find(|place| tail.starts_with(**place));
            out.push_str(match place.copied() {
                Some("{name}") => &name,
                Some("{why}") => hit.rule.about(),
                Some("{contact}") => &self.contact,
                _ => "",
            });
            rest = tail.get(place.map_or(1, |place| place.len())..).unwrap_or_default();
        }
        out.push_str(rest);
        Reply::new(550, Some(Enhanced(5, 7, 1)), out)
    }

    /// The note in the place of files.
    pub fn note(&self, hits: &[&Hit<'_>]) -> String {
        let mut note = String::from("The mail server has taken a file out of this mail.\n");
        for hit in hits.iter().take(TOLD) {
            let Some(file) = hit.file else { continue };
            let (path, octets) = (path(file, PATH_MAX), file.octets);
            let (kind, class) = (file.kind.name(), kinds::class_name(file.kind.class()));
            note.push_str(&format!(
                "\n{path}: {} ({kind}, {class}, {octets} octets)\n",
                hit.rule.about()
            ));
            if let Some(hash) = &file.sha256 {
                note.push_str(&format!("SHA-256 {}\n", hex(hash)));
            }
        }
        if hits.len() > TOLD {
            note.push_str(&format!("\nand {} more findings\n", hits.len() - TOLD));
        }
        note.push_str(&format!("\nIf you need it, ask {}.\n", self.contact));
        note
    }
}

/// The note where a file is only taken out.
pub const STRIPPED: &str = "The mail server has taken a file out of this mail.\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_printable_ascii_without_quotes_and_of_bearable_length() {
        for (name, shown) in [
            ("setup.exe", "setup.exe"),
            ("a\r\nRCPT TO:<x@y>.exe", "a__RCPT TO:_x@y_.exe"),
            ("\u{202e}gpj.exe", "_gpj.exe"),
            ("it's \"mine\"`.exe", "it_s _mine__.exe"),
            ("pic.jpg                    .exe", "pic.jpg .exe"),
            ("{why}%0a\\.exe", "_why__0a_.exe"),
        ] {
            assert_eq!(harmless(name, NAME_MAX), shown);
        }
        let long = harmless(&format!("{}.exe", "x".repeat(5_000)), NAME_MAX);
        assert!(long.len() <= NAME_MAX && long.ends_with("xx.exe"), "{long}");
    }

    #[test]
    fn words_with_other_places_are_told() {
        for (key, refusal, contact) in [
            ("refusal", "{who} is refused", "me"),
            ("refusal", "two\r\nlines", "me"),
            ("refusal", "{name", "me"),
            ("contact", "{name}", "{why}"),
        ] {
            assert_eq!(Words::new(refusal, contact).expect_err(refusal).key, key);
        }
    }
}
