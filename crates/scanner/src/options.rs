//! What the operator may say of any engine, and what is wrong with it.

use std::fmt::Display;

use gatepost_core::prelude::*;
use gatepost_core::written::Span;

use crate::name::PATTERN_MAX;

/// The most servers.
pub const SERVERS_MAX: usize = 16;
/// The most patterns of names.
pub const PATTERNS_MAX: usize = 100;
/// The most scans at once.
pub const SCANS_MAX: usize = 1_000;

/// In which order several servers are asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum Order {
    /// As they are written: the second one only where the first one fails.
    Given,
    /// Each mail begins with the next one.
    RoundRobin,
}

/// What becomes of a mail in which something was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum Action {
    /// It is refused, `550 5.7.1`, and the sender reads the name of what was found.
    Reject,
    /// It is accepted, kept and not delivered.
    Hold,
    /// It is accepted and not delivered; a copy is kept.
    Discard,
}

/// What becomes of a mail that is too large to be scanned. It never counts as clean.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", rename_all = "snake_case")]
#[schemars(crate = "gatepost_core::schemars")]
pub enum TooLarge {
    /// It is delivered with a header field that tells that it was not scanned.
    Mark,
    /// The client is told to come again (451), which only helps if somebody raises the bound meanwhile.
    Defer,
    /// It is accepted, kept and not delivered.
    Hold,
    /// It is refused (552 5.3.4).
    Reject,
}

/// The places of servers, each of which is there once; else the first mistake in them. `read` says what it expected.
pub fn places<P: PartialEq + Display>(
    servers: &[String],
    read: impl Fn(&str) -> Result<P, String>,
) -> Result<Vec<P>, BuildError> {
    if servers.len() > SERVERS_MAX {
        return Err(BuildError::at("servers", format!("expected at most {SERVERS_MAX}")));
    }
    let mut places = Vec::new();
    for (n, text) in servers.iter().enumerate() {
        let wrong = |why: String| BuildError::at(format!("servers[{n}]"), why);
        let place = read(text).map_err(wrong)?;
        if places.contains(&place) {
            return Err(wrong(format!("{place} is there twice")));
        }
        places.push(place);
    }
    Ok(places)
}

/// What bounds the scans.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// In which order several servers are asked.
    pub order: Order,
    /// How long one mail may wait for its answer in all.
    pub deadline: Span,
    /// So many mails are scanned at once at most.
    pub scans: u16,
    /// The most octets of a mail that are scanned.
    pub max_size: u64,
}

impl Bounds {
    /// The first mistake in them, and in the patterns of names that only weigh.
    pub fn check(&self, heuristics: &[String]) -> Result<(), BuildError> {
        if self.deadline.0.is_zero() {
            return Err(BuildError::at("deadline", "expected more than no time"));
        }
        if !(1..=SCANS_MAX).contains(&usize::from(self.scans)) {
            return Err(BuildError::at("scans", format!("expected 1 to {SCANS_MAX}")));
        }
        if self.max_size == 0 || self.max_size > u64::from(u32::MAX) {
            return Err(BuildError::at("max_size", "expected 1 to 4294967295 octets"));
        }
        if heuristics.len() > PATTERNS_MAX {
            return Err(BuildError::at("heuristics", format!("expected at most {PATTERNS_MAX}")));
        }
        for (n, pattern) in heuristics.iter().enumerate() {
            if pattern.is_empty() || pattern.len() > PATTERN_MAX {
                let why = format!("expected a pattern of 1 to {PATTERN_MAX} octets, such as \"PUA.*\"");
                return Err(BuildError::at(format!("heuristics[{n}]"), why));
            }
        }
        Ok(())
    }
}
