//! Elements: which there are, which end others, and whether text within them is seen.

use super::colour::{self, Colour};
use super::style::Ground;

/// Octets of a name of a tag that matter.
const NAME_MAX: usize = 12;

/// A name of a tag, as far as it matters.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Name {
    octets: [u8; NAME_MAX],
    len: u8,
    traits: u8,
}

impl Name {
    /// Keeps a name.
    pub(super) fn of(written: &[u8]) -> Name {
        let mut octets = [0; NAME_MAX];
        let len = written.len().min(NAME_MAX);
        for (to, from) in octets.iter_mut().zip(written) {
            *to = *from;
        }
        Name {
            octets,
            len: len as u8,
            traits: traits(&octets),
        }
    }

    /// Keeps a name in lower case.
    pub(super) fn of_any_case(written: &[u8]) -> Name {
        let mut name = Name::of(written);
        if written.iter().any(u8::is_ascii_uppercase) {
            name.octets.make_ascii_lowercase();
            name.traits = traits(&name.octets);
        }
        name
    }

    /// Whether the element has one of these traits.
    #[inline]
    pub(super) fn is(&self, traits: u8) -> bool {
        self.traits & traits != 0
    }

    /// Its letters.
    #[inline]
    pub(super) fn letters(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or_default()
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
        traits: 0,
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
    pub(super) fn ends_before(&self, next: Name) -> bool {
        let kind = next.letters();
        match self.name.letters() {
            b"p" => next.is(BLOCK),
            b"li" => kind == b"li",
            b"td" | b"th" => matches!(kind, b"td" | b"th" | b"tr"),
            b"tr" => kind == b"tr",
            b"option" => kind == b"option",
            b"dt" | b"dd" => matches!(kind, b"dt" | b"dd"),
            _ => false,
        }
    }
}

/// Begins on a line of its own.
pub(super) const BLOCK: u8 = 1;
/// Stands apart from what is before it all the same.
pub(super) const APART: u8 = 2;
/// Has no inside.
pub(super) const VOID: u8 = 4;
/// What stands within is not seen where the element does what it is for.
pub(super) const UNSEEN: u8 = 8;
/// Is more than a place for text, or has a text of another kind.
pub(super) const DEED: u8 = 16;

/// What is known of elements.
const KNOWN: [(&[u8], u8); 81] = [
    (b"a", DEED),
    (b"address", BLOCK),
    (b"applet", UNSEEN),
    (b"area", VOID),
    (b"article", BLOCK),
    (b"aside", BLOCK),
    (b"audio", UNSEEN),
    (b"base", VOID),
    (b"basefont", VOID),
    (b"bgsound", VOID),
    (b"blockquote", BLOCK),
    (b"body", BLOCK),
    (b"br", APART | VOID),
    (b"canvas", UNSEEN),
    (b"center", BLOCK),
    (b"col", VOID),
    (b"datalist", UNSEEN),
    (b"dd", BLOCK),
    (b"details", BLOCK),
    (b"dir", BLOCK),
    (b"div", BLOCK),
    (b"dl", BLOCK),
    (b"dt", BLOCK),
    (b"embed", VOID | DEED),
    (b"fieldset", BLOCK),
    (b"figcaption", BLOCK),
    (b"figure", BLOCK),
    (b"footer", BLOCK),
    (b"form", BLOCK | DEED),
    (b"frame", VOID | DEED),
    (b"h1", BLOCK),
    (b"h2", BLOCK),
    (b"h3", BLOCK),
    (b"h4", BLOCK),
    (b"h5", BLOCK),
    (b"h6", BLOCK),
    (b"head", BLOCK),
    (b"header", BLOCK),
    (b"hr", BLOCK | VOID),
    (b"html", BLOCK),
    (b"iframe", DEED),
    (b"img", VOID | DEED),
    (b"input", VOID | DEED),
    (b"li", BLOCK),
    (b"link", VOID),
    (b"main", BLOCK),
    (b"menu", BLOCK),
    (b"meta", VOID | DEED),
    (b"meter", UNSEEN),
    (b"nav", BLOCK),
    (b"noembed", DEED),
    (b"noframes", DEED),
    (b"noscript", DEED),
    (b"object", UNSEEN | DEED),
    (b"ol", BLOCK),
    (b"option", APART),
    (b"p", BLOCK),
    (b"param", VOID),
    (b"plaintext", DEED),
    (b"pre", BLOCK),
    (b"progress", UNSEEN),
    (b"rp", UNSEEN),
    (b"script", DEED),
    (b"section", BLOCK),
    (b"source", VOID),
    (b"style", DEED),
    (b"table", BLOCK),
    (b"tbody", BLOCK),
    (b"td", APART),
    (b"template", UNSEEN),
    (b"textarea", DEED),
    (b"tfoot", BLOCK),
    (b"th", APART),
    (b"thead", BLOCK),
    (b"title", APART | DEED),
    (b"tr", BLOCK),
    (b"track", VOID),
    (b"ul", BLOCK),
    (b"video", UNSEEN),
    (b"wbr", VOID),
    (b"xmp", DEED),
];

/// Places in the table of names: as many as a hash tells, more than twice as many as there are names.
const PLACES: usize = 256;

/// The names with what is known, by their hashes.
static TABLE: [([u8; NAME_MAX], u8); PLACES] = {
    let mut table = [([0; NAME_MAX], 0); PLACES];
    let mut at = 0;
    while at < KNOWN.len() {
        let (name, traits) = KNOWN[at];
        let mut octets = [0; NAME_MAX];
        let mut octet = 0;
        while octet < name.len() {
            octets[octet] = name[octet];
            octet += 1;
        }
        let mut place = home(&octets);
        while table[place].1 != 0 {
            place = (place + 1) % PLACES;
        }
        table[place] = (octets, traits);
        at += 1;
    }
    table
};

/// Where a name is looked for first.
const fn home(octets: &[u8; NAME_MAX]) -> usize {
    let [a, b, c, d, e, f, g, h, i, j, k, l] = *octets;
    let word = u64::from_le_bytes([a, b, c, d, e, f, g, h]) ^ u32::from_le_bytes([i, j, k, l]) as u64;
    (word.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as usize
}

/// What is known of an element of this name.
fn traits(octets: &[u8; NAME_MAX]) -> u8 {
    let mut place = home(octets);
    loop {
        match TABLE.get(place) {
            Some((name, traits)) if *traits != 0 => {
                if name == octets {
                    return *traits;
                }
                place = (place + 1) % PLACES;
            }
            _ => return 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_of_a_name_is_found_in_any_case_and_nothing_of_others() {
        for (name, traits) in KNOWN {
            assert_eq!(Name::of(name).traits, traits);
            assert_eq!(Name::of_any_case(&name.to_ascii_uppercase()).traits, traits);
        }
        for name in [&b""[..], b"span", b"font", b"blockquotes", b"tables", b"o:p"] {
            assert_eq!(Name::of(name).traits, 0);
        }
    }
}
