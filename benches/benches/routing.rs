//! What is looked up for each recipient's domain, among ten thousand: its route, its rules, and whether its mail may wait
//! or be asked for. The bound is a microsecond for all of them together, whatever the name is.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gatepost_core::Path;
use gatepost_pipeline::{ByDomain, EtrnFrom, Exception, Exceptions, Layer, Mode, Policy, Routes};

/// How many domains there are.
const DOMAINS: usize = 10_000;

/// The domains of a provider: every tenth stands for all below it.
fn names() -> Vec<String> {
    let name = |n: usize| match n % 10 {
        0 => format!(".customer-{n}.example"),
        _ => format!("customer-{n}.example"),
    };
    (0..DOMAINS).map(name).collect()
}

/// All that is looked up.
struct Tables {
    routes: Routes,
    policy: Policy,
    terms: ByDomain<Duration>,
    etrn: EtrnFrom,
    exceptions: Exceptions,
}

fn tables() -> Tables {
    let names = names();
    let layer: Layer = serde_json::from_str(r#"{"high": {"action": "hold"}}"#).expect("a layer");
    let off = || Exception {
        mode: Some(Mode::Off),
        ..Exception::default()
    };
    let net = "192.0.2.0/28".parse().expect("a network");
    Tables {
        routes: Routes::inbound(names.iter().map(|name| (name.as_str(), name.as_str()))),
        policy: names.iter().fold(
            Policy::new(&Layer::default(), names.iter().map(|name| (name.as_str(), &layer))),
            |policy, name| policy.with_users(name, [("ann", &layer), ("bob", &layer)]),
        ),
        terms: names.iter().map(|name| (name, Duration::from_hours(48))).collect(),
        etrn: EtrnFrom::new(names.iter().map(|name| (name.as_str(), vec![net]))),
        exceptions: names.iter().map(|name| (name, off())).collect(),
    }
}

fn lookups(c: &mut Criterion) {
    let tables = tables();
    let client = "192.0.2.1".parse().expect("an address");
    let mut group = c.benchmark_group("routing");
    for (what, domain) in [
        ("known", "customer-7777.example"),
        ("below_a_known_one", "branch.office.customer-7770.example"),
        ("unknown", "nobody-7777.example"),
        (
            "unknown_of_many_labels",
            &format!("{}customer.example", "a.".repeat(110)),
        ),
    ] {
        let to = Path::forward(&format!("ann@{domain}"), true).expect("an address");
        group.bench_function(format!("route/{what}"), |b| {
            b.iter(|| tables.routes.route(black_box(&to)).is_ok())
        });
        group.bench_function(format!("all/{what}"), |b| {
            b.iter(|| {
                let domain = black_box(domain);
                (
                    tables.routes.route(&to).is_ok(),
                    tables.policy.rules(Some(domain), Some("ann")).dry_run,
                    tables.terms.get(domain).copied(),
                    tables.exceptions.get(domain).is_some(),
                )
            });
        });
        group.bench_function(format!("etrn/{what}"), |b| {
            b.iter(|| tables.etrn.may(black_box(domain), client))
        });
    }
    group.finish();
}

criterion_group!(benches, lookups);
criterion_main!(benches);
