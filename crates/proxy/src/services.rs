//! The services of this installation, made once and kept across reloads.

use std::io::Read;
use std::path::Path;
use std::sync::{Arc, Weak};
use std::time::Duration;

use gatepost_archive::Archive;
use gatepost_core::{
    Clock, Compute, Desk, Fault, Identify, Login, Observer, Receipt, Request, Seed, Services, Shelves, Store,
    async_trait,
};
use gatepost_desk::{FrontDesk, Handlers, Means};
use gatepost_dns::Resolver;
use gatepost_pipeline::CurrentFusion;
use gatepost_queue::MailQueue;
use gatepost_spf_dkim_dmarc::{Identifier, Settings};
use gatepost_store_rocksdb::RocksDb;
use gatepost_training::Teacher;

use crate::alarm::Watched;
use crate::alarms::Bells;
use crate::backlog::{self, Chronicle, Nowhere, Outward, Tables};
use crate::config::{Config, Registry};
use crate::customers::Register;
use crate::explainer::Explainer;
use crate::lock::DataLock;
use crate::post::{Courier, Sentry};
use crate::school;
use crate::spambox::Gatherer;
use crate::threads::Cores;
use crate::upkeep::Whole;
use crate::ways::Ways;
use crate::wiring::{self, private};

/// The queue's folder in the data folder.
pub const QUEUE: &str = "queue";
/// Where the seed lies in the store.
const SEED: &[u8] = b"seed";

/// Everything that is opened once, and what filters see of it.
pub struct Opened {
    /// What filters and transactions use.
    pub services: Services,
    /// Kept mail and records.
    pub archive: Arc<Archive>,
    /// Mail that waits.
    pub queue: MailQueue,
    /// Who writes down what becomes of it; whoever runs the queue has that done, too.
    pub chronicle: Option<Chronicle>,
    /// The door for human acts.
    pub desk: Arc<FrontDesk>,
    /// How classifiers are weighed: the teacher publishes it, all pipelines read it.
    pub fusion: Arc<CurrentFusion>,
    /// Who teaches the classifiers, where what they learned could be opened.
    pub teacher: Option<Arc<Teacher>>,
    explainer: Arc<Explainer>,
    /// Who sends copies of what was refused to those who gather them.
    pub gatherer: Arc<Gatherer>,
    /// Who delivers what is released, and our own letters.
    courier: Arc<Courier>,
    /// The domains of customers that the store keeps.
    pub register: Arc<Register>,
    /// By which names alarms about waiting mail call domains.
    tables: Arc<Tables>,
    store: Arc<RocksDb>,
    _lock: DataLock,
}

/// The desk as filters have it. Behind it stand those same filters: were they to hold it, neither would ever be let go, and
/// the store would stay open.
struct Door(Weak<FrontDesk>);

#[async_trait]
impl Desk for Door {
    async fn submit(&self, by: &Login, request: Request) -> Result<Receipt, Fault> {
        match self.0.upgrade() {
            Some(desk) => desk.submit(by, request).await,
            None => Err(Fault::Unavailable("the desk, since Gatepost is stopping")),
        }
    }
}

impl Opened {
    /// Puts a configuration, its filters and its ways behind the desk and the courier.
    pub async fn publish(&self, config: &Arc<Config>, registry: &Registry, handlers: Handlers, ways: &Arc<Ways>) {
        let sentry = Sentry::new(config, registry, &handlers, &self.services);
        let outlet = Arc::new(wiring::outlet(config, ways, sentry));
        let outward = Outward::new(config, Arc::clone(&outlet));
        self.courier.publish(outlet);
        self.tables.publish(config);
        self.queue.publish(config.queue.settings(), Arc::new(outward)).await;
        self.gatherer.publish(wiring::policy(config));
        self.desk.publish(handlers, wiring::desk_terms(config));
        self.archive.settings(config.archive.settings());
        self.explainer.publish(Arc::clone(config), registry.clone());
        if let Some(teacher) = &self.teacher {
            teacher.house(school::house(config));
            teacher.settings(config.learning.clone()).await;
        }
    }

