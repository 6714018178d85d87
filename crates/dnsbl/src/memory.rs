//! What is remembered of lists: how each was when it was last checked, and how long sessions have waited, for whom.
//!
//! Nothing but first-seen values with a time to go, and counters: two checks at once write the same, or the first holds. A
//! store that fails means that lists are checked more often, and nothing else.
//!
//! The store is not asked what is known here: how a list was a moment ago, and that a session has not waited. A session is
//! nobody's but its own process's; what another node has found out about a list is seen [`FRESH`] later.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gatepost_core::prelude::*;
use gatepost_core::{Alarms, Seed, Store};

use crate::health::{Health, Part};
use crate::list::List;

/// For so long a list is known to be well.
const WELL: Duration = Duration::from_mins(10);
/// For so long a list that is not is out, until it is checked again.
const OUT: Duration = Duration::from_mins(1);
/// A list that was silent again and again is out for up to so long: each check is a mail that waits.
const OUT_MAX: Duration = Duration::from_mins(10);
/// For so long it counts how often a list was silent.
const SILENT: Duration = Duration::from_hours(1);
/// So many answers that did not come in time within [`OUT`] put a list out.
const LATE_MAX: i64 = 3;
/// For so long a session that has waited for all lists to no avail asks none, and those that were late are not asked.
const WAITED: Duration = Duration::from_mins(1);
/// For so long it counts how long a session has waited.
const SESSION: Duration = Duration::from_mins(10);
/// For so long the store is not asked again how a list is.
const FRESH: Duration = Duration::from_secs(1);

/// Until when, in milliseconds, the store may know that a session waited, by a part of the session's hash: for the whole
/// process, since a domain with options of its own has a filter of its own. Sessions that share a place cost a look.
static WAITS: [AtomicU64; 1024] = [const { AtomicU64::new(0) }; 1024];

/// How parts of lists were when the store was last asked; as many as there are.
#[derive(Default)]
struct Heard {
    of: HashMap<u64, (Health, Time)>,
    /// How often something else was found out here, which a look that began before does not know.
    news: u64,
}

/// What is remembered, and who is told.
pub struct Memory {
    store: Store,
    alarms: Arc<dyn Alarms>,
    seed: Seed,
    heard: Mutex<Heard>,
}

impl Memory {
    /// Over the filter's own part of the store.
    pub fn new(services: &Services) -> Memory {
        Memory {
            store: services.store.clone(),
            alarms: Arc::clone(&services.alarms),
            seed: services.seed,
            heard: Mutex::default(),
        }
    }

    /// The number of a part of a list. A list that moves, gets a key or another check is another one.
    fn number(&self, list: &List, part: Part) -> u64 {
        let entries = [&list.test_entry, &list.clean_entry].map(|entry| entry.as_deref().unwrap_or_default());
        let check = [list.check as u8];
        self.seed.hash(&[
            b"dnsbl.list",
            list.zone.asked().as_bytes(),
            part.name().as_bytes(),
            entries[0].as_bytes(),
            entries[1].as_bytes(),
            &check,
        ])
    }

    fn key(&self, what: &[u8], list: &List, part: Part) -> Vec<u8> {
        [what, &self.number(list, part).to_le_bytes()].concat()
    }

    /// A number of this moment and client, for a name that nobody has asked for before.
    pub fn token(&self, list: &List, part: Part, cx: &Context<'_>) -> u64 {
        let (session, now) = (self.session(cx).to_le_bytes(), cx.now().millis().to_le_bytes());
        self.seed
            .hash(&[b"dnsbl.fresh", &self.key(b"", list, part), &session, &now])
    }

    fn session(&self, cx: &Context<'_>) -> u64 {
        let client = cx.client();
        let (address, port) = (client.address.to_string(), client.port.to_le_bytes());
        self.seed.hash(&[b"dnsbl.session", address.as_bytes(), &port])
    }

    /// Whether the store may know that a session waited.
    fn may_have_waited(session: u64, now: Time) -> bool {
        let place = WAITS.get(session as usize % WAITS.len());
        place.is_none_or(|until| now.millis() < until.load(Ordering::Acquire))
    }

    /// Notes that it will.
    fn will_have_waited(session: u64, now: Time) {
        if let Some(until) = WAITS.get(session as usize % WAITS.len()) {
            until.fetch_max((now + SESSION).millis(), Ordering::AcqRel);
        }
    }

    async fn is_marked(&self, what: &[u8], session: u64, now: Time) -> bool {
        if !Memory::may_have_waited(session, now) {
            return false;
        }
        let key = [what, &session.to_le_bytes()].concat();
        matches!(self.store.get(&key, now).await, Ok(Some(mark)) if *mark == *b"waited")
    }

