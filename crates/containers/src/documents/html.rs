//! HTML and SVG that put a file together by themselves and hand it to the reader.
//!
//! **What is looked for:** files in literals (base64, hexadecimal, numbers, percent), joined as the script joins them, and
//! words by which a script makes a file of octets and hands it over. Neither alone is a finding: a page has pictures in
//! base64, a chart has a button to save it. What a literal holds is given out in any case, if it is a form of file.

mod literal;

use memchr::memmem;

pub(super) use self::literal::base64;
use self::literal::{Literal, is_file, joined, literal, literals, numbers, runs};
use super::field::{self, rest};
use super::give;
use super::ooxml::{self, elements, tags};
use crate::{Flow, Kind, Mark, Visit};

/// Shortest literal that is read, in characters.
const LITERAL_MIN: usize = 64;
/// Literals that are given out.
const FILES_MAX: usize = 64;
/// Octets of a literal of no known form that a script may well scramble.
const SCRAMBLED_MIN: usize = 1_024;

/// Octets of an element that are looked at.
const ELEMENT_MAX: usize = 4_096;
/// Octets of a script in an attribute; all of them together are no longer than the page.
const HANDLER_MAX: usize = 64 * 1_024;

/// Words that make a file.
const MAKE: &[&[u8]] = &[
    b"createobjecturl",
    b"mssaveoropenblob",
    b"mssaveblob",
    b"data:application/",
    b"new file(",
];
/// Words that unpack octets.
const UNPACK: &[&[u8]] = &[
    b"atob",
    b"fromcharcode",
    b"charcodeat",
    b"uint8array",
    b"unescape(",
    b"decodeuricomponent(",
    b"frombase64",
];
/// Words that hand a file over.
const HAND: &[&[u8]] = &[
    b".download",
    b"download=",
    b"\"download\"",
    b"'download'",
    b".click(",
    b"mssave",
    b"location.href",
    b"location.assign",
    b"location.replace",
    b"window.open",
    b"location=",
    b"location =",
    b"dispatchevent",
];

/// Scripts: elements, and what handlers and links say. Data in scripts' clothes (JSON) is left out.
fn scripts<'a>(octets: &'a [u8], lower: &[u8]) -> Vec<&'a [u8]> {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some(on) = memmem::find(rest(lower, at), b"<script") {
        let from = at + on + 7;
        let (open, kind) = tag(rest(lower, from));
        let open = from + open;
        if open >= lower.len() {
            break;
        }
        let end = memmem::find(rest(lower, open), b"</script").map_or(octets.len(), |on| open + on);
        if memmem::find(kind, b"json").is_none() {
            found.extend(octets.get(open + 1..end));
        }
        at = end.max(open + 1);
    }
    let mut left = octets.len();
    for word in [
        &b"javascript:"[..],
        b"onload=",
        b"onerror=",
        b"onclick=",
        b"onmouseover=",
        b"onfocus=",
    ] {
        for at in memmem::find_iter(lower, word) {
            let inner = rest(octets, at + word.len());
            let inner = inner.get(..inner.len().min(left).min(HANDLER_MAX)).unwrap_or_default();
            let quote = inner.first().filter(|quote| matches!(**quote, b'"' | b'\''));
            let end = match quote {
                Some(quote) => memchr::memchr(*quote, rest(inner, 1)).map(|end| end + 1),
                None => memchr::memchr2(b'<', b'>', inner),
            };
            let inner = inner.get(..end.unwrap_or(inner.len())).unwrap_or_default();
            left = left.saturating_sub(inner.len());
            found.push(inner);
        }
    }
    found
}

/// Where a tag ends, and the value of its first attribute `type`, as browsers read it: what is in quotes ends no tag.
fn tag(inner: &[u8]) -> (usize, &[u8]) {
    let (mut at, mut kind) = (0, None);
    let skip = |at: usize, test: &dyn Fn(u8) -> bool| {
        let inner = rest(inner, at);
        at + inner.iter().position(|octet| !test(*octet)).unwrap_or(inner.len())
    };
    let space = |octet: u8| octet.is_ascii_whitespace();
    loop {
        at = skip(at, &|octet| space(octet) || octet == b'/');
        if inner.get(at).is_none_or(|octet| *octet == b'>') {
            return (at, kind.unwrap_or_default());
        }
        let from = at;
        // A name may begin with anything.
        at = skip(at + 1, &|octet| !space(octet) && !matches!(octet, b'/' | b'>' | b'='));
        let name = inner.get(from..at).unwrap_or_default();
        let equals = skip(at, &space);
        if inner.get(equals) != Some(&b'=') {
            continue;
        }
        at = skip(equals + 1, &space);
        let value = match inner.get(at) {
            Some(quote @ (b'"' | b'\'')) => {
                let from = at + 1;
                let end = skip(from, &|octet| octet != *quote);
                at = end + 1;
                inner.get(from..end)
            }
            _ => {
                let from = at;
                at = skip(at, &|octet| !space(octet) && octet != b'>');
                inner.get(from..at)
            }
        };
        if name == b"type" && kind.is_none() {
            kind = value;
        }
    }
}

