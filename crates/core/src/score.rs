//! Points, as integers.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Neg, Sub};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Points in hundredths: no NaN, equal in tests. Positive points speak for spam, negative ones against it.
///
/// Arithmetic saturates. In configuration and records a score is a number of points, `2.5`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct Score(i32);

impl Score {
    /// No points.
    pub const ZERO: Score = Score(0);
    /// More than any sum reaches.
    pub const MAX: Score = Score(i32::MAX);
    /// The most points that configuration may give to one finding or threshold, on either side of zero.
    pub const LIMIT: f64 = 10_000.0;

    /// A score of whole points.
    pub const fn points(points: i32) -> Score {
        Score(points.saturating_mul(100))
    }

    /// A score of hundredths of a point.
    pub const fn hundredths(hundredths: i32) -> Score {
        Score(hundredths)
    }

    /// The score in hundredths of a point.
    pub const fn as_hundredths(self) -> i32 {
        self.0
    }

    /// Reads a number of points, rounded to hundredths; `None` for NaN and beyond [`Score::LIMIT`].
    pub fn from_f64(points: f64) -> Option<Score> {
        (points.abs() <= Score::LIMIT).then(|| Score((points * 100.0).round() as i32))
    }
}

impl Add for Score {
    type Output = Score;
    fn add(self, other: Score) -> Score {
        Score(self.0.saturating_add(other.0))
    }
}

impl Sub for Score {
    type Output = Score;
    fn sub(self, other: Score) -> Score {
        Score(self.0.saturating_sub(other.0))
    }
}

impl Neg for Score {
    type Output = Score;
    fn neg(self) -> Score {
        Score(self.0.saturating_neg())
    }
}

impl Sum for Score {
    fn sum<I: Iterator<Item = Score>>(scores: I) -> Score {
        scores.fold(Score::ZERO, Add::add)
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let whole = self.0.unsigned_abs();
        match whole % 100 {
            0 => write!(f, "{sign}{}", whole / 100),
            part if part % 10 == 0 => write!(f, "{sign}{}.{}", whole / 100, part / 10),
            part => write!(f, "{sign}{}.{part:02}", whole / 100),
        }
    }
}

impl Serialize for Score {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(f64::from(self.0) / 100.0)
    }
}

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Score, D::Error> {
        let points = f64::deserialize(from)?;
        Score::from_f64(points)
            .ok_or_else(|| D::Error::custom(format!("a score between -10000 and 10000, not {points}")))
    }
}

impl schemars::JsonSchema for Score {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Score".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "number", "minimum": -10000, "maximum": 10000, "description": "A number of points, 2.5; rounded to hundredths." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_reads_and_prints_as_points() {
        for (points, text) in [
            (2.5, "2.5"),
            (-0.25, "-0.25"),
            (3.0, "3"),
            (0.0, "0"),
            (1.005, "1"),
            (-12.3, "-12.3"),
        ] {
            assert_eq!(Score::from_f64(points).unwrap().to_string(), text);
        }
        assert_eq!(Score::from_f64(f64::NAN), None);
        assert_eq!(Score::from_f64(10_000.5), None);
    }

    #[test]
    fn sums_saturate() {
        assert_eq!(Score::MAX + Score::points(1), Score::MAX);
        assert_eq!(
            [Score::points(1), Score::hundredths(-50)].into_iter().sum::<Score>(),
            Score::hundredths(50)
        );
    }

    #[test]
    fn a_score_survives_json() {
        let json = serde_json::to_string(&Score::hundredths(-275)).unwrap();
        assert_eq!(json, "-2.75");
        assert_eq!(serde_json::from_str::<Score>(&json).unwrap(), Score::hundredths(-275));
    }
}
