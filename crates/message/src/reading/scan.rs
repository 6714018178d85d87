//! Links in plain text: those with a scheme, those without, and those that are to be put together by the reader.
//!
//! Each octet is looked at a fixed number of times: a link ends where the search for the next begins, and an authority
//! never reaches past a slash. Where the part behind the host ends is linkify's word.

use linkify::{LinkFinder, LinkKind};

use super::host::{has_known_suffix, is_any_dot, is_invisible, is_wide};
use super::link::{Host, Trick};
use super::url::{self, REST_MAX, Target};

/// Disguises that are remembered with their place; those behind are taken away all the same.
const MARKS_MAX: usize = 10_000;
/// Characters on either side of a dot that are looked at for a name without a scheme.
const SIDE_MAX: usize = 256;
/// Octets that are looked at before it is asked whether to go on.
const ASK_EVERY: usize = 16_384;
/// Octets of a name without a scheme.
const BARE_MAX: usize = 253;
/// What stands before the part behind a host when linkify is asked where it ends.
const PROBE: &str = "http://a.example/";

/// Finds links in text.
pub(super) struct Scanner {
    end: LinkFinder,
}

/// Suffixes that are the ends of file names more often than of domains, where one word stands before them.
const FILES: [&str; 8] = ["md", "sh", "rs", "py", "ps", "so", "zip", "mov"];

impl Scanner {
    pub(super) fn new() -> Scanner {
        let mut end = LinkFinder::new();
        end.kinds(&[LinkKind::Url]);
        Scanner { end }
    }

    /// Gives each link of the text to `found`, which says whether to go on; it is also asked, with nothing, where much was
    /// looked at without a link.
    pub(super) fn scan(&self, text: &str, found: &mut dyn FnMut(Option<Target>) -> bool) {
        self.each(text, true, found);
    }

    /// The same for text in which a dot between letters is hardly a name: only links with a scheme.
    pub(super) fn scan_schemes(&self, text: &str, found: &mut dyn FnMut(Option<Target>) -> bool) {
        self.each(text, false, found);
    }

    fn each(&self, text: &str, names: bool, found: &mut dyn FnMut(Option<Target>) -> bool) {
        let plain = Plain::of(text);
        let text = plain.text.as_str();
        let octets = text.as_bytes();
        let (mut from, mut at, mut mark, mut tried) = (0, 0, 0, 0);
        let (mut work, mut quiet) = (0, 0);
        while let Some(octet) = octets.get(at) {
            // A candidate costs about as much as its surroundings; the rest next to nothing.
            if at - quiet + work >= ASK_EVERY {
                (work, quiet) = (0, at);
                if !found(None) {
                    return;
                }
            }
            if matches!(octet, b':' | b'.' | 0xe3 | 0xef) {
                work += SIDE_MAX;
            }
            let link = match octet {
                b':' => self.with_scheme(text, from, at),
                b'.' | 0xe3 | 0xef if names && is_dot(text, at) => self.bare(text, from, at, &mut tried),
                _ => None,
            };
            let Some(link) = link else {
                at += 1;
                continue;
            };
            if let Some(mut target) = link.target {
                while plain.marks.get(mark).is_some_and(|(place, _)| *place <= link.start) {
                    mark += 1;
                }
                let within = plain.marks.get(mark..).unwrap_or_default();
                for (_, trick) in within.iter().take_while(|(place, _)| *place < link.host_end) {
                    if !target.tricks.contains(trick) {
                        target.tricks.push(*trick);
                    }
                }
                target.tricks.sort_unstable();
                let also = link.also;
                if !found(Some(target)) || also.is_some_and(|also| !found(Some(also))) {
                    return;
                }
            }
            from = link.end;
            at = link.end.max(at + 1);
        }
    }

