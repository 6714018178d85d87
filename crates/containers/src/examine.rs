//! A file, and all that is in it.
//!
//! **Invariant:** readers of containers call one another through [`Within`], which alone counts: files, octets, memory,
//! ratio, depth and time are its affair, and a reader that is told to stop has no more to say. A reader that panics
//! costs its container a [`Mark::Damaged`], nothing else.

use std::io::Read;
use std::panic::{AssertUnwindSafe, catch_unwind};

use sha2::{Digest, Sha256};

use crate::archives;
use crate::marks::Marks;
use crate::{File, Flow, Item, Kind, Limits, Mark, Role, Visit, documents, names};

/// Octets read at a time; in between, the bounds are looked at.
const STEP: usize = 64 * 1_024;
/// Octets of a file that is too large for the memory, by which its kind is found.
const HEAD: usize = 64 * 1_024;
/// Octets of the smallest file that holds another, a gzip of nothing (RFC 1952).
const SMALLEST: usize = 20;
/// Octets unpacked below which no ratio is too high.
const RATIO_FROM: u64 = 1_024 * 1_024;

/// Looks into a file as deep as the limits allow: what is in it first, in the order in which it lies there, and the file
/// itself last, since only then all of its marks are known. `octets` is the whole file. `look` gets each item as soon as
/// it is known, with its octets where they are all in memory (of a damaged one, those that could be unpacked); `spent`
/// is asked now and then whether the time is over.
pub fn examine(
    name: &str,
    declared: Option<&str>,
    octets: &[u8],
    limits: &Limits,
    spent: &dyn Fn() -> bool,
    look: &mut dyn FnMut(&Item, Option<&[u8]>),
) {
    let mut walk = Walk {
        limits: Limits {
            depth: limits.depth.min(Limits::DEPTH_MAX),
            ..*limits
        },
        spent,
        look,
        path: Vec::new(),
        files: 0,
        octets: 0,
        held: 0,
        outermost: octets.len() as u64,
        stopped: false,
        step: Vec::new(),
    };
    let taken = Taken {
        total: octets.len() as u64,
        sha256: limits.hashes.then(|| Sha256::digest(octets).into()),
        whole: true,
        marks: Marks::default(),
    };
    walk.item(&names::bounded(name), declared.map(Into::into), octets, taken);
}

/// An examination under way.
struct Walk<'a> {
    limits: Limits,
    spent: &'a dyn Fn() -> bool,
    look: &'a mut dyn FnMut(&Item, Option<&[u8]>),
    path: Vec<Box<str>>,
    files: usize,
    octets: u64,
    /// Octets of opened containers that are in memory, the outermost left out.
    held: usize,
    outermost: u64,
    /// A bound of the whole is passed: nothing more is read.
    stopped: bool,
    /// Where octets go that nobody keeps; of [`STEP`] octets once it was needed.
    step: Vec<u8>,
}

/// What is known of a file before it is opened.
#[derive(Clone)]
struct Taken {
    total: u64,
    sha256: Option<[u8; 32]>,
    /// Whether its octets are all in memory, or as many as can be had of it.
    whole: bool,
    marks: Marks,
}

impl Walk<'_> {
    /// Opens a file and gives its item. `octets` may be only its begin.
    fn item(&mut self, name: &str, declared: Option<Box<str>>, octets: &[u8], taken: Taken) {
        let Taken {
            total,
            sha256,
            whole,
            mut marks,
        } = taken;
        let kind = if total == 0 {
            Kind::Empty
        } else {
            archives::kind_of(octets, name)
        };
        self.path.push(name.into());
        if whole && !self.stopped {
            self.open(kind, name, octets, &mut marks);
        } else if !whole && archives::readers(kind, octets, name).next().is_some() {
            marks.add(Mark::Unread, "not all of it was unpacked");
        }
        let item = Item {
            path: self.path.clone(),
            kind,
            declared,
            octets: total,
            sha256,
            marks: std::mem::take(&mut marks).into_list(),
        };
        (self.look)(&item, whole.then_some(octets));
        self.path.pop();
    }

    /// Reads a container in all the ways in which it is one.
    fn open(&mut self, kind: Kind, name: &str, octets: &[u8], marks: &mut Marks) {
        for reader in archives::readers(kind, octets, name) {
            if !reader.note.is_empty() {
                marks.add(Mark::Polyglot, reader.note);
            }
            if self.path.len() > self.limits.depth {
                marks.add(Mark::Depth, "containers are nested too deep");
                return;
            }
            let (depth, held) = (self.path.len(), self.held);
            let mut within = Within {
                kind,
                packed: octets.len() as u64,
                unpacked: 0,
                stopped: false,
                marks: std::mem::take(marks),
                walk: self,
            };
            let result = catch_unwind(AssertUnwindSafe(|| reader.read(octets, &mut within)));
            if result.is_err() {
                within.marks.add(Mark::Damaged, "its reader gave up");
            }
            *marks = within.marks;
            self.path.truncate(depth);
            self.held = held;
            if self.stopped {
                return;
            }
        }
        let is_other = match kind {
            Kind::Unknown => true,
            // A few words in the place of a file hide none.
            Kind::Text => octets.len() >= SMALLEST,
            _ => false,
        };
        if is_other && archives::is_named_otherwise(name) {
            marks.add(Mark::Damaged, "named as a form that we read, but of none that we know");
        }
    }
}

