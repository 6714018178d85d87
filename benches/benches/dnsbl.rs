//! DNS lists: ten of them about one session, from a zone in memory that answers at once.
//!
//! `connect` is one question to each of ten address lists, `mail` one to each of ten domain lists about a sender,
//! `message` is one about each of a mail's links' domains to each of ten. Each list is known to be well, as it is but once in
//! ten minutes, and nobody is on one. What DNS itself costs is another bench's.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gatepost_core::{Entry, Filter, Message, Options, Phase};
use gatepost_dnsbl::Dnsbl;
use gatepost_testkit::bench::Bench;

/// How many lists.
const LISTS: usize = 10;
/// How many domains the links of a mail lead to; six of them and ten lists are as many questions as there may be.
const DOMAINS: [usize; 3] = [0, 1, 6];

fn lists(bench: &Bench, kind: &str, of: &str) -> Arc<dyn Filter> {
    let list = |n| {
        let list = serde_json::json!({ "zone": format!("l{n}.example"), "kinds": [kind], "of": [of], "check": "none" });
        (format!("l{n}"), list)
    };
    let lists: serde_json::Map<_, _> = (0..LISTS).map(list).collect();
    let options = serde_json::json!({ "shipped": false, "lists": lists });
    let options = Options::new(options.as_object().cloned().expect("a table"));
    Entry::of::<Dnsbl>().build(options, bench.services()).expect("a filter")
}

fn mail(domains: usize) -> Arc<Message> {
    let mut text = String::from("From: <ann@b.example>\r\n\r\n");
    for n in 0..domains {
        let _ = write!(text, "Here: http://www.shop{n}.example/ \r\n");
    }
    let message = Arc::new(Message::from_bytes(text.into_bytes()));
    // It is read once for all filters; reading is another bench's.
    message.reading(&|| false);
    message
}

fn ask(criterion: &mut Criterion) {
    let bench = Bench::new();
    let plain = mail(0);
    let mut group = criterion.benchmark_group("dnsbl");
    for (name, phase, filter) in [
        ("connect", Phase::Connect, lists(&bench, "address", "link")),
        ("mail", Phase::Mail, lists(&bench, "domain", "sender")),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| bench.ask(black_box(&*filter), phase, &plain));
        });
    }
    let filter = lists(&bench, "domain", "link");
    for domains in DOMAINS {
        let message = mail(domains);
        group.bench_with_input(BenchmarkId::new("message", domains), &message, |bencher, message| {
            bencher.iter(|| bench.ask(&*filter, Phase::Message, black_box(message)));
        });
    }
    group.finish();
}

criterion_group!(benches, ask);
criterion_main!(benches);
