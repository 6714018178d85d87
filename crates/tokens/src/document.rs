//! A message as its tokens.

use gatepost_message::Message;

use crate::clean;
use crate::draft::Draft;
use crate::fields::{self, Fields};
use crate::key::Key;
use crate::{form, head, links};

/// Tokens of a message.
pub const TOKENS_MAX: usize = 6_000;
/// Tokens of the header section; what of [`TOKENS_MAX`] it and the next four leave is for the text that is seen.
pub const HEADER_TOKENS_MAX: usize = 1_200;
/// Tokens of the Subject.
pub const SUBJECT_TOKENS_MAX: usize = 400;
/// Tokens of links.
pub const LINK_TOKENS_MAX: usize = 600;
/// Tokens of what is told of the form.
pub const FORM_TOKENS_MAX: usize = 200;
/// Tokens of text that is not seen: enough to know filler by, too few to outweigh what is seen.
pub const HIDDEN_TOKENS_MAX: usize = 200;
/// Octets of text that are looked at.
pub const TEXT_MAX: usize = 200_000;
/// Octets of hidden text that are looked at.
pub const HIDDEN_MAX: usize = 8_000;
/// Octets of the header section that are kept as they came.
pub const HEAD_MAX: usize = fields::OCTETS_MAX;
/// Octets of the Subject that are looked at.
pub const SUBJECT_MAX: usize = 2_000;

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

/// A token: where it stood, and where its text lies in the document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    /// Where it stood.
    pub field: Field,
    pub(crate) len: u8,
    pub(crate) at: u32,
}

/// A message as classifiers see it.
#[derive(Clone, Default)]
pub struct Document {
    arena: String,
    tokens: Vec<Token>,
    head: Vec<u8>,
    text: String,
    cut: bool,
}

impl Document {
    /// The document of a message; made once and kept with it. Where the mail was not read to its end, because the time was
    /// over, it is empty: how far a reader came is chance, and nothing may be made of that.
    pub fn of(message: &Message) -> std::sync::Arc<Document> {
        message.derived(Document::read)
    }

    fn read(message: &Message) -> Document {
        let reading = message.reading(&|| false);
        if reading.excess().time {
            return Document {
                cut: true,
                ..Document::default()
            };
        }
        let (text, split) = clean::seen(reading.text(), TEXT_MAX);
        let mut headers = Fields::of(message);
        let mut draft = Draft::new(text.len());
        draft.allow(HEADER_TOKENS_MAX);
        head::tokens(&headers, &mut draft);
        if !headers.flooded && !draft.has_room() {
            draft.clear();
            draft.allow(HEADER_TOKENS_MAX);
            headers.choose();
            head::tokens(&headers, &mut draft);
        }
        let subject = headers.ours.untagged(reading.subject());
        let (subject, subject_split) = clean::seen(subject, SUBJECT_MAX);
        draft.allow(SUBJECT_TOKENS_MAX);
        draft.words(Field::Subject, &subject);
        draft.allow(LINK_TOKENS_MAX);
        links::tokens(reading.links(), &mut draft);
        draft.allow(FORM_TOKENS_MAX);
        form::tokens(message, headers.size, &subject, &text, &mut draft);
        draft.push(Field::Form, "fields", form::bucket(headers.count));
        if headers.flooded {
            draft.push(Field::Form, "beyond", "fields");
        }
        if split || subject_split {
            draft.push(Field::Form, "", "unseen-within-words");
        }
        draft.allow(HIDDEN_TOKENS_MAX);
        let (hidden, _) = clean::seen(reading.hidden(), HIDDEN_MAX);
        draft.words(Field::Hidden, &hidden);
        draft.allow(TOKENS_MAX);
        draft.words(Field::Text, &text);
        let (arena, tokens) = draft.finish();
        Document {
            arena,
            tokens,
            head: headers.head(),
            text: text.into_owned(),
            cut: false,
        }
    }

    /// Whether the mail was not read to its end. Such a document is empty, and no features are made of it.
    pub fn is_cut(&self) -> bool {
        self.cut
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

    /// The hash of a token of a kind, without so many octets at its beginning.
    pub fn hash(&self, key: &Key, kind: u8, token: &Token, without: usize) -> u64 {
        let octets = self.arena.as_bytes().get(token.at as usize + without..);
        let length = usize::from(token.len).saturating_sub(without);
        key.begin(kind, octets.unwrap_or_default(), length)
    }

    /// The header section as it came, without what never becomes a feature; of a flood of fields those that tell most.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The text that is seen, decoded, without what has no width.
    pub fn text(&self) -> &str {
        &self.text
    }
}
