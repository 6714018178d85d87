//! Trouble with DNS is nobody's fault.

use gatepost_core::SpfResult::{self, Fail, Neutral, Pass, TempError};

use crate::{Asked, record};

#[tokio::test(start_paused = true)]
async fn trouble_wherever_it_counts_is_a_temporary_error() {
    for kind in ["SERVFAIL", "TIMEOUT"] {
        let asked = Asked::default();
        asked.gets(&format!("{kind} example.org"), TempError).await;
        for term in [
            "a:b.example",
            "mx:b.example",
            "mx:c.example",
            "exists:b.example",
            "include:b.example",
            "-a:b.example",
        ] {
            let more = format!("{kind} b.example\nc.example MX 0 b.example");
            let answer = asked
                .gets(&record(&format!("v=spf1 {term} -all"), &more), TempError)
                .await;
            assert!(answer.reason.contains("b.example"), "{answer:?}");
        }
        asked
            .gets(
                &record("v=spf1 redirect=b.example", &format!("{kind} b.example")),
                TempError,
            )
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_behind_a_match_is_not_met() {
    let more = "SERVFAIL b.example";
    Asked::default()
        .gets(&record("v=spf1 ip4:192.0.2.1 include:b.example -all", more), Pass)
        .await;
}

#[tokio::test(start_paused = true)]
async fn trouble_with_the_clients_names_and_with_explanations_is_passed_over() {
    for kind in ["SERVFAIL", "TIMEOUT"] {
        let asked = Asked::default();
        let reverse = format!("{kind} 1.2.0.192.in-addr.arpa");
        asked.gets(&record("v=spf1 ptr -all", &reverse), Fail).await;
        let one = format!(
            "192.0.2.1 PTR b.example\n192.0.2.1 PTR mail.example.org\nmail.example.org A 192.0.2.1\n{kind} b.example"
        );
        asked.gets(&record("v=spf1 ptr -all", &one), Pass).await;
        asked.gets(&record("v=spf1 ?ptr:b.example", &one), Neutral).await;
        let answer = asked
            .gets(&record("v=spf1 -all exp=b.example", &format!("{kind} b.example")), Fail)
            .await;
        assert_eq!(answer.explanation, None);
    }
}

#[tokio::test(start_paused = true)]
async fn with_every_name_in_trouble_in_turn_nobody_passes_or_fails_who_otherwise_would_not() {
    let text = record(
        "v=spf1 a mx ptr include:b.example exists:%{i}.c.example redirect=d.example",
        "example.org A 203.0.113.1\nexample.org MX 5 mx.example.org\nmx.example.org A 203.0.113.2\n\
         b.example TXT \"v=spf1 a:e.example -all\"\ne.example A 203.0.113.3\nd.example TXT \"v=spf1 ip4:192.0.2.1 -all\"",
    );
    let asked = Asked::default();
    let well = asked.gets(&text, Pass).await;
    for name in [
        "example.org",
        "mx.example.org",
        "1.2.0.192.in-addr.arpa",
        "b.example",
        "e.example",
        "192.0.2.1.c.example",
        "d.example",
    ] {
        let zone = crate::zone(&text);
        zone.add(&format!("SERVFAIL {name}")).expect("a line");
        let answer = asked.in_zone(&zone).await;
        let expected: &[SpfResult] = if name.ends_with("arpa") {
            &[well.result]
        } else {
            &[TempError]
        };
        assert!(expected.contains(&answer.result), "{name}: {answer:?}");
    }
}
