//! A file of a corpus becomes the mail as the wire had it, without what gives its label away.
//!
//! **Invariant:** what comes out depends on the octets and on what was asked to be left out, not on where they stood.

/// Header fields that a collector's mailbox or another filter wrote, in lower case; a beginning where it ends in `*`, an end
/// where it begins so.
pub const GIVEAWAY: &[&str] = &[
    "status",
    "x-status",
    "x-keywords",
    "x-uid",
    "delivery-date",
    "lines",
    "content-length",
    "x-spam-*",
    "x-mailscanner*",
];

/// Header fields by which mail of lists is known.
pub const LISTS: &[&str] = &[
    "list-*",
    "mailing-list",
    "x-mailing-list",
    "precedence",
    "x-beenthere",
    "x-mailman-version",
    "x-loop",
    "errors-to",
    "sender",
    "in-reply-to",
    "references",
];

/// Header fields in which a date stands, also as a part of an identifier or of a signature.
pub const DATES: &[&str] = &[
    "date",
    "*-date",
    "*time",
    "received",
    "x-received",
    "expires",
    "reply-by",
    "deferred-delivery",
    "*message-id",
    "in-reply-to",
    "references",
    "thread-index",
    "x-mimetrack",
    "*dkim-signature",
    "domainkey-signature",
    "arc-*",
];

/// What more is left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Without {
    /// What lists write: [`LISTS`].
    pub lists: bool,
    /// Where dates stand: [`DATES`].
    pub dates: bool,
    /// The whole header section, but for what says how the body is to be read.
    pub header: bool,
}

impl Without {
    /// In words.
    pub fn names(self) -> Vec<&'static str> {
        [(self.lists, "lists"), (self.dates, "dates"), (self.header, "header")]
            .into_iter()
            .filter_map(|(left_out, name)| left_out.then_some(name))
            .collect()
    }

    fn keeps(self, name: &[u8]) -> bool {
        if is_of(GIVEAWAY, name) || self.lists && is_of(LISTS, name) || self.dates && is_of(DATES, name) {
            return false;
        }
        !self.header || is_of(&["mime-version", "content-*"], name)
    }
}

fn is_of(list: &[&str], name: &[u8]) -> bool {
    let same = |part: Option<&[u8]>, other: &str| part.is_some_and(|part| part.eq_ignore_ascii_case(other.as_bytes()));
    list.iter()
        .any(|listed| match (listed.strip_prefix('*'), listed.strip_suffix('*')) {
            (Some(end), _) => same(name.len().checked_sub(end.len()).and_then(|from| name.get(from..)), end),
            (_, Some(start)) => same(name.get(..start.len()), start),
            _ => same(Some(name), listed),
        })
}

/// The mail in a file: lines end in CR LF, the "From " line and the fields that give the label away are gone, and all
/// else is as found.
pub fn wire(file: &[u8], without: Without) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len() + file.len() / 24);
    let mut lines = file.split_inclusive(|octet| *octet == b'\n');
    let mut kept = true;
    for (n, line) in lines.by_ref().enumerate() {
        let text = content(line);
        if text.is_empty() {
            end(&mut out, line);
            break;
        }
        if n == 0 && text.starts_with(b"From ") {
            continue;
        }
        if !matches!(text[0], b' ' | b'\t') {
            let name = text.split(|octet| *octet == b':').next().unwrap_or_default();
            kept = without.keeps(name.trim_ascii());
        }
        if kept {
            end(&mut out, line);
        }
    }
    for line in lines {
        end(&mut out, line);
    }
    out
}

