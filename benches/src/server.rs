//! A mail server that accepts everything and looks at nothing but where commands and messages end.

use std::io::Read;
use std::sync::Arc;

use gatepost_core::Time;
use gatepost_core::smtp::relay::{
    Client, ClientMode, FallBack, Input, Loss, Order, Outcome, Output, Relay, RelaySettings, Timeouts, TlsMode, What,
    Whose,
};

/// So much of a message is encoded before it is written, octets; as in the proxy.
const BLOCK: usize = 64 * 1024;
/// The connection is of no more use.
pub(crate) const GONE: Loss = Loss {
    whose: Whose::Upstream,
    after_dot: false,
    what: What::Gone,
};

const GREETING: &[u8] = b"220 mx.d.example ESMTP\r\n";
const OFFER: &[u8] = b"250-mx.d.example\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-8BITMIME\r\n250-DSN\r\n\
    250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n250 ENHANCEDSTATUSCODES\r\n";

/// Settings of a connection without TLS.
pub fn settings(client: ClientMode) -> Arc<RelaySettings> {
    Arc::new(RelaySettings {
        hostname: "mx.example".into(),
        own_name: "mx.example".into(),
        tls: TlsMode::None,
        client,
        fall_back: FallBack::Refuse,
        timeouts: Timeouts::default(),
    })
}

/// The mail server's end of one connection.
#[derive(Debug)]
pub struct Server {
    /// What it said and the relay machine has not read.
    said: Vec<u8>,
    /// The last octets of the message that is being received.
    content: Option<[u8; 5]>,
    grants: bool,
    taken: usize,
}

impl Server {
    /// A server that was called just now. It refuses all recipients unless it `grants` them.
    pub fn new(grants: bool) -> Server {
        Server {
            said: GREETING.to_vec(),
            content: None,
            grants,
            taken: 0,
        }
    }

    fn hear(&mut self, octets: &[u8]) {
        let Some(tail) = &mut self.content else {
            for line in octets.split_inclusive(|octet| *octet == b'\n') {
                self.obey(line);
            }
            return;
        };
        let end = octets.last_chunk::<5>();
        match end {
            Some(end) => *tail = *end,
            None => {
                tail.rotate_left(octets.len());
                let kept = tail.len() - octets.len();
                tail[kept..].copy_from_slice(octets);
            }
        }
        // The relay machine ends a write with the dot line and never writes behind it.
        if tail == b"\r\n.\r\n" {
            self.content = None;
            self.taken += 1;
            self.said.extend_from_slice(b"250 2.0.0 Taken as 4XyZ1234\r\n");
        }
    }

    fn obey(&mut self, line: &[u8]) {
        let reply: &[u8] = match line.first_chunk::<4>() {
            Some(b"EHLO") => OFFER,
            Some(b"XCLI") => GREETING,
            Some(b"DATA") => {
                // The CR LF of the command is the first half of an end that comes at once.
                self.content = Some(*b"\0\0\0\r\n");
                b"354 End data with <CR><LF>.<CR><LF>\r\n"
            }
            Some(b"RCPT") if !self.grants => b"550 5.1.1 No such user here\r\n",
            Some(b"RCPT") => b"250 2.1.5 Ok\r\n",
            Some(b"QUIT") => b"221 2.0.0 Bye\r\n",
            _ => b"250 2.1.0 Ok\r\n",
        };
        self.said.extend_from_slice(reply);
    }
}

/// A connection to it: the relay machine, driven as the proxy drives it, without the socket.
#[derive(Debug)]
pub struct Line {
    relay: Relay,
    server: Server,
    now: Time,
}

impl Line {
    /// Calls the server, at a time that never passes; the connection is ready for orders.
    pub fn open(settings: &Arc<RelaySettings>, client: Client, server: Server, now: Time) -> Result<Line, Loss> {
        let mut line = Line {
            relay: Relay::new(Arc::clone(settings), client, now),
            server,
            now,
        };
        match line.run() {
            Outcome::Ready => Ok(line),
            Outcome::Lost(loss) => Err(loss),
            _ => Err(GONE),
        }
    }

    /// Orders one thing and obeys the machine until it is done.
    pub fn order(&mut self, order: Order<'_>) -> Outcome {
        self.relay.order(order);
        self.run()
    }

    /// Writes a whole message after 354, block by block, and waits for the reply to the dot. A client that is `gone` by
    /// then gets no dot.
    pub fn send(&mut self, mut content: impl Read, length: u64, gone: impl FnOnce() -> bool) -> Outcome {
        let mut block = vec![0; usize::try_from(length).map_or(BLOCK, |length| length.clamp(1, BLOCK))];
        loop {
            match content.read(&mut block) {
                Ok(0) => break,
                Ok(count) => self.relay.body(&block[..count]),
                Err(_) => return Outcome::Lost(Loss::new(Whose::Us, What::Gone)),
            }
            if self.relay.buffered() >= BLOCK {
                self.flush();
            }
        }
        if gone() {
            self.relay.abort();
            return Outcome::Lost(Loss::new(Whose::Client, What::Gone));
        }
        self.relay.end();
        self.run()
    }

    /// Says goodbye and does not wait for the answer; how many messages the server took.
    pub fn close(mut self) -> usize {
        self.relay.order(Order::Quit);
        self.flush();
        self.server.taken
    }

    /// Whether MAIL was accepted and its transaction is open.
    pub fn in_transaction(&self) -> bool {
        self.relay.in_transaction()
    }

    fn flush(&mut self) {
        if let Output::Write(octets) = self.relay.poll(self.now) {
            self.server.hear(octets);
        }
    }

    fn run(&mut self) -> Outcome {
        let Line { relay, server, now } = self;
        loop {
            match relay.poll(*now) {
                Output::Write(octets) => server.hear(octets),
                Output::Wait { .. } if server.said.is_empty() => relay.give(*now, Input::Eof),
                Output::Wait { .. } => {
                    relay.give(*now, Input::Bytes(&server.said));
                    server.said.clear();
                }
                Output::StartTls => relay.give(*now, Input::Eof),
                Output::Done(outcome) => return outcome,
                Output::Close => return Outcome::Lost(GONE),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_at_its_end_however_the_writes_are_cut() {
        for content in [&b".\r\n"[..], b"a\r\n.\r\n", b"Subject: b\r\n\r\n..\r\nc\r\n.\r\n"] {
            for cut in 1..=content.len() {
                let mut server = Server::new(true);
                server.hear(b"DATA\r\n");
                for (n, piece) in content.chunks(cut).enumerate() {
                    assert_eq!(server.taken, 0, "before piece {n} of {cut} octets");
                    server.hear(piece);
                }
                assert_eq!((server.taken, server.content), (1, None), "in pieces of {cut} octets");
            }
        }
    }
}
