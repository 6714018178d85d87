//! Changing the lists: each change is one swap of one key, and what leads to the key is written around it in the order
//! that keeps "an entry in force is listed" true at any moment.
//!
//! A row that is taken away while somebody puts the entry back would leave an entry that nobody sees; so rows are taken
//! away under a lock on the key ([`Kept`]), and whoever meets one tries again. A lock takes nothing out of force.

use std::task::Poll;
use std::time::Duration;

use gatepost_core::{Bytes, Fault, List, Source, Swap, Time};

use crate::entry::Pattern;
use crate::form::{Class, Kept, LOCKED, Shelf, Slot};
use crate::lists::{Lists, count_key, slot_key};
use crate::owner::Owner;

/// How often a change is tried that others get in the way of.
pub(crate) const TRIES: usize = 64;
/// How long "removed" keeps mail from teaching the same again.
pub const MARK: Duration = Duration::from_secs(365 * 86_400);
/// An entry is renewed at most so often, to spare writes.
pub const RENEWAL: Duration = Duration::from_secs(86_400);
/// Every so many learned entries some rows are swept.
const SWEEP_EVERY: i64 = 16;

pub(crate) const BUSY: Fault = Fault::Unavailable("an entry of a list that others are changing just now; try again");

/// How a change went, and what was there before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is different now.
    Changed(Option<Slot>),
    /// It stays as it is.
    Unchanged(Option<Slot>),
    /// There is no room: the owner has so many already.
    Full(u64),
}

impl Lists {
    /// Puts an entry where `decide` says so, knowing what is there.
    pub async fn put(
        &self,
        owner: &Owner,
        pattern: &Pattern,
        shelf: Shelf,
        now: Time,
        decide: impl Fn(Option<&Slot>) -> Option<Slot> + Send,
    ) -> Result<Outcome, Fault> {
        let text = pattern.to_string();
        let key = slot_key(shelf, owner, &text);
        let (mut led, mut made) = (false, false);
        for _ in 0..TRIES {
            let Some((octets, was, edition)) = self.free(&key, now).await? else {
                continue;
            };
            let Some(new) = decide(was.as_ref()) else {
                // What we led there by a try that failed shall not stay.
                if let (true, Some(was)) = (led, &was) {
                    self.list_row(owner, &text, was).await?;
                }
                return Ok(Outcome::Unchanged(was));
            };
            let class = Class::of(new.source);
            let before = match &was {
                Some(slot) => Some((slot.list, Class::of(slot.source))),
                None if made => None,
                None => self.left_over(shelf, new.list, owner, &text).await?,
            };
            let from = before.map(|(list, _)| list).filter(|list| *list != new.list);
            let before = before.map(|(_, class)| class);
            if before != Some(class) {
                // Taking something off a list is never refused for want of room.
                let forced = new.source == Source::Removed && was.is_some();
                if let Some(most) = self.count(owner, class, forced, now).await? {
                    return Ok(Outcome::Full(most));
                }
            }
            self.lead(shelf, owner, pattern, &new, now).await?;
            (led, made) = (true, made || before.is_none());
            // Where it moves, the row that it leaves is taken away under a lock.
            let kept = Kept {
                locked: from.map(|_| now + LOCKED),
                slot: Some(new),
                edition: edition.wrapping_add(1),
            };
            if !self.swap(&key, octets.as_deref(), &kept, now).await? {
                if before != Some(class) {
                    self.uncount(owner, class, now).await?;
                }
                continue;
            }
            if let Some(before) = before.filter(|before| *before != class) {
                self.uncount(owner, before, now).await?;
            }
            if let Some(from) = from {
                self.unlist_locked(&key, owner, &text, from, kept, now).await?;
            }
            return Ok(Outcome::Changed(was));
        }
        Err(BUSY)
    }

    /// What is at a key that may be changed: its octets, the entry, its edition. None where it is locked; others have
    /// had their turn then.
    pub(crate) async fn free(
        &self,
        key: &[u8],
        now: Time,
    ) -> Result<Option<(Option<Bytes>, Option<Slot>, u32)>, Fault> {
        match self.kept(key, now).await? {
            None => Ok(Some((None, None, 0))),
            Some((octets, kept)) if kept.is_free(now) => Ok(Some((Some(octets), kept.slot, kept.edition))),
            Some(_) => {
                give_way().await;
                Ok(None)
            }
        }
    }

