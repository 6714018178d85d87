//! How kept mail comes, stays and goes.

mod house;

use std::future::Future;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gatepost_archive::{Archive, OpenError, Settings};
use gatepost_core::{
    Clock, Direction, Fault, Keeping, Kept, KeptId, Label, Login, LoginBy, Message, Query, Record, Store, Terms,
};
use gatepost_testkit::{FakeClock, MemoryStore};
use house::{House, SEED, files, keep, octets, query};

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[tokio::test]
async fn files_are_for_their_owner_alone_and_hold_the_mail_as_it_came() {
    let house = House::new(Settings::default());
    let id = house.keep("c@d.example", Terms::durable("held")).await;
    house.keep("c@d.example", Terms::copy("refused")).await;
    let found = files(&house.path());
    assert_eq!(found.len(), 3, "two mails and the lock: {found:?}");
    for file in &found {
        assert_eq!(mode(file), 0o600, "{}", file.display());
        assert_eq!(mode(file.parent().unwrap()), 0o700, "{}", file.display());
    }
    let text = std::fs::read_to_string(house.file(&id)).unwrap();
    assert!(text.starts_with("gatepost-kept 1 "), "{text}");
    assert!(text.contains("}\nSubject: hi\r\n\r\nhello\r\n\n"), "{text}");
    assert_eq!(id.0.len(), 30);
    // A folder that was open to others is closed again.
    std::fs::set_permissions(house.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut house = house;
    house.reopen();
    assert_eq!(mode(&house.path()), 0o700);
}

#[tokio::test]
async fn one_archive_at_a_time_has_a_folder() {
    let house = House::new(Settings::default());
    let open = || {
        Archive::open(
            &house.path(),
            MemoryStore::store(),
            FakeClock::new(),
            SEED,
            Settings::default(),
        )
        .map(|_| ())
        .unwrap_err()
    };
    let error = open();
    assert_eq!(error, OpenError::Locked("archive", house.path()));
    assert!(error.to_string().contains("is gatepost running?"));
    let file = house.dir.path().join("file");
    std::fs::write(&file, "x").unwrap();
    let error = Archive::open(&file, MemoryStore::store(), FakeClock::new(), SEED, Settings::default());
    assert!(matches!(error.map(|_| ()), Err(OpenError::Folder(..))));
    assert_eq!(std::fs::read(file).unwrap(), b"x");
}

#[tokio::test]
async fn a_clock_that_goes_back_loses_nothing() {
    let house = House::new(Settings::default());
    let first = house.keep("c@d.example", Terms::durable("held")).await;
    let back = FakeClock::START.millis() - 86_400_000 * 400;
    let early = keep(
        house.archive(),
        gatepost_core::Time::from_millis(back),
        "t0",
        &["c@d.example"],
        Terms::durable("held"),
        b"early",
    )
    .await
    .unwrap();
    let mut zero = Terms::durable("held");
    zero.days = Some(4_000_000_000);
    let epoch = keep(
        house.archive(),
        gatepost_core::Time::from_millis(0),
        "t0",
        &["c@d.example"],
        zero,
        b"epoch",
    )
    .await
    .unwrap();
    let mut late_terms = Terms::durable("held");
    late_terms.days = None;
    let late = keep(
        house.archive(),
        gatepost_core::Time::from_millis(u64::MAX),
        "t0",
        &["c@d.example"],
        late_terms,
        b"late",
    )
    .await
    .unwrap();
    assert_eq!(octets(house.archive(), &epoch).await, b"epoch");
    assert_eq!(octets(house.archive(), &late).await, b"late");
    assert!(
        house.archive().get(&early).await.unwrap().is_none(),
        "of 400 days ago, kept for 14"
    );
    assert_eq!(house.ids(&query(|q| q.before = Some(u64::MAX))).await, [first, epoch]);
    let late_only = query(|q| q.since = Some(u64::MAX));
    assert_eq!(house.ids(&late_only).await, [late]);
}

#[tokio::test]
async fn deleting_leaves_no_trace_and_takes_the_subject_out_of_the_record() {
    let house = House::new(Settings::default());
    let archive = house.archive();
    let mut record = Record::new(
        "t1".into(),
        house.clock.now().millis(),
        Direction::Inbound,
        "mx".into(),
        [192, 0, 2, 1].into(),
        25,
    );
    record.subject = Some("hi".into());
    archive.record(&record).await.unwrap();
    let before = house.backend.entries();
    let withdrawn = house.keep("c@d.example", Terms::durable("held")).await;
    archive.withdraw(&withdrawn).await.unwrap();
    assert_eq!(
        archive.records(&Query::default()).await.unwrap()[0].subject.as_deref(),
        Some("hi")
    );
    let id = house.keep("c@d.example", Terms::durable("held")).await;
    archive
        .label(&id, Label::Spam, &Login::new("carl", LoginBy::Auth))
        .await
        .unwrap();
    let during = house.backend.entries();
    for (part, order) in &during {
        let all = [part.as_slice(), order].concat();
        for text in ["c@d", "ann", "held", "hi", "carl", "spam"] {
            let there = all.windows(text.len()).any(|window| window == text.as_bytes());
            assert!(
                !there || before.iter().any(|entry| entry == &(part.clone(), order.clone())),
                "{text}"
            );
        }
    }
    assert!(archive.delete(&id).await.unwrap());
    assert_eq!(house.backend.entries(), before);
    assert!(!house.file(&id).exists());
    assert_eq!(archive.records(&Query::default()).await.unwrap()[0].subject, None);
}

#[tokio::test]
async fn a_damaged_newer_or_strange_file_is_told_and_left_alone() {
    let mut house = House::new(Settings::default());
    let mut all = Vec::new();
    for _ in 0..6 {
        all.push(house.keep("c@d.example", Terms::durable("held")).await);
        house.clock.forward(Duration::from_secs(1));
    }
    let [damaged, newer, cut, other, good, empty] = all.try_into().unwrap();
    let change = |id: &KeptId, change: &dyn Fn(&mut Vec<u8>)| {
        let mut octets = std::fs::read(house.file(id)).unwrap();
        change(&mut octets);
        std::fs::write(house.file(id), octets).unwrap();
    };
    change(&damaged, &|octets| *octets.iter_mut().rev().nth(30).unwrap() ^= 1);
    change(&newer, &|octets| octets[14] = b'2');
    change(&cut, &|octets| octets.truncate(octets.len() - 20));
    change(&empty, &|octets| octets.clear());
    // One mail's file in the place of another's.
    std::fs::copy(house.file(&good), house.file(&other)).unwrap();
    let strange = house.file(&good).with_file_name("notes.txt");
    std::fs::write(&strange, "mine").unwrap();
    std::fs::write(house.path().join("README"), "mine").unwrap();

    for (id, word) in [
        (&damaged, "checksum of the message"),
        (&newer, "form 2"),
        (&cut, "shorter"),
        (&other, "another id"),
    ] {
        let Err(Fault::Broken(why)) = house.archive().get(id).await else {
            panic!("{id} was read")
        };
        assert!(why.contains(word), "{why}");
    }
    let listed = house.ids(&query(|q| q.recipient = Some("c@d.example".into()))).await;
    assert_eq!(
        listed,
        [good.clone(), damaged.clone()],
        "the head of the damaged one is whole"
    );
    let told = house.archive().check().await.unwrap().lines.join("\n");
    for what in [
        &*damaged.0,
        &*newer.0,
        &*cut.0,
        &*other.0,
        &*empty.0,
        "notes.txt",
        "README",
    ] {
        assert!(told.contains(what), "{what}: {told}");
    }
    assert!(
        !told.contains(&*good.0) && told.ends_with("octets of messages"),
        "{told}"
    );

    house.reopen();
    let mended = house.archive().mend().await.unwrap();
    assert_eq!(mended.unreadable.len(), 3, "{mended:?}");
    assert_eq!(mended.torn, 1, "nothing is in the empty one that could be lost");
    for left in [&house.file(&newer), &house.file(&cut), &house.file(&other), &strange] {
        assert!(left.exists(), "{}", left.display());
    }
    assert!(
        house.archive().delete(&newer).await.unwrap(),
        "who names it may delete it"
    );
    assert_eq!(octets(house.archive(), &good).await, b"Subject: hi\r\n\r\nhello\r\n");
}

#[tokio::test]
async fn a_clean_close_is_believed_only_with_the_store_that_it_was_made_with() {
    let mut house = House::new(Settings::default());
    let id = house.keep("c@d.example", Terms::durable("held")).await;
    assert!(house.archive().needs_mending());
    assert!(!house.archive().mend().await.unwrap().clean);
    assert!(!house.archive().needs_mending());
    house.archive().close().await;
    let late = house.try_keep(&["c@d.example"], Terms::durable("held"), b"x").await;
    assert!(late.is_err(), "nothing changes after the close");
    house.reopen();
    assert!(house.archive().was_closed());
    assert!(house.archive().mend().await.unwrap().clean);
    house.archive().close().await;

    house.backend = house::Logged::nowhere();
    house.reopen();
    assert!(house.ids(&Query::default()).await.is_empty(), "the index is gone");
    let mended = house.archive().mend().await.unwrap();
    assert_eq!((mended.clean, mended.files, mended.added), (false, 1, 1));
    assert_eq!(house.ids(&query(|q| q.domain = Some("d.example".into()))).await, [id]);
    house.reopen();
    assert!(!house.archive().was_closed(), "that end was not clean");
}

#[tokio::test]
async fn a_backup_has_every_mail_and_becomes_an_archive_again() {
    let house = House::new(Settings::default());
    let mut all = [
        house.keep("c@d.example", Terms::durable("held")).await,
        house.keep("e@f.example", Terms::copy("refused")).await,
    ];
    all.sort();
    let by = Login::new("carl", LoginBy::Auth);
    house.archive().label(&all[0], Label::Ham, &by).await.unwrap();
    let to = house.dir.path().join("backup");
    let lines = house.archive().backup(&to).await.unwrap();
    assert!(lines[0].starts_with("2 kept mails linked, 0 copied"), "{lines:?}");
    assert_eq!(mode(&to), 0o700);
    let again = house.archive().backup(&to).await;
    assert!(matches!(again, Err(Fault::Broken(why)) if why.contains("not empty")));
    let within = house.archive().backup(&house.path().join("tmp")).await;
    assert!(matches!(within, Err(Fault::Broken(why)) if why.contains("within")));
    // What happens to the archive later does not reach the backup.
    house.archive().label(&all[0], Label::Spam, &by).await.unwrap();
    assert!(house.archive().delete(&all[1]).await.unwrap());

    let restored = Archive::open(
        &to,
        MemoryStore::store(),
        house.clock.clone(),
        SEED,
        Settings::default(),
    )
    .unwrap();
    assert_eq!(restored.mend().await.unwrap().added, 2);
    let mails = restored.list(&query(|q| q.label = Some(Label::Ham))).await.unwrap();
    assert_eq!((mails.len(), &mails[0].id), (1, &all[0]));
    assert!(restored.get(&all[1]).await.unwrap().is_some());
    assert_eq!(restored.check().await.unwrap().lines.len(), 1);
}

#[tokio::test]
async fn a_store_that_fails_keeps_nothing_half() {
    let house = House::new(Settings::default());
    house.backend.fail(true);
    for terms in [Terms::durable("held"), Terms::copy("refused")] {
        assert!(house.try_keep(&["c@d.example"], terms, b"x").await.is_err());
    }
    house.backend.fail(false);
    assert_eq!(files(&house.path()).len(), 1, "the lock alone");
    assert_eq!(house.backend.entries(), []);
    let id = house.keep("c@d.example", Terms::durable("held")).await;
    assert_eq!(house.ids(&Query::default()).await, [id]);
}

#[tokio::test]
async fn a_null_store_is_a_fault_and_no_mail_is_half_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::new(Arc::new(gatepost_core::null::NoStore));
    let archive = Archive::open(folder.path(), store, FakeClock::new(), SEED, Settings::default()).unwrap();
    let kept = keep(
        &archive,
        FakeClock::START,
        "t",
        &["c@d.example"],
        Terms::durable("held"),
        b"x",
    )
    .await;
    assert!(matches!(kept, Err(Fault::Unavailable(_))));
    assert!(archive.mend().await.is_err() && archive.needs_mending());
}

