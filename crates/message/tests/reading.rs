//! What a reader sees of a mail, and what not.

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use gatepost_message::reading::{self, Excess, Part, registrable};
use gatepost_message::{Content, Message, split};

fn mail(octets: impl Into<Vec<u8>>) -> Message {
    Message::from_bytes(octets.into())
}

fn html(body: &str) -> Message {
    mail(format!("Content-Type: text/html; charset=utf-8\r\n\r\n{body}"))
}

/// The text that is seen and that is not.
fn texts(message: &Message) -> (&str, &str) {
    let reading = message.reading(&|| false);
    (reading.text().trim(), reading.hidden().trim())
}

fn excess(message: &Message) -> Vec<&'static str> {
    message.reading(&|| false).excess().names().collect()
}

fn anomalies(message: &Message) -> Vec<&'static str> {
    message.reading(&|| false).anomalies().names().collect()
}

#[test]
fn seen_and_unseen_text_are_told_apart() {
    let table = [
        ("seen", "seen", ""),
        ("<p>a<p>b<br>c", "a\nb\nc", ""),
        ("a <b>b</b>\r\n  c&nbsp;d&amp;&eacute;", "a b c\u{a0}d&\u{e9}", ""),
        ("<table><tr><td>a<td>b<tr><td>c</table>", "a\nb\nc", ""),
        ("<title>t</title>a<script>s</script><style>p{}</style>", "a", "t"),
        ("a<!-- c --><![CDATA[d]]>", "a", ""),
        ("<p style=display:none>h</p>s", "s", "h"),
        ("<p style='DISPLAY : NONE !important'>h</p>s", "s", "h"),
        (
            "<p style='visibility:hidden'>h<b style='visibility:visible'>s</b>",
            "s",
            "h",
        ),
        ("<p style='font-size:0'>h<b style='font-size:12px'>s</b>", "s", "h"),
        ("<p style='font-size:1px'>h</p>", "", "h"),
        ("<p style='font: bold 0/0 a'>h</p>", "", "h"),
        ("<p style='font-size:12pt'>s</p>", "s", ""),
        ("<p style='opacity:0'>h</p><p style='opacity:.9'>s</p>", "s", "h"),
        ("<p style='opacity:0.01'>h</p>", "", "h"),
        ("<div hidden>h</div>s", "s", "h"),
        ("<div style='max-height:0;overflow:hidden'>h</div>s", "s", "h"),
        ("<div style='height:0'>s</div>", "s", ""),
        ("<div style='position:absolute;left:-9999px'>h</div>s", "s", "h"),
        ("<div style='text-indent:-9999px'>h</div>s", "s", "h"),
        ("<div style='mso-hide:all;display:none'>h</div>s", "s", "h"),
        ("<font color=white>h</font>s", "s", "h"),
        ("<font color='#FEFEFE'>h</font>s", "s", "h"),
        ("<span style='color:#fff'>h</span>s", "s", "h"),
        ("<span style='color:rgb(255, 255, 255)'>h</span>s", "s", "h"),
        ("<span style='color:transparent'>h</span>s", "s", "h"),
        (
            "<div style='background:#000'><span style='color:#fff'>s</span></div>",
            "s",
            "",
        ),
        (
            "<td bgcolor=black><font color=white>s</font><font color=black>h</font>",
            "s",
            "h",
        ),
        ("<body bgcolor=#112233 text=#112233>h", "", "h"),
        (
            "<div style='background:url(x)'><font color=white>s</font></div>",
            "s",
            "",
        ),
        (
            "<style>.x{color:#000}</style><div class=x><font color=white>s</font></div>",
            "s",
            "",
        ),
        (
            "<style>.x, p.y{ display:none }</style><p class='a x'>h</p><p class=y>s</p>",
            "s",
            "h",
        ),
        (
            "<style>@media print{.x{display:none}}#i{font-size:0}</style><p class=x>s<p id=i>h",
            "s",
            "h",
        ),
        ("<div style=display:none>h<p>h<div>h</div></div>s", "s", "h\nh\nh"),
        ("<p style=display:none>h<p>s", "s", "h"),
        ("<div style=display:none>h</p></div>s", "s", "h"),
        ("<img style=display:none>s<br style=display:none>s", "s\ns", ""),
        ("<noscript>s</noscript><textarea>s</textarea>", "ss", ""),
        ("<noscript>s", "s", ""),
        ("<iframe>h</iframe>s", "s", "h"),
        ("<noframes>h</noframes>s", "s", "h"),
        ("<template><p>h</template>s", "s", "h"),
        ("<datalist><option>h</option></datalist>s", "s", "h"),
        ("<audio>h</audio><video>h</video><canvas>h</canvas>s", "s", "hhh"),
        ("<object data=x><p>h</object>s", "s", "h"),
        ("<dialog>h</dialog><dialog open>s</dialog>", "s", "h"),
        ("<p style='color:rgba(0,0,0,0)'>h<b style='color:#000'>s</b>", "s", "h"),
        (
            "<p style='color:rgba(0, 0, 0, .05)'>h</p><p style='color:rgba(0,0,0,.9)'>s</p>",
            "s",
            "h",
        ),
        ("<p style='color:#00000000'>h</p>s", "s", "h"),
        ("<p style='color:hsl(0,0%,99%)'>h</p>s", "s", "h"),
        ("<font color=MintCream>h</font><font color=crimson>s</font>", "s", "h"),
        ("<p style='background:honeydew;color:azure'>h</p>s", "s", "h"),
        (
            "<style>.x{color:#fefefe}</style><p class=x>h<b style='color:red'>s</b></p><p class=y>s",
            "s\ns",
            "h",
        ),
        (
            "<style>.w{margin:0} .x{color:snow}</style><div class=w><p class=x>h</p></div>s",
            "s",
            "h",
        ),
        (
            "<style>.x{color:white;background:black}.y{background:#111}</style><p class=x>s<p class=y><i class=x>s</i>",
            "s\ns",
            "",
        ),
        (
            "<style>.d{background:#000} .x{color:white}</style><div class=d><p class=x>s</p></div>",
            "s",
            "",
        ),
        (
            "<style>.d{background:#000} .x{color:#010101}</style><div class=d><p class=x>h</p></div>s",
            "s",
            "h",
        ),
        (
            "<style>@media screen{.x{display:none}.y{font-size:0}}</style><p class=x>h<p class=y>h<p>s",
            "s",
            "h\nh",
        ),
        (
            "<style>@media only screen and (min-width: 1px), print{.x{color:white}}</style><p class=x>h<p>s",
            "s",
            "h",
        ),
        (
            "<style>@media screen and (max-width:600px){.x{display:none}}@media (min-width:600px){p{display:none}}</style><p class=x>s",
            "s",
            "",
        ),
        (
            "<style>.x{color:white}</style><div class=x>h<table><tr><td bgcolor=black>s</table></div>",
            "s",
            "h",
        ),
        (
            "<style>table.b td{background:#007bff}.x{color:white}</style><table class=b><tr><td><a class=x>s</a></table>",
            "s",
            "",
        ),
        ("<style>p{color:white}</style><p>h<b style='color:black'>s", "s", "h"),
        (
            "<style>td{background:#000}</style><td><font color=white>s</font>",
            "s",
            "",
        ),
        (
            "<style>@charset 'x';.x{display:none}</style><p class=x>h</p>s",
            "s",
            "h",
        ),
        (
            "<style><!-- .x{/*}*/display:none} --></style><p class=x>h</p>s",
            "s",
            "h",
        ),
        ("<a title='", "", ""),
        ("</div></div>s", "s", ""),
    ];
    let wrong: Vec<_> = table
        .iter()
        .map(|&(body, seen, unseen)| (body, (seen, unseen), html(body)))
        .filter(|(_, wanted, message)| texts(message) != *wanted)
        .map(|(body, wanted, message)| format!("{body}\n  wanted {wanted:?}\n  got    {:?}", texts(&message)))
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        table.len(),
        wrong.join("\n")
    );
}

