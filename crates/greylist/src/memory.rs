//! What is remembered of triplets and origins, in the store. Everything goes by itself when its time has come.
//!
//! | key | value | how long |
//! |---|---|---|
//! | `f` triplet | when it was first seen | the window |
//! | `p` triplet | when it last passed | the lifetime, renewed on use |
//! | `n` origin | how many triplets of it waited and were delivered | the lifetime |
//! | `k` origin | when it was last renewed: nobody from there waits | the lifetime, renewed on use |
//! | `began` | when greylisting began here | ever |
//!
//! A value is a version octet and a time in milliseconds. **Invariant:** what a check writes it writes only where nothing
//! was (`swap` from nothing); all else is written after a mail was delivered or refused. What is damaged is written over
//! then; what a newer gatepost wrote is not.

use std::time::Duration;

use gatepost_core::{Fault, Store, Swap, Time};

use crate::triplet::KEY;

/// The version of a value that this crate writes.
const VERSION: u8 = 1;
/// What was renewed within this time, or within a small part of its lifetime, is not written again.
const FRESH: Duration = Duration::from_hours(24);
/// That part.
const FRESH_PART: u32 = 24;

/// The memory of one installation.
#[derive(Clone)]
pub struct Memory {
    store: Store,
}

type Id = [u8; KEY];

fn key(kind: u8, id: &Id) -> Vec<u8> {
    let mut key = vec![kind];
    key.extend_from_slice(id);
    key
}

fn write(time: Time) -> [u8; 9] {
    let mut value = [VERSION; 9];
    value[1..].copy_from_slice(&time.millis().to_be_bytes());
    value
}

fn read(value: &[u8], what: &str) -> Result<Time, Fault> {
    match value {
        [VERSION, time @ ..] if time.len() == 8 => {
            let millis = time.try_into().map_or(0, u64::from_be_bytes);
            Ok(Time::from_millis(millis))
        }
        [version, ..] if *version > VERSION => Err(Fault::Broken(format!(
            "greylist: {what} was written by a newer gatepost (form {version}); run that one"
        ))),
        _ => Err(Fault::Broken(format!("greylist: {what} is damaged in the store"))),
    }
}

/// Whether a value that lives for `lifetime` is to be written anew: it is old, or damaged.
fn due(value: &[u8], what: &str, lifetime: Duration, now: Time) -> Result<bool, Fault> {
    match read(value, what) {
        Ok(last) => Ok(now.since(last) >= FRESH.min(lifetime / FRESH_PART)),
        Err(newer) if value.first().is_some_and(|version| *version > VERSION) => Err(newer),
        Err(_) => Ok(true),
    }
}

impl Memory {
    /// In the filter's part of the store.
    pub fn new(store: Store) -> Memory {
        Memory { store }
    }

    async fn time(&self, key: &[u8], what: &str, now: Time) -> Result<Option<Time>, Fault> {
        self.store
            .get(key, now)
            .await?
            .map(|value| read(&value, what))
            .transpose()
    }

    /// When greylisting began here: now, where it never did.
    pub async fn began(&self, now: Time) -> Result<Time, Fault> {
        match self.store.swap(b"began", None, Some(&write(now)), None, now).await? {
            Swap::Done | Swap::Was(None) => Ok(now),
            Swap::Was(Some(value)) => read(&value, "when greylisting began"),
        }
    }

    /// Whether a triplet passed within its lifetime.
    pub async fn has_passed(&self, triplet: &Id, now: Time) -> Result<bool, Fault> {
        Ok(self.time(&key(b'p', triplet), "a pass", now).await?.is_some())
    }

    /// Whether nobody from an origin waits.
    pub async fn is_known(&self, origin: &Id, now: Time) -> Result<bool, Fault> {
        Ok(self.time(&key(b'k', origin), "a known origin", now).await?.is_some())
    }

    /// When a triplet was first seen: now, where it was not within the window.
    pub async fn first_seen(&self, triplet: &Id, window: Duration, now: Time) -> Result<Time, Fault> {
        let key = key(b'f', triplet);
        match self
            .store
            .swap(&key, None, Some(&write(now)), Some(now + window), now)
            .await?
        {
            Swap::Done | Swap::Was(None) => Ok(now),
            Swap::Was(Some(value)) => read(&value, "a first sight"),
        }
    }

