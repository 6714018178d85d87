use proptest::prelude::*;

use super::*;

fn path(text: &str) -> Path {
    Path::forward(text, true).expect("an address")
}

fn unreached(to: &str) -> Unreached {
    Unreached {
        to: path(to),
        orcpt: Some("rfc822;ann+2Bx@acme.example".into()),
        status: Enhanced(5, 1, 1),
        said: "550 5.1.1 no such user".into(),
        server: Some("mx.acme.example:25".into()),
    }
}

fn composed(kind: Kind, about: &[Unreached], original: &str, whole: bool) -> String {
    let to = Address::parse("bob@sender.example", false).expect("an address");
    let original = Message::from_bytes(original.to_owned());
    let notice = Notice {
        kind,
        to: &to,
        envid: Some("abc+20d"),
        whole,
        arrived: Time::from_secs(1_767_614_400),
        now: Time::from_secs(1_767_614_460),
        transaction: "0k5m-1",
        hostname: "mx.example.org",
        number: 7,
        about,
        original: &original,
    };
    let mut out = String::new();
    notice.compose().read().read_to_string(&mut out).expect("text");
    out
}

const ORIGINAL: &str = "From: bob@sender.example\r\nMessage-ID: <1@sender.example>\r\nSubject: hi\r\n\r\nthe text\r\n";

#[test]
fn a_failure_is_told_to_people_and_to_machines() {
    let mail = composed(Kind::Failed, &[unreached("ann@acme.example")], ORIGINAL, false);
    let want = "From: Mail Delivery <mailer-daemon@mx.example.org>\r\nTo: <bob@sender.example>\r\n\
Date: Mon, 05 Jan 2026 12:01:00 +0000\r\nMessage-ID: <19b8e083060.0000000000000007@mx.example.org>\r\n\
In-Reply-To: <1@sender.example>\r\nReferences: <1@sender.example>\r\nSubject: Your mail could not be delivered\r\n\
Auto-Submitted: auto-replied\r\nX-Auto-Response-Suppress: All\r\nMIME-Version: 1.0\r\n\
Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"=_0000000000000007\"\r\n\r\n\
--=_0000000000000007\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n\
This is the mail system at mx.example.org.\r\n\r\n\
Your mail of Mon, 05 Jan 2026 12:00:00 +0000 did not reach the\r\nfollowing recipients, and is not tried again.\r\n\r\n\
<ann@acme.example>\r\n    mx.acme.example:25 said: 550 5.1.1 no such user\r\n\r\n\
If you ask about it, tell this number: 0k5m-1\r\n\r\n\
--=_0000000000000007\r\nContent-Type: message/delivery-status\r\n\r\n\
Reporting-MTA: dns; mx.example.org\r\nOriginal-Envelope-Id: abc d\r\nArrival-Date: Mon, 05 Jan 2026 12:00:00 +0000\r\n\r\n\
Original-Recipient: rfc822; ann+x@acme.example\r\nFinal-Recipient: rfc822; ann@acme.example\r\nAction: failed\r\n\
Status: 5.1.1\r\nRemote-MTA: dns; mx.acme.example\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n\
Last-Attempt-Date: Mon, 05 Jan 2026 12:01:00 +0000\r\n\r\n\
--=_0000000000000007\r\nContent-Type: text/rfc822-headers\r\n\r\n\
From: bob@sender.example\r\nMessage-ID: <1@sender.example>\r\nSubject: hi\r\n\
--=_0000000000000007--\r\n";
    assert_eq!(mail, want);
}

#[test]
fn a_delay_tells_until_when_it_is_tried() {
    let until = Time::from_secs(1_767_614_400 + 2 * 86_400);
    let mail = composed(Kind::Delayed(until), &[unreached("ann@acme.example")], ORIGINAL, false);
    assert!(mail.contains("Subject: Your mail is delayed\r\n"), "{mail}");
    assert!(mail.contains("Action: delayed\r\n"), "{mail}");
    assert!(
        mail.contains("Will-Retry-Until: Wed, 07 Jan 2026 12:00:00 +0000\r\n"),
        "{mail}"
    );
}

