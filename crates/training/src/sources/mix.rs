//! The parts of a plan, read side by side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::corpus::{Corrected, without_own_fields};
use super::file::Contents;
use super::plan::{Part, Plan};
use super::{Bad, Found, Item};

/// Reads a plan, always from the part that is least far.
pub struct Mix {
    parts: Vec<Reading>,
    bad: std::vec::IntoIter<Bad>,
    corrected: Corrected,
    total: u64,
    max: usize,
}

/// A part that is being read.
struct Reading {
    part: Part,
    next: usize,
    open: Option<Contents>,
    total: u64,
    /// Octets that were read, the rest of a file that was given up included.
    read: Arc<AtomicU64>,
    /// What will have been read when the open file ends.
    end: u64,
    over: bool,
}

impl Mix {
    /// Begins to read; a mail has at most `max` octets. Where there are corrections and others, the corrections are looked
    /// through first, to know which of the others are the same.
    pub fn new(plan: Plan, max: usize) -> Mix {
        let total = plan.octets();
        let mut corrected = Corrected::default();
        if plan.parts.iter().any(|part| part.corpus && !part.correction) {
            for part in plan.parts.iter().filter(|part| part.correction) {
                let mut reading = Reading::new(part.clone());
                while let Some(item) = reading.next(max, &Corrected::default()) {
                    if let Item::Mail(mail) = item {
                        corrected.insert(&mail.octets);
                    }
                }
            }
        }
        Mix {
            parts: plan.parts.into_iter().map(Reading::new).collect(),
            bad: plan.bad.into_iter(),
            corrected,
            total,
            max,
        }
    }

    /// The octets of all files.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// How many of them were read.
    pub fn read(&self) -> u64 {
        self.parts.iter().map(|part| part.read.load(Ordering::Relaxed)).sum()
    }
}

impl Iterator for Mix {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if let Some(bad) = self.bad.next() {
            return Some(Item::Bad(bad));
        }
        loop {
            let going = self.parts.iter_mut().filter(|part| !part.over);
            let least = going.reduce(|a, b| if b.is_behind(a) { b } else { a })?;
            match least.next(self.max, &self.corrected) {
                Some(item) => return Some(item),
                None => least.over = true,
            }
        }
    }
}

impl Reading {
    fn new(part: Part) -> Reading {
        Reading {
            total: part.files.iter().map(|file| file.size).sum::<u64>().max(1),
            part,
            next: 0,
            open: None,
            read: Arc::default(),
            end: 0,
            over: false,
        }
    }

    /// Whether it is less far than another: read / total is compared without dividing.
    fn is_behind(&self, other: &Reading) -> bool {
        let read = |part: &Reading| u128::from(part.read.load(Ordering::Relaxed));
        read(self) * u128::from(other.total) < read(other) * u128::from(self.total)
    }

    fn next(&mut self, max: usize, corrected: &Corrected) -> Option<Item> {
        loop {
            let place = |files: &[super::Filed], at: usize, within: &str| {
                let path = at.checked_sub(1).and_then(|at| files.get(at));
                format!(
                    "{}{within}",
                    path.map_or(String::new(), |file| file.path.display().to_string())
                )
            };
            if let Some((within, octets)) = self.open.as_mut().and_then(Iterator::next) {
                let place = place(&self.part.files, self.next, &within);
                return Some(match octets {
                    Err(why) => Item::Bad(Bad { place, why }),
                    Ok(octets) => self.found(octets, place, corrected),
                });
            }
            if self.open.take().is_some() {
                self.read.store(self.end, Ordering::Relaxed);
            }
            let file = self.part.files.get(self.next)?;
            self.next += 1;
            self.end += file.size;
            match Contents::open(&file.path, file.whole, max, Arc::clone(&self.read)) {
                Ok(open) => self.open = Some(open),
                Err(why) => {
                    self.read.store(self.end, Ordering::Relaxed);
                    let place = place(&self.part.files, self.next, "");
                    return Some(Item::Bad(Bad { place, why }));
                }
            }
        }
    }

    fn found(&self, octets: Vec<u8>, place: String, corrected: &Corrected) -> Item {
        let octets = if self.part.corpus {
            without_own_fields(octets)
        } else {
            octets
        };
        if self.part.corpus && !self.part.correction && corrected.has(&octets) {
            return Item::Corrected;
        }
        Item::Mail(Found {
            octets,
            label: self.part.label,
            correction: self.part.correction,
            place,
        })
    }
}
