//! The laws, the dialogues and the example of the configuration.

use gatepost_clamav::{Clamav, Config};
use gatepost_testkit::{config, dialogue, laws};

#[test]
fn clamav_keeps_the_laws() {
    laws::filter::run::<Clamav>();
}

#[test]
fn the_dialogues_go_as_written() {
    dialogue::run_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues/clamav"));
}

#[test]
fn the_example_shows_every_option_with_its_default() {
    let read = config::example::<Clamav>(include_str!("../../../fixtures/config/clamav.toml"));
    assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
}