#[test]
fn what_html_has_in_it_is_counted() {
    let message = html(
        "<a href=http://a.example.org/>x</a><a name=b>y</a><img src=cid:1><img src=http://a.example.org/ width=1 height=1>\
         <img src='//a.example.org/' width='1px'><form><input type=Password></form><iframe></iframe><script></script>\
         <a href='javascript:x'>x</a><meta http-equiv=refresh content='0;url=http://a.example.org/'>\
         <base href=http://a.example.org/><!--123--><p hidden>1234</p>",
    );
    let markup = message.reading(&|| false).markup();
    assert_eq!(
        (
            markup.anchors,
            markup.images,
            markup.remote_images,
            markup.pixels,
            markup.forms,
            markup.passwords
        ),
        (2, 3, 2, 2, 1, 1)
    );
    assert_eq!(
        (markup.frames, markup.scripts, markup.comments, markup.hidden),
        (1, 2, 3, 5)
    );
    assert!(markup.refresh && markup.base);
}

#[test]
fn the_parts_are_listed_and_their_text_is_read() {
    let message = mail(
        "Content-Type: multipart/mixed; boundary=\"a b\"\r\nSubject: =?iso-8859-1?q?Gr=FC=DFe?=\r\n\r\n\
         nobody sees this\r\n--a b\r\n\r\nfirst\r\n--a b\r\nContent-Type: multipart/alternative; boundary=c\r\n\r\n\
         --c\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
         gr=FC=\r\nn\r\n--c  \r\nContent-Type: TEXT/HTML\r\nContent-Transfer-Encoding: base64\r\n\r\nPGI+Ymx1ZTwvYj4=\r\n\
         --c--\r\nnor this\r\n--a b\r\nContent-Type: application/pdf; name=\"=?utf-8?q?r=C3=A4t.pdf?=\"\r\n\
         Content-Disposition: attachment; filename*0*=utf-8''r%C3%A4; filename*1=\"t.exe\"\r\n\r\n12345\r\n\
         --a b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\r\nwithin\r\n--a b--\r\nnor that\r\n",
    );
    let reading = message.reading(&|| false);
    assert_eq!(reading.subject(), "Gr\u{fc}\u{df}e");
    assert_eq!(reading.text(), "first\r\nblue\nwithin\r\n");
    assert_eq!(reading.hidden(), "gr\u{fc}n");
    let shown = |part: &Part| format!("{} {} {}", part.mime, part.depth, part.octets);
    assert_eq!(
        reading.parts().iter().map(shown).collect::<Vec<_>>(),
        [
            "text/plain 1 7",
            "text/plain 2 11",
            "text/html 2 18",
            "application/pdf 1 7",
            "message/rfc822 1 0",
            "text/plain 2 8",
        ]
    );
    let file = &reading.parts()[3];
    assert_eq!(
        (file.name.as_deref(), file.file_name.as_deref(), file.attachment),
        (Some("r\u{e4}t.pdf"), Some("r\u{e4}t.exe"), true)
    );
    assert_eq!(
        (reading.excess(), anomalies(&message).as_slice()),
        (Excess::default(), ["encoded-name"].as_slice())
    );
}

