//! The index made to agree with the files, after an end that was not clean.
//!
//! **Invariant:** files are the truth. A file that is not in the index is put in, an entry without a file goes, and a file
//! that cannot be read is told and left alone; only what a power cut left of a copy (nothing in it, or less than it says)
//! is removed, because nobody relied on it. Mail that comes and goes meanwhile is not touched: each step holds its mail
//! and looks again.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use gatepost_core::{Fault, KeptId, Time};

use crate::form::Unreadable;
use crate::inner::{CLEAN, Inner, disk};
use crate::read::{self, ReadError};

/// Entries that are read at a time.
const PAGE: usize = 1_000;
/// Files that are read at a time.
const BATCH: usize = 100;
/// The most lines about files that cannot be read.
const LINES: usize = 100;
/// Files that were written within this time before the newest are looked into, whatever the index says of them: a store
/// that lost the last of its log in a power cut may not know what became of them. Linux writes such a log out within
/// half a minute.
const DOUBT: Duration = Duration::from_secs(600);

/// What was mended.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Mended {
    /// The last close was clean, so there was nothing to look at.
    pub clean: bool,
    /// Files that were there.
    pub files: u64,
    /// Files that were put into the index.
    pub added: u64,
    /// Entries that led nowhere and were dropped.
    pub dropped: u64,
    /// Files that were being written when the last process ended; they were removed at the start.
    pub temporary: u64,
    /// What a power cut had left of copies; removed.
    pub torn: u64,
    /// Files that cannot be read, in words; left alone.
    pub unreadable: Vec<String>,
}

/// The first of all ids behind a folder's.
fn behind(shard: &str) -> Vec<u8> {
    [shard.as_bytes(), b"\xff"].concat()
}

impl Inner {
    /// Makes the index agree with the files.
    pub async fn mend(&self) -> Result<Mended, Fault> {
        let mut mended = Mended {
            temporary: self.temporary,
            ..Mended::default()
        };
        self.open()?;
        if self.mended.load(Ordering::Acquire) {
            mended.clean = true;
            return Ok(mended);
        }
        let stored = self.store.get(CLEAN, Time::from_millis(0)).await?;
        if let (Some(token), Some(stored)) = (&self.token, &stored)
            && token.as_bytes() == stored.as_ref()
        {
            mended.clean = true;
            self.mended.store(true, Ordering::Release);
            return Ok(mended);
        }
        let shards = self.on_files(|place| place.shards()).await?;
        let shards = shards
            .map_err(|error| disk(&error, "reading the archive's folder"))?
            .ours;
        // When the newest file was written: the clock of the machine is asked for nothing else here.
        let mut doubt = None;
        for shard in &shards {
            let shard = shard.clone();
            let files = self.on_files(move |place| dated(place, &shard)).await?;
            let files = files.map_err(|error| disk(&error, "reading the archive's folder"))?;
            doubt = doubt.max(files.iter().filter_map(|(_, written)| written.checked_sub(DOUBT)).max());
        }
        let mut from = Vec::new();
        // The newest folders first would be nicer to who lists meanwhile; the oldest first is simpler to bound.
        for shard in &shards {
            let to = behind(shard);
            self.mend_part(Some(shard), &from, &to, doubt, &mut mended).await?;
            from = to;
        }
        self.mend_part(None, &from, b"", doubt, &mut mended).await?;
        self.mended.store(true, Ordering::Release);
        Ok(mended)
    }

    /// Mends the mails of one folder, and drops the entries between it and the one before.
    async fn mend_part(
        &self,
        shard: Option<&str>,
        from: &[u8],
        to: &[u8],
        doubt: Option<SystemTime>,
        mended: &mut Mended,
    ) -> Result<(), Fault> {
        let mut rows: HashMap<KeptId, bool> = HashMap::new();
        let mut next = from.to_vec();
        loop {
            let (page, more) = self.index.page(&next..to, PAGE).await?;
            if let Some((last, _)) = page.last() {
                next = [last.0.as_bytes(), b"\0"].concat();
            }
            let read = page.len();
            rows.extend(page);
            if !more || read == 0 {
                break;
            }
            tokio::task::yield_now().await;
        }
        let files = match shard {
            None => Vec::new(),
            Some(shard) => {
                let shard = shard.to_owned();
                let files = self.on_files(move |place| dated(place, &shard)).await?;
                files.map_err(|error| disk(&error, "reading the archive's folder"))?
            }
        };
        mended.files += files.len() as u64;
        let mut missing = Vec::new();
        for (id, written) in files {
            let finished = rows.remove(&id);
            let recent = doubt.is_none_or(|doubt| written >= doubt);
            if recent || finished != Some(true) {
                missing.push(id);
            }
        }
        while !missing.is_empty() {
            let some = missing.split_off(missing.len().saturating_sub(BATCH));
            self.mend_files(some, mended).await?;
        }
        for id in rows.into_keys() {
            let Some(_hold) = self.busy.try_hold(&id) else { continue };
            let wanted = id.clone();
            if self.on_files(move |place| place.is_there(&wanted)).await? {
                continue;
            }
            if let Some(sheet) = self.index.sheet(&id).await? {
                // A deletion that a power cut took back in part is done again.
                self.records.scrub(&sheet.record).await?;
                self.index.remove(&id, &sheet).await?;
                mended.dropped += 1;
            }
        }
        Ok(())
    }

    /// Looks into some files and puts those into the index that are not in it as they should.
    async fn mend_files(&self, ids: Vec<KeptId>, mended: &mut Mended) -> Result<(), Fault> {
        let held = self.try_hold_all(ids);
        let ids: Vec<KeptId> = held.iter().map(|(id, _)| id.clone()).collect();
        let heads: Vec<_> = self
            .on_files(move |place| {
                let read = |id: &KeptId| read::open(place, id).map(|opened| opened.map(|opened| opened.head));
                ids.iter().map(read).collect()
            })
            .await?;
        let mut torn = Vec::new();
        for ((id, hold), head) in held.into_iter().zip(heads) {
            match head {
                Ok(None) => {}
                Ok(Some(head)) => {
                    let (was, mut sheet) = (self.index.sheet(&id).await?, self.index.sheet_of(&head));
                    sheet.finished = true;
                    if was.as_ref() != Some(&sheet) {
                        self.index.replace(&id, was.as_ref(), sheet).await?;
                        mended.added += 1;
                    }
                }
                Err(ReadError::Io(error)) => return Err(disk(&error, "reading a kept mail")),
                Err(ReadError::Unreadable(Unreadable::Empty | Unreadable::Short { durable: false })) => {
                    torn.push((id, hold));
                }
                Err(error) => {
                    tracing::error!(%id, %error, "a kept mail cannot be read; its file is left alone");
                    if mended.unreadable.len() < LINES {
                        let path = self.place.file(&id);
                        mended.unreadable.push(format!("{} {error}", path.display()));
                    }
                }
            }
        }
        mended.torn += torn.len() as u64;
        if !torn.is_empty() {
            self.remove(torn, true, false).await?;
        }
        Ok(())
    }
}

/// The mails of a folder, each with when its file was written.
fn dated(place: &crate::place::Place, shard: &str) -> std::io::Result<Vec<(KeptId, SystemTime)>> {
    let mut files = Vec::new();
    for name in place.mails(shard)?.ours {
        let id = KeptId(name.into());
        match std::fs::metadata(place.file(&id)) {
            Ok(metadata) => files.push((id, metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}
