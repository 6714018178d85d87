//! Macros (section 7).

use gatepost_core::SpfResult::{Fail, Pass, PermError};

use crate::{Asked, record};

/// What a text in an explanation expands to.
async fn expanded(asked: &Asked, text: &str, more: &str) -> String {
    let zone = record(
        "v=spf1 -all exp=x.example",
        &format!("x.example TXT \"{text}\"\n{more}"),
    );
    let answer = asked.gets(&zone, Fail).await;
    answer.explanation.unwrap_or_else(|| panic!("{text}: no explanation"))
}

fn strong_bad() -> Asked {
    Asked {
        local: "strong-bad".into(),
        domain: "email.example.com".into(),
        client: "192.0.2.3",
        helo: "Mail.Example.net".into(),
    }
}

async fn of_strong_bad(text: &str) -> String {
    let zone = format!(
        "email.example.com TXT \"v=spf1 -all exp=x.example\"\nx.example TXT \"{text}\"\n192.0.2.3 PTR mx.example.org\n\
         mx.example.org A 192.0.2.3"
    );
    let answer = strong_bad().gets(&zone, Fail).await;
    answer.explanation.unwrap_or_else(|| panic!("{text}: no explanation"))
}

#[tokio::test]
async fn the_examples_of_the_standard_expand_as_it_says() {
    for (text, value) in [
        ("%{s}", "strong-bad@email.example.com"),
        ("%{o}", "email.example.com"),
        ("%{d}", "email.example.com"),
        ("%{d4}", "email.example.com"),
        ("%{d3}", "email.example.com"),
        ("%{d2}", "example.com"),
        ("%{d1}", "com"),
        ("%{dr}", "com.example.email"),
        ("%{d2r}", "example.email"),
        ("%{l}", "strong-bad"),
        ("%{l-}", "strong.bad"),
        ("%{lr}", "strong-bad"),
        ("%{lr-}", "bad.strong"),
        ("%{l1r-}", "strong"),
        ("%{ir}.%{v}._spf.%{d2}", "3.2.0.192.in-addr._spf.example.com"),
        ("%{lr-}.lp._spf.%{d2}", "bad.strong.lp._spf.example.com"),
        ("%{p}", "mx.example.org"),
    ] {
        assert_eq!(of_strong_bad(text).await, value, "{text}");
    }
}

#[tokio::test]
async fn each_letter_and_each_escape_stands_for_its_own() {
    for (text, value) in [
        (
            "%{c} %{h} %{r} %{t} %{v}",
            "192.0.2.3 Mail.Example.net mx.example.com 1000000 in-addr",
        ),
        ("%%%_%-%%_", "% %20%_"),
        (
            "%{D} %{S} %{P2}",
            "email.example.com strong-bad%40email.example.com example.org",
        ),
        ("%{d99999999999999999999}", "email.example.com"),
        ("%{s@.}", ""),
    ] {
        if value.is_empty() {
            // No such delimiter: no explanation.
            let zone = format!("email.example.com TXT \"v=spf1 -all exp=x.example\"\nx.example TXT \"{text}\"");
            assert_eq!(strong_bad().gets(&zone, Fail).await.explanation, None);
        } else {
            assert_eq!(of_strong_bad(text).await, value, "{text}");
        }
    }
    let asked = Asked::by("2001:db8::cb01");
    let nibbles = "1.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2";
    assert_eq!(
        expanded(&asked, "%{ir}.%{v}.arpa %{c}", "").await.to_lowercase(),
        format!("{nibbles}.ip6.arpa 2001:db8::cb01")
    );
}

#[tokio::test]
async fn any_delimiter_splits_and_dots_join() {
    let asked = Asked {
        local: "a-b+c,d/e_f=g.h".into(),
        ..Asked::default()
    };
    for (text, value) in [
        ("%{l-+,/_=.}", "a.b.c.d.e.f.g.h"),
        ("%{l2r-}", "b+c,d/e_f=g.h.a"),
        ("%{l=}", "a-b+c,d/e_f.g.h"),
        ("%{l1=}", "g.h"),
        ("%{L=}", "a-b%2Bc%2Cd%2Fe_f.g.h"),
    ] {
        assert_eq!(expanded(&asked, text, "").await, value, "{text}");
    }
}

#[tokio::test]
async fn a_sender_without_local_part_is_the_postmaster() {
    let asked = Asked {
        local: String::new(),
        ..Asked::default()
    };
    assert_eq!(expanded(&asked, "%{s}", "").await, "postmaster@example.org");
}

#[tokio::test]
async fn the_domain_of_an_included_record_is_its_own() {
    let zone = record(
        "v=spf1 include:b.example -all",
        "b.example TXT \"v=spf1 exists:%{d}.of.%{o} -all\"\nb.example.of.example.org A 127.0.0.2",
    );
    Asked::default().gets(&zone, Pass).await;
}

#[tokio::test]
async fn the_clients_name_is_the_domain_itself_before_one_below_before_any() {
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| format!("192.0.2.1 PTR {name}\n{name} A 192.0.2.1\n"))
            .collect::<String>()
    };
    let asked = Asked::default();
    for (known, value) in [
        (vec!["a.example", "b.example.org", "example.org"], "example.org"),
        (vec!["a.example", "b.example.org"], "b.example.org"),
        (vec!["a.example", "notexample.org"], "a.example"),
        (vec![], "unknown"),
    ] {
        assert_eq!(expanded(&asked, "%{p}", &names(&known)).await, value);
    }
    assert_eq!(
        expanded(&asked, "%{p}", "192.0.2.1 PTR a.example\na.example A 192.0.2.2").await,
        "unknown"
    );
}

#[tokio::test]
async fn a_name_too_long_loses_labels_on_the_left() {
    let long = format!("{}.example", vec!["abcdefgh"; 27].join("."));
    let asked = Asked {
        helo: format!("x.{}.{long}", "y".repeat(30)),
        ..Asked::default()
    };
    let zone = record("v=spf1 exists:%{h} -all", &format!("{long} A 127.0.0.2"));
    asked.gets(&zone, Pass).await;
}

#[tokio::test]
async fn what_expands_to_no_name_matches_nothing_and_asks_nothing() {
    for helo in ["", "a..b", "\u{e9}.example", &"a".repeat(64)] {
        let asked = Asked {
            helo: helo.into(),
            ..Asked::default()
        };
        for term in ["a:%{h}", "mx:%{h}", "exists:%{h}"] {
            let zone = crate::zone(&record(&format!("v=spf1 {term} -all"), ""));
            assert_eq!(asked.in_zone(&zone).await.result, Fail, "{helo} {term}");
            assert_eq!(zone.asked(), 1, "{helo} {term}");
        }
        for term in ["include:%{h}", "redirect=%{h}"] {
            asked.gets(&record(&format!("v=spf1 {term}"), ""), PermError).await;
        }
    }
}

#[tokio::test]
async fn an_expansion_has_a_bound() {
    let asked = Asked {
        helo: "a.".repeat(1000) + "b.example",
        ..Asked::default()
    };
    let zone = record("v=spf1 exists:%{h} +all", "");
    asked.gets(&zone, Pass).await;
    let zone = record("v=spf1 exists:%{h}.%{h} +all", "");
    asked.gets(&zone, PermError).await;
}
