//! `gatepost run`: from start to drain.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gatepost_admin::{Metrics, Readiness};
use gatepost_core::{Clock, Desk, Direction, DomainAct, Fault, Observer, Receipt};
use gatepost_pipeline::{CurrentFusion, Followers};
use gatepost_queue::MailQueue;
use metrics::{counter, gauge};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::admission::Admission;
use crate::backlog;
use crate::clock::SystemClock;
use crate::config::{Config, LeftOut, Loaded, LogFormat, LogLevel, Registry, Sources};
use crate::control::{self, server::Control};
use crate::customers::{self, Entry, Order, Planned, Serving};
use crate::descriptors;
use crate::explainer;
use crate::listen::{Door, Hall, Listener, bind};
use crate::log::{self, Log, Style};
use crate::meter::{self, Meter};
use crate::recorder::{Recorder, keep_house};
use crate::reports;
use crate::resolvers;
use crate::school;
use crate::services::{self, Opened};
use crate::spambox::Gatherer;
use crate::tarpit::Tarpit;
use crate::wiring::{self, Generation};

/// How many changes of domains may wait for one that is being made.
const ORDERS: usize = 32;
/// How long the mail servers may take at start to say what they offer.
const FIRST_ANSWERS: Duration = Duration::from_secs(2);
/// How often we look which mail servers it is time to ask.
const LOOK: Duration = Duration::from_secs(1);
/// How many routes `/ready` names.
const NAMED: usize = 20;
/// How long a command of the command line, which has the store, is waited for at the start.
const OTHERS: Duration = Duration::from_secs(10);
/// How long the store may take to put itself in order at the end.
const SETTLING: Duration = Duration::from_secs(10);
/// How long goodbyes to mail servers may take at the end.
const FAREWELLS: Duration = Duration::from_secs(1);
/// How long the classifiers may take at the end to write down what they learned; what is not written is in the log.
const LAST_LESSONS: Duration = Duration::from_secs(20);
/// How long deliveries of waiting mail may take that are under way at the end.
const LAST_DELIVERIES: Duration = Duration::from_secs(10);
/// How long observers may take at the end.
const LAST_RECORDS: Duration = Duration::from_secs(10);
/// How long copies of refused mail may take that are under way at the end.
const LAST_COPIES: Duration = Duration::from_secs(10);

/// Runs the proxy until it is told to stop. `given` is the file that the command line names.
pub fn run(loaded: Loaded, given: Option<PathBuf>, registry: Registry) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| format!("the runtime cannot be started: {error}"))?;
    let done = runtime.block_on(serve(loaded, given, registry));
    // What still blocks somewhere, looking a name up, is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(5));
    done
}

fn style(format: LogFormat) -> Style {
    match format {
        LogFormat::Auto => Style::for_stderr(),
        LogFormat::Json => Style::Json,
        LogFormat::Text => Style::Text,
    }
}

/// What is logged at a level, in the words of [`log::begin`].
pub(crate) fn level(level: LogLevel) -> &'static str {
    // The library underneath logs AUTH nowhere; others are chatty and not ours.
    match level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => {
            "warn,gatepost=info,gatepost_proxy=info,gatepost_pipeline=info,gatepost_archive=info,\
             gatepost_store_rocksdb=info,gatepost_queue=info,queue=info,audit=info,mail=info"
        }
        LogLevel::Debug => {
            "info,gatepost_proxy=debug,gatepost_pipeline=debug,gatepost_archive=debug,\
             gatepost_queue=debug,queue=debug,mail=info"
        }
        LogLevel::Trace => {
            "debug,gatepost_proxy=trace,gatepost_pipeline=trace,gatepost_queue=trace,queue=trace,mail=info"
        }
    }
}

