//! The mail servers of a route, as they are written: one, or a list with priorities and weights.
//!
//! **Bound:** at most [`MOST`] of them, so that a client waits for no endless list. **Invariant:** there is at least one.

use std::fmt;
use std::ops::Deref;
use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::values::Destination;

/// The most hosts of one route.
pub const MOST: usize = 16;
/// The priority of a host for which none is said.
const PRIORITY: u16 = 10;
/// The greatest weight.
const WEIGHT_MAX: u16 = 1_000;

/// One mail server of a route.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Host {
    /// Where it is.
    pub to: Destination,
    /// Those with the lowest number are tried first.
    pub priority: u16,
    /// How much of the mail it gets among those of its priority.
    pub weight: u16,
}

impl Host {
    /// One for which nothing else is said.
    fn plain(to: Destination) -> Host {
        Host {
            to,
            priority: PRIORITY,
            weight: 1,
        }
    }
}

/// A host as a table.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Table {
    /// Where it is.
    to: Destination,
    /// Those with the lowest number are tried first; 10 where nothing is said.
    #[serde(default = "priority")]
    priority: u16,
    /// How much of the mail it gets among those of its priority; 1 where nothing is said.
    #[serde(default = "weight")]
    #[schemars(range(min = 1, max = WEIGHT_MAX))]
    weight: u16,
}

fn priority() -> u16 {
    PRIORITY
}

fn weight() -> u16 {
    1
}

/// The hosts of a route, in the order in which they are written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Hosts(Vec<Host>);

impl Deref for Hosts {
    type Target = [Host];
    fn deref(&self) -> &[Host] {
        &self.0
    }
}

impl Hosts {
    /// The folder, where the route ends in a Maildir of our own.
    pub fn maildir(&self) -> Option<&Path> {
        self.0.iter().find_map(|host| match &host.to {
            Destination::Maildir(path) => Some(path.as_path()),
            Destination::Smtp { .. } => None,
        })
    }

    /// The mail servers: host and port.
    pub fn servers(&self) -> impl Iterator<Item = (&str, u16)> {
        self.0.iter().filter_map(|host| match &host.to {
            Destination::Smtp { host, port } => Some((&**host, *port)),
            Destination::Maildir(_) => None,
        })
    }
}

impl fmt::Display for Hosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, host) in self.0.iter().enumerate() {
            write!(f, "{}{}", if n == 0 { "" } else { ", " }, host.to)?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Host {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Host, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Host;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"host:port\" or { to = \"host:port\" }")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Host, E> {
                Destination::deserialize(serde::de::value::StrDeserializer::new(text)).map(Host::plain)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Host, A::Error> {
                let Table { to, priority, weight } = Table::deserialize(MapAccessDeserializer::new(map))?;
                if !(1..=WEIGHT_MAX).contains(&weight) {
                    return Err(A::Error::custom(format!(
                        "expected a weight from 1 to {WEIGHT_MAX}, found {weight}"
                    )));
                }
                Ok(Host { to, priority, weight })
            }
        }
        from.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for Hosts {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Hosts, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Hosts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"host:port\", \"maildir:PATH\" or a list of hosts")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Hosts, E> {
                Destination::deserialize(serde::de::value::StrDeserializer::new(text))
                    .map(|to| Hosts(vec![Host::plain(to)]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Hosts, A::Error> {
                let mut hosts = Vec::new();
                while let Some(host) = list.next_element()? {
                    hosts.push(host);
                    if hosts.len() > MOST {
                        return Err(A::Error::custom(format!("expected at most {MOST} hosts")));
                    }
                }
                match hosts.is_empty() {
                    true => Err(A::Error::custom("expected at least one host")),
                    false => Ok(Hosts(hosts)),
                }
            }
        }
        from.deserialize_any(Either)
    }
}

impl JsonSchema for Hosts {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hosts".into()
    }
    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<Destination>();
        let table = generator.subschema_for::<Table>();
        json_schema!({
            "anyOf": [one, { "type": "array", "items": { "anyOf": [one, table] }, "minItems": 1, "maxItems": MOST }],
            "x-expected": "\"host:port\" or \"maildir:PATH\", or a list in [ ] of \"host:port\" and { to = \"host:port\", priority = 10, weight = 1 }"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: serde_json::Value) -> Result<Hosts, String> {
        serde_json::from_value(value).map_err(|error| error.to_string())
    }

    #[test]
    fn one_host_or_several_are_read_and_written_and_read_again() {
        for (value, shown) in [
            (json!("a:25"), "a:25"),
            (json!("maildir:./mail"), "maildir:./mail"),
            (
                json!(["a:25", {"to": "b:25", "priority": 20, "weight": 3}]),
                "a:25, b:25",
            ),
        ] {
            let hosts = read(value).expect("hosts");
            assert_eq!(hosts.to_string(), shown);
            let again = serde_json::to_value(&hosts).expect("JSON");
            assert_eq!(read(again).expect("hosts"), hosts);
        }
        let hosts = read(json!(["a:25", {"to": "b:25", "priority": 20, "weight": 3}])).expect("hosts");
        let told: Vec<_> = hosts.iter().map(|host| (host.priority, host.weight)).collect();
        assert_eq!(told, [(10, 1), (20, 3)]);
    }

    #[test]
    fn a_list_has_a_least_and_a_most_and_its_weights_are_bounded() {
        assert!(read(json!([])).is_err());
        assert!(read(json!(vec!["a:25"; MOST])).is_ok());
        assert!(read(json!(vec!["a:25"; MOST + 1])).is_err());
        for weight in [0, 1001] {
            assert!(read(json!([{"to": "a:25", "weight": weight}])).is_err());
        }
        assert!(read(json!([{"to": "a:25", "wieght": 1}])).is_err());
        assert!(read(json!([{"priority": 1}])).is_err());
    }
}
