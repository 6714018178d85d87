//! What a configuration means: names that lead nowhere, doors that stand open, mail that would run in circles.

mod codes;
mod danger;
mod feeds;
mod learning;
mod mailboxes;
mod policies;
mod queue;
mod routes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use gatepost_core::Direction;
use gatepost_pipeline::ByDomain;
use gatepost_pipeline::policy::Rules;
use gatepost_pipeline::recipients::Lists;

use super::listen::{Limits, Listen, Timeouts, TlsStart};
use super::mistake::{Gravity, Mistake, Place, nearest};
use super::node::{Node, dotted};
use super::values::Size;
use super::walk::listing;
use super::{Config, Registry};
use crate::tls;

/// The most days that anything is kept unless it is kept for ever.
const DAYS_MAX: u32 = 36_500;
/// No limit for messages may be below this (RFC 5321 §4.5.3.1.7).
const LEAST_MESSAGE: Size = Size::kib(64);

/// Tells what cannot be meant. `tree` is what `config` was read from, `root` what was written, mistakes included: a name
/// whose table is wrong is still a name. What it had to read on the way are the lists of recipients.
pub(super) fn check(
    config: &Config,
    tree: &Node,
    root: &Node,
    registry: &Registry,
    out: &mut Vec<Mistake>,
) -> Arc<Lists> {
    let mut check = Check {
        config,
        tree,
        root,
        registry,
        local: config
            .local_domains
            .iter()
            .map(|domain| (domain.to_string(), ()))
            .collect(),
        addressed: (config.domain.values().flat_map(|own| own.addresses.values()))
            .chain(&config.queue.notices)
            .collect(),
        out,
        trusted: BTreeMap::new(),
    };
    check.listeners();
    check.routes();
    check.feeds();
    check.pipelines();
    check.mailboxes();
    check.danger();
    check.policies();
    check.copies();
    check.queue();
    check.rest();
    check.recipients()
}

pub(super) struct Check<'a> {
    pub(super) config: &'a Config,
    tree: &'a Node,
    root: &'a Node,
    registry: &'a Registry,
    /// `local_domains`, to look them up.
    local: ByDomain<()>,
    /// The routes of single addresses, and that of our own notices.
    addressed: BTreeSet<&'a String>,
    pub(super) out: &'a mut Vec<Mistake>,
    /// Whether there are authorities in these files; `None` is the system's.
    trusted: BTreeMap<Option<PathBuf>, Result<(), String>>,
}

