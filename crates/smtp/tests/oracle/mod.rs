//! Slow, obvious definitions of what the wire half does, and the laws that hold it to them.
//!
//! Each law takes what a stranger may send and panics where the crate departs from its definition; proptest and the
//! fuzz targets call the same functions.
#![allow(dead_code, unused_imports, reason = "each test and fuzz target uses its part")]

mod proxy_header;

use gatepost_smtp::address::{Address, BadAddress, Domain, Path};
use gatepost_smtp::body::{BodyReader, BodyWriter, Notes, Strictness, Treat};
use gatepost_smtp::command::{self, BadCommand, Command};
use gatepost_smtp::line::{LineFault, Lines};
use gatepost_smtp::offer::Offer;
use gatepost_smtp::reply::{BadReply, Reply, ReplyReader};

pub use proxy_header::proxy_header_is_the_definition;

/// Cuts `bytes` into pieces of the given lengths, again and again; no lengths, no cuts.
pub fn cut<'a>(bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, tail) = rest.split_at((*length).clamp(1, rest.len()));
        pieces.push(piece);
        rest = tail;
    }
    if !rest.is_empty() {
        pieces.push(rest);
    }
    pieces
}

/// The first place where `needle` stands in `bytes`.
pub fn find(bytes: &[u8], needle: &[u8]) -> Option<usize> {
    bytes.windows(needle.len()).position(|w| w == needle)
}

// Bodies

/// What follows 354, by definition.
#[derive(PartialEq, Eq, Debug)]
pub struct Body {
    pub content: Vec<u8>,
    /// How many octets belong to the message, its end included; `None` if it has not ended.
    pub ended: Option<usize>,
    pub notes: Notes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Delimiter {
    CrLf,
    Cr,
    Lf,
}

/// The lines of what came, each with what ended it; the last may be without.
fn split(bytes: &[u8]) -> Vec<(&[u8], Option<Delimiter>)> {
    let (mut lines, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let stop = rest.iter().position(|b| matches!(b, b'\r' | b'\n'));
        let (line, tail) = rest.split_at(stop.unwrap_or(rest.len()));
        let (end, length) = match tail {
            [b'\r', b'\n', ..] => (Some(Delimiter::CrLf), 2),
            [b'\r', ..] => (Some(Delimiter::Cr), 1),
            [_, ..] => (Some(Delimiter::Lf), 1),
            [] => (None, 0),
        };
        lines.push((line, end));
        rest = &tail[length..];
    }
    lines
}

fn without_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.iter().copied().filter(|b| *b != 0).collect()
}

/// The definition of a body: find the end in the bytes as they came, then take it line by line.
pub fn body(input: &[u8]) -> Body {
    let end = find(&[b"\r\n", input].concat(), b"\r\n.\r\n");
    // A CR at the end of what came so far may be half a line end: it is not known yet.
    let before_end = match end {
        Some(at) => &input[..at],
        None => input.strip_suffix(b"\r").unwrap_or(input),
    };
    let (mut content, mut notes) = (Vec::new(), Notes::default());
    let mut before = Delimiter::CrLf;
    for (line, after) in split(before_end) {
        let clean = without_nul(line);
        let exact = before == Delimiter::CrLf && after == Some(Delimiter::CrLf) && clean == line;
        notes.nul |= clean != line;
        notes.bare_cr |= after == Some(Delimiter::Cr);
        notes.bare_lf |= after == Some(Delimiter::Lf);
        notes.near_miss |= clean == b"." && after.is_some() && !exact;
        let stuffed = before == Delimiter::CrLf && line.starts_with(b".");
        let text = if stuffed { &clean[1..] } else { &clean };
        notes.long_line |= text.len() > 998;
        content.extend_from_slice(text);
        if let Some(after) = after {
            content.extend_from_slice(b"\r\n");
            before = after;
        }
    }
    Body {
        content,
        ended: end.map(|at| at + 5 - 2),
        notes,
    }
}

/// The definition of what goes upstream: each line with its dot doubled and CR LF, then the dot line.
pub fn encoded(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for (line, end) in split(content) {
        let clean = without_nul(line);
        if clean.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(&clean);
        if end.is_some() || !clean.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
    }
    out.extend_from_slice(b".\r\n");
    out
}

