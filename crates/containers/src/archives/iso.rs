//! Images of ISO 9660 (ECMA-119), with the longer names of Rock Ridge and Joliet.
//!
//! A disc may have several trees of folders over the same content; systems choose in different ways, so all are read. A
//! file that only one tree has, or that ends in different ways in two of them, makes the disc [`Mark::Ambiguous`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use super::octets::{le16, le32, piece};
use super::{behind, magic, udf};
use crate::{File, Flow, Mark, Role, Visit, names};

const SECTOR: usize = 2_048;
/// Volume descriptors that are looked at.
const DESCRIPTORS_MAX: usize = 32;
/// Where the descriptors end at the earliest.
const DESCRIPTORS_END: usize = 18 * SECTOR;
/// Folders of a tree that are followed.
const FOLDERS_MAX: usize = 4_096;
/// Records of files and folders that are followed, of all trees together: any number of them may share their octets.
const RECORDS_MAX: usize = 65_536;
/// Continuations of what Rock Ridge says of a file, each of which lies in a sector.
const CONTINUED_MAX: usize = 8;

/// A file in a tree: its name and where its pieces lie.
#[derive(Default)]
struct Found {
    name: String,
    link: bool,
    /// The next record is of the same file.
    more: bool,
    pieces: Vec<(usize, usize)>,
}

/// Gives the files of an image.
pub(super) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let mut trees: Vec<Vec<Found>> = Vec::new();
    let (mut left, mut ended) = (RECORDS_MAX, false);
    for number in 0..DESCRIPTORS_MAX {
        let descriptor = piece(octets, (16 + number) * SECTOR, SECTOR);
        let Some(descriptor) = descriptor.filter(|descriptor| descriptor.get(1..6) == Some(b"CD001")) else {
            ended = true;
            break;
        };
        let wide = match descriptor.first() {
            Some(1) => false,
            Some(2) => matches!(descriptor.get(88..91), Some(b"%/@" | b"%/C" | b"%/E")),
            Some(255) => {
                ended = true;
                break;
            }
            _ => continue,
        };
        let block = le16(descriptor, 128).map_or(SECTOR, usize::from);
        let Some(root) = descriptor
            .get(156..190)
            .filter(|_| block.is_power_of_two() && block >= 512)
        else {
            visit.mark(Mark::Damaged, "a descriptor that is none");
            continue;
        };
        trees.push(Tree { octets, block, wide }.read(root, &mut left, visit));
        if visit.is_over() {
            return;
        }
    }
    if !ended {
        visit.mark(Mark::Unread, "more descriptors than are looked at");
    }
    if trees.is_empty() {
        visit.mark(Mark::Damaged, "it has no tree of folders");
    }
    differences(&trees, visit);
    let (mut given, mut end) = (BTreeSet::new(), DESCRIPTORS_END);
    // Joliet comes last and has the longest names, so its tree goes first.
    for found in trees.into_iter().rev().flatten() {
        let extension = names::extension(&found.name);
        if !given.insert((
            found.pieces.clone(),
            extension.map(|extension| extension.chars().take(3).collect::<String>()),
        )) {
            continue;
        }
        if one(octets, &found, visit) == Flow::Stop {
            return;
        }
        end = found
            .pieces
            .iter()
            .map(|(at, len)| at.saturating_add(*len))
            .fold(end, usize::max);
    }
    if magic::is_udf(octets) {
        return udf::read(octets, visit);
    }
    // What is behind the last file is none of the disc's, whatever size it says.
    behind::rest(octets, end, visit);
}

fn one(octets: &[u8], found: &Found, visit: &mut dyn Visit) -> Flow {
    let role = if found.link { Role::Link } else { Role::File };
    let file = File {
        name: found.name.clone(),
        role,
        declared: None,
    };
    visit.file(&file, &mut Pieces::new(octets, &found.pieces))
}

/// Says where trees show different files.
fn differences(trees: &[Vec<Found>], visit: &mut dyn Visit) {
    let contents = |tree: &[Found]| -> BTreeMap<Vec<(usize, usize)>, BTreeSet<String>> {
        let mut contents: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
        for found in tree.iter().filter(|found| found.pieces.iter().any(|(_, len)| *len > 0)) {
            // The plain names of ISO 9660 keep three letters of an extension.
            let extension = names::extension(&found.name).unwrap_or_default();
            contents
                .entry(found.pieces.clone())
                .or_default()
                .insert(extension.chars().take(3).collect());
        }
        contents
    };
    let mut all = trees.iter().map(|tree| contents(tree));
    let Some(first) = all.next() else { return };
    for other in all {
        if first.keys().ne(other.keys()) {
            visit.mark(Mark::Ambiguous, "a file that only one tree of folders has");
        } else if first != other {
            visit.mark(Mark::Ambiguous, "a file with two names");
        }
    }
}

/// Pieces of an image one behind another.
pub(super) struct Pieces<'a> {
    octets: &'a [u8],
    pieces: std::slice::Iter<'a, (usize, usize)>,
    open: &'a [u8],
    short: bool,
}

impl<'a> Pieces<'a> {
    pub(super) fn new(octets: &'a [u8], pieces: &'a [(usize, usize)]) -> Pieces<'a> {
        Pieces {
            octets,
            pieces: pieces.iter(),
            open: &[],
            short: false,
        }
    }
}