/// A line without its end.
fn content(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Adds a line with the end that the wire has; the last line of a file may have none.
fn end(out: &mut Vec<u8>, line: &[u8]) {
    if line.ends_with(b"\n") {
        out.extend_from_slice(content(line));
        out.extend_from_slice(b"\r\n");
    } else {
        out.extend_from_slice(line);
    }
}

/// Whose mail it is: the first address of `To`, else of `Cc`, in lower case.
pub fn recipient(file: &[u8]) -> Option<String> {
    let mut found: [Option<String>; 2] = [None, None];
    let mut place = None;
    for line in file.split(|octet| *octet == b'\n').map(content).take(10_000) {
        if line.is_empty() {
            break;
        }
        let mut text = line;
        if !matches!(line[0], b' ' | b'\t') {
            let colon = line.iter().position(|octet| *octet == b':').unwrap_or(0);
            place = [&b"to"[..], b"cc"]
                .iter()
                .position(|name| line[..colon].eq_ignore_ascii_case(name));
            text = &line[colon..];
        }
        if let Some(place) = place
            && found[place].is_none()
        {
            found[place] = address(text);
        }
    }
    found.into_iter().flatten().next()
}

fn address(text: &[u8]) -> Option<String> {
    let word = text
        .split(|octet| octet.is_ascii_whitespace() || b"<>,;:\"()".contains(octet))
        .find(|word| word.contains(&b'@'))?;
    Some(String::from_utf8_lossy(word).to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &[u8] = b"From a@b.example Thu\nReceived: from x\n\tby y\nX-Spam-Status: Yes,\n  score=9\n\
        Subject: hello\r\nList-Id: <l>\nStatus: RO\nContent-Type: text/plain\n\nStatus: of the body\nFrom here\n\xff";

    fn text(without: Without) -> String {
        String::from_utf8_lossy(&wire(FILE, without)).into_owned()
    }

    #[test]
    fn what_gives_the_label_away_is_gone_and_the_rest_is_as_the_wire_had_it() {
        assert_eq!(
            text(Without::default()),
            "Received: from x\r\n\tby y\r\nSubject: hello\r\nList-Id: <l>\r\nContent-Type: text/plain\r\n\r\n\
             Status: of the body\r\nFrom here\r\n\u{fffd}"
        );
    }

    #[test]
    fn lists_dates_and_the_header_are_left_out_where_asked() {
        let all = Without {
            lists: true,
            dates: true,
            header: false,
        };
        assert!(text(all).starts_with("Subject: hello\r\nContent-Type"));
        assert_eq!(all.names(), ["lists", "dates"]);
        let body = Without {
            header: true,
            ..Without::default()
        };
        assert!(text(body).starts_with("Content-Type: text/plain\r\n\r\nStatus: of the body"));
    }

    #[test]
    fn a_date_stands_in_no_field_that_is_left_where_dates_are_left_out() {
        let dated = [
            "Date",
            "X-Original-Date",
            "X-OriginalArrivalTime",
            "Resent-Date",
            "NNTP-Posting-Date",
            "X-Received",
            "Resent-Message-ID",
            "In-Reply-To",
            "References",
            "Thread-Index",
            "DKIM-Signature",
            "X-Google-DKIM-Signature",
            "ARC-Seal",
            "X-MIMETrack",
        ];
        let file: String = dated.iter().map(|name| format!("{name}: 1 Jan 2007\n")).collect();
        let file = format!("{file}Subject: hello\nTo: a@b.example\nUser-Agent: x\n\nbody");
        let without = Without {
            dates: true,
            ..Without::default()
        };
        assert_eq!(
            String::from_utf8_lossy(&wire(file.as_bytes(), without)),
            "Subject: hello\r\nTo: a@b.example\r\nUser-Agent: x\r\n\r\nbody"
        );
    }

    #[test]
    fn no_octets_are_too_odd() {
        for odd in [
            &b""[..],
            b"\n",
            b"\r",
            b"x",
            b" x\n\n",
            b"From \n",
            b":\n:\n",
            b"a\r\rb\n\nc\rd",
        ] {
            let once = wire(odd, Without::default());
            assert_eq!(wire(&once, Without::default()), once, "{odd:?}");
        }
    }

    #[test]
    fn the_recipient_is_the_first_address_of_to() {
        let of = |text: &str| recipient(text.as_bytes());
        assert_eq!(
            of("Cc: x@y.example\nTo: \"A B\"\n <Ann@B.example>, c@d.example\n\n").as_deref(),
            Some("ann@b.example")
        );
        assert_eq!(of("Cc: x@y.example\n\nTo: a@b.example").as_deref(), Some("x@y.example"));
        assert_eq!(of("Subject: a@b\n\n"), None);
    }
}
