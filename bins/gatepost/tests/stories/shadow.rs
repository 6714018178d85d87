//! A domain in the shadow of its policy, and the same mail with the policy in force: what `gatepost shadow` counts.

use serde_json::Value;

use crate::house::{Client, Gatepost, Script, Setup, Upstream, eventually, mail};

const DOMAIN: &str = "domain.\"example.org\"";

/// Mail of whoever says a nonsensical HELO has eight points, and is refused; Ann gets all the same.
fn setup(upstream: &Upstream) -> Setup {
    Setup::before(upstream.address)
        .set("filters.conduct.options.helo_syntax_points", "8")
        .set("policy.medium.action", "'reject'")
        .set(&format!("{DOMAIN}.users.ann.spam_lover"), "true")
}

/// Odd and plain mails to Bob, one to each; the codes of the replies.
fn mails(gatepost: &Gatepost, odd: usize, plain: usize) -> Vec<String> {
    let one = |helo: &str, n: usize| {
        let mut client = Client::greeted(gatepost.address("mx"));
        client.ask(&format!("EHLO {helo}")).is(250);
        let reply = client.mail("eve@there.example", &["bob@example.org"], &mail(&format!("n{n}")));
        client.quit();
        reply.text().chars().take(3).collect::<String>()
    };
    let odd = (0..odd).map(|n| one("not_a..name", n));
    odd.chain((0..plain).map(|n| one("mail.there.example", n))).collect()
}

/// The report, as soon as it has so many mails.
fn report(gatepost: &Gatepost, mails: u64) -> Value {
    let verb = ["shadow", "--domain", "example.org", "--since", "1h", "--json"];
    eventually("all records", || {
        let report: Value = serde_json::from_str(&gatepost.tells(&verb)).expect("JSON");
        (report["mails"] == mails).then_some(report)
    })
}

#[test]
fn a_report_from_the_shadow_counts_what_the_policy_in_force_then_does() {
    let upstream = Upstream::start(Script::new());
    let before = setup(&upstream);
    let mut gatepost = Gatepost::start(&before.clone().set(&format!("{DOMAIN}.policy.dry_run"), "true"));
    assert!(mails(&gatepost, 5, 3).iter().all(|code| code == "250"));
    let shadow = report(&gatepost, 8);
    assert_eq!(upstream.taken().len(), 8, "nothing is kept from anybody");
    assert_eq!(shadow["overruled"], 5);
    let told = gatepost.tells(&["shadow", "--domain", "example.org", "--since", "1h"]);
    for words in [
        "8 mails, 8 recipients; a dry run overruled the policy for 5",
        "         5  refused\n",
        "         3  delivered\n",
        "         5  there.example\n",
        "refused, and was delivered  <eve@there.example> to <bob@example.org>  8 points",
    ] {
        assert!(told.contains(words), "{words}: {told}");
    }
    assert!(gatepost.metric("gatepost_overruled_total") > 4.0);

    assert!(gatepost.reload(&before));
    let codes = mails(&gatepost, 5, 3);
    assert_eq!(codes.iter().filter(|code| *code == "550").count(), 5, "{codes:?}");
    let both = report(&gatepost, 16);
    assert_eq!(both["overruled"], 5);
    for (what, fates) in both["fates"].as_object().expect("fates") {
        let of_shadow = shadow["fates"][what].as_u64().expect("the same fates");
        assert_eq!(fates.as_u64(), Some(2 * of_shadow), "{what}: {both}");
    }
    assert_eq!(both["reasons"][0]["what"], shadow["reasons"][0]["what"]);
    assert_eq!(upstream.taken().len(), 11);

    // Whoever loves spam gets it, with all marks.
    let mut client = Client::greeted(gatepost.address("mx"));
    client.ask("EHLO not_a..name").is(250);
    client
        .mail("eve@there.example", &["ann+x@example.org"], &mail("hello"))
        .is(250);
    client.quit();
    let taken = upstream.taken();
    let last = taken.last().expect("a mail");
    assert_eq!(last.field("X-Gatepost-Level").as_deref(), Some("medium"));
    assert_eq!(last.field("Subject").as_deref(), Some("[SPAM: med] hello"));
}

#[test]
fn what_is_said_in_vain_on_a_locked_key_is_told_and_the_proxy_starts() {
    let upstream = Upstream::start(Script::new());
    let locked = setup(&upstream)
        .set("policy.locked", "['medium.action', 'spam_lover']")
        .set(&format!("{DOMAIN}.policy.medium.action"), "'none'");
    let (said, content) = Gatepost::asked(&["check"], &locked);
    assert!(content, "{said}");
    for key in [
        ".policy.medium.action: locked by [policy]",
        ".users.ann.spam_lover: locked by [policy]",
    ] {
        assert!(said.contains(key), "{key}: {said}");
    }
    let gatepost = Gatepost::start(&locked);
    assert_eq!(mails(&gatepost, 1, 0), ["550"]);
}
