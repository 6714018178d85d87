//! Text without what hides a link in it: characters that show nothing, and brackets about a dot.

use std::borrow::Cow;

use super::host::is_invisible;
use super::link::Trick;
use super::search::position;
use super::url;

/// Disguises that are remembered with their place; those behind are taken away all the same.
const MARKS_MAX: usize = 10_000;

/// Text without what hides a link in it, and where something was taken away.
pub(super) struct Plain<'t> {
    pub(super) text: Cow<'t, str>,
    pub(super) marks: Vec<(usize, Trick)>,
}

impl<'t> Plain<'t> {
    pub(super) fn of(text: &'t str) -> Plain<'t> {
        if hiding(text).is_none() {
            return Plain {
                text: Cow::Borrowed(text),
                marks: Vec::new(),
            };
        }
        let mut out = Open {
            text: String::with_capacity(text.len()),
            marks: Vec::new(),
        };
        let mut rest = text;
        while let Some(at) = hiding(rest) {
            let Some((before, after)) = rest.split_at_checked(at) else {
                break;
            };
            out.text.push_str(before);
            let mut chars = after.chars();
            let first = chars.next().unwrap_or_default();
            if is_invisible(first) {
                out.mark(Trick::Invisible);
                rest = chars.as_str();
            } else if let Some((meant, tail)) = defanged(after) {
                let spaced = out.text.trim_end_matches(' ').len();
                let next = tail.trim_start_matches(' ');
                let (left, right) = (out.text.len() - spaced, tail.len() - next.len());
                rest = tail;
                // `example (dot) com`
                if meant == "." && left <= 1 && right <= 1 && next.starts_with(char::is_alphanumeric) {
                    out.text.truncate(spaced);
                    rest = next;
                }
                out.mark(Trick::Defanged);
                out.text.push_str(meant);
            } else {
                out.text.push(first);
                rest = chars.as_str();
            }
        }
        out.text.push_str(rest);
        Plain {
            text: Cow::Owned(out.text),
            marks: out.marks,
        }
    }
}

/// Such a text as it is put together.
struct Open {
    text: String,
    marks: Vec<(usize, Trick)>,
}

impl Open {
    fn mark(&mut self, trick: Trick) {
        if self.marks.len() < MARKS_MAX {
            self.marks.push((self.text.len(), trick));
        }
    }
}

/// Where a text has the first character that may hide a link: a bracket, or one that shows nothing.
fn hiding(text: &str) -> Option<usize> {
    let may_hide = |b: u8| {
        let bracket = (b == b'[') | (b == b'(') | (b == b'{');
        bracket | (b == 0xc2) | (b == 0xcd) | (b == 0xd8) | (b.wrapping_sub(0xe1) < 3) | (b == 0xef) | (b == 0xf3)
    };
    let mut from = 0;
    loop {
        let at = position(text.as_bytes(), from, may_hide)?;
        let c = text.get(at..)?.chars().next()?;
        if c.is_ascii() || is_invisible(c) {
            return Some(at);
        }
        from = at + c.len_utf8();
    }
}

/// What a bracketed piece stands for, and what follows it.
fn defanged(text: &str) -> Option<(&'static str, &str)> {
    let close = match text.as_bytes().first()? {
        b'[' => ']',
        b'(' => ')',
        _ => '}',
    };
    let inner = url::head(text.get(1..)?, 8);
    let (inner, _) = inner.split_once(close)?;
    let after = text.get(1 + inner.len() + 1..)?;
    let inner = inner.trim();
    let meant = match inner {
        "." | "\u{3002}" | "," => ".",
        ":" => ":",
        "/" => "/",
        "://" => "://",
        ":/" => ":/",
        "//" => "//",
        _ if inner.eq_ignore_ascii_case("dot")
            || inner.eq_ignore_ascii_case("d0t")
            || inner.eq_ignore_ascii_case("punkt") =>
        {
            "."
        }
        _ => return None,
    };
    Some((meant, after))
}
