//! Moments as people write and read them.
#![expect(
    clippy::disallowed_methods,
    reason = "`2h` on a command line means two hours before it was given"
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
        for bad in ["", "yesterday", "-1s", "2026-13-01", "99999999999999y"] {
            assert!(moment(bad).is_err(), "{bad}");
        }
    }
}
