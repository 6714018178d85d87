//! What a ZIP is for: by the names in its directory, its first member and, of packages, their content types.

use std::io::Read;

use flate2::read::DeflateDecoder;
use memchr::memmem;

use super::{Kind, TAIL};

/// Members whose names are looked at.
const NAMES_MAX: usize = 2_000;
/// Octets of a list of content types that are looked at.
const TYPES_MAX: u64 = 256 * 1_024;

/// The main content type of a package, by the letters that only it has, and what it then is. The first that is found
/// counts: those with macros stand first.
const TYPES: &[(&str, Kind)] = &[
    ("ms-word.document.macroEnabled.main", Kind::Docm),
    ("ms-word.template.macroEnabledTemplate.main", Kind::Dotm),
    ("ms-excel.sheet.macroEnabled.main", Kind::Xlsm),
    ("ms-excel.template.macroEnabled.main", Kind::Xltm),
    ("ms-excel.addin.macroEnabled.main", Kind::Xlam),
    ("ms-excel.sheet.binary.macroEnabled.main", Kind::Xlsb),
    ("ms-powerpoint.presentation.macroEnabled.main", Kind::Pptm),
    ("ms-powerpoint.template.macroEnabled.main", Kind::Potm),
    ("ms-powerpoint.slideshow.macroEnabled.main", Kind::Ppsm),
    ("ms-powerpoint.addin.macroEnabled.main", Kind::Ppam),
    ("ms-visio.drawing.macroEnabled.main", Kind::Vsdm),
    ("wordprocessingml.document.main", Kind::Docx),
    ("wordprocessingml.template.main", Kind::Dotx),
    ("spreadsheetml.sheet.main", Kind::Xlsx),
    ("spreadsheetml.template.main", Kind::Xltx),
    ("presentationml.presentation.main", Kind::Pptx),
    ("presentationml.template.main", Kind::Potx),
    ("presentationml.slideshow.main", Kind::Ppsx),
    ("ms-visio.drawing.main", Kind::Vsdx),
    ("ms-package.xps-fixeddocumentsequence", Kind::Xps),
];

/// What the member `mimetype` says.
const MIMETYPES: &[(&[u8], Kind)] = &[
    (b"application/epub+zip", Kind::Epub),
    (b"application/vnd.oasis.opendocument.text", Kind::Odt),
    (b"application/vnd.oasis.opendocument.spreadsheet", Kind::Ods),
    (b"application/vnd.oasis.opendocument.presentation", Kind::Odp),
    (b"application/vnd.oasis.opendocument.graphics", Kind::Odg),
    (b"application/vnd.oasis.opendocument.", Kind::Odf),
];

/// A member: its name, how it is packed, its octets.
struct Member<'a> {
    name: &'a [u8],
    method: u16,
    packed: &'a [u8],
}

fn number(octets: &[u8], at: usize, size: usize) -> Option<usize> {
    let field = octets.get(at..at.checked_add(size)?)?;
    Some(
        field
            .iter()
            .rev()
            .fold(0usize, |sum, octet| sum << 8 | usize::from(*octet)),
    )
}

/// The member whose own header lies at `at`; `size` is what the directory says where the header does not.
fn member(octets: &[u8], at: usize, size: Option<usize>) -> Option<(Member<'_>, usize)> {
    let header = octets.get(at..)?;
    if !header.starts_with(b"PK\x03\x04") {
        return None;
    }
    let name = number(header, 26, 2)?;
    let from = 30usize.checked_add(name)?.checked_add(number(header, 28, 2)?)?;
    let size = size.or(number(header, 18, 4))?;
    let rest = header.get(from..)?;
    let packed = rest.get(..size.min(rest.len()))?;
    let one = Member {
        name: header.get(30..30 + name)?,
        method: number(header, 8, 2)? as u16,
        packed,
    };
    Some((one, at.checked_add(from)?.checked_add(size)?))
}

