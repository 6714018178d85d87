//! One object, walked with a list of what is open.

use super::filters;
use super::lexer::{Lexer, Token, text};
use super::{Found, Place};
use crate::Mark;

/// Deepest bracket that is told from the one around it.
const DEPTH_MAX: usize = 128;
/// Halves of the file's identifiers that are kept.
const IDS_MAX: usize = 8;

/// What an object is, as far as it matters to one that refers to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Sort {
    /// It only sets a view: an array, or an action that goes to a page of this file.
    View,
    /// Any other.
    Other,
}

/// What an entry refers to: an object, or what stands there itself.
#[derive(Clone, Copy)]
pub(super) enum Target {
    Object(u64),
    Here(Sort),
}

/// What was read of an object.
pub(super) struct Object {
    pub(super) sort: Sort,
    /// How its stream is packed, outermost first.
    pub(super) filters: Vec<String>,
    /// How long its stream says that it is.
    pub(super) length: Option<usize>,
    /// The object that says how long its stream is.
    pub(super) length_in: Option<u64>,
    /// It is a number and nothing else.
    pub(super) number: Option<u64>,
    /// In a stream of objects, where they begin.
    pub(super) first: usize,
    pub(super) is_file: bool,
    pub(super) is_objects: bool,
    /// `stream` follows.
    pub(super) has_stream: bool,
}

/// A dictionary or an array that is open.
struct Open {
    dictionary: bool,
    /// The key that it stands under; that of an array counts for what is in it.
    under: String,
    /// The key that waits for its value.
    key: Option<String>,
    action: Option<Sort>,
    name: Option<String>,
    wide: Option<String>,
    files: Vec<u64>,
    /// Dictionaries of files that lie elsewhere.
    folders: Vec<u64>,
}

impl Object {
    /// Reads one object; what matters of it is noted as it is passed.
    pub(super) fn read(lexer: &mut Lexer<'_>, found: &mut Found) -> Object {
        let mut object = Object {
            sort: Sort::Other,
            filters: Vec::new(),
            length: None,
            length_in: None,
            number: None,
            first: 0,
            is_file: false,
            is_objects: false,
            has_stream: false,
        };
        let mut open: Vec<Open> = Vec::new();
        loop {
            let before = lexer.at;
            let Some(token) = lexer.next() else { break };
            if let Token::Name(name) = &token {
                note(name, found);
            }
            match token {
                Token::Open | Token::OpenArray => {
                    let under = match open.last_mut() {
                        Some(outer) if outer.dictionary => outer.key.take().unwrap_or_default(),
                        Some(outer) => outer.under.clone(),
                        None => String::new(),
                    };
                    if open.len() >= DEPTH_MAX {
                        found.note(Mark::Damaged, "brackets");
                        break;
                    }
                    let dictionary = token == Token::Open;
                    if under == "Encrypt" && dictionary {
                        found.passwords.push(Place::Here(lexer.at));
                    }
                    open.push(Open {
                        dictionary,
                        under,
                        key: None,
                        action: None,
                        name: None,
                        wide: None,
                        files: Vec::new(),
                        folders: Vec::new(),
                    });
                }
                Token::Close | Token::CloseArray => {
                    let Some(inner) = open.pop() else { break };
                    if open.is_empty() {
                        object.sort = if inner.dictionary {
                            inner.action.unwrap_or(Sort::Other)
                        } else {
                            Sort::View
                        };
                    }
                    close(inner, open.last_mut(), found);
                    if open.is_empty() {
                        let after = lexer.at;
                        object.has_stream = lexer.next() == Some(Token::Word(b"stream"));
                        if !object.has_stream {
                            lexer.at = after;
                        }
                        break;
                    }
                }
                // One that is not closed has its stream all the same.
                Token::Word(b"stream") => {
                    object.has_stream = true;
                    break;
                }
                Token::Word(b"endobj") => break,
                Token::Word(b"obj" | b"trailer" | b"xref") => {
                    lexer.at = before;
                    break;
                }
                token => {
                    let depth = open.len();
                    let Some(inner) = open.last_mut() else {
                        if let Token::Number(number) = token {
                            object.number = Some(number);
                        }
                        break;
                    };
                    if !inner.dictionary {
                        let under = inner.under.clone();
                        object.value(inner, &under, token, depth, found);
                    } else if let Some(key) = inner.key.take() {
                        object.value(inner, &key, token, depth, found);
                    } else if let Token::Name(name) = token {
                        inner.key = Some(name);
                    }
                }
            }
        }
        while let Some(inner) = open.pop() {
            close(inner, open.last_mut(), found);
        }
        object
    }

