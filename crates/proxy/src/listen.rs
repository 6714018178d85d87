//! Listeners: sockets that outlive a reload, and the door that each new connection goes through.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gatepost_core::smtp::session::Settings;
use gatepost_core::{Client, Clock, Direction, Login, LoginBy, Upstreams, Visit};
use gatepost_pipeline::{Pipeline, Reception};
use ipnet::IpNet;
use metrics::counter;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::{self, Admission, Admitted};
use crate::drive::{Driving, drive};
use crate::prompt::Prompt;
use crate::proxy_header::{self, Header};
use crate::spool::Room;
use crate::tarpit::Tarpit;
use crate::wire::Wire;

/// How many connections may wait to be accepted.
const BACKLOG: i32 = 4096;
/// How long a client that is turned away may take to hear it.
const FAREWELL: Duration = Duration::from_secs(5);
/// How long accepting pauses when the system has no descriptor left.
const BREATH: Duration = Duration::from_millis(50);

/// How a listener begins TLS.
#[derive(Clone)]
pub enum Secure {
    /// Not at all.
    No,
    /// By STARTTLS.
    Starttls(TlsAcceptor),
    /// With the first octet.
    Implicit(TlsAcceptor, Duration),
}

/// The settings of a listener's sessions, by the client's network.
pub struct ByNetwork {
    /// For everybody else.
    pub usual: Arc<Settings>,
    /// For everybody else while most sessions are taken: less patient.
    pub busy: Arc<Settings>,
    /// The first that holds the client's address.
    pub special: Vec<(Vec<IpNet>, Arc<Settings>)>,
}

impl ByNetwork {
    /// Those of a client, and those that it gets while most sessions are taken.
    fn of(&self, address: IpAddr) -> (&Arc<Settings>, &Arc<Settings>) {
        let special = self.special.iter().find(|(networks, _)| contains(networks, address));
        special.map_or((&self.usual, &self.busy), |(_, settings)| (settings, settings))
    }
}

/// Whether most sessions are taken, where there is a limit.
pub fn is_busy(taken: usize, sessions: usize) -> bool {
    sessions > 0 && taken >= sessions - sessions / 4
}

fn contains(networks: &[IpNet], address: IpAddr) -> bool {
    networks.iter().any(|network| network.contains(&address))
}

/// What a new connection at a listener meets. A reload replaces it; running sessions keep theirs.
pub struct Door {
    /// The listener's name.
    pub name: Arc<str>,
    /// Which way mail flows here.
    pub direction: Direction,
    /// Who answers.
    pub pipeline: Arc<Pipeline>,
    /// Where the ways to mail servers come from.
    pub upstreams: Arc<dyn Upstreams>,
    /// What sessions are told; replaced when a mail server's offer changes.
    pub settings: ArcSwap<ByNetwork>,
    /// How TLS begins.
    pub secure: Secure,
    /// Whose people are ours.
    pub trusted: Vec<IpNet>,
    /// Which load balancers must tell the client by a PROXY header.
    pub proxies: Vec<IpNet>,
    /// How long they may take for it.
    pub proxy_header: Duration,
    /// How many sessions.
    pub limits: admission::Limits,
    /// How many may wait for a reply.
    pub tarpitted: usize,
    /// Where messages lie.
    pub room: Arc<Room>,
}

/// What all listeners share, across reloads.
#[derive(Clone)]
pub struct Hall {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Who may open a session.
    pub admission: Arc<Admission>,
    /// Who waits for a reply.
    pub tarpit: Arc<Tarpit>,
    /// The sessions that run.
    pub sessions: TaskTracker,
    /// Cancelled when the proxy stops: sessions end at their next command boundary.
    pub drain: CancellationToken,
}

/// A socket that accepts for a door.
pub struct Listener {
    door: Arc<ArcSwap<Door>>,
    stop: CancellationToken,
    accepting: JoinHandle<()>,
    address: SocketAddr,
}

/// Binds an address for many connections.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]:25` and `0.0.0.0:25` are two listeners, and neither steals the other's clients.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

