//! Elements: which there are, which end others, and whether text within them is seen.

use super::style::{self, Colour, Ground};

/// A name of a tag, as far as it matters.
pub(super) type Name = [u8; 12];

/// Keeps a name.
pub(super) fn name(written: &[u8]) -> Name {
    let mut name = [0; 12];
    for (to, from) in name.iter_mut().zip(written) {
        *to = *from;
    }
    name
}

/// The letters of a name.
pub(super) fn letters(name: &Name) -> &[u8] {
    name.split(|&b| b == 0).next().unwrap_or_default()
}

/// An open element, and how text within it looks.
#[derive(Clone, Copy)]
pub(super) struct Open {
    pub(super) name: Name,
    pub(super) gone: bool,
    pub(super) tiny: bool,
    pub(super) invisible: bool,
    pub(super) colour: Colour,
    pub(super) ground: Ground,
}

/// What is around everything: black on white.
pub(super) const ROOT: Open = Open {
    name: [0; 12],
    gone: false,
    tiny: false,
    invisible: false,
    colour: [0, 0, 0],
    ground: Ground::Colour([255, 255, 255]),
};

impl Open {
    /// Whether a reader sees text in it.
    pub(super) fn is_seen(&self) -> bool {
        let blended = matches!(self.ground, Ground::Colour(ground) if style::same(self.colour, ground));
        !(self.gone || self.tiny || self.invisible || blended)
    }

    /// Whether a browser ends it where this begins.
    pub(super) fn ends_before(&self, kind: &[u8]) -> bool {
        match letters(&self.name) {
            b"p" => is_block(kind),
            b"li" => kind == b"li",
            b"td" | b"th" => matches!(kind, b"td" | b"th" | b"tr"),
            b"tr" => kind == b"tr",
            b"option" => kind == b"option",
            b"dt" | b"dd" => matches!(kind, b"dt" | b"dd"),
            _ => false,
        }
    }
}

/// Whether it has no inside.
pub(super) fn is_void(kind: &[u8]) -> bool {
    matches!(
        kind,
        b"area"
            | b"base"
            | b"basefont"
            | b"bgsound"
            | b"br"
            | b"col"
            | b"embed"
            | b"frame"
            | b"hr"
            | b"img"
            | b"input"
            | b"link"
            | b"meta"
            | b"param"
            | b"source"
            | b"track"
            | b"wbr"
    )
}

/// Whether it begins on a line of its own.
pub(super) fn is_block(kind: &[u8]) -> bool {
    matches!(
        kind,
        b"address"
            | b"article"
            | b"aside"
            | b"blockquote"
            | b"body"
            | b"center"
            | b"dd"
            | b"details"
            | b"dir"
            | b"div"
            | b"dl"
            | b"dt"
            | b"fieldset"
            | b"figcaption"
            | b"figure"
            | b"footer"
            | b"form"
            | b"h1"
            | b"h2"
            | b"h3"
            | b"h4"
            | b"h5"
            | b"h6"
            | b"head"
            | b"header"
            | b"hr"
            | b"html"
            | b"li"
            | b"main"
            | b"menu"
            | b"nav"
            | b"ol"
            | b"p"
            | b"pre"
            | b"section"
            | b"table"
            | b"tbody"
            | b"tfoot"
            | b"thead"
            | b"tr"
            | b"ul"
    )
}
