//! Members of packages: Office Open XML and OpenDocument, and the same as one XML file.
//!
//! Members that are documents of their own (vbaProject.bin, embeddings) are seen when the archive is followed; here is
//! what a member says about the package.

use memchr::memmem;

use super::field::{self, short};
use crate::{Mark, Visit};

/// Relations whose target is fetched when the document is opened. Links that a person follows are none of them, nor are
/// workbooks that a workbook counts with, about which Excel asks.
const FETCHED: &[&str] = &[
    "attachedtemplate",
    "oleobject",
    "frame",
    "subdocument",
    "afchunk",
    "control",
    "package",
    "externaltemplate",
];

/// Looks at a member.
pub(crate) fn member(name: &str, octets: &[u8], visit: &mut dyn Visit) {
    let name = name.replace('\\', "/").to_ascii_lowercase();
    let name = name.trim_start_matches('/');
    if name.ends_with("vbaproject.bin") {
        visit.mark(Mark::Macro, "VBA");
    }
    if name.contains("macrosheets/") && !name.contains("/_rels/") {
        visit.mark(Mark::Macro, "macro sheet of Excel 4");
    }
    if let Some(folder) = name.strip_prefix("basic/") {
        // Empty libraries come with every document.
        if folder.contains('/')
            && folder.ends_with(".xml")
            && !folder.ends_with("-lb.xml")
            && !folder.ends_with("-lc.xml")
        {
            visit.mark(Mark::Macro, "Basic");
        }
    }
    if name.starts_with("scripts/") && !name.ends_with('/') {
        visit.mark(Mark::Macro, "script");
    }
    if name.contains("externallinks/") && name.ends_with(".bin") && links_to_program(octets) {
        visit.mark(Mark::Fetches, "DDE");
    }
    if !(name.ends_with(".xml") || name.ends_with(".rels")) {
        return;
    }
    let text = field::lower(octets);
    if name.ends_with(".rels") {
        relations(&text, visit);
    } else if name == "meta-inf/manifest.xml" {
        if memmem::find(&text, b"encryption-data").is_some() {
            visit.mark(Mark::Encrypted, "OpenDocument");
        }
    } else if name == "content.xml" || name == "styles.xml" {
        opendocument(&text, visit);
    } else if name.starts_with("customui/") {
        if memmem::find(&text, b"onload=").is_some() {
            visit.mark(Mark::AutoMacro, "onLoad");
        }
    } else if name.contains("externallinks/") {
        if let Some(at) = memmem::find(&text, b"ddelink") {
            visit.mark(Mark::Fetches, &format!("DDE {}", note(field::rest(&text, at))));
        }
    } else if name.ends_with("workbook.xml") {
        workbook(&text, visit);
    } else {
        word_fields(&text, visit);
    }
}

/// Whether a link of a binary workbook goes to a program: the record that begins it (MS-XLSB 2.4.243) says which sort.
fn links_to_program(octets: &[u8]) -> bool {
    memmem::find_iter(octets, b"\xe8\x02").any(|at| {
        let after = field::rest(octets, at + 2);
        // Its length is of one octet or of two.
        let skip = if after.first().is_some_and(|size| size & 0x80 != 0) {
            2
        } else {
            1
        };
        field::u16_at(after, skip) == Some(1)
    })
}

/// Office documents as one file of XML (Word 2003, flat packages).
pub(crate) fn flat(octets: &[u8], visit: &mut dyn Visit) {
    let octets = &field::letters(octets);
    let text = octets.to_ascii_lowercase();
    if memmem::find(&text, b"macrospresent=\"yes\"").is_some() || memmem::find(&text, b"vbaproject").is_some() {
        visit.mark(Mark::Macro, "VBA");
    }
    relations(&text, visit);
    word_fields(&text, visit);
    for element in elements(&text, b"cell") {
        // A link to a program and its topic.
        if let Some(formula) = attribute(element, "formula").filter(|one| one.contains('|') && one.contains('!')) {
            visit.mark(Mark::Fetches, &short(&format!("DDE {formula}")));
        }
    }
    // What is binary in it stands there in base64.
    for name in [&b"<w:bindata"[..], b"<pkg:binarydata"] {
        let mut at = 0;
        while let Some(on) = memmem::find(field::rest(&text, at), name) {
            at += on + name.len();
            let Some(begin) = memchr::memchr(b'>', field::rest(octets, at)) else {
                break;
            };
            let inner = field::rest(octets, at + begin + 1).trim_ascii_start();
            let inner = inner.strip_prefix(b"<![CDATA[").unwrap_or(inner);
            let end = memchr::memchr(b'<', inner).unwrap_or(inner.len());
            let found = super::html::base64(inner.get(..end).unwrap_or_default());
            if super::give(visit, "binary", None, &found) == crate::Flow::Stop {
                return;
            }
            at += begin + 1;
        }
    }
}

