//! A part that is replaced is gone with its header, and nothing else of the mail is another.

use std::io::Read;

use gatepost_message::{Content, Edit, Edits, Message, Replacement, enclosed::Stretch};

fn mail(text: &str) -> Message {
    Message::from_bytes(text.as_bytes().to_vec())
}

/// The stretches of the files with this name.
fn named(message: &Message, name: &str) -> Vec<Stretch> {
    let mut found = Vec::new();
    message.enclosed(1 << 20, &|| false, &mut |file| {
        if file.names.iter().any(|one| one == name) {
            found.push(file.stretch);
        }
    });
    found
}

/// The mail without the files of this name.
fn without(text: &str, name: &str, note: &str) -> String {
    let message = mail(text);
    let stretches = named(&message, name);
    assert!(!stretches.is_empty());
    let edits = Edits::from(vec![Edit::Replace(Replacement::new(stretches, note))]);
    let edited = edits.apply(&message);
    assert!(edited.touched());
    let mut out = String::new();
    edited.read().read_to_string(&mut out).unwrap();
    assert_eq!(out.len() as u64, edited.len());
    assert!(named(&mail(&out), name).is_empty());
    out
}

const NOTE: &str = "Content-Type: text/plain; charset=utf-8\r\nContent-Disposition: inline\r\nContent-Transfer-Encoding: 7bit\r\n\r\ngone\r\n";
const FILE: &str = "Content-Type: a/b; name=x\r\nContent-Transfer-Encoding: base64\r\n\r\nQUJD\r\n";

#[test]
fn a_part_is_replaced_between_its_boundaries() {
    let with = |part: &str| {
        format!(
            "Subject: \u{fc} \r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n\r\nHello \r\n\r\n--b\r\n{part}--b\r\n\r\nBye\r\n--b--\r\npost"
        )
    };
    assert_eq!(without(&with(FILE), "x", "gone"), with(NOTE));
}

#[test]
fn several_parts_are_replaced_and_what_lies_between_stays() {
    let with = |part: &str| {
        format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{part}--b\r\n\r\nHello\r\n--b\r\n{part}--b\r\n{part}--b--\r\n"
        )
    };
    assert_eq!(without(&with(FILE), "x", "gone"), with(NOTE));
}

#[test]
fn a_mail_that_is_the_file_itself_gets_a_header_for_the_note() {
    assert_eq!(
        without(&format!("Subject: x\r\n{FILE}"), "x", "gone"),
        format!("Subject: x\r\nMIME-Version: 1.0\r\n{NOTE}")
    );
    assert_eq!(
        without(
            "Content-Disposition: inline;\r\n filename=x\r\nMIME-Version: 1.0\r\nCONTENT-ID: 1\r\nTo: a@b",
            "x",
            "gone"
        ),
        format!("MIME-Version: 1.0\r\nTo: a@b\r\n{NOTE}")
    );
}

#[test]
fn a_part_of_a_mail_within_the_mail_is_replaced_there_and_of_an_encoded_one_all_of_it() {
    let with = |part: &str| {
        format!(
            "Content-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{part}--b--\r\n"
        )
    };
    assert_eq!(without(&with(FILE), "x", "gone"), with(NOTE));
    // "Content-Type: a/b; name=x" and a line, in base64.
    let inner = "Q29udGVudC1UeXBlOiBhL2I7IG5hbWU9eA0KDQpIZWxsbw0K";
    let with = |part: &str| format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{part}--b--\r\n");
    let encoded = format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{inner}\r\n");
    assert_eq!(without(&with(&encoded), "x", "gone"), with(NOTE));
}

#[test]
fn a_note_ends_no_part_and_begins_none() {
    let with = |part: &str| {
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{part}--b\r\n\r\nBye\r\n--b--\r\n")
    };
    let note = "--b--\r\n\n--b\nFrom me\n\u{fc}=\0 \n.\n".to_owned() + &"long ".repeat(40);
    let out = without(&with(FILE), "x", &note);
    let mut texts = Vec::new();
    mail(&out).enclosed(1_000, &|| false, &mut |file| {
        texts.push(String::from_utf8_lossy(file.octets).into_owned())
    });
    assert_eq!(
        texts,
        [note.replace("\r\n", "\n").replace('\n', "\r\n"), "Bye".to_owned()]
    );
    assert!(out.lines().all(|line| line.len() <= 76));
    assert!(!out.contains("\n.") && !out.contains("\nFrom "));
}

#[test]
fn a_file_outside_of_the_parts_is_replaced_by_words_alone() {
    let with =
        |before: &str| format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{before}--b\r\n\r\nBye\r\n--b--\r\n");
    assert_eq!(
        without(&with(&format!("--x\r\n{FILE}--x--\r\n")), "x", "gone\n--y"),
        with("gone\r\n --y\r\n")
    );
}

#[test]
fn of_two_replacements_of_one_part_the_first_has_its_note() {
    let text = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{FILE}--b--\r\n");
    let message = mail(&text);
    let replace = |note: &str| Edit::Replace(Replacement::new(named(&message, "x"), note));
    let apply = |edits: Vec<Edit>| {
        let mut out = String::new();
        Edits::from(edits)
            .apply(&message)
            .read()
            .read_to_string(&mut out)
            .unwrap();
        out
    };
    let once = apply(vec![replace("gone")]);
    assert_eq!(apply(vec![replace("gone"), replace("other")]), once);
    let both = apply(vec![Edit::prepend("X-Us", "1").unwrap(), replace("gone")]);
    assert_eq!(both, format!("X-Us: 1\r\n{once}"));
}

#[test]
fn an_edited_body_is_read_from_any_place() {
    let text = format!("Content-Type: multipart/mixed; boundary=b\r\n\r\nx--b\r\n--b\r\n{FILE}--b--\r\n");
    let message = mail(&text);
    let edits = Edits::from(vec![Edit::Replace(Replacement::new(named(&message, "x"), "gone"))]);
    let body = edits.apply(&message).body().clone();
    let mut whole = vec![0; body.len() as usize];
    assert_eq!(body.read_at(0, &mut whole).unwrap(), whole.len());
    for at in 0..=whole.len() {
        for len in [1, 7, 1_000] {
            let mut piece = vec![0; len];
            let n = body.read_at(at as u64, &mut piece).unwrap();
            assert_eq!(piece[..n], whole[at..whole.len().min(at + len)]);
        }
    }
    assert_eq!(Content::read_at(&*body, u64::MAX, &mut [0; 4]).unwrap(), 0);
}
