//! Human acts.

use gatepost_core::desk::Request;
use gatepost_core::{List, Listed, Source, Time};

use crate::scene::{Scene, domain, person, site};

#[tokio::test]
async fn adding_twice_changes_nothing_the_second_time() {
    let scene = Scene::new();
    let change = scene.add(List::Allow, site(), &["Ann@B.example", "@c.example"]).await;
    assert!(change.changed);
    assert_eq!(
        change.lines,
        [
            "added to the allow list of the site: ann@b.example",
            "added to the allow list of the site: @c.example"
        ]
    );
    let change = scene.add(List::Allow, site(), &["ann@b.example"]).await;
    assert!(!change.changed);
    assert_eq!(change.lines, ["already on the allow list of the site: ann@b.example"]);
    let listed = scene.shown(List::Allow, Some(site()), 10).await;
    assert_eq!(listed[1].entry, "ann@b.example");
    assert_eq!(
        (listed[1].by.as_str(), listed[1].source, listed[1].until),
        ("carl", Source::Added, None)
    );
}

#[tokio::test]
async fn nobody_is_on_allow_and_deny_of_the_same_owner() {
    let scene = Scene::new();
    let carl = || person("carl@d.example");
    scene.add(List::Deny, carl(), &["ann@b.example", "192.0.2.0/24"]).await;
    let change = scene.add(List::Allow, carl(), &["ann@b.example", "192.0.2.0/24"]).await;
    assert!(change.changed);
    assert_eq!(
        change.lines[0],
        "moved from the deny list to the allow list of carl@d.example: ann@b.example"
    );
    assert_eq!(scene.names(List::Deny, carl()).await, Vec::<String>::new());
    assert_eq!(
        scene.names(List::Allow, carl()).await,
        ["192.0.2.0/24", "ann@b.example"]
    );
    // Another owner's list is another matter.
    scene.add(List::Deny, domain("d.example"), &["ann@b.example"]).await;
    assert_eq!(
        scene.names(List::Allow, carl()).await,
        ["192.0.2.0/24", "ann@b.example"]
    );
    let change = scene.remove(List::Deny, carl(), &["ann@b.example"]).await;
    assert!(!change.changed);
    assert_eq!(
        change.lines,
        ["not on the deny list of carl@d.example but on the allow list: ann@b.example"]
    );
}

