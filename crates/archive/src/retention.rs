//! How kept mail and records go: by age, and where a domain or the whole archive is full.
//!
//! **The rule where an account is full** (a domain's mails or octets, or the octets of the whole archive):
//!
//! 1. the oldest copies of mail that was not accepted go first, without a word;
//! 2. for mail that is accepted on the archive's strength, the oldest mail of that kind goes next, each with a warning in
//!    the log, unless it is younger than a day;
//! 3. otherwise the new mail is not kept, which is a fault: accepted mail is then answered 4xx and comes again, and a copy
//!    is just not there.
//!
//! So a flood of refused mail pushes out no held mail, and a flood of held mail pushes out none of the last day. A mail
//! counts towards each domain that it is for, and goes as a whole. Before all mail is counted after a start, nothing is
//! known to be full; [`Inner::sweep`] counts it.

use gatepost_core::{Fault, KeptId};

use crate::form::Head;
use crate::id;
use crate::inner::Inner;
use crate::settings::{DAY, Settings};
use crate::sheet::Account;
use crate::totals::Sum;

/// Mails that are removed at a time.
const BATCH: usize = 100;
/// The most mails that a sweep removes for their age; the next goes on.
const SWEEP_MAIL: usize = 2_000;
/// The most records that a sweep removes; the next goes on.
const SWEEP_RECORDS: usize = 5_000;
/// The most mails that go to make room for one.
const ROOM: usize = 1_000;
/// The oldest of an account that are looked at to find one that nobody works on.
const LOOK: usize = 8;

/// What a sweep did.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
#[non_exhaustive]
pub struct Swept {
    /// Mails that went because their time had come.
    pub expired: u64,
    /// Copies that went before their time, because there were too many.
    pub copies: u64,
    /// Held mails that went before their time, because there were too many. Each has a warning in the log.
    pub held: u64,
    /// Records that went.
    pub records: u64,
    /// There is more to do: sweep again soon.
    pub more: bool,
}

/// Whether an account holds too much with `more` mails and `bytes` octets on top of what it has.
fn full(settings: &Settings, account: Account, sum: Sum, mails: u64, bytes: u64) -> bool {
    let over = |has: u64, more: u64, most: u64| most > 0 && has.saturating_add(more) > most;
    if account == Account::WHOLE {
        over(sum.bytes, bytes, settings.total_bytes)
    } else {
        over(sum.mails, mails, settings.per_domain) || over(sum.bytes, bytes, settings.per_domain_bytes)
    }
}

enum Evicted {
    Copy,
    Held,
    Nothing,
}

impl Inner {
    /// Whether a mail of so many octets could ever be kept, whatever goes for it.
    pub fn could_hold(&self, octets: u64) -> bool {
        let settings = self.settings();
        let fits = |most: u64| most == 0 || octets <= most;
        fits(settings.total_bytes) && fits(settings.per_domain_bytes)
    }

    /// Makes room for a mail in each account that it counts towards.
    pub async fn make_room(&self, head: &Head) -> Result<(), Fault> {
        let (settings, sheet) = (self.settings(), self.index.sheet_of(head));
        // Nothing goes for what cannot come.
        if sheet
            .accounts()
            .any(|account| full(&settings, account, Sum::default(), 1, sheet.size))
        {
            return Err(Fault::Broken(format!(
                "a mail of {} octets is larger than all that the archive may hold of a domain or in whole",
                sheet.size
            )));
        }
        for account in sheet.accounts() {
            for _ in 0..ROOM {
                let Some(sum) = self.index.totals().of(account) else {
                    break;
                };
                if !full(&settings, account, sum, 1, sheet.size) {
                    break;
                }
                if let Evicted::Nothing = self.evict(account, sheet.durable).await? {
                    return Err(Fault::Unavailable(
                        "room in the archive: its bound for a domain or in whole",
                    ));
                }
            }
        }
        Ok(())
    }

