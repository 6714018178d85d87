//! A queue on a real folder, with scripted mail servers, a clock that moves when told, and a list of what was told.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gatepost_core::message::Edits;
use gatepost_core::queue::{Caller, Queued};
use gatepost_core::smtp::command::{MailParams, RcptParams};
use gatepost_core::{
    Client, Clock, Direction, Message, NotTaken, Path, Queue, Seed, Time, Upstream, Upstreams, Visit, Waiting,
    WaitingMail, WaitingOrder,
};
use gatepost_queue::spool::{OpenError, Quota, Steps};
use gatepost_queue::{DomainTerms, Event, Follower, MailQueue, Means, Roads, Settings, Spool, What};
use gatepost_testkit::{Delivered, FakeClock, MemoryKept, ScriptedUpstreams};
use tempfile::TempDir;

/// The route to the world.
pub const WORLD: &str = "world";
pub const HOUR: Duration = Duration::from_hours(1);
pub const DAY: Duration = Duration::from_hours(24);

/// A clock that goes wherever it is told to.
#[derive(Default)]
pub struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now(&self) -> Time {
        Time::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl TestClock {
    pub fn set(&self, time: Time) {
        self.0.store(time.millis(), Ordering::Relaxed);
    }

    pub fn pass(&self, by: Duration) {
        self.set(self.now() + by);
    }
}

/// A mail server, and whether it is believed to answer.
#[derive(Clone, Default)]
pub struct Server {
    pub script: ScriptedUpstreams,
    up: Arc<AtomicBool>,
}

impl Server {
    /// Cannot be reached, and everybody knows; or can again.
    pub fn away(&self, away: bool) {
        self.script.down(away);
        self.up.store(!away, Ordering::Relaxed);
    }

    /// The subjects of what it took, in order.
    pub fn subjects(&self) -> Vec<String> {
        self.script.delivered().iter().map(subject).collect()
    }
}

pub fn subject(delivered: &Delivered) -> String {
    let text = String::from_utf8_lossy(&delivered.bytes);
    let line = text.split("\r\n").find_map(|line| line.strip_prefix("Subject: "));
    line.unwrap_or_default().to_owned()
}

/// Where mail goes.
#[derive(Default)]
pub struct Map {
    servers: Mutex<BTreeMap<String, Server>>,
    /// By domain or address.
    routes: Mutex<BTreeMap<String, String>>,
    pub terms: Mutex<BTreeMap<String, DomainTerms>>,
    pub no_notices: AtomicBool,
    /// A way that panics.
    pub panics: AtomicBool,
}

fn lock<T>(cell: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Map {
    pub fn server(&self, route: &str) -> Server {
        lock(&self.servers)
            .entry(route.into())
            .or_insert_with(|| {
                let server = Server::default();
                server.away(false);
                server
            })
            .clone()
    }

    pub fn route(&self, of: &str, to: &str) {
        self.server(to);
        lock(&self.routes).insert(of.into(), to.into());
    }
}

impl Upstreams for Map {
    fn upstream(&self, route: &str) -> Option<Box<dyn Upstream>> {
        assert!(!self.panics.load(Ordering::Relaxed), "as the test wants it");
        lock(&self.servers).get(route)?.script.upstream(route)
    }

    fn is_up(&self, route: &str) -> bool {
        lock(&self.servers)
            .get(route)
            .is_some_and(|server| server.up.load(Ordering::Relaxed))
    }
}

impl Roads for Map {
    fn route(&self, _: &Caller, to: &Path) -> Option<Arc<str>> {
        let to = to.mailbox()?;
        let routes = lock(&self.routes);
        let route = routes.get(&to.key()).or_else(|| routes.get(&to.domain().key()))?;
        Some(route.as_str().into())
    }

    fn terms(&self, domain: &str) -> DomainTerms {
        lock(&self.terms).get(domain).copied().unwrap_or(DomainTerms {
            hold: Some(5 * DAY),
            quota: Quota::NONE,
        })
    }

    fn upstreams(&self) -> &dyn Upstreams {
        self
    }

    fn notices(&self) -> Option<Arc<str>> {
        (!self.no_notices.load(Ordering::Relaxed)).then(|| WORLD.into())
    }

    fn home(&self, to: &Path) -> Option<Arc<str>> {
        let home = to.mailbox()?.domain().key() == "home.example";
        home.then(|| "home".into())
    }

    fn hostname(&self) -> &str {
        "mx.example.org"
    }
}

/// Remembers what was told.
#[derive(Default)]
pub struct Heard(Mutex<Vec<Event>>);

impl Follower for Heard {
    fn told(&self, event: &Event) {
        lock(&self.0).push(event.clone());
    }
}

impl Heard {
    pub fn all(&self) -> Vec<Event> {
        lock(&self.0).clone()
    }

    pub fn count(&self, what: What) -> usize {
        self.all().iter().filter(|event| event.what == what).count()
    }
}

pub struct House {
    pub folder: TempDir,
    pub clock: Arc<TestClock>,
    pub kept: Arc<MemoryKept>,
    pub map: Arc<Map>,
    pub heard: Arc<Heard>,
    pub settings: Settings,
    pub queue: MailQueue,
}

/// A mail of one sender.
pub struct Mail {
    pub subject: String,
    pub from: &'static str,
    pub to: Vec<(&'static str, RcptParams)>,
    pub params: MailParams,
    pub proven: bool,
    pub head: &'static str,
}

pub fn mail(subject: impl Into<String>, to: &[&'static str]) -> Mail {
    Mail {
        subject: subject.into(),
        from: "bob@sender.example",
        to: to.iter().map(|to| (*to, RcptParams::default())).collect(),
        params: MailParams::default(),
        proven: false,
        head: "",
    }
}

impl Mail {
    pub fn proven(self) -> Mail {
        Mail { proven: true, ..self }
    }

    pub fn queued(&self, now: Time) -> Queued {
        let text = format!("Subject: {}\r\n{}\r\nthe text\r\n", self.subject, self.head);
        let client = Client::new("192.0.2.9".parse().expect("an address"), 4321);
        let caller = Caller::of(&Visit::new(Direction::Inbound, "mx".into(), client));
        let to = self.to.iter().map(|(to, params)| {
            let to = Path::forward(to, true).expect("an address");
            (to, params.clone())
        });
        Queued::new(
            format!("t-{}", self.subject),
            now,
            "route".into(),
            caller,
            Path::reverse(self.from, true).expect("an address"),
            self.params.clone(),
            to.collect(),
            Arc::new(Edits::new().apply(&Message::from_bytes(text))),
        )
        .proven(self.proven)
    }
}

impl House {
    /// A queue whose domain `acme.example` has its server on the route `acme`, and `other.example` on `other`.
    pub fn new() -> House {
        let settings = Settings::default();
        let house = House::with(settings, None);
        house.map.route("acme.example", "acme");
        house.map.route("other.example", "other");
        house.map.server(WORLD);
        house
    }

    pub fn with(settings: Settings, steps: Option<Steps>) -> House {
        let folder = tempfile::tempdir().expect("a folder");
        let (clock, kept, map, heard) = (
            Arc::<TestClock>::default(),
            MemoryKept::new(),
            Arc::<Map>::default(),
            Arc::<Heard>::default(),
        );
        clock.set(FakeClock::START);
        let means = means(&kept, &clock, &heard);
        let queue = open(&folder, &settings, &map, means, steps).expect("a queue");
        House {
            folder,
            clock,
            kept,
            map,
            heard,
            settings,
            queue,
        }
    }

    /// The process ends and begins again.
    pub async fn restart(&mut self) {
        let _ = self.queue.close().await;
        self.reopen(None);
    }

    /// The same after a crash: nobody closes anything.
    pub fn reopen(&mut self, steps: Option<Steps>) {
        self.try_reopen(steps).expect("a queue");
    }

    pub fn try_reopen(&mut self, steps: Option<Steps>) -> Result<(), OpenError> {
        let means = means(&self.kept, &self.clock, &self.heard);
        self.queue = open(&self.folder, &self.settings, &self.map, means, steps)?;
        Ok(())
    }

    pub async fn accept(&self, mail: Mail) {
        self.try_accept(&mail).await.expect("there is room");
    }

    pub async fn try_accept(&self, mail: &Mail) -> Result<(), NotTaken> {
        self.queue.accept(vec![mail.queued(self.clock.now())]).await
    }

    /// All that is due now.
    pub async fn settle(&self) {
        self.queue.look().await;
        while self.queue.step().await {}
    }

    /// Time passes, minute by minute.
    pub async fn pass(&self, by: Duration) {
        let end = self.clock.now() + by;
        while self.clock.now() < end {
            let step = Duration::from_mins(1).min(end.since(self.clock.now()));
            self.clock.pass(step);
            self.settle().await;
        }
    }

    pub async fn mails(&self) -> Vec<WaitingMail> {
        self.queue.list(&Waiting::default()).await.expect("a list")
    }

    pub async fn order(&self, order: WaitingOrder) -> u64 {
        self.queue.order(&Waiting::default(), order).await.expect("done")
    }

    /// The archive: whose copies, and why.
    pub async fn archived(&self) -> Vec<(String, Vec<String>)> {
        use gatepost_core::Kept;
        let all = self.kept.list(&gatepost_core::Query::default()).await.expect("a list");
        all.into_iter().map(|mail| (mail.reason, mail.recipients)).collect()
    }
}

fn means(kept: &Arc<MemoryKept>, clock: &Arc<TestClock>, heard: &Arc<Heard>) -> Means {
    Means {
        kept: kept.clone(),
        clock: clock.clone(),
        seed: Seed::new([7; 16]),
        follower: heard.clone(),
    }
}

fn open(
    folder: &TempDir,
    settings: &Settings,
    map: &Arc<Map>,
    means: Means,
    steps: Option<Steps>,
) -> Result<MailQueue, OpenError> {
    let folder = folder.path().join("queue");
    let (spool, found) = Spool::open_with(&folder, settings.spool.clone(), steps)?;
    Ok(MailQueue::on(spool, found.lines, settings.clone(), map.clone(), means))
}
