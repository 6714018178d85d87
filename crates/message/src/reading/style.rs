//! Styles, as far as they make text unseen: the declarations of an attribute, and the plain rules of a style sheet.
//!
//! Rules within `@media` and the like are left alone, unless they hold for every screen: there they are how a mail shows
//! one thing on a telephone and another on a desk. Selectors other than one class, one id or one tag are, too: what they would hide counts as seen.

use std::borrow::Cow;
use std::collections::HashMap;

use super::colour::{self, Colour, Ink, colour};

/// Selectors that hide or colour, of one mail, that are remembered.
const RULES_MAX: usize = 1_000;
/// Pixels up to which letters are too small to read.
const TINY: f32 = 2.0;
/// Pixels to the left or above, from which on text is off every screen.
const OFF_SCREEN: f32 = -500.0;
/// Pixels that every screen is wide.
const NARROW: f32 = 320.0;

/// Octets of a selector, a class or id with the mark before it.
const SELECTOR_MAX: usize = 65;
/// Octets of the name of a property that is looked at.
const NAME_MAX: usize = 24;
/// Octets of its value.
const VALUE_MAX: usize = 256;

/// What lies behind text.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Ground {
    Colour(Colour),
    /// An image, or whatever a style sheet says.
    Unknown,
}

/// What declarations say about whether text is seen; `None` where they are silent.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub(super) struct Look {
    /// Not shown, whatever stands within.
    pub(super) gone: bool,
    /// Whether letters have no or a tiny size, which a child may change.
    pub(super) tiny: Option<bool>,
    /// Whether it is made invisible, which a child may change.
    pub(super) invisible: Option<bool>,
    /// Whether letters are of a colour that is not seen on any ground, which a child may change.
    pub(super) clear: Option<bool>,
    /// The colour of letters.
    pub(super) colour: Option<Colour>,
    /// What lies behind them.
    pub(super) ground: Option<Ground>,
}

/// Reads declarations such as `color:#fff; display:none`.
pub(super) fn declarations(text: &str) -> Look {
    let mut look = Look::default();
    let (mut flat, mut clipped, mut absolute, mut off) = (false, false, false, false);
    for declaration in text.split(';') {
        let Some((name, value)) = declaration.split_once(':') else {
            continue;
        };
        let mut lower = [0; NAME_MAX];
        let Some(name) = in_lower_case(name.trim(), &mut lower).filter(|name| matters(name)) else {
            continue;
        };
        let mut lower = [0; VALUE_MAX];
        let value = super::url::head(value, VALUE_MAX);
        let value = in_lower_case(value, &mut lower).unwrap_or_default();
        let value = value.split('!').next().unwrap_or_default().trim();
        match name {
            "display" => look.gone |= value == "none",
            "mso-hide" => look.gone |= value == "all" && look.gone,
            "visibility" => look.invisible = Some(matches!(value, "hidden" | "collapse")),
            "opacity" => look.gone |= number(value).is_some_and(|(n, unit)| n < if unit == "%" { 10.0 } else { 0.1 }),
            "font-size" => look.tiny = size(value).map(|pixels| pixels <= TINY).or(look.tiny),
            "font" => {
                let first = value
                    .split_ascii_whitespace()
                    .find_map(|word| size(word.split('/').next()?));
                look.tiny = first.map(|pixels| pixels <= TINY).or(look.tiny);
            }
            "color" | "-webkit-text-fill-color" => match colour::ink(value) {
                Some(Ink::Clear) => look.clear = Some(true),
                Some(Ink::Solid(colour)) => (look.clear, look.colour) = (Some(false), Some(colour)),
                None => {}
            },
            "background-color" | "background" | "background-image" => look.ground = ground(value).or(look.ground),
            "height" | "max-height" | "width" | "max-width" => flat |= size(value).is_some_and(|pixels| pixels <= 1.0),
            "overflow" => clipped |= value == "hidden",
            "position" => absolute |= matches!(value, "absolute" | "fixed"),
            "left" | "top" => off |= size(value).is_some_and(|pixels| pixels < OFF_SCREEN),
            "text-indent" => look.gone |= size(value).is_some_and(|pixels| pixels < OFF_SCREEN),
            _ => {}
        }
    }
    look.gone |= flat && clipped || absolute && off;
    look
}

/// Whether a property is one that is looked at.
fn matters(name: &str) -> bool {
    matches!(
        name.as_bytes(),
        b"display"
            | b"mso-hide"
            | b"visibility"
            | b"opacity"
            | b"font-size"
            | b"font"
            | b"color"
            | b"-webkit-text-fill-color"
            | b"background-color"
            | b"background"
            | b"background-image"
            | b"height"
            | b"max-height"
            | b"width"
            | b"max-width"
            | b"overflow"
            | b"position"
            | b"left"
            | b"top"
            | b"text-indent"
    )
}

