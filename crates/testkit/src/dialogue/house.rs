//! The house that a script sets up before anybody knocks: domains, filters, policy, the mail server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gatepost_core::registry::Options;
use gatepost_core::smtp::body::Treat;
use gatepost_core::smtp::session::Settings;
use gatepost_core::{
    Address, Clock, Desk, Direction, Entry, Filter, Holding, Login, LoginBy, Message, Observer, Record, Services, Site,
    Time, Upstreams, Visit, null, registry,
};
use gatepost_pipeline::recipients::{List, Lists, Recipients, Spans};
use gatepost_pipeline::{
    CurrentFusion, EtrnFrom, Exception, Exceptions, Followers, Layer, Mode, OnFault, Ours, Pipeline, Policy, Reception,
    Routes, Slot,
};
use ipnet::IpNet;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::script::{BadScript, bad, span, table, word, words};
use super::{Brought, Office, Proofs};
use crate::book::Book;
use crate::fakes::Fakes;
use crate::queue::MemoryQueue;
use crate::told;
use crate::upstream::ScriptedUpstreams;

/// Our host name in every dialogue.
const HOSTNAME: &str = "mx.d.example";
/// And our address.
const OUR_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 25));

/// Observer of finished transactions.
#[derive(Default)]
struct Ledger(Book<Record>);

#[async_trait]
impl Observer for Ledger {
    async fn observe(&self, record: &Record, _: Option<&Arc<Message>>) {
        // The book fails only when it is told to.
        let _ = self.0.enter(record.clone());
    }
}

/// A `filter` line.
struct Placed {
    name: String,
    kind: String,
    tier: usize,
    mode: Mode,
    on_fault: OnFault,
    patience: Duration,
    options: Map<String, Value>,
}

/// What a `domain` line says.
#[derive(Default)]
struct Differs {
    policy: Map<String, Value>,
    users: BTreeMap<String, Map<String, Value>>,
    filters: Vec<(String, Mode, Map<String, Value>)>,
}

/// The house: first its settings, then, once opened, its pipeline.
pub(super) struct House {
    folder: PathBuf,
    pub fakes: Fakes,
    pub upstream: ScriptedUpstreams,
    pub queue: Arc<MemoryQueue>,
    pub direction: Direction,
    pub login: Option<Login>,
    relays: Vec<IpNet>,
    local: Vec<String>,
    routes: BTreeMap<String, String>,
    filters: Vec<Placed>,
    policy: Map<String, Value>,
    domains: BTreeMap<String, Differs>,
    settings: Settings,
    /// Who exists, where the script says anything about that.
    recipients: Option<(Lists, Spans)>,
    archive: bool,
    queues: bool,
    /// Who may ask for waiting mail.
    etrn: Vec<(String, Vec<IpNet>)>,
    ledger: Arc<Ledger>,
    /// Who may look for proofs, and the settings where the script wants it.
    proofs: (Option<Proofs>, Option<Map<String, Value>>),
    /// Who makes the desk, and the desk once there is one: it outlives the pipeline.
    office: (Option<Office>, Option<Arc<dyn Desk>>),
    fusion: Arc<CurrentFusion>,
    pipeline: Option<Arc<Pipeline>>,
}

fn read<T: DeserializeOwned>(value: Value) -> Result<T, BadScript> {
    serde_json::from_value(value).map_err(|error| BadScript(error.to_string()))
}

fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(Value::Object(inner)), Value::Object(more)) => merge(inner, more),
            (_, value) => drop(into.insert(key, value)),
        }
    }
}