/// Every line ends in CR LF, and there is no other CR, LF or NUL.
pub fn is_canonical(content: &[u8]) -> bool {
    let text: Vec<u8> = String::from_utf8_lossy(content).replace("\r\n", "").into_bytes();
    (content.is_empty() || content.ends_with(b"\r\n")) && !text.iter().any(|b| matches!(b, b'\r' | b'\n' | 0))
}

/// The reader is the definition, for every input and every cut, and within its bound.
pub fn body_reader_is_the_definition(input: &[u8], cuts: &[usize]) {
    let expected = body(input);
    for bare_lf in [Treat::Normalise, Treat::Refuse] {
        for rest in [Treat::Normalise, Treat::Refuse] {
            let mut reader = BodyReader::new(Strictness { bare_lf, rest });
            let (mut content, mut used, mut ended) = (Vec::new(), 0, false);
            for piece in cut(input, cuts) {
                let before = content.len();
                let progress = reader.read(piece, &mut content);
                assert!(content.len() - before <= 2 * piece.len() + 4, "more than promised");
                assert!(progress.ended || progress.used == piece.len(), "not all was used");
                used += progress.used;
                ended = progress.ended;
                if ended {
                    break;
                }
            }
            assert_eq!(ended.then_some(used), expected.ended, "the end");
            assert_eq!(content, expected.content, "the content");
            assert_eq!(reader.notes(), expected.notes);
            let Notes {
                bare_lf: lf,
                bare_cr,
                nul,
                near_miss,
                ..
            } = expected.notes;
            assert_eq!(
                reader.refused(),
                (lf && bare_lf == Treat::Refuse) || ((bare_cr || nul || near_miss) && rest == Treat::Refuse),
            );
            if ended {
                assert!(is_canonical(&content), "not canonical");
                one_message(&wire(&[&content]));
            }
        }
    }
}

/// What the writer makes of pieces of content.
pub fn wire(pieces: &[&[u8]]) -> Vec<u8> {
    let (mut writer, mut out) = (BodyWriter::new(), Vec::new());
    for piece in pieces {
        writer.write(piece, &mut out);
    }
    writer.finish(&mut out);
    out
}

/// Whoever reads this after 354, strictly or however laxly, sees one message and nothing behind it.
pub fn one_message(wire: &[u8]) {
    let seen = [b"\r\n", wire].concat();
    let strict = seen.windows(5).filter(|w| w == b"\r\n.\r\n").count();
    assert_eq!(strict, 1, "CR LF . CR LF must occur once");
    assert!(seen.ends_with(b"\r\n.\r\n"));
    let without_nul = without_nul(&seen);
    for lax in [
        &b"\n.\n"[..],
        b"\n.\r\n",
        b"\n.\r",
        b"\r\n.\n",
        b"\r.\r",
        b"\r.\r\n",
        b"\r.\n",
        b"\r\n.\r",
        b"\r\n.\r\r\n",
        b"\r\r\n.\r\r\n",
        b"\n\n.\n\n",
    ] {
        // A server that takes this for the end may be one octet early at the true end, and nowhere else.
        for seen in [&seen, &without_nul] {
            let end = find(seen, lax).map_or(seen.len(), |at| at + lax.len());
            assert!(end + 1 >= seen.len(), "{lax:?} ends it early");
        }
    }
    // The laxest of all: any CR, LF or both end a line, NULs are not there.
    let text = String::from_utf8_lossy(&without_nul)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    let dots: Vec<usize> = text
        .split('\n')
        .enumerate()
        .filter(|(_, l)| *l == ".")
        .map(|(n, _)| n)
        .collect();
    assert_eq!(dots, [text.split('\n').count() - 2], "a lax server sees another end");
}

/// The writer is the definition; one message for any content; the same bytes for every cut; canonical content comes
/// back unchanged.
pub fn body_writer_makes_one_message(content: &[u8], cuts: &[usize]) {
    let out = wire(&[content]);
    assert_eq!(out, encoded(content));
    one_message(&out);
    assert_eq!(out, wire(&cut(content, cuts)), "the cut changes the bytes");
    let mut reader = BodyReader::new(Strictness {
        bare_lf: Treat::Refuse,
        rest: Treat::Refuse,
    });
    let mut back = Vec::new();
    let progress = reader.read(&out, &mut back);
    assert!(progress.ended && progress.used == out.len() && !reader.refused());
    assert!(is_canonical(&back));
    if is_canonical(content) {
        assert_eq!(back, content, "canonical content must come back");
    }
    assert_eq!(wire(&[&back]), out, "what was read is written as it was");
}

