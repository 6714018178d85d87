//! Collections of mail whose label is known: Maildirs, mboxes, folders of files, tar archives, all of it packed or not, and
//! the corpus folders of the original. Read as a stream, one mail at a time.
//!
//! [`plan`] looks at paths and lists files; [`Mix`] reads them and gives the mails, the classes mixed: each [`Part`] goes
//! on at the pace of its size, so that all of them begin and end together, since models that learn one mail after another
//! want both classes all the time. Of many parts of one label [`LANES_MAX`] go on side by side, and the others follow one
//! behind another. Within a part the order is that of the files' times, then of their names, and within a
//! file the order in it. So the order is a function of the files alone, and is the same each time.
//!
//! **Invariants:** nothing is written; no file is held in memory but one mail of each part that is being read; links to folders are followed,
//! but never into a folder that was visited; whatever the octets are, the result is mails or a reason. Bounds: a mail's
//! octets (given), [`DEPTH_MAX`] folders within one another, [`FILES_MAX`] files, those of [`tar`] and [`packed`].
//! **Absent on purpose:** a clock, learning, and a mark of how far a run came: a teacher knows what it has learned, and a mark
//! would not know what was unlearned since.

mod corpus;
mod file;
mod kind;
pub mod mbox;
mod mix;
pub mod packed;
mod plan;
pub mod tar;

use gatepost_core::Label;

pub use file::{Contents, Octets};
pub use kind::{Kind, LOOKED_FOR, kind};
pub use mix::{LANES_MAX, Mix};
pub use plan::{DEPTH_MAX, FILES_MAX, Filed, Part, Plan, plan};

/// A mail of a collection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// The mail, with CR LF line ends.
    pub octets: Vec<u8>,
    /// What it is.
    pub label: Label,
    /// Somebody corrected a filter with it.
    pub correction: bool,
    /// Where it stood, for people. Names are as they are on the disk: escape them before a terminal sees them.
    pub place: String,
}

/// What cannot be read as a mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bad {
    /// Where it stands, for people.
    pub place: String,
    /// What is wrong with it.
    pub why: String,
}

/// What a collection gives, one after another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A mail.
    Mail(Found),
    /// Something that is none.
    Bad(Bad),
    /// A mail that is left out, since somebody corrected a filter with the same one.
    Corrected,
}
