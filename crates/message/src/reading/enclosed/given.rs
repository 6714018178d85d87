//! What was given already, so that no reading is given twice.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

use super::{Enclosed, GIVEN_MAX, Stretch};

/// How what the walk finds is passed on.
enum Mode {
    /// All of it is given.
    Give,
    /// It was given, and is remembered.
    Remember,
    /// What is not remembered is given.
    Differ,
}

/// Passes files on, each reading once.
pub(super) struct Given<'t> {
    take: &'t mut dyn FnMut(&Enclosed<'_>),
    mode: Mode,
    known: HashSet<u128>,
    count: usize,
}

/// What became of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Became {
    /// It was passed on, or would have been.
    Given,
    /// It was passed on, and the usual reader does not see it.
    News,
    /// It was passed on, for it stands in another place than those that are equal to it.
    Again,
    /// Known already.
    Known,
    /// There were too many.
    TooMany,
}

impl<'t> Given<'t> {
    pub(super) fn new(take: &'t mut dyn FnMut(&Enclosed<'_>)) -> Given<'t> {
        Given {
            take,
            mode: Mode::Give,
            known: HashSet::new(),
            count: 0,
        }
    }

    /// From now on what comes was given before.
    pub(super) fn remember(&mut self) {
        self.mode = Mode::Remember;
    }

    /// From now on what comes is given where it was not before.
    pub(super) fn differ(&mut self) {
        self.mode = Mode::Differ;
    }

    pub(super) fn give(&mut self, file: &Enclosed<'_>) -> Became {
        let mut became = Became::Given;
        if !matches!(self.mode, Mode::Give) {
            let seen = hash_of(file);
            let placed = placed(seen, file.stretch);
            if matches!(self.mode, Mode::Remember) {
                if self.known.len() < 2 * GIVEN_MAX {
                    self.known.extend([seen, placed]);
                }
                return became;
            }
            if self.known.contains(&placed) {
                return Became::Known;
            }
            if self.count >= GIVEN_MAX {
                return Became::TooMany;
            }
            became = if self.known.contains(&seen) {
                Became::Again
            } else {
                Became::News
            };
            self.known.extend([seen, placed]);
        }
        if self.count >= GIVEN_MAX {
            return Became::TooMany;
        }
        self.count += 1;
        (self.take)(file);
        became
    }
}

/// What is seen of a file, in its place.
fn placed(seen: u128, place: Stretch) -> u128 {
    let mut hasher = SipHasher13::new();
    (seen, place).hash(&mut hasher);
    hasher.finish128().as_u128()
}

/// A file by what is seen of it, wherever it stands. Who finds two with one hash needs 2^64 trials.
fn hash_of(file: &Enclosed<'_>) -> u128 {
    let mut hasher = SipHasher13::new();
    file.names.hash(&mut hasher);
    file.mimes.hash(&mut hasher);
    (file.message, file.whole).hash(&mut hasher);
    hasher.write(file.octets);
    hasher.finish128().as_u128()
}

/// Octets by their hash.
pub(super) fn hash(octets: &[u8]) -> u128 {
    let mut hasher = SipHasher13::new();
    hasher.write(octets);
    hasher.finish128().as_u128()
}
