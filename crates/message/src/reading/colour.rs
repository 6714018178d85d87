//! Colours as attributes and style sheets have them.

/// By how much two colours may differ, summed over red, green and blue, and still be the same to the eye.
const SAME: u32 = 36;
/// The part of a colour below which nothing is seen of it.
const FAINT: f32 = 0.1;

/// Red, green, blue.
pub(super) type Colour = [u8; 3];

/// Whether letters of the one colour are not seen on the other.
pub(super) fn same(a: Colour, b: Colour) -> bool {
    a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(b))).sum::<u32>() <= SAME
}

/// What a text says of a colour.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Ink {
    /// Nothing is seen of it.
    Clear,
    Solid(Colour),
}

/// Reads a colour; one that can be seen through is taken for solid unless next to nothing is seen of it.
pub(super) fn ink(text: &str) -> Option<Ink> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("transparent") {
        return Some(Ink::Clear);
    }
    if let Some((name, inside)) = text.split_once('(') {
        let is = |wanted: &str| name.get(..3).is_some_and(|begin| begin.eq_ignore_ascii_case(wanted));
        let mut parts = inside.split([',', ')', ' ', '/']).filter(|part| !part.is_empty());
        let mut next = |whole: f32| {
            let part = parts.next()?;
            let number = match part.strip_suffix('%') {
                Some(part) => part.parse::<f32>().ok()? / 100.0 * whole,
                None => part.trim_end_matches("deg").parse().ok()?,
            };
            Some(number)
        };
        let colour = if is("rgb") {
            // The casts saturate.
            [next(255.0)? as u8, next(255.0)? as u8, next(255.0)? as u8]
        } else if is("hsl") {
            hsl(next(360.0)?, next(1.0)?, next(1.0)?)
        } else {
            return None;
        };
        return Some(shown(colour, next(1.0)));
    }
    let mut lower = [0; 24];
    if let Some(room) = lower.get_mut(..text.len()) {
        room.copy_from_slice(text.as_bytes());
        room.make_ascii_lowercase();
        let found = NAMED.binary_search_by(|(name, _)| name.as_bytes().cmp(room));
        if let Some((_, colour)) = found.ok().and_then(|at| NAMED.get(at)) {
            return Some(Ink::Solid(*colour));
        }
    }
    let digits = text.strip_prefix('#').unwrap_or(text);
    let hex = |at: usize, len: usize| u8::from_str_radix(digits.get(at..at + len)?, 16).ok();
    let (colour, alpha) = match digits.len() {
        6 | 8 => ([hex(0, 2)?, hex(2, 2)?, hex(4, 2)?], hex(6, 2)),
        3 | 4 => (
            [hex(0, 1)? * 17, hex(1, 1)? * 17, hex(2, 1)? * 17],
            hex(3, 1).map(|alpha| alpha * 17),
        ),
        _ => return None,
    };
    Some(shown(colour, alpha.map(|alpha| f32::from(alpha) / 255.0)))
}

/// Reads a colour of which something is seen.
pub(super) fn colour(text: &str) -> Option<Colour> {
    match ink(text)? {
        Ink::Solid(colour) => Some(colour),
        Ink::Clear => None,
    }
}

fn shown(colour: Colour, alpha: Option<f32>) -> Ink {
    match alpha {
        Some(alpha) if alpha < FAINT => Ink::Clear,
        _ => Ink::Solid(colour),
    }
}

/// A colour by its hue in degrees, and its saturation and lightness from 0 to 1.
fn hsl(hue: f32, saturation: f32, lightness: f32) -> Colour {
    let (saturation, lightness) = (saturation.clamp(0.0, 1.0), lightness.clamp(0.0, 1.0));
    let most = saturation * lightness.min(1.0 - lightness);
    [0.0, 8.0, 4.0].map(|turn: f32| {
        let at = (turn + hue / 30.0).rem_euclid(12.0);
        let part = lightness - most * (at - 3.0).min(9.0 - at).clamp(-1.0, 1.0);
        // The cast saturates.
        (part * 255.0).round() as u8
    })
}

