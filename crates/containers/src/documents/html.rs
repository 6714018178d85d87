//! HTML and SVG that put a file together by themselves and hand it to the reader.
//!
//! **What is looked for:** files in literals (base64, hexadecimal, numbers, percent), joined as the script joins them, and
//! words by which a script makes a file of octets and hands it over. Neither alone is a finding: a page has pictures in
//! base64, a chart has a button to save it. What a literal holds is given out in any case, if it is a form of file; text too
//! where the page has a name for it, since a script is one by its name alone.

mod literal;
mod names;
mod scripts;

use memchr::memmem;

pub(super) use self::literal::base64;
use self::literal::{Literal, is_file, joined, literal, literals, numbers, plain_data, runs};
use self::scripts::scripts;
use super::field::{self, rest};
use super::give;
use super::ooxml::{self, elements, tags};
use crate::kind::Class;
use crate::{Flow, Kind, Mark, Visit, claimed};

/// Shortest literal that is read, in characters.
const LITERAL_MIN: usize = 64;
/// Literals that are given out.
const FILES_MAX: usize = 64;
/// Octets of a literal of no known form that a script may well scramble.
const SCRAMBLED_MIN: usize = 1_024;

/// Octets of an element that are looked at.
const ELEMENT_MAX: usize = 4_096;

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
    b"saveas(",
    b"location.href",
    b"location.assign",
    b"location.replace",
    b"window.open",
    b"location=",
    b"location =",
    b"dispatchevent",
];

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
    let names = names::names(octets, &code);
    let mut found: Vec<Literal> = Vec::new();
    let (mut scrambled, mut more) = (None, false);
    let mut keep = |one: Literal, in_script: bool| {
        if in_script && one.kind == Kind::Unknown && one.octets.len() >= SCRAMBLED_MIN {
            scrambled = scrambled.max(Some(one.octets.len()));
        }
        let named = !names.is_empty() && matches!(one.kind, Kind::Text | Kind::Unknown | Kind::Xml | Kind::Svg);
        if !(is_file(one.kind) || named) || found.iter().any(|known| known.octets == one.octets) {
            return;
        }
        if found.len() < FILES_MAX {
            found.push(one);
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
    for text in runs(&joined(&code, b"+,")) {
        if let Some(one) = literal(text.octets) {
            keep(one, true);
        }
    }
    // Outside of scripts: links to data, and what lies hidden in the page for a script to fetch.
    let mut linked = false;
    for text in runs(octets) {
        if let Some(one) = literal(text.octets) {
            linked |= text.is_link && (is_file(one.kind) || names.iter().any(|name| acts(&one.octets, name)));
            keep(one, false);
        }
    }
    plain_data(octets, lower).for_each(|one| keep(one, false));
    // A script that makes a file of a text as it stands there.
    if found.is_empty() && make && hand && !names.is_empty() {
        found.extend(literals(&code).into_iter().take(FILES_MAX).map(|octets| Literal {
            kind: Kind::of(&octets, ""),
            octets,
        }));
    }
    let files = found
        .iter()
        .any(|one| is_file(one.kind) || names.iter().any(|name| acts(&one.octets, name)));
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
    let mut given = 0;
    for (number, one) in found.iter().enumerate() {
        let mut under = named(one, &names);
        if under.is_empty() {
            under.push(format!("literal {}", number + 1));
        }
        for name in under {
            given += 1;
            if given > FILES_MAX {
                visit.mark(Mark::Files, "literals");
                return;
            }
            if give(visit, &name, None, &one.octets) == Flow::Stop {
                return;
            }
        }
    }
    if more {
        visit.mark(Mark::Files, "literals");
    }
}

/// Whether octets of this name are run or shown.
fn acts(octets: &[u8], name: &str) -> bool {
    is_file(Kind::of(octets, name))
        || claimed(name).is_some_and(|claim| {
            matches!(
                claim.class(),
                Class::Executable | Class::Script | Class::Shortcut | Class::Image
            )
        })
}

/// Under which of the names of its page a literal is handed over: those that its content bears out, else all of them.
fn named(one: &Literal, names: &[String]) -> Vec<String> {
    let fits = |name: &&String| {
        is_file(one.kind)
            && claimed(name).is_some_and(|claim| claim.class() == one.kind.class() && one.kind.agrees(claim))
    };
    let fitting: Vec<String> = names.iter().filter(fits).cloned().collect();
    if fitting.is_empty() { names.to_vec() } else { fitting }
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

    const HAND_OVER: &str = "var b=new Blob([x]);a.href=URL.createObjectURL(b);a.download=n;a.click();";

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
    fn what_is_handed_over_has_the_name_that_the_page_gives_it() {
        let script = "var s = new ActiveXObject('WScript.Shell'); s.Run('calc.exe'); // and so on";
        let number = |octets: &[u8]| octets.iter().map(u8::to_string).collect::<Vec<String>>().join(",");
        let percent: String = script.bytes().map(|octet| format!("%{octet:02x}")).collect();
        for page in [
            format!(
                "<script>x=new Uint8Array([{}]);{}</script>",
                number(script.as_bytes()),
                HAND_OVER.replace("=n", "='a.js'")
            ),
            format!(
                "<script>n='a.js';x=new Uint8Array([{}]);{HAND_OVER}</script>",
                number(script.as_bytes())
            ),
            format!("<script>x=unescape('{percent}');saveAs(new Blob([x]),'a.js');</script>"),
            format!("<script>x=\"{script}\";{}</script>", HAND_OVER.replace("=n", "='a.js'")),
        ] {
            let heard = heard(&page);
            assert_eq!(heard.marks(), [Mark::Smuggling], "{page}");
            assert_eq!(heard.file("a.js"), Some(script.as_bytes()), "{page}");
        }
        let link = heard(&format!("<a download='a.js' href='data:text/plain,{percent}'>open</a>"));
        assert_eq!(link.file("a.js"), Some(script.as_bytes()));
        let (octets, text) = zip();
        let hand = HAND_OVER.replace("=n", "='a.zip'");
        let heard = heard(&format!("<script>o='b.pdf';x=atob('{text}');{hand}</script>"));
        assert_eq!(heard.file("a.zip"), Some(&octets[..]));
        assert_eq!(heard.file("b.pdf"), None);
    }

    #[test]
    fn a_table_to_save_is_no_smuggling() {
        let text = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let hand = HAND_OVER.replace("=n", "='table.csv'");
        assert_eq!(heard(&format!("<script>x=atob('{text}');{hand}</script>")).marks(), []);
    }

    #[test]
    fn many_refreshes_are_read_once() {
        // Elements without an end.
        let page = "<meta".repeat(200_000);
        assert_eq!(heard(&page).marks(), []);
    }

    #[test]
    fn a_short_text_in_a_link_is_given_by_its_name() {
        // 68 octets, as the test virus has them.
        let text = "dGV4dCB0aGF0IGlzIGEgZmlsZSBieSBpdHMgbmFtZSBhbG9uZSwgdGV4dCB0aGF0IGlzIGEgZmlsZSBieSBpdHMg";
        let heard = heard(&format!(
            "<a href='data:text/plain;base64,{text}' download='a.com'>open</a>"
        ));
        assert!(
            heard
                .file("a.com")
                .is_some_and(|octets| octets.starts_with(b"text that is"))
        );
    }

    #[test]
    fn a_file_in_a_link_or_in_the_page_is_found() {
        let (octets, text) = zip();
        let link = heard(&format!(
            "<a href='data:application/zip;base64,{text}' download='a.zip'>open</a>"
        ));
        assert_eq!(
            (link.marks(), link.file("a.zip")),
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
