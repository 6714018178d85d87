//! A message as its tokens.

use gatepost_message::Message;

use crate::clean;
use crate::{fields, form, head, links, words};

/// Tokens of a message.
pub const TOKENS_MAX: usize = 6_000;
/// Tokens of the header section, of the links, of the text that is not seen, and of what is told of the form. What of
/// [`TOKENS_MAX`] they leave is for the text that is seen.
pub const HEADER_TOKENS_MAX: usize = 1_200;
/// Tokens of links.
pub const LINK_TOKENS_MAX: usize = 600;
/// Tokens of text that is not seen: enough to know filler by, too few to outweigh what is seen.
pub const HIDDEN_TOKENS_MAX: usize = 200;
/// Octets of text that are looked at.
pub const TEXT_MAX: usize = 200_000;
/// Octets of hidden text that are looked at.
pub const HIDDEN_MAX: usize = 8_000;
/// Octets of the header section that are kept as they came.
pub const HEAD_MAX: usize = 8_000;
/// Letters that stand alone side by side, from which on they are one word.
const SPACED_MIN: usize = 3;

/// Where a token stood.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
#[repr(u8)]
#[non_exhaustive]
pub enum Field {
    /// A word of the text that is seen.
    Text = 0,
    /// A word of the text that is not seen.
    Hidden = 1,
    /// A word of the Subject.
    Subject = 2,
    /// A piece of From.
    From = 3,
    /// A piece of another field, its name and a colon before it.
    Header = 4,
    /// A piece of a link.
    Link = 5,
    /// Something about the form of the mail.
    Form = 6,
    /// The name of a field of the header section, in their order.
    Name = 7,
}

impl Field {
    /// The field in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Field::Text => "text",
            Field::Hidden => "hidden",
            Field::Subject => "subject",
            Field::From => "from",
            Field::Header => "header",
            Field::Link => "link",
            Field::Form => "form",
            Field::Name => "has",
        }
    }
}

/// How a word is written.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
pub enum Case {
    /// No capital in it.
    Lower = 0,
    /// A capital first, and no other.
    Capital = 1,
    /// Capitals alone.
    Upper = 2,
    /// Capitals somewhere.
    Mixed = 3,
}

impl Case {
    fn of(word: &[u8]) -> Case {
        let upper = word.iter().filter(|octet| octet.is_ascii_uppercase()).count();
        if upper == 0 {
            return Case::Lower;
        }
        let lower = word.iter().any(u8::is_ascii_lowercase);
        match (lower, upper, word.first().is_some_and(u8::is_ascii_uppercase)) {
            (false, ..) if word.len() > 1 => Case::Upper,
            (_, 1, true) => Case::Capital,
            _ => Case::Mixed,
        }
    }
}

/// A token: where it stood, how it was written, and where its text lies in the document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    /// Where it stood.
    pub field: Field,
    /// How it was written; its text is in lower case.
    pub case: Case,
    len: u8,
    at: u32,
}

/// A message as classifiers see it.
#[derive(Clone, Default)]
pub struct Document {
    arena: String,
    tokens: Vec<Token>,
    head: Vec<u8>,
    text: String,
    /// How many tokens there may be before the next is dropped.
    room: usize,
}

impl Document {
    /// The document of a message; made once and kept with it.
    pub fn of(message: &Message) -> std::sync::Arc<Document> {
        message.derived(Document::read)
    }

    fn read(message: &Message) -> Document {
        let reading = message.reading(&|| false);
        let (text, split) = clean::seen(reading.text(), TEXT_MAX);
        let mut document = Document {
            arena: String::with_capacity(text.len() + 4_096),
            tokens: Vec::with_capacity(text.len() / 6 + 256),
            head: fields::head(message, HEAD_MAX),
            ..Document::default()
        };
        document.allow(HEADER_TOKENS_MAX);
        head::tokens(message, &mut document);
        let (subject, subject_split) = clean::seen(reading.subject(), words::WORD_MAX * 64);
        document.words(Field::Subject, &subject);
        document.allow(LINK_TOKENS_MAX);
        links::tokens(reading.links(), &mut document);
        document.allow(HEADER_TOKENS_MAX);
        form::tokens(message, reading, &subject, &text, &mut document);
        if split || subject_split {
            document.push(Field::Form, "", "unseen-within-words");
        }
        document.allow(HIDDEN_TOKENS_MAX);
        let (hidden, _) = clean::seen(reading.hidden(), HIDDEN_MAX);
        document.words(Field::Hidden, &hidden);
        document.room = TOKENS_MAX;
        document.words(Field::Text, &text);
        document.text = text.into_owned();
        document
    }

