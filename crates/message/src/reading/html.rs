//! What a reader of HTML sees and what not, and where it can be clicked.
//!
//! There is no tree: tokens come one after the other, and a stack of open elements says whether text is seen. So the time
//! is linear in the size and nothing recurses, whatever the nesting. Unseen is what is not displayed, not visible, without
//! size, without opacity, off the screen or in the colour of its ground, as far as that stands in attributes or in plain
//! rules of a style sheet; and comments, titles and scripts.

use std::borrow::Cow;
use std::ops::Range;

use super::Reach;
use super::colour;
use super::element::{APART, BLOCK, DEED, Name, Open, ROOT, UNSEEN, VOID};
use super::events;
use super::link::{Place, Trick};
use super::scan::Scanner;
use super::style::{self, Ground, Look, Sheet};
use super::tag::{Key, Tag};
use super::url::{self, Reference, Target};

/// Tags of a mail that are looked at (S-08).
pub const TAGS_MAX: usize = 50_000;
/// Open elements (S-08).
pub const NESTING_MAX: usize = 256;
/// Attributes of a tag (S-08).
pub const ATTRIBUTES_MAX: usize = 64;
/// Octets of the text of an anchor that are compared with where it leads.
const SHOWN_MAX: usize = 1_024;

/// What the HTML of a mail has in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Markup {
    /// Start tags.
    pub tags: usize,
    /// Anchors with a target.
    pub anchors: usize,
    /// Images.
    pub images: usize,
    /// Images that are fetched from somewhere.
    pub remote_images: usize,
    /// Images of at most one pixel in width or height.
    pub pixels: usize,
    /// Forms.
    pub forms: usize,
    /// Fields that ask for a password.
    pub passwords: usize,
    /// Scripts, with those in `javascript:` links.
    pub scripts: usize,
    /// Frames, objects and embedded things.
    pub frames: usize,
    /// Whether it goes elsewhere by itself.
    pub refresh: bool,
    /// Whether it says what its links are relative to.
    pub base: bool,
    /// Octets of text that a reader sees.
    pub visible: usize,
    /// Octets of text that a reader does not see.
    pub hidden: usize,
    /// Octets of comments.
    pub comments: usize,
}

/// The text of HTML, seen and unseen.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) visible: String,
    pub(super) hidden: String,
}

/// Reads one HTML document.
pub(super) fn read(html: &str, scanner: &Scanner, markup: &mut Markup, reach: &mut Reach<'_>) -> Texts {
    read_by(events::read, html, scanner, markup, reach)
}

/// The same by something that gives the tokens of a document to the walk.
fn read_by(
    tokens: fn(&str, &mut Walk<'_, '_>),
    html: &str,
    scanner: &Scanner,
    markup: &mut Markup,
    reach: &mut Reach<'_>,
) -> Texts {
    let mut walk = Walk {
        source: html,
        scanner,
        markup,
        reach,
        open: Vec::new(),
        unkept: 0,
        tag: Tag::default(),
        raw: Raw::None,
        anchor: None,
        base: None,
        sheet: Sheet::default(),
        later: Vec::new(),
        texts: Texts::default(),
        events: 0,
        stopped: false,
    };
    let mut document = Cow::Borrowed(html);
    loop {
        tokens(&document, &mut walk);
        walk.end_anchor();
        // What stands in <noscript> is read by those who run no scripts, as mail readers do; some comments by Outlook.
        match walk.later.pop() {
            Some(more) if !walk.stopped => {
                document = Cow::Owned(more);
                walk.raw = Raw::None;
                walk.source = "";
            }
            _ => break,
        }
    }
    let Walk { texts, markup, .. } = walk;
    markup.visible += texts.visible.len();
    markup.hidden += texts.hidden.len();
    texts
}

/// Elements whose inside is text and nothing else.
#[derive(Clone, Copy, PartialEq)]
enum Raw {
    None,
    Script,
    Style,
    Title,
    NoScript,
    /// Text that is seen.
    Area,
    Other,
}

/// An anchor whose text is not over.
struct Anchor {
    target: Target,
    place: Place,
    shown: String,
}