/// What `/ready` and `/metrics` look at.
struct Health {
    house: ArcSwap<Generation>,
    fusion: Arc<CurrentFusion>,
    queue: MailQueue,
    clock: Arc<dyn Clock>,
    admission: Arc<Admission>,
    tarpit: Arc<Tarpit>,
    followers: Followers,
    drain: CancellationToken,
}

impl Readiness for Health {
    fn missing(&self) -> Vec<String> {
        let house = self.house.load();
        let mut missing = Vec::new();
        // With the mail server of one customer away we can still take the mail of the others.
        if !house.ways.leads_somewhere() {
            let down = house.ways.down();
            let told = down
                .iter()
                .take(NAMED)
                .map(|route| format!("route `{route}`: the mail server does not answer"));
            missing.extend(told);
            if down.len() > NAMED {
                missing.push(format!("and {} more routes", down.len() - NAMED));
            }
        }
        if self.drain.is_cancelled() {
            missing.push("stopping".into());
        }
        missing
    }

    fn gauge(&self) {
        let house = self.house.load();
        gauge!("gatepost_sessions").set(self.admission.open() as f64);
        gauge!("gatepost_routes_down").set(house.ways.down().len() as f64);
        gauge!("gatepost_tarpitted").set(self.tarpit.waiting() as f64);
        gauge!("gatepost_spool_memory_bytes").set(house.room.in_memory() as f64);
        gauge!("gatepost_spool_disk_bytes").set(house.room.on_disk() as f64);
        gauge!("gatepost_followers_waiting").set(self.followers.waiting() as f64);
        let waiting = self.queue.depth_now();
        let oldest = waiting
            .oldest
            .map_or(0, |at| self.clock.now().millis().saturating_sub(at));
        gauge!("gatepost_queue_mails").set(waiting.mails as f64);
        gauge!("gatepost_queue_bytes").set(waiting.octets as f64);
        gauge!("gatepost_queue_oldest_seconds").set(oldest as f64 / 1e3);
        gauge!("gatepost_queue_damaged").set(waiting.damaged as f64);
        gauge!("gatepost_ham_confirmed").set(self.fusion.get().ham().count);
        gauge!("gatepost_ham_risk_unvouched").set(explainer::unvouched(&house.config, &self.fusion).len() as f64);
    }

    fn rows(&self) -> String {
        backlog::depth_rows(&self.house.load().config, self.queue.depths())
    }
}

/// The running proxy.
struct House {
    registry: Registry,
    given: Option<PathBuf>,
    opened: Arc<Opened>,
    followers: Followers,
    hall: Hall,
    health: Arc<Health>,
    listeners: Vec<(String, Listener)>,
    /// Sockets that the service manager opened for us.
    inherited: Vec<TcpListener>,
    /// The domains of the store that are not in service.
    left_out: Vec<LeftOut>,
}

