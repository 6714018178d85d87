//! Who a mail says it is from: the one address of the one From field (RFC 5322 §3.6.2).
//!
//! **Invariant:** an [`Author::One`] is an address that every reader finds in that field. Several fields, several
//! addresses, groups, a bare address as the name of another, and whatever else can be read in two ways are
//! [`Author::Ambiguous`], which never earns a pass.

use std::collections::BTreeSet;

use gatepost_message::Headers;
use gatepost_smtp::Address;
use gatepost_smtp::address::is_unseen;

/// The most octets of a From field that are read; a longer one is ambiguous.
pub const FIELD_MAX: usize = 4_096;

/// Who a mail says it is from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Author {
    /// This one.
    One(Address),
    /// There is no From field, or nothing in it.
    Nobody,
    /// Nobody can tell, and why.
    Ambiguous(&'static str),
}

impl Author {
    /// The author, if there is one.
    pub fn one(self) -> Option<Address> {
        match self {
            Author::One(address) => Some(address),
            _ => None,
        }
    }

    /// The author of a mail with these fields.
    pub fn of(headers: &Headers) -> Author {
        let excess = headers.excess();
        if excess.head || excess.lines {
            return Author::Ambiguous("the header section is too long to be read whole");
        }
        let mut fields = headers.all("From");
        let Some(field) = fields.next() else {
            return Author::Nobody;
        };
        if fields.next().is_some() {
            return Author::Ambiguous("several From fields");
        }
        let value = field.unfolded();
        if value.trim_ascii().is_empty() {
            return Author::Nobody;
        }
        match std::str::from_utf8(&value) {
            Ok(value) if value.len() <= FIELD_MAX => Author::read(value),
            _ => Author::Ambiguous("a From field that cannot be read"),
        }
    }

    /// Every domain that any reader could take for an author's: whatever stands behind an `@` of any From field, be it in
    /// a name, a comment or a quoted string. Each once; as long as the header section lets them be.
    pub fn domains(headers: &Headers) -> BTreeSet<String> {
        let fields = headers.all("From").map(|field| field.unfolded());
        fields.fold(BTreeSet::new(), |mut all, field| {
            let text = String::from_utf8_lossy(&field);
            all.extend(domains_in(&text));
            // What was broken up by comments and spaces.
            all.extend(domains_in(&closed_up(&text)));
            all
        })
    }

    /// Reads one mailbox (RFC 5322 §3.4), names, comments and angle brackets included.
    pub fn read(value: &str) -> Author {
        const ODD: Author = Author::Ambiguous("a From field that is no address");
        const MANY: Author = Author::Ambiguous("several authors");
        let (mut plain, mut angle) = (String::new(), None::<String>);
        let (mut depth, mut quoted, mut inside, mut bare_at) = (0_usize, false, false, false);
        let mut chars = value.chars();
        while let Some(c) = chars.next() {
            let escaped = match c {
                '\\' if quoted || depth > 0 => chars.next(),
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
                        return MANY;
                    }
                    (angle, inside) = (Some(String::new()), true);
                    continue;
                }
                '>' if !quoted && inside => {
                    inside = false;
                    continue;
                }
                ',' | ';' if !quoted => return MANY,
                ':' if !quoted && !inside => return MANY,
                _ => {}
            }
            match &mut angle {
                Some(angle) if inside => angle.extend([c].into_iter().chain(escaped)),
                Some(_) if !c.is_whitespace() => return ODD,
                Some(_) => {}
                None => {
                    bare_at |= c == '@' && !quoted;
                    plain.extend([c].into_iter().chain(escaped));
                }
            }
        }
        if quoted || inside || depth > 0 {
            return ODD;
        }
        let text = angle.as_deref().unwrap_or(&plain).trim_ascii();
        // RFC 6531 lets spaces that are not ASCII's and what shows nothing stand in a word; some readers cut them off.
        let Some(address) = Address::parse(text, true).ok().filter(is_seen) else {
            return ODD;
        };
        // Some readers take the first that looks like an address. Many write their own address for their name.
        let name = plain.trim().trim_matches('\'');
        if angle.is_some() && bare_at && !name.eq_ignore_ascii_case(text) {
            return Author::Ambiguous("an address as the name of another");
        }
        Author::One(address)
    }
}

