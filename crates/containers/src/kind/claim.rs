//! What a name or a media type says that a file is, and whether the content agrees.

use super::{Class, Kind};

/// What is claimed of a file.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Claim {
    /// That it is of this kind.
    Kind(Kind),
    /// That it is for this.
    Class(Class),
}

impl Claim {
    /// What the claimed is for.
    pub const fn class(self) -> Class {
        match self {
            Claim::Kind(kind) => kind.class(),
            Claim::Class(class) => class,
        }
    }

    /// Its name, as in findings: that of the kind, or of the class.
    pub const fn name(self) -> &'static str {
        match self {
            Claim::Kind(kind) => kind.name(),
            Claim::Class(Class::Executable) => "executable",
            Claim::Class(Class::Script) => "script",
            Claim::Class(Class::Shortcut) => "shortcut",
            Claim::Class(Class::Image) => "image",
            Claim::Class(Class::Archive) => "archive",
            Claim::Class(Class::Document) => "document",
            Claim::Class(Class::Mail) => "mail",
            Claim::Class(Class::Picture) => "picture",
            Claim::Class(Class::Audio) => "audio",
            Claim::Class(Class::Video) => "video",
            Claim::Class(Class::Data) => "data",
            Claim::Class(Class::Text) => "text",
            Claim::Class(Class::Unknown) => "unknown",
        }
    }
}

/// Longest extension that is looked at, in octets.
const EXTENSION_MAX: usize = 24;

/// The last extension in small letters, as Windows sees the name: dots and spaces at its end do not count, nor does the
/// name of a stream.
pub(super) fn extension(name: &str) -> String {
    let name = name.rsplit(['/', '\\']).next().unwrap_or(name);
    // What follows a colon is a stream of the file (NTFS), unless it is a drive that precedes.
    let name = match name.match_indices(':').find(|(at, _)| *at != 1) {
        Some((at, _)) if name.get(..at).is_some_and(|before| before.contains('.')) => name.get(..at).unwrap_or(name),
        _ => name,
    };
    let name = name.trim_end_matches(|c: char| c == '.' || c.is_whitespace() || c.is_control());
    match name.rsplit_once('.') {
        Some((_, last)) if !last.is_empty() && last.len() <= EXTENSION_MAX => last.to_ascii_lowercase(),
        _ => String::new(),
    }
}

