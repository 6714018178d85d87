//! A clock that moves when it is told to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gatepost_core::{Clock, Time};

/// A clock that moves when it is told to, and not otherwise.
#[derive(Debug)]
pub struct FakeClock(AtomicU64);

impl FakeClock {
    /// When a fake clock starts: Monday, 5 January 2026, noon UTC.
    pub const START: Time = Time::from_secs(1_767_614_400);

    /// A clock that shows [`FakeClock::START`].
    pub fn new() -> Arc<FakeClock> {
        FakeClock::at(FakeClock::START)
    }

    /// A clock that shows some time.
    pub fn at(time: Time) -> Arc<FakeClock> {
        Arc::new(FakeClock(AtomicU64::new(time.millis())))
    }

    /// Moves it forward by whole milliseconds.
    pub fn forward(&self, by: Duration) {
        self.0
            .fetch_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Moves it and tokio's clock together. Tokio's must be paused (`start_paused`), else tokio panics.
    pub async fn pass(&self, by: Duration) {
        self.forward(by);
        tokio::time::advance(by).await;
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_moves_when_told_and_tokio_with_it() {
        let clock = FakeClock::new();
        let before = tokio::time::Instant::now();
        assert_eq!(clock.now(), FakeClock::START);
        clock.pass(Duration::from_secs(300)).await;
        assert_eq!(clock.now().since(FakeClock::START), Duration::from_secs(300));
        assert_eq!(before.elapsed(), Duration::from_secs(300));
    }
}
