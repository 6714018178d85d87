//! The records of all mail, in the store.
//!
//! | where | order | value | for |
//! |---|---|---|---|
//! | key `r`, time and hash of the transaction | | the record as JSON | |
//! | `a` | began, key | nothing | all records by time |
//! | `f`, kind, hash | began, key | row | records by recipient, domain, sender, fate |
//!
//! **Invariant:** the entry of `a` is written first and removed last, so that no record outlives its time unseen, and a
//! row stands only beside its record. A record of a newer version is passed over, and goes when its time comes.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use gatepost_core::{Fault, Query, Record, Seed, Store, Swap, Time, Write};
use serde::Deserialize;

use crate::facet::{self, Facet};
use crate::search::{self, Walk};

/// So much of a transaction's id goes into its key as it is: what rises with time (see `Pipeline::new_id`). The hash that
/// is left tells those of one millisecond apart, as the rest of their ids does.
const RISING: usize = 9;

/// The partition of all records.
const ALL: &[u8] = b"a";
/// Octets of the time in an order.
const TIME: usize = 8;
/// Octets of an order.
const ORDER: usize = TIME + 16;
/// Entries that are counted at a time.
const COUNT_PAGE: usize = 10_000;
/// How often a change of a record is tried again that somebody else changes too.
const TRIES: usize = 4;
/// What is left of a record that is too large for the store.
const CUT: usize = 100;

/// The key of the record of a transaction, without its first octet: the beginning of its id, which rises with time, and a
/// hash. So records that come one after another lie one after another, and the store, as it merges what was written, need
/// not write all the older ones again.
pub fn record_key(seed: &Seed, transaction: &str) -> [u8; 16] {
    let halves = [0u8, 1].map(|half| seed.hash(&[b"record", &[half], transaction.as_bytes()]).to_be_bytes());
    let mut key = [0; 16];
    for (to, from) in key.iter_mut().zip(halves.as_flattened()) {
        *to = *from;
    }
    for (to, from) in key.iter_mut().zip(transaction.as_bytes().iter().take(RISING)) {
        *to = *from;
    }
    key
}

fn place(key: &[u8]) -> Vec<u8> {
    [b"r", key].concat()
}

fn order(began: u64, key: &[u8]) -> Vec<u8> {
    [&began.to_be_bytes()[..], key].concat()
}

/// What must be known of a record of any version to find its rows.
#[derive(Deserialize)]
#[serde(default)]
struct Gist {
    version: u32,
    began: u64,
    from: Option<String>,
    recipients: Vec<To>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct To {
    to: String,
    fate: String,
}

impl Default for Gist {
    fn default() -> Gist {
        Gist {
            version: u32::MAX,
            began: 0,
            from: None,
            recipients: Vec::new(),
        }
    }
}

impl Gist {
    fn facets(&self, seed: &Seed) -> Vec<Facet> {
        facet::all(
            seed,
            self.from.as_deref(),
            self.recipients.iter().map(|to| to.fate.as_str()),
            None,
            self.recipients.iter().map(|to| to.to.as_str()),
        )
    }
}

/// Reads a record; `None` where a newer Gatepost wrote it or it is none.
pub fn read(json: &[u8]) -> Option<Record> {
    let record: Record = serde_json::from_slice(json).ok()?;
    (record.version <= Record::VERSION).then_some(record)
}

/// The JSON of a record, without its calls and most of its findings where it would be too large for the store.
fn json(record: &Record) -> Result<Vec<u8>, Fault> {
    let broken = |error: serde_json::Error| Fault::Broken(format!("a record cannot be written: {error}"));
    let whole = serde_json::to_vec(record).map_err(broken)?;
    if whole.len() <= Store::VALUE_MAX {
        return Ok(whole);
    }
    let mut cut = record.clone();
    let dropped = u32::try_from(cut.recipients.len().saturating_sub(CUT)).unwrap_or(u32::MAX);
    cut.recipients.truncate(CUT);
    cut.recipients_dropped = cut.recipients_dropped.saturating_add(dropped);
    cut.calls.clear();
    cut.findings.truncate(CUT);
    cut.notes.truncate(CUT);
    cut.notes
        .push(format!("the record was cut: it had {} octets", whole.len()));
    serde_json::to_vec(&cut).map_err(broken)
}

/// The records of all mail.
pub struct Records {
    store: Store,
    seed: Seed,
    count: AtomicU64,
    counted: AtomicBool,
}

impl Records {
    /// The records in a part of the store.
    pub fn new(store: Store, seed: Seed) -> Records {
        Records {
            store,
            seed,
            count: AtomicU64::new(0),
            counted: AtomicBool::new(false),
        }
    }

