//! The parts of a report, as its own mail client wrote them.
//!
//! A report is written by one of our own people, so the usual reading of a mail is enough here: of two boundaries the
//! first, of two encodings the first. **Bounds:** [`PARTS_MAX`] parts, [`DEPTH_MAX`] multiparts within multiparts; each
//! octet is looked at once for each of these. Parts of a mail that is attached are that mail's own affair.

use std::sync::Arc;

use gatepost_core::message::{Headers, split};
use gatepost_core::{Bytes, Message};

/// Parts that are looked at.
pub(super) const PARTS_MAX: usize = 1_000;
/// Multiparts within multiparts.
const DEPTH_MAX: usize = 20;
/// Octets of a Content-Type that are looked at.
const FIELD_MAX: usize = 8_192;

/// What a part is to a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// What the reporter sees and writes; whether it is HTML.
    Text(bool),
    /// A mail.
    Mail,
    /// A file, which may be a mail.
    File,
    /// A mail may be in it, but cannot be had; why.
    Closed(&'static str),
    /// Nothing that can hold a mail.
    Ignored,
    /// There are more parts, and none of them is looked at.
    TooMany,
}

/// A part that is no multipart.
pub(super) struct Part<'a> {
    headers: Headers,
    mime: String,
    body: &'a [u8],
    beyond: bool,
}

/// The media type of a field, in lower case, and what stands behind it.
fn media_type(value: &[u8]) -> (String, String) {
    let value = String::from_utf8_lossy(value.get(..FIELD_MAX).unwrap_or(value)).into_owned();
    let (mime, rest) = value.split_once(';').unwrap_or((&value, ""));
    let mime = mime.split('(').next().unwrap_or_default();
    (mime.trim().to_ascii_lowercase(), rest.to_owned())
}

/// The value of a parameter, as it is written or between quotes.
pub(super) fn parameter(rest: &str, name: &str) -> Option<String> {
    let mut rest = rest;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (key, value) = rest.split_once('=')?;
        let value = value.trim_start();
        let (found, after) = match value.strip_prefix('"') {
            Some(quoted) => {
                let (mut found, mut end, mut escaped) = (String::new(), quoted.len(), false);
                for (at, one) in quoted.char_indices() {
                    match one {
                        _ if escaped => {
                            found.push(one);
                            escaped = false;
                        }
                        '\\' => escaped = true,
                        '"' => {
                            end = at;
                            break;
                        }
                        _ => found.push(one),
                    }
                }
                (found, quoted.get(end..).unwrap_or_default().trim_start_matches('"'))
            }
            None => {
                let end = value.find([';', ' ', '\t']).unwrap_or(value.len());
                let (found, after) = value.split_at(end);
                (found.to_owned(), after)
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(found);
        }
        rest = after.split_once(';').map(|(_, rest)| rest)?;
    }
}

/// The media type of a header section, and what stands behind it.
fn declared(headers: &Headers, otherwise: &str) -> (String, String) {
    match headers.get("Content-Type") {
        Some(field) => {
            let (mime, rest) = media_type(&field.unfolded());
            match mime.contains('/') {
                true => (mime, rest),
                false => (otherwise.to_owned(), rest),
            }
        }
        None => (otherwise.to_owned(), String::new()),
    }
}

impl<'a> Part<'a> {
    /// What it is to a report.
    pub(super) fn content(&self) -> Content {
        if self.beyond {
            return Content::TooMany;
        }
        let name = self.name().to_lowercase();
        let named_mail = super::attached::is_named_mail(&name);
        match &*self.mime {
            "message/rfc822" | "message/global" | "message/news" => Content::Mail,
            "message/partial" => Content::Closed("it is a piece of a mail"),
            "message/external-body" => Content::Closed("it is only a link"),
            "application/pkcs7-mime" | "application/x-pkcs7-mime" | "application/pgp-encrypted" => {
                Content::Closed("it is encrypted")
            }
            // A name is usual even where it is no file.
            "text/plain" | "text/html" if !named_mail && !self.is_attachment() => {
                Content::Text(self.mime == "text/html")
            }
            mime if mime.starts_with("message/") || mime == "text/rfc822-headers" => Content::Ignored,
            mime if mime.starts_with("multipart/") && !named_mail => Content::Closed("its parts cannot be told apart"),
            mime if !named_mail
                && ["image/", "audio/", "video/", "font/"]
                    .iter()
                    .any(|one| mime.starts_with(one)) =>
            {
                Content::Ignored
            }
            _ => Content::File,
        }
    }

