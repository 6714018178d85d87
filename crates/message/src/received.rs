//! The Received field: ours (P-50), and what the ones that came tell of loops (P-44).
//!
//! Those that came are only counted and searched, never touched.

use std::net::IpAddr;

use crate::date::date;
use crate::field::{Field, Name, ascii};
use crate::header::Headers;

/// Characters of a host name that are written (RFC 5321 §4.5.3.1.2).
const HOST_MAX: usize = 255;
/// Characters of an id or of the name of a TLS version or cipher that are written.
const WORD_MAX: usize = 64;
/// Characters of an address in a `for` clause; with a longer one the clause is left out (RFC 5321 §4.5.3.1.3).
const PATH_MAX: usize = 254;

static RECEIVED: Name = Name::known("Received");

/// How the mail came, for the `with` clause (RFC 3848, RFC 6531 §4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Protocol {
    /// HELO, whatever else was said.
    Smtp,
    /// EHLO.
    Esmtp,
    /// EHLO and AUTH.
    EsmtpA,
    /// EHLO under TLS.
    EsmtpS,
    /// EHLO and AUTH under TLS.
    EsmtpSA,
    /// SMTPUTF8.
    Utf8Smtp,
    /// SMTPUTF8 and AUTH.
    Utf8SmtpA,
    /// SMTPUTF8 under TLS.
    Utf8SmtpS,
    /// SMTPUTF8 and AUTH under TLS.
    Utf8SmtpSA,
}

impl Protocol {
    /// The protocol of a transaction: EHLO or HELO, under TLS or not, after AUTH or not, MAIL with SMTPUTF8 or not.
    pub fn of(ehlo: bool, tls: bool, auth: bool, utf8: bool) -> Protocol {
        match (ehlo, utf8, tls, auth) {
            (false, ..) => Protocol::Smtp,
            (_, false, false, false) => Protocol::Esmtp,
            (_, false, false, true) => Protocol::EsmtpA,
            (_, false, true, false) => Protocol::EsmtpS,
            (_, false, true, true) => Protocol::EsmtpSA,
            (_, true, false, false) => Protocol::Utf8Smtp,
            (_, true, false, true) => Protocol::Utf8SmtpA,
            (_, true, true, false) => Protocol::Utf8SmtpS,
            (_, true, true, true) => Protocol::Utf8SmtpSA,
        }
    }

    /// The registered word.
    pub fn as_str(self) -> &'static str {
        match self {
            Protocol::Smtp => "SMTP",
            Protocol::Esmtp => "ESMTP",
            Protocol::EsmtpA => "ESMTPA",
            Protocol::EsmtpS => "ESMTPS",
            Protocol::EsmtpSA => "ESMTPSA",
            Protocol::Utf8Smtp => "UTF8SMTP",
            Protocol::Utf8SmtpA => "UTF8SMTPA",
            Protocol::Utf8SmtpS => "UTF8SMTPS",
            Protocol::Utf8SmtpSA => "UTF8SMTPSA",
        }
    }
}

/// What our Received field says (RFC 5321 §4.4). Whatever strangers put into it, it is one valid field.
#[derive(Clone, Debug)]
pub struct Received<'a> {
    /// What the client called itself.
    pub helo: &'a str,
    /// Where it really came from; always written, as an address literal.
    pub client_ip: IpAddr,
    /// Its name in DNS, where that is known.
    pub reverse: Option<&'a str>,
    /// Our host name.
    pub by: &'a str,
    /// How the mail came.
    pub with: Protocol,
    /// Our id of the transaction.
    pub id: &'a str,
    /// The recipient, if there is only one; an address that needs quoting or is not ASCII is not written.
    pub for_: Option<&'a str>,
    /// When it came, in milliseconds since the Unix epoch.
    pub at_millis: u64,
    /// TLS version and cipher, as in `("TLSv1.3", "TLS_AES_128_GCM_SHA256")`.
    pub tls: Option<(&'a str, &'a str)>,
}

