//! What holds for any message; the laws and the fuzz target share it.

use std::io::Read;

use gatepost_message::{
    Edit, Edited, Edits, Field, HEAD_MAX, LINES_MAX, Message, Name, NamePattern, Protocol, Received, SignedNames,
    SubjectTag, own, received, results, split,
};

/// Our authserv-id and host name.
pub const US: &str = "gate.example.org";

/// The edited message.
pub fn octets(edited: &Edited) -> Vec<u8> {
    let mut out = Vec::new();
    edited.read().read_to_end(&mut out).unwrap();
    out
}

/// Head and body, read in whatever way, are the octets that came.
pub fn viewing_changes_no_octet(bytes: &[u8]) {
    let message = Message::from_bytes(bytes.to_vec());
    let headers = message.headers();
    let fields: Vec<u8> = headers.iter().flat_map(|header| header.raw().to_vec()).collect();
    let mbox = headers.mbox_line().unwrap_or_default().len();
    assert_eq!(message.head().get(mbox..mbox + fields.len()), Some(&fields[..]));
    let tail = &message.head()[mbox + fields.len()..];
    assert!(matches!(tail, b"" | b"\n" | b"\r\n"));
    let body = message.body().whole().unwrap();
    assert_eq!([message.head(), body].concat(), bytes);
    let mut read = Vec::new();
    message.read().read_to_end(&mut read).unwrap();
    assert_eq!(read, bytes);
}

/// The head ends where the rule says, looked at line by line and slowly.
pub fn the_head_ends_where_the_slow_rule_says(bytes: &[u8]) {
    assert_eq!(split(bytes), slow_split(bytes));
}

/// What a removal leaves has nothing more to remove.
pub fn removing_twice_is_removing_once(bytes: &[u8], names: &[&str]) {
    let edits: Edits = names
        .iter()
        .map(|name| Edit::remove((*name).to_owned()).unwrap())
        .collect();
    let once = edits.apply(&Message::from_bytes(bytes.to_vec())).to_message();
    for name in names {
        assert!(once.headers().get(name).is_none());
    }
    let twice = edits.apply(&once);
    assert!(!twice.touched());
    let mut octets_once = Vec::new();
    once.read().read_to_end(&mut octets_once).unwrap();
    assert_eq!(octets(&twice), octets_once);
}

/// A tagged message begins its Subject with the tag and is not tagged again.
pub fn tagging_twice_is_tagging_once(bytes: &[u8]) {
    let edits = Edits::from(vec![Edit::Subject(SubjectTag::new("[SPAM]").unwrap())]);
    let once = octets(&edits.apply(&Message::from_bytes(bytes.to_vec())));
    let message = Message::from_bytes(once.clone());
    assert!(
        message
            .headers()
            .get("Subject")
            .unwrap()
            .unfolded()
            .starts_with(b"[SPAM]")
    );
    assert_eq!(octets(&edits.apply(&message)), once);
}

/// What passes for ours is gone, and only what a signature names is still there.
pub fn nothing_forged_is_left_but_what_is_signed(bytes: &[u8]) {
    let message = Message::from_bytes(bytes.to_vec());
    let headers = message.headers();
    let patterns = [NamePattern::new("X-Spam-*").unwrap()];
    let found = own::forged(headers, &patterns, &SignedNames::of(headers));
    let edits: Edits = results::strip(headers, &[US])
        .into_iter()
        .chain(found.edits(headers))
        .collect();
    let clean = Message::from_bytes(octets(&edits.apply(&message)));
    let headers = clean.headers();
    assert!(results::forged(headers, &[US]).is_empty());
    let left = own::forged(headers, &patterns, &SignedNames::of(headers));
    assert!(left.removed.is_empty());
    assert_eq!(left.signed_kept.len(), found.signed_kept.len());
}

/// The rule of `split`, line by line and slowly.
fn slow_split(bytes: &[u8]) -> usize {
    let is_field = |line: &[u8]| {
        let Some(colon) = line.iter().position(|&b| b == b':') else {
            return false;
        };
        let name = String::from_utf8_lossy(&line[..colon])
            .trim_end_matches([' ', '\t'])
            .to_owned();
        !name.is_empty() && name.chars().all(|c| c.is_ascii_graphic())
    };
    let (mut at, mut inside) = (0, false);
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let fold = line[0] == b' ' || line[0] == b'\t';
        if line == b"\r\n" || line == b"\n" {
            return at + line.len();
        } else if is_field(line) {
            inside = true;
        } else if at == 0
            && String::from_utf8_lossy(line)
                .trim_start_matches('>')
                .starts_with("From ")
        {
            inside = false;
        } else if !(fold && inside) {
            return at;
        }
        at += line.len();
    }
    at
}

