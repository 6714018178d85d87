//! The laws, the dialogues and the example of the configuration.

use gatepost_conduct::{Conduct, Config};
use gatepost_testkit::{config, dialogue, laws};

#[test]
fn conduct_keeps_the_laws() {
    laws::filter::run::<Conduct>();
}

#[test]
fn the_dialogues_go_as_written() {
    dialogue::run_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues/conduct"));
}

#[test]
fn the_example_shows_every_option_with_its_default() {
    let text = include_str!("../../../fixtures/config/conduct.toml");
    let read = config::example::<Conduct>(text);
    assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
}
