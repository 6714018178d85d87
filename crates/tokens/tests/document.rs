//! What becomes of a message in a document.

use std::sync::Arc;

use gatepost_message::Message;
use gatepost_tokens::document::{HEAD_MAX, HIDDEN_TOKENS_MAX, LINK_TOKENS_MAX, TEXT_MAX, TOKENS_MAX};
use gatepost_tokens::{Case, Document, Field, Key, fields};
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
                told.filter(|text| !text.starts_with("size:")).collect()
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
fn how_a_word_is_written_is_told_beside_it() {
    let document = document("\r\nfree Free FREE fReE\r\n");
    let told: Vec<_> = document
        .tokens()
        .iter()
        .filter(|token| token.field == Field::Text)
        .map(|token| token.case)
        .collect();
    assert_eq!(told, [Case::Lower, Case::Capital, Case::Upper, Case::Mixed]);
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
