//! What the header of a part says about it, in all the ways that it can be understood.

use crate::header::{Header, Headers};
use crate::reading::decode::{self, Transfer};
use crate::reading::parameters::Parameters;
use crate::reading::parts::{BOUNDARIES_MAX, VALUE_MAX};
use crate::reading::{Anomalies, Excess, url};

use super::{Ambiguity, NAME_MAX, NAMES_MAX};

/// Fields of one name that are looked at.
const FIELDS_MAX: usize = 4;

/// A media type with its boundaries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Type {
    pub(super) mime: String,
    pub(super) boundaries: Vec<Vec<u8>>,
}

impl Type {
    pub(super) fn is_multipart(&self) -> bool {
        self.mime.starts_with("multipart/")
    }

    pub(super) fn is_message(&self) -> bool {
        matches!(
            self.mime.as_str(),
            "message/rfc822" | "message/global" | "message/news" | "message/partial"
        )
    }
}

/// What a header says.
#[derive(Clone, Debug)]
pub(super) struct Said {
    /// The types as they are written, never none.
    pub(super) types: Vec<Type>,
    /// What Content-Transfer-Encoding says, once for each way to understand it; never none.
    pub(super) transfers: Vec<Transfer>,
    /// Whether a transfer encoding is none that is known, so that readers guess.
    pub(super) guesses: bool,
    pub(super) names: Vec<String>,
    pub(super) attachment: bool,
}

impl Said {
    /// What text without a header is.
    pub(super) fn nothing() -> Said {
        Said {
            types: vec![Type {
                mime: "text/plain".into(),
                boundaries: Vec::new(),
            }],
            transfers: vec![Transfer::Plain],
            guesses: false,
            names: Vec::new(),
            attachment: false,
        }
    }

    /// Reads a header; `digest` where a part without a type is a message.
    pub(super) fn of(
        headers: &Headers,
        digest: bool,
        excess: &mut Excess,
        anomalies: &mut Anomalies,
        ambiguity: &mut Ambiguity,
    ) -> Said {
        let mut values = |name: &str| {
            let found: Vec<Header<'_>> = headers.all(name).collect();
            anomalies.twice |= found.len() > 1;
            excess.parameters |= found.len() > FIELDS_MAX;
            // The first and the last are what readers take.
            let skipped = found.len().saturating_sub(FIELDS_MAX);
            let kept = found.iter().enumerate().filter(|(at, _)| *at == 0 || *at > skipped);
            let kept = kept.map(|(_, field)| {
                let value = field.unfolded();
                excess.parameters |= value.len() > VALUE_MAX;
                url::head_octets(&value, VALUE_MAX).to_vec()
            });
            kept.collect::<Vec<_>>()
        };
        let typed = values("Content-Type");
        let disposed = values("Content-Disposition");
        let encoded = values("Content-Transfer-Encoding");

        let mut types = Vec::new();
        for value in &typed {
            let known = parameters(value, excess, anomalies);
            let bare = decode::without_comments(value);
            let mut boundaries = boundaries(&known);
            if bare.len() != value.len() {
                boundaries.extend(self::boundaries(&Parameters::of(&bare)));
            }
            excess.parameters |= boundaries.len() > BOUNDARIES_MAX;
            for mime in [mime(&bare), mime(value)].into_iter().flatten() {
                let found = Type {
                    mime,
                    boundaries: boundaries.clone(),
                };
                if !types.contains(&found) {
                    types.push(found);
                }
            }
        }
        let mut written: Vec<_> = typed
            .iter()
            .filter_map(|value| mime(&decode::without_comments(value)))
            .collect();
        written.dedup();
        ambiguity.types |= written.len() > 1;
        if types.is_empty() {
            types.push(Type {
                mime: if digest { "message/rfc822" } else { "text/plain" }.into(),
                boundaries: Vec::new(),
            });
        }

        let (mut transfers, mut guesses) = (Vec::new(), false);
        for value in &encoded {
            let mut own = Anomalies::default();
            let transfer = Transfer::of(value, &mut own);
            guesses |= own.transfer;
            let named = own.transfer.then(|| named_transfer(value)).flatten();
            anomalies.transfer |= own.transfer;
            anomalies.uuencode |= own.uuencode;
            anomalies.yenc |= own.yenc;
            for transfer in [Some(transfer), named].into_iter().flatten() {
                if !transfers.contains(&transfer) {
                    transfers.push(transfer);
                }
            }
        }
        if transfers.is_empty() {
            transfers.push(Transfer::Plain);
        }

        for value in &disposed {
            parameters(value, excess, anomalies);
        }
        let attachment = disposed.iter().any(|value| {
            let value = decode::without_comments(value);
            url::head_octets(value.trim_ascii(), 10).eq_ignore_ascii_case(b"attachment")
        });
        let mut names = Names::default();
        for (fields, name) in [
            (&disposed, "filename"),
            (&typed, "name"),
            (&disposed, "name"),
            (&typed, "filename"),
        ] {
            for field in fields {
                for text in Parameters::of(field).texts(name) {
                    names.take(&text, anomalies);
                }
            }
        }
        ambiguity.names |= names.kinds.len() > 1;
        excess.parameters |= names.more;
        Said {
            types,
            transfers,
            guesses,
            names: names.all,
            attachment,
        }
    }

