//! What a sender is told of mail that waits too long, or that nobody took: a delivery status notification (RFC 3464, 6522).
//!
//! **Invariants:** whatever strangers said, a notice has the fields that are written here and no others, is ASCII, and no line
//! of it is longer than 998 octets. It answers one sender, from the null sender, and says that a machine wrote it (RFC 3834).
//! **Absent on purpose:** who may be told ([`crate::deliver`] asks that: only a proven sender, and no machine), notices of
//! success, and the text of the mail where its sender did not ask for it (RET, RFC 3461).

use std::fmt::Write as _;
use std::io::Read;

use gatepost_core::message::{Field, Header, Name, date};
use gatepost_core::{Address, Enhanced, Message, Path, Time};

/// The most recipients that one notice names; more are counted.
const NAMED: usize = 100;
/// The most octets of the original's head, or of all of it, that go back.
const RETURNED: usize = 64 << 10;
/// The most characters of what a mail server said.
const SAID: usize = 400;
/// The most octets of a line (RFC 5322 section 2.1.1).
const LINE: usize = 998;

/// What a notice is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// The mail still waits, and will be tried until then.
    Delayed(Time),
    /// It is given up.
    Failed,
}

/// One recipient whom the mail did not reach.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Unreached {
    /// The recipient.
    pub to: Path,
    /// ORCPT=, as it came.
    pub orcpt: Option<Box<str>>,
    /// The code of the fault (RFC 3463).
    pub status: Enhanced,
    /// What the mail server said, or what is known in its place.
    pub said: String,
    /// The mail server that said it, `host:port`; none where none was asked.
    pub server: Option<String>,
}

/// A notice to be written.
pub(crate) struct Notice<'a> {
    pub kind: Kind,
    /// Whom it is for: the sender of the mail.
    pub to: &'a Address,
    /// ENVID=, as it came.
    pub envid: Option<&'a str>,
    /// All of the mail is wanted back, where it can be given.
    pub whole: bool,
    /// When the mail came.
    pub arrived: Time,
    pub now: Time,
    /// The transaction it came in.
    pub transaction: &'a str,
    /// Our host name.
    pub hostname: &'a str,
    /// A number that nobody can guess and no other notice has.
    pub number: u64,
    pub about: &'a [Unreached],
    pub original: &'a Message,
}

/// Whether a mail is from a machine, or for many: nobody waits for an answer to it, or another machine would answer.
pub(crate) fn is_automatic(message: &Message) -> bool {
    let first = |header: Header<'_>| {
        let value = String::from_utf8_lossy(&header.unfolded()).to_ascii_lowercase();
        let words = value.split([';', ',', '(', ' ', '\t']);
        words.map(str::trim).find(|word| !word.is_empty()).map(str::to_owned)
    };
    let headers = message.headers();
    let said = |name: &str| headers.get(name).and_then(first);
    said("Auto-Submitted").is_some_and(|word| word != "no")
        || said("Precedence").is_some_and(|word| matches!(word.as_str(), "bulk" | "list" | "junk"))
        || headers.get("List-Id").is_some()
        || headers.get("X-Gatepost-Report").is_some()
}

