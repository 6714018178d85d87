use gatepost_core::{Address, Level, Score};
use gatepost_pipeline::policy::Action;

use super::*;
use crate::wiring;

fn good(text: &str) -> Loaded {
    read(&format!("{GOOD}{text}"), &[]).unwrap_or_else(|mistakes| panic!("{mistakes}"))
}

fn told(loaded: &Loaded) -> Vec<String> {
    loaded.warnings.iter().map(ToString::to_string).collect()
}

#[test]
fn a_user_has_a_policy_of_its_own() {
    let loaded = good(
        "[policy.high]\nthreshold = 12\n[domain.\"example.org\".users.Ann]\nspam_lover = true\n\
         [domain.\"example.org\".users.\"bob@example.org\".high]\nthreshold = 7\naction = \"hold\"\n",
    );
    assert_eq!(loaded.warnings, []);
    let policy = wiring::policy(&loaded.config);
    let of = |to: &str| {
        let rules = policy.of(&Address::parse(to, true).expect(to));
        let high = rules.grade(Level::High);
        (rules.spam_lover, high.threshold, high.action)
    };
    assert_eq!(of("ann+x@example.org"), (true, Score::points(12), Action::Reject));
    assert_eq!(of("bob@example.org"), (false, Score::points(7), Action::Hold));
    assert_eq!(of("carl@example.org"), (false, Score::points(12), Action::Reject));
}

#[test]
fn what_is_locked_above_is_told_and_breaks_nothing() {
    let domain = "[domain.\"example.org\".policy]\ndry_run = true\nlocked = [\"low\"]\n[domain.\"example.org\".policy.high]\naction = \"hold\"\nthreshold = 20\n";
    let loaded = good(&format!(
        "[policy]\nlocked = [\"high.action\", \"dry_run\"]\n{domain}\
         [domain.\"example.org\".users.ann]\ndry_run = true\nlow = {{ threshold = 1 }}\n"
    ));
    assert_eq!(
        told(&loaded),
        [
            "gatepost.toml:11:11: warning: domain.\"example.org\".policy.dry_run: locked by [policy]: this changes nothing; \
             take it out, or the lock",
            "gatepost.toml:14:10: warning: domain.\"example.org\".policy.high.action: locked by [policy]: this changes \
             nothing; take it out, or the lock",
            "gatepost.toml:17:11: warning: domain.\"example.org\".users.ann.dry_run: locked by [policy] or \
             [domain.\"example.org\".policy]: this changes nothing; take it out, or the lock",
            "gatepost.toml:18:21: warning: domain.\"example.org\".users.ann.low.threshold: locked by [policy] or \
             [domain.\"example.org\".policy]: this changes nothing; take it out, or the lock",
        ]
    );
    let policy = wiring::policy(&loaded.config);
    let rules = policy.rules(Some("example.org"), Some("ann"));
    assert!(!rules.dry_run);
    assert_eq!(rules.grade(Level::High).action, Action::Reject);
    assert_eq!(rules.grade(Level::High).threshold, Score::points(20));
    assert_eq!(rules.grade(Level::Low).threshold, Score::points(3));
}

/// A lock that comes later may leave a customer's thresholds in disorder: that is told, and the proxy starts.
#[test]
fn disorder_that_a_lock_makes_is_a_warning_and_any_other_a_mistake() {
    let domain = "[domain.\"example.org\".policy]\nmedium = { threshold = 12 }\nhigh = { threshold = 15 }\n";
    assert_eq!(good(domain).warnings, []);
    let loaded = good(&format!("[policy]\nlocked = [\"high.threshold\"]\n{domain}"));
    let told = told(&loaded);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[0].contains("policy.high: threshold 10 is below 12"), "{told:#?}");
    assert!(
        told[1].contains("policy.high.threshold: locked by [policy]"),
        "{told:#?}"
    );
    let alone = "[domain.\"example.org\".policy]\nmedium = { threshold = 12 }\n";
    let told = mistakes(&format!("{GOOD}{alone}"));
    assert!(
        told.len() == 1 && told[0].contains("threshold 10 is below 12"),
        "{told:#?}"
    );
}

#[test]
fn what_cannot_be_meant_of_a_user_is_a_mistake() {
    let users = "domain.\"example.org\".users";
    for (text, wrong) in [
        (
            format!("[{users}.ann]\nhops = 3\n"),
            "users.ann.hops: holds for the whole site",
        ),
        (format!("[{users}.ann]\ndry_rum = true\n"), "dry_run"),
        (
            format!("[{users}.\"ann@other.example\"]\ndry_run = true\n"),
            "belongs to the list of `other.example`",
        ),
        (format!("[{users}.\"*\"]\ndry_run = true\n"), "one by one"),
        (
            format!("[{users}.Ann]\ndry_run = true\n[{users}.\"ann@example.org\"]\ndry_run = true\n"),
            "the mailbox of `Ann`: expected one table for each mailbox",
        ),
        (
            format!("[{users}.ann]\nhigh = {{ threshold = 1 }}\n"),
            "users.ann.high: threshold 1 is below 6",
        ),
        (
            format!("[{users}.ann]\nspambox = \"all@other.example\"\n"),
            "users.ann.spambox: other.example is not",
        ),
        (
            "[policy]\nlocked = [\"hgih\"]\n".into(),
            "there is no key `hgih` to be locked",
        ),
        (
            "[policy]\nlocked = [\"hops\"]\n".into(),
            "holds for the whole site anyway",
        ),
    ] {
        let told = mistakes(&format!("{GOOD}{text}"));
        assert!(told.len() == 1 && told[0].contains(wrong), "{text}: {told:#?}");
    }
    let warned = told(&good(&format!("[{users}.ann]\nlocked = [\"high\"]\n")));
    assert!(
        warned.len() == 1 && warned[0].contains("below a user there is nobody"),
        "{warned:#?}"
    );
}
