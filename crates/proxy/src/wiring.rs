//! From a configuration to what serves it: filters into slots, slots into pipelines, pipelines behind doors.
//!
//! **Invariant:** a generation is built whole or not at all; what runs on an older one goes on undisturbed.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gatepost_core::smtp::Offer;
use gatepost_core::smtp::body::{Strictness, Treat};
use gatepost_core::smtp::session::{self, Settings};
use gatepost_core::{Direction, Entry, Services, Site};
use gatepost_desk::rights::Staff;
use gatepost_desk::{Handlers, Terms};
use gatepost_pipeline::policy::Policy;
use gatepost_pipeline::recipients::List;
use gatepost_pipeline::routes::Routes;
use gatepost_pipeline::slot::{Exception, Exceptions, Slot};
use gatepost_pipeline::stamp::Ours;
use gatepost_pipeline::{ByDomain, CurrentFusion, EtrnFrom, Followers, Pipeline, Recipients};
use ipnet::IpNet;

use crate::admission;
use crate::config::{
    Config, DomainName, FilterException, Limits, LineEnds, Listen, LocalDomain, Registry, Timeouts, TlsStart,
    TlsVersion,
};
use crate::listen::{ByNetwork, Door, Secure};
use crate::post::{Outlet, Sentry};
use crate::spool::Room;
use crate::tls;
use crate::ways::Ways;

/// How far past the largest message its end is sought, so that the client hears 552, and not 421 and comes again.
const EXCESS: u64 = 128 << 20;

/// One configuration in service.
pub struct Generation {
    /// It.
    pub config: Arc<Config>,
    /// Where mail goes.
    pub ways: Arc<Ways>,
    /// The doors, in the order of `[[listen]]`.
    pub doors: Vec<Arc<Door>>,
    /// Where messages lie.
    pub room: Arc<Room>,
    /// The filters that stand behind the desk.
    pub handlers: Handlers,
}

/// The slots of a pipeline: each filter built from the options of the configuration. Those in `shared` are there already,
/// and those that are built join them: a filter has one general instance, in whichever pipelines it stands.
pub fn tiers(
    config: &Config,
    pipeline: &str,
    registry: &Registry,
    services: &Services,
    shared: &mut Handlers,
) -> Result<Vec<Vec<Slot>>, String> {
    tiers_of(config, pipeline, registry, services, shared, |_| true)
}

/// The same of some filters only.
pub fn tiers_of(
    config: &Config,
    pipeline: &str,
    registry: &Registry,
    services: &Services,
    shared: &mut Handlers,
    wanted: impl Fn(&Entry) -> bool,
) -> Result<Vec<Vec<Slot>>, String> {
    // One that is not there is a mistake, wanted or not.
    let wanted = |name: &&String| registry.get(name.as_str()).is_none_or(|entry| wanted(entry));
    let mut slot = |name: &String| slot(config, name, registry, services, shared);
    config
        .tiers(pipeline)
        .iter()
        .map(|tier| tier.iter().filter(wanted).map(&mut slot).collect())
        .collect()
}

fn slot(
    config: &Config,
    name: &str,
    registry: &Registry,
    services: &Services,
    shared: &mut Handlers,
) -> Result<Slot, String> {
    let entry = registry
        .get(name)
        .ok_or_else(|| format!("filter `{name}` is not in this binary"))?;
    let wrong = |error| format!("filters.{name}.options: {error}");
    let said = config.filter(name);
    let general = match shared.get(name) {
        Some(filter) => Arc::clone(filter),
        None => {
            let filter = entry.build(said.options(), services).map_err(wrong)?;
            shared.insert(name.into(), Arc::clone(&filter));
            filter
        }
    };
    let mut slot = Slot::of(entry, general);
    slot.mode = said.mode;
    slot.on_fault = said.on_fault;
    slot.patience = *said.patience;
    let mut exceptions = Exceptions::default();
    for (domain, here) in &config.domain {
        let (mode, own) = (here.mode(entry), here.filters.get(name));
        // A table that says nothing of the filter is none: the most specific name counts, and it would hide what is said of
        // all below one.
        if mode.is_none() && own.is_none_or(FilterException::is_silent) {
            continue;
        }
        let filter = own.and_then(FilterException::options);
        let filter = filter.map(|options| entry.build(options, services));
        let exception = Exception {
            mode,
            on_fault: own.and_then(|own| own.on_fault),
            filter: filter.transpose().map_err(wrong)?,
        };
        exceptions.insert(domain, exception);
    }
    slot.domains = Arc::new(exceptions);
    Ok(slot)
}

