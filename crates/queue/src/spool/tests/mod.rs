//! What a spool does for one process that lives. How it ends is in `tests/crash.rs`.

mod durable;

use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use gatepost_core::queue::Caller;
use gatepost_core::smtp::{MailParams, Path, RcptParams, Time};
use gatepost_core::{Client, Direction, Visit};

use super::*;

const AT: Time = Time::from_secs(1_767_614_400);

fn new(domain: &str, at: Time, octets: &[u8]) -> New {
    let visit = Visit::new(Direction::Inbound, "mx".into(), Client::new([192, 0, 2, 1].into(), 25));
    let to = |local: &str| {
        let to = Path::forward(&format!("{local}@{domain}"), true).unwrap();
        (to, RcptParams::default())
    };
    let head = Head {
        domain: domain.into(),
        transaction: "t0123456789abcd".into(),
        at,
        route: "default".into(),
        caller: Caller::of(&visit),
        from: Path::reverse("ann@b.example", false).unwrap(),
        params: MailParams::default(),
        recipients: vec![to("carl"), to("dora")],
        proven: false,
        notice: false,
    };
    let message = Message::from_bytes(octets.to_vec());
    let message = Arc::new(gatepost_core::message::Edits::new().apply(&message));
    New {
        head,
        message,
        quota: Quota::NONE,
    }
}

fn body(octets: usize) -> Vec<u8> {
    let mut all = b"Subject: x\r\n\r\n".to_vec();
    all.extend((all.len()..octets).map(|n| (n * 7) as u8));
    all
}

fn octets(message: &Message) -> Vec<u8> {
    let mut all = Vec::new();
    io::Read::read_to_end(&mut message.read(), &mut all).unwrap();
    all
}

fn open(root: &FilePath) -> (Spool, Found) {
    Spool::open(&root.join("queue"), settings()).unwrap()
}

/// No test looks at how full the disk is that it runs on.
fn settings() -> Settings {
    Settings {
        reserve: 0,
        ..Settings::default()
    }
}

async fn one(spool: &Spool, mail: New) -> Entry {
    spool.accept(vec![mail]).await.unwrap().remove(0)
}

/// All files below a folder, but the lock.
fn files(root: &FilePath) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(root).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.append(&mut files(&path));
        } else if path.file_name().unwrap() != "lock" {
            all.push(path);
        }
    }
    all.sort();
    all
}

#[tokio::test]
async fn what_was_accepted_is_found_again_with_all_that_scheduling_needs() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, found) = open(dir.path());
    assert!(found.entries().is_empty());
    let mut all = Vec::new();
    for (n, domain) in ["d.example", "bücher.example", "[192.0.2.1]", "d.example"]
        .into_iter()
        .enumerate()
    {
        let at = AT + Duration::from_secs(n as u64);
        all.push(one(&spool, new(domain, at, &body(100 + n))).await);
    }
    let marks = Marks {
        until: Some(AT + Duration::from_secs(9)),
        held: true,
        warned: true,
    };
    all[1] = spool.mark(&all[1], marks).await.unwrap();
    let progress = Progress {
        done: [1].into(),
        failed: [(0, "550 no".to_owned())].into(),
        given_up: Some(1),
    };
    spool.settle(&all[2], &progress).await.unwrap();
    spool.close().await.unwrap();
    let (spool, found) = open(dir.path());
    assert_eq!(found.entries(), all);
    assert_eq!((found.strangers, found.temporary, found.damaged), (0, 0, 0));
    assert_eq!(spool.totals(None), Totals { mails: 4, octets: 406 });
    assert_eq!(spool.totals(Some("d.example")), Totals { mails: 2, octets: 203 });
    for (n, entry) in all.iter().enumerate() {
        let (stored, message) = spool.read(entry).await.unwrap();
        assert_eq!(stored.head.at, entry.at);
        assert_eq!(octets(&message), body(100 + n));
        assert_eq!(
            stored.progress,
            if n == 2 { progress.clone() } else { Progress::default() }
        );
        assert!(spool.remove(entry).await.unwrap());
        assert!(!spool.remove(entry).await.unwrap(), "it is gone");
        assert!(matches!(spool.read(entry).await, Err(ReadError::Gone)));
    }
    assert_eq!((spool.totals(None), spool.domains()), (Totals::default(), Vec::new()));
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_large_mail_is_not_read_into_memory_and_every_size_reads_back() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    for size in [0, 1, 14, 4_000, 65_536, LARGE as usize, (1 << 20) + 1, 3 << 20] {
        let entry = one(&spool, new("d.example", AT, &body(size)[..])).await;
        let (_, message) = spool.read(&entry).await.unwrap();
        assert_eq!(octets(&message), body(size));
        assert_eq!(message.body().whole().is_some(), size <= 1 << 20, "{size}");
        // Whoever reads it now may read it to its end.
        spool.remove(&entry).await.unwrap();
        assert_eq!(octets(&message), body(size));
    }
}

