//! Ends that nobody planned: kill -9 and a full disk. Both need a process of their own: this test binary again.

mod house;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Backend, Fault, Swap, Time};
use gatepost_store_rocksdb::{RocksDb, Settings};
use house::{Hand, NOW, child, child_folder, open};

/// How often the child is killed.
const KILLS: u64 = 12;
/// Those that write in it at the same time.
const HANDS: u64 = 4;

/// Says a line in one write, so that the hands' lines do not mix.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out
        .write_all(format!("\n{line}\n").as_bytes())
        .and_then(|()| out.flush());
}

/// The child: writes until it is killed, and says each thing before it is begun and once it is done.
#[test]
fn child_that_is_killed() {
    let Some(folder) = child_folder() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let store = Arc::new(open(&folder).unwrap());
        let mut hands = tokio::task::JoinSet::new();
        for hand in 0..HANDS {
            let store = Arc::clone(&store);
            hands.spawn(async move {
                let from = store.get(format!("last{hand}").as_bytes(), NOW).await.unwrap();
                let from = from.map_or(0, |value| u64::from_be_bytes(value.as_ref().try_into().unwrap()));
                for n in from + 1.. {
                    let key = format!("k{hand}.{}", n % 50);
                    say(&format!("begin {hand} {n}"));
                    store
                        .put(key.as_bytes(), &n.to_be_bytes().repeat(40), None)
                        .await
                        .unwrap();
                    store
                        .insert(b"all", format!("{hand}.{n:010}").as_bytes(), b"x")
                        .await
                        .unwrap();
                    store.add(b"count", 1, Time::FAR, NOW).await.unwrap();
                    let last = format!("last{hand}");
                    store.put(last.as_bytes(), &n.to_be_bytes(), None).await.unwrap();
                    say(&format!("done {hand} {n}"));
                }
            });
        }
        hands.join_all().await;
    });
}

#[test]
fn nothing_that_was_answered_is_lost_to_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let mut done: BTreeMap<u64, u64> = BTreeMap::new();
    let mut begun: BTreeMap<u64, u64> = BTreeMap::new();
    for round in 0..KILLS {
        let mut child = child("child_that_is_killed", &path, "").spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let (mut seen, enough) = (0, 40 + round * 53 % 400);
        // All that it said before it died counts, so the pipe is read to its end.
        for line in out.lines().map_while(Result::ok) {
            let mut words = line.split(' ');
            let (what, hand, n) = (words.next(), words.next(), words.next());
            let (Some(what), Some(Ok(hand)), Some(Ok(n))) = (what, hand.map(str::parse), n.map(str::parse)) else {
                continue;
            };
            match what {
                "begin" => begun.insert(hand, n),
                "done" => done.insert(hand, n),
                _ => continue,
            };
            seen += 1;
            if seen == enough {
                child.kill().unwrap();
            }
        }
        assert!(
            !child.wait().unwrap().success() && seen >= enough,
            "it was killed while it wrote"
        );

        runtime.block_on(async {
            let store = open(&path).unwrap();
            store.check(NOW).await.unwrap();
            let (mut least, mut most) = (0, 0);
            for hand in 0..HANDS {
                let (done, begun) = (
                    done.get(&hand).copied().unwrap_or(0),
                    begun.get(&hand).copied().unwrap_or(0),
                );
                let (from, to) = (format!("{hand}."), format!("{hand}/"));
                let page = store
                    .range(b"all", from.as_bytes()..to.as_bytes(), true, 10_000)
                    .await
                    .unwrap();
                let orders: Vec<_> = page.entries.into_iter().map(|(order, _)| order).collect();
                let there = orders.len() as u64;
                assert!(
                    (done..=begun).contains(&there),
                    "hand {hand}: {done} done, {begun} begun, {there} there"
                );
                let last = store.get(format!("last{hand}").as_bytes(), NOW).await.unwrap();
                let last = last.map_or(0, |value| u64::from_be_bytes(value.as_ref().try_into().unwrap()));
                assert!((done..=there).contains(&last));
                for n in done.saturating_sub(40).max(1)..=done {
                    let value = store
                        .get(format!("k{hand}.{}", n % 50).as_bytes(), NOW)
                        .await
                        .unwrap()
                        .expect("a value");
                    let whole = value.chunks(8).all(|chunk| chunk == &value[..8]);
                    let number = u64::from_be_bytes(value[..8].try_into().unwrap());
                    assert!(
                        value.len() == 320 && whole && number >= n,
                        "a whole value, and no older one"
                    );
                }
                // What was begun and not said to be done may be half there, and the next child goes on behind it.
                (least, most) = (least + done, most + begun);
            }
            let count = store.add(b"count", 0, Time::FAR, NOW).await.unwrap();
            let slack = (round + 1) * HANDS;
            assert!(
                count as u64 >= least && count as u64 <= most + slack,
                "{least}, {count}, {most}"
            );
        });
    }
    assert!(done.values().sum::<u64>() > 100);
}