/// The policy of a configuration.
pub fn policy(config: &Config) -> Policy {
    let domains = || config.domain.iter();
    let written = |beside: bool| {
        let those = domains().filter(move |(_, domain)| domain.beside == beside);
        those.map(|(name, domain)| (&**name, &domain.policy))
    };
    let policy = Policy::new(&config.policy, written(false)).with_customers(written(true));
    domains().fold(policy, |policy, (name, domain)| {
        policy.with_users(name, domain.users.iter().map(|(user, layer)| (user.as_str(), layer)))
    })
}

/// Who exists in our domains: the lists of the configuration, and what the mail server said, as the store remembers it.
pub fn recipients(config: &Config, services: &Services) -> Arc<Recipients> {
    let recipients = Recipients::new(&services.store, services.seed).believing(config.recipients.spans());
    let servers = config
        .route
        .iter()
        .map(|(name, route)| (name, route.upstream.to_string()));
    let servers: Vec<_> = servers.collect();
    let recipients = recipients.with_servers(servers.iter().map(|(name, server)| (name.as_str(), server.as_str())));
    let folders = config
        .route
        .iter()
        .filter(|(_, route)| route.upstream.maildir().is_some());
    let recipients = recipients.not_believing(folders.map(|(name, _)| name.as_str()));
    Arc::new(recipients.with_lists(Arc::clone(&config.lists)))
}

/// What is ours by a configuration.
pub fn site(config: &Config) -> Site {
    let local: Vec<_> = config.local_domains.iter().map(ToString::to_string).collect();
    let named: Vec<_> = config
        .route
        .values()
        .flat_map(|route| &route.domains)
        .map(ToString::to_string)
        .collect();
    let binds = config.listen.iter().flat_map(|listen| listen.bind.iter());
    let addresses = binds
        .map(|bind| bind.0.ip())
        .filter(|ip| !ip.is_unspecified() && !ip.is_loopback());
    Site::new(config.hostname())
        .with_domains(local.iter().chain(&named).map(String::as_str))
        .with_addresses(addresses)
}

/// The services as the filters of a configuration see them: they know what is ours by it.
pub fn services(config: &Config, services: &Services) -> Services {
    let mut services = services.clone();
    services.site = Arc::new(site(config));
    services
}

/// Who we say we are.
pub fn ours(config: &Config) -> Ours {
    let mut ours = Ours::new(config.hostname());
    ours.authserv_id = config.authserv_id().into();
    ours.product = config.identity.product.as_str().into();
    ours.results = config.identity.results;
    ours
}

/// Each local domain at a listener with its route: as `local_domains` has them, and what routes name below them.
fn local_routes<'a>(config: &'a Config, listen: &'a Listen) -> Vec<(String, &'a str)> {
    let text = |domain: &LocalDomain| domain.to_string();
    let named: Vec<(String, &str)> = config
        .route
        .iter()
        .flat_map(|(name, route)| route.domains.iter().map(move |domain| (text(domain), name.as_str())))
        .collect();
    let by_name: ByDomain<&str> = named.iter().map(|(domain, route)| (domain, *route)).collect();
    let local: ByDomain<()> = config.local_domains.iter().map(|domain| (text(domain), ())).collect();
    let rest = config.local_domains.iter().map(|domain| {
        let domain = text(domain);
        let route = by_name.get(&domain).copied().unwrap_or(&listen.route);
        (domain, route)
    });
    // What is named for itself comes last, and so wins over what a wider name would say.
    let mut all: Vec<_> = rest.collect();
    all.extend(named.into_iter().filter(|(domain, _)| local.get(domain).is_some()));
    all
}

/// Single addresses of local domains that have routes of their own: domain, local part, route.
fn addressed(config: &Config) -> impl Iterator<Item = (&DomainName, Box<str>, &String)> {
    // A whole address, or a quoted one, is written as it is compared.
    let entry = |domain: &DomainName, text: &str| List::entry(&domain.example(), text).unwrap_or_else(|_| text.into());
    let domains = config.domain.iter();
    domains.flat_map(move |(domain, own)| {
        let addresses = own.addresses.iter();
        addresses.map(move |(local, route)| (domain, entry(domain, local), route))
    })
}

