//! The resolver and a name server with troubles.
#![allow(clippy::disallowed_methods, reason = "a deadline is measured against a real server")]

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use gatepost_core::{Dns, Fault, Lookup};
use gatepost_dns::{Resolver, Settings};
use gatepost_testkit::{FakeClock, Nameserver, Trouble};
use tokio::time::{Instant, timeout};

const ZONE: &str = r#"
    a.example        120  A    192.0.2.1
    brief.example    1    A    192.0.2.2
    long.example     9000 A    192.0.2.3
    t.example             TXT  "v=spf1 " "-all"
    192.0.2.1             PTR  odd\013\010X-Evil:\032yes.example
    n.example             NS   a\.b\\c.example
    m.example             MX   10 \000\255.example
    o.example             TXT  "a\013\010\000\255"
    odd\013\010X-Evil:\032yes.example A 192.0.2.1
    *.list.example        A    127.0.0.2
"#;

struct Stage {
    server: Nameserver,
    clock: Arc<FakeClock>,
    dns: Resolver,
}

fn stage(change: impl FnOnce(&mut Settings)) -> Stage {
    let server = Nameserver::start(ZONE).unwrap();
    let clock = FakeClock::new();
    let mut settings = Settings {
        servers: vec![server.address],
        ..Settings::default()
    };
    change(&mut settings);
    let dns = Resolver::new(&settings, Arc::<FakeClock>::clone(&clock)).unwrap();
    Stage { server, clock, dns }
}

fn fault<T: std::fmt::Debug>(answer: Result<T, Fault>) -> &'static str {
    match answer {
        Err(Fault::Unavailable(why)) => why,
        other => panic!("no fault: {other:?}"),
    }
}

#[tokio::test]
async fn equal_questions_under_way_are_asked_once() {
    let Stage { server, dns, .. } = stage(|_| {});
    server.trouble("*", Trouble::Late(Duration::from_millis(100)));
    let names = ["a.example", "A.Example", "a.example.", "a.EXAMPLE"];
    for answer in join_all(names.iter().cycle().take(100).map(|name| dns.a(name))).await {
        assert_eq!(answer.unwrap().records().len(), 1);
    }
    assert_eq!((server.asked(), server.asked_for("a.example", "A")), (1, 1));
    dns.aaaa("a.example").await.unwrap();
    assert_eq!(server.asked(), 2, "another type is another question");
}

#[tokio::test]
async fn who_gives_up_leaves_the_answer_to_the_next() {
    let Stage { server, dns, .. } = stage(|_| {});
    server.trouble("*", Trouble::Late(Duration::from_millis(100)));
    assert!(timeout(Duration::from_millis(10), dns.a("a.example")).await.is_err());
    dns.a("a.example").await.unwrap();
    assert_eq!(server.asked(), 1);
}

#[tokio::test]
async fn answers_are_remembered_for_a_minute_to_an_hour() {
    let Stage { server, clock, dns } = stage(|_| {});
    for (name, holds) in [
        ("brief.example", 60),
        ("a.example", 120),
        ("long.example", 3_600),
        ("no.example", 300),
    ] {
        let ttl = dns.a(name).await.unwrap().ttl();
        assert_eq!(ttl, Duration::from_secs(holds), "{name}");
        let asked = server.asked();
        clock.forward(ttl - Duration::from_millis(1));
        assert_eq!(dns.a(name).await.unwrap().ttl(), Duration::from_millis(1), "{name}");
        assert_eq!(server.asked(), asked, "{name}");
        clock.forward(Duration::from_millis(1));
        assert_eq!(dns.a(name).await.unwrap().ttl(), ttl, "{name}");
        assert_eq!(server.asked(), asked + 1, "{name}");
    }
}

#[tokio::test]
async fn trouble_is_a_fault_that_is_not_remembered() {
    let Stage { server, dns, .. } = stage(|settings| {
        settings.timeout = Duration::from_millis(100);
        settings.attempts = 1;
    });
    for (trouble, why) in [
        (Trouble::ServFail, "DNS: SERVFAIL"),
        (Trouble::Refused, "DNS: the resolver refuses us"),
        (Trouble::WrongId, "DNS: no answer in time"),
        (Trouble::Garbage, "DNS: no answer in time"),
        (Trouble::Silent, "DNS: no answer in time"),
    ] {
        server.trouble("a.example", trouble);
        assert_eq!(fault(dns.a("a.example").await), why, "{trouble:?}");
    }
    server.well();
    assert_eq!(dns.a("a.example").await.unwrap().records().len(), 1);
}

#[tokio::test]
async fn a_truncated_answer_is_read_over_tcp() {
    let Stage { server, dns, .. } = stage(|_| {});
    server.trouble("t.example", Trouble::Truncated);
    assert_eq!(&*dns.txt("t.example").await.unwrap().records()[0], b"v=spf1 -all");
    assert_eq!((server.asked(), server.asked_over_tcp()), (2, 1));
    let long = "x".repeat(3_000);
    server.add(&format!("l.example TXT {long}")).unwrap();
    assert_eq!(&*dns.txt("l.example").await.unwrap().records()[0], long.as_bytes());
    assert_eq!(server.asked_over_tcp(), 2);
}