/// A multipart/alternative of branches, each a media type and a body.
fn alternative(branches: &[(&str, &str)]) -> String {
    let branch = |(kind, body): &(&str, &str)| format!("--alt\r\nContent-Type: {kind}\r\n\r\n{body}\r\n");
    let branches: String = branches.iter().map(branch).collect();
    format!("Content-Type: multipart/alternative; boundary=alt\r\n\r\n{branches}--alt--\r\n")
}

#[test]
fn of_an_alternative_the_last_branch_that_readers_show_is_seen() {
    let related = "multipart/related; boundary=rel";
    let within = "--rel\r\nContent-Type: text/html\r\n\r\nspam\r\n--rel--";
    let forwarded = "Content-Type: text/plain\r\n\r\nham";
    let inner = alternative(&[("text/plain", "ham"), ("text/html", "eggs")]);
    for (branches, seen, hidden) in [
        (
            &[("text/plain", "ham"), ("text/html", "<b>spam</b>")][..],
            "spam",
            "ham",
        ),
        (&[("text/plain", "ham"), (related, within)], "spam", "ham"),
        (
            &[("text/plain", "Same Words"), ("text/html", "same <b>words")],
            "same words",
            "",
        ),
        (
            &[
                ("text/plain; charset=utf-8", "\u{4f60}\r\n\u{597d}"),
                ("text/html; charset=utf-8", "\u{4f60}\u{597d}"),
            ],
            "\u{4f60}\u{597d}",
            "",
        ),
        (
            &[("text/plain", "same http://a.example.org/xyz"), ("text/html", "same")],
            "same",
            "",
        ),
        // Not what readers show in place of the others.
        (&[("text/html", "spam"), ("text/calendar", "ham")], "spam", "ham"),
        (&[("text/html", "spam"), ("text/x-nobody-knows", "ham")], "spam", "ham"),
        (&[("text/html", "spam"), ("message/rfc822", forwarded)], "spam", "ham"),
        (
            &[("text/html", "spam"), ("message/rfc822", &inner)],
            "spam",
            "ham\neggs",
        ),
        (
            &[
                ("text/html", "spam"),
                ("text/plain\r\nContent-Disposition: attachment", "ham"),
            ],
            "spam",
            "ham",
        ),
        (&[("text/plain", "seen"), ("text/html", "<p> </p>")], "seen", ""),
        (&[("text/plain", "seen"), ("image/png", "xxxx")], "seen", ""),
        // An image is seen, too.
        (&[("text/plain", "ham"), ("text/html", "<img src=cid:a>")], "", "ham"),
        (&[("text/calendar", "seen")], "seen", ""),
    ] {
        let message = mail(alternative(branches));
        assert_eq!(texts(&message), (seen, hidden), "{branches:?}");
    }
    let mixed = mail(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\none\r\n--b\r\nContent-Type: text/html\r\n\r\ntwo\r\n--b--\r\n",
    );
    assert_eq!(texts(&mixed), ("one\r\ntwo", ""));
    let unclosed = mail(alternative(&[("text/plain", "ham"), ("text/html", "spam")]).replace("--alt--", ""));
    assert_eq!(texts(&unclosed), ("spam", "ham"));
}

