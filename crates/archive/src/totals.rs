//! What each domain and the whole archive hold, in memory: counted once after a start, and kept up from then on.
//!
//! **Invariant:** each mail counts once. While the count goes on, a mail that comes or goes is accounted here only if the
//! count has passed its place; otherwise the count will see for itself.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gatepost_core::KeptId;

use crate::sheet::{Account, Sheet};

/// Mails and their octets.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sum {
    /// How many.
    pub mails: u64,
    /// Octets of their messages.
    pub bytes: u64,
}

impl Sum {
    /// Of one mail.
    pub const fn one(size: u64) -> Sum {
        Sum { mails: 1, bytes: size }
    }
}

#[derive(Debug)]
struct State {
    sums: HashMap<Account, Sum>,
    /// From where on is not counted yet; nothing when all is.
    next: Option<Vec<u8>>,
}

/// The sums of all accounts. There are never more accounts than kept mails have domains.
#[derive(Debug)]
pub struct Totals(Mutex<State>);

impl Default for Totals {
    fn default() -> Totals {
        Totals(Mutex::new(State {
            sums: HashMap::new(),
            next: Some(Vec::new()),
        }))
    }
}

impl Totals {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From where on is still to be counted.
    pub fn counted_to(&self) -> Option<Vec<u8>> {
        self.state().next.clone()
    }

    /// Adds what was counted, up to `next`.
    pub fn counted(&self, sums: impl Iterator<Item = (Account, Sum)>, next: Option<Vec<u8>>) {
        let mut state = self.state();
        for (account, one) in sums {
            let sum = state.sums.entry(account).or_default();
            sum.mails = sum.mails.saturating_add(one.mails);
            sum.bytes = sum.bytes.saturating_add(one.bytes);
        }
        state.next = next;
    }

    /// A mail has come.
    pub fn give(&self, id: &KeptId, sheet: &Sheet) {
        let mut state = self.state();
        if state.next.as_deref().is_some_and(|next| id.0.as_bytes() >= next) {
            return;
        }
        for account in sheet.accounts() {
            let sum = state.sums.entry(account).or_default();
            sum.mails = sum.mails.saturating_add(1);
            sum.bytes = sum.bytes.saturating_add(sheet.size);
        }
    }

    /// A mail has gone.
    pub fn take(&self, id: &KeptId, sheet: &Sheet) {
        let mut state = self.state();
        if state.next.as_deref().is_some_and(|next| id.0.as_bytes() >= next) {
            return;
        }
        for account in sheet.accounts() {
            let Some(sum) = state.sums.get_mut(&account) else {
                continue;
            };
            sum.mails = sum.mails.saturating_sub(1);
            sum.bytes = sum.bytes.saturating_sub(sheet.size);
            if sum.mails == 0 {
                state.sums.remove(&account);
            }
        }
    }

    /// What an account holds, once all is counted.
    pub fn of(&self, account: Account) -> Option<Sum> {
        let state = self.state();
        state
            .next
            .is_none()
            .then(|| state.sums.get(&account).copied().unwrap_or_default())
    }

    /// The accounts of which `full` says that they hold too much, once all is counted.
    pub fn over(&self, full: impl Fn(Account, Sum) -> bool) -> Vec<Account> {
        let state = self.state();
        let over = state.sums.iter().filter(|(account, sum)| full(**account, **sum));
        if state.next.is_some() {
            return Vec::new();
        }
        over.map(|(account, _)| *account).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet(size: u64) -> Sheet {
        Sheet {
            finished: true,
            durable: true,
            until: None,
            size,
            record: [0; 16],
            facets: Vec::new(),
        }
    }

    #[test]
    fn what_comes_and_goes_during_the_count_counts_once() {
        let totals = Totals::default();
        let (early, late) = (KeptId("a".into()), KeptId("z".into()));
        totals.give(&early, &sheet(5));
        assert_eq!(totals.of(Account::WHOLE), None, "nothing is known yet");
        totals.counted([(Account::WHOLE, Sum::one(5))].into_iter(), Some(b"m".to_vec()));
        totals.give(&KeptId("b".into()), &sheet(3));
        totals.give(&late, &sheet(7));
        totals.take(&early, &sheet(5));
        totals.counted([(Account::WHOLE, Sum::one(7))].into_iter(), None);
        assert_eq!(totals.of(Account::WHOLE), Some(Sum { mails: 2, bytes: 10 }));
        totals.take(&late, &sheet(7));
        assert_eq!(totals.over(|_, sum| sum.bytes == 3), [Account::WHOLE]);
        totals.take(&KeptId("b".into()), &sheet(3));
        assert_eq!(totals.of(Account::WHOLE), Some(Sum::default()));
    }
}
