//! The dialogues of the house: what holds whichever filters there are.

use std::path::Path;

use gatepost_testkit::dialogue;

#[test]
fn the_dialogues_go_as_written() {
    dialogue::run_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues"));
}

#[test]
fn mail_waits_as_written() {
    dialogue::run_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues/queue"));
}

#[test]
fn each_recipient_is_told_as_written() {
    dialogue::run_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/dialogues/prdr"));
}

fn failure(script: &str) -> Box<dialogue::Failure> {
    dialogue::run("script.smtp", script, Path::new(".")).expect_err("this script must fail")
}

#[test]
fn a_failure_names_the_line_what_was_expected_and_what_came() {
    let failure = failure("client 192.0.2.1\nC EHLO mail.b.example\nS 550 never\n");
    assert_eq!((failure.line, failure.expected.as_str()), (3, "550 never"));
    assert!(failure.got.starts_with("250 "), "{}", failure.got);
    let text = failure.to_string();
    assert!(
        text.starts_with("script.smtp:3: S 550 never\n") && text.contains("C: EHLO mail.b.example"),
        "{text}"
    );
}

#[test]
fn a_reply_that_nobody_expected_is_a_failure() {
    assert_eq!(
        failure("client 192.0.2.1\nC EHLO mail.b.example\nC NOOP\nS 250\n").expected,
        "no other reply"
    );
    assert_eq!(
        failure("client 192.0.2.1\nC EHLO mail.b.example\nS 250\nC NOOP\n").expected,
        "no other reply"
    );
}

#[test]
fn words_that_are_no_statement_are_a_failure() {
    for script in [
        "clinet 192.0.2.1\n",
        "client 192.0.2.1\nC NOOP\nS 250\nfilter told off\n",
        "filter nobody score\nclient 192.0.2.1\nC NOOP\n",
        "policy hgih=1\nclient 192.0.2.1\nC NOOP\n",
    ] {
        assert_eq!(failure(script).got, "no such statement", "{script}");
    }
}

#[test]
fn a_script_that_tests_nothing_is_a_failure() {
    assert!(failure("client 192.0.2.1\n").expected.contains("`S`"));
}
