//! A field of our own making: the one door through which text becomes a header line.
//!
//! **Invariant:** a [`Field`] is exactly one field: octets 0x20 to 0x7e in lines that end with CR LF, no line over
//! [`LINE_MAX`], every line after the first begins with a space and holds more than spaces. So no value, whoever wrote
//! it, can begin a line of its own (P-02, P-06, P-50).

use std::borrow::Cow;
use std::fmt::{self, Write};

use crate::header::{Header, is_name};

/// Octets of a field name that we write.
pub const NAME_MAX: usize = 64;
/// Octets of a value that are taken; what follows is cut off. Encoded and folded they are at most seven times as many.
pub const VALUE_MAX: usize = 2_048;
/// Octets of a line after which we fold where there is a space (RFC 5322 §2.1.1).
const LINE_GOOD: usize = 78;
/// Octets of a line that no line exceeds (RFC 5322 §2.1.1).
pub(crate) const LINE_MAX: usize = 998;
/// Octets of a run without spaces; a longer one is broken, so that no line passes [`LINE_MAX`].
const RUN_MAX: usize = 900;
/// Octets of an encoded word (RFC 2047 §2).
const WORD_MAX: usize = 75;

/// The name of a field that we write or look for: 1 to [`NAME_MAX`] octets of printable ASCII without a colon.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Name(Cow<'static, str>);

impl Name {
    /// Checks a name (RFC 5322 §3.6.8).
    pub fn new(name: impl Into<Cow<'static, str>>) -> Result<Name, BadName> {
        let name = name.into();
        let good = (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(is_name);
        if good { Ok(Name(name)) } else { Err(BadName) }
    }

    /// The name of a field that came; it may be longer than any we write, so it only serves to find the field again.
    pub(crate) fn of(header: &Header<'_>) -> Name {
        Name(String::from_utf8_lossy(header.name()).into_owned().into())
    }

    /// For the names that stand in this crate.
    pub(crate) const fn known(name: &'static str) -> Name {
        Name(Cow::Borrowed(name))
    }

    /// The name as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text is no field name. Whoever configured it must write 1 to 64 printable ASCII characters without colon or space.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BadName;

impl fmt::Display for BadName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a header name must be 1 to {NAME_MAX} printable ASCII characters without colon or space, like X-Spam-Score"
        )
    }
}

impl std::error::Error for BadName {}

/// A whole header field that may be prepended to any message: one name, one value, folded.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Field(Box<[u8]>);

impl Field {
    /// A field of free text, as Subject is. Words that are not ASCII become RFC 2047 encoded words, and so do words
    /// that only look like one: a reader sees the text as given. Control characters and runs of spaces become one space.
    pub fn text(name: &Name, text: &str) -> Field {
        Field::encoded(name, text.as_bytes())
    }

    /// The same from octets; what is no UTF-8 is encoded as of unknown charset (RFC 1428).
    pub(crate) fn encoded(name: &Name, text: &[u8]) -> Field {
        let text = match text.get(..VALUE_MAX) {
            Some(cut) => match std::str::from_utf8(cut) {
                // A character that the cut broke goes with what was cut.
                Err(bad) if bad.error_len().is_none() => cut.get(..bad.valid_up_to()).unwrap_or(cut),
                _ => cut,
            },
            None => text,
        };
        let charset = if std::str::from_utf8(text).is_ok() {
            "utf-8"
        } else {
            "unknown-8bit"
        };
        let width = (LINE_GOOD - 1).saturating_sub(name.0.len() + 2).clamp(40, WORD_MAX);
        let mut clauses: Vec<Cow<'_, str>> = Vec::new();
        let mut waiting: Vec<&[u8]> = Vec::new();
        let words = text.split(|&b| b <= b' ' || b == 0x7f).filter(|word| !word.is_empty());
        for word in words {
            match std::str::from_utf8(word) {
                Ok(plain) if is_plain(plain) => {
                    encode(&waiting.join(&b' '), charset, width, &mut clauses);
                    waiting.clear();
                    clauses.push(Cow::Borrowed(plain));
                }
                _ => waiting.push(word),
            }
        }
        encode(&waiting.join(&b' '), charset, width, &mut clauses);
        Field::of(name, clauses.iter().map(AsRef::as_ref))
    }

    /// A field of a grammar of its own, as Received is: folded at spaces, which changes no such grammar. Whoever writes
    /// it has quoted what strangers said; whatever is not 0x20 to 0x7e still becomes `?`.
    pub fn structured(name: &Name, value: &str) -> Field {
        Field::clauses(name, [value])
    }

