//! What becomes of a message in a document.

use std::sync::Arc;

use gatepost_message::Message;
use gatepost_tokens::document::{HEAD_MAX, HIDDEN_TOKENS_MAX, LINK_TOKENS_MAX, TEXT_MAX, TOKENS_MAX};
use gatepost_tokens::{Document, Field, Key, fields};
use proptest::prelude::*;

fn document(mail: impl Into<Vec<u8>>) -> Arc<Document> {
    Document::of(&Message::from_bytes(mail.into()))
}

fn of(document: &Document, field: Field) -> Vec<&str> {
    let tokens = document.tokens().iter().filter(|token| token.field == field);
    tokens.map(|token| document.text_of(token)).collect()
}

fn text(body: &str) -> Vec<String> {
    let mail = format!("Content-Type: text/plain; charset=utf-8\r\n\r\n{body}\r\n");
    let document = document(mail);
    of(&document, Field::Text).into_iter().map(Into::into).collect()
}

fn html(body: &str) -> Arc<Document> {
    document(format!(
        "Content-Type: text/html; charset=utf-8\r\n\r\n<html><body>{body}</body></html>\r\n"
    ))
}

/// Fields as filters, mailboxes and mail servers wrote them, by family.
const VERDICTS: &[(&str, &[&str])] = &[
    (
        "mailboxes",
        &[
            "Status: RO",
            "X-Status: A",
            "X-Keywords: Junk",
            "X-UID: 7",
            "X-UIDL: 8",
            "Delivery-Date: today",
            "Lines: 12",
            "Content-Length: 400",
            "X-Mozilla-Status: 0001",
            "X-Evolution-Source: a",
            "X-Gmail-Labels: Spam",
            "Delivered-To: a@b.example",
            "X-Original-To: a@b.example",
            "Envelope-To: a@b.example",
            "X-IMAPbase: 1 2",
            "Return-Path: <a@b.example>",
            "X-Message-Info: a",
            "X-Message-Delivery: b",
            "X-MDRcpt-To: a@b.example",
        ],
    ),
    (
        "SpamAssassin",
        &[
            "X-Spam-Flag: YES",
            "X-Spam-Status: Yes, score=9",
            "X-Spam-Level: *****",
            "X-Spam-Report: * 3",
            "X-Spam-Checker-Version: 4.0",
            "X-SA-Exim-Scanned: Yes",
        ],
    ),
    (
        "rspamd",
        &[
            "X-Spamd-Result: default: True",
            "X-Rspamd-Server: mx",
            "X-Rspamd-Queue-Id: A",
            "X-Rspamd-Action: reject",
            "X-Spamd-Bar: +++",
            "X-Rspam-User: a",
            "X-Spam: Yes",
        ],
    ),
    (
        "Exchange",
        &[
            "X-MS-Exchange-Organization-SCL: 5",
            "X-Forefront-Antispam-Report: SFV:SPM",
            "X-Microsoft-Antispam: BCL:7",
            "X-MS-Exchange-CrossTenant-Id: 1",
            "SpamDiagnosticOutput: 1:99",
            "X-EOPAttributedMessage: 0",
            "X-MS-Office365-Filtering-Correlation-Id: 1",
            "X-Exchange-Antispam-Report-CFA-Test: x",
            "X-SID-Result: Fail",
        ],
    ),
    (
        "Proofpoint",
        &["X-Proofpoint-Spam-Details: rule=spam", "X-Proofpoint-Virus-Version: v"],
    ),
    (
        "Barracuda",
        &[
            "X-Barracuda-Spam-Score: 4.1",
            "X-Barracuda-Bayes: INNOCENT",
            "X-BESS-ID: 1",
            "X-ASG-Debug-ID: 1",
        ],
    ),
    (
        "IronPort",
        &[
            "X-IronPort-Anti-Spam-Result: A",
            "X-IronPort-AV: E=Sophos",
            "X-AMP-Result: UNKNOWN",
        ],
    ),
    (
        "amavis",
        &[
            "X-Virus-Scanned: amavisd-new",
            "X-Amavis-Alert: BANNED",
            "X-Quarantine-ID: <a>",
        ],
    ),
    ("DSPAM", &["X-DSPAM-Result: Spam", "X-DSPAM-Signature: 1"]),
    ("bogofilter", &["X-Bogosity: Spam, tests=bogofilter"]),
    ("CRM114", &["X-CRM114-Status: SPAM", "X-CRM114-Version: 2009"]),
    (
        "others",
        &[
            "X-MailScanner-SpamCheck: spam",
            "X-Spambayes-Classification: spam",
            "X-SpamProbe: SPAM",
            "X-Text-Classification: spam",
            "X-Mimecast-Spam-Score: 3",
            "X-VR-SPAMSTATE: SPAM",
            "X-PMX-Spam: 9",
            "X-TM-AS-Result: Yes",
            "X-NAI-Spam-Flag: YES",
            "X-Kaspersky: a",
            "X-Clam-Status: clean",
            "X-DCC-x-Metrics: bulk",
            "X-Razor: a",
            "X-Pyzor: 3",
            "X-UI-Filterresults: junk",
            "X-YMailISG: a",
            "X-CMAE-Score: 100",
            "X-Policyd-Weight: a",
            "X-Greylist: delayed",
            "X-purgate: clean",
            "X-purgate-ID: 1",
            "X-KSE-AntiSpam-Info: a",
            "X-CTCH-RefID: a",
            "X-pstn-levels: a",
            "X-Symantec-Messaging: a",
            "X-NAS-Classification: 0",
            "X-BTI-AntiSpam: a",
            "X-AOL-SCOLL-SCORE: 0",
            "X-BitDefender-Spam: No",
            "X-WatchGuard-AntiVirus: a",
            "X-Suspected-Spam: true",
            "X-Outgoing-Spam-Status: No",
            "X-Originating-Spam-Status: No",
            "X-Mail-Filter: a",
            "X-Any-Junk-Level: 1",
            "X-Our-Bogometer: 1",
            "X-Some-Verdict: a",
            "X-In-Quarantine: a",
            "X-Has-Virus: no",
        ],
    ),
    (
        "checks of senders",
        &[
            "Authentication-Results: mx; spf=fail",
            "Received-SPF: fail",
            "ARC-Seal: i=1",
            "DMARC-Filter: v",
            "ARC-Authentication-Results: i=1; mx",
            "X-Authentication-Results: a",
        ],
    ),
    (
        "the original",
        &[
            "X-Assp-Spam: YES",
            "X-Assp-Bayes-Confidence: 1",
            "X-ASSP-Spam-Prob: 1",
            "X-Intended-For: a@b.example",
        ],
    ),
    ("our own", &["X-Gatepost-Id: A", "X-Gatepost-Score: 9"]),
];

