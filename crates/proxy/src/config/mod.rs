//! What the operator writes: one TOML file, `GATEPOST_` variables over it, and beside it a folder of small files and the
//! domains of the store.
//!
//! [`load`] reads all of it and tells *all* mistakes at once, each with its place. **Invariants:** a [`Config`] out of
//! [`load`] has no mistake that can be seen without the network; every table that inherits (`listen.limits`,
//! `listen.timeouts`, what is said for a domain) is already filled in; a domain that has a route of its own is among
//! `local_domains` and among those of its route. The environment is read here and nowhere else.
//! **Absent on purpose:** the network. A name that does not resolve is found when it is used.

mod check;
mod domain;
mod hosts;
mod include;
mod listen;
mod load;
mod memory;
mod mistake;
mod node;
mod post;
mod queue;
mod recipients;
mod route;
mod schema;
mod source;
mod stored;
mod text;
mod values;
mod walk;
mod written;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gatepost_core::{Entry, Options};
use gatepost_pipeline::policy::Layer;
use gatepost_pipeline::recipients::Lists;
use gatepost_pipeline::slot::{Mode, OnFault, Slot};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use domain::{DomainName, NOT_OURS};
pub use listen::{Capacity, Limits, LineEnds, Listen, Timeouts, Tls, TlsStart, TlsVersion};
pub use load::load;
pub use memory::{Archive, Desk};
pub use mistake::{Mistake, Mistakes, Place};
pub use post::Post;
pub use queue::Queue;
pub use recipients::Recipients;
pub use route::{AddressFamily, ClientAddress, IfNotOffered, Route, RouteLogin, RouteTls, servers};
pub use schema::{reference, schema};
pub use source::{DEFAULTS, PREFIX, Sources};
pub use stored::{LeftOut, load_with, unknown_key};
pub use values::{Bind, Destination, HostName, LocalDomain, Nameserver, Network, Size, Timespan};
pub use written::table_of;

/// The most octets of a path that a Unix address holds.
const SOCKET_MAX: usize = 107;

/// The filters of this binary, by name.
pub type Registry = BTreeMap<&'static str, &'static Entry>;

/// A table of options whose keys belong to a filter.
pub type Table = serde_json::Map<String, serde_json::Value>;

/// The whole configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(title = "Gatepost")]
pub struct Config {
    /// Our name in greetings, EHLO and Received; without this the machine's full name, or `localhost`.
    pub hostname: Option<HostName>,
    /// The domains whose mail we take from the world: `example.org` is that domain alone, `.example.org` all below it.
    /// Mail to all others is refused on inbound listeners. Required where there is one; a domain that has a route or a mail
    /// server in its table need not stand here, so that `[]` is enough for whoever has none but those.
    pub local_domains: Vec<LocalDomain>,
    /// A folder of more files, one for each customer: its `*.toml` hold tables of `[domain]` and `[route]`, and are read in
    /// the order of their names, at start and at SIGHUP. Looked for from the folder of this file. What editors leave there
    /// (`.x.toml`, `x.toml~`) is passed over. Without this none is read.
    pub include: Option<PathBuf>,
    /// The folder for what is remembered.
    pub data_dir: PathBuf,
    /// The folder for messages that are under way and too large for memory; without this `spool` in `data_dir`.
    pub spool_dir: Option<PathBuf>,
    /// How long running sessions may go on after SIGTERM.
    pub drain: Timespan,
    /// The listeners, one table each.
    pub listen: Vec<Listen>,
    /// The routes, by name. `default` is the one that listeners use unless they name another.
    pub route: BTreeMap<String, Route>,
    /// Who exists behind the routes: what the mail server said is remembered.
    pub recipients: Recipients,
    /// What becomes of mail.
    pub policy: Layer,
    /// What is different for mail to some domains, by their names: `[domain."example.org"]`, or `[domain.".example.org"]` for
    /// all below it.
    pub domain: BTreeMap<DomainName, Domain>,
    /// The pipelines, by name. `inbound` and `outbound` are those that listeners use unless they name another.
    pub pipeline: BTreeMap<String, Pipeline>,
    /// The filters, by name. A filter is asked where it stands in a pipeline's tiers.
    pub filters: BTreeMap<String, Filter>,
    /// TLS of all listeners.
    pub tls: Tls,
    /// How much one session, or one client, may make of anything; a listener may have its own.
    pub limits: Limits,
    /// How long we wait for a client; a listener may have its own.
    pub timeouts: Timeouts,
    /// How much all sessions together may take.
    pub capacity: Capacity,
    /// Kept mail and the records of all mail.
    pub archive: Archive,
    /// Mail that waits here while its mail server is away.
    pub queue: Queue,
    /// Who may do what at the desk.
    pub desk: Desk,
    /// Mail of our own.
    pub post: Post,
    /// What teaches the classifiers, and how much of it is remembered.
    pub learning: gatepost_training::Settings,
    /// Health and metrics over HTTP.
    pub admin: Admin,
    /// The log.
    pub log: Log,
    /// DNS.
    pub dns: Dns,
    /// How we call ourselves in mail.
    pub identity: Identity,
    /// The recipients of those domains that have a list, as `check` read them.
    #[serde(skip)]
    pub lists: Arc<Lists>,
    /// The domains of the store that are ours and cannot be served: mail for them is to come again.
    #[serde(skip)]
    pub out_of_service: Vec<String>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            hostname: None,
            local_domains: Vec::new(),
            include: None,
            data_dir: "./gatepost-data".into(),
            spool_dir: None,
            drain: Timespan::secs(45),
            listen: Vec::new(),
            route: BTreeMap::new(),
            recipients: Recipients::default(),
            policy: Layer::default(),
            domain: BTreeMap::new(),
            pipeline: BTreeMap::new(),
            filters: BTreeMap::new(),
            tls: Tls::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            capacity: Capacity::default(),
            archive: Archive::default(),
            queue: Queue::default(),
            desk: Desk::default(),
            post: Post::default(),
            learning: gatepost_training::Settings::default(),
            admin: Admin::default(),
            log: Log::default(),
            dns: Dns::default(),
            identity: Identity::default(),
            lists: Arc::default(),
            out_of_service: Vec::new(),
        }
    }
}

