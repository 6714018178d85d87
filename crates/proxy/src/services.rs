//! The services of this installation, made once and kept across reloads.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use gatepost_core::{Clock, Compute, Seed, Services, Store};
use gatepost_dns::Resolver;
use gatepost_store_rocksdb::RocksDb;

use crate::config::Config;
use crate::identify::ByDns;
use crate::threads::Cores;
use crate::wiring::private;

/// Where the seed lies in the store.
const SEED: &[u8] = b"seed";

/// Opens the store, and DNS, and what stands on them.
pub async fn open(config: &Config, clock: Arc<dyn Clock>) -> Result<Services, String> {
    let store = Store::new(Arc::new(open_store(&config.data_dir, &clock)?));
    let seed = seed(&store.within("gatepost"), &clock).await?;
    let mut services = Services::null(clock, seed);
    services.store = store.within("filter");
    services.dns = Arc::new(resolver(config)?);
    services.identify = Arc::new(ByDns::new(Arc::clone(&services.dns)));
    services.compute = Compute::new(Arc::new(Cores::new(config.capacity.threads.into())));
    Ok(services)
}

/// A resolver as configured.
pub fn resolver(config: &Config) -> Result<Resolver, String> {
    let settings = gatepost_dns::Settings {
        servers: config.dns.servers.iter().map(|server| server.0).collect(),
        timeout: *config.dns.timeout,
        ..gatepost_dns::Settings::default()
    };
    Resolver::new(&settings).map_err(|error| error.to_string())
}

fn open_store(data: &Path, clock: &Arc<dyn Clock>) -> Result<RocksDb, String> {
    // The store holds the seed: whoever else can read the folder can foresee what must not be foreseen.
    for folder in [data, &data.join("store")] {
        private(folder).map_err(|error| format!("data_dir {}: it cannot be made: {error}", folder.display()))?;
    }
    RocksDb::open(
        &data.join("store"),
        gatepost_store_rocksdb::Settings::default(),
        Arc::clone(clock),
    )
    .map_err(|error| error.to_string())
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