    /// A link whose scheme ends at `colon`.
    fn with_scheme(&self, text: &str, from: usize, colon: usize) -> Option<Found> {
        let (start, scheme, mut tricks) = url::scheme_before(text.get(from..colon)?)?;
        let after = text.get(colon + 1..)?;
        let slashes = after.bytes().take_while(|b| matches!(b, b'/' | b'\\')).count();
        if slashes == 0 {
            return None;
        }
        if !after.starts_with("//") || slashes > 2 {
            tricks.push(Trick::Slashes);
        }
        let begin = colon + 1 + slashes;
        let rest = text.get(begin..)?;
        let is_reference = |at: usize| rest.get(..at).is_some_and(|before| before.ends_with('&'));
        let mut ends = rest.char_indices().filter(|&(_, c)| ends_authority(c));
        let end = ends
            .find(|&(at, c)| c != '#' || !is_reference(at))
            .map_or(rest.len(), |(at, _)| at);
        let authority = rest.get(..end)?;
        let mut host_at = 0;
        let mut also = None;
        if let Some(at) = authority.rfind('@')
            && authority.get(at + 1..).is_some_and(|host| !host.is_empty())
        {
            // Many readers end a link where no host goes on, such as at a bracket.
            if let Some(stop) = authority.find(|c| !is_host(c))
                && !authority.get(stop..).is_some_and(|rest| rest.starts_with(['@', ':']))
            {
                let shorter = authority.get(..stop).unwrap_or_default();
                also = url::target(scheme, shorter, "", "", tricks.clone()).filter(Target::is_known);
            }
            tricks.push(Trick::UserInfo);
            host_at = at + 1;
        }
        let host = authority.get(host_at..)?;
        let mut len = if host.starts_with('[') {
            host.find(']').map_or(host.len(), |close| close + 1)
        } else {
            host.find(|c| !is_host(c)).unwrap_or(host.len())
        };
        let mut end = begin + host_at + len;
        let nothing = |end: usize| Some(Found::nothing(end));
        let mut tail = "";
        if let Some((digits, _)) = port(text.get(end..)?) {
            tail = digits;
            end += 1 + digits.len();
        } else if text.get(end..).is_some_and(|rest| rest.starts_with(':')) && begin + host_at + host.len() == end + 1 {
            end += 1;
        }
        let (path, after) = self.rest(text, end);
        let written = host.get(..len)?;
        let mut target = url::target(scheme, written, tail, path, tricks.clone());
        // Text of a script without spaces may touch the host.
        if !written.is_ascii()
            && path.is_empty()
            && !target.as_ref().is_some_and(Target::is_known)
            && let Some(ascii) = written.find(|c: char| !c.is_ascii())
            && let Some(shorter) = written.get(..ascii).map(|host| host.trim_end_matches(['.', '-']))
            && shorter.contains('.')
        {
            len = shorter.len();
            target = url::target(scheme, shorter, "", "", tricks);
            return Some(Found {
                start: from + start,
                host_end: begin + host_at + len,
                end: begin + host_at + ascii,
                target,
                also: None,
            });
        }
        let Some(target) = target else {
            return nothing(begin + host_at + len);
        };
        Some(Found {
            start: from + start,
            host_end: begin + host_at + len,
            end: after,
            target: Some(target),
            also,
        })
    }

