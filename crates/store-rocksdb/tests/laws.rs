//! The store under the laws that every store obeys, and on directories that it must not touch.

use std::sync::Arc;

use gatepost_core::{Backend, Clock, Time};
use gatepost_store_rocksdb::{OpenError, RocksDb, Settings};

/// A clock that stands still.
struct Still;

impl Clock for Still {
    fn now(&self) -> Time {
        Time::from_secs(1_000_000)
    }
}

fn open(path: &std::path::Path) -> Result<RocksDb, OpenError> {
    RocksDb::open(path, Settings::default(), Arc::new(Still))
}

#[test]
fn the_store_obeys_the_laws_of_stores() {
    let dir = tempfile::tempdir().unwrap();
    gatepost_testkit::laws::store::run(|| Arc::new(open(&dir.path().join("store")).unwrap()));
}

#[tokio::test]
async fn what_was_written_is_there_after_the_store_was_closed() {
    let dir = tempfile::tempdir().unwrap();
    let now = Still.now();
    {
        let store = open(dir.path()).unwrap();
        store.put(b"k", b"v", None).await.unwrap();
        assert_eq!(store.add(b"n", 3, Time::FAR, now).await, Ok(3));
        store.insert(b"p", b"1", b"x").await.unwrap();
    }
    let store = open(dir.path()).unwrap();
    assert_eq!(store.get(b"k", now).await.unwrap().as_deref(), Some(&b"v"[..]));
    assert_eq!(store.add(b"n", 4, Time::FAR, now).await, Ok(7));
    assert_eq!(store.range(b"p", b""..b"", false, 10).await.unwrap().entries.len(), 1);
}

#[test]
fn a_second_opening_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Locked(_))));
}

#[test]
fn a_directory_that_is_no_directory_is_told_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "mine").unwrap();
    assert!(matches!(
        open(&file),
        Err(OpenError::Directory(..) | OpenError::Corrupt(..))
    ));
    assert_eq!(std::fs::read(&file).unwrap(), b"mine");
}

#[test]
fn a_damaged_store_is_told_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    std::fs::write(dir.path().join("CURRENT"), "MANIFEST-999999\n").unwrap();
    let before = std::fs::read_dir(dir.path()).unwrap().count();
    assert!(matches!(
        open(dir.path()),
        Err(OpenError::Corrupt(..) | OpenError::Directory(..))
    ));
    assert!(std::fs::read_dir(dir.path()).unwrap().count() >= before);
}
