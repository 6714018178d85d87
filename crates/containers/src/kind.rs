//! What a file is, by its content.
//!
//! **Invariant:** [`Kind::of`] looks at the octets; the name only tells one sort of text from another, since a batch file
//! has no magic number, and what is run or shown whatever it begins with. It is total, and reads each octet a few times at
//! most: mostly the front, the directory of a container, and the last [`TAIL`] octets.

mod claim;
mod content;
mod office;
mod packed;
mod table;
mod text;

pub use claim::{Claim, claimed, declared};

/// Octets at the end of a file in which a trailer is looked for: the longest comment of a ZIP and its record.
pub const TAIL: usize = 65_535 + 22;

macro_rules! kinds {
    ($($kind:ident $name:literal $class:ident $about:literal)*) => {
        /// The kind of a file by its octets, never by its name alone.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[non_exhaustive]
        pub enum Kind { $(#[doc = $about] $kind,)* }

        impl Kind {
            /// All of them.
            pub const ALL: &'static [Kind] = &[$(Kind::$kind,)*];

            /// Its name in findings and configuration, such as `pe`, `zip`, `docx`.
            pub const fn name(self) -> &'static str {
                match self { $(Kind::$kind => $name,)* }
            }

            /// What it is for.
            pub const fn class(self) -> Class {
                match self { $(Kind::$kind => Class::$class,)* }
            }
        }
    };
}

kinds! {
    Empty "empty" Text "Nothing in it."
    Unknown "unknown" Unknown "Octets that are of no form we know."
    Text "text" Text "Text that is of no other kind."

    Pe "pe" Executable "Windows: .exe, .dll, .scr, .cpl, .xll, .sys."
    Ne "ne" Executable "Windows 3 and OS/2: NE, LE, LX."
    Dos "dos" Executable "MZ without a newer header."
    Com "com" Executable "A DOS program without a header; told by its name alone."
    Elf "elf" Executable "Linux and other Unix."
    MachO "mach-o" Executable "macOS, of one processor or of several."
    AppImage "appimage" Executable "An ELF with a file system behind it."
    Msi "msi" Executable "Windows Installer: .msi, .msp, .mst."
    Msix "msix" Executable "Windows packages: .appx, .msix and bundles."
    JavaClass "class" Executable "Byte code of Java."
    Jar "jar" Executable "An archive of Java classes."
    Apk "apk" Executable "Android."
    Ipa "ipa" Executable "iOS."
    Dex "dex" Executable "Byte code of Android."
    Wasm "wasm" Executable "WebAssembly."
    Pyc "pyc" Executable "Byte code of Python."
    Deb "deb" Executable "A package of Debian."
    Rpm "rpm" Executable "A package of Red Hat."
    Xar "xar" Executable "An installer of macOS: .pkg."
    Crx "crx" Executable "An extension of a browser."
    Flash "swf" Executable "Shockwave Flash."
    Chm "chm" Executable "Compiled HTML help."
    Hlp "hlp" Executable "Windows help."

    Shell "shell" Script "Begins with `#!`, or is named as a script of a Unix shell or of Perl, Python, PHP."
    Batch "batch" Script "Commands of Windows: .bat, .cmd."
    PowerShell "powershell" Script "PowerShell: .ps1, .psm1, .psd1."
    VbScript "vbs" Script "VBScript."
    VbEncoded "vbe" Script "VBScript, encoded."
    JScript "js" Script "JScript or JavaScript."
    JsEncoded "jse" Script "JScript, encoded."
    Wsf "wsf" Script "A script of the Windows script host, in XML."
    Hta "hta" Script "HTML that runs as a program."
    Sct "sct" Script "A scriptlet."
    AppleScript "applescript" Script "AppleScript, source or compiled."
    Reg "reg" Script "Changes of the Windows registry."
    Inf "inf" Script "Setup information of Windows."

    Lnk "lnk" Shortcut "A link of the Windows shell."
    Url "url" Shortcut "A link to a site, of Windows: .url, .website."
    Desktop "desktop" Shortcut "A starter of a Unix desktop."
    Scf "scf" Shortcut "A command of the Windows shell."
    LibraryMs "library-ms" Shortcut "A library folder, which may lie on another's server."
    SearchMs "search-ms" Shortcut "A saved search, which may lead to another's server."
    SettingContent "settingcontent-ms" Shortcut "A link to a page of settings, with a command."
    Jnlp "jnlp" Shortcut "Java Web Start."
    Iqy "iqy" Shortcut "A query of Excel to a site."
    Slk "slk" Shortcut "A symbolic link sheet, which Excel opens without protected view."
    ClickOnce "clickonce" Shortcut "A ClickOnce manifest: .application, .appref-ms."
    Msc "msc" Shortcut "A console of Windows management."
    Rdp "rdp" Shortcut "A remote desktop connection."
    Webloc "webloc" Shortcut "A link to a site, of macOS."

    Iso "iso" Image "ISO 9660."
    Udf "udf" Image "UDF."
    Vhd "vhd" Image "A virtual disk of Windows."
    Vhdx "vhdx" Image "A newer virtual disk of Windows."
    Vmdk "vmdk" Image "A virtual disk of VMware."
    Qcow "qcow" Image "A virtual disk of QEMU."
    Dmg "dmg" Image "A disk image of macOS."
    Disk "img" Image "A boot sector: FAT, exFAT, NTFS, GPT."
    Wim "wim" Image "A Windows image."

    Zip "zip" Archive "ZIP that is of no other kind."
    Gzip "gzip" Archive "gzip."
    Bzip2 "bzip2" Archive "bzip2."
    Xz "xz" Archive "xz."
    Lzma "lzma" Archive "LZMA alone."
    Lzip "lzip" Archive "lzip."
    Lz4 "lz4" Archive "LZ4 frames."
    Zstd "zstd" Archive "Zstandard."
    Compress "compress" Archive "Unix compress: .Z."
    Tar "tar" Archive "tar."
    SevenZ "7z" Archive "7-Zip."
    Rar "rar" Archive "RAR 1.5 to 5."
    Cab "cab" Archive "Microsoft cabinet."
    Arj "arj" Archive "ARJ."
    Ace "ace" Archive "ACE."
    Lzh "lzh" Archive "LHA."
    Ar "ar" Archive "ar."
    Cpio "cpio" Archive "cpio."

    Doc "doc" Document "Word 97 to 2003."
    Xls "xls" Document "Excel 5 to 2003."
    Ppt "ppt" Document "PowerPoint 97 to 2003."
    Publisher "pub" Document "Publisher."
    Visio "vsd" Document "Visio 2003."
    Project "mpp" Document "Project."
    Ole "ole" Document "A compound file of no other kind."
    Encrypted "ole-encrypted" Document "An OOXML document behind a password."
    Docx "docx" Document "Word."
    Docm "docm" Document "Word with macros."
    Dotx "dotx" Document "Word, template."
    Dotm "dotm" Document "Word, template with macros."
    Xlsx "xlsx" Document "Excel."
    Xlsm "xlsm" Document "Excel with macros."
    Xltx "xltx" Document "Excel, template."
    Xltm "xltm" Document "Excel, template with macros."
    Xlsb "xlsb" Document "Excel, binary."
    Xlam "xlam" Document "Excel, add-in."
    Pptx "pptx" Document "PowerPoint."
    Pptm "pptm" Document "PowerPoint with macros."
    Potx "potx" Document "PowerPoint, template."
    Potm "potm" Document "PowerPoint, template with macros."
    Ppsx "ppsx" Document "PowerPoint, show."
    Ppsm "ppsm" Document "PowerPoint, show with macros."
    Ppam "ppam" Document "PowerPoint, add-in."
    Vsdx "vsdx" Document "Visio."
    Vsdm "vsdm" Document "Visio with macros."
    Xps "xps" Document "XPS."
    Ooxml "ooxml" Document "Another package of Open Packaging Conventions."
    OfficeXml "office-xml" Document "An Office document as one XML file."
    ActiveMime "activemime" Document "Macros of an Office document that is saved as MHTML."
    Access "access" Document "A database of Access, with its macros."
    Odt "odt" Document "OpenDocument text."
    Ods "ods" Document "OpenDocument spreadsheet."
    Odp "odp" Document "OpenDocument presentation."
    Odg "odg" Document "OpenDocument drawing."
    Odf "odf" Document "Another OpenDocument."
    Rtf "rtf" Document "Rich text."
    Pdf "pdf" Document "PDF."
    PostScript "ps" Document "PostScript."
    OneNote "onenote" Document "A section of OneNote."
    Html "html" Document "HTML."
    Xhtml "xhtml" Document "XHTML."
    Svg "svg" Document "SVG: a picture that may hold scripts."
    Xml "xml" Document "XML of no other kind."
    Mhtml "mhtml" Document "A web page with its parts, as a mail."
    Epub "epub" Document "A book."

    Eml "eml" Mail "Begins with header fields."
    Msg "msg" Mail "A mail of Outlook."
    Tnef "tnef" Mail "winmail.dat."
    Pst "pst" Mail "A mail store of Outlook."

    Jpeg "jpeg" Picture "JPEG."
    Png "png" Picture "PNG."
    Gif "gif" Picture "GIF."
    Webp "webp" Picture "WebP."
    Tiff "tiff" Picture "TIFF, and raw pictures of cameras."
    Bmp "bmp" Picture "BMP."
    Icon "ico" Picture "Icons and cursors."
    Heif "heif" Picture "HEIF."
    Avif "avif" Picture "AVIF."
    Jxl "jxl" Picture "JPEG XL."
    Jp2 "jp2" Picture "JPEG 2000."
    Psd "psd" Picture "Photoshop."
    Wmf "wmf" Picture "Windows metafile."
    Emf "emf" Picture "Windows metafile, enhanced."
    Djvu "djvu" Picture "DjVu."
    Dwg "dwg" Picture "AutoCAD."

    Mp3 "mp3" Audio "MPEG audio."
    Wav "wav" Audio "WAV."
    Ogg "ogg" Audio "Ogg: Vorbis, Opus."
    Flac "flac" Audio "FLAC."
    Aac "aac" Audio "AAC."
    M4a "m4a" Audio "AAC in MP4."
    Amr "amr" Audio "AMR."
    Midi "midi" Audio "MIDI."
    Aiff "aiff" Audio "AIFF."

    Mp4 "mp4" Video "MP4, 3GP."
    Mov "mov" Video "QuickTime."
    Avi "avi" Video "AVI."
    Matroska "mkv" Video "Matroska, WebM."
    Asf "asf" Video "Windows Media, video or audio."
    Flv "flv" Video "Flash video."
    Mpeg "mpeg" Video "MPEG 1 and 2."

    Font "font" Data "TrueType, OpenType, WOFF."
    Sqlite "sqlite" Data "SQLite."
    Certificate "certificate" Data "X.509, DER or PEM."
    Key "key" Data "PKCS 12, or a private key in PEM."
    Pkcs7 "pkcs7" Data "Signed or encrypted mail, or certificates: .p7m, .p7s."
    Pgp "pgp" Data "OpenPGP: message, signature, key."
    Calendar "ics" Data "iCalendar."
    Contact "vcf" Data "vCard."
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
    /// What these octets are. `name` tells one sort of text from another, and is asked where there is no magic number.
    pub fn of(octets: &[u8], name: &str) -> Kind {
        if octets.is_empty() {
            return Kind::Empty;
        }
        let extension = claim::extension(name);
        if let Some(kind) = content::of(octets, &extension) {
            return text::in_spite_of(kind, octets, &extension).unwrap_or(kind);
        }
        let kind = match text::front(octets) {
            Some(text) => text::of(&text, &extension),
            None => content::last_resort(octets, &extension),
        };
        // A PDF may begin with anything, but what is shown or run by its first words is that.
        match kind {
            Kind::Text | Kind::Unknown | Kind::Xml if content::pdf(octets) => Kind::Pdf,
            kind => kind,
        }
    }

    /// What else they are: a picture that ends as a ZIP, a program with a PDF in its first octets. `self` is what
    /// [`Kind::of`] said of the same octets.
    pub fn also(self, octets: &[u8]) -> Option<Kind> {
        content::also(self, octets)
    }

    /// Whether it is a ZIP, whatever the ZIP is for.
    pub const fn is_zip(self) -> bool {
        use Kind::*;
        matches!(self, Zip | Jar | Apk | Ipa | Msix | Epub) || self.is_opc() || self.is_opendocument()
    }

    /// Whether it is a package of Open Packaging Conventions.
    pub const fn is_opc(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Docx | Docm | Dotx | Dotm | Xlsx | Xlsm | Xltx | Xltm | Xlsb | Xlam | Pptx | Pptm | Potx | Potm
        ) || matches!(self, Ppsx | Ppsm | Ppam | Vsdx | Vsdm | Xps | Ooxml)
    }

    /// Whether it is an OpenDocument.
    pub const fn is_opendocument(self) -> bool {
        matches!(self, Kind::Odt | Kind::Ods | Kind::Odp | Kind::Odg | Kind::Odf)
    }

    /// Whether it is a compound file (MS-CFB).
    pub const fn is_compound(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Doc | Xls | Ppt | Publisher | Visio | Project | Ole | Encrypted | Msi | Msg
        )
    }

    /// Whether its very form is for macros.
    pub const fn is_for_macros(self) -> bool {
        use Kind::*;
        matches!(
            self,
            Docm | Dotm | Xlsm | Xltm | Xlam | Pptm | Potm | Ppsm | Ppam | Vsdm | ActiveMime
        )
    }

    /// Whether this content matters under a name or a media type that claims something else: `false` only where a
    /// reader could be deceived. A .doc that is RTF, a .jpg that is PNG, a .txt that is a script are usual or harmless.
    pub fn agrees(self, claim: Claim) -> bool {
        claim::agrees(self, claim)
    }
}
