//! The levels: lists of what is blocked, each with those below it, and the one list of what alone is allowed.

use std::fmt;

use gatepost_core::BuildError;

use crate::pattern::{Pattern, Patterns, Subject};

/// How strict one is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    /// Nothing is blocked by name or kind.
    Off,
    /// What runs: programs, scripts, shortcuts.
    One,
    /// And what runs by a detour: disk images, consoles, settings, help files.
    Two,
    /// And what may act: documents with macros, web pages, rare archives, all scripts.
    Three,
    /// Only what is on the list of the allowed.
    Four,
}

impl Level {
    /// The level of a number of configuration.
    pub fn of(number: u8) -> Option<Level> {
        let levels = [Level::Off, Level::One, Level::Two, Level::Three, Level::Four];
        levels.get(usize::from(number)).copied()
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "level {}", *self as u8)
    }
}

/// What level 1 blocks: what runs when somebody opens it.
pub const ONE: &[&str] = &[
    "class:executable",
    "class:shortcut",
    "kind:applescript",
    "kind:batch",
    "kind:hta",
    "kind:js",
    "kind:jse",
    "kind:powershell",
    "kind:sct",
    "kind:vbe",
    "kind:vbs",
    "kind:wsf",
    "{*}",
    "ade",
    "apk",
    "app",
    "appimage",
    "application",
    "appref-ms",
    "appx",
    "appxbundle",
    "ax",
    "bas",
    "bat",
    "cmd",
    "com",
    "command",
    "cpl",
    "csc",
    "deb",
    "desktop",
    "diagcab",
    "dll",
    "dmg",
    "drv",
    "elf",
    "exe",
    "exe-bin",
    "gadget",
    "hta",
    "htb",
    "ins",
    "ipa",
    "isp",
    "jar",
    "jnlp",
    "js",
    "jse",
    "ko",
    "library-ms",
    "link",
    "lnk",
    "mde",
    "msi",
    "msix",
    "msixbundle",
    "msp",
    "mst",
    "msu",
    "ocx",
    "pif",
    "pkg",
    "ps1",
    "ps1xml",
    "ps2",
    "ps2xml",
    "psc1",
    "psc2",
    "psd1",
    "psm1",
    "rpm",
    "run",
    "scf",
    "scr",
    "sct",
    "search-ms",
    "settingcontent-ms",
    "sh",
    "shb",
    "shs",
    "so",
    "sys",
    "url",
    "vb",
    "vba",
    "vbe",
    "vbs",
    "vxd",
    "webloc",
    "website",
    "wll",
    "ws",
    "wsc",
    "wsf",
    "wsh",
    "xbap",
    "xll",
];

/// What level 2 blocks besides: what runs by a detour.
pub const TWO: &[&str] = &[
    "class:image",
    "kind:inf",
    "kind:reg",
    "adp",
    "bgi",
    "chm",
    "cnt",
    "crx",
    "daa",
    "fat",
    "fon",
    "grp",
    "hlp",
    "hpj",
    "img",
    "inf",
    "iqy",
    "iso",
    "mcf",
    "msc",
    "msh",
    "msh1",
    "msh1xml",
    "msh2",
    "msh2xml",
    "mshxml",
    "nrg",
    "osd",
    "oqy",
    "plg",
    "prf",
    "prg",
    "printerexport",
    "py",
    "pyc",
    "pyo",
    "pyw",
    "pyz",
    "pyzw",
    "qcow2",
    "rdp",
    "reg",
    "rqy",
    "slk",
    "swf",
    "theme",
    "themepack",
    "toast",
    "udf",
    "vbp",
    "vcd",
    "vhd",
    "vhdx",
    "vmdk",
    "vsmacros",
    "wim",
    "xap",
    "xnk",
];

