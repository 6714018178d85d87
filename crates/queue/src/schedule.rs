//! When which mail is tried: a lane for each recipient domain, and in each its mails in the order of their arrival.
//!
//! Pure: time is passed in, and so is whether a route is up. **Invariants:** a lane has at most so many deliveries under way as
//! its [`Pace`] says (one: its order is strict); a lane whose server is away costs no try and holds nobody else up; a mail
//! that its server defers steps aside and holds nobody up either; what is under way is nobody else's; what a person holds
//! stays until a person lets it go. **Absent on purpose:** files, sockets, and what a mail says. A mail that was never tried
//! takes 32 octets here, any other some two hundred.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::Time;

use crate::spool::{Entry, Id, Marks};

mod lane;
mod slots;
#[cfg(test)]
mod tests;

use lane::Lane;

/// So many mails of a lane that its server defers one after another, with none that it takes, mean the server and not the
/// mails: then the lane waits.
const IN_A_ROW: u32 = 10;

/// The name of a route that does not exist.
pub const NO_ROUTE: &str = "";

/// So often a server that is otherwise there may be lost within a mail; from then on it is the mail that is doubted: it steps
/// aside, so that no single mail that its server cannot bear holds up all the others of its domain.
const LOST: u8 = 3;

/// How long a lane waits for a server that has just no connection to spare.
const BUSY: Duration = Duration::from_secs(5);

/// How fast mail is tried.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pace {
    /// How long after each failed try the next one comes; the last holds for all further ones.
    pub retries: Vec<Duration>,
    /// How many mails of a domain may be under way at once.
    pub at_once: usize,
    /// After how long a sender is told that a mail still waits; none where nobody can be told.
    pub warn_after: Option<Duration>,
}

impl Pace {
    /// How long to wait after so many failed tries.
    fn step(&self, failed: u32) -> Duration {
        let at = usize::try_from(failed.saturating_sub(1)).unwrap_or(usize::MAX);
        let step = self.retries.get(at).or(self.retries.last());
        // Never at once: whoever fails at once would be all that we do.
        step.copied().unwrap_or(LAST_RESORT).max(Duration::from_secs(1))
    }

    fn longest(&self) -> Duration {
        self.retries.iter().max().copied().unwrap_or(LAST_RESORT)
    }
}

/// Where nobody says how long to wait.
const LAST_RESORT: Duration = Duration::from_mins(30);

impl Default for Pace {
    fn default() -> Pace {
        Pace {
            retries: [1, 5, 15, 30].map(Duration::from_mins).to_vec(),
            at_once: 1,
            warn_after: None,
        }
    }
}

/// A mail, as far as the schedule knows it: what its file's name tells, and when it is given up by its domain's terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item {
    /// When it came.
    pub at: Time,
    /// The octets of its message.
    pub size: u64,
    /// What people said of it, and what its sender was told.
    pub marks: Marks,
    /// When it is given up.
    pub until: Time,
}

impl Item {
    /// A mail in the spool that is given up `hold` after it came, unless somebody said another time.
    pub fn of(entry: &Entry, hold: Duration) -> Item {
        Item {
            at: entry.at,
            size: entry.size,
            marks: entry.marks,
            until: entry.marks.until.unwrap_or(entry.at + hold),
        }
    }
}

/// What is to be done with a mail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Due {
    /// Deliver it. `forced`: a person wants that, whether its server seems to be there or not.
    Deliver {
        /// See there.
        forced: bool,
    },
    /// Tell its sender that it still waits.
    Warn,
    /// Give it up.
    Expire,
    /// Whatever a person ordered.
    Order,
}

/// One mail whose turn it is. It is under way until [`Schedule::finish`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turn {
    /// Its lane.
    pub lane: Arc<str>,
    /// Its id.
    pub id: Id,
    /// What is to be done.
    pub due: Due,
}

/// How a turn went.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is not in the queue any more; `taken`: since a mail server answered for it.
    Gone {
        /// See there.
        taken: bool,
    },
    /// The server is there and does not take it now, or something else is wrong with this mail alone: it steps aside.
    Deferred {
        /// The route, where a server was asked.
        route: Option<Arc<str>>,
        /// A route, not that of its lane, whose server is away: it is tried as soon as that one is back. With
        /// [`NO_ROUTE`] it is tried as soon as routes are others.
        awaits: Option<Arc<str>>,
        /// What was said.
        said: Arc<str>,
    },
    /// The server is away: the lane waits.
    Away {
        /// The route.
        route: Arc<str>,
        /// Whether that one is known to be down, so that it tells when it is back.
        down: bool,
        /// It is there, and has just no connection to spare: that takes seconds, and is no failure.
        busy: bool,
        /// It was lost within the message: perhaps by this very mail.
        within: bool,
        /// Why.
        said: Arc<str>,
    },
    /// It stays as it was; `warned`: nobody need be told of it again.
    Stays {
        /// See there.
        warned: bool,
    },
}

