//! The mails of a lane in the order of their arrival, each as small as it can be: as many are in memory as wait.
//!
//! **Invariants:** a mail that waits by its lane's terms and was never tried costs what [`Slot`] has and nothing beside it. What left is not seen any more, and its room is used again before it is more than what is left.

use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::Time;

use super::{Item, Pace};
use crate::spool::{Id, Marks};

/// Rooms up to which none is given back.
const FEW: usize = 64;

/// Where a mail stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// It may be tried.
    Ready,
    /// Not before a time of its own.
    Aside,
    /// A person holds it.
    Held,
    /// Somebody is at it.
    UnderWay,
    /// It left.
    Gone,
}

/// Times that do not follow from a mail's id, its lag and its lane's terms.
#[derive(Clone, Copy, Debug)]
struct Times {
    at: Time,
    until: Time,
    /// What its marks say.
    ordered: Option<Time>,
}

/// What few mails have.
#[derive(Debug, Default)]
pub(super) struct More {
    own: Option<Times>,
    /// Until when it stands aside.
    pub aside: Time,
    pub tries: u32,
    /// How often it was tried of itself: what people and servers that are back have it tried for makes nobody wait longer.
    pub steps: u32,
    /// How often its server was lost within it.
    pub lost: u8,
    /// It comes before its time.
    pub hurried: bool,
    pub said: Option<Arc<str>>,
}

/// A mail.
#[derive(Debug)]
pub(super) struct Slot {
    id: Id,
    size: u64,
    more: Option<Box<More>>,
    /// See [`Id::lag`].
    lag: u32,
    pub place: Place,
    held: bool,
    /// Its file tells that its sender was told that it waits.
    noted: bool,
    /// Its sender was to be told that it waits: once in a life, even where that cannot be written down.
    pub warned: bool,
}

impl Slot {
    /// A mail that stands nowhere yet.
    pub(super) fn new(id: Id, item: Item, hold: Duration) -> Slot {
        let mut slot = Slot {
            id,
            size: item.size,
            more: None,
            lag: 0,
            place: Place::UnderWay,
            held: false,
            noted: false,
            warned: false,
        };
        slot.set(item, hold);
        slot
    }

    pub(super) fn id(&self) -> Id {
        self.id
    }

    pub(super) fn is_held(&self) -> bool {
        self.held
    }

    /// It may be tried, if not now: it is neither held nor under way.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.place, Place::Ready | Place::Aside)
    }

    fn times(&self, hold: Duration) -> Times {
        let own = self.more.as_ref().and_then(|more| more.own);
        let at = self.id.at(self.lag);
        own.unwrap_or_else(|| Times {
            at,
            until: at + hold,
            ordered: None,
        })
    }

    /// What is known of it; `hold` is how long mails of its lane may wait.
    pub(super) fn item(&self, hold: Duration) -> Item {
        let Times { at, until, ordered } = self.times(hold);
        Item {
            at,
            size: self.size,
            marks: Marks {
                until: ordered,
                held: self.held,
                warned: self.noted,
            },
            until,
        }
    }

    pub(super) fn set(&mut self, item: Item, hold: Duration) {
        let Item { at, size, marks, until } = item;
        (self.size, self.held, self.noted) = (size, marks.held, marks.warned);
        let ordered = marks.until;
        let by_terms = until == at + hold && ordered.is_none();
        match self.id.lag(at).filter(|_| by_terms) {
            Some(lag) => {
                self.lag = lag;
                if let Some(more) = &mut self.more {
                    more.own = None;
                }
            }
            None => self.more_mut().own = Some(Times { at, until, ordered }),
        }
    }

    pub(super) fn more(&self) -> Option<&More> {
        self.more.as_deref()
    }

    pub(super) fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Until when it stands aside, if it does.
    pub(super) fn aside(&self) -> Option<Time> {
        let more = self.more().filter(|_| self.place == Place::Aside)?;
        Some(more.aside)
    }

    /// Whether somebody is to be told once that it waits.
    fn warns(&self, pace: &Pace) -> Option<Duration> {
        pace.warn_after.filter(|_| !self.noted && !self.warned)
    }

    /// Its deadline is that of its lane: among all of these it ascends with the ids.
    pub(super) fn is_usual(&self, pace: &Pace) -> bool {
        let is_own = self.more().is_some_and(|more| more.own.is_some());
        !is_own && self.lag == 0 && self.warns(pace) == pace.warn_after
    }

    /// What has to be done with it whether or not its server is there, and when.
    pub(super) fn due(&self, pace: &Pace, hold: Duration) -> Option<Time> {
        if !self.is_idle() {
            return None;
        }
        let Times { at, until, .. } = self.times(hold);
        let warning = self.warns(pace).map_or(Time::FAR, |after| at + after);
        Some(warning.min(until)).filter(|time| *time != Time::FAR)
    }
}

/// All mails of a lane.
#[derive(Debug, Default)]
pub(super) struct Slots {
    row: VecDeque<Slot>,
    /// How many of these left.
    gone: usize,
}

