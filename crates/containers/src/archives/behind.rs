//! What lies behind the end of an archive, and archives behind something else.

use memchr::memmem;

use super::octets::{le16, le32, piece};
use super::{cab, rar, sevenz, zip};
use crate::{File, Flow, Mark, Role, Visit};

pub(super) const SEVENZ: &[u8] = b"7z\xbc\xaf\x27\x1c";
pub(super) const RAR: &[u8] = b"Rar!\x1a\x07";
pub(super) const CAB: &[u8] = b"MSCF\0\0\0\0";

/// Places where a beginning is found and looked at, for each kind of archive.
const PLACES_MAX: usize = 64;

/// Looks at what is left behind the end of an archive: padding is nothing; an archive, wherever it stands there, and a
/// program or a packed file right behind the padding is given as a member.
pub(super) fn rest(octets: &[u8], end: usize, visit: &mut dyn Visit) {
    let Some(rest) = octets.get(end..) else { return };
    let Some(first) = rest.iter().position(|octet| *octet != 0) else {
        return;
    };
    let rest = rest.get(first..).unwrap_or_default();
    let program = rest.starts_with(b"MZ") || rest.starts_with(b"\x7fELF");
    let packed = [&b"\x1f\x8b\x08"[..], b"BZh91AY&SY", b"\xfd7zXZ\0"]
        .iter()
        .any(|head| rest.starts_with(head));
    let zip = super::magic::is_zip(rest) || zip::is_appended(rest, false);
    let at = if program || packed || zip {
        Some(0)
    } else {
        places(rest).min()
    };
    if let Some(found) = at.and_then(|at| rest.get(at..)) {
        visit.mark(Mark::Polyglot, "a file behind its end");
        // The whole file again would be taken for what it was taken for.
        if found.len() == octets.len() {
            if zip {
                zip::read(octets, visit);
            }
            return;
        }
        given(found, "behind", visit);
    }
}

/// Gives octets as a member.
pub(super) fn given(octets: &[u8], name: &str, visit: &mut dyn Visit) -> Flow {
    visit.file(
        &File {
            name: name.into(),
            role: Role::File,
            declared: None,
        },
        &mut &*octets,
    )
}

/// Whether an archive stands in a file of another kind. `named` says that the file claims to be an archive: then lone
/// members of a zip count as one.
pub(super) fn holds(octets: &[u8], named: bool) -> bool {
    places(octets).next().is_some() || (named && zip::has_member(octets))
}

/// Reads the archives that stand in a file of another kind.
pub(super) fn within(octets: &[u8], visit: &mut dyn Visit) {
    let mut places: Vec<usize> = places(octets).collect();
    places.sort_unstable();
    if places.is_empty() {
        return zip::read(octets, visit);
    }
    for at in places {
        let Some(found) = octets.get(at..) else { continue };
        if given(found, "within", visit) == Flow::Stop || visit.is_over() {
            return;
        }
    }
}

/// Where archives begin whose heads bear a closer look, the begin of the file left out. Not sorted.
fn places(octets: &[u8]) -> impl Iterator<Item = usize> {
    let found = |head: &'static [u8], is: fn(&[u8]) -> bool| {
        memmem::find_iter(octets, head)
            .filter(|at| *at > 0)
            .take(PLACES_MAX)
            .find(move |at| octets.get(*at..).is_some_and(is))
    };
    [
        found(SEVENZ, sevenz::is_head),
        found(RAR, rar::is_head),
        found(CAB, cab::is_head),
        found(b"**ACE**", is_ace).map(|at| at.saturating_sub(7)),
    ]
    .into_iter()
    .flatten()
}

/// ACE's mark stands behind checksum, size, type and flags of its first header; here it is seen from the mark on.
fn is_ace(octets: &[u8]) -> bool {
    // The version that is needed, the one that packed, and the system.
    piece(octets, 7, 2).is_some_and(|versions| versions.iter().all(|version| (1..=30).contains(version)))
        && le16(octets, 7).is_some()
        && le32(octets, 10).is_some()
}