    /// Adds records.
    pub async fn add(&self, records: &[&Record]) -> Result<(), Fault> {
        let mut writes = Vec::with_capacity(records.len() * 6);
        for record in records {
            self.prepare(record, &mut writes)?;
        }
        self.store.write(writes).await?;
        // Before all are counted, the count will come by.
        if self.counted.load(Ordering::Acquire) {
            self.count.fetch_add(records.len() as u64, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Adds a record, or writes anew one that is there already.
    pub async fn put(&self, record: &Record) -> Result<(), Fault> {
        let key = record_key(&self.seed, &record.id);
        let known = self.store.get(&place(&key), Time::from_millis(0)).await?.is_some();
        self.add(&[record]).await?;
        if known && self.counted.load(Ordering::Acquire) {
            let less = |count: u64| Some(count.saturating_sub(1));
            let _ = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        }
        Ok(())
    }

    fn prepare(&self, record: &Record, writes: &mut Vec<Write>) -> Result<(), Fault> {
        let key = record_key(&self.seed, &record.id);
        let order = order(record.began, &key);
        let recipients = record.recipients.iter();
        let facets = facet::all(
            &self.seed,
            record.from.as_deref(),
            recipients.clone().map(|to| to.fate.as_str()),
            None,
            recipients.map(|to| to.to.as_str()),
        );
        let insert = |part: Vec<u8>, value: &[u8]| Write::Insert {
            part,
            order: order.clone(),
            value: value.to_vec(),
        };
        let (row, value) = (facet::row(&facets), json(record)?);
        writes.push(insert(ALL.to_vec(), b""));
        writes.push(Write::Put {
            key: place(&key),
            value,
            until: None,
        });
        writes.extend(facets.into_iter().map(|facet| insert(facet.part(), &row)));
        Ok(())
    }

    async fn get(&self, order: &[u8]) -> Result<Option<Bytes>, Fault> {
        let Some(key) = order.get(TIME..ORDER) else {
            return Ok(None);
        };
        // Records have no expiry in the store, so the time makes no difference.
        self.store.get(&place(key), Time::from_millis(0)).await
    }

    /// Records, the newest first; none that began before `horizon`.
    pub async fn list(&self, query: &Query, horizon: u64) -> Result<Vec<Record>, Fault> {
        let mut to = query
            .before
            .map_or_else(Vec::new, |before| before.to_be_bytes().to_vec());
        if let Some(after) = &query.after {
            let key = record_key(&self.seed, after);
            let Some(json) = self.store.get(&place(&key), Time::from_millis(0)).await? else {
                return Ok(Vec::new());
            };
            let gist: Gist = serde_json::from_slice(&json).unwrap_or_default();
            to = search::lower_end(to, order(gist.began, &key));
        }
        if query.label.is_some() {
            return Ok(Vec::new());
        }
        let from = query.since.unwrap_or_default().max(horizon).to_be_bytes().to_vec();
        let (limit, mut found, mut passed) = (search::limit(query), Vec::new(), 0u32);
        if let Some(transaction) = &query.transaction {
            let key = record_key(&self.seed, &transaction.to_lowercase());
            let json = self.store.get(&place(&key), Time::from_millis(0)).await?;
            let record = json.and_then(|json| read(&json));
            let fitting = record.filter(|record| record.began >= horizon && fits(query, record));
            return Ok(fitting.into_iter().take(limit).collect());
        }
        let wanted = facet::wanted(&self.seed, query);
        let mut walk = Walk::begin(&self.store, ALL, wanted, from, to).await?;
        'walk: while found.len() < limit
            && let Some(orders) = walk.next().await?
        {
            for order in orders {
                if found.len() == limit {
                    break 'walk;
                }
                let Some(json) = self.get(&order).await? else {
                    // An entry of `a` may be of a record that is just being written; a row never is.
                    if walk.part() != ALL {
                        self.store.remove(walk.part(), &order).await?;
                    }
                    continue;
                };
                match read(&json) {
                    // An entry of another time is of an earlier record of the same name.
                    Some(record) if order.starts_with(&record.began.to_be_bytes()) && fits(query, &record) => {
                        found.push(record);
                    }
                    Some(_) => {}
                    None => passed += 1,
                }
            }
        }
        if passed > 0 {
            tracing::warn!(
                passed,
                "records that this gatepost cannot read were passed over; a newer one wrote them"
            );
        }
        Ok(found)
    }

    /// Removes the subject from the record of a transaction.
    pub async fn scrub(&self, key: &[u8; 16]) -> Result<(), Fault> {
        let place = place(key);
        for _ in 0..TRIES {
            let Some(was) = self.store.get(&place, Time::from_millis(0)).await? else {
                return Ok(());
            };
            let Ok(mut value) = serde_json::from_slice::<serde_json::Value>(&was) else {
                return Ok(());
            };
            if value
                .as_object_mut()
                .and_then(|record| record.remove("subject"))
                .is_none()
            {
                return Ok(());
            }
            let new = serde_json::to_vec(&value).map_err(|error| Fault::Broken(error.to_string()))?;
            let swapped = self
                .store
                .swap(&place, Some(&was), Some(&new), None, Time::from_millis(0))
                .await?;
            if swapped == Swap::Done {
                return Ok(());
            }
        }
        Err(Fault::Unavailable("the record of a mail whose subject is to go"))
    }

    /// Counts all, once. A record that comes just then may be missed, which the bound on them can bear.
    pub async fn count(&self) -> Result<(), Fault> {
        let mut from = Vec::new();
        while !self.counted.load(Ordering::Acquire) {
            let page = self.store.range(ALL, &from..b"", false, COUNT_PAGE).await?;
            self.count.fetch_add(page.entries.len() as u64, Ordering::Relaxed);
            match page.entries.last().filter(|_| page.more) {
                Some((last, _)) => from = [last, &b"\0"[..]].concat(),
                None => self.counted.store(true, Ordering::Release),
            }
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Removes at most `limit` of the oldest that began before `horizon` or are more than `most` (0: no bound). Tells how
    /// many, and whether there is more to do.
    pub async fn sweep(&self, horizon: u64, most: u64, limit: usize) -> Result<(u64, bool), Fault> {
        let count = self.count.load(Ordering::Relaxed);
        let over = if most == 0 { 0 } else { count.saturating_sub(most) };
        let page = self.store.range(ALL, b""..b"", false, limit).await?;
        let mut removed = 0;
        let horizon = horizon.to_be_bytes();
        for (order, _) in &page.entries {
            if removed >= over && order.get(..TIME).is_none_or(|began| began >= &horizon[..]) {
                return Ok((removed, false));
            }
            self.remove(order).await?;
            removed += 1;
            // The store answers at once where it has all in memory: others shall run between two records.
            tokio::task::yield_now().await;
        }
        Ok((removed, page.more))
    }

    async fn remove(&self, order: &[u8]) -> Result<(), Fault> {
        if let (Some(json), Some(key)) = (self.get(order).await?, order.get(TIME..ORDER)) {
            let gist: Gist = serde_json::from_slice(&json).unwrap_or_default();
            for facet in gist.facets(&self.seed) {
                self.store.remove(&facet.part(), order).await?;
            }
            let place = place(key);
            let mut was = Some(json);
            for _ in 0..TRIES {
                match self
                    .store
                    .swap(&place, was.as_deref(), None, None, Time::from_millis(0))
                    .await?
                {
                    Swap::Done => {
                        was = None;
                        break;
                    }
                    Swap::Was(is) => was = is,
                }
            }
            if was.is_some() {
                // Its entry stays, so that the next sweep comes by again.
                return Err(Fault::Unavailable("a record that is to go and that somebody changes"));
            }
        }
        self.store.remove(ALL, order).await?;
        // Never below zero, whatever was counted twice.
        let less = |count: u64| Some(count.saturating_sub(1));
        let _ = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        Ok(())
    }
}

fn fits(query: &Query, record: &Record) -> bool {
    let fate = query.reason.as_ref().is_none_or(|wanted| {
        let wanted = facet::normal(wanted);
        record.recipients.iter().any(|to| facet::normal(&to.fate) == wanted)
    });
    let recipients = record.recipients.iter().map(|to| to.to.as_str());
    fate && search::fits(query, record.began, record.from.as_deref(), recipients)
}
