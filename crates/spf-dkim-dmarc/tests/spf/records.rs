//! Which record counts, and what is no record (sections 3 and 4).

use gatepost_core::SpfResult::{Fail, Neutral, None, Pass, PermError, SoftFail};
use gatepost_spf_dkim_dmarc::spf::{RECORD_MAX, Record};

use crate::{Asked, errs, record};

#[tokio::test]
async fn what_can_have_no_record_is_not_asked_for() {
    let long = format!("{}.example", "a".repeat(64));
    for domain in [
        "example",
        "a..example",
        "[192.0.2.1]",
        "192.0.2.1",
        "",
        ".",
        &long,
        "a b.example",
    ] {
        let zone = crate::zone("");
        assert_eq!(Asked::of(domain).in_zone(&zone).await.result, None, "{domain}");
        assert_eq!(zone.asked(), 0, "{domain}");
    }
}

#[tokio::test]
async fn a_domain_without_a_record_has_none() {
    let asked = Asked::default();
    asked.gets("", None).await;
    asked.gets("example.org A 192.0.2.1", None).await;
    asked.gets("example.org TXT \"v=spf10 -all\"", None).await;
    asked.gets("example.org TXT \" v=spf1 -all\"", None).await;
    asked.gets("example.org TXT \"v=spf1\" \"-all\"", None).await;
    asked.gets("example.org TXT \"spf2.0/pra -all\"", None).await;
}

#[tokio::test]
async fn the_version_ends_at_a_space_or_with_the_record() {
    let asked = Asked::default();
    asked.gets(&record("v=spf1", ""), Neutral).await;
    asked.gets(&record("v=spf1 ", ""), Neutral).await;
    asked.gets(&record("V=SPF1   -ALL  ", ""), Fail).await;
    asked.gets("example.org TXT \"v=s\" \"pf1 +a\" \"ll\"", Pass).await;
}

#[tokio::test]
async fn several_records_are_an_error_and_other_texts_are_not() {
    errs(
        "example.org TXT \"v=spf1 +all\"\nexample.org TXT \"V=spf1 +all\"",
        PermError,
        "several records",
    )
    .await;
    Asked::default()
        .gets(
            "example.org TXT \"v=spf1 +all\"\nexample.org TXT \"v=spf10\"\nexample.org TXT \"hello \u{e9}\"",
            Pass,
        )
        .await;
}

#[tokio::test]
async fn a_name_is_found_in_any_letter_case_and_in_any_script() {
    let zone = "xn--mnchen-3ya.example TXT \"v=spf1 +all\"";
    Asked::of("M\u{fc}nchen.Example.").gets(zone, Pass).await;
    let answer = Asked::of("XN--MNCHEN-3YA.example").gets(zone, Pass).await;
    assert_eq!(answer.authorised_by.expect("a domain").key(), "xn--mnchen-3ya.example");
}