/// What the last extension of a name claims; `None` for one that claims nothing, such as .bin and .dat.
pub fn claimed(name: &str) -> Option<Claim> {
    use Claim::{Class as C, Kind as K};
    let extension = extension(name);
    Some(match extension.as_str() {
        "exe" | "dll" | "scr" | "cpl" | "xll" | "sys" | "ocx" | "drv" | "pif" | "com" | "efi" | "mui" | "ax"
        | "wll" | "vbx" | "so" | "dylib" | "elf" | "class" | "dex" | "wasm" | "pyc" | "pyo" | "deb" | "rpm" | "pkg"
        | "crx" | "swf" | "chm" | "hlp" | "msi" | "msp" | "mst" | "msix" | "appx" | "msixbundle" | "appxbundle"
        | "appimage" | "diagcab" | "xbap" | "vsto" | "vxd" | "shs" | "shb" | "job" | "gadget" | "app" | "xbe"
        | "8ba" => C(Class::Executable),
        "jar" | "war" | "ear" => K(Kind::Jar),
        "apk" | "xapk" | "aab" => K(Kind::Apk),
        "ipa" => K(Kind::Ipa),
        "bat" | "cmd" | "ps1" | "psm1" | "psd1" | "ps1xml" | "vbs" | "vbe" | "vb" | "js" | "jse" | "mjs" | "wsf"
        | "wsh" | "wsc" | "sct" | "hta" | "sh" | "bash" | "zsh" | "csh" | "ksh" | "command" | "run" | "py" | "pyw"
        | "pl" | "rb" | "php" | "applescript" | "scpt" | "reg" | "inf" | "ws" | "msh" | "msh1" | "msh2" | "mshxml"
        | "psc1" | "psc2" | "cdxml" | "bas" | "ins" | "isp" | "osd" | "lua" | "au3" | "ahk" | "asp" | "aspx"
        | "jsp" => C(Class::Script),
        "lnk" | "url" | "website" | "desktop" | "scf" | "library-ms" | "search-ms" | "searchconnector-ms"
        | "settingcontent-ms" | "appcontent-ms" | "theme" | "themepack" | "udl" | "jnlp" | "iqy" | "dqy" | "oqy"
        | "rqy" | "slk" | "application" | "appref-ms" | "msc" | "rdp" | "webloc" => C(Class::Shortcut),
        "iso" | "udf" | "img" | "ima" | "vfd" | "vhd" | "vhdx" | "vmdk" | "qcow2" | "dmg" | "wim" | "nrg" | "cue"
        | "mdf" | "toast" | "esd" | "swm" => C(Class::Image),
        "zip" | "zipx" | "gz" | "tgz" | "bz2" | "tbz" | "tbz2" | "xz" | "txz" | "lzma" | "lz" | "lz4" | "zst"
        | "tzst" | "z" | "taz" | "tar" | "7z" | "rar" | "r00" | "cab" | "arj" | "ace" | "lzh" | "lha" | "ar" | "a"
        | "cpio" | "uue" | "001" => C(Class::Archive),
        "doc" | "dot" | "wbk" => K(Kind::Doc),
        "xls" | "xlt" | "xla" | "xlm" | "xlw" => K(Kind::Xls),
        "ppt" | "pot" | "pps" | "ppa" => K(Kind::Ppt),
        "pub" => K(Kind::Publisher),
        "vsd" | "vss" | "vst" => K(Kind::Visio),
        "mpp" | "mpt" => K(Kind::Project),
        "docx" => K(Kind::Docx),
        "docm" => K(Kind::Docm),
        "dotx" => K(Kind::Dotx),
        "dotm" => K(Kind::Dotm),
        "xlsx" => K(Kind::Xlsx),
        "xlsm" => K(Kind::Xlsm),
        "xltx" => K(Kind::Xltx),
        "xltm" => K(Kind::Xltm),
        "xlsb" => K(Kind::Xlsb),
        "xlam" => K(Kind::Xlam),
        "pptx" => K(Kind::Pptx),
        "pptm" => K(Kind::Pptm),
        "potx" => K(Kind::Potx),
        "potm" => K(Kind::Potm),
        "ppsx" => K(Kind::Ppsx),
        "ppsm" => K(Kind::Ppsm),
        "ppam" => K(Kind::Ppam),
        "vsdx" => K(Kind::Vsdx),
        "vsdm" => K(Kind::Vsdm),
        "xps" | "oxps" => K(Kind::Xps),
        "mdb" | "accdb" | "accde" | "mde" | "ade" | "adp" | "accda" => K(Kind::Access),
        "odt" | "ott" => K(Kind::Odt),
        "ods" | "ots" => K(Kind::Ods),
        "odp" | "otp" => K(Kind::Odp),
        "odg" | "otg" => K(Kind::Odg),
        "odf" | "odb" | "odc" | "odm" => K(Kind::Odf),
        "pages" | "numbers" | "key" | "kmz" | "3mf" | "usdz" | "cbz" | "idml" | "sketch" | "xpi" | "vsix" | "nupkg"
        | "whl" => K(Kind::Zip),
        "svgz" | "wmz" | "emz" => K(Kind::Gzip),
        "rtf" => K(Kind::Rtf),
        "pdf" => K(Kind::Pdf),
        "ps" | "eps" | "ai" => K(Kind::PostScript),
        "one" | "onetoc2" | "onepkg" => K(Kind::OneNote),
        "html" | "htm" | "shtml" => K(Kind::Html),
        "xhtml" | "xht" => K(Kind::Xhtml),
        "svg" => K(Kind::Svg),
        "xml" | "xsl" | "xslt" | "xsd" | "rss" | "atom" | "gpx" | "kml" => K(Kind::Xml),
        "mht" | "mhtml" => K(Kind::Mhtml),
        "epub" => K(Kind::Epub),
        "eml" => K(Kind::Eml),
        "mbox" => C(Class::Mail),
        "msg" | "oft" => K(Kind::Msg),
        "pst" | "ost" => K(Kind::Pst),
        "jpg" | "jpeg" | "jpe" | "jfif" | "png" | "gif" | "webp" | "tif" | "tiff" | "bmp" | "dib" | "ico" | "cur"
        | "heic" | "heif" | "avif" | "jxl" | "jp2" | "j2k" | "psd" | "wmf" | "emf" | "djvu" | "dwg" | "raw" | "cr2"
        | "nef" | "arw" | "tga" | "pcx" => C(Class::Picture),
        "mp3" | "wav" | "ogg" | "oga" | "opus" | "flac" | "aac" | "m4a" | "wma" | "amr" | "mid" | "midi" | "aif"
        | "aiff" => C(Class::Audio),
        "mp4" | "m4v" | "mov" | "avi" | "mkv" | "webm" | "wmv" | "asf" | "flv" | "mpg" | "mpeg" | "3gp" | "ogv" => {
            C(Class::Video)
        }
        "ttf" | "otf" | "ttc" | "woff" | "woff2" | "eot" => K(Kind::Font),
        "sqlite" | "sqlite3" => K(Kind::Sqlite),
        "cer" | "crt" | "der" | "pem" => K(Kind::Certificate),
        "p12" | "pfx" => K(Kind::Key),
        "p7m" | "p7s" | "p7b" | "p7c" | "p7z" => K(Kind::Pkcs7),
        "asc" | "pgp" | "gpg" | "sig" => K(Kind::Pgp),
        "ics" | "vcs" | "ifb" => K(Kind::Calendar),
        "vcf" => K(Kind::Contact),
        "txt" | "text" | "log" | "csv" | "tsv" | "md" | "rst" | "json" | "yaml" | "yml" | "toml" | "ini" | "cfg"
        | "conf" | "diff" | "patch" | "c" | "h" | "cpp" | "hpp" | "cc" | "java" | "rs" | "go" | "ts" | "css"
        | "sql" | "tex" | "srt" | "nfo" => C(Class::Text),
        _ => return None,
    })
}