    /// When a triplet was first seen, if it was.
    pub async fn was_seen(&self, triplet: &Id, now: Time) -> Result<Option<Time>, Fault> {
        self.time(&key(b'f', triplet), "a first sight", now).await
    }

    /// A mail of this triplet was delivered: it passes from now on. Tells whether it did not before.
    pub async fn passed(&self, triplet: &Id, lifetime: Duration, now: Time) -> Result<bool, Fault> {
        let (key, until) = (key(b'p', triplet), Some(now + lifetime));
        match self.store.swap(&key, None, Some(&write(now)), until, now).await? {
            Swap::Done | Swap::Was(None) => Ok(true),
            Swap::Was(Some(value)) => {
                if due(&value, "a pass", lifetime, now)? {
                    self.store.put(&key, &write(now), until).await?;
                }
                Ok(false)
            }
        }
    }

    /// A mail from this origin was delivered: where nobody from there waits, that is renewed. Otherwise, if the mail
    /// `counts`, it is one of those of which `enough` make the origin known.
    pub async fn credit(
        &self,
        origin: &Id,
        counts: bool,
        enough: u32,
        lifetime: Duration,
        now: Time,
    ) -> Result<(), Fault> {
        let (known, until) = (key(b'k', origin), now + lifetime);
        let write_it = match self.store.get(&known, now).await? {
            Some(value) => due(&value, "a known origin", lifetime, now)?,
            None if counts => self.store.add(&key(b'n', origin), 1, until, now).await? >= i64::from(enough),
            None => false,
        };
        if write_it {
            self.store.put(&known, &write(now), Some(until)).await?;
        }
        Ok(())
    }