#[tokio::test]
async fn a_question_has_one_deadline_for_all_its_tries() {
    let Stage { server, dns, .. } = stage(|settings| {
        settings.timeout = Duration::from_millis(200);
        settings.attempts = 50;
        settings.deadline = Duration::from_millis(500);
    });
    // The resolver lives, this one name is not answered.
    server.trouble("slow.example", Trouble::Silent);
    let began = Instant::now();
    assert_eq!(fault(dns.a("slow.example").await), "DNS: no answer in time");
    let took = began.elapsed();
    assert!((480..5_000).contains(&took.as_millis()), "{took:?}");
    dns.a("a.example").await.unwrap();
}

#[tokio::test]
async fn past_the_bound_a_question_is_a_fault_at_once() {
    let Stage { server, dns, .. } = stage(|settings| settings.under_way = 10);
    server.trouble("*", Trouble::Late(Duration::from_millis(200)));
    let names: Vec<String> = (0..20).map(|n| format!("{n}.list.example")).collect();
    let answers = join_all(names.iter().map(|name| dns.a(name))).await;
    let (found, faults): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((found.len(), faults.len()), (10, 10));
    for answer in faults {
        assert_eq!(fault(answer), "DNS: too many questions under way");
    }
    assert!(dns.a("19.list.example").await.is_ok(), "there is room again");
}

#[tokio::test]
async fn a_silent_resolver_costs_one_deadline_however_many_questions_there_are() {
    let deadline = Duration::from_millis(800);
    let Stage { server, dns, .. } = stage(|settings| settings.deadline = deadline);
    dns.a("a.example").await.unwrap();
    server.trouble("*", Trouble::Silent);
    let began = Instant::now();
    for n in 0..20 {
        let why = fault(dns.a(&format!("{n}.list.example")).await);
        assert!(n == 0 || why == "DNS: the resolver is silent", "{n}: {why}");
    }
    let took = began.elapsed();
    assert!(took < deadline * 5, "{took:?}");
    assert!(dns.a("a.example").await.is_ok(), "what is remembered needs nobody");
    // It answers again, and soon is asked again.
    server.well();
    let again = async {
        while dns.a("5.list.example").await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(timeout(Duration::from_secs(5), again).await.is_ok());
}

#[tokio::test]
async fn one_zone_that_is_away_silences_nobody_else() {
    let Stage { server, dns, .. } = stage(|settings| settings.deadline = Duration::from_millis(400));
    server.trouble("*.away.example", Trouble::Silent);
    let away = |n: usize| {
        let dns = &dns;
        async move { dns.a(&format!("{n}.away.example")).await }
    };
    for n in 0..3 {
        assert_eq!(fault(away(n).await), "DNS: no answer in time");
        assert!(dns.a(&format!("{n}.list.example")).await.is_ok());
    }
}

#[tokio::test]
async fn odd_octets_of_a_name_come_as_numbers_and_text_comes_as_it_is() {
    let Stage { server, dns, .. } = stage(|_| {});
    let names = dns.ptr("192.0.2.1".parse().unwrap()).await.unwrap().into_records();
    assert_eq!(&*names[0], r"odd\013\010x-evil:\032yes.example");
    assert!(
        matches!(dns.a(&names[0]).await, Ok(Lookup::NxDomain { .. })),
        "nobody's name"
    );
    assert!(matches!(
        dns.a("odd\r\nx-evil: yes.example").await,
        Ok(Lookup::Found { .. })
    ));
    assert_eq!(&*dns.ns("n.example").await.unwrap().records()[0], r"a\046b\c.example");
    assert_eq!(
        &*dns.mx("m.example").await.unwrap().records()[0].host,
        r"\000\255.example"
    );
    assert_eq!(&*dns.txt("o.example").await.unwrap().records()[0], b"a\r\n\0\xff");
    assert_eq!(server.asked(), 6);
}

#[tokio::test]
async fn a_stranger_whose_servers_hang_leaves_places_to_others() {
    let Stage { server, dns, .. } = stage(|settings| {
        settings.under_way = 64;
        settings.deadline = Duration::from_secs(2);
    });
    server.trouble("*.hangs.example", Trouble::Silent);
    let names: Vec<String> = (0..200).map(|n| format!("{n}.{n}.hangs.example")).collect();
    let hanging = join_all(names.iter().map(|name| dns.a(name)));
    let other = async {
        tokio::task::yield_now().await;
        dns.a("1.list.example").await
    };
    let (hanging, other) = futures_util::future::join(hanging, other).await;
    assert!(other.is_ok(), "{other:?}");
    let busy = hanging.iter().filter(|answer| **answer == Err(Fault::DNS_BUSY)).count();
    assert_eq!(busy, 200 - 16);
    assert!(dns.a("a.hangs.example").await.is_err());
    server.well();
    assert!(
        dns.a("b.hangs.example").await.is_ok(),
        "the places of the domain are free again"
    );
}

/// Asks when it is dropped, as a session does that ends with its runtime.
struct Asks(Resolver);

impl Drop for Asks {
    fn drop(&mut self) {
        let _ = futures_util::FutureExt::now_or_never(self.0.a("last.example"));
    }
}

#[test]
fn who_asks_while_the_runtime_shuts_down_does_not_stop_it() {
    let (done, is_done) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let server = runtime.block_on(async {
            let Stage { server, dns, .. } = stage(|_| {});
            tokio::spawn(async move {
                let _asks = Asks(dns);
                std::future::pending::<()>().await;
            });
            tokio::task::yield_now().await;
            server
        });
        drop(runtime);
        drop(server);
        done.send(()).unwrap();
    });
    assert_eq!(is_done.recv_timeout(Duration::from_secs(10)), Ok(()));
}