/// What the schedule knows of a mail, for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// As it was entered, and changed since.
    pub item: Item,
    /// When it is tried next; none while it is held.
    pub next: Option<Time>,
    /// How often it was tried since the start.
    pub tries: u32,
    /// What was said last.
    pub said: Option<Arc<str>>,
}

/// All lanes.
#[derive(Debug, Default)]
pub struct Schedule {
    pace: Pace,
    lanes: BTreeMap<Arc<str>, Lane>,
    /// When each lane has something to do; of those that have it at once the one that waited longest is first.
    agenda: BTreeSet<(Time, u64, Arc<str>)>,
    turns: u64,
    latest: Time,
}

impl Schedule {
    /// An empty one.
    pub fn new(pace: Pace) -> Schedule {
        Schedule {
            pace,
            ..Schedule::default()
        }
    }

    /// Another pace, from now on. Deadlines stay as they were entered, but for those of warnings.
    pub fn set_pace(&mut self, pace: Pace) {
        let warnings = pace.warn_after != self.pace.warn_after;
        self.pace = pace;
        for name in self.names() {
            self.change(&name, |lane, pace| {
                if warnings {
                    lane.set_deadlines(pace);
                }
            });
        }
    }

    fn names(&self) -> Vec<Arc<str>> {
        self.lanes.keys().cloned().collect()
    }

    /// Changes a lane and enters when it has something to do then. As long as that stays the same it keeps its turn: mail that
    /// comes and comes puts nobody at the end. A lane with nothing in it is let go.
    fn change<T>(&mut self, name: &str, change: impl FnOnce(&mut Lane, &Pace) -> T) -> Option<T> {
        let (name, lane) = self.lanes.get_key_value(name)?;
        let name = Arc::clone(name);
        let before = lane.entered;
        if let Some((time, turn)) = before {
            self.agenda.remove(&(time, turn, Arc::clone(&name)));
        }
        let lane = self.lanes.get_mut(&name)?;
        let done = change(lane, &self.pace);
        if lane.is_empty() {
            self.lanes.remove(&name);
            return Some(done);
        }
        lane.entered = lane.wakes(&self.pace).map(|time| match before {
            Some((then, turn)) if then == time => (time, turn),
            _ => {
                self.turns += 1;
                (time, self.turns)
            }
        });
        if let Some((time, turn)) = lane.entered {
            self.agenda.insert((time, turn, name));
        }
        Some(done)
    }

    /// Enters a mail. One that is there already stays as it is.
    pub fn add(&mut self, lane: &str, id: Id, item: Item) {
        self.enter(lane, std::iter::once((id, item)));
    }

    /// Enters several mails of a lane.
    pub fn enter(&mut self, lane: &str, mails: impl ExactSizeIterator<Item = (Id, Item)>) {
        if !self.lanes.contains_key(lane) {
            self.lanes.insert(lane.into(), Lane::default());
        }
        self.change(lane, |lane, pace| {
            if mails.len() > 1 {
                lane.reserve(mails.len());
            }
            mails.for_each(|(id, item)| lane.add(id, item, pace));
        });
    }

    /// Whose turn it is. `up` says whether a route is believed to be up.
    pub fn next(&mut self, now: Time, up: &dyn Fn(&str) -> bool) -> Option<Turn> {
        self.latest = self.latest.max(now);
        loop {
            let (time, ..) = self.agenda.first()?;
            if *time > now {
                return None;
            }
            let (_, _, name) = self.agenda.pop_first()?;
            // Its turn is over, whatever comes of it.
            self.lanes.get_mut(&name)?.entered = None;
            let turn = self.change(&name, |lane, pace| lane.next(now, pace, up)).flatten();
            if let Some((id, due)) = turn {
                return Some(Turn { lane: name, id, due });
            }
            // It had nothing to do after all, and says so in the agenda: never the same moment again.
        }
    }

    /// When there is something to do next.
    pub fn wakes(&self) -> Option<Time> {
        self.agenda.first().map(|(time, _, _)| *time)
    }

    /// What became of a turn.
    pub fn finish(&mut self, turn: &Turn, outcome: Outcome, now: Time) {
        self.change(&turn.lane, |lane, pace| lane.finish(turn.id, outcome, now, pace));
    }

    /// Looks whether servers that were away are back, and whether the clock went back. To be called every second or so.
    pub fn look(&mut self, now: Time, up: &dyn Fn(&str) -> bool) {
        let went_back = now < self.latest;
        self.latest = now;
        for name in self.names() {
            let concerns = |lane: &Lane| went_back || lane.waits_for_server();
            if self.lanes.get(&name).is_some_and(concerns) {
                self.change(&name, |lane, pace| {
                    if went_back {
                        lane.clamp(now + pace.longest());
                    }
                    lane.look(now, up);
                });
            }
        }
    }

