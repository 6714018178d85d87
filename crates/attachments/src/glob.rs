//! Patterns with `*` and `?`, as operators write them for names.

/// A pattern in lower case: `*` stands for any characters, `?` for one, all else for itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Glob(Box<[char]>);

impl Glob {
    /// The most characters of a pattern.
    pub const MAX: usize = 128;

    /// Reads a pattern; none where it is empty, too long, or has a control character.
    pub fn new(text: &str) -> Option<Glob> {
        let chars: Vec<char> = text.to_lowercase().chars().collect();
        let sound = !chars.is_empty() && chars.len() <= Glob::MAX && !chars.iter().any(|c| c.is_control());
        sound.then(|| Glob(chars.into()))
    }

    /// Whether it matches all of a text that is in lower case. Takes time in proportion to the product of both lengths at
    /// most, and no memory.
    pub fn matches(&self, text: &str) -> bool {
        let pattern = &self.0;
        let (mut at, mut rest) = (0, text.chars());
        // Where to go on after the last star, with one character more under it.
        let mut again: Option<(usize, std::str::Chars<'_>)> = None;
        loop {
            let here = pattern.get(at).copied();
            if here == Some('*') {
                at += 1;
                again = Some((at, rest.clone()));
                continue;
            }
            let mut next = rest.clone();
            match (here, next.next()) {
                (None, None) => return true,
                (Some(one), Some(other)) if one == '?' || one == other => {
                    at += 1;
                    rest = next;
                }
                _ => {
                    let Some((back, mut from)) = again.take() else {
                        return false;
                    };
                    if from.next().is_none() {
                        return false;
                    }
                    at = back;
                    rest = from.clone();
                    again = Some((back, from));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn stars_and_question_marks_stand_for_what_is_said() {
        for (pattern, text, matches) in [
            ("exe", "exe", true),
            ("exe", "ex", false),
            ("EXE", "exe", true),
            ("vb?", "vbs", true),
            ("vb?", "vb", false),
            ("*", "", true),
            ("a*b*c", "axxbyyc", true),
            ("a*b*c", "axxbyy", false),
            ("*.pdf.*", "x.pdf.exe", true),
            ("{*}", "{3f4d}", true),
            ("*@d.example", "ann@d.example", true),
            ("??", "\u{fc}\u{e4}", true),
        ] {
            let glob = Glob::new(pattern).expect(pattern);
            assert_eq!(glob.matches(text), matches, "{pattern} {text}");
        }
        assert_eq!(Glob::new(""), None);
        assert_eq!(Glob::new("a\nb"), None);
        assert_eq!(Glob::new(&"a".repeat(129)), None);
    }

    /// The obvious way, which takes too long.
    fn slow(pattern: &[char], text: &[char]) -> bool {
        match (pattern.split_first(), text.split_first()) {
            (None, None) => true,
            (Some(('*', rest)), None) => slow(rest, text),
            (Some(('*', rest)), Some((_, less))) => slow(rest, text) || slow(pattern, less),
            (Some((one, rest)), Some((other, less))) => (*one == '?' || one == other) && slow(rest, less),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn it_agrees_with_the_obvious_way(pattern in "[ab*?]{1,8}", text in "[ab]{0,10}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let glob = Glob::new(&pattern).expect("sound");
            prop_assert_eq!(glob.matches(&text), slow(&chars(&pattern), &chars(&text)));
        }
    }

    #[test]
    fn a_hostile_pattern_and_text_take_no_time() {
        let glob = Glob::new(&"*a".repeat(60)).expect("sound");
        assert!(!glob.matches(&"a".repeat(50_000).replace('a', "b")));
    }
}
