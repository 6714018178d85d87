//! Folders that are refused and left as they are, and backups.

mod house;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;

use gatepost_core::Backend;
use gatepost_store_rocksdb::{OpenError, RocksDb};
use house::{NOW, child, child_folder, files, open, say};

#[test]
fn a_second_opening_is_refused_and_the_first_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let _first = open(dir.path()).unwrap();
    assert!(matches!(open(dir.path()), Err(OpenError::Locked(..))));
}

/// The child: has the store open until it is killed.
#[test]
fn child_that_has_the_store() {
    let Some(folder) = child_folder() else { return };
    let _store = open(&folder).unwrap();
    say("open");
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
    let before = files(&path);
    let refused = [
        open(&path).map(|_| ()),
        RocksDb::restore(&backup, &path).map(|_| ()),
        RocksDb::restore(&path, &dir.path().join("elsewhere")).map(|_| ()),
    ];
    assert_eq!(files(&path), before, "not a file was changed, made or removed");
    let number = other.id();
    other.kill().unwrap();
    other.wait().unwrap();
    for refused in refused {
        let error = refused.unwrap_err();
        assert!(
            matches!(error, OpenError::Locked(_, Some(holder)) if holder == number),
            "{error}"
        );
        let words = format!("another process has this store open, number {number}");
        assert!(error.to_string().contains(&words), "{error}");
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

/// A store with something in a table and something in a log.
async fn filled(path: &Path) {
    let store = open(path).unwrap();
    for n in 0..500u32 {
        store.put(&n.to_be_bytes(), &[7; 50], None).await.unwrap();
        store.insert(b"p", &n.to_be_bytes(), b"v").await.unwrap();
    }
    store.compact().await.unwrap();
    store.put(b"in the log", b"v", None).await.unwrap();
}

/// A database that no Gatepost, or no Gatepost of today, has made.
fn strange(path: &Path, families: &[&str], form: Option<u8>) {
    let mut options = rocksdb::Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    let db = rocksdb::DB::open_cf(&options, path, families).unwrap();
    match form {
        Some(form) => db.put(b"form", [form]).unwrap(),
        None => db.put(b"somebody's", b"own").unwrap(),
    }
}

#[tokio::test]
async fn a_store_of_a_newer_form_is_refused_and_not_a_file_is_changed() {
    for (families, form, words) in [
        (&["keys", "ordered"][..], 9, "form 9"),
        (&["keys", "ordered", "later"], 9, "form 9"),
        (&["keys", "ordered", "later"], 1, "parts named later"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        filled(dir.path()).await;
        strange(dir.path(), families, Some(form));
        // Once before, so that the lock's file names this process.
        open(dir.path()).map(|_| ()).unwrap_err();
        let before = files(dir.path());
        let error = open(dir.path()).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Newer(..)), "{error}");
        let text = error.to_string();
        assert!(text.contains(words) && text.contains("run the newer one"), "{error}");
        assert_eq!(files(dir.path()), before);
        let to = dir.path().with_extension("to");
        let error = RocksDb::restore(dir.path(), &to).unwrap_err();
        assert!(matches!(&error, OpenError::Newer(of, _) if of == dir.path()), "{error}");
        assert!(!to.exists());
    }
}

#[test]
fn another_programs_database_is_refused_and_not_a_file_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    strange(dir.path(), &["default"], None);
    let mut before = files(dir.path());
    let error = open(dir.path()).map(|_| ()).unwrap_err();
    assert!(error.to_string().contains("another program's"), "{error}");
    before.insert("gatepost.lock".into(), std::process::id().to_string().into());
    assert_eq!(files(dir.path()), before, "but for the lock's file");
}

/// The files that a store had are still there as they were. `LOG` is RocksDB's report.
fn nothing_is_lost(path: &Path, before: &BTreeMap<String, Vec<u8>>, what: &str) {
    let after = files(path);
    for (name, octets) in before.iter().filter(|(name, _)| !name.starts_with("LOG")) {
        assert!(after.get(name) == Some(octets), "{what}: {name} is as it was");
    }
}

#[tokio::test]
async fn a_store_that_lost_a_file_is_told_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    filled(&whole).await;
    let names: Vec<String> = files(&whole).into_keys().collect();
    let needed = |name: &&String| *name == "CURRENT" || name.starts_with("MANIFEST") || name.ends_with(".sst");
    assert!(names.iter().filter(needed).count() >= 4, "{names:?}");
    for lost in names.iter().filter(needed) {
        let path = dir.path().join(format!("without-{lost}"));
        fs::create_dir(&path).unwrap();
        for (name, octets) in files(&whole).into_iter().filter(|(name, _)| name != lost) {
            fs::write(path.join(name), octets).unwrap();
        }
        let before = files(&path);
        let error = open(&path).map(|_| ()).unwrap_err();
        assert!(matches!(error, OpenError::Corrupt(..)), "{lost}: {error}");
        assert!(error.to_string().contains("restore a backup"), "{lost}: {error}");
        nothing_is_lost(&path, &before, lost);
    }
}

