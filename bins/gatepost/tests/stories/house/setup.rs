//! A configuration, as a story writes it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use super::free_address;

/// A configuration, key by key: `limits.junk`, `route.default.tls`. Values are TOML.
#[derive(Clone)]
pub struct Setup {
    keys: BTreeMap<String, String>,
    listeners: Vec<(String, BTreeMap<String, String>)>,
}

impl Setup {
    /// A proxy without listeners and routes, which asks nobody on the net, is in nobody's way, and takes no end of
    /// sessions from its one client.
    pub fn new() -> Setup {
        let setup = Setup {
            keys: BTreeMap::new(),
            listeners: Vec::new(),
        };
        setup
            .set("hostname", "'mx.example.org'")
            .set("local_domains", "['example.org']")
            .set("pipeline.inbound.tiers", "[['conduct']]")
            .set("pipeline.outbound.tiers", "[]")
            .set("limits.sessions_per_client", "0")
            .set("limits.sessions_per_network", "0")
            .set("limits.new_sessions_per_minute", "0")
            .set("dns.servers", "['127.0.0.1:9']")
            .set("dns.timeout", "'200ms'")
            .set("log.format", "'json'")
            .set("log.level", "'trace'")
    }

    /// A proxy between the world, at the listener `mx`, and this mail server.
    pub fn before(server: SocketAddr) -> Setup {
        Setup::new()
            .set("route.default.upstream", format!("'{server}'"))
            .set("route.default.tls", "'none'")
            // So that what the server does next is met by the next client; `keeping` has the stories of the other way.
            .set("route.default.keep.idle", "'0s'")
            .listener("mx", "inbound", &[])
    }

    #[must_use]
    pub fn set(mut self, key: &str, value: impl Into<String>) -> Setup {
        self.keys.insert(key.into(), value.into());
        self
    }

    #[must_use]
    pub fn without(mut self, key: &str) -> Setup {
        self.keys.remove(key);
        self
    }

    /// One more listener, on a port of its own.
    #[must_use]
    pub fn listener(mut self, name: &str, direction: &str, more: &[(&str, &str)]) -> Setup {
        let mut keys: BTreeMap<_, _> = more
            .iter()
            .map(|(key, value)| ((*key).into(), (*value).into()))
            .collect();
        keys.insert("direction".into(), format!("'{direction}'"));
        self.listeners.push((name.into(), keys));
        self
    }

    /// A listener for our own people, all of loopback.
    #[must_use]
    pub fn submission(self) -> Setup {
        self.listener("submission", "outbound", &[("trusted_networks", "['127.0.0.0/8']")])
    }

    /// Sets a key of a listener.
    #[must_use]
    pub fn at(mut self, listener: &str, key: &str, value: impl Into<String>) -> Setup {
        let (_, keys) = self
            .listeners
            .iter_mut()
            .find(|(name, _)| name == listener)
            .expect("a listener of this name");
        keys.insert(key.into(), value.into());
        self
    }

    /// The configuration as text.
    pub(super) fn render(&self, places: &Places, folder: &Path) -> String {
        let mut text = String::new();
        let own = [
            ("data_dir", format!("'{}'", folder.join("data").display())),
            ("admin.bind", format!("'{}'", places.admin)),
        ];
        let keys = own
            .iter()
            .map(|(key, value)| (*key, value))
            .filter(|(key, _)| !self.keys.contains_key(*key));
        for (key, value) in keys.chain(self.keys.iter().map(|(key, value)| (key.as_str(), value))) {
            writeln!(text, "{key} = {value}").expect("a string");
        }
        for (name, keys) in &self.listeners {
            writeln!(text, "[[listen]]\nname = '{name}'").expect("a string");
            if !keys.contains_key("bind") {
                writeln!(text, "bind = '{}'", places.listeners[name]).expect("a string");
            }
            for (key, value) in keys {
                writeln!(text, "{key} = {value}").expect("a string");
            }
        }
        text
    }
}

/// Where it listens.
pub(super) struct Places {
    pub(super) listeners: BTreeMap<String, SocketAddr>,
    pub(super) admin: SocketAddr,
}

impl Places {
    /// An address for each listener that has none.
    pub(super) fn add(&mut self, setup: &Setup) {
        for (name, _) in &setup.listeners {
            self.listeners.entry(name.clone()).or_insert_with(free_address);
        }
    }
}
