//! What is said of mail.

use gatepost_core::{Address, DmarcResult, Domain, Identity, List, Opinion, Proof, Scope, Score, Spf, SpfResult, Wish};

use crate::scene::{Scene, domain, person, site};

/// Tags, points, whom it concerns, and wishes.
fn said(opinion: &Opinion) -> String {
    let scope = |scope: Scope| match scope {
        Scope::Everyone => "*".to_owned(),
        Scope::Only(who) => who.0.to_string(),
    };
    let findings = opinion.findings().iter().map(|finding| {
        let gatepost_core::Evidence::Points(points) = finding.evidence else {
            panic!("points");
        };
        let points = if points == Score::ZERO {
            String::new()
        } else {
            format!("={points}")
        };
        format!(
            "{}{points}@{}",
            finding.tag.as_str().trim_start_matches("whitelist."),
            scope(finding.scope)
        )
    });
    let wishes = opinion.wishes().iter().map(|(whom, _, wish)| {
        let wish = match wish {
            Wish::Deny(reply) | Wish::Reject(reply) => {
                format!("{} {reply}", wish.kind().names().next().unwrap_or_default())
            }
            wish => wish.kind().names().next().unwrap_or_default().to_owned(),
        };
        format!("{wish}@{}", scope(*whom))
    });
    findings.chain(wishes).collect::<Vec<_>>().join(" ")
}

fn proven(author: &str) -> Identity {
    let mut identity = Identity::unknown();
    let author = Address::parse(author, true).expect("an address");
    identity.proven = vec![(author.domain().clone(), Proof::Dkim)];
    identity.author = Some(author);
    identity.aligned = true;
    identity.dmarc = DmarcResult::Pass;
    identity
}

fn unproven(dmarc: DmarcResult) -> Identity {
    let mut identity = Identity::unknown();
    identity.dmarc = dmarc;
    identity
}

impl Scene {
    fn spf(&self, result: SpfResult) {
        let domain = Domain::parse("b.example", false).ok();
        self.fakes.names.tell_spf(Spf::new(result, domain, None));
    }

    async fn at_rcpt(&self, from: &str, client: &str, to: &str) -> String {
        said(&self.rcpt(from, client, to).await.expect("an opinion"))
    }

    async fn at_message(&self, from: &str, author: &str, to: &[&str]) -> String {
        said(&self.message(from, author, to).await.expect("an opinion"))
    }
}

#[tokio::test]
async fn a_contact_is_spared_unless_spf_fails() {
    let scene = Scene::new();
    scene.add(List::Allow, domain("d.example"), &["ann@b.example"]).await;
    for (spf, words) in [
        (SpfResult::Unknown, "allowed@0 spare@0"),
        (SpfResult::None, "allowed@0 spare@0"),
        (SpfResult::Pass, "allowed@0 spare@0"),
        (SpfResult::SoftFail, "allowed@0 spare@0"),
        (SpfResult::TempError, "allowed@0 spare@0"),
        (SpfResult::Fail, "refuted@0"),
    ] {
        scene.spf(spf);
        assert_eq!(
            scene.at_rcpt("ann@b.example", "192.0.2.1", "carl@d.example").await,
            words,
            "{spf:?}"
        );
    }
    scene.spf(SpfResult::None);
    for tagged in ["ANN@B.example", "prvs=1234abcdef=ann@b.example"] {
        assert_eq!(
            scene.at_rcpt(tagged, "192.0.2.1", "carl@d.example").await,
            "allowed@0 spare@0",
            "{tagged}"
        );
    }
    for (from, to) in [
        // Whoever writes such a tag may write any name into it.
        ("SRS0=h=tt=b.example=ann@fwd.example", "carl@d.example"),
        ("ann+x@b.example", "carl@d.example"),
        ("ann@sub.b.example", "carl@d.example"),
        ("ann@b.example", "carl@e.example"),
        ("", "carl@d.example"),
        ("ann@b.example", "postmaster"),
    ] {
        assert_eq!(scene.at_rcpt(from, "192.0.2.1", to).await, "", "{from} {to}");
    }
}

