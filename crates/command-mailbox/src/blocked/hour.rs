//! The hour of the daily reports, and the zone in which times are told: a fixed distance from UTC.
//!
//! **Absent on purpose:** names of zones and summer time. A report may come an hour later in summer.

use std::borrow::Cow;
use std::time::{Duration, UNIX_EPOCH};

use gatepost_core::Time;
use gatepost_core::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use gatepost_core::serde::de::Error as _;
use gatepost_core::serde::{Deserialize, Deserializer};

/// Milliseconds of a minute.
const MINUTE: u64 = 60_000;
/// Milliseconds of a day.
pub const DAY: u64 = 86_400_000;

/// A time of day, as in `06:00` (UTC) or `06:00+02:00`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hour {
    /// Minutes after midnight there.
    minute: u16,
    /// Minutes that clocks there are ahead of UTC; negative where they are behind.
    ahead: i16,
}

impl Default for Hour {
    /// Six in the morning, UTC.
    fn default() -> Hour {
        Hour { minute: 360, ahead: 0 }
    }
}

fn minutes(text: &str, most: u16) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two =
        |text: &str| (text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse::<u16>().ok())?;
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let all = hours.checked_mul(60)?.checked_add(minutes)?;
    (minutes < 60 && all <= most).then_some(all)
}

impl Hour {
    /// Reads a time of day.
    pub fn read(text: &str) -> Option<Hour> {
        let (time, zone) = match text.find(['+', '-']) {
            Some(at) => text.split_at(at),
            None => (text.strip_suffix('Z').unwrap_or(text), ""),
        };
        let minute = minutes(time, 24 * 60 - 1)?;
        let ahead = match zone.split_at_checked(1) {
            None => 0,
            Some((sign, zone)) => {
                // No zone is further from UTC.
                let ahead = i16::try_from(minutes(zone, 14 * 60)?).ok()?;
                if sign == "-" { -ahead } else { ahead }
            }
        };
        Some(Hour { minute, ahead })
    }

    /// Milliseconds on the clocks there.
    fn local(self, millis: u64) -> u64 {
        let shift = i64::from(self.ahead).saturating_mul(MINUTE as i64);
        millis.saturating_add_signed(shift)
    }

    /// Which day it is, counted so that it begins at this hour.
    pub fn day(self, now: Time) -> u64 {
        self.local(now.millis()).saturating_sub(u64::from(self.minute) * MINUTE) / DAY
    }

    /// When a day begins.
    pub fn begin(self, day: u64) -> Time {
        let local = day.saturating_mul(DAY).saturating_add(u64::from(self.minute) * MINUTE);
        let shift = i64::from(self.ahead).saturating_mul(MINUTE as i64);
        Time::from_millis(local.saturating_add_signed(-shift))
    }

    /// A moment as it is told there, to the minute: `2026-01-05 12:00`.
    pub fn tell(self, millis: u64) -> String {
        // The last moment that has four digits of a year.
        let secs = (self.local(millis) / 1_000).min(253_402_300_799);
        let text = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(secs)).to_string();
        text.get(..16).unwrap_or(&text).replace('T', " ")
    }
}

impl<'de> Deserialize<'de> for Hour {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Hour, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        Hour::read(&text).ok_or_else(|| {
            D::Error::custom(format!(
                "expected a time of day such as \"06:00\" (UTC) or \"06:00+02:00\", found {text:?}"
            ))
        })
    }
}

impl JsonSchema for Hour {
    fn schema_name() -> Cow<'static, str> {
        "OptionHour".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A time of day in UTC, 06:00, or with a distance from it, 06:00+02:00." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hours_are_read_and_nothing_else_is() {
        let hour = |minute, ahead| Some(Hour { minute, ahead });
        for (text, want) in [
            ("06:00", hour(360, 0)),
            ("23:59Z", hour(1_439, 0)),
            ("06:30+02:00", hour(390, 120)),
            ("00:00-03:30", hour(0, -210)),
            ("24:00", None),
            ("6:00", None),
            ("06:60", None),
            ("06:00+15:00", None),
            ("06:00+", None),
            ("+06:00", None),
            ("", None),
            ("soon", None),
        ] {
            assert_eq!(Hour::read(text), want, "{text}");
        }
    }

    #[test]
    fn a_day_begins_at_its_hour_there() {
        // Monday, 5 January 2026, noon UTC.
        let noon = Time::from_secs(1_767_614_400);
        for (text, ago) in [
            ("06:00", 6),
            ("12:00", 0),
            ("13:00", 23),
            ("06:00+02:00", 8),
            ("06:00-02:00", 4),
        ] {
            let hour = Hour::read(text).expect("an hour");
            let begun = hour.begin(hour.day(noon));
            assert_eq!(noon.since(begun), Duration::from_hours(ago), "{text}");
        }
        assert_eq!(
            Hour::read("06:00+05:30").expect("an hour").tell(noon.millis()),
            "2026-01-05 17:30"
        );
        assert_eq!(Hour::default().tell(u64::MAX), "9999-12-31 23:59");
    }

    proptest! {
        #[test]
        fn a_moment_lies_within_its_day(secs in 100_000u64..4_000_000_000, minute in 0u16..1_440, ahead in -840i16..=840) {
            let hour = Hour { minute, ahead };
            let now = Time::from_secs(secs);
            let day = hour.day(now);
            prop_assert!(hour.begin(day) <= now && now < hour.begin(day + 1));
        }
    }
}
