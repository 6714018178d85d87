//! Who exists in our domains: how long the mail server's word is believed, and the operator's own lists, read and held
//! against the domain that they are for.
//!
//! **Bounds:** a file has at most [`FILE_MAX`] octets and [`List::MAX`] entries, a line [`LINE_MAX`] octets; of a file with
//! many mistakes the first [`TOLD`] are told. A file is read when the configuration is: at start, at SIGHUP, at
//! `gatepost check`; if it is missing or wrong by then, the lists in service stay, and a domain of the store is left out.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepost_pipeline::recipients::{List, Lists, Spans};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::Check;
use super::mistake::{Gravity, Mistake, Place};
use super::values::Timespan;

/// The most octets of a file.
const FILE_MAX: u64 = 64 << 20;
/// The most octets of a line.
const LINE_MAX: usize = 1_000;
/// The most mistakes of one file that are told.
const TOLD: usize = 20;
/// Longer than that nobody means to refuse a mailbox that is new.
const LONG: Duration = Duration::from_hours(24);

/// Recipients of our domains that have no list of their own (`recipients` of the domain): what the mail server answered
/// about them is remembered, so that it is not asked again about those who do not exist, and so that it is known who
/// exists while it is away: then one who is known hears 451, and one of whom nothing is known 450.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Recipients {
    /// How long it is believed that a recipient exists; `"0s"` for not at all.
    pub known: Timespan,
    /// How long it is believed that one does not: the mail server said so in words that mean nothing else (5.1.1). As long
    /// as that a mailbox that is new is still refused, unless `gatepost recipients forget` is said; `"0s"` for not at all.
    pub unknown: Timespan,
}

impl Default for Recipients {
    fn default() -> Recipients {
        let Spans { known, unknown } = Spans::default();
        Recipients {
            known: Timespan::secs(known.as_secs()),
            unknown: Timespan::secs(unknown.as_secs()),
        }
    }
}

impl Recipients {
    /// The same as the pipeline has it.
    pub fn spans(&self) -> Spans {
        Spans {
            known: *self.known,
            unknown: *self.unknown,
        }
    }
}

impl Check<'_> {
    /// Reads all lists and tells what is wrong with them.
    pub(super) fn recipients(&mut self) -> Arc<Lists> {
        let config = self.config;
        if *config.recipients.unknown > LONG {
            self.warning(
                &["recipients", "unknown"],
                "a mailbox that is new is refused for so long; 2h is usual",
            );
        }
        let mut lists = Lists::default();
        for (domain, own) in &config.domain {
            if own.recipients.is_none() && own.recipients_file.is_none() {
                continue;
            }
            if domain.is_below() {
                let key = if own.recipients.is_some() {
                    "recipients"
                } else {
                    "recipients_file"
                };
                self.error(
                    &["domain", domain, key],
                    "a list is that of one domain: name it without the dot before it",
                );
                continue;
            }
            let mut entries = Vec::new();
            for (n, text) in own.recipients.iter().flatten().enumerate() {
                match List::entry(domain, text) {
                    Ok(entry) => entries.push(entry),
                    Err(bad) => self.error(&["domain", domain, "recipients", &n.to_string()], bad.to_string()),
                }
            }
            let path = ["domain", domain, "recipients_file"];
            if let Some(file) = &own.recipients_file {
                let before = self.out.len();
                self.read_list(&path, file, domain, &mut entries);
                let wrong = self.out.len() > before;
                if entries.is_empty() && !wrong {
                    let message = format!(
                        "{} names nobody: all mail for {domain} would be refused; was it written to its end? Leave the key \
                         out where the mail server is to be asked",
                        file.display()
                    );
                    self.error(&path, message);
                }
            }
            if entries.len() > List::MAX {
                self.error(
                    &["domain", domain],
                    format!("{} recipients: expected at most {}", entries.len(), List::MAX),
                );
                continue;
            }
            if own.recipients_file.is_none() && own.recipients.as_ref().is_some_and(Vec::is_empty) {
                self.warning(
                    &["domain", domain, "recipients"],
                    "an empty list: all mail for this domain but that to postmaster and abuse is refused",
                );
            }
            lists.insert(domain, List::new(entries));
        }
        Arc::new(lists)
    }

    fn read_list(&mut self, path: &[&str], file: &Path, domain: &str, entries: &mut Vec<Box<str>>) {
        let name = file.display().to_string();
        let octets = match read(file) {
            Ok(octets) => octets,
            Err(why) => return self.error(path, format!("{name}: {why}")),
        };
        let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&octets);
        let (name, key) = (Arc::<str>::from(name), self.key(path));
        let mut wrong = 0_usize;
        for (n, line) in octets.split(|octet| *octet == b'\n').enumerate() {
            let told = match entry(line, domain) {
                Ok(Some(entry)) => {
                    entries.push(entry);
                    if entries.len() <= List::MAX {
                        continue;
                    }
                    format!("more than {} recipients", List::MAX)
                }
                Ok(None) => continue,
                Err(why) => why,
            };
            wrong += 1;
            if wrong <= TOLD {
                self.out.push(Mistake {
                    place: Place::Text {
                        name: Arc::clone(&name),
                        line: n + 1,
                        column: 1,
                    },
                    key: key.clone(),
                    gravity: Gravity::Error,
                    message: told,
                });
            }
            if entries.len() > List::MAX {
                break;
            }
        }
        if wrong > TOLD {
            self.out.push(Mistake {
                place: Place::at(&name, "", 0),
                key,
                gravity: Gravity::Error,
                message: format!("{} more lines are wrong", wrong - TOLD),
            });
        }
    }
}