/// The begin of a text, for a note.
fn note(text: &[u8]) -> String {
    short(&String::from_utf8_lossy(
        text.get(..text.len().min(120)).unwrap_or_default(),
    ))
}

/// Elements of a name, without what stands before its colon: the text between its name and its end.
pub(super) fn elements<'a>(text: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    tags(text).filter_map(move |(local, inner)| (local == name).then_some(inner))
}

/// Begins of elements: the name without what stands before its colon, and the text between it and the end.
pub(super) fn tags(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    memchr::memchr_iter(b'<', text).filter_map(|at| {
        let all = field::rest(text, at + 1);
        // No value holds `<` as it is, so that each octet is read once; one may hold `>`.
        let all = all.get(..memchr::memchr(b'<', all).unwrap_or(all.len()))?;
        let mut quote = None;
        let end = all.iter().position(|octet| {
            match (octet, quote) {
                (b'"' | b'\'', None) => quote = Some(*octet),
                (_, Some(open)) if *octet == open => quote = None,
                _ => {}
            }
            *octet == b'>' && quote.is_none()
        });
        let inner = all.get(..end.unwrap_or(all.len()))?;
        let word = inner
            .iter()
            .position(|octet| octet.is_ascii_whitespace() || *octet == b'/')
            .unwrap_or(inner.len());
        let local = inner.get(..word)?.rsplit(|octet| *octet == b':').next()?;
        Some((local, field::rest(inner, word)))
    })
}

/// The value of an attribute, its references to characters resolved, in small letters.
fn attribute(element: &[u8], name: &str) -> Option<String> {
    let mut left = element;
    while let Some(at) = memchr::memchr(b'=', left) {
        let before = left.get(..at).unwrap_or_default().trim_ascii_end();
        let key = before
            .rsplit(|octet| octet.is_ascii_whitespace() || *octet == b':')
            .next();
        let after = field::rest(left, at + 1).trim_ascii_start();
        left = after;
        let Some((quote, value)) = after.split_first().filter(|(quote, _)| matches!(**quote, b'"' | b'\'')) else {
            continue;
        };
        let end = memchr::memchr(*quote, value).unwrap_or(value.len());
        if key == Some(name.as_bytes()) {
            let value = String::from_utf8_lossy(value.get(..end)?);
            return Some(characters(&value).to_ascii_lowercase());
        }
        left = field::rest(value, end + 1);
    }
    None
}

/// References to characters resolved: by number, and the five that XML names.
pub(super) fn characters(text: &str) -> String {
    let mut found = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        found.push_str(before);
        let end = after.bytes().take(11).position(|octet| octet == b';');
        let name = end.and_then(|end| after.get(..end)).unwrap_or_default();
        let number = name.strip_prefix("#x").map(|hex| u32::from_str_radix(hex, 16));
        let number = number.or_else(|| name.strip_prefix('#').map(|number| number.parse()));
        let one = match (number, name) {
            (Some(number), _) => number.ok().and_then(char::from_u32),
            (None, "amp") => Some('&'),
            (None, "lt") => Some('<'),
            (None, "gt") => Some('>'),
            (None, "quot") => Some('"'),
            (None, "apos") => Some('\''),
            _ => None,
        };
        match (one, end) {
            (Some(one), Some(end)) => {
                found.push(one);
                rest = after.get(end + 1..).unwrap_or_default();
            }
            _ => {
                found.push('&');
                rest = after;
            }
        }
    }
    found.push_str(rest);
    found
}

/// Whether a target lies on another's machine: a site, or a share of a host with a dot in its name. A path on a drive or
/// on a share of the house is where many an honest template lies.
pub(crate) fn is_elsewhere(target: &str) -> bool {
    let target = target.trim().to_ascii_lowercase().replace('\\', "/");
    let inner = target.strip_prefix("mhtml:").unwrap_or(&target);
    if [
        "http:",
        "https:",
        "ftp:",
        "ms-msdt:",
        "search-ms:",
        "javascript:",
        "script:",
        "ldap:",
    ]
    .iter()
    .any(|one| inner.starts_with(one))
    {
        return true;
    }
    let path = inner.strip_prefix("file:").unwrap_or(inner);
    let Some(share) = path.strip_prefix("//") else {
        return false;
    };
    let share = share.trim_start_matches('/');
    // The name of a device that leads to a share.
    let share = share
        .strip_prefix("?/unc/")
        .or(share.strip_prefix("./unc/"))
        .unwrap_or(share);
    let host = share.split('/').next().unwrap_or_default();
    // An address may be one number.
    let number = host.starts_with("0x") || !host.is_empty() && host.bytes().all(|octet| octet.is_ascii_digit());
    number
        || !host.contains(':') && host.contains(['.', '@']) && !host.starts_with("10.") && !host.starts_with("192.168.")
        || host.contains('@')
}