    /// Who is told of each mail to learn from it.
    pub fn student(&self) -> Option<Arc<dyn Observer>> {
        let teacher = self.teacher.as_ref()?;
        Some(Arc::<Teacher>::clone(teacher))
    }

    /// Learns what waits and writes the models down.
    pub async fn learned(&self) {
        if let Some(teacher) = &self.teacher {
            teacher.close().await;
        }
    }

    /// Before an orderly end: nothing depends on it but the time that the next start takes.
    pub async fn settle(&self) {
        if let Err(fault) = self.store.settle().await {
            tracing::warn!(%fault, "the store could not be settled: the next start takes longer");
        }
    }
}

/// Opens the store, the archive and DNS, and what stands on them.
///
/// Whoever has the data folder now is waited for at most for `patience`.
pub async fn open(
    config: &Config,
    registry: &Registry,
    clock: Arc<dyn Clock>,
    patience: Duration,
) -> Result<Opened, String> {
    let data = config.data_dir.clone();
    let lock = tokio::task::spawn_blocking(move || DataLock::take(&data, patience)).await;
    let lock = lock.map_err(|error| error.to_string())??;
    let rocks = Arc::new(open_store(config, &clock)?);
    let store = Store::new(Arc::new(Watched::new("store", &clock, Arc::clone(&rocks))));
    let seed = seed(&store.within("gatepost"), &clock).await?;
    let archive = Archive::open(
        &config.data_dir.join("kept"),
        store.within("archive"),
        Arc::clone(&clock),
        seed,
        config.archive.settings(),
    );
    let archive = Arc::new(archive.map_err(|error| error.to_string())?);
    let mut services = Services::null(Arc::clone(&clock), seed);
    services.store = store.within("filter");
    services.dns = Arc::new(Watched::new(
        "dns",
        &clock,
        Arc::new(resolver(config, Arc::clone(&clock))?),
    ));
    services.alarms = Arc::new(Bells::new(Arc::clone(&clock)));
    services.compute = Compute::new(Arc::new(Cores::new(config.capacity.threads.into())));
    services.identify = identify(config, &services);
    services.kept = Arc::new(Watched::new("archive", &clock, Arc::clone(&archive)));
    let courier = Arc::new(Courier::new(Arc::clone(&services.kept), Arc::clone(&clock), seed));
    services.post = Arc::<Courier>::clone(&courier);
    let gatherer = Arc::new(Gatherer::new(
        Arc::clone(&services.kept),
        Arc::clone(&services.post),
        Arc::clone(&services.alarms),
    ));
    let tables = Arc::new(Tables::new(config));
    let (teller, chronicle) = backlog::pair(
        Arc::clone(&services.kept),
        Arc::clone(&services.alarms),
        Arc::clone(&tables),
    );
    let means = gatepost_queue::Means {
        kept: Arc::clone(&services.kept),
        clock: Arc::clone(&clock),
        seed,
        follower: Arc::new(teller),
    };
    let queue = open_queue(config, means).await?;
    services.queue = Some(Arc::new(queue.clone()));
    services.models = Shelves::new();
    // Each filter once, so that every classifier's model has its place before what it learned is loaded.
    wiring::handlers(config, registry, &services)?;
    let fusion: Arc<CurrentFusion> = Arc::default();
    let teacher = school::open(config, &services, &fusion).await;
    if let Some(teacher) = &teacher {
        services.learning = Arc::<Teacher>::clone(teacher);
    }
    let explainer = Arc::new(Explainer::new(services.clone(), Arc::clone(&fusion)));
    let means = Means {
        store: store.within("desk"),
        filters: services.store.clone(),
        kept: Arc::clone(&services.kept),
        queue: services.queue.clone(),
        post: Arc::clone(&services.post),
        learning: Arc::clone(&services.learning),
        explain: Arc::<Explainer>::clone(&explainer),
        upkeep: Arc::new(Whole::new(
            Arc::clone(&rocks),
            Arc::clone(&archive),
            queue.clone(),
            config.data_dir.join(school::FOLDER),
            Arc::clone(&clock),
        )),
        clock,
        seed,
    };
    let register = Arc::new(Register::new(store.within("domains"), registry.clone()));
    let desk = FrontDesk::new(means, wiring::desk_terms(config)).with_domains(Arc::<Register>::clone(&register));
    let desk = Arc::new(desk);
    services.desk = Arc::new(Door(Arc::downgrade(&desk)));
    Ok(Opened {
        services,
        archive,
        queue,
        chronicle: Some(chronicle),
        desk,
        fusion,
        teacher,
        explainer,
        gatherer,
        courier,
        register,
        tables,
        store: rocks,
        _lock: lock,
    })
}

