//! What clamd says of itself: `ClamAV 1.4.6/27800/Thu Nov 26 08:30:00 2026`, engine, database, and when that was made.
//!
//! **Invariant:** pure and total; what cannot be read is not known. **Absent on purpose:** time zones. clamd writes its
//! own, which is mostly ours, and an age of days does not depend on it.

use gatepost_core::Time;

use crate::session::shown;

/// The most octets of what clamd says of itself that are kept.
pub const MAX: usize = 120;

/// Engine and database.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Version {
    /// As it was said: printable ASCII, at most [`MAX`] octets.
    pub words: String,
    /// When the database was made; none where there is none, or none of ClamAV's own.
    pub made: Option<Time>,
}

impl Version {
    /// Reads the answer to VERSION, with or without its end.
    pub fn read(answer: &[u8]) -> Version {
        let line = answer
            .split(|octet| matches!(octet, 0 | b'\n'))
            .next()
            .unwrap_or_default();
        let words = shown(line.trim_ascii(), MAX);
        let made = words.splitn(3, '/').nth(2).and_then(moment);
        Version { words, made }
    }

    /// How old the database is, in whole days; none where that is not known.
    pub fn days(&self, now: Time) -> Option<u64> {
        Some(now.since(self.made?).as_secs() / 86_400)
    }
}

/// Reads `Thu Nov 26 08:30:00 2026`, as asctime(3) writes it.
fn moment(text: &str) -> Option<Time> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let mut words = text.split_ascii_whitespace();
    let (_, month, day, clock, year) = (
        words.next()?,
        words.next()?,
        words.next()?,
        words.next()?,
        words.next()?,
    );
    let month = MONTHS.iter().position(|name| *name == month)? as u64 + 1;
    let day: u64 = day.parse().ok().filter(|day| (1..=31).contains(day))?;
    let year: u64 = year.parse().ok().filter(|year| (1970..=9999).contains(year))?;
    let mut parts = clock
        .split(':')
        .map(|part| part.parse::<u64>().ok().filter(|part| *part < 61));
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next()??);
    Some(Time::from_secs(
        days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second,
    ))
}

/// Days from 1970-01-01 to a date of the Gregorian calendar; the year is 1970 or later. March begins the year here, so
/// that the odd day is its last.
fn days(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let before = year * 365 + year / 4 - year / 100 + year / 400;
    let within = (153 * month + 2) / 5 + day - 1;
    (before + within).saturating_sub(719_468)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_age_of_a_database_is_read() {
        let version = Version::read(b"ClamAV 1.4.6/27800/Thu Nov 26 08:30:00 2026\0");
        assert_eq!(version.words, "ClamAV 1.4.6/27800/Thu Nov 26 08:30:00 2026");
        assert_eq!(version.made, Some(Time::from_secs(1_795_681_800)));
        assert_eq!(version.days(Time::from_secs(1_795_681_800 + 3 * 86_400 + 5)), Some(3));
        assert_eq!(
            version.days(Time::ZERO),
            Some(0),
            "a clock that is behind makes nothing old"
        );
        let leap = Version::read(b"ClamAV 1/1/Thu Feb 29 00:00:00 2024\n");
        assert_eq!(leap.made, Some(Time::from_secs(1_709_164_800)));
        assert_eq!(days(1970, 1, 1), 0);
        assert_eq!(days(2000, 3, 1), 11_017);
    }

    #[test]
    fn without_a_database_of_its_own_no_age_is_known() {
        for text in [
            "ClamAV 1.4.6",
            "ClamAV 1.4.6//",
            "ClamAV 1.4.6/1/yesterday",
            "UNKNOWN COMMAND",
            "",
        ] {
            assert_eq!(Version::read(text.as_bytes()).made, None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_read_within_bounds(octets: Vec<u8>, date in "[A-Z][a-z]{2} (Jan|Dec) [0-9]{1,3} [0-9:]{0,9} [0-9]{1,20}") {
            prop_assert!(Version::read(&octets).words.len() <= MAX);
            let _ = Version::read(format!("ClamAV/1/{date}").as_bytes()).days(Time::FAR);
        }
    }
}
