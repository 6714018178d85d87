//! HTML as it is mostly written, read at once and without copying it: text, tags, comments, and of character references the
//! usual ones. What is odd is left to html5gum: raw text such as scripts, other references, NUL, what does not end, bogus
//! comments.
//!
//! **Invariant:** the walk is given what html5gum alone would give it, and no octet is looked at more than a few times.

use std::ops::Range;

use html5gum::naive_next_state;

use super::element::Name;
use super::html::{ATTRIBUTES_MAX, Walk};
use super::tag::Key;

/// Octets of the name of a character reference that are looked at; no name is as long.
const REFERENCE_MAX: usize = 40;

/// An attribute as it stands in the document.
struct Attribute {
    key: Key,
    value: Range<usize>,
    /// Where its value lies among those that were put together, if that is not how it is written.
    resolved: Option<Range<usize>>,
}

/// A tag as it stands in the document.
struct Tag {
    name: Name,
    self_closing: bool,
    end: usize,
}

/// Reads what is usual, in memory that is used again.
#[derive(Default)]
pub(super) struct Usual {
    attributes: Vec<Attribute>,
    /// Values that are not as they are written.
    values: String,
    /// A text that is not as it is written.
    text: String,
}

impl Usual {
    /// Reads from a place between tokens up to the first that is odd, and tells where that is.
    pub(super) fn read(&mut self, document: &str, from: usize, walk: &mut Walk<'_, '_>) -> usize {
        let octets = document.as_bytes();
        let mut at = from;
        while !walk.is_stopped()
            && let Some(rest) = octets.get(at..).filter(|rest| !rest.is_empty())
        {
            let open = memchr::memchr(b'<', rest).map_or(octets.len(), |len| at + len);
            let after = octets.get(open + 1..).unwrap_or_default();
            let is_markup = match after {
                [b'!', ..] => true,
                [b'/', first, ..] | [first, ..] => first.is_ascii_alphabetic(),
                [] => open == octets.len(),
            };
            // Else the text goes on.
            if !is_markup || !self.give_text(document.get(at..open).unwrap_or_default(), walk) {
                return at;
            }
            let end = match after {
                [] => Some(open),
                [b'!', ..] => self.declaration(document, open, walk),
                [b'/', ..] => self.tag(document, open + 2).map(|tag| {
                    walk.end_event(tag.name);
                    tag.end
                }),
                _ => self.start(document, open + 1, walk),
            };
            let Some(end) = end else {
                return open;
            };
            at = end;
        }
        at
    }

    /// Gives text between tags; false where it is odd.
    fn give_text(&mut self, text: &str, walk: &mut Walk<'_, '_>) -> bool {
        self.text.clear();
        match resolve(text, Some(false), &mut self.text) {
            Resolved::Odd => return false,
            Resolved::Same if text.is_empty() => {}
            Resolved::Same => walk.text_event(text),
            Resolved::Other => walk.text_event(&self.text),
        }
        true
    }

    /// Gives a comment, or passes over a document type. Tells where it ends.
    fn declaration(&mut self, document: &str, open: usize, walk: &mut Walk<'_, '_>) -> Option<usize> {
        let octets = document.as_bytes().get(open + 2..)?;
        if octets
            .get(..7)
            .is_some_and(|name| name.eq_ignore_ascii_case(b"doctype"))
        {
            return Some(open + 2 + memchr::memchr(b'>', octets)? + 1);
        }
        let content = octets.strip_prefix(b"--")?;
        if matches!(content, [b'>', ..] | [b'-', b'>', ..]) {
            return None;
        }
        let len = memchr::memmem::find(content, b"--")?;
        // An end of another form lies further on: the first dashes are looked for, so that none is looked for twice.
        if content.get(len + 2) != Some(&b'>') {
            return None;
        }
        let begin = open + 4;
        let comment = document.get(begin..begin + len)?;
        self.text.clear();
        match resolve(comment, None, &mut self.text) {
            Resolved::Odd => return None,
            Resolved::Same => walk.comment_event(comment),
            Resolved::Other => walk.comment_event(&self.text),
        }
        Some(begin + len + 3)
    }

