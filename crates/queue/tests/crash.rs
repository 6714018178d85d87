//! Ends that nobody planned: kill -9 at any moment and at each step, and a disk that fails at each step.
//!
//! Those that end need a process of their own: this test binary again, told by its environment what to be.

#![allow(
    clippy::disallowed_methods,
    reason = "a test that is started again by itself is told so by the environment"
)]

mod house;

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use gatepost_core::{NotTaken, Time};
use gatepost_queue::spool::{Entry, Marks, Progress, Spool, Step, Steps};
use house::{accept, files, new, octets, open, runtime, say, settings};

/// How often the child is killed.
const KILLS: u64 = 12;
/// Those that bring mail to it at the same time.
const HANDS: u64 = 6;

fn body(tag: u64) -> Vec<u8> {
    let mut body = format!("Subject: {tag}\r\n\r\n").into_bytes();
    // One of seven is written alone.
    let octets = if tag % 7 == 6 { 300_000 } else { (tag % 7) * 5_000 };
    body.extend((0..octets).map(|n| (n * tag) as u8));
    body
}

fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture", "--test-threads=1"]);
    command
}

/// The child: takes mail, delivers some, until it is killed, and says each thing once it is done.
#[test]
fn child_that_is_killed() {
    let Ok(root) = std::env::var("SPOOL_CHILD_ROOT") else {
        return;
    };
    let round: u64 = std::env::var("SPOOL_CHILD_ROUND").unwrap().parse().unwrap();
    runtime().block_on(async {
        let (spool, _) = open(Path::new(&root));
        let mut hands = tokio::task::JoinSet::new();
        for hand in 0..HANDS {
            let spool = spool.clone();
            hands.spawn(async move {
                let domain = format!("d{}.example", hand % 2);
                for n in 0u64.. {
                    let tag = round * 1_000_000 + hand * 100_000 + n;
                    let mut entry = accept(&spool, &domain, &tag.to_string(), body(tag)).await.unwrap();
                    say(&format!("taken {tag}"));
                    if n % 3 == 0 {
                        let done = [1].into();
                        let failed = BTreeMap::new();
                        spool
                            .settle(
                                &entry,
                                &Progress {
                                    done,
                                    failed,
                                    ..Progress::default()
                                },
                            )
                            .await
                            .unwrap();
                        say(&format!("settled {tag}"));
                    }
                    if n % 4 == 0 {
                        let marks = Marks {
                            warned: true,
                            ..Marks::default()
                        };
                        entry = spool.mark(&entry, marks).await.unwrap();
                        say(&format!("marked {tag}"));
                    }
                    if n % 5 < 2 {
                        say(&format!("removing {tag}"));
                        assert!(spool.remove(&entry).await.unwrap());
                        say(&format!("removed {tag}"));
                    }
                }
            });
        }
        hands.join_all().await;
    });
}

#[derive(Default, Clone, Copy, Debug)]
struct Said {
    settled: bool,
    marked: bool,
    removing: bool,
    removed: bool,
}