async fn serve(loaded: Loaded, given: Option<PathBuf>, registry: Registry) -> Result<(), String> {
    let config = Arc::new(loaded.config.clone());
    let style = style(config.log.format);
    log::begin(style, level(config.log.level))?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    if config.asks("dnsbl") {
        for address in resolvers::public(&resolvers::asked(&config)) {
            tracing::warn!("{}", resolvers::advice(address));
        }
    }
    descriptors::raise(config.capacity.sessions, config.capacity.tarpitted);
    let metrics = Metrics::install()?;
    meter::describe();
    backlog::describe();
    // Registered before anything is open, so that no signal meets the default of ending us on the spot.
    let mut hangup = signal(SignalKind::hangup()).map_err(|error| error.to_string())?;
    let mut terminate = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| error.to_string())?;

    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let mut opened = services::open(&config, &registry, Arc::clone(&clock), OTHERS).await?;
    let file = loaded.file.clone();
    let (loaded, left_out) = opened.register.complete(loaded).await?;
    customers::tell(&*opened.services.alarms, &[], &left_out);
    for warning in loaded.of_the_store() {
        tracing::warn!("{warning}");
    }
    let config = Arc::new(loaded.config);
    // Where no records are kept, there are none to write into.
    let chronicle = opened.chronicle.take().filter(|_| config.archive.records_max > 0);
    let mut observers: Vec<Arc<dyn Observer>> = vec![Arc::new(Log(style)), Arc::new(Meter)];
    if config.archive.records_max > 0 {
        observers.push(Arc::new(Recorder::new(Arc::clone(&opened.services.kept))));
    }
    observers.extend(opened.student());
    // Behind the recorder, since a copy tells what the record says.
    observers.push(Arc::<Gatherer>::clone(&opened.gatherer));
    let followers = Followers::new(observers, config.capacity.records);
    let generation = wiring::build(
        Arc::clone(&config),
        &registry,
        &opened.services,
        &followers,
        &opened.fusion,
        None,
    )?;
    opened
        .publish(&config, &registry, generation.handlers.clone(), &generation.ways)
        .await;
    let (orders, mut ordered) = mpsc::channel(ORDERS);
    opened.register.attach(orders);
    opened.register.publish(Serving {
        config: Arc::clone(&config),
        ways: Arc::clone(&generation.ways),
        sources: loaded.sources,
        left_out: left_out.clone(),
        asks: true,
    });
    let hall = Hall {
        clock,
        admission: Arc::new(Admission::default()),
        tarpit: Arc::default(),
        sessions: TaskTracker::new(),
        drain: CancellationToken::new(),
    };
    let health = Arc::new(Health {
        house: ArcSwap::from_pointee(generation),
        fusion: Arc::clone(&opened.fusion),
        queue: opened.queue.clone(),
        clock: Arc::clone(&hall.clock),
        admission: Arc::clone(&hall.admission),
        tarpit: Arc::clone(&hall.tarpit),
        followers: followers.clone(),
        drain: hall.drain.clone(),
    });
    let mut house = House {
        registry,
        given,
        opened: Arc::new(opened),
        followers,
        hall,
        health,
        listeners: Vec::new(),
        inherited: inherited()?,
        left_out,
    };
    // The offers should be known to the first client, but no mail server keeps us from starting.
    let first = Arc::clone(&house.health.house.load().ways);
    let _ = tokio::time::timeout(FIRST_ANSWERS, first.ask_all()).await;
    house.health.house.load().offer_anew();
    let first = house.health.house.load_full();
    house.open_listeners(&first).await?;
    for unused in house.inherited.drain(..) {
        // Kept open it would take connections that nobody answers.
        let address = unused
            .local_addr()
            .map_or_else(|error| error.to_string(), |address| address.to_string());
        tracing::warn!(
            address,
            "the service manager opened a socket that no listener names: it is closed"
        );
    }

    let admin = TcpListener::bind(config.admin.bind.0)
        .await
        .map_err(|error| format!("admin.bind {}: {error}", config.admin.bind))?;
    let finished = CancellationToken::new();
    let control = Control::open(&control::path(&config)?)?;
    let desk: Arc<dyn Desk> = Arc::<gatepost_desk::FrontDesk>::clone(&house.opened.desk);
    let control = tokio::spawn(control.serve(Arc::clone(&desk), finished.clone()));
    let reporting = tokio::spawn(keep_reporting(desk, &house));
    let mut delivering = tokio::spawn(deliver(house.opened.queue.clone(), house.hall.drain.clone()));
    let chronicling = chronicle.map(|chronicle| tokio::spawn(chronicle.keep(finished.clone())));
    let keeping_house = tokio::spawn(keep_house(Arc::clone(&house.opened.archive), house.hall.drain.clone()));
    let until = finished.clone();
    let health: Arc<dyn Readiness> = Arc::<Health>::clone(&house.health);
    let admin = tokio::spawn(gatepost_admin::serve(admin, metrics, health, async move {
        until.cancelled().await
    }));
    if let Some(teacher) = house.opened.teacher.clone() {
        tokio::spawn(school::keep(teacher, house.hall.drain.clone()));
    }
    let asking = tokio::spawn(keep_asking(Arc::clone(&house.health), house.hall.drain.clone()));
    announce(&house, &file);
    if !house.opened.services.models.all().is_empty() {
        for doubt in explainer::unvouched(&config, &house.opened.fusion) {
            tracing::info!(doubt, "the classifiers know too little yet for a risk that is chosen");
        }
    }
    // Told after everything is open; a failure to tell is the service manager's affair.
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

    loop {
        tokio::select! {
            biased;
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => house.reload().await,
            Some(order) = ordered.recv() => house.order(order).await,
        }
    }
    // Whoever waits for an answer hears that there is none.
    drop(ordered);
    let config = Arc::clone(&house.health.house.load().config);
    let opened = Arc::clone(&house.opened);
    house.drain(*config.drain, &mut terminate, &mut interrupt).await;
    asking.abort();
    // A mail that is on its way to its server has this long; what is cut waits again.
    if tokio::time::timeout(LAST_DELIVERIES, &mut delivering).await.is_err() {
        // It ends before the queue is closed: what a server takes after that could not be removed, and would go twice.
        delivering.abort();
        let _ = delivering.await;
    }
    // A letter that is just being sent is sent; nothing is sent twice if it is not.
    let _ = tokio::time::timeout(FAREWELLS, reporting).await;
    finished.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(1), admin).await;
    let _ = tokio::time::timeout(LAST_RECORDS, control).await;
    let _ = tokio::time::timeout(LAST_RECORDS, keeping_house).await;
    if let Some(chronicling) = chronicling {
        let _ = tokio::time::timeout(LAST_RECORDS, chronicling).await;
    }
    if let Err(fault) = opened.queue.close().await {
        tracing::warn!(%fault, "the queue was not closed well: the next start looks after it");
    }
    if tokio::time::timeout(LAST_LESSONS, opened.learned()).await.is_err() {
        tracing::warn!("the models are not written down: the next start learns from the log");
    }
    opened.archive.close().await;
    let _ = tokio::time::timeout(SETTLING, opened.settle()).await;
    Ok(())
}