impl House {
    pub fn new(folder: &Path, brought: Brought) -> House {
        let mut settings = Settings::new(HOSTNAME);
        // Minutes pass in scripts; the session's patience is another script's matter.
        let day = Duration::from_secs(86_400);
        settings.patience.command = day;
        settings.patience.block = day;
        settings.patience.grace = day;
        settings.patience.session = None;
        settings.offer.eight_bit_mime = true;
        settings.offer.smtputf8 = true;
        settings.offer.dsn = true;
        House {
            folder: folder.into(),
            fakes: Fakes::new(),
            upstream: ScriptedUpstreams::new(),
            queue: MemoryQueue::new(),
            direction: Direction::Inbound,
            login: None,
            relays: Vec::new(),
            local: vec!["d.example".into()],
            routes: BTreeMap::new(),
            filters: Vec::new(),
            policy: Map::new(),
            domains: BTreeMap::new(),
            settings,
            recipients: None,
            archive: false,
            queues: false,
            etrn: Vec::new(),
            ledger: Arc::default(),
            proofs: (brought.proofs, None),
            office: (brought.office, None),
            fusion: Arc::default(),
            pipeline: None,
        }
    }

    pub fn now(&self) -> Time {
        self.fakes.clock.now()
    }

    pub fn is_open(&self) -> bool {
        self.pipeline.is_some()
    }

    pub fn settings(&self) -> Arc<Settings> {
        Arc::new(self.settings.clone())
    }

    /// What was recorded, once everybody who follows has been told.
    pub async fn records(&self) -> Vec<Record> {
        if let Some(pipeline) = &self.pipeline {
            pipeline.followers().drained().await;
        }
        self.ledger.0.all()
    }

    /// The lines of a file beside the script, as a client sends them.
    pub fn file(&self, name: &str) -> Result<Vec<u8>, BadScript> {
        let octets =
            std::fs::read(self.folder.join(name.trim())).map_err(|error| BadScript(format!("a mail: {error}")))?;
        let mut sent = Vec::with_capacity(octets.len());
        for line in octets.split_inclusive(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            let stuffed: &[u8] = if line.starts_with(b".") { b"." } else { b"" };
            sent.extend([stuffed, line, b"\r\n"].concat());
        }
        Ok(sent)
    }