#[tokio::test]
async fn mails_of_one_call_come_all_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let small = Quota { octets: 150, mails: 9 };
    let mails = ["a.example", "b.example"].map(|domain| New {
        quota: small,
        ..new(domain, AT, &body(100))
    });
    assert_eq!(spool.accept(mails.to_vec()).await.unwrap().len(), 2);
    // The first would fit, the second does not.
    let more = ["c.example", "b.example"].map(|domain| New {
        quota: small,
        ..new(domain, AT, &body(100))
    });
    let full = spool.accept(more.to_vec()).await.unwrap_err();
    assert!(
        matches!(&full, NotTaken::Full(why) if why.starts_with("b.example: 1 mails and 100 octets")),
        "{full}"
    );
    assert_eq!(spool.totals(None), Totals { mails: 2, octets: 200 });
    assert_eq!(files(dir.path()).len(), 2);
    assert!(spool.has_room("b.example", &small) && !spool.has_room("b.example", &Quota { octets: 100, mails: 9 }));
    // Nor does one whose domain has no folder.
    let long = new(&format!("{}.example", "x".repeat(60)), AT, &body(100));
    let mut never = long.clone();
    never.head.domain = "x".repeat(300);
    let fault = spool.accept(vec![long, never]).await.unwrap_err();
    assert!(matches!(fault, NotTaken::Fault(Fault::Broken(_))), "{fault}");
    assert_eq!(spool.totals(None), Totals { mails: 2, octets: 200 });
    assert_eq!(files(dir.path()).len(), 2);
}

#[tokio::test]
async fn whoever_stops_waiting_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    for polls in 0..12 {
        for size in [100, LARGE as usize] {
            let mails = ["a.example", "b.example"].map(|domain| new(domain, AT, &body(size)));
            let mut accept = Box::pin(spool.accept(mails.to_vec()));
            let mut taken = None;
            for _ in 0..polls {
                let poll = std::future::poll_fn(|cx| {
                    std::task::Poll::Ready(match accept.as_mut().poll(cx) {
                        std::task::Poll::Ready(done) => Some(done),
                        std::task::Poll::Pending => None,
                    })
                });
                taken = poll.await;
                if taken.is_some() {
                    break;
                }
                tokio::task::yield_now().await;
                std::thread::yield_now();
            }
            drop(accept);
            for entry in taken.map(Result::unwrap).into_iter().flatten() {
                assert!(spool.remove(&entry).await.unwrap(), "it was accepted");
            }
        }
    }
    // What was dropped is undone by threads of the runtime: these are the only ones there are.
    while spool.totals(None) != Totals::default() {
        tokio::task::yield_now().await;
    }
    spool.close().await.unwrap();
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn what_became_of_a_mail_is_written_though_nobody_waits_for_that() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let entry = one(&spool, new("d.example", AT, &body(100))).await;
    let progress = Progress {
        done: [0].into(),
        ..Progress::default()
    };
    tokio::select! {
        biased;
        _ = spool.settle(&entry, &progress) => panic!("the disk was not even asked"),
        () = std::future::ready(()) => {}
    }
    spool.flush().await.unwrap();
    assert_eq!(spool.head(&entry).await.unwrap().progress, progress);
}

