//! Where mail goes: routes that nobody uses, that share a domain, or that lead back to us.
#![allow(
    clippy::disallowed_types,
    reason = "whether an address is this machine's own is told by binding it"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;

use super::Check;
use crate::config::route::{ClientAddress, Route, RouteTls};
use crate::config::values::{Destination, LocalDomain};
use crate::config::{Config, machine_name};
use crate::tls;

/// How long a connection to a mail server may wait for the next client (RFC 5321 §4.5.3.2.7: a server waits five minutes).
const KEEP_IDLE_MAX: Duration = Duration::from_secs(300);

impl Check<'_> {
    pub(super) fn routes(&mut self) {
        let config = self.config;
        let mut owners: BTreeMap<&LocalDomain, &str> = BTreeMap::new();
        for (name, route) in &config.route {
            self.route(name, route);
            for (n, domain) in route.domains.iter().enumerate() {
                let path = ["route", name, "domains", &n.to_string()];
                if let Some(other) = owners.insert(domain, name) {
                    self.error(&path, format!("`{domain}` is named by route `{other}` already"));
                }
                if self.local.get(&domain.to_string()).is_none() && !self.wrong(&["local_domains"]) {
                    self.error(
                        &path,
                        format!("`{domain}` is not in local_domains, so its mail is refused before it is routed"),
                    );
                }
            }
            if route.domains.is_empty()
                && !self.addressed.contains(name)
                && !config.listen.iter().any(|listen| listen.route == *name)
                && !self.wrong(&["listen"])
            {
                self.warning(
                    &["route", name],
                    "no listener names this route, and it names no domains: it is not used",
                );
            }
        }
    }

    fn route(&mut self, name: &str, route: &Route) {
        let Destination::Smtp { host, port } = &route.upstream else {
            if route.client_address != ClientAddress::None {
                self.error(
                    &["route", name, "client_address"],
                    "a Maildir learns no client: expected \"none\"",
                );
            }
            if matches!(route.tls, RouteTls::Required | RouteTls::Verified) {
                self.error(&["route", name, "tls"], "a Maildir speaks no TLS");
            }
            return;
        };
        let ours = self
            .config
            .listen
            .iter()
            .flat_map(|listen| listen.bind.iter().map(move |bind| (listen, bind.0)));
        if let Some((listen, bind)) = ours
            .into_iter()
            .find(|(_, bind)| leads_to(host, *port, *bind, self.config))
        {
            self.error(
                &["route", name, "upstream"],
                format!(
                    "leads to our own listener `{}` at {bind}: mail would run in circles",
                    listen.name
                ),
            );
        }
        if route.tls == RouteTls::Verified {
            let trust = route
                .ca_file
                .as_deref()
                .map_or(tls::Trust::System, tls::Trust::Authority);
            if let Err(error) = tls::connector(trust) {
                self.error(
                    &["route", name, if route.ca_file.is_some() { "ca_file" } else { "tls" }],
                    error.to_string(),
                );
            }
            if host.parse::<IpAddr>().is_ok() && route.server_name.is_none() {
                self.warning(
                    &["route", name, "tls"],
                    "certificates seldom hold an address: name the server by server_name",
                );
            }
        } else {
            for (key, given) in [
                ("ca_file", route.ca_file.is_some()),
                ("server_name", route.server_name.is_some()),
            ] {
                if given {
                    self.warning(&["route", name, key], "only checked with tls = \"verified\"");
                }
            }
        }
        if *route.keep.idle > KEEP_IDLE_MAX {
            self.error(
                &["route", name, "keep", "idle"],
                "at most five minutes: a mail server hangs up on connections that wait longer",
            );
        }
        let timeouts = &route.timeouts;
        let all = [
            ("connect", timeouts.connect),
            ("greeting", timeouts.greeting),
            ("command", timeouts.command),
            ("data", timeouts.data),
            ("block", timeouts.block),
            ("dot", timeouts.dot),
        ];
        for (key, _) in all.iter().filter(|(_, time)| time.is_zero()) {
            self.error(&["route", name, "timeouts", *key], "expected more than no time");
        }
    }
}

/// Whether a route to `host` and `port` ends at `bind`. Names other than our own are not looked up.
fn leads_to(host: &str, port: u16, bind: SocketAddr, config: &Config) -> bool {
    if port != bind.port() {
        return false;
    }
    let own_name = || {
        config
            .hostname
            .clone()
            .or_else(machine_name)
            .is_some_and(|name| name.eq_ignore_ascii_case(host))
    };
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if !bind.ip().is_unspecified() => address == bind.ip().to_canonical(),
        // Only an address of this machine can be bound.
        Ok(address) => address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok(),
        Err(_) if host == "localhost" => bind.ip().is_unspecified() || bind.ip().is_loopback(),
        Err(_) => bind.ip().is_unspecified() && own_name(),
    }
}