/// Walks over the events of a document.
pub(super) struct Walk<'a, 'r> {
    source: &'a str,
    scanner: &'a Scanner,
    markup: &'a mut Markup,
    reach: &'a mut Reach<'r>,
    open: Vec<Open>,
    unkept: usize,
    tag: Tag,
    raw: Raw,
    anchor: Option<Anchor>,
    base: Option<Target>,
    sheet: Sheet,
    later: Vec<String>,
    texts: Texts,
    events: usize,
    /// The tokenizer ends the step it is in, and gives what came to light in it.
    stopped: bool,
}

impl Walk<'_, '_> {
    /// Whether nothing more is looked at.
    pub(super) fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether to look at what comes next.
    fn goes_on(&mut self) -> bool {
        self.events += 1;
        self.stopped =
            self.stopped || self.reach.excess.time || self.events.is_multiple_of(256) && self.reach.is_over();
        !self.stopped
    }

    /// A start tag begins.
    pub(super) fn open_event(&mut self, name: Name) {
        if self.goes_on() {
            self.tag.begin(name);
        }
    }

    /// An attribute of a start tag.
    pub(super) fn attribute_event(&mut self, key: Key) {
        if self.goes_on() {
            self.reach.excess.attributes |= !self.tag.attribute(key);
        }
    }

    /// The value of that attribute, and where it stands in the document.
    pub(super) fn value_event(&mut self, value: &str, at: Range<usize>) {
        if self.goes_on() {
            let written = self.source.as_bytes().get(at).unwrap_or_default();
            self.tag.value(value, written);
        }
    }

    /// The start tag is complete.
    pub(super) fn start_event(&mut self, self_closing: bool) {
        if self.goes_on() {
            self.markup.tags += 1;
            if self.markup.tags > TAGS_MAX {
                self.reach.excess.tags = true;
                self.stopped = true;
            } else {
                self.start(self_closing);
            }
        }
    }

    /// An end tag.
    pub(super) fn end_event(&mut self, name: Name) {
        if self.goes_on() {
            self.end(name);
        }
    }

    /// Text between tags.
    pub(super) fn text_event(&mut self, text: &str) {
        if self.goes_on() {
            self.text(text);
        }
    }

    /// A comment.
    pub(super) fn comment_event(&mut self, text: &str) {
        if !self.goes_on() {
            return;
        }
        self.markup.comments += text.len();
        let mut text = text;
        if let Some((before, inside)) = conditional(text) {
            self.again(inside);
            text = before;
        }
        let reach = &mut *self.reach;
        self.scanner
            .scan(text, &mut |found| reach.scanned(found, Place::Hidden));
    }

    fn top(&self) -> Open {
        self.open.last().copied().unwrap_or(ROOT)
    }

    /// A start tag is complete.
    fn start(&mut self, self_closing: bool) {
        let tag = self.tag.name;
        let kind = tag.letters();
        while self.open.last().is_some_and(|top| top.ends_before(tag)) {
            self.open.pop();
        }
        let element = self.look();
        let seen = element.is_seen();
        self.separate(tag);
        self.raw = Raw::None;
        if tag.is(DEED) {
            self.deed(kind);
        }
        self.references(kind, seen);
        if tag.is(VOID) || self_closing && kind.contains(&b':') {
            return;
        }
        if self.open.len() < NESTING_MAX {
            self.open.push(Open { name: tag, ..element });
        } else {
            self.reach.excess.nesting = true;
            self.unkept += 1;
        }
    }