    async fn mark(&self, what: &[u8], session: u64, now: Time) {
        Memory::will_have_waited(session, now);
        let (key, until) = ([what, &session.to_le_bytes()].concat(), Some(now + WAITED));
        let _ = self.store.swap(&key, None, Some(b"waited"), until, now).await;
    }

    /// How long a session has waited so far.
    pub async fn spent(&self, cx: &Context<'_>) -> Duration {
        let session = self.session(cx);
        if !Memory::may_have_waited(session, cx.now()) {
            return Duration::ZERO;
        }
        let key = [&b"spent\0"[..], &session.to_le_bytes()].concat();
        let stored = self.store.get(&key, cx.now()).await;
        let millis = stored.ok().flatten().and_then(|it| <[u8; 8]>::try_from(&*it).ok());
        let millis = millis.map_or(0, i64::from_be_bytes);
        Duration::from_millis(u64::try_from(millis).unwrap_or_default())
    }

    /// Adds what it waited in one round.
    pub async fn spend(&self, cx: &Context<'_>, time: Duration) {
        let session = self.session(cx);
        Memory::will_have_waited(session, cx.now());
        let millis = i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        let (key, until) = ([&b"spent\0"[..], &session.to_le_bytes()].concat(), cx.now() + SESSION);
        let _ = self.store.add(&key, millis, until, cx.now()).await;
    }

    /// Whether a session has waited for all lists in vain.
    pub async fn has_waited(&self, cx: &Context<'_>) -> bool {
        self.is_marked(b"session\0", self.session(cx), cx.now()).await
    }

    /// Notes that it has.
    pub async fn waited(&self, cx: &Context<'_>) {
        self.mark(b"session\0", self.session(cx), cx.now()).await;
    }

    /// Whether a session has waited for a list in vain.
    pub async fn has_waited_for(&self, list: &List, part: Part, cx: &Context<'_>) -> bool {
        let what = self.key(b"waited\0", list, part);
        self.is_marked(&what, self.session(cx), cx.now()).await
    }

    /// Notes that it has.
    pub async fn waited_for(&self, list: &List, part: Part, cx: &Context<'_>) {
        let what = self.key(b"waited\0", list, part);
        self.mark(&what, self.session(cx), cx.now()).await;
    }

