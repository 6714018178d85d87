//! The lists against a model, and what is damaged.

use std::collections::BTreeMap;
use std::time::Duration;

use gatepost_core::{Clock, Fault, List, Source, Time};
use gatepost_testkit::Fakes;
use gatepost_whitelist::change::Outcome;
use gatepost_whitelist::entry::Pattern;
use gatepost_whitelist::form::{Shelf, Slot};
use gatepost_whitelist::lists::Lists;
use gatepost_whitelist::owner::Owner;
use proptest::prelude::*;

use crate::scene::{LIMITS, Scene, site};

#[tokio::test]
async fn what_is_damaged_is_named_and_nothing_is_guessed() {
    let scene = Scene::new();
    scene.add(List::Allow, site(), &["ann@b.example", "192.0.2.0/24"]).await;
    let store = scene.fakes.services().store.within("whitelist");
    for (key, octets) in [
        (&b"es\0ann@b.example"[..], &b"\x02al"[..]),
        (b"es\0ann@b.example", b"\xff\0nonsense"),
        (b"hes", b"\x09\x01\x01\x01"),
    ] {
        let was = store.get(key, Time::ZERO).await.expect("a store").expect("a key");
        store.put(key, octets, None).await.expect("a store");
        let Err(Fault::Broken(why)) = scene.rcpt("ann@b.example", "192.0.2.1", "carl@d.example").await else {
            panic!("{octets:?} is no entry");
        };
        assert!(
            why.contains(&key.escape_ascii().to_string()) && why.contains("backup"),
            "{why}"
        );
        let add = gatepost_core::Request::Add {
            list: List::Deny,
            reach: site(),
            entries: vec!["ann@b.example".into()],
        };
        assert!(
            scene.try_act(add).await.is_err(),
            "nothing is written over what cannot be read"
        );
        assert_eq!(
            store.get(key, Time::ZERO).await.expect("a store").as_deref(),
            Some(octets)
        );
        store.put(key, &was, None).await.expect("a store");
        scene
            .rcpt("ann@b.example", "192.0.2.1", "carl@d.example")
            .await
            .expect("mended");
    }
    store
        .insert(b"wes", b"\x04\xc0\0\x02\0\x63", b"")
        .await
        .expect("a store");
    let fault = scene.rcpt("x@y.example", "192.0.2.1", "carl@d.example").await;
    assert!(matches!(fault, Err(Fault::Broken(_))), "{fault:?}");
}

#[tokio::test]
async fn rows_that_lead_to_nothing_are_skipped_and_tidied() {
    let scene = Scene::new();
    scene.add(List::Allow, site(), &["ann@b.example"]).await;
    let store = scene.fakes.services().store.within("whitelist");
    let row = b"\x01a\0\0\0\0\0\0\0\0";
    store.insert(b"ias", b"nobody@b.example", row).await.expect("a store");
    store.insert(b"ias", b"no pattern", row).await.expect("a store");
    store.insert(b"ias", b"\xff\xfe", row).await.expect("a store");
    store
        .insert(b"wes", b"\x04\xc0\0\x02\0\x18", b"")
        .await
        .expect("a store");
    assert_eq!(scene.names(List::Allow, site()).await, ["ann@b.example"]);
    let page = store.range(b"ias", &[]..&[], false, 100).await.expect("a store");
    assert_eq!(
        page.entries.len(),
        2,
        "the one that is no text stays, and shows nobody anything"
    );
    let opinion = scene
        .rcpt("x@y.example", "192.0.2.1", "carl@d.example")
        .await
        .expect("an opinion");
    assert!(opinion.is_none());
}