/// A container that is being read.
struct Within<'w, 'a> {
    walk: &'w mut Walk<'a>,
    kind: Kind,
    marks: Marks,
    packed: u64,
    unpacked: u64,
    /// A bound of this container is passed.
    stopped: bool,
}

impl Within<'_, '_> {
    /// Notes a bound that is passed, for the item that passed it and for the container.
    fn bound(&mut self, of: &mut Marks, mark: Mark, note: &str, all: bool) {
        of.add(mark, note);
        self.marks.add(mark, note);
        self.stopped = true;
        self.walk.stopped |= all;
    }

    fn flow(&self) -> Flow {
        if self.stopped || self.walk.stopped {
            Flow::Stop
        } else {
            Flow::On
        }
    }

    /// Counts one more member.
    fn count(&mut self) -> Flow {
        if self.flow() == Flow::Stop || self.is_over() {
            return Flow::Stop;
        }
        if self.walk.files >= self.walk.limits.files {
            let note = format!("more than {} files", self.walk.limits.files);
            self.marks.add(Mark::Files, &note);
            self.walk.stopped = true;
            return Flow::Stop;
        }
        self.walk.files += 1;
        Flow::On
    }

    /// Unpacks a member as far as the bounds allow: straight to where it is kept, while it is.
    fn take(&mut self, content: &mut dyn Read, marks: Marks) -> (Vec<u8>, Taken) {
        let mut marks = marks;
        // Of `octets` the first `filled` are the member's.
        let (mut octets, mut filled) = (Vec::<u8>::new(), 0_usize);
        let mut hash = self.walk.limits.hashes.then(Sha256::new);
        let mut total = 0_u64;
        let (mut kept, mut ended) = (true, false);
        let room = self.walk.limits.memory.saturating_sub(self.walk.held);
        loop {
            let in_place = kept && filled < room;
            if in_place && filled == octets.len() {
                // Half as much again at a time, but never beyond what may be held.
                let more = (filled / 2).max(STEP).min(room - filled);
                octets.reserve_exact(more);
                octets.resize(filled + more, 0);
            }
            let into = if in_place {
                let to = octets.len().min(filled.saturating_add(STEP));
                octets.get_mut(filled..to)
            } else {
                self.walk.step.resize(STEP, 0);
                self.walk.step.get_mut(..)
            };
            let into = into.unwrap_or_default();
            let n = match content.read(into) {
                Ok(0) => {
                    ended = true;
                    break;
                }
                Ok(n) => n.min(into.len()),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {
                    if !(self.walk.spent)() {
                        continue;
                    }
                    self.bound(&mut marks, Mark::Time, "the time was over while it was unpacked", true);
                    kept = false;
                    break;
                }
                Err(error) => {
                    marks.add(Mark::Damaged, &error.to_string());
                    break;
                }
            };
            if let Some(hash) = &mut hash {
                hash.update(into.get(..n).unwrap_or_default());
            }
            total = total.saturating_add(n as u64);
            self.unpacked = self.unpacked.saturating_add(n as u64);
            self.walk.octets = self.walk.octets.saturating_add(n as u64);
            if in_place {
                filled = filled.saturating_add(n);
            } else if kept {
                kept = false;
                octets.truncate(filled.min(HEAD));
                let begin = self.walk.step.get(..HEAD.saturating_sub(filled).min(n));
                octets.extend_from_slice(begin.unwrap_or_default());
                octets.shrink_to_fit();
                filled = octets.len();
                marks.add(Mark::Octets, "too large for the memory that is left");
            }
            let Limits {
                octets: most, ratio, ..
            } = self.walk.limits;
            let beyond = |unpacked: u64, packed: u64| unpacked > RATIO_FROM && unpacked > packed.saturating_mul(ratio);
            if self.walk.octets > most {
                self.bound(
                    &mut marks,
                    Mark::Octets,
                    &format!("more than {most} octets unpacked"),
                    true,
                );
            } else if beyond(self.unpacked, self.packed) {
                self.bound(
                    &mut marks,
                    Mark::Ratio,
                    &format!("more than {ratio} times its packed size"),
                    false,
                );
            } else if beyond(self.walk.octets, self.walk.outermost) {
                self.bound(
                    &mut marks,
                    Mark::Ratio,
                    &format!("more than {ratio} times the size of the whole"),
                    true,
                );
            } else if (self.walk.spent)() {
                self.bound(&mut marks, Mark::Time, "the time was over while it was unpacked", true);
            } else {
                continue;
            }
            kept = false;
            break;
        }
        octets.truncate(if kept { filled } else { filled.min(HEAD) });
        // What grew by halves leaves no room for what is in it.
        octets.shrink_to_fit();
        let sha256 = hash.filter(|_| ended).map(|hash| hash.finalize().into());
        (
            octets,
            Taken {
                total,
                sha256,
                whole: kept,
                marks,
            },
        )
    }

