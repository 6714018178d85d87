//! Envelope addresses, as values: what was parsed is what is written again upstream.
//!
//! **Invariant:** what [`Display`](fmt::Display) writes parses to an equal value and holds no control character, so no
//! address can carry a second command. **Absent on purpose:** what an address means (`%`, `!` and `+` are letters here),
//! IDNA mapping and Unicode normalisation: an address is compared as it was written.

use std::fmt::{self, Write as _};
use std::hash::{Hash, Hasher};
use std::net::{Ipv4Addr, Ipv6Addr};

/// What stands after the `@`. Names keep the letter case they came in and compare without it.
#[derive(Clone, Debug)]
pub enum Domain {
    /// A host or mail domain: LDH labels, or UTF-8 labels under SMTPUTF8; at most 255 octets, no trailing dot.
    Name(Box<str>),
    /// An address literal, `[192.0.2.1]`.
    V4(Ipv4Addr),
    /// An address literal, `[IPv6:2001:db8::1]`.
    V6(Ipv6Addr),
}

/// A mailbox: local part and domain (RFC 5321 §4.1.2).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Address {
    local: Box<str>,
    domain: Domain,
}

/// A reverse or forward path, source routes dropped.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Path {
    /// `<>`: the sender of bounces. Never a recipient.
    Null,
    /// `<postmaster>` without a domain (RFC 5321 §4.5.1). Only a recipient.
    Postmaster,
    /// An ordinary mailbox.
    Mailbox(Address),
}

impl PartialEq for Domain {
    fn eq(&self, other: &Domain) -> bool {
        match (self, other) {
            (Domain::Name(a), Domain::Name(b)) => a.eq_ignore_ascii_case(b),
            (Domain::V4(a), Domain::V4(b)) => a == b,
            (Domain::V6(a), Domain::V6(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Domain {}

impl Hash for Domain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        match self {
            Domain::Name(name) => name.bytes().for_each(|b| state.write_u8(b.to_ascii_lowercase())),
            Domain::V4(ip) => ip.hash(state),
            Domain::V6(ip) => ip.hash(state),
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Domain::Name(name) => f.write_str(name),
            Domain::V4(ip) => write!(f, "[{ip}]"),
            Domain::V6(ip) => write!(f, "[IPv6:{ip}]"),
        }
    }
}

/// Why a text is no address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadAddress {
    /// It does not follow the grammar of RFC 5321 §4.1.2.
    Syntax,
    /// The local part is longer than 64 octets, or the whole longer than 254.
    TooLong,
    /// It holds characters beyond ASCII and SMTPUTF8 was not asked for.
    NotAscii,
    /// It holds CR, LF, NUL or another control character.
    Control,
}

impl BadAddress {
    /// The fault of a text that holds what no address may, or of a character beyond ASCII where `utf8` forbids it.
    fn in_text(text: &str, utf8: bool) -> Result<(), BadAddress> {
        if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            Ok(())
        } else if text
            .chars()
            .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
        {
            Err(BadAddress::Control)
        } else if utf8 {
            Ok(())
        } else {
            Err(BadAddress::NotAscii)
        }
    }
}

/// The most octets of a local part, quotes and backslashes counted where it needs them (RFC 5321 §4.5.3.1.1).
const MAX_LOCAL: usize = 64;
/// The most octets of a domain (RFC 5321 §4.5.3.1.2).
const MAX_DOMAIN: usize = 255;
/// The most octets of a whole address, so that a path with its brackets has 256 (RFC 5321 §4.5.3.1.3).
const MAX_ADDRESS: usize = 254;
/// The most characters of a label (RFC 1035 §2.3.4; a U-label may have more octets).
const MAX_LABEL: usize = 63;

impl Domain {
    /// Reads a domain name or an address literal in brackets. `utf8` allows U-labels. Underscores pass, since mail
    /// domains with them exist; an IPv4-mapped IPv6 literal becomes the IPv4 address.
    pub fn parse(text: &str, utf8: bool) -> Result<Domain, BadAddress> {
        BadAddress::in_text(text, utf8)?;
        if text.len() > MAX_DOMAIN {
            return Err(BadAddress::TooLong);
        }
        if let Some(literal) = text.strip_prefix('[') {
            let literal = literal.strip_suffix(']').ok_or(BadAddress::Syntax)?;
            return match literal.split_at_checked(5) {
                Some((tag, ip)) if tag.eq_ignore_ascii_case("IPv6:") => {
                    let ip: Ipv6Addr = ip.parse().map_err(|_| BadAddress::Syntax)?;
                    Ok(ip.to_ipv4_mapped().map_or(Domain::V6(ip), Domain::V4))
                }
                _ => literal.parse().map(Domain::V4).map_err(|_| BadAddress::Syntax),
            };
        }
        if text.split('.').all(is_label) {
            Ok(Domain::Name(text.into()))
        } else {
            Err(BadAddress::Syntax)
        }
    }

