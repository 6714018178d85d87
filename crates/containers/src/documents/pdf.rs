//! PDF (ISO 32000-1): scripts, what acts when it is opened, files within, passwords.
//!
//! The table of objects is not asked: a reader that repairs a file finds objects where no table says so, so each object
//! that lies in the file, or in a stream of objects, is read in turn. Names count where they stand as names, with their
//! `#xx` resolved, never in texts or in packed streams.
//!
//! **Bounds:** [`OBJECTS_MAX`] objects, [`FILES_MAX`] files; streams of objects unpack to no more than
//! [`budget`](super::budget).

mod filters;
mod lexer;
mod object;

use std::collections::BTreeMap;

use memchr::memmem;

use self::lexer::{Lexer, Token};
use self::object::{Object, Sort, Target};
use super::field::{self, rest};
use super::{budget, give};
use crate::{File, Flow, Mark, Role, Visit};

/// Objects that are kept in mind.
const OBJECTS_MAX: usize = 200_000;
/// Files that are given out.
const FILES_MAX: usize = 256;
/// Streams of objects that are unpacked.
const STREAMS_MAX: usize = 10_000;

/// A stream that may be a file: where its octets lie, and how they are packed.
struct Stream<'a> {
    octets: &'a [u8],
    filters: Vec<String>,
    is_file: bool,
}

