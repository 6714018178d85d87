//! Which resolvers this machine asks, and which of them are public ones, which DNS lists do not serve.

use std::net::IpAddr;

use crate::config::Config;

/// Where the system's resolvers stand.
const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Resolvers that everybody may ask. Lists count questions by resolver, so they answer these with codes of refusal.
const PUBLIC: [&str; 18] = [
    "1.0.0.1",
    "1.1.1.1",
    "8.8.4.4",
    "8.8.8.8",
    "9.9.9.9",
    "149.112.112.112",
    "208.67.220.220",
    "208.67.222.222",
    "94.140.14.14",
    "94.140.15.15",
    "2001:4860:4860::8844",
    "2001:4860:4860::8888",
    "2606:4700:4700::1001",
    "2606:4700:4700::1111",
    "2620:fe::9",
    "2620:fe::fe",
    "2620:119:35::35",
    "2620:119:53::53",
];

/// The resolvers that are asked: those of the configuration, or of the system where it names none.
pub fn asked(config: &Config) -> Vec<IpAddr> {
    if !config.dns.servers.is_empty() {
        return config.dns.servers.iter().map(|server| server.0.ip()).collect();
    }
    listed(&std::fs::read_to_string(RESOLV_CONF).unwrap_or_default())
}

fn listed(resolv_conf: &str) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_whitespace();
        (words.next() == Some("nameserver")).then(|| words.next()?.parse().ok())?
    };
    resolv_conf.lines().filter_map(server).collect()
}

/// Those of them that are public ones.
pub fn public(asked: &[IpAddr]) -> Vec<IpAddr> {
    let is_public = |address: &&IpAddr| PUBLIC.iter().any(|known| known.parse() == Ok(**address));
    asked.iter().filter(is_public).copied().collect()
}

/// What to do about one.
pub fn advice(address: IpAddr) -> String {
    format!(
        "DNS is asked through the public resolver {address}, which many DNS lists do not answer: run a resolver such as unbound on this machine and name it under [dns] servers"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_resolvers_are_known_by_their_addresses() {
        for known in PUBLIC {
            assert!(known.parse::<IpAddr>().is_ok(), "{known}");
        }
        let text = "# nameserver 9.9.9.9\nsearch example.org\nnameserver 127.0.0.53\nnameserver   8.8.8.8 # home\nnameserver\nnameserver x\n";
        let all = listed(text);
        assert_eq!(all.len(), 2);
        assert_eq!(public(&all), ["8.8.8.8".parse::<IpAddr>().expect("an address")]);
    }
}