#[test]
fn nothing_that_was_acknowledged_is_lost_or_twice_there_after_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("queue");
    let mut all: BTreeMap<u64, Said> = BTreeMap::new();
    let runtime = runtime();
    let mut leftovers = 0;
    for round in 0..KILLS {
        let mut child = child("child_that_is_killed")
            .env("SPOOL_CHILD_ROOT", &root)
            .env("SPOOL_CHILD_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut killed, mut seen) = (false, 0);
        // It is killed after so many lines: in the middle of whatever the others do then.
        for line in &mut lines {
            let line = line.unwrap();
            let Some((what, tag)) = line.split_once(' ') else {
                continue;
            };
            let Ok(tag) = tag.parse() else { continue };
            let said: &mut Said = match what {
                "taken" | "settled" | "marked" | "removing" | "removed" => all.entry(tag).or_default(),
                _ => continue,
            };
            match what {
                "settled" => said.settled = true,
                "marked" => said.marked = true,
                "removing" => said.removing = true,
                "removed" => said.removed = true,
                _ => {}
            }
            seen += 1;
            if seen == 5 + round * 11 && !killed {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "the child ended by itself after {seen} lines");
        leftovers += runtime.block_on(checked(&root, &all));
    }
    assert!(all.len() as u64 > KILLS * 5);
    // Else this test has not seen what it is about.
    assert!(leftovers > 0, "no kill left anything behind");
}

/// Checks what is there; how many mails are there that nobody was told of, and how many files were half written.
async fn checked(root: &Path, all: &BTreeMap<u64, Said>) -> u64 {
    let (spool, found) = open(root);
    assert_eq!((&found.strange, found.damaged), (&Vec::new(), 0));
    assert!(found.entries().is_sorted_by(|one, next| one.id < next.id));
    let mut there: BTreeMap<u64, Entry> = BTreeMap::new();
    let mut untold = 0;
    for entry in found.entries() {
        let (stored, _) = spool.read(&entry).await.unwrap();
        let tag: u64 = stored.head.transaction.parse().unwrap();
        assert_eq!(octets(&spool, &entry).await, body(tag));
        match all.get(&tag) {
            Some(said) => {
                assert!(!said.removed, "{tag} was removed");
                assert!(!said.settled || stored.progress.done == [1].into(), "{tag} was settled");
                assert!(!said.marked || entry.marks.warned, "{tag} was marked");
                assert!(there.insert(tag, entry).is_none(), "{tag} is there twice");
            }
            None => {
                // The next round shall not find it again.
                spool.remove(&entry).await.unwrap();
                untold += 1;
            }
        }
    }
    for (tag, said) in all {
        assert!(
            said.removing || there.contains_key(tag),
            "{tag} was acknowledged and is gone"
        );
    }
    spool.close().await.unwrap();
    untold + found.temporary
}

/// What is done to a spool while it dies, or while its disk fails.
const ACTS: [&str; 7] = ["accept", "large", "settle", "mark", "remove", "set_aside", "put_back"];

const MARKS: Marks = Marks {
    until: Some(Time::from_secs(2_000_000_000)),
    held: true,
    warned: false,
};

fn progress() -> Progress {
    Progress {
        done: [0].into(),
        failed: [(1, "550 5.1.1 no".to_owned())].into(),
        given_up: Some(1_767_614_400_000),
    }
}

/// A spool with one mail, which is aside for `put_back`.
async fn prepared(root: &Path, act: &str) -> Entry {
    let (spool, _) = open(root);
    let mut entry = accept(&spool, "d.example", "first", body(1)).await.unwrap();
    if act != "settle" {
        spool.settle(&entry, &progress()).await.unwrap();
    }
    if act == "put_back" {
        entry = spool.mark(&entry, MARKS).await.unwrap();
        assert!(spool.set_aside(&entry, "for a test").await.unwrap());
    }
    spool.close().await.unwrap();
    entry
}

async fn act(spool: &Spool, act: &str, entry: &Entry) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| error.to_string();
    match act {
        "accept" | "large" => {
            let tag = if act == "large" { 6 } else { 0 };
            let mails = ["d.example", "new.example"].map(|domain| new(domain, "second", body(tag)));
            let taken = spool.accept(mails.to_vec()).await;
            taken.map(drop).map_err(|error: NotTaken| told(&error))
        }
        "settle" => spool.settle(entry, &progress()).await.map_err(|error| told(&error)),
        "mark" => spool.mark(entry, MARKS).await.map(drop).map_err(|error| told(&error)),
        "remove" => spool.remove(entry).await.map(drop).map_err(|error| told(&error)),
        "set_aside" => spool
            .set_aside(entry, "for a test")
            .await
            .map(drop)
            .map_err(|error| told(&error)),
        "put_back" => spool.put_back(entry).await.map(drop).map_err(|error| told(&error)),
        other => unreachable!("{other}"),
    }
}

/// The first mail is there once, before or after the act, with all that is known of it; and how many others there are.
async fn before_or_after(root: &Path, act: &str, entry: &Entry) -> (bool, usize) {
    let (spool, found) = open(root);
    let entries = found.entries();
    assert_eq!(found.strange, Vec::<PathBuf>::new());
    let damaged = spool.damaged().await.unwrap();
    let (firsts, others): (Vec<_>, Vec<_>) = entries.into_iter().partition(|other| other.id == entry.id);
    for other in &others {
        let (stored, _) = spool.read(other).await.unwrap();
        assert_eq!(stored.head.transaction, "second");
    }
    let waits = match (&firsts[..], &damaged[..]) {
        ([first], []) => {
            let (stored, _) = spool.read(first).await.unwrap();
            assert_eq!(octets(&spool, first).await, body(1));
            let settled = stored.progress == progress();
            assert!(settled || (act == "settle" && stored.progress == Progress::default()));
            let marks = [entry.marks, MARKS];
            assert!(first.marks == marks[0] || (act == "mark" && first.marks == marks[1]));
            true
        }
        ([], [aside]) => {
            assert!(matches!(act, "set_aside" | "put_back"));
            assert_eq!((&aside.entry, files(&root.join("mail")).len()), (entry, 0));
            // What is known of its recipients went with it.
            assert!(spool.put_back(entry).await.unwrap());
            assert_eq!(spool.read(entry).await.unwrap().0.progress, progress());
            false
        }
        ([], []) => {
            assert_eq!((act, files(root)), ("remove", Vec::new()));
            false
        }
        (first, aside) => panic!("{act}: {first:?} {aside:?}"),
    };
    spool.close().await.unwrap();
    (waits, others.len())
}

