//! A letter of ours as a mail (RFC 5322, RFC 2045, RFC 3834).
//!
//! **Invariants:** whatever its texts hold, the mail has the fields that are written here and no others, no line of more
//! than 998 octets, and ends where its text ends. Whoever answers machines is told not to. **Absent on purpose:** to whom,
//! by which way, and whether at all.

use gatepost_core::message::{Field, Message, Name, date};
use gatepost_core::{Address, Fault, Letter};

/// The most octets of a letter's text, and of its HTML.
const TEXT_MAX: usize = 8 << 20;
/// The most octets of an encoded line (RFC 2045 section 6.7), its line end left out.
const LINE: usize = 76;
/// The most octets of a Message-ID that is answered; a longer one is left out.
const ID_MAX: usize = 900;
/// The most characters of a language's tag (RFC 5646 section 4.4.1 wants 35 to be enough).
const LANGUAGE_MAX: usize = 35;

/// What a letter is composed with.
pub struct Paper<'a> {
    /// The name beside the author's address.
    pub name: &'a str,
    /// Our host name.
    pub hostname: &'a str,
    /// A number that no other letter has.
    pub number: u64,
    /// When, in milliseconds since the epoch.
    pub at_millis: u64,
}

/// The letter as a mail. A fault where it cannot be written.
pub fn compose(letter: &Letter, paper: &Paper<'_>) -> Result<Message, Fault> {
    let longest = letter.text.len().max(letter.html.as_ref().map_or(0, String::len));
    if longest > TEXT_MAX {
        return Err(Fault::Broken(format!(
            "a letter of {longest} octets, and at most {TEXT_MAX} are sent"
        )));
    }
    let from = format!("{}@{}", letter.from, letter.to.domain());
    let from = Address::parse(&from, true)
        .map_err(|_| Fault::Broken(format!("`{}` is no name that an address can have", letter.from)))?;
    let Paper {
        name,
        hostname,
        number,
        at_millis,
    } = paper;
    let mut out = Vec::with_capacity(1024 + letter.text.len() + letter.html.as_ref().map_or(0, String::len));
    // The name, as words that may stand there; the address is put below it.
    out.extend_from_slice(written("From", |field| Field::text(field, name)).trim_ascii_end());
    // What an address displays holds no control character, and is shorter than a line.
    out.extend_from_slice(format!("\r\n <{from}>\r\nTo: <{}>\r\n", letter.to).as_bytes());
    let mut field = |name: &'static str, value: &str| {
        out.extend(written(name, |name| Field::structured(name, value)));
    };
    field("Date", &date(*at_millis));
    field("Message-ID", &format!("<{at_millis:x}.{number:016x}@{hostname}>"));
    let answered = letter.in_reply_to.as_deref().and_then(message_id);
    if let Some(id) = answered {
        field("In-Reply-To", id);
        field("References", id);
    }
    field(
        "Auto-Submitted",
        if letter.in_reply_to.is_some() {
            "auto-replied"
        } else {
            "auto-generated"
        },
    );
    field("X-Auto-Response-Suppress", "All");
    field("X-Gatepost-Report", "yes");
    if let Some(language) = letter.language.as_deref().filter(|tag| is_language(tag)) {
        field("Content-Language", language);
    }
    field("MIME-Version", "1.0");
    out.extend(written("Subject", |name| Field::text(name, &letter.subject)));
    match &letter.html {
        None => part(&mut out, "plain", &letter.text),
        Some(html) => {
            // No encoded line begins so: behind `=` there are two digits or the end of the line.
            let boundary = format!("=_{number:016x}");
            out.extend_from_slice(
                format!("Content-Type: multipart/alternative;\r\n boundary=\"{boundary}\"\r\n\r\n").as_bytes(),
            );
            for (kind, text) in [("plain", &letter.text), ("html", html)] {
                out.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
                part(&mut out, kind, text);
            }
            out.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        }
    }
    Ok(Message::from_bytes(out))
}

/// A field as it is on the wire; nothing for a name that is no name, which ours are not.
fn written(name: &'static str, field: impl FnOnce(&Name) -> Field) -> Vec<u8> {
    Name::new(name).map_or(Vec::new(), |name| field(&name).as_bytes().to_vec())
}

/// The id of a mail that is answered, where it is one.
fn message_id(text: &str) -> Option<&str> {
    let id = text.trim();
    let inner = id.strip_prefix('<')?.strip_suffix('>')?;
    let is_plain = inner
        .bytes()
        .all(|octet| matches!(octet, b'!'..=b'~') && !matches!(octet, b'<' | b'>'));
    (is_plain && !inner.is_empty() && id.len() <= ID_MAX).then_some(id)
}