    /// The name in lower case, for keys and tables; a literal in its canonical text.
    pub fn key(&self) -> String {
        self.to_string().to_ascii_lowercase()
    }
}

impl Address {
    /// Reads `local@domain`, the local part quoted or not, without angle brackets. `utf8` allows characters beyond
    /// ASCII (RFC 6531).
    pub fn parse(text: &str, utf8: bool) -> Result<Address, BadAddress> {
        BadAddress::in_text(text, utf8)?;
        let (local, domain) = if let Some(quoted) = text.strip_prefix('"') {
            let (local, rest) = unquote(quoted).ok_or(BadAddress::Syntax)?;
            (local, rest.strip_prefix('@').ok_or(BadAddress::Syntax)?)
        } else {
            let (local, domain) = text.split_once('@').ok_or(BadAddress::Syntax)?;
            if !is_dot_string(local) {
                return Err(BadAddress::Syntax);
            }
            (local.into(), domain)
        };
        let address = Address {
            local,
            domain: Domain::parse(domain, utf8)?,
        };
        // Measured as it will be written, so that what was accepted can be written.
        let local = Counted::of(&Local(&address.local));
        if local > MAX_LOCAL || Counted::of(&address) > MAX_ADDRESS {
            return Err(BadAddress::TooLong);
        }
        Ok(address)
    }

    /// The local part without quotes, in the case it was written in.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The whole in lower case, for keys and tables.
    pub fn key(&self) -> String {
        self.to_string().to_lowercase()
    }

    /// Whether it can only be spoken of under SMTPUTF8.
    pub fn needs_utf8(&self) -> bool {
        !self.local.is_ascii() || matches!(&self.domain, Domain::Name(n) if !n.is_ascii())
    }
}

impl fmt::Display for Address {
    /// As it stands on the wire between the angle brackets, the local part quoted where it must be.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", Local(&self.local), self.domain)
    }
}

/// A local part as it is written, quoted where it must be.
struct Local<'a>(&'a str);

impl fmt::Display for Local<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(self.0) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            if matches!(c, '"' | '\\') {
                f.write_char('\\')?;
            }
            f.write_char(c)?;
        }
        f.write_char('"')
    }
}

/// Counts octets that are written, without writing them.
struct Counted(usize);

impl Counted {
    fn of(what: &impl fmt::Display) -> usize {
        let mut counted = Counted(0);
        // Counting cannot fail; were it to, nothing would be short enough.
        write!(counted, "{what}").map_or(usize::MAX, |()| counted.0)
    }
}

impl fmt::Write for Counted {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

/// Atoms between dots (RFC 5321 §4.1.2), with RFC 6531 §3.3 any character beyond ASCII in them.
fn is_dot_string(text: &str) -> bool {
    let is_atext = |b: u8| b.is_ascii_alphanumeric() || b >= 0x80 || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    text.split('.')
        .all(|atom| !atom.is_empty() && atom.bytes().all(is_atext))
}

/// Reads a quoted string behind its opening quote: the text without quotes and backslashes, and what follows.
fn unquote(text: &str) -> Option<(Box<str>, &str)> {
    let mut local = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((local.into_boxed_str(), chars.as_str())),
            '\\' => local.push(chars.next().filter(|c| matches!(c, ' '..='~'))?),
            c => local.push(c),
        }
    }
}

/// One label of a domain: letters, digits, hyphens within, underscores; beyond ASCII what can be seen and does not
/// pass for an ASCII character that has a meaning here.
fn is_label(label: &str) -> bool {
    let legal = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '-' | '_' => true,
        c if c.is_ascii() => false,
        // Other full stops, and full-width and small forms of ASCII.
        '\u{2024}' | '\u{3002}' | '\u{ff61}' | '\u{ff00}'..='\u{ff5e}' | '\u{fe50}'..='\u{fe6f}' => false,
        c => !is_unseen(c),
    };
    !label.is_empty()
        && label.chars().count() <= MAX_LABEL
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.chars().all(legal)
}

