//! The trail of a mail: from whom the hosts that we believe got it.
//!
//! **Invariant:** a Received field is believed only if the host that wrote it is: the topmost was written by our peer, each
//! further one by the host that the field above it names. What stands below the first host that is not believed was
//! written by strangers, and changes nothing. Of a field only the place counts where servers write the address that they
//! saw themselves; what the client called itself stands beside it, and a field that could be read in two ways is not read
//! at all.
//!
//! Forms that are read, after `from NAME`: `(name [192.0.2.1])` of Postfix, Sendmail and ourselves, `([192.0.2.1] helo=x)`,
//! `[192.0.2.1] (port=25001 helo=x)` and `[192.0.2.1]` alone of Exim, `(192.0.2.1)` of Exchange, `(HELO x) (192.0.2.1)` of
//! qmail. All of them clean or refuse what a client calls itself. Of a server that does not, only a name without blanks is
//! bounded: a comment may not touch it, and no other comment before `by` may have an address.

use std::net::IpAddr;

use crate::header::Headers;

/// The most fields that are followed: so many hosts of one's own has nobody.
const HOPS_MAX: usize = 20;
/// The most words and comments of a field that are looked at: the address stands among the first.
const ITEMS_MAX: usize = 12;
/// The most characters of a name that is given (RFC 5321 §4.5.3.1.2).
const NAME_MAX: usize = 255;

/// Where the trail leads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trail {
    /// To a stranger who handed the mail to a host that we believe.
    Stranger {
        /// Its address.
        address: IpAddr,
        /// What it called itself, as that host wrote it down; printable ASCII.
        helo: Option<Box<str>>,
    },
    /// To a host that we believe, which wrote the mail itself.
    Own(IpAddr),
    /// It is lost, and this is why.
    Lost(&'static str),
}

/// Follows the trail from our peer, which is believed, upwards. A host that names itself by a loopback address stays where
/// it is.
pub fn follow(headers: &Headers, peer: IpAddr, believed: impl Fn(IpAddr) -> bool) -> Trail {
    let mut host = peer;
    let mut fields = headers.all("Received");
    for _ in 0..HOPS_MAX {
        let Some(field) = fields.next() else {
            return match headers.excess().any() {
                true => Trail::Lost("the header section was too long to be read whole"),
                false => Trail::Own(host),
            };
        };
        let (address, helo) = match from(&field.unfolded()) {
            From::Host(address, helo) => (address.to_canonical(), helo),
            From::Note => continue,
            From::Unclear(why) => return Trail::Lost(why),
        };
        if address.is_loopback() {
            continue;
        }
        if !believed(address) {
            return Trail::Stranger { address, helo };
        }
        host = address;
    }
    Trail::Lost("too many relays on the way")
}

