//! A connection with or without TLS, read by lines that end in LF, whatever stands before.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

enum Stream {
    Plain(TcpStream),
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
}

pub struct Wire {
    tcp: TcpStream,
    stream: Stream,
    unread: Vec<u8>,
}

impl Wire {
    pub fn new(tcp: TcpStream, patience: Duration) -> Wire {
        tcp.set_read_timeout(Some(patience)).expect("a time limit");
        tcp.set_write_timeout(Some(patience)).expect("a time limit");
        tcp.set_nodelay(true).expect("no delay");
        Wire {
            stream: Stream::Plain(tcp.try_clone().expect("a second handle")),
            tcp,
            unread: Vec::new(),
        }
    }

    pub fn connect(address: SocketAddr, patience: Duration) -> io::Result<Wire> {
        Ok(Wire::new(TcpStream::connect_timeout(&address, patience)?, patience))
    }

    /// More octets; `false` at the end.
    pub fn fill(&mut self) -> io::Result<bool> {
        let mut part = [0; 16 * 1024];
        let read = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut part)?,
            Stream::Client(stream) => stream.read(&mut part)?,
            Stream::Server(stream) => stream.read(&mut part)?,
        };
        self.unread.extend_from_slice(&part[..read]);
        Ok(read > 0)
    }

    /// Whether there is something to read, or an end, within this time.
    pub fn waits(&mut self, time: Duration) -> bool {
        let patience = self.tcp.read_timeout().expect("a time limit");
        self.tcp.set_read_timeout(Some(time)).expect("a time limit");
        let peeked = self.tcp.peek(&mut [0]);
        self.tcp.set_read_timeout(patience).expect("a time limit");
        !peeked.is_err_and(|error| matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut))
    }

    /// So many octets; fewer at the end.
    pub fn take(&mut self, count: usize) -> io::Result<Vec<u8>> {
        while self.unread.len() < count && self.fill()? {}
        Ok(self.unread.drain(..count.min(self.unread.len())).collect())
    }

    /// A line with its LF; at the end what is left, which may be nothing.
    pub fn line(&mut self) -> io::Result<Vec<u8>> {
        let mut seen = 0;
        loop {
            if let Some(at) = self.unread[seen..].iter().position(|byte| *byte == b'\n') {
                return Ok(self.unread.drain(..=seen + at).collect());
            }
            seen = self.unread.len();
            if !self.fill()? {
                return Ok(std::mem::take(&mut self.unread));
            }
        }
    }

    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(octets),
            Stream::Client(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
            Stream::Server(stream) => stream.write_all(octets).and_then(|()| stream.flush()),
        }
    }

    /// Octets past TLS, onto the wire as they are.
    pub fn write_beneath(&mut self, octets: &[u8]) -> io::Result<()> {
        self.tcp.write_all(octets)
    }

    /// Says that nothing more comes: by close_notify under TLS, with the socket's own end where there is none.
    pub fn finish(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.shutdown(Shutdown::Write),
            Stream::Client(stream) => {
                stream.conn.send_close_notify();
                stream.flush()
            }
            Stream::Server(stream) => {
                stream.conn.send_close_notify();
                stream.flush()
            }
        }
    }

    /// Ends both directions, without a word to TLS.
    pub fn close(&mut self) {
        // It may be closed already.
        let _ = self.tcp.shutdown(Shutdown::Both);
    }

    /// Becomes TLS, as the client of a server of this name.
    pub fn secure(&mut self, config: Arc<ClientConfig>, name: &str) -> io::Result<()> {
        self.secure_behind(b"", config, name)
    }

    /// The same, with octets before the first of the handshake and in one write with it.
    pub fn secure_behind(&mut self, octets: &[u8], config: Arc<ClientConfig>, name: &str) -> io::Result<()> {
        let name = ServerName::try_from(name.to_owned()).expect("a server name");
        let mut connection = ClientConnection::new(config, name).expect("a TLS client");
        let mut first = octets.to_vec();
        connection.write_tls(&mut first)?;
        self.tcp.write_all(&first)?;
        let mut stream = StreamOwned::new(connection, self.tcp.try_clone()?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.unread.clear();
        self.stream = Stream::Client(Box::new(stream));
        Ok(())
    }

    /// Becomes TLS, as a server.
    pub fn accept(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        let connection = ServerConnection::new(config).expect("a TLS server");
        let mut stream = StreamOwned::new(connection, self.tcp.try_clone()?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.stream = Stream::Server(Box::new(stream));
        Ok(())
    }

    /// The certificate that the server showed.
    pub fn certificate(&self) -> Option<Vec<u8>> {
        match &self.stream {
            Stream::Client(stream) => Some(stream.conn.peer_certificates()?.first()?.to_vec()),
            _ => None,
        }
    }

    /// Whether the handshake took up an older session.
    pub fn resumed(&self) -> bool {
        matches!(&self.stream, Stream::Client(stream) if stream.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed))
    }
}
