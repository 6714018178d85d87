//! Mechanisms and modifiers (sections 5 and 6).

use gatepost_core::SpfResult::{self, Fail, Neutral, Pass, PermError, SoftFail};

use crate::{Asked, errs, record};

async fn by(client: &'static str, text: &str, more: &str, result: SpfResult) {
    Asked::by(client).gets(&record(text, more), result).await;
}

#[tokio::test]
async fn a_network_matches_addresses_of_its_own_kind() {
    let v4 = "v=spf1 ip4:192.0.2.0/25 -all";
    by("192.0.2.127", v4, "", Pass).await;
    by("192.0.2.128", v4, "", Fail).await;
    by("::ffff:192.0.2.1", v4, "", Pass).await;
    by("2001:db8::1", "v=spf1 ip4:0.0.0.0/0 -all", "", Fail).await;
    let v6 = "v=spf1 ip6:2001:db8:0:8000::/49 -all";
    by("2001:db8:0:ffff::1", v6, "", Pass).await;
    by("2001:db8:0:7fff::1", v6, "", Fail).await;
    by("192.0.2.1", "v=spf1 ip6:::/0 ip6:::ffff:192.0.2.1 -all", "", Fail).await;
    by("::ffff:192.0.2.1", "v=spf1 ip6:::/0 -all", "", Fail).await;
}

#[tokio::test]
async fn a_matches_the_addresses_of_a_domain() {
    let more = "example.org A 192.0.2.9\nexample.org AAAA 2001:db8::9\nb.example A 192.0.2.1\nb.example A 203.0.113.1";
    by("192.0.2.9", "v=spf1 a -all", more, Pass).await;
    by("2001:db8::9", "v=spf1 a -all", more, Pass).await;
    by("192.0.2.1", "v=spf1 a -all", more, Fail).await;
    by("192.0.2.1", "v=spf1 a/29 -all", more, Fail).await;
    by("192.0.2.1", "v=spf1 a/28 -all", more, Pass).await;
    by("192.0.2.1", "v=spf1 a//0 -all", more, Fail).await;
    by("2001:db8::8", "v=spf1 a/0 -all", more, Fail).await;
    by("2001:db8::8", "v=spf1 a/32//127 -all", more, Pass).await;
    by("192.0.2.1", "v=spf1 A:B.Example. -all", more, Pass).await;
    by("192.0.2.1", "v=spf1 a:no.example/0 -all", more, Fail).await;
    by(
        "192.0.2.1",
        "v=spf1 a:c:d/e.example -all",
        "c:d/e.example A 192.0.2.1",
        Pass,
    )
    .await;
}

#[tokio::test]
async fn mx_matches_the_addresses_of_mail_servers_and_of_nothing_else() {
    let more =
        "example.org MX 20 b.example\nexample.org MX 10 a.example\nb.example A 192.0.2.1\nb.example AAAA 2001:db8::1";
    by("192.0.2.1", "v=spf1 mx -all", more, Pass).await;
    by("192.0.2.9", "v=spf1 mx/28 -all", more, Pass).await;
    by("2001:db8::1", "v=spf1 mx:example.org -all", more, Pass).await;
    by("2001:db8::2", "v=spf1 mx -all", more, Fail).await;
    by("192.0.2.1", "v=spf1 mx -all", "example.org A 192.0.2.1", Fail).await;
    by("192.0.2.1", "v=spf1 mx/0 -all", "example.org MX 0 .", Fail).await;
}

#[tokio::test]
async fn ptr_matches_names_that_lead_back() {
    let more = "192.0.2.1 PTR forged.example\n192.0.2.1 PTR Mail.Example.org\nmail.example.org A 192.0.2.1\n\
                forged.example A 203.0.113.1\n2001:db8::1 PTR six.b.example\nsix.b.example AAAA 2001:db8::1";
    by("192.0.2.1", "v=spf1 ptr -all", more, Pass).await;
    by("192.0.2.1", "v=spf1 ptr:ORG -all", more, PermError).await;
    by("192.0.2.1", "v=spf1 ptr:mail.example.org -all", more, Pass).await;
    by("192.0.2.1", "v=spf1 ptr:il.example.org -all", more, Fail).await;
    by("192.0.2.1", "v=spf1 ptr:forged.example -all", more, Fail).await;
    by("192.0.2.2", "v=spf1 ptr -all", more, Fail).await;
    by("2001:db8::1", "v=spf1 ptr:b.example -all", more, Pass).await;
}