// Lines

/// The definition of lines: each LF ends one.
pub fn lines(input: &[u8], limit: usize, lf: bool) -> Vec<Result<Vec<u8>, LineFault>> {
    let mut parts: Vec<&[u8]> = input.split(|b| *b == b'\n').collect();
    parts.pop(); // what no LF ends is no line yet
    parts
        .into_iter()
        .map(|part| {
            let text = part.strip_suffix(b"\r").unwrap_or(part);
            if text.len() > limit {
                Err(LineFault::TooLong)
            } else if let Some(control) = text.iter().find(|b| b.is_ascii_control()) {
                Err(if *control == b'\r' {
                    LineFault::BareCr
                } else {
                    LineFault::Control
                })
            } else if text.len() == part.len() && !lf {
                Err(LineFault::BareLf)
            } else {
                Ok(text.to_vec())
            }
        })
        .collect()
}

/// The line reader is the definition for every cut, and never holds more than the limit of an unfinished line.
pub fn lines_are_the_definition(input: &[u8], cuts: &[usize], limit: usize, lf: bool) {
    let mut reader = Lines::new();
    let mut read = Vec::new();
    for piece in cut(input, cuts) {
        reader.give(piece);
        while let Some(line) = reader.next(limit, lf) {
            read.push(line.map(<[u8]>::to_vec));
        }
        assert!(
            reader.pending() <= limit + 1,
            "an unfinished line is held beyond the limit"
        );
    }
    assert_eq!(read, lines(input, limit, lf));
    // What is held is the unfinished line, unless it is too long.
    let tail = input.rsplit(|b| *b == b'\n').next().unwrap_or_default();
    let tail = if tail.len() > limit + 1 { b"" } else { tail };
    assert_eq!(reader.unread(), tail);
    assert_eq!(reader.take(), tail);
}

// Replies

/// What the definition makes of one reply: its code and its lines of text, enhanced codes still on them.
pub type Told = Result<(u16, Vec<String>), BadReply>;

/// The definition of what an upstream says.
pub fn replies(input: &[u8]) -> Vec<Told> {
    let mut parts: Vec<&[u8]> = input.split(|b| *b == b'\n').collect();
    parts.pop();
    let (mut told, mut current): (Vec<Told>, Option<(u16, Vec<String>)>) = (Vec::new(), None);
    for part in parts {
        let line = part.strip_suffix(b"\r").unwrap_or(part);
        let line = &line[..line.len().min(ReplyReader::MAX_LINE)];
        let digits = line.get(..3).filter(|d| d.iter().all(u8::is_ascii_digit));
        let code = digits.and_then(|d| std::str::from_utf8(d).ok()?.parse().ok());
        let (Some(code @ 200..=599), None | Some(b' ' | b'-')) = (code, line.get(3)) else {
            told.push(Err(BadReply::Malformed));
            return told;
        };
        let (first, mut texts) = current.take().unwrap_or((code, Vec::new()));
        if first != code {
            told.push(Err(BadReply::MixedCodes));
            return told;
        }
        if texts.len() == ReplyReader::MAX_LINES {
            told.push(Err(BadReply::TooLong));
            return told;
        }
        texts.push(String::from_utf8_lossy(line.get(4..).unwrap_or_default()).into_owned());
        if line.get(3) == Some(&b'-') {
            current = Some((code, texts));
        } else {
            told.push(Ok((code, texts)));
        }
    }
    told
}

