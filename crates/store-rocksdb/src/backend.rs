//! The contract of a store, call by call.

use std::ops::Range;

use bytes::Bytes;
use gatepost_core::{Backend, Fault, Page, Swap, Time, Write, async_trait};
use rocksdb::{Direction, IteratorMode, ReadOptions, WriteBatch};

use crate::db::{Change, KEYS, ORDERED, Prepared, Stand, Work, family};
use crate::{RocksDb, entry};

/// So many entries are removed in one write.
const TRIMMED: usize = 10_000;
/// A page of more entries, or of more octets, is gathered aside.
const SHORT: usize = 512;
const LIGHT: usize = 256 << 10;

/// Partition and order as one key: the partition's length comes first, so that partitions do not mix.
fn place(part: &[u8], order: &[u8]) -> Vec<u8> {
    let mut place = Vec::with_capacity(2 + part.len() + order.len());
    place.extend_from_slice(&(part.len() as u16).to_be_bytes());
    place.extend_from_slice(part);
    place.extend_from_slice(order);
    place
}

/// The first key behind a partition.
fn behind(part: &[u8]) -> Vec<u8> {
    let mut end = place(part, &[]);
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            break;
        }
    }
    end
}

#[async_trait]
impl Backend for RocksDb {
    async fn get(&self, key: &[u8], now: Time) -> Result<Option<Bytes>, Fault> {
        let key = key.to_vec();
        let found = self
            .read(move |db, stand| {
                let found = db.get_cf_opt(family(db, KEYS), &key, &stand.reading())?;
                Ok(Some(found))
            })
            .await?;
        found.map_or(Ok(None), |found| entry::read(found, now))
    }

    async fn put(&self, key: &[u8], value: &[u8], until: Option<Time>) -> Result<(), Fault> {
        self.put_entry(key, entry::write(value, until)).await
    }

    async fn swap(
        &self,
        key: &[u8],
        was: Option<&[u8]>,
        new: Option<&[u8]>,
        until: Option<Time>,
        now: Time,
    ) -> Result<Swap, Fault> {
        let (was, new) = (was.map(<[u8]>::to_vec), new.map(|new| entry::write(new, until)));
        self.change(key, move |found| {
            let found = found.map_or(Ok(None), |found| entry::read(found, now))?;
            if found.as_deref() != was.as_deref() {
                return Ok((Swap::Was(found), None));
            }
            Ok((Swap::Done, Some(new.clone().map_or(Change::Delete, Change::Put))))
        })
        .await
    }

    async fn add(&self, key: &[u8], by: i64, until: Time, now: Time) -> Result<i64, Fault> {
        self.change(key, move |found| {
            let (total, until) = match found {
                Some(found) if !entry::is_over(&found, now) => {
                    let expiry = entry::until(&found)?;
                    (entry::count(&found)?.saturating_add(by), expiry)
                }
                _ => (by, Some(until)),
            };
            Ok((total, Some(Change::Put(entry::write(&total.to_be_bytes(), until)))))
        })
        .await
    }

    async fn insert(&self, part: &[u8], order: &[u8], value: &[u8]) -> Result<(), Fault> {
        let (place, value) = (place(part, order), value.to_vec());
        self.write(move |db, batch| batch.put_cf(family(db, ORDERED), &place, &value))
            .await
    }

    async fn remove(&self, part: &[u8], order: &[u8]) -> Result<(), Fault> {
        let place = place(part, order);
        self.write(move |db, batch| batch.delete_cf(family(db, ORDERED), &place))
            .await
    }

    async fn range(&self, part: &[u8], range: Range<&[u8]>, newest: bool, limit: usize) -> Result<Page, Fault> {
        let from = place(part, range.start);
        let to = if range.end.is_empty() {
            behind(part)
        } else {
            place(part, range.end)
        };
        if from >= to {
            return Ok(Page::default());
        }
        let skip = 2 + part.len();
        self.read(move |db, stand| {
            let mut bounds = stand.reading();
            bounds.set_iterate_lower_bound(from.clone());
            bounds.set_iterate_upper_bound(to.clone());
            let mode = if newest {
                IteratorMode::From(&to, Direction::Reverse)
            } else {
                IteratorMode::Start
            };
            let (mut page, mut octets) = (Page::default(), 0);
            for entry in db.iterator_cf_opt(family(db, ORDERED), bounds, mode) {
                let (key, value) = entry?;
                if page.entries.len() == limit {
                    page.more = true;
                    break;
                }
                octets += value.len();
                if stand == Stand::Here && (page.entries.len() == SHORT || octets > LIGHT) {
                    return Ok(None);
                }
                let key = Bytes::from(key);
                page.entries
                    .push((key.slice(skip.min(key.len())..), Bytes::from(value)));
            }
            Ok(Some(page))
        })
        .await
    }

    async fn trim(&self, part: &[u8], before: &[u8]) -> Result<u64, Fault> {
        let (from, to) = (place(part, &[]), place(part, before));
        self.aside(move |inner| {
            inner.aside(Work::Write, |db| {
                let mut bounds = ReadOptions::default();
                bounds.set_iterate_lower_bound(from.clone());
                bounds.set_iterate_upper_bound(to.clone());
                let (mut batch, mut gone) = (WriteBatch::default(), 0);
                for entry in db.iterator_cf_opt(family(db, ORDERED), bounds, IteratorMode::Start) {
                    batch.delete_cf(family(db, ORDERED), entry?.0);
                    gone += 1;
                    if batch.len() == TRIMMED {
                        db.write(std::mem::take(&mut batch))?;
                    }
                }
                db.write(batch)?;
                Ok(gone)
            })
        })
        .await
    }

    async fn write(&self, writes: Vec<Write>) -> Result<(), Fault> {
        let prepared = writes.into_iter().map(|write| match write {
            Write::Put { key, value, until } => Prepared::Key(key, entry::write(&value, until)),
            Write::Insert { part, order, value } => Prepared::Place(place(&part, &order), value),
        });
        self.write_all(prepared.collect()).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_an_entry_never_changes() {
        assert_eq!(place(b"part", b"order"), b"\x00\x04partorder");
        assert_eq!(place(b"", b""), b"\x00\x00");
        assert_eq!(behind(b"p"), b"\x00\x01q");
        assert_eq!(behind(b"\xff"), b"\x00\x02");
    }
}
