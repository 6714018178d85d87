//! RTF: objects in hexadecimal, templates that lie elsewhere, fields that ask another program.
//!
//! Word is lenient, and what hides objects lives from it: digits are gathered over spaces, other words and groups until
//! the group of `\objdata` closes; a group that says it may be skipped is skipped.

use super::field::{narrow, short};
use super::ole1;
use crate::{Flow, Mark, Visit};

/// Objects that are given out.
const OBJECTS_MAX: usize = 200;
/// Octets of a field's instruction or of a template's name.
const TEXT_MAX: usize = 1_024;
/// Longest control word.
const WORD_MAX: usize = 40;

/// What is gathered in the group that is read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gather {
    Object,
    Template,
    Field,
    Class,
}

/// A control word, or what stands for text.
enum Token<'a> {
    Open,
    Close,
    /// A word; no number matters but that of `\bin`.
    Word(&'a [u8]),
    /// `\*`: what follows may be skipped by who does not know it.
    Ignorable,
    /// An octet as text, or written as `\'hh`.
    Octet(u8, bool),
    /// Octets of `\bin`.
    Binary(&'a [u8]),
}

struct Tokens<'a> {
    octets: &'a [u8],
    at: usize,
}

impl<'a> Tokens<'a> {
    fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    fn take(&mut self) -> Option<u8> {
        let one = self.peek()?;
        self.at += 1;
        Some(one)
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        Some(match self.take()? {
            b'{' => Token::Open,
            b'}' => Token::Close,
            b'\\' => match self.take()? {
                b'*' => Token::Ignorable,
                b'\'' => {
                    let digits = self.octets.get(self.at..self.at + 2).unwrap_or_default();
                    let value = std::str::from_utf8(digits)
                        .ok()
                        .and_then(|two| u8::from_str_radix(two, 16).ok());
                    self.at += digits.len();
                    Token::Octet(value.unwrap_or(b'?'), true)
                }
                first if first.is_ascii_alphabetic() => {
                    let from = self.at - 1;
                    while self.peek().is_some_and(|one| one.is_ascii_alphabetic()) {
                        self.at += 1;
                    }
                    let word = self.octets.get(from..self.at)?;
                    let minus = self.peek() == Some(b'-');
                    if minus {
                        self.at += 1;
                    }
                    let mut number = None;
                    while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
                        number = Some(
                            number
                                .unwrap_or(0i64)
                                .saturating_mul(10)
                                .saturating_add(i64::from(digit - b'0')),
                        );
                        self.at += 1;
                    }
                    if self.peek() == Some(b' ') {
                        self.at += 1;
                    }
                    if word == b"bin" {
                        let length = number
                            .and_then(|one| usize::try_from(one).ok())
                            .filter(|_| !minus)
                            .unwrap_or(0);
                        let end = self.at.saturating_add(length).min(self.octets.len());
                        let octets = self.octets.get(self.at..end)?;
                        self.at = end;
                        return Some(Token::Binary(octets));
                    }
                    Token::Word(word)
                }
                other => Token::Octet(other, true),
            },
            other => Token::Octet(other, false),
        })
    }
}

/// Looks into RTF.
pub(crate) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let mut depth = 0usize;
    // What is gathered, since which depth, and the depth below which a group is skipped.
    let mut open: Option<(Gather, usize)> = None;
    let mut skip: Option<usize> = None;
    let mut ignorable = false;
    let (mut object, mut half, mut text) = (Vec::new(), None::<u8>, Vec::new());
    let mut objects = 0;
    for (turn, token) in (Tokens { octets, at: 0 }).enumerate() {
        if turn % 65_536 == 65_535 && visit.is_over() {
            return;
        }
        let gather = open.filter(|_| skip.is_none()).map(|(gather, _)| gather);
        match token {
            Token::Open => {
                depth += 1;
                ignorable = false;
            }
            Token::Close => {
                if let Some((gather, since)) = open
                    && depth <= since
                {
                    open = None;
                    objects += usize::from(gather == Gather::Object);
                    let over = objects > OBJECTS_MAX;
                    if over {
                        visit.mark(Mark::Files, "objects");
                    }
                    if over || end(gather, &object, &text, visit) == Flow::Stop {
                        return;
                    }
                    object = Vec::new();
                    text.clear();
                }
                if skip.is_some_and(|since| depth <= since) {
                    skip = None;
                }
                depth = depth.saturating_sub(1);
                ignorable = false;
            }
            Token::Ignorable => ignorable = true,
            Token::Word(word) => {
                let word = word.get(..word.len().min(WORD_MAX)).unwrap_or_default();
                let next = match word {
                    b"objdata" => Some(Gather::Object),
                    b"template" => Some(Gather::Template),
                    b"fldinst" => Some(Gather::Field),
                    b"objclass" => Some(Gather::Class),
                    _ => None,
                };
                match next {
                    // A second one in the group begins anew, as it does in Word.
                    Some(next) if gather != Some(Gather::Object) || next == Gather::Object => {
                        open = Some((next, depth));
                        (object, half, skip) = (Vec::new(), None, None);
                        text.clear();
                    }
                    Some(_) => {}
                    None if ignorable
                        && gather == Some(Gather::Object)
                        && open.is_some_and(|(_, since)| depth > since) =>
                    {
                        skip = Some(depth);
                    }
                    None => match word {
                        b"objupdate" => visit.mark(Mark::Action, "object is updated when opened"),
                        b"objautlink" | b"objlink" => visit.mark(Mark::Fetches, "linked object"),
                        _ => {}
                    },
                }
                ignorable = false;
            }
            Token::Binary(octets) if gather == Some(Gather::Object) => {
                if !octets.is_empty() {
                    half = None;
                }
                object.extend_from_slice(octets);
            }
            Token::Binary(_) => {}
            Token::Octet(octet, escaped) => match gather {
                Some(Gather::Object) if !escaped => {
                    let Some(digit) = char::from(octet).to_digit(16) else {
                        continue;
                    };
                    let digit = digit as u8;
                    match half.take() {
                        Some(upper) => object.push(upper << 4 | digit),
                        None => half = Some(digit),
                    }
                }
                Some(Gather::Object) | None => {}
                Some(_) if !matches!(octet, b'\r' | b'\n') && text.len() < TEXT_MAX => text.push(octet),
                Some(_) => {}
            },
        }
    }
    // The end of the file closes all groups.
    if let Some((gather, _)) = open {
        let _ = end(gather, &object, &text, visit);
    }
}