impl Received<'_> {
    /// The field, ready to be prepended.
    pub fn field(&self) -> Field {
        let literal = literal(self.client_ip);
        let client = match self.reverse.map(host) {
            Some(name) => format!("({name} {literal})"),
            None => format!("({literal})"),
        };
        let mut clauses = vec![format!("from {}", host(self.helo)), client];
        if let Some((version, cipher)) = self.tls {
            clauses.push(format!("(using {} with cipher {})", word(version), word(cipher)));
        }
        clauses.push(format!("by {}", host(self.by)));
        clauses.push(format!("with {} id {}", self.with.as_str(), word(self.id)));
        match self.for_.filter(|path| is_simple(path)) {
            Some(path) => clauses.push(format!("for <{path}>;")),
            None => {
                if let Some(last) = clauses.last_mut() {
                    last.push(';');
                }
            }
        }
        clauses.push(date(self.at_millis));
        Field::clauses(&RECEIVED, clauses.iter().map(String::as_str))
    }
}

/// An address as RFC 5321 §4.1.3 writes it; an IPv4 address in IPv6's clothes is written as what it is.
fn literal(ip: IpAddr) -> String {
    match ip.to_canonical() {
        IpAddr::V4(ip) => format!("[{ip}]"),
        IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
    }
}

fn is_word(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_')
}

/// A host name or address literal as a stranger gave it, as one dot-atom or literal: what does not belong there is `?`.
fn host(name: &str) -> String {
    let name = name.strip_suffix('.').unwrap_or(name);
    let inner = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or_default();
    let is_literal = inner.bytes().all(|b| is_word(b) || matches!(b, b'.' | b':'));
    if !inner.is_empty() && inner.len() <= HOST_MAX && is_literal {
        return name.to_owned();
    }
    let mut out = String::new();
    for c in name.chars().take(HOST_MAX) {
        let good = match c {
            '.' => !out.is_empty() && !out.ends_with('.'),
            c => u8::try_from(c).is_ok_and(is_word),
        };
        out.push(if good { c } else { '?' });
    }
    if out.ends_with('.') {
        out.pop();
    }
    if out.is_empty() { "unknown".to_owned() } else { out }
}

/// One atom.
fn word(text: &str) -> String {
    let clean = ascii(text, WORD_MAX);
    let word: String = clean
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "-_.".contains(c) {
                c
            } else {
                '?'
            }
        })
        .collect();
    let word = word.trim_matches('.').replace("..", ".?");
    if word.is_empty() { "unknown".to_owned() } else { word }
}

/// Whether an address can stand in angle brackets as it is: a dot-atom, an at sign, a domain or literal.
fn is_simple(path: &str) -> bool {
    let Some((local, domain)) = path.rsplit_once('@') else {
        return false;
    };
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    path.len() <= PATH_MAX
        && local.split('.').all(|part| !part.is_empty() && part.bytes().all(atom))
        && host(domain) == domain
        && !domain.contains('?')
}

/// How many Received fields came with the message; it stays below [`LINES_MAX`](crate::LINES_MAX).
pub fn received_count(headers: &Headers) -> usize {
    headers.all("Received").count()
}

/// In how many Received fields the `by` clause names this host, whatever the case of its letters. Comments, quoted
/// strings and the date are not searched.
pub fn names_us(headers: &Headers, hostname: &str) -> usize {
    ours(headers, hostname).count()
}

/// Whether one of these fields has this number in its `id` clause.
pub fn names_us_with(headers: &Headers, hostname: &str, id: &str) -> bool {
    ours(headers, hostname).any(|clauses| has_clause(&clauses, "id", |word| word == id.as_bytes()))
}

/// The clauses of the fields that name this host.
fn ours<'a>(headers: &'a Headers, hostname: &'a str) -> impl Iterator<Item = Vec<u8>> + 'a {
    let ours = hostname.strip_suffix('.').unwrap_or(hostname);
    let is_ours = |word: &[u8]| {
        let word = word.strip_suffix(b".").unwrap_or(word);
        word.eq_ignore_ascii_case(ours.as_bytes())
    };
    let all = headers.all("Received").map(|received| clauses(&received.unfolded()));
    all.filter(move |clauses| has_clause(clauses, "by", is_ours))
}

