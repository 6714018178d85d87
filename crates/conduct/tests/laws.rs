//! The laws, the dialogues, the example of the configuration and the table of scores.

use gatepost_conduct::{Conduct, Config, Trait};
use gatepost_core::Score;
use gatepost_core::registry::Options;
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

/// What each finding weighs where the operator says nothing. A change here is a change for everybody who did not ask.
#[test]
fn the_table_of_scores_is_as_it_was() {
    let config = Config::default();
    let table: String = Trait::ALL
        .iter()
        .map(|what| format!("{} {}\n", what.tag(), config.points(*what)))
        .collect();
    assert_eq!(table, include_str!("scores.golden"));
    let mut tags: Vec<_> = Trait::ALL.iter().map(|what| what.tag()).collect();
    tags.dedup();
    assert_eq!(tags.len(), Trait::ALL.len());
    // Nothing that an honest host may do by itself reaches the lowest level, nor do two of them.
    let honest = [
        Trait::BareLf,
        Trait::LongLine,
        Trait::Errors,
        Trait::HeloUnqualified,
        Trait::HeloNotItsOwn,
        Trait::HeloElsewhere,
        Trait::HeloUnknown,
        Trait::NoReverse,
        Trait::ReverseUnconfirmed,
        Trait::ReverseGeneric,
        Trait::NoMessageId,
        Trait::NoDate,
        Trait::NoTo,
        Trait::Twice,
        Trait::ForgedAuthor,
    ];
    for (one, other) in honest
        .iter()
        .flat_map(|one| honest.iter().map(move |other| (one, other)))
    {
        assert!(
            one == other || config.points(*one) + config.points(*other) < Score::points(3),
            "{one:?} and {other:?}"
        );
    }
}

#[test]
fn what_cannot_be_meant_is_told_by_its_key() {
    for (json, key) in [
        (r#"{"rates": {"window": "1s"}}"#, "rates.window"),
        (r#"{"rates": {"client_mails": -1}}"#, "rates.client_mails"),
        (r#"{"traps": {"window": "2days"}}"#, "traps.window"),
        (
            r#"{"traps": {"addresses": ["a@d.example", "nonsense"]}}"#,
            "traps.addresses[1]",
        ),
        (r#"{"traps": {"pools": ["a.example", "nonsense"]}}"#, "traps.pools[1]"),
        (r#"{"traps": {"adresses": []}}"#, "traps"),
        (r#"{"reputation": {"weight": 2}}"#, "reputation.weight"),
        (r#"{"reputation": {"most": -1}}"#, "reputation.most"),
        (r#"{"reputation": {"least": 1}}"#, "reputation.least"),
        (r#"{"reputation": {"half_life": "1s"}}"#, "reputation.half_life"),
        (r#"{"waiting": {"tarpit": "soon"}}"#, "waiting.tarpit"),
        (r#"{"exempt_networks": ["192.0.2.1/24"]}"#, "exempt_networks[0]"),
        (r#"{"early_talk": "kill"}"#, "early_talk"),
    ] {
        let options = Options::new(serde_json::from_str(json).expect("a table"));
        let read = options.read::<Config>().and_then(|config| config.check());
        let error = read.expect_err(json);
        assert!(error.key.starts_with(key), "{json}: {error}");
    }
}