/// What a media type claims, its parameters left aside; `None` for one that claims nothing, such as octet-stream.
pub fn declared(mime: &str) -> Option<Claim> {
    use Claim::{Class as C, Kind as K};
    let mime = mime.split(';').next().unwrap_or_default().trim();
    if mime.len() > 120 {
        return None;
    }
    let mime = mime.to_ascii_lowercase();
    let (main, sub) = mime.split_once('/')?;
    let sub = sub.trim();
    Some(match (main, sub) {
        ("image", "svg+xml") => K(Kind::Svg),
        ("image", _) => C(Class::Picture),
        ("audio", _) => C(Class::Audio),
        ("video", _) => C(Class::Video),
        ("font", _) => K(Kind::Font),
        ("message", "rfc822" | "global") => K(Kind::Eml),
        ("text", "html") => K(Kind::Html),
        ("text", "xml") => K(Kind::Xml),
        ("text", "rtf" | "richtext") => K(Kind::Rtf),
        ("text", "calendar") => K(Kind::Calendar),
        ("text", "vcard" | "x-vcard" | "directory") => K(Kind::Contact),
        ("text", "javascript" | "x-python" | "x-shellscript" | "x-sh" | "vbscript") => C(Class::Script),
        // Mailers that know no better call anything plain text, but what is text by that is shown as text.
        ("text", _) => C(Class::Text),
        ("application", "pdf" | "x-pdf") => K(Kind::Pdf),
        ("application", "msword") => K(Kind::Doc),
        ("application", "vnd.ms-excel" | "msexcel" | "x-excel") => K(Kind::Xls),
        ("application", "vnd.ms-powerpoint" | "mspowerpoint") => K(Kind::Ppt),
        ("application", "rtf" | "x-rtf") => K(Kind::Rtf),
        ("application", "postscript") => K(Kind::PostScript),
        ("application", "xhtml+xml") => K(Kind::Xhtml),
        ("application", "xml") => K(Kind::Xml),
        ("application", "json") => C(Class::Text),
        ("application", "onenote" | "msonenote") => K(Kind::OneNote),
        ("application", "epub+zip") => K(Kind::Epub),
        ("application", "ms-tnef" | "vnd.ms-tnef") => K(Kind::Tnef),
        ("application", "vnd.ms-outlook") => K(Kind::Msg),
        ("application", "pgp-signature" | "pgp-encrypted" | "pgp-keys") => K(Kind::Pgp),
        ("application", "pkcs7-mime" | "x-pkcs7-mime" | "pkcs7-signature" | "x-pkcs7-signature") => K(Kind::Pkcs7),
        (
            "application",
            "zip"
            | "x-zip"
            | "x-zip-compressed"
            | "x-compressed"
            | "gzip"
            | "x-gzip"
            | "x-gtar"
            | "x-tar"
            | "x-bzip2"
            | "x-xz"
            | "zstd"
            | "x-7z-compressed"
            | "x-rar"
            | "x-rar-compressed"
            | "vnd.rar"
            | "vnd.ms-cab-compressed"
            | "x-lzh"
            | "x-compress"
            | "x-arj",
        ) => C(Class::Archive),
        ("application", "java-archive" | "x-java-archive") => K(Kind::Jar),
        ("application", "vnd.android.package-archive") => K(Kind::Apk),
        (
            "application",
            "x-msdownload"
            | "x-msdos-program"
            | "x-dosexec"
            | "vnd.microsoft.portable-executable"
            | "x-executable"
            | "x-exe"
            | "exe"
            | "x-msi"
            | "x-ms-installer"
            | "x-mach-binary"
            | "wasm"
            | "java-vm"
            | "x-sharedlib",
        ) => C(Class::Executable),
        ("application", "javascript" | "x-javascript" | "x-sh" | "x-bat" | "hta" | "x-powershell") => C(Class::Script),
        ("application", "x-iso9660-image" | "x-cd-image" | "x-apple-diskimage") => C(Class::Image),
        ("application", _) => K(*by_office(sub)?),
        _ => return None,
    })
}

