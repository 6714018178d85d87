//! What the driver and the machine say to one another.

use std::fmt;
use std::time::Duration;

use crate::address::Path;
use crate::command::{MailParams, RcptParams};
use crate::reply::Reply;
use crate::time::Time;

use super::Loss;

/// What a greeting of ours holds behind our name; a greeting with our name and without it is a neighbour on our host.
pub const MARK: &str = "Gatepost";
/// The most commands in one write. Their replies must fit into socket buffers while nobody reads (RFC 2920 §3.1).
pub const MAX_PIPELINED: usize = 64;
/// The longest line of an AUTH exchange, CR LF included, octets (RFC 4954 §4).
pub const MAX_AUTH_LINE: usize = 12_288;
/// How the connection to the mail server is secured.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TlsMode {
    /// Never by STARTTLS; also where the driver speaks TLS from the first octet.
    None,
    /// Where it is offered. A refusal goes on in plaintext, a failed handshake loses the connection.
    #[default]
    Opportunistic,
    /// Or not at all, whatever the certificate.
    Required,
    /// Or not at all, and the driver checks the certificate before it gives [`Input::Secured`].
    Verified,
}

/// How the mail server learns who the client is. (A PROXY header is written by the driver, before this machine begins.)
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ClientMode {
    /// It does not.
    #[default]
    None,
    /// XCLIENT, once; the server then acts as if it saw the client itself.
    XClient,
    /// XFORWARD, before each MAIL; only for the server's log.
    XForward,
}

/// What happens if the server does not offer or accept the configured [`ClientMode`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum FallBack {
    /// The connection is given up.
    #[default]
    Refuse,
    /// It goes on without; [`Relay::missing`](super::Relay::missing) says so.
    GoOn,
}

/// How long each step may take (P-45). Connecting is the driver's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timeouts {
    /// From the connection to the greeting.
    pub greeting: Duration,
    /// From a command to its reply; the handshake.
    pub command: Duration,
    /// From DATA to its reply.
    pub data: Duration,
    /// For one write.
    pub block: Duration,
    /// From the dot line to its reply.
    pub dot: Duration,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            greeting: Duration::from_secs(60),
            command: Duration::from_secs(60),
            data: Duration::from_secs(2 * 60),
            block: Duration::from_secs(3 * 60),
            dot: Duration::from_secs(5 * 60),
        }
    }
}

/// What is the same for all connections to one mail server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RelaySettings {
    /// What we say in EHLO; a host name or an address literal.
    pub hostname: Box<str>,
    /// The name in our own greetings: a server that greets with it and with [`MARK`] is ourselves (P-44).
    pub own_name: Box<str>,
    /// How the connection is secured.
    pub tls: TlsMode,
    /// How the client is introduced.
    pub client: ClientMode,
    /// If it cannot be introduced.
    pub fall_back: FallBack,
    /// How long each step may take.
    pub timeouts: Timeouts,
}

/// What the driver may order when the machine is idle.
#[derive(Clone, Copy)]
pub enum Order<'a> {
    /// Opens a transaction with its first recipient: [`Outcome::Recipient`]. One write where PIPELINING is offered.
    Envelope {
        /// The sender.
        from: &'a Path,
        /// Of these the ones that the server offers are written.
        params: &'a MailParams,
        /// The first recipient.
        to: &'a Path,
        /// Likewise.
        rcpt: &'a RcptParams,
    },
    /// One more recipient of the open transaction: [`Outcome::Recipient`].
    Rcpt {
        /// The recipient.
        to: &'a Path,
        /// Of these the ones that the server offers are written.
        params: &'a RcptParams,
    },
    /// RSET, and the transaction again with some of its recipients (P-32): [`Outcome::Recipients`].
    Replay {
        /// The sender.
        from: &'a Path,
        /// Of these the ones that the server offers are written.
        params: &'a MailParams,
        /// The recipients, at least one.
        to: &'a [(Path, RcptParams)],
    },
    /// Asks to send the message: [`Outcome::Replied`]; at 354 [`Relay::body`](super::Relay::body) and [`Relay::end`](super::Relay::end) follow,
    /// and then [`Outcome::Replied`] or [`Outcome::Each`].
    Data,
    /// Drops the transaction: [`Outcome::Replied`]. After another reply than 2xx the connection is closed.
    Reset,
    /// Ends the session: [`Outcome::Replied`], then [`Output::Close`].
    Quit,
    /// Asks whether the server is there: [`Outcome::Replied`].
    Noop,
    /// Begins to authenticate (RFC 4954): [`Outcome::Challenge`] or [`Outcome::Replied`].
    Auth {
        /// The mechanism's name.
        mechanism: &'a str,
        /// The initial response, base64 as the client wrote it, or `=`.
        initial: Option<&'a str>,
    },
    /// Answers a challenge; base64 as the client wrote it.
    AuthLine(&'a str),
    /// Cancels the authentication.
    AuthCancel,
}

impl fmt::Debug for Order<'_> {
    /// The kind only: some hold credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Order::Envelope { .. } => "Envelope",
            Order::Rcpt { .. } => "Rcpt",
            Order::Replay { .. } => "Replay",
            Order::Data => "Data",
            Order::Reset => "Reset",
            Order::Quit => "Quit",
            Order::Noop => "Noop",
            Order::Auth { .. } => "Auth",
            Order::AuthLine(_) => "AuthLine",
            Order::AuthCancel => "AuthCancel",
        })
    }
}

/// What the driver gives when the machine waits.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Octets from the server.
    Bytes(&'a [u8]),
    /// The server closed, reading or writing failed, or the handshake did.
    Eof,
    /// The handshake that [`Output::StartTls`] asked for is done.
    Secured,
    /// Time passed, perhaps past the deadline. Given in the middle of a write, it says that the write does not end.
    Tick,
}

/// What the driver is to do.
#[derive(Debug)]
pub enum Output<'a> {
    /// Write all of it, within [`Timeouts::block`].
    Write(&'a [u8]),
    /// Make the connection a TLS connection, then give [`Input::Secured`]; or [`Input::Eof`].
    StartTls,
    /// Wait for octets if `read`, and give a Tick at `until`.
    Wait {
        /// The deadline.
        until: Time,
        /// Whether the server has something to say.
        read: bool,
    },
    /// What was ordered is done. At the beginning that is to become [`Outcome::Ready`].
    Done(Outcome),
    /// Close the connection; it is of no more use.
    Close,
}

/// How an order ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The server is ready for orders.
    Ready,
    /// The server's reply.
    Replied(Reply),
    /// The reply that answers this recipient; a refused MAIL answers the first one.
    Recipient(Reply),
    /// Likewise for each recipient of a [`Order::Replay`], in its order.
    Recipients(Vec<Reply>),
    /// To the dot, where MAIL asked for PRDR: a reply for each accepted recipient, in the order in which they were named, and
    /// the last word. Whom it accepts there has the message only if the last word is 2xx.
    Each(Vec<Reply>, Reply),
    /// The server's challenge, the text behind 334.
    Challenge(Box<str>),
    /// The connection is lost, and with it the transaction.
    Lost(Loss),
}
