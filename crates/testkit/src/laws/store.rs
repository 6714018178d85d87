//! What every store must pass.
//!
//! A random history of calls gives the same answers as a plain map, whatever the keys; what has expired is not there;
//! and no call is lost or seen half done by others.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gatepost_core::{Backend, Page, Store, Swap, Time};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tokio::task::JoinSet;

use crate::clock::FakeClock;

/// How many histories are tried.
const HISTORIES: u32 = 200;
/// The most calls of a history.
const CALLS: usize = 60;
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
    runtime.block_on(pages_tell_whether_there_is_more(store.within("pages")));
    runtime.block_on(filters_do_not_see_one_another(&store));
    runtime.block_on(counters_are_exact(store.within("counters")));
    runtime.block_on(swaps_are_atomic(store.within("swaps")));
    histories(&runtime, &store);
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

fn number(value: Option<&[u8]>) -> u64 {
    value
        .and_then(|value| value.try_into().ok())
        .map_or(0, u64::from_be_bytes)
}

/// One call of a history. Keys, parts and orders are numbers of [`KEYS`]; a lifetime is in seconds.
#[derive(Clone, Debug)]
enum Call {
    Get(usize),
    Put(usize, Vec<u8>, Option<u64>),
    /// Expects what is there, or something else.
    Swap(usize, bool, Option<Vec<u8>>, Option<u64>),
    Add(usize, i64, u64),
    Insert(usize, usize, Vec<u8>),
    Remove(usize, usize),
    Range(usize, usize, usize, bool, usize),
    Trim(usize, usize),
    Pass(u64),
}

/// Keys that are one another's prefixes, and hold every octet that an encoding might stumble over.
const KEYS: [&[u8]; 9] = [b"", b"\0", b"\0\0", b"a", b"a\0", b"a\0b", b"ab", b"\xff", b"\xff\xff"];

fn call() -> impl Strategy<Value = Call> {
    let key = || 0..KEYS.len();
    let value = || prop::collection::vec(any::<u8>(), 0..4);
    let life = || prop::option::of(0..20u64);
    prop_oneof![
        3 => key().prop_map(Call::Get),
        3 => (key(), value(), life()).prop_map(|(k, v, l)| Call::Put(k, v, l)),
        3 => (key(), prop::bool::weighted(0.8), prop::option::of(value()), life()).prop_map(|(k, e, v, l)| Call::Swap(k, e, v, l)),
        3 => (key(), -5..5i64, 0..20u64).prop_map(|(k, by, l)| Call::Add(k, by, l)),
        4 => (0..3usize, key(), value()).prop_map(|(p, o, v)| Call::Insert(p + 3, o, v)),
        2 => (0..3usize, key()).prop_map(|(p, o)| Call::Remove(p + 3, o)),
        4 => (0..3usize, key(), key(), any::<bool>(), 1..6usize).prop_map(|(p, a, b, n, l)| Call::Range(p + 3, a, b, n, l)),
        1 => (0..3usize, key()).prop_map(|(p, o)| Call::Trim(p + 3, o)),
        2 => (1..8u64).prop_map(Call::Pass),
    ]
}

#[derive(Default)]
struct Model {
    keys: BTreeMap<usize, (Vec<u8>, Option<Time>)>,
    counters: BTreeMap<usize, (i64, Time)>,
    parts: BTreeMap<usize, BTreeMap<Vec<u8>, Vec<u8>>>,
}

impl Model {
    fn living(&self, key: usize, now: Time) -> Option<&[u8]> {
        let (value, until) = self.keys.get(&key)?;
        until.is_none_or(|until| until > now).then_some(value)
    }

    fn range(&self, part: usize, from: &[u8], to: &[u8], newest: bool, limit: usize) -> Page {
        let Some(entries) = self.parts.get(&part) else {
            return Page::default();
        };
        let mut all: Vec<_> = entries
            .range::<[u8], _>((Bound::Included(from), Bound::Unbounded))
            .filter(|(order, _)| to.is_empty() || order.as_slice() < to)
            .map(|(order, value)| (Bytes::copy_from_slice(order), Bytes::copy_from_slice(value)))
            .collect();
        if newest {
            all.reverse();
        }
        let more = all.len() > limit;
        all.truncate(limit);
        Page { entries: all, more }
    }
}