    /// Takes in what an element is beside a place for text.
    fn deed(&mut self, kind: &[u8]) {
        self.raw = match kind {
            b"script" => Raw::Script,
            b"style" => Raw::Style,
            b"title" => Raw::Title,
            b"noscript" => Raw::NoScript,
            b"textarea" | b"plaintext" => Raw::Area,
            b"iframe" | b"xmp" | b"noembed" | b"noframes" => Raw::Other,
            _ => Raw::None,
        };
        match kind {
            b"img" => self.image(),
            b"form" => self.markup.forms += 1,
            b"script" => self.markup.scripts += 1,
            b"iframe" | b"frame" | b"object" | b"embed" => self.markup.frames += 1,
            b"input" => {
                let is = |kind: &str, wanted: &str| kind.eq_ignore_ascii_case(wanted);
                self.markup.passwords += usize::from(self.tag.get(Key::Type).is_some_and(|kind| is(kind, "password")));
            }
            b"a" => self.end_anchor(),
            b"meta" => self.refresh(),
            _ => {}
        }
    }

    /// How the text within the tag looks that was just read.
    fn look(&self) -> Open {
        let mut element = self.top();
        let look = self.tag.get(Key::Style).map(style::declarations).unwrap_or_default();
        let classes = self.tag.get(Key::Class).unwrap_or_default();
        let id = self.tag.get(Key::Id).unwrap_or_default();
        let tag = self.tag.name.letters();
        let Look {
            gone,
            tiny,
            invisible,
            clear,
            colour,
            ground,
        } = look;
        let rule = self.sheet.look(tag, id, classes);
        let shut = tag == b"dialog" && self.tag.get(Key::Open).is_none();
        element.gone |= gone || self.tag.get(Key::Hidden).is_some() || self.tag.name.is(UNSEEN) || shut || rule.hides();
        element.tiny = tiny.unwrap_or(element.tiny);
        element.invisible = invisible.unwrap_or(element.invisible);
        let attribute = |key| self.tag.get(key).and_then(colour::colour);
        let own = match tag {
            b"font" => attribute(Key::Color),
            b"body" => attribute(Key::Text),
            _ => None,
        };
        let written = self.tag.get(Key::Background).map(|_| Ground::Unknown);
        let written = ground.or(written).or(attribute(Key::Bgcolor).map(Ground::Colour));
        let styled = self.sheet.any && !(classes.is_empty() && id.is_empty());
        // Of the rules for a class not all are known, so what they put behind text makes only text unseen whose colour is
        // by rules, too.
        element.ground = match written {
            Some(ground) => ground,
            None if styled => Ground::Unknown,
            None => rule.ground.unwrap_or(element.ground),
        };
        element.ruled_ground = ground.or(rule.ground).or(written).unwrap_or(element.ruled_ground);
        if colour.is_some() || clear.is_some() {
            element.ruled = None;
        } else if rule.colour.is_some() || own.is_some() {
            element.ruled = rule.colour;
        }
        element.colour = colour.or(own).unwrap_or(element.colour);
        let own = own.map(|_| false);
        element.clear = clear.or(rule.clear).or(own).unwrap_or(element.clear);
        element
    }

    fn end(&mut self, written: Name) {
        let kind = written.letters();
        self.raw = Raw::None;
        if kind == b"a" {
            self.end_anchor();
        }
        self.separate(written);
        if self.unkept > 0 {
            self.unkept -= 1;
            return;
        }
        if let Some(at) = self.open.iter().rposition(|open| open.name == written) {
            self.open.truncate(at);
        }
    }

    /// Parts words where the reader sees them apart.
    fn separate(&mut self, name: Name) {
        if name.is(BLOCK | APART) {
            for text in [&mut self.texts.visible, &mut self.texts.hidden] {
                if !text.is_empty() && !text.ends_with('\n') {
                    text.push('\n');
                }
            }
            if let Some(anchor) = &mut self.anchor
                && anchor.shown.len() < SHOWN_MAX
            {
                anchor.shown.push(' ');
            }
        }
    }