impl Config {
    /// Our name in greetings, EHLO and Received.
    pub fn hostname(&self) -> &str {
        self.hostname.as_deref().unwrap_or("localhost")
    }

    /// The name under which we write Authentication-Results.
    pub fn authserv_id(&self) -> &str {
        self.identity.authserv_id.as_deref().unwrap_or(self.hostname())
    }

    /// The folder for messages that are under way.
    pub fn spool_dir(&self) -> PathBuf {
        self.spool_dir.clone().unwrap_or_else(|| self.data_dir.join("spool"))
    }

    /// The control socket.
    pub fn socket(&self) -> Result<PathBuf, String> {
        let path = self.desk.socket.clone();
        let path = path.unwrap_or_else(|| self.data_dir.join("control.sock"));
        match path.as_os_str().len() {
            0..=SOCKET_MAX => Ok(path),
            long => Err(format!(
                "desk.socket: {} has {long} octets, and a socket's path at most {SOCKET_MAX}: name a shorter one",
                path.display()
            )),
        }
    }

    /// The tiers of a pipeline; none where it is not there.
    pub fn tiers(&self, pipeline: &str) -> &[Vec<String>] {
        self.pipeline.get(pipeline).map_or(&[], |pipeline| &pipeline.tiers)
    }

    /// Whether a filter stands in a tier of any pipeline.
    pub fn asks(&self, filter: &str) -> bool {
        let mut named = self
            .pipeline
            .values()
            .flat_map(|pipeline| pipeline.tiers.iter().flatten());
        named.any(|name| name == filter)
    }

    /// What is said about a filter, or the defaults.
    pub fn filter(&self, name: &str) -> Filter {
        self.filters.get(name).cloned().unwrap_or_default()
    }
}

/// The machine's full name: what the kernel calls it, or what the hosts file makes of that.
fn machine_name() -> Option<HostName> {
    let own = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .or_else(|_| std::fs::read_to_string("/etc/hostname"))
        .ok()?;
    let own = own.trim();
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    full_name(own, &hosts)?.parse().ok()
}

fn full_name<'a>(own: &'a str, hosts: &'a str) -> Option<&'a str> {
    if own.contains('.') {
        return Some(own);
    }
    let names = |line: &'a str| line.split('#').next().unwrap_or_default().split_whitespace().skip(1);
    let line = hosts.lines().find(|line| names(line).any(|name| name == own))?;
    names(line).find(|name| name.starts_with(own) && name.contains('.'))
}

