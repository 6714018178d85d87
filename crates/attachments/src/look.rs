//! Everything that a mail carries: each file of each reading of it, and each file within those.
//!
//! **Invariant:** at most [`How::limits`]`.files` files of a mail are kept, of all its parts together, and so many octets are
//! unpacked; what lies behind is said in the [`Survey`]. **Absent on purpose:** what may be sent ([`policy`](crate::policy)).

use gatepost_containers::{Kind, Limits, Mark};
use gatepost_core::Message;

use crate::enclosed::{Place, Survey, walk};
use crate::name::Name;
use crate::sight::Sight;

/// One file, as policy sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct File {
    /// The number of the reading of a part that it was found in: what lies in one container has one number.
    pub piece: usize,
    /// The number of the part of the mail.
    pub part: usize,
    /// Names from the part's own to this one's; never empty, the last may be.
    pub path: Vec<Box<str>>,
    /// Its own names in all their readings.
    pub names: Vec<Name>,
    /// The media types that are declared for it.
    pub declared: Vec<Box<str>>,
    /// What it is by its content.
    pub kind: Kind,
    /// Octets, as far as they were read.
    pub octets: u64,
    /// SHA-256, where all of it was read and somebody wants it.
    pub sha256: Option<[u8; 32]>,
    /// What else is known of it.
    pub marks: Vec<(Mark, Box<str>)>,
    /// It is text that a reader shows as the mail itself.
    pub shown: bool,
    /// All of it was there to be looked at.
    pub whole: bool,
    /// It is a member of a document that is a package (OOXML, OpenDocument), so it came there by itself.
    pub of_package: bool,
    /// Where its part stands in the mail.
    pub place: Option<Place>,
}

impl File {
    /// Whether it lies within another file.
    pub fn inside(&self) -> bool {
        self.path.len() > 1
    }
}

/// All that a mail carries.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Contents {
    /// The files, in the order in which they are known.
    pub files: Vec<File>,
    /// What is known of the mail as a whole.
    pub survey: Survey,
}

/// How far is looked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct How {
    /// Raw octets of one part.
    pub part: usize,
    /// Bounds of all files of a mail together.
    pub limits: Limits,
}

/// Looks at everything. `spent` is asked now and then whether the time is over.
pub fn look(message: &Message, how: &How, spent: &dyn Fn() -> bool) -> Contents {
    let mut sight = Sight::new(*how);
    let survey = walk(message, how.part, spent, &mut |one| sight.piece(one, spent));
    sight.done(survey)
}

/// Looks at a mail that has nothing but text in it; none for another one.
pub fn glance(message: &Message, how: &How) -> Option<Contents> {
    let mut sight = Sight::new(*how);
    let other = std::cell::Cell::new(false);
    let spent = || other.get();
    let survey = walk(message, how.part, &spent, &mut |one| {
        if one.shown && !spent() {
            sight.piece(one, &spent);
        } else {
            other.set(true);
        }
    });
    (!other.get()).then(|| sight.done(survey))
}