    /// The media types, each once.
    pub(super) fn mimes(&self) -> Vec<String> {
        let mut mimes: Vec<String> = Vec::new();
        for one in &self.types {
            if !mimes.contains(&one.mime) {
                mimes.push(one.mime.clone());
            }
        }
        mimes
    }

    /// What a reader can go by: a type, and of a multipart one of its boundaries. Types of files are no choice.
    pub(super) fn choices(&self) -> Vec<Type> {
        let leads_on = |one: &Type| one.is_multipart() || one.is_message();
        if !self.types.iter().any(leads_on) {
            return self.types.clone();
        }
        let mut choices: Vec<Type> = Vec::new();
        for one in &self.types {
            let with = |boundaries: &[Vec<u8>]| Type {
                mime: one.mime.clone(),
                boundaries: boundaries.to_vec(),
            };
            if one.is_multipart() && !one.boundaries.is_empty() {
                choices.extend(one.boundaries.chunks(1).map(with));
            } else {
                choices.push(with(&[]));
            }
        }
        choices
    }
}

/// The encoding whose name stands somewhere in a value that is none.
fn named_transfer(value: &[u8]) -> Option<Transfer> {
    let value = value.to_ascii_lowercase();
    let names = |name: &str| memchr::memmem::find(&value, name.as_bytes()).is_some();
    if names("base64") {
        Some(Transfer::Base64)
    } else {
        names("quoted-printable").then_some(Transfer::QuotedPrintable)
    }
}

/// The parameters of a field, with what is to be told about them.
fn parameters<'v>(value: &'v [u8], excess: &mut Excess, anomalies: &mut Anomalies) -> Parameters<'v> {
    let known = Parameters::of(value);
    excess.parameters |= known.len < value.len();
    anomalies.parameter_twice |= known.has_doubles() || known.differ("boundary");
    anomalies.names_differ |= known.differ("name") || known.differ("filename");
    known
}

/// The boundaries that readers find, each once, as they stand there.
fn boundaries(parameters: &Parameters<'_>) -> Vec<Vec<u8>> {
    let mut found: Vec<Vec<u8>> = Vec::new();
    let joined = parameters.joined("boundary").into_iter().map(|(octets, _)| octets);
    for value in parameters.values("boundary").into_iter().chain(joined) {
        let to_nul = value.split(|b| *b == 0).next().unwrap_or_default();
        let without: Vec<u8> = value.iter().copied().filter(|b| *b != 0).collect();
        for one in [&value, to_nul, &without] {
            for one in [one.trim_ascii_end(), one.trim_ascii()] {
                if !one.is_empty() && !found.iter().any(|known| known == one) {
                    found.push(one.to_vec());
                }
            }
        }
    }
    found
}

/// The media type at the beginning of a field.
fn mime(value: &[u8]) -> Option<String> {
    let typed = value.split(|b| *b == b';').next().unwrap_or_default();
    let Some((kind, sub)) = memchr::memchr(b'/', typed).and_then(|at| typed.split_at_checked(at)) else {
        // Text to most, a multipart to some.
        let word = typed.trim_ascii().split(u8::is_ascii_whitespace).next()?;
        return word
            .eq_ignore_ascii_case(b"multipart")
            .then(|| "multipart/mixed".into());
    };
    let word = |text: &[u8]| {
        let mut words = text.split(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\''));
        let word = words.find(|word| !word.is_empty()).unwrap_or_default();
        String::from_utf8_lossy(url::head_octets(word, NAME_MAX / 2)).to_ascii_lowercase()
    };
    Some(format!("{}/{}", word(kind), word(sub.get(1..)?)))
}

/// Collects the names of a file.
#[derive(Default)]
pub(super) struct Names {
    pub(super) all: Vec<String>,
    /// What they end in, each once.
    kinds: Vec<String>,
    /// Whether there are more than are kept.
    more: bool,
}

impl Names {
    /// Takes a name as it is written; where it is in encoded words, decoded first.
    fn take(&mut self, written: &str, anomalies: &mut Anomalies) {
        if written.contains("=?") && written.contains("?=") {
            anomalies.encoded_name = true;
            let decoded = decode::words(written.as_bytes(), Some("utf-8"), &mut Anomalies::default());
            self.add(&decoded);
            if let Some((short, _)) = decoded.split_once('\0') {
                self.add(short);
            }
        }
        self.add(written);
    }

