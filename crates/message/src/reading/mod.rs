//! What a reader of the mail sees: the decoded text and HTML of its parts, and the links in them.
//!
//! **Invariant:** any octets make a reading, in time in proportion to their number and within the bounds of S-08. What
//! lies behind a bound is not looked at, and [`Excess`] says so; what is broken is read as far as a mail reader would
//! read it, and [`Anomalies`] says so. The same octets give the same reading.
//!
//! **Absent on purpose:** fetching anything, following redirectors, running scripts, looking into archives and documents.

mod base64;
mod choice;
mod colour;
mod decode;
mod element;
pub mod enclosed;
mod events;
mod host;
mod html;
mod lines;
mod link;
mod parameters;
mod parts;
mod plain;
mod scan;
mod search;
mod style;
mod tag;
mod url;
mod usual;
mod utf7;
mod uu;

use std::fmt;

pub use choice::Alternatives;
pub use host::registrable;
pub use html::{ATTRIBUTES_MAX, Markup, NESTING_MAX, TAGS_MAX};
pub use link::{Host, LINKS_MAX, Link, Links, Place, Trick};
pub use parameters::PARAMETERS_MAX;
pub use parts::{BODY_MAX, DEPTH_MAX, PARTS_MAX, Part, RAW_MAX};
pub use url::URL_MAX;

use self::choice::Choices;
use self::link::Gather;
use self::parts::{Kind, Leaf, Seen, Walk};
use self::scan::Scanner;
use self::url::Target;
use crate::Message;

/// Octets of HTML of a mail, decoded, that are looked at (S-08).
pub const HTML_MAX: usize = 1_000_000;
/// Octets of plain text of a mail, decoded, that are looked at.
pub const TEXT_MAX: usize = 1_000_000;

/// Octets behind the hosts of links that are looked at before it is asked whether the time is over.
const ASK_EVERY: usize = 16_384;
/// What a link costs, in such octets.
const LINK_COST: usize = 256;

/// Which bounds of S-08 a mail passes. What lies behind them was not looked at, so such a mail must not pass unmarked;
/// that is the policy's business.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Excess {
    /// More than [`PARTS_MAX`] parts.
    pub parts: bool,
    /// Parts within parts beyond [`DEPTH_MAX`].
    pub depth: bool,
    /// The header of a part is longer than a header may be.
    pub head: bool,
    /// A field with more than [`PARAMETERS_MAX`] parameters, one longer than is looked at, or with more boundaries than
    /// are looked for.
    pub parameters: bool,
    /// The body is longer than [`BODY_MAX`].
    pub octets: bool,
    /// More than [`HTML_MAX`] octets of HTML.
    pub html: bool,
    /// More than [`TAGS_MAX`] tags.
    pub tags: bool,
    /// Elements within elements beyond [`NESTING_MAX`].
    pub nesting: bool,
    /// A tag with more than [`ATTRIBUTES_MAX`] attributes.
    pub attributes: bool,
    /// More than [`TEXT_MAX`] octets of text, a part with text of more than [`RAW_MAX`], or a longer
    /// Subject than is looked at.
    pub text: bool,
    /// More than [`LINKS_MAX`] links.
    pub links: bool,
    /// A link that is longer, or has more links within it, than is looked at.
    pub link: bool,
    /// The time was over before the mail was.
    pub time: bool,
    /// The body could not be read from where it lies.
    pub unread: bool,
}

impl Excess {
    /// The bounds that are passed, each in one word.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (self.parts, "parts"),
            (self.depth, "depth"),
            (self.head, "head"),
            (self.parameters, "parameters"),
            (self.octets, "octets"),
            (self.html, "html"),
            (self.tags, "tags"),
            (self.nesting, "nesting"),
            (self.attributes, "attributes"),
            (self.text, "text"),
            (self.links, "links"),
            (self.link, "link"),
            (self.time, "time"),
            (self.unread, "unread"),
        ]
        .into_iter()
        .filter_map(|(passed, name)| passed.then_some(name))
    }

    /// Whether any bound was passed.
    pub fn any(self) -> bool {
        self != Excess::default()
    }
}

