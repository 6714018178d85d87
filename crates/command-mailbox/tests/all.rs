//! The laws, the dialogues, and the example of the configuration.

use gatepost_command_mailbox::{CommandMailbox, Config};
use gatepost_testkit::{config, dialogue, laws};

#[test]
fn the_command_mailboxes_keep_the_laws() {
    laws::filter::run::<CommandMailbox>();
}

#[test]
fn the_dialogues_go_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues/command_mailbox");
    dialogue::run_all(folder);
}

#[test]
fn the_example_shows_every_option_with_its_default() {
    let text = include_str!("../../../fixtures/config/command_mailbox.toml");
    let mut read = config::example::<CommandMailbox>(text);
    // A folder that is not there would be a mistake, so the default has none.
    assert!(read.templates.take().is_some());
    assert_eq!(format!("{read:?}"), format!("{:?}", Config::default()));
}