    /// A statement that sets up the house.
    pub fn set(&mut self, what: &str, rest: &str, block: Option<&str>) -> Result<(), BadScript> {
        match what {
            "zone" => {
                let text = match block {
                    Some(block) => block.to_owned(),
                    None => std::fs::read_to_string(self.folder.join(rest.trim()))
                        .map_err(|error| BadScript(format!("a zone file: {error}")))?,
                };
                self.fakes
                    .zone
                    .add(&text)
                    .map_err(|error| BadScript(error.to_string()))?;
            }
            "local" => self.local = words(rest).into_iter().map(str::to_owned).collect(),
            "route" => match rest.trim().split_once('=') {
                Some((domain, route)) => drop(self.routes.insert(domain.into(), route.into())),
                None => return bad("`route DOMAIN=NAME`"),
            },
            "direction" => self.direction = read(rest.trim().into())?,
            "login" => self.login = Some(Login::new(rest.trim(), LoginBy::Network)),
            "relays" => {
                let network = |word: &str| {
                    let alone = word.parse().map(|address: IpAddr| address.into());
                    word.parse()
                        .or(alone)
                        .map_err(|_| BadScript(format!("a host or network, not `{word}`")))
                };
                self.relays = words(rest).into_iter().map(network).collect::<Result<_, _>>()?;
            }
            "filter" => {
                let (name, mode, options) = filter(rest)?;
                let placed = place(name, mode, options)?;
                self.filters.push(placed);
            }
            "policy" => merge(&mut self.policy, table(words(rest))?),
            "domain" => {
                let (domain, rest) = word(rest.trim_start());
                let differs = self.domains.entry(domain.to_ascii_lowercase()).or_default();
                match word(rest.trim_start()) {
                    ("policy", rest) => merge(&mut differs.policy, table(words(rest))?),
                    ("user", rest) => {
                        let (user, rest) = word(rest.trim_start());
                        let layer = differs.users.entry(user.into()).or_default();
                        merge(layer, table(words(rest))?);
                    }
                    ("filter", rest) => differs.filters.push(filter(rest)?),
                    _ => {
                        return bad(
                            "`domain NAME policy key=value`, `domain NAME user NAME key=value` or `domain NAME filter NAME MODE`",
                        );
                    }
                }
            }
            "session" => {
                for (key, value) in table(words(rest))? {
                    self.limit(&key, &value)?;
                }
            }
            "recipients" => {
                let (domain, names) = word(rest.trim_start());
                let entry = |name| List::entry(domain, name).map_err(|bad| BadScript(bad.to_string()));
                let entries = words(names).into_iter().map(entry).collect::<Result<_, _>>()?;
                let (lists, _) = self.recipients.get_or_insert_default();
                lists.insert(domain, List::new(entries));
            }
            "remember" => {
                let (_, spans) = self.recipients.get_or_insert_default();
                for (key, value) in table(words(rest))? {
                    let value = span(value.as_str().unwrap_or_default())?;
                    match key.as_str() {
                        "known" => spans.known = value,
                        "unknown" => spans.unknown = value,
                        _ => return bad(format!("`known` or `unknown`, not `{key}`")),
                    }
                }
            }
            "proofs" if self.proofs.0.is_some() => self.proofs.1 = Some(table(words(rest))?),
            "proofs" => return bad("a test that brings the service for `proofs`: `run_all_with`"),
            "archive" => self.archive = true,
            "queue" => self.queues = true,
            "hold" => {
                self.queues = true;
                let holding = |full| if full { Holding::Full } else { Holding::Yes };
                match words(rest)[..] {
                    [domain] => self.queue.hold(domain, holding(false)),
                    [domain, "full"] => self.queue.hold(domain, holding(true)),
                    _ => return bad("`hold DOMAIN` or `hold DOMAIN full`"),
                }
            }
            "etrn" => match words(rest)[..] {
                [domain, network] => {
                    let alone = network.parse().map(|address: IpAddr| address.into());
                    let network = network.parse().or(alone);
                    let network = network.map_err(|_| BadScript(format!("a host or network, not `{rest}`")))?;
                    self.etrn.push((domain.to_owned(), vec![network]));
                    self.settings.offer.etrn = true;
                }
                _ => return bad("`etrn DOMAIN HOST` or `etrn DOMAIN NETWORK`"),
            },
            _ => return bad(format!("a statement, not `{what}`; see gatepost_testkit::dialogue")),
        }
        Ok(())
    }

    fn limit(&mut self, key: &str, value: &Value) -> Result<(), BadScript> {
        let number = || value.as_u64().ok_or_else(|| BadScript(format!("a number for `{key}`")));
        let count = || {
            number().and_then(|number| {
                u32::try_from(number).map_err(|_| BadScript(format!("a smaller number for `{key}`")))
            })
        };
        let truth = || {
            value
                .as_bool()
                .ok_or_else(|| BadScript(format!("true or false for `{key}`")))
        };
        let time = || span(value.as_str().unwrap_or_default());
        let Settings {
            offer,
            limits,
            patience,
            strictness,
            ..
        } = &mut self.settings;
        match key {
            "junk" => limits.junk = count()?,
            "errors" => limits.errors = count()?,
            "mails" => limits.mails = count()?,
            "recipients" => limits.recipients = count()?,
            "message" => limits.message = number()?,
            "command_line" => limits.command_line = number()? as usize,
            "remembered" => limits.remembered = number()? as usize,
            "command" => patience.command = time()?,
            "block" => patience.block = time()?,
            "session" => patience.session = Some(time()?),
            "pipelining" => offer.pipelining = truth()?,
            "starttls" => offer.starttls = truth()?,
            "prdr" => offer.prdr = truth()?,
            "auth" => offer.auth = vec![value.as_str().unwrap_or("PLAIN").into()],
            "strict" => strictness.bare_lf = if truth()? { Treat::Refuse } else { Treat::Normalise },
            "lax" => strictness.rest = if truth()? { Treat::Normalise } else { Treat::Refuse },
            "require_auth" => self.settings.require_auth = truth()?,
            "require_tls" => self.settings.require_tls = truth()?,
            _ => return bad(format!("a limit of the session, not `{key}`")),
        }
        Ok(())
    }