#[test]
fn what_others_made_of_a_mail_is_not_in_its_document() {
    let bare = "From: ann@a.example\r\nSubject: hello\r\n\r\nwords\r\n";
    let plain = document(bare);
    for (family, written) in VERDICTS {
        for field in *written {
            let name = field.split(':').next().unwrap();
            assert!(!fields::may(name.to_ascii_uppercase().as_bytes()), "{family}: {name}");
            let marked = document(format!("{field}\r\n\tfolded spam\r\n{bare}"));
            assert_eq!(marked.head(), plain.head(), "{family}: {field}");
            let seen = |document: &Document| -> Vec<String> {
                let told = document.tokens().iter().map(|token| document.text_of(token).to_owned());
                told.collect()
            };
            assert_eq!(seen(&marked), seen(&plain), "{family}: {field}");
        }
    }
}

#[test]
fn what_senders_write_is_in_it() {
    for name in [
        "From",
        "Received",
        "X-Mailer",
        "List-Id",
        "X-Priority",
        "Date",
        "X-Spa",
        "X-Lead-Score",
        "Junk-Of-A-Name",
        "DKIM-Signature",
        "Message-ID",
    ] {
        assert!(fields::may(name.as_bytes()), "{name}");
    }
    let document = document("X-Mailer: Outlook Express\r\n\r\n");
    assert_eq!(of(&document, Field::Header), ["x-mailer:outlook", "x-mailer:express"]);
    assert_eq!(of(&document, Field::Name), ["x-mailer"]);
    assert!(document.head().starts_with(b"X-Mailer"));
}

