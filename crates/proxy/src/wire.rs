//! A connection, plain or under TLS, read without a buffer of its own.
//!
//! Both sides of the proxy use it. The socket is shared, so that the last look before the final dot can be taken while
//! somebody else waits to read from it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io::{self, Read};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector, TlsStream};

/// How many octets are read at once.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    /// What is read passes through here on its way to a machine; so an idle connection holds no buffer.
    static READ: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH].into_boxed_slice());
}

/// A TCP stream that several may hold; one reads, one writes, anyone peeks.
#[derive(Clone)]
pub struct Shared(Arc<TcpStream>);

impl Shared {
    /// Whether the peer has hung up, as far as the kernel knows at this moment. Asks it once and does not wait.
    pub fn is_closed(&self) -> bool {
        match self.peek() {
            Ok(0) => true,
            Ok(_) => false,
            Err(error) => error.kind() != io::ErrorKind::WouldBlock && error.kind() != io::ErrorKind::Interrupted,
        }
    }

    /// Whether the peer is there and has said nothing that was not read, as far as the kernel knows at this moment.
    pub fn is_quiet(&self) -> bool {
        matches!(self.peek(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    fn peek(&self) -> io::Result<usize> {
        socket2::SockRef::from(&*self.0).peek(&mut [MaybeUninit::uninit()])
    }
}

impl AsyncRead for Shared {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            let mut read = None;
            let room = buf.initialize_unfilled();
            let tried = self.0.try_io(Interest::READABLE, || {
                let count = (&*socket2::SockRef::from(&*self.0)).read(room)?;
                read = Some(count);
                // Less than there was room for: the kernel has no more, and will say when it has. To tell the runtime so
                // here, under the readiness that this read began with, spares a read in vain before each answer.
                if count > 0 && count < room.len() {
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            match (read, tried) {
                (Some(count), _) => {
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                (None, Err(error)) if error.kind() != io::ErrorKind::WouldBlock => return Poll::Ready(Err(error)),
                (None, _) => {}
            }
        }
    }
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            match self.0.try_write(bytes) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => ready!(self.0.poll_write_ready(cx))?,
                done => return Poll::Ready(done),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(
            match socket2::SockRef::from(&*self.0).shutdown(std::net::Shutdown::Write) {
                Err(error) if error.kind() != io::ErrorKind::NotConnected => Err(error),
                _ => Ok(()),
            },
        )
    }
}

/// A connection.
pub struct Wire {
    tcp: Shared,
    tls: Option<Box<TlsStream<Shared>>>,
}

impl Wire {
    /// A plain connection to a server. Nagle's algorithm is switched off: whole turns are written at once.
    pub fn connected(tcp: TcpStream) -> Wire {
        // A socket that is already dead says so at the first read.
        let _ = tcp.set_nodelay(true);
        Wire::accepted(tcp)
    }

    /// A plain connection of a client. It has from its listener that Nagle's algorithm is off (see `Listener::open`).
    pub fn accepted(tcp: TcpStream) -> Wire {
        Wire {
            tcp: Shared(Arc::new(tcp)),
            tls: None,
        }
    }

    /// The socket, for the last look.
    pub fn shared(&self) -> Shared {
        self.tcp.clone()
    }

    /// Waits for octets and tells how many of them it has copied; they stay to be read. None is the end. Before TLS only.
    pub async fn look(&self, sight: &mut [u8]) -> io::Result<usize> {
        self.tcp.0.peek(sight).await
    }

    /// Waits for octets and shows at most `most` of them to `take`; no octets is the end. Safe to give up: nothing is
    /// lost.
    pub async fn read<T>(&mut self, most: usize, mut take: impl FnMut(&[u8]) -> T) -> io::Result<T> {
        poll_fn(|cx| {
            // Readiness first: an idle connection borrows the scratch buffer only when there is something.
            READ.with_borrow_mut(|scratch| {
                let most = most.clamp(1, scratch.len());
                let mut buf = ReadBuf::new(&mut scratch[..most]);
                let polled = match &mut self.tls {
                    Some(tls) => Pin::new(&mut **tls).poll_read(cx, &mut buf),
                    None => Pin::new(&mut self.tcp).poll_read(cx, &mut buf),
                };
                match ready!(polled) {
                    Ok(()) => Poll::Ready(Ok(take(buf.filled()))),
                    Err(error) => Poll::Ready(Err(error)),
                }
            })
        })
        .await
    }

    /// Writes all of it.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => {
                tls.write_all(bytes).await?;
                tls.flush().await
            }
            None => self.tcp.write_all(bytes).await,
        }
    }

    /// Takes the server's part of a TLS handshake.
    pub async fn accept(&mut self, acceptor: &TlsAcceptor) -> io::Result<()> {
        let stream = acceptor.accept(self.tcp.clone()).await?;
        self.tls = Some(Box::new(TlsStream::Server(stream)));
        Ok(())
    }

    /// Takes the client's part of a TLS handshake.
    pub async fn connect(&mut self, connector: &TlsConnector, name: ServerName<'static>) -> io::Result<()> {
        let stream = connector.connect(name, self.tcp.clone()).await?;
        self.tls = Some(Box::new(TlsStream::Client(stream)));
        Ok(())
    }

    /// What was agreed on.
    pub fn agreed(&self) -> Option<gatepost_core::smtp::session::Tls> {
        let (_, state) = self.tls.as_ref()?.get_ref();
        let version = match state.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            _ => "TLS",
        };
        let cipher = state
            .negotiated_cipher_suite()
            .map(|suite| format!("{:?}", suite.suite()))
            .unwrap_or_default();
        let server_name = match &**self.tls.as_ref()? {
            TlsStream::Server(stream) => stream.get_ref().1.server_name().map(Box::from),
            TlsStream::Client(_) => None,
        };
        Some(gatepost_core::smtp::session::Tls {
            version: version.into(),
            cipher: cipher.into(),
            server_name,
        })
    }

    /// Ends it in order, within reason: the peer is told, nobody is waited for. Of a plain connection the kernel tells it,
    /// after what was written, unless the peer said more than was read.
    pub async fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            let _ = tls.shutdown().await;
        }
    }
}
