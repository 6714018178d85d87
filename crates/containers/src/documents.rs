//! Documents and mails: what is embedded in them, and what in them acts by itself.
//!
//! **Invariant:** each reader is total, takes memory in proportion to the octets that it was handed, and gives what it
//! cannot read as a mark. What a reader unpacks by itself is bounded in proportion to them.
//!
//! **Absent on purpose:** showing a document, judging a macro, following a link.

mod activemime;
mod biff;
pub(crate) mod compound;
mod field;
#[cfg(test)]
mod heard;
mod html;
mod lnk;
mod mapi;
mod msg;
mod ole;
mod ole1;
mod onenote;
mod ooxml;
pub mod outlook;
mod pdf;
mod ppt;
mod rtf;
mod rtfcp;
mod tnef;
mod vba;

use std::io::Read;

use crate::{File, Flow, Kind, Role, Visit};

/// Octets that a reader may unpack of its own from so many octets: what is beyond is a mark.
pub(crate) const fn budget(octets: usize) -> usize {
    octets.saturating_mul(16).saturating_add(1 << 20)
}

/// Looks into a document of this kind; `false` if there is nothing to look into, or another reader does it. Members of
/// ZIPs are read by the archive's reader, which shows each to [`member`].
pub fn read(kind: Kind, octets: &[u8], visit: &mut dyn Visit) -> bool {
    match kind {
        Kind::Msg => msg::read(octets, visit),
        kind if kind.is_compound() => ole::read(octets, visit),
        Kind::Tnef => tnef::read(octets, visit),
        Kind::Pdf => pdf::read(octets, visit),
        Kind::Rtf => rtf::read(octets, visit),
        Kind::OneNote => onenote::read(octets, visit),
        Kind::Html | Kind::Xhtml | Kind::Hta => html::read(octets, visit),
        Kind::Svg => html::picture(octets, visit),
        Kind::OfficeXml => ooxml::flat(octets, visit),
        Kind::ActiveMime => activemime::read(octets, visit),
        Kind::Lnk => lnk::read(octets, visit),
        kind if lnk::is_text(kind) => lnk::text(octets, visit),
        _ => return false,
    }
    true
}

/// Whether [`read`] looks into this kind.
pub const fn is_read(kind: Kind) -> bool {
    use Kind::*;
    matches!(
        kind,
        Tnef | Pdf | Rtf | OneNote | Html | Xhtml | Hta | Svg | OfficeXml | ActiveMime | Lnk
    ) || kind.is_compound()
        || lnk::is_text(kind)
}

/// Whether the members of a ZIP of this kind are to be shown to [`member`].
pub const fn has_members(kind: Kind) -> bool {
    kind.is_opc() || kind.is_opendocument()
}

/// What a member of a package says about the package. `octets` may be cut.
pub fn member(name: &str, octets: &[u8], visit: &mut dyn Visit) {
    ooxml::member(name, octets, visit);
}

/// Gives a file that is in memory.
fn give(visit: &mut dyn Visit, name: &str, declared: Option<String>, octets: &[u8]) -> Flow {
    let file = File {
        name: field::name(name),
        role: Role::File,
        declared,
    };
    let mut content: &[u8] = octets;
    visit.file(&file, &mut content as &mut dyn Read)
}
