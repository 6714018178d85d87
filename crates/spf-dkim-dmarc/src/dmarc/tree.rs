//! The walk up the tree of DNS (RFC 9989 §4.10): which records there are above a domain, and what its organisation is.
//!
//! **Bounds:** a walk asks about at most [`STEPS_MAX`] names, however deep the domain, and no name twice in one mail. What
//! is not known at the deadline is trouble; what was known before stays known, so a walk done early is never undone.

use std::collections::HashMap;

use gatepost_core::{Dns, Lookup};
use tokio::sync::{Mutex, OnceCell};
use tokio::time::{Instant, timeout_at};

use super::record::{Record, Suffix};
use crate::names;

/// The most names that one walk asks about.
pub const STEPS_MAX: usize = 8;
/// The most TXT records at one name that are read.
const RECORDS_MAX: usize = 20;

/// DNS does not answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Trouble;

/// DNS as far as DMARC asks it about one mail: what is known is not asked again.
pub struct Tree<'a> {
    dns: &'a dyn Dns,
    until: Instant,
    /// Whether the author exists.
    exists: OnceCell<Result<bool, Trouble>>,
    known: Mutex<HashMap<String, Result<Option<Record>, Trouble>>>,
}

/// The names of a walk, the longest first: the domain itself, then what is left of it with at most seven labels.
pub fn steps(domain: &str) -> impl Iterator<Item = &str> {
    let labels = domain.split('.').count();
    let above = domain
        .match_indices('.')
        .enumerate()
        .filter(move |(n, _)| labels - (n + 1) < STEPS_MAX)
        .filter_map(|(_, (dot, _))| domain.get(dot + 1..));
    std::iter::once(domain).chain(above)
}

impl<'a> Tree<'a> {
    /// Over a DNS, whose answers count until then.
    pub fn new(dns: &'a dyn Dns, until: Instant) -> Tree<'a> {
        Tree {
            dns,
            until,
            exists: OnceCell::new(),
            known: Mutex::default(),
        }
    }

    /// The record at a domain. Where there are several there is none.
    pub async fn record(&self, domain: &str) -> Result<Option<Record>, Trouble> {
        let mut known = self.known.lock().await;
        if let Some(known) = known.get(domain) {
            return known.clone();
        }
        let name = format!("_dmarc.{domain}");
        let found = if name.len() > names::NAME_MAX {
            Ok(None)
        } else {
            match timeout_at(self.until, self.dns.txt(&name)).await {
                Ok(Ok(answer)) => {
                    let texts = answer.records().iter().take(RECORDS_MAX);
                    let mut records = texts.filter_map(|text| Record::parse(text));
                    Ok(records.next().filter(|_| records.next().is_none()))
                }
                _ => Err(Trouble),
            }
        };
        known.insert(domain.to_owned(), found.clone());
        found
    }

    /// All records on the way up from a domain, the longest name first; the walk ends at one that knows whether it is a
    /// public suffix.
    pub async fn walk<'d>(&self, domain: &'d str) -> Result<Vec<(&'d str, Record)>, Trouble> {
        let mut found = Vec::new();
        for step in steps(domain) {
            if let Some(record) = self.record(step).await? {
                let ends = record.psd != Suffix::Unknown;
                found.push((step, record));
                if ends {
                    break;
                }
            }
        }
        Ok(found)
    }

    /// The organisation that a domain belongs to.
    pub async fn organisation<'d>(&self, domain: &'d str) -> Result<&'d str, Trouble> {
        Ok(organisation(domain, &self.walk(domain).await?))
    }

    /// Whether the author's domain exists at all (RFC 8020); of each mail one author is asked about.
    pub async fn exists(&self, author: &str) -> Result<bool, Trouble> {
        let ask = || async {
            match timeout_at(self.until, self.dns.a(author)).await {
                Ok(Ok(Lookup::NxDomain { .. })) => Ok(false),
                Ok(Ok(_)) => Ok(true),
                _ => Err(Trouble),
            }
        };
        *self.exists.get_or_init(ask).await
    }
}

/// The organisation, from the records that a walk has found (RFC 9989 §4.10.2).
pub fn organisation<'d>(domain: &'d str, found: &[(&'d str, Record)]) -> &'d str {
    for (at, record) in found {
        match record.psd {
            Suffix::No => return at,
            // The domain below the suffix, on the way to where the walk began.
            Suffix::Yes if *at != domain => {
                let above = domain.len().saturating_sub(at.len() + 1);
                let below = domain.get(..above).unwrap_or_default();
                let start = below.rfind('.').map_or(0, |dot| dot + 1);
                return domain.get(start..).unwrap_or(domain);
            }
            _ => {}
        }
    }
    found.last().map_or(domain, |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(domain: &str) -> Vec<&str> {
        steps(domain).collect()
    }

    #[test]
    fn a_walk_has_at_most_eight_steps() {
        assert_eq!(walked("b.example"), ["b.example", "example"]);
        assert_eq!(walked("example"), ["example"]);
        let ten = "a.b.c.d.e.f.g.h.i.example";
        assert_eq!(
            walked(ten),
            [
                ten,
                "d.e.f.g.h.i.example",
                "e.f.g.h.i.example",
                "f.g.h.i.example",
                "g.h.i.example",
                "h.i.example",
                "i.example",
                "example"
            ]
        );
        assert_eq!(walked("b.c.d.e.f.g.h.example").len(), 8);
        assert_eq!(walked("c.d.e.f.g.h.example").len(), 7);
        let deep = "x.".repeat(100) + "example";
        assert_eq!(walked(&deep).len(), STEPS_MAX);
    }

    fn found<'d>(records: &[(&'d str, &str)]) -> Vec<(&'d str, Record)> {
        let read = |text: &str| Record::parse(text.as_bytes()).expect("a record");
        records.iter().map(|(at, text)| (*at, read(text))).collect()
    }

    #[test]
    fn an_organisation_is_where_the_records_say() {
        let of = |records: &[(&'static str, &str)]| organisation("a.b.c.example", &found(records));
        assert_eq!(of(&[]), "a.b.c.example");
        assert_eq!(
            of(&[("a.b.c.example", "v=DMARC1"), ("c.example", "v=DMARC1")]),
            "c.example"
        );
        assert_eq!(of(&[("b.c.example", "v=DMARC1; psd=n")]), "b.c.example");
        assert_eq!(of(&[("c.example", "v=DMARC1; psd=y")]), "b.c.example");
        assert_eq!(of(&[("example", "v=DMARC1; psd=y")]), "c.example");
        assert_eq!(
            of(&[("b.c.example", "v=DMARC1"), ("example", "v=DMARC1; psd=y")]),
            "c.example"
        );
        assert_eq!(of(&[("a.b.c.example", "v=DMARC1; psd=y")]), "a.b.c.example");
    }
}