impl Notice<'_> {
    /// The notice as a mail.
    pub fn compose(&self) -> Message {
        let mut out = String::with_capacity(4096);
        let boundary = format!("=_{:016x}", self.number);
        self.head(&mut out, &boundary);
        let _ = write!(
            out,
            "--{boundary}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
        );
        self.words(&mut out);
        let _ = write!(out, "--{boundary}\r\nContent-Type: message/delivery-status\r\n\r\n");
        self.status(&mut out);
        let whole = self.whole.then(|| whole(self.original)).flatten();
        let (kind, text) = match whole {
            Some(whole) => ("message/rfc822", whole),
            None => ("text/rfc822-headers", head(self.original)),
        };
        let _ = write!(out, "--{boundary}\r\nContent-Type: {kind}\r\n\r\n{text}");
        if !out.ends_with("\r\n") {
            out.push_str("\r\n");
        }
        let _ = write!(out, "--{boundary}--\r\n");
        Message::from_bytes(out)
    }

    fn head(&self, out: &mut String, boundary: &str) {
        let subject = match self.kind {
            Kind::Delayed(_) => "Your mail is delayed",
            Kind::Failed => "Your mail could not be delivered",
        };
        field(out, "From", &format!("Mail Delivery <mailer-daemon@{}>", self.hostname));
        // An address that is not ASCII stands there as it is: the notice is then sent with SMTPUTF8.
        let _ = write!(out, "To: <{}>\r\n", self.to);
        field(out, "Date", &date(self.now.millis()));
        let id = format!("<{:x}.{:016x}@{}>", self.now.millis(), self.number, self.hostname);
        field(out, "Message-ID", &id);
        if let Some(id) = message_id(self.original) {
            field(out, "In-Reply-To", &id);
            field(out, "References", &id);
        }
        field(out, "Subject", subject);
        field(out, "Auto-Submitted", "auto-replied");
        field(out, "X-Auto-Response-Suppress", "All");
        field(out, "MIME-Version", "1.0");
        let _ = write!(
            out,
            "Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{boundary}\"\r\n\r\n"
        );
    }

    /// What a person reads.
    fn words(&self, out: &mut String) {
        let (arrived, hostname) = (date(self.arrived.millis()), ascii(self.hostname, LINE / 4));
        let _ = match self.kind {
            Kind::Delayed(until) => write!(
                out,
                "This is the mail system at {hostname}.\r\n\r\n\
                 Your mail of {arrived} has not reached the\r\n\
                 following recipients yet. You need not do anything: it is tried\r\n\
                 again until {}.\r\n",
                date(until.millis())
            ),
            Kind::Failed => write!(
                out,
                "This is the mail system at {hostname}.\r\n\r\n\
                 Your mail of {arrived} did not reach the\r\n\
                 following recipients, and is not tried again.\r\n"
            ),
        };
        for one in self.about.iter().take(NAMED) {
            let to = address(&one.to);
            let _ = write!(out, "\r\n<{to}>\r\n");
            match &one.server {
                Some(server) => {
                    let server = ascii(server, SAID);
                    let _ = write!(out, "    {server} said: {}\r\n", ascii(&one.said, SAID));
                }
                None => {
                    let _ = write!(out, "    {}\r\n", ascii(&one.said, SAID));
                }
            }
        }
        if let Some(more) = self.about.len().checked_sub(NAMED).filter(|more| *more > 0) {
            let _ = write!(out, "\r\nand {more} more.\r\n");
        }
        let transaction = ascii(self.transaction, SAID);
        let _ = write!(out, "\r\nIf you ask about it, tell this number: {transaction}\r\n\r\n");
    }

    /// What a machine reads.
    fn status(&self, out: &mut String) {
        field(out, "Reporting-MTA", &format!("dns; {}", self.hostname));
        if let Some(envid) = self.envid.and_then(unxtext) {
            field(out, "Original-Envelope-Id", &envid);
        }
        field(out, "Arrival-Date", &date(self.arrived.millis()));
        for one in self.about.iter().take(NAMED) {
            out.push_str("\r\n");
            if let Some((kind, text)) = one.orcpt.as_deref().and_then(|orcpt| orcpt.split_once(';'))
                && let Some(text) = unxtext(text)
            {
                field(out, "Original-Recipient", &format!("{kind}; {text}"));
            }
            let to = address(&one.to);
            let kind = if one.to.to_string().is_ascii() {
                "rfc822"
            } else {
                "utf-8"
            };
            field(out, "Final-Recipient", &format!("{kind}; {to}"));
            let action = match self.kind {
                Kind::Delayed(_) => "delayed",
                Kind::Failed => "failed",
            };
            field(out, "Action", action);
            let Enhanced(class, subject, detail) = one.status;
            field(out, "Status", &format!("{class}.{subject}.{detail}"));
            if let Some(server) = &one.server {
                let host = server.rsplit_once(':').map_or(server.as_str(), |(host, _)| host);
                field(out, "Remote-MTA", &format!("dns; {}", ascii(host, SAID)));
                field(out, "Diagnostic-Code", &format!("smtp; {}", ascii(&one.said, SAID)));
            }
            field(out, "Last-Attempt-Date", &date(self.now.millis()));
            if let Kind::Delayed(until) = self.kind {
                field(out, "Will-Retry-Until", &date(until.millis()));
            }
        }
        out.push_str("\r\n");
    }
}