#[derive(Default)]
struct Found<'a> {
    notes: Vec<(Mark, &'static str)>,
    sorts: BTreeMap<u64, Sort>,
    opens: Vec<Target>,
    /// Names of files by the object of their stream.
    names: BTreeMap<u64, String>,
    streams: Vec<(u64, Stream<'a>)>,
    /// Streams of objects: octets, how they are packed, where in the unpacked the objects begin.
    packed: Vec<(&'a [u8], Vec<String>, usize)>,
}

impl Found<'_> {
    fn note(&mut self, mark: Mark, text: &'static str) {
        if !self.notes.contains(&(mark, text)) {
            self.notes.push((mark, text));
        }
    }
}

/// Looks into a PDF.
pub(crate) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let mut found = Found::default();
    objects(octets, &mut found, visit);
    let mut left = budget(octets.len());
    let packed = std::mem::take(&mut found.packed);
    let encrypted = found.notes.iter().any(|(mark, _)| *mark == Mark::Encrypted);
    for (body, filters, first) in packed.iter().take(STREAMS_MAX) {
        if visit.is_over() {
            return;
        }
        match filters::unpack(body, filters, left) {
            Some(text) if !encrypted => {
                left = left.saturating_sub(text.len());
                if left == 0 {
                    found.note(Mark::Octets, "streams of objects");
                    break;
                }
                within(&text, *first, &mut found);
            }
            _ if encrypted => {}
            _ => found.note(Mark::Damaged, "stream of objects"),
        }
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
    let files = found
        .streams
        .iter()
        .filter(|(number, one)| one.is_file || found.names.contains_key(number));
    for (count, (number, stream)) in files.enumerate() {
        if count >= FILES_MAX {
            visit.mark(Mark::Files, "files within");
            return;
        }
        visit.mark(Mark::Embedded, "file within");
        let name = found.names.get(number).map_or("file", |name| name.as_str());
        let flow = match filters::unpack(stream.octets, &stream.filters, left) {
            Some(inner) if !encrypted => {
                if inner.len() >= left {
                    visit.mark(Mark::Octets, "files within");
                }
                left = left.saturating_sub(inner.len());
                give(visit, name, None, &inner)
            }
            _ => {
                let mark = if encrypted { Mark::Encrypted } else { Mark::Unread };
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

/// All objects that lie in the file, and its trailers.
fn objects<'a>(octets: &'a [u8], found: &mut Found<'a>, visit: &mut dyn Visit) {
    let mut lexer = Lexer::new(octets);
    let (mut before, mut last) = (0, 0);
    let mut count = 0;
    while let Some(token) = lexer.next() {
        match token {
            Token::Number(number) => (before, last) = (last, number),
            Token::Word(b"obj") => {
                count += 1;
                if count > OBJECTS_MAX {
                    found.note(Mark::Damaged, "too many objects");
                    return;
                }
                if count % 1_024 == 0 && visit.is_over() {
                    return;
                }
                let number = before;
                let object = Object::read(&mut lexer, found);
                found.sorts.insert(number, object.sort);
                if let Some(octets) = body(&object, octets, &mut lexer) {
                    if object.is_objects {
                        found.packed.push((octets, object.filters, object.first));
                    } else {
                        let stream = Stream {
                            octets,
                            filters: object.filters,
                            is_file: object.is_file,
                        };
                        found.streams.push((number, stream));
                    }
                }
            }
            Token::Word(b"trailer") => {
                Object::read(&mut lexer, found);
            }
            _ => {}
        }
    }
    let _ = last;
}

/// The objects in an unpacked stream of objects: pairs of a number and a place, then the objects.
fn within(text: &[u8], first: usize, found: &mut Found<'_>) {
    let mut lexer = Lexer::new(text.get(..first).unwrap_or(text));
    let mut pairs = Vec::new();
    while let (Some(Token::Number(number)), Some(Token::Number(place))) = (lexer.next(), lexer.next()) {
        if pairs.len() >= OBJECTS_MAX {
            break;
        }
        pairs.push((
            first.saturating_add(usize::try_from(place).unwrap_or(usize::MAX)),
            number,
        ));
    }
    // In the order in which they lie, each octet read once.
    pairs.sort_unstable();
    let mut lexer = Lexer::new(text);
    for (place, number) in pairs {
        if place < lexer.at {
            continue;
        }
        lexer.at = place;
        let object = Object::read(&mut lexer, found);
        found.sorts.insert(number, object.sort);
    }
}

/// The octets of an object's stream: as long as it says if it then ends, else up to where it ends.
fn body<'a>(object: &Object, octets: &'a [u8], lexer: &mut Lexer<'a>) -> Option<&'a [u8]> {
    if !object.has_stream {
        return None;
    }
    let from = lexer.at
        + match rest(octets, lexer.at) {
            [b'\r', b'\n', ..] => 2,
            [b'\n' | b'\r', ..] => 1,
            _ => 0,
        };
    let said = object.length.and_then(|length| from.checked_add(length)).filter(|end| {
        let after = rest(octets, *end);
        memmem::find(after.get(..after.len().min(20)).unwrap_or_default(), b"endstream").is_some()
    });
    let seen = || memmem::find(rest(octets, from), b"endstream").map_or(octets.len(), |on| from + on);
    let end = said.unwrap_or_else(seen);
    lexer.at = end;
    octets.get(from..end)
}

#[cfg(test)]
mod tests {
    use super::super::heard::Heard;
    use super::*;

    fn heard(objects: &str) -> Heard {
        let mut heard = Heard::default();
        read(format!("%PDF-1.7\n{objects}\n%%EOF").as_bytes(), &mut heard);
        heard
    }

    #[test]
    fn an_action_when_opened_is_told_and_a_view_is_none() {
        for (objects, acts) in [
            ("1 0 obj <</OpenAction [3 0 R /XYZ null null 0]>> endobj", false),
            ("1 0 obj <</OpenAction <</S /GoTo /D [3 0 R /Fit]>>>> endobj", false),
            (
                "1 0 obj <</OpenAction 2 0 R>> endobj 2 0 obj <</S/GoTo/D[3 0 R/Fit]>> endobj",
                false,
            ),
            (
                "1 0 obj <</OpenAction 2 0 R>> endobj 2 0 obj [3 0 R /Fit] endobj",
                false,
            ),
            (
                "1 0 obj <</OpenAction 2 0 R>> endobj 2 0 obj <</S/URI/URI(http://e.example)>> endobj",
                true,
            ),
            ("1 0 obj <</Open#41ction <</S /SubmitForm>>>> endobj", true),
            ("1 0 obj <</AA <</O <</S /URI>>>>>> endobj", true),
            ("1 0 obj <</A <</S /URI /URI (http://e.example/)>>>> endobj", false),
            ("1 0 obj <</A <</S /L#61unch /F (cmd.exe)>>>> endobj", true),
        ] {
            assert_eq!(
                heard(objects).marks(),
                if acts { vec![Mark::Action] } else { vec![] },
                "{objects}"
            );
        }
    }

    #[test]
    fn names_count_as_names_only() {
        assert_eq!(
            heard("1 0 obj <</S /J#61vaScript /JS (x)>> endobj").marks(),
            [Mark::Script]
        );
        assert_eq!(
            heard("1 0 obj <</Title (how to write /JavaScript and /Launch)>> endobj").marks(),
            []
        );
        assert_eq!(
            heard("1 0 obj <</Length 11>> stream\n/JavaScript endstream endobj").marks(),
            []
        );
        assert_eq!(heard("% /JavaScript\n1 0 obj <</JavaScripture 1>> endobj").marks(), []);
    }

    #[test]
    fn a_file_within_is_given_with_its_name() {
        let heard = heard(
            "3 0 obj <</Type /EmbeddedFile /Filter [/AHx] /Length 5>> stream\n4d5a> \nendstream endobj \
             4 0 obj <</Type /Filespec /F (a.txt) /UF (\\376\\377\\000r\\000.\\000e\\000x\\000e) /EF <</F 3 0 R>>>> endobj",
        );
        assert_eq!(
            (heard.file("r.exe"), heard.marks()),
            (Some(&b"MZ"[..]), vec![Mark::Embedded])
        );
    }

    #[test]
    fn a_password_is_told() {
        assert_eq!(
            heard("trailer <</Encrypt 9 0 R /Root 1 0 R>>").marks(),
            [Mark::Encrypted]
        );
    }

    #[test]
    fn a_thousand_brackets_are_no_harm() {
        for open in ["<<", "[", "<</A ", "[<<"] {
            heard(&format!("1 0 obj {}", open.repeat(100_000)));
        }
    }
}