/// One reply, legal to the strictest reader (RFC 5321 §4.2).
pub fn is_one_legal_reply(wire: &[u8]) -> bool {
    let Some(whole) = wire.strip_suffix(b"\r\n") else {
        return false;
    };
    let whole = String::from_utf8_lossy(whole);
    let lines: Vec<&str> = whole.split("\r\n").collect();
    let last = lines.len() - 1;
    lines.len() <= Reply::MAX_LINES
        && lines.iter().enumerate().all(|(n, line)| {
            let (code, mark) = (line.get(..3), line.get(3..4));
            line.len() <= 510
                && line.bytes().all(|b| matches!(b, b' '..=b'~'))
                && code == lines[0].get(..3)
                && code.is_some_and(|c| c.parse().is_ok_and(|c: u16| (200..=599).contains(&c)))
                && mark == Some(if n == last { " " } else { "-" })
        })
}

/// The reply reader is the definition for every cut and within its bounds; each reply can be passed on as one legal
/// reply of the same code, which reads back as itself.
pub fn replies_are_the_definition(input: &[u8], cuts: &[usize]) {
    let mut reader = ReplyReader::new();
    let mut read = Vec::new();
    for piece in cut(input, cuts) {
        reader.give(piece);
        read.extend(std::iter::from_fn(|| reader.next()));
        let bound = ReplyReader::MAX_KEPT + ReplyReader::MAX_LINE + 2;
        assert!(reader.pending() <= bound, "too much is held");
    }
    let told = replies(input);
    assert_eq!(read.len(), told.len(), "{read:?} {told:?}");
    offers_are_replies(input, &read);
    for (reply, told) in read.iter().zip(&told) {
        match (reply, told) {
            (Ok(reply), Ok((code, texts))) => {
                assert_eq!(reply.code(), *code);
                if reply.enhanced().is_none() && texts.len() <= Reply::MAX_LINES {
                    assert_eq!(*reply, Reply::new(*code, None, texts.join("\n")));
                }
                reply_can_be_passed_on(reply);
            }
            (bad, told) => assert_eq!(bad.as_ref().err(), told.as_ref().err()),
        }
    }
}

/// Read as answers to EHLO they are the same replies, and what they offer can be offered on in one legal reply.
fn offers_are_replies(input: &[u8], replies: &[Result<Reply, BadReply>]) {
    let mut reader = ReplyReader::new();
    reader.give(input);
    let offers: Vec<_> = std::iter::from_fn(|| reader.next_offer()).collect();
    assert_eq!(offers.len(), replies.len());
    for (read, reply) in offers.iter().zip(replies) {
        assert_eq!(read.as_ref().map(|(reply, _)| reply), reply.as_ref());
        if let Ok((_, offer)) = read {
            assert!(offer.auth.len() <= Offer::MAX_WORDS);
            for tls in [false, true] {
                let mut wire = Vec::new();
                offer.write_ehlo("mx.example", tls, &mut wire);
                assert!(is_one_legal_reply(&wire), "{offer:?}");
            }
        }
    }
}

/// One legal reply on the wire, whatever it was made from; it reads back as itself.
pub fn reply_can_be_passed_on(reply: &Reply) {
    for enhanced in [false, true] {
        let mut wire = Vec::new();
        reply.write(&mut wire, enhanced);
        assert!(is_one_legal_reply(&wire), "{:?}", String::from_utf8_lossy(&wire));
    }
    let reply = reply.clone().coded();
    let mut wire = Vec::new();
    reply.write(&mut wire, true);
    let mut reader = ReplyReader::new();
    reader.give(&wire);
    let back = reader.next().and_then(Result::ok).expect("our own reply");
    assert_eq!((back.code(), reader.pending(), reader.next()), (reply.code(), 0, None));
    if let (Some(enhanced), false) = (reply.enhanced(), reply.text().is_empty()) {
        assert_eq!((back.enhanced(), back.text()), (Some(enhanced), reply.text()));
    }
}

// Addresses and commands

