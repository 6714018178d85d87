//! One link, from how it is written to where it leads.
//!
//! The rules are those by which browsers read a link, since that is what happens to it when it is clicked: a backslash is
//! a slash, one slash or five are two, all before the last `@` is a name for nobody. What they would not follow out of a
//! mail (`javascript:`, `data:`, `cid:`) is no link, and neither is an address to write or to call.

use std::borrow::Cow;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::host::{self, has_known_suffix, hex, is_invisible, registrable};
use super::link::{Host, Trick};

/// Octets of a link that are kept.
pub const URL_MAX: usize = 2_048;
/// Octets behind the host that are looked at for links within the link.
pub(super) const REST_MAX: usize = 16_384;
/// Links within one link that are kept.
const NESTED_MAX: usize = 20;
/// How often the rest of a link is decoded to find links within it.
const NESTED_DEPTH: usize = 3;

/// What stands before a host in links to pages for telephones.
static PAGES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new("/amp/"));

/// Where a link leads, with what follows the host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Target {
    pub(super) url: Box<str>,
    pub(super) host: Host,
    pub(super) domain: Option<Box<str>>,
    pub(super) tricks: Vec<Trick>,
    /// What is looked at for further links.
    pub(super) rest: Box<str>,
    /// Whether more followed than was looked at.
    pub(super) cut: bool,
}

/// What an attribute holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Reference {
    /// A link with its host.
    Link(Target),
    /// A path below the base of the document.
    Below(String),
    /// Nothing that is followed, which may have links within it.
    Other(String),
    /// A place in the same document, or nothing.
    Nothing,
}

/// The scheme that is meant, and whether it was defanged; `None` for what is not followed.
fn scheme(written: &str) -> Option<(Cow<'static, str>, bool)> {
    for common in ["https", "http"] {
        if written.eq_ignore_ascii_case(common) {
            return Some((common.into(), false));
        }
    }
    let lower = written.to_ascii_lowercase();
    let known = match lower.as_str() {
        "ftp" => "ftp",
        "ftps" => "ftps",
        "hxxp" | "hxtp" | "htxp" | "h**p" | "hhttp" | "htp" | "ttp" | "hxxxp" => return Some(("http".into(), true)),
        "hxxps" | "hxtps" | "htxps" | "h**ps" | "hhttps" | "htps" | "ttps" | "hxxxps" => {
            return Some(("https".into(), true));
        }
        "fxp" => return Some(("ftp".into(), true)),
        "javascript" | "vbscript" | "data" | "cid" | "mid" | "mailto" | "tel" | "sms" | "callto" | "fax" | "about"
        | "blob" | "file" | "urn" | "news" | "xmpp" | "sip" | "sips" | "magnet" => return None,
        _ if lower.contains(['*', '.']) || !lower.starts_with(|c: char| c.is_ascii_alphabetic()) => return None,
        _ => return Some((lower.into(), false)),
    };
    Some((known.into(), false))
}

/// Whether browsers read what follows `scheme:` as a host even without two slashes.
fn is_web(scheme: &str) -> bool {
    matches!(scheme, "http" | "https" | "ftp" | "ftps")
}

