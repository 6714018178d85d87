//! The directory of a 7-Zip archive.
//!
//! Every list in it is as long as a number says, so no list is made larger than what is left to read could fill.

use super::super::octets::{Cursor, size};
use crate::{Role, names};

/// Steps by which one folder is packed, and streams between them.
pub(super) const CODERS_MAX: usize = 8;
const STREAMS_MAX: u64 = 16;
/// Packed streams, folders and files of an archive. What is kept of each may be hundreds of octets, while a packed
/// directory spends none on it.
const LIST_MAX: usize = 65_536;

const END: u8 = 0x00;
const HEADER: u8 = 0x01;
const PROPERTIES: u8 = 0x02;
const MORE_STREAMS: u8 = 0x03;
const MAIN_STREAMS: u8 = 0x04;
const FILES: u8 = 0x05;
const PACKED: u8 = 0x06;
const UNPACKED: u8 = 0x07;
const PARTS: u8 = 0x08;
const SIZES: u8 = 0x09;
const CHECKSUMS: u8 = 0x0a;
const FOLDERS: u8 = 0x0b;
const UNPACKED_SIZES: u8 = 0x0c;
const PART_COUNTS: u8 = 0x0d;
const EMPTY: u8 = 0x0e;
const EMPTY_FILE: u8 = 0x0f;
const NAMES: u8 = 0x11;
const ATTRIBUTES: u8 = 0x15;
const PACKED_HEADER: u8 = 0x17;

/// Why an archive, or a part of it, cannot be read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trouble {
    Damaged(&'static str),
    Encrypted,
    /// More is in it than is followed.
    Many,
    Unread,
}

const SHORT: Trouble = Trouble::Damaged("its directory is cut short");
const WRONG: Trouble = Trouble::Damaged("its directory is not one");

/// What the archive holds.
#[derive(Default, Debug)]
pub(super) struct Directory {
    /// Where the packed streams begin, behind the head.
    pub(super) packed_at: u64,
    pub(super) packed: Vec<u64>,
    pub(super) folders: Vec<Folder>,
    pub(super) files: Vec<Entry>,
}

/// Files that are packed as one.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) coders: Vec<Coder>,
    /// Which input takes which output.
    pub(super) bound: Vec<(u64, u64)>,
    /// Which inputs take packed streams, and the number of the first of these.
    pub(super) inputs: Vec<u64>,
    pub(super) first: usize,
    /// Octets of each output.
    pub(super) sizes: Vec<u64>,
    crc: Option<u32>,
    pub(super) files: Vec<Content>,
}

impl Folder {
    /// The output that nobody takes.
    pub(super) fn output(&self) -> u64 {
        let taken = |output: u64| self.bound.iter().any(|(_, from)| *from == output);
        (0..self.sizes.len() as u64)
            .find(|output| !taken(*output))
            .unwrap_or_default()
    }

    /// Octets unpacked.
    pub(super) fn size(&self) -> u64 {
        self.sizes.get(size(self.output())).copied().unwrap_or_default()
    }
}

/// One step of packing.
#[derive(Debug)]
pub(super) struct Coder {
    pub(super) id: Vec<u8>,
    pub(super) properties: Vec<u8>,
    pub(super) inputs: u64,
    pub(super) outputs: u64,
}

/// A file in the stream of a folder.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) size: u64,
    pub(super) crc: Option<u32>,
}

/// A file by name.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) role: Role,
    /// Whether it has no content.
    pub(super) empty: bool,
}

/// A number: the ones that begin its first octet count the octets behind.
fn number(cursor: &mut Cursor<'_>) -> Result<u64, Trouble> {
    let first = cursor.u8().ok_or(SHORT)?;
    let more = first.leading_ones();
    let mut value = 0_u64;
    for place in 0..more.min(8) {
        value |= u64::from(cursor.u8().ok_or(SHORT)?) << (8 * place);
    }
    if more < 7 {
        value |= u64::from(first & (0x7f >> more)) << (8 * more);
    }
    Ok(value)
}