#[test]
fn words_are_read_in_any_language() {
    assert_eq!(
        text("Buy now!!!!! It's 1,000 $ for you,friend."),
        ["buy", "now", "!!!", "it's", "1,000", "$", "for", "you", "friend"]
    );
    assert_eq!(text("Grüße aus Zürich"), ["grüße", "aus", "zürich"]);
    assert_eq!(text("Купите сейчас"), ["купите", "сейчас"]);
    assert_eq!(text("免费发票"), ["免费", "费发", "发票"]);
    assert_eq!(text("見 abc"), ["見", "abc"]);
    assert_eq!(text("مرحبا بالعالم"), ["مرحبا", "بالعالم"]);
}

#[test]
fn split_and_disguised_words_are_read_as_they_are_seen() {
    // A zero width space, a soft hyphen, a word joiner.
    assert_eq!(text("vi\u{200B}ag\u{AD}r\u{2060}a"), ["viagra"]);
    // Cyrillic letters in a Latin word, wide letters, mathematical letters, a ligature.
    assert_eq!(text("vi\u{430}gr\u{430}"), ["viagra"]);
    assert_eq!(text("\u{FF36}\u{FF29}\u{FF21}\u{FF27}\u{FF32}\u{FF21}"), ["viagra"]);
    assert_eq!(text("\u{1D41F}\u{1D42B}\u{1D41E}\u{1D41E}"), ["free"]);
    assert_eq!(text("pro\u{FB01}t"), ["profit"]);
    // Controls, an unlisted mark, Armenian, Cherokee and small capitals.
    assert_eq!(
        text("v\u{1}i\u{1}a\u{1}gra vi\u{483}ag\u{fe20}ra"),
        ["viagra", "viagra"]
    );
    assert_eq!(text("l\u{585}an \u{13df}asino"), ["loan", "casino"]);
    assert_eq!(text("\u{1d20}\u{26a}\u{1d00}\u{262}\u{280}\u{1d00}"), ["viagra"]);
    // A Russian word stays one.
    assert_eq!(text("\u{440}\u{430}\u{442}"), ["рат"]);
    let spaced = text("V I A G R A now");
    assert!(spaced.contains(&"viagra".to_owned()), "{spaced:?}");
    let dotted = text("buy V.I.A.G.R.A now");
    assert!(dotted.contains(&"viagra".to_owned()), "{dotted:?}");
    assert!(!text("e.g. an i.e. is none").contains(&"eg".to_owned()));
    let told = document("Content-Type: text/plain; charset=utf-8\r\n\r\nvi\u{200B}agra\r\n");
    assert!(of(&told, Field::Form).contains(&"unseen-within-words"));
    let told = document("\r\nvi\u{1}agra\r\n");
    assert!(of(&told, Field::Form).contains(&"unseen-within-words"));
}

#[test]
fn tricks_in_html_do_not_split_words() {
    for body in [
        "vi<b></b>agra",
        "vi<!-- x -->agra",
        "v&#105;agra",
        "vi<span style=\"display:none\">xx</span>agra",
    ] {
        let document = html(body);
        assert_eq!(of(&document, Field::Text), ["viagra"], "{body}");
    }
}

