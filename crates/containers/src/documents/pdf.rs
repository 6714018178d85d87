//! PDF (ISO 32000-1): scripts, what acts when it is opened, files within, passwords.
//!
//! The table of objects is not asked: a reader that repairs a file finds objects where no table says so, so each object
//! that lies in the file, or in a stream of objects, is read in turn, and then those that a table may lead to in the midst
//! of a comment, a text or a stream. Names count where they stand as names in an object, with their `#xx` resolved, never
//! in texts or in packed streams.
//!
//! **Bounds:** [`OBJECTS_MAX`] objects, [`FILES_MAX`] files; objects that lie within one another are read to [`OVER`]
//! times the octets; streams of objects unpack to no more than [`budget`](super::budget).

mod filters;
mod lexer;
mod object;
mod password;

use std::borrow::Cow;
use std::collections::BTreeMap;

use memchr::memmem;

use self::lexer::{Lexer, Token};
use self::object::{Object, Sort, Target};
use self::password::Key;
use super::field::{self, rest};
use super::{budget, give};
use crate::{File, Flow, Mark, Role, Visit};

/// Objects that are kept in mind.
const OBJECTS_MAX: usize = 200_000;
/// Files that are given out.
const FILES_MAX: usize = 256;
/// Streams of objects that are unpacked.
const STREAMS_MAX: usize = 10_000;

/// How often an octet may be read as part of objects that lie within one another.
const OVER: usize = 4;
/// Dictionaries of passwords that are tried.
const PASSWORDS_MAX: usize = 4;

/// A stream that may be a file or hold objects: where its octets lie, and how they are packed.
struct Stream {
    from: usize,
    end: usize,
    /// The object that says how long it is.
    length_in: Option<u64>,
    filters: Vec<String>,
    is_file: bool,
    /// Where in the unpacked the objects begin.
    first: usize,
    /// Number and generation.
    object: (u64, u64),
}

/// Where a dictionary lies.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    /// In an object of this number.
    Object(u64),
    /// Here.
    Here(usize),
}

#[derive(Default)]
struct Found {
    notes: Vec<(Mark, &'static str)>,
    sorts: BTreeMap<u64, Sort>,
    opens: Vec<Target>,
    /// Names of files by the object of their stream.
    names: BTreeMap<u64, String>,
    /// Names of files by the object that says which streams they are.
    folders: BTreeMap<u64, String>,
    /// Objects, and streams that their keys for files lead to.
    pointing: Vec<(u64, u64)>,
    /// Objects that are numbers.
    numbers: BTreeMap<u64, u64>,
    streams: Vec<Stream>,
    /// Streams of objects.
    packed: Vec<Stream>,
    /// The object that is read.
    reading: (u64, u64),
    /// Where objects begin, by their place, with their number.
    places: Vec<(usize, u64)>,
    passwords: Vec<Place>,
    ids: Vec<Vec<u8>>,
    key: Option<Key>,
    /// Texts stand as they are, within what has been deciphered as a whole.
    is_clear: bool,
}

impl Found {
    fn note(&mut self, mark: Mark, text: &'static str) {
        if !self.notes.contains(&(mark, text)) {
            self.notes.push((mark, text));
        }
    }

    /// A text of the object that is read, deciphered.
    fn clear(&self, octets: Vec<u8>) -> Vec<u8> {
        match &self.key {
            Some(key) if !self.is_clear => key.text(self.reading, &octets),
            _ => octets,
        }
    }

    /// The octets of a stream, to its declared end if it ends there, and else to the one that is seen.
    fn body<'a>(&self, stream: &Stream, octets: &'a [u8]) -> Cow<'a, [u8]> {
        let said = stream
            .length_in
            .and_then(|number| self.numbers.get(&number))
            .and_then(|length| stream.from.checked_add(usize::try_from(*length).ok()?))
            .filter(|end| ends(octets, *end));
        let end = said.unwrap_or(stream.end);
        let body = octets.get(stream.from..end).unwrap_or_default();
        match &self.key {
            Some(key) => Cow::Owned(key.stream(stream.object, stream.is_file, body)),
            None => Cow::Borrowed(body),
        }
    }
}