    /// Routes are others now: who waited for a server of the old ones looks anew where its mail goes.
    pub fn renew(&mut self) {
        for name in self.names() {
            self.change(&name, |lane, _| lane.renew());
        }
    }

    /// Tries a domain's mail now, or all of it: whether its server seems to be there or not. How many mails are meant: none
    /// that is held or under way.
    pub fn flush(&mut self, lane: Option<&str>, now: Time) -> usize {
        let lanes = lane.map_or_else(|| self.names(), |lane| vec![lane.into()]);
        let mut meant = 0;
        for name in lanes {
            let idle = self.change(&name, |lane, _| {
                lane.flush(None, now);
                lane.idle()
            });
            meant += idle.unwrap_or(0);
        }
        meant
    }

    /// Tries one mail now. Whether there is one that can be.
    pub fn flush_one(&mut self, lane: &str, id: Id, now: Time) -> bool {
        self.change(lane, |lane, _| lane.flush(Some(id), now)).unwrap_or(false)
    }

    /// Takes a mail out of the lanes' hands, so that a person's order can be obeyed; [`finish`](Schedule::finish) gives it
    /// back. None where it is not there, or under way.
    pub fn take(&mut self, lane: &str, id: Id) -> Option<(Turn, Item)> {
        let item = self.change(lane, |lane, pace| lane.take(id, pace)).flatten()?;
        let turn = Turn {
            lane: lane.into(),
            id,
            due: Due::Order,
        };
        Some((turn, item))
    }

    /// Changes what is known of a mail that was [taken](Schedule::take).
    pub fn set(&mut self, turn: &Turn, item: Item) {
        self.change(&turn.lane, |lane, _| lane.set(turn.id, item));
    }

    /// Sets anew when mails are given up, as their domains' terms are now.
    pub fn set_hold(&mut self, hold: &dyn Fn(&str) -> Duration) {
        for name in self.names() {
            self.change(&name, |lane, pace| lane.set_hold(hold(&name), pace));
        }
    }

    /// The file of a mail that is under way has other marks than was thought.
    pub fn rename(&mut self, lane: &str, id: Id, marks: Marks) {
        self.change(lane, |lane, _| lane.rename(id, marks));
    }

    /// What is known of a mail.
    pub fn seen(&self, lane: &str, id: Id) -> Option<Seen> {
        self.lanes.get(lane)?.seen(id)
    }

    /// The lane of a mail.
    pub fn find(&self, id: Id) -> Option<(Arc<str>, Id)> {
        let (name, _) = self.lanes.iter().find(|(_, lane)| lane.has(id))?;
        Some((Arc::clone(name), id))
    }

    /// Says why a mail that was [taken](Schedule::take) will go on as it does.
    pub fn say(&mut self, turn: &Turn, said: &str) {
        self.change(&turn.lane, |lane, _| lane.say(turn.id, said));
    }

    /// At most `limit` mails behind a place in the order of arrival, the oldest first, those of one lane or of all.
    pub fn page(&self, lane: Option<&str>, after: Option<(Id, &str)>, limit: usize) -> Vec<(Arc<str>, Id)> {
        let lanes: Vec<(&Arc<str>, &Lane)> = match lane {
            Some(lane) => self.lanes.get_key_value(lane).into_iter().collect(),
            None => self.lanes.iter().collect(),
        };
        let mut found: Vec<(Id, &Arc<str>)> = Vec::new();
        for (name, lane) in lanes {
            let from = match after {
                Some((id, other)) if **name <= *other => Bound::Excluded(id),
                Some((id, _)) => Bound::Included(id),
                None => Bound::Unbounded,
            };
            found.extend(lane.ids(from).take(limit).map(|id| (id, name)));
            if found.len() > limit.saturating_mul(4).max(1_000) {
                found.sort_unstable();
                found.truncate(limit);
            }
        }
        found.sort_unstable();
        found.truncate(limit);
        found.into_iter().map(|(id, name)| (Arc::clone(name), id)).collect()
    }

    /// When the oldest mail came, of one lane or of all.
    pub fn oldest(&self, lane: Option<&str>) -> Option<Time> {
        match lane {
            Some(lane) => self.lanes.get(lane)?.oldest(),
            None => self.lanes.values().filter_map(Lane::oldest).min(),
        }
    }

    /// How many mails there are, of one lane or of all.
    #[cfg(test)]
    pub fn len_of(&self, lane: Option<&str>) -> usize {
        match lane {
            Some(lane) => self.lanes.get(lane).map_or(0, Lane::len),
            None => self.lanes.values().map(Lane::len).sum(),
        }
    }
}
