//! Compound files (MS-CFB): storages and streams in sectors.
//!
//! Read as Office reads them: a chain that is cut gives what there is of it, two entries of one name are two entries, and
//! only the directory's own tree is followed, each entry once. The crate `cfb` finds streams by their path, so that one
//! of two of a name is never seen, refuses whole files where Office opens them, and takes memory as a file declares it;
//! it writes the fixtures of the tests.
//!
//! **Bounds:** [`ENTRIES_MAX`] entries, tables no larger than the file, and as many octets from all streams together as
//! the file has [`SHARE`] times.

/// Most entries of a directory that are read.
pub(crate) const ENTRIES_MAX: usize = 20_000;
/// Streams that share sectors give no more than this many times the octets of the file.
const SHARE: usize = 4;
/// Deepest storage within storages that is followed.
const DEPTH_MAX: usize = 64;

const END: u32 = 0xffff_fffe;
const NONE: u32 = 0xffff_ffff;
/// Octets of a sector of the short streams.
const SHORT: usize = 64;
/// Streams below this length lie in short sectors.
const CUTOFF: u64 = 4_096;

/// An entry of the directory.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its name, as it stands there.
    pub(crate) name: String,
    /// Whether it is a stream; a storage otherwise.
    pub(crate) is_stream: bool,
    /// The class of a storage, as its octets lie in the file.
    pub(crate) class: [u8; 16],
    /// The storage that it lies in, by its place in [`Compound::entries`]; the root lies in itself.
    pub(crate) parent: usize,
    /// Declared length in octets.
    pub(crate) length: u64,
    start: u32,
}

/// A compound file.
pub(crate) struct Compound<'a> {
    octets: &'a [u8],
    sector: usize,
    fat: Vec<u32>,
    short_fat: Vec<u32>,
    /// Where the sectors of the stream of short sectors lie.
    short_at: Vec<u32>,
    /// All that hang in the tree; the root is the first. A storage stands before what is in it.
    pub(crate) entries: Vec<Entry>,
    /// Something did not fit together, and not all may have been seen.
    pub(crate) damaged: bool,
    left: usize,
    /// What lies in each entry.
    inside: Vec<Vec<usize>>,
}

