//! Versions of all models and the fit together, each one file.
//!
//! ```text
//! <folder>/<number, twenty digits>.models      one version
//! <folder>/base.models                         what the samples that are no longer in the log have taught
//!
//! "GPVERS1\n"  header u32  header (JSON)  checksum of all up to here u64
//! then for each part: length u64  length compressed u64  zstd       checksum of all u64
//! ```
//!
//! **Invariants:** a file bears its name only when it is whole and synced; a corrupt one is refused in words and deletes
//! nothing. A version says of which samples it was made ([`Header::chain`]), so that nobody takes one for what it is not.
//! Everything here blocks.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use gatepost_core::Version;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

use crate::segment;

const MAGIC: &[u8; 8] = b"GPVERS1\n";
/// How many versions are kept besides the base.
pub const KEPT: usize = 3;
/// The most octets of a header.
const HEADER_MAX: usize = 1 << 20;
/// The most octets of a part, uncompressed: of one model.
const PART_MAX: u64 = 256 << 20;
/// Tables are sparse at first and dense later: the fastest level takes what is to be had.
const LEVEL: i32 = 1;
const BASE: &str = "base.models";
/// Where a damaged base is kept.
const BAD: &str = "base.models.bad";
/// What the system says where a disk cannot be read.
const UNREADABLE: i32 = 5;

/// What is known of a version without loading it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Header {
    /// As people see it.
    pub version: Version,
    /// The version that it goes back to, where it is a rollback.
    pub of: Option<u64>,
    /// A hash over the samples that it was made of, in order.
    pub chain: u64,
    /// What was put aside then.
    pub aside: Vec<(u64, u64)>,
    /// The classifiers and the versions of their extractors, in the order of the parts. The last part is the fit.
    pub members: Vec<(String, u32)>,
    /// Of a base: which samples can no longer be unlearned.
    #[serde(default)]
    pub folded: Option<Folded>,
}

/// Samples that became part of the base.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Folded {
    /// How many of whom.
    pub teachers: BTreeMap<String, u64>,
    /// When the youngest was labelled, in milliseconds since the epoch.
    pub newest: u64,
}

/// A version that was loaded: what each model saved, and the fit.
#[derive(Clone, PartialEq, Debug)]
pub struct Loaded {
    /// What is known of it.
    pub header: Header,
    /// What the models saved, in the order of the header.
    pub models: Vec<Vec<u8>>,
    /// What the fit saved.
    pub fit: Vec<u8>,
}

/// The versions in a folder.
pub struct Versions {
    folder: PathBuf,
    base: Option<Header>,
    /// What is wrong with the base, where there is one that cannot be read, and what is known of it.
    bad: Option<(String, Option<Header>)>,
    /// The oldest first.
    all: Vec<Header>,
    /// The highest number that was given.
    last: u64,
    /// One that is being written.
    writing: Option<(Header, JoinHandle<io::Result<()>>)>,
    /// Why the last one that was being written is none.
    failed: Option<io::Error>,
}