impl Slots {
    pub(super) fn len(&self) -> usize {
        self.row.len().saturating_sub(self.gone)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes room for so many more.
    pub(super) fn reserve(&mut self, more: usize) {
        self.row.reserve_exact(more);
    }

    pub(super) fn first(&self) -> Option<&Slot> {
        self.from(Bound::Unbounded).next()
    }

    /// The last one, be it gone.
    pub(super) fn last(&self) -> Option<&Slot> {
        self.row.back()
    }

    pub(super) fn get(&self, id: Id) -> Option<&Slot> {
        let at = self.row.binary_search_by_key(&id, Slot::id).ok()?;
        self.row.get(at).filter(|slot| slot.place != Place::Gone)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Slot> {
        let at = self.row.binary_search_by_key(&id, Slot::id).ok()?;
        self.row.get_mut(at).filter(|slot| slot.place != Place::Gone)
    }

    /// Those behind a place, in their order.
    pub(super) fn from(&self, from: Bound<Id>) -> impl Iterator<Item = &Slot> {
        let at = match from {
            Bound::Included(id) => self.row.partition_point(|slot| slot.id < id),
            Bound::Excluded(id) => self.row.partition_point(|slot| slot.id <= id),
            Bound::Unbounded => 0,
        };
        self.row.range(at..).filter(|slot| slot.place != Place::Gone)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = &mut Slot> {
        self.row.iter_mut().filter(|slot| slot.place != Place::Gone)
    }

    /// Puts a mail in its place: mostly the last one.
    pub(super) fn insert(&mut self, slot: Slot) {
        if self.row.back().is_none_or(|last| last.id < slot.id) {
            self.row.push_back(slot);
            return;
        }
        match self.row.binary_search_by_key(&slot.id, Slot::id) {
            Ok(at) => {
                if let Some(other) = self.row.get_mut(at) {
                    self.gone = self.gone.saturating_sub(usize::from(other.place == Place::Gone));
                    *other = slot;
                }
            }
            Err(at) => self.row.insert(at, slot),
        }
    }

    /// It left.
    pub(super) fn remove(&mut self, id: Id) {
        let Some(slot) = self.get_mut(id) else { return };
        (slot.place, slot.more) = (Place::Gone, None);
        self.gone = self.gone.saturating_add(1);
        let is_gone = |slot: &Slot| slot.place == Place::Gone;
        while self.row.front().is_some_and(is_gone) {
            self.row.pop_front();
            self.gone = self.gone.saturating_sub(1);
        }
        if self.gone > self.len() {
            self.row.retain(|slot| slot.place != Place::Gone);
            self.gone = 0;
        }
        let most = self.row.len().max(FEW).saturating_mul(4);
        if self.row.capacity() > most {
            self.row.shrink_to(most / 2);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::spool::Ids;

    const HOLD: Duration = Duration::from_hours(48);

    fn item(id: Id, size: u64) -> Item {
        Item {
            at: id.time(),
            size,
            marks: Marks::default(),
            until: id.time() + HOLD,
        }
    }

    #[test]
    fn a_mail_that_was_never_tried_costs_thirty_two_octets() {
        assert_eq!(size_of::<Slot>(), 32);
        let id = Ids::above(Id::FIRST).next(Time::from_secs(1_767_614_400));
        let mut slot = Slot::new(id, item(id, 7), HOLD);
        assert!(slot.more.is_none());
        slot.set(
            Item {
                until: Time::FAR,
                ..item(id, 7)
            },
            HOLD,
        );
        assert_eq!(slot.item(HOLD).until, Time::FAR);
        slot.set(item(id, 7), HOLD);
        assert!(
            slot.is_usual(&Pace::default()),
            "what is usual again costs nobody an order"
        );
    }

    proptest! {
        #[test]
        fn a_row_is_a_map_that_gives_its_room_back(acts in prop::collection::vec((any::<bool>(), 0..200u64), 0..600)) {
            let ids = Ids::above(Id::FIRST);
            let all: Vec<Id> = (0..200).map(|n| ids.next(Time::from_secs(n))).collect();
            let (mut slots, mut map) = (Slots::default(), BTreeMap::new());
            for (comes, n) in acts {
                let id = all[usize::try_from(n).expect("small")];
                if comes {
                    slots.insert(Slot::new(id, item(id, n), HOLD));
                    map.insert(id, n);
                } else {
                    slots.remove(id);
                    map.remove(&id);
                }
                prop_assert_eq!((slots.len(), slots.is_empty()), (map.len(), map.is_empty()));
                prop_assert_eq!(slots.get(id).map(|slot| slot.size), map.get(&id).copied());
                prop_assert_eq!(slots.first().map(Slot::id), map.keys().next().copied());
                prop_assert!(slots.row.len() <= 2 * map.len() + 1);
                prop_assert!(slots.row.capacity() <= 4 * map.len().max(FEW) * 2);
                for from in [Bound::Included(id), Bound::Excluded(id), Bound::Unbounded] {
                    let seen: Vec<Id> = slots.from(from).map(Slot::id).collect();
                    prop_assert_eq!(seen, map.range((from, Bound::Unbounded)).map(|(id, _)| *id).collect::<Vec<_>>());
                }
            }
        }
    }
}
