//! The laws of an archive, on ours.

use std::sync::{Arc, Mutex};

use gatepost_archive::{Archive, Settings};
use gatepost_core::Seed;
use gatepost_testkit::{FakeClock, MemoryStore, laws};

#[test]
fn the_archive_keeps_the_laws() {
    let folders = Mutex::new(Vec::new());
    laws::kept::run(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("kept");
        folders.lock().unwrap().push(folder);
        let archive = Archive::open(
            &path,
            MemoryStore::store(),
            FakeClock::new(),
            Seed::new([1; 16]),
            Settings::default(),
        );
        Arc::new(archive.unwrap())
    });
}
