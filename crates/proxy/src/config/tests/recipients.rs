use std::path::PathBuf;
use std::time::Duration;

use gatepost_core::Address;
use gatepost_pipeline::recipients::{Known, Spans};
use tempfile::TempDir;

use super::*;

/// A good file, and what it says of its domain.
fn with(lines: &str) -> String {
    format!("{GOOD}[domain.\"example.org\"]\n{lines}\n")
}

fn list(octets: &[u8]) -> (TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("list");
    std::fs::write(&file, octets).expect("a file");
    let line = format!("recipients_file = {:?}", file.display().to_string());
    (folder, file, line)
}

fn known(loaded: &Loaded, to: &str) -> Option<Known> {
    loaded.config.lists.known(&Address::parse(to, true).expect(to))
}

fn good(text: &str) -> Loaded {
    read(text, &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

#[test]
fn a_list_is_of_its_domain_and_both_its_parts_count() {
    let (_folder, _, file) = list(
        b"\xef\xbb\xbf# those of the office\r\nBob@example.org\r\n\r\n  carl   # the boss\r\n\"odd #one\" # two\r\nm\xc3\xbcller\r\na#b",
    );
    let loaded = good(&with(&format!("recipients = [\"Ann\"]\n{file}")));
    assert_eq!(loaded.warnings, []);
    for here in [
        "ann@example.org",
        "BOB@Example.org",
        "carl+x@example.org",
        "\"odd #one\"@example.org",
        "m\u{fc}ller@example.org",
        "a#b@example.org",
        "abuse@example.org",
    ] {
        assert_eq!(known(&loaded, here), Some(Known::Yes), "{here}");
    }
    for nobody in [
        "eve@example.org",
        "odd@example.org",
        "#@example.org",
        "office@example.org",
    ] {
        assert_eq!(known(&loaded, nobody), Some(Known::No), "{nobody}");
    }
    assert_eq!(known(&loaded, "eve@other.example"), None);
    assert_eq!(known(&good(GOOD), "eve@example.org"), None, "no list, no answer");
}

#[test]
fn mistakes_in_a_list_are_told_with_their_place() {
    let told = mistakes(&with(
        "recipients = [\"ann\", \"ann smith\", \"@example.org\", \"bob@other.example\"]",
    ));
    let starts = |n: usize, start: &str| assert!(told[n].starts_with(start), "{told:#?}");
    assert_eq!(told.len(), 3, "{told:#?}");
    starts(
        0,
        "gatepost.toml:9:22: domain.\"example.org\".recipients[1]: expected a local part",
    );
    starts(
        1,
        "gatepost.toml:9:35: domain.\"example.org\".recipients[2]: a list names mailboxes one by one",
    );
    starts(
        2,
        "gatepost.toml:9:51: domain.\"example.org\".recipients[3]: an address of another domain: it belongs to the list of `other.example`",
    );
}

#[test]
fn mistakes_in_a_file_are_told_with_file_and_line() {
    let long = "x".repeat(1_001);
    let text = format!("ann\nbob@other.example\n# fine\nann smith\n*\n\nd\u{0}\n{long}\n");
    let mut octets = text.into_bytes();
    octets.extend_from_slice(b"caf\xe9\n");
    let (_folder, file, line) = list(&octets);
    let told = mistakes(&with(&line));
    let file = file.display().to_string();
    let places: Vec<&str> = told
        .iter()
        .map(|told| {
            told.strip_prefix(&file)
                .and_then(|rest| rest.split(": ").next())
                .unwrap_or(told)
        })
        .collect();
    assert_eq!(places, [":2:1", ":4:1", ":5:1", ":7:1", ":8:1", ":9:1"], "{told:#?}");
    assert!(
        told[0].contains("domain.\"example.org\".recipients_file: an address of another domain"),
        "{told:#?}"
    );
    assert!(
        told[1].ends_with("found \"ann smith\"") && told[5].ends_with("expected UTF-8"),
        "{told:#?}"
    );
}

#[test]
fn of_many_mistakes_in_a_file_the_first_are_told_and_the_rest_is_counted() {
    let (_folder, _, line) = list("no address\n".repeat(5_000).as_bytes());
    let told = mistakes(&with(&line));
    assert_eq!(told.len(), 21);
    assert!(
        told.iter().any(|told| told.ends_with("4980 more lines are wrong")),
        "{told:#?}"
    );
}

#[test]
fn a_file_that_is_missing_empty_or_no_file_is_refused() {
    let one = |line: &str| {
        let told = mistakes(&with(line));
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(
            told[0].starts_with("gatepost.toml:9:19: domain.\"example.org\".recipients_file: "),
            "{told:#?}"
        );
        told[0].clone()
    };
    assert!(one("recipients_file = \"/nowhere/list\"").contains("/nowhere/list: cannot be read: "));
    assert!(one("recipients_file = \"/dev/zero\"").ends_with("expected a file"));
    assert!(one("recipients_file = \"/\"").ends_with("expected a file"));
    for nothing in ["", "# nobody\n\n"] {
        let (_folder, _, line) = list(nothing.as_bytes());
        assert!(one(&line).contains("names nobody: all mail for example.org would be refused"));
    }
}

#[test]
fn a_list_that_is_too_long_is_refused() {
    let (_folder, _, line) = list("a\n".repeat(1_000_001).as_bytes());
    let told = mistakes(&with(&line));
    assert!(
        told.iter().any(|told| told.ends_with("more than 1000000 recipients")),
        "{told:#?}"
    );
}

#[test]
fn what_is_hardly_meant_of_recipients_is_a_warning() {
    let warnings = |text: &str| {
        let all = good(text).warnings;
        all.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let told = warnings(&with("recipients = []"));
    assert!(
        told.len() == 1 && told[0].contains("recipients: an empty list: all mail for this domain"),
        "{told:#?}"
    );
    let told = warnings(&format!("{GOOD}[recipients]\nunknown = \"2days\"\n"));
    assert!(
        told.len() == 1 && told[0].contains("recipients.unknown: a mailbox that is new is refused"),
        "{told:#?}"
    );
    let told = warnings(&format!("{GOOD}[domain.\"other.example\"]\nrecipients = [\"ann\"]\n"));
    assert!(
        told.iter()
            .any(|told| told.contains("not in local_domains: no mail for it comes in")),
        "{told:#?}"
    );
}

#[test]
fn answers_are_remembered_unless_that_is_switched_off() {
    assert_eq!(good(GOOD).config.recipients.spans(), Spans::default());
    let off = good(&format!("{GOOD}[recipients]\nknown = \"0s\"\nunknown = \"10m\"\n"));
    let spans = off.config.recipients.spans();
    assert_eq!((spans.known, spans.unknown), (Duration::ZERO, Duration::from_secs(600)));
    let variable = read(GOOD, &[("GATEPOST_RECIPIENTS__UNKNOWN", "0s")]).expect("no mistake");
    assert_eq!(variable.config.recipients.spans().unknown, Duration::ZERO);
}

#[test]
fn what_was_read_is_no_key_of_its_own() {
    assert!(mistakes(&format!("lists = 1\n{GOOD}"))[0].contains("lists"));
    let schema = schema(&linked());
    assert!(schema["properties"]["recipients"].is_object());
    assert!(schema["properties"].get("lists").is_none());
}
