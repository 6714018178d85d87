//! What every store must pass.
//!
//! A random history of calls gives the same answers as a plain map, whatever the keys; what has expired is not there;
//! a value is no counter; and no call is lost or seen half done by others.

mod histories;
mod hostile;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatepost_core::{Backend, Page, Store, Swap, Time, Write};
use tokio::task::JoinSet;

use crate::clock::FakeClock;

/// Tasks that write at the same time, and how often each.
const TASKS: u64 = 16;
const TIMES: u64 = 50;

/// Checks all laws of a store. `fresh` is called once, within a tokio runtime of several threads; the store may hold
/// keys of others, as long as none begins with `law`.
///
/// # Panics
/// Where a law is broken, with the shortest history that shows it.
pub fn run<B: Backend + 'static>(fresh: impl FnOnce() -> Arc<B>) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime can be built");
    let backend: Arc<dyn Backend> = {
        let _within = runtime.enter();
        fresh()
    };
    let store = Store::new(Arc::clone(&backend)).within("law");
    runtime.block_on(expiry_is_seen_on_read(store.within("expiry")));
    runtime.block_on(large_keys_and_values_survive(store.within("large")));
    runtime.block_on(hostile::run(&store.within("hostile")));
    runtime.block_on(pages_tell_whether_there_is_more(store.within("pages")));
    runtime.block_on(filters_do_not_see_one_another(&store));
    runtime.block_on(counters_are_exact(store.within("counters")));
    runtime.block_on(swaps_are_atomic(store.within("swaps")));
    runtime.block_on(many_writes_at_once_are_in_nobodys_way(store.within("writes")));
    histories::run(&runtime, &store);
}

const NOW: Time = FakeClock::START;

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn bytes(text: &'static [u8]) -> Bytes {
    Bytes::from_static(text)
}

async fn expiry_is_seen_on_read(store: Store) {
    let until = NOW + seconds(10);
    let before = NOW + Duration::from_millis(9_999);
    store.put(b"k", b"v", Some(until)).await.unwrap();
    assert_eq!(
        store.get(b"k", before).await,
        Ok(Some(bytes(b"v"))),
        "it lives until its time comes"
    );
    assert_eq!(store.get(b"k", until).await, Ok(None), "at its time it is gone");
    let was = store.swap(b"k", Some(b"v"), Some(b"w"), None, until).await;
    assert_eq!(was, Ok(Swap::Was(None)), "a swap does not see what has expired");
    assert_eq!(
        store.swap(b"k", None, Some(b"w"), None, until).await,
        Ok(Swap::Done),
        "what has expired is absent"
    );
    assert_eq!(
        store.get(b"k", until + seconds(1_000_000_000)).await,
        Ok(Some(bytes(b"w"))),
        "no expiry is for ever"
    );

    assert_eq!(store.add(b"n", 2, until, NOW).await, Ok(2));
    assert_eq!(
        store.add(b"n", 3, until + seconds(50), before).await,
        Ok(5),
        "a living counter goes on"
    );
    assert_eq!(
        store.add(b"n", 1, until + seconds(50), until).await,
        Ok(1),
        "and keeps its first expiry"
    );
    assert_eq!(
        store.add(b"n", -4, until, until + seconds(1)).await,
        Ok(-3),
        "a counter may fall below zero"
    );
    assert_eq!(store.add(b"m", i64::MAX, until, NOW).await, Ok(i64::MAX));
    let full = store.add(b"m", 1, until, NOW).await;
    assert!(
        !matches!(full, Ok(total) if total < 0),
        "a full counter saturates or is a fault, it never wraps: {full:?}"
    );
}

async fn large_keys_and_values_survive(store: Store) {
    let key = vec![0xff; Store::KEY_MAX];
    let value = vec![0; Store::VALUE_MAX];
    store.put(&key, &value, None).await.unwrap();
    assert_eq!(
        store.get(&key, NOW).await.unwrap().map(|value| value.len()),
        Some(Store::VALUE_MAX)
    );
    assert!(
        store.put(&[0; Store::KEY_MAX + 1], b"", None).await.is_err(),
        "a longer key is refused"
    );
    assert!(
        store.put(b"k", &vec![0; Store::VALUE_MAX + 1], None).await.is_err(),
        "a longer value is refused"
    );
    store.put(b"", b"", None).await.unwrap();
    assert_eq!(store.get(b"", NOW).await, Ok(Some(Bytes::new())), "empty is not absent");
    assert_eq!(store.swap(b"", Some(b""), None, None, NOW).await, Ok(Swap::Done));
    assert_eq!(store.get(b"", NOW).await, Ok(None));
}

async fn pages_tell_whether_there_is_more(store: Store) {
    for n in 0..10u64 {
        store.insert(b"p", &n.to_be_bytes(), &[n as u8]).await.unwrap();
    }
    let first = store.range(b"p", b""..b"", false, 10).await.unwrap();
    assert_eq!((first.entries.len(), first.more), (10, false));
    let some = store.range(b"p", b""..b"", true, 9).await.unwrap();
    assert_eq!((some.entries.len(), some.more), (9, true));
    assert_eq!(some.entries[0].1, bytes(&[9]), "the newest comes first");
    let (from, to) = (3u64.to_be_bytes(), 5u64.to_be_bytes());
    let within = store.range(b"p", &from..&to, false, 100).await.unwrap();
    assert_eq!(
        within.entries.iter().map(|(_, value)| value[0]).collect::<Vec<_>>(),
        [3, 4],
        "the upper end is not in the range"
    );
    assert_eq!(store.trim(b"p", &to).await, Ok(5));
    assert_eq!(store.trim(b"p", &to).await, Ok(0));
    assert_eq!(store.range(b"p", b""..b"", false, 100).await.unwrap().entries.len(), 5);
}

