//! How time spans and networks are written in the options of filters.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// A time span, written `5m` or `1h 30m`; at most [`Span::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span(pub Duration);

impl Span {
    /// The longest, a year and a day.
    pub const MAX: Duration = Duration::from_hours(366 * 24);
    /// No time.
    pub const ZERO: Span = Span(Duration::ZERO);

    /// A span of so many seconds.
    pub const fn secs(secs: u64) -> Span {
        Span(Duration::from_secs(secs))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Span, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        match humantime::parse_duration(&text) {
            Ok(span) if span <= Span::MAX => Ok(Span(span)),
            _ => Err(D::Error::custom(format!(
                "expected a time span of at most 366 days, such as \"5m\", found {text:?}"
            ))),
        }
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "OptionSpan".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A time span, 5m or 1h 30m." })
    }
}

/// A network, `192.0.2.0/24`, or one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network(pub IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Network, D::Error> {
        let text = Cow::<'de, str>::deserialize(from)?;
        let net = text
            .parse::<IpNet>()
            .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        match net {
            Ok(net) if net.addr() == net.network() => Ok(Network(net)),
            _ => Err(D::Error::custom(format!(
                "expected a network such as \"192.0.2.0/24\", found {text:?}"
            ))),
        }
    }
}

impl JsonSchema for Network {
    fn schema_name() -> Cow<'static, str> {
        "OptionNetwork".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A network, 192.0.2.0/24 or 2001:db8::/32, or one address." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_networks_are_read_and_nothing_else_is() {
        let span = |text: &str| serde_json::from_value::<Span>(text.into()).ok();
        assert_eq!(span("1h 30m"), Some(Span::secs(5_400)));
        assert_eq!(span("366days"), Some(Span(Span::MAX)));
        for text in ["", "5", "soon", "367days", "-1s"] {
            assert_eq!(span(text), None, "{text}");
        }
        let network = |text: &str| {
            serde_json::from_value::<Network>(text.into())
                .map(|net| net.0.to_string())
                .ok()
        };
        assert_eq!(network("192.0.2.0/24").as_deref(), Some("192.0.2.0/24"));
        assert_eq!(network("2001:db8::1").as_deref(), Some("2001:db8::1/128"));
        for text in ["192.0.2.1/24", "192.0.2.0/33", "a.example", ""] {
            assert_eq!(network(text), None, "{text}");
        }
    }
}
