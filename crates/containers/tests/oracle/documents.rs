//! What holds for the readers of documents whatever they are given. The root that includes it has the crate's names.

#[allow(dead_code, reason = "each root that includes it uses a part of it")]
#[path = "../../src/documents/heard.rs"]
pub mod heard;

use heard::Heard;

use crate::{Kind, documents};

/// A kind for each reader.
pub const READ: &[Kind] = &[
    Kind::Doc,
    Kind::Msg,
    Kind::Tnef,
    Kind::Pdf,
    Kind::Rtf,
    Kind::OneNote,
    Kind::Html,
    Kind::Svg,
    Kind::OfficeXml,
    Kind::ActiveMime,
    Kind::Lnk,
    Kind::Slk,
    Kind::Webloc,
];

/// Longest name or note, in octets.
const NAME_MAX: usize = 200;

/// What a reader gives out of these octets, which is the same each time, and no more than is bounded by their number.
pub fn read(kind: Kind, octets: &[u8]) -> Heard {
    let (mut one, mut two) = (Heard::default(), Heard::default());
    assert!(documents::read(kind, octets, &mut one) && documents::read(kind, octets, &mut two));
    assert_eq!(one, two, "{}", kind.name());
    let total: usize = one.files.iter().map(|(_, octets)| octets.len()).sum();
    assert!(
        total <= octets.len() * 32 + (1 << 21),
        "{} gave {total} of {}",
        kind.name(),
        octets.len()
    );
    assert!(
        one.files
            .iter()
            .all(|(name, _)| name.len() <= NAME_MAX && !name.contains(char::is_control))
    );
    assert!(
        one.notes.iter().all(|(_, note)| note.len() <= NAME_MAX),
        "{:?}",
        one.notes
    );
    one
}

/// Octets have a kind, the same each time, and each reader stands them.
#[allow(dead_code)]
pub fn holds(octets: &[u8]) {
    let kind = Kind::of(octets, "a.doc");
    assert_eq!(kind, Kind::of(octets, "a.doc"));
    let _ = kind.also(octets);
    for kind in READ {
        read(*kind, octets);
    }
    for name in [
        "word/document.xml",
        "a.rels",
        "content.xml",
        "xl/workbook.xml",
        "meta-inf/manifest.xml",
    ] {
        documents::member(name, octets, &mut Heard::default());
    }
}
