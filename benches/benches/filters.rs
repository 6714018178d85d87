//! Every filter of the registry on the same mail: whoever links a filter into this bench has it measured.
//!
//! A filter is asked at the phases that it declares, with its default options, over services in memory. `nobody` is a
//! filter that says nothing at any phase: what asking costs, to be taken off the others. A name is in the registry only if
//! its crate is linked, so here stands the same list as in the binary.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gatepost_core::{Filter, Phase, Phases, registry};
use gatepost_filters as _;
use gatepost_testkit::bench::{Bench, corpus, filters};

struct Nobody;

impl Filter for Nobody {}

struct Asked {
    name: &'static str,
    phases: Phases,
    filter: Arc<dyn Filter>,
}

fn linked(bench: &Bench) -> Vec<Asked> {
    let everything = Phase::ALL.len();
    let always = Phases::CONNECT
        .and(Phases::HELO)
        .and(Phases::MAIL)
        .and(Phases::RCPT)
        .and(Phases::MESSAGE);
    assert_eq!(always.iter().count(), everything);
    let mut asked = vec![Asked {
        name: "nobody",
        phases: always,
        filter: Arc::new(Nobody),
    }];
    let registry = registry().expect("a registry without mistakes");
    for (name, filter) in filters(bench.services()).expect("a registry without mistakes") {
        asked.push(Asked {
            name,
            phases: registry[name].phases,
            filter,
        });
    }
    asked
}

fn ask(criterion: &mut Criterion) {
    let bench = Bench::new();
    let (corpus, linked) = (corpus(), linked(&bench));
    let (_, first) = corpus.first().expect("a corpus");
    for phase in Phase::ALL {
        let mut group = criterion.benchmark_group(phase.name());
        for Asked { name, filter, .. } in linked.iter().filter(|asked| asked.phases.has(phase)) {
            if phase != Phase::Message {
                group.bench_function(*name, |bencher| {
                    bencher.iter(|| bench.ask(black_box(&**filter), phase, first))
                });
                continue;
            }
            for (size, message) in &corpus {
                group.throughput(Throughput::Bytes(message.len()));
                group.bench_with_input(BenchmarkId::new(*name, size), message, |bencher, message| {
                    bencher.iter(|| bench.ask(&**filter, phase, black_box(message)));
                });
            }
        }
        group.finish();
    }
}

criterion_group!(benches, ask);
criterion_main!(benches);