/// What a field says of whoever the mail came from.
#[derive(PartialEq, Eq, Debug)]
enum From {
    Host(IpAddr, Option<Box<str>>),
    /// Nothing, and the next one does: qmail writes two.
    Note,
    Unclear(&'static str),
}

enum Item {
    Word(String),
    Comment {
        text: String,
        /// It begins where a word ends, with nothing between.
        touches: bool,
    },
}

fn from(value: &[u8]) -> From {
    let mut items = items(value).into_iter();
    match items.next() {
        Some(Item::Word(word)) if word.eq_ignore_ascii_case("from") => {}
        Some(Item::Comment { text, .. }) if text.starts_with("qmail ") && text.ends_with("invoked from network") => {
            return From::Note;
        }
        _ => return NO_FROM,
    }
    let Some(Item::Word(name)) = items.next() else {
        return NO_FROM;
    };
    let mut comments = Vec::new();
    loop {
        match items.next() {
            // What touches the name may be a part of it.
            Some(Item::Comment { touches: true, .. }) => return SEVERAL,
            Some(Item::Comment { text, .. }) => comments.push(text),
            Some(Item::Word(word)) if word.eq_ignore_ascii_case("by") => break,
            _ => return NO_ADDRESS,
        }
    }
    let mut comments = comments.iter();
    let Some(first) = comments.next() else {
        return alone(&name, value);
    };
    let lower = first.to_ascii_lowercase();
    let host = if lower.starts_with("helo ") || lower.starts_with("ehlo ") {
        let helo = shown(first.get(5..).unwrap_or_default());
        comments
            .next()
            .and_then(|second| bare(second))
            .map(|address| (address, helo))
    } else if ["port=", "helo=", "ident="].iter().any(|key| lower.starts_with(key)) {
        // Exim leaves out a name that is the address.
        let helo = lower.split(' ').find_map(|pair| pair.strip_prefix("helo="));
        literal(&name).map(|address| (address, shown(helo.unwrap_or(&name))))
    } else {
        let (seen, helo) = match lower.split_once(" helo=") {
            Some((seen, helo)) => (seen, shown(helo.split(' ').next().unwrap_or_default())),
            None => (&*lower, shown(&name)),
        };
        let mut literals = literals(seen);
        match (literals.next(), literals.next()) {
            (Some(_), Some(_)) => return SEVERAL,
            (Some(address), None) => Some((address, helo)),
            (None, _) => bare(seen).map(|address| (address, helo)),
        }
    };
    if comments.any(|text| bare(text).is_some() || literals(&unquoted(text)).next().is_some()) {
        return SEVERAL;
    }
    host.map_or(NO_ADDRESS, |(address, helo)| From::Host(address, helo))
}

/// A field with nothing but a name. An address is one that the server saw where that is Exim, which leaves out a name
/// that is the address; of others it may be what the client called itself.
fn alone(name: &str, value: &[u8]) -> From {
    let exim = value.windows(EXIM.len()).any(|found| found == EXIM);
    match literal(name).filter(|_| exim && name.ends_with(']')) {
        Some(address) => From::Host(address, shown(name)),
        None => NO_ADDRESS,
    }
}

const EXIM: &[u8] = b" (Exim ";
const NO_FROM: From = From::Unclear("a Received field does not say from where");
const SEVERAL: From = From::Unclear("a Received field may name several addresses");
const NO_ADDRESS: From = From::Unclear("a Received field has no address that can be read");

/// The words and comments of a field up to `by`, comments without what is nested in them; what is not ASCII is `?`.
fn items(value: &[u8]) -> Vec<Item> {
    let (mut items, mut depth, mut escaped, mut text) = (Vec::new(), 0_usize, false, String::new());
    let end = |text: &mut String, items: &mut Vec<Item>| {
        if !text.is_empty() {
            items.push(Item::Word(std::mem::take(text)));
        }
    };
    let mut touches = false;
    for &octet in value {
        if items.len() >= ITEMS_MAX {
            return items;
        }
        let c = if octet.is_ascii() { char::from(octet) } else { '?' };
        match (depth, c) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (0, ';') => break,
            (0, '(') => {
                touches = !text.is_empty();
                end(&mut text, &mut items);
                depth = 1;
            }
            (_, '(') => depth = depth.saturating_add(1),
            (1, ')') => {
                let comment = std::mem::take(&mut text);
                items.push(Item::Comment {
                    text: comment.trim().to_owned(),
                    touches,
                });
                depth = 0;
            }
            (0, ')') => break,
            (_, ')') => depth -= 1,
            (0, c) if c.is_ascii_whitespace() => {
                end(&mut text, &mut items);
                if matches!(items.last(), Some(Item::Word(word)) if word.eq_ignore_ascii_case("by")) && items.len() > 2
                {
                    break;
                }
            }
            (0 | 1, c) => text.push(c),
            _ => {}
        }
    }
    // A comment that never ends is none.
    if depth == 0 {
        end(&mut text, &mut items);
    }
    items
}

/// An address in brackets.
fn literal(text: &str) -> Option<IpAddr> {
    let inner = text.strip_prefix('[')?;
    let (inner, _) = inner.split_once(']')?;
    address(inner)
}

fn address(text: &str) -> Option<IpAddr> {
    let tag = text.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:"));
    text.get(tag.map_or(0, str::len)..)?.parse().ok()
}

/// The addresses in brackets within a text.
fn literals(text: &str) -> impl Iterator<Item = IpAddr> {
    text.split('[').skip(1).filter_map(|after| {
        let (inner, _) = after.split_once(']')?;
        address(inner)
    })
}

/// A text without what is in quotes.
fn unquoted(text: &str) -> String {
    text.split('"').step_by(2).collect::<Vec<_>>().join(" ")
}

/// An address without brackets and with nothing else, but for a user in front of it.
fn bare(text: &str) -> Option<IpAddr> {
    if text.contains(char::is_whitespace) {
        return None;
    }
    let (_, last) = text.rsplit_once('@').unwrap_or(("", text));
    address(last)
}

