//! DNS for Gatepost, by hickory-resolver, which hides here.
//!
//! **Invariant:** NXDOMAIN and NODATA are answers, everything else that is no record is a [`Fault`]: nobody concludes
//! from a time-out or SERVFAIL that a name is not there. Answers are cached by their TTL, negative ones by the SOA.
//! Names that a stranger chose are bounded before they are asked for.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use gatepost_core::{Dns, Fault, Lookup, Mx, async_trait};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup as Found;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use hickory_resolver::{Resolver as Hickory, TokioResolver};

/// How DNS is asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// The resolvers; those of `/etc/resolv.conf` where none is given. A validating one on the same host is best.
    pub servers: Vec<SocketAddr>,
    /// How long one try may take.
    pub timeout: Duration,
    /// How many tries a question has.
    pub attempts: usize,
    /// How many answers are cached.
    pub cache: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            servers: Vec::new(),
            timeout: Duration::from_secs(2),
            attempts: 2,
            cache: 50_000,
        }
    }
}

/// Why no resolver can be set up, and what to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadSettings(String);

impl fmt::Display for BadSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no DNS resolver: {}; name some under `[dns] servers`", self.0)
    }
}

impl std::error::Error for BadSettings {}

/// DNS over the network.
pub struct Resolver {
    hickory: TokioResolver,
}

/// How many questions may be under way to one server; the library's own bound of 32 is soon met by DNS lists.
const UNDER_WAY: usize = 1024;
/// An answer is cached at most so long, whatever its TTL.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

impl Resolver {
    /// A resolver. Nothing is asked yet.
    pub fn new(settings: &Settings) -> Result<Resolver, BadSettings> {
        let bad = |error: NetError| BadSettings(error.to_string());
        let mut builder = if settings.servers.is_empty() {
            Hickory::builder_tokio().map_err(bad)?
        } else {
            let servers = settings.servers.iter().map(|server| {
                let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
                (udp.port, tcp.port) = (server.port(), server.port());
                NameServerConfig::new(server.ip(), true, vec![udp, tcp])
            });
            let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
            Hickory::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options: &mut ResolverOpts = builder.options_mut();
        options.timeout = settings.timeout;
        options.attempts = settings.attempts.max(1);
        options.cache_size = settings.cache;
        options.use_hosts_file = ResolveHosts::Never;
        options.max_active_requests = UNDER_WAY;
        options.positive_max_ttl = Some(LONGEST);
        options.negative_max_ttl = Some(LONGEST);
        options.ndots = 0;
        Ok(Resolver {
            hickory: builder.build().map_err(bad)?,
        })
    }

    async fn ask<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&RData) -> Option<T>,
    ) -> Result<Lookup<T>, Fault> {
        // A text that is no name of DNS does not exist there; asking would only say so later.
        let Some(name) = absolute(name) else {
            return Ok(Lookup::NxDomain { ttl: LONGEST });
        };
        match self.hickory.lookup(name, kind).await {
            Ok(found) => {
                let records: Vec<T> = found.answers().iter().filter_map(|record| read(&record.data)).collect();
                let ttl = holds(&found);
                Ok(if records.is_empty() {
                    Lookup::NoData { ttl }
                } else {
                    Lookup::Found { records, ttl }
                })
            }
            Err(error) => nothing(&error),
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the library tells the end of an answer's life as an Instant"
)]
fn holds(found: &Found) -> Duration {
    found.valid_until().saturating_duration_since(Instant::now())
}

fn nothing<T>(error: &NetError) -> Result<Lookup<T>, Fault> {
    if let NetError::Dns(DnsError::NoRecordsFound(nothing)) = error {
        let ttl = Duration::from_secs(nothing.negative_ttl.unwrap_or(60).into()).min(LONGEST);
        match nothing.response_code {
            ResponseCode::NXDomain => return Ok(Lookup::NxDomain { ttl }),
            ResponseCode::NoError => return Ok(Lookup::NoData { ttl }),
            _ => {}
        }
    }
    Err(Fault::Unavailable(match error {
        NetError::Timeout => "DNS: no answer in time",
        NetError::Busy => "DNS: too many questions under way",
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => "DNS: SERVFAIL",
        NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)) => "DNS: the resolver refuses us",
        _ => "DNS: no usable answer",
    }))
}

fn absolute(name: &str) -> Option<Name> {
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > 253 {
        return None;
    }
    let name = if name.is_ascii() {
        // Label by label: DNS knows any character, and a backslash escapes nothing here.
        let mut labels = name.split('.').map(str::as_bytes);
        labels.try_fold(Name::new(), |name, label| name.append_label(label))
    } else {
        // U-labels are asked for as A-labels (RFC 5891 §5).
        Name::from_utf8(name)
    };
    let mut name = name.ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// A name of an answer, as it can be asked for again. One with dots within labels, spaces or octets that cannot be seen
/// cannot be, and keeps the escapes of DNS.
fn text(name: &Name) -> Box<str> {
    let plain = |label: &[u8]| label.iter().all(|octet| octet.is_ascii_graphic() && *octet != b'.');
    if name.iter().all(plain) {
        let labels: Vec<&[u8]> = name.iter().collect();
        if let Ok(text) = String::from_utf8(labels.join(&b'.')) {
            return text.into();
        }
    }
    let text = name.to_ascii();
    text.strip_suffix('.').unwrap_or(&text).into()
}

#[async_trait]
impl Dns for Resolver {
    async fn a(&self, name: &str) -> Result<Lookup<Ipv4Addr>, Fault> {
        self.ask(name, RecordType::A, |data| {
            if let RData::A(a) = data { Some(a.0) } else { None }
        })
        .await
    }

    async fn aaaa(&self, name: &str) -> Result<Lookup<Ipv6Addr>, Fault> {
        self.ask(name, RecordType::AAAA, |data| {
            if let RData::AAAA(a) = data { Some(a.0) } else { None }
        })
        .await
    }

    async fn ptr(&self, address: IpAddr) -> Result<Lookup<Box<str>>, Fault> {
        let name = Name::from(address.to_canonical()).to_ascii();
        self.ask(&name, RecordType::PTR, |data| {
            if let RData::PTR(ptr) = data {
                Some(text(&ptr.0))
            } else {
                None
            }
        })
        .await
    }

    async fn txt(&self, name: &str) -> Result<Lookup<Box<[u8]>>, Fault> {
        let join = |data: &RData| {
            if let RData::TXT(txt) = data {
                Some(txt.txt_data.concat().into())
            } else {
                None
            }
        };
        self.ask(name, RecordType::TXT, join).await
    }

    async fn mx(&self, name: &str) -> Result<Lookup<Mx>, Fault> {
        let read = |data: &RData| match data {
            RData::MX(mx) => Some(Mx {
                preference: mx.preference,
                host: text(&mx.exchange),
            }),
            _ => None,
        };
        self.ask(name, RecordType::MX, read).await
    }

    async fn ns(&self, name: &str) -> Result<Lookup<Box<str>>, Fault> {
        self.ask(name, RecordType::NS, |data| {
            if let RData::NS(ns) = data {
                Some(text(&ns.0))
            } else {
                None
            }
        })
        .await
    }
}
