//! Words of PDF (ISO 32000-1, 7.2 and 7.3).

/// A word.
#[derive(Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// `<<`
    Open,
    /// `>>`
    Close,
    /// `[`
    OpenArray,
    /// `]`
    CloseArray,
    /// A name, its `#xx` resolved.
    Name(String),
    /// A text, in brackets or in hexadecimal.
    Text(Vec<u8>),
    /// A whole number that is not negative; others are words.
    Number(u64),
    /// `12 0 R`
    Reference(u64),
    /// Any other.
    Word(&'a [u8]),
}

/// Longest word, in octets; what is longer is no word that matters.
const WORD_MAX: usize = 256;
/// Octets of a text that are kept.
const TEXT_MAX: usize = 4_096;

/// Where in the octets the next word begins.
pub(super) struct Lexer<'a> {
    octets: &'a [u8],
    pub(super) at: usize,
}

fn is_space(octet: u8) -> bool {
    matches!(octet, 0 | 9 | 10 | 12 | 13 | 32)
}

fn is_regular(octet: u8) -> bool {
    !is_space(octet)
        && !matches!(
            octet,
            b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%'
        )
}

fn hex(octet: Option<u8>) -> Option<u8> {
    char::from(octet?).to_digit(16).map(|digit| digit as u8)
}

impl<'a> Lexer<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Lexer<'a> {
        Lexer { octets, at: 0 }
    }

    fn peek(&self, on: usize) -> Option<u8> {
        self.octets.get(self.at.checked_add(on)?).copied()
    }

    fn regular(&mut self) -> &'a [u8] {
        let all = self.octets.get(self.at..).unwrap_or_default();
        // Longer words are cut, so that none is read again and again.
        let all = all.get(..all.len().min(WORD_MAX)).unwrap_or_default();
        let length = all.iter().position(|octet| !is_regular(*octet)).unwrap_or(all.len());
        self.at += length;
        all.get(..length).unwrap_or_default()
    }

    fn space(&mut self) {
        while let Some(octet) = self.peek(0) {
            if octet == b'%' {
                let all = self.octets.get(self.at..).unwrap_or_default();
                self.at += memchr::memchr2(b'\r', b'\n', all).unwrap_or(all.len());
            } else if is_space(octet) {
                self.at += 1;
            } else {
                break;
            }
        }
    }

    /// The next word; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        self.space();
        let first = self.peek(0)?;
        Some(match first {
            b'<' if self.peek(1) == Some(b'<') => self.skip(2, Token::Open),
            b'>' if self.peek(1) == Some(b'>') => self.skip(2, Token::Close),
            b'[' => self.skip(1, Token::OpenArray),
            b']' => self.skip(1, Token::CloseArray),
            b'/' => {
                self.at += 1;
                Token::Name(resolve(self.regular()))
            }
            b'(' => Token::Text(self.round()),
            b'<' => Token::Text(self.pointed()),
            octet if !is_regular(octet) => {
                let from = self.at;
                self.at += 1;
                Token::Word(self.octets.get(from..self.at).unwrap_or_default())
            }
            _ => {
                let word = self.regular();
                match number(word) {
                    Some(number) => self.reference(number).unwrap_or(Token::Number(number)),
                    None => Token::Word(keyword(word, &mut self.at)),
                }
            }
        })
    }

    fn skip(&mut self, octets: usize, token: Token<'a>) -> Token<'a> {
        self.at += octets;
        token
    }

    /// A second number and an `R` make a reference of the first.
    fn reference(&mut self, first: u64) -> Option<Token<'a>> {
        let back = self.at;
        self.space();
        let second = number(self.regular());
        self.space();
        if second.is_some() && self.regular() == b"R" {
            return Some(Token::Reference(first));
        }
        self.at = back;
        None
    }

    /// A text in round brackets, which may hold others.
    fn round(&mut self) -> Vec<u8> {
        self.at += 1;
        let (mut found, mut depth) = (Vec::new(), 1usize);
        while let Some(octet) = self.peek(0) {
            self.at += 1;
            let one = match octet {
                b'\\' => {
                    let Some(next) = self.peek(0) else { break };
                    self.at += 1;
                    match next {
                        b'n' => b'\n',
                        b'r' => b'\r',
                        b't' => b'\t',
                        b'0'..=b'7' => {
                            let mut value = u32::from(next - b'0');
                            for _ in 0..2 {
                                let Some(digit) = self.peek(0).filter(|digit| matches!(digit, b'0'..=b'7')) else {
                                    break;
                                };
                                value = value * 8 + u32::from(digit - b'0');
                                self.at += 1;
                            }
                            value as u8
                        }
                        b'\r' | b'\n' => continue,
                        other => other,
                    }
                }
                b'(' => {
                    depth += 1;
                    octet
                }
                b')' => {
                    depth -= 1;
                    if depth == 0 {
                        break;
                    }
                    octet
                }
                other => other,
            };
            if found.len() < TEXT_MAX {
                found.push(one);
            }
        }
        found
    }

    /// A text in hexadecimal.
    fn pointed(&mut self) -> Vec<u8> {
        self.at += 1;
        let (mut found, mut half) = (Vec::new(), None);
        while let Some(octet) = self.peek(0) {
            self.at += 1;
            if octet == b'>' {
                break;
            }
            let Some(digit) = hex(Some(octet)) else { continue };
            match half.take() {
                Some(upper) if found.len() < TEXT_MAX => found.push(upper << 4 | digit),
                Some(_) => {}
                None => half = Some(digit),
            }
        }
        if let Some(upper) = half {
            found.push(upper << 4);
        }
        found
    }
}

/// Words that stick to what follows where a writer left out the space: `endobj5 0 obj`, `stream` before packed octets.
fn keyword<'a>(word: &'a [u8], at: &mut usize) -> &'a [u8] {
    for known in [&b"endobj"[..], b"endstream", b"stream", b"trailer", b"obj"] {
        if let Some(more) = word.strip_prefix(known) {
            *at = at.saturating_sub(more.len());
            return word.get(..known.len()).unwrap_or(word);
        }
    }
    word
}

fn number(word: &[u8]) -> Option<u64> {
    let digits = word.strip_prefix(b"+").unwrap_or(word);
    let whole = !digits.is_empty() && digits.len() <= 12 && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| whole)?.parse().ok()
}

fn resolve(name: &[u8]) -> String {
    let (mut found, mut at) = (Vec::with_capacity(name.len()), 0);
    while let Some(octet) = name.get(at) {
        let two = hex(name.get(at + 1).copied()).zip(hex(name.get(at + 2).copied()));
        match two.filter(|_| *octet == b'#') {
            Some((upper, lower)) => {
                found.push(upper << 4 | lower);
                at += 3;
            }
            None => {
                found.push(*octet);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&found).into_owned()
}

/// A text: UTF-16 or UTF-8 by its mark, else one character an octet.
pub(super) fn text(octets: &[u8]) -> String {
    match octets {
        [0xfe, 0xff, rest @ ..] => {
            let units: Vec<u16> = rest
                .chunks_exact(2)
                .map(|two| u16::from_be_bytes([two[0], two[1]]))
                .collect();
            String::from_utf16_lossy(&units)
        }
        [0xff, 0xfe, rest @ ..] => super::super::field::wide(rest),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => octets.iter().map(|octet| char::from(*octet)).collect(),
    }
}