#[tokio::test]
async fn the_narrowest_entry_of_an_owner_speaks_and_a_deny_of_any_owner_outweighs() {
    let scene = Scene::new();
    scene.add(List::Deny, site(), &["@b.example", "@*.c.example"]).await;
    scene
        .add(
            List::Allow,
            site(),
            &["ann@b.example", "@x.c.example", "@*.y.c.example"],
        )
        .await;
    let site_says = "denied@0 reject 550 5.7.1 This site does not accept mail from you@0";
    for (from, words) in [
        ("ann@b.example", "allowed@0 spare@0"),
        ("bob@b.example", site_says),
        ("bob@sub.b.example", ""),
        ("bob@c.example", ""),
        ("bob@z.c.example", site_says),
        ("bob@w.z.c.example", site_says),
        ("bob@x.c.example", "allowed@0 spare@0"),
        ("bob@y.c.example", site_says),
        ("bob@z.y.c.example", "allowed@0 spare@0"),
    ] {
        assert_eq!(
            scene.at_rcpt(from, "192.0.2.1", "carl@d.example").await,
            words,
            "{from}"
        );
    }
    scene
        .add(List::Allow, person("carl@d.example"), &["bob@b.example"])
        .await;
    assert_eq!(
        scene.at_rcpt("bob@b.example", "192.0.2.1", "carl@d.example").await,
        site_says
    );
    scene
        .add(List::Deny, person("carl@d.example"), &["ann@b.example"])
        .await;
    assert_eq!(
        scene.at_rcpt("ann@b.example", "192.0.2.1", "carl@d.example").await,
        "denied@0 deny 550 5.2.1 Mailbox unavailable@0"
    );
    assert_eq!(
        scene.at_rcpt("ann@b.example", "192.0.2.1", "eva@d.example").await,
        "allowed@0 spare@0"
    );
    scene.add(List::Deny, domain("d.example"), &["@e.example"]).await;
    assert_eq!(
        scene.at_rcpt("x@e.example", "192.0.2.1", "eva@d.example").await,
        "denied@0 reject 550 5.7.1 This domain does not accept mail from you@0"
    );
}

#[tokio::test]
async fn a_network_is_proven_by_the_connection() {
    let scene = Scene::new();
    scene.spf(SpfResult::Fail);
    scene.add(List::Allow, site(), &["192.0.2.0/24", "2001:db8::/32"]).await;
    scene.add(List::Deny, site(), &["192.0.2.128/25", "198.51.100.7"]).await;
    scene
        .add(List::Allow, person("carl@d.example"), &["203.0.113.0/24"])
        .await;
    let denied = "denied@0 reject 550 5.7.1 This site does not accept mail from you@0";
    for (client, words) in [
        ("192.0.2.1", "network@0 exempt@0"),
        ("192.0.2.127", "network@0 exempt@0"),
        ("192.0.2.129", denied),
        ("192.0.3.1", ""),
        ("198.51.100.7", denied),
        ("198.51.100.8", ""),
        ("2001:db8::5", "network@0 exempt@0"),
        ("2001:db9::5", ""),
        ("203.0.113.9", "network@0 exempt@0"),
    ] {
        assert_eq!(
            scene.at_rcpt("x@y.example", client, "carl@d.example").await,
            words,
            "{client}"
        );
    }
    assert_eq!(scene.at_rcpt("x@y.example", "203.0.113.9", "eva@d.example").await, "");
    assert_eq!(
        scene.at_rcpt("", "192.0.2.1", "eva@d.example").await,
        "network@0 exempt@0",
        "bounces, too"
    );
}

