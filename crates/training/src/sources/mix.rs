//! The parts of a plan, read side by side.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use gatepost_core::Label;

use super::corpus::{Corrected, without_own_fields};
use super::file::Contents;
use super::plan::{Part, Plan};
use super::{Bad, Found, Item};

/// So many parts of one label are read side by side, and so many of its files are open. The others wait behind them: each
/// open archive may need a window of [`WINDOW_MAX`](super::packed::WINDOW_MAX).
pub const LANES_MAX: usize = 8;

/// Reads a plan: always from the label that is least far, and there from the lane that is.
pub struct Mix {
    lanes: Vec<Reading>,
    bad: std::vec::IntoIter<Bad>,
    corrected: Corrected,
    total: u64,
    max: usize,
}

/// A lane: a part that is being read, and those that wait behind it.
struct Reading {
    part: Part,
    behind: VecDeque<Part>,
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
                let mut reading = Reading::of(part.clone());
                while let Some(item) = reading.next(max, &Corrected::default()) {
                    if let Item::Mail(mail) = item {
                        corrected.insert(&mail.octets);
                    }
                }
            }
        }
        Mix {
            lanes: lanes(plan.parts),
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

    /// The label that is least far, of those that go on.
    fn label(&self) -> Option<Label> {
        let far = |label| {
            let lanes = self.lanes.iter().filter(|lane| lane.part.label == label);
            lanes.fold((0, 0), |sum, lane| {
                let far = lane.far();
                (sum.0 + far.0, sum.1 + far.1)
            })
        };
        let going = self.lanes.iter().filter(|lane| !lane.over).map(|lane| lane.part.label);
        going.reduce(|a, b| if a != b && is_behind(far(b), far(a)) { b } else { a })
    }

    /// How many of them were read.
    pub fn read(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.read.load(Ordering::Relaxed)).sum()
    }
}

impl Iterator for Mix {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        if let Some(bad) = self.bad.next() {
            return Some(Item::Bad(bad));
        }
        loop {
            let label = self.label()?;
            let going = self
                .lanes
                .iter_mut()
                .filter(|lane| !lane.over && lane.part.label == label);
            let least = going.reduce(|a, b| if is_behind(b.far(), a.far()) { b } else { a })?;
            match least.next(self.max, &self.corrected) {
                Some(item) => return Some(item),
                None => least.over = true,
            }
        }
    }
}

/// The parts of each label, dealt out in turn to its lanes.
fn lanes(parts: Vec<Part>) -> Vec<Reading> {
    let mut lanes: Vec<Reading> = Vec::new();
    let mut dealt = [0usize; 2];
    for part in parts {
        let label = part.label;
        let dealt = &mut dealt[usize::from(label == Label::Spam)];
        let lane = lanes.iter_mut().filter(|lane| lane.part.label == label);
        match lane
            .enumerate()
            .find(|(at, _)| *dealt >= LANES_MAX && *at == *dealt % LANES_MAX)
        {
            Some((_, lane)) => {
                lane.total = lane.total.saturating_add(octets(&part));
                lane.behind.push_back(part);
            }
            None => lanes.push(Reading::of(part)),
        }
        *dealt += 1;
    }
    lanes
}

/// Whether the first is less far than the second: read / total is compared without dividing.
fn is_behind(one: (u128, u128), other: (u128, u128)) -> bool {
    one.0.saturating_mul(other.1) < other.0.saturating_mul(one.1)
}

fn octets(part: &Part) -> u64 {
    part.files.iter().map(|file| file.size).sum()
}

impl Reading {
    fn of(part: Part) -> Reading {
        Reading {
            total: octets(&part).max(1),
            part,
            behind: VecDeque::new(),
            next: 0,
            open: None,
            read: Arc::default(),
            end: 0,
            over: false,
        }
    }

    /// How far it is: octets that were read, and all.
    fn far(&self) -> (u128, u128) {
        (self.read.load(Ordering::Relaxed).into(), self.total.into())
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
            let Some(file) = self.part.files.get(self.next) else {
                self.part = self.behind.pop_front()?;
                self.next = 0;
                continue;
            };
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