#[tokio::test]
async fn a_bad_entry_is_told_and_the_others_are_done() {
    let scene = Scene::new();
    let long = "x".repeat(100_000);
    let change = scene
        .add(
            List::Deny,
            site(),
            &["no address at all", "@b.example", "a\u{1b}[2Jb@c.example", &long],
        )
        .await;
    assert!(change.changed);
    assert_eq!(change.lines.len(), 4);
    assert!(change.lines[0].starts_with("refused: `no address at all`: expected an address"));
    assert_eq!(change.lines[1], "added to the deny list of the site: @b.example");
    assert!(
        change
            .lines
            .iter()
            .all(|line| line.len() < 400 && !line.chars().any(char::is_control))
    );
    let change = scene.add(List::Deny, person("nobody"), &["@b.example"]).await;
    assert!(!change.changed && change.lines[0].starts_with("refused: `nobody`: expected an address"));
    let change = scene.add(List::Red, site(), &["192.0.2.0/24"]).await;
    assert!(change.lines[0].contains("no networks"), "{change:?}");
    let many: Vec<String> = (0..10_001).map(|n| format!("a{n}@b.example")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let change = scene.add(List::Allow, site(), &many).await;
    assert!(
        !change.changed && change.lines[0].contains("at most 10000"),
        "{change:?}"
    );
}

#[tokio::test]
async fn removing_from_allow_leaves_a_mark_and_from_deny_nothing() {
    let scene = Scene::new();
    scene.add(List::Allow, site(), &["ann@b.example", "@b.example"]).await;
    scene.add(List::Deny, site(), &["eve@b.example"]).await;
    let change = scene
        .remove(List::Allow, site(), &["ann@b.example", "@b.example", "new@b.example"])
        .await;
    assert_eq!(
        change.lines,
        [
            "removed from the allow list of the site: ann@b.example",
            "removed from the allow list of the site: @b.example",
            "was not on the allow list of the site: new@b.example (marked, so that mail does not teach it)",
        ]
    );
    scene.remove(List::Deny, site(), &["eve@b.example"]).await;
    let marks = scene.shown(List::Allow, None, 10).await;
    assert_eq!(marks.len(), 2);
    assert!(
        marks
            .iter()
            .all(|mark| mark.source == Source::Removed && mark.until.is_some())
    );
    assert_eq!(scene.names(List::Deny, site()).await, Vec::<String>::new());
    let change = scene.remove(List::Allow, site(), &["ann@b.example"]).await;
    assert!(
        !change.changed && change.lines[0].starts_with("already removed"),
        "{change:?}"
    );
    let change = scene.remove(List::Deny, site(), &["eve@b.example"]).await;
    assert!(
        !change.changed && change.lines[0].starts_with("was not on"),
        "{change:?}"
    );
    let change = scene.add(List::Allow, site(), &["ann@b.example"]).await;
    assert!(
        change.changed && change.lines[0].ends_with("(it had been removed)"),
        "{change:?}"
    );
    scene.days(366).await;
    assert_eq!(
        scene.names(List::Allow, site()).await,
        ["ann@b.example"],
        "marks go after a year"
    );
}

#[tokio::test]
async fn a_person_may_have_so_many_entries_and_removing_makes_room() {
    let scene = Scene::with(&[("person_entries_max", 3)]);
    let carl = || person("carl@d.example");
    let change = scene
        .add(
            List::Deny,
            carl(),
            &["a@x.example", "b@x.example", "c@x.example", "d@x.example"],
        )
        .await;
    assert!(change.lines[3].contains("has 3 entries, the most"), "{change:?}");
    // Adding again what is there, or moving it, needs no room.
    let change = scene.add(List::Deny, carl(), &["a@x.example"]).await;
    assert!(change.lines[0].starts_with("already on"));
    let change = scene.add(List::Allow, carl(), &["a@x.example"]).await;
    assert!(change.lines[0].starts_with("moved"));
    scene.remove(List::Deny, carl(), &["b@x.example"]).await;
    let change = scene.add(List::Deny, carl(), &["d@x.example", "e@x.example"]).await;
    assert!(
        change.lines[0].starts_with("added") && change.lines[1].starts_with("refused"),
        "{change:?}"
    );
    // A mark takes the place of its entry, so taking off is never refused.
    let change = scene
        .remove(List::Allow, carl(), &["a@x.example", "new@x.example"])
        .await;
    assert!(
        change.lines[0].starts_with("removed") && change.lines[1].starts_with("refused"),
        "{change:?}"
    );
    // Another person's room is their own.
    assert!(
        scene
            .add(List::Deny, person("eva@d.example"), &["a@x.example"])
            .await
            .changed
    );
}

#[tokio::test]
async fn all_of_it_is_shown_by_pages_of_any_size() {
    let scene = Scene::new();
    let mut wanted = Vec::new();
    for reach in [
        domain("d.example"),
        person("carl@d.example"),
        person("eva@d.example"),
        site(),
    ] {
        for n in 0..7 {
            let entry = format!("a{n}@b.example");
            scene.add(List::Deny, reach.clone(), &[&entry]).await;
            wanted.push((reach.clone(), entry));
        }
        // In the other list, so not shown.
        scene.add(List::Allow, reach, &["other@b.example"]).await;
    }
    for limit in [1, 2, 3, 7, 8, 28, 100, 100_000] {
        let shown = scene.shown(List::Deny, None, limit.min(10_000)).await;
        let shown: Vec<_> = shown.into_iter().map(|listed| (listed.reach, listed.entry)).collect();
        assert_eq!(shown, wanted, "by {limit}");
    }
    assert_eq!(scene.shown(List::Deny, Some(site()), 2).await.len(), 7);
    for token in ["", "nonsense", "s", "x\ty", "s\t", "pcarl@d.example\t\u{0}", "dD\t"] {
        let change = scene
            .act(Request::Show {
                list: List::Deny,
                reach: None,
                after: Some(token.into()),
                limit: None,
            })
            .await;
        let told = change.lines.iter().any(|line| line.starts_with("refused"));
        assert!(told || change.listed.len() <= 28, "{token:?}: {change:?}");
    }
}

#[tokio::test]
async fn export_import_export_is_the_same() {
    let scene = Scene::new();
    scene
        .add(
            List::Allow,
            site(),
            &["ann@b.example", "@c.example", "@*.c.example", "192.0.2.0/24"],
        )
        .await;
    scene
        .add(List::Deny, person("carl@d.example"), &["eve@b.example", "2001:db8::1"])
        .await;
    scene.add(List::Red, domain("d.example"), &["shop@d.example"]).await;
    scene.remove(List::Allow, site(), &["ann@b.example"]).await;
    let mut learned = Listed::new(
        List::Allow,
        domain("d.example"),
        "friend@b.example",
        Time::from_millis(5),
        "tr-7",
    );
    learned.source = Source::Learned;
    learned.until = Some(Time::FAR.millis() - 1);
    scene.act(Request::Import { entries: vec![learned] }).await;
    let export = async |scene: &Scene| {
        let mut all = Vec::new();
        for list in [List::Allow, List::Deny, List::Red] {
            all.extend(scene.shown(list, None, 2).await);
        }
        all
    };
    let first = export(&scene).await;
    assert_eq!(first.len(), 8);
    let other = Scene::new();
    other.days(1).await;
    let change = other.act(Request::Import { entries: first.clone() }).await;
    assert_eq!((change.changed, change.lines), (true, vec!["8 imported".to_owned()]));
    assert_eq!(export(&other).await, first);
    let change = other.act(Request::Import { entries: first.clone() }).await;
    assert_eq!(
        (change.changed, change.lines),
        (false, vec!["8 were there already".to_owned()])
    );
    assert_eq!(export(&other).await, first);
}

#[tokio::test]
async fn an_import_leaves_out_what_is_over_and_what_people_decided_otherwise() {
    let scene = Scene::new();
    scene.remove(List::Allow, domain("d.example"), &["ann@b.example"]).await;
    let listed = |entry: &str, source, until| {
        let mut listed = Listed::new(List::Allow, domain("d.example"), entry, Time::from_millis(5), "tr-7");
        (listed.source, listed.until) = (source, until);
        listed
    };
    let change = scene
        .act(Request::Import {
            entries: vec![
                listed("ann@b.example", Source::Learned, None),
                listed("old@b.example", Source::Added, Some(7)),
                listed("@b.example", Source::Learned, None),
                listed("nobody", Source::Added, None),
                listed("new@b.example", Source::Learned, None),
            ],
        })
        .await;
    assert_eq!(
        change.lines[2..],
        [
            "1 imported",
            "1 were over and left out",
            "1 were left out, since people had decided otherwise here",
            "2 were refused, as told above"
        ]
    );
    assert!(
        change.lines[0].contains("`@b.example`") && change.lines[1].contains("`nobody`"),
        "{change:?}"
    );
    let shown = scene.shown(List::Allow, None, 10).await;
    let sources: Vec<_> = shown
        .iter()
        .map(|listed| (listed.entry.as_str(), listed.source))
        .collect();
    assert_eq!(
        sources,
        [("ann@b.example", Source::Removed), ("new@b.example", Source::Learned)]
    );
    assert!(
        shown[1].until.is_some(),
        "what is learned goes some day, whatever a file says"
    );
}

#[tokio::test]
async fn what_is_not_about_lists_is_left_to_others() {
    let scene = Scene::new();
    let login = gatepost_core::Login::new("carl", gatepost_core::LoginBy::Operator);
    let acting = gatepost_core::Acting::new(&login, Time::ZERO);
    assert_eq!(scene.filter.handle(&acting, &Request::CheckStore).await, Ok(None));
}

#[tokio::test]
async fn a_filter_that_is_built_anew_knows_every_list() {
    let scene = Scene::new();
    scene
        .add(List::Deny, person("dora@d.example"), &["ann@b.example"])
        .await;
    let again = Scene::over(scene.fakes.clone(), serde_json::Map::new());
    let opinion = again.rcpt("ann@b.example", "192.0.2.1", "dora@d.example").await;
    assert_eq!(opinion.expect("an opinion").wishes().len(), 1);
    assert_eq!(
        again.shown(List::Deny, None, 10).await,
        scene.shown(List::Deny, None, 10).await
    );
}