/// A text with small letters, put into `room`; `None` where it is longer.
fn in_lower_case<'r>(text: &str, room: &'r mut [u8]) -> Option<&'r str> {
    let lower = room.get_mut(..text.len())?;
    lower.copy_from_slice(text.as_bytes());
    lower.make_ascii_lowercase();
    std::str::from_utf8(lower).ok()
}

fn number(value: &str) -> Option<(f32, &str)> {
    let len = value
        .bytes()
        .take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'))
        .count();
    let (number, unit) = value.split_at_checked(len)?;
    Some((number.parse().ok()?, unit.trim()))
}

/// A length in pixels, roughly.
fn size(value: &str) -> Option<f32> {
    let (n, unit) = number(value)?;
    Some(match unit {
        "" if n == 0.0 => 0.0,
        "px" | "" => n,
        "pt" => n * 1.33,
        "em" | "rem" => n * 16.0,
        "%" => n * 0.16,
        _ => return None,
    })
}

fn ground(value: &str) -> Option<Ground> {
    if value.contains("url(") || value.contains("gradient(") {
        return Some(Ground::Unknown);
    }
    match value {
        "none" | "transparent" | "inherit" | "initial" => None,
        _ if colour::ink(value) == Some(Ink::Clear) => None,
        _ => colour(value)
            .or_else(|| value.split_ascii_whitespace().find_map(colour))
            .map(Ground::Colour)
            .or(Some(Ground::Unknown)),
    }
}

/// What the style sheets of a mail say of classes, ids and tags, as far as it matters.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    rules: HashMap<Box<str>, Look>,
    /// A bit for each rule, by what is seen of its selector at a glance: most of what is asked for has none.
    glance: u64,
    /// Whether there is a style sheet at all.
    pub(super) any: bool,
}

impl Look {
    fn is_silent(&self) -> bool {
        *self == Look::default()
    }

    /// Adds what another says; where both speak the other is right.
    fn add(&mut self, other: Look) {
        self.gone |= other.gone;
        self.tiny = other.tiny.or(self.tiny);
        self.invisible = other.invisible.or(self.invisible);
        self.clear = other.clear.or(self.clear);
        self.colour = other.colour.or(self.colour);
        self.ground = other.ground.or(self.ground);
    }

    /// Whether it hides whatever stands around.
    pub(super) fn hides(&self) -> bool {
        self.gone || self.tiny == Some(true) || self.invisible == Some(true)
    }
}

impl Sheet {
    /// Reads a style sheet.
    pub(super) fn read(&mut self, sheet: &str) {
        self.any = true;
        let sheet = uncommented(sheet);
        let mut rest = &*sheet;
        while let Some((selectors, body)) = rest.split_once('{') {
            // Before it may stand the end of a block and rules without one.
            let selectors = selectors.rsplit(['}', ';']).next().unwrap_or_default().trim();
            if let Some(at) = selectors.find('@') {
                let holds = selectors.get(at + 1..).is_some_and(holds_for_screens);
                rest = if holds { body } else { behind_block(body) };
                continue;
            }
            let Some((body, after)) = body.split_once('}') else {
                break;
            };
            rest = after;
            let look = declarations(body);
            if look.is_silent() {
                continue;
            }
            for selector in selectors.split(',').map(str::trim) {
                let plain = selector.strip_prefix(['.', '#']).unwrap_or(selector);
                let is_plain = !plain.is_empty()
                    && plain.len() <= 64
                    && plain
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
                if is_plain {
                    self.add(selector, look);
                } else if look.ground.is_some() {
                    let ground = Some(Ground::Unknown);
                    self.add(
                        subject(selector),
                        Look {
                            ground,
                            ..Look::default()
                        },
                    );
                }
            }
        }
    }

    fn add(&mut self, selector: &str, look: Look) {
        if !selector.is_empty() && selector.len() <= SELECTOR_MAX && self.rules.len() < RULES_MAX {
            self.glance |= glance(selector.as_bytes());
            self.rules.entry(selector.into()).or_default().add(look);
        }
    }

    /// What is said of one of these: a tag, an id, or classes as the attribute has them. Where it is hidden by one rule it
    /// is hidden, whatever others say.
    pub(super) fn look(&self, tag: &[u8], id: &str, classes: &str) -> Look {
        let mut look = Look::default();
        if self.rules.is_empty() {
            return look;
        }
        let mut room = [0; SELECTOR_MAX];
        let mut add = |mark: &[u8], name: &[u8]| {
            let (begin, rest) = room.split_at_mut(mark.len());
            let Some(end) = rest.get_mut(..name.len()) else {
                return;
            };
            begin.copy_from_slice(mark);
            end.copy_from_slice(name);
            let selector = room.get(..mark.len() + name.len()).unwrap_or_default();
            if self.glance & glance(selector) != 0
                && let Some(rule) = std::str::from_utf8(selector).ok().and_then(|one| self.rules.get(one))
            {
                look.gone |= rule.hides();
                look.add(*rule);
            }
        };
        add(b"", tag);
        for class in classes.split_ascii_whitespace().take(32) {
            add(b".", class.as_bytes());
        }
        if !id.is_empty() {
            add(b"#", id.as_bytes());
        }
        look
    }
}

