//! The mails of one file, whatever it is.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::kind::{Kind, LOOKED_AT, LOOKED_FOR, kind};
use super::mbox::{Cut, Splitter, is_from_line, with_crlf};
use super::packed::{Counted, packing, unpack};
use super::tar::Tar;

/// What is held of a file at once.
const BUFFER: usize = 64 << 10;

/// A reader of octets, packed or not.
pub type Octets = Box<dyn BufRead + Send>;

/// The mails of a file, one after another.
///
/// Each comes with where it stands within the file: nothing, `:3` for the third mail of an mbox, `:name` in an archive.
pub struct Contents {
    inside: Inside,
    max: usize,
}

enum Inside {
    /// A single mail.
    Mail(Octets),
    Mbox(Octets, Splitter, u64),
    Tar(Box<Looked<Tar<Octets>>>, Option<Within>),
    Nothing,
}

/// An entry of an archive that holds several mails.
struct Within {
    name: String,
    splitter: Splitter,
    number: u64,
}

/// A mail or what is wrong, and where within the file.
pub type Piece = (String, Result<Vec<u8>, String>);

impl Contents {
    /// Opens a file and finds out what it is; `whole` where it is a single mail and nothing else. What is read of it is added
    /// to `count`. A mail has at most `max` octets.
    pub fn open(path: &Path, whole: bool, max: usize, count: Arc<AtomicU64>) -> Result<Contents, String> {
        let wrong = |error: io::Error| told(&error);
        // A pipe or a device would have us wait for ever.
        let meta = std::fs::metadata(path).map_err(wrong)?;
        if !meta.is_file() {
            return Err("it is no file".into());
        }
        let file = File::open(path).map_err(wrong)?;
        let buffer = BUFFER.min(usize::try_from(meta.len()).unwrap_or(BUFFER) + 1);
        Contents::of(BufReader::with_capacity(buffer, Counted::new(file, count)), whole, max)
    }

    /// The mails that these octets are.
    pub fn of(octets: impl BufRead + Send + 'static, whole: bool, max: usize) -> Result<Contents, String> {
        let mut octets = Looked::new(octets);
        let octets: Octets = match packing(octets.look(LOOKED_AT).map_err(|error| told(&error))?) {
            Some(packing) => unpack(packing, octets).map_err(|error| told(&error))?,
            None => Box::new(octets),
        };
        // What was unpacked is looked at again.
        let mut octets = Looked::new(octets);
        let head = octets.look(LOOKED_AT).map_err(|error| told(&error))?;
        if head.is_empty() {
            return Err("it is empty".into());
        }
        let kind = if whole { Some(Kind::Mail) } else { kind(head) };
        let inside = match kind.ok_or_else(|| unknown(head))? {
            Kind::Mail => Inside::Mail(Box::new(octets)),
            Kind::Mbox => Inside::Mbox(Box::new(octets), Splitter::new(max), 0),
            Kind::Tar => Inside::Tar(Box::new(Looked::new(Tar::new(Box::new(octets)))), None),
        };
        Ok(Contents { inside, max })
    }
}

impl Iterator for Contents {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let next = match &mut self.inside {
            Inside::Nothing => return None,
            Inside::Mail(octets) => {
                let mail = one(octets, self.max);
                self.inside = Inside::Nothing;
                return Some((String::new(), mail));
            }
            Inside::Mbox(octets, splitter, number) => splitter.next(octets).map(|cut| {
                *number += 1;
                cut.map(|cut| (format!(":{number}"), mail(cut, self.max)))
            }),
            Inside::Tar(tar, within) => entry(tar, within, self.max),
        };
        match next {
            Ok(Some(piece)) => Some(piece),
            Ok(None) => {
                self.inside = Inside::Nothing;
                None
            }
            // What is damaged is not read on.
            Err(error) => {
                self.inside = Inside::Nothing;
                Some((
                    String::new(),
                    Err(format!("{}; what comes behind is not read", told(&error))),
                ))
            }
        }
    }
}

/// What is wrong, without the codes of the system.
fn told(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "there is no such file".into(),
        io::ErrorKind::PermissionDenied => "you may not read it".into(),
        _ => error.to_string(),
    }
}

fn unknown(head: &[u8]) -> String {
    match packing(head) {
        Some(_) => "it is packed twice, and unpacked once only".into(),
        None => format!("it is {LOOKED_FOR}"),
    }
}

fn too_long(octets: u64, max: usize) -> String {
    format!("the mail has {octets} octets, and at most {max} are read")
}

