//! The mails of one recipient domain.
//!
//! **Invariant:** a mail stands in exactly one place: ready, aside, held, or under way. Most mails wait for their turn and
//! nothing else: of these no list is kept. They are found in the order of arrival behind a [`Cursor`], which passes each once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::Time;

use super::slots::{Place, Slot, Slots};
use super::{BUSY, Due, IN_A_ROW, Item, LOST, Outcome, Pace, Seen};
use crate::spool::{Id, Marks};

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

/// How far the mails of a kind are looked through, in their order: none of the kind stands before it that is not listed.
#[derive(Debug)]
struct Cursor(Id);

impl Default for Cursor {
    fn default() -> Cursor {
        Cursor(Id::FIRST)
    }
}

impl Cursor {
    /// Whether a mail of the kind must be listed to be found.
    fn has_passed(&self, id: Id) -> bool {
        id < self.0
    }

    /// Goes on to the first of the kind.
    fn seek<'a>(&mut self, slots: &'a Slots, is: impl Fn(&Slot) -> bool) -> Option<&'a Slot> {
        for slot in slots.from(Bound::Included(self.0)) {
            self.0 = slot.id();
            if is(slot) {
                return Some(slot);
            }
        }
        // Whoever comes later is behind the last one.
        if let Some(last) = slots.last().filter(|last| !self.has_passed(last.id())) {
            self.0 = last.id().next();
        }
        None
    }
}

