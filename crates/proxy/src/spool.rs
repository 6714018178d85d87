//! Where a message lies between 354 and its answer: in memory, and beyond a bound in a file that has no name.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use gatepost_core::message::{Content, HEAD_MAX, Message, split};

use crate::alarm;

/// How much the messages of all sessions may take, together.
#[derive(Debug)]
pub struct Room {
    dir: PathBuf,
    per_message: usize,
    memory: Quota,
    disk: Quota,
}

#[derive(Debug)]
struct Quota {
    limit: u64,
    used: AtomicU64,
}

impl Quota {
    fn new(limit: u64) -> Quota {
        Quota {
            limit,
            used: AtomicU64::new(0),
        }
    }

    fn take(&self, octets: u64) -> bool {
        self.used
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |used| {
                used.checked_add(octets).filter(|sum| *sum <= self.limit)
            })
            .is_ok()
    }

    fn give(&self, octets: u64) {
        self.used.fetch_sub(octets, Ordering::AcqRel);
    }
}

impl Room {
    /// Room for messages: at most `per_message` octets of one in memory, `memory` of all; what goes beyond lies in
    /// nameless files in `dir`, at most `disk` octets in all.
    pub fn new(dir: PathBuf, per_message: usize, memory: u64, disk: u64) -> Room {
        Room {
            dir,
            per_message,
            memory: Quota::new(memory),
            disk: Quota::new(disk),
        }
    }

    /// Whether it is this room.
    pub fn is(&self, dir: &Path, (per_message, memory, disk): (usize, u64, u64)) -> bool {
        self.dir == dir && self.per_message == per_message && self.memory.limit == memory && self.disk.limit == disk
    }

    /// Octets of messages in memory now.
    pub fn in_memory(&self) -> u64 {
        self.memory.used.load(Ordering::Relaxed)
    }

    /// Octets of messages on disk now.
    pub fn on_disk(&self) -> u64 {
        self.disk.used.load(Ordering::Relaxed)
    }

    /// Whether a message of this size may be begun. A promise of nothing: others may be quicker.
    pub fn has(&self, size: u64) -> bool {
        let has = size <= self.per_message as u64 || self.on_disk().saturating_add(size) <= self.disk.limit;
        if !has {
            alarm::count("spool", "no room");
        }
        has
    }
}

/// A part of a room that is taken until it is dropped.
#[derive(Debug)]
struct Taken {
    room: Arc<Room>,
    memory: u64,
    disk: u64,
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.room.memory.give(self.memory);
        self.room.disk.give(self.disk);
    }
}

/// How much memory is taken from the room at a time.
const GRAIN: usize = 16 * 1024;

/// A message that is being read.
#[derive(Debug)]
pub struct Spool {
    taken: Taken,
    memory: Vec<u8>,
    /// Octets not yet written to the file.
    pending: Vec<u8>,
    file: Option<Arc<File>>,
    length: u64,
    failed: Option<io::Error>,
}

impl Spool {
    /// An empty one.
    pub fn new(room: Arc<Room>) -> Spool {
        Spool {
            taken: Taken {
                room,
                memory: 0,
                disk: 0,
            },
            memory: Vec::new(),
            pending: Vec::new(),
            file: None,
            length: 0,
            failed: None,
        }
    }

    /// Adds octets if memory has room for them, and says whether it has.
    pub fn keep(&mut self, octets: &[u8]) -> bool {
        if self.failed.is_some() || self.file.is_some() || !self.fits(octets.len()) {
            return false;
        }
        self.length += octets.len() as u64;
        if self.memory.capacity() < self.memory.len() + octets.len() {
            let granted = self.taken.memory as usize;
            self.memory.reserve_exact(granted - self.memory.len());
        }
        self.memory.extend_from_slice(octets);
        true
    }

    /// Adds octets. Trouble is remembered, and told by [`Spool::finish`]; nothing is stored after it.
    pub async fn push(&mut self, octets: &[u8]) {
        if self.failed.is_some() {
            return;
        }
        if self.keep(octets) {
            return;
        }
        self.length += octets.len() as u64;
        if let Err(error) = self.spill(octets).await {
            self.failed = Some(error);
            self.pending = Vec::new();
        }
    }

    fn fits(&mut self, more: usize) -> bool {
        let wanted = self.memory.len() + more;
        if wanted > self.taken.room.per_message {
            return false;
        }
        while (self.taken.memory as usize) < wanted {
            if !self.taken.room.memory.take(GRAIN as u64) {
                return false;
            }
            self.taken.memory += GRAIN as u64;
        }
        true
    }

