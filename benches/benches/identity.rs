//! What DNS costs: a look-up that is remembered, the look-ups of a whole first tier, and twenty lists that are not remembered
//! over a name server on loopback that takes 5 ms to answer.
//!
//! `warm` and `tier` are CPU time, no octet leaves the process. `tier` asks what SPF, two DKIM keys, DMARC and ten DNS lists
//! ask for one mail, one after another. `cold` is time on the wall, of which the name server's 5 ms are most; beside it
//! `one`, a single question to the same server, so the difference is what twenty at once cost.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::future::join_all;
use gatepost_core::Dns;
use gatepost_dns::{Resolver, Settings};
use gatepost_testkit::{FakeClock, Nameserver, Trouble};
use tokio::runtime::Runtime;

/// What a list takes to answer.
const TAKES: Duration = Duration::from_millis(5);

const ZONE: &str = r#"
    b.example                    TXT  "v=spf1 include:_spf.provider.example mx a:mail.b.example -all"
    _spf.provider.example        TXT  "v=spf1 ip4:198.51.100.0/24 include:_two.provider.example ~all"
    _two.provider.example        TXT  "v=spf1 ip4:203.0.113.0/24 ?all"
    b.example                    MX   10 mail.b.example
    mail.b.example               A    192.0.2.1
    192.0.2.1                    PTR  mail.b.example
    s1._domainkey.b.example      TXT  "v=DKIM1; k=rsa; p=KEY"
    s2._domainkey.provider.example TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
    _dmarc.b.example             TXT  "v=DMARC1; p=quarantine; rua=mailto:d@b.example"
    *.list.example               A    127.0.0.2
"#;

struct Stage {
    runtime: Runtime,
    server: Nameserver,
    dns: Resolver,
}

fn stage() -> Stage {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let server = Nameserver::start(&ZONE.replace("KEY", &"MIIB".repeat(98))).expect("a zone");
    let settings = Settings {
        servers: vec![server.address],
        ..Settings::default()
    };
    let dns = Resolver::new(&settings, FakeClock::new()).expect("a resolver");
    Stage { runtime, server, dns }
}

/// What the filters of a first tier ask DNS about one mail.
async fn tier(dns: &dyn Dns) {
    for name in [
        "b.example",
        "_spf.provider.example",
        "_two.provider.example",
        "s1._domainkey.b.example",
        "s2._domainkey.provider.example",
        "_dmarc.b.example",
    ] {
        black_box(dns.txt(name).await.expect("an answer"));
    }
    let client = "192.0.2.1".parse().expect("an address");
    black_box(dns.ptr(client).await.expect("an answer"));
    black_box(dns.mx("b.example").await.expect("an answer"));
    for name in ["mail.b.example", "b.example", "mail.b.example"] {
        black_box(dns.a(name).await.expect("an answer"));
        black_box(dns.aaaa(name).await.expect("an answer"));
    }
    for n in 0..10 {
        black_box(dns.a(&format!("1.2.0.192.l{n}.list.example")).await.expect("an answer"));
    }
}

fn warm(criterion: &mut Criterion) {
    let Stage { runtime, dns, server } = stage();
    runtime.block_on(tier(&dns));
    let asked = server.asked();
    let mut group = criterion.benchmark_group("warm");
    group.bench_function("a", |bencher| {
        bencher.iter(|| runtime.block_on(async { black_box(dns.a("mail.b.example").await) }));
    });
    group.bench_function("txt", |bencher| {
        bencher.iter(|| runtime.block_on(async { black_box(dns.txt("s1._domainkey.b.example").await) }));
    });
    group.bench_function("tier", |bencher| bencher.iter(|| runtime.block_on(tier(&dns))));
    group.finish();
    assert_eq!(server.asked(), asked, "nothing was asked again");
}

fn cold(criterion: &mut Criterion) {
    let Stage { runtime, dns, server } = stage();
    server.trouble("*", Trouble::Late(TAKES));
    let mut mail = 0_u64;
    let mut group = criterion.benchmark_group("cold");
    group.sample_size(50);
    for (name, lists) in [("one", 1), ("twenty_lists", 20)] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                mail += 1;
                let names: Vec<String> = (0..lists).map(|n| format!("{mail}.l{n}.list.example")).collect();
                let answers = runtime.block_on(join_all(names.iter().map(|name| dns.a(name))));
                assert!(answers.iter().all(Result::is_ok));
            });
        });
    }
    group.finish();
}

criterion_group!(benches, warm, cold);
criterion_main!(benches);
