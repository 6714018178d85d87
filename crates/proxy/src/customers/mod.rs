//! The domains of customers that the store keeps: the register that the desk asks, with a daemon and without one.
//!
//! **Invariants:** a change is kept only if the whole configuration with it has no mistake, and it is in the store before it
//! is in service; a domain that was in service stays so unless it is the one that is taken out; changes are made one at a time.
//! What is in service of the main file is what a change is held against, not what somebody has written there since.
//! **Bounds:** [`MOST`] domains; for their texts see [`edit`].

mod edit;
mod sheet;

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use gatepost_core::{Alarms, Change, DomainAct, DomainRow, Domains, Fault, HostRow, Receipt, Store, async_trait};
use gatepost_pipeline::policy::Rules;
use metrics::gauge;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::config::{Config, DomainName, LeftOut, Loaded, Mistake, NOT_OURS, Place, Registry, Sources, load_with};
use crate::ways::Ways;

/// The partition of the store: a domain's name and its text.
const PART: &[u8] = b"domains";
/// The most domains that the store keeps.
const MOST: usize = 100_000;
/// The kind of alarm about a domain that is not in service.
const ALARM: &str = "domain";
/// The most mistakes that one answer tells.
const TOLD: usize = 50;

/// Names and texts, by name.
pub type Stored = Vec<(String, String)>;

/// What is in service.
pub struct Serving {
    /// The configuration.
    pub config: Arc<Config>,
    /// The ways of its routes.
    pub ways: Arc<Ways>,
    /// What it was read from.
    pub sources: Sources,
    /// The domains of the store that are not.
    pub left_out: Vec<LeftOut>,
    /// Whether mail servers are asked how they are; a command that does without a daemon asks none.
    pub asks: bool,
}

/// A change that the daemon is asked to make, and where it says how it went.
pub struct Order {
    /// The change.
    pub act: DomainAct,
    /// The domains of one who looks after no others.
    pub own: Option<Vec<String>>,
    /// Where to say it.
    pub answer: oneshot::Sender<Receipt>,
}

/// A change that can be made.
pub struct Planned {
    /// The configuration with it.
    pub loaded: Loaded,
    /// The domains that are not in service with it.
    pub left_out: Vec<LeftOut>,
    /// What the store has by it.
    pub entry: Entry,
    /// What is said of it when it is made.
    pub receipt: Receipt,
}

/// What the store has of one domain.
pub struct Entry {
    /// Its name.
    pub domain: DomainName,
    /// Its text; none where it goes.
    pub text: Option<String>,
}

/// The domains that the store keeps.
pub struct Register {
    store: Store,
    registry: Registry,
    serving: ArcSwapOption<Serving>,
    daemon: ArcSwapOption<mpsc::Sender<Order>>,
    /// Held over a change that is made here.
    changing: Mutex<()>,
}

impl Register {
    /// A register over its own part of the store.
    pub fn new(store: Store, registry: Registry) -> Register {
        Register {
            store,
            registry,
            serving: ArcSwapOption::empty(),
            daemon: ArcSwapOption::empty(),
            changing: Mutex::default(),
        }
    }