    async fn spill(&mut self, octets: &[u8]) -> io::Result<()> {
        if !self.taken.room.disk.take(octets.len() as u64) {
            return Err(io::Error::new(io::ErrorKind::QuotaExceeded, "the spool is full"));
        }
        self.taken.disk += octets.len() as u64;
        if self.file.is_none() {
            let dir = self.taken.room.dir.clone();
            let file = tokio::task::spawn_blocking(move || tempfile::tempfile_in(dir))
                .await
                .map_err(io::Error::other)??;
            self.file = Some(Arc::new(file));
        }
        self.pending.extend_from_slice(octets);
        if self.pending.len() >= SPILL {
            self.flush().await
        } else {
            Ok(())
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let (Some(file), false) = (self.file.clone(), self.pending.is_empty()) else {
            return Ok(());
        };
        let pending = std::mem::take(&mut self.pending);
        // The disk may be slow: the client waits for it, nobody else does.
        let mut pending = tokio::task::spawn_blocking(move || (&*file).write_all(&pending).map(|()| pending))
            .await
            .map_err(io::Error::other)??;
        pending.clear();
        self.pending = pending;
        Ok(())
    }

    /// The message, or why it could not be stored.
    pub async fn finish(self) -> io::Result<Message> {
        let finished = self.gather().await;
        if let Err(error) = &finished {
            let full = matches!(error.kind(), io::ErrorKind::QuotaExceeded | io::ErrorKind::StorageFull);
            alarm::count("spool", if full { "no room" } else { "disk" });
        }
        finished
    }

    async fn gather(mut self) -> io::Result<Message> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        self.flush().await?;
        let mut memory = std::mem::take(&mut self.memory);
        // The header section must be seen whole, however little of the message memory could hold.
        let mut from_file = 0;
        if let Some(file) = &self.file {
            let mut missing = vec![0; HEAD.saturating_sub(memory.len())];
            while from_file < missing.len() {
                match file.read_at(&mut missing[from_file..], from_file as u64)? {
                    0 => break,
                    read => from_file += read,
                }
            }
            memory.extend_from_slice(&missing[..from_file]);
        }
        let memory = Bytes::from(memory);
        let at = split(&memory);
        let Some(file) = self.file.take() else {
            let body = Held {
                octets: memory.slice(at..),
                _taken: self.taken,
            };
            return Ok(Message::new(memory.slice(..at), Arc::new(body)));
        };
        let content = Spooled {
            start: memory.slice(at..),
            file,
            from: from_file as u64,
            length: self.length - at as u64,
            _taken: self.taken,
        };
        Ok(Message::new(memory.slice(..at), Arc::new(content)))
    }
}

/// How many octets go to the file at least at a time.
const SPILL: usize = 64 * 1024;

/// The body of a message in memory.
#[derive(Debug)]
struct Held {
    octets: Bytes,
    _taken: Taken,
}

impl Content for Held {
    fn len(&self) -> u64 {
        self.octets.len() as u64
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(at)
            .ok()
            .and_then(|at| self.octets.get(at..))
            .unwrap_or_default();
        let count = rest.len().min(out.len());
        out[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn whole(&self) -> Option<&[u8]> {
        Some(&self.octets)
    }
}

/// So much of a message's beginning is in memory at its end, whatever the room: more than the header section that is
/// looked at. Not counted in the room; the number of sessions bounds it.
const HEAD: usize = HEAD_MAX + 4096;

/// The body of a large message: its beginning in memory, the rest in a file.
#[derive(Debug)]
struct Spooled {
    start: Bytes,
    file: Arc<File>,
    /// Where in the file that rest begins.
    from: u64,
    length: u64,
    _taken: Taken,
}

impl Content for Spooled {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let start = self.start.len() as u64;
        if at < start {
            let rest = &self.start[at as usize..];
            let count = rest.len().min(out.len());
            out[..count].copy_from_slice(&rest[..count]);
            return Ok(count);
        }
        self.file.read_at(out, at - start + self.from)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn room(per_message: usize, memory: u64, disk: u64) -> (tempfile::TempDir, Arc<Room>) {
        let dir = tempfile::tempdir().unwrap();
        let room = Room::new(dir.path().into(), per_message, memory, disk);
        (dir, Arc::new(room))
    }

    async fn stored(room: &Arc<Room>, message: &[u8], step: usize) -> io::Result<Message> {
        let mut spool = Spool::new(Arc::clone(room));
        for piece in message.chunks(step) {
            spool.push(piece).await;
        }
        spool.finish().await
    }

    #[tokio::test]
    async fn a_message_comes_out_as_it_went_in_whether_in_memory_or_on_disk() {
        let mut message = b"Subject: x\r\n\r\n".to_vec();
        message.extend((0..300_000_u32).map(|i| b'a' + (i % 26) as u8));
        for (per_message, memory) in [
            (1 << 20, 1 << 20),
            (40_000, 1 << 20),
            (1 << 20, 20_000),
            (5, 1 << 20),
            (1 << 20, 0),
        ] {
            let (_dir, room) = room(per_message, memory, 1 << 30);
            let stored = stored(&room, &message, 7_777).await.unwrap();
            let mut out = Vec::new();
            stored.read().read_to_end(&mut out).unwrap();
            assert!(out == message, "{per_message} {memory}");
            assert_eq!(stored.head(), b"Subject: x\r\n\r\n", "{per_message} {memory}");
            assert!(room.in_memory() <= memory);
            drop(stored);
            assert_eq!((room.in_memory(), room.on_disk()), (0, 0));
        }
    }

    #[tokio::test]
    async fn a_full_spool_is_told_and_given_back() {
        let (_dir, room) = room(10, 1 << 20, 1_000);
        assert!(!room.has(2_000));
        let error = stored(&room, &[b'x'; 5_000], 100).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::QuotaExceeded);
        assert_eq!((room.in_memory(), room.on_disk()), (0, 0));
        assert!(stored(&room, &[b'x'; 900], 100).await.is_ok());
    }
}
