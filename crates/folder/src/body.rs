//! A message in a file, of which it is known where it begins.
//!
//! **Invariant:** nothing is taken for a message whose checksum does not stand behind it.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use bytes::Bytes;
use gatepost_message::{Content, HEAD_MAX, Message, split};

use crate::sum::{Sum, TRAILER, read_behind};

/// Octets that are copied at a time.
pub const PIECE: usize = 64 << 10;
/// A message up to this many octets is read into memory; of a larger one the body stays in its file.
const MEMORY: u64 = 1 << 20;
/// Linux's number for an error of the medium.
const EIO: i32 = 5;

/// Whether an error concerns one file, in which there is a bad block; other trouble of the disk concerns all.
pub fn is_bad_block(error: &io::Error) -> bool {
    error.raw_os_error() == Some(EIO)
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
pub fn fill(file: &File, out: &mut Vec<u8>, upto: usize) -> io::Result<()> {
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

/// Whether a checksum is the one that stands there.
fn fits(file: &File, at: u64, sum: u64) -> io::Result<bool> {
    let mut trailer = [0; TRAILER];
    file.read_exact_at(&mut trailer, at)?;
    Ok(read_behind(&trailer) == Some(sum))
}

/// Whether the message of so many octets at `start` is as it came: reads all of it.
pub fn verify(file: &File, start: u64, size: u64, mut sum: Sum) -> io::Result<bool> {
    let (mut piece, mut left, mut at) = (vec![0; PIECE], size, start);
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
        let out = piece.get_mut(..most).unwrap_or_default();
        file.read_exact_at(out, at)?;
        sum.add(out);
        left -= most as u64;
        at = at.saturating_add(most as u64);
    }
    fits(file, at, sum.get())
}

/// The same message; none where it is not as it came.
pub fn message(file: File, start: u64, size: u64, sum: Sum) -> io::Result<Option<Message>> {
    let in_memory = if size <= MEMORY { size } else { HEAD_MAX as u64 + 1 };
    let mut first = vec![0; usize::try_from(in_memory).unwrap_or(HEAD_MAX)];
    file.read_exact_at(&mut first, start)?;
    if size <= MEMORY {
        let is_whole = fits(&file, start.saturating_add(size), sum.of(&first))?;
        return Ok(is_whole.then(|| Message::from_bytes(first)));
    }
    if !verify(&file, start, size, sum)? {
        return Ok(None);
    }
    let cut = split(&first);
    let body = Filed {
        file,
        start: start.saturating_add(cut as u64),
        len: size.saturating_sub(cut as u64),
    };
    let head = Bytes::copy_from_slice(first.get(..cut).unwrap_or_default());
    Ok(Some(Message::new(head, Arc::new(body))))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::sum::behind;

    #[test]
    fn a_message_is_read_as_it_came_or_not_at_all() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("mail");
        let sum = || Sum::new(b"a key of sixteen");
        for size in [0, 1, 5_000, 3 << 20] {
            let octets: Vec<u8> = b"A: b\r\n\r\n"
                .iter()
                .copied()
                .chain((0..size).map(|n| n as u8))
                .collect();
            let trailer = behind(sum().of(&octets));
            std::fs::write(&path, [b"before", &octets[..], &trailer].concat()).expect("a file");
            let open = || File::open(&path).expect("it");
            let len = octets.len() as u64;
            let read = message(open(), 6, len, sum())
                .expect("it is read")
                .expect("it is whole");
            let mut again = Vec::new();
            read.read().read_to_end(&mut again).expect("its octets");
            assert!(again == octets, "{size}");
            assert!(message(open(), 5, len, sum()).expect("it is read").is_none());
            assert!(message(open(), 6, len + 1, sum()).is_err(), "it ends before");
            assert!(!verify(&open(), 6, len, Sum::new(b"another one, too")).expect("it is read"));
        }
    }
}
