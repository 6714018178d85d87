//! Who writes to whom, and how it came to us.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use gatepost_smtp::session::Tls;
use gatepost_smtp::{Domain, MailParams, Path, RcptParams};
use serde::{Deserialize, Serialize};

/// Which way mail flows through a listener.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the world to our own domains.
    Inbound,
    /// From our own people to the world.
    Outbound,
}

/// The peer of a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Client {
    /// Its address; a v4-mapped IPv6 address is given as IPv4. Behind a trusted load balancer the one that the PROXY
    /// header told.
    pub address: IpAddr,
    /// Its port.
    pub port: u16,
    /// The address of ours that it called.
    pub local: Option<SocketAddr>,
    /// What TLS was agreed on, if any.
    pub tls: Option<Arc<Tls>>,
}

impl Client {
    /// A client without TLS.
    pub fn new(address: IpAddr, port: u16) -> Client {
        Client {
            address: address.to_canonical(),
            port,
            local: None,
            tls: None,
        }
    }

    /// The same client, and the address of ours that it called.
    #[must_use]
    pub fn at(mut self, local: SocketAddr) -> Client {
        self.local = Some(local);
        self
    }

    /// The same client under TLS.
    #[must_use]
    pub fn with_tls(mut self, tls: Arc<Tls>) -> Client {
        self.tls = Some(tls);
        self
    }
}

/// How somebody authenticated **to us**. Only this opens command mailboxes; what a message proves about its author is
/// [`Identity`](crate::Identity) and something else.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Login {
    /// The user name of AUTH, or the name of the trusted network.
    pub name: Box<str>,
    /// What it rests on.
    pub by: LoginBy,
}

/// What a [`Login`] rests on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LoginBy {
    /// AUTH that the mail server answered with 235.
    Auth,
    /// The address of the client, in a network that the operator trusts.
    Network,
    /// The envelope sender, on the word of such a network: a person, but never an administrator.
    Vouched,
    /// Gatepost itself, in the name of a filter: what somebody set in motion who has no login, as with a resend code.
    Ourselves,
    /// The operator at the control socket.
    Operator,
}

impl Login {
    /// A login.
    pub fn new(name: impl Into<Box<str>>, by: LoginBy) -> Login {
        Login { name: name.into(), by }
    }
}

/// A recipient's number within its transaction, in the order of RCPT, refused ones counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipientId(pub u16);

/// One RCPT.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Recipient {
    /// Its number.
    pub id: RecipientId,
    /// The forward path.
    pub path: Path,
    /// Its parameters.
    pub params: RcptParams,
}

impl Recipient {
    /// A recipient.
    pub fn new(id: RecipientId, path: Path, params: RcptParams) -> Recipient {
        Recipient { id, path, params }
    }

    /// The domain of the address; none for `<postmaster>`.
    pub fn domain(&self) -> Option<&Domain> {
        self.path.mailbox().map(|mailbox| mailbox.domain())
    }
}

/// MAIL and the recipients so far.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Envelope {
    /// The reverse path.
    pub from: Path,
    /// Its parameters.
    pub params: MailParams,
    /// Recipients that were granted, in order; at RCPT the one that is asked about is not yet among them.
    pub recipients: Vec<Recipient>,
}

impl Envelope {
    /// An envelope without recipients.
    pub fn new(from: Path, params: MailParams) -> Envelope {
        Envelope {
            from,
            params,
            recipients: Vec::new(),
        }
    }

    /// The recipient with this number, if granted.
    pub fn recipient(&self, id: RecipientId) -> Option<&Recipient> {
        self.recipients.iter().find(|recipient| recipient.id == id)
    }
}

/// What only the session could see. Facts, not judgements: filters weigh them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Facts {
    /// It talked before our greeting.
    pub early_talk: bool,
    /// It sent several commands at once where that was not offered.
    pub unasked_pipelining: bool,
    /// Bare LF in the message, made canonical.
    pub bare_lf: bool,
    /// Bare CR in the message.
    pub bare_cr: bool,
    /// NUL in the message.
    pub nul: bool,
    /// A line that nearly is the end of a message: the mark of smuggling.
    pub near_miss: bool,
    /// A text line over 998 octets.
    pub long_line: bool,
    /// Commands answered with 5xx by the session itself, so far.
    pub errors: u32,
    /// Commands that do nothing (NOOP, RSET, VRFY ...), so far.
    pub junk: u32,
}

impl Facts {
    /// What of this is about the message, and not about the client.
    #[must_use]
    pub fn of_message(self) -> Facts {
        Facts {
            early_talk: false,
            unasked_pipelining: false,
            errors: 0,
            junk: 0,
            ..self
        }
    }
}
