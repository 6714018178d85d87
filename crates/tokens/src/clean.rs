//! Text as a reader sees it: without what has no width, and with the letters that only look different made alike.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfkc_quick};

/// Whether a character is one that no reader sees: of no width, a soft hyphen, a mark of direction, a selector of shape.
pub fn is_unseen(c: char) -> bool {
    matches!(
        u32::from(c),
        0x00AD
            | 0x034F
            | 0x061C
            | 0x115F..=0x1160
            | 0x17B4..=0x17B5
            | 0x180B..=0x180F
            | 0x200B..=0x200F
            | 0x202A..=0x202E
            | 0x2060..=0x206F
            | 0x3164
            | 0xFE00..=0xFE0F
            | 0xFEFF
            | 0xFFA0
            | 0xFFF9..=0xFFFB
            | 0x1D173..=0x1D17A
            | 0xE0000..=0xE0FFF
    )
}

/// Whether a character is a mark on the one before it, such as those with which letters are struck out.
fn is_mark(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x036F | 0x1AB0..=0x1AFF | 0x1DC0..=0x1DFF | 0x20D0..=0x20FF)
}

/// A text as it is seen, at most `most` octets of it, and whether something unseen stood between two letters of a word.
/// Text in ASCII is given back as it is.
pub fn seen(text: &str, most: usize) -> (Cow<'_, str>, bool) {
    let text = head(text, most);
    if text.is_ascii() {
        return (Cow::Borrowed(text), false);
    }
    let mut split = false;
    let mut last = ' ';
    let mut shown = text.chars().filter(|c| {
        let unseen = is_unseen(*c);
        split |= unseen && last.is_alphanumeric();
        last = *c;
        !unseen
    });
    let mut out = String::with_capacity(text.len());
    if is_nfkc_quick(text.chars()) == IsNormalized::Yes {
        out.extend(shown);
    } else {
        // One compatible character can be eighteen.
        for c in (&mut shown).nfkc().filter(|c| !is_mark(*c)) {
            if out.len() + c.len_utf8() > most {
                break;
            }
            out.push(c);
        }
    }
    (Cow::Owned(out), split)
}

/// The first octets of a text, cut between characters.
pub fn head(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Whether a word mixes Latin letters with Cyrillic or Greek ones.
pub fn is_mixed(word: &str) -> bool {
    let (mut latin, mut other) = (false, false);
    for c in word.chars() {
        latin |= c.is_ascii_alphabetic();
        other |= matches!(u32::from(c), 0x0370..=0x052F);
    }
    latin && other
}

/// The Latin letter that a Cyrillic or Greek one looks like; itself where there is none.
pub fn alike(c: char) -> char {
    match c {
        'а' | 'α' => 'a',
        'А' | 'Α' => 'A',
        'в' => 'b',
        'В' | 'Β' => 'B',
        'с' | 'ϲ' => 'c',
        'С' | 'Ϲ' => 'C',
        'ԁ' => 'd',
        'е' | 'ё' | 'ε' => 'e',
        'Е' | 'Ε' | 'Ё' => 'E',
        'ғ' => 'f',
        'ɡ' => 'g',
        'һ' => 'h',
        'н' => 'h',
        'Н' | 'Η' => 'H',
        'і' | 'ї' | 'ι' => 'i',
        'І' | 'Ї' | 'Ι' => 'I',
        'ј' => 'j',
        'Ј' => 'J',
        'к' | 'κ' => 'k',
        'К' | 'Κ' => 'K',
        'м' => 'm',
        'М' | 'Μ' => 'M',
        'п' | 'η' => 'n',
        'Ν' => 'N',
        'о' | 'ο' | 'σ' => 'o',
        'О' | 'Ο' => 'O',
        'р' | 'ρ' => 'p',
        'Р' | 'Ρ' => 'P',
        'ԛ' => 'q',
        'г' => 'r',
        'ѕ' => 's',
        'Ѕ' => 'S',
        'т' | 'τ' => 't',
        'Т' | 'Τ' => 'T',
        'υ' => 'u',
        'ν' | 'ѵ' => 'v',
        'ԝ' | 'ω' => 'w',
        'х' | 'χ' => 'x',
        'Х' | 'Χ' => 'X',
        'у' | 'γ' => 'y',
        'У' | 'Υ' => 'Y',
        'Ζ' => 'Z',
        other => other,
    }
}
