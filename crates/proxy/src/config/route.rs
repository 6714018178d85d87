//! Where mail goes.

use std::net::IpAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{Destination, HostName, LocalDomain, Timespan};

/// A route: one mail server, or a Maildir of our own.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The mail server, `"host:port"`, where a name is looked up at each connection; or `"maildir:PATH"`, a folder into
    /// which mail is delivered durably.
    pub upstream: Destination,
    /// The domains whose mail takes this route; without this all `local_domains` that no other route names, for the route
    /// of an inbound listener.
    #[serde(default)]
    pub domains: Vec<LocalDomain>,
    /// TLS towards the mail server, by STARTTLS.
    #[serde(default)]
    pub tls: RouteTls,
    /// Authorities that may have signed its certificate, a PEM file; without this those of the system. For `verified`.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// The name in its certificate; without this the host of `upstream`. For `verified`.
    #[serde(default)]
    pub server_name: Option<HostName>,
    /// How the mail server learns the address of the client. It must allow that to Gatepost, and to nobody else.
    #[serde(default)]
    pub client_address: ClientAddress,
    /// What happens where the server does not offer what `client_address` asks for.
    #[serde(default)]
    pub if_not_offered: IfNotOffered,
    /// For how long the server's answer to EHLO is taken as what it offers.
    #[serde(default = "ten_minutes")]
    pub offer_valid: Timespan,
    /// Connections that are kept for the next client.
    #[serde(default)]
    pub keep: RouteKeep,
    /// How long we wait for the mail server.
    #[serde(default)]
    pub timeouts: RouteTimeouts,
}

/// Connections to the mail server that have served one client and wait for the next: where the server is not told who the
/// client is (`client_address` is `none` or `xforward`), nobody logged in, and it has refused nothing on them.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteKeep {
    /// How long one waits; less than the mail server's patience. `"0s"`: each client session has a connection of its own.
    pub idle: Timespan,
    /// How many wait at once, at most.
    pub connections: usize,
    /// How many client sessions one serves, at most.
    pub sessions: u32,
}

impl Default for RouteKeep {
    fn default() -> RouteKeep {
        RouteKeep {
            idle: Timespan::secs(2),
            connections: 8,
            sessions: 100,
        }
    }
}

fn ten_minutes() -> Timespan {
    Timespan::secs(600)
}

/// TLS towards a mail server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RouteTls {
    /// Never.
    None,
    /// Where it is offered, whatever the certificate.
    #[default]
    Opportunistic,
    /// Or the mail is deferred; whatever the certificate.
    Required,
    /// Or the mail is deferred; the certificate must be valid for the server's name.
    Verified,
}

/// How a mail server learns the address of the client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClientAddress {
    /// Only by the Received field.
    #[default]
    None,
    /// By XCLIENT: the server acts as if it saw the client itself.
    Xclient,
    /// By XFORWARD: for its log.
    Xforward,
    /// By a PROXY header (v2) before its greeting.
    Proxy,
}

/// What happens where a server does not offer what we need.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfNotOffered {
    /// Recipients are deferred with 451.
    #[default]
    Refuse,
    /// Mail goes on without it; the log and a metric say so.
    GoOn,
}

/// How long we wait for a mail server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteTimeouts {
    /// For the connection.
    pub connect: Timespan,
    /// For its greeting.
    pub greeting: Timespan,
    /// For its reply to a command other than DATA, and for the TLS handshake.
    pub command: Timespan,
    /// For its reply to DATA.
    pub data: Timespan,
    /// For it to take the next part of a message.
    pub block: Timespan,
    /// For its reply to the end of a message.
    pub dot: Timespan,
}

impl Default for RouteTimeouts {
    fn default() -> RouteTimeouts {
        RouteTimeouts {
            connect: Timespan::secs(10),
            greeting: Timespan::secs(60),
            command: Timespan::secs(60),
            data: Timespan::secs(120),
            block: Timespan::secs(180),
            dot: Timespan::secs(300),
        }
    }
}

/// The mail servers of a route, each `host:port`.
pub fn servers(route: &Route) -> impl Iterator<Item = String> {
    let server = match &route.upstream {
        to @ Destination::Smtp { .. } => Some(to.to_string()),
        Destination::Maildir(_) => None,
    };
    server.into_iter()
}

/// The addresses of a route's mail server, where it is named by address.
pub fn addresses(route: &Route) -> impl Iterator<Item = IpAddr> {
    let address = match &route.upstream {
        Destination::Smtp { host, .. } => host.parse::<IpAddr>().ok(),
        Destination::Maildir(_) => None,
    };
    address.map(|address| address.to_canonical()).into_iter()
}
