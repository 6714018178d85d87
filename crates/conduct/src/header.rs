//! What is wrong with the header section of a message.

use gatepost_core::Author;
use gatepost_core::message::Headers;

use crate::traits::Trait;

/// What is missing, or there too often.
pub fn faults(headers: &Headers, author: &Author) -> impl Iterator<Item = Trait> + use<> {
    let lacks = |name: &str| {
        headers
            .get(name)
            .is_none_or(|field| field.unfolded().trim_ascii().is_empty())
    };
    [
        (*author == Author::Nobody, Trait::NoAuthor),
        (matches!(author, Author::Ambiguous(_)), Trait::SeveralAuthors),
        (lacks("Message-ID"), Trait::NoMessageId),
        (lacks("Date"), Trait::NoDate),
        (lacks("To") && lacks("Cc"), Trait::NoTo),
    ]
    .into_iter()
    .filter_map(|(seen, what)| seen.then_some(what))
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::Message;

    fn read(head: &str) -> Vec<Trait> {
        let message = Message::from_bytes(format!("{head}\r\n\r\n").into_bytes());
        faults(message.headers(), &Author::of(message.headers())).collect()
    }

    #[test]
    fn what_is_missing_is_told() {
        let rest = "To: c@d.example\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\nMessage-ID: <1@b>";
        assert_eq!(read(&format!("From: a@b.example\r\n{rest}")), []);
        assert_eq!(read(&format!("From: \r\n{rest}")), [Trait::NoAuthor]);
        let twice = format!("From: a@b.example\r\nFrom: c@d.example\r\n{rest}");
        assert_eq!(read(&twice), [Trait::SeveralAuthors]);
        assert_eq!(
            read("Subject: x"),
            [Trait::NoAuthor, Trait::NoMessageId, Trait::NoDate, Trait::NoTo]
        );
    }
}
