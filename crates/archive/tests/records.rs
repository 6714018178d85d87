//! The records of all mail: old ones readable, newer ones passed over, each gone in its time.

mod house;

use std::time::Duration;

use gatepost_archive::Settings;
use gatepost_core::{Backend, Clock, Direction, Kept, Query, RecipientId, RecipientRecord, Record};
use house::{House, query};

const DAY: Duration = Duration::from_secs(86_400);
/// A record as the first version wrote it. It is never changed.
const GOLDEN: &str = include_str!("golden/record-v1.json");

fn record(house: &House, id: &str, to: &str) -> Record {
    let began = house.clock.now().millis();
    let mut record = Record::new(
        id.into(),
        began,
        Direction::Inbound,
        "mx".into(),
        [192, 0, 2, 1].into(),
        25,
    );
    record.from = Some("ann@b.example".into());
    record.recipients.push(RecipientRecord::new(RecipientId(0), to.into()));
    record
}

/// Puts another JSON in the place of the only record that there is.
async fn replace(house: &House, was: &str, new: &str) {
    let mut keys = Vec::new();
    house.backend.each_put(|key, value| {
        if String::from_utf8_lossy(value).contains(was) {
            keys.push(key.to_vec());
        }
    });
    assert_eq!(keys.len(), 1, "one record has {was:?}");
    house.backend.put(&keys[0], new.as_bytes(), None).await.unwrap();
}

#[tokio::test]
async fn a_record_of_the_first_version_is_read_and_unknown_fields_are_no_harm() {
    let golden: Record = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!((golden.version, &*golden.id), (1, "00000000000001a"));
    assert_eq!(golden.recipients[0].because[0].as_str(), "conduct.helo");
    let house = House::new(Settings::default());
    let mut stored = record(&house, &golden.id, "c@d.example");
    stored.began = house.clock.now().millis();
    house.archive().record(&stored).await.unwrap();
    let later = GOLDEN.replacen("\"version\"", "\"of_the_future\": {\"a\": [1]}, \"version\"", 1);
    replace(&house, &golden.id, &later).await;
    let read = house
        .archive()
        .records(&query(|q| q.sender = Some("ann@b.example".into())))
        .await
        .unwrap();
    assert_eq!(read, [golden]);
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_passed_over_and_hides_no_other() {
    let house = House::new(Settings::default());
    house
        .archive()
        .record(&record(&house, "t1", "c@d.example"))
        .await
        .unwrap();
    house.clock.forward(Duration::from_secs(1));
    house
        .archive()
        .record(&record(&house, "t2", "c@d.example"))
        .await
        .unwrap();
    for newer in [r#"{"version": 2, "id": "t2", "all": "new"}"#, "{}", "no json", ""] {
        let was = if newer.contains("new") { "\"t2\"" } else { "" };
        if was.is_empty() {
            // The same place again.
            let place = house.backend.last_put();
            house.backend.put(&place, newer.as_bytes(), None).await.unwrap();
        } else {
            replace(&house, was, newer).await;
        }
        let found = house
            .archive()
            .records(&query(|q| q.domain = Some("d.example".into())))
            .await
            .unwrap();
        assert_eq!(found.len(), 1, "{newer}");
        assert_eq!(found[0].id, "t1");
    }
    house.clock.forward(DAY * 31);
    assert_eq!(house.archive().sweep().await.unwrap().records, 2, "it goes in its time");
}

#[tokio::test]
async fn records_go_by_age_and_by_number_with_all_their_entries() {
    let house = House::new(Settings {
        records_days: 10,
        records: 5,
        ..Settings::default()
    });
    for n in 0..8 {
        let record = record(&house, &format!("t{n}"), &format!("c{n}@d.example"));
        house.archive().record(&record).await.unwrap();
        house.clock.forward(DAY);
    }
    let swept = house.archive().sweep().await.unwrap();
    assert_eq!((swept.records, swept.more), (3, false), "the oldest beyond five");
    let left = house.archive().records(&Query::default()).await.unwrap();
    assert_eq!(
        left.iter().map(|record| &*record.id).collect::<Vec<_>>(),
        ["t7", "t6", "t5", "t4", "t3"]
    );
    house.clock.forward(DAY * 7);
    let left = house.archive().records(&Query::default()).await.unwrap();
    assert_eq!(left.len(), 3, "what is too old is not told, swept or not");
    assert_eq!(house.archive().sweep().await.unwrap().records, 2);
    house.clock.forward(DAY * 10);
    assert_eq!(house.archive().sweep().await.unwrap().records, 3);
    assert_eq!(house.backend.entries(), []);
    house.backend.each_put(|key, _| panic!("{key:?} is left"));
}

#[tokio::test]
async fn a_record_that_is_too_large_for_the_store_is_cut_and_says_so() {
    let house = House::new(Settings::default());
    let mut large = record(&house, "t1", "c@d.example");
    for n in 0..1_000u16 {
        let mut row = RecipientRecord::new(RecipientId(n), format!("c{n}@d.example"));
        row.reply = "x".repeat(2_000);
        large.recipients.push(row);
    }
    house.archive().record(&large).await.unwrap();
    let found = house.archive().records(&Query::default()).await.unwrap();
    assert_eq!(found[0].recipients.len(), 100);
    assert_eq!(found[0].recipients_dropped, 901);
    assert!(found[0].notes.iter().any(|note| note.contains("was cut")));
    house.clock.forward(DAY * 31);
    house.archive().sweep().await.unwrap();
}
