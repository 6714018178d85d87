//! The hosts of one route: which one is tried, how each is, and what they offer together.
//!
//! [`health`] and [`choice`] decide, and are pure; here is what they decide about. **Invariants:** a host that keeps its
//! clients waiting is not asked by the next client, only by a probe; a host that is ourselves is an alarm, not an outage.
//! **Absent on purpose:** mail ([`crate::upstream`] has it), and when probes are sent ([`crate::ways`] knows).

pub mod choice;
pub mod dial;
pub mod dice;
pub mod health;
pub mod offers;
pub mod seats;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use gatepost_core::smtp::Offer;
use gatepost_core::smtp::relay::{Client, Loss, What, Whose};
use gatepost_core::{HostRow, Time};
use metrics::{counter, gauge};
use tokio::sync::watch;

use crate::clock::ticks;
use crate::line::Line;
use crate::server::{Failure, Server};
use choice::Standing;
use dice::Dice;
use health::{Health, Trouble, graver};
use seats::Seat;

/// How long one probe may take in all. A server that greets its own people later than that is not fit to be a proxy's.
const PROBE: Duration = Duration::from_secs(30);

/// What is wrong with a host, in words for an operator.
fn why(trouble: Trouble, loss: &Loss) -> String {
    match (trouble, &loss.what) {
        (Trouble::Loop, _) => "it is this Gatepost itself, and mail would run in circles".into(),
        (Trouble::Login, _) => loss.said().map_or("it does not take our login".into(), |said| {
            format!("it does not take our login: {said}")
        }),
        (_, What::Refused(said)) => format!("it says {said}"),
        (_, What::Unreachable) => "it cannot be reached".into(),
        (_, What::Silent) => "it does not answer".into(),
        (_, What::Gone) => "it hangs up".into(),
        (_, What::Missing(what)) => format!("it does not offer {what}"),
        _ => loss.reply().to_string(),
    }
}

/// Whether somebody is asking a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Asking {
    Nobody,
    /// Somebody will in their turn.
    InTurn,
    /// Its answer is waited for.
    Asked,
}

/// What is known of a host. It outlives a reload.
pub struct Known {
    health: Mutex<Health>,
    offer: ArcSwapOption<Offer>,
    asking: watch::Sender<Asking>,
}

impl Known {
    /// Nothing.
    pub fn nothing(now: Time) -> Known {
        Known {
            health: Mutex::new(Health::new(now)),
            offer: ArcSwapOption::empty(),
            asking: watch::Sender::new(Asking::Nobody),
        }
    }

    /// The same of a host to which something else is said from now on: what it offers is likely the same, how it is must
    /// be asked.
    pub fn anew(&self, now: Time) -> Known {
        let anew = Known::nothing(now);
        anew.offer.store(self.offer.load_full());
        if self.health().is_up() {
            *anew.health() = self.health().rechecked(now);
        }
        anew
    }

    /// Whether nobody is asking it; whoever is told so asks.
    fn begins_to_be_asked(&self) -> bool {
        self.asking.send_if_modified(|asking| {
            let is_free = *asking == Asking::Nobody;
            if is_free {
                *asking = Asking::InTurn;
            }
            is_free
        })
    }

    /// Comes back when nobody is asking it any more.
    async fn asked(&self) {
        // It fails where the sender is gone, which is ours.
        let _ = self
            .asking
            .subscribe()
            .wait_for(|asking| *asking == Asking::Nobody)
            .await;
    }

    fn health(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A host that somebody is about to ask, and nobody else asks until this is dropped.
pub struct Claim {
    known: Arc<Known>,
    at: usize,
    /// Its failures take time.
    pub slow: bool,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.known.asking.send_replace(Asking::Nobody);
    }
}

/// One host.
pub struct Host {
    /// How it is spoken to.
    pub server: Arc<Server>,
    /// Lower comes first.
    pub priority: u16,
    /// Its share among equals.
    pub weight: u16,
    /// What is known of it.
    pub known: Arc<Known>,
}

/// The hosts of one route.
pub struct Hosts {
    route: Arc<str>,
    hosts: Vec<Host>,
    /// How long an answer to EHLO holds.
    valid: Duration,
    dice: Arc<Dice>,
}

impl Hosts {
    /// These.
    pub fn new(route: Arc<str>, hosts: Vec<Host>, valid: Duration, dice: Arc<Dice>) -> Hosts {
        Hosts {
            route,
            hosts,
            valid,
            dice,
        }
    }

    /// The name of their route.
    pub fn route(&self) -> &str {
        &self.route
    }

    /// All, in the order in which they are written.
    pub fn all(&self) -> &[Host] {
        &self.hosts
    }

    /// How one is spoken to.
    pub fn server(&self, at: usize) -> Option<&Arc<Server>> {
        self.hosts.get(at).map(|host| &host.server)
    }