/// Delivers mail that waits, until `end`.
async fn deliver(queue: MailQueue, end: CancellationToken) {
    queue.run(end.cancelled()).await;
}

fn announce(house: &House, file: &Option<PathBuf>) {
    let addresses: Vec<String> = house
        .listeners
        .iter()
        .map(|(name, listener)| format!("{name}={}", listener.address()))
        .collect();
    let config = file
        .as_ref()
        .map_or("embedded defaults".to_owned(), |file| file.display().to_string());
    if file.is_none() {
        first_steps(house);
    }
    tracing::info!(
        config,
        listeners = addresses.join(" "),
        version = env!("CARGO_PKG_VERSION"),
        "gatepost takes mail"
    );
}

/// What a newcomer may try, in words to copy.
#[expect(clippy::disallowed_macros, reason = "it is for the one who stands at the terminal")]
fn first_steps(house: &House) {
    let generation = house.health.house.load();
    let address = |direction| {
        let mut listeners = generation
            .config
            .listen
            .iter()
            .filter(|listen| listen.direction == direction);
        listeners
            .next()
            .and_then(|listen| listen.bind.first())
            .map(|bind| bind.0)
    };
    let (Some(inbound), Some(outbound)) = (address(Direction::Inbound), address(Direction::Outbound)) else {
        return;
    };
    let admin = &generation.config.admin.bind;
    println!(
        r#"
Gatepost runs without a configuration file: mail for example.org is delivered into ./gatepost-data/maildir.

A first mail, and where it arrives:
  printf 'From: a@remote.example\r\nTo: you@example.org\r\nSubject: hello\r\n\r\nThe first one.\r\n' |
    curl -sS smtp://{inbound} --mail-from a@remote.example --mail-rcpt you@example.org -T -
  cat gatepost-data/maildir/new/*
A mail that is refused, since nobody may relay through here (curl says: RCPT failed: 550):
  printf 'Subject: relay me\r\n\r\n' |
    curl -sS smtp://{inbound} --mail-from a@remote.example --mail-rcpt you@elsewhere.example -T -
A mail of our own people, from a network that is trusted:
  printf 'Subject: to the world\r\n\r\n' |
    curl -sS smtp://{outbound} --mail-from you@example.org --mail-rcpt a@remote.example -T -
Health and metrics: curl http://{admin}/ready http://{admin}/metrics
A configuration for a real mail server: fixtures/config/gatepost.toml; `gatepost check --config FILE` tells its mistakes.
"#
    );
}

/// Has the daily block reports sent, by whichever filter is in service.
fn keep_reporting(desk: Arc<dyn Desk>, house: &House) -> impl Future<Output = ()> + use<> {
    let (archive, health) = (Arc::clone(&house.opened.archive), Arc::clone(&house.health));
    let (clock, drain) = (Arc::clone(&house.hall.clock), house.hall.drain.clone());
    let filters = move || {
        let generation = health.house.load_full();
        // Until the archive is looked through, a report may lack mail.
        let in_service = generation.handlers.contains_key(reports::FILTER) && !archive.needs_mending();
        (in_service, Arc::as_ptr(&generation).addr())
    };
    reports::keep(desk, clock, filters, drain)
}

/// Asks each mail server, when it is time for it, whether it is there and what it offers.
async fn keep_asking(health: Arc<Health>, drain: CancellationToken) {
    loop {
        tokio::select! {
            () = drain.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
        let house = health.house.load_full();
        if house.ways.ask_due() {
            house.offer_anew();
        }
    }
}

/// Sockets by systemd's socket activation.
fn inherited() -> Result<Vec<TcpListener>, String> {
    let mut environment = listenfd::ListenFd::from_env();
    let mut sockets = Vec::new();
    for at in 0..environment.len() {
        let socket = environment
            .take_tcp_listener(at)
            .map_err(|error| format!("socket activation: {error}"))?;
        let Some(socket) = socket else { continue };
        socket
            .set_nonblocking(true)
            .map_err(|error| format!("socket activation: {error}"))?;
        sockets.push(TcpListener::from_std(socket).map_err(|error| format!("socket activation: {error}"))?);
    }
    Ok(sockets)
}

impl House {
    fn socket(&mut self, name: &str, address: SocketAddr) -> Result<TcpListener, String> {
        let given = self
            .inherited
            .iter()
            .position(|socket| socket.local_addr().is_ok_and(|local| local == address));
        match given {
            Some(at) => Ok(self.inherited.swap_remove(at)),
            None => bind(address).map_err(|error| {
                let hint = match error.kind() {
                    std::io::ErrorKind::PermissionDenied => {
                        "; ports below 1024 need CAP_NET_BIND_SERVICE or a systemd socket"
                    }
                    std::io::ErrorKind::AddrInUse => "; another program listens there",
                    _ => "",
                };
                format!("listener `{name}`: {address}: {error}{hint}")
            }),
        }
    }

    /// Opens the listeners of a generation that are not open, lets the others through its doors, and closes those that it
    /// does not name. On any trouble all is as it was before.
    async fn open_listeners(&mut self, next: &Generation) -> Result<(), String> {
        let wanted: Vec<(&str, SocketAddr, &Arc<Door>)> =
            next.config
                .listen
                .iter()
                .zip(&next.doors)
                .fold(Vec::new(), |mut wanted, (listen, door)| {
                    wanted.extend(listen.bind.iter().map(|bind| (listen.name.as_str(), bind.0, door)));
                    wanted
                });
        let names = |address: SocketAddr| wanted.iter().any(|(_, wanted, _)| *wanted == address);
        let (mut fresh, mut yielded, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
        for (name, address, door) in &wanted {
            if self
                .listeners
                .iter()
                .any(|(_, listener)| listener.address() == *address)
            {
                continue;
            }
            // `0.0.0.0:25` cannot be bound while `127.0.0.1:25` is: one that goes anyway makes way first.
            let in_the_way = |(_, listener): &(String, Listener)| {
                listener.address().port() == address.port() && !names(listener.address())
            };
            while let Some(at) = self.listeners.iter().position(in_the_way) {
                let (name, listener) = self.listeners.swap_remove(at);
                yielded.push((name, listener.address(), listener.door()));
                listener.close().await;
            }
            match self.socket(name, *address) {
                Ok(socket) => fresh.push((name.to_string(), socket, Arc::clone(door))),
                Err(error) => wrong.push(error),
            }
        }
        if !wrong.is_empty() {
            drop(fresh);
            for (name, address, door) in yielded {
                let opened = bind(address).and_then(|socket| Listener::open(socket, door, &self.hall));
                match opened {
                    Ok(listener) => self.listeners.push((name, listener)),
                    Err(error) => {
                        tracing::error!(listener = name, %address, %error, "this listener could not be opened again")
                    }
                }
            }
            return Err(wrong.join("\n"));
        }
        for (name, listener) in std::mem::take(&mut self.listeners) {
            match wanted.iter().find(|(_, address, _)| *address == listener.address()) {
                Some((name, _, door)) => {
                    listener.replace(Arc::clone(door));
                    self.listeners.push((name.to_string(), listener));
                }
                None => {
                    tracing::info!(listener = name, address = %listener.address(), "this listener is closed");
                    listener.close().await;
                }
            }
        }
        for (name, socket, door) in fresh {
            let listener =
                Listener::open(socket, door, &self.hall).map_err(|error| format!("listener `{name}`: {error}"))?;
            self.listeners.push((name, listener));
        }
        Ok(())
    }

    /// Reads the configuration again. On any mistake the old one stays in service.
    async fn reload(&mut self) {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Reloading]);
        let sources = Sources::find(self.given.as_deref()).map_err(|mistake| mistake.to_string());
        let done = match sources {
            Ok(sources) => self.opened.register.load(sources).await,
            Err(error) => Err(error),
        };
        let done = match done {
            Ok((loaded, left_out)) => {
                for warning in &loaded.warnings {
                    tracing::warn!("{warning}");
                }
                self.replace(loaded, left_out, None).await
            }
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => {
                counter!("gatepost_reloads_total", "result" => "ok").increment(1);
                tracing::info!("the configuration is reloaded");
            }
            Err(error) => {
                counter!("gatepost_reloads_total", "result" => "refused").increment(1);
                tracing::error!(error, "the configuration has mistakes: the old one stays in service");
            }
        }
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    }

    /// Changes a domain that the store keeps, and says how it went.
    async fn order(&mut self, order: Order) {
        let receipt = match self.change(&order.act, order.own.as_deref()).await {
            Ok(receipt) => receipt,
            Err(fault) => Receipt::Failed(fault.to_string()),
        };
        // Whoever asked may have gone; it is done all the same.
        let _ = order.answer.send(receipt);
    }

    async fn change(&mut self, act: &DomainAct, own: Option<&[String]>) -> Result<Receipt, Fault> {
        let planned = match self.opened.register.plan(act, own).await? {
            Ok(planned) => planned,
            Err(receipt) => return Ok(receipt),
        };
        let Planned {
            loaded,
            left_out,
            entry,
            receipt,
        } = planned;
        Ok(match self.replace(loaded, left_out, Some(&entry)).await {
            Ok(()) => {
                counter!("gatepost_domain_changes_total").increment(1);
                let is_kept = entry.text.is_some();
                tracing::info!(domain = &*entry.domain, is_kept, "a domain of the store is changed");
                receipt
            }
            Err(why) => Receipt::Refused(why),
        })
    }

    /// Puts a configuration into service, and what the store has by it into the store before. On any trouble all is as it was.
    async fn replace(&mut self, loaded: Loaded, left_out: Vec<LeftOut>, entry: Option<&Entry>) -> Result<(), String> {
        let before = self.health.house.load_full();
        let config = Arc::new(lasting(loaded.config, &before.config));
        let generation = wiring::build(
            config,
            &self.registry,
            &self.opened.services,
            &self.followers,
            &self.opened.fusion,
            Some(&before),
        )?;
        if let Some(entry) = entry {
            let kept = self.opened.register.keep(entry).await;
            kept.map_err(|fault| format!("the store: {fault}"))?;
        }
        self.open_listeners(&generation).await?;
        let Generation {
            config, handlers, ways, ..
        } = &generation;
        self.opened
            .publish(config, &self.registry, handlers.clone(), ways)
            .await;
        customers::tell(&*self.opened.services.alarms, &self.left_out, &left_out);
        self.left_out.clone_from(&left_out);
        self.opened.register.publish(Serving {
            config: Arc::clone(config),
            ways: Arc::clone(ways),
            sources: loaded.sources,
            left_out,
            asks: true,
        });
        self.health.house.store(Arc::new(generation));
        let house = self.health.house.load_full();
        tokio::spawn(async move {
            // Nobody comes through the old doors any more.
            before.ways.close(Some(&house.ways)).await;
            house.ways.ask_all().await;
            house.offer_anew();
        });
        Ok(())
    }

    /// Stops: no new sessions, the running ones to their next command boundary, then the observers. A second signal, or
    /// the end of the time, cuts short what is left.
    async fn drain(
        mut self,
        patience: Duration,
        terminate: &mut tokio::signal::unix::Signal,
        interrupt: &mut tokio::signal::unix::Signal,
    ) {
        let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
        tracing::info!(
            sessions = self.hall.admission.open(),
            "stopping: running mails are finished"
        );
        self.hall.drain.cancel();
        for (_, listener) in self.listeners.drain(..) {
            listener.close().await;
        }
        self.hall.sessions.close();
        tokio::select! {
            () = self.hall.sessions.wait() => {}
            () = tokio::time::sleep(patience) => {
                tracing::warn!(sessions = self.hall.admission.open(), "the time is over: what still runs is cut");
            }
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        let _ = tokio::time::timeout(LAST_RECORDS, self.followers.drained()).await;
        let _ = tokio::time::timeout(LAST_COPIES, self.opened.gatherer.drained()).await;
        let ways = Arc::clone(&self.health.house.load().ways);
        let _ = tokio::time::timeout(FAREWELLS, ways.close(None)).await;
        tracing::info!("stopped");
    }
}

/// What is opened once keeps its old value until the next start, and the log says so.
fn lasting(mut config: Config, before: &Config) -> Config {
    let capacity = |config: &Config| {
        let capacity = &config.capacity;
        (capacity.threads, capacity.records, capacity.store_cache)
    };
    for (key, differs) in [
        ("data_dir", config.data_dir != before.data_dir),
        ("admin.bind", config.admin.bind != before.admin.bind),
        (
            "log",
            (config.log.format, config.log.level) != (before.log.format, before.log.level),
        ),
        (
            "dns",
            (&config.dns.servers, config.dns.timeout) != (&before.dns.servers, before.dns.timeout),
        ),
        (
            "capacity.threads, capacity.records or capacity.store_cache",
            capacity(&config) != capacity(before),
        ),
        ("desk.socket", config.desk.socket != before.desk.socket),
        (
            "archive.records_max to or from 0",
            (config.archive.records_max == 0) != (before.archive.records_max == 0),
        ),
    ] {
        if differs {
            tracing::warn!(key, "this changes with the next start only");
        }
    }
    config.data_dir.clone_from(&before.data_dir);
    config
}
