//! A client's way to the mail server: a socket that obeys [`smtp::relay`](gatepost_core::smtp::relay).
//!
//! **Invariant:** the dot is written only after the last look, in one write with the end of the message; a connection
//! of which anything is doubtful is dropped, never reused.

use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use gatepost_core::smtp::relay::{
    Client, ClientMode, FallBack, Input, Loss, Order, Outcome, Output, Relay, RelaySettings, Timeouts, TlsMode, What,
    Whose,
};
use gatepost_core::smtp::{Class, Offer};
use gatepost_core::{
    Clock, Consignment, Delivery, Enhanced, MailParams, Path, RcptParams, Reply, Time, Upstream, Visit, async_trait,
};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::proxy_header;
use crate::wire::Wire;

/// So many octets of content are encoded before they are written.
const BLOCK: usize = 64 * 1024;

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
    /// The clock.
    pub clock: Arc<dyn Clock>,
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
    async fn open(self: &Arc<Self>, client: Client, destination: Option<SocketAddr>) -> Result<Line, Loss> {
        match self.try_open(&self.settings, client.clone(), destination).await {
            Err(loss) if loss.what == What::Handshake && self.settings.tls == TlsMode::Opportunistic => {
                let plain = Arc::new(RelaySettings {
                    tls: TlsMode::None,
                    ..(*self.settings).clone()
                });
                self.try_open(&plain, client, destination).await
            }
            opened => opened,
        }
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
        let mut wire = Wire::new(stream);
        if self.proxy_header {
            let header = proxy_header::write(SocketAddr::new(client.ip, client.port), destination);
            wire.write(&header)
                .await
                .map_err(|error| unreachable(error.to_string()))?;
        }
        let relay = Relay::new(Arc::clone(settings), client, self.clock.now());
        let mut line = Line {
            server: Arc::clone(self),
            relay,
            wire,
        };
        match line.run().await {
            Outcome::Ready => Ok(line),
            Outcome::Lost(loss) => {
                tracing::warn!(
                    route = self.route,
                    upstream = self.address,
                    ?loss,
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
            clock: Arc::clone(&self.clock),
        });
        let mut line = server.open(ourselves, None).await?;
        let offer = line.relay.offer().clone();
        line.relay.order(Order::Quit);
        line.run().await;
        line.wire.close().await;
        Ok(offer)
    }
}

/// One connection.
struct Line {
    server: Arc<Server>,
    relay: Relay,
    wire: Wire,
}

impl Line {
    fn now(&self) -> Time {
        self.server.clock.now()
    }

    /// Obeys the machine until what was ordered is done.
    async fn run(&mut self) -> Outcome {
        loop {
            let now = self.now();
            match self.relay.poll(now) {
                Output::Write(octets) => {
                    let block = self.server.settings.timeouts.block;
                    match tokio::time::timeout(block, self.wire.write(octets)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => self.relay.give(now, Input::Eof),
                        Err(_) => self.relay.give(self.server.clock.now(), Input::Tick),
                    }
                }
                Output::StartTls => {
                    let done = match &self.server.tls {
                        Some((connector, name)) => {
                            let handshake = self.wire.connect(connector, name.clone());
                            match tokio::time::timeout(self.server.settings.timeouts.command, handshake).await {
                                Ok(Ok(())) => Ok(()),
                                Ok(Err(error)) => Err(error.to_string()),
                                Err(_) => Err("no end within the time limit".into()),
                            }
                        }
                        None => Err("not set up".into()),
                    };
                    if let Err(why) = &done {
                        tracing::warn!(
                            upstream = self.server.address,
                            why,
                            "the TLS handshake with the mail server failed"
                        );
                    }
                    self.relay
                        .give(self.now(), if done.is_ok() { Input::Secured } else { Input::Eof });
                }
                Output::Wait { until, read } => {
                    let relay = &mut self.relay;
                    let patience = tokio::time::sleep(until.since(now).min(Duration::from_secs(86_400)));
                    let clock = &self.server.clock;
                    tokio::select! {
                        biased;
                        read = self.wire.read(usize::MAX, |octets| match octets {
                            [] => relay.give(clock.now(), Input::Eof),
                            octets => relay.give(clock.now(), Input::Bytes(octets)),
                        }), if read => {
                            if read.is_err() {
                                self.relay.give(self.server.clock.now(), Input::Eof);
                            }
                        }
                        () = patience => self.relay.give(self.server.clock.now().max(until), Input::Tick),
                    }
                }
                Output::Done(outcome) => return outcome,
                Output::Close => return Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)),
            }
        }
    }

    /// Writes what is buffered of the body. `false` if the server stopped taking it.
    async fn flush(&mut self) -> bool {
        let now = self.now();
        match self.relay.poll(now) {
            Output::Write(octets) => {
                let block = self.server.settings.timeouts.block;
                matches!(tokio::time::timeout(block, self.wire.write(octets)).await, Ok(Ok(())))
            }
            Output::Wait { .. } => true,
            _ => false,
        }
    }

    async fn order(&mut self, order: Order<'_>) -> Outcome {
        self.relay.order(order);
        self.run().await
    }
}

