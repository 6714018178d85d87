//! HTML and SVG that put a file together by themselves and hand it to the reader.
//!
//! **What is looked for:** files in literals (base64, hexadecimal, numbers, percent), joined as the script joins them, and
//! words by which a script makes a file of octets and hands it over. Neither alone is a finding: a page has pictures in
//! base64, a chart has a button to save it. What a literal holds is given out in any case, if it is a form of file.

mod literal;

use memchr::memmem;

pub(super) use self::literal::base64;
use self::literal::{Literal, is_file, literal, literals, numbers, runs};
use super::field::{self, rest};
use super::give;
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
        let Some(open) = memchr::memchr(b'>', rest(lower, from)).map(|on| from + on) else {
            break;
        };
        let head = lower.get(from..open).unwrap_or_default();
        let end = memmem::find(rest(lower, open), b"</script").map_or(octets.len(), |on| open + on);
        if memmem::find(head, b"json").is_none() {
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
    if memmem::find(&lower, b"<script").is_some()
        || memmem::find(&lower, b"javascript:").is_some()
        || has_handler(&lower)
    {
        visit.mark(Mark::Script, "SVG");
    }
    let foreign = memmem::find(&lower, b"<foreignobject").map(|at| rest(&lower, at));
    // Programs that draw put text into foreign objects; frames and forms are for people.
    if foreign.is_some_and(|inner| {
        [&b"<iframe"[..], b"<form", b"<object", b"<embed"]
            .iter()
            .any(|one| memmem::find(inner, one).is_some())
    }) {
        visit.mark(Mark::Script, "SVG with a page in it");
    }
    look(octets, &lower, visit);
}

fn has_handler(lower: &[u8]) -> bool {
    [&b" onload="[..], b" onclick=", b" onbegin=", b" onmouseover="]
        .iter()
        .any(|one| memmem::find(lower, one).is_some())
}

fn refreshes_to_data(lower: &[u8]) -> bool {
    memmem::find_iter(lower, b"<meta").any(|at| {
        let inner = rest(lower, at);
        let inner = inner.get(..inner.len().min(ELEMENT_MAX)).unwrap_or_default();
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
    let mut found: Vec<(Literal, bool)> = Vec::new();
    let keep = |one: Literal, in_script: bool, found: &mut Vec<(Literal, bool)>| {
        let new = !found.iter().any(|(other, _)| other.octets == one.octets);
        let scrambled = one.kind == Kind::Unknown && one.octets.len() >= SCRAMBLED_MIN;
        if new && found.len() < FILES_MAX && (is_file(one.kind) || scrambled && in_script) {
            found.push((one, in_script));
        }
    };
    for text in literals(&code) {
        if visit.is_over() {
            return;
        }
        if let Some(one) = literal(&text) {
            keep(one, true, &mut found);
        }
    }
    for octets in numbers(&code) {
        keep(
            Literal {
                kind: Kind::of(&octets, ""),
                octets,
            },
            true,
            &mut found,
        );
    }
    // Outside of scripts: links to data, and what lies hidden in the page for a script to fetch.
    let mut linked = false;
    for text in runs(octets) {
        if let Some(one) = literal(text.octets).filter(|one| is_file(one.kind)) {
            linked |= text.is_link;
            keep(one, false, &mut found);
        }
    }
    let files = found.iter().any(|(one, _)| is_file(one.kind));
    let scrambled = found
        .iter()
        .filter(|(one, _)| one.kind == Kind::Unknown)
        .map(|(one, _)| one.octets.len())
        .max();
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
    for (number, (one, _)) in found.iter().filter(|(one, _)| is_file(one.kind)).enumerate() {
        if give(visit, &format!("literal {}", number + 1), None, &one.octets) == Flow::Stop {
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
        assert_eq!(of("<svg><script>alert(1)</script></svg>"), [Mark::Script]);
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