    async fn stored(&self, key: &[u8], now: Time) -> Option<Health> {
        let stored = self.store.get(key, now).await.ok()??;
        Health::read(&stored)
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was heard of a part of a list no longer counts.
    fn is_news(&self, list: &List, part: Part) {
        let number = self.number(list, part);
        let mut heard = self.heard();
        heard.of.remove(&number);
        heard.news = heard.news.wrapping_add(1);
    }

    /// How a part of a list is, as far as is known.
    pub async fn health(&self, list: &List, part: Part, now: Time) -> Option<Health> {
        let number = self.number(list, part);
        let news = {
            let heard = self.heard();
            match heard.of.get(&number) {
                Some((health, at)) if *at <= now && now < *at + FRESH => return Some(*health),
                _ => heard.news,
            }
        };
        let health = match self.stored(&self.key(b"out\0", list, part), now).await {
            Some(out) => Some(out),
            None => self.stored(&self.key(b"health\0", list, part), now).await,
        };
        let mut heard = self.heard();
        match health {
            Some(health) if heard.news == news => drop(heard.of.insert(number, (health, now))),
            _ => drop(heard.of.remove(&number)),
        }
        health
    }

    /// Notes what a check has shown.
    pub async fn checked(&self, list: &List, part: Part, health: Health, now: Time) {
        let known_for = match health {
            Health::Well => WELL,
            Health::Silent => self.silent_for(list, part, now).await,
            _ => OUT,
        };
        let key = self.key(b"health\0", list, part);
        let until = Some(now + known_for);
        let _ = self.store.swap(&key, None, Some(&health.write()), until, now).await;
        self.is_news(list, part);
        self.tell(list, part, health);
    }

    /// For how long a list is out that a check has found silent: twice as long as the last time.
    async fn silent_for(&self, list: &List, part: Part, now: Time) -> Duration {
        let key = self.key(b"silent\0", list, part);
        let times = self.store.add(&key, 1, now + SILENT, now).await.unwrap_or(1);
        let doubled = u32::try_from(times).unwrap_or(1).saturating_sub(1).min(8);
        (OUT * 2_u32.pow(doubled)).min(OUT_MAX)
    }

    /// Notes that an ordinary answer has shown that a list is of no use.
    pub async fn condemned(&self, list: &List, part: Part, health: Health, now: Time) {
        let key = self.key(b"out\0", list, part);
        let until = Some(now + OUT);
        let _ = self.store.swap(&key, None, Some(&health.write()), until, now).await;
        self.is_news(list, part);
        self.tell(list, part, health);
    }

    /// Notes that a list did not answer in time; so often, and it is out.
    pub async fn late(&self, list: &List, part: Part, now: Time) {
        let key = self.key(b"late\0", list, part);
        let total = self.store.add(&key, 1, now + OUT, now).await;
        if total.is_ok_and(|total| total >= LATE_MAX) {
            self.condemned(list, part, Health::Silent, now).await;
        }
    }

    fn tell(&self, list: &List, part: Part, health: Health) {
        let about = match part {
            Part::V4 | Part::Domains => list.name.to_string(),
            Part::V6 => format!("{} (IPv6)", list.name),
        };
        let raised = health.alarm();
        if let Some(kind) = raised {
            let hint = match health {
                Health::Refuses(_) => "ask it through a resolver of your own, or with a key",
                Health::Empty | Health::Everything => {
                    "it may be gone: see whether it still exists, and disable it if not"
                }
                Health::Silent | Health::Well => "it is asked again after a minute, and after ten at most",
            };
            let why = format!(
                "DNS list {} {health}: it is out until it is well; {hint}",
                list.zone.shown()
            );
            self.alarms.raise(kind, &about, &why);
        }
        if health == Health::Well {
            for kind in Health::ALARMS {
                self.alarms.over(kind, &about);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gatepost_core::{Client, Memo, Visit};
    use gatepost_testkit::Fakes;

    use super::*;
    use crate::list;
    use crate::options::Config;

    const NOW: Time = Time::from_secs(1_000_000);

    #[tokio::test]
    async fn what_another_node_finds_out_about_a_list_is_seen_a_second_later_and_ones_own_at_once() {
        let fakes = Fakes::new();
        let (one, other) = (Memory::new(&fakes.services()), Memory::new(&fakes.services()));
        let lists = list::all(&Config::default()).unwrap();
        let (list, part) = (&lists[0], Part::V4);
        assert_eq!(one.health(list, part, NOW).await, None);
        one.checked(list, part, Health::Well, NOW).await;
        for memory in [&one, &other] {
            assert_eq!(memory.health(list, part, NOW).await, Some(Health::Well));
        }
        other.condemned(list, part, Health::Everything, NOW).await;
        assert_eq!(other.health(list, part, NOW).await, Some(Health::Everything));
        assert_eq!(one.health(list, part, NOW).await, Some(Health::Well));
        let then = NOW + FRESH;
        assert_eq!(one.health(list, part, then).await, Some(Health::Everything));
        // A clock that was set back shows nothing of what was heard later.
        assert_eq!(one.health(list, part, NOW).await, Some(Health::Everything));
        let over = NOW + OUT;
        assert_eq!(one.health(list, part, over).await, Some(Health::Well));
        assert_eq!(one.health(list, part, NOW + WELL).await, None);
    }

    #[tokio::test]
    async fn how_long_a_session_has_waited_is_known_to_its_process() {
        let fakes = Fakes::new();
        let memory = Memory::new(&fakes.services());
        // That of a domain with options of its own.
        let another = Memory::new(&fakes.services());
        let lists = list::all(&Config::default()).unwrap();
        let client = |port| Client::new([192, 0, 2, 7].into(), port);
        let visit = |port| Visit::new(gatepost_core::Direction::Inbound, "mx".into(), client(port));
        let (waiting, other) = (visit(1), visit(2));
        let memo = Memo::new(fakes.services().identify);
        let at = |visit, now| Context::new(now, visit, &memo);
        let cx = at(&waiting, NOW);
        assert_eq!(memory.spent(&cx).await, Duration::ZERO);
        memory.spend(&cx, Duration::from_millis(250)).await;
        memory.spend(&cx, Duration::from_millis(50)).await;
        memory.waited_for(&lists[0], Part::V4, &cx).await;
        assert_eq!(memory.spent(&cx).await, Duration::from_millis(300));
        assert!(memory.has_waited_for(&lists[0], Part::V4, &cx).await);
        assert!(!memory.has_waited(&cx).await);
        assert_eq!(memory.spent(&at(&other, NOW)).await, Duration::ZERO);
        memory.waited(&cx).await;
        assert!(memory.has_waited(&cx).await && another.has_waited(&cx).await);
        assert_eq!(another.spent(&cx).await, Duration::from_millis(300));
        let later = at(&waiting, NOW + WAITED);
        assert!(!memory.has_waited(&later).await);
        assert_eq!(memory.spent(&at(&waiting, NOW + SESSION)).await, Duration::ZERO);
    }
}