    /// Which one is tried next, those in `but` passed over.
    pub fn next(&self, but: &[usize]) -> Option<usize> {
        let left: Vec<usize> = (0..self.hosts.len()).filter(|at| !but.contains(at)).collect();
        let standings = left.iter().filter_map(|at| self.hosts.get(*at)).map(|host| Standing {
            priority: host.priority,
            weight: host.weight,
            takes: host.known.health().takes(),
        });
        let standings: Vec<_> = standings.collect();
        let first = *choice::order(&standings, || self.dice.roll()).first()?;
        left.get(first).copied()
    }

    /// What is said where nobody is asked.
    pub fn loss(&self) -> Loss {
        let known = self.hosts.iter().map(|host| host.known.health().loss().cloned());
        known
            .fold(None, graver)
            .unwrap_or(Loss::new(Whose::Upstream, What::Unreachable))
    }

    /// Comes back when nobody is asking any of them, those apart that are down.
    pub async fn asked(&self) {
        for host in &self.hosts {
            let is_down = host.known.health().wrong().is_some();
            if !is_down {
                host.known.asked().await;
            }
        }
    }

    /// How each is, in the order in which they are written; not known of one that is being asked, unless it is down.
    pub fn told(&self) -> Vec<HostRow> {
        let now = ticks();
        let row = |host: &Host| {
            let health = host.known.health();
            let mut row = HostRow::default();
            row.host.clone_from(&host.server.address);
            row.why = health.wrong().map(|(trouble, loss)| why(trouble, loss));
            // Of one that is being asked the last answer may be hours old.
            let asking = *host.known.asking.borrow();
            if row.why.is_none() && asking != Asking::Nobody {
                row.why = (asking == Asking::Asked).then(|| HostRow::NO_ANSWER.into());
                return row;
            }
            row.up = health.is_known().then(|| health.is_up());
            row.since = health.is_known().then(|| health.lasts(now).as_secs());
            row
        };
        self.hosts.iter().map(row).collect()
    }

    /// What is wrong, where none of them is there: of one that is ourselves rather that, since nobody else can mend it.
    pub fn wrong(&self) -> Option<String> {
        let told = self.hosts.iter().map(|host| {
            let health = host.known.health();
            let (trouble, loss) = health.wrong()?;
            let words = format!("{}: {}", host.server.address, why(trouble, loss));
            Some((trouble == Trouble::Loop, words))
        });
        let told: Option<Vec<(bool, String)>> = told.collect();
        let told = told?;
        let first = told.iter().find(|(is_loop, _)| *is_loop).or_else(|| told.first());
        first.map(|(_, words)| words.clone())
    }

    /// Whether one of them answered the last time.
    pub fn is_up(&self) -> bool {
        self.hosts.iter().any(|host| host.known.health().is_up())
    }

    /// Whether each of them failed when it was asked last. One that was not asked yet may well be there.
    pub fn is_away(&self) -> bool {
        self.hosts.iter().all(|host| host.known.health().loss().is_some())
    }

    /// What a client may be offered, whichever of them takes its mail; nothing where none was ever reached.
    pub fn offer(&self) -> Option<Arc<Offer>> {
        let mut known = self.hosts.iter().filter_map(|host| host.known.offer.load_full());
        let first = known.next()?;
        Some(known.fold(first, |all, one| Arc::new(offers::both(&all, &one))))
    }

    /// What one offered when it was asked last.
    pub fn offered(&self, at: usize) -> Option<Arc<Offer>> {
        self.hosts.get(at)?.known.offer.load_full()
    }

    /// Opens a connection to one, and remembers how that went.
    pub async fn open(
        &self,
        at: usize,
        client: Client,
        destination: Option<SocketAddr>,
        seat: Seat,
    ) -> Result<Line, Loss> {
        let Some(host) = self.hosts.get(at) else {
            return Err(Loss::new(Whose::Us, What::OutOfPlace));
        };
        let began = ticks();
        match host.server.open(client, destination, seat).await {
            Ok(line) => Ok(line),
            Err(Failure { loss, login: true, .. }) => {
                self.down(host, Trouble::Login, &loss, false);
                Err(loss)
            }
            Err(Failure { loss, introduced, .. }) => {
                self.left(at, &loss, ticks().since(began), introduced);
                Err(loss)
            }
        }
    }

    /// One served a client's mail, or refused it in order.
    pub fn served(&self, at: usize) {
        let Some(host) = self.hosts.get(at) else { return };
        let news = host.known.health().served(ticks());
        if news {
            self.tell(host, None);
        }
    }

    /// One left a client's mail alone before anything of it was said, after so long.
    pub fn left(&self, at: usize, loss: &Loss, took: Duration, introduced: bool) {
        let Some(host) = self.hosts.get(at) else { return };
        match loss.whose {
            Whose::Client => {}
            Whose::Us if loss.what != What::Loop => {}
            _ if introduced && loss.what != What::Loop => host.known.health().doubted(ticks()),
            _ => self.down(host, Trouble::of(loss, took), loss, false),
        }
    }

