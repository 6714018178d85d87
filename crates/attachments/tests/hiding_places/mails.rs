//! Mails with a part in them, some of which are read in two ways.

use crate::packed::Packed;
use crate::packed::encoded::base64;
use crate::parts::Part;

/// A way to put a part into a mail.
pub struct Frame {
    pub what: &'static str,
    /// Readers may see different files in it, so that it is a finding whatever is in it.
    pub doubtful: bool,
    pub frame: fn(Part, &Packed) -> Vec<u8>,
}

const HEAD: &str = "From: a@b.example\r\nTo: c@d.example\r\nSubject: Your papers\r\n\
                    Date: Mon, 5 Jan 2026 10:00:00 +0000\r\nMessage-ID: <1@b.example>\r\nMIME-Version: 1.0\r\n";
const HELLO: &str = "Content-Type: text/plain; charset=us-ascii\r\n\r\nHello, here they are.\r\n";

fn mail(fields: &str, body: &[&[u8]]) -> Vec<u8> {
    [HEAD.as_bytes(), fields.as_bytes(), b"\r\n", &body.concat()].concat()
}

fn mixed(part: &[u8]) -> Vec<u8> {
    mail(
        "Content-Type: multipart/mixed; boundary=b\r\n",
        &[b"--b\r\n", HELLO.as_bytes(), b"--b\r\n", part, b"--b--\r\n"],
    )
}

/// With other names; text with a file in it has none.
fn named(part: Part, typed: &str, disposition: &str) -> Vec<u8> {
    if part.is_text() {
        return mixed(&part.written());
    }
    let (typed, disposition) = (typed.to_owned(), disposition.to_owned());
    mixed(
        &Part {
            typed,
            disposition,
            ..part
        }
        .written(),
    )
}

/// A name before its last dot, and what stands behind it.
fn stem(file: &Packed) -> (&str, &str) {
    file.name.rsplit_once('.').expect("an extension")
}

fn renamed(part: Part, name: &str) -> Vec<u8> {
    named(
        part,
        &format!("; name=\"{name}\""),
        &format!("attachment; filename=\"{name}\""),
    )
}

/// The part between the lines of one boundary, and nothing but text between those of the other.
fn two(fields: &str, part: &Part) -> Vec<u8> {
    let other = b"--a\r\nContent-Type: text/plain\r\n\r\nNothing here.\r\n";
    let body = [
        other,
        &b"\r\n--b\r\n"[..],
        HELLO.as_bytes(),
        b"\r\n--b\r\n",
        &part.written(),
        b"\r\n--b--\r\n--a--\r\n",
    ];
    mail(fields, &body)
}

macro_rules! frame {
    ($what:literal, $doubtful:literal, $frame:expr) => {
        Frame {
            what: $what,
            doubtful: $doubtful,
            frame: $frame,
        }
    };
}

