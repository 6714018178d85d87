//! Text as a reader sees it: without what has no width, and with the letters that only look different made alike.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Whether a character is one that no reader sees: a control, of no width, a soft hyphen, a mark of direction or format, a
/// selector of shape.
pub fn is_unseen(c: char) -> bool {
    matches!(
        u32::from(c),
        0x00..=0x08
            | 0x0B..=0x0C
            | 0x0E..=0x1F
            | 0x7F..=0x84
            | 0x86..=0x9F
            | 0x00AD
            | 0x034F
            | 0x0600..=0x0605
            | 0x061C
            | 0x06DD
            | 0x070F
            | 0x0890..=0x0891
            | 0x08E2
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
            | 0xFFF0..=0xFFFB
            | 0x110BD
            | 0x110CD
            | 0x13430..=0x1343F
            | 0x1BCA0..=0x1BCA3
            | 0x1D173..=0x1D17A
            | 0xE0000..=0xE0FFF
    )
}

/// The same for an octet of ASCII.
fn is_control(octet: u8) -> bool {
    octet < b' ' && !matches!(octet, b'\t' | b'\n' | b'\r') || octet == 0x7F
}

/// Whether a character is a letter of the Latin script, or a digit.
fn is_latin(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(u32::from(c), 0xC0..=0x2AF | 0x1D00..=0x1D7F | 0x1E00..=0x1EFF)
}

