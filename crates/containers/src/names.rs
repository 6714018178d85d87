//! Names of members, as strangers write them.

/// Octets of a name that are kept.
pub(crate) const NAME_MAX: usize = 512;
/// Octets of the begin of a longer name; the rest is its end, since there stands the extension.
const BEGIN: usize = 200;

/// Text of the octets of a name; what is no UTF-8 is replaced. Of a long one the middle is left out.
pub(crate) fn text(octets: &[u8]) -> String {
    if octets.len() <= NAME_MAX {
        return bounded(&String::from_utf8_lossy(octets));
    }
    let (begin, _) = octets.split_at(BEGIN);
    let (_, end) = octets.split_at(octets.len() - (NAME_MAX - BEGIN));
    bounded(&format!(
        "{}{}",
        String::from_utf8_lossy(begin),
        String::from_utf8_lossy(end)
    ))
}

/// Text of a name in UTF-16, `big` endian or little; it ends at the first NUL.
pub(crate) fn utf16(octets: &[u8], big: bool) -> String {
    let units = octets.chunks_exact(2).map(|pair| match pair {
        [a, b] if big => u16::from_be_bytes([*a, *b]),
        [a, b] => u16::from_le_bytes([*a, *b]),
        _ => 0,
    });
    let units = units.take_while(|unit| *unit != 0);
    let name: String = char::decode_utf16(units)
        .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    bounded(&name)
}

/// A name of at most [`NAME_MAX`] octets: of a longer one, begin and end.
pub(crate) fn bounded(name: &str) -> String {
    if name.len() <= NAME_MAX {
        return name.to_owned();
    }
    let mut begin = BEGIN;
    while !name.is_char_boundary(begin) {
        begin -= 1;
    }
    let mut end = name.len() - (NAME_MAX - BEGIN);
    while !name.is_char_boundary(end) {
        end += 1;
    }
    format!(
        "{}{}",
        name.get(..begin).unwrap_or_default(),
        name.get(end..).unwrap_or_default()
    )
}

/// Whether a name leads out of the folder it is unpacked to: absolute, with a drive, or upwards.
pub(crate) fn leads_out(name: &str) -> bool {
    let mut octets = name.bytes();
    let (first, second) = (octets.next(), octets.next());
    matches!(first, Some(b'/' | b'\\'))
        || (first.is_some_and(|c| c.is_ascii_alphabetic()) && second == Some(b':'))
        || name.split(['/', '\\']).any(|piece| piece == "..")
}

/// The last extension of a name in lower case, without its dot.
pub(crate) fn extension(name: &str) -> Option<String> {
    let last = name.rsplit(['/', '\\']).next()?;
    let (_, end) = last.trim_end_matches(['.', ' ']).rsplit_once('.')?;
    (!end.is_empty() && end.len() <= 16).then(|| end.to_ascii_lowercase())
}

/// What a file is called that was packed alone: the name of its packing without the ending that packers add. Dots and spaces
/// behind that ending are none of the name, as Windows sees it.
pub(crate) fn unpacked(outer: &str) -> String {
    const ENDINGS: [(&str, &str); 20] = [
        (".gz", ""),
        (".bz2", ""),
        (".xz", ""),
        (".lzma", ""),
        (".zst", ""),
        (".z", ""),
        (".bz", ""),
        (".tgz", ".tar"),
        (".tbz2", ".tar"),
        (".tbz", ".tar"),
        (".tb2", ".tar"),
        (".txz", ".tar"),
        (".tlz", ".tar"),
        (".tzst", ".tar"),
        (".taz", ".tar"),
        (".svgz", ".svg"),
        (".emz", ".emf"),
        (".wmz", ".wmf"),
        (".gzip", ""),
        (".tz", ".tar"),
    ];
    let lower = outer
        .trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c.is_control())
        .to_ascii_lowercase();
    for (ending, instead) in ENDINGS {
        if let Some(stem) = lower.strip_suffix(ending)
            && !stem.is_empty()
        {
            return format!("{}{instead}", outer.get(..stem.len()).unwrap_or_default());
        }
    }
    outer.to_owned()
}

/// A name up to its first NUL, where many programs end it, and all of it, where others show what stands behind; none where
/// there is no NUL. What is only padded has no second reading.
pub(crate) fn around_nul(name: &str) -> Option<(String, Option<String>)> {
    let (until, _) = name.split_once('\0')?;
    let all = name.trim_end_matches('\0');
    let beyond = (all.len() > until.len()).then(|| bounded(&all.replace('\0', "\u{fffd}")));
    Some((until.to_owned(), beyond))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_keeps_its_extension() {
        let name = format!("{}.exe", "ä".repeat(1_000));
        assert!(text(name.as_bytes()).ends_with(".exe"));
        assert!(text(name.as_bytes()).len() <= NAME_MAX + 8);
        assert!(bounded(&name).ends_with(".exe"));
        assert!(bounded(&name).len() <= NAME_MAX);
    }

    #[test]
    fn names_that_lead_out_are_known() {
        for name in ["../a", "a/../b", "..\\a", "/etc/a", "\\\\host\\a", "C:\\a", "c:a"] {
            assert!(leads_out(name), "{name}");
        }
        for name in ["a", "a/b..c", "...", "a..b/c", "x:"] {
            assert_eq!(leads_out(name), name == "x:", "{name}");
        }
    }

    #[test]
    fn what_was_packed_alone_is_named_after_its_packing() {
        assert_eq!(unpacked("a.js.GZ"), "a.js");
        assert_eq!(unpacked("a.tgz"), "a.tar");
        assert_eq!(unpacked("a"), "a");
        assert_eq!(unpacked("a.js.gz. "), "a.js");
        assert_eq!(unpacked(".gz"), ".gz");
    }
}
