//! What a reader of HTML sees and what not, and where it can be clicked.
//!
//! There is no tree: tokens come one after the other, and a stack of open elements says whether text is seen. So the time
//! is linear in the size and nothing recurses, whatever the nesting. Unseen is what is not displayed, not visible, without
//! size, without opacity, off the screen or in the colour of its ground, as far as that stands in attributes or in plain
//! rules of a style sheet; and comments, titles and scripts.

use html5gum::emitters::callback::{CallbackEmitter, CallbackEvent};
use html5gum::{Span, Tokenizer};

use super::Reach;
use super::element::{Name, Open, ROOT, is_block, is_void, letters, name};
use super::link::{Place, Trick};
use super::scan::Scanner;
use super::style::{self, Ground, Hiding, Look};
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
        hiding: Hiding::default(),
        later: Vec::new(),
        texts: Texts::default(),
        events: 0,
        stopped: false,
    };
    let mut document = html.to_owned();
    loop {
        let emitter = {
            let walk = &mut walk;
            let mut emitter =
                CallbackEmitter::new(move |event: CallbackEvent<'_>, span: Span<usize>| walk.event(event, span));
            emitter.naively_switch_states(true);
            emitter
        };
        let stopped = Tokenizer::new_with_emitter(&document, emitter).next().is_some();
        walk.end_anchor();
        // What stands in <noscript> is read by those who run no scripts, as mail readers do; some comments by Outlook.
        match walk.later.pop() {
            Some(more) if !stopped => {
                document = more;
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

/// The end of the walk before the end of the document.
struct Stop;

/// A start tag as it is read.
#[derive(Default)]
struct Tag {
    reading: bool,
    name: Name,
    attributes: Vec<(Box<str>, String)>,
    /// Whether the value of an attribute has character references in it.
    referenced: Vec<bool>,
    skipping: bool,
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

struct Walk<'a, 'r> {
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
    hiding: Hiding,
    later: Vec<String>,
    texts: Texts,
    events: usize,
    /// The tokenizer ends the step it is in, and gives what came to light in it.
    stopped: bool,
}

impl Walk<'_, '_> {
    fn event(&mut self, event: CallbackEvent<'_>, span: Span<usize>) -> Option<Stop> {
        self.events += 1;
        self.stopped =
            self.stopped || self.reach.excess.time || self.events.is_multiple_of(256) && self.reach.is_over();
        if self.stopped {
            return Some(Stop);
        }
        match event {
            CallbackEvent::OpenStartTag { name: written } => {
                self.tag.reading = true;
                self.tag.skipping = false;
                self.tag.name = name(written);
                self.tag.attributes.clear();
                self.tag.referenced.clear();
            }
            CallbackEvent::AttributeName { name } if self.tag.reading => {
                self.tag.skipping = self.tag.attributes.len() >= ATTRIBUTES_MAX;
                self.reach.excess.attributes |= self.tag.skipping;
                if !self.tag.skipping {
                    let name = String::from_utf8_lossy(url::head_octets(name, 32)).to_ascii_lowercase();
                    self.tag.attributes.push((name.into(), String::new()));
                    self.tag.referenced.push(false);
                }
            }
            CallbackEvent::AttributeValue { value } if self.tag.reading && !self.tag.skipping => {
                if let Some((_, kept)) = self.tag.attributes.last_mut() {
                    *kept = String::from_utf8_lossy(value).into_owned();
                }
                let written = self.source.as_bytes().get(span.start..span.end).unwrap_or_default();
                if let Some(referenced) = self.tag.referenced.last_mut() {
                    *referenced = has_reference_in_host(written);
                }
            }
            CallbackEvent::CloseStartTag { self_closing } => {
                self.tag.reading = false;
                self.markup.tags += 1;
                if self.markup.tags > TAGS_MAX {
                    self.reach.excess.tags = true;
                    self.stopped = true;
                    return Some(Stop);
                }
                self.start(self_closing);
            }
            CallbackEvent::EndTag { name: written } => {
                self.tag.reading = false;
                self.end(&name(written));
            }
            CallbackEvent::String { value } => {
                let text = String::from_utf8_lossy(value);
                self.text(&text);
            }
            CallbackEvent::Comment { value } => {
                self.markup.comments += value.len();
                let text = String::from_utf8_lossy(value);
                let mut text: &str = &text;
                if let Some((before, inside)) = conditional(text) {
                    self.again(inside);
                    text = before;
                }
                let reach = &mut *self.reach;
                self.scanner
                    .scan(text, &mut |found| reach.scanned(found, Place::Hidden));
            }
            _ => {}
        }
        None
    }

    fn attribute(&self, wanted: &str) -> Option<&str> {
        let mut all = self.tag.attributes.iter();
        all.find(|(name, _)| &**name == wanted).map(|(_, value)| value.as_str())
    }

    fn top(&self) -> Open {
        self.open.last().copied().unwrap_or(ROOT)
    }

    /// A start tag is complete.
    fn start(&mut self, self_closing: bool) {
        let tag = self.tag.name;
        let kind = letters(&tag);
        while self.open.last().is_some_and(|top| top.ends_before(kind)) {
            self.open.pop();
        }
        let element = self.look();
        let seen = element.is_seen();
        self.separate(kind);
        self.raw = match kind {
            b"script" => Raw::Script,
            b"style" => Raw::Style,
            b"title" => Raw::Title,
            b"noscript" => Raw::NoScript,
            b"textarea" | b"plaintext" => Raw::Area,
            b"iframe" | b"xmp" | b"noembed" | b"noframe" => Raw::Other,
            _ => Raw::None,
        };
        match kind {
            b"img" => self.image(),
            b"form" => self.markup.forms += 1,
            b"script" => self.markup.scripts += 1,
            b"iframe" | b"frame" | b"object" | b"embed" => self.markup.frames += 1,
            b"input" => {
                let is = |kind: &str, wanted: &str| kind.eq_ignore_ascii_case(wanted);
                self.markup.passwords += usize::from(self.attribute("type").is_some_and(|kind| is(kind, "password")));
            }
            b"a" => self.end_anchor(),
            b"meta" => self.refresh(),
            _ => {}
        }
        self.references(kind, seen);
        if is_void(kind) || self_closing && kind.contains(&b':') {
            return;
        }
        if self.open.len() < NESTING_MAX {
            self.open.push(Open { name: tag, ..element });
        } else {
            self.reach.excess.nesting = true;
            self.unkept += 1;
        }
    }

    /// How the text within the tag looks that was just read.
    fn look(&self) -> Open {
        let mut element = self.top();
        let look = self.attribute("style").map(style::declarations).unwrap_or_default();
        let classes = self.attribute("class").unwrap_or_default();
        let id = self.attribute("id").unwrap_or_default();
        let tag = String::from_utf8_lossy(letters(&self.tag.name));
        let Look {
            gone,
            tiny,
            invisible,
            colour,
            ground,
        } = look;
        element.gone |= gone || self.attribute("hidden").is_some() || self.hiding.has(&tag, id, classes);
        element.tiny = tiny.unwrap_or(element.tiny);
        element.invisible = invisible.unwrap_or(element.invisible);
        let attribute = |name| self.attribute(name).and_then(style::colour);
        let own = match &*tag {
            "font" => attribute("color"),
            "body" => attribute("text"),
            _ => None,
        };
        element.colour = colour.or(own).unwrap_or(element.colour);
        let styled = self.hiding.any && !(classes.is_empty() && id.is_empty());
        let behind = self.attribute("background").map(|_| Ground::Unknown);
        let own = attribute("bgcolor").map(Ground::Colour);
        element.ground = match ground.or(behind).or(own) {
            Some(ground) => ground,
            None if styled => Ground::Unknown,
            None => element.ground,
        };
        element
    }

    fn end(&mut self, written: &Name) {
        let kind = letters(written);
        self.raw = Raw::None;
        if kind == b"a" {
            self.end_anchor();
        }
        self.separate(kind);
        if self.unkept > 0 {
            self.unkept -= 1;
            return;
        }
        if let Some(at) = self.open.iter().rposition(|open| open.name == *written) {
            self.open.truncate(at);
        }
    }

    /// Parts words where the reader sees them apart.
    fn separate(&mut self, kind: &[u8]) {
        if is_block(kind) || matches!(kind, b"br" | b"td" | b"th" | b"option" | b"title") {
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
                self.hiding.read(text);
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
        open.any(|open| matches!(letters(&open.name), b"svg" | b"math"))
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
        let source = self.attribute("src").unwrap_or_default().trim_start();
        let remote = source.starts_with("//") || source.get(..4).is_some_and(|s| s.eq_ignore_ascii_case("http"));
        self.markup.remote_images += usize::from(remote);
        let tiny = |side: &str| {
            let value = self.attribute(side)?.trim().trim_end_matches("px");
            Some(value.parse::<u32>().ok()? <= 1)
        };
        let pixel = tiny("width") == Some(true) || tiny("height") == Some(true);
        self.markup.pixels += usize::from(pixel);
    }

    fn refresh(&mut self) {
        let is_refresh = self
            .attribute("http-equiv")
            .is_some_and(|v| v.trim().eq_ignore_ascii_case("refresh"));
        let Some(content) = self.attribute("content").filter(|_| is_refresh) else {
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
        let attributes = std::mem::take(&mut self.tag.attributes);
        let referenced = std::mem::take(&mut self.tag.referenced);
        let clicked = |place| if seen { place } else { Place::Hidden };
        for ((name, value), referenced) in attributes.iter().zip(&referenced) {
            match &**name {
                "href" if kind == b"base" => {
                    if let Reference::Link(target) = url::attribute(value) {
                        self.markup.base = true;
                        self.reach.take(target.clone(), Place::Loaded);
                        self.base.get_or_insert(target);
                    }
                }
                "href" | "xlink:href" if matches!(kind, b"link" | b"image" | b"use") => {
                    self.follow(value, Place::Loaded, *referenced);
                }
                "href" | "xlink:href" => {
                    self.markup.anchors += 1;
                    let script = value.trim_start().get(..11);
                    let script = script.is_some_and(|scheme| scheme.eq_ignore_ascii_case("javascript:"));
                    self.markup.scripts += usize::from(script);
                    let target = self.target(value, Place::Anchor, *referenced);
                    if let Some(target) = target {
                        self.end_anchor();
                        self.anchor = Some(Anchor {
                            target,
                            place: clicked(Place::Anchor),
                            shown: String::new(),
                        });
                    }
                }
                "action" | "formaction" => self.follow(value, clicked(Place::Form), *referenced),
                "src" | "background" | "poster" | "data" | "lowsrc" | "dynsrc" | "ping" => {
                    self.follow(value, Place::Loaded, *referenced);
                }
                "srcset" | "imagesrcset" => {
                    for candidate in value.split(',') {
                        let link = candidate.split_ascii_whitespace().next().unwrap_or_default();
                        self.follow(link, Place::Loaded, *referenced);
                    }
                }
                "style" => {
                    for link in style::urls(value) {
                        self.follow(link, Place::Loaded, *referenced);
                    }
                }
                _ => {}
            }
        }
        (self.tag.attributes, self.tag.referenced) = (attributes, referenced);
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

/// Appends text with each run of white space as one space.
fn append(to: &mut String, text: &str) {
    for (n, word) in text.split([' ', '\t', '\r', '\n', '\x0c']).enumerate() {
        if n > 0 && !to.is_empty() && !to.ends_with([' ', '\n']) {
            to.push(' ');
        }
        to.push_str(word);
    }
}

/// The condition of a comment that Outlook reads, `<!--[if mso]>..<![endif]-->`, and what stands in it.
fn conditional(comment: &str) -> Option<(&str, &str)> {
    let rest = comment.trim_ascii_start().strip_prefix('[')?.trim_ascii_start();
    rest.get(..2).filter(|word| word.eq_ignore_ascii_case("if"))?;
    rest.split_once('>')
}

/// Whether a link as it is written has numeric character references before its path.
fn has_reference_in_host(written: &[u8]) -> bool {
    let mut slashes = 0;
    let mut rest = written;
    while let [first, after @ ..] = rest {
        match first {
            b'/' | b'\\' => slashes += 1,
            b'?' => return false,
            b'&' if after.first() == Some(&b'#') => return slashes <= 2,
            _ => {}
        }
        if slashes > 2 {
            return false;
        }
        rest = after;
    }
    false
}