/// Counts steps, and does something at one of them.
fn at_step(at: usize, what: impl Fn(Step) -> io::Result<()> + Send + Sync + 'static) -> (Steps, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let own = Arc::clone(&count);
    let steps: Steps = Arc::new(move |step, _| {
        if own.fetch_add(1, Ordering::Relaxed) == at {
            what(step)
        } else {
            Ok(())
        }
    });
    (steps, count)
}

/// The steps of opening, which come before those that are meant.
fn steps_of_opening(root: &Path) -> usize {
    let (steps, count) = at_step(usize::MAX, |_| Ok(()));
    drop(Spool::open_with(root, settings(), Some(steps)).unwrap());
    count.load(Ordering::Relaxed)
}

/// The child that dies at a step.
#[test]
fn child_that_dies_at_a_step() {
    let Ok(root) = std::env::var("SPOOL_STEP_ROOT") else {
        return;
    };
    let what = std::env::var("SPOOL_STEP_ACT").unwrap();
    let at: usize = std::env::var("SPOOL_STEP").unwrap().parse().unwrap();
    let root = Path::new(&root);
    let (steps, _) = at_step(at, |_| {
        let me = rustix::process::getpid();
        rustix::process::kill_process(me, rustix::process::Signal::KILL)?;
        unreachable!("it is dead");
    });
    runtime().block_on(async {
        let (spool, found) = Spool::open_with(root, settings(), Some(steps)).unwrap();
        let entry = found.entries().into_iter().next();
        let entry = match entry {
            Some(entry) => entry,
            None => spool.damaged().await.unwrap().remove(0).entry,
        };
        act(&spool, &what, &entry).await.unwrap();
        say("done");
    });
}

#[test]
fn a_process_that_is_killed_between_any_two_steps_leaves_what_was_before_or_what_is_after() {
    let runtime = runtime();
    for what in ACTS {
        let (mut died, mut seen) = (0, Vec::new());
        for n in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let root = dir.path().join("queue");
            let entry = runtime.block_on(prepared(&root, what));
            let opening = steps_of_opening(&root);
            let output = child("child_that_dies_at_a_step")
                .env("SPOOL_STEP_ROOT", &root)
                .env("SPOOL_STEP_ACT", what)
                .env("SPOOL_STEP", (opening + n).to_string())
                .output()
                .unwrap();
            let done = String::from_utf8_lossy(&output.stdout).contains("\ndone");
            let (waits, others) = runtime.block_on(before_or_after(&root, what, &entry));
            seen.push((waits, others));
            if done && output.status.success() {
                break;
            }
            died += 1;
            assert!(n < 40, "{what} has no end");
        }
        assert!(died >= 2, "{what} died {died} times");
        // The first death came before anything was done, the last time nobody died.
        let end = match what {
            "accept" | "large" => (true, 2),
            "remove" | "set_aside" => (false, 0),
            _ => (true, 0),
        };
        assert_eq!(seen.first(), Some(&(what != "put_back", 0)), "{what}");
        assert_eq!(seen.last(), Some(&end), "{what}: {seen:?}");
    }
}

