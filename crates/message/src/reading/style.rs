//! Styles, as far as they make text unseen: the declarations of an attribute, and the plain rules of a style sheet.
//!
//! Rules within `@media` and the like are left alone: there they are how a mail shows one thing on a telephone and another
//! on a desk. Selectors other than one class, one id or one tag are, too: what they would hide counts as seen.

use std::collections::HashSet;

/// Selectors that hide, of one mail, that are remembered.
const HIDING_MAX: usize = 1_000;
/// Pixels up to which letters are too small to read.
const TINY: f32 = 2.0;
/// Pixels to the left or above, from which on text is off every screen.
const OFF_SCREEN: f32 = -500.0;
/// By how much two colours may differ, summed over red, green and blue, and still be the same to the eye.
const SAME: u32 = 36;

/// Octets of the name of a property that is looked at.
const NAME_MAX: usize = 16;
/// Octets of its value.
const VALUE_MAX: usize = 256;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

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
            "color" if value == "transparent" => look.invisible = Some(true),
            "color" => look.colour = colour(value).or(look.colour),
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
        _ => colour(value)
            .or_else(|| value.split_ascii_whitespace().find_map(colour))
            .map(Ground::Colour)
            .or(Some(Ground::Unknown)),
    }
}

/// Reads a colour as attributes and style sheets have it.
pub(super) fn colour(text: &str) -> Option<Colour> {
    let text = text.trim();
    if let Some(inner) = text
        .strip_prefix("rgb")
        .and_then(|rest| rest.trim_start_matches('a').strip_prefix('('))
    {
        let mut parts = inner.split([',', ')', ' ', '/']).filter(|part| !part.is_empty());
        let mut next = || parts.next()?.trim().parse::<f32>().ok();
        // The cast saturates.
        return Some([next()? as u8, next()? as u8, next()? as u8]);
    }
    if let Some(known) = NAMED.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
        return Some(known.1);
    }
    let digits = text.strip_prefix('#').unwrap_or(text);
    let hex = |at: usize, len: usize| u8::from_str_radix(digits.get(at..at + len)?, 16).ok();
    match digits.len() {
        6 | 8 => Some([hex(0, 2)?, hex(2, 2)?, hex(4, 2)?]),
        3 | 4 => Some([hex(0, 1)? * 17, hex(1, 1)? * 17, hex(2, 1)? * 17]),
        _ => None,
    }
}

const NAMED: [(&str, Colour); 12] = [
    ("white", [255, 255, 255]),
    ("black", [0, 0, 0]),
    ("snow", [255, 250, 250]),
    ("ivory", [255, 255, 240]),
    ("whitesmoke", [245, 245, 245]),
    ("ghostwhite", [248, 248, 255]),
    ("red", [255, 0, 0]),
    ("green", [0, 128, 0]),
    ("blue", [0, 0, 255]),
    ("yellow", [255, 255, 0]),
    ("gray", [128, 128, 128]),
    ("grey", [128, 128, 128]),
];

/// Whether letters of the one colour are not seen on the other.
pub(super) fn same(a: Colour, b: Colour) -> bool {
    a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b))).sum::<u32>() <= SAME
}

/// The classes, ids and tags that the style sheets of a mail hide.
#[derive(Debug, Default)]
pub(super) struct Hiding {
    selectors: HashSet<Box<str>>,
    /// Whether there is a style sheet at all.
    pub(super) any: bool,
}

impl Hiding {
    /// Reads a style sheet.
    pub(super) fn read(&mut self, sheet: &str) {
        self.any = true;
        let mut rest = sheet;
        while let Some((selectors, body)) = rest.split_once('{') {
            let selectors = selectors.rsplit("*/").next().unwrap_or_default();
            if selectors.contains('@') {
                rest = behind_block(body);
                continue;
            }
            let Some((body, after)) = body.split_once('}') else {
                break;
            };
            rest = after;
            let look = declarations(body);
            if look.gone || look.tiny == Some(true) || look.invisible == Some(true) {
                for selector in selectors.split(',').map(str::trim) {
                    let plain = selector.strip_prefix(['.', '#']).unwrap_or(selector);
                    let is_plain = !plain.is_empty()
                        && plain.len() <= 64
                        && plain
                            .bytes()
                            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
                    if is_plain && self.selectors.len() < HIDING_MAX {
                        self.selectors.insert(selector.into());
                    }
                }
            }
        }
    }

    /// Whether one of these is hidden: a tag, an id, or classes as the attribute has them.
    pub(super) fn has(&self, tag: &[u8], id: &str, classes: &str) -> bool {
        !self.selectors.is_empty()
            && (std::str::from_utf8(tag).is_ok_and(|tag| self.selectors.contains(tag))
                || (!id.is_empty() && id.len() <= 64 && self.selectors.contains(format!("#{id}").as_str()))
                || classes
                    .split_ascii_whitespace()
                    .take(32)
                    .any(|class| class.len() <= 64 && self.selectors.contains(format!(".{class}").as_str())))
    }
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
