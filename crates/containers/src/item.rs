//! One file that was seen.

use crate::{Kind, Mark};

/// A file of a mail, or one within it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Item {
    /// Names from the outermost file to this one; never empty. The last is its own, and may be empty.
    pub path: Vec<Box<str>>,
    /// What it is by its content.
    pub kind: Kind,
    /// The media type that its container declares for it, if any.
    pub declared: Option<Box<str>>,
    /// Octets unpacked, as far as they were read.
    pub octets: u64,
    /// SHA-256 of its octets; `None` where not all of them were read, or nobody wants it.
    pub sha256: Option<[u8; 32]>,
    /// What else is to be known, sorted, each once, with what exactly was seen (at most 200 octets).
    pub marks: Vec<(Mark, Box<str>)>,
}

impl Item {
    /// Whether it has this mark.
    pub fn has(&self, mark: Mark) -> bool {
        self.marks.iter().any(|(one, _)| *one == mark)
    }
}
