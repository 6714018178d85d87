//! What DNS costs: a look-up that is remembered, the look-ups of a whole first tier, that tier itself, and twenty lists that
//! are not remembered over a name server on loopback that takes 5 ms to answer.
//!
//! `warm` is CPU time, no octet leaves the process. `look-ups` are what SPF, two DKIM keys, DMARC and ten DNS lists ask for
//! one mail, one after another; `tier` is `dnsbl` with ten lists and `spf_dkim_dmarc`, as the registry has them, asked at
//! connect, MAIL and message about a mail of 6 kB with two signatures that hold, which is parsed anew each time. `cold` is time on the wall, of which the name server's 5 ms are most; beside it
//! `one`, a single question to the same server, so the difference is what twenty at once cost.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::future::join_all;
use gatepost_core::{
    Client, Context, Direction, Dns, Envelope, Filter, Helo, MailParams, Memo, Message, Options, Path, RcptParams,
    Recipient, RecipientId, Services, Visit, registry,
};
use gatepost_dns::{Resolver, Settings};
use gatepost_filters as _;
use gatepost_spf_dkim_dmarc::Identifier;
use gatepost_testkit::{FakeClock, Fakes, Nameserver, Trouble};
use serde_json::json;
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

/// A mail of ann@b.example with a signature of b.example and one of other.example, both RSA-2048.
const MAIL: &[u8] = include_bytes!("../../fixtures/dialogues/spf_dkim_dmarc/six-kilobytes.eml");
/// Their keys.
const KEYS: &str = include_str!("../../fixtures/dialogues/spf_dkim_dmarc/keys.zone");

struct Stage {
    runtime: Runtime,
    server: Nameserver,
    dns: Resolver,
}

fn stage() -> Stage {
    stage_of(&ZONE.replace("KEY", &"MIIB".repeat(98)))
}

fn stage_of(zone: &str) -> Stage {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let server = Nameserver::start(zone).expect("a zone");
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
    group.bench_function("look-ups", |bencher| bencher.iter(|| runtime.block_on(tier(&dns))));
    group.finish();
    assert_eq!(server.asked(), asked, "nothing was asked again");
}

/// The first tier, its filters from the registry: ten lists, and the proofs.
struct Tier {
    services: Services,
    filters: [Arc<dyn Filter>; 2],
    visit: Visit,
    envelope: Envelope,
}

impl Tier {
    fn over(dns: Resolver) -> Tier {
        let mut services = Fakes::new().services();
        services.dns = Arc::new(dns);
        services.identify = Arc::new(Identifier::new(&services, gatepost_spf_dkim_dmarc::Settings::default()));
        let list = |n: usize| {
            let (kind, of) = if n < 5 {
                ("address", "link")
            } else {
                ("domain", "sender")
            };
            let zone = format!("l{n}.list.example");
            (
                format!("l{n}"),
                json!({ "zone": zone, "kinds": [kind], "of": [of], "check": "none" }),
            )
        };
        let lists: serde_json::Map<_, _> = (0..10).map(list).collect();
        let lists = json!({ "shipped": false, "lists": lists });
        let lists = Options::new(lists.as_object().cloned().expect("a table"));
        let registry = registry().expect("a registry");
        let filters = [("dnsbl", lists), ("spf_dkim_dmarc", Options::default())]
            .map(|(name, options)| registry[name].build(options, &services).expect("a filter"));
        let client = Client::new("192.0.2.1".parse().expect("an address"), 25_000);
        let mut visit = Visit::new(Direction::Inbound, "bench".into(), client);
        let name = "mail.b.example".into();
        visit.helo = Some(Helo { name, extended: true });
        let path = |text| Path::reverse(text, false).expect("a path");
        let mut envelope = Envelope::new(path("ann@b.example"), MailParams::default());
        let carl = Recipient::new(RecipientId(0), path("carl@d.example"), RcptParams::default());
        envelope.recipients.push(carl);
        Tier {
            services,
            filters,
            visit,
            envelope,
        }
    }

    /// One session with one mail; how many findings there were.
    async fn ask(&self) -> usize {
        let memo = Memo::new(self.services.identify.clone());
        let cx = || Context::new(FakeClock::START, &self.visit, &memo);
        let message = Arc::new(Message::from_bytes(MAIL));
        let mut found = 0;
        for filter in &self.filters {
            found += filter.connect(&cx()).await.expect("an opinion").findings().len();
        }
        for filter in &self.filters {
            let cx = cx().with_envelope(&self.envelope);
            let opinion = filter.mail(&cx, &self.envelope.from).await;
            found += opinion.expect("an opinion").findings().len();
        }
        for filter in &self.filters {
            let cx = cx().with_envelope(&self.envelope).with_message(&message);
            let opinion = filter.message(&cx, &message).await;
            found += opinion.expect("an opinion").findings().len();
        }
        let sender = gatepost_core::Sender::new(self.visit.origin, self.visit.helo.clone(), self.envelope.from.clone());
        let identity = memo.identity(sender, &message).await.expect("an identity");
        assert!(identity.aligned && identity.signatures.len() == 2, "{identity:?}");
        found
    }
}

fn whole(criterion: &mut Criterion) {
    let zone: String = ZONE
        .lines()
        .filter(|line| !line.contains("_domainkey") && !line.contains("*."))
        .map(|line| format!("{line}\n"))
        .collect();
    let Stage { runtime, dns, server } = stage_of(&format!("{zone}{KEYS}"));
    let tier = Tier::over(dns);
    black_box(runtime.block_on(tier.ask()));
    let asked = server.asked();
    criterion.bench_function("warm/tier", |bencher| {
        bencher.iter(|| black_box(runtime.block_on(tier.ask())));
    });
    assert_eq!(server.asked(), asked, "nothing was asked again");
    assert!(asked >= 16, "{asked} questions");
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

criterion_group!(benches, warm, whole, cold);
criterion_main!(benches);
