//! Waiting mail read from its file. Everything here blocks.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::Path;

use gatepost_core::Message;
use gatepost_folder::{TRAILER, fill, is_bad_block};

use super::form::{self, PREFIX, Progress, Unreadable};
use super::head::Head;
use super::name::Entry;
use super::place::Place;

/// Octets that are read at first: most heads are within.
const FIRST: usize = 4_096;
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
        if is_bad_block(&error) {
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
    let Opened { head, file, start } = opened;
    let message = gatepost_folder::message(file, start, entry.size, form::new_sum())?;
    let different = Unreadable::Damaged("the checksum of the message does not fit");
    Ok((Stored { head, progress }, message.ok_or(different)?))
}
