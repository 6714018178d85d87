//! Who may come in, over what, and how much of it.

use std::path::{Path, PathBuf};

use gatepost_core::Direction;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::values::{Bind, Network, Several, Size, Timespan};

/// A listener.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Its name in logs and metrics; every listener has another one.
    pub name: String,
    /// The addresses and ports it listens on: one, or a list of several.
    pub bind: Several<Bind>,
    /// `inbound`: from the world to `local_domains`. `outbound`: from our own people to the world.
    pub direction: Direction,
    /// The pipeline that its mail passes; without this the one that is called as its direction.
    #[serde(default)]
    pub pipeline: Option<String>,
    /// The route that its mail takes; inbound: where no other route names the recipient's domain.
    #[serde(default = "default_route")]
    pub route: String,
    /// How TLS begins.
    #[serde(default)]
    pub tls: TlsStart,
    /// Whether MAIL is refused before STARTTLS. On port 25 that refuses mail from servers that speak no TLS.
    #[serde(default)]
    pub require_tls: bool,
    /// The certificate chain, a PEM file; without this the one of `[tls]`.
    #[serde(default)]
    pub certificate: Option<PathBuf>,
    /// Its private key, a PEM file; without this the one of `[tls]`.
    #[serde(default)]
    pub key: Option<PathBuf>,
    /// The lowest version of TLS; without this the one of `[tls]`.
    #[serde(default)]
    pub min_version: Option<TlsVersion>,
    /// Outbound: networks whose clients may send without AUTH.
    #[serde(default)]
    pub trusted_networks: Vec<Network>,
    /// Inbound: forwarders and secondary mail servers of yours whose mail is judged by the host that they got it from, as
    /// their Received field names it, and not by their own address. Name all hosts behind one another through which mail
    /// passes, and only such whose field has the address that they saw, and that mask or refuse an odd HELO: Postfix, Exim,
    /// Exchange, Sendmail and qmail are read. A field that names a loopback address is passed over for the next one. So a
    /// relay must see its clients: where TLS or a load balancer ends before it and does not tell it the client (PROXY), the
    /// next field is the stranger's own. Their mail is never greylisted; what they bring is judged at the dot.
    #[serde(default)]
    pub trusted_relays: Vec<Network>,
    /// Outbound: whether AUTH is offered, under TLS only. It is passed on to the mail server of `route`, which decides.
    #[serde(default)]
    pub auth: bool,
    /// Whether senders that ask for it (PRDR: Exim does) hear about each recipient what becomes of the mail, so that one can be
    /// refused and another one get it.
    #[serde(default = "yes")]
    pub prdr: bool,
    /// Load balancers whose connections begin with a PROXY header (v1 or v2), and must. From all others such a header is
    /// junk.
    #[serde(default)]
    pub proxy_protocol_from: Vec<Network>,
    /// What is done with a line of a message that ends in LF alone.
    #[serde(default = "normalise")]
    pub bare_lf: LineEnds,
    /// What is done with bare CR, NUL, and lines that nearly are the end of a message. They are the tools of SMTP
    /// smuggling; normalise them only for a device that cannot be repaired, by `line_ends_for`.
    #[serde(default = "refuse")]
    pub odd_line_ends: LineEnds,
    /// Other rules for the clients of some networks; the first that names the client holds.
    #[serde(default)]
    pub line_ends_for: Vec<LineEndsFor>,
    /// Limits of this listener; what is not said here is taken from `[limits]`.
    #[serde(default)]
    pub limits: Limits,
    /// Timeouts of this listener; what is not said here is taken from `[timeouts]`.
    #[serde(default)]
    pub timeouts: Timeouts,
}

fn default_route() -> String {
    Listen::ROUTE.into()
}
fn yes() -> bool {
    true
}
fn normalise() -> LineEnds {
    LineEnds::Normalise
}
fn refuse() -> LineEnds {
    LineEnds::Refuse
}

impl Listen {
    /// The route where none is named.
    pub const ROUTE: &str = "default";

    /// The pipeline that its mail passes.
    pub fn pipeline(&self) -> &str {
        self.pipeline.as_deref().unwrap_or(match self.direction {
            Direction::Inbound => "inbound",
            Direction::Outbound => "outbound",
        })
    }

