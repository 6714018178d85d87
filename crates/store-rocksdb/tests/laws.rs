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
async fn what_an_expired_entry_had_replaced_does_not_come_back() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Hand::at(NOW);
    let store = RocksDb::open(dir.path(), Settings::default(), clock.clone()).unwrap();
    let second = Duration::from_secs(1);
    store.put(b"k", b"for ever", None).await.unwrap();
    store.compact().await.unwrap();
    store.put(b"k", b"for a second", Some(NOW + second)).await.unwrap();
    clock.put(NOW + second);
    for now in [NOW + second, NOW + 1_000 * second] {
        assert_eq!(store.get(b"k", now).await, Ok(None));
        store.compact().await.unwrap();
    }
    assert_eq!(store.get(b"k", NOW).await, Ok(None), "nor when the clock goes back");
    assert_eq!(on_disk(&store).await, 0);
}

#[tokio::test]
async fn a_store_that_is_written_to_without_end_stays_small() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Hand::at(NOW);
    let settings = Settings {
        write_buffer: 64 << 10,
        ..Settings::default()
    };
    let store = RocksDb::open(dir.path(), settings, clock.clone()).unwrap();
    let size = || -> u64 {
        let files = std::fs::read_dir(dir.path()).unwrap().flatten();
        files
            .filter_map(|file| file.metadata().ok())
            .map(|file| file.len())
            .sum()
    };
    // Each entry lives for a minute, a thousand are written a minute, and none is ever written again: what is alive at any
    // time is about 200 kB; all together lies at 10 MB on disk. Nobody calls for a compaction.
    let mut most = 0;
    for minute in 0..100u64 {
        let now = NOW + Duration::from_secs(60 * minute);
        clock.put(now);
        for n in 0..1_000u64 {
            let key = spread(minute * 1_000 + n);
            store
                .put(&key, &[key; 4].concat(), Some(now + Duration::from_secs(60)))
                .await
                .unwrap();
        }
        most = most.max(size());
    }
    assert!(most < 4 << 20, "{most} octets");
}

/// A number spread over all keys.
fn spread(n: u64) -> [u8; 32] {
    let mut key = [0; 32];
    for (at, octets) in key.chunks_mut(8).enumerate() {
        let mixed = (n * 4 + at as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        octets.copy_from_slice(&(mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9).to_be_bytes());
    }
    key
}

#[tokio::test]
async fn the_form_on_disk_is_written_octet_by_octet_as_ever() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    {
        let store = open(&path).unwrap();
        let until = Time::from_millis(0x0102_0304_0506);
        store.put(b"never", b"value", None).await.unwrap();
        store.put(b"soon", b"value", Some(until)).await.unwrap();
        store.add(b"count", -2, until, NOW).await.unwrap();
        store.swap(b"swapped", None, Some(b""), None, NOW).await.unwrap();
        store.insert(b"part", b"order", b"entry").await.unwrap();
    }
    let options = rocksdb::Options::default();
    let db = rocksdb::DB::open_cf_for_read_only(&options, &path, ["default", "keys", "ordered"], false).unwrap();
    let all = |name: &str| -> Vec<(Vec<u8>, Vec<u8>)> {
        let entries = db.iterator_cf(db.cf_handle(name).unwrap(), rocksdb::IteratorMode::Start);
        entries
            .map(|entry| entry.unwrap())
            .map(|(key, value)| (key.into(), value.into()))
            .collect()
    };
    let entry = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    assert_eq!(all("default"), [entry(b"form", b"\x01")]);
    assert_eq!(
        all("keys"),
        [
            entry(
                b"count",
                b"\0\0\x01\x02\x03\x04\x05\x06\xff\xff\xff\xff\xff\xff\xff\xfe"
            ),
            entry(b"never", b"\xff\xff\xff\xff\xff\xff\xff\xffvalue"),
            entry(b"soon", b"\0\0\x01\x02\x03\x04\x05\x06value"),
            entry(b"swapped", b"\xff\xff\xff\xff\xff\xff\xff\xff"),
        ]
    );
    assert_eq!(all("ordered"), [entry(b"\0\x04partorder", b"entry")]);
}

#[tokio::test]
async fn a_store_of_form_1_is_read_as_ever() {
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

#[tokio::test]
async fn an_entry_that_is_too_short_is_told_and_stays() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    {
        let db = rocksdb::DB::open_cf(&rocksdb::Options::default(), dir.path(), ["keys", "ordered"]).unwrap();
        db.put_cf(db.cf_handle("keys").unwrap(), b"k", b"short").unwrap();
        db.put_cf(db.cf_handle("ordered").unwrap(), b"\0\x09part", b"v")
            .unwrap();
    }
    let store = open(dir.path()).unwrap();
    for fault in [
        store.get(b"k", NOW).await.map(|_| ()).unwrap_err(),
        store.add(b"k", 1, Time::FAR, NOW).await.map(|_| ()).unwrap_err(),
        store
            .swap(b"k", None, Some(b"v"), None, NOW)
            .await
            .map(|_| ())
            .unwrap_err(),
    ] {
        assert!(matches!(fault, Fault::Broken(_)), "{fault}");
    }
    store.compact().await.unwrap();
    let fault = store.check(NOW).await.unwrap_err().to_string();
    assert!(
        fault.contains("keys: k: ") && fault.contains("ordered: \\x00\\tpart: "),
        "{fault}"
    );
    // Whoever knows better writes over it.
    store.put(b"k", b"v", None).await.unwrap();
    assert!(store.get(b"k", NOW).await.unwrap().is_some());
}