/// Looks into a PDF.
pub(crate) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let mut found = Found::default();
    objects(octets, &mut found, visit);
    let encrypted = !found.passwords.is_empty();
    let key = key(octets, &found);
    let closed = encrypted && key.is_none();
    if key.is_some() {
        // Names of files are texts, and so could not be read.
        found = Found {
            key,
            ..Found::default()
        };
        objects(octets, &mut found, visit);
    }
    if closed {
        found.note(Mark::Encrypted, "PDF");
    }
    let mut left = budget(octets.len());
    let packed = std::mem::take(&mut found.packed);
    found.is_clear = true;
    for stream in packed.iter().take(if closed { 0 } else { STREAMS_MAX }) {
        if visit.is_over() {
            return;
        }
        match filters::unpack(&found.body(stream, octets), &stream.filters, left) {
            Some(text) => {
                left = left.saturating_sub(text.len());
                if left == 0 {
                    found.note(Mark::Octets, "streams of objects");
                    break;
                }
                within(&text, stream.first, &mut found);
            }
            None => found.note(Mark::Damaged, "stream of objects"),
        }
    }
    if packed.len() > STREAMS_MAX {
        found.note(Mark::Damaged, "too many streams of objects");
    }
    let opens = found.opens.iter().any(|target| match target {
        Target::Here(sort) => *sort == Sort::Other,
        Target::Object(number) => found.sorts.get(number) != Some(&Sort::View),
    });
    if opens {
        found.note(Mark::Action, "OpenAction");
    }
    for (mark, note) in &found.notes {
        visit.mark(*mark, note);
    }
    for (object, stream) in std::mem::take(&mut found.pointing) {
        if let Some(name) = found.folders.get(&object) {
            found.names.entry(stream).or_insert_with(|| name.clone());
        }
    }
    files(octets, &found, closed, left, visit);
}

/// Gives the files; names only where they are `closed`.
fn files(octets: &[u8], found: &Found, closed: bool, mut left: usize, visit: &mut dyn Visit) {
    let files = found
        .streams
        .iter()
        .filter(|one| one.is_file || found.names.contains_key(&one.object.0));
    for (count, stream) in files.enumerate() {
        if count >= FILES_MAX {
            visit.mark(Mark::Files, "files within");
            return;
        }
        visit.mark(Mark::Embedded, "file within");
        let name = found.names.get(&stream.object.0).filter(|name| !name.is_empty());
        let name = name.map_or("file", |name| name.as_str());
        let inner = if closed {
            None
        } else {
            filters::unpack(&found.body(stream, octets), &stream.filters, left)
        };
        let flow = match inner {
            Some(inner) => {
                if inner.len() >= left {
                    visit.mark(Mark::Octets, "files within");
                }
                left = left.saturating_sub(inner.len());
                give(visit, name, None, &inner)
            }
            None => {
                let mark = if closed { Mark::Encrypted } else { Mark::Unread };
                visit.closed(
                    &File {
                        name: field::name(name),
                        role: Role::File,
                        declared: None,
                    },
                    mark,
                )
            }
        };
        if flow == Flow::Stop || visit.is_over() {
            return;
        }
    }
}

/// The key of a file that asks for no password. Of several dictionaries the last that is told counts, as a later trailer
/// stands for an earlier one.
fn key(octets: &[u8], found: &Found) -> Option<Key> {
    let mut tried: Vec<Place> = Vec::new();
    for place in found.passwords.iter().rev() {
        if !tried.contains(place) && tried.len() < PASSWORDS_MAX {
            tried.push(*place);
        }
    }
    tried.iter().find_map(|place| match place {
        Place::Here(at) => password::key(octets, *at, &found.ids),
        Place::Object(number) => found
            .places
            .iter()
            .rev()
            .filter(|(_, one)| one == number)
            .take(PASSWORDS_MAX)
            .find_map(|(at, _)| {
                let mut lexer = Lexer::new(octets);
                lexer.at = *at;
                (lexer.next() == Some(Token::Open))
                    .then(|| password::key(octets, lexer.at, &found.ids))
                    .flatten()
            }),
    })
}

/// All objects that lie in the file, and its trailers.
fn objects(octets: &[u8], found: &mut Found, visit: &mut dyn Visit) {
    let mut lexer = Lexer::new(octets);
    let (mut number, mut generation) = (0, 0);
    while let Some(token) = lexer.next() {
        match token {
            Token::Number(next) => (number, generation) = (generation, next),
            Token::Word(b"obj") => {
                if found.places.len() >= OBJECTS_MAX {
                    found.note(Mark::Damaged, "too many objects");
                    return;
                }
                if found.places.len() % 1_024 == 1_023 && visit.is_over() {
                    return;
                }
                found.places.push((lexer.at, number));
                object((number, generation), octets, &mut lexer, found);
            }
            Token::Word(b"trailer") => {
                Object::read(&mut lexer, found);
            }
            _ => {}
        }
    }
    hidden(octets, found, visit);
}

