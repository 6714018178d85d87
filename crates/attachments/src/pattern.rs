//! What an operator names files by: extension, whole name, kind, class; everywhere or only within containers.

use gatepost_containers::{Class, Kind};

use crate::glob::Glob;
use crate::kinds;
use crate::name::{Name, Reading};

/// A pattern. `exe` and `*.exe` mean an extension, `name:invoice*` a whole name, `kind:pe` what a file is by its content,
/// `class:executable` all kinds of that class; `zip:exe` means files within containers only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pattern {
    inside: bool,
    of: Of,
    written: Box<str>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Of {
    Extension(Glob),
    Name(Glob),
    Kind(Glob),
    Class(Class),
}

/// What a pattern is held against.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// All its names.
    pub names: &'a [Name],
    /// Its kind by content.
    pub kind: Kind,
    /// Whether it lies within a container.
    pub inside: bool,
}

impl<'a> Subject<'a> {
    fn readings(&self) -> impl Iterator<Item = &'a Reading> {
        self.names.iter().flat_map(|name| &name.readings)
    }
}

/// What stands in no extension; a pattern with it would name nothing, and nobody would notice.
const NO_EXTENSION: [char; 9] = ['.', ',', ';', '|', '/', '\\', '(', ')', '"'];

impl Pattern {
    /// Reads a pattern as it is written; an error says what was expected.
    pub fn read(written: &str) -> Result<Pattern, String> {
        let (inside, text) = match written.trim().strip_prefix("zip:") {
            Some(text) => (true, text),
            None => (false, written.trim()),
        };
        let glob = |text: &str| {
            let most = Glob::MAX;
            Glob::new(text).ok_or_else(|| format!("expected a pattern of 1 to {most} characters, found {written:?}"))
        };
        let of = match text.split_once(':') {
            Some(("name", text)) if text.contains(['/', '\\']) => {
                return Err(format!("expected a name without folders, found {written:?}"));
            }
            Some(("name", text)) => Of::Name(glob(text)?),
            Some(("kind", text)) => {
                let kind = glob(text)?;
                if !kinds::any_kind(|name| kind.matches(name)) {
                    return Err(format!(
                        "no kind of content is called {text:?}: `gatepost attachments FILE` tells what a file is, such as \
                         \"kind:pe\"; \"exe\" alone is an extension"
                    ));
                }
                Of::Kind(kind)
            }
            Some(("class", text)) => Of::Class(kinds::class_named(text).ok_or_else(|| {
                format!(
                    "expected one of the classes {}, found {text:?}",
                    kinds::class_names().join(", ")
                )
            })?),
            Some((other, _)) => {
                return Err(format!(
                    "expected an extension, or name:, kind:, class: or zip: before a pattern, found {other:?}"
                ));
            }
            None => {
                let text = text.strip_prefix("*.").unwrap_or(text).trim_start_matches('.');
                if text.contains(|c: char| c.is_whitespace() || NO_EXTENSION.contains(&c)) {
                    return Err(format!(
                        "expected one extension, which is what stands behind the last dot of a name, found {written:?}: several \
                         are a list, [\"exe\", \"js\"], and a whole name is \"name:*.tar.gz\""
                    ));
                }
                Of::Extension(glob(text)?)
            }
        };
        Ok(Pattern {
            inside,
            of,
            written: written.trim().into(),
        })
    }

    /// As the operator wrote it.
    pub fn written(&self) -> &str {
        &self.written
    }

    fn concerns(&self, subject: &Subject<'_>) -> bool {
        subject.inside || !self.inside
    }

    /// Whether any reading of any name, or the content, is what it names: the way in which files are blocked.
    pub fn meets(&self, subject: &Subject<'_>) -> bool {
        self.concerns(subject)
            && match &self.of {
                Of::Extension(glob) => {
                    let mut extensions = subject.names.iter().flat_map(Name::extensions).peekable();
                    match extensions.peek() {
                        Some(_) => extensions.any(|extension| glob.matches(extension)),
                        None => glob.matches(subject.kind.name()),
                    }
                }
                Of::Name(glob) => subject.readings().any(|reading| glob.matches(&reading.name)),
                Of::Kind(glob) => glob.matches(subject.kind.name()),
                Of::Class(class) => subject.kind.class() == *class,
            }
    }

    /// Whether it covers one reading of a name.
    fn covers_reading(&self, reading: &Reading) -> bool {
        match &self.of {
            Of::Extension(glob) => glob.matches(&reading.extension),
            Of::Name(glob) => glob.matches(&reading.name),
            Of::Kind(_) | Of::Class(_) => false,
        }
    }
}

/// A list of patterns.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Patterns(Vec<Pattern>);

impl Patterns {
    /// The most patterns of one list.
    pub const MAX: usize = 1_000;

    /// Reads a list; an error comes with the number of the pattern that is wrong.
    pub fn read(written: &[String]) -> Result<Patterns, (usize, String)> {
        if written.len() > Patterns::MAX {
            return Err((Patterns::MAX, format!("expected at most {} patterns", Patterns::MAX)));
        }
        let read = |(n, text): (usize, &String)| Pattern::read(text).map_err(|why| (n, why));
        written
            .iter()
            .enumerate()
            .map(read)
            .collect::<Result<_, _>>()
            .map(Patterns)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The first that meets a file.
    pub fn meeting(&self, subject: &Subject<'_>) -> Option<&Pattern> {
        self.0.iter().find(|pattern| pattern.meets(subject))
    }

    /// Whether a file is wholly covered, the way in which files are allowed: by its content, where no name of it has it opened
    /// as something that acts; or, where its content `agrees` with its names, by every reading of them; one without a name by
    /// the name of its kind.
    pub fn cover(&self, subject: &Subject<'_>, agrees: bool) -> bool {
        let concerned = || self.0.iter().filter(|pattern| pattern.concerns(subject));
        let by_content = |pattern: &Pattern| match &pattern.of {
            Of::Kind(glob) => glob.matches(subject.kind.name()),
            Of::Class(class) => subject.kind.class() == *class,
            Of::Extension(_) | Of::Name(_) => false,
        };
        if concerned().any(by_content) && kinds::is_called_so(subject.kind, subject.names) {
            return true;
        }
        if !agrees {
            return false;
        }
        // A reading without an extension starts no program; where no reading has one, the content speaks for the name.
        let mut readings = subject
            .readings()
            .filter(|reading| !reading.extension.is_empty())
            .peekable();
        if readings.peek().is_none() {
            return concerned().any(|pattern| match &pattern.of {
                Of::Extension(glob) => glob.matches(subject.kind.name()),
                Of::Name(glob) => subject.readings().any(|reading| glob.matches(&reading.name)),
                Of::Kind(_) | Of::Class(_) => false,
            });
        }
        readings.all(|reading| concerned().any(|pattern| pattern.covers_reading(reading)))
    }
}
