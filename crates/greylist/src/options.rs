//! The options, and how they are written.

use gatepost_core::prelude::*;
use gatepost_core::written::{Network, Span};

/// The options of the filter.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(crate = "gatepost_core::serde", default, deny_unknown_fields)]
#[schemars(crate = "gatepost_core::schemars")]
pub struct Config {
    /// How long a stranger waits after it was first seen.
    pub delay: Span,
    /// Up to so much longer, the same for a sender and recipient at each try, so that nobody can foresee it.
    pub jitter: Span,
    /// Within this time after it was first seen it must come again; later it is a stranger again.
    pub window: Span,
    /// For so long who has waited need not wait again; renewed by each delivered mail.
    pub lifetime: Span,
    /// After so many different senders or recipients of one network or domain have waited and got their mail delivered,
    /// nobody from there waits, for the lifetime, renewed by each delivered mail; 0 for never.
    pub auto_pass: u32,
    /// For so long after greylisting began here nobody waits, and everybody is remembered: those who write now have waited
    /// when it is over.
    pub grace: Span,
    /// So many bits of an IPv4 address are its network.
    pub ipv4_prefix: u8,
    /// So many bits of an IPv6 address are its network.
    pub ipv6_prefix: u8,
    /// Domains whose many servers try in turn. A client whose reverse name lies below one of them, and leads back to it,
    /// waits as that domain, not as its network. The domain of an SPF record that authorises the client comes first.
    pub pools: Vec<String>,
    /// Clients in these networks never wait.
    pub exempt_networks: Vec<Network>,
}

impl Default for Config {
    fn default() -> Config {
        let minutes = |n| Span(Duration::from_mins(n));
        let hours = |n| Span(Duration::from_hours(n));
        Config {
            delay: minutes(5),
            jitter: minutes(2),
            window: hours(28),
            lifetime: hours(36 * 24),
            auto_pass: 5,
            grace: minutes(30),
            ipv4_prefix: 24,
            ipv6_prefix: 64,
            pools: [
                "outlook.com",
                "google.com",
                "amazonses.com",
                "yahoo.com",
                "mail.icloud.com",
                "sendgrid.net",
            ]
            .map(Into::into)
            .into(),
            exempt_networks: Vec::new(),
        }
    }
}

impl Config {
    /// What cannot be meant, by its key.
    pub fn check(&self) -> Result<(), BuildError> {
        let wrong = |key: &str, why: String| Err(BuildError::at(key, why));
        let longest = self.delay.0.saturating_add(self.jitter.0);
        if self.window.0 <= longest {
            return wrong(
                "window",
                "nobody could ever pass: expected more than delay and jitter together".into(),
            );
        }
        if self.lifetime.0.is_zero() {
            return wrong(
                "lifetime",
                "everybody would wait each time: expected more than no time".into(),
            );
        }
        if !(8..=32).contains(&self.ipv4_prefix) {
            return wrong("ipv4_prefix", format!("expected 8 to 32, found {}", self.ipv4_prefix));
        }
        if !(16..=128).contains(&self.ipv6_prefix) {
            return wrong("ipv6_prefix", format!("expected 16 to 128, found {}", self.ipv6_prefix));
        }
        for (n, pool) in self.pools.iter().enumerate() {
            if !pool.contains('.') || Domain::parse(pool, false).is_err() {
                return wrong(
                    &format!("pools[{n}]"),
                    format!("expected a domain such as \"example.com\", found {pool:?}"),
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::registry::Options;

    use super::*;

    fn read(json: &str) -> Result<Config, BuildError> {
        let table = serde_json::from_str(json).expect("a table");
        Options::new(table)
            .read::<Config>()
            .and_then(|config| config.check().map(|()| config))
    }

    #[test]
    fn what_cannot_be_meant_is_told_by_its_key() {
        for (json, key) in [
            (r#"{"delay": "soon"}"#, "delay"),
            (r#"{"delay": "400days"}"#, "delay"),
            (r#"{"delay": "1h", "window": "1h"}"#, "window"),
            (r#"{"lifetime": "0s"}"#, "lifetime"),
            (r#"{"ipv4_prefix": 33}"#, "ipv4_prefix"),
            (r#"{"ipv6_prefix": 8}"#, "ipv6_prefix"),
            (r#"{"pools": ["a.example", "nonsense"]}"#, "pools[1]"),
            (r#"{"exempt_networks": ["192.0.2.1/24"]}"#, "exempt_networks[0]"),
        ] {
            assert_eq!(read(json).expect_err(json).key, key, "{json}");
        }
        let good = read(r#"{"delay": "1h 30m", "exempt_networks": ["192.0.2.7", "2001:db8::/32"]}"#).expect("options");
        assert_eq!(good.delay, Span(Duration::from_mins(90)));
    }
}