/// Looks into HTML.
pub(crate) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let octets = &field::letters(octets);
    let lower = octets.to_ascii_lowercase();
    if refreshes_to_data(&lower) {
        visit.mark(Mark::Smuggling, "refresh to data");
    }
    look(octets, &lower, visit);
}

/// Looks into SVG, where a script is nothing usual.
pub(crate) fn picture(octets: &[u8], visit: &mut dyn Visit) {
    let octets = &field::letters(octets);
    let lower = octets.to_ascii_lowercase();
    let links = ooxml::characters(&String::from_utf8_lossy(&lower)).to_ascii_lowercase();
    if elements(&lower, b"script").next().is_some() || links.contains("javascript:") || has_handler(&lower) {
        visit.mark(Mark::Script, "SVG");
    }
    // Programs that draw put text into foreign objects; frames and forms are for people.
    let pages = tags(&lower)
        .skip_while(|(name, _)| *name != b"foreignobject")
        .any(|(name, _)| matches!(name, b"iframe" | b"form" | b"object" | b"embed"));
    if pages {
        visit.mark(Mark::Script, "SVG with a page in it");
    }
    look(octets, &lower, visit);
}

/// Whether an element has an attribute that is a script: all whose names begin with `on`.
fn has_handler(lower: &[u8]) -> bool {
    tags(lower).any(|(_, inner)| {
        memmem::find_iter(inner, b"on").any(|at| {
            let begins = at.checked_sub(1).and_then(|at| inner.get(at));
            let after = rest(inner, at + 2);
            // The begin first, so that no letter is read for two names.
            begins.is_some_and(|octet| octet.is_ascii_whitespace() || matches!(octet, b'"' | b'\'' | b'/')) && {
                let letters = after.iter().take_while(|octet| octet.is_ascii_lowercase()).count();
                let value = rest(after, letters).trim_ascii_start().strip_prefix(b"=");
                letters >= 3
                    && value.is_some_and(|value| matches!(value.trim_ascii_start().first(), Some(b'"' | b'\'')))
            }
        })
    })
}

fn refreshes_to_data(lower: &[u8]) -> bool {
    memmem::find_iter(lower, b"<meta").any(|at| {
        let inner = rest(lower, at + 5);
        let inner = inner.get(..inner.len().min(ELEMENT_MAX)).unwrap_or_default();
        // To the next at most, so that each octet is read once.
        let next = memmem::find(inner, b"<meta").unwrap_or(inner.len());
        let inner = inner.get(..next).unwrap_or_default();
        let element = inner
            .get(..memchr::memchr(b'>', inner).unwrap_or(inner.len()))
            .unwrap_or_default();
        memmem::find(element, b"refresh").is_some() && memmem::find(element, b"data:").is_some()
    })
}

