//! The mails of one recipient domain.
//!
//! **Invariant:** a mail stands in exactly one place: ready, aside, held, or under way.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::Time;

use super::{BUSY, Due, IN_A_ROW, Item, LOST, Outcome, Pace, Seen};
use crate::spool::{Id, Marks};

/// Where a mail stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// It may be tried.
    Ready,
    /// Not before then.
    Aside(Time),
    /// A person holds it.
    Held,
    /// Somebody is at it.
    UnderWay,
}

#[derive(Debug)]
struct Slot {
    item: Item,
    place: Place,
    /// Under what it stands among the deadlines.
    deadline: Option<Time>,
    tries: u32,
    /// How often it was tried of itself: what people and servers that are back have it tried for makes nobody wait longer.
    steps: u32,
    /// It comes before its time.
    hurried: bool,
    /// How often its server was lost within it.
    lost: u8,
    /// Its sender was to be told that it waits: once in a life, even where that cannot be written down.
    warned: bool,
    said: Option<Arc<str>>,
}

impl Slot {
    /// What has to be done with it whether or not its server is there, and when.
    fn due(&self, pace: &Pace) -> Option<Time> {
        if matches!(self.place, Place::Held | Place::UnderWay) {
            return None;
        }
        let warning = pace.warn_after.filter(|_| !self.item.marks.warned && !self.warned);
        let warning = warning.map_or(Time::FAR, |after| self.item.at + after);
        Some(warning.min(self.item.until)).filter(|time| *time != Time::FAR)
    }
}

/// Why a lane waits.
#[derive(Debug)]
struct Pause {
    route: Option<Arc<str>>,
    /// Until when.
    until: Time,
    /// Until when it would have waited, had nobody wanted a try before.
    planned: Option<Time>,
    /// How many tries failed.
    failed: u32,
    /// The route was seen down since: as soon as it is up, the lane goes on.
    seen_down: bool,
    /// One mail is under way to see whether the server is back.
    probing: bool,
}

impl Pause {
    /// Ends now, and lasts on as it would have if the try that comes of it fails.
    fn cut(&mut self, now: Time) {
        if self.until > now {
            self.planned.get_or_insert(self.until);
            self.until = now;
        }
    }
}

/// The mails of one recipient domain.
#[derive(Debug, Default)]
pub(super) struct Lane {
    slots: BTreeMap<Id, Slot>,
    ready: BTreeSet<Id>,
    aside: BTreeSet<(Time, Id)>,
    deadlines: BTreeSet<(Time, Id)>,
    pause: Option<Pause>,
    /// Those aside that wait for another server than the lane's.
    awaiting: BTreeMap<Id, Arc<str>>,
    /// The next try is a person's wish.
    forced: bool,
    in_a_row: u32,
    under_way: usize,
    /// Under what it stands in the agenda.
    pub(super) entered: Option<(Time, u64)>,
}

impl Lane {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    /// How many may be tried: neither held nor under way.
    pub(super) fn idle(&self) -> usize {
        self.ready.len() + self.aside.len()
    }

    pub(super) fn waits_for_server(&self) -> bool {
        self.pause.is_some() || !self.awaiting.is_empty()
    }

    pub(super) fn oldest(&self) -> Option<Time> {
        self.slots.values().next().map(|slot| slot.item.at)
    }

    pub(super) fn ids(&self, from: Bound<Id>) -> impl Iterator<Item = Id> {
        self.slots.range((from, Bound::Unbounded)).map(|(id, _)| *id)
    }

    pub(super) fn has(&self, id: Id) -> bool {
        self.slots.contains_key(&id)
    }