#[test]
fn it_is_told_how_far_the_branches_of_an_alternative_differ_and_their_links_are_found() {
    let told = |branches: &[(&str, &str)]| {
        let message = mail(alternative(branches));
        let told = message.reading(&|| false).alternatives();
        told.map(|told| (told.words, told.unseen, told.reversed))
    };
    let html = ("text/html", "<p>Four words are here");
    assert_eq!(
        told(&[("text/plain", "four words\r\nare HERE."), html]),
        Some((4, 0, false))
    );
    assert_eq!(
        told(&[("text/plain", "four others stand here"), html]),
        Some((4, 2, false))
    );
    assert_eq!(told(&[html, ("text/plain", "four")]), Some((4, 3, true)));
    assert_eq!(told(&[html]), None);
    assert_eq!(mail("\r\nx").reading(&|| false).alternatives(), None);
    let message = mail(alternative(&[("text/plain", "see http://evil.example.com/"), html]));
    let links: Vec<_> = message.reading(&|| false).links().iter().collect();
    assert_eq!(links.len(), 1);
    assert_eq!(links[0].place.as_str(), "text");
}

#[test]
fn alternatives_within_alternatives_are_read_in_time_in_proportion() {
    let mut body = format!("Content-Type: text/html\r\n\r\n{}\r\n", "word ".repeat(150_000));
    for n in 0..reading::DEPTH_MAX - 1 {
        body = format!(
            "Content-Type: multipart/alternative; boundary=b{n}\r\n\r\n--b{n}\r\n\r\nfiller{n}\r\n--b{n}\r\n{body}\r\n--b{n}--\r\n"
        );
    }
    let message = mail(body);
    let reading = message.reading(&|| false);
    assert_eq!(
        reading
            .text()
            .split_ascii_whitespace()
            .filter(|word| *word != "word")
            .count(),
        0
    );
    assert_eq!(
        reading.hidden().split_ascii_whitespace().count(),
        reading::DEPTH_MAX - 1
    );
}

#[test]
fn charsets_that_are_missing_wrong_or_unknown_are_read_as_readers_do() {
    for (charset, octets, text) in [
        ("utf-8", b"gr\xc3\xbcn".as_slice(), "gr\u{fc}n"),
        ("utf-8", b"gr\xfcn", "gr\u{fffd}n"),
        ("iso-8859-1", b"\x80", "\u{20ac}"),
        ("us-ascii", b"gr\xfcn", "gr\u{fc}n"),
        ("us-ascii", b"gr\xc3\xbcn", "gr\u{fc}n"),
        ("x-nobody-knows", b"gr\xfcn \x93x\x94", "gr\u{fc}n \u{201c}x\u{201d}"),
        ("\"koi8-r\"", b"\xd0", "\u{43f}"),
        ("shift_jis", b"\x83e", "\u{30c6}"),
        ("iso-2022-kr", b"abc", "abc"),
    ] {
        let head = format!("Content-Type: text/plain; charset={charset}\r\n\r\n");
        let message = mail([head.as_bytes(), octets].concat());
        assert_eq!(message.reading(&|| false).text(), text, "{charset}");
    }
    let named = mail(&b"Content-Type: text/html\r\n\r\n<meta charset='koi8-r'>\xd0"[..]);
    assert_eq!(named.reading(&|| false).text(), "\u{43f}");
}