/// Where a listener sends mail.
pub fn routes(config: &Config, listen: &Listen) -> Routes {
    match listen.direction {
        Direction::Inbound => home_routes(config, listen),
        Direction::Outbound => {
            let local: Vec<_> = config.local_domains.iter().map(ToString::to_string).collect();
            unserved(
                config,
                Routes::outbound(&listen.route, local.iter().map(String::as_str)),
            )
        }
    }
}

/// The same with the domains that are ours and cannot be served.
fn unserved(config: &Config, routes: Routes) -> Routes {
    let out = config.out_of_service.iter();
    out.fold(routes, |routes, domain| routes.out_of_service(domain))
}

/// Where `<postmaster>` without a domain goes: to our own people, and to no customer for the place of a name in the
/// alphabet. The route of the first domain that is no customer's, or the listener's, or that of our host name.
fn postmaster<'a>(config: &'a Config, listen: &'a Listen, by_name: &ByDomain<&'a str>) -> Option<&'a str> {
    let is_feed = |domain: &LocalDomain| config.domain.get(&*domain.to_string()).is_some_and(|own| own.is_feed());
    let first = config.local_domains.iter().find(|domain| !is_feed(domain));
    let of_first = first.and_then(|domain| by_name.get(&domain.to_string()));
    let general = || config.route.contains_key(&listen.route).then_some(&*listen.route);
    of_first
        .copied()
        .or_else(general)
        .or_else(|| by_name.get(config.hostname()).copied())
}

/// Where mail for our own domains goes, as a listener has it.
fn home_routes(config: &Config, listen: &Listen) -> Routes {
    let mut local = local_routes(config, listen);
    let by_name: ByDomain<&str> = local.iter().map(|(domain, route)| (domain, *route)).collect();
    // Addresses of a domain that is ours by a wider name only: the domain goes where that goes.
    let more = config.domain.iter().filter(|(_, own)| !own.addresses.is_empty());
    let more = more.filter_map(|(domain, _)| Some((domain.to_string(), *by_name.get(domain)?)));
    let more: Vec<_> = more.filter(|(domain, _)| by_name.named(domain).is_none()).collect();
    local.extend(more);
    let mut routes = Routes::inbound(local.iter().map(|(domain, route)| (domain.as_str(), *route)));
    if let Some(route) = postmaster(config, listen, &by_name).filter(|_| !local.is_empty()) {
        routes = routes.with_postmaster(route);
    }
    let routes = addressed(config).fold(routes, |routes, (domain, local, route)| {
        routes.with_address(domain, &local, route)
    });
    unserved(config, routes)
}

/// The names of all routes that a listener for mail from the world takes.
fn taken<'a>(config: &'a Config, listen: &'a Listen) -> BTreeSet<&'a str> {
    let local = local_routes(config, listen);
    let addressed = addressed(config).map(|(_, _, route)| route.as_str());
    local.iter().map(|(_, route)| *route).chain(addressed).collect()
}

/// From where the waiting mail of each domain may be asked for at a listener.
pub fn etrn(config: &Config, listen: &Listen) -> EtrnFrom {
    let domains = config.domain.iter().filter(|_| listen.direction == Direction::Inbound);
    EtrnFrom::new(domains.map(|(name, domain)| (&**name, domain.etrn_from(name, config))))
}

/// The services, and among them one that tells whom a mail is from as this configuration wants it.
fn with_identity(config: &Config, services: &Services) -> Services {
    let mut services = services.clone();
    services.identify = crate::services::identify(config, &services);
    services
}

