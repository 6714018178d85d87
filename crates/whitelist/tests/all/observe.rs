//! What mail teaches.

use gatepost_core::{Direction, End, Level, List, Login, LoginBy, Record, Source, SpfResult, Wish};

use crate::scene::{Scene, domain, person, record, site};

fn outbound() -> Record {
    record(Direction::Outbound, "carl@d.example", &["ann@b.example"])
}

async fn learned(record: &Record) -> bool {
    let scene = Scene::new();
    scene.observe(record).await;
    !scene.shown(List::Allow, None, 10).await.is_empty()
}

fn is_spared(opinion: &gatepost_core::Opinion) -> bool {
    opinion.wishes().iter().any(|(_, _, wish)| *wish == Wish::Spare)
}

#[tokio::test]
async fn whom_our_people_write_to_is_a_contact_of_their_domain_for_a_year() {
    let scene = Scene::new();
    let mut mail = record(
        Direction::Outbound,
        "carl@d.example",
        &["Ann@B.example", "bob@b.example", "eva@d.example"],
    );
    mail.recipients[1].fate = "refuse".into();
    mail.recipients[1].reply = "550 5.1.1 no".into();
    scene.observe(&mail).await;
    let shown = scene.shown(List::Allow, None, 10).await;
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert_eq!(
        (shown[0].reach.clone(), shown[0].entry.as_str()),
        (domain("d.example"), "ann@b.example")
    );
    assert_eq!((shown[0].source, shown[0].by.as_str()), (Source::Learned, "tr-1"));
    let spared = async |to: &str| is_spared(&scene.rcpt("ann@b.example", "192.0.2.1", to).await.expect("an opinion"));
    assert!(spared("eva@d.example").await && !spared("eva@e.example").await);
    scene.days(364).await;
    assert!(spared("eva@d.example").await);
    scene.days(2).await;
    assert!(!spared("eva@d.example").await);
}

#[tokio::test]
async fn only_a_persons_accepted_mail_teaches() {
    assert!(learned(&outbound()).await);
    let with = |change: &dyn Fn(&mut Record)| {
        let mut record = outbound();
        change(&mut record);
        record
    };
    let mut many = record(Direction::Outbound, "carl@d.example", &[]);
    let row = outbound().recipients.remove(0);
    for n in 0..20 {
        let mut row = row.clone();
        row.to = format!("a{n}@b.example");
        many.recipients.push(row);
    }
    assert!(learned(&many).await, "twenty are not too many");
    for (why, record) in [
        ("inbound", with(&|r| r.direction = Direction::Inbound)),
        ("no login", with(&|r| r.login = None)),
        (
            "another domain's login",
            with(&|r| r.login = Some(Login::new("eva@e.example", LoginBy::Auth))),
        ),
        ("a bounce", with(&|r| r.from = Some(String::new()))),
        ("no sender", with(&|r| r.from = None)),
        ("a vacation reply", with(&|r| r.auto_submitted = true)),
        ("bulk mail", with(&|r| r.bulk = true)),
        ("a list", with(&|r| r.list = true)),
        ("cut off", with(&|r| r.end = End::Lost)),
        ("reset", with(&|r| r.end = End::Reset)),
        ("refused", with(&|r| r.recipients[0].reply = "550 5.7.1 no".into())),
        ("held", with(&|r| r.recipients[0].fate = "hold".into())),
        ("queued for nobody", with(&|r| r.recipients[0].fate = "discard".into())),
        ("suspicious", with(&|r| r.recipients[0].level = Level::Low)),
        ("a dry run", with(&|r| r.recipients[0].would = Some("refuse".into()))),
        (
            "their own domain",
            with(&|r| r.recipients[0].to = "eva@D.example".into()),
        ),
        (
            "an unsubscription",
            with(&|r| r.recipients[0].to = "unsubscribe@b.example".into()),
        ),
        (
            "a list's robot",
            with(&|r| r.recipients[0].to = "news-unsubscribe+x@b.example".into()),
        ),
        (
            "nobody reads it",
            with(&|r| r.recipients[0].to = "no-reply@b.example".into()),
        ),
        (
            "made for one mail",
            with(&|r| r.recipients[0].to = "bounce-17-4711@b.example".into()),
        ),
        ("no address", with(&|r| r.recipients[0].to = "nonsense".into())),
        ("more than listed", with(&|r| r.recipients_dropped = 20)),
        ("twenty-one", {
            let mut many = many.clone();
            many.recipients.push(row.clone());
            many
        }),
    ] {
        assert!(!learned(&record).await, "{why}");
    }
    for (why, record) in [
        (
            "their own login",
            with(&|r| r.login = Some(Login::new("Carl@D.example", LoginBy::Auth))),
        ),
        (
            "a login without a domain",
            with(&|r| r.login = Some(Login::new("carl", LoginBy::Auth))),
        ),
        (
            "taken while the client was gone",
            with(&|r| {
                (r.end, r.reply, r.recipients[0].reply) = (End::DeliveredUnacked, String::new(), String::new());
            }),
        ),
    ] {
        assert!(learned(&record).await, "{why}");
    }
    let scene = Scene::new();
    for head in ["X-Autoreply: yes", "Precedence: auto_reply"] {
        scene.observe_with(&outbound(), Some(head)).await;
    }
    assert!(
        scene.shown(List::Allow, None, 10).await.is_empty(),
        "an old vacation program"
    );
    scene.observe_with(&outbound(), Some("Precedence: first-class")).await;
    assert_eq!(scene.shown(List::Allow, None, 10).await.len(), 1);
}

