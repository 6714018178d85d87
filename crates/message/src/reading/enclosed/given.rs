//! What was given already, so that no reading is given twice.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

use super::{Enclosed, GIVEN_MAX};

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
        match self.mode {
            Mode::Remember => {
                if self.known.len() < GIVEN_MAX {
                    self.known.insert(hash_of(file));
                }
                return Became::Given;
            }
            Mode::Differ if self.known.contains(&hash_of(file)) => return Became::Known,
            _ => {}
        }
        if self.count >= GIVEN_MAX {
            return Became::TooMany;
        }
        self.count += 1;
        (self.take)(file);
        match self.mode {
            Mode::Differ => {
                self.known.insert(hash_of(file));
                Became::News
            }
            _ => Became::Given,
        }
    }
}

/// A file by what is seen of it. Who finds two with one hash needs 2^64 trials.
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
