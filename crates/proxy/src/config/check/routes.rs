//! Where mail goes: routes that nobody uses, that share a domain, or that lead back to us.
#![allow(
    clippy::disallowed_types,
    reason = "whether an address is this machine's own is told by binding it"
)]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use super::Check;
use crate::config::route::{ClientAddress, Route, RouteTls};
use crate::config::values::LocalDomain;
use crate::config::{Config, machine_name};
use crate::login::{Login, NoLogin};
use crate::tls;

/// How long a connection to a mail server may wait for the next client (RFC 5321 §4.5.3.2.7: a server waits five minutes).
const KEEP_IDLE_MAX: Duration = Duration::from_secs(300);

impl Check<'_> {
    pub(super) fn routes(&mut self) {
        let config = self.config;
        let mut owners: BTreeMap<&LocalDomain, &str> = BTreeMap::new();
        for (name, route) in &config.route {
            self.route(name, route);
            for (n, domain) in route.domains.iter().enumerate() {
                let path = ["route", name, "domains", &n.to_string()];
                if let Some(other) = owners.insert(domain, name) {
                    self.error(&path, format!("`{domain}` is named by route `{other}` already"));
                }
                if self.local.get(&domain.to_string()).is_none() && !self.wrong(&["local_domains"]) {
                    self.error(
                        &path,
                        format!("`{domain}` is not in local_domains, so its mail is refused before it is routed"),
                    );
                }
            }
            if route.domains.is_empty()
                && !self.addressed.contains(name)
                && !config.listen.iter().any(|listen| listen.route == *name)
                && config.queue.notices.as_ref() != Some(name)
                && !self.wrong(&["listen"])
            {
                self.warning(
                    &["route", name],
                    "no listener names this route, and it names no domains: it is not used",
                );
            }
        }
    }

    fn maildir(&mut self, name: &str, route: &Route, folder: &Path) {
        let upstream = ["route", name, "upstream"];
        if route.upstream.len() > 1 {
            self.error(&upstream, "a Maildir stands alone: it has no second host, and is none");
        }
        if let Some(why) = wrong_path(&folder.to_string_lossy()) {
            self.error(&upstream, why);
        }
        let config = self.config;
        let own = if route.domains.is_empty() {
            &config.local_domains
        } else {
            &route.domains
        };
        let endless = |domain: &&LocalDomain| {
            let own = config.domain.get(&*domain.name);
            domain.below || own.is_none_or(|own| own.recipients.is_none() && own.recipients_file.is_none())
        };
        if folder.to_string_lossy().contains("{user}")
            && let Some(domain) = own.iter().find(endless)
        {
            self.warning(
                &upstream,
                format!(
                    "`{domain}` has no list of its recipients, so whatever address a stranger writes to gets a Maildir: say \
                     who exists by `recipients` or `recipients_file` of the domain"
                ),
            );
        }
        if route.client_address != ClientAddress::None {
            self.error(
                &["route", name, "client_address"],
                "a Maildir learns no client: expected \"none\"",
            );
        }
        if matches!(route.tls, RouteTls::Required | RouteTls::Verified) {
            self.error(&["route", name, "tls"], "a Maildir speaks no TLS");
        }
        if route.login.is_there() {
            self.error(&["route", name, "login"], "a Maildir asks for no password");
        }
    }

    fn host(&mut self, name: &str, route: &Route, n: usize, host: &str, port: u16) {
        let place = n.to_string();
        let path = match route.upstream.len() {
            1 => vec!["route", name, "upstream"],
            _ => vec!["route", name, "upstream", &place],
        };
        let ours = self
            .config
            .listen
            .iter()
            .flat_map(|listen| listen.bind.iter().map(move |bind| (listen, bind.0)));
        if let Some((listen, bind)) = ours
            .into_iter()
            .find(|(_, bind)| leads_to(host, port, *bind, self.config))
        {
            self.error(
                &path,
                format!(
                    "leads to our own listener `{}` at {bind}: mail would run in circles",
                    listen.name
                ),
            );
        }
        let before = route.upstream.servers().take(n);
        if before.into_iter().any(|other| other == (host, port)) {
            self.error(&path, "is named twice: give one of them the weight of both");
        }
        if let Ok(address) = host.parse::<IpAddr>()
            && !route.address_family.has(address)
        {
            self.error(
                &path,
                format!("{address} is no address of the route's `address_family`"),
            );
        }
    }

    fn login(&mut self, name: &str, route: &Route) {
        if !route.login.is_there() {
            return;
        }
        if let Err(NoLogin { key, why }) = Login::read(&route.login) {
            self.error(&["route", name, "login", key], why);
        }
        if let Some((file, mode)) = Login::exposed(&route.login) {
            self.warning(
                &["route", name, "login", "password_file"],
                format!(
                    "{} has mode {mode:04o}, so others may read it: chmod 600",
                    file.display()
                ),
            );
        }
        let tls = ["route", name, "tls"];
        match route.tls {
            RouteTls::None | RouteTls::Opportunistic => self.error(
                &tls,
                "the password of `login` is said under TLS only: expected \"required\" or \"verified\"",
            ),
            RouteTls::Required if !route.upstream.servers().all(|(host, _)| is_loopback(host)) => self.warning(
                &tls,
                "whoever stands in the way can show any certificate and hears the password of `login`: better \"verified\"",
            ),
            RouteTls::Required | RouteTls::Verified => {}
        }
        let config = self.config;
        for listen in config
            .listen
            .iter()
            .filter(|listen| listen.auth && listen.route == *name)
        {
            self.error(
                &["route", name, "login"],
                format!(
                    "listener `{}` passes its clients' passwords on by this route (auth = true), which can be done only on \
                     connections without a login of our own: give the listener a route of its own",
                    listen.name
                ),
            );
        }
    }

    /// Whether there are authorities in a file, or in that of the system; each is read once.
    fn trusted(&mut self, file: Option<&Path>) -> Result<(), String> {
        let file = file.map(Path::to_owned);
        if let Some(known) = self.trusted.get(&file) {
            return known.clone();
        }
        let trust = file.as_deref().map_or(tls::Trust::System, tls::Trust::Authority);
        let found = tls::connector(trust).map(drop).map_err(|error| error.to_string());
        self.trusted.insert(file, found.clone());
        found
    }

    fn route(&mut self, name: &str, route: &Route) {
        if let Some(folder) = route.upstream.maildir() {
            return self.maildir(name, route, folder);
        }
        for (n, (host, port)) in route.upstream.servers().enumerate() {
            self.host(name, route, n, host, port);
        }
        if route.tls == RouteTls::Verified {
            if let Err(error) = self.trusted(route.ca_file.as_deref()) {
                self.error(
                    &["route", name, if route.ca_file.is_some() { "ca_file" } else { "tls" }],
                    error,
                );
            }
            let literal = |(host, _): (&str, u16)| host.parse::<IpAddr>().is_ok();
            if route.upstream.servers().any(literal) && route.server_name.is_none() {
                self.warning(
                    &["route", name, "tls"],
                    "certificates seldom hold an address: name the server by server_name",
                );
            }
        } else {
            for (key, given) in [
                ("ca_file", route.ca_file.is_some()),
                ("server_name", route.server_name.is_some()),
            ] {
                if given {
                    self.warning(&["route", name, key], "only checked with tls = \"verified\"");
                }
            }
        }
        self.login(name, route);
        if *route.keep.idle > KEEP_IDLE_MAX {
            self.error(
                &["route", name, "keep", "idle"],
                "at most five minutes: a mail server hangs up on connections that wait longer",
            );
        }
        let timeouts = &route.timeouts;
        let all = [
            ("connect", timeouts.connect),
            ("greeting", timeouts.greeting),
            ("command", timeouts.command),
            ("data", timeouts.data),
            ("block", timeouts.block),
            ("dot", timeouts.dot),
        ];
        for (key, _) in all.iter().filter(|(_, time)| time.is_zero()) {
            self.error(&["route", name, "timeouts", *key], "expected more than no time");
        }
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|address| address.to_canonical().is_loopback())
}

