//! Forms that pack one file and nothing else: gzip (RFC 1952), bzip2, xz, LZMA alone, Zstandard (RFC 8878), compress.
//!
//! Several of them one behind another are one file, as their programs see it.

use std::io::{self, Read};

use crc32fast::Hasher;
use flate2::bufread::DeflateDecoder;
use lzma_rust2::{LzmaReader, XzReader};
use ruzstd::decoding::StreamingDecoder;

use super::behind;
use super::bunzip::Bunzip;
use super::octets::{Cursor, Paced, damage, le32};
use super::unlzw::Unlzw;
use crate::{File, Flow, Mark, Role, Visit, names};

/// The largest window of LZMA and Zstandard that is followed, in octets. It grows with what is unpacked.
pub(super) const WINDOW_MAX: u32 = 64 * 1_024 * 1_024;
/// The same in the units of the LZMA crate, KiB, with its own needs.
pub(super) const LZMA_MEMORY: u32 = WINDOW_MAX / 1_024 + 1_024;

/// Files of nothing, one behind another, that are read over: opening one costs far more than the few octets that it is,
/// and nobody is asked for the time in between.
const NOTHING_MAX: usize = 1_024;

fn unnamed() -> File {
    File {
        name: String::new(),
        role: Role::File,
        declared: None,
    }
}

/// Gives the content of a gzip file.
pub(super) fn gzip(octets: &[u8], visit: &mut dyn Visit) {
    let name = Header::read(&mut Cursor::new(octets)).and_then(|header| header.name);
    let file = File {
        name: name.map(names::text).unwrap_or_default(),
        ..unnamed()
    };
    let mut content = Gunzip {
        rest: Cursor::new(octets),
        member: None,
        members: 0,
        nothing: 0,
        ended: false,
    };
    if visit.file(&file, &mut content) == Flow::On && content.ended {
        behind::rest(octets, octets.len() - content.rest.rest.len(), visit);
    }
}

/// The head of a gzip member (RFC 1952, 2.3).
struct Header<'a> {
    name: Option<&'a [u8]>,
}

impl<'a> Header<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Header<'a>> {
        let fixed = cursor.take(10).filter(|fixed| fixed.starts_with(b"\x1f\x8b\x08"))?;
        let flags = *fixed.get(3)?;
        if flags & 4 != 0 {
            let len = cursor.le16()?;
            cursor.take(usize::from(len))?;
        }
        let name = if flags & 8 != 0 {
            Some(cursor.until_nul()?)
        } else {
            None
        };
        if flags & 16 != 0 {
            cursor.until_nul()?;
        }
        if flags & 2 != 0 {
            cursor.take(2)?;
        }
        Some(Header { name })
    }
}

/// A member that is being unpacked, its checksum and size so far.
struct GzipMember<'a> {
    inflate: DeflateDecoder<Paced<&'a [u8]>>,
    hasher: Hasher,
    size: u32,
}

/// The content of all members.
struct Gunzip<'a> {
    rest: Cursor<'a>,
    member: Option<GzipMember<'a>>,
    members: usize,
    /// Members since the last octet.
    nothing: usize,
    ended: bool,
}

impl Read for Gunzip<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !into.is_empty() {
            let Some(member) = &mut self.member else {
                let before = self.rest;
                if Header::read(&mut self.rest).is_some() {
                    self.members += 1;
                    self.nothing += 1;
                    if self.nothing > NOTHING_MAX {
                        return Err(damage("too many files of nothing"));
                    }
                    let inflate = DeflateDecoder::new(Paced::new(self.rest.rest));
                    self.member = Some(GzipMember {
                        inflate,
                        hasher: Hasher::new(),
                        size: 0,
                    });
                    continue;
                }
                self.rest = before;
                self.ended = self.members > 0;
                if self.ended {
                    break;
                }
                return Err(damage("no gzip header"));
            };
            let n = member.inflate.read(into)?;
            if n > 0 {
                self.nothing = 0;
                member.hasher.update(into.get(..n).unwrap_or_default());
                member.size = member.size.wrapping_add(u32::try_from(n).unwrap_or(u32::MAX));
                return Ok(n);
            }
            let Some(GzipMember { inflate, hasher, size }) = self.member.take() else {
                break;
            };
            self.rest = Cursor::new(inflate.into_inner().inner);
            let (Some(crc), Some(declared)) = (self.rest.le32(), self.rest.le32()) else {
                return Err(damage("its checksum is missing"));
            };
            if crc != hasher.finalize() || declared != size {
                return Err(damage("its checksum is wrong"));
            }
        }
        Ok(0)
    }
}

/// Gives the content of a bzip2 file.
pub(super) fn bzip2(octets: &[u8], visit: &mut dyn Visit) {
    let mut content = Bunzip::new(octets);
    if visit.file(&unnamed(), &mut content) == Flow::On
        && let Some(left) = content.left()
    {
        behind::rest(octets, octets.len().saturating_sub(left), visit);
    }
}

