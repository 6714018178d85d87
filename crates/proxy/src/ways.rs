//! The routes of a configuration: where each leads, and what it offers there.
//!
//! What a mail server offers is asked now and then by a connection of its own, so that EHLO can be answered without one.
//! A server that was never reached offers nothing; one that is away offers what it did.
//!
//! **Bounds:** at most [`LANE`] probes are under way at once, and as many again of servers that let their clients wait, so
//! that a thousand dead servers keep no living one from being asked. A route of which a reload changed nothing is taken over
//! as it is, connections included.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::BoxFuture;
use gatepost_core::smtp::Offer;
use gatepost_core::{HostRow, Upstream, Upstreams};
use metrics::counter;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::clock::ticks;
use crate::config::{Config, Route, RouteTls};
use crate::hosts::dice::Dice;
use crate::hosts::health::Health;
use crate::hosts::{Hosts, Known, offers};
use crate::login::Login;
use crate::maildir::{Folders, Maildir};
use crate::outfit::{BadRoute, Outfitter};
use crate::upstream::Way;

/// How many probes are under way at once.
const LANE: usize = 64;
/// After a reload all are asked anew, where they are no more than these.
const FEW: usize = 32;
/// Where they are more, an answer that is younger is believed: reloads may follow one another.
const FRESH: Duration = Duration::from_secs(60);

/// Whose answer is younger need not be asked again because somebody wants to know how it is.
const LATELY: Duration = Duration::from_secs(10);
/// How long somebody who wants to know that waits for answers.
const MOMENT: Duration = Duration::from_secs(5);

/// One route.
struct Leading {
    name: Arc<str>,
    /// What was said of it, to see whether it is said again.
    said: Route,
    end: End,
}

enum End {
    Servers(Arc<Hosts>),
    Maildir(Arc<Folders>, Offer),
}

impl Leading {
    /// Whether it need not be built anew. A certificate authority is read again at each reload, so who is verified by one
    /// is built anew.
    fn is_still(&self, route: &Route, login: Option<&Login>, outfitter: &Outfitter<'_>) -> bool {
        let servers = match &self.end {
            End::Servers(hosts) => hosts.all(),
            End::Maildir(folders, _) => return self.said == *route && folders.home() == outfitter.home(),
        };
        let same = |server: &crate::server::Server| {
            server.login.as_deref() == login
                && *server.settings.hostname == *outfitter.hostname()
                && server.among_others == outfitter.among_others()
        };
        self.said == *route && route.tls != RouteTls::Verified && servers.iter().all(|host| same(&host.server))
    }

    fn hosts(&self) -> Option<&Arc<Hosts>> {
        match &self.end {
            End::Servers(hosts) => Some(hosts),
            End::Maildir(..) => None,
        }
    }

    /// What a client may be offered for mail that takes it.
    fn offer(&self) -> Option<Arc<Offer>> {
        match &self.end {
            End::Servers(hosts) => hosts.offer(),
            End::Maildir(_, offer) => Some(Arc::new(offer.clone())),
        }
    }

    fn is_up(&self) -> bool {
        self.hosts().is_none_or(|hosts| hosts.is_up())
    }
}

/// Where probes take turns; the same for all generations.
struct Lanes {
    quick: Semaphore,
    slow: Semaphore,
    /// Some server offers something else than before.
    news: AtomicBool,
}

/// All routes.
pub struct Ways {
    routes: BTreeMap<String, Arc<Leading>>,
    lanes: Arc<Lanes>,
    dice: Arc<Dice>,
}