#[tokio::test]
async fn exists_asks_for_an_ipv4_address_whoever_the_client_is() {
    let more = "b.example A 127.0.0.2\nsix.example AAAA 2001:db8::1";
    by("192.0.2.1", "v=spf1 exists:b.example -all", more, Pass).await;
    by("2001:db8::1", "v=spf1 exists:b.example -all", more, Pass).await;
    by("2001:db8::1", "v=spf1 exists:six.example -all", more, Fail).await;
}

#[tokio::test]
async fn only_a_pass_of_what_is_included_matches() {
    for (included, result) in [
        ("v=spf1 +all", Fail),
        ("v=spf1 -all", SoftFail),
        ("v=spf1 ~all", SoftFail),
        ("v=spf1 ?all", SoftFail),
        ("v=spf1", SoftFail),
        ("v=spf1 moo", PermError),
        ("v=spf1 include:no.example", PermError),
        ("no record", PermError),
    ] {
        let more = format!("b.example TXT \"{included}\"");
        by("192.0.2.1", "v=spf1 -include:b.example ~all", &more, result).await;
    }
    by("192.0.2.1", "v=spf1 include:b..example -all", "", PermError).await;
    // What does not match inside goes on outside, at any depth.
    let more = "b.example TXT \"v=spf1 ?include:c.example -all\"\nc.example TXT \"v=spf1 ip4:192.0.2.1 -all\"";
    by("192.0.2.1", "v=spf1 include:b.example ~all", more, SoftFail).await;
}

#[tokio::test]
async fn redirect_counts_where_nothing_matches_and_changes_the_domain() {
    let more = "b.example TXT \"v=spf1 a -all\"\nb.example A 192.0.2.1\nexample.org A 192.0.2.9";
    by("192.0.2.1", "v=spf1 redirect=b.example", more, Pass).await;
    by("192.0.2.9", "v=spf1 redirect=b.example a", more, Pass).await;
    by("192.0.2.8", "v=spf1 redirect=b.example a", more, Fail).await;
    by("192.0.2.1", "v=spf1 redirect=b.example ~all", more, SoftFail).await;
    by("192.0.2.1", "v=spf1 redirect=no.example", more, PermError).await;
    by("192.0.2.1", "v=spf1 redirect=b..example", more, PermError).await;
    // Inside an include it is the included record that goes on elsewhere.
    let more = "b.example TXT \"v=spf1 redirect=c.example\"\nc.example TXT \"v=spf1 ip4:192.0.2.1 -all\"";
    by("192.0.2.1", "v=spf1 include:b.example ~all", more, Pass).await;
    by("192.0.2.2", "v=spf1 include:b.example ~all", more, SoftFail).await;
}

#[tokio::test]
async fn a_pass_names_the_domain_whose_record_gave_it() {
    let zone = record(
        "v=spf1 include:b.example ip4:192.0.2.9 -all",
        "b.example TXT \"v=spf1 redirect=c.example\"\nc.example TXT \"v=spf1 include:d.example ip4:192.0.2.2 -all\"\n\
         d.example TXT \"v=spf1 ip4:192.0.2.1 -all\"",
    );
    for (client, domain, mechanism) in [
        ("192.0.2.1", "d.example", "ip4:192.0.2.1"),
        ("192.0.2.2", "c.example", "ip4:192.0.2.2"),
        ("192.0.2.9", "example.org", "ip4:192.0.2.9"),
    ] {
        let answer = Asked::by(client).gets(&zone, Pass).await;
        assert_eq!(answer.authorised_by.expect("a domain").key(), domain);
        assert_eq!(answer.reason, format!("{mechanism} in the record of {domain} matches"));
    }
    let answer = Asked::by("192.0.2.3").gets(&zone, Fail).await;
    assert_eq!(answer.reason, "-all in the record of example.org matches");
    let answer = Asked::default().gets(&record("v=spf1", ""), Neutral).await;
    assert_eq!(answer.reason, "nothing in the record of example.org matches");
}