    fn text(&mut self, text: &str) {
        let seen = self.top().is_seen();
        if self.raw != Raw::None && self.is_foreign() {
            // Browsers know no raw text there: what looks like tags is tags.
            self.again(text);
        }
        match self.raw {
            Raw::Script => self.schemes(text),
            Raw::Style => {
                self.sheet.read(text);
                for link in style::urls(text).chain(style::imports(text)) {
                    self.follow(link, Place::Loaded, false);
                }
                self.schemes(text);
            }
            Raw::NoScript if self.is_foreign() => {}
            Raw::NoScript => self.again(text),
            Raw::Title | Raw::Other | Raw::Area if self.is_foreign() => {}
            Raw::Title | Raw::Other => append(&mut self.texts.hidden, text),
            Raw::None | Raw::Area if seen => {
                append(&mut self.texts.visible, text);
                if let Some(anchor) = &mut self.anchor {
                    let room = SHOWN_MAX.saturating_sub(anchor.shown.len());
                    anchor.shown.push_str(url::head(text, room));
                }
            }
            Raw::None | Raw::Area => append(&mut self.texts.hidden, text),
        }
    }

    /// Whether it stands in what is no HTML.
    fn is_foreign(&self) -> bool {
        let mut open = self.open.iter();
        open.any(|open| matches!(open.name.letters(), b"svg" | b"math"))
    }

    /// Reads text as HTML when the document is over.
    fn again(&mut self, text: &str) {
        match self.reach.again.checked_sub(text.len()) {
            Some(left) => {
                self.reach.again = left;
                self.later.push(text.to_owned());
            }
            None => self.reach.excess.html = true,
        }
    }

    /// Takes the links with a scheme of what a reader does not see.
    fn schemes(&mut self, text: &str) {
        let reach = &mut *self.reach;
        self.scanner
            .scan_schemes(text, &mut |found| reach.scanned(found, Place::Hidden));
    }

    fn image(&mut self) {
        self.markup.images += 1;
        let source = self.tag.get(Key::Src).unwrap_or_default().trim_start();
        let remote = source.starts_with("//") || source.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("http"));
        self.markup.remote_images += usize::from(remote);
        let tiny = |side| {
            let value = self.tag.get(side)?.trim().trim_end_matches("px");
            Some(value.parse::<u32>().ok()? <= 1)
        };
        let pixel = tiny(Key::Width) == Some(true) || tiny(Key::Height) == Some(true);
        self.markup.pixels += usize::from(pixel);
    }

    fn refresh(&mut self) {
        let is_refresh = self
            .tag
            .get(Key::HttpEquiv)
            .is_some_and(|v| v.trim().eq_ignore_ascii_case("refresh"));
        let Some(content) = self.tag.get(Key::Content).filter(|_| is_refresh) else {
            return;
        };
        // `5; url='http://..'`, of which browsers forgive nearly everything.
        let rest = content.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c.is_whitespace());
        let rest = rest.trim_start_matches([';', ',']).trim_start();
        let rest = match rest.get(..3) {
            Some(word) if word.eq_ignore_ascii_case("url") => {
                let after = rest.get(3..).unwrap_or_default().trim_start();
                after.strip_prefix('=').map_or(rest, str::trim_start)
            }
            _ => rest,
        };
        let target = rest.trim_matches(['"', '\'']).to_owned();
        if !target.is_empty() {
            self.markup.refresh = true;
            self.follow(&target, Place::Refresh, false);
        }
    }

    /// Follows the attributes that lead somewhere.
    fn references(&mut self, kind: &[u8], seen: bool) {
        let tag = std::mem::take(&mut self.tag);
        let clicked = |place| if seen { place } else { Place::Hidden };
        for (key, value, referenced) in tag.iter() {
            match key {
                Key::Href if kind == b"base" => {
                    if let Reference::Link(target) = url::attribute(value) {
                        self.markup.base = true;
                        self.reach.take(target.clone(), Place::Loaded);
                        self.base.get_or_insert(target);
                    }
                }
                Key::Href | Key::XlinkHref if matches!(kind, b"link" | b"image" | b"use") => {
                    self.follow(value, Place::Loaded, referenced);
                }
                Key::Href | Key::XlinkHref => {
                    self.markup.anchors += 1;
                    let script = value.trim_start().get(..11);
                    let script = script.is_some_and(|scheme| scheme.eq_ignore_ascii_case("javascript:"));
                    self.markup.scripts += usize::from(script);
                    let target = self.target(value, Place::Anchor, referenced);
                    if let Some(target) = target {
                        self.end_anchor();
                        self.anchor = Some(Anchor {
                            target,
                            place: clicked(Place::Anchor),
                            shown: String::new(),
                        });
                    }
                }
                Key::Action => self.follow(value, clicked(Place::Form), referenced),
                Key::Src | Key::Background | Key::Loaded => {
                    self.follow(value, Place::Loaded, referenced);
                }
                Key::Srcset => {
                    for candidate in value.split(',') {
                        let link = candidate.split_ascii_whitespace().next().unwrap_or_default();
                        self.follow(link, Place::Loaded, referenced);
                    }
                }
                Key::Style => {
                    for link in style::urls(value) {
                        self.follow(link, Place::Loaded, referenced);
                    }
                }
                _ => {}
            }
        }
        self.tag = tag;
    }

    fn follow(&mut self, value: &str, place: Place, referenced: bool) {
        if self.reach.excess.time {
            return;
        }
        if let Some(target) = self.target(value, place, referenced) {
            self.reach.take(target, place);
        }
    }

    fn target(&mut self, value: &str, place: Place, referenced: bool) -> Option<Target> {
        let mut target = match url::attribute(value) {
            Reference::Link(target) => target,
            Reference::Below(path) => self.base.as_ref()?.below(&path),
            Reference::Other(text) => {
                self.reach.within(&text, place);
                return None;
            }
            Reference::Nothing => return None,
        };
        if referenced && !target.tricks.contains(&Trick::EncodedHost) {
            target.tricks.push(Trick::EncodedHost);
            target.tricks.sort_unstable();
        }
        Some(target)
    }

    /// The text of an anchor is over: does it show what it leads to?
    fn end_anchor(&mut self) {
        let Some(Anchor {
            mut target,
            place,
            shown,
        }) = self.anchor.take()
        else {
            return;
        };
        let mut other = false;
        self.scanner.scan(&shown, &mut |named| {
            let Some(named) = named else {
                return true;
            };
            other = match (&named.domain, &target.domain) {
                (Some(shown), Some(led)) => shown != led,
                (None, None) => named.host != target.host,
                _ => true,
            };
            false
        });
        if other {
            target.tricks.push(Trick::OtherShown);
            target.tricks.sort_unstable();
        }
        self.reach.take(target, place);
    }
}

