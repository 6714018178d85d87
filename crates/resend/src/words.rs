//! Words of a subject that may be codes: a pure function.
//!
//! **Invariant:** at most [`CODES_MAX`] of them, each once; those of letters and digits first, since a code is rarely one without
//! either, and ordinary words and numbers often are; of both kinds the last ones first, since the code is written behind the
//! subject.

use gatepost_core::Code;

/// The most octets of a subject that are looked at.
pub const SUBJECT_MAX: usize = 16 * 1024;
/// The most words of one subject that are looked up.
pub const CODES_MAX: usize = 5;
/// What people put around a code.
const AROUND: [char; 14] = ['(', ')', '[', ']', '<', '>', '{', '}', '"', '\'', '.', ',', ':', ';'];

/// A word that may be a code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Written<'a> {
    /// The code that it would be.
    pub code: Code,
    /// As it stands in the subject, with what is around it.
    pub word: &'a str,
    /// It has letters and digits, and so is hardly an ordinary word or number.
    pub mixed: bool,
}

/// The words of a subject that may be codes, the likeliest first.
pub fn codes(subject: &str) -> Vec<Written<'_>> {
    let mut all: Vec<Written<'_>> = Vec::new();
    for wanted in [true, false] {
        for word in subject.split_whitespace().rev() {
            if all.len() == CODES_MAX {
                return all;
            }
            let bare = word.trim_matches(AROUND);
            let has = |kind: fn(&u8) -> bool| bare.as_bytes().iter().any(kind);
            let mixed = has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic);
            match Code::read(bare).filter(|_| mixed == wanted) {
                Some(code) if all.iter().all(|known| known.code != code) => all.push(Written { code, word, mixed }),
                _ => {}
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(subject: &str) -> Vec<&str> {
        codes(subject).into_iter().map(|written| written.word).collect()
    }

    #[test]
    fn a_code_is_found_wherever_it_stands_and_however_it_is_written() {
        for subject in [
            "Offer va9ytv5y",
            "Re: Offer  VA9YTV5Y",
            "va9ytv5y Offer",
            "Offer (va9ytv5y).",
            "Offer \"va9ytv5y\"",
            "Offer\tva9ytv5y",
        ] {
            let codes = codes(subject);
            assert_eq!(
                codes.first().map(|one| one.code.as_str()),
                Some("va9ytv5y"),
                "{subject}"
            );
        }
        for subject in ["", "Offer", "va9ytv5", "va9ytv5yy", "xva9ytv5y-", "va9y tv5y"] {
            assert!(codes(subject).is_empty(), "{subject}");
        }
    }

    #[test]
    fn words_of_letters_and_digits_and_the_last_ones_come_first() {
        assert_eq!(
            found("tomorrow 12345678 va9ytv5y possible abcd1234 reminder"),
            ["abcd1234", "va9ytv5y", "reminder", "possible", "12345678"]
        );
        assert_eq!(found("va9ytv5y Va9ytv5y"), ["Va9ytv5y"]);
    }

    #[test]
    fn only_so_many_are_looked_up() {
        let many: Vec<String> = (0..100).map(|n| format!("abcde{n:03}")).collect();
        assert_eq!(codes(&many.join(" ")).len(), CODES_MAX);
    }

    proptest! {
        #[test]
        fn any_subject_is_read(subject in any::<String>()) {
            let codes = codes(&subject);
            prop_assert!(codes.len() <= CODES_MAX);
            for written in codes {
                prop_assert!(subject.contains(written.word));
            }
        }
    }
}