/// Whether a character shows nothing, is a space, or turns the text around: no part of a name.
pub fn is_unseen(c: char) -> bool {
    match c {
        '!'..='~' => false,
        // Soft hyphen, grapheme joiner, Arabic letter mark, Hangul and Khmer fillers, Mongolian selectors.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' => true,
        // Zero widths, bidi marks, embeddings and isolates.
        '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' => true,
        // More fillers, variation selectors, the byte order mark, interlinear marks, tags.
        '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' => true,
        '\u{fff0}'..='\u{fffd}' | '\u{e0000}'..='\u{e0fff}' => true,
        c => c.is_control() || c.is_whitespace(),
    }
}

impl Path {
    /// Reads the path of MAIL as it stands between the angle brackets: nothing, or an address, perhaps behind a source
    /// route, which is dropped (RFC 5321 §3.6.1).
    pub fn reverse(text: &str, utf8: bool) -> Result<Path, BadAddress> {
        if text.is_empty() {
            Ok(Path::Null)
        } else {
            Path::mailbox_of(text, utf8)
        }
    }

    /// Reads the path of RCPT as it stands between the angle brackets: `postmaster` in any letter case, or an address,
    /// perhaps behind a source route, which is dropped.
    pub fn forward(text: &str, utf8: bool) -> Result<Path, BadAddress> {
        if text.eq_ignore_ascii_case("postmaster") {
            Ok(Path::Postmaster)
        } else {
            Path::mailbox_of(text, utf8)
        }
    }

    fn mailbox_of(text: &str, utf8: bool) -> Result<Path, BadAddress> {
        let mut text = text;
        if text.starts_with('@') {
            text = loop {
                let hop = text.strip_prefix('@').ok_or(BadAddress::Syntax)?;
                // The colons of a literal do not end the route.
                let literal = if hop.starts_with('[') {
                    hop.find(']').ok_or(BadAddress::Syntax)?
                } else {
                    0
                };
                let after = hop.get(literal..).unwrap_or_default();
                let end = literal + after.find([',', ':']).ok_or(BadAddress::Syntax)?;
                let (domain, rest) = hop.split_at_checked(end).ok_or(BadAddress::Syntax)?;
                Domain::parse(domain, utf8)?;
                match rest.strip_prefix(',') {
                    Some(next) => text = next,
                    None => break rest.strip_prefix(':').ok_or(BadAddress::Syntax)?,
                }
            };
        }
        Address::parse(text, utf8).map(Path::Mailbox)
    }

    /// The mailbox, where it names one.
    pub fn mailbox(&self) -> Option<&Address> {
        match self {
            Path::Mailbox(address) => Some(address),
            _ => None,
        }
    }

    /// Whether it is `<>`.
    pub fn is_null(&self) -> bool {
        matches!(self, Path::Null)
    }
}