impl Ways {
    /// The routes of a configuration. What `before` knew of the same servers is taken over.
    pub fn new(config: &Config, before: Option<&Ways>) -> Result<Ways, BadRoute> {
        let lanes = || Lanes {
            quick: Semaphore::new(LANE),
            slow: Semaphore::new(LANE),
            news: AtomicBool::new(false),
        };
        let dice = before.map_or_else(|| Arc::new(Dice::new()), |before| Arc::clone(&before.dice));
        let mut outfitter = Outfitter::new(config);
        let mut routes = BTreeMap::new();
        for (name, route) in &config.route {
            let known = before.and_then(|before| before.routes.get(name));
            let login = outfitter.login(name, route)?;
            let leading = match known {
                Some(known) if known.is_still(route, login.as_ref(), &outfitter) => Arc::clone(known),
                known => {
                    let (called, old) = (Arc::from(name.as_str()), known.and_then(|known| known.hosts()));
                    let end = match route.upstream.maildir() {
                        Some(folder) => maildir(folder, outfitter.home()),
                        None => {
                            let known = |address: &str| {
                                let mut hosts = old.map(|old| old.all()).unwrap_or_default().iter();
                                let host = hosts.find(|host| host.server.address == address);
                                host.map_or_else(|| Known::nothing(ticks()), |host| host.known.anew(ticks()))
                            };
                            let hosts = outfitter.hosts(&called, route, login, known)?;
                            let valid = *route.offer_valid;
                            End::Servers(Arc::new(Hosts::new(
                                Arc::clone(&called),
                                hosts,
                                valid,
                                Arc::clone(&dice),
                            )))
                        }
                    };
                    Arc::new(Leading {
                        name: called,
                        said: route.clone(),
                        end,
                    })
                }
            };
            routes.insert(name.clone(), leading);
        }
        Ok(Ways {
            routes,
            lanes: before.map_or_else(|| Arc::new(lanes()), |before| Arc::clone(&before.lanes)),
            dice,
        })
    }

    /// Makes the Maildirs that were not there `before`, so that trouble with them is found at start and at reload. At start
    /// that with a customer's own is told, and no more: its mail is deferred, and that of all others is not.
    pub fn prepare(&self, before: Option<&Ways>, is_customers: impl Fn(&str) -> bool) -> Result<(), String> {
        for (name, leading) in &self.routes {
            let End::Maildir(folders, _) = &leading.end else {
                continue;
            };
            let known = before.and_then(|before| before.routes.get(name));
            if known.is_some_and(|known| Arc::ptr_eq(known, leading)) {
                continue;
            }
            match folders.prepare() {
                Ok(()) => {}
                Err(error) if before.is_none() && is_customers(name) => {
                    counter!("gatepost_alarms_total", "kind" => "maildir", "about" => name.clone()).increment(1);
                    tracing::error!(
                        route = name,
                        directory = %folders.pattern().display(),
                        %error,
                        "the Maildir cannot be made: its mail is deferred"
                    );
                }
                Err(error) => return Err(format!("route `{name}`: {}: {error}", folders.pattern().display())),
            }
        }
        Ok(())
    }