#[test]
fn a_charset_that_hides_the_letters_of_ascii_hides_no_link() {
    let evil = "<a href='http://evil.example.com/'>pay</a>";
    let utf7 = "http+ADo-//evil.example.com/+-";
    let part = |kind: &str, octets: &[u8]| mail([format!("Content-Type: {kind}\r\n\r\n").as_bytes(), octets].concat());
    let jis = "\x1b$B%F%9%H\x1b(B";
    let wide: Vec<u8> = evil.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (kind, octets, told) in [
        ("text/html", format!("<!--charset=utf-16-->{evil}").into_bytes(), None),
        (
            "text/html",
            format!("<!--<meta charset=koi8-r>-->{evil}").into_bytes(),
            None,
        ),
        (
            "text/html",
            format!("<p title='charset=utf-16'>{evil} ").into_bytes(),
            None,
        ),
        (
            "text/html",
            format!("<meta charset='utf-16'>{evil} ").into_bytes(),
            None,
        ),
        (
            "text/html",
            format!("<meta charset=iso-2022-jp>\x1b$B{evil}").into_bytes(),
            Some("charset"),
        ),
        (
            "text/html; charset=utf-16",
            format!("{evil} ").into_bytes(),
            Some("charset"),
        ),
        (
            "text/html; charset=utf-16be",
            format!("{evil} ").into_bytes(),
            Some("charset"),
        ),
        ("text/html; charset=utf-16le", wide, None),
        (
            "text/html; charset=utf-8",
            [b"\xff\xfe", evil.as_bytes()].concat(),
            Some("charset"),
        ),
        (
            "text/html; charset=iso-2022-jp",
            format!("\x1b$B{evil}").into_bytes(),
            Some("charset"),
        ),
        (
            "text/html; charset=iso-2022-jp",
            format!("{jis}{evil}{jis}").into_bytes(),
            None,
        ),
        (
            "text/plain; charset=utf-16",
            b"pay http://evil.example.com/ ".to_vec(),
            Some("charset"),
        ),
        ("text/plain; charset=utf-7", utf7.into(), Some("charset")),
        (
            "text/plain; charset=x-nobody-knows",
            b"http://evil.example.com/".to_vec(),
            Some("charset"),
        ),
    ] {
        let message = part(kind, &octets);
        let shown = format!("{kind}: {}", String::from_utf8_lossy(&octets));
        let hosts: Vec<_> = message
            .reading(&|| false)
            .links()
            .iter()
            .map(|link| link.host.to_string())
            .collect();
        assert!(hosts.contains(&"evil.example.com".to_owned()), "{shown}: {hosts:?}");
        assert_eq!(anomalies(&message), Vec::from_iter(told), "{shown}");
    }
    assert_eq!(
        mail("Subject: =?utf-7?q?a+AOQ-?=\r\n\r\n").reading(&|| false).subject(),
        "a\u{e4}"
    );
}

#[test]
fn what_is_broken_is_read_and_told() {
    let part = |transfer: &str, body: &str| mail(format!("Content-Transfer-Encoding: {transfer}\r\n\r\n{body}"));
    for (message, text, told) in [
        (part("base64", "aGVsbG8="), "hello", None),
        (part("base64", "aGV*sbG8="), "hello", Some("base64")),
        (part("base64", "aGVsbG8"), "hello", Some("base64")),
        (part("base64", "aA==aQ=="), "hi", Some("base64")),
        (part("quoted-printable", "h=65llo="), "hello", None),
        (part("quoted-printable", "h=ZZ"), "h=ZZ", Some("quoted-printable")),
        (part("uuencode", "hello"), "hello", Some("uuencode")),
        (
            part("x-uuencode", "begin 644 x\r\n#0V%T\r\n`\r\nend\r\n"),
            "Cat",
            Some("uuencode"),
        ),
        (
            part("7bit", "begin 644 x\r\n#0V%T"),
            "begin 644 x\r\n#0V%T",
            Some("uuencode"),
        ),
        (
            part("7bit", "=ybegin line=128 size=1 name=x"),
            "=ybegin line=128 size=1 name=x",
            Some("yenc"),
        ),
        (part("x-yenc", "hello"), "hello", Some("transfer yenc")),
        (part("(x(y)) base64", "aGVsbG8="), "hello", None),
        (part("\"base64\"", "aGVsbG8="), "hello", None),
        (part("(x base64", "hello"), "hello", Some("transfer")),
        (part("; base64", "hello"), "hello", Some("transfer")),
        (
            mail("Content-Type: text/plain; format=fixed; format=flowed\r\n\r\nx"),
            "x",
            Some("parameter-twice"),
        ),
        (
            mail("Content-Disposition: inline; filename=a.txt; filename*=utf-8''a.exe\r\n\r\nx"),
            "x",
            Some("names-differ"),
        ),
        (
            mail("Content-Disposition: inline; filename=a.txt; filename*=utf-8''a%2etxt\r\n\r\nx"),
            "x",
            None,
        ),
        (
            mail("Content-Type: text/plain; name=\"=?utf-8?q?a?=\"\r\n\r\nx"),
            "x",
            Some("encoded-name"),
        ),
        (
            mail("Content-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx"),
            "x",
            Some("twice"),
        ),
        (mail("Content-Type: multipart/mixed\r\n\r\nx"), "x", Some("no-boundary")),
        (
            mail("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\nx"),
            "x",
            Some("unclosed"),
        ),
        (mail("Content-Type: nonsense\r\n\r\nx"), "x", None),
        (mail(&b"\r\nx\xff"[..]), "x\u{ff}", Some("charset")),
    ] {
        let shown = String::from_utf8_lossy(message.head()).into_owned();
        assert_eq!(message.reading(&|| false).text(), text, "{shown}");
        assert_eq!(anomalies(&message).join(" "), told.unwrap_or_default(), "{shown}{text}");
    }
}

