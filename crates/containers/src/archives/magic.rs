//! Archives and disk images by the octets that they begin with.

use super::octets::{le32, le64, piece};
use super::{behind, tar};
use crate::{Kind, names};

/// The kind of a file, as far as it is an archive or an image.
pub(super) fn of(octets: &[u8], name: &str) -> Kind {
    const BEGINNINGS: [(&[u8], Kind); 18] = [
        (b"\x1f\x8b", Kind::Gzip),
        (b"\x1f\x9d", Kind::Compress),
        (b"\xfd7zXZ\0", Kind::Xz),
        (b"\x28\xb5\x2f\xfd", Kind::Zstd),
        (behind::SEVENZ, Kind::SevenZ),
        (behind::RAR, Kind::Rar),
        (b"RE~^", Kind::Rar),
        (behind::CAB, Kind::Cab),
        (b"!<arch>\n", Kind::Ar),
        (b"070701", Kind::Cpio),
        (b"070702", Kind::Cpio),
        (b"070707", Kind::Cpio),
        (b"\xc7\x71", Kind::Cpio),
        (b"\x71\xc7", Kind::Cpio),
        (b"\x60\xea", Kind::Arj),
        (b"BZh91AY&SY", Kind::Bzip2),
        (b"PK\x05\x06", Kind::Zip),
        (b"PK\x03\x04", Kind::Zip),
    ];
    for (beginning, kind) in BEGINNINGS {
        if octets.starts_with(beginning) {
            return kind;
        }
    }
    if is_zip(octets) {
        return Kind::Zip;
    }
    if octets.starts_with(b"BZh") && matches!(piece(octets, 4, 6), Some(b"1AY&SY" | b"\x17\x72\x45\x38\x50\x90")) {
        return Kind::Bzip2;
    }
    if piece(octets, 1, 3) == Some(b"\x2a\x4d\x18") && matches!(octets.first(), Some(0x50..=0x5f)) {
        return Kind::Zstd;
    }
    if piece(octets, 7, 7) == Some(b"**ACE**") {
        return Kind::Ace;
    }
    if let Some([b'-', b'l', b'h' | b'z', _, b'-']) = piece(octets, 2, 5) {
        return Kind::Lzh;
    }
    if tar::is_header(octets) {
        return Kind::Tar;
    }
    if is_lzma(octets, name) {
        return Kind::Lzma;
    }
    if is_iso(octets) {
        return Kind::Iso;
    }
    if is_disc(octets) {
        return Kind::Udf;
    }
    Kind::Unknown
}

/// Whether it begins as a zip archive, one cut into pieces included.
pub(super) fn is_zip(octets: &[u8]) -> bool {
    [
        &b"PK\x03\x04"[..],
        b"PK\x05\x06",
        b"PK\x07\x08PK\x03\x04",
        b"PK00PK\x03\x04",
    ]
    .iter()
    .any(|head| octets.starts_with(head))
}

/// Whether files lie in it as they are, so that finding one says nothing: OLE, TNEF, a section of OneNote.
pub(super) fn holds_files_raw(octets: &[u8]) -> bool {
    [
        &b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"[..],
        b"\x78\x9f\x3e\x22",
        b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d",
    ]
    .iter()
    .any(|head| octets.starts_with(head))
}

/// The head of LZMA alone has no magic: its properties as every packer sets them, a size of the window that packers use,
/// a size of the content that can be, and the first octet of the range coder.
fn is_lzma(octets: &[u8], name: &str) -> bool {
    let usual = octets.first() == Some(&0x5d);
    let named = matches!(names::extension(name).as_deref(), Some("lzma" | "tlz"));
    let (Some(window), Some(size)) = (le32(octets, 1), le64(octets, 5)) else {
        return false;
    };
    (usual || named && octets.first().is_some_and(|properties| *properties < 225))
        && window >= 4_096
        && (window.is_power_of_two() || (window / 3).is_power_of_two() && window % 3 == 0 || window == u32::MAX)
        && (size == u64::MAX || size < 1 << 38)
        && octets.get(13) == Some(&0)
}

/// Where the descriptors of a disc begin, and how large each is (ECMA-119, ECMA-167).
const DESCRIPTORS: usize = 16 * 2_048;

/// Whether it is an ISO 9660 image.
pub(super) fn is_iso(octets: &[u8]) -> bool {
    piece(octets, DESCRIPTORS + 1, 5) == Some(b"CD001")
}

/// Whether it is an image of a disc, ISO 9660 or UDF.
pub(super) fn is_disc(octets: &[u8]) -> bool {
    is_iso(octets) || is_udf(octets)
}

/// Whether UDF is on the disc, alone or beside ISO 9660: its mark stands among the first descriptors.
pub(super) fn is_udf(octets: &[u8]) -> bool {
    (0..32).any(|number| {
        matches!(
            piece(octets, DESCRIPTORS + 1 + number * 2_048, 5),
            Some(b"NSR02" | b"NSR03")
        )
    })
}