#[tokio::test]
async fn only_one_process_has_it_and_only_its_user_reads_it() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("queue");
    std::fs::create_dir(&root).unwrap();
    std::fs::set_permissions(&root, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (spool, _) = open(dir.path());
    let entry = one(&spool, new("d.example", AT, b"x")).await;
    spool.settle(&entry, &Progress::default()).await.unwrap();
    let refused = Spool::open(&root, Settings::default()).err().unwrap();
    assert_eq!(refused, OpenError::Locked("queue", root.clone()));
    let mode = |path: &FilePath| path.metadata().unwrap().permissions().mode() & 0o777;
    for folder in [
        &root,
        &root.join("mail"),
        &root.join("mail/d.example"),
        &root.join("tmp"),
        &root.join("damaged"),
    ] {
        assert_eq!(mode(folder), 0o700, "{folder:?}");
    }
    let files = files(&root);
    assert_eq!(files.len(), 2);
    assert!(files.iter().all(|file| mode(file) == 0o600));
    spool.close().await.unwrap();
    assert!(
        spool.accept(vec![new("d.example", AT, b"x")]).await.is_err(),
        "it is closed"
    );
    assert_eq!(open(dir.path()).1.entries(), [entry]);
}

#[tokio::test]
async fn what_is_not_ours_is_told_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let entry = one(&spool, new("d.example", AT, b"x")).await;
    spool.close().await.unwrap();
    let root = dir.path().join("queue");
    let twice = format!("{}.w", entry.name());
    let strange = [
        "README",
        "tmp/notes",
        "mail/UPPER",
        "mail/d.example/core",
        "mail/d.example/deep/er",
        "damaged/d.example/x",
        &format!("mail/d.example/{twice}"),
    ];
    for path in strange {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, b"?").unwrap();
    }
    // What was half written when the last process ended is ours, and so is what tells of a mail that is gone.
    std::fs::write(root.join("tmp/0k5m2r9hq0000"), b"half").unwrap();
    std::fs::write(
        root.join("mail/d.example/0k5m2r9hq0000.state"),
        b"of a mail that is gone",
    )
    .unwrap();
    let (spool, found) = open(dir.path());
    assert_eq!(found.entries(), [entry]);
    assert_eq!(
        (found.strangers, found.temporary),
        (strange.len() as u64, 2),
        "{:?}",
        found.strange
    );
    for path in strange {
        assert!(root.join(path).exists(), "{path}");
    }
    assert!(spool.totals(None).mails == 1);
}

#[tokio::test]
async fn mail_that_cannot_be_read_is_set_aside_with_its_reason_and_can_be_put_back() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let good = one(&spool, new("d.example", AT, &body(50))).await;
    let bad = one(&spool, new("d.example", AT, &body(50))).await;
    let progress = Progress {
        done: [0].into(),
        ..Progress::default()
    };
    spool.settle(&bad, &progress).await.unwrap();
    assert!(spool.set_aside(&bad, "is damaged: for a test").await.unwrap());
    assert!(!spool.set_aside(&bad, "again").await.unwrap(), "it is aside already");
    assert_eq!((spool.totals(None).mails, spool.damaged_count()), (1, 1));
    spool.close().await.unwrap();
    let (spool, found) = open(dir.path());
    assert_eq!(
        (found.entries(), found.damaged, found.strangers),
        (vec![good.clone()], 1, 0)
    );
    let damaged = spool.damaged().await.unwrap();
    assert_eq!(
        (damaged[0].entry.clone(), &*damaged[0].why),
        (bad.clone(), "is damaged: for a test")
    );
    assert!(damaged[0].path.exists());
    assert!(spool.put_back(&bad).await.unwrap());
    assert_eq!(spool.read(&bad).await.unwrap().0.progress, progress);
    assert_eq!((spool.totals(None).mails, spool.damaged_count()), (2, 0));
    assert!(spool.set_aside(&bad, "once more").await.unwrap());
    let next = one(&spool, new("d.example", Time::ZERO, b"")).await;
    assert!(next.id > bad.id && spool.remove_damaged(&bad).await.unwrap());
    assert!(spool.damaged().await.unwrap().is_empty());
    assert!(spool.read(&good).await.is_ok());
}

