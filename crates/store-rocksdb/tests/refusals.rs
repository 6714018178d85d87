//! Folders that are refused and left as they are, and backups.

mod house;

use std::fs;
use std::io::{BufRead, BufReader};

use gatepost_core::Backend;
use gatepost_store_rocksdb::{OpenError, RocksDb};
use house::{NOW, child, child_folder, files, open};

#[test]
fn a_second_opening_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Locked(_))));
}

/// The child: has the store open until it is killed.
#[test]
#[allow(clippy::disallowed_macros, reason = "it tells its parent that it is ready")]
fn child_that_has_the_store() {
    let Some(folder) = child_folder() else { return };
    let _store = open(&folder).unwrap();
    println!("\nopen");
    loop {
        std::thread::park();
    }
}

#[tokio::test]
async fn a_store_of_another_process_is_neither_opened_nor_restored_over() {
    let dir = tempfile::tempdir().unwrap();
    let (path, backup) = (dir.path().join("store"), dir.path().join("backup"));
    {
        let store = open(&path).unwrap();
        store.put(b"k", b"v", None).await.unwrap();
        store.backup(&backup).await.unwrap();
    }
    let mut other = child("child_that_has_the_store", &path, "").spawn().unwrap();
    let lines = BufReader::new(other.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "open"));
    let (opened, restored) = (open(&path).map(|_| ()), RocksDb::restore(&backup, &path).map(|_| ()));
    other.kill().unwrap();
    other.wait().unwrap();
    for refused in [opened, restored] {
        let error = refused.unwrap_err();
        assert!(matches!(error, OpenError::Locked(_)), "{error}");
        assert!(error.to_string().contains("another process has this store open"));
    }
    let store = open(&path).unwrap();
    assert!(store.get(b"k", NOW).await.unwrap().is_some(), "nothing was moved");
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "and nothing lies beside it"
    );
}

#[test]
fn a_directory_that_cannot_be_used_is_told_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "mine").unwrap();
    // Root may write anywhere but there.
    for path in [
        file.clone(),
        file.join("below"),
        "/proc/self".into(),
        "/proc/self/store".into(),
    ] {
        let error = open(&path).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Directory(..)), "{}: {error}", path.display());
        assert!(error.to_string().contains("must belong to the user"), "{error}");
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn a_damaged_store_is_told_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    fs::write(dir.path().join("CURRENT"), "MANIFEST-999999\n").unwrap();
    let before = files(dir.path());
    assert!(matches!(
        open(dir.path()),
        Err(OpenError::Corrupt(..) | OpenError::Directory(..))
    ));
    let after = files(dir.path());
    for (name, octets) in before.iter().filter(|(name, _)| !name.starts_with("LOG")) {
        assert_eq!(after.get(name), Some(octets), "{name} is as it was");
    }
}

#[test]
fn a_store_of_a_newer_form_is_refused_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path()).unwrap());
    {
        let options = rocksdb::Options::default();
        let db = rocksdb::DB::open_cf(&options, dir.path(), ["keys", "ordered"]).unwrap();
        db.put(b"form", [9]).unwrap();
    }
    for _ in 0..2 {
        let error = open(dir.path()).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Newer(_, 9)), "{error}");
        assert!(error.to_string().contains("run the newer one"), "{error}");
    }
}

#[tokio::test]
async fn a_damaged_file_is_found_by_check_and_by_restore() {
    let dir = tempfile::tempdir().unwrap();
    let (path, backup) = (dir.path().join("store"), dir.path().join("backup"));
    {
        let store = open(&path).unwrap();
        for n in 0..5_000u32 {
            store
                .put(&n.to_be_bytes(), &n.to_be_bytes().repeat(25), None)
                .await
                .unwrap();
        }
        store.compact().await.unwrap();
        store.check(NOW).await.unwrap();
        store.backup(&backup).await.unwrap();
    }
    let table = |folder: &std::path::Path| {
        let tables = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        tables
            .filter(|path| path.extension().is_some_and(|end| end == "sst"))
            .max_by_key(|path| fs::metadata(path).unwrap().len())
            .unwrap()
    };
    // A link of the backup is the file of the store: the store gets a damaged one of its own.
    let damage = |path: &std::path::Path| {
        let mut octets = fs::read(path).unwrap();
        let middle = octets.len() / 2;
        octets[middle] ^= 0xff;
        fs::remove_file(path).unwrap();
        fs::write(path, octets).unwrap();
    };
    damage(&table(&path));
    {
        let store = open(&path).unwrap();
        assert!(store.check(NOW).await.is_err(), "a flipped octet is seen");
    }
    damage(&table(&backup));
    let before = files(&path);
    let error = RocksDb::restore(&backup, &path).unwrap_err();
    assert!(matches!(&error, OpenError::Corrupt(of, _) if *of == backup), "{error}");
    assert_eq!(files(&path), before, "the store was not touched");
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "and nothing is left beside it"
    );
}

#[tokio::test]
async fn a_backup_is_of_one_moment_and_comes_back_beside_what_was_there() {
    let dir = tempfile::tempdir().unwrap();
    let (path, backup) = (dir.path().join("store"), dir.path().join("backup"));
    let store = std::sync::Arc::new(open(&path).unwrap());
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for n in 0..20_000u32 {
                store.put(&n.to_be_bytes(), b"v", None).await.unwrap();
                if n % 64 == 0 {
                    tokio::task::yield_now().await;
                }
            }
        })
    };
    store.backup(&backup).await.unwrap();
    assert!(
        store.backup(&backup).await.is_err(),
        "a backup is written over by nothing"
    );
    writer.await.unwrap();
    drop(store);
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o700);

    let lines = RocksDb::restore(&backup, &path).unwrap();
    assert!(
        lines.iter().any(|line| line.contains("store.before-restore-1")),
        "{lines:?}"
    );
    let back = open(&path).unwrap();
    let mut gone = false;
    for n in 0..20_000u32 {
        let there = back.get(&n.to_be_bytes(), NOW).await.unwrap().is_some();
        assert!(
            !(gone && there),
            "what was written after another is not there without it"
        );
        gone |= !there;
    }
    let aside = open(&dir.path().join("store.before-restore-1")).unwrap();
    assert!(aside.get(&19_999u32.to_be_bytes(), NOW).await.unwrap().is_some());
    // A backup may be restored again, and where there is nothing yet.
    RocksDb::restore(&backup, &dir.path().join("fresh")).unwrap();
    let error = RocksDb::restore(&dir.path().join("nowhere"), &path).unwrap_err();
    assert!(error.to_string().contains("no backup"), "{error}");
}