/// A Received field without comments, quoted strings and date.
fn clauses(value: &[u8]) -> Vec<u8> {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    let mut plain = Vec::with_capacity(value.len());
    for &octet in value {
        if escaped {
            escaped = false;
            continue;
        }
        match octet {
            b'\\' if quoted || depth > 0 => escaped = true,
            b'"' if depth == 0 => quoted = !quoted,
            _ if quoted => {}
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            b';' => break,
            _ => {
                plain.push(octet);
                continue;
            }
        }
        plain.push(b' ');
    }
    plain
}

/// Whether the word of this name stands before one of which `is` holds.
fn has_clause(clauses: &[u8], name: &str, is: impl Fn(&[u8]) -> bool) -> bool {
    let mut words = clauses
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
        .peekable();
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case(name.as_bytes()) && words.peek().is_some_and(|next| is(next)) {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Message;

    fn received() -> Received<'static> {
        Received {
            helo: "mail.example",
            client_ip: [192, 0, 2, 1].into(),
            reverse: Some("mx1.mail.example"),
            by: "gate.example.org",
            with: Protocol::of(true, true, false, false),
            id: "4XyZ-01",
            for_: Some("c@d.example"),
            at_millis: 1_234_567_890_123,
            tls: Some(("TLSv1.3", "TLS_AES_256_GCM_SHA384")),
        }
    }

    fn text(received: &Received<'_>) -> String {
        String::from_utf8(received.field().as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn a_received_field_has_all_its_clauses() {
        assert_eq!(
            text(&received()),
            "Received: from mail.example (mx1.mail.example [192.0.2.1])\r\n \
             (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384) by gate.example.org\r\n \
             with ESMTPS id 4XyZ-01 for <c@d.example>; Fri, 13 Feb 2009 23:31:30 +0000\r\n"
        );
    }

    #[test]
    fn clauses_that_are_not_known_are_left_out() {
        let bare = Received {
            reverse: None,
            for_: None,
            tls: None,
            ..received()
        };
        assert_eq!(
            text(&bare),
            "Received: from mail.example ([192.0.2.1]) by gate.example.org\r\n \
             with ESMTPS id 4XyZ-01; Fri, 13 Feb 2009 23:31:30 +0000\r\n"
        );
    }

    #[test]
    fn addresses_are_written_as_literals() {
        let ip = |ip: &str| {
            text(&Received {
                client_ip: ip.parse().unwrap(),
                ..received()
            })
        };
        assert!(ip("2001:db8::1").contains(" [IPv6:2001:db8::1])"));
        assert!(ip("::ffff:192.0.2.7").contains(" [192.0.2.7])"));
    }

    #[test]
    fn the_registered_words_follow_the_session() {
        let of = |e, t, a, u| Protocol::of(e, t, a, u).as_str();
        assert_eq!(of(false, false, false, false), "SMTP");
        assert_eq!(of(false, true, true, true), "SMTP");
        assert_eq!(of(true, false, false, false), "ESMTP");
        assert_eq!(of(true, false, true, false), "ESMTPA");
        assert_eq!(of(true, true, false, false), "ESMTPS");
        assert_eq!(of(true, true, true, false), "ESMTPSA");
        assert_eq!(of(true, false, false, true), "UTF8SMTP");
        assert_eq!(of(true, false, true, true), "UTF8SMTPA");
        assert_eq!(of(true, true, false, true), "UTF8SMTPS");
        assert_eq!(of(true, true, true, true), "UTF8SMTPSA");
    }

    #[test]
    fn whatever_the_client_calls_itself_the_field_is_one_and_valid() {
        for (helo, written) in [
            ("a(b", "a?b"),
            ("a;b", "a?b"),
            ("x\r\nX-Evil: y", "x??X-Evil??y"),
            ("x by gate.example.org", "x?by?gate.example.org"),
            ("h\u{f6}st.example", "h?st.example"),
            ("[192.0.2.9]", "[192.0.2.9]"),
            ("[IPv6:2001:db8::9]", "[IPv6:2001:db8::9]"),
            ("[10.0.0.1] (ok", "?10.0.0.1???ok"),
            ("a..b", "a.?b"),
            (".", "unknown"),
            ("", "unknown"),
            ("host.example.", "host.example"),
            ("\"\\", "??"),
            ("\0", "?"),
        ] {
            let text = text(&Received { helo, ..received() });
            let from = text.strip_prefix("Received: from ").unwrap();
            assert!(
                from.starts_with(&format!("{written} (mx1.mail.example [192.0.2.1])")),
                "{text}"
            );
            let message = Message::from_bytes(format!("{text}\r\n").into_bytes());
            assert_eq!(message.headers().len(), 1);
            assert_eq!(message.headers().iter().next().unwrap().raw(), text.as_bytes());
            assert_eq!(names_us(message.headers(), "gate.example.org"), 1);
            assert!(names_us_with(message.headers(), "gate.example.org", "4XyZ-01"));
            for (host, id) in [
                ("gate.example.org", "4XyZ-0"),
                ("gate.example.org", ""),
                ("mail.example", "4XyZ-01"),
            ] {
                assert!(!names_us_with(message.headers(), host, id), "{host} {id}");
            }
        }
    }

    #[test]
    fn an_endless_helo_is_cut() {
        let helo = "x".repeat(100_000);
        let text = text(&Received {
            helo: &helo,
            reverse: Some(&helo),
            ..received()
        });
        assert!(text.len() < 900 && text.lines().all(|line| line.len() <= 998));
    }

    #[test]
    fn names_from_dns_and_the_id_are_escaped_too() {
        let evil = "a)\r\nX: b";
        let received = Received {
            reverse: Some(evil),
            id: evil,
            by: evil,
            tls: Some((evil, evil)),
            ..received()
        };
        let text = text(&received);
        assert!(text.contains("(a???X??b [192.0.2.1])"), "{text}");
        assert_eq!(text.matches('(').count(), text.matches(')').count());
        assert_eq!(text.matches("X:").count(), 0);
    }

    #[test]
    fn an_address_that_needs_quoting_is_not_written() {
        for odd in [
            "\"a b\"@d.example",
            "a@b>; x",
            "\u{e4}@d.example",
            "a",
            "@",
            "a@",
            "a..b@c",
            "a@b@c",
            "a b@c",
        ] {
            assert!(
                !text(&Received {
                    for_: Some(odd),
                    ..received()
                })
                .contains("for <"),
                "{odd}"
            );
        }
        for good in ["a.b+c@d.example", "a@[192.0.2.1]", "a=b/c@d"] {
            let text = text(&Received {
                for_: Some(good),
                ..received()
            })
            .replace("\r\n", "");
            assert!(text.contains(&format!("for <{good}>;")), "{good}");
        }
    }

    #[test]
    fn our_name_counts_only_in_a_by_clause() {
        let mail = b"Received: from gate.example.org (x) by other.example; Thu\r\n\
            Received: from x by\r\n\tGATE.example.org (y) with ESMTP; Thu\r\n\
            Received: from x (by gate.example.org (by gate.example.org)) by y; z\r\n\
            Received: from x by y; by gate.example.org\r\n\
            Received: (\\) by z) from \"by gate.example.org\" by(comment)gate.example.org.; x\r\n\
            Received: from x by gate.example.org.evil; x\r\n\
            Received: by\r\n\
            X-Received: by gate.example.org; x\r\n\r\n";
        let message = Message::from_bytes(&mail[..]);
        assert_eq!(names_us(message.headers(), "gate.example.org"), 2);
        assert_eq!(received_count(message.headers()), 7);
    }

    #[test]
    fn a_hundred_and_one_received_fields_are_counted() {
        let mail = b"Received: from a by b; c\r\n".repeat(101);
        assert_eq!(received_count(Message::from_bytes(mail).headers()), 101);
    }
}
