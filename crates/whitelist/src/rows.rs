//! What leads to entries and is no entry: owners, hints, networks, rows, counts.
//!
//! **Invariant:** it is written before the entry, and taken away only while the key of the entry is locked. A count is how
//! many patterns of an owner have rows; it drifts by one where somebody is killed between counting and writing.

use std::time::Duration;

use gatepost_core::{Fault, List, Swap, Time};

use crate::change::{BUSY, TRIES};
use crate::entry::Pattern;
use crate::form::{Class, Kept, LOCKED, Row, Shelf, Slot, network_order};
use crate::hints::Hints;
use crate::lists::{Limits, Lists, count_key, damaged, hints_key, index_part, networks_part, owners_part, slot_key};
use crate::owner::Owner;

/// How many rows one learning looks at for those that are over.
const SWEEP: usize = 100;
/// How long it is remembered how far was swept.
const CURSOR: Duration = Duration::from_secs(30 * 86_400);

impl Lists {
    /// The row that an entry left behind which is over: on which list, and as what it was counted.
    pub(crate) async fn left_over(
        &self,
        shelf: Shelf,
        list: List,
        owner: &Owner,
        text: &str,
    ) -> Result<Option<(List, Class)>, Fault> {
        let other = match (shelf, list) {
            (Shelf::Own, _) => None,
            (Shelf::Senders, List::Allow) => Some(List::Deny),
            (Shelf::Senders, _) => Some(List::Allow),
        };
        for list in [Some(list), other].into_iter().flatten() {
            if let Some(row) = self.row(list, owner, text).await? {
                return Ok(Some((list, row.class)));
            }
        }
        Ok(None)
    }

    /// Takes away what leads to an entry that is over.
    pub(crate) async fn tidy(&self, owner: &Owner, text: &str, list: List, row: Row, now: Time) -> Result<(), Fault> {
        match Pattern::parse(text) {
            Ok(pattern) => self
                .clear(owner, &pattern, list, None, row.class, now)
                .await
                .map(|_| ()),
            // Nothing that we wrote: there is no entry to which it could lead.
            Err(_) => self.store.remove(&index_part(list, owner), text.as_bytes()).await,
        }
    }

    /// Deletes what is `was` (nothing: what is over) and all that leads to it; tells whether it was that.
    pub(crate) async fn clear(
        &self,
        owner: &Owner,
        pattern: &Pattern,
        list: List,
        was: Option<&[u8]>,
        class: Class,
        now: Time,
    ) -> Result<bool, Fault> {
        let Some(shelf) = Shelf::of(list) else {
            return Ok(false);
        };
        let text = pattern.to_string();
        let key = slot_key(shelf, owner, &text);
        let lock = Kept::lock(now + LOCKED);
        if !self.swap(&key, was, &lock, now).await? {
            return Ok(false);
        }
        if let Pattern::Network(network) = pattern {
            let part = networks_part(shelf, owner);
            self.store.remove(&part, &network_order(*network)).await?;
        }
        self.store.remove(&index_part(list, owner), text.as_bytes()).await?;
        self.uncount(owner, class, now).await?;
        // Where it is not our lock any more, it was there longer than it may be and somebody else goes on.
        self.store.swap(&key, Some(&lock.encode()), None, None, now).await?;
        Ok(true)
    }

    /// Writes what leads to an entry, before the entry.
    pub(crate) async fn lead(
        &self,
        shelf: Shelf,
        owner: &Owner,
        pattern: &Pattern,
        new: &Slot,
        now: Time,
    ) -> Result<(), Fault> {
        let more = Hints::of(new.list, pattern);
        let mut noted = false;
        for _ in 0..TRIES {
            let was = self.hints(shelf, owner, now).await?;
            let all = was.as_ref().map_or(more, |(_, hints)| hints.and(more));
            if was.as_ref().is_some_and(|(_, hints)| *hints == all) {
                noted = true;
                break;
            }
            let part = owners_part(new.list);
            self.store.insert(&part, owner.key().as_bytes(), &[]).await?;
            let was = was.as_ref().map(|(octets, _)| octets.as_ref());
            let key = hints_key(shelf, owner);
            noted = self.store.swap(&key, was, Some(&all.encode()), None, now).await? == Swap::Done;
            if noted {
                break;
            }
        }
        if !noted {
            return Err(BUSY);
        }
        if let Pattern::Network(network) = pattern {
            let part = networks_part(shelf, owner);
            self.store.insert(&part, &network_order(*network), &[]).await?;
        }
        self.list_row(owner, &pattern.to_string(), new).await
    }

