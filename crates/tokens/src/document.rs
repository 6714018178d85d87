//! A message as its tokens.

use gatepost_message::Message;

use crate::{fields, words};

/// Tokens of a message.
pub const TOKENS_MAX: usize = 6_000;
/// Octets of text that are looked at.
pub const TEXT_MAX: usize = 200_000;
/// Octets of the header section that are kept as they came.
pub const HEAD_MAX: usize = 8_000;

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
    /// A piece of another field, its name before it.
    Header = 4,
    /// A piece of a link.
    Link = 5,
    /// Something about the form of the mail.
    Form = 6,
}

/// A token: where it stood, and where its text lies in the document.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Token {
    /// Where it stood.
    pub field: Field,
    at: u32,
    len: u16,
}

/// A message as classifiers see it.
#[derive(Clone, Default)]
pub struct Document {
    arena: String,
    tokens: Vec<Token>,
    head: Vec<u8>,
    text: String,
}

impl Document {
    /// The document of a message; made once and kept with it.
    pub fn of(message: &Message) -> std::sync::Arc<Document> {
        message.derived(Document::read)
    }

    fn read(message: &Message) -> Document {
        let mut document = Document {
            head: fields::head(message, HEAD_MAX),
            ..Document::default()
        };
        let reading = message.reading(&|| false);
        for field in message.headers().iter().filter(|field| fields::may(field.name())) {
            let name = String::from_utf8_lossy(field.name()).to_ascii_lowercase();
            let value = field.unfolded();
            let value = String::from_utf8_lossy(&value);
            document.push(Field::Form, &format!("has:{name}"));
            match &*name {
                "subject" => {}
                "from" => words::each(&value, |word| document.push(Field::From, word)),
                _ => words::each(&value, |word| document.push(Field::Header, &format!("{name}:{word}"))),
            }
        }
        words::each(reading.subject(), |word| document.push(Field::Subject, word));
        for link in reading.links().iter() {
            document.push(Field::Link, &link.host.to_string());
            if let Some(domain) = &link.domain {
                document.push(Field::Link, domain);
            }
            for trick in &link.tricks {
                document.push(Field::Link, &format!("trick:{}", trick.as_str()));
            }
        }
        let mut end = reading.text().len().min(TEXT_MAX);
        while !reading.text().is_char_boundary(end) {
            end -= 1;
        }
        document.text = reading.text()[..end].to_owned();
        words::each(&reading.text()[..end], |word| document.push(Field::Text, word));
        document
    }

    fn push(&mut self, field: Field, text: &str) {
        if self.tokens.len() == TOKENS_MAX {
            return;
        }
        let at = self.arena.len();
        let mut end = text.len().min(words::WORD_MAX);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.arena.push_str(&text[..end]);
        self.arena[at..].make_ascii_lowercase();
        self.tokens.push(Token {
            field,
            at: at as u32,
            len: end as u16,
        });
    }

    /// The tokens in order: those of the header as it came, then Subject, links, text.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// The text of a token.
    pub fn text_of(&self, token: &Token) -> &str {
        &self.arena[token.at as usize..][..usize::from(token.len)]
    }

    /// The header section as it came, without what never becomes a feature.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The text that is seen, decoded.
    pub fn text(&self) -> &str {
        &self.text
    }
}