#[tokio::test]
async fn only_a_proven_author_is_exempt() {
    let scene = Scene::new();
    scene.add(List::Allow, domain("d.example"), &["ann@b.example"]).await;
    let to = ["carl@d.example"];
    let say = async |spf, identity: Identity, from: &str, author: &str| {
        scene.spf(spf);
        scene.fakes.names.tell_identity(identity);
        scene.at_message(from, author, &to).await
    };
    let ann = "ann@b.example";
    assert_eq!(
        say(SpfResult::Pass, proven(ann), ann, "Ann <ann@b.example>").await,
        "proven@* exempt@*"
    );
    // A forwarder breaks SPF; the signature still proves the author.
    assert_eq!(
        say(SpfResult::Fail, proven(ann), "x@fwd.example", ann).await,
        "proven@* exempt@*"
    );
    // Proven, but somebody else; a contact only by the envelope.
    assert_eq!(
        say(SpfResult::Pass, proven("eve@evil.example"), ann, "eve@evil.example").await,
        "contact=-2@*"
    );
    assert_eq!(
        say(
            SpfResult::Pass,
            proven("eve@evil.example"),
            "eve@evil.example",
            "eve@evil.example"
        )
        .await,
        ""
    );
    // Whoever proves less than the author in the From header proves nothing.
    assert_eq!(
        say(SpfResult::Pass, proven("eve@evil.example"), "eve@evil.example", ann).await,
        "contact=-2@*"
    );
    assert_eq!(
        say(SpfResult::None, unproven(DmarcResult::None), ann, ann).await,
        "contact=-2@*"
    );
    assert_eq!(
        say(SpfResult::None, unproven(DmarcResult::Fail), ann, ann).await,
        "refuted@*"
    );
    assert_eq!(
        say(SpfResult::Fail, unproven(DmarcResult::None), ann, ann).await,
        "refuted@*"
    );
    assert_eq!(say(SpfResult::Fail, Identity::unknown(), ann, ann).await, "refuted@*");
    assert_eq!(
        say(SpfResult::Unknown, Identity::unknown(), ann, ann).await,
        "contact=-2@*"
    );
    // Two authors are none.
    assert_eq!(
        say(
            SpfResult::None,
            proven(ann),
            "x@y.example",
            "ann@b.example, eve@evil.example"
        )
        .await,
        ""
    );
}

#[tokio::test]
async fn a_proven_author_speaks_for_no_sender_that_spf_refutes() {
    let options = serde_json::Map::from_iter([("unproven".to_owned(), serde_json::json!(["scanner@legacy.example"]))]);
    let scene = Scene::over(gatepost_testkit::Fakes::new(), options);
    scene
        .add(List::Allow, site(), &["scanner@legacy.example", "kim@old.example"])
        .await;
    let to = ["carl@d.example"];
    for (spf, from, want) in [
        (SpfResult::Fail, "scanner@legacy.example", "refuted@*"),
        (SpfResult::Fail, "kim@old.example", "refuted@*"),
        (SpfResult::None, "scanner@legacy.example", "trusted_unproven@* exempt@*"),
        (SpfResult::Pass, "kim@old.example", "contact=-2@*"),
    ] {
        scene.spf(spf);
        scene.fakes.names.tell_identity(proven("x@evil.test"));
        assert_eq!(scene.at_message(from, "x@evil.test", &to).await, want, "{spf:?} {from}");
    }
}

#[tokio::test]
async fn trust_without_proof_is_for_those_who_want_it_and_only_where_nobody_looks() {
    let options = serde_json::Map::from_iter([("trust_unproven".to_owned(), true.into())]);
    let scene = Scene::over(gatepost_testkit::Fakes::new(), options);
    scene.add(List::Allow, site(), &["ann@b.example"]).await;
    let to = ["carl@d.example"];
    assert_eq!(
        scene.at_message("x@y.example", "ann@b.example", &to).await,
        "trusted_unproven@* exempt@*"
    );
    scene.spf(SpfResult::Fail);
    assert_eq!(
        scene.at_message("ann@b.example", "ann@b.example", &to).await,
        "refuted@*"
    );
    scene.spf(SpfResult::None);
    scene.fakes.names.tell_identity(unproven(DmarcResult::None));
    assert_eq!(
        scene.at_message("ann@b.example", "ann@b.example", &to).await,
        "contact=-2@*"
    );
}

#[tokio::test]
async fn each_recipient_has_lists_of_their_own() {
    let scene = Scene::new();
    scene
        .add(List::Allow, person("carl@d.example"), &["ann@b.example"])
        .await;
    scene.fakes.names.tell_identity(proven("ann@b.example"));
    let both = ["eva@d.example", "carl@d.example"];
    assert_eq!(
        scene.at_message("ann@b.example", "ann@b.example", &both).await,
        "proven@1 exempt@1"
    );
    // A denied author is refused where all refuse it, and costs points where some do.
    scene.add(List::Deny, person("eva@d.example"), &["ann@b.example"]).await;
    assert_eq!(
        scene.at_message("x@esp.example", "ann@b.example", &both).await,
        "denied_author=5@0 proven@1 exempt@1"
    );
    assert_eq!(
        scene.at_message("x@esp.example", "ann@b.example", &both[..1]).await,
        "denied@* deny 550 5.2.1 Mailbox unavailable@*"
    );
    // The envelope's deny was spoken at RCPT; the author of another name is not hers.
    assert_eq!(
        scene.at_message("ann@b.example", "news@esp.example", &both[..1]).await,
        ""
    );
}