fn end(gather: Gather, object: &[u8], text: &[u8], visit: &mut dyn Visit) -> Flow {
    let text = narrow(text);
    let lower = text.trim().to_ascii_lowercase();
    match gather {
        Gather::Object => return ole1::object(object, visit),
        Gather::Template if super::ooxml::is_elsewhere(&text) => {
            visit.mark(Mark::Fetches, &short(&format!("template {text}")));
        }
        Gather::Field if lower.trim_start_matches(['"', ' ']).starts_with("dde") => {
            visit.mark(Mark::Fetches, &short(&format!("field {text}")));
        }
        Gather::Class if lower.starts_with("equation") => visit.mark(Mark::Embedded, "equation"),
        _ => {}
    }
    Flow::On
}

#[cfg(test)]
mod tests {
    use super::super::heard::Heard;
    use super::*;

    fn heard(text: &str) -> Heard {
        let mut heard = Heard::default();
        read(text.as_bytes(), &mut heard);
        heard
    }

    /// An OLE 1 object of class Package with a file in it, in hexadecimal.
    fn packed(name: &str, octets: &[u8]) -> String {
        let mut inner = vec![2, 0];
        for one in [name, "C:\\x\\"] {
            inner.extend_from_slice(one.as_bytes());
            inner.push(0);
        }
        inner.extend_from_slice(&[0, 0, 3, 0]);
        let path = [b"C:\\t\\", name.as_bytes(), b"\0"].concat();
        for one in [&path[..], octets] {
            inner.extend_from_slice(&(one.len() as u32).to_le_bytes());
            inner.extend_from_slice(one);
        }
        let mut object = [0x01, 0x05, 0, 0, 2, 0, 0, 0, 8, 0, 0, 0].to_vec();
        object.extend_from_slice(b"Package\0\0\0\0\0\0\0\0\0");
        object.extend_from_slice(&(inner.len() as u32).to_le_bytes());
        object.extend_from_slice(&inner);
        object.iter().map(|octet| format!("{octet:02x}")).collect()
    }

    #[test]
    fn a_package_is_found_however_it_is_scattered() {
        let hex = packed("run.exe", b"MZ here");
        let (one, two) = hex.split_at(33);
        for text in [
            format!("{{\\rtf1{{\\object\\objemb{{\\*\\objdata {hex}}}}}}}"),
            format!("{{\\rt{{\\object{{\\*\\objdata {one}\r\n \t{two}"),
            format!("{{\\rtf1{{\\object{{\\objdata{{\\*\\skipped 41 42}}{one}{{\\other3 {two}}}}}}}}}"),
            format!("{{\\rtf1{{\\object{{\\*\\objdata 0105\\objdata {one}\\'7f\\bin0 {two}}}}}}}"),
        ] {
            let heard = heard(&text);
            assert_eq!(heard.file("run.exe"), Some(&b"MZ here"[..]), "{text}");
            assert!(heard.marks().contains(&Mark::Embedded));
        }
    }

    #[test]
    fn octets_of_bin_belong_to_the_object() {
        let object = [
            &[1, 5, 0, 0, 2, 0, 0, 0][..],
            &[4, 0, 0, 0],
            b"OLE\0",
            &[0; 8],
            &[3, 0, 0, 0],
            b"}{x",
        ]
        .concat();
        let mut text = format!("{{\\rtf1{{\\*\\objdata \\bin{} ", object.len()).into_bytes();
        text.extend_from_slice(&object);
        text.extend_from_slice(b"}}");
        let mut heard = Heard::default();
        read(&text, &mut heard);
        assert_eq!(heard.file("object"), Some(&b"}{x"[..]));
    }

    #[test]
    fn what_is_fetched_is_told() {
        assert_eq!(
            heard(r"{\rtf1{\*\template http://e.example/a}}").marks(),
            [Mark::Fetches]
        );
        assert_eq!(heard(r"{\rtf1{\*\template C:\\Users\\a\\Normal.dotm}}").marks(), []);
        assert_eq!(
            heard(r#"{\rtf1{\field{\*\fldinst DDEAUTO c:\\windows\\cmd}}}"#).marks(),
            [Mark::Fetches]
        );
        assert_eq!(
            heard(r#"{\rtf1{\field{\*\fldinst HYPERLINK "http://e.example"}}}"#).marks(),
            []
        );
        assert_eq!(
            heard(r"{\rtf1{\object{\*\objclass Equation.3}}}").marks(),
            [Mark::Embedded]
        );
    }

    #[test]
    fn plain_text_has_no_marks() {
        assert_eq!(
            heard(r"{\rtf1\ansi{\fonttbl\f0 Arial;}\f0\fs20 Hello \b world\b0.\par}"),
            Heard::default()
        );
    }
}