    /// All that the store keeps, by name.
    pub async fn stored(&self) -> Result<Stored, Fault> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let (mut all, mut from) = (Stored::new(), Vec::new());
        loop {
            let page = self.store.range(PART, &from..&[], false, Store::PAGE_MAX).await?;
            all.extend(page.entries.iter().map(|(name, toml)| (text(name), text(toml))));
            match page.entries.last() {
                Some((last, _)) if page.more => {
                    from = last.to_vec();
                    from.push(0);
                }
                _ => return Ok(all),
            }
        }
    }

    /// Tells the register what is in service.
    pub fn publish(&self, serving: Serving) {
        self.serving.store(Some(Arc::new(serving)));
    }

    /// Has changes made by the daemon, which puts them into service.
    pub fn attach(&self, daemon: mpsc::Sender<Order>) {
        self.daemon.store(Some(Arc::new(daemon)));
    }

    /// What is in service.
    fn serving(&self) -> Result<Arc<Serving>, Fault> {
        let serving = self.serving.load_full();
        serving.ok_or(Fault::Unavailable("no configuration is in service yet"))
    }

    /// Sees whether a change can be made. What it says instead is for the one who asked.
    pub async fn plan(&self, act: &DomainAct, own: Option<&[String]>) -> Result<Result<Planned, Receipt>, Fault> {
        let serving = self.serving()?;
        let stored = self.stored().await?;
        let (domain, text) = match wanted(act, &stored, &serving.config) {
            Ok(wanted) => wanted,
            Err(why) => return Ok(Err(Receipt::Refused(why))),
        };
        if let Err(why) = edit::known(&self.registry, act) {
            return Ok(Err(Receipt::Refused(why)));
        }
        let adds = matches!(act, DomainAct::Add { .. });
        let mut with = stored;
        with.retain(|(name, _)| *name != *domain);
        with.extend(text.iter().map(|text| (domain.to_string(), text.clone())));
        with.sort();
        let (registry, sources) = (self.registry.clone(), serving.sources.clone());
        let loading = tokio::task::spawn_blocking(move || load_with(&sources, with, &registry));
        let loaded = loading.await.map_err(|error| Fault::Broken(error.to_string()))?;
        Ok(match loaded {
            Err(mistakes) => Err(Receipt::Refused(format!(
                "nothing is changed, since what lies beside it has mistakes now:\n{}",
                told(&mistakes.0)
            ))),
            Ok((loaded, left_out)) => copies_stay(&serving.config, &loaded.config, &domain, own)
                .and_then(|()| judged(&serving, adds, domain, text, loaded, left_out))
                .map_err(Receipt::Refused),
        })
    }

    /// The configuration of these sources with all that the store keeps.
    pub async fn load(&self, sources: Sources) -> Result<(Loaded, Vec<LeftOut>), String> {
        let stored = self
            .stored()
            .await
            .map_err(|fault| format!("the domains in the store: {fault}"))?;
        let registry = self.registry.clone();
        let loading = tokio::task::spawn_blocking(move || load_with(&sources, stored, &registry));
        let loaded = loading.await.map_err(|error| error.to_string())?;
        loaded.map_err(|mistakes| mistakes.to_string())
    }

    /// The same of what was loaded without the store.
    pub async fn complete(&self, loaded: Loaded) -> Result<(Loaded, Vec<LeftOut>), String> {
        match self.stored().await {
            Ok(stored) if stored.is_empty() => Ok((loaded, Vec::new())),
            _ => self.load(loaded.sources).await,
        }
    }

    /// Writes a change into the store.
    pub async fn keep(&self, entry: &Entry) -> Result<(), Fault> {
        let name = entry.domain.as_bytes();
        match &entry.text {
            Some(text) => self.store.insert(PART, name, text.as_bytes()).await,
            None => self.store.remove(PART, name).await,
        }
    }

    /// Makes a change where no daemon does.
    async fn change(&self, act: &DomainAct, own: Option<&[String]>) -> Result<Receipt, Fault> {
        let _alone = self.changing.lock().await;
        let planned = match self.plan(act, own).await? {
            Ok(planned) => planned,
            Err(receipt) => return Ok(receipt),
        };
        self.keep(&planned.entry).await?;
        let serving = self.serving()?;
        self.publish(Serving {
            config: Arc::new(planned.loaded.config),
            ways: Arc::clone(&serving.ways),
            sources: serving.sources.clone(),
            left_out: planned.left_out,
            asks: serving.asks,
        });
        Ok(planned.receipt)
    }
}

/// The domain that is meant, and what the store shall have of it.
fn wanted(act: &DomainAct, stored: &Stored, config: &Config) -> Result<(DomainName, Option<String>), String> {
    let named = act.domain().unwrap_or_default();
    let domain: DomainName = named
        .parse()
        .map_err(|_| format!("`{named}` is no domain: expected {}", DomainName::EXPECTED))?;
    let before = stored
        .iter()
        .find(|(name, _)| *name == *domain)
        .map(|(_, text)| text.as_str());
    let in_file = config.domain.get(&domain).and_then(|own| own.written.as_ref());
    let in_file = in_file.filter(|place| place.stored().is_none());
    let text = match act {
        DomainAct::Add { .. } if before.is_some() => {
            return Err(format!(
                "the store has {domain} already: `gatepost domain set {domain}` changes it"
            ));
        }
        DomainAct::Add { settings, .. } => {
            if let Some(place) = in_file {
                return Err(format!(
                    "{domain} is written at {place}: change it there, or take it out there first"
                ));
            }
            if stored.len() >= MOST {
                return Err(format!("the store has {MOST} domains, and keeps no more"));
            }
            Some(edit::edited(&domain, None, settings)?)
        }
        DomainAct::Set { settings, .. } if before.is_some() => Some(edit::edited(&domain, before, settings)?),
        DomainAct::Remove { .. } if before.is_some() => None,
        _ => {
            return Err(match in_file {
                Some(place) => {
                    format!("{domain} is written at {place}, not in the store: change it there, then send SIGHUP")
                }
                None => format!("the store has no {domain}; `gatepost domain list` shows all"),
            });
        }
    };
    Ok((domain, text))
}