#[test]
fn base64_with_foreign_octets_is_read() {
    let document = document("Content-Transfer-Encoding: base64\r\n\r\ndmlh\x01Z3.Jh\r\n");
    assert_eq!(of(&document, Field::Text), ["viagra"]);
    assert!(of(&document, Field::Form).contains(&"broken:base64"));
}

#[test]
fn filler_that_is_not_seen_is_no_text_and_takes_little_room() {
    let filler: String = (0..3_000).map(|n| format!("filler{n} ")).collect();
    let document = html(&format!(
        "<img src=\"http://a.example/x.png\"><div style=\"display:none\">{filler}</div>"
    ));
    assert_eq!(of(&document, Field::Text), Vec::<&str>::new());
    assert_eq!(document.text().trim(), "");
    assert_eq!(of(&document, Field::Hidden).len(), HIDDEN_TOKENS_MAX);
    let form = of(&document, Field::Form);
    assert!(
        form.contains(&"html:image-alone") && form.contains(&"hidden:8/8"),
        "{form:?}"
    );
}

#[test]
fn filler_in_a_branch_that_nobody_sees_is_no_text_and_the_same_text_twice_is_harmless() {
    let mail = |plain: &str| {
        document(format!(
            "Content-Type: multipart/alternative; boundary=b\r\n\r\n--b\r\n\r\n{plain}\r\n--b\r\n\
             Content-Type: text/html\r\n\r\n<p>Buy it now</p>\r\n--b--\r\n"
        ))
    };
    let filled = mail("The minutes of our meeting");
    assert_eq!(of(&filled, Field::Text), ["buy", "it", "now"]);
    assert_eq!(of(&filled, Field::Hidden), ["the", "minutes", "of", "our", "meeting"]);
    assert!(of(&filled, Field::Form).contains(&"alternatives:8/8"));
    let same = mail("BUY it\r\nnow");
    assert_eq!(of(&same, Field::Text), ["buy", "it", "now"]);
    assert_eq!(of(&same, Field::Hidden), [""; 0]);
    assert!(of(&same, Field::Form).contains(&"alternatives:0/8"));
}

#[test]
fn a_flood_in_the_header_leaves_room_for_the_text() {
    let header: String = (0..900)
        .map(|n| format!("X-Flood-{n}: a{n}x b{n}x c{n}x d{n}x e{n}x f{n}x\r\n"))
        .collect();
    let links: String = (0..2_000)
        .map(|n| format!("http://host{n}.example/path/{n}/x "))
        .collect();
    let document = document(format!("{header}\r\nseen words\r\n{links}"));
    assert!(document.tokens().len() <= TOKENS_MAX);
    assert!(of(&document, Field::Link).len() <= LINK_TOKENS_MAX);
    assert!(of(&document, Field::Text).starts_with(&["seen", "words"]));
}

/// What a spammer writes, without the blank line.
const OWN: &str = "From: Pills <win@pills.example>\r\nSubject: cheap viagra\r\nTo: ann@d.example\r\n\
    Message-ID: <1@pills.example>\r\nDate: Thu, 26 Nov 2026 10:00:00 +0100\r\nX-Mailer: Blaster\r\n\
    Content-Type: text/plain\r\n";

