//! What filters make of each other's grounds: dialogues with several of them, and proofs that are looked for in the zone.

use std::sync::Arc;

use gatepost_core::{Identify, Services};
use gatepost_filters as _;
use gatepost_spf_dkim_dmarc::{Identifier, Settings};
use gatepost_testkit::dialogue;
use serde_json::{Map, Value};

fn proofs(services: &Services, _: Map<String, Value>) -> Result<Arc<dyn Identify>, String> {
    Ok(Arc::new(Identifier::new(services, Settings::default())))
}

#[test]
fn the_dialogues_go_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues/together");
    dialogue::run_all_with(folder, proofs);
}
