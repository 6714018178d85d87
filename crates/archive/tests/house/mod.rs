//! What the tests of the archive share: an archive in a folder of its own, and a store whose log survives its process.

#![allow(dead_code, reason = "each test uses some of it")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::sync::{Arc, Mutex};

use gatepost_archive::{Archive, Settings};
use gatepost_core::{
    Backend, Bytes, Clock, Fault, Keeping, Kept, KeptId, Message, Page, Path, Query, Seed, Store, Swap, Terms, Time,
    async_trait,
};
use gatepost_testkit::{FakeClock, MemoryStore};
use tempfile::TempDir;

pub const SEED: Seed = Seed::new([5; 16]);

/// An archive in a folder of its own, over a store in memory that outlives it.
pub struct House {
    pub dir: TempDir,
    pub backend: Arc<Logged>,
    pub clock: Arc<FakeClock>,
    pub settings: Settings,
    archive: Option<Archive>,
}

impl House {
    pub fn new(settings: Settings) -> House {
        let mut house = House {
            dir: tempfile::tempdir().unwrap(),
            backend: Logged::nowhere(),
            clock: FakeClock::new(),
            settings,
            archive: None,
        };
        house.archive = Some(house.opened());
        house
    }

    pub fn path(&self) -> PathBuf {
        self.dir.path().join("kept")
    }

    fn opened(&self) -> Archive {
        let store = Store::new(Arc::clone(&self.backend) as Arc<dyn Backend>);
        let clock = Arc::clone(&self.clock) as Arc<dyn Clock>;
        Archive::open(&self.path(), store, clock, SEED, self.settings.clone()).unwrap()
    }

    /// Ends the archive without a word and opens it anew.
    pub fn reopen(&mut self) {
        self.archive = None;
        self.archive = Some(self.opened());
    }

    pub fn archive(&self) -> &Archive {
        self.archive.as_ref().unwrap()
    }

    pub async fn keep(&self, to: &str, terms: Terms) -> KeptId {
        self.try_keep(&[to], terms, b"Subject: hi\r\n\r\nhello\r\n")
            .await
            .unwrap()
    }

    pub async fn try_keep(&self, to: &[&str], terms: Terms, octets: &[u8]) -> Result<KeptId, Fault> {
        keep(self.archive(), self.clock.now(), "t1", to, terms, octets).await
    }

    pub async fn ids(&self, query: &Query) -> Vec<KeptId> {
        let found = self.archive().list(query).await.unwrap();
        found.into_iter().map(|mail| mail.id).collect()
    }

    pub fn file(&self, id: &KeptId) -> PathBuf {
        self.path().join(&id.0[..4]).join(&*id.0)
    }
}

pub async fn keep(
    archive: &Archive,
    at: Time,
    transaction: &str,
    to: &[&str],
    terms: Terms,
    octets: &[u8],
) -> Result<KeptId, Fault> {
    let recipients: Vec<Path> = to.iter().map(|to| Path::forward(to, true).unwrap()).collect();
    let from = Path::reverse("ann@b.example", false).unwrap();
    let message = Arc::new(Message::from_bytes(octets.to_vec()));
    archive
        .keep(Keeping::new(
            transaction,
            at,
            &from,
            recipients.iter().collect(),
            &message,
            &terms,
        ))
        .await
}

pub async fn octets(archive: &Archive, id: &KeptId) -> Vec<u8> {
    let (_, message) = archive.get(id).await.unwrap().expect("the mail is there");
    let mut octets = Vec::new();
    message.read().read_to_end(&mut octets).unwrap();
    octets
}

pub fn query(change: impl FnOnce(&mut Query)) -> Query {
    let mut query = Query::default();
    change(&mut query);
    query
}

/// Every file below a folder.
pub fn files(root: &FilePath) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found
}

/// A store in memory that writes each change to a log first, as a real one does without syncing: the log survives the end
/// of its process, and losing its tail is what a power cut does.
pub struct Logged {
    memory: Arc<MemoryStore>,
    log: Mutex<Log>,
}

#[derive(Default)]
struct Log {
    file: Option<File>,
    changes: Vec<Vec<Vec<u8>>>,
    broken: bool,
}

impl Logged {
    pub fn nowhere() -> Arc<Logged> {
        Arc::new(Logged {
            memory: MemoryStore::new(),
            log: Mutex::default(),
        })
    }

    /// The store whose log lies here.
    pub async fn at(path: &FilePath) -> Arc<Logged> {
        let logged = Logged::nowhere();
        let mut all = Vec::new();
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        file.read_to_end(&mut all).unwrap();
        for change in read_log(&all) {
            logged.play(&change).await;
        }
        logged.log.lock().unwrap().file = Some(file);
        logged
    }

    /// A store that has lost the last `lost` changes of this one.
    pub async fn without_last(&self, lost: usize) -> Arc<Logged> {
        let changes = self.log.lock().unwrap().changes.clone();
        let logged = Logged::nowhere();
        for change in &changes[..changes.len().saturating_sub(lost)] {
            logged.play(change).await;
        }
        logged
    }

    pub fn changes(&self) -> usize {
        self.log.lock().unwrap().changes.len()
    }

    /// From now on every change fails, or none.
    pub fn fail(&self, fail: bool) {
        self.log.lock().unwrap().broken = fail;
    }