/// What is wrong with the path of a Maildir.
fn wrong_path(path: &str) -> Option<String> {
    let mut rest = path;
    while let Some((_, behind)) = rest.split_once('{') {
        let Some((place, after)) = behind.split_once('}') else {
            return Some("a `{` without its `}`".into());
        };
        if !matches!(place, "domain" | "user") {
            return Some(format!(
                "unknown place `{{{place}}}`: there are `{{domain}}` and `{{user}}`"
            ));
        }
        rest = after;
    }
    None
}

/// Whether a route to `host` and `port` ends at `bind`. Names other than our own are not looked up.
fn leads_to(host: &str, port: u16, bind: SocketAddr, config: &Config) -> bool {
    if port != bind.port() {
        return false;
    }
    let own_name = || {
        config
            .hostname
            .clone()
            .or_else(machine_name)
            .is_some_and(|name| name.eq_ignore_ascii_case(host))
    };
    match host.parse::<IpAddr>().map(|address| address.to_canonical()) {
        Ok(address) if !bind.ip().is_unspecified() => address == bind.ip().to_canonical(),
        // Only an address of this machine can be bound.
        Ok(address) => address.is_loopback() || address.is_unspecified() || UdpSocket::bind((address, 0)).is_ok(),
        Err(_) if host == "localhost" => bind.ip().is_unspecified() || bind.ip().is_loopback(),
        Err(_) => bind.ip().is_unspecified() && own_name(),
    }
}
