//! A client that says what was written for it beforehand.

use gatepost_core::smtp::body::BodyWriter;

/// How a client sends its commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Manner {
    /// One, then its reply, then the next, as most load tools do.
    Lockstep,
    /// MAIL, RCPT and DATA at once (RFC 2920), as mail servers do.
    Pipelined,
}

/// All that a client says in one session, in flights; before each it waits for the replies to the one before.
#[derive(Clone, Debug)]
pub struct Script(Vec<Vec<u8>>);

impl Script {
    /// `count` messages with one content from `ann@b.example` to `to`, then QUIT.
    pub fn messages(manner: Manner, count: usize, to: &str, content: &[u8]) -> Script {
        let mut encoded = Vec::with_capacity(content.len() + 5);
        let mut writer = BodyWriter::new();
        writer.write(content, &mut encoded);
        writer.finish(&mut encoded);
        let mut script = Script::greeting();
        for _ in 0..count {
            script.commands(manner, [mail(content.len()), rcpt(to), "DATA\r\n".into()]);
            script.0.push(encoded.clone());
        }
        script.goodbye()
    }

    /// One recipient, whom nobody is to grant, then QUIT.
    pub fn refused(manner: Manner, to: &str) -> Script {
        let mut script = Script::greeting();
        script.commands(manner, [mail(4_000), rcpt(to)]);
        script.goodbye()
    }

    fn greeting() -> Script {
        Script(vec![b"EHLO mail.b.example\r\n".to_vec()])
    }

    fn commands<const N: usize>(&mut self, manner: Manner, commands: [String; N]) {
        match manner {
            Manner::Lockstep => self.0.extend(commands.map(String::into_bytes)),
            Manner::Pipelined => self.0.push(commands.concat().into_bytes()),
        }
    }

    fn goodbye(mut self) -> Script {
        self.0.push(b"QUIT\r\n".to_vec());
        self
    }

    /// Begins to say it.
    pub fn begin(&self) -> Client<'_> {
        Client {
            flights: &self.0,
            rest: &[],
        }
    }
}

fn mail(size: usize) -> String {
    format!("MAIL FROM:<ann@b.example> SIZE={size}\r\n")
}

fn rcpt(to: &str) -> String {
    format!("RCPT TO:<{to}>\r\n")
}

/// A client in the middle of its script.
#[derive(Debug)]
pub struct Client<'a> {
    flights: &'a [Vec<u8>],
    /// What is left of the flight that was begun.
    rest: &'a [u8],
}

impl<'a> Client<'a> {
    /// What one read of at most `room` octets gives; `None` where the client has hung up. Only to be asked when all
    /// replies so far were written.
    pub fn read(&mut self, room: usize) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            let (next, later) = self.flights.split_first()?;
            (self.rest, self.flights) = (next, later);
        }
        let (now, rest) = self.rest.split_at(room.min(self.rest.len()));
        self.rest = rest;
        Some(now)
    }
}