/// The names of CSS, in order.
const NAMED: [(&str, Colour); 148] = [
    ("aliceblue", [240, 248, 255]),
    ("antiquewhite", [250, 235, 215]),
    ("aqua", [0, 255, 255]),
    ("aquamarine", [127, 255, 212]),
    ("azure", [240, 255, 255]),
    ("beige", [245, 245, 220]),
    ("bisque", [255, 228, 196]),
    ("black", [0, 0, 0]),
    ("blanchedalmond", [255, 235, 205]),
    ("blue", [0, 0, 255]),
    ("blueviolet", [138, 43, 226]),
    ("brown", [165, 42, 42]),
    ("burlywood", [222, 184, 135]),
    ("cadetblue", [95, 158, 160]),
    ("chartreuse", [127, 255, 0]),
    ("chocolate", [210, 105, 30]),
    ("coral", [255, 127, 80]),
    ("cornflowerblue", [100, 149, 237]),
    ("cornsilk", [255, 248, 220]),
    ("crimson", [220, 20, 60]),
    ("cyan", [0, 255, 255]),
    ("darkblue", [0, 0, 139]),
    ("darkcyan", [0, 139, 139]),
    ("darkgoldenrod", [184, 134, 11]),
    ("darkgray", [169, 169, 169]),
    ("darkgreen", [0, 100, 0]),
    ("darkgrey", [169, 169, 169]),
    ("darkkhaki", [189, 183, 107]),
    ("darkmagenta", [139, 0, 139]),
    ("darkolivegreen", [85, 107, 47]),
    ("darkorange", [255, 140, 0]),
    ("darkorchid", [153, 50, 204]),
    ("darkred", [139, 0, 0]),
    ("darksalmon", [233, 150, 122]),
    ("darkseagreen", [143, 188, 143]),
    ("darkslateblue", [72, 61, 139]),
    ("darkslategray", [47, 79, 79]),
    ("darkslategrey", [47, 79, 79]),
    ("darkturquoise", [0, 206, 209]),
    ("darkviolet", [148, 0, 211]),
    ("deeppink", [255, 20, 147]),
    ("deepskyblue", [0, 191, 255]),
    ("dimgray", [105, 105, 105]),
    ("dimgrey", [105, 105, 105]),
    ("dodgerblue", [30, 144, 255]),
    ("firebrick", [178, 34, 34]),
    ("floralwhite", [255, 250, 240]),
    ("forestgreen", [34, 139, 34]),
    ("fuchsia", [255, 0, 255]),
    ("gainsboro", [220, 220, 220]),
    ("ghostwhite", [248, 248, 255]),
    ("gold", [255, 215, 0]),
    ("goldenrod", [218, 165, 32]),
    ("gray", [128, 128, 128]),
    ("green", [0, 128, 0]),
    ("greenyellow", [173, 255, 47]),
    ("grey", [128, 128, 128]),
    ("honeydew", [240, 255, 240]),
    ("hotpink", [255, 105, 180]),
    ("indianred", [205, 92, 92]),
    ("indigo", [75, 0, 130]),
    ("ivory", [255, 255, 240]),
    ("khaki", [240, 230, 140]),
    ("lavender", [230, 230, 250]),
    ("lavenderblush", [255, 240, 245]),
    ("lawngreen", [124, 252, 0]),
    ("lemonchiffon", [255, 250, 205]),
    ("lightblue", [173, 216, 230]),
    ("lightcoral", [240, 128, 128]),
    ("lightcyan", [224, 255, 255]),
    ("lightgoldenrodyellow", [250, 250, 210]),
    ("lightgray", [211, 211, 211]),
    ("lightgreen", [144, 238, 144]),
    ("lightgrey", [211, 211, 211]),
    ("lightpink", [255, 182, 193]),
    ("lightsalmon", [255, 160, 122]),
    ("lightseagreen", [32, 178, 170]),
    ("lightskyblue", [135, 206, 250]),
    ("lightslategray", [119, 136, 153]),
    ("lightslategrey", [119, 136, 153]),
    ("lightsteelblue", [176, 196, 222]),
    ("lightyellow", [255, 255, 224]),
    ("lime", [0, 255, 0]),
    ("limegreen", [50, 205, 50]),
    ("linen", [250, 240, 230]),
    ("magenta", [255, 0, 255]),
    ("maroon", [128, 0, 0]),
    ("mediumaquamarine", [102, 205, 170]),
    ("mediumblue", [0, 0, 205]),
    ("mediumorchid", [186, 85, 211]),
    ("mediumpurple", [147, 112, 219]),
    ("mediumseagreen", [60, 179, 113]),
    ("mediumslateblue", [123, 104, 238]),
    ("mediumspringgreen", [0, 250, 154]),
    ("mediumturquoise", [72, 209, 204]),
    ("mediumvioletred", [199, 21, 133]),
    ("midnightblue", [25, 25, 112]),
    ("mintcream", [245, 255, 250]),
    ("mistyrose", [255, 228, 225]),
    ("moccasin", [255, 228, 181]),
    ("navajowhite", [255, 222, 173]),
    ("navy", [0, 0, 128]),
    ("oldlace", [253, 245, 230]),
    ("olive", [128, 128, 0]),
    ("olivedrab", [107, 142, 35]),
    ("orange", [255, 165, 0]),
    ("orangered", [255, 69, 0]),
    ("orchid", [218, 112, 214]),
    ("palegoldenrod", [238, 232, 170]),
    ("palegreen", [152, 251, 152]),
    ("paleturquoise", [175, 238, 238]),
    ("palevioletred", [219, 112, 147]),
    ("papayawhip", [255, 239, 213]),
    ("peachpuff", [255, 218, 185]),
    ("peru", [205, 133, 63]),
    ("pink", [255, 192, 203]),
    ("plum", [221, 160, 221]),
    ("powderblue", [176, 224, 230]),
    ("purple", [128, 0, 128]),
    ("rebeccapurple", [102, 51, 153]),
    ("red", [255, 0, 0]),
    ("rosybrown", [188, 143, 143]),
    ("royalblue", [65, 105, 225]),
    ("saddlebrown", [139, 69, 19]),
    ("salmon", [250, 128, 114]),
    ("sandybrown", [244, 164, 96]),
    ("seagreen", [46, 139, 87]),
    ("seashell", [255, 245, 238]),
    ("sienna", [160, 82, 45]),
    ("silver", [192, 192, 192]),
    ("skyblue", [135, 206, 235]),
    ("slateblue", [106, 90, 205]),
    ("slategray", [112, 128, 144]),
    ("slategrey", [112, 128, 144]),
    ("snow", [255, 250, 250]),
    ("springgreen", [0, 255, 127]),
    ("steelblue", [70, 130, 180]),
    ("tan", [210, 180, 140]),
    ("teal", [0, 128, 128]),
    ("thistle", [216, 191, 216]),
    ("tomato", [255, 99, 71]),
    ("turquoise", [64, 224, 208]),
    ("violet", [238, 130, 238]),
    ("wheat", [245, 222, 179]),
    ("white", [255, 255, 255]),
    ("whitesmoke", [245, 245, 245]),
    ("yellow", [255, 255, 0]),
    ("yellowgreen", [154, 205, 50]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_are_in_order() {
        assert!(NAMED.is_sorted_by_key(|(name, _)| *name));
    }

    #[test]
    fn colours_are_read_as_browsers_read_them() {
        for (text, wanted) in [
            ("White", Some(Ink::Solid([255, 255, 255]))),
            ("seashell", Some(Ink::Solid([255, 245, 238]))),
            ("rebeccapurple", Some(Ink::Solid([102, 51, 153]))),
            ("#0f0", Some(Ink::Solid([0, 255, 0]))),
            ("102030", Some(Ink::Solid([16, 32, 48]))),
            ("#10203000", Some(Ink::Clear)),
            ("#1230", Some(Ink::Clear)),
            ("#102030ff", Some(Ink::Solid([16, 32, 48]))),
            ("rgb(1, 2, 3)", Some(Ink::Solid([1, 2, 3]))),
            ("rgb(100% 0% 100%)", Some(Ink::Solid([255, 0, 255]))),
            ("rgba(1,2,3,0)", Some(Ink::Clear)),
            ("rgba(1,2,3,.05)", Some(Ink::Clear)),
            ("rgb(1 2 3 / 5%)", Some(Ink::Clear)),
            ("rgba(1,2,3,.9)", Some(Ink::Solid([1, 2, 3]))),
            ("hsl(0, 0%, 100%)", Some(Ink::Solid([255, 255, 255]))),
            ("hsl(120deg 100% 50%)", Some(Ink::Solid([0, 255, 0]))),
            ("hsla(0,0%,0%,0)", Some(Ink::Clear)),
            ("hsl(NaN,inf,-inf)", Some(Ink::Solid([0, 0, 0]))),
            ("transparent", Some(Ink::Clear)),
            ("rgb(1,2", None),
            ("var(--x)", None),
            ("#1\u{e4}", None),
            ("nocolour", None),
            ("", None),
        ] {
            assert_eq!(ink(text), wanted, "{text}");
        }
    }
}