/// Gives the content of an LZMA file.
pub(super) fn lzma(octets: &[u8], visit: &mut dyn Visit) {
    match LzmaReader::new_mem_limit(octets, LZMA_MEMORY, None) {
        Ok(mut content) => {
            // Where its head says no size, an end is seen only once it is read to; damage is not.
            if visit.file(&unnamed(), &mut content) == Flow::On {
                let (rest, unused) = content.into_parts();
                behind::rest(octets, octets.len().saturating_sub(rest.len() + unused.len()), visit);
            }
        }
        Err(_) => {
            visit.closed(&unnamed(), Mark::Unread);
        }
    }
}

/// Gives the content of a compress file.
pub(super) fn compress(octets: &[u8], visit: &mut dyn Visit) {
    visit.file(&unnamed(), &mut Unlzw::new(octets));
}

/// A form of which files may stand one behind another.
trait Streams<'a> {
    /// Opens the next file, if one begins here; `Ok(None)` for octets that hold nothing, which are skipped.
    fn open(&mut self, rest: &mut Cursor<'a>) -> Option<io::Result<Option<Box<dyn Opened<'a> + 'a>>>>;
}

/// A file that is being unpacked, and what is behind it once it is over.
trait Opened<'a>: Read {
    fn rest(&self) -> &'a [u8];
}

impl<'a> Opened<'a> for XzReader<&'a [u8]> {
    fn rest(&self) -> &'a [u8] {
        self.inner()
    }
}

impl<'a> Opened<'a> for StreamingDecoder<&'a [u8], ruzstd::decoding::FrameDecoder> {
    fn rest(&self) -> &'a [u8] {
        self.get_ref()
    }
}

/// The content of files one behind another.
struct Joined<'a, S> {
    form: S,
    rest: Cursor<'a>,
    open: Option<Box<dyn Opened<'a> + 'a>>,
    /// Files since the last octet.
    nothing: usize,
    ended: bool,
}

impl<'a, S: Streams<'a>> Read for Joined<'a, S> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while !self.ended && !into.is_empty() {
            if let Some(open) = &mut self.open {
                let n = open.read(into)?;
                if n > 0 {
                    self.nothing = 0;
                    return Ok(n);
                }
                self.rest = Cursor::new(open.rest());
                self.open = None;
                self.nothing += 1;
                if self.nothing > NOTHING_MAX {
                    return Err(damage("too many files of nothing"));
                }
            }
            match self.form.open(&mut self.rest) {
                Some(next) => self.open = next?,
                None => self.ended = true,
            }
        }
        Ok(0)
    }
}

fn joined<'a>(octets: &'a [u8], form: impl Streams<'a>, visit: &mut dyn Visit) {
    let mut content = Joined {
        form,
        rest: Cursor::new(octets),
        open: None,
        nothing: 0,
        ended: false,
    };
    if visit.file(&unnamed(), &mut content) == Flow::On && content.ended {
        behind::rest(octets, octets.len() - content.rest.rest.len(), visit);
    }
}

struct Xz;

impl<'a> Streams<'a> for Xz {
    fn open(&mut self, rest: &mut Cursor<'a>) -> Option<io::Result<Option<Box<dyn Opened<'a> + 'a>>>> {
        if rest.rest.starts_with(&[0; 4]) {
            rest.take(4)?;
            return Some(Ok(None));
        }
        rest.rest.starts_with(b"\xfd7zXZ\0").then(|| {
            let open: Box<dyn Opened<'a> + 'a> = Box::new(XzReader::new_mem_limit(rest.rest, false, LZMA_MEMORY));
            Ok(Some(open))
        })
    }
}

/// Gives the content of an xz file.
pub(super) fn xz(octets: &[u8], visit: &mut dyn Visit) {
    joined(octets, Xz, visit);
}

struct Zstd;

impl<'a> Streams<'a> for Zstd {
    fn open(&mut self, rest: &mut Cursor<'a>) -> Option<io::Result<Option<Box<dyn Opened<'a> + 'a>>>> {
        let magic = le32(rest.rest, 0)?;
        if magic & 0xffff_fff0 == 0x184d_2a50 {
            let len = le32(rest.rest, 4)? as usize;
            rest.take(8)?;
            return Some(
                rest.take(len)
                    .map(|_| None)
                    .ok_or_else(|| damage("a frame is cut short")),
            );
        }
        (magic == 0xfd2f_b528).then(|| {
            StreamingDecoder::new_with_max_window_size(rest.rest, u64::from(WINDOW_MAX))
                .map(|open| {
                    let open: Box<dyn Opened<'a> + 'a> = Box::new(open);
                    Some(open)
                })
                .map_err(|_| damage("a frame that cannot be read"))
        })
    }
}

/// Gives the content of a Zstandard file.
pub(super) fn zstd(octets: &[u8], visit: &mut dyn Visit) {
    joined(octets, Zstd, visit);
}