#[tokio::test]
async fn whatever_is_wrong_anywhere_spoils_the_whole_record() {
    for wrong in [
        "moo",
        "all.",
        "all:a.example",
        "all/8",
        "-all-",
        "--all",
        "+",
        "include",
        "include:",
        "include:a.example/24",
        "include:example",
        "exists",
        "exists:",
        "exists:a.example/24",
        "ptr:",
        "ptr/0",
        "ptr:a.example/24",
        "a:",
        "a:/24",
        "a/33",
        "a//129",
        "a/24/64",
        "a/024",
        "a//064",
        "a/-1",
        "a/",
        "a//",
        "a:example",
        "a:example.",
        "a:a.123",
        "a:192.0.2.1",
        "a:a.-b",
        "a:a.b-",
        "a:a.example:8080",
        "a.example",
        "mx:",
        "mx/33",
        "mx//129",
        "mx:a.1",
        "ip4",
        "ip4:",
        "ip4:192.0.2",
        "ip4:192.0.2.1/33",
        "ip4:192.0.2.1/032",
        "ip4:192.0.2.1//32",
        "ip4:192.0.2.1/",
        "ip4:192.0.2.1:25",
        "ip4:192.0.2.01",
        "ip4:192.0.2.256",
        "ip4:a.example",
        "ip4:2001:db8::1",
        "ip6",
        "ip6:",
        "ip6:2001:db8::1/129",
        "ip6:2001:db8::1//64",
        "ip6::2001::db8",
        "ip6:192.0.2.1",
        "ip6:2001:db8::1%eth0",
        "redirect=",
        "redirect=example",
        "redirect=-all",
        "redirect:a.example",
        "exp=",
        "exp=-all",
        "exp=example",
        "exp=a.example exp=a.example",
        "redirect=a.example REDIRECT=a.example",
        "=all",
        "1a=b",
        "-a=b",
        "a/b=c",
        "a:b=c",
        "x=%",
        "x=%a",
        "x=%{",
        "x=%{}",
        "x=%{z}",
        "x=%{d0}",
        "x=%{d00r}",
        "x=%{dr2}",
        "x=%{d*}",
        "a:%{d",
        "a:%(d).example",
        "a:%{c}",
        "exp=%{r}.example",
        "redirect=%{t}",
        "a:b%.example",
        "a:%{d}b",
        "a:%{d}/",
    ] {
        let text = record(&format!("v=spf1 +all {wrong}"), "a.example TXT \"v=spf1 +all\"");
        errs(&text, PermError, "in the record of example.org").await;
    }
    for octets in ["\t", "\r", "\n", "\0", "\x7f", "\u{e9}", "\u{feff}"] {
        let text = format!("v=spf1 +all {octets} -all");
        assert!(Record::parse(text.as_bytes()).is_err(), "{octets:?}");
    }
}

#[tokio::test]
async fn what_is_odd_and_right_is_read() {
    for right in [
        "x=y",
        "a-b_c.d=",
        "default=pass",
        "x=%{c}%{r}%{t}%%%_%-",
        "x=a:b/c=d",
        "exp=a.example",
        "EXP=%{d}",
        "a:b:c/d.example",
        "a:a.example.",
        "a:%{d}",
        "a:%{d}/24//64",
        "a:%{S128R.-+,/_=}.example",
        "a:a.xn--p1ai",
        "a:a.1-2",
        "a:.example",
        "a:a..example",
        "a:a%_",
        "a:a%%",
        "mx//0",
        "mx/0",
        "a/32//128",
        "ip4:0.0.0.0/0",
        "ip6:::/0",
        "ip6:::192.0.2.1",
        "ip6:2001:DB8::",
        "-ip4:203.0.113.1",
        "~PTR:a.example",
        "ptr",
    ] {
        let text = format!("v=spf1 {right}");
        let read = Record::parse(text.as_bytes()).unwrap_or_else(|bad| panic!("{bad}"));
        assert_eq!(
            Record::parse(read.to_string().as_bytes()).as_ref(),
            Ok(&read),
            "{right}"
        );
    }
}

#[tokio::test]
async fn a_record_past_its_bound_is_an_error() {
    let mut text = "v=spf1 +all".to_owned();
    text.push_str(&" ".repeat(RECORD_MAX - text.len()));
    Asked::default().gets(&record(&text, ""), Pass).await;
    errs(&record(&format!("{text} "), ""), PermError, "longer than").await;
}

#[tokio::test]
async fn the_first_match_counts_and_its_qualifier_says_what_it_means() {
    let asked = Asked::default();
    for (text, result) in [
        ("v=spf1 all -all", Pass),
        ("v=spf1 +all", Pass),
        ("v=spf1 -all +all", Fail),
        ("v=spf1 ~all", SoftFail),
        ("v=spf1 ?all -all", Neutral),
        ("v=spf1 ip4:203.0.113.1 -ip4:192.0.2.1 +all", Fail),
        ("v=spf1 ip4:203.0.113.1", Neutral),
    ] {
        asked.gets(&record(text, ""), result).await;
    }
}
