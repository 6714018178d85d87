//! The index of kept mail, in the store.
//!
//! | partition | order | value | for |
//! |---|---|---|---|
//! | `a` | id | [`Sheet`] | all mail by time; what is in the index at all |
//! | `f`, kind, hash | id | row | mail by recipient, domain, sender, reason, label |
//! | `u` | until, id | nothing | what goes next |
//! | `q`, class, account | id | size | what goes first where an account is full; class 0 copies, 1 held |
//!
//! **Invariant:** the index is a cache that the files can rebuild. The sheet is written first, as unfinished, and last,
//! as finished; it is removed last. So whatever a crash leaves can be found by walking `a`, and a mail with a finished
//! sheet has all its rows, since a store that loses anything in a power cut loses the latest.
//!
//! Whoever changes the rows of a mail holds its id ([`crate::busy`]).

use std::ops::Range;

use gatepost_core::{Fault, KeptId, Page, Seed, Store, Write};
use tokio::sync::RwLock;

use crate::facet;
use crate::form::Head;
use crate::sheet::{Account, Sheet};
use crate::totals::{Sum, Totals};

/// The partition of all mail.
pub const ALL: &[u8] = b"a";
/// The partition of what goes, by when.
const UNTIL: &[u8] = b"u";
/// Sheets that are counted at a time, while nothing is kept.
const COUNT_PAGE: usize = 500;

/// The index of kept mail.
pub struct Index {
    store: Store,
    seed: Seed,
    totals: Totals,
    /// Held for reading where a sheet comes or goes and is accounted; for writing where sheets are counted.
    gate: RwLock<()>,
}

fn quota(durable: bool, account: Account) -> Vec<u8> {
    let mut part = vec![b'q', u8::from(durable)];
    part.extend_from_slice(&account.0.to_be_bytes());
    part
}

fn row(part: Vec<u8>, id: &KeptId, value: Vec<u8>) -> Write {
    let order = id.0.as_bytes().to_vec();
    Write::Insert { part, order, value }
}

fn until_order(until: u64, id: &str) -> Vec<u8> {
    let mut order = until.to_be_bytes().to_vec();
    order.extend_from_slice(id.as_bytes());
    order
}

fn id_of(order: &[u8]) -> Option<KeptId> {
    std::str::from_utf8(order).ok().map(|id| KeptId(id.into()))
}

impl Index {
    /// The index in a part of the store.
    pub fn new(store: Store, seed: Seed) -> Index {
        Index {
            store,
            seed,
            totals: Totals::default(),
            gate: RwLock::new(()),
        }
    }

    /// The part of the store that it is in.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What the domains and the whole hold, as far as it is counted.
    pub fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The sheet that a head calls for.
    pub fn sheet_of(&self, head: &Head) -> Sheet {
        Sheet::new(&self.seed, head)
    }

    /// The sheet of a mail, if it is in the index.
    pub async fn sheet(&self, id: &KeptId) -> Result<Option<Sheet>, Fault> {
        let (from, to) = (id.0.as_bytes(), [id.0.as_bytes(), b"\0"].concat());
        let page = self.store.range(ALL, from..&to, false, 1).await?;
        Ok(page.entries.first().map(|(_, value)| {
            // One that is not understood is to be written anew, and has no rows that are known.
            Sheet::read(value).unwrap_or(Sheet {
                finished: false,
                durable: true,
                until: None,
                size: 0,
                record: [0; 16],
                facets: Vec::new(),
            })
        }))
    }

    /// Marks a mail as one whose rows are in doubt until it is [replaced](Index::replace).
    pub async fn doubt(&self, id: &KeptId, was: &Sheet) -> Result<(), Fault> {
        let mut sheet = was.clone();
        sheet.finished = false;
        self.store.insert(ALL, id.0.as_bytes(), &sheet.write()).await
    }

    /// Puts a mail in; `was` is its sheet so far.
    pub async fn replace(&self, id: &KeptId, was: Option<&Sheet>, mut sheet: Sheet) -> Result<(), Fault> {
        // What the old sheet and the new one call for is on record until all is done.
        let mut both = sheet.clone();
        if let Some(was) = was {
            both.facets
                .extend(was.facets.iter().filter(|facet| !sheet.facets.contains(facet)));
        }
        both.finished = false;
        let first = row(ALL.to_vec(), id, both.write());
        let mut writes = Vec::with_capacity(sheet.facets.len() + 8);
        match was {
            // Nothing goes, so all can be written in one.
            None => writes.push(first),
            Some(was) => {
                self.enter(id, Some(was), &sheet, vec![first]).await?;
                let gone = was.facets.iter().filter(|facet| !sheet.facets.contains(facet));
                for facet in gone {
                    self.store.remove(&facet.part(), id.0.as_bytes()).await?;
                }
                if let Some(until) = was.until.filter(|_| was.until != sheet.until) {
                    self.store.remove(UNTIL, &until_order(until, &id.0)).await?;
                }
            }
        }
        let short = facet::row(&sheet.facets);
        writes.extend(sheet.facets.iter().map(|facet| row(facet.part(), id, short.clone())));
        writes.extend(sheet.until.map(|until| Write::Insert {
            part: UNTIL.to_vec(),
            order: until_order(until, &id.0),
            value: Vec::new(),
        }));
        let size = sheet.size.to_be_bytes();
        let quotas = sheet.accounts().map(|account| quota(sheet.durable, account));
        writes.extend(quotas.map(|part| row(part, id, size.to_vec())));
        sheet.finished = true;
        writes.push(row(ALL.to_vec(), id, sheet.write()));
        match was {
            None => self.enter(id, None, &sheet, writes).await,
            Some(_) => self.store.write(writes).await,
        }
    }