#[tokio::test]
async fn a_clock_that_goes_back_brings_nothing_back_unlisted() {
    let scene = Scene::new();
    let lists = scene.lists();
    let owner = Owner::domain("d.example");
    let ann = Pattern::parse("ann@b.example").expect("an entry");
    let now = scene.fakes.clock.now();
    let life = Duration::from_secs(86_400);
    lists.learn(&owner, &ann, life, "tr", now).await.expect("a store");
    let later = now + life + life;
    let (shown, _) = lists.show(List::Allow, None, None, 10, later).await.expect("a store");
    assert!(shown.is_empty());
    // Tidied away in that future, so it is gone in the past, too.
    assert_eq!(lists.slot(Shelf::Senders, &owner, "ann@b.example", now).await, Ok(None));
}

#[tokio::test]
async fn the_network_around_an_address_is_found_among_thousands() {
    let scene = Scene::new();
    let lists = scene.lists();
    let now = scene.fakes.clock.now();
    let owner = Owner::site();
    let mut texts: Vec<String> = (0..=255).map(|n| format!("10.{n}.0.0/16")).collect();
    texts.extend((0..=255).map(|n| format!("10.7.{n}.0/30")));
    texts.extend([
        "10.0.0.0/8".to_owned(),
        "10.7.128.0/17".into(),
        "2001:db8::/32".into(),
        "2001:db8:1::/48".into(),
    ]);
    for text in &texts {
        let new = slot(List::Deny, Source::Added, now, None);
        let pattern = Pattern::parse(text).expect("an entry");
        let big = Lists::new(scene.fakes.services().store.within("whitelist"), LIMITS);
        big.put(&owner, &pattern, Shelf::Senders, now, |_| Some(new.clone()))
            .await
            .expect("a store");
    }
    for (client, network) in [
        ("10.7.9.2", Some("10.7.9.0/30")),
        ("10.7.9.200", Some("10.7.0.0/16")),
        ("10.7.200.200", Some("10.7.128.0/17")),
        ("10.255.255.255", Some("10.255.0.0/16")),
        ("11.0.0.0", None),
        ("9.255.255.255", None),
        ("2001:db8:1:2::3", Some("2001:db8:1::/48")),
        ("2001:db8:2:2::3", Some("2001:db8::/32")),
        ("2001:db7::", None),
    ] {
        let client = client.parse().expect("an address");
        let word = lists
            .ask(Shelf::Senders, &owner, None, Some(client), now)
            .await
            .expect("a store");
        assert_eq!(word.network.map(|found| found.pattern).as_deref(), network, "{client}");
    }
}

fn slot(list: List, source: Source, since: Time, until: Option<Time>) -> Slot {
    Slot {
        list,
        source,
        since,
        until,
        by: "test".into(),
    }
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    Set(List, usize),
    Learn(usize),
    Remove(List, usize),
    Pass(u64),
    Show,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let list = || prop_oneof![Just(List::Allow), Just(List::Deny)];
    let step = prop_oneof![
        3 => (list(), 0..ENTRIES.len()).prop_map(|(list, n)| Step::Set(list, n)),
        3 => (0..3_usize).prop_map(Step::Learn),
        3 => (list(), 0..ENTRIES.len()).prop_map(|(list, n)| Step::Remove(list, n)),
        1 => (1..500_u64).prop_map(Step::Pass),
        1 => Just(Step::Show),
    ];
    prop::collection::vec(step, 1..60)
}

const ENTRIES: [&str; 8] = [
    "a@b.example",
    "b@b.example",
    "\"c c\"@b.example",
    "@b.example",
    "@*.b.example",
    "10.0.0.0/8",
    "10.1.0.0/16",
    "2001:db8::/32",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn the_lists_agree_with_a_map(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(agree(steps))?;
    }
}

