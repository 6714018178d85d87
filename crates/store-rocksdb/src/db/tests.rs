use std::path::Path;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use gatepost_core::Backend as _;

use super::*;

const NOW: Time = Time::from_secs(1_000_000);

struct Still;

impl Clock for Still {
    fn now(&self) -> Time {
        NOW
    }
}

fn open(path: &Path) -> RocksDb {
    RocksDb::open(path, Settings::default(), Arc::new(Still)).unwrap()
}

fn here(store: &RocksDb, key: &[u8]) -> Result<bool, Undone> {
    store.inner.with(Stand::Here, Work::Read, |db| {
        let found = db.get_cf_opt(family(db, KEYS), key, &Stand::Here.reading())?;
        Ok(found.is_some())
    })
}

/// Asks once and no more, as a runtime does before it turns to others.
fn asked_once<T>(future: std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn what_lies_on_disk_only_is_read_aside_and_then_known_here() {
    let dir = tempfile::tempdir().unwrap();
    {
        let store = open(dir.path());
        for n in 0..1_000u32 {
            store.put(&n.to_be_bytes(), b"v", None).await.unwrap();
        }
        store.compact().await.unwrap();
    }
    let store = open(dir.path());
    assert!(matches!(here(&store, &7u32.to_be_bytes()), Err(Undone::Waits)));
    assert!(store.get(&7u32.to_be_bytes(), NOW).await.unwrap().is_some());
    assert!(matches!(here(&store, &7u32.to_be_bytes()), Ok(true)));
    // A counter on such a block is not counted from nothing.
    store.add(b"n", 5, Time::FAR, NOW).await.unwrap();
    store.compact().await.unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.add(b"n", 1, Time::FAR, NOW).await, Ok(6));
}

#[tokio::test]
async fn writers_that_rocksdb_holds_back_do_not_hold_back_the_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let set = |options: &[(&str, &str)]| {
        let db = store.inner.db.read().unwrap();
        let db = db.as_ref().unwrap();
        for name in [KEYS, ORDERED] {
            db.set_options_cf(family(db, name), options).unwrap();
        }
    };
    store.put(b"k", b"v", None).await.unwrap();
    set(&[
        ("level0_file_num_compaction_trigger", "100"),
        ("level0_slowdown_writes_trigger", "1"),
        ("level0_stop_writes_trigger", "2"),
    ]);
    for n in [1u8, 2] {
        store.put(&[n], b"v", None).await.unwrap();
        store.insert(b"p", &[n], b"v").await.unwrap();
        let db = store.inner.db.read().unwrap();
        let db = db.as_ref().unwrap();
        for name in [KEYS, ORDERED] {
            db.flush_cf(family(db, name)).unwrap();
        }
    }
    // Each comes back at once, undone: it waits on another thread.
    let (mut put, mut add) = (
        pin!(store.put(b"a", b"v", None)),
        pin!(store.add(b"n", 1, Time::FAR, NOW)),
    );
    let (mut insert, mut swap) = (
        pin!(store.insert(b"p", b"o", b"v")),
        pin!(store.swap(b"s", None, Some(b"v"), None, NOW)),
    );
    assert!(asked_once(put.as_mut()).is_pending());
    assert!(asked_once(add.as_mut()).is_pending());
    assert!(asked_once(insert.as_mut()).is_pending());
    assert!(asked_once(swap.as_mut()).is_pending());
    // Others read meanwhile.
    assert!(store.get(b"k", NOW).await.unwrap().is_some());
    set(&[
        ("level0_slowdown_writes_trigger", "20"),
        ("level0_stop_writes_trigger", "36"),
    ]);
    // RocksDB looks at its triggers anew when it has flushed or compacted.
    let woken = store.compact();
    let (put, add, insert, swap, woken) = tokio::join!(put, add, insert, swap, woken);
    assert!(put.is_ok() && insert.is_ok() && woken.is_ok());
    assert_eq!(
        (add, swap),
        (Ok(1), Ok(gatepost_core::Swap::Done)),
        "once, though tried twice"
    );
    assert_eq!(store.add(b"n", 0, Time::FAR, NOW).await, Ok(1));
}

