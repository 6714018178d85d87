//! A mail server: what all connections to it have in common, and how one is opened.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::smtp::Offer;
use gatepost_core::smtp::relay::{
    Client, ClientMode, FallBack, Loss, Order, Outcome, Relay, RelaySettings, Timeouts, TlsMode, What, Whose,
};
use metrics::counter;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clock::ticks;
use crate::idle::Idle;
use crate::line::Line;
use crate::proxy_header;
use crate::wire::Wire;

/// Everything that all connections to one mail server have in common. Rebuilt on reload.
pub struct Server {
    /// The route's name.
    pub route: String,
    /// `host:port`, resolved at each connection.
    pub address: String,
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
}

impl Server {
    /// Settings of the machine for this proxy's name.
    pub fn settings(
        hostname: &str,
        tls: TlsMode,
        client: ClientMode,
        fall_back: FallBack,
        timeouts: Timeouts,
    ) -> Arc<RelaySettings> {
        Arc::new(RelaySettings {
            hostname: hostname.into(),
            own_name: hostname.into(),
            tls,
            client,
            fall_back,
            timeouts,
        })
    }

    /// Connects, and speaks until the server is ready for orders. Where TLS is only welcome, a server whose handshake
    /// fails is spoken to without it (RFC 7435 §3): whoever can break it could as well hide STARTTLS.
    pub async fn open(self: &Arc<Self>, client: Client, destination: Option<SocketAddr>) -> Result<Line, Loss> {
        let opened = self.try_open(&self.settings, client.clone(), destination).await;
        if opened.is_err() {
            self.failed();
        }
        match opened {
            Err(loss) if loss.what == What::Handshake && self.settings.tls == TlsMode::Opportunistic => {
                let plain = Arc::new(RelaySettings {
                    tls: TlsMode::None,
                    ..(*self.settings).clone()
                });
                let mut line = self.try_open(&plain, client, destination).await?;
                line.fallen_back = true;
                Ok(line)
            }
            opened => opened,
        }
    }

    /// Counts what an operator may want to be woken by.
    pub fn failed(&self) {
        counter!("gatepost_upstream_faults_total", "route" => self.route.clone()).increment(1);
    }

    async fn try_open(
        self: &Arc<Self>,
        settings: &Arc<RelaySettings>,
        client: Client,
        destination: Option<SocketAddr>,
    ) -> Result<Line, Loss> {
        let unreachable = |why: String| {
            tracing::warn!(
                route = self.route,
                upstream = self.address,
                why,
                "the mail server cannot be reached"
            );
            Loss::new(Whose::Upstream, What::Unreachable)
        };
        let stream = match tokio::time::timeout(self.connect, TcpStream::connect(&self.address)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable(format!("no connection within {:?}", self.connect))),
        };
        let mut wire = Wire::connected(stream);
        if self.proxy_header {
            let header = proxy_header::write(SocketAddr::new(client.ip, client.port), destination);
            wire.write(&header)
                .await
                .map_err(|error| unreachable(error.to_string()))?;
        }
        let relay = Relay::new(Arc::clone(settings), client, ticks());
        let mut line = Line::new(Arc::clone(self), relay, wire);
        match line.run().await {
            Outcome::Ready => Ok(line),
            Outcome::Lost(loss) => {
                tracing::warn!(
                    route = self.route,
                    upstream = self.address,
                    why = %loss.reply(),
                    "the mail server does not serve us"
                );
                Err(loss)
            }
            _ => Err(Loss::new(Whose::Us, What::OutOfPlace)),
        }
    }

    /// What the server offers, asked by a connection of its own that introduces nobody.
    pub async fn probe(self: &Arc<Self>) -> Result<Offer, Loss> {
        let ourselves = Client {
            ip: std::net::Ipv4Addr::LOCALHOST.into(),
            port: 0,
            name: None,
            helo: None,
            tls: false,
            login: None,
        };
        let plain = RelaySettings {
            client: ClientMode::None,
            ..(*self.settings).clone()
        };
        let server = Arc::new(Server {
            route: self.route.clone(),
            address: self.address.clone(),
            settings: Arc::new(plain),
            tls: self.tls.clone(),
            proxy_header: self.proxy_header,
            connect: self.connect,
            idle: Arc::clone(&self.idle),
        });
        let mut line = server.open(ourselves, None).await?;
        let offer = line.relay.offer().clone();
        line.relay.order(Order::Quit);
        line.run().await;
        line.wire.close().await;
        Ok(offer)
    }
}
