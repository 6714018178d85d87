//! Whether somebody may send from an address (P-15).

use gatepost_core::message::Headers;
use gatepost_core::{Address, Login, LoginBy};

use crate::policy::SenderMatch;
use crate::routes::Routes;

/// The most addresses of a From header that are looked at; one with more is refused where senders are checked.
pub const AUTHORS_MAX: usize = 100;

/// Whether the one who logged in may send from this address.
pub fn may_send(rule: SenderMatch, login: Option<&Login>, routes: &Routes, address: &Address) -> bool {
    let local = routes.is_local(address.domain());
    match (rule, login) {
        (SenderMatch::Off, _) => true,
        (SenderMatch::LocalDomain, _) => local,
        (SenderMatch::Login, Some(login)) if login.by == LoginBy::Auth => {
            let name = login.name.to_lowercase();
            name == address.key() || (local && !name.contains('@') && name == address.local().to_lowercase())
        }
        // A trusted network is no person: any of our own people may be behind it.
        (SenderMatch::Login, Some(_)) => local,
        (SenderMatch::Login, None) => false,
    }
}

/// The addresses of all From fields; `None` where a field holds something that cannot be read as addresses.
pub fn authors(headers: &Headers) -> Option<Vec<Address>> {
    let mut authors = Vec::new();
    for field in headers.all("From") {
        let value = String::from_utf8_lossy(&field.unfolded()).into_owned();
        let found = addresses(&value)?;
        if authors.len() + found.len() > AUTHORS_MAX {
            return None;
        }
        authors.extend(found);
    }
    Some(authors)
}

/// Reads an address list (RFC 5322 §3.4): names, comments, groups and angle brackets.
fn addresses(value: &str) -> Option<Vec<Address>> {
    let (mut found, mut plain, mut angle) = (Vec::new(), String::new(), None::<String>);
    let (mut depth, mut quoted, mut inside) = (0_usize, false, false);
    let mut chars = value.chars();
    loop {
        let c = chars.next();
        match c {
            Some('\\') if quoted || depth > 0 => {
                let escaped = chars.next()?;
                if depth == 0 {
                    put(&mut plain, &mut angle, inside, '\\');
                    put(&mut plain, &mut angle, inside, escaped);
                }
            }
            Some('"') if depth == 0 => {
                quoted = !quoted;
                put(&mut plain, &mut angle, inside, '"');
            }
            Some('(') if !quoted => depth += 1,
            Some(')') if depth > 0 => depth -= 1,
            Some(_) if depth > 0 => {}
            Some('<') if !quoted && !inside => {
                inside = true;
                // A second address in one element would be read by some and not by others.
                if angle.replace(String::new()).is_some() {
                    return None;
                }
            }
            Some('>') if !quoted && inside => inside = false,
            Some(':') if !quoted && !inside => plain.clear(),
            Some(',' | ';') | None if !quoted && !inside => {
                let text = angle.take().unwrap_or_else(|| std::mem::take(&mut plain));
                plain.clear();
                let text = text.trim();
                if !text.is_empty() {
                    found.push(Address::parse(text, true).ok()?);
                }
                if found.len() > AUTHORS_MAX {
                    return None;
                }
                if c.is_none() {
                    return (depth == 0).then_some(found);
                }
            }
            Some(c) => put(&mut plain, &mut angle, inside, c),
            None => return None,
        }
    }
}

fn put(plain: &mut String, angle: &mut Option<String>, inside: bool, c: char) {
    match angle {
        Some(angle) if inside => angle.push(c),
        _ => plain.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::message::Message;

    fn from(value: &str) -> Option<Vec<String>> {
        let message = Message::from_bytes(format!("From: {value}\r\n\r\n").into_bytes());
        Some(authors(message.headers())?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_way_to_write_an_author_is_read() {
        for (value, want) in [
            ("a@b.example", vec!["a@b.example"]),
            ("A <a@b.example>", vec!["a@b.example"]),
            ("\"x@y.example\" <a@b.example>", vec!["a@b.example"]),
            (
                "\"A, B\" <a@b.example>, c@d.example (C, D)",
                vec!["a@b.example", "c@d.example"],
            ),
            ("(x@y.example (nested)) a@b.example", vec!["a@b.example"]),
            ("us: a@b.example, c@d.example;", vec!["a@b.example", "c@d.example"]),
            ("\"a b\"@c.example", vec!["\"a b\"@c.example"]),
            ("A\r\n <a@b.example>", vec!["a@b.example"]),
            ("", vec![]),
        ] {
            assert_eq!(
                from(value).as_deref(),
                Some(&want.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()[..]),
                "{value}"
            );
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_not_read() {
        for value in [
            "a@b.example <c@d.example",
            "<a@b.example> <c@d.example>",
            "nobody",
            "a@b.example (x",
            "\"a@b.example",
        ] {
            assert_eq!(from(value), None, "{value}");
        }
    }

    #[test]
    fn a_login_sends_from_its_own_address() {
        let routes = Routes::outbound("out", ["example.org"]);
        let may = |rule, login: Option<(&str, LoginBy)>, address: &str| {
            let login = login.map(|(name, by)| Login::new(name, by));
            may_send(
                rule,
                login.as_ref(),
                &routes,
                &Address::parse(address, false).expect("an address"),
            )
        };
        let auth = |name| Some((name, LoginBy::Auth));
        let network = Some(("office", LoginBy::Network));
        for (rule, login, address, want) in [
            (SenderMatch::Off, None, "x@there.example", true),
            (SenderMatch::LocalDomain, None, "x@Example.org", true),
            (SenderMatch::LocalDomain, auth("x"), "x@there.example", false),
            (SenderMatch::Login, auth("user"), "User@example.org", true),
            (SenderMatch::Login, auth("user@example.org"), "user@EXAMPLE.org", true),
            (SenderMatch::Login, auth("user"), "boss@example.org", false),
            (SenderMatch::Login, auth("user"), "user@there.example", false),
            (
                SenderMatch::Login,
                auth("user@example.org"),
                "user@there.example",
                false,
            ),
            (SenderMatch::Login, network, "x@example.org", true),
            (SenderMatch::Login, network, "x@there.example", false),
            (SenderMatch::Login, None, "x@example.org", false),
        ] {
            assert_eq!(may(rule, login, address), want, "{rule:?} {login:?} {address}");
        }
    }
}
