//! A file behind each ambiguity of MIME is given, and where readers see different files it is said.

#[path = "oracle/mails.rs"]
mod mails;
#[path = "oracle/enclosed.rs"]
mod oracle;

use std::sync::Arc;

use bytes::Bytes;
use gatepost_message::enclosed::{Origin, Survey};
use gatepost_message::{Message, split};
use mails::{EVIL, PLAIN, all, base64, evil, mixed, part, said};

const NONE: [&str; 0] = [];

#[test]
fn an_honest_mail_gives_each_part_once_and_nothing_is_ambiguous() {
    let mail = mixed(&part());
    assert_eq!(said(&mail), NONE);
    let (files, survey) = all(mail.as_bytes());
    assert_eq!(survey, Survey::default());
    let body = &mail[split(mail.as_bytes())..];
    let [text, file] = &files[..] else { panic!("{files:?}") };
    assert_eq!(
        (&text.octets[..], text.shown, text.part, text.depth),
        (&b"Hello"[..], true, 0, 1)
    );
    assert_eq!(
        (&file.octets[..], file.shown, file.part, file.depth),
        (EVIL, false, 1, 1)
    );
    assert_eq!(
        (&file.names[..], &file.mimes[..]),
        (&["a.exe".to_owned()][..], &["application/octet-stream".to_owned()][..])
    );
    assert_eq!(&body[file.range.start as usize..file.range.end as usize], part());
}

#[test]
fn a_mail_without_parts_is_a_file_itself() {
    let (files, survey) = all(b"Subject: x\r\n\r\nHello\r\n");
    assert_eq!(survey, Survey::default());
    assert_eq!(
        (files.len(), files[0].shown, &files[0].octets[..]),
        (1, true, &b"Hello\r\n"[..])
    );
    assert_eq!(said(&part()), NONE);
}

#[test]
fn two_boundaries_give_the_parts_of_each() {
    let hidden = |typed: &str| {
        format!(
            "{typed}\r\n\r\n--a\r\n{PLAIN}\r\n--b\r\n{}\r\n--a--\r\n--b--\r\n",
            part()
        )
    };
    for typed in [
        "Content-Type: multipart/mixed; boundary=a; boundary=b",
        "Content-Type: multipart/mixed; boundary=b; boundary=\"a\"",
        "Content-Type: multipart/mixed; boundary=a; boundary*=us-ascii''b",
        "Content-Type: multipart/mixed; boundary=a; boundary*0=\"b\"",
        "Content-Type: multipart/mixed; boundary=a\r\nContent-Type: multipart/mixed; boundary=b",
        "Content-Type: multipart/mixed; boundary=\"b\0\"; boundary=a",
    ] {
        said(&hidden(typed));
    }
    // The file is cut in two by the other boundary: only who does not know that one sees it whole.
    let digits = evil();
    let (one, other) = digits.split_at(40);
    let part = part().replace(&digits, &format!("{one}\r\n--a\r\n{other}"));
    let mail = format!("Content-Type: multipart/mixed; boundary=a; boundary=b\r\n\r\n--b\r\n{part}--b--\r\n");
    let (files, survey) = all(mail.as_bytes());
    assert!(survey.ambiguity.boundaries);
    assert!(
        files
            .iter()
            .any(|file| file.octets.len() >= EVIL.len() && file.octets.starts_with(&EVIL[..30]))
    );
}

#[test]
fn two_types_are_each_followed() {
    let hidden = |first: &str, second: &str| {
        format!(
            "Content-Type: {first}\r\nContent-Type: {second}\r\n\r\n--a\r\n{}--a--\r\n",
            part()
        )
    };
    let multipart = "multipart/mixed; boundary=a";
    assert!(said(&hidden("text/plain", multipart)).contains(&"types"));
    assert!(said(&hidden(multipart, "text/plain")).contains(&"types"));
    // One is a leaf of either type: both are told.
    let typed = "Content-Type: text/plain\r\nContent-Type: application/hta\r\n\r\n<script>\r\n";
    let (files, survey) = all(typed.as_bytes());
    assert!(survey.ambiguity.types);
    assert_eq!(files[0].mimes, ["text/plain", "application/hta"]);
    // A type that is written twice is no ambiguity.
    let (_, survey) = all(b"Content-Type: text/plain\r\nContent-Type: Text/Plain; charset=x\r\n\r\nHello\r\n");
    assert!(survey.anomalies.twice && !survey.ambiguity.any());
}

