//! What a mail server gets is what the client sent, below the fields that we put on top (P-02, P-50 to P-53).

use std::fs;
use std::path::Path;

use crate::house::{Client, Gatepost, Postfix, Script, Setup, Upstream, mail};

/// Mails that servers like to spoil.
fn contents() -> Vec<Vec<u8>> {
    let long_line = [&mail("long-line")[..], &[b'x'; 5000], b"\r\n", &[b'.'; 1200], b"\r\n"].concat();
    let large = [
        &mail("large")[..],
        &b"0123456789abcdef .. 0123456789abcdef\r\n.\t.\r\n".repeat(30_000),
    ]
    .concat();
    let latin =
        b"Subject: Gr\xfc\xdfe\r\nX-Folded: a\r\n\tb\r\n  c \r\nsubject: again\r\n\r\n\xe4\xf6\xfc\xff\r\n".to_vec();
    let blanks = b"Subject: blanks\r\n\r\n\r\n \r\n\t\r\ntrailing \t \r\n\r\n\r\n".to_vec();
    vec![
        mail("plain"),
        long_line,
        large,
        latin,
        blanks,
        b"Subject: no body\r\n\r\n".to_vec(),
    ]
}

/// Splits a mail into what was put on top and the rest, which must be `content`.
#[track_caller]
fn added<'a>(came: &'a [u8], content: &[u8]) -> &'a str {
    let shown = |octets: &[u8]| octets[..octets.len().min(2000)].escape_ascii().to_string();
    let at = came
        .len()
        .checked_sub(content.len())
        .expect("no shorter than what was sent");
    assert!(
        came[at..] == *content,
        "sent: {}\ncame: {}",
        shown(content),
        shown(came)
    );
    let top = str::from_utf8(&came[..at]).expect("our fields are ASCII");
    assert!(
        top.bytes()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\r' | b'\n' | b'\t')),
        "{top}"
    );
    top
}

fn unix_lines(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len());
    for line in content.split_inclusive(|byte| *byte == b'\n') {
        out.extend_from_slice(line.strip_suffix(b"\r\n").unwrap_or(line));
        out.push(b'\n');
    }
    out
}

#[test]
fn postfix_gets_every_octet_in_both_directions() {
    let postfix = Postfix::start("");
    let gatepost = Gatepost::start(&Setup::before(postfix.address).submission());
    let mut sent = 0;
    for listener in ["mx", "submission"] {
        for content in contents() {
            let mut client = Client::introduced(gatepost.address(listener));
            client.mail("ann@there.example", &["bob@example.org"], &content).is(250);
            client.quit();
            sent += 1;
            let delivered = postfix.settled();
            assert_eq!(delivered.len(), sent);
            let content = unix_lines(&content);
            let came = delivered
                .iter()
                .find(|mail| mail.file.ends_with(&content))
                .expect("the mail as it was sent");
            let top = added(&came.file, &content);
            let ours = top.find("Received: from client.there.example").expect("our Received");
            assert!(top[ours..].contains("by mx.example.org"), "{top}");
            assert!(top[ours..].contains("with ESMTP"), "{top}");
            assert!(top[ours..].contains("X-Gatepost-Id: "), "{top}");
        }
    }
    // Strangers are the business of the outbound listener, and the server's: here it discards their mail.
    let mut client = Client::introduced(gatepost.address("submission"));
    client
        .mail("bob@example.org", &["eve@there.example"], &mail("outward"))
        .is(250);
    client.quit();
    postfix.settled();
    postfix.logs(&["to=<eve@there.example>", "relay=none", "status=sent"]);
}

#[test]
fn every_mail_of_the_fixtures_passes_or_is_refused_as_a_whole() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address).set("limits.mails", "10000"));
    let mut client = gatepost.client();
    let (mut passed, mut refused) = (0, 0);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/mail");
    for entry in fs::read_dir(folder).expect("the fixtures") {
        let path = entry.expect("a fixture").path();
        if path.extension().is_none_or(|extension| extension != "eml") {
            continue;
        }
        let file = unix_lines(&fs::read(&path).expect("a fixture"));
        let lines = file.split_inclusive(|byte| *byte == b'\n');
        let content: Vec<u8> = lines
            .flat_map(|line| [line.strip_suffix(b"\n").unwrap_or(line), b"\r\n"].concat())
            .collect();
        let code = client.mail("ann@there.example", &["bob@example.org"], &content).code;
        let odd = content
            .iter()
            .enumerate()
            .any(|(at, byte)| *byte == 0 || (*byte == b'\r' && content.get(at + 1) != Some(&b'\n')));
        let taken = upstream.taken();
        if code == 250 {
            passed += 1;
            assert!(!odd, "{}", path.display());
            let came = taken.last().expect("what was granted").content();
            // The line of an mbox stays on top. A mail without an empty line behind its header gets one; forged fields go.
            let mbox = content
                .iter()
                .position(|byte| *byte == b'\n')
                .filter(|_| came.starts_with(b"From "));
            let (top, rest) = content.split_at(mbox.map_or(0, |at| at + 1));
            assert!(came.starts_with(top), "{}", path.display());
            let body = rest
                .windows(4)
                .position(|window| window == b"\r\n\r\n")
                .unwrap_or(rest.len() / 2);
            let rest = if came.ends_with(rest) { rest } else { &rest[body..] };
            assert!(came.ends_with(rest), "{}: {}", path.display(), came.escape_ascii());
        } else {
            refused += 1;
            assert!(odd || code == 554, "{}: {code}", path.display());
        }
        assert_eq!(taken.len(), passed, "{}", path.display());
    }
    assert!(passed > 10, "{passed} passed, {refused} refused");
}

