//! The laws, the dialogues, the example of the configuration; then the lists, the desk and learning from close by.

mod acts;
mod checks;
mod crash;
mod observe;
mod scene;
mod store;

use gatepost_testkit::{config, dialogue, laws};
use gatepost_whitelist::{Config, Whitelist};

#[test]
fn whitelist_keeps_the_laws() {
    laws::filter::run::<Whitelist>();
}

#[test]
fn the_dialogues_go_as_written() {
    dialogue::run_all(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/dialogues/whitelist"
    ));
}

#[test]
fn the_example_shows_every_option_with_its_default() {
    let text = include_str!("../../../../fixtures/config/whitelist.toml");
    let read = config::example::<Whitelist>(text);
    assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
}