    /// One was lost within a mail, perhaps by that mail: a probe is to find out.
    pub fn doubted(&self, at: usize) {
        if let Some(host) = self.hosts.get(at) {
            host.known.health().doubted(ticks());
        }
    }

    fn down(&self, host: &Host, trouble: Trouble, loss: &Loss, probed: bool) {
        let (now, chance) = (ticks(), self.dice.roll());
        let news = match probed {
            true => host.known.health().unanswered(now, trouble, loss.clone(), chance),
            false => host.known.health().failed(now, trouble, loss.clone(), chance),
        };
        if matches!(trouble, Trouble::Loop | Trouble::Login) && (news || probed) {
            let kind = if trouble == Trouble::Loop { "loop" } else { "login" };
            counter!("gatepost_alarms_total", "kind" => kind, "about" => host.server.address.clone()).increment(1);
        }
        if news {
            self.tell(host, Some((trouble, loss)));
        }
    }

    /// Tells log and metrics that a host is up, or what is wrong.
    fn tell(&self, host: &Host, wrong: Option<(Trouble, &Loss)>) {
        let (route, upstream) = (&*self.route, &host.server.address);
        let level = |up| if up { 1.0 } else { 0.0 };
        gauge!("gatepost_upstream_host_up", "route" => route.to_owned(), "host" => upstream.clone())
            .set(level(wrong.is_none()));
        gauge!("gatepost_upstream_up", "route" => route.to_owned()).set(level(self.is_up()));
        let Some((trouble, loss)) = wrong else {
            return tracing::info!(route, upstream, "the mail server answers");
        };
        let (why, said) = (loss.reply().to_string(), loss.said().map(ToString::to_string));
        let others = self.hosts.len() > 1 && self.is_up();
        match trouble {
            Trouble::Loop => tracing::error!(
                route,
                upstream,
                "the mail server is this Gatepost itself, mail would run in circles: name the server behind it in `upstream`"
            ),
            Trouble::Login => tracing::error!(
                route,
                upstream,
                said,
                "the mail server does not take our login: nothing goes there for five minutes"
            ),
            _ if others => tracing::warn!(
                route,
                upstream,
                why,
                said,
                "the mail server is down: others of its route take the mail"
            ),
            _ => tracing::error!(
                route,
                upstream,
                why,
                said,
                "the mail server does not answer: mail is deferred"
            ),
        }
    }

    /// Those that should be asked, by what is known of their health, and that nobody is asking.
    pub fn claim(&self, wanted: impl Fn(&Health) -> bool) -> Vec<Claim> {
        let mut claims = Vec::new();
        for (at, host) in self.hosts.iter().enumerate() {
            let (wanted, slow) = {
                let health = host.known.health();
                (wanted(&health), health.is_slow())
            };
            if wanted && host.known.begins_to_be_asked() {
                let known = Arc::clone(&host.known);
                claims.push(Claim { known, at, slow });
            }
        }
        claims
    }

    /// Asks one what it offers. Says whether that is something else than before.
    pub async fn ask(&self, claim: Claim) -> bool {
        let Some(host) = self.hosts.get(claim.at) else {
            return false;
        };
        claim.known.asking.send_replace(Asking::Asked);
        let down = host.known.health().loss().is_some();
        let began = ticks();
        let asked = tokio::time::timeout(PROBE, host.server.probe(down)).await;
        match asked.unwrap_or(Err(Loss::new(Whose::Upstream, What::Silent))) {
            Ok(offer) => self.learn(claim.at, offer),
            Err(loss) => {
                let trouble = Trouble::of(&loss, ticks().since(began));
                self.down(host, trouble, &loss, true);
                false
            }
        }
    }

    /// One answered and offers this. Says whether that is something else than before.
    pub fn learn(&self, at: usize, offer: Offer) -> bool {
        let Some(host) = self.hosts.get(at) else { return false };
        let news = host.known.health().answered(ticks(), self.valid, self.dice.roll());
        if news {
            self.tell(host, None);
        }
        let new = host.known.offer.load().as_deref() != Some(&offer);
        host.known.offer.store(Some(Arc::new(offer)));
        new
    }

    /// Takes a host that is configured no longer out of the metrics: what is not there is neither up nor down.
    pub fn forget(&self, host: &Host) {
        let address = host.server.address.clone();
        gauge!("gatepost_upstream_host_up", "route" => self.route.to_string(), "host" => address).set(f64::NAN);
    }

    /// The same of the route.
    pub fn forget_route(&self) {
        gauge!("gatepost_upstream_up", "route" => self.route.to_string()).set(f64::NAN);
    }
}
