//! The options, and what is wrong with them.

use gatepost_core::prelude::*;
use gatepost_core::written::Span;

use gatepost_scanner::options::{Action, Bounds, Order, TooLarge, places};

use crate::place::Place;

/// The options of the filter. What happens where no clamd answers is said beside them: `on_fault`, and per domain
/// `[domain."example.org".filters.clamav] on_fault`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {
    /// Where clamd listens: the absolute path of its Unix socket, `/run/clamav/clamd.ctl`, or with `tcp = true` an address,
    /// `tcp://127.0.0.1:3310`. At most 16. Without any, mail is not scanned, but marked as such, and an alarm says so.
    pub servers: Vec<String>,
    /// Whether `servers` may name TCP addresses. clamd asks nobody who they are: whoever reaches its port can stop it, and
    /// whoever stands between reads all mail and may call it clean.
    pub tcp: bool,
    /// In which order several servers are asked. One that is not there is left out for a second, then two, up to a minute.
    pub order: Order,
    /// How long one mail may wait for its answer in all, other servers included; it must be below the filter's `patience`.
    /// While there is another server to ask, one has half of what is left.
    pub deadline: Span,
    /// So many mails are scanned at once at most, 1 to 1000; others wait, within their own `deadline`. No more than clamd's
    /// MaxThreads is of use.
    pub scans: u16,
    /// The most octets of a mail that are sent to clamd. No more than its StreamMaxLength, and no less than
    /// `limits.message_size`: each server is asked once an hour whether it would take so much, and an alarm says where not.
    pub max_size: u64,
    /// What becomes of mail that is larger than `max_size`, than clamd's StreamMaxLength, or than what clamd looks at
    /// (`AlertExceedsMax yes` in clamd.conf, without which it calls such mail clean).
    pub too_large: TooLarge,
    /// What becomes of mail in which something was found.
    pub action: Action,
    /// What a find weighs besides: all that counts of it in mode `score`.
    pub found_points: Score,
    /// Names of finds that only weigh `heuristic_points`, since they say what a mail is like and not what it is: `*` stands for
    /// anything, `?` for one character. `*.UNOFFICIAL` is all from databases that are not ClamAV's own, your own included.
    pub heuristics: Vec<String>,
    /// Points for such a find.
    pub heuristic_points: Score,
    /// An alarm is raised where clamd's database is older than so many days; 0: never.
    pub database_days: u16,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            servers: Vec::new(),
            tcp: false,
            order: Order::Given,
            deadline: Span::secs(25),
            scans: 10,
            max_size: 25 << 20,
            too_large: TooLarge::Mark,
            action: Action::Reject,
            found_points: Score::points(20),
            heuristics: ["Heuristics.*", "PUA.*"].map(Into::into).into(),
            heuristic_points: Score::points(4),
            database_days: 7,
        }
    }
}

impl Config {
    /// The servers; else the first mistake in the options.
    pub fn check(&self) -> Result<Vec<Place>, BuildError> {
        let read = |text: &str| {
            let place = Place::parse(text).map_err(|expected| format!("expected {expected}, found {text:?}"))?;
            if matches!(place, Place::Tcp(_)) && !self.tcp {
                return Err("clamd has no password: say `tcp = true` if it shall be asked by TCP".into());
            }
            Ok(place)
        };
        let places = places(&self.servers, read)?;
        self.bounds().check(&self.heuristics)?;
        Ok(places)
    }

    /// What bounds the scans.
    pub fn bounds(&self) -> Bounds {
        Bounds {
            order: self.order,
            deadline: self.deadline,
            scans: self.scans,
            max_size: self.max_size,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gatepost_core::Options;

    fn mistake(json: &str) -> Option<String> {
        let options = Options::new(serde_json::from_str(json).expect("a table"));
        let read = options.read::<Config>().and_then(|config| config.check());
        read.err().map(|error| error.to_string())
    }

    #[test]
    fn tcp_is_a_choice_that_is_made_twice() {
        let named = r#"{"servers": ["tcp://127.0.0.1:3310"]}"#;
        assert!(
            mistake(named)
                .expect("a mistake")
                .starts_with("servers[0]: clamd has no password")
        );
        assert_eq!(mistake(r#"{"servers": ["tcp://127.0.0.1:3310"], "tcp": true}"#), None);
        assert_eq!(mistake(r#"{"servers": ["/run/clamav/clamd.ctl", "/run/two"]}"#), None);
    }

    #[test]
    fn each_mistake_is_told_by_its_key() {
        for (json, key) in [
            (r#"{"servers": ["clamd.ctl"]}"#, "servers[0]: "),
            (r#"{"servers": ["/a", "unix:/a"]}"#, "servers[1]: /a is there twice"),
            (r#"{"deadline": "0s"}"#, "deadline: "),
            (r#"{"scans": 0}"#, "scans: "),
            (r#"{"max_size": 0}"#, "max_size: "),
            (r#"{"heuristics": ["a", ""]}"#, "heuristics[1]: "),
            (r#"{"action": "ignore"}"#, "action: "),
            (r#"{"too_large": "ignore"}"#, "too_large: "),
            (r#"{"server": "/a"}"#, ""),
        ] {
            assert!(mistake(json).expect(json).starts_with(key), "{json}");
        }
        assert_eq!(mistake("{}"), None);
    }
}
