//! Elements: which there are, which end others, and whether text within them is seen.

use super::colour::{self, Colour};
use super::style::Ground;

/// Octets of a name of a tag that matter.
const NAME_MAX: usize = 12;

/// A name of a tag, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Name {
    octets: [u8; NAME_MAX],
    len: usize,
}

impl Name {
    /// Keeps a name.
    pub(super) fn of(written: &[u8]) -> Name {
        let mut name = Name::default();
        for (to, from) in name.octets.iter_mut().zip(written) {
            *to = *from;
        }
        name.len = written.len().min(NAME_MAX);
        name
    }

    /// Keeps a name in lower case.
    pub(super) fn of_any_case(written: &[u8]) -> Name {
        let mut name = Name::of(written);
        name.octets.make_ascii_lowercase();
        name
    }

    /// Its letters.
    pub(super) fn letters(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }
}

/// An open element, and how text within it looks.
#[derive(Clone, Copy)]
pub(super) struct Open {
    pub(super) name: Name,
    pub(super) gone: bool,
    pub(super) tiny: bool,
    pub(super) invisible: bool,
    /// Of a colour that is not seen.
    pub(super) clear: bool,
    pub(super) colour: Colour,
    pub(super) ground: Ground,
    /// The colour of letters where it is by a rule of a style sheet.
    pub(super) ruled: Option<Colour>,
    /// The ground by all that is known, rules included.
    pub(super) ruled_ground: Ground,
}

/// What is around everything: black on white.
pub(super) const ROOT: Open = Open {
    name: Name {
        octets: [0; NAME_MAX],
        len: 0,
    },
    gone: false,
    tiny: false,
    invisible: false,
    clear: false,
    colour: [0, 0, 0],
    ground: Ground::Colour([255, 255, 255]),
    ruled: None,
    ruled_ground: Ground::Colour([255, 255, 255]),
};

impl Open {
    /// Whether a reader sees text in it.
    pub(super) fn is_seen(&self) -> bool {
        let on = |colour, ground| matches!(ground, Ground::Colour(ground) if colour::same(colour, ground));
        let blended = match self.ruled {
            Some(colour) => on(colour, self.ruled_ground),
            None => on(self.colour, self.ground),
        };
        !(self.gone || self.tiny || self.invisible || self.clear || blended)
    }

    /// Whether a browser ends it where this begins.
    pub(super) fn ends_before(&self, kind: &[u8]) -> bool {
        match self.name.letters() {
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

/// Whether what stands within is not seen where the element does what it is for.
pub(super) fn is_unseen(kind: &[u8]) -> bool {
    matches!(
        kind,
        b"applet"
            | b"audio"
            | b"canvas"
            | b"datalist"
            | b"meter"
            | b"object"
            | b"progress"
            | b"rp"
            | b"template"
            | b"video"
    )
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
