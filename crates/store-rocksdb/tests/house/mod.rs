//! What the tests of the store share: a clock that is set by hand, and this test binary again as a child.
#![allow(dead_code, reason = "each test binary takes what it needs")]

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatepost_core::{Clock, Time};
use gatepost_store_rocksdb::{OpenError, RocksDb, Settings};

/// A clock that stands where it is put.
pub struct Hand(AtomicU64);

impl Hand {
    pub fn at(time: Time) -> Arc<Hand> {
        Arc::new(Hand(AtomicU64::new(time.millis())))
    }

    pub fn put(&self, time: Time) {
        self.0.store(time.millis(), Ordering::SeqCst);
    }
}

impl Clock for Hand {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::SeqCst))
    }
}

pub const NOW: Time = Time::from_secs(1_000_000);

pub fn open(path: &Path) -> Result<RocksDb, OpenError> {
    RocksDb::open(path, Settings::default(), Hand::at(NOW))
}

/// This test binary as a child that runs one of its tests, told what it is by `STORE_CHILD`. `limits` is shell before it.
pub fn child(test: &str, folder: &Path, limits: &str) -> Command {
    let mut command = Command::new("bash");
    command
        .args(["-c", &format!("{limits} exec \"$0\" --exact {test} --nocapture")])
        .arg(std::env::current_exe().expect("this binary"))
        .env("STORE_CHILD", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Says a line in one write, so that the lines of several threads do not mix, nor with the harness's.
pub fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out
        .write_all(format!("\n{line}\n").as_bytes())
        .and_then(|()| out.flush());
}

/// The folder that a child works on; nothing in the parent.
#[allow(
    clippy::disallowed_methods,
    reason = "a test that is started again by itself is told so by the environment"
)]
pub fn child_folder() -> Option<std::path::PathBuf> {
    std::env::var_os("STORE_CHILD").map(Into::into)
}

/// All files below a folder with their octets, by name.
pub fn files(folder: &Path) -> std::collections::BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten();
    entries
        .filter(|entry| entry.path().is_file())
        .map(|entry| {
            let octets = std::fs::read(entry.path()).expect("a file");
            (entry.file_name().to_string_lossy().into_owned(), octets)
        })
        .collect()
}
