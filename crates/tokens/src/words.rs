//! Words of a text in any language.
//!
//! In ASCII a word is a run of letters and digits, with the marks that stand within it; elsewhere it is a word of UAX #29,
//! and in scripts that write no spaces each two neighbours are one.

use unicode_segmentation::UnicodeSegmentation;

/// Octets of a word; of a longer one the beginning counts.
pub const WORD_MAX: usize = 40;

/// Whether a character belongs to a script that writes no spaces.
pub fn is_dense(c: char) -> bool {
    matches!(u32::from(c), 0x2E80..=0x9FFF | 0xAC00..=0xD7AF | 0xF900..=0xFAFF | 0x20000..=0x3FFFF | 0x0E00..=0x0EFF | 0x1000..=0x109F | 0x1780..=0x17FF)
}

/// What an octet is to a word.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Ends it.
    Between,
    /// A letter or digit.
    Inner,
    /// Belongs to it where letters or digits stand on both sides.
    Joint,
    /// A mark that is a word of its own when it stands behind one.
    Mark,
    /// Of a character that is not ASCII.
    Wide,
}

const KINDS: [Kind; 256] = {
    let mut kinds = [Kind::Between; 256];
    let mut octet = 0;
    while octet < 256 {
        let at = octet as u8;
        kinds[octet] = match at {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'$' | b'%' => Kind::Inner,
            b'\'' | b'-' | b'_' | b'.' | b',' => Kind::Joint,
            b'!' => Kind::Mark,
            0x80.. => Kind::Wide,
            _ => Kind::Between,
        };
        octet += 1;
    }
    kinds
};

/// Calls `take` with each word of a text, as it stands there.
pub fn each<'t>(text: &'t str, mut take: impl FnMut(&'t str)) {
    each_while(text, |word| {
        take(word);
        true
    });
}

/// Calls `take` with each word of a text until it answers that it wants no more.
#[inline]
pub fn each_while<'t>(text: &'t str, mut take: impl FnMut(&'t str) -> bool) {
    let octets = text.as_bytes();
    let kind = |at: usize| octets.get(at).map_or(Kind::Between, |octet| KINDS[usize::from(*octet)]);
    let mut at = 0;
    while at < octets.len() {
        let begin = at;
        match kind(at) {
            Kind::Between | Kind::Joint => at += 1,
            Kind::Mark => {
                while kind(at) == Kind::Mark {
                    at += 1;
                }
                // "!!!!" says no more than "!!!".
                if !take(&text[begin..at.min(begin + 3)]) {
                    return;
                }
            }
            Kind::Inner | Kind::Wide => {
                let mut wide = false;
                loop {
                    match kind(at) {
                        Kind::Inner => {}
                        Kind::Wide => wide = true,
                        Kind::Joint if matches!(kind(at + 1), Kind::Inner | Kind::Wide) => {
                            // "one,two" are two words, "1,000" is one.
                            if octets[at] == b',' && !octets[at + 1].is_ascii_digit() {
                                break;
                            }
                        }
                        _ => break,
                    }
                    at += 1;
                }
                let goes_on = match wide {
                    false => take(&text[begin..at]),
                    true => unicode(&text[begin..at], &mut take),
                };
                if !goes_on {
                    return;
                }
            }
        }
    }
}

fn unicode<'t>(piece: &'t str, take: &mut impl FnMut(&'t str) -> bool) -> bool {
    let mut rest = piece;
    while let Some(first) = rest.chars().next() {
        let dense = is_dense(first);
        let end = rest.find(|c| is_dense(c) != dense).unwrap_or(rest.len());
        let (run, more) = rest.split_at(end);
        rest = more;
        let goes_on = match dense {
            true => pairs(run, take),
            false => run.unicode_words().all(&mut *take),
        };
        if !goes_on {
            return false;
        }
    }
    true
}

/// Each two neighbours of a script without spaces; one that stands alone is a word, too.
fn pairs<'t>(run: &'t str, take: &mut impl FnMut(&'t str) -> bool) -> bool {
    let mut before = 0;
    let mut count = 0;
    let mut ends = run.char_indices().map(|(at, c)| at + c.len_utf8());
    let mut last = ends.next().unwrap_or_default();
    for end in ends {
        if !take(&run[before..end]) {
            return false;
        }
        (before, last) = (last, end);
        count += 1;
    }
    count > 0 || take(run)
}
