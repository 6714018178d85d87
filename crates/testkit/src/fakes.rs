//! One of each fake, wired together as services.

use std::sync::Arc;

use gatepost_core::{Backend, Seed, Services, Store};

use crate::alarms::MemoryAlarms;
use crate::clock::FakeClock;
use crate::desk::MemoryDesk;
use crate::kept::MemoryKept;
use crate::memory::MemoryStore;
use crate::models::MemoryModels;
use crate::names::ZoneNames;
use crate::post::MemoryPost;
use crate::zone::Zone;

/// One of each fake. Kept beside the [`Services`] made of them, so that a test can look at what was done.
#[derive(Clone)]
pub struct Fakes {
    /// The clock.
    pub clock: Arc<FakeClock>,
    /// DNS.
    pub zone: Arc<Zone>,
    /// Names by that DNS, identities as told.
    pub names: Arc<ZoneNames>,
    /// The store.
    pub store: Arc<MemoryStore>,
    /// The archive.
    pub kept: Arc<MemoryKept>,
    /// The models.
    pub models: Arc<MemoryModels>,
    /// The desk.
    pub desk: Arc<MemoryDesk>,
    /// The post.
    pub post: Arc<MemoryPost>,
    /// What an operator was told.
    pub alarms: Arc<MemoryAlarms>,
}

impl Fakes {
    /// The seed of every test: what is derived from it is the same each time.
    pub const SEED: Seed = Seed::new(*b"gatepost-testkit");

    /// Fakes that know nothing yet.
    pub fn new() -> Fakes {
        Fakes::with_zone(Zone::empty())
    }

    /// Fakes whose DNS is a zone.
    pub fn with_zone(zone: Zone) -> Fakes {
        let zone = Arc::new(zone);
        Fakes {
            clock: FakeClock::new(),
            names: ZoneNames::new(Arc::clone(&zone)),
            zone,
            store: MemoryStore::new(),
            kept: MemoryKept::new(),
            models: MemoryModels::new(),
            desk: MemoryDesk::new(),
            post: MemoryPost::new(),
            alarms: MemoryAlarms::new(),
        }
    }

    /// Services made of them. Work runs where it is asked for; there is no queue and no training.
    pub fn services(&self) -> Services {
        let mut services = Services::null(self.clock.clone(), Fakes::SEED);
        services.dns = self.zone.clone();
        services.identify = self.names.clone();
        services.store = Store::new(self.store.clone() as Arc<dyn Backend>);
        services.kept = self.kept.clone();
        services.models = self.models.clone();
        services.desk = self.desk.clone();
        services.post = self.post.clone();
        services.alarms = self.alarms.clone();
        services
    }
}

impl Default for Fakes {
    fn default() -> Fakes {
        Fakes::new()
    }
}
