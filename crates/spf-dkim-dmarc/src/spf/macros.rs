//! Macro strings (RFC 7208 section 7): their syntax, and what they expand to.
//!
//! **Invariant:** what [`check`] let pass expands to text without an error, and no expansion grows past the bound that it
//! was given. **Absent on purpose:** DNS. The name that `%{p}` stands for is a fact like the others; who expands finds it
//! first, where [`asks_for_names`] says so.

use std::fmt::Write as _;
use std::net::IpAddr;

use gatepost_core::Time;

/// Where a macro string stands, which says what it may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The domain of a term: no space, none of the letters that only explanations know.
    Term,
    /// The value of a modifier that nobody knows: no space, all letters.
    Unknown,
    /// The text of an explanation: spaces and all letters.
    Explanation,
}

/// What macros stand for.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// `%{l}`, and with `origin` `%{s}`.
    pub local: &'a str,
    /// `%{o}`: the domain of the sender.
    pub origin: &'a str,
    /// `%{d}`: the domain whose record is read.
    pub domain: &'a str,
    /// `%{i}`, `%{v}` and `%{c}`.
    pub client: IpAddr,
    /// `%{p}`: the client's validated name.
    pub name: &'a str,
    /// `%{h}`.
    pub helo: &'a str,
    /// `%{r}`.
    pub receiver: &'a str,
    /// `%{t}`.
    pub now: Time,
}

/// A piece of a macro string.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Piece<'a> {
    /// What stands there as it is.
    Literal(&'a str),
    /// What stands for one of the characters that cannot.
    Escape(&'static str),
    /// What stands for a fact.
    Macro(Macro<'a>),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Macro<'a> {
    /// In lower case.
    letter: u8,
    /// The letter was a capital: the value is escaped for a URL.
    escaped: bool,
    /// How many parts from the right are kept.
    keep: Option<usize>,
    reversed: bool,
    delimiters: &'a str,
}

/// What is wrong with a macro string.
pub type Fault = &'static str;

/// Takes the pieces off the front of a text.
struct Pieces<'a>(&'a str);

impl<'a> Iterator for Pieces<'a> {
    type Item = Result<Piece<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let Some(behind) = self.0.strip_prefix('%') else {
            let end = self.0.find('%').unwrap_or(self.0.len());
            let (literal, rest) = self.0.split_at_checked(end)?;
            self.0 = rest;
            return Some(Ok(Piece::Literal(literal)));
        };
        let mut chars = behind.chars();
        let escape = match chars.next() {
            Some('%') => "%",
            Some('_') => " ",
            Some('-') => "%20",
            Some('{') => {
                let Some((inner, rest)) = chars.as_str().split_once('}') else {
                    self.0 = "";
                    return Some(Err("a macro without its closing brace"));
                };
                self.0 = rest;
                return Some(expression(inner).map(Piece::Macro));
            }
            _ => {
                self.0 = "";
                return Some(Err("a percent sign that begins no macro"));
            }
        };
        self.0 = chars.as_str();
        Some(Ok(Piece::Escape(escape)))
    }
}

/// What stands between the braces.
fn expression(text: &str) -> Result<Macro<'_>, Fault> {
    let mut chars = text.chars();
    let letter = chars.next().filter(char::is_ascii_alphabetic);
    let letter = letter.ok_or("a macro without a letter")?;
    let rest = chars.as_str();
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, rest) = rest.split_at_checked(digits).unwrap_or_default();
    let keep = match digits {
        "" => None,
        // More parts than there are parts are all of them.
        digits => match digits.parse().unwrap_or(usize::MAX) {
            0 => return Err("a macro that keeps no part of its value"),
            keep => Some(keep),
        },
    };
    let after = rest.strip_prefix(['r', 'R']);
    let delimiters = after.unwrap_or(rest);
    if !delimiters.bytes().all(|b| b".-+,/_=".contains(&b)) {
        return Err("a macro with a delimiter that is none");
    }
    Ok(Macro {
        letter: u8::try_from(letter.to_ascii_lowercase()).unwrap_or_default(),
        escaped: letter.is_ascii_uppercase(),
        keep,
        reversed: after.is_some(),
        delimiters: if delimiters.is_empty() { "." } else { delimiters },
    })
}

