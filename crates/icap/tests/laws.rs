//! The laws, the dialogues and the example of the configuration.

use gatepost_icap::{Config, Icap};
use gatepost_testkit::{config, dialogue, laws};

#[test]
fn icap_keeps_the_laws() {
    laws::filter::run::<Icap>();
}

#[test]
fn the_dialogues_go_as_written() {
    dialogue::run_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues/icap"));
}

#[test]
fn the_example_shows_every_option_with_its_default() {
    let read = config::example::<Icap>(include_str!("../../../fixtures/config/icap.toml"));
    assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
}
