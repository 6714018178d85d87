//! What the tests of the spool have in common.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_macros,
    reason = "each test takes what it needs, and a child talks by its output"
)]

use std::path::{Path as FilePath, PathBuf};
use std::sync::Arc;

use gatepost_core::message::Edits;
use gatepost_core::queue::Caller;
use gatepost_core::smtp::{MailParams, Path, RcptParams, Time};
use gatepost_core::{Client, Direction, Message, NotTaken, Visit};
use gatepost_queue::spool::{Entry, Found, Head, New, Quota, Settings, Spool};

pub const AT: Time = Time::from_secs(1_767_614_400);

/// No test looks at how full the disk is that it runs on.
pub fn settings() -> Settings {
    Settings {
        reserve: 0,
        ..Settings::default()
    }
}

pub fn open(folder: &FilePath) -> (Spool, Found) {
    Spool::open(folder, settings()).unwrap()
}

pub fn new(domain: &str, transaction: &str, octets: Vec<u8>) -> New {
    let visit = Visit::new(Direction::Inbound, "mx".into(), Client::new([192, 0, 2, 1].into(), 25));
    let to = Path::forward(&format!("carl@{domain}"), false).unwrap();
    let head = Head {
        domain: domain.into(),
        transaction: transaction.into(),
        at: AT,
        route: "default".into(),
        caller: Caller::of(&visit),
        from: Path::reverse("ann@b.example", false).unwrap(),
        params: MailParams::default(),
        recipients: vec![(to.clone(), RcptParams::default()), (to, RcptParams::default())],
        proven: false,
        notice: false,
    };
    New {
        head,
        message: Arc::new(Edits::new().apply(&Message::from_bytes(octets))),
        quota: Quota::NONE,
    }
}

pub async fn accept(spool: &Spool, domain: &str, transaction: &str, octets: Vec<u8>) -> Result<Entry, NotTaken> {
    let mut taken = spool.accept(vec![new(domain, transaction, octets)]).await?;
    Ok(taken.pop().unwrap())
}

pub async fn octets(spool: &Spool, entry: &Entry) -> Vec<u8> {
    let (_, message) = spool.read(entry).await.unwrap();
    let mut all = Vec::new();
    std::io::Read::read_to_end(&mut message.read(), &mut all).unwrap();
    all
}

/// All files below a folder, but the lock.
pub fn files(root: &FilePath) -> Vec<PathBuf> {
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

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
}

/// A line of a child, whatever the test's own output is in the middle of.
pub fn say(line: &str) {
    println!("\n{line}");
}
