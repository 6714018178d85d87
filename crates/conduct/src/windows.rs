//! How often something happened within a window that slides: two counters, the one of the period before counted in part.
//!
//! **Invariants:** counting never takes away; what has not happened for two periods is forgotten; of who did it only a
//! keyed hash is kept. There are at most as many counters as there was mail within two periods, times the limits in use.

use std::time::Duration;

use gatepost_core::{Fault, Seed, Store, Swap, Time};

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Count {
    /// Mails of a client.
    ClientMails,
    /// Recipients that a client names.
    ClientRecipients,
    /// Mails of a network.
    NetworkMails,
    /// Mails from a domain.
    SenderMails,
    /// Mails to a recipient.
    RecipientMails,
    /// Mails of a login.
    LoginMails,
    /// Recipients of a login.
    LoginRecipients,
    /// Recipients that a client names and that do not exist.
    Unknown,
    /// Mails of a client to traps.
    Trapped,
}

impl Count {
    /// How the store knows it; never changes.
    const fn letter(self) -> u8 {
        match self {
            Count::ClientMails => b'c',
            Count::ClientRecipients => b'r',
            Count::NetworkMails => b'n',
            Count::SenderMails => b's',
            Count::RecipientMails => b't',
            Count::LoginMails => b'l',
            Count::LoginRecipients => b'm',
            Count::Unknown => b'u',
            Count::Trapped => b'p',
        }
    }
}

/// The number of the period that a time lies in, and how much of it has passed.
pub fn period(now: Time, window: Duration) -> (u64, Duration) {
    let millis = u64::try_from(window.as_millis()).unwrap_or(u64::MAX).max(1);
    (now.millis() / millis, Duration::from_millis(now.millis() % millis))
}

/// How often something happened within the last window: all of this period, and of the one before the part that the
/// window still covers, rounded down.
pub fn weigh(before: i64, here: i64, passed: Duration, window: Duration) -> u64 {
    let whole = window.as_millis().max(1);
    let left = whole.saturating_sub(passed.as_millis());
    let before = u128::from(before.max(0).unsigned_abs()) * left / whole;
    let here = here.max(0).unsigned_abs();
    u64::try_from(before).unwrap_or(u64::MAX).saturating_add(here)
}

/// The counters of one installation.
#[derive(Clone)]
pub struct Windows {
    store: Store,
    seed: Seed,
}

impl Windows {
    /// In the filter's part of the store.
    pub fn new(store: Store, seed: Seed) -> Windows {
        Windows { store, seed }
    }

    fn key(&self, kind: u8, what: Count, who: &str, number: u64) -> Vec<u8> {
        let hash = self.seed.hash(&[b"conduct window", &[what.letter()], who.as_bytes()]);
        let mut key = vec![kind, what.letter()];
        key.extend_from_slice(&hash.to_be_bytes());
        key.extend_from_slice(&number.to_be_bytes());
        key
    }

    /// Counts something that happened `times` times, and tells how often it did within the window.
    pub async fn count(&self, what: Count, who: &str, times: u32, window: Duration, now: Time) -> Result<u64, Fault> {
        let (number, passed) = period(now, window);
        let begin = Time::from_millis(
            now.millis()
                .saturating_sub(u64::try_from(passed.as_millis()).unwrap_or(0)),
        );
        let here = self.key(b'w', what, who, number);
        let here = self.store.add(&here, i64::from(times), begin + window * 2, now).await?;
        let before = self.key(b'w', what, who, number.saturating_sub(1));
        // Adding nothing is how a counter is read.
        let before = self.store.add(&before, 0, begin + window, now).await?;
        Ok(weigh(before, here, passed, window))
    }

    /// Whether this is the first time within the window: that somebody is over a limit, which is worth an alarm, or that
    /// something of a mail is counted.
    pub async fn first(&self, what: Count, who: &str, window: Duration, now: Time) -> Result<bool, Fault> {
        let (number, passed) = period(now, window);
        let key = self.key(b'a', what, who, number);
        let until = now + window.saturating_sub(passed);
        let swapped = self.store.swap(&key, None, Some(&[1]), Some(until), now).await?;
        Ok(swapped == Swap::Done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_testkit::{Fakes, MemoryStore};
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_hours(1);

    fn windows() -> Windows {
        Windows::new(MemoryStore::store(), Fakes::SEED)
    }

    #[tokio::test]
    async fn what_happened_in_the_window_before_counts_in_part_and_then_no_more() {
        let windows = windows();
        let at = |minutes: u64| Time::from_secs(1_000 * 3_600 + minutes * 60);
        let count = |times, minutes| windows.count(Count::ClientMails, "192.0.2.1", times, HOUR, at(minutes));
        assert_eq!(count(40, 59).await, Ok(40));
        assert_eq!(count(1, 60).await, Ok(41));
        assert_eq!(count(1, 90).await, Ok(22));
        assert_eq!(count(1, 119).await, Ok(3));
        assert_eq!(count(1, 180).await, Ok(1));
        assert_eq!(
            windows.count(Count::ClientMails, "192.0.2.2", 1, HOUR, at(60)).await,
            Ok(1)
        );
        assert_eq!(
            windows.count(Count::LoginMails, "192.0.2.1", 1, HOUR, at(60)).await,
            Ok(1)
        );
    }

    #[tokio::test]
    async fn an_alarm_is_worth_it_once_a_window() {
        let windows = windows();
        let first = |secs| windows.first(Count::LoginMails, "ann", HOUR, Time::from_secs(secs));
        assert_eq!(first(7_200).await, Ok(true));
        assert_eq!(first(10_799).await, Ok(false));
        assert_eq!(first(10_800).await, Ok(true));
    }

    proptest! {
        #[test]
        fn the_estimate_lies_between_this_period_and_both(
            before in 0..1_000_000_i64, here in 0..1_000_000_i64, passed in 0..3_600_u64,
        ) {
            let weighed = weigh(before, here, Duration::from_secs(passed), HOUR);
            prop_assert!(weighed >= here.unsigned_abs());
            prop_assert!(weighed <= (before + here).unsigned_abs());
        }

        #[test]
        fn no_number_of_a_store_is_too_odd(before: i64, here: i64, passed in 0..10_000_u64, window in 0..10_000_u64) {
            weigh(before, here, Duration::from_secs(passed), Duration::from_secs(window));
        }

        #[test]
        fn no_burst_within_a_window_is_counted_lower_than_what_it_was_in_one_period(
            times in prop::collection::vec(1..20_u32, 1..20),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async {
                let windows = windows();
                let mut sum = 0;
                for (n, times) in times.iter().enumerate() {
                    sum += u64::from(*times);
                    // All within one period.
                    let now = Time::from_secs(36_000 + n as u64);
                    let counted = windows.count(Count::Unknown, "x", *times, HOUR, now).await.unwrap();
                    prop_assert_eq!(counted, sum);
                }
                Ok(())
            })?;
        }
    }
}