/// A way to one mail server. Nothing is connected before the first recipient.
pub struct Way {
    server: Arc<Server>,
    line: Option<Box<Line>>,
    /// Whom the server accepted in the open transaction, in order.
    accepted: Vec<(Path, RcptParams)>,
    missing: Option<&'static str>,
    /// The client logged in, on the connection that is open or was.
    logged_in: bool,
}

impl Way {
    /// A way to a server.
    pub fn new(server: Arc<Server>) -> Way {
        Way {
            server,
            line: None,
            accepted: Vec::new(),
            missing: None,
            logged_in: false,
        }
    }

    async fn line(&mut self, visit: &Visit) -> Result<&mut Line, Loss> {
        if self.line.as_ref().is_none_or(|line| !line.relay.is_open()) {
            self.drop_line();
            if self.logged_in {
                // On another connection the mail server would take the client for a stranger, or for ourselves.
                return Err(Loss::new(Whose::Upstream, What::Gone));
            }
            let client = Client {
                ip: visit.client.address,
                port: visit.client.port,
                name: visit.reverse.clone(),
                helo: visit.helo.clone(),
                tls: visit.client.tls.is_some(),
                login: visit.login.as_ref().map(|login| login.name.clone()),
            };
            let line = self.server.open(client, visit.client.local).await?;
            self.missing = line.relay.missing();
            self.line = Some(Box::new(line));
        }
        self.line.as_deref_mut().ok_or(Loss::new(Whose::Us, What::OutOfPlace))
    }

    fn drop_line(&mut self) {
        self.line = None;
        self.accepted.clear();
    }

    fn lost(&mut self, outcome: Outcome) -> Loss {
        self.drop_line();
        match outcome {
            Outcome::Lost(loss) => loss,
            _ => Loss::new(Whose::Us, What::OutOfPlace),
        }
    }

    async fn transmit(&mut self, consignment: &Consignment<'_>) -> Result<Delivery, Outcome> {
        let Some(line) = self.line.as_deref_mut() else {
            return Err(Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)));
        };
        let mut refused = Vec::new();
        // A part of the recipients, or a second batch of the same mail: they are named again (P-32).
        if consignment.to.len() != self.accepted.len() || !line.relay.in_transaction() {
            let some: Vec<_> = consignment
                .to
                .iter()
                .filter_map(|at| self.accepted.get(*at).cloned())
                .collect();
            if some.is_empty() {
                return Err(Outcome::Lost(Loss::new(Whose::Us, What::OutOfPlace)));
            }
            let replay = Order::Replay {
                from: consignment.from,
                params: consignment.params,
                to: &some,
            };
            match line.order(replay).await {
                Outcome::Recipients(replies) => {
                    let named = consignment.to.iter().copied().zip(replies);
                    refused.extend(named.filter(|(_, reply)| reply.class() != Class::Done));
                    if refused.len() == some.len() {
                        let reply = refused.first().map(|(_, reply)| reply.clone());
                        return Ok(Delivery {
                            reply: reply.unwrap_or(NOBODY),
                            refused,
                        });
                    }
                }
                other => return Err(other),
            }
        }
        match line.order(Order::Data).await {
            Outcome::Replied(reply) if reply.class() == Class::GoOn => {}
            Outcome::Replied(reply) => return Ok(Delivery { reply, refused }),
            other => return Err(other),
        }
        let gone = || Outcome::Lost(Loss::new(Whose::Client, What::Gone));
        let mut content = consignment.message.read();
        let mut block = vec![0; BLOCK.min(usize::try_from(consignment.message.len()).unwrap_or(BLOCK).max(1))];
        loop {
            match content.read(&mut block) {
                Ok(0) => break,
                Ok(count) => line.relay.body(&block[..count]),
                Err(error) => {
                    tracing::error!(%error, "the spooled message cannot be read again");
                    line.relay.abort();
                    return Err(Outcome::Lost(Loss::new(Whose::Us, What::Gone)));
                }
            }
            if line.relay.buffered() >= BLOCK {
                if (consignment.gone)() {
                    line.relay.abort();
                    return Err(gone());
                }
                if !line.flush().await {
                    line.relay.abort();
                    return Err(Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)));
                }
            }
        }
        // The last look: nobody may be delivered to twice because a client gave up while the filters worked.
        if (consignment.gone)() {
            line.relay.abort();
            return Err(gone());
        }
        line.relay.end();
        match line.run().await {
            Outcome::Replied(reply) => Ok(Delivery { reply, refused }),
            other => Err(other),
        }
    }

    async fn authenticate(&mut self, outcome: Outcome) -> Result<Reply, Loss> {
        match outcome {
            Outcome::Challenge(text) => Ok(Reply::new(334, None, text)),
            Outcome::Replied(reply) => {
                self.logged_in |= reply.code() == 235;
                Ok(reply)
            }
            other => Err(self.lost(other)),
        }
    }
}

