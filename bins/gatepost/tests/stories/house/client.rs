//! An SMTP client that sends exactly the octets it is told to, and believes no reply that is not legal.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;

use super::wire::Wire;
use super::{PATIENCE, stuffed};

/// How long a greeting may take before the client doubts that anybody is there.
const GREETING: Duration = Duration::from_secs(3);

/// A reply: one code, its lines without it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    pub code: u16,
    pub lines: Vec<String>,
}

impl Reply {
    /// The last line with the code: `250 2.0.0 Ok`.
    pub fn text(&self) -> String {
        format!("{} {}", self.code, self.lines.last().map_or("", String::as_str))
    }

    #[track_caller]
    pub fn is(self, code: u16) -> Reply {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// Code and enhanced code: `250 2.0.0`.
    #[track_caller]
    pub fn begins(self, with: &str) -> Reply {
        assert!(self.text().starts_with(with), "expected `{with}`, found {self}");
        self
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", self.code, self.lines)
    }
}

/// A client.
pub struct Client {
    wire: Wire,
}

impl Client {
    /// Connects, and hears nothing yet.
    #[track_caller]
    pub fn connect(address: SocketAddr) -> Client {
        Client::try_connect(address).unwrap_or_else(|error| panic!("{address}: {error}"))
    }

    pub fn try_connect(address: SocketAddr) -> io::Result<Client> {
        Ok(Client {
            wire: Wire::connect(address, PATIENCE)?,
        })
    }

    /// The greeting; none where the connection ends instead.
    ///
    /// One that was made at the moment in which the listener died may have no other end: Linux forgets a connection that
    /// was not accepted yet in silence, if it comes while the listener is being closed. The client sees that only when
    /// it sends something, so where no greeting comes it does.
    #[track_caller]
    pub fn try_greeting(&mut self) -> Option<Reply> {
        if self.wire.waits(GREETING) {
            return self.try_reply();
        }
        self.try_send("NOOP\r\n");
        let greeting = self.try_reply()?;
        self.try_reply()?;
        Some(greeting)
    }

    /// Connects and is greeted.
    #[track_caller]
    pub fn greeted(address: SocketAddr) -> Client {
        let mut client = Client::connect(address);
        client.reply().is(220);
        client
    }

    /// Connects, is greeted and says EHLO.
    #[track_caller]
    pub fn introduced(address: SocketAddr) -> Client {
        let mut client = Client::greeted(address);
        client.ask("EHLO client.there.example").is(250);
        client
    }

    /// Speaks TLS from the first octet.
    #[track_caller]
    pub fn within_tls(address: SocketAddr, config: Arc<ClientConfig>, name: &str) -> Client {
        let mut client = Client::connect(address);
        client.wire.secure(config, name).expect("a TLS handshake");
        client.reply().is(220);
        client
    }

    #[track_caller]
    pub fn send(&mut self, octets: impl AsRef<[u8]>) {
        self.wire.write(octets.as_ref()).expect("the server takes what we send");
    }

    /// `false` where the server takes no more.
    pub fn try_send(&mut self, octets: impl AsRef<[u8]>) -> bool {
        self.wire.write(octets.as_ref()).is_ok()
    }

    /// Octets past TLS.
    pub fn send_beneath(&mut self, octets: &[u8]) -> bool {
        self.wire.write_beneath(octets).is_ok()
    }

    #[track_caller]
    pub fn reply(&mut self) -> Reply {
        self.try_reply().expect("a reply, but the connection ended")
    }