/// The mails of one recipient domain.
#[derive(Debug, Default)]
pub(super) struct Lane {
    slots: Slots,
    /// How long a mail waits by the domain's terms.
    hold: Option<Duration>,
    fresh: Cursor,
    /// Those that are ready and that `fresh` has passed.
    ready: BTreeSet<Id>,
    aside: BTreeSet<(Time, Id)>,
    /// How many are ready or aside.
    idle: usize,
    usual: Cursor,
    /// When those have to be looked at that have other deadlines than usual, or that `usual` has passed.
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
        self.idle
    }

    pub(super) fn waits_for_server(&self) -> bool {
        self.pause.is_some() || !self.awaiting.is_empty()
    }

    pub(super) fn oldest(&self) -> Option<Time> {
        self.slots.first().map(|slot| slot.item(self.hold()).at)
    }

    fn hold(&self) -> Duration {
        self.hold.unwrap_or_default()
    }

    pub(super) fn ids(&self, from: Bound<Id>) -> impl Iterator<Item = Id> {
        self.slots.from(from).map(Slot::id)
    }

    pub(super) fn has(&self, id: Id) -> bool {
        self.slots.get(id).is_some()
    }

    pub(super) fn say(&mut self, id: Id, said: &str) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.more_mut().said = Some(said.into());
        }
    }

    /// A mail that somebody is at.
    fn under_way(&mut self, id: Id) -> Option<&mut Slot> {
        self.slots.get_mut(id).filter(|slot| slot.place == Place::UnderWay)
    }

    /// Makes room for so many more mails.
    pub(super) fn reserve(&mut self, more: usize) {
        self.slots.reserve(more);
    }

    pub(super) fn add(&mut self, id: Id, item: Item, pace: &Pace) {
        if self.has(id) {
            return;
        }
        if item.marks.until.is_none() {
            self.hold.get_or_insert(item.until.since(item.at));
        }
        self.slots.insert(Slot::new(id, item, self.hold()));
        self.put(id, if item.marks.held { Place::Held } else { Place::Ready }, pace);
    }

    /// Puts a mail that stands nowhere in its place.
    fn put(&mut self, id: Id, place: Place, pace: &Pace) {
        let hold = self.hold();
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.place = place;
        self.idle += usize::from(slot.is_idle());
        if let Some(time) = slot.aside() {
            self.aside.insert((time, id));
        }
        if place == Place::Ready && self.fresh.has_passed(id) {
            self.ready.insert(id);
        }
        if let Some(time) = slot.due(pace, hold)
            && (self.usual.has_passed(id) || !slot.is_usual(pace))
        {
            self.deadlines.insert((time, id));
        }
    }

    /// Takes a mail from where it stands.
    fn lift(&mut self, id: Id, pace: &Pace) -> Option<&mut Slot> {
        let hold = self.hold();
        let slot = self.slots.get_mut(id)?;
        self.idle = self.idle.saturating_sub(usize::from(slot.is_idle()));
        if let Some(time) = slot.aside() {
            self.aside.remove(&(time, id));
            self.awaiting.remove(&id);
        }
        if slot.place == Place::Ready {
            self.ready.remove(&id);
        }
        if let Some(time) = slot.due(pace, hold) {
            self.deadlines.remove(&(time, id));
        }
        slot.place = Place::UnderWay;
        Some(slot)
    }

    /// The first that is ready.
    fn first_ready(&mut self) -> Option<Id> {
        if let Some(id) = self.ready.first() {
            return Some(*id);
        }
        let ready = self.fresh.seek(&self.slots, |slot| slot.place == Place::Ready);
        ready.map(Slot::id)
    }

    /// Which one has to be looked at first whether or not its server is there, and when.
    fn first_deadline(&mut self, pace: &Pace) -> Option<(Time, Id)> {
        let hold = self.hold();
        let is = |slot: &Slot| slot.is_idle() && slot.is_usual(pace);
        let usual = self.usual.seek(&self.slots, is);
        let usual = usual.and_then(|slot| Some((slot.due(pace, hold)?, slot.id())));
        [usual, self.deadlines.first().copied()].into_iter().flatten().min()
    }

    /// When there is something to do.
    pub(super) fn wakes(&mut self, pace: &Pace) -> Option<Time> {
        if self.under_way >= pace.at_once {
            return None;
        }
        let is_ready = self.first_ready().is_some();
        let delivery = match &self.pause {
            _ if self.idle == 0 => None,
            Some(pause) if pause.probing => None,
            Some(pause) => Some(pause.until),
            None if is_ready => Some(Time::ZERO),
            None => self.aside.first().map(|(time, _)| *time),
        };
        let deadline = self.first_deadline(pace).map(|(time, _)| time);
        [delivery, deadline].into_iter().flatten().min()
    }

    /// Whose turn it is. Without one, the lane wakes later than it did.
    pub(super) fn next(&mut self, now: Time, pace: &Pace, up: &dyn Fn(&str) -> bool) -> Option<(Id, Due)> {
        if let Some((time, id)) = self.first_deadline(pace)
            && time <= now
        {
            let hold = self.hold();
            let slot = self.lift(id, pace)?;
            let is_over = slot.item(hold).until <= now;
            let due = if is_over { Due::Expire } else { Due::Warn };
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
            self.lift(id, pace)?;
            self.put(id, Place::Ready, pace);
        }
        let Some(id) = self.first_ready() else {
            if let Some(pause) = &mut self.pause {
                // All of it stepped aside before: the lane itself waits for nothing any more.
                pause.probing = false;
                self.pause = None;
            }
            return None;
        };
        let forced = std::mem::take(&mut self.forced);
        let more = self.lift(id, pace)?.more_mut();
        more.tries = more.tries.saturating_add(1);
        if !std::mem::take(&mut more.hurried) && !forced {
            more.steps = more.steps.saturating_add(1);
        }
        self.under_way += 1;
        Some((id, Due::Deliver { forced }))
    }

    pub(super) fn finish(&mut self, id: Id, outcome: Outcome, now: Time, pace: &Pace) {
        let hold = self.hold();
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.place == Place::UnderWay) else {
            return;
        };
        self.under_way = self.under_way.saturating_sub(1);
        let held = slot.is_held();
        let back = if held { Place::Held } else { Place::Ready };
        match outcome {
            Outcome::Gone { taken } => {
                self.slots.remove(id);
                if taken {
                    self.well();
                }
            }
            Outcome::Deferred { route, awaits, said } => {
                let item = slot.item(hold);
                let more = slot.more_mut();
                let next = now + pace.step(more.steps);
                (more.said, more.aside) = (Some(said), next);
                if item.until <= now {
                    // It could not even be given up: that comes again, too.
                    slot.set(Item { until: next, ..item }, hold);
                }
                if let Some(awaits) = awaits.filter(|_| !held) {
                    self.awaiting.insert(id, awaits);
                }
                self.put(id, if held { Place::Held } else { Place::Aside }, pace);
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
                let more = slot.more_mut();
                more.said = Some(said);
                if within && !down {
                    more.lost = more.lost.saturating_add(1);
                }
                if more.lost >= LOST && within && !down && !held {
                    more.aside = now + pace.step(more.steps);
                    self.put(id, Place::Aside, pace);
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
            if let Some(slot) = self.slots.get_mut(id) {
                slot.more_mut().aside = latest;
            }
        }
    }

    /// Tries one mail now, or all.
    pub(super) fn flush(&mut self, only: Option<Id>, now: Time) -> bool {
        if only.is_some_and(|id| !self.slots.get(id).is_some_and(Slot::is_idle)) {
            return false;
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
        let Some(slot) = self.slots.get_mut(id) else { return };
        let Some(time) = slot.aside() else { return };
        slot.place = Place::Ready;
        slot.more_mut().hurried = true;
        self.aside.remove(&(time, id));
        self.awaiting.remove(&id);
        if self.fresh.has_passed(id) {
            self.ready.insert(id);
        }
    }

    /// Takes a mail for a person's order.
    pub(super) fn take(&mut self, id: Id, pace: &Pace) -> Option<Item> {
        if self.under_way(id).is_some() {
            return None;
        }
        let hold = self.hold();
        let item = self.lift(id, pace)?.item(hold);
        self.under_way += 1;
        Some(item)
    }

    pub(super) fn set(&mut self, id: Id, item: Item) {
        let hold = self.hold();
        if let Some(slot) = self.under_way(id) {
            slot.set(item, hold);
        }
    }

    pub(super) fn rename(&mut self, id: Id, marks: Marks) {
        let hold = self.hold();
        if let Some(slot) = self.under_way(id) {
            let item = slot.item(hold);
            let until = marks.until.unwrap_or(item.until);
            slot.set(Item { marks, until, ..item }, hold);
        }
    }

    pub(super) fn set_hold(&mut self, hold: Duration, pace: &Pace) {
        let before = self.hold();
        self.hold = Some(hold);
        for slot in self.slots.all_mut() {
            let item = slot.item(before);
            let until = item.marks.until.unwrap_or(item.at + hold);
            slot.set(Item { until, ..item }, hold);
        }
        self.set_deadlines(pace);
    }

    pub(super) fn set_deadlines(&mut self, pace: &Pace) {
        let hold = self.hold();
        self.deadlines.clear();
        self.usual = Cursor::default();
        for slot in self.slots.from(Bound::Unbounded).filter(|slot| !slot.is_usual(pace)) {
            if let Some(time) = slot.due(pace, hold) {
                self.deadlines.insert((time, slot.id()));
            }
        }
    }

    pub(super) fn seen(&self, id: Id) -> Option<Seen> {
        let slot = self.slots.get(id)?;
        let item = slot.item(self.hold());
        let paused = self.pause.as_ref().map(|pause| pause.until);
        let next = match slot.place {
            Place::Held | Place::Gone => None,
            Place::Aside => slot.aside().map(|time| paused.map_or(time, |until| until.max(time))),
            Place::Ready | Place::UnderWay => Some(paused.unwrap_or(item.at)),
        };
        Some(Seen {
            item,
            next,
            tries: slot.more().map_or(0, |more| more.tries),
            said: slot.more().and_then(|more| more.said.clone()),
        })
    }
}
