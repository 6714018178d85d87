//! Compound files, by their class and their streams.

use super::Kind;
use crate::documents::compound::Compound;

/// Classes of Windows Installer: package, patch, transform (their first number; the rest is one for all of OLE).
const INSTALLER: [[u8; 4]; 3] = [[0x84, 0x10, 0x0c, 0], [0x86, 0x10, 0x0c, 0], [0x82, 0x10, 0x0c, 0]];
const OLE: [u8; 12] = [0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x46];

/// Names of streams in the root that tell what wrote the file; the first that is there counts.
const STREAMS: &[(&str, Kind)] = &[
    ("EncryptedPackage", Kind::Encrypted),
    ("__properties_version1.0", Kind::Msg),
    ("WordDocument", Kind::Doc),
    ("Workbook", Kind::Xls),
    ("Book", Kind::Xls),
    ("PowerPoint Document", Kind::Ppt),
    ("VisioDocument", Kind::Visio),
    ("Quill", Kind::Publisher),
    ("Props9", Kind::Project),
    ("Props12", Kind::Project),
    ("Props14", Kind::Project),
];

/// What a compound file is.
pub(super) fn of(octets: &[u8]) -> Kind {
    let Some(file) = Compound::open(octets) else {
        return Kind::Ole;
    };
    if let Some(root) = file.entries.first()
        && let Some((number, rest)) = root.class.split_first_chunk::<4>()
        && rest == OLE
        && INSTALLER.contains(number)
    {
        return Kind::Msi;
    }
    let kind = STREAMS
        .iter()
        .find(|(name, _)| file.find(0, name).is_some())
        .map(|(_, kind)| *kind);
    // The tables of an installer have names outside of any script, where no class says it.
    let table = |name: &str| name.starts_with('\u{4840}');
    kind.unwrap_or_else(|| {
        if file.entries.iter().any(|one| table(&one.name)) {
            Kind::Msi
        } else {
            Kind::Ole
        }
    })
}