    /// The same from clauses, each kept in one line where it fits.
    pub fn clauses<'a>(name: &Name, clauses: impl IntoIterator<Item = &'a str>) -> Field {
        let mut left = VALUE_MAX;
        let clean: Vec<String> = clauses
            .into_iter()
            .map(|clause| {
                let clause = ascii(clause.trim(), left);
                left -= clause.len();
                clause
            })
            .collect();
        Field::of(name, clean.iter().map(String::as_str))
    }

    /// Folds clauses of 0x20 to 0x7e.
    fn of<'a>(name: &Name, clauses: impl Iterator<Item = &'a str>) -> Field {
        let mut fold = Fold::new(name);
        for clause in clauses.map(str::trim).filter(|clause| !clause.is_empty()) {
            if clause.len() < LINE_GOOD || !clause.contains(' ') {
                fold.clause(clause);
                continue;
            }
            // Spaces in a row stay together with the word after them: a quoted string may mean them.
            let mut from = 0;
            for (at, _) in clause.match_indices(' ') {
                if clause.get(from..at).is_some_and(|run| run.bytes().any(|b| b != b' ')) {
                    fold.clause(clause.get(from..at).unwrap_or_default());
                    from = at + 1;
                }
            }
            fold.clause(clause.get(from..).unwrap_or_default());
        }
        fold.out.extend_from_slice(b"\r\n");
        Field(fold.out.into())
    }

    /// The field on the wire, its last CR LF included.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The field's name.
    pub fn name(&self) -> &str {
        let name = self.0.split(|&b| b == b':').next().unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }
}

/// Writes a field and remembers the column.
struct Fold {
    out: Vec<u8>,
    column: usize,
    /// Nothing but the name and its colon is written.
    fresh: bool,
}

impl Fold {
    fn new(name: &Name) -> Fold {
        let mut out = Vec::with_capacity(128);
        out.extend_from_slice(name.0.as_bytes());
        out.push(b':');
        Fold {
            column: out.len(),
            out,
            fresh: true,
        }
    }

    /// Writes a space and the clause, after a line end if the line gets long. A first clause that would be too long on
    /// any line stays beside the name.
    fn clause(&mut self, clause: &str) {
        for (n, run) in clause.as_bytes().chunks(RUN_MAX).enumerate() {
            // Spaces enough to fill a run would make a line of spaces alone.
            if run.iter().all(|&b| b == b' ') {
                continue;
            }
            let ends = self.column + 1 + run.len();
            let good = if self.fresh && run.len() >= LINE_GOOD {
                LINE_MAX
            } else {
                LINE_GOOD
            };
            if n > 0 || ends > good {
                self.out.extend_from_slice(b"\r\n");
                self.column = 0;
            }
            self.out.push(b' ');
            self.out.extend_from_slice(run);
            self.column += 1 + run.len();
            self.fresh = false;
        }
    }
}

/// Whether a word may stand as it is: ASCII, of a bearable length, not to be taken for an encoded word.
fn is_plain(word: &str) -> bool {
    word.is_ascii() && word.len() <= RUN_MAX && !word.contains("=?")
}

/// Appends `text` as encoded words of at most `width` octets in the Q encoding (RFC 2047 §4.2, §5), characters whole.
fn encode(text: &[u8], charset: &str, width: usize, out: &mut Vec<Cow<'_, str>>) {
    let room = width.saturating_sub("=??q??=".len() + charset.len()).max(12);
    let mut word = String::new();
    let mut flush = |word: &mut String| {
        if !word.is_empty() {
            out.push(Cow::Owned(format!("=?{charset}?q?{word}?=")));
            word.clear();
        }
    };
    let starts = |b: u8| charset != "utf-8" || (b & 0xc0) != 0x80;
    for character in text.chunk_by(|_, &next| !starts(next)) {
        let mut piece = String::new();
        for &octet in character {
            match octet {
                b' ' => piece.push('_'),
                b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'!' | b'*' | b'+' | b'-' | b'/' => {
                    piece.push(char::from(octet));
                }
                // Writing to a String does not fail.
                _ => drop(write!(piece, "={octet:02X}")),
            }
        }
        if word.len() + piece.len() > room {
            flush(&mut word);
        }
        word.push_str(&piece);
    }
    flush(&mut word);
}

