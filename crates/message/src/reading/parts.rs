//! The parts of a mail, found in one pass over its lines.
//!
//! **Invariant:** each octet is read once and nothing recurses: open multiparts are a stack of at most [`DEPTH_MAX`]
//! boundaries, and what is kept of a part is bounded ([`RAW_MAX`]). Of parts that are no text only the size is counted.
//! A message within the mail is read like the mail itself, whether it stands there as it is or encoded.
//!
//! mailparse reads what Content-Type and Content-Disposition say, continuations and charsets of RFC 2231 included. Its
//! reader of whole mails is not used: its memory has no bound (a part can be three octets), its time grows with the depth,
//! and beyond its depth it gives up on the whole mail.

use std::ops::ControlFlow;

use bytes::Bytes;
use mailparse::{DispositionType, parse_content_disposition, parse_content_type};

use super::decode::{self, Transfer};
use super::lines::each_line;
use super::parameters::Parameters;
use super::{Anomalies, Reach, url, uu};
use crate::content::Content;
use crate::header::{HEAD_MAX, Headers, Line};

/// Parts of a mail that are looked at (S-08).
pub const PARTS_MAX: usize = 1_000;
/// How deep parts are followed, messages within the mail included (S-08).
pub const DEPTH_MAX: usize = 30;
/// Octets of a mail's body that are looked at, as large as a mail may be (S-08).
pub const BODY_MAX: u64 = 25 * 1_024 * 1_024;
/// Octets of one part, as it came, that are kept to be decoded.
pub const RAW_MAX: usize = 4 * 1_024 * 1_024;
/// Octets of a structured field that are looked at.
pub(super) const VALUE_MAX: usize = 8_192;
/// Boundaries of one multipart that are looked for.
pub(super) const BOUNDARIES_MAX: usize = 4;
/// Octets of a name of a file that are kept.
const NAME_MAX: usize = 255;

/// One part of a mail, multiparts left out.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Part {
    /// The media type in lower case, `text/plain` where none is named.
    pub mime: Box<str>,
    /// The name of the file by Content-Disposition.
    pub file_name: Option<Box<str>>,
    /// The name by Content-Type, which some readers go by.
    pub name: Option<Box<str>>,
    /// Whether it is an attachment by Content-Disposition.
    pub attachment: bool,
    /// How many parts and messages are around it.
    pub depth: usize,
    /// Octets as it came, still encoded.
    pub octets: u64,
}

/// What becomes of the octets of a part.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Plain,
    Html,
    Message,
    Other,
}

/// A part whose text is to be looked at.
pub(super) struct Leaf {
    pub(super) kind: Kind,
    pub(super) charset: Option<String>,
    pub(super) flowed: bool,
    pub(super) delsp: bool,
    /// Whether a line that begins with a space goes on the one before (RFC 5545, RFC 6350).
    pub(super) folded: bool,
    /// Whether any reader shows it in its place, were it a branch of an alternative.
    pub(super) shown: bool,
    transfer: Transfer,
    raw: Vec<u8>,
    octets: u64,
    index: Option<usize>,
    depth: usize,
}

/// What the walk gives out.
pub(super) enum Seen {
    /// The decoded octets of a part with text.
    Text(Leaf, Vec<u8>),
    /// Octets outside the parts of a multipart.
    Outside(Vec<u8>),
    /// The Subject of the mail or of a mail in it.
    Subject(String),
    /// A multipart/alternative begins, and whether it stands where any reader shows it.
    Alternative(bool),
    /// A branch of the alternative that is open is over.
    Branch,
    /// That alternative is over.
    Chosen,
}

struct Multipart {
    /// One, or each of those that a reader may take for it.
    boundaries: Vec<Vec<u8>>,
    depth: usize,
    digest: bool,
    alternative: bool,
}

enum At {
    /// Between parts, where readers see nothing who find the same boundaries; what stands there is kept.
    Between(Vec<u8>),
    /// In the header of a part; the second is how deep it is, the third whether it is a message by default.
    Head(Vec<u8>, usize, bool),
    Body(Leaf),
}

/// Whether a line, without what is blank at its end, is a delimiter of a multipart, and whether the last one.
pub(super) fn delimits(line: &[u8], boundaries: &[Vec<u8>]) -> Option<bool> {
    let written = line.strip_prefix(b"--")?;
    boundaries
        .iter()
        .find_map(|boundary| match written.strip_prefix(boundary.as_slice())? {
            b"" => Some(false),
            b"--" => Some(true),
            _ => None,
        })
}

/// Walks over a message; `take` gets what is to be looked at.
pub(super) struct Walk<'w, 'r> {
    pub(super) reach: &'w mut Reach<'r>,
    pub(super) parts: Vec<Part>,
    pub(super) anomalies: Anomalies,
    count: usize,
    open: Vec<Multipart>,
    at: At,
    within: Vec<(Vec<u8>, usize)>,
    /// Octets outside of parts that are still kept.
    outside: usize,
}