/// What was read already: each list is there once, since each costs as much as the ones before it are long.
#[derive(Default)]
struct Once(u32);

impl Once {
    fn see(&mut self, kind: u8) -> Result<(), Trouble> {
        let bit = 1_u32.checked_shl(u32::from(kind)).unwrap_or_default();
        if self.0 & bit != 0 {
            return Err(WRONG);
        }
        self.0 |= bit;
        Ok(())
    }
}

/// A number of things, each of which takes a bit at least.
fn count(cursor: &mut Cursor<'_>) -> Result<usize, Trouble> {
    let count = size(number(cursor)?);
    if count > cursor.rest.len().saturating_mul(8) {
        Err(WRONG)
    } else if count > LIST_MAX {
        Err(Trouble::Many)
    } else {
        Ok(count)
    }
}

fn octet(cursor: &mut Cursor<'_>) -> Result<u8, Trouble> {
    cursor.u8().ok_or(SHORT)
}

/// A list of bits, the first the highest.
fn bits(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<bool>, Trouble> {
    let octets = cursor.take(count.div_ceil(8)).ok_or(SHORT)?;
    Ok((0..count)
        .map(|at| octets.get(at / 8).is_some_and(|octet| octet >> (7 - at % 8) & 1 == 1))
        .collect())
}

/// A list of bits that may be said to be all ones.
fn defined(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<bool>, Trouble> {
    if octet(cursor)? != 0 {
        Ok(vec![true; count])
    } else {
        bits(cursor, count)
    }
}

fn checksums(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<Option<u32>>, Trouble> {
    let defined = defined(cursor, count)?;
    defined
        .into_iter()
        .map(|is| {
            if is {
                cursor.le32().map(Some).ok_or(SHORT)
            } else {
                Ok(None)
            }
        })
        .collect()
}

impl Directory {
    /// Reads a directory; `false` beside it says that it only tells where the real one is packed.
    pub(super) fn read(octets: &[u8]) -> Result<(Directory, bool), Trouble> {
        let mut cursor = Cursor::new(octets);
        let mut directory = Directory::default();
        match octet(&mut cursor)? {
            PACKED_HEADER => {
                directory.streams(&mut cursor)?;
                return Ok((directory, false));
            }
            HEADER => {}
            _ => return Err(WRONG),
        }
        let mut once = Once::default();
        loop {
            let kind = octet(&mut cursor)?;
            once.see(kind)?;
            match kind {
                END => return Ok((directory, true)),
                PROPERTIES => while property(&mut cursor)?.is_some() {},
                MORE_STREAMS => Directory::default().streams(&mut cursor)?,
                MAIN_STREAMS => directory.streams(&mut cursor)?,
                FILES => directory.entries(&mut cursor)?,
                _ => return Err(WRONG),
            }
        }
    }

    fn streams(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Trouble> {
        let mut once = Once::default();
        loop {
            let kind = octet(cursor)?;
            once.see(kind)?;
            match kind {
                END => break,
                PACKED => self.packed_streams(cursor)?,
                UNPACKED => self.folders(cursor)?,
                PARTS => self.parts(cursor)?,
                _ => return Err(WRONG),
            }
        }
        if once.see(PARTS).is_ok() {
            for folder in &mut self.folders {
                folder.files = vec![Content {
                    size: folder.size(),
                    crc: folder.crc,
                }];
            }
        }
        Ok(())
    }

    fn packed_streams(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Trouble> {
        self.packed_at = number(cursor)?;
        let many = count(cursor)?;
        loop {
            match octet(cursor)? {
                END => return Ok(()),
                SIZES => self.packed = (0..many).map(|_| number(cursor)).collect::<Result<_, _>>()?,
                CHECKSUMS => drop(checksums(cursor, many)?),
                _ => return Err(WRONG),
            }
        }
    }

    fn folders(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Trouble> {
        if octet(cursor)? != FOLDERS {
            return Err(WRONG);
        }
        let many = count(cursor)?;
        if octet(cursor)? != 0 {
            return Err(Trouble::Unread);
        }
        let mut first = 0;
        for _ in 0..many {
            let folder = folder(cursor, first)?;
            first += folder.inputs.len();
            self.folders.push(folder);
        }
        if octet(cursor)? != UNPACKED_SIZES {
            return Err(WRONG);
        }
        for folder in &mut self.folders {
            let outputs: u64 = folder.coders.iter().map(|coder| coder.outputs).sum();
            folder.sizes = (0..outputs).map(|_| number(cursor)).collect::<Result<_, _>>()?;
        }
        loop {
            match octet(cursor)? {
                END => return Ok(()),
                CHECKSUMS => {
                    let sums = checksums(cursor, self.folders.len())?;
                    for (folder, crc) in self.folders.iter_mut().zip(sums) {
                        folder.crc = crc;
                    }
                }
                _ => return Err(WRONG),
            }
        }
    }

    /// How folders are divided into files.
    fn parts(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Trouble> {
        let mut kind = octet(cursor)?;
        let mut counts = vec![1; self.folders.len()];
        if kind == PART_COUNTS {
            for slot in &mut counts {
                *slot = count(cursor)?;
            }
            kind = octet(cursor)?;
        }
        let mut all = 0_usize;
        for (folder, count) in self.folders.iter_mut().zip(&counts) {
            let mut left = folder.size();
            folder.files.clear();
            for number_of in 1..=*count {
                all += 1;
                if all > LIST_MAX {
                    return Err(Trouble::Many);
                }
                // The last one has what is left.
                let size = match kind {
                    _ if number_of == *count => left,
                    SIZES => number(cursor)?,
                    _ => return Err(WRONG),
                };
                left = left.checked_sub(size).ok_or(WRONG)?;
                folder.files.push(Content { size, crc: None });
            }
        }
        if kind == SIZES {
            kind = octet(cursor)?;
        }
        // Where a folder is one file, its checksum is that of the file.
        for folder in &mut self.folders {
            if let ([only], Some(crc)) = (folder.files.as_mut_slice(), folder.crc) {
                only.crc = Some(crc);
            }
        }
        let mut once = Once::default();
        loop {
            once.see(kind)?;
            match kind {
                END => return Ok(()),
                CHECKSUMS => {
                    let open: Vec<&mut Content> = self
                        .folders
                        .iter_mut()
                        .flat_map(|folder| &mut folder.files)
                        .filter(|file| file.crc.is_none())
                        .collect();
                    let sums = checksums(cursor, open.len())?;
                    for (file, crc) in open.into_iter().zip(sums) {
                        file.crc = crc;
                    }
                }
                _ => return Err(WRONG),
            }
            kind = octet(cursor)?;
        }
    }

    fn entries(&mut self, cursor: &mut Cursor<'_>) -> Result<(), Trouble> {
        let many = count(cursor)?;
        let (mut named, mut empty, mut empty_files) = (Vec::new(), Vec::new(), Vec::new());
        let mut attributes: Vec<u32> = Vec::new();
        let mut once = Once::default();
        while let Some((kind, data)) = property(cursor)? {
            let mut data = Cursor::new(data);
            // Filling (0x19) may come more than once, and costs nothing.
            if matches!(kind, EMPTY | EMPTY_FILE | NAMES | ATTRIBUTES) {
                once.see(kind)?;
            }
            match kind {
                EMPTY => empty = bits(&mut data, many)?,
                EMPTY_FILE => empty_files = bits(&mut data, empty.iter().filter(|is| **is).count())?,
                NAMES => {
                    if octet(&mut data)? != 0 {
                        return Err(Trouble::Unread);
                    }
                    named = split_names(data.rest);
                }
                ATTRIBUTES => {
                    let defined = defined(&mut data, many)?;
                    if octet(&mut data)? == 0 {
                        attributes = defined
                            .into_iter()
                            .map(|is| if is { data.le32().unwrap_or_default() } else { 0 })
                            .collect();
                    }
                }
                _ => {}
            }
        }
        let (mut named, mut empty_files) = (named.into_iter(), empty_files.into_iter());
        for at in 0..many {
            let empty = empty.get(at).copied().unwrap_or_default();
            let folder = empty && !empty_files.next().unwrap_or_default();
            let mode = attributes.get(at).map_or(0, |attributes| attributes >> 16);
            let role = if folder {
                Role::Folder
            } else if mode & 0o170_000 == 0o120_000 {
                Role::Link
            } else {
                Role::File
            };
            self.files.push(Entry {
                name: named.next().unwrap_or_default(),
                role,
                empty,
            });
        }
        Ok(())
    }
}

/// A property: its type and its octets.
fn property<'a>(cursor: &mut Cursor<'a>) -> Result<Option<(u8, &'a [u8])>, Trouble> {
    let kind = octet(cursor)?;
    if kind == END {
        return Ok(None);
    }
    let len = number(cursor)?;
    cursor.take(size(len)).map(|data| Some((kind, data))).ok_or(SHORT)
}

/// Names in UTF-16, each ended by a NUL.
fn split_names(octets: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut rest = octets;
    while rest.len() >= 2 && names.len() < LIST_MAX {
        let end = rest
            .chunks_exact(2)
            .position(|unit| unit == [0, 0])
            .map_or(rest.len(), |units| units * 2);
        names.push(names::utf16(rest.get(..end).unwrap_or_default(), false));
        rest = rest.get(end + 2..).unwrap_or_default();
    }
    names
}

fn folder(cursor: &mut Cursor<'_>, first: usize) -> Result<Folder, Trouble> {
    let many = number(cursor)?;
    if !(1..=CODERS_MAX as u64).contains(&many) {
        return Err(Trouble::Unread);
    }
    let (mut coders, mut inputs, mut outputs) = (Vec::new(), 0, 0);
    for _ in 0..many {
        let flags = octet(cursor)?;
        let id = cursor.take(usize::from(flags & 15)).ok_or(SHORT)?.to_vec();
        let (ins, outs) = if flags & 0x10 != 0 {
            (number(cursor)?, number(cursor)?)
        } else {
            (1, 1)
        };
        if ins > STREAMS_MAX || outs > STREAMS_MAX || flags & 0xc0 != 0 {
            return Err(Trouble::Unread);
        }
        let mut properties = Vec::new();
        if flags & 0x20 != 0 {
            let len = number(cursor)?;
            properties = cursor.take(size(len)).ok_or(SHORT)?.to_vec();
        }
        (inputs, outputs) = (inputs + ins, outputs + outs);
        coders.push(Coder {
            id,
            properties,
            inputs: ins,
            outputs: outs,
        });
    }
    let mut bound: Vec<(u64, u64)> = Vec::new();
    for _ in 1..outputs {
        let (input, output) = (number(cursor)?, number(cursor)?);
        // An output that several inputs took would be opened for each, and what is before it too.
        if bound.iter().any(|(to, from)| *to == input || *from == output) {
            return Err(WRONG);
        }
        bound.push((input, output));
    }
    let open = inputs
        .checked_sub(bound.len() as u64)
        .filter(|_| outputs > 0)
        .ok_or(WRONG)?;
    let inputs = if open == 1 {
        (0..inputs)
            .filter(|input| !bound.iter().any(|(to, _)| to == input))
            .take(1)
            .collect()
    } else {
        (0..open).map(|_| number(cursor)).collect::<Result<_, _>>()?
    };
    Ok(Folder {
        coders,
        bound,
        inputs,
        first,
        sizes: Vec::new(),
        crc: None,
        files: Vec::new(),
    })
}
