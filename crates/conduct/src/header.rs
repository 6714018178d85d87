//! What is wrong with the header section of a message, and who its author is.

use gatepost_core::Address;
use gatepost_core::message::Headers;

use crate::traits::Trait;

/// A From field of more octets is not read.
const FIELD_MAX: usize = 4_000;

/// The author, as far as there is exactly one way to read it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Author {
    /// No From field, or an empty one.
    None,
    /// One address.
    One(Address),
    /// Several fields, several addresses, or something that can be read in two ways.
    Several,
}

/// Reads who wrote a message.
pub fn author(headers: &Headers) -> Author {
    let mut fields = headers.all("From");
    let Some(field) = fields.next() else {
        return Author::None;
    };
    if fields.next().is_some() {
        return Author::Several;
    }
    let value = field.unfolded();
    if value.iter().all(u8::is_ascii_whitespace) {
        return Author::None;
    }
    match std::str::from_utf8(&value).ok().and_then(one) {
        Some(address) => Author::One(address),
        None => Author::Several,
    }
}

/// The one mailbox of a field (RFC 5322 §3.4), names and comments aside; no list and no group.
fn one(value: &str) -> Option<Address> {
    if value.len() > FIELD_MAX {
        return None;
    }
    let (mut plain, mut angle, mut inside) = (String::new(), None::<String>, false);
    let (mut depth, mut quoted) = (0_usize, false);
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        let escaped = match c {
            '\\' if quoted || depth > 0 => Some(chars.next()?),
            _ => None,
        };
        match c {
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => {
                depth += 1;
                continue;
            }
            ')' if depth > 0 => {
                depth -= 1;
                continue;
            }
            _ if depth > 0 => continue,
            '<' if !quoted => {
                if angle.is_some() {
                    return None;
                }
                (angle, inside) = (Some(String::new()), true);
                continue;
            }
            '>' if !quoted && inside => {
                inside = false;
                continue;
            }
            ',' | ';' if !quoted => return None,
            ':' if !quoted && !inside => return None,
            _ => {}
        }
        match &mut angle {
            Some(angle) if inside => angle.extend([c].into_iter().chain(escaped)),
            Some(_) if !c.is_whitespace() => return None,
            Some(_) => {}
            None => plain.extend([c].into_iter().chain(escaped)),
        }
    }
    if quoted || inside || depth > 0 {
        return None;
    }
    Address::parse(angle.as_deref().unwrap_or(&plain).trim(), true).ok()
}

/// What is missing, or there too often.
pub fn faults(headers: &Headers, author: &Author) -> impl Iterator<Item = Trait> + use<> {
    let lacks = |name: &str| {
        headers
            .get(name)
            .is_none_or(|field| field.unfolded().trim_ascii().is_empty())
    };
    [
        (*author == Author::None, Trait::NoAuthor),
        (*author == Author::Several, Trait::SeveralAuthors),
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

    fn read(head: &str) -> (Author, Vec<Trait>) {
        let message = Message::from_bytes(format!("{head}\r\n\r\n").into_bytes());
        let author = author(message.headers());
        let faults = faults(message.headers(), &author).collect();
        (author, faults)
    }

    #[test]
    fn one_author_is_read_in_one_way_or_not_at_all() {
        for (from, address) in [
            ("ann@b.example", Some("ann@b.example")),
            ("Ann <ann@b.example>", Some("ann@b.example")),
            ("\"Ann, B.\" <ann@b.example> (home)", Some("ann@b.example")),
            ("<ann@b.example> <eve@b.example>", None),
            ("ann@b.example, eve@b.example", None),
            ("Friends: ann@b.example;", None),
            ("Ann <ann@b.example", None),
            ("nobody", None),
        ] {
            let expected = address.map_or(Author::Several, |text| Author::One(Address::parse(text, true).unwrap()));
            assert_eq!(read(&format!("From: {from}")).0, expected, "{from}");
        }
        assert_eq!(read("Subject: x").0, Author::None);
        assert_eq!(read("From: \r\nSubject: x").0, Author::None);
        assert_eq!(read("From: a@b.example\r\nFrom: c@d.example").0, Author::Several);
    }

    #[test]
    fn what_is_missing_is_told() {
        let whole = "From: a@b.example\r\nTo: c@d.example\r\nDate: Mon, 5 Jan 2026 10:00:00 +0000\r\nMessage-ID: <1@b>";
        assert_eq!(read(whole).1, []);
        assert_eq!(
            read("Subject: x").1,
            [Trait::NoAuthor, Trait::NoMessageId, Trait::NoDate, Trait::NoTo]
        );
    }
}
