//! Cabinets of Microsoft (MS-CAB), stored, packed by MSZIP or LZX.
//!
//! A folder is a stream of blocks of at most 32,768 octets, and files are pieces of that stream; the stream is unpacked
//! once, file by file.

use std::io::{self, Read};

use lzxd::{Lzxd, WindowSize};
use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::behind;
use super::octets::{Cursor, damage, le16, le32, piece};
use crate::{File, Flow, Mark, Role, Visit, names};

const BLOCK: usize = 32_768;
/// Files that are followed.
const FILES_MAX: usize = 65_535;
/// How often a folder is unpacked from its begin, since files lie upon one another.
const AGAIN_MAX: usize = 16;
/// Octets that are read over between files, of all folders together.
const SKIPPED_MAX: usize = 256 * 1_024 * 1_024;
/// In place of a folder: the file goes on from, or in, another cabinet.
const ELSEWHERE: u16 = 0xfffd;

/// What the header says.
struct Header<'a> {
    size: usize,
    files_at: usize,
    files: u16,
    /// Whether it is one of several.
    pieces: bool,
    /// For each folder where its first block is, how many there are, and how they are packed.
    folders: Vec<(usize, u16, u16)>,
    /// Octets that are kept free in each block.
    spare: usize,
    octets: &'a [u8],
}

impl<'a> Header<'a> {
    fn read(octets: &'a [u8]) -> Option<Header<'a>> {
        let mut cursor = Cursor::new(octets);
        let fixed = cursor.take(36)?;
        let flags = le16(fixed, 30)?;
        let (mut folder_spare, mut spare) = (0, 0);
        if flags & 4 != 0 {
            let header_spare = usize::from(cursor.le16()?);
            folder_spare = usize::from(cursor.u8()?);
            spare = usize::from(cursor.u8()?);
            cursor.take(header_spare)?;
        }
        // Names of the cabinet before and of the next, and of the discs they are on.
        for bit in [1, 2] {
            if flags & bit != 0 {
                cursor.until_nul()?;
                cursor.until_nul()?;
            }
        }
        let mut folders = Vec::new();
        for _ in 0..le16(fixed, 26)? {
            let Some(folder) = cursor.take(8 + folder_spare) else {
                break;
            };
            folders.push((le32(folder, 0)? as usize, le16(folder, 4)?, le16(folder, 6)?));
        }
        Some(Header {
            size: le32(fixed, 8)? as usize,
            files_at: le32(fixed, 16)? as usize,
            files: le16(fixed, 28)?,
            pieces: flags & 3 != 0,
            folders,
            spare,
            octets,
        })
    }
}

/// A file of a cabinet.
struct Entry<'a> {
    size: usize,
    offset: usize,
    folder: u16,
    name: &'a [u8],
}

/// Whether a head is one: its reserved fields are nothing, its version is the only one, its numbers fit.
pub(super) fn is_head(octets: &[u8]) -> bool {
    octets.get(24..26) == Some(&[3, 1])
        && le32(octets, 12) == Some(0)
        && le32(octets, 20) == Some(0)
        && Header::read(octets).is_some_and(|header| header.files > 0 && header.files_at < header.size)
}

