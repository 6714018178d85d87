//! A mail server: what all connections to it have in common, and how one is opened.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::smtp::Offer;
use gatepost_core::smtp::relay::{
    Client, ClientMode, Loss, Order, Outcome, Relay, RelaySettings, TlsMode, What, Whose,
};
use metrics::counter;
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::clock::ticks;
use crate::config::AddressFamily;
use crate::hosts::dial::dial;
use crate::hosts::seats::{Seat, Seats};
use crate::idle::Idle;
use crate::line::Line;
use crate::login::Login;
use crate::proxy_header;
use crate::wire::Wire;

/// Everything that all connections to one mail server have in common. Rebuilt on reload where anything of it changed.
#[derive(Clone)]
pub struct Server {
    /// The route's name.
    pub route: Arc<str>,
    /// `host:port`, for people.
    pub address: String,
    /// Its name, looked up at each connection, or its address.
    pub host: Box<str>,
    /// Its port.
    pub port: u16,
    /// Which of its addresses are connected to.
    pub family: AddressFamily,
    /// How the machine behaves.
    pub settings: Arc<RelaySettings>,
    /// For STARTTLS, where it may be used.
    pub tls: Option<(TlsConnector, ServerName<'static>)>,
    /// Whether a PROXY header of version 2 comes first.
    pub proxy_header: bool,
    /// How long connecting may take.
    pub connect: Duration,
    /// Connections that wait for the next client.
    pub idle: Arc<Idle>,
    /// Its connections, where they are counted.
    pub seats: Arc<Seats>,
    /// Our own name and password there.
    pub login: Option<Arc<Login>>,
    /// Clients are told before they say for whom their mail is what other servers offer, too.
    pub among_others: bool,
    /// It is known to be down: that it still is need not be told each time.
    pub quiet: bool,
}

/// Why a connection did not come about.
pub struct Failure {
    /// What was lost.
    pub loss: Loss,
    /// The server knew who the client is by then: it may have meant that one.
    pub introduced: bool,
    /// It was our login that it did not take.
    pub login: bool,
}

impl Failure {
    fn new(loss: Loss) -> Failure {
        Failure {
            loss,
            introduced: false,
            login: false,
        }
    }
}

impl Server {
    /// Connects, and speaks until the server is ready for orders. Where TLS is only welcome, a server whose handshake
    /// fails is spoken to without it (RFC 7435 §3): whoever can break it could as well hide STARTTLS.
    pub async fn open(
        self: &Arc<Self>,
        client: Client,
        destination: Option<SocketAddr>,
        seat: Seat,
    ) -> Result<Line, Failure> {
        let opened = self.try_open(&self.settings, client.clone(), destination).await;
        if opened.is_err() {
            self.failed();
        }
        let mut line = match opened {
            Err(failure) if failure.loss.what == What::Handshake && self.settings.tls == TlsMode::Opportunistic => {
                let plain = Arc::new(RelaySettings {
                    tls: TlsMode::None,
                    ..(*self.settings).clone()
                });
                let mut line = self.try_open(&plain, client, destination).await?;
                line.fallen_back = true;
                line
            }
            opened => opened?,
        };
        line.seat = seat;
        if let Some(login) = &self.login
            && let Err(loss) = login.say(&mut line).await
        {
            self.failed();
            tracing::error!(
                route = &*self.route,
                upstream = self.address,
                why = %loss.reply(),
                said = loss.said().map(ToString::to_string),
                "the mail server does not take our login"
            );
            return Err(Failure {
                login: matches!(loss.what, What::Refused(_) | What::Missing(_)),
                ..Failure::new(loss)
            });
        }
        Ok(line)
    }

    /// Counts what an operator may want to be woken by.
    pub fn failed(&self) {
        counter!("gatepost_upstream_faults_total", "route" => self.route.to_string()).increment(1);
    }

    /// Whether a connection is told who its client is.
    pub fn introduces(&self) -> bool {
        self.proxy_header || self.settings.client == ClientMode::XClient
    }

    async fn try_open(
        self: &Arc<Self>,
        settings: &Arc<RelaySettings>,
        client: Client,
        destination: Option<SocketAddr>,
    ) -> Result<Line, Failure> {
        let unreachable = |why: String| {
            if !self.quiet {
                tracing::warn!(
                    route = &*self.route,
                    upstream = self.address,
                    why,
                    "the mail server cannot be reached"
                );
            }
            Failure::new(Loss::new(Whose::Upstream, What::Unreachable))
        };
        let stream = dial(&self.host, self.port, self.family, self.connect)
            .await
            .map_err(&unreachable)?;
        let mut wire = Wire::connected(stream);
        if self.proxy_header {
            let header = proxy_header::write(SocketAddr::new(client.ip, client.port), destination);
            wire.write(&header)
                .await
                .map_err(|error| unreachable(error.to_string()))?;
        }
        let relay = Relay::new(Arc::clone(settings), client, ticks());
        let mut line = Line::new(Arc::clone(self), relay, wire);
        let loss = match line.run().await {
            Outcome::Ready => return Ok(line),
            Outcome::Lost(loss) => loss,
            _ => Loss::new(Whose::Us, What::OutOfPlace),
        };
        if !self.quiet {
            tracing::warn!(
                route = &*self.route,
                upstream = self.address,
                why = %loss.reply(),
                said = loss.said().map(ToString::to_string),
                "the mail server does not serve us"
            );
        }
        Err(Failure {
            introduced: self.proxy_header || line.relay.introduced(),
            ..Failure::new(loss)
        })
    }

    /// What the server offers, asked by a connection of its own that introduces nobody and logs nobody in.
    pub async fn probe(&self, quiet: bool) -> Result<Offer, Loss> {
        let ourselves = Client {
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
            port: 0,
            name: None,
            helo: None,
            tls: false,
            login: None,
        };
        let server = Arc::new(Server {
            settings: Arc::new(RelaySettings {
                client: ClientMode::None,
                ..(*self.settings).clone()
            }),
            // A wrong password, said every ten seconds, would lock the account.
            login: None,
            quiet,
            ..self.clone()
        });
        let opened = server.open(ourselves, None, None).await;
        let mut line = opened.map_err(|failure| failure.loss)?;
        let offer = line.relay.offer().clone();
        line.relay.order(Order::Quit);
        line.run().await;
        line.wire.close().await;
        Ok(offer)
    }
}