#[test]
fn all_of_a_small_mail_goes_back_where_its_sender_asked_for_it() {
    let mail = composed(Kind::Failed, &[unreached("a@b.example")], ORIGINAL, true);
    assert!(
        mail.contains(&format!("Content-Type: message/rfc822\r\n\r\n{ORIGINAL}--=_")),
        "{mail}"
    );
    for odd in [
        "A: b\r\n\r\nbare\nline\r\n".to_owned(),
        "A: b\r\n\r\n\u{fc}\r\n".into(),
        format!("A: b\r\n\r\n{}\r\n", "x".repeat(70_000)),
    ] {
        let mail = composed(Kind::Failed, &[unreached("a@b.example")], &odd, true);
        assert!(mail.contains("text/rfc822-headers\r\n\r\nA: b\r\n--=_"), "{mail}");
    }
}

#[test]
fn an_address_that_is_not_ascii_is_written_in_ascii() {
    let mail = composed(Kind::Failed, &[unreached("jos\u{e9}@acme.example")], ORIGINAL, false);
    assert!(
        mail.contains("Final-Recipient: utf-8; jos\\x{E9}@acme.example\r\n"),
        "{mail}"
    );
    assert!(mail.is_ascii());
}

#[test]
fn machines_and_lists_are_not_answered() {
    let is = |head: &str| is_automatic(&Message::from_bytes(format!("{head}\r\n\r\nbody\r\n")));
    for machine in [
        "Auto-Submitted: auto-replied",
        "Auto-Submitted: Auto-Generated; x=y",
        "Precedence: bulk",
        "Precedence: LIST",
        "List-Id: <l.example>",
        "X-Gatepost-Report: yes",
    ] {
        assert!(is(machine), "{machine}");
    }
    for person in [
        "Auto-Submitted: no",
        "Auto-Submitted: No (really)",
        "Precedence: first-class",
        "From: a@b",
    ] {
        assert!(!is(person), "{person}");
    }
}

#[test]
fn only_xtext_of_printable_ascii_is_decoded() {
    assert_eq!(unxtext("a+2Bb").as_deref(), Some("a+b"));
    for bad in ["a+0Ab", "+", "+2", "+zz", "", "+20"] {
        assert_eq!(unxtext(bad), None, "{bad}");
    }
}

proptest! {
    #[test]
    fn nothing_a_stranger_said_adds_a_field_or_a_part(
        said in "(\\PC|[\r\n\t.=-]|--=_){0,600}",
        server in "(\\PC|[\r\n]){0,300}",
        orcpt in "(\\PC|[\r\n;+]){0,300}",
        head in "(\\PC|[\r\n:\t]|--=_){0,600}",
        whole in any::<bool>(),
    ) {
        let about = Unreached { said, server: Some(server), orcpt: Some(orcpt.into()), ..unreached("a@b.example") };
        let original = format!("Subject: x\r\nX: {head}\r\n\r\nbody\r\n");
        let mail = composed(Kind::Failed, &[about], &original, whole);
        prop_assert!(mail.is_ascii());
        prop_assert!(mail.split("\r\n").all(|line| line.len() <= LINE && !line.contains(['\r', '\n'])));
        let fields = mail.split("\r\n\r\n").next().expect("a head").split("\r\n");
        let names: Vec<&str> = fields.filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(':').next()).collect();
        prop_assert_eq!(names, ["From", "To", "Date", "Message-ID", "Subject", "Auto-Submitted", "X-Auto-Response-Suppress", "MIME-Version", "Content-Type"]);
        let parts = mail.matches("--=_0000000000000007\r\n").count();
        prop_assert_eq!(parts, 3);
    }
}