/// Whether all of its local part that is not ASCII shows.
fn is_seen(address: &Address) -> bool {
    address.local().chars().all(|c| c.is_ascii() || !is_unseen(c))
}

/// What stands behind each `@` as far as it looks like a domain, in small letters.
fn domains_in(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split('@').skip(1).filter_map(|rest| {
        let is_part = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let domain = rest.get(..end)?.trim_matches('.').to_lowercase();
        (!domain.is_empty()).then_some(domain)
    })
}

/// A text without its comments and white space.
fn closed_up(text: &str) -> String {
    let (mut out, mut depth, mut escaped) = (String::new(), 0_usize, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 || c.is_whitespace() || c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_message::Message;

    #[test]
    fn each_domain_that_somebody_could_read_is_named() {
        for (head, want) in [
            ("From: Ann <ann@b.example>", "b.example"),
            ("From: ann@B.Example, bob@c.example", "b.example c.example"),
            ("From: ann@b.example\r\nfrom : bob@c.example", "b.example c.example"),
            ("From: <ann@b.example> <bob@c.example>", "b.example c.example"),
            ("From: \"ann <ann@b.example>", "b.example"),
            ("From: x@y.example <ann@ b (at) . example >", "b.example y.example"),
            ("From: <ann@m\u{fc}nchen.example.>, Bob", "m\u{fc}nchen.example"),
            ("From: nobody@, @", ""),
            ("To: ann@b.example", ""),
        ] {
            let message = Message::from_bytes(format!("{head}\r\n\r\n").into_bytes());
            let domains: Vec<_> = Author::domains(message.headers()).into_iter().collect();
            assert_eq!(domains.join(" "), want, "{head}");
        }
    }

    fn of(mail: &str) -> Author {
        Author::of(Message::from_bytes(mail.as_bytes().to_vec()).headers())
    }

    #[test]
    fn one_address_in_one_field_is_the_author() {
        for value in [
            "ann@b.example",
            "Ann <ann@b.example>",
            "\"Ann, B.\" <ann@b.example> (home)",
            "\"x@y.example, Z\" <ann@b.example>",
            "(x@y.example (nested)) ann@b.example",
            "ann@b.example <ann@b.example>",
            "'Ann@B.example' <ann@b.example>",
            "\"x@y.example\" <ann@b.example>",
            "Ann (x@y.example) <ann@b.example>",
            "Ann\r\n <ann@b.example> (at work)",
        ] {
            let author = of(&format!("From: {value}\r\n\r\n"));
            assert!(
                matches!(&author, Author::One(address) if address.to_string() == "ann@b.example"),
                "{value}: {author:?}"
            );
        }
        assert_eq!(of("To: ann@b.example\r\n\r\n"), Author::Nobody);
        assert_eq!(of("From: \r\n\r\n"), Author::Nobody);
    }

    #[test]
    fn whatever_can_be_read_in_two_ways_names_nobody() {
        for head in [
            "From: ann@b.example, bob@b.example",
            "From: Us: ann@b.example;",
            "From: <ann@b.example> <bob@c.example>",
            "From: <ann@b.example> bob@c.example",
            "From: bob@c.example <ann@b.example>",
            "From: Bob bob@c.example <ann@b.example>",
            "From: \"Bob\" bob@c.example (Bob) <ann@b.example>",
            "From: <ann@b.example",
            "From: \"ann <ann@b.example>",
            "From: (ann@b.example",
            "From: Ann",
            "From: \u{a0}ann@b.example",
            "From: \"\u{a0}ann\"@b.example",
            "From: Ann <ann@b.example\u{3000}>",
            "From: \u{feff}ann@b.example",
            "From: ann@b.example\r\nfrom : ann@b.example",
        ] {
            assert!(matches!(of(&format!("{head}\r\n\r\n")), Author::Ambiguous(_)), "{head}");
        }
        let long = format!("{}From: ann@b.example\r\n\r\n", "X: y\r\n".repeat(1_000));
        assert!(matches!(of(&long), Author::Ambiguous(_)));
        let wide = format!("From: \"{}\" <ann@b.example>\r\n\r\n", "x".repeat(FIELD_MAX));
        assert!(matches!(of(&wide), Author::Ambiguous(_)));
    }
}