    /// The next reply; none where the connection ends instead. Anything that is no legal reply ends the test.
    #[track_caller]
    pub fn try_reply(&mut self) -> Option<Reply> {
        let mut reply: Option<Reply> = None;
        loop {
            let line = match self.wire.line() {
                Ok(line) => line,
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    panic!("no reply within {PATIENCE:?}")
                }
                Err(_) => Vec::new(),
            };
            if line.is_empty() {
                assert!(reply.is_none(), "the connection ended within a reply: {reply:?}");
                return None;
            }
            let shown = line.escape_ascii().to_string();
            assert!(
                line.len() <= 512 && line.ends_with(b"\r\n"),
                "no legal line of a reply: {shown}"
            );
            let text = str::from_utf8(&line[..line.len() - 2]).expect("ASCII");
            assert!(
                text.bytes().all(|byte| (b' '..=b'~').contains(&byte)),
                "control characters in a reply: {shown}"
            );
            let code: u16 = text
                .get(..3)
                .and_then(|code| code.parse().ok())
                .unwrap_or_else(|| panic!("no code: {shown}"));
            assert!((200..600).contains(&code), "no code of SMTP: {shown}");
            let reply = reply.get_or_insert(Reply {
                code,
                lines: Vec::new(),
            });
            assert_eq!(reply.code, code, "two codes in one reply: {shown}");
            reply.lines.push(text.get(4..).unwrap_or_default().to_owned());
            match text.as_bytes().get(3) {
                Some(b'-') => {}
                Some(b' ') | None => return Some(reply.clone()),
                Some(_) => panic!("neither space nor hyphen behind the code: {shown}"),
            }
        }
    }

    /// Says a line and hears the reply.
    #[track_caller]
    pub fn ask(&mut self, line: &str) -> Reply {
        self.send(format!("{line}\r\n"));
        self.reply()
    }

    /// Names sender and recipients, all of whom must be granted.
    #[track_caller]
    pub fn envelope(&mut self, from: &str, to: &[&str]) {
        self.ask(&format!("MAIL FROM:<{from}>")).is(250);
        for to in to {
            self.ask(&format!("RCPT TO:<{to}>")).is(250);
        }
    }

    /// DATA up to 354.
    #[track_caller]
    pub fn data(&mut self) {
        self.ask("DATA").is(354);
    }

    /// The content and its end.
    #[track_caller]
    pub fn content(&mut self, content: &[u8]) -> Reply {
        let mut wire = stuffed(content);
        wire.extend_from_slice(b".\r\n");
        self.send(wire);
        self.reply()
    }

    /// A whole mail.
    #[track_caller]
    pub fn mail(&mut self, from: &str, to: &[&str], content: &[u8]) -> Reply {
        self.envelope(from, to);
        self.data();
        self.content(content)
    }

    #[track_caller]
    pub fn starttls(&mut self, config: Arc<ClientConfig>, name: &str) {
        self.ask("STARTTLS").is(220);
        self.secure(config, name).expect("a TLS handshake");
    }

    /// A handshake that comes in one write with these octets before it.
    pub fn secure_behind(&mut self, octets: &[u8], config: Arc<ClientConfig>, name: &str) -> io::Result<()> {
        self.wire.secure_behind(octets, config, name)
    }

    pub fn secure(&mut self, config: Arc<ClientConfig>, name: &str) -> io::Result<()> {
        self.wire.secure(config, name)
    }

    #[track_caller]
    pub fn quit(mut self) {
        self.ask("QUIT").is(221);
        self.ends();
    }

    /// The server closes, and says nothing more.
    #[track_caller]
    pub fn ends(&mut self) {
        if let Some(reply) = self.try_reply() {
            panic!("expected the end of the connection, found {reply}");
        }
    }

    /// Every reply up to the end of the connection.
    #[track_caller]
    pub fn until_the_end(&mut self) -> Vec<Reply> {
        std::iter::from_fn(|| self.try_reply()).collect()
    }

    /// Sends no more, and still hears.
    pub fn finish(&mut self) {
        self.wire.finish().expect("an end");
    }

    /// The same to a server that may have left.
    pub fn finish_quietly(&mut self) {
        let _ = self.wire.finish();
    }

    /// Hears whatever comes until the end, which must come.
    #[track_caller]
    pub fn discard(&mut self) {
        loop {
            match self.wire.fill() {
                Ok(true) => {}
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    panic!("the connection stays open")
                }
                Ok(false) | Err(_) => return,
            }
        }
    }

    /// Is gone.
    pub fn vanish(mut self) {
        self.wire.close();
    }

    pub fn certificate(&self) -> Option<Vec<u8>> {
        self.wire.certificate()
    }

    pub fn resumed(&self) -> bool {
        self.wire.resumed()
    }
}
