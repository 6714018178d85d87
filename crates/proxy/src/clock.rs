//! The one real clock.
#![expect(
    clippy::disallowed_methods,
    reason = "this is where the time that everybody else is given comes from"
)]

use std::sync::{Mutex, OnceLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gatepost_core::{Clock, Time};

/// The time of the machines: it runs evenly from the first call on, whatever somebody does to the wall clock, so that no
/// deadline comes early.
pub fn ticks() -> Time {
    static START: OnceLock<Instant> = OnceLock::new();
    Time::from_millis(START.get_or_init(Instant::now).elapsed().as_millis() as u64)
}

/// Wall time that does not jump: it runs with the monotonic clock and follows the wall clock once they differ by more
/// than [`SystemClock::DRIFT`].
pub struct SystemClock {
    anchor: Mutex<(Instant, u64)>,
}

impl SystemClock {
    /// How far, in milliseconds, the wall clock may run away before it is followed.
    pub const DRIFT: u64 = 2_000;

    /// A clock that says what the system's says.
    pub fn new() -> SystemClock {
        SystemClock {
            anchor: Mutex::new((Instant::now(), wall())),
        }
    }
}

fn wall() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_millis() as u64)
}

impl Clock for SystemClock {
    fn now(&self) -> Time {
        let mut anchor = self.anchor.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let now = anchor.1 + anchor.0.elapsed().as_millis() as u64;
        let wall = wall();
        if now.abs_diff(wall) > SystemClock::DRIFT {
            *anchor = (Instant::now(), wall);
            return Time::from_millis(wall);
        }
        Time::from_millis(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_says_what_the_systems_says() {
        let clock = SystemClock::new();
        assert!(clock.now().millis().abs_diff(wall()) < 1_000);
        // Somebody set the wall clock: it is followed.
        clock.anchor.lock().unwrap().1 -= 3_600_000;
        assert!(clock.now().millis().abs_diff(wall()) < 1_000);
    }
}
