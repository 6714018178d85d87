//! What is remembered of triplets and origins, in the store. Everything goes by itself when its time has come.
//!
//! | key | value | how long |
//! |---|---|---|
//! | `f` triplet | when it was first seen | the window |
//! | `p` triplet | when it last passed | the lifetime, renewed on use |
//! | `n` origin | how many triplets of it passed | the lifetime |
//! | `k` origin | when it was last renewed: nobody from there waits | the lifetime, renewed on use |
//! | `began` | when greylisting began here | ever |
//!
//! A value is a version octet and a time in milliseconds. **Invariant:** what a check writes it writes only where nothing
//! was (`swap` from nothing); all else is written after a mail was delivered or refused.

use std::time::Duration;

use gatepost_core::{Fault, Store, Swap, Time};

use crate::triplet::KEY;

/// The version of a value that this crate writes.
const VERSION: u8 = 1;
/// What was renewed within this time is not written again.
const FRESH: Duration = Duration::from_hours(24);

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

    /// A mail of this triplet was delivered: it passes from now on, and so does its whole origin once `enough` of it did
    /// (0: never).
    pub async fn passed(
        &self,
        triplet: &Id,
        origin: &Id,
        enough: u32,
        lifetime: Duration,
        now: Time,
    ) -> Result<(), Fault> {
        let until = Some(now + lifetime);
        let pass = key(b'p', triplet);
        let first = match self.store.swap(&pass, None, Some(&write(now)), until, now).await? {
            Swap::Done => true,
            Swap::Was(value) => {
                let last = value.as_deref().map(|value| read(value, "a pass")).transpose();
                if last.ok().flatten().is_none_or(|last| now.since(last) >= FRESH) {
                    self.store.put(&pass, &write(now), until).await?;
                }
                false
            }
        };
        if enough == 0 {
            return Ok(());
        }
        let known = key(b'k', origin);
        let renew = match self.time(&known, "a known origin", now).await {
            Ok(Some(last)) => now.since(last) >= FRESH,
            Ok(None) => first && self.store.add(&key(b'n', origin), 1, now + lifetime, now).await? >= i64::from(enough),
            Err(_) => true,
        };
        if renew {
            self.store.put(&known, &write(now), until).await?;
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
    async fn an_origin_is_known_after_enough_different_triplets_and_no_sooner() {
        let memory = Memory::new(MemoryStore::store());
        let origin = [9; KEY];
        for n in [1, 1, 1, 2, 2] {
            memory.passed(&[n; KEY], &origin, 3, DAY, NOW).await.unwrap();
            assert_eq!(memory.is_known(&origin, NOW).await, Ok(false), "{n}");
        }
        memory.passed(&[3; KEY], &origin, 3, DAY, NOW).await.unwrap();
        assert_eq!(memory.is_known(&origin, NOW).await, Ok(true));
        memory.fell_from_grace(&[3; KEY], &origin, NOW).await.unwrap();
        assert_eq!(memory.is_known(&origin, NOW).await, Ok(false));
        assert_eq!(memory.has_passed(&[3; KEY], NOW).await, Ok(false));
        assert_eq!(memory.has_passed(&[2; KEY], NOW).await, Ok(true));
    }

    #[tokio::test]
    async fn a_pass_is_renewed_on_use_and_goes_without() {
        let memory = Memory::new(MemoryStore::store());
        let (id, origin) = ([1; KEY], [2; KEY]);
        let days = |n: u32| NOW + DAY * n;
        memory.passed(&id, &origin, 0, DAY * 3, days(0)).await.unwrap();
        memory.passed(&id, &origin, 0, DAY * 3, days(2)).await.unwrap();
        assert_eq!(memory.has_passed(&id, days(4)).await, Ok(true));
        assert_eq!(memory.has_passed(&id, days(5)).await, Ok(false));
    }
}