#[test]
fn whichever_boundary_a_reader_takes_the_parts_are_read() {
    let link = "Content-Type: text/html\r\n\r\n<a href=http://evil.example.com/>";
    for (kind, body, told) in [
        (
            "boundary=\"a\"; boundary=\"b\"",
            format!("--b\r\n\r\n--a\r\n{link}\r\n--a--\r\n"),
            "parameter-twice",
        ),
        (
            "boundary=a; boundary=b",
            format!("--b\r\n{link}\r\n--b--\r\n"),
            "parameter-twice",
        ),
        (
            "boundary=a; boundary*=us-ascii''b",
            format!("--b\r\n{link}\r\n--b--\r\n"),
            "parameter-twice",
        ),
        (
            "boundary*0=a; boundary*1=b",
            format!("--ab\r\n{link}\r\n--ab--\r\n"),
            "",
        ),
        ("boundary=a (b)", format!("--a\r\n{link}\r\n--a--\r\n"), ""),
        ("boundary=a", format!("--b\r\n{link}\r\n--b--\r\n"), "unclosed"),
        ("boundary=a", format!("{link}\r\n--a--\r\n"), ""),
        ("boundary=a", format!("--a\r\n\r\nx\r\n--a--\r\n{link}\r\n"), ""),
    ] {
        let message = mail(format!("Content-Type: multipart/mixed; {kind}\r\n\r\n{body}"));
        assert_eq!(message.reading(&|| false).links().iter().len(), 1, "{kind}: {body}");
        assert_eq!(anomalies(&message).join(" "), told, "{kind}: {body}");
    }
    let eight = [
        b"Content-Type: multipart/mixed; boundary=\"\xff\"\r\n\r\n--\xff\r\n",
        link.as_bytes(),
        b"\r\n--\xff--",
    ];
    let message = mail(eight.concat());
    let links = message.reading(&|| false).links();
    assert_eq!(links.iter().next().map(|link| link.place.as_str()), Some("anchor"));
}