fn is_language(tag: &str) -> bool {
    let is_part = |octet: u8| octet.is_ascii_alphanumeric() || octet == b'-';
    !tag.is_empty() && tag.len() <= LANGUAGE_MAX && tag.bytes().all(is_part)
}

/// A part of text with its fields.
fn part(out: &mut Vec<u8>, kind: &str, text: &str) {
    let fields =
        format!("Content-Type: text/{kind}; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n");
    out.extend_from_slice(fields.as_bytes());
    let mut lines = text.split('\n').peekable();
    while let Some(line) = lines.next() {
        let line = line.strip_suffix('\r').unwrap_or(line);
        // Behind the last line end there is no line.
        if line.is_empty() && lines.peek().is_none() {
            break;
        }
        quoted(out, line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

/// A line in quoted-printable, with soft line ends where it is long.
fn quoted(out: &mut Vec<u8>, line: &[u8]) {
    let mut column = 0;
    for (at, octet) in line.iter().enumerate() {
        let is_last = at + 1 == line.len();
        let stands = match octet {
            b'=' => false,
            b' ' | b'\t' => !is_last,
            b'!'..=b'~' => true,
            _ => false,
        };
        let width = if stands { 1 } else { 3 };
        // Room for the soft line end's own sign.
        if column + width >= LINE {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        if stands {
            out.push(*octet);
        } else {
            out.extend_from_slice(format!("={octet:02X}").as_bytes());
        }
        column += width;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    const PAPER: Paper<'static> = Paper {
        name: "Gatepost",
        hostname: "mx.example.org",
        number: 7,
        at_millis: 1_234_567_890_000,
    };

    fn letter(subject: &str, text: &str) -> Letter {
        let to = Address::parse("bob@example.org", true).expect("an address");
        Letter::new(to, subject, text)
    }

    fn composed(letter: &Letter, paper: &Paper<'_>) -> String {
        let message = compose(letter, paper).expect("a letter");
        let mut out = String::new();
        message.read().read_to_string(&mut out).expect("UTF-8");
        out
    }

    /// What quoted-printable text says.
    fn said(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        for line in text.split_inclusive("\r\n") {
            let (line, end) = match line.strip_suffix("=\r\n") {
                Some(line) => (line, ""),
                None => (line.strip_suffix("\r\n").expect("a line end"), "\n"),
            };
            let mut rest = line;
            while let Some((before, coded)) = rest.split_once('=') {
                out.extend_from_slice(before.as_bytes());
                out.push(u8::from_str_radix(&coded[..2], 16).expect("two digits"));
                rest = &coded[2..];
            }
            out.extend_from_slice(rest.as_bytes());
            out.extend_from_slice(end.as_bytes());
        }
        out
    }

    fn names(mail: &str) -> Vec<&str> {
        let head = mail.split("\r\n\r\n").next().expect("a head");
        let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        lines.map(|line| line.split_once(':').expect("a field").0).collect()
    }

    #[test]
    fn a_reply_says_what_it_is_and_whom_it_answers() {
        let mut letter = letter("Grüße", "Hello,\n\n.\nüber = alles \nend");
        letter.from = "assp-spam".into();
        letter.in_reply_to = Some("<1@there.example>".into());
        letter.language = Some("de".into());
        let want = "From: Gatepost\r\n <assp-spam@example.org>\r\nTo: <bob@example.org>\r\n\
                    Date: Fri, 13 Feb 2009 23:31:30 +0000\r\nMessage-ID: <11f71fb0450.0000000000000007@mx.example.org>\r\n\
                    In-Reply-To: <1@there.example>\r\nReferences: <1@there.example>\r\nAuto-Submitted: auto-replied\r\n\
                    X-Auto-Response-Suppress: All\r\nX-Gatepost-Report: yes\r\nContent-Language: de\r\n\
                    MIME-Version: 1.0\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
                    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                    Hello,\r\n\r\n.\r\n=C3=BCber =3D alles=20\r\nend\r\n";
        assert_eq!(composed(&letter, &PAPER), want);
    }

    #[test]
    fn a_letter_of_its_own_accord_says_so_and_carries_both_texts() {
        let mut letter = letter("Report", "plain\n");
        letter.html = Some("<p>rich</p>".into());
        let mail = composed(&letter, &PAPER);
        assert!(mail.contains("Auto-Submitted: auto-generated\r\n"), "{mail}");
        assert!(!mail.contains("In-Reply-To"), "{mail}");
        let parts: Vec<&str> = mail.split("--=_0000000000000007").collect();
        assert_eq!(parts.len(), 4, "{mail}");
        assert!(
            parts[1].contains("text/plain") && parts[1].ends_with("\r\n\r\nplain\r\n"),
            "{mail}"
        );
        assert!(
            parts[2].contains("text/html") && parts[2].ends_with("<p>rich</p>\r\n"),
            "{mail}"
        );
        assert_eq!(parts[3], "--\r\n");
    }

    #[test]
    fn an_id_or_a_language_that_is_none_is_left_out() {
        for bad in [
            "",
            "1@b",
            "<>",
            "<a b>",
            "<a>\r\nX: <b>",
            "<a><b>",
            &format!("<{}>", "a".repeat(ID_MAX)),
        ] {
            let mut letter = letter("s", "t");
            letter.in_reply_to = Some(bad.into());
            letter.language = Some(format!("de{bad} ").into());
            let mail = composed(&letter, &PAPER);
            assert!(
                !mail.contains("In-Reply-To") && !mail.contains("Content-Language"),
                "{mail}"
            );
            assert!(mail.contains("auto-replied"), "it is an answer all the same: {mail}");
        }
    }

    #[test]
    fn a_name_that_is_not_ascii_is_written_so_that_readers_show_it() {
        let paper = Paper {
            name: "Müllers Torwächter",
            ..PAPER
        };
        let mail = composed(&letter("s", "t"), &paper);
        assert!(
            mail.starts_with("From: =?utf-8?q?M=C3=BCllers_Torw=C3=A4chter?=\r\n <gatepost@example.org>\r\n"),
            "{mail}"
        );
    }

    #[test]
    fn a_letter_that_is_too_long_or_from_nobody_is_not_written() {
        let mut bad = letter("s", "t");
        bad.from = "a b>\r\nX: <c".into();
        assert!(compose(&bad, &PAPER).is_err());
        assert!(compose(&letter("s", &"x".repeat(TEXT_MAX + 1)), &PAPER).is_err());
    }

    proptest! {
        #[test]
        fn no_text_can_add_a_field_end_the_mail_or_be_changed(
            subject in any::<String>(),
            text in "(\\PC|[\r\n\t .=-]|--=_|\u{85}|\u{0}){0,400}",
            html in proptest::option::of("(\\PC|[\r\n.]){0,200}"),
            id in proptest::option::of("\\PC{0,80}"),
            language in proptest::option::of("\\PC{0,10}"),
            name in "(\\PC|[\r\n]){1,64}",
        ) {
            let mut letter = letter(&subject, &text);
            letter.html.clone_from(&html);
            letter.in_reply_to = id;
            letter.language = language.map(Into::into);
            let mail = composed(&letter, &Paper { name: &name, ..PAPER });
            prop_assert!(mail.is_ascii());
            prop_assert!(mail.split("\r\n").all(|line| line.len() <= 998 && !line.contains(['\r', '\n'])));
            let found = names(&mail);
            const FIELDS: [&str; 15] = [
                "From", "To", "Date", "Message-ID", "In-Reply-To", "References", "Auto-Submitted",
                "X-Auto-Response-Suppress", "X-Gatepost-Report", "Content-Language", "MIME-Version", "Subject",
                "Content-Type", "Content-Transfer-Encoding", "Content-Type",
            ];
            let mut allowed = FIELDS.iter();
            prop_assert!(found.iter().all(|name| allowed.any(|field| field == name)), "{found:?}");
            let (_, body) = mail.split_once("\r\n\r\n").expect("a body");
            let normal = |text: &str| {
                let lines: Vec<&str> = text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect();
                let text = lines.join("\n");
                if text.is_empty() || text.ends_with('\n') { text } else { text + "\n" }
            };
            let bodies: Vec<Vec<u8>> = match html {
                None => vec![said(body)],
                Some(_) => body
                    .split("--=_0000000000000007\r\n")
                    .skip(1)
                    .map(|part| part.split_once("\r\n\r\n").expect("a part").1)
                    .map(|part| said(part.strip_suffix("--=_0000000000000007--\r\n").unwrap_or(part)))
                    .collect(),
            };
            let want: Vec<Vec<u8>> = [Some(text), html].into_iter().flatten().map(|text| normal(&text).into_bytes()).collect();
            prop_assert_eq!(bodies, want);
        }
    }
}