impl Check<'_> {
    fn tell(&mut self, gravity: Gravity, path: &[&str], message: impl Into<String>) {
        let mut above = path;
        let node = loop {
            match (self.tree.at(above), above.split_last()) {
                (Some(node), _) => break node,
                (None, Some((_, shorter))) => above = shorter,
                (None, None) => break self.tree,
            }
        };
        let key = path
            .get(above.len()..)
            .unwrap_or_default()
            .iter()
            .fold(node.key.clone(), |key, step| dotted(&key, step));
        let place = if above.len() == path.len() {
            &node.place
        } else {
            &node.key_place
        };
        // What is wrong there already has been told, and has been taken out.
        if key.is_empty()
            || !self
                .out
                .iter()
                .any(|told| told.gravity == Gravity::Error && told.inside(&key))
        {
            self.out.push(Mistake {
                place: place.clone(),
                key,
                gravity,
                message: message.into(),
            });
        }
    }

    pub(super) fn error(&mut self, path: &[&str], message: impl Into<String>) {
        self.tell(Gravity::Error, path, message);
    }

    pub(super) fn warning(&mut self, path: &[&str], message: impl Into<String>) {
        self.tell(Gravity::Warning, path, message);
    }

    /// The key of what is written at a path, dotted.
    pub(super) fn key(&self, path: &[&str]) -> String {
        self.tree.at(path).map(|node| node.key.clone()).unwrap_or_default()
    }

    /// Whether there is a table of a kind: as it was written, or as it came to be.
    fn is_there(&self, table: &str, name: &str) -> bool {
        [self.root, self.tree]
            .iter()
            .any(|tree| tree.at(&[table, name]).is_some())
    }

    /// Tells that `name` is not among the tables of a kind.
    fn reference(&mut self, path: &[&str], table: &str, name: &str) {
        if !self.is_there(table, name) {
            let names = self.tree.at(&[table]).map(Node::names).unwrap_or_default();
            let near =
                nearest(name, names.iter().copied()).map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            let there = if names.is_empty() {
                "there is none".into()
            } else {
                format!("there are {}", listing(&names))
            };
            self.error(path, format!("there is no [{}]{near}; {there}", dotted(table, name)));
        }
    }

    fn listeners(&mut self) {
        let config = self.config;
        if config.listen.is_empty() {
            self.error(
                &["listen"],
                "no listener: add a [[listen]] with name, bind and direction",
            );
        }
        let mut names = BTreeMap::new();
        let mut binds: BTreeMap<SocketAddr, &str> = BTreeMap::new();
        let routed: BTreeSet<_> = config.route.values().flat_map(|route| &route.domains).collect();
        let all_routed = config.local_domains.iter().all(|domain| routed.contains(domain));
        for (n, listen) in config.listen.iter().enumerate() {
            let n = n.to_string();
            let at = |key: &'static str| ["listen", &n, key].map(str::to_owned);
            let mut error = |key, message: String| self.error(&at(key).each_ref().map(String::as_str), message);
            if names.insert(&listen.name, ()).is_some() {
                error(
                    "name",
                    format!(
                        "there is another listener `{}`; each needs a name of its own",
                        listen.name
                    ),
                );
            }
            for bind in listen.bind.iter().filter(|bind| bind.0.port() != 0) {
                if let Some(other) = binds.insert(bind.0, &listen.name) {
                    error("bind", format!("{bind} is taken by listener `{other}`"));
                }
            }
            // Where each domain has a route of its own, no mail from the world takes the one that is nobody's word.
            let is_unused = listen.direction == Direction::Inbound && all_routed && listen.route == Listen::ROUTE;
            if !is_unused {
                self.reference(&["listen", &n, "route"], "route", &listen.route);
            }
            self.reference(&["listen", &n, "pipeline"], "pipeline", listen.pipeline());
            self.listener(&n, listen);
            self.limits(&["listen", &n, "limits"], &listen.limits);
            self.timeouts(&["listen", &n, "timeouts"], &listen.timeouts);
        }
        let inbound = config
            .listen
            .iter()
            .find(|listen| listen.direction == Direction::Inbound);
        if let Some(inbound) = inbound.filter(|_| config.local_domains.is_empty()) {
            match self.root.at(&["local_domains"]) {
                // All of them may be in the store, of which a file knows nothing.
                Some(_) => self.warning(
                    &["local_domains"],
                    "there is none: all mail from the world is refused until `gatepost domain add` has put a domain into the store",
                ),
                None => self.error(
                    &["local_domains"],
                    format!(
                        "missing: listener `{}` is inbound and would refuse all mail; expected a list such as [\"example.org\"], or \
                         [] where all domains are in the store",
                        inbound.name
                    ),
                ),
            }
        }
        if binds.contains_key(&config.admin.bind.0) {
            self.error(&["admin", "bind"], "a listener has this address and port");
        }
    }

    fn listener(&mut self, n: &str, listen: &Listen) {
        let at = |key: &'static str| ["listen", n, key];
        let outbound = listen.direction == Direction::Outbound;
        if !outbound && listen.auth {
            self.error(
                &at("auth"),
                "AUTH is for outbound listeners: expected direction = \"outbound\" or auth = false",
            );
        }
        if !outbound && !listen.trusted_networks.is_empty() {
            self.error(
                &at("trusted_networks"),
                "an inbound listener trusts nobody: expected direction = \"outbound\" or no trusted_networks",
            );
        }
        if outbound && !listen.trusted_relays.is_empty() {
            self.error(
                &at("trusted_relays"),
                "relays bring mail from the world: expected direction = \"inbound\" or no trusted_relays",
            );
        }
        if outbound && !listen.auth && listen.trusted_networks.is_empty() && !self.wrong(&at("trusted_networks")) {
            self.error(
                &["listen", n],
                "nobody may send here: expected auth = true or trusted_networks",
            );
        }
        if outbound && listen.auth && listen.tls == TlsStart::None {
            self.error(
                &at("auth"),
                "passwords would cross the net in plaintext: expected tls = \"starttls\" or \"implicit\"",
            );
        }
        if listen.require_tls && listen.tls == TlsStart::None {
            self.error(
                &at("require_tls"),
                "nobody could send: expected tls = \"starttls\" or \"implicit\"",
            );
        }
        for (key, networks, why) in [
            ("trusted_networks", &listen.trusted_networks, "an open relay"),
            (
                "proxy_protocol_from",
                &listen.proxy_protocol_from,
                "every client could name any address as its own",
            ),
            (
                "trusted_relays",
                &listen.trusted_relays,
                "every client could name any address as its origin",
            ),
        ] {
            for (i, network) in networks.iter().enumerate().filter(|(_, network)| network.is_everyone()) {
                self.error(
                    &["listen", n, key, &i.to_string()],
                    format!("{network} is the whole Internet: {why}"),
                );
            }
        }
        if listen.proxy_protocol_from.is_empty() && self.root.at(&at("proxy_protocol_from")).is_some() {
            self.error(
                &at("proxy_protocol_from"),
                "an empty list: name the load balancers, or leave the key out",
            );
        }
        match (listen.tls, listen.certificate(&self.config.tls)) {
            (TlsStart::None, _) if listen.certificate.is_some() => {
                self.warning(&at("certificate"), "not used, since tls = \"none\"")
            }
            (TlsStart::None, _) => {}
            (_, None) => self.error(&at("tls"), "TLS needs certificate and key, both here or both in [tls]"),
            (_, Some((certificate, key))) => {
                let newest = listen.min_version(&self.config.tls) == super::TlsVersion::V1_3;
                if let Err(error) = tls::acceptor(certificate, key, newest) {
                    let (own, general) = (at("certificate"), ["tls", "certificate"]);
                    self.error(
                        if listen.certificate.is_some() { &own } else { &general },
                        error.to_string(),
                    );
                }
            }
        }
    }

    fn wrong(&self, path: &[&str]) -> bool {
        self.root
            .at(path)
            .is_some_and(|node| self.out.iter().any(|told| told.inside(&node.key)))
    }

    fn limits(&mut self, path: &[&str], limits: &Limits) {
        if limits.message_size < LEAST_MESSAGE {
            self.error(
                &[path, &["message_size"]].concat(),
                format!("expected {LEAST_MESSAGE} or more, found {}", limits.message_size),
            );
        }
    }

    fn timeouts(&mut self, path: &[&str], timeouts: &Timeouts) {
        let all = [
            ("command", timeouts.command),
            ("busy_command", timeouts.busy_command),
            ("data", timeouts.data),
            ("handshake", timeouts.handshake),
            ("proxy_header", timeouts.proxy_header),
            ("session", timeouts.session),
        ];
        for (key, _) in all.iter().filter(|(_, time)| time.is_zero()) {
            self.error(&[path, &[*key]].concat(), "expected more than no time");
        }
        if !timeouts.command.is_zero() && timeouts.command.as_secs() < 300 {
            self.warning(
                &[path, &["command"]].concat(),
                "RFC 5321 asks for 5 minutes; honest servers may be cut off",
            );
        }
    }

    fn pipelines(&mut self) {
        let config = self.config;
        let linked: Vec<&str> = self.registry.keys().copied().collect();
        for (name, pipeline) in &config.pipeline {
            let mut asked = BTreeMap::new();
            for (i, tier) in pipeline.tiers.iter().enumerate() {
                for (j, filter) in tier.iter().enumerate() {
                    let (i, j) = (i.to_string(), j.to_string());
                    let path = ["pipeline", name, "tiers", &i, &j];
                    if asked.insert(filter, ()).is_some() {
                        self.error(
                            &path,
                            format!("`{filter}` is in this pipeline already; a filter is asked once"),
                        );
                    }
                    if !self.registry.contains_key(filter.as_str()) {
                        let near = nearest(filter, linked.iter().copied())
                            .map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                        let there = if linked.is_empty() {
                            "there is none".into()
                        } else {
                            format!("there are {}", listing(&linked))
                        };
                        self.error(
                            &path,
                            format!("no filter `{filter}` is linked into this binary{near}; {there}"),
                        );
                    }
                }
            }
            let users: Vec<&Listen> = config
                .listen
                .iter()
                .filter(|listen| listen.pipeline() == name)
                .collect();
            if users.is_empty() && !matches!(name.as_str(), "inbound" | "outbound") && !self.wrong(&["listen"]) {
                self.warning(&["pipeline", name], "no listener uses this pipeline");
            }
            if asked.is_empty() && users.iter().any(|listen| listen.direction == Direction::Inbound) {
                self.warning(
                    &["pipeline", name],
                    "no filter is in it: mail from the world passes unchecked",
                );
            }
        }
        let asked = |name: &String| {
            config
                .pipeline
                .values()
                .any(|pipeline| pipeline.tiers.iter().flatten().any(|filter| filter == name))
        };
        let longest = Rules::fold([&config.policy]).deadline.0;
        for (name, filter) in &config.filters {
            // What the defaults say of a filter that a file of one's own does not ask is nobody's mistake.
            let ours = self
                .tree
                .at(&["filters", name])
                .is_some_and(|node| node.key_place.is_embedded());
            if !asked(name) && !ours {
                self.warning(
                    &["filters", name],
                    "configured, but in no tier of a pipeline: it is not asked",
                );
            }
            if filter.patience.is_zero() {
                self.error(&["filters", name, "patience"], "expected more than no time");
            }
            if *filter.patience > longest {
                let longest = humantime::format_duration(longest);
                self.error(
                    &["filters", name, "patience"],
                    format!(
                        "expected no more than policy.deadline, {longest}, found {}",
                        filter.patience
                    ),
                );
            }
        }
        for (domain, own) in &config.domain {
            for name in own.filters.keys().filter(|name| !asked(name)) {
                self.warning(
                    &["domain", domain, "filters", name],
                    "configured, but in no tier of a pipeline: it is not asked",
                );
            }
        }
    }

    /// What is kept, and who is trusted with it.
    fn memory(&mut self) {
        let config = self.config;
        let archive = &config.archive;
        for (key, days) in [
            ("days", archive.days),
            ("refused_days", archive.refused_days),
            ("records_days", archive.records_days),
        ] {
            if days > DAYS_MAX {
                self.error(
                    &["archive", key],
                    format!("expected at most {DAYS_MAX}, or 0 for ever, found {days}"),
                );
            }
        }
        let written = self.root.at(&["data_dir"]).map(|node| &node.place);
        if config.data_dir.is_relative() && !written.is_none_or(Place::is_embedded) {
            self.warning(
                &["data_dir"],
                "it is looked for from the folder in which gatepost is started, and the command line finds it only from \
                 there: better a path that begins with /",
            );
        }
        if config.desk.requests_per_hour == 0 {
            self.error(
                &["desk", "requests_per_hour"],
                "nobody could ask for anything: expected 1 or more",
            );
        }
        if !(1..=1_000).contains(&config.desk.reports.brought_weight) {
            self.error(
                &["desk", "reports", "brought_weight"],
                format!("expected 1 to 1000, found {}", config.desk.reports.brought_weight),
            );
        }
        if !config.post.is_sound() {
            self.error(
                &["post", "name"],
                "expected 1 to 64 characters without signs such as < > , . \" and @",
            );
        }
        if let Err(why) = config.socket() {
            let key: &[&str] = if config.desk.socket.is_some() {
                &["desk", "socket"]
            } else {
                &["data_dir"]
            };
            self.error(key, why);
        }
        let mut admins = |path: &[&str], names: &[String]| {
            for (n, name) in names.iter().enumerate() {
                if name.trim().is_empty() || name.chars().any(char::is_control) {
                    self.error(
                        &[path, &["admins", &n.to_string()]].concat(),
                        "expected the name of a login, as AUTH knows it",
                    );
                }
            }
        };
        admins(&["desk"], &config.desk.admins);
        for (name, domain) in &config.domain {
            admins(&["domain", name], &domain.admins);
        }
    }

    fn rest(&mut self) {
        let config = self.config;
        self.memory();
        self.learning();
        self.limits(&["limits"], &config.limits);
        self.timeouts(&["timeouts"], &config.timeouts);
        if !config.admin.bind.0.ip().is_loopback() && !config.admin.public {
            self.error(
                &["admin", "bind"],
                format!(
                    "{} is not loopback, and there is no password: expected 127.0.0.1 or [::1], or public = true",
                    config.admin.bind
                ),
            );
        }
        if config.capacity.memory_per_message > config.capacity.message_memory {
            self.error(
                &["capacity", "memory_per_message"],
                format!(
                    "expected no more than message_memory, {}",
                    config.capacity.message_memory
                ),
            );
        }
        if config.dns.timeout.is_zero() {
            self.error(&["dns", "timeout"], "expected more than no time");
        }
        let deadline = config.identity.deadline;
        if deadline.is_zero() || deadline.as_secs() > 20 {
            self.error(
                &["identity", "deadline"],
                format!("expected more than no time and at most 20s, found {deadline}"),
            );
        }
        if config.dns.deadline.is_zero() {
            self.error(&["dns", "deadline"], "expected more than no time");
        }
        let product = &config.identity.product;
        if product.is_empty() || product.len() > 32 || !product.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        {
            self.error(
                &["identity", "product"],
                format!("expected 1 to 32 letters, digits and hyphens, found {product:?}"),
            );
        }
    }
}