/// The media types of Office and of OpenDocument, by their ends.
fn by_office(sub: &str) -> Option<&'static Kind> {
    const TYPES: &[(&str, Kind)] = &[
        ("wordprocessingml.document", Kind::Docx),
        ("wordprocessingml.template", Kind::Dotx),
        ("spreadsheetml.sheet", Kind::Xlsx),
        ("spreadsheetml.template", Kind::Xltx),
        ("presentationml.presentation", Kind::Pptx),
        ("presentationml.slideshow", Kind::Ppsx),
        ("ms-word.document.macroenabled.12", Kind::Docm),
        ("ms-excel.sheet.macroenabled.12", Kind::Xlsm),
        ("ms-excel.sheet.binary.macroenabled.12", Kind::Xlsb),
        ("ms-powerpoint.presentation.macroenabled.12", Kind::Pptm),
        ("opendocument.text", Kind::Odt),
        ("opendocument.spreadsheet", Kind::Ods),
        ("opendocument.presentation", Kind::Odp),
        ("opendocument.graphics", Kind::Odg),
    ];
    TYPES.iter().find(|(end, _)| sub.ends_with(end)).map(|(_, kind)| kind)
}

/// Whether content of `kind` is harmless under what is claimed. See [`Kind::agrees`].
pub(super) fn agrees(kind: Kind, claim: Claim) -> bool {
    let class = claim.class();
    if claim == Claim::Kind(kind) || claim == Claim::Class(kind.class()) {
        return true;
    }
    let office = matches!(claim, Claim::Kind(one) if one.is_compound() || one.is_opc() || one.is_opendocument() || one == Kind::Rtf);
    let zipped = matches!(claim, Claim::Kind(one) if one.is_zip());
    let markup = matches!(
        claim,
        Claim::Kind(Kind::Html | Kind::Xhtml | Kind::Svg | Kind::Xml | Kind::Mhtml)
    );
    // What opens as text, or is refused, does no harm as text.
    let texts = class == Class::Text || class == Class::Script || class == Class::Shortcut || markup;
    match kind {
        Kind::Jar | Kind::Apk | Kind::Ipa | Kind::Msix => {
            class == Class::Executable || class == Class::Archive || zipped
        }
        // A ZIP that is no package by its content types, and all that is a ZIP by another name.
        Kind::Zip => class == Class::Archive || zipped || office || class == Class::Executable,
        Kind::Ole => true,
        Kind::Docm | Kind::Dotm => {
            !matches!(claim, Claim::Kind(Kind::Docx | Kind::Dotx)) && (office || class == Class::Document)
        }
        Kind::Xlsm | Kind::Xltm | Kind::Xlam => !matches!(claim, Claim::Kind(Kind::Xlsx | Kind::Xltx)) && office,
        Kind::Pptm | Kind::Potm | Kind::Ppsm | Kind::Ppam => {
            !matches!(claim, Claim::Kind(Kind::Pptx | Kind::Potx | Kind::Ppsx)) && office
        }
        Kind::Html | Kind::Xhtml | Kind::Mhtml => texts || office || class == Class::Mail,
        Kind::Svg => texts,
        Kind::OneNote | Kind::Access | Kind::ActiveMime => false,
        _ => match kind.class() {
            Class::Executable => class == Class::Executable,
            Class::Script | Class::Shortcut if kind != Kind::Lnk => texts || class == Class::Mail,
            Class::Shortcut => false,
            Class::Image => class == Class::Image,
            Class::Archive => class == Class::Archive || claim == Claim::Kind(Kind::Gzip),
            _ => true,
        },
    }
}
