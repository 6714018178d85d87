//! Numbers and pieces out of octets, none of which may be there.

use std::io::{self, BufRead, Read};

use crc32fast::Hasher;

/// `len` octets from `at`.
pub(super) fn piece(octets: &[u8], at: usize, len: usize) -> Option<&[u8]> {
    octets.get(at..at.checked_add(len)?)
}

fn array<const N: usize>(octets: &[u8], at: usize) -> Option<[u8; N]> {
    piece(octets, at, N)?.try_into().ok()
}

/// Two octets from `at`, the least first.
pub(super) fn le16(octets: &[u8], at: usize) -> Option<u16> {
    array(octets, at).map(u16::from_le_bytes)
}

/// Four octets from `at`, the least first.
pub(super) fn le32(octets: &[u8], at: usize) -> Option<u32> {
    array(octets, at).map(u32::from_le_bytes)
}

/// Eight octets from `at`, the least first.
pub(super) fn le64(octets: &[u8], at: usize) -> Option<u64> {
    array(octets, at).map(u64::from_le_bytes)
}

/// A declared size or place as one in memory: what is larger than any memory is `usize::MAX`.
pub(super) fn size(declared: u64) -> usize {
    usize::try_from(declared).unwrap_or(usize::MAX)
}

/// Octets that are read from the front.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    /// What is left.
    pub(super) rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(octets: &'a [u8]) -> Cursor<'a> {
        Cursor { rest: octets }
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(first)
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn le16(&mut self) -> Option<u16> {
        le16(self.take(2)?, 0)
    }

    pub(super) fn le32(&mut self) -> Option<u32> {
        le32(self.take(4)?, 0)
    }

    pub(super) fn le64(&mut self) -> Option<u64> {
        le64(self.take(8)?, 0)
    }

    /// Octets up to the next NUL, which is skipped.
    pub(super) fn until_nul(&mut self) -> Option<&'a [u8]> {
        let end = memchr::memchr(0, self.rest)?;
        let text = self.take(end)?;
        self.u8()?;
        Some(text)
    }
}

/// Damage, in a few words.
pub(super) fn damage(note: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, note)
}

/// Octets after which a packed stream is interrupted.
const PACE: usize = 64 * 1_024;

/// A packed stream that is interrupted now and then, as [`io::ErrorKind::Interrupted`] means it: who reads what is unpacked
/// looks at the time and goes on. A stream may be long and hold nothing.
pub(super) struct Paced<R> {
    pub(super) inner: R,
    left: usize,
}

impl<R> Paced<R> {
    pub(super) fn new(inner: R) -> Paced<R> {
        Paced { inner, left: PACE }
    }
}

impl<R: BufRead> Read for Paced<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(into)?;
        self.consume(n);
        Ok(n)
    }
}

impl<R: BufRead> BufRead for Paced<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            self.left = PACE;
            return Err(io::ErrorKind::Interrupted.into());
        }
        let all = self.inner.fill_buf()?;
        Ok(all.get(..self.left).unwrap_or(all))
    }

    fn consume(&mut self, n: usize) {
        self.left = self.left.saturating_sub(n);
        self.inner.consume(n);
    }
}

/// What is unpacked, held against the size and the CRC-32 that are declared for it.
pub(super) struct Checked<R> {
    inner: R,
    hasher: Hasher,
    crc: Option<u32>,
    size: Option<u64>,
    seen: u64,
}

impl<R: Read> Checked<R> {
    pub(super) fn new(inner: R, crc: Option<u32>, size: Option<u64>) -> Checked<R> {
        Checked {
            inner,
            hasher: Hasher::new(),
            crc,
            size,
            seen: 0,
        }
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(into)?;
        if n > 0 {
            self.seen = self.seen.saturating_add(n as u64);
            if self.crc.is_some()
                && let Some(new) = into.get(..n)
            {
                self.hasher.update(new);
            }
        } else if !into.is_empty() {
            if self.size.is_some_and(|size| size != self.seen) {
                return Err(damage("its size is not the declared one"));
            }
            if self.crc.is_some_and(|crc| crc != self.hasher.clone().finalize()) {
                return Err(damage("its checksum is wrong"));
            }
        }
        Ok(n)
    }
}
