//! Text: by its first words, or by its name.

use memchr::memmem;

use super::{Class, Kind, content};

/// Octets from the front that are looked at.
const FRONT: usize = 4_096;
/// Header fields that a mail begins with.
const FIELDS: &[&str] = &[
    "received",
    "return-path",
    "from",
    "to",
    "cc",
    "subject",
    "date",
    "message-id",
    "mime-version",
    "content-type",
    "delivered-to",
    "reply-to",
    "sender",
    "dkim-signature",
    "x-mailer",
    "authentication-results",
    "content-transfer-encoding",
    "bcc",
    "user-agent",
    "thread-topic",
    "content-disposition",
    "in-reply-to",
    "references",
    "list-id",
];

/// The front as text, if it is text: ASCII and its supersets, or UTF-16 by its mark or by its zeros.
pub(super) fn front(octets: &[u8]) -> Option<String> {
    let front = octets.get(..octets.len().min(FRONT))?;
    let wide = |rest: &[u8], read: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = rest.chunks_exact(2).map(|two| read([two[0], two[1]])).collect();
        let odd = units
            .iter()
            .filter(|unit| **unit == 0 || matches!(**unit, 1..=8 | 14..=26))
            .count();
        (odd == 0).then(|| String::from_utf16_lossy(&units))
    };
    if let Some(rest) = front.strip_prefix(b"\xff\xfe") {
        return wide(rest, u16::from_le_bytes);
    }
    if let Some(rest) = front.strip_prefix(b"\xfe\xff") {
        return wide(rest, u16::from_be_bytes);
    }
    let zeros = |odd: usize| front.iter().skip(odd).step_by(2).filter(|octet| **octet == 0).count();
    let half = front.len() / 2;
    let wide_by_zeros = front.len() >= 16 && memchr::memchr(0, front).is_some();
    if wide_by_zeros && zeros(1) * 10 > half * 9 && zeros(0) == 0 {
        return wide(front, u16::from_le_bytes);
    }
    if wide_by_zeros && zeros(0) * 10 > half * 9 && zeros(1) == 0 {
        return wide(front, u16::from_be_bytes);
    }
    // Escapes are in the terminal's records and in ISO 2022; the substitute ends texts of DOS.
    let odd = |octet: &&u8| matches!(**octet, 0..=6 | 14..=25 | 28..=31 | 127);
    if front.contains(&0) || front.iter().filter(odd).count() * 200 > front.len() {
        return None;
    }
    // One octet in two above ASCII without being UTF-8 is no text of a known script.
    let rest = front.strip_prefix(b"\xef\xbb\xbf").unwrap_or(front);
    let cut = (0..4).any(|less| {
        rest.len()
            .checked_sub(less)
            .and_then(|to| rest.get(..to))
            .is_some_and(|all| std::str::from_utf8(all).is_ok())
    });
    let controls = rest.iter().filter(|octet| (0x80..0xa0).contains(*octet)).count();
    if !cut && controls * 8 > rest.len() {
        return None;
    }
    Some(String::from_utf8_lossy(rest).into_owned())
}

/// Octets that are no text, and yet are run or shown as one: by a name under which a system runs whatever it finds, or as
/// markup with zeros in it, which a browser passes over.
pub(super) fn broken(octets: &[u8], extension: &str) -> Option<Kind> {
    if let Some((_, kind)) = RUN.iter().find(|(one, _)| *one == extension) {
        return Some(*kind);
    }
    let odd = |octet: &u8| matches!(*octet, 0..=8 | 14..=31 | 127);
    let bare: Vec<u8> = octets.iter().take(FRONT).copied().filter(|octet| !odd(octet)).collect();
    let kind = of(&front(&bare)?, extension);
    matches!(kind, Kind::Html | Kind::Xhtml | Kind::Svg | Kind::Hta).then_some(kind)
}

/// What octets are of which a magic number says that they are `kind`, if their name says that they are run or shown all the
/// same: pictures and the like are no obstacle to a browser or an interpreter.
pub(super) fn in_spite_of(kind: Kind, octets: &[u8], extension: &str) -> Option<Kind> {
    let passive = matches!(kind.class(), Class::Picture | Class::Audio | Class::Video | Class::Data)
        || matches!(kind, Kind::Pdf | Kind::PostScript);
    if !passive {
        return None;
    }
    let run = RUN.iter().find(|(one, _)| *one == extension).map(|(_, kind)| *kind);
    let page = || {
        let page = NAMED.iter().find(|(one, _)| *one == extension).map(|(_, kind)| *kind);
        page.filter(|page| matches!(page, Kind::Html | Kind::Xhtml) && content::holds_page(octets))
    };
    run.or_else(page)
}