    /// Puts something in place of what was read; tells whether it was still that.
    pub(crate) async fn swap(&self, key: &[u8], was: Option<&[u8]>, new: &Kept, now: Time) -> Result<bool, Fault> {
        let until = match &new.slot {
            Some(slot) => slot.until,
            None => new.locked,
        };
        let swap = self.store.swap(key, was, Some(&new.encode()), until, now).await?;
        Ok(swap == Swap::Done)
    }

    /// Takes an entry off a list. An address that comes off the allow list leaves a mark.
    pub async fn remove(
        &self,
        owner: &Owner,
        pattern: &Pattern,
        list: List,
        by: &str,
        now: Time,
    ) -> Result<Outcome, Fault> {
        let Some(shelf) = Shelf::of(list) else {
            return Ok(Outcome::Unchanged(None));
        };
        if list == List::Allow && matches!(pattern, Pattern::Address(_)) {
            let mark = Slot {
                list,
                source: Source::Removed,
                since: now,
                until: Some(now + MARK),
                by: by.into(),
            };
            let decide = |was: Option<&Slot>| match was {
                Some(slot) if slot.list != list || !slot.holds() => None,
                _ => Some(mark.clone()),
            };
            return self.put(owner, pattern, shelf, now, decide).await;
        }
        let key = slot_key(shelf, owner, &pattern.to_string());
        for _ in 0..TRIES {
            let Some((octets, slot, _)) = self.free(&key, now).await? else {
                continue;
            };
            let slot = match slot {
                Some(slot) if slot.list == list => slot,
                other => return Ok(Outcome::Unchanged(other)),
            };
            let class = Class::of(slot.source);
            if self.clear(owner, pattern, list, octets.as_deref(), class, now).await? {
                return Ok(Outcome::Changed(Some(slot)));
            }
        }
        Err(BUSY)
    }

    /// Learns an address, or renews what was learned before; what people did stays as they did it.
    pub async fn learn(
        &self,
        owner: &Owner,
        address: &Pattern,
        life: Duration,
        by: &str,
        now: Time,
    ) -> Result<Outcome, Fault> {
        let until = now + life;
        let decide = |was: Option<&Slot>| match was {
            None => Some(Slot {
                list: List::Allow,
                source: Source::Learned,
                since: now,
                until: Some(until),
                by: by.into(),
            }),
            Some(slot) => renewed(slot, until),
        };
        let outcome = self.put(owner, address, Shelf::Senders, now, decide).await?;
        match outcome {
            Outcome::Full(_) => self.sweep(owner, now).await?,
            Outcome::Changed(None) => {
                let key = count_key(Class::Learned, owner);
                if self.store.add(&key, 0, Time::FAR, now).await? % SWEEP_EVERY == 0 {
                    self.sweep(owner, now).await?;
                }
            }
            _ => {}
        }
        Ok(outcome)
    }

    /// Renews what was learned of an address, where it was.
    pub async fn renew(&self, owner: &Owner, address: &Pattern, life: Duration, now: Time) -> Result<(), Fault> {
        let hints = self.hints(Shelf::Senders, owner, now).await?;
        if hints.is_none_or(|(_, hints)| !hints.addresses()) {
            return Ok(());
        }
        let decide = |was: Option<&Slot>| renewed(was?, now + life);
        self.put(owner, address, Shelf::Senders, now, decide).await?;
        Ok(())
    }
}

/// A learned entry that lives on, where it is time to write that down.
fn renewed(slot: &Slot, until: Time) -> Option<Slot> {
    let due = slot.until.is_some_and(|was| until.since(was) >= RENEWAL);
    (slot.source == Source::Learned && slot.list == List::Allow && due).then(|| Slot {
        until: Some(until),
        ..slot.clone()
    })
}

/// Lets others go on once, whatever runtime there is.
async fn give_way() {
    let mut gone = false;
    std::future::poll_fn(|task| {
        if std::mem::replace(&mut gone, true) {
            return Poll::Ready(());
        }
        task.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