/// Gives the files of a cabinet.
pub(super) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let Some(header) = Header::read(octets) else {
        visit.mark(Mark::Damaged, "its header is cut short");
        return;
    };
    if header.pieces {
        visit.mark(Mark::Unread, "one piece of an archive that is cut in several");
    }
    let (mut files, list_end) = entries(&header);
    if files.len() < usize::from(header.files) {
        visit.mark(Mark::Damaged, "it ends within its list of files");
    }
    // In a folder the files lie one behind another; what is out of order is unpacked anew.
    files.sort_by_key(|file| (file.folder, file.offset));
    let mut open: Option<(u16, Folder<'_>)> = None;
    let (mut again, mut skipped, mut end) = (0, 0_usize, list_end);
    for file in &files {
        if visit.is_over() {
            return;
        }
        let described = File {
            name: names::text(file.name),
            role: Role::File,
            declared: None,
        };
        let Some(&folder) = header.folders.get(usize::from(file.folder)) else {
            let mark = if file.folder >= ELSEWHERE {
                Mark::Unread
            } else {
                Mark::Damaged
            };
            if visit.closed(&described, mark) == Flow::Stop {
                return;
            }
            continue;
        };
        let before = open.take().filter(|(number, _)| *number == file.folder);
        if before.as_ref().is_some_and(|(_, stream)| stream.given > file.offset) {
            visit.mark(Mark::Ambiguous, "files lie upon one another");
            again += 1;
        }
        skipped = skipped.saturating_add(
            file.offset
                .saturating_sub(before.as_ref().map_or(0, |(_, stream)| stream.given)),
        );
        if again > AGAIN_MAX || skipped > SKIPPED_MAX {
            visit.mark(Mark::Octets, "too much to read over");
            if visit.closed(&described, Mark::Octets) == Flow::Stop {
                return;
            }
            continue;
        }
        let mut stream = match before {
            Some((_, stream)) if stream.given <= file.offset => stream,
            _ => match Folder::new(&header, folder) {
                Some(stream) => stream,
                None => {
                    if visit.closed(&described, Mark::Unread) == Flow::Stop {
                        return;
                    }
                    continue;
                }
            },
        };
        let flow = {
            let skip = file.offset - stream.given;
            let skipped = stream.skip(skip, visit);
            let mut content = Piece {
                stream: &mut stream,
                left: file.size,
                lost: !skipped,
            };
            let flow = visit.file(&described, &mut content);
            // A file that nobody read is read over, so that the next one is found.
            let left = content.left;
            stream.skip(left, visit);
            flow
        };
        end = end.max(octets.len() - stream.cursor.rest.len());
        open = Some((file.folder, stream));
        if flow == Flow::Stop {
            return;
        }
    }
    // It ends with the last block that is used, whatever size it says.
    behind::rest(octets, end, visit);
}

/// The list of files, and where it ends.
fn entries<'a>(header: &Header<'a>) -> (Vec<Entry<'a>>, usize) {
    let mut cursor = Cursor::new(header.octets.get(header.files_at..).unwrap_or_default());
    let mut files = Vec::new();
    while files.len() < usize::from(header.files).min(FILES_MAX) {
        let (Some(fixed), Some(name)) = (cursor.take(16), cursor.until_nul()) else {
            break;
        };
        let (Some(size), Some(offset), Some(folder)) = (le32(fixed, 0), le32(fixed, 4), le16(fixed, 8)) else {
            break;
        };
        files.push(Entry {
            size: size as usize,
            offset: offset as usize,
            folder,
            name,
        });
    }
    (files, header.octets.len() - cursor.rest.len())
}

/// A file of a folder that is being unpacked.
struct Piece<'s, 'a> {
    stream: &'s mut Folder<'a>,
    left: usize,
    /// What stands before it could not be unpacked.
    lost: bool,
}

impl Read for Piece<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.lost {
            return Err(damage("the data before it is damaged"));
        }
        let most = into.len().min(self.left);
        let n = self.stream.read(into.get_mut(..most).unwrap_or_default())?;
        self.left -= n;
        if n == 0 && most > 0 {
            Err(damage("its data is cut short"))
        } else {
            Ok(n)
        }
    }
}

/// How blocks are packed.
enum Method {
    Stored,
    /// Each block is its own deflate stream, over the octets of the one before.
    MsZip(Box<DecompressorOxide>),
    Lzx(Box<Lzxd>),
}

/// The stream of a folder.
struct Folder<'a> {
    cursor: Cursor<'a>,
    blocks: u16,
    spare: usize,
    method: Method,
    /// The last block in the half behind, the one before it in the half before.
    window: Vec<u8>,
    /// Of the last block, how much there is and how much of it is given.
    len: usize,
    at: usize,
    given: usize,
    broken: bool,
}