/// Objects that begin where nobody looks who reads from the front: in a comment, a text, or the stream of another.
fn hidden(octets: &[u8], found: &mut Found, visit: &mut dyn Visit) {
    let mut left = octets.len().saturating_mul(OVER);
    let known = found.places.len();
    for at in memmem::find_iter(octets, b"obj") {
        let from = at + 3;
        let known = found.places.get(..known).unwrap_or_default();
        if known.binary_search_by_key(&from, |(at, _)| *at).is_ok() {
            continue;
        }
        let Some(object_of) = before(octets.get(..at).unwrap_or_default()) else {
            continue;
        };
        let mut lexer = Lexer::new(octets);
        lexer.at = from;
        found.places.push((from, object_of.0));
        object(object_of, octets, &mut lexer, found);
        match left.checked_sub(lexer.at - from) {
            Some(rest) if found.places.len() <= OBJECTS_MAX => left = rest,
            _ => {
                found.note(Mark::Damaged, "objects within objects");
                return;
            }
        }
        if found.places.len() % 256 == 255 && visit.is_over() {
            return;
        }
    }
}

/// The number and the generation that stand at the end of these octets.
fn before(octets: &[u8]) -> Option<(u64, u64)> {
    let last = |octets: &[u8]| {
        let octets = octets.trim_ascii_end();
        let digits = octets
            .iter()
            .rev()
            .take(12)
            .take_while(|octet| octet.is_ascii_digit())
            .count();
        let (rest, digits) = octets.split_at_checked(octets.len().checked_sub(digits)?)?;
        Some((rest.len(), std::str::from_utf8(digits).ok()?.parse::<u64>().ok()?))
    };
    let (at, generation) = last(octets)?;
    let rest = octets.get(..at)?;
    rest.last().filter(|octet| octet.is_ascii_whitespace())?;
    Some((last(rest)?.1, generation))
}

/// Reads an object whose `obj` has been passed, and takes note of its stream.
fn object(of: (u64, u64), octets: &[u8], lexer: &mut Lexer<'_>, found: &mut Found) {
    found.reading = of;
    let object = Object::read(lexer, found);
    found.sorts.insert(of.0, object.sort);
    found.numbers.extend(object.number.map(|number| (of.0, number)));
    let Some((from, end)) = body(&object, octets, lexer) else {
        return;
    };
    let stream = Stream {
        from,
        end,
        length_in: object.length_in,
        filters: object.filters,
        is_file: object.is_file,
        first: object.first,
        object: of,
    };
    if object.is_objects {
        found.packed.push(stream);
    } else {
        found.streams.push(stream);
    }
}

/// The objects in an unpacked stream of objects: pairs of a number and a place, then the objects.
fn within(text: &[u8], first: usize, found: &mut Found) {
    let mut lexer = Lexer::new(text.get(..first).unwrap_or(text));
    let mut pairs = Vec::new();
    while let (Some(Token::Number(number)), Some(Token::Number(place))) = (lexer.next(), lexer.next()) {
        if pairs.len() >= OBJECTS_MAX {
            found.note(Mark::Damaged, "too many objects");
            break;
        }
        pairs.push((
            first.saturating_add(usize::try_from(place).unwrap_or(usize::MAX)),
            number,
        ));
    }
    let mut lexer = Lexer::new(text);
    if pairs.is_empty() {
        // Where they begin is not told, or told where we do not look: all that stands there.
        while lexer.at < text.len() {
            let at = lexer.at;
            Object::read(&mut lexer, found);
            if lexer.at == at && lexer.next().is_none() {
                break;
            }
        }
        return;
    }
    let mut left = text.len().saturating_mul(OVER);
    for (place, number) in pairs {
        lexer.at = place;
        found.reading = (number, 0);
        let object = Object::read(&mut lexer, found);
        found.sorts.insert(number, object.sort);
        found.numbers.extend(object.number.map(|one| (number, one)));
        match left.checked_sub(lexer.at.saturating_sub(place)) {
            Some(rest) => left = rest,
            None => {
                found.note(Mark::Damaged, "objects within objects");
                return;
            }
        }
    }
}

/// Whether a stream ends here.
fn ends(octets: &[u8], at: usize) -> bool {
    let after = rest(octets, at);
    memmem::find(after.get(..after.len().min(20)).unwrap_or_default(), b"endstream").is_some()
}

/// Where an object's stream lies: as long as it says if it then ends, else up to where it ends.
fn body(object: &Object, octets: &[u8], lexer: &mut Lexer<'_>) -> Option<(usize, usize)> {
    if !object.has_stream {
        return None;
    }
    let from = lexer.at
        + match rest(octets, lexer.at) {
            [b'\r', b'\n', ..] => 2,
            [b'\n' | b'\r', ..] => 1,
            _ => 0,
        };
    let said = object.length.and_then(|length| from.checked_add(length));
    let seen = || memmem::find(rest(octets, from), b"endstream").map_or(octets.len(), |on| from + on);
    let end = said.filter(|end| ends(octets, *end)).unwrap_or_else(seen);
    lexer.at = end;
    Some((from, end))
}

#[cfg(test)]
mod tests;