fn damaged(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A version as octets.
fn encode(header: &Header, parts: &[&[u8]]) -> io::Result<Vec<u8>> {
    let words = serde_json::to_vec(header)?;
    let mut out = MAGIC.to_vec();
    out.extend_from_slice(&(words.len() as u32).to_le_bytes());
    out.extend_from_slice(&words);
    out.extend_from_slice(&xxh3_64(&out).to_le_bytes());
    for part in parts {
        let packed = zstd::bulk::compress(part, LEVEL)?;
        out.extend_from_slice(&(part.len() as u64).to_le_bytes());
        out.extend_from_slice(&(packed.len() as u64).to_le_bytes());
        out.extend_from_slice(&packed);
    }
    out.extend_from_slice(&xxh3_64(&out).to_le_bytes());
    Ok(out)
}

fn number(from: &mut impl Read) -> io::Result<u64> {
    let mut octets = [0; 8];
    from.read_exact(&mut octets)?;
    Ok(u64::from_le_bytes(octets))
}

/// Reads the header of a version, and a checksum over it.
fn read_header(from: &mut impl Read) -> io::Result<(Header, Vec<u8>)> {
    let mut all = vec![0; MAGIC.len() + 4];
    from.read_exact(&mut all)?;
    if !all.starts_with(MAGIC) {
        return Err(damaged("this is no version of models"));
    }
    let len = all
        .iter()
        .rev()
        .take(4)
        .fold(0, |all, octet| all << 8 | usize::from(*octet));
    if len > HEADER_MAX {
        return Err(damaged("its header is too long"));
    }
    let start = all.len();
    all.resize(start + len, 0);
    from.read_exact(all.get_mut(start..).unwrap_or_default())?;
    let check = number(from)?;
    if check != xxh3_64(&all) {
        return Err(damaged("its header is damaged"));
    }
    let header = serde_json::from_slice(all.get(start..).unwrap_or_default())?;
    all.extend_from_slice(&check.to_le_bytes());
    Ok((header, all))
}

/// Reads a whole version.
pub fn decode(mut from: impl Read) -> io::Result<Loaded> {
    let (header, read) = read_header(&mut from)?;
    let mut sum = Xxh3Default::new();
    sum.update(&read);
    let mut parts = Vec::new();
    for _ in 0..=header.members.len() {
        let (plain, packed) = (number(&mut from)?, number(&mut from)?);
        if plain > PART_MAX || packed > PART_MAX {
            return Err(damaged("one of its models is too large"));
        }
        let mut octets = Vec::new();
        from.by_ref().take(packed).read_to_end(&mut octets)?;
        if octets.len() as u64 != packed {
            return Err(damaged("it ends too early"));
        }
        sum.update(&plain.to_le_bytes());
        sum.update(&packed.to_le_bytes());
        sum.update(&octets);
        parts.push((plain as usize, octets));
    }
    if number(&mut from)? != sum.digest() || from.read(&mut [0])? > 0 {
        return Err(damaged("it is damaged: its checksum differs"));
    }
    let unpacked: io::Result<Vec<Vec<u8>>> = parts
        .into_iter()
        .map(|(plain, octets)| zstd::bulk::decompress(&octets, plain))
        .collect();
    let mut models = unpacked?;
    let fit = models.pop().unwrap_or_default();
    Ok(Loaded { header, models, fit })
}

impl Versions {
    /// The versions in a folder, and what is wrong with them, in words.
    pub fn open(folder: &Path) -> io::Result<(Versions, Vec<String>)> {
        segment::make_folder(folder)?;
        segment::remove_unfinished(folder)?;
        let mut versions = Versions {
            folder: folder.into(),
            base: None,
            bad: None,
            all: Vec::new(),
            last: 0,
            writing: None,
            failed: None,
        };
        let mut notes = Vec::new();
        let mut numbers = Vec::new();
        for found in std::fs::read_dir(folder)? {
            let name = found?.file_name();
            let number = name
                .to_str()
                .and_then(|name| name.strip_suffix(".models")?.parse::<u64>().ok());
            numbers.extend(number);
        }
        numbers.sort_unstable();
        for number in numbers {
            versions.last = versions.last.max(number);
            let path = versions.path(number);
            match File::open(&path).and_then(|mut file| read_header(&mut file)) {
                Ok((header, _)) if header.version.number == number => versions.all.push(header),
                Ok(_) => notes.push(refusal(&path, "it has another number than its name says")),
                Err(error) => notes.push(refusal(&path, &error.to_string())),
            }
        }
        let path = versions.folder.join(BASE);
        let read = |path: &Path| File::open(path).and_then(|file| decode(io::BufReader::new(file)));
        match read(&path) {
            Ok(loaded) => versions.base = Some(loaded.header),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if is_damage(&error) => {
                let known = File::open(&path).and_then(|mut file| read_header(&mut file)).ok();
                versions.bad = Some((format!("{}: {error}", path.display()), known.map(|(header, _)| header)));
            }
            Err(error) => return Err(error),
        }
        Ok((versions, notes))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:020}.models"))
    }

    /// The base, where there is one.
    pub fn base(&self) -> Option<&Header> {
        self.base.as_ref()
    }

    /// What is wrong with the base, where there is one that cannot be read, and what is known of it. Until
    /// [`Versions::put_bad_aside`] and another base, or none, no version is written.
    pub fn bad_base(&self) -> Option<&(String, Option<Header>)> {
        self.bad.as_ref()
    }

    /// Says of the base that it cannot be used, and why: a version of Gatepost with another form of models wrote it.
    pub fn condemn_base(&mut self, why: String) {
        self.bad = Some((why, self.base.take()));
    }

    /// Keeps the damaged base under another name, and does without. `replaced` tells that another has its place already
    /// or will have it.
    pub fn put_bad_aside(&mut self, replaced: bool) -> io::Result<()> {
        let (base, bad) = (self.folder.join(BASE), self.folder.join(BAD));
        match replaced {
            // It has its name until the other one is whole, so that a power cut does not make it look as if there were none.
            true => {
                let _ = std::fs::remove_file(&bad);
                std::fs::hard_link(&base, &bad).or_else(|_| std::fs::copy(&base, &bad).map(drop))?;
            }
            false => std::fs::rename(&base, &bad)?,
        }
        segment::sync_folder(&self.folder)?;
        self.bad = None;
        Ok(())
    }

    /// The versions, the newest first.
    pub fn all(&self) -> impl Iterator<Item = &Header> {
        self.all.iter().rev()
    }

    /// The number that the next version has.
    pub fn next(&self) -> u64 {
        self.last + 1
    }

    /// Loads a version; the base where no number is given.
    pub fn load(&self, number: Option<u64>) -> Result<Loaded, String> {
        let path = number.map_or_else(|| self.folder.join(BASE), |number| self.path(number));
        let loaded = File::open(&path).and_then(|file| decode(io::BufReader::new(file)));
        loaded.map_err(|error| format!("{}: {error}", path.display()))
    }

    /// Writes a version down; the oldest beyond [`KEPT`] go.
    pub fn add(&mut self, header: Header, models: &[Vec<u8>], fit: &[u8]) -> io::Result<()> {
        self.settle();
        self.writable()?;
        write(&self.path(header.version.number), &header, models, fit)?;
        self.take(header)
    }

    /// Writes a version down on another thread, one at a time: packing the models takes as long as learning hundreds of
    /// samples. It is a version when [`Versions::settle`] has seen it whole.
    pub fn add_soon(&mut self, header: Header, models: Vec<Vec<u8>>, fit: Vec<u8>) -> io::Result<()> {
        self.settle();
        self.writable()?;
        let (path, written) = (self.path(header.version.number), header.clone());
        let thread = std::thread::Builder::new().name("gatepost-version".into());
        let thread = thread.spawn(move || write(&path, &written, &models, &fit))?;
        self.last = self.last.max(header.version.number);
        self.writing = Some((header, thread));
        Ok(())
    }

    /// Waits for the version that is being written, if one is.
    pub fn settle(&mut self) {
        let Some((header, thread)) = self.writing.take() else {
            return;
        };
        let written = thread.join().unwrap_or_else(|_| Err(io::Error::other("it failed")));
        self.failed = written.and_then(|()| self.take(header)).err();
    }

    /// Why the version that was being written last is none.
    pub fn failure(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    fn writable(&self) -> io::Result<()> {
        match &self.bad {
            Some((why, _)) => Err(io::Error::other(format!("the base is not settled: {why}"))),
            None => Ok(()),
        }
    }

    /// Knows a version that is written; the oldest go.
    fn take(&mut self, header: Header) -> io::Result<()> {
        self.last = self.last.max(header.version.number);
        self.all.push(header);
        while self.all.len() > KEPT {
            let oldest = self.all.remove(0);
            std::fs::remove_file(self.path(oldest.version.number))?;
        }
        Ok(())
    }

    /// Writes the base.
    pub fn put_base(&mut self, header: Header, models: &[Vec<u8>], fit: &[u8]) -> io::Result<()> {
        write(&self.folder.join(BASE), &header, models, fit)?;
        self.base = Some(header);
        Ok(())
    }

    /// Removes the versions of which `go` says so.
    pub fn remove(&mut self, go: impl Fn(&Header) -> bool) -> io::Result<()> {
        let (gone, kept) = std::mem::take(&mut self.all).into_iter().partition(go);
        self.all = kept;
        let gone: Vec<Header> = gone;
        for header in &gone {
            std::fs::remove_file(self.path(header.version.number))?;
        }
        if gone.is_empty() {
            return Ok(());
        }
        segment::sync_folder(&self.folder)
    }
}

impl Drop for Versions {
    fn drop(&mut self) {
        // Nobody else may have the folder before.
        self.settle();
    }
}

/// Writes a version into its file.
fn write(path: &Path, header: &Header, models: &[Vec<u8>], fit: &[u8]) -> io::Result<()> {
    let parts: Vec<&[u8]> = models.iter().map(Vec::as_slice).chain([fit]).collect();
    segment::replace(path, &encode(header, &parts)?)
}

/// Whether an error says that a file is damaged, and not that we may not or cannot read it now.
fn is_damage(error: &io::Error) -> bool {
    error.raw_os_error().is_none_or(|code| code == UNREADABLE)
}

fn refusal(path: &Path, why: &str) -> String {
    format!("{}: {why}; the version before it is used", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(number: u64) -> Header {
        Header {
            version: Version {
                number,
                at: 1,
                through: number * 10,
                ham: 2,
                spam: 3,
                why: "learned".into(),
            },
            of: None,
            chain: u64::MAX - number,
            aside: vec![(3, 5)],
            members: vec![("one".into(), 1), ("two".into(), 7)],
            folded: None,
        }
    }

    fn octets() -> Vec<u8> {
        encode(&header(1), &[&[0; 3_000], b"two", b"fit"]).unwrap()
    }

    #[test]
    fn what_is_written_is_read_and_empty_tables_take_little_room() {
        let octets = octets();
        assert!(octets.len() < 700, "{}", octets.len());
        let loaded = decode(&*octets).unwrap();
        assert_eq!(loaded.header, header(1));
        assert_eq!(loaded.models, [vec![0; 3_000], b"two".to_vec()]);
        assert_eq!(loaded.fit, b"fit");
    }

    #[test]
    fn a_version_that_was_cut_or_changed_is_refused() {
        let octets = octets();
        for at in 0..octets.len() {
            assert!(decode(&octets[..at]).is_err(), "{at}");
            let mut other = octets.clone();
            other[at] ^= 4;
            assert!(decode(&*other).is_err(), "{at}");
        }
    }

    #[test]
    fn the_last_three_are_kept_and_a_number_is_never_given_twice() {
        let dir = tempfile::tempdir().unwrap();
        let (mut versions, notes) = Versions::open(dir.path()).unwrap();
        assert_eq!(notes, Vec::<String>::new());
        for _ in 0..5 {
            let number = versions.next();
            versions
                .add(header(number), &[vec![1; 10], vec![2; 10]], b"fit")
                .unwrap();
        }
        let numbers = |versions: &Versions| versions.all().map(|one| one.version.number).collect::<Vec<_>>();
        assert_eq!(numbers(&versions), [5, 4, 3]);
        std::fs::write(versions.path(5), b"GPVERS1\nrubbish").unwrap();
        let (versions, notes) = Versions::open(dir.path()).unwrap();
        assert_eq!(numbers(&versions), [4, 3]);
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert_eq!(versions.next(), 6);
        assert!(versions.load(Some(4)).is_ok() && versions.load(Some(5)).is_err() && versions.load(None).is_err());
    }
}