impl<'a> Folder<'a> {
    fn new(header: &Header<'a>, (at, blocks, packing): (usize, u16, u16)) -> Option<Folder<'a>> {
        let method = match packing & 15 {
            0 => Method::Stored,
            1 => Method::MsZip(Box::default()),
            3 => Method::Lzx(Box::new(Lzxd::new(match packing >> 8 & 31 {
                15 => WindowSize::KB32,
                16 => WindowSize::KB64,
                17 => WindowSize::KB128,
                18 => WindowSize::KB256,
                19 => WindowSize::KB512,
                20 => WindowSize::MB1,
                21 => WindowSize::MB2,
                _ => return None,
            }))),
            // Quantum.
            _ => return None,
        };
        Some(Folder {
            cursor: Cursor::new(header.octets.get(at..).unwrap_or_default()),
            blocks,
            spare: header.spare,
            method,
            window: vec![0; 2 * BLOCK],
            len: 0,
            at: 0,
            given: 0,
            broken: false,
        })
    }

    /// Reads over as many octets; `false` if they are not there.
    fn skip(&mut self, mut many: usize, visit: &mut dyn Visit) -> bool {
        let mut step = [0; 4_096];
        while many > 0 {
            if visit.is_over() {
                return false;
            }
            let most = many.min(step.len());
            match self.read(step.get_mut(..most).unwrap_or_default()) {
                Ok(n) if n > 0 => many -= n,
                _ => return false,
            }
        }
        true
    }

    /// Unpacks the next block; `false` at the end.
    fn next(&mut self) -> io::Result<bool> {
        if self.blocks == 0 {
            return Ok(false);
        }
        self.blocks -= 1;
        let short = || damage("it ends within a block");
        let fixed = self.cursor.take(8).ok_or_else(short)?;
        self.cursor.take(self.spare).ok_or_else(short)?;
        let packed = usize::from(le16(fixed, 4).unwrap_or_default());
        let size = usize::from(le16(fixed, 6).unwrap_or_default());
        let data = self.cursor.take(packed).ok_or_else(short)?;
        let declared = le32(fixed, 0).unwrap_or_default();
        if declared != 0 && declared != sum(fixed.get(4..).unwrap_or_default(), sum(data, 0)) {
            return Err(damage("the checksum of a block is wrong"));
        }
        if size > BLOCK {
            return Err(damage("a block that is too large"));
        }
        // The block before goes to the end of the first half, where the next one sees it.
        let before = self.len;
        self.window.copy_within(BLOCK..BLOCK + before, BLOCK - before);
        let made = match &mut self.method {
            Method::Stored => {
                let into = self
                    .window
                    .get_mut(BLOCK..BLOCK + data.len().min(BLOCK))
                    .unwrap_or_default();
                into.copy_from_slice(data.get(..into.len()).unwrap_or_default());
                into.len()
            }
            Method::MsZip(inflate) => {
                let data = data
                    .strip_prefix(b"CK")
                    .ok_or_else(|| damage("a block that is not MSZIP"))?;
                inflate.init();
                let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
                let (status, _, made) = decompress(inflate, data, &mut self.window, BLOCK, flags);
                if status != TINFLStatus::Done {
                    return Err(damage("a block that cannot be unpacked"));
                }
                made
            }
            Method::Lzx(lzx) => {
                let made = lzx
                    .decompress_next(data, size)
                    .map_err(|_| damage("a block that cannot be unpacked"))?;
                let into = self
                    .window
                    .get_mut(BLOCK..BLOCK + made.len().min(BLOCK))
                    .unwrap_or_default();
                into.copy_from_slice(made.get(..into.len()).unwrap_or_default());
                into.len()
            }
        };
        if made != size {
            return Err(damage("a block of another size"));
        }
        (self.len, self.at) = (made, 0);
        Ok(true)
    }
}

impl Read for Folder<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.broken {
            return Err(damage("the data before it is damaged"));
        }
        while self.at >= self.len && !into.is_empty() {
            match self.next() {
                Ok(true) => {}
                Ok(false) => return Ok(0),
                Err(error) => {
                    self.broken = true;
                    return Err(error);
                }
            }
        }
        let ready = piece(&self.window, BLOCK + self.at, self.len - self.at).unwrap_or_default();
        let n = ready.len().min(into.len());
        if let (Some(into), Some(ready)) = (into.get_mut(..n), ready.get(..n)) {
            into.copy_from_slice(ready);
        }
        self.at += n;
        self.given += n;
        Ok(n)
    }
}

/// The checksum of a block: words of four octets, and what is left over with its first octet highest.
fn sum(octets: &[u8], from: u32) -> u32 {
    let words = octets.chunks(4).map(|word| match word {
        [a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]),
        rest => rest.iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet)),
    });
    words.fold(from, |sum, word| sum ^ word)
}