/// Reads the value of an attribute such as `href`, character references resolved.
pub(super) fn attribute(value: &str) -> Reference {
    let ends = |c: char| c <= ' ' || is_invisible(c);
    let mut value = Cow::Borrowed(value.trim_matches(ends));
    if value.contains(['\t', '\r', '\n']) {
        value = Cow::Owned(value.replace(['\t', '\r', '\n'], ""));
    }
    if value.is_empty() || value.starts_with('#') {
        return Reference::Nothing;
    }
    let written = value
        .bytes()
        .take(32)
        .take_while(|b| b.is_ascii_alphanumeric() || b"+-.*".contains(b))
        .count();
    if let (Some(name), Some(after)) = (
        value.get(..written).filter(|name| !name.is_empty()),
        value.get(written..).and_then(|v| v.strip_prefix(':')),
    ) {
        let slashes = after.starts_with(['/', '\\']);
        // A share of a host elsewhere, which Windows logs in to.
        if name.eq_ignore_ascii_case("file")
            && matches!(after.bytes().take_while(|b| matches!(b, b'/' | b'\\')).count(), 2 | 4..)
        {
            return authority("file", after, Vec::new()).map_or(Reference::Nothing, Reference::Link);
        }
        match scheme(name) {
            Some((scheme, defanged)) if slashes || is_web(&scheme) => {
                let tricks = if defanged { vec![Trick::Defanged] } else { Vec::new() };
                return authority(&scheme, after, tricks).map_or(Reference::Nothing, Reference::Link);
            }
            // A name and a port look like a scheme.
            None if name.contains('.') && after.starts_with(|c: char| c.is_ascii_digit()) => {}
            None if matches!(name.to_ascii_lowercase().as_str(), "javascript" | "vbscript" | "data") => {
                return Reference::Nothing;
            }
            _ => return Reference::Other(value.into_owned()),
        }
    }
    if value.starts_with(['/', '\\']) {
        let slashes = value.bytes().take_while(|b| matches!(b, b'/' | b'\\')).count();
        return match slashes {
            1 => Reference::Below(value.into_owned()),
            _ => authority("http", &value, Vec::new()).map_or(Reference::Nothing, Reference::Link),
        };
    }
    // Many readers complete `www.example.org/x`; a file name beside the mail is not there anyway.
    let name = value.split(['/', '\\', '?', '#', ':']).next().unwrap_or_default();
    if name.contains('.') && !name.contains('@') {
        let slashed = format!("//{value}");
        if let Some(target) = authority("http", &slashed, Vec::new())
            && target.is_known()
        {
            return Reference::Link(target);
        }
    }
    Reference::Below(value.into_owned())
}

/// Reads what follows `scheme:`, strictly as a browser does.
fn authority(scheme: &str, after: &str, mut tricks: Vec<Trick>) -> Option<Target> {
    let from = after.bytes().take_while(|b| matches!(b, b'/' | b'\\')).count();
    let (slashes, after) = after.split_at_checked(from)?;
    if slashes != "//" {
        tricks.push(Trick::Slashes);
    }
    let end = after.find(['/', '\\', '?', '#']).unwrap_or(after.len());
    let (authority, rest) = after.split_at_checked(end)?;
    let host = match authority.rfind('@') {
        Some(at) => {
            tricks.push(Trick::UserInfo);
            authority.get(at + 1..)?
        }
        None => authority,
    };
    let (host, port) = split_port(host);
    target(scheme, host, port, rest, tricks)
}

/// Parts a port from a host.
pub(super) fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|b| b.is_ascii_digit()) && (!host.starts_with('[') || name.ends_with(']')) =>
        {
            (name, port)
        }
        _ => (host, ""),
    }
}

/// Puts a link together.
pub(super) fn target(scheme: &str, written: &str, port: &str, rest: &str, mut tricks: Vec<Trick>) -> Option<Target> {
    let host = host::host(written, &mut tricks)?;
    tricks.sort_unstable();
    tricks.dedup();
    let port = port.trim_start_matches('0');
    // Mostly just as much as it will be.
    let room = if port.is_empty() { 0 } else { ":65535".len() } + usize::from(!rest.starts_with(['/', '\\']));
    let room = room + scheme.len() + "://".len() + written.len() + rest.len().min(URL_MAX);
    let mut url = String::with_capacity(room);
    url.push_str(scheme);
    url.push_str("://");
    match &host {
        Host::Name(name) => url.push_str(name),
        other => url.push_str(&other.to_string()),
    }
    if !port.is_empty() && port.len() <= 5 && !(scheme == "http" && port == "80" || scheme == "https" && port == "443")
    {
        url.push(':');
        url.push_str(port);
    }
    if !rest.starts_with(['/', '\\']) {
        url.push('/');
    }
    readable(rest, &mut url);
    let domain = match &host {
        Host::Name(name) => registrable(name).map(Into::into),
        Host::V4(_) | Host::V6(_) => None,
    };
    let cut = rest.len() > REST_MAX;
    let rest = head(rest, REST_MAX);
    Some(Target {
        url: url.into(),
        host,
        domain,
        tricks,
        rest: rest.into(),
        cut,
    })
}

