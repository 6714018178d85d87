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
    Consignment, Delivery, Enhanced, MailParams, Path, RcptParams, Reply, Time, Upstream, Visit, async_trait,
};
use metrics::counter;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::clock::ticks;
use crate::idle::Idle;
use crate::proxy_header;
use crate::wire::Wire;

/// How long a server that takes no more of a message may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);
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
    async fn open(self: &Arc<Self>, client: Client, destination: Option<SocketAddr>) -> Result<Line, Loss> {
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
    fn failed(&self) {
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
        let mut line = Line {
            server: Arc::clone(self),
            relay,
            wire,
            fallen_back: false,
            content: true,
            opened: ticks(),
            served: 0,
        };
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

/// One connection.
pub struct Line {
    server: Arc<Server>,
    relay: Relay,
    wire: Wire,
    /// Its TLS is broken, so it is spoken to without: no place for passwords.
    fallen_back: bool,
    /// The server has refused nothing yet on it.
    content: bool,
    /// Since when.
    pub opened: Time,
    /// How many clients' sessions it has served.
    pub served: u32,
}

impl Line {
    /// Obeys the machine until what was ordered is done.
    async fn run(&mut self) -> Outcome {
        loop {
            let now = ticks();
            match self.relay.poll(now) {
                Output::Write(octets) => {
                    let block = self.server.settings.timeouts.block;
                    match tokio::time::timeout(block, self.wire.write(octets)).await {
                        Ok(Ok(())) => {}
                        Ok(Err(_)) => self.relay.give(now, Input::Eof),
                        Err(_) => self.relay.give(ticks(), Input::Tick),
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
                        .give(ticks(), if done.is_ok() { Input::Secured } else { Input::Eof });
                }
                Output::Wait { until, read } => {
                    let relay = &mut self.relay;
                    let patience = tokio::time::sleep(until.since(now).min(Duration::from_secs(86_400)));
                    tokio::select! {
                        biased;
                        read = self.wire.read(usize::MAX, |octets| match octets {
                            [] => relay.give(ticks(), Input::Eof),
                            octets => relay.give(ticks(), Input::Bytes(octets)),
                        }), if read => {
                            if read.is_err() {
                                self.relay.give(ticks(), Input::Eof);
                            }
                        }
                        () = patience => self.relay.give(ticks().max(until), Input::Tick),
                    }
                }
                Output::Done(outcome) => return outcome,
                Output::Close => return Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)),
            }
        }
    }

    /// Writes what is buffered of the body. Otherwise how it ended: a server that takes no more may have said why.
    async fn flush(&mut self) -> Result<(), Outcome> {
        let block = self.server.settings.timeouts.block;
        let written = match self.relay.poll(ticks()) {
            Output::Write(octets) => matches!(tokio::time::timeout(block, self.wire.write(octets)).await, Ok(Ok(()))),
            Output::Wait { .. } => true,
            Output::Done(outcome) => return Err(outcome),
            Output::StartTls | Output::Close => false,
        };
        if written {
            return Ok(());
        }
        let relay = &mut self.relay;
        let last_words = self
            .wire
            .read(usize::MAX, |octets| relay.give(ticks(), Input::Bytes(octets)));
        if matches!(tokio::time::timeout(LAST_WORDS, last_words).await, Ok(Ok(())))
            && let Output::Done(outcome) = self.relay.poll(ticks())
        {
            return Err(outcome);
        }
        Err(Outcome::Lost(Loss::new(Whose::Upstream, What::Gone)))
    }

    async fn order(&mut self, order: Order<'_>) -> Outcome {
        self.relay.order(order);
        let outcome = self.run().await;
        self.content &= match &outcome {
            Outcome::Replied(reply) | Outcome::Recipient(reply) => {
                matches!(reply.class(), Class::Done | Class::GoOn)
            }
            Outcome::Recipients(replies) => replies.iter().all(|reply| reply.class() == Class::Done),
            Outcome::Ready => true,
            Outcome::Challenge(_) | Outcome::Lost(_) => false,
        };
        outcome
    }

    /// Whether it may serve another client. A server counts errors by connection, slows down, and hangs up on the one who
    /// makes too many: who comes next shall not pay for it.
    pub fn may_rest(&self) -> bool {
        self.content
            && !self.fallen_back
            && !self.server.proxy_header
            && self.server.settings.client != ClientMode::XClient
            && self.relay.may_be_reused()
            && self.is_quiet()
    }

    /// Whether the server has said nothing and is still there, as far as the kernel knows.
    pub fn is_quiet(&self) -> bool {
        self.wire.shared().is_quiet()
    }

    /// Ends it. A goodbye is a courtesy: it is written, and its answer is not waited for.
    pub async fn farewell(mut self: Box<Self>) {
        self.relay.order(Order::Quit);
        let _ = self.flush().await;
        self.wire.close().await;
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

    /// The line to the server; if there is none yet, and `fresh`, one that has served nobody else.
    async fn line(&mut self, visit: &Visit, fresh: bool) -> Result<&mut Line, Loss> {
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
            let line = match (!fresh).then(|| self.resting(&client)).flatten() {
                Some(line) => line,
                None => Box::new(self.server.open(client, visit.client.local).await?),
            };
            self.missing = line.relay.missing();
            if let Some(missing) = self.missing {
                counter!("gatepost_upstream_missing_total", "route" => self.server.route.clone()).increment(1);
                tracing::error!(
                    route = self.server.route,
                    upstream = self.server.address,
                    missing,
                    "the mail server does not offer what `client_address` asks for"
                );
            }
            self.line = Some(line);
        }
        self.line.as_deref_mut().ok_or(Loss::new(Whose::Us, What::OutOfPlace))
    }

    /// One that has served others and may serve this client.
    fn resting(&self, client: &Client) -> Option<Box<Line>> {
        std::iter::from_fn(|| self.server.idle.take())
            .find_map(|mut line| line.relay.reuse(client.clone()).then_some(line))
    }

    fn drop_line(&mut self) {
        self.line = None;
        self.accepted.clear();
    }

    fn lost(&mut self, outcome: Outcome) -> Loss {
        self.drop_line();
        match outcome {
            Outcome::Lost(loss) => {
                if loss.whose == Whose::Upstream {
                    self.server.failed();
                }
                loss
            }
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
                .map_while(|at| self.accepted.get(*at).cloned())
                .collect();
            // Whoever is to get the mail must be known here; a list that disagrees decides nothing.
            if some.is_empty() || some.len() != consignment.to.len() {
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
                    // All refused: that is the answer. Some: nobody gets it now, and the client, coming again, hears
                    // the truth about each at RCPT.
                    if let Some((_, reply)) = refused.first() {
                        let all = refused.len() == some.len();
                        let reply = if all { reply.clone() } else { CHANGED_ITS_MIND };
                        return Ok(Delivery {
                            reply,
                            refused: Vec::new(),
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
                match line.flush().await {
                    Ok(()) => {}
                    Err(Outcome::Replied(reply)) if reply.is_permanent() || reply.is_transient() => {
                        line.relay.abort();
                        return Ok(Delivery { reply, refused });
                    }
                    Err(outcome) => {
                        line.relay.abort();
                        return Err(outcome);
                    }
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
            Outcome::Replied(reply) => {
                line.content &= reply.is_done();
                Ok(Delivery { reply, refused })
            }
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

const CHANGED_ITS_MIND: Reply = Reply::fixed(
    451,
    Enhanced(4, 3, 0),
    "The mail server no longer takes some recipient, try again later",
);
const NO_SECRETS: Reply = Reply::fixed(
    454,
    Enhanced(4, 7, 0),
    "No secure way to the mail server, try again later",
);

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
        let opened = self.line(visit, false).await?.relay.in_transaction();
        let reused = self.line.as_deref().is_some_and(|line| line.relay.is_used());
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
        let ended = match &outcome {
            Outcome::Lost(loss) => loss.what == What::Gone || reused && loss.what != What::Silent,
            Outcome::Recipient(reply) => reply.code() == 421,
            _ => false,
        };
        if (kept || reused) && !opened && ended {
            // It ended while it was idle: nothing of this transaction is lost with it.
            self.drop_line();
            outcome = self.line(visit, true).await?.order(order).await;
        }
        match outcome {
            // With the connection go the recipients that were accepted on it: the transaction is lost, not this one only.
            Outcome::Recipient(reply) if reply.code() == 421 && opened => {
                Err(self.lost(Outcome::Lost(Loss::new(Whose::Upstream, What::Gone))))
            }
            Outcome::Recipient(reply) => {
                if reply.class() == Class::Done {
                    self.accepted.push((to.clone(), rcpt.clone()));
                }
                Ok(reply)
            }
            other => Err(self.lost(other)),
        }
    }

    fn answered_rcpt(&self) -> bool {
        // The server is in a transaction only once it has accepted MAIL.
        self.line.as_deref().is_some_and(|line| line.relay.in_transaction())
    }

    async fn deliver(&mut self, consignment: Consignment<'_>) -> Result<Delivery, Loss> {
        match self.transmit(&consignment).await {
            // The list of recipients stays: the next batch names some of them by their places in it. The server's own
            // transaction ends here, though, or the next mail would be added to it.
            Ok(delivery) => {
                if let Some(line) = self.line.as_deref_mut() {
                    let open = line.relay.is_open() && line.relay.in_transaction();
                    if open && !matches!(line.order(Order::Reset).await, Outcome::Replied(reply) if reply.is_done()) {
                        self.line = None;
                    }
                }
                Ok(delivery)
            }
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
        if self.line.as_deref().is_some_and(|line| line.relay.is_used()) {
            self.drop_line();
        }
        let line = self.line(visit, true).await?;
        if line.fallen_back {
            return Ok(NO_SECRETS);
        }
        let outcome = line.order(Order::Auth { mechanism, initial }).await;
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
        if let Some(line) = self.line.take()
            && line.relay.is_open()
            && let Err(line) = self.server.idle.rest(line)
        {
            line.farewell().await;
        }
    }

    fn name(&self) -> &str {
        &self.server.address
    }

    fn wants_name(&self) -> bool {
        self.line.is_none() && self.server.settings.client != ClientMode::None
    }

    fn missing(&self) -> Option<&str> {
        self.missing
    }
}