/// Appends text with each run of white space as one space, and none behind a space or line end or at the beginning.
fn append(to: &mut String, text: &str) {
    let blank = [' ', '\t', '\r', '\n', '\x0c'];
    let mut rest = text;
    if to.is_empty() || to.ends_with([' ', '\n']) {
        rest = rest.trim_start_matches(blank);
    }
    while let Some(at) = uneven(rest.as_bytes()) {
        let (before, after) = rest.split_at_checked(at).unwrap_or((rest, ""));
        to.push_str(before);
        // What stands before it is of the same run where it is a space.
        if !before.ends_with(' ') {
            to.push(' ');
        }
        rest = after.trim_start_matches(blank);
    }
    to.push_str(rest);
}

/// Where the first white space stands that is not a space alone, or no space.
fn uneven(octets: &[u8]) -> Option<usize> {
    const ABREAST: usize = 32;
    let odd = |one: u8, next: u8| {
        let space = (one == b' ') & (next == b' ');
        space | (one == b'\t') | (one == b'\r') | (one == b'\n') | (one == b'\x0c')
    };
    // Without an early end within a block, so that the compiler takes its octets abreast.
    let is_even = |block: &[u8; ABREAST + 1]| {
        let pairs = block.iter().zip(&block[1..]);
        pairs.fold(0, |any, (one, next)| any | u8::from(odd(*one, *next))) == 0
    };
    let mut at = 0;
    let left = loop {
        let left = octets.get(at..)?;
        match left.first_chunk() {
            Some(block) if is_even(block) => at += ABREAST,
            Some(_) => break left,
            None => {
                let mut block = [0; ABREAST + 1];
                block.get_mut(..left.len())?.copy_from_slice(left);
                if is_even(&block) {
                    return None;
                }
                break left;
            }
        }
    };
    let nexts = left.get(1..)?.iter().chain([&0]);
    let first = left.iter().zip(nexts).position(|(one, next)| odd(*one, *next))?;
    Some(at + first)
}