/// What is seen of a selector at a glance, as one bit.
fn glance(selector: &[u8]) -> u64 {
    let octet = |octet: Option<&u8>| u32::from(octet.copied().unwrap_or_default());
    let (first, second) = (octet(selector.first()), octet(selector.get(1)));
    1 << ((first ^ (second << 1) ^ (octet(selector.last()) << 2) ^ selector.len() as u32) % u64::BITS)
}

/// The class, id or tag that a selector is for at least; nothing for one that is for a state such as `:hover`.
fn subject(selector: &str) -> &str {
    let last = selector.rsplit([' ', '>', '+', '~']).next().unwrap_or_default();
    if last.contains(':') {
        return "";
    }
    let last = last.split('[').next().unwrap_or_default();
    last.rfind(['.', '#']).and_then(|at| last.get(at..)).unwrap_or(last)
}

/// A style sheet without its comments, those of HTML included.
fn uncommented(sheet: &str) -> Cow<'_, str> {
    if !sheet.contains("/*") && !sheet.contains("<!--") && !sheet.contains("-->") {
        return Cow::Borrowed(sheet);
    }
    let mut out = String::with_capacity(sheet.len());
    let mut rest = sheet;
    while let Some((before, after)) = rest.split_once("/*") {
        out.push_str(before);
        rest = after.split_once("*/").map_or("", |(_, behind)| behind);
    }
    out.push_str(rest);
    Cow::Owned(out.replace("<!--", "").replace("-->", ""))
}

/// Whether what stands behind an `@` holds for every screen, such as `media screen`.
fn holds_for_screens(rule: &str) -> bool {
    let mut lower = [0; VALUE_MAX];
    let Some(queries) = in_lower_case(rule, &mut lower).and_then(|rule| rule.strip_prefix("media")) else {
        return false;
    };
    queries.split(',').any(|query| {
        query.split(" and ").all(|part| {
            let part = part.trim();
            let part = part.strip_prefix("only ").unwrap_or(part).trim();
            let width = part.strip_prefix('(').and_then(|part| part.split_once(':'));
            let narrow = width.is_some_and(|(name, width)| {
                let pixels = size(width.trim_end_matches(')').trim());
                name.trim() == "min-width" && pixels.is_some_and(|pixels| pixels <= NARROW)
            });
            matches!(part, "" | "screen" | "all") || narrow
        })
    })
}

/// What follows the block in whose inside a text begins.
fn behind_block(body: &str) -> &str {
    let mut open = 1_usize;
    for (at, brace) in body.match_indices(['{', '}']) {
        open = if brace == "{" { open + 1 } else { open - 1 };
        if open == 0 {
            return body.get(at + 1..).unwrap_or_default();
        }
    }
    ""
}

/// The contents of each `url()`, quotes taken away.
pub(super) fn urls(style: &str) -> impl Iterator<Item = &str> {
    let mut rest = style;
    std::iter::from_fn(move || {
        loop {
            let at = memchr::memchr(b'(', rest.as_bytes())?;
            let (before, after) = rest.split_at_checked(at)?;
            rest = after.get(1..)?;
            let name = before.len().checked_sub(3).and_then(|from| before.get(from..));
            if !name.is_some_and(|name| name.eq_ignore_ascii_case("url")) {
                continue;
            }
            let (inside, after) = rest.split_once(')').unwrap_or((rest, ""));
            rest = after;
            return Some(inside.trim().trim_matches(['"', '\'']).trim());
        }
    })
}

/// What a style sheet loads by `@import "..."`.
pub(super) fn imports(style: &str) -> impl Iterator<Item = &str> {
    let mut rest = style;
    std::iter::from_fn(move || {
        loop {
            let (_, after) = rest.split_once('@')?;
            rest = after;
            let Some(named) = after
                .get(..6)
                .filter(|name| name.eq_ignore_ascii_case("import"))
                .and_then(|_| after.get(6..))
            else {
                continue;
            };
            let named = named.trim_ascii_start();
            let Some(quote) = named.chars().next().filter(|c| matches!(c, '"' | '\'')) else {
                continue;
            };
            let named = named.get(1..)?;
            let (inside, after) = named.split_once([quote, '\n']).unwrap_or((named, ""));
            rest = after;
            return Some(inside.trim());
        }
    })
}
