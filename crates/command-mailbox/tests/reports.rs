//! The reports that mail clients send, and what is found in each. Who made them, and how they were checked by other
//! decoders, stands in `fixtures/reports/make.py`.

use std::path::{Path, PathBuf};

use gatepost_command_mailbox::report::{Form, Limits, NAME_MAX, Original, Reported, UNREADABLE_MAX, read};
use gatepost_core::{Author, Message, Record};
use proptest::prelude::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/reports")
}

fn octets(name: &str) -> Vec<u8> {
    let path = folder().join(format!("{name}.eml"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn reported(octets: Vec<u8>) -> Reported {
    read(&Message::from_bytes(octets), Limits::default(), &mut || true)
}

/// How a mail is to be found: attached, of Outlook, pasted, inline with the name of what it forwards, inline without.
#[derive(Clone, Copy, PartialEq, Debug)]
enum As {
    Attached,
    Outlook,
    Pasted,
    Inline,
    Nameless,
}
use As::{Attached, Inline, Nameless, Outlook, Pasted};

type Row = (&'static str, &'static [(As, &'static str)], &'static [&'static str]);

/// Each report, the mails in it, and the begin of what is told of those that cannot be read.
const TABLE: [Row; 44] = [
    ("alone", &[(Attached, "pills")], &[]),
    ("apple-attached", &[(Attached, "invoice")], &[]),
    ("apple-emlx", &[(Attached, "pills")], &[]),
    ("apple-inline", &[(Inline, "pills")], &[]),
    ("apple-inline-html", &[(Inline, "pills")], &[]),
    ("apple-lf", &[(Attached, "friend")], &[]),
    ("bridge-base64", &[(Attached, "invoice")], &[]),
    ("digest", &[(Attached, "pills"), (Attached, "friend")], &[]),
    ("gmail-attached", &[(Attached, "pills")], &[]),
    ("gmail-inline", &[(Inline, "pills")], &[]),
    ("gmail-inline-fr", &[(Inline, "pills")], &[]),
    ("gmail-inline-html", &[(Inline, "pills")], &[]),
    (
        "half",
        &[(Attached, "pills"), (Attached, "friend")],
        &["broken.msg: ", "empty.eml: it is empty", "note.eml: it is not a mail"],
    ),
    ("k9-attached", &[(Attached, "friend")], &[]),
    ("k9-inline", &[(Nameless, "pills")], &[]),
    ("nested", &[(Attached, "nested")], &[]),
    ("nothing", &[], &[]),
    ("outlook-inline-de", &[(Inline, "pills")], &[]),
    ("outlook-inline-en", &[(Inline, "pills")], &[]),
    ("outlook-inline-es", &[(Inline, "pills")], &[]),
    ("outlook-inline-fr", &[(Inline, "pills")], &[]),
    ("outlook-msg", &[(Outlook, "pills")], &[]),
    ("outlook-msg-in-msg", &[(Outlook, "nested")], &[]),
    ("outlook-octet-stream", &[(Attached, "pills")], &[]),
    ("outlook-original-message", &[(Nameless, "pills")], &[]),
    ("outlook-rfc822", &[(Attached, "pills")], &[]),
    ("outlook-winmail", &[(Outlook, "pills")], &[]),
    (
        "outlook-winmail-three",
        &[(Outlook, "pills"), (Outlook, "invoice"), (Attached, "friend")],
        &[],
    ),
    ("thunderbird-8bit", &[(Attached, "invoice")], &[]),
    ("thunderbird-attached", &[(Attached, "pills")], &[]),
    ("thunderbird-encrypted", &[], &["a mail: it is encrypted"]),
    ("thunderbird-inline", &[(Inline, "pills")], &[]),
    ("thunderbird-inline-de", &[(Nameless, "pills")], &[]),
    ("thunderbird-inline-html", &[(Inline, "pills")], &[]),
    ("thunderbird-pasted", &[(Pasted, "pills")], &[]),
    ("thunderbird-redirect", &[(Attached, "pills")], &[]),
    ("thunderbird-signed", &[(Attached, "pills")], &[]),
    (
        "thunderbird-three",
        &[(Attached, "pills"), (Attached, "invoice"), (Attached, "friend")],
        &[],
    ),
    ("webmail-mhtml", &[(Attached, "pills")], &[]),
    ("webmail-names", &[(Attached, "invoice"), (Attached, "friend")], &[]),
    ("webmail-quoted-printable", &[(Attached, "invoice")], &[]),
    ("zip", &[(Attached, "pills"), (Attached, "invoice")], &[]),
    ("zip-in-zip", &[(Attached, "friend"), (Outlook, "pills")], &[]),
    (
        "zip-locked",
        &[(Attached, "friend")],
        &["pills.eml: it is locked with a password"],
    ),
];

fn value(message: &Message, name: &str) -> Option<String> {
    let field = message.headers().get(name)?;
    Some(String::from_utf8_lossy(&field.unfolded()).trim().to_owned())
}

/// Whether what was found is that original: octet for octet, by its own number, or by the number that names it.
fn assert_is(report: &str, found: &Original, how: As, name: &str) {
    let original = octets(&format!("originals/{name}"));
    let want = Message::from_bytes(original.clone());
    let is = Message::from_bytes(found.octets.clone());
    let subject = |mail: &Message| mail.headers().get("Subject").map(|field| field.decoded(500));
    let author = |mail: &Message| Author::of(mail.headers()).one().map(|author| author.key());
    assert_eq!(author(&is), author(&want), "{report}");
    assert_eq!(subject(&is), subject(&want), "{report}");
    let form = match how {
        Attached => Form::Attached,
        Outlook => Form::Outlook,
        Pasted => Form::Pasted,
        Inline | Nameless => Form::Inline,
    };
    assert_eq!(found.form, form, "{report}");
    let message_id = value(&want, "Message-ID").filter(|_| how != Nameless);
    assert_eq!(found.message_id, message_id, "{report}");
    match how {
        Attached => {
            // A redirected mail has fields of its own above it.
            assert!(
                found.octets.ends_with(&original),
                "{report}: {} octets",
                found.octets.len()
            );
            assert!(
                report == "thunderbird-redirect" || found.octets.len() == original.len(),
                "{report}"
            );
            assert_eq!(Record::hash_of(&is), Record::hash_of(&want), "{report}");
        }
        Outlook | Pasted => assert_eq!(found.reference, value(&want, "X-Gatepost-Id"), "{report}"),
        Inline | Nameless => {
            let text = is.reading(&|| false).text();
            assert!(
                text.trim_start().starts_with("Buy your pills here, today only."),
                "{report}: {text}"
            );
            assert!(
                !text.contains("spam") && !text.contains("Carl, Sales"),
                "{report}: {text}"
            );
        }
    }
    if how == Pasted {
        assert_eq!(
            Record::hash_of(&is),
            Record::hash_of(&want),
            "{report}: the source was pasted"
        );
    }
}

#[test]
fn each_report_gives_the_mails_that_were_put_into_it() {
    for (report, wanted, unreadable) in TABLE {
        let found = reported(octets(report));
        let forms: Vec<_> = found.originals.iter().map(|one| (one.form, &one.name)).collect();
        assert_eq!(
            found.originals.len(),
            wanted.len(),
            "{report}: {forms:?} {:?}",
            found.unreadable
        );
        for (found, (how, name)) in found.originals.iter().zip(wanted) {
            assert_is(report, found, *how, name);
        }
        assert_eq!(
            found.unreadable.len(),
            unreadable.len(),
            "{report}: {:?}",
            found.unreadable
        );
        for (found, begin) in found.unreadable.iter().zip(unreadable) {
            assert!(found.starts_with(begin), "{report}: {found}");
        }
    }
}

#[test]
fn every_report_of_the_folder_is_in_the_table() {
    let files = std::fs::read_dir(folder()).expect("a folder");
    let files = files.map(|file| file.expect("a file").file_name().into_string().expect("a name"));
    let mut files: Vec<String> = files
        .filter_map(|name| name.strip_suffix(".eml").map(str::to_owned))
        .collect();
    files.sort();
    let table: Vec<&str> = TABLE.iter().map(|(name, ..)| *name).collect();
    assert_eq!(files, table);
}

#[test]
fn what_is_beyond_a_limit_is_told_and_what_was_read_counts() {
    let one = Message::from_bytes(octets("thunderbird-three"));
    let few = Limits {
        originals: 2,
        ..Limits::default()
    };
    let found = read(&one, few, &mut || true);
    assert_eq!(
        (found.originals.len(), found.unreadable.len()),
        (2, 1),
        "{:?}",
        found.unreadable
    );
    let short = Limits {
        octets: 1_000,
        ..Limits::default()
    };
    let found = read(&one, short, &mut || true);
    assert_eq!(
        (found.originals.len(), found.unreadable.len()),
        (1, 2),
        "{:?}",
        found.unreadable
    );
    let mut asked = 0;
    let found = read(&one, Limits::default(), &mut || {
        asked += 1;
        asked <= 2
    });
    assert_eq!(
        (found.originals.len(), found.unreadable.len()),
        (1, 1),
        "{:?}",
        found.unreadable
    );
    let none = read(
        &Message::from_bytes(vec![b'x'; 17 << 20]),
        Limits::default(),
        &mut || true,
    );
    assert_eq!(none.unreadable.len(), 1, "{:?}", none.unreadable);
}

#[test]
fn a_mail_is_found_where_its_encoding_is_only_said() {
    let head = "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\
                Content-Transfer-Encoding: base64\r\n\r\n";
    let original = octets("originals/friend");
    let report = [head.as_bytes(), &original, b"\r\n--b--\r\n"].concat();
    let found = reported(report);
    assert_eq!(found.originals.len(), 1, "{:?}", found.unreadable);
    assert_eq!(found.originals[0].octets, original);
}

/// What holds of any report.
fn assert_within(found: &Reported, limits: Limits) {
    assert!(found.originals.len() <= limits.originals);
    assert!(found.unreadable.len() <= UNREADABLE_MAX);
    let all: usize = found.originals.iter().map(|one| one.octets.len()).sum();
    assert!(all <= limits.octets);
    for one in &found.originals {
        assert!(!one.octets.is_empty() && one.name.chars().count() <= NAME_MAX);
        assert!(!one.name.chars().any(char::is_control));
        assert!(one.octets.ends_with(b"\n"), "a mail ends with a line end");
    }
}

/// A wall of limits that fixtures run into.
fn limits() -> impl Strategy<Value = Limits> {
    (0..5_usize, 0..20_000_usize).prop_map(|(originals, octets)| Limits { originals, octets })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_octets_are_a_report(octets in prop::collection::vec(any::<u8>(), 0..600), limits in limits()) {
        let head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n";
        for begin in [&b""[..], head] {
            let message = Message::from_bytes([begin, &octets].concat());
            let found = read(&message, limits, &mut || true);
            assert_within(&found, limits);
            prop_assert_eq!(found, read(&message, limits, &mut || true));
        }
    }

    #[test]
    fn any_cut_of_a_report_and_any_octet_in_it_changed_is_one(
        row in 0..TABLE.len(), cut in any::<prop::sample::Index>(), at in any::<prop::sample::Index>(), octet in any::<u8>(),
        limits in limits(), patience in 0..40_usize,
    ) {
        let mut octets = octets(TABLE[row].0);
        let at = at.index(octets.len());
        octets[at] = octet;
        octets.truncate(cut.index(octets.len()));
        let mut asked = 0;
        let found = read(&Message::from_bytes(octets.clone()), limits, &mut || { asked += 1; asked < patience });
        assert_within(&found, limits);
        assert_within(&reported(octets), Limits::default());
    }
}