/// The octets of a file, or why there are none.
fn read(file: &Path) -> Result<Vec<u8>, String> {
    let unreadable = |error| format!("cannot be read: {error}");
    // Opening what is no file may block, and reading it may never end.
    if !std::fs::metadata(file).map_err(unreadable)?.is_file() {
        return Err("expected a file".into());
    }
    let mut octets = Vec::new();
    let bounded = File::open(file).map_err(unreadable)?.take(FILE_MAX + 1);
    { bounded }.read_to_end(&mut octets).map_err(unreadable)?;
    match octets.len() as u64 > FILE_MAX {
        true => Err(format!("expected at most {} MiB", FILE_MAX >> 20)),
        false => Ok(octets),
    }
}

/// The entry of a line; none where it is empty or a comment.
fn entry(line: &[u8], domain: &str) -> Result<Option<Box<str>>, String> {
    if line.len() > LINE_MAX {
        return Err(format!("a line of {} octets: expected at most {LINE_MAX}", line.len()));
    }
    let text = std::str::from_utf8(line).map_err(|_| "expected UTF-8".to_owned())?;
    let text = uncommented(text).trim();
    if text.is_empty() {
        return Ok(None);
    }
    let entry = List::entry(domain, text).map_err(|bad| format!("{bad}; found {text:?}"))?;
    Ok(Some(entry))
}

/// A line without its comment. `#` is a letter of local parts, too: it begins a comment only at the beginning of a line or
/// after a space, and not within quotes.
fn uncommented(line: &str) -> &str {
    let (mut quoted, mut escaped, mut after_space) = (false, false, true);
    for (at, c) in line.char_indices() {
        match c {
            '#' if after_space && !quoted => return line.get(..at).unwrap_or(line),
            '"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        after_space = c.is_whitespace();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_comment_begins_a_line_or_follows_a_space() {
        for (line, rest) in [
            ("ann # the boss", "ann "),
            ("# ann", ""),
            ("  # ann", "  "),
            ("a#b", "a#b"),
            ("\"a #b\" # c", "\"a #b\" "),
            ("\"a\\\" #b\" # c", "\"a\\\" #b\" "),
            ("\"a\\\\\" # c", "\"a\\\\\" "),
            ("", ""),
        ] {
            assert_eq!(uncommented(line), rest, "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_an_entry_a_comment_or_told(line in prop::collection::vec(any::<u8>(), 0..1_100)) {
            match entry(&line, "example.org") {
                Ok(Some(entry)) => prop_assert!(!entry.is_empty() || line.starts_with(b"\"\"")),
                Ok(None) => {}
                Err(why) => prop_assert!(!why.is_empty()),
            }
        }
    }
}