fn relations(text: &[u8], visit: &mut dyn Visit) {
    for element in elements(text, b"relationship") {
        // The name of a member is its writer's affair; what it is for stands here.
        let kind = attribute(element, "type").unwrap_or_default();
        match kind.rsplit('/').next().unwrap_or_default() {
            "xlmacrosheet" | "xlintlmacrosheet" => visit.mark(Mark::Macro, "macro sheet of Excel 4"),
            "vbaproject" => visit.mark(Mark::Macro, "VBA"),
            _ => {}
        }
        if attribute(element, "targetmode").as_deref() != Some("external") {
            continue;
        }
        let Some(target) = attribute(element, "target") else {
            continue;
        };
        let kind = kind.rsplit('/').next().unwrap_or_default();
        if FETCHED.contains(&kind) && is_elsewhere(&target) {
            visit.mark(Mark::Fetches, &short(&format!("{kind} {target}")));
        }
    }
}

fn workbook(text: &[u8], visit: &mut dyn Visit) {
    for element in elements(text, b"definedname") {
        let name = attribute(element, "name").unwrap_or_default();
        let name = name.strip_prefix("_xlnm.").unwrap_or(&name);
        if ["auto_open", "auto_close", "auto_activate"]
            .iter()
            .any(|one| name.starts_with(one))
        {
            visit.mark(Mark::AutoMacro, &short(name));
        }
    }
}

/// Fields of Word that ask another program: the instruction may be spread over runs, and a new field begins with a mark.
fn word_fields(text: &[u8], visit: &mut dyn Visit) {
    // Most members have none, and are long.
    if memmem::find(text, b"fldsimple").is_none() && memmem::find(text, b"instrtext").is_none() {
        return;
    }
    for element in elements(text, b"fldsimple") {
        if attribute(element, "instr").is_some_and(|instruction| is_dde(&instruction)) {
            visit.mark(Mark::Fetches, "DDE");
            return;
        }
    }
    let (mut instruction, mut at) = (String::new(), 0);
    while let Some(next) = memchr::memchr(b'<', field::rest(text, at)).map(|on| at + on + 1) {
        let element = field::rest(text, next);
        let word = element
            .iter()
            .position(|octet| !(octet.is_ascii_alphanumeric() || matches!(octet, b':' | b'_' | b'-')));
        let name = element.get(..word.unwrap_or(element.len())).unwrap_or_default();
        let local = name.rsplit(|octet| *octet == b':').next().unwrap_or_default();
        let end = memchr::memchr(b'>', element).unwrap_or(element.len());
        if local == b"fldchar" {
            if is_dde(&instruction) {
                break;
            }
            instruction.clear();
        }
        if local == b"instrtext" && instruction.len() < 4_096 {
            let inner = field::rest(element, end + 1);
            let to = memchr::memchr(b'<', inner).unwrap_or(inner.len()).min(4_096);
            let inner = String::from_utf8_lossy(inner.get(..to).unwrap_or_default());
            instruction.push_str(&characters(&inner).to_ascii_lowercase());
        }
        at = next + end;
    }
    if is_dde(&instruction) {
        visit.mark(Mark::Fetches, &short(&format!("field {}", instruction.trim())));
    }
}

fn is_dde(instruction: &str) -> bool {
    let word = instruction.trim_start_matches([' ', '"', '\t', '\r', '\n']);
    word.starts_with("ddeauto") || word.starts_with("dde ")
}

