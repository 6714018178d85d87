//! Showing the lists, a page at a time.
//!
//! **Invariant:** a page costs no more than its bound of reads, whatever is in the store: where rows lead to nothing it
//! may be short and still have a next one. Nothing that is in force all the while is left out or told twice.

use gatepost_core::{Fault, List, Listed, Time};

use crate::form::{Row, Shelf, Slot};
use crate::lists::{Lists, index_part, owners_part};
use crate::owner::Owner;

/// The entries of a page where nobody says how many.
pub const USUAL: usize = 1_000;
/// The most entries of a page.
pub const MOST: usize = 10_000;
/// The most rows and owners that are read for a page, beyond its entries.
const WORK: usize = 5_000;
/// How many rows are read at once.
const CHUNK: usize = 500;

/// Where a page ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// Within an owner's list, behind an entry.
    Within(Owner, String),
    /// Behind an owner's list.
    Behind(Owner),
}

impl Place {
    /// Reads what a page said of the next one.
    pub fn parse(text: &str) -> Option<Place> {
        Some(match text.split_once('\t') {
            Some((owner, entry)) => Place::Within(Owner::from_key(owner)?, entry.into()),
            None => Place::Behind(Owner::from_key(text)?),
        })
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Within(owner, entry) => write!(f, "{}\t{entry}", owner.key()),
            Place::Behind(owner) => f.write_str(owner.key()),
        }
    }
}

/// An entry in the words of the desk.
pub fn listed(owner: &Owner, entry: &str, slot: &Slot) -> Listed {
    let mut listed = Listed::new(slot.list, owner.reach(), entry, slot.since, slot.by.as_str());
    listed.source = slot.source;
    listed.until = slot.until.map(Time::millis);
    listed
}

/// A page that is being filled.
struct Filling {
    entries: Vec<Listed>,
    limit: usize,
    work: usize,
}

impl Filling {
    fn is_full(&self) -> bool {
        self.entries.len() >= self.limit || self.work == 0
    }
}

impl Lists {
    /// The entries of a list behind a place, marks included: one owner's in order, or everybody's, owner by owner. And
    /// where the next page begins, where there may be one.
    pub async fn show(
        &self,
        list: List,
        owner: Option<&Owner>,
        after: Option<Place>,
        limit: usize,
        now: Time,
    ) -> Result<(Vec<Listed>, Option<Place>), Fault> {
        let mut page = Filling {
            entries: Vec::new(),
            limit: limit.clamp(1, MOST),
            work: limit.clamp(1, MOST) + WORK,
        };
        let mut after = after;
        loop {
            let (whose, from) = match (after.take(), owner) {
                (Some(Place::Within(whose, entry)), only) if only.is_none_or(|only| *only == whose) => (whose, entry),
                (None, Some(only)) => (only.clone(), String::new()),
                (_, Some(_)) => return Ok((page.entries, None)),
                (None | Some(Place::Within(..)), None) => match self.next_owner(list, None).await? {
                    Some(whose) => (whose, String::new()),
                    None => return Ok((page.entries, None)),
                },
                (Some(Place::Behind(behind)), None) => match self.next_owner(list, Some(&behind)).await? {
                    Some(whose) => (whose, String::new()),
                    None => return Ok((page.entries, None)),
                },
            };
            if let Some(place) = self.fill(&mut page, list, &whose, from, now).await? {
                return Ok((page.entries, Some(place)));
            }
            page.work = page.work.saturating_sub(1);
            let behind = Place::Behind(whose);
            if page.is_full() {
                return Ok((page.entries, owner.is_none().then_some(behind)));
            }
            after = Some(behind);
        }
    }

    /// The owner behind one, among those who may have entries on a list.
    async fn next_owner(&self, list: List, behind: Option<&Owner>) -> Result<Option<Owner>, Fault> {
        let mut from = behind.map_or(Vec::new(), |owner| [owner.key().as_bytes(), &[0]].concat());
        for _ in 0..CHUNK {
            let page = self.store.range(&owners_part(list), &from..&[], false, 1).await?;
            let Some((order, _)) = page.entries.first() else {
                return Ok(None);
            };
            if let Some(owner) = std::str::from_utf8(order).ok().and_then(Owner::from_key) {
                return Ok(Some(owner));
            }
            from = [order.as_ref(), &[0]].concat();
        }
        Err(Fault::Broken(
            "the names of those who have lists are damaged in the store; restore a backup".into(),
        ))
    }

    /// Adds what one owner has behind an entry; tells where it stopped, unless that was the end.
    async fn fill(
        &self,
        page: &mut Filling,
        list: List,
        owner: &Owner,
        from: String,
        now: Time,
    ) -> Result<Option<Place>, Fault> {
        let Some(shelf) = Shelf::of(list) else {
            return Ok(None);
        };
        let part = index_part(list, owner);
        let mut from = from;
        loop {
            let start = match from.is_empty() {
                true => Vec::new(),
                false => [from.as_bytes(), &[0]].concat(),
            };
            let chunk = CHUNK.min(page.limit.saturating_sub(page.entries.len()));
            let rows = self.store.range(&part, &start..&[], false, chunk).await?;
            let mut last = None;
            for (order, octets) in &rows.entries {
                page.work = page.work.saturating_sub(1);
                let Ok(text) = std::str::from_utf8(order) else {
                    continue;
                };
                last = Some(text);
                match (self.slot(shelf, owner, text, now).await?, Row::decode(octets)) {
                    (Some(slot), _) if slot.list == list => page.entries.push(listed(owner, text, &slot)),
                    // It moved, and the one who moved it was killed.
                    (Some(_), _) => self.unlist_moved(shelf, owner, text, list, now).await?,
                    (None, Some(row)) => self.tidy(owner, text, list, row, now).await?,
                    (None, None) => {}
                }
            }
            match last {
                Some(last) if rows.more => from = last.to_owned(),
                _ => return Ok(None),
            }
            if page.is_full() {
                return Ok(Some(Place::Within(owner.clone(), from)));
            }
        }
    }
}