#[tokio::test]
async fn a_pass_that_an_include_turns_into_a_fail_is_no_authority() {
    let zone = record("v=spf1 -include:b.example +all", "b.example TXT \"v=spf1 +all\"");
    Asked::default().gets(&zone, Fail).await;
}

async fn explained(text: &str, more: &str) -> Option<String> {
    Asked::default().gets(&record(text, more), Fail).await.explanation
}

#[tokio::test]
async fn a_fail_is_explained_by_the_record_that_gave_it() {
    let more = "x.example TXT \"Not by %{i}.\"\ny.example TXT \"see me\"\nb.example TXT \"v=spf1 -all exp=y.example\"";
    let own = Some("Not by 192.0.2.1.".to_owned());
    assert_eq!(explained("v=spf1 -all exp=x.example", more).await, own);
    assert_eq!(
        explained("v=spf1 exp=x.example include:b.example -all", more).await,
        own
    );
    assert_eq!(
        explained("v=spf1 exp=x.example redirect=b.example", more)
            .await
            .as_deref(),
        Some("see me")
    );
    assert_eq!(explained("v=spf1 -all", more).await, None);
    let answer = Asked::default()
        .gets(&record("v=spf1 ~all exp=x.example", more), SoftFail)
        .await;
    assert_eq!(answer.explanation, None);
}

#[tokio::test]
async fn an_explanation_with_any_fault_is_none_and_the_fail_stays() {
    for more in [
        "",
        "x.example A 192.0.2.1",
        "x.example TXT \"one\"\nx.example TXT \"two\"",
        "x.example TXT \"caf\u{e9}\"",
        "x.example TXT \"The %{x} files\"",
        "x.example TXT \"100%\"",
        "x.example TXT \"a\tb\"",
        "x.example TXT \"\"",
        "SERVFAIL x.example",
    ] {
        assert_eq!(explained("v=spf1 -all exp=x.example", more).await, None, "{more}");
    }
    assert_eq!(explained("v=spf1 -all exp=%{h}..x", "").await, None);
}

#[tokio::test]
async fn an_explanation_is_short_and_can_be_seen() {
    let more = format!("x.example TXT \"{}\"", "%{s} ".repeat(1000));
    let text = explained("v=spf1 -all exp=x.example", &more).await.expect("a text");
    assert_eq!(text.len(), gatepost_spf_dkim_dmarc::spf::EXPLANATION_MAX);
    let asked = Asked {
        local: "a\r\nb".into(),
        ..Asked::default()
    };
    let zone = record("v=spf1 -all exp=x.example", "x.example TXT \"%{l}\"");
    assert_eq!(asked.gets(&zone, Fail).await.explanation, None);
    let zone = record("v=spf1 -all exp=x.example", "x.example TXT \"%{L}\"");
    assert_eq!(asked.gets(&zone, Fail).await.explanation.as_deref(), Some("a%0D%0Ab"));
}

#[tokio::test]
async fn a_reason_is_one_short_line() {
    let asked = Asked {
        helo: "a\r\nb \u{e9}.example".into(),
        domain: "example.org".into(),
        ..Asked::default()
    };
    let zone = record(&format!("v=spf1 redirect=%{{h}}.{}", "b.".repeat(90) + "example"), "");
    let answer = asked.gets(&zone, PermError).await;
    assert!(
        answer.reason.len() <= gatepost_spf_dkim_dmarc::spf::REASON_MAX,
        "{}",
        answer.reason
    );
    let answer = Asked::of("a\r\nb").in_zone(&crate::zone("")).await;
    assert_eq!(answer.reason, "'a??b' is no domain that can have a record");
    errs(
        &record("v=spf1 moo", ""),
        PermError,
        "in the record of example.org: 'moo': no mechanism",
    )
    .await;
}
