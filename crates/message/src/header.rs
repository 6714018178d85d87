//! Where a header section ends, and what fields it has.
//!
//! **The rule.** A line ends at LF. The header section is a run of fields; a field is a name of printable ASCII without
//! a colon, then perhaps spaces or tabs, then a colon (RFC 5322 §4.5 allows the spaces), with the lines that begin with
//! a space or tab and follow it. A first line that begins with `From ` (perhaps after `>`s) and is no field is an mbox
//! line: part of the head, of no field. The section ends
//! - after the first blank line, which belongs to the head,
//! - or before the first line that is none of these: it is text, the body begins with it. Postfix, Exim and Sendmail
//!   read it so. Readers that go on to look for fields exist; [`Message::unseparated`](crate::Message::unseparated)
//!   tells of such a mail, and [`Edit::Separate`](crate::Edit::Separate) makes all of them agree,
//! - or with the message.
//!
//! Eight-bit octets, NUL and bare CR are octets like any other in a value, and make text of a line where a name should
//! stand. A line of spaces alone continues a field; where there is none, it is text.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use memchr::memchr;

/// Octets of a header section that are looked at (S-08); Postfix's `header_size_limit` is the same.
pub const HEAD_MAX: usize = 102_400;
/// Lines of a header section that are looked at (S-08); so it is also the bound on the number of fields.
pub const LINES_MAX: usize = 1_000;
/// Octets of one field, name and line ends included, above which the message is reported (S-08).
pub const FIELD_MAX: usize = 65_536;

/// What a line of a header section is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Line {
    /// The first line of a field: the length of its name, and where the colon stands.
    Field { name: usize, colon: usize },
    /// Continues the field above.
    Fold,
    /// Nothing but a line end.
    Blank,
    /// The `From ` line of an mbox.
    Mbox,
    /// Anything else.
    Text,
}

impl Line {
    /// `first`: no line stands above; `open`: a field stands above.
    pub(crate) fn of(line: &[u8], first: bool, open: bool) -> Line {
        let text = without_end(line);
        if text.is_empty() && !line.is_empty() {
            return Line::Blank;
        }
        if text.first().is_some_and(|&b| is_wsp(b)) {
            return if open { Line::Fold } else { Line::Text };
        }
        let name = text.iter().take_while(|&&b| is_name(b)).count();
        let colon = name + text.iter().skip(name).take_while(|&&b| is_wsp(b)).count();
        if name > 0 && text.get(colon) == Some(&b':') {
            return Line::Field { name, colon };
        }
        let quoted = text.iter().take_while(|&&b| b == b'>').count();
        if first && text.iter().skip(quoted).take(5).eq(b"From ") {
            Line::Mbox
        } else {
            Line::Text
        }
    }
}

pub(crate) fn is_wsp(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

/// Whether the octet may stand in a field name (RFC 5322 §3.6.8, `ftext`).
pub(crate) fn is_name(octet: u8) -> bool {
    matches!(octet, b'!'..=b'9' | b';'..=b'~')
}

/// The line without its LF or CR LF.
fn without_end(line: &[u8]) -> &[u8] {
    match line.strip_suffix(b"\n") {
        Some(text) => text.strip_suffix(b"\r").unwrap_or(text),
        None => line,
    }
}

/// Whether the last line is a blank one.
pub(crate) fn ends_blank(head: &[u8]) -> bool {
    let above = without_end(head);
    above.len() < head.len() && (above.is_empty() || above.ends_with(b"\n"))
}

pub(crate) fn trim(mut text: &[u8]) -> &[u8] {
    while let [first, rest @ ..] = text
        && is_wsp(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_wsp(*last)
    {
        text = rest;
    }
    text
}

/// The lines of a header section and where they lie.
pub(crate) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    open: bool,
}

impl Iterator for Lines<'_> {
    type Item = (Line, Range<usize>);

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.bytes.get(self.at..).filter(|rest| !rest.is_empty())?;
        let len = memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
        let line = Line::of(rest.get(..len)?, self.at == 0, self.open);
        let range = self.at..self.at + len;
        self.open = matches!(line, Line::Field { .. } | Line::Fold);
        self.at = range.end;
        Some((line, range))
    }
}

