//! A file that is only there for one kind of reader is given all the same.

#[path = "oracle/mails.rs"]
mod mails;

use gatepost_message::enclosed::Origin;
use mails::{EVIL, all, evil, mixed, part, said};

/// The names of what is given with just these octets.
fn names_of(mail: &str, octets: &[u8]) -> Vec<Vec<String>> {
    let (files, _) = all(mail.as_bytes());
    let found = files.into_iter().filter(|file| file.octets == octets);
    found.map(|file| file.names).collect()
}

#[test]
fn a_mail_within_the_mail_is_walked_as_it_stands_whatever_its_encoding_says() {
    for transfer in ["base64", "quoted-printable", "x-uuencode", "x-nothing"] {
        let inner = mixed(&part())
            .replace("boundary=b", "boundary=\"=41\"")
            .replace("--b", "--=41");
        let mail = mixed(&format!(
            "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n{inner}"
        ));
        assert!(!names_of(&mail, EVIL).is_empty(), "{transfer}");
        said(&mail);
    }
}

#[test]
fn each_boundary_is_gone_by_alone() {
    let digits = evil();
    for typed in [
        "boundary=\"!\"; boundary=b; boundary=\"?\"",
        "boundary=\"!\"; boundary=\"?\"; boundary=b; boundary=\":\"",
        "boundary=b x; boundary*0=\"!\"",
    ] {
        let cut = digits.split_at(8);
        let part = part().replace(&digits, &format!("{}\r\n--!\r\n--?\r\n--:\r\n{}", cut.0, cut.1));
        let mail = mixed(&part).replacen("boundary=b", typed, 1);
        assert!(!names_of(&mail, EVIL).iter().all(|names| names.is_empty()), "{typed}");
        assert!(said(&mail).contains(&"boundaries"), "{typed}");
    }
}

#[test]
fn a_boundary_is_found_with_its_backslashes_and_without_its_blanks() {
    for (typed, line) in [
        ("boundary=\"a\\b\"", "--a\\b"),
        ("boundary=\" b\"", "--b"),
        ("boundary=\" b\"", "-- b"),
    ] {
        let mail = mixed(&part()).replace("boundary=b", typed).replace("--b", line);
        assert_eq!(said(&mail), [""; 0], "{typed}");
    }
}

#[test]
fn a_type_without_its_half_is_a_multipart_for_some() {
    said(&mixed(&part()).replace("multipart/mixed", "multipart"));
}

#[test]
fn pieces_of_a_name_are_joined_as_each_reader_does() {
    let names = |fields: &str| {
        let mail = format!("Content-Disposition: attachment; {fields}\r\n\r\nx\r\n");
        all(mail.as_bytes()).0.remove(0).names
    };
    for fields in [
        "filename*0=a.exe; filename*5=.txt",
        "filename*0=a.; filename*1=exe; filename*1=\".txt\"",
        "filename*0=a.; filename*1=\"txt.\"; filename*1=exe",
        "filename=\"a.exe\\\".txt\"",
    ] {
        let names = names(fields);
        assert!(
            names.iter().any(|name| name.trim_end_matches('\\') == "a.exe"),
            "{fields}: {names:?}"
        );
    }
    assert!(names("filename=\"C:\\x\\a.exe\"").contains(&"C:\\x\\a.exe".to_owned()));
}

#[test]
fn an_encoding_that_is_written_wrongly_is_taken_for_the_one_it_names() {
    let dirty = format!("!{}", evil());
    for value in ["base64,", "x-base64", "base64\u{b}", "base64.7bit"] {
        let mail = mixed(
            &part()
                .replace(&evil(), &dirty)
                .replace(": base64", &format!(": {value}")),
        );
        assert!(said(&mail).contains(&"transfers"), "{value}");
    }
}

/// The file in uuencode, without its first line and its end.
fn lines() -> String {
    let mut lines = String::new();
    for line in EVIL.chunks(45) {
        let digit = |value: u32| char::from(if value == 0 { b'`' } else { b' ' + value as u8 });
        lines.push(digit(line.len() as u32));
        for three in line.chunks(3) {
            let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            lines.extend((0..4).map(|n| digit(bits >> (18 - 6 * n) & 63)));
        }
        lines.push_str("\r\n");
    }
    lines
}

#[test]
fn uuencode_begins_with_any_mode_or_none_and_after_empty_lines() {
    for begin in [
        "begin 644 a.exe\r\n\r\n",
        "begin 6 a.exe\r\n",
        "begin  a.exe\r\n",
        "begin 999 a.exe\r\n",
    ] {
        let mail = format!("Subject: x\r\n\r\nHello\r\n{begin}{}`\r\nend\r\n", lines());
        let (files, survey) = all(mail.as_bytes());
        assert!(survey.anomalies.uuencode, "{begin}");
        let file = files.iter().find(|file| file.origin == Origin::Inline).expect(begin);
        assert_eq!((&file.names[..], &file.octets[..]), (&["a.exe".to_owned()][..], EVIL));
    }
    let (files, _) = all(b"Subject: x\r\n\r\nbegin  at the beginning.\r\nGo on\r\n");
    assert_eq!(files.len(), 1);
}

#[test]
fn a_part_in_uuencode_has_the_name_of_its_first_line_too() {
    let mail = mixed(&format!(
        "Content-Type: a/b; name=a.txt\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 b.exe\r\n{}`\r\nend\r\n",
        lines()
    ));
    assert!(
        names_of(&mail, EVIL)
            .iter()
            .any(|names| names.contains(&"b.exe".to_owned()))
    );
}

#[test]
fn a_copy_that_only_some_see_is_given_for_its_place() {
    let mail = mixed(&format!("{}--bx\r\n{}", part(), part()));
    let (files, _) = all(mail.as_bytes());
    let mut places: Vec<_> = files
        .iter()
        .filter(|file| file.octets == EVIL)
        .map(|file| file.range.start)
        .collect();
    places.sort_unstable();
    places.dedup();
    assert_eq!(places.len(), 2, "{files:?}");
}

#[test]
fn a_decoy_outside_of_the_parts_hides_no_boundary_with_another_field_above() {
    let hidden = format!("--x\r\nX: 1\r\nX-Y:\r\n 2\r\n{}--x--\r\n", part());
    let mail = format!("{}--q\r\nContent-ID: 1\r\n\r\n{hidden}", mixed(""));
    assert!(said(&mail).contains(&"outside"));
    assert!(!names_of(&mail, EVIL).iter().all(|names| names.is_empty()));
}

#[test]
fn a_mail_within_the_mail_may_begin_with_text() {
    // The header of the part ends at the line that is no field, and so does the one of the mail within.
    let mail = mixed(&format!(
        "Content-Type: message/rfc822\r\n!\r\nX: 1\r\n\r\nbegin 644 a.exe\r\n{}end\r\n",
        lines()
    ));
    let (files, _) = all(mail.as_bytes());
    assert!(
        files
            .iter()
            .any(|file| file.octets.starts_with(b"!\r\nX: 1\r\n\r\nbegin")),
        "{files:?}"
    );
}
