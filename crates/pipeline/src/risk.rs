//! How much wanted mail the classifiers may take for spam: what the operator chooses instead of a magic score.
//!
//! **Absent on purpose:** what follows from it. [`Fusion`](crate::Fusion) knows the log-odds at which it is reached.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};

use crate::fusion::{Fusion, Ham};

const EXPECTED: &str = "a risk such as \"1 in 1000\", or 0.001, from 1 in 10 to 1 in 1000000";

/// One wanted mail in so many may be taken for spam by the classifiers alone.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug)]
pub struct Risk(f64);

impl Risk {
    /// The risk that is a share of wanted mail, 0.001; none outside of the bounds.
    pub fn of(share: f64) -> Option<Risk> {
        let (least, most) = Fusion::RISKS;
        // NaN is within no bounds.
        (least..=most).contains(&share).then_some(Risk(share))
    }

    /// The share of wanted mail.
    pub fn share(self) -> f64 {
        self.0
    }

    /// How many wanted mails must be confirmed before anybody can know that the risk is no higher.
    pub fn ham_needed(self) -> u64 {
        (Ham::FOR_ONE / self.0).round() as u64
    }
}

impl Default for Risk {
    fn default() -> Risk {
        Risk(Fusion::RISK)
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one_in = 1.0 / self.0;
        if (one_in - one_in.round()).abs() < 1e-6 * one_in {
            write!(f, "1 in {}", one_in.round())
        } else {
            write!(f, "{}", self.0)
        }
    }
}

impl FromStr for Risk {
    type Err = String;

    fn from_str(text: &str) -> Result<Risk, String> {
        let share = match text.trim().split_once(" in ") {
            Some((one, many)) if one.trim() == "1" => many.trim().parse::<u64>().ok().map(|many| 1.0 / many as f64),
            Some(_) => None,
            None => text.trim().parse().ok(),
        };
        share
            .and_then(Risk::of)
            .ok_or_else(|| format!("expected {EXPECTED}, found {text:?}"))
    }
}

struct Read;

impl Visitor<'_> for Read {
    type Value = Risk;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Risk, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_f64<E: Error>(self, share: f64) -> Result<Risk, E> {
        Risk::of(share).ok_or_else(|| E::custom(format!("expected {EXPECTED}, found {share}")))
    }

    fn visit_u64<E: Error>(self, share: u64) -> Result<Risk, E> {
        self.visit_f64(share as f64)
    }

    fn visit_i64<E: Error>(self, share: i64) -> Result<Risk, E> {
        self.visit_f64(share as f64)
    }
}

impl<'de> Deserialize<'de> for Risk {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Risk, D::Error> {
        from.deserialize_any(Read)
    }
}

impl JsonSchema for Risk {
    fn schema_name() -> Cow<'static, str> {
        "Risk".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "x-expected": EXPECTED })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_risk_is_read_as_people_write_it() {
        for (text, share, shown, needed) in [
            ("\"1 in 1000\"", 0.001, "1 in 1000", 3_000),
            ("\" 1 in  20 \"", 0.05, "1 in 20", 60),
            ("0.001", 0.001, "1 in 1000", 3_000),
            ("\"0.0001\"", 0.0001, "1 in 10000", 30_000),
            ("0.003", 0.003, "0.003", 1_000),
        ] {
            let risk: Risk = serde_json::from_str(text).expect(text);
            assert_eq!((risk.share(), risk.to_string().as_str()), (share, shown), "{text}");
            assert_eq!(risk.ham_needed(), needed, "{text}");
        }
    }

    #[test]
    fn nonsense_is_no_risk() {
        for text in [
            "0",
            "1",
            "-1",
            "0.5",
            "1e-9",
            "\"2 in 1000\"",
            "\"1 in 0\"",
            "\"1 in\"",
            "\"1 in 5\"",
            "\"NaN\"",
            "\"\"",
            "true",
            "\"1 in 99999999999999999999\"",
        ] {
            let bad = serde_json::from_str::<Risk>(text).expect_err(text).to_string();
            assert!(bad.contains("1 in 1000"), "{text}: {bad}");
        }
    }
}
