//! The rule of the stairs: a crate may depend only on lower floors; on one floor nobody knows a neighbour.

use std::collections::BTreeMap;

use cargo_metadata::{DependencyKind, MetadataCommand};

/// Every crate that there is or is meant to be, and its floor. A new crate is given its place here.
const FLOORS: [(&str, f32); 34] = [
    ("gatepost-smtp", 0.0),
    ("gatepost-message", 0.0),
    ("gatepost-containers", 0.0),
    ("gatepost-core", 1.0),
    ("gatepost-tokens", 1.0),
    ("gatepost-folder", 1.0),
    // A landing: what several filters are made of.
    ("gatepost-scanner", 1.5),
    ("gatepost-pipeline", 2.0),
    ("gatepost-greylist", 2.0),
    ("gatepost-bayes", 2.0),
    ("gatepost-hmm", 2.0),
    ("gatepost-ngram", 2.0),
    ("gatepost-dnsbl", 2.0),
    ("gatepost-spf-dkim-dmarc", 2.0),
    ("gatepost-clamav", 2.0),
    ("gatepost-icap", 2.0),
    ("gatepost-attachments", 2.0),
    ("gatepost-conduct", 2.0),
    ("gatepost-whitelist", 2.0),
    ("gatepost-resend", 2.0),
    ("gatepost-command-mailbox", 2.0),
    ("gatepost-dns", 2.0),
    ("gatepost-store-rocksdb", 2.0),
    ("gatepost-store-redis", 2.0),
    ("gatepost-archive", 2.0),
    ("gatepost-queue", 2.0),
    ("gatepost-training", 3.0),
    ("gatepost-filters", 3.0),
    ("gatepost-desk", 3.0),
    ("gatepost-admin", 3.0),
    ("gatepost-proxy", 4.0),
    ("gatepost", 5.0),
    // Nothing stands on these, so they may stand on everything.
    ("gatepost-benches", 6.0),
    ("gatepost-fuzz", 6.0),
];

/// What a filter crate may know of Gatepost, besides core.
const FILTERS: [(&str, &[&str]); 13] = [
    ("gatepost-greylist", &[]),
    ("gatepost-bayes", &["gatepost-tokens"]),
    ("gatepost-hmm", &["gatepost-tokens"]),
    ("gatepost-ngram", &["gatepost-tokens"]),
    ("gatepost-dnsbl", &[]),
    ("gatepost-spf-dkim-dmarc", &[]),
    ("gatepost-clamav", &["gatepost-scanner"]),
    ("gatepost-icap", &["gatepost-scanner"]),
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
    assert_eq!(edge("gatepost-icap", "gatepost-scanner", normal), 0);
    assert_eq!(
        edge("gatepost-dnsbl", "gatepost-scanner", normal),
        1,
        "which is not its own"
    );
    assert_eq!(
        edge("gatepost-conduct", "gatepost-testkit", DependencyKind::Development),
        0
    );
    assert_eq!(edge("gatepost-conduct", "gatepost-testkit", normal), 1);
    assert_eq!(edge("gatepost-testkit", "gatepost-proxy", normal), 1);
    assert_eq!(edge("gatepost-nobody", "", normal), 1, "no floor");
}
