//! The store under the laws that every store obeys, and what it keeps across its closing.

mod house;

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Backend, Fault, Swap, Time};
use gatepost_store_rocksdb::{RocksDb, Settings};
use house::{Hand, NOW, open};

#[test]
fn the_store_obeys_the_laws_of_stores() {
    let dir = tempfile::tempdir().unwrap();
    gatepost_testkit::laws::store::run(|| Arc::new(open(&dir.path().join("store")).unwrap()));
}

#[tokio::test]
async fn what_was_written_is_there_after_the_store_was_closed() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path()).unwrap();
        store.put(b"k", b"v", None).await.unwrap();
        assert_eq!(store.add(b"n", 3, Time::FAR, NOW).await, Ok(3));
        store.insert(b"p", b"1", b"x").await.unwrap();
    }
    let store = open(dir.path()).unwrap();
    assert_eq!(store.get(b"k", NOW).await.unwrap().as_deref(), Some(&b"v"[..]));
    assert_eq!(store.add(b"n", 4, Time::FAR, NOW).await, Ok(7));
    assert_eq!(store.range(b"p", b""..b"", false, 10).await.unwrap().entries.len(), 1);
}

#[tokio::test]
async fn a_counter_that_is_a_value_is_told_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path()).unwrap();
    store.put(b"k", b"no counter", None).await.unwrap();
    assert!(matches!(
        store.add(b"k", 1, Time::FAR, NOW).await,
        Err(Fault::Broken(_))
    ));
    assert_eq!(store.get(b"k", NOW).await.unwrap().as_deref(), Some(&b"no counter"[..]));
}

/// How many entries of keys there are on disk, whether or not they have expired.
async fn on_disk(store: &RocksDb) -> u64 {
    let lines = store.check(Time::ZERO).await.unwrap();
    let words: Vec<&str> = lines[0].split(' ').collect();
    words[2].parse().unwrap_or_else(|_| panic!("{lines:?}"))
}

#[tokio::test]
async fn what_has_expired_is_dropped_and_what_lives_stays() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Hand::at(NOW);
    let store = RocksDb::open(dir.path(), Settings::default(), clock.clone()).unwrap();
    let hour = Duration::from_secs(3_600);
    for n in 0..1_000u32 {
        let life = if n % 10 == 0 { 3 * hour } else { hour };
        store.put(&n.to_be_bytes(), &[7; 100], Some(NOW + life)).await.unwrap();
    }
    store.put(b"ever", b"", None).await.unwrap();
    store.compact().await.unwrap();
    assert_eq!(on_disk(&store).await, 1_001, "nothing has expired yet");

    clock.put(NOW + 2 * hour);
    store.compact().await.unwrap();
    assert_eq!(on_disk(&store).await, 101, "growth is bounded by what lives");
    let lines = store.check(NOW + 4 * hour).await.unwrap();
    assert!(lines[0].contains("101 entries, 100 of them expired"), "{lines:?}");

    // The clock goes back: what lives is there, what was dropped stays dropped, and nothing is in between.
    clock.put(NOW);
    assert!(store.get(&10u32.to_be_bytes(), NOW).await.unwrap().is_some());
    assert_eq!(store.get(&11u32.to_be_bytes(), NOW).await.unwrap(), None);
    assert_eq!(
        store.swap(&11u32.to_be_bytes(), None, Some(b"new"), None, NOW).await,
        Ok(Swap::Done)
    );
    store.compact().await.unwrap();
    assert_eq!(on_disk(&store).await, 102);
}

#[tokio::test]
async fn the_form_on_disk_never_changes() {
    // Written by the database itself as form 1 has it, octet by octet, and read by the store.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    {
        let mut options = rocksdb::Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        let db = rocksdb::DB::open_cf(&options, &path, ["keys", "ordered"]).unwrap();
        db.put(b"form", [1]).unwrap();
        let keys = db.cf_handle("keys").unwrap();
        let until = (NOW.millis() + 1_000).to_be_bytes();
        db.put_cf(keys, b"never", [&[0xff; 8][..], b"value"].concat()).unwrap();
        db.put_cf(keys, b"soon", [&until[..], b"value"].concat()).unwrap();
        db.put_cf(keys, b"count", [&[0xff; 8][..], &[0, 0, 0, 0, 0, 0, 1, 2]].concat())
            .unwrap();
        let ordered = db.cf_handle("ordered").unwrap();
        db.put_cf(ordered, b"\0\x04partorder", b"entry").unwrap();
    }
    let store = open(&path).unwrap();
    assert_eq!(
        store.get(b"never", Time::FAR).await.unwrap().as_deref(),
        Some(&b"value"[..])
    );
    assert!(store.get(b"soon", NOW).await.unwrap().is_some());
    assert_eq!(store.get(b"soon", NOW + Duration::from_secs(1)).await, Ok(None));
    assert_eq!(store.add(b"count", 1, Time::FAR, NOW).await, Ok(0x103));
    let page = store.range(b"part", b""..b"", false, 10).await.unwrap();
    assert_eq!(page.entries, [("order".into(), "entry".into())]);
}
