//! The sample log: samples and marks in files, oldest first, and what is known of them in memory.
//!
//! ```text
//! <folder>/<first sequence, twenty digits>.log     frames; only the last file is written to
//! ```
//!
//! **Invariants:** what [`Log::append`] returned for survives a power cut; sequences only grow, and none is given twice as
//! long as the log or a version remembers it. What is forgotten is durably marked before anything else happens, and its
//! features are gone from the disk when [`Log::erase`] has nothing more to do. A torn end is cut and told; damage in the
//! middle is told, and what lies around it is used; so is a file that is not there ([`Log::gaps`]). Everything here blocks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use gatepost_core::{Ground, Label};

use crate::entry::{self, Head, Line, Named};
use crate::segment::{self, Placed};

/// A file that has grown beyond this is followed by another: a part of all, so that what goes at once is little.
const SEGMENT: (u64, u64) = (64 << 10, 16 << 20);
const PARTS: u64 = 32;
/// The most spans of samples that are put aside.
pub const SPANS_MAX: usize = 1_000;

/// A sample of the log.
#[derive(Clone, PartialEq, Debug)]
pub struct Entry {
    /// What is known of it.
    pub head: Head,
    /// The checksum of its frame: what tells it from any other.
    pub check: u64,
    /// The sample that it repeats, where it is one that is learned once more.
    pub again: Option<u64>,
    file: u64,
    at: u64,
    len: u32,
}

/// The sample log.
pub struct Log {
    folder: PathBuf,
    /// The files by the first sequence of each, and their octets.
    files: BTreeMap<u64, u64>,
    /// The last file, open for appending; none where a new one must begin.
    open: Option<(u64, File)>,
    entries: BTreeMap<u64, Entry>,
    /// Samples that are learned once more, by the one that they repeat and by the one for whose sake they do.
    again: BTreeMap<u64, Vec<u64>>,
    aside: Vec<(u64, u64)>,
    /// Forgotten samples whose features are still on the disk, by file.
    gone: BTreeMap<u64, BTreeSet<u64>>,
    /// What each mark of forgetting names, by its sequence.
    marks: BTreeMap<u64, Vec<u64>>,
    /// Sequences that stood in no file when the log was opened, before the first and between two: first and last.
    apart: Vec<(u64, u64)>,
    last: u64,
    segment: u64,
}

/// Whether a sample lies in one of some spans.
pub fn within(spans: &[(u64, u64)], sequence: u64) -> bool {
    spans
        .iter()
        .any(|(after, through)| (*after < sequence) && (sequence <= *through))
}

impl Log {
    /// Opens the log in a folder. Samples up to `base` are part of the base already, and what is put aside where no mark
    /// says so is `aside`. What was found amiss is told in words.
    pub fn open(folder: &Path, base: u64, aside: Vec<(u64, u64)>) -> io::Result<(Log, Vec<String>)> {
        segment::make_folder(folder)?;
        segment::remove_unfinished(folder)?;
        let mut names = BTreeSet::new();
        for found in std::fs::read_dir(folder)? {
            let name = found?.file_name();
            let first = name
                .to_str()
                .and_then(|name| name.strip_suffix(".log")?.parse::<u64>().ok());
            names.extend(first);
        }
        let mut log = Log {
            folder: folder.into(),
            files: BTreeMap::new(),
            open: None,
            entries: BTreeMap::new(),
            again: BTreeMap::new(),
            aside,
            gone: BTreeMap::new(),
            marks: BTreeMap::new(),
            apart: Vec::new(),
            last: base,
            segment: SEGMENT.1,
        };
        let mut notes = Vec::new();
        let mut end = 0;
        for first in &names {
            let path = log.path(*first);
            let bytes = std::fs::read(&path)?;
            let contents = segment::read(&bytes);
            for damage in &contents.damaged {
                notes.push(format!(
                    "{}: octets {} to {} are damaged: the samples there are lost, the others are used",
                    path.display(),
                    damage.start,
                    damage.end
                ));
            }
            if contents.end < bytes.len() {
                notes.push(format!(
                    "{}: the last {} octets are torn, as after a power cut, and were cut off",
                    path.display(),
                    bytes.len() - contents.end
                ));
                let file = OpenOptions::new().write(true).open(&path)?;
                file.set_len(contents.end as u64)?;
                file.sync_all()?;
            }
            log.files.insert(*first, contents.end as u64);
            log.last = log.last.max(first.saturating_sub(1));
            if end < first.saturating_sub(1) {
                log.apart.push((end + 1, *first - 1));
            }
            let youngest = contents.lines.iter().map(|placed| placed.line.sequence()).max();
            end = end.max(youngest.unwrap_or_else(|| first.saturating_sub(1)));
            contents.lines.into_iter().for_each(|placed| log.take(*first, placed));
        }
        log.finish(base)?;
        Ok((log, notes))
    }

