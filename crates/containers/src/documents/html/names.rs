//! What a page calls the file that it hands over: the attribute `download` of a link (HTML, 4.6.5), the same set by a script,
//! and short texts of a script that saves, since it may keep the name in a variable.
//!
//! **Absent on purpose:** running the script. A name that is put together by more than `+` is not seen.

use memchr::memmem;

use super::super::field::rest;
use super::super::ooxml::characters;
use super::literal::joined;

/// Names of one page.
const NAMES_MAX: usize = 8;
/// Octets of a name.
const NAME_MAX: usize = 255;
/// Words of a script that saves a file under a name.
const SAVES: &[&[u8]] = &[b"download", b"saveas(", b"saveblob(", b"openblob(", b"new file("];

/// The names, each once; those that are set first. `page` is all, `code` its scripts.
pub(super) fn names(page: &[u8], code: &[u8]) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut keep = |name: &[u8]| {
        let name = characters(&String::from_utf8_lossy(name));
        let name = name.trim();
        if found.len() < NAMES_MAX && !name.is_empty() && !found.iter().any(|one| one == name) {
            found.push(name.to_owned());
        }
    };
    let page = joined(page, b"+");
    let lower = page.to_ascii_lowercase();
    for at in memmem::find_iter(&lower, b"download") {
        if let Some(name) = value(rest(&page, at + b"download".len())) {
            keep(name);
        }
    }
    let code = joined(code, b"+");
    let lower = code.to_ascii_lowercase();
    if SAVES.iter().any(|word| memmem::find(&lower, word).is_some()) {
        texts(&code).filter(|text| is_file_name(text)).for_each(keep);
    }
    found
}

/// What is set, the octets behind the word `download`: `= "a"`, `"] = 'a'`, `", "a"`, `=a`.
fn value(after: &[u8]) -> Option<&[u8]> {
    let after = after.get(..after.len().min(2 * NAME_MAX)).unwrap_or_default();
    let inner = after.trim_ascii_start();
    let inner = inner.strip_prefix(b"\"").or(inner.strip_prefix(b"'")).unwrap_or(inner);
    let inner = inner.strip_prefix(b"]").unwrap_or(inner).trim_ascii_start();
    let (sign, inner) = inner
        .split_first()
        .filter(|(sign, _)| matches!(**sign, b'=' | b',' | b':'))?;
    let inner = inner.trim_ascii_start();
    match inner.split_first()? {
        (quote @ (b'"' | b'\'' | b'`'), inner) => inner.get(..memchr::memchr(*quote, inner)?),
        // Without quotes it is an attribute.
        _ if *sign == b'=' => {
            let end = inner
                .iter()
                .position(|octet| octet.is_ascii_whitespace() || *octet == b'>')?;
            inner.get(..end).filter(|name| is_file_name(name))
        }
        _ => None,
    }
    .filter(|name| name.len() <= NAME_MAX)
}

/// Texts between quotes of one sort that may be a name.
fn texts(code: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memchr3_iter(b'"', b'\'', b'`', code).filter_map(|at| {
        let quote = code.get(at)?;
        let inner = rest(code, at + 1);
        let inner = inner.get(..inner.len().min(NAME_MAX + 1))?;
        inner.get(..memchr::memchr(*quote, inner)?)
    })
}

/// Whether a text is the name of a file of some known sort, and not an address or a piece of code.
fn is_file_name(text: &[u8]) -> bool {
    let no_code = |octet: &u8| *octet >= b' ' && !b"/\\<>;={}?*|".contains(octet);
    text.len() > 2
        && text.iter().all(no_code)
        && std::str::from_utf8(text).is_ok_and(|name| crate::claimed(name).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(page: &str) -> Vec<String> {
        names(page.as_bytes(), page.as_bytes())
    }

    #[test]
    fn a_name_is_found_however_it_is_set() {
        for page in [
            "<a href=x download=\"a.js\">",
            "<a href=x DOWNLOAD = 'a.js'>",
            "<a download=a.js href=x>",
            "<a download='a&#46;js'>",
            "l.download=\"a.js\"",
            "l.download = `a.js`",
            "l[\"download\"] = 'a.js'",
            "l.setAttribute('download', 'a.js')",
            "saveAs(new Blob([x]), 'a.js')",
            "navigator.msSaveOrOpenBlob(b,\"a.js\")",
            "new File([x], 'a.js')",
            "var n = 'a' + '.js'; l.download = n;",
        ] {
            assert_eq!(of(page), ["a.js"], "{page}");
        }
    }

    #[test]
    fn what_saves_nothing_names_nothing() {
        for page in [
            "<script src='a.js'>",
            "x = 'a.js'",
            "<a download>",
            "l.download",
            "l.download = n + 'x'",
        ] {
            assert_eq!(of(page), [""; 0], "{page}");
        }
    }

    #[test]
    fn names_are_bounded() {
        let page: String = (0..1_000).map(|number| format!("<a download='{number}.js'>")).collect();
        assert_eq!(of(&page).len(), NAMES_MAX);
        assert_eq!(of(&format!("<a download='{}.js'>", "a".repeat(10_000))), [""; 0]);
    }
}
