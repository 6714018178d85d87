//! Whom a filter keeps waiting for a reply.
//!
//! **Invariants:** who waits holds a place here, a timer and its session, and no thread; there are at most as many as the
//! operator allows, and the one that has waited longest is released for the one that comes; they take nobody's place
//! among the sessions that `capacity` allows, nor do they afterwards: whoever has waited takes a place among those that is
//! free, or keeps its place here until it has been told to come again and is gone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use metrics::counter;
use tokio::sync::Notify;

/// Who waits, in the order of coming.
#[derive(Default)]
struct Line {
    next: u64,
    waiting: BTreeMap<u64, Arc<Notify>>,
}

/// All who wait. Shared by all listeners, across reloads.
#[derive(Default)]
pub struct Tarpit(Mutex<Line>);

/// A place in it; dropping it gives it back.
pub struct Place {
    tarpit: Arc<Tarpit>,
    number: u64,
    release: Arc<Notify>,
}

impl Tarpit {
    /// A place among at most `most`; none where nobody may wait.
    pub fn enter(self: &Arc<Self>, most: usize) -> Option<Place> {
        if most == 0 {
            return None;
        }
        let release = Arc::new(Notify::new());
        let mut line = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let number = line.next;
        line.next += 1;
        line.waiting.insert(number, Arc::clone(&release));
        while line.waiting.len() > most {
            if let Some((_, oldest)) = line.waiting.pop_first() {
                counter!("gatepost_tarpit_released_total").increment(1);
                oldest.notify_one();
            }
        }
        drop(line);
        Some(Place {
            tarpit: Arc::clone(self),
            number,
            release,
        })
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).waiting.len()
    }
}

impl Place {
    /// Ends the wait, with so many sessions `open` in all. Says how many of them do not wait, this one included; where
    /// that were more than `sessions`, it gives the place back, unless that was given to another: then there is none.
    /// Zero `sessions` are as many as there like.
    pub fn leave(self, open: impl FnOnce() -> usize, sessions: usize) -> Result<usize, Option<Place>> {
        let mut line = self.tarpit.0.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = line.waiting.remove(&self.number);
        // Within the lock: of two that leave at once, the second sees the first.
        let taken = open().saturating_sub(line.waiting.len());
        if sessions == 0 || taken <= sessions {
            drop(line);
            return Ok(taken);
        }
        let stays = waited
            .map(|release| line.waiting.insert(self.number, release))
            .is_some();
        drop(line);
        Err(stays.then_some(self))
    }

    /// Comes when the place is needed for another.
    pub async fn released(&self) {
        self.release.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut line = self.tarpit.0.lock().unwrap_or_else(PoisonError::into_inner);
        line.waiting.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    async fn is_released(place: &Place) -> bool {
        tokio::time::timeout(Duration::ZERO, place.released()).await.is_ok()
    }

    #[tokio::test]
    async fn the_one_that_waited_longest_makes_room_for_the_one_that_comes() {
        let tarpit = Arc::new(Tarpit::default());
        let places: Vec<Place> = (0..3).filter_map(|_| tarpit.enter(2)).collect();
        for (place, released) in places.iter().zip([true, false, false]) {
            assert_eq!(is_released(place).await, released);
        }
        assert_eq!(tarpit.waiting(), 2);
        // A smaller limit after a reload holds at once.
        let last = tarpit.enter(1);
        for place in places.iter().skip(1) {
            assert!(is_released(place).await);
        }
        assert_eq!(tarpit.waiting(), 1);
        drop(places);
        assert_eq!(tarpit.waiting(), 1);
        drop(last);
        assert_eq!(tarpit.waiting(), 0);
    }

    #[test]
    fn who_has_waited_takes_a_place_that_is_free_or_none() {
        let tarpit = Arc::new(Tarpit::default());
        let enter = || tarpit.enter(3).expect("a place");
        let (first, second, third) = (enter(), enter(), enter());
        // Two wait elsewhere in the session that they have a place for.
        let open = || 5;
        assert_eq!(first.leave(open, 3).ok(), Some(3));
        assert_eq!(tarpit.waiting(), 2);
        let told = second.leave(open, 3).err().flatten();
        assert_eq!((told.is_some(), tarpit.waiting()), (true, 2));
        drop(told);
        assert_eq!(tarpit.waiting(), 1);
        assert_eq!(third.leave(|| 4_000, 0).ok(), Some(4_000));
        // One that was released has no place to keep.
        let (released, _other) = (tarpit.enter(1), tarpit.enter(1));
        let told = released.expect("a place").leave(|| 5, 3);
        assert!(matches!(told, Err(None)));
        assert_eq!(tarpit.waiting(), 1);
    }

    #[test]
    fn where_nobody_may_wait_nobody_does() {
        assert!(Arc::new(Tarpit::default()).enter(0).is_none());
    }
}
