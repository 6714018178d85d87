//! Time as a value: whoever needs to know it is told.

use std::ops::Add;
use std::time::Duration;

/// A moment, in milliseconds since the Unix epoch. The driver's clock makes them; nothing here asks a clock.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Time(u64);

impl Time {
    /// The epoch; earlier than any mail.
    pub const ZERO: Time = Time(0);
    /// Later than anything: "no deadline".
    pub const FAR: Time = Time(u64::MAX);

    /// The moment that lies `millis` milliseconds after the epoch.
    pub const fn from_millis(millis: u64) -> Time {
        Time(millis)
    }

    /// The moment that lies `secs` seconds after the epoch.
    pub const fn from_secs(secs: u64) -> Time {
        Time(secs.saturating_mul(1000))
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the epoch.
    pub const fn secs(self) -> u64 {
        self.0 / 1000
    }

    /// How long ago `earlier` was; zero when it has not come yet (clocks go back).
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Time;

    /// Saturates at [`Time::FAR`].
    fn add(self, by: Duration) -> Time {
        Time(self.0.saturating_add(u64::try_from(by.as_millis()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_saturates_instead_of_turning_over() {
        assert_eq!(Time::FAR + Duration::from_secs(1), Time::FAR);
        assert_eq!(Time::ZERO + Duration::MAX, Time::FAR);
        assert_eq!(Time::from_secs(u64::MAX), Time::FAR);
        assert_eq!(
            Time::from_secs(2) + Duration::from_millis(1500),
            Time::from_millis(3500)
        );
    }

    #[test]
    fn a_clock_that_goes_back_measures_nothing() {
        assert_eq!(Time::from_secs(3).since(Time::from_secs(1)), Duration::from_secs(2));
        assert_eq!(Time::from_secs(1).since(Time::from_secs(3)), Duration::ZERO);
    }
}
