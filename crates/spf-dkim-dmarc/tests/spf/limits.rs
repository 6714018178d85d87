//! Limits (section 4.6.4), as DNS counts them.

use std::fmt::Write as _;

use gatepost_core::SpfResult::{self, Fail, Neutral, Pass, PermError};

use crate::{Asked, record};

/// The result, and how many questions DNS was asked.
async fn counted(text: &str, result: SpfResult, most: usize, why: &str) {
    let zone = crate::zone(text);
    let answer = Asked::default().in_zone(&zone).await;
    assert_eq!(answer.result, result, "{answer:?}");
    assert!(answer.reason.contains(why), "{answer:?}");
    assert!(zone.asked() <= most, "{} questions", zone.asked());
}

#[tokio::test]
async fn ten_terms_may_ask_and_an_eleventh_is_an_error() {
    let chain = |last: usize| {
        let mut zone = record("v=spf1 include:i1.example", "");
        for n in 1..=last {
            let _ = writeln!(zone, "i{n}.example TXT \"v=spf1 include:i{}.example\"", n + 1);
        }
        let _ = writeln!(zone, "i{}.example TXT \"v=spf1 +all\"", last + 1);
        zone
    };
    counted(&chain(9), Pass, 11, "all").await;
    counted(&chain(10), PermError, 11, "more than 10 terms").await;
    let mut wide = String::new();
    let mut text = "v=spf1".to_owned();
    for n in 1..=11 {
        let _ = write!(text, " include:i{n}.example");
        let _ = writeln!(wide, "i{n}.example TXT \"v=spf1 -all\"");
    }
    counted(&record(&text, &wide), PermError, 11, "more than 10 terms").await;
    let ten = text.replace(" include:i11.example", " -all");
    counted(&record(&ten, &wide), Fail, 11, "-all").await;
}

#[tokio::test]
async fn terms_of_each_kind_count_and_those_that_do_not_ask_do_not() {
    let more = "example.org A 203.0.113.1\nexample.org MX 0 example.org\n192.0.2.1 PTR example.org";
    let ten = "v=spf1 a mx ptr exists:example.org a mx ptr a mx a";
    // exists matches: a fail of its own before the limit.
    let ten = ten.replace(" exists:example.org", " a");
    for (text, result) in [
        (format!("{ten} ip4:203.0.113.2 ip6:::1 -all"), Fail),
        (format!("{ten} a +all"), PermError),
        (format!("{ten} mx +all"), PermError),
        (format!("{ten} ptr +all"), PermError),
        (format!("{ten} exists:example.org +all"), PermError),
        (format!("{ten} include:example.org +all"), PermError),
        (format!("{ten} redirect=example.org"), PermError),
        (format!("{ten} -all exp=example.org"), Fail),
    ] {
        Asked::default().gets(&record(&text, more), result).await;
    }
}

#[tokio::test]
async fn a_record_that_leads_to_itself_ends() {
    counted(
        &record("v=spf1 include:example.org +all", ""),
        PermError,
        11,
        "more than 10",
    )
    .await;
    counted(
        &record("v=spf1 redirect=example.org", ""),
        PermError,
        11,
        "more than 10",
    )
    .await;
    let two = record(
        "v=spf1 include:b.example +all",
        "b.example TXT \"v=spf1 redirect=example.org\"",
    );
    counted(&two, PermError, 11, "more than 10").await;
}

#[tokio::test]
async fn two_terms_may_ask_in_vain_and_a_third_is_an_error() {
    counted(
        &record("v=spf1 a:no1.example exists:no2.example ?all", ""),
        Neutral,
        3,
        "?all",
    )
    .await;
    for third in [
        "a:no3.example",
        "mx:no3.example",
        "exists:no3.example",
        "ptr:no3.example",
        "a:there.example",
    ] {
        let text = format!("v=spf1 a:no1.example mx:no2.example {third} +all");
        counted(
            &record(&text, "there.example AAAA 2001:db8::1"),
            PermError,
            4,
            "in vain",
        )
        .await;
    }
    // Mail servers without addresses are one term, however many they are.
    let more = "b.example MX 1 no1.example\nb.example MX 2 no2.example\nb.example MX 3 no3.example";
    counted(&record("v=spf1 mx:b.example +all", more), Pass, 5, "all").await;
    // Neither the explanation nor the client's name count.
    let text = "v=spf1 a:no1.example a:no2.example exists:%{p}.b.example -all exp=no4.example";
    counted(
        &record(text, "unknown.b.example MX 0 .\nunknown.b.example A 192.0.2.1"),
        Pass,
        5,
        "exists",
    )
    .await;
    let text = "v=spf1 a:no1.example a:no2.example -all exp=no4.example";
    counted(&record(text, ""), Fail, 4, "all").await;
}

#[tokio::test]
async fn ten_mail_servers_are_asked_for_and_an_eleventh_is_an_error() {
    let servers = |n: usize| {
        (1..=n).fold(String::new(), |mut zone, n| {
            let _ = writeln!(zone, "b.example MX {n} m{n}.example\nm{n}.example A 203.0.113.1");
            zone
        })
    };
    counted(&record("v=spf1 mx:b.example -all", &servers(10)), Fail, 12, "all").await;
    counted(
        &record("v=spf1 mx:b.example +all", &servers(11)),
        PermError,
        2,
        "more than 10 mail servers",
    )
    .await;
    counted(
        &record("v=spf1 mx:b.example +all", &servers(100)),
        PermError,
        2,
        "more than 10 mail servers",
    )
    .await;
}

#[tokio::test]
async fn ten_names_of_a_client_are_followed_and_the_rest_left() {
    let names = |n: usize| {
        (1..=n).fold(String::new(), |mut zone, n| {
            let _ = writeln!(zone, "192.0.2.1 PTR p{n}.example\np{n}.example A 203.0.113.1");
            zone
        })
    };
    let more = names(100) + "192.0.2.1 PTR mail.example.org\nmail.example.org A 192.0.2.1";
    counted(&record("v=spf1 ptr -all", &more), Fail, 12, "all").await;
    // However often they are asked for.
    let text = "v=spf1 ptr ptr:b.example exists:%{p}.a.example ptr:c.example -all exp=%{p}.b.example";
    counted(&record(text, &more), Fail, 14, "all").await;
    let more = names(9) + "192.0.2.1 PTR mail.example.org\nmail.example.org A 192.0.2.1";
    counted(&record("v=spf1 ptr -all", &more), Pass, 12, "ptr").await;
}

#[tokio::test]
async fn addresses_have_no_limit() {
    let more: String = (1..=200).map(|n| format!("example.org A 192.0.2.{n}\n")).collect();
    Asked::by("192.0.2.200")
        .gets(&record("v=spf1 a -all", &more), Pass)
        .await;
}