/// What is broken in a mail, which readers mend each in their own way.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Anomalies {
    /// Base64 with foreign octets, without its padding or with padding in the middle.
    pub base64: bool,
    /// Quoted-printable with an `=` that begins nothing.
    pub quoted_printable: bool,
    /// A transfer encoding that nobody knows.
    pub transfer: bool,
    /// Octets that are no text in the charset that is named, or none is named for them.
    pub charset: bool,
    /// A part with two fields of a name that may be there once.
    pub twice: bool,
    /// A field with two parameters of one name, of which readers take one or the other.
    pub parameter_twice: bool,
    /// A name of a file that is there in two ways (`filename` and `filename*`) which differ.
    pub names_differ: bool,
    /// A name of a file in encoded words, which do not belong there.
    pub encoded_name: bool,
    /// A file in uuencode.
    pub uuencode: bool,
    /// A file in yEnc.
    pub yenc: bool,
    /// A multipart without a boundary.
    pub no_boundary: bool,
    /// A multipart without its last boundary.
    pub unclosed: bool,
}

impl Anomalies {
    /// The anomalies, each in one word.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            (self.base64, "base64"),
            (self.quoted_printable, "quoted-printable"),
            (self.transfer, "transfer"),
            (self.charset, "charset"),
            (self.twice, "twice"),
            (self.parameter_twice, "parameter-twice"),
            (self.names_differ, "names-differ"),
            (self.encoded_name, "encoded-name"),
            (self.uuencode, "uuencode"),
            (self.yenc, "yenc"),
            (self.no_boundary, "no-boundary"),
            (self.unclosed, "unclosed"),
        ]
        .into_iter()
        .filter_map(|(there, name)| there.then_some(name))
    }

    /// Whether there is any.
    pub fn any(self) -> bool {
        self != Anomalies::default()
    }
}

/// The value of a field with its encoded words decoded.
pub(crate) fn decoded(value: &[u8]) -> String {
    decode::words(value, None, &mut Anomalies::default())
}

/// What a reader of a mail sees.
#[derive(Clone, Default)]
pub struct Reading {
    links: Links,
    parts: Vec<Part>,
    subject: String,
    text: String,
    hidden: String,
    alternatives: Option<Alternatives>,
    markup: Markup,
    excess: Excess,
    anomalies: Anomalies,
}

impl Reading {
    /// The links, those that one clicks first.
    pub fn links(&self) -> &Links {
        &self.links
    }

    /// The parts as they came, multiparts left out, messages within the mail included.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The Subject, decoded; of several the first.
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The text that is seen, of all parts one after the other, at most [`TEXT_MAX`] and what [`HTML_MAX`] gives. Of a
    /// multipart/alternative that is the last branch that readers can show.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text in HTML that is not seen, and of the branches of an alternative that are not seen the words that the seen
    /// one has not.
    pub fn hidden(&self) -> &str {
        &self.hidden
    }

    /// How far the branches of alternatives differ; `None` where there is nothing to compare.
    pub fn alternatives(&self) -> Option<Alternatives> {
        self.alternatives
    }

    /// What the HTML has in it.
    pub fn markup(&self) -> &Markup {
        &self.markup
    }

    /// Which bounds the mail passes.
    pub fn excess(&self) -> Excess {
        self.excess
    }

    /// What is broken in it.
    pub fn anomalies(&self) -> Anomalies {
        self.anomalies
    }
}

impl fmt::Debug for Reading {
    /// Numbers only: mail does not belong into logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reading")
            .field("links", &self.links.iter().len())
            .field("parts", &self.parts.len())
            .field("text", &self.text.len())
            .field("hidden", &self.hidden.len())
            .field("excess", &self.excess)
            .finish_non_exhaustive()
    }
}

