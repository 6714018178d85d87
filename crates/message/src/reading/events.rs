//! Between html5gum and the walk: what the tokenizer reads in pieces is put together in memory that is used again. It is asked
//! for what is not [`Usual`] only, and stops where that may begin again.
//!
//! Errors are not asked for: looking at each character for one takes the tokenizer longer than all the rest.

use std::borrow::Cow;

use html5gum::{Emitter, Error, State, Tokenizer, naive_next_state};

use super::element::Name;
use super::html::Walk;
use super::tag::Key;
use super::usual::Usual;

/// Gives the tokens of a document to the walk.
pub(super) fn read(document: &str, walk: &mut Walk<'_, '_>) {
    let mut usual = Usual::default();
    let mut events = Events::new(walk);
    let mut at = 0;
    loop {
        at = usual.read(document, at, events.walk);
        match document.get(at..) {
            Some(odd) if !odd.is_empty() && !events.walk.is_stopped() => {
                at = events.next(odd, at);
            }
            _ => return,
        }
    }
}

/// The same by html5gum alone, for a walk that is not stopped.
#[cfg(test)]
pub(super) fn read_oddly(document: &str, walk: &mut Walk<'_, '_>) {
    Tokenizer::new_with_emitter(document, &mut Events::new(walk)).for_each(drop);
}

/// The end of a token behind which nothing is open.
pub(super) struct Pause;

/// What is being read.
#[derive(Clone, Copy, PartialEq)]
enum Tagged {
    Start,
    End,
}

/// Takes what the tokenizer reads and gives it to the walk.
struct Events<'w, 'a, 'r> {
    walk: &'w mut Walk<'a, 'r>,
    position: usize,
    paused: bool,
    text: Vec<u8>,
    comment: Vec<u8>,
    tagged: Tagged,
    self_closing: bool,
    /// Empty as soon as the walk knows of a start tag.
    name: Vec<u8>,
    last_start: Vec<u8>,
    attribute: Vec<u8>,
    value: Vec<u8>,
    value_from: usize,
    value_to: usize,
}

impl<'w, 'a, 'r> Events<'w, 'a, 'r> {
    fn new(walk: &'w mut Walk<'a, 'r>) -> Events<'w, 'a, 'r> {
        Events {
            walk,
            position: 0,
            paused: false,
            text: Vec::new(),
            comment: Vec::new(),
            tagged: Tagged::End,
            self_closing: false,
            name: Vec::new(),
            last_start: Vec::new(),
            attribute: Vec::new(),
            value: Vec::new(),
            value_from: 0,
            value_to: 0,
        }
    }

    /// Reads what is left of a document, which begins at this place in it, up to the end of the next token. Tells where that
    /// is.
    fn next(&mut self, left: &str, at: usize) -> usize {
        (self.position, self.paused) = (at, false);
        match Tokenizer::new_with_emitter(left, &mut *self).next() {
            Some(_) => self.position,
            None => at + left.len(),
        }
    }

    fn flush_text(&mut self) {
        if !self.text.is_empty() {
            self.walk.text_event(&text(&self.text));
            self.text.clear();
        }
    }

    fn flush_name(&mut self) {
        self.flush_text();
        if self.tagged == Tagged::Start && !self.name.is_empty() {
            self.walk.open_event(Name::of(&self.name));
            std::mem::swap(&mut self.last_start, &mut self.name);
            self.name.clear();
        }
    }

    fn flush_attribute(&mut self) {
        self.flush_name();
        if !self.attribute.is_empty() && self.tagged == Tagged::Start {
            self.walk.attribute_event(Key::of(&self.attribute));
        }
        self.attribute.clear();
    }

    fn flush_value(&mut self) {
        self.flush_attribute();
        if !self.value.is_empty() && self.tagged == Tagged::Start {
            self.walk
                .value_event(&text(&self.value), self.value_from..self.value_to);
        }
        self.value.clear();
    }
}

/// What came from a text and is one again.
fn text(octets: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(octets) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(octets),
    }
}

impl Emitter for &mut Events<'_, '_, '_> {
    type Token = Pause;

    fn set_last_start_tag(&mut self, last: Option<&[u8]>) {
        self.last_start.clear();
        self.last_start.extend_from_slice(last.unwrap_or_default());
    }

    fn emit_eof(&mut self) {
        self.flush_text();
    }

    fn emit_error(&mut self, _: Error) {}

    #[inline]
    fn should_emit_errors(&mut self) -> bool {
        false
    }

    #[inline]
    fn pop_token(&mut self) -> Option<Pause> {
        (std::mem::take(&mut self.paused) || self.walk.is_stopped()).then_some(Pause)
    }

    #[inline]
    fn emit_string(&mut self, piece: &[u8]) {
        self.text.extend_from_slice(piece);
    }

    fn init_start_tag(&mut self) {
        self.name.clear();
        self.tagged = Tagged::Start;
        self.self_closing = false;
    }

    fn init_end_tag(&mut self) {
        self.name.clear();
        self.tagged = Tagged::End;
    }

    fn init_comment(&mut self) {
        self.flush_text();
        self.comment.clear();
    }

    fn emit_current_tag(&mut self) -> Option<State> {
        self.flush_value();
        match self.tagged {
            Tagged::Start => self.walk.start_event(self.self_closing),
            Tagged::End => {
                self.last_start.clear();
                self.walk.end_event(Name::of(&self.name));
            }
        }
        let next = naive_next_state(&self.last_start);
        self.paused = next.is_none();
        next
    }

    fn emit_current_comment(&mut self) {
        self.walk.comment_event(&text(&self.comment));
        self.comment.clear();
        self.paused = true;
    }

    fn emit_current_doctype(&mut self) {
        self.paused = true;
    }

    fn set_self_closing(&mut self) {
        self.self_closing |= self.tagged == Tagged::Start;
    }

    fn set_force_quirks(&mut self) {}

    #[inline]
    fn push_tag_name(&mut self, piece: &[u8]) {
        self.name.extend_from_slice(piece);
    }

    #[inline]
    fn push_comment(&mut self, piece: &[u8]) {
        self.comment.extend_from_slice(piece);
    }

    fn push_doctype_name(&mut self, _: &[u8]) {}

    fn init_doctype(&mut self) {
        self.flush_text();
    }

    fn init_attribute(&mut self) {
        self.flush_value();
    }

    fn init_attribute_value(&mut self) {
        self.value_from = self.position;
    }

    #[inline]
    fn push_attribute_name(&mut self, piece: &[u8]) {
        self.attribute.extend_from_slice(piece);
    }

    #[inline]
    fn push_attribute_value(&mut self, piece: &[u8]) {
        self.flush_attribute();
        self.value.extend_from_slice(piece);
        self.value_to = self.position;
    }

    fn set_doctype_public_identifier(&mut self, _: &[u8]) {}

    fn set_doctype_system_identifier(&mut self, _: &[u8]) {}

    fn push_doctype_public_identifier(&mut self, _: &[u8]) {}

    fn push_doctype_system_identifier(&mut self, _: &[u8]) {}

    fn current_is_appropriate_end_tag_token(&mut self) -> bool {
        self.tagged == Tagged::End && !self.last_start.is_empty() && self.last_start == self.name
    }

    #[inline]
    fn move_position(&mut self, offset: isize) {
        self.position = self.position.saturating_add_signed(offset);
    }
}
