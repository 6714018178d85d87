//! The embedded store, call by call, its log on: what a call costs where it stands, and what always going to a blocking
//! thread would cost.
//!
//! `rocksdb` answers on the thread that asks where that need not wait. `aside` is the same store behind a call of
//! `spawn_blocking` each time, as one would write it first. `memory` is a map under a lock: the floor.

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gatepost_core::{Backend, Clock, Time};
use gatepost_store_rocksdb::{RocksDb, Settings};
use gatepost_testkit::MemoryStore;
use tokio::runtime::{Handle, Runtime};

const NOW: Time = Time::from_secs(1_000_000);
/// Entries that are there before anything is measured, in about as many octets as the cache has.
const ENTRIES: u32 = 400_000;

struct Still;

impl Clock for Still {
    fn now(&self) -> Time {
        NOW
    }
}

/// The calls that are measured, each over an endless row of keys.
async fn call(store: &dyn Backend, name: &str, what: &str, n: u32) {
    let known = (n.wrapping_mul(7_919) % ENTRIES).to_be_bytes();
    let recent = (ENTRIES - 1 - n % 1_000).to_be_bytes();
    match what {
        "get_recent" => assert!(store.get(&recent, NOW).await.expect("a store").is_some()),
        "get_any" => assert!(store.get(&known, NOW).await.expect("a store").is_some()),
        "get_none" => assert!(
            store
                .get(&[known, known].concat(), NOW)
                .await
                .expect("a store")
                .is_none()
        ),
        "put" => store.put(&recent, &[7; 32], None).await.expect("a store"),
        "add" => drop(black_box(
            store.add(b"counter", 1, Time::FAR, NOW).await.expect("a store"),
        )),
        "swap" => drop(black_box(
            store
                .swap(
                    &[b"swap".as_slice(), &n.to_le_bytes(), name.as_bytes()].concat(),
                    None,
                    Some(b"first"),
                    Some(NOW + DAY),
                    NOW,
                )
                .await
                .expect("a store"),
        )),
        "insert" => store.insert(b"part", &recent, &[7; 32]).await.expect("a store"),
        _ => {
            let page = store.range(b"still", b""..b"", true, 50).await.expect("a store");
            assert!(!page.entries.is_empty());
        }
    }
}

const DAY: Duration = Duration::from_hours(24);
/// Those that make new keys come first: what is written over and over gives the store work behind the scenes.
const CALLS: [&str; 8] = [
    "swap",
    "range_of_50",
    "get_recent",
    "get_any",
    "get_none",
    "add",
    "insert",
    "put",
];

fn calls(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a folder on disk");
    let rocks = RocksDb::open(folder.path(), Settings::default(), Arc::new(Still)).expect("a store");
    let stores: [(&str, Arc<dyn Backend>); 3] = {
        let rocks: Arc<dyn Backend> = Arc::new(rocks);
        [
            ("rocksdb", Arc::clone(&rocks)),
            ("aside", rocks),
            ("memory", MemoryStore::new()),
        ]
    };
    for (name, store) in &stores {
        if *name == "aside" {
            continue;
        }
        runtime.block_on(async {
            for n in 0..ENTRIES {
                store.put(&n.to_be_bytes(), &[7; 32], None).await.expect("a store");
            }
            for n in 0..1_000u32 {
                store
                    .insert(b"still", &n.to_be_bytes(), &[7; 32])
                    .await
                    .expect("a store");
            }
        });
    }
    for what in CALLS {
        let mut group = criterion.benchmark_group(format!("store/{what}"));
        group
            .sample_size(30)
            .warm_up_time(Duration::from_secs(1))
            .measurement_time(Duration::from_secs(2));
        for (name, store) in &stores {
            let (name, mut n) = (*name, 0);
            group.bench_function(name, |bencher| {
                bencher.iter(|| {
                    n += 1;
                    let store = Arc::clone(store);
                    if name == "aside" {
                        runtime.block_on(async {
                            let handle = Handle::current();
                            let work = move || handle.block_on(call(&*store, name, what, n));
                            tokio::task::spawn_blocking(work).await.expect("a thread");
                        });
                    } else {
                        runtime.block_on(call(&*store, name, what, n));
                    }
                });
            });
        }
        group.finish();
    }
}

criterion_group!(benches, calls);
criterion_main!(benches);