impl<'w, 'r> Walk<'w, 'r> {
    pub(super) fn new(reach: &'w mut Reach<'r>) -> Walk<'w, 'r> {
        Walk {
            reach,
            parts: Vec::new(),
            anomalies: Anomalies::default(),
            count: 0,
            open: Vec::new(),
            at: At::Between(Vec::new()),
            outside: RAW_MAX,
            within: Vec::new(),
        }
    }

    /// Walks over the whole message.
    pub(super) fn message(
        &mut self,
        headers: &Headers,
        body: &dyn Content,
        take: &mut dyn FnMut(Seen, &mut Reach<'r>, &mut Anomalies),
    ) {
        self.count = 1;
        self.begin(headers, 0, false, take);
        self.lines(body, take);
        // Messages that came encoded; each is shorter than the one around it.
        while let Some((octets, depth)) = self.within.pop() {
            if self.reach.is_over() {
                return;
            }
            if self.has_part() {
                self.at = At::Head(Vec::new(), depth, false);
                self.lines(&Bytes::from(octets), take);
            }
        }
    }

    fn lines(&mut self, content: &dyn Content, take: &mut dyn FnMut(Seen, &mut Reach<'r>, &mut Anomalies)) {
        let mut at = 0_u32;
        let read = each_line(content, BODY_MAX, &mut |line, fresh| {
            at = at.wrapping_add(1);
            if at.is_multiple_of(512) && self.reach.is_over() {
                return ControlFlow::Break(());
            }
            self.line(line, fresh, take)
        });
        self.reach.excess.unread |= read.is_err();
        self.reach.excess.octets |= content.len() > BODY_MAX;
        self.conclude(take);
        self.anomalies.unclosed |= !self.open.is_empty();
        self.close(0, take);
    }

    /// Takes a line, or the next piece of a long one where it is not `fresh`.
    fn line(
        &mut self,
        line: &[u8],
        fresh: bool,
        take: &mut dyn FnMut(Seen, &mut Reach<'r>, &mut Anomalies),
    ) -> ControlFlow<()> {
        if fresh && line.starts_with(b"--") && !self.open.is_empty() {
            let written = line.trim_ascii_end();
            let found = self
                .open
                .iter()
                .enumerate()
                .rev()
                .find_map(|(at, multipart)| Some((at, delimits(written, &multipart.boundaries)?)));
            if let Some((at, closing)) = found {
                return self.boundary(at, closing, take);
            }
        }
        match &mut self.at {
            At::Between(octets) => {
                let kept = line.get(..self.outside).unwrap_or(line);
                octets.extend_from_slice(kept);
                self.outside -= kept.len();
                self.reach.excess.text |= kept.len() < line.len();
            }
            At::Body(leaf) => {
                leaf.octets += line.len() as u64;
                if leaf.kind != Kind::Other {
                    let room = RAW_MAX - leaf.raw.len();
                    let kept = line.get(..room).unwrap_or(line);
                    leaf.raw.extend_from_slice(kept);
                    self.reach.excess.text |= kept.len() < line.len();
                }
            }
            At::Head(head, ..) => {
                let kind = if fresh {
                    Line::of(line, head.is_empty(), !head.is_empty())
                } else {
                    Line::Fold
                };
                match kind {
                    Line::Blank | Line::Text => {
                        self.head(take);
                        if kind == Line::Text {
                            return self.line(line, false, take);
                        }
                    }
                    _ => {
                        let room = HEAD_MAX - head.len();
                        let kept = line.get(..room).unwrap_or(line);
                        head.extend_from_slice(kept);
                        self.reach.excess.head |= kept.len() < line.len();
                    }
                }
            }
        }
        ControlFlow::Continue(())
    }

    /// A boundary ends what was open within its multipart.
    fn boundary(
        &mut self,
        at: usize,
        closing: bool,
        take: &mut dyn FnMut(Seen, &mut Reach<'r>, &mut Anomalies),
    ) -> ControlFlow<()> {
        self.conclude(take);
        self.anomalies.unclosed |= self.open.len() > at + 1;
        self.close(if closing { at } else { at + 1 }, take);
        if closing {
            return ControlFlow::Continue(());
        }
        if self.open.last().is_some_and(|multipart| multipart.alternative) {
            take(Seen::Branch, self.reach, &mut self.anomalies);
        }
        if self.has_part() {
            let depth = self.open.last().map_or(0, |multipart| multipart.depth);
            let digest = self.open.last().is_some_and(|multipart| multipart.digest);
            self.at = At::Head(Vec::new(), depth + 1, digest);
        } else {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }

    /// Closes multiparts until so many are open.
    fn close(&mut self, left: usize, take: &mut dyn FnMut(Seen, &mut Reach<'r>, &mut Anomalies)) {
        while self.open.len() > left {
            if self.open.pop().is_some_and(|multipart| multipart.alternative) {
                take(Seen::Chosen, self.reach, &mut self.anomalies);
            }
        }
    }

    /// Whether no message stands between what is so deep and the alternative around it.
    fn is_beside(&self, depth: usize) -> bool {
        let mut around = self.open.iter().enumerate();
        let alternative = around.rfind(|(_, multipart)| multipart.alternative);
        // Each level is a multipart or a message.
        alternative.is_none_or(|(at, multipart)| depth + at == multipart.depth + self.open.len())
    }

    /// Counts a part; false where there are too many.
    fn has_part(&mut self) -> bool {
        self.count += 1;
        self.reach.excess.parts |= self.count > PARTS_MAX;
        self.count <= PARTS_MAX
    }

    /// Ends a header and, where it is one, the part whose header it was.
    fn conclude(&mut self, take: &mut dyn FnMut(Seen, &mut Reach<'r>, &mut Anomalies)) {
        // A message within the mail may be a header alone, and its header that of a message.
        while matches!(self.at, At::Head(..)) {
            self.head(take);
        }
        self.finish(take);
    }

    fn head(&mut self, take: &mut dyn FnMut(Seen, &mut Reach<'r>, &mut Anomalies)) {
        if let At::Head(head, depth, digest) = self.leave() {
            let headers = Headers::parse(Bytes::from(head));
            self.reach.excess.head |= headers.excess().any();
            self.begin(&headers, depth, digest, take);
        }
    }

    fn leave(&mut self) -> At {
        std::mem::replace(&mut self.at, At::Between(Vec::new()))
    }

    /// A header is read: what follows?
    fn begin(
        &mut self,
        headers: &Headers,
        depth: usize,
        digest: bool,
        take: &mut dyn FnMut(Seen, &mut Reach<'r>, &mut Anomalies),
    ) {
        for name in ["Content-Type", "Content-Transfer-Encoding", "Content-Disposition"] {
            self.anomalies.twice |= headers.all(name).nth(1).is_some();
        }
        for subject in headers.all("Subject") {
            let value = subject.unfolded();
            self.reach.excess.text |= value.len() > VALUE_MAX;
            let value = url::head_octets(&value, VALUE_MAX);
            let text = decode::words(value, None, &mut self.anomalies);
            take(Seen::Subject(text), self.reach, &mut self.anomalies);
        }
        let field = |name: &str| headers.get(name).map(|value| value.unfolded().into_owned());
        let (typed, disposed) = (field("Content-Type"), field("Content-Disposition"));
        let written = self.parameters(typed.as_deref()).values("boundary");
        self.parameters(disposed.as_deref());
        let text = |value: &Vec<u8>| {
            let value = url::head_octets(value, VALUE_MAX);
            let value = url::head_octets(value, Parameters::of(value).len);
            String::from_utf8_lossy(value).into_owned()
        };
        let transfer = headers
            .get("Content-Transfer-Encoding")
            .map_or(Transfer::Plain, |header| {
                Transfer::of(&header.unfolded(), &mut self.anomalies)
            });
        let typed = typed.as_ref().map(|value| parse_content_type(&text(value)));
        let disposition = disposed.as_ref().map(|value| parse_content_disposition(&text(value)));
        let mut parameters = typed.as_ref().map(|typed| typed.params.clone()).unwrap_or_default();
        let mime = match &typed {
            Some(typed) if typed.mimetype.contains('/') => typed.mimetype.as_str(),
            _ if digest => "message/rfc822",
            _ => "text/plain",
        };

        if mime.starts_with("multipart/") {
            let continued = parameters.remove("boundary").filter(|_| written.is_empty());
            let mut boundaries: Vec<Vec<u8>> = continued.map(String::into_bytes).into_iter().chain(written).collect();
            boundaries
                .iter_mut()
                .for_each(|one| one.truncate(one.trim_ascii_end().len()));
            boundaries.retain(|one| !one.is_empty());
            self.reach.excess.parameters |= boundaries.len() > BOUNDARIES_MAX;
            boundaries.truncate(BOUNDARIES_MAX);
            if boundaries.is_empty() {
                self.anomalies.no_boundary = true;
            } else if depth >= DEPTH_MAX || self.open.len() >= DEPTH_MAX {
                self.reach.excess.depth = true;
            } else {
                let alternative = mime == "multipart/alternative";
                if alternative {
                    let shown = self.is_beside(depth);
                    take(Seen::Alternative(shown), self.reach, &mut self.anomalies);
                }
                self.open.push(Multipart {
                    boundaries,
                    depth,
                    digest: mime == "multipart/digest",
                    alternative,
                });
                self.at = At::Between(Vec::new());
                return;
            }
        }
        let is_message = matches!(mime, "message/rfc822" | "message/global" | "message/news");
        if is_message && depth >= DEPTH_MAX {
            self.reach.excess.depth = true;
        }
        let mut names = |map: &mut std::collections::BTreeMap<String, String>, name: &str| {
            let name = map.remove(name).filter(|name| !name.is_empty())?;
            self.anomalies.encoded_name |= name.contains("=?") && name.contains("?=");
            let name = decode::words(name.as_bytes(), Some("utf-8"), &mut self.anomalies);
            Some(Box::<str>::from(url::head(&name, NAME_MAX)))
        };
        let name = names(&mut parameters, "name");
        let mut file_name = None;
        let mut attachment = false;
        if let Some(mut disposition) = disposition {
            attachment = disposition.disposition == DispositionType::Attachment;
            file_name = names(&mut disposition.params, "filename");
        }
        let ends_as_html = [&name, &file_name].into_iter().flatten().any(|name| {
            let name = name.to_ascii_lowercase();
            [".htm", ".html", ".xhtml", ".shtml", ".xht", ".svg"]
                .iter()
                .any(|end| name.ends_with(end))
        });
        let kind = match mime {
            _ if is_message && depth < DEPTH_MAX => Kind::Message,
            "text/html" | "text/x-amp-html" | "application/xhtml+xml" | "image/svg+xml" => Kind::Html,
            _ if ends_as_html => Kind::Html,
            _ if mime.starts_with("text/") || mime.starts_with("multipart/") || mime.starts_with("message/") => {
                Kind::Plain
            }
            _ => Kind::Other,
        };
        let index = self.parts.len();
        self.parts.push(Part {
            mime: url::head(mime, NAME_MAX).into(),
            file_name,
            name,
            attachment,
            depth,
            octets: 0,
        });
        if kind == Kind::Message && transfer == Transfer::Plain {
            if self.has_part() {
                self.at = At::Head(Vec::new(), depth + 1, false);
            }
            return;
        }
        let yes = |name: &str, wanted: &str| {
            let value = typed.as_ref().and_then(|typed| typed.params.get(name));
            value.is_some_and(|value| value.eq_ignore_ascii_case(wanted))
        };
        let shown = !attachment
            && matches!(mime, "text/plain" | "text/html" | "application/xhtml+xml")
            && self.is_beside(depth);
        self.at = At::Body(Leaf {
            kind,
            shown,
            flowed: yes("format", "flowed"),
            delsp: yes("delsp", "yes"),
            folded: matches!(
                mime,
                "text/calendar" | "text/x-vcalendar" | "text/vcard" | "text/x-vcard" | "text/directory"
            ),
            charset: typed.as_ref().and_then(|typed| typed.params.get("charset").cloned()),
            transfer,
            raw: Vec::new(),
            octets: 0,
            index: Some(index),
            depth,
        });
    }

    /// The parameters of a field, with what is to be told about them.
    fn parameters<'v>(&mut self, value: Option<&'v [u8]>) -> Parameters<'v> {
        let value = value.unwrap_or_default();
        let known = Parameters::of(url::head_octets(value, VALUE_MAX));
        self.reach.excess.parameters |= known.len < value.len();
        self.anomalies.parameter_twice |= known.has_doubles() || known.differ("boundary");
        self.anomalies.names_differ |= known.differ("name") || known.differ("filename");
        known
    }

    /// A part is over.
    fn finish(&mut self, take: &mut dyn FnMut(Seen, &mut Reach<'r>, &mut Anomalies)) {
        let mut leaf = match self.leave() {
            At::Body(leaf) => leaf,
            At::Between(octets) if !octets.is_empty() => {
                return take(Seen::Outside(octets), self.reach, &mut self.anomalies);
            }
            _ => return,
        };
        if let Some(part) = leaf.index.and_then(|index| self.parts.get_mut(index)) {
            part.octets = leaf.octets;
        }
        if leaf.kind == Kind::Other || leaf.raw.is_empty() {
            return;
        }
        let raw = std::mem::take(&mut leaf.raw);
        let octets = leaf.transfer.decode(&raw, &mut self.anomalies).into_owned();
        drop(raw);
        let (uuencode, yenc) = uu::inline(&octets);
        self.anomalies.uuencode |= uuencode;
        self.anomalies.yenc |= yenc;
        match leaf.kind {
            Kind::Message => self.within.push((octets, leaf.depth + 1)),
            _ => take(Seen::Text(leaf, octets), self.reach, &mut self.anomalies),
        }
    }
}