/// Who tells whom a mail is from, as configured.
pub fn identify(config: &Config, services: &Services) -> Arc<dyn Identify> {
    let settings = Settings {
        hostname: config.hostname().into(),
        deadline: *config.identity.deadline,
        arc_sealers: config
            .identity
            .arc_sealers
            .iter()
            .map(|sealer| sealer.to_string())
            .collect(),
        every_chain: false,
    };
    Arc::new(Identifier::new(services, settings))
}

/// A resolver as configured.
pub fn resolver(config: &Config, clock: Arc<dyn Clock>) -> Result<Resolver, String> {
    let settings = gatepost_dns::Settings {
        servers: config.dns.servers.iter().map(|server| server.0).collect(),
        timeout: *config.dns.timeout,
        deadline: *config.dns.deadline,
        ..gatepost_dns::Settings::default()
    };
    Resolver::new(&settings, clock).map_err(|error| error.to_string())
}

fn open_store(config: &Config, clock: &Arc<dyn Clock>) -> Result<RocksDb, String> {
    let data: &Path = &config.data_dir;
    // The store holds the seed: whoever else can read the folder can foresee what must not be foreseen.
    for folder in [data, &data.join("store")] {
        private(folder).map_err(|error| format!("data_dir {}: it cannot be made: {error}", folder.display()))?;
    }
    let settings = gatepost_store_rocksdb::Settings {
        cache: usize::try_from(config.capacity.store_cache.0).unwrap_or(usize::MAX),
        ..gatepost_store_rocksdb::Settings::default()
    };
    RocksDb::open(&data.join("store"), settings, Arc::clone(clock)).map_err(|error| error.to_string())
}

/// The queue, and in the log what was found in it.
async fn open_queue(config: &Config, means: gatepost_queue::Means) -> Result<MailQueue, String> {
    let (folder, settings) = (config.data_dir.join(QUEUE), config.queue.settings());
    // A hundred thousand names take a moment.
    let opened =
        tokio::task::spawn_blocking(move || MailQueue::open(&folder, settings, Arc::new(Nowhere), means)).await;
    let (queue, found) = opened
        .map_err(|error| error.to_string())?
        .map_err(|error| error.to_string())?;
    if found.mails > 0 {
        tracing::info!(mails = found.mails, "mail waits for its mail servers");
    }
    if found.damaged > 0 {
        tracing::error!(
            mails = found.damaged,
            "mail of the queue is set aside: `gatepost queue list --damaged`"
        );
    }
    for path in &found.strange {
        tracing::warn!(path = %path.display(), "this is not ours and lies in the queue's folder: it is left alone");
    }
    Ok(queue)
}

/// The installation's secret number: made at the first start, the same ever after.
async fn seed(store: &Store, clock: &Arc<dyn Clock>) -> Result<Seed, String> {
    let now = clock.now();
    let known = store.get(SEED, now).await.map_err(|fault| fault.to_string())?;
    if let Some(seed) = known {
        let seed =
            <[u8; 16]>::try_from(&*seed).map_err(|_| "the store's seed is damaged: restore a backup".to_owned())?;
        return Ok(Seed::new(seed));
    }
    let mut seed = [0; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut seed))
        .map_err(|error| format!("no random numbers: /dev/urandom: {error}"))?;
    store.put(SEED, &seed, None).await.map_err(|fault| fault.to_string())?;
    Ok(Seed::new(seed))
}