    fn take(&mut self, file: u64, placed: Placed) {
        self.last = self.last.max(placed.line.sequence());
        let again = match &placed.line {
            Line::Again(_, of, beside) => Some((*of, *beside)),
            _ => None,
        };
        match placed.line {
            Line::Sample(head) | Line::Again(head, ..) => {
                for with in again.into_iter().flat_map(|(of, beside)| [of, beside]) {
                    self.again.entry(with).or_default().push(head.sequence);
                }
                let entry = Entry {
                    check: placed.check,
                    again: again.map(|(of, _)| of),
                    file,
                    at: placed.at as u64,
                    len: placed.len as u32,
                    head,
                };
                self.entries.insert(entry.head.sequence, entry);
            }
            Line::Forgotten { sequence, which } => {
                self.marks.insert(sequence, which);
            }
            Line::Aside { spans, .. } => self.aside = spans,
            Line::Remembered(..) => {}
        }
    }

    /// Drops what the base has, and what is forgotten.
    fn finish(&mut self, base: u64) -> io::Result<()> {
        let forgotten: Vec<u64> = self.marks.values().flatten().copied().collect();
        for sequence in forgotten {
            self.part(sequence);
        }
        self.drop_through(base)?;
        if let Some((first, _)) = self.files.last_key_value().filter(|(_, len)| **len < self.segment) {
            let file = OpenOptions::new().append(true).open(self.path(*first))?;
            self.open = Some((*first, file));
        }
        Ok(())
    }

    /// Takes a sample out, and with it what repeats it or was repeated for its sake.
    fn part(&mut self, sequence: u64) {
        let again = self.again.remove(&sequence).unwrap_or_default();
        for sequence in std::iter::once(sequence).chain(again) {
            if let Some(entry) = self.entries.remove(&sequence) {
                self.gone.entry(entry.file).or_default().insert(sequence);
            }
        }
    }

    fn path(&self, first: u64) -> PathBuf {
        self.folder.join(format!("{first:020}.log"))
    }

    /// How many octets there may be in all, so that files are a part of them.
    pub fn bounded(&mut self, bytes: u64) {
        self.segment = (bytes / PARTS).clamp(SEGMENT.0, SEGMENT.1);
    }

    /// The last sequence that was given.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// Sees to it that no sequence up to this is given again.
    pub fn beyond(&mut self, sequence: u64) {
        self.last = self.last.max(sequence);
    }

    /// The samples that somebody told, each once, in order; also those that are put aside.
    pub fn told(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries().filter(|entry| entry.again.is_none())
    }

    /// The same, and what repeats a sample that is part of the base: what is left of it here to forget.
    pub fn left(&self) -> impl Iterator<Item = &Entry> {
        let is_left = |entry: &&Entry| entry.again.is_none_or(|of| !self.entries.contains_key(&of));
        self.entries().filter(is_left)
    }

    /// What is learned, in order, also once more; also what is put aside.
    pub fn entries(&self) -> impl DoubleEndedIterator<Item = &Entry> {
        self.entries.values()
    }

    /// A sample.
    pub fn entry(&self, sequence: u64) -> Option<&Entry> {
        self.entries.get(&sequence)
    }

    /// The first sample behind a sequence; `all` takes those that are put aside, too.
    pub fn after(&self, sequence: u64, all: bool) -> Option<&Entry> {
        let rest = self.entries.range(sequence.saturating_add(1)..);
        rest.map(|(_, entry)| entry)
            .find(|entry| all || !within(&self.aside, entry.head.sequence))
    }

    /// The sample of a collection whose turn it is to be learned once more: the first of a class behind a sequence, else the
    /// first of all, of those that may.
    pub fn next_in_turn(&self, label: Label, behind: u64, may: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        let fits = |entry: &&Entry| {
            let head = &entry.head;
            let is_told = head.ground == Ground::Corpus && entry.again.is_none() && !within(&self.aside, head.sequence);
            is_told && head.label == label && may(entry)
        };
        let later = self.entries.range(behind.saturating_add(1)..);
        let earlier = self.entries.range(..=behind);
        later.chain(earlier).map(|(_, entry)| entry).find(fits)
    }

