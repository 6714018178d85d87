//! Zip archives (PKWARE's APPNOTE 6.3).
//!
//! There are two lists of what is in one: the directory at the end, and the header before each member. Programs go by
//! the one or the other, so both are read: a member that only one of them names, or that they describe in different
//! ways, is examined in every way, and the archive is [`Mark::Ambiguous`].

mod directory;
mod member;
mod method;

use memchr::memmem;

use self::directory::{Directory, Entry};
use self::member::{LOCAL, Local, Member};
use super::behind;
use crate::{Flow, Mark, Visit};

/// Members of which the place is kept, to tell what lies between them and who lies upon whom.
const MEMBERS_MAX: usize = 65_536;
/// Local headers outside the directory that are looked for.
const STRAYS_MAX: usize = 4_096;

/// Whether a zip archive ends the file, whatever the file begins with; `exactly` with its last octet.
pub(super) fn is_appended(octets: &[u8], exactly: bool) -> bool {
    Directory::find(octets)
        .any(|directory| directory.entries(octets).next().is_some() && !(exactly && directory.end < octets.len()))
}

/// Whether there is a local header anywhere.
pub(super) fn has_member(octets: &[u8]) -> bool {
    memmem::find_iter(octets, LOCAL)
        .take(STRAYS_MAX)
        .any(|at| Local::stray(octets, at).is_some())
}

/// Gives the members of a zip archive.
pub(crate) fn read(octets: &[u8], visit: &mut dyn Visit) {
    let mut taken = Taken::default();
    let mut directories = Directory::find(octets);
    let main = directories.next();
    let mut end = None;
    if let Some(main) = &main {
        end = Some(main.end);
        if listed(octets, main, &mut taken, visit) == Flow::Stop {
            return;
        }
        taken.settle();
        if taken.overlap {
            visit.mark(Mark::Ambiguous, "members lie upon one another");
        }
        // Another directory that is as good, and not part of a member.
        for other in directories {
            if taken.covers(other.at) {
                continue;
            }
            visit.mark(Mark::Ambiguous, "two directories");
            if listed(octets, &other, &mut taken, visit) == Flow::Stop {
                return;
            }
            taken.settle();
        }
    } else {
        visit.mark(Mark::Damaged, "it has no directory");
    }
    if strays(octets, main.is_some(), &mut taken, visit) == Flow::Stop {
        return;
    }
    if let Some(end) = end {
        behind::rest(octets, end, visit);
    }
}

/// Octets of members, so that nothing is looked at twice or never.
#[derive(Default)]
struct Taken {
    ranges: Vec<(usize, usize)>,
    overlap: bool,
}

impl Taken {
    fn add(&mut self, from: usize, to: usize) {
        if self.ranges.len() < MEMBERS_MAX {
            self.ranges.push((from, to.max(from)));
        }
    }

    /// Sorts, and joins what touches.
    fn settle(&mut self) {
        self.ranges.sort_unstable();
        let mut joined: Vec<(usize, usize)> = Vec::with_capacity(self.ranges.len());
        for &(from, to) in &self.ranges {
            match joined.last_mut() {
                Some(last) if from < last.1 => {
                    self.overlap = true;
                    last.1 = last.1.max(to);
                }
                Some(last) if from == last.1 => last.1 = to,
                _ => joined.push((from, to)),
            }
        }
        self.ranges = joined;
    }

    /// Whether a place lies in a member; only after [`settle`](Taken::settle).
    fn covers(&self, at: usize) -> bool {
        self.after(at).is_some()
    }

    /// The end of the member in which a place lies.
    fn after(&self, at: usize) -> Option<usize> {
        let next = self.ranges.partition_point(|(from, _)| *from <= at);
        let (_, to) = self.ranges.get(next.checked_sub(1)?)?;
        (at < *to).then_some(*to)
    }
}

/// The members that a directory names.
fn listed(octets: &[u8], directory: &Directory, taken: &mut Taken, visit: &mut dyn Visit) -> Flow {
    if directory.encrypted {
        visit.mark(Mark::Encrypted, "its directory");
    }
    if directory.pieces {
        visit.mark(Mark::Unread, "one piece of an archive that is cut in several");
    }
    let mut count: u64 = 0;
    for entry in directory.entries(octets) {
        count += 1;
        if entry.names_differ() {
            visit.mark(Mark::Ambiguous, "a member has two names");
        }
        if one(octets, directory, &entry, taken, visit) == Flow::Stop || visit.is_over() {
            return Flow::Stop;
        }
    }
    // Old writers count in 16 bits, whatever the number.
    if count != directory.count && count & 0xffff != directory.count {
        visit.mark(
            Mark::Ambiguous,
            "its directory does not hold as many members as it says",
        );
    }
    Flow::On
}

/// A member by its directory, and by its own header where that says something else.
fn one(octets: &[u8], directory: &Directory, entry: &Entry<'_>, taken: &mut Taken, visit: &mut dyn Visit) -> Flow {
    let places = [directory.base.checked_add(entry.offset), Some(entry.offset)];
    let header = places
        .into_iter()
        .flatten()
        .find_map(|at| Some((at, Local::read(octets, at)?)));
    let Some((at, local)) = header else {
        visit.mark(Mark::Damaged, "a member is not where its directory says");
        return visit.closed(&entry.member.file(), Mark::Damaged);
    };
    let data = octets.get(local.data..).unwrap_or_default();
    let (mut flow, mut end) = entry.member.give(data, visit);
    if flow == Flow::Stop {
        return Flow::Stop;
    }
    if entry.names_differ()
        && let Some(name) = entry.unicode
    {
        (flow, _) = Member {
            name,
            ..entry.member.clone()
        }
        .give(data, visit);
        if flow == Flow::Stop {
            return Flow::Stop;
        }
    }
    if let Some(difference) = local.differs(&entry.member) {
        visit.mark(Mark::Ambiguous, difference);
        let again;
        (flow, again) = local.member(&entry.member).give(data, visit);
        // What only one of them counts as the member's is looked through once more.
        end = end.min(again);
    }
    taken.add(at, local.data.saturating_add(end));
    flow
}

/// Members that no directory names.
fn strays(octets: &[u8], listed: bool, taken: &mut Taken, visit: &mut dyn Visit) -> Flow {
    let finder = memmem::Finder::new(LOCAL);
    let (mut at, mut found) = (0, 0);
    while let Some(next) = octets.get(at..).and_then(|rest| finder.find(rest)) {
        at += next;
        if let Some(end) = taken.after(at) {
            at = end;
            continue;
        }
        let Some(local) = Local::stray(octets, at) else {
            at += LOCAL.len();
            continue;
        };
        found += 1;
        if found > STRAYS_MAX {
            visit.mark(Mark::Files, "more members outside its directory than are followed");
            return Flow::On;
        }
        if listed {
            visit.mark(Mark::Ambiguous, "a member that its directory does not name");
        }
        let data = octets.get(local.data..).unwrap_or_default();
        let (flow, end) = local.alone(data).give(data, visit);
        if flow == Flow::Stop || visit.is_over() {
            return Flow::Stop;
        }
        // It is searched no further than it is surely long.
        at = local.data.saturating_add(end).max(at + LOCAL.len());
    }
    Flow::On
}
