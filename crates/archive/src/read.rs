//! Kept mail read from its file. Everything here blocks.

use std::fs::File;
use std::io::{self, ErrorKind};

use gatepost_core::{KeptId, Message};
use gatepost_folder::{self as folder, TRAILER, fill, is_bad_block};

use crate::form::{self, Head, PREFIX, Unreadable};
use crate::place::Place;

/// Octets that are read at first: most heads are within.
const FIRST: usize = 4_096;
/// The message is not the one that was written.
const DIFFERENT: Unreadable = Unreadable::Damaged("the checksum of the message does not fit");

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
    let whole = folder::verify(&opened.file, opened.start, opened.head.mail.size, form::new_sum())?;
    whole.then_some(()).ok_or(DIFFERENT.into())
}

/// A kept mail with its octets, verified.
pub fn load(place: &Place, id: &KeptId) -> Result<Option<(Head, Message)>, ReadError> {
    let Some(opened) = open(place, id)? else {
        return Ok(None);
    };
    let Opened { head, file, start, .. } = opened;
    let message = folder::message(file, start, head.mail.size, form::new_sum())?;
    Ok(Some((head, message.ok_or(DIFFERENT)?)))
}
