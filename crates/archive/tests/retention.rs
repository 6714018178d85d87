//! How kept mail goes by age, by number and by octets.

mod house;

use std::time::Duration;

use gatepost_archive::Settings;
use gatepost_core::{Fault, Kept, Label, Login, LoginBy, Query, Terms};
use house::{House, query};

const DAY: Duration = Duration::from_secs(86_400);

#[tokio::test]
async fn mail_goes_when_its_time_has_come_swept_or_not() {
    let house = House::new(Settings {
        days: 14,
        refused_days: 3,
        ..Settings::default()
    });
    let held = house.keep("c@d.example", Terms::durable("held")).await;
    let copy = house.keep("c@d.example", Terms::copy("refused")).await;
    let mut terms = Terms::durable("held");
    terms.days = Some(30);
    let long = house.keep("c@d.example", terms).await;
    house.clock.forward(DAY * 3);
    assert_eq!(house.ids(&Query::default()).await.len(), 2);
    assert!(
        house.archive().get(&copy).await.unwrap().is_none(),
        "what is over is not there"
    );
    let by = Login::new("ann", LoginBy::Auth);
    assert!(house.archive().label(&copy, Label::Ham, &by).await.is_err());
    let swept = house.archive().sweep().await.unwrap();
    assert_eq!((swept.expired, swept.more), (1, false));
    assert!(!house.file(&copy).exists() && house.file(&held).exists());
    house.clock.forward(DAY * 11);
    assert_eq!(house.archive().sweep().await.unwrap().expired, 1);
    assert_eq!(house.ids(&Query::default()).await, std::slice::from_ref(&long));
    house.clock.forward(DAY * 16);
    assert_eq!(house.archive().sweep().await.unwrap().expired, 1);
    assert_eq!(house.backend.entries(), [], "no entry outlives its mail");
    assert!(!house.file(&long).parent().unwrap().exists(), "nor does its folder");
}

#[tokio::test]
async fn a_full_domain_lets_its_oldest_copies_go_and_held_mail_only_for_held_mail() {
    let house = House::new(Settings {
        per_domain: 3,
        ..Settings::default()
    });
    house.archive().sweep().await.unwrap();
    let mut copies = Vec::new();
    for _ in 0..4 {
        copies.push(house.keep("c@d.example", Terms::copy("refused")).await);
        house.clock.forward(Duration::from_secs(1));
    }
    let other = house.keep("c@other.example", Terms::copy("refused")).await;
    assert!(
        house.archive().get(&copies[0]).await.unwrap().is_none(),
        "the oldest went"
    );
    assert!(house.archive().get(&copies[1]).await.unwrap().is_some());
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(house.keep("C@D.example", Terms::durable("held")).await);
        house.clock.forward(Duration::from_secs(1));
    }
    let all = house.ids(&query(|q| q.domain = Some("d.example".into()))).await;
    assert_eq!(all.len(), 3, "copies made room for held mail");
    assert!(held.iter().all(|id| all.contains(id)));
    let copy = house.try_keep(&["c@d.example"], Terms::copy("refused"), b"x").await;
    assert!(
        matches!(copy, Err(Fault::Unavailable(_))),
        "a copy pushes out no held mail"
    );
    let flood = house.try_keep(&["c@d.example"], Terms::durable("held"), b"x").await;
    assert!(
        matches!(flood, Err(Fault::Unavailable(_))),
        "nor does held mail push out that of the last day"
    );
    house.clock.forward(DAY);
    let next = house.keep("c@d.example", Terms::durable("held")).await;
    let all = house.ids(&query(|q| q.domain = Some("d.example".into()))).await;
    assert_eq!(all, [next, held[2].clone(), held[1].clone()], "an older one goes");
    assert!(
        house.archive().get(&other).await.unwrap().is_some(),
        "other domains are not concerned"
    );
}

#[tokio::test]
async fn what_could_not_be_kept_takes_no_room() {
    let house = House::new(Settings {
        total_bytes: 1_500,
        ..Settings::default()
    });
    house.archive().sweep().await.unwrap();
    let mail = [b'x'; 400];
    let first = house
        .try_keep(&["c@d.example"], Terms::copy("refused"), &mail)
        .await
        .unwrap();
    for terms in [Terms::durable("held"), Terms::copy("refused")] {
        house.backend.fail(true);
        for _ in 0..10 {
            house
                .try_keep(&["c@d.example"], terms.clone(), &mail)
                .await
                .unwrap_err();
        }
        house.backend.fail(false);
    }
    house
        .try_keep(&["c@d.example"], Terms::copy("refused"), &mail)
        .await
        .unwrap();
    house
        .try_keep(&["c@d.example"], Terms::copy("refused"), &mail)
        .await
        .unwrap();
    let all = house.ids(&Query::default()).await;
    assert!(all.len() == 3 && all.contains(&first), "{all:?}");
}

#[tokio::test]
async fn octets_are_bounded_for_a_domain_and_in_whole_and_new_bounds_hold_for_old_mail() {
    let mut house = House::new(Settings {
        per_domain_bytes: 1_000,
        total_bytes: 1_500,
        ..Settings::default()
    });
    house.archive().sweep().await.unwrap();
    let mail = [b'x'; 400];
    for n in 0..6 {
        let to = format!("c@{}.example", n % 2);
        house.try_keep(&[&to], Terms::copy("refused"), &mail).await.unwrap();
        house.clock.forward(Duration::from_secs(1));
    }
    assert_eq!(house.ids(&Query::default()).await.len(), 3);
    let large = house
        .try_keep(&["c@0.example"], Terms::durable("held"), &[b'x'; 1_001])
        .await;
    assert!(matches!(large, Err(Fault::Broken(why)) if why.contains("larger than")));
    assert_eq!(
        house.ids(&Query::default()).await.len(),
        3,
        "nothing goes for what cannot come"
    );
    // Over a restart, and with less room: the count is made anew.
    house.settings.total_bytes = 500;
    house.reopen();
    let swept = house.archive().sweep().await.unwrap();
    assert_eq!((swept.copies, swept.held), (2, 0));
    assert_eq!(house.ids(&Query::default()).await.len(), 1);
}

#[tokio::test]
async fn what_could_never_be_kept_is_known_beforehand() {
    let house = House::new(Settings {
        per_domain_bytes: 100,
        total_bytes: 1_000,
        ..Settings::default()
    });
    let archive = house.archive();
    assert!(archive.could_keep(100) && !archive.could_keep(101));
    let house = House::new(Settings {
        per_domain_bytes: 0,
        total_bytes: 0,
        ..Settings::default()
    });
    assert!(house.archive().could_keep(u64::MAX), "nothing bounds it");
}
