//! DNS, as far as mail needs it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use async_trait::async_trait;

use crate::fault::Fault;

/// An answer of DNS. That a name does not exist is an answer, too; that nobody answers is a [`Fault`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup<T> {
    /// Records; never empty.
    Found {
        /// The records, in no order.
        records: Vec<T>,
        /// How long they hold.
        ttl: Duration,
    },
    /// The name exists and has no record of this type.
    NoData {
        /// How long that holds.
        ttl: Duration,
    },
    /// The name does not exist.
    NxDomain {
        /// How long that holds.
        ttl: Duration,
    },
}

impl<T> Lookup<T> {
    /// The records; none where there is no such name or type.
    pub fn records(&self) -> &[T] {
        match self {
            Lookup::Found { records, .. } => records,
            _ => &[],
        }
    }

    /// The records, owned.
    pub fn into_records(self) -> Vec<T> {
        match self {
            Lookup::Found { records, .. } => records,
            _ => Vec::new(),
        }
    }

    /// How long the answer holds.
    pub fn ttl(&self) -> Duration {
        match self {
            Lookup::Found { ttl, .. } | Lookup::NoData { ttl } | Lookup::NxDomain { ttl } => *ttl,
        }
    }
}

/// One MX record.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Mx {
    /// Lower is preferred.
    pub preference: u16,
    /// The host, without trailing dot; empty for a null MX (RFC 7505).
    pub host: Box<str>,
}

/// DNS. Names are given and returned without trailing dot, in ASCII. In a question each character of a label stands for
/// itself. In an answer so does visible ASCII, and a name of nothing else can be asked for again; other octets, and dots
/// within a label, are `\DDD` in decimal. So no name holds a space or a line end; it is a stranger's text all the same:
/// validate it before it reaches a command or a header. TXT is octets as they came.
#[async_trait]
pub trait Dns: Send + Sync {
    /// IPv4 addresses.
    async fn a(&self, name: &str) -> Result<Lookup<Ipv4Addr>, Fault>;
    /// IPv6 addresses.
    async fn aaaa(&self, name: &str) -> Result<Lookup<Ipv6Addr>, Fault>;
    /// Reverse names.
    async fn ptr(&self, address: IpAddr) -> Result<Lookup<Box<str>>, Fault>;
    /// TXT records, the strings of each joined without a gap.
    async fn txt(&self, name: &str) -> Result<Lookup<Box<[u8]>>, Fault>;
    /// MX records.
    async fn mx(&self, name: &str) -> Result<Lookup<Mx>, Fault>;
    /// Name servers.
    async fn ns(&self, name: &str) -> Result<Lookup<Box<str>>, Fault>;
}