#[test]
fn two_encodings_are_each_decoded() {
    let with = |fields: &str| mixed(&part().replace("Content-Transfer-Encoding: base64", fields));
    let field = "Content-Transfer-Encoding";
    assert_eq!(said(&with(&format!("{field}: 7bit\r\n{field}: base64"))), ["transfers"]);
    assert_eq!(
        said(&with(&format!("{field}: base64\r\n{field}: quoted-printable"))),
        ["transfers"]
    );
    assert_eq!(said(&with(&format!("{field}: base64\r\n{field}: Base64"))), NONE);
    assert_eq!(said(&with(&format!("{field}: base64 (no; comment)"))), NONE);
    assert_eq!(said(&with(&format!("{field}: \"base64\""))), NONE);
}

#[test]
fn an_encoding_that_nobody_knows_is_guessed() {
    let with = |value: &str| mixed(&part().replace(": base64", &format!(": {value}")));
    assert_eq!(said(&with("x-base-64")), ["transfers"]);
    assert_eq!(said(&with("bAse64\0")), ["transfers"]);
    // Without a word about it a file is still looked at in both ways.
    assert_eq!(
        said(&mixed(&part().replace("Content-Transfer-Encoding: base64\r\n", ""))),
        NONE
    );
}

#[test]
fn broken_base64_is_read_on_and_up_to_where_it_breaks() {
    let with = |digits: &str| mixed(&part().replace(&evil(), digits));
    let digits = evil();
    let dirty = format!("{}!{}", &digits[..20], &digits[20..]);
    assert_eq!(said(&with(&dirty)), ["base64"]);
    // Pieces that each have their padding.
    let pieces = format!("{}{}", base64(&EVIL[..4]), base64(&EVIL[4..]));
    assert_eq!(said(&with(&pieces)), ["base64"]);
    // What stops at the padding sees this.
    let (files, _) = all(with(&pieces).as_bytes());
    assert!(files.iter().any(|file| file.octets == EVIL[..4]));
    // Padding within a quantum, which some skip.
    let skipped = format!("{}={}", &digits[..5], &digits[5..]);
    assert_eq!(said(&with(&skipped)), ["base64"]);
    // What a list puts below a mail is no ambiguity.
    let footer = format!(
        "{digits}\r\n_______________________________________________\r\nA list\r\nhttps://lists.example.org/a\r\n"
    );
    assert_eq!(said(&with(&footer)), NONE);
}

#[test]
fn a_multipart_that_is_encoded_is_read_in_both_ways() {
    let parts = format!("--b\r\n{}--b--\r\n", part());
    let mail = format!(
        "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        base64(parts.as_bytes())
    );
    assert_eq!(said(&mail), ["multipart"]);
    let mail = format!("Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: base64\r\n\r\n{parts}");
    assert_eq!(said(&mail), NONE);
    let quoted = parts.replace('=', "=3D").replace("--b", "=2D-b");
    let mail = format!(
        "Content-Type: multipart/mixed; boundary=b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{quoted}"
    );
    assert!(said(&mail).contains(&"multipart"));
}

#[test]
fn files_in_text_are_given_by_their_names() {
    let mut uu = "Hello\r\n\r\nbegin 644 a b.exe\r\n".to_owned();
    for line in EVIL.chunks(45) {
        let digit = |value: u32| char::from(if value == 0 { b'`' } else { b' ' + value as u8 });
        uu.push(digit(line.len() as u32));
        for three in line.chunks(3) {
            let at = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
            let bits = at(0) << 16 | at(1) << 8 | at(2);
            uu.extend((0..4).map(|n| digit(bits >> (18 - 6 * n) & 63)));
        }
        uu.push_str("\r\n");
    }
    uu.push_str("`\r\nend\r\n");
    for mail in [
        format!("Subject: x\r\n\r\n{uu}"),
        mixed(&format!("Content-Type: text/plain\r\n\r\n{uu}")),
        format!(
            "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            base64(uu.as_bytes())
        ),
    ] {
        let (files, survey) = all(mail.as_bytes());
        assert!(survey.anomalies.uuencode);
        let file = files
            .iter()
            .find(|file| file.origin == Origin::Inline)
            .expect("the file");
        assert_eq!((&file.names[..], &file.octets[..]), (&["a b.exe".to_owned()][..], EVIL));
    }
    let mut yenc = b"Subject: x\r\n\r\n=ybegin line=128 size=1 name=c.exe\r\n".to_vec();
    for octet in EVIL {
        match octet.wrapping_add(42) {
            octet @ (0 | b'\r' | b'\n' | b'=') => yenc.extend([b'=', octet.wrapping_add(64)]),
            octet => yenc.push(octet),
        }
    }
    yenc.extend_from_slice(b"\r\n=yend size=1\r\n");
    let (files, survey) = all(&yenc);
    assert!(survey.anomalies.yenc);
    assert!(files.iter().any(|file| file.names == ["c.exe"] && file.octets == EVIL));
}