/// Whether a text is a macro string that may stand there.
pub fn check(text: &str, place: Place) -> Result<(), Fault> {
    for piece in Pieces(text) {
        match piece? {
            Piece::Literal(literal) => {
                let legal = |b: u8| b.is_ascii_graphic() || (b == b' ' && place == Place::Explanation);
                if !literal.bytes().all(legal) {
                    return Err("a character that may not stand there");
                }
            }
            Piece::Escape(_) => {}
            Piece::Macro(expression) => match expression.letter {
                b's' | b'l' | b'o' | b'd' | b'i' | b'p' | b'v' | b'h' => {}
                b'c' | b'r' | b't' if place != Place::Term => {}
                b'c' | b'r' | b't' => return Err("a macro that only explanations know"),
                _ => return Err("a macro with an unknown letter"),
            },
        }
    }
    Ok(())
}

/// Whether a text ends in a macro, so that nobody can say before its expansion how that ends.
pub fn ends_in_macro(text: &str) -> bool {
    matches!(Pieces(text).last(), Some(Ok(Piece::Macro(_) | Piece::Escape(_))))
}

/// Whether the client's validated name is wanted (`%{p}`).
pub fn asks_for_names(text: &str) -> bool {
    text.contains('%') && Pieces(text).any(|piece| matches!(piece, Ok(Piece::Macro(Macro { letter: b'p', .. }))))
}

/// What a macro string expands to, and whether that is all of it: it is cut after at most `most` octets.
pub fn expand(text: &str, facts: &Facts<'_>, most: usize) -> (String, bool) {
    let mut out = String::with_capacity(text.len().min(most));
    for piece in Pieces(text).flatten() {
        match piece {
            Piece::Literal(text) | Piece::Escape(text) => out.push_str(text),
            Piece::Macro(expression) => put(&mut out, &expression, facts, most),
        }
        if out.len() > most {
            while out.len() > most {
                out.pop();
            }
            return (out, false);
        }
    }
    (out, true)
}

/// Appends what one macro stands for; stops soon after `most` octets.
fn put(out: &mut String, expression: &Macro<'_>, facts: &Facts<'_>, most: usize) {
    let made;
    let value = match expression.letter {
        b's' => {
            made = format!("{}@{}", facts.local, facts.origin);
            &made
        }
        b'l' => facts.local,
        b'o' => facts.origin,
        b'd' => facts.domain,
        b'i' => {
            made = dotted(facts.client);
            &made
        }
        b'p' => facts.name,
        b'v' if facts.client.is_ipv4() => "in-addr",
        b'v' => "ip6",
        b'h' => facts.helo,
        b'c' => {
            made = facts.client.to_string();
            &made
        }
        b'r' => facts.receiver,
        b't' => {
            made = facts.now.secs().to_string();
            &made
        }
        _ => "",
    };
    let mut push = |part: &str| {
        for c in part.chars() {
            if out.len() > most {
                return;
            }
            if !expression.escaped || c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~') {
                out.push(c);
            } else {
                for octet in c.encode_utf8(&mut [0; 4]).bytes() {
                    // A String takes what is written.
                    let _ = write!(out, "%{octet:02X}");
                }
            }
        }
    };
    if expression.keep.is_none() && !expression.reversed && expression.delimiters == "." {
        return push(value);
    }
    let mut parts: Vec<&str> = value.split(|c| expression.delimiters.contains(c)).collect();
    if expression.reversed {
        parts.reverse();
    }
    let dropped = parts.len().saturating_sub(expression.keep.unwrap_or(parts.len()));
    for (n, part) in parts.iter().skip(dropped).enumerate() {
        if n > 0 {
            push(".");
        }
        push(part);
    }
}

/// An address as `%{i}` has it: an IPv6 one as its nibbles.
fn dotted(client: IpAddr) -> String {
    match client {
        IpAddr::V4(v4) => v4.to_string(),
        IpAddr::V6(v6) => {
            let mut out = String::with_capacity(63);
            for nibble in v6.octets().iter().flat_map(|octet| [octet >> 4, octet & 15]) {
                let dot = if out.is_empty() { "" } else { "." };
                let _ = write!(out, "{dot}{nibble:X}");
            }
            out
        }
    }
}
