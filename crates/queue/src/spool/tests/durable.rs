//! What a power cut would leave: told by the order of the steps on the disk.

use std::path::{Path as FilePath, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::super::{Entry, LARGE, Marks, Progress, Spool, Step, Steps};
use super::{AT, body, new, one, settings};

/// What the steps were, in order.
type Seen = Arc<Mutex<Vec<(Step, PathBuf)>>>;

fn watched(root: &FilePath) -> (Spool, Seen) {
    let seen = Seen::default();
    let own = Arc::clone(&seen);
    let steps: Steps = Arc::new(move |step, path| {
        own.lock().unwrap().push((step, path.to_path_buf()));
        Ok(())
    });
    let (spool, _) = Spool::open_with(&root.join("queue"), settings(), Some(steps)).unwrap();
    seen.lock().unwrap().clear();
    (spool, seen)
}

/// Whether all that the steps made survives a power cut after them.
fn assert_durable(seen: &[(Step, PathBuf)]) {
    for (at, (step, path)) in seen.iter().enumerate() {
        let then = seen.get(at..).unwrap_or_default();
        let has = |step: Step, path: &FilePath| then.iter().any(|(s, p)| *s == step && p == path);
        match step {
            Step::Write => assert!(has(Step::SyncFile, path), "{path:?} is written and not synced"),
            Step::Name | Step::MakeFolder => {
                let folder = path.parent().unwrap();
                assert!(
                    has(Step::SyncFolder, folder),
                    "{path:?} has its name and {folder:?} is not synced"
                );
            }
            Step::SyncFile | Step::SyncFolder | Step::Remove => {}
        }
    }
}

#[tokio::test]
async fn everything_is_synced_before_anybody_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, seen) = watched(dir.path());
    let steps = || std::mem::take(&mut *seen.lock().unwrap());
    let mails = ["a.example", "b.example"].map(|domain| new(domain, AT, b"x"));
    let entries = spool.accept(mails.to_vec()).await.unwrap();
    let first = steps();
    assert_durable(&first);
    let synced = |steps: &[(Step, PathBuf)], what: Step| steps.iter().filter(|(step, _)| *step == what).count();
    // Two files, two folders, and the folder of these because they are new.
    assert_eq!(
        (synced(&first, Step::SyncFile), synced(&first, Step::SyncFolder)),
        (2, 4)
    );
    spool.settle(&entries[0], &Progress::default()).await.unwrap();
    assert_durable(&steps());
    spool
        .mark(
            &entries[0],
            Marks {
                held: true,
                ..Marks::default()
            },
        )
        .await
        .unwrap();
    assert_durable(&steps());
    one(&spool, new("a.example", AT, &body(LARGE as usize))).await;
    let again = steps();
    assert_durable(&again);
    assert_eq!(
        (synced(&again, Step::SyncFile), synced(&again, Step::SyncFolder)),
        (1, 1)
    );
}

#[tokio::test]
async fn who_comes_while_the_disk_is_synced_shares_the_next_turn() {
    let dir = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let (own, gate) = (Arc::clone(&seen), Arc::new(tokio::sync::Mutex::new(())));
    let (disk, reached) = (Arc::clone(&gate), Arc::new(tokio::sync::Notify::new()));
    let at_disk = Arc::clone(&reached);
    let steps: Steps = Arc::new(move |step, path| {
        own.lock().unwrap().push((step, path.to_path_buf()));
        if step == Step::SyncFile {
            at_disk.notify_one();
            drop(disk.blocking_lock());
        }
        Ok(())
    });
    let (spool, _) = Spool::open_with(&dir.path().join("queue"), settings(), Some(steps)).unwrap();
    let one_ = one(&spool, new("a.example", AT, b"x")).await;
    reached.notified().await;
    seen.lock().unwrap().clear();
    // While the disk works for the first, all others come.
    let closed = gate.lock().await;
    let mut taken: Vec<Entry> = Vec::new();
    let mut tasks = tokio::task::JoinSet::new();
    let come = Arc::new(AtomicUsize::new(0));
    for n in 0..100 {
        let (spool, come) = (spool.clone(), Arc::clone(&come));
        tasks.spawn(async move {
            come.fetch_add(1, Ordering::Relaxed);
            spool.accept(vec![new("a.example", AT, b"x")]).await
        });
        if n == 0 {
            reached.notified().await;
        }
    }
    // The runtime has one thread: whoever has come waits when another runs.
    while come.load(Ordering::Relaxed) < 100 {
        tokio::task::yield_now().await;
    }
    drop(closed);
    while let Some(done) = tasks.join_next().await {
        taken.extend(done.unwrap().unwrap());
    }
    assert_eq!(taken.len(), 100);
    let folders = seen
        .lock()
        .unwrap()
        .iter()
        .filter(|(step, _)| *step == Step::SyncFolder)
        .count();
    assert_eq!(folders, 2, "times was the folder synced");
    seen.lock().unwrap().clear();
    for entry in &taken {
        spool.remove(entry).await.unwrap();
    }
    spool.remove(&one_).await.unwrap();
    spool.flush().await.unwrap();
    let seen = seen.lock().unwrap();
    let last = seen.iter().rposition(|(step, _)| *step == Step::Remove).unwrap();
    let synced = seen.iter().rposition(|(step, _)| *step == Step::SyncFolder).unwrap();
    assert!(last < synced, "removal is not synced");
}

#[tokio::test]
async fn a_file_that_cannot_be_synced_is_no_trouble_of_those_that_share_the_turn() {
    let dir = tempfile::tempdir().unwrap();
    let bad = Arc::new(Mutex::new(None));
    let own = Arc::clone(&bad);
    // The disk cannot write the fifth of the files that it is given.
    let steps: Steps = Arc::new(move |step, path| {
        let mut bad = own.lock().unwrap();
        let (count, fifth) = bad.take().unwrap_or((0, None));
        let (count, fifth) = match step {
            Step::Write if count == 4 => (5, Some(path.to_path_buf())),
            Step::Write => (count + 1, fifth),
            _ => (count, fifth),
        };
        let fails = step == Step::SyncFile && fifth.as_deref() == Some(path);
        *bad = Some((count, fifth));
        match fails {
            true => Err(std::io::Error::from_raw_os_error(5)),
            false => Ok(()),
        }
    });
    let (spool, _) = Spool::open_with(&dir.path().join("queue"), settings(), Some(steps)).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let spool = spool.clone();
        tasks.spawn(async move { spool.accept(vec![new("a.example", AT, &body(100 + n))]).await });
    }
    let done: Vec<_> = tasks.join_all().await;
    let (taken, failed): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
    assert_eq!((taken.len(), failed.len()), (39, 1));
    for entry in taken.into_iter().flat_map(Result::unwrap) {
        assert!(spool.read(&entry).await.is_ok());
    }
    spool.close().await.unwrap();
    drop(spool);
    let (spool, found) = Spool::open(&dir.path().join("queue"), settings()).unwrap();
    assert_eq!((found.mails, found.temporary, spool.totals(None).mails), (39, 0, 39));
}