#[test]
fn no_flood_of_fields_pushes_out_those_that_tell() {
    let many = |count: usize, line: &dyn Fn(usize) -> String| (0..count).map(line).collect::<String>();
    let words = "a b c d e f g h i j k l m n o p q r s t u v w x y z a b c d e f g h i j k l m n";
    for (kind, flood) in [
        ("many names", many(200, &|n| format!("X-Q{n}: a\r\n"))),
        ("many more", many(900, &|n| format!("X-Q{n}: a\r\n"))),
        ("many words", many(50, &|n| format!("X-Q{n}: {words}\r\n"))),
        ("one name", many(40, &|n| format!("X-Q: some words {n}\r\n"))),
        ("a long one", format!("X-Long: {}\r\n", "word ".repeat(4_000))),
        (
            "a long known one",
            format!("References: {}\r\n", "<a@b.example>\r\n ".repeat(500)),
        ),
        (
            "as in good mail",
            many(200, &|n| match n % 3 {
                0 => format!("List-Id: <list{n}.good.example>\r\n"),
                1 => format!("References: <{n}@good.example>\r\n"),
                _ => format!("Received: from a{n}.good.example by b.good.example with ESMTP id x{n}; today\r\n"),
            }),
        ),
    ] {
        let told = document(format!("{flood}{OWN}\r\nbody\r\n"));
        let head = String::from_utf8_lossy(told.head()).into_owned();
        for line in OWN.lines() {
            assert!(head.contains(line), "{kind}: {line} in {head}");
        }
        assert_eq!(of(&told, Field::Subject), ["cheap", "viagra"], "{kind}");
        assert!(of(&told, Field::From).contains(&"win@pills.example"), "{kind}");
        let header = of(&told, Field::Header);
        for token in ["x-mailer:blaster", "to:ann@d.example", "message-id:pills.example"] {
            assert!(header.contains(&token), "{kind}: {token}");
        }
        let of_flood = |token: &&&str| token.starts_with("x-q") || token.starts_with("x-long");
        assert!(header.iter().filter(of_flood).count() <= 240, "{kind}");
        if kind == "as in good mail" {
            let count = |name: &str| header.iter().filter(|token| token.starts_with(name)).count();
            assert!(
                count("list-id:") <= 30 && count("references:") <= 30,
                "{kind}: {header:?}"
            );
            assert!(head.matches("Received:").count() <= 8 && head.matches("List-Id:").count() <= 6);
        }
        let form = of(&told, Field::Form);
        assert!(form.contains(&"beyond:fields"), "{kind}: {form:?}");
        assert!(form.iter().any(|token| token.starts_with("fields:")));
    }
}

#[test]
fn the_head_of_a_usual_mail_is_as_it_came() {
    let more: String = (0..50).map(|n| format!("X-Some-{n}: {}\r\n", "y".repeat(60))).collect();
    let lists = "Received: from a.example by b.example; today\r\n".repeat(9);
    for mail in [
        OWN.to_owned(),
        format!("{more}{OWN}"),
        format!("{lists}{OWN}X-Odd:\r\n\tfolded\r\n"),
    ] {
        assert_eq!(
            String::from_utf8_lossy(document(format!("{mail}\r\nbody\r\n")).head()),
            mail
        );
    }
}

/// What Gatepost puts on top of a mail, with what its filters found.
const TRACE: &str = "Received: from out.pills.example (unknown [192.0.2.77]) by gate.d.example\r\n with ESMTPS id 4XyZ-01 \
    for <ann@d.example>; Thu, 26 Nov 2026 10:00:01 +0000\r\n\
    Authentication-Results: gate.d.example; spf=fail smtp.mailfrom=win@pills.example\r\n\
    Received-SPF: fail (gate.d.example) client-ip=192.0.2.77\r\nX-Gatepost-Id: 4XyZ-01.0123456789abc\r\n\
    X-Gatepost-Level: medium\r\nX-Gatepost-Score: 7\r\n";
/// What Postfix puts above it.
const POSTFIX: &str = "Return-Path: <win@pills.example>\r\nX-Original-To: ann@d.example\r\nDelivered-To: ann@mail.d.example\r\n\
    Received: from gate.d.example (gate.d.example [192.0.2.1])\r\n\tby mail.d.example (Postfix) with ESMTP id 5ABCDEF\r\n\
    \tfor <ann@d.example>; Thu, 26 Nov 2026 10:00:02 +0000 (UTC)\r\n";
/// What came.
const CAME: &str =
    "Received: from home.example (home.example [198.51.100.7]) by out.pills.example with SMTP id 7; today\r\n";

fn all(document: &Document) -> Vec<(Field, &str)> {
    let told = document.tokens().iter();
    told.map(|token| (token.field, document.text_of(token))).collect()
}

