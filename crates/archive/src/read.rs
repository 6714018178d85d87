//! Kept mail read from its file. Everything here blocks.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use gatepost_core::message::{Content, HEAD_MAX, split};
use gatepost_core::{KeptId, Message};

use crate::form::{self, Head, PREFIX, TRAILER, Unreadable};
use crate::place::{PIECE, Place};

/// Octets that are read at first: most heads are within.
const FIRST: usize = 4_096;
/// A message up to this many octets is read into memory; of a larger one the body stays in its file.
const MEMORY: u64 = 1 << 20;

/// Linux's number for an error of the medium.
const EIO: i32 = 5;

/// Why a file was not read.
#[derive(Debug)]
pub enum ReadError {
    /// The disk.
    Io(io::Error),
    /// What is in it.
    Unreadable(Unreadable),
}

impl From<io::Error> for ReadError {
    /// A bad block concerns one file; other trouble of the disk concerns all.
    fn from(error: io::Error) -> ReadError {
        if error.raw_os_error() == Some(EIO) {
            ReadError::Unreadable(Unreadable::Damaged("the disk cannot read it"))
        } else {
            ReadError::Io(error)
        }
    }
}

impl From<Unreadable> for ReadError {
    fn from(why: Unreadable) -> ReadError {
        ReadError::Unreadable(why)
    }
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ReadError::Io(error) => error.fmt(f),
            ReadError::Unreadable(why) => why.fmt(f),
        }
    }
}

/// A file whose head is read.
#[derive(Debug)]
pub struct Opened {
    /// What is known of the mail.
    pub head: Head,
    /// The head as it stands there.
    pub json: Vec<u8>,
    /// The file.
    pub file: File,
    /// Where the message begins.
    pub start: u64,
}

/// The body of a large mail, in its file. Deleting the mail leaves it readable for who reads it now.
#[derive(Debug)]
struct Filed {
    file: File,
    start: u64,
    len: u64,
}

impl Content for Filed {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, at: u64, out: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.len.saturating_sub(at)).unwrap_or(usize::MAX);
        let most = left.min(out.len());
        match out.get_mut(..most) {
            Some(out) if most > 0 => self.file.read_at(out, self.start.saturating_add(at)),
            _ => Ok(0),
        }
    }
}

/// Fills `out` from `at` on, as far as the file reaches.
fn fill(file: &File, out: &mut Vec<u8>, upto: usize) -> io::Result<()> {
    let mut at = out.len();
    out.resize(upto, 0);
    while let Some(rest) = out.get_mut(at..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at as u64) {
            Ok(0) => break,
            Ok(n) => at += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    out.truncate(at);
    Ok(())
}

/// Opens the file of a mail and reads its head: one read for most. `None` where there is no file.
pub fn open(place: &Place, id: &KeptId) -> Result<Option<Opened>, ReadError> {
    let file = match File::open(place.file(id)) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let len = file.metadata()?.len();
    if len == 0 {
        return Err(Unreadable::Empty.into());
    }
    let mut octets = Vec::new();
    fill(&file, &mut octets, FIRST)?;
    let (head_len, sum) = form::read_prefix(octets.get(..PREFIX).unwrap_or(&octets))?;
    let start = PREFIX + head_len;
    if octets.len() < start {
        fill(&file, &mut octets, start)?;
    }
    let json = octets
        .get(PREFIX..start)
        .ok_or(Unreadable::Damaged("it ends within its head"))?;
    let head = form::read_head(json, sum, &id.0)?;
    let json = json.to_vec();
    let start = start as u64;
    let whole = start.saturating_add(head.mail.size).saturating_add(TRAILER as u64);
    if len < whole {
        return Err(Unreadable::Short { durable: head.durable }.into());
    }
    if len > whole {
        return Err(Unreadable::Damaged("it is longer than its head says").into());
    }
    Ok(Some(Opened {
        head,
        json,
        file,
        start,
    }))
}

/// Whether the message in a file is as it came: reads all of it.
pub fn verify(opened: &Opened) -> Result<(), ReadError> {
    let mut sum = form::Sum::new();
    let (mut piece, mut left, mut at) = (vec![0; PIECE], opened.head.mail.size, opened.start);
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let out = piece.get_mut(..most).unwrap_or_default();
        opened.file.read_exact_at(out, at)?;
        sum.add(out);
        left -= most as u64;
        at = at.saturating_add(most as u64);
    }
    let mut trailer = [0; TRAILER];
    opened.file.read_exact_at(&mut trailer, at)?;
    if form::read_behind(&trailer) == Some(sum.get()) {
        Ok(())
    } else {
        Err(Unreadable::Damaged("the checksum of the message does not fit").into())
    }
}

/// A kept mail with its octets, verified.
pub fn load(place: &Place, id: &KeptId) -> Result<Option<(Head, Message)>, ReadError> {
    let Some(opened) = open(place, id)? else {
        return Ok(None);
    };
    verify(&opened)?;
    let Opened { head, file, start, .. } = opened;
    let size = head.mail.size;
    let in_memory = if size <= MEMORY { size } else { HEAD_MAX as u64 + 1 };
    let mut first = vec![0; usize::try_from(in_memory).unwrap_or(HEAD_MAX)];
    file.read_exact_at(&mut first, start)?;
    let first = Bytes::from(first);
    let message = if size <= MEMORY {
        Message::from_bytes(first)
    } else {
        let cut = split(&first);
        let body = Filed {
            file,
            start: start.saturating_add(cut as u64),
            len: size.saturating_sub(cut as u64),
        };
        Message::new(
            Bytes::copy_from_slice(first.get(..cut).unwrap_or_default()),
            Arc::new(body),
        )
    };
    Ok(Some((head, message)))
}
