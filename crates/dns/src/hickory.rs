//! hickory-resolver: how it is set up, and what its answers and errors mean.

use gatepost_core::{Fault, Lookup, Time};
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts};
use hickory_resolver::lookup::Lookup as Found;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::{Resolver, TokioResolver};

use crate::answer::{Answer, Datum, Kind, absence_holds, records_hold};
use crate::settings::{BadSettings, Settings};

/// A resolver of the library that remembers nothing: answers are remembered here, by our clock and within our bound.
pub fn resolver(settings: &Settings) -> Result<TokioResolver, BadSettings> {
    let bad = |error: NetError| BadSettings::new(&error);
    let mut builder = if settings.servers.is_empty() {
        Resolver::builder_tokio().map_err(bad)?
    } else {
        let servers = settings.servers.iter().map(|server| {
            let (mut udp, mut tcp) = (ConnectionConfig::udp(), ConnectionConfig::tcp());
            (udp.port, tcp.port) = (server.port(), server.port());
            NameServerConfig::new(server.ip(), true, vec![udp, tcp])
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        Resolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.timeout = settings.timeout.min(settings.deadline);
    options.attempts = settings.attempts.max(1);
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    // The bound on all questions is met first.
    options.max_active_requests = settings.under_way.saturating_add(16);
    options.ndots = 0;
    builder.build().map_err(bad)
}

/// Whether the resolver said anything.
pub fn is_alive(found: &Result<Found, NetError>) -> bool {
    matches!(found, Ok(_) | Err(NetError::Dns(_)))
}

/// That a text is no name.
pub fn no_such_name(now: Time) -> Answer {
    absent(
        Lookup::NxDomain {
            ttl: absence_holds(None),
        },
        now,
    )
}

fn absent(lookup: Lookup<Datum>, now: Time) -> Answer {
    Answer {
        until: now + lookup.ttl(),
        lookup,
    }
}

/// The answer to a question, or why there is none.
pub fn read(kind: Kind, found: Result<Found, NetError>, now: Time) -> Result<Answer, Fault> {
    let found = match found {
        Ok(found) => found,
        Err(error) => return nothing(&error, now),
    };
    let records = found.answers();
    // Aliases on the way hold as long as they say, too.
    let ttl = records.iter().map(|record| record.ttl).min();
    let read: Vec<Datum> = records
        .iter()
        .filter_map(|record| Datum::read(kind, &record.data))
        .collect();
    if read.is_empty() {
        return Ok(absent(
            Lookup::NoData {
                ttl: absence_holds(ttl),
            },
            now,
        ));
    }
    let ttl = records_hold(ttl.unwrap_or_default());
    Ok(Answer {
        lookup: Lookup::Found { records: read, ttl },
        until: now + ttl,
    })
}

fn nothing(error: &NetError, now: Time) -> Result<Answer, Fault> {
    if let NetError::Dns(DnsError::NoRecordsFound(nothing)) = error {
        let ttl = absence_holds(nothing.negative_ttl);
        match nothing.response_code {
            ResponseCode::NXDomain => return Ok(absent(Lookup::NxDomain { ttl }, now)),
            ResponseCode::NoError => return Ok(absent(Lookup::NoData { ttl }, now)),
            _ => {}
        }
    }
    if matches!(error, NetError::Busy) {
        return Err(Fault::DNS_BUSY);
    }
    Err(Fault::Unavailable(match error {
        NetError::Timeout => "DNS: no answer in time",
        NetError::Dns(DnsError::ResponseCode(ResponseCode::ServFail)) => "DNS: SERVFAIL",
        NetError::Dns(DnsError::ResponseCode(ResponseCode::Refused)) => "DNS: the resolver refuses us",
        _ => "DNS: no usable answer",
    }))
}