    /// Opens the house, once.
    pub fn open(&mut self) -> Result<(), BadScript> {
        if self.pipeline.is_some() {
            return Ok(());
        }
        let mut services = self.fakes.services();
        let site = Site::new(HOSTNAME).with_domains(self.local.iter().map(String::as_str));
        services.site = Arc::new(site.with_addresses([OUR_ADDRESS]));
        if !self.archive {
            services.kept = Arc::new(null::NoKept);
        }
        if self.queues {
            services.queue = Some(self.queue.clone());
        }
        if let (Some(make), Some(settings)) = &self.proofs {
            services.identify = make(&services, settings.clone()).map_err(BadScript)?;
        }
        let mut tiers: BTreeMap<usize, Vec<Slot>> = BTreeMap::new();
        for placed in &self.filters {
            tiers
                .entry(placed.tier)
                .or_default()
                .push(self.slot(placed, &services)?);
        }
        let general: Layer = read(Value::Object(self.policy.clone()))?;
        let mut layers = Vec::new();
        for (domain, differs) in &self.domains {
            layers.push((domain.as_str(), read::<Layer>(Value::Object(differs.policy.clone()))?));
        }
        let mut policy = Policy::new(&general, layers.iter().map(|(domain, layer)| (*domain, layer)));
        for (domain, differs) in &self.domains {
            for (user, layer) in &differs.users {
                let layer: Layer = read(Value::Object(layer.clone()))?;
                policy = policy.with_users(domain, [(user.as_str(), &layer)]);
            }
        }
        let route = |domain: &String| self.routes.get(domain).map_or("default", String::as_str);
        let routes = match self.direction {
            Direction::Inbound => Routes::inbound(self.local.iter().map(|domain| (domain.as_str(), route(domain)))),
            Direction::Outbound => Routes::outbound("default", self.local.iter().map(String::as_str)),
        };
        if let (Some(make), None) = &self.office {
            // The filters are built, so each model has its place.
            self.office.1 = Some(make(&services, &self.fusion).map_err(BadScript)?);
        }
        let followers = Followers::new(vec![self.ledger.clone() as Arc<dyn Observer>], Followers::BOUND);
        let tiers = tiers.into_values().collect();
        let known = self.recipients.clone().map(|(lists, spans)| {
            let known = Recipients::new(&services.store, services.seed).believing(spans);
            Arc::new(known.with_lists(Arc::new(lists)))
        });
        let ours = Ours::new(HOSTNAME);
        let pipeline = Pipeline::new("dialogue", tiers, policy, routes, ours, services, followers);
        let pipeline = pipeline
            .with_relays(self.relays.clone())
            .with_fusion(Arc::clone(&self.fusion))
            .with_etrn(EtrnFrom::new(
                self.etrn.iter().map(|(domain, from)| (domain.as_str(), from.clone())),
            ));
        self.pipeline = Some(Arc::new(match known {
            Some(known) => pipeline.with_recipients(known),
            None => pipeline,
        }));
        Ok(())
    }

    /// Drops the pipeline with its filters and builds it anew over the same services.
    pub async fn restart(&mut self) -> Result<(), BadScript> {
        // Whoever is still told of a mail is told first.
        self.records().await;
        self.pipeline = None;
        self.open()
    }