fn look(octets: &[u8], lower: &[u8], visit: &mut dyn Visit) {
    let scripts = scripts(octets, lower);
    let code: Vec<u8> = scripts.join(&b'\n');
    let small = code.to_ascii_lowercase();
    let any = |words: &[&[u8]]| words.iter().any(|word| memmem::find(&small, word).is_some());
    let (make, unpack, hand) = (any(MAKE), any(UNPACK), any(HAND));
    let mut found = Vec::new();
    let (mut scrambled, mut more) = (None, false);
    let mut keep = |one: Literal, in_script: bool| {
        if in_script && one.kind == Kind::Unknown && one.octets.len() >= SCRAMBLED_MIN {
            scrambled = scrambled.max(Some(one.octets.len()));
        }
        if !is_file(one.kind) || found.contains(&one.octets) {
            return;
        }
        if found.len() < FILES_MAX {
            found.push(one.octets);
        } else {
            more = true;
        }
    };
    for text in literals(&code) {
        if visit.is_over() {
            return;
        }
        if let Some(one) = literal(&text) {
            keep(one, true);
        }
    }
    for octets in numbers(&code) {
        let kind = Kind::of(&octets, "");
        keep(Literal { kind, octets }, true);
    }
    // A quote in a comment or in a pattern turns all texts inside out: what is joined is seen all the same.
    for text in runs(&joined(&code)) {
        if let Some(one) = literal(text.octets) {
            keep(one, true);
        }
    }
    // Outside of scripts: links to data, and what lies hidden in the page for a script to fetch.
    let mut linked = false;
    for text in runs(octets) {
        if let Some(one) = literal(text.octets).filter(|one| is_file(one.kind)) {
            linked |= text.is_link;
            keep(one, false);
        }
    }
    let files = !found.is_empty();
    // Scrambled octets are a finding where they are most of what the script is.
    let scrambled = scrambled.is_some_and(|size| size.saturating_mul(3) >= code.len());
    if linked {
        visit.mark(Mark::Smuggling, "link to a file in it");
    } else if files && (make && (unpack || hand) || unpack && hand) {
        visit.mark(Mark::Smuggling, "script that hands a file over");
    } else if scrambled && make && unpack && hand {
        visit.mark(Mark::Smuggling, "script that hands scrambled octets over");
    } else if files && unpack {
        visit.mark(Mark::Script, "file in a script");
    }
    if more {
        visit.mark(Mark::Files, "literals");
    }
    for (number, one) in found.iter().enumerate() {
        if give(visit, &format!("literal {}", number + 1), None, one) == Flow::Stop {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::heard::Heard;
    use super::*;

    fn heard(text: &str) -> Heard {
        let mut heard = Heard::default();
        read(text.as_bytes(), &mut heard);
        heard
    }

    /// A ZIP with nothing but its end and a comment of some length, in base64.
    fn zip() -> (Vec<u8>, String) {
        let octets = [&b"PK\x03\x04"[..], &[7; 150]].concat();
        let mut text = String::new();
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for three in octets.chunks(3) {
            let number = three.iter().fold(0u32, |sum, octet| sum << 8 | u32::from(*octet)) << (8 * (3 - three.len()));
            for place in 0..=three.len() {
                text.push(char::from(letters[(number >> (18 - 6 * place) & 63) as usize]));
            }
        }
        (octets, text)
    }

    const HAND_OVER: &str = "var b=new Blob([x]);a.href=URL.createObjectURL(b);a.download='a.zip';a.click();";

    #[test]
    fn a_file_is_found_however_it_is_written() {
        let (octets, text) = zip();
        let (one, two) = text.split_at(70);
        let hex: String = octets.iter().map(|octet| format!("{octet:02X}")).collect();
        let list: Vec<String> = octets.iter().map(u8::to_string).collect();
        let back: String = text.chars().rev().collect();
        for literal in [
            format!("atob('{text}')"),
            format!("atob(\"{one}\" + \n '{two}')"),
            format!("atob(['{one}','{two}'].join(''))"),
            format!("h('{hex}')"),
            format!("new Uint8Array([{}])", list.join(", ")),
            format!("atob('{back}'.split('').reverse().join(''))"),
        ] {
            let heard = heard(&format!("<html><script>var x={literal};{HAND_OVER}</script></html>"));
            assert_eq!(heard.marks(), [Mark::Smuggling], "{literal}");
            assert_eq!(heard.file("literal 1"), Some(&octets[..]), "{literal}");
        }
    }

    #[test]
    fn a_script_is_read_whatever_hides_it() {
        let (octets, text) = zip();
        let pieces: Vec<&str> = text
            .as_bytes()
            .chunks(40)
            .map(|one| std::str::from_utf8(one).unwrap())
            .collect();
        let apart = pieces.join("' + '");
        let hex: Vec<String> = octets.iter().map(|octet| format!("0x{octet:02x}")).collect();
        let list: Vec<String> = octets.iter().map(u8::to_string).collect();
        for page in [
            format!("<script data-a=json>x=atob('{apart}');{HAND_OVER}</script>"),
            format!("<script a=' type=application/json '>x=atob('{apart}');{HAND_OVER}</script>"),
            // A quote that opens nothing.
            format!("<script>// `\nx=/'/;y=atob('{apart}');{HAND_OVER}</script>"),
            format!("<script>x=new Uint8Array([{},]);{HAND_OVER}</script>", hex.join(",")),
            format!("<script>x=String.fromCharCode({});{HAND_OVER}</script>", list.join(",")),
            // What is declared a picture is what it is.
            format!("<img id=i src='data:image/png;base64,{text}'><script>x=atob(i.src);{HAND_OVER}</script>"),
            // Many others before it.
            format!(
                "{}<p id=i>{text}</p><script>x=atob(i.innerText);{HAND_OVER}</script>",
                format!("<p>{}</p>", "A".repeat(128)).repeat(80)
            ),
        ] {
            let heard = heard(&page);
            assert_eq!(heard.marks(), [Mark::Smuggling], "{page}");
            assert_eq!(heard.file("literal 1"), Some(&octets[..]), "{page}");
        }
    }

    #[test]
    fn many_refreshes_are_read_once() {
        // Elements without an end.
        let page = "<meta".repeat(200_000);
        assert_eq!(heard(&page).marks(), []);
    }

    #[test]
    fn a_file_in_a_link_or_in_the_page_is_found() {
        let (octets, text) = zip();
        let link = heard(&format!(
            "<a href='data:application/zip;base64,{text}' download='a.zip'>open</a>"
        ));
        assert_eq!(
            (link.marks(), link.file("literal 1")),
            (vec![Mark::Smuggling], Some(&octets[..]))
        );
        let hidden = heard(&format!(
            "<div id=d>{text}</div><script>x=atob(d.innerText);{HAND_OVER}</script>"
        ));
        assert_eq!(hidden.marks(), [Mark::Smuggling]);
        assert_eq!(
            heard("<meta http-equiv=refresh content='0;url=data:text/html;base64,PGI+'>").marks(),
            [Mark::Smuggling]
        );
    }

    #[test]
    fn a_page_that_a_page_writes_is_given() {
        let inner: String = "<html><body onload=alert(1)>some longer page</body></html>"
            .bytes()
            .map(|o| format!("%{o:02x}"))
            .collect();
        let heard = heard(&format!("<script>document.write(unescape('{inner}'))</script>"));
        assert_eq!(
            heard.file("literal 1").map(|octets| octets.starts_with(b"<html>")),
            Some(true)
        );
    }

    #[test]
    fn newsletters_and_charts_have_no_marks() {
        let (_, text) = zip();
        let picture = "iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4//8/w38GIAXDIBKE0DHxgljNBAAO9TXL0Y4OHwAAAABJRU5ErkJggg".repeat(3);
        for page in [
            format!(
                "<html><img src=\"data:image/png;base64,{picture}\"><a href='https://e.example/t?u={text}'>read</a></html>"
            ),
            format!(
                "<script type='application/ld+json'>{{\"a\":\"{}\"}}</script>",
                "x".repeat(200)
            ),
            format!(
                "<script>{}{HAND_OVER}</script><p>chart</p>",
                "function f(a){return a+1}".repeat(20)
            ),
            format!("<style>@font-face{{src:url(data:font/woff2;base64,{text})}}</style>"),
        ] {
            assert_eq!(heard(&page).marks(), [], "{page}");
        }
    }

    #[test]
    fn a_picture_with_a_script_is_told() {
        let of = |text: &str| {
            let mut heard = Heard::default();
            picture(text.as_bytes(), &mut heard);
            heard.marks()
        };
        for text in [
            "<svg><script>alert(1)</script></svg>",
            "<s:svg xmlns:s='http://www.w3.org/2000/svg'><s:script>alert(1)</s:script></s:svg>",
            "<svg\nonload='x()'>",
            "<svg><g id=''onmouseenter = \"x()\"/></svg>",
            "<svg><a href='java&#115;cript:x()'/></svg>",
            "<svg><foreignObject><h:iframe src='x'/></foreignObject></svg>",
        ] {
            assert_eq!(of(text), [Mark::Script], "{text}");
        }
        assert_eq!(of("<svg><text>turn it on once = done, onward='x'</text></svg>"), []);
        assert_eq!(
            of("<svg><foreignObject><iframe src='x'/></foreignObject></svg>"),
            [Mark::Script]
        );
        assert_eq!(
            of("<svg><foreignObject><div>label</div></foreignObject><path d='M0 0'/></svg>"),
            []
        );
    }
}
