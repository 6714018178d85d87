//! Waiting mail read from its file. Everything here blocks.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use gatepost_core::message::{Content, HEAD_MAX, split};
use gatepost_core::{Bytes, Message};

use super::form::{self, PREFIX, Progress, TRAILER, Unreadable};
use super::head::Head;
use super::name::Entry;
use super::place::{PIECE, Place};

/// Octets that are read at first: most heads are within.
const FIRST: usize = 4_096;
/// A message up to this many octets is read into memory; of a larger one the body stays in its file.
const MEMORY: u64 = 1 << 20;
/// Linux's number for an error of the medium.
const EIO: i32 = 5;

/// Why a mail was not read.
#[derive(Debug)]
pub enum ReadError {
    /// It is not there any more.
    Gone,
    /// The disk's trouble, which concerns all.
    Io(io::Error),
    /// What is in its file: [`Unreadable::Newer`] is to be left alone, all else to be set aside.
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

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Gone => f.write_str("is gone"),
            ReadError::Io(error) => error.fmt(f),
            ReadError::Unreadable(why) => why.fmt(f),
        }
    }
}

/// A mail as it waits.
#[derive(Debug)]
pub struct Stored {
    /// What is known of it.
    pub head: Head,
    /// Which of its recipients are done.
    pub progress: Progress,
}

/// The body of a large mail, in its file. Removing the mail leaves it readable for who reads it now.
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

/// Fills `out` up to so many octets, as far as the file reaches.
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

fn open(path: &Path) -> Result<Option<File>, ReadError> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// A file whose head is read.
struct Opened {
    head: Head,
    file: File,
    /// Where the message begins.
    start: u64,
}

fn open_mail(path: &Path, entry: &Entry) -> Result<Opened, ReadError> {
    let file = open(path)?.ok_or(ReadError::Gone)?;
    let len = file.metadata()?.len();
    if len < entry.size.saturating_add((PREFIX + TRAILER) as u64) {
        return Err(Unreadable::Short.into());
    }
    let mut octets = Vec::new();
    fill(&file, &mut octets, FIRST)?;
    let (head_len, sum) = form::read_prefix(octets.get(..PREFIX).unwrap_or(&octets))?;
    let start = PREFIX + head_len;
    let whole = (start as u64).saturating_add(entry.size).saturating_add(TRAILER as u64);
    if len < whole {
        return Err(Unreadable::Short.into());
    }
    if len > whole {
        return Err(Unreadable::Damaged("it is longer than its head says").into());
    }
    if octets.len() < start {
        fill(&file, &mut octets, start)?;
    }
    let json = octets.get(PREFIX..start).ok_or(Unreadable::Short)?;
    let head = form::read_head(json, sum, entry)?;
    let start = start as u64;
    Ok(Opened { head, file, start })
}

/// Whether the message in a file is as it came: reads all of it.
fn verify(opened: &Opened, size: u64) -> Result<(), ReadError> {
    let mut sum = form::Sum::new();
    let (mut piece, mut left, mut at) = (vec![0; PIECE], size, opened.start);
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let out = piece.get_mut(..most).unwrap_or_default();
        opened.file.read_exact_at(out, at)?;
        sum.add(out);
        left -= most as u64;
        at = at.saturating_add(most as u64);
    }
    fits(opened, at, sum.get())
}

/// Whether a checksum is the one that stands behind the message.
fn fits(opened: &Opened, at: u64, sum: u64) -> Result<(), ReadError> {
    let mut trailer = [0; TRAILER];
    opened.file.read_exact_at(&mut trailer, at)?;
    if form::read_behind(&trailer) == Some(sum) {
        Ok(())
    } else {
        Err(Unreadable::Damaged("the checksum of the message does not fit").into())
    }
}

fn message(opened: Opened, size: u64) -> Result<(Head, Message), ReadError> {
    let in_memory = if size <= MEMORY { size } else { HEAD_MAX as u64 + 1 };
    let mut first = vec![0; usize::try_from(in_memory).unwrap_or(HEAD_MAX)];
    opened.file.read_exact_at(&mut first, opened.start)?;
    if size <= MEMORY {
        let mut sum = form::Sum::new();
        sum.add(&first);
        fits(&opened, opened.start.saturating_add(size), sum.get())?;
        return Ok((opened.head, Message::from_bytes(first)));
    }
    verify(&opened, size)?;
    let cut = split(&first);
    let body = Filed {
        file: opened.file,
        start: opened.start.saturating_add(cut as u64),
        len: size.saturating_sub(cut as u64),
    };
    let head = Bytes::copy_from_slice(first.get(..cut).unwrap_or_default());
    Ok((opened.head, Message::new(head, Arc::new(body))))
}

fn progress(path: &Path) -> Result<Progress, ReadError> {
    let Some(file) = open(path)? else {
        return Ok(Progress::default());
    };
    let len = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    if len > PREFIX + form::HEAD_MAX {
        return Err(Unreadable::Damaged("it is longer than any of its kind").into());
    }
    let mut octets = Vec::new();
    fill(&file, &mut octets, len)?;
    Ok(form::read_progress(&octets)?)
}

/// What is known of a mail; its message is not looked at.
pub fn head(place: &Place, entry: &Entry) -> Result<Stored, ReadError> {
    let opened = open_mail(&place.file(entry)?, entry)?;
    let progress = progress(&place.state(entry)?)?;
    let head = opened.head;
    Ok(Stored { head, progress })
}

/// A mail with its octets, verified.
pub fn load(place: &Place, entry: &Entry) -> Result<(Stored, Message), ReadError> {
    let opened = open_mail(&place.file(entry)?, entry)?;
    let progress = progress(&place.state(entry)?)?;
    let (head, message) = message(opened, entry.size)?;
    Ok((Stored { head, progress }, message))
}
