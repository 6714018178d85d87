//! What is sent to an ICAP server (RFC 3507): a pure function of what is to be scanned.
//!
//! A mail is dressed as what a web server answered, since that is all that ICAP knows. **Invariant:** nothing of the mail but
//! its octets and their number is in a request; names, addresses and media types that a stranger wrote are not. **Absent on
//! purpose:** a connection for several mails, so that a server that is lost takes one mail with it and no other.

use std::fmt::Write as _;

use gatepost_scanner::Stream;

use crate::place::Place;

/// The most octets of one chunk.
pub const CHUNK: usize = 64 * 1024;
/// What ends a chunk.
pub const CHUNK_END: &[u8] = b"\r\n";
/// What ends a body, or a preview behind which there is more.
pub const END: &[u8] = b"0\r\n\r\n";
/// What ends a preview that is all there is (RFC 3507 section 4.5).
pub const IEOF: &[u8] = b"0; ieof\r\n\r\n";

/// How a server is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Method {
    /// As about what came from the web.
    Respmod,
    /// As about what goes to the web, for servers that know nothing else.
    Reqmod,
}

/// What is scanned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// A whole mail.
    Mail,
    /// A file of one, decoded.
    File,
}

impl Sort {
    /// What a stream is.
    pub const fn of(stream: &Stream) -> Sort {
        match stream {
            Stream::Mail(_) => Sort::Mail,
            Stream::Part(_) => Sort::File,
        }
    }

    const fn media_type(self) -> &'static str {
        match self {
            Sort::Mail => "message/rfc822",
            Sort::File => "application/octet-stream",
        }
    }
}

/// Asks a service what it can do.
pub fn options(place: &Place) -> String {
    format!(
        "OPTIONS {place} ICAP/1.0\r\nHost: {}\r\nUser-Agent: Gatepost\r\nConnection: close\r\nEncapsulated: null-body=0\r\n\r\n",
        place.address
    )
}

/// What goes before the body of a request to scan; with so many octets of preview, where there is one.
pub fn head(place: &Place, method: Method, sort: Sort, length: u64, preview: Option<usize>) -> String {
    let (media_type, host) = (sort.media_type(), place.address);
    let (word, first, second, body) = match method {
        Method::Respmod => (
            "RESPMOD",
            "GET http://mail.invalid/mail HTTP/1.1\r\nHost: mail.invalid\r\n\r\n".to_owned(),
            format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nContent-Length: {length}\r\n\r\n"),
            "res",
        ),
        Method::Reqmod => (
            "REQMOD",
            format!(
                "POST http://mail.invalid/mail HTTP/1.1\r\nHost: mail.invalid\r\nContent-Type: {media_type}\r\n\
                 Content-Length: {length}\r\n\r\n"
            ),
            String::new(),
            "req",
        ),
    };
    let mut out = format!(
        "{word} {place} ICAP/1.0\r\nHost: {host}\r\nUser-Agent: Gatepost\r\nConnection: close\r\nAllow: 204\r\n"
    );
    // Writing to a text cannot fail.
    if let Some(octets) = preview {
        let _ = write!(out, "Preview: {octets}\r\n");
    }
    let _ = write!(out, "Encapsulated: req-hdr=0");
    if !second.is_empty() {
        let _ = write!(out, ", res-hdr={}", first.len());
    }
    let _ = write!(
        out,
        ", {body}-body={}\r\n\r\n{first}{second}",
        first.len() + second.len()
    );
    out
}

/// What goes before a chunk of so many octets. None is empty, for that would be the end.
pub fn chunk_head(length: usize) -> String {
    format!("{length:x}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place::parse("icap://127.0.0.1/avscan").expect("a place")
    }

    #[test]
    fn a_request_says_where_its_pieces_begin() {
        for (method, sort) in [(Method::Respmod, Sort::Mail), (Method::Reqmod, Sort::File)] {
            let head = head(&place(), method, sort, 5, Some(1_024));
            let (icap, http) = head.split_once("\r\n\r\n").expect("two heads");
            assert!(icap.contains("\r\nAllow: 204\r\nPreview: 1024\r\n"), "{icap}");
            let pieces = icap.rsplit_once("Encapsulated: ").expect("a field").1;
            let mut from = Vec::new();
            for piece in pieces.split(", ") {
                let (name, at) = piece.split_once('=').expect("an offset");
                let at: usize = at.parse().expect("a number");
                from.push((name, http.get(at..).expect("within")));
            }
            match (method, &*from) {
                (Method::Respmod, [("req-hdr", get), ("res-hdr", ok), ("res-body", "")]) => {
                    assert!(get.starts_with("GET http://") && ok.starts_with("HTTP/1.1 200 OK\r\n"));
                    assert!(ok.contains("message/rfc822") && ok.contains("Content-Length: 5\r\n"));
                }
                (Method::Reqmod, [("req-hdr", post), ("req-body", "")]) => {
                    assert!(post.starts_with("POST http://") && post.ends_with("Content-Length: 5\r\n\r\n"));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_a_service_can_do_is_asked_without_a_body() {
        let text = options(&place());
        assert!(
            text.starts_with("OPTIONS icap://127.0.0.1:1344/avscan ICAP/1.0\r\n"),
            "{text}"
        );
        assert!(text.ends_with("null-body=0\r\n\r\n"), "{text}");
        assert_eq!(chunk_head(CHUNK), "10000\r\n");
    }
}