/// What level 3 blocks besides: what may act, and what is rarely sent for a good reason.
pub const THREE: &[&str] = &[
    "class:script",
    "kind:ace",
    "kind:activemime",
    "kind:arj",
    "kind:cab",
    "kind:docm",
    "kind:dotm",
    "kind:html",
    "kind:lzh",
    "kind:mhtml",
    "kind:onenote",
    "kind:potm",
    "kind:ppam",
    "kind:ppsm",
    "kind:pptm",
    "kind:svg",
    "kind:xhtml",
    "kind:xlam",
    "kind:xlsb",
    "kind:xlsm",
    "kind:xltm",
    "accda",
    "accdb",
    "accde",
    "ace",
    "arj",
    "asp",
    "aspx",
    "bz",
    "cab",
    "cgi",
    "cpio",
    "docm",
    "dot",
    "dotm",
    "htm",
    "html",
    "htmls",
    "lha",
    "lzh",
    "mam",
    "mda",
    "mdb",
    "mdt",
    "mdw",
    "mdz",
    "mht",
    "mhtml",
    "one",
    "onepkg",
    "onetoc",
    "onetoc2",
    "php",
    "pl",
    "potm",
    "ppa",
    "ppam",
    "ppsm",
    "pptm",
    "pst",
    "pub",
    "rb",
    "sldm",
    "shtml",
    "svg",
    "svgz",
    "tcl",
    "uue",
    "xht",
    "xhtml",
    "xla",
    "xlam",
    "xlm",
    "xlsb",
    "xlsm",
    "xltm",
    "xlw",
    "xxe",
    "z",
];

/// What level 4 allows: what people send each other.
pub const ALLOWED: &[&str] = &[
    "7z", "asc", "avif", "bmp", "csv", "dat", "doc", "docx", "dwg", "eml", "gif", "gz", "gzip", "heic", "heif", "ics",
    "jpe", "jpeg", "jpg", "json", "key", "log", "m4a", "md", "mp3", "mp4", "msg", "numbers", "odg", "odp", "ods",
    "odt", "pages", "pdf", "pgp", "pkcs7", "png", "ppt", "pptx", "rtf", "p7c", "p7m", "p7s", "sig", "tar", "text",
    "tgz", "tif", "tiff", "tnef", "txt", "vcf", "wav", "webp", "xls", "xlsx", "xml", "zip", "empty",
];

/// The lists of a configuration.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Levels {
    blocked: [Patterns; 3],
    allowed: Patterns,
}

/// Why a file is blocked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Blocked<'a> {
    /// By a pattern of the list of this level.
    By(Level, &'a Pattern),
    /// It is not on the list of the allowed.
    NotAllowed,
}

impl Levels {
    /// The lists as configuration has them.
    pub fn new(one: &[String], two: &[String], three: &[String], allowed: &[String]) -> Result<Levels, BuildError> {
        let read = |key: &str, list: &[String]| {
            Patterns::read(list).map_err(|(n, why)| BuildError::at(format!("{key}[{n}]"), why))
        };
        Ok(Levels {
            blocked: [read("level_1", one)?, read("level_2", two)?, read("level_3", three)?],
            allowed: read("allowed", allowed)?,
        })
    }

    /// Whether a file is blocked at a level. `agrees`: its content is what its names say, and nothing in them is hidden.
    pub fn blocks(&self, level: Level, subject: &Subject<'_>, agrees: bool) -> Option<Blocked<'_>> {
        if level == Level::Four {
            let allowed = self.allowed.cover(subject, agrees);
            return (!allowed).then_some(Blocked::NotAllowed);
        }
        let lists = [Level::One, Level::Two, Level::Three].into_iter().zip(&self.blocked);
        lists
            .filter(|(of, _)| *of <= level)
            .find_map(|(of, list)| list.meeting(subject).map(|pattern| Blocked::By(of, pattern)))
    }
}

impl fmt::Display for Blocked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Blocked::By(level, pattern) => write!(f, "{level}, {}", pattern.written()),
            Blocked::NotAllowed => f.write_str("level 4, not on the list of the allowed"),
        }
    }
}