impl Message {
    /// What a reader sees, made at the first call and within the bounds of S-08. `spent` is asked now and then whether
    /// the time is over; what is read until then is what there is, and [`Reading`] says so.
    ///
    /// Takes milliseconds for a large mail: a filter calls it through `Services::compute` unless the mail is small. A
    /// body in a file is read through a window of 64 KiB, so no more of it is in memory than its text parts within their
    /// bounds.
    pub fn reading(&self, spent: &dyn Fn() -> bool) -> &Reading {
        self.reading.get_or_init(|| read(self, spent))
    }
}

/// What all parts of a mail share: where links go, what was passed, and when it is over.
struct Reach<'r> {
    gather: Gather,
    excess: Excess,
    html_left: usize,
    text_left: usize,
    /// Octets that may be looked at a second time.
    again: usize,
    /// What was spent on links since the time was last asked for.
    taken: usize,
    spent: &'r dyn Fn() -> bool,
}

impl Reach<'_> {
    /// Whether the time is over.
    fn is_over(&mut self) -> bool {
        self.excess.time = self.excess.time || (self.spent)();
        self.excess.time
    }

    /// Takes a link; false when it is the last.
    fn take(&mut self, target: Target, place: Place) -> bool {
        self.taken += LINK_COST + target.rest.len();
        self.gather.take(target, place);
        if self.taken < ASK_EVERY {
            return true;
        }
        self.taken = 0;
        !self.is_over()
    }

    /// Takes what a scan gives: a link, or the question whether to go on.
    fn scanned(&mut self, found: Option<Target>, place: Place) -> bool {
        match found {
            Some(target) => self.take(target, place),
            None => !self.is_over(),
        }
    }

    /// What of a text may be looked at a second time.
    fn again<'t>(&mut self, text: &'t str) -> &'t str {
        let seen = url::head(text, self.again);
        self.again -= seen.len();
        self.excess.html |= seen.len() < text.len();
        seen
    }

    fn within(&mut self, text: &str, place: Place) {
        self.taken += LINK_COST + text.len();
        self.gather.within(text, place);
    }
}

