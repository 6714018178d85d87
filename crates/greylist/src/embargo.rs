//! Whether a triplet still has to wait: a pure function of when it was first seen and what time it is.
//!
//! **Invariants:** whoever may pass may pass at any later moment; a retry that comes too early changes nothing; a clock
//! that went back far makes nobody wait again, and one that went back a little (or a second node's that is slow) by no more
//! than [`SKEW`] longer.

use std::time::Duration;

use gatepost_core::Time;

/// By so much two clocks may differ, or one be set back, before what was written is taken for wrong.
pub const SKEW: Duration = Duration::from_mins(1);

/// For how long strangers wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Embargo {
    /// At least so long after they were first seen.
    pub delay: Duration,
    /// And up to so much longer, the same for a triplet each time.
    pub jitter: Duration,
}

/// What is done with a triplet that did not pass before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It has waited.
    Pass,
    /// It has still to wait for so long.
    Wait(Duration),
}

impl Embargo {
    /// How long this triplet waits in all; `lot` is its own number.
    pub fn limit(&self, lot: u64) -> Duration {
        let jitter = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX);
        let more = lot.checked_rem(jitter).unwrap_or(0);
        self.delay.saturating_add(Duration::from_millis(more))
    }

    /// Decides about a triplet that was first seen at a moment.
    pub fn decide(&self, first: Time, now: Time, lot: u64) -> Decision {
        // First seen in the future: the clock was wrong then or is wrong now, and the client is not to blame. By a little,
        // it is another node's clock: who tries the second node a moment after the first has not waited.
        if first > now + SKEW {
            return Decision::Pass;
        }
        match self.limit(lot).checked_sub(now.since(first)) {
            None | Some(Duration::ZERO) => Decision::Pass,
            Some(left) => Decision::Wait(left),
        }
    }
}

/// How long to wait in words that tell no exact second: `5 minutes`.
pub fn about(left: Duration) -> String {
    match left.as_secs().div_ceil(60) {
        0 | 1 => "a minute".into(),
        minutes if minutes < 120 => format!("{minutes} minutes"),
        minutes => format!("{} hours", minutes.div_ceil(60)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FIVE: Embargo = Embargo {
        delay: Duration::from_secs(300),
        jitter: Duration::ZERO,
    };

    #[test]
    fn the_second_decides() {
        let first = Time::from_secs(1_000);
        let at = |secs: u64| FIVE.decide(first, Time::from_secs(1_000 + secs), 99);
        assert_eq!(at(0), Decision::Wait(Duration::from_secs(300)));
        assert_eq!(at(299), Decision::Wait(Duration::from_secs(1)));
        assert_eq!((at(300), at(1_000_000)), (Decision::Pass, Decision::Pass));
    }

    #[test]
    fn the_jitter_makes_the_wait_longer_by_the_lot() {
        let some = Embargo {
            jitter: Duration::from_secs(120),
            ..FIVE
        };
        let limits = [0, 7_000, 119_999, 120_000].map(|lot| some.limit(lot).as_millis());
        assert_eq!(limits, [300_000, 307_000, 419_999, 300_000]);
        assert_eq!(FIVE.limit(u64::MAX), FIVE.delay);
    }

    #[test]
    fn a_first_sight_in_the_future_makes_nobody_wait_unless_clocks_differ_a_little() {
        let seen_ahead_by = |secs: u64| FIVE.decide(Time::from_secs(1_000 + secs), Time::from_secs(1_000), 0);
        assert_eq!(seen_ahead_by(1_000), Decision::Pass);
        assert_eq!(seen_ahead_by(61), Decision::Pass);
        assert_eq!(seen_ahead_by(60), Decision::Wait(Duration::from_secs(300)));
        assert_eq!(seen_ahead_by(1), Decision::Wait(Duration::from_secs(300)));
    }

    #[test]
    fn the_wait_is_told_roughly() {
        let told = |secs| about(Duration::from_secs(secs));
        assert_eq!(
            [told(1), told(60), told(61), told(300)],
            ["a minute", "a minute", "2 minutes", "5 minutes"]
        );
        assert_eq!(
            [told(7_140), told(7_200), told(90_000)],
            ["119 minutes", "2 hours", "25 hours"]
        );
    }

    proptest! {
        #[test]
        fn whoever_passes_once_passes_ever_after(delay in 0..10_000u64, jitter in 0..10_000u64, lot: u64, first in 0..50_000u64, now in 0..100_000u64, later in 0..100_000u64) {
            let embargo = Embargo { delay: Duration::from_millis(delay), jitter: Duration::from_millis(jitter) };
            let limit = embargo.limit(lot);
            prop_assert!(limit >= embargo.delay && limit <= embargo.delay + embargo.jitter);
            let at = |time| embargo.decide(Time::from_millis(first), Time::from_millis(time), lot);
            if now >= first && at(now) == Decision::Pass {
                prop_assert_eq!(at(now + later), Decision::Pass);
            }
            if let Decision::Wait(left) = at(now) {
                prop_assert!(left <= limit && left > Duration::ZERO);
                prop_assert!(first <= now + 60_000);
                prop_assert_eq!(at(first.max(now) + u64::try_from(left.as_millis()).expect("short")), Decision::Pass);
            }
        }
    }
}