#[tokio::test]
async fn every_changed_octet_of_a_file_is_seen_and_others_flow() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let good = one(&spool, new("d.example", AT, &body(40))).await;
    let bad = one(&spool, new("d.example", AT, &body(40))).await;
    let path = spool.0.place.file(&bad).unwrap();
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let read = spool.read(&bad).await;
        assert!(matches!(read, Err(ReadError::Unreadable(_))), "octet {at}: {read:?}");
        std::fs::write(&path, &whole[..at]).unwrap();
        let read = spool.read(&bad).await;
        assert!(
            matches!(read, Err(ReadError::Unreadable(Unreadable::Short))),
            "cut at {at}: {read:?}"
        );
    }
    std::fs::write(&path, [&whole[..], b"x"].concat()).unwrap();
    assert!(matches!(
        spool.read(&bad).await,
        Err(ReadError::Unreadable(Unreadable::Damaged(_)))
    ));
    let newer = String::from_utf8_lossy(&whole).replacen(" 1 ", " 2 ", 1);
    std::fs::write(&path, newer.as_bytes()).unwrap();
    let read = spool.read(&bad).await;
    assert!(
        matches!(read, Err(ReadError::Unreadable(Unreadable::Newer(_)))),
        "{read:?}"
    );
    std::fs::write(&path, &whole).unwrap();
    assert!(spool.read(&bad).await.is_ok() && spool.read(&good).await.is_ok());
    let state = spool.0.place.state(&bad).unwrap();
    spool.settle(&bad, &Progress::default()).await.unwrap();
    let told = std::fs::read(&state).unwrap();
    for at in 0..told.len() {
        let mut changed = told.clone();
        changed[at] ^= 1;
        std::fs::write(&state, &changed).unwrap();
        assert!(
            matches!(spool.head(&bad).await, Err(ReadError::Unreadable(_))),
            "octet {at} of its state"
        );
    }
}

#[tokio::test]
async fn a_backup_is_a_queue_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let one_ = one(&spool, new("d.example", AT, &body(50))).await;
    let other = one(&spool, new("e.example", AT, &body(60))).await;
    let bad = one(&spool, new("e.example", AT, &body(70))).await;
    spool
        .settle(
            &one_,
            &Progress {
                done: [1].into(),
                ..Progress::default()
            },
        )
        .await
        .unwrap();
    spool.set_aside(&bad, "for a test").await.unwrap();
    let to = dir.path().join("backup");
    let told = spool.backup(&to).await.unwrap();
    assert!(
        told[0].starts_with("3 mails of the queue (5 files linked, 0 copied)"),
        "{told:?}"
    );
    assert!(spool.backup(&to).await.is_err(), "it is not empty");
    assert!(
        spool.backup(&dir.path().join("queue/mail/x")).await.is_err(),
        "it lies within"
    );
    std::fs::remove_dir_all(dir.path().join("queue/mail/x")).unwrap();
    spool.remove(&other).await.unwrap();
    let (back, found) = Spool::open(&to, settings()).unwrap();
    assert_eq!((&found.entries()[..], found.damaged), (&[one_.clone(), other][..], 1));
    assert_eq!(back.read(&one_).await.unwrap().0.progress.done, [1].into());
}
