//! Random histories against a plain map.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use gatepost_core::{Page, Store, Swap, Time, Write};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use super::{NOW, seconds};

/// How many histories are tried.
const HISTORIES: u32 = 200;
/// The most calls of a history.
const CALLS: usize = 60;

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
    /// Several at once; what comes later in it counts.
    Write(Vec<One>),
    Pass(u64),
}

/// One of several writes.
#[derive(Clone, Debug)]
enum One {
    Put(usize, Vec<u8>, Option<u64>),
    Insert(usize, usize, Vec<u8>),
}

/// Keys that are one another's prefixes, and hold every octet that an encoding might stumble over.
const KEYS: [&[u8]; 9] = [b"", b"\0", b"\0\0", b"a", b"a\0", b"a\0b", b"ab", b"\xff", b"\xff\xff"];

fn call() -> impl Strategy<Value = Call> {
    let key = || 0..KEYS.len();
    let value = || prop::collection::vec(any::<u8>(), 0..4);
    let life = || prop::option::of(0..20u64);
    let one = prop_oneof![
        (key(), value(), life()).prop_map(|(k, v, l)| One::Put(k, v, l)),
        (0..3usize, key(), value()).prop_map(|(p, o, v)| One::Insert(p + 3, o, v)),
    ];
    prop_oneof![
        3 => key().prop_map(Call::Get),
        3 => (key(), value(), life()).prop_map(|(k, v, l)| Call::Put(k, v, l)),
        3 => (key(), prop::bool::weighted(0.8), prop::option::of(value()), life()).prop_map(|(k, e, v, l)| Call::Swap(k, e, v, l)),
        3 => (key(), -5..5i64, 0..20u64).prop_map(|(k, by, l)| Call::Add(k, by, l)),
        4 => (0..3usize, key(), value()).prop_map(|(p, o, v)| Call::Insert(p + 3, o, v)),
        2 => (0..3usize, key()).prop_map(|(p, o)| Call::Remove(p + 3, o)),
        4 => (0..3usize, key(), key(), any::<bool>(), 1..6usize).prop_map(|(p, a, b, n, l)| Call::Range(p + 3, a, b, n, l)),
        1 => (0..3usize, key()).prop_map(|(p, o)| Call::Trim(p + 3, o)),
        2 => prop::collection::vec(one, 0..5).prop_map(Call::Write),
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
            Call::Write(all) => {
                let writes = all.iter().map(|one| match one {
                    One::Put(key, value, life) => Write::Put {
                        key: KEYS[*key].to_vec(),
                        value: value.clone(),
                        until: life.map(|life| now + seconds(life)),
                    },
                    One::Insert(part, order, value) => Write::Insert {
                        part: KEYS[*part].to_vec(),
                        order: KEYS[*order].to_vec(),
                        value: value.clone(),
                    },
                });
                prop_assert_eq!(keyed.write(writes.collect()).await, Ok(()));
                for one in all.clone() {
                    match one {
                        One::Put(key, value, life) => {
                            model.keys.insert(key, (value, life.map(|life| now + seconds(life))));
                        }
                        One::Insert(part, order, value) => {
                            let entries = model.parts.entry(part).or_default();
                            entries.insert(KEYS[order].to_vec(), value);
                        }
                    }
                }
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

pub fn run(runtime: &tokio::runtime::Runtime, store: &Store) {
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