#[tokio::test]
async fn what_was_removed_is_not_learned_again_until_somebody_adds_it() {
    for who in [site(), domain("d.example"), person("carl@d.example")] {
        let scene = Scene::new();
        scene.observe(&outbound()).await;
        scene.remove(List::Allow, domain("d.example"), &["ann@b.example"]).await;
        if who != domain("d.example") {
            // The domain's own mark goes in a year; another's mark is as good.
            scene.days(366).await;
            scene.remove(List::Allow, who.clone(), &["ann@b.example"]).await;
        }
        for _ in 0..3 {
            scene.observe(&outbound()).await;
            let shown = scene.shown(List::Allow, None, 10).await;
            assert_eq!(shown.len(), 1, "{who:?}: {shown:?}");
            assert_eq!(shown[0].source, Source::Removed);
        }
        let opinion = scene.rcpt("ann@b.example", "192.0.2.1", "eva@d.example").await;
        assert!(!is_spared(&opinion.expect("an opinion")));
        scene.add(List::Allow, domain("d.example"), &["ann@b.example"]).await;
        let opinion = scene.rcpt("ann@b.example", "192.0.2.1", "eva@d.example").await;
        assert!(is_spared(&opinion.expect("an opinion")));
    }
}

#[tokio::test]
async fn what_one_person_takes_off_stays_learned_for_the_others() {
    let scene = Scene::new();
    scene.observe(&outbound()).await;
    scene
        .remove(List::Allow, person("eva@d.example"), &["ann@b.example"])
        .await;
    let spared = async |to: &str| is_spared(&scene.rcpt("ann@b.example", "192.0.2.1", to).await.expect("an opinion"));
    assert!(!spared("eva@d.example").await && spared("carl@d.example").await);
}

#[tokio::test]
async fn whoever_is_on_the_red_list_teaches_nothing() {
    for (reach, entry) in [
        (site(), "carl@d.example"),
        (site(), "@d.example"),
        (domain("d.example"), "Carl@D.example"),
        (person("carl@d.example"), "carl@d.example"),
    ] {
        let scene = Scene::new();
        scene.add(List::Red, reach.clone(), &[entry]).await;
        scene.observe(&outbound()).await;
        assert!(scene.shown(List::Allow, None, 10).await.is_empty(), "{reach:?}");
        scene
            .observe(&record(Direction::Outbound, "eva@e.example", &["ann@b.example"]))
            .await;
        assert_eq!(scene.shown(List::Allow, None, 10).await.len(), 1, "others teach");
        scene.remove(List::Red, reach, &[entry]).await;
        scene.observe(&outbound()).await;
        assert_eq!(scene.shown(List::Allow, None, 10).await.len(), 2);
    }
}