pub(crate) fn lines(bytes: &[u8]) -> Lines<'_> {
    Lines {
        bytes,
        at: 0,
        open: false,
    }
}

/// Where the header section ends and the body begins; the rule is in this module's documentation.
pub fn split(bytes: &[u8]) -> usize {
    for (line, range) in lines(bytes) {
        match line {
            Line::Blank => return range.end,
            Line::Text => return range.start,
            Line::Field { .. } | Line::Fold | Line::Mbox => {}
        }
    }
    bytes.len()
}

/// How long the mbox line at the start is; 0 where there is none.
pub(crate) fn mbox_len(bytes: &[u8]) -> usize {
    match lines(bytes).next() {
        Some((Line::Mbox, range)) => range.end,
        _ => 0,
    }
}

/// Which bounds of S-08 a header section passes: a flag for the policy, never a refusal here.
#[non_exhaustive]
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Excess {
    /// The head is longer than [`HEAD_MAX`]; fields that do not end before it were not looked at.
    pub head: bool,
    /// The head has more than [`LINES_MAX`] lines; the rest was not looked at.
    pub lines: bool,
    /// A field is longer than [`FIELD_MAX`].
    pub field: bool,
}

impl Excess {
    /// Whether any bound was passed.
    pub fn any(self) -> bool {
        self.head || self.lines || self.field
    }
}

/// Where a field lies in the head; the name's and the colon's place count from its start.
#[derive(Clone, Debug)]
struct Place {
    range: Range<usize>,
    name: usize,
    colon: usize,
    lines: usize,
}

/// The fields of a header section in their order; they stay where they are, this only knows their places.
#[derive(Clone)]
pub struct Headers {
    head: Bytes,
    places: Vec<Place>,
    excess: Excess,
}

impl Headers {
    /// Views a head as [`split`] cuts it off; any octets will do.
    pub fn parse(head: Bytes) -> Headers {
        let mut places: Vec<Place> = Vec::new();
        let mut excess = Excess {
            head: head.len() > HEAD_MAX,
            ..Excess::default()
        };
        for (n, (line, range)) in lines(&head).enumerate() {
            if matches!(line, Line::Blank | Line::Text) {
                break;
            }
            excess.field |= range.len() > FIELD_MAX;
            excess.lines |= n >= LINES_MAX;
            if range.end > HEAD_MAX || n >= LINES_MAX {
                // Half a field must not be seen: removing it would leave a fold to the field above.
                if line == Line::Fold {
                    places.pop();
                }
                break;
            }
            match line {
                Line::Field { name, colon } => places.push(Place {
                    range,
                    name,
                    colon,
                    lines: 1,
                }),
                _ => {
                    if let Some(field) = places.last_mut() {
                        field.range.end = range.end;
                        field.lines += 1;
                        excess.field |= field.range.len() > FIELD_MAX;
                    }
                }
            }
        }
        Headers { head, places, excess }
    }

    /// How many fields were seen, at most [`LINES_MAX`].
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether no field was seen.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The fields from top to bottom.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Header<'_>> {
        (0..self.places.len()).filter_map(|index| self.at(index))
    }

    /// The field at this place, counted from 0 at the top ([`Header::index`]).
    pub fn at(&self, index: usize) -> Option<Header<'_>> {
        let place = self.places.get(index)?;
        let raw = self.head.get(place.range.clone())?;
        Some(Header {
            index,
            raw,
            name: place.name,
            colon: place.colon,
            lines: place.lines,
        })
    }

    /// The topmost field of this name, whatever the case of its letters.
    pub fn get(&self, name: &str) -> Option<Header<'_>> {
        self.iter().find(|header| header.is(name))
    }

    /// All fields of this name, top to bottom, whatever the case of their letters.
    pub fn all<'a>(&'a self, name: &'a str) -> impl DoubleEndedIterator<Item = Header<'a>> {
        self.iter().filter(move |header| header.is(name))
    }

    /// Which bounds the header section passes.
    pub fn excess(&self) -> Excess {
        self.excess
    }

    /// The mbox line on top, line end included, where there is one.
    pub fn mbox_line(&self) -> Option<&[u8]> {
        self.head.get(..mbox_len(&self.head)).filter(|line| !line.is_empty())
    }
}