#[test]
fn a_mail_in_a_mailbox_behind_us_is_what_it_was_when_it_came() {
    let long = "word ".repeat(150);
    let rest = format!("{CAME}{OWN}\r\n{long}\r\n");
    let came = document(rest.clone());
    assert!(of(&came, Field::Header).contains(&"received-by:out.pills.example"));
    for (tag, original) in [
        ("", ""),
        ("[SPAM?] ", "X-Original-Subject: cheap viagra\r\n"),
        ("[Verdacht!] ", "X-Original-Subject: cheap viagra\r\n"),
    ] {
        let tagged = rest.replacen("Subject: ", &format!("Subject: {tag}"), 1);
        // Mail of before there were seals lies in mailboxes, too.
        for trace in [TRACE.to_owned(), TRACE.replace(".0123456789abc", "")] {
            let kept = document(format!("{POSTFIX}{trace}{original}{tagged}"));
            assert_eq!(
                String::from_utf8_lossy(kept.head()),
                String::from_utf8_lossy(came.head()),
                "{tag}"
            );
            assert_eq!(all(&kept), all(&came), "{tag}");
        }
    }
    // Without a Subject.
    let rest = rest.replacen("Subject: cheap viagra\r\n", "", 1);
    let (came, kept) = (
        document(rest.clone()),
        document(format!("{POSTFIX}{TRACE}Subject: [SPAM?]\r\n{rest}")),
    );
    assert_eq!(kept.head(), came.head());
    assert_eq!(all(&kept), all(&came));
}

#[test]
fn a_forged_trace_hides_nothing_that_a_reader_is_shown() {
    for forged in [
        TRACE.to_owned(),
        TRACE.replace("id 4XyZ-01", "id other"),
        "X-Gatepost-Id: 4XyZ-01\r\n".to_owned(),
        TRACE.replace("X-Gatepost-Id: 4XyZ-01.", "X-Gatepost-Id: ."),
        format!("{TRACE}X-Original-Subject: \r\n"),
    ] {
        let told = document(format!("{OWN}{forged}\r\nbody\r\n"));
        assert_eq!(of(&told, Field::Subject), ["cheap", "viagra"]);
        assert!(of(&told, Field::From).contains(&"win@pills.example"));
        let told = document(format!("{forged}{OWN}\r\nbody\r\n"));
        assert_eq!(of(&told, Field::Subject), ["cheap", "viagra"]);
    }
    // Without our Received, the fields above are the sender's.
    let told = document("X-Mailer: Blaster\r\nX-Gatepost-Id: 1\r\n\r\n");
    assert!(of(&told, Field::Header).contains(&"x-mailer:blaster"));
}

#[test]
fn the_tag_of_a_filter_in_the_subject_is_no_feature() {
    let plain = document(format!("{OWN}\r\nbody\r\n"));
    for tag in [
        "[SPAM?]",
        "[SPAM]",
        "*****SPAM*****",
        "***SPAM***",
        "[Spam-Mail]",
        "{Spam?}",
        "**Junk**",
    ] {
        let mail = OWN.replacen("Subject: ", &format!("Subject: {tag} "), 1);
        let tagged = document(format!("{mail}\r\nbody\r\n"));
        assert_eq!(tagged.head(), plain.head(), "{tag}");
        assert_eq!(of(&tagged, Field::Subject), of(&plain, Field::Subject), "{tag}");
    }
}