#[tokio::test]
async fn a_key_that_another_changes_is_waited_for_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut add = pin!(store.add(b"n", 1, Time::FAR, NOW));
    {
        let _held = store.inner.stripes.lock(b"n");
        assert!(asked_once(add.as_mut()).is_pending());
    }
    assert_eq!(add.await, Ok(1));
}

#[tokio::test]
async fn a_database_that_is_being_opened_anew_is_waited_for_aside() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.put(b"k", b"v", None).await.unwrap();
    let (mut get, mut put) = (pin!(store.get(b"k", NOW)), pin!(store.put(b"l", b"v", None)));
    {
        let _opening = store.inner.db.write().unwrap();
        assert!(asked_once(get.as_mut()).is_pending());
        assert!(asked_once(put.as_mut()).is_pending());
    }
    assert!(get.await.unwrap().is_some());
    put.await.unwrap();
}

/// Keeps the one thread that may block busy until what is returned is dropped.
fn busy() -> std::sync::mpsc::Sender<()> {
    let (release, wait) = std::sync::mpsc::channel();
    tokio::task::spawn_blocking(move || wait.recv());
    release
}

#[test]
fn a_page_that_is_long_or_heavy_is_gathered_aside() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(1)
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = open(dir.path());
        for n in 0..600u32 {
            store.insert(b"long", &n.to_be_bytes(), b"v").await.unwrap();
        }
        for n in 0..8u32 {
            store.insert(b"heavy", &n.to_be_bytes(), &[0; 100_000]).await.unwrap();
        }
        // An entry that is put and removed stays on disk as its removal.
        for n in 0..2_000u32 {
            store.insert(b"removed", &n.to_be_bytes(), b"v").await.unwrap();
            store.remove(b"removed", &n.to_be_bytes()).await.unwrap();
        }
        for (part, limit, entries, at_once) in [
            (&b"long"[..], 500, 500, true),
            (b"long", 600, 600, false),
            (b"heavy", 2, 2, true),
            (b"heavy", 8, 8, false),
            (b"removed", 1, 0, false),
        ] {
            let busy = busy();
            let mut page = pin!(store.range(part, b""..b"", true, limit));
            let page = match asked_once(page.as_mut()) {
                Poll::Ready(page) => {
                    assert!(at_once, "{limit} of {}", part.escape_ascii());
                    page
                }
                Poll::Pending => {
                    assert!(!at_once, "{limit} of {}", part.escape_ascii());
                    drop(busy);
                    page.await
                }
            };
            assert_eq!(page.unwrap().entries.len(), entries);
        }
    });
}

#[tokio::test]
async fn what_was_written_is_synced_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.put(b"k", b"v", None).await.unwrap();
    assert!(store.inner.written.load(Ordering::Acquire));
    store.inner.sync();
    assert!(!store.inner.written.load(Ordering::Acquire));
    store.get(b"k", NOW).await.unwrap();
    assert!(
        !store.inner.written.load(Ordering::Acquire),
        "a read is nothing to sync"
    );
}

#[tokio::test]
async fn a_store_that_failed_is_opened_anew_but_not_while_it_is_looked_after() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.put(b"k", b"v", None).await.unwrap();
    {
        let _looked_after = store.inner.upkeep.read().unwrap();
        assert!(!store.inner.heal());
    }
    assert!(!store.inner.heal(), "not twice a second");
    *store.inner.tried.lock().unwrap() = None;
    assert!(store.inner.heal());
    assert!(store.get(b"k", NOW).await.unwrap().is_some());
    // It could not be opened anew: it is told, and tried again.
    *store.inner.db.write().unwrap() = None;
    assert_eq!(
        store.get(b"k", NOW).await,
        Err(Fault::Unavailable("the store, which could not be opened anew"))
    );
    *store.inner.tried.lock().unwrap() = Some(NOW + std::time::Duration::from_secs(60));
    assert!(store.get(b"k", NOW).await.unwrap().is_some(), "the clock went back");
    *store.inner.db.write().unwrap() = None;
    *store.inner.tried.lock().unwrap() = None;
    store.put(b"l", b"v", None).await.unwrap();
}