#[tokio::test]
async fn who_gives_up_waiting_finds_nothing_kept() {
    let house = House::new(Settings::default());
    let whole = house.keep("c@d.example", Terms::durable("held")).await;
    for patience in 0..40 {
        let mut keeping = Box::pin(house.try_keep(&["c@d.example"], Terms::durable("held"), b"x"));
        let mut once = std::task::Context::from_waker(std::task::Waker::noop());
        assert!(keeping.as_mut().poll(&mut once).is_pending(), "it waits for the disk");
        // Given up at this moment or that, even when it is done and nobody has looked yet.
        for _ in 0..patience * 20 {
            tokio::task::yield_now().await;
        }
    }
    while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(house.ids(&Query::default()).await, std::slice::from_ref(&whole));
    assert_eq!(
        files(&house.path()).len(),
        2,
        "the one that was waited for, and the lock"
    );
    assert!(house.archive().delete(&whole).await.unwrap());
    assert_eq!(house.backend.entries(), []);
}

#[tokio::test]
async fn what_is_kept_once_lies_there_once_even_after_a_crash() {
    let mut house = House::new(Settings::default());
    let (at, message) = (
        house.clock.now(),
        Arc::new(Message::from_bytes(b"Subject: hi\r\n\r\n".to_vec())),
    );
    let (from, to) = (
        gatepost_core::Path::reverse("", false).unwrap(),
        gatepost_core::Path::forward("c@d.example", true).unwrap(),
    );
    let terms = Terms::durable("undelivered");
    let keeping = |key: &str, at| Keeping::new("t1", at, &from, vec![&to], &message, &terms).once(key.to_owned());
    let first = house.archive().keep(keeping("one", at)).await.unwrap();
    house.clock.forward(Duration::from_secs(5));
    assert_eq!(house.archive().keep(keeping("one", at)).await.unwrap(), first);
    house.reopen();
    assert_eq!(house.archive().keep(keeping("one", at)).await.unwrap(), first);
    let second = house.archive().keep(keeping("two", at)).await.unwrap();
    let later = house
        .archive()
        .keep(keeping("one", at + Duration::from_secs(1)))
        .await
        .unwrap();
    let mut ids = house.ids(&query(|_| {})).await;
    ids.sort();
    let mut want = vec![first, second, later];
    want.sort();
    assert_eq!(ids, want);
}

#[tokio::test]
async fn what_an_earlier_try_left_is_not_taken_for_what_is_kept_once() {
    let house = House::new(Settings::default());
    let message = Arc::new(Message::from_bytes(b"Subject: hi\r\n\r\n".to_vec()));
    let from = gatepost_core::Path::reverse("", false).unwrap();
    let to = gatepost_core::Path::forward("c@d.example", true).unwrap();
    let terms = Terms::durable("undelivered");
    let at = house.clock.now();
    let keeping = || Keeping::new("t1", at, &from, vec![&to], &message, &terms).once("one".to_owned());
    let id = house.archive().keep(keeping()).await.unwrap();
    assert!(house.archive().delete(&id).await.unwrap());
    std::fs::write(house.path().join("tmp").join(&*id.0), b"a part").unwrap();
    assert_eq!(house.archive().keep(keeping()).await.unwrap(), id);
    assert_eq!(octets(house.archive(), &id).await, b"Subject: hi\r\n\r\n");
}