/// All of them.
pub const FRAMES: &[Frame] = &[
    frame!("honest", false, |part, _| mixed(&part.written())),
    frame!("a mail without parts", false, |part, _| {
        let part = part.written();
        [HEAD.as_bytes(), &part].concat()
    }),
    frame!("three multiparts deep", false, |part, _| {
        let mut inner = part.written();
        for name in ["x", "y", "z"] {
            let head = format!("Content-Type: multipart/mixed; boundary={name}\r\n\r\n--{name}\r\n");
            let end = format!("--{name}--\r\n");
            inner = [head.as_bytes(), &inner, end.as_bytes()].concat();
        }
        mixed(&inner)
    }),
    frame!("a mail within", false, |part, _| {
        let inner = mixed(&part.written());
        mixed(&[&b"Content-Type: message/rfc822\r\n\r\n"[..], &inner].concat())
    }),
    frame!("a mail within, in base64", true, |part, _| {
        let inner = base64(&mixed(&part.written()));
        let head = "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n";
        mixed(&[head.as_bytes(), inner.as_bytes()].concat())
    }),
    frame!("an alternative", false, |part, _| {
        let fields = "Content-Type: multipart/alternative; boundary=b\r\n";
        let body = [
            b"--b\r\n",
            &part.written()[..],
            b"--b\r\n",
            HELLO.as_bytes(),
            b"--b--\r\n",
        ];
        mail(fields, &body)
    }),
    frame!("no MIME-Version", false, |part, _| {
        let mail = String::from_utf8_lossy(HEAD.as_bytes()).replace("MIME-Version: 1.0\r\n", "");
        let rest = mixed(&part.written());
        [mail.as_bytes(), rest.get(HEAD.len()..).expect("a head")].concat()
    }),
    frame!("two boundaries in a field", true, |part, _| two(
        "Content-Type: multipart/mixed; boundary=a; boundary=b\r\n",
        &part
    )),
    frame!("two boundaries in a field, the other first", true, |part, _| two(
        "Content-Type: multipart/mixed; boundary=b; boundary=a\r\n",
        &part
    )),
    frame!("two Content-Types of multiparts", true, |part, _| two(
        "Content-Type: multipart/mixed; boundary=a\r\nContent-Type: multipart/mixed; boundary=b\r\n",
        &part
    )),
    frame!("two Content-Types, one of text", true, |part, _| two(
        "Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=b\r\n",
        &part
    )),
    frame!("a boundary by RFC 2231", true, |part, _| two(
        "Content-Type: multipart/mixed; boundary=a; boundary*=us-ascii''%62\r\n",
        &part
    )),
    frame!("a multipart without its last line", true, |part, _| {
        let mut mail = mixed(&part.written());
        mail.truncate(mail.len() - 7);
        mail
    }),
    frame!("before the first line", true, |part, _| mail(
        "Content-Type: multipart/mixed; boundary=b\r\n",
        &[&part.written(), b"--b\r\n", HELLO.as_bytes(), b"--b--\r\n"]
    )),
    frame!("behind the last line", true, |part, _| mail(
        "Content-Type: multipart/mixed; boundary=b\r\n",
        &[
            b"--b\r\n",
            HELLO.as_bytes(),
            b"--b--\r\n--b\r\n",
            &part.written(),
            b"--b--\r\n"
        ]
    )),
    frame!("a multipart that says base64", true, |part, _| mail(
        "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n",
        &[b"--b\r\n", HELLO.as_bytes(), b"--b\r\n", &part.written(), b"--b--\r\n"]
    )),
    frame!("a multipart that is base64", true, |part, _| {
        let inner = [b"--b\r\n", HELLO.as_bytes(), b"--b\r\n", &part.written(), b"--b--\r\n"].concat();
        mail(
            "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n",
            &[base64(&inner).as_bytes()],
        )
    }),
    frame!("two Content-Types of the part", true, |part, _| {
        let part = [&b"Content-Type: text/plain\r\n"[..], &part.written()].concat();
        mixed(&part)
    }),
    frame!("declared image/jpeg", true, |part, _| {
        let mime = match part.is_text() {
            true => part.mime.clone(),
            false => "image/jpeg".into(),
        };
        mixed(&Part { mime, ..part }.written())
    }),
    frame!("a name of RFC 2231 beside another", true, |part, file| {
        let coded: String = file.name.bytes().map(|octet| format!("%{octet:02X}")).collect();
        named(
            part,
            "; name=photo.jpg",
            &format!("attachment; filename=photo.jpg; filename*=utf-8''{coded}"),
        )
    }),
    frame!("a name of RFC 2231 in pieces", false, |part, file| {
        let (stem, extension) = stem(file);
        named(
            part,
            "",
            &format!("attachment; filename*0=\"{stem}.\"; filename*1=\"{extension}\""),
        )
    }),
    frame!("a name in encoded words", false, |part, file| {
        let coded = base64(file.name.as_bytes());
        let word = format!("=?utf-8?B?{}?=", coded.trim_end());
        renamed(part, &word)
    }),
    frame!("another name beside it", true, |part, file| {
        let name = &file.name;
        named(
            part,
            &format!("; name=\"{name}\""),
            "attachment; filename=\"photo.jpg\"",
        )
    }),
    frame!("no name", false, |part, _| named(part, "", "attachment")),
    frame!("a double extension", true, |part, file| {
        renamed(part, &format!("photo.jpg.{}", stem(file).1))
    }),
    frame!("a name that is turned round", true, |part, file| {
        renamed(part, &format!("photo\u{202e}gpj.{}", stem(file).1))
    }),
    frame!("a dot behind the name", true, |part, file| {
        renamed(part, &format!("{}.", file.name))
    }),
    frame!("spaces behind the name", false, |part, file| {
        renamed(part, &format!("{}   ", file.name))
    }),
    frame!("spaces within the name", true, |part, file| {
        renamed(part, &format!("photo.jpg{}.{}", " ".repeat(80), stem(file).1))
    }),
    frame!("a space behind the name of the field", true, |part, _| {
        let text = part.written();
        let at = "Content-Type".len();
        let (name, rest) = text.split_at(at);
        mixed(&[name, b" ", rest].concat())
    }),
];
