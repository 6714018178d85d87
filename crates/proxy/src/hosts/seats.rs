//! How many connections one host may have from us at once.
//!
//! **Invariant:** whoever waits for a place gets the next one that is free: while somebody waits, no connection comes to
//! rest, and before anybody waits one that rests is given up.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A connection's place, given back when it is dropped; nothing where they are not counted.
pub type Seat = Option<OwnedSemaphorePermit>;

/// The places of one host.
pub struct Seats {
    places: Option<Arc<Semaphore>>,
    waiting: AtomicUsize,
}

/// Counts itself among those who wait, whatever becomes of the wait.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Seats {
    /// So many; zero is no limit.
    pub fn new(most: u32) -> Seats {
        let places = usize::try_from(most).ok().filter(|most| *most != 0);
        Seats {
            places: places.map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))),
            waiting: AtomicUsize::new(0),
        }
    }

    /// One that is free now; `Err` where all are taken.
    pub fn free(&self) -> Result<Seat, Full> {
        match &self.places {
            None => Ok(None),
            Some(places) => Arc::clone(places).try_acquire_owned().map(Some).map_err(|_| Full),
        }
    }

    /// The next one that is free, within reason.
    pub async fn wait(&self, patience: Duration) -> Result<Seat, Full> {
        let Some(places) = &self.places else { return Ok(None) };
        self.waiting.fetch_add(1, Ordering::AcqRel);
        let _waiting = Waiting(&self.waiting);
        match tokio::time::timeout(patience, Arc::clone(places).acquire_owned()).await {
            Ok(Ok(seat)) => Ok(Some(seat)),
            _ => Err(Full),
        }
    }

    /// Whether somebody waits.
    pub fn are_wanted(&self) -> bool {
        self.waiting.load(Ordering::Acquire) > 0
    }
}

/// All places are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Full;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn there_are_as_many_places_as_said_and_zero_is_no_limit() {
        let seats = Seats::new(2);
        let (one, two) = (seats.free(), seats.free());
        assert!(one.is_ok() && two.is_ok());
        assert!(matches!(seats.free(), Err(Full)));
        assert!(matches!(seats.wait(Duration::ZERO).await, Err(Full)));
        assert!(!seats.are_wanted());
        drop(one);
        assert!(seats.wait(Duration::from_secs(1)).await.is_ok());
        let endless = Seats::new(0);
        assert!((0..1_000).all(|_| matches!(endless.free(), Ok(None))));
    }
}