/// Refuses a change of one who looks after these domains alone where copies of mail would go to somebody else's by it.
fn copies_stay(before: &Config, after: &Config, domain: &DomainName, own: Option<&[String]>) -> Result<(), String> {
    let Some(own) = own else { return Ok(()) };
    let is_theirs = |name: &str| {
        let is = |own: &String| own == name || (own.starts_with('.') && name.ends_with(own.as_str()));
        own.iter().any(is)
    };
    // What the operator has said of all, of the domain or of one of its people stays.
    let was = spamboxes(before, domain);
    let stands = |user: &Option<&String>, name: &String| {
        let same = |(of, known): &(Option<&String>, String)| known == name && (of.is_none() || of == user);
        was.iter().any(same)
    };
    let mut all = spamboxes(after, domain).into_iter();
    match all.find(|(user, name)| !is_theirs(name) && !stands(user, name)) {
        Some((_, name)) => Err(format!(
            "spambox: {name} is no domain of yours, and copies of mail stay within yours: expected {{domain}}, or one of \
             yours; only the operator names another"
        )),
        None => Ok(()),
    }
}

/// The domains other than each recipient's own to which copies of a domain's mail go: what holds for all there, and for each of
/// its people.
fn spamboxes<'a>(config: &'a Config, domain: &DomainName) -> Vec<(Option<&'a String>, String)> {
    let site = Rules::fold([&config.policy]);
    let of = |user: Option<&'a String>, rules: &Rules| -> Vec<(Option<&'a String>, String)> {
        let domains = rules.spambox_domains();
        domains.map(|name| (user, name.to_ascii_lowercase())).collect()
    };
    let Some(own) = config.domain.get(domain) else {
        return of(None, &site);
    };
    let rules = site.for_some(&own.policy);
    let people = own.users.iter();
    let people = people.flat_map(|(user, layer)| of(Some(user), &rules.clone().for_some(layer)));
    of(None, &rules).into_iter().chain(people).collect()
}

/// Whether a configuration with a change is what was wanted; if not, why.
fn judged(
    before: &Serving,
    adds: bool,
    domain: DomainName,
    text: Option<String>,
    loaded: Loaded,
    left_out: Vec<LeftOut>,
) -> Result<Planned, String> {
    if let Some(own) = left_out.iter().find(|out| out.domain == *domain) {
        return Err(told(&own.why.0));
    }
    let was_out = |out: &&LeftOut| before.left_out.iter().any(|known| known.domain == out.domain);
    if let Some(other) = left_out.iter().find(|out| !was_out(out)) {
        return Err(format!(
            "{} would go out of service by that:\n{}",
            other.domain,
            told(&other.why.0)
        ));
    }
    let here = |mistake: &&Mistake| mistake.place.stored() == Some(&domain);
    let mut lines: Vec<String> = loaded.warnings.iter().filter(here).map(ToString::to_string).collect();
    lines.truncate(TOLD);
    let own = loaded.config.domain.get(&domain).filter(|_| text.is_some());
    let comes_in = !lines.iter().any(|line| line.ends_with(NOT_OURS));
    if !comes_in && adds {
        return Err(format!(
            "no mail for {domain} would come in: give --upstream or --route, or name it in local_domains first"
        ));
    }
    lines.retain(|line| !line.ends_with(NOT_OURS));
    let what = match (&text, comes_in) {
        (Some(_), true) => "is in the store and in service",
        (Some(_), false) => "is in the store, but no mail for it comes in: give --upstream or --route, or remove it",
        (None, _) => "is out of the store",
    };
    lines.insert(0, format!("{domain} {what}"));
    if own.is_some_and(|own| own.hold.is_some() && own.recipients.is_none() && own.recipients_file.is_none()) {
        lines.push(
            "note: mail waits here only for recipients who are known to exist, and until the mail server has said so of \
             them that is nobody but postmaster and abuse; --recipients-file names them beforehand"
                .into(),
        );
    }
    let mut change = Change::shown(lines);
    change.changed = true;
    Ok(Planned {
        loaded,
        left_out,
        entry: Entry { domain, text },
        receipt: Receipt::Done(change),
    })
}