/// Exactly one field of this name, of decent lines, in whatever message it is put.
pub fn is_one_field(name: &str, field: &Field) {
    let bytes = field.as_bytes();
    assert!(bytes.ends_with(b"\r\n"));
    let text = std::str::from_utf8(bytes).unwrap();
    for (n, line) in text.strip_suffix("\r\n").unwrap().split("\r\n").enumerate() {
        assert!(line.bytes().all(|b| matches!(b, b' '..=b'~')), "{line:?}");
        assert!(line.len() <= 998 && !line.trim().is_empty(), "{line:?}");
        assert_eq!(line.starts_with(' '), n > 0, "{line:?}");
    }
    let mail = [bytes, b"Next: x\r\n\r\n"].concat();
    let message = Message::from_bytes(mail);
    let found: Vec<_> = message.headers().iter().collect();
    assert_eq!(found.len(), 2);
    assert_eq!((found[0].name(), found[0].raw()), (name.as_bytes(), bytes));
}

/// Up to 60 characters that may stand in a comment.
fn comment(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    let plain = text.chars().filter(|c| !c.is_control() && !"()\\".contains(*c));
    plain.take(60).collect()
}

fn head_of(field: &str) -> Message {
    Message::from_bytes(format!("{field}\r\nNext: x\r\n\r\n").into_bytes())
}

/// Whatever stands in comments, however it is folded and quoted: results under our name are found, and others are not.
pub fn our_name_is_found_in_every_disguise(bytes: &[u8]) {
    let comment = comment(bytes);
    let fold = ["", " ", "\r\n ", "\r\n\t"][bytes.len() % 4];
    let around =
        |id: &str| format!("Authentication-Results:{fold}({comment} (\\( ) x){fold}{id}({comment}) 1; dmarc=pass");
    for id in [US.to_owned(), US.to_uppercase(), format!("\"{US}\""), format!("{US}.")] {
        let message = head_of(&around(&id));
        assert_eq!(results::forged(message.headers(), &[US]), [0], "{id}");
    }
    for id in [
        format!("x{US}"),
        format!("{US}.example"),
        format!("({US}) other.example"),
        "other.example".into(),
    ] {
        let message = head_of(&around(&id));
        assert_eq!(results::forged(message.headers(), &[US]), [0_usize; 0], "{id}");
    }
}

/// Whatever a client calls itself, our trace is one field that names the host that wrote it, and no other.
pub fn our_trace_names_its_writer(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let forged = format!("x by {US} {}", comment(bytes));
    for said in [&*text, &*forged, US, "by"] {
        for (by, count) in [(US, 1), ("other.example", 0)] {
            let received = Received {
                helo: said,
                client_ip: [192, 0, 2, 1].into(),
                reverse: Some(said),
                by,
                with: Protocol::Esmtp,
                id: said,
                for_: Some(said),
                at_millis: bytes.len() as u64,
                tls: Some((said, said)),
            };
            let field = received.field();
            is_one_field("Received", &field);
            let message = Message::from_bytes([field.as_bytes(), b"\r\n"].concat());
            assert_eq!(received::received_count(message.headers()), 1);
            assert_eq!(received::names_us(message.headers(), US), count, "{said:?}");
        }
    }
}

/// Of the traces that came, whatever stands in comments: only the `by` clause names who wrote it.
pub fn a_trace_is_read_without_comments(bytes: &[u8]) {
    let comment = comment(bytes);
    let fold = ["", " ", "\r\n ", "\r\n\t"][bytes.len() % 4];
    let quiet = format!("Received: from a ({comment} (by {US}) by {US} ){fold}\"by {US}\" by other.example; by {US}");
    assert_eq!(received::names_us(head_of(&quiet).headers(), US), 0, "{quiet:?}");
    let named = format!("Received: from a ({comment}) ({comment} (b)){fold} BY {fold}({comment}){US}.({comment}); x");
    assert_eq!(received::names_us(head_of(&named).headers(), US), 1, "{named:?}");
}

/// Everything above, for the fuzzer.
#[allow(dead_code, reason = "only the fuzz target calls it")]
pub fn message_holds(bytes: &[u8]) {
    viewing_changes_no_octet(bytes);
    the_head_ends_where_the_slow_rule_says(bytes);
    our_name_is_found_in_every_disguise(bytes);
    our_trace_names_its_writer(bytes);
    a_trace_is_read_without_comments(bytes);
    is_one_field(
        "X-Us",
        &Field::text(&Name::new("X-Us").unwrap(), &String::from_utf8_lossy(bytes)),
    );
    // What lies behind the bounds is not looked at, so the laws of editing stop short of them.
    if bytes.len() < HEAD_MAX / 2 && bytes.iter().filter(|&&b| b == b'\n').count() < LINES_MAX / 2 {
        removing_twice_is_removing_once(bytes, &["Subject", "X"]);
        tagging_twice_is_tagging_once(bytes);
        nothing_forged_is_left_but_what_is_signed(bytes);
    }
}
