//! What the index knows of one kept mail: enough to take it out again without its file.

use bytes::Bytes;
use gatepost_core::Seed;

use crate::facet::{self, Facet, Kind};
use crate::form::Head;
use crate::records::record_key;

/// The form of a sheet.
const SHEET: u8 = 2;
/// Octets before the facets.
const FIXED: usize = 34;
/// Octets of a facet.
const FACET: usize = 9;
/// Stands for a mail that goes at no time.
const NEVER: u64 = u64::MAX;

/// What the index knows of one kept mail. No text of the mail is in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sheet {
    /// All its rows are written.
    pub finished: bool,
    /// Mail was accepted on its strength.
    pub durable: bool,
    /// When it goes, in milliseconds since the epoch.
    pub until: Option<u64>,
    /// Octets of the message.
    pub size: u64,
    /// The key of the record of its transaction.
    pub record: [u8; 16],
    /// What it can be found by.
    pub facets: Vec<Facet>,
}

/// The sum that a mail counts towards: a domain's, or that of the whole archive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Account(pub u64);

impl Account {
    /// Of all mail.
    pub const WHOLE: Account = Account(0);
}

impl Sheet {
    /// The sheet of a mail.
    pub fn new(seed: &Seed, head: &Head) -> Sheet {
        let mail = &head.mail;
        let mut facets = facet::all(
            seed,
            Some(&mail.from),
            std::iter::once(mail.reason.as_str()),
            mail.label.as_ref().map(|(label, _)| *label),
            mail.recipients.iter().map(String::as_str),
        );
        facets.insert(0, Facet::new(seed, Kind::Transaction, &mail.transaction));
        Sheet {
            finished: false,
            durable: head.durable,
            until: mail.until,
            size: mail.size,
            record: record_key(seed, &mail.transaction),
            facets,
        }
    }

    /// Each domain that it counts towards, and then the whole archive.
    pub fn accounts(&self) -> impl Iterator<Item = Account> + '_ {
        let domains = self.facets.iter().filter(|facet| facet.kind == Kind::Domain as u8);
        domains
            .map(|facet| Account(facet.hash))
            .chain(std::iter::once(Account::WHOLE))
    }

    /// As it stands in the store.
    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(FIXED + FACET * self.facets.len());
        out.push(SHEET);
        out.push(u8::from(self.finished) | (u8::from(self.durable) << 1));
        out.extend_from_slice(&self.until.unwrap_or(NEVER).to_be_bytes());
        out.extend_from_slice(&self.size.to_be_bytes());
        out.extend_from_slice(&self.record);
        for facet in &self.facets {
            out.push(facet.kind);
            out.extend_from_slice(&facet.hash.to_be_bytes());
        }
        out
    }

    /// From the store; `None` where it is not understood.
    pub fn read(value: &Bytes) -> Option<Sheet> {
        let (&[form, flags], rest) = value.split_first_chunk::<2>()?;
        let (until, rest) = rest.split_first_chunk::<8>()?;
        let (size, rest) = rest.split_first_chunk::<8>()?;
        let (record, rest) = rest.split_first_chunk::<16>()?;
        let (facets, cut) = rest.as_chunks::<FACET>();
        if form != SHEET || !cut.is_empty() {
            return None;
        }
        let until = u64::from_be_bytes(*until);
        let facets = facets.iter().map(|[kind, a, b, c, d, e, f, g, h]| Facet {
            kind: *kind,
            hash: u64::from_be_bytes([*a, *b, *c, *d, *e, *f, *g, *h]),
        });
        Some(Sheet {
            finished: flags & 1 != 0,
            durable: flags & 2 != 0,
            until: (until != NEVER).then_some(until),
            size: u64::from_be_bytes(*size),
            record: *record,
            facets: facets.collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_sheet_reads_back(
            finished: bool, durable: bool, until in prop::option::of(0..NEVER), size: u64, record: [u8; 16],
            facets in prop::collection::vec((any::<u8>(), any::<u64>()), 0..20),
        ) {
            let facets = facets.into_iter().map(|(kind, hash)| Facet { kind, hash }).collect();
            let sheet = Sheet { finished, durable, until, size, record, facets };
            prop_assert_eq!(Sheet::read(&sheet.write().into()), Some(sheet));
        }

        #[test]
        fn any_value_is_read_without_panic(value in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = Sheet::read(&value.into());
        }
    }
}