    /// The names of a member, first the one that is written, and what is to be said of them. At most three.
    fn named(&self, file: &File, marks: &mut Marks) -> Vec<String> {
        let outer = self.walk.path.last().map_or("", |name| name);
        let mut name = if file.name.is_empty() {
            names::unpacked(outer)
        } else {
            names::bounded(&file.name)
        };
        let mut others = Vec::new();
        if let Some((until, beyond)) = names::around_nul(&name) {
            marks.add(Mark::Ambiguous, "a NUL in its name");
            name = until;
            others.extend(beyond);
        }
        if names::leads_out(&name) || others.iter().any(|other| names::leads_out(other)) {
            marks.add(Mark::Path, "its name leads out of the folder it is unpacked to");
        }
        if file.role == Role::Link {
            marks.add(Mark::Path, "a link or a device");
        }
        // gunzip goes by the name of the packing, others by the one within.
        if self.kind == Kind::Gzip {
            let packing = names::unpacked(outer);
            let (within, without) = (names::extension(&name), names::extension(&packing));
            if packing != outer
                && within != without
                && let Some(without) = without
            {
                if within.is_some() {
                    marks.add(Mark::Ambiguous, &format!("named .{without} by its packing"));
                }
                others.push(packing);
            }
        }
        others.insert(0, name);
        others
    }
}

impl Visit for Within<'_, '_> {
    fn file(&mut self, file: &File, content: &mut dyn Read) -> Flow {
        if self.count() == Flow::Stop {
            return Flow::Stop;
        }
        if file.role == Role::Folder {
            return Flow::On;
        }
        let mut marks = Marks::default();
        let names = self.named(file, &mut marks);
        let (octets, taken) = self.take(content, marks);
        let cost = octets.capacity();
        for (number, name) in names.iter().enumerate() {
            // Under each name it is a file of its own: what is opened is counted again.
            if number > 0 && self.count() == Flow::Stop {
                break;
            }
            if documents::has_members(self.kind) {
                documents::member(name, &octets, self);
            }
            self.walk.held = self.walk.held.saturating_add(cost);
            let declared = file.declared.as_deref().map(Into::into);
            self.walk.item(name, declared, &octets, taken.clone());
            self.walk.held = self.walk.held.saturating_sub(cost);
        }
        self.flow()
    }

    fn mark(&mut self, mark: Mark, note: &str) {
        self.marks.add(mark, note);
    }

    fn closed(&mut self, file: &File, mark: Mark) -> Flow {
        if self.count() == Flow::Stop {
            return Flow::Stop;
        }
        let mut marks = Marks::default();
        let names = self.named(file, &mut marks);
        marks.add(mark, "");
        if mark == Mark::Encrypted {
            self.marks.add(mark, "a file in it");
        }
        let marks = marks.into_list();
        for (number, name) in names.into_iter().enumerate() {
            if number > 0 && self.count() == Flow::Stop {
                break;
            }
            self.walk.path.push(name.into());
            let item = Item {
                path: self.walk.path.clone(),
                kind: Kind::Unknown,
                declared: file.declared.as_deref().map(Into::into),
                octets: 0,
                sha256: None,
                marks: marks.clone(),
            };
            (self.walk.look)(&item, None);
            self.walk.path.pop();
        }
        self.flow()
    }

    fn is_over(&mut self) -> bool {
        if !self.walk.stopped && (self.walk.spent)() {
            self.marks.add(Mark::Time, "the time was over before all was read");
            self.walk.stopped = true;
        }
        self.walk.stopped || self.stopped
    }
}