impl Listener {
    /// Begins to accept.
    pub fn open(socket: TcpListener, door: Arc<Door>, hall: &Hall) -> io::Result<Listener> {
        let address = socket.local_addr()?;
        // All that it accepts inherit it.
        SockRef::from(&socket).set_tcp_nodelay(true)?;
        let door = Arc::new(ArcSwap::new(door));
        let stop = hall.drain.child_token();
        let accepting = tokio::spawn(accept(socket, address, Arc::clone(&door), hall.clone(), stop.clone()));
        Ok(Listener {
            door,
            stop,
            accepting,
            address,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The door that new connections go through.
    pub fn door(&self) -> Arc<Door> {
        self.door.load_full()
    }

    /// Lets new connections through another door.
    pub fn replace(&self, door: Arc<Door>) {
        self.door.store(door);
    }

    /// Stops accepting; sessions go on. When this returns, the address is free.
    pub async fn close(self) {
        self.stop.cancel();
        // It ends at the next turn of its loop; if it panicked, the socket is gone as well.
        let _ = self.accepting.await;
    }
}

async fn accept(
    socket: TcpListener,
    address: SocketAddr,
    door: Arc<ArcSwap<Door>>,
    hall: Hall,
    stop: CancellationToken,
) {
    // Which of our addresses a client came to must be asked for only where there may be several.
    let only = (!address.ip().is_unspecified()).then_some(address);
    loop {
        let accepted = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                let (door, one) = (door.load_full(), hall.clone());
                hall.sessions
                    .spawn(attend(Box::pin(come_in(stream, peer, only, door, one))));
            }
            Err(error) => {
                // A client that is gone already, or no descriptors: neither ends the listener.
                tracing::warn!(listener = &*door.load().name, %error, "a connection could not be accepted");
                tokio::time::sleep(BREATH).await;
            }
        }
    }
}

/// A session from its beginning to its end. What is only needed on the way in is gone before it waits for its client.
async fn attend<S>(way_in: Pin<Box<impl Future<Output = Option<(Pin<Box<S>>, Admitted)>>>>)
where
    S: Future<Output = ()> + Send,
{
    if let Some((session, _admitted)) = way_in.await {
        Prompt::new(session).await;
    }
}

/// The way in: the PROXY header, the limits, TLS. Nothing, where it ends there.
async fn come_in(
    stream: TcpStream,
    peer: SocketAddr,
    only: Option<SocketAddr>,
    door: Arc<Door>,
    hall: Hall,
) -> Option<(Pin<Box<impl Future<Output = ()> + Send>>, Admitted)> {
    let local = only.or_else(|| stream.local_addr().ok());
    let mut wire = Wire::accepted(stream);
    let mut peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
    counter!("gatepost_sessions_total", "listener" => door.name.to_string()).increment(1);
    if contains(&door.proxies, peer.ip()) {
        let header = tokio::select! {
            header = tokio::time::timeout(door.proxy_header, proxy_header::read(&mut wire)) => header,
            () = hall.drain.cancelled() => return None,
        };
        match header {
            Ok(Ok(Header::Client(client))) => peer = client,
            Ok(Ok(Header::Local)) => {}
            Ok(Err(error)) => {
                tracing::warn!(listener = &*door.name, %peer, %error, "a load balancer sent no valid PROXY header");
                return None;
            }
            Err(_) => return None,
        }
    }
    let mut limits = door.limits;
    if limits.sessions > 0 {
        limits.sessions += hall.tarpit.waiting();
    }
    let admitted = match hall.admission.admit(peer.ip(), limits, hall.clock.now()) {
        Ok(admitted) => admitted,
        Err(refused) => {
            counter!("gatepost_sessions_refused_total", "listener" => door.name.to_string(), "limit" => refused.name())
                .increment(1);
            tracing::debug!(listener = &*door.name, client = %peer.ip(), limit = refused.name(), "too many sessions");
            if !matches!(door.secure, Secure::Implicit(..)) {
                let _ = tokio::time::timeout(
                    FAREWELL,
                    wire.write(b"421 4.7.0 Too many connections, try again later\r\n"),
                )
                .await;
            }
            wire.close().await;
            return None;
        }
    };
    let tls = match &door.secure {
        Secure::Implicit(acceptor, patience) => {
            let shaken = tokio::select! {
                shaken = tokio::time::timeout(*patience, wire.accept(acceptor)) => matches!(shaken, Ok(Ok(()))),
                () = hall.drain.cancelled() => return None,
            };
            if !shaken {
                tracing::debug!(listener = &*door.name, client = %peer.ip(), "TLS handshake failed");
                return None;
            }
            None
        }
        Secure::Starttls(acceptor) => Some(acceptor.clone()),
        Secure::No => None,
    };
    let mut client = Client::new(peer.ip(), peer.port());
    if let Some(local) = local {
        client = client.at(local);
    }
    if let Some(agreed) = wire.agreed() {
        client = client.with_tls(Arc::new(agreed));
    }
    let mut visit = Visit::new(door.direction, Arc::clone(&door.name), client);
    if let Some(network) = door.trusted.iter().find(|network| network.contains(&peer.ip())) {
        visit.login = Some(Login::new(network.to_string(), LoginBy::Network));
    }
    let taken = hall.admission.open().saturating_sub(hall.tarpit.waiting());
    let all = door.settings.load();
    let (usual, busy) = all.of(peer.ip());
    let settings = Arc::clone(if is_busy(taken, door.limits.sessions) {
        busy
    } else {
        usual
    });
    let reception = Reception::new(Arc::clone(&door.pipeline), visit, Arc::clone(&door.upstreams));
    let driving = Driving {
        clock: hall.clock,
        busy: Arc::clone(busy),
        tls,
        admission: Arc::clone(&hall.admission),
        limits: door.limits,
        tarpit: hall.tarpit,
        tarpitted: door.tarpitted,
        room: Arc::clone(&door.room),
        drain: hall.drain,
    };
    drop(all);
    drop(door);
    Some((Box::pin(drive(wire, settings, reception, driving)), admitted))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size<I, F>(
        _: impl Fn(TcpStream, SocketAddr, Option<SocketAddr>, Arc<Door>, Hall) -> I,
        _: impl Fn(Pin<Box<I>>) -> F,
    ) -> usize {
        size_of::<F>()
    }

    #[test]
    fn a_session_that_waits_for_its_client_is_small() {
        let size = size(come_in, attend);
        assert!(size <= 160, "{size} octets");
    }
}
