//! Files and policies in few words.

use gatepost_attachments::Config;
use gatepost_attachments::look::{Contents, File};
use gatepost_attachments::name::Name;
use gatepost_attachments::policy::{Hit, Policy};
use gatepost_attachments::rule::{Action, Rule, Side};
use gatepost_containers::{Kind, Mark};

/// A file of a mail: `outer.zip > inner.exe` lies within another one.
pub fn file(path: &str, kind: Kind) -> File {
    let path: Vec<Box<str>> = path.split(" > ").map(Into::into).collect();
    let own = path.last().expect("a name").clone();
    File {
        piece: 0,
        part: 0,
        names: if own.is_empty() {
            Vec::new()
        } else {
            vec![Name::read(&own)]
        },
        path,
        declared: Vec::new(),
        kind,
        octets: 1_000,
        sha256: Some([7; 32]),
        marks: Vec::new(),
        shown: false,
        whole: true,
        of_package: false,
        place: None,
    }
}

pub fn marked(path: &str, kind: Kind, mark: Mark) -> File {
    File {
        marks: vec![(mark, "seen".into())],
        ..file(path, kind)
    }
}

pub fn carrying(files: Vec<File>) -> Contents {
    Contents {
        files,
        ..Contents::default()
    }
}

/// The policy of options in JSON.
pub fn policy(options: serde_json::Value) -> Policy {
    config(options).policy().expect("a policy")
}

pub fn config(options: serde_json::Value) -> Config {
    serde_json::from_value(options).expect("options")
}

pub fn rules(hits: &[Hit<'_>]) -> Vec<Rule> {
    let mut rules: Vec<_> = hits.iter().map(|hit| hit.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// What is found about one file.
pub fn found(policy: &Policy, file: File, side: Side) -> Vec<Rule> {
    rules(&policy.judge(&carrying(vec![file]), side, &[]))
}

pub fn is_blocked(policy: &Policy, file: File, side: Side) -> bool {
    found(policy, file, side).contains(&Rule::Blocked)
}

/// The strongest that happens to a mail with one file.
pub fn happens(policy: &Policy, file: File, side: Side) -> Action {
    let contents = carrying(vec![file]);
    let hits = policy.judge(&contents, side, &[]);
    hits.iter().map(|hit| hit.action).max().unwrap_or(Action::Off)
}
