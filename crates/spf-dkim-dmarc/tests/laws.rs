//! The laws, the dialogues and the example of the configuration.

use std::sync::Arc;
use std::time::Duration;

use gatepost_core::{Identify, Services};
use gatepost_spf_dkim_dmarc::{Config, Identifier, Settings, SpfDkimDmarc};
use gatepost_testkit::{config, dialogue, laws};
use serde_json::{Map, Value};

/// The real service, as a dialogue wants it.
fn proofs(services: &Services, settings: Map<String, Value>) -> Result<Arc<dyn Identify>, String> {
    let mut made = Settings {
        hostname: "mx.d.example".into(),
        ..Settings::default()
    };
    for (key, value) in settings {
        let text = value.as_str().unwrap_or_default();
        match key.as_str() {
            "arc_sealers" => made.arc_sealers = text.split(',').map(str::to_owned).collect(),
            "deadline" => {
                let seconds = text.trim_end_matches('s').parse().map_err(|_| "seconds, as 3s")?;
                made.deadline = Duration::from_secs(seconds);
            }
            _ => return Err(format!("arc_sealers or deadline, not `{key}`")),
        }
    }
    Ok(Arc::new(Identifier::new(services, made)))
}

#[test]
fn the_filter_of_proofs_keeps_the_laws() {
    laws::filter::run::<SpfDkimDmarc>();
}

#[test]
fn the_dialogues_go_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues/spf_dkim_dmarc");
    dialogue::run_all_with(folder, proofs);
}

#[test]
fn the_example_shows_every_option_with_its_default() {
    let text = include_str!("../../../fixtures/config/spf_dkim_dmarc.toml");
    let read = config::example::<SpfDkimDmarc>(text);
    assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
}