#[tokio::test]
async fn a_contact_that_writes_is_remembered_longer_and_a_forger_renews_nothing() {
    let inbound = || record(Direction::Inbound, "ann@b.example", &["eva@d.example"]);
    let until = async |scene: &Scene| scene.shown(List::Allow, None, 10).await[0].until.expect("it goes");
    let scene = Scene::new();
    scene.observe(&outbound()).await;
    let first = until(&scene).await;
    scene.observe(&inbound()).await;
    assert_eq!(until(&scene).await, first, "not twice a day");
    scene.days(100).await;
    let mut forged = inbound();
    forged.spf = SpfResult::Fail;
    let mut refused = inbound();
    refused.recipients[0].reply = "550 no".into();
    let mut suspicious = inbound();
    suspicious.recipients[0].level = Level::Medium;
    let elsewhere = record(Direction::Inbound, "ann@b.example", &["eva@e.example"]);
    let mut claimed = record(Direction::Inbound, "x@evil.example", &["eva@d.example"]);
    claimed.author = Some("Ann <ann@b.example>".into());
    // As a From field `ann@b.example.evil.test` that was cut.
    let mut cut = claimed.clone();
    (cut.author, cut.proven) = (Some("ann@b.example".into()), Some("b.example.evil.test".into()));
    for record in [forged, refused, suspicious, elsewhere, claimed.clone(), cut] {
        scene.observe(&record).await;
        assert_eq!(until(&scene).await, first, "{record:?}");
    }
    scene.observe(&inbound()).await;
    let second = until(&scene).await;
    assert_eq!(second - first, 100 * 86_400_000);
    scene.days(300).await;
    claimed.proven = Some("b.example".into());
    scene.observe(&claimed).await;
    assert_eq!(until(&scene).await - second, 300 * 86_400_000);
    scene.days(300).await;
    scene.observe(&outbound()).await;
    assert_eq!(
        until(&scene).await - second,
        600 * 86_400_000,
        "our own mail renews, too"
    );
    // What somebody added stays as it was added.
    scene.add(List::Allow, domain("d.example"), &["ann@b.example"]).await;
    scene.days(10).await;
    scene.observe(&outbound()).await;
    scene.observe(&inbound()).await;
    assert_eq!(scene.shown(List::Allow, None, 10).await[0].until, None);
}

#[tokio::test]
async fn learning_has_a_bound_and_what_is_over_makes_room() {
    let scene = Scene::with(&[("learned_max", 40), ("learned_days", 10)]);
    let mail = |n: usize| record(Direction::Outbound, "carl@d.example", &[&format!("a{n}@b.example")]);
    for n in 0..60 {
        scene.observe(&mail(n)).await;
    }
    assert_eq!(scene.shown(List::Allow, None, 100).await.len(), 40);
    scene.add(List::Allow, domain("d.example"), &["set@b.example"]).await;
    assert_eq!(
        scene.shown(List::Allow, None, 100).await.len(),
        41,
        "what people add has room of its own"
    );
    scene.days(11).await;
    // Nobody looks at the lists meanwhile: learning itself makes room.
    for n in 100..140 {
        scene.observe(&mail(n)).await;
    }
    let left = scene.shown(List::Allow, None, 100).await.len();
    assert!((35..=41).contains(&left), "{left}");
    scene
        .observe(&record(Direction::Outbound, "eva@e.example", &["a@b.example"]))
        .await;
    assert_eq!(scene.names(List::Allow, domain("e.example")).await, ["a@b.example"]);
}

#[tokio::test]
async fn contacts_may_be_a_persons_own_or_nobodys() {
    let fakes = gatepost_testkit::Fakes::new();
    let with = |learn: &str| serde_json::Map::from_iter([("learn".to_owned(), learn.into())]);
    let scene = Scene::over(fakes.clone(), with("off"));
    scene.observe(&outbound()).await;
    assert!(scene.shown(List::Allow, None, 10).await.is_empty());
    let scene = Scene::over(fakes, with("person"));
    scene.observe(&outbound()).await;
    assert_eq!(
        scene.names(List::Allow, person("carl@d.example")).await,
        ["ann@b.example"]
    );
    let spared = async |to: &str| is_spared(&scene.rcpt("ann@b.example", "192.0.2.1", to).await.expect("an opinion"));
    assert!(spared("carl+shop@d.example").await && !spared("eva@d.example").await);
}