/// The child: fills a disk that has no more room, and looks what that did.
#[test]
fn child_with_a_full_disk() {
    let Some(folder) = child_folder() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = Hand::at(NOW);
        let store = RocksDb::open(&folder, Settings::default(), clock.clone()).unwrap();
        let mut kept = 0u32;
        let fault = loop {
            match store.put(&kept.to_be_bytes(), &[kept as u8; 10_000], None).await {
                Ok(()) => kept += 1,
                Err(fault) => break fault,
            }
            assert!(kept < 10_000, "the disk never was full");
        };
        assert!(matches!(fault, Fault::Unavailable(_)), "{fault}");
        for n in 0..kept {
            let value = store
                .get(&n.to_be_bytes(), NOW)
                .await
                .unwrap()
                .expect("what was answered is there");
            assert!(value.len() == 10_000 && value.iter().all(|octet| *octet == n as u8));
        }
        assert_eq!(
            store.get(&kept.to_be_bytes(), NOW).await,
            Ok(None),
            "what was not answered is not half there"
        );
        for fault in [
            store.put(b"later", b"v", None).await.err(),
            store.swap(b"later", None, Some(b"v"), None, NOW).await.err(),
            store.add(b"n", 1, Time::FAR, NOW).await.err(),
            store.insert(b"p", b"o", b"v").await.err(),
        ] {
            assert!(matches!(fault, None | Some(Fault::Unavailable(_))), "{fault:?}");
        }
        // There is room again, and nobody starts anything anew.
        let own = std::process::id().to_string();
        let raised = std::process::Command::new("prlimit")
            .args(["--pid", &own, "--fsize=unlimited"])
            .status();
        assert!(raised.unwrap().success());
        clock.put(NOW + Duration::from_secs(2));
        let after = store.put(&kept.to_be_bytes(), b"again", None).await;
        assert_eq!(after, Ok(()), "the store goes on by itself");
        assert!(store.get(&kept.to_be_bytes(), NOW).await.unwrap().is_some());
        say(&format!("kept {kept}"));
    });
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_put_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    let output = child("child_with_a_full_disk", &path, "trap '' XFSZ; ulimit -S -f 600;")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let kept: u32 = said
        .lines()
        .find_map(|line| line.strip_prefix("kept "))
        .and_then(|n| n.parse().ok())
        .expect("a count");
    assert!(kept > 10, "{kept}");
    // There is room again.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = open(&path).unwrap();
        store.check(NOW).await.unwrap();
        for n in 0..kept {
            assert!(store.get(&n.to_be_bytes(), NOW).await.unwrap().is_some(), "{n}");
        }
        store.put(&kept.to_be_bytes(), b"now", None).await.unwrap();
        assert_eq!(store.swap(b"s", None, Some(b"v"), None, NOW).await, Ok(Swap::Done));
    });
}