async fn filters_do_not_see_one_another(store: &Store) {
    let (one, other, below) = (store.within("a"), store.within("ab"), store.within("a").within("b"));
    one.put(b"bk", b"1", None).await.unwrap();
    one.put(b"k", b"1", None).await.unwrap();
    one.insert(b"p", b"o", b"1").await.unwrap();
    for stranger in [&other, &below] {
        assert_eq!(stranger.get(b"k", NOW).await, Ok(None));
        assert_eq!(stranger.range(b"p", b""..b"", false, 10).await, Ok(Page::default()));
        assert_eq!(stranger.trim(b"p", &[0xff; 8]).await, Ok(0));
    }
    assert_eq!(one.get(b"po", NOW).await, Ok(None), "an entry of a partition is no key");
    assert_eq!(
        one.range(b"", b""..b"", false, 10).await,
        Ok(Page::default()),
        "nor is a key an entry"
    );
    one.insert(b"pa", b"rt", b"2").await.unwrap();
    let page = one.range(b"p", b""..b"", false, 10).await.unwrap();
    assert_eq!(
        page.entries,
        [(bytes(b"o"), bytes(b"1"))],
        "a partition is not a prefix"
    );
}

async fn counters_are_exact(store: Store) {
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            let mut totals = Vec::new();
            for _ in 0..TIMES {
                totals.push(store.add(b"n", 1, NOW + seconds(60), NOW).await.unwrap());
            }
            totals
        });
    }
    let totals: BTreeSet<i64> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(
        totals,
        (1..=(TASKS * TIMES) as i64).collect(),
        "each addition has a total of its own"
    );
}

async fn swaps_are_atomic(store: Store) {
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            store
                .swap(b"first", None, Some(&task.to_be_bytes()), None, NOW)
                .await
                .unwrap()
                == Swap::Done
        });
    }
    let winners = tasks.join_all().await.into_iter().filter(|won| *won).count();
    assert_eq!(winners, 1, "one of many that swap from nothing wins");

    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        let store = store.clone();
        tasks.spawn(async move {
            for _ in 0..TIMES {
                let mut was: Option<Bytes> = store.get(b"sum", NOW).await.unwrap();
                loop {
                    let next = number(was.as_deref()) + 1;
                    match store
                        .swap(b"sum", was.as_deref(), Some(&next.to_be_bytes()), None, NOW)
                        .await
                        .unwrap()
                    {
                        Swap::Done => break,
                        Swap::Was(is) => {
                            assert_ne!(is, was, "a swap that fails tells what it saw");
                            was = is;
                        }
                    }
                }
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(
        number(store.get(b"sum", NOW).await.unwrap().as_deref()),
        TASKS * TIMES,
        "no swap is lost"
    );
}

/// Batches of keys that others change meanwhile, each in another order: all end, and nothing of anybody is lost.
async fn many_writes_at_once_are_in_nobodys_way(store: Store) {
    let key = |task: u64, n: u64| [task.to_be_bytes(), n.to_be_bytes()].concat();
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let (batches, counters) = (store.clone(), store.clone());
        tasks.spawn(async move {
            let mut writes: Vec<Write> = (0..TIMES)
                .map(|n| Write::Put {
                    key: key(task, n),
                    value: n.to_be_bytes().to_vec(),
                    until: None,
                })
                .collect();
            writes.push(Write::Insert {
                part: b"part".to_vec(),
                order: task.to_be_bytes().to_vec(),
                value: Vec::new(),
            });
            for _ in 0..4 {
                writes.rotate_left(task as usize);
                batches.write(writes.clone()).await.unwrap();
            }
        });
        tasks.spawn(async move {
            for n in 0..TIMES {
                counters
                    .add(format!("count {n}").as_bytes(), 1, NOW + seconds(60), NOW)
                    .await
                    .unwrap();
            }
        });
    }
    tasks.join_all().await;
    for n in 0..TIMES {
        for task in 0..TASKS {
            let value = store.get(&key(task, n), NOW).await.unwrap();
            assert_eq!(value.as_deref(), Some(&n.to_be_bytes()[..]), "each write is there");
        }
        let total = store
            .add(format!("count {n}").as_bytes(), 0, NOW + seconds(60), NOW)
            .await;
        assert_eq!(total, Ok(TASKS as i64), "no addition is lost beside writes");
    }
    let page = store.range(b"part", b""..b"", false, Store::PAGE_MAX).await.unwrap();
    assert_eq!(page.entries.len() as u64, TASKS, "each entry is there");
}

fn number(value: Option<&[u8]>) -> u64 {
    value
        .and_then(|value| value.try_into().ok())
        .map_or(0, u64::from_be_bytes)
}