    /// Removes the oldest mail of an account that may go.
    async fn evict(&self, account: Account, held_too: bool) -> Result<Evicted, Fault> {
        let young = id::from_time(self.now().saturating_sub(DAY));
        for durable in [false, true] {
            if durable && !held_too {
                break;
            }
            for id in self.index.oldest(account, durable, LOOK).await? {
                if durable && id.0.as_bytes() >= young.as_slice() {
                    break;
                }
                let Some(hold) = self.busy.try_hold(&id) else { continue };
                if self.index.sheet(&id).await?.is_none() {
                    self.index.forget_account(account, durable, &id).await?;
                    continue;
                }
                if durable {
                    tracing::warn!(
                        %id,
                        "a held mail goes before its time, because the archive holds all it may of its domain or in whole"
                    );
                }
                // Nobody was promised that a copy is gone: no need to wait for the disk.
                self.remove(vec![(id, hold)], durable, true).await?;
                return Ok(if durable { Evicted::Held } else { Evicted::Copy });
            }
        }
        Ok(Evicted::Nothing)
    }

    /// Removes what has become too old or too much, in bounded steps.
    pub async fn sweep(&self) -> Result<Swept, Fault> {
        self.open()?;
        self.index.count().await?;
        self.records.count().await?;
        let (settings, now) = (self.settings(), self.now());
        let mut swept = Swept::default();
        self.expire(now, &mut swept).await?;
        let over = self
            .index
            .totals()
            .over(|account, sum| full(&settings, account, sum, 0, 0));
        let mut left = ROOM;
        for account in over {
            while let Some(sum) = self.index.totals().of(account)
                && full(&settings, account, sum, 0, 0)
            {
                if left == 0 {
                    swept.more = true;
                    break;
                }
                left -= 1;
                match self.evict(account, true).await? {
                    Evicted::Copy => swept.copies += 1,
                    Evicted::Held => swept.held += 1,
                    Evicted::Nothing => break,
                }
            }
        }
        let horizon = settings.records_since(now);
        let (records, more) = self.records.sweep(horizon, settings.records, SWEEP_RECORDS).await?;
        swept.records = records;
        swept.more |= more;
        let shard = id::shard_at(now.saturating_sub(DAY));
        let tidied = self.on_files(move |place| place.drop_empty_before(&shard)).await?;
        if let Err(error) = tidied {
            tracing::warn!(%error, "empty folders of the archive stay");
        }
        Ok(swept)
    }

    async fn expire(&self, now: u64, swept: &mut Swept) -> Result<(), Fault> {
        let mut done = 0;
        while done < SWEEP_MAIL {
            let due = self.index.due(now, BATCH).await?;
            if due.is_empty() {
                return Ok(());
            }
            let looked = due.len();
            let mut mails = Vec::with_capacity(looked);
            let mut moved = false;
            for (id, order) in due {
                let Some(hold) = self.busy.try_hold(&id) else { continue };
                match self.index.sheet(&id).await? {
                    Some(sheet) if sheet.until.is_some_and(|until| until <= now) => mails.push((id, hold)),
                    // A row without its mail.
                    _ => {
                        self.index.forget_due(&order).await?;
                        moved = true;
                    }
                }
            }
            if mails.is_empty() && !moved {
                // Somebody works on each of them: next time.
                swept.more = true;
                return Ok(());
            }
            let there = self.remove(mails, true, true).await?;
            swept.expired += there.iter().filter(|there| **there).count() as u64;
            done += looked;
        }
        swept.more = true;
        Ok(())
    }

    /// The mails that `ids` names and that nobody works on now, with the right to work on them.
    pub fn try_hold_all(&self, ids: impl IntoIterator<Item = KeptId>) -> Vec<(KeptId, crate::busy::Hold)> {
        ids.into_iter()
            .filter_map(|id| self.busy.try_hold(&id).map(|hold| (id, hold)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_full_by_mails_or_octets_and_never_where_there_is_no_bound() {
        let mut settings = Settings {
            per_domain: 2,
            per_domain_bytes: 100,
            total_bytes: 150,
            ..Settings::default()
        };
        let domain = Account(7);
        let sum = |mails, bytes| Sum { mails, bytes };
        assert!(!full(&settings, domain, sum(1, 50), 1, 50));
        assert!(full(&settings, domain, sum(2, 0), 1, 0));
        assert!(full(&settings, domain, sum(1, 50), 1, 51));
        assert!(!full(&settings, Account::WHOLE, sum(9, 100), 1, 50));
        assert!(full(&settings, Account::WHOLE, sum(9, 100), 1, 51));
        (settings.per_domain, settings.per_domain_bytes, settings.total_bytes) = (0, 0, 0);
        assert!(!full(&settings, domain, sum(u64::MAX, u64::MAX), 1, 1));
        assert!(!full(&settings, Account::WHOLE, sum(u64::MAX, u64::MAX), 1, 1));
    }
}