#[test]
fn what_stands_before_and_after_the_parts_is_looked_at() {
    let around = |before: &str, after: &str| {
        format!("Content-Type: multipart/mixed; boundary=b\r\n\r\n{before}--b\r\n{PLAIN}--b--\r\n{after}")
    };
    let parts = format!("--x\r\n{}--x--\r\n", part());
    assert_eq!(said(&around(&parts, "")), ["outside"]);
    assert_eq!(said(&around("", &parts)), ["outside"]);
    assert_eq!(said(&around("", &format!("--b\r\n{}", part()))), ["outside"]);
    assert_eq!(said(&around(&part(), "")), ["outside"]);
    assert_eq!(
        said(&around(&format!("See below.\r\n\r\n{}\r\nBye\r\n", evil()), "")),
        ["outside"]
    );
    for (before, after) in [
        ("This is a multi-part message in MIME format.\r\n", "\r\n"),
        ("", "_____________________\r\nA list\r\nhttps://lists.example.org/a\r\n"),
        ("", "--b\r\nContent-Type: text/plain\r\n\r\nA footer\r\n--b--\r\n"),
    ] {
        assert!(!all(around(before, after).as_bytes()).1.ambiguity.any());
    }
}

#[test]
fn a_multipart_without_a_boundary_has_the_one_that_it_seems_to_have() {
    for typed in [
        "multipart/mixed",
        "multipart/mixed; boundary=\"\"",
        "multipart/mixed boundary",
    ] {
        let mail = format!(
            "Content-Type: {typed}\r\n\r\n--x y\r\n{PLAIN}--x y\r\n{}--x y--\r\n",
            part()
        );
        assert_eq!(said(&mail), ["boundaries"], "{typed}");
        assert!(all(mail.as_bytes()).1.anomalies.no_boundary);
    }
}

#[test]
fn boundaries_are_found_however_they_are_written() {
    for (typed, line) in [
        ("multipart/mixed; boundary=b", "--b  "),
        ("multipart/mixed; boundary=\"b \"", "--b"),
        ("multipart/mixed; boundary=\"a b\"", "--a b"),
        ("multipart/mixed; boundary=a b", "--a b"),
        ("multipart/mixed; boundary=a b", "--a"),
        ("multipart/mixed; boundary*0=a; boundary*1=b", "--ab"),
        ("multipart/mixed; boundary*=us-ascii'en'a%62", "--ab"),
        ("multipart/(comment)mixed; boundary=b", "--b"),
        ("(a;b) multipart/mixed (c); (d) boundary=b (e)", "--b"),
        ("Multipart/MIXED;\r\n boundary=b", "--b"),
        ("multipart/mixed;\r\n \r\n boundary=b", "--b"),
    ] {
        said(&format!(
            "Content-Type: {typed}\r\n\r\n{line}\r\n{}{line}--\r\n",
            part()
        ));
    }
}

#[test]
fn a_missing_end_hides_nothing() {
    let mail = mixed(&part()).replace("--b--\r\n", "");
    assert_eq!(said(&mail), NONE);
    assert!(all(mail.as_bytes()).1.anomalies.unclosed);
    let inner = format!("Content-Type: multipart/mixed; boundary=c\r\n\r\n--c\r\n{}", part());
    assert_eq!(said(&mixed(&inner)), NONE);
}