/// What a text is. `front` is its begin, `extension` that of its name in small letters.
pub(super) fn of(front: &str, extension: &str) -> Kind {
    let text = front.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n', '\0']);
    let begins = |what: &str| {
        text.get(..what.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(what))
    };
    if begins("#@~^") {
        return if extension == "vbe" {
            Kind::VbEncoded
        } else {
            Kind::JsEncoded
        };
    }
    let run = RUN.iter().find(|(one, _)| *one == extension).map(|(_, kind)| *kind);
    for (what, kind) in FIRST {
        // A name under which the system runs it says more than words that run nothing.
        if begins(what) && (run.is_none() || matches!(kind.class(), Class::Script | Class::Shortcut)) {
            return *kind;
        }
    }
    if let Some(kind) = run {
        return kind;
    }
    let lower = text.to_ascii_lowercase();
    if begins("-----begin ") {
        return pem(&lower);
    }
    // `{\rt` is enough for Word.
    if begins("{\\rt") {
        return Kind::Rtf;
    }
    if let Some(kind) = markup(&lower, extension) {
        return kind;
    }
    if is_mail(text) {
        let mhtml = extension != "eml" && (extension.starts_with("mht") || lower.contains("content-location:"));
        let page = lower.contains("multipart/related") || lower.contains("text/html");
        return if mhtml && page { Kind::Mhtml } else { Kind::Eml };
    }
    if begins("@echo off") {
        return Kind::Batch;
    }
    if text.starts_with("[Version]") && lower.contains("signature") {
        return Kind::Inf;
    }
    NAMED
        .iter()
        .find(|(one, _)| *one == extension)
        .map_or(Kind::Text, |one| one.1)
}

/// What stands at the very begin of a text of this kind, and hardly of another.
const FIRST: &[(&str, Kind)] = &[
    ("#!", Kind::Shell),
    ("[InternetShortcut", Kind::Url),
    ("[Desktop Entry]", Kind::Desktop),
    ("[Shell]\r\nCommand", Kind::Scf),
    ("[Shell]\nCommand", Kind::Scf),
    ("Windows Registry Editor Version", Kind::Reg),
    ("REGEDIT4", Kind::Reg),
    ("WEB\r\n1\r\n", Kind::Iqy),
    ("WEB\n1\n", Kind::Iqy),
    ("ID;P", Kind::Slk),
    ("full address:s:", Kind::Rdp),
    ("screen mode id:i:", Kind::Rdp),
    ("BEGIN:VCALENDAR", Kind::Calendar),
    ("BEGIN:VCARD", Kind::Contact),
    ("# Disk DescriptorFile", Kind::Vmdk),
    ("%!PS", Kind::PostScript),
    ("<?php", Kind::Shell),
];

/// Names under which a system runs a text whatever stands in it.
const RUN: &[(&str, Kind)] = &[
    ("bat", Kind::Batch),
    ("cmd", Kind::Batch),
    ("ps1", Kind::PowerShell),
    ("psm1", Kind::PowerShell),
    ("psd1", Kind::PowerShell),
    ("ps1xml", Kind::PowerShell),
    ("vbs", Kind::VbScript),
    ("vb", Kind::VbScript),
    ("vbe", Kind::VbEncoded),
    ("js", Kind::JScript),
    ("mjs", Kind::JScript),
    ("jse", Kind::JsEncoded),
    ("wsf", Kind::Wsf),
    ("wsc", Kind::Sct),
    ("sct", Kind::Sct),
    ("hta", Kind::Hta),
    ("sh", Kind::Shell),
    ("bash", Kind::Shell),
    ("zsh", Kind::Shell),
    ("csh", Kind::Shell),
    ("ksh", Kind::Shell),
    ("command", Kind::Shell),
    ("run", Kind::Shell),
    ("py", Kind::Shell),
    ("pyw", Kind::Shell),
    ("pl", Kind::Shell),
    ("rb", Kind::Shell),
    ("php", Kind::Shell),
    ("applescript", Kind::AppleScript),
    ("scpt", Kind::AppleScript),
    ("reg", Kind::Reg),
    ("inf", Kind::Inf),
    ("scf", Kind::Scf),
    ("url", Kind::Url),
    ("website", Kind::Url),
    ("desktop", Kind::Desktop),
    ("library-ms", Kind::LibraryMs),
    ("search-ms", Kind::SearchMs),
    ("searchconnector-ms", Kind::SearchMs),
    ("settingcontent-ms", Kind::SettingContent),
    ("jnlp", Kind::Jnlp),
    ("iqy", Kind::Iqy),
    ("dqy", Kind::Iqy),
    ("oqy", Kind::Iqy),
    ("rqy", Kind::Iqy),
    ("slk", Kind::Slk),
    ("application", Kind::ClickOnce),
    ("appref-ms", Kind::ClickOnce),
    ("msc", Kind::Msc),
    ("rdp", Kind::Rdp),
    ("webloc", Kind::Webloc),
];