    /// The certificate chain and the private key, where both are named.
    pub fn certificate<'a>(&'a self, tls: &'a Tls) -> Option<(&'a Path, &'a Path)> {
        // A key never goes with the certificate of another table.
        match (&self.certificate, &self.key) {
            (None, None) => Some((tls.certificate.as_deref()?, tls.key.as_deref()?)),
            (own, key) => Some((own.as_deref()?, key.as_deref()?)),
        }
    }

    /// The lowest version of TLS.
    pub fn min_version(&self, tls: &Tls) -> TlsVersion {
        self.min_version.unwrap_or(tls.min_version)
    }

    /// What is done with a bare LF and with odd line ends of the client at `address`.
    #[cfg(test)]
    pub fn line_ends(&self, address: std::net::IpAddr) -> (LineEnds, LineEnds) {
        let special = self
            .line_ends_for
            .iter()
            .find(|rule| rule.networks.iter().any(|network| network.has(address)));
        special.map_or((self.bare_lf, self.odd_line_ends), |rule| {
            (rule.bare_lf, rule.odd_line_ends)
        })
    }
}

/// How TLS begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TlsStart {
    /// There is none.
    #[default]
    None,
    /// By STARTTLS, where the client asks for it.
    Starttls,
    /// With the connection, as on port 465.
    Implicit,
}

/// A version of TLS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub enum TlsVersion {
    /// TLS 1.2.
    #[default]
    #[serde(rename = "1.2")]
    V1_2,
    /// TLS 1.3.
    #[serde(rename = "1.3")]
    V1_3,
}

/// What is done with message text that is not canonical.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LineEnds {
    /// It becomes CR LF (a NUL is dropped), for the filters and the mail server alike.
    Normalise,
    /// The message is refused with 550.
    Refuse,
}

/// Rules for line ends for the clients of some networks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LineEndsFor {
    /// The networks.
    pub networks: Several<Network>,
    /// What is done with a line that ends in LF alone.
    #[serde(default = "normalise")]
    pub bare_lf: LineEnds,
    /// What is done with bare CR, NUL, and lines that nearly are the end of a message.
    #[serde(default = "refuse")]
    pub odd_line_ends: LineEnds,
}

/// TLS of all listeners.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// The certificate chain, a PEM file. Read anew at each reload.
    pub certificate: Option<PathBuf>,
    /// Its private key, a PEM file.
    pub key: Option<PathBuf>,
    /// The lowest version of TLS.
    pub min_version: TlsVersion,
}

/// How much one session, or one client, may make of anything.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// The largest message; at least 64 KiB. EHLO says so, and more gets 552.
    pub message_size: Size,
    /// Recipients of one mail, 100 or more (RFC 5321 §4.5.3.1.8); one more gets 452.
    #[schemars(range(min = 100, max = 10000))]
    pub recipients: u32,
    /// Mails of one session; then 421.
    #[schemars(range(min = 1))]
    pub mails: u32,
    /// Refused commands of one session; then 421.
    #[schemars(range(min = 1))]
    pub errors: u32,
    /// Commands that do nothing (NOOP, RSET, VRFY ...) between two accepted mails; then 421.
    #[schemars(range(min = 1))]
    pub junk: u32,
    /// Failed authentications of one session; then 421.
    #[schemars(range(min = 1))]
    pub auth_failures: u32,
    /// Sessions at once of one client, that is an IPv4 address or an IPv6 /64; one more gets 421. 0: no limit.
    pub sessions_per_client: u32,
    /// Sessions at once of one network, an IPv4 /24 or an IPv6 /48; one more gets 421. 0: no limit.
    pub sessions_per_network: u32,
    /// New sessions of one client within a minute; one more gets 421. 0: no limit.
    pub new_sessions_per_minute: u32,
    /// Recipients that do not exist, named by one client within a minute; then 421, and no new session of that client until
    /// the minute is over. 0: no limit.
    pub unknown_recipients_per_minute: u32,
    /// Failed authentications of one client within an hour; then 421, and no new session of that client until the hour is
    /// over. As many with one user name are told in the log and by a metric. 0: no limit.
    pub auth_failures_per_hour: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            message_size: Size::mib(25),
            recipients: 1000,
            mails: 100,
            errors: 20,
            junk: 100,
            auth_failures: 3,
            sessions_per_client: 50,
            sessions_per_network: 200,
            new_sessions_per_minute: 300,
            unknown_recipients_per_minute: 30,
            auth_failures_per_hour: 30,
        }
    }
}

