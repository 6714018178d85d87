//! Moments as people write and read them.
#![expect(
    clippy::disallowed_methods,
    reason = "`2h` on a command line means two hours before it was given, and an age is told as of now"
)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Reads a moment: `2026-11-25`, `2026-11-25T10:00:00Z`, or how long ago, `2h`; in milliseconds since the epoch.
pub fn moment(text: &str) -> Result<u64, String> {
    let at = match humantime::parse_duration(text) {
        Ok(ago) => SystemTime::now().checked_sub(ago),
        Err(_) => humantime::parse_rfc3339_weak(text)
            .or_else(|_| humantime::parse_rfc3339_weak(&format!("{text}T00:00:00")))
            .ok(),
    };
    at.and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        .map(|since| since.as_millis() as u64)
        .ok_or_else(|| "expected a moment such as 2026-11-25T10:00:00Z, or how long ago, such as 2h".into())
}

/// Now, in milliseconds since the epoch.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// A span of milliseconds in words: its two largest units, none below the second.
pub fn span(millis: u64) -> String {
    let seconds = millis / 1_000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units
        .iter()
        .position(|(unit, _)| seconds >= *unit)
        .unwrap_or(units.len() - 1);
    let mut left = seconds;
    let mut told = Vec::new();
    for (unit, name) in units.iter().skip(first).take(2) {
        let count = left / unit;
        left %= unit;
        if count > 0 || told.is_empty() {
            told.push(format!("{count}{name}"));
        }
    }
    told.join(" ")
}

/// A moment in words, to the second, UTC.
pub fn shown(millis: u64) -> String {
    // Beyond the year 9999 nothing can be written.
    let secs = (millis / 1_000).min(253_402_300_799);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(secs)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_and_shown() {
        assert_eq!(moment("1970-01-02"), Ok(86_400_000));
        assert_eq!(moment("1970-01-01T00:00:01Z"), Ok(1_000));
        assert_eq!(shown(86_400_999), "1970-01-02T00:00:00Z");
        let (now, ago) = (moment("0s").unwrap(), moment("2h").unwrap());
        assert!((now - ago).abs_diff(7_200_000) < 60_000);
        assert_eq!(shown(u64::MAX), "9999-12-31T23:59:59Z");
        for (millis, text) in [
            (0, "0s"),
            (59_999, "59s"),
            (60_000, "1m"),
            (3_725_000, "1h 2m"),
            (86_400_000 + 59_000, "1d"),
            (2 * 86_400_000 + 3_600_000, "2d 1h"),
        ] {
            assert_eq!(span(millis), text);
        }
        for bad in ["", "yesterday", "-1s", "2026-13-01", "99999999999999y"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