/// What is different for mail to a domain. What is not said is as it is for all.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Domain {
    /// What becomes of its mail. Beside the main file its levels let no points about danger pass that those for all keep back.
    pub policy: Layer,
    /// What is different for single users, by local part or address: `[domain."example.org".users.ann]` holds what a
    /// `policy` holds, for mail to this recipient alone. Letter case does not count; `ann+tag` is `ann` where there is no
    /// such entry of its own.
    pub users: BTreeMap<String, Layer>,
    /// Its filters, by name. Of those that look for danger only the main file may say something.
    pub filters: BTreeMap<String, FilterException>,
    /// Logins that may change its lists and see its kept mail.
    pub admins: Vec<String>,
    /// All mailboxes of the domain, as local parts or addresses: mail for anybody else is refused at RCPT, `550 5.1.1`,
    /// and the mail server is not asked. Letter case does not count; `ann+tag` is `ann` where there is no such entry of its
    /// own. postmaster and abuse need not be named. Without this, and without `recipients_file`, the mail server decides.
    pub recipients: Option<Vec<String>>,
    /// A file of more of them, one a line; `#` at the beginning of a line or after a space begins a comment. Read again at
    /// SIGHUP: if there is a mistake in it then, the list in service stays; a domain of the store is left out, and its mail
    /// answered 451.
    pub recipients_file: Option<PathBuf>,
    /// The route of its mail, by name. Whoever names this or `server` need not name the domain in `local_domains`: it is ours
    /// by that. A domain that has either is a feed: its mail is looked at for danger, greylisted as all mail is, and not
    /// looked at for spam unless `spam` says so.
    pub route: Option<String>,
    /// Its own mail server: the keys of a route, which is called as the domain is.
    #[schemars(with = "Route")]
    pub server: Option<Route>,
    /// Single addresses whose mail takes another route, by local part or address: `boss = "office"`. `boss+tag` goes where `boss`
    /// does. Who is not named here goes where the domain does; who exists is none of its business.
    pub addresses: BTreeMap<String, String>,
    /// Whether strangers wait before their first mail to it is taken; without this as the filter `greylist` does for all.
    pub greylist: Option<bool>,
    /// Whether its mail is looked at for spam; without this not where it is a feed, and else as all mail is. What looks for
    /// danger is asked in any case, and so are command mailboxes and the lists of who is welcome. The mode that `filters`
    /// says for a filter counts before this.
    pub spam: Option<bool>,
    /// From where the customer's server may have waiting mail sent at once (ETRN); without this from the addresses of
    /// `server`, where they are written as addresses. `[]` for from nowhere.
    pub etrn_from: Option<Vec<Network>>,
    /// How long its mail may wait here while all its mail servers are away: `"2d"`. Mail that all filters have seen, for
    /// recipients who are known to exist, is then accepted, and delivered when a server is back. Without this such mail is
    /// answered 451, and waits at its sender.
    pub hold: Option<Timespan>,
    /// The most octets of its mail that may wait; without this `domain_size` in `[queue]`.
    pub queue_size: Option<Size>,
    /// Where its table is written.
    #[serde(skip)]
    pub written: Option<Place>,
    /// Whether that is beside the main file: in the folder or in the store.
    #[serde(skip)]
    pub beside: bool,
}

/// Which filters are asked, and in which order.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pipeline {
    /// The tiers, in order, each a list of filters that are asked at the same time: `[["conduct"], ["greylist"]]`. A later
    /// tier is not asked where it could change nothing.
    pub tiers: Vec<Vec<String>>,
}

/// What is said about a filter.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// How much its word counts.
    pub mode: Mode,
    /// What happens to mail when it fails, or takes too long.
    pub on_fault: OnFault,
    /// How long one call may take.
    pub patience: Timespan,
    /// The filter's own options.
    pub options: Table,
}

impl Default for Filter {
    fn default() -> Filter {
        Filter {
            mode: Mode::Enforce,
            on_fault: OnFault::Ignore,
            patience: Timespan::secs(Slot::PATIENCE.as_secs()),
            options: Table::new(),
        }
    }
}

impl Filter {
    /// Its own options, as the registry takes them.
    pub fn options(&self) -> Options {
        Options::new(self.options.clone())
    }
}

/// What is different about a filter for mail to a domain.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FilterException {
    /// How much its word counts there.
    pub mode: Option<Mode>,
    /// What happens there when it fails.
    pub on_fault: Option<OnFault>,
    /// The filter's own options there; what is not said is as it is for all.
    pub options: Option<Table>,
}

impl FilterException {
    /// Whether nothing is different.
    pub fn is_silent(&self) -> bool {
        self.mode.is_none() && self.on_fault.is_none() && self.options.is_none()
    }

    /// The options of the instance for this domain, those for all included; `None` where it needs no instance of its own.
    pub fn options(&self) -> Option<Options> {
        self.options.clone().map(Options::new)
    }
}