impl Target {
    /// Whether it leads to an address or below a suffix that the public suffix list knows.
    pub(super) fn is_known(&self) -> bool {
        match &self.host {
            Host::Name(name) => has_known_suffix(name),
            Host::V4(_) | Host::V6(_) => true,
        }
    }

    /// The same host with another path.
    pub(super) fn below(&self, path: &str) -> Target {
        let origin = self
            .url
            .match_indices('/')
            .nth(2)
            .and_then(|(slash, _)| self.url.get(..slash));
        let mut url = origin.unwrap_or(&self.url).to_owned();
        if !path.starts_with(['/', '\\']) {
            url.push('/');
        }
        readable(path, &mut url);
        Target {
            url: url.into(),
            rest: head(path, REST_MAX).into(),
            cut: path.len() > REST_MAX,
            ..self.clone()
        }
    }
}

/// Appends what follows the host up to [`URL_MAX`] in all: backslashes of the path as slashes, encoded letters decoded,
/// what would disturb a line of output encoded.
fn readable(rest: &str, url: &mut String) {
    let mut rest = rest;
    let mut path = true;
    loop {
        // Most of it stands as it is.
        let odd = |b: &u8| !matches!(b, b'!'..=b'~') || matches!(b, b'%' | b'?' | b'#' | b'\\');
        let plain = rest.bytes().position(|b| odd(&b)).unwrap_or(rest.len());
        let plain = plain.min(URL_MAX.saturating_sub(url.len()));
        let (before, after) = rest.split_at_checked(plain).unwrap_or((rest, ""));
        url.push_str(before);
        rest = after;
        let Some(c) = rest.chars().next() else {
            return;
        };
        let mut len = c.len_utf8();
        let mut c = c;
        if c == '%'
            && let Some([high, low]) = rest.as_bytes().get(1..3)
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
            && let decoded = high << 4 | low
            && (decoded.is_ascii_alphanumeric() || b"-._~".contains(&decoded))
        {
            (c, len) = (decoded.into(), 3);
        }
        path &= !matches!(c, '?' | '#');
        let room = URL_MAX.saturating_sub(url.len());
        match c {
            '\\' if path && room >= 1 => url.push('/'),
            '\0'..=' ' | '\x7f' if room >= 3 => url.push_str(&format!("%{:02X}", u32::from(c))),
            '\0'..=' ' | '\x7f' => return,
            // No line of output may be turned around by it.
            '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' => {}
            c if is_invisible(c) => {}
            c if room >= c.len_utf8() => url.push(c),
            _ => return,
        }
        rest = rest.get(len..).unwrap_or_default();
    }
}

/// The first octets of a text, to a whole character.
pub(super) fn head(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or(text)
}

/// The first octets.
pub(super) fn head_octets(octets: &[u8], max: usize) -> &[u8] {
    octets.get(..max).unwrap_or(octets)
}

