//! The options, and what is wrong with them.

use gatepost_core::prelude::*;
use gatepost_core::written::Span;

use crate::place::Place;
use crate::words::PATTERN_MAX;

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

/// The options of the filter. What happens where no server answers is said beside them: `on_fault`, and per domain
/// `[domain."example.org".filters.icap] on_fault`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {
    /// The services that scan, by the address of their server: `icap://127.0.0.1:1344/avscan`, without a port 1344. At most
    /// 16. Without any, mail is not scanned, but marked as such, and an alarm says so.
    pub servers: Vec<String>,
    /// Whether `servers` may name other machines than this one. ICAP is neither encrypted nor signed: whoever stands between
    /// reads all mail and may call it clean.
    pub net: bool,
    /// Whether each file of a mail is scanned by itself, decoded, besides the whole mail: many engines are made for the web
    /// and take no mail apart. `false` only where yours does.
    pub files: bool,
    /// In which order several servers are asked. One that is not there is left out for a second, then two, up to a minute.
    pub order: Order,
    /// How long one mail may wait for its answer in all, other servers included; it must be below the filter's `patience`.
    /// While there is another server to ask, one has half of what is left.
    pub deadline: Span,
    /// So many mails are scanned at once at most, 1 to 1000; others wait, within their own `deadline`. No more is of use than
    /// what a server says of itself (`Max-Connections`).
    pub scans: u16,
    /// The most octets of a mail that are scanned, and of its files together; no less than `limits.message_size`. See that
    /// the server looks at so much: most call larger mail clean unless they are told otherwise (`MaxObjectSize` of c-icap).
    pub max_size: u64,
    /// What becomes of mail that is larger than `max_size`, has more than 64 files, or is more than the server takes (413).
    pub too_large: TooLarge,
    /// What becomes of mail in which something was found.
    pub action: Action,
    /// What a find weighs besides: all that counts of it in mode `score`.
    pub found_points: Score,
    /// Names of finds that only weigh `heuristic_points`, since they say what a mail is like and not what it is: `*` stands for
    /// anything, `?` for one character. `Modified` and `Blocked.HTTP.403` are finds without a name of their own: the server
    /// sent something else back.
    pub heuristics: Vec<String>,
    /// Points for such a find.
    pub heuristic_points: Score,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            servers: Vec::new(),
            net: false,
            files: true,
            order: Order::Given,
            deadline: Span::secs(25),
            scans: 10,
            max_size: 25 << 20,
            too_large: TooLarge::Mark,
            action: Action::Reject,
            found_points: Score::points(20),
            heuristics: ["Heuristics.*", "PUA.*"].map(Into::into).into(),
            heuristic_points: Score::points(4),
        }
    }
}

impl Config {
    /// The servers; else the first mistake in the options.
    pub fn check(&self) -> Result<Vec<Place>, BuildError> {
        if self.servers.len() > SERVERS_MAX {
            return Err(BuildError::at("servers", format!("expected at most {SERVERS_MAX}")));
        }
        let mut places = Vec::new();
        for (n, text) in self.servers.iter().enumerate() {
            let wrong = |why: String| BuildError::at(format!("servers[{n}]"), why);
            let place = Place::parse(text).map_err(|expected| wrong(format!("expected {expected}, found {text:?}")))?;
            if place.is_open() && !self.net {
                return Err(wrong(
                    "ICAP is neither encrypted nor signed: say `net = true` if another machine shall be asked".into(),
                ));
            }
            if places.contains(&place) {
                return Err(wrong(format!("{place} is there twice")));
            }
            places.push(place);
        }
        if self.deadline.0.is_zero() {
            return Err(BuildError::at("deadline", "expected more than no time"));
        }
        if !(1..=SCANS_MAX).contains(&usize::from(self.scans)) {
            return Err(BuildError::at("scans", format!("expected 1 to {SCANS_MAX}")));
        }
        if self.max_size == 0 || self.max_size > u64::from(u32::MAX) {
            return Err(BuildError::at("max_size", "expected 1 to 4294967295 octets"));
        }
        if self.heuristics.len() > PATTERNS_MAX {
            return Err(BuildError::at("heuristics", format!("expected at most {PATTERNS_MAX}")));
        }
        for (n, pattern) in self.heuristics.iter().enumerate() {
            if pattern.is_empty() || pattern.len() > PATTERN_MAX {
                let why = format!("expected a pattern of 1 to {PATTERN_MAX} octets, such as \"PUA.*\"");
                return Err(BuildError::at(format!("heuristics[{n}]"), why));
            }
        }
        Ok(places)
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
    fn another_machine_is_a_choice_that_is_made_twice() {
        let named = r#"{"servers": ["icap://192.0.2.1/avscan"]}"#;
        assert!(
            mistake(named)
                .expect("a mistake")
                .starts_with("servers[0]: ICAP is neither encrypted")
        );
        assert_eq!(
            mistake(r#"{"servers": ["icap://192.0.2.1/avscan"], "net": true}"#),
            None
        );
        assert_eq!(
            mistake(r#"{"servers": ["icap://127.0.0.1/a", "icap://[::1]/a"]}"#),
            None
        );
    }

    #[test]
    fn each_mistake_is_told_by_its_key() {
        for (json, key) in [
            (
                r#"{"servers": ["127.0.0.1:1344"]}"#,
                "servers[0]: expected an address and a service",
            ),
            (
                r#"{"servers": ["icap://[::1]/a", "icap://[::1]:1344/a"]}"#,
                "servers[1]: icap://[::1]:1344/a is there twice",
            ),
            (r#"{"deadline": "0s"}"#, "deadline: "),
            (r#"{"scans": 0}"#, "scans: "),
            (r#"{"max_size": 0}"#, "max_size: "),
            (r#"{"heuristics": ["a", ""]}"#, "heuristics[1]: "),
            (r#"{"action": "ignore"}"#, "action: "),
            (r#"{"too_large": "ignore"}"#, "too_large: "),
            (r#"{"server": "icap://[::1]/a"}"#, ""),
        ] {
            assert!(mistake(json).expect(json).starts_with(key), "{json}");
        }
        assert_eq!(mistake("{}"), None);
    }
}
