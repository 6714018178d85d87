//! DNS lists: ten of them about one session, from a zone in memory that answers at once.
//!
//! `connect` is one question to each of ten address lists, `mail` one to each of ten domain lists about a sender,
//! `message` is one about each of a mail's links' domains to each of ten. Each list is known to be well, as it is but once in
//! ten minutes, and nobody is on one. What DNS itself costs is another bench's.
//!
//! `cold` is time on the wall: what twenty lists add to a session when each client is a new one, over a name server on
//! loopback that takes 5 ms to answer, which are most of it.

use std::fmt::Write as _;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use gatepost_core::{Client, Context, Direction, Entry, Filter, Memo, Message, Options, Phase, Services, Visit};
use gatepost_dns::{Resolver, Settings};
use gatepost_dnsbl::Dnsbl;
use gatepost_testkit::bench::Bench;
use gatepost_testkit::{FakeClock, Fakes, Nameserver, Trouble};

/// How many lists.
const LISTS: usize = 10;
/// How many domains the links of a mail lead to; six of them and ten lists are as many questions as there may be.
const DOMAINS: [usize; 3] = [0, 1, 6];

fn lists(services: &Services, count: usize, kind: &str, of: &str) -> Arc<dyn Filter> {
    let list = |n| {
        let list = serde_json::json!({ "zone": format!("l{n}.example"), "kinds": [kind], "of": [of], "check": "none" });
        (format!("l{n}"), list)
    };
    let lists: serde_json::Map<_, _> = (0..count).map(list).collect();
    let options = serde_json::json!({ "shipped": false, "lists": lists });
    let options = Options::new(options.as_object().cloned().expect("a table"));
    Entry::of::<Dnsbl>().build(options, services).expect("a filter")
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
        (
            "connect",
            Phase::Connect,
            lists(bench.services(), LISTS, "address", "link"),
        ),
        ("mail", Phase::Mail, lists(bench.services(), LISTS, "domain", "sender")),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| bench.ask(black_box(&*filter), phase, &plain));
        });
    }
    let filter = lists(bench.services(), LISTS, "domain", "link");
    for domains in DOMAINS {
        let message = mail(domains);
        group.bench_with_input(BenchmarkId::new("message", domains), &message, |bencher, message| {
            bencher.iter(|| bench.ask(&*filter, Phase::Message, black_box(message)));
        });
    }
    group.finish();
}

fn cold(criterion: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let server = Nameserver::start("nobody.example A 127.0.0.2\n").expect("a zone");
    server.trouble("*", Trouble::Late(Duration::from_millis(5)));
    let settings = Settings {
        servers: vec![server.address],
        ..Settings::default()
    };
    let clock = FakeClock::new();
    let mut services = Fakes::new().services();
    services.dns = Arc::new(Resolver::new(&settings, clock).expect("a resolver"));
    let filter = lists(&services, 20, "address", "link");
    let mut number = 0x0b00_0000_u32;
    let mut group = criterion.benchmark_group("dnsbl");
    group.sample_size(50);
    group.bench_function("cold", |bencher| {
        bencher.iter(|| {
            number += 1;
            let client = Client::new(IpAddr::V4(Ipv4Addr::from(number)), 25_000);
            let visit = Visit::new(Direction::Inbound, "bench".into(), client);
            let memo = Memo::new(services.identify.clone());
            let cx = Context::new(FakeClock::START, &visit, &memo);
            let opinion = runtime.block_on(filter.connect(&cx)).expect("an opinion");
            assert!(opinion.is_none(), "{opinion:?}");
        });
    });
    group.finish();
}

criterion_group!(benches, ask, cold);
criterion_main!(benches);