/// Tells of the domains that are not in service, and of those that are again.
pub fn tell(alarms: &dyn Alarms, before: &[LeftOut], now: &[LeftOut]) {
    let is_in = |all: &[LeftOut], domain: &str| all.iter().any(|out| out.domain == domain);
    for out in now {
        alarms.raise(
            ALARM,
            &out.domain,
            &format!("not in service: {}", out.told().replace('\n', "; ")),
        );
    }
    for over in before.iter().filter(|out| !is_in(now, &out.domain)) {
        alarms.over(ALARM, &over.domain);
    }
    gauge!("gatepost_domains_left_out").set(now.len() as f64);
}

fn told(mistakes: &[Mistake]) -> String {
    let mut lines: Vec<String> = mistakes.iter().take(TOLD).map(ToString::to_string).collect();
    if mistakes.len() > TOLD {
        lines.push(format!("and {} more", mistakes.len() - TOLD));
    }
    lines.join("\n")
}

/// Whether one of these answers, and so does a folder; not known where one that was asked may still.
fn is_up(hosts: &[HostRow]) -> Option<bool> {
    let any = |up| hosts.iter().any(|host| host.up == up);
    match hosts.is_empty() || any(Some(true)) {
        true => Some(true),
        false => (!any(None)).then_some(false),
    }
}

impl Serving {
    /// Has the mail servers of routes asked how they are, where that is done at all.
    async fn ask<'a>(&self, routes: impl Iterator<Item = &'a str>) {
        if self.asks {
            self.ways.ask_now(&routes.collect()).await;
        }
    }

    /// Whether the store has a domain of which a file says something else.
    fn is_twice(&self, domain: &DomainName, stored: &Stored) -> bool {
        let written = self.config.domain.get(domain).and_then(|own| own.written.as_ref());
        written.is_some_and(|place| place.stored().is_none())
            && stored.binary_search_by(|(name, _)| name.as_str().cmp(domain)).is_ok()
    }

    fn rows(&self, stored: &Stored) -> Vec<DomainRow> {
        let mut rows: Vec<DomainRow> = self
            .config
            .domain
            .iter()
            .map(|(name, own)| {
                let route = own.route.clone().unwrap_or_default();
                let mut row = DomainRow::default();
                row.domain = name.to_string();
                row.written = own.written.as_ref().map(ToString::to_string).unwrap_or_default();
                if self.is_twice(name, stored) {
                    row.written += " (the store has it, too, and this counts)";
                }
                row.stored = own.written.as_ref().and_then(Place::stored).is_some();
                row.leads = self
                    .config
                    .route
                    .get(&route)
                    .map(|route| route.upstream.to_string())
                    .unwrap_or_default();
                if self.asks && !route.is_empty() {
                    row.hosts = self.ways.told(&route);
                    row.up = is_up(&row.hosts);
                }
                row.route = route;
                row
            })
            .collect();
        rows.extend(self.left_out.iter().map(|out| {
            let mut row = DomainRow::default();
            (row.domain, row.stored) = (out.domain.clone(), true);
            row.written = format!("{}{}", Place::STORE, out.domain);
            row.left_out = Some(out.told());
            row
        }));
        rows.sort_by(|a, b| a.domain.cmp(&b.domain));
        rows
    }
}

#[async_trait]
impl Domains for Register {
    async fn act(&self, act: &DomainAct, own: Option<&[String]>) -> Result<Receipt, Fault> {
        match act {
            DomainAct::List => {
                let (serving, stored) = (self.serving()?, self.stored().await?);
                let routes = serving.config.domain.values();
                serving.ask(routes.filter_map(|own| own.route.as_deref())).await;
                Ok(Receipt::Domains(serving.rows(&stored)))
            }
            DomainAct::Show { domain } => {
                let (serving, stored) = (self.serving()?, self.stored().await?);
                sheet::shown(&serving, &stored, domain).await
            }
            _ => match self.daemon.load_full() {
                None => self.change(act, own).await,
                Some(daemon) => {
                    let (answer, answered) = oneshot::channel();
                    let order = Order {
                        act: act.clone(),
                        own: own.map(<[String]>::to_vec),
                        answer,
                    };
                    let gone = Fault::Unavailable("the desk, since Gatepost is stopping");
                    daemon.send(order).await.map_err(|_| gone.clone())?;
                    answered.await.map_err(|_| gone)
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