#[test]
fn broken_subjects_are_decoded_as_far_as_they_go() {
    for (subject, text) in [
        ("=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        ("=?utf-8?q?a?= c =?utf-8?q?b?=", "a c b"),
        ("=?utf-8?b?w6?=\r\n =?utf-8?b?Q=?=", "\u{fffd}"),
        ("=?utf-8?q?gr=C3?= =?utf-8?q?=BC?=n", "gr\u{fc}n"),
        ("=?x-unknown?q?gr=FC?=", "gr\u{fc}"),
        ("x=?utf-8?q?a_b?=y", "xa by"),
        ("=?utf-8*en?q?a?=", "a"),
        ("=?utf-8?x?a?=", "=?utf-8?x?a?="),
        ("=?=?=?=?=?", "=?=?=?=?=?"),
        ("=?utf-8?q?a", "=?utf-8?q?a"),
    ] {
        assert_eq!(
            mail(format!("Subject: {subject}\r\n\r\n")).reading(&|| false).subject(),
            text,
            "{subject}"
        );
    }
}

#[test]
fn a_mail_within_its_bounds_passes_none_and_above_each_is_told() {
    let parts =
        |n: usize| mail("Content-Type: multipart/mixed; boundary=b\r\n\r\n".to_owned() + &"--b\r\n\r\n".repeat(n));
    assert_eq!(excess(&parts(reading::PARTS_MAX - 1)), [""; 0]);
    assert_eq!(excess(&parts(reading::PARTS_MAX)), ["parts"]);
    assert_eq!(
        parts(reading::PARTS_MAX * 100).reading(&|| false).parts().len(),
        reading::PARTS_MAX - 1
    );

    let deep = |n: usize| {
        let level = |n: usize| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n");
        mail((0..n).map(level).collect::<String>() + "\r\nhttp://evil.example.com/\r\n")
    };
    assert_eq!(excess(&deep(reading::DEPTH_MAX)), [""; 0]);
    assert_eq!(excess(&deep(reading::DEPTH_MAX + 1)), ["depth"]);
    assert_eq!(deep(3_000).reading(&|| false).links().iter().len(), 1);
    let mails = |n: usize| mail("Content-Type: message/rfc822\r\n\r\n".repeat(n) + "\r\nhttp://evil.example.com/\r\n");
    assert_eq!(excess(&mails(reading::DEPTH_MAX)), [""; 0]);
    assert_eq!(excess(&mails(reading::DEPTH_MAX + 1)), ["depth"]);
    assert_eq!(mails(3_000).reading(&|| false).links().iter().len(), 1);

    assert_eq!(excess(&html(&"x".repeat(reading::HTML_MAX))), [""; 0]);
    assert_eq!(excess(&html(&"x".repeat(reading::HTML_MAX + 1))), ["html"]);
    assert_eq!(excess(&html(&"<b>".repeat(reading::NESTING_MAX))), [""; 0]);
    assert_eq!(excess(&html(&"<b>".repeat(reading::NESTING_MAX + 1))), ["nesting"]);
    assert_eq!(excess(&html(&"<br>".repeat(reading::TAGS_MAX))), [""; 0]);
    assert_eq!(excess(&html(&"<br>".repeat(reading::TAGS_MAX + 1))), ["tags"]);
    let attributes = |n: usize| (0..n).map(|n| format!(" a{n}=b")).collect::<String>();
    assert_eq!(
        excess(&html(&format!("<p{}>", attributes(reading::ATTRIBUTES_MAX)))),
        [""; 0]
    );
    assert_eq!(
        excess(&html(&format!("<p{}>", attributes(reading::ATTRIBUTES_MAX + 1)))),
        ["attributes"]
    );
    assert_eq!(
        excess(&mail("\r\n".to_owned() + &"x".repeat(reading::TEXT_MAX))),
        [""; 0]
    );
    assert_eq!(
        excess(&mail("\r\n".to_owned() + &"x".repeat(reading::TEXT_MAX + 1))),
        ["text"]
    );
    let links = |n: usize| {
        mail(
            (0..n)
                .map(|n| format!("\r\nhttp://x{n}.example.com/"))
                .collect::<String>(),
        )
    };
    assert_eq!(excess(&links(reading::LINKS_MAX)), [""; 0]);
    assert_eq!(excess(&links(reading::LINKS_MAX + 1)), ["links"]);
    assert_eq!(
        links(10_000).reading(&|| false).links().iter().len(),
        reading::LINKS_MAX
    );
    let link = |n: usize| mail(format!("\r\nhttp://x.example.com/{}", "a".repeat(n)));
    assert_eq!(excess(&link(10_000)), [""; 0]);
    assert_eq!(excess(&link(20_000)), ["link"]);
    let part = |n: usize| {
        mail(format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nX: {}\r\n",
            "a".repeat(n)
        ))
    };
    let parameters = |n: usize| mail(format!("Content-Type: text/plain{}\r\n\r\n", ";".repeat(n)));
    assert_eq!(excess(&parameters(reading::PARAMETERS_MAX)), [""; 0]);
    assert_eq!(excess(&parameters(reading::PARAMETERS_MAX + 1)), ["parameters"]);
    let wide = |n: usize| mail(format!("Content-Type: text/plain; x={}\r\n\r\n", "a".repeat(n)));
    assert_eq!(excess(&wide(8_000)), [""; 0]);
    assert_eq!(excess(&wide(9_000)), ["parameters"]);
    let subject = |n: usize| mail(format!("Subject: {}\r\n\r\n", "a".repeat(n)));
    assert_eq!(excess(&subject(8_000)), [""; 0]);
    assert_eq!(excess(&subject(9_000)), ["text"]);
    assert_eq!(excess(&part(60_000)), [""; 0]);
    assert_eq!(excess(&part(70_000)), ["head"]);
}