/// The links within a text that is itself a link, one for each host; the second is true where there are more than are
/// kept.
pub(super) fn nested(rest: &str) -> (Vec<Target>, bool) {
    let mut found: Vec<Target> = Vec::new();
    let mut more = false;
    // Most links have none within them.
    if memchr::memchr3(b'%', b':', b'=', rest.as_bytes()).is_none() && PAGES.find(rest.as_bytes()).is_none() {
        return (found, more);
    }
    let mut text = Cow::Borrowed(rest);
    for depth in 0..=NESTED_DEPTH {
        for target in written_out(&text) {
            if found.iter().any(|known| known.host == target.host) {
                continue;
            }
            if found.len() >= NESTED_MAX {
                more = true;
                break;
            }
            found.push(target);
        }
        match host::percent_decoded(&text) {
            Some(_) if depth == NESTED_DEPTH => more = true,
            Some(decoded) => text = Cow::Owned(decoded),
            None => break,
        }
    }
    (found, more)
}

/// The links of a text that stand there with their scheme, or in a place where redirectors leave it out, each up to the
/// next or to the end of its parameter.
fn written_out(text: &str) -> impl Iterator<Item = Target> {
    let slash = |at: usize| text.as_bytes().get(at).is_some_and(|b| matches!(b, b'/' | b'\\'));
    let schemes = memchr::memchr_iter(b':', text.as_bytes())
        .filter(|&colon| slash(colon + 1))
        .filter_map(|colon| {
            let (start, scheme, tricks) = scheme_before(text.get(..colon)?)?;
            Some((start, colon + 1, scheme, tricks, true))
        });
    // `?u=//evil.example/`
    let values = memchr::memchr_iter(b'=', text.as_bytes())
        .filter(|&equals| slash(equals + 1) && slash(equals + 2))
        .map(|equals| (equals, equals + 1, "http", Vec::new(), false));
    // `/amp/s/evil.example/`
    let pages = PAGES.find_iter(text.as_bytes()).map(|at| {
        let begin = at + PAGES.needle().len();
        let secure = text.get(begin..).is_some_and(|rest| rest.starts_with("s/"));
        let (begin, scheme) = if secure {
            (begin + 1, "https")
        } else {
            (begin - 1, "http")
        };
        (at, begin, scheme, Vec::new(), false)
    });
    let mut starts: Vec<_> = schemes.chain(values).chain(pages).collect();
    starts.sort_by_key(|(start, ..)| *start);
    let ends: Vec<usize> = starts.iter().skip(1).map(|(start, ..)| *start).collect();
    starts.into_iter().zip(ends.into_iter().chain([text.len()])).filter_map(
        |((_, begin, scheme, tricks, named), end)| {
            let after = text.get(begin..end)?;
            let after = after.split(['&', ' ', '"', '\'', '<', '>', '|']).next()?;
            if named {
                return authority(scheme, after, tricks);
            }
            let after = format!("//{}", after.trim_start_matches(['/', '\\']));
            authority(scheme, &after, tricks).filter(Target::is_known)
        },
    )
}

/// The web scheme that a text ends in, which may touch a word before it: where it begins, what is meant, how it was
/// disguised.
pub(super) fn scheme_before(text: &str) -> Option<(usize, &'static str, Vec<Trick>)> {
    const KNOWN: [(&str, &str, bool); 13] = [
        ("https", "https", false),
        ("http", "http", false),
        ("ftps", "ftps", false),
        ("ftp", "ftp", false),
        ("hxxps", "https", true),
        ("hxxp", "http", true),
        ("hxtps", "https", true),
        ("hxtp", "http", true),
        ("h**ps", "https", true),
        ("h**p", "http", true),
        ("htxps", "https", true),
        ("htxp", "http", true),
        ("fxp", "ftp", true),
    ];
    let octets = text.as_bytes();
    if !octets
        .last()
        .is_some_and(|last| matches!(last, b'p' | b's' | b'P' | b'S'))
    {
        return None;
    }
    KNOWN.iter().find_map(|(written, scheme, defanged)| {
        let start = octets.len().checked_sub(written.len())?;
        let same = octets.get(start..)?.eq_ignore_ascii_case(written.as_bytes());
        let tricks = if *defanged { vec![Trick::Defanged] } else { Vec::new() };
        same.then_some((start, *scheme, tricks))
    })
}
