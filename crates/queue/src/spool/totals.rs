//! How much waits, for each domain and in all, and whether there is room for more.
//!
//! **Invariant:** what is claimed here is claimed before it is written and given back after it is removed, so that no quota
//! is passed by mails that come at the same time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::settings::{Quota, Settings};

/// How much waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Mails.
    pub mails: u64,
    /// Octets of their messages.
    pub octets: u64,
}

impl Totals {
    fn add(&mut self, octets: u64) {
        self.mails = self.mails.saturating_add(1);
        self.octets = self.octets.saturating_add(octets);
    }

    fn take(&mut self, octets: u64) {
        self.mails = self.mails.saturating_sub(1);
        self.octets = self.octets.saturating_sub(octets);
    }

    fn fits(&self, octets: u64, most: &Quota) -> bool {
        self.mails < most.mails && self.octets.saturating_add(octets) <= most.octets
    }
}

#[derive(Debug, Default)]
struct Sums {
    all: Totals,
    /// Only of domains that have mail here.
    domains: HashMap<Arc<str>, Totals>,
}

/// All totals.
#[derive(Debug, Default)]
pub struct Ledger(Mutex<Sums>);

impl Ledger {
    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a mail that is there.
    pub fn add(&self, domain: &Arc<str>, octets: u64) {
        let mut sums = self.sums();
        sums.all.add(octets);
        sums.domains.entry(Arc::clone(domain)).or_default().add(octets);
    }

    /// Counts a mail that shall be there, if there is room, or says what is full.
    pub fn claim(&self, domain: &Arc<str>, octets: u64, quota: &Quota, settings: &Settings) -> Result<(), String> {
        let mut sums = self.sums();
        let whole = Quota {
            octets: settings.octets,
            mails: settings.mails,
        };
        let its = sums.domains.get(domain).copied().unwrap_or_default();
        for (totals, most, who) in [(its, quota, &**domain), (sums.all, &whole, "the whole queue")] {
            if !totals.fits(octets, most) {
                return Err(format!(
                    "{who}: {} mails and {} octets wait, {octets} more do not fit",
                    totals.mails, totals.octets
                ));
            }
        }
        sums.all.add(octets);
        sums.domains.entry(Arc::clone(domain)).or_default().add(octets);
        Ok(())
    }

    /// Gives the room of a mail back.
    pub fn give_back(&self, domain: &Arc<str>, octets: u64) {
        let mut sums = self.sums();
        sums.all.take(octets);
        if let Some(its) = sums.domains.get_mut(domain) {
            its.take(octets);
            if its.mails == 0 {
                sums.domains.remove(domain);
            }
        }
    }

    /// Whether there is room for a mail of a domain at all.
    pub fn fits(&self, domain: &str, quota: &Quota, settings: &Settings) -> bool {
        let sums = self.sums();
        let whole = Quota {
            octets: settings.octets,
            mails: settings.mails,
        };
        let its = sums.domains.get(domain).copied().unwrap_or_default();
        // Of a mail whose size is not known yet, at least one octet must fit.
        its.fits(1, quota) && sums.all.fits(1, &whole)
    }

    /// How much waits, for a domain or in all.
    pub fn totals(&self, domain: Option<&str>) -> Totals {
        let sums = self.sums();
        match domain {
            Some(domain) => sums.domains.get(domain).copied().unwrap_or_default(),
            None => sums.all,
        }
    }

    /// The domains that have mail here, with how much.
    pub fn domains(&self) -> Vec<(Arc<str>, Totals)> {
        let sums = self.sums();
        sums.domains
            .iter()
            .map(|(domain, totals)| (Arc::clone(domain), *totals))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_claimed_of_what_does_not_fit() {
        let ledger = Ledger::default();
        let settings = Settings {
            octets: 100,
            mails: 3,
            ..Settings::default()
        };
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let quota = Quota { octets: 60, mails: 2 };
        assert!(ledger.claim(&a, 50, &quota, &settings).is_ok());
        let full = ledger.claim(&a, 11, &quota, &settings).unwrap_err();
        assert!(full.starts_with("a: 1 mails and 50 octets wait"), "{full}");
        assert!(ledger.claim(&a, 10, &quota, &settings).is_ok());
        assert!(ledger.claim(&a, 0, &quota, &settings).is_err(), "two mails are all");
        assert!(!ledger.fits("a", &quota, &settings) && ledger.fits("b", &quota, &settings));
        let full = ledger.claim(&b, 41, &quota, &settings).unwrap_err();
        assert!(full.starts_with("the whole queue"), "{full}");
        ledger.give_back(&a, 50);
        assert!(ledger.claim(&b, 41, &quota, &settings).is_ok());
        assert_eq!(ledger.totals(None), Totals { mails: 2, octets: 51 });
        ledger.give_back(&a, 10);
        ledger.give_back(&b, 41);
        assert_eq!((ledger.totals(None), ledger.domains().len()), (Totals::default(), 0));
    }
}
