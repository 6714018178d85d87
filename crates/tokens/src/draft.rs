//! A document as it is written: tokens into one piece of memory, in small letters, within their bounds.
//!
//! Words of a text are not written one by one: they lie in the arena as they lie in the text, with what stands between them.

use std::ops::Range;

use crate::document::{Field, TOKENS_MAX, Token};
use crate::{clean, words};

/// Letters that stand alone side by side, from which on they are one word.
const SPACED_MIN: usize = 3;

/// A piece of a text whose words became tokens before it was written.
#[derive(Default)]
struct Piece<'t> {
    text: &'t str,
    is_ascii: bool,
    /// Where it lies in the text; nowhere before its first word.
    place: Range<usize>,
    /// Where it will lie in the arena.
    at: usize,
}

/// Tokens as they are taken.
pub(crate) struct Draft {
    arena: Vec<u8>,
    tokens: Vec<Token>,
    /// How many tokens there may be before the next is dropped.
    room: usize,
}

impl Draft {
    /// An empty one for a text of so many octets.
    pub(crate) fn new(text: usize) -> Draft {
        let text = text.min(TOKENS_MAX * words::WORD_MAX / 4);
        Draft {
            arena: Vec::with_capacity(text + 6_000),
            tokens: Vec::with_capacity((text / 6 + 400).min(TOKENS_MAX)),
            room: 0,
        }
    }

    /// The memory and the tokens in it.
    pub(crate) fn finish(self) -> (String, Vec<Token>) {
        match String::from_utf8(self.arena) {
            Ok(arena) => (arena, self.tokens),
            // Only whole characters are written, so this is never met; no tokens are better than wrong ones.
            Err(_) => (String::new(), Vec::new()),
        }
    }

    /// Makes room for so many more tokens.
    pub(crate) fn allow(&mut self, more: usize) {
        self.room = (self.tokens.len() + more).min(TOKENS_MAX);
    }

    /// Takes at most so many tokens, and tells how many.
    pub(crate) fn within(&mut self, most: usize, take: impl FnOnce(&mut Draft)) -> usize {
        let (room, before) = (self.room, self.tokens.len());
        self.room = room.min(before + most);
        take(self);
        self.room = room;
        self.tokens.len() - before
    }

    /// Takes back all tokens and all room.
    pub(crate) fn clear(&mut self) {
        self.arena.clear();
        self.tokens.clear();
        self.room = 0;
    }

    /// Whether there is room for one more token.
    pub(crate) fn has_room(&self) -> bool {
        self.tokens.len() < self.room
    }

    /// Takes the words of a text. Letters of one Latin word that stand apart are taken together, too, and so are those that
    /// another script lent.
    pub(crate) fn words(&mut self, field: Field, text: &str) {
        let (mut from, mut count, mut end) = (0, 0, 0);
        let base = text.as_ptr() as usize;
        let mut piece = Piece {
            text,
            is_ascii: text.is_ascii(),
            ..Piece::default()
        };
        words::each_while(text, |word| {
            if !self.has_room() {
                return false;
            }
            let at = word.as_ptr() as usize - base;
            if word.len() == 1 && word.as_bytes()[0].is_ascii_alphabetic() {
                if count == 0 || at != end + 1 {
                    self.spaced(&mut piece, field, from..end, count);
                    (from, count) = (at, 0);
                }
                (count, end) = (count + 1, at + 1);
            } else if count > 0 {
                self.spaced(&mut piece, field, from..end, count);
                count = 0;
            }
            self.word(&mut piece, field, at, word);
            true
        });
        if count > 0 {
            self.spaced(&mut piece, field, from..end, count);
        }
        self.lay(&mut piece);
    }

    /// Takes a word that is written with something between each two letters.
    fn spaced(&mut self, piece: &mut Piece<'_>, field: Field, place: Range<usize>, letters: usize) {
        if letters < SPACED_MIN || !self.has_room() {
            return;
        }
        self.lay(piece);
        let at = self.arena.len();
        let text = piece.text.get(place).unwrap_or_default();
        let plain = text.bytes().filter(u8::is_ascii_alphabetic).take(words::WORD_MAX);
        self.arena.extend(plain.map(|octet| octet.to_ascii_lowercase()));
        self.close(field, at);
        self.push(Field::Form, "", "spaced-letters");
    }

    fn word(&mut self, piece: &mut Piece<'_>, field: Field, at: usize, word: &str) {
        let octets = word.as_bytes();
        let is_ascii = piece.is_ascii || word.is_ascii();
        if !is_ascii && clean::is_mixed(word) {
            self.lay(piece);
            let plain: String = clean::head(word, words::WORD_MAX).chars().map(clean::alike).collect();
            self.push(field, "", &plain);
            self.push(Field::Form, "", "mixed-scripts");
            return;
        }
        if octets.len() >= 2 * SPACED_MIN - 1 && matches!(octets[1], b'.' | b'-' | b'_') {
            let mut twos = octets.chunks(2);
            if twos.all(|two| two[0].is_ascii_alphabetic() && two.get(1).is_none_or(|gap| *gap == octets[1])) {
                self.spaced(piece, field, at..at + word.len(), octets.len().div_ceil(2));
            }
        }
        if !is_ascii {
            self.lay(piece);
            self.push(field, "", word);
        } else if self.has_room() {
            // Small letters are as long as large ones: the word lies in the piece where it lies in the text.
            if piece.place.is_empty() {
                (piece.place, piece.at) = (at..at, self.arena.len());
            }
            let len = octets.len().min(words::WORD_MAX);
            self.tokens.push(Token {
                field,
                len: len as u8,
                at: (piece.at + at - piece.place.start) as u32,
            });
            piece.place.end = at + len;
        }
    }

    /// Writes a piece of a text into the arena, which must be done before anything else is written there, and ends it.
    fn lay(&mut self, piece: &mut Piece<'_>) {
        let place = std::mem::take(&mut piece.place);
        self.lower(piece.text.get(place).unwrap_or_default());
    }

    /// Writes a text with the letters of ASCII made small.
    fn lower(&mut self, text: &str) {
        let at = self.arena.len();
        self.arena.extend_from_slice(text.as_bytes());
        self.arena[at..].make_ascii_lowercase();
    }

    /// Takes a token that is a name and a text, cut to [`words::WORD_MAX`] octets each.
    pub(crate) fn push(&mut self, field: Field, name: &str, text: &str) {
        if !self.has_room() {
            return;
        }
        let at = self.arena.len();
        if !name.is_empty() {
            self.arena
                .extend_from_slice(clean::head(name, words::WORD_MAX).as_bytes());
            self.arena.push(b':');
        }
        let text = clean::head(text, words::WORD_MAX);
        if text.is_ascii() {
            self.lower(text);
        } else {
            let lower = text.to_lowercase();
            self.arena
                .extend_from_slice(clean::head(&lower, words::WORD_MAX).as_bytes());
        }
        self.close(field, at);
    }

    /// Makes a token of what was written into the arena.
    fn close(&mut self, field: Field, at: usize) {
        self.tokens.push(Token {
            field,
            // A name, a colon and a word are fewer octets than an octet counts.
            len: (self.arena.len() - at) as u8,
            at: at as u32,
        });
    }
}
