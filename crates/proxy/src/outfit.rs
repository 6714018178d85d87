//! From what is said of a route to servers that can be spoken to.
//!
//! **Invariant:** what many routes have in common is made once: a thousand routes with TLS are one connector, and a file of
//! authorities is read once.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use gatepost_core::smtp::relay::{ClientMode, FallBack, RelaySettings, Timeouts, TlsMode};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::config::{ClientAddress, Config, Destination, IfNotOffered, Route, RouteTls};
use crate::hosts::seats::Seats;
use crate::hosts::{Host, Known};
use crate::idle::{Idle, Keep};
use crate::login::Login;
use crate::server::Server;
use crate::tls::{self, BadTls, Trust};

/// Why a route leads nowhere.
#[derive(Clone, Debug)]
pub struct BadRoute(String);

impl fmt::Display for BadRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for BadRoute {}

impl From<BadTls> for BadRoute {
    fn from(error: BadTls) -> BadRoute {
        BadRoute(error.to_string())
    }
}

/// Whom a certificate must come from.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Issuer {
    Anyone,
    System,
    Authority(PathBuf),
}

/// Makes the servers of one configuration.
pub struct Outfitter<'a> {
    config: &'a Config,
    connectors: BTreeMap<Issuer, TlsConnector>,
}

impl<'a> Outfitter<'a> {
    /// Nothing is made yet.
    pub fn new(config: &'a Config) -> Outfitter<'a> {
        Outfitter {
            config,
            connectors: BTreeMap::new(),
        }
    }

    /// Our own name.
    pub fn hostname(&self) -> &str {
        self.config.hostname()
    }

    /// Whose mailbox a postmaster without a domain is.
    pub fn home(&self) -> &str {
        let named = self.config.local_domains.iter().find(|domain| !domain.below);
        named.map_or(self.config.hostname(), |domain| &domain.name)
    }

    /// Whether there are several routes, so that a client may be offered what not all of them can do.
    pub fn among_others(&self) -> bool {
        self.config.route.len() > 1
    }

    /// Our name and password there.
    pub fn login(&self, name: &str, route: &Route) -> Result<Option<Login>, BadRoute> {
        Login::read(&route.login).map_err(|wrong| BadRoute(format!("route.{name}.login.{}: {}", wrong.key, wrong.why)))
    }

    fn connector(&mut self, issuer: Issuer) -> Result<TlsConnector, BadTls> {
        if let Some(made) = self.connectors.get(&issuer) {
            return Ok(made.clone());
        }
        let made = tls::connector(match &issuer {
            Issuer::Anyone => Trust::Anyone,
            Issuer::System => Trust::System,
            Issuer::Authority(file) => Trust::Authority(file),
        })?;
        self.connectors.insert(issuer, made.clone());
        Ok(made)
    }

    /// How many connectors were made.
    #[cfg(test)]
    pub fn connectors(&self) -> usize {
        self.connectors.len()
    }

    /// The TLS of one host, where it may be used.
    fn tls(&mut self, route: &Route, host: &str) -> Result<Option<(TlsConnector, ServerName<'static>)>, BadTls> {
        let issuer = match (route.tls, &route.ca_file) {
            (RouteTls::None, _) => return Ok(None),
            (RouteTls::Opportunistic | RouteTls::Required, _) => Issuer::Anyone,
            (RouteTls::Verified, None) => Issuer::System,
            (RouteTls::Verified, Some(file)) => Issuer::Authority(file.clone()),
        };
        let called = route.server_name.as_deref().unwrap_or(host);
        Ok(Some((self.connector(issuer)?, tls::server_name(called)?)))
    }

    /// The hosts of a route; `known` tells what was known of one by its address.
    pub fn hosts(
        &mut self,
        name: &Arc<str>,
        route: &Route,
        login: Option<Login>,
        known: impl Fn(&str) -> Known,
    ) -> Result<Vec<Host>, BadRoute> {
        let settings = Arc::new(settings(self.hostname(), route));
        let login = login.map(Arc::new);
        let mut hosts = Vec::with_capacity(route.upstream.len());
        for said in route.upstream.iter() {
            let Destination::Smtp { host, port } = &said.to else {
                continue;
            };
            let address = said.to.to_string();
            let known = Arc::new(known(&address));
            let server = Server {
                route: Arc::clone(name),
                address,
                host: host.clone(),
                port: *port,
                family: route.address_family,
                settings: Arc::clone(&settings),
                tls: self.tls(route, host)?,
                proxy_header: route.client_address == ClientAddress::Proxy,
                connect: *route.timeouts.connect,
                idle: Arc::new(Idle::new(Keep {
                    idle: *route.keep.idle,
                    connections: route.keep.connections,
                    sessions: route.keep.sessions,
                })),
                seats: Arc::new(Seats::new(route.connections)),
                login: login.clone(),
                among_others: self.among_others(),
                quiet: false,
            };
            hosts.push(Host {
                server: Arc::new(server),
                priority: said.priority,
                weight: said.weight,
                known,
            });
        }
        Ok(hosts)
    }
}

fn settings(hostname: &str, route: &Route) -> RelaySettings {
    RelaySettings {
        hostname: hostname.into(),
        own_name: hostname.into(),
        tls: match route.tls {
            RouteTls::None => TlsMode::None,
            RouteTls::Opportunistic => TlsMode::Opportunistic,
            RouteTls::Required => TlsMode::Required,
            RouteTls::Verified => TlsMode::Verified,
        },
        client: match route.client_address {
            ClientAddress::Xclient => ClientMode::XClient,
            ClientAddress::Xforward => ClientMode::XForward,
            ClientAddress::None | ClientAddress::Proxy => ClientMode::None,
        },
        fall_back: match route.if_not_offered {
            IfNotOffered::Refuse => FallBack::Refuse,
            IfNotOffered::GoOn => FallBack::GoOn,
        },
        timeouts: Timeouts {
            greeting: *route.timeouts.greeting,
            command: *route.timeouts.command,
            data: *route.timeouts.data,
            block: *route.timeouts.block,
            dot: *route.timeouts.dot,
        },
    }
}
