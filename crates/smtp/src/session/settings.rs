//! What a session is told once: what it offers, how much it takes and how long it waits.

use std::time::Duration;

use crate::body::{Strictness, Treat};
use crate::offer::Offer;

/// What the sessions of one listener have in common; shared, never changed while a session holds it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The name that this server gives itself in the answers to HELO and EHLO: a domain name, printable ASCII.
    pub hostname: Box<str>,
    /// What EHLO offers. STARTTLS is shown only without TLS, AUTH only under it; a client that said HELO gets none.
    pub offer: Offer,
    /// How much one session may make of anything.
    pub limits: Limits,
    /// How long the machine waits for the client.
    pub patience: Patience,
    /// What is done with message text that is not canonical (P-03).
    pub strictness: Strictness,
    /// Whether a command line may end in LF alone.
    pub lf_tolerated: bool,
    /// MAIL is refused with 530 5.7.0 until the client has authenticated, or [`Session::trust`](super::Session::trust)
    /// vouched for it.
    pub require_auth: bool,
    /// MAIL is refused with 530 5.7.0 until TLS is active.
    pub require_tls: bool,
}

/// How much one session may make of anything (P-05, P-46, P-47). Beyond it the session refuses or closes with 421.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Octets of a command line without its end; RFC 5321 §4.5.3.1.4 asks for 512 and the additions of the extensions.
    pub command_line: usize,
    /// Octets of a line within an AUTH exchange, the client's and ours (RFC 4954 §4).
    pub auth_line: usize,
    /// Commands that bring no mail (NOOP, RSET, HELO, EHLO, VRFY, EXPN, HELP, ETRN) since the last accepted message; one more
    /// closes with 421 4.7.0.
    pub junk: u32,
    /// Refused commands in the session; after so many the next command closes with 421 4.7.0.
    pub errors: u32,
    /// Transactions in the session; one more MAIL closes with 421 4.7.0.
    pub mails: u32,
    /// Granted recipients of one transaction; one more gets 452 4.5.3.
    pub recipients: u32,
    /// Failed authentications; after so many the next command closes with 421 4.7.0.
    pub auth_failures: u32,
    /// Octets of a message's canonical content; more gets 552 5.3.4. The smaller of this and the SIZE offered counts.
    pub message: u64,
    /// Octets past [`message`](Limits::message) that are still read in search of the end, before 421 and close.
    pub excess: u64,
    /// Octets of the client that are held unread, while a question is open and at any other time; never less than the
    /// longest line with its end.
    pub remembered: usize,
}

impl Limits {
    /// Octets of the client that are held unread, with room for any line that may come.
    pub(super) fn remembered(&self) -> usize {
        self.remembered
            .max(self.command_line.saturating_add(2))
            .max(self.auth_line.saturating_add(2))
    }
}

/// How long the machine waits for the client (P-45). Time in which a question is open does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Patience {
    /// For a complete command line, however its bytes drip in (RFC 5321 §4.5.3.2.7 asks for 5 minutes).
    pub command: Duration,
    /// For the next octets of a message.
    pub block: Duration,
    /// How long the octets of a message may be slower than [`rate`](Patience::rate), in all.
    pub grace: Duration,
    /// Octets per second that a message must come at once the grace is used up; 0 asks for none.
    pub rate: u64,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For the whole session; it ends at the first command boundary past it.
    pub session: Option<Duration>,
}

impl Settings {
    /// The defaults for a server of this name: all limits of P-46, nothing offered that needs a certificate or the
    /// upstream's consent, bare LF normalised and everything worse refused.
    pub fn new(hostname: impl Into<Box<str>>) -> Settings {
        let limits = Limits::default();
        Settings {
            hostname: hostname.into(),
            offer: Offer {
                size: Some(limits.message),
                pipelining: true,
                enhanced_status_codes: true,
                ..Offer::default()
            },
            limits,
            patience: Patience::default(),
            strictness: Strictness {
                bare_lf: Treat::Normalise,
                rest: Treat::Refuse,
            },
            lf_tolerated: true,
            require_auth: false,
            require_tls: false,
        }
    }

    /// The most octets of content that a message may have.
    pub fn max_message(&self) -> u64 {
        match self.offer.size {
            Some(size) if size > 0 => size.min(self.limits.message),
            _ => self.limits.message,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            command_line: 2048,
            auth_line: 12_288,
            junk: 100,
            errors: 20,
            mails: 100,
            recipients: 1000,
            auth_failures: 3,
            message: 50 * 1024 * 1024,
            excess: 50 * 1024 * 1024,
            remembered: 64 * 1024,
        }
    }
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            command: Duration::from_secs(300),
            block: Duration::from_secs(180),
            grace: Duration::from_secs(60),
            rate: 500,
            handshake: Duration::from_secs(60),
            session: Some(Duration::from_secs(3600)),
        }
    }
}
