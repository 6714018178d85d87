//! The names of finds: patterns for those that only weigh, and how a name is told to a stranger.
//!
//! **Invariant:** matching takes at most the product of the two lengths, and both have bounds.

/// The most octets of the name of a find that are kept.
pub const NAME_MAX: usize = 200;

/// The most octets of a pattern.
pub const PATTERN_MAX: usize = 100;
/// The most octets of a name in a reply.
pub const REPLY_MAX: usize = 100;

/// Whether a name is of a pattern: `*` stands for any octets, `?` for one; letter case does not count.
pub fn is_like(name: &str, pattern: &str) -> bool {
    let name = name.get(..NAME_MAX).unwrap_or(name).as_bytes();
    let (pattern, mut at, mut next) = (pattern.as_bytes(), 0, 0);
    // Where the last star stands, and up to where it has eaten.
    let mut star: Option<(usize, usize)> = None;
    while let Some(octet) = name.get(at) {
        match pattern.get(next) {
            Some(b'*') => {
                star = Some((next, at));
                next += 1;
            }
            Some(wanted) if *wanted == b'?' || wanted.eq_ignore_ascii_case(octet) => {
                at += 1;
                next += 1;
            }
            _ => {
                let Some((place, eaten)) = star else { return false };
                star = Some((place, eaten + 1));
                (next, at) = (place + 1, eaten + 1);
            }
        }
    }
    pattern.iter().skip(next).all(|octet| *octet == b'*')
}

/// A name as a reply tells it: letters, digits and `.-_/`; what else there is becomes `_`; at most [`REPLY_MAX`] octets.
pub fn told(name: &str) -> String {
    let plain = |c: char| match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' | '.' | '-' | '_' | '/' => c,
        _ => '_',
    };
    name.chars().take(REPLY_MAX).map(plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_pattern_is_read_as_the_operator_means_it() {
        for (name, pattern, like) in [
            ("Heuristics.Phishing.Email.SpoofedDomain", "Heuristics.*", true),
            ("heuristics.phishing", "HEURISTICS.*", true),
            ("Heuristics", "Heuristics.*", false),
            ("Win.Trojan.Heuristics.1", "Heuristics.*", false),
            ("Sanesecurity.Junk.1.UNOFFICIAL", "*.UNOFFICIAL", true),
            ("Sanesecurity.Junk.1.UNOFFICIAL.x", "*.UNOFFICIAL", false),
            ("PUA.Win.Tool", "PUA.???.*", true),
            ("a.b.a.b.c", "*a.b.c", true),
            ("anything", "*", true),
            ("anything", "", false),
            ("", "*", true),
        ] {
            assert_eq!(is_like(name, pattern), like, "{name} {pattern}");
        }
    }

    #[test]
    fn a_stranger_is_told_a_name_and_nothing_that_stands_in_it() {
        assert_eq!(told("Win.Test.EICAR_HDB-1"), "Win.Test.EICAR_HDB-1");
        assert_eq!(told("a b\r\n550 <x@y>%s"), "a_b__550__x_y__s");
        assert_eq!(told(&"x".repeat(500)).len(), REPLY_MAX);
    }

    /// The same question, asked in the simplest way there is.
    fn oracle(name: &[u8], pattern: &[u8]) -> bool {
        match (name, pattern) {
            (_, [b'*', rest @ ..]) => (0..=name.len()).any(|n| oracle(&name[n..], rest)),
            ([one, name @ ..], [wanted, pattern @ ..]) => {
                (*wanted == b'?' || wanted.eq_ignore_ascii_case(one)) && oracle(name, pattern)
            }
            (name, pattern) => name.is_empty() && pattern.is_empty(),
        }
    }

    proptest! {
        #[test]
        fn patterns_agree_with_the_oracle(name in "[aB.]{0,8}", pattern in "[ab.*?]{0,6}") {
            prop_assert_eq!(is_like(&name, &pattern), oracle(name.as_bytes(), pattern.as_bytes()));
        }

        #[test]
        fn any_name_is_told_in_plain_letters(name: String) {
            let told = told(&name);
            prop_assert!(told.len() <= REPLY_MAX);
            prop_assert!(told.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_/".contains(&b)));
        }
    }
}
