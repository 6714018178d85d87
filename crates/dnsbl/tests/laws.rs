//! The laws, the dialogues and the example of the configuration.

use gatepost_dnsbl::{Config, Dnsbl, list};
use gatepost_testkit::{config, dialogue, laws};

#[test]
fn dnsbl_keeps_the_laws() {
    laws::filter::run::<Dnsbl>();
}

#[test]
fn the_dialogues_go_as_written() {
    dialogue::run_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues/dnsbl"));
}

#[test]
fn the_example_shows_every_option_with_its_default_and_every_shipped_list() {
    let text = include_str!("../../../fixtures/config/dnsbl.toml");
    let mut read = config::example::<Dnsbl>(text);
    let shipped = list::all(&Config::default()).expect("the shipped lists");
    read.shipped = false;
    assert_eq!(list::all(&read).expect("the example's lists"), shipped);
    read.shipped = true;
    read.lists.clear();
    assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
}