#[test]
fn a_thousand_links_that_nobody_sees_do_not_push_out_the_one_that_is_clicked() {
    let decoys: String = (0..2_000)
        .map(|n| format!("<p hidden>http://x{n}.example.com/</p>"))
        .collect();
    let message = html(&format!("{decoys}<a href='http://evil.example.net/'>x</a>"));
    let links = message.reading(&|| false).links();
    assert!(links.is_cut());
    assert_eq!(links.iter().len(), reading::LINKS_MAX);
    assert_eq!(links.iter().next().unwrap().domain.as_deref(), Some("example.net"));
}

#[test]
fn when_the_time_is_over_the_reading_ends_and_says_so() {
    let many: String = (0..2_000).map(|n| format!("<p>http://x{n}.example.com/</p>")).collect();
    let whole = html(&many);
    let cut = html(&many);
    let (whole, cut) = (whole.reading(&|| false), cut.reading(&|| true));
    assert!(cut.excess().time && !whole.excess().time);
    assert!(cut.text().len() < whole.text().len());
    assert!(whole.text().starts_with(cut.text().trim_end()));
}

#[test]
fn the_time_is_asked_for_while_no_link_is_found_and_within_long_links() {
    let wide = "\u{4f60}";
    for body in [
        format!("{wide}\u{3002}").repeat(20_000),
        "a.b:".repeat(20_000),
        format!("http://{} ", wide.repeat(600)).repeat(60),
        (0..30)
            .map(|n| format!("http://x{n}.example.com/{} ", "http:/a%2525".repeat(500)))
            .collect(),
        "x".repeat(300_000),
    ] {
        for head in [
            "Content-Type: text/plain; charset=utf-8\r\n\r\n",
            "Content-Type: text/html; charset=utf-8\r\n\r\n",
        ] {
            let asked = Cell::new(0);
            let message = mail(format!("{head}{body}"));
            message.reading(&|| {
                asked.set(asked.get() + 1);
                false
            });
            assert!(
                asked.get() * 20_000 > body.len(),
                "{} of {}: {:.40}",
                asked.get(),
                body.len(),
                body
            );
        }
    }
}

/// A body in a file, which gives as much as it likes.
#[derive(Debug)]
struct File(Bytes, u64);

impl Content for File {
    fn len(&self) -> u64 {
        self.1
    }
    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let most = out.len().min(1_000);
        self.0.read_at(at, &mut out[..most])
    }
}

fn filed(octets: &[u8], more: u64) -> Message {
    let (head, body) = octets.split_at(split(octets));
    let len = body.len() as u64 + more;
    Message::new(
        Bytes::copy_from_slice(head),
        Arc::new(File(Bytes::copy_from_slice(body), len)),
    )
}

#[test]
fn a_body_in_a_file_reads_as_one_in_memory() {
    let long = "long line ".repeat(20_000);
    let octets = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\n{long}\r\n--b\r\n\r\nhttp://a.example.org/\r\n--b--"
    );
    let (memory, file) = (mail(octets.clone()), filed(octets.as_bytes(), 0));
    let (memory, file) = (memory.reading(&|| false), file.reading(&|| false));
    assert_eq!((memory.text(), memory.parts()), (file.text(), file.parts()));
    assert_eq!(file.links().iter().len(), 1);
    assert!(!file.excess().any());
}

#[test]
fn a_file_that_ends_early_is_told() {
    let message = filed(b"\r\nhttp://a.example.org/\r\n", 1);
    assert_eq!(excess(&message), ["unread"]);
    assert_eq!(message.reading(&|| false).links().iter().len(), 1);
}

#[test]
fn the_registrable_domain_is_one_label_above_the_public_suffix() {
    for (name, domain) in [
        ("example.com", Some("example.com")),
        ("a.b.Example.COM", Some("Example.COM")),
        ("a.example.co.uk", Some("example.co.uk")),
        ("co.uk", None),
        ("com", None),
        (".example.com", None),
        ("", None),
        ("a.b.unlisted", Some("b.unlisted")),
        ("a.example.\u{516c}\u{53f8}.cn", Some("example.\u{516c}\u{53f8}.cn")),
        ("a.example.xn--55qx5d.cn", Some("example.xn--55qx5d.cn")),
        ("xn--55qx5d.cn", None),
        ("a.example.com.", Some("example.com")),
    ] {
        assert_eq!(registrable(name), domain, "{name}");
    }
}
