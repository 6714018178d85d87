//! Links in plain text: those with a scheme, those without, and those that are to be put together by the reader.
//!
//! Each octet is looked at a fixed number of times: a link ends where the search for the next begins, and an authority
//! never reaches past a slash. Where the part behind the host ends is linkify's word.

use std::borrow::Cow;

use linkify::{LinkFinder, LinkKind};

use super::host::{is_any_dot, is_known_top, is_wide};
use super::link::{Host, Trick};
use super::plain::Plain;
use super::search::position;
use super::url::{self, REST_MAX, Target};

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
        let text = &*plain.text;
        let octets = text.as_bytes();
        let (mut from, mut at, mut mark) = (0, 0, 0);
        let mut run = Run::default();
        let (mut work, mut quiet) = (0, 0);
        while at < octets.len() {
            let window = octets.get(..at + ASK_EVERY).unwrap_or(octets);
            let next = next_candidate(window, at, names);
            at = next.unwrap_or(window.len());
            // A candidate costs about as much as its surroundings; the rest next to nothing.
            if at - quiet + work >= ASK_EVERY {
                (work, quiet) = (0, at);
                if !found(None) {
                    return;
                }
            }
            if next.is_none() {
                continue;
            }
            work += SIDE_MAX;
            let link = match octets.get(at) {
                Some(b':') => self.with_scheme(text, from, at),
                _ if is_dot(text, at) => self.bare(text, from, at, &mut run),
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
        let after = text.get(colon + 1..)?;
        let slashes = after.bytes().take_while(|b| matches!(b, b'/' | b'\\')).count();
        if slashes == 0 {
            return None;
        }
        let (start, scheme, mut tricks) = url::scheme_before(text.get(from..colon)?)?;
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

    /// A name without a scheme, about the dot at `dot`.
    fn bare(&self, text: &str, from: usize, dot: usize, run: &mut Run) -> Option<Found> {
        let octets = text.as_bytes();
        // Most dots end a sentence: a name that nothing follows is none.
        if octets.get(dot) == Some(&b'.') && octets.get(dot + 1).is_none_or(|&next| ends_name(next)) {
            run.tried = dot + 1;
            return Some(Found::nothing(dot + 1));
        }
        let before = text.get(from..dot)?;
        let (mut wide_left, mut ascii_left) = (0, None);
        for c in before.chars().rev().take(SIDE_MAX).take_while(|&c| is_name(c)) {
            if !c.is_ascii() {
                ascii_left.get_or_insert(wide_left);
            }
            wide_left += c.len_utf8();
        }
        let ascii_left = ascii_left.unwrap_or(wide_left);
        let wide_right = run.about(text, dot) - dot;
        let after = text.get(dot..dot + wide_right)?;
        let stop = after.find(|c| !is_ascii_name(c) && !is_any_dot(c));
        let ascii_right = stop.unwrap_or(wide_right);
        let end = dot + wide_right;
        let wide = if run.tried == end {
            None
        } else {
            self.named(text, dot - wide_left, end)
        };
        if wide.is_none() {
            run.tried = end;
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
        let top = written.rsplit(is_any_dot).next().unwrap_or_default();
        let is_lower = top.bytes().all(|b| b.is_ascii() && !b.is_ascii_uppercase());
        let top = if is_lower {
            Cow::Borrowed(top)
        } else {
            Cow::Owned(top.to_lowercase())
        };
        let is_number = top.bytes().all(|b| b.is_ascii_digit());
        let is_plain = !top.starts_with("xn--") && !top.chars().any(is_wide);
        if !is_number && is_plain && !is_known_top(&top) {
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
    if c.is_ascii() {
        return is_ascii_name(c);
    }
    // Of most text these, which spares the search in the tables.
    let common = matches!(c, '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2c1}' | '\u{400}'..='\u{481}'
        | '\u{3041}'..='\u{3096}' | '\u{30a1}'..='\u{30fa}' | '\u{4e00}'..='\u{9fff}' | '\u{ac00}'..='\u{d7a3}');
    common || (c >= '\u{a1}' && c.is_alphanumeric())
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

/// Where from `from` on a link may lie about an octet: a colon or, where names count, the first octet of a dot.
fn next_candidate(octets: &[u8], from: usize, names: bool) -> Option<usize> {
    if names {
        // Without branches, so that many are compared at once.
        let begins = |b| (b == b':') | (b == b'.') | (b == 0xe3) | (b == 0xef);
        position(octets, from, begins)
    } else {
        let rest = octets.get(from..)?;
        memchr::memchr(b':', rest).map(|at| from + at)
    }
}

/// Whether a name ends before this octet.
fn ends_name(octet: u8) -> bool {
    octet.is_ascii() && !is_ascii_name(octet.into()) && octet != b'.'
}

/// A run of letters and dots of all scripts, as far as it is known: so that each is looked at once, however many dots
/// there are.
#[derive(Default)]
struct Run {
    begin: usize,
    end: usize,
    /// Whether it was left at [`SIDE_MAX`].
    cut: bool,
    /// Where the last run ended that was no name.
    tried: usize,
}

impl Run {
    /// Where the run ends that begins at a dot; dots come in their order.
    fn about(&mut self, text: &str, dot: usize) -> usize {
        let (from, room) = if (self.begin..self.end).contains(&dot) {
            let passed = text.get(self.begin..dot).unwrap_or_default();
            (self.end, if self.cut { passed.chars().count() } else { 0 })
        } else {
            self.cut = true;
            (dot, SIDE_MAX)
        };
        let rest = text.get(from..).unwrap_or_default();
        let mut taken = 0;
        let more = rest.chars().take(room).take_while(|&c| is_name(c) || is_any_dot(c));
        let len: usize = more.inspect(|_| taken += 1).map(char::len_utf8).sum();
        self.cut &= taken == room;
        (self.begin, self.end) = (dot, from + len);
        self.end
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_digits_of_all_scripts_are_of_names() {
        for c in '\u{a1}'..=char::MAX {
            assert_eq!(is_name(c), c.is_alphanumeric(), "{c:?}");
        }
        assert!(is_name('-') && is_name('_') && is_name('a') && !is_name('.') && !is_name('\u{a0}'));
    }

    #[test]
    fn a_run_is_the_same_whether_it_was_seen_before_or_not() {
        let text = format!("a.b{}. c.d..e", "\u{4f60}\u{3002}\u{4f60}\u{4f60}-".repeat(200));
        let mut run = Run::default();
        for (dot, _) in text.match_indices(is_any_dot) {
            assert_eq!(run.about(&text, dot), Run::default().about(&text, dot), "{dot}");
        }
    }
}