    fn is_attachment(&self) -> bool {
        let field = self.headers.get("Content-Disposition");
        field.is_some_and(|field| media_type(&field.unfolded()).0 == "attachment")
    }

    /// The part as a mail of its own, which gives what is in it.
    fn alone(&self, mime: &str) -> Message {
        let mut head = format!("Content-Type: {mime}");
        if let Some(field) = self.headers.get("Content-Type")
            && let (_, rest) = media_type(&field.unfolded())
            && !rest.is_empty()
        {
            head.push(';');
            head.push_str(&rest);
        }
        let mut head = head.into_bytes();
        head.extend_from_slice(b"\r\n");
        for name in ["Content-Transfer-Encoding", "Content-Disposition"] {
            if let Some(field) = self.headers.get(name) {
                head.extend_from_slice(name.as_bytes());
                head.extend_from_slice(b": ");
                head.extend_from_slice(&field.unfolded());
                head.extend_from_slice(b"\r\n");
            }
        }
        head.extend_from_slice(b"\r\n");
        Message::new(head.into(), Arc::new(Bytes::copy_from_slice(self.body)))
    }

    /// The name of the file, and its octets, decoded; none where they are more than `most`.
    pub(super) fn file(&self, most: usize) -> (String, Option<Vec<u8>>) {
        let mut found = None;
        let message = self.alone("application/octet-stream");
        message.enclosed(self.body.len().saturating_add(1), &|| false, &mut |one| {
            // Other readings of it follow where it is broken.
            if found.is_none() {
                let octets = (one.octets.len() <= most).then(|| one.octets.to_vec());
                found = Some((one.names.first().cloned().unwrap_or_default(), octets));
            }
        });
        found.unwrap_or_else(|| (self.name(), Some(Vec::new())))
    }

    /// The octets of an attached mail: as they stand there, or decoded where a client encoded them, which it must not
    /// (RFC 2046 section 5.2.1) and some do. Some only say so.
    pub(super) fn octets(&self) -> Vec<u8> {
        let encoded = self.headers.get("Content-Transfer-Encoding").is_some_and(|field| {
            let value = field.unfolded().to_ascii_lowercase();
            let value = value.trim_ascii();
            value.starts_with(b"base64") || value.starts_with(b"quoted-printable")
        });
        let decoded = encoded.then(|| self.file(usize::MAX).1).flatten();
        decoded
            .filter(|octets| super::attached::of(octets, "", true).is_some())
            .unwrap_or_else(|| self.body.to_vec())
    }

    /// The name that it has as a file; empty where it has none.
    pub(super) fn name(&self) -> String {
        let field = |name, key| {
            let field = self.headers.get(name)?;
            let (_, rest) = media_type(&field.unfolded());
            parameter(&rest, key)
        };
        let plain = field("Content-Disposition", "filename").or_else(|| field("Content-Type", "name"));
        match plain {
            Some(plain) if !plain.contains("=?") => plain,
            // Encoded, or in pieces.
            _ if self.headers.get("Content-Disposition").is_some() || plain.is_some() => {
                let mut name = String::new();
                let empty = Part {
                    headers: self.headers.clone(),
                    mime: String::new(),
                    body: b"",
                    beyond: false,
                };
                let message = empty.alone("application/octet-stream");
                message.enclosed(1, &|| false, &mut |one| {
                    if name.is_empty() {
                        name = one.names.first().cloned().unwrap_or_default();
                    }
                });
                name
            }
            _ => String::new(),
        }
    }

    /// The text, decoded; of HTML what is seen.
    pub(super) fn text(&self) -> String {
        self.alone(&self.mime).reading(&|| false).text().to_owned()
    }
}

/// The parts of a mail in their order, multiparts left out.
pub(super) struct Parts<'a> {
    /// Those not looked at yet, the next one last: fields and body, how deep, and what a part is that says nothing.
    open: Vec<(Headers, &'a [u8], usize, &'static str)>,
    given: usize,
}