#[test]
fn a_disk_that_fails_at_any_step_is_told_and_leaves_what_was_before_or_what_is_after() {
    let runtime = runtime();
    for error in [rustix::io::Errno::NOSPC, rustix::io::Errno::IO] {
        for what in ACTS {
            for n in 0.. {
                let dir = tempfile::tempdir().unwrap();
                let root = dir.path().join("queue");
                let entry = runtime.block_on(prepared(&root, what));
                let opening = steps_of_opening(&root);
                let (steps, count) = at_step(opening + n, move |_| Err(error.into()));
                let (spool, _) = Spool::open_with(&root, settings(), Some(steps)).unwrap();
                let before = spool.totals(None);
                let result = runtime.block_on(act(&spool, what, &entry));
                let failed = count.load(Ordering::Relaxed) > opening + n;
                if result.is_err() && matches!(what, "accept" | "large") {
                    // Dropping what was not taken gives its room back in a moment.
                    while spool.totals(None) != before {
                        std::thread::yield_now();
                    }
                    let expected = if error == rustix::io::Errno::NOSPC {
                        "no room: the queue's disk is full"
                    } else {
                        "unavailable: the queue's disk"
                    };
                    assert_eq!(result, Err(expected.into()));
                }
                let closed = runtime.block_on(spool.close());
                assert!(closed.is_ok() || what == "remove");
                drop(spool);
                let (_, others) = runtime.block_on(before_or_after(&root, what, &entry));
                assert_eq!(
                    others,
                    if result.is_ok() && matches!(what, "accept" | "large") {
                        2
                    } else {
                        0
                    },
                    "{what} {n}"
                );
                // What is removed is synced later, which nobody is told of.
                assert!(
                    result.is_err() || !failed || what == "remove",
                    "{what} {n}: a failing step was not told"
                );
                if !failed {
                    break;
                }
                assert!(n < 40, "{what} has no end");
            }
        }
    }
}

/// The child that has a small disk, or may write small files only.
#[test]
fn child_with_a_full_disk() {
    let Ok(root) = std::env::var("SPOOL_FULL_ROOT") else {
        return;
    };
    let root = Path::new(&root);
    runtime().block_on(async {
        let (spool, _) = open(root);
        let mut taken = Vec::new();
        let full = loop {
            match accept(&spool, "d.example", "t", vec![b'x'; 100_000]).await {
                Ok(entry) => taken.push(entry),
                Err(error) => break error,
            }
            assert!(taken.len() < 1_000, "the disk is never full");
        };
        assert_eq!(full, NotTaken::Full("the queue's disk is full".into()));
        let large = accept(&spool, "d.example", "t", vec![b'x'; 100 << 20]).await;
        assert_eq!(large, Err(NotTaken::Full("the queue's disk is full".into())));
        spool.close().await.unwrap();
        let (spool, found) = open(root);
        assert_eq!((found.entries(), found.temporary), (taken.clone(), 0));
        for entry in &taken {
            assert_eq!(octets(&spool, entry).await.len(), 100_000);
        }
        // Delivering makes room.
        for entry in &taken {
            assert!(spool.remove(entry).await.unwrap());
        }
        let small = accept(&spool, "d.example", "t", b"small".to_vec()).await.unwrap();
        assert_eq!(octets(&spool, &small).await, b"small");
        say(&format!("taken {}", taken.len()));
    });
}

/// How many mails the child could put on its disk, where it was content.
fn fitted(said: &str) -> Option<usize> {
    said.lines().find_map(|line| line.strip_prefix("taken ")?.parse().ok())
}

#[test]
fn a_disk_without_room_takes_nothing_and_loses_nothing() {
    // A disk of its own, within a space of names of its own: not everybody may have that.
    let spaces = Command::new("unshare").args(["-rm", "true"]).status();
    if !spaces.is_ok_and(|spaces| spaces.success()) {
        say("skipped: this user may not mount");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display();
    let script =
        format!("mount -t tmpfs -o size=8m tmpfs {folder} && exec \"$0\" --exact child_with_a_full_disk --nocapture");
    let output = Command::new("unshare")
        .args(["-rm", "bash", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env("SPOOL_FULL_ROOT", dir.path().join("queue"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && fitted(&said).is_some_and(|fitted| fitted > 50),
        "{said}{trouble}"
    );
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_mail_takes_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact child_with_a_full_disk --nocapture";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("SPOOL_FULL_ROOT", dir.path().join("queue"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && fitted(&said) == Some(0), "{said}{trouble}");
}

#[tokio::test]
async fn the_disk_is_not_filled_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let all = gatepost_queue::spool::Settings {
        reserve: u64::MAX,
        ..settings()
    };
    let (spool, _) = Spool::open(&dir.path().join("queue"), all).unwrap();
    let quota = gatepost_queue::spool::Quota::NONE;
    assert!(!spool.has_room("d.example", &quota));
    let full = accept(&spool, "d.example", "t", b"x".to_vec()).await.unwrap_err();
    assert_eq!(full, NotTaken::Full("the queue's disk is full".into()));
    assert!(files(dir.path()).is_empty());
    // As soon as there is room, somebody notices.
    spool.set(settings());
    while !spool.has_room("d.example", &quota) {
        tokio::task::yield_now().await;
    }
}