/// Builds everything anew. `before` is the generation in service, whose knowledge of mail servers is kept.
pub fn build(
    config: Arc<Config>,
    registry: &Registry,
    services: &Services,
    followers: &Followers,
    fusion: &Arc<CurrentFusion>,
    before: Option<&Generation>,
) -> Result<Generation, String> {
    let services = &with_identity(&config, services);
    let ways = Ways::new(&config, before.map(|before| &*before.ways)).map_err(|error| error.to_string())?;
    let is_customers = |route: &str| {
        config
            .domain
            .get(route)
            .is_some_and(|own| own.route.as_deref() == Some(route))
    };
    ways.prepare(before.map(|before| &*before.ways), is_customers)?;
    let ways = Arc::new(ways);
    let capacity = &config.capacity;
    let bounds = (
        capacity.memory_per_message.octets(),
        capacity.message_memory.0,
        capacity.spool.0,
    );
    let room = match before {
        // What running sessions hold counts on.
        Some(before) if before.room.is(&config.spool_dir(), bounds) => Arc::clone(&before.room),
        _ => {
            let spool = config.spool_dir();
            private(&spool).map_err(|error| format!("spool_dir {}: {error}", spool.display()))?;
            Arc::new(Room::new(spool, bounds.0, bounds.1, bounds.2))
        }
    };
    let (mut doors, mut handlers) = (Vec::new(), Handlers::new());
    let services = &self::services(&config, services);
    let recipients = recipients(&config, services);
    for listen in &config.listen {
        let tiers = tiers(&config, listen.pipeline(), registry, services, &mut handlers)?;
        let pipeline = Pipeline::new(
            listen.pipeline(),
            tiers,
            policy(&config),
            routes(&config, listen),
            ours(&config),
            services.clone(),
            followers.clone(),
        );
        let pipeline = pipeline
            .with_recipients(Arc::clone(&recipients))
            .with_relays(nets(listen.trusted_relays.iter()))
            .with_etrn(etrn(&config, listen))
            .with_fusion(Arc::clone(fusion));
        let pipeline = Arc::new(pipeline);
        let secure = secure(&config, listen)?;
        let upstreams: Arc<Ways> = Arc::clone(&ways);
        doors.push(Arc::new(Door {
            name: listen.name.as_str().into(),
            direction: listen.direction,
            pipeline,
            upstreams,
            settings: ArcSwap::from_pointee(settings(&config, listen, &ways)),
            secure,
            trusted: nets(listen.trusted_networks.iter()),
            proxies: nets(listen.proxy_protocol_from.iter()),
            proxy_header: *listen.timeouts.proxy_header,
            limits: limits(&listen.limits, capacity.sessions),
            tarpitted: capacity.tarpitted as usize,
            room: Arc::clone(&room),
        }));
    }
    Ok(Generation {
        config,
        ways,
        doors,
        room,
        handlers,
    })
}

/// The filters of all pipelines that a listener uses, without anything that listens: for a desk without a daemon.
pub fn handlers(config: &Config, registry: &Registry, services: &Services) -> Result<Handlers, String> {
    let mut handlers = Handlers::new();
    let services = &self::services(config, services);
    for listen in &config.listen {
        tiers(config, listen.pipeline(), registry, services, &mut handlers)?;
    }
    Ok(handlers)
}

/// What the configuration says about the desk.
pub fn desk_terms(config: &Config) -> Terms {
    let domains = config.domain.iter().filter(|(_, domain)| !domain.admins.is_empty());
    let local = config.local_domains.iter().map(ToString::to_string).collect::<Vec<_>>();
    let staff = Staff::new(
        config.desk.admins.iter().map(String::as_str),
        domains.map(|(name, domain)| (&**name, domain.admins.iter().map(String::as_str).collect())),
        Routes::outbound("", local.iter().map(String::as_str)),
    );
    Terms {
        staff: staff.with_users(config.desk.users()),
        requests_per_hour: config.desk.requests_per_hour,
        reports: config.desk.reports,
        release_welcomes: config.desk.release_welcomes,
    }
}

/// By what kept mail leaves: as it would have gone from the listener that it came to.
pub fn outlet(config: &Config, ways: &Arc<Ways>, sentry: Sentry) -> Outlet {
    let listeners = config.listen.iter().map(|listen| {
        let routes = routes(config, listen);
        (listen.name.clone(), (listen.direction, routes))
    });
    let inbound = config
        .listen
        .iter()
        .find(|listen| listen.direction == Direction::Inbound);
    // A Gatepost for the mail of our own people only writes to them all the same.
    let home = inbound.or(config.listen.first());
    Outlet {
        listeners: listeners.collect(),
        otherwise: home.map_or_else(|| Routes::inbound([]), |listen| home_routes(config, listen)),
        ways: Arc::clone(ways),
        ours: ours(config),
        name: config.post.name.clone(),
        rules: Arc::clone(policy(config).rules(None, None)),
        sentry,
    }
}