    /// Makes room for so many more tokens.
    fn allow(&mut self, more: usize) {
        self.room = (self.tokens.len() + more).min(TOKENS_MAX);
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
        words::each(text, |word| {
            if !self.has_room() {
                return;
            }
            let at = word.as_ptr() as usize - base;
            if word.len() == 1 && word.as_bytes()[0].is_ascii_alphabetic() {
                if count == 0 || at != end + 1 {
                    self.spaced(field, &text[from..end], count);
                    (from, count) = (at, 0);
                }
                (count, end) = (count + 1, at + 1);
            } else if count > 0 {
                self.spaced(field, &text[from..end], count);
                count = 0;
            }
            self.word(field, word);
        });
        if count > 0 {
            self.spaced(field, &text[from..end], count);
        }
    }

    /// Takes a word that is written with something between each two letters.
    fn spaced(&mut self, field: Field, text: &str, letters: usize) {
        if letters < SPACED_MIN {
            return;
        }
        let at = self.arena.len();
        self.arena
            .extend(text.chars().filter(char::is_ascii_alphabetic).take(words::WORD_MAX));
        self.close(field, at);
        self.push(Field::Form, "", "spaced-letters");
    }

    fn word(&mut self, field: Field, word: &str) {
        if !word.is_ascii() && clean::is_mixed(word) {
            let at = self.arena.len();
            let plain = clean::head(word, words::WORD_MAX);
            self.arena.extend(plain.chars().map(clean::alike));
            self.close(field, at);
            self.push(Field::Form, "", "mixed-scripts");
        } else {
            let octets = word.as_bytes();
            let dotted = |gap: u8| matches!(gap, b'.' | b'-' | b'_');
            if octets.len() >= 5
                && dotted(octets[1])
                && octets
                    .chunks(2)
                    .all(|two| two[0].is_ascii_alphabetic() && two.get(1).is_none_or(|gap| *gap == octets[1]))
            {
                self.spaced(field, word, octets.len().div_ceil(2));
            }
            self.push(field, "", word);
        }
    }

    /// Takes a token that is a name and a text, cut to [`words::WORD_MAX`] octets each.
    pub(crate) fn push(&mut self, field: Field, name: &str, text: &str) {
        if !self.has_room() {
            return;
        }
        let at = self.arena.len();
        if !name.is_empty() {
            self.arena.push_str(clean::head(name, words::WORD_MAX));
            self.arena.push(':');
        }
        self.arena.push_str(clean::head(text, words::WORD_MAX));
        self.close(field, at);
    }

    /// Makes a token of what was written into the arena.
    fn close(&mut self, field: Field, at: usize) {
        if !self.has_room() {
            self.arena.truncate(at);
            return;
        }
        let (_, word) = self.arena.split_at_mut(at);
        let case = Case::of(word.as_bytes());
        let len = if word.is_ascii() {
            word.make_ascii_lowercase();
            word.len()
        } else {
            let lower = word.to_lowercase();
            let lower = clean::head(&lower, 2 * words::WORD_MAX);
            self.arena.truncate(at);
            self.arena.push_str(lower);
            lower.len()
        };
        self.tokens.push(Token {
            field,
            case,
            len: len as u8,
            at: at as u32,
        });
    }

    /// The tokens in order: those of the header as it came, Subject, links, the form, what is not seen, and the text that
    /// is seen.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The text of a token, in lower case.
    pub fn text_of(&self, token: &Token) -> &str {
        &self.arena[token.at as usize..][..usize::from(token.len)]
    }

    /// The header section as it came, without what never becomes a feature.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The text that is seen, decoded, without what has no width.
    pub fn text(&self) -> &str {
        &self.text
    }
}
