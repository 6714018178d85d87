//! Names and identities: asked lazily, answered once.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use gatepost_message::Message;
use gatepost_smtp::{Address, Domain, Helo, Path};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;

/// What the reverse name of an address says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Reverse {
    /// The name that PTR gives, validated (letters, digits, hyphens, dots, underscores; at most 255); none where there is
    /// none or it is no name.
    pub name: Option<Box<str>>,
    /// The name's own addresses include the one that was asked about.
    pub confirmed: bool,
}

impl Reverse {
    /// A reverse name.
    pub fn new(name: Option<Box<str>>, confirmed: bool) -> Reverse {
        Reverse { name, confirmed }
    }
}

/// The results of SPF (RFC 7208 §2.6), and one more: nobody looked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpfResult {
    /// Nobody looked: no service for it.
    #[default]
    Unknown,
    /// No record.
    None,
    /// `?`.
    Neutral,
    /// `+`.
    Pass,
    /// `-`.
    Fail,
    /// `~`.
    SoftFail,
    /// DNS trouble.
    TempError,
    /// The record cannot be understood.
    PermError,
}

/// What SPF says about a client and a sender.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Spf {
    /// The result.
    pub result: SpfResult,
    /// The domain that was checked (MAIL FROM's, or HELO's for the null sender).
    pub domain: Option<Domain>,
    /// The domain whose record authorised the address, behind `include` and `redirect`; only on a pass.
    pub authorised_by: Option<Domain>,
}

impl Spf {
    /// A result about a domain.
    pub fn new(result: SpfResult, domain: Option<Domain>, authorised_by: Option<Domain>) -> Spf {
        Spf {
            result,
            domain,
            authorised_by,
        }
    }
}

/// The results of DMARC (RFC 9989), and one more: nobody looked.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DmarcResult {
    /// Nobody looked, or the message is not there yet.
    #[default]
    Unknown,
    /// No policy is published.
    None,
    /// An aligned identity passed.
    Pass,
    /// None did.
    Fail,
    /// DNS trouble.
    TempError,
    /// The record cannot be understood.
    PermError,
}

/// What proves a domain to be behind a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Proof {
    /// The envelope sender's domain authorised the client.
    Spf,
    /// A signature verifies.
    Dkim,
    /// A trusted forwarder vouches (RFC 8617).
    Arc,
}

/// Whom SPF, DKIM and DMARC prove a mail to be from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Identity {
    /// The one address of the From header; none when there are several or none.
    pub author: Option<Address>,
    /// Each proven domain and what proves it, aligned with the author or not.
    pub proven: Vec<(Domain, Proof)>,
    /// A proven domain is aligned with the author's.
    pub aligned: bool,
    /// What DMARC says.
    pub dmarc: DmarcResult,
    /// `p=` that applies: `none`, `quarantine`, `reject`.
    pub policy: Option<Box<str>>,
}

impl Identity {
    /// Nothing is known: no message yet, or nobody who looks.
    pub fn unknown() -> Identity {
        Identity::default()
    }

    /// The author, if proven by an aligned pass.
    pub fn proven_author(&self) -> Option<&Address> {
        self.author.as_ref().filter(|_| self.aligned)
    }
}

/// What is known of a sender when SPF is asked about it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Sender {
    /// The address to judge.
    pub origin: IpAddr,
    /// Who it says it is.
    pub helo: Option<Helo>,
    /// The reverse path.
    pub from: Path,
    /// The origin is known. Behind a trusted relay whose header does not tell, it is not, and SPF can say nothing.
    pub known: bool,
}

impl Sender {
    /// A sender.
    pub fn new(origin: IpAddr, helo: Option<Helo>, from: Path) -> Sender {
        Sender {
            origin,
            helo,
            from,
            known: true,
        }
    }

    /// The same where the address is a trusted relay's, and the origin is not known.
    #[must_use]
    pub fn unknown(mut self) -> Sender {
        self.known = false;
        self
    }
}

/// The service that answers [`Context::reverse`](crate::Context::reverse), [`spf`](crate::Context::spf) and
/// [`identity`](crate::Context::identity). Each is asked at most once for a transaction.
#[async_trait]
pub trait Identify: Send + Sync {
    /// The reverse name of an address.
    async fn reverse(&self, origin: IpAddr) -> Result<Reverse, Fault>;
    /// What SPF says.
    async fn spf(&self, sender: &Sender) -> Result<Spf, Fault>;
    /// Whom the message is proven to be from.
    async fn identity(&self, sender: &Sender, message: &Arc<Message>) -> Result<Identity, Fault>;
}