/// The members, by the directory, or by their own headers if there is none.
fn members(octets: &[u8]) -> Vec<Member<'_>> {
    let from = octets.len().saturating_sub(TAIL);
    let mut found = Vec::new();
    let tail = octets.get(from..).unwrap_or_default();
    if let Some(end) = memmem::rfind(tail, b"PK\x05\x06").and_then(|at| tail.get(at..)) {
        let start = from + (tail.len() - end.len());
        // By its size backwards: the offset is wrong where something stands before the archive.
        let at = number(end, 12, 4).and_then(|size| start.checked_sub(size));
        let shift = at
            .zip(number(end, 16, 4))
            .map_or(0, |(at, said)| at.saturating_sub(said));
        let mut next = at;
        while let Some(at) = next
            && found.len() < NAMES_MAX
            && let Some(header) = octets.get(at..)
            && header.starts_with(b"PK\x01\x02")
        {
            let length = |at| number(header, at, 2).unwrap_or(0);
            let place = number(header, 42, 4).and_then(|at| at.checked_add(shift));
            if let Some((one, _)) = place.and_then(|at| member(octets, at, number(header, 20, 4))) {
                found.push(one);
            }
            next = at.checked_add(46 + length(28) + length(30) + length(32));
        }
    }
    let mut next = if found.is_empty() {
        memmem::find(octets, b"PK\x03\x04")
    } else {
        None
    };
    while let Some(at) = next
        && found.len() < NAMES_MAX
        && let Some((one, end)) = member(octets, at, None)
    {
        found.push(one);
        // A member that was written in one go has no size in its header.
        next = match octets.get(end..) {
            Some(rest) if rest.starts_with(b"PK") => Some(end),
            Some(rest) => memmem::find(rest, b"PK\x03\x04").map(|on| end.saturating_add(on)),
            None => None,
        };
    }
    found
}

/// What a ZIP is.
pub(super) fn of(octets: &[u8]) -> Kind {
    let members = members(octets);
    let named = |name: &[u8]| members.iter().find(|one| one.name.eq_ignore_ascii_case(name));
    if let Some(types) = named(b"[Content_Types].xml") {
        if named(b"AppxManifest.xml").is_some() || named(b"AppxMetadata/AppxBundleManifest.xml").is_some() {
            return Kind::Msix;
        }
        let text = unpack(types);
        let main = TYPES
            .iter()
            .find(|(name, _)| memmem::find(&text, name.as_bytes()).is_some());
        return main.map_or(Kind::Ooxml, |(_, kind)| *kind);
    }
    if let Some(first) = named(b"mimetype") {
        let text = unpack(first);
        if let Some((_, kind)) = MIMETYPES.iter().find(|(name, _)| text.starts_with(name)) {
            return *kind;
        }
    }
    if named(b"AndroidManifest.xml").is_some() {
        return Kind::Apk;
    }
    let any = |test: &dyn Fn(&[u8]) -> bool| members.iter().any(|one| test(one.name));
    if any(&|name| name.starts_with(b"Payload/") && memmem::find(name, b".app/").is_some()) {
        return Kind::Ipa;
    }
    let class = any(&|name| name.ends_with(b".class"));
    if named(b"META-INF/MANIFEST.MF").is_some() && class
        || any(&|name| name == b"META-INF/MANIFEST.MF") && {
            // A jar of resources alone is one by its order: the manifest stands first.
            members.iter().take(2).any(|one| one.name == b"META-INF/MANIFEST.MF")
        }
    {
        return Kind::Jar;
    }
    Kind::Zip
}

fn unpack(member: &Member<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    // What a broken stream gave before it broke is enough to tell.
    let _ = match member.method {
        0 => member.packed.take(TYPES_MAX).read_to_end(&mut text),
        8 => DeflateDecoder::new(member.packed)
            .take(TYPES_MAX)
            .read_to_end(&mut text),
        _ => Ok(0),
    };
    text
}