    /// A mail of this triplet was spam: it has to begin anew, and so has its origin.
    pub async fn fell_from_grace(&self, triplet: &Id, origin: &Id, now: Time) -> Result<(), Fault> {
        for key in [
            key(b'p', triplet),
            key(b'f', triplet),
            key(b'k', origin),
            key(b'n', origin),
        ] {
            if let Some(was) = self.store.get(&key, now).await? {
                // Whoever changed it meanwhile knows better.
                self.store.swap(&key, Some(&was), None, None, now).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gatepost_testkit::MemoryStore;

    use super::*;

    const NOW: Time = Time::from_secs(1_000_000);
    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn the_form_of_a_value_never_changes() {
        assert_eq!(write(Time::from_millis(0x0102_0304_0506)), [1, 0, 0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(
            read(&[1, 0, 0, 1, 2, 3, 4, 5, 6], "x"),
            Ok(Time::from_millis(0x0102_0304_0506))
        );
        for (value, words) in [
            (&[2, 0][..], "newer"),
            (&[1, 0][..], "damaged"),
            (&[][..], "damaged"),
            (&[0; 9][..], "damaged"),
        ] {
            assert!(
                matches!(read(value, "x"), Err(Fault::Broken(why)) if why.contains(words)),
                "{value:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_first_sight_stays_until_its_window_is_over() {
        let memory = Memory::new(MemoryStore::store());
        let id = [7; KEY];
        assert_eq!(memory.first_seen(&id, DAY, NOW).await, Ok(NOW));
        assert_eq!(
            memory.first_seen(&id, DAY, NOW + Duration::from_hours(23)).await,
            Ok(NOW)
        );
        assert_eq!(memory.first_seen(&id, DAY, NOW + DAY).await, Ok(NOW + DAY));
    }

    #[tokio::test]
    async fn an_origin_is_known_after_enough_that_count_and_no_sooner() {
        let memory = Memory::new(MemoryStore::store());
        let origin = [9; KEY];
        for counts in [true, false, false, true, false] {
            memory.credit(&origin, counts, 3, DAY, NOW).await.unwrap();
            assert_eq!(memory.is_known(&origin, NOW).await, Ok(false));
        }
        memory.credit(&origin, true, 3, DAY, NOW).await.unwrap();
        assert_eq!(memory.is_known(&origin, NOW).await, Ok(true));
        // Renewed by any mail that is delivered, and gone without.
        let hours = |n| NOW + Duration::from_hours(n);
        memory.credit(&origin, false, 3, DAY, hours(23)).await.unwrap();
        assert_eq!(memory.is_known(&origin, hours(46)).await, Ok(true));
        assert_eq!(memory.is_known(&origin, hours(47)).await, Ok(false));
    }

    #[tokio::test]
    async fn spam_takes_away_the_pass_of_its_triplet_and_what_its_origin_earned() {
        let memory = Memory::new(MemoryStore::store());
        let (bad, good, origin) = ([3; KEY], [2; KEY], [9; KEY]);
        for id in [&bad, &good] {
            memory.first_seen(id, DAY, NOW).await.unwrap();
            assert_eq!(memory.passed(id, DAY, NOW).await, Ok(true));
            memory.credit(&origin, true, 2, DAY, NOW).await.unwrap();
        }
        assert_eq!(memory.is_known(&origin, NOW).await, Ok(true));
        memory.fell_from_grace(&bad, &origin, NOW).await.unwrap();
        assert_eq!(memory.is_known(&origin, NOW).await, Ok(false));
        assert_eq!(memory.has_passed(&bad, NOW).await, Ok(false));
        assert_eq!(memory.was_seen(&bad, NOW).await, Ok(None));
        assert_eq!(memory.has_passed(&good, NOW).await, Ok(true));
        memory.credit(&origin, true, 2, DAY, NOW).await.unwrap();
        assert_eq!(memory.is_known(&origin, NOW).await, Ok(false), "it begins anew");
    }

    #[tokio::test]
    async fn a_pass_is_renewed_on_use_and_goes_without() {
        // Lives of days, of hours, of minutes: each is renewed at two thirds of it.
        for life in [DAY * 36, DAY, Duration::from_hours(1), Duration::from_mins(3)] {
            let memory = Memory::new(MemoryStore::store());
            let id = [1; KEY];
            let third = |n: u32| NOW + life / 3 * n;
            assert_eq!(memory.passed(&id, life, third(0)).await, Ok(true));
            assert_eq!(memory.passed(&id, life, third(2)).await, Ok(false));
            assert_eq!(memory.has_passed(&id, third(4)).await, Ok(true), "{life:?}");
            assert_eq!(memory.has_passed(&id, third(5)).await, Ok(false), "{life:?}");
        }
    }

    #[tokio::test]
    async fn what_is_damaged_is_written_over_and_what_is_newer_is_not() {
        let store = MemoryStore::store();
        let memory = Memory::new(store.clone());
        let (id, until) = ([1; KEY], Some(NOW + DAY));
        for (kind, value) in [(b'p', &[1, 0][..]), (b'k', &[][..])] {
            store.put(&key(kind, &id), value, until).await.unwrap();
        }
        assert!(matches!(memory.has_passed(&id, NOW).await, Err(Fault::Broken(_))));
        assert!(matches!(memory.is_known(&id, NOW).await, Err(Fault::Broken(_))));
        assert_eq!(memory.passed(&id, DAY, NOW).await, Ok(false));
        assert_eq!(memory.credit(&id, false, 1, DAY, NOW).await, Ok(()));
        assert_eq!(memory.has_passed(&id, NOW).await, Ok(true));
        assert_eq!(memory.is_known(&id, NOW).await, Ok(true));

        let newer = [VERSION + 1, 7, 7];
        for kind in [b'p', b'k'] {
            store.put(&key(kind, &id), &newer, until).await.unwrap();
        }
        assert!(matches!(memory.passed(&id, DAY, NOW).await, Err(Fault::Broken(_))));
        assert!(matches!(
            memory.credit(&id, true, 1, DAY, NOW).await,
            Err(Fault::Broken(_))
        ));
        for kind in [b'p', b'k'] {
            let still = store.get(&key(kind, &id), NOW).await.unwrap();
            assert_eq!(still.as_deref(), Some(&newer[..]));
        }
    }
}
