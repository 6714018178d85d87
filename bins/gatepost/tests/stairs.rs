//! The rule of the stairs: a crate may depend only on lower floors; on one floor nobody knows a neighbour.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Every crate that there is or is meant to be, and its floor. A new crate is given its place here.
const FLOORS: [(&str, u8); 32] = [
    ("gatepost-smtp", 0),
    ("gatepost-message", 0),
    ("gatepost-containers", 0),
    ("gatepost-core", 1),
    ("gatepost-tokens", 1),
    ("gatepost-pipeline", 2),
    ("gatepost-greylist", 2),
    ("gatepost-bayes", 2),
    ("gatepost-hmm", 2),
    ("gatepost-ngram", 2),
    ("gatepost-dnsbl", 2),
    ("gatepost-spf-dkim-dmarc", 2),
    ("gatepost-clamav", 2),
    ("gatepost-icap", 2),
    ("gatepost-attachments", 2),
    ("gatepost-conduct", 2),
    ("gatepost-whitelist", 2),
    ("gatepost-resend", 2),
    ("gatepost-command-mailbox", 2),
    ("gatepost-dns", 2),
    ("gatepost-store-rocksdb", 2),
    ("gatepost-store-redis", 2),
    ("gatepost-archive", 2),
    ("gatepost-queue", 2),
    ("gatepost-training", 3),
    ("gatepost-filters", 3),
    ("gatepost-desk", 3),
    ("gatepost-admin", 3),
    ("gatepost-proxy", 4),
    ("gatepost", 5),
    // Nothing stands on these, so they may stand on everything.
    ("gatepost-benches", 6),
    ("gatepost-fuzz", 6),
];

/// What a filter crate may know of Gatepost, besides core.
const FILTERS: [(&str, &[&str]); 13] = [
    ("gatepost-greylist", &[]),
    ("gatepost-bayes", &["gatepost-tokens"]),
    ("gatepost-hmm", &["gatepost-tokens"]),
    ("gatepost-ngram", &["gatepost-tokens"]),
    ("gatepost-dnsbl", &[]),
    ("gatepost-spf-dkim-dmarc", &[]),
    ("gatepost-clamav", &[]),
    ("gatepost-icap", &[]),
    ("gatepost-attachments", &["gatepost-containers"]),
    ("gatepost-conduct", &[]),
    ("gatepost-whitelist", &[]),
    ("gatepost-resend", &[]),
    ("gatepost-command-mailbox", &["gatepost-containers"]),
];

/// Stands beside the stairs: on core, smtp, message and pipeline, and is used by tests and benches only.
const TESTKIT: &str = "gatepost-testkit";

/// Package, dependency, kind; within the workspace only.
fn edges() -> Vec<(String, String, DependencyKind)> {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata");
    let mut edges = Vec::new();
    for package in metadata.packages {
        edges.push((package.name.to_string(), String::new(), DependencyKind::Normal));
        for dependency in package
            .dependencies
            .into_iter()
            .filter(|dependency| dependency.path.is_some())
        {
            edges.push((package.name.to_string(), dependency.name, dependency.kind));
        }
    }
    edges
}

/// What is wrong with some edges, in words.
fn faults(edges: &[(String, String, DependencyKind)]) -> Vec<String> {
    let floors = BTreeMap::from(FLOORS);
    let mut faults = Vec::new();
    for (package, dependency, kind) in edges {
        let dev = *kind == DependencyKind::Development;
        match (package.as_str(), dependency.as_str()) {
            (TESTKIT, "" | "gatepost-core" | "gatepost-smtp" | "gatepost-message" | "gatepost-pipeline") => {}
            (TESTKIT, _) if dev => {}
            (TESTKIT, other) => faults.push(format!(
                "{TESTKIT} stands on core, smtp, message and pipeline, not on {other}"
            )),
            (_, TESTKIT) if dev => {}
            (package, TESTKIT) => faults.push(format!("{package} uses {TESTKIT} outside its tests")),
            (package, "") => {
                if !floors.contains_key(package) {
                    faults.push(format!("{package} has no floor: give it one in this test"));
                }
            }
            (package, dependency) => {
                let (Some(own), Some(its)) = (floors.get(package), floors.get(dependency)) else {
                    faults.push(format!(
                        "{package} depends on {dependency}, and one of them has no floor"
                    ));
                    continue;
                };
                if its >= own {
                    faults.push(format!(
                        "{package} (floor {own}) depends on {dependency} (floor {its}): only lower floors"
                    ));
                }
                let filter = FILTERS.iter().find(|(name, _)| *name == package);
                if filter
                    .is_some_and(|(_, known)| dependency != "gatepost-core" && !known.contains(&dependency) && !dev)
                {
                    faults.push(format!(
                        "{package} is a filter and knows {dependency}: core re-exports what it needs"
                    ));
                }
            }
        }
    }
    faults
}

#[test]
fn every_crate_depends_on_lower_floors_only() {
    assert_eq!(faults(&edges()), Vec::<String>::new());
}

#[test]
fn the_rule_finds_who_breaks_it() {
    let edge = |from: &str, to: &str, kind| faults(&[(from.into(), to.into(), kind)]).len();
    let normal = DependencyKind::Normal;
    assert_eq!(edge("gatepost-core", "gatepost-smtp", normal), 0);
    assert_eq!(edge("gatepost-core", "gatepost-pipeline", normal), 1, "upwards");
    assert_eq!(edge("gatepost-smtp", "gatepost-message", normal), 1, "a neighbour");
    assert_eq!(
        edge("gatepost-smtp", "gatepost-message", DependencyKind::Development),
        1,
        "a neighbour, even in tests"
    );
    assert_eq!(
        edge("gatepost-conduct", "gatepost-smtp", normal),
        1,
        "a filter knows core alone"
    );
    assert_eq!(
        edge("gatepost-conduct", "gatepost-testkit", DependencyKind::Development),
        0
    );
    assert_eq!(edge("gatepost-conduct", "gatepost-testkit", normal), 1);
    assert_eq!(edge("gatepost-testkit", "gatepost-proxy", normal), 1);
    assert_eq!(edge("gatepost-nobody", "", normal), 1, "no floor");
}