    /// A value that is no bracket.
    fn value(&mut self, inner: &mut Open, key: &str, token: Token<'_>, depth: usize, found: &mut Found) {
        match (key, token) {
            ("Type", Token::Name(name)) if depth == 1 => {
                self.is_file |= name == "EmbeddedFile";
                self.is_objects |= name == "ObjStm";
            }
            ("Filter", Token::Name(name)) if depth <= 2 && self.filters.len() <= filters::FILTERS_MAX => {
                self.filters.push(name)
            }
            // Filters that lie elsewhere, and rows of pictures: nobody packs files so whom we would want to read.
            ("Filter" | "DecodeParms", Token::Reference(_)) if depth <= 2 => self.filters.push(String::new()),
            ("Predictor", Token::Number(2..)) if depth <= 3 => self.filters.push(String::new()),
            ("S", Token::Name(name)) => {
                let view = matches!(name.as_str(), "GoTo" | "Named" | "Thread" | "Hide");
                inner.action = Some(if view { Sort::View } else { Sort::Other });
            }
            ("Length", Token::Number(number)) if depth == 1 => self.length = usize::try_from(number).ok(),
            ("Length", Token::Reference(number)) if depth == 1 => self.length_in = Some(number),
            // What has it and a stream holds objects, whatever its type says; not every reader asks.
            ("First", token) if depth == 1 => {
                self.is_objects = true;
                if let Token::Number(number) = token {
                    self.first = usize::try_from(number).unwrap_or(usize::MAX);
                }
            }
            ("OpenAction" | "AA", Token::Reference(number)) if inner.dictionary => {
                found.opens.push(Target::Object(number))
            }
            ("Encrypt", Token::Reference(number)) => found.passwords.push(Place::Object(number)),
            ("ID", Token::Text(octets)) if !inner.dictionary && found.ids.len() < IDS_MAX => found.ids.push(octets),
            ("F", Token::Text(octets)) => inner.name = Some(text(&found.clear(octets))),
            ("UF", Token::Text(octets)) => inner.wide = Some(text(&found.clear(octets))),
            ("EF", Token::Reference(number)) if inner.folders.len() < 8 => inner.folders.push(number),
            ("F" | "UF" | "DOS" | "Mac" | "Unix", Token::Reference(number)) if depth == 1 => {
                found.pointing.push((found.reading.0, number));
            }
            (_, Token::Reference(number)) if inner.under == "EF" && inner.files.len() < 8 => inner.files.push(number),
            (_, Token::Reference(number)) if inner.under == "AA" => found.opens.push(Target::Object(number)),
            _ => {}
        }
    }
}

/// What a name says wherever it stands.
fn note(name: &str, found: &mut Found) {
    match name {
        "JavaScript" | "JS" => found.note(Mark::Script, "JavaScript"),
        "XFA" => found.note(Mark::Script, "XFA form"),
        "Launch" => found.note(Mark::Action, "Launch"),
        "RichMedia" => found.note(Mark::Embedded, "rich media"),
        _ => {}
    }
}

/// A bracket closes: what it says about the one around it.
fn close(inner: Open, outer: Option<&mut Open>, found: &mut Found) {
    if inner.under == "OpenAction" {
        let sort = if inner.dictionary {
            inner.action.unwrap_or(Sort::Other)
        } else {
            Sort::View
        };
        found.opens.push(Target::Here(sort));
    }
    if let Some(outer) = &outer
        && outer.under == "AA"
        && let Some(sort) = inner.action
    {
        found.opens.push(Target::Here(sort));
    }
    if inner.under == "EF" {
        if let Some(outer) = outer {
            outer.files.extend(inner.files);
        }
        return;
    }
    if let Some(name) = inner.wide.or(inner.name) {
        for number in inner.files {
            found.names.insert(number, name.clone());
        }
        for number in inner.folders {
            found.folders.insert(number, name.clone());
        }
    } else {
        for number in inner.folders {
            found.folders.entry(number).or_default();
        }
        for number in inner.files {
            found.names.entry(number).or_default();
        }
    }
}