/// A field as it is on the wire, folded.
fn field(out: &mut String, name: &'static str, value: &str) {
    let Ok(name) = Name::new(name) else { return };
    out.push_str(&String::from_utf8_lossy(
        Field::structured(&name, &ascii(value, LINE)).as_bytes(),
    ));
}

/// Printable ASCII, and no more than `most` octets of it.
fn ascii(text: &str, most: usize) -> String {
    let mut plain = String::with_capacity(text.len().min(most));
    for c in text.chars().take(most) {
        plain.push(if matches!(c, ' '..='~') { c } else { '?' });
    }
    plain
}

/// An address in ASCII: what is not, as RFC 6533 writes it.
fn address(path: &Path) -> String {
    let mut out = String::new();
    for c in path.to_string().chars() {
        match c {
            '!'..='~' if c != '\\' => out.push(c),
            ' ' | '\\' => out.push(c),
            _ => drop(write!(out, "\\x{{{:X}}}", u32::from(c))),
        }
    }
    ascii(&out, LINE)
}

/// Decodes xtext (RFC 3461 section 4); nothing where it does not stand for printable ASCII.
fn unxtext(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        let octet = match octet {
            b'+' => {
                let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|n| u8::try_from(n).ok());
                digit(octets.next()?)? << 4 | digit(octets.next()?)?
            }
            octet => octet,
        };
        out.push(matches!(octet, b' '..=b'~').then(|| char::from(octet))?);
    }
    (!out.trim().is_empty()).then_some(out)
}

/// The Message-ID of the original, where it is one that may be named.
fn message_id(message: &Message) -> Option<String> {
    let id = message.headers().get("Message-ID")?.unfolded();
    let id = std::str::from_utf8(&id).ok()?.trim().to_owned();
    let inner = id.strip_prefix('<')?.strip_suffix('>')?;
    let plain = |octet: u8| matches!(octet, b'!'..=b'~') && !matches!(octet, b'<' | b'>');
    (!inner.is_empty() && id.len() <= LINE / 2 && inner.bytes().all(plain)).then_some(id)
}

/// The head of the original, as ASCII, its lines cut where they are too long.
fn head(message: &Message) -> String {
    let head = message.head();
    let head = head.get(..RETURNED).unwrap_or(head);
    let mut out = String::with_capacity(head.len());
    for line in head.split(|octet| *octet == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        let plain = |octet: &u8| match octet {
            b'\t' | b' '..=b'~' => char::from(*octet),
            _ => '?',
        };
        out.extend(line.iter().take(LINE).map(plain));
        out.push_str("\r\n");
    }
    out
}

/// All of the original, where it is small, ASCII, and of lines that may be sent.
fn whole(message: &Message) -> Option<String> {
    if message.len() > RETURNED as u64 {
        return None;
    }
    let mut octets = Vec::new();
    message.read().take(RETURNED as u64).read_to_end(&mut octets).ok()?;
    let text = String::from_utf8(octets).ok().filter(|text| text.is_ascii())?;
    let good = |line: &str| line.len() <= LINE && !line.contains(['\r', '\0']);
    text.split("\r\n")
        .all(|line| good(line) && !line.contains('\n'))
        .then_some(text)
}

#[cfg(test)]
mod tests;