fn read(message: &Message, spent: &dyn Fn() -> bool) -> Reading {
    let mut reach = Reach {
        gather: Gather::default(),
        excess: Excess::default(),
        html_left: HTML_MAX,
        text_left: TEXT_MAX,
        again: HTML_MAX,
        taken: 0,
        spent,
    };
    let scanner = Scanner::new();
    let mut reading = Reading::default();
    let mut choices = Choices::default();
    let mut subjects = 0;
    // What readers see who do not know a charset; its tags have a bound of their own.
    let mut bare_markup = Markup::default();
    let mut walk = Walk::new(&mut reach);
    walk.message(
        message.headers(),
        &**message.body(),
        &mut |seen, reach, anomalies| match seen {
            Seen::Alternative(shown) => choices.begin(shown, &mut reading.text),
            Seen::Branch => choices.branch(&mut reading.text),
            Seen::Chosen => {
                let compares = !reach.is_over();
                choices.chosen(&mut reading.text, &mut reading.hidden, compares);
            }
            // What is there is what was read until then.
            _ if reach.excess.time => {}
            Seen::Subject(text) => {
                let seen = url::head(&text, reach.text_left);
                reach.text_left -= seen.len();
                reach.excess.text |= seen.len() < text.len();
                scanner.scan(seen, &mut |found| reach.scanned(found, Place::Field));
                if subjects == 0 {
                    reading.subject = text;
                }
                subjects += 1;
            }
            Seen::Text(leaf, octets) if leaf.kind == Kind::Html => {
                let named = if leaf.charset.is_none() {
                    decode::named_in_html(&octets)
                } else {
                    None
                };
                let charset = leaf.charset.as_deref().or(named.as_deref());
                let (text, second) = decode::readings(&octets, charset, anomalies);
                let html = url::head(&text, reach.html_left);
                reach.html_left -= html.len();
                reach.excess.html |= html.len() < text.len();
                let before = (reading.markup.images, reach.gather.len());
                let texts = html::read(html, &scanner, &mut reading.markup, reach);
                let shows = before != (reading.markup.images, reach.gather.len());
                choices.text(&texts.visible, leaf.shown, true, shows);
                for (place, seen, all) in [
                    (Place::Text, texts.visible, &mut reading.text),
                    (Place::Hidden, texts.hidden, &mut reading.hidden),
                ] {
                    scanner.scan(&seen, &mut |found| reach.scanned(found, place));
                    append(all, &seen);
                }
                if let Some(second) = second {
                    let known = reach.gather.len();
                    let bare = reach.again(&second.text);
                    let texts = html::read(bare, &scanner, &mut bare_markup, reach);
                    for text in [texts.visible, texts.hidden] {
                        scan_bare(&scanner, &text, second.mixed, reach);
                    }
                    anomalies.charset |= reach.gather.len() != known;
                }
            }
            Seen::Outside(octets) => {
                let text = decode::text(&octets, None, &mut Anomalies::default());
                let seen = reach.again(&text);
                scanner.scan(seen, &mut |found| reach.scanned(found, Place::Hidden));
            }
            Seen::Text(leaf, octets) => {
                let (text, second) = decode::readings(&octets, leaf.charset.as_deref(), anomalies);
                let seen = url::head(&text, reach.text_left);
                reach.text_left -= seen.len();
                reach.excess.text |= seen.len() < text.len();
                let joined = if leaf.folded {
                    Some(unfolded(seen))
                } else {
                    leaf.flowed.then(|| flowed(seen, &leaf))
                };
                let seen = joined.as_deref().unwrap_or(seen);
                scanner.scan(seen, &mut |found| reach.scanned(found, Place::Text));
                choices.text(seen, leaf.shown, false, false);
                append(&mut reading.text, seen);
                if let Some(second) = second {
                    let known = reach.gather.len();
                    let bare = reach.again(&second.text);
                    scan_bare(&scanner, bare, second.mixed, reach);
                    anomalies.charset |= reach.gather.len() != known;
                }
            }
        },
    );
    let Walk { parts, anomalies, .. } = walk;
    (reading.parts, reading.anomalies) = (parts, anomalies);
    reading.alternatives = choices.told();
    let gather = reach.gather;
    reading.excess = reach.excess;
    reading.excess.links |= gather.has_more();
    reading.excess.link |= gather.has_cut();
    reading.links = gather.finish();
    reading
}

/// Takes the links of text that was read without its charset.
fn scan_bare(scanner: &Scanner, text: &str, mixed: bool, reach: &mut Reach<'_>) {
    let mut take = |found| reach.scanned(found, Place::Hidden);
    if mixed {
        scanner.scan_schemes(text, &mut take);
    } else {
        scanner.scan(text, &mut take);
    }
}

/// Appends the text of a part on a line of its own.
fn append(all: &mut String, text: &str) {
    if !all.is_empty() && !all.ends_with('\n') {
        all.push('\n');
    }
    all.push_str(text);
}

/// Joins the lines that a writer only broke softly (RFC 3676).
fn flowed(text: &str, leaf: &Leaf) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end_matches(['\r', '\n']);
        match bare.strip_suffix(' ') {
            Some(joined) if bare != "-- " => out.push_str(if leaf.delsp { joined } else { bare }),
            _ => out.push_str(line),
        }
    }
    out
}

/// Joins the lines of a calendar or a card, which are broken anywhere.
fn unfolded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match line.strip_prefix([' ', '\t']) {
            Some(more) => {
                out.truncate(out.trim_end_matches(['\r', '\n']).len());
                out.push_str(more);
            }
            None => out.push_str(line),
        }
    }
    out
}