impl Read for Pieces<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if !self.open.is_empty() || into.is_empty() {
                return self.open.read(into);
            }
            if self.short {
                return Err(super::octets::damage("it lies outside the image"));
            }
            let Some(&(at, len)) = self.pieces.next() else {
                return Ok(0);
            };
            let all = self.octets.get(at..).unwrap_or_default();
            self.short = len > all.len();
            self.open = all.get(..len).unwrap_or(all);
        }
    }
}

/// A tree of folders.
struct Tree<'a> {
    octets: &'a [u8],
    block: usize,
    /// Whether names are in UTF-16 (Joliet).
    wide: bool,
}

impl Tree<'_> {
    /// All files of the tree, folder by folder.
    fn read(&self, root: &[u8], left: &mut usize, visit: &mut dyn Visit) -> Vec<Found> {
        let (mut files, mut seen) = (Vec::new(), BTreeSet::new());
        let mut folders = vec![self.place(root)];
        let mut at = 0;
        while let Some((begin, len)) = folders.get(at).copied() {
            at += 1;
            if !seen.insert(begin) {
                continue;
            }
            let Some(folder) = piece(self.octets, begin, len) else {
                visit.mark(Mark::Damaged, "a folder outside the image");
                continue;
            };
            for record in records(folder) {
                if visit.is_over() {
                    return files;
                }
                let Some(fewer) = left.checked_sub(1) else {
                    visit.mark(Mark::Files, "more files than are followed");
                    return files;
                };
                *left = fewer;
                let (Some(flags), Some(name)) = (record.get(25).copied(), name(record)) else {
                    continue;
                };
                if matches!(name, [] | [0] | [1]) {
                    continue;
                }
                if flags & 2 != 0 {
                    folders.push(self.place(record));
                    if folders.len() > FOLDERS_MAX {
                        visit.mark(Mark::Files, "more folders than are followed");
                        return files;
                    }
                } else {
                    self.file(record, name, flags, &mut files);
                }
            }
        }
        files
    }

    /// Where the content of a record lies: its first octet and how many.
    fn place(&self, record: &[u8]) -> (usize, usize) {
        let block = le32(record, 2).unwrap_or_default() as usize;
        let skipped = usize::from(record.get(1).copied().unwrap_or_default());
        (
            block.saturating_add(skipped).saturating_mul(self.block),
            le32(record, 10).unwrap_or_default() as usize,
        )
    }

    fn file(&self, record: &[u8], name: &[u8], flags: u8, files: &mut Vec<Found>) {
        let mut found = Found {
            name: self.text(name),
            ..Found::default()
        };
        if !self.wide {
            self.rock_ridge(record, name.len(), &mut found);
        }
        found.pieces.push(self.place(record));
        found.more = flags & 0x80 != 0;
        // A file in several pieces is several records; a flag says that more come.
        match files.last_mut() {
            Some(last) if last.more && last.name == found.name => {
                last.pieces.append(&mut found.pieces);
                last.more = found.more;
            }
            _ => files.push(found),
        }
    }

    /// A name without its version and without the dot that stands for no extension.
    fn text(&self, name: &[u8]) -> String {
        let name = if self.wide {
            names::utf16(name, true)
        } else {
            names::text(name)
        };
        let name = name.split_once(';').map_or(name.as_str(), |(name, _)| name);
        name.strip_suffix('.').unwrap_or(name).to_owned()
    }

    /// What Rock Ridge says: another name, and whether it is a link.
    fn rock_ridge(&self, record: &[u8], len: usize, found: &mut Found) {
        let mut area = record
            .get(33 + len + usize::from(len.is_multiple_of(2))..)
            .unwrap_or_default();
        let mut long: Vec<u8> = Vec::new();
        for _ in 0..CONTINUED_MAX {
            let mut next = None;
            while let Some((entry, rest)) = area.get(2).and_then(|len| area.split_at_checked(usize::from(*len))) {
                match entry.get(..2) {
                    Some(b"NM") => long.extend_from_slice(entry.get(5..).unwrap_or_default()),
                    Some(b"SL") => found.link = true,
                    Some(b"CE") => next = self.continued(entry),
                    Some(b"ST") | None => break,
                    _ => {}
                }
                area = rest;
            }
            match next {
                Some(more) => area = more,
                None => break,
            }
        }
        if !long.is_empty() {
            found.name = names::text(&long);
        }
    }

    fn continued(&self, entry: &[u8]) -> Option<&[u8]> {
        let (block, offset, len) = (
            le32(entry, 4)? as usize,
            le32(entry, 12)? as usize,
            le32(entry, 20)? as usize,
        );
        let area = block.checked_mul(self.block)?.checked_add(offset)?;
        piece(self.octets, area, len.min(SECTOR))
    }
}

fn name(record: &[u8]) -> Option<&[u8]> {
    piece(record, 33, usize::from(*record.get(32)?))
}

/// The records of a folder; none crosses the end of a sector.
fn records(folder: &[u8]) -> impl Iterator<Item = &[u8]> {
    folder.chunks(SECTOR).flat_map(|sector| {
        let mut rest = sector;
        std::iter::from_fn(move || {
            let len = usize::from(*rest.first()?);
            let (record, after) = rest.split_at_checked(len).filter(|_| len > 0)?;
            rest = after;
            Some(record)
        })
    })
}