impl fmt::Display for Path {
    /// Without angle brackets: empty, `postmaster`, or the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Null => Ok(()),
            Path::Postmaster => f.write_str("postmaster"),
            Path::Mailbox(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Address {
        Address::parse(text, false).unwrap_or_else(|bad| panic!("{text}: {bad:?}"))
    }

    fn refused(text: &str) -> BadAddress {
        Address::parse(text, true).expect_err(text)
    }

    #[test]
    fn an_address_keeps_its_letter_case_and_compares_its_domain_without() {
        let address = parsed("User.Name+tag@Example.ORG");
        assert_eq!(address.to_string(), "User.Name+tag@Example.ORG");
        assert_eq!(address, parsed("User.Name+tag@example.org"));
        assert_ne!(address, parsed("user.name+tag@example.org"));
        assert_eq!(address.key(), "user.name+tag@example.org");
    }

    #[test]
    fn a_local_part_is_quoted_only_where_it_must_be() {
        assert_eq!(parsed(r#""a.b"@c.example"#).to_string(), "a.b@c.example");
        assert_eq!(parsed(r#""a b"@c.example"#).local(), "a b");
        assert_eq!(parsed(r#""a b"@c.example"#).to_string(), r#""a b"@c.example"#);
        assert_eq!(parsed(r#""a\"\\\c"@d"#).local(), r#"a"\c"#);
        assert_eq!(parsed(r#""a\"\\\c"@d"#).to_string(), r#""a\"\\c"@d"#);
        assert_eq!(parsed(r#""a@b"@local"#).domain(), &Domain::Name("local".into()));
        assert_eq!(parsed(r#"""@d"#).to_string(), r#"""@d"#);
        assert_eq!(parsed(r#""a..b"@d"#).to_string(), r#""a..b"@d"#);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "@",
            "a",
            "a@",
            "@b",
            "a@b@c",
            ".a@b",
            "a.@b",
            "a..b@c",
            "a b@c",
            "a@b c",
            "a@.b",
            "a@b.",
            "a@b..c",
            "a@-b",
            "a@b-",
            "a@[1.2.3]",
            "a@[1.2.3.04]",
            "a@[::1]",
            "a@[IPv6:1.2.3.4]",
            "a@[IPv6:fe80::1%eth0]",
            "a@[1.2.3.4",
            "a@1.2.3.4]",
            "\"a@b",
            "\"a\"b@c",
            "\"a\\\"@b",
            "<a@b>",
            "a@b>",
            "a@b,c@d",
            "a(c)@b",
            "a@b/c",
        ] {
            assert_eq!(refused(text), BadAddress::Syntax, "{text}");
        }
    }

    #[test]
    fn no_control_character_is_in_an_address_not_even_quoted() {
        for text in [
            "\"a\rQUIT\"@c",
            "\"a\\\n\"@c",
            "a\0@c",
            "a@c\r\n",
            "a\t@b",
            "a\u{85}@b",
            "a\u{2028}@b",
        ] {
            assert_eq!(refused(text), BadAddress::Control, "{text:?}");
        }
    }

    #[test]
    fn parts_have_their_limits() {
        let local = "a".repeat(64);
        assert!(Address::parse(&format!("{local}@b"), false).is_ok());
        assert_eq!(refused(&format!("a{local}@b")), BadAddress::TooLong);
        assert_eq!(refused(&format!("\"{}\"@b", " ".repeat(63))), BadAddress::TooLong);
        let label = "b".repeat(63);
        assert!(Address::parse(&format!("a@{label}.{label}"), false).is_ok());
        assert_eq!(refused(&format!("a@b{label}")), BadAddress::Syntax);
        let domain = [label.as_str(); 3].join(".");
        assert!(Address::parse(&format!("{}@{domain}", "a".repeat(62)), false).is_ok());
        assert_eq!(refused(&format!("{}@{domain}", "a".repeat(63))), BadAddress::TooLong);
        assert_eq!(refused(&format!("a@{domain}.{label}.c")), BadAddress::TooLong);
    }

    #[test]
    fn literals_are_canonical() {
        assert_eq!(parsed("a@[192.0.2.1]").domain(), &Domain::V4([192, 0, 2, 1].into()));
        assert_eq!(parsed("a@[ipv6:2001:DB8:0::1]").to_string(), "a@[IPv6:2001:db8::1]");
        assert_eq!(parsed("a@[IPv6:::ffff:192.0.2.1]").to_string(), "a@[192.0.2.1]");
    }

    #[test]
    fn beyond_ascii_only_under_smtputf8() {
        assert_eq!(Address::parse("ä@b.example", false), Err(BadAddress::NotAscii));
        let address = Address::parse("ä.ö@bücher.example", true).expect("legal");
        assert!(address.needs_utf8());
        assert_eq!(address.to_string(), "ä.ö@bücher.example");
        for domain in [
            "b\u{200b}c",
            "b\u{202e}c",
            "b\u{3002}c",
            "b\u{a0}c",
            "\u{ff42}",
            "b\u{feff}",
        ] {
            assert_eq!(Domain::parse(domain, true), Err(BadAddress::Syntax), "{domain:?}");
        }
    }

    #[test]
    fn an_underscore_is_in_real_mail_domains() {
        assert_eq!(parsed("a@my_host.example").to_string(), "a@my_host.example");
    }

    #[test]
    fn paths_are_null_postmaster_or_a_mailbox() {
        assert_eq!(Path::reverse("", false), Ok(Path::Null));
        assert_eq!(Path::forward("", false), Err(BadAddress::Syntax));
        assert_eq!(Path::forward("PostMaster", false), Ok(Path::Postmaster));
        assert_eq!(Path::reverse("postmaster", false), Err(BadAddress::Syntax));
    }

    #[test]
    fn a_source_route_is_dropped() {
        for text in ["@a:u@c", "@a,@b:u@c", "@[IPv6:::1],@[192.0.2.1]:u@c"] {
            assert_eq!(Path::forward(text, false).expect(text).to_string(), "u@c");
        }
        for text in [
            "@a",
            "@a,:u@c",
            "@a,b:u@c",
            "@:u@c",
            "@a,@b",
            "@a:@b:u@c",
            "@[IPv6:::1:u@c",
        ] {
            assert_eq!(Path::forward(text, false), Err(BadAddress::Syntax), "{text}");
        }
    }
}
