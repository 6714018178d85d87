//! The date of a mail header from a number of milliseconds. No time zone is known here: everything is UTC.

/// 9999-12-31 23:59:59; RFC 5322 years have four digits here, so later moments are written as this one.
const LAST_SECOND: u64 = 253_402_300_799;

/// The moment `at_millis` after the Unix epoch as an RFC 5322 §3.3 date with the numeric zone `+0000`.
pub fn date(at_millis: u64) -> String {
    let secs = (at_millis / 1000).min(LAST_SECOND);
    let (days, second) = (secs / 86_400, secs % 86_400);
    let (year, month, day) = civil(days);
    let weekday = match days % 7 {
        0 => "Thu",
        1 => "Fri",
        2 => "Sat",
        3 => "Sun",
        4 => "Mon",
        5 => "Tue",
        _ => "Wed",
    };
    let month = match month {
        1 => "Jan",
        2 => "Feb",
        3 => "Mar",
        4 => "Apr",
        5 => "May",
        6 => "Jun",
        7 => "Jul",
        8 => "Aug",
        9 => "Sep",
        10 => "Oct",
        11 => "Nov",
        _ => "Dec",
    };
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {month} {year:04} {hour:02}:{minute:02}:{second:02} +0000")
}

/// Year, month 1-12 and day 1-31 of the Gregorian calendar, from days since 1970-01-01. Years are counted from March,
/// in eras of 400 years, so that the leap day is the last of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_have_their_known_dates() {
        assert_eq!(date(0), "Thu, 01 Jan 1970 00:00:00 +0000");
        assert_eq!(date(951_782_400_000), "Tue, 29 Feb 2000 00:00:00 +0000");
        assert_eq!(date(1_000_000_000_999), "Sun, 09 Sep 2001 01:46:40 +0000");
        assert_eq!(date(1_234_567_890_000), "Fri, 13 Feb 2009 23:31:30 +0000");
        assert_eq!(date(1_709_251_199_000), "Thu, 29 Feb 2024 23:59:59 +0000");
        assert_eq!(date(1_709_251_200_000), "Fri, 01 Mar 2024 00:00:00 +0000");
        assert_eq!(date(2_147_483_648_000), "Tue, 19 Jan 2038 03:14:08 +0000");
        assert_eq!(date(4_107_542_400_000), "Mon, 01 Mar 2100 00:00:00 +0000");
    }

    #[test]
    fn the_farthest_moment_is_the_last_second_of_9999() {
        assert_eq!(date(u64::MAX), "Fri, 31 Dec 9999 23:59:59 +0000");
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_day_before() {
        let leap = |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for days in 0..146_097 {
            assert_eq!(civil(days), (year, month, day));
            let last = match month {
                2 => 28 + u64::from(leap(year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            day += 1;
            if day > last {
                (day, month) = (1, month + 1);
            }
            if month > 12 {
                (month, year) = (1, year + 1);
            }
        }
    }
}