    fn add(&mut self, name: &str) {
        let name = bounded(name);
        if name.is_empty() || self.all.contains(&name) {
            return;
        }
        if self.all.len() >= NAMES_MAX {
            self.more = true;
            return;
        }
        if let Some(kind) = kind(&name)
            && !self.kinds.contains(&kind)
        {
            self.kinds.push(kind);
        }
        self.all.push(name);
    }
}

/// A name of at most [`NAME_MAX`] octets: of a longer one the beginning and the end, which tells what it is.
pub(super) fn bounded(name: &str) -> String {
    if name.len() <= NAME_MAX {
        return name.to_owned();
    }
    let half = NAME_MAX / 2 - 2;
    let tail = name
        .get(name.ceil_char_boundary(name.len() - half)..)
        .unwrap_or_default();
    format!("{}\u{2026}{tail}", url::head(name, half))
}

/// What a name ends in, as a system sees it that tells files by that.
fn kind(name: &str) -> Option<String> {
    let name = name.trim_end_matches(|c: char| c.is_whitespace() || c.is_control() || matches!(c, '.' | '"' | '\''));
    let (stem, kind) = name.rsplit_once('.')?;
    let is_kind = (1..=5).contains(&kind.len())
        && kind.bytes().all(|b| b.is_ascii_alphanumeric())
        && kind.bytes().any(|b| b.is_ascii_alphabetic());
    (is_kind && !stem.is_empty()).then(|| kind.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn said(head: &str) -> (Said, Ambiguity) {
        let mut ambiguity = Ambiguity::default();
        let headers = Headers::parse(Bytes::from(head.to_owned()));
        let (mut excess, mut anomalies) = Default::default();
        let said = Said::of(&headers, false, &mut excess, &mut anomalies, &mut ambiguity);
        (said, ambiguity)
    }

    #[test]
    fn a_type_is_found_through_comments_and_without_its_semicolon() {
        let mimes = |value: &str| said(&format!("Content-Type: {value}\r\n\r\n")).0.mimes();
        assert_eq!(mimes("Text/(a;b)HTML; x=y"), ["text/html", "text/(a"]);
        assert_eq!(mimes("multipart / mixed boundary=x"), ["multipart/mixed"]);
        assert_eq!(mimes("text"), ["text/plain"]);
    }

    #[test]
    fn boundaries_are_found_in_every_form() {
        let all = |value: &str| {
            let types = said(&format!("Content-Type: multipart/mixed; {value}\r\n\r\n")).0.types;
            let all = types.into_iter().flat_map(|one| one.boundaries);
            all.map(|one| String::from_utf8_lossy(&one).into_owned())
                .collect::<Vec<_>>()
        };
        assert_eq!(all("boundary=a; boundary=\"b c \""), ["a", "b c"]);
        assert_eq!(all("boundary*0=a; boundary*1=b"), ["ab"]);
        assert_eq!(all("boundary*=us-ascii''a%20b"), ["a b"]);
        assert_eq!(all("boundary=\"a\0b\""), ["a\0b", "a", "ab"]);
        assert_eq!(all("boundary=(x)b"), ["(x)b", "b"]);
        assert_eq!(all("(boundary=a;) boundary=b"), ["b"]);
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        let name = format!("{}.exe", "a".repeat(300));
        let bounded = bounded(&name);
        assert!(bounded.len() <= NAME_MAX && bounded.ends_with("aaa.exe"), "{bounded}");
        assert!(super::bounded(&"\u{4f60}".repeat(200)).len() <= NAME_MAX);
    }

    #[test]
    fn names_of_two_kinds_are_ambiguous_and_of_one_kind_are_not() {
        let of = |fields: &str| {
            let (said, ambiguity) = said(&format!("{fields}\r\n\r\n"));
            (said.names, ambiguity.names)
        };
        let (names, ambiguous) = of("Content-Type: a/b; name=a.txt\r\nContent-Disposition: attachment; filename=a.exe");
        assert_eq!((names, ambiguous), (vec!["a.exe".into(), "a.txt".into()], true));
        assert!(of("Content-Type: a/b; name=\"a.exe\0.txt\"").1);
        assert!(of("Content-Type: a/b; name*0=\"a.e\"; name*1=xe; name=a.txt").1);
        let (names, ambiguous) = of("Content-Type: a/b; name=\"=?utf-8?b?YS5leGU=?=\"; name*=''b.EXE");
        assert!(!ambiguous);
        assert_eq!(names, ["b.EXE", "a.exe", "=?utf-8?b?YS5leGU=?="]);
        assert!(!of("Content-Type: a/b; name=version 1.2 of it.doc").1);
    }
}
