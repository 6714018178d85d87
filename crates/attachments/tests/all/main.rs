//! The laws, the dialogues, the example of the configuration; then a busy machine, names, policy, people and opinions from close by.

mod busy;
mod mails;
mod names;
mod opinions;
mod people;
mod policies;
mod scene;

use gatepost_attachments::{Attachments, Config};
use gatepost_testkit::{config, dialogue, laws};

#[test]
fn attachments_keeps_the_laws() {
    laws::filter::run::<Attachments>();
}

#[test]
fn the_dialogues_go_as_written() {
    dialogue::run_all(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/dialogues/attachments"
    ));
}

#[test]
fn the_example_shows_every_option_with_its_default() {
    let text = include_str!("../../../../fixtures/config/attachments.toml");
    let mut read = config::example::<Attachments>(text);
    let shipped = Config::default();
    for (rule, said) in std::mem::take(&mut read.findings) {
        let terms = rule.terms();
        let sides = gatepost_attachments::rule::Side::ALL.map(|side| terms.action(side));
        let told = [said.action, said.exempt.or(said.action), said.outbound].map(|one| one.expect("all is shown"));
        assert_eq!((told, said.points), (sides, Some(terms.points)), "{rule}");
    }
    assert_eq!(format!("{read:?}"), format!("{shipped:?}"));
}

#[test]
fn the_example_shows_every_rule() {
    let text = include_str!("../../../../fixtures/config/attachments.toml");
    let read = config::example::<Attachments>(text);
    assert_eq!(
        read.findings.into_keys().collect::<Vec<_>>(),
        gatepost_attachments::rule::Rule::ALL
    );
}