#[test]
fn a_line_that_only_begins_with_the_boundary_is_one_for_some() {
    let mail = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n{PLAIN}--bc\r\n{}--b--\r\n",
        part()
    );
    assert_eq!(said(&mail), ["delimiters"]);
}

#[test]
fn a_header_that_ends_elsewhere_for_some_is_read_on_and_ended() {
    let with = |extra: &str| {
        mixed(&part().replace(
            "Content-Transfer-Encoding",
            &format!("{extra}Content-Transfer-Encoding"),
        ))
    };
    // A line that is no field, which some pass over.
    assert_eq!(said(&with("no field\r\n")), ["heads"]);
    // A line of spaces, where the header of some is over: behind it another part's fields are text.
    let early = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: application/x; name=a.exe\r\nX: y\r\n \r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}--b--\r\n",
        evil()
    );
    assert_eq!(said(&early), ["heads"]);
    // The mail's own header is mended by a blank line, so nobody behind us reads on.
    let root = format!("Subject: x\r\nno field\r\n{}", part());
    assert_eq!(said(&root), NONE);
}

#[test]
fn a_lone_cr_and_nul_in_a_header_are_a_line_end_and_nothing() {
    let with = |from: &str, to: &str| mixed(&part().replace(from, to));
    assert_eq!(said(&with("\r\nContent-Transfer", "\rContent-Transfer")), ["heads"]);
    assert_eq!(said(&with("Content-Transfer", "Content-\0Transfer")), ["heads"]);
    let lines = mixed(&part()).replace("--b\r\nContent-Type: app", "\r--b\rContent-Type: app");
    assert!(said(&lines).contains(&"heads"));
    let root = part().replace("\r\nContent-Transfer", "\rContent-Transfer");
    assert_eq!(said(&root), ["heads"]);
}

#[test]
fn a_mail_within_the_mail_is_followed_encoded_or_not() {
    let inner = mixed(&part()).replace("=b\r", "=c\r").replace("--b", "--c");
    let plain = mixed(&format!("Content-Type: message/rfc822; name=x.eml\r\n\r\n{inner}"));
    assert_eq!(said(&plain), NONE);
    let (files, _) = all(plain.as_bytes());
    let mail = files.iter().find(|file| file.message).expect("the mail");
    assert_eq!(
        (&mail.names[..], mail.octets.len(), mail.depth),
        (&["x.eml".to_owned()][..], 0, 1)
    );
    let file = files.iter().find(|file| file.octets == EVIL).expect("the file");
    assert!(mail.range.start < file.range.start && file.range.end <= mail.range.end);

    let encoded = mixed(&format!(
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
        base64(inner.as_bytes())
    ));
    assert_eq!(said(&encoded), NONE);
    let (files, _) = all(encoded.as_bytes());
    let mail = files.iter().find(|file| file.message).expect("the mail");
    assert_eq!(mail.octets, inner.as_bytes());
    let file = files.iter().find(|file| file.octets == EVIL).expect("the file");
    assert_eq!(mail.range, file.range);

    let digest = mixed(&part()).replace("multipart/mixed", "multipart/digest");
    assert_eq!(said(&digest), NONE);
}

#[test]
fn fragments_and_what_lies_elsewhere_are_told() {
    let partial = format!(
        "Content-Type: message/partial; id=x; number=1; total=2\r\n\r\n{}",
        part()
    );
    assert_eq!(said(&partial), NONE);
    assert!(all(partial.as_bytes()).1.partial);
    let external = "Content-Type: message/external-body; access-type=URL; URL=\"http://evil.example/\"\r\n\r\nx: y\r\n";
    let (_, survey) = all(external.as_bytes());
    assert!(survey.external && !survey.partial && !survey.ambiguity.any());
}

#[test]
fn names_are_told_in_all_forms_and_their_disagreement_is_ambiguous() {
    let with = |fields: &str| {
        mixed(&format!(
            "{fields}\r\nContent-Transfer-Encoding: base64\r\n\r\n{}",
            evil()
        ))
    };
    assert_eq!(
        said(&with(
            "Content-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment; filename=a.exe"
        )),
        ["names"]
    );
    assert_eq!(
        said(&with(
            "Content-Disposition: attachment; filename=a.txt; filename*=utf-8''a.exe"
        )),
        ["names"]
    );
    assert_eq!(
        said(&with(
            "Content-Disposition: attachment; filename=a.txt; filename*0=a.; filename*1=exe"
        )),
        ["names"]
    );
    assert_eq!(
        said(&with(
            "Content-Disposition: attachment; filename=\"a.txt\"; filename=\"a.exe\""
        )),
        ["names"]
    );
    assert_eq!(
        said(&with(
            "Content-Disposition: attachment; filename=\"=?utf-8?q?a=2Eexe?=\"; filename*=''b.exe"
        )),
        NONE
    );
}