    /// Writes a sheet, with what else there is to write, and accounts it.
    async fn enter(&self, id: &KeptId, was: Option<&Sheet>, sheet: &Sheet, writes: Vec<Write>) -> Result<(), Fault> {
        let _gate = self.gate.read().await;
        let written = self.store.write(writes).await;
        // What has a sheet is accounted, however that came to be; who failed takes out what has one.
        let stands = match (&written, was) {
            (Ok(()), _) => true,
            (Err(_), Some(_)) => false,
            (Err(_), None) => matches!(self.sheet(id).await, Ok(Some(_))),
        };
        if stands {
            if let Some(was) = was {
                self.totals.take(id, was);
            }
            self.totals.give(id, sheet);
        }
        written
    }

    /// Takes a mail out: whatever its sheet says that there is of it.
    pub async fn remove(&self, id: &KeptId, sheet: &Sheet) -> Result<(), Fault> {
        for facet in &sheet.facets {
            self.store.remove(&facet.part(), id.0.as_bytes()).await?;
        }
        if let Some(until) = sheet.until {
            self.store.remove(UNTIL, &until_order(until, &id.0)).await?;
        }
        for account in sheet.accounts() {
            self.store
                .remove(&quota(sheet.durable, account), id.0.as_bytes())
                .await?;
        }
        let _gate = self.gate.read().await;
        self.store.remove(ALL, id.0.as_bytes()).await?;
        self.totals.take(id, sheet);
        Ok(())
    }

    /// Removes a row that is of no mail in the index.
    pub async fn remove_row(&self, part: &[u8], order: &[u8]) -> Result<(), Fault> {
        self.store.remove(part, order).await
    }

    /// At most `limit` mails of the index whose ids lie in a range, the oldest first, each with whether it is finished.
    pub async fn page(&self, range: Range<&[u8]>, limit: usize) -> Result<(Vec<(KeptId, bool)>, bool), Fault> {
        let page = self.store.range(ALL, range, false, limit).await?;
        let mails = page.entries.iter().filter_map(|(order, value)| {
            let finished = Sheet::read(value).is_some_and(|sheet| sheet.finished);
            Some((id_of(order)?, finished))
        });
        Ok((mails.collect(), page.more))
    }

    /// At most `limit` mails whose time has come, with the orders of their rows.
    pub async fn due(&self, now: u64, limit: usize) -> Result<Vec<(KeptId, Vec<u8>)>, Fault> {
        let end = now.saturating_add(1).to_be_bytes();
        let page = self.store.range(UNTIL, b""..&end, false, limit).await?;
        let due = page
            .entries
            .iter()
            .filter_map(|(order, _)| Some((id_of(order.get(8..)?)?, order.to_vec())));
        Ok(due.collect())
    }

    /// Removes the row that says when a mail goes, where the mail is not in the index any more.
    pub async fn forget_due(&self, order: &[u8]) -> Result<(), Fault> {
        self.store.remove(UNTIL, order).await
    }

    /// The oldest mails of an account: copies, or mail that is held.
    pub async fn oldest(&self, account: Account, durable: bool, limit: usize) -> Result<Vec<KeptId>, Fault> {
        let page = self
            .store
            .range(&quota(durable, account), b""..b"", false, limit)
            .await?;
        Ok(page.entries.iter().filter_map(|(order, _)| id_of(order)).collect())
    }

    /// Removes the row of an account, where the mail is not in the index any more.
    pub async fn forget_account(&self, account: Account, durable: bool, id: &KeptId) -> Result<(), Fault> {
        self.store.remove(&quota(durable, account), id.0.as_bytes()).await
    }

    /// Counts all mail, once; until then no account is known to be full. Nothing is kept while a page is counted, which
    /// is a millisecond or so.
    pub async fn count(&self) -> Result<(), Fault> {
        while let Some(from) = self.totals.counted_to() {
            let _gate = self.gate.write().await;
            let Page { entries, more } = self.store.range(ALL, &from..b"", false, COUNT_PAGE).await?;
            let sums = entries
                .iter()
                .filter_map(|(_, value)| Sheet::read(value))
                .flat_map(|sheet| {
                    let sum = Sum::one(sheet.size);
                    sheet.accounts().map(move |account| (account, sum)).collect::<Vec<_>>()
                });
            let next = entries
                .last()
                .filter(|_| more)
                .map(|(order, _)| [order, &b"\0"[..]].concat());
            self.totals.counted(sums, next);
        }
        Ok(())
    }

    /// Every row that a sheet calls for and that is not there, in words.
    pub async fn missing_rows(&self, id: &KeptId, sheet: &Sheet) -> Result<usize, Fault> {
        let mut rows: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
        let order = id.0.as_bytes();
        rows.extend(sheet.facets.iter().map(|facet| (facet.part(), order.to_vec())));
        rows.extend(
            sheet
                .accounts()
                .map(|account| (quota(sheet.durable, account), order.to_vec())),
        );
        rows.extend(sheet.until.map(|until| (UNTIL.to_vec(), until_order(until, &id.0))));
        let mut missing = 0;
        for (part, order) in rows {
            let end = [order.as_slice(), b"\0"].concat();
            let page = self.store.range(&part, &order..&end, false, 1).await?;
            missing += usize::from(page.entries.is_empty());
        }
        Ok(missing)
    }
}
