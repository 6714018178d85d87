//! Dialogues with the classifiers, a desk, and whoever teaches them behind it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gatepost_core::{Desk, Fault, Services, Upkeep, async_trait, null};
use gatepost_desk::rights::Staff;
use gatepost_desk::{FrontDesk, Means, Reports, Terms};
use gatepost_filters as _;
use gatepost_pipeline::{CurrentFusion, Routes};
use gatepost_testkit::dialogue;
use gatepost_training::{Settings, Teacher};

/// No store to look after.
struct Nothing;

#[async_trait]
impl Upkeep for Nothing {
    async fn check(&self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
    async fn compact(&self) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
    async fn backup(&self, _: &Path) -> Result<Vec<String>, Fault> {
        Ok(Vec::new())
    }
}

/// A folder of one dialogue's own, empty.
fn folder() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let name = format!("classifiers-{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

fn office(services: &Services, fusion: &Arc<CurrentFusion>) -> Result<Arc<dyn Desk>, String> {
    let fusion = Arc::clone(fusion);
    let means = gatepost_training::Means {
        folder: folder(),
        models: Arc::clone(&services.models),
        compute: services.compute.clone(),
        clock: Arc::clone(&services.clock),
        seed: services.seed,
        house: gatepost_training::House::default(),
        alarms: Arc::clone(&services.alarms),
        publish: Box::new(move |fitted| fusion.publish(fitted)),
    };
    let teacher = Teacher::open(means, Settings::default()).map_err(|error| error.to_string())?;
    let means = Means {
        store: services.store.within("desk"),
        filters: services.store.within("filter"),
        kept: Arc::clone(&services.kept),
        queue: None,
        post: Arc::clone(&services.post),
        learning: Arc::new(teacher),
        explain: Arc::new(null::NoExplain),
        upkeep: Arc::new(Nothing),
        clock: Arc::clone(&services.clock),
        seed: services.seed,
    };
    let terms = Terms {
        staff: Staff::new(
            [],
            [],
            Routes::inbound([("d.example", "default"), ("e.example", "default")]),
        ),
        requests_per_hour: 1_000,
        reports: Reports::default(),
        release_welcomes: false,
    };
    Ok(Arc::new(FrontDesk::new(means, terms)))
}

#[test]
fn the_dialogues_go_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues/classifiers");
    dialogue::run_all_at(folder, office);
}