async fn agree(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let fakes = Fakes::new();
    let lists = Lists::new(fakes.services().store.within("whitelist"), LIMITS);
    let owner = Owner::domain("d.example");
    let mut model: BTreeMap<String, Slot> = BTreeMap::new();
    let day = Duration::from_secs(86_400);
    let (life, year) = (100 * day, 365 * day);
    for step in steps {
        let now = fakes.clock.now();
        model.retain(|_, slot| slot.until.is_none_or(|until| until > now));
        match step {
            Step::Set(list, n) => {
                let new = slot(list, Source::Added, now, None);
                let pattern = Pattern::parse(ENTRIES[n]).expect("an entry");
                lists
                    .put(&owner, &pattern, Shelf::Senders, now, |_| Some(new.clone()))
                    .await
                    .expect("a store");
                model.insert(ENTRIES[n].into(), new);
            }
            Step::Learn(n) => {
                let pattern = Pattern::parse(ENTRIES[n]).expect("an entry");
                let outcome = lists.learn(&owner, &pattern, life, "test", now).await.expect("a store");
                let was = model.get(ENTRIES[n]).cloned();
                let new = match was.clone() {
                    None => Some(slot(List::Allow, Source::Learned, now, Some(now + life))),
                    Some(was)
                        if was.source == Source::Learned
                            && was.until.is_some_and(|until| (now + life).since(until) >= day) =>
                    {
                        Some(Slot {
                            until: Some(now + life),
                            ..was
                        })
                    }
                    _ => None,
                };
                let expected = match new.clone() {
                    Some(_) => Outcome::Changed(was),
                    None => Outcome::Unchanged(was),
                };
                prop_assert_eq!(outcome, expected);
                model.extend(new.map(|new| (ENTRIES[n].to_owned(), new)));
            }
            Step::Remove(list, n) => {
                let pattern = Pattern::parse(ENTRIES[n]).expect("an entry");
                lists
                    .remove(&owner, &pattern, list, "test", now)
                    .await
                    .expect("a store");
                let was = model.get(ENTRIES[n]).cloned();
                let marks = list == List::Allow && n < 3;
                match was {
                    Some(was) if was.list != list || (marks && !was.holds()) => {}
                    _ if marks => {
                        model.insert(ENTRIES[n].into(), slot(list, Source::Removed, now, Some(now + year)));
                    }
                    _ => drop(model.remove(ENTRIES[n])),
                }
            }
            Step::Pass(days) => fakes.clock.forward(Duration::from_secs(days * 86_400)),
            Step::Show => {}
        }
        let now = fakes.clock.now();
        model.retain(|_, slot| slot.until.is_none_or(|until| until > now));
        for (text, slot) in &model {
            let kept = lists.slot(Shelf::Senders, &owner, text, now).await.expect("a store");
            prop_assert_eq!(kept.as_ref(), Some(slot), "{}", text);
        }
        if matches!(step, Step::Show) {
            listed_is_in_force(&lists, &fakes, &owner, &model).await?;
        }
    }
    listed_is_in_force(&lists, &fakes, &owner, &model).await
}

/// What is shown is the model; so is what is counted, once what is over was tidied by showing it.
async fn listed_is_in_force(
    lists: &Lists,
    fakes: &Fakes,
    owner: &Owner,
    model: &BTreeMap<String, Slot>,
) -> Result<(), TestCaseError> {
    let now = fakes.clock.now();
    for list in [List::Allow, List::Deny] {
        let (shown, next) = lists.show(list, Some(owner), None, 100, now).await.expect("a store");
        let shown: Vec<_> = shown.into_iter().map(|listed| (listed.entry, listed.source)).collect();
        let wanted: Vec<_> = model
            .iter()
            .filter(|(_, slot)| slot.list == list)
            .map(|(text, slot)| (text.clone(), slot.source))
            .collect();
        prop_assert_eq!(shown, wanted);
        prop_assert_eq!(next, None);
    }
    let store = fakes.services().store.within("whitelist");
    for (key, learned) in [(&b"nadd.example"[..], false), (b"nldd.example", true), (b"t", true)] {
        let counted = store.add(key, 0, Time::FAR, now).await.expect("a store");
        let wanted = model
            .values()
            .filter(|slot| (slot.source == Source::Learned) == learned)
            .count();
        prop_assert_eq!(usize::try_from(counted), Ok(wanted), "{}", key.escape_ascii());
    }
    Ok(())
}