fn copied(value: Option<&[u8]>) -> Option<Bytes> {
    value.map(Bytes::copy_from_slice)
}

async fn play(store: Store, calls: &[Call]) -> Result<(), TestCaseError> {
    let mut model = Model::default();
    let mut now = NOW;
    let (keyed, counted) = (store.within("k"), store.within("c"));
    for call in calls {
        match call {
            Call::Get(key) => prop_assert_eq!(keyed.get(KEYS[*key], now).await, Ok(copied(model.living(*key, now)))),
            Call::Put(key, value, life) => {
                let until = life.map(|life| now + seconds(life));
                prop_assert_eq!(keyed.put(KEYS[*key], value, until).await, Ok(()));
                model.keys.insert(*key, (value.clone(), until));
            }
            Call::Swap(key, right, new, life) => {
                let until = life.map(|life| now + seconds(life));
                let is = copied(model.living(*key, now));
                let other = is.as_deref().map_or(Some(b"other".as_slice()), |_| None);
                let was = if *right { is.as_deref() } else { other };
                let expected = if *right { Swap::Done } else { Swap::Was(is.clone()) };
                prop_assert_eq!(
                    keyed.swap(KEYS[*key], was, new.as_deref(), until, now).await,
                    Ok(expected)
                );
                if *right {
                    model.keys.remove(key);
                    if let Some(new) = new {
                        model.keys.insert(*key, (new.clone(), until));
                    }
                }
            }
            Call::Add(key, by, life) => {
                let (total, until) = model
                    .counters
                    .get(key)
                    .copied()
                    .filter(|(_, until)| *until > now)
                    .unwrap_or((0, now + seconds(*life)));
                prop_assert_eq!(
                    counted.add(KEYS[*key], *by, now + seconds(*life), now).await,
                    Ok(total + by)
                );
                model.counters.insert(*key, (total + by, until));
            }
            Call::Insert(part, order, value) => {
                prop_assert_eq!(keyed.insert(KEYS[*part], KEYS[*order], value).await, Ok(()));
                model
                    .parts
                    .entry(*part)
                    .or_default()
                    .insert(KEYS[*order].to_vec(), value.clone());
            }
            Call::Remove(part, order) => {
                prop_assert_eq!(keyed.remove(KEYS[*part], KEYS[*order]).await, Ok(()));
                model.parts.entry(*part).or_default().remove(KEYS[*order]);
            }
            Call::Range(part, from, to, newest, limit) => {
                let page = keyed.range(KEYS[*part], KEYS[*from]..KEYS[*to], *newest, *limit).await;
                prop_assert_eq!(page, Ok(model.range(*part, KEYS[*from], KEYS[*to], *newest, *limit)));
            }
            Call::Trim(part, before) => {
                let entries = model.parts.entry(*part).or_default();
                let kept = entries.split_off(KEYS[*before]);
                prop_assert_eq!(keyed.trim(KEYS[*part], KEYS[*before]).await, Ok(entries.len() as u64));
                *entries = kept;
            }
            Call::Pass(time) => now = now + seconds(*time),
        }
    }
    // In the end all of it is as the model says, whatever was read on the way.
    for (key, name) in KEYS.iter().enumerate() {
        prop_assert_eq!(keyed.get(name, now).await, Ok(copied(model.living(key, now))));
        let page = keyed.range(name, b""..b"", false, Store::PAGE_MAX).await;
        prop_assert_eq!(page, Ok(model.range(key, b"", b"", false, Store::PAGE_MAX)));
    }
    Ok(())
}

fn histories(runtime: &tokio::runtime::Runtime, store: &Store) {
    let mut runner = TestRunner::new(Config {
        cases: HISTORIES,
        failure_persistence: None,
        ..Config::default()
    });
    let case = std::cell::Cell::new(0u32);
    let result = runner.run(&prop::collection::vec(call(), 1..CALLS), |calls| {
        // Each history has keys of its own, so that none needs an empty store.
        case.set(case.get() + 1);
        runtime.block_on(play(store.within(&case.get().to_string()), &calls))
    });
    if let Err(error) = result {
        panic!("the store does not do what a plain map does:\n{error}");
    }
}
