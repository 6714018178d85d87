//! The routes of a configuration: where each leads, and what it offers there.
//!
//! What a mail server offers is asked now and then by a connection of its own, so that EHLO can be answered without one.
//! A server that was never reached offers nothing; one that is away offers what it did.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use gatepost_core::smtp::Offer;
use gatepost_core::smtp::relay::{ClientMode, FallBack, Timeouts, TlsMode};
use gatepost_core::{Upstream, Upstreams};
use metrics::gauge;

use crate::config::{ClientAddress, Config, Destination, IfNotOffered, Route, RouteTls};
use crate::idle::{Idle, Keep};
use crate::maildir::Maildir;
use crate::server::Server;
use crate::tls::{self, BadTls, Trust};
use crate::upstream::Way;

/// How soon a mail server that did not answer is asked again.
const RETRY: Duration = Duration::from_secs(10);

/// One route.
pub struct Leading {
    name: String,
    end: End,
    /// How long an answer to EHLO holds.
    valid: Duration,
    offer: ArcSwapOption<Offer>,
    up: AtomicBool,
}

enum End {
    Server(Arc<Server>),
    Maildir(PathBuf),
}

impl Leading {
    fn new(name: &str, route: &Route, hostname: &str) -> Result<Leading, BadTls> {
        let valid = *route.offer_valid;
        let (host, port) = match &route.upstream {
            Destination::Maildir(directory) => {
                let offer = Offer {
                    size: Some(0),
                    eight_bit_mime: true,
                    smtputf8: true,
                    ..Offer::default()
                };
                return Ok(Leading {
                    name: name.into(),
                    end: End::Maildir(directory.clone()),
                    valid,
                    offer: ArcSwapOption::from_pointee(offer),
                    up: AtomicBool::new(true),
                });
            }
            Destination::Smtp { host, port } => (host, *port),
        };
        let (mode, trust) = match (route.tls, &route.ca_file) {
            (RouteTls::None, _) => (TlsMode::None, None),
            (RouteTls::Opportunistic, _) => (TlsMode::Opportunistic, Some(Trust::Anyone)),
            (RouteTls::Required, _) => (TlsMode::Required, Some(Trust::Anyone)),
            (RouteTls::Verified, None) => (TlsMode::Verified, Some(Trust::System)),
            (RouteTls::Verified, Some(file)) => (TlsMode::Verified, Some(Trust::Authority(file))),
        };
        let tls = match trust {
            None => None,
            Some(trust) => {
                let called = route.server_name.as_deref().unwrap_or(host);
                Some((tls::connector(trust)?, tls::server_name(called)?))
            }
        };
        let client = match route.client_address {
            ClientAddress::Xclient => ClientMode::XClient,
            ClientAddress::Xforward => ClientMode::XForward,
            ClientAddress::None | ClientAddress::Proxy => ClientMode::None,
        };
        let fall_back = match route.if_not_offered {
            IfNotOffered::Refuse => FallBack::Refuse,
            IfNotOffered::GoOn => FallBack::GoOn,
        };
        let timeouts = Timeouts {
            greeting: *route.timeouts.greeting,
            command: *route.timeouts.command,
            data: *route.timeouts.data,
            block: *route.timeouts.block,
            dot: *route.timeouts.dot,
        };
        let address = if host.contains(':') {
            format!("[{host}]:{port}")
        } else {
            format!("{host}:{port}")
        };
        let server = Server {
            route: name.into(),
            address,
            settings: Server::settings(hostname, mode, client, fall_back, timeouts),
            tls,
            proxy_header: route.client_address == ClientAddress::Proxy,
            connect: *route.timeouts.connect,
            idle: Arc::new(Idle::new(Keep {
                idle: *route.keep.idle,
                connections: route.keep.connections,
                sessions: route.keep.sessions,
            })),
        };
        Ok(Leading {
            name: name.into(),
            end: End::Server(Arc::new(server)),
            valid,
            offer: ArcSwapOption::empty(),
            up: AtomicBool::new(false),
        })
    }