    pub(super) fn say(&mut self, id: Id, said: &str) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.said = Some(said.into());
        }
    }

    fn is_under_way(&self, id: Id) -> bool {
        self.slots.get(&id).is_some_and(|slot| slot.place == Place::UnderWay)
    }

    pub(super) fn add(&mut self, id: Id, item: Item, pace: &Pace) {
        if self.slots.contains_key(&id) {
            return;
        }
        let slot = Slot {
            item,
            place: Place::UnderWay,
            deadline: None,
            tries: 0,
            steps: 0,
            hurried: false,
            lost: 0,
            warned: false,
            said: None,
        };
        self.slots.insert(id, slot);
        self.put(id, if item.marks.held { Place::Held } else { Place::Ready }, pace);
    }

    /// Puts a mail that stands nowhere in its place.
    fn put(&mut self, id: Id, place: Place, pace: &Pace) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        slot.place = place;
        match place {
            Place::Ready => drop(self.ready.insert(id)),
            Place::Aside(time) => drop(self.aside.insert((time, id))),
            Place::Held | Place::UnderWay => {}
        }
        slot.deadline = slot.due(pace);
        if let Some(time) = slot.deadline {
            self.deadlines.insert((time, id));
        }
    }

    /// Takes a mail from where it stands.
    fn lift(&mut self, id: Id) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(&id)?;
        match slot.place {
            Place::Ready => drop(self.ready.remove(&id)),
            Place::Aside(time) => {
                self.aside.remove(&(time, id));
                self.awaiting.remove(&id);
            }
            Place::Held | Place::UnderWay => {}
        }
        if let Some(time) = slot.deadline.take() {
            self.deadlines.remove(&(time, id));
        }
        slot.place = Place::UnderWay;
        Some(slot)
    }

    /// When there is something to do.
    pub(super) fn wakes(&self, pace: &Pace) -> Option<Time> {
        if self.under_way >= pace.at_once {
            return None;
        }
        let first = |set: &BTreeSet<(Time, Id)>| set.first().map(|(time, _)| *time);
        let delivery = match &self.pause {
            _ if self.ready.is_empty() && self.aside.is_empty() => None,
            Some(pause) if pause.probing => None,
            Some(pause) => Some(pause.until),
            None if !self.ready.is_empty() => Some(Time::ZERO),
            None => first(&self.aside),
        };
        [delivery, first(&self.deadlines)].into_iter().flatten().min()
    }

    /// Whose turn it is. Without one, the lane wakes later than it did.
    pub(super) fn next(&mut self, now: Time, pace: &Pace, up: &dyn Fn(&str) -> bool) -> Option<(Id, Due)> {
        if let Some(&(time, id)) = self.deadlines.first()
            && time <= now
        {
            let slot = self.lift(id)?;
            let due = if slot.item.until <= now { Due::Expire } else { Due::Warn };
            slot.warned |= due == Due::Warn;
            self.under_way += 1;
            return Some((id, due));
        }
        if let Some(pause) = &mut self.pause {
            if pause.probing || pause.until > now {
                return None;
            }
            let is_down = |route: &Arc<str>| !up(route);
            if !self.forced && pause.route.as_ref().is_some_and(is_down) {
                // It is not asked while it is known to be away; it tells when it is back.
                pause.failed = pause.failed.saturating_add(1);
                (pause.until, pause.planned, pause.seen_down) = (now + pace.step(pause.failed), None, true);
                return None;
            }
            pause.probing = true;
        }
        while let Some(&(time, id)) = self.aside.first()
            && time <= now
        {
            self.lift(id)?;
            self.put(id, Place::Ready, pace);
        }
        let Some(&id) = self.ready.first() else {
            if let Some(pause) = &mut self.pause {
                // All of it stepped aside before: the lane itself waits for nothing any more.
                pause.probing = false;
                self.pause = None;
            }
            return None;
        };
        let forced = std::mem::take(&mut self.forced);
        let slot = self.lift(id)?;
        slot.tries = slot.tries.saturating_add(1);
        if !std::mem::take(&mut slot.hurried) && !forced {
            slot.steps = slot.steps.saturating_add(1);
        }
        self.under_way += 1;
        Some((id, Due::Deliver { forced }))
    }

    pub(super) fn finish(&mut self, id: Id, outcome: Outcome, now: Time, pace: &Pace) {
        let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.place == Place::UnderWay) else {
            return;
        };
        self.under_way = self.under_way.saturating_sub(1);
        let held = slot.item.marks.held;
        let back = if held { Place::Held } else { Place::Ready };
        match outcome {
            Outcome::Gone { taken } => {
                self.slots.remove(&id);
                if taken {
                    self.well();
                }
            }
            Outcome::Deferred { route, awaits, said } => {
                slot.said = Some(said);
                let next = now + pace.step(slot.steps);
                if slot.item.until <= now {
                    // It could not even be given up: that comes again, too.
                    slot.item.until = next;
                }
                if let Some(awaits) = awaits.filter(|_| !held) {
                    self.awaiting.insert(id, awaits);
                }
                self.put(id, if held { Place::Held } else { Place::Aside(next) }, pace);
                if let Some(route) = route {
                    let in_a_row = self.in_a_row.saturating_add(1);
                    self.well();
                    self.in_a_row = in_a_row;
                    if in_a_row.is_multiple_of(IN_A_ROW) {
                        self.wait(Some(route), false, in_a_row / IN_A_ROW, now, pace);
                    }
                }
            }
            Outcome::Away {
                route,
                down,
                busy,
                within,
                said,
            } => {
                slot.said = Some(said);
                if within && !down {
                    slot.lost = slot.lost.saturating_add(1);
                }
                if slot.lost >= LOST && within && !down && !held {
                    let next = now + pace.step(slot.steps);
                    self.put(id, Place::Aside(next), pace);
                    // The others are tried soon, whatever this one did.
                    if self.pause.take().is_some() {
                        self.wait(Some(route), down, 1, now, pace);
                    }
                    return;
                }
                self.put(id, back, pace);
                let (failed, planned) = match &self.pause {
                    // Another one found out before.
                    Some(pause) if !pause.probing && pause.until > now => return,
                    Some(pause) => (pause.failed, pause.planned.filter(|planned| *planned > now)),
                    None => (0, None),
                };
                self.wait(Some(route), down, failed.saturating_add(1), now, pace);
                if let (Some(pause), Some(planned)) = (&mut self.pause, planned) {
                    (pause.until, pause.failed) = (planned, failed);
                }
                if let Some(pause) = self.pause.as_mut().filter(|_| busy) {
                    (pause.until, pause.failed) = (now + BUSY, failed);
                }
            }
            Outcome::Stays { warned } => {
                slot.warned |= warned;
                self.put(id, back, pace);
                if let Some(pause) = &mut self.pause {
                    pause.probing = false;
                }
            }
        }
        if self.under_way == 0
            && let Some(pause) = &mut self.pause
        {
            // Whoever was to see whether the server is back came back without a word of it.
            pause.probing = false;
        }
    }

    /// Its server took mail, or answered for one: it is there.
    fn well(&mut self) {
        self.pause = None;
        self.in_a_row = 0;
    }

    fn wait(&mut self, route: Option<Arc<str>>, seen_down: bool, failed: u32, now: Time, pace: &Pace) {
        self.pause = Some(Pause {
            route,
            until: now + pace.step(failed),
            planned: None,
            failed,
            seen_down,
            probing: false,
        });
    }

    /// Goes on where the server is back.
    pub(super) fn look(&mut self, now: Time, up: &dyn Fn(&str) -> bool) {
        let back = self.awaiting.iter().filter(|(_, route)| up(route));
        for id in back.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.hurry(id);
        }
        let Some(pause) = &mut self.pause else { return };
        let Some(route) = pause.route.as_deref() else { return };
        if !up(route) {
            pause.seen_down = true;
        } else if std::mem::take(&mut pause.seen_down) {
            pause.cut(now);
        }
    }

    /// Forgets which servers are away.
    pub(super) fn renew(&mut self) {
        for id in self.awaiting.keys().copied().collect::<Vec<_>>() {
            self.hurry(id);
        }
        if self.pause.as_ref().is_some_and(|pause| !pause.probing) {
            self.pause = None;
        }
    }

    /// The clock went back: nothing waits longer than it may.
    pub(super) fn clamp(&mut self, latest: Time) {
        if let Some(pause) = &mut self.pause {
            pause.until = pause.until.min(latest);
            pause.planned = pause.planned.map(|planned| planned.min(latest));
        }
        while let Some(&(time, id)) = self.aside.last()
            && time > latest
        {
            self.aside.remove(&(time, id));
            self.aside.insert((latest, id));
            if let Some(slot) = self.slots.get_mut(&id) {
                slot.place = Place::Aside(latest);
            }
        }
    }

    /// Tries one mail now, or all.
    pub(super) fn flush(&mut self, only: Option<Id>, now: Time) -> bool {
        if let Some(id) = only {
            match self.slots.get(&id).map(|slot| slot.place) {
                Some(Place::Ready | Place::Aside(_)) => {}
                _ => return false,
            }
        }
        match only {
            Some(id) => self.hurry(id),
            None => {
                let aside: Vec<Id> = self.aside.iter().map(|(_, id)| *id).collect();
                aside.into_iter().for_each(|id| self.hurry(id));
            }
        }
        if let Some(pause) = &mut self.pause {
            pause.cut(now);
        }
        self.in_a_row = 0;
        self.forced = true;
        true
    }

    /// Lets a mail that stepped aside come at once.
    fn hurry(&mut self, id: Id) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if let Place::Aside(time) = slot.place {
            (slot.place, slot.hurried) = (Place::Ready, true);
            self.aside.remove(&(time, id));
            self.awaiting.remove(&id);
            self.ready.insert(id);
        }
    }

    /// Takes a mail for a person's order.
    pub(super) fn take(&mut self, id: Id) -> Option<Item> {
        if self.is_under_way(id) {
            return None;
        }
        let item = self.lift(id)?.item;
        self.under_way += 1;
        Some(item)
    }

    pub(super) fn set(&mut self, id: Id, item: Item) {
        if let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.place == Place::UnderWay) {
            slot.item = item;
        }
    }

    pub(super) fn rename(&mut self, id: Id, marks: Marks) {
        if let Some(slot) = self.slots.get_mut(&id).filter(|slot| slot.place == Place::UnderWay) {
            slot.item.marks = marks;
            slot.item.until = marks.until.unwrap_or(slot.item.until);
        }
    }

    pub(super) fn set_hold(&mut self, hold: Duration, pace: &Pace) {
        for slot in self.slots.values_mut() {
            slot.item.until = slot.item.marks.until.unwrap_or(slot.item.at + hold);
        }
        self.set_deadlines(pace);
    }

    pub(super) fn set_deadlines(&mut self, pace: &Pace) {
        self.deadlines.clear();
        for (id, slot) in &mut self.slots {
            slot.deadline = slot.due(pace);
            if let Some(time) = slot.deadline {
                self.deadlines.insert((time, *id));
            }
        }
    }

    pub(super) fn seen(&self, id: Id) -> Option<Seen> {
        let slot = self.slots.get(&id)?;
        let paused = self.pause.as_ref().map(|pause| pause.until);
        let next = match slot.place {
            Place::Held => None,
            Place::Aside(time) => Some(paused.map_or(time, |until| until.max(time))),
            Place::Ready | Place::UnderWay => Some(paused.unwrap_or(slot.item.at)),
        };
        Some(Seen {
            item: slot.item,
            next,
            tries: slot.tries,
            said: slot.said.clone(),
        })
    }
}