/// Makes a folder that only we may read; one that is there stays as it is.
pub fn private(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

impl Generation {
    /// Tells new sessions what the mail servers offer now.
    pub fn offer_anew(&self) {
        for (listen, door) in self.config.listen.iter().zip(&self.doors) {
            door.settings
                .store(Arc::new(settings(&self.config, listen, &self.ways)));
        }
    }
}

/// Networks as those who compare addresses take them.
pub fn nets<'a>(networks: impl Iterator<Item = &'a crate::config::Network>) -> Vec<IpNet> {
    networks.map(|network| **network).collect()
}

fn secure(config: &Config, listen: &Listen) -> Result<Secure, String> {
    if listen.tls == TlsStart::None {
        return Ok(Secure::No);
    }
    let (certificate, key) = listen
        .certificate(&config.tls)
        .ok_or_else(|| format!("listener `{}` has TLS and no certificate and key", listen.name))?;
    let only_tls13 = listen.min_version(&config.tls) == TlsVersion::V1_3;
    let acceptor = tls::acceptor(certificate, key, only_tls13).map_err(|error| error.to_string())?;
    Ok(match listen.tls {
        TlsStart::Implicit => Secure::Implicit(acceptor, *listen.timeouts.handshake),
        _ => Secure::Starttls(acceptor),
    })
}

fn limits(limits: &Limits, sessions: u32) -> admission::Limits {
    admission::Limits {
        sessions: sessions as usize,
        sessions_per_client: limits.sessions_per_client as usize,
        sessions_per_network: limits.sessions_per_network as usize,
        new_per_minute: limits.new_sessions_per_minute,
        unknown_per_minute: limits.unknown_recipients_per_minute,
        failures_per_hour: limits.auth_failures_per_hour,
    }
}

fn treat(ends: LineEnds) -> Treat {
    match ends {
        LineEnds::Normalise => Treat::Normalise,
        LineEnds::Refuse => Treat::Refuse,
    }
}

/// What sessions are told: what we do ourselves, as far as every mail server behind this listener does it, too.
fn settings(config: &Config, listen: &Listen, ways: &Ways) -> ByNetwork {
    let own = Offer {
        size: Some(listen.limits.message_size.0),
        pipelining: true,
        eight_bit_mime: true,
        smtputf8: true,
        dsn: true,
        enhanced_status_codes: true,
        starttls: listen.tls == TlsStart::Starttls,
        prdr: listen.prdr,
        ..Offer::default()
    };
    let mut offer = match listen.direction {
        Direction::Inbound => ways.offer(&own, taken(config, listen)),
        Direction::Outbound => ways.offer(&own, [listen.route.as_str()]),
    };
    if !listen.auth {
        offer.auth.clear();
    }
    offer.etrn = etrn(config, listen).is_offered();
    let mut usual = Settings::new(config.hostname());
    usual.offer = offer;
    usual.limits = session::Limits {
        junk: listen.limits.junk,
        errors: listen.limits.errors,
        mails: listen.limits.mails,
        recipients: listen.limits.recipients,
        auth_failures: listen.limits.auth_failures,
        message: listen.limits.message_size.0,
        excess: EXCESS,
        ..session::Limits::default()
    };
    usual.patience = patience(&listen.timeouts, *listen.timeouts.command);
    usual.require_auth = listen.direction == Direction::Outbound;
    usual.require_tls = listen.require_tls;
    let strictness = |bare_lf, rest| Strictness {
        bare_lf: treat(bare_lf),
        rest: treat(rest),
    };
    let strict = |settings: &Settings, strictness: Strictness| {
        let tolerated = strictness.bare_lf == Treat::Normalise;
        Arc::new(Settings {
            strictness,
            lf_tolerated: tolerated,
            ..settings.clone()
        })
    };
    let busy = Settings {
        patience: patience(&listen.timeouts, *listen.timeouts.busy_command),
        ..usual.clone()
    };
    let general = strictness(listen.bare_lf, listen.odd_line_ends);
    let special = listen.line_ends_for.iter().map(|rule| {
        (
            nets(rule.networks.iter()),
            strict(&usual, strictness(rule.bare_lf, rule.odd_line_ends)),
        )
    });
    ByNetwork {
        usual: strict(&usual, general),
        busy: strict(&busy, general),
        special: special.collect(),
    }
}

fn patience(timeouts: &Timeouts, command: Duration) -> session::Patience {
    session::Patience {
        command,
        block: *timeouts.data,
        grace: *timeouts.data_grace,
        rate: timeouts.data_rate,
        handshake: *timeouts.handshake,
        session: Some(*timeouts.session),
    }
}
