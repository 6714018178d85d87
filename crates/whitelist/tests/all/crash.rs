//! A kill between any two writes, and many who change the same entry at once.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use gatepost_core::async_trait;
use gatepost_core::{Backend, Bytes, Clock, Fault, List, Page, Source, Store, Swap, Time};
use gatepost_testkit::{Fakes, MemoryStore};
use gatepost_whitelist::entry::Pattern;
use gatepost_whitelist::form::{Shelf, Slot};
use gatepost_whitelist::lists::Lists;
use gatepost_whitelist::owner::Owner;
use gatepost_whitelist::sender::Name;

use crate::scene::LIMITS;

/// A store that dies: after so many writes none is done any more. It counts what is read, too.
struct Dying {
    inner: Arc<MemoryStore>,
    left: AtomicI64,
    gets: AtomicI64,
    ranges: AtomicI64,
}

impl Dying {
    fn new(inner: &Arc<MemoryStore>, writes: i64) -> Arc<Dying> {
        Arc::new(Dying {
            inner: Arc::clone(inner),
            left: AtomicI64::new(writes),
            gets: AtomicI64::default(),
            ranges: AtomicI64::default(),
        })
    }

    /// How many reads there were since somebody asked last: of keys, of partitions.
    fn reads(&self) -> (i64, i64) {
        (
            self.gets.swap(0, Ordering::Relaxed),
            self.ranges.swap(0, Ordering::Relaxed),
        )
    }

    fn write(&self) -> Result<(), Fault> {
        match self.left.fetch_sub(1, Ordering::Relaxed) > 0 {
            true => Ok(()),
            false => Err(Fault::Unavailable("killed")),
        }
    }
}

#[async_trait]
impl Backend for Dying {
    async fn get(&self, key: &[u8], now: Time) -> Result<Option<Bytes>, Fault> {
        self.gets.fetch_add(1, Ordering::Relaxed);
        self.inner.get(key, now).await
    }
    async fn put(&self, key: &[u8], value: &[u8], until: Option<Time>) -> Result<(), Fault> {
        self.write()?;
        self.inner.put(key, value, until).await
    }
    async fn swap(
        &self,
        key: &[u8],
        was: Option<&[u8]>,
        new: Option<&[u8]>,
        until: Option<Time>,
        now: Time,
    ) -> Result<Swap, Fault> {
        self.write()?;
        self.inner.swap(key, was, new, until, now).await
    }
    async fn add(&self, key: &[u8], by: i64, until: Time, now: Time) -> Result<i64, Fault> {
        self.write()?;
        self.inner.add(key, by, until, now).await
    }
    async fn insert(&self, part: &[u8], order: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.write()?;
        self.inner.insert(part, order, value).await
    }
    async fn remove(&self, part: &[u8], order: &[u8]) -> Result<(), Fault> {
        self.write()?;
        self.inner.remove(part, order).await
    }
    async fn range(&self, part: &[u8], range: Range<&[u8]>, newest: bool, limit: usize) -> Result<Page, Fault> {
        self.ranges.fetch_add(1, Ordering::Relaxed);
        self.inner.range(part, range, newest, limit).await
    }
    async fn trim(&self, part: &[u8], before: &[u8]) -> Result<u64, Fault> {
        self.write()?;
        self.inner.trim(part, before).await
    }
}

fn added(list: List, now: Time) -> Slot {
    Slot {
        list,
        source: Source::Added,
        since: now,
        until: None,
        by: "test".into(),
    }
}

const ENTRIES: [&str; 3] = ["ann@b.example", "@b.example", "192.0.2.0/24"];

/// Adds, moves, learns, removes, expires and shows, until the store dies.
async fn live(lists: &Lists, owner: &Owner, from: Time) -> Result<(), Fault> {
    let day = Duration::from_secs(86_400);
    for (n, text) in ENTRIES.iter().enumerate() {
        let pattern = Pattern::parse(text).expect("an entry");
        if n == 0 {
            lists.learn(owner, &pattern, day, "tr", from).await?;
        }
        for list in [List::Allow, List::Deny, List::Allow] {
            let new = added(list, from);
            lists
                .put(owner, &pattern, Shelf::Senders, from, |_| Some(new.clone()))
                .await?;
        }
        lists.remove(owner, &pattern, List::Allow, "test", from).await?;
        let new = added(List::Deny, from);
        lists
            .put(owner, &pattern, Shelf::Senders, from, |_| Some(new.clone()))
            .await?;
        lists.remove(owner, &pattern, List::Deny, "test", from).await?;
    }
    let pattern = Pattern::parse(ENTRIES[0]).expect("an entry");
    lists.learn(owner, &pattern, day, "tr", from).await?;
    lists.show(List::Allow, None, None, 10, from + day + day).await?;
    lists.learn(owner, &pattern, day, "tr", from + day + day).await?;
    Ok(())
}

