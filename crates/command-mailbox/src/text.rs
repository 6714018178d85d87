//! What the writer of a mail wrote: the text of the mail itself, not of mails and files that are attached to it.
//!
//! **Bounds:** those of [`Message::reading`], and [`OWN_MAX`] octets of the part.

use std::ops::Range;

use gatepost_core::Message;
use gatepost_core::message::enclosed::Origin;

/// Octets of the writer's part that are read, as it came.
pub const OWN_MAX: u64 = 1 << 20;
/// Parts with text that are looked at, and mails within the mail.
const PARTS_MAX: usize = 100;

/// The text of a mail's writer; empty where there is none.
pub fn own(message: &Message, spent: &dyn Fn() -> bool) -> String {
    let mut texts: Vec<(Range<u64>, bool)> = Vec::new();
    let mut mails: Vec<Range<u64>> = Vec::new();
    let mut alone = true;
    message.enclosed(OWN_MAX as usize, spent, &mut |one| {
        alone &= one.depth == 0;
        if one.message && mails.len() < PARTS_MAX {
            mails.push(one.stretch.range());
        }
        let mime = one.mimes.first().map(|mime| &**mime);
        let is_text = one.shown && one.origin == Origin::Part && matches!(mime, Some("text/plain" | "text/html"));
        if is_text && texts.len() < PARTS_MAX {
            texts.push((one.stretch.range(), mime == Some("text/html")));
        }
    });
    if alone {
        return match texts.is_empty() {
            true => String::new(),
            false => message.reading(spent).text().to_owned(),
        };
    }
    let within = |part: &Range<u64>| {
        mails
            .iter()
            .any(|mail| mail.start <= part.start && part.end <= mail.end)
    };
    texts.retain(|(part, _)| !within(part));
    // Of an alternative the plain one, which says what is quoted.
    let plain = texts.iter().find(|(_, html)| !html);
    let Some((part, _)) = plain.or(texts.first()) else {
        return String::new();
    };
    let Some(octets) = slice(message, part) else {
        return String::new();
    };
    Message::from_bytes(octets).reading(spent).text().to_owned()
}

/// Octets of the body, [`OWN_MAX`] at most.
fn slice(message: &Message, part: &Range<u64>) -> Option<Vec<u8>> {
    let mut octets = vec![0; usize::try_from(part.end.checked_sub(part.start)?.min(OWN_MAX)).ok()?];
    let mut done = 0;
    while let Some(rest) = octets.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match message.body().read_at(part.start.checked_add(done as u64)?, rest) {
            Ok(0) | Err(_) => break,
            Ok(read) => done = done.saturating_add(read),
        }
    }
    octets.truncate(done);
    Some(octets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(mail: &str) -> String {
        let message = Message::from_bytes(mail.replace('\n', "\r\n").into_bytes());
        own(&message, &|| false).trim().replace("\r\n", "\n")
    }

    #[test]
    fn the_writers_text_is_found_and_that_of_attached_mail_is_not() {
        let attached = "--b\nContent-Type: message/rfc822\n\nFrom: eve@e.example\n\neve@e.example\n--b--\n";
        let mixed = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n";
        for (mail, want) in [
            ("Subject: x\n\nann@b.example\n".to_owned(), "ann@b.example"),
            (
                "Content-Type: text/html\n\n<p>ann@b.example</p>\n".to_owned(),
                "ann@b.example",
            ),
            ("Content-Type: image/png\n\nann@b.example\n".to_owned(), ""),
            (
                format!(
                    "{mixed}--b\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: base64\n\nYW5uQGIuZXhhbXBsZQ==\n{attached}"
                ),
                "ann@b.example",
            ),
            (format!("{mixed}{attached}"), ""),
            (
                format!(
                    "{mixed}--b\nContent-Type: multipart/alternative; boundary=c\n\n--c\nContent-Type: text/html\n\n<i>html</i>\n--c\nContent-Type: text/plain\n\nplain\n--c--\n{attached}"
                ),
                "plain",
            ),
        ] {
            assert_eq!(of(&mail), want, "{mail}");
        }
    }
}
