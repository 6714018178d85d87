//! The walk through an index, the newest first.
//!
//! **Invariant:** the walk goes through the smallest partition that is asked for, as far as a look at the newest entries
//! tells, and rows that cannot fit are passed over without their file. What it gives is a guess that the file confirms.

use bytes::Bytes;
use gatepost_core::{Fault, Page, Query, Store};

use crate::facet::{self, Facet};

/// Entries that are looked at to see which partition is small.
const PROBE: usize = 256;
/// Entries that are read at a time.
const PAGE: usize = 1_000;
/// What a list has where nothing is said.
const LIMIT: usize = 50;
/// The most that a list has.
const LIMIT_MAX: usize = 1_000;

/// How many are wanted.
pub fn limit(query: &Query) -> usize {
    query.limit.unwrap_or(LIMIT).min(LIMIT_MAX)
}

/// Whether what every list shares holds: sender, recipient, domain and time.
pub fn fits<'a>(
    query: &Query,
    at: u64,
    sender: Option<&str>,
    recipients: impl Iterator<Item = &'a str> + Clone,
) -> bool {
    let same = |wanted: &String, is: &str| facet::normal(wanted) == facet::normal(is);
    query.since.is_none_or(|since| at >= since)
        && query.before.is_none_or(|before| at < before)
        && query
            .sender
            .as_ref()
            .is_none_or(|wanted| sender.is_some_and(|sender| same(wanted, sender)))
        && query
            .recipient
            .as_ref()
            .is_none_or(|wanted| recipients.clone().any(|to| same(wanted, to)))
        && query.domain.as_ref().is_none_or(|wanted| {
            recipients
                .clone()
                .filter_map(facet::domain)
                .any(|domain| same(wanted, domain))
        })
}

/// The lower of two upper ends, of which an empty one is no end.
pub fn lower_end(one: Vec<u8>, other: Vec<u8>) -> Vec<u8> {
    match (one.is_empty(), other.is_empty()) {
        (true, _) => other,
        (_, true) => one,
        _ => one.min(other),
    }
}

/// Whether one partition is smaller than another, as far as their newest entries tell: it ends sooner, or as many of its
/// entries reach further back in time.
fn smaller(one: &Page, other: &Page) -> bool {
    match (one.more, other.more) {
        (false, false) => one.entries.len() < other.entries.len(),
        (true, true) => one.entries.last().map(|last| &last.0) < other.entries.last().map(|last| &last.0),
        _ => other.more,
    }
}

/// A walk.
pub struct Walk<'a> {
    store: &'a Store,
    part: Vec<u8>,
    from: Vec<u8>,
    wanted: Vec<Facet>,
    /// What the look at the first entries has read.
    first: Option<Page>,
    to: Vec<u8>,
    done: bool,
}

impl<'a> Walk<'a> {
    /// Begins: `all` is the partition of everything, `from` and `to` (empty: no end) bound the orders.
    pub async fn begin(
        store: &'a Store,
        all: &[u8],
        wanted: Vec<Facet>,
        from: Vec<u8>,
        to: Vec<u8>,
    ) -> Result<Walk<'a>, Fault> {
        let parts: Vec<Vec<u8>> = match wanted.as_slice() {
            [] => vec![all.to_vec()],
            some => some.iter().map(|facet| facet.part()).collect(),
        };
        let mut best: Option<(Vec<u8>, Page)> = None;
        for part in parts {
            let page = store.range(&part, &from..&to, true, PROBE).await?;
            let smaller = best.as_ref().is_none_or(|(_, best)| smaller(&page, best));
            let enough = page.entries.is_empty();
            if smaller {
                best = Some((part, page));
            }
            if enough {
                break;
            }
        }
        let (part, page) = best.unwrap_or_default();
        Ok(Walk {
            store,
            part,
            from,
            wanted,
            first: Some(page),
            to,
            done: false,
        })
    }

    /// The partition that it goes through.
    pub fn part(&self) -> &[u8] {
        &self.part
    }

    /// The next orders that may fit, the newest first; perhaps none of a whole page. `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Vec<Bytes>>, Fault> {
        let page = match self.first.take() {
            Some(page) => page,
            None if self.done => return Ok(None),
            None => {
                // A long walk lets others run between its pages.
                tokio::task::yield_now().await;
                self.store.range(&self.part, &self.from..&self.to, true, PAGE).await?
            }
        };
        let Page { entries, more } = page;
        self.done = !more;
        if let Some((last, _)) = entries.last() {
            self.to = last.to_vec();
        }
        let fitting = entries
            .into_iter()
            .filter(|(_, row)| facet::may_have(row, &self.wanted))
            .map(|(order, _)| order);
        Ok(Some(fitting.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(oldest: u8, count: u8, more: bool) -> Page {
        let entries = (oldest..oldest + count).rev();
        Page {
            entries: entries.map(|n| (Bytes::copy_from_slice(&[n]), Bytes::new())).collect(),
            more,
        }
    }

    #[test]
    fn the_smaller_partition_is_the_one_that_ends_or_reaches_further_back() {
        assert!(smaller(&page(5, 2, false), &page(5, 3, false)));
        assert!(smaller(&page(5, 3, false), &page(9, 3, true)));
        assert!(!smaller(&page(9, 3, true), &page(5, 3, false)));
        assert!(smaller(&page(5, 3, true), &page(9, 3, true)));
    }

    #[test]
    fn an_empty_end_is_no_end() {
        assert_eq!(lower_end(vec![], vec![3]), [3]);
        assert_eq!(lower_end(vec![2], vec![]), [2]);
        assert_eq!(lower_end(vec![2], vec![1, 9]), [1, 9]);
    }
}
