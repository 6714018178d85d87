//! Ends that nobody planned: kill -9 and a full disk. Both need a process of their own: this test binary again.

mod house;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Backend, Fault, Swap, Time};
use gatepost_store_rocksdb::{RocksDb, Settings};
use house::{Hand, NOW, child, child_folder, open, say};

/// How often the child is killed.
const KILLS: u64 = 12;
/// Those that write in it at the same time.
const HANDS: u64 = 4;

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
                let last = format!("last{hand}");
                let mut was = store.get(last.as_bytes(), NOW).await.unwrap();
                let from = was
                    .as_deref()
                    .map_or(0, |value| u64::from_be_bytes(value.try_into().unwrap()));
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
                    let now = n.to_be_bytes();
                    let swapped = store.swap(last.as_bytes(), was.as_deref(), Some(&now), None, NOW).await;
                    assert_eq!(swapped, Ok(Swap::Done), "nobody else changes it");
                    was = Some(now.to_vec().into());
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

/// The child: makes a store, and is killed over it.
#[test]
fn child_that_makes_a_store() {
    let Some(folder) = child_folder() else { return };
    let _store = open(&folder).unwrap();
    std::thread::park();
}

/// The child: restores a backup over a store, again and again.
#[test]
fn child_that_restores() {
    let Some(folder) = child_folder() else { return };
    loop {
        RocksDb::restore(&folder.join("backup"), &folder.join("store")).unwrap();
    }
}

/// Starts a child and kills it as soon as something is so, looked at all the time.
fn kill_when(test: &str, folder: &Path, so: impl Fn() -> bool) {
    let mut child = child(test, folder, "").spawn().unwrap();
    while !so() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it could be killed"
        );
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn a_store_that_was_being_made_at_a_kill_is_made_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    for files in 1..=9 {
        let path = dir.path().join(files.to_string());
        kill_when("child_that_makes_a_store", &path, || names(&path).len() >= files);
        // Killed over and over as it is mended, too.
        kill_when("child_that_makes_a_store", &path, || {
            names(&path).contains(&"LOCK".to_owned())
        });
        let store = open(&path).unwrap_or_else(|error| panic!("killed at {files} files: {error}"));
        drop(store);
    }
}

#[test]
fn a_restore_that_is_killed_leaves_the_old_store_or_the_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let (path, backup) = (dir.path().join("store"), dir.path().join("backup"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let (coming, at) = (dir.path().join("store.restoring"), |name: &str| dir.path().join(name));
    runtime.block_on(async {
        let store = open(&path).unwrap();
        store.put(b"new", b"v", None).await.unwrap();
        store.backup(&backup).await.unwrap();
        store.put(b"new", b"old", None).await.unwrap();
    });
    let first = std::fs::metadata(&path).unwrap().ino();
    let exchanged = || std::fs::metadata(&path).is_ok_and(|store| store.ino() != first);
    let phases: [&dyn Fn() -> bool; 8] = [
        &|| coming.exists(),
        &|| coming.join("CURRENT").exists(),
        &|| names(&coming).len() >= 4,
        &|| coming.join("gatepost.lock").exists(),
        &|| names(&coming).iter().any(|name| name == "LOCK"),
        &|| at("store.before-restore-1").exists(),
        &exchanged,
        &|| at("store.before-restore-5").exists(),
    ];
    for (phase, so) in phases.iter().enumerate() {
        kill_when("child_that_restores", dir.path(), so);
        runtime.block_on(async {
            let store = open(&path).unwrap_or_else(|error| panic!("phase {phase}: {error}"));
            store.check(NOW).await.unwrap();
            let value = store
                .get(b"new", NOW)
                .await
                .unwrap()
                .expect("the old one or the new one");
            assert!(value == b"old"[..] || value == b"v"[..], "phase {phase}");
            // The old one is there, wherever.
            let mut olds = 0;
            drop(store);
            for name in names(dir.path())
                .iter()
                .filter(|name| name.starts_with("store") && *name != "store.restoring")
            {
                let store = open(&at(name)).unwrap();
                olds += u32::from(
                    store
                        .get(b"new", NOW)
                        .await
                        .unwrap()
                        .is_some_and(|value| value == b"old"[..]),
                );
            }
            assert_eq!(olds, 1, "phase {phase}");
        });
    }
    RocksDb::restore(&backup, &path).unwrap();
    assert!(!coming.exists(), "what the killed ones left is gone");
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
        let room = folder.join("ballast");
        if room.exists() {
            std::fs::remove_file(room).unwrap();
        } else {
            let raised = std::process::Command::new("prlimit")
                .args(["--pid", &own, "--fsize=unlimited"])
                .status();
            assert!(raised.unwrap().success());
        }
        clock.put(NOW + Duration::from_secs(2));
        let after = store.put(&kept.to_be_bytes(), b"again", None).await;
        assert_eq!(after, Ok(()), "the store goes on by itself");
        assert!(store.get(&kept.to_be_bytes(), NOW).await.unwrap().is_some());
        store.check(NOW).await.unwrap();
        for n in 0..kept {
            assert!(store.get(&n.to_be_bytes(), NOW).await.unwrap().is_some(), "{n}");
        }
        drop(store);
        let store = open(&folder).unwrap();
        for n in 0..=kept {
            assert!(store.get(&n.to_be_bytes(), NOW).await.unwrap().is_some(), "{n}");
        }
        say(&format!("kept {kept}"));
    });
}

#[test]
fn a_disk_without_room_loses_nothing() {
    // A disk of its own, within a space of names of its own: not everybody may have that.
    let spaces = std::process::Command::new("unshare").args(["-rm", "true"]).status();
    if !spaces.is_ok_and(|spaces| spaces.success()) {
        say("skipped: this user may not mount");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display();
    let test = std::env::current_exe().unwrap();
    let script = format!(
        "mount -t tmpfs -o size=24m tmpfs {folder} && head -c 16M /dev/zero > {folder}/ballast \
         && exec \"$0\" --exact child_with_a_full_disk --nocapture"
    );
    let output = std::process::Command::new("unshare")
        .args(["-rm", "bash", "-c", &script])
        .arg(test)
        .env("STORE_CHILD", dir.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success() && said.contains("\nkept "),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
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