fn u16_at(octets: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(octets.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(octets: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(octets.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn words(octets: &[u8]) -> impl Iterator<Item = u32> + '_ {
    octets
        .chunks_exact(4)
        .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

/// The octets of a sector; the last one of a file may be short.
fn sector_of(octets: &[u8], size: usize, number: u32) -> Option<&[u8]> {
    let at = (number as usize).checked_add(1)?.checked_mul(size)?;
    let rest = octets.get(at..).filter(|rest| !rest.is_empty())?;
    Some(rest.get(..size).unwrap_or(rest))
}

impl<'a> Compound<'a> {
    /// Reads the tables and the directory; `None` if there is no root.
    pub(crate) fn open(octets: &'a [u8]) -> Option<Compound<'a>> {
        if !octets.starts_with(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1") {
            return None;
        }
        let sector = match u16_at(octets, 30)? {
            12 => 4_096,
            _ => 512,
        };
        let sectors = octets.len() / sector + 1;
        let mut file = Compound {
            octets,
            sector,
            fat: Vec::new(),
            short_fat: Vec::new(),
            short_at: Vec::new(),
            entries: Vec::new(),
            damaged: false,
            left: octets.len().saturating_mul(SHARE),
            inside: Vec::new(),
        };
        file.read_fat(sectors)?;
        let directory = file.chain(&file.fat, u32_at(octets, 48)?, ENTRIES_MAX * 128 / sector);
        let short = file.chain(&file.fat, u32_at(octets, 60)?, sectors);
        file.damaged |= !directory.1 || !short.1;
        for number in &short.0 {
            file.short_fat
                .extend(sector_of(octets, sector, *number).into_iter().flat_map(words));
        }
        let raw: Vec<&[u8]> = directory
            .0
            .iter()
            .filter_map(|number| sector_of(octets, sector, *number))
            .flat_map(|sector| sector.chunks_exact(128))
            .collect();
        file.read_tree(&raw)?;
        file.inside = vec![Vec::new(); file.entries.len()];
        for (at, one) in file.entries.iter().enumerate().skip(1) {
            if let Some(inside) = file.inside.get_mut(one.parent) {
                inside.push(at);
            }
        }
        let root = file.entries.first()?.start;
        let at = file.chain(&file.fat, root, sectors);
        file.short_at = at.0;
        Some(file)
    }

    fn read_fat(&mut self, sectors: usize) -> Option<()> {
        let mut at = Vec::new();
        at.extend(words(self.octets.get(76..512)?));
        let mut next = u32_at(self.octets, 68)?;
        let per = self.sector / 4 - 1;
        // As many as the file can need, so that a chain of tables that point at one sector ends.
        let needed = sectors / (self.sector / 4) + 2;
        while next < END && at.len() < needed + 109 {
            let Some(table) = sector_of(self.octets, self.sector, next) else {
                self.damaged = true;
                break;
            };
            at.extend(words(table).take(per));
            next = u32_at(table, per * 4).unwrap_or(END);
        }
        for number in at.into_iter().filter(|number| *number < END - 2).take(needed) {
            match sector_of(self.octets, self.sector, number) {
                Some(sector) => self.fat.extend(words(sector)),
                None => self.damaged = true,
            }
        }
        Some(())
    }

    /// The numbers of a chain, at most `most`, and whether it ended as it should.
    fn chain(&self, table: &[u32], start: u32, most: usize) -> (Vec<u32>, bool) {
        let (mut next, mut numbers) = (start, Vec::new());
        while next < END {
            // A chain as long as the table is a circle.
            if numbers.len() >= most || numbers.len() > table.len() {
                return (numbers, false);
            }
            numbers.push(next);
            match table.get(next as usize) {
                Some(one) => next = *one,
                None => return (numbers, false),
            }
        }
        (numbers, true)
    }

    /// Hangs the entries into their storages: the siblings are a tree of any shape, walked with a stack.
    fn read_tree(&mut self, raw: &[&[u8]]) -> Option<()> {
        let root = raw.first()?;
        self.entries.push(entry(root, 0)?);
        let mut seen = vec![false; raw.len()];
        if let Some(first) = seen.first_mut() {
            *first = true;
        }
        let mut stack = vec![(u32_at(root, 76)?, 0usize, 0usize)];
        while let Some((number, parent, depth)) = stack.pop() {
            if number == NONE {
                continue;
            }
            let at = number as usize;
            let (Some(octets), Some(seen)) = (raw.get(at), seen.get_mut(at)) else {
                self.damaged = true;
                continue;
            };
            if *seen || depth > DEPTH_MAX {
                self.damaged = true;
                continue;
            }
            *seen = true;
            let mut sibling = |offset| stack.push((u32_at(octets, offset).unwrap_or(NONE), parent, depth));
            sibling(72);
            sibling(68);
            let Some(one) = entry(octets, parent) else {
                self.damaged = true;
                continue;
            };
            if !one.is_stream {
                stack.push((u32_at(octets, 76).unwrap_or(NONE), self.entries.len(), depth + 1));
            }
            self.entries.push(one);
        }
        Some(())
    }

    /// Octets of the file.
    pub(crate) fn length(&self) -> usize {
        self.octets.len()
    }

    /// The octets of a stream, at most `most`; what is there of a broken one, with the damage noted.
    pub(crate) fn read(&mut self, entry: usize, most: usize) -> Vec<u8> {
        let Some(one) = self.entries.get(entry).filter(|one| one.is_stream) else {
            return Vec::new();
        };
        let wanted = usize::try_from(one.length).unwrap_or(usize::MAX);
        let short = one.length < CUTOFF;
        let most = most.min(wanted).min(self.left);
        let (table, size) = if short {
            (&self.short_fat, SHORT)
        } else {
            (&self.fat, self.sector)
        };
        let (numbers, _) = self.chain(table, one.start, most.div_ceil(size));
        let walked = numbers.len().saturating_mul(size).min(most);
        let mut found = Vec::with_capacity(most.min(numbers.len().saturating_mul(size)));
        for number in numbers {
            let piece = if short {
                self.short_sector(number)
            } else {
                sector_of(self.octets, self.sector, number)
            };
            let Some(piece) = piece else { break };
            let room = most.saturating_sub(found.len());
            found.extend_from_slice(piece.get(..piece.len().min(room)).unwrap_or_default());
        }
        self.damaged |= found.len() < most || most == self.left && most < wanted;
        // The walk counts, too, where it leads out of the file.
        self.left = self.left.saturating_sub(found.len().max(walked));
        found
    }

    fn short_sector(&self, number: u32) -> Option<&'a [u8]> {
        let at = (number as usize).checked_mul(SHORT)?;
        let sector = sector_of(self.octets, self.sector, *self.short_at.get(at / self.sector)?)?;
        let from = at % self.sector;
        sector
            .get(from..)
            .filter(|rest| !rest.is_empty())
            .map(|rest| rest.get(..SHORT).unwrap_or(rest))
    }

    /// The first entry of this name in a storage; names are compared without regard to the case of ASCII letters.
    pub(crate) fn find(&self, parent: usize, name: &str) -> Option<usize> {
        self.within(parent).find(|at| {
            self.entries
                .get(*at)
                .is_some_and(|one| one.name.eq_ignore_ascii_case(name))
        })
    }

    /// What lies in a storage itself.
    pub(crate) fn within(&self, parent: usize) -> impl Iterator<Item = usize> + '_ {
        self.inside.get(parent).into_iter().flatten().copied()
    }

    /// Whether any entry has this name.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.entries.iter().any(|one| one.name.eq_ignore_ascii_case(name))
    }
}

fn entry(octets: &[u8], parent: usize) -> Option<Entry> {
    let kind = *octets.get(66)?;
    if !matches!(kind, 1 | 2 | 5) {
        return None;
    }
    let length = usize::from(u16_at(octets, 64)?).min(64);
    let units = octets
        .get(..length)?
        .chunks_exact(2)
        .map(|two| u16::from_le_bytes([two[0], two[1]]));
    let name: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    // In files of small sectors the upper half of the length is not used, and some writers leave noise there.
    let long = u64::from(u32_at(octets, 124)?);
    let low = u64::from(u32_at(octets, 120)?);
    Some(Entry {
        name: String::from_utf16_lossy(&name),
        is_stream: kind == 2,
        class: octets.get(80..96)?.try_into().ok()?,
        parent,
        length: if long < 0x10 { long << 32 | low } else { low },
        start: u32_at(octets, 116)?,
    })
}