    /// How many samples there are that somebody told.
    pub fn len(&self) -> usize {
        self.told().count()
    }

    /// Octets on the disk.
    pub fn bytes(&self) -> u64 {
        self.files.values().sum()
    }

    /// What is put aside.
    pub fn aside(&self) -> &[(u64, u64)] {
        &self.aside
    }

    /// The samples that were missing when the log was opened, first and last of each gap: they are younger than `base`, stood
    /// in no file, and no mark says that they are forgotten. A file of the log is lost where there is one.
    pub fn gaps(&self, base: u64) -> Vec<(u64, u64)> {
        let forgotten: BTreeSet<u64> = self.marks.values().flatten().copied().collect();
        let whole = self.apart.iter().filter_map(|(first, last)| {
            let (mut first, mut last) = ((*first).max(base.saturating_add(1)), *last);
            let marked = forgotten.range(first..=last.max(first)).count() as u64;
            if first > last || marked > last - first {
                return None;
            }
            // One at least is not forgotten, so both stop before they meet.
            while forgotten.contains(&first) {
                first += 1;
            }
            while forgotten.contains(&last) {
                last -= 1;
            }
            Some((first, last))
        });
        whole.collect()
    }

    /// Whether something up to `through`, and not in `aside`, was forgotten by a mark behind it: whatever was made of the
    /// samples then holds what must not be held.
    pub fn tainted(&self, through: u64, aside: &[(u64, u64)]) -> bool {
        let mut later = self.marks.range(through.saturating_add(1)..);
        later.any(|(_, which)| which.iter().any(|one| *one <= through && !within(aside, *one)))
    }

    /// Appends frames and returns when they survive a power cut; on an error none of them is there. A sequence of 0 is
    /// replaced by the next one; the sequences are returned.
    pub fn append(&mut self, lines: Vec<(Line, Vec<u8>)>) -> io::Result<Vec<u64>> {
        let (first, count) = (self.last + 1, lines.len() as u64);
        let mut out = Vec::with_capacity(lines.iter().map(|(_, body)| body.len() + 256).sum());
        let mut placed = Vec::with_capacity(lines.len());
        let mut again = Vec::new();
        for (n, (mut line, body)) in lines.into_iter().enumerate() {
            let given = first + n as u64;
            match &mut line {
                Line::Again(_, of, beside) => again.extend([(*of, given), (*beside, given)]),
                // What repeats a sample goes with it, and is named: nobody shall miss it.
                Line::Forgotten { which, .. } => {
                    let (before, now) = (&self.again, &again);
                    let repeats = which.iter().flat_map(|gone| {
                        let now = now.iter().filter(move |(of, _)| of == gone).map(|(_, again)| *again);
                        before.get(gone).into_iter().flatten().copied().chain(now)
                    });
                    let repeats: Vec<u64> = repeats.collect();
                    which.extend(repeats);
                }
                _ => {}
            }
            match &mut line {
                Line::Sample(head) | Line::Remembered(head, _) | Line::Again(head, ..) => head.sequence = given,
                Line::Forgotten { sequence, .. } | Line::Aside { sequence, .. } => *sequence = given,
            }
            let at = out.len();
            let check = entry::write(&mut out, &line, &body);
            let len = out.len() - at;
            placed.push(Placed { line, check, at, len });
        }
        let file = self.write(first, count, &out)?;
        let start = self.files.get(&file).copied().unwrap_or_default();
        self.files.insert(file, start + out.len() as u64);
        let sequences = placed.iter().map(|placed| placed.line.sequence()).collect();
        for mut one in placed {
            one.at += start as usize;
            let forgotten = match &one.line {
                Line::Forgotten { which, .. } => which.clone(),
                _ => Vec::new(),
            };
            self.take(file, one);
            for sequence in forgotten {
                self.part(sequence);
            }
        }
        if start + out.len() as u64 >= self.segment {
            self.open = None;
        }
        Ok(sequences)
    }

    /// Writes octets, so many frames, behind the last file, or into a new one; tells which.
    fn write(&mut self, first: u64, count: u64, out: &[u8]) -> io::Result<u64> {
        let (name, mut file) = match self.open.take() {
            Some(open) => open,
            None => {
                let mut options = OpenOptions::new();
                let options = options.append(true).create(true).mode(0o600);
                let file = options.open(self.path(first))?;
                segment::sync_folder(&self.folder)?;
                self.files.insert(first, 0);
                (first, file)
            }
        };
        let start = self.files.get(&name).copied().unwrap_or_default();
        match file.write_all(out).and_then(|()| file.sync_data()) {
            Ok(()) => {
                self.open = Some((name, file));
                Ok(name)
            }
            Err(error) => {
                // Nobody was told of it, so it must not be there. After a failed sync the file is not trusted any more:
                // the next frames begin another. What cannot even be cut is read at the next start.
                if file.set_len(start).and_then(|()| file.sync_all()).is_err() {
                    let len = file.metadata().map_or(start, |meta| meta.len());
                    self.files.insert(name, len);
                    // What could not be cut off again bears these numbers.
                    self.last += count;
                }
                Err(error)
            }
        }
    }

