//! SPF for a sender as there are many: its own hosts, its mail servers and three services that send for it, of which the
//! last one sent this mail. All answers are there already; the budget is 15 µs.
//!
//! `memory` is a map of answers: what the evaluation itself costs. `resolver` is the product's, with a warm cache before a
//! name server on loopback. `parse` is one of the records.
#![allow(clippy::disallowed_types, reason = "a name server has sockets")]

use std::collections::HashMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use gatepost_core::{Dns, Fault, Lookup, Mx, SpfResult, Time, async_trait};
use gatepost_dns::{Resolver, Settings};
use gatepost_spf_dkim_dmarc::spf::{Question, Record, check};
use hickory_server::Server;
use hickory_server::net::runtime::TokioRuntimeProvider;
use hickory_server::proto::rr::Name;
use hickory_server::proto::serialize::txt::Parser;
use hickory_server::store::in_memory::InMemoryZoneHandler;
use hickory_server::zone_handler::{AxfrPolicy, Catalog, ZoneType};
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Runtime;

const OWN: &str = "v=spf1 mx a:www.b.test include:_spf.one.test include:_spf.two.test include:_spf.three.test -all";
const ONE: &str = "v=spf1 ip4:198.51.100.0/26 ip4:198.51.100.64/27 ip4:198.51.100.128/25 ip4:203.0.113.0/26 ip4:203.0.113.64/26 \
                   ip6:2001:db8:1::/48 ip6:2001:db8:2::/48 ip6:2001:db8:3::/48 ~all";
const TWO: &str =
    "v=spf1 ip4:198.51.100.1 ip4:198.51.100.2 ip4:198.51.100.3 ip4:198.51.100.4 ip4:198.51.100.5 ip4:198.51.100.6 -all";
const THREE: &str = "v=spf1 ip4:203.0.113.128/28 ip4:203.0.113.144/28 ip4:203.0.113.160/28 ip4:203.0.113.176/28 ip4:192.0.2.0/25 \
                     ip4:192.0.2.128/25 ~all";
const HOSTS: [(&str, Ipv4Addr); 3] = [
    ("www.b.test", Ipv4Addr::new(203, 0, 113, 200)),
    ("mx1.b.test", Ipv4Addr::new(203, 0, 113, 201)),
    ("mx2.b.test", Ipv4Addr::new(203, 0, 113, 202)),
];
const TEXTS: [(&str, &str); 4] = [
    ("b.test", OWN),
    ("_spf.one.test", ONE),
    ("_spf.two.test", TWO),
    ("_spf.three.test", THREE),
];

/// Answers from a map.
struct Map {
    addresses: HashMap<&'static str, Ipv4Addr>,
    texts: HashMap<&'static str, &'static str>,
}

fn found<T>(records: Vec<T>) -> Result<Lookup<T>, Fault> {
    let ttl = Duration::from_secs(300);
    Ok(if records.is_empty() {
        Lookup::NxDomain { ttl }
    } else {
        Lookup::Found { records, ttl }
    })
}

#[async_trait]
impl Dns for Map {
    async fn a(&self, name: &str) -> Result<Lookup<Ipv4Addr>, Fault> {
        found(self.addresses.get(name).copied().into_iter().collect())
    }
    async fn aaaa(&self, _: &str) -> Result<Lookup<Ipv6Addr>, Fault> {
        found(Vec::new())
    }
    async fn ptr(&self, _: IpAddr) -> Result<Lookup<Box<str>>, Fault> {
        found(Vec::new())
    }
    async fn txt(&self, name: &str) -> Result<Lookup<Box<[u8]>>, Fault> {
        found(
            self.texts
                .get(name)
                .map(|text| text.as_bytes().into())
                .into_iter()
                .collect(),
        )
    }
    async fn mx(&self, _: &str) -> Result<Lookup<Mx>, Fault> {
        let mx = |(preference, host): (u16, &str)| Mx {
            preference,
            host: host.into(),
        };
        found([(10, "mx1.b.test"), (20, "mx2.b.test")].map(mx).into())
    }
    async fn ns(&self, _: &str) -> Result<Lookup<Box<str>>, Fault> {
        found(Vec::new())
    }
}

/// A name server with the same records.
async fn serve() -> (Server<Catalog>, SocketAddr) {
    let mut zone = "@ 300 IN SOA ns.test. root.test. 1 3600 600 86400 30\n@ 300 IN NS ns.test.\n".to_owned();
    zone.push_str("b.test. 3600 IN MX 10 mx1.b.test.\nb.test. 3600 IN MX 20 mx2.b.test.\n");
    for (name, address) in HOSTS {
        zone.push_str(&format!("{name}. 3600 IN A {address}\n"));
    }
    for (name, text) in TEXTS {
        let (first, rest) = text.split_at(text.len() / 2);
        zone.push_str(&format!("{name}. 3600 IN TXT \"{first}\" \"{rest}\"\n"));
    }
    let origin = Name::from_ascii("test.").expect("a name");
    let (origin, records) = Parser::new(&zone, None, Some(origin)).parse().expect("a zone");
    let zone: InMemoryZoneHandler<TokioRuntimeProvider> =
        InMemoryZoneHandler::new(origin.clone(), records, ZoneType::Primary, AxfrPolicy::Deny).expect("a zone");
    let mut catalog = Catalog::new();
    catalog.upsert(origin.into(), vec![Arc::new(zone)]);
    let mut server = Server::new(catalog);
    let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = tcp.local_addr().expect("an address");
    server.register_socket(UdpSocket::bind(address).await.expect("the same port"));
    server.register_listener(tcp, Duration::from_secs(5), 4096);
    (server, address)
}

fn question() -> Question<'static> {
    Question {
        client: IpAddr::V4(Ipv4Addr::new(192, 0, 2, 200)),
        helo: "mail.three.test",
        local: "ann",
        domain: "b.test",
        receiver: "mx.d.example",
        now: Time::from_secs(2_000_000),
    }
}

fn spf(criterion: &mut Criterion) {
    let runtime = Runtime::new().expect("a runtime");
    let map = Map {
        addresses: HOSTS.into(),
        texts: TEXTS.into(),
    };
    let (_server, address) = runtime.block_on(serve());
    let settings = Settings {
        servers: vec![address],
        ..Settings::default()
    };
    let resolver = runtime
        .block_on(async { Resolver::new(&settings) })
        .expect("a resolver");

    let mut group = criterion.benchmark_group("spf");
    group.bench_function("parse", |bencher| {
        bencher.iter(|| Record::parse(black_box(ONE.as_bytes())))
    });
    let sources: [(&str, &dyn Dns); 2] = [("memory", &map), ("resolver", &resolver)];
    for (name, dns) in sources {
        let answer = runtime.block_on(check(dns, &question()));
        assert_eq!(answer.result, SpfResult::Pass, "{answer:?}");
        assert_eq!(
            answer.reason,
            "ip4:192.0.2.128/25 in the record of _spf.three.test matches"
        );
        group.bench_function(name, |bencher| {
            bencher.iter(|| runtime.block_on(check(dns, black_box(&question()))));
        });
    }
    group.bench_function("resolver_txt", |bencher| {
        bencher.iter(|| runtime.block_on(resolver.txt("_spf.one.test")))
    });
    group.bench_function("resolver_a", |bencher| {
        bencher.iter(|| runtime.block_on(resolver.a("mx1.b.test")))
    });
    group.finish();
}

criterion_group!(benches, spf);
criterion_main!(benches);