/// Whether a mark is one that languages in Latin letters use.
fn is_accent(c: char) -> bool {
    matches!(u32::from(c), 0x0300..=0x0333 | 0x0339..=0x036F)
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

/// A text as it is seen, at most `most` octets of it, and whether something unseen, or a mark that no language has there,
/// stood behind a letter or digit. Text in ASCII without controls is given back as it is.
pub fn seen(text: &str, most: usize) -> (Cow<'_, str>, bool) {
    let text = head(text, most);
    // Looks at every octet, which is faster than to stop at the first.
    if !text
        .bytes()
        .fold(false, |odd, octet| odd | !octet.is_ascii() | is_control(octet))
    {
        return (Cow::Borrowed(text), false);
    }
    let mut out = String::with_capacity(text.len());
    let mut split = false;
    let mut rest = text;
    while let Some(wide) = rest.bytes().position(|octet| !octet.is_ascii() || is_control(octet)) {
        // A mark may belong to the letter before it.
        let letter = wide > 0 && rest.as_bytes()[wide - 1].is_ascii_alphanumeric();
        let (plain, more) = rest.split_at(wide - usize::from(letter));
        let is_end = |octet: u8| octet.is_ascii() && !is_control(octet);
        let end = more.bytes().skip(1).position(is_end);
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

/// Appends a run of characters that are not ASCII or controls, perhaps with a letter before them; at most so many octets.
fn span(span: &str, room: usize, out: &mut String) -> bool {
    if span.chars().all(|c| c.is_ascii() && !is_unseen(c) || is_plain(c)) {
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
    let (mut base, mut marked) = (' ', false);
    for c in shown.nfkc() {
        if is_combining_mark(c) {
            let on_latin = is_latin(base);
            marked |= on_latin && !is_accent(c);
            if on_latin || is_mark(c) {
                continue;
            }
        } else {
            base = c;
        }
        if out.len() - begin + c.len_utf8() > room {
            break;
        }
        out.push(c);
    }
    split || marked
}

/// The first octets of a text, cut between characters.
pub fn head(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Whether a word mixes Latin letters with others that look like them, or is in small capitals of phonetics.
pub fn is_mixed(word: &str) -> bool {
    let (mut latin, mut other) = (false, false);
    for c in word.chars() {
        latin |= c.is_ascii_alphabetic();
        let small = is_small_capital(c);
        latin |= small;
        other |= small || matches!(u32::from(c), 0x0370..=0x052F) || !c.is_ascii() && alike(c) != c;
    }
    latin && other
}

/// Whether a character is a small capital.
fn is_small_capital(c: char) -> bool {
    matches!(c, 'ɢ' | 'ɪ' | 'ɴ' | 'ʀ' | 'ʏ' | 'ʙ' | 'ʜ' | 'ʟ' | 'ꜰ' | 'ꜱ' | 'ꞯ')
        || matches!(u32::from(c), 0x1D00..=0x1D22) && alike(c) != c
}

/// The Latin letter that one of Greek, Cyrillic, Armenian, Cherokee or phonetics looks like; itself where there is none.
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
        'ӏ' | 'Ӏ' => 'l',
        // Armenian.
        'ա' => 'w',
        'զ' => 'q',
        'հ' => 'h',
        'յ' => 'j',
        'ո' | 'ռ' => 'n',
        'ս' => 'u',
        'ց' => 'g',
        'օ' => 'o',
        'Լ' => 'L',
        'Ս' => 'U',
        'Տ' => 'S',
        'Օ' => 'O',
        // Cherokee; its small letters are the same ones smaller.
        'Ꭰ' => 'D',
        'Ꭱ' | 'Ꮢ' => 'R',
        'Ꭲ' => 'T',
        'Ꭵ' => 'i',
        'Ꭹ' | 'Ꮍ' => 'Y',
        'Ꭺ' => 'A',
        'Ꭻ' => 'J',
        'Ꭼ' => 'E',
        'Ꮃ' | 'Ꮤ' => 'W',
        'Ꮇ' => 'M',
        'Ꮋ' => 'H',
        'Ꮐ' | 'Ᏻ' => 'G',
        'Ꮒ' => 'h',
        'Ꮓ' => 'Z',
        'Ꮟ' => 'b',
        'Ꮥ' | 'Ꮪ' => 'S',
        'Ꮩ' => 'V',
        'Ꮮ' => 'L',
        'Ꮯ' => 'C',
        'Ꮲ' => 'P',
        'Ꮶ' => 'K',
        'Ᏼ' => 'B',
        '\u{AB70}'..='\u{ABBF}' => {
            match char::from_u32(u32::from(c) - 0xAB70 + 0x13A0).map(|large| (large, alike(large))) {
                Some((large, latin)) if latin != large => latin.to_ascii_lowercase(),
                _ => c,
            }
        }
        // Phonetics, but for letters that languages are written in.
        'ɑ' => 'a',
        'ɕ' => 'c',
        'ɢ' => 'g',
        'ɦ' | 'ʜ' => 'h',
        'ɨ' | 'ɩ' | 'ɪ' => 'i',
        'ʝ' => 'j',
        'ɫ' | 'ɬ' | 'ʟ' => 'l',
        'ɱ' => 'm',
        'ɳ' | 'ɴ' => 'n',
        'ɵ' => 'o',
        'ʠ' | 'ꞯ' => 'q',
        'ɼ' | 'ɾ' | 'ʀ' => 'r',
        'ʂ' | 'ꜱ' => 's',
        'ʈ' => 't',
        'ʉ' => 'u',
        'ʏ' => 'y',
        'ʐ' | 'ʑ' => 'z',
        'ʙ' => 'b',
        'ꜰ' => 'f',
        'ᴀ' => 'a',
        'ᴄ' => 'c',
        'ᴅ' => 'd',
        'ᴇ' => 'e',
        'ᴊ' => 'j',
        'ᴋ' => 'k',
        'ᴍ' => 'm',
        'ᴏ' => 'o',
        'ᴘ' => 'p',
        'ᴛ' => 't',
        'ᴜ' => 'u',
        'ᴠ' => 'v',
        'ᴡ' => 'w',
        'ᴢ' => 'z',
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
        for split in [
            "vi\u{1}agra",
            "vi\0agra",
            "vi\u{7f}agra",
            "vi\u{80}agra",
            "vi\u{fe20}agra",
            "vi\u{483}agra",
            "vi\u{489}agra",
            "vi\u{600}agra",
            "vi\u{5bf}agra",
            "vi\u{336}agra",
            "vi\u{64b}\u{1}agra",
            "v\u{1}i\u{1}a\u{1}g\u{1}r\u{1}a\u{1}",
        ] {
            let (shown, is_split) = seen(split, 100);
            assert_eq!((&*shown, is_split), ("viagra", true), "{split:?}");
        }
        for kept in ["a\tb\r\nc", "\u{5e9}\u{5c1}", "\u{645}\u{64e}", "\u{915}\u{93f}"] {
            assert_eq!(seen(kept, 100), (kept.into(), false), "{kept:?}");
        }
        assert_eq!(seen("e\u{323}\u{301} x\u{302}", 100), ("\u{1eb9} x".into(), false));
        assert!(seen("x\u{200B}y", 100).1 && !seen(" \u{200B}y", 100).1 && !seen("caf\u{e9}", 100).1);
    }

    #[test]
    fn letters_that_look_like_latin_ones_are_taken_for_them_in_a_latin_word_alone() {
        for (word, latin) in [
            ("vi\u{430}gr\u{430}", "viagra"),
            ("l\u{585}a\u{578}", "loan"),
            ("\u{13df}asi\u{578}\u{585}", "Casino"),
            ("\u{abaf}asino", "casino"),
            ("vi\u{251}gr\u{251}", "viagra"),
            ("\u{1d20}\u{26a}\u{1d00}\u{262}\u{280}\u{1d00}", "viagra"),
            ("\u{a730}\u{280}\u{1d07}\u{1d07}", "free"),
        ] {
            assert!(is_mixed(word), "{word}");
            assert_eq!(word.chars().map(alike).collect::<String>(), latin, "{word}");
        }
        for word in [
            "\u{578}\u{585}",
            "\u{13df}\u{13a0}",
            "\u{440}\u{430}\u{442}",
            "\u{257}an",
            "f\u{254}n",
            "caf\u{e9}",
        ] {
            assert!(!is_mixed(word), "{word}");
        }
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
