//! A mail that is pasted into the text with its header section, as people do who were asked for "the headers".

use super::lines::{BEGIN_MAX, body, is_blank, less, unquoted};
use super::parts::parameter;

/// Lines of a header section.
const HEAD_MAX: usize = 1_000;
/// Fields that only the header section of a mail has, in lower case.
const TELLING: [&str; 5] = ["received", "return-path", "x-gatepost-id", "message-id", "delivered-to"];
/// Other fields by which it is known.
const KNOWN: [&str; 18] = [
    "from",
    "to",
    "subject",
    "date",
    "sender",
    "reply-to",
    "cc",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "dkim-signature",
    "arc-seal",
    "authentication-results",
    "received-spf",
    "list-unsubscribe",
    "x-original-to",
    "x-mailer",
    "user-agent",
];

/// The name of the field that a line begins, and its value.
fn field(line: &str) -> Option<(String, &str)> {
    let (name, value) = line.split_once(':')?;
    let is_name = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    (is_name && name.len() <= 60).then(|| (name.to_ascii_lowercase(), value))
}

/// The mail that is pasted into a text, and the line at which it begins.
pub(super) fn find(text: &str) -> Option<(usize, Vec<u8>)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut at = 0;
    while at < lines.len().min(BEGIN_MAX) {
        let (first, depth) = unquoted(lines.get(at)?);
        let begins = field(first).is_some_and(|(name, _)| {
            TELLING.contains(&&*name) || KNOWN.contains(&&*name) || name.starts_with("x-") || name.starts_with("arc-")
        });
        if !begins {
            at += 1;
            continue;
        }
        let head: Vec<&str> = lines
            .iter()
            .skip(at)
            .take(HEAD_MAX)
            .map(|line| less(line, depth))
            .take_while(|line| !is_blank(line))
            .collect();
        let end = at.saturating_add(head.len());
        if is_head(&head) {
            let rest = lines.get(end..).unwrap_or_default();
            return Some((at, made(&head, rest, depth)));
        }
        at = end.max(at + 1);
    }
    None
}

/// Whether these lines are a header section: a field that only mail has, who it is from, and hardly a line that is none.
fn is_head(lines: &[&str]) -> bool {
    let names: Vec<String> = lines
        .iter()
        .filter_map(|line| field(line))
        .map(|(name, _)| name)
        .collect();
    let has = |name: &str| names.iter().any(|one| one == name);
    let telling = TELLING.iter().filter(|name| has(name)).count();
    let known = KNOWN.iter().filter(|name| has(name)).count();
    let loose = |line: &&&str| field(line).is_none() && !line.starts_with([' ', '\t']);
    let loose = lines.iter().filter(loose).count();
    telling >= 1 && telling + known >= 3 && has("from") && loose <= names.len()
}

fn made(head: &[&str], rest: &[&str], depth: usize) -> Vec<u8> {
    let mut text = Vec::new();
    body(rest.iter().map(|line| less(line, depth)), &mut text);
    let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
    for line in head {
        let line = line.trim_end();
        match (field(line), fields.last_mut()) {
            (Some((name, _)), _) => fields.push((name, format!("{line}\r\n").into_bytes())),
            // A line that the paste broke.
            (None, Some((_, whole))) => whole.extend_from_slice(format!("\t{}\r\n", line.trim_start()).as_bytes()),
            (None, None) => {}
        }
    }
    // Whoever pastes what they saw has the text, not the octets that these fields speak of.
    let seen = is_as_seen(&fields, &text);
    let mut out = Vec::new();
    for (name, whole) in fields {
        if !seen || !["content-type", "content-transfer-encoding"].contains(&&*name) {
            out.extend_from_slice(&whole);
        }
    }
    if seen {
        out.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n");
    }
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(&text);
    out
}

/// Whether the body is what a reader shows, not what came: there are no parts where there should be, or words where there
/// should be base64.
fn is_as_seen(fields: &[(String, Vec<u8>)], text: &[u8]) -> bool {
    let value = |wanted: &str| {
        let found = fields.iter().find(|(name, _)| name == wanted);
        found.map(|(_, whole)| String::from_utf8_lossy(whole).replace(['\r', '\n'], " "))
    };
    if let Some(value) = value("content-type") {
        let (mime, rest) = value.split_once(';').unwrap_or((&value, ""));
        if mime.to_ascii_lowercase().contains("multipart/") {
            let boundary = parameter(rest, "boundary").unwrap_or_default();
            let line = format!("--{boundary}");
            return boundary.is_empty()
                || !text
                    .split(|octet| *octet == b'\n')
                    .any(|one| one.starts_with(line.as_bytes()));
        }
    }
    let encoded = value("content-transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("base64"));
    encoded && text.contains(&b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Return-Path: <a@b.example>\nReceived: from b.example\n by d.example; today\nFrom: a@b.example\n\
                        Subject: x\n";

    fn found(text: &str) -> Option<String> {
        find(text).map(|(_, octets)| String::from_utf8(octets).expect("text"))
    }

    #[test]
    fn a_pasted_mail_is_found_below_what_somebody_writes() {
        let mail = found(&format!("what is this?\n\n{HEAD}\nbuy now\n")).expect("a mail");
        assert!(
            mail.starts_with("Return-Path: <a@b.example>\r\nReceived: from b.example\r\n\tby d.example"),
            "{mail}"
        );
        assert!(mail.ends_with("Subject: x\r\n\r\nbuy now\r\n"), "{mail}");
        let quoted: String = HEAD
            .lines()
            .chain(["", "buy now"])
            .map(|line| format!("> {line}\n"))
            .collect();
        assert_eq!(found(&quoted).as_deref(), Some(&*mail));
    }

    #[test]
    fn what_was_copied_from_the_screen_is_no_multipart_any_more() {
        let parts = "Content-Type: multipart/mixed;\n boundary=\"zz\"\n";
        let mail = found(&format!("{HEAD}{parts}\nbuy now\n")).expect("a mail");
        assert!(!mail.contains("multipart") && mail.contains("text/plain"), "{mail}");
        let mail = found(&format!("{HEAD}{parts}\n--zz\n\nbuy now\n--zz--\n")).expect("a mail");
        assert!(mail.contains("multipart"), "{mail}");
    }

    #[test]
    fn letters_about_mail_are_no_mail() {
        for text in [
            "",
            "From: a\nSubject: b\nDate: c\n",
            "Received: yesterday\n",
            "Message-ID: is what I asked for\n\nFrom: a\n\nTo: b",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }
}