impl<'a> Parts<'a> {
    /// The parts of a mail whose body this is.
    pub(super) fn of(message: &Message, body: &'a [u8]) -> Parts<'a> {
        Parts {
            open: vec![(message.headers().clone(), body, 0, "text/plain")],
            given: 0,
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        while let Some((headers, body, depth, otherwise)) = self.open.pop() {
            let (mime, rest) = declared(&headers, otherwise);
            let boundary = mime
                .starts_with("multipart/")
                .then(|| parameter(&rest, "boundary"))
                .flatten();
            let boundary = boundary.filter(|boundary| !boundary.trim().is_empty());
            self.given = self.given.saturating_add(1);
            let beyond = self.given > PARTS_MAX || (boundary.is_some() && depth >= DEPTH_MAX);
            match boundary {
                Some(boundary) if !beyond => {
                    let otherwise = match &*mime {
                        "multipart/digest" => "message/rfc822",
                        _ => "text/plain",
                    };
                    let room = PARTS_MAX.saturating_sub(self.open.len()).saturating_add(1);
                    let mut within: Vec<_> = between(body, boundary.trim_end().as_bytes(), room)
                        .into_iter()
                        .map(|part| {
                            let (head, body) = part.split_at(split(part).min(part.len()));
                            (Headers::parse(Bytes::copy_from_slice(head)), body, depth + 1, otherwise)
                        })
                        .collect();
                    within.reverse();
                    self.open.append(&mut within);
                }
                _ => {
                    if beyond {
                        self.open.clear();
                    }
                    return Some(Part {
                        headers,
                        mime,
                        body,
                        beyond,
                    });
                }
            }
        }
        None
    }
}

/// What stands between boundaries (RFC 2046 section 5.1.1): the line end before one is its own. At most `most`.
fn between<'a>(body: &'a [u8], boundary: &[u8], most: usize) -> Vec<&'a [u8]> {
    let (mut parts, mut from, mut at) = (Vec::new(), None, 0);
    while at < body.len() && parts.len() < most {
        let rest = body.get(at..).unwrap_or_default();
        let next = rest
            .iter()
            .position(|octet| *octet == b'\n')
            .map_or(body.len(), |lf| at + lf + 1);
        let line = body.get(at..next).unwrap_or_default();
        if let Some(behind) = line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary)) {
            let last = behind.strip_prefix(b"--");
            if last.unwrap_or(behind).trim_ascii().is_empty() {
                if let Some(from) = from {
                    parts.push(without_end(body.get(from..at).unwrap_or_default()));
                }
                from = last.is_none().then_some(next);
                if last.is_some() {
                    break;
                }
            }
        }
        at = next;
    }
    if let Some(from) = from
        && parts.len() < most
    {
        parts.push(body.get(from..).unwrap_or_default());
    }
    parts
}

fn without_end(part: &[u8]) -> &[u8] {
    let part = part.strip_suffix(b"\n").unwrap_or(part);
    part.strip_suffix(b"\r").unwrap_or(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_clients_write_them() {
        for (rest, name, value) in [
            (" boundary=abc", "boundary", Some("abc")),
            (" charset=utf-8; Boundary=\"a b;c\"; x=y", "boundary", Some("a b;c")),
            ("name=\"a\\\"b\"", "name", Some("a\"b")),
            ("name = a.eml ; boundary= x", "boundary", Some("x")),
            ("name=\"open", "name", Some("open")),
            ("", "name", None),
            ("name", "name", None),
        ] {
            assert_eq!(parameter(rest, name).as_deref(), value, "{rest}");
        }
    }

    #[test]
    fn a_part_ends_before_the_line_end_of_its_boundary() {
        let body = b"before\r\n--x\r\n\r\none\r\n\r\n--x  \r\n\r\ntwo\r\n--xy\r\n--x--\r\n--x\r\nafter";
        let parts: Vec<_> = between(body, b"x", 10)
            .into_iter()
            .map(String::from_utf8_lossy)
            .collect();
        assert_eq!(parts, ["\r\none\r\n", "\r\ntwo\r\n--xy"]);
        assert_eq!(between(b"--x\n\nleft open", b"x", 10), [b"\nleft open"]);
        assert_eq!(between(body, b"x", 1).len(), 1);
    }

    #[test]
    fn parts_have_a_bound_in_number_and_in_depth() {
        let many = format!(
            "Content-Type: multipart/mixed; boundary=x\r\n\r\n{}",
            "--x\r\n\r\na\r\n".repeat(5_000)
        );
        let deep: String = (0..200)
            .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
            .collect();
        for mail in [many, deep] {
            let message = Message::from_bytes(mail.into_bytes());
            let body = message.body().whole().expect("in memory");
            let parts: Vec<_> = Parts::of(&message, body).collect();
            assert!(parts.len() <= PARTS_MAX + 1);
            assert_eq!(parts.last().map(Part::content), Some(Content::TooMany));
        }
    }
}
