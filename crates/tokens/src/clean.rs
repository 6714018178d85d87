//! Text as a reader sees it: without what has no width, and with the letters that only look different made alike.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

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

/// Whether a character is normal already, whatever stands beside it that is so, too: letters of the scripts most mail is in.
fn is_plain(c: char) -> bool {
    matches!(
        u32::from(c),
        0xC0..=0x131 | 0x134..=0x13E | 0x141..=0x148 | 0x14A..=0x17E | 0x391..=0x3CE | 0x400..=0x481 | 0x48A..=0x52F
            | 0x5D0..=0x5EA | 0x621..=0x64A | 0x3041..=0x3096 | 0x30A1..=0x30FC | 0x4E00..=0x9FFF | 0xAC00..=0xD7A3
            | 0x2013..=0x2014 | 0x2018..=0x201E | 0x2022
    )
}

/// A text as it is seen, at most `most` octets of it, and whether something unseen stood behind a letter or digit. Text in
/// ASCII is given back as it is.
pub fn seen(text: &str, most: usize) -> (Cow<'_, str>, bool) {
    let text = head(text, most);
    if text.is_ascii() {
        return (Cow::Borrowed(text), false);
    }
    let mut out = String::with_capacity(text.len());
    let mut split = false;
    let mut rest = text;
    while let Some(wide) = rest.bytes().position(|octet| !octet.is_ascii()) {
        // A mark may belong to the letter before it.
        let letter = wide > 0 && rest.as_bytes()[wide - 1].is_ascii_alphanumeric();
        let (plain, more) = rest.split_at(wide - usize::from(letter));
        let end = more.bytes().skip(1).position(|octet| octet.is_ascii());
        let (span, more) = more.split_at(end.map_or(more.len(), |end| end + 1));
        out.push_str(plain);
        // One compatible character can be eighteen.
        split |= self::span(span, most - out.len().min(most), &mut out);
        rest = more;
    }
    out.push_str(rest);
    out.truncate(head(&out, most).len());
    (Cow::Owned(out), split)
}

/// Appends a run of characters that are not ASCII, perhaps with a letter before them; at most so many octets.
fn span(span: &str, room: usize, out: &mut String) -> bool {
    if span.chars().all(|c| c.is_ascii() || is_plain(c)) {
        out.push_str(head(span, room));
        return false;
    }
    if span == "\u{a0}" {
        out.push(' ');
        return false;
    }
    let (mut split, mut last) = (false, ' ');
    let shown = span.chars().filter(|c| {
        let unseen = is_unseen(*c);
        split |= unseen && last.is_alphanumeric();
        last = *c;
        !unseen
    });
    let begin = out.len();
    for c in shown.nfkc().filter(|c| !is_mark(*c)) {
        if out.len() - begin + c.len_utf8() > room {
            break;
        }
        out.push(c);
    }
    split
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_as_a_reader_sees_it() {
        for (written, shown) in [
            ("plain text", "plain text"),
            ("caf\u{e9} na\u{ef}ve", "caf\u{e9} na\u{ef}ve"),
            ("cafe\u{301}", "caf\u{e9}"),
            ("a\u{a0}b", "a b"),
            ("so\u{AD}ft", "soft"),
            ("x\u{200B}\u{200C}y", "xy"),
            ("f\u{336}r\u{336}e\u{336}e\u{336}", "free"),
            ("\u{2460}\u{FF21}", "1A"),
            (
                "\u{41F}\u{440}\u{438}\u{432}\u{435}\u{442}",
                "\u{41F}\u{440}\u{438}\u{432}\u{435}\u{442}",
            ),
        ] {
            assert_eq!(seen(written, 100).0, shown, "{written:?}");
        }
        assert!(seen("x\u{200B}y", 100).1 && !seen(" \u{200B}y", 100).1 && !seen("caf\u{e9}", 100).1);
    }

    #[test]
    fn what_grows_stays_within_its_bound() {
        // One character that is eighteen.
        let long = "\u{FDFA}".repeat(1_000);
        for most in [0, 1, 3, 50, 3_000] {
            assert!(seen(&long, most).0.len() <= most, "{most}");
            assert!(seen(&format!("ab{long}cd"), most).0.len() <= most, "{most}");
        }
    }
}