fn shown(name: &str) -> Option<Box<str>> {
    let good = !name.is_empty() && name.len() <= NAME_MAX && name.bytes().all(|octet| octet.is_ascii_graphic());
    good.then(|| name.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    fn trail(fields: &[&str]) -> Trail {
        let head: String = fields.iter().map(|field| format!("Received: {field}\r\n")).collect();
        let message = Message::from_bytes(format!("{head}\r\n").into_bytes());
        let ours = |address: IpAddr| match address {
            IpAddr::V4(v4) => v4.octets()[..3] == [192, 0, 2],
            IpAddr::V6(_) => false,
        };
        follow(message.headers(), "192.0.2.1".parse().unwrap(), ours)
    }

    fn stranger(address: &str, helo: &str) -> Trail {
        Trail::Stranger {
            address: address.parse().unwrap(),
            helo: Some(helo.into()),
        }
    }

    #[test]
    fn each_servers_way_of_writing_is_read() {
        for (field, address, helo) in [
            (
                "from h.example (r.example [203.0.113.9]) by x (Postfix) with ESMTP id 1; d",
                "203.0.113.9",
                "h.example",
            ),
            (
                "from h.example (unknown [IPv6:2001:db8::9])\r\n\t(using TLSv1.3) by x",
                "2001:db8::9",
                "h.example",
            ),
            (
                "from [198.51.100.1] (r.example [203.0.113.9]) by x",
                "203.0.113.9",
                "[198.51.100.1]",
            ),
            (
                "from h (r.example [203.0.113.9]) (Client CN \"[198.51.100.1]\") by x",
                "203.0.113.9",
                "h",
            ),
            (
                "from h (r.example [203.0.113.9] (may be forged)) by x",
                "203.0.113.9",
                "h",
            ),
            ("from h (IDENT:root@r.example [203.0.113.9]) by x", "203.0.113.9", "h"),
            (
                "from r.example ([203.0.113.9] helo=h.example) by x with esmtp (Exim 4.96)",
                "203.0.113.9",
                "h.example",
            ),
            (
                "from r.example ([203.0.113.9]:4711 helo=[198.51.100.1]) by x",
                "203.0.113.9",
                "[198.51.100.1]",
            ),
            ("from [203.0.113.9] (helo=h.example) by x", "203.0.113.9", "h.example"),
            (
                "from [203.0.113.9] (port=4711 helo=h.example) by x",
                "203.0.113.9",
                "h.example",
            ),
            (
                "from [203.0.113.9] (port=4711 helo=h.example ident=root) by x",
                "203.0.113.9",
                "h.example",
            ),
            (
                "from [203.0.113.9] (port=4711)\r\n\tby x",
                "203.0.113.9",
                "[203.0.113.9]",
            ),
            (
                "from [203.0.113.9]\r\n\tby x with esmtp (Exim 4.96)\r\n\tid 1; d",
                "203.0.113.9",
                "[203.0.113.9]",
            ),
            (
                "from h.example (203.0.113.9) by y (192.0.2.7) with Microsoft SMTP Server",
                "203.0.113.9",
                "h.example",
            ),
            ("from h.example (2001:db8::9) by y", "2001:db8::9", "h.example"),
            (
                "from unknown (HELO h.example) (203.0.113.9) by x with SMTP; d",
                "203.0.113.9",
                "h.example",
            ),
            (
                "from r.example (HELO [198.51.100.1]) (root@203.0.113.9) by x",
                "203.0.113.9",
                "[198.51.100.1]",
            ),
            ("from h ([::ffff:203.0.113.9]) by x", "203.0.113.9", "h"),
            ("FROM h ([203.0.113.9]) BY x", "203.0.113.9", "h"),
        ] {
            assert_eq!(trail(&[field]), stranger(address, helo), "{field}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_not_read() {
        for field in [
            "from [203.0.113.9] by x",
            "from h by x",
            "from h (r.example) by x",
            "from h by x ([203.0.113.9])",
            "from h via y ([203.0.113.9]) by x",
            "from h ([203.0.113.9]",
            "from (h [203.0.113.9]) by x",
            "from h (a@[198.51.100.1] [203.0.113.9]) by x",
            "from x(a[198.51.100.1]) (r.example [203.0.113.9]) by x",
            "from [198.51.100.1](port=1) (r.example [203.0.113.9]) by x",
            "from x (a[198.51.100.1]) (r.example [203.0.113.9]) by x",
            "from x (198.51.100.1) (r.example [203.0.113.9]) by x",
            "from x ([198.51.100.1]) (203.0.113.9) by x",
            "from x (HELO y) (198.51.100.1) (r.example [203.0.113.9]) by x",
            "from x (a[198.51.100.1]) y (r.example [203.0.113.9]) by x",
            "from [198.51.100.1]:25 by x with esmtp (Exim 4.96)",
            "from h.example by x with esmtp (Exim 4.96)",
            "from h ([203.0.113.9]); d",
            "by x (Postfix, from userid 0) id 1; d",
            "(qmail 1 invoked by uid 0); d",
            "x",
            "",
        ] {
            let found = trail(&[field, "from h ([203.0.113.8]) by x"]);
            assert!(matches!(found, Trail::Lost(_)), "{field}: {found:?}");
        }
    }

    #[test]
    fn the_trail_goes_through_hosts_that_are_believed_and_no_further() {
        let ours = "from mx2 (mx2.example.org [192.0.2.2]) by mx1";
        let local = "from localhost (localhost [127.0.0.1]) by mx2 (scanner)";
        let note = "(qmail 4711 invoked from network); d";
        let first = "from evil (evil.example [203.0.113.9]) by mx2";
        let forged = "from good (good.example [198.51.100.1]) by evil";
        assert_eq!(
            trail(&[ours, local, note, first, forged]),
            stranger("203.0.113.9", "evil")
        );
        assert_eq!(trail(&[first, ours, forged]), stranger("203.0.113.9", "evil"));
        assert_eq!(trail(&[ours, local]), Trail::Own("192.0.2.2".parse().unwrap()));
        assert_eq!(trail(&[]), Trail::Own("192.0.2.1".parse().unwrap()));
        let endless: Vec<&str> = (0..50).map(|_| ours).chain([first]).collect();
        assert!(matches!(trail(&endless), Trail::Lost(_)));
    }
}