    /// Every entry of every partition that is left, in order: what was inserted and not removed.
    pub fn entries(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut left = std::collections::BTreeSet::new();
        for change in &self.log.lock().unwrap().changes {
            match (change[0].as_slice(), change) {
                (b"insert", change) => drop(left.insert((change[1].clone(), change[2].clone()))),
                (b"remove", change) => drop(left.remove(&(change[1].clone(), change[2].clone()))),
                _ => {}
            }
        }
        left.into_iter().collect()
    }

    /// Calls for each key that is set, with its value.
    pub fn each_put(&self, mut each: impl FnMut(&[u8], &[u8])) {
        let mut left = std::collections::BTreeMap::new();
        for change in &self.log.lock().unwrap().changes {
            match change[0].as_slice() {
                b"put" => drop(left.insert(change[1].clone(), change[2].clone())),
                b"gone" => drop(left.remove(&change[1])),
                _ => {}
            }
        }
        left.iter().for_each(|(key, value)| each(key, value));
    }

    /// The key that was set last.
    pub fn last_put(&self) -> Vec<u8> {
        let log = self.log.lock().unwrap();
        let last = log.changes.iter().rev().find(|change| change[0] == b"put");
        last.expect("something was set")[1].clone()
    }

    async fn play(&self, change: &[Vec<u8>]) {
        match change[0].as_slice() {
            b"put" => self.memory.put(&change[1], &change[2], None).await.unwrap(),
            b"gone" => {
                let was = self.memory.get(&change[1], FakeClock::START).await.unwrap();
                let swap = self
                    .memory
                    .swap(&change[1], was.as_deref(), None, None, FakeClock::START);
                assert_eq!(swap.await, Ok(Swap::Done));
            }
            b"insert" => self.memory.insert(&change[1], &change[2], &change[3]).await.unwrap(),
            _ => self.memory.remove(&change[1], &change[2]).await.unwrap(),
        }
        self.log.lock().unwrap().changes.push(change.to_vec());
    }

    fn write(&self, change: &[&[u8]]) -> Result<(), Fault> {
        let mut log = self.log.lock().unwrap();
        if log.broken {
            return Err(Fault::Unavailable("the store"));
        }
        let mut line = Vec::new();
        for part in change {
            line.extend_from_slice(&(part.len() as u32).to_be_bytes());
            line.extend_from_slice(part);
        }
        let mut all = (line.len() as u32).to_be_bytes().to_vec();
        all.extend_from_slice(&line);
        if let Some(file) = &mut log.file {
            file.write_all(&all).unwrap();
        }
        log.changes.push(change.iter().map(|part| part.to_vec()).collect());
        Ok(())
    }
}

/// The whole changes of a log; its last one may be torn.
fn read_log(mut all: &[u8]) -> Vec<Vec<Vec<u8>>> {
    fn piece<'a>(all: &mut &'a [u8]) -> Option<&'a [u8]> {
        let (len, rest) = all.split_first_chunk::<4>()?;
        let (piece, rest) = rest.split_at_checked(u32::from_be_bytes(*len) as usize)?;
        *all = rest;
        Some(piece)
    }
    let mut changes = Vec::new();
    while let Some(mut line) = piece(&mut all) {
        let mut change = Vec::new();
        while let Some(part) = piece(&mut line) {
            change.push(part.to_vec());
        }
        changes.push(change);
    }
    changes
}

#[async_trait]
impl Backend for Logged {
    async fn get(&self, key: &[u8], now: Time) -> Result<Option<Bytes>, Fault> {
        self.memory.get(key, now).await
    }
    async fn put(&self, key: &[u8], value: &[u8], until: Option<Time>) -> Result<(), Fault> {
        self.write(&[b"put", key, value])?;
        self.memory.put(key, value, until).await
    }
    async fn swap(
        &self,
        key: &[u8],
        was: Option<&[u8]>,
        new: Option<&[u8]>,
        until: Option<Time>,
        now: Time,
    ) -> Result<Swap, Fault> {
        let swapped = self.memory.swap(key, was, new, until, now).await?;
        if swapped == Swap::Done {
            match new {
                Some(new) => self.write(&[b"put", key, new])?,
                None => self.write(&[b"gone", key])?,
            }
        }
        Ok(swapped)
    }
    async fn add(&self, key: &[u8], by: i64, until: Time, now: Time) -> Result<i64, Fault> {
        self.memory.add(key, by, until, now).await
    }
    async fn insert(&self, part: &[u8], order: &[u8], value: &[u8]) -> Result<(), Fault> {
        self.write(&[b"insert", part, order, value])?;
        self.memory.insert(part, order, value).await
    }
    async fn remove(&self, part: &[u8], order: &[u8]) -> Result<(), Fault> {
        self.write(&[b"remove", part, order])?;
        self.memory.remove(part, order).await
    }
    async fn range(&self, part: &[u8], range: Range<&[u8]>, newest: bool, limit: usize) -> Result<Page, Fault> {
        self.memory.range(part, range, newest, limit).await
    }
    async fn trim(&self, part: &[u8], before: &[u8]) -> Result<u64, Fault> {
        self.memory.trim(part, before).await
    }
}
