//! Ends that nobody planned: kill -9, a power cut, a full disk.
//!
//! The first and the last need a process of their own: this test binary again, told by its environment what to be.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a test that is started again by itself is told so by the environment, and talks by its output"
)]

mod house;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use gatepost_archive::{Archive, Settings};
use gatepost_core::{Clock, Fault, Kept, KeptId, Label, Login, LoginBy, Query, Store, Terms};
use gatepost_testkit::{FakeClock, MemoryStore};
use house::{House, Logged, SEED, files, keep, octets, query};

/// How often the child is killed.
const KILLS: u64 = 12;
/// Those that keep mail in it at the same time.
const HANDS: u64 = 6;

async fn logged(root: &Path) -> (Archive, Arc<Logged>) {
    let backend = Logged::at(&root.join("log")).await;
    let store = Store::new(Arc::clone(&backend) as _);
    let archive = Archive::open(&root.join("kept"), store, FakeClock::new(), SEED, Settings::default());
    (archive.unwrap(), backend)
}

fn body(tag: u64) -> Vec<u8> {
    let mut body = format!("Subject: {tag}\r\n\r\n").into_bytes();
    body.extend((0..(tag % 7) * 20_000).map(|n| (n * tag) as u8));
    body
}

/// The child: keeps, labels and deletes mail until it is killed, and says each thing once it is done.
#[test]
fn child_that_is_killed() {
    let Ok(root) = std::env::var("ARCHIVE_CHILD_ROOT") else {
        return;
    };
    let round: u64 = std::env::var("ARCHIVE_CHILD_ROUND").unwrap().parse().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (archive, _) = logged(Path::new(&root)).await;
        let archive = Arc::new(archive);
        let mut hands = tokio::task::JoinSet::new();
        for hand in 0..HANDS {
            let archive = Arc::clone(&archive);
            hands.spawn(async move {
                let by = Login::new("carl", LoginBy::Auth);
                for n in 0u64.. {
                    let tag = round * 1_000_000 + hand * 100_000 + n;
                    let at = FakeClock::START + Duration::from_secs(tag);
                    let terms = if n % 4 == 3 {
                        Terms::copy("refused")
                    } else {
                        Terms::durable("held")
                    };
                    let id = keep(&archive, at, "t", &["c@d.example"], terms, &body(tag))
                        .await
                        .unwrap();
                    println!("\nkept {tag} {id}");
                    if n % 3 == 0 {
                        archive.label(&id, Label::Ham, &by).await.unwrap();
                        println!("\nlabelled {tag} {id}");
                    }
                    if n % 5 == 0 {
                        println!("\ndeleting {tag} {id}");
                        assert!(archive.delete(&id).await.unwrap());
                        println!("\ndeleted {tag} {id}");
                    }
                }
            });
        }
        hands.join_all().await;
    });
}

#[derive(Default, Clone, Copy)]
struct Said {
    labelled: bool,
    deleting: bool,
    deleted: bool,
}

#[test]
fn nothing_that_was_acknowledged_is_lost_by_kill_9_and_what_is_left_over_is_mended() {
    let dir = tempfile::tempdir().unwrap();
    let mut all: BTreeMap<(KeptId, u64), Said> = BTreeMap::new();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut leftovers = 0;
    for round in 0..KILLS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_is_killed", "--nocapture", "--test-threads=1"])
            .env("ARCHIVE_CHILD_ROOT", dir.path())
            .env("ARCHIVE_CHILD_ROUND", round.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // It is killed after so many lines: in the middle of whatever the others do then.
        let mut killed = false;
        let mut seen = 0;
        for line in &mut lines {
            let line = line.unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            let [what, tag, id] = words[..] else { continue };
            if !["kept", "labelled", "deleting", "deleted"].contains(&what) {
                continue;
            }
            let tag = tag.parse().unwrap();
            let said = all.entry((KeptId(id.into()), tag)).or_default();
            match what {
                "labelled" => said.labelled = true,
                "deleting" => said.deleting = true,
                "deleted" => said.deleted = true,
                _ => {}
            }
            seen += 1;
            if seen == 5 + round * 7 && !killed {
                child.kill().unwrap();
                killed = true;
            }
        }
        child.wait().unwrap();
        assert!(killed, "the child ended by itself after {seen} lines");
        leftovers += runtime.block_on(mended(dir.path(), &all));
    }
    assert!(all.len() as u64 > KILLS * 5);
    // Else this test has not seen what it is about.
    assert!(leftovers > 0, "no kill left anything to mend");
}