    /// A name without a scheme, about the dot at `dot`. `tried` is where the last run of letters of all scripts ended that
    /// was none.
    fn bare(&self, text: &str, from: usize, dot: usize, tried: &mut usize) -> Option<Found> {
        let before = text.get(from..dot)?;
        let after = text.get(dot..)?;
        let left = |is: fn(char) -> bool| -> usize {
            before
                .chars()
                .rev()
                .take(SIDE_MAX)
                .take_while(|&c| is(c))
                .map(char::len_utf8)
                .sum()
        };
        let right = |is: fn(char) -> bool| -> usize {
            after
                .chars()
                .take(SIDE_MAX)
                .take_while(|&c| is(c) || is_any_dot(c))
                .map(char::len_utf8)
                .sum()
        };
        let (wide_left, wide_right) = (left(is_name), right(is_name));
        let (ascii_left, ascii_right) = (left(is_ascii_name), right(is_ascii_name));
        let end = dot + wide_right;
        let wide = if *tried == end {
            None
        } else {
            self.named(text, dot - wide_left, end)
        };
        if wide.is_none() {
            *tried = end;
        }
        // Text of a script without spaces may touch a name; letters of another are a part of it.
        let stops = |c: Option<char>| c.is_none_or(|c| !is_name(c) || is_unspaced(c));
        let plain = (ascii_left, ascii_right) == (wide_left, wide_right)
            || !stops(
                text.get(..dot - ascii_left)
                    .and_then(|before| before.chars().next_back()),
            )
            || !stops(text.get(dot + ascii_right..).and_then(|after| after.chars().next()));
        let ascii = if plain {
            None
        } else {
            self.named(text, dot - ascii_left, dot + ascii_right)
        };
        let next = dot + if plain { wide_right } else { ascii_right };
        match (wide, ascii) {
            (Some(wide), ascii) => Some(Found {
                also: ascii.and_then(|ascii| ascii.target),
                ..wide
            }),
            (None, Some(ascii)) => Some(ascii),
            (None, None) => Some(Found::nothing(next)),
        }
    }

    /// The link that a run of letters and dots is, if it is meant as one.
    fn named(&self, text: &str, start: usize, end: usize) -> Option<Found> {
        let token = text.get(start..end)?;
        let previous = text.get(..start).and_then(|before| before.chars().next_back());
        let next = text.get(end..).and_then(|after| after.chars().next());
        let second_slash = text.get(..start).is_some_and(|before| before.ends_with("//"));
        if next == Some('@') || matches!(previous, Some('@' | '\\')) || (previous == Some('/') && !second_slash) {
            return None;
        }
        let written = token.trim_end_matches(|c: char| is_any_dot(c) || matches!(c, '-' | '_'));
        let host_end = start + written.len();
        let written = written.trim_start_matches(['-', '_', '.']);
        if !written.contains(is_any_dot) || written.len() > BARE_MAX {
            return None;
        }
        // Cheaper than the reading of the host: does it end in what a name may end in?
        let top = written.rsplit(is_any_dot).next().unwrap_or_default().to_lowercase();
        let is_number = top.bytes().all(|b| b.is_ascii_digit());
        let is_plain = !top.starts_with("xn--") && !top.chars().any(is_wide);
        if !is_number && is_plain && !has_known_suffix(&format!("a.b.{top}")) {
            return None;
        }
        let (mut tail, mut path, mut after) = ("", "", host_end);
        if host_end == end {
            if let Some((digits, _)) = port(text.get(end..)?) {
                tail = digits;
                after += 1 + digits.len();
            }
            (path, after) = self.rest(text, after);
        }
        let target = url::target("http", written, tail, path, Vec::new())?;
        let meant = target.is_known() && is_meant(written, &target, !path.is_empty() || !tail.is_empty());
        meant.then_some(Found {
            start,
            host_end,
            end: after.max(end),
            target: Some(target),
            also: None,
        })
    }

    /// What follows a host that ends at `at`, and where it ends.
    fn rest<'a>(&self, text: &'a str, at: usize) -> (&'a str, usize) {
        let Some(rest) = text.get(at..).filter(|rest| rest.starts_with(['/', '\\', '?', '#'])) else {
            return ("", at);
        };
        // A small window first: what is looked at stays in proportion to what is taken.
        let mut window = 256;
        loop {
            let seen = url::head(rest, window);
            let whole = seen.find(ends_rest);
            let run = seen.get(..whole.unwrap_or(seen.len())).unwrap_or_default();
            let body = run.get(1..).unwrap_or_default();
            let probe = format!("{PROBE}{body}");
            let len = match self.end.links(&probe).next() {
                Some(link) if link.start() == 0 => link.end().saturating_sub(PROBE.len()) + 1,
                _ => 1,
            };
            if whole.is_some() || seen.len() == rest.len() || len + 64 < run.len() {
                return (rest.get(..len).unwrap_or(run), at + len);
            }
            if window > REST_MAX {
                // Longer than is looked at: where exactly it ends does not matter.
                let whole = rest.find(ends_rest).unwrap_or(rest.len());
                return (rest.get(..whole).unwrap_or(run), at + whole);
            }
            window *= 4;
        }
    }
}

