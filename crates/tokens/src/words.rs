//! Words of a text in any language.

use unicode_segmentation::UnicodeSegmentation;

/// Octets of a word; a longer one counts by its beginning and its length.
pub const WORD_MAX: usize = 40;

/// Whether a character belongs to a script that writes no spaces.
pub fn is_dense(c: char) -> bool {
    matches!(u32::from(c), 0x2E80..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF | 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF)
}

/// Calls `take` with each word of a text, as it stands there.
pub fn each<'t>(text: &'t str, mut take: impl FnMut(&'t str)) {
    for piece in text.split(|c: char| c.is_whitespace() || c.is_control()) {
        if piece.is_ascii() {
            ascii(piece, &mut take);
        } else {
            unicode(piece, &mut take);
        }
    }
}

fn inner(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'\'' | b'-' | b'_' | b'$' | b'.' | b',' | b'!' | b'%')
}

fn ascii<'t>(piece: &'t str, take: &mut impl FnMut(&'t str)) {
    for word in piece.split(|c: char| !inner(c as u8)) {
        let word = word.trim_matches(['.', ',', '\'', '-', '_']);
        if !word.is_empty() {
            take(word);
        }
    }
}

fn unicode<'t>(piece: &'t str, take: &mut impl FnMut(&'t str)) {
    for word in piece.unicode_words() {
        if !word.chars().any(is_dense) {
            take(word);
            continue;
        }
        // Each two neighbours of a script without spaces.
        let ends: Vec<usize> = word.char_indices().map(|(at, _)| at).chain([word.len()]).collect();
        if ends.len() == 2 {
            take(word);
        }
        for three in ends.windows(3) {
            take(&word[three[0]..three[2]]);
        }
    }
}