/// Mends and checks; how much there was to mend.
async fn mended(root: &Path, all: &BTreeMap<(KeptId, u64), Said>) -> u64 {
    let (archive, backend) = logged(root).await;
    let mended = archive.mend().await.unwrap();
    assert_eq!((mended.torn, &mended.unreadable), (0, &Vec::new()));
    let told = archive.check().await.unwrap().lines;
    assert_eq!(told.len(), 1, "{told:?}");
    let mut there = Vec::new();
    for ((id, tag), said) in all {
        let found = archive.get(id).await.unwrap();
        if said.deleted {
            assert!(found.is_none(), "{tag} was deleted");
        } else if !said.deleting {
            let (mail, _) = found.unwrap_or_else(|| panic!("{tag} was acknowledged and is gone"));
            assert_eq!(octets(&archive, id).await, body(*tag));
            assert!(!said.labelled || mail.label.is_some(), "{tag} was labelled");
            there.push(id);
        }
    }
    let mut page = query(|q| (q.recipient, q.limit) = (Some("c@d.example".into()), Some(1_000)));
    let mut listed = Vec::new();
    loop {
        let some = archive.list(&page).await.unwrap();
        let Some(last) = some.last() else { break };
        page.after = Some(last.id.0.to_string());
        listed.extend(some.into_iter().map(|mail| mail.id));
    }
    for id in there {
        assert!(listed.contains(id), "{id} is not listed");
    }
    let on_disk: Vec<_> = files(&root.join("kept"));
    assert_eq!(
        on_disk.len(),
        listed.len() + 1,
        "each file is listed, and the lock is one more"
    );
    for (part, order) in backend.entries() {
        let order = String::from_utf8_lossy(&order).into_owned();
        let known = listed.iter().any(|id| order.ends_with(&*id.0));
        assert!(known, "an entry of {part:?} has no file: {order:?}");
    }
    mended.added + mended.dropped + mended.temporary
}

#[tokio::test]
async fn a_store_that_lost_the_last_of_its_log_is_completed_from_the_files() {
    let mut house = House::new(Settings::default());
    let mut all = Vec::new();
    for n in 0..6 {
        house.clock.forward(Duration::from_secs(1));
        all.push(house.keep(&format!("c@{n}.example"), Terms::durable("held")).await);
    }
    house
        .archive()
        .label(&all[4], Label::Ham, &Login::new("carl", LoginBy::Auth))
        .await
        .unwrap();
    assert!(house.archive().delete(&all[3]).await.unwrap());
    all.remove(3);
    all.reverse();
    let whole = Arc::clone(&house.backend);
    let mut entries = whole.entries();
    entries.sort();
    for lost in 0..=whole.changes() {
        house.backend = whole.without_last(lost).await;
        house.reopen();
        let mended = house.archive().mend().await.unwrap();
        assert!(lost > 0 || (mended.added, mended.dropped) == (0, 0), "{mended:?}");
        assert_eq!(house.ids(&Query::default()).await, all, "{lost} changes were lost");
        assert_eq!(
            house.ids(&query(|q| q.label = Some(Label::Ham))).await,
            [all[1].clone()],
            "{lost}"
        );
        assert_eq!(house.archive().check().await.unwrap().lines.len(), 1, "{lost}");
        assert_eq!(house.backend.entries(), entries, "{lost}");
    }
}

/// The child that may write files of 64 kB only.
#[test]
fn child_with_a_full_disk() {
    let Ok(root) = std::env::var("ARCHIVE_FULL_ROOT") else {
        return;
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let clock = FakeClock::new();
        let archive = Archive::open(
            Path::new(&root),
            MemoryStore::store(),
            clock.clone(),
            SEED,
            Settings::default(),
        )
        .unwrap();
        let large = vec![b'x'; 1 << 20];
        for terms in [Terms::durable("held"), Terms::copy("refused")] {
            let full = keep(&archive, clock.now(), "t", &["c@d.example"], terms.clone(), &large).await;
            assert_eq!(full, Err(Fault::Unavailable("the archive's disk is full")));
            assert_eq!(files(Path::new(&root)).len(), 1, "nothing but the lock is there");
            assert_eq!(archive.list(&Query::default()).await.unwrap(), []);
        }
        let small = keep(
            &archive,
            clock.now(),
            "t",
            &["c@d.example"],
            Terms::durable("held"),
            b"small",
        )
        .await;
        let id = small.unwrap();
        assert_eq!(octets(&archive, &id).await, b"small");
        archive
            .label(&id, Label::Spam, &Login::new("c".repeat(100_000), LoginBy::Auth))
            .await
            .expect_err("a label that does not fit");
        assert_eq!(octets(&archive, &id).await, b"small", "the mail is as it was");
        assert_eq!(archive.check().await.unwrap().lines.len(), 1);
        println!("\nall was as it must be");
    });
}

#[test]
fn a_disk_that_is_full_in_the_middle_of_a_put_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let script = "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact child_with_a_full_disk --nocapture";
    let output = Command::new("bash")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("ARCHIVE_FULL_ROOT", dir.path().join("kept"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.contains("all was as it must be"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
