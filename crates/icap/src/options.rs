//! The options, and what is wrong with them.

use gatepost_core::prelude::*;
use gatepost_core::written::Span;

use gatepost_scanner::options::{Action, Bounds, Order, TooLarge, places};

use crate::place::Place;

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
        let read = |text: &str| {
            let place = Place::parse(text).map_err(|expected| format!("expected {expected}, found {text:?}"))?;
            if place.is_open() && !self.net {
                return Err(
                    "ICAP is neither encrypted nor signed: say `net = true` if another machine shall be asked".into(),
                );
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