fn mail(cut: Cut, max: usize) -> Result<Vec<u8>, String> {
    match cut {
        Cut::Mail(mail) if mail.is_empty() => Err("the mail is empty".into()),
        Cut::Mail(mail) => Ok(mail),
        Cut::TooLong(octets) => Err(too_long(octets, max)),
    }
}

/// A single mail, without the line that an mbox may have put above it.
fn one(octets: &mut dyn BufRead, max: usize) -> Result<Vec<u8>, String> {
    let mut mail = Vec::new();
    let read = octets.take(max as u64 + 1).read_to_end(&mut mail);
    let read = read.map_err(|error| told(&error))?;
    if read > max {
        return Err(format!("the mail has more than {max} octets, which are read at most"));
    }
    let first = mail
        .iter()
        .position(|octet| *octet == b'\n')
        .map_or(mail.len(), |lf| lf + 1);
    let start = if mail.get(..first).is_some_and(is_mbox_line) {
        first
    } else {
        0
    };
    match mail.get(start..) {
        Some([]) | None => Err("the mail is empty".into()),
        Some(mail) => Ok(with_crlf(mail)),
    }
}

fn is_mbox_line(line: &[u8]) -> bool {
    is_from_line(line) || line.starts_with(b"From ") && line.contains(&b'@') && !line.contains(&b':')
}

/// The next mail of an archive.
fn entry(tar: &mut Looked<Tar<Octets>>, within: &mut Option<Within>, max: usize) -> io::Result<Option<Piece>> {
    loop {
        if let Some(several) = within {
            if let Some(cut) = several.splitter.next(tar)? {
                several.number += 1;
                return Ok(Some((format!(":{}:{}", several.name, several.number), mail(cut, max))));
            }
            *within = None;
        }
        tar.forget();
        let Some(entry) = tar.inner.next_entry()? else {
            return Ok(None);
        };
        let name = String::from_utf8_lossy(&entry.name).into_owned();
        let base = name.rsplit('/').next().unwrap_or_default();
        // What is hidden is nobody's mail: folders' settings, and what other systems put beside each file.
        if base.starts_with('.') {
            continue;
        }
        let wrong = |why: String| Ok(Some((format!(":{name}"), Err(why))));
        if entry.sparse {
            return wrong("it is stored as a sparse file, which is not read".into());
        }
        let head = tar.look(LOOKED_AT)?;
        let kind = if base.ends_with(".eml") {
            Some(Kind::Mail)
        } else {
            kind(head)
        };
        match kind {
            _ if head.is_empty() => return wrong("it is empty".into()),
            Some(Kind::Mail) => {
                // An archive that ends here is told of at the next call, too.
                let octets = one(tar, max);
                return Ok(Some((format!(":{name}"), octets)));
            }
            Some(Kind::Mbox) => {
                *within = Some(Within {
                    name,
                    splitter: Splitter::new(max),
                    number: 0,
                });
            }
            Some(Kind::Tar) => return wrong("it is an archive within an archive, which is not read".into()),
            None if packing(head).is_some() => {
                return wrong("it is packed within an archive, which is not read".into());
            }
            None => {
                let why = unknown(head);
                return wrong(why);
            }
        }
    }
}

/// A reader of which the first octets can be looked at before they are read.
struct Looked<R> {
    head: Vec<u8>,
    at: usize,
    inner: R,
}

impl<R: BufRead> Looked<R> {
    fn new(inner: R) -> Looked<R> {
        Looked {
            head: Vec::new(),
            at: 0,
            inner,
        }
    }

    /// The next `most` octets, or as many as there are. Before anything is read.
    fn look(&mut self, most: usize) -> io::Result<&[u8]> {
        if self.head.is_empty() {
            (&mut self.inner).take(most as u64).read_to_end(&mut self.head)?;
        }
        Ok(&self.head[self.at..])
    }

    /// Goes on with another content of the reader below.
    fn forget(&mut self) {
        self.head.clear();
        self.at = 0;
    }
}

impl<R: BufRead> Read for Looked<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let some = self.fill_buf()?.read(out)?;
        self.consume(some);
        Ok(some)
    }
}

impl<R: BufRead> BufRead for Looked<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at < self.head.len() {
            Ok(&self.head[self.at..])
        } else {
            self.inner.fill_buf()
        }
    }

    fn consume(&mut self, octets: usize) {
        if self.at < self.head.len() {
            self.at += octets;
        } else {
            self.inner.consume(octets);
        }
    }
}