/// How long we wait for a client.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Timeouts {
    /// For a whole command, however slowly it comes; RFC 5321 §4.5.3.2.7 asks for 5 minutes.
    pub command: Timespan,
    /// For the same while three quarters of the sessions that `capacity` allows are taken.
    pub busy_command: Timespan,
    /// For the next octets of a message.
    pub data: Timespan,
    /// How long a message may come slower than `data_rate`, in all.
    pub data_grace: Timespan,
    /// Octets per second that a message must come at when the grace is used up; 0 asks for none.
    pub data_rate: u64,
    /// For the TLS handshake.
    pub handshake: Timespan,
    /// For the PROXY header of a load balancer.
    pub proxy_header: Timespan,
    /// For a whole session, which ends at the first command past it.
    pub session: Timespan,
}

impl Default for Timeouts {
    fn default() -> Timeouts {
        Timeouts {
            command: Timespan::secs(300),
            busy_command: Timespan::secs(10),
            data: Timespan::secs(180),
            data_grace: Timespan::secs(60),
            data_rate: 500,
            handshake: Timespan::secs(60),
            proxy_header: Timespan::secs(5),
            session: Timespan::secs(3600),
        }
    }
}

/// How much all sessions together may take.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Capacity {
    /// Sessions at once; one more gets 421. Those that wait for a reply because a filter wishes so do not count until the
    /// wait is over; then one more gets 421 as well.
    #[schemars(range(min = 1))]
    pub sessions: u32,
    /// Sessions that may wait for a reply at once because a filter wishes so (`conduct`: `greet_delay`, `tarpit`); one more
    /// releases the one that has waited longest. 0: none ever waits.
    pub tarpitted: u32,
    /// Memory for the messages that are under way; beyond it each goes to a spool file at once.
    pub message_memory: Size,
    /// Memory for one message; the rest of it goes to a spool file.
    pub memory_per_message: Size,
    /// Disk space for spool files; where it is used up, MAIL gets 452.
    pub spool: Size,
    /// Threads for work that takes the processor, such as parsing large mails; 0: one for each processor.
    #[schemars(range(max = 256))]
    pub threads: u16,
    /// Memory for what of the store is read often. More of it helps where there are millions of entries.
    pub store_cache: Size,
    /// Finished mails whose records wait to be written; beyond it new mail waits for them.
    #[schemars(range(min = 1))]
    pub records: u32,
}

impl Default for Capacity {
    fn default() -> Capacity {
        Capacity {
            sessions: 1000,
            tarpitted: 5000,
            message_memory: Size::mib(256),
            memory_per_message: Size::kib(256),
            spool: Size::mib(4096),
            threads: 0,
            store_cache: Size::mib(32),
            records: 1000,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_never_goes_with_the_certificate_of_another_table() {
        let mut listen: Listen =
            serde_json::from_str(r#"{"name":"mx","bind":"[::]:25","direction":"inbound"}"#).unwrap();
        let tls = Tls {
            certificate: Some("a.pem".into()),
            key: Some("a.key".into()),
            ..Tls::default()
        };
        assert_eq!(listen.certificate(&tls), Some((Path::new("a.pem"), Path::new("a.key"))));
        listen.certificate = Some("b.pem".into());
        assert_eq!(listen.certificate(&tls), None);
    }

    #[test]
    fn the_first_rule_for_line_ends_that_names_the_client_holds() {
        let listen: Listen = serde_json::from_str(
            r#"{"name":"mx","bind":["0.0.0.0:25"],"direction":"inbound","line_ends_for":[
                {"networks":"192.0.2.7","odd_line_ends":"normalise"},{"networks":["192.0.2.0/24"],"bare_lf":"refuse"}]}"#,
        )
        .unwrap();
        let of = |address: &str| listen.line_ends(address.parse().unwrap());
        assert_eq!(of("::ffff:192.0.2.7"), (LineEnds::Normalise, LineEnds::Normalise));
        assert_eq!(of("192.0.2.8"), (LineEnds::Refuse, LineEnds::Refuse));
        assert_eq!(of("198.51.100.1"), (LineEnds::Normalise, LineEnds::Refuse));
        assert_eq!(listen.pipeline(), "inbound");
    }
}