    /// What may be offered where these routes are taken. Of one: what it offers, or nothing before it was reached. Of
    /// several: what any of them offers, as far as they were reached ([`offers::either`]).
    pub fn offer<'a>(&self, own: &Offer, routes: impl IntoIterator<Item = &'a str>) -> Offer {
        let names: BTreeSet<&str> = routes.into_iter().collect();
        let theirs = names
            .into_iter()
            .filter_map(|name| self.routes.get(name)?.offer())
            .reduce(|all, one| Arc::new(offers::either(&all, &one)));
        own.intersect(&theirs.unwrap_or_default())
    }

    fn hosts(&self) -> impl Iterator<Item = &Arc<Hosts>> {
        self.routes.values().filter_map(|leading| leading.hosts())
    }

    /// Asks those of whose health `wanted` holds, each in its turn.
    fn asking(&self, wanted: impl Fn(&Health) -> bool) -> Vec<BoxFuture<'static, bool>> {
        self.asking_of(wanted, |_| true)
    }

    /// The same of the routes of which `those` holds.
    fn asking_of(
        &self,
        wanted: impl Fn(&Health) -> bool,
        those: impl Fn(&Hosts) -> bool,
    ) -> Vec<BoxFuture<'static, bool>> {
        let mut all: Vec<BoxFuture<'static, bool>> = Vec::new();
        for hosts in self.hosts().filter(|hosts| those(hosts)) {
            for claim in hosts.claim(&wanted) {
                let (hosts, lanes) = (Arc::clone(hosts), Arc::clone(&self.lanes));
                all.push(Box::pin(async move {
                    let lane = if claim.slow { &lanes.slow } else { &lanes.quick };
                    let _turn = lane.acquire().await;
                    let new = hosts.ask(claim).await;
                    if new {
                        lanes.news.store(true, Ordering::Release);
                    }
                    new
                }));
            }
        }
        all
    }

    /// Asks every mail server, of many those whose last answer is not fresh; says whether one offers something else than
    /// before.
    pub async fn ask_all(&self) -> bool {
        let now = ticks();
        let count: usize = self.hosts().map(|hosts| hosts.all().len()).sum();
        let wanted = |health: &Health| count <= FEW || health.is_stale(now, FRESH);
        let mut asking: JoinSet<bool> = self.asking(wanted).into_iter().collect();
        let mut new = false;
        while let Some(answer) = asking.join_next().await {
            new |= answer.unwrap_or(false);
        }
        new
    }

    /// Asks the mail servers of these routes that are not known to be down and were not asked lately, and waits a moment for
    /// all that are being asked. Who is down is asked again and again by itself ([`Ways::ask_due`]), every ten seconds or so.
    /// Who has not answered by then is told as that.
    pub async fn ask_now(&self, routes: &BTreeSet<&str>) {
        let now = ticks();
        let wanted = |health: &Health| health.wrong().is_none() && health.is_stale(now, LATELY);
        let those = |hosts: &Hosts| routes.contains(hosts.route());
        for question in self.asking_of(wanted, those) {
            tokio::spawn(question);
        }
        let all = async {
            for hosts in self.hosts().filter(|hosts| those(hosts)) {
                hosts.asked().await;
            }
        };
        let _ = tokio::time::timeout(MOMENT, all).await;
    }

    /// How each mail server of a route is; none of a folder, or of a route that is not there.
    pub fn told(&self, route: &str) -> Vec<HostRow> {
        let hosts = self.routes.get(route).and_then(|leading| leading.hosts());
        hosts.map(|hosts| hosts.told()).unwrap_or_default()
    }

    /// Begins to ask every mail server for which it is time, and waits for none. Whether one of those that were asked
    /// offered something else than before, since somebody asked that.
    pub fn ask_due(&self) -> bool {
        let now = ticks();
        for question in self.asking(|health| health.is_due(now)) {
            tokio::spawn(question);
        }
        self.lanes.news.swap(false, Ordering::AcqRel)
    }

    /// Ends the connections that wait for the next client, but those of servers that `after` has taken over, and lets none
    /// wait any more.
    pub async fn close(&self, after: Option<&Ways>) {
        let mut ending = JoinSet::new();
        for (name, leading) in &self.routes {
            let heir = after.and_then(|after| after.routes.get(name));
            let Some(hosts) = leading
                .hosts()
                .filter(|_| !heir.is_some_and(|heir| Arc::ptr_eq(heir, leading)))
            else {
                continue;
            };
            let heirs = heir
                .and_then(|heir| heir.hosts())
                .map(|heirs| heirs.all())
                .unwrap_or_default();
            for host in hosts.all() {
                if after.is_some() && !heirs.iter().any(|heir| heir.server.address == host.server.address) {
                    hosts.forget(host);
                }
                let idle = Arc::clone(&host.server.idle);
                ending.spawn(async move { idle.close().await });
            }
            if after.is_some() && heirs.is_empty() {
                hosts.forget_route();
            }
        }
        while ending.join_next().await.is_some() {}
    }

    /// The routes of whose mail servers none answers.
    pub fn down(&self) -> Vec<&str> {
        let down = self.routes.values().filter(|leading| !leading.is_up());
        down.map(|leading| &*leading.name).collect()
    }

    /// Whether mail can go anywhere: at least one route is up, or there is none.
    pub fn leads_somewhere(&self) -> bool {
        self.routes.is_empty() || self.routes.values().any(|leading| leading.is_up())
    }
}

fn maildir(folder: &Path, home: &str) -> End {
    let offer = Offer {
        size: Some(0),
        eight_bit_mime: true,
        smtputf8: true,
        ..Offer::default()
    };
    End::Maildir(Arc::new(Folders::new(folder.into(), home.into())), offer)
}

impl Upstreams for Ways {
    fn upstream(&self, route: &str) -> Option<Box<dyn Upstream>> {
        Some(match &self.routes.get(route)?.end {
            End::Servers(hosts) => Box::new(Way::new(Arc::clone(hosts))),
            End::Maildir(folders, _) => Box::new(Maildir::new(Arc::clone(folders))),
        })
    }

    fn is_up(&self, route: &str) -> bool {
        self.routes.get(route).is_some_and(|leading| leading.is_up())
    }

    fn wrong(&self, route: &str) -> Option<String> {
        self.routes.get(route)?.hosts()?.wrong()
    }

    fn is_away(&self, route: &str) -> bool {
        let hosts = self.routes.get(route).and_then(|leading| leading.hosts());
        hosts.is_some_and(|hosts| hosts.is_away())
    }
}

#[cfg(test)]
mod tests;