/// What was found at a place, and where to go on.
struct Found {
    start: usize,
    host_end: usize,
    end: usize,
    target: Option<Target>,
    also: Option<Target>,
}

impl Found {
    fn nothing(end: usize) -> Found {
        Found {
            start: end,
            host_end: end,
            end,
            target: None,
            also: None,
        }
    }
}

fn ends_rest(c: char) -> bool {
    matches!(c, '\0'..=' ' | '<' | '>' | '"' | '`' | '|' | '\x7f'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{3000}')
}

fn ends_authority(c: char) -> bool {
    ends_rest(c) || matches!(c, '/' | '\\' | '?' | '#')
}

fn is_host(c: char) -> bool {
    is_name(c) || is_any_dot(c) || matches!(c, '%' | '&' | '#' | ';')
}

/// A letter or digit of a name, of whatever script.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || (c >= '\u{a1}' && c.is_alphanumeric())
}

fn is_ascii_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_')
}

/// Letters of scripts that put no spaces between words, or particles behind them.
fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{e00}'..='\u{eff}' | '\u{1000}'..='\u{109f}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{ff00}'..='\u{ffef}')
}

fn is_dot(text: &str, at: usize) -> bool {
    text.get(at..)
        .and_then(|rest| rest.chars().next())
        .is_some_and(is_any_dot)
}

/// The digits of a port after a colon.
fn port(text: &str) -> Option<(&str, &str)> {
    let after = text.strip_prefix(':')?;
    let len = after.bytes().take_while(u8::is_ascii_digit).count();
    (1..=5).contains(&len).then(|| after.split_at_checked(len))?
}

/// Whether a name without a scheme is meant as a link: not a file, not two sentences without a space between them, not a
/// number with a dot.
fn is_meant(written: &str, target: &Target, followed: bool) -> bool {
    let Host::Name(name) = &target.host else {
        // 192.0.2.1 is an address; 1.5 is a number.
        return !target.tricks.contains(&Trick::OddAddress);
    };
    if followed || name.starts_with("www.") {
        return true;
    }
    let top = written.rsplit(is_any_dot).next().unwrap_or_default();
    let lower = top.to_lowercase();
    let mut letters = top.chars();
    let title = letters.next().is_some_and(char::is_uppercase) && letters.all(char::is_lowercase) && top.len() > 1;
    // `Evil.Shop` is a name, `it is over.So we went` none.
    let before = written.rsplit(is_any_dot).nth(1).unwrap_or_default();
    let named = lower.len() >= 3 && before.starts_with(char::is_uppercase);
    if title && !named && !matches!(lower.as_str(), "com" | "net" | "org" | "info" | "biz") {
        return false;
    }
    if FILES.contains(&lower.as_str()) && name.split('.').count() == 2 {
        return false;
    }
    // Of two letters only what does not look like an abbreviation.
    let second = name.rsplit('.').nth(1).unwrap_or_default();
    lower.len() >= 3 || (second.len() >= 3 && top == lower)
}

/// Text without what hides a link in it, and where something was taken away.
struct Plain {
    text: String,
    marks: Vec<(usize, Trick)>,
}

impl Plain {
    fn of(text: &str) -> Plain {
        let mut out = Plain {
            text: String::with_capacity(text.len()),
            marks: Vec::new(),
        };
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| matches!(c, '[' | '(' | '{') || is_invisible(c)) {
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
        out
    }

    fn mark(&mut self, trick: Trick) {
        if self.marks.len() < MARKS_MAX {
            self.marks.push((self.text.len(), trick));
        }
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
