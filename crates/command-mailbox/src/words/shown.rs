//! What somebody else wrote, as it may stand in a letter of ours (L-07): short, on one line, and without a link that a mail
//! program would make one.

/// Whether a character moves or hides others: controls, marks of direction, characters without width.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}' | '\u{2028}' | '\u{2029}')
}

/// The beginning of a text, so many characters at most, on one line.
pub fn short(text: &str, most: usize) -> String {
    let mut out = String::new();
    let (mut count, mut gap) = (0_usize, false);
    for c in text.chars() {
        if c.is_whitespace() || is_unseen(c) {
            gap = !out.is_empty() && (c.is_whitespace() || gap);
            continue;
        }
        if count >= most {
            out.push('\u{2026}');
            break;
        }
        if gap {
            out.push(' ');
        }
        gap = false;
        out.push(c);
        count = count.saturating_add(1);
    }
    out
}

/// The same, and where a mail program would see a link it sees none: `b.example` becomes `b[.]example`.
pub fn harmless(text: &str, most: usize) -> String {
    let text = short(text, most);
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        let links = match c {
            // `www.` alone is enough for some programs, whatever stands behind it.
            '.' => !before.is_whitespace() && (next.is_alphanumeric() || matches!(next, '-' | '_' | '%')),
            ':' => matches!(next, '/' | '\\') || before.is_alphabetic() && !next.is_whitespace(),
            '@' => before.is_alphanumeric() && next.is_alphanumeric(),
            _ => false,
        };
        match links {
            true => out.extend(['[', c, ']']),
            false => out.push(c),
        }
        before = c;
    }
    out
}

/// An address or an entry of a list, short, as people read and copy it; one that hides something else, or that a mail
/// program could take for the address of a page, is made harmless.
pub fn address(text: &str, most: usize) -> String {
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '+' | '=' | '@' | '*');
    let start = text.to_ascii_lowercase();
    let is_page = ["www.", "ftp."].iter().any(|page| start.starts_with(page));
    let is_one = text.matches('@').count() == 1 && !text.ends_with('@');
    let network = |c: char| c.is_ascii_hexdigit() || matches!(c, '.' | ':' | '/');
    match (text.chars().all(plain) && is_one && !is_page) || text.chars().all(network) {
        true => short(text, most),
        false => harmless(text, most),
    }
}

/// The same as HTML text.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_strangers_subject_is_short_and_links_nowhere() {
        for (text, want) in [
            ("Hello\r\nBcc: x", "Hello Bcc: x"),
            (
                "cheap at https://www.b.example/x now",
                "cheap at https[:]//www[.]b[.]example/x now",
            ),
            ("ann@b.example", "ann[@]b[.]example"),
            ("a\u{202e}b\u{200b}c\u{0}d", "abcd"),
            ("call tel:+4930 or mailto:x", "call tel[:]+4930 or mailto[:]x"),
            ("at 192.0.2.1", "at 192[.]0[.]2[.]1"),
            (
                "www.1and1.example www.-x.example",
                "www[.]1and1[.]example www[.]-x[.]example",
            ),
            ("news:%61 data:,x at 10:30", "news[:]%61 data[:],x at 10:30"),
            ("The end. And now: more ... ", "The end. And now: more ..."),
            ("", ""),
        ] {
            assert_eq!(harmless(text, 60), want, "{text:?}");
        }
        assert_eq!(short("abc def", 4), "abc d\u{2026}");
        assert_eq!(escaped("<a href=\"x\">&'"), "&lt;a href=&quot;x&quot;&gt;&amp;&#39;");
    }

    #[test]
    fn an_address_stands_as_it_is_unless_it_is_a_page() {
        for plain in [
            "ann@b.example",
            "a.b-c+d=e_f@b.example",
            "@b.example",
            "*@b.example",
            "192.0.2.0/24",
        ] {
            assert_eq!(address(plain, 60), plain);
        }
        for (page, want) in [
            ("www.x.example/a@b.example", "www[.]x[.]example/a[@]b[.]example"),
            ("WWW.x.example@b.example", "WWW[.]x[.]example[@]b[.]example"),
            (
                "\"http://x.example/\"@b.example",
                "\"http[:]//x[.]example/\"@b[.]example",
            ),
        ] {
            assert_eq!(address(page, 60), want);
        }
    }

    proptest! {
        #[test]
        fn nothing_that_moves_or_links_is_left(text in "\\PC*|[a-z:/.@\\r\\n\u{202e} ]{0,80}", most in 0_usize..50) {
            let shown = harmless(&text, most);
            prop_assert!(!shown.chars().any(is_unseen));
            prop_assert!(!shown.contains("://"));
            let page = shown.split("www.").nth(1).and_then(|behind| behind.chars().next());
            prop_assert!(!page.is_some_and(char::is_alphanumeric), "{shown}");
            prop_assert!(short(&text, most).chars().filter(|c| !c.is_whitespace()).count() <= most + 1);
        }
    }
}