impl fmt::Debug for Headers {
    /// Numbers only: mail does not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Headers");
        out.field("len", &self.len())
            .field("excess", &self.excess)
            .finish_non_exhaustive()
    }
}

/// One field, as it stands in the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    index: usize,
    raw: &'a [u8],
    name: usize,
    colon: usize,
    lines: usize,
}

impl<'a> Header<'a> {
    /// The name, in the letters of the sender, without spaces before the colon.
    pub fn name(&self) -> &'a [u8] {
        self.raw.get(..self.name).unwrap_or_default()
    }

    /// Whether this is the field's name, whatever the case of its letters.
    pub fn is(&self, name: &str) -> bool {
        self.name().eq_ignore_ascii_case(name.as_bytes())
    }

    /// Everything after the colon as it is, folded, without the last line end.
    pub fn value(&self) -> &'a [u8] {
        without_end(self.tail().get(1..).unwrap_or_default())
    }

    /// The value in one line: line ends taken out (RFC 5322 §2.2.3), spaces and tabs around it too.
    pub fn unfolded(&self) -> Cow<'a, [u8]> {
        let value = self.value();
        if memchr(b'\n', value).is_none() {
            return Cow::Borrowed(trim(value));
        }
        let mut flat = Vec::with_capacity(value.len());
        for line in value.split_inclusive(|&b| b == b'\n') {
            flat.extend_from_slice(without_end(line));
        }
        Cow::Owned(trim(&flat).to_vec())
    }

    /// The beginning of the value in one line, encoded words decoded (RFC 2047); so many octets of it are looked at.
    pub fn decoded(&self, most: usize) -> String {
        let value = self.unfolded();
        crate::reading::decoded(value.get(..most).unwrap_or(&value))
    }

    /// The whole field, name and line ends included.
    pub fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// From the colon on, line ends included.
    pub(crate) fn tail(&self) -> &'a [u8] {
        self.raw.get(self.colon..).unwrap_or_default()
    }

    /// Through the colon.
    pub(crate) fn lead(&self) -> &'a [u8] {
        self.raw.get(..=self.colon).unwrap_or_default()
    }

    /// How many lines the field takes, at least 1.
    pub fn lines(&self) -> usize {
        self.lines
    }

    /// Which field of the header section this is, counted from 0 at the top.
    pub fn index(&self) -> usize {
        self.index
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(bytes: &[u8]) -> Headers {
        Headers::parse(Bytes::copy_from_slice(&bytes[..split(bytes)]))
    }

    fn names(bytes: &[u8]) -> Vec<String> {
        view(bytes)
            .iter()
            .map(|h| String::from_utf8_lossy(h.name()).into_owned())
            .collect()
    }

    #[test]
    fn the_head_ends_after_the_blank_line() {
        assert_eq!(split(b"A: b\r\n\r\nC: d\r\n"), 8);
        assert_eq!(names(b"A: b\r\n\r\nC: d\r\n"), ["A"]);
    }

    #[test]
    fn a_message_may_have_no_header_no_blank_line_or_begin_with_one() {
        assert_eq!(split(b""), 0);
        assert_eq!(split(b"just text\r\n\r\nmore\r\n"), 0);
        assert_eq!(split(b"A: b\r\n"), 6);
        assert_eq!(split(b"A: b"), 4);
        assert_eq!(split(b"\r\nA: b\r\n"), 2);
        assert_eq!(split(b"\n"), 1);
        assert_eq!(split(b".\r\nA: b\r\n"), 0);
        assert_eq!(split(b" A: b\r\n"), 0);
        assert_eq!(split(b": b\r\n"), 0);
    }

    #[test]
    fn a_line_that_is_no_field_begins_the_body() {
        let mail = b"A: b\r\ngarbage\r\nSubject: x\r\n\r\nbody\r\n";
        assert_eq!(split(mail), 6);
        assert_eq!(names(mail), ["A"]);
        assert_eq!(split(b"A: b\r\nT\xc3\xa4g: x\r\n\r\n"), 6);
        assert_eq!(split(b"A: b\r\n\r\r\n"), 6);
        assert_eq!(split(b"A: b\r\nFrom x Mon 10:00:00\r\n"), 6);
    }

    #[test]
    fn an_mbox_line_is_head_but_no_field() {
        let mail = b"From a@b Thu Jan  1 00:00:00 1970\r\nSubject: x\r\n\r\nbody";
        assert_eq!(names(mail), ["Subject"]);
        assert_eq!(view(mail).mbox_line(), Some(&mail[..35]));
        assert_eq!(names(b">From a@b\r\nSubject: x\r\n"), ["Subject"]);
        assert_eq!(names(b"From : a@b\r\n"), ["From"]);
        assert_eq!(split(b"From a@b\r\n folded\r\n"), 10);
    }

    #[test]
    fn spaces_before_the_colon_do_not_belong_to_the_name() {
        let headers = view(b"Subject \t: x\r\n\r\n");
        let subject = headers.get("subject").unwrap();
        assert_eq!((subject.name(), subject.value()), (&b"Subject"[..], &b" x"[..]));
    }

    #[test]
    fn folded_values_keep_their_folds_and_unfold_on_demand() {
        let headers = view(b"A: one\r\n two\r\n\tthree \r\nB:x\r\n \r\nC:\r\n\r\n");
        let a = headers.get("a").unwrap();
        assert_eq!(a.value(), b" one\r\n two\r\n\tthree ");
        assert_eq!(&*a.unfolded(), b"one two\tthree");
        assert_eq!((a.lines(), a.index()), (3, 0));
        assert_eq!(headers.get("B").unwrap().raw(), b"B:x\r\n \r\n");
        assert!(matches!(headers.get("C").unwrap().unfolded(), Cow::Borrowed(b"")));
    }

    #[test]
    fn eight_bit_octets_and_nul_pass_in_values() {
        let headers = view(b"Subject: \xe4\x00\r\n\r\n");
        assert_eq!(&*headers.get("Subject").unwrap().unfolded(), b"\xe4\x00");
    }

    #[test]
    fn names_are_found_in_any_case_and_order_is_kept() {
        let headers = view(b"X: 1\r\nx: 2\r\nY: 3\r\nX: 4\r\n\r\n");
        let found: Vec<_> = headers.all("x").map(|h| h.unfolded().into_owned()).collect();
        assert_eq!(found, [b"1", b"2", b"4"]);
        assert!(headers.get("Z").is_none());
    }

    #[test]
    fn a_head_at_its_limit_is_no_excess_and_above_it_is() {
        let mut mail = b"A: b\r\n".repeat(LINES_MAX);
        mail.extend_from_slice(b"\r\n");
        assert_eq!((view(&mail).len(), view(&mail).excess().any()), (LINES_MAX, false));
        let more = [b"Z: b\r\n".as_slice(), &mail].concat();
        assert_eq!((view(&more).len(), view(&more).excess().lines), (LINES_MAX, true));

        let long = |n: usize| [b"A: b\r\nB: ".as_slice(), &vec![b'x'; n], b"\r\n\r\n"].concat();
        assert!(!view(&long(FIELD_MAX - 5)).excess().any());
        assert!(view(&long(FIELD_MAX - 4)).excess().field);
        let huge = view(&long(HEAD_MAX));
        assert!(huge.excess().head && huge.excess().field);
        assert_eq!(huge.len(), 1);
    }

    #[test]
    fn half_a_field_is_never_seen() {
        let mail = [
            b"A: b\r\n".as_slice(),
            &b"B: c\r\n".repeat(LINES_MAX - 2),
            b"C: d\r\n e\r\n f\r\n\r\n",
        ];
        let headers = view(&mail.concat());
        assert!(headers.excess().lines && headers.get("C").is_none());
        let mail = [b"A: b\r\n".as_slice(), b"C: d\r\n ", &vec![b'x'; HEAD_MAX], b"\r\n\r\n"].concat();
        assert_eq!(names(&mail), ["A"]);
    }
}