#[test]
fn each_field_is_cut_in_its_own_way() {
    let document = document(
        "Received: from mail.shop.example.com (unknown [192.0.2.77]) by mx.d.example with ESMTP id 4XyZ123456;\r\n \
         Thu, 26 Nov 2026 10:00:00 +0100\r\nFrom: =?utf-8?q?Gr=C3=BCn?= <Ann9@news.shop.co.uk>\r\n\
         Message-ID: <20261126.12345.abc@mail.shop.co.uk>\r\nReply-To: bob@other.example\r\n\
         Date: Thu, 26 Nov 2026 10:00:00 +0100\r\n\
         DKIM-Signature: v=1; a=rsa-sha256; d=shop.co.uk; s=k1; bh=abc=; b=ZZZ\r\n\r\n",
    );
    let from = of(&document, Field::From);
    for token in ["grün", "ann9@news.shop.co.uk", "news.shop.co.uk", "shop.co.uk"] {
        assert!(from.contains(&token), "{token} in {from:?}");
    }
    let header = of(&document, Field::Header);
    for token in [
        "received-from:mail.shop.example.com",
        "received-from:example.com",
        "received-from:192.0.2.77",
        "received-from:192.0.2",
        "received-from:192.0",
        "received-by:mx.d.example",
        "received-with:esmtp",
        "received-id:9zaz9",
        "message-id:9.9.a",
        "message-id:shop.co.uk",
        "date:+0100",
        "dkim-signature:shop.co.uk",
    ] {
        assert!(header.contains(&token), "{token} in {header:?}");
    }
    let form = of(&document, Field::Form);
    assert!(
        form.contains(&"message-id:as-from") && form.contains(&"reply-to:not-as-from"),
        "{form:?}"
    );
    // No day, no signature's value.
    assert!(
        !header
            .iter()
            .any(|token| token.contains("2026") || token.contains("zzz") || token.contains("nov"))
    );
}

#[test]
fn links_are_hosts_domains_and_words_of_their_paths() {
    let document = document("\r\nsee http://www.shop.co.uk/pills/order and http://192.0.2.9/x\r\n");
    let links = of(&document, Field::Link);
    for token in [
        "www.shop.co.uk",
        "shop.co.uk",
        "tld:uk",
        "text:pills",
        "text:order",
        "192.0.2.9",
        "192.0.2",
    ] {
        assert!(links.contains(&token), "{token} in {links:?}");
    }
    assert!(of(&document, Field::Form).contains(&"link:address"));
}

#[test]
fn the_hash_is_the_same_on_every_machine_and_another_with_another_key() {
    let key = Key::new([7; 16]);
    assert_eq!(key.word(0, b"viagra"), HASH);
    assert_ne!(Key::new([8; 16]).word(0, b"viagra"), HASH);
    assert_ne!(key.word(1, b"viagra"), HASH);
    assert_ne!(key.pair(HASH, 1, 1), key.pair(HASH, 1, 2));
    assert_ne!(key.pair(HASH, 1, 1), key.pair(1, HASH, 1));
}
const HASH: u64 = 17_540_676_849_502_771_463;

fn kept(document: &Document) {
    assert!(document.tokens().len() <= TOKENS_MAX && document.head().len() <= HEAD_MAX);
    assert!(document.text().len() <= TEXT_MAX);
    for token in document.tokens() {
        let text = document.text_of(token);
        assert!(text.len() <= 81, "{text}");
        assert!(!text.bytes().any(|octet| octet.is_ascii_uppercase()), "{text}");
    }
}

proptest! {
    #[test]
    fn any_octets_make_one_document(octets in prop::collection::vec(any::<u8>(), 0..3_000)) {
        let one = document(octets.clone());
        kept(&one);
        let other = document(octets);
        prop_assert_eq!(one.tokens(), other.tokens());
        prop_assert_eq!(one.text(), other.text());
    }

    #[test]
    fn any_text_in_any_field_makes_a_document(
        name in "(From|To|Subject|Received|Date|Message-ID|Content-Type|DKIM-Signature|X-Any)",
        value in "\\PC{0,200}", body in "\\PC{0,400}", kind in "(plain|html)",
    ) {
        let mail = format!("{name}: {value}\r\nContent-Type: text/{kind}; charset=utf-8\r\n\r\n{body}");
        kept(&document(mail));
    }
}