/// Health and metrics over HTTP: `/live`, `/ready`, `/metrics`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// The address and port.
    pub bind: Bind,
    /// Whether `bind` may be an address that others can reach. There is no password: whoever reaches it reads it.
    pub public: bool,
}

impl Default for Admin {
    fn default() -> Admin {
        Admin {
            bind: Bind(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9925)),
            public: false,
        }
    }
}

/// The log: one line for each mail, on standard error. Whether its subject is in it is `policy.log_subject`.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// How a line looks.
    pub format: LogFormat,
    /// The least severe lines that are written.
    pub level: LogLevel,
}

/// How a line of the log looks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// As text on a terminal, as JSON elsewhere.
    #[default]
    Auto,
    /// As JSON.
    Json,
    /// For people.
    Text,
}

/// The severity of a line of the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// Something is broken.
    Error,
    /// Something is odd.
    Warn,
    /// One line for each mail, and what the operator did.
    #[default]
    Info,
    /// Each session too.
    Debug,
    /// Each command too; never what AUTH says.
    Trace,
}

/// DNS.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    /// The servers that are asked; without this those of the system. A resolver on the same host that validates is best:
    /// DNS lists answer public resolvers with refusals.
    pub servers: Vec<Nameserver>,
    /// How long one try of a question may take; it has two.
    pub timeout: Timespan,
    /// How long a question may take in all. A resolver that answers nothing holds a session up so long, once, and costs
    /// nobody's mail: the checks that need it go without.
    pub deadline: Timespan,
}

impl Default for Dns {
    fn default() -> Dns {
        Dns {
            servers: Vec::new(),
            timeout: Timespan::secs(2),
            deadline: Timespan::secs(5),
        }
    }
}

/// How we call ourselves in mail.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Identity {
    /// The name under which we write Authentication-Results (RFC 8601 §2.5), and under which forged ones are removed;
    /// without this `hostname`.
    pub authserv_id: Option<HostName>,
    /// The product's name: in our greeting and in the names of the header fields that we add.
    pub product: String,
    /// Whether Authentication-Results and Received-SPF stand on every mail from the world. Without it they stand on mail
    /// about which a filter asked, as `spf_dkim_dmarc` does where it stands in a tier.
    pub results: bool,
    /// How long each of three answers may wait for DNS: the reverse name, SPF, and what DKIM, ARC and DMARC prove. What is
    /// not known by then is a `temperror`, which is held against nobody.
    pub deadline: Timespan,
    /// Domains of forwarders and lists that seal mail (ARC), whose word counts that DMARC passed where they took it.
    pub arc_sealers: Vec<HostName>,
}

impl Default for Identity {
    fn default() -> Identity {
        Identity {
            authserv_id: None,
            product: "Gatepost".into(),
            results: false,
            deadline: Timespan::secs(5),
            arc_sealers: Vec::new(),
        }
    }
}

/// A configuration that can be used.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// It.
    pub config: Config,
    /// The file it came from; without one the embedded defaults hold.
    pub file: Option<PathBuf>,
    /// What is hardly meant so.
    pub warnings: Vec<Mistake>,
    /// What it was read from.
    pub sources: Sources,
}

impl Loaded {
    /// What is hardly meant so of the domains in the store.
    pub fn of_the_store(&self) -> impl Iterator<Item = &Mistake> {
        let stored = |mistake: &&Mistake| mistake.place.stored().is_some();
        self.warnings.iter().filter(stored)
    }

    /// Where it came from, in words.
    pub fn origin(&self) -> String {
        self.file
            .as_ref()
            .map_or("embedded defaults".into(), |file| file.display().to_string())
    }

    /// Finds, reads and checks the configuration; `given` is the file that the command line names.
    pub fn find(given: Option<&Path>, registry: &Registry) -> Result<Loaded, Mistakes> {
        load(
            &Sources::find(given).map_err(|mistake| Mistakes(vec![mistake]))?,
            registry,
        )
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod name_tests {
    use super::full_name;

    #[test]
    fn a_short_name_becomes_full_by_the_hosts_file() {
        let hosts = "127.0.0.1 localhost\n127.0.1.1 mx.example.org mx # here\n";
        assert_eq!(full_name("mx", hosts), Some("mx.example.org"));
        assert_eq!(full_name("mx.example.net", hosts), Some("mx.example.net"));
        assert_eq!(full_name("other", hosts), None);
        assert_eq!(full_name("localhost", hosts), None);
    }
}
