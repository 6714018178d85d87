//! Keys, partitions and values that somebody chose to confuse a store, and clocks that do.

use std::collections::BTreeSet;

use bytes::Bytes;
use gatepost_core::{Fault, Store, Swap, Time};

use super::{NOW, bytes, seconds};

/// All of it, within a part of a store that is empty.
pub async fn run(store: &Store) {
    keys_of_every_length_and_octet_are_their_own(store.within("keys")).await;
    partitions_take_every_octet(store.within("places")).await;
    a_value_is_no_counter(store.within("kinds")).await;
    a_clock_that_goes_back_changes_nothing(store.within("clock")).await;
}

/// Keys as strangers make them: each octet alone, twice, and within others, and the same octet at every length.
fn hostile_keys() -> BTreeSet<Vec<u8>> {
    let octets = (0..=u8::MAX).flat_map(|octet| [vec![octet], vec![octet, octet], vec![b'a', octet, b'b']]);
    let lengths = (0..=Store::KEY_MAX).flat_map(|length| [vec![0; length], vec![0xff; length]]);
    octets.chain(lengths).collect()
}

async fn keys_of_every_length_and_octet_are_their_own(store: Store) {
    let keys = hostile_keys();
    for (n, key) in keys.iter().enumerate() {
        store.put(key, &n.to_be_bytes(), None).await.unwrap();
    }
    // Every second one goes, and none takes another along.
    for key in keys.iter().step_by(2) {
        let is = store.get(key, NOW).await.unwrap();
        assert_eq!(store.swap(key, is.as_deref(), None, None, NOW).await, Ok(Swap::Done));
    }
    for (n, key) in keys.iter().enumerate() {
        let expected = (n % 2 == 1).then(|| Bytes::copy_from_slice(&n.to_be_bytes()));
        let found = store.get(key, NOW).await;
        assert_eq!(found, Ok(expected), "{} octets: {}", key.len(), key.escape_ascii());
    }
}

async fn partitions_take_every_octet(store: Store) {
    let keys = hostile_keys();
    let whole = keys.len().to_be_bytes();
    for key in &keys {
        store.insert(key, b"", &whole).await.unwrap();
    }
    let orders = || keys.iter().filter(|key| key.len() < Store::KEY_MAX);
    for key in orders() {
        store.insert(b"p", key, key).await.unwrap();
    }
    let page = store.range(b"p", b""..b"", false, Store::PAGE_MAX).await.unwrap();
    let expected: Vec<(Bytes, Bytes)> = orders()
        .map(|key| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(key)))
        .collect();
    assert!(
        page.entries == expected && !page.more,
        "ascending by octets, all of them"
    );
    for key in keys.iter().filter(|key| key.as_slice() != b"p") {
        // What a partition is named says nothing of what others hold.
        let page = store.range(key, b""..b"", true, 10).await.unwrap();
        let own = [(Bytes::new(), Bytes::copy_from_slice(&whole))];
        assert_eq!(page.entries, own, "{} octets: {}", key.len(), key.escape_ascii());
    }
    assert_eq!(store.trim(b"\xff", &[0xff; 8]).await, Ok(1));
    assert_eq!(
        store
            .range(&[0xff; 2], b""..b"", false, 10)
            .await
            .unwrap()
            .entries
            .len(),
        1
    );
    let (half, rest) = (
        vec![0xff; Store::KEY_MAX / 2],
        vec![0; Store::KEY_MAX - Store::KEY_MAX / 2],
    );
    store.insert(&half, &rest, &vec![7; Store::VALUE_MAX]).await.unwrap();
    let page = store.range(&half, b"\0"..b"", false, 10).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert!(page.entries[0].0 == rest && page.entries[0].1.len() == Store::VALUE_MAX);
    let longer = [&rest[..], b"x"].concat();
    assert!(
        matches!(store.insert(&half, &longer, b"").await, Err(Fault::Broken(_))),
        "a longer place is refused"
    );
    assert!(matches!(store.remove(&half, &longer).await, Err(Fault::Broken(_))));
}

async fn a_value_is_no_counter(store: Store) {
    let until = Some(NOW + seconds(10));
    for value in [&b""[..], b"1", b"1234567", b"123456789", &[0; 1_000]] {
        store.put(b"k", value, until).await.unwrap();
        for by in [0, 1, -1, i64::MIN] {
            let added = store.add(b"k", by, Time::FAR, NOW).await;
            assert!(matches!(added, Err(Fault::Broken(_))), "{added:?}");
        }
        assert_eq!(
            store.get(b"k", NOW).await,
            Ok(Some(Bytes::copy_from_slice(value))),
            "it is left alone"
        );
        // When its time has come, anything may be there.
        assert_eq!(store.add(b"k", 7, Time::FAR, NOW + seconds(10)).await, Ok(7));
    }
    assert_eq!(store.add(b"n", 7, Time::FAR, NOW).await, Ok(7));
    let taken = store.swap(b"n", None, Some(b"value"), None, NOW).await;
    assert!(
        matches!(taken, Ok(Swap::Was(Some(_)))),
        "a counter is there for a swap: {taken:?}"
    );
    let taken = store.swap(b"n", Some(b"7"), Some(b"value"), None, NOW).await;
    assert!(
        !matches!(taken, Ok(Swap::Done)),
        "and is no value of its digits: {taken:?}"
    );
    assert_eq!(store.add(b"n", 0, Time::FAR, NOW).await, Ok(7), "it is left alone");
    store.put(b"n", b"value", None).await.unwrap();
    assert_eq!(
        store.get(b"n", NOW).await,
        Ok(Some(bytes(b"value"))),
        "a put is for whatever was there"
    );
    assert_eq!(store.add(b"least", i64::MIN, Time::FAR, NOW).await, Ok(i64::MIN));
    let empty = store.add(b"least", -1, Time::FAR, NOW).await;
    assert!(
        !matches!(empty, Ok(total) if total > 0),
        "nor does it wrap below: {empty:?}"
    );
}

async fn a_clock_that_goes_back_changes_nothing(store: Store) {
    let until = NOW + seconds(10);
    store.put(b"k", b"v", Some(until)).await.unwrap();
    store.add(b"n", 5, until, NOW).await.unwrap();
    let (long_ago, before) = (Time::ZERO, NOW + seconds(9));
    for now in [before, NOW, long_ago, NOW] {
        assert_eq!(
            store.get(b"k", now).await,
            Ok(Some(bytes(b"v"))),
            "what lives, lives earlier, too"
        );
        assert_eq!(store.add(b"n", 0, Time::FAR, now).await, Ok(5));
    }
    // Written with a time that is over already: it never was there for any but an earlier clock.
    store.put(b"over", b"v", Some(NOW)).await.unwrap();
    assert_eq!(store.get(b"over", NOW).await, Ok(None));
    assert_eq!(
        store.swap(b"over", None, Some(b"w"), Some(until), NOW).await,
        Ok(Swap::Done)
    );
    assert_eq!(store.get(b"over", long_ago).await, Ok(Some(bytes(b"w"))));
    store.put(b"zero", b"v", Some(Time::ZERO)).await.unwrap();
    assert_eq!(store.get(b"zero", long_ago).await, Ok(None));
    store.put(b"far", b"v", Some(Time::FAR)).await.unwrap();
    assert_eq!(store.get(b"far", until).await, Ok(Some(bytes(b"v"))));
}
