//! How time spans and networks are written in the options.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use gatepost_core::prelude::*;
use gatepost_core::schemars::{Schema, SchemaGenerator, json_schema};
use gatepost_core::serde::Deserializer;
use gatepost_core::serde::de::Error as _;
use ipnet::IpNet;

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
        "ConductSpan".into()
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
        "ConductNetwork".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "A network, 192.0.2.0/24 or 2001:db8::/32, or one address." })
    }
}