    fn features_in(file: &File, entry: &Entry) -> io::Result<Named> {
        let mut bytes = vec![0; entry.len as usize];
        file.read_exact_at(&mut bytes, entry.at)?;
        let framed = entry::read(&bytes).filter(|framed| framed.check == entry.check);
        framed
            .and_then(|framed| entry::read_features(framed.body))
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the sample is damaged"))
    }

    /// A reader of samples that keeps the file open from one to the next.
    pub fn reader(&self) -> Reader {
        Reader {
            folder: self.folder.clone(),
            open: None,
        }
    }

    /// Whether nothing that is forgotten is still on the disk.
    pub fn is_clean(&self) -> bool {
        self.gone.is_empty()
    }

    /// Rewrites one file in which forgotten samples still stand; whether there was one.
    pub fn erase(&mut self) -> io::Result<bool> {
        let Some((file, which)) = self.gone.first_key_value() else {
            return Ok(false);
        };
        let (file, path) = (*file, self.path(*file));
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.gone.remove(&file);
                return Ok(true);
            }
            Err(error) => return Err(error),
        };
        let mut kept = Vec::with_capacity(bytes.len());
        for placed in segment::read(&bytes).lines {
            let sequence = placed.line.sequence();
            if matches!(placed.line, Line::Sample(_) | Line::Again(..)) && which.contains(&sequence) {
                continue;
            }
            if let Some(entry) = self.entries.get_mut(&sequence) {
                entry.at = kept.len() as u64;
            }
            kept.extend_from_slice(bytes.get(placed.at..placed.at + placed.len).unwrap_or_default());
        }
        self.open.take_if(|(open, _)| *open == file);
        segment::replace(&path, &kept)?;
        self.files.insert(file, kept.len() as u64);
        self.gone.remove(&file);
        Ok(true)
    }

    /// The last sequence of the oldest samples that must go so that no more than so many samples and octets are left; none
    /// where nothing must go. Whole files go.
    pub fn surplus(&self, samples: usize, bytes: u64) -> Option<u64> {
        let (mut left, mut octets) = (self.entries.len(), self.bytes());
        let mut through = None;
        let mut files = self.files.iter().peekable();
        while let Some((file, len)) = files.next() {
            // The last one is being written to.
            let (true, Some((next, _))) = (left > samples || octets > bytes, files.peek()) else {
                break;
            };
            left -= self.entries.range(*file..**next).count();
            octets -= len;
            through = Some(**next - 1);
        }
        through
    }

    /// Removes the files in which nothing stands that is younger than `through`, and forgets what is older.
    pub fn drop_through(&mut self, through: u64) -> io::Result<()> {
        self.entries = self.entries.split_off(&through.saturating_add(1));
        let entries = &self.entries;
        self.again.retain(|_, again| {
            again.retain(|sequence| entries.contains_key(sequence));
            !again.is_empty()
        });
        let firsts: Vec<u64> = self.files.keys().copied().collect();
        for (file, next) in firsts.iter().zip(firsts.iter().skip(1)) {
            if *next <= through.saturating_add(1) {
                std::fs::remove_file(self.path(*file))?;
                self.files.remove(file);
                self.gone.remove(file);
                self.marks = self.marks.split_off(next);
            }
        }
        segment::sync_folder(&self.folder)
    }
}

/// Reads the features of one sample after the other.
pub struct Reader {
    folder: PathBuf,
    open: Option<(u64, File)>,
}

impl Reader {
    /// The features of a sample; an error where they are damaged or cannot be read. Not for use across an [`Log::erase`].
    pub fn features(&mut self, entry: &Entry) -> io::Result<Named> {
        if self.open.as_ref().is_none_or(|(file, _)| *file != entry.file) {
            let file = File::open(self.folder.join(format!("{:020}.log", entry.file)))?;
            self.open = Some((entry.file, file));
        }
        match &self.open {
            Some((_, file)) => Log::features_in(file, entry),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}