#[tokio::test]
async fn a_list_of_files_that_was_cut_short_costs_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, backup) = (dir.path().join("whole"), dir.path().join("backup"));
    filled(&whole).await;
    let store = open(&whole).unwrap();
    store.backup(&backup).await.unwrap();
    drop(store);
    for (of, is_backup) in [(&whole, false), (&backup, true)] {
        let all = files(of);
        let (list, octets) = all.iter().find(|(name, _)| name.starts_with("MANIFEST")).unwrap();
        for length in (0..octets.len()).step_by(5) {
            let path = dir.path().join("cut");
            fs::create_dir(&path).unwrap();
            for (name, octets) in &all {
                let octets = if name == list { &octets[..length] } else { &octets[..] };
                fs::write(path.join(name), octets).unwrap();
            }
            let before = files(&path);
            let error = if is_backup {
                RocksDb::restore(&path, &dir.path().join("to")).unwrap_err()
            } else {
                open(&path).map(|_| ()).unwrap_err()
            };
            assert!(matches!(error, OpenError::Corrupt(..)), "{length}: {error}");
            nothing_is_lost(&path, &before, &format!("{list} at {length}"));
            fs::remove_dir_all(&path).unwrap();
        }
    }
    assert!(!dir.path().join("to").exists());
}

#[tokio::test]
async fn damage_anywhere_is_told_or_harmless_and_what_is_refused_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let whole = dir.path().join("whole");
    filled(&whole).await;
    let all = files(&whole);
    let (mut refused, mut found, mut opened) = (0, 0, 0);
    for (name, octets) in all
        .iter()
        .filter(|(name, octets)| !name.starts_with("LOG") && !octets.is_empty())
    {
        let length = octets.len();
        for at in [0, length / 3, length / 2, length - 1] {
            for cut in [true, false] {
                let what = format!("{name} at {at}, {}", if cut { "cut" } else { "flipped" });
                let path = dir.path().join("damaged");
                fs::create_dir(&path).unwrap();
                let mut damaged = octets.clone();
                if cut {
                    damaged.truncate(at);
                } else {
                    damaged[at] ^= 0x55;
                }
                for (other, octets) in &all {
                    fs::write(path.join(other), if other == name { &damaged } else { octets }).unwrap();
                }
                fs::write(path.join("gatepost.lock"), std::process::id().to_string()).unwrap();
                let before = files(&path);
                match open(&path) {
                    Err(error) => {
                        assert!(
                            matches!(error, OpenError::Corrupt(..) | OpenError::Newer(..)),
                            "{what}: {error}"
                        );
                        nothing_is_lost(&path, &before, &what);
                        refused += 1;
                    }
                    // What is there is as it was written, whatever is missing.
                    Ok(store) => match store.check(NOW).await {
                        Err(_) => found += 1,
                        Ok(_) => {
                            for n in 0..500u32 {
                                let value = store.get(&n.to_be_bytes(), NOW).await.unwrap();
                                assert_eq!(value.as_deref(), Some(&[7; 50][..]), "{what}");
                            }
                            opened += 1;
                        }
                    },
                }
                fs::remove_dir_all(&path).unwrap();
            }
        }
    }
    // A log that ends early is what a power cut leaves; the lock's file and the names of files that are not read matter not.
    assert!(refused >= 10 && found >= 2 && opened >= 2, "{refused} {found} {opened}");
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
    let table = |folder: &Path| {
        let tables = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        tables
            .filter(|path| path.extension().is_some_and(|end| end == "sst"))
            .max_by_key(|path| fs::metadata(path).unwrap().len())
            .unwrap()
    };
    // A link of the backup is the file of the store: the store gets a damaged one of its own.
    let damage = |path: &Path| {
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

#[tokio::test]
async fn a_log_that_is_damaged_in_its_middle_is_kept_and_no_backup() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("store");
    {
        let store = open(&path).unwrap();
        for n in 0..1_000u32 {
            store
                .put(&n.to_be_bytes(), &n.to_be_bytes().repeat(25), None)
                .await
                .unwrap();
        }
    }
    let log = |folder: &Path| {
        let logs = fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
        let logs = logs.filter(|path| path.extension().is_some_and(|end| end == "log"));
        logs.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap()
    };
    let beside = |dir: &Path| {
        let names = fs::read_dir(dir).unwrap().flatten();
        names
            .map(|entry| entry.file_name().into_string().unwrap())
            .collect::<std::collections::BTreeSet<_>>()
    };
    // A log that ends early is what a process leaves that ends in the middle of a write.
    let whole = fs::read(log(&path)).unwrap();
    fs::write(log(&path), &whole[..whole.len() - 50]).unwrap();
    let torn = dir.path().join("torn");
    RocksDb::restore(&path, &torn).unwrap();
    drop(open(&torn).unwrap());
    assert_eq!(beside(dir.path()), ["store", "torn"].map(String::from).into());

    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 0xff;
    fs::write(log(&path), &damaged).unwrap();
    let error = RocksDb::restore(&path, &torn).unwrap_err();
    assert!(matches!(&error, OpenError::Corrupt(of, _) if *of == path), "{error}");
    assert!(error.to_string().contains("its log"), "{error}");
    assert_eq!(
        beside(dir.path()),
        ["store", "torn"].map(String::from).into(),
        "nothing was moved"
    );

    let store = open(&path).unwrap();
    assert!(
        store.get(&0u32.to_be_bytes(), NOW).await.unwrap().is_some(),
        "what lies before is there"
    );
    assert!(
        store.get(&999u32.to_be_bytes(), NOW).await.unwrap().is_none(),
        "what lies behind is not"
    );
    let kept = dir.path().join("store.damaged-log-1");
    assert_eq!(fs::read(log(&kept)).unwrap(), damaged, "and nothing of it is deleted");
    drop(store);
    drop(open(&path).unwrap());
    assert!(
        !dir.path().join("store.damaged-log-2").exists(),
        "once, for it is mended"
    );
}
