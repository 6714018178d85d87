//! Alarms: a metric, and a line in the log, at most one an hour for each kind and subject, and one when it is over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepost_core::{Alarms, Clock, Time};
use metrics::counter;

/// How long the log says nothing more of the same alarm.
const SILENCE: Duration = Duration::from_hours(1);
/// The most alarms that are held at once. Subjects come from the configuration, so more are hardly possible; further ones
/// are counted and told each time.
const MOST: usize = 10_000;

/// Tells operators by log and metric.
pub struct Bells {
    clock: Arc<dyn Clock>,
    /// When the log told of what is wrong.
    rung: Mutex<BTreeMap<(&'static str, Box<str>), Time>>,
}

impl Bells {
    /// Nothing is wrong yet.
    pub fn new(clock: Arc<dyn Clock>) -> Bells {
        Bells {
            clock,
            rung: Mutex::default(),
        }
    }

    /// Whether the log should tell of it now.
    fn rings(&self, kind: &'static str, about: &str) -> bool {
        let now = self.clock.now();
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        let full = rung.len() >= MOST;
        match rung.get_mut(&(kind, about.into())) {
            // A clock that went back keeps nobody silent.
            Some(told) if *told <= now && now.since(*told) < SILENCE => false,
            Some(told) => {
                *told = now;
                true
            }
            None if full => true,
            None => {
                rung.insert((kind, about.into()), now);
                true
            }
        }
    }

    /// Whether it was wrong until now.
    fn ends(&self, kind: &'static str, about: &str) -> bool {
        let mut rung = self.rung.lock().unwrap_or_else(PoisonError::into_inner);
        rung.remove(&(kind, Box::from(about))).is_some()
    }
}

impl Alarms for Bells {
    fn raise(&self, kind: &'static str, about: &str, why: &str) {
        counter!("gatepost_alarms_total", "kind" => kind, "about" => about.to_owned()).increment(1);
        if self.rings(kind, about) {
            tracing::error!(kind, about, why, "an alarm");
        }
    }

    fn over(&self, kind: &'static str, about: &str) {
        if self.ends(kind, about) {
            tracing::info!(kind, about, "an alarm is over");
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_testkit::FakeClock;

    use super::*;

    #[test]
    fn the_log_tells_of_an_alarm_once_an_hour_and_when_it_is_over() {
        let clock = FakeClock::new();
        let bells = Bells::new(clock.clone());
        assert!(bells.rings("deaf", "zen"));
        assert!(!bells.rings("deaf", "zen"));
        assert!(bells.rings("deaf", "psbl") && bells.rings("blind", "zen"));
        clock.forward(Duration::from_mins(59));
        assert!(!bells.rings("deaf", "zen"));
        clock.forward(Duration::from_mins(1));
        assert!(bells.rings("deaf", "zen"));
        assert!(bells.ends("deaf", "zen"));
        assert!(!bells.ends("deaf", "zen"), "once");
        assert!(bells.rings("deaf", "zen"), "it is back");
    }
}