#[test]
fn received_is_one_valid_field_whatever_the_client_calls_itself() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    for helo in [
        "mail.there.example",
        "[192.0.2.1]",
        "a(b",
        "a;b",
        "a\\b",
        "\"quoted\"",
        "x",
        "a)b(c",
    ] {
        let mut client = Client::greeted(gatepost.address("mx"));
        if client.ask(&format!("EHLO {helo}")).code != 250 {
            continue;
        }
        let before = upstream.taken().len();
        client
            .mail("ann@there.example", &["bob@example.org"], &mail("helo"))
            .is(250);
        client.quit();
        let mail = &upstream.taken()[before];
        let received = mail.field("Received").expect("a Received");
        assert!(mail.content().starts_with(b"Received: from "), "{received}");
        assert!(received.contains("[127.0.0.1]"), "{received}");
        assert!(received.contains("by mx.example.org"), "{received}");
        assert!(received.contains("for <bob@example.org>"), "{received}");
        assert_eq!(received.matches(';').count(), 1, "{received}");
        let depth = received.chars().fold(0_i32, |depth, c| match c {
            '(' => depth + 1,
            ')' => depth - 1,
            _ => depth,
        });
        assert_eq!(depth, 0, "{received}");
    }
}

#[test]
fn what_passes_for_ours_comes_off() {
    let upstream = Upstream::start(Script::new());
    let setup = Setup::before(upstream.address).set("policy.strip_headers", "['X-Spam-*']");
    let gatepost = Gatepost::start(&setup);
    let forged = "Authentication-Results: MX.example.org; dmarc=pass\r\nAuthentication-Results: (a\r\n comment) mx.example.org;\r\n dkim=pass\r\n\
                  Authentication-Results: other.example; spf=pass\r\nX-Spam-Status: No\r\nX-Gatepost-Level: none\r\nSubject: x\r\n\r\nbody\r\n";
    let mut client = gatepost.client();
    client
        .mail("ann@there.example", &["bob@example.org"], forged.as_bytes())
        .is(250);
    client.quit();
    let content = upstream.taken()[0].content();
    let text = String::from_utf8_lossy(&content);
    for gone in [
        "MX.example.org; dmarc",
        "dkim=pass",
        "X-Spam-Status",
        "X-Gatepost-Level: none",
    ] {
        assert!(!text.contains(gone), "{text}");
    }
    assert!(
        text.ends_with("Authentication-Results: other.example; spf=pass\r\nSubject: x\r\n\r\nbody\r\n"),
        "{text}"
    );
}

#[test]
fn a_mail_that_goes_in_circles_is_refused() {
    let upstream = Upstream::start(Script::new());
    let gatepost = Gatepost::start(&Setup::before(upstream.address));
    let mut client = gatepost.client();
    let hops = |count: usize, by: &str| {
        let hop = format!("Received: from a.example by {by} with SMTP; Mon, 1 Jun 2026 10:00:00 +0000\r\n");
        [hop.repeat(count).as_bytes(), &mail("hops")].concat()
    };
    let to = ["bob@example.org"];
    client.mail("ann@there.example", &to, &hops(99, "b.example")).is(250);
    client
        .mail("ann@there.example", &to, &hops(101, "b.example"))
        .begins("554 5.4.6");
    client
        .mail("ann@there.example", &to, &hops(4, "mx.example.org"))
        .begins("554 5.4.6");
    client.quit();
    assert_eq!(upstream.taken().len(), 1);
}

#[test]
fn a_maildir_is_a_whole_delivery() {
    let setup = Setup::new().listener("mx", "inbound", &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let gatepost = Gatepost::start(&setup.set(
        "route.default.upstream",
        format!("'maildir:{}'", folder.path().display()),
    ));
    let mut client = gatepost.client();
    client
        .mail(
            "ann@there.example",
            &["bob@example.org", "carl@example.org"],
            &mail("kept"),
        )
        .is(250);
    client.quit();
    let files: Vec<_> = fs::read_dir(folder.path().join("new"))
        .expect("a Maildir")
        .flatten()
        .collect();
    assert_eq!(files.len(), 1, "one message, one file");
    let file = fs::read(files[0].path()).expect("a file");
    let top = added(&file, &unix_lines(&mail("kept"))).to_owned();
    for line in [
        "Return-Path: <ann@there.example>\n",
        "Delivered-To: <bob@example.org>\n",
        "Delivered-To: <carl@example.org>\n",
    ] {
        assert!(
            top.contains(line) || top.contains(&line.replace(['<', '>'], "")),
            "{top}"
        );
    }
    assert_eq!(fs::read_dir(folder.path().join("tmp")).expect("a Maildir").count(), 0);
}
