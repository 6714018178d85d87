//! The teacher of the classifiers in this installation: opened at start, swept now and then, closed at the end.
//!
//! **Invariant:** trouble with what was learned stops no mail. Without a teacher the classifiers say nothing, an alarm says
//! why, and whoever reports a mail is told.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::Services;
use gatepost_pipeline::CurrentFusion;
use gatepost_training::{House, Means, Teacher};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::wiring;

/// The folder below `data_dir`.
pub const FOLDER: &str = "learned";
/// The kind of alarm.
const ALARM: &str = "models";
/// How often what has become too old is removed.
const SWEEP: Duration = Duration::from_mins(10);

/// What is ours by a configuration, and what is done with mail.
pub fn house(config: &Config) -> House {
    House {
        site: Arc::new(wiring::site(config)),
        policy: wiring::policy(config),
    }
}

/// Opens what was learned and puts the models into use. All classifiers must have been built once, so that their models
/// have a place. None where it cannot be opened.
pub async fn open(config: &Config, services: &Services, fusion: &Arc<CurrentFusion>) -> Option<Arc<Teacher>> {
    let fusion = Arc::clone(fusion);
    let means = Means {
        folder: config.data_dir.join(FOLDER),
        models: Arc::clone(&services.models),
        compute: services.compute.clone(),
        clock: Arc::clone(&services.clock),
        seed: services.seed,
        house: house(config),
        alarms: Arc::clone(&services.alarms),
        publish: Box::new(move |fitted| fusion.publish(fitted)),
    };
    let settings = config.learning.clone();
    let opened = tokio::task::spawn_blocking(move || Teacher::open(means, settings)).await;
    let opened = opened.map_err(|error| error.to_string());
    match opened.and_then(|opened| opened.map_err(|error| error.to_string())) {
        Ok(teacher) => {
            let found = teacher.found();
            for note in &found.notes {
                services.alarms.raise(ALARM, FOLDER, note);
            }
            if found.samples > 0 {
                let (samples, replayed, version) = (found.samples, found.replayed, found.version);
                tracing::info!(samples, replayed, version, "the classifiers know what they learned");
            }
            Some(Arc::new(teacher))
        }
        Err(why) => {
            services.alarms.raise(ALARM, FOLDER, &why);
            None
        }
    }
}

/// Removes what has become too old, until `end`.
pub async fn keep(teacher: Arc<Teacher>, end: CancellationToken) {
    loop {
        tokio::select! {
            () = end.cancelled() => return,
            () = tokio::time::sleep(SWEEP) => {}
        }
        if let Err(fault) = teacher.sweep().await {
            tracing::warn!(%fault, "the features of delivered mail that are too old could not be removed");
        }
    }
}