    /// Gives a start tag, and tells where it ends.
    fn start(&mut self, document: &str, from: usize, walk: &mut Walk<'_, '_>) -> Option<usize> {
        let tag = self.tag(document, from)?;
        if naive_next_state(tag.name.letters()).is_some() {
            return None;
        }
        self.values.clear();
        for attribute in self
            .attributes
            .iter_mut()
            .filter(|attribute| attribute.key != Key::Other)
        {
            let begin = self.values.len();
            let written = document.get(attribute.value.clone())?;
            match resolve(written, Some(true), &mut self.values) {
                Resolved::Odd => return None,
                Resolved::Same => {}
                Resolved::Other => attribute.resolved = Some(begin..self.values.len()),
            }
        }
        walk.open_event(tag.name);
        for attribute in &self.attributes {
            walk.attribute_event(attribute.key);
            let value = match &attribute.resolved {
                Some(place) => self.values.get(place.clone()),
                None => document.get(attribute.value.clone()),
            };
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                walk.value_event(value, attribute.value.clone());
            }
        }
        walk.start_event(tag.self_closing);
        Some(tag.end)
    }

    /// Reads a tag from its name on; nothing where it is odd or does not end.
    fn tag(&mut self, document: &str, from: usize) -> Option<Tag> {
        let octets = document.as_bytes();
        let until = |from: usize, ends: u8| {
            let rest = octets.get(from..)?;
            Some(from + rest.iter().position(|octet| of(*octet) & ends != 0)?)
        };
        self.attributes.clear();
        let mut at = until(from, BLANK | SLASH | CLOSE | NUL)?;
        let name = Name::of_any_case(octets.get(from..at)?);
        loop {
            at = until(at, !BLANK)?;
            match *octets.get(at)? {
                0 => return None,
                b'>' => {
                    return Some(Tag {
                        name,
                        self_closing: false,
                        end: at + 1,
                    });
                }
                b'/' if *octets.get(at + 1)? == b'>' => {
                    return Some(Tag {
                        name,
                        self_closing: true,
                        end: at + 2,
                    });
                }
                b'/' => at += 1,
                _ => {
                    // What an equals sign begins with is a part of the name.
                    let end = until(at + 1, BLANK | SLASH | CLOSE | EQUALS | NUL)?;
                    let key = Key::of_any_case(octets.get(at..end)?);
                    let mut value = end..end;
                    at = until(end, !BLANK)?;
                    if *octets.get(at)? == b'=' {
                        at = until(at + 1, !BLANK)?;
                        let begin = at + 1;
                        match *octets.get(at)? {
                            quote @ (b'"' | b'\'') => {
                                value = begin..begin + memchr::memchr(quote, octets.get(begin..)?)?;
                                at = value.end + 1;
                            }
                            b'>' => {}
                            _ => {
                                value = at..until(at, BLANK | CLOSE)?;
                                at = value.end;
                            }
                        }
                    }
                    if self.attributes.len() == ATTRIBUTES_MAX {
                        return None;
                    }
                    self.attributes.push(Attribute {
                        key,
                        value,
                        resolved: None,
                    });
                }
            }
        }
    }
}

/// What an octet is within a tag.
const BLANK: u8 = 1;
const SLASH: u8 = 2;
const CLOSE: u8 = 4;
const EQUALS: u8 = 8;
const NUL: u8 = 16;
/// Nothing of these.
const PLAIN: u8 = 32;

const KINDS: [u8; 256] = {
    let mut kinds = [PLAIN; 256];
    let blanks = b"\t\n\x0c\r ";
    let mut at = 0;
    while at < blanks.len() {
        kinds[blanks[at] as usize] = BLANK;
        at += 1;
    }
    kinds[b'/' as usize] = SLASH;
    kinds[b'>' as usize] = CLOSE;
    kinds[b'=' as usize] = EQUALS;
    kinds[0] = NUL;
    kinds
};

#[inline]
fn of(octet: u8) -> u8 {
    KINDS.get(usize::from(octet)).copied().unwrap_or(PLAIN)
}

/// How what is meant relates to what is written.
enum Resolved {
    Same,
    /// It was appended.
    Other,
    Odd,
}

/// Resolves line ends and, within an attribute or without, character references; with neither in comments.
fn resolve(written: &str, references: Option<bool>, to: &mut String) -> Resolved {
    let next = |rest: &str| match references {
        Some(_) => memchr::memchr3(b'&', b'\r', 0, rest.as_bytes()),
        None => memchr::memchr2(b'\r', 0, rest.as_bytes()),
    };
    let mut rest = written;
    let mut resolved = Resolved::Same;
    while let Some(at) = next(rest) {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        to.push_str(before);
        let (meant, len) = match (after.as_bytes(), references) {
            ([b'\r', b'\n', ..], _) => ('\n', 2),
            ([b'\r', ..], _) => ('\n', 1),
            ([b'&', ..], Some(attribute)) => match reference(after, attribute) {
                Some(meant) => meant,
                None => return Resolved::Odd,
            },
            _ => return Resolved::Odd,
        };
        to.push(meant);
        rest = after.get(len..).unwrap_or_default();
        resolved = Resolved::Other;
    }
    if matches!(resolved, Resolved::Other) {
        to.push_str(rest);
    }
    resolved
}

/// What an ampersand begins, and its length; nothing where it is odd.
fn reference(text: &str, attribute: bool) -> Option<(char, usize)> {
    const USUAL: [(&str, char); 5] = [
        ("&nbsp;", '\u{a0}'),
        ("&amp;", '&'),
        ("&lt;", '<'),
        ("&gt;", '>'),
        ("&quot;", '"'),
    ];
    let alone = ('&', 1);
    let name = text.as_bytes().get(1..).unwrap_or_default();
    match name.first() {
        Some(b'#') if !attribute => {
            let digits = name.get(1..)?.iter().take(REFERENCE_MAX);
            let len = digits.take_while(|octet| octet.is_ascii_digit()).count();
            let number: u32 = text.get(2..2 + len)?.parse().ok()?;
            let ends = name.get(1 + len) == Some(&b';');
            // Others have a meaning of their own, or none.
            let is_usual = matches!(number, 0x20..=0x7e | 0xa0..=0xd7ff);
            (ends && is_usual).then_some((char::from_u32(number)?, len + 3))
        }
        Some(b'#') => None,
        Some(first) if first.is_ascii_alphanumeric() => {
            let usual = USUAL.iter().find(|(usual, _)| text.starts_with(usual));
            if let Some((usual, meant)) = usual {
                return Some((*meant, usual.len()));
            }
            // In a link the next parameter begins.
            let letters = name.iter().take(REFERENCE_MAX);
            let len = letters.take_while(|octet| octet.is_ascii_alphanumeric()).count();
            (attribute && name.get(len) == Some(&b'=')).then_some(alone)
        }
        _ => Some(alone),
    }
}