#[test]
fn what_lies_beyond_the_header_that_is_looked_at_is_told() {
    let long = format!("X: {}\r\n", "y".repeat(200_000));
    for mail in [format!("{long}{}", mixed(&part())), mixed(&format!("{long}{}", part()))] {
        assert!(all(mail.as_bytes()).1.excess.head);
    }
    let many = "X: y\r\n".repeat(1_500);
    assert!(all(format!("{many}{}", mixed(&part())).as_bytes()).1.excess.head);
}

#[test]
fn a_long_part_is_given_as_far_as_it_was_kept() {
    let mail = mixed(&format!(
        "Content-Type: application/x\r\n\r\n{}\r\n",
        "y.".repeat(1_500)
    ));
    let message = Message::from_bytes(mail.into_bytes());
    let mut seen = Vec::new();
    message.enclosed(1_000, &|| false, &mut |file| seen.push((file.octets.len(), file.whole)));
    assert_eq!(seen, [(5, true), (1_000, false)]);
}

#[test]
fn bounds_of_number_and_depth_are_told() {
    let many = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n\r\n".repeat(3_000)
    );
    let (files, survey) = all(many.as_bytes());
    assert!(survey.excess.parts && files.len() <= 1_000);

    let mut deep = part();
    for _ in 0..40 {
        deep = format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n{deep}");
    }
    assert!(all(deep.as_bytes()).1.excess.depth);
    let nested = |n: usize| {
        (0..n)
            .map(|n| format!("Content-Type: multipart/mixed; boundary=b{n}\r\n\r\n--b{n}\r\n"))
            .collect::<String>()
    };
    assert!(all(nested(1_000).as_bytes()).1.excess.depth);
    assert!(!all(nested(20).as_bytes()).1.excess.any());
}

#[test]
fn mails_in_mails_that_each_have_three_readings_cost_no_more_than_their_bound() {
    let mut mail = part();
    for _ in 0..20 {
        let digits = base64(mail.as_bytes());
        let (one, other) = digits.split_at(digits.len() / 2);
        mail = format!("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n{one}!=\r\n{other}");
    }
    let (files, survey) = all(mail.as_bytes());
    assert!(files.len() <= 10_000);
    assert!(survey.ambiguity.base64 || survey.excess.any());
}

#[test]
fn when_the_time_is_over_it_is_told() {
    let message = Message::from_bytes(format!("Subject: x\r\n\r\n{}", "y\r\n".repeat(2_000)).into_bytes());
    assert!(message.enclosed(1_000, &|| true, &mut |_| {}).excess.time);
}

#[test]
fn each_cut_of_a_mail_gives_what_is_there() {
    let mail = mixed(&part());
    let begins = mail.find(&evil()[..20]).expect("the file");
    for cut in begins..mail.len() {
        let (files, _) = all(&mail.as_bytes()[..cut]);
        for file in files.iter().filter(|file| file.names == ["a.exe"] && file.depth == 1) {
            // A boundary that is cut is digits to base64.
            let (octets, evil) = (&file.octets, EVIL);
            assert!(evil.starts_with(octets) || octets.starts_with(evil), "{cut}: {file:?}");
        }
    }
}

#[test]
fn a_body_in_a_file_is_read_through_a_window() {
    let long = "y".repeat(200_000);
    let mail = mixed(&format!("Content-Type: application/x; name=z\r\n\r\n{long}\r\n")).into_bytes();
    let at = split(&mail);
    let message = Message::new(
        Bytes::copy_from_slice(&mail[..at]),
        Arc::new(oracle::Spooled(mail[at..].to_vec())),
    );
    let mut seen = Vec::new();
    message.enclosed(1 << 20, &|| false, &mut |file| seen.push(file.octets.len()));
    assert_eq!(seen, [5, 200_000]);
    oracle::enclosed_holds(&mail);
}