    /// Forgets what the mail server said of a recipient, or of all, as the desk does.
    pub async fn forget(&self, whom: &str) -> Result<(), BadScript> {
        let services = self.fakes.services();
        let whom = match whom.trim() {
            "all" => None,
            whom => Some(Address::parse(whom, true).map_err(|_| BadScript("`forget ADDRESS` or `forget all`".into()))?),
        };
        let known = Recipients::new(&services.store, services.seed);
        let done = known.forget(whom.as_ref(), self.now()).await;
        done.map_err(|fault| BadScript(format!("a store that forgets: {fault}")))
    }

    fn slot(&self, placed: &Placed, services: &Services) -> Result<Slot, BadScript> {
        let Some(entry) = entry(&placed.kind) else {
            return bad(format!("a filter that is linked into this test, not `{}`", placed.kind));
        };
        let build = |options: &Map<String, Value>| {
            entry
                .build(Options::new(options.clone()), services)
                .map_err(|error| BadScript(format!("options of {}: {error}", placed.name)))
        };
        let mut exceptions = Exceptions::default();
        for (domain, differs) in &self.domains {
            for (_, mode, options) in differs.filters.iter().filter(|(name, ..)| *name == placed.name) {
                let mut exception = Exception {
                    mode: Some(*mode),
                    ..Exception::default()
                };
                if !options.is_empty() {
                    let mut whole = placed.options.clone();
                    merge(&mut whole, options.clone());
                    exception.filter = Some(build(&whole)?);
                }
                exceptions.insert(domain, exception);
            }
        }
        let mut slot = Slot::of(entry, build(&placed.options)?);
        slot.name = placed.name.as_str().into();
        slot.mode = placed.mode;
        slot.on_fault = placed.on_fault;
        slot.patience = placed.patience;
        slot.domains = Arc::new(exceptions);
        Ok(slot)
    }

    /// The desk that a test brought. None before the house is open.
    pub fn desk(&self) -> Option<Arc<dyn Desk>> {
        self.office.1.clone()
    }

    /// The filters that hear of human acts: of each the general instance. None before the house is open.
    pub fn handlers(&self) -> Vec<(String, Arc<dyn Filter>)> {
        let slots = self
            .pipeline
            .iter()
            .flat_map(|pipeline| pipeline.tiers().iter().flatten());
        slots
            .map(|slot| (slot.name.to_string(), Arc::clone(&slot.filter)))
            .collect()
    }

    /// Somebody who receives a client. The house must be open.
    pub fn receive(&self, visit: Visit) -> Result<Reception, BadScript> {
        match &self.pipeline {
            Some(pipeline) => Ok(Reception::new(
                Arc::clone(pipeline),
                visit,
                Arc::new(self.upstream.clone()) as Arc<dyn Upstreams>,
            )),
            None => bad("an open house"),
        }
    }
}

fn entry(kind: &str) -> Option<&'static Entry> {
    told::entry(kind).or_else(|| registry().ok()?.get(kind).copied())
}

/// `NAME MODE key=value ..`.
fn filter(rest: &str) -> Result<(String, Mode, Map<String, Value>), BadScript> {
    let mut words = words(rest).into_iter();
    let (Some(name), Some(mode)) = (words.next(), words.next()) else {
        return bad("`filter NAME MODE key=value`");
    };
    Ok((name.into(), read(mode.into())?, table(words)?))
}

fn place(name: String, mode: Mode, mut options: Map<String, Value>) -> Result<Placed, BadScript> {
    let (name, kind) = match name.split_once('=') {
        Some((name, kind)) => (name.to_owned(), kind.to_owned()),
        None => (name.clone(), name),
    };
    let tier = options.remove("tier").map_or(Ok(1), read)?;
    let on_fault = options.remove("on_fault").map_or(Ok(OnFault::Ignore), read)?;
    let patience = options
        .remove("patience")
        .map_or(Ok(Slot::PATIENCE), |text| span(text.as_str().unwrap_or_default()))?;
    Ok(Placed {
        name,
        kind,
        tier,
        mode,
        on_fault,
        patience,
        options,
    })
}