/// The condition of a comment that Outlook reads, `<!--[if mso]>..<![endif]-->`, and what stands in it.
fn conditional(comment: &str) -> Option<(&str, &str)> {
    let rest = comment.trim_ascii_start().strip_prefix('[')?.trim_ascii_start();
    rest.get(..2).filter(|word| word.eq_ignore_ascii_case("if"))?;
    rest.split_once('>')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::reading::link::{Gather, Link};
    use crate::reading::{Excess, HTML_MAX, TEXT_MAX};

    /// All that is made of a document.
    fn made(tokens: fn(&str, &mut Walk<'_, '_>), html: &str) -> ([String; 2], Markup, Vec<Link>, Excess) {
        let mut reach = Reach {
            gather: Gather::default(),
            excess: Excess::default(),
            html_left: HTML_MAX,
            text_left: TEXT_MAX,
            again: HTML_MAX,
            taken: 0,
            spent: &|| false,
        };
        let mut markup = Markup::default();
        let texts = read_by(tokens, html, &Scanner::new(), &mut markup, &mut reach);
        let links = reach.gather.finish().all;
        ([texts.visible, texts.hidden], markup, links, reach.excess)
    }

    fn piece() -> impl Strategy<Value = String> {
        let markup = "</?(a|p|div|B|td|br|font|base|svg|title|style|script|textarea|xmp|noscript|plaintext|o:p|img)";
        let attribute = "( |\r\n|/)?(href|SRC|style|class|id|color|hidden|alt|=|x)( ?= ?(\"[^\"<]{0,9}\"|'[^']{0,9}'|[a-z./&=]{0,9}))?";
        let value = "(http://[a-c]\\.example/(\\?[a-c]=1(&|&amp;|&lt|&#65;)[a-z]+=2)?|display:none|#fff|white)";
        prop_oneof![
            4 => "[a-z .&\r\n\u{e9}]{0,20}",
            2 => (markup, prop::collection::vec(attribute, 0..3), " ?/?>").prop_map(|(tag, all, end)| tag + &all.concat() + &end),
            2 => (markup, " (href|src|style|color)=", prop_oneof!["\"", "'", ""], value)
                .prop_map(|(tag, name, quote, value)| tag + &name + &quote + &value + &quote + ">"),
            1 => "&(nbsp|amp|lt|gt|quot|copy|not|notit|am|#[0-9]{1,7}|#x[0-9a-f]{1,5})[;=a]?",
            1 => "<!--(>|->|-|--|!|<!--|a|\r\n|\0|\\[if x\\]>b){0,4}(-->|--!>|>)?",
            1 => "<(!doctype|!DOCTYPE html|!|\\?|!\\[CDATA\\[|/|3)[a-z\"' ]{0,6}>?",
            1 => "[<>&\"'=/!\0\r-]{1,4}",
        ]
    }

    proptest! {
        #[test]
        fn usual_html_is_read_as_html5gum_reads_it(pieces in prop::collection::vec(piece(), 0..30)) {
            let html = pieces.concat();
            prop_assert_eq!(made(events::read, &html), made(events::read_oddly, &html));
        }

        #[test]
        fn white_space_is_one_space_wherever_it_stands(
            before in "[ab \n]{0,3}",
            pieces in proptest::collection::vec("[a-z\u{e9}]{1,40}|[ \t\r\n\x0c]{1,4}| ", 0..20),
        ) {
            let text = pieces.concat();
            let mut slowly = before.clone();
            for (n, word) in text.split([' ', '\t', '\r', '\n', '\x0c']).enumerate() {
                if n > 0 && !slowly.is_empty() && !slowly.ends_with([' ', '\n']) {
                    slowly.push(' ');
                }
                slowly.push_str(word);
            }
            let mut appended = before;
            append(&mut appended, &text);
            prop_assert_eq!(appended, slowly);
        }
    }
}
