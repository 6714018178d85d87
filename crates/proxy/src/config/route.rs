//! Where mail goes.

use std::net::IpAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::hosts::Hosts;
use super::values::{Destination, HostName, LocalDomain, Timespan};

/// A route: mail servers that serve the same domains, or Maildirs of our own.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// The mail server, `"host:port"`, where a name is looked up at each connection. Or a list of at most 16, each as a
    /// text or as `{ to = "host:port", priority = 20, weight = 3 }`: the lowest `priority` (10 where none is said) is tried
    /// first; among equals each gets mail by its `weight` (1 to 1000; 1 where none is said). The next one is tried where one
    /// is away or leaves before the end of a message is sent, and never after that. Or `"maildir:PATH"`, a folder into which
    /// mail is delivered durably; with `{domain}` and `{user}` in the path one for each mailbox, where `{user}` is the local
    /// part in lower case without what follows a `+`, and octets other than letters, digits, `.`, `_` and `-` are written
    /// `%41`.
    pub upstream: Hosts,
    /// Which addresses of the mail servers are connected to.
    #[serde(default)]
    pub address_family: AddressFamily,
    /// How many connections one mail server may have from us at once; one that has so many is passed over, and where all
    /// have, mail is deferred. 0: no limit. Probes are not counted.
    #[serde(default)]
    pub connections: u32,
    /// Our own name and password at the mail servers.
    #[serde(default)]
    pub login: RouteLogin,
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
    /// The name in its certificate, for all hosts; without this the host in `upstream`. For `verified`.
    #[serde(default)]
    pub server_name: Option<HostName>,
    /// How the mail server learns the address of the client. It must allow that to Gatepost, and to nobody else.
    #[serde(default)]
    pub client_address: ClientAddress,
    /// What happens where the server does not offer what `client_address` asks for.
    #[serde(default)]
    pub if_not_offered: IfNotOffered,
    /// For how long the server's answer to EHLO is taken as what it offers; then it is asked again. One that is down is asked
    /// every ten seconds.
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
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
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

/// Our own name and password at the mail servers of a route: said by AUTH PLAIN or LOGIN, under TLS only, on each connection.
/// The files are read at start and at SIGHUP; nobody else should be able to read them.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct RouteLogin {
    /// The user name.
    pub user: Option<String>,
    /// A file with the user name, in place of `user`.
    pub user_file: Option<PathBuf>,
    /// A file with the password, one line. Without it nobody logs in.
    pub password_file: Option<PathBuf>,
}

impl RouteLogin {
    /// Whether anything is said of it.
    pub fn is_there(&self) -> bool {
        *self != RouteLogin::default()
    }
}

/// Addresses of which kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AddressFamily {
    /// Both: those that a name has are tried in turn, at most eight.
    #[default]
    Any,
    /// IPv4 only.
    Ipv4,
    /// IPv6 only.
    Ipv6,
}

impl AddressFamily {
    /// Whether an address is of this kind.
    pub fn has(self, address: IpAddr) -> bool {
        match self {
            AddressFamily::Any => true,
            AddressFamily::Ipv4 => address.is_ipv4(),
            AddressFamily::Ipv6 => address.is_ipv6(),
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
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, JsonSchema)]
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
    let servers = route.upstream.iter().map(|host| &host.to);
    let servers = servers.filter(|to| matches!(to, Destination::Smtp { .. }));
    servers.map(ToString::to_string)
}

/// The addresses of a route's mail servers, of those that are named by address.
pub fn addresses(route: &Route) -> impl Iterator<Item = IpAddr> {
    let hosts = route.upstream.servers().map(|(host, _)| host);
    hosts.filter_map(|host| Some(host.parse::<IpAddr>().ok()?.to_canonical()))
}
