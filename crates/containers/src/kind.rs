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
    /// A zip archive.
    Zip,
    /// gzip.
    Gzip,
    /// bzip2.
    Bzip2,
    /// xz.
    Xz,
    /// LZMA alone, without xz around it.
    Lzma,
    /// Zstandard.
    Zstd,
    /// The `.Z` of compress.
    Compress,
    /// A tape archive.
    Tar,
    /// A 7-Zip archive.
    SevenZ,
    /// A RAR archive of any version.
    Rar,
    /// A cabinet of Microsoft.
    Cab,
    /// An ISO 9660 image.
    Iso,
    /// A UDF image.
    Udf,
    /// An ARJ archive.
    Arj,
    /// An ACE archive.
    Ace,
    /// An LHA archive.
    Lzh,
    /// An archive of ar, such as a Debian package.
    Ar,
    /// A cpio archive.
    Cpio,
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
            Kind::Zip => "zip",
            Kind::Gzip => "gzip",
            Kind::Bzip2 => "bzip2",
            Kind::Xz => "xz",
            Kind::Lzma => "lzma",
            Kind::Zstd => "zstd",
            Kind::Compress => "compress",
            Kind::Tar => "tar",
            Kind::SevenZ => "7z",
            Kind::Rar => "rar",
            Kind::Cab => "cab",
            Kind::Iso => "iso",
            Kind::Udf => "udf",
            Kind::Arj => "arj",
            Kind::Ace => "ace",
            Kind::Lzh => "lzh",
            Kind::Ar => "ar",
            Kind::Cpio => "cpio",
        }
    }

    /// What it is for.
    pub const fn class(self) -> Class {
        match self {
            Kind::Empty | Kind::Text => Class::Text,
            Kind::Unknown => Class::Unknown,
            Kind::Iso | Kind::Udf => Class::Image,
            Kind::Zip
            | Kind::Gzip
            | Kind::Bzip2
            | Kind::Xz
            | Kind::Lzma
            | Kind::Zstd
            | Kind::Compress
            | Kind::Tar
            | Kind::SevenZ
            | Kind::Rar
            | Kind::Cab
            | Kind::Arj
            | Kind::Ace
            | Kind::Lzh
            | Kind::Ar
            | Kind::Cpio => Class::Archive,
        }
    }
}
