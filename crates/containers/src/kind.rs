//! What a file is, by its content.

/// The kind of a file by its octets, never by its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// Nothing in it.
    Empty,
    /// Octets that are of no form we know.
    Unknown,
    /// Text that is of no other kind.
    Text,
}

/// What a kind is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Class {
    /// Runs on a machine: PE, ELF, Mach-O, MSI, Java and Python byte code, Android packages.
    Executable,
    /// Text that an interpreter runs: batch, shell, PowerShell, VBScript, JScript, HTA, WSF.
    Script,
    /// Starts something else: .lnk, .url, .desktop, .scf, .library-ms, .settingcontent-ms, .jnlp.
    Shortcut,
    /// A disk image that a system mounts: ISO, UDF, VHD, VHDX, DMG, IMG.
    Image,
    /// An archive.
    Archive,
    /// A document: Office, OpenDocument, PDF, RTF, OneNote, HTML.
    Document,
    /// A mail: .eml, .msg, winmail.dat.
    Mail,
    /// A picture.
    Picture,
    /// Sound.
    Audio,
    /// Moving pictures.
    Video,
    /// Fonts, databases, certificates and the like.
    Data,
    /// Plain text.
    Text,
    /// None of these.
    Unknown,
}

impl Kind {
    /// Its name in findings and configuration, such as `pe`, `zip`, `docx`.
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Empty => "empty",
            Kind::Unknown => "unknown",
            Kind::Text => "text",
        }
    }

    /// What it is for.
    pub const fn class(self) -> Class {
        match self {
            Kind::Empty | Kind::Text => Class::Text,
            Kind::Unknown => Class::Unknown,
        }
    }
}