/// What an address is written as parses to the same address and is written the same again, and has nothing in it that
/// ends a line or a path.
pub fn address_comes_back(text: &str) {
    if let Ok(address) = Address::parse(text, false) {
        assert_eq!(
            Address::parse(text, true),
            Ok(address.clone()),
            "SMTPUTF8 changes ASCII"
        );
        assert!(text.is_ascii() && !address.needs_utf8());
    }
    let address = match Address::parse(text, true) {
        Ok(address) => address,
        Err(bad) => {
            assert_ne!(bad, BadAddress::NotAscii);
            assert!(bad != BadAddress::Control || text.chars().any(|c| !matches!(c, ' '..='~')));
            return;
        }
    };
    let written = address.to_string();
    let domain = address.domain().to_string();
    assert!(!written.chars().any(char::is_control));
    assert!(written.len() <= 254 && written.len() - domain.len() <= 65 && domain.len() <= 255);
    let again = Address::parse(&written, true).expect("what is written is an address");
    assert_eq!((&again, again.local()), (&address, address.local()));
    assert_eq!(again.to_string(), written);
    assert_eq!(address.needs_utf8(), !written.is_ascii());
    assert!(written.ends_with(&format!("@{}", address.domain())));
    assert_eq!(
        Domain::parse(&address.domain().to_string(), true).as_ref(),
        Ok(address.domain())
    );
    let path = Path::Mailbox(address);
    assert_eq!(Path::forward(&written, true).as_ref(), Ok(&path));
    assert_eq!(Path::reverse(&format!("@a,@[IPv6:::1]:{written}"), true), Ok(path));
}

/// An offer of everything that has parameters.
pub fn full_offer() -> Offer {
    Offer::parse(["SIZE 1000", "8BITMIME", "SMTPUTF8", "DSN", "AUTH PLAIN", "PRDR"])
}

/// A command is what its first word says, holds nothing that the offer forbids, and what is written of it for an
/// upstream is one line that parses to the same values.
pub fn command_comes_back(line: &[u8]) {
    let (offer, none) = (full_offer(), Offer::default());
    let parsed = Command::parse(line, &offer);
    match Command::parse(line, &none) {
        Ok(command) => {
            assert_eq!(Ok(&command), parsed.as_ref(), "an offer changes what needs none");
            if let Command::Mail(_, params) = &command {
                assert_eq!(*params, command::MailParams::default());
            }
        }
        Err(bad) => {
            assert!(parsed.is_ok() || parsed == Err(bad) || bad == BadCommand::NotAscii || bad == BadCommand::Parameter)
        }
    }
    let Ok(command) = parsed else {
        let bad = parsed.err().map(BadCommand::reply).expect("an error");
        assert!(bad.is_permanent() || bad.code() == 421);
        return;
    };
    assert!(!line.iter().any(u8::is_ascii_control));
    let said = String::from_utf8_lossy(line).to_ascii_uppercase();
    let said = said.split(' ').next().unwrap_or_default();
    let mut out = Vec::new();
    let verb = match &command {
        Command::Helo(helo) => {
            assert!((1..=255).contains(&helo.name.len()));
            assert!(!helo.name.chars().any(|c| c.is_control() || c.is_whitespace()));
            if helo.extended { "EHLO" } else { "HELO" }
        }
        Command::Mail(from, params) => {
            command::mail_line(from, params, &offer, &mut out);
            "MAIL"
        }
        Command::Rcpt(to, params) => {
            command::rcpt_line(to, params, &offer, &mut out);
            "RCPT"
        }
        Command::Data => "DATA",
        Command::Rset => "RSET",
        Command::Noop => "NOOP",
        Command::Quit => "QUIT",
        Command::Vrfy => "VRFY",
        Command::Expn => "EXPN",
        Command::Help => "HELP",
        Command::StartTls => "STARTTLS",
        Command::Auth(..) => "AUTH",
        Command::Etrn(_) => "ETRN",
        Command::NotOffered => said,
    };
    assert_eq!(said, verb);
    if !out.is_empty() {
        let line = out.strip_suffix(b"\r\n").expect("a whole line");
        assert!(!line.iter().any(u8::is_ascii_control), "more than one line");
        assert_eq!(Command::parse(line, &offer), Ok(command));
        plain_line_is_one_too(line, &none);
    }
}

/// With nothing offered only the path is left.
fn plain_line_is_one_too(line: &[u8], none: &Offer) {
    let Ok(command) = Command::parse(line, &full_offer()) else {
        return;
    };
    let mut out = Vec::new();
    match &command {
        Command::Mail(from, params) => command::mail_line(from, params, none, &mut out),
        Command::Rcpt(to, params) => command::rcpt_line(to, params, none, &mut out),
        _ => {}
    }
    assert!(out.ends_with(b">\r\n"));
    assert_eq!(out.iter().filter(|b| b.is_ascii_control()).count(), 2);
}