/// Names that tell what a text without other signs is.
const NAMED: &[(&str, Kind)] = &[
    ("html", Kind::Html),
    ("htm", Kind::Html),
    ("shtml", Kind::Html),
    ("xhtml", Kind::Xhtml),
    ("xht", Kind::Xhtml),
    ("svg", Kind::Svg),
    ("xml", Kind::Xml),
    ("mht", Kind::Mhtml),
    ("mhtml", Kind::Mhtml),
    ("eml", Kind::Eml),
];

/// Roots of XML, as they stand in the front in small letters, and what they are the root of.
const ROOTS: &[(&str, Kind)] = &[
    ("progid=\"word.document\"", Kind::OfficeXml),
    ("progid=\"excel.sheet\"", Kind::OfficeXml),
    ("progid=\"powerpoint.show\"", Kind::OfficeXml),
    ("<w:worddocument", Kind::OfficeXml),
    ("<pkg:package", Kind::OfficeXml),
    ("<librarydescription", Kind::LibraryMs),
    ("<searchconnectordescription", Kind::SearchMs),
    ("<persistedquery", Kind::SearchMs),
    ("<pcsettings", Kind::SettingContent),
    ("<jnlp", Kind::Jnlp),
    ("<mmc_consolefile", Kind::Msc),
    ("urn:schemas-microsoft-com:asm.v2", Kind::ClickOnce),
    ("<scriptlet", Kind::Sct),
    ("<hta:application", Kind::Hta),
];

/// HTML, XML and what is written in them; `lower` is in small letters.
fn markup(lower: &str, extension: &str) -> Option<Kind> {
    if !lower.starts_with('<') {
        // HTML that begins with words is HTML to a browser only by its name or its type.
        return None;
    }
    let xml = lower.starts_with("<?xml");
    let mut root = lower;
    // The first element: behind declarations, comments and processing instructions.
    for _ in 0..32 {
        let end = if root.starts_with("<!--") {
            "-->"
        } else if root.starts_with("<?") || root.starts_with("<!doctype") && !root.starts_with("<!doctype html") {
            ">"
        } else {
            break;
        };
        root = root
            .find(end)
            .and_then(|at| root.get(at + end.len()..))
            .unwrap_or_default()
            .trim_start();
    }
    let is = |name: &str| {
        let rest = root.strip_prefix('<').and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_'))
    };
    // Word keeps its settings as XML in the head of its HTML.
    let page = is("html") || root.starts_with("<!doctype html");
    let here = |one: &&(&str, Kind)| lower.contains(one.0) && (!page || one.1 == Kind::Hta);
    if let Some((_, kind)) = ROOTS.iter().find(here) {
        return Some(*kind);
    }
    if is("svg") || is("svg:svg") {
        return Some(Kind::Svg);
    }
    if is("plist") && lower.contains("<key>url</key>") {
        return Some(Kind::Webloc);
    }
    if is("html")
        && (xml
            || lower.contains("//www.w3.org/1999/xhtml\"")
                && lower.contains("<!doctype html public \"-//w3c//dtd xhtml"))
    {
        return Some(Kind::Xhtml);
    }
    let html = [
        "html", "head", "body", "script", "meta", "title", "table", "div", "iframe", "style", "form", "a", "img", "p",
        "br", "h1", "center", "font", "base", "link", "span", "object", "embed", "input", "button", "video",
    ];
    if !xml && (root.starts_with("<!doctype html") || html.iter().any(|name| is(name))) {
        return Some(Kind::Html);
    }
    if xml {
        return Some(if extension.starts_with("xht") {
            Kind::Xhtml
        } else {
            Kind::Xml
        });
    }
    // Markup of no known element: what a browser would do with it hangs on its name.
    let named = NAMED.iter().find(|(one, _)| *one == extension).map(|one| one.1);
    named.or_else(|| memmem::find(lower.as_bytes(), b"<html").map(|_| Kind::Html))
}

/// What stands in PEM or in OpenPGP's armour.
fn pem(lower: &str) -> Kind {
    let line = lower.lines().next().unwrap_or_default();
    if line.contains("pgp ") {
        Kind::Pgp
    } else if line.contains("private key") {
        Kind::Key
    } else if line.contains("pkcs7") || line.contains("cms") {
        Kind::Pkcs7
    } else if line.contains("certificate") {
        Kind::Certificate
    } else {
        Kind::Text
    }
}

/// Whether the text begins with header fields: at least two that mails have, and nothing else before them.
fn is_mail(text: &str) -> bool {
    let mut known = 0;
    for (at, line) in text.lines().take(60).enumerate() {
        if at == 0 && line.starts_with("From ") || at > 0 && line.starts_with([' ', '\t']) {
            continue;
        }
        let Some((name, _)) = line.split_once(':') else { break };
        if name.is_empty() || !name.bytes().all(|octet| octet.is_ascii_graphic()) {
            break;
        }
        if FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name)) {
            known += 1;
        }
    }
    known >= 2
}