    pub(crate) async fn list_row(&self, owner: &Owner, text: &str, slot: &Slot) -> Result<(), Fault> {
        let row = Row {
            class: Class::of(slot.source),
            until: slot.until,
        };
        let part = index_part(slot.list, owner);
        self.store.insert(&part, text.as_bytes(), &row.encode()).await
    }

    async fn row(&self, list: List, owner: &Owner, text: &str) -> Result<Option<Row>, Fault> {
        let end = [text.as_bytes(), &[0]].concat();
        let part = index_part(list, owner);
        let page = self.store.range(&part, text.as_bytes()..&end, false, 1).await?;
        match page.entries.first() {
            None => Ok(None),
            Some((_, octets)) => match Row::decode(octets) {
                Some(row) => Ok(Some(row)),
                None => Err(damaged("the row", &[&part, &[0][..], text.as_bytes()].concat())),
            },
        }
    }

    /// Takes the row off the list from which an entry moved, where the one who moved it was killed.
    pub(crate) async fn unlist_moved(
        &self,
        shelf: Shelf,
        owner: &Owner,
        text: &str,
        from: List,
        now: Time,
    ) -> Result<(), Fault> {
        let key = slot_key(shelf, owner, text);
        let Some((octets, Some(slot), edition)) = self.free(&key, now).await? else {
            return Ok(());
        };
        let kept = Kept {
            slot: Some(slot),
            edition: edition.wrapping_add(1),
            locked: Some(now + LOCKED),
        };
        let moved = kept.slot.as_ref().is_some_and(|slot| slot.list != from);
        if moved && self.swap(&key, octets.as_deref(), &kept, now).await? {
            self.unlist_locked(&key, owner, text, from, kept, now).await?;
        }
        Ok(())
    }

    /// Takes away the row that an entry left, and the lock that we have on it.
    pub(crate) async fn unlist_locked(
        &self,
        key: &[u8],
        owner: &Owner,
        text: &str,
        from: List,
        locked: Kept,
        now: Time,
    ) -> Result<(), Fault> {
        self.store.remove(&index_part(from, owner), text.as_bytes()).await?;
        let was = locked.encode();
        let free = Kept {
            edition: locked.edition.wrapping_add(1),
            locked: None,
            ..locked
        };
        self.swap(key, Some(&was), &free, now).await.map(|_| ())
    }

    /// Counts one more; tells the bound where it is reached and nothing was counted.
    pub(crate) async fn count(
        &self,
        owner: &Owner,
        class: Class,
        forced: bool,
        now: Time,
    ) -> Result<Option<u64>, Fault> {
        let most = self.limits.of(owner, class);
        let total = self.store.add(&count_key(class, owner), 1, Time::FAR, now).await?;
        if class == Class::Learned {
            let all = self.store.add(b"t", 1, Time::FAR, now).await?;
            if u64::try_from(all).unwrap_or(0) > Limits::LEARNED_IN_ALL {
                self.uncount(owner, class, now).await?;
                return Ok(Some(Limits::LEARNED_IN_ALL));
            }
        }
        if !forced && u64::try_from(total).unwrap_or(0) > most {
            self.uncount(owner, class, now).await?;
            return Ok(Some(most));
        }
        Ok(None)
    }

    pub(crate) async fn uncount(&self, owner: &Owner, class: Class, now: Time) -> Result<(), Fault> {
        self.store.add(&count_key(class, owner), -1, Time::FAR, now).await?;
        if class == Class::Learned {
            self.store.add(b"t", -1, Time::FAR, now).await?;
        }
        Ok(())
    }

    /// Tidies the next rows of an owner's allow list, from where the last sweep ended; begins anew at the end.
    pub(crate) async fn sweep(&self, owner: &Owner, now: Time) -> Result<(), Fault> {
        let (part, cursor) = (index_part(List::Allow, owner), [b"c", owner.key().as_bytes()].concat());
        let from = self.store.get(&cursor, now).await?.unwrap_or_default();
        let page = self.store.range(&part, &from..&[], false, SWEEP).await?;
        for (order, octets) in page.entries.iter().take(SWEEP) {
            let row = Row::decode(octets).filter(|row| row.until.is_some_and(|until| until <= now));
            if let (Some(row), Ok(text)) = (row, std::str::from_utf8(order)) {
                self.tidy(owner, text, List::Allow, row, now).await?;
            }
        }
        let next = page.entries.last().filter(|_| page.more);
        let next = next
            .map(|(order, _)| [order.as_ref(), &[0]].concat())
            .unwrap_or_default();
        self.store.put(&cursor, &next, Some(now + CURSOR)).await
    }
}