#[tokio::test]
async fn whenever_it_is_killed_what_is_in_force_is_listed_and_life_goes_on() {
    let (mut deaths, owner) = (0, Owner::domain("d.example"));
    for writes in 0.. {
        let inner = MemoryStore::new();
        let dying = Dying::new(&inner, writes);
        let fakes = Fakes::new();
        let from = fakes.clock.now();
        let lists = Lists::new(Store::new(dying as Arc<dyn Backend>), LIMITS);
        let survived = live(&lists, &owner, from).await.is_ok();
        deaths += i32::from(!survived);

        let lists = Lists::new(Store::new(inner as Arc<dyn Backend>), LIMITS);
        // Long enough for a mark of tidying to go, and no longer.
        let now = from + Duration::from_secs(20);
        for text in ENTRIES {
            let slot = lists.slot(Shelf::Senders, &owner, text, now).await.expect("a store");
            for list in [List::Allow, List::Deny] {
                let (shown, _) = lists.show(list, None, None, 10, now).await.expect("a store");
                let listed = shown.iter().any(|listed| listed.entry == text);
                let is = slot.as_ref().is_some_and(|slot| slot.list == list);
                assert_eq!(listed, is, "{text}, after {writes} writes");
            }
        }
        // What holds is found, too: the network by its search.
        let client = "192.0.2.1".parse().ok();
        let word = lists
            .ask(Shelf::Senders, &owner, None, client, now)
            .await
            .expect("a store");
        let slot = lists
            .slot(Shelf::Senders, &owner, ENTRIES[2], now)
            .await
            .expect("a store");
        assert_eq!(
            word.network.is_some(),
            slot.is_some_and(|slot| slot.holds()),
            "after {writes} writes"
        );
        live(&lists, &owner, now).await.expect("life goes on");
        if survived {
            break;
        }
    }
    assert!(deaths > 50, "{deaths} moments were tried");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_leave_one_entry_that_is_listed_and_counted() {
    for round in 0..20 {
        let fakes = Fakes::new();
        let store = fakes.services().store;
        let (owner, now) = (Owner::domain("d.example"), fakes.clock.now());
        let mut tasks = Vec::new();
        for who in 0..4 {
            let (lists, owner) = (Lists::new(store.clone(), LIMITS), owner.clone());
            tasks.push(tokio::spawn(async move {
                let day = Duration::from_secs(86_400);
                for turn in 0..50 {
                    let pattern = Pattern::parse(ENTRIES[turn % 3]).expect("an entry");
                    let done = match (who + turn) % 4 {
                        0 => lists.remove(&owner, &pattern, List::Deny, "test", now).await,
                        1 => lists.remove(&owner, &pattern, List::Allow, "test", now).await,
                        2 if turn % 3 == 0 => lists.learn(&owner, &pattern, day, "tr", now).await,
                        _ => {
                            let new = added(List::Deny, now);
                            lists
                                .put(&owner, &pattern, Shelf::Senders, now, |_| Some(new.clone()))
                                .await
                        }
                    };
                    // Whoever finds no way through is told to try again, and nothing is half done.
                    match done {
                        Ok(_) | Err(Fault::Unavailable(_)) => {}
                        Err(broken) => return Err(broken),
                    }
                }
                Ok::<(), Fault>(())
            }));
        }
        for task in tasks {
            task.await.expect("no panic").expect("nothing is broken");
        }
        let lists = Lists::new(store.clone(), LIMITS);
        let mut counted = 0;
        for list in [List::Allow, List::Deny] {
            let (shown, _) = lists.show(list, None, None, 10, now).await.expect("a store");
            counted += shown.len();
            for text in ENTRIES {
                let slot = lists.slot(Shelf::Senders, &owner, text, now).await.expect("a store");
                let is = slot.is_some_and(|slot| slot.list == list);
                assert_eq!(
                    shown.iter().any(|listed| listed.entry == text),
                    is,
                    "{text}, round {round}"
                );
            }
        }
        assert!(counted <= ENTRIES.len());
    }
}

#[tokio::test]
async fn a_recipient_costs_few_reads_and_no_write() {
    let dying = Dying::new(&MemoryStore::new(), i64::MAX);
    let store = Store::new(Arc::clone(&dying) as Arc<dyn Backend>);
    let lists = Lists::new(store, LIMITS);
    let now = Fakes::new().clock.now();
    let (domain, day) = (Owner::domain("d.example"), Duration::from_secs(86_400));
    let ann = Pattern::parse("ann@b.example").expect("an entry");
    lists.learn(&domain, &ann, day, "tr", now).await.expect("a store");
    let (name, stranger) = ("ann@b.example", "eve@a.b.c.d.e.f.g.h.example");
    let asked = async |from: &str| {
        dying.reads();
        let left = dying.left.load(Ordering::Relaxed);
        let name = gatepost_core::Address::parse(from, true).ok();
        let name = name.and_then(|address| Name::of(&address)).expect("a name");
        let client = "192.0.2.1".parse().ok();
        for owner in [Owner::site(), domain.clone(), Owner::person("carl@d.example")] {
            let word = lists.ask(Shelf::Senders, &owner, Some(&name), client, now).await;
            word.expect("a store");
        }
        assert_eq!(dying.left.load(Ordering::Relaxed), left, "nothing is written");
        dying.reads()
    };
    assert_eq!(asked(name).await, (4, 0));
    assert_eq!(asked(stranger).await, (4, 0));
    for text in ["@x.example", "@*.x.example", "@*.y.x.example", "198.51.100.0/24"] {
        let new = added(List::Deny, now);
        let pattern = Pattern::parse(text).expect("an entry");
        let site = Owner::site();
        let put = lists.put(&site, &pattern, Shelf::Senders, now, |_| Some(new.clone()));
        put.await.expect("a store");
    }
    assert_eq!(asked(name).await, (5, 1), "the domain, one search");
    assert_eq!(asked(stranger).await, (7, 1), "the domain, two parents, one search");
}