const NOBODY: Reply = Reply::fixed(451, Enhanced(4, 3, 0), "No recipient is left, try again later");

#[async_trait]
impl Upstream for Way {
    async fn rcpt(
        &mut self,
        visit: &Visit,
        from: &Path,
        params: &MailParams,
        to: &Path,
        rcpt: &RcptParams,
    ) -> Result<Reply, Loss> {
        let kept = self.line.is_some();
        let opened = self.line(visit).await?.relay.in_transaction();
        if !opened {
            self.accepted.clear();
        }
        let order = if opened {
            Order::Rcpt { to, params: rcpt }
        } else {
            Order::Envelope { from, params, to, rcpt }
        };
        let mut outcome = match self.line.as_deref_mut() {
            Some(line) => line.order(order).await,
            None => Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)),
        };
        if kept && !opened && matches!(&outcome, Outcome::Lost(loss) if loss.what == What::Gone) {
            // It ended while it was idle: nothing of this transaction is lost with it.
            self.drop_line();
            outcome = self.line(visit).await?.order(order).await;
        }
        match outcome {
            Outcome::Recipient(reply) => {
                if reply.class() == Class::Done {
                    self.accepted.push((to.clone(), rcpt.clone()));
                }
                Ok(reply)
            }
            other => Err(self.lost(other)),
        }
    }

    async fn deliver(&mut self, consignment: Consignment<'_>) -> Result<Delivery, Loss> {
        match self.transmit(&consignment).await {
            // The list of recipients stays: the next batch names some of them by their places in it.
            Ok(delivery) => Ok(delivery),
            Err(outcome) => Err(self.lost(outcome)),
        }
    }

    async fn reset(&mut self) {
        self.accepted.clear();
        let Some(line) = self.line.as_deref_mut() else { return };
        if line.relay.in_transaction()
            && !matches!(line.order(Order::Reset).await, Outcome::Replied(reply) if reply.is_done())
        {
            self.drop_line();
        }
    }

    async fn auth(&mut self, visit: &Visit, mechanism: &str, initial: Option<&str>) -> Result<Reply, Loss> {
        let outcome = self.line(visit).await?.order(Order::Auth { mechanism, initial }).await;
        self.authenticate(outcome).await
    }

    async fn auth_line(&mut self, line: &str) -> Result<Reply, Loss> {
        let order = if line == "*" {
            Order::AuthCancel
        } else {
            Order::AuthLine(line)
        };
        let outcome = match self.line.as_deref_mut() {
            Some(line) => line.order(order).await,
            None => Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)),
        };
        self.authenticate(outcome).await
    }

    async fn close(&mut self) {
        if let Some(mut line) = self.line.take()
            && line.relay.is_open()
        {
            // A goodbye is a courtesy: it is written, and its answer is not waited for.
            line.relay.order(Order::Quit);
            line.flush().await;
            line.wire.close().await;
        }
    }

    fn name(&self) -> &str {
        &self.server.address
    }

    fn missing(&self) -> Option<&str> {
        self.missing
    }
}
