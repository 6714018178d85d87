//! Everything that a mail carries: each file of each reading of it, and each file within those.
//!
//! **Invariant:** at most [`How::limits`]`.files` files of a mail are kept, of all its parts together, and so many octets are
//! unpacked; what lies behind is said in the [`Survey`]. **Absent on purpose:** what may be sent ([`policy`](crate::policy)).

use gatepost_containers::{Class, Item, Kind, Limits, Mark, examine};
use gatepost_core::Message;

use crate::enclosed::{Enclosed, Place, Survey, walk};
use crate::kinds;
use crate::name::Name;

/// The most names of one file that are looked at.
const NAMES: usize = 16;

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
    /// SHA-256, where all of it was read.
    pub sha256: Option<[u8; 32]>,
    /// What else is known of it.
    pub marks: Vec<(Mark, Box<str>)>,
    /// It is text that a reader shows as the mail itself.
    pub shown: bool,
    /// All of it was there to be looked at.
    pub whole: bool,
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

/// A look under way.
struct Sight {
    how: How,
    files: Vec<File>,
    pieces: usize,
    octets: u64,
    /// There were more files, or octets, than there may be.
    more: bool,
}

impl Sight {
    fn new(how: How) -> Sight {
        Sight {
            how,
            files: Vec::new(),
            pieces: 0,
            octets: 0,
            more: false,
        }
    }

    fn done(self, mut survey: Survey) -> Contents {
        if self.more {
            survey.excess.push("files");
        }
        Contents {
            files: self.files,
            survey,
        }
    }

    fn piece(&mut self, one: &Enclosed<'_>, spent: &dyn Fn() -> bool) {
        let piece = self.pieces;
        self.pieces += 1;
        let first = one.names.first().map_or("", String::as_str);
        let mut file = File {
            piece,
            part: one.part,
            path: vec![first.into()],
            names: one.names.iter().take(NAMES).map(|name| Name::read(name)).collect(),
            declared: one.mimes.iter().map(|mime| mime.as_str().into()).collect(),
            kind: Kind::Empty,
            octets: one.octets.len() as u64,
            sha256: None,
            marks: Vec::new(),
            shown: one.shown,
            whole: one.whole,
            place: Some(one.stretch),
        };
        if one.message && one.octets.is_empty() {
            // Its parts follow by themselves.
            file.kind = Kind::Eml;
            return self.keep(file);
        }
        if one.shown {
            file.kind = kinds::of(one.octets, "");
            if file.kind.class() == Class::Text {
                return self.keep(file);
            }
        }
        let left = Limits {
            files: self.how.limits.files.saturating_sub(self.files.len()),
            octets: self.how.limits.octets.saturating_sub(self.octets),
            ..self.how.limits
        };
        if left.files == 0 || left.octets == 0 {
            // Nobody looks into it any more; what it is and is called counts all the same.
            file.kind = kinds::of(one.octets, first);
            self.more = true;
            return self.keep(file);
        }
        let declared = one.mimes.first().map(String::as_str);
        let mut outer = Some(file);
        examine(first, declared, one.octets, &left, spent, &mut |item, _| {
            self.octets = self.octets.saturating_add(item.octets);
            let file = match item.path.len() {
                1 => outer.take().map(|file| read(file, item)),
                _ => Some(inner(one, piece, item)),
            };
            if let Some(file) = file {
                self.keep(file);
            }
        });
        self.aliases(one, piece);
    }

    /// What the file is under its other names, where that is something else: a script has no other mark than its name.
    fn aliases(&mut self, one: &Enclosed<'_>, piece: usize) {
        let own = |file: &&File| file.piece == piece && !file.inside();
        let Some(known) = self.files.iter().rev().find(own).cloned() else {
            return;
        };
        for name in one.names.iter().skip(1).take(NAMES) {
            let kind = kinds::of(one.octets, name);
            if kind != known.kind && !self.files.iter().any(|file| own(&file) && file.kind == kind) {
                let mut other = known.clone();
                (other.kind, other.path) = (kind, vec![String::as_str(name).into()]);
                self.keep(other);
            }
        }
    }

    /// Of files beyond the bound only those that are parts of the mail are kept, whose number the mail itself bounds.
    fn keep(&mut self, file: File) {
        if file.inside() && self.files.len() >= self.how.limits.files {
            self.more = true;
        } else {
            self.files.push(file);
        }
    }
}

fn read(mut file: File, item: &Item) -> File {
    (file.kind, file.octets, file.marks) = (item.kind, item.octets, item.marks.clone());
    file.sha256 = item.sha256.filter(|_| file.whole);
    file
}

fn inner(one: &Enclosed<'_>, piece: usize, item: &Item) -> File {
    let name = item.path.last().map_or("", |name| name);
    File {
        piece,
        part: one.part,
        names: if name.is_empty() {
            Vec::new()
        } else {
            vec![Name::read(name)]
        },
        path: item.path.clone(),
        declared: item.declared.iter().cloned().collect(),
        kind: item.kind,
        octets: item.octets,
        sha256: item.sha256,
        marks: item.marks.clone(),
        shown: false,
        whole: true,
        place: Some(one.stretch),
    }
}