/// At most `max` characters of the text, each that is not 0x20 to 0x7e written as `?`.
pub(crate) fn ascii(text: &str, max: usize) -> String {
    text.chars()
        .take(max)
        .map(|c| if matches!(c, ' '..='~') { c } else { '?' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &'static str) -> Name {
        Name::new(name).unwrap()
    }

    fn text(value: &str) -> String {
        String::from_utf8(Field::text(&name("X-Gatepost-Test"), value).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn names_are_printable_ascii_without_colon() {
        for bad in ["", "A B", "A:", "A\r\nB", "T\u{e4}g", "A\0", &"x".repeat(NAME_MAX + 1)] {
            assert_eq!(Name::new(bad.to_owned()), Err(BadName), "{bad:?}");
        }
        assert_eq!(name("X-Spam_1!").as_str(), "X-Spam_1!");
    }

    #[test]
    fn plain_text_stands_as_it_is() {
        assert_eq!(text("no, score=1.5"), "X-Gatepost-Test: no, score=1.5\r\n");
        assert_eq!(text(""), "X-Gatepost-Test:\r\n");
    }

    #[test]
    fn line_ends_nul_and_controls_become_spaces() {
        assert_eq!(text("a\r\nX-Evil: b\0c\x1b\td"), "X-Gatepost-Test: a X-Evil: b c d\r\n");
        assert_eq!(text("a\r\n\r\nbody"), "X-Gatepost-Test: a body\r\n");
        assert_eq!(text("\n \r"), "X-Gatepost-Test:\r\n");
    }

    #[test]
    fn words_that_are_not_ascii_are_encoded_together_with_the_space_between() {
        assert_eq!(
            text("Grüße an Jörg"),
            "X-Gatepost-Test: =?utf-8?q?Gr=C3=BC=C3=9Fe?= an =?utf-8?q?J=C3=B6rg?=\r\n"
        );
        assert_eq!(text("ä ö"), "X-Gatepost-Test: =?utf-8?q?=C3=A4_=C3=B6?=\r\n");
    }

    #[test]
    fn a_line_end_hidden_in_utf_8_or_in_an_encoded_word_stays_harmless() {
        assert_eq!(
            text("=?utf-8?q?=0D=0AX:?="),
            "X-Gatepost-Test: =?utf-8?q?=3D=3Futf-8=3Fq=3F=3D0D=3D0AX=3A=3F=3D?=\r\n"
        );
        assert!(text("\u{85}\u{2028}").contains("=C2=85=E2=80=A8"));
    }

    #[test]
    fn octets_of_no_known_charset_are_told_so() {
        let field = Field::encoded(&name("X"), b"Stra\xdfe");
        assert_eq!(field.as_bytes(), b"X: =?unknown-8bit?q?Stra=DFe?=\r\n");
    }

    #[test]
    fn long_text_folds_below_78_and_keeps_every_word() {
        let value = ["word"; 100].join(" ");
        let field = text(&value);
        assert!(field.lines().all(|line| line.len() <= LINE_GOOD));
        assert_eq!(
            field.trim_end().replace("\r\n", ""),
            format!("X-Gatepost-Test: {value}")
        );
        let encoded = text(&"Grüße ".repeat(50));
        assert!(encoded.lines().all(|line| line.len() <= LINE_GOOD), "{encoded}");
    }

    #[test]
    fn a_word_without_end_is_cut_and_never_passes_998() {
        let encoded = text(&"x".repeat(100_000));
        assert!(encoded.lines().all(|line| line.len() <= LINE_GOOD) && encoded.len() < 3 * VALUE_MAX);
        let structured = Field::structured(&name("X"), &"x".repeat(100_000));
        assert!(
            structured
                .as_bytes()
                .split(|&b| b == b'\n')
                .all(|line| line.len() <= LINE_MAX)
        );
        assert!(structured.as_bytes().len() < 2 * VALUE_MAX);
        let spaces = Field::structured(&name("X"), &format!("a{}b", " ".repeat(5_000)));
        let text = std::str::from_utf8(spaces.as_bytes()).unwrap();
        assert!(
            text.lines()
                .all(|line| line.len() <= LINE_MAX && !line.trim().is_empty()),
            "{text:?}"
        );
    }

    #[test]
    fn structured_values_unfold_to_what_was_given() {
        let value = format!("a; b=\"c  d\" {} (e   f) {}", "x".repeat(70), "y z ".repeat(30));
        let field = Field::structured(&name("X-Long"), &value);
        let text = std::str::from_utf8(field.as_bytes()).unwrap();
        assert!(text.lines().all(|line| line.len() <= LINE_GOOD));
        assert_eq!(text.replace("\r\n", ""), format!("X-Long: {}", value.trim()));
        assert_eq!(
            Field::structured(&name("X"), "a\r\nY: \u{e4}\0").as_bytes(),
            b"X: a??Y: ??\r\n"
        );
    }

    #[test]
    fn the_first_clause_moves_down_only_when_that_helps() {
        let long = "x".repeat(300);
        assert_eq!(text(&long), format!("X-Gatepost-Test: {long}\r\n"));
        let word = "x".repeat(70);
        assert_eq!(text(&word), format!("X-Gatepost-Test:\r\n {word}\r\n"));
    }

    #[test]
    fn a_field_knows_its_name() {
        assert_eq!(Field::text(&name("X-A"), "b: c").name(), "X-A");
    }
}