fn opendocument(text: &[u8], visit: &mut dyn Visit) {
    for element in elements(text, b"event-listener") {
        let name = attribute(element, "event-name").unwrap_or_default();
        if matches!(
            name.as_str(),
            "dom:load" | "office:load-finished" | "office:start-app" | "office:new" | "dom:unload"
        ) {
            visit.mark(Mark::AutoMacro, &short(&name));
        }
    }
    if elements(text, b"dde-source").next().is_some() || elements(text, b"dde-connection-decl").next().is_some() {
        visit.mark(Mark::Fetches, "DDE");
    }
    for name in [&b"object"[..], b"object-ole", b"floating-frame", b"section-source"] {
        for element in elements(text, name) {
            if let Some(target) = attribute(element, "href").filter(|target| is_elsewhere(target)) {
                visit.mark(Mark::Fetches, &short(&target));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::heard::Heard;
    use super::*;

    fn of(name: &str, text: &str) -> Vec<Mark> {
        let mut heard = Heard::default();
        member(name, text.as_bytes(), &mut heard);
        heard.marks()
    }

    #[test]
    fn a_template_on_a_site_is_fetched_and_one_on_a_drive_is_not() {
        let with = |target: &str| {
            format!(
                r#"<Relationships><Relationship Id="rId1" Type="http://x/relationships/attachedTemplate" Target="{target}" TargetMode="External"/></Relationships>"#
            )
        };
        for target in [
            "http://e.example/t.dotm",
            "&#x68;ttps://e.example/t",
            r"\\e.example\s\t.dotm",
            "mhtml:http://e.example/!x-usc:http://e.example",
            r"file://///e.example@80\x",
        ] {
            assert_eq!(
                of("word/_rels/settings.xml.rels", &with(target)),
                [Mark::Fetches],
                "{target}"
            );
        }
        for target in [
            r"file:///C:\Users\a.b\Normal.dotm",
            r"\\server\templates\a.dotx",
            "Normal.dotm",
            r"file:///\\nas\t.dotx",
        ] {
            assert_eq!(of("word/_rels/settings.xml.rels", &with(target)), [], "{target}");
        }
    }

    #[test]
    fn a_relation_is_read_as_xml_is() {
        for attributes in [
            "Type='x/attached&#x54;emplate' Target='http://e.example/t' TargetMode='External'",
            "Type='x/attachedTemplate' Target='&#72;TTP://e.example/t' TargetMode='&#x45;xternal'",
            "xmlns:a=\" type='x/hyperlink' \" Type='x/attachedTemplate' Target='http://e.example/t' TargetMode='External'",
            "xmlns:a='x>y' Type='x/attachedTemplate' Target='http://e.example/t' TargetMode='External'",
            "Type='x/attachedTemplate' Target='\\\\?\\UNC\\e.example\\t' TargetMode='External'",
            "Type='x/attachedTemplate' Target='\\\\3232235777\\t' TargetMode='External'",
        ] {
            assert_eq!(
                of("word/_rels/settings.xml.rels", &format!("<Relationship {attributes}/>")),
                [Mark::Fetches],
                "{attributes}"
            );
        }
    }

    #[test]
    fn macros_are_told_under_any_name_of_their_member() {
        for kind in ["xlMacrosheet", "xlIntlMacrosheet", "vbaProject"] {
            let text = format!("<Relationship Type='http://x/relationships/{kind}' Target='sheets/one.xml'/>");
            assert_eq!(of("xl/_rels/workbook.xml.rels", &text), [Mark::Macro], "{kind}");
        }
    }

    #[test]
    fn what_is_binary_in_xml_is_given_from_a_section_of_characters_too() {
        let mut heard = Heard::default();
        flat(b"<w:wordDocument><w:binData><![CDATA[TVo=]]></w:binData>", &mut heard);
        assert_eq!(heard.file("binary"), Some(&b"MZ"[..]));
    }

    #[test]
    fn a_link_that_a_person_follows_is_not_fetched() {
        let link = r#"<Relationship Type="http://x/hyperlink" Target="http://e.example/" TargetMode="External"/>"#;
        assert_eq!(of("word/_rels/document.xml.rels", link), []);
    }

    #[test]
    fn an_instruction_is_read_over_its_runs() {
        let field = r#"<w:fldChar w:fldCharType="begin"/><w:instrText> DD</w:instrText><w:instrText>EAUTO c:\\x</w:instrText><w:fldChar/>"#;
        assert_eq!(of("word/document.xml", field), [Mark::Fetches]);
        assert_eq!(
            of(
                "word/document.xml",
                "<w:fldSimple w:instr=' PAGE '/><w:t>DDEAUTO is a field</w:t>"
            ),
            []
        );
    }

    #[test]
    fn opendocument_tells_of_macros_and_passwords() {
        assert_eq!(of("Basic/Standard/Module1.xml", "<x/>"), [Mark::Macro]);
        assert_eq!(of("Basic/Standard/script-lb.xml", "<x/>"), []);
        assert_eq!(
            of("META-INF/manifest.xml", "<manifest:encryption-data x='y'>"),
            [Mark::Encrypted]
        );
        assert_eq!(
            of(
                "content.xml",
                r#"<script:event-listener script:event-name="dom:load"/>"#
            ),
            [Mark::AutoMacro]
        );
    }

    #[test]
    fn excel_tells_of_its_old_macros_and_of_links_to_programs() {
        assert_eq!(of("xl/macrosheets/sheet1.xml", "<x/>"), [Mark::Macro]);
        assert_eq!(
            of(
                "xl/workbook.xml",
                r#"<definedName name="_xlnm.Auto_Open">Macro1!$A$1</definedName>"#
            ),
            [Mark::AutoMacro]
        );
        assert_eq!(
            of(
                "xl/externalLinks/externalLink1.xml",
                r#"<ddeLink ddeService="cmd" ddeTopic="/c calc"/>"#
            ),
            [Mark::Fetches]
        );
    }
}