    /// Asks the mail server what it offers. Says whether that is something else than before.
    async fn ask(&self) -> bool {
        let End::Server(server) = &self.end else { return false };
        let (was_up, asked) = (self.up.load(Ordering::Relaxed), server.probe().await);
        self.up.store(asked.is_ok(), Ordering::Relaxed);
        gauge!("gatepost_upstream_up", "route" => self.name.clone()).set(if asked.is_ok() { 1.0 } else { 0.0 });
        match asked {
            Ok(offer) => {
                if !was_up {
                    tracing::info!(route = self.name, upstream = server.address, "the mail server answers");
                }
                let new = self.offer.load().as_deref() != Some(&offer);
                self.offer.store(Some(Arc::new(offer)));
                new
            }
            Err(loss) => {
                tracing::error!(
                    route = self.name,
                    upstream = server.address,
                    why = %loss.reply(),
                    "the mail server does not answer: mail is deferred"
                );
                false
            }
        }
    }
}

/// All routes.
pub struct Ways {
    routes: BTreeMap<String, Leading>,
}

impl Ways {
    /// The routes of a configuration. What `before` knew of the same servers' offers is taken over.
    pub fn new(config: &Config, before: Option<&Ways>) -> Result<Ways, BadTls> {
        let mut routes = BTreeMap::new();
        for (name, route) in &config.route {
            let leading = Leading::new(name, route, config.hostname())?;
            let known = before.and_then(|before| before.routes.get(name));
            if let (
                End::Server(new),
                Some(Leading {
                    end: End::Server(old),
                    offer,
                    up,
                    ..
                }),
            ) = (&leading.end, known)
                && new.address == old.address
            {
                leading.offer.store(offer.load_full());
                leading.up.store(up.load(Ordering::Relaxed), Ordering::Relaxed);
            }
            routes.insert(name.clone(), leading);
        }
        Ok(Ways { routes })
    }

    /// Makes the Maildirs, so that trouble with them is found at start.
    pub fn prepare(&self) -> Result<(), String> {
        for leading in self.routes.values() {
            if let End::Maildir(directory) = &leading.end {
                Maildir::prepare(directory)
                    .map_err(|error| format!("route `{}`: {}: {error}", leading.name, directory.display()))?;
            }
        }
        Ok(())
    }

    /// What may be offered where these routes are taken: what all of them offer.
    pub fn offer<'a>(&self, own: &Offer, routes: impl IntoIterator<Item = &'a str>) -> Offer {
        let nothing = Offer::default();
        routes.into_iter().fold(own.clone(), |offer, name| {
            let theirs = self.routes.get(name).and_then(|leading| leading.offer.load_full());
            offer.intersect(theirs.as_deref().unwrap_or(&nothing))
        })
    }

    /// Asks every mail server once, all at the same time; says whether one offers something else than before.
    pub async fn ask_all(self: &Arc<Self>) -> bool {
        let mut asking = tokio::task::JoinSet::new();
        for name in self.routes.keys() {
            let (ways, name) = (Arc::clone(self), name.clone());
            asking.spawn(async move {
                match ways.routes.get(&name) {
                    Some(leading) => leading.ask().await,
                    None => false,
                }
            });
        }
        asking.join_all().await.into_iter().any(|new| new)
    }

    /// Ends the connections that wait for the next client, and lets none wait any more.
    pub async fn close(&self) {
        for leading in self.routes.values() {
            if let End::Server(server) = &leading.end {
                server.idle.close().await;
            }
        }
    }

    /// How long until somebody should be asked again.
    pub fn ask_again_in(&self) -> Duration {
        let wait = |leading: &Leading| match leading.end {
            End::Maildir(_) => None,
            End::Server(_) if leading.up.load(Ordering::Relaxed) => Some(leading.valid.max(RETRY)),
            End::Server(_) => Some(RETRY),
        };
        self.routes
            .values()
            .filter_map(wait)
            .min()
            .unwrap_or(Duration::from_secs(86_400))
    }

    /// The routes whose mail server did not answer the last time.
    pub fn down(&self) -> Vec<&str> {
        let down = self
            .routes
            .values()
            .filter(|leading| !leading.up.load(Ordering::Relaxed));
        down.map(|leading| leading.name.as_str()).collect()
    }
}

impl Upstreams for Ways {
    fn upstream(&self, route: &str) -> Option<Box<dyn Upstream>> {
        Some(match &self.routes.get(route)?.end {
            End::Server(server) => Box::new(Way::new(Arc::clone(server))),
            End::Maildir(directory) => Box::new(Maildir::new(directory.clone())),
        })
    }
}
